//! Which operators and functions are distances, whatever their names: they are told by their functions in C.

use crate::distance::Metric;
use crate::pg::function::symbol_among;
use pgrx::pg_sys::{self, Oid};
use std::ffi::CStr;

/// What the operators are in C, and the metrics that they stand for.
pub const METRICS: [(&CStr, Metric); 4] = [
    (c"zvec_l2_distance", Metric::L2),
    (c"zvec_negative_inner_product", Metric::InnerProduct),
    (c"zvec_cosine_distance", Metric::Cosine),
    (c"zvec_l1_distance", Metric::L1),
];

/// The metric that an operator stands for.
#[must_use]
pub fn metric_of(operator: Oid) -> Option<Metric> {
    // SAFETY: a catalog look-up
    let function = unsafe { pg_sys::get_opcode(operator) };
    symbol_among(function, &METRICS.map(|(symbol, _)| symbol)).map(|found| METRICS[found].1)
}
