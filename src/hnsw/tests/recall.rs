use crate::hnsw::tests::*;

/// What the search must find at least, at ef 32 and ef 128.
fn check_recall(metric: Metric, vectors: &[Vec<f32>], queries: &[Vec<f32>], least: [f64; 2], what: &str) {
    let graph = build(metric, vectors);
    for (ef, least) in [32, 128].into_iter().zip(least) {
        let found = recall(metric, &graph, &|node| vectors[node as usize].clone(), queries, ef, &|_| true);
        assert!(found >= least, "{} {what}: recall@10 {found} at ef {ef}, not {least}", metric.name());
    }
}

#[test]
fn random() {
    let mut random = Rng::with_seed(1);
    let vectors = random_vectors(&mut random, 2000, 20);
    let queries = random_vectors(&mut random, 50, 20);
    for metric in Metric::ALL {
        check_recall(metric, &vectors, &queries, [0.86, 0.985], "random");
    }
}

#[test]
fn clustered() {
    let mut random = Rng::with_seed(2);
    let mut vectors = clustered_vectors(&mut random, 2050, 40);
    let queries = vectors.split_off(2000);
    for metric in Metric::ALL {
        check_recall(metric, &vectors, &queries, [0.95, 0.985], "clustered");
    }
}

#[test]
fn duplicates() {
    let mut random = Rng::with_seed(3);
    let mut vectors = duplicate_vectors(&mut random, 2050, 16);
    let queries = vectors.split_off(2000);
    for metric in Metric::ALL {
        check_recall(metric, &vectors, &queries, [0.90, 0.99], "duplicates");
    }
}

#[test]
fn tiny_graphs_and_few_dimensions() {
    let mut random = Rng::with_seed(4);
    for metric in Metric::ALL {
        for (count, dims) in [(1, 3), (2, 3), (3, 1), (30, 1), (300, 1), (300, 2)] {
            let vectors = random_vectors(&mut random, count, dims);
            let graph = build(metric, &vectors);
            let (mut found, swept) = full_scan(&graph, &graph.codec().query(&vectors[0]), &|_| true);
            found.sort_unstable();
            assert_eq!(swept, [] as [Node; 0], "{} {count} {dims}", metric.name());
            assert_eq!(found, (0..count as Node).collect::<Vec<_>>(), "{} {count} {dims}", metric.name());
        }
    }
}

#[test]
fn an_empty_graph_has_no_results() {
    let codec = Arc::new(Codec::from_parts(Metric::L2, 2, vec![0.0; 2], 1.0));
    let graph = MemoryGraph::with_capacity(Arc::clone(&codec), M, 0);
    assert_eq!(full_scan(&graph, &codec.query(&[1.0, 2.0]), &|_| true), (vec![], vec![]));
    assert_sound(&graph, &|_| NodeState::Live);
}

#[test]
fn ef_counts_accepted_nodes() {
    let mut random = Rng::with_seed(5);
    let vectors = random_vectors(&mut random, 3000, 16);
    let queries = random_vectors(&mut random, 50, 16);
    let graph = build(Metric::L2, &vectors);
    let vector_of = |node: Node| vectors[node as usize].clone();
    let all = recall(Metric::L2, &graph, &vector_of, &queries, 32, &|_| true);
    let tenth = recall(Metric::L2, &graph, &vector_of, &queries, 32, &|node| node % 10 == 3);
    assert!(tenth >= all - 0.01, "{tenth} with 90% refused, {all} with none");
}

