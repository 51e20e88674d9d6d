//! What the codes of one graph have in common, from a sample of its vectors.

#![forbid(unsafe_code)]

use crate::distance::{Metric, dot};
use crate::quant::Codec;
use crate::vector::CodeKind;

/// Elements that are kept of the sample: 16 MB.
const SAMPLE_ELEMENTS: usize = 1 << 22;
/// Vectors that are kept of the sample, at most.
const SAMPLE_VECTORS: usize = 1024;
/// The largest scale under cosine: with it no direction needs a step beyond [`super::codec::MAX_STEP`], and zero vectors have a
/// place that `f32` can hold. Directions nearer to each other than its inverse are the same by all their numbers.
const MOST_COSINE: f64 = 5e15;
/// Share of the vectors that are no outliers, for L1.
const L1_COVERED: f64 = 0.9;
/// Times the largest element of those that the codes reach under L1. What is larger is cut.
const L1_LARGEST: f32 = 4.0;

/// A codec is outgrown when the codes of more than one in so many vectors lose more than [`OUTGROWN_TIMES`] what they would
/// lose with one that is learned anew. Measured (20 clusters of 64 dimensions, 10,000 vectors, ef 64): recall is the same
/// up to a loss of 2 to 3 times, and gone at 30 times.
const OUTGROWN_SHARE: usize = 8;
const OUTGROWN_TIMES: f64 = 2.0;

/// Collects a sample of the vectors that will be coded.
///
/// It keeps at most 16 MB of what it is given (but at least 64 vectors), each vector with the same probability.
pub struct Trainer {
    metric: Metric,
    kind: CodeKind,
    dims: usize,
    /// rows of `dims` elements, normalised under cosine
    rows: Vec<f32>,
    seen: u64,
    state: u64,
}

impl Trainer {
    /// An empty sample of vectors with `dims` elements, for codes that are scaled.
    #[must_use]
    pub fn new(metric: Metric, dims: usize) -> Self {
        Self::of_kind(CodeKind::Scaled, metric, dims)
    }

    /// An empty sample of vectors that codes of `kind` and of `dims` bytes are to be made of. Only for those that are scaled
    /// there is anything to learn.
    #[must_use]
    pub fn of_kind(kind: CodeKind, metric: Metric, dims: usize) -> Self {
        Self { metric, kind, dims, rows: Vec::new(), seen: 0, state: 0x9e37_79b9_7f4a_7c15 }
    }

    fn capacity(&self) -> usize {
        (SAMPLE_ELEMENTS / self.dims.max(1)).clamp(64, SAMPLE_VECTORS)
    }

    /// Adds a vector of `dims` finite elements. A zero vector under cosine counts for nothing.
    pub fn add(&mut self, vector: &[f32]) {
        debug_assert_eq!(vector.len(), self.dims);
        if self.kind != CodeKind::Scaled {
            return;
        }
        let factor = match self.metric {
            Metric::Cosine => match dot(vector, vector).sqrt() {
                0.0 => return,
                norm => 1.0 / norm,
            },
            _ => 1.0,
        };
        let row = vector.iter().map(|&x| (f64::from(x) * factor) as f32);
        self.seen += 1;
        let capacity = self.capacity();
        if self.seen <= capacity as u64 {
            self.rows.extend(row);
            return;
        }
        // Vitter's algorithm R with a linear congruential generator, so that equal samples give equal codes.
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let place = ((u128::from(self.state) * u128::from(self.seen)) >> 64) as usize;
        if place < capacity {
            let start = place * self.dims;
            self.rows[start..start + self.dims].iter_mut().zip(row).for_each(|(kept, x)| *kept = x);
        }
    }

