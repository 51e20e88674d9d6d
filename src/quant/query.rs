//! A coded vector in the form that the kernels want, and what is estimated with it.

#![forbid(unsafe_code)]

use crate::distance::{Metric, integer, jaccard_distance};
use crate::quant::codec::{MAX_STEP, ZERO_NORM};
use crate::quant::kernels::{Flip, Kernel, Kernels};
use crate::quant::{Codec, Head};
use crate::vector::CodeKind;

/// Standard deviations of the rounding error that a lower bound allows for.
const DEVIATIONS: f64 = 4.0;
/// How far the operator's own cosine distance may be off, as its kernels promise.
const COSINE_ERROR: f64 = 1e-5;

/// A vector to compare codes with: a query's own, or a stored node's.
#[derive(Clone)]
pub struct Query {
    metric: Metric,
    /// whether codes stand for their vectors without an error
    exact: bool,
    scale: f32,
    /// inner product: |centroid|^2, which the estimates leave out
    center_squared: f64,
    /// estimates above are between two zero vectors (cosine)
    zero_limit: f32,
    kernel: Kernel,
    flip: Flip,
    /// signed bytes; under L1 unsigned; of bits the bits
    code: Vec<u8>,
    head: Head,
    /// 128 x the sum of the signed bytes
    shift: i32,
    /// what the product of the codes is multiplied with, besides the node's step
    factor: f32,
}

impl Codec {
    /// A vector of `dims` finite elements as the one to be compared with.
    #[must_use]
    pub fn query(&self, vector: &[f32]) -> Query {
        let mut code = vec![0; self.code_bytes()];
        let head = self.encode(vector, &mut code);
        let mut query = self.empty_query();
        query.assign_code(self, head, &code);
        query
    }

    /// Room for a query; it stands for the centroid until [`Query::assign_code`] fills it.
    #[must_use]
    pub fn empty_query(&self) -> Query {
        Query::new(self, super::kernels::best())
    }
}

impl Query {
    pub(super) fn new(codec: &Codec, kernels: Kernels) -> Self {
        let (l1, bits) = (codec.metric == Metric::L1, codec.kind == CodeKind::Bits);
        let hamming: Kernel = |code, query| integer::Kernels::best().hamming(code, query) as i32;
        let center_squared = match codec.metric {
            Metric::InnerProduct => codec.centroid.iter().map(|&c| f64::from(c) * f64::from(c)).sum(),
            _ => 0.0,
        };
        Self {
            metric: codec.metric,
            exact: codec.kind != CodeKind::Scaled,
            scale: codec.scale,
            center_squared,
            zero_limit: match codec.metric {
                Metric::Cosine => 1.5 * ZERO_NORM * codec.scale * codec.scale,
                _ => f32::INFINITY,
            },
            kernel: match codec.metric {
                _ if bits => hamming,
                Metric::L1 => kernels.l1,
                _ => kernels.dot,
            },
            flip: kernels.flip,
            code: vec![if l1 { 128 } else { 0 }; codec.code_bytes()],
            head: Head::default(),
            shift: 0,
            factor: 0.0,
        }
    }

    /// Makes a stored code the query; nothing is allocated. The codec is the one the query was made by.
    pub fn assign_code(&mut self, codec: &Codec, head: Head, code: &[u8]) {
        debug_assert!(codec.metric == self.metric && code.len() == self.code.len());
        self.head = head;
        if matches!(self.metric, Metric::L1 | Metric::Hamming | Metric::Jaccard) {
            self.code.copy_from_slice(code);
            return;
        }
        self.shift = 128 * (self.flip)(code, &mut self.code);
        self.factor = if self.metric == Metric::InnerProduct { -head.step } else { -2.0 * head.step };
    }

    /// The integer part of an estimate over a piece of a code that starts at dimension `offset`. Parts of pieces that
    /// make up a code add up.
    #[inline]
    #[must_use]
    pub fn partial(&self, offset: usize, piece: &[u8]) -> i32 {
        (self.kernel)(piece, &self.code[offset..offset + piece.len()])
    }

