//! Inserting rows, one by one, speculatively and in batches.

use crate::format::store::{Reference, Tid};
use crate::pg::error::{boundary, guarded};
use crate::pg::failpoint::hit;
use crate::pg::raw;
use crate::pg::relation::Rel;
use crate::store::{NewVector, Reservation};
use crate::tableam::heap;
use crate::tableam::modify::{
    Incoming, StoreWriter, attnum, form_stored, incoming, keep_given, keep_stored, reference, slot_values,
};
use crate::tableam::publication;
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
        publication::inserted(rel, vectors.iter().map(|vector| vector.column));
        let reserved: SmallVec<[Reservation; 2]> = vectors
            .iter()
            .map(|vector| writer.store.reserve(attnum(vector.column), vector.value.shape(), 1)[0])
            .collect();
        let references: SmallVec<[_; 2]> = vectors
            .iter()
            .zip(&reserved)
            .map(|(vector, reservation)| (vector.column, reference(reservation, vector.value.shape())))
            .collect();
        let tuple = form_stored(rel, slot, &references);
        hit("insert.reserved");
        insert_row(rel, tuple, cid, options, bistate, token);
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
            let lost =
                if succeeded || columns.is_empty() { None } else { rows::old_row(rel, &(*slot).tts_tid, &columns) };
            hit(if succeeded { "speculative.confirm" } else { "speculative.lost" });
            let complete = heap().tuple_complete_speculative.unwrap_unchecked();
            as_heap_slot(slot, || boundary(|| complete(rel, slot, token, succeeded)));
            hit(if succeeded { "speculative.confirmed" } else { "speculative.row_gone" });
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
            publication::inserted(rel, batch.iter().map(|batched| batched.vector.column));
            if let Some(writer) = &writer {
                reserve_for(&mut batch, writer);
            }
            let mut references: Vec<SmallVec<[(u16, Reference); 2]>> = vec![SmallVec::new(); slots.len()];
            for batched in &batch {
                let reference = reference(&batched.reservation, batched.vector.value.shape());
                references[batched.row].push((batched.vector.column, reference));
            }
            let mut owned = Vec::with_capacity(slots.len());
            for (&slot, references) in slots.iter().zip(&references) {
                (*slot).tts_tableOid = Rel::of(rel).oid();
                slot_values(slot);
                let tuple = form_stored(rel, slot, references);
                owned.push(slot::store(slot, tuple));
            }
            hit("batch.formed");
            heap_multi_insert(rel, slots, cid, options, bistate);
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
