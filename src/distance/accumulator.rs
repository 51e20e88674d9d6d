//! The kernel: a distance added up over the pieces of memory in which a vector lies.
//!
//! Element i is added to sum number i % [`LANES`], in `f64`, and the sums are brought together in one fixed order at the
//! end. So a distance is the same number wherever a vector lies and however it is cut, whatever the instruction set (a
//! multiplication is fused with an addition only where its product is exact, which makes no difference), and whichever of the two
//! comes first. `f64` holds the terms of any `f32` without overflow or underflow; where vectors come from memory it costs no time,
//! since that is slower still.
//!
//! A processor fetches memory ahead by itself, but only within a page of it, and waits at each page's beginning. So who
//! reads many vectors in the order of their places can have memory that is wanted soon fetched while a piece is added up:
//! far more requests are under way then than a loop can have that waits for what it reads.

use crate::distance::features::{Instructions, allowed};
use crate::distance::half::Half;
use crate::distance::{Metric, cosine_distance};

/// Sums that are added up side by side.
const LANES: usize = 16;

type Sums = [f64; LANES];

/// Elements that the accumulator adds up: numbers of at most 24 significant bits, so that `f64` holds them and their products exactly.
pub trait Float: Copy + Default {
    /// A zero.
    const ZERO: Self;

    /// As many elements as there are lanes, by an instruction set that the processor has.
    fn widen<const INSTRUCTIONS: u8>(chunk: &[Self; LANES]) -> Sums;
}

impl Float for f32 {
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn widen<const INSTRUCTIONS: u8>(chunk: &[Self; LANES]) -> Sums {
        // by name, since a loop is not always compiled to these
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::*;
            let floats = chunk.as_ptr();
            if INSTRUCTIONS == Instructions::Avx512 as u8 {
                let mut wide = [0.0f64; LANES];
                for at in [0, LANES / 2] {
                    // SAFETY: the caller's instruction set; as many floats are read, and doubles written, as there are
                    unsafe {
                        let doubles = _mm512_cvtps_pd(_mm256_loadu_ps(floats.add(at)));
                        _mm512_storeu_pd(wide.as_mut_ptr().add(at), doubles);
                    }
                }
                return wide;
            }
            if INSTRUCTIONS == Instructions::Avx2 as u8 {
                let mut wide = [0.0f64; LANES];
                for at in [0, LANES / 4, LANES / 2, 3 * LANES / 4] {
                    // SAFETY: as above
                    unsafe {
                        let doubles = _mm256_cvtps_pd(_mm_loadu_ps(floats.add(at)));
                        _mm256_storeu_pd(wide.as_mut_ptr().add(at), doubles);
                    }
                }
                return wide;
            }
        }
        let mut wide = [0.0; LANES];
        for (wide, &element) in wide.iter_mut().zip(chunk) {
            *wide = f64::from(element);
        }
        wide
    }
}

/// Numbers of narrower types, made wide.
impl Float for f64 {
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn widen<const INSTRUCTIONS: u8>(chunk: &[Self; LANES]) -> Sums {
        *chunk
    }
}

impl Float for Half {
    const ZERO: Self = Self(0);

    #[inline(always)]
    fn widen<const INSTRUCTIONS: u8>(chunk: &[Self; LANES]) -> Sums {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::*;
            let halves = chunk.as_ptr();
            if INSTRUCTIONS == Instructions::Avx512 as u8 {
                let mut wide = [0.0f64; LANES];
                // half a chunk at a time, of which the floats go through no shuffle
                for at in [0, LANES / 2] {
                    // SAFETY: the caller's instruction set; as many halves are read, and doubles written, as there are
                    unsafe {
                        let floats = _mm256_cvtph_ps(_mm_loadu_si128(halves.add(at).cast()));
                        _mm512_storeu_pd(wide.as_mut_ptr().add(at), _mm512_cvtps_pd(floats));
                    }
                }
                return wide;
            }
            if INSTRUCTIONS == Instructions::Avx2 as u8 {
                let mut floats = [0.0f32; LANES];
                for at in [0, LANES / 2] {
                    // SAFETY: as above
                    unsafe {
                        let half_a_chunk = _mm256_cvtph_ps(_mm_loadu_si128(halves.add(at).cast()));
                        _mm256_storeu_ps(floats.as_mut_ptr().add(at), half_a_chunk);
                    }
                }
                return f32::widen::<INSTRUCTIONS>(&floats);
            }
        }
        let mut wide = [0.0; LANES];
        for (wide, half) in wide.iter_mut().zip(chunk) {
            *wide = f64::from(half.to_f32());
        }
        wide
    }
}

