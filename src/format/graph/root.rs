//! A graph's root page.
//!
//! ```text
//! 40  segment tag u32 | 44 dims u16 | 46 code kind u8 (1 scaled, 2 own bytes, 3 bits) | 47 metric u8
//! 48  scale f32 | 52 trained u8 (centroid and scale are set) | 53 entry level u8 | 54 learned u8
//! 55  repair wanted u8 (a background worker is to take the dead out)
//! 56  nodes u32: node numbers given out | 60 free u32: first free node + 1, 0 = none | 64 free nodes u32
//! 68  entry point u32 (u32::MAX = none) | 72 upper blocks given out u32
//! 76  pending start u32 | 80 pending end u32: sequence numbers of the pending list
//! 84  layout u32: goes up with every change of the extents | 88 dead u32: dead nodes when last counted
//! 92  repairs u32: goes up when a repair begins and when it ends
//! 96  extents u16 for each of the first 6 areas
//! 108 unproven u32: nodes linked since every live node was last known to be reachable (u32::MAX = links half written)
//! 112 extents: 6 x 168 x (start u32, pages u32)
//! ```
//!
//! In version 2, of an index with included columns, there are 7 areas, of 144 extents each:
//!
//! ```text
//! 112  extents: 7 x 144 x (start u32, pages u32) | 8176 extents u16 of area 7
//! ```

use crate::distance::Metric;
use crate::format::graph::area::{AREAS, Area, CodeShape, MOST_EXTENTS, Shape};
use crate::format::graph::entry::NO_NODE;
use crate::format::graph::page::{GraphNo, GraphPageKind, Header, WITH_INCLUDED};
use crate::format::page;
use crate::format::page::{Damage, Fragment, PAGE_BYTES, PageBytes, u16_at, u32_at};
use crate::format::store::{Extent, ExtentList, SegmentTag};
use crate::vector::CodeKind;

const START: usize = 40;
const COUNTERS: usize = 48;
const LAYOUT: usize = 84;
const EXTENT_COUNTS: usize = 96;
const UNPROVEN: usize = 108;
const EXTENTS: usize = 112;

const INCLUDED_COUNT: usize = EXTENTS + AREAS * MOST_EXTENTS[1] * 8;

const _: () = assert!(EXTENTS + (AREAS - 1) * MOST_EXTENTS[0] * 8 <= PAGE_BYTES);
const _: () = assert!(INCLUDED_COUNT + 2 <= PAGE_BYTES);

/// What changes all the time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Root {
    /// factor of the codes
    pub scale: f32,
    /// whether the codes' parameters are set
    pub trained: bool,
    /// [`Root::size_mark`] of the vectors that were there when the codes' parameters were last learned or compared with what
    /// would be learned anew; 0 = unknown
    pub learned: u8,
    /// whether a background worker is to take the dead nodes out
    pub repair_wanted: bool,
    /// the entry point and its level
    pub entry: Option<(u32, u8)>,
    /// node numbers given out, free ones included
    pub nodes: u32,
    /// first free node
    pub free: Option<u32>,
    /// how many are free
    pub free_nodes: u32,
    /// upper blocks given out
    pub upper_blocks: u32,
    /// sequence number of the first pending entry
    pub pending_start: u32,
    /// sequence number after the last pending entry
    pub pending_end: u32,
    /// dead nodes when last counted
    pub dead: u32,
    /// goes up when a repair begins and when it ends
    pub repairs: u32,
    /// nodes linked since every live node was last known to be reachable; `u32::MAX` while links are half written
    pub unproven: u32,
}

impl Root {
    /// Of an empty graph.
    pub const EMPTY: Self = Self {
        scale: 1.0,
        trained: false,
        learned: 0,
        repair_wanted: false,
        entry: None,
        nodes: 0,
        free: None,
        free_nodes: 0,
        upper_blocks: 0,
        pending_start: 0,
        pending_end: 0,
        dead: 0,
        repairs: 0,
        unproven: 0,
    };

    /// Entries in the pending list.
    #[must_use]
    pub fn pending(&self) -> u32 {
        self.pending_end.wrapping_sub(self.pending_start)
    }

