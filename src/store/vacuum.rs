//! VACUUM's pass over the slots: 24 bytes a vector, never a vector.
//!
//! Runs before the rows' VACUUM. Frees what no snapshot can see, takes addresses of removed row versions out, and freezes
//! the rest, so that no slot keeps an old transaction id. A page on which nothing is left to do is only read.

use crate::format::page::PageBytes;
use crate::format::store::geometry::SLOTS_PER_PAGE;
use crate::format::store::page::SlotPage;
use crate::format::store::reclaim::{Reclaimer, RowVersion, World};

use crate::format::store::{Generation, Position, Slot, SlotNo, SlotState, Tid};
use crate::pg::compat::{self};
use crate::pg::failpoint::hit;
use crate::pg::wal;
use crate::pg::wal::Change;
use crate::pg::xact;
use crate::pg::xact::Fate;
use crate::store::conflict::announce_removal;
use crate::store::death::death_of;
use crate::store::segment_cache::{Segment, Store};
use crate::store::write::put_slot;

/// What a pass found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reclaimed {
    /// slots that were freed
    pub freed: u64,
    /// slots that hold a vector
    pub live: u64,
    /// whether there are free slots where sessions were told that there are none
    pub found: bool,
}

/// What the server and the rows say while a pass decides about slots.
struct Outside<'a> {
    row: &'a mut dyn FnMut(Tid, SlotNo, Generation) -> RowVersion,
}

impl World for Outside<'_> {
    fn fate(&mut self, xid: u32) -> Fate {
        xact::fate(xid)
    }

    fn row(&mut self, tid: Tid, number: SlotNo, slot: &Slot) -> RowVersion {
        (self.row)(tid, number, slot.generation)
    }
}

impl Store<'_> {
    /// Frees, tidies and freezes slots. `oldest_xmin` is a horizon; `begin` is called before each segment; `dropped` tells
    /// whether a column was dropped (its vectors are unreachable); `row` tells what a row address leads to.
    pub unsafe fn reclaim(
        &self,
        oldest_xmin: u32,
        begin: &dyn Fn(),
        dropped: &dyn Fn(i16) -> bool,
        row: &mut dyn FnMut(Tid, SlotNo, Generation) -> RowVersion,
    ) -> Reclaimed {
        let mut total = Reclaimed::default();
        let mut reclaimer = Reclaimer::new(Outside { row }, oldest_xmin);
        let mut announced = None;
        // SAFETY: rel is open
        unsafe {
            self.refresh();
            for segment in self.segments() {
                begin();
                let segment = self.refresh_segment(&segment);
                let unreachable = dropped(segment.page.attnum);
                let mut lowest_free = None;
                for ordinal in 0..segment.page.slot_pages() {
                    compat::vacuum_delay_point();
                    hit("reclaim.page");
                    let free =
                        self.reclaim_page(&segment, ordinal, unreachable, &mut reclaimer, &mut announced, &mut total);
                    if free && lowest_free.is_none() {
                        lowest_free = Some(ordinal);
                    }
                }
                hit("reclaim.segment");
                if let Some(ordinal) = lowest_free {
                    self.set_free_hint(&segment, |now| {
                        total.found |= now > ordinal;
                        now.min(ordinal)
                    });
                    segment.target.set(segment.target.get().min(ordinal));
                }
            }
        }
        total
    }

    /// Treats one page; true when it has free slots now. What others have changed meanwhile is looked at again: it may still name
    /// an old transaction.
    unsafe fn reclaim_page(
        &self,
        segment: &Segment,
        ordinal: u32,
        unreachable: bool,
        reclaimer: &mut Reclaimer<Outside<'_>>,
        announced: &mut Option<u32>,
        total: &mut Reclaimed,
    ) -> bool {
        loop {
            let before = total.live;
            // SAFETY: rel is open
            let look = unsafe { self.look_at_page(segment, ordinal, unreachable, reclaimer, announced, total) };
            if let Some(has_free) = look {
                return has_free;
            }
            total.live = before;
            // SAFETY: no lock is held
            unsafe { compat::vacuum_delay_point() };
        }
    }

    /// As [`Store::reclaim_page`], once; `None` when slots that were to be changed had been by others. A hint of the page's that says
    /// that there are no free slots where there are is put right: it may be older than the slots, since only the slots are logged.
    unsafe fn look_at_page(
        &self,
        segment: &Segment,
        ordinal: u32,
        unreachable: bool,
        reclaimer: &mut Reclaimer<Outside<'_>>,
        announced: &mut Option<u32>,
        total: &mut Reclaimed,
    ) -> Option<bool> {
        let header = SlotPage::header(segment.no, ordinal);
        let number = |index: usize| SlotNo::new(segment.tag, Position(ordinal * SLOTS_PER_PAGE as u32 + index as u32));
        // SAFETY: rel is open
        unsafe {
            let seen = self.slot_page(segment, ordinal);
            hit("reclaim.seen");
            let live = |slot: &Slot| u64::from(slot.state() == Some(SlotState::Live));
            let is_free = |slot: &Slot| slot.state() == Some(SlotState::Free);
            let slots = segment.page.geometry.slots_on(ordinal);
            let first_free =
                |page: &PageBytes| (0..slots).find(|&i| is_free(&SlotPage::slot(page, i))).unwrap_or(slots);
            let mut turns: Vec<(usize, Slot, Slot)> = Vec::new();
            for index in 0..SLOTS_PER_PAGE {
                let slot = SlotPage::slot(&seen, index);
                let new = reclaimer.turn(slot, number(index), unreachable);
                total.live += live(&new);
                if new != slot {
                    turns.push((index, slot, new));
                }
            }
            if let Some(latest) = reclaimer.must_see()
                && announced.is_none_or(|before| xact::precedes(before, latest))
            {
                announce_removal(self.rel, latest);
                *announced = Some(latest);
                hit("reclaim.announced");
            }
            if turns.is_empty() {
                let free = first_free(&seen);
                if free < SlotPage::first_free(&seen).min(slots) {
                    let mut page = self.page(&segment.page.slots, &header).exclusive();
                    let hint = (SlotPage::first_free(page.page()).min(free) as u16).to_le_bytes();
                    page.hint(|bytes| bytes[SlotPage::FIRST_FREE..SlotPage::FIRST_FREE + 2].copy_from_slice(&hint));
                    total.found = true;
                }
                return Some(free < slots);
            }
            let page = self.page(&segment.page.slots, &header).exclusive();
            let meant = turns.len();
            turns.retain(|(index, old, _)| SlotPage::slot(page.page(), *index) == *old);
            let freed: Vec<usize> = turns.iter().filter(|t| is_free(&t.2)).map(|t| t.0).collect();
            total.freed += freed.len() as u64;
            let hint = SlotPage::first_free(page.page()).min(slots);
            let free = first_free(page.page()).min(freed.first().copied().unwrap_or(slots));
            let mut change = Change::new(&page);
            for (index, _, new) in &turns {
                put_slot(&mut change, page.page(), *index, new);
            }
            if !freed.is_empty() || free < hint {
                change.put(SlotPage::FIRST_FREE, &(hint.min(free) as u16).to_le_bytes());
            }
            hit("reclaim.locked");
            if !turns.is_empty() {
                wal::apply(self.rel, &[change]);
            }
            (turns.len() == meant).then_some(free < slots)
        }
    }
}

