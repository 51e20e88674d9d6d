//! What the background worker calls: how much of an index is pending, draining some of it, and repairing its graphs.

use crate::indexam::hnsw::maintenance::lock::MaintenanceLock;
use crate::indexam::hnsw::maintenance::{drain, retrain, vacuum};
use crate::indexam::hnsw::pages::Index;
use crate::indexam::hnsw::table::Table;
use crate::indexam::options;
use crate::knn::column::Column;
use crate::pg::cost_delay;
use pgrx::pg_sys::{self, Relation};

/// Drains up to `most` vectors of an open index of the open table `heap`, or, where far more wait and `in_memory` allows it, all
/// in memory; returns how many, or `None` when something waits that somebody else is at.
pub unsafe fn drain_some(index: Relation, heap: Relation, most: u64, in_memory: bool) -> Option<u64> {
    // SAFETY: both are open
    unsafe {
        let column = Column::of(index, heap);
        let table = Table::open(heap, column.dims, pg_sys::RowExclusiveLock as _);
        let options = options::graph_options_of(index);
        let (mut done, mut busy) = (0, false);
        for graph in Index::of(index).graphs().into_iter().filter(|graph| graph.root.pending() > 0) {
            let Some(lock) = MaintenanceLock::try_acquire(&graph) else {
                busy = true;
                continue;
            };
            if let Some(mut writer) = drain::writer(&graph.now(), &table, lock) {
                retrain::if_outgrown(&mut writer, &table, options, false);
                let drained = if in_memory && u64::from(graph.root.pending()) > 16 * most {
                    drain::all(&mut writer, &table, options, &mut cost_delay::point)
                } else {
                    writer.drain(&table, usize::from(options.ef_construction), most, &mut || {})
                };
                done += drained.added + drained.dropped;
            }
        }
        (done > 0 || !busy).then_some(done)
    }
}

/// Whether a background worker is to take dead nodes out of an open index.
#[must_use]
pub unsafe fn is_repair_wanted(index: Relation) -> bool {
    // SAFETY: open
    vacuum::is_repair_wanted(&unsafe { Index::of(index) })
}

/// How many vectors wait in that graph of an open index in which most do.
#[must_use]
pub unsafe fn most_waiting(index: Relation) -> u32 {
    // SAFETY: open
    unsafe { Index::of(index) }.graphs().iter().map(|graph| graph.root.pending()).max().unwrap_or(0)
}

/// Takes dead nodes out of an open index of the open table `heap` where that is left to a worker; returns of how many graphs, or
/// `None` when somebody else is at one.
#[must_use]
pub unsafe fn repair_wanted(index: Relation, heap: Relation) -> Option<u64> {
    // SAFETY: both are open
    unsafe {
        let column = Column::of(index, heap);
        let table = Table::open(heap, column.dims, pg_sys::RowExclusiveLock as _);
        vacuum::repair_wanted(&Index::of(index), &table)
    }
}
