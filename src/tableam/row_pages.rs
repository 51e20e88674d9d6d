//! Rows as they lie on a table's pages: every version, whoever can see it, without the server's way through visibility and slots
//! of the executor.
//!
//! That is for who wants a superset of the rows that a snapshot sees: what it sees was on the table's pages before it was taken, and
//! stays there. A version is read under a pin, as the server's scans read them: where its line pointer leads is looked up
//! under a lock, and nobody moves a row while its page is pinned by others.

use crate::format::store::{SlotNo, Tid};
use crate::pg::buffer::hints::hints_of;
use crate::pg::buffer::{self, optimistic};
use crate::pg::compat;
use crate::pg::relation::Rel;
use crate::tableam::rows::MOST_ROWS;
use crate::tableam::vectors;
use pgrx::pg_sys::{self, Datum, HeapTupleHeader};
use smallvec::SmallVec;
use std::ops::Range;

struct Attribute {
    /// in bytes; -1 as its header says, -2 up to a zero
    length: i16,
    /// one less than what it is aligned to
    align: usize,
    by_value: bool,
    /// the place among the wanted; [`UNWANTED`]
    wanted: u8,
}

const UNWANTED: u8 = u8::MAX;

impl Attribute {
    /// Where the value begins that comes next, and where it ends, from the start of a row's data.
    #[inline(always)]
    unsafe fn place(&self, data: *const u8, at: usize) -> (usize, usize) {
        let aligned = (at + self.align) & !self.align;
        if self.length > 0 {
            return (aligned, aligned + self.length as usize);
        }
        // SAFETY: as the server stores values: a short header, or one that leads elsewhere, is not aligned
        unsafe {
            let at = if self.length == -1 && *data.add(at) != 0 { at } else { aligned };
            let value = data.add(at);
            let length = match (self.length, *value) {
                (-1, 1) => pgrx::varlena::varsize_any(value.cast()),
                (-1, header) if header & 1 == 1 => usize::from(header >> 1),
                (-1, _) => value.cast::<u32>().read() as usize >> 2,
                _ => std::ffi::CStr::from_ptr(value.cast()).to_bytes_with_nul().len(),
            };
            (at, at + length)
        }
    }

    #[inline(always)]
    unsafe fn datum(&self, value: *const u8) -> Datum {
        // SAFETY: a value of the column, aligned
        unsafe {
            match (self.by_value, self.length) {
                (true, 4) => Datum::from(value.cast::<u32>().read()),
                (true, 8) => Datum::from(value.cast::<u64>().read()),
                (true, 2) => Datum::from(value.cast::<u16>().read()),
                (true, _) => Datum::from(*value),
                (false, _) => Datum::from(value),
            }
        }
    }
}

/// How some columns of a table's rows are read.
pub struct RowForm {
    table: pg_sys::Oid,
    /// up to the last wanted
    attributes: Vec<Attribute>,
    /// where rows without NULL are read from: columns before lie at the same places in all, and are not wanted
    start: (usize, usize),
}

impl RowForm {
    /// For these columns of a table that stays open.
    #[must_use]
    pub unsafe fn new(rel: pg_sys::Relation, columns: &[i16]) -> Self {
        // SAFETY: open
        unsafe {
            let last = columns.iter().copied().max().unwrap_or(0) as usize;
            let attribute = |i| {
                let attribute = &*compat::attribute((*rel).rd_att, i);
                let align = match attribute.attalign as u8 {
                    b'd' => 7,
                    b'i' => 3,
                    b's' => 1,
                    _ => 0,
                };
                let wanted = columns.iter().position(|&number| number as usize == i + 1);
                let wanted = wanted.map_or(UNWANTED, |at| at as u8);
                Attribute { length: attribute.attlen, align, by_value: attribute.attbyval, wanted }
            };
            let attributes: Vec<_> = (0..last).map(attribute).collect();
            let is_passed = |attribute: &&Attribute| attribute.wanted == UNWANTED && attribute.length > 0;
            let passed = attributes.iter().take_while(is_passed);
            let start = passed.fold((0, 0), |(i, at), attribute| (i + 1, attribute.place(std::ptr::null(), at).1));
            Self { table: (*rel).rd_id, attributes, start }
        }
    }

