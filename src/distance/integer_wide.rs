//! Kernels over signed bytes and bits by AVX-512: those that simsimd lacks, two sums in one pass over the vectors (what cosine and
//! Jaccard need) and L1; and inner products, L2 and Hamming, of which it takes 32 bytes at a time, or has the result go through memory.
//!
//! Where bytes are left at the end, loads are masked: no byte behind a slice is read, and what is not read counts as zero.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_dpbusd_epi32, _mm512_maskz_loadu_epi8, _mm512_max_epi8, _mm512_min_epi8,
    _mm512_popcnt_epi64, _mm512_reduce_add_epi32, _mm512_reduce_add_epi64, _mm512_sad_epu8, _mm512_set1_epi8,
    _mm512_setzero_si512, _mm512_sub_epi8, _mm512_xor_si512,
};

/// Whether the processor has what the kernels are made of.
#[must_use]
pub fn is_there() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("avx512vpopcntdq")
}

/// Bit n of the mask: whether byte n of the next 64, or fewer, is one of `left`.
#[inline(always)]
fn mask(left: usize) -> u64 {
    if left >= 64 { u64::MAX } else { (1 << left) - 1 }
}

/// The 64 bytes of both from `at` on, zeros behind the end.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load(a: &[u8], b: &[u8], at: usize) -> (__m512i, __m512i) {
    let mask = mask(a.len().min(b.len()) - at);
    // SAFETY: `at` is in both slices; bytes that the mask leaves out, behind the shorter one's end, are not read
    unsafe {
        let (a, b) = (a.as_ptr().add(at), b.as_ptr().add(at));
        (_mm512_maskz_loadu_epi8(mask, a.cast()), _mm512_maskz_loadu_epi8(mask, b.cast()))
    }
}

/// Adds up products of bytes, those of the first without a sign and those of the second with one, four to a lane.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn add_products(sum: __m512i, unsigned: __m512i, signed: __m512i) -> __m512i {
    _mm512_dpbusd_epi32(sum, unsigned, signed)
}

/// Inner product, and the sum of the squares of `b`.
pub fn dot_and_squares(a: &[u8], b: &[u8]) -> (i64, i64) {
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn sums(a: &[u8], b: &[u8]) -> (i64, i64) {
        let zero = _mm512_setzero_si512();
        let (mut dot, mut squares, mut sum) = (zero, zero, zero);
        let (sign, ones) = (_mm512_set1_epi8(i8::MIN), _mm512_set1_epi8(1));
        let (len, mut at) = (a.len().min(b.len()), 0);
        while at < len {
            let (x, y) = load(a, b, at);
            // with the sign turned it is x + 128, without a sign
            dot = add_products(dot, _mm512_xor_si512(x, sign), y);
            squares = add_products(squares, _mm512_xor_si512(y, sign), y);
            sum = add_products(sum, ones, y);
            at += 64;
        }
        let sum = 128 * i64::from(_mm512_reduce_add_epi32(sum));
        (i64::from(_mm512_reduce_add_epi32(dot)) - sum, i64::from(_mm512_reduce_add_epi32(squares)) - sum)
    }
    // SAFETY: taken where the processor has the instructions
    unsafe { sums(a, b) }
}

/// Inner product of signed bytes.
pub fn dot(a: &[u8], b: &[u8]) -> i64 {
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn dot(a: &[u8], b: &[u8]) -> i64 {
        let (mut dot, mut sum) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        let (sign, ones) = (_mm512_set1_epi8(i8::MIN), _mm512_set1_epi8(1));
        let (len, mut at) = (a.len().min(b.len()), 0);
        while at < len {
            let (x, y) = load(a, b, at);
            dot = add_products(dot, _mm512_xor_si512(x, sign), y);
            sum = add_products(sum, ones, y);
            at += 64;
        }
        i64::from(_mm512_reduce_add_epi32(dot)) - 128 * i64::from(_mm512_reduce_add_epi32(sum))
    }
    // SAFETY: taken where the processor has the instructions
    unsafe { dot(a, b) }
}

/// Sum of the squares of the differences of signed bytes.
pub fn l2_squared(a: &[u8], b: &[u8]) -> i64 {
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn l2_squared(a: &[u8], b: &[u8]) -> i64 {
        let (mut products, mut sum) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        let (sign, ones) = (_mm512_set1_epi8(i8::MIN), _mm512_set1_epi8(1));
        let (len, mut at) = (a.len().min(b.len()), 0);
        while at < len {
            let (x, y) = load(a, b, at);
            // the difference d without a sign; as a product with a sign d (d - 128)
            let d = _mm512_sub_epi8(_mm512_max_epi8(x, y), _mm512_min_epi8(x, y));
            products = add_products(products, d, _mm512_xor_si512(d, sign));
            sum = add_products(sum, d, ones);
            at += 64;
        }
        i64::from(_mm512_reduce_add_epi32(products)) + 128 * i64::from(_mm512_reduce_add_epi32(sum))
    }
    // SAFETY: taken where the processor has the instructions
    unsafe { l2_squared(a, b) }
}

/// Number of bits that differ.
pub fn differing(a: &[u8], b: &[u8]) -> i64 {
    #[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
    fn differing(a: &[u8], b: &[u8]) -> i64 {
        let (mut differing, len, mut at) = (_mm512_setzero_si512(), a.len().min(b.len()), 0);
        while at < len {
            let (x, y) = load(a, b, at);
            differing = _mm512_add_epi64(differing, _mm512_popcnt_epi64(_mm512_xor_si512(x, y)));
            at += 64;
        }
        _mm512_reduce_add_epi64(differing)
    }
    // SAFETY: taken where the processor has the instructions
    unsafe { differing(a, b) }
}

/// Number of bits that differ, and of those that are set in `b`.
pub fn differing_and_ones(a: &[u8], b: &[u8]) -> (i64, i64) {
    #[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
    fn sums(a: &[u8], b: &[u8]) -> (i64, i64) {
        let (mut differing, mut ones) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        let (len, mut at) = (a.len().min(b.len()), 0);
        while at < len {
            let (x, y) = load(a, b, at);
            differing = _mm512_add_epi64(differing, _mm512_popcnt_epi64(_mm512_xor_si512(x, y)));
            ones = _mm512_add_epi64(ones, _mm512_popcnt_epi64(y));
            at += 64;
        }
        (_mm512_reduce_add_epi64(differing), _mm512_reduce_add_epi64(ones))
    }
    // SAFETY: taken where the processor has the instructions
    unsafe { sums(a, b) }
}

/// Sum of the absolute differences of signed bytes.
pub fn l1(a: &[u8], b: &[u8]) -> i64 {
    #[target_feature(enable = "avx512f,avx512bw")]
    fn sum(a: &[u8], b: &[u8]) -> i64 {
        let mut sum = _mm512_setzero_si512();
        // the instruction is of unsigned bytes: with the sign turned the order, and so the differences, are the same
        let sign = _mm512_set1_epi8(i8::MIN);
        let (len, mut at) = (a.len().min(b.len()), 0);
        while at < len {
            let (x, y) = load(a, b, at);
            sum = _mm512_add_epi64(sum, _mm512_sad_epu8(_mm512_xor_si512(x, sign), _mm512_xor_si512(y, sign)));
            at += 64;
        }
        _mm512_reduce_add_epi64(sum)
    }
    // SAFETY: taken where the processor has the instructions
    unsafe { sum(a, b) }
}
