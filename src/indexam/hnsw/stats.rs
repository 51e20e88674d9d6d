//! What each graph of an index consists of.

use crate::format::graph::Area;
use crate::indexam::hnsw::pages::Index;
use crate::indexam::hnsw::table::Table;
use crate::knn::column::Column;
use crate::pg::relation::Rel;
use crate::vector::CodeKind;
use pgrx::pg_sys;

/// A graph in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// number of the table's segment that the graph is over
    pub segment: u32,
    /// nodes in use, dead ones included
    pub nodes: u32,
    /// nodes that no snapshot needs any more, as their slots say now
    pub dead: u32,
    /// levels that have nodes
    pub levels: u32,
    /// vectors that wait outside the graph
    pub pending: u32,
    /// bytes of its pages
    pub bytes: u64,
    /// what its codes are
    pub codes: CodeKind,
}

impl Stats {
    /// The share of dead nodes, from 0 to 1.
    #[must_use]
    pub fn dead_share(&self) -> f64 {
        if self.nodes == 0 { 0.0 } else { f64::from(self.dead) / f64::from(self.nodes) }
    }
}

/// The graphs of the open `index` of the open table `heap`, beside running writers.
#[must_use]
pub fn stats(index: Rel<'_>, heap: Rel<'_>) -> Vec<Stats> {
    // SAFETY: the value does not outlive the call
    let pages = unsafe { Index::of(index) };
    let column = Column::of(index, heap);
    let table = Table::open(heap, column.shape(), pg_sys::AccessShareLock as _);
    let graphs = pages.graphs();
    graphs
        .into_iter()
        .map(|graph| {
            let nodes = graph.root.nodes_in_use();
            let pages: u32 = Area::ALL.into_iter().map(|area| graph.map.page.area(area).pages()).sum();
            Stats {
                segment: table.store.number_of(graph.map.page.tag).0,
                nodes,
                dead: nodes.saturating_sub(graph.alive(&table).0.count()),
                levels: graph.root.entry.map_or(0, |(_, level)| u32::from(level) + 1),
                pending: graph.root.pending(),
                bytes: (u64::from(pages) + 1) * u64::from(pg_sys::BLCKSZ),
                codes: graph.map.page.codes,
            }
        })
        .collect()
}
