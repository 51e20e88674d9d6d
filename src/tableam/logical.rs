//! Rows as logical decoding reads them: with pointers in place of references, their vectors in the log beside them.
//!
//! To decoding a vector is a value that is stored out of line. It puts such values together from the chunks that it sees
//! inserted into the table's TOAST relation, by the number that the row's pointer has; so a chunk is logged for each new
//! vector, before its row (`wal::log_chunk`), and an unchanged vector is a pointer without a chunk. The vector itself is in the
//! store as always: nothing reads the chunk but decoding. See `design/logical-decoding.md`.
//!
//! Invariants:
//! * a row with a pointer of ours in it, be it in a dropped column, never says in its header that it has values out of line;
//! * the heap's code gets such a row, old or new, only with a shadow of the relation (`pg/shadow.rs`), but for deletions, which
//!   do nothing to values out of line where the header names none; moving the values of other columns out of line, and
//!   deleting them, is done here;
//! * after the chunk of a vector, or of a value of another column, the next change of the (sub)transaction that is decoded is
//!   that of its row: whatever could keep the row from being written comes before.

use crate::error::{Error, SqlState};
use crate::format::store::Reference;
use crate::format::store::reference::Form;
use crate::pg::compat;
use crate::pg::error::{boundary, raise};
use crate::pg::failpoint::hit;
use crate::pg::relation::{ExtensionLock, Rel};
use crate::pg::shadow::with_shadow;
use crate::pg::{buffer, list, raw, wal};
use crate::tableam::partial;
use crate::tableam::publication;
use crate::tableam::rows;
use crate::tableam::vectors;
use crate::tableam::vectors::{Pointer, VectorColumns, VectorValue, named_in, reveal};
use pgrx::pg_sys::{self, CommandId, Datum, HeapTuple, ItemPointer, Relation, Snapshot, TM_FailureData, TM_Result};
use smallvec::SmallVec;
use std::cell::Cell;

/// Rows longer than this have values moved out of line (TOAST_TUPLE_THRESHOLD of the server).
const LONG_ROW: u32 = 2032;
const HAS_EXTERNAL: u16 = pg_sys::HEAP_HASEXTERNAL as u16;

/// A row taken apart.
struct Values {
    values: SmallVec<[Datum; 16]>,
    isnull: SmallVec<[bool; 16]>,
}

impl Values {
    unsafe fn of(rel: Relation, tuple: HeapTuple) -> Self {
        // SAFETY: tuple is a row of rel
        unsafe {
            let natts = (*(*rel).rd_att).natts as usize;
            let mut values: SmallVec<[Datum; 16]> = SmallVec::from_elem(Datum::from(0), natts);
            let mut isnull: SmallVec<[bool; 16]> = SmallVec::from_elem(true, natts);
            raw::heap_deform_tuple(tuple, (*rel).rd_att, values.as_mut_ptr(), isnull.as_mut_ptr());
            Self { values, isnull }
        }
    }

    /// The columns, dropped ones included, whose values are out of line, and whether they are vectors of this table's store.
    unsafe fn outside(&self, rel: Relation) -> SmallVec<[(usize, bool); 4]> {
        // SAFETY: values of a row of rel
        unsafe {
            let table = Rel::of(rel).oid().to_u32();
            (0..self.values.len())
                .filter(|&i| !self.isnull[i] && (*compat::attribute((*rel).rd_att, i)).attlen == -1)
                .filter(|&i| Pointer::is_on_disk(self.values[i]))
                .map(|i| (i, Pointer::read(self.values[i]).is_some_and(|pointer| pointer.table == table)))
                .collect()
        }
    }
}

/// Whether `rel` has dropped columns in which older rows may have pointers.
pub(super) unsafe fn has_dropped(rel: Relation) -> bool {
    // SAFETY: rel is open
    unsafe { vectors::has_dropped((*rel).rd_att) }
}

