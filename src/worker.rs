//! The background worker that drains the pending list of one index while others insert.
//!
//! An inserting backend asks for it when many vectors wait and nobody drains them. It needs no preloaded library and no
//! configuration; where the server has no free worker slot, VACUUM and the inserting backends drain alone.
//!
//! It is as unobtrusive as an autovacuum worker: its transactions are short, it gives way to whoever waits for a lock that
//! it holds or wants to drop the database, and it ends when nothing has been waiting for a while.

#![allow(clippy::missing_safety_doc)]

use crate::indexam::hnsw;
use crate::pg::relation::{self, OpenRelation};
use crate::pg::{guc, raw};
use pgrx::pg_sys::{self, Datum};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Vectors drained in one transaction.
const BATCH: u64 = 64;
/// How long the worker sleeps when nothing waits.
const NAP: Duration = Duration::from_millis(50);
/// How long it sleeps when somebody else has the lock, perhaps for a moment only, and how often in a row.
const SHORT_NAP: Duration = Duration::from_millis(1);
const MOST_SHORT_NAPS: u32 = 20;
/// After so many naps in a row the worker ends.
const MOST_NAPS: u32 = 40;
/// How often one backend asks for a worker at the most.
const ASK_EVERY: Duration = Duration::from_secs(1);

thread_local! {
    static ASKED: Cell<Option<(u32, Instant)>> = const { Cell::new(None) };
}

/// The lock that an index's worker holds as long as it runs: on a block number that no page has. It is of the method of
/// user locks, because the end of a process releases only those outside a transaction. With the default method it would
/// outlive the worker, and no other would ever start for the index.
fn lock_tag(database: u32, index: u32) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        locktag_field1: database,
        locktag_field2: index,
        locktag_field3: pg_sys::InvalidBlockNumber,
        locktag_field4: 0,
        locktag_type: pg_sys::LockTagType::LOCKTAG_PAGE as u8,
        locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
    }
}

/// Fewer waiting vectors are not worth a worker.
const LEAST: u32 = 500;

/// From how many waiting vectors on a worker is wanted.
#[must_use]
pub fn wanted_from() -> u32 {
    (guc::max_pending() / 20).max(LEAST)
}

/// Whether so many waiting vectors are worth a worker.
#[must_use]
pub fn is_wanted(waiting: u32) -> bool {
    guc::background_drain() && waiting >= wanted_from()
}

/// Asks for a worker that drains `index`, unless there is one, or this backend has asked for one a moment ago.
pub unsafe fn ask_for(index: pg_sys::Relation) {
    // SAFETY: index is open
    unsafe {
        let oid = relation::oid(index).to_u32();
        let now = Instant::now();
        let recently = ASKED.get().is_some_and(|(of, at)| of == oid && now.duration_since(at) < ASK_EVERY);
        if recently || relation::is_temporary(index) {
            return;
        }
        ASKED.set(Some((oid, now)));
        let tag = lock_tag(pg_sys::MyDatabaseId.to_u32(), oid);
        let mode = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;
        if pg_sys::LockAcquire(&tag, mode, false, true) == pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL {
            return;
        }
        pg_sys::LockRelease(&tag, mode, false);
        let mut worker = pg_sys::BackgroundWorker::default();
        let name = format!("pg_zvec drain of index {oid}");
        put(&mut worker.bgw_name, &name);
        put(&mut worker.bgw_type, "pg_zvec drain");
        put(&mut worker.bgw_library_name, "pg_zvec");
        put(&mut worker.bgw_function_name, "zvec_worker_main");
        worker.bgw_flags = (pg_sys::BGWORKER_SHMEM_ACCESS | pg_sys::BGWORKER_BACKEND_DATABASE_CONNECTION) as i32;
        worker.bgw_start_time = pg_sys::BgWorkerStartTime::BgWorkerStart_RecoveryFinished;
        worker.bgw_restart_time = pg_sys::BGW_NEVER_RESTART;
        let both = u64::from(pg_sys::MyDatabaseId.to_u32()) << 32 | u64::from(oid);
        worker.bgw_main_arg = Datum::from(both);
        // no free slot: others drain
        let _ = pg_sys::RegisterDynamicBackgroundWorker(&mut worker, std::ptr::null_mut());
    }
}

fn put<const N: usize>(field: &mut [std::ffi::c_char; N], text: &str) {
    for (place, byte) in field.iter_mut().zip(text.bytes().take(N - 1)) {
        *place = byte as std::ffi::c_char;
    }
}

