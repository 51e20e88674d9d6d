//! The graph: hierarchical navigable small worlds (Malkov, Yashunin 2016, arXiv 1603.09320) over codes.
//!
//! The algorithms see nodes through [`Graph`] and [`GraphMut`]; [`MemoryGraph`] implements them in memory for builds and
//! tests, the index's pages elsewhere.
//!
//! | module | duty |
//! |---|---|
//! | [`search`] | greedy descent, search within a level for inserts |
//! | [`beam`] | the search of a scan, which can go on |
//! | [`select`] | which neighbours a node is linked with |
//! | [`insert`] | linking a node in |
//! | [`memory`] | the graph in memory |
//! | [`order`] | numbers by which neighbours lie together |
//! | [`build`] | many inserts by threads |
//! | [`workers`] | the threads of builds and repairs |
//! | [`sequence`] | which of many come first |
//! | [`connect`] | links for what cannot be reached, or is not found |
//! | [`repair`] | links around what was deleted |
//! | [`check`] | what must hold of a graph |
//! | [`filtering`] | how a search whose rows must satisfy conditions goes about it |
//! | [`next_step`] | how a scan comes by the next vector in the order of exact distances |
//! | [`upkeep`] | when a graph is drained, repaired and reconnected |
//!
//! # Duplicates
//!
//! A node whose code equals that of another gets no links of its own. It hangs in a chain at the other: a *head* with
//! links and any number of *duplicates* behind it, each pointing to the next. Scans follow the chain, inserts and repairs
//! see heads only, so equal vectors neither crowd out each other's links nor cost more than one.
//!
//! # Writers and readers
//!
//! A node is linked bottom up: its own links on all its levels are written before anything leads to it, then the links
//! to it from level 0 on. So whoever reaches a node on some level finds its links there and below. Reads take no lock:
//! a list that is read while it changes may have lost or doubled entries, which costs a detour. Changes are made by
//! [`GraphMut::edit_links`] alone; what is handed to it only compares and copies, and looks at no other node.
//!
//! Node numbers are below 2^31.

pub mod beam;
pub mod build;
pub mod check;
pub mod connect;
pub mod filtering;
pub mod insert;
pub mod memory;
pub mod next_step;
pub mod order;
pub mod repair;
pub mod search;
pub mod select;
pub mod sequence;
#[cfg(test)]
mod tests;
pub mod upkeep;
pub mod workers;

pub use beam::Beam;
pub use insert::{Scratch, insert};
pub use memory::MemoryGraph;

use crate::quant::Query;

/// A node's number: dense, given out by the graph.
pub type Node = u32;
/// No node.
pub const NONE: Node = u32::MAX;
/// Levels above 0 that a node can have, at most.
pub const MAX_LEVEL: u8 = 15;

/// What a search needs of a graph.
pub trait Graph {
    /// The entry point and its level; none in an empty graph.
    fn entry(&self) -> Option<(Node, u8)>;
    /// All node numbers are below this.
    fn nodes(&self) -> u32;
    /// Appends the neighbours of a node on a level, on level 0 also its duplicate if it has one.
    fn links(&self, node: Node, level: u8, out: &mut Vec<Node>);
    /// Appends the estimated distance to the query for each of the nodes.
    fn distances(&self, query: &Query, nodes: &[Node], out: &mut Vec<f32>);
    /// Appends the neighbours of a node on level 0 without its duplicate, which is returned, or [`NONE`]. A graph that does not
    /// tell them apart appends both.
    fn neighbours(&self, node: Node, out: &mut Vec<Node>) -> Node {
        self.links(node, 0, out);
        NONE
    }
    /// Hint that a node's links on a level are likely to be asked for next.
    #[inline]
    fn expect_links(&self, _node: Node, _level: u8) {}
}

