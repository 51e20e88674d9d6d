//! Inserting rows, one by one, speculatively and in batches.

use crate::format::store::reference::Form;
use crate::format::store::{Reference, Tid};
use crate::pg::error::{boundary, guarded};
use crate::pg::failpoint::hit;
use crate::pg::raw;
use crate::pg::relation::Rel;
use crate::pg::shadow::with_shadow;
use crate::store::{NewVector, Reservation};
use crate::tableam::heap;
use crate::tableam::logical;
use crate::tableam::logical::{NewRow, Outside};
use crate::tableam::modify::{
    Incoming, StoreWriter, attnum, form_stored, incoming, keep_given, keep_stored, reference, slot_values,
};
use crate::tableam::publication;
use crate::tableam::publication::{Needs, Written};
use crate::tableam::rows;
use crate::tableam::rows::{item_pointer, tid};
use crate::tableam::slot;
use crate::tableam::slot::as_heap_slot;
use crate::tableam::vectors::{VectorColumns, columns_of};
use pgrx::pg_sys::{self, BulkInsertState, CommandId, HeapTuple, Relation, TupleTableSlot};
use smallvec::SmallVec;

unsafe fn insert(
    rel: Relation,
    slot: *mut TupleTableSlot,
    cid: CommandId,
    options: i32,
    bistate: BulkInsertState,
    token: Option<u32>,
) {
    // SAFETY: the server's own arguments
    unsafe {
        (*slot).tts_tableOid = Rel::of(rel).oid();
        let columns = columns_of(rel);
        let vectors = if columns.is_empty() { SmallVec::new() } else { incoming(slot, &columns) };
        if vectors.is_empty() {
            return as_heap_slot(slot, || match token {
                None => {
                    let insert = heap().tuple_insert.unwrap_unchecked();
                    boundary(|| insert(rel, slot, cid, options, bistate))
                }
                Some(token) => {
                    let insert = heap().tuple_insert_speculative.unwrap_unchecked();
                    boundary(|| insert(rel, slot, cid, options, bistate, token))
                }
            });
        }
        let Some(writer) = StoreWriter::if_any(rel) else {
            drop(vectors);
            let tuple = form_stored(rel, slot, &[]);
            insert_row(rel, tuple, cid, options, bistate, token);
            return keep(slot, tuple, token);
        };
        let needs = publication::needs(rel, Written::Insert, &columns);
        let unlogged = vectors.iter().map(|vector| vector.column).filter(|column| !needs.logs(*column));
        publication::note(rel, Written::Insert, unlogged);
        let mut reserved: SmallVec<[Reservation; 2]> = vectors
            .iter()
            .map(|vector| writer.store.reserve(attnum(vector.column), vector.value.shape(), 1)[0])
            .collect();
        let reference_to = |vector: &Incoming, reservation: &Reservation| {
            let form = needs.form(vector.column, Form::Plain);
            (vector.column, reference(reservation, vector.value.shape(), form))
        };
        let mut references: SmallVec<[_; 2]> =
            vectors.iter().zip(&reserved).map(|(vector, reservation)| reference_to(vector, reservation)).collect();
        let tuple = form_stored(rel, slot, &references);
        hit("insert.reserved");
        if logical::any_pointer(&references) {
            let row = NewRow::toast(rel, slot, tuple, None, options);
            let outside = row.outside(rel);
            for ((vector, reservation), reference) in vectors.iter().zip(&mut reserved).zip(&mut references) {
                if writer.reserve_apart(vector, reservation, &outside) {
                    *reference = reference_to(vector, reservation);
                }
            }
            row.reveal(rel, &references);
            for (vector, (_, reference)) in vectors.iter().zip(&references).filter(|(v, _)| needs.logs(v.column)) {
                logical::log_vector(writer.toast(), *reference, &vector.value);
            }
            row.write(rel, |shadow, stored| insert_row(shadow, stored, cid, options, bistate, token));
            logical::log_commands(rel, &[(*tuple).t_self]);
            row.free_stored();
        } else {
            insert_row(rel, tuple, cid, options, bistate, token);
        }
        let at = tid(&(*tuple).t_self);
        hit("insert.row");
        let frozen = options & pg_sys::HEAP_INSERT_FROZEN as i32 != 0;
        for (vector, reservation) in vectors.iter().zip(&reserved) {
            let new = NewVector { reservation: *reservation, tid: at, bytes: vector.value.bytes() };
            writer.store.publish(&[new], frozen);
            hit("insert.published");
        }
        drop(vectors);
        keep(slot, tuple, token);
    }
}

/// Inserts a row as formed; with a token, speculatively.
unsafe fn insert_row(
    rel: Relation,
    tuple: HeapTuple,
    cid: CommandId,
    options: i32,
    bistate: BulkInsertState,
    token: Option<u32>,
) {
    const SPECULATIVE_OFFSET: u16 = 0xfffe;
    // SAFETY: the server's own arguments, and a tuple of the table
    unsafe {
        let mut heap_options = options;
        if let Some(token) = token {
            (*(*tuple).t_data).t_ctid = item_pointer(Tid { block: token, offset: SPECULATIVE_OFFSET });
            heap_options |= pg_sys::HEAP_INSERT_SPECULATIVE as i32;
        }
        boundary(|| raw::heap_insert(rel, tuple, cid, heap_options, bistate));
    }
}

