//! Reading rows for what they say of vectors.

use crate::format::store::reference::Form;
use crate::format::store::{Generation, Reference, SlotNo, Tid};
use crate::pg::compat;
use crate::pg::relation::{OpenRelation, Rel};
use crate::pg::{buffer, raw, xact};
use crate::store::{RowVersion, Store};
use crate::tableam::vectors;
use crate::tableam::vectors::VectorColumns;
use pgrx::pg_sys;
use smallvec::SmallVec;
use std::cell::OnceCell;

/// The most row versions on a page (MaxHeapTuplesPerPage of the server): each takes a header and a line pointer.
pub const MOST_ROWS: usize = (pg_sys::BLCKSZ as usize - 24) / (24 + 4);

/// The server's address for `tid`.
#[must_use]
pub fn item_pointer(tid: Tid) -> pg_sys::ItemPointerData {
    pg_sys::ItemPointerData {
        ip_blkid: pg_sys::BlockIdData { bi_hi: (tid.block >> 16) as u16, bi_lo: tid.block as u16 },
        ip_posid: tid.offset,
    }
}

/// Our address for the server's.
#[must_use]
pub fn tid(pointer: &pg_sys::ItemPointerData) -> Tid {
    let block = u32::from(pointer.ip_blkid.bi_hi) << 16 | u32::from(pointer.ip_blkid.bi_lo);
    Tid { block, offset: pointer.ip_posid }
}

/// Whether a row version has no index entries of its own, being reached through its chain's root.
#[must_use]
pub unsafe fn is_heap_only(tuple: pg_sys::HeapTuple) -> bool {
    // SAFETY: a valid tuple
    unsafe { pg_sys::htup::HeapTupleHeaderIsHeapOnly((*tuple).t_data) }
}

/// What a row version that is to be replaced says of its vectors.
pub struct OldRow {
    /// the version's own address
    pub tid: Tid,
    /// whether no snapshot can need a version before it: an INSERT made it, or an UPDATE that every snapshot sees
    pub oldest: bool,
    /// the transaction whose UPDATE made the version, 0 when an INSERT did or it is frozen: snapshots that do not see it
    /// may need a version before
    pub made_by: u32,
    /// whether it has a pointer of ours in a dropped column
    pub has_dropped_pointer: bool,
    heap_only: bool,
    root: OnceCell<Tid>,
    /// for each vector column, in the order of [`VectorColumns`], its reference, with the whole generation and its shape
    pub references: SmallVec<[Option<Reference>; 4]>,
}

impl OldRow {
    /// Asks the slots for what pointers do not tell of them: while the row is there, so are its slots.
    unsafe fn complete(&mut self, rel: pg_sys::Relation) {
        let is_partial = |reference: &&mut Reference| reference.form == Form::Pointer;
        let mut partial = self.references.iter_mut().flatten().filter(is_partial).peekable();
        if partial.peek().is_none() {
            return;
        }
        // SAFETY: rel is open, and has a store, since its row has a pointer into it
        let toast = OpenRelation::open(unsafe { Rel::of(rel) }.toast_oid(), pg_sys::AccessShareLock as _);
        // SAFETY: open as long as it is used
        let store = unsafe { Store::of(Rel::of(toast.raw())) };
        for reference in partial {
            match store.slot(reference.slot) {
                Some(slot) if reference.is_of(slot.generation) => {
                    reference.generation = slot.generation;
                    reference.shape = store.segment_of(reference.slot).map(|segment| segment.page.geometry.shape);
                }
                _ => {}
            }
        }
    }

    /// The address by which indexes reach the version.
    #[must_use]
    pub unsafe fn root(&self, rel: pg_sys::Relation) -> Tid {
        // SAFETY: rel is the version's table; the version is still there, since the caller's snapshot sees it
        let find = || unsafe { root_of(buffer::read(Rel::of(rel), self.tid.block), self.tid) };
        if self.heap_only { *self.root.get_or_init(find) } else { self.tid }
    }
}

/// The references in a stored tuple.
#[must_use]
pub unsafe fn references(
    desc: pg_sys::TupleDesc,
    tuple: pg_sys::HeapTuple,
    columns: &VectorColumns,
) -> SmallVec<[Option<Reference>; 4]> {
    // SAFETY: desc describes tuple
    unsafe {
        let natts = (*desc).natts as usize;
        let mut values: SmallVec<[pg_sys::Datum; 16]> = SmallVec::from_elem(pg_sys::Datum::from(0), natts);
        let mut isnull: SmallVec<[bool; 16]> = SmallVec::from_elem(true, natts);
        raw::heap_deform_tuple(tuple, desc, values.as_mut_ptr(), isnull.as_mut_ptr());
        columns
            .iter()
            .map(|&i| usize::from(i))
            .map(|i| if isnull[i] { None } else { vectors::reference_at((*tuple).t_tableOid, values[i]) })
            .collect()
    }
}

