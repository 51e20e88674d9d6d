//! One pass over the vectors of a column that a snapshot may see, in storage order.

use super::super::column::Column;
use super::super::emit::{Best, Found};
use super::super::query::Query;
use super::super::rows::{Rows, Sight};
use crate::pg::buffer::Pinned;
use crate::segment::page::{PAYLOAD_BYTES, PAYLOAD_START, SLOTS_PER_PAGE, SlotPage};
use crate::segment::{Position, Slot, SlotNo, Tid};
use crate::store::{Pins, Segment, Store};
use std::rc::Rc;

/// A slot page of the column: the unit of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// index of its segment in [`Segments`]
    segment: usize,
    /// its ordinal
    ordinal: u32,
}

/// The segments of the column, as they were when the scan began: what came later its snapshot does not see.
pub struct Segments(Vec<Rc<Segment>>);

impl Segments {
    /// Those of `store` for `column`.
    #[must_use]
    pub unsafe fn of(store: &Store, column: &Column) -> Self {
        // SAFETY: the store's relation is open
        unsafe { store.refresh_all() };
        let ours = |s: &Rc<Segment>| s.page.attnum == column.attnum && s.page.geometry.dims == column.dims;
        Self(store.segments().into_iter().filter(ours).collect())
    }

    /// Number of slot pages.
    #[must_use]
    pub fn chunks(&self) -> u32 {
        self.0.iter().map(|segment| segment.page.slot_pages()).sum()
    }

    /// Slot page `n` of all.
    fn chunk(&self, mut n: u32) -> Option<Chunk> {
        for (segment, of) in self.0.iter().enumerate() {
            let pages = of.page.slot_pages();
            if n < pages {
                return Some(Chunk { segment, ordinal: n });
            }
            n -= pages;
        }
        None
    }

    /// Calls `take` with each slot of slot page `n` that may be seen, and its sight.
    pub unsafe fn visible(
        &self,
        store: &Store,
        n: u32,
        rows: &mut Rows,
        mut take: impl FnMut(&Rc<Segment>, Position, &Slot, Sight),
    ) {
        let Some(Chunk { segment, ordinal }) = self.chunk(n) else { return };
        let segment = &self.0[segment];
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
}

/// The pinned page that is being read.
struct Reading<'s> {
    pins: Pins<'s>,
    current: Option<(u32, Pinned)>,
}

impl Reading<'_> {
    #[inline]
    unsafe fn page(&mut self, ordinal: u32) -> &Pinned {
        // SAFETY: by contract of `Pins`
        unsafe {
            if self.current.as_ref().is_none_or(|(at, _)| *at != ordinal) {
                self.current = None;
                let page = self.pins.data(ordinal);
                self.current = Some((ordinal, page));
            }
            match &self.current {
                Some((_, page)) => page,
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
    query: &mut Query,
    best: &mut Best,
    mut next: impl FnMut() -> Option<u32>,
) {
    let mut seen: Vec<(Position, Slot, Sight)> = Vec::with_capacity(SLOTS_PER_PAGE);
    let mut reading: Option<(usize, Reading<'_>)> = None;
    while let Some(n) = next() {
        pgrx::check_for_interrupts!();
        let Some(chunk) = segments.chunk(n) else { continue };
        let segment = &segments.0[chunk.segment];
        if reading.as_ref().is_none_or(|(at, _)| *at != chunk.segment) {
            drop(reading.take());
            // SAFETY: the store's relation is open
            let pins = unsafe { Pins::new(store, segment) };
            reading = Some((chunk.segment, Reading { pins, current: None }));
        }
        let Some((_, reading)) = &mut reading else { continue };
        seen.clear();
        // SAFETY: the store's relation is open
        unsafe {
            segments.visible(store, n, rows, |_, position, slot, sight| seen.push((position, *slot, sight)));
        }
        let geometry = segment.page.geometry;
        for &(position, slot, sight) in &seen {
            let start = u64::from(position.0) * u64::from(geometry.stride_bytes);
            let mut sum = query.begin((start % PAYLOAD_BYTES as u64) as usize);
            let mut at = 0;
            for piece in geometry.pieces(position) {
                let from = PAYLOAD_START + piece.offset;
                // SAFETY: the bytes of a visible slot's vector do not change, so a pin is enough; those of another are
                // numbers whatever they are
                let page = unsafe { reading.page(piece.ordinal) };
                at = query.add(&mut sum, at, &page.page()[from..from + piece.len]);
            }
            let distance = sum.finish();
            if best.bound().is_some_and(|bound| distance > bound) {
                best.pass();
                continue;
            }
            let tid = if let Sight::Row(tid) = sight { tid } else { Tid::NONE };
            let number = SlotNo::new(segment.tag, position);
            best.offer(Found { distance, slot: number, generation: slot.generation, tid });
        }
    }
}
