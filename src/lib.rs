//! pg_zvec: vector tables for PostgreSQL.
//!
//! Layers, each using only what stands above it (see `design/overview.md`):
//!
//! | module | duty | needs PostgreSQL |
//! |---|---|---|
//! | [`error`] | one error type for the pure modules: SQLSTATE class, message, hint | no |
//! | [`bitset`] | sets of small numbers | no |
//! | [`hints`] | in which shared buffers blocks were last found | no |
//! | [`threads`] | what threads of a backend need beside the standard library's | no |
//! | [`vector`] | vector values: layout, limits, text form | no |
//! | [`distance`] | metrics and their kernels | no |
//! | [`quant`] | codes: vectors in a byte an element, and distances estimated from them | no |
//! | [`hnsw`] | the graph: search, insert, build, repair, check, over small traits | no |
//! | [`segment`] | the vector store's format: ids, slots, extents, page codecs | no |
//! | [`graph`] | the graph index's format: areas, entries, page codecs | no |
//! | `pg` | the home of raw server calls | yes |
//! | `store` | segments on pages: read, reserve, write, reclaim, check | yes |
//! | `tableam` | the table access methods `zvec` and `zvec_segment` | yes |
//! | [`indexam`] | the index access methods; its query and order of results need no server | most of it |
//! | `worker` | the background workers that drain indexes | yes |
//! | `sql` | what SQL calls: type, operators, casts, aggregates, inspection | yes |

pub mod bitset;
pub mod distance;
pub mod error;
pub mod graph;
pub mod hints;
pub mod hnsw;
pub mod indexam;
pub mod quant;
pub mod segment;
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
mod init;
#[cfg(feature = "pg")]
pub mod worker;
#[cfg(feature = "pg")]
pgrx::pg_module_magic!();
