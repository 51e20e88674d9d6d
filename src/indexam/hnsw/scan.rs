//! Scans: the nearest vectors that the snapshot sees, in the order of their exact distances, for as long as rows are asked
//! for.
//!
//! The pending list and the graphs are searched by codes. (A graph without nodes has no codes: its pending vectors get exact
//! distances at once.) A vector that was found is a candidate. Its exact distance is computed when its lower bound says that
//! it may be next; a row is returned once no candidate can be nearer. The search is kept ahead of the rows that are returned,
//! so that hardly a vector is found after a farther one was returned. One that is, is kept for the very end: no row is lost,
//! and no other is out of place. Where a good part of a graph is wanted, the rest of the graph is read from its map.
//!
//! What a scan has collected takes `work_mem` at the most. Where more is wanted, the scan goes on with passes over the
//! vectors that the maps name, less those that were returned, as the exact scan does ([`ExactPasses`]): from the distance
//! returned last on, and with what is nearer at the end.
//!
//! A scan may go on while the graph is changed. A repair lets a node stand for another vector than the one whose visibility
//! the scan has asked for, and unlinks nodes that the scan has still to expand. Then the search starts over, and passes by
//! what was returned. What the search does not reach even so comes from the map.

use crate::bitset::Bitset;
use crate::format::graph::{Area, Entry, MapPlace, Shape};
use crate::format::store::slot_set::SlotSet;
use crate::format::store::{SlotNo, Tid};
use crate::hnsw::beam::{Accept, Limits};
use crate::hnsw::filtering::{Finder, Way};
use crate::hnsw::next_step::{Known, Step, Width, next_step};
use crate::hnsw::{Beam, Node, beam};
use crate::indexam::flat::ExactPasses;
use crate::indexam::hnsw::filter::{Conditions, Counts, Filter, Strategy};
use crate::indexam::hnsw::included::select::{passes, positions, sample, select};
use crate::indexam::hnsw::pages::{Graph, Index};
use crate::indexam::hnsw::pending::codes::PendingVectors;
use crate::indexam::hnsw::table::Table;
use crate::knn::column::Column;
use crate::knn::distance_cache;
use crate::knn::query::VectorQuery;
use crate::knn::result_queue::{Found, ResultQueue};
use crate::knn::row_lookup::{RowLookup, SlotVisibility};
use crate::knn::scan_hints::Hints;
use crate::pg::relation::Rel;
use crate::pg::settings;
use crate::quant::Query;
use pgrx::pg_sys;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

/// A node whose exact distance is not known yet.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candidate {
    /// its distance is hardly less
    bound: f64,
    entry: Entry,
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bound.total_cmp(&other.bound).then(self.entry.identity().cmp(&other.entry.identity()))
    }
}

struct Search {
    graph: Graph,
    query: Query,
    beam: Beam,
    waiting: PendingVectors,
    exhausted: bool,
    swept: bool,
    /// the nodes of rows that are known to satisfy the conditions, where those are known, and how many they are
    among: Option<(Bitset, usize)>,
}

impl Search {
    /// A search that wants so many of the nearest costs more than to look at all there are.
    fn is_worth_while(&self, ef: usize) -> bool {
        match &self.among {
            Some((_, count)) => ef <= count / LISTED_SHARE,
            None => ef <= self.graph.root.nodes_in_use() as usize / SWEPT_SHARE,
        }
    }

    /// When it has turned out to cost more than that, or to be of no use.
    fn limits(&self) -> Limits {
        let refused = self.graph.root.nodes as usize / SWEPT_SHARE;
        match &self.among {
            Some((_, count)) => Limits { refused, work: *count as u64 },
            None => Limits { refused, ..Limits::NONE },
        }
    }

    fn is_too_dear(&self) -> bool {
        let limits = self.limits();
        let is_crowded = self.among.is_some() && self.beam.is_crowded();
        is_crowded || self.beam.refused() > limits.refused || self.beam.work().weight() > limits.work
    }
}

thread_local! {
    /// memory of searches that ended, for the next ones, and its bytes
    static BEAMS: RefCell<(Vec<Beam>, usize)> = const { RefCell::new((Vec::new(), 0)) };
}

/// Bytes of idle beams that are kept: a beam takes what its last searches visited, mostly less than a tenth of a megabyte.
const MOST_IDLE: usize = 16 << 20;

/// A beam for a search.
fn take_beam() -> Beam {
    BEAMS.with_borrow_mut(|(beams, bytes)| {
        let beam = beams.pop().unwrap_or_default();
        *bytes -= beam.bytes().min(*bytes);
        beam
    })
}

/// Keeps a beam for the next search.
fn keep_beam(beam: Beam) {
    BEAMS.with_borrow_mut(|(beams, bytes)| {
        if *bytes + beam.bytes() <= MOST_IDLE {
            *bytes += beam.bytes();
            beams.push(beam);
        }
    });
}

