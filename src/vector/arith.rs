//! Element-wise arithmetic, norms and parts of vectors.
//!
//! Results are written to memory of the caller, of the length that each function states; operands of one
//! operation have the same dimensions, which callers check with [`super::check_same_dims`].

use super::{check_dims, out_of_range};
use crate::distance;
use crate::error::{Error, Result, SqlState};
use std::ops::Range;

/// An operation on matching elements of two vectors, whose result goes into the third slice.
pub type ElementWise = fn(&[f32], &[f32], &mut [f32]) -> Result<()>;

/// An operation on a vector and a number, whose result goes into the second slice.
pub type WithNumber = fn(&[f32], f64, &mut [f32]) -> Result<()>;

fn element_wise(a: &[f32], b: &[f32], out: &mut [f32], op: impl Fn(f32, f32) -> f32, what: &'static str) -> Result<()> {
    let mut finite = true;
    for ((o, &x), &y) in out.iter_mut().zip(a).zip(b) {
        *o = op(x, y);
        finite &= o.is_finite();
    }
    if finite { Ok(()) } else { Err(out_of_range(format!("{what} of two vectors is out of range: overflow"))) }
}

/// `a + b` into `out`.
///
/// # Errors
/// `NumericValueOutOfRange` when an element overflows.
pub fn add(a: &[f32], b: &[f32], out: &mut [f32]) -> Result<()> {
    element_wise(a, b, out, |x, y| x + y, "sum")
}

/// `a - b` into `out`.
///
/// # Errors
/// `NumericValueOutOfRange` when an element overflows.
pub fn sub(a: &[f32], b: &[f32], out: &mut [f32]) -> Result<()> {
    element_wise(a, b, out, |x, y| x - y, "difference")
}

/// Element-wise product into `out`.
///
/// # Errors
/// `NumericValueOutOfRange` when an element overflows, or vanishes though neither factor is zero.
pub fn mul(a: &[f32], b: &[f32], out: &mut [f32]) -> Result<()> {
    element_wise(a, b, out, |x, y| x * y, "product")?;
    if out.iter().zip(a).zip(b).any(|((&o, &x), &y)| o == 0.0 && x != 0.0 && y != 0.0) {
        return Err(underflow("product", "two vectors"));
    }
    Ok(())
}

/// `-a` into `out`.
pub fn negate(a: &[f32], out: &mut [f32]) {
    for (o, &x) in out.iter_mut().zip(a) {
        *o = -x;
    }
}

/// `op` of each element and `number`, computed in `f64` and rounded once.
fn with_number(
    a: &[f32],
    number: f64,
    out: &mut [f32],
    op: impl Fn(f64, f64) -> f64,
    what: &'static str,
) -> Result<()> {
    if !number.is_finite() {
        let shown = if number.is_nan() { "NaN" } else { "an infinite value" };
        return Err(Error::new(SqlState::DataException, format!("{shown} is not allowed in a {what} with a zvec"))
            .hint("The number must be finite, because every element of the result must be."));
    }
    let mut finite = true;
    let mut vanished = false;
    for (o, &x) in out.iter_mut().zip(a) {
        *o = op(f64::from(x), number) as f32;
        finite &= o.is_finite();
        vanished |= *o == 0.0 && x != 0.0 && number != 0.0;
    }
    if !finite {
        return Err(out_of_range(format!("{what} of a vector and a number is out of range: overflow")));
    }
    if vanished {
        return Err(underflow(what, "a vector and a number"));
    }
    Ok(())
}

/// `a * number` into `out`, each element rounded once.
///
/// # Errors
/// `NumericValueOutOfRange` when an element overflows, or vanishes though neither factor is zero; `DataException` when the
/// number is not finite.
pub fn scale(a: &[f32], number: f64, out: &mut [f32]) -> Result<()> {
    with_number(a, number, out, |x, y| x * y, "product")
}

/// `a / number` into `out`, each element rounded once.
///
/// # Errors
/// `DivisionByZero`; otherwise as [`scale`].
pub fn divide(a: &[f32], number: f64, out: &mut [f32]) -> Result<()> {
    if number == 0.0 {
        return Err(Error::new(SqlState::DivisionByZero, "division of a zvec by zero").hint(
            "Divide by NULLIF(number, 0) to get NULL instead, or use l2_normalize(), which leaves zero vectors alone.",
        ));
    }
    with_number(a, number, out, |x, y| x / y, "quotient")
}

#[cold]
fn underflow(what: &str, operands: &str) -> Error {
    Error::new(SqlState::NumericValueOutOfRange, format!("{what} of {operands} is out of range: underflow"))
        .hint(format!("An element of the {what} is smaller than a real can hold; scale the vectors."))
}

/// The dimensions of `a || b`.
///
/// # Errors
/// As [`check_dims`].
pub fn concat_dims(a: usize, b: usize) -> Result<usize> {
    check_dims(a + b)
}

/// Euclidean norm.
pub fn l2_norm(a: &[f32]) -> f64 {
    distance::dot(a, a).sqrt()
}

/// `a` scaled to Euclidean norm 1 into `out`; a zero vector stays zero.
pub fn l2_normalize(a: &[f32], out: &mut [f32]) {
    let norm = l2_norm(a);
    for (o, &x) in out.iter_mut().zip(a) {
        *o = if norm > 0.0 { (f64::from(x) / norm) as f32 } else { 0.0 };
    }
}

