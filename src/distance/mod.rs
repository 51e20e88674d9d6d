//! Metrics and their kernels.
//!
//! | module | duty |
//! |---|---|
//! | `accumulator` | floats: sums in `f64` that are the same number on every processor |
//! | `integer` | signed bytes and bits: integer sums, by simsimd |
//! | `integer_wide` | what it lacks of these, by AVX-512 |
//! | [`half`] | half floats |
//! | [`keys`] | which of many keys lie in a range |
//! | `pieces` | a stored vector's distance, of any elements, added up over the pages that it lies on |
//! | [`features`] | which instruction sets kernels may use |
//! | [`reference`] | plain loops to compare with |
//!
//! Vectors of numbers are `f32` or what converts to it exactly, distances `f64`, within 1e-12 of the sum of the absolute terms of the exact result, whatever the
//! magnitudes. Vectors need no alignment beyond that of `f32`. A vector that lies in several pieces of memory is scored
//! piece by piece with an [`Accumulator`]; the distance is the same to the bit.

mod accumulator;
pub mod features;
pub mod half;
pub mod integer;
#[cfg(target_arch = "x86_64")]
mod integer_wide;
pub mod keys;
mod pieces;
pub mod reference;

pub use accumulator::{Accumulator, Float, dot, l2_squared};
pub use half::Half;
pub use pieces::{Operand, PieceSum, jaccard_distance};

use crate::error::{Error, Result, SqlState};

/// A measure of how far apart two vectors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Euclidean distance
    L2,
    /// negative inner product, so that the smallest value is the nearest here too
    InnerProduct,
    /// 1 - cosine of the angle; NaN when a vector is zero
    Cosine,
    /// sum of the absolute differences
    L1,
    /// number of bits that differ
    Hamming,
    /// share of the bits set in either vector that are set in one only; 0 when neither has any
    Jaccard,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 6] = [Self::L2, Self::InnerProduct, Self::Cosine, Self::L1, Self::Hamming, Self::Jaccard];
    /// Those of vectors of numbers.
    pub const OF_NUMBERS: [Self; 4] = [Self::L2, Self::InnerProduct, Self::Cosine, Self::L1];
    /// Those of vectors of bits.
    pub const OF_BITS: [Self; 2] = [Self::Hamming, Self::Jaccard];

    /// The metric of this name among those of `allowed`.
    ///
    /// # Errors
    /// `InvalidParameterValue` for any other name.
    pub fn parse_among(name: &[u8], allowed: &[Self]) -> Result<Self> {
        allowed.iter().copied().find(|metric| metric.name().as_bytes() == name).ok_or_else(|| {
            let shown: String = String::from_utf8_lossy(name).chars().take(40).collect();
            let hint = match allowed {
                [Self::Hamming, ..] => "Use one of 'hamming', 'jaccard'.",
                _ => "Use one of 'l2', 'cosine', 'ip', 'l1'.",
            };
            Error::new(SqlState::InvalidParameterValue, format!("unknown metric \"{shown}\"")).hint(hint)
        })
    }

    /// The metric of this name, of vectors of numbers.
    ///
    /// # Errors
    /// As [`Metric::parse_among`].
    pub fn parse(name: &[u8]) -> Result<Self> {
        Self::parse_among(name, &Self::OF_NUMBERS)
    }

    /// The number that stands for it on disk and in what operator classes say of themselves.
    pub const fn number(self) -> u8 {
        match self {
            Self::L2 => 1,
            Self::InnerProduct => 2,
            Self::Cosine => 3,
            Self::L1 => 4,
            Self::Hamming => 5,
            Self::Jaccard => 6,
        }
    }

    /// The metric that a number stands for.
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.number() == number)
    }

    /// The name that [`Metric::parse`] knows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::InnerProduct => "ip",
            Self::Cosine => "cosine",
            Self::L1 => "l1",
            Self::Hamming => "hamming",
            Self::Jaccard => "jaccard",
        }
    }
}

/// The distance of two vectors of the same dimensions.
#[inline]
#[must_use]
pub fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let mut sum = Accumulator::new(metric, a);
    sum.add(a, b);
    sum.finish()
}

/// Cosine distance from the inner product and the squares of both norms; NaN when a norm is zero.
#[inline]
pub fn cosine_distance(dot: f64, a_squared: f64, b_squared: f64) -> f64 {
    // clamp() keeps NaN
    1.0 - (dot / (a_squared * b_squared).sqrt()).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for metric in Metric::ALL {
            assert_eq!(Metric::parse_among(metric.name().as_bytes(), &Metric::ALL), Ok(metric));
            assert_eq!(Metric::of_number(metric.number()), Some(metric));
        }
        assert!(Metric::parse(b"hamming").is_err() && Metric::parse_among(b"l2", &Metric::OF_BITS).is_err());
        for unknown in ["", "L2", "l22", "inner"] {
            assert_eq!(Metric::parse(unknown.as_bytes()).unwrap_err().state, SqlState::InvalidParameterValue);
        }
    }

    #[test]
    fn examples() {
        let (a, b) = ([1.0, 2.0, 2.0], [4.0, 6.0, 2.0]);
        assert_eq!(distance(Metric::L2, &a, &b), 5.0);
        assert_eq!(distance(Metric::InnerProduct, &a, &b), -20.0);
        assert_eq!(distance(Metric::L1, &a, &b), 7.0);
        assert_eq!(distance(Metric::Cosine, &[3.0, 4.0], &[4.0, 3.0]), 1.0 - 24.0 / 25.0);
    }

    #[test]
    fn cosine_at_the_edges() {
        assert!(distance(Metric::Cosine, &[0.0, 0.0], &[1.0, 2.0]).is_nan());
        assert!(distance(Metric::Cosine, &[0.0], &[0.0]).is_nan());
        for scale in [1e-45, 1e-20, 1.0, 3e38] {
            assert_eq!(distance(Metric::Cosine, &[scale, 0.0], &[scale, 0.0]), 0.0);
            assert_eq!(distance(Metric::Cosine, &[scale, 0.0], &[-scale, 0.0]), 2.0);
            assert_eq!(distance(Metric::Cosine, &[scale, 0.0], &[0.0, scale]), 1.0);
        }
        let v: Vec<f32> = (0..1000).map(|i| (i as f32).sin()).collect();
        assert!(distance(Metric::Cosine, &v, &v) >= 0.0);
    }

    #[test]
    fn orthogonal_is_plus_zero() {
        assert!(distance(Metric::InnerProduct, &[1.0, 0.0], &[0.0, 1.0]).is_sign_positive());
    }
}
