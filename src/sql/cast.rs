//! Casts: from and to arrays, and from zvec to zvec(n).

use crate::error::{Error, Result, SqlState};
use crate::pg::array;
use crate::pg::array::Array;
use crate::pg::function::Call;
use crate::pg::srf;
use crate::sql::arg::{VectorArg, dims_of, new_vector};
use crate::sql_function;
use crate::vector::{check_dims, check_element, check_typmod, decimal, out_of_range, text};
use pgrx::pg_sys::Datum;
use zerocopy::{FromBytes, IntoBytes};

/// The vector of an array's elements, each made by `convert`, checked against the type modifier in argument 1.
fn from_array<'a, T: Copy>(
    call: Call<'a>,
    elements: impl for<'s> FnOnce(&'s Array<'a>) -> &'s [T],
    convert: impl Fn(T) -> Result<f32>,
) -> Result<Datum> {
    let array = Array::new(call.arg(0).varlena())?;
    let dims = check_dims(array.len())?;
    check_typmod(dims, call.arg(1).i32())?;
    let elements = elements(&array);
    new_vector(dims, |out| {
        for (o, &element) in out.iter_mut().zip(elements) {
            *o = check_element(convert(element)?)?;
        }
        Ok(())
    })
}

/// `value` rounded to `real`.
///
/// # Errors
/// `NumericValueOutOfRange` when it is too large.
pub fn narrow(value: f64) -> Result<f32> {
    narrow_for("zvec", value)
}

/// The same, for elements of that type.
///
/// # Errors
/// As [`narrow`].
pub fn narrow_for(type_name: &str, value: f64) -> Result<f32> {
    let narrowed = value as f32;
    if narrowed.is_infinite() && value.is_finite() {
        return Err(out_of_range(format!("\"{value:e}\" is out of range for an element of type {type_name}")));
    }
    Ok(narrowed)
}

sql_function! {
    /// `zvec(zvec, integer, boolean) returns zvec`: length coercion
    zvec_coerce(call) {
        check_typmod(dims_of::<f32>(call, 0)?, call.arg(1).i32())?;
        Ok(call.arg(0).datum())
    }
}

sql_function! {
    /// `array_to_zvec(real[], integer, boolean) returns zvec`
    zvec_from_float4(call) {
        from_array(call, Array::fixed::<f32>, Ok)
    }
}

sql_function! {
    /// `array_to_zvec(double precision[], integer, boolean) returns zvec`
    zvec_from_float8(call) {
        from_array(call, Array::fixed::<f64>, narrow)
    }
}

sql_function! {
    /// `array_to_zvec(integer[], integer, boolean) returns zvec`
    zvec_from_int4(call) {
        from_array(call, Array::fixed::<i32>, |element| Ok(element as f32))
    }
}

sql_function! {
    /// `array_to_zvec(smallint[], integer, boolean) returns zvec`
    zvec_from_int2(call) {
        from_array(call, Array::fixed::<i16>, |element| Ok(f32::from(element)))
    }
}

sql_function! {
    /// `array_to_zvec(bigint[], integer, boolean) returns zvec`
    zvec_from_int8(call) {
        from_array(call, Array::fixed::<i64>, |element| Ok(element as f32))
    }
}

sql_function! {
    /// `array_to_zvec(text[], integer, boolean) returns zvec`, of elements as `real` reads them
    zvec_from_text(call) {
        from_array(
            call,
            |array| array.datums(array::TEXT),
            |element| array::with_text(element, text::parse_element::<f32>),
        )
    }
}

sql_function! {
    /// `array_to_zvec(numeric[], integer, boolean) returns zvec`
    zvec_from_numeric(call) {
        from_array(
            call,
            |array| array.datums(array::NUMERIC),
            |element| array::with_numeric_text(element, text::parse_element::<f32>),
        )
    }
}

/// An array of a vector's elements, each made by `convert`.
fn to_array<T: FromBytes + IntoBytes>(
    call: Call<'_>,
    element: array::ElementType,
    convert: impl Fn(f32) -> Result<T>,
) -> Result<Datum> {
    let vector = VectorArg::of(call, 0)?;
    array::new_fixed(element, vector.len(), |out| {
        for (o, &value) in out.iter_mut().zip(vector.iter()) {
            *o = convert(value)?;
        }
        Ok(())
    })
}

sql_function! {
    /// `zvec_to_float4(zvec, integer, boolean) returns real[]`
    zvec_to_float4(call) {
        to_array(call, array::FLOAT4, Ok)
    }
}

sql_function! {
    /// `zvec_to_float8(zvec, integer, boolean) returns double precision[]`
    zvec_to_float8(call) {
        to_array(call, array::FLOAT8, |value| Ok(f64::from(value)))
    }
}

/// An array of integers, which must fit their type: rounded half to even, as the server's cast from `real` does.
fn to_integers<T: FromBytes + IntoBytes>(
    call: Call<'_>,
    element: array::ElementType,
    name: &'static str,
    fits: impl Fn(f64) -> bool,
    convert: impl Fn(f64) -> T,
) -> Result<Datum> {
    to_array(call, element, |value| {
        let rounded = f64::from(value).round_ties_even();
        if fits(rounded) { Ok(convert(rounded)) } else { Err(integer_out_of_range(name)) }
    })
}

/// The error for an element that an array of integers cannot hold.
#[cold]
pub fn integer_out_of_range(name: &str) -> Error {
    Error::new(SqlState::NumericValueOutOfRange, format!("{name} out of range"))
        .hint("Cast the zvec to double precision[] or numeric[] instead.")
}

sql_function! {
    /// `zvec_to_int2(zvec, integer, boolean) returns smallint[]`
    zvec_to_int2(call) {
        let fits = |value| (f64::from(i16::MIN)..=f64::from(i16::MAX)).contains(&value);
        to_integers(call, array::INT2, "smallint", fits, |value| value as i16)
    }
}

sql_function! {
    /// `zvec_to_int4(zvec, integer, boolean) returns integer[]`
    zvec_to_int4(call) {
        let fits = |value| (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value);
        to_integers(call, array::INT4, "integer", fits, |value| value as i32)
    }
}

sql_function! {
    /// `zvec_to_int8(zvec, integer, boolean) returns bigint[]`
    zvec_to_int8(call) {
        // 2^63, which is no bigint itself
        const BOUND: f64 = -(i64::MIN as f64);
        to_integers(call, array::INT8, "bigint", |value| (-BOUND..BOUND).contains(&value), |value| value as i64)
    }
}

sql_function! {
    /// `zvec_to_text(zvec, integer, boolean) returns text[]`, of elements as the vector's text form has them
    zvec_to_text(call) {
        let vector = VectorArg::of(call, 0)?;
        let mut text = Vec::with_capacity(decimal::MAX_BYTES);
        let texts = vector.iter().map(|&value| {
            text.clear();
            decimal::write_real(value, &mut text);
            srf::text(&String::from_utf8_lossy(&text))
        });
        Ok(array::from_datums(texts.collect(), array::TEXT))
    }
}

sql_function! {
    /// `zvec_to_numeric(zvec, integer, boolean) returns numeric[]`
    zvec_to_numeric(call) {
        let vector = VectorArg::of(call, 0)?;
        let numerics = vector.iter().map(|&value| array::f32_to_numeric(value)).collect();
        Ok(array::from_datums(numerics, array::NUMERIC))
    }
}
