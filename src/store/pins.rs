//! Reading a segment's pages one after the other, for scans of many vectors.

use super::check_header;
use super::map::{Segment, Store};
use crate::pg::buffer::{self, Pinned};
use crate::pg::compat::FileNode;
use crate::pg::file::Files;
use crate::pg::pin::{Owed, Pin};
use crate::pg::{peek, raw, relation};
use crate::segment::page::{PageBytes, PageKind, SegmentPage};
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

/// Instead of a buffer's number: the page was looked for in this scan, and is in none.
const IN_NO_BUFFER: pg_sys::Buffer = -1;

thread_local! {
    /// the buffers that data pages were last found in, by ordinal; not a positive number = not known
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
    node: FileNode,
    strategy: pg_sys::BufferAccessStrategy,
    temporary: bool,
    /// of a relation that is read through a ring
    files: Option<Files>,
}

impl<'s> Pins<'s> {
    /// For pages of `segment` of `store`, whose relation stays open as long as the value lives.
    #[must_use]
    pub unsafe fn new(store: &Store, segment: &'s Segment) -> Self {
        let rel = store.relation();
        // SAFETY: rel is open
        unsafe {
            let node = FileNode::of(rel);
            let place = (node.tablespace(), node.database(), node.number(), segment.no);
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
            let temporary = relation::is_temporary(rel);
            let files = (large && !temporary).then(|| Files::of(&node));
            if large {
                // of an earlier scan: by now they may be in buffers, and changed
                recent.iter_mut().map(AtomicI32::get_mut).for_each(|known| *known = (*known).max(0));
            }
            Self { rel, segment, place, recent, node, strategy, temporary, files }
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

    /// Finds out for threads where data page `ordinal` is: remembers its buffer, or that it is in none. Where it is to be in the
    /// buffers, but is not, the kernel is asked to read it ahead.
    #[inline]
    pub unsafe fn find(&self, ordinal: u32) {
        let (Some(known), Some(number)) = (self.recent.get(ordinal as usize), self.segment.page.data.block(ordinal))
        else {
            return;
        };
        let recent = known.load(Ordering::Relaxed);
        // SAFETY: rel is open, and the block one of its
        unsafe {
            if self.files.is_some() {
                let block = peek::Block { node: self.node, number };
                if recent <= 0 || !peek::holds(recent, &block) {
                    // whoever sees it reads the files after the look
                    known.store(peek::buffer_of(&block).unwrap_or(IN_NO_BUFFER), Ordering::Release);
                }
            } else if recent <= 0 {
                let found = pg_sys::PrefetchBuffer(self.rel, pg_sys::ForkNumber::MAIN_FORKNUM, number);
                known.store(found.recent_buffer, Ordering::Relaxed);
            }
        }
    }

    /// What is remembered of the segment, for threads.
    #[must_use]
    pub fn places(&self) -> Places<'_> {
        let Self { segment, recent, node, files, .. } = self;
        Places { no: segment.no, page: &segment.page, recent, node: *node, files: files.as_ref() }
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

    /// The buffer that data page `ordinal` was last found in; not a positive number when that is not known.
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
            if recent > 0 && raw::ReadRecentBuffer(self.node, main, block, recent) {
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
    node: FileNode,
    files: Option<&'p Files>,
}

impl<'p> Places<'p> {
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
        let pin = unsafe { Pin::of(recent(ordinal), &block, self.files.is_some(), owed) }?;
        header(self.no, ordinal).matches(pin.page()).then(|| (pin, address(recent(ordinal + 1))))
    }

    /// The files that threads may read.
    #[must_use]
    pub fn files(&self) -> Option<&'p Files> {
        self.files
    }

    /// The block of data page `ordinal` and how many pages, itself included and before `end`, follow one another in the files and
    /// are in no buffer; `None` when it is, or may be, in one.
    #[must_use]
    pub fn in_files(&self, ordinal: u32, end: u32) -> Option<(u32, u32)> {
        let is_there = |ordinal: u32| {
            let known = self.recent.get(ordinal as usize);
            known.is_some_and(|known| known.load(Ordering::Acquire) == IN_NO_BUFFER)
        };
        let first = self.page.data.block(ordinal).filter(|_| self.files.is_some() && is_there(ordinal))?;
        let follows = |&next: &u32| is_there(next) && self.page.data.block(next) == Some(first + (next - ordinal));
        Some((first, 1 + (ordinal + 1..end).take_while(follows).count() as u32))
    }

    /// Whether it is data page `ordinal`.
    #[must_use]
    pub fn is_page(&self, ordinal: u32, page: &PageBytes) -> bool {
        header(self.no, ordinal).matches(page)
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
