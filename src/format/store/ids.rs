//! Numbers that name a vector: slot number = segment number (high bits) and position (low bits).

/// Bits of a slot number that hold the position within its segment.
pub const POSITION_BITS: u32 = 22;

/// The most positions a segment can have.
pub const MAX_POSITIONS: u32 = 1 << POSITION_BITS;

/// The most segments a store can have.
pub const MAX_SEGMENTS: u32 = 1 << (32 - POSITION_BITS);

/// What stands for a segment in a slot number: (the store's base + the segment's number) modulo [`MAX_SEGMENTS`]. Each
/// new store of a table starts from another base, so that a slot number that outlived its store leads nowhere, rather
/// than to another vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentTag(pub u32);

/// Number of a segment within its store, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentNo(pub u32);

/// Position of a slot within its segment, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u32);

/// A slot's number within its store; it is what a vector reference and a vector's TOAST pointer carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotNo(pub u32);

/// How often a slot was freed, modulo 2^16: whoever remembers (slot, generation) can tell that the slot has since been
/// given to another vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Generation(pub u16);

impl SlotNo {
    /// The slot at `position` of the segment with `tag`.
    ///
    /// # Panics
    /// When either is out of range: the number would be that of another segment's slot.
    #[inline]
    #[must_use]
    pub fn new(tag: SegmentTag, position: Position) -> Self {
        assert!(tag.0 < MAX_SEGMENTS && position.0 < MAX_POSITIONS, "segment or position out of range");
        Self(tag.0 << POSITION_BITS | position.0)
    }

    /// Its segment.
    #[inline]
    #[must_use]
    pub fn tag(self) -> SegmentTag {
        SegmentTag(self.0 >> POSITION_BITS)
    }

    /// Its position within the segment.
    #[inline]
    #[must_use]
    pub fn position(self) -> Position {
        Position(self.0 & (MAX_POSITIONS - 1))
    }
}

impl SegmentNo {
    /// What stands for the segment in slot numbers of a store with `base`.
    #[must_use]
    pub fn tag(self, base: u32) -> SegmentTag {
        SegmentTag((base.wrapping_add(self.0)) % MAX_SEGMENTS)
    }
}

impl SegmentTag {
    /// The segment of a store with `base`.
    #[must_use]
    pub fn number(self, base: u32) -> SegmentNo {
        SegmentNo((self.0 + MAX_SEGMENTS - base % MAX_SEGMENTS) % MAX_SEGMENTS)
    }
}

impl Generation {
    /// The generation after the slot was freed once more.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_lead_back_to_segments() {
        for base in [0, 1, 511, MAX_SEGMENTS - 1] {
            for no in [0, 1, 700, MAX_SEGMENTS - 1] {
                assert_eq!(SegmentNo(no).tag(base).number(base), SegmentNo(no));
            }
        }
        assert_ne!(SegmentNo(0).tag(5).number(6), SegmentNo(0));
    }

    #[test]
    fn slot_number_round_trip() {
        for (segment, position) in [(0, 0), (0, MAX_POSITIONS - 1), (MAX_SEGMENTS - 1, 0), (7, 4321)] {
            let slot = SlotNo::new(SegmentTag(segment), Position(position));
            assert_eq!((slot.tag().0, slot.position().0), (segment, position));
        }
        assert_eq!(SlotNo::new(SegmentTag(MAX_SEGMENTS - 1), Position(MAX_POSITIONS - 1)).0, u32::MAX);
    }

    #[test]
    #[should_panic(expected = "position")]
    fn a_position_past_the_last_names_no_slot() {
        let _ = SlotNo::new(SegmentTag(7), Position(MAX_POSITIONS));
    }
}
