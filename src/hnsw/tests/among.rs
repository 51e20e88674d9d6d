//! Searches among nodes that are known to be wanted.

use super::{build, clustered_vectors, duplicate_vectors, nearer, random_vectors};
use crate::bitset::Bitset;
use crate::distance::{Metric, distance};
use crate::hnsw::beam::Limits;
use crate::hnsw::{Beam, Graph, MemoryGraph, Node};
use fastrand::Rng;

const K: usize = 10;
const EF: usize = 64;

fn bits(nodes: u32, wanted: &dyn Fn(Node) -> bool) -> (Bitset, Vec<Node>) {
    let mut among = Bitset::below(nodes);
    let all: Vec<Node> = (0..nodes).filter(|&node| wanted(node)).collect();
    all.iter().for_each(|&node| {
        among.insert(node);
    });
    (among, all)
}

/// The nodes that a search finds, nearest first, whether it came to its end, and its work.
fn search(graph: &MemoryGraph, vector: &[f32], among: &Bitset, all: &[Node], limits: Limits) -> (Vec<Node>, bool, u64) {
    let query = graph.codec().query(vector);
    let mut beam = Beam::new();
    beam.start(graph, &query);
    let every = (all.len() / 64).max(1);
    beam.add(graph, &query, &all.iter().copied().step_by(every).collect::<Vec<_>>());
    let mut out = Vec::new();
    let mut accept = |node: Node| among.contains(node);
    let at_end = beam.extend_among(graph, &query, EF, Some(among), limits, &mut accept, &mut out);
    (out.into_iter().map(|(_, node)| node).collect(), at_end, beam.work().weight())
}

fn recall(vectors: &[Vec<f32>], queries: &[Vec<f32>], wanted: &dyn Fn(Node) -> bool) -> f64 {
    let graph = build(Metric::L2, vectors);
    let (among, all) = bits(graph.nodes(), wanted);
    let (mut found, mut sought) = (0, 0);
    for vector in queries {
        let far = |node: Node| distance(Metric::L2, vector, &vectors[node as usize]);
        let mut exact: Vec<f64> = all.iter().map(|&node| far(node)).collect();
        exact.sort_by(|a, b| nearer(*a, *b));
        let (out, ..) = search(&graph, vector, &among, &all, Limits::NONE);
        assert!(out.iter().all(|&node| wanted(node)), "one that is not wanted");
        let mut once = out.clone();
        once.sort_unstable();
        once.dedup();
        assert!(once.len() == out.len() && out.len() <= EF);
        let wanted = K.min(exact.len());
        sought += wanted;
        found += out.iter().filter(|&&node| far(node) <= exact[wanted - 1] + 1e-9).count().min(wanted);
    }
    f64::from(found as u32) / f64::from(sought as u32)
}

#[test]
fn finds_the_nearest_of_those_that_are_wanted() {
    let mut random = Rng::with_seed(11);
    let vectors = random_vectors(&mut random, 4000, 12);
    let queries = random_vectors(&mut random, 40, 12);
    for part in [2, 5, 10, 30] {
        let recall = recall(&vectors, &queries, &|node| node.is_multiple_of(part));
        assert!(recall > 0.98, "one in {part}: {recall}");
    }
}

/// What is wanted lies in some clusters, the query in another.
#[test]
fn finds_what_is_far_from_the_query() {
    let mut random = Rng::with_seed(12);
    let vectors = clustered_vectors(&mut random, 4000, 12);
    let queries: Vec<Vec<f32>> = (0..40).map(|_| vectors[random.usize(..4000)].clone()).collect();
    // of some directions only, which clusters lie in or do not
    for most in [-10.0f32, 0.0, 10.0] {
        let wanted = |node: Node| vectors[node as usize][0] < most;
        // where a few are wanted in the midst of a cluster of others, they may be missed
        let least = if most == 0.0 { 0.9 } else { 0.98 };
        let recall = recall(&vectors, &queries, &wanted);
        assert!(recall > least, "below {most}: {recall}");
    }
}

/// Of equal vectors some are wanted, wherever they stand in their chains. Where they are many, the search says so.
#[test]
fn passes_through_chains_of_duplicates() {
    let mut random = Rng::with_seed(13);
    let crowd = duplicate_vectors(&mut random, 3000, 8);
    let mut vectors = random_vectors(&mut random, 3000, 8);
    // a few pairs
    vectors.extend_from_within(..60);
    for (vectors, is_crowded) in [(&crowd, true), (&vectors, false)] {
        let queries: Vec<Vec<f32>> = (0..40).map(|_| vectors[random.usize(..60)].clone()).collect();
        let graph = build(Metric::L2, vectors);
        let (among, all) = bits(graph.nodes(), &|node| node >= 3000 || node % 2 == 1);
        let query = graph.codec().query(&queries[0]);
        let (mut beam, mut out) = (Beam::new(), Vec::new());
        beam.start(&graph, &query);
        beam.add(&graph, &query, &all[..64]);
        let mut accept = |node: Node| among.contains(node);
        beam.extend_among(&graph, &query, EF, Some(&among), Limits::NONE, &mut accept, &mut out);
        assert_eq!(beam.is_crowded(), is_crowded);
        let recall = recall(vectors, &queries, &|node| node >= 3000 || node % 2 == 1);
        assert!(recall > 0.95, "{recall}");
    }
}

#[test]
fn ends_when_it_has_done_enough() {
    let mut random = Rng::with_seed(14);
    let vectors = random_vectors(&mut random, 3000, 8);
    let graph = build(Metric::L2, &vectors);
    let (among, all) = bits(graph.nodes(), &|node| node.is_multiple_of(50));
    let limits = Limits { work: 60, ..Limits::NONE };
    let (_, at_end, work) = search(&graph, &vectors[7], &among, &all, limits);
    assert!(!at_end && (60..400).contains(&work), "{at_end} {work}");
    // nor is there any end before all that can be reached was
    let (found, at_end, _) = search(&graph, &vectors[7], &among, &all, Limits::NONE);
    assert!(at_end || found.len() == EF, "{} of {}", found.len(), all.len());
}
