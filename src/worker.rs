//! The background worker that drains the pending list of one index while others insert, and takes dead nodes out.
//!
//! An inserting backend asks for it when many vectors wait and nobody drains them; VACUUM by hand, when a large graph is to be
//! repaired, and its root page says so. It needs no preloaded library and no configuration; where the server has no free
//! worker slot, VACUUM and the inserting backends do all that alone.
//!
//! It is as unobtrusive as an autovacuum worker: its transactions are short, or keep no row version alive, it gives way to whoever waits for a lock that
//! it holds or wants to drop the database, and it ends when nothing has been waiting for a while.

#![allow(clippy::missing_safety_doc)]

use crate::indexam::hnsw;
use crate::pg::compat;
use crate::pg::relation::{self, OpenRelation};
use crate::pg::{guc, raw};
use pgrx::pg_sys::{self, Datum};
use std::cell::Cell;
use std::ffi::CStr;
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
/// How often in a row while a repair is wanted and cannot begin: ten minutes.
const MOST_PATIENT_NAPS: u32 = 12_000;
/// How often a new worker tries to take its lock, a millisecond apart.
const LOOKS: u32 = 5;
/// How often one backend asks for a worker at the most.
const ASK_EVERY: Duration = Duration::from_secs(1);

thread_local! {
    static ASKED: Cell<Option<(u32, Instant)>> = const { Cell::new(None) };
    /// when the statement began that last left a repair to a worker, and of which index
    static LEFT: Cell<(i64, u32)> = const { Cell::new((0, 0)) };
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
        // no free slot: others drain
        let _ = is_taken(oid) || start(oid);
    }
}

/// Asks for a worker that takes out dead nodes of `index`, of which a root page says that it is wanted. False when there is none,
/// nor will be: so of the indexes that a statement is about one is left to a worker, and none while a worker repairs another.
pub unsafe fn ask_for_repair(index: pg_sys::Relation) -> bool {
    // SAFETY: index is open
    unsafe {
        let oid = relation::oid(index).to_u32();
        if relation::is_temporary(index) {
            return false;
        }
        let statement = pg_sys::GetCurrentStatementStartTimestamp();
        let asked = LEFT.get();
        if asked == (statement, oid) || is_taken(oid) {
            return true;
        }
        let may = asked.0 != statement && !is_taken(REPAIRS) && start(oid);
        if may {
            LEFT.set((statement, oid));
        }
        may
    }
}

/// Whether an index has a worker, or this statement has asked for one.
#[must_use]
pub unsafe fn is_at(index: pg_sys::Relation) -> bool {
    // SAFETY: index is open
    unsafe {
        let oid = relation::oid(index).to_u32();
        LEFT.get() == (pg_sys::GetCurrentStatementStartTimestamp(), oid) || is_taken(oid)
    }
}

/// In the place of an index: whoever repairs one has this lock, so that one is repaired at a time in a database.
const REPAIRS: u32 = 0;

/// Takes the lock of a worker; false when another has it.
unsafe fn take(index: u32) -> bool {
    // SAFETY: a user lock
    unsafe {
        let tag = lock_tag(pg_sys::MyDatabaseId.to_u32(), index);
        let mode = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;
        pg_sys::LockAcquire(&tag, mode, true, true) != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
    }
}

/// Gives it back.
unsafe fn give_back(index: u32) {
    // SAFETY: a user lock that was taken
    unsafe {
        let tag = lock_tag(pg_sys::MyDatabaseId.to_u32(), index);
        pg_sys::LockRelease(&tag, pg_sys::ExclusiveLock as pg_sys::LOCKMODE, true);
    }
}

/// Whether a worker has the lock.
unsafe fn is_taken(index: u32) -> bool {
    // SAFETY: a lock that is released at once
    unsafe {
        let free = take(index);
        if free {
            give_back(index);
        }
        !free
    }
}

