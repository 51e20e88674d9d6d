//! Deferred row addresses: new addresses of rows, which the slots of their vectors have yet to be told.
//!
//! An UPDATE that leaves the vector alone gives its row a new address, which the slot must know by the time that
//! anybody can see the new row version: not before our transaction ends. So the addresses wait until there are many, of
//! which a slot page's worth is written in one record. They are written at the latest before the transaction commits or
//! is prepared, before a subtransaction commits, before this backend looks at slots, and when another table's turn
//! comes; they are forgotten when the (sub)transaction that made them aborts, because its row versions are then
//! nobody's.
//!
//! Other extensions may update rows while a transaction commits or is prepared, after we were told of it and before anybody
//! else is. From that moment on nothing waits any more: each address is written at once.
//!
//! Each nesting level of subtransactions has its own, written from the outermost on, so that those of one slot stay in
//! their order. What an outer level has waiting is dropped only once it is written: an inner one that fails over it, or
//! that has replaced the table's file and aborts, leaves it to the outer one.

use crate::bitset::Bitset;
use crate::format::store::{Generation, SlotNo, Tid};
use crate::pg::compat::{self};
use crate::pg::error::guarded;
use crate::pg::failpoint::hit;
use crate::pg::raw;
use crate::pg::relation::OpenRelation;
use crate::store::segment_cache::{Store, epoch};
use pgrx::pg_sys;
use std::cell::{Cell, RefCell};

/// How many addresses wait at the most.
const MOST: usize = 1024;
/// Bits by which a slot's number is remembered: a false hit costs an early write, no more.
const MARKS: u32 = 1 << 14;

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
    /// the transaction whose UPDATE made the version that was updated, 0 = none that matters: snapshots on a standby
    /// that do not see it may need the address that the slot gives up
    pub after: u32,
}

/// What waits at one nesting level.
struct Deferred {
    level: i32,
    toast: u32,
    file: u32,
    epoch: u64,
    moves: Vec<Move>,
    marks: Bitset,
}

thread_local! {
    /// outermost level first
    static DEFERRED: RefCell<Vec<Deferred>> = const { RefCell::new(Vec::new()) };
    /// the transaction in which the server was asked to call us, if there was one
    static REGISTERED_IN: Cell<u32> = const { Cell::new(0) };
    /// the transaction that is being committed or prepared
    static ENDING: Cell<u32> = const { Cell::new(0) };
}

/// The mark of a slot: slots share marks.
fn mark_of(slot: SlotNo) -> u32 {
    slot.0 % MARKS
}

