//! Reading a segment's pages one after the other, for scans of many vectors.

use super::check_header;
use super::map::{Segment, Store};
use crate::pg::buffer::{self, Pinned};
use crate::pg::pin::{Owed, Pin};
use crate::pg::{peek, raw, relation};
use crate::segment::page::{PageKind, SegmentPage};
use crate::segment::{PageHeader, SegmentNo};
use pgrx::pg_sys;
use std::cell::RefCell;
use std::sync::atomic::{AtomicI32, Ordering};

/// Of how many pages of a segment the last buffer is remembered at the most (4 bytes each).
const MOST_PAGES: usize = 1 << 20;
/// Of how many segments.
const MOST_SEGMENTS: usize = 8;

/// A file and a segment in it.
type Place = (u32, u32, u32, SegmentNo);

thread_local! {
    /// the buffers that data pages were last found in, by ordinal; 0 = not known
    static RECENT: RefCell<Vec<(Place, Vec<AtomicI32>)>> = const { RefCell::new(Vec::new()) };
}

/// Pins the data pages of one segment, remembering beyond its own life which buffers they were in: the server pins a
/// buffer that still holds the block without a search. Scans of a relation that would fill a good part of the shared
/// buffers read through a ring of few, as the server's sequential scans do.
pub struct Pins<'s> {
    rel: pg_sys::Relation,
    segment: &'s Segment,
    place: Place,
    recent: Vec<AtomicI32>,
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
            recent.resize_with((segment.page.data.pages() as usize).min(MOST_PAGES), AtomicI32::default);
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
    pub unsafe fn data(&self, ordinal: u32) -> Pinned {
        let header = header(self.segment.no, ordinal);
        // SAFETY: rel is open
        unsafe {
            let (pinned, block) = self.pin(ordinal);
            if !header.matches(pinned.page()) {
                check_header(self.rel, block, pinned.page(), &header);
            }
            pinned
        }
    }

    /// Remembers the buffer of data page `ordinal` if none is known and the page is in one; otherwise asks the kernel to read
    /// it ahead.
    #[inline]
    pub unsafe fn find(&self, ordinal: u32) {
        if let Some(known) = self.recent.get(ordinal as usize)
            && known.load(Ordering::Relaxed) == 0
            && let Some(block) = self.segment.page.data.block(ordinal)
        {
            // SAFETY: rel is open, and the block one of its
            let found = unsafe { pg_sys::PrefetchBuffer(self.rel, pg_sys::ForkNumber::MAIN_FORKNUM, block) };
            known.store(found.recent_buffer, Ordering::Relaxed);
        }
    }

    /// What is remembered of the segment, for threads.
    #[must_use]
    pub fn places(&self) -> Places<'_> {
        let Self { segment, recent, node, strategy, .. } = self;
        Places { no: segment.no, page: &segment.page, recent, node: *node, once: !strategy.is_null() }
    }

    /// Whether the segment's buffers are this backend's own.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// The address at which data page `ordinal` was in memory when it was last pinned, for fetching it ahead; 0 when that
    /// is not known.
    #[inline]
    #[must_use]
    pub fn last_address(&self, ordinal: u32) -> usize {
        address(self.recent(ordinal))
    }

    /// The buffer that data page `ordinal` was last found in; 0 when that is not known.
    #[inline]
    fn recent(&self, ordinal: u32) -> pg_sys::Buffer {
        self.recent.get(ordinal as usize).map_or(0, |known| known.load(Ordering::Relaxed))
    }

    /// Pins data page `ordinal`, whatever it is, and says which block it is.
    #[inline]
    unsafe fn pin(&self, ordinal: u32) -> (Pinned, u32) {
        let block = self.segment.page.data.block(ordinal).unwrap_or(pg_sys::InvalidBlockNumber - 1);
        // SAFETY: rel is open; the server checks that a buffer still holds the very block
        let pinned = unsafe {
            if self.temporary {
                return (buffer::read(self.rel, block), block);
            }
            let main = pg_sys::ForkNumber::MAIN_FORKNUM;
            let recent = self.recent(ordinal);
            if recent != 0 && raw::ReadRecentBuffer(self.node, main, block, recent) {
                return (Pinned::adopt(recent), block);
            }
            let normal = pg_sys::ReadBufferMode::RBM_NORMAL;
            let buffer = pg_sys::ReadBufferExtended(self.rel, main, block, normal, self.strategy);
            if let Some(recent) = self.recent.get(ordinal as usize) {
                recent.store(buffer, Ordering::Relaxed);
            }
            Pinned::adopt(buffer)
        };
        (pinned, block)
    }
}

/// Where a buffer's page is in memory; 0 for no buffer.
#[inline]
fn address(buffer: pg_sys::Buffer) -> usize {
    // SAFETY: the number of a shared buffer
    if buffer > 0 { unsafe { peek::memory(buffer) as usize } } else { 0 }
}

/// What data page `ordinal` of a segment is to say of itself.
#[inline]
fn header(segment: SegmentNo, ordinal: u32) -> PageHeader {
    PageHeader { kind: PageKind::Data, segment, ordinal }
}

/// Where the data pages of a segment are in the shared buffers, as far as that is known: for threads, which can pin them
/// there.
#[derive(Clone, Copy)]
pub struct Places<'p> {
    no: SegmentNo,
    page: &'p SegmentPage,
    recent: &'p [AtomicI32],
    node: pg_sys::RelFileNode,
    once: bool,
}

impl Places<'_> {
    /// The segment's page.
    #[must_use]
    pub fn segment(&self) -> &SegmentPage {
        self.page
    }

    /// Pins data page `ordinal`, and says where the next one may be in memory (0 = not known). `None` when the page is not
    /// where it was, or is not what it should be.
    #[inline]
    #[must_use]
    pub fn pin<'o>(&self, ordinal: u32, owed: &'o Owed) -> Option<(Pin<'o>, usize)> {
        let recent = |ordinal: u32| self.recent.get(ordinal as usize).map_or(0, |known| known.load(Ordering::Relaxed));
        let block = peek::Block { node: self.node, number: self.page.data.block(ordinal)? };
        // SAFETY: a shared buffer's number, or 0
        let pin = unsafe { Pin::of(recent(ordinal), &block, self.once, owed) }?;
        header(self.no, ordinal).matches(pin.page()).then(|| (pin, address(recent(ordinal + 1))))
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