/// The elements that `subvector(v, start, count)` takes from a vector of `dims` dimensions: `count` elements from
/// `start` (from 1) on, without those before the first and after the last, as `substr` does.
///
/// # Errors
/// `DataException` when nothing is left.
pub fn subvector_range(dims: usize, start: i32, count: i32) -> Result<Range<usize>> {
    let end = (i64::from(start) + i64::from(count)).clamp(1, dims as i64 + 1);
    let start = i64::from(start).clamp(1, dims as i64 + 1);
    if count < 1 || end <= start {
        return Err(Error::new(SqlState::DataException, "a zvec must have at least 1 dimension").hint(format!(
            "subvector(zvec, start, count) counts from 1: the range must meet the vector's {dims} dimensions."
        )));
    }
    Ok(start as usize - 1..end as usize - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn element_by_element() {
        let run = |op: ElementWise| {
            let mut out = [0.0; 2];
            op(&[3.0, -1.5], &[0.5, 2.0], &mut out).map(|()| out)
        };
        assert_eq!(run(add), Ok([3.5, 0.5]));
        assert_eq!(run(sub), Ok([2.5, -3.5]));
        assert_eq!(run(mul), Ok([1.5, -3.0]));
    }

    #[test]
    fn overflow_and_underflow() {
        let run = |op: ElementWise, x: f32, y: f32| {
            let mut out = [0.0; 2];
            op(&[1.0, x], &[1.0, y], &mut out).map_err(|e| e.state)
        };
        let overflow = Err(SqlState::NumericValueOutOfRange);
        assert_eq!(run(add, f32::MAX, f32::MAX), overflow);
        assert_eq!(run(sub, f32::MAX, f32::MIN), overflow);
        assert_eq!(run(mul, f32::MAX, 2.0), overflow);
        assert_eq!(run(mul, 1e-30, 1e-30), overflow);
        assert_eq!(run(mul, 0.0, 1e-30), Ok(()));
        assert_eq!(run(add, f32::MAX, 1.0), Ok(()));
    }

    #[test]
    fn with_numbers() {
        let run = |op: WithNumber, number: f64| {
            let mut out = [9.0; 3];
            op(&[3.0, -1.5, 0.0], number, &mut out).map(|()| out).map_err(|e| e.state)
        };
        assert_eq!(run(scale, 2.0), Ok([6.0, -3.0, 0.0]));
        assert_eq!(run(scale, 0.0), Ok([0.0, 0.0, 0.0]));
        assert_eq!(run(divide, 2.0), Ok([1.5, -0.75, 0.0]));
        assert_eq!(run(divide, 0.0), Err(SqlState::DivisionByZero));
        assert_eq!(run(divide, -0.0), Err(SqlState::DivisionByZero));
        for op in [scale as WithNumber, divide] {
            for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                assert_eq!(run(op, number), Err(SqlState::DataException));
            }
        }
        for number in [1e50, f64::MAX, 1e-50, f64::MIN_POSITIVE, -1e300] {
            assert_eq!(run(scale, number), Err(SqlState::NumericValueOutOfRange), "{number}");
            assert_eq!(run(divide, number), Err(SqlState::NumericValueOutOfRange), "{number}");
        }
        let mut out = [9.0; 2];
        negate(&[1.5, -2.0], &mut out);
        assert_eq!(out, [-1.5, 2.0]);
    }

    proptest::proptest! {
        /// Rounded once: a product of two `f32` is exact in `f64`, and so is what a division by a power of two gives.
        #[test]
        fn numbers_scale_as_elements_do(x in -1e15f32..1e15, y in -1e15f32..1e15, power in 0i32..20) {
            let mut out = [0.0];
            if x * y != 0.0 || x == 0.0 || y == 0.0 {
                scale(&[x], f64::from(y), &mut out).unwrap();
                proptest::prop_assert_eq!(out[0], x * y);
            }
            if y.abs() > 1e-15 {
                divide(&[x], f64::from(y), &mut out).unwrap();
                proptest::prop_assert_eq!(out[0], x / y);
            }
            let two = 2f64.powi(power);
            let (mut there, mut back) = ([0.0], [0.0]);
            scale(&[x], two, &mut there).unwrap();
            divide(&there, two, &mut back).unwrap();
            proptest::prop_assert_eq!(back[0], x);
        }
    }

    #[test]
    fn normalize() {
        let mut out = [9.0; 2];
        l2_normalize(&[3.0, 4.0], &mut out);
        assert_eq!(out, [0.6, 0.8]);
        l2_normalize(&[0.0, 0.0], &mut out);
        assert_eq!(out, [0.0, 0.0]);
        l2_normalize(&[f32::MAX, f32::MAX], &mut out);
        assert_eq!(out, [std::f32::consts::FRAC_1_SQRT_2; 2]);
        l2_normalize(&[1e-45, 0.0], &mut out);
        assert_eq!(out, [1.0, 0.0]);
        assert_eq!(l2_norm(&[3.0, 4.0]), 5.0);
    }

    #[test]
    fn parts() {
        assert_eq!(subvector_range(5, 1, 3), Ok(0..3));
        assert_eq!(subvector_range(5, 4, 10), Ok(3..5));
        assert_eq!(subvector_range(5, -1, 3), Ok(0..1));
        assert_eq!(subvector_range(5, i32::MIN, i32::MAX).map_err(|e| e.state), Err(SqlState::DataException));
        assert_eq!(subvector_range(5, 3, i32::MAX), Ok(2..5));
        for (start, count) in [(6, 1), (1, 0), (1, -1), (-1, 2), (i32::MAX, i32::MAX), (i32::MIN, i32::MIN)] {
            assert!(subvector_range(5, start, count).is_err(), "{start} {count}");
        }
    }
}
