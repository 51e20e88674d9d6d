//! The planner's part: scans of graphs that take conditions into account ([`crate::executor::graph_scan`]).
//!
//! Wherever the planner has a scan of a graph, by whatever order and bounds, and conditions that the scan is not told of, this
//! one is offered beside it. It has a plan of the server's own that finds the rows which satisfy the conditions, to be run where
//! that is worth while.

use crate::executor::exact_scan::Methods;
use crate::executor::graph_scan::{NAME, Private, SCAN, Subplan};
use crate::executor::row_test::columns_of;
use crate::indexam::hnsw;
use crate::indexam::hnsw::filter::Expected;
use crate::indexam::hnsw::included::testable::{Columns, Form, recognise, tests};
use crate::knn::cost::ScanCost;
use crate::knn::scan_hints;
use crate::pg::compat;
use crate::pg::list::{elements, members};
use crate::pg::relation::OpenRelation;
use crate::pg::settings;
use crate::planner::ours::{OURS, is_index_of, is_of};
use pgrx::pg_sys::{
    self, CustomPath, CustomPathMethods, CustomScan, Expr, IndexClause, IndexOptInfo, IndexPath, List, Node, NodeTag,
    OpExpr, Path, Plan, PlannerInfo, RelOptInfo, RestrictInfo,
};
use std::ffi::c_void;

static PATH: Methods<CustomPathMethods> = Methods(CustomPathMethods {
    CustomName: NAME.as_ptr(),
    PlanCustomPath: Some(plan_custom_path),
    ReparameterizeCustomPathByChild: None,
});

/// What it costs to test the rows on a table's pages, beside a scan of the server's that asks the same.
const TESTED: f64 = 0.15;

/// A row that is looked up costs so many of a sequential scan: what conditions cost that are asked about a row before its turn
/// is not to be more.
const LOOKED_UP: f64 = 20.0;

/// Adds a path for each of the planner's scans of graphs.
pub unsafe fn add_paths(root: *mut PlannerInfo, rel: *mut RelOptInfo) {
    // SAFETY: the planner's own
    unsafe {
        if !settings::enable_graph_scan() {
            return;
        }
        let graphs: Vec<*mut IndexPath> = elements::<IndexPath>((*rel).pathlist)
            .filter(|&path| is_of(path, &[&hnsw::CALLBACKS]) && !compat::is_disabled(&raw mut (*path).path))
            .collect();
        for path in graphs {
            add(root, rel, path);
        }
    }
}

/// What an index path is told: conditions that it knows of, bounds, and whether rows without a vector come first, and those whose
/// distance is NaN.
unsafe fn told(path: *mut IndexPath) -> (Vec<*mut RestrictInfo>, Vec<*mut Expr>, bool, bool) {
    // SAFETY: the planner's own
    unsafe {
        let (mut known, mut bounds, mut first) = (Vec::new(), Vec::new(), (false, false));
        for clause in elements::<IndexClause>((*path).indexclauses) {
            for hint in elements::<RestrictInfo>((*clause).indexquals) {
                let call = (*hint).clause.cast::<OpExpr>();
                let Some(argument) = elements::<Node>((*call).args).nth(1) else { continue };
                let strategy = pg_sys::get_op_opfamily_strategy((*call).opno, *(*(*path).indexinfo).opfamily);
                if strategy == i32::from(scan_hints::WITHIN) {
                    known.push((*clause).rinfo);
                    bounds.push(argument.cast());
                } else {
                    first = scan_hints::first_of(argument);
                }
            }
        }
        (known, bounds, first.0, first.1)
    }
}

/// Whether the condition looks at nothing but the vectors, as one for a distance does or `IS NOT NULL`: nothing but the vector
/// itself tells whether it holds.
unsafe fn is_of_vectors(condition: *mut RestrictInfo, index: *mut IndexOptInfo) -> bool {
    // SAFETY: the planner's own
    unsafe {
        let mut columns = std::ptr::null_mut();
        pg_sys::pull_varattnos((*condition).clause.cast(), (*(*index).rel).relid, &mut columns);
        let vector = *(*index).indexkeys - pg_sys::FirstLowInvalidHeapAttributeNumber;
        pg_sys::bms_is_subset(columns, pg_sys::bms_make_singleton(vector))
    }
}