/// Whether a stored tuple has a pointer of ours in a dropped column. One that says that it has values out of line has none
/// (`logical.rs`).
unsafe fn dropped_pointer(desc: pg_sys::TupleDesc, tuple: pg_sys::HeapTuple) -> bool {
    // SAFETY: desc describes tuple
    unsafe {
        if u32::from((*(*tuple).t_data).t_infomask) & pg_sys::HEAP_HASEXTERNAL != 0 {
            return false;
        }
        let natts = (*desc).natts as usize;
        let mut values: SmallVec<[pg_sys::Datum; 16]> = SmallVec::from_elem(pg_sys::Datum::from(0), natts);
        let mut isnull: SmallVec<[bool; 16]> = SmallVec::from_elem(true, natts);
        raw::heap_deform_tuple(tuple, desc, values.as_mut_ptr(), isnull.as_mut_ptr());
        (0..natts).filter(|&i| !isnull[i] && vectors::is_dropped(desc, i)).any(|i| {
            vectors::Pointer::read(values[i]).is_some_and(|pointer| pointer.table == (*tuple).t_tableOid.to_u32())
        })
    }
}

/// Reads the row version at `at`, whoever can see it; `None` when there is none.
#[must_use]
pub unsafe fn old_row(rel: pg_sys::Relation, at: &pg_sys::ItemPointerData, columns: &VectorColumns) -> Option<OldRow> {
    // SAFETY: rel is open; the line pointer is checked before it is followed
    unsafe {
        let own = tid(at);
        let page = buffer::read(Rel::of(rel), own.block).share();
        let mut tuple = tuple_of(rel, &page, own)?;
        let references = references((*rel).rd_att, &mut tuple, columns);
        let heap_only = is_heap_only(&mut tuple);
        let updated = u32::from((*tuple.t_data).t_infomask) & pg_sys::HEAP_UPDATED != 0;
        let oldest = !updated || seen_by_all(rel, tuple.t_data);
        let made = updated && !pg_sys::htup::HeapTupleHeaderFrozen(tuple.t_data);
        let made_by = if made { pg_sys::htup::HeapTupleHeaderGetXmin(tuple.t_data).into_inner() } else { 0 };
        let has_dropped_pointer = vectors::has_dropped((*rel).rd_att) && dropped_pointer((*rel).rd_att, &mut tuple);
        let root = OnceCell::new();
        let mut row = OldRow { tid: own, oldest, made_by, has_dropped_pointer, heap_only, root, references };
        drop(page);
        row.complete(rel);
        Some(row)
    }
}

/// Whether every snapshot sees that the version was made. It did not come of an aborted transaction: that is for the
/// caller to know, who means to update it.
unsafe fn seen_by_all(rel: pg_sys::Relation, header: pg_sys::HeapTupleHeader) -> bool {
    // SAFETY: a valid header
    unsafe {
        let xmin = pg_sys::htup::HeapTupleHeaderGetXmin(header);
        pg_sys::htup::HeapTupleHeaderFrozen(header)
            || raw::GlobalVisTestIsRemovableXid(raw::GlobalVisTestFor(rel), xmin)
    }
}

/// The row version at `at` of a locked page, if there is one.
#[must_use]
pub unsafe fn tuple_of(rel: pg_sys::Relation, page: &buffer::Shared, at: Tid) -> Option<pg_sys::HeapTupleData> {
    // SAFETY: rel is open; the line pointer is checked before it is followed
    unsafe {
        let page = pg_sys::BufferGetPage(page.buffer());
        if at.offset == 0 || at.offset > compat::line_pointers(page) {
            return None;
        }
        let item = compat::line_pointer(page, at.offset);
        ((*item).lp_flags() == pg_sys::LP_NORMAL).then(|| tuple_at(rel, page, item, at))
    }
}

/// The reference to the vector of column `attnum` in the row version at `at`, as it stands there; `None` also when a newer
/// version of its chain has taken its place.
#[must_use]
pub unsafe fn reference_at(rel: pg_sys::Relation, at: &pg_sys::ItemPointerData, attnum: i16) -> Option<Reference> {
    let column: VectorColumns = SmallVec::from_elem(attnum as u16 - 1, 1);
    let own = tid(at);
    // SAFETY: rel is open; the tuple is on the locked page
    unsafe {
        let page = buffer::read(Rel::of(rel), own.block).share();
        let mut tuple = tuple_of(rel, &page, own)?;
        if pg_sys::htup::HeapTupleHeaderIsHotUpdated(tuple.t_data) {
            return None;
        }
        references((*rel).rd_att, &mut tuple, &column)[0]
    }
}

unsafe fn tuple_at(rel: pg_sys::Relation, page: pg_sys::Page, item: pg_sys::ItemId, at: Tid) -> pg_sys::HeapTupleData {
    // SAFETY: a normal line pointer of a locked page
    unsafe {
        pg_sys::HeapTupleData {
            t_len: (*item).lp_len(),
            t_self: item_pointer(at),
            t_tableOid: (*rel).rd_id,
            t_data: compat::item(page, item).cast(),
        }
    }
}

