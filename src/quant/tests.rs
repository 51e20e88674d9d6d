//! Estimates against exact distances.

use crate::distance::{Metric, PieceSum, distance};
use crate::quant::kernels::all;
use crate::quant::*;
use crate::vector::{CodeKind, ElementType};
use fastrand::Rng;
use proptest::prelude::*;

fn normal(random: &mut Rng) -> f32 {
    let (u, v) = (random.f64().max(1e-12), random.f64());
    ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
}

fn vectors(random: &mut Rng, count: usize, dims: usize) -> Vec<Vec<f32>> {
    (0..count).map(|_| (0..dims).map(|_| normal(random)).collect()).collect()
}

fn train(metric: Metric, vectors: &[Vec<f32>]) -> Codec {
    Codec::train(metric, vectors[0].len(), &mut vectors.iter().map(Vec::as_slice))
}

/// The operator's distance that an estimate means.
fn meant(codec: &Codec, estimate: f32) -> f64 {
    let (estimate, scale) = (f64::from(estimate), f64::from(codec.scale));
    match codec.metric {
        Metric::L1 => estimate * scale,
        Metric::L2 => (estimate.max(0.0) / scale / scale).sqrt(),
        Metric::Cosine => estimate / scale / scale / 2.0,
        Metric::InnerProduct => {
            let centroid: f64 = codec.centroid.iter().map(|&c| f64::from(c).powi(2)).sum();
            estimate / scale / scale - centroid
        }
        Metric::Hamming | Metric::Jaccard => estimate,
    }
}

/// Checks estimates and bounds of all pairs: the error is at most `tolerance` of the mean distance from 0 and of the
/// largest one, and nearly every lower bound is one, without being further below than twice the tolerance.
fn check(metric: Metric, vectors: &[Vec<f32>], tolerance: f64) {
    let codec = train(metric, vectors);
    let mut code = vec![0; codec.code_bytes()];
    let coded: Vec<_> = vectors.iter().map(|v| (codec.encode(v, &mut code), code.clone())).collect();
    let exact: Vec<Vec<f64>> =
        vectors.iter().map(|a| vectors.iter().map(|b| distance(metric, a, b)).collect()).collect();
    let scale = exact.iter().flatten().fold(0.0, |max: f64, d| max.max(d.abs()));
    let (mut pairs, mut above) = (0, 0);
    for (i, vector) in vectors.iter().enumerate() {
        let mut stored = codec.empty_query();
        stored.assign_code(&codec, coded[i].0, &coded[i].1);
        let query = codec.query(vector);
        for (j, (head, code)) in coded.iter().enumerate() {
            let estimate = query.distance(*head, code);
            assert_eq!(estimate.to_bits(), stored.distance(*head, code).to_bits());
            let what = || format!("{} {i} {j} of {} dimensions", metric.name(), codec.dims);
            let error = (meant(&codec, estimate) - exact[i][j]).abs();
            assert!(error <= tolerance * scale, "{}: {} is {error} off, scale {scale}", what(), exact[i][j]);
            let bound = query.lower_bound(*head, estimate);
            pairs += 1;
            above += u32::from(bound > exact[i][j] + 1e-6 * scale);
            assert!(bound >= exact[i][j] - 8.0 * tolerance * scale, "{}: bound {bound} of {}", what(), exact[i][j]);
        }
    }
    assert!(above <= pairs / 1000, "{}: {above} of {pairs} bounds are too high", metric.name());
}

#[test]
fn random_vectors() {
    let mut random = Rng::with_seed(1);
    for metric in Metric::OF_NUMBERS {
        for dims in [1, 2, 3, 17, 100, 784] {
            check(metric, &vectors(&mut random, 60, dims), 0.02);
        }
    }
}

#[test]
fn offset_in_one_dimension() {
    let mut random = Rng::with_seed(2);
    for metric in [Metric::L2, Metric::L1] {
        let mut vectors = vectors(&mut random, 60, 100);
        vectors.iter_mut().for_each(|vector| vector[7] += 1000.0);
        check(metric, &vectors, 0.02);
    }
    // The offset makes the angles small and the products large: what is left of them must still be right.
    for metric in [Metric::Cosine, Metric::InnerProduct] {
        let mut vectors = vectors(&mut random, 60, 100);
        vectors.iter_mut().for_each(|vector| vector[7] += 1000.0);
        check(metric, &vectors, 0.03);
    }
}

