//! The server's hash functions, whose results are what hash indexes and hash-partitioned tables keep.

use super::raw;

/// Hash of `bytes`, of which there are less than 2^31.
#[must_use]
pub fn hash(bytes: &[u8]) -> u32 {
    // SAFETY: the server reads that many bytes
    unsafe { raw::hash_bytes(bytes.as_ptr(), bytes.len() as i32) }
}

/// Hash of `bytes`, of which there are less than 2^31, and `seed`; with seed 0 the lower half is [`hash`].
#[must_use]
pub fn hash_extended(bytes: &[u8], seed: u64) -> u64 {
    // SAFETY: the server reads that many bytes
    unsafe { raw::hash_bytes_extended(bytes.as_ptr(), bytes.len() as i32, seed) }
}