/// What an old row has out of line.
pub(super) struct Outside {
    /// a copy of the row, with NULL in place of pointers of ours
    row: HeapTuple,
    /// whether there were any
    pub(super) has_pointers: bool,
    /// whether another value is out of line
    pub(super) has_others: bool,
}

impl Outside {
    /// That of the row version at `at`; `None` when there is none.
    pub(super) unsafe fn of(rel: Relation, at: &pg_sys::ItemPointerData) -> Option<Self> {
        // SAFETY: rel is open; the line pointer is checked before it is followed, and the row copied
        unsafe {
            let own = rows::tid(at);
            let page = buffer::read(Rel::of(rel), own.block).share();
            let mut on_page = rows::tuple_of(rel, &page, own)?;
            let copy = pg_sys::heap_copytuple(&mut on_page);
            drop(page);
            let mut values = Values::of(rel, copy);
            let outside = values.outside(rel);
            let has_pointers = outside.iter().any(|(_, is_ours)| *is_ours);
            let has_others = outside.iter().any(|(_, is_ours)| !is_ours);
            let mut row = copy;
            if has_pointers {
                outside.iter().filter(|(_, is_ours)| *is_ours).for_each(|(i, _)| values.isnull[*i] = true);
                row = pg_sys::heap_form_tuple((*rel).rd_att, values.values.as_mut_ptr(), values.isnull.as_mut_ptr());
                (*row).t_self = *at;
                (*row).t_tableOid = Rel::of(rel).oid();
                raw::heap_freetuple(copy);
            }
            Some(Self { row, has_pointers, has_others })
        }
    }

    /// Deletes the values that the row had out of line, if it was one of which the heap's code would not have done so.
    pub(super) unsafe fn delete(&self, rel: Relation, is_speculative: bool) {
        if self.has_pointers && self.has_others {
            let row = self.row;
            // SAFETY: a row without pointers of ours
            unsafe { boundary(|| raw::heap_toast_delete(rel, row, is_speculative)) };
            hit("logical.outside_deleted");
        }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: a copy of ours
            unsafe { raw::heap_freetuple(self.row) }
        }
    }
}

/// Logs what the heap's code, which had a shadow, has left out of row versions at `written`, where the table is one that decoding
/// plugins read (`user_catalog_table`).
pub(super) unsafe fn log_commands(rel: Relation, written: &[pg_sys::ItemPointerData]) {
    // SAFETY: rel is open; the versions are our transaction's, so they stay as they are
    unsafe {
        let options = (*rel).rd_options.cast::<pg_sys::StdRdOptions>();
        if options.is_null() || !(*options).user_catalog_table || !publication::is_decoded(rel) {
            return;
        }
        for at in written {
            let own = rows::tid(at);
            let page = buffer::read(Rel::of(rel), own.block).share();
            if let Some(row) = rows::tuple_of(rel, &page, own) {
                wal::log_commands(Rel::of(rel), row.t_data, at);
            }
        }
    }
}

/// Whether any of the references stands in the row as a pointer.
pub(super) fn any_pointer(references: &[(u16, Reference)]) -> bool {
    references.iter().any(|(_, reference)| reference.form == Form::Pointer)
}

/// A new row with pointers on its way to the heap.
pub(super) struct NewRow {
    /// as the slot keeps it
    tuple: HeapTuple,
    /// as the heap gets it: the same, or another one with values out of line
    stored: HeapTuple,
}

impl NewRow {
    /// Whether the heap's code would move values of this row, which is formed with stand-ins, out of line, or look at whether
    /// it should.
    pub(super) unsafe fn is_to_be_toasted(tuple: HeapTuple) -> bool {
        // SAFETY: a row
        unsafe { (*(*tuple).t_data).t_infomask & HAS_EXTERNAL != 0 || (*tuple).t_len > LONG_ROW }
    }