/// Makes the server treat this process like an autovacuum worker: whoever waits for a lock of ours cancels us, and DROP
/// DATABASE ends us.
unsafe fn give_way_to_others() {
    const PROC_ARRAY_LOCK: usize = 4;
    // SAFETY: the flags are written under the lock that protects them
    unsafe {
        let lock = &raw mut (*pg_sys::MainLWLockArray.add(PROC_ARRAY_LOCK)).lock;
        pg_sys::LWLockAcquire(lock, pg_sys::LWLockMode::LW_EXCLUSIVE);
        (*pg_sys::MyProc).statusFlags |= pg_sys::PROC_IS_AUTOVACUUM as u8;
        let at = (*pg_sys::MyProc).pgxactoff as usize;
        *(*pg_sys::ProcGlobal).statusFlags.add(at) = (*pg_sys::MyProc).statusFlags;
        pg_sys::LWLockRelease(lock);
    }
}

/// The worker's main function.
///
/// # Safety
/// Called by the server in a background worker.
#[pgrx::pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zvec_worker_main(argument: Datum) {
    let both = argument.value() as u64;
    let (database, index) = ((both >> 32) as u32, both as u32);
    // SAFETY: a background worker sets itself up
    unsafe {
        pg_sys::pqsignal(libc::SIGTERM, Some(raw::die));
        pg_sys::pqsignal(libc::SIGINT, Some(raw::StatementCancelHandler));
        pg_sys::pqsignal(libc::SIGHUP, Some(raw::SignalHandlerForConfigReload));
        pg_sys::BackgroundWorkerUnblockSignals();
        pg_sys::BackgroundWorkerInitializeConnectionByOid(pg_sys::Oid::from(database), pg_sys::InvalidOid, 0);
        give_way_to_others();
        let tag = lock_tag(database, index);
        let mode = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;
        if pg_sys::LockAcquire(&tag, mode, true, true) == pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL {
            return;
        }
        // whoever inserts and searches needs the other processors
        let source = pg_sys::GucSource::PGC_S_SESSION;
        pg_sys::SetConfigOption(
            c"pg_zvec.optimize_threads".as_ptr(),
            c"1".as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            source,
        );
        let (mut naps, mut short_naps) = (0, 0);
        while naps < MOST_NAPS {
            pgrx::check_for_interrupts!();
            if pg_sys::ConfigReloadPending != 0 {
                pg_sys::ConfigReloadPending = 0;
                pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
            }
            let nap = match drain_once(pg_sys::Oid::from(index)) {
                Round::Gone => break,
                Round::Drained => {
                    (naps, short_naps) = (0, 0);
                    continue;
                }
                Round::Busy if short_naps < MOST_SHORT_NAPS => {
                    short_naps += 1;
                    SHORT_NAP
                }
                Round::Busy | Round::Nothing => {
                    naps += 1;
                    NAP
                }
            };
            let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
            let wait = pg_sys::PG_WAIT_EXTENSION;
            pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, nap.as_millis() as _, wait);
            pg_sys::ResetLatch(pg_sys::MyLatch);
        }
    }
}

/// What came of an attempt to drain.
#[derive(Clone, Copy, Debug)]
enum Round {
    /// the index is gone
    Gone,
    /// something waits, and somebody else is at it
    Busy,
    /// nothing waits, or the table or the index is locked
    Nothing,
    /// some vectors were drained
    Drained,
}

/// Drains a batch in a transaction of its own.
unsafe fn drain_once(index: pg_sys::Oid) -> Round {
    // SAFETY: in a background worker, outside a transaction
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let done = drain_of(index);
        pg_sys::PopActiveSnapshot();
        pg_sys::CommitTransactionCommand();
        pg_sys::pgstat_report_stat(false);
        done
    }
}

unsafe fn drain_of(index: pg_sys::Oid) -> Round {
    let mode = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
    // SAFETY: the relations are looked at only if they exist
    unsafe {
        let heap = pg_sys::IndexGetRelation(index, true);
        if heap == pg_sys::InvalidOid {
            return Round::Gone;
        }
        // who waits for a lock is not to be waited for
        if !pg_sys::ConditionalLockRelationOid(heap, mode) {
            return Round::Nothing;
        }
        if pg_sys::IndexGetRelation(index, true) != heap {
            return Round::Gone;
        }
        let heap = OpenRelation::open(heap, pg_sys::NoLock as _);
        if !pg_sys::ConditionalLockRelationOid(index, mode) {
            return Round::Nothing;
        }
        let index = OpenRelation::open(index, pg_sys::NoLock as _);
        let activity = format!("drain of index \"{}\"", relation::name(index.raw()));
        let text = std::ffi::CString::new(activity).unwrap_or_default();
        pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, text.as_ptr());
        let done = hnsw::drain_some(index.raw(), heap.raw(), BATCH);
        pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, std::ptr::null());
        match done {
            None => Round::Busy,
            Some(0) => Round::Nothing,
            Some(_) => Round::Drained,
        }
    }
}
