//! A vector scan: one pass over the vectors of a column that a snapshot may see, in storage order. The slots of a page are
//! judged first; the vectors of the visible ones are then measured, here or by [`super::scan_threads`].

#![forbid(unsafe_code)]

use crate::format::page::PageBytes;
use crate::format::store::geometry::SLOTS_PER_PAGE;
use crate::format::store::page::SlotPage;
use crate::format::store::slot_set::SlotSet;
use crate::format::store::{Geometry, Position, SlotNo, Tid};
use crate::knn::column::Column;
use crate::knn::measure::{PageSource, offer};
use crate::knn::query::VectorQuery;
use crate::knn::result_queue::{Found, TopK};
use crate::knn::row_lookup::{RowLookup, SlotVisibility};
use crate::knn::scan_threads;
use crate::knn::scan_threads::Task;
use crate::pg::buffer::Pinned;
use crate::pg::buffer::thread_pin::{interrupt_waits, may_pin};
use crate::pg::compat;
use crate::store::{DataPages, Segment, Store};
use std::rc::Rc;

/// A slot page of the column, the unit of work, by its number among all that the segments can ever have: every participant
/// of a parallel scan knows it by the same number, however many pages there were when it looked.
pub type SlotPageNo = u32;

/// The segments of the column, as they were when the scan began: what came later its snapshot does not see.
pub struct ColumnSegments {
    /// the number of each segment's first slot page, and the segment
    segments: Vec<(SlotPageNo, Rc<Segment>)>,
}

impl ColumnSegments {
    /// Those of `store` for `column`.
    #[must_use]
    pub fn of(store: &Store, column: &Column) -> Self {
        store.refresh_all();
        let mut start = 0;
        let mut segments = Vec::new();
        for segment in store.segments() {
            if segment.page.attnum == column.attnum && segment.page.geometry.shape == column.shape() {
                let most = Geometry::slot_pages(segment.page.geometry.capacity);
                segments.push((start, segment));
                start += most;
            }
        }
        Self { segments }
    }

    /// The first slot page from number `n` on that there is.
    #[must_use]
    pub fn existing(&self, n: SlotPageNo) -> Option<SlotPageNo> {
        let next = self.segments.iter().find(|(start, segment)| n < start + segment.page.slot_pages());
        next.map(|(start, _)| n.max(*start))
    }

    /// Every slot page's number.
    pub fn all(&self) -> impl Iterator<Item = SlotPageNo> + '_ {
        let mut next = 0;
        std::iter::from_fn(move || {
            let found = self.existing(next)?;
            next = found + 1;
            Some(found)
        })
    }

    /// Index of the segment and ordinal of slot page `n`.
    fn locate(&self, n: SlotPageNo) -> Option<(usize, u32)> {
        let at = self.segments.partition_point(|(start, _)| *start <= n).checked_sub(1)?;
        let (start, segment) = &self.segments[at];
        (n - start < segment.page.slot_pages()).then_some((at, n - start))
    }

    /// Puts what may be seen of slot page `n` at the end of `found`, in order of position, with no distance yet. Slots past the
    /// pages of vectors that there were when the scan began are passed by: what is in them came later.
    pub fn candidates(&self, store: &Store, n: SlotPageNo, rows: &mut RowLookup, found: &mut Vec<Found>) {
        let Some((at, ordinal)) = self.locate(n) else { return };
        let segment = &self.segments[at].1;
        let page = store.slot_page(segment, ordinal);
        let first = ordinal * SLOTS_PER_PAGE as u32;
        let whole = segment.page.geometry.positions_on(segment.page.data.pages());
        for index in 0..SLOTS_PER_PAGE.min(whole.saturating_sub(first) as usize) {
            let slot = SlotPage::slot(&page, index);
            let tid = match rows.visibility(&slot) {
                SlotVisibility::Hidden => continue,
                SlotVisibility::Row(tid) => tid,
                SlotVisibility::Ask => Tid::NONE,
            };
            let number = SlotNo::new(segment.tag, Position(first + index as u32));
            found.push(Found { distance: 0.0, slot: number, generation: slot.generation, tid });
        }
    }
}

/// The pinned page that the backend's own thread reads.
struct BackendPages<'s> {
    pins: &'s DataPages<'s>,
    current: Option<(u32, Pinned)>,
    /// the address at which the page after it was in memory; 0 = not known
    next: usize,
}

