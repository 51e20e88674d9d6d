//! Index builds: what rows an index of another kind gets.
//!
//! The heap's own loops refuse relations of another access method, so these are ours, with the heap's rules
//! (`access/heap/README.HOT` and `index_build_range_scan` in the server's source): every version that some snapshot may
//! see is indexed under its chain's root; of a chain only the live end, and where that hides an older version, the
//! index is marked unsafe for older snapshots.

use crate::error::{Error, SqlState};
use crate::format::store::Tid;
use crate::pg::compat;
use crate::pg::error::raise;
use crate::pg::raw;
use crate::pg::relation::Rel;
use crate::tableam::rows::{MOST_ROWS, is_heap_only, item_pointer, tid};
use crate::tableam::slot::as_heap_slot;
use pgrx::pg_sys::htup::{HeapTupleHeaderGetXmin, HeapTupleHeaderIsHotUpdated};
use pgrx::pg_sys::{self, Datum, HTSV_Result, HeapTuple, IndexInfo, Relation, TupleTableSlot};

const KEYS: usize = pg_sys::INDEX_MAX_KEYS as usize;

/// A scan over all rows of a table, in storage order, on one slot.
struct RowScan {
    scan: pg_sys::TableScanDesc,
    slot: *mut TupleTableSlot,
    roots: [pg_sys::OffsetNumber; MOST_ROWS],
    roots_of: u32,
}

impl RowScan {
    fn heap_scan(&self) -> *mut pg_sys::HeapScanDescData {
        self.scan.cast()
    }

    unsafe fn buffer(&self) -> pg_sys::Buffer {
        // SAFETY: a heap scan
        unsafe { (*self.heap_scan()).rs_cbuf }
    }

    unsafe fn next(&mut self) -> Option<HeapTuple> {
        // SAFETY: scan and slot are open
        unsafe {
            pgrx::check_for_interrupts!();
            let (scan, slot) = (self.scan, self.slot);
            let forward = pg_sys::ScanDirection::ForwardScanDirection;
            as_heap_slot(slot, || pg_sys::heap_getnextslot(scan, forward, slot))
                .then(|| (*slot.cast::<pg_sys::BufferHeapTupleTableSlot>()).base.tuple)
        }
    }

    unsafe fn read_roots(&mut self) {
        // SAFETY: the current page is pinned
        unsafe {
            let buffer = self.buffer();
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE as i32);
            pg_sys::heap_get_root_tuples(pg_sys::BufferGetPage(buffer), self.roots.as_mut_ptr());
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_UNLOCK as i32);
            self.roots_of = (*self.heap_scan()).rs_cblock;
        }
    }

    /// The address under which an index holds the current version.
    unsafe fn index_address(&mut self, rel: Relation, tuple: HeapTuple) -> pg_sys::ItemPointerData {
        // SAFETY: the tuple is on the current, pinned page
        unsafe {
            if !is_heap_only(tuple) {
                return (*tuple).t_self;
            }
            let own = tid(&(*tuple).t_self);
            let at = usize::from(own.offset) - 1;
            if self.roots[at] == 0 {
                // a version that appeared since the page was first looked at
                self.read_roots();
            }
            if self.roots[at] == 0 {
                raise(Error::new(
                    SqlState::DataCorrupted,
                    format!(
                        "failed to find parent tuple for heap-only tuple at ({},{}) in table \"{}\"",
                        own.block,
                        own.offset,
                        Rel::of(rel).name()
                    ),
                ));
            }
            item_pointer(Tid { block: own.block, offset: self.roots[at] })
        }
    }
}

/// Executor state to evaluate index expressions and predicates.
struct Evaluation {
    estate: *mut pg_sys::EState,
    econtext: *mut pg_sys::ExprContext,
    predicate: *mut pg_sys::ExprState,
    values: [Datum; KEYS],
    isnull: [bool; KEYS],
}

impl Evaluation {
    unsafe fn new(info: *mut IndexInfo, slot: *mut TupleTableSlot) -> Self {
        // SAFETY: freed in `end`
        unsafe {
            let estate = pg_sys::CreateExecutorState();
            let econtext = if (*estate).es_per_tuple_exprcontext.is_null() {
                pg_sys::MakePerTupleExprContext(estate)
            } else {
                (*estate).es_per_tuple_exprcontext
            };
            (*econtext).ecxt_scantuple = slot;
            let predicate = pg_sys::ExecPrepareQual((*info).ii_Predicate, estate);
            Self { estate, econtext, predicate, values: [Datum::from(0); KEYS], isnull: [false; KEYS] }
        }
    }

