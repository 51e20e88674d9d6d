//! Scans of a `zvec_flat` index.

use crate::indexam::flat::build;
use crate::indexam::flat::parallel::work_of;
use crate::indexam::handler::descriptor;
use crate::knn::column::Column;
use crate::knn::exact_passes::{FIRST_ROUND, Rounds};
use crate::knn::row_lookup::Rows;
use crate::knn::scan_hints::Hints;
use crate::pg::error::guarded;
use crate::pg::relation;
use crate::tableam::item_pointer;
use pgrx::PgMemoryContexts;
use pgrx::pg_sys::{self, IndexScanDesc, Relation, ScanKey};

/// A scan's own state. It holds memory only, which goes with the scan's memory context.
struct Scan {
    context: pg_sys::MemoryContext,
    rounds: Option<Rounds>,
}

/// The callback `ambeginscan`.
pub unsafe extern "C-unwind" fn ambeginscan(index: Relation, nkeys: i32, norderbys: i32) -> IndexScanDesc {
    // SAFETY: the server's own arguments
    unsafe {
        guarded(|| {
            build::check(index);
            let scan = descriptor(index, nkeys, norderbys);
            let state = Scan { context: pg_sys::CurrentMemoryContext, rounds: None };
            (*scan).opaque = PgMemoryContexts::CurrentMemoryContext.leak_and_drop_on_delete(state).cast();
            scan
        })
    }
}

/// The callback `amrescan`.
pub unsafe extern "C-unwind" fn amrescan(
    scan: IndexScanDesc,
    keys: ScanKey,
    nkeys: i32,
    orderbys: ScanKey,
    norderbys: i32,
) {
    // SAFETY: the server's own arguments; the state was made by ambeginscan
    unsafe {
        guarded(|| {
            if !orderbys.is_null() && norderbys > 0 {
                std::ptr::copy(orderbys, (*scan).orderByData, norderbys as usize);
            }
            if !keys.is_null() && nkeys > 0 {
                std::ptr::copy(keys, (*scan).keyData, nkeys as usize);
            }
            relation::count_scan((*scan).indexRelation);
            crate::pg::compat::count_search(scan);
            (*(*scan).opaque.cast::<Scan>()).begin(scan);
        });
    }
}

/// The callback `amgettuple`.
pub unsafe extern "C-unwind" fn amgettuple(scan: IndexScanDesc, _direction: pg_sys::ScanDirection::Type) -> bool {
    // SAFETY: as amrescan
    unsafe {
        guarded(|| {
            let rounds = (*(*scan).opaque.cast::<Scan>()).rounds.as_mut();
            let Some(tid) = rounds.and_then(|rounds| rounds.row()) else { return false };
            (*scan).xs_heaptid = item_pointer(tid);
            (*scan).xs_recheck = false;
            (*scan).xs_recheckorderby = false;
            true
        })
    }
}

/// The callback `amendscan`.
pub unsafe extern "C-unwind" fn amendscan(scan: IndexScanDesc) {
    // SAFETY: as amrescan
    unsafe {
        guarded(|| {
            if let Some(rounds) = (*(*scan).opaque.cast::<Scan>()).rounds.take() {
                rounds.end();
            }
        });
    }
}

impl Scan {
    /// Begins anew, with the scan's present query.
    unsafe fn begin(&mut self, scan: IndexScanDesc) {
        // SAFETY: the server's scan
        unsafe {
            let snapshot = (*scan).xs_snapshot;
            if let Some(rounds) = self.rounds.take_if(|rounds| !rounds.is_under(snapshot)) {
                rounds.end();
            }
            let context = self.context;
            let rounds = self.rounds.get_or_insert_with(|| {
                let (heap, index) = ((*scan).heapRelation, (*scan).indexRelation);
                let column = Column::of(index, heap);
                Rounds::new(column, Rows::new(heap, Some(index), &column, snapshot, context), FIRST_ROUND)
            });
            let key = (*scan).orderByData;
            let asked = (*scan).numberOfOrderBys > 0 && (*key).sk_flags as u32 & pg_sys::SK_ISNULL == 0;
            let hints = Hints::of((*scan).keyData, (*scan).numberOfKeys);
            rounds.begin(asked.then(|| (*key).sk_argument), hints, work_of(scan));
        }
    }
}
