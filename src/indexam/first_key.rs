//! Paths for an ORDER BY that PostgreSQL does not know to be that of an index. PostgreSQL 15 makes a path of an access method
//! that orders by operators only where it can order by everything, and only by the operator as it stands. So paths are made
//! here for a distance and then something else, as in `ORDER BY v <-> $1, id`, on which the planner puts an incremental sort; for
//! expressions that order as a distance does ([`super::forms`]); and for distances below a bound, where a scan may end.

use super::flat;
use super::forms::{self, Served};
use super::plan::{elements, is_index_of, is_of};
use pgrx::pg_sys::{self, IndexOptInfo, IndexPath, Node, Oid, OpExpr, PathKey, PlannerInfo, RelOptInfo};

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

/// Whether a scan may end at a bound: an exact one may. What a graph finds beyond the first rows is less sure to be all, which is
/// what a query without LIMIT asks for.
unsafe fn may_end(root: *mut PlannerInfo, index: *mut IndexOptInfo) -> bool {
    // SAFETY: the planner's own
    unsafe {
        let query = &*(*root).parse;
        let limit = query.limitCount;
        let is_all = || (*limit).type_ == pg_sys::NodeTag::T_Const && (*limit.cast::<pg_sys::Const>()).constisnull;
        let asks_for_all = limit.is_null()
            || is_all()
            || query.hasAggs
            || query.hasWindowFuncs
            || query.hasTargetSRFs
            || [query.groupClause, query.groupingSets, query.distinctClause].iter().any(|list| !list.is_null());
        is_index_of(index, &[&flat::CALLBACKS]) || !asks_for_all
    }
}

/// Adds a path of `index` by the first sort key, if that orders as a distance that it orders by, and the server has not made as
/// good a one.
pub unsafe fn add_path(root: *mut PlannerInfo, rel: *mut RelOptInfo, index: *mut IndexOptInfo) {
    // SAFETY: the planner's own
    unsafe {
        let keys = (*root).query_pathkeys;
        if keys.is_null() || !(*index).indpred.is_null() && !(*index).predOK {
            return;
        }
        let Some(key) = elements::<PathKey>(keys).next() else { return };
        let family = *(*index).opfamily;
        let served = Served {
            is_column: |side| pg_sys::match_index_to_operand(side, 0, index),
            orders: |operator| pg_sys::get_op_opfamily_sortfamily(operator, family) == (*key).pk_opfamily,
        };
        let Some(wanted) = served.wanted(&*key, &*rel) else { return };
        let bounds = if may_end(root, index) {
            served.bounds(root, &*rel, wanted.distance, wanted.nan_first)
        } else {
            Vec::new()
        };
        let made: Vec<*mut IndexPath> = elements::<IndexPath>((*rel).pathlist)
            .filter(|&path| {
                is_of(path, &super::plan::OURS) && (*path).indexinfo == index && (*path).path.param_info.is_null()
            })
            .collect();
        if bounds.is_empty() && wanted.is_plain && ((*keys).length < 2 || !made.is_empty()) {
            return;
        }
        let conditions = match forms::conditions(root, index, &wanted, &bounds) {
            Some(conditions) => conditions,
            None if wanted.is_plain && made.is_empty() && (*keys).length > 1 => std::ptr::null_mut(),
            None => return,
        };
        for path in made {
            (*rel).pathlist = pg_sys::list_delete_ptr((*rel).pathlist, path.cast());
        }
        let none = std::ptr::null_mut();
        let path = pg_sys::create_index_path(
            root,
            index,
            conditions,
            pg_sys::lappend(none, wanted.distance.cast()),
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
