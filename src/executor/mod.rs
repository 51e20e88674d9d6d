//! Plan nodes of ours, as the executor runs them.
//!
//! [`exact_scan`]: rows of a table in order of distance where no index has it (`Custom Scan (ZvecExactScan)`). What it does is in
//! [`crate::knn::exact_passes`]; the paths are in [`crate::planner::exact_scan`].

#![allow(clippy::missing_safety_doc)]

pub mod exact_scan;
