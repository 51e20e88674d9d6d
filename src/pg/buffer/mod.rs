//! Buffers: pins and content locks as guards.
//!
//! | module | duty |
//! |---|---|
//! | [`hints`] | in which buffers a relation's blocks were last found |
//! | [`optimistic`] | reading pages without pin or lock |
//! | [`thread_pin`] | pins that threads of the backend take |
//! | [`file`] | pages as they are in the relation's files |
//!
//! What makes reads without the server's pins and locks sound is in `design/locking-and-wal.md`.

pub mod file;
pub mod hints;
pub mod optimistic;
pub mod thread_pin;
use crate::format::page::PageBytes;
use crate::pg::compat::FileNode;
use crate::pg::error::check_memory;
use crate::pg::failpoint::hit_as_server;
use crate::pg::relation::Rel;
use crate::pg::{cost_delay, raw, settings};
use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;

/// A pinned buffer.
pub struct Pinned(pg_sys::Buffer);

/// A pinned buffer with its content lock held in share mode.
pub struct Shared(pg_sys::Buffer);

/// A pinned buffer with its content lock held in exclusive mode.
pub struct Exclusive(pg_sys::Buffer);

unsafe fn page<'a>(buffer: pg_sys::Buffer) -> &'a PageBytes {
    // SAFETY: the caller holds a pin, so the block's memory stays
    unsafe { &*pg_sys::BufferGetPage(buffer).cast() }
}

/// Reads block `blkno` of `rel`'s main fork and pins it.
#[must_use]
pub fn read(rel: Rel<'_>, blkno: u32) -> Pinned {
    check_memory();
    let hints = hints::hints_of(rel);
    let recent = hints.get_any(blkno);
    // SAFETY: rel is open; the server checks the block number, and that a buffer holds the very block
    unsafe {
        if recent > 0
            && let Some(pinned) = pin_recent(rel.node(), blkno, recent)
        {
            return pinned;
        }
        let buffer = pg_sys::ReadBuffer(rel.raw(), blkno);
        hints.set_unseen(blkno, buffer);
        Pinned::adopt(buffer)
    }
}

/// The ring of few buffers through which a scan of all of `rel` reads, as the server's sequential scans do: null, which is none,
/// unless it would fill a good part of the shared buffers.
#[must_use]
pub fn ring(rel: Rel<'_>) -> pg_sys::BufferAccessStrategy {
    // SAFETY: rel is open
    unsafe {
        if rel.blocks() <= (pg_sys::NBuffers / 4) as u32 {
            return std::ptr::null_mut();
        }
        pg_sys::GetAccessStrategy(pg_sys::BufferAccessStrategyType::BAS_BULKREAD)
    }
}

/// Pins `recent`, a shared buffer, if it still holds block `block` of the main fork of `node`; without a search.
#[inline]
#[must_use]
pub unsafe fn pin_recent(node: FileNode, block: u32, recent: pg_sys::Buffer) -> Option<Pinned> {
    // SAFETY: by contract; the closure holds nothing that needs dropping. The server notes the pin in memory that it may have to
    // allocate, so an error can come of it, and must unwind the callers' frames.
    let pinned = unsafe { pg_guard_ffi_boundary(|| holds_and_pins(node, block, recent)) };
    // SAFETY: pinned just now
    pinned.then(|| unsafe { Pinned::adopt(recent) })
}

/// As [`pin_recent`], for where no Rust value waits to be dropped and nothing is borrowed: an error jumps over the callers'
/// frames. The guard costs half as much as the pin.
#[inline]
#[must_use]
pub unsafe fn pin_recent_bare(node: FileNode, block: u32, recent: pg_sys::Buffer) -> Option<Pinned> {
    // SAFETY: by contract
    unsafe { holds_and_pins(node, block, recent).then(|| Pinned::adopt(recent)) }
}

#[inline]
unsafe fn holds_and_pins(node: FileNode, block: u32, recent: pg_sys::Buffer) -> bool {
    // SAFETY: the server checks that the buffer holds the very block
    unsafe {
        hit_as_server("pin.recent");
        let is_held = raw::ReadRecentBuffer(node, pg_sys::ForkNumber::MAIN_FORKNUM, block, recent);
        if is_held {
            cost_delay::hit();
        }
        is_held
    }
}

/// Unless the first of `items` is found, asks the kernel to read the `blocks` of `rel` ahead of all that are not: where one
/// must be read, others will. effective_io_concurrency = 0 (of the relation's tablespace) switches it off.
#[inline]
pub fn read_ahead<T, B: IntoIterator<Item = u32>>(
    rel: Rel<'_>,
    mut items: impl Iterator<Item = T>,
    is_found: impl Fn(&T) -> bool,
    blocks: impl FnMut(T) -> B,
) {
    let Some(first) = items.next().filter(|first| !rel.is_temporary() && !is_found(first)) else { return };
    let missing = std::iter::once(first).chain(items.filter(|item| !is_found(item)));
    ask_for(rel, missing.flat_map(blocks));
}

