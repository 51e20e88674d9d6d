//! Transactions: ids and their fate.

use super::error::boundary;
use super::raw;
use pgrx::pg_sys;

/// What became of a transaction, as far as it can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// still running (ours included)
    Running,
    /// committed
    Committed,
    /// aborted, or lost in a crash
    Aborted,
    /// too old: its status is no longer kept
    Unknown,
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
    if raw < pg_sys::FirstNormalTransactionId.into_inner() {
        return if raw == 0 { Fate::Aborted } else { Fate::Committed };
    }
    // SAFETY: reads shared state of the transaction log; the oldest id that it still keeps is checked first
    unsafe {
        if pg_sys::TransactionIdIsCurrentTransactionId(xid(raw)) || pg_sys::TransactionIdIsInProgress(xid(raw)) {
            return Fate::Running;
        }
        let oldest = (*pg_sys::ShmemVariableCache).oldestClogXid;
        let next = (*pg_sys::ShmemVariableCache).nextXid.value as u32;
        if pg_sys::TransactionIdPrecedes(xid(raw), oldest) || !pg_sys::TransactionIdPrecedes(xid(raw), xid(next)) {
            return Fate::Unknown;
        }
        if pg_sys::TransactionIdDidCommit(xid(raw)) { Fate::Committed } else { Fate::Aborted }
    }
}

/// Whether `a` is older than `b` (both normal ids of the same half of the circle).
#[must_use]
pub fn precedes(a: u32, b: u32) -> bool {
    // SAFETY: a pure comparison
    unsafe { pg_sys::TransactionIdPrecedes(xid(a), xid(b)) }
}

/// Whether the current transaction is SERIALIZABLE.
#[must_use]
pub fn is_serializable() -> bool {
    // SAFETY: this backend's own
    unsafe { pg_sys::XactIsoLevel == pg_sys::XACT_SERIALIZABLE as i32 }
}

/// To be called by a SERIALIZABLE transaction that passes a row by, because `snapshot` cannot see what `writer` has
/// written: the transaction comes before the writer, as if the heap had shown it the row
/// (`HeapCheckForSerializableConflictOut`).
pub unsafe fn read_before(rel: pg_sys::Relation, writer: u32, snapshot: pg_sys::Snapshot) {
    // SAFETY: rel is open and snapshot registered; no Rust value waits to be dropped below the boundary
    unsafe {
        boundary(|| {
            let is_old = |id| pg_sys::TransactionIdPrecedes(id, pg_sys::TransactionXmin);
            if is_old(xid(writer)) || !raw::CheckForSerializableConflictOutNeeded(rel, snapshot) {
                return;
            }
            let top = raw::SubTransGetTopmostTransaction(xid(writer));
            if !is_old(top) && top != pg_sys::GetTopTransactionIdIfAny() {
                raw::CheckForSerializableConflictOut(rel, top, snapshot);
            }
        });
    }
}
