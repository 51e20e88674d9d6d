//! Deleting and updating rows: what becomes of the vectors that the row had.

use crate::format::store::{Reference, addresses};
use crate::pg::compat;
use crate::pg::error::{boundary, guarded};
use crate::pg::failpoint::hit;
use crate::pg::raw;
use crate::pg::relation::Rel;
use crate::store::deferred_addresses;
use crate::store::deferred_addresses::Move;
use crate::store::{NewVector, Reservation, RowVersion, StoredVector};
use crate::tableam::modify::{Lazy, StoreWriter, attnum, form_stored, keep_stored, reference, slot_values, value};
use crate::tableam::publication;
use crate::tableam::rows;
use crate::tableam::rows::{OldRow, tid};
use crate::tableam::slot::as_heap_slot;
use crate::tableam::vectors::{Pointer, VectorColumns, VectorValue, columns_of, element_of};
use crate::tableam::{heap, partial, row_version};
use crate::vector::ElementType;
use pgrx::pg_sys::{self, CommandId, ItemPointer, Relation, Snapshot, TM_FailureData, TM_Result, TupleTableSlot};
use smallvec::SmallVec;
use std::cell::OnceCell;

#[allow(clippy::too_many_arguments)]
pub(super) unsafe extern "C-unwind" fn tuple_delete(
    rel: Relation,
    at: ItemPointer,
    cid: CommandId,
    snapshot: Snapshot,
    crosscheck: Snapshot,
    wait: bool,
    tmfd: *mut TM_FailureData,
    changing_part: bool,
) -> TM_Result::Type {
    let body = || {
        // SAFETY: the server's own arguments
        unsafe {
            let columns = columns_of(rel);
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
                publication::deleted(rel, with_references(&columns, &row));
                let writer = StoreWriter::open(rel);
                for reference in row.references.iter().flatten() {
                    writer.store.delete(reference.slot, reference.generation);
                    hit("delete.slot");
                }
            }
            result
        }
    };
    // SAFETY: called by the server
    unsafe { guarded(body) }
}

/// The columns of which the row has a reference.
fn with_references<'r>(columns: &'r VectorColumns, row: &'r OldRow) -> impl Iterator<Item = u16> + use<'r> {
    columns.iter().zip(&row.references).filter_map(|(&column, reference)| reference.map(|_| column))
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
    let Reference { slot, generation, .. } = reference;
    let find = || {
        deferred_addresses::settle(slot);
        // SAFETY: the store's relation is open
        unsafe { writer.get().store.slot(slot) }.filter(|slot| slot.generation == generation)
    };
    // SAFETY: rel is open
    let version = || unsafe { old.root(rel) };
    // SAFETY: rel is open
    let is_needed = |at| unsafe { row_version(rel, at, attnum(column), slot, generation) } == RowVersion::Needed;
    addresses::has_room(old.oldest, find, version, is_needed)
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
        let conditions = partial::condition_columns(rel);
        let moves = !conditions.is_empty() && partial::differ(rel, &rows::item_pointer(old.tid), slot, &conditions);
        let table = Rel::of(rel).oid().to_u32();
        let mut plans = SmallVec::new();
        for (&column, &before) in columns.iter().zip(&old.references) {
            let Some(datum) = value(slot, column) else {
                plans.push(Plan::Null);
                continue;
            };
            let element = element_of((*rel).rd_att, column).unwrap_or(ElementType::Float4);
            let same_pointer = |r: Reference| Pointer::read(datum).is_some_and(|p| p.table == table && p.is_of(r));
            if let Some(reference) = before {
                let vector = StoredVector { slot: reference.slot, bytes: reference.shape.bytes() as u32 };
                let equals = || {
                    let value = VectorValue::of(datum, element);
                    value.shape() == reference.shape && writer.get().store.equals(vector, value.bytes())
                };
                let unchanged = same_pointer(reference) || equals();
                if unchanged && !moves && has_room(rel, writer, column, reference, old) {
                    plans.push(Plan::Keep(reference));
                    continue;
                }
            }
            let value = VectorValue::of(datum, element);
            let reservation = writer.get().store.reserve(attnum(column), value.shape(), 1)[0];
            plans.push(Plan::Store(value, reservation));
            hit("update.reserved");
        }
        plans
    }
}