    /// The estimated distance to the code with this head and sum of parts. Never NaN; comparable among the nodes of
    /// one graph:
    /// L2 and cosine: the squared distance of the (normalised) vectors times scale^2; inner product: minus the inner
    /// product times scale^2, plus |centroid|^2 times scale^2; L1: the sum of the absolute differences in steps;
    /// Hamming and Jaccard: the distance.
    ///
    /// Under cosine a zero vector is farther from all others than those from each other, and equal to itself.
    #[inline]
    #[must_use]
    pub fn finish(&self, head: Head, partials: i32) -> f32 {
        match self.metric {
            Metric::L1 => return partials as f32 + (self.head.bias - head.bias).abs(),
            Metric::Hamming => return partials as f32,
            Metric::Jaccard => {
                return jaccard_distance(f64::from(partials), f64::from(self.head.sum + head.sum)) as f32;
            }
            _ => {}
        }
        let product = (partials - self.shift) as f32;
        let estimate = self.head.bias + head.bias + self.factor * head.step * product;
        if estimate > self.zero_limit { 0.0 } else { estimate }
    }

    /// The estimated distance to a whole code: see [`Query::finish`].
    #[inline]
    #[must_use]
    pub fn distance(&self, head: Head, code: &[u8]) -> f32 {
        self.finish(head, self.partial(0, code))
    }

    /// A lower bound of the exact distance ([`crate::distance::distance`]) to the code with this head, given the
    /// estimate. Not rigorous: it allows for four standard deviations of the error that rounding makes where it is
    /// random. Minus infinity where nothing can be said: for zero vectors under cosine, and for vectors so far out
    /// that their codes are cut.
    #[must_use]
    pub fn lower_bound(&self, head: Head, approximate: f32) -> f64 {
        let (scale, estimate, dims) = (f64::from(self.scale), f64::from(approximate), self.code.len() as f64);
        if head.step >= MAX_STEP || self.head.step >= MAX_STEP || !approximate.is_finite() {
            return f64::NEG_INFINITY;
        }
        // Rounding leaves an error that is uniform within a step: its variance is a twelfth of the square.
        let variance = |step: f32| if self.exact { 0.0 } else { f64::from(step).powi(2) / 12.0 };
        // What f32 adds to it.
        let noise = f64::from(f32::EPSILON) * 4.0 * (f64::from(self.head.bias).abs() + f64::from(head.bias).abs());
        match self.metric {
            Metric::L1 if self.exact => estimate,
            Metric::L1 => (estimate - DEVIATIONS * (dims / 6.0).sqrt() - noise).max(0.0) * scale,
            Metric::Hamming => estimate,
            // but for its rounding to `f32`
            Metric::Jaccard => estimate * (1.0 - f64::from(f32::EPSILON)),
            Metric::InnerProduct => {
                let squared = |head: Head| f64::from(head.step).powi(2) * f64::from(head.sum);
                let deviation =
                    (squared(self.head) * variance(head.step) + squared(head) * variance(self.head.step)).sqrt();
                (estimate - DEVIATIONS * deviation - noise) / (scale * scale) - self.center_squared
            }
            Metric::L2 | Metric::Cosine => {
                if self.metric == Metric::Cosine && (self.is_zero(self.head) || self.is_zero(head)) {
                    return f64::NEG_INFINITY;
                }
                let variance = variance(self.head.step) + variance(head.step);
                let deviation = 2.0 * (estimate.max(0.0) * variance).sqrt() + dims.sqrt() * variance;
                let squared = estimate - dims * variance - DEVIATIONS * deviation - noise;
                let squared = squared.max(0.0) / (scale * scale);
                if self.metric == Metric::Cosine { squared / 2.0 - COSINE_ERROR } else { squared.sqrt() }
            }
        }
    }

    /// Whether a head under cosine is a zero vector's.
    fn is_zero(&self, head: Head) -> bool {
        head.step == 0.0 && head.bias >= 0.5 * self.zero_limit
    }
}
