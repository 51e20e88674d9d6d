//! `pg_class.relfrozenxid`: no transaction older than this is named in a table any more. Autovacuum, its failsafe, the
//! server's warnings and in the end its refusal of new transactions go by it.

use crate::pg::relation::OpenRelation;
use crate::pg::xact;
use pgrx::pg_sys::{self, HeapTuple, Oid, Relation, ScanKeyData, Snapshot};
use std::ffi::{CStr, c_int, c_void};

type Begin = unsafe extern "C-unwind" fn(
    Relation,
    Oid,
    bool,
    Snapshot,
    c_int,
    *const ScanKeyData,
    *mut HeapTuple,
    *mut *mut c_void,
);
type Finish = unsafe extern "C-unwind" fn(*mut c_void, HeapTuple);
type Cancel = unsafe extern "C-unwind" fn(*mut c_void);

/// A function of the server that its first minor releases lack, so that it cannot be named at link time.
unsafe fn function<F: Copy>(name: &CStr) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    // SAFETY: by contract, F is the function's type
    unsafe {
        let address = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
        (!address.is_null()).then(|| std::mem::transmute_copy(&address))
    }
}

/// Changes the open table's relfrozenxid in its catalog entry in place, as VACUUM does, to what `change` makes of it; `change`
/// raises no error. Nothing is changed where `change` says `None`, or the server is older than 15.9 and has no safe way to do it.
unsafe fn update(rel: Relation, change: impl FnOnce(u32) -> Option<u32>) {
    /// `pg_class`'s unique index on oid
    const CLASS_INDEX: u32 = 2662;
    // SAFETY: the types are those of access/genam.h; the entry is found by a key of its column's type
    unsafe {
        let (Some(begin), Some(finish), Some(cancel)) = (
            function::<Begin>(c"systable_inplace_update_begin"),
            function::<Finish>(c"systable_inplace_update_finish"),
            function::<Cancel>(c"systable_inplace_update_cancel"),
        ) else {
            return;
        };
        let catalog = OpenRelation::open(pg_sys::RelationRelationId, pg_sys::RowExclusiveLock as _);
        let mut key = ScanKeyData::default();
        let (equal, oid) = (pg_sys::BTEqualStrategyNumber as u16, pg_sys::Datum::from((*rel).rd_id));
        pg_sys::ScanKeyInit(&mut key, pg_sys::Anum_pg_class_oid as i16, equal, pg_sys::F_OIDEQ.into(), oid);
        let (mut tuple, mut state) = (std::ptr::null_mut(), std::ptr::null_mut());
        let none = std::ptr::null_mut();
        pg_sys::ffi::pg_guard_ffi_boundary(|| {
            begin(catalog.raw(), CLASS_INDEX.into(), true, none, 1, &raw const key, &raw mut tuple, &raw mut state);
        });
        let Some(row) = tuple.as_mut() else { return };
        let entry = &mut *pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_class>();
        let new = change(entry.relfrozenxid.into_inner());
        if let Some(new) = new {
            entry.relfrozenxid = pg_sys::TransactionId::from_inner(new);
        }
        pg_sys::ffi::pg_guard_ffi_boundary(|| if new.is_some() { finish(state, tuple) } else { cancel(state) });
        catalog.close_and_unlock(pg_sys::RowExclusiveLock as _);
    }
}

/// Sets the open table's relfrozenxid, if it has advanced further than `limit`, back to that. The caller holds the table against
/// VACUUM.
pub unsafe fn hold_back(rel: Relation, limit: u32) {
    // SAFETY: by contract
    unsafe {
        update(rel, |now| {
            let is_further = xact::is_normal(limit) && xact::is_normal(now) && xact::precedes(limit, now);
            is_further.then_some(limit)
        });
    }
}
