//! The planner's part: a path that is ordered by a distance.

use super::super::column::Column;
use super::super::plan::{self, elements};
use super::super::{cost, first_key, flat};
use super::{METHODS, OPERATORS};
use crate::distance::Metric;
use crate::pg::compat;
use crate::pg::function::symbol_among;
use crate::pg::guc;
use crate::pg::relation::OpenRelation;
use crate::tableam::{is_zvec_table, vectors::is_vector_type};
use pgrx::pg_sys::{
    self, CustomPath, CustomScan, IndexPath, List, Node, NodeTag, Oid, OpExpr, PathKey, Plan, PlannerInfo,
    RangeTblEntry, RelOptInfo, Var,
};

/// The operator family by which distances, of type double precision, are sorted.
const FLOAT_OPS: u32 = 1970;

/// What it costs to look a row up by its address, in what the planner charges for one of a sequential scan. (Measured: 0.9
/// microseconds and 0.03.)
const LOOKED_UP: f64 = 20.0;

/// The column of the relation number `relid` that `side` is, if it is one of vectors.
unsafe fn column_of(side: *mut Node, relid: u32) -> Option<i16> {
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

/// The metric that an operator stands for.
fn metric_of(operator: Oid) -> Option<Metric> {
    // SAFETY: a catalog look-up
    let function = unsafe { pg_sys::get_opcode(operator) };
    symbol_among(function, &OPERATORS.map(|(symbol, _)| symbol)).map(|found| OPERATORS[found].1)
}

/// Whether an index has the order: then the choice between approximate and exact was the user's.
unsafe fn is_served(rel: *mut RelOptInfo, key: *mut PathKey) -> bool {
    // SAFETY: the planner's own
    unsafe {
        elements::<IndexPath>((*rel).pathlist).any(|path| {
            plan::is_of(path, &plan::OURS)
                && !compat::is_disabled(&raw mut (*path).path)
                && elements::<PathKey>((*path).path.pathkeys).next() == Some(key)
        })
    }
}

/// Adds a path of the table by the first sort key, if that is a distance of a column of vectors whose dimensions are declared.
pub unsafe fn add_path(root: *mut PlannerInfo, rel: *mut RelOptInfo, rte: &RangeTblEntry) {
    // SAFETY: the planner's own
    unsafe {
        let kinds = [pg_sys::RELKIND_RELATION, pg_sys::RELKIND_MATVIEW];
        if !guc::enable_exact_scan() || rte.inh || !kinds.contains(&(rte.relkind as u8)) {
            return;
        }
        let Some(key) = elements::<PathKey>((*root).query_pathkeys).next() else { return };
        if (*key).pk_opfamily.to_u32() != FLOAT_OPS || is_served(rel, key) {
            return;
        }
        let is_column = |side| column_of(side, (*rel).relid).is_some();
        let orders = |operator| metric_of(operator).is_some();
        let Some(distance) = first_key::distance_of(&*key, (*rel).relids, is_column, orders) else { return };
        let Some((attnum, metric)) = parts_of(distance, (*rel).relid) else { return };
        let table = OpenRelation::open(rte.relid, pg_sys::NoLock as _);
        let fits = is_zvec_table(table.raw())
            && Column::in_table(table.raw(), attnum, metric)
                .is_some_and(|column| column.toast != pg_sys::InvalidOid && !column.may_be_missing(table.raw()));
        drop(table);
        if !fits {
            return;
        }
        let path = pg_sys::palloc0(size_of::<CustomPath>()).cast::<CustomPath>();
        (*path).path.type_ = NodeTag::T_CustomPath;
        (*path).path.pathtype = NodeTag::T_CustomScan;
        (*path).path.parent = rel;
        (*path).path.pathtarget = (*rel).reltarget;
        (*path).path.param_info = pg_sys::get_baserel_parampathinfo(root, rel, (*rel).lateral_relids);
        (*path).path.pathkeys = pg_sys::lappend(std::ptr::null_mut(), key.cast());
        (*path).flags = pg_sys::CUSTOMPATH_SUPPORT_PROJECTION;
        (*path).custom_private = pg_sys::lappend(std::ptr::null_mut(), distance.cast());
        (*path).methods = &raw const METHODS.path;
        set_costs(root, rel, &mut *path, &cost::Scan::over(root, rel, attnum, distance.cast()));
        pg_sys::add_path(rel, path.cast());
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

/// How many rows the node is to look at before those that the query wants have been found, if the planner knows how many those
/// are.
unsafe fn expected(root: *mut PlannerInfo, rel: *mut RelOptInfo) -> Option<f64> {
    // SAFETY: the planner's own
    unsafe {
        let (limit, all) = ((*root).limit_tuples, (*rel).tuples.max(1.0));
        (limit > 0.0).then(|| (limit * all / (*rel).rows.max(1.0)).min(all))
    }
}

/// A pass comes before the first row. Each row is looked at when its turn comes, wherever it is; where all are wanted there
/// are more passes.
unsafe fn set_costs(root: *mut PlannerInfo, rel: *mut RelOptInfo, path: &mut CustomPath, scan: &cost::Scan) {
    // SAFETY: the planner's own
    unsafe {
        let path = &mut path.path;
        let (mut random, mut sequential) = (0.0, 0.0);
        pg_sys::get_tablespace_page_costs((*rel).reltablespace, &mut random, &mut sequential);
        let (quals, target) = (&(*rel).baserestrictcost, &(*(*rel).reltarget).cost);
        path.rows = if path.param_info.is_null() { (*rel).rows } else { (*path.param_info).ppi_rows };
        let pass = flat::threads_cost(scan);
        path.startup_cost = scan.startup + pass + quals.startup + target.startup;
        if !pg_sys::enable_seqscan {
            compat::disable(path);
        }
        if let Some(expected) = expected(root, rel) {
            path.startup_cost += pass * flat::passes_after_first(expected);
        }
        let fetched = pg_sys::index_pages_fetched(scan.rows, (*rel).pages, 0.0, root);
        let more = pass * flat::passes_after_first(scan.rows);
        let each = LOOKED_UP * pg_sys::cpu_tuple_cost + quals.per_tuple;
        path.total_cost = path.startup_cost + more + fetched * random + scan.rows * each + path.rows * target.per_tuple;
    }
}

/// The callback `PlanCustomPath`.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn plan_custom_path(
    root: *mut PlannerInfo,
    rel: *mut RelOptInfo,
    path: *mut CustomPath,
    tlist: *mut List,
    clauses: *mut List,
    _plans: *mut List,
) -> *mut Plan {
    // SAFETY: the planner's own arguments
    unsafe {
        let plan = pg_sys::palloc0(size_of::<CustomScan>()).cast::<CustomScan>();
        (*plan).scan.plan.type_ = NodeTag::T_CustomScan;
        (*plan).scan.plan.targetlist = tlist;
        (*plan).scan.plan.qual = pg_sys::extract_actual_clauses(clauses, false);
        (*plan).scan.scanrelid = (*rel).relid;
        (*plan).flags = (*path).flags;
        // the distance
        (*plan).custom_exprs = (*path).custom_private;
        let first = flat::first_round(expected(root, rel).unwrap_or(0.0));
        let conditions = (*plan).scan.plan.qual.cast::<Node>();
        let may_narrow_down = !conditions.is_null()
            && !pg_sys::contain_volatile_functions(conditions)
            // what is in them does not show any more
            && !pg_sys::contain_subplans(conditions)
            && (*rel).baserestrictcost.per_tuple <= LOOKED_UP * pg_sys::cpu_tuple_cost;
        let none = std::ptr::null_mut();
        (*plan).custom_private = pg_sys::lappend_int(pg_sys::lappend_int(none, first as i32), may_narrow_down.into());
        (*plan).methods = &raw const METHODS.scan;
        plan.cast()
    }
}
