//! Storage of tables and of their vector stores: created, truncated, refused.

use crate::error::{Error, SqlState};
use crate::pg::compat::{self, ServersFileNode};
use crate::pg::error::raise;
use crate::pg::relation::Rel;
use crate::pg::{catalog, relation};
use crate::store;
use pgrx::pg_sys::{self, ForkNumber, MultiXactId, Relation, TransactionId};

/// A zvec table always has a TOAST relation: it holds the vector store.
pub unsafe extern "C-unwind" fn relation_needs_toast_table(_rel: Relation) -> bool {
    true
}

/// The TOAST relation's access method: `zvec_segment`.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn relation_toast_am(_rel: Relation) -> pg_sys::Oid {
    // SAFETY: a catalog look-up
    unsafe { pg_sys::get_table_am_oid(c"zvec_segment".as_ptr(), false) }
}

/// Creates the storage of a TOAST relation, and the store's root page in it.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn segment_set_new_filenode(
    rel: Relation,
    node: *const ServersFileNode,
    persistence: std::ffi::c_char,
    freeze_xid: *mut TransactionId,
    minmulti: *mut MultiXactId,
) {
    // SAFETY: the server's own arguments
    unsafe {
        if Rel::of(rel).kind() != pg_sys::RELKIND_TOASTVALUE {
            if let Some(store) = store_to_rewrite(&Rel::of(rel).name()) {
                refuse_rewrite(&store);
            }
            raise(
                Error::new(
                    SqlState::WrongObjectType,
                    "access method \"zvec_segment\" is only for the vector stores of zvec tables",
                )
                .hint("Create the table USING zvec; its vector store is made along with it."),
            );
        }
        let create = compat::create_files(super::heap()).unwrap_unchecked();
        pg_sys::ffi::pg_guard_ffi_boundary(|| create(rel, node, persistence, freeze_xid, minmulti));
        let persistence = persistence as u8;
        let permanent = persistence == pg_sys::RELPERSISTENCE_PERMANENT;
        let log = permanent && pg_sys::wal_level >= pg_sys::WalLevel::WAL_LEVEL_REPLICA as i32;
        store::create(Rel::of(rel), &(*node).into(), ForkNumber::MAIN_FORKNUM, log);
        if persistence == pg_sys::RELPERSISTENCE_UNLOGGED {
            store::create(Rel::of(rel), &(*node).into(), ForkNumber::INIT_FORKNUM, true);
        }
        tie_access_methods(Rel::of(rel).access_method());
    }
}

/// Notes that access method `zvec` depends on `zvec_segment`, whose oid is `segment`, unless that is noted already.
///
/// The server notes which access method a table needs, but not which one its TOAST relation needs, and a TOAST relation
/// may have no dependency but the one on its table. Without this, DROP EXTENSION could drop `zvec_segment` before the
/// tables. It is noted here and not when the extension is made, because pg_dump does not carry it along.
unsafe fn tie_access_methods(segment: pg_sys::Oid) {
    let class = pg_sys::AccessMethodRelationId;
    // SAFETY: catalog look-ups, and a row of a catalog
    unsafe {
        let zvec = pg_sys::get_table_am_oid(c"zvec".as_ptr(), true);
        if zvec == pg_sys::InvalidOid || catalog::dependencies(class, zvec).contains(&(class, segment)) {
            return;
        }
        let address = |method| pg_sys::ObjectAddress { classId: class, objectId: method, objectSubId: 0 };
        let (depender, referenced) = (address(zvec), address(segment));
        pg_sys::recordDependencyOn(&depender, &referenced, pg_sys::DependencyType::DEPENDENCY_NORMAL);
    }
}

/// Empties a TOAST relation in place and puts the store's root page back.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn segment_nontransactional_truncate(rel: Relation) {
    // SAFETY: the server's own argument
    unsafe {
        let truncate = super::heap().relation_nontransactional_truncate.unwrap_unchecked();
        store::truncate(Rel::of(rel), || pg_sys::ffi::pg_guard_ffi_boundary(|| truncate(rel)));
    }
}

/// Copies a TOAST relation to another tablespace, with what its slots have yet to be told: they are other slots then.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn segment_copy_data(rel: Relation, node: *const ServersFileNode) {
    store::deferred_addresses::flush();
    // SAFETY: the server's own arguments
    unsafe {
        let copy = super::heap().relation_copy_data.unwrap_unchecked();
        pg_sys::ffi::pg_guard_ffi_boundary(|| copy(rel, node));
    }
}

/// VACUUM FULL and CLUSTER of a vector store by its own name are refused.
#[pgrx::pg_guard]
#[allow(clippy::too_many_arguments)]
pub unsafe extern "C-unwind" fn segment_copy_for_cluster(
    old: Relation,
    _new: Relation,
    _index: Relation,
    _use_sort: bool,
    _oldest_xmin: TransactionId,
    _xid_cutoff: *mut TransactionId,
    _multi_cutoff: *mut MultiXactId,
    _num_tuples: *mut f64,
    _tups_vacuumed: *mut f64,
    _tups_recently_dead: *mut f64,
) {
    // SAFETY: rel is open
    refuse_rewrite(&unsafe { Rel::of(old).name() })
}

/// The TOAST relation that the server is about to rewrite into a relation called `name`, if that is such a name.
fn store_to_rewrite(name: &str) -> Option<String> {
    let oid = pg_sys::Oid::from(name.strip_prefix("pg_temp_")?.parse::<u32>().ok()?);
    // SAFETY: a catalog look-up
    let is_store = unsafe { pg_sys::get_rel_relkind(oid) } as u8 == pg_sys::RELKIND_TOASTVALUE;
    is_store.then(|| relation::plain_name_of(oid))
}

fn refuse_rewrite(name: &str) -> ! {
    raise(
        Error::new(
            SqlState::FeatureNotSupported,
            format!("cannot rewrite \"{name}\", the vector store of a zvec table, on its own"),
        )
        .hint("Run VACUUM FULL or CLUSTER on the table itself: its vectors are rewritten with it."),
    )
}