    /// Moves values of the row `tuple`, formed with stand-ins, out of line as the heap would. The result is allocated in the
    /// context of `slot`.
    pub(super) unsafe fn toast(
        rel: Relation,
        slot: *mut pg_sys::TupleTableSlot,
        tuple: HeapTuple,
        old: Option<&Outside>,
        options: i32,
    ) -> Self {
        // SAFETY: rows of rel, neither with pointers of ours
        unsafe {
            let old_row = old.map_or(std::ptr::null_mut(), |old| old.row);
            if !Self::is_to_be_toasted(tuple) && !old.is_some_and(|old| old.has_others) {
                return Self { tuple, stored: tuple };
            }
            let before = pg_sys::MemoryContextSwitchTo((*slot).tts_mcxt);
            let stored = boundary(|| raw::heap_toast_insert_or_update(rel, tuple, old_row, options));
            pg_sys::MemoryContextSwitchTo(before);
            hit("logical.toasted");
            Self { tuple, stored }
        }
    }

    /// As [`NewRow::toast`], for the server's code that rewrites tables, which does not take a shadow: the row to give it, or
    /// `None` for one that is so long that this code would move values out of line. `tuple` is freed unless it is the one.
    pub(super) unsafe fn for_rewrite(
        rel: Relation,
        tuple: HeapTuple,
        references: &[(u16, Reference)],
    ) -> Option<HeapTuple> {
        // SAFETY: a row of rel
        unsafe {
            let mut stored = tuple;
            if Self::is_to_be_toasted(tuple) {
                let options = (pg_sys::HEAP_INSERT_SKIP_FSM | pg_sys::HEAP_INSERT_NO_LOGICAL) as i32;
                let none = std::ptr::null_mut();
                stored = boundary(|| raw::heap_toast_insert_or_update(rel, tuple, none, options));
            }
            if stored != tuple {
                raw::heap_freetuple(tuple);
            }
            if (*stored).t_len > LONG_ROW {
                // what it has out of line by now is lost room in the new relation: such rows are rare
                raw::heap_freetuple(stored);
                return None;
            }
            reveal_in(rel, stored, references);
            Some(stored)
        }
    }

    /// The row `tuple`, formed with stand-ins, which the heap will refuse.
    pub(super) fn unprepared(tuple: HeapTuple) -> Self {
        Self { tuple, stored: tuple }
    }

    /// The numbers of the values that the row has out of line, vectors excepted.
    pub(super) unsafe fn outside(&self, rel: Relation) -> SmallVec<[u32; 4]> {
        // SAFETY: a row of rel
        unsafe {
            if (*(*self.stored).t_data).t_infomask & HAS_EXTERNAL == 0 {
                return SmallVec::new();
            }
            let values = Values::of(rel, self.stored);
            let outside = values.outside(rel);
            outside.iter().map(|(i, _)| Pointer::value_id(values.values[*i])).collect()
        }
    }

    /// Puts the pointers, if there are any, in place of their stand-ins. From here on only a shadow's code may have the row.
    pub(super) unsafe fn reveal(&self, rel: Relation, references: &[(u16, Reference)]) {
        // SAFETY: rows of rel that are ours
        unsafe {
            reveal_in(rel, self.tuple, references);
            if self.stored != self.tuple {
                reveal_in(rel, self.stored, references);
            }
        }
    }

    /// Gives the row to the heap by `write`, which gets the shadow and the row.
    pub(super) unsafe fn write<R>(&self, rel: Relation, write: impl FnOnce(Relation, HeapTuple) -> R) -> R {
        // SAFETY: by contract
        unsafe {
            let stored = self.stored;
            let result = with_shadow(rel, |shadow| write(shadow, stored));
            if stored != self.tuple {
                crate::tableam::slot::copy_row_header(stored, self.tuple);
            }
            result
        }
    }

