//! Which neighbours a node is linked with: the heuristic of Malkov and Yashunin 2016, algorithm 4.

#![forbid(unsafe_code)]

use crate::distance::Metric;
use crate::hnsw::search::Hop;
use crate::hnsw::{GraphMut, Node};
use crate::quant::{Codec, Query};

/// How much nearer than to the node a candidate must be to a chosen one to be passed over. A little more than 1 leaves
/// more links (the alpha of Subramanya et al. 2019, DiskANN), with which a search finds as much in fewer steps. For
/// squared distances; it means nothing for inner products, whose zero is arbitrary.
const SLACK: f32 = 1.1;
/// The same where links to dead nodes are replaced: with fewer candidates to choose from, more of them have to do.
const SLACK_OF_REPAIRS: f32 = 1.15;

/// Distances that are taken before it is seen whether one is small enough.
const AT_A_TIME: usize = 4;

/// Buffers of a selection.
pub(super) struct Select {
    slack: f32,
    slack_of_repairs: f32,
    /// whether places that are left go to candidates that were passed over
    fills_up: bool,
    passed_over: Vec<Node>,
    query: Query,
    hop: Hop,
    /// what [`Select::run`] chose, nearest first; after these, nearest first, what it was filled up with
    pub chosen: Vec<Node>,
}

impl Select {
    pub fn new(codec: &Codec) -> Self {
        let for_metric = |slack: f32| match codec.metric {
            Metric::L2 | Metric::Cosine => slack,
            Metric::L1 | Metric::Hamming | Metric::Jaccard => slack.sqrt(),
            Metric::InnerProduct => 1.0,
        };
        let (slack, slack_of_repairs) = (for_metric(SLACK), for_metric(SLACK_OF_REPAIRS));
        let fills_up = codec.metric == Metric::InnerProduct;
        let (query, hop) = (codec.empty_query(), Hop::default());
        Self { slack, slack_of_repairs, fills_up, passed_over: Vec::new(), query, hop, chosen: Vec::new() }
    }

    /// Chooses at most `max` of the candidates, which are sorted by their distance to the node that is to be linked
    /// and do not contain it. A candidate is passed over if it is clearly nearer to one that was chosen before than to
    /// the node: the way to it leads over that one. If it is equally far from both it is kept, so that sets of equidistant
    /// vectors stay connected.
    ///
    /// Under the inner product that way may lead nowhere: there is no triangle inequality, and a few long vectors are
    /// nearer to all others than these to each other. So the places that are left go to those passed over.
    pub fn run(&mut self, graph: &impl GraphMut, candidates: &[(f32, Node)], max: usize) {
        self.chosen.clear();
        self.choose(graph, candidates, max, self.slack);
    }

    /// As [`Select::run`], but goes on from what is chosen, for a repair.
    pub fn add(&mut self, graph: &impl GraphMut, candidates: &[(f32, Node)], max: usize) {
        self.choose(graph, candidates, max, self.slack_of_repairs);
    }

    fn choose(&mut self, graph: &impl GraphMut, candidates: &[(f32, Node)], max: usize, slack: f32) {
        self.passed_over.clear();
        for &(distance, node) in candidates {
            if self.chosen.len() >= max {
                break;
            }
            graph.load_query(node, &mut self.query);
            let passed_over = self.chosen.chunks(AT_A_TIME).any(|some| {
                self.hop.distances.clear();
                graph.distances(&self.query, some, &mut self.hop.distances);
                self.hop.distances.iter().any(|&other| slack * other < distance)
            });
            if passed_over {
                self.passed_over.push(node);
                continue;
            }
            self.chosen.push(node);
        }
        if self.fills_up {
            let left = max.saturating_sub(self.chosen.len()).min(self.passed_over.len());
            self.chosen.extend(self.passed_over.drain(..left));
        }
    }
}
