//! `zvec_hnsw`: a graph for each segment of a zvec table's vector column (see `design/index.md`).
//!
//! | module | duty |
//! |---|---|
//! | [`callbacks`] | the access method's callbacks |
//! | [`pages`] | what a backend remembers of the pages, and how it reads them |
//! | [`grow`] | new graphs, new pages |
//! | [`table`] | what must be known of the table |
//! | [`insert`] | noting a row's vector in the pending list |
//! | [`included`] | included columns |
//! | [`pending`] | the pending list |
//! | [`search`] | the graph on pages, for searches |
//! | [`scan`] | nearest first |
//! | [`filter`] | what a scan knows of the query's conditions |
//! | [`maintenance`] | builds, drains, repairs, the background worker |
//! | [`background`] | maintenance as the background worker calls for it |
//! | [`check`], [`stats`] | what must hold; what each graph consists of |
//! | [`cost`] | what the planner is told |
//!
//! Lock order: extension lock, meta page, root page, codes, nodes, upper, map, pending, included; pages of one area in ascending
//! order. The maintenance lock (heavyweight) comes before all of them. No lock is held while the table is looked at.

pub mod background;
mod callbacks;
mod check;
mod cost;
pub mod filter;
mod grow;
pub mod included;
mod insert;
pub mod maintenance;
mod pages;
pub mod pending;
pub mod scan;
mod search;
mod stats;
mod table;

pub use callbacks::CALLBACKS;
pub use check::check;
pub use cost::known_row_costs;
pub use maintenance::vacuum::{Done, optimize};
pub use stats::stats;

/// What an open index keeps of its included columns.
#[must_use]
pub fn included_columns(index: crate::pg::relation::Rel<'_>) -> Vec<crate::format::graph::IncludedColumn> {
    // SAFETY: the value does not outlive the call
    unsafe { pages::Index::of(index) }.columns()
}
