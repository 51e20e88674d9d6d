//! Numbers for the nodes of a finished graph, by which neighbours lie close together.
//!
//! A search reads the codes of a node's neighbours: numbered as they come in from the table they are spread over all pages,
//! numbered breadth first from the entry point many share one.

#![forbid(unsafe_code)]

use crate::bitset::Bitset;
use crate::hnsw::{GraphMut, NONE, Node};
use std::collections::VecDeque;

/// New numbers for the nodes of a graph.
pub struct Order {
    /// the node that has each new number
    nodes: Vec<Node>,
    /// the new number of each node
    numbers: Vec<Node>,
}

impl Order {
    /// Every node keeps its number.
    #[must_use]
    pub fn unchanged(nodes: u32) -> Self {
        Self { nodes: (0..nodes).collect(), numbers: (0..nodes).collect() }
    }

    /// Breadth first over the links of level 0, from the entry point; what no link leads to comes last. Levels go with
    /// numbers: each node gets a number that was one of its level's.
    #[must_use]
    pub fn breadth_first(graph: &impl GraphMut) -> Self {
        let count = graph.nodes();
        let levels = (0..count).map(|node| usize::from(graph.level(node)) + 1).max().unwrap_or(0);
        // of each level, where to look for the next number
        let mut next: Vec<Node> = vec![0; levels];
        let mut order = Self { nodes: vec![NONE; count as usize], numbers: vec![NONE; count as usize] };
        let mut seen = Bitset::below(count);
        let (mut waiting, mut links) = (VecDeque::new(), Vec::new());
        let starts = graph.entry().map(|(entry, _)| entry).into_iter().chain(0..count);
        for start in starts {
            if !seen.insert(start) {
                continue;
            }
            waiting.push_back(start);
            while let Some(node) = waiting.pop_front() {
                let level = graph.level(node);
                let number = &mut next[usize::from(level)];
                while graph.level(*number) != level {
                    *number += 1;
                }
                order.nodes[*number as usize] = node;
                order.numbers[node as usize] = *number;
                *number += 1;
                links.clear();
                graph.own_links(node, 0, &mut links);
                links.push(graph.duplicate(node));
                waiting.extend(links.iter().filter(|&&link| link < count && seen.insert(link)));
            }
        }
        order
    }

    /// The node with a new number.
    #[inline]
    #[must_use]
    pub fn node(&self, number: Node) -> Node {
        self.nodes[number as usize]
    }

    /// The new number of a node, and [`NONE`] of [`NONE`].
    #[inline]
    #[must_use]
    pub fn number(&self, node: Node) -> Node {
        if node == NONE { NONE } else { self.numbers[node as usize] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Metric;
    use crate::hnsw::{MemoryGraph, level_of};
    use crate::quant::{Codec, Head};
    use fastrand::Rng;
    use std::sync::Arc;

    const M: usize = 4;

    /// A graph of random links.
    fn graph(random: &mut Rng, count: u32) -> MemoryGraph {
        let codec = Arc::new(Codec::from_parts(Metric::L2, 2, vec![0.0; 2], 1.0));
        let mut graph = MemoryGraph::with_capacity(codec, M, count as usize);
        for node in 0..count {
            graph.push(u64::from(node), level_of(u64::from(node), M), Head::default(), &[0, 0]);
        }
        for node in 0..count {
            let links: Vec<Node> = (0..random.usize(..4)).map(|_| random.u32(..count)).collect();
            graph.set_links(node, 0, &links);
        }
        graph.set_entry((count > 0).then(|| (count / 2, graph.level(count / 2))));
        graph
    }

    #[test]
    fn every_number_is_given_once_and_keeps_its_level() {
        let mut random = Rng::with_seed(31);
        for count in [0, 1, 2, 50, 3000] {
            let graph = graph(&mut random, count);
            let order = Order::breadth_first(&graph);
            for number in 0..count {
                let node = order.node(number);
                assert_eq!(order.number(node), number);
                assert_eq!(graph.level(node), graph.level(number));
            }
            assert_eq!(order.number(NONE), NONE);
        }
    }

    #[test]
    fn neighbours_come_together() {
        let mut random = Rng::with_seed(32);
        let count = 4000u32;
        let graph = graph(&mut random, count);
        // a path through all nodes in random order
        let mut path: Vec<Node> = (0..count).collect();
        random.shuffle(&mut path);
        for pair in path.windows(2) {
            graph.set_links(pair[0], 0, &[pair[1]]);
        }
        graph.set_links(path[count as usize - 1], 0, &[]);
        graph.set_entry(Some((path[0], graph.level(path[0]))));
        let order = Order::breadth_first(&graph);
        let mut of_level = std::collections::HashMap::new();
        for &node in &path {
            let before = of_level.insert(graph.level(node), order.number(node));
            assert!(before.is_none_or(|before| before < order.number(node)));
        }
    }
}
