//! Transactions: ids and their fate.

use crate::format::store::xid;
use pgrx::pg_sys;

pub use crate::format::store::xid::{Fate, is_normal, precedes};

const _: () = assert!(xid::FIRST_NORMAL == pg_sys::FirstNormalTransactionId.into_inner());
const _: () = assert!(xid::FROZEN == pg_sys::FrozenTransactionId.into_inner());

unsafe extern "C-unwind" {
    fn CheckForSerializableConflictOutNeeded(rel: pg_sys::Relation, snapshot: pg_sys::Snapshot) -> bool;
    fn CheckForSerializableConflictOut(rel: pg_sys::Relation, xid: pg_sys::TransactionId, snapshot: pg_sys::Snapshot);
}

/// Tells a serializable transaction that it reads under `snapshot` what transaction `raw` has changed in `rel` without
/// seeing the change, as the heap does for each row version that it passes by. An error is raised when that makes a
/// serial order impossible.
pub unsafe fn passes_by(rel: pg_sys::Relation, raw: u32, snapshot: pg_sys::Snapshot) {
    // SAFETY: rel is open, the snapshot an MVCC snapshot
    unsafe {
        let needed = pg_sys::ffi::pg_guard_ffi_boundary(|| CheckForSerializableConflictOutNeeded(rel, snapshot));
        if !needed || pg_sys::GetTopTransactionIdIfAny() == xid(raw) {
            return;
        }
        let top = pg_sys::SubTransGetTopmostTransaction(xid(raw));
        if !pg_sys::TransactionIdPrecedes(top, pg_sys::TransactionXmin) {
            pg_sys::ffi::pg_guard_ffi_boundary(|| CheckForSerializableConflictOut(rel, top, snapshot));
        }
    }
}

fn xid(raw: u32) -> pg_sys::TransactionId {
    pg_sys::TransactionId::from_inner(raw)
}

/// Id of the current (sub)transaction, assigned now if it had none.
#[must_use]
pub fn current_xid() -> u32 {
    // SAFETY: raises an error outside a transaction or in recovery
    unsafe { pg_sys::GetCurrentTransactionId() }.into_inner()
}

/// What became of transaction `raw`.
#[must_use]
pub fn fate(raw: u32) -> Fate {
    if !is_normal(raw) {
        return if raw == 0 { Fate::Aborted } else { Fate::Committed };
    }
    // SAFETY: reads shared state of the transaction log; the oldest id that it still keeps is checked first
    unsafe {
        if pg_sys::TransactionIdIsCurrentTransactionId(xid(raw)) || pg_sys::TransactionIdIsInProgress(xid(raw)) {
            return Fate::Running;
        }
        let (oldest, next) = super::compat::kept_transactions();
        if pg_sys::TransactionIdPrecedes(xid(raw), oldest) || !pg_sys::TransactionIdPrecedes(xid(raw), xid(next)) {
            return Fate::Unknown;
        }
        if pg_sys::TransactionIdDidCommit(xid(raw)) { Fate::Committed } else { Fate::Aborted }
    }
}
