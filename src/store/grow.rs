//! New segments and more pages.
//!
//! Under the relation's extension lock, pages are added at the end of the file as ordinary empty pages; one record then
//! turns up to three of them into store pages *and* enters them in the segment's extent list. A crash in between leaves
//! ordinary empty pages, which TOAST uses; it never leaves a page that is in a list and not ours, or ours and in no list.

#![forbid(unsafe_code)]

use crate::error::{Error, SqlState};
use crate::format::store::ids::MAX_SEGMENTS;
use crate::format::store::page::{PageKind, SegmentPage};
use crate::format::store::{Extent, Geometry, PageHeader, RootPage, SegmentNo};
use crate::pg::buffer;
use crate::pg::buffer::Exclusive;
use crate::pg::error::raise;
use crate::pg::failpoint::hit;
use crate::pg::relation::ExtensionLock;
use crate::pg::settings;
use crate::pg::wal;
use crate::pg::wal::Change;
use crate::store::damaged;
use crate::store::segment_cache::{Segment, Store};
use std::rc::Rc;

impl Store<'_> {
    /// Adds empty pages. The caller holds the extension lock.
    fn add_pages(&self, count: u32) -> Vec<Exclusive> {
        let pages: Vec<_> = (0..count).map(|_| buffer::extend(self.rel)).collect();
        hit("grow.extended");
        wal::initialise(self.rel, &pages);
        pages
    }

    /// Makes a segment for column `attnum` and `dims` dimensions, unless another session just did: then that one is
    /// returned. `known` is the number of segments that the caller looked through.
    pub(super) fn create_segment(&self, attnum: i16, dims: u16, known: usize) -> Rc<Segment> {
        let lock = ExtensionLock::acquire(self.rel);
        hit("segment.begin");
        self.refresh();
        let segments = self.segments();
        let newer = segments.iter().skip(known);
        if let Some(made) = newer.into_iter().find(|s| s.page.attnum == attnum && s.page.geometry.dims == dims) {
            return made.clone();
        }
        if segments.len() >= MAX_SEGMENTS as usize {
            raise(
                Error::new(
                    SqlState::ProgramLimitExceeded,
                    format!("table has the most vector segments it can have ({MAX_SEGMENTS})"),
                )
                .hint("Declare the column's dimensions, or split the table into partitions."),
            );
        }
        let no = SegmentNo(segments.len() as u32);
        let root = buffer::read(self.rel, 0).exclusive();
        if let Err(damage) = RootPage::decode(root.page()) {
            drop(root);
            damaged(self.rel, 0, &damage);
        }
        let pages = self.add_pages(1);
        hit("segment.page");
        let block = pages[0].block();
        let page = SegmentPage::new(attnum, Geometry::new(dims).limited(settings::segment_capacity()));
        let mut on_root = Change::new(&root);
        on_root.put_all(&RootPage::append(segments.len(), block));
        let mut on_page = Change::new(&pages[0]);
        on_page.make_store_page(&SegmentPage::header(no));
        on_page.put_all(&page.encode().unwrap_or_default());
        wal::apply(self.rel, &[on_root, on_page]);
        hit("segment.entered");
        drop(root);
        wal::set_all_frozen(self.rel, &pages[0]);
        drop(pages);
        hit("segment.frozen");
        drop(lock);
        self.remember(Segment::new(no, no.tag(self.base()), block, page, 0))
    }

    /// Adds pages until the segment has at least `needed` pages of `kind` (slots or data), and never more than its
    /// capacity takes.
    pub(super) fn extend(&self, segment: &Segment, kind: PageKind, needed: u32) -> Rc<Segment> {
        let list_of = |page: &SegmentPage| match kind {
            PageKind::Slots => page.slots.pages(),
            _ => page.data.pages(),
        };
        let lock = ExtensionLock::acquire(self.rel);
        let mut now = self.refresh_segment(segment);
        let have = list_of(&now.page);
        let mut left = if have < needed { now.page.growth(kind, needed - have) } else { 0 };
        while left > 0 {
            pgrx::check_for_interrupts!();
            hit("grow.batch");
            let batch = left.min(wal::MAX_PAGES as u32 - 1);
            let segment_page = buffer::read(self.rel, now.block).exclusive();
            let mut page = now.page.clone();
            let first = list_of(&page);
            let pages = self.add_pages(batch);
            hit("grow.added");
            let list = if kind == PageKind::Slots { &mut page.slots } else { &mut page.data };
            let contiguous = pages.windows(2).all(|w| w[0].block() + 1 == w[1].block());
            let grown = contiguous && list.push(Extent { start: pages[0].block(), pages: batch });
            let Some(fragments) = page.encode_growth(&now.page).filter(|_| grown) else {
                let name = self.rel.name();
                raise(
                    Error::new(
                        SqlState::ProgramLimitExceeded,
                        format!("segment {} of relation \"{name}\" has too many extents", now.no.0),
                    )
                    .hint("VACUUM FULL the table to lay its vectors out anew."),
                )
            };
            let mut changes = vec![Change::new(&segment_page)];
            changes[0].put_all(&fragments);
            for (i, added) in pages.iter().enumerate() {
                let mut change = Change::new(added);
                change.make_store_page(&PageHeader { kind, segment: now.no, ordinal: first + i as u32 });
                changes.push(change);
            }
            wal::apply(self.rel, &changes);
            hit("grow.entered");
            drop(changes);
            drop(segment_page);
            for added in &pages {
                wal::set_all_frozen(self.rel, added);
                hit("grow.frozen");
            }
            drop(pages);
            now = self.remember(Segment::new(now.no, now.tag, now.block, page, now.target.get()));
            left -= batch;
        }
        hit("grow.end");
        drop(lock);
        now
    }
}
