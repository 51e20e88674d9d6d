//! Reserving slots.
//!
//! A reservation marks a free slot RESERVED with our transaction's id, as an unlogged hint: after a crash the slot is
//! free or reserved by a dead transaction, and VACUUM frees the latter.

#![forbid(unsafe_code)]

use crate::format::page::Damage;
use crate::format::store::Slot;
use crate::format::store::geometry::SLOTS_PER_PAGE;
use crate::format::store::page::{PageKind, SegmentPage, SlotPage};
use crate::format::store::{Generation, Geometry, Position, SlotNo, SlotState};
use crate::pg::buffer::Exclusive;
use crate::pg::failpoint::hit;
use crate::pg::{buffer, xact};
use crate::store::segment_cache::{Segment, Store, epoch};
use crate::vector::VectorShape;
use std::rc::Rc;

/// A slot that is ours to fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// the slot
    pub slot: SlotNo,
    /// its generation now
    pub generation: Generation,
}

/// Puts `slot` at `index` of an exclusively locked slot page, unlogged.
pub(super) fn hint_slot(page: &mut Exclusive, index: usize, slot: &Slot, first_free: usize) {
    page.hint(|bytes| {
        let at = SlotPage::offset(index);
        bytes[at..at + crate::format::store::slot::SLOT_BYTES].copy_from_slice(&slot.encode());
        bytes[SlotPage::FIRST_FREE..SlotPage::FIRST_FREE + 2].copy_from_slice(&(first_free as u16).to_le_bytes());
    });
}

impl Store<'_> {
    /// Reserves `count` slots for vectors of `shape` of column `attnum`, in ascending order as far as one
    /// segment reaches.
    #[must_use]
    pub fn reserve(&self, attnum: i16, shape: VectorShape, count: usize) -> Vec<Reservation> {
        let mut taken = Vec::with_capacity(count);
        loop {
            let segments = self.segments();
            for segment in segments.iter().filter(|s| s.page.attnum == attnum && s.page.geometry.shape == shape) {
                if segment.full_at.get() == epoch() {
                    continue;
                }
                self.reserve_in(segment.clone(), count, &mut taken);
                if taken.len() == count {
                    return taken;
                }
            }
            let segment = self.create_segment(attnum, shape, segments.len());
            self.reserve_in(segment, count, &mut taken);
            if taken.len() == count {
                return taken;
            }
        }
    }

    fn reserve_in(&self, mut segment: Rc<Segment>, count: usize, taken: &mut Vec<Reservation>) {
        let before = taken.len();
        let most_pages = Geometry::slot_pages(segment.page.geometry.capacity);
        let mut searched_from = segment.target.get();
        // as it was when the search began
        let mut hint = segment.page.free_hint;
        while taken.len() < count {
            pgrx::check_for_interrupts!();
            let at = segment.target.get();
            if at < segment.page.slot_pages() {
                hit("reserve.page");
                if self.reserve_on(&segment, at, count, taken) {
                    segment.target.set(at + 1);
                }
                continue;
            }
            // past the end of what we know: look again before making more
            segment = self.refresh_segment(&segment);
            if at < segment.page.slot_pages() {
                continue;
            }
            if segment.page.free_hint < searched_from {
                searched_from = segment.page.free_hint;
                hint = searched_from;
                segment.target.set(searched_from);
                continue;
            }
            if hint < at {
                // unless VACUUM has lowered it meanwhile: what it freed may lie behind us
                hint = self.set_free_hint(&segment, |now| if now == hint && now >= searched_from { at } else { now });
            }
            if at >= most_pages {
                segment.full_at.set(epoch());
                break;
            }
            segment = self.extend(&segment, PageKind::Slots, at + 1);
        }
        let positions = || taken[before..].iter().map(|r| r.slot.position().0);
        if let (Some(first), Some(last)) = (positions().min(), positions().max()) {
            let needed = segment.page.geometry.data_pages(last + 1);
            hit("reserve.slots_taken");
            if segment.page.data.pages() < needed {
                // in this order: what is LIVE now had its pages entered before
                let in_use = self.positions_in_use(&segment, first);
                segment = self.refresh_segment(&segment);
                if segment.page.geometry.data_pages(in_use) > segment.page.data.pages() {
                    let what = Damage("the data extents do not cover the slots in use".into());
                    super::damaged(self.rel, segment.block, &what);
                }
                self.extend(&segment, PageKind::Data, needed);
            }
        }
    }

    /// The end of the positions in use on the slot page of position `at`: data pages must reach so far.
    fn positions_in_use(&self, segment: &Segment, at: u32) -> u32 {
        let (ordinal, index) = Geometry::slot_at(Position(at));
        let page = self.page(&segment.page.slots, &SlotPage::header(segment.no, ordinal)).share();
        let live = |i: &usize| SlotPage::slot(page.page(), *i).state() == Some(SlotState::Live);
        (0..SLOTS_PER_PAGE).rev().find(live).map_or(0, |last| at - index as u32 + last as u32 + 1)
    }

    /// Takes free slots of one page; true when it has no more.
    fn reserve_on(&self, segment: &Segment, ordinal: u32, count: usize, taken: &mut Vec<Reservation>) -> bool {
        let xid = xact::current_xid();
        let header = SlotPage::header(segment.no, ordinal);
        let mut page = self.page(&segment.page.slots, &header).exclusive();
        let first = ordinal * SLOTS_PER_PAGE as u32;
        let end = segment.page.geometry.slots_on(ordinal);
        let mut index = SlotPage::first_free(page.page());
        while index < end && taken.len() < count {
            let slot = SlotPage::slot(page.page(), index);
            if slot.state() == Some(SlotState::Free) {
                hint_slot(&mut page, index, &Slot::reserved(slot.generation, xid), index + 1);
                let number = SlotNo::new(segment.tag, Position(first + index as u32));
                taken.push(Reservation { slot: number, generation: slot.generation });
                hit("reserve.slot");
            }
            index += 1;
        }
        index >= end
    }

    /// Gives reservations back that were not used. Must be called by the transaction that made them.
    pub fn release(&self, reservations: &[Reservation]) {
        for reservation in reservations {
            let Some(segment) = self.segment_of(reservation.slot) else { continue };
            let (ordinal, index) = Geometry::slot_at(reservation.slot.position());
            let header = SlotPage::header(segment.no, ordinal);
            let mut page = self.page(&segment.page.slots, &header).exclusive();
            hit("release.locked");
            let slot = SlotPage::slot(page.page(), index);
            if slot.state() == Some(SlotState::Reserved) && slot.generation == reservation.generation {
                let first_free = SlotPage::first_free(page.page()).min(index);
                hint_slot(&mut page, index, &Slot::free(slot.generation), first_free);
            }
            drop(page);
            if ordinal < segment.target.get() {
                segment.target.set(ordinal);
            }
        }
    }

    /// Tells other sessions where to look for free slots first: `new` of what they were told until now. Returns
    /// that.
    pub(super) fn set_free_hint(&self, segment: &Segment, new: impl FnOnce(u32) -> u32) -> u32 {
        let mut page = buffer::read(self.rel, segment.block).exclusive();
        hit("hint.locked");
        let at = SegmentPage::FREE_HINT;
        let bytes = page.page();
        let now = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let new = new(now);
        if new != now {
            page.hint(|bytes| bytes[at..at + 4].copy_from_slice(&new.to_le_bytes()));
        }
        new
    }
}
