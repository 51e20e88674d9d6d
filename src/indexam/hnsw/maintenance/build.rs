//! Building graphs: in memory, by threads, then written out; what memory does not hold is inserted on the pages.
//!
//! The threads never call the server. Nothing is logged until a graph's pages are complete; then they are logged as whole
//! pages, and the root page that leads to them last.

use crate::error::{Error, SqlState};
use crate::format::graph::area::AREAS;
use crate::format::graph::entry::{CODE_HEAD_BYTES, NO_NODE, encode_links};
use crate::format::graph::{Area, Entry, GraphRootPage, Header, MapEntry, MapPlace, NodeEntry, Root, Shape};
use crate::format::page::PageBytes;
use crate::format::store::slot_set::{Positions, SlotSet};
use crate::format::store::{Extent, ExtentList, SegmentTag, SlotNo};
use crate::hnsw;
use crate::hnsw::order::Order;
use crate::hnsw::{Graph as _, GraphMut, MemoryGraph, NONE, Node};
use crate::indexam::hnsw::maintenance::in_memory::code_head;
use crate::indexam::hnsw::maintenance::linking::link;
use crate::indexam::hnsw::maintenance::lock::MaintenanceLock;
use crate::indexam::hnsw::maintenance::memory_budget::{bytes, memory_budget, most_nodes};
use crate::indexam::hnsw::maintenance::progress::{Phase, enter, progress};
use crate::indexam::hnsw::maintenance::sample::{SAMPLE, sample};
use crate::indexam::hnsw::maintenance::writer::GraphWriter;
use crate::indexam::hnsw::pages::level;
use crate::indexam::hnsw::pages::{Graph, Index, damaged};
use crate::indexam::hnsw::table::Table;
use crate::indexam::options::GraphOptions;
use crate::pg::error::{notice, raise};
use crate::pg::failpoint::hit;
use crate::pg::wal;
use crate::pg::wal::Change;
use crate::pg::{buffer, memory, relation};
use crate::quant::Codec;
use crate::vector::VectorShape;
use pgrx::pg_sys;
use std::sync::Arc;

/// Builds the graphs over `slots` in the empty index `index`; returns how many vectors are in it.
pub fn build(index: &Index, table: &Table, slots: &SlotSet, options: GraphOptions) -> u64 {
    let meta = index.meta();
    let VectorShape { element, dims } = meta.shape;
    let (code_bytes, m) = (element.info().codes.code_bytes(usize::from(dims)), usize::from(meta.m));
    let budget = memory_budget();
    let fit = most_nodes(budget, code_bytes, m);
    let largest = slots.segments().map(|(_, positions)| u64::from(positions.count())).max().unwrap_or(0);
    if largest > fit {
        let needed = bytes(largest, code_bytes, m).div_ceil(1024 * 1024) + 1;
        let name = index.relation().name();
        notice(
            format!(
                "the graph of index \"{name}\" does not fit into maintenance_work_mem: from vector {fit} on the build is slower"
            ),
            format!("With maintenance_work_mem = '{needed}MB' all {largest} vectors fit."),
        );
    }
    let mut total = 0;
    for (tag, positions) in slots.segments() {
        total += build_graph(index, table, tag, positions, fit as usize, options);
    }
    total
}

