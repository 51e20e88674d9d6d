//! Hints of the buffers that a relation's blocks are in ([`crate::buffer_hints`]), of this backend.

use crate::buffer_hints;
use crate::buffer_hints::Ranges;
use crate::pg::compat::FileNode;
use crate::pg::{relation, settings};
use pgrx::pg_sys;
use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::AtomicI32;

pub use crate::buffer_hints::Hints;

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
        let places = || buffer_hints::table(buffer_hints::places(pg_sys::NBuffers as usize, settings::hint_memory()));
        Hints::new(TABLE.get_or_init(places), start)
    }
}
