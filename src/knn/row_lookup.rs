//! From a vector's slot to the address of the row that the scan's snapshot sees.

use crate::error::{Error, SqlState};
use crate::format::store::{Generation, Slot, SlotNo, SlotState, Tid};
use crate::knn::column::Column;
use crate::knn::result_queue::Found;
use crate::pg::compat;
use crate::pg::error::raise;
use crate::pg::relation::Rel;
use crate::pg::restricted;
use crate::store::Store;
use crate::store::visibility::{SlotJudge, Verdict};
use crate::tableam::lookup::{Lookup, Whose};
use pgrx::pg_sys::{self, Relation};

/// What a slot says about whether a scan may return its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotVisibility {
    /// it may not
    Hidden,
    /// it may, and this is the row's address
    Row(Tid),
    /// only the row can tell: see [`RowLookup::ask`]
    Ask,
}

/// The rows of an index scan's table under its snapshot.
///
/// A partial index's condition is checked here too: a slot outlives updates of the row's other columns, so its row may
/// have left the index. Then every row is asked.
///
/// Addresses come true only after [`crate::store::deferred_addresses::flush`].
pub struct RowLookup {
    heap: Relation,
    index: Option<Relation>,
    attnum: i16,
    snapshot: pg_sys::Snapshot,
    partial: bool,
    judge: SlotJudge,
    context: pg_sys::MemoryContext,
    lookup: Option<Lookup>,
    /// the block at which the search for rows without a vector goes on, while none was found in all before it
    none_before: Option<u32>,
    /// whether the search has come to its end, and found none
    has_none: bool,
}

/// The conditions of a partial index, copied into the current memory context; null when there are none.
unsafe fn predicate(index: Option<Relation>) -> *mut pg_sys::List {
    // SAFETY: the index is open
    index.map_or(std::ptr::null_mut(), |index| unsafe { pg_sys::RelationGetIndexPredicate(index) })
}

impl RowLookup {
    /// For a scan of `index`, or of all rows, over `column` of `heap` under `snapshot`, all of which outlive the value. Memory
    /// is taken from `context`, which must live as long as the scan. An error is raised for a snapshot of another kind than
    /// MVCC.
    #[must_use]
    pub unsafe fn new(
        heap: Relation,
        index: Option<Relation>,
        column: &Column,
        snapshot: pg_sys::Snapshot,
        context: pg_sys::MemoryContext,
    ) -> Self {
        // SAFETY: by contract
        unsafe {
            if snapshot.is_null() || (*snapshot).snapshot_type != pg_sys::SnapshotType::SNAPSHOT_MVCC {
                let name = Rel::of(index.unwrap_or(heap)).name();
                raise(
                    Error::new(
                        SqlState::FeatureNotSupported,
                        format!("\"{name}\" can be scanned by distance under MVCC snapshots only"),
                    )
                    .hint("Read the table in another way, with enable_indexscan and zvec.enable_exact_scan off."),
                );
            }
            let partial = index.is_some_and(|index| restricted::has_condition(Rel::of(index)));
            let judge = SlotJudge::new(heap, snapshot);
            let attnum = column.attnum;
            let (none_before, has_none) = (None, false);
            Self { heap, index, attnum, snapshot, partial, judge, context, lookup: None, none_before, has_none }
        }
    }

    /// What the slot says, without a look at the row: for deciding whether a vector is worth a distance. A slot of
    /// another generation than the one that the index knows is hidden.
    #[inline(always)]
    pub fn visibility(&mut self, slot: &Slot) -> SlotVisibility {
        match self.judge.verdict(slot) {
            Verdict::Invisible => SlotVisibility::Hidden,
            Verdict::Visible if !self.partial && !slot.head.is_some() => SlotVisibility::Row(slot.tail),
            _ => SlotVisibility::Ask,
        }
    }

    /// The address of the visible row whose vector is in slot `number` of `generation`; `slot` is the slot as it is now.
    /// `None` when there is no such row, or it is not in a partial index.
    pub unsafe fn tid(&mut self, number: SlotNo, generation: Generation, slot: &Slot) -> Option<Tid> {
        if slot.generation != generation || slot.state() != Some(SlotState::Live) {
            return None;
        }
        match self.visibility(slot) {
            SlotVisibility::Hidden => None,
            SlotVisibility::Row(tid) => Some(tid),
            // SAFETY: by contract of `new`
            SlotVisibility::Ask => unsafe { self.ask(number, slot) },
        }
    }

