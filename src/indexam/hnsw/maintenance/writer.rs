//! The graph on pages, as its one maintainer changes it: each change is a record of its own, after which the graph is
//! searchable.
//!
//! Whoever holds a [`GraphWriter`] holds the graph's maintenance lock. Scans may read any page at any time; appending backends
//! change the root page, the map and the pending list beside it.

#![forbid(unsafe_code)]

use crate::bitset::SharedBitset;
use crate::format::graph::entry::{CODE_HEAD_BYTES, NO_NODE, decode_links, encode_links};
use crate::format::graph::{Area, CodeHead, CodeShape, Entry, MapEntry, MapPlace, NodeEntry, Root, Shape};
use crate::format::page::Fragment;
use crate::hnsw;
use crate::hnsw::{GraphMut, NONE, Node};
use crate::indexam::hnsw::maintenance::lock::MaintenanceLock;
use crate::indexam::hnsw::pages::Graph;
use crate::indexam::hnsw::pages::level;
use crate::pg::buffer;
use crate::pg::failpoint::hit;
use crate::pg::wal;
use crate::pg::wal::Change;
use crate::quant::{Codec, Head, Query};
use std::cell::{Ref, RefCell};
use std::sync::Arc;

/// A graph and the right to change it.
pub struct GraphWriter {
    graph: RefCell<Graph>,
    codec: Arc<Codec>,
    _lock: MaintenanceLock,
}

impl GraphWriter {
    /// A writer of `graph`, which must be trained; `lock` is the graph's.
    #[must_use]
    pub fn new(graph: &Graph, lock: MaintenanceLock) -> Self {
        Self::with_codec(graph, graph.codec(), lock)
    }

    /// A writer with these parameters of the codes.
    #[must_use]
    pub fn with_codec(graph: &Graph, codec: Arc<Codec>, lock: MaintenanceLock) -> Self {
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

    /// Goes on with the graph as it is now, whose codes have these parameters.
    pub fn set_codec(&mut self, codec: Arc<Codec>) {
        self.refresh();
        self.codec = codec;
    }

    /// Changes the root page, and what else `others` adds on different pages, in one record.
    fn change_root(&self, change: impl FnOnce(&mut Root), others: &[(Area, u32, Vec<Fragment>)]) {
        let mut graph = self.graph.borrow_mut();
        let rel = graph.index.relation();
        // read before the root page is locked, which everybody wants
        let others: Vec<_> = others.iter().map(|other| (graph.pin(other.0, other.1), &other.2)).collect();
        // the root page is locked first
        let root_page = buffer::read(rel, graph.map.block).exclusive();
        let mut root = Root::decode(root_page.page());
        change(&mut root);
        let pages: Vec<_> = others.into_iter().map(|(page, fragments)| (page.exclusive(), fragments)).collect();
        let mut on_root = Change::new(&root_page);
        on_root.put_all(&[root.encode(), root.encode_dead(), root.encode_unproven()]);
        let mut changes = vec![on_root];
        for (page, fragments) in &pages {
            let mut change = Change::new(page);
            change.put_all(fragments);
            changes.push(change);
        }
        wal::apply(rel, &changes);
        graph.root = root;
    }

    /// Changes the root page's counters.
    pub fn change(&self, change: impl FnOnce(&mut Root)) {
        self.change_root(change, &[]);
    }

    /// Goes on with the graph as it is after it has grown.
    pub fn adopt_graph(&self, grown: Graph) {
        *self.graph.borrow_mut() = grown;
    }

    /// Lets a dead head of a chain stand for its duplicate's vector. The map forgets the dead one.
    pub fn adopt(&self, head: Node, duplicate: Node) {
        let graph = self.graph();
        let (dead, entry) = (graph.pinned_code_head(head).entry, graph.pinned_code_head(duplicate).entry);
        let (code_page, code_at) = graph.map.codes.at(head);
        let turns = [(entry, duplicate, MapPlace::Node(head)), (dead, head, MapPlace::None)];
        // a page that both are on is locked once
        let mut ordinals = turns.map(|(entry, ..)| Shape::MAP.at(entry.slot.position().0).0).to_vec();
        ordinals.sort_unstable();
        ordinals.dedup();
        ordinals.retain(|&ordinal| ordinal < graph.map.page.area(Area::Map).pages());
        hit("repair.adopt");
        // pages are locked in the order codes, map
        let code = graph.pin(Area::Codes, code_page).exclusive();
        let pages: Vec<_> = ordinals.iter().map(|&ordinal| graph.pin(Area::Map, ordinal).exclusive()).collect();
        let mut on_code = Change::new(&code);
        on_code.put(code_at, &entry.encode());
        let mut changes = vec![on_code];
        for (&ordinal, page) in ordinals.iter().zip(&pages) {
            let mut on_map = Change::new(page);
            for &(entry, from, place) in &turns {
                let (its_page, at) = Shape::MAP.at(entry.slot.position().0);
                // otherwise the slot was given to another vector since
                let known = MapEntry { place: MapPlace::Node(from), generation: entry.generation };
                if its_page == ordinal && MapEntry::at(page.page(), at) == known {
                    on_map.put(at, &MapEntry { place, generation: entry.generation }.encode());
                }
            }
            changes.push(on_map);
        }
        wal::apply(graph.index.relation(), &changes);
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
        let page = graph.pin(area, ordinal).exclusive();
        let mut change = Change::new(&page);
        change.put(at, bytes);
        wal::apply(graph.index.relation(), &[change]);
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
                let known = self.graph().pinned_node_entry(node);
                (known.level, known.upper)
            }
            None => {
                let graph = self.graph();
                (level(&graph, node), graph.root.upper_blocks)
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
        let next_free = reused.map(|node| self.graph().pinned_node_entry(node).next);
        hit("node.code");
        let head = CodeHead { entry, step: head.step, bias: head.bias, sum: head.sum };
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
            &[(Area::Nodes, ordinal, vec![(at, bytes)])],
        );
        hit("node.added");
        node
    }

