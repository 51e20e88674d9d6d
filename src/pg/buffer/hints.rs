//! Hints of the buffers that a relation's blocks are in ([`crate::buffer_hints`]), of this backend.

use crate::buffer_hints;
use crate::buffer_hints::Ranges;
use crate::pg::relation::Rel;
use crate::pg::settings;
use pgrx::pg_sys;
use std::cell::RefCell;
use std::sync::OnceLock;
use std::sync::atomic::AtomicI32;

pub use crate::buffer_hints::Hints;

static TABLE: OnceLock<&'static [AtomicI32]> = OnceLock::new();

thread_local! {
    static RANGES: RefCell<Ranges> = RefCell::default();
}

/// Those of `rel`. A temporary relation has none.
#[must_use]
pub fn hints_of(rel: Rel<'_>) -> Hints {
    if rel.is_temporary() {
        return Hints::NONE;
    }
    let node = rel.node();
    let file = (node.tablespace(), node.database(), node.number());
    let start = RANGES.with_borrow(|ranges| ranges.start(file)).unwrap_or_else(|| {
        let blocks = rel.blocks();
        RANGES.with_borrow_mut(|ranges| ranges.add(file, blocks))
    });
    // SAFETY: a constant of the server's
    let buffers = unsafe { pg_sys::NBuffers } as usize;
    let places = || buffer_hints::table(buffer_hints::places(buffers, settings::hint_memory()));
    Hints::new(TABLE.get_or_init(places), start)
}
