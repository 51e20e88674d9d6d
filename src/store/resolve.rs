//! From a vector's pointer to its bytes in place, for code that has no open relation at hand: the distance functions.
//!
//! What is remembered between calls is a file's locator and its extents, never a pin or a relation reference; it is
//! dropped whenever the relation cache reports a change. The caller's query holds a lock on the table, so the file
//! stays what it is.

use super::map::{self, Store};
use super::{StoredVector, check_header};
use crate::error::{Error, SqlState};
use crate::pg::buffer::Pinned;
use crate::pg::compat::FileNode;
use crate::pg::error::raise;
use crate::pg::relation::{self, OpenRelation};
use crate::pg::{peek, raw};
use crate::segment::page::{PAYLOAD_START, PageKind};
use crate::segment::{PageHeader, SegmentTag, SlotNo};
use pgrx::pg_sys;
use std::cell::RefCell;
use std::rc::Rc;

/// Of how many data pages the last buffer is remembered at the most (4 bytes each).
const MOST_RECENT: usize = 1 << 20;

struct Resolved {
    epoch: u64,
    table: u32,
    toast: pg_sys::Oid,
    node: FileNode,
    permanent: bool,
    temporary: bool,
    segment: Rc<map::Segment>,
    /// the buffer that a data page was last found in, by the page's ordinal; 0 = none
    recent: Vec<pg_sys::Buffer>,
    /// the page that was read last
    last: u32,
    /// the extent that it is in
    last_extent: usize,
}

thread_local! {
    static RESOLVED: RefCell<Vec<Resolved>> = const { RefCell::new(Vec::new()) };
    static KINDS: RefCell<Vec<(u64, u32, bool)>> = const { RefCell::new(Vec::new()) };
}

/// How many (table, segment) pairs are remembered.
const MOST: usize = 8;

fn missing(table: u32, vector: StoredVector) -> ! {
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
    // SAFETY: rel is open
    let toast = unsafe { (*(*rel.raw()).rd_rel).reltoastrelid };
    if toast == pg_sys::InvalidOid {
        // SAFETY: rel is open
        let name = unsafe { relation::name(rel.raw()) };
        raise(Error::new(SqlState::WrongObjectType, format!("table \"{name}\" has no vector store")))
    }
    let toast = OpenRelation::open(toast, lockmode);
    (rel, toast)
}

fn resolve(table: u32, vector: StoredVector) -> Resolved {
    let (rel, toast) = open_toast(pg_sys::Oid::from(table), pg_sys::AccessShareLock as _);
    // SAFETY: both are open
    unsafe {
        let store = Store::of(toast.raw());
        let Some(segment) = store.segment_of(vector.slot).filter(|s| s.page.geometry.dims == vector.dims) else {
            missing(table, vector)
        };
        let resolved = Resolved {
            epoch: map::epoch(),
            table,
            toast: relation::oid(toast.raw()),
            node: FileNode::of(toast.raw()),
            permanent: relation::is_permanent(toast.raw()),
            temporary: relation::is_temporary(toast.raw()),
            recent: vec![0; (segment.page.data.pages() as usize).min(MOST_RECENT)],
            segment,
            last: u32::MAX,
            last_extent: 0,
        };
        drop(rel);
        resolved
    }
}

impl Resolved {
    fn covers(&self, vector: StoredVector) -> bool {
        let geometry = &self.segment.page.geometry;
        geometry.dims == vector.dims
            && vector.slot.position().0 < geometry.capacity
            && geometry.data_pages(vector.slot.position().0 + 1) <= self.segment.page.data.pages()
    }

    fn is_for(&self, epoch: u64, table: u32, segment: SegmentTag) -> bool {
        self.epoch == epoch && self.table == table && self.segment.tag == segment
    }

    /// The address of byte `from` of the page after `ordinal`, if pages are read one after the other and that page was read
    /// before; otherwise 0.
    #[inline]
    fn ahead(&mut self, ordinal: u32, from: usize) -> usize {
        let in_order = ordinal == self.last || ordinal == self.last.wrapping_add(1);
        self.last = ordinal;
        match self.recent.get(ordinal as usize + 1) {
            // SAFETY: the number of a shared buffer
            Some(&buffer) if in_order && buffer > 0 => unsafe { peek::memory(buffer) as usize + from },
            _ => 0,
        }
    }

