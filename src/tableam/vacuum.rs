//! VACUUM: the heap's for the rows, then the pass over the slots.
//!
//! The heap's advances the table's relfrozenxid, which promises of the slots, too, that none of them names an older
//! transaction. So it is set back until the pass over the slots is through. Where that fails each time, over a damaged page,
//! say, relfrozenxid gets old, and the server does what it does for rows that cannot be frozen: it sends autovacuum again
//! and again, then warns of it, and takes no new transactions before old ids come round again.

use crate::pg::error::warning;
use crate::pg::failpoint::hit;
use crate::pg::relation::{OpenRelation, Rel};
use crate::pg::{frozen, xact};
use crate::store::{LACKING_HINT, Reclaimed, Store};
use crate::tableam::row_version;
use crate::tableam::vectors::columns_of;
use pgrx::pg_sys::panic::{CaughtError, ErrorReport, ErrorReportWithLevel};
use pgrx::pg_sys::{self, BufferAccessStrategy, Relation, VacuumParams};
use pgrx::{PgLogLevel, PgSqlErrorCode};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

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
        let mut horizon = pg_sys::GetOldestNonRemovableTransactionId(rel).into_inner();
        let before = (*(*rel).rd_rel).relfrozenxid.into_inner();
        let vacuum = super::heap().relation_vacuum.unwrap_unchecked();
        // no guard: nothing here waits to be dropped, and an error keeps all that it says
        vacuum(rel, params, strategy);
        let toast = (*(*rel).rd_rel).reltoastrelid;
        if toast == pg_sys::InvalidOid {
            return;
        }
        let advanced = frozen::hold_back(rel, before);
        hit("vacuum.rows");
        // the rows' VACUUM has removed what was dead by then
        if let Some(advanced) = advanced.filter(|&advanced| xact::precedes(horizon, advanced)) {
            horizon = advanced;
        }
        let done = match catch_unwind(AssertUnwindSafe(|| slots(rel, toast, horizon))) {
            Ok(done) => done,
            Err(failure) => {
                warn_of(rel, before, failure.as_ref());
                resume_unwind(failure)
            }
        };
        hit("vacuum.slots");
        if let Some(advanced) = advanced {
            frozen::advance(rel, before, advanced);
        }
        if (*params).options & pg_sys::VACOPT_VERBOSE != 0 {
            let name = Rel::of(rel).name();
            pgrx::ereport!(
                PgLogLevel::INFO,
                PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
                format!("vector store of \"{name}\": {} slots freed, {} hold a vector", done.freed, done.live)
            );
        }
    }
}

/// The pass over the slots in the TOAST relation `toast` of `rel`.
unsafe fn slots(rel: Relation, toast: pg_sys::Oid, horizon: u32) -> Reclaimed {
    // SAFETY: rel is open, and locked against other VACUUMs
    unsafe {
        let toast = OpenRelation::open(toast, pg_sys::RowExclusiveLock as _);
        let columns = columns_of(rel);
        let Some(store) = Store::if_any(toast.rel()) else {
            if !columns.is_empty() {
                warning(format!("table \"{}\" has no vector store", Rel::of(rel).name()), LACKING_HINT);
            }
            return Reclaimed::default();
        };
        if store.segments().is_empty() {
            return Reclaimed::default();
        }
        let dropped = |attnum: i16| !columns.iter().any(|&column| column as i16 + 1 == attnum);
        let attnum_of = |slot: crate::format::store::SlotNo| store.segment_of(slot).map(|s| s.page.attnum);
        let done = store.reclaim(horizon, &dropped, &mut |at, slot, generation| match attnum_of(slot) {
            Some(attnum) => row_version(rel, at, attnum, slot, generation),
            None => crate::store::RowVersion::Gone { removed: 0 },
        });
        if done.freed > 0 || done.found {
            // sessions that found the segments full look again
            pg_sys::CacheInvalidateRelcache(toast.raw());
        }
        done
    }
}

/// Whether an error is only that the statement was cancelled or the session ended, so that the next VACUUM may do better.
fn is_interruption(failure: &(dyn Any + Send)) -> bool {
    let report = match failure.downcast_ref::<CaughtError>() {
        Some(CaughtError::PostgresError(report) | CaughtError::ErrorReport(report)) => Some(report),
        _ => failure.downcast_ref::<ErrorReportWithLevel>(),
    };
    use PgSqlErrorCode::{ERRCODE_ADMIN_SHUTDOWN, ERRCODE_CRASH_SHUTDOWN, ERRCODE_QUERY_CANCELED};
    let code = report.map(ErrorReportWithLevel::sql_error_code);
    code.is_some_and(|code| [ERRCODE_ADMIN_SHUTDOWN, ERRCODE_CRASH_SHUTDOWN, ERRCODE_QUERY_CANCELED].contains(&code))
}

/// Says of the table whose slots could not be passed over what that means in the long run; the error itself follows.
unsafe fn warn_of(rel: Relation, frozen: u32, failure: &(dyn Any + Send)) {
    /// the server takes no new transactions when there are fewer left
    const RESERVE: u32 = 3_000_000;
    if is_interruption(failure) {
        return;
    }
    // SAFETY: rel is open; a look at shared state
    unsafe {
        let next = pg_sys::ReadNextFullTransactionId().value as u32;
        let left = (u32::MAX / 2 - RESERVE).saturating_sub(next.wrapping_sub(frozen));
        let message = format!("the vectors of table \"{}\" could not be vacuumed", Rel::of(rel).name());
        let detail = format!(
            "Until they are, the table's relfrozenxid stays {frozen}, and the server will accept no new transactions after {left} more."
        );
        let hint = "The error that follows says what is in the way. Where a page is damaged, restore it from a backup, or copy what can be read into a new table and drop this one.";
        ErrorReport::new(PgSqlErrorCode::ERRCODE_WARNING, message, "pg_zvec")
            .set_detail(detail)
            .set_hint(hint)
            .report(PgLogLevel::WARNING);
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
