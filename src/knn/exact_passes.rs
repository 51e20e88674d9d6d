//! The rows of a table in the order of a vector column's distances to a query.
//!
//! As many passes are made over the vectors as rows are asked for: the first keeps the nearest [`FIRST_PASS_ROWS`], the next,
//! if it comes to that, the nearest beyond those, and so on ([`crate::knn::pass_size`]), so that memory stays bounded. What
//! follows on each is in [`crate::knn::pass_stage`]. That nothing is lost or doubled between passes follows from the snapshot: what it sees, distances and
//! slot numbers stay as they are while it is held. Last come the rows whose vector is NULL, as ORDER BY has them.
//!
//! In a parallel scan each participant does this with the slot pages that it takes as its share; the server merges what
//! the participants return. Shares are taken in the first pass and kept for the others.
//!
//! Where the scan is told so ([`crate::knn::scan_hints`]), rows without a vector come first, and nothing comes that is farther away
//! than is wanted. Where any order will do, what the first pass did not keep comes page by page in a second one.
//!
//! Without a distance to order by (none asked for, or a NULL query) the rows come as they are stored.

use crate::format::store::Tid;
use crate::format::store::slot_set::SlotSet;
use crate::knn::column::Column;
use crate::knn::distance_cache;
use crate::knn::pass_size::{LATE, PassSizes};
use crate::knn::pass_stage::Stage;
use crate::knn::query::VectorQuery;
use crate::knn::result_queue::{Found, Order, TopK};
use crate::knn::row_lookup::RowLookup;
use crate::knn::scan_hints::Hints;
use crate::knn::vector_scan;
use crate::knn::vector_scan::{ColumnSegments, SlotPageNo};
use crate::knn::work::ScanWork;
use crate::pg::error::OrRaise;
use crate::pg::relation::OpenRelation;
use crate::store::{Store, deferred_addresses};
use crate::tableam::vectors::VectorValue;
use crate::vector::check_same_dims;
use pgrx::pg_sys::{self, Datum};

pub use crate::knn::pass_size::{FIRST_PASS_ROWS, first_pass_rows};

/// Slot pages that are read at a time, where any order will do: what is near enough on them is kept.
const REST_AT_A_TIME: usize = 16;

/// The rows in order, and how far they have been handed out. It holds no pin, and memory that the server takes back with the
/// context given to [`RowLookup::new`].
pub struct ExactPasses {
    column: Column,
    rows: RowLookup,
    segments: Option<ColumnSegments>,
    /// the slot pages that the first pass read
    share: Vec<SlotPageNo>,
    work: ScanWork,
    /// rows that the first pass keeps
    first: usize,
    query: Option<VectorQuery>,
    hints: Hints,
    /// the vectors that are still asked for, where that is known
    among: Option<SlotSet>,
    /// of a scan that has begun in the middle of the order: what it began after, until the end is reached
    begun_after: Option<Found>,
    /// whether there is anything up to there
    any_before: bool,
    /// the pass is over what comes up to this one
    until: Option<Found>,
    /// those of a query that vectors cannot be compared with
    other_dims: Option<u16>,
    collected: Vec<Found>,
    handed_out: usize,
    next: Stage,
    counts: Counts,
}

/// What was done since the value was made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// passes over the vectors
    pub passes: u64,
    /// distances taken
    pub measured: u64,
    /// vectors that conditions, asked about all rows, have left
    pub left: u64,
}

/// How many rows passes keep, of a scan whose first pass keeps `first`.
fn sizes(first: usize) -> PassSizes {
    // SAFETY: a setting
    PassSizes::new(first, unsafe { pg_sys::work_mem } as usize * 1024)
}

/// How many rows a late pass keeps.
#[must_use]
pub fn most_rows() -> usize {
    sizes(FIRST_PASS_ROWS).of(LATE)
}

/// How many passes after the first it takes to hand out so many rows, when they were expected.
#[must_use]
pub fn passes_after_first(rows: f64) -> f64 {
    sizes(first_pass_rows(rows)).passes_after_first(rows)
}

impl ExactPasses {
    /// Nothing to be handed out yet of `rows`, which are those of `column`'s table. The first pass keeps `first`.
    #[must_use]
    pub fn new(column: Column, rows: RowLookup, first: usize) -> Self {
        Self {
            column,
            rows,
            segments: None,
            share: Vec::new(),
            work: ScanWork::default(),
            first,
            query: None,
            hints: Hints::default(),
            among: None,
            begun_after: None,
            any_before: false,
            until: None,
            other_dims: None,
            collected: Vec::new(),
            handed_out: 0,
            next: Stage::Nothing,
            counts: Counts::default(),
        }
    }

