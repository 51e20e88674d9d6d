//! Paths for ORDER BY a distance and then something else, as in `ORDER BY v <-> $1, id`. PostgreSQL 15 makes a path of an
//! access method that orders by operators only where it can order by everything. So here one is made that is ordered by
//! the distance, and the planner puts an incremental sort on it.

use super::plan::elements;
use crate::pg::compat;
use pgrx::pg_sys::{
    self, EquivalenceClass, Expr, IndexOptInfo, Node, Oid, OpExpr, PathKey, PlannerInfo, RelOptInfo, Relids,
};

/// The distance by which `key` orders rows of a relation, `relids`, if one is among what the key stands for: an operator that
/// `orders`, with a side that `is_column` as its left one (as it stands there, or with the sides changed), and one that is
/// given before the scan.
pub unsafe fn distance_of(
    key: &PathKey,
    relids: Relids,
    is_column: impl Fn(*mut Node) -> bool,
    orders: impl Fn(Oid) -> bool,
) -> Option<*mut OpExpr> {
    // SAFETY: the planner's own
    unsafe {
        let class: &EquivalenceClass = &*key.pk_eclass;
        if !compat::is_ascending(key) || key.pk_nulls_first || class.ec_has_volatile {
            return None;
        }
        compat::members_about(class, relids).find_map(|member| ordered_by((*member).em_expr, &is_column, &orders))
    }
}

unsafe fn ordered_by(
    expression: *mut Expr,
    is_column: &impl Fn(*mut Node) -> bool,
    orders: &impl Fn(Oid) -> bool,
) -> Option<*mut OpExpr> {
    // SAFETY: the planner's own; only an operator's expression is looked at as one
    unsafe {
        if (*expression).type_ != pg_sys::NodeTag::T_OpExpr {
            return None;
        }
        let call = expression.cast::<OpExpr>();
        let sides: Vec<*mut Node> = elements((*call).args).collect();
        let &[left, right] = sides.as_slice() else { return None };
        let is_given = |side| {
            !pg_sys::contain_var_clause(side) && !pg_sys::contain_volatile_functions(side) && is_known_to_a_scan(side)
        };
        if is_column(left) && is_given(right) {
            return orders((*call).opno).then_some(call);
        }
        if is_column(right) && is_given(left) {
            let turned = pg_sys::get_commutator((*call).opno);
            if turned != pg_sys::InvalidOid && orders(turned) {
                let copy = pg_sys::copyObjectImpl(call.cast()).cast::<OpExpr>();
                (*copy).opno = turned;
                (*copy).opfuncid = pg_sys::InvalidOid;
                (*copy).args = pg_sys::lappend(pg_sys::lappend(std::ptr::null_mut(), right.cast()), left.cast());
                return Some(copy);
            }
        }
        None
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

/// Adds a path of `index` by the first of several sort keys, if that is a distance that it orders by.
pub unsafe fn add_path(root: *mut PlannerInfo, rel: *mut RelOptInfo, index: *mut IndexOptInfo) {
    // SAFETY: the planner's own
    unsafe {
        let keys = (*root).query_pathkeys;
        if keys.is_null() || (*keys).length < 2 || !(*index).indpred.is_null() && !(*index).predOK {
            return;
        }
        let Some(key) = elements::<PathKey>(keys).next() else { return };
        let is_column = |side| pg_sys::match_index_to_operand(side, 0, index);
        let family = *(*index).opfamily;
        let orders = |operator| pg_sys::get_op_opfamily_sortfamily(operator, family) == (*key).pk_opfamily;
        let Some(distance) = distance_of(&*key, (*rel).relids, is_column, orders) else { return };
        let none = std::ptr::null_mut();
        let path = pg_sys::create_index_path(
            root,
            index,
            none,
            pg_sys::lappend(none, distance.cast()),
            pg_sys::lappend_int(none, 0),
            pg_sys::lappend(none, key.cast()),
            pg_sys::ScanDirection::ForwardScanDirection,
            false,
            (*rel).lateral_relids,
            1.0,
            false,
        );
        pg_sys::add_path(rel, path.cast());
    }
}
