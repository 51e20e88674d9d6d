//! Many nodes at once, by threads.
//!
//! The threads see the graph only and call nothing of the server. The caller's thread does no work but listens for
//! cancellation.

#![forbid(unsafe_code)]

use crate::error::Result;
use crate::hnsw::connect::{bridge, connect, doubtful};
use crate::hnsw::sequence::sequence;
use crate::hnsw::workers::{Control, FEW_AT_A_TIME, in_chunks, run};
use crate::hnsw::{Graph, GraphMut, MemoryGraph, Node, Scratch, insert};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Where near nodes follow one another ([`super::sequence`]): enough that threads work in different regions.
const MANY_AT_A_TIME: u32 = 128;
/// How often nodes that searches may miss are searched for: links that the first time makes lead other searches astray now
/// and then.
const BRIDGE_ROUNDS: usize = 2;

/// Links in the nodes of a range, which were pushed and have no links yet. What cannot be reached is connected.
///
/// The caller's thread calls `tick` about every 20 ms until all is done; when it answers false, or `control.stop` is
/// set, the threads end. `tick` must return: it may not leave by the server's error handling.
///
/// Returns whether everything was done; if not, the graph is good for nothing but to be thrown away.
///
/// # Errors
/// `Internal` if a thread panics or cannot be started.
pub fn insert_all(
    graph: &MemoryGraph,
    nodes: Range<Node>,
    ef_construction: usize,
    threads: usize,
    control: &Control,
    tick: &mut dyn FnMut() -> bool,
) -> Result<bool> {
    let nodes: Vec<Node> = nodes.collect();
    insert_list(graph, &nodes, ef_construction, threads, control, tick)
}

/// As [`insert_all`], for the nodes of a list: those that were given numbers that had been in use before.
///
/// # Errors
/// As [`insert_all`].
pub fn insert_list(
    graph: &MemoryGraph,
    nodes: &[Node],
    ef_construction: usize,
    threads: usize,
    control: &Control,
    tick: &mut dyn FnMut() -> bool,
) -> Result<bool> {
    insert_each(graph, nodes, true, ef_construction, threads, control, tick)
}

/// As [`insert_list`], for heads that were linked before and may have chains: each stays a head, even where two have the
/// same code, as they may when two threads linked them at the same time.
///
/// # Errors
/// As [`insert_all`].
pub fn link_again(
    graph: &MemoryGraph,
    heads: &[Node],
    ef_construction: usize,
    threads: usize,
    control: &Control,
    tick: &mut dyn FnMut() -> bool,
) -> Result<bool> {
    insert_each(graph, heads, false, ef_construction, threads, control, tick)
}

fn insert_each(
    graph: &MemoryGraph,
    nodes: &[Node],
    chains: bool,
    ef_construction: usize,
    threads: usize,
    control: &Control,
    tick: &mut dyn FnMut() -> bool,
) -> Result<bool> {
    let (nodes, first) = sequence(graph, nodes, threads, control, tick)?;
    // A node above all others, or the first, becomes the entry point: two of them at a time would not see each other.
    let top = Mutex::new(());
    // the new ones, and those to which lists do not lead any more
    let changed: Vec<AtomicBool> = (0..graph.nodes()).map(|_| AtomicBool::new(false)).collect();
    for (part, chunk) in [(0..first, FEW_AT_A_TIME), (first..nodes.len() as u32, MANY_AT_A_TIME)] {
        in_chunks(
            part,
            chunk,
            threads,
            control,
            tick,
            || Scratch { chains, ..Scratch::new(graph.codec()) },
            |scratch, at| {
                let node = nodes[at as usize];
                let rises = graph.entry().is_none_or(|(_, level)| graph.level(node) > level);
                let _alone = rises.then(|| top.lock().unwrap_or_else(PoisonError::into_inner));
                insert(graph, node, ef_construction, scratch);
                for touched in scratch.dropped.iter().chain([&node]) {
                    changed[*touched as usize].store(true, Ordering::Relaxed);
                }
                control.done.fetch_add(1, Ordering::Relaxed);
            },
        )?;
    }
    bridge_all(graph, &|_| false, &changed, BRIDGE_ROUNDS, threads, control, tick)?;
    if !control.stopped() {
        // A number that is not in use has no links, and must get none. Neither have duplicates, which need none.
        let unlinked = |node: Node| !graph.is_linked(node);
        run(1, control, tick, &|_| {
            connect(graph, &unlinked, ef_construction, &mut Scratch::new(graph.codec()), &mut || control.stopped());
        })?;
    }
    Ok(!control.stopped())
}

/// Searches for the doubtful ones among the nodes that have `changed`, so many rounds, and links what is missed: see
/// [`super::connect`].
///
/// # Errors
/// As [`insert_all`].
pub(super) fn bridge_all(
    graph: &MemoryGraph,
    dead: &(dyn Fn(Node) -> bool + Sync),
    changed: &[AtomicBool],
    rounds: usize,
    threads: usize,
    control: &Control,
    tick: &mut dyn FnMut() -> bool,
) -> Result<()> {
    let found = OnceLock::new();
    run(1, control, tick, &|_| {
        let is_changed = |node: &Node| changed[*node as usize].load(Ordering::Relaxed);
        found.get_or_init(|| doubtful(graph, &dead, (0..graph.nodes()).filter(is_changed)));
    })?;
    let doubtful = found.into_inner().unwrap_or_default();
    for _ in 0..rounds {
        in_chunks(
            0..doubtful.len() as u32,
            FEW_AT_A_TIME,
            threads,
            control,
            tick,
            || Scratch::new(graph.codec()),
            |scratch, at| {
                bridge(graph, doubtful[at as usize], scratch);
            },
        )?;
    }
    Ok(())
}
