//! The planner's part: paths in order of distance. All hooks into the planner are in [`hooks`].
//!
//! | module | duty |
//! |---|---|
//! | [`hooks`] | the hook for adding paths; what is done to the server's own paths |
//! | [`ours`] | which indexes and paths are of our access methods |
//! | [`distance_forms`] | expressions that order as a distance does, and conditions that bound one |
//! | [`distance_pathkey`] | index paths for a distance and then something else, and for such forms |
//! | [`exact_scan`] | paths of the plan node that needs no index |
//! | [`graph_scan`] | paths of the plan node that takes conditions into a graph's scan |

#![allow(clippy::missing_safety_doc)]

pub mod distance_forms;
pub mod distance_pathkey;
pub mod exact_scan;
pub mod graph_scan;
pub mod hooks;
pub mod ours;
