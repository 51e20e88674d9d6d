//! Vectors to codes.

#![forbid(unsafe_code)]

use crate::distance::integer::ones;
use crate::distance::{Metric, dot};
use crate::vector::CodeKind;

/// The largest step: with it, 16,000 elements of 127 steps have a squared norm that `f32` can hold. What would need
/// a larger one is so far out that its distances need not be told apart.
pub(super) const MAX_STEP: f32 = 1e14;
/// The largest part of a bias or of an L1 excess, for the same reason.
pub(super) const MAX_BIAS: f64 = 1e37;
/// Squared norm, in squared norms of the normalised vectors, at which a zero vector is put under cosine. No two
/// directions are farther apart than 4.
pub(super) const ZERO_NORM: f32 = 16.0;

/// What the codes of one graph have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Codec {
    /// the distance that the codes estimate
    pub metric: Metric,
    /// what the codes are
    pub kind: CodeKind,
    /// numbers that a vector is coded from: its elements; of bits, its bytes
    pub dims: usize,
    /// what is subtracted from each vector (under cosine: after division by its norm)
    pub centroid: Vec<f32>,
    /// factor that brings typical norms to about 1; under L1: the step of the codes, in the vectors' scale
    pub scale: f32,
}

/// What an estimate needs beside the bytes of a code: 12 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Head {
    /// size of a step of the code, times the scale; 0 for a vector that equals the centroid, and under L1
    pub step: f32,
    /// L2 and cosine: squared norm of what the code stands for, times scale^2; inner product: what the vector
    /// contributes beside the product of the codes; L1: the sum of what does not fit into bytes, in steps
    pub bias: f32,
    /// sum of the squares of the code's elements
    pub sum: i32,
}

impl Head {
    /// The head as 12 little-endian bytes, as pages keep it.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.step.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.bias.to_le_bytes());
        bytes[8..].copy_from_slice(&self.sum.to_le_bytes());
        bytes
    }

    /// The reverse of [`Head::to_bytes`].
    #[inline]
    #[must_use]
    pub fn from_bytes(bytes: [u8; 12]) -> Self {
        let word = |i: usize| [bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]];
        Self { step: f32::from_le_bytes(word(0)), bias: f32::from_le_bytes(word(4)), sum: i32::from_le_bytes(word(8)) }
    }
}

impl Codec {
    /// The codec that has these parts: a centroid of `dims` finite elements and a positive scale.
    #[must_use]
    pub fn from_parts(metric: Metric, dims: usize, centroid: Vec<f32>, scale: f32) -> Self {
        Self::of_kind(CodeKind::Scaled, metric, dims, centroid, scale)
    }

    /// As [`Codec::from_parts`], of any kind. Codes that are the elements or the bits themselves have a centroid of zeros and the
    /// scale 1: see [`Codec::own`].
    #[must_use]
    pub fn of_kind(kind: CodeKind, metric: Metric, dims: usize, centroid: Vec<f32>, scale: f32) -> Self {
        debug_assert!(centroid.len() == dims || centroid.is_empty());
        Self { metric, kind, dims, centroid, scale }
    }

    /// The codec whose codes are the elements or the bits themselves: there is nothing to learn.
    #[must_use]
    pub fn own(kind: CodeKind, metric: Metric, dims: usize) -> Self {
        Self::of_kind(kind, metric, dims, vec![0.0; dims], 1.0)
    }

    /// Bytes of a code, without its head.
    #[must_use]
    pub const fn code_bytes(&self) -> usize {
        self.dims
    }

    /// Codes a vector of `dims` finite numbers into `out` of [`Codec::code_bytes`] bytes.
    pub fn encode(&self, vector: &[f32], out: &mut [u8]) -> Head {
        debug_assert!(vector.len() == self.dims && out.len() == self.code_bytes());
        match self.kind {
            CodeKind::Scaled => {}
            CodeKind::Own => return self.encode_own(vector, out),
            CodeKind::Bits => {
                vector.iter().zip(out.iter_mut()).for_each(|(&byte, to)| *to = byte as u8);
                return Head { sum: ones(out) as i32, ..Head::default() };
            }
        }
        match self.metric {
            // of bits, which are coded above
            Metric::Hamming | Metric::Jaccard => Head::default(),
            Metric::L1 => self.encode_l1(vector, out),
            Metric::Cosine => match dot(vector, vector).sqrt() {
                0.0 => {
                    out.fill(128);
                    Head { step: 0.0, bias: ZERO_NORM * self.scale * self.scale, sum: 0 }
                }
                norm => self.encode_scaled(vector, 1.0 / norm, out),
            },
            Metric::L2 | Metric::InnerProduct => self.encode_scaled(vector, 1.0, out),
        }
    }

