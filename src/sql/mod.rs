//! What SQL calls. The install script, made of `sql/pg_zvec--0.1.0.sql` and templates by `sql/expand.sh`, declares these C
//! symbols; each has its type's name as its prefix.
//!
//! | module | duty |
//! |---|---|
//! | [`arg`] | every access to an argument of a vector type, and the distance of two arguments |
//! | [`numbers`], [`bits`], [`sparse`] | the types beside zvec: zhalf and zint8, zbit, zsparse |
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
pub mod bits;
pub mod cast;
pub mod collections;
pub mod distance;
pub mod index;
pub mod inspect;
pub mod io;
pub mod numbers;
pub mod operators;
pub mod prewarm;
pub mod recall;
pub mod sparse;
pub mod stored;
pub mod support;
pub mod worker;
