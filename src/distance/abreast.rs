//! Rough sums of several pieces abreast, for passing over vectors that are surely too far.
//!
//! A processor fetches memory ahead only within a page of it, and waits at each page's beginning; with several pages read
//! side by side the waits overlap. What comes out is rounded otherwise than by the kernels, so it serves to rule out,
//! with [`MARGIN`] to spare, and never as a distance.

use super::Metric;

/// Pieces that are read side by side.
pub const ABREAST: usize = 8;
/// Elements that are added to one lane each; what is advanced over is a multiple.
pub const LANES: usize = 16;
/// How far a rough distance may be from the kernels' at the most, as a share of the sum of the absolute terms, several
/// times over: both err by less than 1e-5, as some 130 additions of `f32` in a row do.
pub const MARGIN: f64 = 1e-4;
/// Below this, terms may have underflowed.
const SMALLEST_SURE: f64 = 1e-30;

/// Sums over a part of a vector.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rough {
    /// sum of the metric's terms
    pub sum: f64,
    /// sum of the squares of the stored vector's elements (inner product and cosine)
    pub square: f64,
}

/// One piece's sums in the making.
#[derive(Clone, Copy, Debug)]
pub struct Lanes {
    sum: [f32; LANES],
    square: [f32; LANES],
}

/// A part of a vector in whole lanes.
pub type Chunks<'a> = &'a [[f32; LANES]];

/// The sum of the lanes: four more additions in a row for each.
#[inline(always)]
fn total(lanes: &[f32; LANES]) -> f64 {
    let mut halves = *lanes;
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            halves[i] += halves[i + width];
        }
        width /= 2;
    }
    f64::from(halves[0])
}

impl Lanes {
    /// Nothing added yet.
    pub const NONE: Self = Self { sum: [0.0; LANES], square: [0.0; LANES] };

    /// What was added, and the terms of `query` and `stored`, less than a lane's worth.
    #[inline]
    #[must_use]
    pub fn finish(&self, metric: Metric, query: &[f32], stored: &[f32]) -> Rough {
        let squares = matches!(metric, Metric::InnerProduct | Metric::Cosine);
        let square = if squares { total(&self.square) } else { 0.0 };
        let mut rough = Rough { sum: total(&self.sum), square };
        for (&q, &x) in query.iter().zip(stored) {
            let (q, x) = (f64::from(q), f64::from(x));
            rough.sum += match metric {
                Metric::L2 => (q - x) * (q - x),
                Metric::L1 => (q - x).abs(),
                Metric::InnerProduct | Metric::Cosine => q * x,
            };
            rough.square += x * x;
        }
        rough
    }
}

impl Rough {
    /// Adds another part of the same vector.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { sum: self.sum + other.sum, square: self.square + other.square }
    }

    /// Whether the distance, as the kernels compute it, is surely greater than `bound`. `query_squared` is the inner
    /// product of the query with itself.
    #[inline]
    #[must_use]
    pub fn is_beyond(&self, metric: Metric, query_squared: f64, bound: f64) -> bool {
        if !self.sum.is_finite() || !self.square.is_finite() {
            return false;
        }
        match metric {
            Metric::L2 => self.sum > SMALLEST_SURE && self.sum > bound * bound * (1.0 + MARGIN),
            Metric::L1 => self.sum > bound * (1.0 + MARGIN),
            Metric::InnerProduct => {
                let size = (self.square * query_squared).sqrt();
                -self.sum > bound + MARGIN * size + SMALLEST_SURE
            }
            Metric::Cosine => {
                let size = (self.square * query_squared).sqrt();
                self.square > SMALLEST_SURE
                    && query_squared > SMALLEST_SURE
                    && size > SMALLEST_SURE
                    && 1.0 - self.sum / size > bound + MARGIN
            }
        }
    }
}

#[inline(always)]
fn add<const SQUARES: bool>(lanes: &mut Lanes, q: &[f32; LANES], x: &[f32; LANES], term: impl Fn(f32, f32) -> f32) {
    for i in 0..LANES {
        lanes.sum[i] += term(q[i], x[i]);
        if SQUARES {
            lanes.square[i] += x[i] * x[i];
        }
    }
}

