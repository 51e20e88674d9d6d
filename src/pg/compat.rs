//! What differs between the versions of PostgreSQL, 15 to 18. Nothing else asks for which one the library is built, but for
//! callbacks whose signature differs. `design/versions.md` says what changed when; `regress/server/headers.sh` compares what is
//! written by hand with the headers.

use crate::error::{Error, Result, SqlState};
use pgrx::pg_sys::{self, Oid};

/// The server's own [`FileNode`].
#[cfg(feature = "pg15")]
pub type ServersFileNode = pg_sys::RelFileNode;
/// The server's own [`FileNode`].
#[cfg(not(feature = "pg15"))]
pub type ServersFileNode = pg_sys::RelFileLocator;

/// Where a relation's files are: tablespace, database, number. Laid out as the server's own.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct FileNode(ServersFileNode);

/// The file of an open relation, as the server has it.
#[cfg(feature = "pg15")]
#[inline(always)]
unsafe fn servers_node(rel: pg_sys::Relation) -> ServersFileNode {
    // SAFETY: by contract
    unsafe { (*rel).rd_node }
}

/// The file of an open relation, as the server has it.
#[cfg(not(feature = "pg15"))]
#[inline(always)]
unsafe fn servers_node(rel: pg_sys::Relation) -> ServersFileNode {
    // SAFETY: by contract
    unsafe { (*rel).rd_locator }
}

/// Tablespace, database and number of a file.
#[cfg(feature = "pg15")]
#[inline(always)]
fn parts(node: &ServersFileNode) -> [Oid; 3] {
    [node.spcNode, node.dbNode, node.relNode]
}

/// Tablespace, database and number of a file.
#[cfg(not(feature = "pg15"))]
#[inline(always)]
fn parts(node: &ServersFileNode) -> [Oid; 3] {
    [node.spcOid, node.dbOid, node.relNumber]
}

/// The file that a buffer's page is of.
#[cfg(feature = "pg15")]
#[inline(always)]
fn node_of_tag(tag: &pg_sys::BufferTag) -> ServersFileNode {
    tag.rnode
}

/// The file that a buffer's page is of.
#[cfg(not(feature = "pg15"))]
#[inline(always)]
fn node_of_tag(tag: &pg_sys::BufferTag) -> ServersFileNode {
    ServersFileNode { spcOid: tag.spcOid, dbOid: tag.dbOid, relNumber: tag.relNumber }
}

/// The tag of a buffer that holds a block of the main fork.
#[cfg(feature = "pg15")]
fn tag(node: ServersFileNode, block: u32) -> pg_sys::BufferTag {
    pg_sys::BufferTag { rnode: node, forkNum: pg_sys::ForkNumber::MAIN_FORKNUM, blockNum: block }
}

/// The tag of a buffer that holds a block of the main fork.
#[cfg(not(feature = "pg15"))]
fn tag(node: ServersFileNode, block: u32) -> pg_sys::BufferTag {
    let ServersFileNode { spcOid, dbOid, relNumber } = node;
    pg_sys::BufferTag { spcOid, dbOid, relNumber, forkNum: pg_sys::ForkNumber::MAIN_FORKNUM, blockNum: block }
}

impl PartialEq for FileNode {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        self.number() == other.number()
            && self.database() == other.database()
            && self.tablespace() == other.tablespace()
    }
}

impl Eq for FileNode {}

impl From<ServersFileNode> for FileNode {
    fn from(node: ServersFileNode) -> Self {
        Self(node)
    }
}

impl FileNode {
    /// That of an open relation.
    #[inline(always)]
    #[must_use]
    pub unsafe fn of(rel: pg_sys::Relation) -> Self {
        // SAFETY: by contract
        Self(unsafe { servers_node(rel) })
    }

    /// That of a buffer's page.
    #[inline(always)]
    #[must_use]
    pub fn of_tag(tag: &pg_sys::BufferTag) -> Self {
        Self(node_of_tag(tag))
    }

    /// The tag of a block of the main fork.
    #[must_use]
    pub fn tag(&self, block: u32) -> pg_sys::BufferTag {
        tag(self.0, block)
    }

    /// The oid of the tablespace.
    #[inline(always)]
    #[must_use]
    pub fn tablespace(&self) -> u32 {
        parts(&self.0)[0].to_u32()
    }

    /// The oid of the database.
    #[inline(always)]
    #[must_use]
    pub fn database(&self) -> u32 {
        parts(&self.0)[1].to_u32()
    }

    /// The number of the file.
    #[inline(always)]
    #[must_use]
    pub fn number(&self) -> u32 {
        parts(&self.0)[2].to_u32()
    }

    /// As the server's functions want it.
    #[must_use]
    pub fn servers(&self) -> ServersFileNode {
        self.0
    }

    /// The path of the main fork's first file, from the server's data folder; not of a temporary relation.
    #[must_use]
    pub unsafe fn path(&self) -> String {
        let main = pg_sys::ForkNumber::MAIN_FORKNUM;
        let [database, tablespace, number] = [self.database(), self.tablespace(), self.number()].map(Oid::from);
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        let nobody = pg_sys::InvalidBackendId;
        #[cfg(not(any(feature = "pg15", feature = "pg16")))]
        let nobody = pg_sys::INVALID_PROC_NUMBER;
        // SAFETY: the server answers with a string; up to 17 one of its own memory
        unsafe {
            let path = pg_sys::GetRelationPath(database, tablespace, number, nobody, main);
            #[cfg(feature = "pg18")]
            let start = path.str_.as_ptr();
            #[cfg(not(feature = "pg18"))]
            let start: *const std::ffi::c_char = path;
            let text = std::ffi::CStr::from_ptr(start).to_string_lossy().into_owned();
            #[cfg(not(feature = "pg18"))]
            pg_sys::pfree(path.cast());
            text
        }
    }
}

/// The callback that creates a relation's files.
pub type CreateFiles = Option<
    unsafe extern "C-unwind" fn(
        pg_sys::Relation,
        *const ServersFileNode,
        std::ffi::c_char,
        *mut pg_sys::TransactionId,
        *mut pg_sys::MultiXactId,
    ),
>;

