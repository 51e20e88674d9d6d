//! Taking dead nodes out of a graph.
//!
//! First heads of chains whose vector is dead take over a live duplicate's: identity and map in one record, so that the vector
//! is always found. Then links lead around the dead; then, nothing leading to them any more, they are freed. A crash in
//! between leaves a searchable graph, in which what is left of the dead is found by the next repair.

#![forbid(unsafe_code)]

use crate::bitset::SharedBitset;
use crate::format::graph::{Entry, Shape};
use crate::hnsw::connect::connect;
use crate::hnsw::repair::{Repair, repair as repair_pages, repair_all};
use crate::hnsw::{Graph as _, GraphMut as _, MemoryGraph, NONE, Node, Scratch};
use crate::indexam::hnsw::maintenance::in_memory;
use crate::indexam::hnsw::maintenance::in_memory::LoadedGraph;
use crate::indexam::hnsw::maintenance::linking::{link_again, threads, watched};
use crate::indexam::hnsw::maintenance::memory_budget::memory_budget;
use crate::indexam::hnsw::maintenance::progress::{Phase, enter, progress};
use crate::indexam::hnsw::maintenance::writer::GraphWriter;
use crate::pg::cost_delay;
use crate::pg::error::OrRaise;
use crate::pg::failpoint::hit;
use pgrx::pg_sys;

/// Candidates for links of a node all of whose neighbours died.
const EF: usize = 64;

/// Where fewer than one in so many nodes is alive, links around the dead would be poor: the living are linked anew.
const ANEW: u64 = 4;

/// Takes the nodes that are not `alive` out of the graph; returns how many there were. The caller has told
/// standbys of their removal.
pub fn repair(writer: &GraphWriter, alive: &SharedBitset) -> u32 {
    let graph = writer.graph().clone();
    let nodes = graph.root.nodes;
    let dead = |node: Node| !alive.contains(node);
    enter(Phase::Repair, u64::from(nodes));
    // Scans that are under way start over. Until it is through, a node may be left that only the dead lead to.
    writer.change(|root| (root.repairs, root.unproven) = (root.repairs.wrapping_add(1), u32::MAX));
    let complete = if alive.count() == 0 {
        // nothing to lead around
        writer.set_entry(None);
        // lest one that is not free yet leads to one that is, and soon another vector's
        for node in (0..nodes).filter(|&node| writer.duplicate(node) != NONE) {
            pgrx::check_for_interrupts!();
            writer.set_duplicate(node, NONE);
        }
        true
    } else if in_memory::bytes(&graph, u64::from(nodes)) <= memory_budget() {
        let loaded = LoadedGraph::of(writer, 0);
        let memory = &loaded.memory;
        let mut adopt = |head: Node, duplicate: Node| {
            memory.set_identity(head, memory.identity(duplicate));
            writer.adopt(head, duplicate);
            alive.insert(head);
            alive.remove(duplicate);
        };
        if u64::from(alive.count()) * ANEW < u64::from(graph.root.nodes_in_use()) {
            Repair::begin(memory, &dead, &mut adopt);
            link_anew(memory, alive);
            loaded.write_back(writer, &dead);
            return free_dead(writer, nodes, &dead);
        }
        let threads = threads();
        let complete =
            watched(|control, tick| repair_all(memory, &dead, &mut adopt, EF, threads, control, tick)).or_raise();
        if complete {
            loaded.write_back(writer, &dead);
        }
        complete
    } else {
        let mut adopt = |head: Node, duplicate: Node| {
            writer.adopt(head, duplicate);
            alive.insert(head);
            alive.remove(duplicate);
        };
        graph.refuse_circles(nodes, |node| {
            pgrx::check_for_interrupts!();
            graph.node_entry(node)
        });
        let mut steps = 0;
        let mut stop = || {
            // some nodes are come back to
            steps = (steps + 1).min(u64::from(nodes));
            progress(pg_sys::PROGRESS_CREATEIDX_TUPLES_DONE, steps);
            // raises an error if the statement is cancelled, at a point where the graph is searchable
            cost_delay::point();
            false
        };
        let mut scratch = Scratch::new(writer.codec());
        repair_pages(writer, &dead, &mut adopt, EF, &mut scratch, &mut stop).complete
    };
    if !complete {
        return 0;
    }
    free_dead(writer, nodes, &dead)
}

/// Links the nodes that are `alive` as if they were new; but duplicates stay in the chains that they are in, and heads stay heads,
/// so that old lists and new ones go together while they are written.
fn link_anew(memory: &MemoryGraph, alive: &SharedBitset) {
    let duplicates = SharedBitset::below(memory.nodes());
    for node in 0..memory.nodes() {
        if alive.contains(node) {
            duplicates.insert(memory.duplicate(node));
        } else {
            memory.set_duplicate(node, NONE);
        }
        // the dead too: who has links counts as one of the living
        (0..=memory.level(node)).for_each(|level| memory.set_links(node, level, &[]));
    }
    let heads: Vec<Node> =
        (0..memory.nodes()).filter(|&node| alive.contains(node) && !duplicates.contains(node)).collect();
    memory.set_entry(None);
    link_again(memory, &heads, EF);
}

/// Puts the first `nodes` nodes that are `dead` on the free list: nothing leads to them. Returns how many there were.
fn free_dead(writer: &GraphWriter, nodes: Node, dead: &dyn Fn(Node) -> bool) -> u32 {
    hit("repair.linked");
    let graph = writer.graph().clone();
    let listed = writer.free_list();
    // what is neither in use nor on the list was taken from it by a drain that failed
    let gone: Vec<Node> = (0..nodes).filter(|&node| dead(node) && !listed.contains(node)).collect();
    let freed = gone.len() as u32;
    enter(Phase::Free, u64::from(freed));
    let mut named: Vec<(Entry, Node)> = Vec::with_capacity(gone.len());
    for &node in &gone {
        pgrx::check_for_interrupts!();
        named.push((graph.pinned_code_head(node).entry, node));
    }
    let map_page = |entry: &Entry| Shape::MAP.at(entry.slot.position().0).0;
    named.sort_unstable_by_key(|(entry, _)| entry.slot);
    for on_page in named.chunk_by(|a, b| map_page(&a.0) == map_page(&b.0)) {
        pgrx::check_for_interrupts!();
        writer.forget(map_page(&on_page[0].0), on_page);
    }
    let node_page = |node: Node| graph.map.nodes.at(node).0;
    let mut done = 0;
    for on_page in gone.chunk_by(|&a, &b| node_page(a) == node_page(b)) {
        pgrx::check_for_interrupts!();
        writer.free(on_page);
        done += on_page.len() as u64;
        progress(pg_sys::PROGRESS_CREATEIDX_TUPLES_DONE, done);
    }
    writer.change(|root| {
        root.dead = 0;
        root.repairs = root.repairs.wrapping_add(1);
        root.unproven = 0;
    });
    freed
}

/// Links to every live node that nothing leads to any more: a node that is linked by itself may take the place of the last
/// link to another.
pub fn reconnect(writer: &GraphWriter, alive: &SharedBitset) {
    let nodes = writer.graph().root.nodes;
    enter(Phase::Repair, u64::from(nodes));
    let mut stop = || {
        // raises an error if the statement is cancelled, at a point where the graph is searchable
        cost_delay::point();
        false
    };
    let dead = |node: Node| !alive.contains(node);
    connect(writer, &dead, EF, &mut Scratch::new(writer.codec()), &mut stop);
    writer.change(|root| root.unproven = 0);
}
