//! Reading a segment's pages one after the other, for scans of many vectors.

use crate::bitset::SharedBitset;
use crate::format::page::PageBytes;
use crate::format::store::page::{PageKind, SegmentPage};
use crate::format::store::{PageHeader, SegmentNo};
use crate::pg::buffer;
use crate::pg::buffer::Pinned;
use crate::pg::buffer::file::Files;
use crate::pg::buffer::hints::{Hints, hints_of};
use crate::pg::buffer::optimistic;
use crate::pg::buffer::thread_pin::{Owed, Pin};
use crate::pg::compat::{self, FileNode};
use crate::pg::relation::Rel;
use crate::store::check_header;
use crate::store::segment_cache::{Segment, Store};
use pgrx::pg_sys;
use std::sync::atomic::{Ordering, fence};

/// Pins the data pages of one segment, by hints of the buffers that they are in: the server pins a
/// buffer that still holds the block without a search. Scans of a relation that would fill a good part of the shared
/// buffers read through a ring of few, as the server's sequential scans do.
pub struct DataPages<'s> {
    rel: Rel<'s>,
    segment: &'s Segment,
    hints: Hints,
    /// the pages, by ordinal, that were looked for in this scan, and are in no buffer
    in_no_buffer: SharedBitset,
    node: FileNode,
    strategy: pg_sys::BufferAccessStrategy,
    temporary: bool,
    /// of a relation that is read through a ring
    files: Option<Files>,
}

impl<'s> DataPages<'s> {
    /// For pages of `segment` of `store`, whose relation stays open as long as the value lives.
    #[must_use]
    pub fn new(store: &Store<'s>, segment: &'s Segment) -> Self {
        let rel = store.relation();
        // SAFETY: rel is open
        unsafe {
            let node = rel.node();
            let strategy = buffer::ring(rel);
            let temporary = rel.is_temporary();
            let files = (!strategy.is_null() && !temporary).then(|| Files::of(&node));
            let in_no_buffer = SharedBitset::below(if files.is_some() { segment.page.data.pages() } else { 0 });
            let hints = hints_of(rel);
            Self { rel, segment, hints, in_no_buffer, node, strategy, temporary, files }
        }
    }

    /// Pins data page `ordinal` and checks that it is that page.
    #[inline]
    #[must_use]
    pub fn data(&self, ordinal: u32) -> Pinned {
        let header = header(self.segment.no, ordinal);
        let (pinned, block) = self.pin(ordinal);
        if !header.matches(pinned.page()) {
            check_header(self.rel, block, pinned.page(), &header);
        }
        pinned
    }

    /// Finds out where data page `ordinal` is, for whoever pins it next: remembers its buffer, or, for threads that read files,
    /// that it is in none. A page that is to be in the buffers, but is not, is put down in `missing`, for [`DataPages::bring`].
    #[inline]
    pub fn find(&self, ordinal: u32, missing: &mut Vec<u32>) {
        let Some(number) = self.segment.page.data.block(ordinal) else { return };
        let recent = self.hints.get_any(number);
        let block = optimistic::Block { node: self.node, number };
        // SAFETY: rel is open, and the block one of its
        unsafe {
            if recent <= 0 || !optimistic::holds(recent, &block) {
                match optimistic::buffer_of(&block) {
                    Some(buffer) => self.hints.set_unseen(number, buffer),
                    None if self.files.is_none() => return missing.push(number),
                    None => {
                        // whoever sees it reads the files after the look
                        fence(Ordering::Release);
                        return self.in_no_buffer.insert(ordinal);
                    }
                }
            }
            if self.files.is_some() {
                self.in_no_buffer.remove(ordinal);
            }
        }
    }

    /// Has the blocks read that [`DataPages::find`] has missed, all of them.
    pub fn bring(&self, missing: &mut Vec<u32>) {
        // SAFETY: rel is open, and the blocks are its
        unsafe {
            if !missing.is_empty() {
                let place = |block, buffer| self.hints.set_unseen(block, buffer);
                compat::bring(self.rel.raw(), self.strategy, missing, place);
                missing.clear();
            }
        }
    }

    /// What is remembered of the segment, for threads.
    #[must_use]
    pub fn places(&self) -> PagePlaces<'_> {
        let Self { segment, hints, in_no_buffer, node, files, .. } = self;
        PagePlaces {
            no: segment.no,
            page: &segment.page,
            hints: *hints,
            in_no_buffer,
            node: *node,
            files: files.as_ref(),
        }
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
        self.segment.page.data.block(ordinal).map_or(0, |block| address(self.hints.get_any(block)))
    }

    /// Pins data page `ordinal`, whatever it is, and says which block it is.
    #[inline]
    fn pin(&self, ordinal: u32) -> (Pinned, u32) {
        let block = self.segment.page.data.block(ordinal).unwrap_or(pg_sys::InvalidBlockNumber - 1);
        // SAFETY: rel is open; the server checks that a buffer still holds the very block
        let pinned = unsafe {
            if self.temporary {
                return (buffer::read(self.rel, block), block);
            }
            let recent = self.hints.get_any(block);
            if recent > 0
                && let Some(pinned) = buffer::pin_recent(self.node, block, recent)
            {
                return (pinned, block);
            }
            let main = pg_sys::ForkNumber::MAIN_FORKNUM;
            let normal = pg_sys::ReadBufferMode::RBM_NORMAL;
            let buffer = pg_sys::ReadBufferExtended(self.rel.raw(), main, block, normal, self.strategy);
            self.hints.set_unseen(block, buffer);
            Pinned::adopt(buffer)
        };
        (pinned, block)
    }
}

/// Where a buffer's page is in memory; 0 for no buffer.
#[inline]
fn address(buffer: pg_sys::Buffer) -> usize {
    // SAFETY: the number of a shared buffer
    if buffer > 0 { unsafe { optimistic::memory(buffer) as usize } } else { 0 }
}

/// What data page `ordinal` of a segment is to say of itself.
#[inline]
fn header(segment: SegmentNo, ordinal: u32) -> PageHeader {
    PageHeader { kind: PageKind::Data, segment, ordinal }
}

/// Where the data pages of a segment are in the shared buffers, as far as that is known: for threads, which can pin them
/// there.
#[derive(Clone, Copy)]
pub struct PagePlaces<'p> {
    no: SegmentNo,
    page: &'p SegmentPage,
    hints: Hints,
    in_no_buffer: &'p SharedBitset,
    node: FileNode,
    files: Option<&'p Files>,
}

impl<'p> PagePlaces<'p> {
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
        let number = self.page.data.block(ordinal)?;
        let block = optimistic::Block { node: self.node, number };
        // SAFETY: a shared buffer's number, or 0
        let pin = unsafe { Pin::of(self.hints.get_any(number), &block, self.files.is_some(), owed) }?;
        // mostly the page after it is the block after
        header(self.no, ordinal).matches(pin.page()).then(|| (pin, address(self.hints.get_any(number.wrapping_add(1)))))
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
            let noted = self.in_no_buffer.contains(ordinal);
            fence(Ordering::Acquire);
            noted
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

impl Drop for DataPages<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if !self.strategy.is_null() {
            // SAFETY: made in `new`
            unsafe { pg_sys::FreeAccessStrategy(self.strategy) }
        }
    }
}
