//! The distances and their operators.

use crate::distance::Metric;
use crate::pg::array::{f32_datum, f64_datum};
use crate::sql::arg::distance_of;
use crate::sql_function;
use crate::vector::out_of_range;

sql_function! {
    /// `l2_distance(zvec, zvec) returns double precision`, operator `<->`
    zvec_l2_distance(call) {
        Ok(f64_datum(distance_of::<f32>(call, Metric::L2)?))
    }
}

sql_function! {
    /// `zvec_negative_inner_product(zvec, zvec) returns double precision`, operator `<#>`
    zvec_negative_inner_product(call) {
        Ok(f64_datum(distance_of::<f32>(call, Metric::InnerProduct)?))
    }
}

sql_function! {
    /// `cosine_distance(zvec, zvec) returns double precision`, operator `<=>`
    zvec_cosine_distance(call) {
        Ok(f64_datum(distance_of::<f32>(call, Metric::Cosine)?))
    }
}

sql_function! {
    /// `l1_distance(zvec, zvec) returns double precision`, operator `<+>`
    zvec_l1_distance(call) {
        Ok(f64_datum(distance_of::<f32>(call, Metric::L1)?))
    }
}

sql_function! {
    /// `inner_product(zvec, zvec) returns double precision`
    zvec_inner_product(call) {
        // Twice subtracted from zero: an inner product of zero is positive.
        Ok(f64_datum(0.0 - distance_of::<f32>(call, Metric::InnerProduct)?))
    }
}

sql_function! {
    /// `zvec_distance(zvec, zvec, text) returns real`; 'ip' is the negative inner product
    zvec_distance(call) {
        let metric = call.arg(2).varlena().with_bytes(Metric::parse)?;
        let distance = distance_of::<f32>(call, metric)?;
        let narrowed = distance as f32;
        if narrowed.is_infinite() {
            return Err(out_of_range(format!("distance {distance:e} is out of range for type real")));
        }
        Ok(f32_datum(narrowed))
    }
}
