//! Open relations: [`OpenRelation`] keeps one open, [`Rel`] is one on loan.
//!
//! Whoever gets a relation of the server makes a [`Rel`] of it at once; what takes a [`Rel`] needs no contract of its own about
//! the relation.

use crate::pg::compat;
use crate::pg::compat::FileNode;
use crate::pg::process;
use pgrx::pg_sys;
use std::cell::Cell;
use std::ffi::CStr;
use std::marker::PhantomData;

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

    /// The relation, as long as it is open.
    #[inline(always)]
    #[must_use]
    pub fn rel(&self) -> Rel<'_> {
        // SAFETY: open until `self` is dropped
        unsafe { Rel::of(self.rel) }
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

/// An open relation on loan: it stays open for `'r`.
#[derive(Clone, Copy)]
pub struct Rel<'r> {
    rel: pg_sys::Relation,
    open: PhantomData<&'r OpenRelation>,
}

impl<'r> Rel<'r> {
    /// The relation `rel`, which stays open for `'r`.
    #[inline(always)]
    #[must_use]
    pub unsafe fn of(rel: pg_sys::Relation) -> Self {
        Self { rel, open: PhantomData }
    }

    /// The server's handle.
    #[inline(always)]
    #[must_use]
    pub fn raw(self) -> pg_sys::Relation {
        self.rel
    }

    /// Its entry of the relation cache.
    #[inline(always)]
    fn entry(&self) -> &pg_sys::RelationData {
        // SAFETY: open
        unsafe { &*self.rel }
    }

    /// Its row of pg_class.
    #[inline(always)]
    fn class(&self) -> &pg_sys::FormData_pg_class {
        // SAFETY: an open relation has one
        unsafe { &*self.entry().rd_rel }
    }

    /// Its oid.
    #[inline(always)]
    #[must_use]
    pub fn oid(self) -> pg_sys::Oid {
        self.entry().rd_id
    }

    /// Its name without its schema.
    #[must_use]
    pub fn name(self) -> String {
        text(&self.class().relname)
    }

    /// What it is: `pg_class.relkind`.
    #[must_use]
    pub fn kind(self) -> u8 {
        self.class().relkind as u8
    }

    /// Its TOAST relation; `InvalidOid` when it has none.
    #[must_use]
    pub fn toast_oid(self) -> pg_sys::Oid {
        self.class().reltoastrelid
    }

    /// The oid of its access method.
    #[must_use]
    pub fn access_method(self) -> pg_sys::Oid {
        self.class().relam
    }

    /// The oid of its owner.
    #[must_use]
    pub fn owner(self) -> pg_sys::Oid {
        self.class().relowner
    }

    /// Where its files are.
    #[inline(always)]
    #[must_use]
    pub fn node(self) -> FileNode {
        // SAFETY: open
        unsafe { FileNode::of(self.rel) }
    }

    /// Number of blocks of the main fork.
    #[must_use]
    pub fn blocks(self) -> u32 {
        // SAFETY: open
        unsafe { pg_sys::RelationGetNumberOfBlocksInFork(self.rel, pg_sys::ForkNumber::MAIN_FORKNUM) }
    }

    /// Whether it is neither temporary nor unlogged.
    #[must_use]
    pub fn is_permanent(self) -> bool {
        self.class().relpersistence as u8 == pg_sys::RELPERSISTENCE_PERMANENT
    }

    /// Whether it is a temporary one (of this session, or it could not have been opened for its pages).
    #[must_use]
    pub fn is_temporary(self) -> bool {
        self.class().relpersistence as u8 == pg_sys::RELPERSISTENCE_TEMP
    }

    /// Whether changes of its pages must be logged.
    #[must_use]
    pub fn needs_wal(self) -> bool {
        // SAFETY: a setting, and an open relation
        let (level, refiled_by) = unsafe { (pg_sys::wal_level, compat::refiled_by(self.rel)) };
        self.is_permanent()
            && (level >= pg_sys::WalLevel::WAL_LEVEL_REPLICA as i32
                || (self.entry().rd_createSubid == NO_SUBTRANSACTION && refiled_by == NO_SUBTRANSACTION))
    }

    /// Whether its access method is the heap's own.
    #[must_use]
    pub fn is_plain_heap(self) -> bool {
        // SAFETY: a constant of the server
        std::ptr::eq(self.table_routine(), unsafe { super::raw::GetHeapamTableAmRoutine() })
    }

    /// The routines of its access method for tables; null for what has none.
    #[must_use]
    pub fn table_routine(self) -> *const pg_sys::TableAmRoutine {
        self.entry().rd_tableam
    }

    /// How many requests to its files may be under way at a time (effective_io_concurrency, of its tablespace).
    #[must_use]
    pub fn io_concurrency(self) -> i32 {
        // SAFETY: a catalog look-up
        unsafe { pg_sys::get_tablespace_io_concurrency(self.class().reltablespace) }
    }

    /// The description of its rows.
    #[inline(always)]
    #[must_use]
    pub fn descriptor(self) -> pg_sys::TupleDesc {
        self.entry().rd_att
    }

