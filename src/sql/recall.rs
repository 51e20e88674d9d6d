//! `zvec_recall`: how many of the nearest an index finds, measured against exact search.

use crate::error::{Error, SqlState};
use crate::indexam::recall::{Request, recall};
use crate::indexam::selection;
use crate::indexam::selection::Right;
use crate::knn::column::Column;
use crate::pg::compat;
use crate::pg::error::raise;
use crate::pg::function::Call;
use crate::pg::relation::Rel;
use crate::pg::{relation, restricted, settings, srf};
use crate::sql::index::regclass;
use crate::store::deferred_addresses;
use pgrx::pg_sys;

/// The most queries and the most neighbours that can be asked for.
const MOST: i32 = 100_000;

/// The `integer` argument `n`, which must be between 1 and [`MOST`].
fn count(call: Call<'_>, n: usize, name: &str) -> usize {
    let value = call.arg(n).i32();
    if !(1..=MOST).contains(&value) {
        raise(
            Error::new(SqlState::InvalidParameterValue, format!("{name} must be between 1 and {MOST}, not {value}"))
                .hint(format!("Give another value for \"{name}\".")),
        );
    }
    value as usize
}

crate::sql_function! {
    /// `zvec_recall(regclass, queries integer, k integer, ef_search integer) returns double precision`: the share, from 0
    /// to 1, of the `k` nearest rows to each of `queries` rows drawn at random that a scan of the index finds. Counted by
    /// distance, so of rows equally far any will do. `ef_search` NULL means the current setting. NULL when there are no
    /// rows. Errors: 22023 for numbers out of range; 42501 for who is not the owner of a table whose policies hide rows from
    /// them, or where the index has a condition.
    zvec_recall(call) {
        if (0..3).any(|n| call.is_null(n)) {
            return Ok(call.null());
        }
        let (queries, k) = (count(call, 1, "queries"), count(call, 2, "k"));
        let ef_search = (!call.is_null(3)).then(|| call.arg(3).i32());
        let oid = regclass(call, 0);
        deferred_addresses::flush();
        let lock = pg_sys::AccessShareLock as _;
        let targets = selection::of(oid, Right::Select);
        let &[target] = targets.as_slice() else { refuse(oid) };
        if target.index != Some(oid) {
            refuse(oid);
        }
        let Some(opened) = target.open(lock, lock) else { refuse(oid) };
        let [(index, _)] = opened.indexes.as_slice() else { refuse(oid) };
        refuse_reader(opened.table.rel(), index.rel());
        // SAFETY: the relations are open, the caller's snapshot is active
        let recall = unsafe {
            let column = Column::of(index.rel(), opened.table.rel());
            let snapshot = pg_sys::GetActiveSnapshot();
            let request = Request { heap: opened.table.raw(), index: index.raw(), column, snapshot, queries, k };
            let level = pg_sys::NewGUCNestLevel();
            if let Some(ef_search) = ef_search {
                settings::set_ef_search(ef_search);
            }
            let recall = restricted::as_owner(opened.table.rel(), || recall(&request));
            pg_sys::AtEOXact_GUC(true, level);
            recall
        };
        Ok(recall.map_or_else(|| call.null(), srf::float8))
    }
}

/// Raises the error for what is no single index.
fn refuse(oid: pg_sys::Oid) -> ! {
    let name = relation::plain_name_of(oid);
    raise(
        Error::new(SqlState::WrongObjectType, format!("\"{name}\" is not a single index"))
            .hint("Recall is measured for one index at a time, of a table or of a partition."),
    )
}

/// Raises an error for a caller who may read the table but does not own it, and who would learn of rows that policies hide,
/// or would have the owner run the functions of the index's condition.
fn refuse_reader(table: Rel<'_>, index: Rel<'_>) {
    // SAFETY: both are open
    unsafe {
        let (oid, user) = (table.oid(), pg_sys::GetUserId());
        if compat::owns(oid, user) {
            return;
        }
        let hides_rows = pg_sys::check_enable_rls(oid, user, true) == pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32;
        let (why, hint) = if restricted::has_condition(index) {
            ("which has a condition", "The condition is evaluated as the table's owner, who alone may ask for that.")
        } else if hides_rows {
            ("whose table has row-level security", "Recall is measured over all rows, also those that policies hide.")
        } else {
            return;
        };
        let (table, index) = (table.name(), index.name());
        let message = format!("must be owner of table \"{table}\" to measure index \"{index}\", {why}");
        raise(Error::new(SqlState::InsufficientPrivilege, message).hint(hint))
    }
}
