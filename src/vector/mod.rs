//! Vector values: limits, memory layout, text form, wire form, arithmetic, order.
//!
//! Nothing here knows PostgreSQL: values are slices of elements, outside data are bytes, failures are [`crate::error::Error`].
//! What the elements of a vector may be is in [`element`], which SQL types there are in [`sql_type`]; vectors that are mostly zeros are in [`sparse`].
//! Every element of a value is finite; whatever makes a value from outside data checks that with [`check_element`].

#![forbid(unsafe_code)]

pub mod arith;
pub mod decimal;
pub mod element;
pub mod layout;
pub mod order;
pub mod sparse;
pub mod sql_type;
pub mod text;
pub mod wire;

use crate::error::{Error, Result, SqlState};

pub use element::{CodeKind, Element, ElementBytes, ElementType, Number, VectorShape};
pub use sql_type::{Library, SqlType};

/// Greatest number of dimensions of a vector.
pub const MAX_DIMS: usize = 16_000;

/// Checks that a vector may have `dims` dimensions.
///
/// # Errors
/// `DataException` for zero, `ProgramLimitExceeded` for more than [`MAX_DIMS`].
pub fn check_dims(dims: usize) -> Result<usize> {
    ElementType::Float4.check_dims(dims)
}

/// Checks that `value` may be an element of a vector.
///
/// # Errors
/// `DataException` for NaN and the infinities.
#[inline]
pub fn check_element(value: f32) -> Result<f32> {
    if value.is_finite() { Ok(value) } else { Err(not_finite(ElementType::Float4, value.is_nan())) }
}

/// Checks that a vector of `dims` dimensions fits the type modifier; a negative one accepts every vector.
///
/// # Errors
/// `DataException` when it does not.
pub fn check_typmod(dims: usize, typmod: i32) -> Result<()> {
    ElementType::Float4.check_typmod(dims, typmod)
}

/// Checks that two vectors have the same number of dimensions.
///
/// # Errors
/// `DataException` when they do not.
#[inline]
pub fn check_same_dims(a: usize, b: usize) -> Result<()> {
    if a == b { Ok(()) } else { Err(different_dims(a, b)) }
}

#[cold]
fn different_dims(a: usize, b: usize) -> Error {
    Error::new(SqlState::DataException, format!("different vector dimensions {a} and {b}"))
        .hint("Both vectors must have the same number of dimensions; compare vectors of one model only.")
}

/// NaN or an infinite value where an element is to be.
#[cold]
#[must_use]
pub fn not_finite(element: ElementType, nan: bool) -> Error {
    let (what, name) = (if nan { "NaN" } else { "an infinite value" }, element.name());
    Error::new(SqlState::DataException, format!("{what} is not allowed in a {name}"))
        .hint("Every element must be a finite number; replace or leave out such values before storing the vector.")
}

/// A result or an input that a `real` cannot hold.
#[cold]
pub fn out_of_range(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(SqlState::NumericValueOutOfRange, message).hint(<f32 as Number>::RANGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        assert_eq!(check_dims(1), Ok(1));
        assert_eq!(check_dims(MAX_DIMS), Ok(MAX_DIMS));
        assert_eq!(check_dims(0).unwrap_err().state, SqlState::DataException);
        assert_eq!(check_dims(MAX_DIMS + 1).unwrap_err().state, SqlState::ProgramLimitExceeded);
    }

    #[test]
    fn typmod() {
        assert_eq!(check_typmod(3, -1), Ok(()));
        assert_eq!(check_typmod(3, 3), Ok(()));
        assert_eq!(check_typmod(3, 2).unwrap_err().message, "expected 2 dimensions, not 3");
    }

    #[test]
    fn elements() {
        assert_eq!(check_element(f32::MAX), Ok(f32::MAX));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(check_element(bad).unwrap_err().state, SqlState::DataException);
        }
    }
}
