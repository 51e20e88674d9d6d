//! The worker's process: which index has its turn, what is done at it, when the worker ends.

#![allow(clippy::missing_safety_doc)]

use super::give_way;
use super::locks::Lock;
use super::queue::{ALL, Queue, Wish, queue};
use super::request::{is_number_free, is_served, most_workers, start, take_number, wanted_from};
use crate::indexam::hnsw::background;
use crate::pg::compat;
use crate::pg::error::caught;
use crate::pg::relation::OpenRelation;
use crate::pg::{raw, restricted, settings};
use pgrx::pg_sys::{self, Datum};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::time::{Duration, Instant};

/// Vectors drained in one transaction.
const BATCH: u64 = 64;
/// How long one index is worked at before others have their turn.
const TURN: Duration = Duration::from_secs(1);
/// How long one database's indexes are, while those of another wait.
const STAY: Duration = Duration::from_secs(5);
/// How long the worker sleeps when nothing waits.
const NAP: Duration = Duration::from_millis(50);
/// How long it sleeps when somebody else has the lock, perhaps for a moment only, and how often in a row.
const SHORT_NAP: Duration = Duration::from_millis(1);
const MOST_SHORT_NAPS: u32 = 20;
/// How long it looks again and again at what it has drained, and after which it ends.
const LINGER: Duration = Duration::from_secs(2);
/// After so many attempts that failed because of others' locks the next ones come less often.
const SOON: u32 = 40;
const LATER: Duration = Duration::from_secs(1);
/// How long an index is come back to that cannot be worked at because of others' locks.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long an index is left alone at which an error was met.
const AFTER_ERROR: Duration = Duration::from_secs(60);
/// After how many times that work was given up for others it is done in small steps.
const MOST_GIVEN_UP: u32 = 2;
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
    let database = argument.value() as u32;
    let Some(queue) = queue() else { return };
    // SAFETY: a background worker sets itself up
    unsafe {
        pg_sys::before_shmem_exit(Some(at_exit), argument);
        compat::on_signal(libc::SIGTERM, raw::die);
        compat::on_signal(libc::SIGINT, raw::StatementCancelHandler);
        compat::on_signal(libc::SIGHUP, raw::SignalHandlerForConfigReload);
        pg_sys::BackgroundWorkerUnblockSignals();
        let (oid, anyway) = (pg_sys::Oid::from(database), pg_sys::BGWORKER_BYPASS_ALLOWCONN);
        pg_sys::BackgroundWorkerInitializeConnectionByOid(oid, pg_sys::InvalidOid, anyway);
        flag(pg_sys::PROC_IS_AUTOVACUUM);
        STAGE.set(Stage::Seeks);
        let number = take_number();
        let is_seen = number.is_some() && Lock::Database(database).take_from_lookers();
        queue.end_start(database);
        let Some(number) = number.filter(|_| is_seen) else { return };
        STAGE.set(Stage::Serves);
        // whoever inserts and searches needs the other processors
        set(c"pg_zvec.optimize_threads", c"1");
        let memory = background_memory();
        Worker { queue, database, number, memory, cursor: 0, known: BTreeMap::new() }.serve();
    }
}

/// How far a worker is, for its end.
#[derive(Clone, Copy)]
enum Stage {
    /// it connects to its database
    Connects,
    /// it looks whether it may work, or has done so
    Seeks,
    /// it works
    Serves,
}

thread_local! {
    static STAGE: Cell<Stage> = const { Cell::new(Stage::Connects) };
}

/// At the worker's end, whatever ends it: DROP DATABASE does, and must not end the service of other databases. Its own gets a
/// new worker when somebody asks again.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn at_exit(_status: i32, database: Datum) {
    let database = database.value() as u32;
    let Some(queue) = queue() else { return };
    match STAGE.get() {
        // it cannot be connected to: it is gone, or soon will be
        Stage::Connects => {
            queue.end_start(database);
            queue.remove_all(database);
        }
        Stage::Seeks => return,
        // the server has released its locks
        Stage::Serves => {}
    }
    STAGE.set(Stage::Seeks);
    let is_unserved = |&other: &u32| other != database && !is_served(queue, other);
    if is_number_free(None)
        && let Some(other) = queue.databases().into_iter().find(is_unserved)
    {
        start(queue, other, true);
    }
}

