//! What the hook does that the planner has for adding paths.
//!
//! Parallel scans by distance: the planner would make paths for them, but by the table's own pages, of which there are
//! few, and without dividing among the workers what an index costs before the first row, which here is everything. So
//! they are made from the serial ones.
//!
//! An index orders by one distance. The planner takes an access method that orders by operators for one that orders by
//! several, so paths by several are made such by the first; it sorts by the others itself. Where the other keys are no
//! distances, or the first is written in another way than as the operator, it makes no path, so one is added
//! ([`crate::planner::distance_pathkey`]).

use crate::indexam::flat;
use crate::knn::cost;
use crate::pg::list::elements;
use crate::planner::distance_pathkey;
use crate::planner::exact_scan;
use crate::planner::graph_scan;
use crate::planner::ours::{OURS, is_index_of, is_of};
use pgrx::pg_sys::{self, Index, IndexOptInfo, IndexPath, Path, PlannerInfo, RangeTblEntry, RelOptInfo};
use std::sync::OnceLock;

static NEXT: OnceLock<pg_sys::set_rel_pathlist_hook_type> = OnceLock::new();

/// Puts the hook into the chain. Called once, when the library is loaded.
pub unsafe fn install() {
    // SAFETY: a backend has one thread
    unsafe {
        NEXT.get_or_init(|| pg_sys::set_rel_pathlist_hook);
        pg_sys::set_rel_pathlist_hook = Some(set_rel_pathlist);
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn set_rel_pathlist(
    root: *mut PlannerInfo,
    rel: *mut RelOptInfo,
    rti: Index,
    rte: *mut RangeTblEntry,
) {
    // SAFETY: the planner's own arguments
    unsafe {
        if let Some(Some(next)) = NEXT.get() {
            pg_sys::ffi::pg_guard_ffi_boundary(|| next(root, rel, rti, rte));
        }
        // samples, and what is known to be empty, have no paths of indexes
        if (*rte).rtekind != pg_sys::RTEKind::RTE_RELATION || !(*rte).tablesample.is_null() || pg_sys::is_dummy_rel(rel)
        {
            return;
        }
        for path in elements::<IndexPath>((*rel).pathlist).filter(|&path| is_of(path, &OURS)) {
            order_by_first(path);
        }
        for index in elements::<IndexOptInfo>((*rel).indexlist).filter(|&index| is_index_of(index, &OURS)) {
            distance_pathkey::add_path(root, rel, index);
        }
        exact_scan::add_path(root, rel, &*rte);
        // it may take the place of the index path that the exact scan must see
        graph_scan::add_paths(root, rel);
        // the server's own parallel paths are taken out, and made anew
        let others = elements::<Path>((*rel).partial_pathlist).filter(|&path| !is_of(path.cast(), &OURS));
        (*rel).partial_pathlist =
            others.fold(std::ptr::null_mut(), |list, path: *mut Path| pg_sys::lappend(list, path.cast()));
        if !(*rel).consider_parallel {
            return;
        }
        for serial in elements::<IndexPath>((*rel).pathlist).filter(|&path| is_of(path, &[&flat::CALLBACKS])) {
            if let Some(scan) = cost::ScanCost::of(root, serial)
                && pg_sys::is_parallel_safe(root, (*serial).indexorderbys.cast())
                && let Some(parallel) = divided(rel, serial, &scan)
            {
                pg_sys::add_partial_path(rel, parallel.cast());
            }
        }
    }
}

/// Makes a path that is ordered by several distances one that is ordered by the first of them.
unsafe fn order_by_first(path: *mut IndexPath) {
    // SAFETY: the planner's own lists, of which others may hold the same: so copies are made
    unsafe {
        if (*(*path).indexorderbys).length < 2 {
            return;
        }
        for list in [&mut (*path).indexorderbys, &mut (*path).indexorderbycols, &mut (*path).path.pathkeys] {
            *list = pg_sys::list_truncate(pg_sys::list_copy(*list), 1);
        }
    }
}

/// How many times as much a pass over vectors in memory costs a worker as a session that has read them before: a new process
/// has to map each page of the shared buffers that it looks at. (2.4 GB: 88 ms alone, 94 ms by three participants on two
/// processors.)
const IN_FRESH_PROCESS: f64 = 2.0;

/// The path's work divided among as many participants as the vectors' pages are worth; `None` when that is one.
unsafe fn divided(rel: *mut RelOptInfo, serial: *mut IndexPath, scan: &cost::ScanCost) -> Option<*mut IndexPath> {
    // SAFETY: the planner's own; its paths live in the current memory context
    unsafe {
        let most = pg_sys::max_parallel_workers_per_gather;
        let workers = pg_sys::compute_parallel_worker(rel, scan.vector_pages(), -1.0, most);
        if workers <= 0 || !(*serial).path.parallel_safe || !(*serial).path.param_info.is_null() {
            return None;
        }
        let parallel = pg_sys::palloc(size_of::<IndexPath>()).cast::<IndexPath>();
        parallel.copy_from_nonoverlapping(serial, 1);
        let path = &mut (*parallel).path;
        path.parallel_aware = true;
        path.parallel_workers = workers;
        // as the server divides: the leader has less time the more workers it serves
        let workers = f64::from(workers);
        let leader = if pg_sys::parallel_leader_participation { (1.0 - 0.3 * workers).max(0.0) } else { 0.0 };
        let participants = workers + leader;
        let run = (path.total_cost - path.startup_cost) / participants;
        path.startup_cost += cost::pass_cost(scan) * IN_FRESH_PROCESS / participants - cost::threads_cost(scan);
        path.total_cost = path.startup_cost + run;
        path.rows = pg_sys::clamp_row_est(path.rows / participants);
        Some(parallel)
    }
}
