//! Reading vectors through an open relation.

#![forbid(unsafe_code)]

use crate::format::page::PAYLOAD_START;
use crate::format::store::page::PageKind;
use crate::format::store::{PageHeader, SlotNo};
use crate::store::segment_cache::Store;

/// A stored vector's name and size.
#[derive(Clone, Copy, Debug)]
pub struct StoredVector {
    /// its slot
    pub slot: SlotNo,
    /// bytes of its elements
    pub bytes: u32,
}

impl Store<'_> {
    /// Hands the vector's bytes to `take`, piece by piece: (offset in the vector, bytes). False when the store has no
    /// vector of that size at that slot, or `take` said to stop by returning false.
    pub fn read(&self, vector: StoredVector, mut take: impl FnMut(usize, &[u8]) -> bool) -> bool {
        let Some(segment) = self.segment_of(vector.slot) else { return false };
        if segment.page.geometry.stride_bytes != vector.bytes {
            return false;
        }
        let mut at = 0;
        for piece in segment.page.geometry.pieces(vector.slot.position()) {
            let header = PageHeader { kind: PageKind::Data, segment: segment.no, ordinal: piece.ordinal };
            // the bytes of a stored vector do not change, so a pin is enough
            let page = self.page(&segment.page.data, &header);
            if !take(at, &page.page()[PAYLOAD_START + piece.offset..PAYLOAD_START + piece.offset + piece.len]) {
                return false;
            }
            at += piece.len;
        }
        true
    }

    /// Whether the stored vector has exactly these bytes.
    #[must_use]
    pub fn equals(&self, vector: StoredVector, bytes: &[u8]) -> bool {
        bytes.len() == vector.bytes as usize && self.read(vector, |at, piece| &bytes[at..at + piece.len()] == piece)
    }
}
