//! Arithmetic, comparison, norms and parts of vectors.

use super::arg::{VectorArg, dims_of, new_vector, pair_of};
use crate::error::Result;
use crate::pg::array::f64_datum;
use crate::pg::function::Call;
use crate::sql_function;
use crate::vector::{arith, order};
use pgrx::pg_sys::Datum;
use std::cmp::Ordering;

fn element_wise(call: Call<'_>, op: arith::ElementWise) -> Result<Datum> {
    let (a, b) = pair_of(call)?;
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
    zvec_vector_dims(call) { Ok(Datum::from(dims_of(call, 0)? as i32)) }
}

sql_function! {
    /// `l2_norm(zvec) returns double precision`
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
    Ok(order::compare(&VectorArg::of(call, 0)?, &VectorArg::of(call, 1)?))
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
