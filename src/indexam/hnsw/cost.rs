//! What a scan costs, for the planner.
//!
//! The start is a search for `ef_search` neighbours; each row makes the search go on. The scale is the cost of
//! a distance in place ([`cost::ScanCost::distance`]): comparing codes is a share of it.

use crate::indexam::flat::most_rows;
use crate::indexam::hnsw::scan::{COLLECTED_BYTES, SWEPT_SHARE, WAITING_BYTES};
use crate::indexam::options::GraphOptions;
use crate::knn::cost;
use crate::pg::list::elements;
use crate::pg::settings;
use pgrx::pg_sys;

/// Scoring a code, in distances, with its share of the search.
const CODE: f64 = 0.6;
/// Codes scored for a link of each neighbour that is kept.
const SCORED_PER_LINK: f64 = 0.8;
/// A row that is handed out, in distances: its share of a search that goes on, and its exact distance.
const ROW: f64 = 26.0;
/// A row that is handed out, in rows of a sequential scan that computes nothing: looking it up. With [`ROW`], as much as 13
/// rows of a sequential scan with distances, measured at 64 and at 768 dimensions; 1,200 rows of 784 dimensions take as long
/// as a sequential scan of 60,000 that filters.
const LOOK_UP: f64 = 32.0;

/// A vector of a graph that is read all, in distances: its slot is looked up, and it is put in order.
const SWEPT: f64 = 4.0;

/// Whether rows of equal distance are brought together by their order (GROUP BY, DISTINCT, PARTITION BY, a merge join): that
/// asks for every row, each in its place, and a row that a graph is late to find would make a second group.
unsafe fn groups(root: *mut pg_sys::PlannerInfo, path: *mut pg_sys::IndexPath) -> bool {
    // SAFETY: the planner's own
    unsafe {
        let query = &*(*root).parse;
        let rel = &*(*(*path).indexinfo).rel;
        let own = if rel.top_parent_relids.is_null() { rel.relids } else { rel.top_parent_relids };
        let mut partitions = elements::<pg_sys::WindowClause>(query.windowClause);
        let mut keys = elements::<pg_sys::PathKey>((*path).path.pathkeys);
        [query.groupClause, query.groupingSets, query.distinctClause].iter().any(|list| !list.is_null())
            || partitions.any(|window| !(*window).partitionClause.is_null())
            || keys.any(|key| !pg_sys::bms_is_subset((*(*key).pk_eclass).ec_relids, own))
    }
}

/// What it costs to compare the code of a row that is known to be wanted, and to hand one out.
#[must_use]
pub fn known_row_costs(scan: &cost::ScanCost) -> (f64, f64) {
    // SAFETY: a setting
    (scan.distance * CODE, scan.distance + LOOK_UP * unsafe { pg_sys::cpu_tuple_cost })
}

/// The callback `amcostestimate`.
#[pgrx::pg_guard]
#[allow(clippy::too_many_arguments)]
pub unsafe extern "C-unwind" fn amcostestimate(
    root: *mut pg_sys::PlannerInfo,
    path: *mut pg_sys::IndexPath,
    _loop_count: f64,
    startup: *mut pg_sys::Cost,
    total: *mut pg_sys::Cost,
    selectivity: *mut pg_sys::Selectivity,
    correlation: *mut f64,
    pages: *mut f64,
) {
    // SAFETY: the planner's own arguments
    unsafe {
        let scan = cost::ScanCost::of(root, path).filter(|_| !groups(root, path));
        let estimate = scan.as_ref().map(|scan| {
            let vectors = (scan.rows * scan.covered).max(1.0);
            let links = 2.0 * f64::from(GraphOptions::DEFAULT.m);
            let ef = f64::from(settings::ef_search());
            let scored = (ef * links * SCORED_PER_LINK).min(vectors);
            let code = scan.distance * CODE;
            let first = if ef > vectors / SWEPT_SHARE as f64 {
                scan.startup + vectors * SWEPT * scan.distance
            } else {
                scan.startup + scored * code + ef * scan.distance
            };
            let first = first + scan.nulls_first;
            let each = ROW * scan.distance + LOOK_UP * pg_sys::cpu_tuple_cost;
            let is_kept = vectors * (COLLECTED_BYTES + WAITING_BYTES) as f64 <= f64::from(pg_sys::work_mem) * 1024.0;
            // who reads all of what is not kept makes so many passes, each over all
            let passes = if is_kept { 0.0 } else { (vectors / most_rows() as f64).ceil() };
            let each = each + passes * scan.distance;
            let each = if scan.partial { each + pg_sys::cpu_tuple_cost } else { each };
            let read = (ef * 2.0).min((*(*path).indexinfo).pages.into());
            (scan, cost::Estimate { startup: first, total: first + vectors * scan.within * each, pages: read })
        });
        cost::tell(path, estimate, startup, total, selectivity, correlation, pages);
    }
}