/// A routine's callback that creates a relation's files.
#[must_use]
pub fn create_files(routine: &pg_sys::TableAmRoutine) -> CreateFiles {
    #[cfg(feature = "pg15")]
    let callback = routine.relation_set_new_filenode;
    #[cfg(not(feature = "pg15"))]
    let callback = routine.relation_set_new_filelocator;
    callback
}

/// Replaces it.
pub fn set_create_files(routine: &mut pg_sys::TableAmRoutine, callback: CreateFiles) {
    #[cfg(feature = "pg15")]
    let field = &mut routine.relation_set_new_filenode;
    #[cfg(not(feature = "pg15"))]
    let field = &mut routine.relation_set_new_filelocator;
    *field = callback;
}

/// What an update tells of the indexes that need an entry for the new row version.
#[cfg(feature = "pg15")]
pub type UpdateIndexes = bool;
/// What an update tells of the indexes that need an entry for the new row version.
#[cfg(not(feature = "pg15"))]
pub type UpdateIndexes = pg_sys::TU_UpdateIndexes::Type;

/// No index needs one.
#[cfg(feature = "pg15")]
pub const UPDATE_NO_INDEXES: UpdateIndexes = false;
/// No index needs one.
#[cfg(not(feature = "pg15"))]
pub const UPDATE_NO_INDEXES: UpdateIndexes = pg_sys::TU_UpdateIndexes::TU_None;

#[cfg(feature = "pg15")]
unsafe extern "C-unwind" {
    fn heap_update(
        rel: pg_sys::Relation,
        at: pg_sys::ItemPointer,
        tuple: pg_sys::HeapTuple,
        cid: pg_sys::CommandId,
        crosscheck: pg_sys::Snapshot,
        wait: bool,
        tmfd: *mut pg_sys::TM_FailureData,
        lockmode: *mut pg_sys::LockTupleMode::Type,
    ) -> pg_sys::TM_Result::Type;
}

#[cfg(not(feature = "pg15"))]
unsafe extern "C-unwind" {
    fn heap_update(
        rel: pg_sys::Relation,
        at: pg_sys::ItemPointer,
        tuple: pg_sys::HeapTuple,
        cid: pg_sys::CommandId,
        crosscheck: pg_sys::Snapshot,
        wait: bool,
        tmfd: *mut pg_sys::TM_FailureData,
        lockmode: *mut pg_sys::LockTupleMode::Type,
        update_indexes: *mut UpdateIndexes,
    ) -> pg_sys::TM_Result::Type;
}

/// Replaces a row version, as the heap does, and says which indexes need an entry for the new one. Without pgrx's guard: raises
/// errors, and waits for others.
#[allow(clippy::too_many_arguments)]
pub unsafe fn update_row(
    rel: pg_sys::Relation,
    at: pg_sys::ItemPointer,
    tuple: pg_sys::HeapTuple,
    cid: pg_sys::CommandId,
    crosscheck: pg_sys::Snapshot,
    wait: bool,
    tmfd: *mut pg_sys::TM_FailureData,
    lockmode: *mut pg_sys::LockTupleMode::Type,
    update_indexes: *mut UpdateIndexes,
) -> pg_sys::TM_Result::Type {
    // SAFETY: by contract
    unsafe {
        #[cfg(feature = "pg15")]
        {
            let result = heap_update(rel, at, tuple, cid, crosscheck, wait, tmfd, lockmode);
            let heap_only = pg_sys::HEAP_ONLY_TUPLE as u16;
            *update_indexes = result == pg_sys::TM_Result::TM_Ok && (*(*tuple).t_data).t_infomask2 & heap_only == 0;
            result
        }
        #[cfg(not(feature = "pg15"))]
        {
            *update_indexes = UPDATE_NO_INDEXES;
            let result = heap_update(rel, at, tuple, cid, crosscheck, wait, tmfd, lockmode, update_indexes);
            if result != pg_sys::TM_Result::TM_Ok {
                *update_indexes = UPDATE_NO_INDEXES;
            }
            result
        }
    }
}

/// Column `i`, from 0, of a row's description.
#[inline(always)]
#[must_use]
pub unsafe fn attribute(desc: pg_sys::TupleDesc, i: usize) -> *mut pg_sys::FormData_pg_attribute {
    // SAFETY: by contract, a column of it; since 18 the columns lie behind their short forms
    unsafe {
        #[cfg(not(feature = "pg18"))]
        let first = (*desc).attrs.as_mut_ptr();
        #[cfg(feature = "pg18")]
        let first: *mut pg_sys::FormData_pg_attribute =
            (*desc).compact_attrs.as_mut_ptr().add((*desc).natts as usize).cast();
        first.add(i)
    }
}

/// Whether no row has NULL in column `i`, from 0. Since 18 a constraint may not be valid for rows of before.
#[inline(always)]
#[must_use]
pub unsafe fn has_no_null(desc: pg_sys::TupleDesc, i: usize) -> bool {
    // SAFETY: by contract, a column of it
    unsafe {
        #[cfg(not(feature = "pg18"))]
        let has_none = (*attribute(desc, i)).attnotnull;
        #[cfg(feature = "pg18")]
        let has_none = (*(*desc).compact_attrs.as_ptr().add(i)).attnullability as u8 == pg_sys::ATTNULLABLE_VALID;
        has_none
    }
}

/// By what a column is declared to be NOT NULL, if not in its own entry of the catalogs: since 18 by a constraint, which may have
/// become valid later than that entry was changed. A copy of its row, or `None` where there is none.
#[must_use]
pub unsafe fn not_null_constraint(table: Oid, attnum: i16) -> Option<Option<pg_sys::HeapTuple>> {
    #[cfg(not(feature = "pg18"))]
    let constraint = ((table, attnum), None).1;
    #[cfg(feature = "pg18")]
    let constraint = {
        unsafe extern "C-unwind" {
            fn findNotNullConstraintAttnum(table: Oid, attnum: i16) -> pg_sys::HeapTuple;
        }
        // SAFETY: a look-up in a catalog; the closure holds nothing that needs dropping
        let row = unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| findNotNullConstraintAttnum(table, attnum)) };
        Some((!row.is_null()).then_some(row))
    };
    constraint
}

