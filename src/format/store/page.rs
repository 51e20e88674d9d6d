//! Layouts of the store's pages.
//!
//! Every store page is a server page whose header says that it has neither items nor free space, followed by the
//! store's own header and a payload (offsets from the page's start):
//!
//! ```text
//! 0   server page header   24
//! 24  magic      u32  "ZVEC"
//! 28  kind       u8   1 root, 2 segment, 3 slots, 4 data
//! 29  version    u8
//! 30  reserved   u16
//! 32  segment    u32  segment number (0 on the root page)
//! 36  ordinal    u32  number of the page among the segment's slot or data pages (0 on root and segment pages)
//! 40  payload    8152
//! ```

use crate::format::page;
use crate::format::page::{Damage, Fragment, PAGE_BYTES, PAYLOAD_START, PageBytes, Versions, u16_at, u32_at};
use crate::format::store::extent::{Extent, ExtentList, growth};
use crate::format::store::geometry::{Geometry, SLOT_TRAILER, SLOTS_PER_PAGE};
use crate::format::store::ids::{Generation, MAX_SEGMENTS, SegmentNo};
use crate::format::store::slot::{SLOT_BYTES, Slot};
use crate::vector::{ElementType, VectorShape};

const MAGIC: u32 = u32::from_le_bytes(*b"ZVEC");

/// What a store page is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageKind {
    /// block 0: the list of segments
    Root = 1,
    /// one segment's shape and extents
    Segment = 2,
    /// slots
    Slots = 3,
    /// vectors
    Data = 4,
}

impl PageKind {
    /// The format versions of its pages that this library reads.
    #[must_use]
    pub const fn versions(self) -> Versions {
        match self {
            Self::Root | Self::Segment | Self::Slots | Self::Data => Versions { oldest: 1, newest: 1 },
        }
    }
}

/// The store's own header of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageHeader {
    /// what the page is for
    pub kind: PageKind,
    /// its segment
    pub segment: SegmentNo,
    /// its number among the segment's pages of that kind
    pub ordinal: u32,
}

impl PageHeader {
    /// The 16 bytes from offset 24.
    #[inline]
    #[must_use]
    pub fn encode(&self) -> [u8; 16] {
        page::encode(MAGIC, self.kind as u8, self.kind.versions(), self.segment.0, self.ordinal)
    }

    /// Whether `page` is exactly the page that this header describes.
    #[inline]
    #[must_use]
    pub fn matches(&self, page: &PageBytes) -> bool {
        page::matches(page, &self.encode(), self.kind.versions())
    }

    /// `Ok` when `page` is the page that this header describes, otherwise what is wrong with it.
    ///
    /// # Errors
    /// [`Damage`] naming the first field that is off.
    pub fn check(&self, page: &PageBytes) -> Result<(), Damage> {
        page::check(page, &self.encode(), self.kind.versions(), "segment")
    }
}

/// The root page's payload: `u32` number of segments, `u32` base of their tags, then the block number of each segment's
/// page from offset 48.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootPage {
    /// base of the segments' tags
    pub base: u32,
    /// block of each segment's page
    pub segments: Vec<u32>,
}

impl RootPage {
    const COUNT: usize = PAYLOAD_START;
    /// Offset of the base.
    pub const BASE: usize = PAYLOAD_START + 4;
    const BLOCKS: usize = PAYLOAD_START + 8;
    /// Its header.
    pub const HEADER: PageHeader = PageHeader { kind: PageKind::Root, segment: SegmentNo(0), ordinal: 0 };

    /// Reads the page.
    ///
    /// # Errors
    /// [`Damage`] when it is not a sound root page.
    pub fn decode(page: &PageBytes) -> Result<Self, Damage> {
        Self::HEADER.check(page)?;
        let count = u32_at(page, Self::COUNT);
        if count > MAX_SEGMENTS {
            return Err(Damage(format!("number of segments {count} is out of range")));
        }
        let segments: Vec<u32> = (0..count as usize).map(|i| u32_at(page, Self::BLOCKS + 4 * i)).collect();
        if segments.contains(&0) {
            return Err(Damage("a segment's block number is 0".into()));
        }
        let base = u32_at(page, Self::BASE);
        if base >= MAX_SEGMENTS {
            return Err(Damage(format!("base {base} is out of range")));
        }
        Ok(Self { base, segments })
    }