fn build_graph(
    index: &Index,
    table: &Table,
    tag: SegmentTag,
    positions: Positions<'_>,
    fit: usize,
    options: GraphOptions,
) -> u64 {
    let graph = index.graph_for(tag);
    let lock = MaintenanceLock::acquire(&graph);
    let entries = || positions.iter().filter_map(|position| table.entry(SlotNo::new(tag, position)));
    let count = positions.count() as usize;
    enter(Phase::Load, count as u64);
    let (trainer, _) = sample(&graph, table, entries().step_by(count.div_ceil(SAMPLE).max(1)));
    let codec = Arc::new(trainer.finish());
    drop(trainer);
    memory::ask(bytes(count.min(fit) as u64, graph.code_bytes(), graph.map.m.into()));
    let mut memory = MemoryGraph::with_capacity(codec.clone(), usize::from(graph.map.m), count.min(fit));
    let mut rest = entries();
    let (mut code, mut vector) = (vec![0; codec.code_bytes()], Vec::new());
    while (memory.nodes() as usize) < fit.max(1) {
        let Some(entry) = rest.next() else { break };
        pgrx::check_for_interrupts!();
        if table.vector(entry, &mut vector) {
            let head = codec.encode(&vector, &mut code);
            memory.push(entry.identity(), level(&graph, memory.nodes()), head, &code);
            if memory.nodes().is_multiple_of(1024) {
                progress(pg_sys::PROGRESS_CREATEIDX_TUPLES_DONE, u64::from(memory.nodes()));
            }
        }
    }
    hit("build.loaded");
    let nodes: Vec<Node> = (0..memory.nodes()).collect();
    link(&memory, &nodes, usize::from(options.ef_construction));
    enter(Phase::Write, count as u64);
    write(&graph, &memory, &codec, None);
    let mut total = u64::from(memory.nodes());
    drop(memory);
    hit("build.written");
    // what memory did not hold
    let mut rest = rest.peekable();
    if rest.peek().is_some() {
        let writer = GraphWriter::new(&graph.now(), lock);
        let mut scratch = hnsw::Scratch::new(&codec);
        for entry in rest {
            pgrx::check_for_interrupts!();
            if table.vector(entry, &mut vector) {
                let node = writer.insert(entry, &vector, usize::from(options.ef_construction), &mut scratch);
                writer.put_place(entry, MapPlace::Node(node));
                total += 1;
                progress(pg_sys::PROGRESS_CREATEIDX_TUPLES_DONE, total);
            }
        }
    }
    total
}

/// Writes a graph from memory onto new pages and lets the root page of `graph` lead to them. With `known`, the entries of the
/// nodes as they are on pages, it replaces a graph whose nodes have the same numbers: free nodes stay free, and the map is
/// left as it is. Without, `graph` is empty, and its map is written too; the nodes, which were made in the order of their
/// slots, get numbers by which neighbours lie together.
pub fn write(graph: &Graph, memory: &MemoryGraph, codec: &Codec, known: Option<&[NodeEntry]>) {
    let nodes = memory.nodes();
    let order = if known.is_some() { Order::unchanged(nodes) } else { Order::breadth_first(memory) };
    let made = Made { graph, memory, order };
    let mut pages = Pages::new(graph);
    made.write_codes(&mut pages);
    let upper = UpperBlocks::of(&made);
    made.write_upper(&mut pages, &upper);
    made.write_nodes(&mut pages, &upper, known);
    if known.is_none() {
        made.write_map(&mut pages);
    }
    write_centroid(&mut pages, &codec.centroid);
    pages.enter(|root| {
        root.trained = true;
        root.scale = codec.scale;
        root.nodes = nodes;
        root.learned = Root::size_mark(root.vectors());
        root.entry = memory.entry().map(|(node, level)| (made.order.number(node), level));
        root.upper_blocks = upper.blocks.len() as u32;
        root.unproven = 0;
        // scans that are under way start over
        root.repairs = root.repairs.wrapping_add(u32::from(known.is_some()));
    });
}

/// A graph in memory, and its nodes' numbers on the pages of `graph`.
struct Made<'g> {
    graph: &'g Graph,
    memory: &'g MemoryGraph,
    order: Order,
}

/// Which links above level 0 are in which block: those of each node together, in the order of numbers.
struct UpperBlocks {
    /// node in memory, and level
    blocks: Vec<(Node, u8)>,
    /// by number, the node's first block
    first: Vec<u32>,
}

impl UpperBlocks {
    fn of(made: &Made<'_>) -> Self {
        let nodes = made.memory.nodes();
        let (mut blocks, mut first) = (Vec::new(), Vec::with_capacity(nodes as usize));
        for node in (0..nodes).map(|number| made.order.node(number)) {
            first.push(blocks.len() as u32);
            blocks.extend((1..=made.memory.level(node)).map(|level| (node, level)));
        }
        Self { blocks, first }
    }
}

