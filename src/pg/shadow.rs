//! A shadow of a relation: what the heap's code is given in its place so that it neither moves values out of line nor deletes
//! such values, which are the caller's to care for then.
//!
//! A vector's pointer in a row (`tableam/logical.rs`) looks to the heap's toaster like a value in TOAST relation X, where X is
//! the table itself: asked to delete it, the toaster would open the table, and its first index, and delete rows. The heap
//! calls the toaster for tables and materialised views only; so a shadow is a copy of the relation's entry in the relation
//! cache that says that it is a TOAST relation. What else the code below `heap_insert`, `heap_multi_insert`, `heap_update` and
//! `heap_delete` does with the kind of a relation: it logs for logical decoding what is of no foreign table (so: the same), and
//! a serializable transaction leaves materialised views out (so: does more). Whether a relation is a TOAST relation in the
//! sense of decoding its schema tells.
//!
//! The shadow lives as long as the process, since the storage manager notes where the handle of its file is kept; an
//! error leaves it there, and the next use takes it away. Everything else that the entry points to and that a message of
//! invalidation may free in the midst of the heap's code is copied or not used after the first place where such messages
//! are read (flattening of the replica identity, after which only the page and the log are written).

use crate::pg::compat;
use pgrx::pg_sys::{self, Bitmapset, Relation};
use std::cell::Cell;

struct Shadow {
    entry: pg_sys::RelationData,
    class: pg_sys::FormData_pg_class,
}

thread_local! {
    static SHADOW: Cell<*mut Shadow> = const { Cell::new(std::ptr::null_mut()) };
}

/// Runs `code`, which calls the heap's within a boundary of its own, with the shadow of the open table `rel`. Where
/// the table's replica identity is the full row, the code is told that it is a key of all columns. The two are decoded alike;
/// but a full row is logged as it is stored unless its header says that it has values out of line, while of a key those values
/// are fetched that are.
pub unsafe fn with_shadow<R>(rel: Relation, code: impl FnOnce(Relation) -> R) -> R {
    // SAFETY: rel is open; the copies live until the end of the call, the shadow as long as the process
    unsafe {
        learn(rel);
        let shadow = place();
        (*shadow).entry = *rel;
        compat::take_file(&mut (*shadow).entry);
        (*shadow).class = *(*rel).rd_rel;
        (*shadow).entry.rd_rel = &raw mut (*shadow).class;
        (*shadow).class.relkind = pg_sys::RELKIND_TOASTVALUE as _;
        let entry = &mut (*shadow).entry;
        compat::own_bitmaps(entry);
        if (*shadow).class.relreplident as u8 == pg_sys::REPLICA_IDENTITY_FULL {
            (*shadow).class.relreplident = pg_sys::REPLICA_IDENTITY_DEFAULT as _;
            pg_sys::bms_free(entry.rd_idattr);
            entry.rd_idattr = all_columns(rel);
            compat::claim_bitmaps(entry);
        }
        let given: Relation = &raw mut (*shadow).entry;
        let result = code(given);
        compat::free_bitmaps(&mut (*shadow).entry);
        compat::give_file_back(&mut (*shadow).entry, rel);
        result
    }
}

/// Has the real entry learn what the code would have the shadow learn, which would be lost with it.
unsafe fn learn(rel: Relation) {
    // SAFETY: rel is open
    unsafe {
        let kind = pg_sys::IndexAttrBitmapKind::INDEX_ATTR_BITMAP_KEY;
        pg_sys::bms_free(pg_sys::RelationGetIndexAttrBitmap(rel, kind));
        if (*rel).pgstat_info.is_null() && (*rel).pgstat_enabled {
            pg_sys::pgstat_assoc_relation(rel);
        }
    }
}

/// Where the shadow is, without a file.
unsafe fn place() -> *mut Shadow {
    let known = SHADOW.get();
    if known.is_null() {
        // SAFETY: both structures are plain data, for which zeros will do until they are filled
        let made = Box::leak(Box::new(unsafe { std::mem::zeroed::<Shadow>() }));
        SHADOW.set(made);
        return made;
    }
    // SAFETY: made above; an error may have left a file in it
    unsafe { compat::let_go_of_file(&mut (*known).entry) };
    known
}

/// The columns that are not dropped, as replica identities are written down.
unsafe fn all_columns(rel: Relation) -> *mut Bitmapset {
    // SAFETY: rel is open
    unsafe {
        let mut set = std::ptr::null_mut();
        for i in 0..(*(*rel).rd_att).natts {
            if !(*compat::attribute((*rel).rd_att, i as usize)).attisdropped {
                set = pg_sys::bms_add_member(set, i + 1 - pg_sys::FirstLowInvalidHeapAttributeNumber);
            }
        }
        set
    }
}
