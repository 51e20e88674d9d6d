//! The binary form of a vector, equal to pgvector's: i16 dimensions, i16 zero, f32 elements, network byte order.

use super::{check_dims, check_element};
use crate::error::{Error, Result, SqlState};

/// Bytes before the first element.
pub const WIRE_HEADER_BYTES: usize = 4;

/// What logical decoding shows, as text and in binary, in the place of a vector that it cannot read: what test_decoding says
/// of any value that is stored elsewhere. No reader takes it for a vector. An error would stop the slot for good.
pub const UNDECODABLE: &[u8] = b"unchanged-toast-datum";

/// Bytes of the binary form of a vector of `dims` dimensions.
pub const fn wire_size_bytes(dims: usize) -> usize {
    WIRE_HEADER_BYTES + 4 * dims
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(SqlState::InvalidBinaryRepresentation, message).hint(
        "The binary form of a zvec is an int16 count of dimensions, an int16 zero and that many float4 values, \
         all in network byte order.",
    )
}

/// Checks a message and returns the dimensions of the vector in it.
///
/// # Errors
/// `InvalidBinaryRepresentation` when it is truncated, oversized or malformed; as [`check_dims`].
pub fn decode_dims(message: &[u8]) -> Result<usize> {
    let Some((&[d0, d1, u0, u1], elements)) = message.split_first_chunk::<WIRE_HEADER_BYTES>() else {
        return Err(invalid(format!("binary zvec is truncated: {} bytes", message.len())));
    };
    let Ok(dims) = usize::try_from(i16::from_be_bytes([d0, d1])) else {
        return Err(invalid("binary zvec has a negative number of dimensions"));
    };
    let dims = check_dims(dims)?;
    if [u0, u1] != [0, 0] {
        return Err(invalid("binary zvec has a value other than zero in its unused field"));
    }
    if elements.len() != 4 * dims {
        let wrong = if elements.len() < 4 * dims { "truncated" } else { "oversized" };
        return Err(invalid(format!(
            "binary zvec is {wrong}: {} bytes of elements for {dims} dimensions",
            elements.len()
        )));
    }
    Ok(dims)
}

/// Reads the elements of a message that [`decode_dims`] accepted into `out`.
///
/// # Errors
/// As [`check_element`].
pub fn decode_elements(message: &[u8], out: &mut [f32]) -> Result<()> {
    let elements = message.get(WIRE_HEADER_BYTES..).unwrap_or_default();
    for (o, &bytes) in out.iter_mut().zip(elements.as_chunks::<4>().0) {
        *o = check_element(f32::from_be_bytes(bytes))?;
    }
    Ok(())
}

/// Writes the binary form of `values` into `out`, which is [`wire_size_bytes`] long.
pub fn encode(values: &[f32], out: &mut [u8]) {
    let Some((header, elements)) = out.split_first_chunk_mut::<WIRE_HEADER_BYTES>() else { return };
    let [d0, d1] = (values.len() as i16).to_be_bytes();
    *header = [d0, d1, 0, 0];
    for (bytes, value) in elements.as_chunks_mut::<4>().0.iter_mut().zip(values) {
        *bytes = value.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(message: &[u8]) -> Result<Vec<f32>> {
        let mut out = vec![0.0; decode_dims(message)?];
        decode_elements(message, &mut out).map(|()| out)
    }

    #[test]
    fn golden_bytes() {
        let message = [0, 2, 0, 0, 0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0];
        let mut out = [0xff; 12];
        encode(&[1.0, -2.5], &mut out);
        assert_eq!(out, message);
        assert_eq!(decode(&message), Ok(vec![1.0, -2.5]));
    }

    #[test]
    fn what_cannot_be_decoded_is_no_vector() {
        assert!(decode(UNDECODABLE).is_err());
        assert!(crate::vector::text::parse(UNDECODABLE).is_err());
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
            let mut message = vec![0xff; wire_size_bytes(values.len())];
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
