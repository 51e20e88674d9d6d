//! From a vector's pointer to its bytes in place, for code that has no open relation at hand: the distance functions.
//!
//! What is remembered between calls is a file's locator and its extents, never a pin or a relation reference; it is
//! dropped whenever the relation cache reports a change. The caller's query holds a lock on the table, so the file
//! stays what it is.

use crate::error::{Error, SqlState};
use crate::format::page::PAYLOAD_START;
use crate::format::store::page::PageKind;
use crate::format::store::{PageHeader, SegmentTag, SlotNo};
use crate::pg::buffer;
use crate::pg::buffer::Pinned;
use crate::pg::buffer::hints::{Hints, hints_of};
use crate::pg::buffer::optimistic;
use crate::pg::buffer::thread_pin::Pin;
use crate::pg::compat::FileNode;
use crate::pg::error::raise;
use crate::pg::relation;
use crate::pg::relation::{OpenRelation, Rel};
use crate::store::segment_cache;
use crate::store::segment_cache::Store;
use crate::store::{StoredVector, check_header};
use pgrx::pg_sys;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

struct KnownSegment {
    epoch: u64,
    table: u32,
    toast: pg_sys::Oid,
    node: FileNode,
    permanent: bool,
    temporary: bool,
    segment: Rc<segment_cache::Segment>,
    hints: Hints,
    /// the page that was read last
    last: Cell<u32>,
    /// the extent that it is in
    last_extent: Cell<usize>,
}

thread_local! {
    // boxed, so that an entry stays where it is when others come and go
    #[allow(clippy::vec_box)]
    static RESOLVED: RefCell<Vec<Box<KnownSegment>>> = const { RefCell::new(Vec::new()) };
    static KINDS: RefCell<Vec<(u64, u32, bool)>> = const { RefCell::new(Vec::new()) };
}

/// How many (table, segment) pairs are remembered: as many as a table can have.
const MOST: usize = 1024;

/// Raises the error for a vector that the store of `table` does not have.
pub fn missing(table: u32, vector: StoredVector) -> ! {
    raise(
        Error::new(
            SqlState::DataCorrupted,
            format!(
                "vector {} of {} is not in its vector store",
                vector.slot.0,
                relation::name_of(pg_sys::Oid::from(table))
            ),
        )
        .hint("The value may be older than a TRUNCATE or rewrite of the table; otherwise run zvec_check() on it."),
    )
}

/// Opens the TOAST relation of table `table`, with its lock.
#[must_use]
pub fn open_toast(table: pg_sys::Oid, lockmode: pg_sys::LOCKMODE) -> (OpenRelation, OpenRelation) {
    let rel = OpenRelation::open(table, lockmode);
    let toast = toast_of(rel.rel(), lockmode);
    (rel, toast)
}

/// Opens the TOAST relation of table `rel`. An error is raised when it has none.
#[must_use]
pub fn toast_of(rel: Rel<'_>, lockmode: pg_sys::LOCKMODE) -> OpenRelation {
    let toast = rel.toast_oid();
    if toast == pg_sys::InvalidOid {
        let name = rel.name();
        raise(Error::new(SqlState::WrongObjectType, format!("table \"{name}\" has no vector store")))
    }
    OpenRelation::open(toast, lockmode)
}

fn resolve(table: u32, vector: StoredVector) -> KnownSegment {
    let (rel, toast) = open_toast(pg_sys::Oid::from(table), pg_sys::AccessShareLock as _);
    let store = Store::of(toast.rel());
    let Some(segment) = store.segment_of(vector.slot).filter(|s| s.page.geometry.dims == vector.dims) else {
        missing(table, vector)
    };
    let resolved = KnownSegment {
        epoch: segment_cache::epoch(),
        table,
        toast: toast.rel().oid(),
        node: toast.rel().node(),
        permanent: toast.rel().is_permanent(),
        temporary: toast.rel().is_temporary(),
        hints: hints_of(toast.rel()),
        segment,
        last: Cell::new(u32::MAX),
        last_extent: Cell::new(0),
    };
    drop(rel);
    resolved
}

impl KnownSegment {
    fn covers(&self, vector: StoredVector) -> bool {
        let geometry = &self.segment.page.geometry;
        geometry.dims == vector.dims
            && vector.slot.position().0 < geometry.capacity
            && geometry.data_pages(vector.slot.position().0 + 1) <= self.segment.page.data.pages()
    }

    fn is_for(&self, epoch: u64, table: u32, segment: SegmentTag) -> bool {
        self.epoch == epoch && self.table == table && self.segment.tag == segment
    }

    /// The address of byte `from` of the page after `ordinal`, which is block `block`, if pages are read one after the other
    /// and that page was read before; otherwise 0.
    #[inline]
    fn ahead(&self, ordinal: u32, block: u32, from: usize) -> usize {
        let last = self.last.replace(ordinal);
        let in_order = ordinal == last || ordinal == last.wrapping_add(1);
        // mostly the block after; at an extent's end nothing is lost
        match self.hints.get_any(block.wrapping_add(1)) {
            // SAFETY: the number of a shared buffer
            buffer if in_order && buffer > 0 => unsafe { optimistic::memory(buffer) as usize + from },
            _ => 0,
        }
    }

