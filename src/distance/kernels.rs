//! The kernels that everybody calls: simsimd in blocks, with an `f64` second try where `f32` was not enough.
//!
//! simsimd adds up in `f32`. A chain of n additions errs by at most about (n + 3) x 2^-24 of the sum of the absolute
//! terms; [`BLOCK`] keeps the chains at 128 or less on every CPU, the error below 8e-6, and the sums of blocks are
//! added in `f64`.
//!
//! What `f32` cannot do shows in the sum: overflow makes it infinite or NaN, and underflow (an error of at most
//! 2^-150 a term) matters only if all terms are tiny, so that the sum is. Both are computed again in `f64`.

use super::wide;
use simsimd::SpatialSimilarity;

/// Elements that are added up in `f32`: few enough for chains of 128 additions with the narrowest vectors that
/// simsimd may use on the architecture. Where it may use none at all, that is one chain.
const BLOCK: usize = if cfg!(target_arch = "aarch64") { 512 } else { 128 };
/// As [`BLOCK`] for x86 with AVX2 (8 lanes) or better. Longer blocks cost fewer calls.
const BLOCK_AVX2: usize = 1024;
/// Sums from here on are not touched by underflow: 16,000 terms x 2^-150 is 1e-9 of it.
const SMALLEST_SURE: f64 = 1e-32;

#[inline(always)]
fn in_blocks(a: &[f32], b: &[f32], kernel: impl Fn(&[f32], &[f32]) -> Option<f64>) -> f64 {
    let block = block();
    if a.len() <= block {
        return kernel(a, b).unwrap_or(f64::NAN);
    }
    // simsimd answers None for different lengths only
    a.chunks(block).zip(b.chunks(block)).map(|(x, y)| kernel(x, y).unwrap_or(f64::NAN)).sum()
}

#[inline(always)]
fn block() -> usize {
    // simsimd takes AVX2 only together with these
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c") {
        return BLOCK_AVX2;
    }
    BLOCK
}

#[inline(always)]
fn is_sure(sum: f64) -> bool {
    sum.is_finite() && sum.abs() >= SMALLEST_SURE
}

/// Inner product of two slices of one length.
#[inline]
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    debug_assert_eq!(a.len(), b.len());
    let sum = in_blocks(a, b, <f32 as SpatialSimilarity>::dot);
    if is_sure(sum) { sum } else { wide::dot(a, b) }
}

/// Square of the Euclidean distance of two slices of one length.
#[inline]
pub fn l2_squared(a: &[f32], b: &[f32]) -> f64 {
    debug_assert_eq!(a.len(), b.len());
    let sum = in_blocks(a, b, <f32 as SpatialSimilarity>::l2sq);
    if is_sure(sum) { sum } else { wide::l2_squared(a, b) }
}

/// Sum of the absolute differences of two slices of one length.
#[inline]
pub fn l1(a: &[f32], b: &[f32]) -> f64 {
    debug_assert_eq!(a.len(), b.len());
    // Subtraction and addition do not underflow.
    let sum = wide::l1(a, b);
    if sum.is_finite() { sum } else { wide::l1_wide(a, b) }
}

#[cfg(test)]
mod tests {
    use super::super::{Accumulator, Metric, distance, reference};
    use super::*;
    use proptest::prelude::*;

    const TOLERANCE: f64 = 1e-5;

    /// Checks every kernel on one pair, whole and in pieces cut at `cuts`.
    fn check(a: &[f32], b: &[f32], cuts: &[usize]) {
        let n = a.len();
        let close = |what: &str, got: f64, expected: f64, magnitude: f64| {
            assert!(
                (got - expected).abs() <= TOLERANCE * magnitude,
                "{what} of {n} elements: {got:e}, not {expected:e}, magnitude {magnitude:e}"
            );
        };
        let (exact_l2, exact_l1) = (reference::l2_squared(a, b), reference::l1(a, b));
        let magnitude = reference::dot_magnitude(a, b);
        close("dot", dot(a, b), reference::dot(a, b), magnitude);
        close("l2_squared", l2_squared(a, b), exact_l2, exact_l2);
        close("l1", l1(a, b), exact_l1, exact_l1);

        let pieces = |metric: Metric, known: bool| {
            let mut sum =
                if known { Accumulator::with_query_squared(metric, dot(a, a)) } else { Accumulator::new(metric) };
            let mut start = 0;
            for end in cuts.iter().copied().filter(|&cut| cut <= n).chain([n]) {
                if end >= start {
                    sum.add(&a[start..end], &b[start..end]);
                    start = end;
                }
            }
            sum.finish()
        };
        let norms = (reference::dot(a, a) * reference::dot(b, b)).sqrt();
        for metric in Metric::ALL {
            let exact = reference::distance(metric, a, b);
            let scale = match metric {
                Metric::L2 | Metric::L1 => exact,
                Metric::InnerProduct => magnitude,
                // The error of the inner product, and the relative error of both norms.
                Metric::Cosine => magnitude / norms + 2.0,
            };
            for (what, got) in [
                ("distance", distance(metric, a, b)),
                ("pieces", pieces(metric, false)),
                ("pieces, query known", pieces(metric, true)),
            ] {
                if norms == 0.0 && metric == Metric::Cosine {
                    assert!(got.is_nan());
                } else {
                    close(&format!("{what} {}", metric.name()), got, exact, scale);
                }
            }
        }
    }