/// The bit of a lock's state that says that somebody holds it exclusively (`LW_VAL_EXCLUSIVE` of lwlock.c).
#[cfg(not(feature = "pg18"))]
pub const LOCKED_EXCLUSIVELY: u32 = 1 << 24;
/// The bit of a lock's state that says that somebody holds it exclusively (`LW_VAL_EXCLUSIVE` of lwlock.c).
#[cfg(feature = "pg18")]
pub const LOCKED_EXCLUSIVELY: u32 = pg_sys::MAX_BACKENDS + 1;

/// Whether [`LOCKED_EXCLUSIVELY`] is what the server that runs has: no header tells it. Looks at pages would see what is written
/// just then.
///
/// # Errors
/// `Internal` when it is not.
pub unsafe fn check_lock_state() -> Result<()> {
    // SAFETY: a lock of our own, which nobody else knows
    let (free, held) = unsafe {
        let mut lock = pg_sys::LWLock::default();
        pg_sys::LWLockInitialize(&raw mut lock, pg_sys::BuiltinTrancheIds::LWTRANCHE_BUFFER_CONTENT as i32);
        let free = (&raw const lock.state.value).read_volatile();
        pg_sys::LWLockAcquire(&raw mut lock, pg_sys::LWLockMode::LW_EXCLUSIVE);
        let held = (&raw const lock.state.value).read_volatile();
        pg_sys::LWLockRelease(&raw mut lock);
        (free, held)
    };
    if held ^ free != LOCKED_EXCLUSIVELY {
        let message = "pg_zvec was built for another PostgreSQL than this one: its locks look different";
        let hint = "Build and install pg_zvec with the pg_config of this server.";
        return Err(Error::new(SqlState::Internal, message).hint(hint));
    }
    Ok(())
}

/// The locks of relations that a process notes in a place of its own: the bits of their modes, AccessShareLock's lowest, and the
/// relation. The values may be any: nothing is locked to read them.
pub unsafe fn fast_path_locks(process: *mut pg_sys::PGPROC) -> impl Iterator<Item = (u64, Oid)> {
    const BITS_PER_SLOT: usize = 3;
    const MODES: u64 = 7;
    #[cfg(feature = "pg18")]
    const SLOTS_PER_GROUP: usize = pg_sys::FP_LOCK_SLOTS_PER_GROUP as usize;
    #[cfg(not(feature = "pg18"))]
    const SLOTS_PER_GROUP: usize = pg_sys::FP_LOCK_SLOTS_PER_BACKEND as usize;
    // SAFETY: an entry in shared memory that is never unmapped, as the arrays are that it leads to
    let (groups, bits, relations): (usize, *const u64, *const Oid) = unsafe {
        #[cfg(feature = "pg18")]
        let all = (
            pg_sys::FastPathLockGroupsPerBackend as usize,
            (*process).fpLockBits.cast_const(),
            (*process).fpRelId.cast_const(),
        );
        #[cfg(not(feature = "pg18"))]
        let all = (1, &raw const (*process).fpLockBits, (&raw const (*process).fpRelId).cast());
        all
    };
    // an entry that has never been in use may have none
    let groups = if bits.is_null() || relations.is_null() { 0 } else { groups };
    (0..groups)
        // SAFETY: as above
        .map(move |group| (group, unsafe { bits.add(group).read_volatile() }))
        .filter(|&(_, held)| held != 0)
        .flat_map(move |(group, held)| {
            (0..SLOTS_PER_GROUP).map(move |slot| {
                // SAFETY: as above
                let relation = unsafe { relations.add(group * SLOTS_PER_GROUP + slot).read_volatile() };
                (held >> (BITS_PER_SLOT * slot) & MODES, relation)
            })
        })
}

/// The running transaction as a lock's tag names it: the process, and its number among those of the process.
#[must_use]
pub fn virtual_transaction() -> (u32, u32) {
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    // SAFETY: this process's own
    let process = unsafe { pg_sys::MyBackendId };
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    // SAFETY: as above
    let process = unsafe { pg_sys::MyProcNumber };
    (process as u32, local_transaction())
}

/// The number of this session's transaction among those of its process.
#[must_use]
pub fn local_transaction() -> u32 {
    // SAFETY: this process's own entry
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        let number = (*pg_sys::MyProc).lxid;
        #[cfg(not(any(feature = "pg15", feature = "pg16")))]
        let number = (*pg_sys::MyProc).vxid.lxid;
        number
    }
}

/// The oldest transaction whose fate is still kept, and the next one's number.
#[must_use]
pub unsafe fn kept_transactions() -> (pg_sys::TransactionId, u32) {
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    // SAFETY: reads of shared memory, any value will do
    let shared = unsafe { &*pg_sys::ShmemVariableCache };
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    // SAFETY: as above
    let shared = unsafe { &*pg_sys::TransamVariables };
    (shared.oldestClogXid, shared.nextXid.value as u32)
}

/// The subtransaction that gave the relation other files; 0 for none of the running transaction's.
#[must_use]
pub unsafe fn refiled_by(rel: pg_sys::Relation) -> pg_sys::SubTransactionId {
    // SAFETY: by contract
    unsafe {
        #[cfg(feature = "pg15")]
        let by = (*rel).rd_firstRelfilenodeSubid;
        #[cfg(not(feature = "pg15"))]
        let by = (*rel).rd_firstRelfilelocatorSubid;
        by
    }
}

/// The counts of scans, of rows read by them, and of rows looked up for them, in a relation's statistics.
pub fn table_counts(info: &mut pg_sys::PgStat_TableStatus) -> (&mut i64, &mut i64, &mut i64) {
    #[cfg(feature = "pg15")]
    let counts = {
        let counts = &mut info.t_counts;
        (&mut counts.t_numscans, &mut counts.t_tuples_returned, &mut counts.t_tuples_fetched)
    };
    #[cfg(not(feature = "pg15"))]
    let counts = {
        let counts = &mut info.counts;
        (&mut counts.numscans, &mut counts.tuples_returned, &mut counts.tuples_fetched)
    };
    counts
}