    /// Nodes in use.
    #[must_use]
    pub fn nodes_in_use(&self) -> u32 {
        self.nodes.saturating_sub(self.free_nodes)
    }

    /// Whether the codes' parameters were learned from so many vectors, and so large a share of them, that they are likely
    /// to suit those that have come since.
    #[must_use]
    pub fn codes_are_proven(&self) -> bool {
        const LEAST: u32 = 1000;
        const TIMES: u32 = 4;
        self.learned >= Self::size_mark(LEAST) && self.learned >= Self::size_mark(self.vectors() / TIMES)
    }

    /// Nodes in use and entries in the pending list.
    #[must_use]
    pub fn vectors(&self) -> u32 {
        self.nodes_in_use().saturating_add(self.pending())
    }

    /// A number of vectors, coarsely: goes up by 1 when they have become a fifth more (twice as many: by 4), from 1 on.
    #[must_use]
    pub fn size_mark(vectors: u32) -> u8 {
        1 + (4.0 * f64::from(vectors.max(1)).log2()) as u8
    }

    /// The bytes from offset 48 to the layout number.
    #[must_use]
    pub fn encode(&self) -> Fragment {
        let mut bytes = Vec::with_capacity(44);
        bytes.extend_from_slice(&self.scale.to_le_bytes());
        let (entry, level) = self.entry.unwrap_or((NO_NODE, 0));
        bytes.extend_from_slice(&[u8::from(self.trained), level, self.learned, u8::from(self.repair_wanted)]);
        let fields = [
            self.nodes,
            self.free.map_or(0, |node| node + 1),
            self.free_nodes,
            entry,
            self.upper_blocks,
            self.pending_start,
            self.pending_end,
        ];
        bytes.extend(fields.into_iter().flat_map(u32::to_le_bytes));
        (COUNTERS, bytes)
    }

    /// The change that notes where the pending list starts and ends.
    #[must_use]
    pub fn encode_pending(&self) -> Fragment {
        let mut bytes = self.pending_start.to_le_bytes().to_vec();
        bytes.extend_from_slice(&self.pending_end.to_le_bytes());
        (76, bytes)
    }

    /// The change that notes how many nodes are dead, and repairs.
    #[must_use]
    pub fn encode_dead(&self) -> Fragment {
        (88, [self.dead.to_le_bytes(), self.repairs.to_le_bytes()].concat())
    }

    /// The change that notes how many nodes were linked one by one.
    #[must_use]
    pub fn encode_unproven(&self) -> Fragment {
        (UNPROVEN, self.unproven.to_le_bytes().to_vec())
    }

    /// Reads the counters alone, from a page that was checked before.
    #[must_use]
    pub fn decode(page: &PageBytes) -> Self {
        let entry = u32_at(page, 68);
        Self {
            scale: f32::from_bits(u32_at(page, 48)),
            trained: page[52] == 1,
            learned: page[54],
            repair_wanted: page[55] == 1,
            entry: (entry != NO_NODE).then_some((entry, page[53])),
            nodes: u32_at(page, 56),
            free: u32_at(page, 60).checked_sub(1),
            free_nodes: u32_at(page, 64),
            upper_blocks: u32_at(page, 72),
            pending_start: u32_at(page, 76),
            pending_end: u32_at(page, 80),
            dead: u32_at(page, 88),
            repairs: u32_at(page, 92),
            unproven: u32_at(page, UNPROVEN),
        }
    }
}

/// Where the number of an area's extents is; `None` for an area that the page does not have.
fn count_at(area: usize, has_included: bool) -> Option<usize> {
    match area == Area::Included as usize {
        false => Some(EXTENT_COUNTS + 2 * area),
        true => has_included.then_some(INCLUDED_COUNT),
    }
}

