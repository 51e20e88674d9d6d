//! Distances in expressions: which operators and functions are distances, whatever their names (they are told by their
//! functions in C), what column they are of, and what is given before a scan.

use crate::distance::Metric;
use crate::pg::function::symbol_among;
use crate::pg::list::elements;
use crate::tableam::vectors::is_vector_type;
use crate::vector::SqlType;
use crate::vector::sql_type::Symbol;
use pgrx::pg_sys::{self, Node, NodeTag, Oid, OpExpr, Var};
use smallvec::SmallVec;

/// The vector type and the metric of the operator that a function is under.
fn operator_of_function(function: Oid) -> Option<(&'static SqlType, Metric)> {
    let symbols: SmallVec<[Symbol; 32]> =
        SqlType::all_operators().map(|(of, operator)| of.symbol(operator.0)).collect();
    let (of, operator) = symbol_among(function, &symbols).and_then(|found| SqlType::all_operators().nth(found))?;
    Some((of, operator.2))
}

/// The metric that an operator stands for.
#[must_use]
pub fn metric_of(operator: Oid) -> Option<Metric> {
    // SAFETY: a catalog look-up
    metric_of_function(unsafe { pg_sys::get_opcode(operator) })
}

/// The metric of the operator that a function is under.
#[must_use]
pub fn metric_of_function(function: Oid) -> Option<Metric> {
    operator_of_function(function).map(|(_, metric)| metric)
}

/// Whether what an operator answers is what a scan computes, to the bit. Another extension's adds up in its own way: its answers
/// may be a little greater or less, and overflow.
#[must_use]
pub fn is_own(operator: Oid) -> bool {
    // SAFETY: a catalog look-up
    operator_of_function(unsafe { pg_sys::get_opcode(operator) }).is_some_and(|(of, _)| of.is_own())
}

/// The column of the relation number `relid` that `side` is, if it is one of vectors.
pub unsafe fn column_of(side: *mut Node, relid: u32) -> Option<i16> {
    // SAFETY: the planner's own; only what is a variable is looked at as one
    unsafe {
        let mut side = side;
        // of a domain
        while (*side).type_ == NodeTag::T_RelabelType {
            side = (*side.cast::<pg_sys::RelabelType>()).arg.cast();
        }
        if (*side).type_ != NodeTag::T_Var {
            return None;
        }
        let var = &*side.cast::<Var>();
        let is_ours = var.varno == relid as i32 && var.varlevelsup == 0 && var.varattno > 0;
        (is_ours && is_vector_type(var.vartype)).then_some(var.varattno)
    }
}

/// The column and the metric of a distance with the column on its left.
pub unsafe fn parts_of(distance: *mut OpExpr, relid: u32) -> Option<(i16, Metric)> {
    // SAFETY: an operator with two sides
    unsafe {
        let column = elements::<Node>((*distance).args).next()?;
        Some((column_of(column, relid)?, metric_of((*distance).opno)?))
    }
}

/// Whether `side` is given before a scan.
pub unsafe fn is_given(side: *mut Node) -> bool {
    // SAFETY: the planner's own
    unsafe {
        !pg_sys::contain_var_clause(side) && !pg_sys::contain_volatile_functions(side) && is_known_to_a_scan(side)
    }
}

/// The operator's expression with its sides changed, if it `orders` then.
pub unsafe fn turned(call: *mut OpExpr, orders: &impl Fn(Oid) -> bool) -> Option<*mut OpExpr> {
    // SAFETY: the planner's own, with two sides
    unsafe {
        let turned = pg_sys::get_commutator((*call).opno);
        if turned == pg_sys::InvalidOid || !orders(turned) {
            return None;
        }
        let copy = pg_sys::copyObjectImpl(call.cast()).cast::<OpExpr>();
        let args = elements::<Node>((*copy).args).collect::<Vec<_>>();
        (*copy).opno = turned;
        (*copy).opfuncid = pg_sys::InvalidOid;
        (*copy).args = args.iter().rev().fold(std::ptr::null_mut(), |list, &side| pg_sys::lappend(list, side.cast()));
        Some(copy)
    }
}

/// Whether a scan can compute the expression: it has no part that only comes of rows, as aggregates and window functions do, and is
/// one value.
pub unsafe fn is_known_to_a_scan(expression: *mut Node) -> bool {
    // SAFETY: the planner's own
    unsafe {
        !pg_sys::contain_agg_clause(expression)
            && !pg_sys::contain_window_function(expression)
            && !pg_sys::expression_returns_set(expression)
    }
}