/// What may be taken, in kB, where no session asked: as much as autovacuum takes.
fn background_memory() -> i32 {
    // SAFETY: settings
    unsafe { if raw::autovacuum_work_mem >= 0 { raw::autovacuum_work_mem } else { pg_sys::maintenance_work_mem } }
}

unsafe fn set(name: &CStr, value: &CStr) {
    let (context, source) = (pg_sys::GucContext::PGC_USERSET, pg_sys::GucSource::PGC_S_SESSION);
    // SAFETY: the server copies the strings
    unsafe { pg_sys::SetConfigOption(name.as_ptr(), value.as_ptr(), context, source) };
}

/// What a worker knows of an index that it has been at.
struct State {
    /// not before
    due: Instant,
    /// kB that work in memory may take
    memory: i32,
    /// since when others' locks have been in the way, and how often
    blocked: Option<(Instant, u32)>,
    /// how often work was given up for others
    given_up: u32,
    /// when something was done last
    done: Option<Instant>,
    /// after an error
    failed: bool,
}

/// What came of an index's turn.
enum Turn {
    /// there is nothing to do any more
    Finished,
    /// there is more to do
    More,
    /// others' locks are in the way
    Blocked,
    /// an error was met, or the work was cancelled
    Failed { cancelled: bool },
}

/// A worker at a database.
struct Worker {
    queue: &'static Queue,
    database: u32,
    number: u32,
    /// kB that work in memory may take for who did not ask by a session of its own
    memory: i32,
    /// the place in the list of the index that had its turn last
    cursor: usize,
    known: BTreeMap<u32, State>,
}

impl Worker {
    /// Works until there has been nothing to do for a while.
    unsafe fn serve(&mut self) {
        let (arrived, mut idle) = (Instant::now(), Instant::now());
        // SAFETY: in a background worker, outside a transaction
        unsafe {
            loop {
                if pg_sys::QueryCancelPending != 0 {
                    // cancelled while it was at nothing: that asks for its end
                    pg_sys::QueryCancelPending = 0;
                    return self.leave();
                }
                pgrx::check_for_interrupts!();
                if pg_sys::ConfigReloadPending != 0 {
                    pg_sys::ConfigReloadPending = 0;
                    pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
                }
                if self.number >= most_workers() {
                    return self.leave();
                }
                if settings::background_drain() && self.queue.is_look_due(self.database) {
                    self.look_at_all();
                }
                let worked = self.round();
                if worked {
                    idle = Instant::now();
                }
                let needed = !self.queue.of(self.database).is_empty();
                let elsewhere = self.unserved();
                if let Some(database) = elsewhere {
                    if is_number_free(Some(self.number)) {
                        start(self.queue, database, false);
                    } else if !needed || arrived.elapsed() > STAY {
                        self.let_go();
                        if start(self.queue, database, true) || !self.take_again() {
                            return;
                        }
                    }
                }
                if worked {
                    continue;
                }
                let waits = needed || elsewhere.is_some();
                if idle.elapsed() > if waits { PATIENCE } else { LINGER } {
                    self.let_go();
                    // who has found this worker there a moment ago asked for no other
                    let left = !self.queue.of(self.database).is_empty() || self.unserved().is_some();
                    if waits || !left || !self.take_again() {
                        return;
                    }
                    idle = Instant::now();
                }
                sleep(NAP);
            }
        }
    }

    /// Gives back by what it is seen.
    fn let_go(&self) {
        STAGE.set(Stage::Seeks);
        Lock::Database(self.database).give_back();
        Lock::Number(self.number).give_back();
    }

    /// Ends before everything is done, for another worker if there may be one.
    unsafe fn leave(&self) {
        self.let_go();
        if is_number_free(None)
            // SAFETY: in a background worker, outside a transaction
            && let Some(database) = unsafe { self.unserved() }
        {
            start(self.queue, database, true);
        }
    }

