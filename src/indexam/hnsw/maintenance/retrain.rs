//! Retraining: learning the parameters of codes anew, and coding and linking all nodes with them.
//!
//! A graph's centroid and scale come from the vectors of its first drain. If those were unlike the later ones (a single
//! outlier, one tight cluster, nothing but zeros), the codes hardly tell one vector from another, and recall is lost. So each
//! time that a graph has grown by a good part, the parameters are compared with those that a sample of all vectors would
//! give. Where these would be much better, all nodes are coded and linked anew in memory.
//!
//! The result is written onto new pages, to which one record then lets the root page lead. Nodes keep their numbers, so the
//! map stays as it is; so does the pending list, to which rows are added meanwhile. A scan under way reads the old pages,
//! which nobody changes or uses again, until it is asked for more; then it starts over, with its query in the new codes. The
//! old pages stay unused until REINDEX. They are few, mostly those of a first small graph.

#![forbid(unsafe_code)]

use crate::format::graph::{Entry, NodeEntry, Root};
use crate::format::store::SlotNo;
use crate::hnsw::upkeep::is_retrain_due;
use crate::hnsw::{MemoryGraph, Node};
use crate::indexam::hnsw::maintenance::build;
use crate::indexam::hnsw::maintenance::in_memory;
use crate::indexam::hnsw::maintenance::linking::link;
use crate::indexam::hnsw::maintenance::memory_budget::{memory_budget, memory_setting_name};
use crate::indexam::hnsw::maintenance::sample::sample;
use crate::indexam::hnsw::maintenance::writer::GraphWriter;
use crate::indexam::hnsw::pages::Graph;
use crate::indexam::hnsw::table::Table;
use crate::indexam::options::GraphOptions;
use crate::pg::error::notice;
use crate::pg::failpoint::hit;
use crate::quant::{Codec, Head};
use std::sync::Arc;

/// Vectors that the parameters are compared on.
const SAMPLE: usize = 1024;

/// Learns the parameters anew if there are clearly more vectors than when they were last learned or looked at, or if
/// `always`, and only where new ones are much better.
pub fn if_outgrown(writer: &mut GraphWriter, table: &Table, options: GraphOptions, always: bool) {
    let graph = writer.graph().now();
    let mark = Root::size_mark(graph.root.vectors());
    if !is_retrain_due(graph.root.vectors(), mark, graph.root.learned, always) {
        return;
    }
    if let Some(codec) = outgrown(&graph, table, writer.codec()) {
        let needed = in_memory::bytes(&graph, u64::from(graph.root.nodes));
        if needed <= memory_budget() {
            relearn(writer, table, options, Arc::new(codec));
            return;
        }
        let name = graph.index.relation().name();
        let (megabytes, setting) = (needed.div_ceil(1024 * 1024), memory_setting_name());
        notice(
            format!("the codes of index \"{name}\" fit its vectors badly, and its graph does not fit into {setting}"),
            format!("REINDEX the index, or run zvec_optimize() with maintenance_work_mem = '{megabytes}MB'."),
        );
    }
    if graph.root.learned != mark {
        writer.change(|root| root.learned = mark);
    }
}

/// Better parameters than `known`, learned from a sample of all vectors of the graph, those that wait included.
fn outgrown(graph: &Graph, table: &Table, known: &Codec) -> Option<Codec> {
    let step = (graph.root.vectors() as usize / SAMPLE).max(1);
    let mut entries = Vec::with_capacity(SAMPLE);
    let mut count = 0;
    graph.each_place(|position, place| {
        if count % step == 0 {
            entries.push(Entry { slot: SlotNo::new(graph.map.page.tag, position), generation: place.generation });
        }
        count += 1;
    });
    let there = entries.into_iter().filter(|&entry| table.slot(entry).is_some());
    sample(graph, table, there).0.outgrown(known)
}

/// Codes and links the graph's nodes anew. Dead ones stay in use without links until a repair frees them.
fn relearn(writer: &mut GraphWriter, table: &Table, options: GraphOptions, codec: Arc<Codec>) {
    let graph = writer.graph().now();
    let (alive, newest) = graph.alive(table);
    if let Some(newest) = newest {
        // what is dead here is found no more by standbys that may still see it
        table.announce(newest);
    }
    let nodes = graph.root.nodes;
    crate::pg::memory::ask(in_memory::bytes(&graph, u64::from(nodes)));
    let mut memory = MemoryGraph::with_capacity(codec.clone(), usize::from(graph.map.m), nodes as usize);
    let mut known: Vec<NodeEntry> = Vec::with_capacity(nodes as usize);
    let mut living: Vec<Node> = Vec::new();
    let (mut code, mut vector) = (vec![0; codec.code_bytes()], Vec::new());
    for node in 0..nodes {
        pgrx::check_for_interrupts!();
        let (entry, of) = (graph.pinned_node_entry(node), graph.pinned_code_head(node).entry);
        let mut head = Head::default();
        if entry.in_use && alive.contains(node) && table.slot(of).is_some() && table.vector(of, &mut vector) {
            head = codec.encode(&vector, &mut code);
            living.push(node);
        }
        known.push(entry);
        memory.push(of.identity(), entry.level, head, &code);
    }
    hit("relearn.coded");
    link(&memory, &living, usize::from(options.ef_construction));
    build::write(&graph, &memory, &codec, Some(&known));
    hit("relearn.written");
    writer.set_codec(codec);
}
