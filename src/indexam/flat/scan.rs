//! Scans of a `zvec_flat` index.
//!
//! A scan makes as many passes over the vectors as the executor asks for rows: the first keeps the nearest
//! [`FIRST_ROUND`], the next, if it comes to that, the nearest [`SECOND_ROUND`] beyond those, and so on, so that memory
//! stays bounded. That nothing is lost or doubled between passes follows from the snapshot: what it sees, distances and
//! slot numbers stay as they are while it is held. Last come the rows whose vector is NULL, as ORDER BY has them.
//!
//! In a parallel scan each participant does this with the slot pages that it takes as its share; the server merges what
//! the participants return. Shares are taken in the first pass and kept for the others.
//!
//! Without a distance to order by (none asked for, or a NULL query) the rows come as they are stored.

use super::super::column::Column;
use super::super::emit::{Best, Found};
use super::super::handed_out;
use super::super::handler::descriptor;
use super::super::query::Query;
use super::super::rows::Rows;
use super::build;
use super::parallel::Work;
use super::stream::{self, Chunk, Segments};
use crate::pg::error::{OrRaise, guarded};
use crate::pg::relation::{self, OpenRelation};
use crate::segment::Tid;
use crate::store::{Store, pending};
use crate::tableam::{item_pointer, vectors::VectorValue};
use crate::vector::check_same_dims;
use pgrx::PgMemoryContexts;
use pgrx::pg_sys::{self, IndexScanDesc, Relation, ScanKey};

/// Rows that the first pass keeps: more than most queries want, few enough to cost little (a distance for each that was ever
/// among them).
const FIRST_ROUND: usize = 256;
/// Rows that the second pass keeps.
const SECOND_ROUND: usize = 16_000;
/// What is to be read when what was collected has been handed out.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// pass number `round`, for what comes after the given one
    Pass { round: u32, after: Option<Found> },
    /// a slot page, in the order of storage
    Slots,
    /// rows without a vector
    Nulls,
    /// nothing
    Nothing,
}

/// A scan's own state. It holds memory only, which goes with the scan's memory context.
struct Scan {
    context: pg_sys::MemoryContext,
    column: Option<Column>,
    rows: Option<Rows>,
    segments: Option<Segments>,
    /// the slot pages that the first pass read
    share: Vec<Chunk>,
    work: Work,
    query: Option<Query>,
    collected: Vec<Found>,
    handed_out: usize,
    next: Next,
}

/// The callback `ambeginscan`.
pub unsafe extern "C-unwind" fn ambeginscan(index: Relation, nkeys: i32, norderbys: i32) -> IndexScanDesc {
    // SAFETY: the server's own arguments
    unsafe {
        guarded(|| {
            build::check(index);
            let scan = descriptor(index, nkeys, norderbys);
            let state = Scan {
                context: pg_sys::CurrentMemoryContext,
                column: None,
                rows: None,
                segments: None,
                share: Vec::new(),
                work: Work::default(),
                query: None,
                collected: Vec::new(),
                handed_out: 0,
                next: Next::Nothing,
            };
            (*scan).opaque = PgMemoryContexts::CurrentMemoryContext.leak_and_drop_on_delete(state).cast();
            scan
        })
    }
}

/// The callback `amrescan`.
pub unsafe extern "C-unwind" fn amrescan(
    scan: IndexScanDesc,
    _keys: ScanKey,
    _nkeys: i32,
    orderbys: ScanKey,
    norderbys: i32,
) {
    // SAFETY: the server's own arguments; the state was made by ambeginscan
    unsafe {
        guarded(|| {
            if !orderbys.is_null() && norderbys > 0 {
                std::ptr::copy(orderbys, (*scan).orderByData, norderbys as usize);
            }
            relation::count_index_scan((*scan).indexRelation);
            (*(*scan).opaque.cast::<Scan>()).begin(scan);
        });
    }
}

/// The callback `amgettuple`.
pub unsafe extern "C-unwind" fn amgettuple(scan: IndexScanDesc, _direction: pg_sys::ScanDirection::Type) -> bool {
    // SAFETY: as amrescan
    unsafe {
        guarded(|| {
            let Some(tid) = (*(*scan).opaque.cast::<Scan>()).row() else { return false };
            (*scan).xs_heaptid = item_pointer(tid);
            (*scan).xs_recheck = false;
            (*scan).xs_recheckorderby = false;
            true
        })
    }
}

/// The callback `amendscan`.
pub unsafe extern "C-unwind" fn amendscan(scan: IndexScanDesc) {
    // SAFETY: as amrescan
    unsafe {
        guarded(|| {
            let state = &mut *(*scan).opaque.cast::<Scan>();
            if let Some(rows) = state.rows.take() {
                rows.end();
            }
            state.segments = None;
            state.share = Vec::new();
            state.query = None;
            state.collected = Vec::new();
        });
    }
}

/// How many rows pass number `round` keeps.
fn round_size(round: u32) -> usize {
    // SAFETY: a setting
    let work_bytes = unsafe { pg_sys::work_mem } as usize * 1024;
    match round {
        0 => FIRST_ROUND,
        1 => SECOND_ROUND,
        // twice as many are held while they are collected
        _ => SECOND_ROUND.max(work_bytes / (2 * size_of::<Found>())),
    }
}

