//! The vector reference: what a row holds in place of a vector.
//!
//! To the server's row code it is a short varlena of 16 bytes in all, below every limit at which rows are toasted. A
//! vector stored inline as a short varlena takes 5 + 4n bytes, which is never 16, so length alone tells the two apart.

use crate::format::store::ids::{Generation, SlotNo};

/// Bytes of a reference, its 1-byte varlena header included.
pub const REFERENCE_BYTES: usize = 16;

/// First byte: a short varlena header for 16 bytes (little-endian machines).
const SHORT_HEADER: u8 = (REFERENCE_BYTES as u8) << 1 | 1;

/// Version of the layout.
const VERSION: u8 = 1;

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
    /// dimensions of the vector
    pub dims: u16,
    /// how it stands in the row
    pub form: Form,
}

impl Reference {
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

    /// The bytes as they stand in a row.
    #[must_use]
    pub fn encode(self) -> [u8; REFERENCE_BYTES] {
        let mut bytes = [0; REFERENCE_BYTES];
        bytes[0] = SHORT_HEADER;
        bytes[1] = VERSION;
        bytes[2..4].copy_from_slice(&self.dims.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.slot.0.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.generation.0.to_le_bytes());
        bytes
    }

    /// Reads a reference; `None` when the bytes are not one of a version that we know.
    #[inline]
    #[must_use]
    pub fn decode(bytes: &[u8; REFERENCE_BYTES]) -> Option<Self> {
        (bytes[0] == SHORT_HEADER && bytes[1] == VERSION).then(|| Self {
            dims: u16::from_le_bytes([bytes[2], bytes[3]]),
            slot: SlotNo(u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]])),
            generation: Generation(u16::from_le_bytes([bytes[8], bytes[9]])),
            form: Form::Plain,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let reference =
            Reference { slot: SlotNo(0x0102_0304), generation: Generation(0x0506), dims: 784, form: Form::Plain };
        let bytes = reference.encode();
        assert_eq!(bytes, [0x21, 1, 0x10, 0x03, 4, 3, 2, 1, 6, 5, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Reference::decode(&bytes), Some(reference));
        assert_eq!(Reference::decode(&[0; 16]), None);
    }

    #[test]
    fn a_pointer_knows_two_bits_of_the_generation() {
        let of = |generation, form| Reference { slot: SlotNo(1), generation: Generation(generation), dims: 1, form };
        assert!(of(2, Form::Pointer).is_of(Generation(6)));
        assert!(of(6, Form::Pointer).is_of(Generation(2)));
        assert!(!of(2, Form::Pointer).is_of(Generation(3)));
        assert!(!of(2, Form::Plain).is_of(Generation(6)));
        assert!(of(6, Form::Plain).is_of(Generation(6)));
    }

    #[test]
    fn no_inline_vector_has_a_references_length() {
        assert!((0..64).all(|n| 5 + 4 * n != REFERENCE_BYTES));
    }
}
