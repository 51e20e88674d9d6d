//! Writing rows: vectors go to the store around the heap's own insert, delete and update (`insert.rs`, `update.rs`).
//!
//! Order, and what a crash or an error leaves (`design/mvcc.md`): reserve slots; let the heap write the row with the
//! references; publish the vectors. Until the last step the slots are RESERVED by a transaction that, if the step is
//! not reached, is aborted.

use crate::error::{Error, SqlState};
use crate::format::store::Reference;
use crate::format::store::reference::Form;
use crate::pg::error::{boundary, raise};
use crate::pg::raw;
use crate::pg::relation::{OpenRelation, Rel};
use crate::store::{Reservation, Store};
use crate::tableam::slot;
use crate::tableam::slot::as_heap_slot;
use crate::tableam::vectors::{POINTER_BYTES, VectorColumns, VectorValue, element_of, named_in, stand_in};
use crate::vector::VectorShape;
use pgrx::pg_sys::{self, Datum, HeapTuple, Relation, TupleTableSlot};
use smallvec::SmallVec;
use std::cell::OnceCell;

/// The table's vector store, opened for writing.
pub(super) struct StoreWriter {
    pub(super) store: Store<'static>,
    toast: OpenRelation,
}

impl StoreWriter {
    /// The store of a table whose row references it.
    pub(super) unsafe fn open(rel: Relation) -> Self {
        // SAFETY: rel is open; the value keeps its TOAST relation open as long as it has the store
        unsafe {
            let toast = open_toast(Rel::of(rel));
            Self { store: Store::of(Rel::of(toast.raw())), toast }
        }
    }

    /// The store, if the table has one ([`Store::if_any`]). Where it has none, vectors are written as they are, and the
    /// heap's code lays them into the row or its TOAST relation.
    pub(super) unsafe fn if_any(rel: Relation) -> Option<Self> {
        // SAFETY: as in `open`
        unsafe {
            let toast = open_toast(Rel::of(rel));
            Store::if_any(Rel::of(toast.raw())).map(|store| Self { store, toast })
        }
    }
}

impl StoreWriter {
    /// The store's relation.
    pub(super) fn toast(&self) -> Rel<'_> {
        self.toast.rel()
    }

    /// Exchanges the slot reserved for a vector for another one if its number is among `taken`: decoding tells values of a row,
    /// or batch, by number, vectors or not. True if it did.
    pub(super) fn reserve_apart(&self, vector: &Incoming, reservation: &mut Reservation, taken: &[u32]) -> bool {
        let mut in_the_way: SmallVec<[Reservation; 2]> = SmallVec::new();
        while taken.contains(&reservation.slot.0) {
            in_the_way.push(*reservation);
            *reservation = self.store.reserve(attnum(vector.column), vector.value.shape(), 1)[0];
        }
        self.store.release(&in_the_way);
        !in_the_way.is_empty()
    }
}

fn open_toast(rel: Rel<'_>) -> OpenRelation {
    let toast = rel.toast_oid();
    if toast == pg_sys::InvalidOid {
        let name = rel.name();
        raise(Error::new(SqlState::Internal, format!("table \"{name}\" has no TOAST relation")));
    }
    OpenRelation::open_for_writing(toast)
}

/// The table's vector store, opened when it is first needed: most updates leave it alone.
pub(super) struct Lazy<'w> {
    pub(super) rel: Relation,
    pub(super) opened: &'w OnceCell<StoreWriter>,
}

impl Lazy<'_> {
    pub(super) unsafe fn get(&self) -> &StoreWriter {
        // SAFETY: rel is open
        self.opened.get_or_init(|| unsafe { StoreWriter::open(self.rel) })
    }

    /// Whether the table has one.
    pub(super) unsafe fn is_there(&self) -> bool {
        // SAFETY: rel is open
        self.opened.get().is_some()
            || unsafe { StoreWriter::if_any(self.rel) }.is_some_and(|writer| self.opened.set(writer).is_ok())
    }
}

/// A vector that a row about to be written brings along.
pub(super) struct Incoming {
    /// index of its column
    pub(super) column: u16,
    pub(super) value: VectorValue,
}

