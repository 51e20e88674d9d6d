//! Links around what was deleted.
//!
//! A dead node routes until its graph is repaired; then no live node leads to it any more and it can be given to
//! another vector. The steps are
//!
//! 1. [`Repair::begin`]: dead duplicates leave their chains, the first live duplicate of a dead head takes its place, a dead
//!    entry point is replaced;
//! 2. [`Repair::node`], once for each node: a live node replaces its links to dead ones by links to what those linked to
//!    (FreshDiskANN: Singh et al. 2021, arXiv 2105.09613, algorithm 4);
//! 3. [`bridge`] for landmarks among those, since the ways to them have changed;
//! 4. [`Repair::finish`]: live nodes that lost all links to them get one; dead nodes no longer point to duplicates.
//!
//! It can be left off after any node: the graph is searchable at any time, and another repair completes it (but for step 3,
//! on which no correctness rests: the landmarks of a repair that was left off are not searched for). After a
//! complete one, nothing leads to the dead nodes, and their numbers can be given to other vectors.

#![forbid(unsafe_code)]

use crate::bitset::Bitset;
use crate::error::Result;
use crate::hnsw::build::bridge_all;
use crate::hnsw::connect::{bridge, connect, duplicates, is_landmark};
use crate::hnsw::search::{descend, search_level};
use crate::hnsw::workers::{Control, FEW_AT_A_TIME, in_chunks, run};
use crate::hnsw::{Graph, GraphMut, MemoryGraph, NONE, Node, Scratch};
use std::sync::atomic::{AtomicBool, Ordering};

/// Dead nodes behind one another that a repair looks through.
const STEPS: usize = 3;

/// Candidates to choose from for each link that is to be replaced.
const CANDIDATES: usize = 8;

/// A repair under way.
pub struct Repair {
    duplicates: Bitset,
}

impl Repair {
    /// Puts chains and entry point in order.
    ///
    /// `adopt(head, duplicate)` is called for a dead head with a live duplicate: the head takes over the duplicate's identity and the
    /// duplicate becomes the dead one. When it returns, `dead` answers accordingly. The duplicate is out of the chain a moment
    /// later.
    pub fn begin(graph: &impl GraphMut, dead: &dyn Fn(Node) -> bool, adopt: &mut dyn FnMut(Node, Node)) -> Self {
        let duplicates = chained(graph, dead);
        let mut top: Option<(Node, u8)> = None;
        for head in (0..graph.nodes()).filter(|&node| !duplicates.contains(node)) {
            clean_chain(graph, dead, head, adopt);
            if !dead(head) {
                let level = graph.level(head);
                if top.is_none_or(|(_, highest)| level > highest) {
                    top = Some((head, level));
                }
            }
        }
        let is_higher = |level| top.is_some_and(|(_, highest)| highest > level);
        // a head that was dead and took over a duplicate's identity may be higher than the entry point
        if graph.entry().is_none_or(|(entry, level)| dead(entry) || is_higher(level)) {
            graph.replace_entry(top);
        }
        Self { duplicates }
    }

    /// Replaces a node's links to dead nodes, if it is live and has some; returns whether it had.
    /// `ef_construction` is for the search for neighbours when all within a few steps are dead.
    pub fn node(
        &self,
        graph: &impl GraphMut,
        dead: &dyn Fn(Node) -> bool,
        node: Node,
        ef_construction: usize,
        scratch: &mut Scratch,
    ) -> bool {
        if self.duplicates.contains(node) || dead(node) {
            return false;
        }
        let mut changed = false;
        for level in 0..=graph.level(node) {
            while !repair_level(graph, dead, node, level, ef_construction, scratch, &mut changed) {}
        }
        changed
    }

    /// Connects what nothing leads to any more, and takes the duplicates from the dead. `stop` is asked before each node
    /// that is connected. Returns how many there were, and whether it went through.
    pub fn finish(
        &self,
        graph: &impl GraphMut,
        dead: &dyn Fn(Node) -> bool,
        ef_construction: usize,
        scratch: &mut Scratch,
        stop: &mut dyn FnMut() -> bool,
    ) -> (u32, bool) {
        let mut stopped = false;
        let connected = connect(graph, dead, ef_construction, scratch, &mut || {
            stopped = stop();
            stopped
        });
        if !stopped {
            for node in (0..graph.nodes()).filter(|&node| graph.duplicate(node) != NONE && dead(node)) {
                graph.set_duplicate(node, NONE);
            }
        }
        (connected, !stopped)
    }
}