    /// Codes a vector of whole numbers from -128 to 127, each by itself: with a step of 1, and 1 / norm under cosine, nothing is
    /// rounded but the head.
    fn encode_own(&self, vector: &[f32], out: &mut [u8]) -> Head {
        vector.iter().zip(out.iter_mut()).for_each(|(&x, to)| *to = (x as i32 + 128) as u8);
        let sum: i32 = out.iter().map(|&u| (i32::from(u) - 128).pow(2)).sum();
        match self.metric {
            Metric::Cosine if sum == 0 => Head { step: 0.0, bias: ZERO_NORM, sum },
            Metric::Cosine => Head { step: (1.0 / f64::from(sum).sqrt()) as f32, bias: 1.0, sum },
            Metric::InnerProduct => Head { step: 1.0, bias: 0.0, sum },
            Metric::L1 => Head { step: 0.0, bias: 0.0, sum },
            _ => Head { step: 1.0, bias: sum as f32, sum },
        }
    }

    /// Codes `factor` x vector.
    fn encode_scaled(&self, vector: &[f32], factor: f64, out: &mut [u8]) -> Head {
        let scale = f64::from(self.scale);
        let moved = |(&x, &c): (&f32, &f32)| (f64::from(x) * factor - f64::from(c)) * scale;
        let elements = || vector.iter().zip(&self.centroid);
        let step = elements().map(moved).fold(0.0, |max: f64, y| max.max(y.abs())) / 127.0;
        let mut head = Head::default();
        if step < f64::from(f32::MIN_POSITIVE) {
            out.fill(128);
        } else {
            head.step = step.min(f64::from(MAX_STEP)) as f32;
            let inverse = 1.0 / step;
            for (element, byte) in elements().zip(out.iter_mut()) {
                // -127 ..= 127, so that truncation rounds
                *byte = (moved(element) * inverse + 128.5) as u8;
            }
            head.sum = out.iter().map(|&u| (i32::from(u) - 128).pow(2)).sum();
        }
        head.bias = match self.metric {
            // With y the moved vector and c the centroid, both in units, the inner product of a and b is
            // ya.yb + ya.c + yb.c + c.c, of which the last is the same for all and left out.
            Metric::InnerProduct => {
                let product: f64 = elements().map(|(x, c)| moved((x, c)) * f64::from(*c) * scale).sum();
                -product.clamp(-MAX_BIAS, MAX_BIAS) as f32
            }
            _ => head.step * head.step * head.sum as f32,
        };
        head
    }

    fn encode_l1(&self, vector: &[f32], out: &mut [u8]) -> Head {
        let inverse = 1.0 / f64::from(self.scale);
        let mut excess = 0.0;
        for ((&x, &c), byte) in vector.iter().zip(&self.centroid).zip(out.iter_mut()) {
            let steps = (f64::from(x) - f64::from(c)) * inverse + 128.0;
            let inside = steps.clamp(0.0, 255.0);
            excess += (steps - inside).abs();
            *byte = (inside + 0.5) as u8;
        }
        let sum = out.iter().map(|&u| (i32::from(u) - 128).pow(2)).sum();
        Head { step: 0.0, bias: excess.min(MAX_BIAS) as f32, sum }
    }

    /// About how far a vector is from what its code, with this head, stands for: in the vectors' own scale (under cosine:
    /// that of the normalised ones) and the metric's terms, up to a factor that is the same for all codecs of `metric` and
    /// `dims`.
    #[must_use]
    pub fn loss(&self, head: Head) -> f64 {
        let scale = f64::from(self.scale);
        match self.metric {
            // half a step at most of each element, and what is beyond the last step
            Metric::L1 => scale * (self.dims as f64 / 4.0 + f64::from(head.bias)),
            _ => f64::from(head.step) / scale,
        }
    }
}
