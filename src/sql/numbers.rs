//! The SQL functions of the types of numbers beside `zvec`: one body for all of them, and symbols for each type. Their arithmetic
//! is `zvec`'s, to which they are cast.

use crate::distance::Metric;
use crate::error::{Error, Result, SqlState};
use crate::pg::array;
use crate::pg::array::{Array, f32_datum, f64_datum};
use crate::pg::function::Call;
use crate::pg::hash;
use crate::pg::message::cstring;
use crate::pg::varlena::NewVarlena;
use crate::sql::aggregate::accumulate;
use crate::sql::arg::{ElementsArg, dims_of, distance_of, is_undecodable, new_vector};
use crate::sql::cast::integer_out_of_range;
use crate::sql::io::{typmod_in, typmod_out};
use crate::sql_function;
use crate::vector::{Number, not_finite, order, out_of_range, text, wire};
use pgrx::pg_sys::Datum;
use std::cmp::Ordering;
use zerocopy::{FromBytes, IntoBytes};

fn input<E: Number>(call: Call<'_>) -> Result<Datum> {
    let values = text::parse::<E>(call.arg(0).cstring())?;
    E::TYPE.check_typmod(values.len(), call.arg(2).i32())?;
    new_vector(values.len(), |out| {
        out.copy_from_slice(&values);
        Ok(())
    })
}

fn output<E: Number>(call: Call<'_>) -> Result<Datum> {
    if is_undecodable(call.arg(0).varlena()) {
        return Ok(cstring(wire::UNDECODABLE));
    }
    let vector = ElementsArg::<E>::of(call, 0)?;
    let mut out = Vec::with_capacity(2 + vector.len() * 12);
    text::print::<E>(&vector, &mut out);
    Ok(cstring(&out))
}

fn receive<E: Number>(call: Call<'_>) -> Result<Datum> {
    let message = call.arg(0).message();
    let dims = wire::decode_dims::<E>(message)?;
    E::TYPE.check_typmod(dims, call.arg(2).i32())?;
    new_vector::<E>(dims, |out| wire::decode_elements(message, out))
}

fn send<E: Number>(call: Call<'_>) -> Result<Datum> {
    if is_undecodable(call.arg(0).varlena()) {
        return Ok(undecodable());
    }
    let vector = ElementsArg::<E>::of(call, 0)?;
    let mut bytes = NewVarlena::zeroed(wire::wire_size_bytes(E::TYPE, vector.dims()));
    wire::encode::<E>(&vector, bytes.payload_mut());
    Ok(bytes.into_datum())
}

/// What stands for a vector that logical decoding cannot read.
pub fn undecodable() -> Datum {
    let mut bytes = NewVarlena::zeroed(wire::UNDECODABLE.len());
    bytes.payload_mut().copy_from_slice(wire::UNDECODABLE);
    bytes.into_datum()
}

fn coerce<E: Number>(call: Call<'_>) -> Result<Datum> {
    E::TYPE.check_typmod(dims_of::<E>(call, 0)?, call.arg(1).i32())?;
    Ok(call.arg(0).datum())
}

/// The element that a number becomes.
fn element<E: Number>(value: f64) -> Result<E> {
    E::from_f64(value).ok_or_else(|| {
        if !value.is_finite() {
            return not_finite(E::TYPE, value.is_nan());
        }
        let name = E::TYPE.name();
        let message = format!("\"{value}\" is out of range for an element of type {name}");
        Error::new(SqlState::NumericValueOutOfRange, message).hint(E::RANGE)
    })
}

/// A vector of these numbers, checked against the type modifier in argument 1.
fn of_numbers<E: Number>(call: Call<'_>, numbers: impl ExactSizeIterator<Item = f64>) -> Result<Datum> {
    let dims = E::TYPE.check_dims(numbers.len())?;
    E::TYPE.check_typmod(dims, call.arg(1).i32())?;
    new_vector::<E>(dims, |out| {
        for (o, number) in out.iter_mut().zip(numbers) {
            *o = element(number)?;
        }
        Ok(())
    })
}