/// Adds up a distance over pieces: pass matching pieces of both vectors to [`Accumulator::add`], first to last, then take
/// [`Accumulator::finish`].
#[derive(Clone, Copy, Debug)]
pub struct Accumulator {
    metric: Metric,
    /// the lane of the next element
    lane: usize,
    /// the metric's own terms
    sums: Sums,
    /// squares of the stored vector's elements (cosine)
    squares: Sums,
    /// square of the query's norm (cosine)
    query_squared: f64,
}

impl Accumulator {
    /// Nothing added yet, for the distance to `query`.
    #[inline]
    #[must_use]
    pub fn new<Q: Float>(metric: Metric, query: &[Q]) -> Self {
        Self::with_query_squared(metric, if metric == Metric::Cosine { dot(query, query) } else { 0.0 })
    }

    /// Nothing added yet, where `query_squared` is the inner product of the whole query with itself; only cosine wants it.
    #[inline]
    #[must_use]
    pub const fn with_query_squared(metric: Metric, query_squared: f64) -> Self {
        Self { metric, lane: 0, sums: [0.0; LANES], squares: [0.0; LANES], query_squared }
    }

    /// Adds a piece of the stored vector and the piece of the query with the same positions, of the same length.
    #[inline]
    pub fn add<Q: Float, S: Float>(&mut self, query: &[Q], stored: &[S]) {
        self.add_fetching(query, stored, 0);
    }

    /// As [`Accumulator::add`]; meanwhile as much memory from the address `ahead` on is fetched into the processor's
    /// cache. 0 is for none.
    #[inline]
    pub fn add_fetching<Q: Float, S: Float>(&mut self, query: &[Q], stored: &[S], ahead: usize) {
        debug_assert_eq!(query.len(), stored.len());
        #[cfg(target_arch = "x86_64")]
        match allowed() {
            // SAFETY: the CPU has the features
            Instructions::Avx512 => return unsafe { add_up_avx512(self, query, stored, ahead) },
            // SAFETY: as above
            Instructions::Avx2 => return unsafe { add_up_avx2(self, query, stored, ahead) },
            Instructions::Portable => {}
        }
        add_up::<PORTABLE, _, _>(self, query, stored, ahead);
    }

    /// Adds the element with this index of a vector whose others are added so too, or are zero in both vectors.
    #[inline]
    pub fn add_at(&mut self, index: usize, query: f64, stored: f64) {
        let lane = index % LANES;
        self.sums[lane] += match self.metric {
            Metric::L2 => (query - stored) * (query - stored),
            Metric::L1 => (query - stored).abs(),
            Metric::InnerProduct | Metric::Cosine => query * stored,
            // of bits alone
            Metric::Hamming | Metric::Jaccard => 0.0,
        };
        if self.metric == Metric::Cosine {
            self.squares[lane] += stored * stored;
        }
    }

    /// Whether the distance over everything that was added is surely greater than `bound`; false where that takes computing it.
    #[inline]
    #[must_use]
    pub fn is_beyond(&self, bound: f64) -> bool {
        is_beyond(self.metric, total(&self.sums), bound)
    }

    /// The distance over everything that was added.
    #[inline]
    #[must_use]
    pub fn finish(&self) -> f64 {
        let squares = if self.metric == Metric::Cosine { total(&self.squares) } else { 0.0 };
        distance_of(self.metric, total(&self.sums), squares, self.query_squared)
    }
}

