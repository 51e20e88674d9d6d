//! Replication slots: who decodes what this database writes.

use crate::pg::compat;
use crate::pg::xact;
use pgrx::pg_sys;
use std::cell::Cell;
use std::ffi::CStr;

/// Place of `ReplicationSlotControlLock` among the server's own locks.
const SLOT_CONTROL_LOCK: usize = 37;

thread_local! {
    /// the transaction that asked last, and what it learnt
    static KNOWN: Cell<(u32, bool)> = const { Cell::new((0, false)) };
}

/// Whether a logical slot of this database belongs to another plugin than the server's own, which goes by publications.
/// What the first call of a transaction finds holds until its end: the transaction has an id by then, and a slot that is made
/// later decodes nothing that was running when it was made.
#[must_use]
pub fn are_any_without_publications() -> bool {
    let now = compat::local_transaction();
    let (asked, known) = KNOWN.get();
    if asked == now && now != 0 {
        return known;
    }
    // in this order
    let _ = xact::current_xid();
    // SAFETY: shared memory of the server, read under its lock; nothing in between raises an error
    let found = unsafe {
        let count = pg_sys::max_replication_slots;
        if count <= 0 || pg_sys::ReplicationSlotCtl.is_null() {
            false
        } else {
            let lock = &raw mut (*pg_sys::MainLWLockArray.add(SLOT_CONTROL_LOCK)).lock;
            crate::pg::raw::LWLockAcquire(lock, pg_sys::LWLockMode::LW_SHARED);
            let slots = (&raw const (*pg_sys::ReplicationSlotCtl).replication_slots).cast::<pg_sys::ReplicationSlot>();
            let found = (0..count as usize).any(|i| {
                let slot = &*slots.add(i);
                slot.in_use
                    && slot.data.database == pg_sys::MyDatabaseId
                    && CStr::from_ptr(slot.data.plugin.data.as_ptr()) != c"pgoutput"
            });
            crate::pg::raw::LWLockRelease(lock);
            found
        }
    };
    KNOWN.set((now, found));
    found
}