/// Counts a search of an index for EXPLAIN, which shows them since 18.
pub unsafe fn count_search(scan: pg_sys::IndexScanDesc) {
    #[cfg(feature = "pg18")]
    // SAFETY: the server's scan
    unsafe {
        if let Some(instrument) = (*scan).instrument.as_mut() {
            instrument.nsearches += 1;
        }
    }
    let _ = scan;
}

/// Whether [`bring`] reads, and many blocks at a time, so that it pays wherever blocks are read one after the other.
pub const BRINGS_MANY: bool = !cfg!(any(feature = "pg15", feature = "pg16"));

/// Sees to it that the blocks of a relation are in its buffers, or soon will be, and tells `place` in which (0 where that is not
/// known yet). Since 17 the server reads them, many at a time; before, it asks the kernel to read them ahead.
pub unsafe fn bring(
    rel: pg_sys::Relation,
    strategy: pg_sys::BufferAccessStrategy,
    blocks: &[u32],
    mut place: impl FnMut(u32, pg_sys::Buffer),
) {
    let main = pg_sys::ForkNumber::MAIN_FORKNUM;
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    for &block in blocks {
        let _ = strategy;
        // SAFETY: by contract, open
        place(block, unsafe { pg_sys::PrefetchBuffer(rel, main, block) }.recent_buffer);
    }
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    // SAFETY: by contract, open; the server has the iterator for as long as the stream lives, and copies what it gives
    unsafe {
        type Blocks<'b> = std::slice::Iter<'b, u32>;
        unsafe extern "C-unwind" fn next(
            _stream: *mut pg_sys::ReadStream,
            blocks: *mut std::ffi::c_void,
            _: *mut std::ffi::c_void,
        ) -> pg_sys::BlockNumber {
            // SAFETY: what the stream was begun with
            unsafe { &mut *blocks.cast::<Blocks<'_>>() }.next().copied().unwrap_or(pg_sys::InvalidBlockNumber)
        }
        // all of them are wanted; to say which is next takes no lock
        #[cfg(feature = "pg17")]
        let flags = pg_sys::READ_STREAM_FULL;
        #[cfg(not(feature = "pg17"))]
        let flags = pg_sys::READ_STREAM_FULL | pg_sys::READ_STREAM_USE_BATCHING;
        let mut rest: Blocks<'_> = blocks.iter();
        let data = (&raw mut rest).cast();
        let stream = pg_sys::read_stream_begin_relation(flags as i32, strategy, rel, main, Some(next), data, 0);
        for &block in blocks {
            let buffer = pg_sys::read_stream_next_buffer(stream, std::ptr::null_mut());
            place(block, buffer);
            pg_sys::ReleaseBuffer(buffer);
        }
        pg_sys::read_stream_end(stream);
    }
}

/// Lets VACUUM rest, or be cancelled.
pub unsafe fn vacuum_delay_point() {
    // SAFETY: for the backend's first thread
    unsafe {
        #[cfg(not(feature = "pg18"))]
        pg_sys::vacuum_delay_point();
        #[cfg(feature = "pg18")]
        pg_sys::vacuum_delay_point(false);
    }
}

/// Whether the open table has become so old that VACUUM is to freeze it without a rest (`vacuum_failsafe_age`).
pub unsafe fn is_failsafe_due(rel: pg_sys::Relation) -> bool {
    // SAFETY: rel is open; a look at shared state and settings
    unsafe {
        let (relfrozenxid, relminmxid) = ((*(*rel).rd_rel).relfrozenxid, (*(*rel).rd_rel).relminmxid);
        if relfrozenxid == pg_sys::InvalidTransactionId {
            return false;
        }
        #[cfg(feature = "pg15")]
        return pg_sys::vacuum_xid_failsafe_check(relfrozenxid, relminmxid);
        #[cfg(not(feature = "pg15"))]
        return pg_sys::vacuum_xid_failsafe_check(&pg_sys::VacuumCutoffs {
            relfrozenxid,
            relminmxid,
            ..Default::default()
        });
    }
}

/// Lets ANALYZE rest, or be cancelled.
pub unsafe fn analyze_delay_point() {
    // SAFETY: for the backend's first thread
    unsafe {
        #[cfg(not(feature = "pg18"))]
        pg_sys::vacuum_delay_point();
        #[cfg(feature = "pg18")]
        pg_sys::vacuum_delay_point(true);
    }
}

/// The number of a heap page's line pointers.
#[inline(always)]
#[must_use]
pub unsafe fn line_pointers(page: pg_sys::Page) -> pg_sys::OffsetNumber {
    const HEADER: usize = std::mem::offset_of!(pg_sys::PageHeaderData, pd_linp);
    // SAFETY: by contract, a page
    let end = usize::from(unsafe { (*page.cast::<pg_sys::PageHeaderData>()).pd_lower });
    (end.saturating_sub(HEADER) / size_of::<pg_sys::ItemIdData>()) as u16
}

/// The line pointer `offset`, from 1.
#[inline(always)]
#[must_use]
pub unsafe fn line_pointer(page: pg_sys::Page, offset: pg_sys::OffsetNumber) -> pg_sys::ItemId {
    // SAFETY: by contract, one of the page's
    unsafe { (*page.cast::<pg_sys::PageHeaderData>()).pd_linp.as_mut_ptr().add(usize::from(offset) - 1) }
}

/// What a line pointer leads to.
#[inline(always)]
#[must_use]
pub unsafe fn item(page: pg_sys::Page, pointer: pg_sys::ItemId) -> *mut std::ffi::c_char {
    // SAFETY: by contract, a pointer with storage in that page
    unsafe { page.cast::<std::ffi::c_char>().add((*pointer).lp_off() as usize) }
}

/// Begins a scan of an index.
pub unsafe fn index_beginscan(
    heap: pg_sys::Relation,
    index: pg_sys::Relation,
    snapshot: pg_sys::Snapshot,
    keys: i32,
    orderbys: i32,
) -> pg_sys::IndexScanDesc {
    // SAFETY: by contract
    unsafe {
        #[cfg(not(feature = "pg18"))]
        let scan = pg_sys::index_beginscan(heap, index, snapshot, keys, orderbys);
        #[cfg(feature = "pg18")]
        let scan = pg_sys::index_beginscan(heap, index, snapshot, std::ptr::null_mut(), keys, orderbys);
        scan
    }
}

/// The next value of a sort, a number; `None` after the last one.
pub unsafe fn next_sorted(sort: *mut pg_sys::Tuplesortstate) -> Option<pg_sys::Datum> {
    let (mut value, mut isnull) = (pg_sys::Datum::from(0), false);
    let none = std::ptr::null_mut();
    // SAFETY: by contract, an open sort of values that need no copy
    let found = unsafe {
        #[cfg(feature = "pg15")]
        let found = pg_sys::tuplesort_getdatum(sort, true, &mut value, &mut isnull, none);
        #[cfg(not(feature = "pg15"))]
        let found = pg_sys::tuplesort_getdatum(sort, true, false, &mut value, &mut isnull, none);
        found
    };
    found.then_some(value)
}

/// Whether a publication sends a generated column, which it lists or which it has no list for. Since 18 it may.
#[must_use]
pub fn publishes_generated(publication: &pg_sys::FormData_pg_publication, is_listed: bool) -> bool {
    #[cfg(not(feature = "pg18"))]
    let publishes = (publication, is_listed, false).2;
    #[cfg(feature = "pg18")]
    let publishes =
        is_listed || publication.pubgencols as u8 == pg_sys::PublishGencolsType::PUBLISH_GENCOLS_STORED as u8;
    publishes
}

/// A library's name in the catalogs as the server looks for it: since 18, where it is just a file of the server's own folder, on
/// the search path.
#[must_use]
pub fn library_name(name: &std::ffi::CStr) -> &std::ffi::CStr {
    #[cfg(feature = "pg18")]
    if let Some(file) = name.to_bytes_with_nul().strip_prefix(b"$libdir/")
        && !file.contains(&b'/')
        && let Ok(file) = std::ffi::CStr::from_bytes_with_nul(file)
    {
        return file;
    }
    name
}

/// Whether a user owns a relation, or may do as its owner.
#[must_use]
pub unsafe fn owns(relation: Oid, user: Oid) -> bool {
    // SAFETY: a catalog look-up
    unsafe {
        #[cfg(feature = "pg15")]
        let owns = pg_sys::pg_class_ownercheck(relation, user);
        #[cfg(not(feature = "pg15"))]
        let owns = pg_sys::object_ownercheck(pg_sys::RelationRelationId, relation, user);
        owns
    }
}

/// Whether a user owns a schema, or may do as its owner.
#[must_use]
pub unsafe fn owns_schema(schema: Oid, user: Oid) -> bool {
    // SAFETY: a catalog look-up
    unsafe {
        #[cfg(feature = "pg15")]
        let owns = pg_sys::pg_namespace_ownercheck(schema, user);
        #[cfg(not(feature = "pg15"))]
        let owns = pg_sys::object_ownercheck(pg_sys::NamespaceRelationId, schema, user);
        owns
    }
}

/// Whether this transaction has locked a relation of this database in mode `least` or a stronger one. The server's functions that
/// tell it of an OID, or of all modes at once, are not in every minor version of 15 and 16.
#[must_use]
pub fn has_locked(relation: Oid, least: u32) -> bool {
    let is_held = |mode: u32| {
        // SAFETY: a look at this backend's locks
        unsafe {
            let tag = pg_sys::LOCKTAG {
                locktag_field1: pg_sys::MyDatabaseId.to_u32(),
                locktag_field2: relation.to_u32(),
                locktag_field3: 0,
                locktag_field4: 0,
                locktag_type: pg_sys::LockTagType::LOCKTAG_RELATION as u8,
                locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
            };
            #[cfg(any(feature = "pg15", feature = "pg16"))]
            let held = pg_sys::LockHeldByMe(&raw const tag, mode as _);
            #[cfg(not(any(feature = "pg15", feature = "pg16")))]
            let held = pg_sys::LockHeldByMe(&raw const tag, mode as _, false);
            held
        }
    };
    (least..=pg_sys::AccessExclusiveLock).any(is_held)
}

/// Whether a user may maintain a relation: who may do as its owner, and since 17 who has the right MAINTAIN.
#[must_use]
pub unsafe fn may_maintain(relation: Oid, user: Oid) -> bool {
    // SAFETY: catalog look-ups
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        let is_granted = false;
        #[cfg(not(any(feature = "pg15", feature = "pg16")))]
        let is_granted =
            pg_sys::pg_class_aclcheck(relation, user, pg_sys::ACL_MAINTAIN.into()) == pg_sys::AclResult::ACLCHECK_OK;
        is_granted || owns(relation, user)
    }
}

