//! The row that a snapshot sees under an address, for those who know its vector's slot: the indexes.
//!
//! No pin is kept between calls. The heap's code runs without Rust values that wait to be dropped, so its errors, and
//! those of users' functions in an index predicate, keep all that they say.

use crate::format::store::{Generation, SlotNo, Tid};
use crate::pg::error::boundary;
use crate::pg::relation::Rel;
use crate::tableam::rows;
use crate::tableam::rows::item_pointer;
use crate::tableam::slot;
use crate::tableam::vectors;
use crate::tableam::vectors::VectorColumns;
use pgrx::pg_sys::{self, Relation};
use smallvec::SmallVec;

/// Which row version is looked for.
#[derive(Clone, Copy, Debug)]
pub enum Whose {
    /// whatever version the snapshot sees under the address
    Any,
    /// only one that references this slot and generation
    Vector(SlotNo, Generation),
}

/// The slot number of the vector in column `attnum` of the row that is in a scan's slot; `None` where that is NULL.
pub unsafe fn vector_in(slot: *mut pg_sys::TupleTableSlot, attnum: i16) -> Option<SlotNo> {
    // SAFETY: a slot of a zvec table with a stored row
    unsafe {
        let tuple = slot::stored_tuple(slot);
        let mut is_null = true;
        let value = pg_sys::htup::heap_getattr(tuple, attnum.into(), (*slot).tts_tupleDescriptor, &mut is_null);
        if is_null {
            return None;
        }
        vectors::reference_at((*tuple).t_tableOid, value).map(|reference| reference.slot)
    }
}

/// Looks up rows of one table under one snapshot.
pub struct Lookup {
    rel: Relation,
    column: VectorColumns,
    snapshot: pg_sys::Snapshot,
    fetch: *mut pg_sys::IndexFetchTableData,
    slot: *mut pg_sys::TupleTableSlot,
    estate: *mut pg_sys::EState,
    predicate: *mut pg_sys::ExprState,
    blocks: u32,
}

impl Lookup {
    /// Prepares for looking up rows of `rel` by their vector column `attnum`. `predicate`, a list of conditions that may
    /// be empty, is what a row must satisfy to be found. What is allocated lives in the current memory context; give it
    /// back with [`Lookup::end`].
    #[must_use]
    pub unsafe fn new(rel: Relation, attnum: i16, snapshot: pg_sys::Snapshot, predicate: *mut pg_sys::List) -> Self {
        // SAFETY: rel is open, the snapshot registered, the predicate one of an index of rel
        unsafe {
            let fetch = super::heap().index_fetch_begin.unwrap_unchecked();
            let slot = pg_sys::table_slot_create(rel, std::ptr::null_mut());
            let fetch = boundary(|| fetch(rel));
            let mut estate = std::ptr::null_mut();
            let mut prepared = std::ptr::null_mut();
            if !predicate.is_null() {
                estate = pg_sys::CreateExecutorState();
                if (*estate).es_per_tuple_exprcontext.is_null() {
                    pg_sys::MakePerTupleExprContext(estate);
                }
                prepared = boundary(|| pg_sys::ExecPrepareQual(predicate, estate));
            }
            let column = SmallVec::from_elem(attnum as u16 - 1, 1);
            Self { rel, column, snapshot, fetch, slot, estate, predicate: prepared, blocks: 0 }
        }
    }

    /// Whether the snapshot sees a row under the address `at`, of `whose` vector, that satisfies the predicate.
    pub unsafe fn finds(&mut self, at: Tid, whose: Whose) -> bool {
        if !at.is_some() {
            return false;
        }
        // SAFETY: rel is open, the snapshot still registered
        unsafe {
            // VACUUM may have cut off a block to which an address of an aborted update leads
            if at.block >= self.blocks {
                self.blocks = Rel::of(self.rel).blocks();
                if at.block >= self.blocks {
                    return false;
                }
            }
            let (fetch, snapshot, slot) = (self.fetch, self.snapshot, self.slot);
            let next = (*(*self.rel).rd_tableam).index_fetch_tuple.unwrap_unchecked();
            let reset = super::heap().index_fetch_reset.unwrap_unchecked();
            let found = boundary(|| {
                let mut tid = item_pointer(at);
                let (mut again, mut dead) = (false, false);
                next(fetch, &mut tid, snapshot, slot, &mut again, &mut dead)
            });
            let found = found
                && match whose {
                    Whose::Any => true,
                    Whose::Vector(number, generation) => {
                        let references = rows::references((*self.rel).rd_att, slot::stored_tuple(slot), &self.column);
                        references[0].is_some_and(|r| r.slot == number && r.is_of(generation))
                    }
                };
            let found = found && self.satisfies_predicate();
            boundary(|| {
                (*(*slot).tts_ops).clear.unwrap_unchecked()(slot);
                reset(fetch);
            });
            found
        }
    }