/// Whether rows may be asked about the conditions before their turn: asked twice, they answer the same, they have no queries of
/// their own, which would show and might not, and to ask costs no more than to look a row up.
unsafe fn may_be_asked(rel: &RelOptInfo, path: &Path) -> bool {
    // SAFETY: the planner's own
    unsafe {
        let of_joins = path.param_info.as_ref().map_or(std::ptr::null_mut(), |info| info.ppi_clauses);
        let mut conditions = elements::<RestrictInfo>(rel.baserestrictinfo).chain(elements::<RestrictInfo>(of_joins));
        rel.baserestrictcost.per_tuple <= LOOKED_UP * pg_sys::cpu_tuple_cost
            && !conditions.any(|condition| {
                let clause = (*condition).clause.cast();
                pg_sys::contain_volatile_functions(clause) || pg_sys::contain_subplans(clause)
            })
    }
}

/// The server's cheapest scan of the table in any order that could find the rows.
unsafe fn finder(rel: *mut RelOptInfo, path: &Path) -> Option<(*mut Path, Subplan)> {
    // SAFETY: the planner's own paths, of which copies are made, since the planner may free them
    unsafe {
        let outer = |path: &Path| path.param_info.as_ref().map_or(std::ptr::null_mut(), |info| info.ppi_req_outer);
        let found = elements::<Path>((*rel).pathlist)
            .filter(|&other| {
                let other = &*other;
                let fits = match other.pathtype {
                    NodeTag::T_SeqScan => other.type_ == NodeTag::T_Path,
                    NodeTag::T_BitmapHeapScan => other.type_ == NodeTag::T_BitmapHeapPath,
                    NodeTag::T_IndexScan => {
                        other.type_ == NodeTag::T_IndexPath
                            && !is_index_of((*std::ptr::from_ref(other).cast::<IndexPath>()).indexinfo, &OURS)
                    }
                    _ => false,
                };
                fits && !other.parallel_aware && pg_sys::bms_equal(outer(other), outer(path))
            })
            .min_by(|&a, &b| (*a).total_cost.total_cmp(&(*b).total_cost))?;
        let (bytes, subplan) = match (*found).type_ {
            NodeTag::T_IndexPath => (size_of::<IndexPath>(), Subplan::Index),
            NodeTag::T_BitmapHeapPath => (size_of::<pg_sys::BitmapHeapPath>(), Subplan::Bitmap),
            _ => (size_of::<Path>(), Subplan::Table),
        };
        let copy = pg_sys::palloc(bytes);
        std::ptr::copy_nonoverlapping(found.cast::<u8>(), copy.cast::<u8>(), bytes);
        let copy = copy.cast::<Path>();
        (*copy).pathkeys = std::ptr::null_mut();
        // the rows' slots are all that is looked at
        (*copy).pathtarget = pg_sys::create_empty_pathtarget();
        Some((copy, subplan))
    }
}

