//! RaBitQ codes (Gao, Long 2024, arXiv 2405.12497; with more than one bit Gao et al. 2024, arXiv 2409.09913): a
//! direction, rotated at random, is rounded to a grid of 1, 2 or 4 bits an element, and inner products with it are
//! estimated without bias.
//!
//! With `r` the rotated vector, `u` its code, `h` the middle of the grid and `y` a rotated query, `<r, y>` is taken to
//! be `|r|^2 / <u - h, r> x <u - h, y>`: what `y` has across `r` and `u - h` is as likely on either side.

use crate::kernels::{self, BLOCK, GROUP, GROUP_BYTES, hadamard};
use pg_zvec::distance::dot;

/// Standard deviations, about, that the bound allows for: the paper's epsilon.
const DEVIATIONS: f32 = 1.9;
/// Times that signs change and the transform is taken.
const ROUNDS: usize = 4;

/// A random rotation, in time n log n.
pub struct Rotation {
    /// dimensions after it: rounded up to 64
    pub width: usize,
    signs: Vec<f32>,
}

impl Rotation {
    /// The one of a seed, for vectors of `dims` elements.
    pub fn new(dims: usize, seed: u64) -> Self {
        let width = dims.next_multiple_of(64);
        let mut random = fastrand::Rng::with_seed(seed);
        let signs = (0..ROUNDS * width).map(|_| if random.bool() { 1.0 } else { -1.0 }).collect();
        Self { width, signs }
    }

    /// Turns `values`, of `width` elements. The width is no power of two in general: each round transforms the front
    /// and the back, which overlap.
    pub fn turn(&self, values: &mut [f32]) {
        let part = 1 << self.width.ilog2();
        for signs in self.signs.chunks_exact(self.width) {
            values.iter_mut().zip(signs).for_each(|(value, sign)| *value *= sign);
            hadamard(&mut values[..part]);
            if part < self.width {
                hadamard(&mut values[self.width - part..]);
            }
        }
    }
}

/// The middle of the grid.
fn middle(bits: usize) -> f32 {
    ((1 << bits) - 1) as f32 / 2.0
}

/// What an estimate needs of a code besides its bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Factors {
    /// `|r|^2`
    pub squared: f32,
    /// `2 |r|^2 / <u - h, r>`
    pub factor: f32,
    /// error of `2 <r, y>` that the bound allows for, for each unit of `|y|`
    pub slack: f32,
}

/// Codes rotated vector `r` into `code`, a byte an element below 2^bits.
pub fn encode(bits: usize, r: &[f32], code: &mut [u8]) -> Factors {
    let squared = dot(r, r) as f32;
    if squared == 0.0 {
        code.fill(0);
        return Factors::default();
    }
    // The best step for elements of a normal distribution (Max 1960, IRE Trans. Inf. Theory 6), in deviations.
    let step = [1.596, 0.9957, 0.5860, 0.3352][bits - 1];
    let inverse = (r.len() as f32 / squared).sqrt() / step;
    let (offset, last) = (middle(bits) + 0.5, (1 << bits) as f32 - 1.0);
    let h = middle(bits);
    // Several sums, which a CPU adds up side by side.
    let (mut along, mut length) = ([0.0f32; 16], [0.0f32; 16]);
    for (r, code) in r.chunks_exact(16).zip(code.chunks_exact_mut(16)) {
        for i in 0..16 {
            // 0 ..= 2^bits - 1, so that truncation rounds down
            let u = (r[i] * inverse + offset).clamp(0.0, last) as i32;
            code[i] = u as u8;
            let moved = u as f32 - h;
            along[i] += moved * r[i];
            length[i] += moved * moved;
        }
    }
    let (along, length) = (along.iter().sum::<f32>(), length.iter().sum::<f32>());
    let cosine_squared = (along * along / (length * squared)).clamp(1e-6, 1.0);
    let slack = 2.0 * (squared * (1.0 / cosine_squared - 1.0) / (r.len() as f32 - 1.0)).sqrt() * DEVIATIONS;
    Factors { squared, factor: 2.0 * squared / along, slack }
}

/// `<u - h, c>`: what is to be taken off where the query is measured from another point than `c`.
pub fn along(bits: usize, code: &[u8], c: &[f32]) -> f32 {
    let h = middle(bits);
    let mut sums = [0.0f32; 16];
    for (code, c) in code.chunks_exact(16).zip(c.chunks_exact(16)) {
        for i in 0..16 {
            sums[i] += (f32::from(code[i]) - h) * c[i];
        }
    }
    sums.iter().sum()
}

/// Puts a code into place `lane` of a block of `bits` planes, which was zero.
pub fn put_in_block(bits: usize, code: &[u8], lane: usize, block: &mut [u8]) {
    let plane_bytes = code.len() / GROUP * GROUP_BYTES;
    for (group, code) in code.as_chunks::<GROUP>().0.iter().enumerate() {
        for plane in 0..bits {
            let ones = u32::from_le_bytes(*code) >> plane & 0x0101_0101;
            // The four lowest bits of the bytes side by side.
            let nibble = (ones.wrapping_mul(0x0102_0408) >> 24) as u8;
            block[plane * plane_bytes + group * GROUP_BYTES + lane % 16] |= nibble << (lane / 16 * 4);
        }
    }
}

/// Puts a code into words: for each 64 elements one for each bit.
pub fn put_in_words(bits: usize, code: &[u8], words: &mut [u64]) {
    for (code, words) in code.chunks_exact(64).zip(words.chunks_exact_mut(bits)) {
        for (plane, word) in words.iter_mut().enumerate() {
            *word = (0..64).map(|i| u64::from(code[i] >> plane & 1) << i).sum();
        }
    }
}

