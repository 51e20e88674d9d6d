//! A vector in memory: a PostgreSQL varlena. Of `zvec` and `zhalf` its bytes equal those of pgvector's `vector` and `halfvec`,
//! of `zbit` those of the server's `bit`.
//!
//! ```text
//! byte  0..4   varlena header (written by the server's rules, not here)
//!       4..6   u16 dimensions
//!       6..8   u16 unused, zero
//!       8..    elements, native byte order
//! ```
//!
//! "Payload" means everything after the varlena header. It must be 4-byte aligned.

use crate::error::{Error, Result, SqlState};
use crate::vector::{Element, ElementType, VectorShape};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of a server's 4-byte varlena header.
pub const VARHDR_BYTES: usize = 4;
/// Bytes before the first element, varlena header included.
pub const HEADER_BYTES: usize = 8;
/// What stands between the varlena header and the elements.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
struct PayloadHeader {
    dims: u16,
    unused: u16,
}
const _: () = assert!(VARHDR_BYTES + size_of::<PayloadHeader>() == HEADER_BYTES);

/// Bytes of a vector of `shape`, varlena header included.
#[inline]
#[must_use]
pub const fn size_bytes(shape: VectorShape) -> usize {
    HEADER_BYTES + shape.bytes()
}

/// The dimensions of a vector of `size_bytes` bytes, varlena header included; `None` where the size does not tell, because
/// several elements share a byte.
///
/// # Errors
/// `DataCorrupted` when no vector has that size.
#[inline(always)]
pub fn dims_of_size(element: ElementType, size_bytes: usize) -> Result<Option<usize>> {
    let bits = element.info().bits;
    match size_bytes.checked_sub(HEADER_BYTES) {
        Some(bytes) if bits < 8 && bytes > 0 => Ok(None),
        Some(bytes) if bits >= 8 && bytes % (bits / 8) == 0 => {
            element.check_dims(bytes / (bits / 8)).map(Some).map_err(|_| corrupted(element))
        }
        _ => Err(corrupted(element)),
    }
}

/// The shape of the vector of elements `element` with this payload; `None` when its size is not that of its dimensions.
#[inline]
#[must_use]
pub fn shape(element: ElementType, payload: &[u8]) -> Option<VectorShape> {
    let (header, rest) = PayloadHeader::read_from_prefix(payload).ok()?;
    let shape = VectorShape { element, dims: header.dims };
    (header.dims > 0 && rest.len() == shape.bytes()).then_some(shape)
}

/// The bytes of the elements of the vector with this payload.
#[inline]
#[must_use]
pub fn element_bytes(payload: &[u8]) -> &[u8] {
    payload.get(size_of::<PayloadHeader>()..).unwrap_or_default()
}

/// The dimensions and the elements of the vector with this payload.
///
/// # Errors
/// `DataCorrupted` when the bytes are not a vector, or not aligned.
#[inline]
pub fn elements<E: Element>(payload: &[u8]) -> Result<(usize, &[E])> {
    let Some(shape) = shape(E::TYPE, payload) else { return Err(corrupted(E::TYPE)) };
    match <[E]>::ref_from_bytes(element_bytes(payload)) {
        Ok(elements) => Ok((usize::from(shape.dims), elements)),
        Err(_) => Err(corrupted(E::TYPE)),
    }
}

/// Writes the header of a vector of `shape` into its payload and returns the place of the elements.
///
/// # Errors
/// As [`ElementType::check_dims`]; `Internal` when the payload is not of that size.
pub fn init_bytes(shape: VectorShape, payload: &mut [u8]) -> Result<&mut [u8]> {
    let misplaced = || {
        let name = shape.element.name();
        Error::new(SqlState::Internal, format!("a {name} needs aligned memory of its exact size"))
    };
    shape.element.check_dims(usize::from(shape.dims))?;
    let (header, rest) = payload.split_at_mut_checked(size_of::<PayloadHeader>()).ok_or_else(misplaced)?;
    if rest.len() != shape.bytes() {
        return Err(misplaced());
    }
    header.copy_from_slice(PayloadHeader { dims: shape.dims, unused: 0 }.as_bytes());
    Ok(rest)
}

