//! Areas: where the n-th entry of a kind lies.

use crate::format::graph::entry::{CODE_HEAD_BYTES, MAP_ENTRY_BYTES, PENDING_ENTRY_BYTES, node_bytes};
use crate::format::graph::page::GraphPageKind;
use crate::format::page::{PAGE_BYTES, PAYLOAD_BYTES, PAYLOAD_START, PageBytes};
use crate::format::store::ExtentList;
use crate::format::store::extent::growth_by_extents;
use std::ops::Range;

/// The most extents of an area, of an index without included columns and of one with them.
pub const MOST_EXTENTS: [usize; 2] = [168, 144];

/// A part of a graph that consists of pages of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// see [`GraphPageKind::Codes`]
    Codes,
    /// see [`GraphPageKind::Nodes`]
    Nodes,
    /// see [`GraphPageKind::Upper`]
    Upper,
    /// see [`GraphPageKind::Map`]
    Map,
    /// see [`GraphPageKind::Pending`]
    Pending,
    /// see [`GraphPageKind::Centroid`]
    Centroid,
    /// see [`GraphPageKind::Included`]
    Included,
}

/// How many areas there are.
pub const AREAS: usize = Area::ALL.len();

impl Area {
    /// Every area, in the order of their extent lists.
    pub const ALL: [Self; 7] =
        [Self::Codes, Self::Nodes, Self::Upper, Self::Map, Self::Pending, Self::Centroid, Self::Included];

    /// The kind of its pages.
    #[must_use]
    pub fn kind(self) -> GraphPageKind {
        match self {
            Self::Codes => GraphPageKind::Codes,
            Self::Nodes => GraphPageKind::Nodes,
            Self::Upper => GraphPageKind::Upper,
            Self::Map => GraphPageKind::Map,
            Self::Pending => GraphPageKind::Pending,
            Self::Centroid => GraphPageKind::Centroid,
            Self::Included => GraphPageKind::Included,
        }
    }
}

/// An area grows by a tenth of what is there, where it may have fewer extents by an eighth, so that it has few extents and little
/// unused space.
const SHARES: [u32; 2] = [10, 8];
/// Pages by which it grows at the most, beyond the need, while it has less than half of the extents that it may have: who adds
/// them holds up others for a few milliseconds then.
const MOST_AT_ONCE: u32 = 512;

/// How many pages an area grows by that has these extents, may have `most`, and needs `needed` pages more.
#[must_use]
pub fn growth(extents: &ExtentList, needed: u32, most: usize) -> u32 {
    let count = extents.extents().len();
    let share = SHARES[usize::from(most < MOST_EXTENTS[0])];
    let by_share = growth_by_extents(extents.pages(), needed, share, count, most);
    let is_late = most < MOST_EXTENTS[0] && 3 * count >= 2 * most;
    let by_share = by_share.max(if is_late { extents.pages() / share } else { 0 });
    if count < most / 2 { by_share.min(needed.max(MOST_AT_ONCE)) } else { by_share }
}

/// Entries of one size, as many on a page as fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// bytes of an entry
    pub entry_bytes: usize,
    /// entries on a page
    pub per_page: u32,
}

impl Shape {
    const fn new(entry_bytes: usize) -> Self {
        Self { entry_bytes, per_page: (PAYLOAD_BYTES / entry_bytes) as u32 }
    }

    /// The map's.
    pub const MAP: Self = Self::new(MAP_ENTRY_BYTES);
    /// The pending list's.
    pub const PENDING: Self = Self::new(PENDING_ENTRY_BYTES);
    /// The centroid's: one float4 a dimension.
    pub const CENTROID: Self = Self::new(4);

    /// The node area's, with `m` links above level 0.
    #[must_use]
    pub const fn nodes(m: u16) -> Self {
        Self::new(node_bytes(m))
    }

    /// The upper area's.
    #[must_use]
    pub const fn upper(m: u16) -> Self {
        Self::new(m as usize * 4)
    }

    /// Page ordinal and byte offset within the page of entry `number`.
    #[inline]
    #[must_use]
    pub fn at(&self, number: u32) -> (u32, usize) {
        let (ordinal, index) = (number / self.per_page, (number % self.per_page) as usize);
        (ordinal, PAYLOAD_START + index * self.entry_bytes)
    }

    /// Pages that `entries` take.
    #[must_use]
    pub fn pages(&self, entries: u32) -> u32 {
        entries.div_ceil(self.per_page)
    }

    /// Where the entries of a range lie, page by page.
    pub fn portions(self, entries: Range<u32>) -> impl Iterator<Item = Portion> {
        let mut first = entries.start;
        std::iter::from_fn(move || {
            let (ordinal, at) = self.at(first);
            let count =
                ((ordinal + 1) * self.per_page).min(entries.end).checked_sub(first).filter(|&count| count > 0)?;
            first += count;
            Some(Portion { ordinal, at, count: count as usize, bytes: count as usize * self.entry_bytes })
        })
    }
}

/// Entries that lie together on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portion {
    /// the page's ordinal
    pub ordinal: u32,
    /// byte offset of the first within the page
    pub at: usize,
    /// how many they are
    pub count: usize,
    /// bytes of them all
    pub bytes: usize,
}

impl Portion {
    /// Its bytes of the page.
    #[must_use]
    pub fn of<'p>(&self, page: &'p PageBytes) -> &'p [u8] {
        &page[self.at..self.at + self.bytes]
    }
}

/// Where codes lie: several whole ones on a page, or each over several pages where one is larger than a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeShape {
    /// bytes of a code
    pub code_bytes: usize,
    /// bytes from one entry to the next on a page (of an entry in all where it takes several pages)
    pub stride_bytes: usize,
    /// entries on a page; 1 where an entry takes several
    pub per_page: u32,
    /// pages of an entry
    pub pages_each: u32,
}