#[inline(always)]
fn side_by_side<const SQUARES: bool>(
    lanes: &mut [Lanes; ABREAST],
    query: [Chunks<'_>; ABREAST],
    stored: [Chunks<'_>; ABREAST],
    term: impl Fn(f32, f32) -> f32,
) {
    let len = query.iter().chain(&stored).map(|chunks| chunks.len()).min().unwrap_or(0);
    let (query, stored) = (query.map(|chunks| &chunks[..len]), stored.map(|chunks| &chunks[..len]));
    let mut sums = *lanes;
    for i in 0..len {
        for k in 0..ABREAST {
            add::<SQUARES>(&mut sums[k], &query[k][i], &stored[k][i], &term);
        }
    }
    *lanes = sums;
}

#[inline(always)]
fn body(metric: Metric, lanes: &mut [Lanes; ABREAST], query: [Chunks<'_>; ABREAST], stored: [Chunks<'_>; ABREAST]) {
    match metric {
        Metric::L2 => side_by_side::<false>(lanes, query, stored, |q, x| (q - x) * (q - x)),
        Metric::L1 => side_by_side::<false>(lanes, query, stored, |q, x| (q - x).abs()),
        Metric::InnerProduct | Metric::Cosine => side_by_side::<true>(lanes, query, stored, |q, x| q * x),
    }
}

/// Adds pairs of parts, all of one length, to their lanes.
#[inline]
pub fn advance(
    metric: Metric,
    lanes: &mut [Lanes; ABREAST],
    query: [Chunks<'_>; ABREAST],
    stored: [Chunks<'_>; ABREAST],
) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f")]
        fn avx512(m: Metric, l: &mut [Lanes; ABREAST], q: [Chunks<'_>; ABREAST], x: [Chunks<'_>; ABREAST]) {
            body(m, l, q, x);
        }
        #[target_feature(enable = "avx2,fma")]
        fn avx2(m: Metric, l: &mut [Lanes; ABREAST], q: [Chunks<'_>; ABREAST], x: [Chunks<'_>; ABREAST]) {
            body(m, l, q, x);
        }
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the CPU has the feature
            return unsafe { avx512(metric, lanes, query, stored) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the CPU has the features
            return unsafe { avx2(metric, lanes, query, stored) };
        }
    }
    body(metric, lanes, query, stored);
}

#[cfg(test)]
mod tests {
    use super::super::{distance, dot};
    use super::*;
    use proptest::prelude::*;

    /// The rough sums of as many vectors.
    fn rough(metric: Metric, query: &[f32], stored: [&[f32]; ABREAST]) -> [Rough; ABREAST] {
        let whole = query.len() / LANES * LANES;
        let mut lanes = [Lanes::NONE; ABREAST];
        let chunks = query[..whole].as_chunks().0;
        advance(metric, &mut lanes, [chunks; ABREAST], stored.map(|x| x[..whole].as_chunks().0));
        std::array::from_fn(|i| lanes[i].finish(metric, &query[whole..], &stored[i][whole..]))
    }

    fn element() -> impl Strategy<Value = f32> {
        prop_oneof![
            6 => -10f32..10.0,
            1 => any::<f32>().prop_filter("finite", |v| v.is_finite()),
            1 => proptest::sample::select(vec![0.0, -0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45, 1e-20, -1e20]),
        ]
    }

    proptest! {
        /// Nothing is ruled out that the kernels place at or before the bound, and what is clearly beyond is.
        #[test]
        fn rules_out_only_what_is_beyond(
            rows in prop::collection::vec((element(), prop::array::uniform8(element())), 1..200),
            tame: bool,
        ) {
            let tamed = |v: f32| if tame { v.clamp(-10.0, 10.0) + 0.01 } else { v };
            let query: Vec<f32> = rows.iter().map(|row| tamed(row.0)).collect();
            let stored: [Vec<f32>; ABREAST] = std::array::from_fn(|i| rows.iter().map(|row| tamed(row.1[i])).collect());
            let query_squared = dot(&query, &query);
            for metric in Metric::ALL {
                let rough = rough(metric, &query, std::array::from_fn(|i| stored[i].as_slice()));
                for (i, rough) in rough.into_iter().enumerate() {
                    let exact = distance(metric, &query, &stored[i]);
                    prop_assert!(!rough.is_beyond(metric, query_squared, exact), "{metric:?} {exact:e} {rough:?}");
                    prop_assert!(!rough.is_beyond(metric, query_squared, f64::NAN));
                    if tame {
                        let size = match metric {
                            Metric::InnerProduct => (query_squared * dot(&stored[i], &stored[i])).sqrt(),
                            Metric::Cosine => 1.0,
                            _ => exact,
                        };
                        let nearer = exact - 1e-3 * size;
                        prop_assert!(size == 0.0 || rough.is_beyond(metric, query_squared, nearer), "{metric:?} {exact:e}");
                    }
                }
            }
        }
    }
}