impl Scan {
    /// Begins anew, with the scan's present query.
    unsafe fn begin(&mut self, scan: IndexScanDesc) {
        // SAFETY: the server's scan
        unsafe {
            let column = *self.column.get_or_insert_with(|| Column::of((*scan).indexRelation, (*scan).heapRelation));
            let snapshot = (*scan).xs_snapshot;
            if !self.rows.as_ref().is_some_and(|rows| rows.is_under(snapshot)) {
                if let Some(rows) = self.rows.take() {
                    rows.end();
                }
                let (heap, index) = ((*scan).heapRelation, (*scan).indexRelation);
                self.rows = Some(Rows::new(heap, index, &column, snapshot, self.context));
            }
            self.segments = None;
            self.share.clear();
            self.work = Work::of(scan);
            self.collected.clear();
            self.handed_out = 0;
            self.query = None;
            self.next = Next::Slots;
            let key = (*scan).orderByData;
            if (*scan).numberOfOrderBys > 0 && (*key).sk_flags as u32 & pg_sys::SK_ISNULL == 0 {
                let value = VectorValue::of((*key).sk_argument);
                check_same_dims(usize::from(column.dims), usize::from(value.dims())).or_raise();
                let elements = value.bytes().as_chunks().0.iter().map(|&bytes| f32::from_ne_bytes(bytes)).collect();
                self.query = Some(Query::new(column.metric, elements));
                self.next = Next::Pass { round: 0, after: None };
            }
        }
    }

    /// The next row's address.
    unsafe fn row(&mut self) -> Option<Tid> {
        loop {
            while let Some(found) = self.collected.get(self.handed_out).copied() {
                self.handed_out += 1;
                // SAFETY: the server's scan
                let tid = if found.tid.is_some() { Some(found.tid) } else { unsafe { self.ask(&found) } };
                if tid.is_some() {
                    let known = found.distance > f64::NEG_INFINITY;
                    if let (Some(query), Some(column), true) = (&self.query, self.column, known) {
                        handed_out::note(query, column.table.to_u32(), found.slot, found.generation, found.distance);
                    }
                    return tid;
                }
            }
            if matches!(self.next, Next::Nothing) {
                return None;
            }
            // SAFETY: the server's scan
            unsafe { self.collect() };
        }
    }

    /// Asks the row, of which the slot cannot tell whether it is visible or where it is.
    unsafe fn ask(&mut self, found: &Found) -> Option<Tid> {
        pgrx::check_for_interrupts!();
        let (column, rows) = (self.column?, self.rows.as_mut()?);
        // SAFETY: both relations are open
        unsafe {
            pending::flush();
            let toast = OpenRelation::open(column.toast, pg_sys::AccessShareLock as _);
            let slot = Store::of(toast.raw()).slot(found.slot)?;
            drop(toast);
            rows.tid(found.slot, found.generation, &slot)
        }
    }

    /// Collects what is next.
    unsafe fn collect(&mut self) {
        let (Some(column), Some(rows)) = (self.column, self.rows.as_mut()) else {
            self.next = Next::Nothing;
            return;
        };
        // SAFETY: the table is open
        let nulls = if unsafe { rows.may_lack_vectors(&column) } { Next::Nulls } else { Next::Nothing };
        self.collected.clear();
        self.handed_out = 0;
        let (collected, work) = (&mut self.collected, &mut self.work);
        let at_address = |tid| Found { tid, ..Found::FIRST };
        if matches!(self.next, Next::Nulls) {
            let (start, count) = work.take_blocks();
            // SAFETY: the table is open
            if !unsafe { rows.without_vector(start, count, |tid| collected.push(at_address(tid))) } {
                self.next = Next::Nothing;
            }
            return;
        }
        pending::flush();
        let toast = OpenRelation::open(column.toast, pg_sys::AccessShareLock as _);
        // SAFETY: both relations are open
        unsafe {
            let store = Store::of(toast.raw());
            let segments = self.segments.get_or_insert_with(|| Segments::of(&store, &column));
            match (self.next, &self.query) {
                (Next::Pass { round, after }, Some(query)) => {
                    let mut best = Best::new(round_size(round), after);
                    if round == 0 {
                        let share = &mut self.share;
                        let next = || work.take_chunk(segments).inspect(|&n| share.push(n));
                        stream::nearest(&store, segments, rows, query, &mut best, next);
                    } else {
                        let mut again = self.share.iter().copied();
                        stream::nearest(&store, segments, rows, query, &mut best, || again.next());
                    }
                    let complete;
                    (*collected, complete) = best.finish();
                    let last = collected.last().copied();
                    self.next = if complete { nulls } else { Next::Pass { round: round + 1, after: last } };
                }
                _ => match work.take_chunk(segments) {
                    Some(n) => segments.candidates(&store, n, rows, collected),
                    None => self.next = nulls,
                },
            }
        }
    }
}
