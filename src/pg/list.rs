//! Lists and sets of the server's.

use pgrx::pg_sys::{self, Bitmapset, List, Oid, Relation};

/// The elements of a list of pointers, which may be none.
pub unsafe fn elements<T>(list: *mut List) -> impl Iterator<Item = *mut T> {
    // SAFETY: by contract
    let length = if list.is_null() { 0 } else { unsafe { (*list).length } };
    // SAFETY: within the list
    (0..length as usize).map(move |i| unsafe { (*(*list).elements.add(i)).ptr_value.cast() })
}

/// The oids in a list of the server's.
#[must_use]
pub unsafe fn oids(list: *const pg_sys::List) -> Vec<Oid> {
    // SAFETY: a list of oids, or null
    unsafe {
        let Some(list) = list.as_ref() else { return Vec::new() };
        (0..list.length as usize).map(|at| (*list.elements.add(at)).oid_value).collect()
    }
}

/// The members of a set of the server's, which may be none.
#[must_use]
pub unsafe fn members(set: *mut Bitmapset) -> Vec<i32> {
    let next = |&member: &i32| {
        // SAFETY: a set, or null
        let next = unsafe { pg_sys::bms_next_member(set, member) };
        (next >= 0).then_some(next)
    };
    std::iter::successors(next(&-1), next).collect()
}

/// The columns (from 0) of the open table `rel` that the server has in the set `kind` of those that are in indexes. System
/// columns are left out.
#[must_use]
pub unsafe fn index_columns(rel: Relation, kind: pg_sys::IndexAttrBitmapKind::Type) -> Vec<u16> {
    // SAFETY: rel is open; the set is ours to free
    unsafe {
        let set = pg_sys::RelationGetIndexAttrBitmap(rel, kind);
        let numbers = members(set).into_iter().map(|member| member + pg_sys::FirstLowInvalidHeapAttributeNumber);
        let columns = numbers.filter(|&number| number > 0).map(|number| number as u16 - 1).collect();
        pg_sys::bms_free(set);
        columns
    }
}
