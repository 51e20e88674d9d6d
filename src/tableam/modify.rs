//! Writing rows: vectors go to the store around the heap's own insert, delete and update.
//!
//! Order, and what a crash or an error leaves (`design/mvcc.md`): reserve slots; let the heap write the row with the
//! references; publish the vectors. Until the last step the slots are RESERVED by a transaction that, if the step is
//! not reached, is aborted.

use super::rows::{self, OldRow, item_pointer, tid};
use super::slot::{self, as_heap_slot};
use super::vectors::{Pointer, VectorColumns, VectorValue, columns_of};
use super::{heap, row_version};
use crate::error::{Error, SqlState};
use crate::pg::error::{boundary, guarded, raise};
use crate::pg::failpoint::hit;
use crate::pg::raw;
use crate::pg::relation::{self, OpenRelation};
use crate::segment::reference::REFERENCE_BYTES;
use crate::segment::{Reference, Tid};
use crate::store::pending::{self, Move};
use crate::store::{NewVector, Reservation, RowVersion, Store, StoredVector};
use pgrx::pg_sys::{
    self, BulkInsertState, CommandId, Datum, HeapTuple, ItemPointer, Relation, Snapshot, TM_FailureData, TM_Result,
    TableAmRoutine, TupleTableSlot,
};
use smallvec::SmallVec;
use std::cell::OnceCell;

/// Puts our callbacks for writing into `routine`.
pub fn replace(routine: &mut TableAmRoutine) {
    routine.tuple_insert = Some(tuple_insert);
    routine.tuple_insert_speculative = Some(tuple_insert_speculative);
    routine.tuple_complete_speculative = Some(tuple_complete_speculative);
    routine.multi_insert = Some(multi_insert);
    routine.tuple_delete = Some(tuple_delete);
    routine.tuple_update = Some(tuple_update);
}

/// The table's vector store, opened for writing.
struct Writer {
    store: Store,
    _toast: OpenRelation,
}

impl Writer {
    unsafe fn open(rel: Relation) -> Self {
        // SAFETY: rel is open
        unsafe {
            let toast = (*(*rel).rd_rel).reltoastrelid;
            if toast == pg_sys::InvalidOid {
                let name = relation::name(rel);
                raise(Error::new(SqlState::Internal, format!("table \"{name}\" has no vector store")));
            }
            let toast = OpenRelation::open_for_writing(toast);
            Self { store: Store::of(toast.raw()), _toast: toast }
        }
    }
}

/// What is written to a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Insert,
    Update,
    Delete,
}

/// Raises an error if the write would be published: logical decoding reads rows from WAL, where vectors are not, and
/// its subscribers would get references in their place.
unsafe fn refuse_published(rel: Relation, written: Written) {
    // SAFETY: rel is open
    unsafe {
        if pg_sys::wal_level < pg_sys::WalLevel::WAL_LEVEL_LOGICAL as i32 || !relation::needs_wal(rel) {
            return;
        }
        let mut desc = pg_sys::PublicationDesc::default();
        pg_sys::RelationBuildPublicationDesc(rel, &mut desc);
        let published = match written {
            Written::Insert => desc.pubactions.pubinsert,
            Written::Update => desc.pubactions.pubupdate,
            Written::Delete => desc.pubactions.pubdelete,
        };
        if published {
            let name = relation::name(rel);
            raise(
                Error::new(
                    SqlState::FeatureNotSupported,
                    format!("cannot write to table \"{name}\": it is published, and its vectors cannot be replicated logically"),
                )
                .hint(
                    "Take it out of the publication (also of those FOR ALL TABLES), or convert it with ALTER TABLE \
                     ... SET ACCESS METHOD heap. Physical replication carries the vectors.",
                ),
            );
        }
    }
}

/// The table's vector store, opened when it is first needed: most updates leave it alone.
struct Lazy<'w> {
    rel: Relation,
    opened: &'w OnceCell<Writer>,
}

impl Lazy<'_> {
    unsafe fn get(&self) -> &Writer {
        // SAFETY: rel is open
        self.opened.get_or_init(|| unsafe { Writer::open(self.rel) })
    }
}

/// A vector that a row about to be written brings along.
struct Incoming {
    /// index of its column
    column: u16,
    value: VectorValue,
}

/// The values of `slot`, whatever its type.
unsafe fn slot_values(slot: *mut TupleTableSlot) {
    // SAFETY: a filled slot
    unsafe {
        let natts = (*(*slot).tts_tupleDescriptor).natts;
        if i32::from((*slot).tts_nvalid) < natts {
            pg_sys::slot_getsomeattrs_int(slot, natts);
        }
    }
}