/// Codes start on a cache line's border of their page.
const CODES_START: usize = 64;
const CODES_PAYLOAD: usize = PAGE_BYTES - CODES_START;

impl CodeShape {
    /// The shape for codes of `code_bytes`.
    #[must_use]
    pub const fn new(code_bytes: usize) -> Self {
        let stride_bytes = (CODE_HEAD_BYTES + code_bytes).next_multiple_of(8);
        if stride_bytes <= CODES_PAYLOAD {
            Self { code_bytes, stride_bytes, per_page: (CODES_PAYLOAD / stride_bytes) as u32, pages_each: 1 }
        } else {
            let pages_each = stride_bytes.div_ceil(CODES_PAYLOAD) as u32;
            Self { code_bytes, stride_bytes, per_page: 1, pages_each }
        }
    }

    /// Page ordinal and byte offset within the page of the entry of `node`: its head, which the code follows.
    #[inline]
    #[must_use]
    pub fn at(&self, node: u32) -> (u32, usize) {
        if self.per_page == 1 {
            (node * self.pages_each, CODES_START)
        } else {
            (node / self.per_page, CODES_START + (node % self.per_page) as usize * self.stride_bytes)
        }
    }

    /// The pieces of the code of `node`: (page ordinal, byte offset within the page, byte offset in the code, bytes).
    pub fn pieces(&self, node: u32) -> impl Iterator<Item = (u32, usize, usize, usize)> + use<> {
        let (first, start) = self.at(node);
        let mut ordinal = first;
        let mut at = start + CODE_HEAD_BYTES;
        let mut done = 0;
        let total = self.code_bytes;
        std::iter::from_fn(move || {
            if done == total {
                return None;
            }
            let bytes = (PAGE_BYTES - at).min(total - done);
            let piece = (ordinal, at, done, bytes);
            (ordinal, at, done) = (ordinal + 1, CODES_START, done + bytes);
            Some(piece)
        })
    }

    /// Pages that `nodes` take.
    #[must_use]
    pub fn pages(&self, nodes: u32) -> u32 {
        nodes.div_ceil(self.per_page) * self.pages_each
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::graph::included::{IncludedColumn, IncludedShape};
    use crate::format::store::{Extent, Geometry};
    use crate::vector::{ElementType, VectorShape};

    #[test]
    fn codes_tile_without_overlap() {
        for code_bytes in [1, 3, 384, 784, 1536, 4000, 8104, 8105, 16_000] {
            let shape = CodeShape::new(code_bytes);
            let mut taken = std::collections::HashSet::new();
            for node in 0..40 {
                let (ordinal, at) = shape.at(node);
                assert!(at + CODE_HEAD_BYTES <= PAGE_BYTES);
                let mut next = 0;
                let head = (ordinal, at, 0, CODE_HEAD_BYTES);
                for (i, (ordinal, at, offset, bytes)) in std::iter::once(head).chain(shape.pieces(node)).enumerate() {
                    assert!(at >= CODES_START && at + bytes <= PAGE_BYTES && ordinal < shape.pages(node + 1));
                    if i > 0 {
                        assert_eq!(offset, next);
                        next += bytes;
                    }
                    for byte in at..at + bytes {
                        assert!(taken.insert((ordinal, byte)));
                    }
                }
                assert_eq!(next, code_bytes);
            }
        }
    }

    /// Areas that grow a page at a time, each time as a run of its own, have room for every vector that a segment can hold.
    #[test]
    fn extents_suffice_for_a_full_segment() {
        let suffice_of = |what: &str, needed: u32, most: usize| {
            let mut list = ExtentList::default();
            while list.pages() < needed {
                // never next to the one before
                let start = 2 * list.pages();
                let fits = list.push(Extent { start, pages: growth(&list, 1, most) });
                assert!(fits);
            }
            let extents = list.extents().len();
            assert!(extents <= most, "{what}: {extents} extents for {needed} pages");
        };
        let suffice = |what: &str, needed: u32| MOST_EXTENTS.map(|most| suffice_of(what, needed, most));
        for dims in (1..=16_000u16).step_by(7).chain([1601, 2009, 2681, 4041, 4096, 8105]) {
            for element in ElementType::ALL {
                let capacity = Geometry::new(VectorShape { element, dims }).capacity;
                let code_bytes = element.info().codes.code_bytes(usize::from(dims));
                suffice(&format!("codes of {dims} dimensions"), CodeShape::new(code_bytes).pages(capacity));
            }
        }
        let most = Geometry::new(VectorShape::float4(1)).capacity;
        for m in [4, 16, 128] {
            suffice(&format!("nodes with m = {m}"), Shape::nodes(m).pages(most));
            suffice(&format!("upper links with m = {m}"), Shape::upper(m).pages(most));
        }
        suffice("map", Shape::MAP.pages(most));
        for columns in 1..=IncludedColumn::MOST {
            suffice(&format!("{columns} included columns"), IncludedShape::new(columns).pages(most));
        }
    }

    #[test]
    fn entries_stay_on_their_page() {
        for shape in
            [Shape::MAP, Shape::PENDING, Shape::CENTROID, Shape::nodes(4), Shape::nodes(128), Shape::upper(128)]
        {
            for number in [0, 1, shape.per_page - 1, shape.per_page, 5 * shape.per_page + 3] {
                let (ordinal, at) = shape.at(number);
                assert!(at + shape.entry_bytes <= PAGE_BYTES && ordinal + 1 == shape.pages(number + 1));
            }
        }
    }
}
