//! Cost-based delay in a background worker: as an autovacuum worker, it sleeps when what it has read and changed has come to
//! cost as much as is set.
//!
//! The server adds up what buffers cost (`vacuum_cost_page_hit` and its like) while it is told to, but for those in which a page
//! is found again: these are counted by [`hit`]. Reads past the server's pins cost nothing. The server's own sleep is for
//! VACUUM: it ends with the first signal, such as those of the worker's timer.

use super::compat;
use pgrx::pg_sys;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The longest sleep, unless a few delays are longer.
const LONGEST: Duration = Duration::from_secs(1);
/// How many delays that is at the most, as in VACUUM.
const MOST_DELAYS: u32 = 4;

/// Whether [`PACE`] is set.
static IS_ON: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// how long a sleep is for a cost of so much
    static PACE: Cell<Option<(Duration, i32)>> = const { Cell::new(None) };
}

/// From now on costs are added up, and for each `limit` of them [`pause`] sleeps for `delay`; with no delay they are not.
pub fn begin(delay: Duration, limit: i32) {
    let pace = (!delay.is_zero() && limit > 0).then_some((delay, limit));
    if PACE.get().is_none() || pace.is_none() {
        // SAFETY: counters of this process
        unsafe { pg_sys::VacuumCostBalance = 0 };
    }
    PACE.set(pace);
    IS_ON.store(pace.is_some(), Ordering::Relaxed);
    // SAFETY: as above
    unsafe { pg_sys::VacuumCostActive = pace.is_some() };
}

/// Counts a page that was found again in its buffer. For the backend's first thread.
#[inline(always)]
pub fn hit() {
    if IS_ON.load(Ordering::Relaxed) {
        // SAFETY: a counter of this process, and a setting
        unsafe { pg_sys::VacuumCostBalance += pg_sys::VacuumCostPageHit };
    }
}

/// How long to sleep for a balance of costs.
fn owed(balance: i32, delay: Duration, limit: i32) -> Duration {
    if balance < limit {
        return Duration::ZERO;
    }
    delay.mul_f64(f64::from(balance) / f64::from(limit)).min(LONGEST.max(delay * MOST_DELAYS))
}

/// Sleeps for the costs that have been added up; an interrupt is served meanwhile.
pub fn pause() {
    let Some((delay, limit)) = PACE.get() else { return };
    // SAFETY: a counter of this process
    let time = owed(unsafe { pg_sys::VacuumCostBalance }, delay, limit);
    if time.is_zero() {
        return;
    }
    let began = Instant::now();
    while let Some(left) = time.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
        pgrx::check_for_interrupts!();
        let milliseconds = left.as_micros().div_ceil(1000);
        let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
        // SAFETY: this process's own latch
        unsafe {
            let event = pg_sys::WaitEventTimeout::WAIT_EVENT_VACUUM_DELAY;
            pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, milliseconds as _, event);
            pg_sys::ResetLatch(pg_sys::MyLatch);
        }
    }
    // SAFETY: as above
    unsafe { pg_sys::VacuumCostBalance = 0 };
}

/// Lets VACUUM, or a worker whose costs are added up, rest, or be cancelled.
pub fn point() {
    if PACE.get().is_some() {
        pause();
        pgrx::check_for_interrupts!();
    } else {
        // SAFETY: for the backend's first thread
        unsafe { compat::vacuum_delay_point() }
    }
}
