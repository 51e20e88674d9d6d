//! The planner's part: a path that is ordered by a distance.

use crate::executor::exact_scan::{Methods, NAME, Private, SCAN};
use crate::indexam::flat;
use crate::knn::column::Column;
use crate::knn::cost;
use crate::knn::distance_clause::{column_of, metric_of, parts_of};
use crate::pg::compat;
use crate::pg::list::elements;
use crate::pg::relation::OpenRelation;
use crate::pg::settings;
use crate::planner::distance_forms;
use crate::planner::distance_forms::{Served, Wanted};
use crate::planner::ours::{OURS, is_of};
use crate::tableam::is_zvec_table;
use pgrx::pg_sys::{
    self, CustomPath, CustomPathMethods, CustomScan, Expr, IndexPath, List, Node, NodeTag, PathKey, Plan, PlannerInfo,
    RangeTblEntry, RelOptInfo, RestrictInfo,
};
use std::ffi::c_void;

static PATH: Methods<CustomPathMethods> = Methods(CustomPathMethods {
    CustomName: NAME.as_ptr(),
    PlanCustomPath: Some(plan_custom_path),
    ReparameterizeCustomPathByChild: None,
});

/// What it costs to look a row up by its address, in what the planner charges for one of a sequential scan. (Measured: 0.9
/// microseconds and 0.03.)
const LOOKED_UP: f64 = 20.0;

/// The share of the rows that is taken to be near enough for a condition that asks for those below a bound, and not for their
/// order: the server has no statistics of distances, and takes a third for any bound.
const NEAR: f64 = 0.01;

/// Whether an index has the order: then the choice between approximate and exact was the user's.
unsafe fn is_served(rel: *mut RelOptInfo, key: *mut PathKey) -> bool {
    // SAFETY: the planner's own
    unsafe {
        elements::<IndexPath>((*rel).pathlist).any(|path| {
            is_of(path, &OURS)
                && !compat::is_disabled(&raw mut (*path).path)
                && elements::<PathKey>((*path).path.pathkeys).next() == Some(key)
        })
    }
}

/// Adds paths of the table: by the first sort key, if that orders as a distance of a column of vectors whose dimensions are
/// declared; and for a condition that keeps such a distance below a bound, in any order.
pub unsafe fn add_path(root: *mut PlannerInfo, rel: *mut RelOptInfo, rte: &RangeTblEntry) {
    // SAFETY: the planner's own
    unsafe {
        let kinds = [pg_sys::RELKIND_RELATION, pg_sys::RELKIND_MATVIEW];
        if !settings::enable_exact_scan() || rte.inh || !kinds.contains(&(rte.relkind as u8)) {
            return;
        }
        let served = Served {
            is_column: |side| column_of(side, (*rel).relid).is_some(),
            orders: |operator| metric_of(operator).is_some(),
        };
        let key = elements::<PathKey>((*root).query_pathkeys).next();
        let wanted = key.filter(|&key| !is_served(rel, key)).and_then(|key| Some((key, served.wanted(&*key, &*rel)?)));
        let mut distance = None;
        if let Some((key, wanted)) = wanted {
            let bounds = served.bounds(root, &*rel, wanted.distance, wanted.nan_first);
            add(root, rel, rte, &wanted, Some(key), &bounds);
            distance = Some(wanted.distance);
        }
        // what is in order and ends is as good in any order
        let bounded = elements::<RestrictInfo>((*rel).baserestrictinfo)
            .find_map(|condition| served.bound(root, condition))
            .map(|(form, _)| form.distance)
            .filter(|&bounded| !distance.is_some_and(|distance| pg_sys::equal(bounded.cast(), distance.cast())));
        if let Some(distance) = bounded {
            let nan_first = distance_forms::may_be_nan(distance);
            let wanted = Wanted { distance, is_plain: true, nulls_first: false, nan_first };
            let bounds = served.bounds(root, &*rel, distance, nan_first);
            add(root, rel, rte, &wanted, None, &bounds);
        }
    }
}

