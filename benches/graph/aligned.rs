//! Memory as the graph's own: at the start of a cache line, in large pages where the system grants them.

use std::ops::{Deref, DerefMut};

/// Bytes that the CPU fetches at a time.
const LINE_BYTES: usize = 64;

/// A slice of its own that begins with a cache line.
pub struct Aligned<T> {
    memory: Vec<T>,
    start: usize,
}

impl<T: Copy> Aligned<T> {
    /// So many elements, all the same. An element's size divides a line, or its alignment is a line's.
    pub fn new(count: usize, value: T) -> Self {
        let mut memory: Vec<T> = Vec::with_capacity(count + Self::SPARE);
        advise_huge_pages(&mut memory);
        memory.resize(count + Self::SPARE, value);
        let start = memory.as_ptr().align_offset(LINE_BYTES);
        Self { memory, start }
    }
}

impl<T> Aligned<T> {
    const SPARE: usize = LINE_BYTES / size_of::<T>();

    fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.memory.len() - Self::SPARE
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        &self.memory[self.range()]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let range = self.range();
        &mut self.memory[range]
    }
}

/// Asks for large pages. Only advice: it may do nothing.
fn advise_huge_pages<T>(memory: &mut Vec<T>) {
    #[cfg(target_os = "linux")]
    {
        const HUGE: usize = 2 << 20;
        let range = memory.spare_capacity_mut().as_mut_ptr_range();
        let (start, end) = ((range.start as usize).next_multiple_of(HUGE), range.end as usize / HUGE * HUGE);
        if end > start {
            // SAFETY: the range lies within memory that belongs to us, and the advice does not change its contents
            unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

/// Starts loading what is there.
#[inline(always)]
pub fn prefetch<T>(line: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that the program sees, and the address is valid
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(line).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}
