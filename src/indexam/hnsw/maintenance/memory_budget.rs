//! How much memory maintenance may take, and how much a graph takes.

use crate::hnsw::MemoryGraph;
use crate::pg::{process, raw};
use pgrx::pg_sys;

/// The setting that says what work in memory may take here, and its value in bytes.
fn memory_setting() -> (&'static str, u64) {
    // SAFETY: settings, and what this process is
    unsafe {
        let (name, kilobytes) = match raw::autovacuum_work_mem {
            own if own >= 0 && process::is_autovacuum_worker() => ("autovacuum_work_mem", own),
            _ => ("maintenance_work_mem", pg_sys::maintenance_work_mem),
        };
        (name, kilobytes as u64 * 1024)
    }
}

/// Bytes that work in memory may take.
pub fn memory_budget() -> u64 {
    memory_setting().1
}

/// The name of the setting behind [`memory_budget`].
pub fn memory_setting_name() -> &'static str {
    memory_setting().0
}

/// Bytes a node for what there is besides the graph while nodes are linked and written: in which sequence, what has changed,
/// what a search has seen, new numbers, upper blocks.
const WORK_BYTES: u64 = 16;

/// Bytes that a graph of so many nodes takes while it is linked and written.
pub fn bytes(nodes: u64, code_bytes: usize, m: usize) -> u64 {
    MemoryGraph::bytes(nodes, code_bytes, m) + nodes * WORK_BYTES
}

/// Most nodes whose graph fits into `budget` bytes.
pub fn most_nodes(budget: u64, code_bytes: usize, m: usize) -> u64 {
    let each = (bytes(10_000, code_bytes, m) / 10_000).max(1);
    budget / each
}
