//! Asking for a worker, and having the server start one.

#![allow(clippy::missing_safety_doc)]

use super::locks::Lock;
use super::queue::{Queue, is_preloaded, queue};
use crate::pg::relation::Rel;
use crate::pg::{process, settings};
use pgrx::pg_sys::{self, Datum};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How often one backend asks for a worker at the most, while its index is on the list.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Fewer waiting vectors are not worth a worker.
const LEAST: u32 = 500;
/// How soon an index needs a worker of which hardly anything waits; the more waits the sooner, and at once when as much waits as
/// may before inserting sessions drain themselves.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);
/// How soon a repair is needed: nobody waits for it.
const REPAIR_WITHIN: Duration = Duration::from_secs(60);

thread_local! {
    static ASKED: Cell<Option<(u32, Instant)>> = const { Cell::new(None) };
    /// when the statement began that last left a repair to a worker, and of which index
    static LEFT: Cell<(i64, u32)> = const { Cell::new((0, 0)) };
}

/// From how many waiting vectors on a worker is wanted.
#[must_use]
pub fn wanted_from() -> u32 {
    (settings::max_pending() / 20).max(LEAST)
}

/// Whether so many waiting vectors are worth a worker.
#[must_use]
pub fn is_wanted(waiting: u32) -> bool {
    settings::background_drain() && waiting >= wanted_from()
}

/// Within which time an index needs a worker of which so many vectors wait.
#[must_use]
pub fn needed_within(waiting: u32) -> Duration {
    let share = f64::from(waiting) / f64::from(settings::max_pending().max(1));
    DRAIN_WITHIN.mul_f64(1.0 - share.clamp(0.0, 1.0))
}

fn this_database() -> u32 {
    // SAFETY: set when the process connected
    unsafe { pg_sys::MyDatabaseId }.to_u32()
}

/// Puts an index on the list, with this session's `maintenance_work_mem`; whether it was not there yet.
fn note(queue: &Queue, index: u32, within: Duration) -> bool {
    // SAFETY: a setting
    queue.add(this_database(), index, unsafe { pg_sys::maintenance_work_mem }, within)
}

/// Asks for a worker that drains `index`, of which so many vectors wait, or takes out its dead nodes.
pub fn ask_for(index: Rel<'_>, waiting: u32) {
    let (oid, is_temporary) = (index.oid().to_u32(), index.is_temporary());
    if is_temporary || most_workers() == 0 {
        return;
    }
    let Some(queue) = queue() else { return };
    let is_new = note(queue, oid, needed_within(waiting));
    let recently = || ASKED.get().is_some_and(|(of, at)| of == oid && at.elapsed() < ASK_EVERY);
    if is_new || !recently() {
        ASKED.set(Some((oid, Instant::now())));
        // no slot to spare: others drain
        let _ = serve(queue, is_new);
    }
}

/// Asks for a worker that takes out dead nodes of `index`, of which a root page says that it is wanted. False when there is none,
/// nor will be: so of the indexes that a statement is about one is left to a worker, and none while a worker repairs another.
pub fn ask_for_repair(index: Rel<'_>) -> bool {
    // SAFETY: index is open
    unsafe {
        let oid = index.oid().to_u32();
        let Some(queue) = queue().filter(|_| !index.is_temporary() && most_workers() > 0) else {
            return false;
        };
        let statement = pg_sys::GetCurrentStatementStartTimestamp();
        let asked = LEFT.get();
        if asked == (statement, oid) || Lock::Index(oid).is_taken() {
            note(queue, oid, REPAIR_WITHIN);
            return true;
        }
        if asked.0 == statement || Lock::Repairs.is_taken() {
            return false;
        }
        let is_new = note(queue, oid, REPAIR_WITHIN);
        let may = serve(queue, is_new);
        if may {
            LEFT.set((statement, oid));
        }
        may
    }
}

/// Whether a worker is at an index or will be, or this statement has asked for one.
#[must_use]
pub fn is_at(index: Rel<'_>) -> bool {
    // SAFETY: index is open
    unsafe {
        let oid = index.oid().to_u32();
        LEFT.get() == (pg_sys::GetCurrentStatementStartTimestamp(), oid)
            || Lock::Index(oid).is_taken()
            || queue().is_some_and(|queue| queue.has(this_database(), oid) && is_served(queue, this_database()))
    }
}

