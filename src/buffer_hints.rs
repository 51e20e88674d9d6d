//! In which shared buffers blocks were last found.
//!
//! One table a backend, for the blocks of all relations. A hint is a buffer's number and nothing else; whoever uses one checks
//! that the buffer holds the block (`pg/buffer/optimistic.rs`, the server's `ReadRecentBuffer`), so a hint may be old, or another
//! block's: then the block is looked for in the server's way, and noted.
//!
//! Each relation has a range of the table, as long as it is large, from where the range before ended; at the table's end they
//! go on at its beginning. So blocks share a place only where more is read than the table has places for, and then a hint is
//! missed now and then: there is no size from which on hints are lost. The table has four places for each shared buffer, since
//! what is in no buffer needs none, but takes `pg_zvec.hint_memory` at the most. Memory that no hint was noted in is never
//! touched.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicI32, Ordering};

/// Places of the table for each shared buffer.
const EACH: usize = 4;
/// Places of the least table.
const LEAST: usize = 1 << 12;
/// Of how many files ranges are remembered; when there are more, all begin anew.
const MOST_FILES: usize = 4096;
/// A file grows into places after it: it has room for an eighth more, and this.
const ROOM: u32 = 64;

/// A file: its tablespace, database and number.
pub type File = (u32, u32, u32);

/// Hashes files: asked for with every page that is read, and the numbers are not an adversary's.
#[derive(Default)]
struct FileHasher(u64);

impl Hasher for FileHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u32(byte.into()));
    }

    fn write_u32(&mut self, number: u32) {
        // Fibonacci hashing (Knuth): 2^64 divided by the golden ratio
        self.0 = (self.0.rotate_left(32) ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        // the map takes places from the low bits, which the product has mixed least
        self.0.rotate_left(32)
    }
}

/// Which relations have which ranges.
#[derive(Default)]
pub struct Ranges {
    of: HashMap<File, u32, BuildHasherDefault<FileHasher>>,
    next: u32,
}

impl Ranges {
    /// Where the range of `file` begins, if it has one.
    #[must_use]
    pub fn start(&self, file: File) -> Option<u32> {
        self.of.get(&file).copied()
    }

    /// Gives `file` a range for as many `blocks` as it has, and some more; returns where it begins.
    pub fn add(&mut self, file: File, blocks: u32) -> u32 {
        if self.of.len() >= MOST_FILES {
            self.of.clear();
        }
        let start = self.next;
        self.next = start.wrapping_add(blocks).wrapping_add(blocks / 8).wrapping_add(ROOM);
        self.of.insert(file, start);
        start
    }
}

/// A table of so many places or, without the memory, fewer. It lives as long as the process.
#[must_use]
pub fn table(places: usize) -> &'static [AtomicI32] {
    let mut places = places.next_power_of_two();
    while places >= LEAST {
        // SAFETY: not empty; zeros are places without a hint; it lives as long as the process
        unsafe {
            let layout = Layout::array::<AtomicI32>(places).unwrap_or(Layout::new::<AtomicI32>());
            // not by the process's allocator, which would end the statement
            let memory = if layout.size() >= LEAST { System.alloc_zeroed(layout) } else { std::ptr::null_mut() };
            if !memory.is_null() {
                return std::slice::from_raw_parts(memory.cast(), places);
            }
        }
        places /= 2;
    }
    &[]
}

/// How many places there are to be, of so many shared buffers, in so many bytes; a power of two.
#[must_use]
pub fn places(buffers: usize, most_bytes: usize) -> usize {
    let most = (most_bytes / size_of::<AtomicI32>() + 1).next_power_of_two() / 2;
    (EACH * buffers).next_power_of_two().clamp(LEAST, most.max(LEAST))
}

/// The hints of one relation's main fork. It may be kept as long as the process lives, and used by threads.
#[derive(Clone, Copy, Debug)]
pub struct Hints {
    table: &'static [AtomicI32],
    /// where the relation's first block is
    start: u32,
}

impl Hints {
    /// Of a relation that has none: what is asked for is not known, and what is noted is forgotten.
    pub const NONE: Self = Self { table: &[], start: 0 };

    /// Of a relation whose range of `table` begins at `start`.
    #[must_use]
    pub fn new(table: &'static [AtomicI32], start: u32) -> Self {
        Self { table, start }
    }

    #[inline(always)]
    fn place(&self, block: u32) -> Option<&'static AtomicI32> {
        self.table.get(self.start.wrapping_add(block) as usize & self.table.len().wrapping_sub(1))
    }

    /// The number of the shared buffer that the block may be in; not a positive one when that is not known.
    #[inline(always)]
    #[must_use]
    pub fn get(&self, block: u32) -> i32 {
        self.place(block).map_or(0, |place| place.load(Ordering::Relaxed))
    }

    /// As [`Hints::get`], or the number that was noted by [`Hints::set_unseen`].
    #[inline(always)]
    #[must_use]
    pub fn get_any(&self, block: u32) -> i32 {
        self.get(block).wrapping_abs()
    }

    /// Notes the number of the shared buffer that the block is in, for those who look themselves whether it is the page that
    /// it should be.
    pub fn set_unseen(&self, block: u32, buffer: i32) {
        self.set(block, -buffer);
    }

    /// Notes the number of the shared buffer that the block is in, and that it is the page that it should be.
    #[inline(always)]
    pub fn set(&self, block: u32, buffer: i32) {
        if let Some(place) = self.place(block) {
            place.store(buffer, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_places_as_buffers_need_and_memory_allows() {
        assert_eq!(places(16_384, 64 << 20), 65_536);
        assert_eq!(places(16_384, 64 << 10), 16_384);
        assert_eq!(places(1 << 23, 16 << 20), 4 << 20);
        assert_eq!(places(1 << 23, (16 << 20) - 1), 2 << 20);
        assert_eq!(places(16, 1 << 20), LEAST);
    }

    #[test]
    fn places_are_shared_only_beyond_the_table() {
        let table = table(LEAST);
        let (first, second) = (Hints { table, start: 0 }, Hints { table, start: 3000 });
        assert_eq!(first.get(7), 0);
        first.set_unseen(7, 5);
        assert!(first.get(7) <= 0 && first.get_any(7) == 5);
        (0..3000).for_each(|block| first.set(block, block as i32 + 1));
        (0..1096).for_each(|block| second.set(block, block as i32 + 5001));
        assert!((0..3000).all(|block| first.get(block) == block as i32 + 1));
        assert!((0..1096).all(|block| second.get(block) == block as i32 + 5001));
        second.set(1096, 9000);
        assert_eq!(first.get(0), 9000);
        // the ranges go on around the table
        let mut ranges = Ranges::default();
        assert_eq!(ranges.add((1, 1, 7), 800), 0);
        assert_eq!(ranges.add((1, 1, 8), 8), 964);
        assert_eq!(ranges.start((1, 1, 7)), Some(0));
        assert_eq!(ranges.start((1, 1, 8)), Some(964));
        assert_eq!(ranges.start((1, 1, 9)), None);
        assert_eq!(ranges.add((1, 1, 9), u32::MAX), 964 + 8 + 1 + ROOM);
        let last = Hints { table, start: u32::MAX };
        last.set(0, 3);
        last.set(1, 4);
        assert_eq!((last.get(0), last.get(1), first.get(0)), (3, 4, 4));
        Hints::NONE.set(1, 1);
        assert_eq!(Hints::NONE.get(1), 0);
    }
}
