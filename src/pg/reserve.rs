//! Running out of memory as the server does: with an error, not with its end.
//!
//! A failed allocation of Rust's aborts the process, and one aborted backend takes every session down. So some memory
//! is kept in reserve: when an allocation fails, the reserve is given back, the allocation is tried again, and the
//! statement ends with `out_of_memory` at the next [`check`].

use crate::error::{Error, SqlState};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// Bytes in reserve: more than any single allocation that does not ask first.
const RESERVE_BYTES: usize = 2 << 20;
const RESERVE: Layout = match Layout::from_size_align(RESERVE_BYTES, 16) {
    Ok(layout) => layout,
    Err(_) => panic!("a constant layout"),
};

static KEPT: AtomicPtr<u8> = AtomicPtr::new(null_mut());
static USED: AtomicBool = AtomicBool::new(false);

struct WithReserve;

#[global_allocator]
static ALLOCATOR: WithReserve = WithReserve;

/// Gives the reserve back; false when it is gone already.
#[cold]
fn give_back() -> bool {
    let kept = KEPT.swap(null_mut(), Ordering::AcqRel);
    if kept.is_null() {
        return false;
    }
    USED.store(true, Ordering::Release);
    // SAFETY: allocated with this layout by `keep`
    unsafe { System.dealloc(kept, RESERVE) };
    true
}

/// Gives the reserve back, or another thread has: is there any sense in trying again?
#[cold]
fn is_given_back() -> bool {
    give_back() || USED.load(Ordering::Acquire)
}

/// Puts memory in reserve, if there is none.
pub fn keep() {
    if KEPT.load(Ordering::Acquire).is_null() {
        // SAFETY: the layout has a size
        let new = unsafe { System.alloc(RESERVE) };
        let before = KEPT.swap(new, Ordering::AcqRel);
        if !before.is_null() {
            // SAFETY: as in `give_back`
            unsafe { System.dealloc(before, RESERVE) };
        }
    }
}

/// Ends the statement with an error when the reserve had to be used.
#[inline(always)]
pub fn check() {
    if USED.load(Ordering::Relaxed) {
        out_of_memory();
    }
}

/// Raises an error unless there is memory for `bytes` more, which are about to be taken.
pub fn ask(bytes: u64) {
    let mut probe: Vec<u8> = Vec::new();
    if usize::try_from(bytes).ok().is_none_or(|bytes| probe.try_reserve_exact(bytes).is_err()) {
        out_of_memory();
    }
}

/// Bytes that a thread takes beside its stack before any of our code runs in it, and some for that code.
const OF_A_THREAD: usize = 512 << 10;
/// Bytes that are left to everybody else.
const OF_OTHERS: usize = 1 << 20;

/// How many of `most` threads there is memory for, each with a stack of so many bytes and `own` bytes of its own. The C library
/// ends the process when it finds none for a new thread's variables, so this is asked before.
#[must_use]
pub fn threads(most: usize, stack: usize, own: usize) -> usize {
    let each = stack + OF_A_THREAD + own;
    (1..=most).rev().find(|threads| may_map(threads * each + OF_OTHERS)).unwrap_or(0)
}

/// As [`threads`], but an error is raised when there is memory for none.
#[must_use]
pub fn some_threads(most: usize, stack: usize, own: usize) -> usize {
    let threads = threads(most, stack, own);
    if threads == 0 {
        out_of_memory();
    }
    threads
}

/// Whether the system would map `bytes` more: what the allocator has in stock says nothing about that, and the reserve is kept.
fn may_map(bytes: usize) -> bool {
    // SAFETY: new pages, which nobody touches
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let memory = libc::mmap(null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        memory != libc::MAP_FAILED && libc::munmap(memory, bytes) == 0
    }
}

#[cold]
fn out_of_memory() -> ! {
    USED.store(false, Ordering::Release);
    keep();
    super::error::raise(Error::new(SqlState::OutOfMemory, "out of memory"))
}

// SAFETY: the system's allocator, asked twice where the first answer is no
unsafe impl GlobalAlloc for WithReserve {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by contract
        unsafe {
            let memory = System.alloc(layout);
            if memory.is_null() && is_given_back() { System.alloc(layout) } else { memory }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by contract
        unsafe {
            let memory = System.alloc_zeroed(layout);
            if memory.is_null() && is_given_back() { System.alloc_zeroed(layout) } else { memory }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: by contract
        unsafe { System.dealloc(memory, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: by contract; a failed realloc leaves the memory as it was
        unsafe {
            let moved = System.realloc(memory, layout, size);
            if moved.is_null() && is_given_back() { System.realloc(memory, layout, size) } else { moved }
        }
    }
}
