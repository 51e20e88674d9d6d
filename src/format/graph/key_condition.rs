//! Conditions on keys of included columns, tested a page at a time.
//!
//! What passes is a superset of the rows that satisfy the condition from which it was made: see [`crate::format::graph::included`].

use crate::distance::keys::add_within;
use crate::format::graph::included::{ANY, GREATEST, IncludedShape, LEAST, NONE, NULL, key};
use crate::format::page::PageBytes;

/// Which keys pass: ranges with both ends, ascending, that do not touch. [`ANY`] passes always, [`NONE`] never.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRanges(Vec<(u64, u64)>);

impl KeyRanges {
    /// No key.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// NULL alone.
    #[must_use]
    pub fn null() -> Self {
        Self(vec![(NULL, NULL)])
    }

    /// Every value.
    #[must_use]
    pub fn not_null() -> Self {
        Self(vec![(LEAST, GREATEST)])
    }

    /// The values from one rank to another, both included ([`key`]).
    #[must_use]
    pub fn between(first: u64, last: u64) -> Self {
        if first > last { Self::none() } else { Self(vec![(key(first), key(last))]) }
    }

    /// The values of these ranks.
    #[must_use]
    pub fn of(ranks: impl IntoIterator<Item = u64>) -> Self {
        Self(ranks.into_iter().map(|rank| (key(rank), key(rank))).collect()).in_order()
    }

    /// The values of all ranks but these, where each rank has a key of its own but for those at either end.
    #[must_use]
    pub fn but(ranks: impl IntoIterator<Item = u64>) -> Self {
        // a key of several values stays
        let mut without: Vec<u64> = ranks.into_iter().filter(|rank| (LEAST + 1..GREATEST).contains(rank)).collect();
        without.sort_unstable();
        let mut left = Self::none();
        let mut first = LEAST;
        for rank in without {
            if first < rank {
                left.0.push((first, rank - 1));
            }
            first = rank + 1;
        }
        left.0.push((first, GREATEST));
        left
    }

    /// What is in either.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self.in_order()
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        let (mut i, mut j, mut both) = (0, 0, Vec::new());
        while let (Some(&(first, last)), Some(&(other_first, other_last))) = (self.0.get(i), other.0.get(j)) {
            let (from, to) = (first.max(other_first), last.min(other_last));
            if from <= to {
                both.push((from, to));
            }
            if last <= other_last { i += 1 } else { j += 1 }
        }
        Self(both)
    }

    fn in_order(mut self) -> Self {
        self.0.sort_unstable();
        self.0.dedup_by(|next, known| {
            let touches = next.0 <= known.1.saturating_add(1);
            if touches {
                known.1 = known.1.max(next.1);
            }
            touches
        });
        self
    }

    /// Whether no key passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a key passes.
    #[inline]
    #[must_use]
    pub fn has(&self, key: u64) -> bool {
        if let [(first, last)] = self.0[..] {
            return (first..=last).contains(&key) || key == ANY;
        }
        let at = self.0.partition_point(|range| range.1 < key);
        key == ANY || self.0.get(at).is_some_and(|range| range.0 <= key)
    }

    /// Those that have keys from `least` to `greatest`.
    fn within(&self, (least, greatest): (u64, u64)) -> &[(u64, u64)] {
        let start = self.0.partition_point(|range| range.1 < least);
        let end = self.0.partition_point(|range| range.0 <= greatest);
        self.0.get(start..end).unwrap_or_default()
    }
}

/// Words of a set of a page's positions.
pub const WORDS: usize = IncludedShape::MOST_PER_PAGE.div_ceil(64);
/// A set of a page's positions.
pub type Places = [u64; WORDS];

/// A condition on a row's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// on the key of one column
    Column(usize, KeyRanges),
    /// all of them hold; of none, every row
    All(Vec<Condition>),
    /// one of them holds; of none, no row
    Any(Vec<Condition>),
}

/// So many ranges are compared with each key one after the other; more are searched.
const FEW: usize = 4;

impl Condition {
    /// Whether it is known that nothing passes.
    #[must_use]
    pub fn is_never(&self) -> bool {
        match self {
            Self::Column(_, ranges) => ranges.is_empty(),
            Self::All(all) => all.iter().any(Self::is_never),
            Self::Any(any) => any.iter().all(Self::is_never),
        }
    }

