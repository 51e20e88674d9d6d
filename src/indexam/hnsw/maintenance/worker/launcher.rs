//! The launcher of a preloaded library: a background worker without a database that has a worker started for each database that
//! needs one, the one first that needs it soonest.
//!
//! Without it whoever asks has the server start a worker. With it they put the index on the list as well, and wake the launcher;
//! should it not run just then, because it ended and is started again in a few seconds, they do without it. It has each database
//! looked at when the server has started, for the list is empty then; when somebody has found no room on the list; and every
//! `pg_zvec.look_interval` those that have the extension. While nothing is on the list, and no database has the extension, it sleeps until it
//! is woken.

use super::queue::{Queue, attach, queue, set_preloaded};
use super::request::{is_number_free, is_served, launch, most_workers, put};
use super::transaction::{in_transaction, write_log};
use crate::pg::relation::OpenRelation;
use crate::pg::settings::{LogLevel, logs};
use crate::pg::{compat, raw, settings};
use pgrx::pg_sys::{self, Datum};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// A worker that ended is not started anew at the same database sooner.
const AGAIN: Duration = Duration::from_secs(1);
/// How long the launcher sleeps while a database waits for a worker that cannot be started yet.
const RETRY: Duration = Duration::from_millis(200);
/// How long the server waits before it starts a launcher that ended, in seconds.
const RESTART: i32 = 5;

static mut PREVIOUS_REQUEST: pg_sys::shmem_request_hook_type = None;
static mut PREVIOUS_STARTUP: pg_sys::shmem_startup_hook_type = None;

