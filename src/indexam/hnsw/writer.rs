//! The graph on pages, as its one maintainer changes it: each change is a record of its own, after which the graph is
//! searchable.
//!
//! Whoever holds a [`Writer`] holds the graph's maintenance lock. Scans may read any page at any time; appending backends
//! change the root page, the map and the pending list beside it.

use super::grow::put_all;
use super::pages::{Graph, Index};
use crate::graph::entry::{CODE_HEAD_BYTES, NO_NODE, encode_links};
use crate::graph::{Area, CodeHead, CodeShape, Entry, MapEntry, NodeEntry, Place, Root, Shape};
use crate::hnsw::{self, GraphMut, NONE, Node};
use crate::pg::buffer;
use crate::pg::failpoint::hit;
use crate::pg::wal::{self, Change};
use crate::quant::{Codec, Head, Query};
use pgrx::pg_sys;
use std::cell::{Ref, RefCell};
use std::sync::Arc;

/// Holds a graph's maintenance lock: one drain or repair at a time. Released when dropped, or by the server after an
/// error.
pub struct Maintenance {
    rel: pg_sys::Relation,
    block: u32,
}

const LOCK: pg_sys::LOCKMODE = pg_sys::ExclusiveLock as _;

impl Maintenance {
    /// Waits for the lock.
    #[must_use]
    pub fn acquire(graph: &Graph) -> Self {
        Self::acquire_at(&graph.index, graph.map.block)
    }

    /// Waits for the lock of the graph whose root page is `block`, which need not be sound.
    #[must_use]
    pub fn acquire_at(index: &Index, block: u32) -> Self {
        let rel = index.relation();
        // SAFETY: open
        unsafe { pg_sys::LockPage(rel, block, LOCK) };
        Self { rel, block }
    }

    /// Takes the lock if nobody has it.
    #[must_use]
    pub fn try_acquire(graph: &Graph) -> Option<Self> {
        let (rel, block) = (graph.index.relation(), graph.map.block);
        // SAFETY: open
        unsafe { pg_sys::ConditionalLockPage(rel, block, LOCK) }.then(|| Self { rel, block })
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: acquired before
            unsafe { pg_sys::UnlockPage(self.rel, self.block, LOCK) }
        }
    }
}

/// A graph and the right to change it.
pub struct Writer {
    graph: RefCell<Graph>,
    codec: Arc<Codec>,
    _lock: Maintenance,
}

impl Writer {
    /// A writer of `graph`, which must be trained; `lock` is the graph's.
    #[must_use]
    pub fn new(graph: &Graph, lock: Maintenance) -> Self {
        Self::with_codec(graph, graph.codec(), lock)
    }

    /// A writer with these parameters of the codes.
    #[must_use]
    pub fn with_codec(graph: &Graph, codec: Arc<Codec>, lock: Maintenance) -> Self {
        Self { graph: RefCell::new(graph.now()), codec, _lock: lock }
    }

