//! Everything on disk, free of any server: the bytes of pages and of what rows hold, checked where they enter.
//!
//! `design/format.md` states every byte; the constants here are that document in code, and the tests hold both to golden
//! bytes. Nothing in here locks, logs or reads a page.
//!
//! | module | duty |
//! |---|---|
//! | [`page`] | what all pages of ours have in common: size, header, versions |
//! | [`store`] | the vector store: ids, slots, extents, page layouts, the reference in the row |
//! | [`graph`] | a `zvec_hnsw` index: areas, entries, page layouts |
//! | [`flat`] | a `zvec_flat` index: its one page |

#![forbid(unsafe_code)]

pub mod flat;
pub mod graph;
pub mod page;
pub mod store;
