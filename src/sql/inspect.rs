//! Functions that show and check a table's vector store; the check also looks at indexes.

use crate::indexam::selection;
use crate::indexam::selection::{IndexKind, Right};
use crate::indexam::{flat, hnsw};
use crate::pg::compat;
use crate::pg::relation::{OpenRelation, Rel};
use crate::pg::restricted;
use crate::pg::srf;
use crate::pg::srf::Rows;
use crate::sql::index::regclass;
use crate::sql_function;
use crate::store::{Store, deferred_addresses, pointer_reader};
use crate::tableam;
use crate::tableam::check::Violation;
use pgrx::pg_sys::{self, Datum};

/// Opens the table and its vector store for reading, or raises why that can't be done.
fn open_table(oid: pg_sys::Oid, lockmode: pg_sys::LOCKMODE) -> (OpenRelation, OpenRelation) {
    deferred_addresses::flush();
    let table = OpenRelation::open(oid, lockmode);
    // SAFETY: the table is open
    unsafe {
        let rel = table.rel();
        let granted = pg_sys::pg_class_aclcheck(oid, pg_sys::GetUserId(), compat::ACL_SELECT);
        if granted != pg_sys::AclResult::ACLCHECK_OK {
            pg_sys::aclcheck_error(granted, pg_sys::ObjectType::OBJECT_TABLE, pg_sys::get_rel_name(oid));
        }
        tableam::require_zvec_table(rel);
        let toast = pointer_reader::toast_of(rel, pg_sys::AccessShareLock as _);
        (table, toast)
    }
}

/// Name of a column; `None` for one that was dropped, or that the table never had.
fn column_name(rel: Rel<'_>, attnum: i16) -> Option<String> {
    if !rel.has_column(attnum) || rel.attribute(attnum).attisdropped {
        return None;
    }
    Some(rel.column_name(attnum))
}

sql_function! {
    /// `zvec_segments(regclass)`: a row for each segment, with its slots by state and its size. The column is NULL when it was
    /// dropped: VACUUM frees the slots.
    zvec_segments(call) {
        // SAFETY: the function manager's own call
        let mut rows = unsafe { Rows::of(call.fcinfo()) };
        let oid = pg_sys::Oid::from(call.arg(0).datum().value() as u32);
        let (table, toast) = open_table(oid, pg_sys::AccessShareLock as _);
        let store = Store::of(toast.rel());
            store.refresh_all();
            for segment in store.segments() {
                let census = store.census(&segment);
                let total = census.live + census.dead + census.free;
                let share = if census.live + census.dead == 0 {
                    0.0
                } else {
                    census.dead as f64 / (census.live + census.dead) as f64
                };
                let block_bytes = u64::from(pg_sys::BLCKSZ);
                let count = |value: u64| Some(Datum::from(value as i64));
                rows.push(&[
                    Some(Datum::from(segment.no.0 as i32)),
                    column_name(table.rel(), segment.page.attnum).map(|name| srf::text(&name)),
                    Some(Datum::from(i32::from(segment.page.geometry.dims))),
                    count(total),
                    count(census.live),
                    count(census.dead),
                    count(census.free),
                    Some(srf::float8(share)),
                    count(u64::from(segment.page.slots.pages()) * block_bytes),
                    count(u64::from(segment.page.data.pages()) * block_bytes),
                ]);
            }
        Ok(call.null())
    }
}

/// Tells what is wrong with the open zvec `table` and its vector store.
fn check_table(table: Rel<'_>, tell: &mut dyn FnMut(Violation)) {
    // SAFETY: both relations are open; the snapshot is kept until the check is done
    unsafe {
        let toast = table.toast_oid();
        if toast == pg_sys::InvalidOid {
            return tableam::check::lacking_store(table.raw(), tell);
        }
        let toast = OpenRelation::open(toast, pg_sys::AccessShareLock as _);
        let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
        match Store::if_any(toast.rel()) {
            Some(store) => {
                store.refresh_all();
                tableam::check::check(table.raw(), &store, snapshot, tell);
            }
            None => tableam::check::lacking_store(table.raw(), tell),
        }
        pg_sys::UnregisterSnapshot(snapshot);
    }
}

crate::sql_function! {
    /// `zvec_check(regclass)`: a row for each broken invariant of a table, its vectors and its indexes, or of an index; none
    /// when all is well.
    zvec_check(call) {
        // SAFETY: the function manager's own call
        let mut rows = unsafe { Rows::of(call.fcinfo()) };
        deferred_addresses::flush();
        // keeps VACUUM and other structural changes out, lets writers in; on a standby there are none
        // SAFETY: a look at shared state
        let standby = unsafe { pg_sys::RecoveryInProgress() };
        let table_lock = if standby { pg_sys::AccessShareLock } else { pg_sys::ShareUpdateExclusiveLock } as _;
        let index_lock = pg_sys::AccessShareLock as _;
        let mut tell = |violation: Violation| {
            let texts = [violation.invariant, &violation.location, &violation.message].map(srf::text);
            rows.push(&texts.map(Some));
            // SAFETY: made above, and copied since
            texts.into_iter().for_each(|text| unsafe { pg_sys::pfree(text.cast_mut_ptr()) });
        };
        for target in selection::of(regclass(call, 0), Right::Maintain) {
            let Some(opened) = target.open(table_lock, index_lock) else { continue };
            let table = opened.table.rel();
            restricted::as_owner(table, || {
                    if target.index.is_none() {
                        check_table(table, &mut tell);
                    }
                    for (index, kind) in &opened.indexes {
                        let violations = match kind {
                            IndexKind::Hnsw => hnsw::check(index.rel(), table),
                            IndexKind::Flat => flat::violations(index.rel()),
                        };
                        violations.into_iter().for_each(&mut tell);
                    }
                });
            opened.close_and_unlock(table_lock, index_lock);
        }
        Ok(call.null())
    }
}