#[test]
fn any_magnitude() {
    let mut random = Rng::with_seed(3);
    for metric in Metric::OF_NUMBERS {
        for magnitude in [1e-30, 1e-10, 1e10, 1e30] {
            let mut vectors = vectors(&mut random, 40, 64);
            vectors.iter_mut().flatten().for_each(|x| *x *= magnitude);
            check(metric, &vectors, 0.02);
        }
    }
}

#[test]
fn one_outlier_spoils_nothing() {
    let mut random = Rng::with_seed(4);
    for metric in Metric::OF_NUMBERS {
        let mut vectors = vectors(&mut random, 60, 64);
        vectors[5].iter_mut().for_each(|x| *x *= 1e30);
        let codec = train(metric, &vectors);
        let mut code = vec![0; codec.code_bytes()];
        let outlier = codec.encode(&vectors[5], &mut code);
        let query = codec.query(&vectors[0]);
        let outlier = query.distance(outlier, &code);
        let scale = (1..60).filter(|&i| i != 5).map(|i| distance(metric, &vectors[0], &vectors[i]).abs());
        let scale = scale.fold(0.0, f64::max);
        for i in (1..60).filter(|&i| i != 5) {
            let head = codec.encode(&vectors[i], &mut code);
            let estimate = query.distance(head, &code);
            let exact = distance(metric, &vectors[0], &vectors[i]);
            assert!((meant(&codec, estimate) - exact).abs() < 0.05 * scale, "{} {i}", metric.name());
            if matches!(metric, Metric::L1 | Metric::L2) {
                assert!(outlier > estimate);
            }
        }
    }
}

#[test]
fn equal_vectors_are_nearest() {
    let mut random = Rng::with_seed(5);
    for metric in [Metric::L2, Metric::Cosine, Metric::L1] {
        let vectors = vectors(&mut random, 50, 96);
        let codec = train(metric, &vectors);
        let (mut code, mut again) = (vec![0; 96], vec![0; 96]);
        for (i, vector) in vectors.iter().enumerate() {
            let head = codec.encode(vector, &mut code);
            assert_eq!((codec.encode(vector, &mut again), &again), (head, &code));
            let query = codec.query(vector);
            let own = query.distance(head, &code);
            assert!(own.abs() < 1e-4, "{} {own}", metric.name());
            for (j, other) in vectors.iter().enumerate().filter(|&(j, _)| j != i) {
                let head = codec.encode(other, &mut again);
                assert!(query.distance(head, &again) > own, "{} {i} {j}", metric.name());
            }
        }
    }
}

#[test]
fn zero_vectors() {
    let mut random = Rng::with_seed(6);
    let mut vectors = vectors(&mut random, 50, 32);
    vectors[3].fill(0.0);
    vectors[4].fill(-0.0);
    for metric in [Metric::L2, Metric::InnerProduct, Metric::L1] {
        check(metric, &vectors, 0.02);
    }
    let codec = train(Metric::Cosine, &vectors);
    let scale = codec.scale * codec.scale;
    let mut code = vec![0; 32];
    let coded: Vec<_> = vectors.iter().map(|v| (codec.encode(v, &mut code), code.clone())).collect();
    for (i, vector) in vectors.iter().enumerate() {
        let query = codec.query(vector);
        for (j, (head, code)) in coded.iter().enumerate() {
            let (estimate, zeros) =
                (query.distance(*head, code), [3, 4].map(|zero| usize::from(zero == i || zero == j)));
            match zeros.iter().sum::<usize>() {
                0 => assert!(estimate < 4.1 * scale),
                1 if i != j => {
                    assert!(estimate > 4.5 * scale && query.lower_bound(*head, estimate) == f64::NEG_INFINITY)
                }
                _ => assert!(estimate == 0.0 && query.lower_bound(*head, estimate) == f64::NEG_INFINITY),
            }
        }
    }
    for metric in Metric::OF_NUMBERS {
        let zeros = vec![vec![0.0; 8]; 3];
        let codec = train(metric, &zeros);
        let mut code = vec![0; 8];
        let head = codec.encode(&zeros[0], &mut code);
        assert_eq!(codec.query(&zeros[0]).distance(head, &code), 0.0, "{}", metric.name());
    }
}

