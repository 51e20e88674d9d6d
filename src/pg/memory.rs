//! Where a function may keep memory, and what is forgotten when there is no room.

use crate::pg::error::out_of_memory;
use crate::pg::function::Call;
use pgrx::pg_sys;
use std::cell::Cell;

impl Call<'_> {
    /// Whether this is an aggregate's transition, which may change its state in place.
    pub fn is_aggregate_step(self) -> bool {
        // SAFETY: the call lives; no context is asked for
        unsafe { pg_sys::AggCheckCallContext(self.fcinfo(), std::ptr::null_mut()) != 0 }
    }
}

/// Which of `count` remembered things is forgotten to make room: any one. Where more are used in turn than there is room for,
/// some of them are found again; of those used last, none would be.
#[must_use]
pub fn victim(count: usize) -> usize {
    thread_local! {
        static DRAWN: Cell<u32> = const { Cell::new(1) };
    }
    DRAWN.set(DRAWN.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    (DRAWN.get() >> 8) as usize % count.max(1)
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
        let memory = libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        memory != libc::MAP_FAILED && libc::munmap(memory, bytes) == 0
    }
}
