//! Graphs in memory against brute force.

mod among;
mod duplicates;
mod lifecycle;
mod reach;
mod recall;
mod threads;

use crate::distance::{Metric, distance};
use crate::hnsw::build::insert_all;
use crate::hnsw::check::{NodeState, check};
use crate::hnsw::workers::Control;
use crate::hnsw::{Beam, Graph, GraphMut, MemoryGraph, Node, level_of};
use crate::quant::{Codec, Query};
use fastrand::Rng;
use std::cell::Cell;
use std::sync::Arc;

const M: usize = 8;
const EF_CONSTRUCTION: usize = 48;

fn normal(random: &mut Rng) -> f32 {
    let (u, v) = (random.f64().max(1e-12), random.f64());
    ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
}

/// Independent normal elements.
fn random_vectors(random: &mut Rng, count: usize, dims: usize) -> Vec<Vec<f32>> {
    (0..count).map(|_| (0..dims).map(|_| normal(random)).collect()).collect()
}

/// Tight clusters far from each other.
fn clustered_vectors(random: &mut Rng, count: usize, dims: usize) -> Vec<Vec<f32>> {
    let centers = random_vectors(random, 20, dims);
    (0..count)
        .map(|_| {
            let centroid = &centers[random.usize(..20)];
            centroid.iter().map(|&c| 10.0 * c + 0.3 * normal(random)).collect()
        })
        .collect()
}

/// Vectors of which many are equal.
fn duplicate_vectors(random: &mut Rng, count: usize, dims: usize) -> Vec<Vec<f32>> {
    let distinct = random_vectors(random, count / 8, dims);
    // The product favours the first ones.
    (0..count).map(|_| distinct[(random.f64() * random.f64() * distinct.len() as f64) as usize].clone()).collect()
}

fn push_all(metric: Metric, vectors: &[Vec<f32>], capacity: usize) -> MemoryGraph {
    let dims = vectors[0].len();
    let codec = Arc::new(Codec::train(metric, dims, &mut vectors.iter().map(Vec::as_slice)));
    let mut graph = MemoryGraph::with_capacity(Arc::clone(&codec), M, capacity);
    let mut code = vec![0; codec.code_bytes()];
    for (row, vector) in vectors.iter().enumerate() {
        let head = codec.encode(vector, &mut code);
        let node = graph.push(row as u64, level_of(row as u64, M), head, &code);
        assert_eq!(node as usize, row);
    }
    graph
}

/// The graph of these vectors, built by one thread, checked; node numbers are places in `vectors`.
fn build(metric: Metric, vectors: &[Vec<f32>]) -> MemoryGraph {
    let graph = push_all(metric, vectors, vectors.len());
    let control = Control::default();
    let done = insert_all(&graph, 0..graph.nodes(), EF_CONSTRUCTION, 1, &control, &mut || true);
    assert_eq!(done, Ok(true));
    assert_sound(&graph, &|_| NodeState::Live);
    graph
}

/// Nothing is wrong, and every live node can be reached.
fn assert_sound(graph: &impl GraphMut, state: &dyn Fn(Node) -> NodeState) {
    let findings = check(graph, state);
    assert!(findings.problems.is_empty(), "{:?}", findings.problems);
    assert!(findings.unreachable.is_empty(), "{:?} cannot be reached", findings.unreachable);
}

/// Whether `a` is to be listed before `b`: NaN comes last.
fn nearer(a: f64, b: f64) -> std::cmp::Ordering {
    a.is_nan().cmp(&b.is_nan()).then(a.total_cmp(&b))
}

/// Share of the `k` nearest accepted vectors that a search with this `ef` finds, over all queries. Vectors as near as
/// the `k`-th count as found whichever of them it was.
fn recall(
    metric: Metric,
    graph: &MemoryGraph,
    vector_of: &dyn Fn(Node) -> Vec<f32>,
    queries: &[Vec<f32>],
    ef: usize,
    accept: &dyn Fn(Node) -> bool,
) -> f64 {
    const K: usize = 10;
    let mut beam = Beam::new();
    let mut found = 0;
    for vector in queries {
        let distance_of = |node: Node| distance(metric, vector, &vector_of(node));
        let mut exact: Vec<f64> = (0..graph.nodes()).filter(|&node| accept(node)).map(distance_of).collect();
        exact.sort_by(|a, b| nearer(*a, *b));
        let query = graph.codec().query(vector);
        let mut out = Vec::new();
        beam.start(graph, &query);
        beam.extend(graph, &query, ef, usize::MAX, &mut |node| accept(node), &mut out);
        assert!(out.len() <= ef);
        let mut got: Vec<f64> = out.iter().map(|&(_, node)| distance_of(node)).collect();
        got.sort_by(|a, b| nearer(*a, *b));
        found += got.iter().take(K).filter(|&&d| nearer(d, exact[K - 1] + 1e-9).is_le()).count();
    }
    found as f64 / (queries.len() * K) as f64
}

/// All nodes that a search reports when `ef` grows without bound, and then those it has not visited.
fn full_scan(graph: &MemoryGraph, query: &Query, accept: &dyn Fn(Node) -> bool) -> (Vec<Node>, Vec<Node>) {
    let mut beam = Beam::new();
    let mut out = Vec::new();
    beam.start(graph, query);
    let mut ef = 3;
    while !beam.extend(graph, query, ef, usize::MAX, &mut |node| accept(node), &mut out) {
        ef *= 2;
    }
    let swept = (0..graph.nodes()).filter(|&node| !beam.visited(node) && accept(node)).collect();
    (out.into_iter().map(|(_, node)| node).collect(), swept)
}

/// A graph that counts the distances taken.
struct Counting<'a> {
    graph: &'a MemoryGraph,
    distances: Cell<u64>,
}

impl Graph for Counting<'_> {
    fn entry(&self) -> Option<(Node, u8)> {
        self.graph.entry()
    }

    fn nodes(&self) -> u32 {
        self.graph.nodes()
    }

    fn links(&self, node: Node, level: u8, out: &mut Vec<Node>) {
        self.graph.links(node, level, out);
    }

    fn distances(&self, query: &Query, nodes: &[Node], out: &mut Vec<f32>) {
        self.distances.set(self.distances.get() + nodes.len() as u64);
        self.graph.distances(query, nodes, out);
    }
}

/// Leaves the default methods as they are, so that they are tested too.
impl GraphMut for Counting<'_> {
    fn m(&self) -> usize {
        self.graph.m()
    }

    fn level(&self, node: Node) -> u8 {
        self.graph.level(node)
    }

    fn load_query(&self, node: Node, query: &mut Query) {
        self.graph.load_query(node, query);
    }

    fn same_code(&self, a: Node, b: Node) -> bool {
        self.graph.same_code(a, b)
    }

    fn edit_links(&self, node: Node, level: u8, change: &mut dyn FnMut(&mut Vec<Node>)) {
        self.graph.edit_links(node, level, change);
    }

    fn duplicate(&self, node: Node) -> Node {
        self.graph.duplicate(node)
    }

    fn set_duplicate(&self, node: Node, duplicate: Node) {
        self.graph.set_duplicate(node, duplicate);
    }

    fn raise_entry(&self, node: Node, level: u8) {
        self.graph.raise_entry(node, level);
    }

    fn replace_entry(&self, entry: Option<(Node, u8)>) {
        self.graph.replace_entry(entry);
    }
}