    /// The base of a new store: one that follows file `file`'s number, so that stores which follow each other differ.
    #[must_use]
    pub fn base_for(file: u32) -> u32 {
        // an odd factor: different files modulo MAX_SEGMENTS give different bases, well apart
        file.wrapping_mul(619) % MAX_SEGMENTS
    }

    /// The changes that append a segment whose page is `block`, the list having `count` entries now.
    #[must_use]
    pub fn append(count: usize, block: u32) -> [Fragment; 2] {
        [
            (Self::COUNT, (count as u32 + 1).to_le_bytes().to_vec()),
            (Self::BLOCKS + 4 * count, block.to_le_bytes().to_vec()),
        ]
    }
}

const _: () = assert!(RootPage::BLOCKS + 4 * MAX_SEGMENTS as usize <= PAGE_BYTES);

/// A segment page's payload.
///
/// ```text
/// 40  attnum i16 | 42 dims u16 | 44 element type u8 | 45 reserved 3
/// 48  stride u32 | 52 capacity u32
/// 56  slot extents u16 | 58 data extents u16
/// 60  free hint u32: lowest slot page that may have a free slot (a hint, not logged)
/// 64  reserved 8
/// 72  slot extents: 360 x (start u32, pages u32)
/// 2952 data extents: 655 x (start u32, pages u32)
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentPage {
    /// column number
    pub attnum: i16,
    /// shape
    pub geometry: Geometry,
    /// where the slot pages are
    pub slots: ExtentList,
    /// where the data pages are
    pub data: ExtentList,
    /// lowest slot page that may have a free slot
    pub free_hint: u32,
}

impl SegmentPage {
    /// Offset of the free hint.
    pub const FREE_HINT: usize = 60;
    const COUNTS: usize = 56;
    const SLOT_EXTENTS: usize = 72;
    const MAX_SLOT_EXTENTS: usize = 360;
    const DATA_EXTENTS: usize = Self::SLOT_EXTENTS + 8 * Self::MAX_SLOT_EXTENTS;
    const MAX_DATA_EXTENTS: usize = 655;

    /// Header of segment `segment`'s page.
    #[must_use]
    pub fn header(segment: SegmentNo) -> PageHeader {
        PageHeader { kind: PageKind::Segment, segment, ordinal: 0 }
    }

    /// How many pages of `kind` (slots or data) to add, of which `needed` more are needed, and never more than its capacity
    /// takes: a 32nd of what is there, so that unused space stays about 3 %. While there are few extents (half of what there
    /// is room for of data's), no more than 512 at a time, for which an insert waits 5 ms.
    #[must_use]
    pub fn growth(&self, kind: PageKind, needed: u32) -> u32 {
        const SHARE: u32 = 32;
        const MOST_AT_ONCE: u32 = 512;
        const FEW_EXTENTS: usize = 320;
        let (list, most) = match kind {
            PageKind::Slots => (&self.slots, Geometry::slot_pages(self.geometry.capacity)),
            _ => (&self.data, self.geometry.data_pages(self.geometry.capacity)),
        };
        let by_share = growth(list.pages(), needed, SHARE, most);
        let few = self.slots.extents().len() + self.data.extents().len() < FEW_EXTENTS;
        if few { by_share.min(needed.max(MOST_AT_ONCE)) } else { by_share }
    }

    /// A segment without pages.
    #[must_use]
    pub fn new(attnum: i16, geometry: Geometry) -> Self {
        Self { attnum, geometry, slots: ExtentList::default(), data: ExtentList::default(), free_hint: 0 }
    }

    /// Number of slot pages whose slots may be used. A page past the capacity, which some segments have, holds none:
    /// its positions do not fit a slot number.
    #[must_use]
    pub fn slot_pages(&self) -> u32 {
        self.slots.pages().min(Geometry::slot_pages(self.geometry.capacity))
    }