    /// Notes that the first entry of the pending list, `entry`, is in the graph as `node`, or nowhere.
    pub fn settle(&self, entry: Entry, node: Option<Node>) {
        let (ordinal, at) = Shape::MAP.at(entry.slot.position().0);
        self.know_map(ordinal);
        hit("drain.settle");
        let mut graph = self.graph.borrow_mut();
        let rel = graph.index.relation();
        // read before the root page is locked, which everybody wants
        let map = graph.pin(Area::Map, ordinal);
        {
            // pages are locked in the order root, map
            let root_page = buffer::read(rel, graph.map.block).exclusive();
            let map = map.exclusive();
            let mut root = Root::decode(root_page.page());
            root.pending_start += 1;
            if root.pending_start >= root.pending_end {
                (root.pending_start, root.pending_end) = (0, 0);
            }
            let mut on_root = Change::new(&root_page);
            on_root.put_all(&[root.encode_pending()]);
            let mut changes = vec![on_root];
            // Looked at under the lock: the slot may have been given to another vector since, which waits further back.
            let known = MapEntry::at(map.page(), at);
            let is_ours = known.generation == entry.generation;
            let place = match node {
                Some(node) if is_ours || known.place != MapPlace::Pending => Some(MapPlace::Node(node)),
                None if is_ours => Some(MapPlace::None),
                _ => None,
            };
            if let Some(place) = place {
                let mut on_map = Change::new(&map);
                on_map.put(at, &MapEntry { place, generation: entry.generation }.encode());
                changes.push(on_map);
            }
            wal::apply(rel, &changes);
            graph.root = root;
        }
        drop(graph);
        hit("drain.settled");
    }

    /// Learns of map pages that were added since the writer was made.
    fn know_map(&self, ordinal: u32) {
        if ordinal >= self.graph().map.page.area(Area::Map).pages() {
            self.refresh();
        }
    }

