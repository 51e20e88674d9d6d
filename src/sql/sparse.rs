//! The SQL functions of `zsparse`, vectors that are mostly zeros. They are values like any other: a row holds them, and TOAST what
//! is large; no index is made over them.

use crate::distance::Metric;
use crate::error::{Error, Result, SqlState};
use crate::pg::array::{Array, f32_datum, f64_datum};
use crate::pg::function::Call;
use crate::pg::hash;
use crate::pg::message::cstring;
use crate::pg::varlena::{Detoasted, NewVarlena};
use crate::sql::arg::{VectorArg, new_vector};
use crate::sql::cast::narrow_for;
use crate::sql::io::typmod_out;
use crate::sql_function;
use crate::vector::sparse::{MAX_DIMS, Sparse, SparseBuf, check_typmod};
use crate::vector::{out_of_range, sparse};
use pgrx::pg_sys::Datum;
use std::cmp::Ordering;
use zerocopy::FromBytes;

/// An argument of type zsparse for the time of a call.
struct SparseArg<'a>(Detoasted<'a>);

impl<'a> SparseArg<'a> {
    fn of(call: Call<'a>, n: usize) -> Self {
        Self(call.arg(n).varlena().detoast())
    }

    fn vector(&self) -> Result<Sparse<'_>> {
        Sparse::of(self.0.payload())
    }
}

fn new(vector: &SparseBuf, typmod: i32) -> Result<Datum> {
    check_typmod(vector.dims, typmod)?;
    let mut value = NewVarlena::zeroed(vector.payload_bytes());
    vector.write(value.payload_mut());
    Ok(value.into_datum())
}

sql_function! {
    /// `zsparse_in(cstring, oid, integer) returns zsparse`
    zsparse_in(call) { new(&SparseBuf::parse(call.arg(0).cstring())?, call.arg(2).i32()) }
}

sql_function! {
    /// `zsparse_out(zsparse) returns cstring`
    zsparse_out(call) {
        let mut out = Vec::new();
        SparseArg::of(call, 0).vector()?.print(&mut out);
        Ok(cstring(&out))
    }
}

sql_function! {
    /// `zsparse_recv(internal, oid, integer) returns zsparse`
    zsparse_recv(call) { new(&SparseBuf::decode(call.arg(0).message())?, call.arg(2).i32()) }
}

sql_function! {
    /// `zsparse_send(zsparse) returns bytea`
    zsparse_send(call) {
        let message = SparseArg::of(call, 0).vector()?.encode();
        let mut bytes = NewVarlena::zeroed(message.len());
        bytes.payload_mut().copy_from_slice(&message);
        Ok(bytes.into_datum())
    }
}

sql_function! {
    /// `zsparse_typmod_in(cstring[]) returns integer`
    zsparse_typmod_in(call) {
        let array = Array::new(call.arg(0).varlena())?;
        let dims = match array.cstrings().as_slice() {
            &[modifier] => std::str::from_utf8(modifier).ok().and_then(|modifier| modifier.parse::<usize>().ok()),
            _ => None,
        };
        match dims.filter(|dims| (1..=MAX_DIMS).contains(dims)) {
            Some(dims) => Ok(Datum::from(dims as i32)),
            None => {
                let message = format!("type zsparse takes one modifier, its dimensions, from 1 to {MAX_DIMS}");
                Err(Error::new(SqlState::InvalidParameterValue, message).hint("Write zsparse(n), or zsparse for any."))
            }
        }
    }
}

sql_function! {
    /// `zsparse_typmod_out(integer) returns cstring`
    zsparse_typmod_out(call) { typmod_out(call) }
}

sql_function! {
    /// `zsparse(zsparse, integer, boolean) returns zsparse`: length coercion
    zsparse_coerce(call) {
        check_typmod(SparseArg::of(call, 0).vector()?.dims, call.arg(1).i32())?;
        Ok(call.arg(0).datum())
    }
}

sql_function! {
    /// `zsparse(zvec, integer, boolean) returns zsparse`
    zsparse_from_zvec(call) { new(&SparseBuf::of_dense(&VectorArg::of(call, 0)?)?, call.arg(1).i32()) }
}

sql_function! {
    /// `zvec(zsparse, integer, boolean) returns zvec`
    zvec_from_zsparse(call) {
        let value = SparseArg::of(call, 0);
        let vector = value.vector()?;
        crate::vector::check_dims(vector.dims)?;
        crate::vector::check_typmod(vector.dims, call.arg(1).i32())?;
        new_vector::<f32>(vector.dims, |out| {
            vector.to_dense(out);
            Ok(())
        })
    }
}