    /// The fixed fields and both extent lists as changes of the page; `None` when an extent list is full.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<Fragment>> {
        let (slots, data) = (self.slots.extents(), self.data.extents());
        if slots.len() > Self::MAX_SLOT_EXTENTS || data.len() > Self::MAX_DATA_EXTENTS {
            return None;
        }
        let mut fixed = vec![0; Self::FREE_HINT - PAYLOAD_START];
        fixed[0..2].copy_from_slice(&self.attnum.to_le_bytes());
        let VectorShape { element, dims } = self.geometry.shape;
        fixed[2..4].copy_from_slice(&dims.to_le_bytes());
        fixed[4] = element.info().number;
        fixed[8..12].copy_from_slice(&self.geometry.stride_bytes.to_le_bytes());
        fixed[12..16].copy_from_slice(&self.geometry.capacity.to_le_bytes());
        fixed[16..18].copy_from_slice(&(slots.len() as u16).to_le_bytes());
        fixed[18..20].copy_from_slice(&(data.len() as u16).to_le_bytes());
        let list = |extents: &[Extent]| -> Vec<u8> {
            extents.iter().flat_map(|e| [e.start.to_le_bytes(), e.pages.to_le_bytes()].concat()).collect()
        };
        Some(vec![(PAYLOAD_START, fixed), (Self::SLOT_EXTENTS, list(slots)), (Self::DATA_EXTENTS, list(data))])
    }

    /// The changes of the page that take it from `before` to `self`, extents only growing; `None` when a list is full.
    #[must_use]
    pub fn encode_growth(&self, before: &Self) -> Option<Vec<Fragment>> {
        let mut fragments = Vec::with_capacity(3);
        let (slots, data) = (self.slots.extents(), self.data.extents());
        if slots.len() > Self::MAX_SLOT_EXTENTS || data.len() > Self::MAX_DATA_EXTENTS {
            return None;
        }
        let counts = [(slots.len() as u16).to_le_bytes(), (data.len() as u16).to_le_bytes()].concat();
        fragments.push((Self::COUNTS, counts));
        for (start, new, old) in
            [(Self::SLOT_EXTENTS, slots, before.slots.extents()), (Self::DATA_EXTENTS, data, before.data.extents())]
        {
            for (i, extent) in new.iter().enumerate().skip(old.len().saturating_sub(1)) {
                if old.get(i) != Some(extent) {
                    let bytes = [extent.start.to_le_bytes(), extent.pages.to_le_bytes()].concat();
                    fragments.push((start + 8 * i, bytes));
                }
            }
        }
        Some(fragments)
    }

    /// Reads segment `segment`'s page.
    ///
    /// # Errors
    /// [`Damage`] when it is not a sound segment page.
    pub fn decode(page: &PageBytes, segment: SegmentNo) -> Result<Self, Damage> {
        Self::header(segment).check(page)?;
        let dims = u16_at(page, 42);
        let out_of_range = || Damage("column, dimensions or element type are out of range".into());
        let element = ElementType::of_number(page[44]).ok_or_else(out_of_range)?;
        let mut decoded = Self::new(u16_at(page, 40) as i16, Geometry::new(VectorShape { element, dims }));
        let geometry = decoded.geometry;
        if dims == 0 || decoded.attnum <= 0 {
            return Err(out_of_range());
        }
        let capacity = u32_at(page, 52);
        if u32_at(page, 48) != geometry.stride_bytes || capacity == 0 || capacity > geometry.capacity {
            return Err(Damage("stride or capacity do not fit the dimensions".into()));
        }
        decoded.geometry.capacity = capacity;
        decoded.free_hint = u32_at(page, Self::FREE_HINT);
        for (list, count, max, start) in [
            (&mut decoded.slots, u16_at(page, 56), Self::MAX_SLOT_EXTENTS, Self::SLOT_EXTENTS),
            (&mut decoded.data, u16_at(page, 58), Self::MAX_DATA_EXTENTS, Self::DATA_EXTENTS),
        ] {
            if usize::from(count) > max {
                return Err(Damage(format!("number of extents {count} is out of range")));
            }
            for i in 0..usize::from(count) {
                let extent = Extent { start: u32_at(page, start + 8 * i), pages: u32_at(page, start + 8 * i + 4) };
                let sound = extent.start != 0 && extent.pages != 0 && extent.start.checked_add(extent.pages).is_some();
                if !sound || !list.push(extent) {
                    return Err(Damage(format!("extent {i} is out of range")));
                }
            }
        }
        Ok(decoded)
    }
}

