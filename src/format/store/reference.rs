//! The vector reference: what a row holds in place of a vector.
//!
//! To the server's row code it is a short varlena of 16 bytes in all, below every limit at which rows are toasted. A
//! vector inline as a short varlena has 5 bytes and its elements. Where that is 16 bytes, which takes 11 bytes of elements, its
//! dimensions are 11 or more, and stand where a reference has its version, which is less.

use crate::format::store::ids::{Generation, SlotNo};
use crate::vector::{ElementType, VectorShape};

/// Bytes of a reference, its 1-byte varlena header included.
pub const REFERENCE_BYTES: usize = 16;

/// First byte: a short varlena header for 16 bytes (little-endian machines).
const SHORT_HEADER: u8 = (REFERENCE_BYTES as u8) << 1 | 1;

/// Version of the layout.
const VERSION: u8 = 1;
/// Version of the layout of columns whose type is another extension's, and with the byte after it what the value has as its
/// dimensions to functions that know nothing of references: none, which no vector has.
const EMPTY_VERSION: u8 = 0;
/// The second byte of a vector inline is this at least, if it has a reference's length.
const LEAST_INLINE: u8 = 11;

/// Where the element type's number stands; zero for the first type, which was there before others were.
const ELEMENT: usize = 10;
/// Where the dimensions stand in the layout without them in front.
const EMPTY_DIMS: usize = 10;

/// The bits of a generation that a pointer has room for.
const POINTER_GENERATION: u16 = 3;

/// How a reference stands in the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// as 16 bytes
    Plain,
    /// as the pointer by which vectors travel, of 18 bytes, which has the lowest two bits of the generation: what logical
    /// decoding takes for a value that is stored elsewhere
    Pointer,
}

/// A row's reference to a stored vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// the vector's slot
    pub slot: SlotNo,
    /// the slot's generation when the reference was made; as read from a pointer, no more than its lowest two bits
    pub generation: Generation,
    /// bytes of the vector's elements
    pub bytes: u32,
    /// what the vector is; a pointer does not tell, but the slot's segment does
    pub shape: Option<VectorShape>,
    /// how it stands in the row
    pub form: Form,
}

impl Reference {
    /// The reference to the vector of that shape in a slot.
    #[must_use]
    pub fn to(slot: SlotNo, generation: Generation, shape: VectorShape, form: Form) -> Self {
        Self { slot, generation, bytes: shape.bytes() as u32, shape: Some(shape), form }
    }

    /// Whether the reference was made of that generation of its slot, as far as it remembers.
    #[inline(always)]
    #[must_use]
    pub fn is_of(&self, generation: Generation) -> bool {
        match self.form {
            Form::Plain => self.generation == generation,
            Form::Pointer => (self.generation.0 ^ generation.0) & POINTER_GENERATION == 0,
        }
    }

    /// Whether the varlena that starts with byte `first` has a reference's length and header form.
    #[inline(always)]
    #[must_use]
    pub fn has_header(first: u8) -> bool {
        first == SHORT_HEADER
    }

    /// Whether a value of a reference's length is one, of whatever version, and not a vector: by its first byte after the header.
    #[inline(always)]
    #[must_use]
    pub fn has_version(second: u8) -> bool {
        second < LEAST_INLINE
    }

    /// Whether a value's bytes after its header are a reference's, of whatever version.
    #[inline(always)]
    #[must_use]
    pub fn is_payload(payload: &[u8]) -> bool {
        payload.len() + 1 == REFERENCE_BYTES && Self::has_version(payload[0])
    }

    /// The bytes as they stand in a row, of a reference that is no pointer.
    #[must_use]
    pub fn encode(self) -> [u8; REFERENCE_BYTES] {
        debug_assert!(self.shape.is_some());
        let shape = self.shape.unwrap_or(VectorShape { element: ElementType::Float4, dims: 0 });
        let mut bytes = [0; REFERENCE_BYTES];
        bytes[0] = SHORT_HEADER;
        bytes[1] = VERSION;
        bytes[2..4].copy_from_slice(&shape.dims.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.slot.0.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.generation.0.to_le_bytes());
        bytes[ELEMENT] = match shape.element {
            ElementType::Float4 => 0,
            other => other.info().number,
        };
        bytes
    }