    /// Whether the slot's row belongs in the index; if so its keys are in `values` and `isnull`. Users' functions run
    /// without a guard: nothing here waits to be dropped, and an error keeps all that it says.
    unsafe fn keys(&mut self, info: *mut IndexInfo, slot: *mut TupleTableSlot) -> bool {
        // SAFETY: the slot holds a row
        unsafe {
            pg_sys::MemoryContextReset((*self.econtext).ecxt_per_tuple_memory);
            if !self.predicate.is_null() {
                let (predicate, econtext) = (self.predicate, self.econtext);
                let before = pg_sys::MemoryContextSwitchTo((*econtext).ecxt_per_tuple_memory);
                let evaluate = (*predicate).evalfunc.unwrap_unchecked();
                let mut isnull = false;
                let holds = evaluate(predicate, econtext, &mut isnull).value() != 0;
                pg_sys::MemoryContextSwitchTo(before);
                if !holds {
                    return false;
                }
            }
            raw::FormIndexDatum(info, slot, self.estate, self.values.as_mut_ptr(), self.isnull.as_mut_ptr());
            true
        }
    }

    unsafe fn end(self, info: *mut IndexInfo, scan: RowScan) {
        // SAFETY: made by us
        unsafe {
            pg_sys::heap_endscan(scan.scan);
            pg_sys::ExecDropSingleTupleTableSlot(scan.slot);
            pg_sys::FreeExecutorState(self.estate);
            (*info).ii_ExpressionsState = std::ptr::null_mut();
            (*info).ii_PredicateState = std::ptr::null_mut();
        }
    }
}

/// What an index build makes of a row version.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BuildDecision {
    Skip,
    Index { alive: bool },
    Wait(pg_sys::TransactionId),
}

/// The rules of a build that sees every version (not a concurrent one).
struct Rules {
    oldest_xmin: pg_sys::TransactionId,
    anyvisible: bool,
    checking_uniqueness: bool,
    rows: f64,
}

impl Rules {
    /// What becomes of a version, after waiting for whoever has to end first.
    unsafe fn decide(
        &mut self,
        rel: Relation,
        info: *mut IndexInfo,
        tuple: HeapTuple,
        buffer: pg_sys::Buffer,
    ) -> BuildDecision {
        loop {
            // SAFETY: the tuple is on the pinned page of `buffer`
            unsafe {
                match self.judge(rel, info, tuple, buffer) {
                    BuildDecision::Wait(xid) => {
                        let oper = pg_sys::XLTW_Oper::XLTW_InsertIndexUnique;
                        pg_sys::XactLockTableWait(xid, rel, &mut (*tuple).t_self, oper);
                        pgrx::check_for_interrupts!();
                    }
                    decision => return decision,
                }
            }
        }
    }

    unsafe fn judge(
        &mut self,
        rel: Relation,
        info: *mut IndexInfo,
        tuple: HeapTuple,
        buffer: pg_sys::Buffer,
    ) -> BuildDecision {
        // SAFETY: the tuple is on the pinned page of `buffer`
        unsafe {
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE as i32);
            let state = pg_sys::HeapTupleSatisfiesVacuum(tuple, self.oldest_xmin, buffer);
            let hot_updated = HeapTupleHeaderIsHotUpdated((*tuple).t_data);
            let xmin = HeapTupleHeaderGetXmin((*tuple).t_data);
            let deleter = if state == HTSV_Result::HEAPTUPLE_DELETE_IN_PROGRESS {
                super::rows::update_xid((*tuple).t_data)
            } else {
                pg_sys::InvalidTransactionId
            };
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_UNLOCK as i32);
            match state {
                HTSV_Result::HEAPTUPLE_DEAD => BuildDecision::Skip,
                HTSV_Result::HEAPTUPLE_LIVE => {
                    self.rows += 1.0;
                    BuildDecision::Index { alive: true }
                }
                HTSV_Result::HEAPTUPLE_RECENTLY_DEAD if hot_updated => {
                    (*info).ii_BrokenHotChain = true;
                    BuildDecision::Skip
                }
                HTSV_Result::HEAPTUPLE_RECENTLY_DEAD => BuildDecision::Index { alive: false },
                HTSV_Result::HEAPTUPLE_INSERT_IN_PROGRESS => {
                    let ours = self.anyvisible || pg_sys::TransactionIdIsCurrentTransactionId(xmin);
                    if ours {
                        self.rows += 1.0;
                    } else {
                        warn_of(rel, "insert");
                        if self.checking_uniqueness {
                            return BuildDecision::Wait(xmin);
                        }
                    }
                    BuildDecision::Index { alive: true }
                }
                HTSV_Result::HEAPTUPLE_DELETE_IN_PROGRESS => {
                    if self.anyvisible {
                        self.rows += 1.0;
                        return BuildDecision::Index { alive: false };
                    }
                    if pg_sys::TransactionIdIsCurrentTransactionId(deleter) {
                        if hot_updated {
                            (*info).ii_BrokenHotChain = true;
                            return BuildDecision::Skip;
                        }
                        return BuildDecision::Index { alive: false };
                    }
                    warn_of(rel, "delete");
                    if self.checking_uniqueness || hot_updated {
                        return BuildDecision::Wait(deleter);
                    }
                    self.rows += 1.0;
                    BuildDecision::Index { alive: false }
                }
                other => raise(Error::new(SqlState::Internal, format!("unexpected row state {other}"))),
            }
        }
    }
}

