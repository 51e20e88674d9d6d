//! Exact nearest neighbours over a vector column, and what every search over one needs.
//!
//! | module | duty |
//! |---|---|
//! | [`query`] | a query: what a stored vector's distance to it is, to the bit what the operator answers |
//! | [`result_queue`] | the nearest so many; results in order |
//! | [`distance_cache`] | the distance of the row that a scan handed out last, which the operators ask for |
//! | `column` | the vector column that a search is over |
//! | `distance_clause` | distances in expressions: operators, columns, what is given before a scan |
//! | `scan_hints` | what a scan is told beside the query: where NULL and NaN come, where it ends |
//! | `row_lookup` | from a slot to the row that a snapshot sees |
//! | `exact` | the exact distance of one stored vector |
//! | `measure` | measuring one vector where it lies |
//! | `vector_scan` | one pass over the vectors of a column, in storage order |
//! | `scan_threads` | the threads that share a pass |
//! | `work` | how participants come by parts of a pass |
//! | `exact_passes` | rows in order of distance, as many passes as rows are asked for |
//! | [`pass_stage`], [`pass_size`] | what follows on each pass; how many rows it keeps |
//! | `cost` | what the planner is told of a pass |
//!
//! Invariants: a slot's verdict or the row itself decides what is returned; distances are the operators' to the bit. No pin is
//! kept between two calls of a scan. See `design/flat.md`.

#![allow(clippy::missing_safety_doc)]

#[cfg(feature = "pg")]
pub mod column;
#[cfg(feature = "pg")]
pub mod cost;
pub mod distance_cache;
#[cfg(feature = "pg")]
pub mod distance_clause;
#[cfg(feature = "pg")]
pub mod exact;
#[cfg(feature = "pg")]
pub mod exact_passes;
#[cfg(feature = "pg")]
pub mod measure;
pub mod pass_size;
pub mod pass_stage;
pub mod query;
pub mod result_queue;
#[cfg(feature = "pg")]
pub mod row_lookup;
#[cfg(feature = "pg")]
pub mod scan_hints;
#[cfg(feature = "pg")]
pub mod scan_threads;
#[cfg(feature = "pg")]
pub mod vector_scan;
#[cfg(feature = "pg")]
pub mod work;
