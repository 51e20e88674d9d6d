//! Open relations.

use crate::pg::compat;
use crate::pg::process;
use pgrx::pg_sys;
use std::cell::Cell;
use std::ffi::CStr;

const NO_SUBTRANSACTION: pg_sys::SubTransactionId = 0;

/// An open relation that is closed (its lock kept to the end of the transaction) when dropped.
pub struct OpenRelation {
    rel: pg_sys::Relation,
}

impl OpenRelation {
    /// Opens the relation `oid` with `lockmode`, or raises the server's error.
    #[must_use]
    pub fn open(oid: pg_sys::Oid, lockmode: pg_sys::LOCKMODE) -> Self {
        // SAFETY: relation_open takes any oid and raises an error for a wrong one
        Self { rel: unsafe { pg_sys::relation_open(oid, lockmode) } }
    }

    /// Opens the relation `oid` with a writer's lock, which is kept to the end of the (sub)transaction.
    #[must_use]
    pub fn open_for_writing(oid: pg_sys::Oid) -> Self {
        thread_local! {
            /// the relation locked last, and the transaction and subtransaction that hold the lock
            static LOCKED: Cell<(u32, u32, u32)> = const { Cell::new((0, 0, 0)) };
        }
        // SAFETY: reads of this backend's own state
        let now = unsafe { (oid.to_u32(), compat::local_transaction(), pg_sys::GetCurrentSubTransactionId()) };
        let mode = if LOCKED.get() == now { pg_sys::NoLock } else { pg_sys::RowExclusiveLock };
        let opened = Self::open(oid, mode as _);
        LOCKED.set(now);
        opened
    }

    /// Opens the relation `oid` with `lockmode`; `None` when it is gone.
    #[must_use]
    pub fn open_if_there(oid: pg_sys::Oid, lockmode: pg_sys::LOCKMODE) -> Option<Self> {
        // SAFETY: as `open`
        let rel = unsafe { pg_sys::try_relation_open(oid, lockmode) };
        (!rel.is_null()).then(|| Self { rel })
    }

    /// Closes it and lets go of the lock that it was opened with.
    pub fn close_and_unlock(self, lockmode: pg_sys::LOCKMODE) {
        let rel = self.rel;
        std::mem::forget(self);
        // SAFETY: opened by `open`, with that lock
        unsafe { pg_sys::relation_close(rel, lockmode) }
    }

    /// The server's handle.
    #[must_use]
    pub fn raw(&self) -> pg_sys::Relation {
        self.rel
    }
}

impl Drop for OpenRelation {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: opened by `open` and not closed since
            unsafe { pg_sys::relation_close(self.rel, pg_sys::NoLock as _) }
        }
    }
}

/// The relation's name without its schema.
#[must_use]
pub unsafe fn name(rel: pg_sys::Relation) -> String {
    // SAFETY: an open relation has a valid pg_class row
    unsafe { CStr::from_ptr((*(*rel).rd_rel).relname.data.as_ptr()) }.to_string_lossy().into_owned()
}

/// The name of a database, or its oid when it has no name any more. In a transaction.
#[must_use]
pub unsafe fn database_name(oid: pg_sys::Oid) -> String {
    // SAFETY: a catalog look-up; the result is a copy or null
    unsafe {
        let name = pg_sys::get_database_name(oid);
        if name.is_null() {
            return oid.to_u32().to_string();
        }
        CStr::from_ptr(name).to_string_lossy().into_owned()
    }
}

/// What a message calls relation `oid`, open or not: `table "name"`, or its oid when it has no name any more.
#[must_use]
pub fn name_of(oid: pg_sys::Oid) -> String {
    // SAFETY: a catalog look-up; the result is a copy or null
    unsafe {
        let name = pg_sys::get_rel_name(oid);
        if name.is_null() {
            format!("the table with OID {}", oid.to_u32())
        } else {
            format!("table \"{}\"", CStr::from_ptr(name).to_string_lossy())
        }
    }
}

/// The name of relation `oid`, or its oid when it has no name any more.
#[must_use]
pub fn plain_name_of(oid: pg_sys::Oid) -> String {
    // SAFETY: a catalog look-up; the result is a copy or null
    unsafe {
        let name = pg_sys::get_rel_name(oid);
        if name.is_null() { oid.to_u32().to_string() } else { CStr::from_ptr(name).to_string_lossy().into_owned() }
    }
}

/// Oid of an open relation.
#[must_use]
#[inline(always)]
pub unsafe fn oid(rel: pg_sys::Relation) -> pg_sys::Oid {
    // SAFETY: by contract
    unsafe { (*rel).rd_id }
}