#[test]
fn nothing_to_train_with() {
    for metric in Metric::OF_NUMBERS {
        let codec = Trainer::new(metric, 3).finish();
        let mut code = vec![0; 3];
        let head = codec.encode(&[0.1, 0.2, 0.3], &mut code);
        let near = codec.query(&[0.1, 0.2, 0.31]).distance(head, &code);
        assert!(near < codec.query(&[0.1, -0.2, -0.3]).distance(head, &code), "{}", metric.name());
    }
}

#[test]
fn samples_are_cut_evenly() {
    // Twice what is kept: half the vectors are 0, later ones 1, so that the mean tells who was kept.
    let dims = 4096;
    let mut trainer = Trainer::new(Metric::L2, dims);
    for row in 0..4096 {
        trainer.add(&vec![if row < 2048 { 0.0 } else { 1.0 }; 4096]);
    }
    let codec = trainer.finish();
    assert!((codec.centroid[0] - 0.5).abs() < 0.06, "{}", codec.centroid[0]);
}

#[test]
fn directions_that_are_almost_one_leave_zero_vectors_a_place() {
    let (a, b, zero) = ([0.0, -2.9e28], [2.7, -3.7e25], [0.0, 0.0]);
    let codec = Codec::train(Metric::Cosine, 2, &mut [&a[..], &b, &zero].into_iter());
    let mut code = vec![0; 2];
    let mut between = |query: &[f32], other: &[f32]| codec.query(query).distance(codec.encode(other, &mut code), &code);
    let (others, far) = (between(&a, &b), between(&a, &zero));
    assert!(others < far && far.is_finite() && between(&zero, &zero) == 0.0, "{others} {far}");
    assert!(between(&[1.0, 0.0], &[0.0, 1.0]) < far && between(&[0.0, 5.0], &a) < far);
}

fn any_element() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -10f32..10.0,
        2 => any::<f32>().prop_filter("finite", |x| x.is_finite()),
        1 => proptest::sample::select(vec![0.0, -0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45, 1e-20, -1e20]),
    ]
}

proptest! {
    #[test]
    fn never_nan(
        dims in 1usize..40,
        sample in proptest::collection::vec(proptest::collection::vec(any_element(), 40), 1..6),
        a in proptest::collection::vec(any_element(), 40),
        b in proptest::collection::vec(any_element(), 40),
        cut in 0usize..40,
    ) {
        for metric in Metric::OF_NUMBERS {
            let codec = Codec::train(metric, dims, &mut sample.iter().map(|v| &v[..dims]));
            prop_assert!(codec.scale.is_finite() && codec.scale > 0.0);
            prop_assert!(codec.centroid.iter().all(|c| c.is_finite()));
            let mut code = vec![0; dims];
            let mut vectors: Vec<&[f32]> = sample.iter().map(|v| &v[..dims]).collect();
            vectors.extend([&a[..dims], &b[..dims]]);
            for vector in &vectors {
                let query = codec.query(vector);
                for other in &vectors {
                    let head = codec.encode(other, &mut code);
                    prop_assert_eq!(Head::from_bytes(head.to_bytes()), head);
                    let estimate = query.distance(head, &code);
                    prop_assert!(estimate.is_finite(), "{} {}", metric.name(), estimate);
                    prop_assert!(!query.lower_bound(head, estimate).is_nan());
                    let back = codec.query(other);
                    let own = codec.encode(vector, &mut code);
                    prop_assert_eq!(back.distance(own, &code).to_bits(), estimate.to_bits());
                    let cut = cut.min(dims);
                    let parts = back.partial(0, &code[..cut]) + back.partial(cut, &code[cut..]);
                    prop_assert_eq!(back.finish(own, parts).to_bits(), estimate.to_bits());
                }
            }
        }
    }

    #[test]
    fn kernels_agree(code in proptest::collection::vec(any::<u8>(), 0..700), seed in any::<u64>()) {
        let mut random = Rng::with_seed(seed);
        let query: Vec<u8> = code.iter().map(|_| random.u8(..)).collect();
        let kernels = all();
        for other in &kernels {
            prop_assert_eq!((other.dot)(&code, &query), (kernels[0].dot)(&code, &query));
            prop_assert_eq!((other.l1)(&code, &query), (kernels[0].l1)(&code, &query));
        }
    }
}

