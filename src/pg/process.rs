//! The server's processes, by what each notes of itself in shared memory. Hints: nothing is locked to look at that.

use super::compat;
use pgrx::pg_sys::{self, PGPROC};

/// The entries of all others, those not in use included. They lie in shared memory that is never unmapped, and change at any
/// moment.
pub fn others() -> impl Iterator<Item = *mut PGPROC> {
    // SAFETY: set up before any of this process's code runs
    unsafe {
        let global = &*pg_sys::ProcGlobal;
        (0..global.allProcCount as usize).map(|i| global.allProcs.add(i)).filter(|&other| other != pg_sys::MyProc)
    }
}

/// Whether a process is an autovacuum worker, or behaves like one.
#[must_use]
pub unsafe fn is_like_autovacuum(process: *mut PGPROC) -> bool {
    // SAFETY: an entry
    unsafe { u32::from((&raw const (*process).statusFlags).read_volatile()) & pg_sys::PROC_IS_AUTOVACUUM != 0 }
}

/// Whether this process is an autovacuum worker.
#[must_use]
pub fn is_autovacuum_worker() -> bool {
    // SAFETY: what the process is, since it started
    unsafe { pg_sys::MyBackendType == pg_sys::BackendType::B_AUTOVAC_WORKER }
}

/// Whether this process is a background worker of whatever kind.
#[must_use]
pub fn is_background_worker() -> bool {
    // SAFETY: what the process is, since it started
    unsafe { !pg_sys::MyBgworkerEntry.is_null() }
}

/// Whether this process is one, or behaves like one.
#[must_use]
pub fn is_autovacuum() -> bool {
    // SAFETY: this process's own entry
    unsafe { is_like_autovacuum(pg_sys::MyProc) }
}

/// How many others are at work: they wait for nothing, neither for a client nor for a lock or a disk.
#[must_use]
pub fn busy_others() -> usize {
    // SAFETY: entries; signal 0 is none, and asks only whether the process is there: who has ended leaves its entry as it was
    let is_busy = |&other: &*mut PGPROC| unsafe {
        let pid = (&raw const (*other).pid).read_volatile();
        let waits = (&raw const (*other).wait_event_info).read_volatile() != 0;
        pid > 0 && !waits && libc::kill(pid, 0) == 0
    };
    others().filter(is_busy).count()
}

/// How many background workers the server could start now. A hint: what has been asked of it and has not started is not counted.
#[must_use]
pub fn free_worker_slots() -> usize {
    // SAFETY: entries, and where each belongs; whether its process is there, as above
    unsafe {
        let workers = &raw mut (*pg_sys::ProcGlobal).bgworkerFreeProcs;
        let is_used = |&other: &*mut PGPROC| {
            let pid = (&raw const (*other).pid).read_volatile();
            pid > 0 && (&raw const (*other).procgloballist).read_volatile() == workers && libc::kill(pid, 0) == 0
        };
        let used = others().filter(is_used).count() + usize::from((*pg_sys::MyProc).procgloballist == workers);
        (pg_sys::max_worker_processes as usize).saturating_sub(used)
    }
}

/// Whether a process waits for a lock on one of the `relations` of this database that goes with no writer's, or for the end of
/// this process's transaction.
#[must_use]
pub unsafe fn waits_for_this(process: *mut PGPROC, relations: &impl Fn(u32) -> bool) -> bool {
    // SAFETY: an entry; the table of locks is never unmapped either, and a lock that is gone leaves what may be another's
    unsafe {
        let lock = (&raw const (*process).waitLock).read_volatile();
        if lock.is_null() {
            return false;
        }
        let tag = (&raw const (*lock).tag).read_volatile();
        if tag.locktag_type == pg_sys::LockTagType::LOCKTAG_RELATION as u8 {
            let mode = (&raw const (*process).waitLockMode).read_volatile();
            mode >= pg_sys::ShareLock as pg_sys::LOCKMODE
                && tag.locktag_field1 == pg_sys::MyDatabaseId.to_u32()
                && tag.locktag_field2 != 0
                && relations(tag.locktag_field2)
        } else {
            tag.locktag_type == pg_sys::LockTagType::LOCKTAG_VIRTUALTRANSACTION as u8
                && (tag.locktag_field1, tag.locktag_field2) == compat::virtual_transaction()
        }
    }
}