    /// The address of the row of `found`, of which a scan of slots may have told already that it is visible; otherwise the slot
    /// in `store` is looked at again, and the row. `None` as [`RowLookup::tid`].
    pub unsafe fn address(&mut self, store: &Store, found: &Found) -> Option<Tid> {
        if found.tid.is_some() {
            return Some(found.tid);
        }
        // SAFETY: by contract of `new`; the store is the table's
        unsafe {
            let slot = store.slot(found.slot)?;
            self.tid(found.slot, found.generation, &slot)
        }
    }

    /// The address among the slot's two under which the snapshot sees a row that references the slot.
    unsafe fn ask(&mut self, number: SlotNo, slot: &Slot) -> Option<Tid> {
        // SAFETY: by contract of `new`
        unsafe {
            let whose = Whose::Vector(number, slot.generation);
            let lookup = self.lookup();
            [slot.tail, slot.head].into_iter().find(|&at| lookup.finds(at, whose))
        }
    }

    /// Whether the snapshot may see rows without a vector: not where a search has found none before, and a column that is NOT NULL now need not have been so when an older
    /// snapshot was taken.
    #[must_use]
    pub unsafe fn may_lack_vectors(&self, column: &Column) -> bool {
        const XMIN_FROZEN: u16 = (pg_sys::HEAP_XMIN_COMMITTED | pg_sys::HEAP_XMIN_INVALID) as u16;
        if !column.not_null || self.has_none {
            return !self.has_none;
        }
        // SAFETY: the table is open, so the column has its entry in the catalog; the snapshot is an MVCC snapshot
        unsafe {
            let (table, attnum) = (pg_sys::Datum::from(column.table), pg_sys::Datum::from(column.attnum));
            let tuple = pg_sys::SearchSysCache2(pg_sys::SysCacheIdentifier::ATTNUM as i32, table, attnum);
            if tuple.is_null() {
                return true;
            }
            let has_changed_since = |tuple: pg_sys::HeapTuple| {
                let header = &*(*tuple).t_data;
                let is_frozen = header.t_infomask & XMIN_FROZEN == XMIN_FROZEN;
                let xmin = header.t_choice.t_heap.t_xmin;
                // of what the transaction itself has changed the snapshot cannot tell since when
                !is_frozen
                    && (pg_sys::TransactionIdIsCurrentTransactionId(xmin)
                        || pg_sys::XidInMVCCSnapshot(xmin, self.snapshot))
            };
            let changed_since = has_changed_since(tuple);
            pg_sys::ReleaseSysCache(tuple);
            changed_since
                || compat::not_null_constraint(column.table, column.attnum).is_some_and(|constraint| {
                    let Some(constraint) = constraint else { return true };
                    let changed_since = has_changed_since(constraint);
                    pg_sys::heap_freetuple(constraint);
                    changed_since
                })
        }
    }

    /// Calls `take` with the address of each visible row without a vector in the blocks from `start` on, `count` of them
    /// at the most; false when the table has no such blocks.
    pub unsafe fn without_vector(&mut self, start: u32, count: u32, mut take: impl FnMut(Tid)) -> bool {
        let mut none = start == 0 || self.none_before == Some(start);
        let take = |tid| {
            none = false;
            take(tid);
        };
        // SAFETY: by contract of `new`
        let goes_on = unsafe { self.lookup().rows_without_vector(start, count, take) };
        self.none_before = none.then(|| start.saturating_add(count));
        self.has_none = none && !goes_on;
        goes_on
    }

    /// Calls `take` with the slot number of the vector of each visible row for which `holds`. It reads the whole table.
    pub unsafe fn slots_where(
        &mut self,
        holds: impl FnMut(*mut pg_sys::TupleTableSlot) -> bool,
        take: impl FnMut(SlotNo),
    ) {
        // SAFETY: by contract of `new`
        unsafe { self.lookup().slots_where(holds, take) }
    }

    unsafe fn lookup(&mut self) -> &mut Lookup {
        let (heap, index, attnum, snapshot) = (self.heap, self.index, self.attnum, self.snapshot);
        let context = self.context;
        self.lookup.get_or_insert_with(|| {
            // SAFETY: by contract of `new`
            unsafe {
                let before = pg_sys::MemoryContextSwitchTo(context);
                let lookup = Lookup::new(heap, attnum, snapshot, predicate(index));
                pg_sys::MemoryContextSwitchTo(before);
                lookup
            }
        })
    }

    /// Whether these are the rows under that snapshot.
    #[must_use]
    pub fn is_under(&self, snapshot: pg_sys::Snapshot) -> bool {
        std::ptr::eq(self.snapshot, snapshot)
    }

    /// Gives back what was taken for looking at rows. Without it (after an error) the server takes it back.
    pub unsafe fn end(self) {
        if let Some(lookup) = self.lookup {
            // SAFETY: by contract of `new`
            unsafe { lookup.end() }
        }
    }
}
