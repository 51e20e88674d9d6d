//! The server's processes, by what each notes of itself in shared memory. Hints: nothing is locked to look at that.

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

/// Whether this process is.
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
