//! The binary forms of vectors, equal to pgvector's: i16 dimensions, i16 zero, elements, network byte order. That of bits is
//! `bit`'s: i32 number of bits, bits.

use crate::error::{Error, Result, SqlState};
use crate::vector::element::BitByte;
use crate::vector::{ElementType, Number, not_finite};
use zerocopy::IntoBytes;

/// Bytes before the first element.
pub const WIRE_HEADER_BYTES: usize = 4;

/// What logical decoding shows, as text and in binary, in the place of a vector that it cannot read: what test_decoding says
/// of any value that is stored elsewhere. No reader takes it for a vector. An error would stop the slot for good.
pub const UNDECODABLE: &[u8] = b"unchanged-toast-datum";

/// Bytes of the binary form of a vector of `dims` dimensions.
#[must_use]
pub const fn wire_size_bytes(element: ElementType, dims: usize) -> usize {
    WIRE_HEADER_BYTES + element.bytes(dims)
}

fn invalid(element: ElementType, message: String) -> Error {
    let name = element.name();
    let elements = match element {
        ElementType::Float4 => "float4 values",
        ElementType::Half => "half floats",
        ElementType::Int8 => "bytes",
        ElementType::Bit => {
            return Error::new(SqlState::InvalidBinaryRepresentation, message)
                .hint("The binary form of a zbit is that of bit: an int32 count of bits, and the bits.");
        }
    };
    Error::new(SqlState::InvalidBinaryRepresentation, message).hint(format!(
        "The binary form of a {name} is an int16 count of dimensions, an int16 zero and that many {elements}, \
         all in network byte order."
    ))
}

/// Checks a message and returns the dimensions of the vector in it.
///
/// # Errors
/// `InvalidBinaryRepresentation` when it is truncated, oversized or malformed; as [`check_dims`].
pub fn decode_dims<E: Number>(message: &[u8]) -> Result<usize> {
    let name = E::TYPE.name();
    let Some((&[d0, d1, u0, u1], elements)) = message.split_first_chunk::<WIRE_HEADER_BYTES>() else {
        return Err(invalid(E::TYPE, format!("binary {name} is truncated: {} bytes", message.len())));
    };
    let Ok(dims) = usize::try_from(i16::from_be_bytes([d0, d1])) else {
        return Err(invalid(E::TYPE, format!("binary {name} has a negative number of dimensions")));
    };
    let dims = E::TYPE.check_dims(dims)?;
    if [u0, u1] != [0, 0] {
        return Err(invalid(E::TYPE, format!("binary {name} has a value other than zero in its unused field")));
    }
    check_size(E::TYPE, dims, elements)?;
    Ok(dims)
}

fn check_size(element: ElementType, dims: usize, elements: &[u8]) -> Result<()> {
    if elements.len() == element.bytes(dims) {
        return Ok(());
    }
    let (name, len) = (element.name(), elements.len());
    let wrong = if len < element.bytes(dims) { "truncated" } else { "oversized" };
    Err(invalid(element, format!("binary {name} is {wrong}: {len} bytes of elements for {dims} dimensions")))
}

/// The bytes of an element, turned round between the machine's order and the network's.
fn turn<E>(bytes: &mut [u8]) {
    if cfg!(target_endian = "little") {
        bytes.chunks_exact_mut(size_of::<E>()).for_each(<[u8]>::reverse);
    }
}

/// Reads the elements of a message that [`decode_dims`] accepted into `out`.
///
/// # Errors
/// `DataException` for NaN and the infinities.
pub fn decode_elements<E: Number>(message: &[u8], out: &mut [E]) -> Result<()> {
    let elements = message.get(WIRE_HEADER_BYTES..).unwrap_or_default();
    let bytes = out.as_mut_bytes();
    let len = bytes.len().min(elements.len());
    bytes[..len].copy_from_slice(&elements[..len]);
    turn::<E>(bytes);
    match out.iter().map(|element| element.to_f32()).find(|element| !element.is_finite()) {
        Some(element) => Err(not_finite(E::TYPE, element.is_nan())),
        None => Ok(()),
    }
}

/// Writes the binary form of `values` into `out`, which is [`wire_size_bytes`] long.
pub fn encode<E: Number>(values: &[E], out: &mut [u8]) {
    let Some((header, elements)) = out.split_first_chunk_mut::<WIRE_HEADER_BYTES>() else { return };
    let [d0, d1] = (values.len() as i16).to_be_bytes();
    *header = [d0, d1, 0, 0];
    elements.copy_from_slice(values.as_bytes());
    turn::<E>(elements);
}

/// Checks a message and returns the bits in it, and their number.
///
/// # Errors
/// `InvalidBinaryRepresentation` when it is truncated, oversized or malformed; as [`ElementType::check_dims`].
pub fn decode_bits(message: &[u8]) -> Result<(usize, &[u8])> {
    let truncated = || invalid(ElementType::Bit, format!("binary zbit is truncated: {} bytes", message.len()));
    let (&header, bits) = message.split_first_chunk::<WIRE_HEADER_BYTES>().ok_or_else(truncated)?;
    let dims = usize::try_from(i32::from_be_bytes(header))
        .map_err(|_| invalid(ElementType::Bit, "binary zbit has a negative number of bits".into()))?;
    let dims = ElementType::Bit.check_dims(dims)?;
    check_size(ElementType::Bit, dims, bits)?;
    Ok((dims, bits))
}

