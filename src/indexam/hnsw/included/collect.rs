//! The keys of rows in a build, put onto pages as the rows come, a batch at a time in the order of slots: so they take little
//! memory however many rows there are.
//!
//! The pages are not logged as they are filled but whole, at the build's end: nothing leads to them that survives a crash before
//! the transaction has committed.

use crate::format::graph::Area;
use crate::format::store::{SegmentTag, SlotNo};
use crate::indexam::hnsw::included::keys::{KeyMaker, Keys};
use crate::indexam::hnsw::pages::Index;
use crate::pg::wal;
use pgrx::pg_sys;
use std::rc::Rc;

/// The keys of rows of an index that is being built.
pub struct Collection {
    index: Index,
    maker: Rc<KeyMaker>,
    waiting: Vec<(SlotNo, Keys)>,
    segments: Vec<SegmentTag>,
}

/// So many rows are put onto pages together: a megabyte or two.
const BATCH: usize = 1 << 15;

impl Collection {
    /// For `index`, whose meta page is there; `None` without included columns.
    #[must_use]
    pub fn of(index: Index) -> Option<Self> {
        let maker = index.key_maker()?;
        Some(Self { index, maker, waiting: Vec::new(), segments: Vec::new() })
    }

    /// Notes the keys of a version of the row whose vector is in `slot`. Where versions differ that share a slot, a scan has to
    /// look at the row.
    pub unsafe fn add(&mut self, slot: SlotNo, value: impl FnMut(usize) -> Option<pg_sys::Datum>) {
        // SAFETY: by contract
        let keys = unsafe { self.maker.keys(value) };
        self.waiting.push((slot, keys));
        if self.waiting.len() >= BATCH {
            self.write();
        }
    }

    /// Puts onto pages what waits.
    fn write(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by_key(|(slot, _)| *slot);
        for rows in waiting.chunk_by(|(a, _), (b, _)| a.tag() == b.tag()) {
            let tag = rows[0].0.tag();
            if !self.segments.contains(&tag) {
                self.segments.push(tag);
            }
            let graph = self.index.graph_for(tag);
            let shape = graph.map.included;
            let place = |slot: SlotNo| shape.at(slot.position().0);
            let last = rows.last().map_or(0, |row| place(row.0).0);
            let graph = graph.with_pages(Area::Included, last + 1);
            for rows in rows.chunk_by(|(a, _), (b, _)| place(*a).0 == place(*b).0) {
                pgrx::check_for_interrupts!();
                let page = graph.pin(Area::Included, place(rows[0].0).0).exclusive();
                wal::change_unlogged(&page, |bytes| {
                    for (slot, keys) in rows {
                        shape.join(bytes, place(*slot).1, keys);
                    }
                });
            }
        }
        waiting.clear();
        self.waiting = waiting;
    }

    /// Puts onto pages what waits, and logs them.
    pub fn finish(mut self) {
        self.write();
        let rel = self.index.relation();
        if !rel.needs_wal() {
            return;
        }
        for tag in self.segments {
            let graph = self.index.graph_for(tag);
            for extent in graph.map.page.area(Area::Included).extents() {
                let (first, end) = (extent.start, extent.start + extent.pages);
                // SAFETY: open; nobody else has the pages
                unsafe { pg_sys::log_newpage_range(rel.raw(), pg_sys::ForkNumber::MAIN_FORKNUM, first, end, false) };
            }
        }
    }
}
