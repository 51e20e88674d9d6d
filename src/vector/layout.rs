//! A vector in memory: a PostgreSQL varlena whose bytes equal those of pgvector's `vector`.
//!
//! ```text
//! byte  0..4   varlena header (written by the server's rules, not here)
//!       4..6   i16 dimensions
//!       6..8   i16 unused, zero
//!       8..    f32 elements, native byte order
//! ```
//!
//! "Payload" means everything after the varlena header. It must be 4-byte aligned.

use crate::error::{Error, Result, SqlState};
use crate::vector::check_dims;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of a server's 4-byte varlena header.
pub const VARHDR_BYTES: usize = 4;
/// Bytes before the first element, varlena header included.
pub const HEADER_BYTES: usize = 8;
/// Bytes of an element.
pub const ELEMENT_BYTES: usize = size_of::<f32>();

/// What stands between the varlena header and the elements.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
struct PayloadHeader {
    dims: i16,
    unused: i16,
}
const _: () = assert!(VARHDR_BYTES + size_of::<PayloadHeader>() == HEADER_BYTES);

/// Bytes of a vector of `dims` dimensions, varlena header included.
#[inline]
pub const fn size_bytes(dims: usize) -> usize {
    HEADER_BYTES + dims * ELEMENT_BYTES
}

/// The dimensions of a vector of `size_bytes` bytes, varlena header included.
///
/// # Errors
/// `DataCorrupted` when no vector has that size.
pub fn dims_of_size(size_bytes: usize) -> Result<usize> {
    match size_bytes.checked_sub(HEADER_BYTES) {
        Some(bytes) if bytes % ELEMENT_BYTES == 0 => check_dims(bytes / ELEMENT_BYTES).map_err(|_| corrupted()),
        _ => Err(corrupted()),
    }
}

/// The elements of the vector with this payload.
///
/// # Errors
/// `DataCorrupted` when the bytes are not a vector, or not aligned.
#[inline]
pub fn elements(payload: &[u8]) -> Result<&[f32]> {
    let Ok((header, rest)) = PayloadHeader::ref_from_prefix(payload) else { return Err(corrupted()) };
    match <[f32]>::ref_from_bytes(rest) {
        Ok(elements) if elements.len() == header.dims as usize && !elements.is_empty() => Ok(elements),
        _ => Err(corrupted()),
    }
}

/// Writes the header of a vector into its payload and returns the place of the elements, whose number
/// follows from the payload's length.
///
/// # Errors
/// As [`check_dims`]; `Internal` when the payload is not aligned.
pub fn init(payload: &mut [u8]) -> Result<&mut [f32]> {
    let dims = check_dims(payload.len().saturating_sub(size_of::<PayloadHeader>()) / ELEMENT_BYTES)?;
    let misplaced = || Error::new(SqlState::Internal, "a zvec needs aligned memory of its exact size");
    let (header, rest) = PayloadHeader::mut_from_prefix(payload).map_err(|_| misplaced())?;
    // check_dims keeps it far below i16::MAX
    *header = PayloadHeader { dims: dims as i16, unused: 0 };
    <[f32]>::mut_from_bytes(rest).map_err(|_| misplaced())
}

#[cold]
fn corrupted() -> Error {
    Error::new(SqlState::DataCorrupted, "a stored zvec is damaged: its size does not match its dimensions")
        .hint("Restore the row from a backup; check the storage and run zvec_check() on the table.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(4))]
    struct Aligned<const N: usize>([u8; N]);

    #[test]
    fn golden_bytes() {
        let mut payload = Aligned([0xff; 12]);
        init(&mut payload.0).unwrap().copy_from_slice(&[1.0, -2.5]);
        if cfg!(target_endian = "little") {
            assert_eq!(payload.0, [2, 0, 0, 0, 0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0]);
        }
        assert_eq!(elements(&payload.0), Ok(&[1.0, -2.5][..]));
        assert_eq!(dims_of_size(size_bytes(2)), Ok(2));
    }

    #[test]
    fn damage_is_an_error() {
        let good = Aligned([2, 0, 0, 0, 0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0]);
        for end in 0..12 {
            assert_eq!(elements(&good.0[..end]).unwrap_err().state, SqlState::DataCorrupted, "{end} bytes");
        }
        let mut negative = Aligned([2, 0, 0, 0, 0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0]);
        negative.0[1] = 0x80;
        assert_eq!(elements(&negative.0).unwrap_err().state, SqlState::DataCorrupted);
        assert_eq!(elements(&Aligned([0; 4]).0).unwrap_err().state, SqlState::DataCorrupted);
        for size in [0, 7, 8, 9, 11, size_bytes(super::super::MAX_DIMS) + 4] {
            assert_eq!(dims_of_size(size).unwrap_err().state, SqlState::DataCorrupted, "{size} bytes");
        }
    }

    #[test]
    fn size_limits_of_new_vectors() {
        assert_eq!(init(&mut Aligned([0; 4]).0).unwrap_err().state, SqlState::DataException);
        assert_eq!(init(&mut Aligned([0; 9]).0).unwrap_err().state, SqlState::Internal);
    }
}
