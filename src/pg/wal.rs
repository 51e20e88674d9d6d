//! Logged changes of pages, as records of the server's generic resource manager: replay needs no library of ours.
//!
//! A generic record holds, for each page, fragments (offset u16, length u16, bytes) that replay copies in. The callers
//! know exactly which bytes they change, so the record is made of them directly instead of by comparing page images.

use crate::format::page::{Fragment, PAGE_BYTES, PageBytes};
use crate::format::store::page::PageHeader;
use crate::pg::buffer::Exclusive;
use crate::pg::compat::FileNode;
use crate::pg::raw;
use crate::pg::relation::Rel;
use pgrx::pg_sys;

/// The most pages that one generic record can change.
pub const MAX_PAGES: usize = 4;

/// The fragments to be put on one page.
pub struct Change<'p> {
    page: &'p Exclusive,
    delta: Vec<u8>,
}

impl<'p> Change<'p> {
    /// No change yet of `page`.
    #[must_use]
    pub fn new(page: &'p Exclusive) -> Self {
        Self { page, delta: Vec::new() }
    }

    /// Puts `bytes` at `offset` of the page.
    pub fn put(&mut self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= PAGE_BYTES, "fragment leaves the page");
        if !bytes.is_empty() {
            self.delta.extend_from_slice(&(offset as u16).to_ne_bytes());
            self.delta.extend_from_slice(&(bytes.len() as u16).to_ne_bytes());
            self.delta.extend_from_slice(bytes);
        }
    }

    /// Puts each of `fragments`.
    pub fn put_all(&mut self, fragments: &[Fragment]) {
        for (offset, bytes) in fragments {
            self.put(*offset, bytes);
        }
    }

    /// Makes the (new, empty) page a store page with `header`: neither items nor free space for the server's code.
    pub fn make_store_page(&mut self, header: &PageHeader) {
        self.make_page(header.encode());
    }

    /// Makes the (new, empty) page one of ours with a header of 16 bytes: neither items nor free space for the server's
    /// code.
    pub fn make_page(&mut self, header: [u8; 16]) {
        let empty = (PAGE_HEADER as u16).to_ne_bytes();
        let flags = (pg_sys::PD_ALL_VISIBLE as u16).to_ne_bytes();
        // pd_flags, pd_lower, pd_upper, pd_special
        self.put(10, &[flags, empty, empty, empty].concat());
        self.put(PAGE_HEADER, &header);
    }
}

const PAGE_HEADER: usize = crate::format::page::SERVER_HEADER_BYTES;

struct CriticalSection;

impl CriticalSection {
    fn start() -> Self {
        // SAFETY: a counter of this backend
        unsafe { pg_sys::CritSectionCount += 1 };
        Self
    }
}

impl Drop for CriticalSection {
    fn drop(&mut self) {
        // SAFETY: as in start
        unsafe { pg_sys::CritSectionCount -= 1 };
    }
}

/// Applies `changes` (at most [`MAX_PAGES`]) and logs them in one record, so that all or none survive a crash.
pub fn apply(rel: Rel<'_>, changes: &[Change<'_>]) {
    assert!(changes.len() <= MAX_PAGES, "too many pages for one record");
    // SAFETY: pages are pinned and exclusively locked by their guards; fragments were checked by `put`
    unsafe {
        let log = rel.needs_wal();
        let critical = CriticalSection::start();
        for change in changes {
            let page: *mut u8 = pg_sys::BufferGetPage(change.page.buffer()).cast();
            let mut at = 0;
            while at < change.delta.len() {
                let field = |i: usize| u16::from_ne_bytes([change.delta[at + i], change.delta[at + i + 1]]) as usize;
                let (offset, len) = (field(0), field(2));
                std::ptr::copy_nonoverlapping(change.delta.as_ptr().add(at + 4), page.add(offset), len);
                at += 4 + len;
            }
            raw::MarkBufferDirty(change.page.buffer());
        }
        if log {
            raw::XLogBeginInsert();
            for (id, change) in changes.iter().enumerate() {
                raw::XLogRegisterBuffer(id as u8, change.page.buffer(), 0);
                let data = change.delta.as_ptr().cast_mut().cast();
                raw::XLogRegisterBufData(id as u8, data, change.delta.len() as _);
            }
            let lsn = raw::XLogInsert(pg_sys::RmgrIds::RM_GENERIC_ID as _, 0);
            for change in changes {
                set_lsn(change.page, lsn);
            }
        }
        drop(critical);
    }
}

unsafe fn set_lsn(page: &Exclusive, lsn: pg_sys::XLogRecPtr) {
    // SAFETY: the caller holds the page exclusively
    unsafe {
        let header: *mut pg_sys::PageHeaderData = pg_sys::BufferGetPage(page.buffer()).cast();
        (*header).pd_lsn.xlogid = (lsn >> 32) as u32;
        (*header).pd_lsn.xrecoff = lsn as u32;
    }
}

