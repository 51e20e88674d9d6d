//! Where a function may keep memory.

use super::function::Call;
use pgrx::pg_sys;

impl Call<'_> {
    /// Whether this is an aggregate's transition, which may change its state in place.
    pub fn is_aggregate_step(self) -> bool {
        // SAFETY: the call lives; no context is asked for
        unsafe { pg_sys::AggCheckCallContext(self.fcinfo(), std::ptr::null_mut()) != 0 }
    }
}