fn level() -> i32 {
    // SAFETY: a look at this backend's own transaction
    unsafe { pg_sys::GetCurrentTransactionNestLevel() }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn at_transaction_event(event: pg_sys::XactEvent::Type, _arg: *mut std::ffi::c_void) {
    match event {
        pg_sys::XactEvent::XACT_EVENT_PRE_COMMIT
        | pg_sys::XactEvent::XACT_EVENT_PARALLEL_PRE_COMMIT
        | pg_sys::XactEvent::XACT_EVENT_PRE_PREPARE => {
            ENDING.set(transaction());
            flush();
        }
        _ => {
            ENDING.set(0);
            forget(0);
        }
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
        // not when one starts: an error would find it half started, and an outer exception block could not catch it
        pg_sys::SubXactEvent::SUBXACT_EVENT_PRE_COMMIT_SUB => {
            let own = level();
            if DEFERRED.with_borrow(|pending| pending.last().is_some_and(|last| last.level >= own)) {
                flush();
            }
        }
        // what others have updated since we were called before the commit
        pg_sys::SubXactEvent::SUBXACT_EVENT_COMMIT_SUB => leave_to_outer(level()),
        pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB => forget(level()),
        _ => {}
    }
}

/// Forgets what waits at `level` and further in.
fn forget(level: i32) {
    DEFERRED.with_borrow_mut(|pending| pending.retain(|of| of.level < level));
}

/// Makes what waits at `level` wait at the level around it, which it now depends on.
fn leave_to_outer(level: i32) {
    DEFERRED.with_borrow_mut(|pending| pending.iter_mut().for_each(|of| of.level = of.level.min(level - 1)));
}

/// The transaction that this backend runs, as no other of the same backend is called; 0 when it runs none.
fn transaction() -> u32 {
    // SAFETY: a look at this backend's own state; the server's first process, which loads libraries too, has none
    unsafe { if pg_sys::MyProc.is_null() { 0 } else { compat::local_transaction() } }
}

/// Whether addresses must be written at once, because we may not be called any more before the transaction has ended.
///
/// The server does not call us before the end of a transaction if it was about to when it was asked to call us. What it runs
/// then, it runs outside of any command, or, where a procedure commits, in one that the transaction's resources have been
/// taken from.
fn is_ending() -> bool {
    let now = transaction();
    // SAFETY: a look at this backend's own state
    let commands = || unsafe { pg_sys::ActivePortal.as_ref().is_some_and(|portal| !portal.resowner.is_null()) };
    ENDING.get() == now || (REGISTERED_IN.get() == now && !commands())
}

/// Asks the server to call us when transactions end.
pub unsafe fn watch_transactions() {
    REGISTERED_IN.set(transaction());
    // SAFETY: called once, when the library is loaded; the callbacks live as long as the library, which is never unloaded
    unsafe {
        pg_sys::RegisterXactCallback(Some(at_transaction_event), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(at_subtransaction_event), std::ptr::null_mut());
    }
}

/// Writes what waits. Does nothing, and fast, when nothing does.
pub fn flush() {
    let mut at = 0;
    while let Some((of, toast, file, mut moves)) =
        DEFERRED.with_borrow(|pending| pending.get(at).map(|p| (p.level, p.toast, p.file, p.moves.clone())))
    {
        hit("flush.begin");
        // stable: moves of one slot stay in their order
        moves.sort_by_key(|moved| moved.slot);
        // a table that was dropped, truncated or rewritten since has other slots: for good, or until we abort
        let written = write(toast, file, &moves);
        if written || of >= level() {
            DEFERRED.with_borrow_mut(|pending| drop(pending.remove(at)));
        } else {
            at += 1;
        }
        hit("flush.end");
    }
}

/// Has what waits written before parallel workers look at slots: it waits in this process only. A backend in which
/// something waits has the library loaded, and so the hook.
pub unsafe fn watch_parallel_queries() {
    static mut BEFORE: pg_sys::ExecutorStart_hook_type = None;
    unsafe extern "C-unwind" fn start(query: *mut pg_sys::QueryDesc, flags: i32) {
        // SAFETY: the server's own arguments; the hook before ours, or what the server does without one
        unsafe {
            if (*(*query).plannedstmt).parallelModeNeeded {
                guarded(flush);
            }
            match BEFORE {
                Some(before) => before(query, flags),
                None => raw::standard_ExecutorStart(query, flags),
            }
        }
    }
    // SAFETY: called once, when the library is loaded
    unsafe {
        BEFORE = pg_sys::ExecutorStart_hook;
        pg_sys::ExecutorStart_hook = Some(start);
    }
}

/// Writes the moves of a store, if it is still in that file.
fn write(toast: u32, file: u32, moves: &[Move]) -> bool {
    let lock = pg_sys::RowExclusiveLock as _;
    let Some(rel) = OpenRelation::open_if_there(pg_sys::Oid::from(toast), lock) else { return false };
    let same = rel.rel().node().number() == file;
    if same {
        Store::of(rel.rel()).move_rows(moves);
    }
    same
}

/// Has the slot of a vector in the store of TOAST relation `toast` learn of its row's new address before anybody can
/// see the row there.
pub fn row_moved(toast: pg_sys::Oid, moved: Move) {
    let toast = toast.to_u32();
    let level = level();
    let fits = |p: &Deferred| p.level == level && p.toast == toast && p.epoch == epoch();
    let (own, same) = DEFERRED.with_borrow(|pending| {
        let last = pending.last();
        (last.is_some_and(|p| p.level == level), last.is_some_and(fits))
    });
    if own && !same {
        flush();
    }
    if !same {
        // the file that the slots are in; it stays the same as long as the relation cache reports no change
        let rel = OpenRelation::open_for_writing(pg_sys::Oid::from(toast));
        let file = rel.rel().node().number();
        let marks = Bitset::below(MARKS);
        DEFERRED.with_borrow_mut(|p| p.push(Deferred { level, toast, file, epoch: epoch(), moves: Vec::new(), marks }));
    }
    let full = DEFERRED.with_borrow_mut(|pending| {
        let Some(own) = pending.last_mut() else { return false };
        own.marks.insert(mark_of(moved.slot));
        own.moves.push(moved);
        own.moves.len() >= MOST
    });
    if full || is_ending() {
        flush();
    }
}

/// Makes sure that nothing waits for `slot`.
pub fn settle(slot: SlotNo) {
    let mark = mark_of(slot);
    if DEFERRED.with_borrow(|pending| pending.iter().any(|p| p.marks.contains(mark))) {
        flush();
    }
}