    /// What was done since the value was made.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether these are the rows under that snapshot.
    #[must_use]
    pub fn is_under(&self, snapshot: pg_sys::Snapshot) -> bool {
        self.rows.is_under(snapshot)
    }

    /// Begins anew with what `work` gives, in the order of the distances to `query`, a vector; in any order without one. When it
    /// has other dimensions than the column, an error is raised as soon as there is a vector to be compared with.
    /// What `hints` say holds where there is a query of these dimensions.
    pub unsafe fn begin(&mut self, query: Option<Datum>, hints: Hints, work: ScanWork) {
        self.clear(work);
        self.hints = hints;
        if let Some(query) = query {
            // SAFETY: a vector by contract
            let value = unsafe { VectorValue::of(query, self.column.element) };
            self.other_dims = Some(value.dims()).filter(|&dims| dims != self.column.dims);
            if self.other_dims.is_some() {
                return;
            }
            self.query = Some(VectorQuery::new(self.column.metric, self.column.element, value.bytes()));
            // SAFETY: the table is open
            let first = hints.nulls_first
                && hints.order.within.is_none()
                && unsafe { self.rows.may_lack_vectors(&self.column) };
            self.next = if first { Stage::Nulls } else { Stage::FIRST_PASS };
        }
    }

    fn clear(&mut self, work: ScanWork) {
        self.segments = None;
        self.share.clear();
        self.work = work;
        self.collected.clear();
        self.handed_out = 0;
        self.query = None;
        self.hints = Hints::default();
        self.among = None;
        self.begun_after = None;
        self.any_before = false;
        self.until = None;
        self.other_dims = None;
        self.next = Stage::Slots;
    }

    /// Begins with the vectors `among` those given in the middle of the order of distances to `query`, with what comes after
    /// `after`; what comes before is handed out when the end is reached, in order. In any order without a query. Rows without
    /// a vector are the last, unless `hints` say that they were the first. Each pass keeps as many rows as `work_mem` holds.
    pub fn resume(&mut self, query: Option<VectorQuery>, hints: Hints, among: SlotSet, after: Option<Found>) {
        self.clear(ScanWork::default());
        // as in the order before, which has NaN last
        self.hints = Hints { order: Order { nan_first: false, ..hints.order }, any_order: false, ..hints };
        self.among = Some(among);
        if query.is_some() {
            self.query = query;
            self.begun_after = after;
            self.next = Stage::Pass { pass: LATE, after };
        }
    }

    /// The rows that they are of.
    #[must_use]
    pub fn into_rows(self) -> RowLookup {
        self.rows
    }

    /// Whether another pass is to be made before there is another row, and no pass was narrowed down yet.
    #[must_use]
    pub fn is_to_go_on(&self) -> bool {
        let all_handed_out = self.handed_out >= self.collected.len();
        all_handed_out && self.among.is_none() && matches!(self.next, Stage::Pass { pass: 1.., .. })
    }

    /// From now on only vectors of rows are asked for, for which `holds`; rows without a vector as before.
    pub unsafe fn narrow_down(&mut self, holds: impl FnMut(*mut pg_sys::TupleTableSlot) -> bool) {
        let mut among = SlotSet::default();
        // SAFETY: the server's scan
        unsafe {
            self.rows.slots_where(holds, |slot| {
                among.insert(slot);
            })
        };
        self.counts.left += among.segments().map(|(_, positions)| u64::from(positions.count())).sum::<u64>();
        self.among = Some(among);
    }

    /// Gives back what was taken for looking at rows. Without it (after an error) the server takes it back.
    pub unsafe fn end(self) {
        // SAFETY: by contract of `RowLookup::new`
        unsafe { self.rows.end() }
    }

    /// The next row's address; `None` when there is none. Begins with [`ExactPasses::begin`].
    pub unsafe fn row(&mut self) -> Option<Tid> {
        loop {
            while let Some(found) = self.collected.get(self.handed_out).copied() {
                self.handed_out += 1;
                // SAFETY: the server's scan
                let tid = if found.tid.is_some() { Some(found.tid) } else { unsafe { self.ask(&found) } };
                if tid.is_some() {
                    if let (Some(dims), Stage::Slots) = (self.other_dims, self.next) {
                        check_same_dims(usize::from(self.column.dims), usize::from(dims)).or_raise();
                    }
                    let known = found.distance > f64::NEG_INFINITY;
                    if let (Some(query), true) = (&self.query, known) {
                        let table = self.column.table.to_u32();
                        distance_cache::note(query, table, found.slot, found.generation, found.distance);
                    }
                    return tid;
                }
            }
            if matches!(self.next, Stage::Nothing) {
                return None;
            }
            // SAFETY: the server's scan
            unsafe { self.collect() };
        }
    }