    /// The graph as this writer has made it, but for what others append meanwhile.
    #[must_use]
    pub fn graph(&self) -> Ref<'_, Graph> {
        self.graph.borrow()
    }

    /// The codes' parameters.
    #[must_use]
    pub fn codec(&self) -> &Arc<Codec> {
        &self.codec
    }

    /// Changes the root page, and what else `others` adds, in one record.
    fn change_root(&self, change: impl FnOnce(&mut Root), others: &[(Area, u32, usize, Vec<u8>)]) {
        let mut graph = self.graph.borrow_mut();
        let rel = graph.index.relation();
        // SAFETY: open; the root page first
        unsafe {
            let root_page = buffer::read(rel, graph.map.block).exclusive();
            let mut root = Root::decode(root_page.page());
            change(&mut root);
            let pages: Vec<_> =
                others.iter().map(|(area, ordinal, ..)| graph.pin(*area, *ordinal).exclusive()).collect();
            let mut on_root = Change::new(&root_page);
            put_all(&mut on_root, &[root.encode(), root.encode_dead(), root.encode_unproven()]);
            let mut changes = vec![on_root];
            for (page, (_, _, at, bytes)) in pages.iter().zip(others) {
                let mut change = Change::new(page);
                change.put(*at, bytes);
                changes.push(change);
            }
            wal::apply(rel, &changes);
            graph.root = root;
        }
    }

    /// Changes the root page's counters.
    pub fn change(&self, change: impl FnOnce(&mut Root)) {
        self.change_root(change, &[]);
    }

    /// Goes on with the graph as it is after it has grown.
    pub fn adopt_graph(&self, grown: Graph) {
        *self.graph.borrow_mut() = grown;
    }

    /// Lets a dead head of a chain stand for its twin's vector. The map forgets the dead one.
    pub fn adopt(&self, head: Node, twin: Node) {
        let graph = self.graph();
        let (dead, entry) = (graph.code_head(head).entry, graph.code_head(twin).entry);
        let (code_page, code_at) = graph.map.codes.at(head);
        let mut places = vec![(entry, Place::Node(head))];
        let known = graph.place(dead.slot.position());
        if known.is_some_and(|known| known.place == Place::Node(head) && known.generation == dead.generation) {
            places.push((dead, Place::None));
        }
        // a page that both are on is locked once
        let mut ordinals: Vec<u32> = places.iter().map(|(entry, _)| Shape::MAP.at(entry.slot.position().0).0).collect();
        ordinals.sort_unstable();
        ordinals.dedup();
        hit("repair.adopt");
        // SAFETY: open; pages in the order codes, map
        unsafe {
            let code = graph.pin(Area::Codes, code_page).exclusive();
            let pages: Vec<_> = ordinals.iter().map(|&ordinal| graph.pin(Area::Map, ordinal).exclusive()).collect();
            let mut on_code = Change::new(&code);
            on_code.put(code_at, &entry.encode());
            let mut changes = vec![on_code];
            for (&ordinal, page) in ordinals.iter().zip(&pages) {
                let mut on_map = Change::new(page);
                for &(entry, place) in &places {
                    let (its_page, at) = Shape::MAP.at(entry.slot.position().0);
                    // the dead one's slot may have been given away since
                    let now = MapEntry::decode(&page.page()[at..at + Shape::MAP.entry_bytes]);
                    if its_page == ordinal && now.generation == entry.generation {
                        on_map.put(at, &MapEntry { place, generation: entry.generation }.encode());
                    }
                }
                changes.push(on_map);
            }
            wal::apply(graph.index.relation(), &changes);
        }
    }

    /// Writes a node's code.
    pub fn put_code(&self, node: Node, head: &CodeHead, code: &[u8]) {
        let codes: CodeShape = self.graph().map.codes;
        let (ordinal, at) = codes.at(node);
        if codes.pages_each == 1 {
            self.put(Area::Codes, ordinal, at, &[&head.encode(), code].concat());
        } else {
            self.put(Area::Codes, ordinal, at, &head.encode());
            for (ordinal, at, offset, bytes) in codes.pieces(node) {
                self.put(Area::Codes, ordinal, at, &code[offset..offset + bytes]);
            }
        }
    }

    /// Writes `bytes` on a page, in a record of its own.
    fn put(&self, area: Area, ordinal: u32, at: usize, bytes: &[u8]) {
        let graph = self.graph.borrow();
        // SAFETY: open
        unsafe {
            let page = graph.pin(area, ordinal).exclusive();
            let mut change = Change::new(&page);
            change.put(at, bytes);
            wal::apply(graph.index.relation(), &[change]);
        }
    }

    /// Adds a node for the vector `entry` with this code. Nothing leads to it yet.
    #[must_use]
    pub fn add(&self, entry: Entry, head: Head, code: &[u8]) -> Node {
        let reused = self.graph().root.free;
        let node = reused.unwrap_or(self.graph().root.nodes);
        let m = self.graph().map.m;
        let (level, upper) = match reused {
            // a node's level is its number's, so upper blocks need no list of free ones
            Some(node) => {
                let known = self.graph().node_entry(node);
                (known.level, known.upper)
            }
            None => {
                let graph = self.graph();
                let seed = u64::from(graph.map.page.tag.0) << 32 | u64::from(node);
                (hnsw::level_of(seed, usize::from(m)), graph.root.upper_blocks)
            }
        };
        let codes: CodeShape = self.graph().map.codes;
        let upper_end = upper + u32::from(level);
        {
            let grown = self.graph().with_pages(Area::Codes, codes.pages(node + 1));
            let grown = grown.with_pages(Area::Nodes, Shape::nodes(m).pages(node + 1));
            let grown = grown.with_pages(Area::Upper, Shape::upper(m).pages(upper_end));
            *self.graph.borrow_mut() = grown;
        }
        let next_free = reused.map(|node| self.graph().node_entry(node).next);
        hit("node.code");
        let head = CodeHead { entry, scale: head.scale, bias: head.bias, sum: head.sum };
        self.put_code(node, &head, code);
        for block in upper..upper_end {
            let shape = Shape::upper(m);
            let (ordinal, at) = shape.at(block);
            self.put(Area::Upper, ordinal, at, &encode_links(&[], usize::from(m)));
        }
        hit("node.entered");
        let entry = NodeEntry { level, in_use: true, upper, next: NO_NODE };
        let bytes = [&entry.encode()[..], &encode_links(&[], 2 * usize::from(m))].concat();
        let (ordinal, at) = Shape::nodes(m).at(node);
        self.change_root(
            |root| {
                root.unproven = root.unproven.saturating_add(1);
                match next_free {
                    Some(next) => {
                        root.free = (next != NO_NODE).then_some(next);
                        root.free_nodes = root.free_nodes.saturating_sub(1);
                    }
                    None => {
                        root.nodes = root.nodes.max(node + 1);
                        root.upper_blocks = root.upper_blocks.max(upper_end);
                    }
                }
            },
            &[(Area::Nodes, ordinal, at, bytes)],
        );
        hit("node.added");
        node
    }

    /// Takes `node`, the first free one, into use with these bytes of its entry and links; `next` is free then.
    pub fn take_free(&self, node: Node, next: Option<Node>, bytes: &[u8]) {
        let (ordinal, at) = self.graph().map.nodes.at(node);
        hit("bulk.take");
        self.change_root(
            |root| {
                root.free = next;
                root.free_nodes = root.free_nodes.saturating_sub(1);
            },
            &[(Area::Nodes, ordinal, at, bytes.to_vec())],
        );
    }

    /// Notes that the first entry of the pending list, `entry`, is in the graph as `node`, or nowhere.
    pub fn settle(&self, entry: Entry, node: Option<Node>) {
        let (ordinal, at) = Shape::MAP.at(entry.slot.position().0);
        let known = self.graph().place(entry.slot.position());
        let place = node.map_or(Place::None, Place::Node);
        // the slot may have been given to another vector since, which then waits further back
        let is_ours = known.is_some_and(|known| known.generation == entry.generation);
        let map = (Area::Map, ordinal, at, MapEntry { place, generation: entry.generation }.encode().to_vec());
        hit("drain.settle");
        self.change_root(
            |root| {
                root.pending_start += 1;
                if root.pending_start >= root.pending_end {
                    (root.pending_start, root.pending_end) = (0, 0);
                }
            },
            if is_ours { std::slice::from_ref(&map) } else { &[] },
        );
        hit("drain.settled");
    }

    /// Notes where the vector `entry` is, whatever the map said of its slot.
    pub fn put_place(&self, entry: Entry, place: Place) {
        let (ordinal, at) = Shape::MAP.at(entry.slot.position().0);
        let grown = self.graph().with_pages(Area::Map, ordinal + 1);
        *self.graph.borrow_mut() = grown;
        self.put(Area::Map, ordinal, at, &MapEntry { place, generation: entry.generation }.encode());
    }

    /// Sets where the vector `entry` is, if the map has it.
    pub fn set_place(&self, entry: Entry, place: Place) {
        let Some(known) = self.graph().place(entry.slot.position()) else { return };
        if known.generation == entry.generation {
            let (ordinal, at) = Shape::MAP.at(entry.slot.position().0);
            self.put(Area::Map, ordinal, at, &MapEntry { place, generation: entry.generation }.encode());
        }
    }

    /// Frees a node that nothing leads to any more.
    pub fn free(&self, node: Node) {
        let m = self.graph().map.m;
        let known = self.graph().node_entry(node);
        if !known.in_use {
            return;
        }
        let next = self.graph().root.free.unwrap_or(NO_NODE);
        let (ordinal, at) = Shape::nodes(m).at(node);
        let bytes = NodeEntry { in_use: false, next, ..known }.encode().to_vec();
        hit("repair.free");
        self.change_root(
            |root| {
                root.free = Some(node);
                root.free_nodes += 1;
                root.dead = root.dead.saturating_sub(1);
            },
            &[(Area::Nodes, ordinal, at, bytes)],
        );
    }

    /// Notes how many nodes are dead.
    pub fn set_dead(&self, dead: u32) {
        if self.graph().root.dead != dead {
            self.change_root(|root| root.dead = dead, &[]);
        }
    }

    /// Replaces the entry point.
    pub fn set_entry(&self, entry: Option<(Node, u8)>) {
        hit("repair.entry");
        self.change_root(|root| root.entry = entry, &[]);
    }

    /// Replaces a node's links on a level.
    pub fn put_links(&self, node: Node, level: u8, before: &[Node], after: &[Node]) {
        if before == after {
            return;
        }
        let graph = self.graph();
        let m = usize::from(graph.map.m);
        let (area, (ordinal, at), most) = if level == 0 {
            let (ordinal, at) = graph.map.nodes.at(node);
            (Area::Nodes, (ordinal, at + NodeEntry::LINKS), 2 * m)
        } else {
            let block = graph.node_entry(node).upper + u32::from(level) - 1;
            (Area::Upper, graph.map.upper.at(block), m)
        };
        drop(graph);
        let (old, new) = (encode_links(before, most), encode_links(after, most));
        let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count() / 4 * 4;
        let end = new.len() - old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count() / 4 * 4;
        hit("links.put");
        self.put(area, ordinal, at + same, &new[same..end.max(same)]);
    }
}

