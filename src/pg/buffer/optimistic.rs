//! Optimistic reads: looking at pages in the shared buffers without pin or lock.
//!
//! A pin and its release cost two atomic operations on a cache line that all backends share, and some bookkeeping: more than
//! scoring a vector's code. An optimistic read, a *look*, costs two reads of the buffer's descriptor. The one before tells
//! that the buffer holds the block, the one after that it still does; otherwise what was read in between is thrown away. The
//! page may change while it is read. So looks are for bytes that do not change while anything leads to them, or of which any
//! mix of old and new will do.
//!
//! The server does not count a look as use of the buffer when it chooses which page to evict. So every now and then a look is
//! refused, and the caller pins the page, which counts.
//!
//! *Invariant: while `zvec.optimistic_reads` is off nothing here or in [`crate::pg::buffer::thread_pin`] reads a buffer's
//! descriptor.* There is no [`Looker`], and [`holds`] answers no: the callers go the way that they go where nothing is known of
//! the buffer. Pins past the server are not taken, and threads not started ([`crate::pg::buffer::thread_pin::may_pin`]).

use crate::format::page::{PAGE_BYTES, PageBytes};
use crate::pg::compat::{FileNode, LOCKED_EXCLUSIVELY};
use crate::pg::{raw, settings};
use pgrx::pg_sys;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};

const BM_LOCKED: u32 = 1 << 22;
const BM_VALID: u32 = 1 << 24;
/// One in so many looks is refused.
const PIN_EVERY: u32 = 32;

/// Looks so far, about: threads may lose one another's.
static LOOKS: AtomicU32 = AtomicU32::new(0);

/// A block of a relation's main fork.
#[derive(Clone, Copy)]
pub struct Block {
    /// the relation's file
    pub node: FileNode,
    /// the block's number
    pub number: u32,
}

/// Whether this process knows that the server does not recover, and is no standby.
static RECOVERED: AtomicBool = AtomicBool::new(false);

/// Whether what `buffer` holds is there, once it is known to hold a block: a standby that replays a page's image takes a buffer,
/// fills it with zeros, which it declares valid, and then with the image, all the while with the page's lock.
#[inline(always)]
#[must_use]
pub unsafe fn is_filled(buffer: pg_sys::Buffer) -> bool {
    // SAFETY: by contract, a buffer's number; negative ones are the backend's own
    RECOVERED.load(Ordering::Relaxed) || buffer < 0 || unsafe { is_unlocked(buffer) }
}

/// Waits until what the pinned `buffer` holds is there. For the backend's first thread, without locks of other pages that are
/// replayed.
#[inline(always)]
pub unsafe fn wait_until_filled(buffer: pg_sys::Buffer) {
    if RECOVERED.load(Ordering::Relaxed) {
        return;
    }
    // SAFETY: by contract
    if !settings::optimistic_reads() || !unsafe { is_filled(buffer) } {
        // SAFETY: by contract
        unsafe { wait_for_replay(buffer) }
    }
}

/// Looks whether the server recovers, where that can be known: when a backend has loaded the library.
pub unsafe fn learn_of_recovery() {
    // SAFETY: a backend is attached to the shared memory; the server's first process, which loads libraries too, is not
    unsafe {
        if pg_sys::IsUnderPostmaster && !raw::RecoveryInProgress() {
            RECOVERED.store(true, Ordering::Relaxed);
        }
    }
}

#[cold]
unsafe fn wait_for_replay(buffer: pg_sys::Buffer) {
    // SAFETY: pinned, and in recovery nobody but the process that replays locks more than one page
    unsafe {
        if raw::RecoveryInProgress() {
            raw::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE as i32);
            raw::LockBuffer(buffer, pg_sys::BUFFER_LOCK_UNLOCK as i32);
        } else {
            RECOVERED.store(true, Ordering::Relaxed);
        }
    }
}

/// Whether `buffer`, a shared buffer's number, holds the block, as far as that may be looked at: never while
/// `zvec.optimistic_reads` is off.
#[inline(always)]
#[must_use]
pub unsafe fn holds(buffer: pg_sys::Buffer, block: &Block) -> bool {
    // locked: the tag may be another's already, and the flag still the former page's
    // SAFETY: by contract
    settings::optimistic_reads() && unsafe { is(buffer, block, BM_VALID | BM_LOCKED) }
}

