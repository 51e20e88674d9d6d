//! Conditions of partial vector indexes, and columns that vector indexes include.
//!
//! A vector index knows a row by its vector's slot. So all row versions that share a slot must agree about whether the row
//! is in a partial index, and about the values of included columns: an UPDATE of such a column gives the row a new slot, with a
//! copy of the vector. The index then sees a new vector, or none, and the old one goes the way of all deleted vectors.

use crate::pg::compat;
use crate::pg::relation::{OpenRelation, Rel};
use crate::pg::{buffer, raw, restricted};
use crate::tableam::rows;
use crate::tableam::vectors::is_vector_type;
use pgrx::pg_sys::{self, Datum, Relation, TupleTableSlot};
use smallvec::SmallVec;
use std::cell::RefCell;
use std::rc::Rc;

/// Indexes (from 0) of columns.
type Columns = Rc<[u16]>;
/// A table's oid, its descriptor, the relation cache's epoch.
type Key = (u32, usize, u64);

thread_local! {
    /// the table asked for last
    static LAST: RefCell<Option<(Key, Columns)>> = const { RefCell::new(None) };
}

/// The columns that conditions of partial indexes over vector columns of the open table look at, and those that such indexes
/// include.
#[must_use]
pub unsafe fn condition_columns(rel: Relation) -> Columns {
    crate::store::watch_relation_cache();
    // SAFETY: rel is open
    unsafe {
        // of the time before the look-up, which may be told of changes that it has not seen
        let key = ((*rel).rd_id.to_u32(), (*rel).rd_att as usize, crate::store::epoch());
        let known = LAST.with_borrow(|last| match last {
            Some((of, columns)) if *of == key => Some(columns.clone()),
            _ => None,
        });
        known.unwrap_or_else(|| {
            let columns = look_up(rel);
            LAST.with_borrow_mut(|last| *last = Some((key, columns.clone())));
            columns
        })
    }
}

unsafe fn look_up(rel: Relation) -> Columns {
    // SAFETY: rel is open; its indexes are opened under the lock that the writer holds
    unsafe {
        let indexes = pg_sys::RelationGetIndexList(rel);
        let mut attributes = std::ptr::null_mut();
        let count = if indexes.is_null() { 0 } else { (*indexes).length as usize };
        for i in 0..count {
            let oid = (*(*indexes).elements.add(i)).oid_value;
            let index = OpenRelation::open(oid, pg_sys::RowExclusiveLock as _);
            let attribute = index.rel().attribute(1);
            if !is_vector_type(attribute.atttypid) {
                continue;
            }
            // a btree's included columns are its own affair
            if (*(*index.raw()).rd_indam).amcanorderbyop {
                for attnum in index.rel().included_columns().iter().copied() {
                    let member = i32::from(attnum) - pg_sys::FirstLowInvalidHeapAttributeNumber;
                    attributes = pg_sys::bms_add_member(attributes, member);
                }
            }
            if restricted::has_condition(index.rel()) {
                let condition = restricted::stored_condition(index.rel());
                pg_sys::pull_varattnos(condition, 1, &mut attributes);
            }
        }
        pg_sys::list_free(indexes);
        let mut columns = Vec::new();
        let mut member = pg_sys::bms_next_member(attributes, -1);
        while member >= 0 {
            let attnum = member + pg_sys::FirstLowInvalidHeapAttributeNumber;
            if attnum == 0 {
                // the whole row
                columns.extend(0..(*(*rel).rd_att).natts as u16);
            } else if attnum > 0 {
                columns.push(attnum as u16 - 1);
            }
            member = pg_sys::bms_next_member(attributes, member);
        }
        columns.into()
    }
}

/// Whether the row version at `at` and the values of `slot` differ in one of `columns`, as far as can be told without
/// fetching values that are stored elsewhere: those count as different unless they are the same ones.
pub unsafe fn differ(rel: Relation, at: &pg_sys::ItemPointerData, slot: *mut TupleTableSlot, columns: &[u16]) -> bool {
    // SAFETY: rel is open; the slot's values are there; the old ones are compared while their page is locked
    unsafe {
        let own = rows::tid(at);
        let page = buffer::read(Rel::of(rel), own.block).share();
        let Some(mut tuple) = rows::tuple_of(rel, &page, own) else { return true };
        let desc = (*rel).rd_att;
        let natts = (*desc).natts as usize;
        let mut values: SmallVec<[Datum; 16]> = SmallVec::from_elem(Datum::from(0), natts);
        let mut isnull: SmallVec<[bool; 16]> = SmallVec::from_elem(true, natts);
        raw::heap_deform_tuple(&mut tuple, desc, values.as_mut_ptr(), isnull.as_mut_ptr());
        columns.iter().map(|&i| usize::from(i)).any(|i| {
            let attribute = &*compat::attribute(desc, i);
            if attribute.attisdropped {
                return false;
            }
            let (new, new_null) = (*(*slot).tts_values.add(i), *(*slot).tts_isnull.add(i));
            if isnull[i] || new_null {
                return isnull[i] != new_null;
            }
            if attribute.attbyval {
                return values[i] != new;
            }
            !raw::datumIsEqual(values[i], new, false, attribute.attlen.into())
        })
    }
}
