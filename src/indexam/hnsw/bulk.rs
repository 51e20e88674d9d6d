//! Maintenance in memory: a graph is loaded, changed by threads, and what changed is written back.
//!
//! Every page is written by a record of its own. In between, a scan sees old lists and new ones side by side: each leads to
//! nodes that have their codes already, and to no node that is not there yet, since readers pass over numbers that the
//! root page does not count.

use super::build::{code_head, level};
use super::pages::Graph;
use super::vacuum::Nodes;
use super::writer::Writer;
use crate::graph::entry::{NO_NODE, decode_links, encode_links};
use crate::graph::{Area, Entry, NodeEntry};
use crate::hnsw::{Graph as _, GraphMut, MemoryGraph, Node};
use crate::pg::failpoint::hit;
use crate::pg::wal::{self, Change};
use crate::quant::Head;
use crate::segment::page::PageBytes;
use std::ops::Range;

/// A graph in memory, with what its pages say besides.
pub struct Loaded {
    /// the graph
    pub memory: MemoryGraph,
    /// the nodes' entries; of new nodes as they will be
    pub entries: Vec<NodeEntry>,
    /// upper blocks given out
    pub upper_blocks: u32,
    /// nodes that were made or given another vector
    pub new: Vec<Node>,
    /// free nodes that are left, in the order of their chain
    free: Vec<Node>,
}

/// Bytes that `nodes` of a graph take when they are loaded.
#[must_use]
pub fn bytes(graph: &Graph, nodes: u64) -> u64 {
    MemoryGraph::bytes(nodes, usize::from(graph.dims()), usize::from(graph.map.m))
        + nodes * size_of::<NodeEntry>() as u64
}

impl Loaded {
    /// Loads a graph, with room for `more` nodes. The caller holds its maintenance lock.
    #[must_use]
    pub fn of(writer: &Writer, more: usize) -> Self {
        let graph = writer.graph();
        let nodes = graph.root.nodes;
        let m = usize::from(graph.map.m);
        let mut memory = MemoryGraph::with_capacity(writer.codec().clone(), m, nodes as usize + more);
        let mut entries = Vec::with_capacity(nodes as usize + more);
        let mut links: Vec<Vec<Node>> = Vec::new();
        let shape = graph.map.nodes;
        for ordinal in 0..shape.pages(nodes) {
            pgrx::check_for_interrupts!();
            let image = graph.read(Area::Nodes, ordinal, |page| Box::new(*page));
            for node in ordinal * shape.per_page..nodes.min((ordinal + 1) * shape.per_page) {
                let at = shape.at(node).1;
                let entry = NodeEntry::decode(&image[at..at + NodeEntry::LINKS]);
                let mut own = Vec::new();
                if entry.in_use {
                    decode_links(&image[at + NodeEntry::LINKS..at + shape.entry_bytes], &mut own);
                    own.retain(|&link| link < nodes);
                }
                entries.push(entry);
                links.push(own);
            }
        }
        for node in 0..nodes {
            if node % 1024 == 0 {
                pgrx::check_for_interrupts!();
            }
            let (head, code) = graph.code(node);
            let quant = Head { scale: head.scale, bias: head.bias, sum: head.sum };
            memory.push(head.entry.identity(), entries[node as usize].level, quant, &code);
        }
        let mut on_level = Vec::new();
        for (node, own) in links.iter().enumerate() {
            let node = node as Node;
            let entry = entries[node as usize];
            if !entry.in_use {
                continue;
            }
            memory.set_links(node, 0, own);
            if entry.next < nodes {
                memory.set_twin(node, entry.next);
            }
            for level in 1..=entry.level {
                on_level.clear();
                graph.own_links(node, level, &mut on_level);
                memory.set_links(node, level, &on_level);
            }
        }
        memory.set_entry(graph.root.entry);
        let mut free = Vec::new();
        let mut next = graph.root.free.unwrap_or(NO_NODE);
        while next < nodes && free.len() < nodes as usize && !entries[next as usize].in_use {
            free.push(next);
            next = entries[next as usize].next;
        }
        Self { memory, entries, upper_blocks: graph.root.upper_blocks, new: Vec::new(), free }
    }

    /// Adds a node, of a free number if there is one.
    pub fn add(&mut self, graph: &Graph, entry: Entry, head: Head, code: &[u8]) -> Node {
        let node = if self.free.is_empty() {
            let node = self.memory.nodes();
            let level = level(graph, node);
            let upper = self.upper_blocks;
            self.upper_blocks += u32::from(level);
            self.entries.push(NodeEntry { level, in_use: true, upper, next: NO_NODE });
            self.memory.push(entry.identity(), level, head, code)
        } else {
            let node = self.free.remove(0);
            let known = &mut self.entries[node as usize];
            (known.in_use, known.next) = (true, NO_NODE);
            let level = known.level;
            self.memory.replace(node, entry.identity(), level, head, code);
            node
        };
        self.new.push(node);
        node
    }