fn from_array<E: Number, T: FromBytes + Copy>(call: Call<'_>, number: fn(T) -> f64) -> Result<Datum> {
    let array = Array::new(call.arg(0).varlena())?;
    of_numbers::<E>(call, array.fixed::<T>().iter().map(|&value| number(value)))
}

fn from_vector<E: Number, F: Number>(call: Call<'_>) -> Result<Datum> {
    let vector = ElementsArg::<F>::of(call, 0)?;
    of_numbers::<E>(call, vector.iter().map(|value| f64::from(value.to_f32())))
}

fn to_array<E: Number, T: FromBytes + IntoBytes>(
    call: Call<'_>,
    element: array::ElementType,
    convert: fn(f32) -> Result<T>,
) -> Result<Datum> {
    let vector = ElementsArg::<E>::of(call, 0)?;
    array::new_fixed(element, vector.len(), |out| {
        for (o, value) in out.iter_mut().zip(vector.iter()) {
            *o = convert(value.to_f32())?;
        }
        Ok(())
    })
}

/// Rounded half to even, as the server's cast from `real` does; every element fits but the infinite ones that there are not.
fn integer(value: f32) -> Result<i32> {
    let rounded = value.round_ties_even();
    if rounded.abs() < 2_147_483_648.0 { Ok(rounded as i32) } else { Err(integer_out_of_range("integer")) }
}

/// `TYPE_distance(TYPE, TYPE, text)`, by the metrics that the type has.
pub fn distance_by_name<E: crate::vector::Element>(call: Call<'_>) -> Result<Datum> {
    let metrics: Vec<Metric> = E::TYPE.metrics().collect();
    let metric = call.arg(2).varlena().with_bytes(|name| Metric::parse_among(name, &metrics))?;
    let distance = distance_of::<E>(call, metric)?;
    let narrowed = distance as f32;
    if narrowed.is_infinite() {
        return Err(out_of_range(format!("distance {distance:e} is out of range for type real")));
    }
    Ok(f32_datum(narrowed))
}

fn compare<E: Number>(call: Call<'_>) -> Result<Ordering> {
    Ok(order::compare::<E>(&ElementsArg::<E>::of(call, 0)?, &ElementsArg::<E>::of(call, 1)?))
}

/// The argument, of both, that compares to the other as `wanted`, or the first of equal ones; as it was passed.
fn extreme<E: Number>(call: Call<'_>, wanted: Ordering) -> Result<Datum> {
    let second = compare::<E>(call)?.reverse() == wanted;
    Ok(call.arg(usize::from(second)).datum())
}

