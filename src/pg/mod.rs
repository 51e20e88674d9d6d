//! The home of raw server calls: relations, buffers, WAL, transactions, memory, errors, functions called from SQL.
//! Nothing in here knows vectors.
//!
//! Guards release their lock, pin or reference when they are dropped; while an error unwinds they do nothing, because
//! the server's own abort releases what it granted.

#![allow(clippy::missing_safety_doc)]

pub mod array;
pub mod buffer;
pub mod catalog;
pub mod compat;
pub mod cost_delay;
pub mod error;
pub mod failpoint;
pub mod frozen;
pub mod function;
pub mod hash;
pub mod library;
pub mod list;
pub mod memory;
pub mod message;
pub mod process;
pub mod raw;
pub mod relation;
pub mod reserve;
pub mod restricted;
pub mod rewrite;
pub mod settings;
pub mod shadow;
pub mod slots;
pub mod spi;
pub mod srf;
pub mod varlena;
pub mod wal;

pub mod xact;