/// Makes `page` an empty page of the server with neither items nor free space, followed by our header.
unsafe fn start_page(page: &mut PageBytes, header: &[u8; 16]) {
    // SAFETY: a whole page, aligned as the server wants it
    unsafe {
        let start: pg_sys::Page = page.as_mut_ptr().cast();
        pg_sys::PageInit(start, PAGE_BYTES, 0);
        let fields: *mut pg_sys::PageHeaderData = start.cast();
        (*fields).pd_lower = PAGE_HEADER as u16;
        (*fields).pd_upper = PAGE_HEADER as u16;
        (*fields).pd_special = PAGE_HEADER as u16;
    }
    page[PAGE_HEADER..PAGE_HEADER + 16].copy_from_slice(header);
}

/// Makes a newly added page one of ours with a header of 16 bytes, and fills it, without logging it: for pages that
/// nothing leads to until the server has logged them whole.
pub fn fill(page: &Exclusive, header: [u8; 16], fill: impl FnOnce(&mut PageBytes)) {
    // SAFETY: the page is pinned and exclusively locked by its guard
    unsafe {
        let start = pg_sys::BufferGetPage(page.buffer());
        let bytes = &mut *start.cast::<PageBytes>();
        start_page(bytes, &header);
        fill(bytes);
        raw::MarkBufferDirty(page.buffer());
    }
}

/// Changes a page without logging it: one that nothing leads to until the server has logged it whole.
pub fn change_unlogged(page: &Exclusive, change: impl FnOnce(&mut PageBytes)) {
    // SAFETY: the page is pinned and exclusively locked by its guard
    unsafe {
        change(&mut *pg_sys::BufferGetPage(page.buffer()).cast::<PageBytes>());
        raw::MarkBufferDirty(page.buffer());
    }
}

/// Initialises newly added pages (at most [`MAX_PAGES`]) as empty pages of the server and logs them. Should a crash
/// come right after, they are ordinary free pages of the relation.
pub fn initialise(rel: Rel<'_>, pages: &[Exclusive]) {
    assert!(pages.len() <= MAX_PAGES, "too many pages for one record");
    // SAFETY: pages are pinned and exclusively locked by their guards
    unsafe {
        let log = rel.needs_wal();
        let critical = CriticalSection::start();
        for page in pages {
            pg_sys::PageInit(pg_sys::BufferGetPage(page.buffer()), PAGE_BYTES, 0);
            raw::MarkBufferDirty(page.buffer());
        }
        if log {
            raw::XLogBeginInsert();
            for (id, page) in pages.iter().enumerate() {
                let flags = pg_sys::REGBUF_FORCE_IMAGE | pg_sys::REGBUF_STANDARD;
                raw::XLogRegisterBuffer(id as u8, page.buffer(), flags as u8);
            }
            let lsn = raw::XLogInsert(pg_sys::RmgrIds::RM_XLOG_ID as _, pg_sys::XLOG_FPI as _);
            for page in pages {
                set_lsn(page, lsn);
            }
        }
        drop(critical);
    }
}

/// Marks a page that holds no rows as all-visible and all-frozen, so that VACUUM of the relation passes it by.
pub fn set_all_frozen(rel: Rel<'_>, page: &Exclusive) {
    // SAFETY: the page is pinned and exclusively locked by its guard
    unsafe {
        let mut map = pg_sys::InvalidBuffer as pg_sys::Buffer;
        pg_sys::visibilitymap_pin(rel.raw(), page.block(), &mut map);
        pg_sys::visibilitymap_set(
            rel.raw(),
            page.block(),
            page.buffer(),
            pg_sys::InvalidXLogRecPtr as _,
            map,
            pg_sys::InvalidTransactionId,
            (pg_sys::VISIBILITYMAP_ALL_VISIBLE | pg_sys::VISIBILITYMAP_ALL_FROZEN) as u8,
        );
        pg_sys::ReleaseBuffer(map);
    }
}

/// Writes block 0 of a fork that was just created, a store page with `fragments`, past the shared buffers, and logs it where `log` says so.
///
/// The write comes before the record: a checkpoint between the two already knows the file must be synced.
pub unsafe fn write_first_page(
    rel: Rel<'_>,
    node: &FileNode,
    fork: pg_sys::ForkNumber::Type,
    header: [u8; 16],
    fragments: &[Fragment],
    log: bool,
) {
    #[repr(C, align(4096))]
    struct Aligned([u8; PAGE_BYTES]);
    let mut image = Aligned([0; PAGE_BYTES]);
    // SAFETY: image is a whole page; the fork exists and is empty
    unsafe {
        start_page(&mut image.0, &header);
        for (offset, bytes) in fragments {
            image.0[*offset..offset + bytes.len()].copy_from_slice(bytes);
        }
        let page: pg_sys::Page = image.0.as_mut_ptr().cast();
        pg_sys::PageSetChecksumInplace(page, 0);
        let smgr = pg_sys::smgropen(node.servers(), (*rel.raw()).rd_backend);
        pg_sys::smgrextend(smgr, fork, 0, page as _, false);
        if log {
            let mut node = node.servers();
            pg_sys::log_newpage(&mut node, fork, 0, page, false);
        }
        if fork == pg_sys::ForkNumber::INIT_FORKNUM {
            pg_sys::smgrimmedsync(smgr, fork);
        }
    }
}