unsafe fn add(root: *mut PlannerInfo, rel: *mut RelOptInfo, graph: *mut IndexPath) {
    // SAFETY: the planner's own
    unsafe {
        let index = (*graph).indexinfo;
        let (known, bounds, nulls_first, nan_first) = told(graph);
        let mut conditions = elements::<RestrictInfo>((*index).indrestrictinfo);
        let distance = (*(*(*graph).indexorderbys).elements).ptr_value.cast::<OpExpr>();
        if !conditions.any(|condition| !known.contains(&condition) && !is_of_vectors(condition, index)) {
            return;
        }
        // bounds are of the table alone, as the planner makes them
        if !(*graph).path.param_info.is_null() && !bounds.is_empty() {
            return;
        }
        let Some(scan) = ScanCost::of(root, graph) else { return };
        let may_be_asked = may_be_asked(&*rel, &(*graph).path);
        let finder = if may_be_asked { finder(rel, &(*graph).path) } else { None };
        let wanted: Vec<*mut RestrictInfo> = elements::<RestrictInfo>((*index).indrestrictinfo)
            .filter(|&condition| !known.contains(&condition) && !is_of_vectors(condition, index))
            .collect();
        let tested = Tested::of(root, rel, index, &wanted);
        let is_whole = (*graph).path.param_info.is_null();
        let list = |list, element: *mut c_void| pg_sys::lappend(list, element);
        let path = pg_sys::palloc0(size_of::<CustomPath>()).cast::<CustomPath>();
        (&raw mut (*path).path).copy_from_nonoverlapping(&raw const (*graph).path, 1);
        (*path).path.type_ = NodeTag::T_CustomPath;
        (*path).path.pathtype = NodeTag::T_CustomScan;
        (*path).path.parallel_safe = false;
        (*path).flags = pg_sys::CUSTOMPATH_SUPPORT_PROJECTION;
        (*path).methods = &raw const PATH.0;
        let rows = (*graph).path.rows;
        let limit = (*root).limit_tuples;
        let private = Private {
            index: (*index).indexoid,
            nulls_first,
            nan_first,
            may_be_asked,
            subplan: finder.map_or(Subplan::None, |(_, subplan)| subplan),
            expected: Expected {
                rows: scan.rows,
                share: (rows / scan.rows).clamp(0.0, 1.0),
                wanted: if limit > 0.0 { limit } else { 0.0 },
                finding: finder.map_or(0.0, |(finder, _)| (*finder).total_cost),
            },
            bounds: bounds.len(),
            comparands: tested.form.comparands.len(),
            decide: is_whole && !wanted.is_empty() && tested.clauses.len() == wanted.len(),
            own: tested.own.len(),
        };
        if let Some((finder, _)) = finder {
            (*path).custom_paths = list(std::ptr::null_mut(), finder.cast());
        }
        let computed =
            bounds.iter().fold(list(std::ptr::null_mut(), distance.cast()), |to, &bound| list(to, bound.cast()));
        let computed = tested.form.comparands.iter().fold(computed, |to, &value| list(to, value.cast()));
        let included = tested.clauses.iter().filter(|_| tested.own.is_empty());
        let computed = included.fold(computed, |to, &clause| list(to, clause.cast()));
        (*path).custom_private =
            list(list(std::ptr::null_mut(), computed.cast()), private.list(&tested.own, &tested.form.words).cast());
        // who tests rows on the table's pages has no plan of the server's for each
        let faster =
            |subplan| if private.own > 0 && private.decide && subplan == Subplan::Table { TESTED } else { 1.0 };
        let finding = finder.map(|(finder, subplan)| (*finder).total_cost * faster(subplan));
        set_costs(&mut (*path).path, &scan, finding, limit);
        if !tested.clauses.is_empty() && tested.own.is_empty() {
            tested.set_costs(&mut (*path).path, &(*graph).path, &scan, limit);
        }
        pg_sys::add_path(rel, path.cast());
    }
}

/// The cheaper of two ways, for as many rows as are wanted: as the index scan, which asks rows in order; and with rows that
/// were found before, whose codes are compared, or which the graph is searched for. The scan chooses anew when it runs, so the
/// whole costs no more than the cheaper one.
unsafe fn set_costs(path: &mut Path, scan: &ScanCost, finding: Option<f64>, limit: f64) {
    /// A little less than the index scan, of which nothing is left to be said for.
    const LESS: f64 = 0.999;
    let (startup, total, rows) = (path.startup_cost, path.total_cost, path.rows.max(1.0));
    let share = if limit > 0.0 { (limit / rows).min(1.0) } else { 1.0 };
    let of_share = |startup: f64, total: f64| startup + (total - startup) * share;
    (path.startup_cost, path.total_cost) = (startup * LESS, total * LESS);
    if let Some(finding) = finding {
        let (code, each) = hnsw::known_row_costs(scan);
        let begins = finding + (rows * code).min(2.0 * startup) + scan.nulls_first;
        let ends = begins + rows * each;
        if of_share(begins, ends) < of_share(startup, total) {
            (path.startup_cost, path.total_cost) = (begins, ends);
        }
    }
}

/// What columns tell of the conditions: those that the index includes, or if these tell nothing, the table's own.
#[derive(Default)]
struct Tested {
    /// the table's own columns; none where included ones are tested
    own: Vec<i16>,
    form: Form,
    clauses: Vec<*mut Expr>,
    /// the share of the rows that passes
    share: f64,
}

