//! What the planner asks about the distance functions.

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
            cost.per_tuple = (CALL + f64::from(dims_of(cost.node)) / ELEMENTS) * pg_sys::cpu_operator_cost;
            Ok(request)
        }
    }
}

/// Elements of the vectors that are compared, as far as an argument's declaration tells.
unsafe fn dims_of(node: *mut pg_sys::Node) -> i32 {
    // SAFETY: the planner's own expression, or none
    unsafe {
        let arguments = match node.as_ref().map(|node| node.type_) {
            Some(pg_sys::NodeTag::T_OpExpr) => (*node.cast::<pg_sys::OpExpr>()).args,
            Some(pg_sys::NodeTag::T_FuncExpr) => (*node.cast::<pg_sys::FuncExpr>()).args,
            _ => return USUAL,
        };
        let count = arguments.as_ref().map_or(0, |list| list.length as usize);
        let declared = (0..count).map(|n| pg_sys::exprTypmod((*(*arguments).elements.add(n)).ptr_value.cast()));
        declared.max().filter(|&dims| dims > 0).unwrap_or(USUAL)
    }
}