    /// Hands the values of a version to `see`, by their places among the wanted: what it has; `Err` is what a version has that is older
    /// than the column.
    #[inline(always)]
    pub unsafe fn read(&self, row: HeapTupleHeader, mut see: impl FnMut(usize, Result<Option<Datum>, ()>)) {
        // SAFETY: the columns lie one after the other, each where its alignment has it
        unsafe {
            let there = (u32::from((*row).t_infomask2) & pg_sys::HEAP_NATTS_MASK) as usize;
            let has_nulls = u32::from((*row).t_infomask) & pg_sys::HEAP_HASNULL != 0;
            let data = row.cast::<u8>().add(usize::from((*row).t_hoff));
            if has_nulls || there < self.attributes.len() {
                return self.read_each(row, data, there, has_nulls, &mut see);
            }
            let (first, mut at) = self.start;
            for attribute in &self.attributes[first..] {
                let (start, end) = attribute.place(data, at);
                if attribute.wanted != UNWANTED {
                    see(attribute.wanted.into(), Ok(Some(attribute.datum(data.add(start)))));
                }
                at = end;
            }
        }
    }

    /// The same of a row in which columns are NULL or missing.
    unsafe fn read_each(
        &self,
        row: HeapTupleHeader,
        data: *const u8,
        there: usize,
        has_nulls: bool,
        see: &mut dyn FnMut(usize, Result<Option<Datum>, ()>),
    ) {
        let mut at = 0;
        // SAFETY: as in `read`
        unsafe {
            let is_there = (*row).t_bits.as_ptr();
            for (i, attribute) in self.attributes.iter().enumerate() {
                let value = if i >= there {
                    Err(())
                } else if has_nulls && *is_there.add(i / 8) & 1 << (i % 8) == 0 {
                    Ok(None)
                } else {
                    let (start, end) = attribute.place(data, at);
                    at = end;
                    Ok(Some(data.add(start)))
                };
                if attribute.wanted != UNWANTED {
                    see(attribute.wanted.into(), value.map(|value| value.map(|value| attribute.datum(value))));
                }
            }
        }
    }

    /// The slot of the vector that a column's value leads to.
    #[inline]
    #[must_use]
    pub unsafe fn slot(&self, value: Datum) -> Option<SlotNo> {
        // SAFETY: a value of a vector column
        unsafe { vectors::reference_at(self.table, value).map(|reference| reference.slot) }
    }
}

/// Line pointers that were copied, of one page or of several; kept for the next ones.
#[derive(Default)]
pub struct Pointers(Vec<pg_sys::ItemIdData>);

/// A page of a table, pinned, and where its line pointers were copied to.
struct Pinned {
    page: buffer::Pinned,
    copied: Range<usize>,
}

/// The same with them.
struct Page<'p> {
    page: &'p buffer::Pinned,
    pointers: &'p [pg_sys::ItemIdData],
}

/// So many rows ahead the processor loads what the next ones begin with.
const AHEAD: usize = 8;

impl Pinned {
    /// Copies the line pointers, which do not change for rows that are there while the page is pinned.
    unsafe fn of(page: buffer::Pinned, pointers: &mut Pointers) -> Self {
        let shared = page.share();
        let start = pointers.0.len();
        // SAFETY: locked; the pointers are as many as the page says
        unsafe {
            let page = pg_sys::BufferGetPage(shared.buffer());
            let count = usize::from(compat::line_pointers(page)).min(MOST_ROWS);
            if count > 0 {
                pointers.0.extend_from_slice(std::slice::from_raw_parts(compat::line_pointer(page, 1), count));
            }
        }
        Self { page: shared.unlock(), copied: start..pointers.0.len() }
    }

    fn with<'p>(&'p self, pointers: &'p Pointers) -> Page<'p> {
        Page { page: &self.page, pointers: &pointers.0[self.copied.clone()] }
    }
}

impl Page<'_> {
    fn pointer(&self, offset: u16) -> Option<&pg_sys::ItemIdData> {
        self.pointers.get(usize::from(offset).checked_sub(1)?)
    }

    #[inline(always)]
    fn prefetch(&self, pointer: &pg_sys::ItemIdData) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a prefetch reads nothing that the program sees
            unsafe {
                let page = pg_sys::BufferGetPage(self.page.buffer());
                _mm_prefetch::<_MM_HINT_T0>(page.add(pointer.lp_off() as usize));
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = pointer;
    }

    unsafe fn row(&self, pointer: &pg_sys::ItemIdData) -> Option<HeapTupleHeader> {
        // SAFETY: pinned
        (pointer.lp_flags() == pg_sys::LP_NORMAL)
            .then(|| unsafe { pg_sys::BufferGetPage(self.page.buffer()).add(pointer.lp_off() as usize).cast() })
    }

    /// Calls `see` with every version of the page.
    #[inline(always)]
    unsafe fn each(&self, see: &mut impl FnMut(HeapTupleHeader)) {
        for (i, pointer) in self.pointers.iter().enumerate() {
            if let Some(later) = self.pointers.get(i + AHEAD) {
                self.prefetch(later);
            }
            // SAFETY: by contract
            if let Some(row) = unsafe { self.row(pointer) } {
                see(row);
            }
        }
    }

    /// Calls `see` with the versions on this page that indexes reach by `offset`, until it returns true; whether it did.
    unsafe fn any_of_chain(&self, mut offset: u16, mut see: impl FnMut(HeapTupleHeader) -> bool) -> bool {
        for _ in 0..=self.pointers.len() {
            let Some(pointer) = self.pointer(offset) else { return false };
            if pointer.lp_flags() == pg_sys::LP_REDIRECT {
                offset = pointer.lp_off() as u16;
                continue;
            }
            // SAFETY: by contract. An update at this moment may lead anywhere: what it makes is for later snapshots
            unsafe {
                let Some(row) = self.row(pointer) else { return false };
                if see(row) {
                    return true;
                }
                if !pg_sys::htup::HeapTupleHeaderIsHotUpdated(row) {
                    return false;
                }
                offset = (*row).t_ctid.ip_posid;
            }
        }
        false
    }
}

