//! The callbacks of the access method `zvec_hnsw`.

use crate::error::{Error, SqlState};
use crate::format::graph::{Entry, MetaPage};
use crate::format::store::slot_set::SlotSet;
use crate::indexam::handler::{Callbacks, begin_anew, descriptor, routine};
use crate::indexam::hnsw::cost;
use crate::indexam::hnsw::filter::Untold;
use crate::indexam::hnsw::included::collect::Collection;
use crate::indexam::hnsw::included::keys::{Keys, columns_to_build};
use crate::indexam::hnsw::maintenance::build;
use crate::indexam::hnsw::maintenance::lock::MaintenanceLock;
use crate::indexam::hnsw::maintenance::progress::phase_name;
use crate::indexam::hnsw::maintenance::vacuum::Repairs;
use crate::indexam::hnsw::maintenance::worker::request;
use crate::indexam::hnsw::maintenance::{drain, vacuum};
use crate::indexam::hnsw::pages::{Graph, Index};
use crate::indexam::hnsw::pending::throttle;
use crate::indexam::hnsw::scan::GraphScan;
use crate::indexam::hnsw::table::Table;
use crate::indexam::options;
use crate::knn::column::Column;
use crate::knn::query::VectorQuery;
use crate::knn::scan_hints::Hints;
use crate::pg::compat;
use crate::pg::error::{OrRaise, boundary, guarded, raise};
use crate::pg::failpoint::hit;
use crate::pg::relation::Rel;
use crate::pg::{buffer, process, settings, wal};
use crate::tableam::item_pointer;
use crate::tableam::vectors::{Pointer, VectorValue};
use crate::vector::check_same_dims;
use pgrx::PgMemoryContexts;
use pgrx::pg_sys::{
    self, Datum, IndexBuildResult, IndexBulkDeleteResult, IndexInfo, IndexScanDesc, IndexVacuumInfo, Relation,
};

/// The access method's callbacks.
pub const CALLBACKS: Callbacks = Callbacks {
    ambuild: Some(ambuild),
    ambuildempty: Some(ambuildempty),
    aminsert: Some(aminsert),
    ambulkdelete: Some(ambulkdelete),
    amvacuumcleanup: Some(amvacuumcleanup),
    amcostestimate: Some(cost::amcostestimate),
    amoptions: Some(options::graph_options),
    ambuildphasename: Some(ambuildphasename),
    ambeginscan: Some(ambeginscan),
    amrescan: Some(amrescan),
    amgettuple: Some(amgettuple),
    amendscan: Some(amendscan),
    amcaninclude: true,
    amusemaintenanceworkmem: true,
    parallel: None,
};

/// The number of vectors that an INSERT moves into the graph when too many wait.
const DRAIN_EACH: u64 = 2;

unsafe extern "C-unwind" fn ambuildphasename(phase: i64) -> *mut std::ffi::c_char {
    phase_name(phase).map_or(std::ptr::null_mut(), |name| name.as_ptr().cast_mut())
}

/// What a build's scan collects.
struct Collected {
    slots: SlotSet,
    included: Option<Collection>,
}

unsafe extern "C-unwind" fn collect(
    _index: Relation,
    _tid: pg_sys::ItemPointer,
    values: *mut Datum,
    isnull: *mut bool,
    _alive: bool,
    collected: *mut std::ffi::c_void,
) {
    // SAFETY: called by the build's scan with the index's values and our collection
    unsafe {
        guarded(|| {
            let collected = &mut *collected.cast::<Collected>();
            if !*isnull && let Some(pointer) = Pointer::read(*values) {
                collected.slots.insert(pointer.slot);
                if let Some(included) = &mut collected.included {
                    included.add(pointer.slot, |column| included_value(values, isnull, column));
                }
            }
        });
    }
}

/// The value of an included column among the values of an index's columns, the first of which is the vector.
unsafe fn included_value(values: *const Datum, isnull: *const bool, column: usize) -> Option<Datum> {
    // SAFETY: by contract there are so many
    unsafe { (!*isnull.add(column + 1)).then(|| *values.add(column + 1)) }
}

fn meta_of(index: Rel<'_>, heap: Rel<'_>, column: &Column) -> MetaPage {
    let m = options::graph_options_of(index).m;
    let columns = columns_to_build(index, heap);
    MetaPage { m, shape: column.shape(), metric: column.metric, columns, graphs: Vec::new() }
}

