//! Pending codes: searches score the vectors of the pending list by codes, like the nodes of the graph.
//!
//! On pages the pending list has no codes. Each session makes the codes of pending vectors and keeps them from query to
//! query. The list is a queue, so what a session has coded is the beginning of the list, less what was drained since. A code
//! stays right as long as its slot has the same generation, since stored vectors do not change. If the slot has another by
//! now, the search learns that when it asks the slot.

#![forbid(unsafe_code)]

use crate::format::graph::Entry;
use crate::hnsw::{Node, key, node_of};
use crate::indexam::hnsw::pages::Graph;
use crate::indexam::hnsw::table::Table;
use crate::pg::{memory, settings};
use crate::quant::{Codec, Head, Query};
use std::cell::RefCell;
use std::sync::Arc;

/// Codes are made for so many vectors in one query at the most; what is left is scored exactly this time.
const MOST_NEW: usize = 1000;

/// The codes of the first entries of one graph's pending list.
struct Codes {
    file: u32,
    block: u32,
    codec: Arc<Codec>,
    /// entries before this one have been drained
    start: usize,
    entries: Vec<Entry>,
    heads: Vec<Head>,
    codes: Vec<u8>,
}

thread_local! {
    /// the graphs searched last, the last one last
    static KNOWN: RefCell<Vec<Codes>> = const { RefCell::new(Vec::new()) };
}

impl Codes {
    /// Takes what is known of the graph out of the store, with what nobody can ask for any more.
    fn take(file: u32, block: u32) -> Option<Self> {
        KNOWN.with_borrow_mut(|known| {
            // the graph was learned anew, or its index is not remembered any more
            known.retain(|codes| Arc::strong_count(&codes.codec) > 1);
            let at = known.iter().position(|codes| codes.file == file && codes.block == block);
            at.map(|at| known.remove(at))
        })
    }

    fn of(graph: &Graph, codec: &Arc<Codec>) -> Self {
        let (file, block) = (graph.file(), graph.map.block);
        Self::take(file, block).filter(|codes| Arc::ptr_eq(&codes.codec, codec)).unwrap_or_else(|| {
            let codec = codec.clone();
            Self { file, block, codec, start: 0, entries: Vec::new(), heads: Vec::new(), codes: Vec::new() }
        })
    }

    fn bytes(&self) -> usize {
        self.codes.capacity() + self.entries.capacity() * size_of::<Entry>() + self.heads.capacity() * size_of::<Head>()
    }

    fn keep(self) {
        KNOWN.with_borrow_mut(|known| {
            known.push(self);
            let mut bytes: usize = known.iter().map(Self::bytes).sum();
            let most = settings::max_buffer_size();
            while bytes > most && known.len() > 1 {
                bytes -= known.swap_remove(memory::victim(known.len())).bytes();
            }
        });
    }

    /// Makes it the codes of the first of `pending`; returns of how many.
    fn follow(&mut self, pending: &[Entry], table: &Table) -> usize {
        let known = &self.entries[self.start..];
        let drained = pending.first().and_then(|first| known.iter().position(|entry| entry == first));
        self.start += drained.unwrap_or(known.len());
        if 2 * self.start > self.entries.len() {
            self.entries.drain(..self.start);
            self.heads.drain(..self.start);
            self.codes.drain(..self.start * self.codec.code_bytes());
            self.start = 0;
            // after a long list was drained
            self.entries.shrink_to(2 * self.entries.len());
            self.heads.shrink_to(2 * self.heads.len());
            self.codes.shrink_to(2 * self.codes.len());
        }
        let same = self.entries[self.start..].iter().zip(pending).take_while(|(a, b)| a == b).count();
        self.truncate(same);
        let each = self.codec.code_bytes() + size_of::<(Entry, Head)>();
        let most = (settings::max_buffer_size() / each).min(same + MOST_NEW).min(pending.len());
        crate::pg::memory::ask((most.saturating_sub(same) * each) as u64);
        let (mut vector, mut code) = (Vec::new(), vec![0; self.codec.code_bytes()]);
        for &entry in &pending[same.min(most)..most] {
            // of a vector that is gone it does not matter what the code says
            let head = match table.vector(entry, &mut vector) {
                true => self.codec.encode(&vector, &mut code),
                false => Head::default(),
            };
            self.entries.push(entry);
            self.heads.push(head);
            self.codes.extend_from_slice(&code);
        }
        self.entries.len() - self.start
    }

    fn truncate(&mut self, count: usize) {
        let end = self.start + count;
        self.entries.truncate(end);
        self.heads.truncate(end);
        self.codes.truncate(end * self.codec.code_bytes());
    }
}

/// What waits, by estimated distance.
#[derive(Default)]
pub struct PendingVectors {
    entries: Vec<(Entry, Head)>,
    /// keys of those that were not reported: estimated distances and places in `entries`
    left: Vec<u64>,
    /// how many were reported
    reported: usize,
}

impl PendingVectors {
    /// Scores the first of `pending`; returns of how many the caller must take care itself, the last ones.
    #[must_use]
    pub fn start(graph: &Graph, table: &Table, query: &Query, pending: &[Entry]) -> (Self, usize) {
        if pending.is_empty() {
            drop(Codes::take(graph.file(), graph.map.block));
            return (Self::default(), 0);
        }
        let mut codes = Codes::of(graph, &graph.codec());
        let count = codes.follow(pending, table);
        let heads = &codes.heads[codes.start..];
        let bytes = codes.codes[codes.start * codes.codec.code_bytes()..].chunks_exact(codes.codec.code_bytes());
        let score = |(at, (&head, code)): (usize, (&Head, &[u8]))| key(query.distance(head, code), at as Node);
        let left = heads.iter().zip(bytes).enumerate().map(score).collect();
        let entries = codes.entries[codes.start..].iter().copied().zip(heads.iter().copied()).collect();
        codes.keep();
        (Self { entries, left, reported: 0 }, pending.len() - count)
    }

    /// How many were scored.
    #[must_use]
    pub fn scored(&self) -> usize {
        self.entries.len()
    }

    /// Takes out those for which `is_wanted` does not hold.
    pub fn retain(&mut self, is_wanted: impl Fn(Entry) -> bool) {
        let entries = &self.entries;
        self.left.retain(|&key| is_wanted(entries[node_of(key) as usize].0));
    }

    /// Whether everything was reported.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.left.is_empty()
    }

    /// Takes out what was not reported.
    pub fn take(&mut self) -> impl Iterator<Item = Entry> + '_ {
        self.left.drain(..).map(|key| self.entries[node_of(key) as usize].0)
    }

    /// Calls `take` with the nearest until `ef` were taken in all, those of calls before included: entry, head and
    /// estimated distance. `take` tells whether one counts.
    pub fn extend(&mut self, ef: usize, mut take: impl FnMut(Entry, Head, f32) -> bool) {
        while self.reported < ef && !self.left.is_empty() {
            let count = (ef - self.reported).min(self.left.len());
            let at = self.left.len() - count;
            // the nearest come to lie at the end
            self.left.select_nth_unstable_by(at, |a, b| b.cmp(a));
            for key in self.left.drain(at..) {
                let (entry, head) = self.entries[node_of(key) as usize];
                self.reported += usize::from(take(entry, head, crate::hnsw::distance_of(key)));
            }
        }
    }
}