    /// Goes on with the graph as it is now: others have appended.
    pub fn refresh(&self) {
        let now = self.graph().now();
        *self.graph.borrow_mut() = now;
    }

    /// Notes where the vector `entry` is, whatever the map said of its slot.
    pub fn put_place(&self, entry: Entry, place: MapPlace) {
        let (ordinal, at) = Shape::MAP.at(entry.slot.position().0);
        let grown = self.graph().with_pages(Area::Map, ordinal + 1);
        *self.graph.borrow_mut() = grown;
        self.put(Area::Map, ordinal, at, &MapEntry { place, generation: entry.generation }.encode());
    }

    /// Takes vectors out of the map, those that the map has as these nodes. All are on map page `ordinal`.
    pub fn forget(&self, ordinal: u32, vectors: &[(Entry, Node)]) {
        let graph = self.graph();
        if ordinal >= graph.map.page.area(Area::Map).pages() {
            return;
        }
        hit("repair.forget");
        let map = graph.pin(Area::Map, ordinal).exclusive();
        let mut change = Change::new(&map);
        let mut any = false;
        for &(entry, node) in vectors {
            let at = Shape::MAP.at(entry.slot.position().0).1;
            let known = MapEntry { place: MapPlace::Node(node), generation: entry.generation };
            // looked at under the lock: the slot may be given to another vector at any time
            if MapEntry::at(map.page(), at) == known {
                change.put(at, &MapEntry { place: MapPlace::None, generation: entry.generation }.encode());
                any = true;
            }
        }
        if any {
            wal::apply(graph.index.relation(), &[change]);
        }
    }

    /// The nodes on the free list.
    #[must_use]
    pub fn free_list(&self) -> SharedBitset {
        let graph = self.graph();
        let listed = SharedBitset::below(graph.root.nodes);
        let mut next = graph.root.free;
        while let Some(node) = next.filter(|&node| node < graph.root.nodes && !listed.contains(node)) {
            listed.insert(node);
            next = Some(graph.pinned_node_entry(node).next);
        }
        listed
    }

    /// Puts nodes that nothing leads to any more on the free list, on which they are not. All are on one page.
    pub fn free(&self, nodes: &[Node]) {
        let shape = self.graph().map.nodes;
        let Some((&first, count)) = nodes.first().zip(u32::try_from(nodes.len()).ok()) else { return };
        let old = self.graph().root.free.unwrap_or(NO_NODE);
        let nexts = nodes.iter().skip(1).copied().chain(std::iter::once(old));
        let fragments: Vec<Fragment> = nodes
            .iter()
            .zip(nexts)
            .map(|(&node, next)| {
                let known = self.graph().pinned_node_entry(node);
                (shape.at(node).1, NodeEntry { in_use: false, next, ..known }.encode().to_vec())
            })
            .collect();
        hit("repair.free");
        let freed = |root: &mut Root| {
            root.free = Some(first);
            root.free_nodes += count;
            root.dead = root.dead.saturating_sub(count);
        };
        self.change_root(freed, &[(Area::Nodes, shape.at(first).0, fragments)]);
    }

    /// Notes how many nodes are dead.
    pub fn set_dead(&self, dead: u32, repair_wanted: bool) {
        let root = self.graph().root;
        if (root.dead, root.repair_wanted) != (dead, repair_wanted) {
            self.change_root(|root| (root.dead, root.repair_wanted) = (dead, repair_wanted), &[]);
        }
    }

    /// Replaces the entry point.
    pub fn set_entry(&self, entry: Option<(Node, u8)>) {
        hit("repair.entry");
        self.change_root(|root| root.entry = entry, &[]);
    }

    /// Replaces a node's links on a level.
    fn put_links(&self, area: Area, (ordinal, at): (u32, usize), links: &[u8]) {
        hit("links.put");
        let graph = self.graph();
        let page = graph.pin(area, ordinal).exclusive();
        let old = &page.page()[at..at + links.len()];
        let same = old.iter().zip(links).take_while(|(a, b)| a == b).count();
        let tail = old[same..].iter().rev().zip(links[same..].iter().rev()).take_while(|(a, b)| a == b).count();
        let mut change = Change::new(&page);
        change.put(at + same, &links[same..links.len() - tail]);
        if same < links.len() {
            wal::apply(graph.index.relation(), &[change]);
        }
    }
}