/// Leaves in the slot what a row that was inserted has.
unsafe fn keep(slot: *mut TupleTableSlot, tuple: HeapTuple, token: Option<u32>) {
    // SAFETY: the tuple was formed of the slot's values, in its memory context
    unsafe {
        if token.is_some() {
            hit("speculative.inserted");
            keep_given(slot, tuple);
        } else {
            keep_stored(slot, tuple);
        }
    }
}

pub(super) unsafe extern "C-unwind" fn tuple_insert(
    rel: Relation,
    slot: *mut TupleTableSlot,
    cid: CommandId,
    options: i32,
    bistate: BulkInsertState,
) {
    // SAFETY: the server's own arguments
    unsafe { guarded(|| insert(rel, slot, cid, options, bistate, None)) }
}

pub(super) unsafe extern "C-unwind" fn tuple_insert_speculative(
    rel: Relation,
    slot: *mut TupleTableSlot,
    cid: CommandId,
    options: i32,
    bistate: BulkInsertState,
    token: u32,
) {
    // SAFETY: the server's own arguments
    unsafe { guarded(|| insert(rel, slot, cid, options, bistate, Some(token))) }
}

pub(super) unsafe extern "C-unwind" fn tuple_complete_speculative(
    rel: Relation,
    slot: *mut TupleTableSlot,
    token: u32,
    succeeded: bool,
) {
    let body = || {
        // SAFETY: the server's own arguments
        unsafe {
            let columns = columns_of(rel);
            let is_lost = !succeeded && !columns.is_empty();
            let lost = if is_lost { rows::old_row(rel, &(*slot).tts_tid, &columns) } else { None };
            let outside = if is_lost { Outside::of(rel, &(*slot).tts_tid) } else { None };
            hit(if succeeded { "speculative.confirm" } else { "speculative.lost" });
            let complete = heap().tuple_complete_speculative.unwrap_unchecked();
            as_heap_slot(slot, || boundary(|| complete(rel, slot, token, succeeded)));
            hit(if succeeded { "speculative.confirmed" } else { "speculative.row_gone" });
            if let Some(outside) = outside {
                outside.delete(rel, true);
            }
            if let Some(row) = lost {
                let writer = StoreWriter::open(rel);
                for reference in row.references.iter().flatten() {
                    writer.store.discard(reference.slot, reference.generation);
                    hit("speculative.discarded");
                }
            }
        }
    };
    // SAFETY: called by the server
    unsafe { guarded(body) }
}

/// A row's references and their columns.
type References = SmallVec<[(u16, Reference); 2]>;

/// A vector of a batch: its row's index, its column and value.
struct Batched {
    row: usize,
    vector: Incoming,
    reservation: Reservation,
}

/// The vectors of rows, without reservations yet.
unsafe fn batch_of(slots: &[*mut TupleTableSlot], columns: &VectorColumns) -> Vec<Batched> {
    let reservation =
        Reservation { slot: crate::format::store::SlotNo(0), generation: crate::format::store::Generation(0) };
    let mut batch = Vec::new();
    for (row, &slot) in slots.iter().enumerate().filter(|_| !columns.is_empty()) {
        // SAFETY: filled slots of the table's rows
        let vectors = unsafe { incoming(slot, columns) };
        batch.extend(vectors.into_iter().map(|vector| Batched { row, vector, reservation }));
    }
    batch
}

/// Reserves a slot for each vector of a batch, those of a column and of one shape together.
fn reserve_for(batch: &mut [Batched], writer: &StoreWriter) {
    let shape = |b: &Batched| (b.vector.column, b.vector.value.shape());
    batch.sort_by_key(|b| (shape(b), b.row));
    for group in batch.chunk_by_mut(|a, b| shape(a) == shape(b)) {
        let (column, shape) = shape(&group[0]);
        let reserved = writer.store.reserve(attnum(column), shape, group.len());
        for (batched, reservation) in group.iter_mut().zip(reserved) {
            batched.reservation = reservation;
        }
        hit("batch.reserved");
    }
}

/// The references of each of `count` rows.
fn references_of(batch: &[Batched], count: usize, needs: &Needs) -> Vec<References> {
    let mut references: Vec<References> = vec![SmallVec::new(); count];
    for Batched { row, vector, reservation } in batch {
        let form = needs.form(vector.column, Form::Plain);
        references[*row].push((vector.column, reference(reservation, vector.value.shape(), form)));
    }
    references
}

/// The row of a slot's values, as stored.
unsafe fn form_row(rel: Relation, slot: *mut TupleTableSlot, references: &[(u16, Reference)]) -> HeapTuple {
    // SAFETY: a filled slot of the table's rows
    unsafe {
        (*slot).tts_tableOid = Rel::of(rel).oid();
        slot_values(slot);
        form_stored(rel, slot, references)
    }
}