/// Whether `buffer`, which the caller has pinned, holds the block.
#[inline(always)]
#[must_use]
pub unsafe fn holds_pinned(buffer: pg_sys::Buffer, block: &Block) -> bool {
    // locked or not: under a pin neither tag nor flag changes of a block that is in use
    // SAFETY: by contract
    unsafe { is(buffer, block, BM_VALID) }
}

/// Whether `buffer` holds the block, and of the flags in `mask` its state has BM_VALID only.
#[inline(always)]
unsafe fn is(buffer: pg_sys::Buffer, block: &Block, mask: u32) -> bool {
    debug_assert!(settings::optimistic_reads());
    // SAFETY: buffer numbers in 1..=NBuffers have a descriptor, in shared memory that is never unmapped; each field is
    // read once, and any value is fine
    unsafe {
        let descriptor = &raw const (*pg_sys::BufferDescriptors.add(buffer as usize - 1)).bufferdesc;
        let state = &*(&raw const (*descriptor).state.value).cast::<AtomicU32>();
        let tag = std::ptr::read_volatile(&raw const (*descriptor).tag);
        state.load(Ordering::Acquire) & mask == BM_VALID
            && tag.blockNum == block.number
            && FileNode::of_tag(&tag) == block.node
            && tag.forkNum == pg_sys::ForkNumber::MAIN_FORKNUM
    }
}

/// The shared buffer that holds the block just now, if one does. For the backend's first thread.
#[must_use]
pub unsafe fn buffer_of(block: &Block) -> Option<pg_sys::Buffer> {
    let mut tag = block.node.tag(block.number);
    // SAFETY: the server's table, looked at as the server does, with the lock of the part that may have the tag
    unsafe {
        let hash = raw::BufTableHashCode(&mut tag);
        let partition = pg_sys::BUFFER_MAPPING_LWLOCK_OFFSET + hash % pg_sys::NUM_BUFFER_PARTITIONS;
        let lock = &raw mut (*pg_sys::MainLWLockArray.add(partition as usize)).lock;
        raw::LWLockAcquire(lock, pg_sys::LWLockMode::LW_SHARED);
        let found = raw::BufTableLookup(&mut tag, hash);
        raw::LWLockRelease(lock);
        (found >= 0).then_some(found + 1)
    }
}

/// Whether it is time to pin a page instead of looking at it.
#[inline(always)]
#[must_use]
pub fn is_refused() -> bool {
    let looks = LOOKS.load(Ordering::Relaxed).wrapping_add(1);
    LOOKS.store(looks, Ordering::Relaxed);
    looks.is_multiple_of(PIN_EVERY)
}

/// The descriptor of `buffer`, a shared buffer's number. An address, from which nothing is read here.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn descriptor(buffer: pg_sys::Buffer) -> *const u8 {
    // SAFETY: by contract, a shared buffer's number
    unsafe { pg_sys::BufferDescriptors.add(buffer as usize - 1).cast() }
}

/// The memory of `buffer`, for the processor's prefetching and for [`Looker`]. An address, from which nothing is read here.
#[inline(always)]
#[must_use]
pub unsafe fn memory(buffer: pg_sys::Buffer) -> *const u8 {
    // SAFETY: by contract, a shared buffer's number
    unsafe { pg_sys::BufferBlocks.cast::<u8>().add((buffer as usize - 1) * PAGE_BYTES) }
}

/// Has the processor load bytes of the page in a buffer, and the buffer's descriptor, if the buffer's number is known: what a look
/// at them reads.
#[inline(always)]
pub fn prefetch(buffer: pg_sys::Buffer, at: usize, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        if buffer > 0 {
            // SAFETY: prefetching touches nothing; the buffer's number was valid when it was remembered
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(descriptor(buffer).cast());
                let start = memory(buffer).add(at);
                for line in (0..bytes).step_by(64) {
                    _mm_prefetch::<_MM_HINT_T0>(start.add(line).cast());
                }
            }
        }
    }
}

