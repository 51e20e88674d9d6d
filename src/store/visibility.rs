//! What a scan may conclude from a slot alone, for an MVCC snapshot. Never against the row: where the slot cannot tell,
//! the row is asked.

use crate::pg::xact::{self, Fate};
use crate::segment::slot::{XMAX_COMMITTED, XMIN_COMMITTED, XMIN_FROZEN};
use crate::segment::{Slot, SlotState};
use pgrx::pg_sys;

/// What a slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// the snapshot sees the vector's row
    Visible,
    /// it does not
    Invisible,
    /// only the row can tell
    AskRow,
}

fn is_ours(xid: u32) -> bool {
    // SAFETY: a look at this backend's own transaction
    unsafe { pg_sys::TransactionIdIsCurrentTransactionId(pg_sys::TransactionId::from_inner(xid)) }
}

unsafe fn is_later(xid: u32, snapshot: pg_sys::Snapshot) -> bool {
    // SAFETY: an MVCC snapshot
    unsafe { pg_sys::XidInMVCCSnapshot(pg_sys::TransactionId::from_inner(xid), snapshot) }
}

/// What `slot` says about its row under `snapshot`, an MVCC snapshot.
#[must_use]
pub unsafe fn verdict(slot: &Slot, snapshot: pg_sys::Snapshot) -> Verdict {
    if slot.state() != Some(SlotState::Live) {
        return Verdict::Invisible;
    }
    // SAFETY: by contract
    unsafe {
        if !slot.has(XMIN_FROZEN) {
            if !slot.has(XMIN_COMMITTED) && is_ours(slot.xmin) {
                return Verdict::AskRow;
            }
            if is_later(slot.xmin, snapshot) {
                return Verdict::Invisible;
            }
            if !slot.has(XMIN_COMMITTED) {
                match xact::fate(slot.xmin) {
                    Fate::Committed => {}
                    Fate::Aborted | Fate::Running => return Verdict::Invisible,
                    Fate::Unknown => return Verdict::AskRow,
                }
            }
        }
        if slot.xmax == 0 {
            return Verdict::Visible;
        }
        if !slot.has(XMAX_COMMITTED) && is_ours(slot.xmax) {
            return Verdict::AskRow;
        }
        if is_later(slot.xmax, snapshot) {
            return Verdict::Visible;
        }
        if slot.has(XMAX_COMMITTED) {
            return Verdict::Invisible;
        }
        match xact::fate(slot.xmax) {
            Fate::Committed => Verdict::Invisible,
            Fate::Aborted => Verdict::Visible,
            Fate::Running | Fate::Unknown => Verdict::AskRow,
        }
    }
}
