//! Linking nodes of a graph in memory, by threads that never call the server.

#![forbid(unsafe_code)]

use crate::error::{Error, Result, SqlState};
use crate::hnsw::build::{insert_list, link_again as link_again_all};
use crate::hnsw::workers::Control;
use crate::hnsw::{MemoryGraph, Node};
use crate::indexam::hnsw::maintenance::progress::{Phase, enter, progress};
use crate::pg::error::{OrRaise, raise};
use crate::pg::{memory, settings};
use pgrx::pg_sys;
use std::sync::atomic::Ordering;

/// Links nodes of a graph in memory, by `pg_zvec.optimize_threads` threads. An error is raised when the statement is
/// cancelled meanwhile.
pub fn link(memory: &MemoryGraph, nodes: &[Node], ef_construction: usize) {
    with_threads(nodes, |threads, control, tick| insert_list(memory, nodes, ef_construction, threads, control, tick));
}

/// As [`link`], for heads that were linked before: see [`crate::hnsw::build::link_again`].
pub fn link_again(memory: &MemoryGraph, heads: &[Node], ef_construction: usize) {
    with_threads(heads, |threads, control, tick| {
        link_again_all(memory, heads, ef_construction, threads, control, tick)
    });
}

/// How many threads link nodes: those for which there is memory; an error is raised when that is none.
pub fn threads() -> usize {
    /// the standard library's
    const STACK: usize = 2 << 20;
    /// what a thread has of its own while it links
    const OWN: usize = 4 << 20;
    memory::some_threads(settings::optimize_threads() as usize, STACK, OWN)
}

fn with_threads(nodes: &[Node], work: impl FnOnce(usize, &Control, &mut dyn FnMut() -> bool) -> Result<bool>) {
    enter(Phase::Link, nodes.len() as u64);
    let threads = threads();
    let complete = watched(|control, tick| work(threads, control, tick)).or_raise();
    if !complete {
        raise(Error::new(SqlState::Internal, "the threads that build the graph were stopped"));
    }
}

/// Runs `work` with what watches over its threads: progress is reported, and when the statement is cancelled its error
/// unwinds through `work`, which ends the threads.
pub fn watched<R>(work: impl FnOnce(&Control, &mut dyn FnMut() -> bool) -> R) -> R {
    let control = Control::default();
    let mut tick = || {
        progress(pg_sys::PROGRESS_CREATEIDX_TUPLES_DONE, control.done.load(Ordering::Relaxed));
        pgrx::check_for_interrupts!();
        true
    };
    work(&control, &mut tick)
}