    /// As [`Reference::encode`], for a column whose type is another extension's: functions that know nothing of references see a
    /// vector without dimensions, and read nothing behind it.
    #[must_use]
    pub fn encode_empty(self) -> [u8; REFERENCE_BYTES] {
        let mut bytes = self.encode();
        let (dims, element) = ([bytes[2], bytes[3]], bytes[ELEMENT]);
        bytes[1..4].copy_from_slice(&[EMPTY_VERSION, 0, element]);
        bytes[EMPTY_DIMS..EMPTY_DIMS + 2].copy_from_slice(&dims);
        bytes
    }

    /// Reads a reference; `None` when the bytes are not one of a version that we know.
    #[inline]
    #[must_use]
    pub fn decode(bytes: &[u8; REFERENCE_BYTES]) -> Option<Self> {
        let (element, dims) = match bytes[..3] {
            [SHORT_HEADER, VERSION, _] => (bytes[ELEMENT], 2),
            [SHORT_HEADER, EMPTY_VERSION, 0] => (bytes[3], EMPTY_DIMS),
            _ => return None,
        };
        let element = match element {
            0 => ElementType::Float4,
            other => ElementType::of_number(other)?,
        };
        let slot = SlotNo(u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]));
        let generation = Generation(u16::from_le_bytes([bytes[8], bytes[9]]));
        let shape = VectorShape { element, dims: u16::from_le_bytes([bytes[dims], bytes[dims + 1]]) };
        Some(Self::to(slot, generation, shape, Form::Plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let shape = VectorShape::float4(784);
        let reference = Reference::to(SlotNo(0x0102_0304), Generation(0x0506), shape, Form::Plain);
        let bytes = reference.encode();
        assert_eq!(bytes, [0x21, 1, 0x10, 0x03, 4, 3, 2, 1, 6, 5, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Reference::decode(&bytes), Some(reference));
        assert_eq!(Reference::decode(&[0; 16]), None);
        let of = |shape| Reference::to(reference.slot, reference.generation, shape, Form::Plain);
        let half = of(VectorShape { element: ElementType::Half, dims: 784 });
        assert_eq!(half.encode(), [0x21, 1, 0x10, 0x03, 4, 3, 2, 1, 6, 5, 2, 0, 0, 0, 0, 0]);
        for element in ElementType::ALL {
            let reference = of(VectorShape { element, dims: 3 });
            assert_eq!(Reference::decode(&reference.encode()), Some(reference));
            assert_eq!(Reference::decode(&reference.encode_empty()), Some(reference));
        }
        // to pgvector: no dimensions
        assert_eq!(half.encode_empty(), [0x21, 0, 0, 2, 4, 3, 2, 1, 6, 5, 0x10, 0x03, 0, 0, 0, 0]);
        assert_eq!(reference.encode_empty(), [0x21, 0, 0, 0, 4, 3, 2, 1, 6, 5, 0x10, 0x03, 0, 0, 0, 0]);
        assert!(Reference::is_payload(&half.encode_empty()[1..]));
        let mut unknown = half.encode();
        unknown[ELEMENT] = 99;
        assert_eq!(Reference::decode(&unknown), None);
    }

    #[test]
    fn a_pointer_knows_two_bits_of_the_generation() {
        let of = |generation, form| Reference::to(SlotNo(1), Generation(generation), VectorShape::float4(1), form);
        assert!(of(2, Form::Pointer).is_of(Generation(6)));
        assert!(of(6, Form::Pointer).is_of(Generation(2)));
        assert!(!of(2, Form::Pointer).is_of(Generation(3)));
        assert!(!of(2, Form::Plain).is_of(Generation(6)));
        assert!(of(6, Form::Plain).is_of(Generation(6)));
    }

    #[test]
    fn no_inline_vector_is_taken_for_a_reference() {
        assert!(Reference::has_version(VERSION) && Reference::has_version(EMPTY_VERSION));
        for element in ElementType::ALL {
            for dims in 1..1000u16 {
                if 5 + element.bytes(usize::from(dims)) == REFERENCE_BYTES {
                    assert!(!Reference::has_version(dims.to_le_bytes()[0]), "{element:?} of {dims}");
                }
            }
        }
    }
}
