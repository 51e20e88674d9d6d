//! Where things lie: the arithmetic from a position to its slot's and its vector's bytes.

use crate::format::page::{PAGE_BYTES, PAYLOAD_BYTES, PAYLOAD_START};
use crate::format::store::ids::{MAX_POSITIONS, Position};
use crate::format::store::slot::SLOT_BYTES;
use crate::vector::VectorShape;
use std::ops::RangeInclusive;

/// The most data pages a segment may have (16 GiB): bounds its extent list to one page.
pub const MAX_DATA_PAGES: u32 = 1 << 21;

/// Slots on a slot page.
pub const SLOTS_PER_PAGE: usize = (PAYLOAD_BYTES - SLOT_TRAILER_BYTES) / SLOT_BYTES;

/// Bytes after the slots of a slot page.
const SLOT_TRAILER_BYTES: usize = 16;
/// Offset of what follows the slots of a slot page.
pub(super) const SLOT_TRAILER: usize = PAGE_BYTES - SLOT_TRAILER_BYTES;

const _: () = assert!(SLOTS_PER_PAGE == 339);
const _: () = assert!(PAYLOAD_START + SLOTS_PER_PAGE * SLOT_BYTES <= SLOT_TRAILER);

/// The shape of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// what its vectors are
    pub shape: VectorShape,
    /// bytes from one vector to the next
    pub stride_bytes: u32,
    /// positions it may have
    pub capacity: u32,
}

/// A part of a vector on one data page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// ordinal of the data page
    pub ordinal: u32,
    /// byte offset within the page's payload
    pub offset: usize,
    /// bytes
    pub len: usize,
}

impl Geometry {
    /// The shape of a segment of vectors of `shape`, which lie side by side without padding.
    #[must_use]
    pub fn new(shape: VectorShape) -> Self {
        let stride_bytes = shape.bytes() as u32;
        let by_pages = u64::from(MAX_DATA_PAGES) * PAYLOAD_BYTES as u64 / u64::from(stride_bytes.max(1));
        Self { shape, stride_bytes, capacity: by_pages.min(u64::from(MAX_POSITIONS)) as u32 }
    }

    /// The same shape with at most `most` positions (0 = as many as there may be).
    #[must_use]
    pub fn limited(self, most: u32) -> Self {
        if most == 0 { self } else { Self { capacity: self.capacity.min(most), ..self } }
    }

    /// Slot page (ordinal) and index on it of `position`.
    #[inline]
    #[must_use]
    pub fn slot_at(position: Position) -> (u32, usize) {
        (position.0 / SLOTS_PER_PAGE as u32, position.0 as usize % SLOTS_PER_PAGE)
    }

    /// How many slots there are on slot page `ordinal`: its last ones may lie past the capacity.
    #[must_use]
    pub fn slots_on(&self, ordinal: u32) -> usize {
        let before = u64::from(ordinal) * SLOTS_PER_PAGE as u64;
        (u64::from(self.capacity).saturating_sub(before) as usize).min(SLOTS_PER_PAGE)
    }