macro_rules! number_type {
    (
        $element:ty, other types: $a:ty, $b:ty;
        $in:ident $out:ident $recv:ident $send:ident $typmod_in:ident $typmod_out:ident $coerce:ident
        $from_float4:ident $from_float8:ident $from_int4:ident $to_float4:ident $to_float8:ident $to_int4:ident
        $from_a:ident $from_b:ident $dims:ident
        $l2:ident $product:ident $negative_product:ident $cosine:ident $l1:ident $by_name:ident
        $lt:ident $le:ident $eq:ident $ne:ident $ge:ident $gt:ident $cmp:ident
        $larger:ident $smaller:ident $hash:ident $hash_extended:ident $accum:ident
    ) => {
        sql_function! {
            /// `TYPE_in(cstring, oid, integer) returns TYPE`
            $in(call) { input::<$element>(call) }
        }
        sql_function! {
            /// `TYPE_out(TYPE) returns cstring`
            $out(call) { output::<$element>(call) }
        }
        sql_function! {
            /// `TYPE_recv(internal, oid, integer) returns TYPE`
            $recv(call) { receive::<$element>(call) }
        }
        sql_function! {
            /// `TYPE_send(TYPE) returns bytea`
            $send(call) { send::<$element>(call) }
        }
        sql_function! {
            /// `TYPE_typmod_in(cstring[]) returns integer`
            $typmod_in(call) { typmod_in(call, <$element as crate::vector::Element>::TYPE) }
        }
        sql_function! {
            /// `TYPE_typmod_out(integer) returns cstring`
            $typmod_out(call) { typmod_out(call) }
        }
        sql_function! {
            /// `TYPE(TYPE, integer, boolean) returns TYPE`: length coercion
            $coerce(call) { coerce::<$element>(call) }
        }
        sql_function! {
            /// `array_to_TYPE(real[], integer, boolean) returns TYPE`
            $from_float4(call) { from_array::<$element, f32>(call, f64::from) }
        }
        sql_function! {
            /// `array_to_TYPE(double precision[], integer, boolean) returns TYPE`
            $from_float8(call) { from_array::<$element, f64>(call, |value| value) }
        }
        sql_function! {
            /// `array_to_TYPE(integer[], integer, boolean) returns TYPE`
            $from_int4(call) { from_array::<$element, i32>(call, f64::from) }
        }
        sql_function! {
            /// `TYPE_to_float4(TYPE, integer, boolean) returns real[]`
            $to_float4(call) { to_array::<$element, f32>(call, array::FLOAT4, Ok) }
        }
        sql_function! {
            /// `TYPE_to_float8(TYPE, integer, boolean) returns double precision[]`
            $to_float8(call) { to_array::<$element, f64>(call, array::FLOAT8, |value| Ok(value.into())) }
        }
        sql_function! {
            /// `TYPE_to_int4(TYPE, integer, boolean) returns integer[]`
            $to_int4(call) { to_array::<$element, i32>(call, array::INT4, integer) }
        }
        sql_function! {
            /// From another type of numbers, with a type modifier.
            $from_a(call) { from_vector::<$element, $a>(call) }
        }
        sql_function! {
            /// From another type of numbers, with a type modifier.
            $from_b(call) { from_vector::<$element, $b>(call) }
        }
        sql_function! {
            /// `vector_dims(TYPE) returns integer`
            $dims(call) { Ok(Datum::from(dims_of::<$element>(call, 0)? as i32)) }
        }
        sql_function! {
            /// `l2_distance(TYPE, TYPE) returns double precision`, operator `<->`
            $l2(call) { Ok(f64_datum(distance_of::<$element>(call, Metric::L2)?)) }
        }
        sql_function! {
            /// `inner_product(TYPE, TYPE) returns double precision`
            $product(call) {
                // Twice subtracted from zero: an inner product of zero is positive.
                Ok(f64_datum(0.0 - distance_of::<$element>(call, Metric::InnerProduct)?))
            }
        }
        sql_function! {
            /// `TYPE_negative_inner_product(TYPE, TYPE) returns double precision`, operator `<#>`
            $negative_product(call) { Ok(f64_datum(distance_of::<$element>(call, Metric::InnerProduct)?)) }
        }
        sql_function! {
            /// `cosine_distance(TYPE, TYPE) returns double precision`, operator `<=>`
            $cosine(call) { Ok(f64_datum(distance_of::<$element>(call, Metric::Cosine)?)) }
        }
        sql_function! {
            /// `l1_distance(TYPE, TYPE) returns double precision`, operator `<+>`
            $l1(call) { Ok(f64_datum(distance_of::<$element>(call, Metric::L1)?)) }
        }
        sql_function! {
            /// `TYPE_distance(TYPE, TYPE, text) returns real`
            $by_name(call) { distance_by_name::<$element>(call) }
        }
        sql_function! {
            /// Operator `<`.
            $lt(call) { Ok(Datum::from(compare::<$element>(call)?.is_lt())) }
        }
        sql_function! {
            /// Operator `<=`.
            $le(call) { Ok(Datum::from(compare::<$element>(call)?.is_le())) }
        }
        sql_function! {
            /// Operator `=`.
            $eq(call) { Ok(Datum::from(compare::<$element>(call)?.is_eq())) }
        }
        sql_function! {
            /// Operator `<>`.
            $ne(call) { Ok(Datum::from(compare::<$element>(call)?.is_ne())) }
        }
        sql_function! {
            /// Operator `>=`.
            $ge(call) { Ok(Datum::from(compare::<$element>(call)?.is_ge())) }
        }
        sql_function! {
            /// Operator `>`.
            $gt(call) { Ok(Datum::from(compare::<$element>(call)?.is_gt())) }
        }
        sql_function! {
            /// Btree support function 1.
            $cmp(call) { Ok(Datum::from(compare::<$element>(call)? as i32)) }
        }
        sql_function! {
            /// Step of `max(TYPE)`.
            $larger(call) { extreme::<$element>(call, Ordering::Greater) }
        }
        sql_function! {
            /// Step of `min(TYPE)`.
            $smaller(call) { extreme::<$element>(call, Ordering::Less) }
        }
        sql_function! {
            /// Hash support function 1.
            $hash(call) {
                let vector = ElementsArg::<$element>::of(call, 0)?;
                Ok(Datum::from(hash::hash(&order::bytes_to_hash::<$element>(&vector)) as i32))
            }
        }
        sql_function! {
            /// Hash support function 2.
            $hash_extended(call) {
                let vector = ElementsArg::<$element>::of(call, 0)?;
                let seed = call.arg(1).datum().value() as u64;
                Ok(Datum::from(hash::hash_extended(&order::bytes_to_hash::<$element>(&vector), seed) as i64))
            }
        }
        sql_function! {
            /// `TYPE_accum(double precision[], TYPE) returns double precision[]`: step of `avg(TYPE)` and `sum(TYPE)`
            $accum(call) { accumulate::<$element>(call) }
        }
    };
}

