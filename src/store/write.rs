//! Writing vectors and changing slots.
//!
//! Publishing puts a vector's bytes on its data pages and then makes its slot LIVE: in one record where they fit
//! (slot page and up to three data pages), otherwise the data first. Before the slot is LIVE nobody reads the bytes.

use crate::format::store::addresses;
use crate::format::store::page::{PageKind, SlotPage};
use crate::format::store::slot::{XMIN_COMMITTED, XMIN_FROZEN};
use crate::format::store::{Generation, Geometry, PageHeader, Slot, SlotNo, SlotState, Tid};
use crate::pg::failpoint::hit;
use crate::pg::wal;
use crate::pg::wal::Change;
use crate::pg::xact;
use crate::store::conflict::announce_removal;
use crate::store::deferred_addresses::Move;
use crate::store::reserve::Reservation;
use crate::store::segment_cache::{Segment, Store};
use smallvec::SmallVec;
use std::rc::Rc;

/// A vector to be stored in a reserved slot.
pub struct NewVector<'v> {
    /// where it goes
    pub reservation: Reservation,
    /// row that it belongs to
    pub tid: Tid,
    /// its elements' bytes, as many as its shape says
    pub bytes: &'v [u8],
}

/// What an edit makes of a slot.
pub enum SlotChange {
    /// leave it
    Keep,
    /// put this in its place
    Into(Slot),
}

fn damage_of_missing(slot: SlotNo) -> crate::format::page::Damage {
    crate::format::page::Damage(format!("slot {} is not in any segment", slot.0))
}

/// Puts `slot` at `index`, keeping the page's hint true.
pub(super) fn put_slot(change: &mut Change<'_>, page: &crate::format::page::PageBytes, index: usize, slot: &Slot) {
    change.put(SlotPage::offset(index), &slot.encode());
    if slot.state() == Some(SlotState::Free) && index < SlotPage::first_free(page) {
        change.put(SlotPage::FIRST_FREE, &(index as u16).to_le_bytes());
    }
}

