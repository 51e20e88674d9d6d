//! System catalogs, where the server has no function for what is asked, and lists of oids.

use crate::pg::relation::OpenRelation;
use pgrx::pg_sys::{self, Datum, Oid};

/// The objects that object `object` of catalog `class` depends on, each as its catalog and its oid.
#[must_use]
pub fn dependencies(class: Oid, object: Oid) -> Vec<(Oid, Oid)> {
    /// `pg_depend`
    const CATALOG: u32 = 2608;
    /// its index on (classid, objid, objsubid)
    const DEPENDER_INDEX: u32 = 2673;
    const CLASSID: i16 = 1;
    const OBJID: i16 = 2;
    const REFCLASSID: i32 = 4;
    const REFOBJID: i32 = 5;
    // SAFETY: a scan of a catalog with keys of its columns' types; what is read of a row has a fixed place
    unsafe {
        let catalog = OpenRelation::open(CATALOG.into(), pg_sys::AccessShareLock as _);
        let mut keys = [pg_sys::ScanKeyData::default(); 2];
        let equal = pg_sys::BTEqualStrategyNumber as u16;
        pg_sys::ScanKeyInit(&mut keys[0], CLASSID, equal, pg_sys::F_OIDEQ.into(), Datum::from(class));
        pg_sys::ScanKeyInit(&mut keys[1], OBJID, equal, pg_sys::F_OIDEQ.into(), Datum::from(object));
        let none = std::ptr::null_mut();
        let scan = pg_sys::systable_beginscan(catalog.raw(), DEPENDER_INDEX.into(), true, none, 2, keys.as_mut_ptr());
        let mut found = Vec::new();
        loop {
            let row = pg_sys::systable_getnext(scan);
            if row.is_null() {
                break;
            }
            let field = |number: i32| {
                let mut is_null = false;
                let value = pg_sys::heap_getattr(row, number, (*catalog.raw()).rd_att, &mut is_null);
                Oid::from(value.value() as u32)
            };
            found.push((field(REFCLASSID), field(REFOBJID)));
        }
        pg_sys::systable_endscan(scan);
        found
    }
}

/// Enters `method` as the access method of relation `oid`, which the caller has locked exclusively. The next command
/// sees it.
pub unsafe fn set_access_method(oid: Oid, method: Oid) {
    // SAFETY: a copy of the row is changed in place, in a column of fixed size
    unsafe {
        let catalog = OpenRelation::open(pg_sys::RelationRelationId, pg_sys::RowExclusiveLock as _);
        let cache = pg_sys::SysCacheIdentifier::RELOID as i32;
        let (key, none) = (Datum::from(oid), Datum::from(0));
        let row = pg_sys::SearchSysCacheCopy(cache, key, none, none, none);
        if row.is_null() {
            return;
        }
        (*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_class>()).relam = method;
        pg_sys::CatalogTupleUpdate(catalog.raw(), &mut (*row).t_self, row);
        pg_sys::heap_freetuple(row);
    }
}
