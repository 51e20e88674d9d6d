//! VACUUM: drains the pending list, counts dead nodes, and has the graph repaired when their share has grown too large.
//!
//! VACUUM tells an index which rows are removed; this one does not ask, since a node is dead when its slot says so. So the
//! time grows with the pending list and with the number of slots, and with the graph only when it is repaired.

use crate::bitset::SharedBitset;
use crate::format::graph::entry::MAP_ENTRY_BYTES;
use crate::format::graph::{Area, MapEntry, MapPlace, Shape};
use crate::format::store::{Generation, Position, SlotState};
pub use crate::hnsw::upkeep::Repairs;
use crate::hnsw::upkeep::{self, DeadNodes};
use crate::indexam::hnsw::maintenance::drain;
use crate::indexam::hnsw::maintenance::lock::MaintenanceLock;
use crate::indexam::hnsw::maintenance::progress::{Phase, enter, progress};
use crate::indexam::hnsw::maintenance::repair;
use crate::indexam::hnsw::maintenance::retrain;
use crate::indexam::hnsw::maintenance::worker::request;
use crate::indexam::hnsw::maintenance::writer::GraphWriter;
use crate::indexam::hnsw::pages::{Graph, Index};
use crate::indexam::hnsw::table::Table;
use crate::indexam::options;
use crate::indexam::options::GraphOptions;
use crate::knn::column::Column;
use crate::pg::failpoint::hit;
use crate::pg::relation::Rel;
use crate::pg::xact;
use crate::store::death::{Death, death_for_all};
use pgrx::pg_sys;

impl Graph {
    /// Calls `visit` for each entry of the map that names a node or the pending list.
    pub fn each_place(&self, mut visit: impl FnMut(Position, MapEntry)) {
        for ordinal in 0..self.map.page.area(Area::Map).pages() {
            pgrx::check_for_interrupts!();
            let image = self.read(Area::Map, ordinal, |page| Box::new(*page));
            let first = ordinal * Shape::MAP.per_page;
            for index in 0..Shape::MAP.per_page {
                let at = Shape::MAP.at(first + index).1;
                let entry = MapEntry::decode(&image[at..at + MAP_ENTRY_BYTES]);
                if entry.place != MapPlace::None {
                    visit(Position(first + index), entry);
                }
            }
        }
    }

    /// The nodes that some snapshot may need, and the newest transaction that has deleted one of the others' vectors.
    #[must_use]
    pub fn alive(&self, table: &Table) -> (SharedBitset, Option<u32>) {
        let horizon = table.horizon();
        let alive = SharedBitset::below(self.root.nodes);
        let mut newest: Option<u32> = None;
        let Some(segment) = table.store.segment(self.map.page.tag) else { return (alive, None) };
        // what may be needed, by position: the slot's generation
        let mut needed: Vec<Option<Generation>> = Vec::new();
        table.store.refresh_all();
        let segment = table.store.segment(self.map.page.tag).unwrap_or(segment);
        table.store.each_slot(&segment, |number, slot| {
            let is_live = slot.state() == Some(SlotState::Live);
            let death = if is_live { death_for_all(&slot, horizon) } else { None };
            let keep = is_live && death.is_none();
            if let Some(xmax) = death.and_then(Death::deleted_by)
                && newest.is_none_or(|newest| xact::precedes(newest, xmax))
            {
                newest = Some(xmax);
            }
            let at = number.position().0 as usize;
            if needed.len() <= at {
                needed.resize(at + 1, None);
            }
            needed[at] = keep.then_some(slot.generation);
        });
        self.each_place(|position, entry| {
            if let MapPlace::Node(node) = entry.place
                && needed.get(position.0 as usize).copied().flatten() == Some(entry.generation)
            {
                alive.insert(node);
            }
        });
        (alive, newest)
    }
}

/// What maintenance did to an index.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// vectors that became nodes
    pub drained: u64,
    /// nodes that were taken out
    pub removed: u64,
    /// dead nodes that a background worker takes out
    pub left: u64,
    /// vectors in the index, the dead ones of graphs that were passed by included
    pub vectors: u64,
    /// whether graphs were left to a worker as they are
    pub passed_by: bool,
}

