//! A column keeps its declared dimensions as long as an index needs them.
//!
//! ALTER TABLE that takes the dimensions away leaves the vectors as they are, so the server keeps the index's file and asks
//! no access method. It tells the hook for changed objects, though, in which such a change is refused. The table of a
//! column that an index is over is open then, so the library is loaded and the hook in place.

use crate::indexam::selection::kind_of;
use crate::knn::column::{declared_dims, undeclared};
use crate::pg::relation::OpenRelation;
use crate::tableam::vectors::is_vector_type;
use pgrx::pg_sys::{self, ObjectAccessType, Oid};
use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

static NEXT: OnceLock<pg_sys::object_access_hook_type> = OnceLock::new();

/// Puts the hook into the chain. Called once, when the library is loaded.
pub unsafe fn install() {
    // SAFETY: a backend has one thread
    unsafe {
        NEXT.get_or_init(|| pg_sys::object_access_hook);
        pg_sys::object_access_hook = Some(object_access);
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn object_access(
    access: ObjectAccessType::Type,
    class: Oid,
    object: Oid,
    sub: c_int,
    argument: *mut c_void,
) {
    // SAFETY: the server's own arguments
    unsafe {
        if let Some(Some(next)) = NEXT.get() {
            pg_sys::ffi::pg_guard_ffi_boundary(|| next(access, class, object, sub, argument));
        }
        let is_change = access == ObjectAccessType::OAT_POST_ALTER && class == pg_sys::RelationRelationId;
        if is_change
            && let Ok(attnum @ 1..) = i16::try_from(sub)
            && lacks_dimensions(object, attnum)
        {
            refuse_if_indexed(object, attnum);
        }
    }
}

/// Whether the column is a vector of undeclared dimensions by now: the change is not visible to look-ups in caches yet.
unsafe fn lacks_dimensions(table: Oid, attnum: i16) -> bool {
    /// `pg_attribute`'s unique index on (attrelid, attnum)
    const INDEX: u32 = 2659;
    // SAFETY: a scan of a catalog with keys of its columns' types
    unsafe {
        let catalog = OpenRelation::open(pg_sys::AttributeRelationId, pg_sys::AccessShareLock as _);
        let mut keys = [pg_sys::ScanKeyData::default(); 2];
        let equal = pg_sys::BTEqualStrategyNumber as u16;
        let of_table = pg_sys::Datum::from(table);
        let (relid, number) = (pg_sys::Anum_pg_attribute_attrelid, pg_sys::Anum_pg_attribute_attnum);
        pg_sys::ScanKeyInit(&mut keys[0], relid as i16, equal, pg_sys::F_OIDEQ.into(), of_table);
        pg_sys::ScanKeyInit(&mut keys[1], number as i16, equal, pg_sys::F_INT2EQ.into(), pg_sys::Datum::from(attnum));
        let snapshot = &raw mut pg_sys::SnapshotSelfData;
        let scan = pg_sys::systable_beginscan(catalog.raw(), INDEX.into(), true, snapshot, 2, keys.as_mut_ptr());
        let row = pg_sys::systable_getnext(scan);
        let lacks = !row.is_null() && {
            let attribute = &*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_attribute>();
            is_vector_type(attribute.atttypid) && declared_dims(attribute.atttypid, attribute.atttypmod) < 0
        };
        pg_sys::systable_endscan(scan);
        lacks
    }
}

/// Raises an error if one of our indexes is over the column. Whoever changes the table holds its lock.
fn refuse_if_indexed(table: Oid, attnum: i16) {
    // SAFETY: the table is locked, its indexes stay
    unsafe {
        let table = OpenRelation::open(table, pg_sys::NoLock as _);
        if table.rel().kind() != pg_sys::RELKIND_RELATION {
            return;
        }
        let indexes = pg_sys::RelationGetIndexList(table.raw());
        if indexes.is_null() {
            return;
        }
        for at in 0..(*indexes).length as usize {
            let index = OpenRelation::open((*(*indexes).elements.add(at)).oid_value, pg_sys::AccessShareLock as _);
            let is_over = index.rel().key_column() == attnum;
            if is_over && kind_of(index.rel()).is_some() {
                undeclared(table.rel(), attnum, Some(index.rel()));
            }
        }
        pg_sys::list_free(indexes);
    }
}
