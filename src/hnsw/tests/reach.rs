use crate::hnsw::repair::repair_all;
use crate::hnsw::tests::*;

/// Most vectors short and alike, some long: by the product all searches end at the long ones, whose lists are full.
fn mixed_vectors(random: &mut Rng, count: usize, dims: usize) -> Vec<Vec<f32>> {
    (0..count)
        .map(|i| match i % 3 {
            0 => (0..dims).map(|_| random.f32() - 0.5).collect(),
            1 => (0..dims).map(|_| ((i % 7) * 3) as f32 + 0.01 * random.f32()).collect(),
            _ => (0..dims).map(|_| 10_000.0 * (random.f32() - 0.5)).collect(),
        })
        .collect()
}

#[test]
fn every_node_is_reached_where_all_crowd_around_few() {
    for metric in Metric::OF_NUMBERS {
        // asserts that every node can be reached
        build(metric, &mixed_vectors(&mut Rng::with_seed(11), 3000, 8));
    }
}

/// Many small clusters far from each other, about as far each from all others.
fn archipelago(random: &mut Rng, count: usize, dims: usize) -> Vec<Vec<f32>> {
    let centers = random_vectors(random, count / 60, dims);
    (0..count)
        .map(|_| {
            let centroid = &centers[random.usize(..centers.len())];
            centroid.iter().map(|&c| c + 0.2 * normal(random)).collect()
        })
        .collect()
}

/// Without bridges three in four neighbours are found.
#[test]
fn searches_find_the_right_one_of_many_clusters() {
    let mut random = Rng::with_seed(61);
    let vectors = archipelago(&mut random, 12_000, 256);
    let (vectors, queries) = vectors.split_at(11_800);
    let vector_of = |node: Node| vectors[node as usize].clone();
    let graph = build(Metric::L2, vectors);
    let whole = recall(Metric::L2, &graph, &vector_of, queries, 10, &|_| true);
    assert!(whole > 0.88, "recall@10 with ef 10 is {whole}");

    let dead: Vec<bool> = vectors.iter().map(|_| random.f64() < 0.3).collect();
    let is_dead = |node: Node| dead[node as usize];
    let control = Control::default();
    let done = repair_all(&graph, &is_dead, &mut |_, _| (), EF_CONSTRUCTION, 1, &control, &mut || true);
    assert_eq!(done, Ok(true));
    let repaired = recall(Metric::L2, &graph, &vector_of, queries, 10, &|node| !is_dead(node));
    assert!(repaired > 0.88, "after a repair it is {repaired}");
}