/// Where a scan is.
///
/// | stage | begins | leads to |
/// |---|---|---|
/// | `Nulls` | at the start, where rows without a vector come first; after `Late`, where they come last | `Nearest`, or the end |
/// | `Nearest` | at the start, or after `Nulls` | `Late`, or `Passes` where memory is full |
/// | `Late` | after `Nearest` | `Nulls`, or the end where those were first or are not wanted |
/// | `Passes` | at the start, without a query; after `Nearest` | the end |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// handing out what the graphs and pending lists give
    Nearest,
    /// handing out what turned up too late
    Late,
    /// handing out rows without a vector, from this block of the table on
    Nulls(u32),
    /// handing out what the passes give, rows without a vector included
    Passes,
}

impl Stage {
    /// What comes when a stage has no more; `None` at the end.
    fn next(self, is_full: bool, hints: &Hints) -> Option<Self> {
        match self {
            Self::Nearest if is_full => Some(Self::Passes),
            Self::Nearest => Some(Self::Late),
            Self::Late if hints.nulls_first || hints.order.within.is_some() => None,
            Self::Late => Some(Self::Nulls(0)),
            Self::Nulls(_) if hints.nulls_first => Some(Self::Nearest),
            Self::Nulls(_) | Self::Passes => None,
        }
    }
}

/// A running scan.
pub struct GraphScan {
    index: Index,
    column: Column,
    table: Option<Table<'static>>,
    rows: Option<RowLookup>,
    query: Option<VectorQuery>,
    searches: Vec<Search>,
    candidates: BinaryHeap<Reverse<Candidate>>,
    output: ResultQueue,
    late: Vec<Found>,
    nulls: Vec<Tid>,
    stage: Stage,
    hints: Hints,
    last: Found,
    width: Width,
    reported: Vec<(f32, Node)>,
    /// calls of [`GraphScan::add_exact`]
    added: u32,
    /// what `rows` became for the passes
    passes: Option<ExactPasses>,
    /// bytes that the beams held when the scan had begun
    held_first: usize,
    /// more was found than `work_mem` holds
    is_full: bool,
    filter: Filter,
    /// rows that were handed out
    returned: usize,
    counts: Counts,
}

/// Bytes that a vector takes which was collected, until the scan ends, and while it waits to be handed out; with the room that
/// lists and sets have for growth.
pub const COLLECTED_BYTES: usize = 16;
/// See [`COLLECTED_BYTES`].
pub const WAITING_BYTES: usize = 2 * size_of::<Found>();

/// A search for more than one of so many nodes of a graph is not worth while.
pub const SWEPT_SHARE: usize = 8;

/// The same of known nodes, of which codes are all that is looked at.
const LISTED_SHARE: usize = 16;

/// A search among known nodes begins at so many of them besides, wherever they are: they may be far from where the entry
/// point leads.
const SEEDS: usize = 64;

/// So many codes are compared at a time.
const LISTED_AT_A_TIME: usize = 32;

/// So many vectors are looked at before somebody looks whether the statement is to end.
const ASKED_UNINTERRUPTED: u32 = 256;

/// Most queries want no more rows.
const MOST_WANTED: usize = 10;

/// So many candidates' vectors are read ahead: most LIMITs look at no more.
const EXPECTED: usize = 16;

/// Blocks of the table that are searched for rows without a vector at a time.
const NULL_BLOCKS: u32 = 64;

impl GraphScan {
    /// Prepares a scan of `index` under `snapshot`, with memory from `context`, which lives as long as the scan.
    #[must_use]
    pub unsafe fn new(
        index: Rel<'static>,
        heap: Rel<'static>,
        snapshot: pg_sys::Snapshot,
        context: pg_sys::MemoryContext,
    ) -> Self {
        // SAFETY: both relations are open, the snapshot is registered as long as the scan lives
        unsafe {
            let column = Column::of(index, heap);
            Self {
                index: Index::of(index),
                column,
                table: Some(Table::open(heap, column.shape(), pg_sys::AccessShareLock as _)),
                rows: Some(RowLookup::new(heap.raw(), Some(index.raw()), &column, snapshot, context)),
                query: None,
                searches: Vec::new(),
                candidates: BinaryHeap::new(),
                output: ResultQueue::new(),
                late: Vec::new(),
                nulls: Vec::new(),
                stage: Stage::Nearest,
                hints: Hints::default(),
                last: Found::FIRST,
                width: Width::default(),
                reported: Vec::new(),
                added: 0,
                passes: None,
                held_first: 0,
                is_full: false,
                filter: Filter::default(),
                returned: 0,
                counts: Counts::default(),
            }
        }
    }

    /// The column that the index is over.
    #[must_use]
    pub fn column(&self) -> &Column {
        &self.column
    }

    /// Whether the scan is under that snapshot.
    #[must_use]
    pub fn is_under(&self, snapshot: pg_sys::Snapshot) -> bool {
        self.rows.as_ref().is_some_and(|rows| rows.is_under(snapshot))
            || self.passes.as_ref().is_some_and(|passes| passes.is_under(snapshot))
    }

    /// What the next start is told beside the query.
    pub fn set_hints(&mut self, hints: Hints) {
        self.hints = hints;
    }