unsafe extern "C-unwind" fn ambuild(heap: Relation, index: Relation, info: *mut IndexInfo) -> *mut IndexBuildResult {
    // SAFETY: the server's own arguments
    unsafe {
        guarded(|| {
            let (heap, index) = (Rel::of(heap), Rel::of(index));
            if index.blocks() != 0 {
                let name = index.name();
                raise(Error::new(SqlState::Internal, format!("index \"{name}\" already contains data")));
            }
            Index::of(index).forget();
            let column = Column::to_build(index, heap, info);
            let options = options::graph_options_of(index);
            crate::store::deferred_addresses::flush();
            let meta = meta_of(index, heap, &column);
            let page = buffer::extend(index);
            wal::fill(&page, meta.encode_header(), |bytes| {
                for (at, fragment) in meta.encode_parameters() {
                    bytes[at..at + fragment.len()].copy_from_slice(&fragment);
                }
            });
            drop(page);
            if index.needs_wal() {
                pg_sys::log_newpage_range(index.raw(), pg_sys::ForkNumber::MAIN_FORKNUM, 0, 1, false);
            }
            hit("build.meta");
            let pages = Index::of(index);
            let mut collected = Collected { slots: SlotSet::default(), included: Collection::of(pages) };
            let scan = (*heap.table_routine()).index_build_range_scan.unwrap_unchecked();
            let collection = (&raw mut collected).cast();
            let none = std::ptr::null_mut();
            let last = pg_sys::InvalidBlockNumber;
            let heap_rows = boundary(|| {
                scan(heap.raw(), index.raw(), info, true, false, true, 0, last, Some(collect), collection, none)
            });
            // a partition gets its parent's indexes before its TOAST relation, and has no rows then
            let vectors = if column.toast == pg_sys::InvalidOid {
                0
            } else {
                if let Some(included) = collected.included {
                    included.finish();
                }
                let table = Table::open(heap, column.shape(), pg_sys::AccessShareLock as _);
                build::build(&pages, &table, &collected.slots, options)
            };
            let result = pg_sys::palloc0(size_of::<IndexBuildResult>()).cast::<IndexBuildResult>();
            (*result).heap_tuples = heap_rows;
            (*result).index_tuples = vectors as f64;
            result
        })
    }
}

unsafe extern "C-unwind" fn ambuildempty(index: Relation) {
    // SAFETY: the server's own argument; it has just created the fork
    unsafe {
        guarded(|| {
            let index = Rel::of(index);
            let table = index.open_table();
            let column = Column::of(index, table.rel());
            let meta = meta_of(index, table.rel(), &column);
            let parameters = meta.encode_parameters();
            let init = pg_sys::ForkNumber::INIT_FORKNUM;
            wal::write_first_page(index, &index.node(), init, meta.encode_header(), &parameters, true);
        });
    }
}

/// The vector that a row is about to be indexed by. The value leads to it, but for a row just inserted from a slot of
/// another kind than the table's, or speculatively: then the executor still has the value as it was given, which may be
/// that of another row of this very table, and the row at its address tells.
unsafe fn entry_of(table: &Table, column: &Column, value: Datum, tid: pg_sys::ItemPointer) -> Option<Entry> {
    // SAFETY: the server's own arguments
    unsafe {
        let stored = || {
            let reference = crate::tableam::reference_at(table.heap().raw(), &*tid, column.attnum)?;
            let live = table.live(reference.slot).filter(|(entry, _)| reference.is_of(entry.generation));
            live.map(|(entry, _)| entry)
        };
        let Some(pointer) = Pointer::read(value).filter(|pointer| pointer.table == column.table.to_u32()) else {
            return stored();
        };
        match table.live(pointer.slot) {
            Some((entry, slot)) if slot.tail == crate::tableam::tid(&*tid) => Some(entry),
            given => stored().or(given.map(|given| given.0)),
        }
    }
}