    /// What the heap has stored, in place of the row as it was formed.
    pub(super) unsafe fn into_stored(self) -> HeapTuple {
        // SAFETY: both are ours
        unsafe {
            if self.stored != self.tuple {
                raw::heap_freetuple(self.tuple);
            }
        }
        self.stored
    }

    /// Frees what the heap has stored, where the slot keeps the row as it was formed.
    pub(super) unsafe fn free_stored(self) {
        // SAFETY: ours, and in the heap by now
        unsafe {
            if self.stored != self.tuple {
                raw::heap_freetuple(self.stored);
            }
        }
    }
}

unsafe fn reveal_in(rel: Relation, tuple: HeapTuple, references: &[(u16, Reference)]) {
    // SAFETY: a row of rel that is ours
    unsafe {
        if !any_pointer(references) {
            return;
        }
        let table = named_in(rel);
        let values = Values::of(rel, tuple);
        for (column, reference) in references.iter().filter(|(_, reference)| reference.form == Form::Pointer) {
            reveal(values.values[usize::from(*column)], table, *reference);
        }
        (*(*tuple).t_data).t_infomask &= !HAS_EXTERNAL;
    }
}

/// Logs a new vector for decoding, as a chunk in the open TOAST relation `toast`.
pub(super) fn log_vector(toast: Rel<'_>, reference: Reference, value: &VectorValue) {
    let page = carrier(toast);
    hit("logical.carrier");
    wal::log_chunk(&page, reference.slot.0, &[&value.prefix(), value.bytes()]);
    drop(page);
    hit("logical.chunk");
}

/// The least room that a page has which is to carry chunks through the log: what is on it is logged with each of them.
const LEAST_HOLE: usize = 4096;
/// How often the free space map is asked for one.
const MOST_LOOKS: usize = 8;

thread_local! {
    /// the file whose page was taken last, and that page
    static CARRIER: Cell<Option<(compat::FileNode, u32)>> = const { Cell::new(None) };
}

/// An ordinary page of the TOAST relation, with little or nothing on it, locked. Chunks of other columns may come to lie on
/// it, or go: any such page will do.
fn carrier(toast: Rel<'_>) -> buffer::Exclusive {
    let node = toast.node();
    let blocks = toast.blocks();
    let known = CARRIER.get().filter(|(of, block)| *of == node && *block < blocks);
    if let Some((_, block)) = known {
        let page = buffer::read(toast, block).exclusive();
        if hole(&page) >= LEAST_HOLE {
            return page;
        }
    }
    let page = find_carrier(toast).unwrap_or_else(|| add_carrier(toast));
    CARRIER.set(Some((node, page.block())));
    page
}

/// The bytes between the line pointers and the rows of an ordinary page; 0 of any other.
fn hole(page: &buffer::Exclusive) -> usize {
    let field = |at: usize| usize::from(u16::from_le_bytes([page.page()[at], page.page()[at + 1]]));
    let (lower, upper, special) = (field(12), field(14), field(16));
    if lower >= crate::format::page::SERVER_HEADER_BYTES && upper <= special { upper.saturating_sub(lower) } else { 0 }
}

fn find_carrier(toast: Rel<'_>) -> Option<buffer::Exclusive> {
    for _ in 0..MOST_LOOKS {
        // SAFETY: toast is open
        let block = unsafe { pg_sys::GetPageWithFreeSpace(toast.raw(), LEAST_HOLE * 3 / 2) };
        if block >= toast.blocks() {
            return None;
        }
        let page = buffer::read(toast, block).exclusive();
        let room = hole(&page);
        if room >= LEAST_HOLE {
            return Some(page);
        }
        drop(page);
        // SAFETY: toast is open
        unsafe { pg_sys::RecordPageWithFreeSpace(toast.raw(), block, room) };
    }
    None
}

