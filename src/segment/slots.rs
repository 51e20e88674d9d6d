//! Sets of slots, a bit each.

use super::ids::SlotNo;
use std::collections::HashMap;

/// A set of slots.
#[derive(Debug, Default)]
pub struct Slots(HashMap<u32, Vec<u64>>);

impl Slots {
    fn place(slot: SlotNo) -> (u32, usize, u64) {
        let position = slot.position().0;
        (slot.tag().0, (position / u64::BITS) as usize, 1 << (position % u64::BITS))
    }

    /// Adds one; false when it was there already.
    pub fn add(&mut self, slot: SlotNo) -> bool {
        let (tag, word, bit) = Self::place(slot);
        let words = self.0.entry(tag).or_default();
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        let is_new = words[word] & bit == 0;
        words[word] |= bit;
        is_new
    }

    /// Whether it is in the set.
    #[must_use]
    pub fn has(&self, slot: SlotNo) -> bool {
        let (tag, word, bit) = Self::place(slot);
        self.0.get(&tag).and_then(|words| words.get(word)).is_some_and(|bits| bits & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ids::{MAX_POSITIONS, Position, SegmentTag};
    use super::*;

    #[test]
    fn each_slot_is_added_once() {
        let mut slots = Slots::default();
        let some = [(0, 0), (0, 63), (0, 64), (7, 64), (1023, MAX_POSITIONS - 1)];
        let slot = |(tag, position)| SlotNo::new(SegmentTag(tag), Position(position));
        assert!(some.into_iter().all(|place| slots.add(slot(place))));
        assert!(!some.into_iter().any(|place| slots.add(slot(place))));
        assert!(some.into_iter().all(|place| slots.has(slot(place))));
        assert!(![(0, 1), (7, 0), (1023, 0), (1, 64)].into_iter().any(|place| slots.has(slot(place))));
    }
}
