//! The descent through the upper levels, and the search within one level that inserts use.

#![forbid(unsafe_code)]

use crate::bitset::Bitset;
use crate::hnsw::{Graph, NONE, Node, distance_of, key, node_of};
use crate::quant::Query;

/// Which nodes a search has seen: a mark for each node of the graph, so that starting over costs nothing but every 255th time.
/// A frugal one, of a graph of more than [`FEW_NODES`], is a table of those seen until that takes as much memory, so that it
/// costs what the search visits and not what the graph has.
#[derive(Default)]
pub struct Visited {
    marks: Vec<u8>,
    epoch: u8,
    is_frugal: bool,
    /// whether the nodes seen are in `table`, not in `marks`
    in_table: bool,
    /// a power of two of nodes, each at or after the place of its hash; [`NONE`] is a free place
    table: Vec<Node>,
    /// what a hash is shifted by
    shift: u32,
    /// how many nodes are in the table
    count: usize,
    /// how many there were in searches before, about
    expected: usize,
    /// nodes of the graph
    nodes: u32,
}

/// Nodes of a graph of which a mark each is no matter.
const FEW_NODES: u32 = 1 << 16;
/// Places of the least table.
const LEAST_PLACES: usize = 1 << 10;

impl Visited {
    /// A frugal one.
    #[must_use]
    pub fn frugal() -> Self {
        Self { is_frugal: true, ..Self::default() }
    }

    /// Bytes of memory that it has.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.marks.capacity() + self.table.capacity() * size_of::<Node>()
    }

    /// Forgets all nodes and makes room for numbers below `nodes`.
    pub fn start(&mut self, nodes: u32) {
        self.nodes = nodes;
        self.expected = self.count.max(self.expected - self.expected / 4);
        self.count = 0;
        self.in_table = self.is_frugal && nodes > FEW_NODES;
        if self.in_table {
            // at the most two places in three are taken by as many as before
            self.make_table((3 * self.expected / 2).next_power_of_two().max(LEAST_PLACES) * 2);
        } else {
            self.start_marks(nodes);
        }
    }

    fn start_marks(&mut self, nodes: u32) {
        if self.epoch == u8::MAX {
            self.marks.fill(0);
            self.epoch = 0;
        }
        self.epoch += 1;
        if self.marks.len() < nodes as usize {
            self.marks.resize(nodes as usize, 0);
        }
    }

    /// Marks a node; false if it was marked already. Nodes that were added meanwhile are taken in.
    #[inline(always)]
    pub fn insert(&mut self, node: Node) -> bool {
        if self.in_table { self.insert_in_table(node) } else { self.mark(node) }
    }

    #[inline(always)]
    fn mark(&mut self, node: Node) -> bool {
        let place = node as usize;
        if place >= self.marks.len() {
            self.grow(place);
        }
        let first = self.marks[place] != self.epoch;
        self.marks[place] = self.epoch;
        first
    }

    #[cold]
    fn grow(&mut self, place: usize) {
        self.marks.resize((place + 1).next_multiple_of(1024), 0);
    }

    /// An empty table of so many places, a power of two.
    fn make_table(&mut self, places: usize) {
        self.table.clear();
        self.table.resize(places, NONE);
        self.shift = u32::BITS - places.trailing_zeros();
    }

    /// Where a node is in the table, or would be.
    #[inline(always)]
    fn place(&self, node: Node) -> usize {
        let mask = self.table.len() - 1;
        let mut place = (node.wrapping_mul(0x9E37_79B1) >> self.shift) as usize;
        while self.table[place & mask] != node && self.table[place & mask] != NONE {
            place += 1;
        }
        place & mask
    }

    #[inline(never)]
    fn insert_in_table(&mut self, node: Node) -> bool {
        let place = self.place(node);
        if self.table[place] == node {
            return false;
        }
        self.table[place] = node;
        self.count += 1;
        if 2 * self.count > self.table.len() {
            self.outgrow();
        }
        true
    }

    /// Doubles the table, or changes to marks where those take no more memory.
    #[cold]
    fn outgrow(&mut self) {
        let before = std::mem::take(&mut self.table);
        let seen = before.iter().copied().filter(|&node| node != NONE);
        if 2 * before.len() * size_of::<Node>() >= self.nodes as usize {
            self.in_table = false;
            self.start_marks(self.nodes);
            seen.for_each(|node| {
                self.mark(node);
            });
        } else {
            self.make_table(2 * before.len());
            seen.for_each(|node| {
                let place = self.place(node);
                self.table[place] = node;
            });
        }
    }

    /// Whether a node is marked.
    #[inline]
    #[must_use]
    pub fn contains(&self, node: Node) -> bool {
        if self.in_table {
            return self.table[self.place(node)] == node;
        }
        self.marks.get(node as usize).is_some_and(|&mark| mark == self.epoch && self.epoch != 0)
    }
}