/// Writes the binary form of `dims` bits into `out`, which is [`wire_size_bytes`] long.
pub fn encode_bits(dims: usize, bits: &[BitByte], out: &mut [u8]) {
    let Some((header, to)) = out.split_first_chunk_mut::<WIRE_HEADER_BYTES>() else { return };
    *header = (dims as i32).to_be_bytes();
    to.copy_from_slice(bits.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Half;
    use proptest::prelude::*;

    fn decode(message: &[u8]) -> Result<Vec<f32>> {
        let mut out = vec![0.0; decode_dims::<f32>(message)?];
        decode_elements(message, &mut out).map(|()| out)
    }

    #[test]
    fn golden_bytes() {
        let message = [0, 2, 0, 0, 0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0];
        let mut out = [0xff; 12];
        encode(&[1.0f32, -2.5], &mut out);
        assert_eq!(out, message);
        assert_eq!(decode(&message), Ok(vec![1.0, -2.5]));
    }

    #[test]
    fn golden_bytes_of_other_elements() {
        let message = [0, 2, 0, 0, 0x3c, 0, 0xc1, 0];
        let mut halves = [Half(0); 2];
        assert_eq!(decode_dims::<Half>(&message), Ok(2));
        decode_elements(&message, &mut halves).unwrap();
        assert_eq!(halves, [Half(0x3c00), Half(0xc100)]);
        let mut out = [0xff; 8];
        encode(&halves, &mut out);
        assert_eq!(out, message);
        assert!(decode_elements(&[0, 1, 0, 0, 0x7c, 0], &mut [Half(0)]).is_err());
        let message = [0, 3, 0, 0, 1, 0xff, 0x80];
        let mut bytes = [0i8; 3];
        assert_eq!(decode_dims::<i8>(&message), Ok(3));
        decode_elements(&message, &mut bytes).unwrap();
        assert_eq!(bytes, [1, -1, -128]);
        let message = [0, 0, 0, 9, 0x81, 0x80];
        assert_eq!(decode_bits(&message), Ok((9, &[0x81, 0x80][..])));
        let mut out = [0xff; 6];
        encode_bits(9, &[BitByte(0x81), BitByte(0x80)], &mut out);
        assert_eq!(out, message);
        let state = |message: &[u8]| decode_bits(message).unwrap_err().state;
        for bad in [&message[..5], &message[..3], &[0xff, 0xff, 0xff, 0xff], &[0, 0, 0, 8, 1, 1]] {
            assert_eq!(state(bad), SqlState::InvalidBinaryRepresentation);
        }
        assert_eq!(state(&[0, 0, 0, 0]), SqlState::DataException);
        assert_eq!(state(&[0x7f, 0, 0, 0]), SqlState::ProgramLimitExceeded);
    }

    #[test]
    fn what_cannot_be_decoded_is_no_vector() {
        assert!(decode(UNDECODABLE).is_err());
        assert!(crate::vector::text::parse::<f32>(UNDECODABLE).is_err());
    }

    #[test]
    fn refusals() {
        let good = [0, 2, 0, 0, 0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0];
        let state = |message: &[u8]| decode(message).unwrap_err().state;
        for end in 0..good.len() {
            assert_eq!(state(&good[..end]), SqlState::InvalidBinaryRepresentation, "{end} bytes");
        }
        assert_eq!(state(&[&good[..], &[0]].concat()), SqlState::InvalidBinaryRepresentation);
        assert_eq!(state(&[0xff, 0xff, 0, 0]), SqlState::InvalidBinaryRepresentation);
        assert_eq!(state(&[0, 1, 0, 1, 0, 0, 0, 0]), SqlState::InvalidBinaryRepresentation);
        assert_eq!(state(&[0, 0, 0, 0]), SqlState::DataException);
        assert_eq!(state(&[0x3e, 0x81, 0, 0]), SqlState::ProgramLimitExceeded);
        assert_eq!(state(&[0, 1, 0, 0, 0x7f, 0xc0, 0, 0]), SqlState::DataException);
        assert_eq!(state(&[0, 1, 0, 0, 0x7f, 0x80, 0, 0]), SqlState::DataException);
    }

    proptest! {
        #[test]
        fn round_trip(values in proptest::collection::vec(any::<f32>().prop_filter("finite", |v| v.is_finite()), 1..50)) {
            let mut message = vec![0xff; wire_size_bytes(ElementType::Float4, values.len())];
            encode(&values, &mut message);
            let back = decode(&message).unwrap();
            prop_assert!(back.iter().map(|v| v.to_bits()).eq(values.iter().map(|v| v.to_bits())));
        }

        #[test]
        fn any_bytes_are_read_or_refused(message in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(values) = decode(&message) {
                prop_assert!(values.iter().all(|v| v.is_finite()));
            }
        }
    }
}
