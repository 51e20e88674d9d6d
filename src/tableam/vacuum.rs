//! VACUUM: the heap's for the rows, then the pass over the slots.

use super::{row_version, vectors::columns_of};
use crate::pg::error::warning;
use crate::pg::failpoint::hit;
use crate::pg::relation::{self, OpenRelation};
use crate::store::{LACKING_HINT, Store};
use pgrx::pg_sys::{self, BufferAccessStrategy, Relation, VacuumParams};

/// VACUUM of a zvec table.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn zvec_relation_vacuum(
    rel: Relation,
    params: *mut VacuumParams,
    strategy: BufferAccessStrategy,
) {
    // SAFETY: the server's own arguments
    unsafe {
        // a horizon no newer than the one that the rows' VACUUM takes next
        let horizon = pg_sys::GetOldestNonRemovableTransactionId(rel);
        let vacuum = super::heap().relation_vacuum.unwrap_unchecked();
        // no guard: nothing here waits to be dropped, and an error keeps all that it says
        vacuum(rel, params, strategy);
        hit("vacuum.rows");
        let toast = (*(*rel).rd_rel).reltoastrelid;
        if toast == pg_sys::InvalidOid {
            return;
        }
        let toast = OpenRelation::open(toast, pg_sys::RowExclusiveLock as _);
        let columns = columns_of(rel);
        let Some(store) = Store::if_any(toast.raw()) else {
            if !columns.is_empty() {
                warning(format!("table \"{}\" has no vector store", relation::name(rel)), LACKING_HINT);
            }
            return;
        };
        if store.segments().is_empty() {
            return;
        }
        let dropped = |attnum: i16| !columns.iter().any(|&column| column as i16 + 1 == attnum);
        let attnum_of = |slot: crate::segment::SlotNo| store.segment_of(slot).map(|s| s.page.attnum);
        let done = store.reclaim(horizon.into_inner(), &dropped, &mut |at, slot, generation| match attnum_of(slot) {
            Some(attnum) => row_version(rel, at, attnum, slot, generation),
            None => crate::store::RowVersion::Gone { removed: 0 },
        });
        if done.freed > 0 || done.found {
            // sessions that found the segments full look again
            pg_sys::CacheInvalidateRelcache(toast.raw());
        }
        hit("vacuum.slots");
        if (*params).options & pg_sys::VACOPT_VERBOSE != 0 {
            let name = relation::name(rel);
            pgrx::ereport!(
                pgrx::PgLogLevel::INFO,
                pgrx::PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
                format!("vector store of \"{name}\": {} slots freed, {} hold a vector", done.freed, done.live)
            );
        }
    }
}

/// VACUUM of a vector store's TOAST chunks: as the heap's, but the file is never cut off, since its last pages may be
/// the store's, which look empty to the heap.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn segment_relation_vacuum(
    rel: Relation,
    params: *mut VacuumParams,
    strategy: BufferAccessStrategy,
) {
    // SAFETY: the server's own arguments
    unsafe {
        let mut params = *params;
        params.truncate = pg_sys::VacOptValue::VACOPTVALUE_DISABLED;
        let vacuum = super::heap().relation_vacuum.unwrap_unchecked();
        vacuum(rel, &raw mut params, strategy);
    }
}
