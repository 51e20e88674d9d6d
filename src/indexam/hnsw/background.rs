//! What the background worker calls: how much of an index is pending, draining some of it, and repairing its graphs.

use crate::indexam::hnsw::maintenance::lock::MaintenanceLock;
use crate::indexam::hnsw::maintenance::{drain, retrain, vacuum};
use crate::indexam::hnsw::pages::Index;
use crate::indexam::hnsw::table::Table;
use crate::indexam::options;
use crate::knn::column::Column;
use crate::pg::cost_delay;
use crate::pg::relation::Rel;
use pgrx::pg_sys;

/// Drains up to `most` vectors of an open index of the open table `heap`, or, where far more wait and `in_memory` allows it, all
/// in memory; returns how many, or `None` when something waits that somebody else is at.
pub fn drain_some(index: Rel<'_>, heap: Rel<'_>, most: u64, in_memory: bool) -> Option<u64> {
    // SAFETY: the value does not outlive the call
    let pages = unsafe { Index::of(index) };
    let column = Column::of(index, heap);
    let table = Table::open(heap, column.shape(), pg_sys::RowExclusiveLock as _);
    let options = options::graph_options_of(index);
    let (mut done, mut busy) = (0, false);
    for graph in pages.graphs().into_iter().filter(|graph| graph.root.pending() > 0) {
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

/// Whether a background worker is to take dead nodes out of an open index.
#[must_use]
pub fn is_repair_wanted(index: Rel<'_>) -> bool {
    // SAFETY: open
    vacuum::is_repair_wanted(&unsafe { Index::of(index) })
}

/// How many vectors wait in that graph of an open index in which most do.
#[must_use]
pub fn most_waiting(index: Rel<'_>) -> u32 {
    // SAFETY: open
    unsafe { Index::of(index) }.graphs().iter().map(|graph| graph.root.pending()).max().unwrap_or(0)
}

/// Takes dead nodes out of an open index of the open table `heap` where that is left to a worker; returns of how many graphs, or
/// `None` when somebody else is at one.
#[must_use]
pub fn repair_wanted(index: Rel<'_>, heap: Rel<'_>) -> Option<u64> {
    // SAFETY: the value does not outlive the call
    let pages = unsafe { Index::of(index) };
    let column = Column::of(index, heap);
    let table = Table::open(heap, column.shape(), pg_sys::RowExclusiveLock as _);
    vacuum::repair_wanted(&pages, &table)
}
