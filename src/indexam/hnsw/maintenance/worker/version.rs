//! Whether the library and the SQL script by which the extension was made are of one version.

#![allow(clippy::missing_safety_doc)]

use crate::pg::relation::OpenRelation;
use pgrx::pg_sys;
use std::ffi::CStr;

/// The library's version.
pub const LIBRARY: &str = env!("CARGO_PKG_VERSION");

/// What is to be done where the extension of that version is installed; `None` where the library is of the same.
#[must_use]
pub fn difference(installed: &str) -> Option<String> {
    (installed != LIBRARY).then(|| {
        format!(
            "extension \"pg_zvec\" is of version {installed}, and the library of version {LIBRARY}: \
             ALTER EXTENSION pg_zvec UPDATE, or install the library of that version"
        )
    })
}

/// The version of the extension in this database; `None` where it is not installed. In a transaction.
pub unsafe fn of_extension() -> Option<String> {
    // SAFETY: a scan of a catalog in a transaction; a text that is not null
    unsafe {
        let extension = pg_sys::get_extension_oid(c"pg_zvec".as_ptr(), true);
        if extension == pg_sys::InvalidOid {
            return None;
        }
        let extensions = OpenRelation::open(pg_sys::ExtensionRelationId, pg_sys::AccessShareLock as _);
        let mut key = pg_sys::ScanKeyData::default();
        pg_sys::ScanKeyInit(
            &raw mut key,
            pg_sys::Anum_pg_extension_oid as _,
            pg_sys::BTEqualStrategyNumber as _,
            pg_sys::F_OIDEQ.into(),
            pg_sys::Datum::from(extension),
        );
        let none = std::ptr::null_mut();
        let scan = pg_sys::systable_beginscan(
            extensions.raw(),
            pg_sys::ExtensionOidIndexId.into(),
            true,
            none,
            1,
            &raw mut key,
        );
        let row = pg_sys::systable_getnext(scan);
        let mut version = None;
        if !row.is_null() {
            let mut is_null = false;
            let column = pg_sys::Anum_pg_extension_extversion as i32;
            let value = pg_sys::heap_getattr(row, column, (*extensions.raw()).rd_att, &mut is_null);
            if !is_null {
                let text = pg_sys::text_to_cstring(value.cast_mut_ptr());
                version = Some(CStr::from_ptr(text).to_string_lossy().into_owned());
                pg_sys::pfree(text.cast());
            }
        }
        pg_sys::systable_endscan(scan);
        version
    }
}
