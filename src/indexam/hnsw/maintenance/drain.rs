//! Draining: pending vectors become nodes of the graph, one after the other, on the pages.
//!
//! Each is in the pending list until the record that makes the map name its node. A crash before that leaves a node that
//! the map does not name; it is dead to the next repair, and the vector is drained again.

#![forbid(unsafe_code)]

use crate::format::graph::{Area, Entry, MapPlace, Root, Shape};
use crate::hnsw;
use crate::hnsw::connect::{bridge, is_landmark};
use crate::hnsw::upkeep::{DrainRounds, is_worth_loading};
use crate::indexam::hnsw::maintenance::in_memory;
use crate::indexam::hnsw::maintenance::in_memory::LoadedGraph;
use crate::indexam::hnsw::maintenance::linking::link;
use crate::indexam::hnsw::maintenance::lock::MaintenanceLock;
use crate::indexam::hnsw::maintenance::memory_budget::memory_budget;
use crate::indexam::hnsw::maintenance::progress::{Phase, enter};
use crate::indexam::hnsw::maintenance::sample::SAMPLE;
use crate::indexam::hnsw::maintenance::sample::sample;
use crate::indexam::hnsw::maintenance::writer::GraphWriter;
use crate::indexam::hnsw::pages::Graph;
use crate::indexam::hnsw::table::Table;
use crate::indexam::options::GraphOptions;
use crate::pg::buffer;
use crate::pg::failpoint::hit;
use crate::pg::wal;
use crate::pg::wal::Change;
use crate::pg::{process, settings};
use crate::quant::Codec;
use std::sync::Arc;

/// What a drain did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drained {
    /// vectors that became nodes
    pub added: u64,
    /// entries whose vectors were gone
    pub dropped: u64,
}

impl Graph {
    /// The pending entries from the first on, as many as lie on its page.
    #[must_use]
    pub fn first_pending(&self) -> Vec<Entry> {
        let start = self.root.pending_start;
        let first = Shape::PENDING.portions(start..self.root.pending_end).next();
        first.map_or_else(Vec::new, |portion| self.pending_of(start..start + portion.count as u32))
    }

    /// Sets the codes' parameters. The caller holds the maintenance lock, and the graph has no nodes.
    pub fn put_codec(&self, codec: &Codec) {
        let graph = self.with_pages(Area::Centroid, Shape::CENTROID.pages(codec.centroid.len() as u32));
        let rel = graph.index.relation();
        for (ordinal, part) in codec.centroid.chunks(Shape::CENTROID.per_page as usize).enumerate() {
            let page = graph.pin(Area::Centroid, ordinal as u32).exclusive();
            let mut change = Change::new(&page);
            let bytes: Vec<u8> = part.iter().flat_map(|x| x.to_le_bytes()).collect();
            change.put(Shape::CENTROID.at(0).1, &bytes);
            wal::apply(rel, &[change]);
        }
        hit("drain.centroid");
        let root_page = buffer::read(rel, graph.map.block).exclusive();
        let root = Root::decode(root_page.page());
        let learned = Root::size_mark(root.pending());
        let root = Root { scale: codec.scale, trained: true, learned, ..root };
        let mut change = Change::new(&root_page);
        let (at, bytes) = root.encode();
        change.put(at, &bytes);
        wal::apply(rel, &[change]);
        hit("drain.trained");
    }

    /// The graph with its codes' parameters set, from the vectors that wait; `None` when all that wait are gone.
    fn trained(&self, table: &Table) -> Option<Self> {
        let now = self.now();
        if now.root.trained {
            return Some(now);
        }
        let mut waiting = now.pending();
        waiting.retain(|&entry| {
            pgrx::check_for_interrupts!();
            table.slot(entry).is_some()
        });
        let step = waiting.len().div_ceil(SAMPLE).max(1);
        let (trainer, any) = sample(&now, table, waiting.into_iter().step_by(step));
        any.then(|| {
            now.put_codec(&trainer.finish());
            now.now()
        })
    }
}

impl GraphWriter {
    /// Adds the vector `entry` to the graph and links it. `vector` are its elements.
    pub fn insert(&self, entry: Entry, vector: &[f32], ef_construction: usize, scratch: &mut hnsw::Scratch) -> u32 {
        let mut code = vec![0; self.codec().code_bytes()];
        let head = self.codec().encode(vector, &mut code);
        let node = self.add(entry, head, &code);
        hnsw::insert(self, node, ef_construction, scratch);
        if is_landmark(self, node) {
            bridge(self, node, scratch);
        }
        hit("drain.linked");
        node
    }