    /// Writes what is new or changed. First the new nodes, to which nothing leads yet: their codes and links, then that
    /// they are there; if it ends at that, they are in use and in no map, and the next repair takes them out. Then the
    /// links of the others, and to the new.
    pub fn write_back(&self, writer: &Writer) {
        let m = usize::from(writer.graph().map.m);
        let nodes = self.memory.nodes();
        let before = writer.graph().root.nodes;
        {
            let graph = writer.graph();
            let grown = graph.with_pages(Area::Codes, graph.map.codes.pages(nodes));
            let grown = grown.with_pages(Area::Nodes, graph.map.nodes.pages(nodes));
            let grown = grown.with_pages(Area::Upper, graph.map.upper.pages(self.upper_blocks));
            drop(graph);
            writer.adopt_graph(grown);
        }
        writer.change(|root| root.unproven = u32::MAX);
        let graph = writer.graph().clone();
        self.write_new_codes(writer, &graph);
        hit("bulk.codes");
        let is_new = Nodes::none(nodes);
        self.new.iter().for_each(|&node| is_new.insert(node));
        self.write_upper(&graph, m, &|node| is_new.contains(node));
        self.write_nodes(&graph, m, before..nodes, false);
        let reused: Vec<Node> = self.new.iter().copied().filter(|&node| node < before).collect();
        for (i, &node) in reused.iter().enumerate() {
            pgrx::check_for_interrupts!();
            let next = reused.get(i + 1).or(self.free.first()).copied();
            writer.take_free(node, next, &self.node_bytes(node, m, false));
        }
        let upper_blocks = self.upper_blocks;
        writer.change(|root| {
            root.nodes = nodes;
            root.upper_blocks = upper_blocks;
        });
        hit("bulk.entered");
        self.write_upper(&graph, m, &|_| true);
        hit("bulk.upper");
        self.write_nodes(&graph, m, 0..nodes, true);
        hit("bulk.nodes");
        let entry = self.memory.entry();
        writer.change(|root| {
            root.entry = entry;
            root.unproven = 0;
        });
        hit("bulk.root");
    }

    fn write_new_codes(&self, writer: &Writer, graph: &Graph) {
        let mut new = self.new.clone();
        new.sort_unstable();
        let codes = graph.map.codes;
        for on_page in new.chunk_by(|&a, &b| codes.pages_each == 1 && codes.at(a).0 == codes.at(b).0) {
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
            write_page(graph, Area::Codes, codes.at(on_page[0]).0, &fragments);
        }
    }

    /// A node's entry and links on level 0.
    fn node_bytes(&self, node: Node, m: usize, with_twin: bool) -> Vec<u8> {
        let mut links = Vec::new();
        self.memory.own_links(node, 0, &mut links);
        let next = if with_twin { self.memory.twin(node) } else { NO_NODE };
        let entry = NodeEntry { next, ..self.entries[node as usize] };
        [&entry.encode()[..], &encode_links(&links, 2 * m)].concat()
    }

    /// Writes the nodes of a range that are in use, as far as they have changed. New nodes get their twins when they are
    /// linked to: until then they are in no chain.
    fn write_nodes(&self, graph: &Graph, m: usize, range: Range<Node>, with_twins: bool) {
        let shape = graph.map.nodes;
        for ordinal in range.start / shape.per_page..shape.pages(range.end) {
            pgrx::check_for_interrupts!();
            let image = graph.read(Area::Nodes, ordinal, |page| Box::new(*page));
            let mut fragments = Vec::new();
            let on_page = ordinal * shape.per_page..(ordinal + 1) * shape.per_page;
            for node in on_page.start.max(range.start)..on_page.end.min(range.end) {
                if self.entries[node as usize].in_use {
                    push_difference(&image, shape.at(node).1, self.node_bytes(node, m, with_twins), &mut fragments);
                }
            }
            write_page(graph, Area::Nodes, ordinal, &fragments);
        }
    }

    fn write_upper(&self, graph: &Graph, m: usize, wanted: &dyn Fn(Node) -> bool) {
        let shape = graph.map.upper;
        let mut blocks: Vec<(u32, Node, u8)> = Vec::new();
        for (node, entry) in self.entries.iter().enumerate().filter(|(_, entry)| entry.in_use) {
            if wanted(node as Node) {
                blocks.extend((1..=entry.level).map(|level| (entry.upper + u32::from(level) - 1, node as Node, level)));
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
    // SAFETY: open
    unsafe {
        let page = graph.pin(area, ordinal).exclusive();
        let mut change = Change::new(&page);
        super::grow::put_all(&mut change, fragments);
        wal::apply(graph.index.relation(), &[change]);
    }
}
