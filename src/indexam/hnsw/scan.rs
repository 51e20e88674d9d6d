//! Scans: the nearest vectors that the snapshot sees, in the order of their exact distances, on and on.
//!
//! First the pending list is copied and scored exactly, then the graphs are searched by codes. A candidate's exact
//! distance is taken when its estimate says that it may be next; a row is handed out once nothing that was found can be
//! nearer. The search is kept ahead of what is handed out by half of `ef_search`, so that the order holds however far the
//! scan goes. What turns up too late for its place is kept for the very end: no row is lost, and no place is wrong.

use super::pages::{Graph, Index};
use super::table::Table;
use crate::graph::Entry;
use crate::hnsw::{Beam, Node};
use crate::indexam::column::Column;
use crate::indexam::emit::{Found, Output};
use crate::pg::guc;
use crate::quant::Query;
use crate::segment::Tid;
use crate::segment::SlotState;
use crate::store::visibility::{Judge, Verdict};
use crate::tableam::lookup::{Lookup, Whose};
use pgrx::pg_sys;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A node whose exact distance is not known yet.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candidate {
    /// its distance is hardly less
    bound: f64,
    graph: u32,
    node: Node,
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bound.total_cmp(&other.bound).then(self.graph.cmp(&other.graph)).then(self.node.cmp(&other.node))
    }
}

struct Search {
    graph: Graph,
    query: Query,
    beam: Beam,
    exhausted: bool,
    swept: bool,
}

thread_local! {
    /// memory of searches that ended, for the next ones
    static BEAMS: RefCell<Vec<Beam>> = const { RefCell::new(Vec::new()) };
}

/// How many idle beams are kept.
const MOST_BEAMS: usize = 4;

/// A running scan.
pub struct Scan {
    index: Index,
    column: Column,
    table: Table,
    lookup: Lookup,
    judge: Judge,
    /// whether each row must be asked: the index is partial
    asks_rows: bool,
    query: Vec<f32>,
    searches: Vec<Search>,
    candidates: BinaryHeap<Reverse<Candidate>>,
    output: Output,
    late: Vec<Found>,
    last: Found,
    handed_out: usize,
    ef: usize,
    reported: Vec<(f32, Node)>,
}

impl Scan {
    /// Prepares a scan of `index` under `snapshot`.
    #[must_use]
    pub unsafe fn new(
        index: pg_sys::Relation,
        heap: pg_sys::Relation,
        snapshot: pg_sys::Snapshot,
        predicate: *mut pg_sys::List,
    ) -> Self {
        // SAFETY: both relations are open, the snapshot is registered as long as the scan lives
        unsafe {
            let column = Column::of(index, heap);
            Self {
                index: Index::of(index),
                column,
                table: Table::open(heap, column.dims, pg_sys::AccessShareLock as _),
                lookup: Lookup::new(heap, column.attnum, snapshot, predicate),
                judge: Judge::new(snapshot),
                asks_rows: !predicate.is_null(),
                query: Vec::new(),
                searches: Vec::new(),
                candidates: BinaryHeap::new(),
                output: Output::new(),
                late: Vec::new(),
                last: Found::FIRST,
                handed_out: 0,
                ef: 0,
                reported: Vec::new(),
            }
        }
    }

    /// The column that the index is over.
    #[must_use]
    pub fn column(&self) -> &Column {
        &self.column
    }

    fn clear(&mut self) {
        BEAMS.with_borrow_mut(|beams| {
            for search in self.searches.drain(..) {
                if beams.len() < MOST_BEAMS {
                    beams.push(search.beam);
                }
            }
        });
        self.candidates.clear();
        self.output.clear();
        self.late.clear();
        self.last = Found::FIRST;
        self.handed_out = 0;
    }

    /// Starts over with `query`, of the column's dimensions.
    pub fn start(&mut self, query: &[f32]) {
        self.clear();
        crate::store::pending::flush();
        self.query.clear();
        self.query.extend_from_slice(query);
        self.ef = guc::ef_search();
        for graph in self.index.graphs() {
            // what leaves the pending list meanwhile is in the graph before: so first the list, then the graph as it is
            for entry in graph.pending() {
                self.add_exact(entry);
            }
            let graph = graph.now();
            if graph.root.entry.is_some() {
                let query = graph.codec().query(&self.query);
                let mut beam = BEAMS.with_borrow_mut(Vec::pop).unwrap_or_default();
                beam.start(&graph, &query);
                self.searches.push(Search { graph, query, beam, exhausted: false, swept: false });
            }
        }
        self.extend();
    }

    /// Scores a vector exactly, if the snapshot may see it.
    fn add_exact(&mut self, entry: Entry) {
        if self.output.knows(entry.slot) || !sees(&self.table, &mut self.judge, entry) {
            return;
        }
        if let Some(distance) = self.table.distance(self.column.metric, &self.query, entry) {
            self.output.add(Found { distance, slot: entry.slot, generation: entry.generation, tid: Tid::NONE });
        }
    }

