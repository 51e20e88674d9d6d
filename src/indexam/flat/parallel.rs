//! How a scan, or the participants of a parallel one, come by their work: slot pages first, then blocks of the table to
//! be searched for rows without a vector. Each is taken once.

use super::stream::{Chunk, Segments};
use crate::pg::compat;
use crate::pg::error::guarded;
use crate::store::pending;
use pgrx::pg_sys::{self, IndexScanDesc, Size};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// Blocks that are searched at a time.
const BLOCKS: u32 = 64;

/// What has been taken; in shared memory for a parallel scan.
#[repr(C)]
#[derive(Debug, Default)]
struct Taken {
    /// slot pages below this number
    chunks: AtomicU32,
    /// blocks below this number
    blocks: AtomicU32,
}

/// A scan's source of work.
#[derive(Debug, Default)]
pub struct Work {
    own: Taken,
    shared: Option<NonNull<Taken>>,
}

unsafe fn shared_of(scan: IndexScanDesc) -> Option<NonNull<Taken>> {
    // SAFETY: the server's scan; `parallel_memory` is where the bytes are that amestimateparallelscan asked for
    unsafe {
        let parallel = (*scan).parallel_scan;
        if parallel.is_null() {
            return None;
        }
        NonNull::new(compat::parallel_memory(parallel).cast())
    }
}

impl Work {
    /// The work of `scan`, none of it taken, or shared with other participants.
    #[must_use]
    pub unsafe fn of(scan: IndexScanDesc) -> Self {
        // SAFETY: the server's scan, which the value does not outlive
        Self { own: Taken::default(), shared: unsafe { shared_of(scan) } }
    }

    fn taken(&self) -> &Taken {
        match &self.shared {
            // SAFETY: shared memory of the parallel scan, which lives as long as the scan
            Some(shared) => unsafe { shared.as_ref() },
            None => &self.own,
        }
    }

    /// Takes the next slot page.
    pub fn take_chunk(&mut self, segments: &Segments) -> Option<Chunk> {
        let chunks = &self.taken().chunks;
        loop {
            let n = chunks.fetch_add(1, Ordering::Relaxed);
            let existing = segments.existing(n);
            if existing.is_none_or(|next| next == n) {
                return existing;
            }
            // to the next segment
            chunks.fetch_max(existing.unwrap_or(n), Ordering::Relaxed);
        }
    }

    /// Takes the next blocks: the first, and how many. They may be past the end.
    pub fn take_blocks(&mut self) -> (u32, u32) {
        (self.taken().blocks.fetch_add(BLOCKS, Ordering::Relaxed), BLOCKS)
    }
}

/// The callback `amestimateparallelscan`.
#[cfg(any(feature = "pg15", feature = "pg16"))]
pub unsafe extern "C-unwind" fn amestimateparallelscan() -> Size {
    size_of::<Taken>()
}

/// The callback `amestimateparallelscan`.
#[cfg(feature = "pg17")]
pub unsafe extern "C-unwind" fn amestimateparallelscan(_keys: i32, _orderbys: i32) -> Size {
    size_of::<Taken>()
}

/// The callback `amestimateparallelscan`.
#[cfg(feature = "pg18")]
pub unsafe extern "C-unwind" fn amestimateparallelscan(_index: pg_sys::Relation, _keys: i32, _orderbys: i32) -> Size {
    size_of::<Taken>()
}

/// The callback `aminitparallelscan`. The leader's waiting addresses are written before anybody else looks at slots.
pub unsafe extern "C-unwind" fn aminitparallelscan(target: *mut std::ffi::c_void) {
    // SAFETY: as many bytes as asked for, aligned as the server aligns
    unsafe {
        guarded(|| {
            pending::flush();
            target.cast::<Taken>().write(Taken::default());
        });
    }
}

/// The callback `amparallelrescan`.
pub unsafe extern "C-unwind" fn amparallelrescan(scan: IndexScanDesc) {
    // SAFETY: the server's scan, between two runs
    unsafe {
        guarded(|| {
            pending::flush();
            if let Some(shared) = shared_of(scan) {
                shared.as_ref().chunks.store(0, Ordering::Relaxed);
                shared.as_ref().blocks.store(0, Ordering::Relaxed);
            }
        });
    }
}
const _: () = assert!(align_of::<Taken>() <= pg_sys::MAXIMUM_ALIGNOF as usize);