    /// The codec for the sample. Without any vector it is one that fits vectors of norms about 1.
    #[must_use]
    pub fn finish(&self) -> Codec {
        if self.kind != CodeKind::Scaled {
            return Codec::own(self.kind, self.metric, self.dims);
        }
        let count = self.rows.len().checked_div(self.dims).unwrap_or(0);
        if count == 0 {
            let scale = if self.metric == Metric::L1 { 1.0 / 127.0 } else { 1.0 };
            return Codec::from_parts(self.metric, self.dims, vec![0.0; self.dims], scale);
        }
        let mut column = vec![0.0; count];
        let centroid: Vec<f32> = (0..self.dims)
            .map(|dim| {
                for (value, row) in column.iter_mut().zip(self.rows.chunks_exact(self.dims)) {
                    *value = row[dim];
                }
                if self.metric == Metric::L1 { median(&mut column) } else { trimmed_mean(&mut column) }
            })
            .collect();
        let scale = if self.metric == Metric::L1 { self.step(&centroid) } else { self.typical(&centroid) };
        Codec::from_parts(self.metric, self.dims, centroid, scale)
    }

    /// The codec for the sample, if `known`, that of another sample, is much worse for it.
    #[must_use]
    pub fn outgrown(&self, known: &Codec) -> Option<Codec> {
        let learned = self.finish();
        let mut code = vec![0; self.dims];
        let mut loss = |codec: &Codec, row: &[f32]| codec.loss(codec.encode(row, &mut code));
        let rows = self.rows.chunks_exact(self.dims);
        let worse = rows.clone().filter(|row| loss(known, row) > OUTGROWN_TIMES * loss(&learned, row)).count();
        (worse * OUTGROWN_SHARE > rows.len()).then_some(learned)
    }

    /// 1 / the median of the norms of the centred vectors, leaving out zeros.
    fn typical(&self, centroid: &[f32]) -> f32 {
        let norm = |row: &mut dyn Iterator<Item = f64>| row.map(|x| x * x).sum::<f64>().sqrt();
        let mut norms: Vec<f64> = self
            .rows
            .chunks_exact(self.dims)
            .map(|row| norm(&mut row.iter().zip(centroid).map(|(&x, &c)| f64::from(x) - f64::from(c))))
            .filter(|&norm| norm > 0.0)
            .collect();
        let typical = if norms.is_empty() {
            norm(&mut centroid.iter().map(|&c| f64::from(c)))
        } else {
            let middle = norms.len() / 2;
            *norms.select_nth_unstable_by(middle, f64::total_cmp).1
        };
        let most = if self.metric == Metric::Cosine { MOST_COSINE } else { 1e37 };
        if typical > 0.0 { (1.0 / typical).clamp(1e-37, most) as f32 } else { 1.0 }
    }

    /// The step with which 127 of them reach all elements of all vectors but outliers.
    fn step(&self, centroid: &[f32]) -> f32 {
        let row_reach = |row: &[f32]| row.iter().zip(centroid).fold(0.0, |max: f32, (&x, &c)| max.max((x - c).abs()));
        let mut reaches: Vec<f32> = self.rows.chunks_exact(self.dims).map(row_reach).collect();
        let place = ((reaches.len() - 1) as f64 * L1_COVERED) as usize;
        let usual = *reaches.select_nth_unstable_by(place, f32::total_cmp).1;
        let largest = reaches.iter().copied().fold(0.0, f32::max);
        let reach = if usual > 0.0 { largest.min(L1_LARGEST * usual) } else { largest };
        if reach > 0.0 { (reach.min(f32::MAX) / 127.0).max(1e-37) } else { 1.0 / 127.0 }
    }
}

impl Codec {
    /// The codec for a sample of finite vectors of `dims` elements (see [`super::Trainer`]).
    pub fn train(metric: Metric, dims: usize, sample: &mut dyn Iterator<Item = &[f32]>) -> Self {
        let mut trainer = Trainer::new(metric, dims);
        sample.for_each(|vector| trainer.add(vector));
        trainer.finish()
    }
}

fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// The mean without the smallest and the largest twentieth, at least one of three and more, so that a few outliers do not
/// move it.
fn trimmed_mean(values: &mut [f32]) -> f32 {
    let cut = (values.len() / 20).max(usize::from(values.len() > 2));
    if cut > 0 {
        values.select_nth_unstable_by(cut, f32::total_cmp);
        let upper = values.len() - cut - 1;
        values[cut..].select_nth_unstable_by(upper - cut, f32::total_cmp);
    }
    let kept = &values[cut..values.len() - cut];
    (kept.iter().map(|&x| f64::from(x)).sum::<f64>() / kept.len() as f64) as f32
}
