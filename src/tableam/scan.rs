//! Scans and fetches: the heap's own, on slots of our type.
//!
//! These run for every row, so they are bare shims: no Rust value lives across the heap's code, which may raise errors.

use crate::pg::raw;
use crate::tableam::heap;
use crate::tableam::slot::as_heap_slot;
use pgrx::pg_sys::{
    self, CommandId, IndexFetchTableData, ItemPointer, Relation, SampleScanState, ScanDirection, Snapshot,
    TM_FailureData, TM_Result, TableAmRoutine, TableScanDesc, TupleTableSlot,
};

/// Puts our scans and fetches into `routine`.
pub fn replace(routine: &mut TableAmRoutine) {
    routine.scan_getnextslot = Some(scan_getnextslot);
    routine.scan_getnextslot_tidrange = Some(scan_getnextslot_tidrange);
    routine.index_fetch_tuple = Some(index_fetch_tuple);
    routine.tuple_fetch_row_version = Some(tuple_fetch_row_version);
    routine.tuple_satisfies_snapshot = Some(tuple_satisfies_snapshot);
    routine.tuple_lock = Some(tuple_lock);
    routine.scan_analyze_next_tuple = Some(scan_analyze_next_tuple);
    routine.scan_bitmap_next_tuple = Some(scan_bitmap_next_tuple);
    routine.scan_sample_next_tuple = Some(scan_sample_next_tuple);
}

macro_rules! heaps {
    ($callback:ident($slot:expr $(, $argument:expr)*)) => {
        // SAFETY: the heap sets every callback; the arguments are the server's own
        unsafe {
            let callback = heap().$callback.unwrap_unchecked();
            as_heap_slot($slot, || callback($($argument),*))
        }
    };
}

unsafe extern "C-unwind" fn scan_getnextslot(
    scan: TableScanDesc,
    direction: ScanDirection::Type,
    slot: *mut TupleTableSlot,
) -> bool {
    // SAFETY: the server's own arguments
    unsafe { as_heap_slot(slot, || raw::heap_getnextslot(scan, direction, slot)) }
}

unsafe extern "C-unwind" fn scan_getnextslot_tidrange(
    scan: TableScanDesc,
    direction: ScanDirection::Type,
    slot: *mut TupleTableSlot,
) -> bool {
    heaps!(scan_getnextslot_tidrange(slot, scan, direction, slot))
}

unsafe extern "C-unwind" fn index_fetch_tuple(
    scan: *mut IndexFetchTableData,
    tid: ItemPointer,
    snapshot: Snapshot,
    slot: *mut TupleTableSlot,
    call_again: *mut bool,
    all_dead: *mut bool,
) -> bool {
    heaps!(index_fetch_tuple(slot, scan, tid, snapshot, slot, call_again, all_dead))
}

unsafe extern "C-unwind" fn tuple_fetch_row_version(
    rel: Relation,
    tid: ItemPointer,
    snapshot: Snapshot,
    slot: *mut TupleTableSlot,
) -> bool {
    heaps!(tuple_fetch_row_version(slot, rel, tid, snapshot, slot))
}

unsafe extern "C-unwind" fn tuple_satisfies_snapshot(
    rel: Relation,
    slot: *mut TupleTableSlot,
    snapshot: Snapshot,
) -> bool {
    heaps!(tuple_satisfies_snapshot(slot, rel, slot, snapshot))
}

#[allow(clippy::too_many_arguments)]
unsafe extern "C-unwind" fn tuple_lock(
    rel: Relation,
    tid: ItemPointer,
    snapshot: Snapshot,
    slot: *mut TupleTableSlot,
    cid: CommandId,
    mode: pg_sys::LockTupleMode::Type,
    wait_policy: pg_sys::LockWaitPolicy::Type,
    flags: u8,
    tmfd: *mut TM_FailureData,
) -> TM_Result::Type {
    heaps!(tuple_lock(slot, rel, tid, snapshot, slot, cid, mode, wait_policy, flags, tmfd))
}

unsafe extern "C-unwind" fn scan_analyze_next_tuple(
    scan: TableScanDesc,
    oldest_xmin: pg_sys::TransactionId,
    live_rows: *mut f64,
    dead_rows: *mut f64,
    slot: *mut TupleTableSlot,
) -> bool {
    heaps!(scan_analyze_next_tuple(slot, scan, oldest_xmin, live_rows, dead_rows, slot))
}

#[cfg(not(feature = "pg18"))]
unsafe extern "C-unwind" fn scan_bitmap_next_tuple(
    scan: TableScanDesc,
    tbmres: *mut pg_sys::TBMIterateResult,
    slot: *mut TupleTableSlot,
) -> bool {
    heaps!(scan_bitmap_next_tuple(slot, scan, tbmres, slot))
}

#[cfg(feature = "pg18")]
unsafe extern "C-unwind" fn scan_bitmap_next_tuple(
    scan: TableScanDesc,
    slot: *mut TupleTableSlot,
    recheck: *mut bool,
    lossy_pages: *mut u64,
    exact_pages: *mut u64,
) -> bool {
    heaps!(scan_bitmap_next_tuple(slot, scan, slot, recheck, lossy_pages, exact_pages))
}

unsafe extern "C-unwind" fn scan_sample_next_tuple(
    scan: TableScanDesc,
    scanstate: *mut SampleScanState,
    slot: *mut TupleTableSlot,
) -> bool {
    heaps!(scan_sample_next_tuple(slot, scan, scanstate, slot))
}