    /// Whether the keys of a row pass.
    #[inline]
    #[must_use]
    pub fn holds(&self, keys: &[u64]) -> bool {
        match self {
            Self::Column(column, ranges) => ranges.has(keys[*column]),
            _ => self.all_hold(keys),
        }
    }

    fn all_hold(&self, keys: &[u64]) -> bool {
        match self {
            Self::Column(column, ranges) => ranges.has(keys[*column]),
            Self::All(all) => all.iter().all(|condition| condition.holds(keys)),
            Self::Any(any) => any.iter().any(|condition| condition.holds(keys)),
        }
    }

    /// Whether the keys at a place of the page pass.
    #[must_use]
    pub fn holds_at(&self, shape: IncludedShape, page: &PageBytes, place: usize) -> bool {
        match self {
            Self::Column(column, ranges) => ranges.has(shape.key(page, *column, place)),
            Self::All(all) => all.iter().all(|condition| condition.holds_at(shape, page, place)),
            Self::Any(any) => any.iter().any(|condition| condition.holds_at(shape, page, place)),
        }
    }

    /// Puts the places of the page whose keys pass into `places`; false when there are none.
    pub fn test(&self, shape: IncludedShape, page: &PageBytes, places: &mut Places) -> bool {
        *places = [0; WORDS];
        match self {
            Self::Column(column, ranges) => {
                let ends = shape.ends(page, *column);
                // a key that passes always is the greatest of all
                let has_any = ends.1 == ANY;
                let few = ranges.within(ends);
                if few.is_empty() && !has_any {
                    return false;
                }
                let keys = shape.keys(page, *column);
                if few.len() <= FEW {
                    for &(first, last) in few {
                        add_within(keys, first, last - first, places);
                    }
                    if has_any {
                        add_within(keys, ANY, 0, places);
                    }
                } else {
                    search(keys, ranges, places);
                }
            }
            Self::All(all) => {
                every(shape, places);
                let mut each = [0; WORDS];
                for condition in all {
                    if !condition.test(shape, page, &mut each) {
                        *places = [0; WORDS];
                        return false;
                    }
                    places.iter_mut().zip(&each).for_each(|(places, each)| *places &= each);
                }
            }
            Self::Any(any) => {
                let mut each = [0; WORDS];
                for condition in any {
                    if condition.test(shape, page, &mut each) {
                        places.iter_mut().zip(&each).for_each(|(places, each)| *places |= each);
                    }
                }
            }
        }
        places.iter().any(|&word| word != 0)
    }
}

/// Every place of a page.
fn every(shape: IncludedShape, places: &mut Places) {
    for (i, word) in places.iter_mut().enumerate() {
        let left = (shape.per_page as usize).saturating_sub(64 * i).min(64);
        *word = if left == 64 { u64::MAX } else { (1 << left) - 1 };
    }
}

