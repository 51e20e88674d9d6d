//! Addresses that slots have yet to be told of.
//!
//! An UPDATE that leaves the vector alone gives its row a new address, which the slot must know by the time that
//! anybody can see the new row version: not before our transaction ends. So the addresses wait until there are many, of
//! which a slot page's worth is written in one record. They are written at the latest before the transaction commits or
//! is prepared, before a subtransaction starts or commits, before this backend looks at slots, and when another
//! table's turn comes; they are forgotten when the (sub)transaction that made them aborts, because its row versions
//! are then nobody's.

use super::map::{Store, epoch};
use crate::pg::failpoint::hit;
use crate::pg::relation::OpenRelation;
use crate::segment::{Generation, SlotNo, Tid};
use pgrx::pg_sys;
use std::cell::{Cell, RefCell};

/// How many addresses wait at the most.
const MOST: usize = 1024;
/// Bits by which a slot's number is remembered: a false hit costs an early write, no more.
const MARKS: usize = 1 << 14;

/// A row's move from one address to another, its vector staying in its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// the vector's slot
    pub slot: SlotNo,
    /// the slot's generation
    pub generation: Generation,
    /// where indexes reach the version that was updated
    pub from: Tid,
    /// where the new version is
    pub to: Tid,
}

struct Pending {
    toast: u32,
    file: u32,
    epoch: u64,
    moves: Vec<Move>,
    marks: Vec<u64>,
}

thread_local! {
    static PENDING: RefCell<Pending> =
        const { RefCell::new(Pending { toast: 0, file: 0, epoch: 0, moves: Vec::new(), marks: Vec::new() }) };
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
}

fn mark_of(slot: SlotNo) -> (usize, u64) {
    let bit = slot.0 as usize % MARKS;
    (bit / 64, 1 << (bit % 64))
}

impl Pending {
    fn take(&mut self) -> (u32, u32, Vec<Move>) {
        self.marks.fill(0);
        (self.toast, self.file, std::mem::take(&mut self.moves))
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn at_transaction_event(event: pg_sys::XactEvent::Type, _arg: *mut std::ffi::c_void) {
    match event {
        pg_sys::XactEvent::XACT_EVENT_PRE_COMMIT | pg_sys::XactEvent::XACT_EVENT_PRE_PREPARE => flush(),
        _ => forget(),
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn at_subtransaction_event(
    event: pg_sys::SubXactEvent::Type,
    _own: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _arg: *mut std::ffi::c_void,
) {
    match event {
        pg_sys::SubXactEvent::SUBXACT_EVENT_START_SUB | pg_sys::SubXactEvent::SUBXACT_EVENT_PRE_COMMIT_SUB => flush(),
        pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB => forget(),
        _ => {}
    }
}

fn forget() {
    PENDING.with_borrow_mut(|pending| drop(pending.take()));
}

/// Writes what waits. Does nothing, and fast, when nothing does.
pub fn flush() {
    let (toast, file, mut moves) =
        PENDING.with_borrow_mut(|pending| if pending.moves.is_empty() { (0, 0, Vec::new()) } else { pending.take() });
    if moves.is_empty() {
        return;
    }
    hit("flush.begin");
    // SAFETY: the relation is looked at only if it still exists
    unsafe {
        let oid = pg_sys::Oid::from(toast);
        let rel = pg_sys::try_relation_open(oid, pg_sys::RowExclusiveLock as _);
        if rel.is_null() {
            return;
        }
        // a table truncated or rewritten since has other slots
        if (*rel).rd_node.relNode.to_u32() == file {
            // stable: moves of one slot stay in their order
            moves.sort_by_key(|moved| moved.slot);
            Store::of(rel).move_rows(&moves);
            hit("flush.end");
        }
        pg_sys::relation_close(rel, pg_sys::NoLock as _);
    }
}

/// Has the slot of a vector in the store of TOAST relation `toast` learn of its row's new address before anybody can
/// see the row there.
pub fn row_moved(toast: pg_sys::Oid, moved: Move) {
    if !REGISTERED.replace(true) {
        // SAFETY: the callbacks live as long as the library, which is never unloaded
        unsafe {
            pg_sys::RegisterXactCallback(Some(at_transaction_event), std::ptr::null_mut());
            pg_sys::RegisterSubXactCallback(Some(at_subtransaction_event), std::ptr::null_mut());
        }
    }
    let toast = toast.to_u32();
    let (empty, same) = PENDING.with_borrow(|p| (p.moves.is_empty(), p.toast == toast && p.epoch == epoch()));
    if !empty && !same {
        flush();
    }
    if empty || !same {
        // the file that the slots are in; it stays the same as long as the relation cache reports no change
        let rel = OpenRelation::open_for_writing(pg_sys::Oid::from(toast));
        // SAFETY: rel is open
        let file = unsafe { (*rel.raw()).rd_node.relNode.to_u32() };
        PENDING.with_borrow_mut(|p| (p.toast, p.file, p.epoch) = (toast, file, epoch()));
    }
    let full = PENDING.with_borrow_mut(|pending| {
        if pending.marks.is_empty() {
            pending.marks.resize(MARKS / 64, 0);
        }
        let (word, bit) = mark_of(moved.slot);
        pending.marks[word] |= bit;
        pending.moves.push(moved);
        pending.moves.len() >= MOST
    });
    if full {
        flush();
    }
}

/// Makes sure that nothing waits for `slot`.
pub fn settle(slot: SlotNo) {
    let (word, bit) = mark_of(slot);
    let waits = PENDING.with_borrow(|p| !p.moves.is_empty() && p.marks[word] & bit != 0);
    if waits {
        flush();
    }
}
