//! The table access methods: `zvec` for tables, `zvec_segment` for their TOAST relations, which hold the vector store.
//!
//! Duty: rows are the heap's. Both routines start as copies of the heap's and replace what must know of vectors: the
//! slot type turns vector references into pointers that any code can detoast; writes put vectors into the store around
//! the heap's own insert, update and delete; VACUUM adds its pass over the slots; rewrites and index builds are our own
//! loops, because the heap's refuse relations of another access method.
//!
//! Invariant: whatever the heap would have done to the row is done by the heap. See `design/mvcc.md`.

#![allow(clippy::missing_safety_doc)]

pub mod check;
mod copy;
mod ddl;
mod fetch;
mod index_build;
mod insert;
mod logical;
pub mod lookup;
mod modify;
mod partial;
mod publication;
pub mod row_pages;
mod rows;
mod scan;
mod slot;
mod update;
mod vacuum;
pub mod vectors;

pub use rows::{MOST_ROWS, OldRow, item_pointer, reference_at, row_version, tid};

use crate::error::{Error, SqlState};
use crate::pg::compat;
use crate::pg::error::raise;
use crate::pg::relation::Rel;
use pgrx::pg_sys;
use std::sync::OnceLock;

struct Routine(pg_sys::TableAmRoutine);
// SAFETY: written once, then only read
unsafe impl Send for Routine {}
// SAFETY: as above
unsafe impl Sync for Routine {}

static ZVEC: OnceLock<Box<Routine>> = OnceLock::new();
static SEGMENT: OnceLock<Box<Routine>> = OnceLock::new();

/// The heap's routine. Asked for with every row, so without a guard.
#[inline(always)]
pub(crate) fn heap() -> &'static pg_sys::TableAmRoutine {
    // SAFETY: a constant of the server
    unsafe { &*crate::pg::raw::GetHeapamTableAmRoutine() }
}

fn zvec_routine() -> &'static pg_sys::TableAmRoutine {
    let make = || {
        let mut routine = *heap();
        routine.slot_callbacks = Some(slot::slot_callbacks);
        scan::replace(&mut routine);
        routine.tuple_insert = Some(insert::tuple_insert);
        routine.tuple_insert_speculative = Some(insert::tuple_insert_speculative);
        routine.tuple_complete_speculative = Some(insert::tuple_complete_speculative);
        routine.multi_insert = Some(insert::multi_insert);
        routine.tuple_delete = Some(update::tuple_delete);
        routine.tuple_update = Some(update::tuple_update);
        routine.index_build_range_scan = Some(index_build::index_build_range_scan);
        routine.index_validate_scan = Some(index_build::index_validate_scan);
        routine.relation_copy_for_cluster = Some(copy::relation_copy_for_cluster);
        routine.relation_size = Some(vacuum::zvec_relation_size);
        routine.relation_vacuum = Some(vacuum::zvec_relation_vacuum);
        routine.relation_needs_toast_table = Some(ddl::relation_needs_toast_table);
        routine.relation_toast_am = Some(ddl::relation_toast_am);
        routine.relation_fetch_toast_slice = Some(fetch::relation_fetch_toast_slice);
        Box::new(Routine(routine))
    };
    &ZVEC.get_or_init(make).0
}

fn segment_routine() -> &'static pg_sys::TableAmRoutine {
    let make = || {
        let mut routine = *heap();
        routine.index_build_range_scan = Some(index_build::index_build_range_scan);
        routine.index_validate_scan = Some(index_build::index_validate_scan);
        routine.relation_copy_for_cluster = Some(ddl::segment_copy_for_cluster);
        routine.relation_copy_data = Some(ddl::segment_copy_data);
        compat::set_create_files(&mut routine, Some(ddl::segment_set_new_filenode));
        routine.relation_nontransactional_truncate = Some(ddl::segment_nontransactional_truncate);
        routine.relation_vacuum = Some(vacuum::segment_relation_vacuum);
        Box::new(Routine(routine))
    };
    &SEGMENT.get_or_init(make).0
}

crate::sql_function! {
    /// Handler of the access method `zvec`.
    zvec_tableam_handler(call) {
        let _ = call;
        Ok(pg_sys::Datum::from(std::ptr::from_ref(zvec_routine())))
    }
}

crate::sql_function! {
    /// Handler of the access method `zvec_segment`.
    zvec_segment_tableam_handler(call) {
        let _ = call;
        Ok(pg_sys::Datum::from(std::ptr::from_ref(segment_routine())))
    }
}

/// Whether `rel` is a table of ours.
#[must_use]
pub fn is_zvec_table(rel: Rel<'_>) -> bool {
    std::ptr::eq(rel.table_routine(), zvec_routine())
}

/// Raises an error unless `rel` is a table of ours.
pub fn require_zvec_table(rel: Rel<'_>) {
    if !is_zvec_table(rel) {
        let name = rel.name();
        raise(
            Error::new(SqlState::WrongObjectType, format!("\"{name}\" is not a table of access method zvec"))
                .hint("A table is converted with ALTER TABLE ... SET ACCESS METHOD zvec."),
        );
    }
}
