//! Which of many 64-bit keys lie in a range: eight, four or one at a time.

use crate::distance::features::{Instructions, allowed};

/// Adds to `words`, a bit for each of `keys`, little-endian, those from `first` to `first + width`.
pub fn add_within(keys: &[[u8; 8]], first: u64, width: u64, words: &mut [u64]) {
    add_within_by(allowed(), keys, first, width, words);
}

/// As [`add_within`], by these instructions, which the processor must have.
fn add_within_by(by: Instructions, keys: &[[u8; 8]], first: u64, width: u64, words: &mut [u64]) {
    let (whole, rest) = keys.as_chunks::<64>();
    for (word, keys) in words.iter_mut().zip(whole) {
        *word |= match by {
            // SAFETY: the processor has them
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => unsafe { by_avx512(keys, first, width) },
            // SAFETY: the processor has them
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx2 => unsafe { by_avx2(keys, first, width) },
            _ => one_by_one(keys, first, width),
        };
    }
    if let Some(word) = words.get_mut(whole.len()) {
        *word |= one_by_one(rest, first, width);
    }
}

#[inline(always)]
fn one_by_one(keys: &[[u8; 8]], first: u64, width: u64) -> u64 {
    let mut bits = 0;
    for (i, key) in keys.iter().enumerate() {
        bits |= u64::from(u64::from_le_bytes(*key).wrapping_sub(first) <= width) << i;
    }
    bits
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn by_avx512(keys: &[[u8; 8]; 64], first: u64, width: u64) -> u64 {
    use std::arch::x86_64::{_mm512_cmple_epu64_mask, _mm512_loadu_epi64, _mm512_set1_epi64, _mm512_sub_epi64};
    let (first, width) = (_mm512_set1_epi64(first.cast_signed()), _mm512_set1_epi64(width.cast_signed()));
    let mut bits = 0;
    for (i, eight) in keys.as_chunks::<8>().0.iter().enumerate() {
        // SAFETY: 64 bytes
        let keys = unsafe { _mm512_loadu_epi64(eight.as_ptr().cast()) };
        bits |= u64::from(_mm512_cmple_epu64_mask(_mm512_sub_epi64(keys, first), width)) << (8 * i);
    }
    bits
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn by_avx2(keys: &[[u8; 8]; 64], first: u64, width: u64) -> u64 {
    use std::arch::x86_64::{
        _mm256_castsi256_pd, _mm256_cmpgt_epi64, _mm256_loadu_si256, _mm256_movemask_pd, _mm256_set1_epi64x,
        _mm256_sub_epi64, _mm256_xor_si256,
    };
    // numbers without a sign are compared as such that have one, half of all lower
    let sign = _mm256_set1_epi64x(i64::MIN);
    let first = _mm256_set1_epi64x(first.cast_signed());
    let width = _mm256_xor_si256(_mm256_set1_epi64x(width.cast_signed()), sign);
    let mut bits = 0;
    for (i, four) in keys.as_chunks::<4>().0.iter().enumerate() {
        // SAFETY: 32 bytes
        let keys = unsafe { _mm256_loadu_si256(four.as_ptr().cast()) };
        let beyond = _mm256_cmpgt_epi64(_mm256_xor_si256(_mm256_sub_epi64(keys, first), sign), width);
        bits |= u64::from(!_mm256_movemask_pd(_mm256_castsi256_pd(beyond)).cast_unsigned() & 15) << (4 * i);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::features::of_processor;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_way_finds_the_same(
            keys in prop::collection::vec(prop_oneof![any::<u64>(), 0..9_u64, u64::MAX - 9..], 0..300),
            (a, b) in prop_oneof![(any::<u64>(), any::<u64>()), (0..9_u64, 0..9_u64), (0..9_u64, u64::MAX - 9..)],
        ) {
            let (first, last) = (a.min(b), a.max(b));
            let bytes: Vec<_> = keys.iter().map(|key| key.to_le_bytes()).collect();
            for by in Instructions::ALL.into_iter().filter(|&by| by <= of_processor()) {
                let mut words = vec![0; keys.len().div_ceil(64)];
                add_within_by(by, &bytes, first, last - first, &mut words);
                for (i, key) in keys.iter().enumerate() {
                    prop_assert_eq!(words[i / 64] >> (i % 64) & 1 == 1, (first..=last).contains(key));
                }
            }
        }
    }
}
