//! What the planner is told.
//!
//! The unit of account is what the planner itself charges for the ORDER BY expression of a row: the operator's cost. A
//! scan that computes distances where the vectors lie, without rows, sorting or function calls, pays [`IN_PLACE`] of it a
//! vector. The pages of the vectors are not charged, because the planner does not charge them for the alternative either:
//! a sequential scan reads them through the operator. So what is compared is comparable.

use crate::knn::column::declared_dims;
use crate::knn::{distance_clause, scan_hints};
use crate::pg::compat;
use crate::pg::list::elements;
use crate::tableam::vectors::element_of_type;
use crate::vector::ElementType;
use pgrx::pg_sys::{self, IndexPath, Node, PlannerInfo, RelOptInfo};

/// What computing a distance in place costs beside the operator, as executed for a row.
pub const IN_PLACE: f64 = 0.5;

/// How much faster a scan with vectors in memory is with each thread that helps (188 MB by two threads on two processors:
/// 4.3 ms instead of 7.1).
pub const EACH_HELPER: f64 = 0.65;

/// More than any path costs, even one that a setting disables; finite, so that the planner's differences are numbers.
const PROHIBITIVE: f64 = 1e300;

/// What is to be known of a scan before it can be costed.
#[derive(Clone, Copy, Debug)]
pub struct ScanCost {
    /// rows of the table
    pub rows: f64,
    /// the share of them that a partial index covers; 1 for an index that is not
    pub covered: f64,
    /// whether the index is partial
    pub partial: bool,
    /// dimensions of the column; 0 when they are not declared
    pub dims: u32,
    /// bytes of a vector
    pub bytes: u32,
    /// cost of computing one distance in place
    pub distance: f64,
    /// cost before the first distance
    pub startup: f64,
    /// rows that the query wants; the planner's guess, or all
    pub wanted: f64,
    /// whether the table is temporary, which one thread alone can read
    pub temporary: bool,
    /// the share of the rows that are near enough, where the scan ends at a bound; 1 where it does not
    pub within: f64,
    /// cost of looking for rows without a vector, where they come first
    pub nulls_first: f64,
}

/// What a scan costs.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    /// before the first row
    pub startup: f64,
    /// to the last row
    pub total: f64,
    /// pages to be read, by which the planner chooses the number of parallel workers
    pub pages: f64,
}

impl ScanCost {
    /// Of the planner's `path`; `None` for a path without an ORDER BY by distance, which is never worth while, and for one by a
    /// distance that no scan can compute: the server's planner takes what has no column in it for given; nor for one that would
    /// reveal what policies hide.
    #[must_use]
    pub unsafe fn of(root: *mut PlannerInfo, path: *mut IndexPath) -> Option<Self> {
        // SAFETY: the planner's own
        unsafe {
            let orderbys = (*path).indexorderbys;
            if orderbys.is_null() {
                return None;
            }
            let index = &*(*path).indexinfo;
            let distance = (*(*orderbys).elements).ptr_value.cast();
            if !distance_clause::is_known_to_a_scan(distance) {
                return None;
            }
            if reveals_rows(index) {
                return None;
            }
            let mut scan = Self::over(root, index.rel, *index.indexkeys as i16, distance);
            let (mut bounds, mut nulls_first) = (std::ptr::null_mut(), false);
            for clause in elements::<pg_sys::IndexClause>((*path).indexclauses) {
                for hint in elements::<pg_sys::RestrictInfo>((*clause).indexquals) {
                    let hint = (*hint).clause.cast::<pg_sys::OpExpr>();
                    let strategy = pg_sys::get_op_opfamily_strategy((*hint).opno, *index.opfamily);
                    if strategy == i32::from(scan_hints::WITHIN) {
                        bounds = pg_sys::lappend(bounds, (*clause).rinfo.cast());
                    } else {
                        nulls_first |=
                            elements::<Node>((*hint).args).nth(1).is_some_and(|text| scan_hints::has_nulls_first(text));
                    }
                }
            }
            if !bounds.is_null() {
                scan.end(root, index.rel, bounds);
            } else if nulls_first {
                scan.begin_with_nulls(root, index.rel, *index.indexkeys as i16);
            }
            if !index.indpred.is_null() {
                let (inner, none) = (pg_sys::JoinType::JOIN_INNER, std::ptr::null_mut());
                scan.partial = true;
                scan.covered =
                    pg_sys::clauselist_selectivity(root, index.indpred, (*index.rel).relid as i32, inner, none);
            }
            Some(scan)
        }
    }