/// Calls `see` with every version on the table's pages. A table that would fill a good part of the shared buffers is read through
/// a ring of few, as the server's scans do.
pub unsafe fn each_version(rel: pg_sys::Relation, pointers: &mut Pointers, mut see: impl FnMut(HeapTupleHeader)) {
    /// pages that the kernel is asked for together
    const PAGES: u32 = 32;
    // SAFETY: open
    unsafe {
        let (table, main) = (Rel::of(rel), pg_sys::ForkNumber::MAIN_FORKNUM);
        let (blocks, ring) = (table.blocks(), buffer::ring(table));
        for block in 0..blocks {
            if block % PAGES == 0 {
                pgrx::check_for_interrupts!();
                if !ring.is_null() {
                    buffer::read_ahead(table, block..blocks.min(block + PAGES), |_| false, |block| [block]);
                }
            }
            let pinned = if ring.is_null() {
                buffer::read(table, block)
            } else {
                let mode = pg_sys::ReadBufferMode::RBM_NORMAL;
                buffer::Pinned::adopt(pg_sys::ReadBufferExtended(rel, main, block, mode, ring))
            };
            pointers.0.clear();
            let pinned = Pinned::of(pinned, pointers);
            pinned.with(pointers).each(&mut see);
        }
        if !ring.is_null() {
            pg_sys::FreeAccessStrategy(ring);
        }
    }
}

/// Addresses of rows in a block; none where all of it may be meant.
pub type Addresses = (u32, Option<SmallVec<[u16; 6]>>);

/// Calls `see` with the versions that indexes reach by these addresses, a few blocks at the most: their pages are pinned together,
/// so that the processor loads rows of one while others are looked up.
pub unsafe fn versions_at(
    rel: pg_sys::Relation,
    blocks: &[Addresses],
    pointers: &mut Pointers,
    mut see: impl FnMut(HeapTupleHeader),
) {
    // SAFETY: open; the blocks are there, or an error is raised
    unsafe {
        let table = Rel::of(rel);
        let hints = hints_of(table);
        for &(block, _) in blocks {
            optimistic::prefetch(hints.get_any(block), 0, 64);
        }
        pointers.0.clear();
        let mut pinned: SmallVec<[Pinned; 16]> = SmallVec::new();
        for (block, offsets) in blocks {
            let next = Pinned::of(buffer::read(table, *block), pointers);
            let page = next.with(pointers);
            offsets.iter().flatten().filter_map(|&offset| page.pointer(offset)).for_each(|first| page.prefetch(first));
            pinned.push(next);
        }
        for ((_, offsets), pinned) in blocks.iter().zip(pinned) {
            let page = pinned.with(pointers);
            let Some(offsets) = offsets else {
                page.each(&mut see);
                continue;
            };
            for &offset in offsets {
                page.any_of_chain(offset, |row| {
                    see(row);
                    false
                });
            }
        }
    }
}

/// Whether `holds` for one of the versions that indexes reach by `at`, where a snapshot sees one.
pub unsafe fn any_version(
    rel: pg_sys::Relation,
    at: Tid,
    pointers: &mut Pointers,
    holds: impl FnMut(HeapTupleHeader) -> bool,
) -> bool {
    pointers.0.clear();
    // SAFETY: open; the block is there, since a snapshot sees a row of it
    unsafe {
        let pinned = Pinned::of(buffer::read(Rel::of(rel), at.block), pointers);
        pinned.with(pointers).any_of_chain(at.offset, holds)
    }
}
