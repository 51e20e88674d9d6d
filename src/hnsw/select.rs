//! Which neighbours a node is linked with: the heuristic of Malkov and Yashunin 2016, algorithm 4.

use super::search::Hop;
use super::{GraphMut, Node};
use crate::quant::Query;

/// Buffers of a selection.
pub(super) struct Select {
    query: Query,
    hop: Hop,
    /// what [`Select::run`] chose, nearest first
    pub chosen: Vec<Node>,
}

impl Select {
    pub fn new(query: Query) -> Self {
        Self { query, hop: Hop::default(), chosen: Vec::new() }
    }

    /// Chooses at most `max` of the candidates, which are sorted by their distance to the node that is to be linked
    /// and do not contain it. A candidate is passed over if it is nearer to one that was chosen before than to the
    /// node: the way to it leads over that one. If it is equally far from both it is kept, so that sets of equidistant
    /// vectors stay connected.
    pub fn run(&mut self, graph: &impl GraphMut, candidates: &[(f32, Node)], max: usize) {
        self.chosen.clear();
        for &(distance, node) in candidates {
            if self.chosen.len() >= max {
                break;
            }
            if !self.chosen.is_empty() {
                graph.load_query(node, &mut self.query);
                self.hop.distances.clear();
                graph.distances(&self.query, &self.chosen, &mut self.hop.distances);
                if self.hop.distances.iter().any(|&other| other < distance) {
                    continue;
                }
            }
            self.chosen.push(node);
        }
    }
}