    /// Takes that again; false when another worker has taken its place.
    fn take_again(&mut self) -> bool {
        let Some(number) = take_number() else { return false };
        self.number = number;
        let is_seen = Lock::Database(self.database).take_from_lookers();
        if is_seen {
            STAGE.set(Stage::Serves);
        }
        is_seen
    }

    /// Another database that has asked and has no worker.
    unsafe fn unserved(&self) -> Option<u32> {
        let others = self.queue.databases().into_iter().filter(|&database| database != self.database);
        for database in others {
            if is_served(self.queue, database) {
                continue;
            }
            // SAFETY: in a background worker, outside a transaction
            if unsafe { exists(database) } {
                return Some(database);
            }
            self.queue.remove_all(database);
        }
        None
    }

    /// Each index that has asked gets its turn, and those that were drained a moment ago are looked at; whether anything was done.
    unsafe fn round(&mut self) -> bool {
        let mut worked = false;
        let mut wishes = self.queue.of(self.database);
        let next = wishes.iter().position(|wish| wish.place > self.cursor).unwrap_or(0);
        wishes.rotate_left(next);
        for &wish in &wishes {
            // SAFETY: in a background worker, outside a transaction
            unsafe {
                if wish.index == ALL {
                    self.queue.remove(self.database, wish);
                    self.look_at_all();
                    worked = true;
                } else {
                    worked |= self.turn(wish.index, wish.memory, Some(wish));
                }
            }
            self.cursor = wish.place;
        }
        let lately = |state: &State| state.done.is_some_and(|at| at.elapsed() < LINGER);
        let is_wished = |index: u32| wishes.iter().any(|wish| wish.index == index);
        self.known
            .retain(|&index, state| lately(state) || is_wished(index) || state.failed && state.due > Instant::now());
        let rest: Vec<(u32, i32)> = self
            .known
            .iter()
            .filter(|&(&index, state)| lately(state) && !is_wished(index))
            .map(|(&index, state)| (index, state.memory))
            .collect();
        for (index, memory) in rest {
            // SAFETY: as above
            worked |= unsafe { self.turn(index, memory, None) };
        }
        worked
    }

    /// Works at one index, if it is due; whether anything was done.
    unsafe fn turn(&mut self, index: u32, memory: i32, wish: Option<Wish>) -> bool {
        let began = Instant::now();
        let new = State { due: began, memory, blocked: None, given_up: 0, done: None, failed: false };
        let mut state = self.known.remove(&index).unwrap_or(new);
        let forget = || {
            if let Some(wish) = wish {
                self.queue.remove(self.database, wish);
            }
        };
        if state.due > began {
            if state.failed {
                forget();
            }
            self.known.insert(index, state);
            return false;
        }
        (state.memory, state.failed) = (memory, false);
        let before = state.done;
        let turn = if Lock::Index(index).take() {
            // what was asked for comes first, once: a repair may take long, or fail
            let first = if wish.is_some() { Step::DrainFirst } else { Step::Drain };
            // SAFETY: in a background worker, outside a transaction
            let turn = unsafe { at_index(index, first, &mut state) };
            Lock::Index(index).give_back();
            turn
        } else {
            Turn::Blocked
        };
        match turn {
            Turn::More => state.blocked = None,
            Turn::Finished => {
                (state.blocked, state.given_up) = (None, 0);
                forget();
                // who has found it on the list a moment ago asked no more
                // SAFETY: as above
                if wish.is_some() && matches!(unsafe { attempt(index, Step::Look, true) }, Ok(Round::Done)) {
                    self.queue.add(self.database, index, memory);
                }
            }
            Turn::Blocked => {
                let (since, times) = state.blocked.unwrap_or((began, 0));
                state.blocked = Some((since, times + 1));
                state.due = Instant::now() + if times < SOON { NAP } else { LATER };
                if since.elapsed() > PATIENCE {
                    forget();
                    return false;
                }
            }
            Turn::Failed { cancelled } => {
                forget();
                state.failed = !cancelled;
                state.due = if cancelled { began } else { began + AFTER_ERROR };
                state.done = None;
            }
        }
        let worked = state.done != before;
        self.known.insert(index, state);
        worked
    }