/// Raises the server's error unless the user may look names up in the schema.
pub unsafe fn require_use_of_schema(schema: Oid, user: Oid) {
    // SAFETY: catalog look-ups
    unsafe {
        let usage = pg_sys::ACL_USAGE as pg_sys::AclMode;
        #[cfg(feature = "pg15")]
        let answer = pg_sys::pg_namespace_aclcheck(schema, user, usage);
        #[cfg(not(feature = "pg15"))]
        let answer = pg_sys::object_aclcheck(pg_sys::NamespaceRelationId, schema, user, usage);
        if answer != pg_sys::AclResult::ACLCHECK_OK {
            pg_sys::aclcheck_error(answer, pg_sys::ObjectType::OBJECT_SCHEMA, pg_sys::get_namespace_name(schema));
        }
    }
}

/// Raises the server's error unless the current user may put tables into the tablespace, or it is the database's own.
pub unsafe fn require_create_in_tablespace(tablespace: Oid, name: *const std::ffi::c_char) {
    // SAFETY: catalog look-ups
    unsafe {
        if tablespace == pg_sys::MyDatabaseTableSpace {
            return;
        }
        let (create, user) = (pg_sys::ACL_CREATE as pg_sys::AclMode, pg_sys::GetUserId());
        #[cfg(feature = "pg15")]
        let answer = pg_sys::pg_tablespace_aclcheck(tablespace, user, create);
        #[cfg(not(feature = "pg15"))]
        let answer = pg_sys::object_aclcheck(pg_sys::TableSpaceRelationId, tablespace, user, create);
        if answer != pg_sys::AclResult::ACLCHECK_OK {
            pg_sys::aclcheck_error(answer, pg_sys::ObjectType::OBJECT_TABLESPACE, name);
        }
    }
}

