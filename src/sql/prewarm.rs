//! `zvec_prewarm`: vectors and indexes into the shared buffers, before a query needs them.

use crate::indexam::selection;
use crate::indexam::selection::{Opened, Right};
use crate::knn::column::Column;
use crate::pg::relation::Rel;
use crate::sql::index::regclass;
use crate::store::{Segment, Store, deferred_addresses, pointer_reader};
use pgrx::pg_sys::{self, Datum};

/// Reads block `block` into a buffer.
fn load(rel: Rel<'_>, block: u32) {
    pgrx::check_for_interrupts!();
    // SAFETY: rel is open, and has the block
    unsafe {
        let main = pg_sys::ForkNumber::MAIN_FORKNUM;
        let normal = pg_sys::ReadBufferMode::RBM_NORMAL;
        let buffer = pg_sys::ReadBufferExtended(rel.raw(), main, block, normal, std::ptr::null_mut());
        pg_sys::ReleaseBuffer(buffer);
    }
}

/// Loads the segments of `store` that `wanted` is true for, in the order of their blocks; returns the number of pages.
fn load_segments(store: &Store, wanted: impl Fn(&Segment) -> bool) -> u64 {
    let mut pages = 1;
    store.refresh_all();
    load(store.relation(), 0);
    for segment in store.segments().iter().filter(|segment| wanted(segment)) {
        load(store.relation(), segment.block);
        pages += 1;
        for extent in segment.page.slots.extents().iter().chain(segment.page.data.extents()) {
            for block in extent.start..extent.start + extent.pages {
                load(store.relation(), block);
                pages += 1;
            }
        }
    }
    pages
}

/// Loads the indexes, after the vectors that they are over: what is loaded last stays longest.
fn prewarm(opened: &Opened, whole_table: bool) -> u64 {
    let table = opened.table.rel();
    let toast = pointer_reader::toast_of(table, pg_sys::AccessShareLock as _);
    let store = Store::of(toast.rel());
    let mut pages = if whole_table {
        load_segments(&store, |_| true)
    } else {
        let columns: Vec<Column> = opened.indexes.iter().map(|(index, _)| Column::of(index.rel(), table)).collect();
        load_segments(&store, |segment| {
            let fits = |c: &Column| c.attnum == segment.page.attnum && c.shape() == segment.page.geometry.shape;
            columns.iter().any(fits)
        })
    };
    for (index, _) in &opened.indexes {
        let blocks = index.rel().blocks();
        for block in 0..blocks {
            load(index.rel(), block);
        }
        pages += u64::from(blocks);
    }
    pages
}

crate::sql_function! {
    /// `zvec_prewarm(regclass) returns bigint`: loads an index and its column's vectors, or a table's vectors and all its
    /// indexes of ours; how many pages that were.
    zvec_prewarm(call) {
        deferred_addresses::flush();
        let lock = pg_sys::AccessShareLock as _;
        let mut pages = 0;
        for target in selection::of(regclass(call, 0), Right::Select) {
            let Some(opened) = target.open(lock, lock) else { continue };
            pages += prewarm(&opened, target.index.is_none());
            opened.close_and_unlock(lock, lock);
        }
        Ok(Datum::from(pages as i64))
    }
}