/// A root page.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphRootPage {
    /// the segment whose slots the graph is over
    pub tag: SegmentTag,
    /// dimensions
    pub dims: u16,
    /// what the codes are
    pub codes: CodeKind,
    /// metric
    pub metric: Metric,
    /// counters
    pub root: Root,
    /// goes up with every change of the extents
    pub layout: u32,
    /// whether the index has included columns
    pub has_included: bool,
    /// pages of each area, in the order of [`Area::ALL`]
    pub areas: [ExtentList; AREAS],
}

impl GraphRootPage {
    /// The header of the root page of `graph`.
    #[must_use]
    pub fn header(graph: GraphNo) -> Header {
        Header { kind: GraphPageKind::Root, graph, ordinal: 0 }
    }

    /// An empty graph over the segment `tag`.
    #[must_use]
    pub fn new(tag: SegmentTag, dims: u16, codes: CodeKind, metric: Metric, has_included: bool) -> Self {
        Self { tag, dims, codes, metric, root: Root::EMPTY, layout: 1, has_included, areas: Default::default() }
    }

    /// The header of this page, that of `graph`, when it is new.
    #[must_use]
    pub fn encode_header(&self, graph: GraphNo) -> [u8; 16] {
        Self::header(graph).encode_with(self.has_included)
    }

    /// The most extents that an area may have.
    #[must_use]
    pub fn most_extents(&self) -> usize {
        MOST_EXTENTS[usize::from(self.has_included)]
    }

    /// Bytes of a code, and elements of the centroid.
    #[must_use]
    pub fn code_bytes(&self) -> usize {
        self.codes.code_bytes(usize::from(self.dims))
    }

    /// The layout number of a page that was checked before.
    #[must_use]
    pub fn layout_of(page: &PageBytes) -> u32 {
        u32_at(page, LAYOUT)
    }

    /// The pages of an area.
    #[must_use]
    pub fn area(&self, area: Area) -> &ExtentList {
        &self.areas[area as usize]
    }