impl hnsw::Graph for Writer {
    fn entry(&self) -> Option<(Node, u8)> {
        self.graph().root.entry
    }

    fn nodes(&self) -> u32 {
        self.graph().root.nodes
    }

    fn links(&self, node: Node, level: u8, out: &mut Vec<Node>) {
        self.graph().links(node, level, out);
    }

    fn distances(&self, query: &Query, nodes: &[Node], out: &mut Vec<f32>) {
        self.graph().distances(query, nodes, out);
    }
}

impl GraphMut for Writer {
    fn m(&self) -> usize {
        usize::from(self.graph().map.m)
    }

    fn level(&self, node: Node) -> u8 {
        self.graph().node_entry(node).level
    }

    fn load_query(&self, node: Node, query: &mut Query) {
        let (head, code) = self.graph().code(node);
        query.assign_code(&self.codec, super::search::quant_head(&head), &code);
    }

    fn same_code(&self, a: Node, b: Node) -> bool {
        let graph = self.graph();
        let ((a_head, a), (b_head, b)) = (graph.code(a), graph.code(b));
        let bits = |head: &CodeHead| (head.scale.to_bits(), head.bias.to_bits());
        bits(&a_head) == bits(&b_head) && a == b
    }

    fn edit_links(&self, node: Node, level: u8, change: &mut dyn FnMut(&mut Vec<Node>)) {
        let mut links = Vec::new();
        self.graph().own_links(node, level, &mut links);
        let before = links.clone();
        change(&mut links);
        self.put_links(node, level, &before, &links);
    }

