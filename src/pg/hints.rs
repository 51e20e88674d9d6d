//! Hints of the buffers that a relation's blocks are in ([`crate::hints`]), of this backend.

use super::compat::FileNode;
use super::{guc, relation};
use crate::hints::{self, Ranges};
use pgrx::pg_sys;
use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::AtomicI32;

pub use crate::hints::Hints;

static TABLE: OnceLock<&'static [AtomicI32]> = OnceLock::new();

thread_local! {
    static RANGES: RefCell<Ranges> = RefCell::default();
}

/// Those of the open relation `rel`. A temporary one has none.
#[must_use]
pub unsafe fn hints_of(rel: pg_sys::Relation) -> Hints {
    // SAFETY: rel is open
    unsafe {
        if relation::is_temporary(rel) {
            return Hints::NONE;
        }
        let node = FileNode::of(rel);
        let file = (node.tablespace(), node.database(), node.number());
        let start = RANGES.with_borrow(|ranges| ranges.start(file)).unwrap_or_else(|| {
            let blocks = relation::blocks(rel);
            RANGES.with_borrow_mut(|ranges| ranges.add(file, blocks))
        });
        let places = || hints::table(hints::places(pg_sys::NBuffers as usize, guc::hint_memory()));
        Hints::new(TABLE.get_or_init(places), start)
    }
}