/// A rotated query as look-up tables, for [`crate::kernels::scan`].
#[derive(Default)]
pub struct TableQuery {
    pub table: Vec<u8>,
    /// `<u - h, y>` is scale x what the scan answers + shift
    pub scale: f32,
    pub shift: f32,
}

impl TableQuery {
    /// Takes the rotated query `y`.
    pub fn assign(&mut self, bits: usize, y: &[f32]) {
        let groups = y.as_chunks::<GROUP>().0;
        let reach = |group: &[f32; GROUP]| group.iter().map(|y| y.abs()).sum::<f32>();
        // Rounding may add half a step.
        self.scale = groups.iter().map(reach).fold(f32::MIN_POSITIVE, f32::max) / 254.9;
        let inverse = 1.0 / self.scale;
        self.table.resize(groups.len() * GROUP_BYTES, 0);
        let lowest = kernels::tables(y, inverse, &mut self.table);
        let sum: f32 = y.iter().sum();
        self.shift = ((1 << bits) - 1) as f32 * lowest - middle(bits) * sum;
    }
}

/// A rotated query as signed bytes, for [`crate::kernels::dot`].
#[derive(Default)]
pub struct ByteQuery {
    pub bytes: Vec<i8>,
    /// as [`TableQuery`]'s
    pub scale: f32,
    pub shift: f32,
    /// `|y|^2`
    pub squared: f32,
}

impl ByteQuery {
    /// Takes the rotated query `y`.
    pub fn assign(&mut self, bits: usize, y: &[f32]) {
        let reach = y.iter().fold(f32::MIN_POSITIVE, |max, y| max.max(y.abs()));
        self.scale = reach / 127.0;
        let inverse = 1.0 / self.scale;
        kernels::bytes(y, inverse, &mut self.bytes);
        let sum: i32 = self.bytes.iter().map(|&byte| i32::from(byte)).sum();
        self.shift = -middle(bits) * self.scale * sum as f32;
        self.squared = dot(y, y) as f32;
    }
}

/// What the estimates in a block need: `squared distance = distance of the node + add - factor x <u - h, y>`, where
/// `y` is measured from the common centroid.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct BlockFactors {
    pub add: [f32; BLOCK],
    pub factor: [f32; BLOCK],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(random: &mut fastrand::Rng) -> f32 {
        (0..12).map(|_| random.f32()).sum::<f32>() - 6.0
    }

    /// Estimates of one inner product under many rotations: right on average, and within the bound nearly always.
    #[test]
    fn estimates_have_no_bias() {
        const DIMS: usize = 200;
        const ROTATIONS: u64 = 400;
        let mut random = fastrand::Rng::with_seed(5);
        let mut vector = || (0..DIMS).map(|_| normal(&mut random).powi(3)).collect::<Vec<f32>>();
        let (x, noise) = (vector(), vector());
        let q: Vec<f32> = x.iter().zip(noise).map(|(x, noise)| 0.5 * x + noise).collect();
        let exact = 2.0 * dot(&x, &q) as f32;
        let mut deviations = Vec::new();
        for bits in [1, 2, 4] {
            let (mut bias, mut variance, mut outside) = (0.0, 0.0, 0);
            for seed in 0..ROTATIONS {
                let rotation = Rotation::new(DIMS, seed);
                let turn = |vector: &[f32]| {
                    let mut turned = vector.to_vec();
                    turned.resize(rotation.width, 0.0);
                    rotation.turn(&mut turned);
                    turned
                };
                let (r, y) = (turn(&x), turn(&q));
                assert!((dot(&r, &y) / dot(&x, &q) - 1.0).abs() < 1e-4);
                let mut code = vec![0; rotation.width];
                let factors = encode(bits, &r, &mut code);

                let mut query = ByteQuery::default();
                query.assign(bits, &y);
                let mut words = vec![0; code.len() / 64 * bits];
                put_in_words(bits, &code, &mut words);
                let product = kernels::dot(&words, bits, &query.bytes) as f32 * query.scale + query.shift;
                let error = factors.factor * product - exact;
                bias += error / ROTATIONS as f32;
                variance += error * error / ROTATIONS as f32;
                outside += usize::from(error.abs() > factors.slack * query.squared.sqrt());

                // The same from a block, which holds it in any lane.
                let mut tables = TableQuery::default();
                tables.assign(bits, &y);
                let mut block = vec![0; bits * code.len() / GROUP * GROUP_BYTES];
                let lane = seed as usize % BLOCK;
                put_in_block(bits, &code, lane, &mut block);
                let sum = kernels::scan(&block, &tables.table)[lane];
                let same = sum as f32 * tables.scale + tables.shift;
                let direct = along(bits, &code, &y);
                assert!((product - direct).abs() < 0.02 * query.squared.sqrt() * (1 << bits) as f32);
                assert!((same - direct).abs() < 0.02 * query.squared.sqrt() * (1 << bits) as f32);
            }
            let deviation: f32 = variance.sqrt();
            assert!(
                bias.abs() < 4.0 * deviation / (ROTATIONS as f32).sqrt(),
                "{bits} bits: bias {bias} of {deviation}"
            );
            // 1.9 deviations leave out 6 % of a normal distribution.
            assert!(outside < ROTATIONS as usize / 10, "{bits} bits: {outside} outside of the bound");
            deviations.push(deviation);
        }
        assert!(deviations[0] > 1.7 * deviations[1] && deviations[1] > 2.5 * deviations[2], "{deviations:?}");
    }
}
