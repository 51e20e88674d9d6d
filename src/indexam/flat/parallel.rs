//! The callbacks of parallel scans: what has been taken lies in shared memory ([`crate::knn::work`]).

use crate::knn::work::{ScanWork, Taken};
use crate::pg::compat;
use crate::pg::error::guarded;
use crate::store::deferred_addresses;
use pgrx::pg_sys::{IndexScanDesc, Size};
use std::ptr::NonNull;

unsafe fn shared_of(scan: IndexScanDesc) -> Option<NonNull<Taken>> {
    // SAFETY: the server's scan; `parallel_memory` is where the bytes are that amestimateparallelscan asked for
    unsafe {
        let parallel = (*scan).parallel_scan;
        if parallel.is_null() {
            return None;
        }
        NonNull::new(compat::parallel_memory(parallel).cast())
    }
}

/// The work of `scan`, none of it taken, or shared with other participants.
#[must_use]
pub unsafe fn work_of(scan: IndexScanDesc) -> ScanWork {
    // SAFETY: the server's scan, which the value does not outlive
    unsafe { ScanWork::shared(shared_of(scan)) }
}

/// The callback `amestimateparallelscan`.
#[cfg(any(feature = "pg15", feature = "pg16"))]
pub unsafe extern "C-unwind" fn amestimateparallelscan() -> Size {
    size_of::<Taken>()
}

/// The callback `amestimateparallelscan`.
#[cfg(feature = "pg17")]
pub unsafe extern "C-unwind" fn amestimateparallelscan(_keys: i32, _orderbys: i32) -> Size {
    size_of::<Taken>()
}

/// The callback `amestimateparallelscan`.
#[cfg(feature = "pg18")]
pub unsafe extern "C-unwind" fn amestimateparallelscan(
    _index: pgrx::pg_sys::Relation,
    _keys: i32,
    _orderbys: i32,
) -> Size {
    size_of::<Taken>()
}

/// The callback `aminitparallelscan`. The leader's waiting addresses are written before anybody else looks at slots.
pub unsafe extern "C-unwind" fn aminitparallelscan(target: *mut std::ffi::c_void) {
    // SAFETY: as many bytes as asked for, aligned as the server aligns
    unsafe {
        guarded(|| {
            deferred_addresses::flush();
            target.cast::<Taken>().write(Taken::default());
        });
    }
}

/// The callback `amparallelrescan`.
pub unsafe extern "C-unwind" fn amparallelrescan(scan: IndexScanDesc) {
    // SAFETY: the server's scan, between two runs
    unsafe {
        guarded(|| {
            deferred_addresses::flush();
            if let Some(shared) = shared_of(scan) {
                shared.as_ref().reset();
            }
        });
    }
}