/// Reusable buffers of one search step: the neighbours of a node, and their distances.
#[derive(Default)]
pub struct Hop {
    pub(super) nodes: Vec<Node>,
    pub(super) distances: Vec<f32>,
    /// neighbours, and neighbours of neighbours, of which some are passed by
    between: Vec<Node>,
    beyond: Vec<Node>,
    /// distances taken
    pub(super) compared: u64,
    /// lists of links read of nodes that are passed by
    pub(super) passed: u64,
    /// those of them, and of nodes that were expanded, with duplicates: where there are such, each neighbour may have some, and is
    /// looked at
    pub(super) with_duplicates: u64,
}

impl Hop {
    /// Reads the neighbours of a node that are new to `visited`, and their distances.
    #[inline]
    pub(super) fn expand(
        &mut self,
        graph: &impl Graph,
        query: &Query,
        node: Node,
        level: u8,
        visited: &mut Visited,
        links: impl FnOnce(Node, u8, &mut Vec<Node>),
    ) {
        self.nodes.clear();
        self.distances.clear();
        links(node, level, &mut self.nodes);
        self.nodes.retain(|&neighbour| visited.insert(neighbour));
        self.measure(graph, query);
    }

    fn measure(&mut self, graph: &impl Graph, query: &Query) {
        if !self.nodes.is_empty() {
            self.compared += self.nodes.len() as u64;
            graph.distances(query, &self.nodes, &mut self.distances);
        }
    }

    /// Reads the neighbours of a node on level 0 that are new to `visited` and in `among`, and their distances. Where a
    /// neighbour is not in `among`, its own neighbours stand for it, until as many in `among` were met as the node has links.
    /// Duplicates of a node are passed through as well, up to one that is in `among`.
    pub(super) fn expand_among(
        &mut self,
        graph: &impl Graph,
        query: &Query,
        node: Node,
        visited: &mut Visited,
        among: &Bitset,
    ) {
        self.nodes.clear();
        self.distances.clear();
        self.between.clear();
        let duplicate = graph.neighbours(node, &mut self.between);
        self.with_duplicates += u64::from(duplicate != NONE);
        let enough = self.between.len();
        self.follow(graph, duplicate, visited, among);
        let (nodes, mut met) = (&mut self.nodes, 0);
        self.between.retain(|&neighbour| {
            let is_among = among.contains(neighbour);
            if is_among {
                met += 1;
                if visited.insert(neighbour) {
                    nodes.push(neighbour);
                }
            }
            !is_among
        });
        /// so many nodes ahead their links are loaded
        const AHEAD: usize = 4;
        self.between.iter().take(AHEAD).for_each(|&next| graph.expect_links(next, 0));
        for at in 0..self.between.len() {
            if met > enough && self.with_duplicates == 0 {
                break;
            }
            let passed = self.between[at];
            if !visited.insert(passed) {
                continue;
            }
            if let Some(&next) = self.between.get(at + AHEAD) {
                graph.expect_links(next, 0);
            }
            self.beyond.clear();
            let duplicate = graph.neighbours(passed, &mut self.beyond);
            self.passed += 1;
            self.with_duplicates += u64::from(duplicate != NONE);
            let is_enough = met > enough;
            for &other in &self.beyond {
                if !is_enough && among.contains(other) {
                    met += 1;
                    if visited.insert(other) {
                        self.nodes.push(other);
                    }
                }
            }
            self.follow(graph, duplicate, visited, among);
        }
        self.measure(graph, query);
    }

    /// Adds the first of a chain of duplicates that is in `among`; what comes after it is its own duplicates.
    fn follow(&mut self, graph: &impl Graph, first: Node, visited: &mut Visited, among: &Bitset) {
        let mut duplicate = first;
        while duplicate != NONE && visited.insert(duplicate) {
            if among.contains(duplicate) {
                return self.nodes.push(duplicate);
            }
            self.beyond.clear();
            duplicate = graph.neighbours(duplicate, &mut self.beyond);
            self.passed += 1;
        }
    }

    /// What [`Hop::expand`] read.
    #[inline]
    pub(super) fn found(&self) -> impl Iterator<Item = (f32, Node)> + '_ {
        self.distances.iter().copied().zip(self.nodes.iter().copied())
    }

    /// The distance of one node.
    pub(super) fn distance(&mut self, graph: &impl Graph, query: &Query, node: Node) -> f32 {
        self.distances.clear();
        self.compared += 1;
        graph.distances(query, &[node], &mut self.distances);
        self.distances.first().copied().unwrap_or(f32::MAX)
    }
}

/// The node nearest to the query that greedy steps reach on the levels above `to_level`, from `from` (a node and its
/// level).
pub fn descend_from(
    graph: &impl Graph,
    query: &Query,
    from: (Node, u8),
    to_level: u8,
    hop: &mut Hop,
    visited: &mut Visited,
) -> (f32, Node) {
    let (mut best, top) = from;
    let mut nearest = hop.distance(graph, query, best);
    if top > to_level {
        visited.start(graph.nodes());
    }
    for level in (to_level + 1..=top).rev() {
        loop {
            // A node that was compared on a higher level is not nearer here.
            hop.expand(graph, query, best, level, visited, |node, level, out| graph.links(node, level, out));
            let before = best;
            for (distance, node) in hop.found() {
                if distance < nearest {
                    (nearest, best) = (distance, node);
                }
            }
            if best == before {
                break;
            }
        }
    }
    (nearest, best)
}

