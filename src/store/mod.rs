//! The vector store of one table: segments on the pages of the table's TOAST relation.
//!
//! Duty: reserve slots, write vectors and slots, read vectors, reclaim what no snapshot needs. It knows no rows; what
//! it must learn of a row it asks through a closure.
//!
//! Invariants (see `design/mvcc.md`):
//! * a slot becomes LIVE only after all bytes of its vector are on their pages and logged;
//! * the bytes of a LIVE slot's vector never change, so they may be read with a pin and no lock;
//! * extents never move while the relation's file lives, so a backend may remember them.
//!
//! Lock order: extension lock, root page, segment page, slot page, data page; pages of one kind in ascending order. No
//! function returns with a lock held, and none calls back into rows or the executor with one.

#![allow(clippy::missing_safety_doc)]

mod conflict;
pub mod data_pages;
pub mod death;
pub mod deferred_addresses;
mod grow;
pub mod pointer_reader;
mod read;
mod reserve;
pub mod segment_cache;
pub mod slot_reader;
pub mod vacuum;
pub mod visibility;
mod write;

pub use crate::format::store::reclaim::RowVersion;
pub use data_pages::{DataPages, PagePlaces};
pub use read::StoredVector;
pub use reserve::Reservation;
pub use segment_cache::{Segment, Store, epoch, watch_relation_cache};
pub use vacuum::{Census, Reclaimed};
pub use write::{NewVector, SlotChange};

use crate::error::{Error, SqlState};
use crate::format::page::Damage;
use crate::format::store::SegmentNo;
use crate::format::store::page::{PageHeader, RootPage};
use crate::pg::compat::FileNode;
use crate::pg::error::raise;
use crate::pg::failpoint::hit;
use crate::pg::relation::Rel;
use crate::pg::{catalog, relation, wal};
use pgrx::pg_sys;

/// Creates the store's root page in a fork that was just created and is empty.
pub unsafe fn create(rel: Rel<'_>, node: &FileNode, fork: pg_sys::ForkNumber::Type, log: bool) {
    // SAFETY: by contract
    unsafe {
        hit("create.file");
        let base = RootPage::base_for(node.number()).to_le_bytes().to_vec();
        wal::write_first_page(rel, node, fork, RootPage::HEADER.encode(), &[(RootPage::BASE, base)], log);
        hit("create.root");
    }
}

/// Empties the store: `truncate` cuts the relation's file to nothing, then the root page is put back, with a base that
/// no slot number of before has.
pub fn truncate(rel: Rel<'_>, truncate: impl FnOnce()) {
    let root = Store::of(rel).root();
    let base = SegmentNo(root.segments.len().max(1) as u32).tag(root.base).0;
    hit("truncate.begin");
    truncate();
    hit("truncate.cut");
    let lock = relation::ExtensionLock::acquire(rel);
    let page = [crate::pg::buffer::extend(rel)];
    wal::initialise(rel, &page);
    let mut change = wal::Change::new(&page[0]);
    change.make_store_page(&RootPage::HEADER);
    change.put(RootPage::BASE, &base.to_le_bytes());
    hit("truncate.page");
    wal::apply(rel, &[change]);
    hit("truncate.root");
    drop(page);
    drop(lock);
    segment_cache::forget(rel.oid());
}

fn damage_error(rel: Rel<'_>, blkno: u32, damage: &Damage) -> Error {
    let name = rel.name();
    let what = format!("invalid vector store page in block {blkno} of relation \"{name}\": {}", damage.0);
    Error::new(SqlState::DataCorrupted, what)
}

/// Raises the error for a damaged page, naming relation and block.
pub(crate) fn damaged(rel: Rel<'_>, blkno: u32, damage: &Damage) -> ! {
    raise(
        damage_error(rel, blkno, damage)
            .hint("Restore the table from a backup or a replica; rows whose vectors lie elsewhere can still be read."),
    )
}

/// Raises the error for a store without a sound root page.
pub(crate) fn rootless(rel: Rel<'_>, damage: &Damage) -> ! {
    raise(damage_error(rel, 0, damage).hint(
        "Restore the table from a backup or a replica. If a tool has copied the table and swapped its files, the rows \
         hold their vectors themselves: ALTER TABLE ... SET ACCESS METHOD heap, then zvec, makes a store again.",
    ))
}

/// What to do about a table without a vector store.
pub const LACKING_HINT: &str = "Another program has copied the table and swapped the files, so its rows hold their \
                                vectors themselves. VACUUM FULL on the table makes a vector store again.";

/// Raises the error for a table whose open TOAST relation `toast` is no vector store.
pub(crate) fn raise_lacking(toast: Rel<'_>) -> ! {
    let (oid, name) = (toast.oid(), toast.name());
    let class = pg_sys::RelationRelationId;
    let owner = catalog::dependencies(class, oid).into_iter().find(|(of, _)| *of == class);
    let table = owner.map_or_else(|| format!("the table of \"{name}\""), |(_, table)| relation::name_of(table));
    raise(Error::new(SqlState::ObjectNotInPrerequisiteState, format!("{table} has no vector store")).hint(LACKING_HINT))
}

/// Checks that a page is the store page it should be.
pub(crate) fn check_header(rel: Rel<'_>, blkno: u32, page: &crate::format::page::PageBytes, header: &PageHeader) {
    if let Err(damage) = header.check(page) {
        damaged(rel, blkno, &damage)
    }
}
