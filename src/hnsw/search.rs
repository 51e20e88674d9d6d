//! The descent through the upper levels, and the search within one level that inserts use.

use super::{Graph, Node, distance_of, key, node_of};
use crate::quant::Query;

/// Which nodes a search has seen. Reusable: starting over costs nothing but every 255th time.
#[derive(Default)]
pub struct Visited {
    marks: Vec<u8>,
    epoch: u8,
}

impl Visited {
    /// Forgets all nodes and makes room for numbers below `nodes`.
    pub fn start(&mut self, nodes: u32) {
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

    /// Whether a node is marked.
    #[inline]
    #[must_use]
    pub fn contains(&self, node: Node) -> bool {
        self.marks.get(node as usize).is_some_and(|&mark| mark == self.epoch && self.epoch != 0)
    }
}

/// Reusable buffers of one search step: the neighbours of a node, and their distances.
#[derive(Default)]
pub struct Hop {
    pub(super) nodes: Vec<Node>,
    pub(super) distances: Vec<f32>,
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
        if !self.nodes.is_empty() {
            graph.distances(query, &self.nodes, &mut self.distances);
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
/// Twins are not followed.
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