    fn twin(&self, node: Node) -> Node {
        self.graph().node_entry(node).next
    }

    fn set_twin(&self, node: Node, twin: Node) {
        let (ordinal, at) = self.graph().map.nodes.at(node);
        hit("links.twin");
        self.put(Area::Nodes, ordinal, at + NodeEntry::NEXT, &twin.to_le_bytes());
    }

    fn replace_entry(&self, entry: Option<(Node, u8)>) {
        self.set_entry(entry);
    }

    fn own_links(&self, node: Node, level: u8, out: &mut Vec<Node>) {
        self.graph().own_links(node, level, out);
    }

    fn raise_entry(&self, node: Node, level: u8) {
        if self.graph().root.entry.is_none_or(|(_, highest)| level > highest) {
            self.set_entry(Some((node, level)));
        }
    }
}

impl Graph {
    /// A node's code.
    #[must_use]
    pub fn code(&self, node: Node) -> (CodeHead, Vec<u8>) {
        let (ordinal, at) = self.map.codes.at(node);
        let mut code = Vec::with_capacity(self.map.codes.code_bytes);
        let head = self.look(Area::Codes, ordinal, |page| CodeHead::decode(&page[at..at + CODE_HEAD_BYTES]));
        for (ordinal, at, offset, bytes) in self.map.codes.pieces(node) {
            self.look(Area::Codes, ordinal, |page| {
                code.truncate(offset);
                code.extend_from_slice(&page[at..at + bytes]);
            });
        }
        (head, code)
    }
}

const _: () = assert!(NONE == NO_NODE);