/// In the server's first process, while it loads libraries: has it set aside memory and start the launcher.
pub unsafe fn install() {
    // SAFETY: the library is being loaded, in the process's only thread
    unsafe {
        if !pg_sys::process_shared_preload_libraries_in_progress {
            return;
        }
        set_preloaded();
        PREVIOUS_REQUEST = pg_sys::shmem_request_hook;
        pg_sys::shmem_request_hook = Some(request);
        PREVIOUS_STARTUP = pg_sys::shmem_startup_hook;
        pg_sys::shmem_startup_hook = Some(startup);
        if pg_sys::IsBinaryUpgrade {
            // nothing is to change
            return;
        }
        let mut worker = pg_sys::BackgroundWorker::default();
        put(&mut worker.bgw_name, "pg_zvec launcher");
        put(&mut worker.bgw_type, "pg_zvec launcher");
        put(&mut worker.bgw_library_name, "pg_zvec");
        put(&mut worker.bgw_function_name, "zvec_launcher_main");
        worker.bgw_flags = (pg_sys::BGWORKER_SHMEM_ACCESS | pg_sys::BGWORKER_BACKEND_DATABASE_CONNECTION) as i32;
        // a standby has nothing to do: indexes change on the primary
        worker.bgw_start_time = pg_sys::BgWorkerStartTime::BgWorkerStart_RecoveryFinished;
        worker.bgw_restart_time = RESTART;
        pg_sys::RegisterBackgroundWorker(&mut worker);
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn request() {
    // SAFETY: written before the hook was set
    unsafe {
        if let Some(previous) = PREVIOUS_REQUEST {
            previous();
        }
        pg_sys::RequestAddinShmemSpace(size_of::<Queue>());
    }
}

/// Makes the list, also when the server starts over after a crash.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn startup() {
    // SAFETY: as above
    unsafe {
        if let Some(previous) = PREVIOUS_STARTUP {
            previous();
        }
    }
    attach();
}

/// The launcher's main function.
///
/// # Safety
/// Called by the server in a background worker.
#[pgrx::pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zvec_launcher_main(_argument: Datum) {
    let Some(queue) = queue() else { return };
    // SAFETY: a background worker sets itself up
    unsafe {
        pg_sys::before_shmem_exit(Some(at_exit), Datum::from(0));
        compat::on_signal(libc::SIGTERM, raw::die);
        compat::on_signal(libc::SIGHUP, raw::SignalHandlerForConfigReload);
        pg_sys::BackgroundWorkerUnblockSignals();
        pg_sys::BackgroundWorkerInitializeConnection(std::ptr::null(), std::ptr::null(), 0);
        queue.set_launcher(true);
        write_log(LogLevel::Debug, "pg_zvec launcher started");
        let launcher = Launcher { queue, looks: VecDeque::new(), known: BTreeMap::new(), started: BTreeMap::new() };
        launcher.run();
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn at_exit(_status: i32, _argument: Datum) {
    if let Some(queue) = queue() {
        queue.set_launcher(false);
    }
}

struct Launcher {
    queue: &'static Queue,
    /// databases of which all indexes are to be looked at, because it is not known whether they have the extension, or what waits
    looks: VecDeque<u32>,
    /// databases that have the extension, and when they are looked at again
    known: BTreeMap<u32, Instant>,
    /// when workers were started last
    started: BTreeMap<u32, Instant>,
}

impl Launcher {
    unsafe fn run(mut self) {
        let mut is_list_lost = true;
        // SAFETY: in a background worker, outside a transaction
        unsafe {
            loop {
                pgrx::check_for_interrupts!();
                if pg_sys::ConfigReloadPending != 0 {
                    pg_sys::ConfigReloadPending = 0;
                    pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
                }
                is_list_lost |= self.queue.take_overflow();
                let looks = settings::background_drain();
                if is_list_lost
                    && looks
                    && self.looks.is_empty()
                    && self.queue.has_room()
                    && let Ok(databases) = in_transaction(|| databases())
                {
                    self.queue.forget_looks();
                    self.looks = databases.into();
                    is_list_lost = false;
                }
                let wait = self.step(looks);
                let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
                let (events, milliseconds) = match wait {
                    Some(wait) => (events, wait.as_millis().max(1) as i64),
                    None => (events & !pg_sys::WL_TIMEOUT, -1),
                };
                pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, milliseconds as _, pg_sys::PG_WAIT_EXTENSION);
                pg_sys::ResetLatch(pg_sys::MyLatch);
            }
        }
    }

    /// Has workers started as far as the server may have more; returns when to look again, unless woken before.
    fn step(&mut self, looks: bool) -> Option<Duration> {
        if most_workers() == 0 {
            return None;
        }
        let now = Instant::now();
        for (database, ago) in self.queue.looked() {
            let every = Duration::from_millis(u64::from(settings::look_interval()));
            self.known.insert(database, now + every.saturating_sub(ago));
        }
        self.started.retain(|_, at| now.duration_since(*at) < AGAIN);
        let due = |&(&database, &at): &(&u32, &Instant)| at <= now && !self.looks.contains(&database);
        let due: Vec<u32> = self.known.iter().filter(due).map(|(&database, _)| database).collect();
        self.looks.extend(due);
        let mut waits = false;
        let mut served = Vec::new();
        for database in self.queue.databases() {
            if is_served(self.queue, database) {
                continue;
            }
            waits = true;
            if !self.started.contains_key(&database) && self.may_launch(database) {
                served.push(database);
            }
        }
        // none but those that are needed now hold up a look
        if looks && !waits {
            while let Some(&database) = self.looks.front() {
                if !is_served(self.queue, database) && !self.may_launch(database) {
                    break;
                }
                self.looks.pop_front();
                // until its worker says otherwise; it says nothing where there is no extension
                self.known.remove(&database);
            }
        }
        if waits || looks && !self.looks.is_empty() {
            return Some(RETRY);
        }
        let next = self.known.values().min().filter(|_| looks);
        next.map(|&at| at.saturating_duration_since(now) + Duration::from_millis(1))
    }

    /// Has a worker started for a database, if the server may have one more.
    fn may_launch(&mut self, database: u32) -> bool {
        let launched = is_number_free(None) && launch(self.queue, database, false, true);
        if launched {
            self.started.insert(database, Instant::now());
            if logs(LogLevel::Debug) {
                write_log(LogLevel::Debug, &format!("pg_zvec launcher starts a worker for database {database}"));
            }
        }
        launched
    }
}

/// The databases that can be connected to.
unsafe fn databases() -> Vec<u32> {
    let mut all = Vec::new();
    // SAFETY: a scan of a catalog that all databases share, in a transaction; its rows have their fixed part
    unsafe {
        let databases = OpenRelation::open(pg_sys::DatabaseRelationId, pg_sys::AccessShareLock as _);
        let none = std::ptr::null_mut();
        let scan =
            pg_sys::systable_beginscan(databases.raw(), pg_sys::InvalidOid, false, none, 0, std::ptr::null_mut());
        loop {
            let row = pg_sys::systable_getnext(scan);
            if row.is_null() {
                break;
            }
            let database = pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_database>();
            // a limit below -1 marks one that was left half dropped
            if (*database).datallowconn && (*database).datconnlimit >= -1 {
                all.push((*database).oid.to_u32());
            }
        }
        pg_sys::systable_endscan(scan);
    }
    all
}