#[cold]
fn ask_for(rel: Rel<'_>, blocks: impl Iterator<Item = u32>) {
    if rel.io_concurrency() > 0 {
        for (index, block) in blocks.enumerate() {
            // SAFETY: rel is open
            let asked = unsafe { pg_sys::PrefetchBuffer(rel.raw(), pg_sys::ForkNumber::MAIN_FORKNUM, block) };
            // the caller may not look by itself whether the first is found
            if index == 0 && asked.recent_buffer > 0 && !settings::optimistic_reads() {
                return;
            }
        }
    }
}

/// Adds a block to `rel`, zeroed and locked. The caller holds the extension lock.
#[must_use]
pub fn extend(rel: Rel<'_>) -> Exclusive {
    // SAFETY: rel is open
    Exclusive(unsafe {
        pg_sys::ReadBufferExtended(
            rel.raw(),
            pg_sys::ForkNumber::MAIN_FORKNUM,
            pg_sys::InvalidBlockNumber,
            pg_sys::ReadBufferMode::RBM_ZERO_AND_LOCK,
            std::ptr::null_mut(),
        )
    })
}

impl Pinned {
    /// Takes over a pin. On a standby, waits until the page is there.
    #[inline]
    #[must_use]
    pub unsafe fn adopt(buffer: pg_sys::Buffer) -> Self {
        // SAFETY: by contract, the buffer is pinned
        unsafe { crate::pg::buffer::optimistic::wait_until_filled(buffer) };
        Self(buffer)
    }

    /// The server's buffer number.
    #[must_use]
    pub fn buffer(&self) -> pg_sys::Buffer {
        self.0
    }

    /// Locks for reading.
    #[must_use]
    pub fn share(self) -> Shared {
        // SAFETY: pinned
        unsafe { raw::LockBuffer(self.0, pg_sys::BUFFER_LOCK_SHARE as i32) };
        let buffer = self.0;
        std::mem::forget(self);
        Shared(buffer)
    }

    /// Locks for writing.
    #[must_use]
    pub fn exclusive(self) -> Exclusive {
        // SAFETY: pinned
        unsafe { raw::LockBuffer(self.0, pg_sys::BUFFER_LOCK_EXCLUSIVE as i32) };
        let buffer = self.0;
        std::mem::forget(self);
        Exclusive(buffer)
    }

    /// The page, without a lock: only for bytes that do not change while the caller may see them.
    #[must_use]
    #[inline]
    pub fn page(&self) -> &PageBytes {
        // SAFETY: pinned as long as self lives
        unsafe { page(self.0) }
    }
}

impl Shared {
    /// Lets go of the lock, and keeps the pin.
    #[must_use]
    pub fn unlock(self) -> Pinned {
        // SAFETY: locked
        unsafe { raw::LockBuffer(self.0, pg_sys::BUFFER_LOCK_UNLOCK as i32) };
        let buffer = self.0;
        std::mem::forget(self);
        Pinned(buffer)
    }

    /// The page.
    #[must_use]
    pub fn page(&self) -> &PageBytes {
        // SAFETY: pinned as long as self lives
        unsafe { page(self.0) }
    }

    /// The server's buffer number.
    #[must_use]
    pub fn buffer(&self) -> pg_sys::Buffer {
        self.0
    }
}

impl Exclusive {
    /// The page.
    #[must_use]
    pub fn page(&self) -> &PageBytes {
        // SAFETY: pinned as long as self lives
        unsafe { page(self.0) }
    }

    /// The server's buffer number.
    #[must_use]
    pub fn buffer(&self) -> pg_sys::Buffer {
        self.0
    }

    /// The block's number.
    #[must_use]
    pub fn block(&self) -> u32 {
        // SAFETY: pinned
        unsafe { raw::BufferGetBlockNumber(self.0) }
    }

    /// Changes bytes that need no log record of their own: a lost change is harmless, and so is any mix of old and
    /// new bytes. Checksums are honoured as for the server's hint bits.
    pub fn hint(&mut self, change: impl FnOnce(&mut PageBytes)) {
        // SAFETY: pinned and exclusively locked
        unsafe {
            change(&mut *pg_sys::BufferGetPage(self.0).cast());
            pg_sys::MarkBufferDirtyHint(self.0, false);
        }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: pinned by us
            unsafe { raw::ReleaseBuffer(self.0) }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: pinned and locked by us
            unsafe { raw::UnlockReleaseBuffer(self.0) }
        }
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: pinned and locked by us
            unsafe { raw::UnlockReleaseBuffer(self.0) }
        }
    }
}