    /// What was found out about conditions holds no more: they have changed.
    pub fn forget_conditions(&mut self) {
        self.filter.forget();
    }

    /// How the present scan takes conditions into account.
    #[must_use]
    pub fn strategy(&self) -> Strategy {
        self.filter.strategy
    }

    /// What the scans have done since the first began.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = self.counts;
        self.searches.iter().for_each(|search| counts.work.add(search.beam.work()));
        counts
    }

    fn clear(&mut self) {
        self.forget_collected();
        self.returned = 0;
        self.nulls.clear();
        if let Some(passes) = self.passes.take() {
            self.rows = Some(passes.into_rows());
        }
        (self.held_first, self.is_full) = (0, false);
        self.stage = Stage::Nearest;
        self.last = Found::FIRST;
        self.width = Width::default();
    }

    fn forget_collected(&mut self) {
        self.end_searches();
        self.candidates.clear();
        self.output.clear();
        self.late.clear();
    }

    fn end_searches(&mut self) {
        for search in self.searches.drain(..) {
            self.counts.work.add(search.beam.work());
            keep_beam(search.beam);
        }
    }

    /// Starts over with `query`, of the column's shape; without one, rows come in any order. `conditions` are those that rows
    /// must satisfy: as far as they may not be asked, that is left to whoever gets the rows.
    pub fn start(&mut self, query: Option<VectorQuery>, conditions: &mut dyn Conditions) {
        self.clear();
        self.filter.begin(conditions);
        if query.is_none() {
            self.hints = Hints::default();
        }
        if self.hints.nulls_first && self.hints.order.within.is_none() {
            self.stage = Stage::Nulls(0);
        }
        crate::store::deferred_addresses::flush();
        let numbers = query.as_ref().map(VectorQuery::numbers);
        self.query = query;
        if numbers.is_none() {
            return self.go_by_passes(conditions);
        }
        self.width = Width::of_start(settings::ef_search() as usize, MOST_WANTED);
        if conditions.may_be_asked() || conditions.keys().is_some() {
            self.filter.strategy = Strategy::Asked;
            let graphs = self.index.graphs();
            self.filter.graphs = graphs.len();
            if let Some(keys) = conditions.keys()
                && self.filter.share.is_none()
            {
                let (rows, passing) = sample(&graphs, &keys);
                self.filter.share = Some((passing as f64 + 0.5) / (rows as f64 + 1.0));
            }
            if !self.filter.is_complete {
                let known = self.filter.known(conditions, 0, self.width.ef, usize::from(self.column.dims), 0);
                if known.is_to_find_first() || !conditions.may_be_asked() {
                    self.find(conditions, known.most_to_find());
                }
            }
            if self.filter.is_complete {
                return self.begin_known(conditions);
            }
            self.counts.ways[0] += 1;
            self.width.ef = self.width.ef.max(self.filter.first_width(conditions, &self.width));
        }
        self.begin_searches();
        self.find_rest(conditions);
    }

    /// Searches all graphs from the start.
    fn begin_searches(&mut self) {
        let Some(numbers) = self.query.as_ref().map(VectorQuery::numbers) else { return };
        for graph in self.index.graphs() {
            // what leaves the pending list meanwhile is in the graph before: so first the list, then the graph as it is
            let (pending, graph) = graph.pending_and_now();
            let mut exact = pending.len();
            match &self.table {
                Some(table) if graph.root.entry.is_some() => {
                    let query = graph.codec().query(&numbers);
                    let mut beam = take_beam();
                    beam.start(&graph, &query);
                    let mut waiting = PendingVectors::default();
                    if graph.root.codes_are_proven() {
                        (waiting, exact) = PendingVectors::start(&graph, table, &query, &pending);
                    }
                    self.counts.searched += 1;
                    self.counts.pending += waiting.scored() as u64;
                    let (exhausted, swept, among) = (false, false, None);
                    self.searches.push(Search { graph, query, beam, waiting, exhausted, swept, among });
                }
                _ => {}
            }
            self.add_all_exact(pending[pending.len() - exact..].iter().copied());
        }
        self.go_on();
        self.held_first = self.held_by_beams();
    }

    /// Goes on finding rows that satisfy the conditions, so many at the most.
    fn find(&mut self, conditions: &mut dyn Conditions, most: u64) {
        let before = self.filter.count;
        if let Finder::Columns(_) = conditions.finder()
            && let Some(keys) = conditions.keys()
        {
            (self.filter.among, self.filter.count) = (SlotSet::default(), 0);
            for graph in self.index.graphs() {
                self.filter.count += select(&graph, &keys, &mut self.filter.among);
                self.counts.keys += positions(&graph);
            }
            self.filter.is_complete = true;
            self.counts.found += self.filter.count;
            return;
        }
        let filter = &mut self.filter;
        let is_complete = conditions.find(most, &mut |slot| filter.take(slot));
        self.filter.is_complete = is_complete;
        self.counts.found += self.filter.count - before;
    }

    /// Finds more rows that satisfy the conditions, since the search has become too dear. If those are all, goes on with them.
    fn find_rest(&mut self, conditions: &mut dyn Conditions) {
        let Some(most) = self.filter.to_find.take() else { return };
        self.find(conditions, most);
        if !self.filter.is_complete {
            return;
        }
        self.end_searches();
        self.candidates.clear();
        let start = Width::of_start(settings::ef_search() as usize, MOST_WANTED);
        self.width = Width { ef: start.ef.max(self.returned + self.returned / 2), handed_out: self.returned, ..start };
        self.begin_known(conditions);
    }

    /// What share of the slots that are known lead to a vector in the index, by some of them: others are of rows that are gone.
    fn share_in_graphs(&self) -> f64 {
        /// places of slots that are looked at, and how far from each
        const PLACES: u32 = 64;
        const FAR: u32 = 256;
        let (mut looked_at, mut led) = (0_u32, 0_u32);
        for graph in self.index.graphs() {
            let Some(positions) = self.filter.among.of(graph.map.page.tag) else { continue };
            let all = graph.map.page.area(Area::Map).pages() * Shape::MAP.per_page;
            let every = (all / PLACES).max(1);
            for start in (0..all).step_by(every as usize) {
                let mut first = None;
                positions.each_in(start..start + every.min(FAR), |position| {
                    first.get_or_insert(position);
                });
                let known = first.and_then(|position| graph.place(position));
                looked_at += u32::from(first.is_some());
                led += u32::from(known.is_some_and(|known| known.place != MapPlace::None));
            }
        }
        if looked_at == 0 { 1.0 } else { (f64::from(led) / f64::from(looked_at)).max(0.01) }
    }

    /// Begins with the rows that are known to satisfy the conditions.
    fn begin_known(&mut self, conditions: &mut dyn Conditions) {
        let Some(numbers) = self.query.as_ref().map(VectorQuery::numbers) else { return };
        let code_bytes = usize::from(self.column.dims);
        let known = self.filter.known(conditions, self.width.ef, self.width.ef, code_bytes, self.returned);
        let (_, way) = known.cost_of_ordering(self.filter.count as f64 * self.share_in_graphs());
        self.filter.strategy = if way == Way::Listed { Strategy::Listed } else { Strategy::Among };
        self.counts.ways[if way == Way::Listed { 2 } else { 1 }] += 1;
        for graph in self.index.graphs() {
            let (pending, graph) = graph.pending_and_now();
            let query = graph.root.entry.map(|_| graph.codec().query(&numbers));
            match query {
                Some(query) if way == Way::Among => self.search_among(graph, query, &pending),
                query => self.list(&graph, query.as_ref()),
            }
        }
        self.go_on();
        self.held_first = self.held_by_beams();
    }

    /// Begins a search through the nodes of rows that are known to satisfy the conditions.
    fn search_among(&mut self, graph: Graph, query: Query, pending: &[Entry]) {
        let (Some(table), tag) = (&self.table, graph.map.page.tag) else { return };
        let Some(positions) = self.filter.among.of(tag) else { return };
        let mut among = Bitset::below(graph.root.nodes);
        let (mut count, mut seeds) = (0, Vec::with_capacity(SEEDS + 1));
        let every = (positions.count() as usize / SEEDS).max(1);
        let mut next_seed = 0;
        // what has left the pending list since it was copied is there
        graph.places(positions, |_, known| {
            if let MapPlace::Node(node) = known.place
                && among.insert(node)
            {
                if count == next_seed {
                    seeds.push(node);
                    next_seed += every;
                }
                count += 1;
            }
        });
        let mut beam = take_beam();
        beam.start(&graph, &query);
        beam.add(&graph, &query, &seeds);
        let (mut waiting, mut exact) = (PendingVectors::default(), pending.len());
        if graph.root.codes_are_proven() {
            (waiting, exact) = PendingVectors::start(&graph, table, &query, pending);
            self.counts.pending += waiting.scored() as u64;
            waiting.retain(|entry| self.filter.among.contains(entry.slot));
        }
        self.counts.searched += 1;
        let (exhausted, swept, among) = (false, false, Some((among, count)));
        self.searches.push(Search { graph, query, beam, waiting, exhausted, swept, among });
        let rest = &pending[pending.len() - exact..];
        let rest: Vec<Entry> = rest.iter().copied().filter(|entry| self.filter.among.contains(entry.slot)).collect();
        self.add_all_exact(rest.into_iter());
    }

    /// Makes candidates of a graph's rows that are known to satisfy the conditions, as far as there is room: by their codes if
    /// there are any.
    fn list(&mut self, graph: &Graph, query: Option<&Query>) {
        let tag = graph.map.page.tag;
        let Some(positions) = self.filter.among.of(tag) else { return };
        let room = self.room();
        let (mut coded, mut uncoded) = (Vec::new(), Vec::new());
        let mut count = 0;
        graph.places(positions, |position, known| {
            let entry = Entry { slot: SlotNo::new(tag, position), generation: known.generation };
            count += usize::from(known.place != MapPlace::None);
            match known.place {
                // more are for the passes, and not even collected
                _ if count > room => {}
                MapPlace::Node(node) if node < graph.root.nodes && query.is_some() => coded.push((node, entry)),
                MapPlace::None => {}
                _ => uncoded.push(entry),
            }
        });
        if !self.has_room(count) {
            return;
        }
        if let Some(query) = query {
            let (mut nodes, mut distances) = (Vec::with_capacity(LISTED_AT_A_TIME), Vec::new());
            let mut candidates = Vec::with_capacity(coded.len());
            let any_known = self.output.collected() > 0;
            for portion in coded.chunks(LISTED_AT_A_TIME) {
                pgrx::check_for_interrupts!();
                nodes.clear();
                distances.clear();
                nodes.extend(portion.iter().map(|known| known.0));
                crate::hnsw::Graph::distances(graph, query, &nodes, &mut distances);
                self.counts.listed += nodes.len() as u64;
                for (&(node, entry), &distance) in portion.iter().zip(&distances) {
                    let head = graph.code_head(node);
                    if head.entry != entry {
                        // it has left the node since
                        uncoded.push(entry);
                    } else if !any_known || !self.output.knows(entry.slot) {
                        let bound = query.lower_bound(super::search::quant_head(&head), distance);
                        candidates.push(Reverse(Candidate { bound, entry }));
                    }
                }
            }
            self.candidates.append(&mut BinaryHeap::from(candidates));
        }
        self.add_all_exact(uncoded.into_iter());
    }

    fn held_by_beams(&self) -> usize {
        self.searches.iter().map(|search| search.beam.held()).sum()
    }

    /// Bytes that the scan has collected since it began.
    fn held(&self) -> usize {
        let waiting = self.output.waiting() + self.late.len() + self.candidates.len();
        let by_beams = self.held_by_beams().saturating_sub(self.held_first);
        by_beams + self.output.collected() * COLLECTED_BYTES + waiting * WAITING_BYTES
    }

    /// For how many vectors more there is room.
    fn room(&self) -> usize {
        // SAFETY: a setting
        let most = unsafe { pg_sys::work_mem } as usize * 1024;
        most.saturating_sub(self.held()) / (COLLECTED_BYTES + WAITING_BYTES)
    }

    /// Whether there is room for so many vectors more. What there is no room for is left to the passes.
    fn has_room(&mut self, vectors: usize) -> bool {
        // SAFETY: a setting
        let most = unsafe { pg_sys::work_mem } as usize * 1024;
        self.is_full |= self.held() + vectors * (COLLECTED_BYTES + WAITING_BYTES) > most;
        !self.is_full
    }

    /// Adds vectors with their exact distances, as far as there is room and the snapshot may see them.
    fn add_all_exact(&mut self, entries: impl Iterator<Item = Entry>) {
        for (at, entry) in entries.enumerate() {
            if at.is_multiple_of(ASKED_UNINTERRUPTED as usize) && !self.has_room(0) {
                return;
            }
            self.add_exact(entry);
        }
    }

    /// Leaves what was not handed out yet to passes over all vectors that the maps name.
    fn go_by_passes(&mut self, conditions: &mut dyn Conditions) {
        if self.filter.strategy == Strategy::Asked && conditions.finder() != Finder::Nobody {
            self.find(conditions, u64::MAX);
        }
        let mut returned = SlotSet::default();
        self.late.drain(..).for_each(|found| self.output.add_back(found));
        self.output.handed_out().for_each(|slot| {
            returned.insert(slot);
        });
        self.forget_collected();
        (self.candidates, self.output, self.late) = (BinaryHeap::new(), ResultQueue::new(), Vec::new());
        let mut among = SlotSet::default();
        for graph in self.index.graphs() {
            graph.each_place(|position, _| {
                let slot = SlotNo::new(graph.map.page.tag, position);
                let is_wanted = !self.filter.is_complete || self.filter.among.contains(slot);
                if is_wanted && !returned.contains(slot) {
                    among.insert(slot);
                }
            });
        }
        let Some(rows) = self.rows.take() else { return };
        let mut passes = ExactPasses::new(self.column, rows, 1);
        passes.resume(self.query.take(), self.hints, among, Found::before_all_at(self.last.distance));
        self.passes = Some(passes);
        self.stage = Stage::Passes;
    }

    /// Adds a vector with its exact distance, if the snapshot may see it.
    fn add_exact(&mut self, entry: Entry) {
        self.added = self.added.wrapping_add(1);
        if self.added.is_multiple_of(ASKED_UNINTERRUPTED) {
            pgrx::check_for_interrupts!();
        }
        let (Some(table), Some(rows)) = (&self.table, &mut self.rows) else { return };
        if self.output.knows(entry.slot) {
            return;
        }
        if !sees(table, rows, entry) {
            self.counts.hidden += 1;
            return;
        }
        self.measure(entry, Tid::NONE);
    }

    /// Adds a vector that the snapshot may see with its exact distance, and its row's address where that is known.
    fn measure(&mut self, entry: Entry, tid: Tid) {
        let Some(table) = &self.table else { return };
        let distance = match &self.query {
            Some(query) => table.distance(query, &self.column, entry.slot),
            None => f64::NAN,
        };
        self.counts.exact += 1;
        self.output.add(Found { distance, slot: entry.slot, generation: entry.generation, tid });
    }

    /// Adds a candidate with its exact distance. Where most rows do not satisfy the conditions, its row is asked before.
    fn add_candidate(&mut self, entry: Entry, conditions: &mut dyn Conditions) {
        if self.output.knows(entry.slot) {
            return;
        }
        if !self.probe(entry.slot, conditions) {
            self.output.pass_by(entry.slot);
            self.width.handed_out += 1;
            return;
        }
        let is_asked = self.filter.strategy == Strategy::Asked
            && !conditions.keys_decide()
            && !self.filter.are_most_satisfied(conditions);
        if !is_asked {
            return self.add_exact(entry);
        }
        match self.row_of(entry) {
            None => self.counts.hidden += 1,
            Some(tid) if self.ask(tid, conditions) => self.measure(entry, tid),
            // as one that was handed out, and not wanted
            Some(_) => {
                self.output.pass_by(entry.slot);
                self.width.handed_out += 1;
            }
        }
    }

    /// Whether the row of a vector that the search has found may satisfy the conditions, as far as its keys tell. Where few do, it
    /// becomes worth while to find those in another way.
    fn probe(&mut self, slot: SlotNo, conditions: &dyn Conditions) -> bool {
        if self.filter.strategy != Strategy::Asked {
            return true;
        }
        let Some(keys) = conditions.keys() else { return true };
        let tag = slot.tag();
        let search = self.searches.iter().find(|search| search.graph.map.page.tag == tag);
        let graph = search.map(|search| search.graph.clone()).or_else(|| self.index.graph_of(tag));
        let holds = graph.is_none_or(|graph| passes(&graph, &keys, slot));
        self.counts.probed += 1;
        if !holds {
            self.counts.failed_keys += 1;
            self.filter.asked += 1;
            self.reconsider(conditions);
        }
        holds
    }

    fn reconsider(&mut self, conditions: &dyn Conditions) {
        let (ef, code_bytes) = (self.width.ef, usize::from(self.column.dims));
        let known = self.filter.known(conditions, ef, self.width.ef_search, code_bytes, self.returned);
        if known.is_to_find() {
            self.filter.to_find.get_or_insert(known.most_to_find());
        }
    }

    /// Whether the row satisfies the conditions. Where few do, it becomes worth while to find those in another way.
    fn ask(&mut self, tid: Tid, conditions: &mut dyn Conditions) -> bool {
        let holds = conditions.hold(tid);
        self.counts.asked += 1;
        self.filter.asked += 1;
        if holds {
            self.filter.satisfied += 1;
        } else {
            self.counts.failed += 1;
            if self.filter.strategy == Strategy::Asked {
                self.reconsider(conditions);
            }
        }
        holds
    }

    /// Whether a row that is to be handed out satisfies the conditions, as far as that is not left to others.
    fn is_wanted(&mut self, found: &Found, tid: Tid, conditions: &mut dyn Conditions) -> bool {
        if self.filter.strategy == Strategy::Untold || found.tid.is_some() {
            return true;
        }
        if self.filter.is_complete {
            return self.filter.among.contains(found.slot);
        }
        if !conditions.may_be_asked() {
            return true;
        }
        self.ask(tid, conditions)
    }

    /// Searches on until the nearest `ef` of each graph are known.
    fn extend(&mut self) {
        let (Some(table), Some(rows)) = (&self.table, &mut self.rows) else { return };
        for search in self.searches.iter_mut().filter(|search| !search.exhausted) {
            pgrx::check_for_interrupts!();
            let limits = search.limits();
            let Search { graph, query, beam, waiting, among, .. } = search;
            let (tag, among) = (graph.map.page.tag, among.as_ref().map(|among| &among.0));
            let expected = VecDeque::with_capacity(beam::EXPECTED + 1);
            let mut accept = Asked { graph, table, rows, among, asked: 0, hidden: 0, expected };
            self.reported.clear();
            let (ef, out) = (self.width.ef, &mut self.reported);
            search.exhausted = beam.extend_among(graph, query, ef, among, limits, &mut accept, out);
            self.counts.hidden += accept.hidden;
            let candidates = &mut self.candidates;
            waiting.extend(self.width.ef, |entry, head, distance| {
                let seen = sees(table, rows, entry);
                if seen {
                    let bound = query.lower_bound(head, distance);
                    candidates.push(Reverse(Candidate { bound, entry }));
                }
                seen
            });
            search.exhausted &= waiting.is_exhausted();
            for &(distance, node) in &self.reported {
                let head = graph.code_head(node);
                if head.entry.slot.tag() == tag {
                    let bound = query.lower_bound(super::search::quant_head(&head), distance);
                    candidates.push(Reverse(Candidate { bound, entry: head.entry }));
                }
            }
            // a heap's first elements are about the least
            let next = candidates.as_slice().iter().take(EXPECTED).map(|Reverse(candidate)| candidate.entry.slot);
            table.expect(tag, next.filter(|slot| slot.tag() == tag));
        }
    }

    /// Looks at the graphs anew, and searches those from the start that were repaired meanwhile. Returns whether there are
    /// such.
    fn refresh(&mut self) -> bool {
        let mut restarted = false;
        for search in self.searches.iter_mut().filter(|search| !search.swept) {
            let now = search.graph.now();
            let before = std::mem::replace(&mut search.graph, now);
            if search.graph.root.repairs != before.root.repairs {
                let codec = search.graph.codec();
                if let Some(query) = &self.query
                    && !Arc::ptr_eq(&codec, &before.codec())
                {
                    // learned anew
                    search.query = codec.query(&query.numbers());
                    let unknown = |entry| Reverse(Candidate { bound: f64::NEG_INFINITY, entry });
                    self.candidates.extend(search.waiting.take().map(unknown));
                }
                if let Some(among) = &mut search.among {
                    // nodes are others' by now: the rows that are known are looked at one after the other
                    among.1 = 0;
                    search.exhausted = false;
                    restarted = true;
                    continue;
                }
                self.counts.work.add(search.beam.work());
                self.counts.searched += 1;
                search.beam.start(&search.graph, &search.query);
                search.exhausted = false;
                restarted = true;
            }
        }
        restarted
    }

    /// The next vector in order; `None` when there is none, or the rest is for passes.
    fn next_found(&mut self, conditions: &mut dyn Conditions) -> Option<Found> {
        loop {
            self.find_rest(conditions);
            let known = Known {
                is_full: self.is_full,
                width: self.width,
                nearest: self.output.first().map(|found| found.distance),
                bound: self.candidates.peek().map(|Reverse(candidate)| candidate.bound),
                last: self.last.distance,
            };
            match next_step(&known, || self.searches.iter().any(|search| !search.exhausted)) {
                Step::Stop => return None,
                Step::Widen(ef) => {
                    self.width.ef = ef;
                    self.refresh();
                    self.go_on();
                }
                Step::Measure => {
                    if let Some(Reverse(candidate)) = self.candidates.pop() {
                        self.add_candidate(candidate.entry, conditions);
                    }
                }
                Step::PutAside => self.late.extend(self.output.take()),
                Step::HandOut => return self.output.take(),
                Step::LookElsewhere if self.refresh() => self.go_on(),
                Step::LookElsewhere => {
                    let at = self.searches.iter().position(|search| !search.swept)?;
                    self.sweep(at);
                }
            }
        }
    }

    /// Searches on for the nearest `ef`; where that is a good part of a graph, what is left of it is taken as it lies:
    /// that costs less, and from there on the order is exact.
    fn go_on(&mut self) {
        for at in 0..self.searches.len() {
            let search = &self.searches[at];
            if !search.exhausted && !search.is_worth_while(self.width.ef) {
                self.sweep(at);
            }
        }
        if !self.has_room(0) || self.filter.to_find.is_some() {
            return;
        }
        self.extend();
        for at in 0..self.searches.len() {
            let search = &self.searches[at];
            if !search.exhausted && search.is_too_dear() {
                self.sweep(at);
            }
        }
    }

    /// Adds what a search has not reached, and ends it. Where rows must satisfy conditions, only those that do are looked at,
    /// which may have to be found first.
    fn sweep(&mut self, at: usize) {
        if self.filter.strategy == Strategy::Asked && self.filter.can_find {
            self.filter.to_find = Some(u64::MAX);
            return;
        }
        let search = &mut self.searches[at];
        if search.among.is_some() {
            (search.exhausted, search.swept) = (true, true);
            let (graph, query) = (search.graph.clone(), search.graph.codec());
            let numbers = self.query.as_ref().map(VectorQuery::numbers);
            let query = numbers.map(|numbers| query.query(&numbers));
            return self.list(&graph, query.as_ref());
        }
        let search = &self.searches[at];
        let graph = search.graph.clone();
        // of a search that has come to its end hardly any is left
        let expected = if search.exhausted { 0 } else { graph.root.nodes_in_use() as usize };
        if !self.has_room(expected) {
            return;
        }
        let search = &mut self.searches[at];
        (search.exhausted, search.swept) = (true, true);
        let mut portion = Vec::new();
        let mut take = |portion: &mut Vec<Entry>| self.add_all_exact(portion.drain(..));
        graph.each_place(|position, known| {
            let slot = SlotNo::new(graph.map.page.tag, position);
            portion.push(Entry { slot, generation: known.generation });
            if portion.len() >= ASKED_UNINTERRUPTED as usize {
                take(&mut portion);
            }
        });
        take(&mut portion);
    }

    /// The next row's address; with the conditions that the scan has begun with.
    pub fn next(&mut self, conditions: &mut dyn Conditions) -> Option<Tid> {
        loop {
            pgrx::check_for_interrupts!();
            let found = match self.stage {
                Stage::Nearest => self.next_nearest(conditions),
                Stage::Late => self.late.pop(),
                // SAFETY: the scan's relations are open
                Stage::Passes => return unsafe { self.passes.as_mut()?.row() },
                Stage::Nulls(_) => match self.next_null() {
                    Some(tid) => return Some(tid),
                    None => None,
                },
            };
            let Some(found) = found else {
                self.enter(self.stage.next(self.is_full, &self.hints)?, conditions);
                continue;
            };
            let known = Some(found.tid).filter(|tid| tid.is_some());
            let row = known.or_else(|| self.row_of(Entry { slot: found.slot, generation: found.generation }));
            if let Some(tid) = row
                && self.is_wanted(&found, tid, conditions)
            {
                self.returned += 1;
                if let Some(query) = &self.query {
                    let table = self.column.table.to_u32();
                    distance_cache::note(query, table, found.slot, found.generation, found.distance);
                }
                return Some(tid);
            }
        }
    }

    fn enter(&mut self, stage: Stage, conditions: &mut dyn Conditions) {
        match stage {
            Stage::Passes => self.go_by_passes(conditions),
            Stage::Late => self.late.sort_unstable_by(|a, b| b.cmp(a)),
            Stage::Nearest | Stage::Nulls(_) => {}
        }
        self.stage = stage;
    }

    /// The next vector in order, as far as vectors are wanted. One that turns up too late may be near enough all the same.
    fn next_nearest(&mut self, conditions: &mut dyn Conditions) -> Option<Found> {
        let found = self.next_found(conditions).filter(|next| !self.hints.order.ends_before(next.distance))?;
        self.last = found;
        self.width.handed_out += 1;
        Some(found)
    }

    /// The next row without a vector.
    fn next_null(&mut self) -> Option<Tid> {
        loop {
            pgrx::check_for_interrupts!();
            if let Some(tid) = self.nulls.pop() {
                return Some(tid);
            }
            let Stage::Nulls(block) = self.stage else { return None };
            let (rows, nulls) = (self.rows.as_mut()?, &mut self.nulls);
            // SAFETY: the scan's relations are open
            let has_none = block == 0 && !unsafe { rows.may_lack_vectors(&self.column) };
            // SAFETY: the scan's relations are open
            if has_none || !unsafe { rows.without_vector(block, NULL_BLOCKS, |tid| nulls.push(tid)) } {
                return None;
            }
            nulls.reverse();
            self.stage = Stage::Nulls(block + NULL_BLOCKS);
        }
    }

    /// The address of the row that the snapshot sees with this vector.
    fn row_of(&mut self, entry: Entry) -> Option<Tid> {
        let (table, rows) = (self.table.as_ref()?, self.rows.as_mut()?);
        let slot = table.slot(entry)?;
        // SAFETY: the scan's relations are open
        unsafe { rows.tid(entry.slot, entry.generation, &slot) }
    }

    /// Gives back what the scan holds.
    pub unsafe fn end(&mut self) {
        self.clear();
        self.query = None;
        self.table = None;
        if let Some(rows) = self.rows.take() {
            // SAFETY: made in `new`
            unsafe { rows.end() }
        }
    }
}

