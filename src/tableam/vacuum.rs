//! VACUUM: the pass over the slots, and the heap's for the rows.
//!
//! The heap's advances the table's relfrozenxid, which promises of the slots, too, that none of them names an older
//! transaction. It takes the horizon up to which it may advance it first; then it asks for the table's size, and then it
//! begins. So the pass over the slots takes place when the size is asked for, with a horizon that is taken anew: whatever the
//! heap's VACUUM records in the end, and whenever a crash comes, the slots are that far already. Where the pass fails each time,
//! over a damaged page, say, relfrozenxid gets old, and the server does what it does for rows that cannot be frozen: it sends
//! autovacuum again and again, then warns of it, and takes no new transactions before old ids come round again.

use crate::pg::error::warning;
use crate::pg::failpoint::hit;
use crate::pg::relation::{OpenRelation, Rel};
use crate::pg::{compat, frozen, xact};
use crate::store::{LACKING_HINT, Reclaimed, Store};
use crate::tableam::row_version;
use crate::tableam::vectors::columns_of;
use pgrx::pg_sys::panic::{CaughtError, ErrorReport, ErrorReportWithLevel};
use pgrx::pg_sys::{self, BufferAccessStrategy, Relation, VacuumParams};
use pgrx::{PgLogLevel, PgSqlErrorCode};
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// A VACUUM that has not asked for its table's size yet.
#[derive(Clone, Copy)]
struct Begun {
    table: pg_sys::Oid,
    /// the transaction it runs in, since it may have ended without having asked
    transaction: u32,
    horizon: u32,
}

thread_local! {
    static BEGUN: Cell<Option<Begun>> = const { Cell::new(None) };
    /// what the pass over the slots has done, and with what horizon
    static SETTLED: Cell<Option<(Reclaimed, u32)>> = const { Cell::new(None) };
}

/// VACUUM of a zvec table.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn zvec_relation_vacuum(
    rel: Relation,
    params: *mut VacuumParams,
    strategy: BufferAccessStrategy,
) {
    // SAFETY: the server's own arguments
    unsafe {
        let before = (*(*rel).rd_rel).relfrozenxid.into_inner();
        let horizon = pg_sys::GetOldestNonRemovableTransactionId(rel).into_inner();
        BEGUN.set(Some(Begun { table: (*rel).rd_id, transaction: compat::local_transaction(), horizon }));
        SETTLED.set(None);
        let vacuum = super::heap().relation_vacuum.unwrap_unchecked();
        // no guard: nothing here waits to be dropped, and an error keeps all that it says
        vacuum(rel, params, strategy);
        BEGUN.set(None);
        hit("vacuum.rows");
        let settled = SETTLED.take();
        // horizons may go back, so that the heap's may be the newer one after all
        let limit = settled.map(|(_, horizon)| horizon).filter(|&horizon| xact::precedes(before, horizon));
        frozen::hold_back(rel, limit.unwrap_or(before));
        if let Some((done, _)) = settled
            && (*(*rel).rd_rel).reltoastrelid != pg_sys::InvalidOid
            && (*params).options & pg_sys::VACOPT_VERBOSE != 0
        {
            let name = Rel::of(rel).name();
            pgrx::ereport!(
                PgLogLevel::INFO,
                PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
                format!("vector store of \"{name}\": {} slots freed, {} hold a vector", done.freed, done.live)
            );
        }
    }
}

/// The size of a zvec table's fork. VACUUM asks for it when it has its horizon, and before it reads a row.
pub unsafe extern "C-unwind" fn zvec_relation_size(rel: Relation, fork: pg_sys::ForkNumber::Type) -> u64 {
    // SAFETY: the server's own arguments
    unsafe {
        if BEGUN.get().is_some() {
            settle(rel);
        }
        super::heap().relation_size.unwrap_unchecked()(rel, fork)
    }
}

/// The pass over the slots of `rel`, if a VACUUM of it has begun.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn settle(rel: Relation) {
    // SAFETY: rel is open
    unsafe {
        let Some(begun) = BEGUN.get().filter(|begun| begun.table == (*rel).rd_id) else { return };
        BEGUN.set(None);
        let toast = (*(*rel).rd_rel).reltoastrelid;
        if begun.transaction != compat::local_transaction() {
            return;
        }
        // what was a horizon once stays one
        let mut horizon = pg_sys::GetOldestNonRemovableTransactionId(rel).into_inner();
        if xact::precedes(horizon, begun.horizon) {
            horizon = begun.horizon;
        }
        if toast == pg_sys::InvalidOid {
            SETTLED.set(Some((Reclaimed::default(), horizon)));
            return;
        }
        match catch_unwind(AssertUnwindSafe(|| slots(rel, toast, horizon))) {
            Ok(done) => SETTLED.set(Some((done, horizon))),
            Err(failure) => {
                warn_of(rel, (*(*rel).rd_rel).relfrozenxid.into_inner(), failure.as_ref());
                resume_unwind(failure)
            }
        }
        hit("vacuum.slots");
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
        let begin = || take_brakes_off(rel);
        let done = store.reclaim(horizon, &begin, &dropped, &mut |at, slot, generation| match attnum_of(slot) {
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

/// Lets the pass go on without rests where the heap's VACUUM will find that its failsafe is due.
unsafe fn take_brakes_off(rel: Relation) {
    // SAFETY: rel is open; counters of this process
    unsafe {
        if pg_sys::VacuumCostActive && compat::is_failsafe_due(rel) {
            pg_sys::VacuumCostActive = false;
            pg_sys::VacuumCostBalance = 0;
        }
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
