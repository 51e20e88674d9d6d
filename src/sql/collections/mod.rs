//! Collections: vectors of ordinary tables, kept in zvec tables of the extension's and found by their keys.
//!
//! | module | duty |
//! |---|---|
//! | [`home`] | where the extension's own objects are |
//! | [`catalog`] | the rows of `zvec_collection_catalog`, one a collection |
//! | [`key`] | the text form of keys, and where it comes from |
//! | [`source`] | the table that a collection is of: its columns, its triggers, its partitions |
//! | [`cache`] | what a session remembers of collections, and when it forgets |
//! | [`manage`] | creating, attaching, detaching, dropping |
//! | [`sync`] | the trigger by which a collection follows its table |
//! | [`follow`] | what changes of tables and partitions mean to collections |
//! | [`filter`] | the conditions of searches, and who evaluates them |
//! | [`search`] | the nearest keys |
//! | [`stats`] | what a collection consists of |
//!
//! `design/collections.md` has the invariants, the order of locks and who runs as whom.

pub mod cache;
pub mod catalog;
pub mod filter;
pub mod follow;
pub mod home;
pub mod key;
pub mod manage;
pub mod search;
pub mod source;
pub mod stats;
pub mod sync;
