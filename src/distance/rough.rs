//! Rough sums of a vector that lies in pieces, for passing over vectors that are surely too far.
//!
//! A processor fetches memory ahead by itself, but only within a page of it, and waits at each page's beginning. So while a
//! piece is added up, what will be read some kilobytes later is asked for, line by line: many more requests are under way
//! than a loop that waits for what it reads can have. What comes out is rounded otherwise than by the kernels, so it
//! serves to rule out, with [`MARGIN`] to spare, and never as a distance.

use super::Metric;

/// Elements that are added to one lane each at a time.
const LANES: usize = 16;
/// Runs of lanes that are added up side by side: one addition need not wait for the one before.
const RUNS: usize = 4;
/// Bytes of a line of the processor's cache: as many as are added to the lanes at a time.
const LINE_BYTES: usize = 4 * LANES;
/// How far a rough distance may be from the kernels' at the most, as a share of the sum of the absolute terms, several
/// times over: the kernels err by less than 1e-5, and what is here by less than 2e-5, as some 270 additions of `f32` in a
/// row do (16,000 dimensions in 64 sums, the ends of some pieces, and the sums themselves).
pub const MARGIN: f64 = 1e-4;
/// Below this, terms may have underflowed.
const SMALLEST_SURE: f64 = 1e-30;

/// Sums over a vector.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rough {
    /// sum of the metric's terms
    pub sum: f64,
    /// sum of the squares of the stored vector's elements (inner product and cosine)
    pub square: f64,
}

type Chunk = [f32; LANES];

/// One vector's sums in the making.
#[derive(Clone, Copy, Debug)]
pub struct Lanes {
    sum: [Chunk; RUNS],
    square: [Chunk; RUNS],
}

/// The sum of all lanes.
#[inline(always)]
fn total(runs: &[Chunk; RUNS]) -> f64 {
    let mut halves: Chunk = std::array::from_fn(|i| (runs[0][i] + runs[1][i]) + (runs[2][i] + runs[3][i]));
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            halves[i] += halves[i + width];
        }
        width /= 2;
    }
    f64::from(halves[0])
}

impl Default for Lanes {
    fn default() -> Self {
        Self { sum: [[0.0; LANES]; RUNS], square: [[0.0; LANES]; RUNS] }
    }
}

impl Lanes {
    /// What was added.
    #[inline]
    #[must_use]
    pub fn finish(&self, metric: Metric) -> Rough {
        let squares = matches!(metric, Metric::InnerProduct | Metric::Cosine);
        Rough { sum: total(&self.sum), square: if squares { total(&self.square) } else { 0.0 } }
    }

    /// Adds the terms of a piece of a stored vector and the piece of the query with the same positions, of one length.
    /// Meanwhile as much memory from the address `ahead` on is
    /// fetched into the processor's cache; 0 is for none.
    #[inline]
    pub fn add(&mut self, metric: Metric, query: &[f32], stored: &[f32], ahead: usize) {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx512f")]
            fn avx512(l: &mut Lanes, m: Metric, q: &[f32], x: &[f32], ahead: usize) {
                body(l, m, q, x, ahead);
            }
            #[target_feature(enable = "avx2,fma")]
            fn avx2(l: &mut Lanes, m: Metric, q: &[f32], x: &[f32], ahead: usize) {
                body(l, m, q, x, ahead);
            }
            if is_x86_feature_detected!("avx512f") {
                // SAFETY: the CPU has the feature
                return unsafe { avx512(self, metric, query, stored, ahead) };
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                // SAFETY: the CPU has the features
                return unsafe { avx2(self, metric, query, stored, ahead) };
            }
        }
        body(self, metric, query, stored, ahead);
    }
}

