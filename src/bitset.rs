//! Sets of small numbers, a bit each: nodes, blocks, positions of slots. `bitvec` keeps the bits.

#![forbid(unsafe_code)]

use bitvec::order::Lsb0;
use bitvec::vec::BitVec;
use std::ops::Range;
use std::sync::atomic::AtomicUsize;

/// A set of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bitset(BitVec<usize, Lsb0>);

impl Bitset {
    /// An empty set with room for the numbers below `limit`.
    #[must_use]
    pub fn below(limit: u32) -> Self {
        Self(BitVec::repeat(false, limit as usize))
    }

    /// Adds a number for which there is room; false when it is there already, or when there is none.
    #[inline]
    pub fn insert(&mut self, number: u32) -> bool {
        if number as usize >= self.0.len() {
            return false;
        }
        // searches do this for each node that they look at
        let word = &mut self.0.as_raw_mut_slice()[(number / usize::BITS) as usize];
        let bit = 1 << (number % usize::BITS);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Adds a number, making room for it; false when it is there already.
    #[inline]
    pub fn add(&mut self, number: u32) -> bool {
        let at = number as usize;
        if self.0.len() <= at {
            // in large steps, as a vector grows
            let room = (at + 1).max(self.0.len() * 2);
            self.0.resize(room, false);
        }
        self.insert(number)
    }

    /// Adds the numbers whose bits are set in `words`, the lowest bit of the first being that of `first`, making room for all.
    pub fn add_words(&mut self, first: u32, words: &[u64]) {
        const BITS: usize = usize::BITS as usize;
        const _: () = assert!(BITS == 64);
        let (start, shift) = (first as usize / BITS, first as usize % BITS);
        let end = (start + words.len() + 1) * BITS;
        if self.0.len() < end {
            self.0.resize(end.max(self.0.len() * 2), false);
        }
        let known = self.0.as_raw_mut_slice();
        for (i, &word) in words.iter().enumerate().filter(|word| *word.1 != 0) {
            known[start + i] |= (word << shift) as usize;
            // a shift by all bits would be none
            known[start + i + 1] |= (word >> 1 >> (BITS - 1 - shift)) as usize;
        }
    }

    /// Whether the number is there.
    #[inline]
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        let word = self.0.as_raw_slice().get((number / usize::BITS) as usize);
        (number as usize) < self.0.len() && word.is_some_and(|word| word & (1 << (number % usize::BITS)) != 0)
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter_ones().map(|at| at as u32)
    }

    /// Calls `visit` with the numbers of a range, ascending, a word of bits at a time.
    #[inline]
    pub fn each_in(&self, range: Range<u32>, mut visit: impl FnMut(u32)) {
        const BITS: u32 = usize::BITS;
        let end = range.end.min(self.0.len() as u32);
        let words = self.0.as_raw_slice();
        let mut start = range.start;
        while start < end {
            let first = start / BITS * BITS;
            let next = (first + BITS).min(end);
            let mut word = words[(first / BITS) as usize] & (usize::MAX << (start - first));
            if next - first < BITS {
                word &= (1 << (next - first)) - 1;
            }
            while word != 0 {
                visit(first + word.trailing_zeros());
                word &= word - 1;
            }
            start = next;
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.count_ones() as u32
    }
}

/// A set of the numbers below a limit that threads may look at while others change it. Each change is atomic; nothing orders
/// two of them.
#[derive(Debug)]
pub struct SharedBitset(BitVec<AtomicUsize, Lsb0>);

impl SharedBitset {
    /// An empty set of numbers below `limit`.
    #[must_use]
    pub fn below(limit: u32) -> Self {
        Self(BitVec::repeat(false, limit as usize))
    }

    /// Adds a number; one that is not below the limit is left out.
    #[inline]
    pub fn insert(&self, number: u32) {
        self.set(number, true);
    }

    /// Takes a number out.
    #[inline]
    pub fn remove(&self, number: u32) {
        self.set(number, false);
    }

    #[inline]
    fn set(&self, number: u32, value: bool) {
        if (number as usize) < self.0.len() {
            self.0.set_aliased(number as usize, value);
        }
    }

    /// Whether the number is there.
    #[inline]
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        self.0.get(number as usize).is_some_and(|bit| *bit)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.count_ones() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn as_a_set_of_numbers(numbers in prop::collection::vec((0u32..3000, any::<bool>()), 0..200), room in 0u32..100) {
            let (mut set, shared, mut plain) = (Bitset::below(room), SharedBitset::below(2000), BTreeSet::new());
            let mut bounded = Bitset::below(2000);
            let mut kept = BTreeSet::new();
            for (number, goes_in) in numbers {
                prop_assert_eq!(bounded.insert(number), number < 2000 && !plain.contains(&number));
                prop_assert_eq!(set.add(number), plain.insert(number));
                if goes_in {
                    shared.insert(number);
                    kept.insert(number);
                } else {
                    shared.remove(number);
                    kept.remove(&number);
                }
            }
            kept.retain(|&number| number < 2000);
            prop_assert!((0..3100).all(|number| set.contains(number) == plain.contains(&number)));
            prop_assert!((0..3100).all(|number| shared.contains(number) == kept.contains(&number)));
            prop_assert_eq!(set.count() as usize, plain.len());
            prop_assert_eq!(shared.count() as usize, kept.len());
            for range in [0..3100, 5..5, 63..130, 64..128, room..2000] {
                let mut seen = Vec::new();
                set.each_in(range.clone(), |number| seen.push(number));
                prop_assert_eq!(seen, plain.range(range).copied().collect::<Vec<_>>());
            }
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), plain.into_iter().collect::<Vec<_>>());
        }
    }

    proptest! {
        #[test]
        fn words_are_numbers(
            before in prop::collection::btree_set(0u32..900, 0..20),
            first in 0u32..900,
            words in prop::collection::vec(any::<u64>(), 0..5)
        ) {
            let mut set = Bitset::default();
            before.iter().for_each(|&number| { set.add(number); });
            set.add_words(first, &words);
            let mut plain = before;
            plain.extend((0..64 * words.len()).filter(|i| words[i / 64] >> (i % 64) & 1 == 1).map(|i| first + i as u32));
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), plain.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn threads_lose_no_bit() {
        let set = SharedBitset::below(100_000);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let set = &set;
                scope.spawn(move || (0..25_000).for_each(|number| set.insert(4 * number + thread)));
            }
        });
        assert_eq!(set.count(), 100_000);
    }
}