const _: () = assert!(SegmentPage::DATA_EXTENTS + 8 * SegmentPage::MAX_DATA_EXTENTS <= PAGE_BYTES);

/// A slot page's payload: 339 slots, then a trailer (`u16` first index that may be free, a hint that is not logged by
/// itself; rest zero).
pub struct SlotPage;

impl SlotPage {
    /// Offset of the hint where to look for a free slot.
    pub const FIRST_FREE: usize = SLOT_TRAILER;
    /// Header of the segment's slot page `ordinal`.
    #[must_use]
    pub fn header(segment: SegmentNo, ordinal: u32) -> PageHeader {
        PageHeader { kind: PageKind::Slots, segment, ordinal }
    }

    /// Offset of slot `index`.
    #[inline]
    #[must_use]
    pub fn offset(index: usize) -> usize {
        debug_assert!(index < SLOTS_PER_PAGE);
        PAYLOAD_START + index * SLOT_BYTES
    }

    /// Slot `index`.
    #[inline]
    #[must_use]
    pub fn slot(page: &PageBytes, index: usize) -> Slot {
        // where it lies: a copy would be read before it is written as a whole, for which a processor waits
        page[Self::offset(index)..].first_chunk().map_or(Slot::free(Generation(0)), Slot::decode)
    }

    /// The hint.
    #[must_use]
    pub fn first_free(page: &PageBytes) -> usize {
        usize::from(u16_at(page, Self::FIRST_FREE)).min(SLOTS_PER_PAGE)
    }