number_type! {
    crate::distance::Half, other types: f32, i8;
    zhalf_in zhalf_out zhalf_recv zhalf_send zhalf_typmod_in zhalf_typmod_out zhalf_coerce
    zhalf_from_float4 zhalf_from_float8 zhalf_from_int4 zhalf_to_float4 zhalf_to_float8 zhalf_to_int4
    zhalf_from_zvec zhalf_from_zint8 zhalf_vector_dims
    zhalf_l2_distance zhalf_inner_product zhalf_negative_inner_product zhalf_cosine_distance zhalf_l1_distance
    zhalf_distance
    zhalf_lt zhalf_le zhalf_eq zhalf_ne zhalf_ge zhalf_gt zhalf_cmp
    zhalf_larger zhalf_smaller zhalf_hash zhalf_hash_extended zhalf_accum
}

number_type! {
    i8, other types: f32, crate::distance::Half;
    zint8_in zint8_out zint8_recv zint8_send zint8_typmod_in zint8_typmod_out zint8_coerce
    zint8_from_float4 zint8_from_float8 zint8_from_int4 zint8_to_float4 zint8_to_float8 zint8_to_int4
    zint8_from_zvec zint8_from_zhalf zint8_vector_dims
    zint8_l2_distance zint8_inner_product zint8_negative_inner_product zint8_cosine_distance zint8_l1_distance
    zint8_distance
    zint8_lt zint8_le zint8_eq zint8_ne zint8_ge zint8_gt zint8_cmp
    zint8_larger zint8_smaller zint8_hash zint8_hash_extended zint8_accum
}

sql_function! {
    /// `zvec(zhalf, integer, boolean) returns zvec`
    zvec_from_zhalf(call) { from_vector::<f32, crate::distance::Half>(call) }
}

sql_function! {
    /// `zvec(zint8, integer, boolean) returns zvec`
    zvec_from_zint8(call) { from_vector::<f32, i8>(call) }
}
