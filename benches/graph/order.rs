//! Numbers for nodes under which those that are near each other share pages. Each answers the new number of each node.

use pg_zvec::hnsw::order::Order;
use pg_zvec::hnsw::{Graph, GraphMut, MemoryGraph, Node};

/// Nodes with levels above 0, numbered among themselves, by the blocks of links that they have; the others like the
/// next of those.
pub fn above_level_0(graph: &MemoryGraph) -> Vec<u32> {
    let mut blocks = 0;
    (0..graph.nodes())
        .map(|node| {
            let number = blocks;
            blocks += u32::from(graph.level(node));
            number
        })
        .collect()
}

/// As `CREATE INDEX` numbers them.
pub fn breadth_first(graph: &MemoryGraph) -> Vec<u32> {
    let order = Order::breadth_first(graph);
    (0..graph.nodes()).map(|node| order.number(node)).collect()
}

/// By the nearest of √n nodes, which follow each other by nearness.
pub fn by_cluster(graph: &MemoryGraph) -> Vec<u32> {
    let nodes = graph.nodes();
    let mut query = graph.codec().empty_query();
    let mut distances = Vec::new();
    let mut nearest_of = |node: Node, others: &[Node]| {
        distances.clear();
        graph.load_query(node, &mut query);
        graph.distances(&query, others, &mut distances);
        let nearest = distances.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
        nearest.map_or(0, |(place, _)| place)
    };
    let step = (f64::from(nodes).sqrt() as usize).max(1);
    let mut left: Vec<Node> = (0..nodes).step_by(step).collect();
    let mut pivots: Vec<Node> = left.pop().into_iter().collect();
    while let (Some(&last), false) = (pivots.last(), left.is_empty()) {
        pivots.push(left.swap_remove(nearest_of(last, &left)));
    }
    let mut order: Vec<(usize, Node)> = (0..nodes).map(|node| (nearest_of(node, &pivots), node)).collect();
    order.sort_unstable();
    let mut numbers = vec![0; nodes as usize];
    order.iter().zip(0..).for_each(|(&(_, node), number)| numbers[node as usize] = number);
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use pg_zvec::distance::Metric;
    use pg_zvec::hnsw::build::insert_all;
    use pg_zvec::hnsw::level_of;
    use pg_zvec::hnsw::workers::Control;
    use pg_zvec::quant::Codec;
    use std::sync::Arc;

    #[test]
    fn orders_are_permutations_and_bring_neighbours_together() {
        let mut random = fastrand::Rng::with_seed(4);
        let vectors: Vec<Vec<f32>> = (0..2000).map(|_| (0..4).map(|_| random.f32()).collect()).collect();
        let codec = Arc::new(Codec::train(Metric::L2, 4, &mut vectors.iter().map(Vec::as_slice)));
        let mut graph = MemoryGraph::with_capacity(Arc::clone(&codec), 4, vectors.len());
        let mut code = vec![0; codec.code_bytes()];
        for (row, vector) in (0..).zip(&vectors) {
            let head = codec.encode(vector, &mut code);
            graph.push(row, level_of(row, 4), head, &code);
        }
        insert_all(&graph, 0..2000, 32, 1, &Control::default(), &mut || true).expect("built");
        let apart = |numbers: &[u32]| {
            let mut links = Vec::new();
            let mut sum = 0;
            for node in 0..2000 {
                links.clear();
                graph.links(node, 0, &mut links);
                sum += links.iter().map(|&link| numbers[link as usize].abs_diff(numbers[node as usize])).sum::<u32>();
            }
            sum
        };
        let plain = apart(&(0..2000).collect::<Vec<u32>>());
        for numbers in [breadth_first(&graph), by_cluster(&graph)] {
            let mut sorted = numbers.clone();
            sorted.sort_unstable();
            assert!(sorted.iter().copied().eq(0..2000));
            assert!(apart(&numbers) < plain / 2, "{} of {plain}", apart(&numbers));
        }
    }
}