#[allow(clippy::too_many_arguments)]
unsafe extern "C-unwind" fn aminsert(
    index: Relation,
    values: *mut Datum,
    isnull: *mut bool,
    tid: pg_sys::ItemPointer,
    heap: Relation,
    _unique: pg_sys::IndexUniqueCheck::Type,
    _unchanged: bool,
    _info: *mut IndexInfo,
) -> bool {
    // SAFETY: the server's own arguments
    unsafe {
        guarded(|| {
            if *isnull {
                return false;
            }
            let (heap, index) = (Rel::of(heap), Rel::of(index));
            let column = Column::of(index, heap);
            let table = Table::open(heap, column.shape(), pg_sys::RowExclusiveLock as _);
            let Some(entry) = entry_of(&table, &column, *values, tid) else {
                let name = heap.name();
                raise(
                    Error::new(SqlState::DataCorrupted, format!("a row of table \"{name}\" has no stored vector"))
                        .hint("Run zvec_check() on the table."),
                )
            };
            let pages = Index::of(index);
            let keys = || {
                pages
                    .key_maker()
                    .map_or_else(Keys::new, |maker| maker.keys(|column| included_value(values, isnull, column)))
            };
            let (graph, Some(root)) = pages.insert(entry, keys) else { return false };
            let waiting = root.pending();
            // a worker may have been cancelled before it had taken the dead nodes out
            if request::is_wanted(waiting) || root.repair_wanted && settings::background_drain() {
                request::ask_for(index, waiting);
            }
            if waiting > settings::max_pending() {
                help(&graph, &table, waiting);
            }
            if settings::background_drain() {
                throttle::give_time(&graph, waiting);
            }
            false
        })
    }
}

/// Moves a few waiting vectors into the graph. If somebody else is at it, and far too many wait all the same, holds this
/// session up a little: the longer, the more wait.
unsafe fn help(graph: &Graph, table: &Table, waiting: u32) {
    const LONGEST_MICROSECONDS: u32 = 1000;
    let Some(lock) = MaintenanceLock::try_acquire(graph) else {
        let share = waiting / settings::max_pending().max(1);
        if share > 1 {
            // SAFETY: sleeps
            unsafe { pg_sys::pg_usleep((share * 100).min(LONGEST_MICROSECONDS).into()) };
        }
        return;
    };
    if let Some(writer) = drain::writer(&graph.now(), table, lock) {
        let options = options::graph_options_of(graph.index.relation());
        writer.drain(table, usize::from(options.ef_construction), DRAIN_EACH, &mut || {});
    }
}

unsafe fn statistics(info: *mut IndexVacuumInfo, known: *mut IndexBulkDeleteResult) -> *mut IndexBulkDeleteResult {
    // SAFETY: the server's own arguments
    unsafe {
        let stats = if known.is_null() { pg_sys::palloc0(size_of::<IndexBulkDeleteResult>()).cast() } else { known };
        (*stats).num_pages = Rel::of((*info).index).blocks();
        stats
    }
}

/// No address is held, so none is to be removed: a node is dead when its slot says so. Nor need addresses be reported
/// to a concurrent build, since adding a vector that is there already does nothing.
unsafe extern "C-unwind" fn ambulkdelete(
    info: *mut IndexVacuumInfo,
    stats: *mut IndexBulkDeleteResult,
    _callback: pg_sys::IndexBulkDeleteCallback,
    _state: *mut std::ffi::c_void,
) -> *mut IndexBulkDeleteResult {
    // SAFETY: the server's own arguments
    unsafe { guarded(|| statistics(info, stats)) }
}

unsafe extern "C-unwind" fn amvacuumcleanup(
    info: *mut IndexVacuumInfo,
    stats: *mut IndexBulkDeleteResult,
) -> *mut IndexBulkDeleteResult {
    // SAFETY: the server's own arguments
    unsafe {
        guarded(|| {
            if (*info).analyze_only {
                return stats;
            }
            let index = Rel::of((*info).index);
            let heap = index.open_table();
            let column = Column::of(index, heap.rel());
            let table = Table::open(heap.rel(), column.shape(), pg_sys::RowExclusiveLock as _);
            let options = options::graph_options_of(index);
            let threshold = settings::rebuild_threshold();
            let mut tick = |_| compat::vacuum_delay_point();
            // autovacuum has time, and goes easy on the machine
            let by_worker = settings::background_drain() && !process::is_autovacuum();
            let repairs = if by_worker { Repairs::ByWorker } else { Repairs::Rest };
            let done = vacuum::maintain(&Index::of(index), &table, options, threshold, repairs, &mut tick);
            if done.left > 0 {
                // the server's level is DEBUG2, whatever VACUUM was asked to tell
                let name = index.name();
                pgrx::ereport!(
                    pgrx::PgLogLevel::from((*info).message_level),
                    pgrx::PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
                    format!("index \"{name}\": {} dead nodes are left to a background worker", done.left)
                );
            }
            let stats = statistics(info, stats);
            (*stats).num_index_tuples = done.vectors as f64;
            (*stats).tuples_removed += done.removed as f64;
            (*stats).estimated_count = done.passed_by;
            stats
        })
    }
}

