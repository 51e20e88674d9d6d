//! Single slots and vectors, read without pin or lock where the buffer that holds the page is known (see `pg/peek.rs`).

use super::check_header;
use super::map::{Segment, Store};
use crate::pg::{buffer, peek, relation};
use crate::segment::page::{PAYLOAD_START, PageKind, SlotPage};
use crate::segment::slot::SLOT_BYTES;
use crate::segment::{Geometry, PageHeader, SegmentTag, Slot, SlotNo};
use pgrx::pg_sys;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A file and a segment in it.
type Place = (u32, u32, u32, u32);

thread_local! {
    /// the buffers that slot pages were last found in, by ordinal; 0 = not known
    static RECENT: RefCell<Vec<(Place, Vec<Cell<pg_sys::Buffer>>)>> = const { RefCell::new(Vec::new()) };
}

/// Of how many segments buffers are remembered.
const MOST_SEGMENTS: usize = 16;

/// Reads slots of one segment.
pub struct SlotLook {
    /// the segment
    pub tag: SegmentTag,
    segment: Rc<Segment>,
    node: pg_sys::RelFileNode,
    place: Place,
    recent: Vec<Cell<pg_sys::Buffer>>,
    temporary: bool,
}

impl SlotLook {
    /// For slots of segment `tag` of `store`; `None` when the store has no such segment.
    #[must_use]
    pub fn new(store: &Store, tag: SegmentTag) -> Option<Self> {
        let segment = store.segment(tag)?;
        let rel = store.relation();
        // SAFETY: the store's relation is open
        let (node, temporary) = unsafe { ((*rel).rd_node, relation::is_temporary(rel)) };
        let place = (node.spcNode.to_u32(), node.dbNode.to_u32(), node.relNode.to_u32(), segment.no.0);
        let mut recent = RECENT
            .with_borrow_mut(|known| known.iter().position(|(of, _)| *of == place).map(|at| known.swap_remove(at).1))
            .unwrap_or_default();
        recent.resize(segment.page.slots.pages() as usize, Cell::new(0));
        Some(Self { tag, segment, node, place, recent, temporary })
    }

    /// Slot `number` of the segment as it is now; `None` when the segment has no such slot.
    #[inline]
    #[must_use]
    pub fn slot(&self, store: &Store, number: SlotNo) -> Option<Slot> {
        let (ordinal, index) = Geometry::slot_at(number.position());
        let Some(recent) = self.recent.get(ordinal as usize) else {
            // beyond what was known when the look was made
            // SAFETY: the store's relation is open
            return unsafe { store.slot(number) };
        };
        let block = self.segment.page.slots.block(ordinal)?;
        if recent.get() > 0 && !peek::is_refused() {
            let block = peek::Block { node: self.node, number: block };
            // SAFETY: a slot lies within its page
            if let Some(bytes) = unsafe { peek::snapshot::<SLOT_BYTES>(recent.get(), &block, SlotPage::offset(index)) }
            {
                return Some(Slot::decode(&bytes));
            }
        }
        // SAFETY: the store's relation is open
        unsafe {
            let rel = store.relation();
            let page = buffer::read(rel, block).share();
            check_header(rel, block, page.page(), &SlotPage::header(self.segment.no, ordinal));
            if !self.temporary {
                recent.set(page.buffer());
            }
            Some(SlotPage::slot(page.page(), index))
        }
    }
}

impl Drop for SlotLook {
    fn drop(&mut self) {
        let entry = (self.place, std::mem::take(&mut self.recent));
        RECENT.with_borrow_mut(|known| keep(known, entry));
    }
}

/// Remembers the buffers of a segment's pages, and forgets those of the segment that was used longest ago.
fn keep(known: &mut Vec<(Place, Vec<Cell<pg_sys::Buffer>>)>, entry: (Place, Vec<Cell<pg_sys::Buffer>>)) {
    known.retain(|(of, _)| *of != entry.0);
    if known.len() >= MOST_SEGMENTS {
        known.remove(0);
    }
    known.push(entry);
}

/// Reads vectors of one segment in place, of slots that are LIVE: their bytes do not change.
pub struct VectorLook {
    /// the segment
    pub tag: SegmentTag,
    segment: Rc<Segment>,
    node: pg_sys::RelFileNode,
    place: Place,
    recent: Vec<Cell<pg_sys::Buffer>>,
    temporary: bool,
}

thread_local! {
    /// the buffers that data pages were last found in, by ordinal; 0 = not known
    static RECENT_DATA: RefCell<Vec<(Place, Vec<Cell<pg_sys::Buffer>>)>> = const { RefCell::new(Vec::new()) };
}

impl VectorLook {
    /// For vectors of segment `tag` of `store`; `None` when the store has no such segment.
    #[must_use]
    pub fn new(store: &Store, tag: SegmentTag) -> Option<Self> {
        let segment = store.segment(tag)?;
        let rel = store.relation();
        // SAFETY: the store's relation is open
        let (node, temporary) = unsafe { ((*rel).rd_node, relation::is_temporary(rel)) };
        let place = (node.spcNode.to_u32(), node.dbNode.to_u32(), node.relNode.to_u32(), segment.no.0);
        let mut recent = RECENT_DATA
            .with_borrow_mut(|known| known.iter().position(|(of, _)| *of == place).map(|at| known.swap_remove(at).1))
            .unwrap_or_default();
        recent.resize(segment.page.data.pages() as usize, Cell::new(0));
        Some(Self { tag, segment, node, place, recent, temporary })
    }

    /// Whether the vector in `slot` lies on pages that were known when the look was made.
    #[inline]
    #[must_use]
    pub fn covers(&self, slot: SlotNo) -> bool {
        let geometry = &self.segment.page.geometry;
        slot.position().0 < geometry.capacity
            && geometry.data_pages(slot.position().0 + 1) as usize <= self.recent.len()
    }

    /// Folds `step` over the pieces of the vector in `slot`: (state, bytes). `step` may be called twice with a piece; what
    /// it answers then counts. The slot is covered.
    #[inline]
    pub fn fold<S: Copy>(&self, store: &Store, slot: SlotNo, start: S, mut step: impl FnMut(S, &[u8]) -> S) -> S {
        let mut state = start;
        for piece in self.segment.page.geometry.pieces(slot.position()) {
            let from = PAYLOAD_START + piece.offset;
            let recent = self.recent.get(piece.ordinal as usize);
            let known = recent.map_or(0, Cell::get);
            let Some(block) = self.segment.page.data.block(piece.ordinal) else { return state };
            if known > 0 && !peek::is_refused() {
                let block = peek::Block { node: self.node, number: block };
                // SAFETY: the step only reads
                let next = unsafe { peek::look(known, &block, |page| step(state, &page[from..from + piece.len])) };
                if let Some(next) = next {
                    state = next;
                    continue;
                }
            }
            let header = PageHeader { kind: PageKind::Data, segment: self.segment.no, ordinal: piece.ordinal };
            // SAFETY: the store's relation is open; the bytes of a stored vector do not change, so a pin is enough
            unsafe {
                let page = buffer::read(store.relation(), block);
                check_header(store.relation(), block, page.page(), &header);
                if let Some(recent) = recent
                    && !self.temporary
                {
                    recent.set(page.buffer());
                }
                state = step(state, &page.page()[from..from + piece.len]);
            }
        }
        state
    }
}

impl Drop for VectorLook {
    fn drop(&mut self) {
        let entry = (self.place, std::mem::take(&mut self.recent));
        RECENT_DATA.with_borrow_mut(|known| keep(known, entry));
    }
}
