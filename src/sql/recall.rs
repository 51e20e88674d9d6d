//! `zvec_recall`: how many of the nearest an index finds, measured against exact search.

use super::index::regclass;
use crate::error::{Error, SqlState};
use crate::indexam::column::Column;
use crate::indexam::recall::{Request, recall};
use crate::indexam::target::{self, Right};
use crate::pg::error::raise;
use crate::pg::function::Call;
use crate::pg::{guc, relation, srf};
use crate::store::pending;
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

crate::guarded_function! {
    /// `zvec_recall(regclass, queries integer, k integer, ef_search integer) returns double precision`: the share, from 0
    /// to 1, of the `k` nearest rows to each of `queries` rows drawn at random that a scan of the index finds. Counted by
    /// distance, so of rows equally far any will do. `ef_search` NULL means the current setting. NULL when there are no
    /// rows. Errors: 22023 for numbers out of range.
    zvec_recall(call) {
        if (0..3).any(|n| call.is_null(n)) {
            return call.null();
        }
        let (queries, k) = (count(call, 1, "queries"), count(call, 2, "k"));
        let ef_search = (!call.is_null(3)).then(|| call.arg(3).i32());
        let oid = regclass(call, 0);
        pending::flush();
        let lock = pg_sys::AccessShareLock as _;
        let targets = target::of(oid, Right::Select);
        let &[target] = targets.as_slice() else { refuse(oid) };
        if target.index != Some(oid) {
            refuse(oid);
        }
        let Some(opened) = target.open(lock, lock) else { refuse(oid) };
        let [(index, _)] = opened.indexes.as_slice() else { refuse(oid) };
        // SAFETY: the relations are open, the caller's snapshot is active
        let recall = unsafe {
            let column = Column::of(index.raw(), opened.table.raw());
            let snapshot = pg_sys::GetActiveSnapshot();
            let request = Request { heap: opened.table.raw(), index: index.raw(), column, snapshot, queries, k };
            let level = pg_sys::NewGUCNestLevel();
            if let Some(ef_search) = ef_search {
                guc::set_ef_search(ef_search);
            }
            let recall = relation::as_owner(opened.table.raw(), || recall(&request));
            pg_sys::AtEOXact_GUC(true, level);
            recall
        };
        recall.map_or_else(|| call.null(), srf::float8)
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