    /// Reproducible numbers in -1..1.
    fn noise(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        (0..n)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                (f64::from(state) / f64::from(u32::MAX) * 2.0 - 1.0) as f32
            })
            .collect()
    }

    #[test]
    fn every_length() {
        for n in (1..=257).chain([511, 784, 1023, 1024, 1025, 1536, 2040, 4095, 16_000]) {
            let (a, b) = (noise(n, n as u32), noise(n, 7 * n as u32 + 1));
            check(&a, &b, &[n / 3, n / 3, n / 2]);
            check(&a, &a, &[1]);
            for scale in [1e-45, 1e-38, 1e-30, 1e-22, 1e-19, 1e15, 1e19, 3e38] {
                let scaled: Vec<f32> = a.iter().map(|x| x * scale).collect();
                check(&scaled, &scaled, &[n / 2]);
                check(&scaled, &b, &[n / 2]);
                check(&scaled, &b.iter().map(|x| x * scale).collect::<Vec<_>>(), &[n - 1]);
            }
        }
    }

    #[test]
    fn unaligned() {
        let (a, b) = (noise(300, 3), noise(300, 4));
        for start in 0..17 {
            check(&a[start..], &b[..300 - start], &[128]);
        }
    }

    #[test]
    fn cancelling() {
        for n in [2, 128, 256, 1000, 16_000] {
            // The inner product of these is tiny beside its terms.
            let a: Vec<f32> = (0..n).map(|i| 1e10 + i as f32).collect();
            let b: Vec<f32> = (0..n).map(|i| if i % 2 == 0 { 1e10 } else { -1e10 }).collect();
            check(&a, &b, &[n / 2]);
            // Terms that overflow f32 and cancel exactly.
            let huge: Vec<f32> = (0..n).map(|i| if i % 2 == 0 { 1e30 } else { -1e30 }).collect();
            check(&huge, &vec![1e30; n], &[n / 2]);
            assert_eq!(dot(&huge, &vec![1e30; n]), 0.0);
        }
    }

    #[test]
    fn one_big_term_beside_many_small_ones() {
        let mut a = vec![1e-3f32; 16_000];
        a[5] = 1e4;
        check(&a, &a, &[6]);
        a[5] = 1e-45;
        check(&a, &a, &[6]);
    }

    #[test]
    fn zero() {
        for n in [1, 128, 500] {
            check(&vec![0.0; n], &noise(n, 5), &[]);
            check(&vec![0.0; n], &vec![-0.0; n], &[n / 2]);
        }
        assert_eq!(dot(&[], &[]), 0.0);
        assert_eq!(l1(&[], &[]), 0.0);
        assert_eq!(l2_squared(&[], &[]), 0.0);
    }

    fn element() -> impl Strategy<Value = f32> {
        prop_oneof![
            4 => -10f32..10.0,
            1 => any::<f32>().prop_filter("finite", |v| v.is_finite()),
            1 => proptest::sample::select(vec![0.0, -0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45, 1e-20, -1e20]),
        ]
    }

    proptest! {
        #[test]
        fn any_vectors(
            pairs in proptest::collection::vec((element(), element()), 1..400),
            mut cuts in proptest::collection::vec(0usize..400, 0..5),
        ) {
            cuts.sort_unstable();
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            check(&a, &b, &cuts);
        }

        #[test]
        fn tiny_vectors(
            pairs in proptest::collection::vec((0u32..0x0200_0000, 0u32..0x2000_0000), 1..400),
            cut in 0usize..400,
        ) {
            let (a, b): (Vec<f32>, Vec<f32>) =
                pairs.into_iter().map(|(x, y)| (f32::from_bits(x), f32::from_bits(y))).unzip();
            check(&a, &b, &[cut]);
        }
    }
}