fn from_array<T: FromBytes + Copy>(call: Call<'_>, number: fn(T) -> Result<f32>) -> Result<Datum> {
    let array = Array::new(call.arg(0).varlena())?;
    sparse::check_dims(array.len())?;
    let elements = array.fixed::<T>().iter().map(|&element| number(element)).collect::<Result<Vec<f32>>>()?;
    new(&SparseBuf::of_dense(&elements)?, call.arg(1).i32())
}

sql_function! {
    /// `array_to_zsparse(real[], integer, boolean) returns zsparse`
    zsparse_from_float4(call) { from_array(call, Ok) }
}

sql_function! {
    /// `array_to_zsparse(double precision[], integer, boolean) returns zsparse`
    zsparse_from_float8(call) { from_array(call, |element| narrow_for("zsparse", element)) }
}

sql_function! {
    /// `array_to_zsparse(integer[], integer, boolean) returns zsparse`
    zsparse_from_int4(call) { from_array(call, |element: i32| Ok(element as f32)) }
}

sql_function! {
    /// `vector_dims(zsparse) returns integer`
    zsparse_vector_dims(call) { Ok(Datum::from(SparseArg::of(call, 0).vector()?.dims as i32)) }
}

sql_function! {
    /// `l2_norm(zsparse) returns double precision`
    zsparse_l2_norm(call) { Ok(f64_datum(SparseArg::of(call, 0).vector()?.l2_norm())) }
}

fn distance_of(call: Call<'_>, metric: Metric) -> Result<f64> {
    SparseArg::of(call, 0).vector()?.distance(metric, SparseArg::of(call, 1).vector()?)
}

sql_function! {
    /// `l2_distance(zsparse, zsparse) returns double precision`, operator `<->`
    zsparse_l2_distance(call) { Ok(f64_datum(distance_of(call, Metric::L2)?)) }
}

sql_function! {
    /// `inner_product(zsparse, zsparse) returns double precision`
    zsparse_inner_product(call) { Ok(f64_datum(0.0 - distance_of(call, Metric::InnerProduct)?)) }
}

sql_function! {
    /// `zsparse_negative_inner_product(zsparse, zsparse) returns double precision`, operator `<#>`
    zsparse_negative_inner_product(call) { Ok(f64_datum(distance_of(call, Metric::InnerProduct)?)) }
}

sql_function! {
    /// `cosine_distance(zsparse, zsparse) returns double precision`, operator `<=>`
    zsparse_cosine_distance(call) { Ok(f64_datum(distance_of(call, Metric::Cosine)?)) }
}

sql_function! {
    /// `l1_distance(zsparse, zsparse) returns double precision`, operator `<+>`
    zsparse_l1_distance(call) { Ok(f64_datum(distance_of(call, Metric::L1)?)) }
}

sql_function! {
    /// `zsparse_distance(zsparse, zsparse, text) returns real`
    zsparse_distance(call) {
        let metric = call.arg(2).varlena().with_bytes(Metric::parse)?;
        let distance = distance_of(call, metric)?;
        let narrowed = distance as f32;
        if narrowed.is_infinite() {
            return Err(out_of_range(format!("distance {distance:e} is out of range for type real")));
        }
        Ok(f32_datum(narrowed))
    }
}

fn compare(call: Call<'_>) -> Result<Ordering> {
    Ok(SparseArg::of(call, 0).vector()?.compare(SparseArg::of(call, 1).vector()?))
}

fn extreme(call: Call<'_>, wanted: Ordering) -> Result<Datum> {
    let second = compare(call)?.reverse() == wanted;
    Ok(call.arg(usize::from(second)).datum())
}

macro_rules! comparisons {
    ($($name:ident = $holds:ident),*) => {
        $(sql_function! {
            /// An operator of comparison.
            $name(call) { Ok(Datum::from(compare(call)?.$holds())) }
        })*
    };
}

comparisons!(
    zsparse_lt = is_lt,
    zsparse_le = is_le,
    zsparse_eq = is_eq,
    zsparse_ne = is_ne,
    zsparse_ge = is_ge,
    zsparse_gt = is_gt
);

sql_function! {
    /// Btree support function 1.
    zsparse_cmp(call) { Ok(Datum::from(compare(call)? as i32)) }
}

sql_function! {
    /// Step of `max(zsparse)`.
    zsparse_larger(call) { extreme(call, Ordering::Greater) }
}

sql_function! {
    /// Step of `min(zsparse)`.
    zsparse_smaller(call) { extreme(call, Ordering::Less) }
}

sql_function! {
    /// Hash support function 1: equal vectors have equal bytes.
    zsparse_hash(call) { Ok(Datum::from(hash::hash(SparseArg::of(call, 0).0.payload()) as i32)) }
}

sql_function! {
    /// Hash support function 2.
    zsparse_hash_extended(call) {
        let seed = call.arg(1).datum().value() as u64;
        Ok(Datum::from(hash::hash_extended(SparseArg::of(call, 0).0.payload(), seed) as i64))
    }
}