/// Slots of a segment by state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Census {
    /// hold a vector of a row that is not known to be deleted
    pub live: u64,
    /// hold a vector that VACUUM can free now or later: its row was deleted, or its transaction aborted
    pub dead: u64,
    /// hold nothing
    pub free: u64,
}

impl Store<'_> {
    /// Counts a segment's slots by state.
    #[must_use]
    pub fn census(&self, segment: &Segment) -> Census {
        let mut census = Census::default();
        self.each_slot(segment, |_, slot| {
            let dead = match slot.state() {
                Some(SlotState::Free) => {
                    census.free += 1;
                    return;
                }
                Some(SlotState::Reserved) => xact::fate(slot.xmin) != Fate::Running,
                _ => death_of(&slot).is_some(),
            };
            if dead {
                census.dead += 1;
            } else {
                census.live += 1;
            }
        });
        census
    }

    /// Tells standbys that what vanishes next may have been visible to snapshots not newer than `latest_removed`.
    pub fn announce_removal(&self, latest_removed: u32) {
        // SAFETY: rel is open
        unsafe { announce_removal(self.rel, latest_removed) }
    }

    /// A copy of the segment's slot page `ordinal`.
    #[must_use]
    pub fn slot_page(&self, segment: &Segment, ordinal: u32) -> Box<PageBytes> {
        let shared = self.page(&segment.page.slots, &SlotPage::header(segment.no, ordinal)).share();
        Box::new(*shared.page())
    }

    /// Visits the segment's slots in order; no lock is held during a visit.
    pub fn each_slot(&self, segment: &Segment, mut visit: impl FnMut(SlotNo, Slot)) {
        let capacity = segment.page.geometry.capacity;
        for ordinal in 0..segment.page.slot_pages() {
            pgrx::check_for_interrupts!();
            let seen = self.slot_page(segment, ordinal);
            for index in 0..SLOTS_PER_PAGE {
                let position = ordinal * SLOTS_PER_PAGE as u32 + index as u32;
                if position < capacity {
                    visit(SlotNo::new(segment.tag, Position(position)), SlotPage::slot(&seen, index));
                }
            }
        }
    }
}