/// The access right `ACL_SELECT`, of the type of the server's functions.
pub const ACL_SELECT: pg_sys::AclMode = pg_sys::ACL_SELECT as _;

/// Whether the key sorts the smallest first, by what the planner calls less.
#[must_use]
pub fn is_ascending(key: &pg_sys::PathKey) -> bool {
    #[cfg(not(feature = "pg18"))]
    let ascending = key.pk_strategy == pg_sys::BTLessStrategyNumber as i32;
    #[cfg(feature = "pg18")]
    let ascending = key.pk_cmptype == pg_sys::CompareType::COMPARE_LT;
    ascending
}

/// A condition of a relation, for one of our own making that is asked at any place.
pub unsafe fn condition(root: *mut pg_sys::PlannerInfo, clause: *mut pg_sys::Expr) -> *mut pg_sys::RestrictInfo {
    let none = std::ptr::null_mut();
    // SAFETY: the planner's own
    unsafe {
        #[cfg(feature = "pg15")]
        let condition = pg_sys::make_restrictinfo(root, clause, true, false, false, 0, none, none, none);
        #[cfg(not(feature = "pg15"))]
        let condition = pg_sys::make_restrictinfo(root, clause, true, false, false, false, 0, none, none, none);
        condition
    }
}

/// Whether a condition holds for no row in which `column` is NULL.
#[must_use]
pub unsafe fn is_strict_in(condition: *mut pg_sys::Node, column: &pg_sys::Var) -> bool {
    // SAFETY: the planner's own; a list of columns, since 16 one of sets of their numbers
    unsafe {
        let never_null = pg_sys::find_nonnullable_vars(condition);
        #[cfg(feature = "pg15")]
        let is_strict = crate::pg::list::elements::<pg_sys::Var>(never_null)
            .any(|var| (*var).varno == column.varno && (*var).varattno == column.varattno);
        #[cfg(not(feature = "pg15"))]
        let is_strict = {
            let number = i32::from(column.varattno) - pg_sys::FirstLowInvalidHeapAttributeNumber;
            let mut sets = crate::pg::list::elements::<pg_sys::Bitmapset>(never_null);
            sets.nth(column.varno as usize).is_some_and(|set| pg_sys::bms_is_member(number, set))
        };
        is_strict
    }
}

/// The members of an equivalence class that are about the relations in `relids` and no others: those of partitions too, which 18
/// keeps by partition.
pub unsafe fn members_about(
    class: &pg_sys::EquivalenceClass,
    relids: pg_sys::Relids,
) -> impl Iterator<Item = *mut pg_sys::EquivalenceMember> {
    use crate::pg::list::elements;
    // SAFETY: the planner's own
    unsafe {
        let members = elements::<pg_sys::EquivalenceMember>(class.ec_members);
        #[cfg(feature = "pg18")]
        let members = {
            let one = pg_sys::bms_next_member(relids, -1);
            let is_child = one >= 0 && !class.ec_childmembers.is_null() && one < class.ec_childmembers_size;
            let children = if is_child { *class.ec_childmembers.add(one as usize) } else { std::ptr::null_mut() };
            members.chain(elements(children))
        };
        members.filter(move |&member| pg_sys::bms_equal((*member).em_relids, relids))
    }
}

/// Where a parallel scan's memory of the access method begins.
#[must_use]
pub unsafe fn parallel_memory(scan: pg_sys::ParallelIndexScanDesc) -> *mut u8 {
    // SAFETY: by contract
    unsafe {
        #[cfg(not(feature = "pg18"))]
        let offset = (*scan).ps_offset;
        #[cfg(feature = "pg18")]
        let offset = (*scan).ps_offset_am;
        scan.cast::<u8>().add(offset)
    }
}

/// Where the option `name`, a number, is stored.
#[must_use]
pub fn int_option(name: &std::ffi::CStr, offset: usize) -> pg_sys::relopt_parse_elt {
    pg_sys::relopt_parse_elt {
        optname: name.as_ptr(),
        opttype: pg_sys::relopt_type::RELOPT_TYPE_INT,
        offset: offset as i32,
        #[cfg(feature = "pg18")]
        isset_offset: 0,
    }
}

/// The statistics target of a column that ANALYZE works on: from now on, where it has none of its own, the server's.
pub unsafe fn statistics_target(stats: &mut pg_sys::VacAttrStats) -> i32 {
    // SAFETY: by contract; up to 16 the description points to the column's own copy of its pg_attribute row
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        let target = &mut (*stats.attr).attstattarget;
        #[cfg(not(any(feature = "pg15", feature = "pg16")))]
        let target = &mut stats.attstattarget;
        if *target < 0 {
            *target = pg_sys::default_statistics_target as _;
        }
        *target as _
    }
}

/// Has `handler` called for `signal`.
pub unsafe fn on_signal(signal: i32, handler: unsafe extern "C-unwind" fn(i32)) {
    // SAFETY: by contract, a handler of the server's
    unsafe {
        #[cfg(not(feature = "pg18"))]
        pg_sys::pqsignal(signal, Some(handler));
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(signal, Some(handler));
    }
}

/// Marks a path as one of a kind that a setting disables. Since 18 such paths are counted, before costed so high.
pub unsafe fn disable(path: *mut pg_sys::Path) {
    // SAFETY: by contract
    unsafe {
        #[cfg(not(feature = "pg18"))]
        {
            (*path).startup_cost += pg_sys::disable_cost;
        }
        #[cfg(feature = "pg18")]
        {
            (*path).disabled_nodes += 1;
        }
    }
}

/// Whether it is marked so.
#[must_use]
pub unsafe fn is_disabled(path: *mut pg_sys::Path) -> bool {
    // SAFETY: by contract
    unsafe {
        #[cfg(not(feature = "pg18"))]
        let disabled = (*path).total_cost >= pg_sys::disable_cost;
        #[cfg(feature = "pg18")]
        let disabled = (*path).disabled_nodes > 0;
        disabled
    }
}