/// As [`init_bytes`], of the elements themselves.
///
/// # Errors
/// As [`init_bytes`]; `Internal` when the payload is not aligned.
pub fn init<E: Element>(dims: usize, payload: &mut [u8]) -> Result<&mut [E]> {
    E::TYPE.check_dims(dims)?;
    // check_dims keeps it below u16::MAX
    let rest = init_bytes(VectorShape { element: E::TYPE, dims: dims as u16 }, payload)?;
    let misplaced = |_| Error::new(SqlState::Internal, "a vector needs aligned memory of its exact size");
    <[E]>::mut_from_bytes(rest).map_err(|error| misplaced(error.map_src(|_| ())))
}

#[cold]
fn corrupted(element: ElementType) -> Error {
    let name = element.name();
    Error::new(SqlState::DataCorrupted, format!("a stored {name} is damaged: its size does not match its dimensions"))
        .hint("Restore the row from a backup; check the storage and run zvec_check() on the table.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Half;
    use crate::vector::element::BitByte;

    #[repr(align(4))]
    struct Aligned<const N: usize>([u8; N]);

    #[test]
    fn golden_bytes() {
        let mut payload = Aligned([0xff; 12]);
        init::<f32>(2, &mut payload.0).unwrap().copy_from_slice(&[1.0, -2.5]);
        if cfg!(target_endian = "little") {
            assert_eq!(payload.0, [2, 0, 0, 0, 0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0]);
        }
        assert_eq!(elements::<f32>(&payload.0), Ok((2, &[1.0, -2.5][..])));
        assert_eq!(dims_of_size(ElementType::Float4, size_bytes(VectorShape::float4(2))), Ok(Some(2)));
        let mut payload = Aligned([0xff; 8]);
        init::<Half>(2, &mut payload.0).unwrap().copy_from_slice(&[Half(0x3c00), Half(0xc000)]);
        assert_eq!(payload.0, [2, 0, 0, 0, 0, 0x3c, 0, 0xc0]);
        let mut payload = Aligned([0xff; 7]);
        init::<i8>(3, &mut payload.0).unwrap().copy_from_slice(&[1, -1, 0]);
        assert_eq!(payload.0, [3, 0, 0, 0, 1, 0xff, 0]);
        let mut payload = Aligned([0xff; 6]);
        init::<BitByte>(9, &mut payload.0).unwrap().copy_from_slice(&[BitByte(0x81), BitByte(0x80)]);
        assert_eq!(payload.0, [9, 0, 0, 0, 0x81, 0x80]);
        assert_eq!(elements::<BitByte>(&payload.0), Ok((9, &[BitByte(0x81), BitByte(0x80)][..])));
    }

    #[test]
    fn damage_is_an_error() {
        let good = Aligned([2, 0, 0, 0, 0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0]);
        for end in 0..12 {
            assert_eq!(elements::<f32>(&good.0[..end]).unwrap_err().state, SqlState::DataCorrupted, "{end} bytes");
        }
        let mut negative = Aligned([2, 0, 0, 0, 0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0]);
        negative.0[1] = 0x80;
        assert_eq!(elements::<f32>(&negative.0).unwrap_err().state, SqlState::DataCorrupted);
        assert_eq!(elements::<f32>(&Aligned([0; 4]).0).unwrap_err().state, SqlState::DataCorrupted);
        assert_eq!(elements::<BitByte>(&Aligned([8, 0, 0, 0, 1, 1]).0).unwrap_err().state, SqlState::DataCorrupted);
        let float4 = |size| dims_of_size(ElementType::Float4, size);
        for size in [0, 7, 8, 9, 11, HEADER_BYTES + 4 * super::super::MAX_DIMS + 4] {
            assert_eq!(float4(size).unwrap_err().state, SqlState::DataCorrupted, "{size} bytes");
        }
        assert_eq!(dims_of_size(ElementType::Half, 14), Ok(Some(3)));
        assert!(dims_of_size(ElementType::Half, 13).is_err());
        assert_eq!(dims_of_size(ElementType::Bit, 13), Ok(None));
    }

    #[test]
    fn size_limits_of_new_vectors() {
        assert_eq!(init::<f32>(0, &mut Aligned([0; 4]).0).unwrap_err().state, SqlState::DataException);
        assert_eq!(init::<f32>(1, &mut Aligned([0; 9]).0).unwrap_err().state, SqlState::Internal);
    }
}
