//! The vectors that codes' parameters are learned from.

#![forbid(unsafe_code)]

use crate::format::graph::Entry;
use crate::indexam::hnsw::pages::Graph;
use crate::indexam::hnsw::table::Table;
use crate::quant::Trainer;

/// How many vectors the codes' parameters are learned from.
pub const SAMPLE: usize = 10_000;

/// What the codes' parameters are learned from; returns also whether there was a vector.
#[must_use]
pub fn sample(graph: &Graph, table: &Table, entries: impl Iterator<Item = Entry>) -> (Trainer, bool) {
    let mut trainer = Trainer::of_kind(graph.map.page.codes, graph.metric(), graph.code_bytes());
    let (mut vector, mut any) = (Vec::new(), false);
    for entry in entries {
        pgrx::check_for_interrupts!();
        if table.vector(entry, &mut vector) {
            trainer.add(&vector);
            any = true;
        }
    }
    (trainer, any)
}
