//! Kernels over signed bytes and over bits: integer sums, so that no order of adding up, and no processor, makes another
//! number. Inner products, squares of differences and counts of differing bits are simsimd's, but with AVX-512 our own
//! (`integer_wide`); it has no L1.
//!
//! A piece of a vector has fewer than 2^14 bytes, so that no sum of squares of differences (255^2 each) leaves an `i32`,
//! in which some kernels add up.

use crate::distance::features::{Instructions, allowed, of_processor};
#[cfg(target_arch = "x86_64")]
use crate::distance::integer_wide;
use std::sync::OnceLock;

// It brings the functions below.
use simsimd as _;

/// A kernel of simsimd over dense vectors: of two pieces of `n` bytes.
type Kernel = unsafe extern "C" fn(*const u8, *const u8, u64, *mut f64);

// SAFETY: as in simsimd's header `simsimd.h` (6.x), whose C library is a part of the crate
unsafe extern "C" {
    safe fn simsimd_capabilities() -> u32;
    fn simsimd_find_kernel_punned(
        kind: u32,
        datatype: u32,
        supported: u32,
        allowed: u32,
        kernel: *mut Option<Kernel>,
        capability: *mut u32,
    );
}

const DOT: u32 = b'i' as u32;
const L2_SQUARED: u32 = b'e' as u32;
const HAMMING: u32 = b'h' as u32;
const BITS: u32 = 1 << 1;
const SIGNED_BYTES: u32 = 1 << 2;

/// simsimd's capabilities that belong to our instruction sets: plain code, AVX2, whatever there is.
const SERIAL: u32 = 1;
const HASWELL: u32 = 1 << 10;
const ANY: u32 = 0x7fff_ffff;

/// The kernels of one instruction set.
#[derive(Clone, Copy)]
pub struct Kernels {
    dot: Sum,
    l2_squared: Sum,
    hamming: Sum,
    l1: fn(&[u8], &[u8]) -> i64,
    /// both of [`Kernels::dot_and_squares`], and of [`Kernels::differing_and_ones`], in one pass
    fused: Option<(TwoSums, TwoSums)>,
}

/// A sum over two pieces of the same length.
#[derive(Clone, Copy)]
enum Sum {
    Simsimd(Kernel),
    Own(fn(&[u8], &[u8]) -> i64),
}

impl Sum {
    #[inline(always)]
    fn of(self, a: &[u8], b: &[u8]) -> i64 {
        debug_assert_eq!(a.len(), b.len());
        match self {
            Self::Own(sum) => sum(a, b),
            Self::Simsimd(kernel) => {
                let mut result = 0.0;
                // SAFETY: as many bytes are read of each as both have
                unsafe { kernel(a.as_ptr(), b.as_ptr(), a.len().min(b.len()) as u64, &mut result) }
                result as i64
            }
        }
    }
}

/// Two sums over two pieces.
type TwoSums = fn(&[u8], &[u8]) -> (i64, i64);

/// The kernel of these kinds among those `allowed`; the plain one at least.
fn find(kind: u32, datatype: u32, allowed: u32) -> Kernel {
    /// Where simsimd has none at all, which no version of it does.
    unsafe extern "C" fn none(_: *const u8, _: *const u8, _: u64, result: *mut f64) {
        // SAFETY: by contract of a kernel
        unsafe { *result = f64::NAN }
    }
    let (mut kernel, mut capability) = (None, 0);
    // SAFETY: both places outlive the call
    unsafe {
        simsimd_find_kernel_punned(kind, datatype, simsimd_capabilities(), allowed, &mut kernel, &mut capability);
    }
    kernel.unwrap_or(none)
}

impl Kernels {
    /// Those of an instruction set, which the processor may have or not: what it lacks is left out.
    #[must_use]
    pub fn of(instructions: Instructions) -> Self {
        let allowed = match instructions {
            Instructions::Portable => SERIAL,
            Instructions::Avx2 => SERIAL | HASWELL,
            Instructions::Avx512 => ANY,
        };
        let instructions = instructions.min(of_processor());
        #[cfg(target_arch = "x86_64")]
        if instructions >= Instructions::Avx512 && integer_wide::is_there() {
            return Self {
                dot: Sum::Own(integer_wide::dot),
                l2_squared: Sum::Own(integer_wide::l2_squared),
                hamming: Sum::Own(integer_wide::differing),
                l1: integer_wide::l1,
                fused: Some((integer_wide::dot_and_squares, integer_wide::differing_and_ones)),
            };
        }
        Self {
            dot: Sum::Simsimd(find(DOT, SIGNED_BYTES, allowed)),
            l2_squared: Sum::Simsimd(find(L2_SQUARED, SIGNED_BYTES, allowed)),
            hamming: Sum::Simsimd(find(HAMMING, BITS, allowed)),
            l1: if instructions >= Instructions::Avx2 { l1_by_avx2 } else { l1_portable },
            fused: None,
        }
    }