/// Has the server start a worker for the index; false when it has no room for one. It gets this session's
/// `maintenance_work_mem`.
unsafe fn start(oid: u32) -> bool {
    // SAFETY: a worker that describes itself completely
    unsafe {
        let mut worker = pg_sys::BackgroundWorker::default();
        let name = format!("pg_zvec drain of index {oid}");
        put(&mut worker.bgw_name, &name);
        put(&mut worker.bgw_type, "pg_zvec drain");
        put(&mut worker.bgw_library_name, "pg_zvec");
        put(&mut worker.bgw_function_name, "zvec_worker_main");
        let memory = pg_sys::maintenance_work_mem;
        put(&mut worker.bgw_extra, &memory.to_string());
        worker.bgw_flags = (pg_sys::BGWORKER_SHMEM_ACCESS | pg_sys::BGWORKER_BACKEND_DATABASE_CONNECTION) as i32;
        worker.bgw_start_time = pg_sys::BgWorkerStartTime::BgWorkerStart_RecoveryFinished;
        worker.bgw_restart_time = pg_sys::BGW_NEVER_RESTART;
        let both = u64::from(pg_sys::MyDatabaseId.to_u32()) << 32 | u64::from(oid);
        worker.bgw_main_arg = Datum::from(both);
        pg_sys::RegisterDynamicBackgroundWorker(&mut worker, std::ptr::null_mut())
    }
}

fn put<const N: usize>(field: &mut [std::ffi::c_char; N], text: &str) {
    for (place, byte) in field.iter_mut().zip(text.bytes().take(N - 1)) {
        *place = byte as std::ffi::c_char;
    }
}

/// Tells the server what this process is: with PROC_IS_AUTOVACUUM, like an autovacuum worker: whoever waits for a lock of ours
/// cancels us, and DROP DATABASE ends us; with PROC_IN_VACUUM, until the end of the transaction, one whose snapshot needs no
/// row version: others need not keep any for it.
unsafe fn flag(flag: u32) {
    const PROC_ARRAY_LOCK: usize = 4;
    // SAFETY: the flags are written under the lock that protects them
    unsafe {
        let lock = &raw mut (*pg_sys::MainLWLockArray.add(PROC_ARRAY_LOCK)).lock;
        pg_sys::LWLockAcquire(lock, pg_sys::LWLockMode::LW_EXCLUSIVE);
        (*pg_sys::MyProc).statusFlags |= flag as u8;
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
        compat::on_signal(libc::SIGTERM, raw::die);
        compat::on_signal(libc::SIGINT, raw::StatementCancelHandler);
        compat::on_signal(libc::SIGHUP, raw::SignalHandlerForConfigReload);
        pg_sys::BackgroundWorkerUnblockSignals();
        pg_sys::BackgroundWorkerInitializeConnectionByOid(pg_sys::Oid::from(database), pg_sys::InvalidOid, 0);
        flag(pg_sys::PROC_IS_AUTOVACUUM);
        // somebody may look just now whether there is a worker
        if !(0..LOOKS).any(|_| {
            let taken = take(index);
            if !taken {
                pg_sys::pg_usleep(1000);
            }
            taken
        }) {
            return;
        }
        let set = |name: &CStr, value: &CStr| {
            let (context, source) = (pg_sys::GucContext::PGC_USERSET, pg_sys::GucSource::PGC_S_SESSION);
            pg_sys::SetConfigOption(name.as_ptr(), value.as_ptr(), context, source);
        };
        // whoever inserts and searches needs the other processors
        set(c"pg_zvec.optimize_threads", c"1");
        // as the session has it that asked
        set(c"maintenance_work_mem", CStr::from_ptr((*pg_sys::MyBgworkerEntry).bgw_extra.as_ptr()));
        let oid = pg_sys::Oid::from(index);
        loop {
            if !until_idle(oid) {
                break;
            }
            // who has found this worker running a moment ago asked for no other
            give_back(index);
            let left = matches!(run(oid, Work::Look), Round::Done);
            if !left || !take(index) {
                break;
            }
        }
    }
}