/// The distance from what was added up: the sum of the metric's own terms, the stored vector's squares and the query's (cosine).
#[inline(always)]
#[must_use]
pub fn distance_of(metric: Metric, sum: f64, squares: f64, query_squared: f64) -> f64 {
    match metric {
        Metric::L2 => sum.sqrt(),
        Metric::L1 => sum,
        // Not -sum, which would answer -0 for orthogonal vectors.
        Metric::InnerProduct => 0.0 - sum,
        Metric::Cosine => cosine_distance(sum, query_squared, squares),
        Metric::Hamming | Metric::Jaccard => f64::NAN,
    }
}

/// Whether the distance from `sum`, the sum of the metric's own terms, is surely greater than `bound`; false where that takes
/// computing it.
#[inline(always)]
#[must_use]
pub fn is_beyond(metric: Metric, sum: f64, bound: f64) -> bool {
    // a square root is rounded by far less than this
    const MARGIN: f64 = 1.0 + 1e-12;
    metric == Metric::L2 && sum > bound * bound * MARGIN
}

/// The sum of all lanes.
#[inline(always)]
fn total(sums: &Sums) -> f64 {
    let mut halves = *sums;
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            halves[i] += halves[i + width];
        }
        width /= 2;
    }
    halves[0]
}

/// As [`total`], by name: left to the compiler, the sums that it is made of are taken apart in the loop that adds them up.
#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f")]
fn total_avx512(sums: &Sums) -> f64 {
    use std::arch::x86_64::*;
    // SAFETY: as many doubles are read as there are
    let (low, high) = unsafe { (_mm512_loadu_pd(sums.as_ptr()), _mm512_loadu_pd(sums.as_ptr().add(LANES / 2))) };
    let eight = _mm512_add_pd(low, high);
    let four = _mm256_add_pd(_mm512_castpd512_pd256(eight), _mm512_extractf64x4_pd::<1>(eight));
    let two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd::<1>(four));
    _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
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

/// The same for `len` bytes from `ahead` on; 0 is for none.
#[inline(always)]
pub fn fetch_lines(ahead: usize, len: usize) {
    const LINE: usize = 64;
    if ahead != 0 {
        (0..len).step_by(LINE).for_each(|at| fetch(ahead + at));
    }
}

const PORTABLE: u8 = Instructions::Portable as u8;
#[cfg(target_arch = "x86_64")]
const AVX2: u8 = Instructions::Avx2 as u8;
#[cfg(target_arch = "x86_64")]
const AVX512: u8 = Instructions::Avx512 as u8;