    /// The pieces of the vector at `position`, first to last. They cross pages between elements only, whose sizes divide that
    /// of a payload; of bits between bytes.
    #[inline]
    pub fn pieces(&self, position: Position) -> impl Iterator<Item = Piece> + use<> {
        let mut at = u64::from(position.0) * u64::from(self.stride_bytes);
        let mut left = self.stride_bytes as usize;
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let offset = (at % PAYLOAD_BYTES as u64) as usize;
            let len = left.min(PAYLOAD_BYTES - offset);
            let piece = Piece { ordinal: (at / PAYLOAD_BYTES as u64) as u32, offset, len };
            at += len as u64;
            left -= len;
            Some(piece)
        })
    }

    /// The vector at `position` as a piece, if it is one.
    #[inline(always)]
    #[must_use]
    pub fn whole(&self, position: Position) -> Option<Piece> {
        let at = u64::from(position.0) * u64::from(self.stride_bytes);
        let (ordinal, offset) = ((at / PAYLOAD_BYTES as u64) as u32, (at % PAYLOAD_BYTES as u64) as usize);
        let len = self.stride_bytes as usize;
        (offset + len <= PAYLOAD_BYTES).then_some(Piece { ordinal, offset, len })
    }

    /// Ordinals of the data pages that the vector at `position` is on.
    #[inline]
    #[must_use]
    pub fn pages(&self, position: Position) -> RangeInclusive<u32> {
        let (at, stride) = (u64::from(position.0) * u64::from(self.stride_bytes), u64::from(self.stride_bytes));
        let page = |byte: u64| (byte / PAYLOAD_BYTES as u64) as u32;
        page(at)..=page(at + stride.saturating_sub(1))
    }

    /// Data pages that `positions` vectors take.
    #[must_use]
    pub fn data_pages(&self, positions: u32) -> u32 {
        (u64::from(positions) * u64::from(self.stride_bytes)).div_ceil(PAYLOAD_BYTES as u64) as u32
    }

    /// Positions whose vectors are on the first `pages` data pages as a whole.
    #[must_use]
    pub fn positions_on(&self, pages: u32) -> u32 {
        let whole = u64::from(pages) * PAYLOAD_BYTES as u64 / u64::from(self.stride_bytes.max(1));
        whole.min(u64::from(self.capacity)) as u32
    }

    /// Slot pages that `positions` slots take.
    #[must_use]
    pub fn slot_pages(positions: u32) -> u32 {
        positions.div_ceil(SLOTS_PER_PAGE as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::ElementType;

    fn of(dims: u16) -> Geometry {
        Geometry::new(VectorShape::float4(dims))
    }

    #[test]
    fn pieces_tile_the_payloads() {
        let dims = [1, 3, 784, 1024, 2038, 2039, 16_000];
        for (dims, element) in dims.into_iter().flat_map(|dims| ElementType::ALL.map(|element| (dims, element))) {
            let geometry = Geometry::new(VectorShape { element, dims });
            let size = element.info().bits.div_ceil(8);
            let mut next = 0u64;
            for position in 0..50 {
                for piece in geometry.pieces(Position(position)) {
                    assert_eq!(u64::from(piece.ordinal) * PAYLOAD_BYTES as u64 + piece.offset as u64, next);
                    assert!(piece.len > 0 && piece.len % size == 0 && piece.offset % size == 0);
                    assert!(piece.offset + piece.len <= PAYLOAD_BYTES);
                    assert!(piece.ordinal < geometry.data_pages(position + 1));
                    next += piece.len as u64;
                }
                assert!(geometry.positions_on(geometry.data_pages(position)) >= position);
                assert!(geometry.positions_on(geometry.data_pages(position + 1) - 1) <= position);
                let pieces: Vec<Piece> = geometry.pieces(Position(position)).collect();
                let whole = pieces.first().copied().filter(|_| pieces.len() == 1);
                assert_eq!(geometry.whole(Position(position)), whole);
                let ordinals: Vec<u32> = geometry.pieces(Position(position)).map(|piece| piece.ordinal).collect();
                assert_eq!(geometry.pages(Position(position)).collect::<Vec<_>>(), ordinals);
            }
            assert_eq!(next, 50 * u64::from(geometry.stride_bytes));
        }
    }

    #[test]
    fn capacity_can_be_limited() {
        assert_eq!(of(8).limited(0), of(8));
        assert_eq!(of(8).limited(500).capacity, 500);
        assert_eq!(of(8).limited(u32::MAX), of(8));
    }

    #[test]
    fn slot_pages_hold_the_capacity() {
        for capacity in [1, 339, 340, 3390, MAX_POSITIONS] {
            let geometry = of(8).limited(capacity);
            let pages = Geometry::slot_pages(capacity);
            assert_eq!((0..pages).map(|ordinal| geometry.slots_on(ordinal)).sum::<usize>(), capacity as usize);
            assert_eq!(geometry.slots_on(pages), 0);
            assert_eq!(geometry.slots_on(u32::MAX), 0);
        }
    }

    #[test]
    fn capacity_is_bounded_by_positions_and_pages() {
        assert_eq!(of(8).capacity, MAX_POSITIONS);
        let wide = of(16_000);
        assert!(wide.capacity < MAX_POSITIONS);
        assert!(wide.data_pages(wide.capacity) <= MAX_DATA_PAGES);
        assert!(wide.data_pages(wide.capacity + 1) >= MAX_DATA_PAGES);
    }
}
