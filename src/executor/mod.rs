//! Plan nodes of ours, as the executor runs them.
//!
//! | module | duty |
//! |---|---|
//! | [`exact_scan`] | rows of a table in order of distance where no index has it (`Custom Scan (ZvecExactScan)`): [`crate::knn::exact_passes`] |
//! | [`graph_scan`] | the same by a graph, of rows that satisfy conditions (`Custom Scan (ZvecGraphScan)`): [`crate::indexam::hnsw::scan`] |
//! | `row_test` | conditions on a table's columns, tested on its rows as they lie on the pages |
//! | `table_rows` | what both have in common |
//!
//! The paths are in [`crate::planner`].

#![allow(clippy::missing_safety_doc)]

pub mod exact_scan;
pub mod graph_scan;
pub mod row_test;
mod table_rows;
