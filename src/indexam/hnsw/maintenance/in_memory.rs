//! In-memory graphs: a graph is loaded, changed by threads, and what has changed is written back.
//!
//! Each page is written by a record of its own. Between two records a scan sees old lists of links beside new ones. Both lead
//! to nodes whose codes are there: a node number that the root page does not count yet is passed over by readers.

#![forbid(unsafe_code)]

use crate::format::graph::entry::{NO_NODE, decode_links, encode_links};
use crate::format::graph::{Area, CodeHead, Entry, NodeEntry};
use crate::format::page::{Damage, PageBytes};
use crate::hnsw::{Graph as _, GraphMut, MemoryGraph, Node};
use crate::indexam::hnsw::maintenance::memory_budget;
use crate::indexam::hnsw::maintenance::writer::GraphWriter;
use crate::indexam::hnsw::pages::level;
use crate::indexam::hnsw::pages::{Graph, damaged};
use crate::pg::failpoint::hit;
use crate::pg::wal;
use crate::pg::wal::Change;
use crate::quant::Head;
use std::collections::VecDeque;

/// A graph in memory, with what its pages say besides.
pub struct LoadedGraph {
    /// the graph
    pub memory: MemoryGraph,
    /// the nodes' entries; of new nodes as they will be
    pub entries: Vec<NodeEntry>,
    /// upper blocks given out
    pub upper_blocks: u32,
    /// nodes that were made or given another vector
    pub new: Vec<Node>,
    /// free nodes that are left, in the order of their chain
    free: VecDeque<Node>,
}

/// Bytes that `nodes` of a graph take when they are loaded.
#[must_use]
pub fn bytes(graph: &Graph, nodes: u64) -> u64 {
    memory_budget::bytes(nodes, graph.code_bytes(), usize::from(graph.map.m)) + nodes * size_of::<NodeEntry>() as u64
}

impl Graph {
    /// Raises the error for a damaged page of an area.
    fn damage(&self, area: Area, ordinal: u32, what: String) -> ! {
        let block = self.map.page.area(area).block(ordinal).unwrap_or(self.map.block);
        damaged(self.index.relation(), block, &Damage(what))
    }

    /// Raises an error when a chain of duplicates comes back to itself, which would never end: only damage makes such a chain.
    pub fn refuse_circles(&self, nodes: u32, entry: impl Fn(Node) -> NodeEntry) {
        // 0 = not seen, otherwise the number of the walk that came by
        let mut seen = vec![0u32; nodes as usize];
        for start in 0..nodes {
            let mut node = start;
            while node < nodes && seen[node as usize] == 0 && entry(node).in_use {
                seen[node as usize] = start + 1;
                node = entry(node).next;
            }
            if node < nodes && seen[node as usize] == start + 1 && entry(node).in_use {
                let what = format!("the chain of duplicates at node {node} leads in a circle");
                self.damage(Area::Nodes, self.map.nodes.at(node).0, what);
            }
        }
    }
}

impl LoadedGraph {
    /// Loads a graph, with room for `more` nodes. The caller holds its maintenance lock.
    #[must_use]
    pub fn of(writer: &GraphWriter, more: usize) -> Self {
        let graph = writer.graph();
        let nodes = graph.root.nodes;
        let m = usize::from(graph.map.m);
        crate::pg::memory::ask(bytes(&graph, u64::from(nodes) + more as u64));
        let mut memory = MemoryGraph::with_capacity(writer.codec().clone(), m, nodes as usize + more);
        let mut entries = Vec::with_capacity(nodes as usize + more);
        let mut own = Vec::new();
        let shape = graph.map.nodes;
        for ordinal in 0..shape.pages(nodes) {
            pgrx::check_for_interrupts!();
            let image = graph.read(Area::Nodes, ordinal, |page| Box::new(*page));
            for node in ordinal * shape.per_page..nodes.min((ordinal + 1) * shape.per_page) {
                let at = shape.at(node).1;
                let entry = NodeEntry::decode(&image[at..at + NodeEntry::LINKS]);
                own.clear();
                if entry.in_use {
                    if entry.level != level(&graph, node) {
                        graph.damage(Area::Nodes, ordinal, format!("node {node} has a level that is not its number's"));
                    }
                    decode_links(&image[at + NodeEntry::LINKS..at + shape.entry_bytes], &mut own);
                    own.retain(|&link| link < nodes);
                }
                let (head, code) = graph.code(node);
                let quant = Head { step: head.step, bias: head.bias, sum: head.sum };
                memory.push(head.entry.identity(), entry.level, quant, &code);
                memory.set_links(node, 0, &own);
                if entry.in_use && entry.next < nodes {
                    memory.set_duplicate(node, entry.next);
                }
                entries.push(entry);
            }
        }
        let mut on_level = Vec::new();
        for node in 0..nodes {
            if node % 1024 == 0 {
                pgrx::check_for_interrupts!();
            }
            let entry = entries[node as usize];
            if !entry.in_use {
                continue;
            }
            for level in 1..=entry.level {
                on_level.clear();
                let (ordinal, at) = graph.map.upper.at(entry.upper + u32::from(level) - 1);
                let page = graph.pin(Area::Upper, ordinal);
                decode_links(&page.page()[at..at + graph.map.upper.entry_bytes], &mut on_level);
                on_level.retain(|&link| link < nodes);
                if let Some(link) = on_level.iter().find(|&&link| entries[link as usize].level < level) {
                    let what = format!("node {node} links to {link} on level {level}, which is not on that level");
                    graph.damage(Area::Upper, ordinal, what);
                }
                memory.set_links(node, level, &on_level);
            }
        }
        if let Some((entry, level)) = graph.root.entry
            && !entries.get(entry as usize).is_some_and(|known| known.in_use && known.level == level)
        {
            let what = format!("the entry point {entry} is not in use on level {level}");
            damaged(graph.index.relation(), graph.map.block, &Damage(what));
        }
        graph.refuse_circles(nodes, |node| entries[node as usize]);
        memory.set_entry(graph.root.entry);
        let mut free = VecDeque::new();
        let mut next = graph.root.free.unwrap_or(NO_NODE);
        while next < nodes && free.len() < nodes as usize && !entries[next as usize].in_use {
            free.push_back(next);
            next = entries[next as usize].next;
        }
        Self { memory, entries, upper_blocks: graph.root.upper_blocks, new: Vec::new(), free }
    }