    /// Puts on the list what of the database's indexes has something to do, or cannot be looked at now.
    unsafe fn look_at_all(&mut self) {
        // SAFETY: in a background worker, outside a transaction
        unsafe {
            for index in in_transaction(|| all_indexes()).unwrap_or_default() {
                pgrx::check_for_interrupts!();
                if matches!(attempt(index, Step::Look, true), Ok(Round::Done | Round::Locked)) {
                    self.queue.add(self.database, index, self.memory);
                }
            }
        }
    }
}

/// Sleeps, or until something happens.
unsafe fn sleep(time: Duration) {
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: this process's own latch
    unsafe {
        pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, time.as_millis() as _, pg_sys::PG_WAIT_EXTENSION);
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
}

/// Works at an index whose lock is held until its turn is over.
unsafe fn at_index(index: u32, first: Step, state: &mut State) -> Turn {
    let began = Instant::now();
    let in_memory = state.given_up < MOST_GIVEN_UP;
    let (mut short_naps, mut work) = (0, first);
    // SAFETY: in a background worker, outside a transaction
    unsafe {
        // as the session has it that asked
        if let Ok(memory) = std::ffi::CString::new(state.memory.to_string()) {
            set(c"maintenance_work_mem", &memory);
        }
        loop {
            pgrx::check_for_interrupts!();
            let repairs = work == Step::Repair;
            match attempt(index, work, in_memory) {
                Err(Trouble::GaveWay) => {
                    state.given_up += 1;
                    return Turn::Blocked;
                }
                Err(Trouble::Cancelled) => return Turn::Failed { cancelled: true },
                Err(Trouble::Error) => return Turn::Failed { cancelled: false },
                Ok(Round::Gone) => return Turn::Finished,
                Ok(Round::Nothing) if work == Step::DrainFirst => work = Step::Drain,
                Ok(Round::Nothing) => return Turn::Finished,
                Ok(Round::RepairWanted) => work = Step::Repair,
                Ok(Round::Done) => {
                    state.done = Some(Instant::now());
                    work = Step::Drain;
                    if began.elapsed() > TURN {
                        return Turn::More;
                    }
                }
                // VACUUM, or whoever else is at the table, will end; meanwhile what waits does not
                Ok(Round::Busy | Round::Locked) if repairs => {
                    if matches!(attempt(index, Step::DrainFirst, in_memory), Ok(Round::Done)) {
                        state.done = Some(Instant::now());
                    }
                    return Turn::Blocked;
                }
                Ok(Round::Busy) if short_naps < MOST_SHORT_NAPS => {
                    short_naps += 1;
                    sleep(SHORT_NAP);
                }
                Ok(Round::Busy | Round::Locked) => return Turn::Blocked,
            }
        }
    }
}

/// What is to be done in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
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

/// Why nothing came of it.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// somebody waited for a lock
    GaveWay,
    /// it was cancelled
    Cancelled,
    /// an error, which is in the log
    Error,
}

/// Does it in a transaction of its own, in memory where that is faster and `in_memory` allows it.
unsafe fn attempt(index: u32, work: Step, in_memory: bool) -> Result<Round, Trouble> {
    if work == Step::Repair && !Lock::Repairs.take() {
        return Ok(Round::Busy);
    }
    // SAFETY: in a background worker, outside a transaction
    let result = unsafe {
        in_transaction(|| {
            if work == Step::Repair {
                // before there is a snapshot: it may take long, and reads no row
                flag(pg_sys::PROC_IN_VACUUM);
            }
            pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
            let done = work_at(pg_sys::Oid::from(index), work, in_memory);
            pg_sys::PopActiveSnapshot();
            done
        })
    };
    if work == Step::Repair {
        Lock::Repairs.give_back();
    }
    result
}

