//! Server functions bound without pgrx's guard: such as raise no error on what we pass them, where the guard costs as
//! much as they do; and such as raise errors whose every field must reach the client (the guard keeps only some),
//! called only where no Rust value waits to be dropped.

use super::compat::{FileNode, RecordBytes, RecordLength};
use pgrx::pg_sys::{
    Buffer, BufferTag, BulkInsertState, CommandId, Datum, EState, ExecScanAccessMtd, ExecScanRecheckMtd, ForkNumber,
    GlobalVisState, HeapTuple, IndexInfo, IndexUniqueCheck, ItemPointer, LOCKMODE, LWLock, LWLockMode, List,
    OffsetNumber, Oid, Page, Portal, QueryDesc, RawParseMode, Relation, RmgrId, SPIPlanPtr, ScanDirection, ScanState,
    Snapshot, TableAmRoutine, TableScanDesc, TransactionId, TupleDesc, TupleTableSlot, XLogRecPtr,
};
use std::ffi::{c_char, c_long};

unsafe extern "C-unwind" {
    /// Signal handler: end the process at the next opportunity.
    pub fn die(signal: i32);
    /// Signal handler: cancel what is running at the next opportunity.
    pub fn StatementCancelHandler(signal: i32);
    /// Signal handler: read the configuration again at the next opportunity.
    pub fn SignalHandlerForConfigReload(signal: i32);
    /// Whether two values are the same bytes; values stored elsewhere are not fetched.
    pub fn datumIsEqual(a: Datum, b: Datum, by_value: bool, length: i32) -> bool;
    /// The heap's table access method.
    pub fn GetHeapamTableAmRoutine() -> *const TableAmRoutine;
    /// The next row of a heap scan.
    pub fn heap_getnextslot(scan: TableScanDesc, direction: ScanDirection::Type, slot: *mut TupleTableSlot) -> bool;
    /// Takes or releases a pinned buffer's content lock.
    pub fn LockBuffer(buffer: Buffer, mode: i32);
    /// Drops a pin.
    pub fn ReleaseBuffer(buffer: Buffer);
    /// Drops a content lock and a pin.
    pub fn UnlockReleaseBuffer(buffer: Buffer);
    /// Marks a pinned, exclusively locked buffer as changed.
    pub fn MarkBufferDirty(buffer: Buffer);
    /// The block that a pinned buffer holds.
    pub fn BufferGetBlockNumber(buffer: Buffer) -> u32;
    /// Pins `recent` if it still holds that block. Raises an error when memory runs out: see `pg/buffer/mod.rs`.
    pub fn ReadRecentBuffer(node: FileNode, fork: ForkNumber::Type, block: u32, recent: Buffer) -> bool;
    /// The horizons that hold for a relation.
    pub fn GlobalVisTestFor(rel: Relation) -> *mut GlobalVisState;
    /// Whether no snapshot can take `xid` for running.
    pub fn GlobalVisTestIsRemovableXid(state: *mut GlobalVisState, xid: TransactionId) -> bool;
    /// The root line pointer of each heap-only version of a locked page.
    pub fn heap_get_root_tuples(page: Page, roots: *mut OffsetNumber);
    /// Stores a row. Raises errors.
    pub fn heap_insert(rel: Relation, tuple: HeapTuple, cid: CommandId, options: i32, bistate: BulkInsertState);
    /// Stores rows. Raises errors.
    pub fn heap_multi_insert(
        rel: Relation,
        slots: *mut *mut TupleTableSlot,
        count: i32,
        cid: CommandId,
        options: i32,
        bistate: BulkInsertState,
    );
    /// The keys of an index entry. Runs users' functions.
    pub fn FormIndexDatum(
        info: *mut IndexInfo,
        slot: *mut TupleTableSlot,
        estate: *mut EState,
        values: *mut Datum,
        isnull: *mut bool,
    );
    /// The next row of a scan node that satisfies its conditions, projected. Runs users' functions.
    pub fn ExecScan(
        node: *mut ScanState,
        access: ExecScanAccessMtd,
        recheck: ExecScanRecheckMtd,
    ) -> *mut TupleTableSlot;
    /// Locks a table for a serializable transaction against what others insert later.
    pub fn PredicateLockRelation(relation: Relation, snapshot: Snapshot);
    /// The checksum of a page. Calls nothing else of the server, so threads may call it.
    pub fn pg_checksum_page(page: *mut std::ffi::c_char, block: u32) -> u16;
    /// Hash of that many bytes.
    pub fn hash_bytes(bytes: *const u8, len: i32) -> u32;
    /// Hash of that many bytes and a seed; with seed 0 the lower half is [`hash_bytes`]'s.
    pub fn hash_bytes_extended(bytes: *const u8, len: i32, seed: u64) -> u64;
    /// The hash of a page's tag in the table of shared buffers.
    pub fn BufTableHashCode(tag: *mut BufferTag) -> u32;
    /// The buffer of a page, from 0, or -1. With the lock of the hash's partition.
    pub fn BufTableLookup(tag: *mut BufferTag, hash: u32) -> i32;
    /// Whether the server recovers, or is a standby.
    pub fn RecoveryInProgress() -> bool;
    /// Takes a lock of the server's.
    pub fn LWLockAcquire(lock: *mut LWLock, mode: LWLockMode::Type) -> bool;
    /// Gives it back.
    pub fn LWLockRelease(lock: *mut LWLock);
    /// Starts a query. Raises errors.
    pub fn standard_ExecutorStart(query: *mut QueryDesc, flags: i32);
    /// The relation, and all that inherit from it: partitions of partitions too. Their oids. Raises errors.
    pub fn find_all_inheritors(relation: Oid, lockmode: LOCKMODE, parents: *mut *mut List) -> *mut List;
    /// The tables that a partition is under, from its parent to the root. Their oids.
    pub fn get_partition_ancestors(relation: Oid) -> *mut List;
    /// Throws the error on top of the server's error stack on.
    pub fn pg_re_throw() -> !;
    /// Frees a row.
    pub fn heap_freetuple(tuple: HeapTuple);
    /// Takes a row apart.
    pub fn heap_deform_tuple(tuple: HeapTuple, desc: TupleDesc, values: *mut Datum, isnull: *mut bool);
    /// Adds an entry to an index. Raises errors (unique violations above all).
    pub fn index_insert(
        index: Relation,
        values: *mut Datum,
        isnull: *mut bool,
        tid: ItemPointer,
        table: Relation,
        check: IndexUniqueCheck::Type,
        unchanged: bool,
        info: *mut IndexInfo,
    ) -> bool;
    /// Starts a record (in a critical section, where an error would stop the server anyway).
    pub fn XLogBeginInsert();
    /// Names a block of the record.
    pub fn XLogRegisterBuffer(id: u8, buffer: Buffer, flags: u8);
    /// Adds bytes that belong to a block of the record.
    pub fn XLogRegisterBufData(id: u8, data: RecordBytes, len: RecordLength);
    /// Writes the record.
    pub fn XLogInsert(rmid: RmgrId, info: u8) -> XLogRecPtr;
    /// Plans a statement for later. Raises errors.
    pub fn SPI_prepare_cursor(source: *const c_char, count: i32, types: *mut Oid, options: i32) -> SPIPlanPtr;
    /// Runs a plan. Raises errors, and runs users' functions.
    pub fn SPI_execute_plan(
        plan: SPIPlanPtr,
        values: *mut Datum,
        nulls: *const c_char,
        read_only: bool,
        count: c_long,
    ) -> i32;
    /// Opens a cursor over a plan. Raises errors, and runs users' functions.
    pub fn SPI_cursor_open(
        name: *const c_char,
        plan: SPIPlanPtr,
        values: *mut Datum,
        nulls: *const c_char,
        read_only: bool,
    ) -> Portal;
    /// Fetches rows of a cursor. Raises errors, and runs users' functions.
    pub fn SPI_cursor_fetch(portal: Portal, forward: bool, count: c_long);
    /// Takes the words of a statement, or of a part of one, apart. Raises errors.
    pub fn raw_parser(text: *const c_char, mode: RawParseMode::Type) -> *mut List;
    /// A copy of a value in the current memory context.
    pub fn datumCopy(value: Datum, by_value: bool, length: i32) -> Datum;
    /// The text form of a value. Raises errors.
    pub fn OidOutputFunctionCall(function: Oid, value: Datum) -> *mut c_char;
    /// The value of a text form. Raises errors.
    pub fn OidInputFunctionCall(function: Oid, text: *mut c_char, parameter: Oid, typmod: i32) -> Datum;
    /// kB that autovacuum may take; -1: `maintenance_work_mem`.
    pub static autovacuum_work_mem: i32;
}