impl Rough {
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

/// Has the processor fetch the line at `address`: a hint, which touches no memory.
#[inline(always)]
fn fetch(address: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: prefetching does nothing but that, whatever the address
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address as *const i8) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

#[inline(always)]
fn add_chunk<const SQUARES: bool>(lanes: &mut Lanes, run: usize, q: &Chunk, x: &Chunk, term: impl Fn(f32, f32) -> f32) {
    for i in 0..LANES {
        lanes.sum[run][i] += term(q[i], x[i]);
        if SQUARES {
            lanes.square[run][i] += x[i] * x[i];
        }
    }
}

#[inline(always)]
fn add_up<const SQUARES: bool>(
    lanes: &mut Lanes,
    query: &[f32],
    stored: &[f32],
    ahead: usize,
    term: impl Fn(f32, f32) -> f32,
) {
    // the compiler keeps a copy's lanes in registers
    let mut sums = *lanes;
    let (query, query_rest) = query.as_chunks::<LANES>();
    let (stored, stored_rest) = stored.as_chunks::<LANES>();
    let (query_runs, query_single) = query.as_chunks::<RUNS>();
    let (stored_runs, stored_single) = stored.as_chunks::<RUNS>();
    for (at, (q, x)) in query_runs.iter().zip(stored_runs).enumerate() {
        for run in 0..RUNS {
            if ahead != 0 {
                fetch(ahead + LINE_BYTES * (at * RUNS + run));
            }
            add_chunk::<SQUARES>(&mut sums, run, &q[run], &x[run], &term);
        }
    }
    let done = stored_runs.len() * RUNS;
    for (run, (q, x)) in query_single.iter().zip(stored_single).enumerate() {
        if ahead != 0 {
            fetch(ahead + LINE_BYTES * (done + run));
        }
        add_chunk::<SQUARES>(&mut sums, run, q, x, &term);
    }
    if !stored_rest.is_empty() {
        let (mut q, mut x) = ([0.0; LANES], [0.0; LANES]);
        let len = query_rest.len().min(stored_rest.len());
        q[..len].copy_from_slice(&query_rest[..len]);
        x[..len].copy_from_slice(&stored_rest[..len]);
        add_chunk::<SQUARES>(&mut sums, RUNS - 1, &q, &x, &term);
    }
    *lanes = sums;
}

#[inline(always)]
fn body(lanes: &mut Lanes, metric: Metric, query: &[f32], stored: &[f32], ahead: usize) {
    match metric {
        Metric::L2 => add_up::<false>(lanes, query, stored, ahead, |q, x| (q - x) * (q - x)),
        Metric::L1 => add_up::<false>(lanes, query, stored, ahead, |q, x| (q - x).abs()),
        Metric::InnerProduct | Metric::Cosine => add_up::<true>(lanes, query, stored, ahead, |q, x| q * x),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{distance, dot};
    use super::*;
    use proptest::prelude::*;

    /// The rough sums of a vector in pieces that end at `cuts`.
    fn rough(metric: Metric, query: &[f32], stored: &[f32], cuts: &[usize]) -> Rough {
        let mut lanes = Lanes::default();
        let mut start = 0;
        for end in cuts.iter().copied().filter(|&cut| cut <= query.len()).chain([query.len()]) {
            if end >= start {
                let ahead = if start % 2 == 0 { 0 } else { query.as_ptr() as usize };
                lanes.add(metric, &query[start..end], &stored[start..end], ahead);
                start = end;
            }
        }
        lanes.finish(metric)
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
            rows in prop::collection::vec((element(), element()), 1..300),
            cuts in prop::collection::vec(0usize..300, 0..4),
            tame: bool,
        ) {
            let tamed = |v: f32| if tame { v.clamp(-10.0, 10.0) + 0.01 } else { v };
            let query: Vec<f32> = rows.iter().map(|row| tamed(row.0)).collect();
            let stored: Vec<f32> = rows.iter().map(|row| tamed(row.1)).collect();
            let query_squared = dot(&query, &query);
            for metric in Metric::ALL {
                let rough = rough(metric, &query, &stored, &cuts);
                let exact = distance(metric, &query, &stored);
                prop_assert!(!rough.is_beyond(metric, query_squared, exact), "{metric:?} {exact:e} {rough:?}");
                prop_assert!(!rough.is_beyond(metric, query_squared, f64::NAN));
                if tame {
                    let size = match metric {
                        Metric::InnerProduct => (query_squared * dot(&stored, &stored)).sqrt(),
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