/// Inserts a batch in which decoding needs pointers. What the slots owned before is returned, to be freed when the vectors,
/// which may be there, have been published.
unsafe fn insert_with_pointers(
    rel: Relation,
    slots: &[*mut TupleTableSlot],
    batch: &mut [Batched],
    writer: &StoreWriter,
    needs: &Needs,
    (cid, options, bistate): (CommandId, i32, BulkInsertState),
) -> Vec<HeapTuple> {
    // SAFETY: filled slots of the table's rows
    unsafe {
        let references = references_of(batch, slots.len(), needs);
        let mut rows = Vec::with_capacity(slots.len());
        let mut outside: Vec<u32> = Vec::new();
        for (&slot, references) in slots.iter().zip(&references) {
            let row = NewRow::toast(rel, slot, form_row(rel, slot, references), None, options);
            outside.extend(row.outside(rel));
            rows.push(row);
        }
        for batched in batch.iter_mut() {
            writer.reserve_apart(&batched.vector, &mut batched.reservation, &outside);
        }
        let references = references_of(batch, slots.len(), needs);
        let mut owned = Vec::with_capacity(slots.len());
        for ((&slot, row), references) in slots.iter().zip(rows).zip(&references) {
            row.reveal(rel, references);
            owned.push(slot::store(slot, row.into_stored()));
        }
        hit("batch.formed");
        for Batched { vector, reservation, .. } in batch.iter().filter(|b| needs.logs(b.vector.column)) {
            let reference = reference(reservation, vector.value.shape(), Form::Pointer);
            logical::log_vector(writer.toast(), reference, &vector.value);
        }
        with_shadow(rel, |shadow| heap_multi_insert(shadow, slots, cid, options, bistate));
        for &slot in slots {
            logical::log_commands(rel, &[(*slot).tts_tid]);
        }
        owned
    }
}

pub(super) unsafe extern "C-unwind" fn multi_insert(
    rel: Relation,
    slots: *mut *mut TupleTableSlot,
    nslots: i32,
    cid: CommandId,
    options: i32,
    bistate: BulkInsertState,
) {
    let body = || {
        // SAFETY: the server's own arguments
        unsafe {
            let slots = std::slice::from_raw_parts(slots, nslots as usize);
            let columns = columns_of(rel);
            if !slots.iter().all(|&slot| slot::is_ours(slot)) {
                for &slot in slots {
                    insert(rel, slot, cid, options, bistate, None);
                }
                return;
            }
            let mut batch = batch_of(slots, &columns);
            if batch.is_empty() {
                return heap_multi_insert(rel, slots, cid, options, bistate);
            }
            let writer = StoreWriter::if_any(rel);
            if writer.is_none() {
                batch.clear();
            }
            let needs = publication::needs(rel, Written::Insert, &columns);
            let unlogged = batch.iter().map(|batched| batched.vector.column).filter(|column| !needs.logs(*column));
            publication::note(rel, Written::Insert, unlogged);
            if let Some(writer) = &writer {
                reserve_for(&mut batch, writer);
            }
            let owned = match &writer {
                Some(writer) if !needs.pointers.is_empty() => {
                    insert_with_pointers(rel, slots, &mut batch, writer, &needs, (cid, options, bistate))
                }
                _ => {
                    let references = references_of(&batch, slots.len(), &needs);
                    let mut owned = Vec::with_capacity(slots.len());
                    for (&slot, references) in slots.iter().zip(&references) {
                        owned.push(slot::store(slot, form_row(rel, slot, references)));
                    }
                    hit("batch.formed");
                    heap_multi_insert(rel, slots, cid, options, bistate);
                    owned
                }
            };
            hit("batch.rows");
            batch.sort_by_key(|b| b.reservation.slot);
            let new: Vec<NewVector<'_>> = batch
                .iter()
                .map(|b| NewVector {
                    reservation: b.reservation,
                    tid: tid(&(*slots[b.row]).tts_tid),
                    bytes: b.vector.value.bytes(),
                })
                .collect();
            if let Some(writer) = &writer {
                writer.store.publish(&new, options & pg_sys::HEAP_INSERT_FROZEN as i32 != 0);
            }
            hit("batch.published");
            drop(new);
            drop(batch);
            for before in owned.into_iter().filter(|before| !before.is_null()) {
                raw::heap_freetuple(before);
            }
        }
    };
    // SAFETY: called by the server
    unsafe { guarded(body) }
}

unsafe fn heap_multi_insert(
    rel: Relation,
    slots: &[*mut TupleTableSlot],
    cid: CommandId,
    options: i32,
    bistate: BulkInsertState,
) {
    // SAFETY: all slots are ours, laid out as the heap's
    unsafe {
        let ours = (*slots[0]).tts_ops;
        for &slot in slots {
            (*slot).tts_ops = &raw const pg_sys::TTSOpsBufferHeapTuple;
        }
        let array = slots.as_ptr().cast_mut();
        let count = slots.len() as i32;
        boundary(|| raw::heap_multi_insert(rel, array, count, cid, options, bistate));
        for &slot in slots {
            (*slot).tts_ops = ours;
        }
    }
}