    unsafe fn satisfies_predicate(&self) -> bool {
        if self.predicate.is_null() {
            return true;
        }
        let (predicate, estate, slot) = (self.predicate, self.estate, self.slot);
        // SAFETY: prepared in `new`; the slot holds a row
        unsafe {
            boundary(|| {
                let econtext = (*estate).es_per_tuple_exprcontext;
                (*econtext).ecxt_scantuple = slot;
                pg_sys::MemoryContextReset((*econtext).ecxt_per_tuple_memory);
                let before = pg_sys::MemoryContextSwitchTo((*econtext).ecxt_per_tuple_memory);
                let mut isnull = false;
                let evaluate = (*predicate).evalfunc.unwrap_unchecked();
                let holds = evaluate(predicate, econtext, &mut isnull).value() != 0;
                pg_sys::MemoryContextSwitchTo(before);
                holds
            })
        }
    }

    /// Calls `take` with the index address of each row in the blocks from `start` on, `count` of them at the most, whose
    /// vector is NULL and that the snapshot sees and the predicate admits. Returns false when there are no such blocks.
    pub unsafe fn rows_without_vector(&mut self, start: u32, count: u32, mut take: impl FnMut(Tid)) -> bool {
        let column = i32::from(self.column[0]) + 1;
        // SAFETY: rel is open, the snapshot still registered
        unsafe {
            self.each_row(start, count, |lookup, tuple| {
                let rel = lookup.rel;
                if pg_sys::heap_attisnull(tuple, column, (*rel).rd_att) && lookup.satisfies_predicate() {
                    take(rows::index_tid(rel, tuple));
                }
            })
        }
    }

    /// Calls `take` with the slot number of the vector of each row that the snapshot sees and for which `holds`, which is given the
    /// row.
    pub unsafe fn slots_where(
        &mut self,
        mut holds: impl FnMut(*mut pg_sys::TupleTableSlot) -> bool,
        mut take: impl FnMut(SlotNo),
    ) {
        // SAFETY: rel is open, the snapshot still registered
        unsafe {
            self.each_row(0, u32::MAX, |lookup, tuple| {
                if holds(lookup.slot) {
                    let references = rows::references((*lookup.rel).rd_att, tuple, &lookup.column);
                    references[0].into_iter().for_each(|reference| take(reference.slot));
                }
            });
        }
    }

    /// Calls `see` with each row that the snapshot sees in the blocks from `start` on, `count` of them at the most. The row is in
    /// the look-up's slot. Returns false when there are no such blocks.
    unsafe fn each_row(&mut self, start: u32, count: u32, mut see: impl FnMut(&Self, pg_sys::HeapTuple)) -> bool {
        // SAFETY: rel is open, the snapshot still registered
        unsafe {
            let blocks = Rel::of(self.rel).blocks();
            if start >= blocks {
                return false;
            }
            let (rel, snapshot, slot) = (self.rel, self.snapshot, self.slot);
            let none = std::ptr::null_mut();
            let flags = pg_sys::ScanOptions::SO_TYPE_SEQSCAN
                | pg_sys::ScanOptions::SO_ALLOW_STRAT
                | pg_sys::ScanOptions::SO_ALLOW_PAGEMODE;
            let scan = pg_sys::heap_beginscan(rel, snapshot, 0, none, std::ptr::null_mut(), flags);
            pg_sys::heap_setscanlimits(scan, start, count.min(blocks - start));
            let forward = pg_sys::ScanDirection::ForwardScanDirection;
            while slot::as_heap_slot(slot, || pg_sys::heap_getnextslot(scan, forward, slot)) {
                pgrx::check_for_interrupts!();
                see(self, slot::stored_tuple(slot));
            }
            boundary(|| (*(*slot).tts_ops).clear.unwrap_unchecked()(slot));
            pg_sys::heap_endscan(scan);
            true
        }
    }

    /// Gives back what `new` took.
    pub unsafe fn end(self) {
        // SAFETY: taken in `new`
        unsafe {
            let (fetch, slot) = (self.fetch, self.slot);
            let end = super::heap().index_fetch_end.unwrap_unchecked();
            boundary(|| end(fetch));
            pg_sys::ExecDropSingleTupleTableSlot(slot);
            if !self.estate.is_null() {
                pg_sys::FreeExecutorState(self.estate);
            }
        }
    }
}
