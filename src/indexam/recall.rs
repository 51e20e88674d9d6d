//! How many of the nearest rows a scan of an index finds, measured against exact search in this process.
//!
//! Queries are the vectors of rows drawn at random. A row that the scan returns counts when it is no farther than the
//! last of the exactly nearest, so among rows equally far any will do. The drawn row itself is among both results.

use crate::format::store::SlotNo;
use crate::knn::column::Column;
use crate::knn::exact;
use crate::knn::query::VectorQuery;
use crate::knn::result_queue::TopK;
use crate::knn::row_lookup::RowLookup;
use crate::knn::vector_scan;
use crate::knn::vector_scan::ColumnSegments;
use crate::pg::compat;
use crate::pg::error::OrRaise;
use crate::pg::relation::OpenRelation;
use crate::pg::varlena::NewVarlena;
use crate::store::{Store, StoredVector};
use crate::tableam::vectors::Pointer;
use crate::vector::layout;
use pgrx::pg_sys::{self, Datum, Relation};

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// the table
    pub heap: Relation,
    /// the index
    pub index: Relation,
    /// what it is over
    pub column: Column,
    /// the snapshot under which rows count
    pub snapshot: pg_sys::Snapshot,
    /// rows to draw
    pub queries: usize,
    /// neighbours of each
    pub k: usize,
}

/// The recall, from 0 to 1; `None` when the snapshot sees no vector in the index.
#[must_use]
pub unsafe fn recall(request: &Request) -> Option<f64> {
    // SAFETY: by contract, the relations are open and the snapshot is active
    unsafe {
        let Request { heap, index, column, .. } = *request;
        let snapshot = pg_sys::RegisterSnapshot(request.snapshot);
        let context = pg_sys::CurrentMemoryContext;
        let mut rows = RowLookup::new(heap, Some(index), &column, snapshot, context);
        let toast = OpenRelation::open(column.toast, pg_sys::AccessShareLock as _);
        let store = Store::of(toast.rel());
        let segments = ColumnSegments::of(&store, &column);
        let drawn = draw(&store, &segments, &mut rows, request.queries);
        let mut scan = IndexScan::new(request, snapshot);
        let (mut found, mut wanted) = (0, 0);
        for &slot in &drawn {
            let mut bytes = Vec::with_capacity(column.shape().bytes());
            let take = |_, piece: &[u8]| {
                bytes.extend_from_slice(piece);
                true
            };
            if !store.read(StoredVector { slot, bytes: column.shape().bytes() as u32 }, take) {
                continue;
            }
            let query = VectorQuery::new(column.metric, column.element, &bytes);
            let nearest = nearest(&store, &segments, &mut rows, &query, request.k);
            let Some(&farthest) = nearest.last() else { continue };
            wanted += nearest.len();
            found += scan.count_within(&store, &query, nearest.len(), farthest);
        }
        scan.end();
        rows.end();
        pg_sys::UnregisterSnapshot(snapshot);
        (wanted > 0).then(|| found as f64 / wanted as f64)
    }
}

/// The slots of `most` rows of the index, each with the same probability (reservoir sampling, Vitter's algorithm R).
unsafe fn draw(store: &Store, segments: &ColumnSegments, rows: &mut RowLookup, most: usize) -> Vec<SlotNo> {
    let mut drawn: Vec<SlotNo> = Vec::new();
    let mut seen = 0u64;
    for chunk in segments.all() {
        let mut candidates = Vec::new();
        segments.candidates(store, chunk, rows, &mut candidates);
        for found in candidates {
            pgrx::check_for_interrupts!();
            // SAFETY: the relations are open
            if unsafe { rows.address(store, &found) }.is_none() {
                continue;
            }
            seen += 1;
            if drawn.len() < most {
                drawn.push(found.slot);
            } else {
                // SAFETY: this backend's generator
                let at = unsafe { pg_sys::pg_prng_uint64_range(&raw mut pg_sys::pg_global_prng_state, 0, seen - 1) };
                if let Some(place) = drawn.get_mut(at as usize) {
                    *place = found.slot;
                }
            }
        }
    }
    drawn
}