    /// Adds a node, of a free number if there is one.
    pub fn add(&mut self, graph: &Graph, entry: Entry, head: Head, code: &[u8]) -> Node {
        let node = if let Some(node) = self.free.pop_front() {
            let known = &mut self.entries[node as usize];
            (known.in_use, known.next) = (true, NO_NODE);
            let level = known.level;
            self.memory.replace(node, entry.identity(), level, head, code);
            node
        } else {
            let node = self.memory.nodes();
            let level = level(graph, node);
            let upper = self.upper_blocks;
            self.upper_blocks += u32::from(level);
            self.entries.push(NodeEntry { level, in_use: true, upper, next: NO_NODE });
            self.memory.push(entry.identity(), level, head, code)
        };
        self.new.push(node);
        node
    }

    /// Writes what is new or changed, in an order in which the graph is searchable at any time: the codes of new nodes,
    /// their entries and links, the root page's counters and the entry point; then the links of the other nodes. Nodes
    /// that `is_dead` names come last: until nothing leads to them any more, they lead on.
    ///
    /// Free nodes that were given out leave the free list first: once their entries are written, the list must not lead
    /// to them, because where the next free one stood there is a duplicate, of a live vector perhaps. Should the rest fail,
    /// the next repair finds them; and since the numbers that are not counted yet are then given to other vectors, no chain
    /// leads to those before.
    pub fn write_back(&self, writer: &GraphWriter, is_dead: &dyn Fn(Node) -> bool) {
        let nodes = self.memory.nodes();
        let mut new = self.new.clone();
        new.sort_unstable();
        if !new.is_empty() {
            let (first_free, free_nodes) = (self.free.front().copied(), self.free.len() as u32);
            if writer.graph().root.free != first_free {
                writer.change(|root| (root.free, root.free_nodes) = (first_free, free_nodes));
            }
            hit("bulk.taken");
            let graph = writer.graph();
            let grown = graph.with_pages(Area::Codes, graph.map.codes.pages(nodes));
            let grown = grown.with_pages(Area::Nodes, graph.map.nodes.pages(nodes));
            let grown = grown.with_pages(Area::Upper, graph.map.upper.pages(self.upper_blocks));
            drop(graph);
            writer.adopt_graph(grown);
            self.write_codes(writer, &new);
            hit("bulk.codes");
            let graph = writer.graph().clone();
            self.write_upper(&graph, &new);
            self.write_nodes(&graph, &new, graph.root.nodes);
            hit("bulk.added");
        }
        // from here on links to others may be lost, until all are written
        let upper_blocks = self.upper_blocks;
        writer.change(|root| (root.nodes, root.upper_blocks, root.unproven) = (nodes, upper_blocks, u32::MAX));
        hit("bulk.counted");
        let others = (0..nodes).filter(|node| new.binary_search(node).is_err());
        let (dead, others): (Vec<Node>, Vec<Node>) = others.partition(|&node| is_dead(node));
        let graph = writer.graph().clone();
        self.write_upper(&graph, &others);
        hit("bulk.upper");
        self.write_nodes(&graph, &new, nodes);
        self.write_nodes(&graph, &others, nodes);
        hit("bulk.nodes");
        self.write_nodes(&graph, &dead, nodes);
        let entry = self.memory.entry();
        writer.change(|root| (root.entry, root.unproven) = (entry, 0));
        hit("bulk.root");
    }