/// What a first drain may have learned from is told from what suits the vectors that came later.
#[test]
fn outgrown_parameters_are_recognised() {
    let mut random = Rng::with_seed(12);
    let all = vectors(&mut random, 300, 48);
    let scaled = |vector: &Vec<f32>, factor: f32| vector.iter().map(|&x| x * factor).collect::<Vec<f32>>();
    for metric in Metric::OF_NUMBERS {
        let mut trainer = Trainer::new(metric, 48);
        all.iter().for_each(|vector| trainer.add(vector));
        let outgrown = |sample: &[Vec<f32>]| trainer.outgrown(&train(metric, sample));
        assert_eq!(outgrown(&all), None, "{}", metric.name());
        assert_eq!(outgrown(&all[..100]), None, "{}", metric.name());
        // neither does one outlier among few matter
        let mut few = all[..10].to_vec();
        few[3] = scaled(&few[3], 1000.0);
        let is_l1 = metric == Metric::L1;
        if !is_l1 {
            assert_eq!(outgrown(&few), None, "{}", metric.name());
        }
        // directions are never far from each other
        let is_lost = metric != Metric::Cosine;
        let learned = outgrown(&[scaled(&all[0], 1000.0)]);
        assert_eq!(learned, is_lost.then(|| trainer.finish()), "{}", metric.name());
        let tight: Vec<Vec<f32>> = (0..100).map(|i| scaled(&all[0], 1.0 + i as f32 * 1e-6)).collect();
        assert_eq!(outgrown(&tight).is_some(), is_l1, "{}", metric.name());
        assert_eq!(outgrown(&vec![scaled(&all[0], 0.01); 9]).is_some(), is_l1, "{}", metric.name());
    }
}

/// Codes that are the elements or the bits themselves say what the distance is, but for the rounding of `f32`, and their bounds
/// are bounds.
#[test]
fn own_codes_are_exact() {
    let mut random = Rng::with_seed(11);
    for dims in [1usize, 7, 64, 784, 2000] {
        let mut vectors: Vec<Vec<u8>> = (0..12).map(|_| (0..dims).map(|_| random.u8(..)).collect()).collect();
        vectors.push(vec![0; dims]);
        vectors.push(vec![0x80; dims]);
        for (element, kind) in [(ElementType::Int8, CodeKind::Own), (ElementType::Bit, CodeKind::Bits)] {
            for metric in element.metrics() {
                let mut trainer = Trainer::of_kind(kind, metric, dims);
                let numbers = |vector: &[u8]| {
                    let mut to = Vec::new();
                    element.append_numbers(vector, &mut to);
                    to
                };
                vectors.iter().for_each(|vector| trainer.add(&numbers(vector)));
                let codec = trainer.finish();
                assert_eq!(codec, Codec::own(kind, metric, dims));
                assert_eq!(trainer.outgrown(&codec), None);
                let mut code = vec![0; codec.code_bytes()];
                let coded: Vec<_> =
                    vectors.iter().map(|v| (codec.encode(&numbers(v), &mut code), code.clone())).collect();
                for (i, a) in vectors.iter().enumerate() {
                    let query = codec.query(&numbers(a));
                    for (j, (b, (head, code))) in vectors.iter().zip(&coded).enumerate() {
                        let mut sum = PieceSum::new(metric, element.operand(a));
                        sum.add(b, 0);
                        let exact = sum.finish();
                        let estimate = query.distance(*head, code);
                        let bound = query.lower_bound(*head, estimate);
                        if exact.is_nan() {
                            // cosine to a zero vector
                            assert!(bound == f64::NEG_INFINITY && (i == j || estimate > 4.0), "{estimate}");
                            continue;
                        }
                        let what = format!("{metric:?} {i} {j} of {dims}: {estimate} {exact} {bound}");
                        let scale = match metric {
                            Metric::L2 => (dims as f64).sqrt() * 128.0,
                            Metric::InnerProduct => dims as f64 * 128.0 * 128.0,
                            _ => exact.abs().max(1.0),
                        };
                        let close = |meant: f64| (meant - exact).abs() <= 1e-3 * scale;
                        assert!(close(own_meaning(metric, estimate)), "{what}");
                        assert!(bound <= exact + 1e-9 * scale, "{what}");
                    }
                }
            }
        }
    }
}

/// The operator's distance that an estimate of codes that are the vectors themselves means.
fn own_meaning(metric: Metric, estimate: f32) -> f64 {
    match metric {
        Metric::L2 => f64::from(estimate.max(0.0)).sqrt(),
        Metric::Cosine => f64::from(estimate) / 2.0,
        _ => f64::from(estimate),
    }
}