/// Makes sure that a path, whose cost is prohibitive, is not chosen even where its alternative is disabled: 18 looks at costs
/// only among paths that are disabled equally often.
pub unsafe fn prohibit(path: *mut pg_sys::Path) {
    #[cfg(feature = "pg18")]
    // SAFETY: by contract
    unsafe {
        const MORE_THAN_ANY_OTHER: i32 = 1000;
        (*path).disabled_nodes += MORE_THAN_ANY_OTHER;
    }
    let _ = path;
}

/// A buffer heap slot's callback that tells whether its row was made by the running transaction, for slots laid out like it.
#[cfg(not(any(feature = "pg15", feature = "pg16")))]
unsafe extern "C-unwind" fn is_current_xact_tuple(slot: *mut pg_sys::TupleTableSlot) -> bool {
    // SAFETY: the server's own callback, on a slot that begins like a buffer heap slot
    unsafe { pg_sys::TTSOpsBufferHeapTuple.is_current_xact_tuple.unwrap_unchecked()(slot) }
}

/// The callbacks that only some versions have, of a slot type that begins like a buffer heap slot.
pub const SLOT_CALLBACKS: pg_sys::TupleTableSlotOps = pg_sys::TupleTableSlotOps {
    base_slot_size: 0,
    init: None,
    release: None,
    clear: None,
    getsomeattrs: None,
    getsysattr: None,
    materialize: None,
    copyslot: None,
    get_heap_tuple: None,
    get_minimal_tuple: None,
    copy_heap_tuple: None,
    copy_minimal_tuple: None,
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    is_current_xact_tuple: Some(is_current_xact_tuple),
};

/// A slot type's copy of a slot's row, with so many bytes before it (since 18).
pub unsafe fn copy_minimal_tuple(
    ops: &pg_sys::TupleTableSlotOps,
    slot: *mut pg_sys::TupleTableSlot,
    extra_bytes: usize,
) -> pg_sys::MinimalTuple {
    // SAFETY: by contract, a slot of that type
    unsafe {
        let copy = ops.copy_minimal_tuple.unwrap_unchecked();
        #[cfg(not(feature = "pg18"))]
        let tuple = (copy(slot), extra_bytes).0;
        #[cfg(feature = "pg18")]
        let tuple = copy(slot, extra_bytes);
        tuple
    }
}

/// A row of these values, with so many bytes before it (since 18).
pub unsafe fn form_minimal_tuple(
    desc: pg_sys::TupleDesc,
    values: *mut pg_sys::Datum,
    isnull: *mut bool,
    extra_bytes: usize,
) -> pg_sys::MinimalTuple {
    // SAFETY: by contract
    unsafe {
        #[cfg(not(feature = "pg18"))]
        let tuple = (pg_sys::heap_form_minimal_tuple(desc, values, isnull), extra_bytes).0;
        #[cfg(feature = "pg18")]
        let tuple = pg_sys::heap_form_minimal_tuple(desc, values, isnull, extra_bytes);
        tuple
    }
}

/// The bytes of a WAL record's part.
#[cfg(not(feature = "pg18"))]
pub type RecordBytes = *mut std::ffi::c_char;
/// The bytes of a WAL record's part.
#[cfg(feature = "pg18")]
pub type RecordBytes = *const std::ffi::c_void;

/// Their number.
#[cfg(feature = "pg15")]
pub type RecordLength = i32;
/// Their number.
#[cfg(not(feature = "pg15"))]
pub type RecordLength = u32;

/// The record by which a B-tree gives a page back (`xl_btree_reuse_page`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ReusePage {
    /// the index's files
    pub node: FileNode,
    /// the page
    pub block: u32,
    /// snapshots that do not see this transaction may still look for the page
    pub latest_removed_full_xid: u64,
    /// whether logical decoding may read the table
    #[cfg(not(feature = "pg15"))]
    pub is_catalog: bool,
}

impl ReusePage {
    /// Bytes in the WAL.
    #[cfg(feature = "pg15")]
    pub const BYTES: usize = size_of::<Self>();
    /// Bytes in the WAL.
    #[cfg(not(feature = "pg15"))]
    pub const BYTES: usize = std::mem::offset_of!(Self, is_catalog) + 1;

    /// That of the first page of `node`, which is no catalog's.
    #[must_use]
    pub fn first(node: FileNode, latest_removed_full_xid: u64) -> Self {
        Self {
            node,
            block: 0,
            latest_removed_full_xid,
            #[cfg(not(feature = "pg15"))]
            is_catalog: false,
        }
    }
}

// The record's length is part of what replay reads; regress/server/headers.sh compares the fields with the headers.
#[cfg(feature = "pg15")]
const _: () = assert!(ReusePage::BYTES == 24);
#[cfg(not(feature = "pg15"))]
const _: () = assert!(ReusePage::BYTES == 25);

/// Gives a copy of a relation's entry its own copies of the sets of columns that belong to indexes. In the current memory
/// context.
pub unsafe fn own_bitmaps(entry: &mut pg_sys::RelationData) {
    // SAFETY: sets of the entry that this is a copy of
    unsafe {
        entry.rd_keyattr = pg_sys::bms_copy(entry.rd_keyattr);
        entry.rd_pkattr = pg_sys::bms_copy(entry.rd_pkattr);
        entry.rd_idattr = pg_sys::bms_copy(entry.rd_idattr);
        #[cfg(feature = "pg15")]
        {
            entry.rd_indexattr = pg_sys::bms_copy(entry.rd_indexattr);
        }
        #[cfg(not(feature = "pg15"))]
        {
            entry.rd_hotblockingattr = pg_sys::bms_copy(entry.rd_hotblockingattr);
            entry.rd_summarizedattr = pg_sys::bms_copy(entry.rd_summarizedattr);
        }
    }
}

