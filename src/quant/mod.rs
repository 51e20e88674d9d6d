//! Codes: one byte an element, from which distances are estimated with integer arithmetic.
//!
//! A vector is made comparable with the others of its graph (under cosine divided by its norm), moved by the graph's
//! centroid, multiplied with the graph's scale and rounded to 127 steps each way of its own largest element. What an
//! estimate needs besides the bytes is a [`Head`] of three numbers. Under L1 all vectors share one step, and what does
//! not fit into a byte is kept as a sum.
//!
//! Estimates order candidates of one graph. Whoever returns distances computes them from the vectors;
//! [`Query::lower_bound`] tells which vectors need not be looked at.
//!
//! No estimate is ever NaN or infinite, whatever finite vectors are coded.

mod codec;
mod kernels;
mod query;
mod train;

#[cfg(test)]
mod tests;

pub use codec::{Codec, Head};
pub use query::Query;
pub use train::Trainer;