    /// Searches on until the nearest `ef` of each graph are known.
    fn extend(&mut self) {
        for (at, search) in self.searches.iter_mut().enumerate().filter(|(_, search)| !search.exhausted) {
            pgrx::check_for_interrupts!();
            let Search { graph, query, beam, .. } = search;
            let (table, judge) = (&self.table, &mut self.judge);
            let mut accept = |node: Node| sees(table, judge, graph.code_head(node).entry);
            self.reported.clear();
            search.exhausted = beam.extend(graph, query, self.ef, &mut accept, &mut self.reported);
            for &(distance, node) in &self.reported {
                let head = super::search::quant_head(&graph.code_head(node));
                let bound = query.lower_bound(head, distance);
                self.candidates.push(Reverse(Candidate { bound, graph: at as u32, node }));
            }
        }
    }

    /// Whether the search must go on before the next row is handed out.
    fn must_extend(&self) -> bool {
        self.handed_out + guc::ef_search().div_ceil(2) > self.ef && self.searches.iter().any(|s| !s.exhausted)
    }

    /// The next vector in order.
    fn next_found(&mut self) -> Option<Found> {
        loop {
            if self.must_extend() {
                // a quarter more at a time: the work stays in proportion to what is handed out
                self.ef = (self.ef + self.ef / 4).max(self.handed_out + guc::ef_search());
                self.extend();
                continue;
            }
            let next = self.output.first();
            if let Some(&Reverse(candidate)) = self.candidates.peek()
                && next.is_none_or(|found| !(found.distance < candidate.bound))
            {
                self.candidates.pop();
                let entry = self.searches[candidate.graph as usize].graph.code_head(candidate.node).entry;
                self.add_exact(entry);
                continue;
            }
            match self.output.next() {
                Some(found) if found < self.last => self.late.push(found),
                Some(found) => return Some(found),
                None if self.searches.iter().any(|s| !s.exhausted) => {
                    self.ef += self.ef / 4 + 1;
                    self.extend();
                }
                None => {
                    if !self.sweep() {
                        return self.next_late();
                    }
                }
            }
        }
    }

    /// Adds the nodes that no link leads to; false when that has been done.
    fn sweep(&mut self) -> bool {
        let Some(at) = self.searches.iter().position(|search| !search.swept) else { return false };
        self.searches[at].swept = true;
        for node in 0..self.searches[at].graph.root.nodes {
            let search = &self.searches[at];
            if node % 1024 == 0 {
                pgrx::check_for_interrupts!();
            }
            if !search.beam.visited(node) && search.graph.node_entry(node).in_use {
                self.add_exact(search.graph.code_head(node).entry);
            }
        }
        true
    }

    fn next_late(&mut self) -> Option<Found> {
        self.late.sort_unstable_by(|a, b| b.cmp(a));
        self.late.pop()
    }

    /// The next row's address.
    pub fn next(&mut self) -> Option<Tid> {
        loop {
            let found = self.next_found()?;
            self.handed_out += 1;
            if found > self.last {
                self.last = found;
            }
            let entry = Entry { slot: found.slot, generation: found.generation };
            if let Some(tid) = self.row_of(entry) {
                return Some(tid);
            }
            pgrx::check_for_interrupts!();
        }
    }

    /// The address of the row that the snapshot sees with this vector.
    fn row_of(&mut self, entry: Entry) -> Option<Tid> {
        let slot = self.table.slot(entry)?;
        let verdict = self.judge.verdict(&slot);
        if verdict == Verdict::Invisible {
            return None;
        }
        let whose = Whose::Vector(entry.slot, entry.generation);
        // SAFETY: the relation is open, the snapshot registered
        unsafe {
            if verdict == Verdict::Visible && !slot.head.is_some() {
                let seen = !self.asks_rows || self.lookup.finds(slot.tail, whose);
                return seen.then_some(slot.tail);
            }
            [slot.tail, slot.head].into_iter().find(|&tid| self.lookup.finds(tid, whose))
        }
    }

    /// Gives back what the scan holds.
    pub unsafe fn end(mut self) {
        self.clear();
        // SAFETY: made in `new`
        unsafe { self.lookup.end() }
    }
}

/// Whether the snapshot may see the vector.
#[inline]
fn sees(table: &Table, judge: &mut Judge, entry: Entry) -> bool {
    // SAFETY: the store's relation is open
    let slot = unsafe { table.store.slot(entry.slot) };
    slot.is_some_and(|slot| {
        slot.generation == entry.generation
            && slot.state() == Some(SlotState::Live)
            && judge.verdict(&slot) != Verdict::Invisible
    })
}
