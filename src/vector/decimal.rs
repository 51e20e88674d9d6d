//! Prints a `real` exactly as the server's `float4out` does: the shortest decimal strictly between the midpoints to
//! the neighbouring values, in fixed form for exponents -4..=5, else with an exponent of at least two digits.
//!
//! Rust's shortest form differs from the server's in two points, which are put right here in exact integers:
//! it also accepts a midpoint itself (as a reader that rounds half to even restores the value), and of two equally
//! near decimals it takes the greater, not the even one. Few-digit midpoints exist only among integers between 2^24
//! and 2^64, ties only among values with few binary places.

use std::io::Write;

/// Greatest number of bytes that [`write_real`] appends.
pub const MAX_BYTES: usize = 16;
/// Digits that tell every `real` from its neighbours.
const MAX_DIGITS: u32 = 9;

/// `digits` x 10^`exponent`, without trailing zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decimal {
    digits: u64,
    exponent: i32,
}

impl Decimal {
    /// The shortest decimal that reads back as `value`, which is positive and finite.
    fn shortest(value: f32) -> Self {
        let mut text = [0u8; 32];
        let mut rest = &mut text[..];
        // "d.ddde-dd" has at most 9 digits: it fits
        let _ = write!(rest, "{value:e}");
        let (mut digits, mut exponent, mut fraction) = (0u64, 0i32, 0i32);
        let mut bytes = text.iter().copied();
        let mut in_fraction = false;
        for byte in bytes.by_ref().take_while(|&b| b != b'e') {
            match byte {
                b'0'..=b'9' => {
                    digits = digits * 10 + u64::from(byte - b'0');
                    fraction += i32::from(in_fraction);
                }
                _ => in_fraction = true,
            }
        }
        let mut negative = false;
        for byte in bytes {
            match byte {
                b'-' => negative = true,
                b'0'..=b'9' => exponent = exponent * 10 + i32::from(byte - b'0'),
                _ => break,
            }
        }
        Self { digits, exponent: if negative { -exponent } else { exponent } - fraction }
    }

    /// This decimal, or, when it is a midpoint between `value` and a neighbour, the shortest that is none.
    fn strictly_inside(self, value: f32) -> Self {
        if !(16_777_216.0..18_446_744_073_709_551_616.0).contains(&value) || self.exponent < 0 {
            return self;
        }
        let bits = value.to_bits();
        let mantissa = u128::from(bits & 0x7f_ffff | 0x80_0000);
        let shift = (bits >> 23) - 150;
        // All in quarters, so that half of the half gap below a power of two is whole.
        let value = (mantissa << shift) * 4;
        let half_gap = 2u128 << shift;
        let low = value - if mantissa == 0x80_0000 { half_gap / 2 } else { half_gap };
        let high = value + half_gap;
        let inside = |candidate: u128| low < candidate && candidate < high;

        let decimal = u128::from(self.digits) * 10u128.pow(self.exponent.unsigned_abs()) * 4;
        if inside(decimal) {
            return self;
        }
        let whole_digits = (value / 4).ilog10() + 1;
        for digits in self.digits.ilog10() + 1..=MAX_DIGITS {
            let exponent = whole_digits.saturating_sub(digits);
            let unit = 10u128.pow(exponent) * 4;
            let below = value / unit;
            let (down, up) = (value - below * unit, (below + 1) * unit - value);
            let nearest = if down < up || (down == up && below.is_multiple_of(2)) { below } else { below + 1 };
            let candidates = [nearest, 2 * below + 1 - nearest];
            if let Some(&found) = candidates.iter().find(|&&c| inside(c * unit)) {
                return Self { digits: found as u64, exponent: exponent as i32 }.without_trailing_zeros();
            }
        }
        self
    }

    /// This decimal, or its even neighbour when `value` lies exactly between both.
    fn half_to_even(self, value: f32) -> Self {
        let bits = value.to_bits();
        let binary_exponent = (bits >> 23) as i32 - 150;
        // Elsewhere no value has an exact decimal form short enough for a tie.
        if self.digits.is_multiple_of(2)
            || !(-13..=10).contains(&self.exponent)
            || !(-60..40).contains(&binary_exponent)
        {
            return self;
        }
        let scale = |number: u128, two: i32, ten: i32| (number << two.max(0)) * 10u128.pow(ten.max(0) as u32);
        let twice_value = scale(2 * u128::from(bits & 0x7f_ffff | 0x80_0000), binary_exponent, -self.exponent);
        let between = scale(u128::from(2 * self.digits - 1), -binary_exponent, self.exponent);
        if twice_value == between { Self { digits: self.digits - 1, ..self } } else { self }
    }