/// Frees what [`own_bitmaps`] copied.
pub unsafe fn free_bitmaps(entry: &mut pg_sys::RelationData) {
    // SAFETY: by contract
    unsafe {
        pg_sys::bms_free(entry.rd_keyattr);
        pg_sys::bms_free(entry.rd_pkattr);
        pg_sys::bms_free(entry.rd_idattr);
        #[cfg(feature = "pg15")]
        pg_sys::bms_free(entry.rd_indexattr);
        #[cfg(not(feature = "pg15"))]
        {
            pg_sys::bms_free(entry.rd_hotblockingattr);
            pg_sys::bms_free(entry.rd_summarizedattr);
        }
    }
}

/// Says of a copy of a relation's entry that its sets of columns are known, also where it has no index. 15 takes an empty set of
/// indexed columns for an unknown one: then the table's oid, which no row changes, is said to be indexed.
pub unsafe fn claim_bitmaps(entry: &mut pg_sys::RelationData) {
    #[cfg(feature = "pg15")]
    if entry.rd_indexattr.is_null() {
        let member = pg_sys::TableOidAttributeNumber - pg_sys::FirstLowInvalidHeapAttributeNumber;
        // SAFETY: in the current memory context
        entry.rd_indexattr = unsafe { pg_sys::bms_make_singleton(member) };
    }
    #[cfg(not(feature = "pg15"))]
    {
        entry.rd_attrsvalid = true;
    }
}

/// Gives a copy of a relation's entry the handle of the relation's file, with what it knows: where a row was put last. The
/// entry itself is without, up to 16.
pub unsafe fn take_file(entry: &mut pg_sys::RelationData) {
    let entry: *mut pg_sys::RelationData = entry;
    // SAFETY: what the server's inline function does; the copy stays where it is
    unsafe {
        let handle = pg_sys::smgropen(FileNode::of(entry).servers(), (*entry).rd_backend);
        (*entry).rd_smgr = std::ptr::null_mut();
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        pg_sys::smgrsetowner(&raw mut (*entry).rd_smgr, handle);
        #[cfg(not(any(feature = "pg15", feature = "pg16")))]
        {
            (*entry).rd_smgr = handle;
            pg_sys::smgrpin(handle);
        }
    }
}

/// Gives the handle back to the open relation `rel`, if the copy still has it.
pub unsafe fn give_file_back(entry: &mut pg_sys::RelationData, rel: pg_sys::Relation) {
    // SAFETY: as above
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        if !entry.rd_smgr.is_null() {
            pg_sys::smgrsetowner(&raw mut (*rel).rd_smgr, entry.rd_smgr);
        }
        #[cfg(not(any(feature = "pg15", feature = "pg16")))]
        let _ = rel;
        let_go_of_file(entry);
    }
}

/// Takes a relation's file from a copy of its entry, if it has one.
pub unsafe fn let_go_of_file(entry: &mut pg_sys::RelationData) {
    if entry.rd_smgr.is_null() {
        return;
    }
    // SAFETY: what the server's inline function has set and nobody else has taken away
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        pg_sys::smgrclearowner(&raw mut entry.rd_smgr, entry.rd_smgr);
        #[cfg(not(any(feature = "pg15", feature = "pg16")))]
        pg_sys::smgrunpin(entry.rd_smgr);
    }
    entry.rd_smgr = std::ptr::null_mut();
}

/// A set of rows' addresses, as scans of indexes make it, read block by block.
pub struct TidBitmap {
    bitmap: *mut pg_sys::TIDBitmap,
    #[cfg(not(feature = "pg18"))]
    iterator: *mut pg_sys::TBMIterator,
    #[cfg(feature = "pg18")]
    iterator: *mut pg_sys::TBMPrivateIterator,
}

impl TidBitmap {
    /// Begins to read `bitmap`, which is given back by [`TidBitmap::end`].
    #[must_use]
    pub unsafe fn new(bitmap: *mut pg_sys::TIDBitmap) -> Self {
        // SAFETY: by contract
        unsafe {
            #[cfg(not(feature = "pg18"))]
            let iterator = pg_sys::tbm_begin_iterate(bitmap);
            #[cfg(feature = "pg18")]
            let iterator = pg_sys::tbm_begin_private_iterate(bitmap);
            Self { bitmap, iterator }
        }
    }

    /// The next block, and whether its addresses are known, which then are in `offsets`.
    pub unsafe fn next(&mut self, offsets: &mut Vec<pg_sys::OffsetNumber>) -> Option<(u32, bool)> {
        offsets.clear();
        // SAFETY: begun; a page has no more addresses than the array has room for
        unsafe {
            #[cfg(not(feature = "pg18"))]
            {
                let found = pg_sys::tbm_iterate(self.iterator).as_ref()?;
                let are_known = found.ntuples >= 0;
                if are_known {
                    offsets.extend_from_slice(found.offsets.as_slice(found.ntuples as usize));
                }
                Some((found.blockno, are_known))
            }
            #[cfg(feature = "pg18")]
            {
                let mut found = pg_sys::TBMIterateResult::default();
                if !pg_sys::tbm_private_iterate(self.iterator, &mut found) {
                    return None;
                }
                if !found.lossy {
                    let most = pg_sys::BLCKSZ as usize / size_of::<pg_sys::ItemIdData>();
                    offsets.resize(most, 0);
                    let count = pg_sys::tbm_extract_page_tuple(&mut found, offsets.as_mut_ptr(), most as u32);
                    offsets.truncate(count as usize);
                }
                Some((found.blockno, !found.lossy))
            }
        }
    }

    /// Gives back the set.
    pub unsafe fn end(self) {
        // SAFETY: begun
        unsafe {
            #[cfg(not(feature = "pg18"))]
            pg_sys::tbm_end_iterate(self.iterator);
            #[cfg(feature = "pg18")]
            pg_sys::tbm_end_private_iterate(self.iterator);
            pg_sys::tbm_free(self.bitmap);
        }
    }
}

/// Whether scans may pass rows by without telling the server of them: not where it watches for conflicts of serializable
/// transactions, nor where old snapshots may have lost rows, which reading a row tells.
#[must_use]
pub fn may_pass_rows_by() -> bool {
    // SAFETY: settings
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        if pg_sys::old_snapshot_threshold >= 0 {
            return false;
        }
        pg_sys::XactIsoLevel != pg_sys::XACT_SERIALIZABLE as i32
    }
}