impl Made<'_> {
    fn write_codes(&self, pages: &mut Pages<'_>) {
        let (nodes, codes) = (self.memory.nodes(), self.graph.map.codes);
        let (per_page, each) = (codes.per_page, codes.pages_each);
        pages.area(Area::Codes, codes.pages(nodes), |ordinal, page| {
            if each == 1 {
                for number in ordinal * per_page..nodes.min((ordinal + 1) * per_page) {
                    let (at, node) = (codes.at(number).1, self.order.node(number));
                    page[at..at + CODE_HEAD_BYTES].copy_from_slice(&code_head(self.memory, node).encode());
                    let at = at + CODE_HEAD_BYTES;
                    page[at..at + codes.code_bytes].copy_from_slice(self.memory.code(node));
                }
            } else {
                let number = ordinal / each;
                let node = self.order.node(number);
                if ordinal % each == 0 {
                    let at = codes.at(number).1;
                    page[at..at + CODE_HEAD_BYTES].copy_from_slice(&code_head(self.memory, node).encode());
                }
                for (_, at, offset, bytes) in codes.pieces(number).filter(|piece| piece.0 == ordinal) {
                    page[at..at + bytes].copy_from_slice(&self.memory.code(node)[offset..offset + bytes]);
                }
            }
        });
    }

    /// Puts the numbers of a node's links on a level into `links`.
    fn links(&self, node: Node, level: u8, links: &mut Vec<u32>) {
        links.clear();
        self.memory.own_links(node, level, links);
        links.iter_mut().for_each(|link| *link = self.order.number(*link));
    }

    fn write_upper(&self, pages: &mut Pages<'_>, upper: &UpperBlocks) {
        let (m, shape) = (usize::from(self.graph.map.m), self.graph.map.upper);
        let mut links = Vec::new();
        pages.area(Area::Upper, shape.pages(upper.blocks.len() as u32), |ordinal, page| {
            let start = (ordinal * shape.per_page) as usize;
            for (i, &(node, level)) in upper.blocks.iter().enumerate().skip(start).take(shape.per_page as usize) {
                self.links(node, level, &mut links);
                let at = shape.at(i as u32).1;
                page[at..at + shape.entry_bytes].copy_from_slice(&encode_links(&links, m));
            }
        });
    }

    fn write_nodes(&self, pages: &mut Pages<'_>, upper: &UpperBlocks, known: Option<&[NodeEntry]>) {
        let (m, shape, nodes) = (usize::from(self.graph.map.m), self.graph.map.nodes, self.memory.nodes());
        let mut links = Vec::new();
        pages.area(Area::Nodes, shape.pages(nodes), |ordinal, page| {
            for number in ordinal * shape.per_page..nodes.min((ordinal + 1) * shape.per_page) {
                let node = self.order.node(number);
                self.links(node, 0, &mut links);
                let at = shape.at(number).1;
                let duplicate = self.memory.duplicate(node);
                let next = if duplicate == NONE { NO_NODE } else { self.order.number(duplicate) };
                let upper = upper.first[number as usize];
                let entry = NodeEntry { level: self.memory.level(node), in_use: true, upper, next };
                let entry = match known.map(|known| known[number as usize]) {
                    Some(free) if !free.in_use => NodeEntry { in_use: false, next: free.next, ..entry },
                    _ => entry,
                };
                page[at..at + NodeEntry::LINKS].copy_from_slice(&entry.encode());
                page[at + NodeEntry::LINKS..at + shape.entry_bytes].copy_from_slice(&encode_links(&links, 2 * m));
            }
        });
    }

    /// Writes the map. The nodes were made in the order of their slots.
    fn write_map(&self, pages: &mut Pages<'_>) {
        let (nodes, shape) = (self.memory.nodes(), Shape::MAP);
        let entry_of = |node: Node| Entry::of_identity(self.memory.identity(node));
        let mut node = 0;
        let count = if nodes == 0 { 0 } else { shape.pages(entry_of(nodes - 1).slot.position().0 + 1) };
        pages.area(Area::Map, count, |ordinal, page| {
            while node < nodes {
                let entry = entry_of(node);
                let (on, at) = shape.at(entry.slot.position().0);
                if on != ordinal {
                    break;
                }
                let place = MapPlace::Node(self.order.number(node));
                let known = MapEntry { place, generation: entry.generation };
                page[at..at + shape.entry_bytes].copy_from_slice(&known.encode());
                node += 1;
            }
        });
    }
}

