//! What SQL calls. The install script `sql/pg_zvec--0.1.0.sql` declares these C symbols; each has the prefix `zvec_`.
//!
//! | module | duty |
//! |---|---|
//! | [`arg`] | every access to an argument of type zvec, and the distance of two arguments |
//! | [`io`] | text, binary and type-modifier input and output |
//! | [`cast`] | casts from and to arrays, length coercion |
//! | [`distance`] | the four distances and their operators |
//! | [`operators`] | arithmetic, comparison, hashing, norms and parts |
//! | [`stored`] | distances to stored vectors, in place |
//! | [`support`] | what the planner asks about distances |
//! | [`aggregate`] | avg and sum |
//! | [`inspect`] | what a table's vector store holds, and whether it is sound |
//! | [`index`] | what indexes consist of, and their maintenance |
//! | [`prewarm`] | vectors and indexes into the shared buffers |
//! | [`worker`] | what background workers do |
//! | [`recall`] | how many of the nearest an index finds |
//! | [`analyze`] | statistics that read no vector |
//! | [`collections`] | vectors of ordinary tables, found by keys |

pub mod aggregate;
pub mod analyze;
pub mod arg;
pub mod cast;
pub mod collections;
pub mod distance;
pub mod index;
pub mod inspect;
pub mod io;
pub mod operators;
pub mod prewarm;
pub mod recall;
pub mod stored;
pub mod support;
pub mod worker;
