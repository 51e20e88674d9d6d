//! The index access methods over the vector column of a zvec table: see `design/index.md`.
//!
//! | module | duty |
//! |---|---|
//! | [`handler`] | the routines that both access methods have in common |
//! | [`options`] | options of `CREATE INDEX` |
//! | [`operator_class`] | what an operator class must be |
//! | [`typmod_guard`] | a column keeps its declared dimensions as long as an index needs them |
//! | [`selection`] | which indexes an SQL function's argument stands for |
//! | [`recall`] | how many of the nearest an index finds |
//! | [`flat`] | `zvec_flat`: exact, in the clothes of an index |
//! | [`hnsw`] | `zvec_hnsw`: graphs |
//!
//! Invariants: an index holds no vector; a slot's verdict or the row itself decides what is returned; distances are the
//! operators' to the bit. No pin is kept between two calls of a scan. Callbacks under which rows are looked up run in
//! [`crate::pg::error::guarded`].

#![allow(clippy::missing_safety_doc)]

pub mod flat;
pub mod handler;
pub mod hnsw;
pub mod operator_class;
pub mod options;
pub mod recall;
pub mod selection;
pub mod typmod_guard;
