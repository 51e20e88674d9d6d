//! Pages of a relation as they are in its files, for threads.
//!
//! The server's own way to a page leads through the shared buffers, a page at a time and for the backend's first thread
//! only. Of a relation that does not fit into them, threads may read pages from the files themselves, as far as it does not
//! matter that a newer state of a page may be in a buffer.
//!
//! *Invariant: when the table of buffers is asked for a page and has none ([`crate::pg::buffer::optimistic::buffer_of`]), the files
//! have all changes that were made to the page before.* The server writes a changed page before it gives the buffer away and takes
//! the page out of that table. A change that is made later may be in the files, wholly, by half, or not at all.
//!
//! The relation is open as long as anybody reads here, so its files are neither removed nor cut off.

use crate::format::page::{PAGE_BYTES, PageBytes};
use crate::pg::compat::FileNode;
use pgrx::pg_sys;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Where a relation's main fork is.
#[derive(Debug)]
pub struct Files {
    path: String,
    checksums: bool,
}

impl Files {
    /// Those of `node`, which is not temporary.
    #[must_use]
    pub unsafe fn of(node: &FileNode) -> Self {
        // SAFETY: the server answers with a string of its own memory
        unsafe { Self { path: node.path(), checksums: pg_sys::DataChecksumsEnabled() } }
    }
}

/// So many pages are read at a time, at the most.
pub const AT_A_TIME: u32 = 16;

#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Page(PageBytes);

/// A thread's reading: consecutive pages of one relation.
pub struct Reader<'f> {
    files: &'f Files,
    /// one of the files, and its number
    open: Option<(u32, File)>,
    pages: Vec<Page>,
}

impl<'f> Reader<'f> {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(files: &'f Files) -> Self {
        Self { files, open: None, pages: Vec::new() }
    }

    /// Reads the block and those after it, `count` in all or as many as are in the same file or can be read at a time. Returns how
    /// many [`Reader::page`] has; 0 when they could not be read.
    pub fn read(&mut self, block: u32, count: u32) -> u32 {
        let (number, first) = (block / pg_sys::RELSEG_SIZE, block % pg_sys::RELSEG_SIZE);
        let count = count.min(AT_A_TIME).min(pg_sys::RELSEG_SIZE - first);
        if self.open.as_ref().is_none_or(|(of, _)| *of != number) {
            let name = if number == 0 { self.files.path.clone() } else { format!("{}.{number}", self.files.path) };
            self.open = File::open(name).ok().map(|file| (number, file));
        }
        let Some((_, file)) = &self.open else { return 0 };
        if self.pages.is_empty() {
            self.pages.resize(AT_A_TIME as usize, Page([0; PAGE_BYTES]));
        }
        let pages = &mut self.pages[..count as usize];
        // SAFETY: pages are nothing but their bytes
        let bytes = unsafe { std::slice::from_raw_parts_mut(pages.as_mut_ptr().cast(), count as usize * PAGE_BYTES) };
        if file.read_exact_at(bytes, u64::from(first) * PAGE_BYTES as u64).is_err() {
            return 0;
        }
        if !self.files.checksums {
            return count;
        }
        let damaged = pages.iter_mut().zip(block..).position(|(page, at)| !page.is_sound(at));
        damaged.map_or(count, |sound| sound as u32)
    }

    /// Page `index` of those that were read last.
    #[inline]
    #[must_use]
    pub fn page(&self, index: u32) -> &PageBytes {
        &self.pages[index as usize].0
    }
}

impl Page {
    /// Whether the checksum is that of block `at`. It is not when the page is damaged, or was written while it was read.
    fn is_sound(&mut self, at: u32) -> bool {
        /// where the server's page header has it
        const CHECKSUM: usize = 8;
        // a page of zeros has none
        if self.0.iter().all(|&byte| byte == 0) {
            return false;
        }
        let expected = u16::from_ne_bytes([self.0[CHECKSUM], self.0[CHECKSUM + 1]]);
        // SAFETY: reads the page, which is ours, and its own constants; it writes the page's checksum and puts it back
        unsafe { crate::pg::raw::pg_checksum_page(self.0.as_mut_ptr().cast(), at) == expected }
    }
}