#[inline(always)]
fn add_up<const I: u8, Q: Float, S: Float>(sum: &mut Accumulator, query: &[Q], stored: &[S], ahead: usize) {
    let Accumulator { metric, lane, sums, squares, .. } = sum;
    match metric {
        Metric::L2 => {
            add_terms::<I, false, Q, S>(lane, sums, squares, query, stored, ahead, |sum, q, x| sum + (q - x) * (q - x))
        }
        Metric::L1 => {
            add_terms::<I, false, Q, S>(lane, sums, squares, query, stored, ahead, |sum, q, x| sum + (q - x).abs())
        }
        Metric::InnerProduct => {
            add_terms::<I, false, Q, S>(lane, sums, squares, query, stored, ahead, add_product::<I>)
        }
        Metric::Cosine => add_terms::<I, true, Q, S>(lane, sums, squares, query, stored, ahead, add_product::<I>),
        // of bits alone
        Metric::Hamming | Metric::Jaccard => {}
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,f16c,fma")]
fn add_up_avx512<Q: Float, S: Float>(sum: &mut Accumulator, query: &[Q], stored: &[S], ahead: usize) {
    add_up::<AVX512, Q, S>(sum, query, stored, ahead);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,f16c,fma")]
fn add_up_avx2<Q: Float, S: Float>(sum: &mut Accumulator, query: &[Q], stored: &[S], ahead: usize) {
    add_up::<AVX2, Q, S>(sum, query, stored, ahead);
}

/// The sums of a whole vector, as [`Accumulator::add_fetching`] adds them up: the metric's own terms, and squares (cosine). They stay in
/// registers.
#[inline]
#[must_use]
pub fn sums_of_whole<Q: Float, S: Float>(metric: Metric, query: &[Q], stored: &[S], ahead: usize) -> (f64, f64) {
    debug_assert_eq!(query.len(), stored.len());
    #[cfg(target_arch = "x86_64")]
    match allowed() {
        // SAFETY: the CPU has the features
        Instructions::Avx512 => return unsafe { whole_avx512(metric, query, stored, ahead) },
        // SAFETY: as above
        Instructions::Avx2 => return unsafe { whole_avx2(metric, query, stored, ahead) },
        Instructions::Portable => {}
    }
    whole_by::<PORTABLE, _, _>(metric, query, stored, ahead)
}

#[inline(always)]
fn whole_by<const I: u8, Q: Float, S: Float>(metric: Metric, query: &[Q], stored: &[S], ahead: usize) -> (f64, f64) {
    let mut sum = Accumulator::with_query_squared(metric, 0.0);
    add_up::<I, Q, S>(&mut sum, query, stored, ahead);
    #[cfg(target_arch = "x86_64")]
    if I == AVX512 {
        // SAFETY: the caller's instruction set
        return unsafe { (total_avx512(&sum.sums), total_avx512(&sum.squares)) };
    }
    (total(&sum.sums), total(&sum.squares))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,f16c,fma")]
fn whole_avx512<Q: Float, S: Float>(metric: Metric, query: &[Q], stored: &[S], ahead: usize) -> (f64, f64) {
    whole_by::<AVX512, Q, S>(metric, query, stored, ahead)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,f16c,fma")]
fn whole_avx2<Q: Float, S: Float>(metric: Metric, query: &[Q], stored: &[S], ahead: usize) -> (f64, f64) {
    whole_by::<AVX2, Q, S>(metric, query, stored, ahead)
}

/// `sum + q * x`, of which the product is exact: so it does not matter whether it is rounded before it is added.
#[inline(always)]
fn add_product<const I: u8>(sum: f64, q: f64, x: f64) -> f64 {
    if I == PORTABLE { sum + q * x } else { q.mul_add(x, sum) }
}

/// `SQUARES`: the squares of the stored elements are added up too.
#[inline(always)]
fn add_chunk<const I: u8, const SQUARES: bool>(
    sums: &mut Sums,
    squares: &mut Sums,
    q: &Sums,
    x: &Sums,
    add: impl Fn(f64, f64, f64) -> f64,
) {
    for i in 0..LANES {
        sums[i] = add(sums[i], q[i], x[i]);
        if SQUARES {
            squares[i] = add_product::<I>(squares[i], x[i], x[i]);
        }
    }
}

/// What does not fill the lanes, padded with zeros, whose terms are zeros.
#[inline(always)]
fn padded<const I: u8, F: Float>(from: usize, part: &[F]) -> Sums {
    let mut chunk = [F::ZERO; LANES];
    chunk[from..from + part.len()].copy_from_slice(part);
    F::widen::<I>(&chunk)
}

#[inline(always)]
fn add_terms<const I: u8, const SQUARES: bool, Q: Float, S: Float>(
    lane: &mut usize,
    sums: &mut Sums,
    squares: &mut Sums,
    query: &[Q],
    stored: &[S],
    ahead: usize,
    add: impl Fn(f64, f64, f64) -> f64,
) {
    // copies, which the compiler keeps in registers
    let (mut own_sums, mut own_squares) = (*sums, *squares);
    let len = query.len().min(stored.len());
    let head = if *lane == 0 { 0 } else { (LANES - *lane).min(len) };
    if head > 0 {
        let (q, x) = (padded::<I, Q>(*lane, &query[..head]), padded::<I, S>(*lane, &stored[..head]));
        add_chunk::<I, SQUARES>(&mut own_sums, &mut own_squares, &q, &x, &add);
    }
    let (query_chunks, query_rest) = query[head..len].as_chunks::<LANES>();
    let (stored_chunks, stored_rest) = stored[head..len].as_chunks::<LANES>();
    for (at, (q, x)) in query_chunks.iter().zip(stored_chunks).enumerate() {
        if ahead != 0 {
            fetch(ahead + size_of::<S>() * LANES * at);
        }
        add_chunk::<I, SQUARES>(&mut own_sums, &mut own_squares, &Q::widen::<I>(q), &S::widen::<I>(x), &add);
    }
    if !stored_rest.is_empty() {
        let (q, x) = (padded::<I, Q>(0, query_rest), padded::<I, S>(0, stored_rest));
        add_chunk::<I, SQUARES>(&mut own_sums, &mut own_squares, &q, &x, &add);
    }
    *lane = (*lane + len) % LANES;
    (*sums, *squares) = (own_sums, own_squares);
}

#[inline]
fn whole<F: Float>(metric: Metric, a: &[F], b: &[F]) -> f64 {
    sums_of_whole(metric, a, b, 0).0
}

/// Inner product of two slices of one length.
#[inline]
#[must_use]
pub fn dot<F: Float>(a: &[F], b: &[F]) -> f64 {
    whole(Metric::InnerProduct, a, b)
}

/// Square of the Euclidean distance of two slices of one length.
#[inline]
#[must_use]
pub fn l2_squared(a: &[f32], b: &[f32]) -> f64 {
    whole(Metric::L2, a, b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::features::of_processor;
    use crate::distance::{distance, reference};
    use proptest::prelude::*;

    const TOLERANCE: f64 = 1e-12;

    /// The distance in pieces that end at `cuts`.
    fn in_pieces(metric: Metric, a: &[f32], b: &[f32], cuts: &[usize]) -> f64 {
        let mut sum = Accumulator::new(metric, a);
        let mut start = 0;
        for end in cuts.iter().copied().filter(|&cut| cut <= a.len()).chain([a.len()]) {
            if end >= start {
                let ahead = if start % 2 == 0 { 0 } else { b.as_ptr() as usize };
                sum.add_fetching(&a[start..end], &b[start..end], ahead);
                start = end;
            }
        }
        sum.finish()
    }

    /// Checks one pair, whole and in pieces, on every instruction set.
    fn check(a: &[f32], b: &[f32], cuts: &[usize]) {
        let magnitude = reference::dot_magnitude(a, b);
        let norms = (reference::dot(a, a) * reference::dot(b, b)).sqrt();
        for metric in Metric::OF_NUMBERS {
            let (got, exact) = (distance(metric, a, b), reference::distance(metric, a, b));
            if metric == Metric::Cosine && norms == 0.0 {
                assert!(got.is_nan());
                continue;
            }
            let scale = match metric {
                Metric::L2 | Metric::L1 => exact,
                Metric::InnerProduct => magnitude,
                // The error of the inner product, and the relative error of both norms.
                Metric::Cosine => magnitude / norms + 2.0,
                Metric::Hamming | Metric::Jaccard => continue,
            };
            assert!((got - exact).abs() <= TOLERANCE * scale, "{metric:?} {got:e}, not {exact:e}");
            assert_eq!(got.to_bits(), distance(metric, b, a).to_bits(), "{metric:?}: symmetric");
            let mut sum = Accumulator::new(metric, a);
            sum.add(a, b);
            assert!(!sum.is_beyond(got) && !sum.is_beyond(f64::NAN) && !sum.is_beyond(2.0 * got.abs()));
            assert!(metric != Metric::L2 || got < 1e-100 || sum.is_beyond(got * (1.0 - 1e-9)));
            assert_eq!(got.to_bits(), in_pieces(metric, a, b, cuts).to_bits(), "{metric:?}: cut at {cuts:?}");
            let by = |add: fn(&mut Accumulator, &[f32], &[f32], usize), what: &str| {
                let mut sum = Accumulator::new(metric, a);
                add(&mut sum, a, b, 0);
                assert_eq!(got.to_bits(), sum.finish().to_bits(), "{metric:?}: {what}");
            };
            by(add_up::<PORTABLE, _, _>, "without special instructions");
            #[cfg(target_arch = "x86_64")]
            if of_processor() >= Instructions::Avx2 {
                // SAFETY: the CPU has the feature
                by(|sum, a, b, ahead| unsafe { add_up_avx2(sum, a, b, ahead) }, "AVX2");
            }
            #[cfg(target_arch = "x86_64")]
            if of_processor() >= Instructions::Avx512 {
                // SAFETY: the CPU has the feature
                by(|sum, a, b, ahead| unsafe { add_up_avx512(sum, a, b, ahead) }, "AVX-512");
            }
        }
    }

    /// Half floats give what the same numbers as `f32` do, to the bit, on every instruction set, however they are cut and
    /// however wide the query is.
    #[test]
    fn halves_are_numbers() {
        type Add = fn(&mut Accumulator, &[Half], &[Half]);
        let mut ways: Vec<Add> = vec![|sum, a, b| add_up::<PORTABLE, _, _>(sum, a, b, 0)];
        #[cfg(target_arch = "x86_64")]
        if of_processor() >= Instructions::Avx2 {
            // SAFETY: the CPU has the feature
            ways.push(|sum, a, b| unsafe { add_up_avx2(sum, a, b, 0) });
        }
        #[cfg(target_arch = "x86_64")]
        if of_processor() >= Instructions::Avx512 {
            // SAFETY: the CPU has the feature
            ways.push(|sum, a, b| unsafe { add_up_avx512(sum, a, b, 0) });
        }
        let halves = |n, seed, scale: f32| -> Vec<Half> {
            noise(n, seed).iter().map(|x| Half::from_f64(f64::from(x * scale))).collect()
        };
        for n in (1..100).chain([255, 784, 4076, 4077]) {
            for scale in [1.0, 60_000.0, 1e-7] {
                let (a, b) = (halves(n, 1, scale), halves(n, 2, 1.0));
                let wide = |halves: &[Half]| halves.iter().map(|half| half.to_f32()).collect::<Vec<f32>>();
                for metric in Metric::OF_NUMBERS {
                    let expected = distance(metric, &wide(&a), &wide(&b)).to_bits();
                    for cut in [0, n / 3, n] {
                        for way in &ways {
                            let mut sum = Accumulator::new(metric, &a);
                            way(&mut sum, &a[..cut], &b[..cut]);
                            way(&mut sum, &a[cut..], &b[cut..]);
                            assert_eq!(sum.finish().to_bits(), expected, "{metric:?} of {n} cut at {cut}");
                        }
                    }
                    let doubles: Vec<f64> = wide(&a).into_iter().map(f64::from).collect();
                    let mut sum = Accumulator::new(metric, &doubles);
                    sum.add(&doubles, &b);
                    assert_eq!(sum.finish().to_bits(), expected, "{metric:?} of {n}, a wide query");
                }
            }
        }
    }

    /// Reproducible numbers in -1..1.
    fn noise(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect()
    }

    #[test]
    fn every_length_and_magnitude() {
        for n in (0..200).chain([255, 256, 784, 1536, 2038, 2039, 5000, 16_000]) {
            let (a, b) = (noise(n, 1), noise(n, 2));
            check(&a, &b, &[n / 3, n / 2]);
            for scale in [1e-45f32, 1e-30, 1e-19, 1e19, 3e38] {
                let scaled: Vec<f32> = a.iter().map(|x| x * scale).collect();
                check(&scaled, &scaled, &[n / 2]);
                check(&scaled, &b, &[n / 2]);
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
            let huge: Vec<f32> = (0..n).map(|i| if i % 2 == 0 { 1e30 } else { -1e30 }).collect();
            check(&huge, &vec![1e30; n], &[n / 2]);
            assert_eq!(dot(&huge, &vec![1e30; n]), 0.0);
        }
    }

    #[test]
    fn zero() {
        for n in [1, 128, 500] {
            check(&vec![0.0; n], &noise(n, 5), &[]);
            check(&vec![0.0; n], &vec![-0.0; n], &[n / 2]);
        }
        assert_eq!((dot::<f32>(&[], &[]), l2_squared(&[], &[])), (0.0, 0.0));
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
    }
}
