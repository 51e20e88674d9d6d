use crate::hnsw::build::link_again;
use crate::hnsw::repair::repair;
use crate::hnsw::tests::*;
use crate::hnsw::{NONE, Scratch, insert};

const COUNT: usize = 20_000;

/// Duplicates cost a few distances each, however many there are.
#[test]
fn thousands_of_equal_vectors() {
    for metric in Metric::OF_NUMBERS {
        for vector in [vec![0.5, -2.0, 3.0, 0.1], vec![0.0; 4]] {
            let vectors = vec![vector; COUNT];
            let graph = push_all(metric, &vectors, COUNT);
            let counting = Counting { graph: &graph, distances: Cell::new(0) };
            let mut scratch = Scratch::new(graph.codec());
            for node in 0..graph.nodes() {
                insert(&counting, node, EF_CONSTRUCTION, &mut scratch);
            }
            let taken = counting.distances.get();
            assert!(taken <= 10 * COUNT as u64, "{} {taken}", metric.name());
            assert_sound(&graph, &|_| NodeState::Live);

            let (mut found, swept) = full_scan(&graph, &graph.codec().query(&vectors[0]), &|_| true);
            found.sort_unstable();
            assert_eq!((found, swept), ((0..COUNT as Node).collect(), vec![]), "{}", metric.name());
        }
    }
}

/// A crowd of equal vectors does not hide its neighbourhood, for queries and for what is inserted later.
#[test]
fn a_crowd_among_others() {
    let mut random = Rng::with_seed(7);
    let mut vectors = random_vectors(&mut random, 1000, 12);
    let crowd = vectors[500].clone();
    for place in (0..1000).rev() {
        vectors.insert(place, crowd.clone());
        vectors.insert(place, crowd.clone());
    }
    let graph = build(Metric::L2, &vectors);
    let heads = vectors.len() - (0..graph.nodes()).filter(|&node| graph.duplicate(node) != NONE).count();
    assert_eq!(heads, 1000, "each value has one chain");
    let queries = random_vectors(&mut random, 50, 12);
    let found = recall(Metric::L2, &graph, &|node| vectors[node as usize].clone(), &queries, 64, &|_| true);
    assert!(found >= 0.95, "{found}");
    let near: Vec<Vec<f32>> = (0..20).map(|_| crowd.iter().map(|&x| x + 0.3 * normal(&mut random)).collect()).collect();
    let single = |node: Node| vectors[node as usize] != crowd;
    let found = recall(Metric::L2, &graph, &|node| vectors[node as usize].clone(), &near, 64, &single);
    assert!(found >= 0.95, "{found} behind the crowd");
}

/// A dead head without links of its own, to which others lead, hands its place to its duplicate; were the duplicate linked anew while
/// the head still points to it, a crash in between would leave a link to a duplicate.
#[test]
fn a_head_without_links_is_taken_over() {
    let mut random = Rng::with_seed(23);
    let mut vectors = random_vectors(&mut random, 60, 6);
    vectors.push(vectors[5].clone());
    let graph = build(Metric::L2, &vectors);
    assert_eq!(graph.duplicate(5), 60);
    graph.set_links(5, 0, &[]);
    let alive = Cell::new(60);
    let dead = |node: Node| (node == 5 || node == 60) && node != alive.get();
    let mut taken_over = Vec::new();
    let mut adopt = |head, duplicate| {
        taken_over.push((head, duplicate));
        alive.set(head);
    };
    let mut scratch = Scratch::new(graph.codec());
    repair(&graph, &dead, &mut adopt, EF_CONSTRUCTION, &mut scratch, &mut || false);
    assert_eq!(taken_over, [(5, 60)]);
    assert_sound(&graph, &|node| if dead(node) { NodeState::Free } else { NodeState::Live });
}

/// Two threads that link equal vectors at the same time make two heads of them. When these are linked again, each keeps its
/// chain.
#[test]
fn equal_heads_stay_heads_when_they_are_linked_again() {
    let mut random = Rng::with_seed(29);
    let mut vectors = random_vectors(&mut random, 300, 6);
    let value = vectors[0].clone();
    vectors.extend(std::iter::repeat_n(value, 5));
    let graph = push_all(Metric::L2, &vectors, vectors.len());
    // chains 0 -> 301 -> 300 and 302 -> 303; 304 is a head alone
    for (behind, duplicate) in [(0, 300), (0, 301), (302, 303)] {
        graph.chain_duplicate(behind, duplicate);
    }
    let heads: Vec<Node> = (0..300).chain([302, 304]).collect();
    let done = link_again(&graph, &heads, EF_CONSTRUCTION, 2, &Control::default(), &mut || true);
    assert_eq!(done, Ok(true));
    assert_sound(&graph, &|_| NodeState::Live);
    let chains: Vec<Node> = [0, 301, 300, 302, 303, 304].map(|node| graph.duplicate(node)).to_vec();
    assert_eq!(chains, [301, 300, NONE, 303, NONE, NONE]);
    let (mut found, swept) = full_scan(&graph, &graph.codec().query(&vectors[0]), &|_| true);
    found.sort_unstable();
    assert_eq!((found, swept), ((0..305).collect(), vec![]));
}