/// [`descend_from`] the entry point; none in an empty graph.
pub fn descend(
    graph: &impl Graph,
    query: &Query,
    to_level: u8,
    hop: &mut Hop,
    visited: &mut Visited,
) -> Option<(f32, Node)> {
    graph.entry().map(|entry| descend_from(graph, query, entry, to_level, hop, visited))
}

/// In a pool's keys: the node was expanded.
const EXPANDED: u64 = 1 << 31;

/// The nearest nodes found so far, sorted, of which some are expanded.
#[derive(Default)]
pub(super) struct Pool {
    keys: Vec<u64>,
    /// no key before this place is unexpanded
    cursor: usize,
}

impl Pool {
    pub fn clear(&mut self) {
        self.keys.clear();
        self.cursor = 0;
    }

    /// Takes a node in if it is among the `ef` nearest.
    #[inline]
    pub fn offer(&mut self, distance: f32, node: Node, ef: usize) {
        let new = key(distance, node);
        if self.keys.len() >= ef {
            if new >> 32 >= self.keys[ef - 1] >> 32 {
                return;
            }
            self.keys.pop();
        }
        let place = self.keys.partition_point(|&kept| kept >> 32 <= new >> 32);
        self.keys.insert(place, new);
        self.cursor = self.cursor.min(place);
    }

    /// The nearest unexpanded node, which counts as expanded from now on.
    #[inline]
    pub fn next(&mut self) -> Option<Node> {
        while let Some(kept) = self.keys.get_mut(self.cursor) {
            self.cursor += 1;
            if *kept & EXPANDED == 0 {
                *kept |= EXPANDED;
                return Some(node_of(*kept & !EXPANDED));
            }
        }
        None
    }

    /// The node that [`Pool::next`] will answer if nothing nearer comes.
    #[inline]
    pub fn upcoming(&self) -> Option<Node> {
        self.keys.get(self.cursor..)?.iter().find(|&kept| kept & EXPANDED == 0).map(|&kept| node_of(kept))
    }

    /// The nodes, nearest first.
    pub fn found(&self) -> impl Iterator<Item = (f32, Node)> + '_ {
        self.keys.iter().map(|&kept| (distance_of(kept), node_of(kept & !EXPANDED)))
    }
}

/// The `ef` nodes nearest to the query that are found on a level from what `pool` holds (its entries); they replace it.
/// Duplicates are not followed.
pub(super) fn search_level(
    graph: &impl super::GraphMut,
    query: &Query,
    level: u8,
    ef: usize,
    pool: &mut Pool,
    hop: &mut Hop,
    visited: &mut Visited,
) {
    visited.start(graph.nodes());
    for (_, node) in pool.found() {
        visited.insert(node);
    }
    pool.cursor = 0;
    pool.keys.iter_mut().for_each(|kept| *kept &= !EXPANDED);
    while let Some(node) = pool.next() {
        // While the distances are taken: in most steps nothing nearer comes.
        if let Some(upcoming) = pool.upcoming() {
            graph.expect_links(upcoming, level);
        }
        hop.expand(graph, query, node, level, visited, |node, level, out| graph.own_links(node, level, out));
        for (distance, node) in hop.found() {
            pool.offer(distance, node, ef);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn a_frugal_one_knows_what_it_has_seen(
            searches in prop::collection::vec((1u32..4_000_000, 1usize..60_000, any::<u32>()), 1..6),
        ) {
            let (mut frugal, mut marks) = (Visited::frugal(), Visited::default());
            for (nodes, steps, seed) in searches {
                frugal.start(nodes);
                marks.start(nodes);
                let mut known = HashSet::new();
                let mut node = seed;
                for _ in 0..steps {
                    node = node.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    // others join while a search is under way
                    let next = (node >> 8) % (nodes + 3);
                    let new = known.insert(next);
                    prop_assert_eq!(frugal.insert(next), new);
                    prop_assert_eq!(marks.insert(next), new);
                    prop_assert!(frugal.contains(next));
                    prop_assert_eq!(frugal.contains(next ^ 1), known.contains(&(next ^ 1)));
                }
            }
        }
    }

    #[test]
    fn a_frugal_one_costs_what_a_search_visits() {
        let mut visited = Visited::frugal();
        for _ in 0..10 {
            visited.start(1 << 22);
            (0..4000).for_each(|node| assert!(visited.insert(node * 1000)));
        }
        assert!(visited.bytes() <= 128 << 10, "{}", visited.bytes());
        // far from the graph's end all is seen: marks take less
        visited.start(1 << 20);
        (0..1 << 20).for_each(|node| assert!(visited.insert(node)));
        assert!(visited.bytes() <= 3 << 20, "{}", visited.bytes());
        assert!((0..1 << 20).all(|node| visited.contains(node)));
    }
}