/// A search that goes on finds what one with the larger ef from the start finds, or more.
#[test]
fn growing_loses_nothing() {
    let mut random = Rng::with_seed(6);
    let vectors = clustered_vectors(&mut random, 1500, 16);
    let graph = build(Metric::L2, &vectors);
    for vector in random_vectors(&mut random, 20, 16) {
        let query = graph.codec().query(&vector);
        for accepted in [1, 3, 50] {
            let mut asked = vec![false; vectors.len()];
            let mut accept = |node: Node| {
                assert!(!std::mem::replace(&mut asked[node as usize], true), "{node} was asked about twice");
                node.is_multiple_of(accepted)
            };
            let (mut grown, mut beam) = (Vec::new(), Beam::new());
            beam.start(&graph, &query);
            for ef in [1, 2, 7, 8, 30, 100] {
                let before = grown.len();
                let exhausted = beam.extend(&graph, &query, ef, usize::MAX, &mut accept, &mut grown);
                assert!(grown[before..].is_sorted_by(|a, b| a.0 <= b.0));
                assert!(grown.len() >= ef || exhausted);
            }
            let mut at_once = Vec::new();
            let mut other = Beam::new();
            other.start(&graph, &query);
            other.extend(&graph, &query, 100, usize::MAX, &mut |node: u32| node.is_multiple_of(accepted), &mut at_once);
            let worse = at_once.iter().filter(|found| !grown.contains(found)).count();
            assert!(worse <= 2, "{worse} of {} were not found by going on", at_once.len());

            let mut rest = grown;
            while !beam.extend(&graph, &query, rest.len() * 2, usize::MAX, &mut accept, &mut rest) {}
            let mut nodes: Vec<Node> = rest.into_iter().map(|(_, node)| node).collect();
            nodes.sort_unstable();
            assert_eq!(nodes, (0..1500).filter(|node: &Node| node.is_multiple_of(accepted)).collect::<Vec<_>>());
        }
    }
}

/// A search that gives up because too many were refused has reported none twice and none that was refused, and what it has
/// not asked about is still to be had from the whole.
#[test]
fn giving_up_loses_nothing() {
    let mut random = Rng::with_seed(7);
    let vectors = clustered_vectors(&mut random, 1500, 16);
    let graph = build(Metric::L2, &vectors);
    for vector in random_vectors(&mut random, 10, 16) {
        let query = graph.codec().query(&vector);
        let mut asked = Vec::new();
        let mut accept = |node: Node| {
            asked.push(node);
            node.is_multiple_of(100)
        };
        let (mut found, mut beam) = (Vec::new(), Beam::new());
        beam.start(&graph, &query);
        assert!(!beam.extend(&graph, &query, 64, 100, &mut accept, &mut found));
        assert!(beam.refused() > 100 && beam.refused() < 300, "{} refused", beam.refused());
        assert!(found.len() < 15 && found.iter().all(|&(_, node)| node.is_multiple_of(100)));
        let mut nodes: Vec<Node> = found.iter().map(|&(_, node)| node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        assert_eq!(nodes.len(), found.len());
        let reported = asked.iter().filter(|node| node.is_multiple_of(100)).count();
        assert_eq!(reported, found.len());
    }
}

/// Under the inner product lists are filled up with what was passed over, each once, and no further than they go.
#[test]
fn lists_are_filled_up() {
    let mut random = Rng::with_seed(8);
    let vectors: Vec<Vec<f32>> = random_vectors(&mut random, 2000, 8)
        .into_iter()
        .map(|vector| {
            let length = 1.0 + 5.0 * random.f32();
            vector.iter().map(|x| length * x).collect()
        })
        .collect();
    let links = |graph: &MemoryGraph| {
        let mut lists = Vec::new();
        for node in 0..graph.nodes() {
            let mut list = Vec::new();
            graph.own_links(node, 0, &mut list);
            lists.push(list);
        }
        lists
    };
    let mean = |lists: &[Vec<Node>]| lists.iter().map(Vec::len).sum::<usize>() as f64 / lists.len() as f64;
    let (filled, plain) = (links(&build(Metric::InnerProduct, &vectors)), links(&build(Metric::L2, &vectors)));
    for list in &filled {
        let mut once = list.clone();
        once.sort_unstable();
        once.dedup();
        assert!(once.len() == list.len() && list.len() <= 2 * M);
    }
    assert!(mean(&filled) > mean(&plain) && mean(&filled) > M as f64, "{} {}", mean(&filled), mean(&plain));
}