unsafe fn warn_of(rel: Relation, what: &str) {
    // SAFETY: rel is open
    let name = unsafe { Rel::of(rel).name() };
    pgrx::warning!("concurrent {what} in progress within table \"{name}\"");
}

unsafe fn blocks_done(scan: *mut pg_sys::HeapScanDescData) -> i64 {
    // SAFETY: an open heap scan
    unsafe {
        let parallel: *mut pg_sys::ParallelBlockTableScanDescData = (*scan).rs_base.rs_parallel.cast();
        let start = if parallel.is_null() { (*scan).rs_startblock } else { (*parallel).phs_startblock };
        let (current, total) = ((*scan).rs_cblock, (*scan).rs_nblocks);
        // a scan may start in the middle and wrap around
        i64::from(if current > start { current - start } else { total - start + current })
    }
}

fn progress(index: u32, value: i64) {
    // SAFETY: a counter of this backend
    unsafe { pg_sys::pgstat_progress_update_param(index as i32, value) }
}

/// Begins the scan of a build: of every row version, or of what a snapshot sees where rows are written meanwhile
/// (`concurrent`). The snapshot is to be unregistered at the end, unless it is null.
unsafe fn begin_scan(rel: Relation, concurrent: bool, allow_sync: bool) -> (pg_sys::TableScanDesc, pg_sys::Snapshot) {
    // SAFETY: rel is open
    unsafe {
        let (mut registered, mut snapshot) = (std::ptr::null_mut(), &raw mut pg_sys::SnapshotAnyData);
        if concurrent {
            registered = pg_sys::RegisterSnapshot(pg_sys::GetTransactionSnapshot());
            snapshot = registered;
        }
        let sync = if allow_sync { pg_sys::ScanOptions::SO_ALLOW_SYNC } else { 0 };
        let flags = pg_sys::ScanOptions::SO_TYPE_SEQSCAN
            | pg_sys::ScanOptions::SO_ALLOW_PAGEMODE
            | pg_sys::ScanOptions::SO_ALLOW_STRAT
            | sync;
        let scan = pg_sys::heap_beginscan(rel, snapshot, 0, std::ptr::null_mut(), std::ptr::null_mut(), flags);
        (scan, registered)
    }
}

/// The callback `index_build_range_scan`.
#[pgrx::pg_guard]
#[allow(clippy::too_many_arguments)]
pub unsafe extern "C-unwind" fn index_build_range_scan(
    rel: Relation,
    index: Relation,
    info: *mut IndexInfo,
    allow_sync: bool,
    anyvisible: bool,
    report: bool,
    start_block: pg_sys::BlockNumber,
    blocks: pg_sys::BlockNumber,
    callback: pg_sys::IndexBuildCallback,
    callback_state: *mut std::ffi::c_void,
    given: pg_sys::TableScanDesc,
) -> f64 {
    // SAFETY: the server's own arguments; what is opened here is closed at the end, or by the server after an error
    unsafe {
        let Some(callback) = callback else { return 0.0 };
        let concurrent = (*info).ii_Concurrent;
        let oldest_xmin =
            if concurrent { pg_sys::InvalidTransactionId } else { pg_sys::GetOldestNonRemovableTransactionId(rel) };
        let (scan, registered) =
            if given.is_null() { begin_scan(rel, concurrent, allow_sync) } else { (given, std::ptr::null_mut()) };
        let every_version = std::ptr::eq((*scan).rs_snapshot, &raw const pg_sys::SnapshotAnyData);
        let slot = pg_sys::table_slot_create(rel, std::ptr::null_mut());
        let mut rows = RowScan { scan, slot, roots: [0; MOST_ROWS], roots_of: pg_sys::InvalidBlockNumber };
        let mut evaluation = Evaluation::new(info, slot);
        let heap_scan = rows.heap_scan();
        if report {
            progress(pg_sys::PROGRESS_SCAN_BLOCKS_TOTAL, i64::from((*heap_scan).rs_nblocks));
        }
        if !allow_sync {
            pg_sys::heap_setscanlimits(scan, start_block, blocks);
        }
        let mut rules = Rules {
            oldest_xmin,
            anyvisible,
            checking_uniqueness: (*info).ii_Unique || !(*info).ii_ExclusionOps.is_null(),
            rows: 0.0,
        };
        let mut reported = pg_sys::InvalidBlockNumber;
        while let Some(tuple) = rows.next() {
            let block = (*heap_scan).rs_cblock;
            if report && block != reported {
                progress(pg_sys::PROGRESS_SCAN_BLOCKS_DONE, blocks_done(heap_scan));
                reported = block;
            }
            if rows.roots_of != block {
                rows.read_roots();
            }
            let alive = if every_version {
                let decision = rules.decide(rel, info, tuple, rows.buffer());
                let BuildDecision::Index { alive } = decision else { continue };
                alive
            } else {
                rules.rows += 1.0;
                true
            };
            if !evaluation.keys(info, slot) {
                continue;
            }
            let mut address = rows.index_address(rel, tuple);
            let (values, isnull) = (evaluation.values.as_mut_ptr(), evaluation.isnull.as_mut_ptr());
            pg_sys::ffi::pg_guard_ffi_boundary(|| callback(index, &mut address, values, isnull, alive, callback_state));
        }
        if report {
            progress(pg_sys::PROGRESS_SCAN_BLOCKS_DONE, i64::from((*heap_scan).rs_nblocks));
        }
        evaluation.end(info, rows);
        if !registered.is_null() {
            pg_sys::UnregisterSnapshot(registered);
        }
        rules.rows
    }
}

