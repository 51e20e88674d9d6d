//! Sets of slots, a bit each.

use crate::bitset::Bitset;
use crate::format::store::ids::{Position, SegmentTag, SlotNo};
use std::collections::BTreeMap;

/// A set of slots of one store.
#[derive(Debug, Default)]
pub struct SlotSet(BTreeMap<SegmentTag, Bitset>);

impl SlotSet {
    /// Adds a slot; false when it is there already.
    pub fn insert(&mut self, slot: SlotNo) -> bool {
        self.0.entry(slot.tag()).or_default().add(slot.position().0)
    }

    /// The positions of a segment, to be added to.
    pub fn of_segment(&mut self, tag: SegmentTag) -> &mut Bitset {
        self.0.entry(tag).or_default()
    }

    /// Whether the slot is there.
    #[must_use]
    pub fn contains(&self, slot: SlotNo) -> bool {
        self.0.get(&slot.tag()).is_some_and(|positions| positions.contains(slot.position().0))
    }

    /// The positions in one segment, ascending.
    #[must_use]
    pub fn of(&self, tag: SegmentTag) -> Option<Positions<'_>> {
        self.0.get(&tag).map(Positions)
    }

    /// The segments, with the positions of each, ascending.
    pub fn segments(&self) -> impl Iterator<Item = (SegmentTag, Positions<'_>)> {
        self.0.iter().map(|(&tag, positions)| (tag, Positions(positions)))
    }
}

/// Positions within one segment.
#[derive(Clone, Copy, Debug)]
pub struct Positions<'a>(&'a Bitset);

impl<'a> Positions<'a> {
    /// Each, ascending.
    pub fn iter(self) -> impl Iterator<Item = Position> + 'a {
        self.0.iter().map(Position)
    }

    /// Calls `visit` with each of a range, ascending.
    #[inline]
    pub fn each_in(self, range: std::ops::Range<u32>, mut visit: impl FnMut(Position)) {
        self.0.each_in(range, |position| visit(Position(position)));
    }

    /// How many there are.
    #[must_use]
    pub fn count(self) -> u32 {
        self.0.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_by_segment() {
        let mut set = SlotSet::default();
        let slot = |tag, position| SlotNo::new(SegmentTag(tag), Position(position));
        for (tag, position) in [(7, 300), (2, 5), (7, 1)] {
            assert!(set.insert(slot(tag, position)) && !set.insert(slot(tag, position)));
        }
        assert!(set.contains(slot(2, 5)) && !set.contains(slot(2, 300)) && !set.contains(slot(3, 5)));
        let all: Vec<_> =
            set.segments().map(|(tag, positions)| (tag.0, positions.iter().map(|p| p.0).collect())).collect();
        assert_eq!(all, [(2, vec![5]), (7, vec![1, 300])]);
        assert!(
            set.of(SegmentTag(2)).is_some_and(|positions| positions.count() == 1) && set.of(SegmentTag(3)).is_none()
        );
        assert!(set.segments().all(|(_, positions)| positions.count() as usize == positions.iter().count()));
    }
}