impl hnsw::Graph for GraphWriter {
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

impl GraphMut for GraphWriter {
    fn m(&self) -> usize {
        usize::from(self.graph().map.m)
    }

    fn level(&self, node: Node) -> u8 {
        self.graph().pinned_node_entry(node).level
    }

    fn load_query(&self, node: Node, query: &mut Query) {
        let (head, code) = self.graph().code(node);
        query.assign_code(&self.codec, crate::indexam::hnsw::search::quant_head(&head), &code);
    }

    fn same_code(&self, a: Node, b: Node) -> bool {
        let graph = self.graph();
        let ((a_head, a), (b_head, b)) = (graph.code(a), graph.code(b));
        let bits = |head: &CodeHead| (head.step.to_bits(), head.bias.to_bits());
        bits(&a_head) == bits(&b_head) && a == b
    }

    fn edit_links(&self, node: Node, level: u8, change: &mut dyn FnMut(&mut Vec<Node>)) {
        let (area, (ordinal, at), most) = {
            let graph = self.graph();
            let m = usize::from(graph.map.m);
            if level == 0 {
                let (ordinal, at) = graph.map.nodes.at(node);
                (Area::Nodes, (ordinal, at + NodeEntry::LINKS), 2 * m)
            } else {
                let entry = graph.pinned_node_entry(node);
                if level > entry.level {
                    return;
                }
                (Area::Upper, graph.map.upper.at(entry.upper + u32::from(level) - 1), m)
            }
        };
        let mut links = Vec::new();
        {
            let graph = self.graph();
            decode_links(&graph.pin(area, ordinal).page()[at..at + 4 * most], &mut links);
            // what a drain that failed has left
            links.retain(|&link| link < graph.root.nodes);
        }
        let before = links.clone();
        change(&mut links);
        if links != before {
            self.put_links(area, (ordinal, at), &encode_links(&links, most));
        }
    }

    fn duplicate(&self, node: Node) -> Node {
        let entry = self.graph().pinned_node_entry(node);
        // a free node's `next` belongs to the free list
        if entry.in_use { entry.next } else { NONE }
    }

    fn set_duplicate(&self, node: Node, duplicate: Node) {
        let (ordinal, at) = self.graph().map.nodes.at(node);
        hit("links.duplicate");
        self.put(Area::Nodes, ordinal, at + NodeEntry::NEXT, &duplicate.to_le_bytes());
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

/// What changes are made of is read from pinned pages: a look (`pg/buffer/optimistic.rs`) does not notice that the buffer was given to
/// another page and then to this one again.
impl Graph {
    /// The entry of a node, without its links.
    #[must_use]
    pub fn pinned_node_entry(&self, node: Node) -> NodeEntry {
        let (ordinal, at) = self.map.nodes.at(node);
        NodeEntry::decode(&self.pin(Area::Nodes, ordinal).page()[at..at + NodeEntry::LINKS])
    }

    /// The head of a node's code.
    #[must_use]
    pub fn pinned_code_head(&self, node: Node) -> CodeHead {
        let (ordinal, at) = self.map.codes.at(node);
        CodeHead::decode(&self.pin(Area::Codes, ordinal).page()[at..at + CODE_HEAD_BYTES])
    }

    /// A node's code.
    #[must_use]
    pub fn code(&self, node: Node) -> (CodeHead, Vec<u8>) {
        let mut code = Vec::with_capacity(self.map.codes.code_bytes);
        for (ordinal, at, _, bytes) in self.map.codes.pieces(node) {
            code.extend_from_slice(&self.pin(Area::Codes, ordinal).page()[at..at + bytes]);
        }
        (self.pinned_code_head(node), code)
    }
}

const _: () = assert!(NONE == NO_NODE);
