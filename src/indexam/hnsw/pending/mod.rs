//! The pending list: vectors that are in the index and not in a graph yet. (How they get onto the list is in
//! [`super::insert`], how they leave it in [`super::maintenance::drain`].)
//!
//! | module | duty |
//! |---|---|
//! | [`codes`] | the list as searches see it: scored by codes that each session makes and keeps |
//! | [`compaction`] | moving the list back to the front of its area |
//! | [`throttle`] | slowing down those who insert row by row while others search |

pub mod codes;
pub mod compaction;
pub mod throttle;
