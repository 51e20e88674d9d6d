use super::*;

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
    for metric in Metric::ALL {
        // asserts that every node can be reached
        build(metric, &mixed_vectors(&mut Rng::with_seed(11), 3000, 8));
    }
}
