//! The maintenance lock of a graph.

use crate::indexam::hnsw::pages::{Graph, Index};
use crate::pg::relation::Rel;
use pgrx::pg_sys;

/// Holds a graph's maintenance lock: one drain or repair at a time. Released when dropped, or by the server after an
/// error.
pub struct MaintenanceLock {
    rel: Rel<'static>,
    block: u32,
}

const LOCK: pg_sys::LOCKMODE = pg_sys::ExclusiveLock as _;

impl MaintenanceLock {
    /// Waits for the lock.
    #[must_use]
    pub fn acquire(graph: &Graph) -> Self {
        let (rel, block) = (graph.index.relation(), graph.map.block);
        // SAFETY: open
        unsafe { pg_sys::LockPage(rel.raw(), block, LOCK) };
        Self { rel, block }
    }

    /// Tries again and again to take the lock of the graph whose root page is `block`, which need not be sound: who waits for a
    /// lock that a background worker has cancels the worker.
    #[must_use]
    pub fn acquire_in_time(index: &Index, block: u32) -> Self {
        let rel = index.relation();
        // SAFETY: open
        while !unsafe { pg_sys::ConditionalLockPage(rel.raw(), block, LOCK) } {
            pgrx::check_for_interrupts!();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Self { rel, block }
    }

    /// Takes the lock if nobody has it.
    #[must_use]
    pub fn try_acquire(graph: &Graph) -> Option<Self> {
        let (rel, block) = (graph.index.relation(), graph.map.block);
        // SAFETY: open
        unsafe { pg_sys::ConditionalLockPage(rel.raw(), block, LOCK) }.then(|| Self { rel, block })
    }
}

impl Drop for MaintenanceLock {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: acquired before
            unsafe { pg_sys::UnlockPage(self.rel.raw(), self.block, LOCK) }
        }
    }
}
