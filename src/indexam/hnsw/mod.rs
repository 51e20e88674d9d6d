//! `zvec_hnsw`: a graph for each segment of a zvec table's vector column (see `design/index.md`).
//!
//! | module | duty |
//! |---|---|
//! | [`pages`] | what a backend remembers of the pages, and how it reads them |
//! | [`grow`] | new graphs, new pages |
//! | [`insert`] | noting a row's vector in the pending list |
//! | [`search`] | the graph on pages, for searches |
//! | [`waiting`] | the pending list, for searches |
//! | [`writer`] | the graph on pages, for its one maintainer |
//! | [`drain`] | from the pending list into the graph |
//! | [`bulk`] | maintenance in memory |
//! | [`relearn`] | learning the codes' parameters anew |
//! | [`repair`] | taking dead nodes out |
//! | [`build`] | the first build |
//! | [`vacuum`] | when to drain and repair |
//! | [`scan`] | nearest first |
//! | [`check`] | what must hold |
//! | [`stats`] | what each graph consists of |
//! | [`table`] | what must be known of the table |
//! | [`callbacks`] | the access method's callbacks |
//!
//! Lock order: extension lock, meta page, root page, codes, nodes, upper, map, pending; pages of one area in ascending
//! order. The maintenance lock (heavyweight) comes before all of them. No lock is held while the table is looked at.

mod build;
mod bulk;
mod callbacks;
mod check;
mod cost;
mod drain;
mod front;
mod grow;
mod insert;
mod linking;
mod lock;
mod memory_budget;
mod pace;
mod pages;
mod progress;
mod relearn;
mod repair;
mod sample;
mod scan;
mod search;
mod stats;
mod table;
mod vacuum;
mod waiting;
mod writer;

pub use callbacks::{CALLBACKS, drain_some, is_repair_wanted, most_waiting, repair_wanted};
pub use check::check;
pub use stats::stats;
pub use vacuum::{Done, optimize};