/// Works until there has been nothing to do for a while; false when the index is gone.
unsafe fn until_idle(index: pg_sys::Oid) -> bool {
    let (mut naps, mut short_naps, mut patient_naps) = (0, 0, 0);
    // what waits comes first, once: a repair may take long, or fail
    let mut work = Work::DrainFirst;
    while naps < MOST_NAPS && patient_naps < MOST_PATIENT_NAPS {
        pgrx::check_for_interrupts!();
        // SAFETY: in a background worker, outside a transaction
        unsafe {
            if pg_sys::ConfigReloadPending != 0 {
                pg_sys::ConfigReloadPending = 0;
                pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
            }
            let round = run(index, work);
            let repairs = work == Work::Repair;
            work = Work::Drain;
            let nap = match round {
                Round::Gone => return false,
                Round::RepairWanted => {
                    work = Work::Repair;
                    continue;
                }
                Round::Done => {
                    (naps, short_naps, patient_naps) = (0, 0, 0);
                    continue;
                }
                // VACUUM, or whoever else is at the table, will end; meanwhile what waits does not
                Round::Busy | Round::Locked if repairs => {
                    run(index, Work::DrainFirst);
                    work = Work::Repair;
                    patient_naps += 1;
                    NAP
                }
                Round::Busy if short_naps < MOST_SHORT_NAPS => {
                    short_naps += 1;
                    SHORT_NAP
                }
                Round::Busy | Round::Locked | Round::Nothing => {
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
    true
}

/// What is to be done in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// move some of what waits into the graph
    DrainFirst,
    /// the same, unless dead nodes are to be taken out
    Drain,
    /// take dead nodes out
    Repair,
    /// see whether there is anything to do
    Look,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
enum Round {
    /// the index is gone
    Gone,
    /// there is something to do, and somebody else is at it
    Busy,
    /// the table or the index is locked
    Locked,
    /// there is nothing to do
    Nothing,
    /// something was done, or is to be done
    Done,
    /// dead nodes are to be taken out first
    RepairWanted,
}

/// Does it in a transaction of its own.
unsafe fn run(index: pg_sys::Oid, work: Work) -> Round {
    // SAFETY: in a background worker, outside a transaction
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        if work == Work::Repair {
            // before there is a snapshot: it may take long, and reads no row
            flag(pg_sys::PROC_IN_VACUUM);
        }
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let done = work_at(index, work);
        pg_sys::PopActiveSnapshot();
        pg_sys::CommitTransactionCommand();
        pg_sys::pgstat_report_stat(false);
        done
    }
}

unsafe fn work_at(index: pg_sys::Oid, work: Work) -> Round {
    let mode = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
    // SAFETY: the relations are looked at only if they exist
    unsafe {
        let heap = pg_sys::IndexGetRelation(index, true);
        if heap == pg_sys::InvalidOid {
            return Round::Gone;
        }
        // who waits for a lock is not to be waited for
        if !pg_sys::ConditionalLockRelationOid(heap, mode) {
            return Round::Locked;
        }
        if pg_sys::IndexGetRelation(index, true) != heap {
            return Round::Gone;
        }
        if work == Work::Repair {
            // VACUUM, which wants to cut the table off at its end, is let through
            let vacuum = pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE;
            if !pg_sys::ConditionalLockRelationOid(heap, vacuum) {
                return Round::Busy;
            }
            pg_sys::UnlockRelationOid(heap, vacuum);
        }
        let heap = OpenRelation::open(heap, pg_sys::NoLock as _);
        if !pg_sys::ConditionalLockRelationOid(index, mode) {
            return Round::Locked;
        }
        let index = OpenRelation::open(index, pg_sys::NoLock as _);
        let wanted = matches!(work, Work::Drain | Work::Look) && hnsw::is_repair_wanted(index.raw());
        if work == Work::Look {
            let left = wanted || hnsw::most_waiting(index.raw()) >= wanted_from();
            return if left { Round::Done } else { Round::Nothing };
        }
        if wanted {
            return Round::RepairWanted;
        }
        let what = if work == Work::Repair { "repair" } else { "drain" };
        let activity = format!("{what} of index \"{}\"", relation::name(index.raw()));
        let text = std::ffi::CString::new(activity).unwrap_or_default();
        pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, text.as_ptr());
        let done = if work == Work::Repair {
            if !take(REPAIRS) {
                return Round::Busy;
            }
            let done = hnsw::repair_wanted(index.raw(), heap.raw());
            give_back(REPAIRS);
            done
        } else {
            hnsw::drain_some(index.raw(), heap.raw(), BATCH)
        };
        pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, std::ptr::null());
        match done {
            None => Round::Busy,
            Some(0) => Round::Nothing,
            Some(_) => Round::Done,
        }
    }
}
