//! Indexes of our access methods, as the planner has them.

use crate::indexam::handler::Callbacks;
use crate::indexam::{flat, hnsw};
use pgrx::pg_sys::{self, IndexPath};

/// Whether it is a path of an index of these access methods, by distance.
pub unsafe fn is_of(path: *mut IndexPath, methods: &[&Callbacks]) -> bool {
    // SAFETY: a path; only an index path is looked at as one
    unsafe {
        if (*path).path.type_ != pg_sys::NodeTag::T_IndexPath || (*path).indexorderbys.is_null() {
            return false;
        }
        is_index_of((*path).indexinfo, methods)
    }
}

/// The access methods that are defined here.
pub const OURS: [&Callbacks; 2] = [&flat::CALLBACKS, &hnsw::CALLBACKS];

/// Whether it is an index of one of these access methods.
pub unsafe fn is_index_of(index: *mut pg_sys::IndexOptInfo, methods: &[&Callbacks]) -> bool {
    // SAFETY: the planner's own
    let estimate = unsafe { (*index).amcostestimate }.map(|callback| callback as usize);
    methods.iter().any(|method| method.amcostestimate.map(|callback| callback as usize) == estimate)
}