    /// Drains up to `most` pending entries. `tick` is called after each.
    pub fn drain(&self, table: &Table, ef_construction: usize, most: u64, tick: &mut dyn FnMut()) -> Drained {
        let mut done = Drained::default();
        let mut scratch = hnsw::Scratch::new(self.codec());
        let mut vector = Vec::new();
        let horizon = table.horizon();
        while done.added + done.dropped < most {
            self.refresh();
            let entries = self.graph().first_pending();
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                pgrx::check_for_interrupts!();
                let known = self.graph().place(entry.slot.position());
                let placed = known.filter(|known| known.generation == entry.generation).map(|known| known.place);
                let node = match placed {
                    Some(MapPlace::Node(node)) => Some(node),
                    _ if table.may_drop(entry, horizon) || !table.vector(entry, &mut vector) => None,
                    _ => Some(self.insert(entry, &vector, ef_construction, &mut scratch)),
                };
                self.settle(entry, node);
                match node {
                    Some(_) => done.added += 1,
                    None => done.dropped += 1,
                }
                tick();
                if done.added + done.dropped >= most {
                    break;
                }
            }
        }
        self.move_pending_to_front();
        done
    }
}

/// Drains what waits: in memory with threads where much waits and memory suffices, otherwise on the pages. What is added
/// meanwhile is drained too, as long as it is less each time: who adds faster than this drains is not waited for.
pub fn all(writer: &mut GraphWriter, table: &Table, options: GraphOptions, tick: &mut dyn FnMut()) -> Drained {
    let (mut done, mut rounds) = (Drained::default(), DrainRounds::new());
    loop {
        let graph = writer.graph().now();
        let waiting = graph.root.pending();
        let Some(most) = rounds.next(waiting) else { return done };
        let chunk = waiting.min(most_in_memory(&graph));
        let nodes = u64::from(graph.root.nodes) + u64::from(chunk);
        let drained = if is_worth_loading(chunk, graph.root.nodes) && in_memory::bytes(&graph, nodes) <= memory_budget()
        {
            in_memory(writer, chunk as usize, table, options, tick)
        } else {
            writer.drain(table, usize::from(options.ef_construction), most, tick)
        };
        rounds.drained(drained.added + drained.dropped);
        done.added += drained.added;
        done.dropped += drained.dropped;
    }
}

/// At least so many vectors are drained in memory at a time, and a quarter of the graph's nodes: what was drained before
/// the statement is cancelled stays drained, and loading the graph costs little beside linking them.
const BATCH: u32 = 20_000;

/// How many vectors are drained in memory at a time; by a worker no more than have their place in `pg_zvec.max_buffer_size`.
fn most_in_memory(graph: &Graph) -> u32 {
    let most = BATCH.max(graph.root.nodes / 4);
    if !process::is_background_worker() {
        return most;
    }
    let each = in_memory::bytes(graph, u64::from(BATCH)) / u64::from(BATCH);
    let chunk = settings::max_buffer_size() as u64 / each.max(1);
    most.min(u32::try_from(chunk).unwrap_or(u32::MAX))
}

/// Drains the first `most` of what waits now, in memory.
fn in_memory(
    writer: &GraphWriter,
    most: usize,
    table: &Table,
    options: GraphOptions,
    tick: &mut dyn FnMut(),
) -> Drained {
    let mut done = Drained::default();
    writer.refresh();
    let mut pending = writer.graph().pending();
    pending.truncate(most);
    let horizon = table.horizon();
    let mut loaded = LoadedGraph::of(writer, pending.len());
    let graph = writer.graph().clone();
    let (mut code, mut vector) = (vec![0; writer.codec().code_bytes()], Vec::new());
    let mut settled = Vec::with_capacity(pending.len());
    for &entry in &pending {
        pgrx::check_for_interrupts!();
        let known = graph.place(entry.slot.position()).filter(|known| known.generation == entry.generation);
        let node = match known.map(|known| known.place) {
            Some(MapPlace::Node(node)) => Some(node),
            _ if table.may_drop(entry, horizon) || !table.vector(entry, &mut vector) => None,
            _ => {
                let head = writer.codec().encode(&vector, &mut code);
                Some(loaded.add(&graph, entry, head, &code))
            }
        };
        settled.push((entry, node));
        tick();
    }
    link(&loaded.memory, &loaded.new, usize::from(options.ef_construction));
    enter(Phase::Write, pending.len() as u64);
    loaded.write_back(writer, &|_| false);
    hit("bulk.written");
    for (entry, node) in settled {
        pgrx::check_for_interrupts!();
        writer.settle(entry, node);
        match node {
            Some(_) => done.added += 1,
            None => done.dropped += 1,
        }
    }
    writer.move_pending_to_front();
    done
}

/// Makes the writer of `graph`, trained if need be; `None` when there is nothing to learn from, because everything that
/// waits is gone: then the pending list is emptied.
#[must_use]
pub fn writer(graph: &Graph, table: &Table, lock: MaintenanceLock) -> Option<GraphWriter> {
    match graph.trained(table) {
        Some(graph) => Some(GraphWriter::new(&graph, lock)),
        None => {
            let untrained = Arc::new(Codec::from_parts(graph.metric(), usize::from(graph.dims()), Vec::new(), 1.0));
            let writer = GraphWriter::with_codec(graph, untrained, lock);
            // nothing is alive, so nothing is coded
            let gone = writer.graph().now().pending();
            for entry in gone {
                pgrx::check_for_interrupts!();
                if table.slot(entry).is_some() {
                    break;
                }
                writer.settle(entry, None);
            }
            None
        }
    }
}
