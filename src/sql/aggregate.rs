//! avg and sum. The transition state is `double precision[]`: the number of rows, then the sum of each element; just
//! the number 0 before the first row. Sums in `f64` make the result independent of the order of rows to within the
//! precision of `real`, in parallel plans too.

use crate::error::{Error, Result, SqlState};
use crate::pg::array;
use crate::pg::array::Array;
use crate::pg::function::Call;
use crate::sql::arg::{ElementsArg, new_vector};
use crate::sql_function;
use crate::vector::{Number, check_same_dims, out_of_range};
use pgrx::pg_sys::Datum;

fn new_state(len: usize, fill: impl FnOnce(&mut [f64])) -> Result<Datum> {
    array::new_fixed(array::FLOAT8, len, |out| {
        fill(out);
        Ok(())
    })
}

/// Rows and sums of a state.
fn split<'s>(state: &'s Array<'_>) -> Result<(f64, &'s [f64])> {
    match state.fixed::<f64>().split_first() {
        Some((&rows, sums)) if rows >= 0.0 && (rows > 0.0) != sums.is_empty() => Ok((rows, sums)),
        _ => Err(Error::new(SqlState::InvalidParameterValue, "this array is not the state of an aggregate over zvec")
            .hint("Call avg() or sum() instead of their support functions.")),
    }
}

/// `TYPE_accum(double precision[], TYPE) returns double precision[]`
pub fn accumulate<E: Number>(call: Call<'_>) -> Result<Datum> {
    let mut state = Array::new(call.arg(0).varlena())?;
    let vector = ElementsArg::<E>::of(call, 1)?;
    let (rows, sums) = split(&state)?;
    if rows == 0.0 {
        return new_state(1 + vector.len(), |out| {
            out[0] = 1.0;
            out[1..].iter_mut().zip(vector.iter()).for_each(|(o, v)| *o = f64::from(v.to_f32()));
        });
    }
    check_same_dims(sums.len(), vector.len())?;
    let step = |state: &mut [f64]| {
        state[0] += 1.0;
        state[1..].iter_mut().zip(vector.iter()).for_each(|(sum, v)| *sum += f64::from(v.to_f32()));
    };
    if call.is_aggregate_step() && !state.is_copy() {
        step(state.float8_in_place());
        return Ok(call.arg(0).datum());
    }
    new_state(1 + sums.len(), |out| {
        out.copy_from_slice(state.fixed());
        step(out);
    })
}

sql_function! {
    /// `zvec_accum(double precision[], zvec) returns double precision[]`
    zvec_accum(call) { accumulate::<f32>(call) }
}

sql_function! {
    /// `zvec_combine(double precision[], double precision[]) returns double precision[]`
    zvec_combine(call) {
        let (a, b) = (Array::new(call.arg(0).varlena())?, Array::new(call.arg(1).varlena())?);
        let ((a_rows, a_sums), (b_rows, b_sums)) = (split(&a)?, split(&b)?);
        if b_rows == 0.0 {
            return new_state(a.len(), |out| out.copy_from_slice(a.fixed()));
        }
        if a_rows == 0.0 {
            return new_state(b.len(), |out| out.copy_from_slice(b.fixed()));
        }
        check_same_dims(a_sums.len(), b_sums.len())?;
        new_state(a.len(), |out| {
            for ((o, a), b) in out.iter_mut().zip(a.fixed::<f64>()).zip(b.fixed::<f64>()) {
                *o = a + b;
            }
        })
    }
}

/// The vector of the sums divided by `divisor(rows)`; NULL without rows.
fn finish(call: Call<'_>, divisor: fn(f64) -> f64) -> Result<Datum> {
    let state = Array::new(call.arg(0).varlena())?;
    let (rows, sums) = split(&state)?;
    if rows == 0.0 {
        return Ok(call.null());
    }
    new_vector::<f32>(sums.len(), |out| {
        for (o, sum) in out.iter_mut().zip(sums) {
            *o = (sum / divisor(rows)) as f32;
            if !o.is_finite() {
                return Err(out_of_range("sum of zvecs is out of range: overflow"));
            }
        }
        Ok(())
    })
}

sql_function! {
    /// `zvec_avg(double precision[]) returns zvec`
    zvec_avg(call) { finish(call, |rows| rows) }
}

sql_function! {
    /// `zvec_sum(double precision[]) returns zvec`
    zvec_sum(call) { finish(call, |_| 1.0) }
}
