//! Asking for a worker, and having the server start one.

#![allow(clippy::missing_safety_doc)]

use super::locks::Lock;
use super::queue::{Queue, queue};
use crate::pg::relation::Rel;
use crate::pg::{process, settings};
use pgrx::pg_sys::{self, Datum};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How often one backend asks for a worker at the most, while its index is on the list.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Fewer waiting vectors are not worth a worker.
const LEAST: u32 = 500;

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

fn this_database() -> u32 {
    // SAFETY: set when the process connected
    unsafe { pg_sys::MyDatabaseId }.to_u32()
}

/// Puts an index on the list, with this session's `maintenance_work_mem`; whether it was not there yet.
fn note(queue: &Queue, index: u32) -> bool {
    // SAFETY: a setting
    queue.add(this_database(), index, unsafe { pg_sys::maintenance_work_mem })
}

/// Asks for a worker that drains `index`.
pub fn ask_for(index: Rel<'_>) {
    let (oid, is_temporary) = (index.oid().to_u32(), index.is_temporary());
    if is_temporary || most_workers() == 0 {
        return;
    }
    let Some(queue) = queue() else { return };
    let is_new = note(queue, oid);
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
            note(queue, oid);
            return true;
        }
        if asked.0 == statement || Lock::Repairs.is_taken() {
            return false;
        }
        let is_new = note(queue, oid);
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

/// Has this database served, by another worker besides those that it has if there `is_more` to do and the server may have one;
/// false when there is none, nor will be.
fn serve(queue: &Queue, is_more: bool) -> bool {
    let served = is_served(queue, this_database());
    if served && !(is_more && most_workers() > 1) {
        return true;
    }
    served | (is_number_free(None) && start(queue, this_database(), false))
}

/// How many workers the server may have.
pub fn most_workers() -> u32 {
    settings::max_drain_workers().unwrap_or(1)
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

/// Has the server start a worker for a database; false when it has no slot to spare, or is starting one already. A worker of
/// ours that is `leaving` leaves its own slot.
pub fn start(queue: &Queue, database: u32, leaving: bool) -> bool {
    if process::free_worker_slots() + usize::from(leaving) <= reserve() || !queue.begin_start(database) {
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
        let registered = pg_sys::RegisterDynamicBackgroundWorker(&mut worker, std::ptr::null_mut());
        if !registered {
            queue.end_start(database);
        }
        registered
    }
}

fn put<const N: usize>(field: &mut [std::ffi::c_char; N], text: &str) {
    for (place, byte) in field.iter_mut().zip(text.bytes().take(N - 1)) {
        *place = byte as std::ffi::c_char;
    }
}
