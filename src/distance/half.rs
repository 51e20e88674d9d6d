//! IEEE half floats: 11 significant bits, magnitudes from 2^-24 to 65,504.
//!
//! Every half float is a `f32` too, so widening is exact on any processor; narrowing rounds once, half to even.

use crate::distance::features::{Instructions, allowed};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A half float, by its bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(transparent)]
pub struct Half(pub u16);

/// What brings the exponent of a half float, shifted to its place in a `f32`, to what a `f32` counts from.
const REBIAS: f32 = f32::from_bits((127 + 127 - 15) << 23);

impl Half {
    /// The greatest finite value.
    pub const MAX: Self = Self(0x7bff);

    /// Whether it is neither NaN nor infinite.
    #[inline]
    #[must_use]
    pub const fn is_finite(self) -> bool {
        self.0 & 0x7c00 != 0x7c00
    }

    /// The same number; without branches, so that loops over it are compiled to vector instructions.
    #[inline(always)]
    #[must_use]
    pub fn to_f32(self) -> f32 {
        let bits = u32::from(self.0);
        // exact for subnormal halves, too, which are normal in `f32`
        let magnitude = f32::from_bits((bits & 0x7fff) << 13) * REBIAS;
        let special = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
        f32::from_bits(magnitude.to_bits() | special | (bits & 0x8000) << 16)
    }

    /// The nearest half float; of two equally near ones the even one. What is too large becomes infinite.
    #[must_use]
    pub fn from_f64(value: f64) -> Self {
        let sign = if value.is_sign_negative() { 0x8000 } else { 0 };
        let magnitude = value.abs();
        if magnitude.is_nan() {
            return Self(0x7e00 | sign);
        }
        // the step between the half floats around the value, a power of two
        let exponent = ((magnitude.to_bits() >> 52) as i32 - 1023).max(-14);
        if exponent > 15 {
            return Self(0x7c00 | sign);
        }
        // at most 2^11, and exact but for this one rounding
        let steps = (magnitude * 2f64.powi(10 - exponent)).round_ties_even() as u16;
        // a carry into the exponent is right, up to infinity
        let bits = if steps < 1 << 10 { steps } else { (((exponent + 15) as u16) << 10) + (steps - (1 << 10)) };
        Self(bits | sign)
    }
}

/// Widens matching elements; `to` is as long as `from`.
#[inline]
pub fn widen(from: &[Half], to: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if allowed() >= Instructions::Avx2 {
        // SAFETY: the CPU has the features
        return unsafe { widen_f16c(from, to) };
    }
    widen_portable(from, to);
}

#[inline(always)]
fn widen_portable(from: &[Half], to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = from.to_f32();
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,f16c")]
fn widen_f16c(from: &[Half], to: &mut [f32]) {
    use std::arch::x86_64::{_mm_loadu_si128, _mm256_cvtph_ps, _mm256_storeu_ps};
    let (from_chunks, from_rest) = from.as_chunks::<8>();
    let (to_chunks, to_rest) = to.as_chunks_mut::<8>();
    for (from, to) in from_chunks.iter().zip(to_chunks) {
        // SAFETY: both are eight elements
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().cast()))) }
    }
    widen_portable(from_rest, to_rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a half float's bits mean, by the standard's definition.
    fn meaning(bits: u16) -> f64 {
        let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3ff));
        let magnitude = match exponent {
            0 => fraction * 2f64.powi(-24),
            31 if fraction == 0.0 => f64::INFINITY,
            31 => f64::NAN,
            _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
        };
        if bits & 0x8000 == 0 { magnitude } else { -magnitude }
    }

    #[test]
    fn every_half_widens_exactly_and_comes_back() {
        let all: Vec<Half> = (0..=u16::MAX).map(Half).collect();
        let mut wide = vec![0.0; all.len()];
        widen(&all, &mut wide);
        for (half, wide) in all.iter().zip(wide) {
            let exact = meaning(half.0);
            if exact.is_nan() {
                assert!(wide.is_nan() && half.to_f32().is_nan() && !half.is_finite());
                assert!(!Half::from_f64(exact).is_finite());
                continue;
            }
            assert_eq!(f64::from(half.to_f32()).to_bits(), exact.to_bits(), "{half:?}");
            assert_eq!(f64::from(wide).to_bits(), exact.to_bits(), "{half:?}");
            assert_eq!(half.is_finite(), exact.is_finite());
            assert_eq!(Half::from_f64(exact), *half);
        }
    }

    #[test]
    fn narrowing_takes_the_nearest_and_of_two_the_even_one() {
        for bits in 0..0x7bff {
            let (low, high) = (meaning(bits), meaning(bits + 1));
            let middle = f64::midpoint(low, high);
            let even = if bits % 2 == 0 { bits } else { bits + 1 };
            assert_eq!(Half::from_f64(middle), Half(even), "{middle:e}");
            assert_eq!(Half::from_f64(-middle), Half(even | 0x8000), "{middle:e}");
            assert_eq!(Half::from_f64(middle.next_down()), Half(bits));
            assert_eq!(Half::from_f64(middle.next_up()), Half(bits + 1));
        }
        // the first that rounds to what would come after the greatest
        assert_eq!(Half::from_f64(65_519.99), Half::MAX);
        assert!(!Half::from_f64(65_520.0).is_finite());
        assert!(!Half::from_f64(1e300).is_finite());
        assert_eq!(Half::from_f64(1e-300), Half(0));
        assert_eq!(Half::from_f64(-1e-300), Half(0x8000));
    }
}
