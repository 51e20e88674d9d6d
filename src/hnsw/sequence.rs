//! In which sequence many nodes are linked in.
//!
//! Most of a build's time goes into waiting for the codes of nodes that no cache holds. If nodes that are near each other
//! follow one another, each finds what it looks at where the one before has left it. But a graph grows best from nodes of all
//! parts at a time: whole clusters one after the other would know nothing of each other. So there are batches, each drawn
//! from everywhere, and nearness decides within a batch only.

#![forbid(unsafe_code)]

use crate::distance::Metric;
use crate::error::Result;
use crate::hnsw::workers::{Control, FEW_AT_A_TIME, in_chunks};
use crate::hnsw::{Graph as _, GraphMut as _, MemoryGraph, Node};
use std::sync::atomic::{AtomicU8, Ordering};

/// Nodes of a batch.
const BATCH: usize = 40_000;
/// The first nodes of a new graph, as they come: what the batches then find.
const FIRST: usize = 4096;
/// Nodes that the others are compared with, to see which are near each other.
const REGIONS: usize = 128;
/// Graphs of so many bytes stay in a processor's caches.
const CACHED_BYTES: u64 = 16 << 20;

/// `nodes` in the sequence in which they are to be linked in, which are pushed and have no links yet; and how many of them
/// are as they came, before those that are near each other follow one another.
///
/// # Errors
/// As [`in_chunks`].
pub(super) fn sequence(
    graph: &MemoryGraph,
    nodes: &[Node],
    threads: usize,
    control: &Control,
    tick: &mut dyn FnMut() -> bool,
) -> Result<(Vec<Node>, u32)> {
    let mut sequence = nodes.to_vec();
    let first = if graph.entry().is_none() { FIRST.min(nodes.len()) } else { 0 };
    let rest = &mut sequence[first..];
    // by the inner product all are near the longest, and recall suffers
    let by_product = graph.codec().metric == Metric::InnerProduct;
    if rest.len() < REGIONS || graph.used_bytes() < CACHED_BYTES || by_product {
        let all = sequence.len() as u32;
        return Ok((sequence, all));
    }
    let centers: Vec<Node> = rest.iter().step_by(rest.len() / REGIONS).take(REGIONS).copied().collect();
    let regions: Vec<AtomicU8> = rest.iter().map(|_| AtomicU8::new(0)).collect();
    in_chunks(
        0..rest.len() as u32,
        FEW_AT_A_TIME,
        threads,
        control,
        tick,
        || (graph.codec().empty_query(), Vec::new()),
        |(query, distances), at| {
            graph.load_query(rest[at as usize], query);
            distances.clear();
            graph.distances(query, &centers, distances);
            let nearest = (0..distances.len()).min_by(|&a, &b| distances[a].total_cmp(&distances[b]));
            regions[at as usize].store(nearest.unwrap_or(0) as u8, Ordering::Relaxed);
        },
    )?;
    let regions: Vec<u8> = regions.into_iter().map(AtomicU8::into_inner).collect();
    for (batch, regions) in rest.chunks_mut(BATCH).zip(regions.chunks(BATCH)) {
        let mut placed: Vec<(u8, Node)> = regions.iter().copied().zip(batch.iter().copied()).collect();
        placed.sort_by_key(|&(region, _)| region);
        batch.iter_mut().zip(placed).for_each(|(place, (_, node))| *place = node);
    }
    Ok((sequence, first as u32))
}
const _: () = assert!(REGIONS <= 1 << u8::BITS);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::Codec;
    use fastrand::Rng;
    use std::sync::Arc;

    #[test]
    fn near_nodes_follow_one_another_and_none_is_lost() {
        const CLUSTERS: usize = 8;
        let mut random = Rng::with_seed(41);
        let (count, dims) = (7000, 3000);
        let centers: Vec<Vec<f32>> = (0..CLUSTERS).map(|_| (0..dims).map(|_| random.f32() - 0.5).collect()).collect();
        let codec = Arc::new(Codec::train(Metric::L2, dims, &mut centers.iter().map(Vec::as_slice)));
        let mut graph = MemoryGraph::with_capacity(Arc::clone(&codec), 4, count);
        let (mut code, mut clusters) = (vec![0; codec.code_bytes()], Vec::new());
        for node in 0..count {
            let cluster = random.usize(..CLUSTERS);
            let vector: Vec<f32> = centers[cluster].iter().map(|x| x + 0.01 * random.f32()).collect();
            let head = codec.encode(&vector, &mut code);
            graph.push(node as u64, 0, head, &code);
            clusters.push(cluster);
        }
        let nodes: Vec<Node> = (0..count as u32).rev().collect();
        let (got, first) = sequence(&graph, &nodes, 2, &Control::default(), &mut || true).unwrap();
        assert_eq!(first as usize, FIRST);
        assert_eq!(got[..FIRST], nodes[..FIRST]);
        let mut sorted = got.clone();
        sorted.sort_by_key(|&node| std::cmp::Reverse(node));
        assert_eq!(sorted, nodes);
        let changes =
            got[FIRST..].windows(2).filter(|pair| clusters[pair[0] as usize] != clusters[pair[1] as usize]).count();
        assert!(changes < REGIONS, "{changes} changes of cluster");
        // what caches hold stays as it is
        let few: Vec<Node> = (0..50).collect();
        assert_eq!(sequence(&graph, &few, 1, &Control::default(), &mut || true).unwrap(), (few, 50));
    }
}