    /// Free slots of a new page are those of zero bytes.
    #[must_use]
    pub fn zero_is_free() -> bool {
        Slot::decode(&[0; SLOT_BYTES]) == Slot::free(Generation(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::page::SERVER_HEADER_BYTES;
    use proptest::prelude::*;

    fn apply(page: &mut PageBytes, fragments: &[Fragment]) {
        for (at, bytes) in fragments {
            page[*at..at + bytes.len()].copy_from_slice(bytes);
        }
    }

    fn of(dims: u16) -> Geometry {
        Geometry::new(VectorShape::float4(dims))
    }

    /// Element types at their place; what is none of them is refused.
    #[test]
    fn element_types_round_trip() {
        for element in ElementType::ALL {
            let mut page = page_with(SegmentPage::header(SegmentNo(0)));
            let segment = SegmentPage::new(1, Geometry::new(VectorShape { element, dims: 100 }));
            apply(&mut page, &segment.encode().unwrap());
            assert_eq!(page[44], element.info().number);
            assert_eq!(SegmentPage::decode(&page, SegmentNo(0)).as_ref(), Ok(&segment));
            // the stride is another
            page[44] = element.info().number % 4 + 1;
            assert!(SegmentPage::decode(&page, SegmentNo(0)).is_err());
            for unknown in [0, 5, 255] {
                page[44] = unknown;
                assert!(SegmentPage::decode(&page, SegmentNo(0)).is_err());
            }
        }
    }

    fn page_with(header: PageHeader) -> PageBytes {
        let mut page = [0; PAGE_BYTES];
        page[SERVER_HEADER_BYTES..PAYLOAD_START].copy_from_slice(&header.encode());
        page
    }

    /// Slots and data that grow in turn, each time as a run of its own, have room for all that a segment can hold.
    #[test]
    fn extents_suffice_for_a_full_segment() {
        for dims in (1..=16_000u16).step_by(13) {
            let geometry = of(dims);
            let mut page = SegmentPage::new(1, geometry);
            let mut positions = 0u32;
            while positions < geometry.capacity {
                for kind in [PageKind::Slots, PageKind::Data] {
                    let wanted = match kind {
                        PageKind::Slots => Geometry::slot_pages(positions + 1),
                        _ => geometry.data_pages(positions + 1),
                    };
                    let have = if kind == PageKind::Slots { page.slots.pages() } else { page.data.pages() };
                    if have < wanted {
                        let pages = page.growth(kind, wanted - have);
                        // never next to the one before
                        let start = 2 * (page.slots.pages() + page.data.pages());
                        let list = if kind == PageKind::Slots { &mut page.slots } else { &mut page.data };
                        assert!(list.push(Extent { start, pages }));
                    }
                }
                let slots = u64::from(page.slots.pages()) * SLOTS_PER_PAGE as u64;
                positions = slots.min(u64::from(geometry.positions_on(page.data.pages()))) as u32;
            }
            assert!(
                page.encode().is_some(),
                "{dims} dimensions: {} and {} extents",
                page.slots.extents().len(),
                page.data.extents().len()
            );
        }
    }

    #[test]
    fn golden_header() {
        let header = SlotPage::header(SegmentNo(2), 7);
        assert_eq!(header.encode(), *b"ZVEC\x03\x01\0\0\x02\0\0\0\x07\0\0\0");
        assert!(SlotPage::zero_is_free());
    }

    #[test]
    fn header_check_names_the_field() {
        let header = SlotPage::header(SegmentNo(2), 7);
        for (at, text) in
            [(24, "magic"), (29, "version"), (28, "kind"), (32, "segment"), (36, "number"), (30, "reserved")]
        {
            let mut page = page_with(header);
            assert_eq!(header.check(&page), Ok(()));
            page[at] ^= 0x40;
            assert!(header.check(&page).unwrap_err().0.contains(text), "byte {at}");
        }
    }

    #[test]
    fn root_round_trip() {
        let mut page = page_with(RootPage::HEADER);
        assert_eq!(RootPage::decode(&page), Ok(RootPage::default()));
        for (count, block) in [(0, 5), (1, 9)] {
            apply(&mut page, &RootPage::append(count, block));
        }
        assert_eq!(RootPage::decode(&page).unwrap().segments, [5, 9]);
        assert_ne!(RootPage::base_for(16_384), RootPage::base_for(16_387));
        apply(&mut page, &[(RootPage::BASE, 7u32.to_le_bytes().to_vec())]);
        assert_eq!(RootPage::decode(&page).unwrap().base, 7);
        apply(&mut page, &[(RootPage::COUNT, u32::MAX.to_le_bytes().to_vec())]);
        assert!(RootPage::decode(&page).is_err());
    }

    proptest! {
        #[test]
        fn segment_round_trip(steps in prop::collection::vec((any::<bool>(), 1u32..1000, 1u32..100), 0..200)) {
            let mut page = page_with(SegmentPage::header(SegmentNo(3)));
            let mut segment = SegmentPage::new(4, of(784).limited(1000));
            apply(&mut page, &segment.encode().unwrap());
            let mut next = 1;
            for (data, gap, pages) in steps {
                let before = segment.clone();
                let extent = Extent { start: next + gap % 3, pages };
                next = extent.start + pages;
                let list = if data { &mut segment.data } else { &mut segment.slots };
                let pushed = list.push(extent);
                prop_assert!(pushed);
                apply(&mut page, &segment.encode_growth(&before).unwrap());
            }
            prop_assert_eq!(SegmentPage::decode(&page, SegmentNo(3)).unwrap(), segment);
        }

        #[test]
        fn damaged_segment_pages_are_refused_or_sound(at in 40usize..200, bit in 0u8..8) {
            let mut page = page_with(SegmentPage::header(SegmentNo(0)));
            let mut segment = SegmentPage::new(1, of(8));
            let slots = segment.slots.push(Extent { start: 2, pages: 1 });
            let data = segment.data.push(Extent { start: 3, pages: 1 });
            prop_assert!(slots && data);
            apply(&mut page, &segment.encode().unwrap());
            page[at] ^= 1 << bit;
            if let Ok(decoded) = SegmentPage::decode(&page, SegmentNo(0)) {
                prop_assert!(decoded.geometry.shape.dims > 0 && decoded.attnum > 0);
            }
        }
    }

    #[test]
    fn full_extent_lists_are_refused() {
        let mut segment = SegmentPage::new(1, of(8));
        for i in 0..=SegmentPage::MAX_SLOT_EXTENTS as u32 {
            assert!(segment.slots.push(Extent { start: 1 + 2 * i, pages: 1 }));
        }
        assert_eq!(segment.encode(), None);
        assert_eq!(segment.encode_growth(&SegmentPage::new(1, of(8))), None);
    }
}