/// Adds a page, and tells the free space map of it, so that it is of use to others, too.
fn add_carrier(toast: Rel<'_>) -> buffer::Exclusive {
    let lock = ExtensionLock::acquire(toast);
    let page = [buffer::extend(toast)];
    hit("logical.extended");
    wal::initialise(toast, &page);
    drop(lock);
    let [page] = page;
    let block = page.block();
    drop(page);
    // SAFETY: toast is open
    unsafe {
        pg_sys::RecordPageWithFreeSpace(toast.raw(), block, pg_sys::BLCKSZ as usize - 64);
        pg_sys::FreeSpaceMapVacuumRange(toast.raw(), block, block + 1);
    }
    buffer::read(toast, block).exclusive()
}

/// Locks the row at `at` in `mode`, that of the update to come, so that the update is certain. False when there will be none.
pub(super) unsafe fn lock_for_update(
    rel: Relation,
    at: ItemPointer,
    mode: pg_sys::LockTupleMode::Type,
    cid: CommandId,
    crosscheck: Snapshot,
    tmfd: *mut TM_FailureData,
) -> bool {
    // SAFETY: rel is open, the row version one that the statement has seen
    unsafe {
        let mut row = pg_sys::HeapTupleData { t_self: *at, t_tableOid: Rel::of(rel).oid(), ..Default::default() };
        let mut buffer = pg_sys::InvalidBuffer as pg_sys::Buffer;
        let policy = pg_sys::LockWaitPolicy::LockWaitBlock;
        let row = &raw mut row;
        let pinned = &raw mut buffer;
        let result = boundary(|| raw::heap_lock_tuple(rel, row, cid, mode, policy, false, pinned, tmfd));
        let mut is_certain = result == TM_Result::TM_Ok;
        if is_certain && !crosscheck.is_null() {
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE as i32);
            is_certain = pg_sys::HeapTupleSatisfiesVisibility(row, crosscheck, buffer);
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_UNLOCK as i32);
        }
        raw::ReleaseBuffer(buffer);
        hit("logical.locked");
        is_certain
    }
}

/// The mode in which the heap's code will lock the row at `at` for its update to the values of `slot`, or a stronger one: if it
/// got a stronger one later, sessions that hold weaker ones, and wait for ours, would wait for each other. `changes` tells
/// whether what a row has in a vector column changes; `is_toasted`, whether values may be moved out of line.
pub(super) unsafe fn lock_mode(
    rel: Relation,
    at: &pg_sys::ItemPointerData,
    slot: *mut pg_sys::TupleTableSlot,
    vectors: &VectorColumns,
    changes: impl Fn(u16) -> bool,
    is_toasted: bool,
) -> pg_sys::LockTupleMode::Type {
    // SAFETY: rel is open, and the slot's values are there
    unsafe {
        let keys = list::index_columns(rel, pg_sys::IndexAttrBitmapKind::INDEX_ATTR_BITMAP_KEY);
        let (keys_of_vectors, keys): (Vec<u16>, Vec<u16>) = keys.into_iter().partition(|key| vectors.contains(key));
        let may_move = |key: &u16| {
            let i = usize::from(*key);
            (*compat::attribute((*rel).rd_att, i)).attlen == -1
                && !*(*slot).tts_isnull.add(i)
                && !Pointer::is_on_disk(*(*slot).tts_values.add(i))
        };
        if keys_of_vectors.into_iter().any(changes)
            || (is_toasted && keys.iter().any(may_move))
            || partial::differ(rel, at, slot, &keys)
        {
            pg_sys::LockTupleMode::LockTupleExclusive
        } else {
            pg_sys::LockTupleMode::LockTupleNoKeyExclusive
        }
    }
}

/// Raises the error for an update that was to take place and did not, or the other way round.
#[cold]
pub(super) unsafe fn raise_uncertain(rel: Relation) -> ! {
    // SAFETY: rel is open
    let name = unsafe { Rel::of(rel).name() };
    raise(Error::new(SqlState::Internal, format!("a row of table \"{name}\" changed while it was locked")))
}