unsafe fn value(slot: *mut TupleTableSlot, column: u16) -> Option<Datum> {
    // SAFETY: the slot's values were read
    unsafe {
        let i = usize::from(column);
        (!*(*slot).tts_isnull.add(i)).then(|| *(*slot).tts_values.add(i))
    }
}

unsafe fn incoming(slot: *mut TupleTableSlot, columns: &VectorColumns) -> SmallVec<[Incoming; 2]> {
    // SAFETY: a filled slot
    unsafe {
        slot_values(slot);
        let bring = |&column: &u16| {
            let value = VectorValue::of(value(slot, column)?);
            (value.dims() > 0).then_some(Incoming { column, value })
        };
        columns.iter().filter_map(bring).collect()
    }
}

fn attnum(column: u16) -> i16 {
    column as i16 + 1
}

/// Forms the row as stored: the slot's values with `references` (column, reference) in the vectors' places. The tuple
/// is allocated in the slot's memory context.
unsafe fn form_stored(rel: Relation, slot: *mut TupleTableSlot, references: &[(u16, Reference)]) -> HeapTuple {
    // SAFETY: a filled slot whose row type is the relation's
    unsafe {
        let desc = (*rel).rd_att;
        let natts = (*desc).natts as usize;
        let mut values: SmallVec<[Datum; 16]> =
            SmallVec::from_slice(std::slice::from_raw_parts((*slot).tts_values, natts));
        let encoded: SmallVec<[[u8; REFERENCE_BYTES]; 4]> = references.iter().map(|(_, r)| r.encode()).collect();
        for ((column, _), bytes) in references.iter().zip(&encoded) {
            values[usize::from(*column)] = Datum::from(bytes.as_ptr());
        }
        let context = pg_sys::MemoryContextSwitchTo((*slot).tts_mcxt);
        let tuple = pg_sys::heap_form_tuple(desc, values.as_mut_ptr(), (*slot).tts_isnull);
        pg_sys::MemoryContextSwitchTo(context);
        (*tuple).t_tableOid = relation::oid(rel);
        tuple
    }
}

fn reference(reservation: &Reservation, dims: u16) -> Reference {
    Reference { slot: reservation.slot, generation: reservation.generation, dims }
}

