//! The only home of raw server calls that have a safe or nearly safe face: errors, functions called from SQL,
//! buffers, WAL, relations. Nothing in here knows vectors.

pub mod array;
pub mod error;
pub mod function;
pub mod memory;
pub mod message;
pub mod varlena;