    /// Of the rows of the table `rel`, ordered by `distance`, an expression over its column `attnum`.
    #[must_use]
    pub unsafe fn over(root: *mut PlannerInfo, rel: *mut RelOptInfo, attnum: i16, distance: *mut Node) -> Self {
        // SAFETY: the planner's own
        unsafe {
            let mut expression = pg_sys::QualCost::default();
            pg_sys::cost_qual_eval_node(&mut expression, distance, root);
            let table = (**(*root).simple_rte_array.add((*rel).relid as usize)).relid;
            let (mut typid, mut typmod, mut collation) = (pg_sys::InvalidOid, -1, pg_sys::InvalidOid);
            pg_sys::get_atttypetypmodcoll(table, attnum, &mut typid, &mut typmod, &mut collation);
            let rows = (*rel).tuples.max(1.0);
            let limit = (*root).limit_tuples;
            let dims = declared_dims(typid, typmod).max(0) as u32;
            let element = element_of_type(typid).unwrap_or(ElementType::Float4);
            Self {
                rows,
                covered: 1.0,
                partial: false,
                dims,
                bytes: element.bytes(dims as usize) as u32,
                distance: expression.per_tuple * IN_PLACE,
                startup: expression.startup,
                temporary: pg_sys::get_rel_persistence(table) as u8 == pg_sys::RELPERSISTENCE_TEMP,
                wanted: if limit > 0.0 { limit.min(rows) } else { rows },
                within: 1.0,
                nulls_first: 0.0,
            }
        }
    }

    /// The scan ends where these conditions hold no more.
    pub unsafe fn end(&mut self, root: *mut PlannerInfo, rel: *mut RelOptInfo, bounds: *mut pg_sys::List) {
        // SAFETY: the planner's own
        unsafe {
            let (inner, none) = (pg_sys::JoinType::JOIN_INNER, std::ptr::null_mut());
            self.within = pg_sys::clauselist_selectivity(root, bounds, (*rel).relid as i32, inner, none);
        }
    }

    /// The table is searched for rows whose column `attnum` is NULL, before anything else.
    pub unsafe fn begin_with_nulls(&mut self, root: *mut PlannerInfo, rel: *mut RelOptInfo, attnum: i16) {
        // SAFETY: the planner's own
        unsafe {
            let table = (**(*root).simple_rte_array.add((*rel).relid as usize)).relid;
            let table = crate::pg::relation::OpenRelation::open(table, pg_sys::NoLock as _);
            if !table.rel().has_no_null(attnum) {
                let (mut random, mut sequential) = (0.0, 0.0);
                pg_sys::get_tablespace_page_costs((*rel).reltablespace, &mut random, &mut sequential);
                self.nulls_first = f64::from((*rel).pages) * sequential + self.rows * pg_sys::cpu_tuple_cost;
            }
        }
    }

    /// Pages that the vectors take.
    #[must_use]
    pub fn vector_pages(&self) -> f64 {
        let bytes = self.rows * f64::from(self.bytes);
        (bytes / crate::format::page::PAYLOAD_BYTES as f64).ceil()
    }
}

/// Whether a scan of the partial index would show rows that policies hide from the user to functions that may tell of them: the
/// scan evaluates the index's condition first, and of the query's own conditions the server makes sure that it does not.
unsafe fn reveals_rows(index: &pg_sys::IndexOptInfo) -> bool {
    // SAFETY: the planner's own
    unsafe {
        let rel = &*index.rel;
        let mut conditions = elements::<pg_sys::RestrictInfo>(rel.baserestrictinfo);
        !index.indpred.is_null()
            && conditions.any(|condition| (*condition).security_level > rel.baserestrict_min_security)
            && pg_sys::contain_leaked_vars(index.indpred.cast())
    }
}

/// Fills the planner's results; `None` makes sure that the path is not chosen.
pub unsafe fn tell(
    path: *mut IndexPath,
    estimate: Option<(&ScanCost, Estimate)>,
    startup: *mut pg_sys::Cost,
    total: *mut pg_sys::Cost,
    selectivity: *mut pg_sys::Selectivity,
    correlation: *mut f64,
    pages: *mut f64,
) {
    // SAFETY: the planner's own
    unsafe {
        *correlation = 0.0;
        match estimate {
            Some((scan, estimate)) => {
                *startup = estimate.startup;
                *total = estimate.total;
                *selectivity = scan.covered * scan.within;
                *pages = estimate.pages;
            }
            None => {
                compat::prohibit(&raw mut (*path).path);
                *startup = PROHIBITIVE;
                *total = PROHIBITIVE;
                *selectivity = 1.0;
                *pages = 0.0;
            }
        }
    }
}

/// What the planner is told of one pass over the slots and the vectors, made by one thread.
#[must_use]
pub fn pass_cost(scan: &ScanCost) -> f64 {
    // SAFETY: a setting
    scan.rows * (unsafe { pg_sys::cpu_operator_cost } + scan.distance)
}

/// What it is told of a pass by as many threads as a scan would have, had the machine processors for them.
#[must_use]
pub fn threads_cost(scan: &ScanCost) -> f64 {
    let pages = scan.vector_pages().min(f64::from(u32::MAX)) as u32;
    let helpers = if scan.temporary { 0 } else { crate::knn::scan_threads::wanted(pages) };
    pass_cost(scan) / (1.0 + EACH_HELPER * helpers as f64)
}