/// Logs a value of more than a row's size as logical decoding knows such values: as one chunk that is inserted into the
/// TOAST relation of `page`. It is in the log only. The record names the page, to say which relation is meant, and has a
/// whole image of it, so replay puts the page back as it is and inserts nothing; the less the page has on it, the shorter.
///
/// `value` is the number by which rows of the table refer to the value, `payload` the value without its length.
pub fn log_chunk(page: &Exclusive, value: u32, payload: &[&[u8]]) {
    const CONTAINS_NEW_TUPLE: u8 = 1 << 3;
    const ON_TOAST_RELATION: u8 = 1 << 4;
    /// a row's header without its transactions, as records have it: columns, flags, where the columns begin
    const HAS_VARWIDTH: u8 = 2;
    const COLUMNS_AT: u8 = 24;
    const ROW_HEADER: [u8; 6] = [3, 0, HAS_VARWIDTH, 0, COLUMNS_AT, 0];
    let bytes: usize = payload.iter().map(|part| part.len()).sum();
    let mut row = [0u8; ROW_HEADER.len() + 12];
    row[..6].copy_from_slice(&ROW_HEADER);
    row[6..10].copy_from_slice(&value.to_ne_bytes());
    // the number of the chunk, 0, follows; then the length of the value with these four bytes
    row[14..18].copy_from_slice(&((bytes as u32 + 4) << 2).to_ne_bytes());
    // the line pointer, of no meaning where nothing is inserted, and flags
    let insert = [1u8, 0, CONTAINS_NEW_TUPLE | ON_TOAST_RELATION];
    // SAFETY: the page is pinned and exclusively locked by its guard; what is registered lives until the record is written
    unsafe {
        let critical = CriticalSection::start();
        raw::MarkBufferDirty(page.buffer());
        raw::XLogBeginInsert();
        raw::XLogRegisterData(insert.as_ptr().cast_mut().cast(), insert.len() as _);
        let flags = pg_sys::REGBUF_FORCE_IMAGE | pg_sys::REGBUF_STANDARD | pg_sys::REGBUF_KEEP_DATA;
        raw::XLogRegisterBuffer(0, page.buffer(), flags as u8);
        raw::XLogRegisterBufData(0, row.as_ptr().cast_mut().cast(), row.len() as _);
        for part in payload {
            raw::XLogRegisterBufData(0, part.as_ptr().cast_mut().cast(), part.len() as _);
        }
        raw::XLogSetRecordFlags(pg_sys::XLOG_INCLUDE_ORIGIN as u8);
        let lsn = raw::XLogInsert(pg_sys::RmgrIds::RM_HEAP_ID as _, XLOG_HEAP_INSERT);
        set_lsn(page, lsn);
        drop(critical);
    }
}

/// Logs by which commands of our transaction the row version `header` at `at` of the open table was made and ended, as the heap's
/// code does for tables that decoding plugins read: their snapshots tell our transaction's own rows by that. The order of this record
/// and the row's does not matter.
pub unsafe fn log_commands(rel: Rel<'_>, header: pg_sys::HeapTupleHeader, at: &pg_sys::ItemPointerData) {
    const NEW_CID: u8 = 0x70;
    const NO_COMMAND: u32 = u32::MAX;
    /// the transaction, three commands, the file, the address
    const NEW_CID_BYTES: usize = 4 + 3 * 4 + 3 * 4 + 6;
    // SAFETY: by contract, a row version that our transaction has written; what is registered lives until the record is written
    unsafe {
        let mask = u32::from((*header).t_infomask);
        let raw_command = (*header).t_choice.t_heap.t_field3.t_cid;
        let is_ended = mask & pg_sys::HEAP_XMAX_INVALID == 0 && mask & pg_sys::HEAP_XMAX_LOCK_ONLY == 0;
        let commands = if mask & pg_sys::HEAP_COMBOCID != 0 {
            [pg_sys::HeapTupleHeaderGetCmin(header), pg_sys::HeapTupleHeaderGetCmax(header), raw_command]
        } else if is_ended {
            [NO_COMMAND, raw_command, NO_COMMAND]
        } else {
            [raw_command, NO_COMMAND, NO_COMMAND]
        };
        let node = rel.node();
        let mut record = Vec::with_capacity(NEW_CID_BYTES);
        let numbers = [pg_sys::GetTopTransactionId().into_inner(), commands[0], commands[1], commands[2]];
        for number in numbers.into_iter().chain([node.tablespace(), node.database(), node.number()]) {
            record.extend_from_slice(&number.to_ne_bytes());
        }
        for part in [at.ip_blkid.bi_hi, at.ip_blkid.bi_lo, at.ip_posid] {
            record.extend_from_slice(&part.to_ne_bytes());
        }
        raw::XLogBeginInsert();
        raw::XLogRegisterData(record.as_mut_ptr().cast(), record.len() as _);
        raw::XLogInsert(pg_sys::RmgrIds::RM_HEAP2_ID as _, NEW_CID);
    }
}

const XLOG_HEAP_INSERT: u8 = 0;
