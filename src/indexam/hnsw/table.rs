//! What the graph must know of the table: which slots still matter, and their vectors.

use crate::format::graph::Entry;
use crate::format::store::{SegmentTag, Slot, SlotNo, SlotState};
use crate::indexam::hnsw::pages::Graph;
use crate::knn::column::Column;
use crate::knn::exact;
use crate::knn::query::VectorQuery;
use crate::pg::relation::{OpenRelation, Rel};
use crate::pg::xact;
use crate::store::death::{Death, death_for_all};
use crate::store::slot_reader::{SlotReader, VectorReader};
use crate::store::{Store, StoredVector};
use pgrx::pg_sys;
use std::cell::{Cell, RefCell};
use zerocopy::FromBytes;

/// An open table's vectors.
pub struct Table<'r> {
    heap: Rel<'r>,
    toast: OpenRelation,
    /// its vector store
    pub store: Store<'static>,
    dims: u16,
    /// by number of the segment
    looks: RefCell<Vec<Option<SlotReader>>>,
    /// by number of the segment
    vectors: RefCell<Vec<Option<VectorReader>>>,
    /// the newest transaction that standbys were told of by [`Table::announce`]
    announced: Cell<Option<u32>>,
}

impl<'r> Table<'r> {
    /// The vectors of `dims` dimensions of the zvec table `heap`.
    #[must_use]
    pub fn open(heap: Rel<'r>, dims: u16, lockmode: pg_sys::LOCKMODE) -> Self {
        let toast = OpenRelation::open(heap.toast_oid(), lockmode);
        // SAFETY: the value keeps it open as long as it has the store
        let store = Store::of(unsafe { Rel::of(toast.raw()) });
        Self {
            heap,
            toast,
            store,
            dims,
            looks: RefCell::new(Vec::new()),
            vectors: RefCell::new(Vec::new()),
            announced: Cell::new(None),
        }
    }

    /// Lets go of relations that the server has closed already.
    pub fn abandon(self) {
        std::mem::forget(self.toast);
    }

    /// The open table.
    #[must_use]
    pub fn heap(&self) -> Rel<'r> {
        self.heap
    }

    /// No snapshot needs what was deleted by a transaction older than this.
    #[must_use]
    pub fn horizon(&self) -> u32 {
        // SAFETY: the table is open
        unsafe { pg_sys::GetOldestNonRemovableTransactionId(self.heap.raw()) }.into_inner()
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
        self.live(number).map(|live| live.0)
    }

    /// The exact distance of `query` and the vector in a LIVE slot, to the bit what the operator answers.
    #[must_use]
    pub fn distance(&self, query: &VectorQuery, column: &Column, slot: SlotNo) -> f64 {
        let mut looks = self.vectors.borrow_mut();
        let Some(look) = self.vector_look(&mut looks, slot.tag()).filter(|look| look.covers(slot)) else {
            return exact::distance(query, column, &self.store, slot);
        };
        let mut sum = query.begin();
        look.each_piece(&self.store, slot, |bytes| sum.add(bytes, 0));
        sum.finish()
    }

    fn vector_look<'l>(&self, looks: &'l mut Vec<Option<VectorReader>>, tag: SegmentTag) -> Option<&'l VectorReader> {
        of_segment(looks, &self.store, tag, || VectorReader::new(&self.store, tag))
    }

    /// Has the kernel read vectors of segment `tag` ahead, of which the distances will be wanted.
    pub fn expect(&self, tag: SegmentTag, slots: impl Iterator<Item = SlotNo>) {
        let mut looks = self.vectors.borrow_mut();
        if let Some(look) = self.vector_look(&mut looks, tag) {
            look.read_ahead(&self.store, slots.filter(|&slot| look.covers(slot)));
        }
    }

    /// The vector that is in slot `number` now, and the slot.
    #[must_use]
    pub fn live(&self, number: SlotNo) -> Option<(Entry, Slot)> {
        let slot = self.look(number)?;
        (slot.state() == Some(SlotState::Live)).then_some((Entry { slot: number, generation: slot.generation }, slot))
    }

    /// Slot `number` as it is now.
    #[inline]
    fn look(&self, number: SlotNo) -> Option<Slot> {
        let tag = number.tag();
        let mut looks = self.looks.borrow_mut();
        of_segment(&mut looks, &self.store, tag, || SlotReader::new(&self.store, tag))?.slot(&self.store, number)
    }

    /// Has the processor load a slot that will be asked for.
    #[inline]
    pub fn expect_slot(&self, number: SlotNo) {
        let mut looks = self.looks.borrow_mut();
        let reader = of_segment(&mut looks, &self.store, number.tag(), || SlotReader::new(&self.store, number.tag()));
        if let Some(reader) = reader {
            reader.expect(number);
        }
    }

    /// To be called before a vector leaves the index that transaction `xmax` has deleted: standbys cancel the queries whose
    /// snapshots may still see its row. VACUUM tells them of the slots that it frees, and of rows, but not of every vector
    /// that is dead by the time the index is looked at.
    pub fn announce(&self, xmax: u32) {
        if self.announced.get().is_none_or(|latest| xact::precedes(latest, xmax)) {
            self.announced.set(Some(xmax));
            self.store.announce_removal(xmax)
        }
    }

    /// Whether no snapshot can see the vector any more, so that it may leave the index now.
    #[must_use]
    pub fn may_drop(&self, entry: Entry, horizon: u32) -> bool {
        let Some(slot) = self.slot(entry) else { return true };
        let death = death_for_all(&slot, horizon);
        if let Some(xmax) = death.and_then(Death::deleted_by) {
            self.announce(xmax);
        }
        death.is_some()
    }

    /// Puts the elements of a vector into `out`; false when the store has no such vector.
    #[must_use]
    pub fn vector(&self, entry: Entry, out: &mut Vec<f32>) -> bool {
        out.clear();
        let vector = StoredVector { slot: entry.slot, dims: self.dims };
        self.store.read(vector, |_, piece| {
            // pieces start at multiples of 4 of an aligned page
            out.extend_from_slice(<[f32]>::ref_from_bytes(piece).unwrap_or_default());
            true
        })
    }
}

/// The look among `looks` at segment `tag`, made if it is missing; `None` when there is no such segment.
#[inline]
fn of_segment<'l, L>(
    looks: &'l mut Vec<Option<L>>,
    store: &Store,
    tag: SegmentTag,
    make: impl FnOnce() -> Option<L>,
) -> Option<&'l L> {
    let at = store.number_of(tag).0 as usize;
    if looks.get(at).is_none_or(Option::is_none) {
        // where there is none, the number may be any
        let made = make()?;
        looks.resize_with(looks.len().max(at + 1), || None);
        looks[at] = Some(made);
    }
    looks[at].as_ref()
}

impl Graph {
    /// Dimensions of its vectors.
    #[must_use]
    pub fn dims(&self) -> u16 {
        self.map.page.dims
    }
}
