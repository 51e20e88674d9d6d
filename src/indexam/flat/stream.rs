//! One pass over the vectors of a column that a snapshot may see, in storage order.

use super::super::column::Column;
use super::super::emit::{Best, Found};
use super::super::query::Query;
use super::super::rows::{Rows, Sight};
use crate::pg::buffer::Pinned;
use crate::segment::page::{PAYLOAD_START, SLOTS_PER_PAGE, SlotPage};
use crate::segment::{Geometry, Position, Slot, SlotNo, Tid};
use crate::store::{Pins, Segment, Store};
use std::rc::Rc;

/// A slot page of the column, the unit of work, by its number among all that the segments can ever have: every participant
/// of a parallel scan knows it by the same number, however many pages there were when it looked.
pub type Chunk = u32;

/// The segments of the column, as they were when the scan began: what came later its snapshot does not see.
pub struct Segments {
    /// the number of each segment's first slot page, and the segment
    segments: Vec<(Chunk, Rc<Segment>)>,
}

impl Segments {
    /// Those of `store` for `column`.
    #[must_use]
    pub unsafe fn of(store: &Store, column: &Column) -> Self {
        // SAFETY: the store's relation is open
        unsafe { store.refresh_all() };
        let mut start = 0;
        let mut segments = Vec::new();
        for segment in store.segments() {
            if segment.page.attnum == column.attnum && segment.page.geometry.dims == column.dims {
                let most = Geometry::slot_pages(segment.page.geometry.capacity);
                segments.push((start, segment));
                start += most;
            }
        }
        Self { segments }
    }

    /// The first slot page from number `n` on that there is.
    #[must_use]
    pub fn existing(&self, n: Chunk) -> Option<Chunk> {
        let next = self.segments.iter().find(|(start, segment)| n < start + segment.page.slot_pages());
        next.map(|(start, _)| n.max(*start))
    }

    /// Every slot page's number.
    pub fn all(&self) -> impl Iterator<Item = Chunk> + '_ {
        let mut next = 0;
        std::iter::from_fn(move || {
            let found = self.existing(next)?;
            next = found + 1;
            Some(found)
        })
    }

    /// Index of the segment and ordinal of slot page `n`.
    fn locate(&self, n: Chunk) -> Option<(usize, u32)> {
        let at = self.segments.partition_point(|(start, _)| *start <= n).checked_sub(1)?;
        let (start, segment) = &self.segments[at];
        (n - start < segment.page.slot_pages()).then_some((at, n - start))
    }

    /// Calls `take` with each slot of slot page `n` that may be seen, and its sight.
    #[inline]
    pub unsafe fn visible(
        &self,
        store: &Store,
        n: Chunk,
        rows: &mut Rows,
        mut take: impl FnMut(&Rc<Segment>, Position, &Slot, Sight),
    ) {
        let Some((at, ordinal)) = self.locate(n) else { return };
        let segment = &self.segments[at].1;
        // SAFETY: the store's relation is open
        let page = unsafe { store.slot_page(segment, ordinal) };
        for index in 0..SLOTS_PER_PAGE {
            let slot = SlotPage::slot(&page, index);
            match rows.sight(&slot) {
                Sight::Hidden => {}
                sight => take(segment, Position(ordinal * SLOTS_PER_PAGE as u32 + index as u32), &slot, sight),
            }
        }
    }

    /// Puts what may be seen of slot page `n` at the end of `found`, in order of position, with no distance yet.
    pub unsafe fn candidates(&self, store: &Store, n: Chunk, rows: &mut Rows, found: &mut Vec<Found>) {
        // SAFETY: by contract
        unsafe {
            self.visible(store, n, rows, |segment, position, slot, sight| {
                let tid = if let Sight::Row(tid) = sight { tid } else { Tid::NONE };
                let number = SlotNo::new(segment.tag, position);
                found.push(Found { distance: 0.0, slot: number, generation: slot.generation, tid });
            });
        }
    }
}

/// The pinned page that is being read.
struct Reading<'s> {
    pins: Pins<'s>,
    current: Option<(u32, Pinned)>,
    /// the address at which the page after it was in memory; 0 = not known
    next: usize,
}

impl Reading<'_> {
    /// The page, and the address at which the one after it may be in memory.
    #[inline]
    unsafe fn page_and_next(&mut self, ordinal: u32) -> (&Pinned, usize) {
        // SAFETY: by contract of `Pins`
        unsafe {
            if self.current.as_ref().is_none_or(|(at, _)| *at != ordinal) {
                self.current = None;
                let page = self.pins.data(ordinal);
                self.current = Some((ordinal, page));
                self.next = self.pins.last_address(ordinal + 1);
            }
            match &self.current {
                Some((_, page)) => (page, self.next),
                None => unreachable!("just read"),
            }
        }
    }
}

/// Offers the vectors on the slot pages that `next` gives, with their distances to `query`, to `best`.
pub unsafe fn nearest(
    store: &Store,
    segments: &Segments,
    rows: &mut Rows,
    query: &Query,
    best: &mut Best,
    mut next: impl FnMut() -> Option<Chunk>,
) {
    let mut seen: Vec<Found> = Vec::with_capacity(SLOTS_PER_PAGE);
    let mut reading: Option<(usize, Reading<'_>)> = None;
    while let Some(n) = next() {
        pgrx::check_for_interrupts!();
        let Some((number, _)) = segments.locate(n) else { continue };
        let segment = &segments.segments[number].1;
        if reading.as_ref().is_none_or(|(at, _)| *at != number) {
            drop(reading.take());
            // SAFETY: the store's relation is open
            let pins = unsafe { Pins::new(store, segment) };
            reading = Some((number, Reading { pins, current: None, next: 0 }));
        }
        let Some((_, reading)) = &mut reading else { continue };
        seen.clear();
        // SAFETY: the store's relation is open
        unsafe { segments.candidates(store, n, rows, &mut seen) };
        let geometry = segment.page.geometry;
        for &found in &seen {
            let (mut sum, mut at) = (query.begin(), 0);
            for piece in geometry.pieces(found.slot.position()) {
                let from = PAYLOAD_START + piece.offset;
                // SAFETY: the bytes of a visible slot's vector do not change, so a pin is enough; those of another are
                // numbers whatever they are
                let (page, next) = unsafe { reading.page_and_next(piece.ordinal) };
                let ahead = if next == 0 { 0 } else { next + from };
                at = query.add(&mut sum, at, &page.page()[from..from + piece.len], ahead);
            }
            if best.bound().is_some_and(|bound| sum.is_beyond(bound)) {
                best.pass();
                continue;
            }
            let distance = sum.finish();
            if best.bound().is_some_and(|bound| distance > bound) {
                best.pass();
                continue;
            }
            best.offer(Found { distance, ..found });
        }
    }
}