/// The values of `slot`, whatever its type.
pub(super) unsafe fn slot_values(slot: *mut TupleTableSlot) {
    // SAFETY: a filled slot
    unsafe {
        let natts = (*(*slot).tts_tupleDescriptor).natts;
        if i32::from((*slot).tts_nvalid) < natts {
            pg_sys::slot_getsomeattrs_int(slot, natts);
        }
    }
}

pub(super) unsafe fn value(slot: *mut TupleTableSlot, column: u16) -> Option<Datum> {
    // SAFETY: the slot's values were read
    unsafe {
        let i = usize::from(column);
        (!*(*slot).tts_isnull.add(i)).then(|| *(*slot).tts_values.add(i))
    }
}

pub(super) unsafe fn incoming(slot: *mut TupleTableSlot, columns: &VectorColumns) -> SmallVec<[Incoming; 2]> {
    // SAFETY: a filled slot
    unsafe {
        slot_values(slot);
        let bring = |&column: &u16| {
            let element = element_of((*slot).tts_tupleDescriptor, column)?;
            let value = VectorValue::of(value(slot, column)?, element);
            value.has_shape().then_some(Incoming { column, value })
        };
        columns.iter().filter_map(bring).collect()
    }
}

pub(super) fn attnum(column: u16) -> i16 {
    column as i16 + 1
}

/// Forms the row as stored: the slot's values with `references` (column, reference) in the vectors' places; in place of
/// a pointer a stand-in of its length ([`stand_in`]). The tuple is allocated in the slot's
/// memory context.
pub(super) unsafe fn form_stored(
    rel: Relation,
    slot: *mut TupleTableSlot,
    references: &[(u16, Reference)],
) -> HeapTuple {
    // SAFETY: a filled slot whose row type is the relation's
    unsafe {
        let desc = (*rel).rd_att;
        let natts = (*desc).natts as usize;
        let mut values: SmallVec<[Datum; 16]> =
            SmallVec::from_slice(std::slice::from_raw_parts((*slot).tts_values, natts));
        let table = named_in(rel);
        let encoded: SmallVec<[[u8; POINTER_BYTES]; 4]> =
            references.iter().map(|(column, r)| stand_in(table, desc, *column, *r)).collect();
        for ((column, _), bytes) in references.iter().zip(&encoded) {
            values[usize::from(*column)] = Datum::from(bytes.as_ptr());
        }
        let context = pg_sys::MemoryContextSwitchTo((*slot).tts_mcxt);
        let tuple = pg_sys::heap_form_tuple(desc, values.as_mut_ptr(), (*slot).tts_isnull);
        pg_sys::MemoryContextSwitchTo(context);
        (*tuple).t_tableOid = Rel::of(rel).oid();
        tuple
    }
}

pub(super) fn reference(reservation: &Reservation, shape: VectorShape, form: Form) -> Reference {
    Reference::to(reservation.slot, reservation.generation, shape, form)
}

/// Leaves the stored row in the slot, as after the heap's insert, so that RETURNING, triggers and indexes see it.
pub(super) unsafe fn keep_stored(slot: *mut TupleTableSlot, tuple: HeapTuple) {
    // SAFETY: the tuple was formed in the slot's memory context
    unsafe {
        if slot::is_ours(slot) {
            let before = slot::store(slot, tuple);
            if !before.is_null() {
                raw::heap_freetuple(before);
            }
        } else {
            (*slot).tts_tid = (*tuple).t_self;
            raw::heap_freetuple(tuple);
        }
    }
}

/// Leaves the slot its own values, with the stored row's header: a speculative insertion may be taken back, and its
/// vectors with it, while the values are still wanted.
pub(super) unsafe fn keep_given(slot: *mut TupleTableSlot, tuple: HeapTuple) {
    // SAFETY: the tuple was formed of the slot's values
    unsafe {
        if slot::is_ours(slot) {
            as_heap_slot(slot, || {
                let materialize = (*(*slot).tts_ops).materialize.unwrap_unchecked();
                boundary(|| materialize(slot));
            });
            slot::copy_row_header(tuple, slot::stored_tuple(slot));
        }
        (*slot).tts_tid = (*tuple).t_self;
        raw::heap_freetuple(tuple);
    }
}
