//! Extents: runs of contiguous blocks, and the list of them that maps a segment's page ordinals to block numbers.

/// A run of `pages` contiguous blocks from block `start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// first block
    pub start: u32,
    /// number of blocks, at least 1
    pub pages: u32,
}

/// A segment's slot or data pages in the order of their ordinals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtentList {
    extents: Vec<Extent>,
    /// ordinal after the last page of each extent
    ends: Vec<u32>,
}

impl ExtentList {
    /// Number of pages in all.
    #[must_use]
    pub fn pages(&self) -> u32 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The extents in order.
    #[must_use]
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// The block numbers of all pages, in the order of their ordinals.
    pub fn blocks(&self) -> impl Iterator<Item = u32> + '_ {
        self.extents.iter().flat_map(|extent| extent.start..extent.start + extent.pages)
    }

    /// Appends `extent`, joining it to the last one where they touch. False when the page count would overflow.
    #[must_use]
    pub fn push(&mut self, extent: Extent) -> bool {
        let Some(end) = self.pages().checked_add(extent.pages) else { return false };
        match (self.extents.last_mut(), self.ends.last_mut()) {
            (Some(last), Some(last_end)) if last.start.checked_add(last.pages) == Some(extent.start) => {
                last.pages += extent.pages;
                *last_end = end;
            }
            _ => {
                self.extents.push(extent);
                self.ends.push(end);
            }
        }
        true
    }

    /// Block number of the page with `ordinal`; `None` past the end.
    #[inline]
    #[must_use]
    pub fn block(&self, ordinal: u32) -> Option<u32> {
        let at = match self.extents.len() {
            1 => 0,
            _ => self.ends.partition_point(|&end| end <= ordinal),
        };
        self.block_in(at, ordinal)
    }

    /// As [`ExtentList::block`], for pages that are asked for in order: `last` is the extent that the page before was in, any
    /// number at first.
    #[inline]
    #[must_use]
    pub fn block_after(&self, last: &mut usize, ordinal: u32) -> Option<u32> {
        if let Some(block) = self.block_in(*last, ordinal) {
            return Some(block);
        }
        *last = self.ends.partition_point(|&end| end <= ordinal);
        self.block_in(*last, ordinal)
    }

    /// Block number of the page with `ordinal`, if it is in extent number `at`.
    #[inline]
    fn block_in(&self, at: usize, ordinal: u32) -> Option<u32> {
        let (extent, end) = (self.extents.get(at)?, self.ends.get(at)?);
        let first = end - extent.pages;
        (first..*end).contains(&ordinal).then(|| extent.start + (ordinal - first))
    }
}

/// How many pages to add to a run of `pages` that must hold at least `needed` more and may have `most` in all: at least
/// what is needed, otherwise one in `share` of what is there (4 pages once there are 8), so that the unused share is
/// bounded and the number of extents grows with the logarithm of the size; at most 8,192 pages beyond the need, so that
/// no insert pays for more than 64 MB.
#[must_use]
pub fn growth(pages: u32, needed: u32, share: u32, most: u32) -> u32 {
    let least = if pages < 8 { 1 } else { 4 };
    needed.max(least).max((pages / share).min(8192)).min(most.saturating_sub(pages))
}

/// As [`growth`], for runs that have no most but may have `most_extents`, of which they have `extents`: at least one in 16 of
/// what is there once two thirds of the extents are used.
#[must_use]
pub fn growth_by_extents(pages: u32, needed: u32, share: u32, extents: usize, most_extents: usize) -> u32 {
    let least = if 3 * extents >= 2 * most_extents { pages / 16 } else { 0 };
    growth(pages, needed, share, u32::MAX).max(least)
}

/// The blocks of a list's pages, found faster than in the list.
pub struct Blocks {
    /// those of the first pages
    first: Vec<u32>,
    /// for each [`GROUP`] pages after those the difference of block and ordinal, or [`MIXED`]
    groups: Vec<u32>,
}

/// Pages of which the blocks are remembered one by one.
const FIRST_PAGES: u32 = 1 << 15;
/// Pages that are remembered together.
const GROUP: u32 = 64;
/// Pages that do not follow one another. (No difference of others: there is no block of that number.)
const MIXED: u32 = u32::MAX;