/// The distances of the exactly nearest `k` rows, ascending.
unsafe fn nearest(
    store: &Store,
    segments: &ColumnSegments,
    rows: &mut RowLookup,
    query: &VectorQuery,
    k: usize,
) -> Vec<f64> {
    let mut distances = Vec::with_capacity(k);
    // some of those whose slots cannot tell are not there
    let mut most = k + k / 4 + 16;
    let mut after = None;
    loop {
        let mut best = TopK::new(most, after);
        let mut chunks = segments.all();
        vector_scan::nearest(store, segments, rows, query, &mut best, None, || chunks.next());
        let (collected, complete) = best.finish();
        after = collected.last().copied();
        for found in collected {
            pgrx::check_for_interrupts!();
            // SAFETY: the relations are open
            if unsafe { rows.address(store, &found) }.is_some() {
                distances.push(found.distance);
                if distances.len() == k {
                    return distances;
                }
            }
        }
        if complete {
            return distances;
        }
        most *= 4;
    }
}

/// A scan of the index through the server's own interface, as the executor runs it.
struct IndexScan {
    column: Column,
    scan: pg_sys::IndexScanDesc,
    slot: *mut pg_sys::TupleTableSlot,
    operator: pg_sys::Oid,
}

impl IndexScan {
    unsafe fn new(request: &Request, snapshot: pg_sys::Snapshot) -> Self {
        // SAFETY: by contract of `recall`
        unsafe {
            let Request { heap, index, column, .. } = *request;
            let slot = pg_sys::table_slot_create(heap, std::ptr::null_mut());
            let scan = compat::index_beginscan(heap, index, snapshot, 0, 1);
            let (family, input) = (*(*index).rd_opfamily, *(*index).rd_opcintype);
            let operator = pg_sys::get_opcode(pg_sys::get_opfamily_member(family, input, input, 1));
            Self { column, scan, slot, operator }
        }
    }

    /// How many of the first `k` rows are no farther from `query` than `farthest`.
    unsafe fn count_within(&mut self, store: &Store, query: &VectorQuery, k: usize, farthest: f64) -> usize {
        // SAFETY: begun in `new`
        unsafe {
            let shape = self.column.shape();
            let mut vector = NewVarlena::zeroed(layout::size_bytes(shape) - layout::VARHDR_BYTES);
            let elements = layout::init_bytes(shape, vector.payload_mut()).or_raise();
            elements.copy_from_slice(query.bytes().as_bytes());
            let vector = vector.into_datum();
            let mut key = pg_sys::ScanKeyData::default();
            let order_by = pg_sys::SK_ORDER_BY as i32;
            let none = pg_sys::InvalidOid;
            pg_sys::ScanKeyEntryInitialize(&raw mut key, order_by, 1, 1, none, none, self.operator, vector);
            pg_sys::index_rescan(self.scan, std::ptr::null_mut(), 0, &raw mut key, 1);
            let mut within = 0;
            let forward = pg_sys::ScanDirection::ForwardScanDirection;
            for _ in 0..k {
                pgrx::check_for_interrupts!();
                if !pg_sys::index_getnext_slot(self.scan, forward, self.slot) {
                    break;
                }
                let Some(pointer) = self.pointer() else { break };
                let distance = exact::distance(query, &self.column, store, pointer.slot);
                // NaN is last
                within += usize::from(distance <= farthest || farthest.is_nan());
            }
            pg_sys::pfree(vector.cast_mut_ptr());
            within
        }
    }

    /// The row's vector, if it has one.
    unsafe fn pointer(&self) -> Option<Pointer> {
        let (slot, attnum) = (self.slot, self.column.attnum);
        // SAFETY: the slot holds a row of the table
        unsafe {
            if (*slot).tts_nvalid < attnum {
                pg_sys::slot_getsomeattrs_int(slot, i32::from(attnum));
            }
            let at = attnum as usize - 1;
            let value: Datum = *(*slot).tts_values.add(at);
            if *(*slot).tts_isnull.add(at) { None } else { Pointer::read(value) }
        }
    }

    unsafe fn end(self) {
        // SAFETY: begun in `new`
        unsafe {
            pg_sys::index_endscan(self.scan);
            pg_sys::ExecDropSingleTupleTableSlot(self.slot);
        }
    }
}
