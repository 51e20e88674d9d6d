//! Reading single slots, optimistically (`pg/buffer/optimistic.rs`) where the buffer that holds the page is known, and single vectors,
//! under a pin.

use crate::format::page::PAYLOAD_START;
use crate::format::store::page::{PageKind, SlotPage};
use crate::format::store::slot::SLOT_BYTES;
use crate::format::store::{Geometry, PageHeader, SegmentTag, Slot, SlotNo};
use crate::pg::buffer;
use crate::pg::buffer::hints::{Hints, hints_of};
use crate::pg::buffer::optimistic;
use crate::pg::buffer::optimistic::Looker;
use crate::pg::buffer::thread_pin::Pin;
use crate::pg::compat::FileNode;
use crate::store::check_header;
use crate::store::segment_cache::{Segment, Store};
use std::rc::Rc;

/// One segment's pages of a kind, and hints of the buffers that they are in.
struct Recent {
    segment: Rc<Segment>,
    node: FileNode,
    kind: PageKind,
    hints: Hints,
}

impl Recent {
    fn new(store: &Store, tag: SegmentTag, kind: PageKind) -> Option<Self> {
        let segment = store.segment(tag)?;
        let rel = store.relation();
        let (node, hints) = (rel.node(), hints_of(rel));
        Some(Self { segment, node, kind, hints })
    }

    /// What page `ordinal` is to say of itself.
    #[inline]
    fn header(&self, ordinal: u32) -> PageHeader {
        PageHeader { kind: self.kind, segment: self.segment.no, ordinal }
    }

    /// Page `ordinal`, which is block `block`, as the server finds it.
    fn read(&self, store: &Store, ordinal: u32, block: u32) -> buffer::Pinned {
        let page = buffer::read(store.relation(), block);
        check_header(store.relation(), block, page.page(), &self.header(ordinal));
        self.hints.set(block, page.buffer());
        page
    }
}

/// Reads slots of one segment.
pub struct SlotReader {
    /// the segment
    pub tag: SegmentTag,
    recent: Recent,
}

impl SlotReader {
    /// For slots of segment `tag` of `store`; `None` when the store has no such segment.
    #[must_use]
    pub fn new(store: &Store, tag: SegmentTag) -> Option<Self> {
        Some(Self { tag, recent: Recent::new(store, tag, PageKind::Slots)? })
    }

    /// Has the processor load slot `number`, if it is known where it is.
    #[inline]
    pub fn expect(&self, number: SlotNo) {
        let (ordinal, index) = Geometry::slot_at(number.position());
        if let Some(block) = self.recent.segment.slot_block(ordinal) {
            optimistic::prefetch(self.recent.hints.get(block), SlotPage::offset(index), SLOT_BYTES);
        }
    }

    /// Slot `number` of the segment as it is now; `None` when the segment has no such slot.
    #[inline]
    #[must_use]
    pub fn slot(&self, store: &Store, number: SlotNo) -> Option<Slot> {
        let (ordinal, index) = Geometry::slot_at(number.position());
        let Some(block) = self.recent.segment.slot_block(ordinal) else {
            // beyond what was known when the look was made
            return store.slot(number);
        };
        let known = self.recent.hints.get(block);
        if known > 0
            && !optimistic::is_refused()
            && let Some(looker) = Looker::of(self.recent.node)
            // SAFETY: a slot lies within its page; remembered are shared buffers only
            && let Some(bytes) = unsafe { looker.snapshot::<SLOT_BYTES>(known, block, SlotPage::offset(index)) }
        {
            return Some(Slot::decode(&bytes));
        }
        let page = self.recent.read(store, ordinal, block).share();
        Some(SlotPage::slot(page.page(), index))
    }
}

/// Reads vectors of one segment in place, of slots that are LIVE: their bytes do not change.
pub struct VectorReader {
    /// the segment
    pub tag: SegmentTag,
    recent: Recent,
}

impl VectorReader {
    /// For vectors of segment `tag` of `store`; `None` when the store has no such segment.
    #[must_use]
    pub fn new(store: &Store, tag: SegmentTag) -> Option<Self> {
        Some(Self { tag, recent: Recent::new(store, tag, PageKind::Data)? })
    }

    /// Whether the vector in `slot` lies on pages that were known when the look was made.
    #[inline]
    #[must_use]
    pub fn covers(&self, slot: SlotNo) -> bool {
        let geometry = &self.recent.segment.page.geometry;
        slot.position().0 < geometry.capacity
            && geometry.data_pages(slot.position().0 + 1) <= self.recent.segment.page.data.pages()
    }

    /// Whether the beginning of the vector in `slot`, which is covered, is where it was last found.
    #[inline]
    fn is_found(&self, slot: SlotNo) -> bool {
        let segment = &self.recent.segment;
        let Some(piece) = segment.page.geometry.pieces(slot.position()).next() else { return true };
        let Some(number) = segment.data_block(piece.ordinal) else { return true };
        let (known, block) = (self.recent.hints.get(number), optimistic::Block { node: self.recent.node, number });
        // SAFETY: remembered are shared buffers only
        known > 0 && unsafe { optimistic::holds(known, &block) }
    }

    /// Unless the vector in the first of `slots` is where it was last found, asks the kernel to read the vectors of all
    /// that are not. The slots are covered.
    #[inline]
    pub fn read_ahead(&self, store: &Store, slots: impl Iterator<Item = SlotNo>) {
        let segment = &self.recent.segment;
        let pieces = |slot: SlotNo| segment.page.geometry.pieces(slot.position());
        let blocks = |slot| pieces(slot).filter_map(|piece| segment.data_block(piece.ordinal));
        buffer::read_ahead(store.relation(), slots, |&slot| self.is_found(slot), blocks)
    }

    /// Hands the pieces of the vector in `slot` to `take`, first to last. The slot is covered. `take` calls nothing of the server.
    #[inline]
    pub fn each_piece(&self, store: &Store, slot: SlotNo, mut take: impl FnMut(&[u8])) {
        for piece in self.recent.segment.page.geometry.pieces(slot.position()) {
            let Some(block) = self.recent.segment.data_block(piece.ordinal) else { return };
            let known = self.recent.hints.get(block);
            let from = PAYLOAD_START + piece.offset;
            let bytes = from..from + piece.len;
            // a pin and not a look, since by these distances rows are put in order; and no lock, since the bytes of a
            // stored vector do not change
            let at = optimistic::Block { node: self.recent.node, number: block };
            // SAFETY: remembered are shared buffers only; `take` calls nothing of the server
            if let Some(pin) = unsafe { Pin::for_a_moment(known, &at) } {
                take(&pin.page()[bytes]);
                continue;
            }
            // SAFETY: the server checks that the buffer still holds the block; the store's relation is open
            let page = unsafe {
                let pinned = if known > 0 { buffer::pin_recent(self.recent.node, block, known) } else { None };
                pinned.unwrap_or_else(|| self.recent.read(store, piece.ordinal, block))
            };
            take(&page.page()[bytes]);
        }
    }
}
