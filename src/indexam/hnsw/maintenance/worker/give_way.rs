//! Giving way: nobody waits for `deadlock_timeout` to get a lock that the worker holds.
//!
//! A session that waits so long for a lock of an autovacuum worker, for which ours is taken, cancels it. The worker is
//! sooner: while it works, a timer of the server's looks every few milliseconds at what other processes wait for, and if that
//! is a lock that the worker holds, cancels the work in the same way. What is done stays done, as when VACUUM is cancelled.

use crate::pg::process;
use pgrx::pg_sys;
use std::cell::OnceCell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Milliseconds between two looks.
const EVERY: i32 = 20;

/// The table, its vectors and the index that are worked at; 0 = none
static RELATIONS: [AtomicU32; 3] = [const { AtomicU32::new(0) }; 3];
static GAVE_WAY: AtomicBool = AtomicBool::new(false);

unsafe extern "C-unwind" {
    fn RegisterTimeout(id: u32, handler: unsafe extern "C-unwind" fn()) -> u32;
    fn enable_timeout_every(id: u32, first: pg_sys::TimestampTz, milliseconds: i32);
    fn disable_timeout(id: u32, keep_indicator: bool);
}

/// An id above the server's own, which makes it choose one.
const USER_TIMEOUT: u32 = 1000;

/// Called in a signal's handler: only reads, and sets flags.
unsafe extern "C-unwind" fn look() {
    // SAFETY: reads of shared memory; the flags are what the handler of a cancel sets
    unsafe {
        let waits = |relation: u32| RELATIONS.iter().any(|known| known.load(Ordering::Relaxed) == relation);
        if process::others().any(|other| process::waits_for_this(other, &waits)) {
            GAVE_WAY.store(true, Ordering::Relaxed);
            pg_sys::QueryCancelPending = 1;
            pg_sys::InterruptPending = 1;
        }
    }
}

fn timer() -> u32 {
    thread_local! {
        static TIMER: OnceCell<u32> = const { OnceCell::new() };
    }
    // SAFETY: registered once in a process
    TIMER.with(|timer| *timer.get_or_init(|| unsafe { RegisterTimeout(USER_TIMEOUT, look) }))
}

/// Begins to look, on behalf of the relations named by [`at`].
pub fn begin() {
    GAVE_WAY.store(false, Ordering::Relaxed);
    at([0; 3]);
    // SAFETY: a timer of this process
    unsafe { enable_timeout_every(timer(), pg_sys::GetCurrentTimestamp() + i64::from(EVERY) * 1000, EVERY) };
}

/// Sets what is worked at.
pub fn at(relations: [u32; 3]) {
    for (known, relation) in RELATIONS.iter().zip(relations) {
        known.store(relation, Ordering::Relaxed);
    }
}

/// Ends the looking; whether the work was cancelled for somebody, or was about to be when it ended.
#[must_use]
pub fn end() -> bool {
    // SAFETY: a timer of this process
    unsafe {
        disable_timeout(timer(), false);
        at([0; 3]);
        let gave_way = GAVE_WAY.swap(false, Ordering::Relaxed);
        if gave_way {
            // what is next is not to be cancelled
            pg_sys::QueryCancelPending = 0;
        }
        gave_way
    }
}
