//! Arithmetic, comparison, hashing, norms and parts of vectors.

use crate::error::Result;
use crate::pg::array::{f32_datum, f64_datum};
use crate::pg::function::Call;
use crate::pg::hash;
use crate::pg::srf::Rows;
use crate::sql::arg::{VectorArg, dims_of, new_vector, pair_of};
use crate::sql_function;
use crate::vector::{arith, order};
use pgrx::pg_sys::Datum;
use std::cmp::Ordering;

fn element_wise(call: Call<'_>, op: arith::ElementWise) -> Result<Datum> {
    let (a, b) = pair_of::<f32>(call)?;
    new_vector(a.len(), |out| op(&a, &b, out))
}

sql_function! {
    /// `zvec_add(zvec, zvec) returns zvec`, operator `+`
    zvec_add(call) { element_wise(call, arith::add) }
}

sql_function! {
    /// `zvec_sub(zvec, zvec) returns zvec`, operator `-`
    zvec_sub(call) { element_wise(call, arith::sub) }
}

sql_function! {
    /// `zvec_mul(zvec, zvec) returns zvec`, operator `*`
    zvec_mul(call) { element_wise(call, arith::mul) }
}

fn with_number(call: Call<'_>, vector: usize, op: arith::WithNumber) -> Result<Datum> {
    let (a, number) = (VectorArg::of(call, vector)?, call.arg(1 - vector).f64());
    new_vector(a.len(), |out| op(&a, number, out))
}

sql_function! {
    /// `zvec_mul_float8(zvec, double precision) returns zvec`, operator `*`
    zvec_mul_float8(call) { with_number(call, 0, arith::scale) }
}

sql_function! {
    /// `float8_mul_zvec(double precision, zvec) returns zvec`, operator `*`
    zvec_float8_mul(call) { with_number(call, 1, arith::scale) }
}

sql_function! {
    /// `zvec_div_float8(zvec, double precision) returns zvec`, operator `/`
    zvec_div_float8(call) { with_number(call, 0, arith::divide) }
}

sql_function! {
    /// `zvec_neg(zvec) returns zvec`, prefix operator `-`
    zvec_neg(call) {
        let vector = VectorArg::of(call, 0)?;
        new_vector(vector.len(), |out| {
            arith::negate(&vector, out);
            Ok(())
        })
    }
}

sql_function! {
    /// `zvec_concat(zvec, zvec) returns zvec`, operator `||`
    zvec_concat(call) {
        let (a, b) = (VectorArg::of(call, 0)?, VectorArg::of(call, 1)?);
        new_vector(arith::concat_dims(a.len(), b.len())?, |out| {
            let (head, tail) = out.split_at_mut(a.len());
            head.copy_from_slice(&a);
            tail.copy_from_slice(&b);
            Ok(())
        })
    }
}

sql_function! {
    /// `vector_dims(zvec) returns integer`
    zvec_vector_dims(call) { Ok(Datum::from(dims_of::<f32>(call, 0)? as i32)) }
}

sql_function! {
    /// `array_length(zvec, integer) returns integer`: NULL but for the first dimension of the array that the vector stands for
    zvec_array_length(call) {
        if call.arg(1).i32() == 1 { Ok(Datum::from(dims_of::<f32>(call, 0)? as i32)) } else { Ok(call.null()) }
    }
}

sql_function! {
    /// `unnest(zvec) returns setof real`
    zvec_unnest(call) {
        let vector = VectorArg::of(call, 0)?;
        // SAFETY: the function manager's own call
        let mut rows = unsafe { Rows::of_values(call.fcinfo()) };
        for &element in vector.iter() {
            rows.push(&[Some(f32_datum(element))]);
        }
        Ok(call.null())
    }
}

sql_function! {
    /// `l2_norm(zvec) returns double precision`, also `vector_norm(zvec)`
    zvec_l2_norm(call) { Ok(f64_datum(arith::l2_norm(&VectorArg::of(call, 0)?))) }
}

sql_function! {
    /// `l2_normalize(zvec) returns zvec`
    zvec_l2_normalize(call) {
        let vector = VectorArg::of(call, 0)?;
        new_vector(vector.len(), |out| {
            arith::l2_normalize(&vector, out);
            Ok(())
        })
    }
}

sql_function! {
    /// `subvector(zvec, integer, integer) returns zvec`
    zvec_subvector(call) {
        let vector = VectorArg::of(call, 0)?;
        let range = arith::subvector_range(vector.len(), call.arg(1).i32(), call.arg(2).i32())?;
        new_vector(range.len(), |out| {
            out.copy_from_slice(&vector[range]);
            Ok(())
        })
    }
}

fn compare(call: Call<'_>) -> Result<Ordering> {
    Ok(order::compare::<f32>(&VectorArg::of(call, 0)?, &VectorArg::of(call, 1)?))
}

sql_function! {
    /// `zvec_lt(zvec, zvec) returns boolean`, operator `<`
    zvec_lt(call) { Ok(Datum::from(compare(call)?.is_lt())) }
}

sql_function! {
    /// `zvec_le(zvec, zvec) returns boolean`, operator `<=`
    zvec_le(call) { Ok(Datum::from(compare(call)?.is_le())) }
}

sql_function! {
    /// `zvec_eq(zvec, zvec) returns boolean`, operator `=`
    zvec_eq(call) { Ok(Datum::from(compare(call)?.is_eq())) }
}

sql_function! {
    /// `zvec_ne(zvec, zvec) returns boolean`, operator `<>`
    zvec_ne(call) { Ok(Datum::from(compare(call)?.is_ne())) }
}

sql_function! {
    /// `zvec_ge(zvec, zvec) returns boolean`, operator `>=`
    zvec_ge(call) { Ok(Datum::from(compare(call)?.is_ge())) }
}

sql_function! {
    /// `zvec_gt(zvec, zvec) returns boolean`, operator `>`
    zvec_gt(call) { Ok(Datum::from(compare(call)?.is_gt())) }
}

sql_function! {
    /// `zvec_cmp(zvec, zvec) returns integer`: btree support function 1
    zvec_cmp(call) { Ok(Datum::from(compare(call)? as i32)) }
}

/// The argument, of both, that compares to the other as `wanted`, or the first of equal ones; as it was passed.
fn extreme(call: Call<'_>, wanted: Ordering) -> Result<Datum> {
    let second = compare(call)?.reverse() == wanted;
    Ok(call.arg(usize::from(second)).datum())
}

sql_function! {
    /// `zvec_larger(zvec, zvec) returns zvec`: step of `max(zvec)`
    zvec_larger(call) { extreme(call, Ordering::Greater) }
}

sql_function! {
    /// `zvec_smaller(zvec, zvec) returns zvec`: step of `min(zvec)`
    zvec_smaller(call) { extreme(call, Ordering::Less) }
}

sql_function! {
    /// `zvec_hash(zvec) returns integer`: hash support function 1
    zvec_hash(call) {
        let vector = VectorArg::of(call, 0)?;
        Ok(Datum::from(hash::hash(&order::bytes_to_hash::<f32>(&vector)) as i32))
    }
}

sql_function! {
    /// `zvec_hash_extended(zvec, bigint) returns bigint`: hash support function 2
    zvec_hash_extended(call) {
        let vector = VectorArg::of(call, 0)?;
        let seed = call.arg(1).datum().value() as u64;
        Ok(Datum::from(hash::hash_extended(&order::bytes_to_hash::<f32>(&vector), seed) as i64))
    }
}
