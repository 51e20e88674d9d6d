//! How a scan, or the participants of a parallel one, come by their work: slot pages first, then blocks of the table to
//! be searched for rows without a vector. Each is taken once.

use crate::knn::vector_scan::{ColumnSegments, SlotPageNo};
use pgrx::pg_sys;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// Blocks that are searched at a time.
const BLOCKS: u32 = 64;

/// What has been taken; in shared memory for a parallel scan.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Taken {
    /// slot pages below this number
    chunks: AtomicU32,
    /// blocks below this number
    blocks: AtomicU32,
}

/// A scan's source of work.
#[derive(Debug, Default)]
pub struct ScanWork {
    own: Taken,
    shared: Option<NonNull<Taken>>,
}

impl Taken {
    /// As if nothing had been taken.
    pub fn reset(&self) {
        self.chunks.store(0, Ordering::Relaxed);
        self.blocks.store(0, Ordering::Relaxed);
    }
}

impl ScanWork {
    /// None of it taken; or shared with other participants, in memory that outlives the value.
    #[must_use]
    pub fn shared(shared: Option<NonNull<Taken>>) -> Self {
        Self { own: Taken::default(), shared }
    }

    fn taken(&self) -> &Taken {
        match &self.shared {
            // SAFETY: shared memory of the parallel scan, which lives as long as the scan
            Some(shared) => unsafe { shared.as_ref() },
            None => &self.own,
        }
    }

    /// Takes the next slot page.
    pub fn take_chunk(&mut self, segments: &ColumnSegments) -> Option<SlotPageNo> {
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

const _: () = assert!(align_of::<Taken>() <= pg_sys::MAXIMUM_ALIGNOF as usize);