impl BackendPages<'_> {
    #[inline(never)]
    fn go_to(&mut self, ordinal: u32) {
        self.current = None;
        let page = self.pins.data(ordinal);
        self.current = Some((ordinal, page));
        self.next = self.pins.last_address(ordinal + 1);
    }
}

impl PageSource for BackendPages<'_> {
    #[inline(always)]
    fn page(&mut self, ordinal: u32) -> Option<(&PageBytes, usize)> {
        if self.current.as_ref().is_none_or(|(at, _)| *at != ordinal) {
            self.go_to(ordinal);
        }
        self.current.as_ref().map(|(_, page)| (page.page(), self.next))
    }
}

/// The slot pages to be read, segment by segment.
struct Chunks<N> {
    next: N,
    /// one that was taken before its time
    ahead: Option<SlotPageNo>,
}

impl<N: FnMut() -> Option<SlotPageNo>> Chunks<N> {
    /// The segment of the next one.
    fn segment(&mut self, segments: &ColumnSegments) -> Option<usize> {
        loop {
            let n = self.ahead.take().or_else(&mut self.next)?;
            if let Some((number, _)) = segments.locate(n) {
                self.ahead = Some(n);
                return Some(number);
            }
        }
    }

    /// The next one, if it is in segment `number`.
    fn of(&mut self, segments: &ColumnSegments, number: usize) -> Option<SlotPageNo> {
        if self.segment(segments)? == number { self.ahead.take() } else { None }
    }
}

/// Bytes of vectors that are one task, at the most. Those of a slot page mostly are fewer.
const TASK_BYTES: usize = 2 << 20;

/// Offers the vectors on the slot pages that `next` gives, or those `among` them, with their distances to `query`, to `best`.
/// Returns how many that were.
pub fn nearest(
    store: &Store,
    segments: &ColumnSegments,
    rows: &mut RowLookup,
    query: &VectorQuery,
    best: &mut TopK,
    among: Option<&SlotSet>,
    next: impl FnMut() -> Option<SlotPageNo>,
) -> u64 {
    let mut measured = 0;
    let measure = query.measure();
    let mut chunks = Chunks { next, ahead: None };
    while let Some(number) = chunks.segment(segments) {
        let segment = &segments.segments[number].1;
        let geometry = segment.page.geometry;
        let pins = DataPages::new(store, segment);
        let mut reading = BackendPages { pins: &pins, current: None, next: 0 };
        let mut own = |found: Found, best: &mut TopK| {
            offer(measure, geometry, found, &mut reading, best);
        };
        let helpers = if pins.is_temporary() { 0 } else { scan_threads::size(segment.page.data.pages(), best.most()) };
        // from files this thread reads faster, too
        let by_tasks = helpers > 0 || pins.places().files().is_some() && may_pin();
        let at_a_time = if by_tasks { TASK_BYTES / geometry.stride_bytes.max(1) as usize + 1 } else { usize::MAX };
        // visible vectors of a slot page
        let mut seen: Vec<Found> = Vec::new();
        // pages before this one were looked for
        let mut known = 0;
        let mut missing = Vec::new();
        // there may be nothing to see on a slot page: then the task is empty
        let mut task = || -> Option<Task> {
            if seen.is_empty() {
                let n = chunks.of(segments, number)?;
                seen.reserve_exact(SLOTS_PER_PAGE);
                segments.candidates(store, n, rows, &mut seen);
                if let Some(among) = among {
                    seen.retain(|found| among.contains(found.slot));
                }
            }
            let rest = if seen.len() > at_a_time { seen.split_off(at_a_time) } else { Vec::new() };
            let task = std::mem::replace(&mut seen, rest);
            measured += task.len() as u64;
            if by_tasks || compat::BRINGS_MANY && !pins.is_temporary() {
                for found in &task {
                    let pages = geometry.pages(found.slot.position());
                    for ordinal in (*pages.start()).max(known)..=*pages.end() {
                        pins.find(ordinal, &mut missing);
                    }
                    known = pages.end() + 1;
                }
                pins.bring(&mut missing);
            }
            Some(task)
        };
        loop {
            pgrx::check_for_interrupts!();
            // one that could not be served waits until the caller lets it be
            if by_tasks && !interrupt_waits() {
                if scan_threads::share(helpers, pins.places(), measure, best, &mut task, &mut own) {
                    break;
                }
                continue;
            }
            let Some(task) = task() else { break };
            for found in task {
                own(found, best);
            }
        }
    }
    measured
}