/// The nodes that hang in chains behind heads.
///
/// Dead duplicates that a repair took out of their chains before it was left off still point to others. They have no links,
/// unlike a head that anything leads to; their pointers are cleared, lest they be taken for heads.
fn chained(graph: &impl GraphMut, dead: &dyn Fn(Node) -> bool) -> Bitset {
    let pointed_at = duplicates(graph);
    let entry = graph.entry().map(|(entry, _)| entry);
    let mut chained = Bitset::below(graph.nodes());
    let mut links = Vec::new();
    let pointing = || (0..graph.nodes()).filter(|&node| graph.duplicate(node) != NONE && !pointed_at.contains(node));
    let mut leftovers: Vec<Node> = pointing().filter(|&node| dead(node) && entry != Some(node)).collect();
    leftovers.retain(|&node| {
        links.clear();
        graph.own_links(node, 0, &mut links);
        links.is_empty()
    });
    if !leftovers.is_empty() {
        // A head all of whose neighbours died may have no links either, but some lead to it. Links of the dead do not count: a
        // free number keeps its own until it is given out, and they may lead to one that has been, to a duplicate.
        let mut led_to = Bitset::below(graph.nodes());
        for node in (0..graph.nodes()).filter(|&node| !dead(node)) {
            links.clear();
            graph.own_links(node, 0, &mut links);
            for &link in &links {
                led_to.insert(link);
            }
        }
        leftovers.retain(|&node| !led_to.contains(node));
    }
    for head in pointing().filter(|node| leftovers.binary_search(node).is_err()) {
        let mut duplicate = graph.duplicate(head);
        while duplicate != NONE && !chained.contains(duplicate) {
            chained.insert(duplicate);
            duplicate = graph.duplicate(duplicate);
        }
    }
    for mut node in leftovers {
        while node != NONE && !chained.contains(node) && dead(node) {
            let next = graph.duplicate(node);
            graph.set_duplicate(node, NONE);
            node = next;
        }
    }
    chained
}

/// Unlinks dead duplicates, and lets a dead head take over a live duplicate's identity.
fn clean_chain(graph: &impl GraphMut, dead: &dyn Fn(Node) -> bool, head: Node, adopt: &mut dyn FnMut(Node, Node)) {
    let mut duplicate = graph.duplicate(head);
    if duplicate == NONE {
        return;
    }
    if dead(head) {
        while duplicate != NONE && dead(duplicate) {
            duplicate = graph.duplicate(duplicate);
        }
        if duplicate != NONE {
            adopt(head, duplicate);
        }
    }
    let mut kept = head;
    duplicate = graph.duplicate(head);
    while duplicate != NONE {
        let next = graph.duplicate(duplicate);
        if dead(duplicate) {
            // The dead duplicate still leads on, for searches that are at it.
            graph.set_duplicate(kept, next);
        } else {
            kept = duplicate;
        }
        duplicate = next;
    }
}