/// Adds a path of the table.
unsafe fn add(
    root: *mut PlannerInfo,
    rel: *mut RelOptInfo,
    rte: &RangeTblEntry,
    wanted: &Wanted,
    key: Option<*mut PathKey>,
    bounds: &[(*mut RestrictInfo, *mut Expr)],
) {
    // SAFETY: the planner's own
    unsafe {
        let distance = wanted.distance;
        let Some((attnum, metric)) = parts_of(distance, (*rel).relid) else { return };
        let table = OpenRelation::open(rte.relid, pg_sys::NoLock as _);
        let fits = is_zvec_table(table.rel())
            && Column::in_table(table.rel(), attnum, metric)
                .is_some_and(|column| column.has_store() && !column.may_be_missing(table.rel()));
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
        if let Some(key) = key {
            (*path).path.pathkeys = pg_sys::lappend(std::ptr::null_mut(), key.cast());
        }
        (*path).flags = pg_sys::CUSTOMPATH_SUPPORT_PROJECTION;
        (*path).methods = &raw const PATH.0;
        let mut scan = cost::ScanCost::over(root, rel, attnum, distance.cast());
        let list = |list, element: *mut c_void| pg_sys::lappend(list, element);
        if !bounds.is_empty() {
            let conditions = bounds.iter().fold(std::ptr::null_mut(), |to, &(condition, _)| list(to, condition.cast()));
            scan.end(root, rel, conditions);
            if key.is_none() {
                scan.within = scan.within.min(NEAR);
            }
        } else if wanted.nulls_first {
            scan.begin_with_nulls(root, rel, attnum);
        }
        let expected = expected(root, rel, scan.within, key.is_some());
        let conditions = (*rel).baserestrictinfo.as_ref().map_or(0, |list| list.length as usize);
        let private = Private {
            first: flat::first_pass_rows(expected.unwrap_or(0.0)),
            // a bound is asked about by the passes
            may_narrow_down: conditions > bounds.len(),
            is_ordered: key.is_some(),
            nulls_first: wanted.nulls_first && bounds.is_empty(),
            nan_first: wanted.nan_first,
        };
        // what is to be computed, and the rest
        let computed =
            bounds.iter().fold(list(std::ptr::null_mut(), distance.cast()), |to, &(_, bound)| list(to, bound.cast()));
        (*path).custom_private = list(list(std::ptr::null_mut(), computed.cast()), private.list().cast());
        set_costs(root, rel, &mut *path, &scan, expected);
        pg_sys::add_path(rel, path.cast());
    }
}

/// How many rows the node is to look at before those that the query wants have been found, if the planner knows how many those
/// are, or where the scan ends.
unsafe fn expected(root: *mut PlannerInfo, rel: *mut RelOptInfo, within: f64, is_ordered: bool) -> Option<f64> {
    // SAFETY: the planner's own
    unsafe {
        let (limit, all) = ((*root).limit_tuples, (*rel).tuples.max(1.0));
        let most = all * within;
        if limit > 0.0 && is_ordered {
            return Some((limit * all / (*rel).rows.max(1.0)).min(most));
        }
        (within < 1.0).then_some(most)
    }
}

/// A pass comes before the first row. Each row is looked at when its turn comes, wherever it is; where all are wanted there
/// are more passes.
unsafe fn set_costs(
    root: *mut PlannerInfo,
    rel: *mut RelOptInfo,
    path: &mut CustomPath,
    scan: &cost::ScanCost,
    expected: Option<f64>,
) {
    // SAFETY: the planner's own
    unsafe {
        let path = &mut path.path;
        let (mut random, mut sequential) = (0.0, 0.0);
        pg_sys::get_tablespace_page_costs((*rel).reltablespace, &mut random, &mut sequential);
        let (quals, target) = (&(*rel).baserestrictcost, &(*(*rel).reltarget).cost);
        path.rows = if path.param_info.is_null() { (*rel).rows } else { (*path.param_info).ppi_rows };
        let pass = cost::threads_cost(scan);
        path.startup_cost = scan.startup + scan.nulls_first + pass + quals.startup + target.startup;
        if !pg_sys::enable_seqscan {
            compat::disable(path);
        }
        if let Some(expected) = expected
            && !path.pathkeys.is_null()
        {
            path.startup_cost += pass * flat::passes_after_first(expected);
        }
        let rows = scan.rows * scan.within;
        let fetched = pg_sys::index_pages_fetched(rows, (*rel).pages, 0.0, root);
        let more = if path.pathkeys.is_null() { 0.0 } else { pass * flat::passes_after_first(rows) };
        let each = LOOKED_UP * pg_sys::cpu_tuple_cost + quals.per_tuple;
        path.total_cost = path.startup_cost + more + fetched * random + rows * each + path.rows * target.per_tuple;
    }
}

/// The callback `PlanCustomPath`.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn plan_custom_path(
    _root: *mut PlannerInfo,
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
        let [computed, private] =
            [0, 1].map(|at| (*(*(*path).custom_private).elements.add(at)).ptr_value.cast::<List>());
        // the distance, and the bounds
        (*plan).custom_exprs = computed;
        (*plan).custom_private = private;
        let conditions = (*plan).scan.plan.qual.cast::<Node>();
        let may_narrow_down = (*(*private).elements.add(1)).int_value != 0
            && !conditions.is_null()
            && !pg_sys::contain_volatile_functions(conditions)
            // what is in them does not show any more
            && !pg_sys::contain_subplans(conditions)
            && (*rel).baserestrictcost.per_tuple <= LOOKED_UP * pg_sys::cpu_tuple_cost;
        (*(*private).elements.add(1)).int_value = may_narrow_down.into();
        (*plan).methods = &raw const SCAN.0;
        plan.cast()
    }
}
