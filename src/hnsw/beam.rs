//! The search of a scan: best first, counting accepted nodes only, and able to go on where it stopped.

#![forbid(unsafe_code)]

use crate::bitset::Bitset;
use crate::hnsw::search::{Hop, Visited, descend};
use crate::hnsw::{Graph, Node, distance_of, key, node_of};
use crate::quant::Query;
use std::collections::BinaryHeap;

/// In a key: its node was asked about, and accepted. Node numbers are below this bit, so the order stays that of distances.
const ASKED: u64 = 1 << 31;

/// Who says which nodes count; a closure that says it will do.
pub trait Accept {
    /// Whether a node counts.
    fn accept(&mut self, node: Node) -> bool;
    /// Hint that a node is asked about soon.
    #[inline]
    fn expect(&mut self, _node: Node) {}
}

impl<F: FnMut(Node) -> bool> Accept for F {
    #[inline]
    fn accept(&mut self, node: Node) -> bool {
        self(node)
    }
}

/// So many places before a node is asked about it is said to be expected.
pub const EXPECTED: usize = 8;

/// A search's state; reusable, and without allocations once its buffers have grown.
///
/// Every node that was reached is in exactly one of these states: *expanded*; *waiting* to be expanded (`frontier`);
/// or put *aside*, because enough nearer ones were known. Those waiting or expanded, if not refused, are also in `nearest`
/// or, when enough nearer ones pushed them out, in `pushed_out`.
pub struct Beam {
    visited: Visited,
    hop: Hop,
    /// complements of keys, so that the nearest is on top
    frontier: BinaryHeap<u64>,
    /// complements of keys; a heap only while [`Beam::extend`] begins
    aside: Vec<u64>,
    /// the nearest accepted, the farthest on top
    nearest: BinaryHeap<u64>,
    /// complements of keys of accepted nodes
    pushed_out: Vec<u64>,
    /// keys that were reported, sorted
    reported: Vec<u64>,
    fresh: Vec<u64>,
    refused: usize,
    expanded: u64,
}

/// What a search has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// nodes whose neighbours were looked at
    pub expanded: u64,
    /// codes that were compared
    pub compared: u64,
    /// nodes that were passed by, whose links were read all the same
    pub passed: u64,
}

/// When a search ends where it is.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// after it has refused more nodes
    pub refused: usize,
    /// after it has done more work ([`Work::weight`])
    pub work: u64,
}

impl Limits {
    /// None.
    pub const NONE: Self = Self { refused: usize::MAX, work: u64::MAX };
}

impl Work {
    /// Adds what another has done.
    pub fn add(&mut self, other: Self) {
        self.expanded += other.expanded;
        self.compared += other.compared;
        self.passed += other.passed;
    }

    /// In comparisons of codes.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.compared + self.expanded + self.passed
    }
}

impl Default for Beam {
    fn default() -> Self {
        Self::new()
    }
}

impl Beam {
    /// A beam without buffers.
    #[must_use]
    pub fn new() -> Self {
        Self {
            visited: Visited::frugal(),
            hop: Hop::default(),
            frontier: BinaryHeap::new(),
            aside: Vec::new(),
            nearest: BinaryHeap::new(),
            pushed_out: Vec::new(),
            reported: Vec::new(),
            fresh: Vec::new(),
            refused: 0,
            expanded: 0,
        }
    }