/// Whether changes of the relation's pages must be logged.
#[must_use]
pub unsafe fn needs_wal(rel: pg_sys::Relation) -> bool {
    // SAFETY: an open relation has a valid pg_class row
    unsafe {
        is_permanent(rel)
            && (pg_sys::wal_level >= pg_sys::WalLevel::WAL_LEVEL_REPLICA as i32
                || ((*rel).rd_createSubid == NO_SUBTRANSACTION && compat::refiled_by(rel) == NO_SUBTRANSACTION))
    }
}

/// Whether the relation's access method is the heap's own.
#[must_use]
pub unsafe fn is_plain_heap(rel: pg_sys::Relation) -> bool {
    // SAFETY: an open relation with storage has its access method's routine; the heap's is a constant of the server
    unsafe { std::ptr::eq((*rel).rd_tableam, super::raw::GetHeapamTableAmRoutine()) }
}

/// Whether the relation is neither temporary nor unlogged.
#[must_use]
pub unsafe fn is_permanent(rel: pg_sys::Relation) -> bool {
    // SAFETY: an open relation has a valid pg_class row
    unsafe { (*(*rel).rd_rel).relpersistence as u8 == pg_sys::RELPERSISTENCE_PERMANENT }
}

/// Whether the relation is a temporary one (of this session, or it could not have been opened for its pages).
#[must_use]
pub unsafe fn is_temporary(rel: pg_sys::Relation) -> bool {
    // SAFETY: an open relation has a valid pg_class row
    unsafe { (*(*rel).rd_rel).relpersistence as u8 == pg_sys::RELPERSISTENCE_TEMP }
}

/// Whether another session of this database seems to be reading the relation just now: whether it has it locked as readers
/// do, among the few locks that each session notes in a place of its own. A hint: nothing is locked to look at that.
#[must_use]
pub unsafe fn is_read_by_others(rel: pg_sys::Relation) -> bool {
    /// a slot has a bit for each mode of lock that a session can note; this one is AccessShareLock's
    const READS: u64 = 1;
    // SAFETY: rel is open; processes' entries may hold any value
    unsafe {
        let wanted = oid(rel);
        process::others().any(|other| {
            // which reads what it analyses
            !process::is_like_autovacuum(other)
                && std::ptr::read_volatile(&raw const (*other).databaseId) == pg_sys::MyDatabaseId
                && compat::fast_path_locks(other).any(|(modes, held)| held == wanted && modes & READS != 0)
        })
    }
}

/// The relation's counts for the server's statistics, if the server keeps them.
unsafe fn counts<'r>(rel: pg_sys::Relation) -> Option<(&'r mut i64, &'r mut i64)> {
    // SAFETY: rel is open
    unsafe {
        if (*rel).pgstat_info.is_null() && (*rel).pgstat_enabled {
            pg_sys::pgstat_assoc_relation(rel);
        }
        (*rel).pgstat_info.as_mut().map(compat::table_counts)
    }
}

/// Counts a scan of the relation.
pub unsafe fn count_scan(rel: pg_sys::Relation) {
    // SAFETY: rel is open
    if let Some((scans, _)) = unsafe { counts(rel) } {
        *scans += 1;
    }
}

/// Counts a row that a scan of the relation has read.
pub unsafe fn count_row(rel: pg_sys::Relation) {
    // SAFETY: rel is open
    if let Some((_, rows)) = unsafe { counts(rel) } {
        *rows += 1;
    }
}

/// Number of blocks of the main fork.
#[must_use]
pub unsafe fn blocks(rel: pg_sys::Relation) -> u32 {
    // SAFETY: by contract
    unsafe { pg_sys::RelationGetNumberOfBlocksInFork(rel, pg_sys::ForkNumber::MAIN_FORKNUM) }
}

/// Holds the relation's extension lock.
pub struct ExtensionLock(pg_sys::Relation);

impl ExtensionLock {
    /// Waits for the lock.
    #[must_use]
    pub unsafe fn acquire(rel: pg_sys::Relation) -> Self {
        // SAFETY: by contract
        unsafe { pg_sys::LockRelationForExtension(rel, pg_sys::ExclusiveLock as _) };
        Self(rel)
    }
}

impl Drop for ExtensionLock {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: acquired by `acquire`
            unsafe { pg_sys::UnlockRelationForExtension(self.0, pg_sys::ExclusiveLock as _) }
        }
    }
}
