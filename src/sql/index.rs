//! Functions on indexes: maintenance, and what they consist of.

use crate::indexam::hnsw;
use crate::indexam::selection;
use crate::indexam::selection::{IndexKind, Right};
use crate::pg::function::Call;
use crate::pg::restricted;
use crate::pg::srf;
use crate::pg::srf::Rows;
use crate::store::deferred_addresses;
use pgrx::pg_sys::{self, Datum};

/// The `regclass` argument `n`.
#[must_use]
pub fn regclass(call: Call<'_>, n: usize) -> pg_sys::Oid {
    pg_sys::Oid::from(call.arg(n).datum().value() as u32)
}

crate::sql_function! {
    /// `zvec_optimize(regclass)`: drains what waits, repairs what has dead nodes; a row for each index.
    ///
    /// Readers and writers go on meanwhile; VACUUM and other maintenance of the table waits until the table's turn is over.
    zvec_optimize(call) {
        // SAFETY: the function manager's own call; relations are open while they are used
        unsafe {
            pg_sys::PreventCommandDuringRecovery(c"zvec_optimize()".as_ptr());
            pg_sys::PreventCommandIfReadOnly(c"zvec_optimize()".as_ptr());
            let mut rows = Rows::of(call.fcinfo());
            deferred_addresses::flush();
            let (table_lock, index_lock) = (pg_sys::ShareUpdateExclusiveLock as _, pg_sys::RowExclusiveLock as _);
            for target in selection::of(regclass(call, 0), Right::Maintain) {
                let Some(opened) = target.open(table_lock, index_lock) else { continue };
                for (index, kind) in &opened.indexes {
                    let table = opened.table.rel();
                    let done = match kind {
                        IndexKind::Hnsw => restricted::as_owner(table, || hnsw::optimize(index.rel(), table)),
                        IndexKind::Flat => hnsw::Done::default(),
                    };
                    rows.push(&[
                        Some(Datum::from(index.rel().oid())),
                        Some(Datum::from(done.drained as i64)),
                        Some(Datum::from(done.removed as i64)),
                    ]);
                }
                opened.close_and_unlock(table_lock, index_lock);
            }
            Ok(call.null())
        }
    }
}

crate::sql_function! {
    /// `zvec_index_stats(regclass)`: a row for each graph of each `zvec_hnsw` index.
    zvec_index_stats(call) {
        // SAFETY: the function manager's own call; relations are open while they are used
        unsafe {
            let mut rows = Rows::of(call.fcinfo());
            deferred_addresses::flush();
            let lock = pg_sys::AccessShareLock as _;
            for target in selection::of(regclass(call, 0), Right::Select) {
                let Some(opened) = target.open(lock, lock) else { continue };
                for (index, _) in opened.indexes.iter().filter(|(_, kind)| *kind == IndexKind::Hnsw) {
                    for graph in hnsw::stats(index.rel(), opened.table.rel()) {
                        let count = |value: u32| Some(Datum::from(i64::from(value)));
                        rows.push(&[
                            Some(Datum::from(index.rel().oid())),
                            Some(Datum::from(graph.segment as i32)),
                            count(graph.nodes),
                            count(graph.dead),
                            Some(srf::float8(graph.dead_share())),
                            Some(Datum::from(graph.levels as i32)),
                            count(graph.pending),
                            Some(Datum::from(graph.bytes as i64)),
                            Some(srf::text("int8")),
                        ]);
                    }
                }
            }
            Ok(call.null())
        }
    }
}
