//! What a scan may conclude from a slot alone, for an MVCC snapshot. Never against the row: where the slot cannot tell,
//! the row is asked. The rules are [`crate::format::store::visibility`]'s; here is what a transaction is to a snapshot.

pub use crate::format::store::visibility::Verdict;

use crate::format::store::slot::XMIN_FROZEN;
use crate::format::store::visibility::{XidView, judge};
use crate::format::store::{Slot, SlotState};
use crate::pg::xact;
use crate::pg::xact::Fate;
use pgrx::pg_sys;

unsafe fn xid_view(xid: u32, snapshot: pg_sys::Snapshot) -> XidView {
    let id = pg_sys::TransactionId::from_inner(xid);
    // SAFETY: a look at this backend's own transaction, and an MVCC snapshot
    unsafe {
        if pg_sys::TransactionIdIsCurrentTransactionId(id) {
            return XidView::Ours;
        }
        if pg_sys::XidInMVCCSnapshot(id, snapshot) {
            return XidView::Later;
        }
    }
    XidView::Ended(xact::fate(xid))
}

/// What `slot` says about its row under `snapshot`, an MVCC snapshot.
#[must_use]
pub unsafe fn verdict(slot: &Slot, snapshot: pg_sys::Snapshot) -> Verdict {
    // SAFETY: by contract
    judge(slot, |xid| unsafe { xid_view(xid, snapshot) })
}

/// How many transactions a [`SlotJudge`] remembers; a power of two.
const REMEMBERED: usize = 64;

/// Verdicts under one MVCC snapshot, for a scan of many slots.
///
/// It remembers what transactions are to the snapshot. That does not change while the snapshot is held: what it takes
/// for running stays so, and what has ended has ended. Our own are remembered as ours even after a rollback to a
/// savepoint: the row is asked then, which is never wrong.
///
/// Slots are passed by without a look at their rows, so it is the judge who tells a serializable transaction of changes
/// that it reads past: once a transaction, since any vector concerns the whole scan.
pub struct SlotJudge {
    table: pg_sys::Relation,
    snapshot: pg_sys::Snapshot,
    known: [(u32, XidView); REMEMBERED],
}

impl SlotJudge {
    /// A judge of slots of `table`'s vectors under `snapshot`, an MVCC snapshot; both outlive it.
    #[must_use]
    pub unsafe fn new(table: pg_sys::Relation, snapshot: pg_sys::Snapshot) -> Self {
        Self { table, snapshot, known: [(0, XidView::Later); REMEMBERED] }
    }

    /// What `slot` says about its row.
    #[inline]
    pub fn verdict(&mut self, slot: &Slot) -> Verdict {
        if slot.has(XMIN_FROZEN) && slot.xmax == 0 && slot.state() == Some(SlotState::Live) {
            return Verdict::Visible;
        }
        judge(slot, |xid| {
            let entry = &mut self.known[xid as usize % REMEMBERED];
            if entry.0 != xid || xid == 0 {
                // SAFETY: table and snapshot live by contract of `new`
                let found = unsafe { xid_view(xid, self.snapshot) };
                if found == XidView::Later {
                    // SAFETY: as above
                    unsafe { xact::passes_by(self.table, xid, self.snapshot) };
                }
                if found == XidView::Ended(Fate::Running) {
                    return found;
                }
                *entry = (xid, found);
            }
            entry.1
        })
    }
}
