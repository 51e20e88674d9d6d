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
        return Err(Error::new(SqlState::NumericValueOutOfRange, "product of two vectors is out of range: underflow")
            .hint("An element of the product is smaller than a real can hold; scale the vectors."));
    }
    Ok(())
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
