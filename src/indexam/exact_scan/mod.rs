//! Exact nearest neighbours where no index has the order: a plan node that takes the place of a sequential scan and a sort.
//!
//! What `zvec_flat` does for a scan of its index ([`super::flat::Rounds`]) needs no index. [`path`] offers it to the planner,
//! [`node`] is what the executor runs, with the conditions and columns of any scan. See `design/flat.md`.

pub mod node;
pub mod path;

pub use node::register;
pub use path::add_path;