    /// Whether many nodes have duplicates. Of those a search among some nodes finds fewer than it should: it looks at the chains of
    /// neighbours, and not at those of neighbours of neighbours.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        8 * self.hop.with_duplicates > self.expanded + self.hop.passed
    }

    /// What was done since the search began.
    #[must_use]
    pub fn work(&self) -> Work {
        Work { expanded: self.expanded, compared: self.hop.compared, passed: self.hop.passed }
    }

    /// Bytes of memory that it has, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let keys = self.frontier.capacity() + self.nearest.capacity();
        let lists = [&self.aside, &self.pushed_out, &self.reported, &self.fresh];
        (keys + lists.map(Vec::capacity).iter().sum::<usize>()) * size_of::<u64>() + self.visited.bytes()
    }

    /// Bytes that the nodes which the search has reached take, but for their marks.
    #[must_use]
    pub fn held(&self) -> usize {
        let keys = self.frontier.len() + self.nearest.len() + self.aside.len() + self.pushed_out.len();
        (keys + self.reported.len()) * size_of::<u64>()
    }

    /// Begins a search: descends to level 0.
    pub fn start(&mut self, graph: &impl Graph, query: &Query) {
        self.frontier.clear();
        self.aside.clear();
        self.nearest.clear();
        self.pushed_out.clear();
        self.reported.clear();
        self.refused = 0;
        (self.expanded, self.hop.compared, self.hop.passed) = (0, 0, 0);
        self.hop.with_duplicates = 0;
        let entry = descend(graph, query, 0, &mut self.hop, &mut self.visited);
        self.visited.start(graph.nodes());
        if let Some((distance, node)) = entry {
            self.visited.insert(node);
            self.aside.push(!key(distance, node));
        }
    }

    /// Has the search begin at these nodes too, as far as they are new to it.
    pub fn add(&mut self, graph: &impl Graph, query: &Query, nodes: &[Node]) {
        self.hop.nodes.clear();
        self.hop.nodes.extend(nodes.iter().filter(|&&node| self.visited.insert(node)));
        self.hop.distances.clear();
        self.hop.compared += self.hop.nodes.len() as u64;
        graph.distances(query, &self.hop.nodes, &mut self.hop.distances);
        self.aside.extend(self.hop.found().map(|(distance, node)| !key(distance, node)));
    }

    /// Goes on until the `ef` nearest accepted nodes are settled, that is until the nearest node that is not expanded
    /// is farther than the `ef`-th accepted, or nothing is left that can be reached. Appends to `out` what is among
    /// the `ef` nearest accepted and was not reported before, nearest first, with its estimated distance.
    ///
    /// `accept` is asked about a node when it could be one of the nearest, and never twice. A refused node does not
    /// count, but its neighbours are looked at. May be called again with a larger `ef`. When more than `most_refused` were
    /// refused in all, the search ends where it is: [`Beam::refused`] tells.
    ///
    /// Returns whether everything that can be reached was expanded and reported.
    pub fn extend(
        &mut self,
        graph: &impl Graph,
        query: &Query,
        ef: usize,
        most_refused: usize,
        accept: &mut impl Accept,
        out: &mut Vec<(f32, Node)>,
    ) -> bool {
        self.extend_among(graph, query, ef, None, Limits { refused: most_refused, ..Limits::NONE }, accept, out)
    }

    /// As [`Beam::extend`]. Of the nodes that are not in `among`, if that is given, no distance is taken; the search goes on
    /// through them to their neighbours, as ACORN does (Patel et al. 2024, arXiv 2403.04871). The nodes that it begins at
    /// may be others; `accept` refuses those.
    #[allow(clippy::too_many_arguments)]
    pub fn extend_among(
        &mut self,
        graph: &impl Graph,
        query: &Query,
        ef: usize,
        among: Option<&Bitset>,
        limits: Limits,
        accept: &mut impl Accept,
        out: &mut Vec<(f32, Node)>,
    ) -> bool {
        let ef = ef.max(1);
        // Nodes are taken for accepted at first, and asked about when they are among the nearest at the end: far fewer
        // than those that were for a while.
        loop {
            self.take_back(ef);
            self.settle(graph, query, ef, among, limits.work);
            let goes_on = self.refuse(accept) || (self.is_at_end() && self.add_entry(graph, query));
            if !goes_on || self.refused > limits.refused || self.work().weight() > limits.work {
                break;
            }
        }
        self.report(out);
        self.is_at_end()
    }

    /// Whether all that was reached is expanded, and among the nearest or refused.
    fn is_at_end(&self) -> bool {
        self.frontier.is_empty() && self.aside.is_empty() && self.pushed_out.is_empty()
    }

    /// Goes on from the entry point, unless the search has come by it: it began where the entry point led to, from where not
    /// every way leads back. All nodes can be reached from the entry point ([`super::connect`]).
    fn add_entry(&mut self, graph: &impl Graph, query: &Query) -> bool {
        let Some((entry, _)) = graph.entry().filter(|&(entry, _)| self.visited.insert(entry)) else { return false };
        self.hop.distances.clear();
        graph.distances(query, &[entry], &mut self.hop.distances);
        self.aside.extend(self.hop.distances.first().map(|&distance| !key(distance, entry)));
        true
    }

    /// Expands nodes until the nearest that is not expanded is farther than the `ef`-th of the nearest.
    fn settle(&mut self, graph: &impl Graph, query: &Query, ef: usize, among: Option<&Bitset>, most_work: u64) {
        while let Some(&top) = self.frontier.peek() {
            let mut bound = self.bound(ef);
            if !top > bound || self.work().weight() > most_work {
                break;
            }
            self.frontier.pop();
            self.expanded += 1;
            // While the distances are taken: in most steps nothing nearer comes.
            if let Some(&upcoming) = self.frontier.peek() {
                graph.expect_links(node_of(!upcoming), 0);
            }
            match among {
                Some(among) => self.hop.expand_among(graph, query, node_of(!top), &mut self.visited, among),
                None => self.hop.expand(graph, query, node_of(!top), 0, &mut self.visited, |node, level, out| {
                    graph.links(node, level, out);
                }),
            }
            for (distance, node) in self.hop.distances.iter().zip(&self.hop.nodes) {
                let found = key(*distance, *node);
                if found > bound {
                    self.aside.push(!found);
                    continue;
                }
                self.frontier.push(!found);
                self.nearest.push(found);
                if self.nearest.len() > ef {
                    self.pushed_out.extend(self.nearest.pop().map(|key| !key));
                }
                if self.nearest.len() >= ef {
                    bound = *self.nearest.peek().unwrap_or(&u64::MAX);
                }
            }
        }
    }

    /// Asks about those of the nearest that were not asked about, and takes the refused out; returns whether there were
    /// any, so that others may take their places.
    fn refuse(&mut self, accept: &mut impl Accept) -> bool {
        let mut nearest = std::mem::take(&mut self.nearest).into_vec();
        let to_ask = |key: u64| (key & ASKED == 0).then(|| node_of(key));
        nearest.iter().take(EXPECTED).filter_map(|&key| to_ask(key)).for_each(|node| accept.expect(node));
        let mut kept = 0;
        for at in 0..nearest.len() {
            if let Some(node) = nearest.get(at + EXPECTED).and_then(|&key| to_ask(key)) {
                accept.expect(node);
            }
            let key = nearest[at];
            if to_ask(key).is_none_or(|node| accept.accept(node)) {
                nearest[kept] = key | ASKED;
                kept += 1;
            }
        }
        let refused = nearest.len() - kept;
        nearest.truncate(kept);
        self.refused += refused;
        self.nearest = BinaryHeap::from(nearest);
        refused > 0
    }

    /// How many nodes were refused since the search began.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.refused
    }

    /// Whether the search has reached a node: for the sweep of what cannot be reached.
    #[must_use]
    pub fn visited(&self, node: Node) -> bool {
        self.visited.contains(node)
    }

    /// Keys above this do not count.
    #[inline]
    fn bound(&self, ef: usize) -> u64 {
        if self.nearest.len() < ef { u64::MAX } else { *self.nearest.peek().unwrap_or(&u64::MAX) }
    }

    /// Takes back what a smaller `ef`, or one that was refused since, put aside or pushed out, as far as it is among the
    /// nearest now.
    fn take_back(&mut self, ef: usize) {
        let mut pushed_out = BinaryHeap::from(std::mem::take(&mut self.pushed_out));
        while self.nearest.len() > ef {
            pushed_out.extend(self.nearest.pop().map(|key| !key));
        }
        while self.nearest.len() < ef {
            match pushed_out.pop() {
                Some(key) => self.nearest.push(!key),
                None => break,
            }
        }
        self.pushed_out = pushed_out.into_vec();
        let mut aside = BinaryHeap::from(std::mem::take(&mut self.aside));
        while let Some(&top) = aside.peek() {
            if !top > self.bound(ef) {
                break;
            }
            aside.pop();
            self.frontier.push(top);
            self.nearest.push(!top);
            if self.nearest.len() > ef {
                self.pushed_out.extend(self.nearest.pop().map(|key| !key));
            }
        }
        self.aside = aside.into_vec();
    }

    /// Appends what is among the nearest and was not reported yet.
    fn report(&mut self, out: &mut Vec<(f32, Node)>) {
        self.fresh.clear();
        if self.reported.is_empty() {
            self.fresh.extend(self.nearest.iter());
        } else {
            let reported = &self.reported;
            self.fresh.extend(self.nearest.iter().filter(|&key| reported.binary_search(key).is_err()));
        }
        self.fresh.sort_unstable();
        out.extend(self.fresh.iter().map(|&key| (distance_of(key), node_of(key & !ASKED))));
        self.reported.extend_from_slice(&self.fresh);
        // Two sorted runs, which a stable sort merges.
        self.reported.sort();
    }
}
