//! Reading a segment's pages one after the other, for scans of many vectors.

use super::check_header;
use super::map::{Segment, Store};
use crate::pg::buffer::{self, Pinned};
use crate::pg::{peek, raw, relation};
use crate::segment::page::PageKind;
use crate::segment::{PageHeader, SegmentNo};
use pgrx::pg_sys;
use std::cell::RefCell;

/// Of how many pages of a segment the last buffer is remembered at the most (4 bytes each).
const MOST_PAGES: usize = 1 << 20;
/// Of how many segments.
const MOST_SEGMENTS: usize = 8;

/// A file and a segment in it.
type Place = (u32, u32, u32, SegmentNo);

thread_local! {
    /// the buffers that data pages were last found in, by ordinal; 0 = not known
    static RECENT: RefCell<Vec<(Place, Vec<pg_sys::Buffer>)>> = const { RefCell::new(Vec::new()) };
}

/// Pins the data pages of one segment, remembering beyond its own life which buffers they were in: the server pins a
/// buffer that still holds the block without a search. Scans of a relation that would fill a good part of the shared
/// buffers read through a ring of few, as the server's sequential scans do.
pub struct Pins<'s> {
    rel: pg_sys::Relation,
    segment: &'s Segment,
    place: Place,
    recent: Vec<pg_sys::Buffer>,
    node: pg_sys::RelFileNode,
    strategy: pg_sys::BufferAccessStrategy,
    temporary: bool,
}

impl<'s> Pins<'s> {
    /// For pages of `segment` of `store`, whose relation stays open as long as the value lives.
    #[must_use]
    pub unsafe fn new(store: &Store, segment: &'s Segment) -> Self {
        let rel = store.relation();
        // SAFETY: rel is open
        unsafe {
            let node = (*rel).rd_node;
            let place = (node.spcNode.to_u32(), node.dbNode.to_u32(), node.relNode.to_u32(), segment.no);
            let known = RECENT.with_borrow_mut(|known| {
                known.iter().position(|(of, _)| *of == place).map(|at| known.swap_remove(at).1)
            });
            let mut recent = known.unwrap_or_default();
            recent.resize((segment.page.data.pages() as usize).min(MOST_PAGES), 0);
            let large = relation::blocks(rel) > (pg_sys::NBuffers / 4) as u32;
            let strategy = if large {
                pg_sys::GetAccessStrategy(pg_sys::BufferAccessStrategyType::BAS_BULKREAD)
            } else {
                std::ptr::null_mut()
            };
            Self { rel, segment, place, recent, node, strategy, temporary: relation::is_temporary(rel) }
        }
    }

    /// Pins data page `ordinal` and checks that it is that page.
    #[inline]
    #[must_use]
    pub unsafe fn data(&mut self, ordinal: u32) -> Pinned {
        let header = PageHeader { kind: PageKind::Data, segment: self.segment.no, ordinal };
        // SAFETY: rel is open; the server checks that a buffer still holds the very block
        unsafe {
            let block = self.segment.page.data.block(ordinal).unwrap_or(pg_sys::InvalidBlockNumber - 1);
            let pinned = self.pin(ordinal, block);
            if !header.matches(pinned.page()) {
                check_header(self.rel, block, pinned.page(), &header);
            }
            pinned
        }
    }

    /// The address at which data page `ordinal` was in memory when it was last pinned, for fetching it ahead; 0 when that
    /// is not known.
    #[inline]
    #[must_use]
    pub fn last_address(&self, ordinal: u32) -> usize {
        let known = self.recent.get(ordinal as usize).copied().unwrap_or(0);
        // SAFETY: the number of a shared buffer
        if known > 0 { unsafe { peek::memory(known) as usize } } else { 0 }
    }

    #[inline]
    unsafe fn pin(&mut self, ordinal: u32, block: u32) -> Pinned {
        // SAFETY: as `data`
        unsafe {
            if self.temporary {
                return buffer::read(self.rel, block);
            }
            let main = pg_sys::ForkNumber::MAIN_FORKNUM;
            let recent = self.recent.get_mut(ordinal as usize);
            if let Some(&mut buffer) = recent
                && buffer != 0
                && raw::ReadRecentBuffer(self.node, main, block, buffer)
            {
                return Pinned::adopt(buffer);
            }
            let normal = pg_sys::ReadBufferMode::RBM_NORMAL;
            let buffer = pg_sys::ReadBufferExtended(self.rel, main, block, normal, self.strategy);
            if let Some(recent) = self.recent.get_mut(ordinal as usize) {
                *recent = buffer;
            }
            Pinned::adopt(buffer)
        }
    }
}

impl Drop for Pins<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if !self.strategy.is_null() {
            // SAFETY: made in `new`
            unsafe { pg_sys::FreeAccessStrategy(self.strategy) }
        }
        let recent = std::mem::take(&mut self.recent);
        RECENT.with_borrow_mut(|known| {
            if known.len() >= MOST_SEGMENTS {
                known.remove(0);
            }
            known.push((self.place, recent));
        });
    }
}