/// Whether a database has a worker, or will in a moment.
pub fn is_served(queue: &Queue, database: u32) -> bool {
    queue.is_starting(database) || Lock::Database(database).is_taken()
}

/// Has this database served, by another worker besides those that it has if there `is_more` to do and the server may have one
/// (not where a launcher sees to it that each database has one); false when there is none, nor will be.
fn serve(queue: &Queue, is_more: bool) -> bool {
    let served = is_served(queue, this_database());
    if served && !(is_more && most_workers() > 1 && queue.launcher().is_none()) {
        return true;
    }
    served | (is_number_free(None) && start(queue, this_database(), false))
}

/// How many workers the server may have.
pub fn most_workers() -> u32 {
    settings::max_drain_workers().unwrap_or_else(|| match is_preloaded() {
        // SAFETY: a setting
        true => unsafe { pg_sys::max_worker_processes }.unsigned_abs(),
        false => 1,
    })
}

/// Whether the server may have one worker more; this process has the number `own`.
pub fn is_number_free(own: Option<u32>) -> bool {
    (0..most_workers()).any(|number| Some(number) != own && !Lock::Number(number).is_taken())
}

/// Takes the number of a worker; `None` when the server may have no more.
pub fn take_number() -> Option<u32> {
    let mut numbers = 0..most_workers();
    numbers.clone().find(|&number| Lock::Number(number).take()).or_else(|| {
        // somebody may have looked just then
        numbers.find(|&number| Lock::Number(number).take_from_lookers())
    })
}

/// Worker slots that are left to others: parallel queries, table syncs of subscriptions.
fn reserve() -> usize {
    // SAFETY: a setting
    (unsafe { pg_sys::max_worker_processes } as usize / 4).max(1)
}

/// Whether the server has a slot to spare for a worker more. A worker of ours that is `leaving` leaves its own.
pub fn is_slot_free(leaving: bool) -> bool {
    process::free_worker_slots() + usize::from(leaving) > reserve()
}

/// Has the launcher start a worker for a database that needs one, or where there is none the server; false when it has no slot to
/// spare, or is starting one already. A worker of ours that is `leaving` leaves its own slot.
pub fn start(queue: &Queue, database: u32, leaving: bool) -> bool {
    if queue.wake_launcher() {
        return is_slot_free(leaving);
    }
    launch(queue, database, leaving, false)
}

/// Has the server start a worker for a database, as [`start`]. This process is told when the worker starts and ends, if it
/// `follows` it.
pub fn launch(queue: &Queue, database: u32, leaving: bool, follows: bool) -> bool {
    if !is_slot_free(leaving) || !queue.begin_start(database) {
        return false;
    }
    // SAFETY: a worker that describes itself completely
    unsafe {
        let mut worker = pg_sys::BackgroundWorker::default();
        put(&mut worker.bgw_name, &format!("pg_zvec drain of database {database}"));
        put(&mut worker.bgw_type, "pg_zvec drain");
        put(&mut worker.bgw_library_name, "pg_zvec");
        put(&mut worker.bgw_function_name, "zvec_worker_main");
        worker.bgw_flags = (pg_sys::BGWORKER_SHMEM_ACCESS | pg_sys::BGWORKER_BACKEND_DATABASE_CONNECTION) as i32;
        worker.bgw_start_time = pg_sys::BgWorkerStartTime::BgWorkerStart_RecoveryFinished;
        worker.bgw_restart_time = pg_sys::BGW_NEVER_RESTART;
        worker.bgw_main_arg = Datum::from(database);
        worker.bgw_notify_pid = if follows { pg_sys::MyProcPid } else { 0 };
        let registered = pg_sys::RegisterDynamicBackgroundWorker(&mut worker, std::ptr::null_mut());
        if !registered {
            queue.end_start(database);
        }
        registered
    }
}

/// Writes a name that the server keeps in so many bytes.
pub fn put<const N: usize>(field: &mut [std::ffi::c_char; N], text: &str) {
    for (place, byte) in field.iter_mut().zip(text.bytes().take(N - 1)) {
        *place = byte as std::ffi::c_char;
    }
}