    /// What a new page holds; `None` when an area has too many extents.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<Fragment>> {
        let mut fixed = Vec::with_capacity(8);
        fixed.extend_from_slice(&self.tag.0.to_le_bytes());
        fixed.extend_from_slice(&self.dims.to_le_bytes());
        fixed.extend_from_slice(&[self.codes.number(), self.metric.number()]);
        let mut fragments =
            vec![(START, fixed), self.root.encode(), self.root.encode_dead(), self.root.encode_unproven()];
        fragments.extend(self.encode_extents(None)?);
        Some(fragments)
    }

    /// The changes that bring the extents from those of `before` to these; `None` when there are too many.
    #[must_use]
    pub fn encode_growth(&self, before: &Self) -> Option<Vec<Fragment>> {
        self.encode_extents(Some(before))
    }

    fn encode_extents(&self, before: Option<&Self>) -> Option<Vec<Fragment>> {
        let mut fragments = vec![(LAYOUT, self.layout.to_le_bytes().to_vec())];
        let most = self.most_extents();
        for (i, list) in self.areas.iter().enumerate() {
            let extents = list.extents();
            if extents.len() > most {
                return None;
            }
            let Some(count_at) = count_at(i, self.has_included) else {
                if extents.is_empty() {
                    continue;
                }
                return None;
            };
            fragments.push((count_at, (extents.len() as u16).to_le_bytes().to_vec()));
            let known = before.map_or(&[][..], |page| page.areas[i].extents());
            let same = extents.iter().zip(known).take_while(|(a, b)| a == b).count();
            if same < extents.len() {
                let start = EXTENTS + (i * most + same) * 8;
                let bytes =
                    extents[same..].iter().flat_map(|e| [e.start.to_le_bytes(), e.pages.to_le_bytes()].concat());
                fragments.push((start, bytes.collect()));
            }
        }
        Some(fragments)
    }

    /// Reads the page of `graph` in an index with `m` links, of `blocks` blocks.
    ///
    /// # Errors
    /// [`Damage`] when it is not a sound root page.
    pub fn decode(page: &PageBytes, graph: GraphNo, m: u16, blocks: u32) -> Result<Self, Damage> {
        Self::header(graph).check(page)?;
        let codes = CodeKind::of_number(page[46])
            .ok_or_else(|| Damage(format!("code kind {} is not known to this version of pg_zvec", page[46])))?;
        let metric = Metric::of_number(page[47]).ok_or_else(|| Damage(format!("metric {} is not known", page[47])))?;
        let has_included = page::version(page) >= WITH_INCLUDED;
        let most = MOST_EXTENTS[usize::from(has_included)];
        let mut areas: [ExtentList; AREAS] = Default::default();
        for (i, list) in areas.iter_mut().enumerate() {
            let count = count_at(i, has_included).map_or(0, |at| usize::from(u16_at(page, at)));
            if count > most {
                return Err(Damage(format!("number of extents {count} is out of range")));
            }
            for at in (0..count).map(|k| EXTENTS + (i * most + k) * 8) {
                let extent = Extent { start: u32_at(page, at), pages: u32_at(page, at + 4) };
                let end = extent.start.checked_add(extent.pages);
                if extent.start == 0 || extent.pages == 0 || end.is_none_or(|end| end > blocks) || !list.push(extent) {
                    return Err(Damage(format!("the extent at block {} is not within the relation", extent.start)));
                }
            }
        }
        // a page that was checked as one of an area is not checked again as one of another
        let mut extents: Vec<Extent> = areas.iter().flat_map(ExtentList::extents).copied().collect();
        extents.sort_unstable_by_key(|extent| extent.start);
        if let Some(two) = extents.windows(2).find(|two| two[0].start + two[0].pages > two[1].start) {
            return Err(Damage(format!("the extents at blocks {} and {} overlap", two[0].start, two[1].start)));
        }
        let decoded = Self {
            tag: SegmentTag(u32_at(page, START)),
            dims: u16_at(page, 44),
            codes,
            metric,
            root: Root::decode(page),
            layout: u32_at(page, LAYOUT),
            has_included,
            areas,
        };
        decoded.check_counters(m)?;
        Ok(decoded)
    }

    fn check_counters(&self, m: u16) -> Result<(), Damage> {
        let root = &self.root;
        let codes = CodeShape::new(self.code_bytes());
        let centroid = Shape::CENTROID.pages(self.code_bytes() as u32);
        let has_center = self.area(Area::Centroid).pages() >= centroid;
        let covered = codes.pages(root.nodes) <= self.area(Area::Codes).pages()
            && Shape::nodes(m).pages(root.nodes) <= self.area(Area::Nodes).pages()
            && Shape::upper(m).pages(root.upper_blocks) <= self.area(Area::Upper).pages()
            && Shape::PENDING.pages(root.pending_end) <= self.area(Area::Pending).pages()
            && (!root.trained || has_center);
        let say = |what: &str| Err(Damage(what.into()));
        if self.dims == 0 || !covered {
            return say("the extents do not cover what the counters say");
        }
        if root.pending_start > root.pending_end {
            return say("the pending list ends before it starts");
        }
        if root.free_nodes > root.nodes || root.free.is_some_and(|node| node >= root.nodes) {
            return say("the free nodes are out of range");
        }
        if root.entry.is_some_and(|(node, _)| node >= root.nodes) {
            return say("the entry point is out of range");
        }
        if !root.scale.is_finite() || root.scale <= 0.0 {
            return say("the codes' scale is out of range");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_growth() {
        let mut page = [0; PAGE_BYTES];
        let graph = GraphNo(2);
        page[24..40].copy_from_slice(&GraphRootPage::header(graph).encode_with(false));
        let put = |page: &mut PageBytes, fragments: Vec<Fragment>| {
            for (at, bytes) in fragments {
                page[at..at + bytes.len()].copy_from_slice(&bytes);
            }
        };
        let mut root = GraphRootPage::new(SegmentTag(5), 784, CodeKind::Scaled, Metric::L2, false);
        put(&mut page, root.encode().unwrap());
        assert_eq!(GraphRootPage::decode(&page, graph, 16, 10).unwrap(), root);
        let before = root.clone();
        for (list, area) in root.areas.iter_mut().zip(0..6) {
            let (first, second) = (3 + 4 * area, 70 + 20 * area);
            assert!(list.push(Extent { start: first, pages: 4 }) && list.push(Extent { start: second, pages: 20 }));
        }
        root.layout += 1;
        put(&mut page, root.encode_growth(&before).unwrap());
        assert!(GraphRootPage::decode(&page, graph, 16, 189).is_err());
        assert_eq!(GraphRootPage::decode(&page, graph, 16, 190).unwrap(), root);
        root.root = Root {
            scale: 0.5,
            trained: true,
            learned: 9,
            repair_wanted: true,
            entry: Some((7, 2)),
            nodes: 40,
            free: Some(0),
            free_nodes: 1,
            upper_blocks: 3,
            pending_start: 5,
            pending_end: 9,
            dead: 6,
            repairs: 3,
            unproven: 4,
        };
        put(&mut page, vec![root.root.encode(), root.root.encode_dead(), root.root.encode_unproven()]);
        assert_eq!(GraphRootPage::decode(&page, graph, 16, 190).unwrap(), root);
        // as design/format.md has it
        assert_eq!(page[40..56], [5, 0, 0, 0, 0x10, 3, 1, 1, 0, 0, 0, 0x3f, 1, 2, 9, 1]);
        let words = |from: usize| page[from..].as_chunks::<4>().0.iter().map(|&bytes| u32::from_le_bytes(bytes));
        assert!(words(56).take(10).eq([40, 1, 1, 7, 3, 5, 9, 2, 6, 3]));
        assert_eq!(page[96..112], [2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 4, 0, 0, 0]);
        for area in 0..6u32 {
            let at = 112 + area as usize * 168 * 8;
            assert!(words(at).take(5).eq([3 + 4 * area, 4, 70 + 20 * area, 20, 0]));
        }
        // pages of two areas, of one area twice
        for (area, start) in [(1, 6), (1, 80), (2, 12), (0, 4)] {
            let mut damaged = page;
            let at = EXTENTS + area * MOST_EXTENTS[0] * 8 + usize::from(start != 6 && start != 12) * 8;
            damaged[at..at + 4].copy_from_slice(&u32::to_le_bytes(start));
            let error = GraphRootPage::decode(&damaged, graph, 16, 190).unwrap_err();
            assert!(error.0.contains("overlap"), "{error:?}");
        }
        root.root.nodes = 100_000;
        put(&mut page, vec![root.root.encode()]);
        assert!(GraphRootPage::decode(&page, graph, 16, 190).is_err());
    }

    #[test]
    fn pages_with_included_columns() {
        let mut page = [0; PAGE_BYTES];
        let graph = GraphNo(1);
        let mut root = GraphRootPage::new(SegmentTag(5), 8, CodeKind::Scaled, Metric::L2, true);
        page[24..40].copy_from_slice(&root.encode_header(graph));
        assert_eq!(page[29], 2);
        let put = |page: &mut PageBytes, fragments: Vec<Fragment>| {
            for (at, bytes) in fragments {
                page[at..at + bytes.len()].copy_from_slice(&bytes);
            }
        };
        put(&mut page, root.encode().unwrap());
        let before = root.clone();
        for (list, area) in root.areas.iter_mut().zip(0..) {
            for extent in 0..MOST_EXTENTS[1] as u32 {
                assert!(list.push(Extent { start: 1 + 1000 * area + 2 * extent, pages: 1 }));
            }
        }
        root.layout += 1;
        put(&mut page, root.encode_growth(&before).unwrap());
        assert_eq!(GraphRootPage::decode(&page, graph, 16, 9000).unwrap(), root);
        assert_eq!(page[8176..8178], [144, 0]);
        assert!(root.areas[6].push(Extent { start: 8000, pages: 1 }));
        assert_eq!(root.encode_growth(&before), None);
        // one without has no such area
        let mut plain = GraphRootPage::new(SegmentTag(5), 8, CodeKind::Scaled, Metric::L2, false);
        assert!(plain.areas[6].push(Extent { start: 8000, pages: 1 }));
        assert_eq!(plain.encode(), None);
    }
}