    /// Pins data page `ordinal`, which is block `block`.
    #[inline]
    fn pin(&mut self, ordinal: u32, block: u32) -> Pinned {
        let recent = self.recent.get_mut(ordinal as usize);
        // SAFETY: the server checks that the buffer still holds this very block
        unsafe {
            let main = pg_sys::ForkNumber::MAIN_FORKNUM;
            if let Some(&mut buffer) = recent
                && buffer != 0
                && raw::ReadRecentBuffer(self.node, main, block, buffer)
            {
                return Pinned::adopt(buffer);
            }
            let normal = pg_sys::ReadBufferMode::RBM_NORMAL;
            let none = std::ptr::null_mut();
            let buffer =
                pg_sys::ReadBufferWithoutRelcache(self.node.servers(), main, block, normal, none, self.permanent);
            if let Some(recent) = self.recent.get_mut(ordinal as usize) {
                *recent = buffer;
            }
            Pinned::adopt(buffer)
        }
    }
}

/// Hands the bytes of a stored vector of `table` to `take`, piece by piece in order. Where vectors are read in the order of
/// their places, the second argument is the address of what is likely to be read a page later, for fetching it ahead;
/// otherwise 0. An error is raised when there is no such vector.
pub fn pieces(table: u32, vector: StoredVector, mut take: impl FnMut(&[u8], usize)) {
    let epoch = map::epoch();
    let segment = vector.slot.tag();
    RESOLVED.with_borrow_mut(|known| {
        let mut at = known.iter().position(|r| r.is_for(epoch, table, segment) && r.covers(vector));
        if at.is_none() {
            let resolved = resolve(table, vector);
            known.retain(|r| r.epoch == resolved.epoch && !r.is_for(r.epoch, table, segment));
            if known.len() >= MOST {
                known.remove(0);
            }
            known.push(resolved);
            at = Some(known.len() - 1);
        }
        let Some(resolved) = at.and_then(|at| known.get_mut(at)) else { missing(table, vector) };
        if resolved.temporary {
            let toast = OpenRelation::open(resolved.toast, pg_sys::AccessShareLock as _);
            // SAFETY: toast is open
            let found = unsafe {
                Store::of(toast.raw()).read(vector, |_, piece| {
                    take(piece, 0);
                    true
                })
            };
            if !found {
                missing(table, vector)
            }
            return;
        }
        let geometry = resolved.segment.page.geometry;
        for piece in geometry.pieces(vector.slot.position()) {
            let block = resolved.segment.page.data.block_after(&mut resolved.last_extent, piece.ordinal);
            let Some(block) = block else { missing(table, vector) };
            let header = PageHeader { kind: PageKind::Data, segment: resolved.segment.no, ordinal: piece.ordinal };
            let page = resolved.pin(piece.ordinal, block);
            if !header.matches(page.page()) {
                let toast = OpenRelation::open(resolved.toast, pg_sys::AccessShareLock as _);
                // SAFETY: toast is open
                unsafe { check_header(toast.raw(), block, page.page(), &header) }
            }
            let from = PAYLOAD_START + piece.offset;
            take(&page.page()[from..from + piece.len], resolved.ahead(piece.ordinal, from));
        }
    });
}

/// Whether relation `oid`, named by an on-disk TOAST pointer, is a table with a vector store. Every other pointer
/// names a TOAST relation.
#[inline]
#[must_use]
pub fn is_stored_in(oid: u32) -> bool {
    let epoch = map::epoch();
    if let Some((_, _, known)) = KINDS.with_borrow(|kinds| kinds.iter().find(|k| k.0 == epoch && k.1 == oid).copied()) {
        return known;
    }
    map::watch_relation_cache();
    let rel = OpenRelation::open(pg_sys::Oid::from(oid), pg_sys::AccessShareLock as _);
    // SAFETY: rel is open
    let stored = unsafe { (*(*rel.raw()).rd_rel).relkind as u8 != pg_sys::RELKIND_TOASTVALUE };
    drop(rel);
    let epoch = map::epoch();
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