/// Runs `work` in a transaction of its own, which gives way to others; an error is logged.
unsafe fn in_transaction<R>(work: impl FnOnce() -> R) -> Result<R, Trouble> {
    // SAFETY: in a background worker, outside a transaction
    unsafe {
        give_way::begin();
        let result = caught(|| {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
            let result = work();
            pg_sys::CommitTransactionCommand();
            result
        });
        let gave_way = give_way::end();
        let result = result.map_err(|error| {
            let is_cancel = error.is_cancel();
            if !(is_cancel && gave_way) {
                error.log();
            }
            pg_sys::AbortCurrentTransaction();
            error.forget();
            match (is_cancel, gave_way) {
                (true, true) => Trouble::GaveWay,
                (true, false) => Trouble::Cancelled,
                (false, _) => Trouble::Error,
            }
        });
        pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, std::ptr::null());
        pg_sys::pgstat_report_stat(false);
        result
    }
}

/// Whether there is a database of that oid.
unsafe fn exists(database: u32) -> bool {
    // SAFETY: a look-up in a catalog that all databases share
    unsafe {
        let there = in_transaction(|| {
            let oid = Datum::from(pg_sys::Oid::from(database));
            let row = pg_sys::SearchSysCache1(pg_sys::SysCacheIdentifier::DATABASEOID as i32, oid);
            let there = !row.is_null();
            if there {
                pg_sys::ReleaseSysCache(row);
            }
            there
        });
        there.unwrap_or(false)
    }
}

/// The `zvec_hnsw` indexes of this database.
unsafe fn all_indexes() -> Vec<u32> {
    let mut all = Vec::new();
    // SAFETY: a scan of a catalog in a transaction; pg_class rows have their fixed part
    unsafe {
        let method = pg_sys::get_am_oid(c"zvec_hnsw".as_ptr(), true);
        if method == pg_sys::InvalidOid {
            return all;
        }
        let classes = OpenRelation::open(pg_sys::RelationRelationId, pg_sys::AccessShareLock as _);
        let scan = pg_sys::systable_beginscan(
            classes.raw(),
            pg_sys::InvalidOid,
            false,
            std::ptr::null_mut(),
            0,
            std::ptr::null_mut(),
        );
        loop {
            let row = pg_sys::systable_getnext(scan);
            if row.is_null() {
                break;
            }
            let class = pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_class>();
            let is_plain = (*class).relkind as u8 == pg_sys::RELKIND_INDEX;
            if is_plain && (*class).relam == method && (*class).relpersistence as u8 != pg_sys::RELPERSISTENCE_TEMP {
                all.push((*class).oid.to_u32());
            }
        }
        pg_sys::systable_endscan(scan);
    }
    all
}

unsafe fn work_at(index: pg_sys::Oid, work: Step, in_memory: bool) -> Round {
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
        if work == Step::Repair {
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
        let oids = [heap.rel().oid(), heap.rel().toast_oid(), index.rel().oid()];
        give_way::at(oids.map(pg_sys::Oid::to_u32));
        let wanted = matches!(work, Step::Drain | Step::Look) && background::is_repair_wanted(index.rel());
        if work == Step::Look {
            let left = wanted || background::most_waiting(index.rel()) >= wanted_from();
            return if left { Round::Done } else { Round::Nothing };
        }
        if wanted {
            return Round::RepairWanted;
        }
        let what = if work == Step::Repair { "repair" } else { "drain" };
        let activity = format!("{what} of index \"{}\"", index.rel().name());
        let text = std::ffi::CString::new(activity).unwrap_or_default();
        pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, text.as_ptr());
        let done = if work == Step::Repair {
            restricted::as_owner(heap.rel(), || background::repair_wanted(index.rel(), heap.rel()))
        } else {
            restricted::as_owner(heap.rel(), || background::drain_some(index.rel(), heap.rel(), BATCH, in_memory))
        };
        match done {
            None => Round::Busy,
            Some(0) => Round::Nothing,
            Some(_) => Round::Done,
        }
    }
}
