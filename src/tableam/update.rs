//! Deleting and updating rows: what becomes of the vectors that the row had.

use crate::format::store::reference::Form;
use crate::format::store::{Reference, addresses};
use crate::pg::compat;
use crate::pg::error::{boundary, guarded};
use crate::pg::failpoint::hit;
use crate::pg::raw;
use crate::pg::relation::Rel;
use crate::pg::shadow::with_shadow;
use crate::store::deferred_addresses;
use crate::store::deferred_addresses::Move;
use crate::store::{NewVector, Reservation, RowVersion, StoredVector};
use crate::tableam::logical;
use crate::tableam::logical::{NewRow, Outside};
use crate::tableam::modify::{
    Incoming, Lazy, StoreWriter, attnum, form_stored, keep_stored, reference, slot_values, value,
};
use crate::tableam::publication;
use crate::tableam::publication::{Needs, Written};
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
            let may_have_pointers = !columns.is_empty() || logical::has_dropped(rel);
            // its header does not say that values are to be fetched for the log
            let is_fetched = may_have_pointers
                && publication::logs_full_rows(rel)
                && Outside::of(rel, &at).is_some_and(|outside| outside.has_pointers);
            let result = if is_fetched {
                with_shadow(rel, |shadow| {
                    boundary(|| raw::heap_delete(shadow, &mut target, cid, crosscheck, wait, tmfd, changing_part))
                })
            } else {
                let delete = heap().tuple_delete.unwrap_unchecked();
                boundary(|| delete(rel, &mut target, cid, snapshot, crosscheck, wait, tmfd, changing_part))
            };
            if is_fetched && result == TM_Result::TM_Ok {
                logical::log_commands(rel, &[at]);
            }
            hit("delete.row");
            if result != TM_Result::TM_Ok || !may_have_pointers {
                return result;
            }
            let row = rows::old_row(rel, &at, &columns);
            if row.as_ref().is_some_and(has_pointers)
                && let Some(outside) = Outside::of(rel, &at)
            {
                // the heap's code has left them alone
                outside.delete(rel, false);
            }
            if let Some(row) = row
                && row.references.iter().any(Option::is_some)
            {
                publication::note_old(rel, Written::Delete, plain_references(&columns, &row));
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

/// The columns of which the row has a reference that is no pointer.
fn plain_references<'r>(columns: &'r VectorColumns, row: &'r OldRow) -> impl Iterator<Item = u16> + use<'r> {
    let is_plain = |reference: &Reference| reference.form == Form::Plain;
    columns
        .iter()
        .zip(&row.references)
        .filter_map(move |(&column, reference)| reference.filter(is_plain).map(|_| column))
}

fn has_pointers(row: &OldRow) -> bool {
    row.has_dropped_pointer || row.references.iter().flatten().any(|reference| reference.form == Form::Pointer)
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
                let vector = StoredVector { slot: reference.slot, bytes: reference.bytes };
                let equals = || {
                    let value = VectorValue::of(datum, element);
                    reference.shape == Some(value.shape()) && writer.get().store.equals(vector, value.bytes())
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
fn references_of(columns: &VectorColumns, plans: &[Plan], needs: &Needs) -> SmallVec<[(u16, Reference); 2]> {
    columns
        .iter()
        .zip(plans)
        .filter_map(|(&column, plan)| match plan {
            Plan::Null => None,
            Plan::Keep(kept) => Some((column, Reference { form: needs.form(column, kept.form), ..*kept })),
            Plan::Store(value, reservation) => {
                let form = needs.form(column, Form::Plain);
                Some((column, reference(reservation, value.shape(), form)))
            }
        })
        .collect()
}

/// Whether the update changes what the row has in place of the vector of `column`.
fn changes(columns: &VectorColumns, plans: &[Plan], needs: &Needs, old: &OldRow, column: u16) -> bool {
    let mut all = columns.iter().zip(plans).zip(&old.references).filter(|((of, _), _)| **of == column);
    all.any(|((_, plan), before)| match plan {
        Plan::Null => before.is_some(),
        Plan::Keep(kept) => needs.form(column, kept.form) != kept.form,
        Plan::Store(..) => true,
    })
}

/// The columns whose vectors decoding could not have from the new row, though it is to have them.
fn unlogged<'r>(
    columns: &'r VectorColumns,
    plans: &'r [Plan],
    needs: &'r Needs,
) -> impl Iterator<Item = u16> + use<'r> {
    let is_unlogged = |column: u16, plan: &Plan| match plan {
        Plan::Null => false,
        Plan::Keep(kept) => needs.form(column, kept.form) == Form::Plain,
        Plan::Store(..) => !needs.logs(column),
    };
    columns.iter().zip(plans).filter(move |(column, plan)| is_unlogged(**column, plan)).map(|(&column, _)| column)
}

/// Sees to it that no vector's slot has the number of a value that the new row has out of line: decoding tells them by number.
/// A vector that would stay is copied.
unsafe fn set_apart(
    rel: Relation,
    slot: *mut TupleTableSlot,
    columns: &VectorColumns,
    plans: &mut [Plan],
    needs: &Needs,
    writer: &Lazy<'_>,
    taken: &[u32],
) {
    // SAFETY: a filled slot whose row type is the relation's
    unsafe {
        for (&column, plan) in columns.iter().zip(plans) {
            let number = match plan {
                Plan::Null => continue,
                Plan::Keep(kept) => kept.slot.0,
                Plan::Store(_, reservation) => reservation.slot.0,
            };
            let form = if let Plan::Keep(kept) = plan { kept.form } else { Form::Plain };
            if needs.form(column, form) == Form::Plain || !taken.contains(&number) {
                continue;
            }
            let Some(datum) = value(slot, column) else { continue };
            let element = element_of((*rel).rd_att, column).unwrap_or(ElementType::Float4);
            let incoming = Incoming { column, value: VectorValue::of(datum, element) };
            let mut reservation = match plan {
                Plan::Store(_, reservation) => *reservation,
                _ => writer.get().store.reserve(attnum(column), incoming.value.shape(), 1)[0],
            };
            writer.get().reserve_apart(&incoming, &mut reservation, taken);
            *plan = Plan::Store(incoming.value, reservation);
        }
    }
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
            let has_dropped = logical::has_dropped(rel);
            let old = if columns.is_empty() && !has_dropped { None } else { rows::old_row(rel, &otid, &columns) };
            let outside = match &old {
                Some(old) if has_pointers(old) => Outside::of(rel, &otid).filter(|o| o.has_pointers),
                _ => None,
            };
            if old.is_some() {
                slot_values(slot);
            }
            let involved = |old: &OldRow| {
                outside.is_some()
                    || old.references.iter().any(Option::is_some)
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
            let mut needs = Needs::default();
            let mut plans = if stores {
                needs = publication::needs(rel, Written::Update, &columns);
                publication::note_old(rel, Written::Update, plain_references(&columns, &old));
                plan(rel, slot, &columns, &old, &writer)
            } else {
                SmallVec::new()
            };
            publication::note(rel, Written::Update, unlogged(&columns, &plans, &needs));
            let references = references_of(&columns, &plans, &needs);
            let tuple = form_stored(rel, slot, &references);
            hit("update.planned");
            let result = if outside.is_some() || logical::any_pointer(&references) {
                let outside = outside.or_else(|| Outside::of(rel, &otid));
                // as a row that is new to a subscriber it needs its vectors, which the old one is not to be had with
                let is_sent_whole = needs.has_filter && publication::changes_key(rel, &otid, slot, &columns);
                let logs = |plan: &Plan, column| {
                    needs.logs(column)
                        && match plan {
                            Plan::Null => false,
                            Plan::Keep(_) => is_sent_whole,
                            Plan::Store(..) => true,
                        }
                };
                let is_toasted = NewRow::is_to_be_toasted(tuple);
                let is_prepared = plans.iter().zip(&columns).any(|(plan, &column)| logs(plan, column))
                    || is_toasted
                    || outside.as_ref().is_some_and(|outside| outside.has_others);
                let is_certain = is_prepared && {
                    let changes = |column| changes(&columns, &plans, &needs, &old, column);
                    let mode = logical::lock_mode(rel, &otid, slot, &columns, changes, is_toasted);
                    logical::lock_for_update(rel, &mut otid, mode, cid, crosscheck, tmfd)
                };
                let row = if is_certain {
                    let row = NewRow::toast(rel, slot, tuple, outside.as_ref(), 0);
                    set_apart(rel, slot, &columns, &mut plans, &needs, &writer, &row.outside(rel));
                    row
                } else {
                    NewRow::unprepared(tuple)
                };
                let references = references_of(&columns, &plans, &needs);
                row.reveal(rel, &references);
                if is_certain {
                    for (plan, &column) in plans.iter().zip(&columns).filter(|(plan, column)| logs(plan, **column)) {
                        let toast = writer.get().toast();
                        match (plan, value(slot, column)) {
                            (Plan::Store(value, reservation), _) => {
                                let reference = reference(reservation, value.shape(), Form::Pointer);
                                logical::log_vector(toast, reference, value);
                            }
                            (Plan::Keep(kept), Some(datum)) => {
                                let element = element_of((*rel).rd_att, column).unwrap_or(ElementType::Float4);
                                logical::log_vector(toast, *kept, &VectorValue::of(datum, element));
                            }
                            _ => {}
                        }
                    }
                }
                let result = row.write(rel, |shadow, stored| {
                    let at = &mut otid;
                    boundary(|| {
                        compat::update_row(shadow, at, stored, cid, crosscheck, wait, tmfd, lockmode, update_indexes)
                    })
                });
                row.free_stored();
                if result == TM_Result::TM_Ok {
                    logical::log_commands(rel, &[otid, (*tuple).t_self]);
                }
                if (result == TM_Result::TM_Ok) != is_certain && is_prepared {
                    logical::raise_uncertain(rel);
                }
                result
            } else {
                boundary(|| {
                    compat::update_row(rel, &mut otid, tuple, cid, crosscheck, wait, tmfd, lockmode, update_indexes)
                })
            };
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
