//! The index access methods over the vector column of a zvec table: see `design/index.md`.
//!
//! Duty of what stands here: all that the access methods share. [`handler`] makes their routines; [`column`] says what an
//! index is over, and refuses what it cannot be over, as [`declared`] does when the column is changed later; [`rows`] leads from a vector's slot to the row that a snapshot sees;
//! [`query`] and [`exact`] compute distances as the operators do, who learn by [`handed_out`] what a scan knows already; [`emit`] puts results in order; [`cost`], [`plan`],
//! [`first_key`] and [`forms`] serve the planner, which tells scans by [`hints`] what goes beyond the order of distances; [`options`] and [`validate`] serve `CREATE INDEX` and `CREATE OPERATOR CLASS`; [`target`] says which
//! indexes an SQL function's argument stands for; [`recall`] measures one. [`flat`] is the exact one, [`exact_scan`] what it does for a
//! table without an index.
//!
//! Invariants: an index holds no vector; a slot's verdict or the row itself decides what is returned; distances are the
//! operators' to the bit. No pin is kept between two calls of a scan. Callbacks under which rows are looked up run in
//! [`crate::pg::error::guarded`].

#![allow(clippy::missing_safety_doc)]

pub mod emit;
pub mod handed_out;
pub mod meta;
pub mod query;

#[cfg(feature = "pg")]
pub mod column;
#[cfg(feature = "pg")]
pub mod cost;
#[cfg(feature = "pg")]
pub mod declared;
#[cfg(feature = "pg")]
pub mod exact;
#[cfg(feature = "pg")]
pub mod exact_scan;
#[cfg(feature = "pg")]
mod first_key;
#[cfg(feature = "pg")]
pub mod flat;
#[cfg(feature = "pg")]
mod forms;
#[cfg(feature = "pg")]
pub mod handler;
#[cfg(feature = "pg")]
pub mod hints;
#[cfg(feature = "pg")]
pub mod hnsw;
#[cfg(feature = "pg")]
mod metrics;
#[cfg(feature = "pg")]
pub mod options;
#[cfg(feature = "pg")]
pub mod plan;
#[cfg(feature = "pg")]
pub mod recall;
#[cfg(feature = "pg")]
pub mod rows;
#[cfg(feature = "pg")]
pub mod target;
#[cfg(feature = "pg")]
pub mod validate;
