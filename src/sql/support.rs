//! What the planner asks about the distance functions.

use crate::tableam::vectors::element_of_type;
use pgrx::pg_sys::{self, Datum};

/// A call with nothing to compute, in calls of a simple operator: finding where the stored vector lies.
const CALL: f64 = 13.0;
/// Elements that are compared in the time of a simple operator.
const ELEMENTS: f64 = 36.0;
/// Elements of vectors of which nothing is known.
const USUAL: i32 = 384;

crate::sql_function! {
    /// `zvec_distance_support(internal) returns internal`: the cost of a distance, which grows with the elements.
    zvec_distance_support(call) {
        // SAFETY: the planner's own request
        unsafe {
            let request = call.arg(0).datum();
            let node = request.cast_mut_ptr::<pg_sys::Node>();
            if (*node).type_ != pg_sys::NodeTag::T_SupportRequestCost {
                return Ok(Datum::null());
            }
            let cost = &mut *node.cast::<pg_sys::SupportRequestCost>();
            cost.startup = 0.0;
            cost.per_tuple = (CALL + elements_of(cost.node) / ELEMENTS) * pg_sys::cpu_operator_cost;
            Ok(request)
        }
    }
}

/// Elements of the vectors that are compared, as far as an argument's declaration tells; smaller ones count for as many as they
/// have bytes of four.
unsafe fn elements_of(node: *mut pg_sys::Node) -> f64 {
    // SAFETY: the planner's own expression, or none
    unsafe {
        let arguments = match node.as_ref().map(|node| node.type_) {
            Some(pg_sys::NodeTag::T_OpExpr) => (*node.cast::<pg_sys::OpExpr>()).args,
            Some(pg_sys::NodeTag::T_FuncExpr) => (*node.cast::<pg_sys::FuncExpr>()).args,
            _ => return USUAL.into(),
        };
        let argument = |n: usize| (*(*arguments).elements.add(n)).ptr_value.cast::<pg_sys::Node>();
        let count = arguments.as_ref().map_or(0, |list| list.length as usize);
        let declared = (0..count).map(|n| pg_sys::exprTypmod(argument(n)));
        let dims = declared.max().filter(|&dims| dims > 0).unwrap_or(USUAL);
        let element = if count > 0 { element_of_type(pg_sys::exprType(argument(0))) } else { None };
        f64::from(dims) * element.map_or(1.0, |element| element.info().bits as f64 / 32.0)
    }
}