    fn without_trailing_zeros(mut self) -> Self {
        while self.digits != 0 && self.digits.is_multiple_of(10) {
            self.digits /= 10;
            self.exponent += 1;
        }
        self
    }

    /// Appends the decimal in the server's form.
    fn write(self, out: &mut Vec<u8>) {
        let mut buffer = [0u8; 20];
        let mut start = buffer.len();
        let mut rest = self.digits;
        while rest != 0 || start == buffer.len() {
            start -= 1;
            buffer[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let digits = &buffer[start..];
        let count = digits.len() as i32;
        let scientific = self.exponent + count - 1;
        match scientific {
            0..6 if self.exponent >= 0 => {
                out.extend_from_slice(digits);
                out.resize(out.len() + self.exponent as usize, b'0');
            }
            0..6 => {
                let (whole, fraction) = digits.split_at(scientific as usize + 1);
                out.extend_from_slice(whole);
                out.push(b'.');
                out.extend_from_slice(fraction);
            }
            -4..0 => {
                out.extend_from_slice(b"0.");
                out.resize(out.len() + (-scientific - 1) as usize, b'0');
                out.extend_from_slice(digits);
            }
            _ => {
                out.push(digits[0]);
                if count > 1 {
                    out.push(b'.');
                    out.extend_from_slice(&digits[1..]);
                }
                out.extend_from_slice(if scientific < 0 { b"e-" } else { b"e+" });
                let exponent = scientific.unsigned_abs() as u8;
                out.extend_from_slice(&[b'0' + exponent / 10, b'0' + exponent % 10]);
            }
        }
    }
}

/// Appends `value`, which is finite, as `float4out` prints it with `extra_float_digits` above 0.
pub fn write_real(value: f32, out: &mut Vec<u8>) {
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let magnitude = value.abs();
    if magnitude == 0.0 {
        out.push(b'0');
    } else {
        Decimal::shortest(magnitude)
            .strictly_inside(magnitude)
            .half_to_even(magnitude)
            .without_trailing_zeros()
            .write(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn print(value: f32) -> String {
        let mut out = Vec::new();
        write_real(value, &mut out);
        assert!(out.len() <= MAX_BYTES, "{}", out.len());
        String::from_utf8(out).unwrap()
    }

    /// What a PostgreSQL 15 server prints for these values.
    #[test]
    fn prints_as_the_server() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (2.5, "2.5"),
            (-0.0003, "-0.0003"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (0.000012345, "1.2345e-05"),
            (100000.0, "100000"),
            (999999.0, "999999"),
            (1e6, "1e+06"),
            (1234567.0, "1.234567e+06"),
            (123456.7, "123456.7"),
            (16777216.0, "1.6777216e+07"),
            (0.1, "0.1"),
            (1.0 / 3.0, "0.33333334"),
            (f32::MAX, "3.4028235e+38"),
            (f32::MIN_POSITIVE, "1.1754944e-38"),
            (1e-45, "1e-45"),
        ] {
            assert_eq!(print(value), expected);
        }
    }

    /// Where Rust's shortest form differs: found by comparing every positive value with the server's routine.
    #[test]
    fn midpoints_and_ties() {
        for (value, expected) in [
            (33_554_448.0, "3.3554448e+07"),
            (33_554_472.0, "3.3554472e+07"),
            (8_589_934_592.0, "8.589935e+09"),
            (1.0 / 4096.0, "0.00024414062"),
            (10.0 / 4096.0, "0.0024414062"),
            (65.0 / 512.0, "0.12695312"),
            (8_388_609.0 / 4.0, "2.0971522e+06"),
        ] {
            assert_eq!(print(value), expected);
        }
    }

    proptest! {
        #[test]
        fn reads_back(bits in any::<u32>()) {
            let value = f32::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(print(value).parse::<f32>().unwrap().to_bits(), bits);
        }

        /// The decimal, read exactly, is nearer to the value than to either neighbour.
        #[test]
        fn is_strictly_nearest(shift in 1u32..40, mantissa in 0x80_0000u32..0x100_0000) {
            let value = mantissa as f32 * 2f32.powi(shift as i32);
            let decimal = Decimal::shortest(value).strictly_inside(value);
            let exact = u128::from(decimal.digits) * 10u128.pow(decimal.exponent.unsigned_abs());
            let distance = |other: f32| (other as u128).abs_diff(exact);
            prop_assert!(distance(value) < distance(value.next_up()));
            prop_assert!(distance(value) < distance(value.next_down()));
        }
    }
}