impl Drop for GraphScan {
    fn drop(&mut self) {
        // not ended: the transaction was aborted, and the server has closed the relation
        if let Some(table) = self.table.take() {
            table.abandon();
        }
    }
}

/// Which of a graph's nodes the snapshot may see.
struct Asked<'s> {
    graph: &'s Graph,
    table: &'s Table<'static>,
    rows: &'s mut RowLookup,
    /// others do not count
    among: Option<&'s Bitset>,
    /// how many nodes were asked about
    asked: u32,
    /// how many of them the snapshot does not see
    hidden: u64,
    /// of the nodes that are asked about next: their vectors
    expected: VecDeque<(Node, Entry)>,
}

impl Accept for Asked<'_> {
    #[inline]
    fn accept(&mut self, node: Node) -> bool {
        self.asked += 1;
        if self.asked.is_multiple_of(ASKED_UNINTERRUPTED) {
            pgrx::check_for_interrupts!();
        }
        let expected = self.expected.pop_front().filter(|known| known.0 == node);
        if self.among.is_some_and(|among| !among.contains(node)) {
            return false;
        }
        let entry = expected.map_or_else(|| self.graph.code_head(node).entry, |known| known.1);
        // what a look without a pin has seen may be anything: the slots of other columns are out of question
        let seen = entry.slot.tag() == self.graph.map.page.tag && sees(self.table, self.rows, entry);
        self.hidden += u64::from(!seen);
        seen
    }

    #[inline]
    fn expect(&mut self, node: Node) {
        let entry = self.graph.code_head(node).entry;
        if entry.slot.tag() == self.graph.map.page.tag {
            self.table.expect_slot(entry.slot);
        }
        self.expected.push_back((node, entry));
    }
}

/// Whether the snapshot may see the vector.
#[inline]
fn sees(table: &Table, rows: &mut RowLookup, entry: Entry) -> bool {
    table.slot(entry).is_some_and(|slot| rows.visibility(&slot) != SlotVisibility::Hidden)
}