/// One try to repair a node's links on a level; false if somebody else changed them meanwhile.
fn repair_level(
    graph: &impl GraphMut,
    dead: &dyn Fn(Node) -> bool,
    node: Node,
    level: u8,
    ef_construction: usize,
    scratch: &mut Scratch,
    changed: &mut bool,
) -> bool {
    let Scratch { query, pool, hop, visited, select, candidates, links, .. } = scratch;
    links.clear();
    graph.own_links(node, level, links);
    if !links.iter().any(|&link| dead(link)) {
        return true;
    }
    *changed = true;

    visited.start(graph.nodes());
    visited.insert(node);
    select.chosen.clear();
    let mut through = Vec::new();
    for &link in links.iter().filter(|&&link| visited.insert(link)) {
        if dead(link) { through.push(link) } else { select.chosen.push(link) }
    }
    hop.nodes.clear();
    for _ in 0..STEPS {
        let mut neighbours = Vec::new();
        for dead_node in std::mem::take(&mut through) {
            graph.own_links(dead_node, level, &mut neighbours);
        }
        for link in neighbours.into_iter().filter(|&link| visited.insert(link)) {
            if dead(link) { through.push(link) } else { hop.nodes.push(link) }
        }
        if !(hop.nodes.is_empty() && select.chosen.is_empty()) {
            break;
        }
    }

    graph.load_query(node, query);
    candidates.clear();
    if hop.nodes.is_empty() && select.chosen.is_empty() {
        pool.clear();
        if let Some((distance, nearest)) = descend(graph, query, level, hop, visited) {
            pool.offer(distance, nearest, ef_construction);
        }
        search_level(graph, query, level, ef_construction, pool, hop, visited);
        candidates.extend(pool.found().filter(|&(_, other)| other != node && !dead(other)));
        candidates.retain(|&(_, other)| graph.level(other) >= level);
    } else {
        hop.distances.clear();
        graph.distances(query, &hop.nodes, &mut hop.distances);
        candidates.extend(hop.found());
        candidates.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }
    candidates.truncate(CANDIDATES * (links.len() - select.chosen.len()));
    // What is linked and live stays: it was chosen with more to choose from.
    select.add(graph, candidates, graph.max_links(level));
    let mut done = false;
    graph.edit_links(node, level, &mut |now| {
        done = now == links;
        if done {
            now.clone_from(&select.chosen);
        }
    });
    done
}

/// What a repair did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// nodes whose links were changed
    pub nodes: u32,
    /// nodes that nothing led to and that were connected again
    pub connected: u32,
    /// whether it went through: if not, dead nodes may still be linked to
    pub complete: bool,
}

/// Repairs a graph, in this thread. `stop` is asked before each node; once it answers true, the repair is left off.
/// See [`Repair::begin`] for `adopt`.
pub fn repair(
    graph: &impl GraphMut,
    dead: &dyn Fn(Node) -> bool,
    adopt: &mut dyn FnMut(Node, Node),
    ef_construction: usize,
    scratch: &mut Scratch,
    stop: &mut dyn FnMut() -> bool,
) -> Repaired {
    let mut repaired = Repaired::default();
    let repair = Repair::begin(graph, dead, adopt);
    let mut landmarks = Vec::new();
    for node in 0..graph.nodes() {
        if stop() {
            return repaired;
        }
        if repair.node(graph, dead, node, ef_construction, scratch) {
            repaired.nodes += 1;
            landmarks.extend(is_landmark(graph, node).then_some(node));
        }
    }
    for node in landmarks {
        if stop() {
            return repaired;
        }
        bridge(graph, node, scratch);
    }
    (repaired.connected, repaired.complete) = repair.finish(graph, dead, ef_construction, scratch, stop);
    repaired
}

/// Repairs a graph in memory with threads. See [`super::build::insert_all`] for `control` and `tick`, and
/// [`Repair::begin`], which runs in this thread, for `adopt`. Returns whether it went through.
///
/// # Errors
/// `Internal` if a thread panics or cannot be started.
pub fn repair_all(
    graph: &MemoryGraph,
    dead: &(dyn Fn(Node) -> bool + Sync),
    adopt: &mut dyn FnMut(Node, Node),
    ef_construction: usize,
    threads: usize,
    control: &Control,
    tick: &mut dyn FnMut() -> bool,
) -> Result<bool> {
    let repair = Repair::begin(graph, &dead, adopt);
    let changed: Vec<AtomicBool> = (0..graph.nodes()).map(|_| AtomicBool::new(false)).collect();
    in_chunks(
        0..graph.nodes(),
        FEW_AT_A_TIME,
        threads,
        control,
        tick,
        || Scratch::new(graph.codec()),
        |scratch, node| {
            let is_changed = repair.node(graph, &dead, node, ef_construction, scratch);
            changed[node as usize].store(is_changed, Ordering::Relaxed);
            control.done.fetch_add(1, Ordering::Relaxed);
        },
    )?;
    bridge_all(graph, dead, &changed, 1, threads, control, tick)?;
    if control.stopped() {
        return Ok(false);
    }
    run(1, control, tick, &|_| {
        let mut scratch = Scratch::new(graph.codec());
        repair.finish(graph, &dead, ef_construction, &mut scratch, &mut || control.stopped());
    })?;
    Ok(!control.stopped())
}