impl Blocks {
    /// Those of `list`.
    #[must_use]
    pub fn of(list: &ExtentList) -> Self {
        let first = list.blocks().take(FIRST_PAGES as usize).collect();
        let group = |start: u32| {
            let mut last = 0;
            let mut deltas = (start..start + GROUP)
                .map(|ordinal| list.block_after(&mut last, ordinal).map_or(MIXED, |block| block.wrapping_sub(ordinal)));
            let one = deltas.next().unwrap_or(MIXED);
            if deltas.all(|other| other == one) { one } else { MIXED }
        };
        let groups = (FIRST_PAGES..list.pages()).step_by(GROUP as usize).map(group).collect();
        Self { first, groups }
    }

    /// The block of the page with `ordinal`, as `list`, of which these are the blocks, has it; `None` past the end.
    #[inline(always)]
    #[must_use]
    pub fn get(&self, ordinal: u32, list: &ExtentList) -> Option<u32> {
        match self.first.get(ordinal as usize) {
            Some(&block) => Some(block),
            None => self.get_later(ordinal, list),
        }
    }

    #[inline(never)]
    fn get_later(&self, ordinal: u32, list: &ExtentList) -> Option<u32> {
        let group = ordinal.checked_sub(FIRST_PAGES)? / GROUP;
        match self.groups.get(group as usize) {
            Some(&delta) if delta != MIXED => Some(ordinal.wrapping_add(delta)),
            Some(_) => list.block(ordinal),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn block_agrees_with_a_plain_list(runs in prop::collection::vec((0u32..3, 1u32..9), 0..20)) {
            let mut list = ExtentList::default();
            let mut plain = Vec::new();
            let mut next = 5;
            for (gap, pages) in runs {
                next += gap;
                let joined = list.push(Extent { start: next, pages });
                prop_assert!(joined);
                plain.extend(next..next + pages);
                next += pages;
            }
            prop_assert_eq!(list.pages() as usize, plain.len());
            let (mut last, mut back) = (0, usize::MAX);
            for (ordinal, block) in plain.iter().enumerate() {
                prop_assert_eq!(list.block(ordinal as u32), Some(*block));
                prop_assert_eq!(list.block_after(&mut last, ordinal as u32), Some(*block));
                let mirrored = plain.len() - 1 - ordinal;
                prop_assert_eq!(list.block_after(&mut back, mirrored as u32), Some(plain[mirrored]));
            }
            prop_assert_eq!(list.block_after(&mut last, plain.len() as u32), None);
            prop_assert_eq!(list.block(plain.len() as u32), None);
            prop_assert_eq!(list.blocks().collect::<Vec<_>>(), plain);
            prop_assert!(list.extents().windows(2).all(|w| w[0].start + w[0].pages != w[1].start));
        }
    }

    #[test]
    fn blocks_agree_with_their_list() {
        for last in [1, 7, 5_000, 40_000, 100_001] {
            let mut list = ExtentList::default();
            // the second and third lie before those of lower ordinals
            for (start, pages) in [(900_000, 30_000), (10, 1), (500, 70), (700, 9_000), (200_000, last)] {
                assert!(list.push(Extent { start, pages }));
            }
            let blocks = Blocks::of(&list);
            for ordinal in 0..list.pages() + 200 {
                assert_eq!(blocks.get(ordinal, &list), list.block(ordinal), "page {ordinal} of {}", list.pages());
            }
            assert_eq!(blocks.get(u32::MAX, &list), None);
        }
        let none = ExtentList::default();
        assert_eq!(Blocks::of(&none).get(0, &none), None);
    }

    #[test]
    fn growth_is_bounded() {
        assert_eq!(growth(0, 3, 32, 1000), 3);
        assert_eq!(growth(8, 1, 32, 1000), 4);
        assert_eq!(growth(3200, 1, 32, 10_000), 100);
        assert_eq!(growth(1 << 30, 1, 32, u32::MAX), 8192);
        assert_eq!(growth(0, 100_000, 32, 100_000), 100_000);
    }

    #[test]
    fn growth_ends_at_the_most() {
        for most in [1, 7, 8, 10, 12_373, 2_097_152] {
            let mut pages = 0;
            while pages < most {
                pages += growth(pages, 1, 32, most);
            }
            assert_eq!(pages, most);
            assert_eq!((growth(most, 1, 32, most), growth(most + 3, 1, 32, most)), (0, 0));
        }
    }

    #[test]
    fn an_overflowing_list_is_refused() {
        let mut list = ExtentList::default();
        assert!(list.push(Extent { start: 0, pages: u32::MAX }));
        assert!(!list.push(Extent { start: 7, pages: 1 }));
    }
}