/// Reads the sorted addresses that an index already holds.
struct Indexed {
    sort: *mut pg_sys::Tuplesortstate,
    current: Option<Tid>,
    exhausted: bool,
}

impl Indexed {
    unsafe fn advance(&mut self) {
        // SAFETY: the sort is open
        unsafe {
            if let Some(value) = compat::next_sorted(self.sort) {
                let encoded = value.value() as u64;
                self.current = Some(Tid { block: (encoded >> 16) as u32, offset: encoded as u16 });
            } else {
                self.exhausted = true;
                self.current = None;
            }
        }
    }
}

/// The callback `index_validate_scan`: puts rows into a concurrently built index that it lacks.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn index_validate_scan(
    rel: Relation,
    index: Relation,
    info: *mut IndexInfo,
    snapshot: pg_sys::Snapshot,
    state: *mut pg_sys::ValidateIndexState,
) {
    // SAFETY: the server's own arguments
    unsafe {
        let slot = pg_sys::table_slot_create(rel, std::ptr::null_mut());
        let flags = pg_sys::ScanOptions::SO_TYPE_SEQSCAN
            | pg_sys::ScanOptions::SO_ALLOW_PAGEMODE
            | pg_sys::ScanOptions::SO_ALLOW_STRAT;
        let none = std::ptr::null_mut();
        let scan = pg_sys::heap_beginscan(rel, snapshot, 0, none, std::ptr::null_mut(), flags);
        let mut rows = RowScan { scan, slot, roots: [0; MOST_ROWS], roots_of: pg_sys::InvalidBlockNumber };
        let mut evaluation = Evaluation::new(info, slot);
        let heap_scan = rows.heap_scan();
        progress(pg_sys::PROGRESS_SCAN_BLOCKS_TOTAL, i64::from((*heap_scan).rs_nblocks));
        let mut indexed = Indexed { sort: (*state).tuplesort, current: None, exhausted: false };
        // line pointers of the current page that the index was seen to hold: rows come in the order of their own
        // addresses, their chains' roots need not
        let mut seen = [false; MOST_ROWS];
        while let Some(tuple) = rows.next() {
            (*state).htups += 1.0;
            let block = (*heap_scan).rs_cblock;
            if rows.roots_of != block {
                progress(pg_sys::PROGRESS_SCAN_BLOCKS_DONE, i64::from(block));
                rows.read_roots();
                seen = [false; MOST_ROWS];
            }
            let mut address = rows.index_address(rel, tuple);
            let root = tid(&address);
            while !indexed.exhausted && indexed.current.is_none_or(|held| held < root) {
                if let Some(held) = indexed.current
                    && held.block == block
                {
                    seen[usize::from(held.offset) - 1] = true;
                }
                indexed.advance();
            }
            let held = indexed.current == Some(root) || seen[usize::from(root.offset) - 1];
            if held || !evaluation.keys(info, slot) {
                continue;
            }
            let unique = if (*info).ii_Unique {
                pg_sys::IndexUniqueCheck::UNIQUE_CHECK_YES
            } else {
                pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO
            };
            let (values, isnull) = (evaluation.values.as_mut_ptr(), evaluation.isnull.as_mut_ptr());
            raw::index_insert(index, values, isnull, &mut address, rel, unique, false, info);
            (*state).tups_inserted += 1.0;
        }
        evaluation.end(info, rows);
    }
}