/// Who looks at pages of one file. There is one only while `zvec.optimistic_reads` is on, and it is good until the server is
/// called, which may switch that off.
#[derive(Clone, Copy)]
pub struct Looker {
    node: FileNode,
    /// see [`is_filled`]
    recovered: bool,
}

impl Looker {
    /// For looks at the file; `None` while nobody may look.
    #[inline(always)]
    #[must_use]
    pub fn of(node: FileNode) -> Option<Self> {
        settings::optimistic_reads().then(|| Self { node, recovered: RECOVERED.load(Ordering::Relaxed) })
    }

    /// Whether `buffer`, a shared buffer's number, holds block `number`.
    #[inline(always)]
    unsafe fn holds(&self, buffer: pg_sys::Buffer, number: u32) -> bool {
        // SAFETY: by contract
        unsafe { is(buffer, &Block { node: self.node, number }, BM_VALID | BM_LOCKED) }
    }

    /// What `see` makes of block `number` in `buffer`; `None` when the buffer does not hold the block (0 never does), or ceased
    /// to.
    ///
    /// `see` must cope with any bytes, and what it answers is used only if the buffer held the block all the time.
    #[inline(always)]
    pub unsafe fn look<R>(&self, buffer: pg_sys::Buffer, number: u32, see: impl FnOnce(&PageBytes) -> R) -> Option<R> {
        // SAFETY: by contract; shared buffers stay mapped
        unsafe {
            let is_there = || self.holds(buffer, number) && (self.recovered || is_unlocked(buffer));
            if buffer <= 0 || !is_there() {
                return None;
            }
            let seen = see(&*memory(buffer).cast::<PageBytes>());
            fence(Ordering::Acquire);
            is_there().then_some(seen)
        }
    }

    /// `N` bytes of block `number` in `buffer`, at `at` (both multiples of 8), as they were together at one moment; `None` as
    /// [`Looker::look`], and while somebody writes the page.
    ///
    /// They are read twice, and between the two nobody holds the page's lock for writing. A writer that was at work during
    /// the first reading has ended by then, so the second sees all of its work; one that is at work during the second has
    /// begun after. Equal readings are therefore what the page held at that moment.
    #[inline(always)]
    pub unsafe fn snapshot<const N: usize>(&self, buffer: pg_sys::Buffer, number: u32, at: usize) -> Option<[u8; N]> {
        // SAFETY: by contract; the bytes lie within the page
        unsafe {
            if buffer <= 0 || at + N > PAGE_BYTES || !at.is_multiple_of(WORD) || !self.holds(buffer, number) {
                return None;
            }
            let source = memory(buffer).add(at).cast();
            let first = read_words(source);
            fence(Ordering::Acquire);
            if !is_unlocked(buffer) || !self.holds(buffer, number) {
                return None;
            }
            fence(Ordering::Acquire);
            let second = read_words(source);
            fence(Ordering::Acquire);
            (first == second && self.holds(buffer, number)).then_some(first)
        }
    }
}

/// Bytes that are read at a time: one by one, the compiler keeps to that.
const WORD: usize = size_of::<u64>();

/// `N` bytes, each word read once.
#[inline(always)]
unsafe fn read_words<const N: usize>(source: *const u64) -> [u8; N] {
    const { assert!(N.is_multiple_of(WORD)) };
    let mut bytes = [0; N];
    for (at, word) in bytes.as_chunks_mut::<WORD>().0.iter_mut().enumerate() {
        // SAFETY: by contract, aligned and N bytes long
        *word = unsafe { source.add(at).read_volatile() }.to_ne_bytes();
    }
    bytes
}

/// Whether nobody holds the content lock of `buffer` exclusively.
#[inline(always)]
unsafe fn is_unlocked(buffer: pg_sys::Buffer) -> bool {
    debug_assert!(settings::optimistic_reads());
    // SAFETY: as in `is`
    unsafe {
        let descriptor = &raw const (*pg_sys::BufferDescriptors.add(buffer as usize - 1)).bufferdesc;
        let state = &*(&raw const (*descriptor).content_lock.state.value).cast::<AtomicU32>();
        state.load(Ordering::Acquire) & LOCKED_EXCLUSIVELY == 0
    }
}
