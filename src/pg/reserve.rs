//! Running out of memory as the server does: with an error, not with its end.
//!
//! A failed allocation of Rust's aborts the process, and one aborted backend takes every session down. So some memory
//! is kept in reserve: when an allocation fails, the reserve is given back, the allocation is tried again, and the
//! statement ends with `out_of_memory` at the next `check_memory` (`pg/error.rs`).

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

/// Whether the reserve had to be used.
#[inline(always)]
#[must_use]
pub fn was_used() -> bool {
    USED.load(Ordering::Relaxed)
}

/// Puts memory in reserve again.
pub fn renew() {
    USED.store(false, Ordering::Release);
    keep();
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