impl Store<'_> {
    fn must_find(&self, slot: SlotNo) -> Rc<Segment> {
        match self.segment_of(slot) {
            Some(segment) => segment,
            None => super::damaged(self.rel, 0, &damage_of_missing(slot)),
        }
    }

    /// Stores vectors and makes their slots LIVE, as of the current (sub)transaction, or frozen where `frozen` says
    /// that the rows are.
    pub fn publish(&self, vectors: &[NewVector<'_>], frozen: bool) {
        let xid = xact::current_xid();
        let slot_of = |vector: &NewVector<'_>| {
            let mut slot = Slot::live(vector.reservation.generation, xid, vector.tid);
            if frozen {
                slot.xmin = pgrx::pg_sys::FrozenTransactionId.into_inner();
                slot.flags |= XMIN_COMMITTED | XMIN_FROZEN;
            }
            slot
        };
        if let [vector] = vectors {
            let segment = self.must_find(vector.reservation.slot);
            let pieces = segment.page.geometry.pieces(vector.reservation.slot.position());
            let pieces: SmallVec<[_; 4]> = pieces.take(wal::MAX_PAGES).collect();
            if pieces.len() < wal::MAX_PAGES {
                return self.publish_one(&segment, vector, &slot_of(vector), &pieces);
            }
        }
        self.write_data(vectors);
        hit("publish.data");
        let slots: Vec<_> = vectors.iter().map(|v| (v.reservation.slot, slot_of(v))).collect();
        self.write_slots(&slots);
    }

    fn publish_one(
        &self,
        segment: &Segment,
        vector: &NewVector<'_>,
        slot: &Slot,
        pieces: &[crate::format::store::geometry::Piece],
    ) {
        let (ordinal, index) = Geometry::slot_at(vector.reservation.slot.position());
        let slots = self.page(&segment.page.slots, &SlotPage::header(segment.no, ordinal)).exclusive();
        let data: SmallVec<[_; 3]> = pieces
            .iter()
            .map(|piece| {
                let header = PageHeader { kind: PageKind::Data, segment: segment.no, ordinal: piece.ordinal };
                self.page(&segment.page.data, &header).exclusive()
            })
            .collect();
        hit("publish.locked");
        let mut changes: SmallVec<[Change<'_>; 4]> = SmallVec::new();
        let mut change = Change::new(&slots);
        put_slot(&mut change, slots.page(), index, slot);
        changes.push(change);
        let mut at = 0;
        for (page, piece) in data.iter().zip(pieces) {
            let mut change = Change::new(page);
            change.put(crate::format::page::PAYLOAD_START + piece.offset, &vector.bytes[at..at + piece.len]);
            at += piece.len;
            changes.push(change);
        }
        wal::apply(self.rel, &changes);
    }

    /// Writes the vectors' bytes, a record for each data page. `vectors` are in ascending slot order.
    pub fn write_data(&self, vectors: &[NewVector<'_>]) {
        let mut pending: Vec<(usize, &[u8])> = Vec::new();
        let mut current: Option<(Rc<Segment>, u32)> = None;
        for vector in vectors {
            let position = vector.reservation.slot.position();
            let segment = match &current {
                Some((segment, _))
                    if segment.tag == vector.reservation.slot.tag()
                        && segment.page.geometry.data_pages(position.0 + 1) <= segment.page.data.pages() =>
                {
                    segment.clone()
                }
                _ => self.must_find(vector.reservation.slot),
            };
            let mut at = 0;
            for piece in segment.page.geometry.pieces(position) {
                if let Some((last, ordinal)) = &current
                    && (last.no != segment.no || *ordinal != piece.ordinal)
                {
                    self.put_data(last, *ordinal, &pending);
                    pending.clear();
                }
                pending.push((piece.offset, &vector.bytes[at..at + piece.len]));
                at += piece.len;
                current = Some((segment.clone(), piece.ordinal));
            }
        }
        if let Some((segment, ordinal)) = &current {
            self.put_data(segment, *ordinal, &pending);
        }
    }

    fn put_data(&self, segment: &Segment, ordinal: u32, fragments: &[(usize, &[u8])]) {
        pgrx::check_for_interrupts!();
        hit("data.page");
        let header = PageHeader { kind: PageKind::Data, segment: segment.no, ordinal };
        let page = self.page(&segment.page.data, &header).exclusive();
        hit("data.locked");
        let mut change = Change::new(&page);
        for (offset, bytes) in fragments {
            change.put(crate::format::page::PAYLOAD_START + offset, bytes);
        }
        wal::apply(self.rel, &[change]);
    }

    /// Puts slots, a record for each slot page. They are in ascending order.
    pub fn write_slots(&self, slots: &[(SlotNo, Slot)]) {
        let page_of = |slot: SlotNo| (slot.tag(), Geometry::slot_at(slot.position()).0);
        for group in slots.chunk_by(|a, b| page_of(a.0) == page_of(b.0)) {
            hit("slots.page");
            let segment = self.must_find(group[0].0);
            let header = SlotPage::header(segment.no, page_of(group[0].0).1);
            let page = self.page(&segment.page.slots, &header).exclusive();
            let mut change = Change::new(&page);
            for (number, slot) in group {
                put_slot(&mut change, page.page(), Geometry::slot_at(number.position()).1, slot);
            }
            wal::apply(self.rel, &[change]);
        }
    }

    /// Changes the LIVE slot `slot` of `generation`; does nothing when it is something else by now.
    pub fn edit(&self, slot: SlotNo, generation: Generation, turn: impl FnOnce(Slot) -> SlotChange) {
        let Some(segment) = self.segment_of(slot) else { return };
        let (ordinal, index) = Geometry::slot_at(slot.position());
        let page = self.page(&segment.page.slots, &SlotPage::header(segment.no, ordinal)).exclusive();
        hit("edit.locked");
        let now = SlotPage::slot(page.page(), index);
        if now.state() != Some(SlotState::Live) || now.generation != generation {
            return;
        }
        if let SlotChange::Into(new) = turn(now) {
            let mut change = Change::new(&page);
            put_slot(&mut change, page.page(), index, &new);
            wal::apply(self.rel, &[change]);
        }
    }

    /// Tells slots of their rows' new addresses, a record for each slot page. `moves` are in ascending slot order, those
    /// of one slot in the order in which they happened.
    pub(super) fn move_rows(&self, moves: &[Move]) {
        let page_of = |slot: SlotNo| (slot.tag(), Geometry::slot_at(slot.position()).0);
        let mut announced: Option<u32> = None;
        // SAFETY: rel is open
        unsafe {
            for on_page in moves.chunk_by(|a, b| page_of(a.slot) == page_of(b.slot)) {
                hit("move.page");
                let Some(segment) = self.segment_of(on_page[0].slot) else { continue };
                let header = SlotPage::header(segment.no, page_of(on_page[0].slot).1);
                let page = self.page(&segment.page.slots, &header).exclusive();
                hit("move.locked");
                let mut change = Change::new(&page);
                let mut given_up = None;
                for of_slot in on_page.chunk_by(|a, b| a.slot == b.slot) {
                    let index = Geometry::slot_at(of_slot[0].slot.position()).1;
                    let before = SlotPage::slot(page.page(), index);
                    let mut slot = before;
                    for moved in of_slot {
                        if slot.state() == Some(SlotState::Live) && slot.generation == moved.generation {
                            let gives_up = addresses::move_row(&mut slot, moved.from, moved.to) && moved.after != 0;
                            if gives_up && given_up.is_none_or(|latest| xact::precedes(latest, moved.after)) {
                                given_up = Some(moved.after);
                            }
                        }
                    }
                    if slot != before {
                        put_slot(&mut change, page.page(), index, &slot);
                    }
                }
                if let Some(latest) = given_up
                    && announced.is_none_or(|before| xact::precedes(before, latest))
                {
                    announce_removal(self.rel, latest);
                    announced = Some(latest);
                }
                wal::apply(self.rel, &[change]);
            }
        }
    }

    /// Notes that the current (sub)transaction deleted the row, or replaced the vector, that `slot` belongs to.
    pub fn delete(&self, slot: SlotNo, generation: Generation) {
        let xid = xact::current_xid();
        self.edit(slot, generation, |mut slot| {
            slot.set_xmax(xid);
            SlotChange::Into(slot)
        });
    }

    /// Frees a slot that the current transaction made LIVE for a row that it took back (a lost speculative insertion).
    pub fn discard(&self, slot: SlotNo, generation: Generation) {
        self.edit(slot, generation, |slot| SlotChange::Into(Slot::free(slot.generation.next())));
        if let Some(segment) = self.segment_of(slot) {
            segment.target.set(segment.target.get().min(Geometry::slot_at(slot.position()).0));
        }
    }

    /// Slot `slot` as it is now; `None` when the store has no such slot.
    #[must_use]
    pub fn slot(&self, slot: SlotNo) -> Option<Slot> {
        let segment = self.segment_of(slot)?;
        let (ordinal, index) = Geometry::slot_at(slot.position());
        let page = self.page(&segment.page.slots, &SlotPage::header(segment.no, ordinal)).share();
        Some(SlotPage::slot(page.page(), index))
    }
}
