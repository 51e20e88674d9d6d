//! Options of `CREATE INDEX ... WITH (...)`.

use crate::pg::compat;
use crate::pg::relation::Rel;
use pgrx::pg_sys::{self, Datum, relopt_kind};
use std::cell::Cell;
use std::ffi::CStr;

/// The options of a `zvec_hnsw` index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphOptions {
    /// links of a node on each level but the lowest, which has twice as many
    pub m: u16,
    /// how many candidates are kept while a node's links are chosen
    pub ef_construction: u16,
}

impl GraphOptions {
    /// What an index made without options has.
    pub const DEFAULT: Self = Self { m: 16, ef_construction: 64 };
}

/// As the server stores them: a varlena.
#[repr(C)]
struct Stored {
    varlena_header: i32,
    m: i32,
    ef_construction: i32,
}

thread_local! {
    static KIND: Cell<Option<relopt_kind::Type>> = const { Cell::new(None) };
}

const M: &CStr = c"m";
const EF_CONSTRUCTION: &CStr = c"ef_construction";

/// Makes the options known to the server. Idempotent.
pub fn define() {
    if KIND.get().is_some() {
        return;
    }
    let default = GraphOptions::DEFAULT;
    // SAFETY: the server keeps copies of the strings; a change of `m` becomes effective with REINDEX alone, one of
    // `ef_construction` with the next vector that is put into the graph: neither needs a lock against readers
    unsafe {
        let kind = pg_sys::add_reloption_kind();
        let lock = pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE;
        let add = |name: &CStr, text: &CStr, value: u16, least, most| {
            pg_sys::add_int_reloption(kind as _, name.as_ptr(), text.as_ptr(), i32::from(value), least, most, lock);
        };
        add(M, c"Links of a graph node on each level but the lowest, which has twice as many", default.m, 4, 128);
        let text = c"Candidates kept while a graph node's links are chosen";
        add(EF_CONSTRUCTION, text, default.ef_construction, 8, 2000);
        KIND.set(Some(kind));
    }
}

/// The callback `amoptions` of `zvec_hnsw`.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn graph_options(given: Datum, validate: bool) -> *mut pg_sys::bytea {
    define();
    let known = [
        compat::int_option(M, std::mem::offset_of!(Stored, m)),
        compat::int_option(EF_CONSTRUCTION, std::mem::offset_of!(Stored, ef_construction)),
    ];
    // SAFETY: the offsets are those of `Stored`, whose size is given
    unsafe {
        let kind = KIND.get().unwrap_or_default();
        pg_sys::build_reloptions(given, validate, kind, size_of::<Stored>(), known.as_ptr(), known.len() as i32).cast()
    }
}

/// The options of an open `zvec_hnsw` index.
#[must_use]
pub fn graph_options_of(index: Rel<'_>) -> GraphOptions {
    // SAFETY: index is open; its options, if any, were made by `graph_options`
    unsafe {
        let stored: *const Stored = (*index.raw()).rd_options.cast();
        if stored.is_null() {
            return GraphOptions::DEFAULT;
        }
        GraphOptions { m: (*stored).m as u16, ef_construction: (*stored).ef_construction as u16 }
    }
}

/// The callback `amoptions` of `zvec_flat`, which has none: the server refuses every one.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn no_options(given: Datum, validate: bool) -> *mut pg_sys::bytea {
    // SAFETY: an options struct of a header only
    unsafe {
        let kind = relopt_kind::RELOPT_KIND_LOCAL;
        pg_sys::build_reloptions(given, validate, kind, size_of::<i32>(), std::ptr::null(), 0).cast()
    }
}