/// What the new row has in place of its vectors.
fn references_of(columns: &VectorColumns, plans: &[Plan]) -> SmallVec<[(u16, Reference); 2]> {
    columns
        .iter()
        .zip(plans)
        .filter_map(|(&column, plan)| match plan {
            Plan::Null => None,
            Plan::Keep(kept) => Some((column, *kept)),
            Plan::Store(value, reservation) => Some((column, reference(reservation, value.shape()))),
        })
        .collect()
}

/// Gives back what was reserved for an update that did not take place.
unsafe fn release(plans: &[Plan], writer: &Lazy<'_>) {
    for plan in plans {
        if let Plan::Store(_, reservation) = plan {
            // SAFETY: the store's relation is open
            unsafe { writer.get().store.release(&[*reservation]) };
        }
    }
}

/// Tells the store of an update that has taken place: `tuple` is the new row version.
unsafe fn carry_out(rel: Relation, plans: &[Plan], old: &OldRow, writer: &Lazy<'_>, tuple: pg_sys::HeapTuple) {
    // SAFETY: rel and the store's relation are open
    unsafe {
        let hot = rows::is_heap_only(tuple);
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
                    let (slot, generation, after) = (reference.slot, reference.generation, old.made_by);
                    let moved = Move { slot, generation, from, to, after };
                    deferred_addresses::row_moved((*(*rel).rd_rel).reltoastrelid, moved);
                    hit("update.moved");
                }
                (Plan::Keep(_), _) | (_, None) => {}
                (_, Some(replaced)) => {
                    writer.get().store.delete(replaced.slot, replaced.generation);
                    hit("update.replaced");
                }
            }
        }
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) unsafe extern "C-unwind" fn tuple_update(
    rel: Relation,
    otid: ItemPointer,
    slot: *mut TupleTableSlot,
    cid: CommandId,
    snapshot: Snapshot,
    crosscheck: Snapshot,
    wait: bool,
    tmfd: *mut TM_FailureData,
    lockmode: *mut pg_sys::LockTupleMode::Type,
    update_indexes: *mut compat::UpdateIndexes,
) -> TM_Result::Type {
    let body = || {
        // SAFETY: the server's own arguments
        unsafe {
            let mut otid = *otid;
            let columns = columns_of(rel);
            let old = if columns.is_empty() { None } else { rows::old_row(rel, &otid, &columns) };
            if !columns.is_empty() {
                slot_values(slot);
            }
            let involved = |old: &OldRow| {
                old.references.iter().any(Option::is_some)
                    || columns.iter().any(|&column| value(slot, column).is_some())
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
            (*slot).tts_tableOid = Rel::of(rel).oid();
            // a row with a reference has a store; one without may be of a table that has none
            let stores = old.references.iter().any(Option::is_some) || writer.is_there();
            let plans = if stores {
                let new = columns.iter().copied().filter(|&column| value(slot, column).is_some());
                publication::updated(rel, with_references(&columns, &old), new);
                plan(rel, slot, &columns, &old, &writer)
            } else {
                SmallVec::new()
            };
            let references = references_of(&columns, &plans);
            let tuple = form_stored(rel, slot, &references);
            hit("update.planned");
            let result = boundary(|| {
                compat::update_row(rel, &mut otid, tuple, cid, crosscheck, wait, tmfd, lockmode, update_indexes)
            });
            hit("update.row");
            if result != TM_Result::TM_Ok {
                hit("update.refused");
                release(&plans, &writer);
                raw::heap_freetuple(tuple);
                return result;
            }
            carry_out(rel, &plans, &old, &writer, tuple);
            drop(plans);
            keep_stored(slot, tuple);
            result
        }
    };
    // SAFETY: called by the server
    unsafe { guarded(body) }
}
