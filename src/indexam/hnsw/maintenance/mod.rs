//! What changes graphs: builds, drains, repairs, by whom and when.
//!
//! | module | duty |
//! |---|---|
//! | [`lock`] | the maintenance lock: one at a time |
//! | [`writer`] | the graph on pages, as its one maintainer changes it |
//! | [`in_memory`] | a graph loaded, changed by threads, and written back |
//! | [`linking`] | threads that link nodes in memory |
//! | [`sample`] | the vectors that codes' parameters are learned from |
//! | [`build`] | the first build |
//! | [`drain`] | from the pending list into the graph |
//! | [`repair`] | taking dead nodes out |
//! | [`retrain`] | learning the codes' parameters anew |
//! | [`vacuum`] | when to drain and repair |
//! | [`worker`] | the background worker |
//! | [`memory_budget`] | how much memory all this may take, and takes |
//! | [`progress`] | what it reports |

pub mod build;
pub mod drain;
pub mod in_memory;
pub mod linking;
pub mod lock;
pub mod memory_budget;
pub mod progress;
pub mod repair;
pub mod retrain;
pub mod sample;
pub mod vacuum;
pub mod worker;
pub mod writer;
