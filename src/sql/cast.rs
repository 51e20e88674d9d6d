//! Casts: from and to arrays, and from zvec to zvec(n).

use super::arg::{VectorArg, dims_of, new_vector};
use crate::error::{Error, Result, SqlState};
use crate::pg::array::{self, Array};
use crate::pg::function::Call;
use crate::sql_function;
use crate::vector::{check_dims, check_element, check_typmod, out_of_range, text};
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
fn narrow(value: f64) -> Result<f32> {
    let narrowed = value as f32;
    if narrowed.is_infinite() && value.is_finite() {
        return Err(out_of_range(format!("\"{value:e}\" is out of range for an element of type zvec")));
    }
    Ok(narrowed)
}

sql_function! {
    /// `zvec(zvec, integer, boolean) returns zvec`: length coercion
    zvec_coerce(call) {
        check_typmod(dims_of(call, 0)?, call.arg(1).i32())?;
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
    /// `array_to_zvec(numeric[], integer, boolean) returns zvec`
    zvec_from_numeric(call) {
        from_array(
            call,
            |array| array.datums(array::NUMERIC),
            |element| array::with_numeric_text(element, text::parse_element),
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

sql_function! {
    /// `zvec_to_int4(zvec, integer, boolean) returns integer[]`: rounds half to even, as `real::integer` does
    zvec_to_int4(call) {
        to_array(call, array::INT4, |value| {
            let rounded = f64::from(value).round_ties_even();
            if rounded < f64::from(i32::MIN) || rounded > f64::from(i32::MAX) {
                return Err(Error::new(SqlState::NumericValueOutOfRange, "integer out of range")
                    .hint("Cast the zvec to double precision[] or numeric[] instead."));
            }
            Ok(rounded as i32)
        })
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