/// Drains and repairs the graphs of `index`. Dead nodes are taken out where their share is above `threshold`. `tick` is
/// called after each pending vector, with how many of the graph's were so far.
pub fn maintain(
    index: &Index,
    table: &Table,
    options: GraphOptions,
    threshold: f64,
    repairs: Repairs,
    tick: &mut dyn FnMut(u64),
) -> Done {
    let mut done = Done::default();
    for graph in index.graphs() {
        // who waits for a worker's lock cancels the worker
        if repairs.pass_by(graph.root.repair_wanted, || request::is_at(index.relation())) {
            done.vectors += u64::from(graph.root.vectors());
            done.left += u64::from(graph.root.dead);
            done.passed_by = true;
            continue;
        }
        let lock = MaintenanceLock::acquire(&graph);
        let graph = graph.now();
        if graph.root.pending() == 0 && !graph.root.trained {
            continue;
        }
        let Some(mut writer) = drain::writer(&graph, table, lock) else { continue };
        retrain::if_outgrown(&mut writer, table, options, threshold <= 0.0);
        enter(Phase::Drain, u64::from(graph.root.pending()));
        let mut count = 0;
        let drained = drain::all(&mut writer, table, options, &mut || {
            count += 1;
            tick(count);
        });
        done.drained += drained.added + drained.dropped;
        let (alive, removed, left) = clean(&writer, table, threshold, repairs);
        done.removed += u64::from(removed);
        done.left += u64::from(left);
        done.vectors += u64::from(alive) + u64::from(writer.graph().now().root.pending());
    }
    done
}

/// As VACUUM, but everything that waits is drained, and every dead node taken out. Reports to
/// `pg_stat_progress_create_index`. What was done stays done when the statement is cancelled.
#[must_use]
pub fn optimize(index: Rel<'_>, heap: Rel<'_>) -> Done {
    // SAFETY: both are open
    unsafe {
        let column = Column::of(index, heap);
        let table = Table::open(heap, column.shape(), pg_sys::RowExclusiveLock as _);
        let relam = index.access_method();
        pg_sys::pgstat_progress_start_command(pg_sys::ProgressCommandType::PROGRESS_COMMAND_CREATE_INDEX, heap.oid());
        progress(pg_sys::PROGRESS_CREATEIDX_INDEX_OID.to_u32(), u64::from(index.oid().to_u32()));
        progress(pg_sys::PROGRESS_CREATEIDX_ACCESS_METHOD_OID.to_u32(), u64::from(relam.to_u32()));
        progress(pg_sys::PROGRESS_CREATEIDX_PHASE, u64::from(pg_sys::PROGRESS_CREATEIDX_PHASE_BUILD));
        let mut tick = |count| {
            pgrx::check_for_interrupts!();
            progress(pg_sys::PROGRESS_CREATEIDX_TUPLES_DONE, count);
        };
        let done = maintain(&Index::of(index), &table, options::graph_options_of(index), 0.0, Repairs::Now, &mut tick);
        pg_sys::pgstat_progress_end_command();
        done
    }
}

/// Whether a worker is to take dead nodes out of a graph of `index`.
#[must_use]
pub fn is_repair_wanted(index: &Index) -> bool {
    index.graphs().iter().any(|graph| graph.root.repair_wanted)
}

/// Takes dead nodes out where that is left to a worker, which is who calls this; returns of how many graphs, or `None` when
/// somebody else is at one.
#[must_use]
pub fn repair_wanted(index: &Index, table: &Table) -> Option<u64> {
    let mut done = 0;
    for graph in index.graphs().into_iter().filter(|graph| graph.root.repair_wanted) {
        let lock = MaintenanceLock::try_acquire(&graph)?;
        let graph = graph.now();
        if graph.root.repair_wanted && graph.root.trained {
            clean(&GraphWriter::new(&graph, lock), table, 0.0, Repairs::Now);
            done += 1;
        }
    }
    Some(done)
}

/// Counts dead nodes and takes them out if they are too many, or has a worker do it. Returns how many nodes are alive, how many
/// were taken out, and how many a worker is to take out.
fn clean(writer: &GraphWriter, table: &Table, threshold: f64, repairs: Repairs) -> (u32, u32, u32) {
    let graph = writer.graph().clone();
    enter(Phase::Count, 0);
    let (alive, newest) = graph.alive(table);
    let (live, used) = (alive.count(), graph.root.nodes_in_use());
    let dead = used.saturating_sub(live);
    let decision = upkeep::dead_nodes(dead, used, threshold, repairs);
    if decision == DeadNodes::Stay {
        writer.set_dead(dead, false);
        // looks at every link
        if upkeep::is_reconnect_due(writer.graph().now().root.unproven, used, threshold) {
            repair::reconnect(writer, &alive);
        }
        return (live, 0, 0);
    }
    if decision == DeadNodes::GoByWorker {
        writer.set_dead(dead, true);
        if request::ask_for_repair(graph.index.relation()) {
            return (live, 0, dead);
        }
    }
    if let Some(newest) = newest {
        table.announce(newest);
    }
    let removed = repair::repair(writer, &alive);
    hit("repair.done");
    if writer.graph().root.repair_wanted {
        writer.change(|root| root.repair_wanted = false);
    }
    (live, removed, 0)
}
