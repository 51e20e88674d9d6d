//! pg_zvec: vector tables for PostgreSQL.
//!
//! Layers, each using only what stands above it (see `design/overview.md`):
//!
//! | module | duty | needs PostgreSQL |
//! |---|---|---|
//! | [`error`] | one error type for the pure modules: SQLSTATE class, message, hint | no |
//! | [`threads`] | what threads of a backend need beside the standard library's | no |
//! | [`bitset`] | sets of small numbers | no |
//! | [`buffer_hints`] | in which shared buffers blocks were last found | no |
//! | [`distance`] | metrics and their kernels | no |
//! | [`vector`] | vector values: layout, limits, text form, arithmetic | no |
//! | [`quant`] | codes: vectors in a byte an element, and distances estimated from them | no |
//! | [`hnsw`] | the graph algorithm, over small traits | no |
//! | [`format`] | every byte on disk | no |
//! | `pg` | the home of raw server calls | yes |
//! | `store` | the vector store of one table, on pages | yes |
//! | `tableam` | the table access methods `zvec` and `zvec_segment` | yes |
//! | [`knn`] | exact search over a vector column, and what every search needs | most of it |
//! | `indexam` | the index access methods, their scans and maintenance | yes |
//! | `executor` | plan nodes | yes |
//! | `planner` | hooks, paths in order of distance | yes |
//! | `sql` | what SQL calls: type, operators, casts, aggregates, inspection | yes |
//!
//! The test in `layers.rs` holds files to this order, and sees to it that they import in no circle.

pub mod bitset;
pub mod buffer_hints;
pub mod distance;
pub mod error;
pub mod hnsw;
#[cfg(feature = "pg")]
pub mod indexam;
pub mod quant;
pub mod threads;
pub mod vector;

#[cfg(feature = "pg")]
pub mod pg;
#[cfg(feature = "pg")]
pub mod sql;
#[cfg(feature = "pg")]
pub mod store;
#[cfg(feature = "pg")]
pub mod tableam;

#[cfg(feature = "pg")]
pub mod executor;
pub mod format;
#[cfg(feature = "pg")]
mod init;
pub mod knn;
#[cfg(feature = "pg")]
pub mod planner;
#[cfg(feature = "pg")]
pgrx::pg_module_magic!();

#[cfg(test)]
mod layers;