/// The address by which indexes reach the heap-only version at `tid` of the pinned page.
unsafe fn root_of(pin: buffer::Pinned, tid: Tid) -> Tid {
    // SAFETY: the array has room for every line pointer of a page
    unsafe {
        let shared = pin.share();
        let mut roots = [0 as pg_sys::OffsetNumber; MOST_ROWS];
        raw::heap_get_root_tuples(pg_sys::BufferGetPage(shared.buffer()), roots.as_mut_ptr());
        match roots.get(usize::from(tid.offset) - 1) {
            Some(&root) if root != 0 => Tid { block: tid.block, offset: root },
            _ => tid,
        }
    }
}

/// The address by which indexes reach the row version at `at`.
#[must_use]
pub unsafe fn index_tid(rel: pg_sys::Relation, tuple: pg_sys::HeapTuple) -> Tid {
    // SAFETY: rel is open, tuple was just stored in it
    unsafe {
        let own = tid(&(*tuple).t_self);
        if is_heap_only(tuple) { root_of(buffer::read(Rel::of(rel), own.block), own) } else { own }
    }
}

/// Follows the chain of row versions on one page from the line pointer `at`, calling `visit` for each version until it
/// returns true; returns whether it did.
unsafe fn any_in_chain(
    rel: pg_sys::Relation,
    at: Tid,
    mut visit: impl FnMut(pg_sys::HeapTuple, pg_sys::Buffer) -> bool,
) -> bool {
    // SAFETY: rel is open; line pointers are checked before they are followed
    unsafe {
        // VACUUM may have cut the block off
        if at.block >= Rel::of(rel).blocks() {
            return false;
        }
        let shared = buffer::read(Rel::of(rel), at.block).share();
        let page = pg_sys::BufferGetPage(shared.buffer());
        let most = compat::line_pointers(page);
        let mut offset = at.offset;
        let mut previous_xmax = None;
        for _ in 0..=most {
            if offset == 0 || offset > most {
                return false;
            }
            let item = &*compat::line_pointer(page, offset);
            match item.lp_flags() {
                pg_sys::LP_REDIRECT => {
                    offset = item.lp_off() as u16;
                    previous_xmax = None;
                    continue;
                }
                pg_sys::LP_NORMAL => {}
                _ => return false,
            }
            let mut tuple = tuple_at(rel, page, std::ptr::from_ref(item).cast_mut(), Tid { block: at.block, offset });
            let header = tuple.t_data;
            if previous_xmax.is_some_and(|xmax| xmax != pg_sys::htup::HeapTupleHeaderGetXmin(header)) {
                return false;
            }
            if visit(&mut tuple, shared.buffer()) {
                return true;
            }
            if !pg_sys::htup::HeapTupleHeaderIsHotUpdated(header) {
                return false;
            }
            previous_xmax = Some(update_xid(header));
            offset = (*header).t_ctid.ip_posid;
        }
        false
    }
}

/// The transaction that updated or deleted the version, behind a multixact where there is one.
pub(super) unsafe fn update_xid(header: pg_sys::HeapTupleHeader) -> pg_sys::TransactionId {
    // SAFETY: a valid header
    unsafe {
        let mask = u32::from((*header).t_infomask);
        let multi = pg_sys::HEAP_XMAX_IS_MULTI;
        if mask & multi != 0 && mask & pg_sys::HEAP_XMAX_INVALID == 0 && mask & pg_sys::HEAP_XMAX_LOCK_ONLY == 0 {
            pg_sys::HeapTupleGetUpdateXid(header)
        } else {
            (*header).t_choice.t_heap.t_xmax
        }
    }
}

/// What the address `at` leads to, for the vector of column `attnum` in `slot`: a version that references it and is
/// not dead to every snapshot, or nothing that matters.
#[must_use]
pub unsafe fn row_version(
    rel: pg_sys::Relation,
    at: Tid,
    attnum: i16,
    slot: SlotNo,
    generation: Generation,
) -> RowVersion {
    // SAFETY: rel is open
    unsafe {
        let horizon = raw::GlobalVisTestFor(rel);
        let columns: VectorColumns = SmallVec::from_elem(attnum as u16 - 1, 1);
        let mut removed = 0;
        let needed = any_in_chain(rel, at, |tuple, buffer| {
            let names_us =
                references((*rel).rd_att, tuple, &columns)[0].is_some_and(|r| r.slot == slot && r.is_of(generation));
            if !names_us {
                return false;
            }
            let mut dead_after = pg_sys::InvalidTransactionId;
            match pg_sys::HeapTupleSatisfiesVacuumHorizon(tuple, buffer, &mut dead_after) {
                pg_sys::HTSV_Result::HEAPTUPLE_DEAD => false,
                pg_sys::HTSV_Result::HEAPTUPLE_RECENTLY_DEAD => {
                    let xid = dead_after.into_inner();
                    if removed == 0 || xact::precedes(removed, xid) {
                        removed = xid;
                    }
                    !raw::GlobalVisTestIsRemovableXid(horizon, dead_after)
                }
                _ => true,
            }
        });
        if needed { RowVersion::Needed } else { RowVersion::Gone { removed } }
    }
}