    /// The block of data page `ordinal`; `None` when the segment has no such page.
    #[inline]
    fn block(&self, ordinal: u32) -> Option<u32> {
        let mut extent = self.last_extent.get();
        let block = self.segment.page.data.block_after(&mut extent, ordinal);
        self.last_extent.set(extent);
        block
    }

    /// Pins block `block`, which is not in the buffer where it was, and notes where it is.
    #[cold]
    unsafe fn search(&self, block: u32) -> Pinned {
        let (main, normal) = (pg_sys::ForkNumber::MAIN_FORKNUM, pg_sys::ReadBufferMode::RBM_NORMAL);
        let none = std::ptr::null_mut();
        // SAFETY: the caller's query holds a lock on the table; the server checks the block
        unsafe {
            let buffer =
                pg_sys::ReadBufferWithoutRelcache(self.node.servers(), main, block, normal, none, self.permanent);
            self.hints.set_unseen(block, buffer);
            Pinned::adopt(buffer)
        }
    }
}

/// Hands the bytes of a stored vector of `table` to `take`, piece by piece in order. Where vectors are read in the order of
/// their places, the second argument is the address of what is likely to be read a page later, for fetching it ahead;
/// otherwise 0. An error is raised when there is no such vector. `take` calls nothing of the server.
///
/// For where no Rust value waits to be dropped: an error of the server may jump over the callers' frames.
#[inline]
pub unsafe fn pieces(table: u32, vector: StoredVector, mut take: impl FnMut(&[u8], usize)) {
    let epoch = segment_cache::epoch();
    let segment = vector.slot.tag();
    #[allow(clippy::vec_box)]
    let find = |known: &mut Vec<Box<KnownSegment>>| {
        let at = known.iter().position(|known| known.is_for(epoch, table, segment) && known.covers(vector))?;
        // the next vector is mostly of the same segment
        known.swap(0, at);
        Some(std::ptr::from_ref(&*known[0]))
    };
    let known = RESOLVED.with_borrow_mut(find).unwrap_or_else(|| {
        // opening relations may have made the epoch another: the new entry is that of the epoch by then
        let resolved = Box::new(resolve(table, vector));
        RESOLVED.with_borrow_mut(|known| {
            known.retain(|r| r.epoch == resolved.epoch && !r.is_for(r.epoch, table, segment));
            if known.len() >= MOST {
                known.remove(0);
            }
            known.push(resolved);
            std::ptr::from_ref(&*known[known.len() - 1])
        })
    });
    // Nothing is borrowed of the list while the server is called, whose errors may jump over this frame.
    // SAFETY: entries stay where they are until the code above removes one, and nothing that is called below comes back there
    let known = unsafe { &*known };
    if known.temporary {
        let toast = OpenRelation::open(known.toast, pg_sys::AccessShareLock as _);
        let found = Store::of(toast.rel()).read(vector, |_, piece| {
            take(piece, 0);
            true
        });
        if !found {
            missing(table, vector)
        }
        return;
    }
    for piece in known.segment.page.geometry.pieces(vector.slot.position()) {
        let Some(block) = known.block(piece.ordinal) else { missing(table, vector) };
        let recent = known.hints.get_any(block);
        let header = PageHeader { kind: PageKind::Data, segment: known.segment.no, ordinal: piece.ordinal };
        let from = PAYLOAD_START + piece.offset;
        // SAFETY: the number of a shared buffer, or none; `take` calls nothing of the server
        if let Some(pin) = unsafe { Pin::for_a_moment(recent, &optimistic::Block { node: known.node, number: block }) }
            && header.matches(pin.page())
        {
            take(&pin.page()[from..from + piece.len], known.ahead(piece.ordinal, block, from));
            continue;
        }
        // SAFETY: the server checks that a buffer still holds the very block
        let page = unsafe {
            let found = if recent > 0 { buffer::pin_recent_bare(known.node, block, recent) } else { None };
            found.unwrap_or_else(|| known.search(block))
        };
        if !header.matches(page.page()) {
            let toast = OpenRelation::open(known.toast, pg_sys::AccessShareLock as _);
            check_header(toast.rel(), block, page.page(), &header)
        }
        take(&page.page()[from..from + piece.len], known.ahead(piece.ordinal, block, from));
    }
}

/// Whether relation `oid`, named by an on-disk TOAST pointer, is a table with a vector store. Every other pointer
/// names a TOAST relation.
#[inline]
#[must_use]
pub fn is_stored_in(oid: u32) -> bool {
    let epoch = segment_cache::epoch();
    if let Some((_, _, known)) = KINDS.with_borrow(|kinds| kinds.iter().find(|k| k.0 == epoch && k.1 == oid).copied()) {
        return known;
    }
    segment_cache::watch_relation_cache();
    let rel = OpenRelation::open(pg_sys::Oid::from(oid), pg_sys::AccessShareLock as _);
    let stored = rel.rel().kind() != pg_sys::RELKIND_TOASTVALUE;
    drop(rel);
    let epoch = segment_cache::epoch();
    KINDS.with_borrow_mut(|kinds| {
        kinds.retain(|k| k.0 == epoch);
        if kinds.len() >= MOST {
            kinds.remove(0);
        }
        kinds.push((epoch, oid, stored));
    });
    stored
}

/// A slot number and shape as carried by a pointer.
#[must_use]
pub fn stored(slot: u32, dims: u16) -> StoredVector {
    StoredVector { slot: SlotNo(slot), dims }
}
