//! What keeps a `zvec_flat` index: little, since it holds nothing.

use crate::error::{Error, SqlState};
use crate::format::flat;
use crate::format::page::Damage;
use crate::knn::column::Column;
use crate::knn::cost;
use crate::pg::error::{boundary, guarded, raise};
use crate::pg::relation::Rel;
use crate::pg::{buffer, wal};
use crate::tableam::check::Violation;
use pgrx::pg_sys::{self, Datum, IndexBuildResult, IndexBulkDeleteResult, IndexInfo, IndexVacuumInfo, Relation};

/// Raises the error for a damaged meta page.
fn damaged(index: Rel<'_>, damage: &Damage) -> ! {
    let name = index.name();
    raise(
        Error::new(
            SqlState::DataCorrupted,
            format!("invalid zvec_flat page in block 0 of relation \"{name}\": {}", damage.0),
        )
        .hint("Make the index anew with REINDEX."),
    )
}

/// Checks the index's page.
pub fn check(index: Rel<'_>) {
    // the page never changes once it is made
    let checked = flat::check(buffer::read(index, 0).page());
    if let Err(damage) = checked {
        damaged(index, &damage)
    }
}

/// What is wrong with the index, for `zvec_check`.
#[must_use]
pub fn violations(index: Rel<'_>) -> Vec<Violation> {
    let found = if index.blocks() == 0 {
        Err(Damage("the index is empty, its meta page is missing".into()))
    } else {
        flat::check(buffer::read(index, 0).page())
    };
    let location = format!("block 0 of index \"{}\"", index.name());
    let invariant = "pages of an index are sound";
    found.err().map(|damage| Violation { invariant, location, message: damage.0 }).into_iter().collect()
}

unsafe extern "C-unwind" fn count(
    _index: Relation,
    _tid: pg_sys::ItemPointer,
    _values: *mut Datum,
    isnull: *mut bool,
    _alive: bool,
    counter: *mut std::ffi::c_void,
) {
    // SAFETY: called by the build's scan with one value and our counter
    unsafe {
        if !*isnull {
            *counter.cast::<f64>() += 1.0;
        }
    }
}

/// The callback `ambuild`: makes the page and counts the rows, reading no vector.
pub unsafe extern "C-unwind" fn ambuild(
    heap: Relation,
    index: Relation,
    info: *mut IndexInfo,
) -> *mut IndexBuildResult {
    // SAFETY: the server's own arguments
    unsafe { guarded(|| build(heap, index, info)) }
}

unsafe fn build(heap: Relation, index: Relation, info: *mut IndexInfo) -> *mut IndexBuildResult {
    // SAFETY: the server's own arguments
    unsafe {
        let (heap, index) = (Rel::of(heap), Rel::of(index));
        let _ = Column::to_build(index, heap, info);
        if index.blocks() != 0 {
            raise(Error::new(SqlState::Internal, format!("index \"{}\" already contains data", index.name())));
        }
        let page = [buffer::extend(index)];
        wal::initialise(index, &page);
        let mut change = wal::Change::new(&page[0]);
        change.make_page(flat::HEADER);
        wal::apply(index, &[change]);
        drop(page);

        let mut index_rows = 0f64;
        let scan = (*heap.table_routine()).index_build_range_scan.unwrap_unchecked();
        let counter = (&raw mut index_rows).cast();
        let none = std::ptr::null_mut();
        let last = pg_sys::InvalidBlockNumber;
        let heap_rows =
            boundary(|| scan(heap.raw(), index.raw(), info, true, false, true, 0, last, Some(count), counter, none));
        let result = pg_sys::palloc0(size_of::<IndexBuildResult>()).cast::<IndexBuildResult>();
        (*result).heap_tuples = heap_rows;
        (*result).index_tuples = index_rows;
        result
    }
}

/// The callback `ambuildempty`: the page in the init fork of an unlogged index.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn ambuildempty(index: Relation) {
    // SAFETY: the server's own argument; it has just created the fork
    unsafe {
        let index = Rel::of(index);
        wal::write_first_page(index, &index.node(), pg_sys::ForkNumber::INIT_FORKNUM, flat::HEADER, &[], true);
    }
}

/// The callback `aminsert`: a stored vector is found as it is.
#[allow(clippy::too_many_arguments)]
pub unsafe extern "C-unwind" fn aminsert(
    _index: Relation,
    _values: *mut Datum,
    _isnull: *mut bool,
    _tid: pg_sys::ItemPointer,
    _heap: Relation,
    _unique: pg_sys::IndexUniqueCheck::Type,
    _unchanged: bool,
    _info: *mut IndexInfo,
) -> bool {
    false
}

unsafe fn statistics(info: *mut IndexVacuumInfo, known: *mut IndexBulkDeleteResult) -> *mut IndexBulkDeleteResult {
    // SAFETY: the server's own arguments
    unsafe {
        let stats = if known.is_null() { pg_sys::palloc0(size_of::<IndexBulkDeleteResult>()).cast() } else { known };
        (*stats).num_pages = Rel::of((*info).index).blocks();
        (*stats).num_index_tuples = (*info).num_heap_tuples;
        // rows without a vector, or outside a partial index, are in the count
        (*stats).estimated_count = true;
        stats
    }
}

/// The callback `ambulkdelete`: no address is held, so none is to be removed.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn ambulkdelete(
    info: *mut IndexVacuumInfo,
    stats: *mut IndexBulkDeleteResult,
    _callback: pg_sys::IndexBulkDeleteCallback,
    _state: *mut std::ffi::c_void,
) -> *mut IndexBulkDeleteResult {
    // SAFETY: the server's own arguments
    unsafe { statistics(info, stats) }
}

/// The callback `amvacuumcleanup`.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn amvacuumcleanup(
    info: *mut IndexVacuumInfo,
    stats: *mut IndexBulkDeleteResult,
) -> *mut IndexBulkDeleteResult {
    // SAFETY: the server's own arguments
    unsafe { if (*info).analyze_only { stats } else { statistics(info, stats) } }
}

/// The callback `amcostestimate`: everything is paid before the first row.
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
        let scan = cost::ScanCost::of(root, path);
        let estimate = scan.as_ref().map(|scan| {
            let first = scan.startup + scan.nulls_first + cost::threads_cost(scan);
            // each row of a partial index is looked at before it is handed out
            let each = if scan.partial { pg_sys::cpu_tuple_cost } else { 0.0 } + pg_sys::cpu_index_tuple_cost;
            (
                scan,
                cost::Estimate {
                    startup: first,
                    total: first + scan.rows * scan.within * each,
                    pages: scan.vector_pages(),
                },
            )
        });
        cost::tell(path, estimate, startup, total, selectivity, correlation, pages);
    }
}