    /// Column `attnum`, from 1; a column that it does not have is a panic.
    #[must_use]
    pub fn attribute(self, attnum: i16) -> pg_sys::FormData_pg_attribute {
        // SAFETY: the column is one of them
        unsafe { *compat::attribute(self.descriptor(), self.at(attnum)) }
    }

    /// The name of column `attnum`, as [`Rel::attribute`].
    #[must_use]
    pub fn column_name(self, attnum: i16) -> String {
        text(&self.attribute(attnum).attname)
    }

    /// Whether no row has NULL in column `attnum`, as [`Rel::attribute`].
    #[must_use]
    pub fn has_no_null(self, attnum: i16) -> bool {
        // SAFETY: the column is one of them
        unsafe { compat::has_no_null(self.descriptor(), self.at(attnum)) }
    }

    /// Whether it has a column `attnum`, dropped or not.
    #[must_use]
    pub fn has_column(self, attnum: i16) -> bool {
        // SAFETY: an open relation has a description
        attnum >= 1 && i32::from(attnum) <= unsafe { (*self.descriptor()).natts }
    }

    /// The place of column `attnum` in the description of the rows.
    fn at(self, attnum: i16) -> usize {
        assert!(self.has_column(attnum), "there is no column {attnum}");
        attnum as usize - 1
    }

    /// Its row of pg_index; `None` for what is no index.
    #[must_use]
    pub fn index_form(&self) -> Option<&pg_sys::FormData_pg_index> {
        // SAFETY: null or the row of an open index
        unsafe { self.entry().rd_index.as_ref() }
    }

    /// The number of the first column that this index is over; 0 for an expression, and for what is no index.
    #[must_use]
    pub fn key_column(self) -> i16 {
        // SAFETY: an index has one column or more
        self.index_form().map_or(0, |form| unsafe { form.indkey.values.as_slice(1)[0] })
    }

    /// The table's numbers of the columns that this index includes.
    #[must_use]
    pub fn included_columns(&self) -> &[i16] {
        self.index_form().map_or(&[], |form| {
            // SAFETY: an index has so many columns
            unsafe { &form.indkey.values.as_slice(form.indnatts as usize)[form.indnkeyatts as usize..] }
        })
    }

    /// Opens the table of this index, on which the caller has a lock.
    #[must_use]
    pub fn open_table(self) -> OpenRelation {
        let table = self.index_form().map_or(pg_sys::InvalidOid, |form| form.indrelid);
        OpenRelation::open(table, pg_sys::NoLock as _)
    }

    /// Whether another session of this database seems to be reading the relation just now: whether it has it locked as readers
    /// do, among the few locks that each session notes in a place of its own. A hint: nothing is locked to look at that.
    #[must_use]
    pub fn is_read_by_others(self) -> bool {
        /// a slot has a bit for each mode of lock that a session can note; this one is AccessShareLock's
        const READS: u64 = 1;
        let wanted = self.oid();
        // SAFETY: processes' entries may hold any value
        unsafe {
            process::others().any(|other| {
                // which reads what it analyses
                !process::is_like_autovacuum(other)
                    && std::ptr::read_volatile(&raw const (*other).databaseId) == pg_sys::MyDatabaseId
                    && compat::fast_path_locks(other).any(|(modes, held)| held == wanted && modes & READS != 0)
            })
        }
    }

    /// Counts something of it, for scans or for rows, where the server keeps statistics.
    fn count(self, which: impl FnOnce((&'r mut i64, &'r mut i64, &'r mut i64)) -> &'r mut i64) {
        // SAFETY: open; the counts are this backend's
        unsafe {
            if (*self.rel).pgstat_info.is_null() && (*self.rel).pgstat_enabled {
                pg_sys::pgstat_assoc_relation(self.rel);
            }
            if let Some(info) = (*self.rel).pgstat_info.as_mut() {
                *which(compat::table_counts(info)) += 1;
            }
        }
    }

    /// Counts a scan of the relation.
    pub fn count_scan(self) {
        self.count(|(scans, ..)| scans);
    }

    /// Counts a row that a scan of the relation has read.
    pub fn count_row(self) {
        self.count(|(_, rows, _)| rows);
    }

    /// Counts a row of the table that was looked up for a scan of the index.
    pub fn count_fetch(self) {
        self.count(|(.., fetched)| fetched);
    }
}

/// A name of the catalog.
fn text(name: &pg_sys::NameData) -> String {
    // SAFETY: names end with a zero
    unsafe { CStr::from_ptr(name.data.as_ptr()) }.to_string_lossy().into_owned()
}

/// Holds a relation's extension lock.
pub struct ExtensionLock<'r>(Rel<'r>);

impl<'r> ExtensionLock<'r> {
    /// Waits for the lock.
    #[must_use]
    pub fn acquire(rel: Rel<'r>) -> Self {
        // SAFETY: open
        unsafe { pg_sys::LockRelationForExtension(rel.raw(), pg_sys::ExclusiveLock as _) };
        Self(rel)
    }
}

impl Drop for ExtensionLock<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: acquired by `acquire`
            unsafe { pg_sys::UnlockRelationForExtension(self.0.raw(), pg_sys::ExclusiveLock as _) }
        }
    }
}
