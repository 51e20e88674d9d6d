//! The server's module that rewrites a table (`access/rewriteheap.h`), which pgrx has no bindings for.

use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

/// The module's opaque state.
#[repr(C)]
pub struct RewriteStateData {
    _opaque: [u8; 0],
}

unsafe extern "C-unwind" {
    fn begin_heap_rewrite(
        old_heap: pg_sys::Relation,
        new_heap: pg_sys::Relation,
        oldest_xmin: pg_sys::TransactionId,
        freeze_xid: pg_sys::TransactionId,
        cutoff_multi: pg_sys::MultiXactId,
    ) -> *mut RewriteStateData;
    fn end_heap_rewrite(state: *mut RewriteStateData);
    fn rewrite_heap_tuple(state: *mut RewriteStateData, old_tuple: pg_sys::HeapTuple, new_tuple: pg_sys::HeapTuple);
    fn rewrite_heap_dead_tuple(state: *mut RewriteStateData, old_tuple: pg_sys::HeapTuple) -> bool;
}

/// A running rewrite of one table into another.
pub struct Rewrite(*mut RewriteStateData);

impl Rewrite {
    /// Starts rewriting `old` into `new`.
    #[must_use]
    pub unsafe fn begin(
        old: pg_sys::Relation,
        new: pg_sys::Relation,
        oldest_xmin: pg_sys::TransactionId,
        freeze_xid: pg_sys::TransactionId,
        cutoff_multi: pg_sys::MultiXactId,
    ) -> Self {
        // SAFETY: by contract; the closure holds nothing that needs dropping
        Self(unsafe { pg_guard_ffi_boundary(|| begin_heap_rewrite(old, new, oldest_xmin, freeze_xid, cutoff_multi)) })
    }

    /// Adds a row version: `new` is what is stored, `old` gives the header fields. `new.t_self` is set where the
    /// version was written at once; a version whose successor is not written yet is kept back, and its place unknown.
    pub unsafe fn tuple(&mut self, old: pg_sys::HeapTuple, new: pg_sys::HeapTuple) {
        // SAFETY: as in begin
        unsafe { pg_guard_ffi_boundary(|| rewrite_heap_tuple(self.0, old, new)) }
    }

    /// Tells of a dead row version that is not copied; true when an earlier one is thereby known dead too.
    pub unsafe fn dead_tuple(&mut self, old: pg_sys::HeapTuple) -> bool {
        // SAFETY: as in begin
        unsafe { pg_guard_ffi_boundary(|| rewrite_heap_dead_tuple(self.0, old)) }
    }

    /// Writes what is left and syncs.
    pub unsafe fn end(self) {
        // SAFETY: as in begin
        unsafe { pg_guard_ffi_boundary(|| end_heap_rewrite(self.0)) }
    }
}
