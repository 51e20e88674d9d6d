//! The distance of a query and a vector that lies on pages, whatever its elements are: every exact distance of a stored vector
//! comes about here, wherever its pages are read from.
//!
//! Which kernel adds a piece up is decided once for each piece, by what the query is made of. A piece is what a page holds of a
//! vector, so the decision costs nothing beside it, and each kernel is compiled for its elements.

#![forbid(unsafe_code)]

use crate::distance::accumulator::{Accumulator, Float, distance_of, dot, fetch_lines, is_beyond, sums_of_whole};
use crate::distance::half::Half;
use crate::distance::integer::{Kernels, ones};
use crate::distance::{Metric, cosine_distance};
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// The elements of a query, as the kernels take them; those of the stored vectors are of the same kind.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'q> {
    /// `f32`
    Float(&'q [f32]),
    /// half floats
    Half(&'q [Half]),
    /// half floats, made wide once for many vectors
    WideHalf(&'q [f64]),
    /// signed bytes
    Bytes(&'q [i8]),
    /// packed bits, the first one the highest of its byte; those that fill up the last byte are zero
    Bits(&'q [u8]),
}

impl Operand<'_> {
    /// What distances by `metric` need of the query as a whole: the square of its norm (cosine), the number of its bits that
    /// are set (Jaccard).
    #[must_use]
    pub fn squared(self, metric: Metric) -> f64 {
        match (metric, self) {
            (Metric::Cosine, Self::Float(q)) => dot(q, q),
            (Metric::Cosine, Self::Half(q)) => dot(q, q),
            (Metric::Cosine, Self::WideHalf(q)) => dot(q, q),
            (Metric::Cosine, Self::Bytes(q)) => {
                // in pieces that the kernels can take
                q.chunks(MOST_AT_ONCE).map(|part| Kernels::best().dot(part, part)).sum::<i64>() as f64
            }
            (Metric::Jaccard, Self::Bits(q)) => ones(q) as f64,
            _ => 0.0,
        }
    }

    /// The distance to a vector that is one piece of a page: to the bit as [`PieceSum`] has it, without what pieces take. `squared`
    /// is [`Operand::squared`], `ahead` as for [`PieceSum::add`]. `None` where the distance is surely greater than `bound`.
    #[inline(always)]
    #[must_use]
    pub fn to_whole(self, metric: Metric, squared: f64, bytes: &[u8], ahead: usize, bound: Option<f64>) -> Option<f64> {
        let mut integers = Integers::new(metric, squared);
        match self {
            Self::Float(query) => return floats::<f32, f32>(metric, squared, query, bytes, ahead, bound),
            Self::Half(query) => return floats::<Half, Half>(metric, squared, query, bytes, ahead, bound),
            Self::WideHalf(query) => return floats::<f64, Half>(metric, squared, query, bytes, ahead, bound),
            Self::Bytes(query) => {
                fetch_lines(ahead, bytes.len());
                integers.add_bytes(query, <[i8]>::ref_from_bytes(bytes).unwrap_or_default());
            }
            Self::Bits(query) => {
                fetch_lines(ahead, bytes.len());
                integers.add_bits(query, bytes);
            }
        }
        (!bound.is_some_and(|bound| integers.is_beyond(bound))).then(|| integers.finish())
    }
}

#[inline(always)]
fn floats<Q: Float, S: Float + FromBytes + KnownLayout + Immutable>(
    metric: Metric,
    squared: f64,
    query: &[Q],
    bytes: &[u8],
    ahead: usize,
    bound: Option<f64>,
) -> Option<f64> {
    let stored = <[S]>::ref_from_bytes(bytes).unwrap_or_default();
    let len = query.len().min(stored.len());
    let (sum, stored_squared) = sums_of_whole(metric, &query[..len], &stored[..len], ahead);
    (!bound.is_some_and(|bound| is_beyond(metric, sum, bound)))
        .then(|| distance_of(metric, sum, stored_squared, squared))
}

/// Bytes of a piece, at the most.
const MOST_AT_ONCE: usize = 1 << 13;

/// Hand the pieces of the vector to [`PieceSum::add`], first to last.
#[derive(Clone, Copy, Debug)]
pub struct PieceSum<'q> {
    query: Operand<'q>,
    /// the element (of bits: the byte) that comes next
    at: usize,
    sum: Sum,
}

// It lies on the stack for the time of one vector.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Copy, Debug)]
enum Sum {
    Floats(Accumulator),
    Integers(Integers),
}

/// Sums over bytes and bits.
#[derive(Clone, Copy, Debug)]
struct Integers {
    metric: Metric,
    /// the metric's own terms
    sum: i64,
    /// the stored vector's squares (cosine), its bits that are set (Jaccard)
    squares: i64,
    /// [`Operand::squared`]
    query_squared: f64,
}

impl<'q> PieceSum<'q> {
    /// Nothing added yet, for the distance to `query`.
    #[inline(always)]
    #[must_use]
    pub fn new(metric: Metric, query: Operand<'q>) -> Self {
        Self::with_query_squared(metric, query, query.squared(metric))
    }

    /// As [`PieceSum::new`], where [`Operand::squared`] is known.
    #[inline(always)]
    #[must_use]
    pub const fn with_query_squared(metric: Metric, query: Operand<'q>, query_squared: f64) -> Self {
        let sum = match query {
            Operand::Float(_) | Operand::Half(_) | Operand::WideHalf(_) => {
                Sum::Floats(Accumulator::with_query_squared(metric, query_squared))
            }
            Operand::Bytes(_) | Operand::Bits(_) => Sum::Integers(Integers::new(metric, query_squared)),
        };
        Self { query, at: 0, sum }
    }

    /// Adds the vector's next piece, as it lies in an aligned page, or anywhere. See [`Accumulator::add_fetching`] for `ahead`.
    #[inline(always)]
    pub fn add(&mut self, bytes: &[u8], ahead: usize) {
        let at = self.at;
        match (&mut self.sum, self.query) {
            (Sum::Floats(sum), Operand::Float(query)) => {
                let piece = <[f32]>::ref_from_bytes(bytes).unwrap_or_default();
                let end = (at + piece.len()).min(query.len());
                sum.add_fetching(&query[at..end], &piece[..end - at], ahead);
                self.at = end;
            }
            (Sum::Floats(sum), Operand::Half(query)) => {
                let piece = <[Half]>::ref_from_bytes(bytes).unwrap_or_default();
                let end = (at + piece.len()).min(query.len());
                sum.add_fetching(&query[at..end], &piece[..end - at], ahead);
                self.at = end;
            }
            (Sum::Floats(sum), Operand::WideHalf(query)) => {
                let piece = <[Half]>::ref_from_bytes(bytes).unwrap_or_default();
                let end = (at + piece.len()).min(query.len());
                sum.add_fetching(&query[at..end], &piece[..end - at], ahead);
                self.at = end;
            }
            (Sum::Integers(sum), Operand::Bytes(query)) => {
                let piece = <[i8]>::ref_from_bytes(bytes).unwrap_or_default();
                let end = (at + piece.len()).min(query.len());
                for (query, piece) in query[at..end].chunks(MOST_AT_ONCE).zip(piece.chunks(MOST_AT_ONCE)) {
                    sum.add_bytes(query, piece);
                }
                self.at = end;
            }
            (Sum::Integers(sum), Operand::Bits(query)) => {
                let end = (at + bytes.len()).min(query.len());
                sum.add_bits(&query[at..end], &bytes[..end - at]);
                self.at = end;
            }
            // `with_query_squared` puts those together that belong together
            _ => {}
        }
    }

    /// As [`Accumulator::is_beyond`].
    #[inline(always)]
    #[must_use]
    pub fn is_beyond(&self, bound: f64) -> bool {
        match &self.sum {
            Sum::Floats(sum) => sum.is_beyond(bound),
            Sum::Integers(sum) => sum.is_beyond(bound),
        }
    }

    /// The distance over everything that was added.
    #[inline(always)]
    #[must_use]
    pub fn finish(&self) -> f64 {
        match &self.sum {
            Sum::Floats(sum) => sum.finish(),
            Sum::Integers(sum) => sum.finish(),
        }
    }
}

impl Integers {
    #[inline(always)]
    const fn new(metric: Metric, query_squared: f64) -> Self {
        Self { metric, sum: 0, squares: 0, query_squared }
    }

    #[inline(always)]
    fn is_beyond(&self, bound: f64) -> bool {
        is_beyond(self.metric, self.sum as f64, bound)
    }

    #[inline(always)]
    fn add_bytes(&mut self, query: &[i8], stored: &[i8]) {
        let kernels = Kernels::best();
        match self.metric {
            Metric::L2 => self.sum += kernels.l2_squared(query, stored),
            Metric::L1 => self.sum += kernels.l1(query, stored),
            Metric::InnerProduct => self.sum += kernels.dot(query, stored),
            Metric::Cosine => {
                let (dot, squares) = kernels.dot_and_squares(query, stored);
                self.sum += dot;
                self.squares += squares;
            }
            // of bits alone
            Metric::Hamming | Metric::Jaccard => {}
        }
    }

    #[inline(always)]
    fn add_bits(&mut self, query: &[u8], stored: &[u8]) {
        let kernels = Kernels::best();
        if self.metric == Metric::Jaccard {
            let (differing, set) = kernels.differing_and_ones(query, stored);
            self.sum += differing;
            self.squares += set;
        } else {
            self.sum += kernels.hamming(query, stored);
        }
    }

    #[inline(always)]
    fn finish(&self) -> f64 {
        let sum = self.sum as f64;
        match self.metric {
            Metric::L2 => sum.sqrt(),
            Metric::L1 | Metric::Hamming => sum,
            // Not -sum, which would answer -0 for orthogonal vectors.
            Metric::InnerProduct => 0.0 - sum,
            Metric::Cosine => cosine_distance(sum, self.query_squared, self.squares as f64),
            Metric::Jaccard => jaccard_distance(sum, self.query_squared + self.squares as f64),
        }
    }
}

/// Jaccard distance, the share of the bits set in either vector that are set in one only: from the number of bits that differ,
/// and the sum of those that are set in each. Two vectors without any are equal: 0.
#[inline]
#[must_use]
pub fn jaccard_distance(differing: f64, set: f64) -> f64 {
    // those set in either are those that differ and half of the rest
    if set == 0.0 { 0.0 } else { 2.0 * differing / (set + differing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_pieces(metric: Metric, query: Operand<'_>, stored: &[u8], cut: usize) -> f64 {
        let mut sum = PieceSum::new(metric, query);
        sum.add(&stored[..cut], 0);
        sum.add(&stored[cut..], 0);
        sum.finish()
    }

    #[test]
    fn bytes_are_numbers() {
        let mut random = fastrand::Rng::with_seed(3);
        for n in (1..80).chain([784, 8152, 16_000]) {
            let mut vector = || -> Vec<i8> { (0..n).map(|_| random.i8(..)).collect() };
            let (a, b) = (vector(), vector());
            let wide = |v: &[i8]| v.iter().map(|&x| f32::from(x)).collect::<Vec<f32>>();
            for metric in Metric::OF_NUMBERS {
                let exact = crate::distance::distance(metric, &wide(&a), &wide(&b));
                for cut in [0, n / 3, n] {
                    let got = in_pieces(metric, Operand::Bytes(&a), zerocopy::IntoBytes::as_bytes(&b[..]), cut);
                    assert_eq!(got.to_bits(), exact.to_bits(), "{metric:?} of {n}: {got} {exact}");
                }
            }
        }
        let zero = in_pieces(Metric::Cosine, Operand::Bytes(&[0, 0]), &[1, 2], 1);
        assert!(zero.is_nan());
        assert!(in_pieces(Metric::InnerProduct, Operand::Bytes(&[1, 0]), &[0, 1], 1).is_sign_positive());
    }

    #[test]
    fn bits_are_sets() {
        let mut random = fastrand::Rng::with_seed(4);
        for n in (1..80).chain([98, 1000, 8000]) {
            let mut vector = |mask: u8| -> Vec<u8> { (0..n).map(|_| random.u8(..) & mask).collect() };
            for (a, b) in
                [(vector(255), vector(255)), (vector(1), vector(3)), (vector(0), vector(0)), (vector(0), vector(255))]
            {
                let count = |f: fn(u8, u8) -> u8| a.iter().zip(&b).map(|(&x, &y)| f(x, y).count_ones()).sum::<u32>();
                let (differ, both, either) = (count(|x, y| x ^ y), count(|x, y| x & y), count(|x, y| x | y));
                for cut in [0, n / 2, n] {
                    assert_eq!(in_pieces(Metric::Hamming, Operand::Bits(&a), &b, cut), f64::from(differ));
                    let got = in_pieces(Metric::Jaccard, Operand::Bits(&a), &b, cut);
                    let exact = if either == 0 { 0.0 } else { 1.0 - f64::from(both) / f64::from(either) };
                    assert!((got - exact).abs() < 1e-15, "{got} {exact}");
                }
            }
        }
        assert_eq!(in_pieces(Metric::Jaccard, Operand::Bits(&[0b1110_0000]), &[0b0111_0000], 1), 0.5);
    }
}