fn write_centroid(pages: &mut Pages<'_>, centroid: &[f32]) {
    let shape = Shape::CENTROID;
    pages.area(Area::Centroid, shape.pages(centroid.len() as u32), |ordinal, page| {
        let start = (ordinal * shape.per_page) as usize;
        for (i, x) in centroid.iter().enumerate().skip(start).take(shape.per_page as usize) {
            let at = shape.at(i as u32).1;
            page[at..at + 4].copy_from_slice(&x.to_le_bytes());
        }
    });
}

/// New pages of a graph that nothing leads to until they are entered.
struct Pages<'g> {
    graph: &'g Graph,
    /// the pages of areas that were written
    areas: [Option<ExtentList>; AREAS],
}

impl<'g> Pages<'g> {
    fn new(graph: &'g Graph) -> Self {
        Self { graph, areas: Default::default() }
    }

    /// Makes an area anew of so many pages, each filled by `fill`.
    fn area(&mut self, area: Area, count: u32, mut fill: impl FnMut(u32, &mut PageBytes)) {
        let rel = self.graph.index.relation();
        let mut extents = ExtentList::default();
        for ordinal in 0..count {
            pgrx::check_for_interrupts!();
            let block = {
                let lock = relation::ExtensionLock::acquire(rel);
                let page = buffer::extend(rel);
                drop(lock);
                let header = Header { kind: area.kind(), graph: self.graph.map.no, ordinal };
                wal::fill(&page, header.encode(), |bytes| fill(ordinal, bytes));
                page.block()
            };
            if !extents.push(Extent { start: block, pages: 1 }) {
                raise(Error::new(SqlState::ProgramLimitExceeded, "index has too many pages"));
            }
            if ordinal % 64 == 0 {
                progress(pg_sys::PROGRESS_CREATEIDX_TUPLES_DONE, u64::from(ordinal));
            }
        }
        self.areas[area as usize] = Some(extents);
    }

    /// Logs the pages and lets the root page lead to them.
    fn enter(self, counters: impl FnOnce(&mut Root)) {
        let (rel, map) = (self.graph.index.relation(), &self.graph.map);
        // SAFETY: open
        unsafe {
            // The server locks many pages at a time for this, in the order of blocks: so only such as nobody else knows,
            // not those that others have added to the map or the pending list meanwhile and lock in another order.
            if rel.needs_wal() {
                for extent in self.areas.iter().flatten().flat_map(ExtentList::extents) {
                    let (first, end) = (extent.start, extent.start + extent.pages);
                    pg_sys::log_newpage_range(rel.raw(), pg_sys::ForkNumber::MAIN_FORKNUM, first, end, false);
                }
            }
            hit("build.logged");
            let root_page = buffer::read(rel, map.block).exclusive();
            // rows may have been noted while the pages were written, and the other areas have grown
            let mut page = match GraphRootPage::decode(root_page.page(), map.no, map.m, rel.blocks()) {
                Ok(page) => page,
                Err(damage) => {
                    drop(root_page);
                    damaged(rel, map.block, &damage)
                }
            };
            for (area, written) in page.areas.iter_mut().zip(self.areas) {
                if let Some(written) = written {
                    *area = written;
                }
            }
            page.layout = page.layout.wrapping_add(1);
            counters(&mut page.root);
            let Some(fragments) = page.encode() else {
                drop(root_page);
                raise(
                    Error::new(SqlState::ProgramLimitExceeded, "index has too many extents of pages")
                        .hint("Create it while nothing else extends it."),
                )
            };
            let mut change = Change::new(&root_page);
            change.put_all(&fragments);
            wal::apply(rel, &[change]);
        }
    }
}