/// Leaves the stored row in the slot, as after the heap's insert, so that RETURNING, triggers and indexes see it.
unsafe fn keep_stored(slot: *mut TupleTableSlot, tuple: HeapTuple) {
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
unsafe fn keep_given(slot: *mut TupleTableSlot, tuple: HeapTuple) {
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

unsafe fn insert(
    rel: Relation,
    slot: *mut TupleTableSlot,
    cid: CommandId,
    options: i32,
    bistate: BulkInsertState,
    token: Option<u32>,
) {
    const SPECULATIVE_OFFSET: u16 = 0xfffe;
    // SAFETY: the server's own arguments
    unsafe {
        (*slot).tts_tableOid = relation::oid(rel);
        let columns = columns_of(rel);
        if !columns.is_empty() {
            refuse_published(rel, Written::Insert);
        }
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
        let writer = Writer::open(rel);
        let reserved: SmallVec<[Reservation; 2]> = vectors
            .iter()
            .map(|vector| writer.store.reserve(attnum(vector.column), vector.value.dims(), 1)[0])
            .collect();
        let references: SmallVec<[_; 2]> = vectors
            .iter()
            .zip(&reserved)
            .map(|(vector, reservation)| (vector.column, reference(reservation, vector.value.dims())))
            .collect();
        hit("insert.reserved");
        let tuple = form_stored(rel, slot, &references);
        let mut heap_options = options;
        if let Some(token) = token {
            (*(*tuple).t_data).t_ctid = item_pointer(Tid { block: token, offset: SPECULATIVE_OFFSET });
            heap_options |= pg_sys::HEAP_INSERT_SPECULATIVE as i32;
        }
        boundary(|| raw::heap_insert(rel, tuple, cid, heap_options, bistate));
        let at = tid(&(*tuple).t_self);
        hit("insert.row");
        let frozen = options & pg_sys::HEAP_INSERT_FROZEN as i32 != 0;
        for (vector, reservation) in vectors.iter().zip(&reserved) {
            let new = NewVector { reservation: *reservation, tid: at, bytes: vector.value.bytes() };
            writer.store.publish(&[new], frozen);
            hit("insert.published");
        }
        drop(vectors);
        if token.is_some() {
            hit("speculative.inserted");
            keep_given(slot, tuple);
        } else {
            keep_stored(slot, tuple);
        }
    }
}

unsafe extern "C-unwind" fn tuple_insert(
    rel: Relation,
    slot: *mut TupleTableSlot,
    cid: CommandId,
    options: i32,
    bistate: BulkInsertState,
) {
    // SAFETY: the server's own arguments
    unsafe { guarded(|| insert(rel, slot, cid, options, bistate, None)) }
}

unsafe extern "C-unwind" fn tuple_insert_speculative(
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

unsafe extern "C-unwind" fn tuple_complete_speculative(
    rel: Relation,
    slot: *mut TupleTableSlot,
    token: u32,
    succeeded: bool,
) {
    // SAFETY: the server's own arguments
    unsafe { guarded(|| tuple_complete_speculative_guarded(rel, slot, token, succeeded)) }
}

unsafe fn tuple_complete_speculative_guarded(rel: Relation, slot: *mut TupleTableSlot, token: u32, succeeded: bool) {
    // SAFETY: the server's own arguments
    unsafe {
        let columns = columns_of(rel);
        let lost = if succeeded || columns.is_empty() { None } else { rows::old_row(rel, &(*slot).tts_tid, &columns) };
        hit(if succeeded { "speculative.confirm" } else { "speculative.lost" });
        let complete = heap().tuple_complete_speculative.unwrap_unchecked();
        as_heap_slot(slot, || boundary(|| complete(rel, slot, token, succeeded)));
        hit(if succeeded { "speculative.confirmed" } else { "speculative.row_gone" });
        if let Some(row) = lost {
            let writer = Writer::open(rel);
            for reference in row.references.iter().flatten() {
                writer.store.discard(reference.slot, reference.generation);
                hit("speculative.discarded");
            }
        }
    }
}

/// A vector of a batch: its row's index, its column and value.
struct Batched {
    row: usize,
    vector: Incoming,
    reservation: Reservation,
}

unsafe extern "C-unwind" fn multi_insert(
    rel: Relation,
    slots: *mut *mut TupleTableSlot,
    nslots: i32,
    cid: CommandId,
    options: i32,
    bistate: BulkInsertState,
) {
    // SAFETY: the server's own arguments
    unsafe { guarded(|| multi_insert_guarded(rel, slots, nslots, cid, options, bistate)) }
}

unsafe fn multi_insert_guarded(
    rel: Relation,
    slots: *mut *mut TupleTableSlot,
    nslots: i32,
    cid: CommandId,
    options: i32,
    bistate: BulkInsertState,
) {
    // SAFETY: the server's own arguments
    unsafe {
        let slots = std::slice::from_raw_parts(slots, nslots as usize);
        let columns = columns_of(rel);
        if !columns.is_empty() {
            refuse_published(rel, Written::Insert);
        }
        if !slots.iter().all(|&slot| slot::is_ours(slot)) {
            for &slot in slots {
                insert(rel, slot, cid, options, bistate, None);
            }
            return;
        }
        let mut batch: Vec<Batched> = Vec::new();
        for (row, &slot) in slots.iter().enumerate().filter(|_| !columns.is_empty()) {
            for vector in incoming(slot, &columns) {
                let reservation =
                    Reservation { slot: crate::segment::SlotNo(0), generation: crate::segment::Generation(0) };
                batch.push(Batched { row, vector, reservation });
            }
        }
        if batch.is_empty() {
            return heap_multi_insert(rel, slots, cid, options, bistate);
        }
        let writer = Writer::open(rel);
        let shape = |b: &Batched| (b.vector.column, b.vector.value.dims());
        batch.sort_by_key(|b| (shape(b), b.row));
        for group in batch.chunk_by_mut(|a, b| shape(a) == shape(b)) {
            let (column, dims) = shape(&group[0]);
            let reserved = writer.store.reserve(attnum(column), dims, group.len());
            for (batched, reservation) in group.iter_mut().zip(reserved) {
                batched.reservation = reservation;
            }
            hit("batch.reserved");
        }
        let mut references: Vec<SmallVec<[(u16, Reference); 2]>> = vec![SmallVec::new(); slots.len()];
        for batched in &batch {
            let reference = reference(&batched.reservation, batched.vector.value.dims());
            references[batched.row].push((batched.vector.column, reference));
        }
        let mut owned = Vec::with_capacity(slots.len());
        for (&slot, references) in slots.iter().zip(&references) {
            (*slot).tts_tableOid = relation::oid(rel);
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
        writer.store.publish(&new, options & pg_sys::HEAP_INSERT_FROZEN as i32 != 0);
        hit("batch.published");
        drop(new);
        drop(batch);
        for before in owned.into_iter().filter(|before| !before.is_null()) {
            raw::heap_freetuple(before);
        }
    }
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

#[allow(clippy::too_many_arguments)]
unsafe extern "C-unwind" fn tuple_delete(
    rel: Relation,
    at: ItemPointer,
    cid: CommandId,
    snapshot: Snapshot,
    crosscheck: Snapshot,
    wait: bool,
    tmfd: *mut TM_FailureData,
    changing_part: bool,
) -> TM_Result::Type {
    // SAFETY: the server's own arguments
    unsafe { guarded(|| tuple_delete_guarded(rel, at, cid, snapshot, crosscheck, wait, tmfd, changing_part)) }
}

#[allow(clippy::too_many_arguments)]
unsafe fn tuple_delete_guarded(
    rel: Relation,
    at: ItemPointer,
    cid: CommandId,
    snapshot: Snapshot,
    crosscheck: Snapshot,
    wait: bool,
    tmfd: *mut TM_FailureData,
    changing_part: bool,
) -> TM_Result::Type {
    // SAFETY: the server's own arguments
    unsafe {
        let columns = columns_of(rel);
        if !columns.is_empty() {
            refuse_published(rel, Written::Delete);
        }
        let at = *at;
        let mut target = at;
        let delete = heap().tuple_delete.unwrap_unchecked();
        let result = boundary(|| delete(rel, &mut target, cid, snapshot, crosscheck, wait, tmfd, changing_part));
        hit("delete.row");
        if result == TM_Result::TM_Ok
            && !columns.is_empty()
            && let Some(row) = rows::old_row(rel, &at, &columns)
            && row.references.iter().any(Option::is_some)
        {
            let writer = Writer::open(rel);
            for reference in row.references.iter().flatten() {
                writer.store.delete(reference.slot, reference.generation);
                hit("delete.slot");
            }
        }
        result
    }
}

/// What an update does with one vector column.
enum Plan {
    /// the new row has no vector there
    Null,
    /// the row's vector stays
    Keep(Reference),
    /// a new vector is stored
    Store(VectorValue, Reservation),
}

/// Whether the slot can be told of one more address of its row, the present version, `old`, being one that it
/// knows. Where no snapshot needs an older version, what the slot knows of one can go.
unsafe fn has_room(rel: Relation, writer: &Lazy<'_>, column: u16, reference: Reference, old: &OldRow) -> bool {
    if old.oldest {
        return true;
    }
    // SAFETY: rel and the store's relation are open
    unsafe {
        let store = &writer.get().store;
        pending::settle(reference.slot);
        store.slot(reference.slot).filter(|s| s.generation == reference.generation).is_some_and(|slot| {
            let gone =
                |at| row_version(rel, at, attnum(column), reference.slot, reference.generation) == RowVersion::Gone;
            if !slot.head.is_some() {
                return true;
            }
            let root = old.root(rel);
            if slot.tail == root { gone(slot.head) } else { slot.head == root }
        })
    }
}

/// What the update to the slot's values does with each vector column.
unsafe fn plan(
    rel: Relation,
    slot: *mut TupleTableSlot,
    columns: &VectorColumns,
    old: &OldRow,
    writer: &Lazy<'_>,
) -> SmallVec<[Plan; 2]> {
    // SAFETY: a filled slot whose row type is the relation's
    unsafe {
        let table = relation::oid(rel).to_u32();
        let mut plans = SmallVec::new();
        for (&column, &before) in columns.iter().zip(&old.references) {
            let Some(datum) = value(slot, column) else {
                plans.push(Plan::Null);
                continue;
            };
            let same_pointer = |r: Reference| Pointer::read(datum).is_some_and(|p| p.table == table && p.is_of(r));
            if let Some(reference) = before {
                let vector = StoredVector { slot: reference.slot, dims: reference.dims };
                let unchanged =
                    same_pointer(reference) || writer.get().store.equals(vector, VectorValue::of(datum).bytes());
                if unchanged && has_room(rel, writer, column, reference, old) {
                    plans.push(Plan::Keep(reference));
                    continue;
                }
            }
            let value = VectorValue::of(datum);
            let reservation = writer.get().store.reserve(attnum(column), value.dims(), 1)[0];
            plans.push(Plan::Store(value, reservation));
            hit("update.reserved");
        }
        plans
    }
}

#[allow(clippy::too_many_arguments)]
unsafe extern "C-unwind" fn tuple_update(
    rel: Relation,
    otid: ItemPointer,
    slot: *mut TupleTableSlot,
    cid: CommandId,
    snapshot: Snapshot,
    crosscheck: Snapshot,
    wait: bool,
    tmfd: *mut TM_FailureData,
    lockmode: *mut pg_sys::LockTupleMode::Type,
    update_indexes: *mut bool,
) -> TM_Result::Type {
    // SAFETY: the server's own arguments
    unsafe {
        guarded(|| {
            tuple_update_guarded(rel, otid, slot, cid, snapshot, crosscheck, wait, tmfd, lockmode, update_indexes)
        })
    }
}

#[allow(clippy::too_many_arguments)]
unsafe fn tuple_update_guarded(
    rel: Relation,
    otid: ItemPointer,
    slot: *mut TupleTableSlot,
    cid: CommandId,
    snapshot: Snapshot,
    crosscheck: Snapshot,
    wait: bool,
    tmfd: *mut TM_FailureData,
    lockmode: *mut pg_sys::LockTupleMode::Type,
    update_indexes: *mut bool,
) -> TM_Result::Type {
    // SAFETY: the server's own arguments
    unsafe {
        let mut otid = *otid;
        let columns = columns_of(rel);
        let old = if columns.is_empty() { None } else { rows::old_row(rel, &otid, &columns) };
        if !columns.is_empty() {
            refuse_published(rel, Written::Update);
            slot_values(slot);
        }
        let involved = |old: &OldRow| {
            old.references.iter().any(Option::is_some) || columns.iter().any(|&column| value(slot, column).is_some())
        };
        let Some(old) = old.filter(involved) else {
            let update = heap().tuple_update.unwrap_unchecked();
            return as_heap_slot(slot, || {
                boundary(|| {
                    update(rel, &mut otid, slot, cid, snapshot, crosscheck, wait, tmfd, lockmode, update_indexes)
                })
            });
        };
        let opened = OnceCell::new();
        let writer = Lazy { rel, opened: &opened };
        (*slot).tts_tableOid = relation::oid(rel);
        let plans = plan(rel, slot, &columns, &old, &writer);
        let references: SmallVec<[_; 2]> = columns
            .iter()
            .zip(&plans)
            .filter_map(|(&column, plan)| match plan {
                Plan::Null => None,
                Plan::Keep(kept) => Some((column, *kept)),
                Plan::Store(value, reservation) => Some((column, reference(reservation, value.dims()))),
            })
            .collect();
        let tuple = form_stored(rel, slot, &references);
        hit("update.planned");
        let result = boundary(|| raw::heap_update(rel, &mut otid, tuple, cid, crosscheck, wait, tmfd, lockmode));
        hit("update.row");
        if result != TM_Result::TM_Ok {
            *update_indexes = false;
            hit("update.refused");
            for plan in &plans {
                if let Plan::Store(_, reservation) = plan {
                    writer.get().store.release(&[*reservation]);
                }
            }
            raw::heap_freetuple(tuple);
            return result;
        }
        let hot = rows::is_heap_only(tuple);
        *update_indexes = !hot;
        let stores = plans.iter().any(|plan| matches!(plan, Plan::Store(..)));
        let at = if stores { rows::index_tid(rel, tuple) } else { tid(&(*tuple).t_self) };
        for (plan, before) in plans.iter().zip(&old.references) {
            if let Plan::Store(value, reservation) = plan {
                let new = NewVector { reservation: *reservation, tid: at, bytes: value.bytes() };
                writer.get().store.publish(&[new], false);
                hit("update.published");
            }
            match (plan, before) {
                (Plan::Keep(reference), _) if !hot => {
                    let (from, to) = (old.root(rel), tid(&(*tuple).t_self));
                    let (slot, generation) = (reference.slot, reference.generation);
                    pending::row_moved((*(*rel).rd_rel).reltoastrelid, Move { slot, generation, from, to });
                    hit("update.moved");
                }
                (Plan::Keep(_), _) | (_, None) => {}
                (_, Some(replaced)) => {
                    writer.get().store.delete(replaced.slot, replaced.generation);
                    hit("update.replaced");
                }
            }
        }
        drop(plans);
        keep_stored(slot, tuple);
        result
    }
}