    /// The best that may be used.
    #[inline]
    #[must_use]
    pub fn best() -> &'static Self {
        static BEST: OnceLock<Kernels> = OnceLock::new();
        // processors of other makers have sets that only simsimd tells apart
        BEST.get_or_init(|| Self::of(if allowed() == of_processor() { Instructions::Avx512 } else { allowed() }))
    }

    /// Inner product.
    #[inline]
    #[must_use]
    pub fn dot(&self, a: &[i8], b: &[i8]) -> i64 {
        self.dot.of(bytes(a), bytes(b))
    }

    /// Sum of the squares of the differences.
    #[inline]
    #[must_use]
    pub fn l2_squared(&self, a: &[i8], b: &[i8]) -> i64 {
        self.l2_squared.of(bytes(a), bytes(b))
    }

    /// Sum of the absolute differences.
    #[inline]
    #[must_use]
    pub fn l1(&self, a: &[i8], b: &[i8]) -> i64 {
        (self.l1)(bytes(a), bytes(b))
    }

    /// Inner product, and the sum of the squares of `b`.
    #[inline]
    #[must_use]
    pub fn dot_and_squares(&self, a: &[i8], b: &[i8]) -> (i64, i64) {
        match self.fused {
            Some((sums, _)) => sums(bytes(a), bytes(b)),
            None => (self.dot(a, b), self.dot(b, b)),
        }
    }

    /// Number of bits that differ, and of those that are set in `b`.
    #[inline]
    #[must_use]
    pub fn differing_and_ones(&self, a: &[u8], b: &[u8]) -> (i64, i64) {
        match self.fused {
            Some((_, sums)) => sums(a, b),
            None => (self.hamming(a, b), ones(b)),
        }
    }

    /// Number of bits that differ.
    #[inline]
    #[must_use]
    pub fn hamming(&self, a: &[u8], b: &[u8]) -> i64 {
        self.hamming.of(a, b)
    }
}

/// Number of bits that are set: that differ from bits that are not.
#[inline]
#[must_use]
pub fn ones(bits: &[u8]) -> i64 {
    static ZEROS: [u8; 1 << 13] = [0; 1 << 13];
    bits.chunks(ZEROS.len()).map(|part| Kernels::best().hamming(part, &ZEROS[..part.len()])).sum()
}

fn bytes(elements: &[i8]) -> &[u8] {
    zerocopy::IntoBytes::as_bytes(elements)
}

#[inline(always)]
fn l1_portable(a: &[u8], b: &[u8]) -> i64 {
    let differs = |x: u8, y: u8| u32::from((x as i8).abs_diff(y as i8));
    let part = |a: &[u8], b: &[u8]| i64::from(a.iter().zip(b).map(|(&x, &y)| differs(x, y)).sum::<u32>());
    let (a_chunks, a_rest) = a.as_chunks::<64>();
    let (b_chunks, b_rest) = b.as_chunks::<64>();
    let sum: u32 = a_chunks.iter().zip(b_chunks).map(|(a, b)| part(a, b) as u32).sum();
    i64::from(sum) + part(a_rest, b_rest)
}

fn l1_by_avx2(a: &[u8], b: &[u8]) -> i64 {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn l1(a: &[u8], b: &[u8]) -> i64 {
            l1_portable(a, b)
        }
        // SAFETY: `Kernels::of` takes it where the processor has the instructions
        unsafe { l1(a, b) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    l1_portable(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(a: &[i8], b: &[i8]) {
        let pairs = || a.iter().zip(b).map(|(&x, &y)| (i64::from(x), i64::from(y)));
        let dot: i64 = pairs().map(|(x, y)| x * y).sum();
        let l2: i64 = pairs().map(|(x, y)| (x - y) * (x - y)).sum();
        let l1: i64 = pairs().map(|(x, y)| (x - y).abs()).sum();
        let differing: i64 = a.iter().zip(b).map(|(x, y)| i64::from((x ^ y).count_ones())).sum();
        let squares: i64 = a.iter().map(|&x| i64::from(x) * i64::from(x)).sum();
        let ones_of_a: i64 = a.iter().map(|x| i64::from(x.count_ones())).sum();
        assert_eq!(ones(bytes(a)), ones_of_a);
        for set in Instructions::ALL {
            let kernels = Kernels::of(set);
            let what = format!("{set:?}, {} bytes", a.len());
            assert_eq!(kernels.dot(a, b), dot, "inner product, {what}");
            assert_eq!(kernels.l2_squared(a, b), l2, "L2, {what}");
            assert_eq!(kernels.l1(a, b), l1, "L1, {what}");
            assert_eq!(kernels.hamming(bytes(a), bytes(b)), differing, "Hamming, {what}");
            assert_eq!(kernels.dot_and_squares(b, a), (dot, squares), "inner product and squares, {what}");
            assert_eq!(kernels.differing_and_ones(bytes(b), bytes(a)), (differing, ones_of_a), "bits, {what}");
        }
    }

    #[test]
    fn every_length_and_alignment_on_every_instruction_set() {
        let mut random = fastrand::Rng::with_seed(1);
        let numbers: Vec<i8> = (0..40_000).map(|_| random.i8(..)).collect();
        for n in (0..=300).chain([511, 512, 784, 1000, 1536, 4095, 8151, 8152]) {
            for _ in 0..4 {
                let (a, b) = (random.usize(..=numbers.len() - n), random.usize(..=numbers.len() - n));
                check(&numbers[a..a + n], &numbers[b..b + n]);
            }
        }
    }

    #[test]
    fn extremes_neither_saturate_nor_overflow() {
        for n in [1, 31, 64, 300, 784, 8152, 16_383] {
            for (x, y) in [(-128, -128), (-128, 127), (127, 127), (127, -128), (0, -128), (1, -1)] {
                check(&vec![x; n], &vec![y; n]);
            }
        }
    }

    /// The plain kernels are not all that this test sees where the processor has more.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn wider_instructions_are_other_kernels() {
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            let (plain, wide) = (Kernels::of(Instructions::Portable), Kernels::of(Instructions::Avx2));
            let different =
                |a: Sum, b: Sum| matches!((a, b), (Sum::Simsimd(a), Sum::Simsimd(b)) if a as usize != b as usize);
            assert!(different(plain.dot, wide.dot) && different(plain.hamming, wide.hamming));
            assert!(plain.fused.is_none() && wide.fused.is_none());
            assert_eq!(Kernels::of(Instructions::Avx512).fused.is_some(), integer_wide::is_there());
        }
    }
}