    fn write_codes(&self, writer: &GraphWriter, nodes: &[Node]) {
        let graph = writer.graph().clone();
        let codes = graph.map.codes;
        for on_page in nodes.chunk_by(|&a, &b| codes.pages_each == 1 && codes.at(a).0 == codes.at(b).0) {
            pgrx::check_for_interrupts!();
            if codes.pages_each > 1 {
                writer.put_code(on_page[0], &code_head(&self.memory, on_page[0]), self.memory.code(on_page[0]));
                continue;
            }
            let fragments: Vec<_> = on_page
                .iter()
                .map(|&node| {
                    let head = code_head(&self.memory, node).encode();
                    (codes.at(node).1, [&head, self.memory.code(node)].concat())
                })
                .collect();
            write_page(&graph, Area::Codes, codes.at(on_page[0]).0, &fragments);
        }
    }

    /// Writes entries and links of level 0 of `nodes`, which are in ascending order. Duplicates from the number `end` on are left
    /// out.
    fn write_nodes(&self, graph: &Graph, nodes: &[Node], end: Node) {
        let shape = graph.map.nodes;
        let m = usize::from(graph.map.m);
        let mut links = Vec::new();
        for on_page in nodes.chunk_by(|&a, &b| shape.at(a).0 == shape.at(b).0) {
            pgrx::check_for_interrupts!();
            let ordinal = shape.at(on_page[0]).0;
            let image = graph.read(Area::Nodes, ordinal, |page| Box::new(*page));
            let mut fragments = Vec::new();
            for &node in on_page {
                let known = self.entries[node as usize];
                if known.in_use {
                    links.clear();
                    self.memory.own_links(node, 0, &mut links);
                    let next =
                        Some(self.memory.duplicate(node)).filter(|&duplicate| duplicate < end).unwrap_or(NO_NODE);
                    let entry = NodeEntry { next, ..known };
                    let bytes = [&entry.encode()[..], &encode_links(&links, 2 * m)].concat();
                    push_difference(&image, shape.at(node).1, bytes, &mut fragments);
                }
            }
            write_page(graph, Area::Nodes, ordinal, &fragments);
        }
    }

    /// Writes the links of `nodes` above level 0.
    fn write_upper(&self, graph: &Graph, nodes: &[Node]) {
        let shape = graph.map.upper;
        let m = usize::from(graph.map.m);
        let mut blocks: Vec<(u32, Node, u8)> = Vec::new();
        for (node, entry) in nodes.iter().map(|&node| (node, self.entries[node as usize])) {
            if entry.in_use {
                blocks.extend((1..=entry.level).map(|level| (entry.upper + u32::from(level) - 1, node, level)));
            }
        }
        blocks.sort_unstable();
        let mut links = Vec::new();
        for on_page in blocks.chunk_by(|a, b| shape.at(a.0).0 == shape.at(b.0).0) {
            pgrx::check_for_interrupts!();
            let ordinal = shape.at(on_page[0].0).0;
            let image = graph.read(Area::Upper, ordinal, |page| Box::new(*page));
            let mut fragments = Vec::new();
            for &(block, node, level) in on_page {
                links.clear();
                self.memory.own_links(node, level, &mut links);
                push_difference(&image, shape.at(block).1, encode_links(&links, m), &mut fragments);
            }
            write_page(graph, Area::Upper, ordinal, &fragments);
        }
    }
}

/// Adds what of `bytes` differs from the page at `at`.
fn push_difference(page: &PageBytes, at: usize, bytes: Vec<u8>, fragments: &mut Vec<(usize, Vec<u8>)>) {
    let old = &page[at..at + bytes.len()];
    if old != bytes {
        let same = old.iter().zip(&bytes).take_while(|(a, b)| a == b).count();
        let tail = old.iter().rev().zip(bytes.iter().rev()).take_while(|(a, b)| a == b).count();
        fragments.push((at + same, bytes[same..bytes.len() - tail].to_vec()));
    }
}

/// Writes fragments on a page in one record.
pub fn write_page(graph: &Graph, area: Area, ordinal: u32, fragments: &[(usize, Vec<u8>)]) {
    if fragments.is_empty() {
        return;
    }
    hit("bulk.page");
    let page = graph.pin(area, ordinal).exclusive();
    let mut change = Change::new(&page);
    change.put_all(fragments);
    wal::apply(graph.index.relation(), &[change]);
}

/// The head of a node's code as pages have it.
#[must_use]
pub fn code_head(memory: &MemoryGraph, node: Node) -> CodeHead {
    let head = memory.head(node);
    let entry = Entry::of_identity(memory.identity(node));
    CodeHead { entry, step: head.step, bias: head.bias, sum: head.sum }
}
