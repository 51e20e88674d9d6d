//! Included columns: `CREATE INDEX ... USING zvec_hnsw (embedding) INCLUDE (tenant_id, status)`.
//!
//! A graph keeps a key of 8 bytes for each slot and included column ([`crate::format::graph::included`]), by which a search
//! learns which slots a condition leaves, without a look at the rows. What keys tell is a superset: whoever searches still
//! evaluates the condition on each row that is handed out. See `design/included-columns.md`.
//!
//! | module | duty |
//! |---|---|
//! | [`keys`] | which types can be included; from values to keys |
//! | [`collect`] | the keys of rows in a build |
//! | [`testable`] | which conditions of a query can be tested by keys |
//! | [`select`] | the slots whose keys pass |

pub mod collect;
pub mod keys;
pub mod select;

pub mod testable;
