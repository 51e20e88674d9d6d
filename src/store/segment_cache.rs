//! What a backend remembers of a store: the segments and their extents.
//!
//! It is kept until the relation cache says that the relation changed. What is remembered is never wrong, only short of segments and
//! extents that were added since; a caller that misses one refreshes it.

use crate::format::page::Damage;
use crate::format::store::page::{RootPage, SegmentPage};
use crate::format::store::{Blocks, SegmentNo, SegmentTag, SlotNo};
use crate::pg::buffer;
use crate::pg::compat::FileNode;
use crate::pg::relation::Rel;
use crate::store::{check_header, damaged, raise_lacking, rootless};
use pgrx::pg_sys;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// One segment as last read.
pub struct Segment {
    /// its number
    pub no: SegmentNo,
    /// what stands for it in slot numbers
    pub tag: SegmentTag,
    /// block of its page
    pub block: u32,
    /// its page's contents
    pub page: SegmentPage,
    /// slot page where this backend looks for a free slot first
    pub(super) target: Cell<u32>,
    /// the relation cache's epoch in which the segment was found to have no free slot; 0 = never
    pub(super) full_at: Cell<u64>,
    /// the blocks of the slot pages, once one was asked for out of order
    slot_blocks: OnceCell<Blocks>,
    /// the blocks of the data pages, likewise
    data_blocks: OnceCell<Blocks>,
}

impl Segment {
    pub(super) fn new(no: SegmentNo, tag: SegmentTag, block: u32, page: SegmentPage, target: u32) -> Self {
        let (slot_blocks, data_blocks) = (OnceCell::new(), OnceCell::new());
        Self { no, tag, block, page, target: Cell::new(target), full_at: Cell::new(0), slot_blocks, data_blocks }
    }

    /// The block of slot page `ordinal`, for those who ask for many in no order; `None` past the end.
    #[inline]
    #[must_use]
    pub fn slot_block(&self, ordinal: u32) -> Option<u32> {
        let list = &self.page.slots;
        self.slot_blocks.get_or_init(|| Blocks::of(list)).get(ordinal, list)
    }

    /// The block of data page `ordinal`, as [`Segment::slot_block`].
    #[inline]
    #[must_use]
    pub fn data_block(&self, ordinal: u32) -> Option<u32> {
        let list = &self.page.data;
        self.data_blocks.get_or_init(|| Blocks::of(list)).get(ordinal, list)
    }
}

pub(super) struct Map {
    node: FileNode,
    base: Cell<u32>,
    segments: RefCell<Vec<Rc<Segment>>>,
}

thread_local! {
    static MAPS: RefCell<HashMap<u32, Rc<Map>>> = RefCell::new(HashMap::new());
    /// the store asked for last: its relation, the epoch then
    static LAST: RefCell<Option<(u32, u64, Rc<Map>)>> = const { RefCell::new(None) };
    static EPOCH: Cell<u64> = const { Cell::new(1) };
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
}

/// Goes up whenever anything remembered of relations may be out of date.
#[inline]
#[must_use]
pub fn epoch() -> u64 {
    EPOCH.get()
}

unsafe extern "C-unwind" fn invalidate(_arg: pg_sys::Datum, relid: pg_sys::Oid) {
    EPOCH.set(EPOCH.get() + 1);
    MAPS.with(|maps| {
        if let Ok(mut maps) = maps.try_borrow_mut() {
            if relid == pg_sys::InvalidOid {
                maps.clear();
            } else {
                maps.remove(&relid.to_u32());
            }
        }
    });
}

/// Has the relation cache tell us of changes. Idempotent.
pub fn watch_relation_cache() {
    if !REGISTERED.get() {
        // SAFETY: the callback neither allocates server memory nor raises errors
        unsafe { pg_sys::CacheRegisterRelcacheCallback(Some(invalidate), pg_sys::Datum::from(0)) }
        REGISTERED.set(true);
    }
}

/// Forgets the map of relation `relid`.
pub(super) fn forget(relid: pg_sys::Oid) {
    EPOCH.set(EPOCH.get() + 1);
    MAPS.with(|maps| maps.borrow_mut().remove(&relid.to_u32()));
}

/// The store of one table, over its open TOAST relation.
pub struct Store<'r> {
    pub(super) rel: Rel<'r>,
    map: Rc<Map>,
}

impl<'r> Store<'r> {
    /// The store in the TOAST relation `rel`. An error is raised when there is none ([`Store::if_any`]).
    #[must_use]
    pub fn of(rel: Rel<'r>) -> Self {
        Self::if_any(rel).unwrap_or_else(|| raise_lacking(rel))
    }

    /// Whether there is a store in the TOAST relation `rel`, sound or not ([`Store::if_any`]).
    #[must_use]
    pub fn is_in(rel: Rel<'_>) -> bool {
        !rel.is_plain_heap()
    }

    /// As [`Store::of`]; `None` when `rel` is an ordinary TOAST relation. A tool that copies a table and swaps the files
    /// leaves one behind: the table's rows hold their vectors themselves then, as a heap table's do.
    #[must_use]
    pub fn if_any(rel: Rel<'r>) -> Option<Self> {
        watch_relation_cache();
        let (relid, node) = (rel.oid().to_u32(), rel.node());
        let last = LAST.with_borrow(|last| match last {
            Some((of, at, map)) if (*of, *at) == (relid, epoch()) && map.node == node => Some(map.clone()),
            _ => None,
        });
        if let Some(map) = last {
            return Some(Self { rel, map });
        }
        if !Self::is_in(rel) {
            return None;
        }
        let known = MAPS.with_borrow(|maps| maps.get(&relid).filter(|m| m.node == node).cloned());
        let map = known.unwrap_or_else(|| {
            let map = Rc::new(Map { node, base: Cell::new(0), segments: RefCell::new(Vec::new()) });
            MAPS.with_borrow_mut(|maps| maps.insert(relid, map.clone()));
            map
        });
        let store = Self { rel, map };
        if store.map.segments.borrow().is_empty() {
            store.refresh();
        }
        if !store.map.segments.borrow().is_empty() {
            LAST.with_borrow_mut(|last| *last = Some((relid, epoch(), store.map.clone())));
        }
        Some(store)
    }