impl Tested {
    unsafe fn of(
        root: *mut PlannerInfo,
        rel: *mut RelOptInfo,
        index: *mut IndexOptInfo,
        conditions: &[*mut RestrictInfo],
    ) -> Self {
        // SAFETY: the planner's own; it has locked the index
        unsafe {
            if conditions.is_empty() {
                return Self::default();
            }
            let (keys, all) = ((*index).nkeycolumns as usize, (*index).ncolumns as usize);
            if keys < all {
                let opened = OpenRelation::open((*index).indexoid, pg_sys::NoLock as _);
                let kinds = hnsw::included_columns(opened.rel());
                let numbers: Vec<i16> = (keys..all).map(|at| *(*index).indexkeys.add(at) as i16).collect();
                let columns = Columns { relid: (*rel).relid, numbers: &numbers, kinds: &kinds };
                let tested = Self::by(root, rel, &columns, conditions);
                if !tested.clauses.is_empty() {
                    return tested;
                }
            }
            let mut read = std::ptr::null_mut();
            for &condition in conditions {
                pg_sys::pull_varattnos((*condition).clause.cast(), (*rel).relid, &mut read);
            }
            let read = members(read).into_iter().map(|at| (at + pg_sys::FirstLowInvalidHeapAttributeNumber) as i16);
            let table = (**(*root).simple_rte_array.add((*rel).relid as usize)).relid;
            let opened = OpenRelation::open(table, pg_sys::NoLock as _);
            let (numbers, kinds): (Vec<_>, Vec<_>) =
                columns_of(opened.rel(), &read.collect::<Vec<_>>()).into_iter().unzip();
            let columns = Columns { relid: (*rel).relid, numbers: &numbers, kinds: &kinds };
            let mut tested = Self::by(root, rel, &columns, conditions);
            if !tested.clauses.is_empty() {
                tested.own = numbers;
            }
            tested
        }
    }

    unsafe fn by(
        root: *mut PlannerInfo,
        rel: *mut RelOptInfo,
        columns: &Columns<'_>,
        conditions: &[*mut RestrictInfo],
    ) -> Self {
        // SAFETY: the planner's own
        unsafe {
            let (mut forms, mut clauses, mut tested) = (Vec::new(), Vec::new(), std::ptr::null_mut());
            for &condition in conditions {
                let clause = (*condition).clause;
                if pg_sys::contain_subplans(clause.cast()) {
                    continue;
                }
                if let Some(form) = recognise(columns, clause) {
                    forms.push(form);
                    clauses.push(clause);
                    tested = pg_sys::lappend(tested, condition.cast());
                }
            }
            let Some(form) = Form::all(forms) else { return Self::default() };
            let (inner, none) = (pg_sys::JoinType::JOIN_INNER, std::ptr::null_mut());
            let share = pg_sys::clauselist_selectivity(root, tested, (*rel).relid as i32, inner, none);
            Self { own: Vec::new(), form, clauses, share }
        }
    }

    /// Makes a path cheaper, of which `graph` is the index scan, by what included columns are good for: rows that fail are hardly
    /// looked at where most rows pass, and where few do those that pass are known from the keys of all.
    unsafe fn set_costs(&self, path: &mut Path, graph: &Path, scan: &ScanCost, limit: f64) {
        /// in operators: the key of a row
        const KEY: f64 = 0.05;
        // SAFETY: a setting
        let operator = unsafe { pg_sys::cpu_operator_cost };
        let passing = (self.share * scan.rows).max(1.0);
        let (code, each) = hnsw::known_row_costs(scan);
        let keys = scan.rows * KEY * operator * tests(&self.form.words) as f64;
        let begins = keys + (passing * code).min(1.5 * graph.startup_cost) + scan.nulls_first;
        let known = (begins, begins + passing * each);
        let rows = path.rows.max(1.0);
        let share = if limit > 0.0 { (limit / rows).min(1.0) } else { 1.0 };
        let of_share = |(startup, total): (f64, f64)| startup + (total - startup) * share;
        if of_share(known) < of_share((path.startup_cost, path.total_cost)) {
            (path.startup_cost, path.total_cost) = known;
        }
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
    plans: *mut List,
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
        for mut finder in elements::<Plan>(plans) {
            // conditions without a row, which are asked above this node as well
            if (*finder).type_ == NodeTag::T_Result && !(*finder).lefttree.is_null() {
                finder = (*finder).lefttree;
            }
            // the rows' addresses are all that is wanted
            if (*finder).type_ == NodeTag::T_BitmapHeapScan {
                finder = (*finder).lefttree;
            }
            (*plan).custom_plans = pg_sys::lappend((*plan).custom_plans, finder.cast());
        }
        (*plan).methods = &raw const SCAN.0;
        plan.cast()
    }
}
