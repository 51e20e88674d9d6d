//! Scans of a `zvec_flat` index.

use crate::indexam::flat::build;
use crate::indexam::flat::parallel::work_of;
use crate::indexam::handler::{begin_anew, descriptor};
use crate::knn::column::Column;
use crate::knn::exact_passes::{ExactPasses, FIRST_PASS_ROWS};
use crate::knn::row_lookup::RowLookup;
use crate::knn::scan_hints::Hints;
use crate::pg::error::guarded;
use crate::pg::relation::Rel;
use crate::tableam::item_pointer;
use pgrx::PgMemoryContexts;
use pgrx::pg_sys::{self, IndexScanDesc, Relation, ScanKey};

/// A scan's own state. It holds memory only, which goes with the scan's memory context.
struct FlatScan {
    context: pg_sys::MemoryContext,
    passes: Option<ExactPasses>,
}

/// The callback `ambeginscan`.
pub unsafe extern "C-unwind" fn ambeginscan(index: Relation, nkeys: i32, norderbys: i32) -> IndexScanDesc {
    // SAFETY: the server's own arguments
    unsafe {
        guarded(|| {
            build::check(Rel::of(index));
            let scan = descriptor(index, nkeys, norderbys);
            let state = FlatScan { context: pg_sys::CurrentMemoryContext, passes: None };
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
            begin_anew(scan, keys, nkeys, orderbys, norderbys);
            (*(*scan).opaque.cast::<FlatScan>()).begin(scan);
        });
    }
}

/// The callback `amgettuple`.
pub unsafe extern "C-unwind" fn amgettuple(scan: IndexScanDesc, _direction: pg_sys::ScanDirection::Type) -> bool {
    // SAFETY: as amrescan
    unsafe {
        guarded(|| {
            let passes = (*(*scan).opaque.cast::<FlatScan>()).passes.as_mut();
            let Some(tid) = passes.and_then(|passes| passes.row()) else { return false };
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
            if let Some(passes) = (*(*scan).opaque.cast::<FlatScan>()).passes.take() {
                passes.end();
            }
        });
    }
}

impl FlatScan {
    /// Begins anew, with the scan's present query.
    unsafe fn begin(&mut self, scan: IndexScanDesc) {
        // SAFETY: the server's scan
        unsafe {
            let snapshot = (*scan).xs_snapshot;
            if let Some(passes) = self.passes.take_if(|passes| !passes.is_under(snapshot)) {
                passes.end();
            }
            let context = self.context;
            let passes = self.passes.get_or_insert_with(|| {
                let (heap, index) = ((*scan).heapRelation, (*scan).indexRelation);
                let column = Column::of(Rel::of(index), Rel::of(heap));
                ExactPasses::new(column, RowLookup::new(heap, Some(index), &column, snapshot, context), FIRST_PASS_ROWS)
            });
            let key = (*scan).orderByData;
            let asked = (*scan).numberOfOrderBys > 0 && (*key).sk_flags as u32 & pg_sys::SK_ISNULL == 0;
            let hints = Hints::of((*scan).keyData, (*scan).numberOfKeys);
            passes.begin(asked.then(|| (*key).sk_argument), hints, work_of(scan));
        }
    }
}