    /// Block numbers of the segments' pages, as the root page has them now.
    pub(super) fn root(&self) -> RootPage {
        if self.rel.blocks() == 0 {
            rootless(self.rel, &Damage("the relation is empty, its root page is missing".into()));
        }
        let page = buffer::read(self.rel, 0).share();
        let root = RootPage::decode(page.page());
        drop(page);
        root.unwrap_or_else(|damage| rootless(self.rel, &damage))
    }

    /// Learns of segments made since.
    pub(super) fn refresh(&self) {
        let root = self.root();
        self.map.base.set(root.base);
        let blocks = root.segments;
        let known = self.map.segments.borrow().len();
        for (no, &block) in blocks.iter().enumerate().skip(known) {
            let segment = self.read_segment(SegmentNo(no as u32), block);
            self.map.segments.borrow_mut().push(Rc::new(segment));
        }
    }

    /// Learns of everything that was added since.
    pub fn refresh_all(&self) {
        self.refresh();
        for segment in self.segments() {
            self.refresh_segment(&segment);
        }
    }

    fn read_segment(&self, no: SegmentNo, block: u32) -> Segment {
        let blocks = self.rel.blocks();
        if block >= blocks {
            damaged(self.rel, 0, &Damage(format!("block {block} of segment {} is past the end", no.0)));
        }
        let shared = buffer::read(self.rel, block).share();
        let page = SegmentPage::decode(shared.page(), no);
        drop(shared);
        let page = page.unwrap_or_else(|damage| damaged(self.rel, block, &damage));
        // the file has grown to hold an extent before the extent was entered
        let blocks = self.rel.blocks();
        let mut extents = page.slots.extents().iter().chain(page.data.extents());
        if let Some(extent) = extents.find(|extent| extent.start + extent.pages > blocks) {
            damaged(self.rel, block, &Damage(format!("the extent at block {} goes past the end", extent.start)));
        }
        let target = page.free_hint;
        Segment::new(no, no.tag(self.map.base.get()), block, page, target)
    }

    /// Reads the segment's page anew.
    pub(super) fn refresh_segment(&self, segment: &Segment) -> Rc<Segment> {
        let new = self.read_segment(segment.no, segment.block);
        new.target.set(segment.target.get());
        self.remember(new)
    }

    /// Replaces what is remembered of a segment.
    pub(super) fn remember(&self, segment: Segment) -> Rc<Segment> {
        let at = segment.no.0 as usize;
        let segment = Rc::new(segment);
        let mut segments = self.map.segments.borrow_mut();
        if at < segments.len() {
            segments[at] = segment.clone();
        } else if at == segments.len() {
            segments.push(segment.clone());
        }
        segment
    }

    /// All segments.
    #[must_use]
    pub fn segments(&self) -> Vec<Rc<Segment>> {
        self.map.segments.borrow().clone()
    }

    /// The segment that slot numbers name by `tag`, if the store has it.
    #[must_use]
    pub fn segment(&self, tag: SegmentTag) -> Option<Rc<Segment>> {
        let find = || {
            let no = tag.number(self.map.base.get());
            self.map.segments.borrow().get(no.0 as usize).filter(|segment| segment.tag == tag).cloned()
        };
        find().or_else(|| {
            self.refresh();
            find()
        })
    }

    /// The number of the segment that slot numbers name by `tag`.
    #[must_use]
    pub fn number_of(&self, tag: SegmentTag) -> SegmentNo {
        tag.number(self.map.base.get())
    }

    /// The base of the segments' tags.
    pub(super) fn base(&self) -> u32 {
        self.map.base.get()
    }

    /// The segment that `slot` lies in, covering the slot; `None` when the store has no such slot.
    #[must_use]
    pub fn segment_of(&self, slot: SlotNo) -> Option<Rc<Segment>> {
        let segment = self.segment(slot.tag())?;
        let covered = |segment: &Segment| {
            let position = slot.position();
            let geometry = &segment.page.geometry;
            position.0 < geometry.capacity
                && crate::format::store::Geometry::slot_at(position).0 < segment.page.slots.pages()
                && geometry.data_pages(position.0 + 1) <= segment.page.data.pages()
        };
        if covered(&segment) {
            return Some(segment);
        }
        let segment = self.refresh_segment(&segment);
        covered(&segment).then_some(segment)
    }

    /// The open TOAST relation.
    #[must_use]
    pub fn relation(&self) -> Rel<'r> {
        self.rel
    }

    /// Reads page `ordinal` of the list and checks that it is what `header` says.
    pub(super) fn page(
        &self,
        list: &crate::format::store::ExtentList,
        header: &crate::format::store::PageHeader,
    ) -> buffer::Pinned {
        let Some(block) = list.block(header.ordinal) else {
            let what = format!("page {} of segment {} is not in its extents", header.ordinal, header.segment.0);
            damaged(self.rel, 0, &Damage(what))
        };
        let page = buffer::read(self.rel, block);
        check_header(self.rel, block, page.page(), header);
        page
    }
}