unsafe extern "C-unwind" fn ambeginscan(index: Relation, keys: i32, orderbys: i32) -> IndexScanDesc {
    // SAFETY: the server's own arguments
    unsafe {
        guarded(|| {
            let scan = descriptor(index, keys, orderbys);
            (*scan).opaque = std::ptr::null_mut();
            scan
        })
    }
}

unsafe extern "C-unwind" fn amrescan(
    scan: IndexScanDesc,
    keys: pg_sys::ScanKey,
    nkeys: i32,
    orderbys: pg_sys::ScanKey,
    norderbys: i32,
) {
    // SAFETY: the server's own arguments
    unsafe {
        guarded(|| {
            begin_anew(scan, keys, nkeys, orderbys, norderbys);
            let (snapshot, context) = ((*scan).xs_snapshot, pg_sys::CurrentMemoryContext);
            let mut state = (*scan).opaque.cast::<State>();
            if state.is_null() {
                let made = State { context, scan: None };
                state = PgMemoryContexts::CurrentMemoryContext.leak_and_drop_on_delete(made);
                (*scan).opaque = state.cast();
            }
            let state = &mut *state;
            if !state.scan.as_ref().is_some_and(|scan| scan.is_under(snapshot)) {
                if let Some(mut before) = state.scan.take() {
                    before.end();
                }
                let (index, heap) = (Rel::of((*scan).indexRelation), Rel::of((*scan).heapRelation));
                state.scan = Some(GraphScan::new(index, heap, snapshot, state.context));
            }
            let Some(running) = &mut state.scan else { return };
            running.set_hints(Hints::of((*scan).keyData, (*scan).numberOfKeys));
            let key = (*scan).orderByData;
            if (*scan).numberOfOrderBys > 0 && (*key).sk_flags as u32 & pg_sys::SK_ISNULL == 0 {
                let value = VectorValue::of((*key).sk_argument, running.column().element);
                let dims = usize::from(running.column().dims);
                check_same_dims(dims, usize::from(value.dims())).or_raise();
                let Column { metric, element, .. } = *running.column();
                running.start(Some(VectorQuery::new(metric, element, value.bytes())), &mut Untold);
            } else {
                running.start(None, &mut Untold);
            }
        });
    }
}

/// What a scan descriptor holds.
struct State {
    context: pg_sys::MemoryContext,
    scan: Option<GraphScan>,
}

unsafe extern "C-unwind" fn amgettuple(scan: IndexScanDesc, _direction: pg_sys::ScanDirection::Type) -> bool {
    // SAFETY: the server's own arguments; the state was made by amrescan
    unsafe {
        guarded(|| {
            let state = (*scan).opaque.cast::<State>();
            let Some(running) = state.as_mut().and_then(|state| state.scan.as_mut()) else { return false };
            let Some(tid) = running.next(&mut Untold) else { return false };
            (*scan).xs_heaptid = item_pointer(tid);
            (*scan).xs_recheck = false;
            (*scan).xs_recheckorderby = false;
            true
        })
    }
}

unsafe extern "C-unwind" fn amendscan(scan: IndexScanDesc) {
    // SAFETY: as amgettuple
    unsafe {
        guarded(|| {
            let state = (*scan).opaque.cast::<State>();
            if let Some(mut running) = state.as_mut().and_then(|state| state.scan.take()) {
                running.end();
            }
        });
    }
}

crate::sql_function! {
    /// Handler of the access method `zvec_hnsw`.
    zvec_hnsw_handler(call) {
        let _ = call;
        Ok(routine(&CALLBACKS))
    }
}
