//! Where a function may keep memory, and what is forgotten when there is no room.

use super::function::Call;
use pgrx::pg_sys;
use std::cell::Cell;

impl Call<'_> {
    /// Whether this is an aggregate's transition, which may change its state in place.
    pub fn is_aggregate_step(self) -> bool {
        // SAFETY: the call lives; no context is asked for
        unsafe { pg_sys::AggCheckCallContext(self.fcinfo(), std::ptr::null_mut()) != 0 }
    }
}

/// Which of `count` remembered things is forgotten to make room: any one. Where more are used in turn than there is room for,
/// some of them are found again; of those used last, none would be.
#[must_use]
pub fn victim(count: usize) -> usize {
    thread_local! {
        static DRAWN: Cell<u32> = const { Cell::new(1) };
    }
    DRAWN.set(DRAWN.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    (DRAWN.get() >> 8) as usize % count.max(1)
}
