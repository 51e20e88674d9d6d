//! Lists of the server's.

use pgrx::pg_sys::{self, List, Oid};

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