/// What inserts and repairs need of a graph besides. `&self`: the one in memory is shared by threads.
pub trait GraphMut: Graph {
    /// Links of a node on a level above 0, at most; on level 0 twice as many.
    fn m(&self) -> usize;
    /// The node's highest level.
    fn level(&self, node: Node) -> u8;
    /// Makes a node the query.
    fn load_query(&self, node: Node, query: &mut Query);
    /// Whether the two nodes have equal codes and heads.
    fn same_code(&self, a: Node, b: Node) -> bool;
    /// Lets `change` edit a node's own links (without the duplicate) on a level. Nobody else writes that list meanwhile.
    /// `change` leaves no more than the level's maximum, calls nothing of the graph, and may be called once only.
    fn edit_links(&self, node: Node, level: u8, change: &mut dyn FnMut(&mut Vec<Node>));
    /// The next in a node's chain of duplicates, or [`NONE`].
    fn duplicate(&self, node: Node) -> Node;
    /// Sets what [`GraphMut::duplicate`] answers.
    fn set_duplicate(&self, node: Node, duplicate: Node);
    /// Makes the node the entry point if its level is higher than the entry point's, or if there is none.
    fn raise_entry(&self, node: Node, level: u8);
    /// Replaces the entry point whatever its level is: the old one is dead, or its whole graph.
    fn replace_entry(&self, entry: Option<(Node, u8)>);

    /// Appends the node's own links on a level, without the duplicate.
    fn own_links(&self, node: Node, level: u8, out: &mut Vec<Node>) {
        let start = out.len();
        self.links(node, level, out);
        if level == 0 {
            let duplicate = self.duplicate(node);
            if duplicate != NONE
                && let Some(place) = out[start..].iter().rposition(|&link| link == duplicate)
            {
                out.remove(start + place);
            }
        }
    }

    /// Hangs `duplicate` into the chain right behind a node. Graphs with several writers at a time make it atomic.
    fn chain_duplicate(&self, behind: Node, duplicate: Node) {
        self.set_duplicate(duplicate, self.duplicate(behind));
        self.set_duplicate(behind, duplicate);
    }

    /// Links of a node on this level, at most.
    fn max_links(&self, level: u8) -> usize {
        if level == 0 { 2 * self.m() } else { self.m() }
    }
}

/// The level of a new node: exponentially distributed with mean 1 / ln(m), at most [`MAX_LEVEL`]; the same for the
/// same seed.
#[must_use]
pub fn level_of(hash_seed: u64, m: usize) -> u8 {
    // Steele, Lea, Flood 2014: the mixing function of SplitMix64.
    let mut mixed = hash_seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    // In (0, 1]
    let uniform = ((mixed >> 11) + 1) as f64 / (1u64 << 53) as f64;
    (-uniform.ln() / (m.max(2) as f64).ln()).min(f64::from(MAX_LEVEL)) as u8
}

/// Distance and node in one number that sorts by distance, then node. Works for all finite distances.
#[inline(always)]
pub(crate) fn key(distance: f32, node: Node) -> u64 {
    let bits = distance.to_bits();
    let ordered = if bits >> 31 == 0 { bits | 0x8000_0000 } else { !bits };
    u64::from(ordered) << 32 | u64::from(node)
}

/// The node of a key.
#[inline(always)]
pub(crate) fn node_of(key: u64) -> Node {
    key as u32
}

/// The distance of a key.
#[inline(always)]
pub(crate) fn distance_of(key: u64) -> f32 {
    let ordered = (key >> 32) as u32;
    f32::from_bits(if ordered >> 31 == 0 { !ordered } else { ordered & 0x7fff_ffff })
}

#[cfg(test)]
mod basics {
    use super::*;

    #[test]
    fn keys_sort_by_distance() {
        let distances = [-1e37f32, -2.0, -1.5, -1e-30, -0.0, 0.0, 1e-40, 1e-30, 0.5, 1.0, 3e38];
        for pair in distances.windows(2) {
            assert!(key(pair[0], 7) < key(pair[1], 3), "{} {}", pair[0], pair[1]);
        }
        for distance in distances {
            assert_eq!(distance_of(key(distance, 9)).to_bits(), distance.to_bits());
            assert_eq!(node_of(key(distance, 9)), 9);
            assert!(key(distance, 9) < key(distance, 10));
        }
    }

    #[test]
    fn levels_are_exponential() {
        for m in [4, 16, 64] {
            let mut counts = [0u32; 16];
            for seed in 0..100_000 {
                counts[usize::from(level_of(seed, m))] += 1;
            }
            let above: u32 = counts[1..].iter().sum();
            let expected = 100_000.0 / m as f64;
            assert!((f64::from(above) - expected).abs() < 0.1 * expected, "{above} of 100,000 with m = {m}");
            assert_eq!(level_of(77, m), level_of(77, m));
        }
    }
}