    /// Asks the row, of which the slot cannot tell whether it is visible or where it is.
    unsafe fn ask(&mut self, found: &Found) -> Option<Tid> {
        pgrx::check_for_interrupts!();
        // SAFETY: both relations are open
        unsafe {
            deferred_addresses::flush();
            let toast = OpenRelation::open(self.column.toast, pg_sys::AccessShareLock as _);
            self.rows.address(&Store::of(toast.rel()), found)
        }
    }

    /// Collects what is next.
    unsafe fn collect(&mut self) {
        // SAFETY: the table is open
        let may_lack_vectors = unsafe { self.rows.may_lack_vectors(&self.column) };
        let at_end = self.query.is_none() || !self.hints.nulls_first && self.hints.order.within.is_none();
        let end = Stage::after_vectors(at_end && may_lack_vectors);
        self.collected.clear();
        self.handed_out = 0;
        if self.next == Stage::Nulls {
            // SAFETY: the table is open
            return unsafe { self.collect_nulls() };
        }
        deferred_addresses::flush();
        let toast = OpenRelation::open(self.column.toast, pg_sys::AccessShareLock as _);
        let store = Store::of(toast.rel());
        match self.next {
            Stage::Pass { pass, after } if self.query.is_some() => self.collect_pass(&store, pass, after, end),
            Stage::Rest { after, from } if self.query.is_some() => self.collect_rest(&store, after, from, end),
            _ => self.collect_slots(&store, end),
        }
    }

    unsafe fn collect_nulls(&mut self) {
        let (start, count) = self.work.take_blocks();
        let collected = &mut self.collected;
        let take = |tid| collected.push(Found { tid, ..Found::FIRST });
        // SAFETY: the table is open
        if !unsafe { self.rows.without_vector(start, count, take) } {
            self.next = Stage::after_nulls(self.hints.nulls_first && self.query.is_some());
        }
    }

    fn collect_pass(&mut self, store: &Store, pass: u32, after: Option<Found>, end: Stage) {
        let Some(query) = &self.query else { return };
        let mut best = TopK::new(sizes(self.first).of(pass), after).ordered(self.hints.order).until(self.until);
        let (rows, among) = (&mut self.rows, self.among.as_ref());
        let segments = self.segments.get_or_insert_with(|| ColumnSegments::of(store, &self.column));
        if self.share.is_empty() {
            let (work, share) = (&mut self.work, &mut self.share);
            let next = || work.take_chunk(segments).inspect(|&n| share.push(n));
            self.counts.measured += vector_scan::nearest(store, segments, rows, query, &mut best, among, next);
            self.any_before = best.met_before();
        } else {
            let mut again = self.share.iter().copied();
            self.counts.measured +=
                vector_scan::nearest(store, segments, rows, query, &mut best, among, || again.next());
        }
        self.counts.passes += 1;
        let complete;
        (self.collected, complete) = best.finish();
        let (last, middle) = (self.collected.last().copied(), self.begun_after.filter(|_| self.any_before));
        if complete && middle.is_some() {
            (self.begun_after, self.until) = (None, middle);
        }
        self.next = Stage::after_pass(pass, complete, last, self.hints.any_order, middle, end);
    }

    fn collect_rest(&mut self, store: &Store, after: Found, from: usize, end: Stage) {
        let Some(query) = &self.query else { return };
        let to = self.share.len().min(from + REST_AT_A_TIME);
        let mut pages = self.share[from..to].iter().copied();
        let mut best = TopK::new(usize::MAX / 4, Some(after)).ordered(self.hints.order);
        let segments = self.segments.get_or_insert_with(|| ColumnSegments::of(store, &self.column));
        self.counts.measured +=
            vector_scan::nearest(store, segments, &mut self.rows, query, &mut best, None, || pages.next());
        (self.collected, _) = best.finish();
        self.next = Stage::after_rest(after, to, self.share.len(), end);
    }

    fn collect_slots(&mut self, store: &Store, end: Stage) {
        let segments = self.segments.get_or_insert_with(|| ColumnSegments::of(store, &self.column));
        let Some(n) = self.work.take_chunk(segments) else {
            self.next = end;
            return;
        };
        segments.candidates(store, n, &mut self.rows, &mut self.collected);
        if let Some(among) = &self.among {
            self.collected.retain(|found| among.contains(found.slot));
        }
    }
}