fn search(keys: &[[u8; 8]], ranges: &KeyRanges, places: &mut Places) {
    for (word, keys) in places.iter_mut().zip(keys.chunks(64)) {
        for (i, key) in keys.iter().enumerate() {
            let key = u64::from_le_bytes(*key);
            *word |= u64::from(key != NONE && ranges.has(key)) << i;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::page::PAGE_BYTES;
    use proptest::prelude::*;

    #[test]
    fn ranges_of_keys() {
        assert!(KeyRanges::between(5, 4).is_empty());
        assert_eq!(KeyRanges::between(0, 9), KeyRanges(vec![(LEAST, 9)]));
        assert_eq!(KeyRanges::of([9, 8, 5, 9, 0]), KeyRanges(vec![(LEAST, LEAST), (5, 5), (8, 9)]));
        assert_eq!(KeyRanges::of([u64::MAX]), KeyRanges(vec![(GREATEST, GREATEST)]));
        assert_eq!(KeyRanges::but([9]), KeyRanges(vec![(LEAST, 8), (10, GREATEST)]));
        assert_eq!(KeyRanges::but([10, 9, 9, 3]), KeyRanges(vec![(LEAST, LEAST), (4, 8), (11, GREATEST)]));
        assert_eq!(KeyRanges::but([]), KeyRanges::not_null());
        // keys that several values share are not left out
        for rank in [0, LEAST, GREATEST, u64::MAX] {
            assert_eq!(KeyRanges::but([rank]), KeyRanges::not_null());
        }
        let some = KeyRanges::between(10, 20).or(KeyRanges::between(30, 40));
        assert_eq!(some.clone().or(KeyRanges::between(21, 29)), KeyRanges::between(10, 40));
        assert_eq!(some.and(&KeyRanges::between(15, 35)), KeyRanges(vec![(15, 20), (30, 35)]));
        assert!(KeyRanges::null().and(&KeyRanges::not_null()).is_empty());
        assert!(KeyRanges::none().has(ANY) && !KeyRanges::not_null().has(NULL) && !KeyRanges::not_null().has(NONE));
    }

    fn ranges() -> impl Strategy<Value = KeyRanges> {
        let range = (0u64..60, 0u64..20).prop_map(|(first, length)| KeyRanges::between(first, first + length));
        let many = prop::collection::vec(0u64..60, 0..20).prop_map(KeyRanges::of);
        let one = prop_oneof![
            Just(KeyRanges::none()),
            Just(KeyRanges::null()),
            Just(KeyRanges::not_null()),
            (0u64..60).prop_map(|rank| KeyRanges::but([rank])),
            range,
            many
        ];
        (one.clone(), one, 0..3).prop_map(|(a, b, how)| match how {
            0 => a,
            1 => a.or(b),
            _ => a.and(&b),
        })
    }

    fn condition(columns: usize) -> impl Strategy<Value = Condition> {
        let leaf = (0..columns, ranges()).prop_map(|(column, ranges)| Condition::Column(column, ranges));
        leaf.prop_recursive(3, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Condition::All),
                prop::collection::vec(inner, 0..3).prop_map(Condition::Any)
            ]
        })
    }

    fn keys(columns: usize) -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(prop_oneof![Just(NULL), Just(ANY), LEAST..60], columns)
    }

    proptest! {
        #[test]
        fn pages_are_tested_as_rows_are(
            (columns, condition, rows) in (1usize..4).prop_flat_map(|columns| {
                (Just(columns), condition(columns), prop::collection::vec((0usize..300, keys(columns)), 0..200))
            })
        ) {
            let shape = IncludedShape::new(columns);
            let (mut page, mut known) = ([0; PAGE_BYTES], vec![None; shape.per_page as usize]);
            for (place, keys) in rows {
                let place = place * shape.per_page as usize / 300;
                for (at, bytes) in shape.changes(&page, place, &keys) {
                    page[at..at + bytes.len()].copy_from_slice(&bytes);
                }
                known[place] = Some(keys);
            }
            let mut places = [u64::MAX; WORDS];
            let any = condition.test(shape, &page, &mut places);
            prop_assert_eq!(any, places.iter().any(|&word| word != 0));
            prop_assert!(!(any && condition.is_never() && known.iter().flatten().flatten().all(|&key| key != ANY)));
            for place in 0..64 * WORDS {
                let passes = places[place / 64] >> (place % 64) & 1 == 1;
                match known.get(place) {
                    Some(Some(keys)) => {
                        prop_assert_eq!(passes, condition.holds(keys), "place {}", place);
                        prop_assert_eq!(passes, condition.holds_at(shape, &page, place));
                    }
                    // of no condition every place may pass
                    Some(None) => prop_assert!(!passes || condition.holds(&vec![NONE; columns])),
                    None => prop_assert!(!passes),
                }
            }
        }
    }

    #[test]
    fn all_keys_of_a_page_are_compared() {
        let keys: Vec<[u8; 8]> = (0..1017u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()).collect();
        for (first, last) in [(0, 0), (1 << 62, 3 << 62), (5, u64::MAX), (u64::MAX, u64::MAX)] {
            let mut places = [0; WORDS];
            add_within(&keys, first, last - first, &mut places);
            let passes = |i: usize| (first..=last).contains(&u64::from_le_bytes(keys[i]));
            assert!((0..64 * WORDS).all(|i| (places[i / 64] >> (i % 64) & 1 == 1) == (i < 1017 && passes(i))));
        }
    }
}
