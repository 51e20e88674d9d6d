//! What the graph must know of the table: which slots still matter, and their vectors.

use super::pages::Graph;
use crate::graph::Entry;
use crate::pg::failpoint::hit;
use crate::pg::relation::OpenRelation;
use crate::pg::xact::{self, Fate};
use crate::segment::slot::XMIN_FROZEN;
use crate::segment::{Slot, SlotNo, SlotState};
use crate::store::look::SlotLook;
use crate::store::{Store, StoredVector};
use pgrx::pg_sys;
use std::cell::{Cell, RefCell};
use zerocopy::FromBytes;

/// An open table's vectors.
pub struct Table {
    heap: pg_sys::Relation,
    toast: OpenRelation,
    /// its vector store
    pub store: Store,
    dims: u16,
    looks: RefCell<Vec<SlotLook>>,
    removed: Cell<Removal>,
}

/// The newest transaction whose deletions take vectors out of the index, 0 = none; and the newest that standbys were told
/// of.
#[derive(Clone, Copy, Default)]
struct Removal {
    newest: u32,
    announced: u32,
}

impl Table {
    /// The vectors of `dims` dimensions of the open zvec table `heap`, which must stay open.
    #[must_use]
    pub unsafe fn open(heap: pg_sys::Relation, dims: u16, lockmode: pg_sys::LOCKMODE) -> Self {
        // SAFETY: heap is open
        unsafe {
            let toast = OpenRelation::open((*(*heap).rd_rel).reltoastrelid, lockmode);
            let store = Store::of(toast.raw());
            Self { heap, toast, store, dims, looks: RefCell::new(Vec::new()), removed: Cell::default() }
        }
    }

    /// Lets go of relations that the server has closed already.
    pub fn abandon(self) {
        std::mem::forget(self.toast);
    }

    /// The open table.
    #[must_use]
    pub fn heap(&self) -> pg_sys::Relation {
        self.heap
    }

    /// No snapshot needs what was deleted by a transaction older than this.
    #[must_use]
    pub fn horizon(&self) -> u32 {
        // SAFETY: the table is open
        unsafe { pg_sys::GetOldestNonRemovableTransactionId(self.heap) }.into_inner()
    }

    /// The slot of `entry`, if it is still that vector's.
    #[must_use]
    pub fn slot(&self, entry: Entry) -> Option<Slot> {
        let slot = self.look(entry.slot)?;
        (slot.generation == entry.generation && slot.state() == Some(SlotState::Live)).then_some(slot)
    }

    /// The vector that is in slot `number` now.
    #[must_use]
    pub fn entry(&self, number: SlotNo) -> Option<Entry> {
        let slot = self.look(number)?;
        (slot.state() == Some(SlotState::Live)).then_some(Entry { slot: number, generation: slot.generation })
    }

    /// Slot `number` as it is now.
    #[inline]
    fn look(&self, number: SlotNo) -> Option<Slot> {
        let tag = number.tag();
        let mut looks = self.looks.borrow_mut();
        let at = match looks.iter().rposition(|look| look.tag == tag) {
            Some(at) => at,
            None => {
                looks.push(SlotLook::new(&self.store, tag)?);
                looks.len() - 1
            }
        };
        looks[at].slot(&self.store, number)
    }

    /// Whether no snapshot can see the vector any more. Before it is taken out of the index, see
    /// [`Table::announce_removals`].
    #[must_use]
    pub fn is_dead(&self, entry: Entry, horizon: u32) -> bool {
        self.slot(entry).is_none_or(|slot| {
            let dead = dead_since(&slot, horizon);
            self.note_removal(dead.unwrap_or(0));
            dead.is_some()
        })
    }

    /// Notes that what transaction `xid` (0 = none) has deleted, and what was deleted before, will leave the index.
    pub fn note_removal(&self, xid: u32) {
        self.removed.set(Removal { newest: newer(self.removed.get().newest, xid), ..self.removed.get() });
    }

    /// Tells standbys what is about to leave the index, so that they settle the conflict with their snapshots: rows that
    /// are dead to all here may be visible there, and VACUUM has not yet told of them.
    pub fn announce_removals(&self) {
        let Removal { newest, announced } = self.removed.get();
        if newer(announced, newest) != announced {
            // SAFETY: the store's relation is open
            unsafe { self.store.announce_removal(newest) };
            self.removed.set(Removal { newest, announced: newest });
            hit("drain.announced");
        }
    }

    /// Puts the elements of a vector into `out`; false when the store has no such vector.
    #[must_use]
    pub fn vector(&self, entry: Entry, out: &mut Vec<f32>) -> bool {
        out.clear();
        let vector = StoredVector { slot: entry.slot, dims: self.dims };
        // SAFETY: the store's relation is open
        unsafe {
            self.store.read(vector, |_, piece| {
                // pieces start at multiples of 4 of an aligned page
                out.extend_from_slice(<[f32]>::ref_from_bytes(piece).unwrap_or_default());
                true
            })
        }
    }
}

/// The newer of two transactions, 0 being older than all.
#[must_use]
pub fn newer(a: u32, b: u32) -> u32 {
    if a == 0 || (b != 0 && xact::precedes(a, b)) { b } else { a }
}

/// If no snapshot can see the vector of a LIVE slot, `horizon` being the oldest transaction that counts: the transaction
/// that deleted it, or 0 if none could ever see it. Where the slot cannot tell, it may be seen.
#[must_use]
pub fn dead_since(slot: &Slot, horizon: u32) -> Option<u32> {
    if !slot.has(XMIN_FROZEN) && xact::fate(slot.xmin) == Fate::Aborted {
        return Some(0);
    }
    let dead = slot.xmax != 0 && xact::fate(slot.xmax) == Fate::Committed && xact::precedes(slot.xmax, horizon);
    dead.then_some(slot.xmax)
}

impl Graph {
    /// Dimensions of its vectors.
    #[must_use]
    pub fn dims(&self) -> u16 {
        self.map.page.dims
    }
}
