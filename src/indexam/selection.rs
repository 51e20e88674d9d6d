//! Which indexes a `regclass` argument stands for: an index for itself, a table for all of its own, a partitioned one for
//! those of its partitions.

use crate::error::{Error, SqlState};
use crate::indexam::{flat, hnsw};
use crate::pg::compat;
use crate::pg::error::raise;
use crate::pg::list::oids;
use crate::pg::raw;
use crate::pg::relation::{OpenRelation, Rel};
use crate::tableam;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use pgrx::pg_sys::{self, AclResult, LOCKMODE, Oid};

/// The access method of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexKind {
    /// `zvec_flat`
    Flat,
    /// `zvec_hnsw`
    Hnsw,
}

/// What a caller must be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// to read the table
    Select,
    /// to maintain the table, as its owner may
    Maintain,
}

/// A table, and which of its indexes are meant.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// the table
    pub table: Oid,
    /// the index; `None` means all of them
    pub index: Option<Oid>,
    /// whether it was found under a partitioned relation, and may have been dropped since
    member: bool,
}

/// A target's open relations.
pub struct Opened {
    /// the table
    pub table: OpenRelation,
    /// indexes of our access methods that are complete enough to be maintained
    pub indexes: Vec<(OpenRelation, IndexKind)>,
}

/// Our access method that `index` is of, if it is.
#[must_use]
pub fn kind_of(index: Rel<'_>) -> Option<IndexKind> {
    // SAFETY: an open index has its access method's routine
    unsafe {
        if (*index.raw()).rd_indam.is_null() {
            return None;
        }
        let build = (*(*index.raw()).rd_indam).ambuild;
        let is = |ours: pg_sys::ambuild_function| match (build, ours) {
            (Some(build), Some(ours)) => std::ptr::fn_addr_eq(build, ours),
            _ => false,
        };
        if is(hnsw::CALLBACKS.ambuild) {
            Some(IndexKind::Hnsw)
        } else if is(flat::CALLBACKS.ambuild) {
            Some(IndexKind::Flat)
        } else {
            None
        }
    }
}

/// Raises the server's error unless the current user has that right on relation `oid`, whose table is `table`.
fn require(oid: Oid, table: Oid, right: Right) {
    // SAFETY: catalog look-ups
    unsafe {
        let user = pg_sys::GetUserId();
        let answer = match right {
            Right::Select => pg_sys::pg_class_aclcheck(table, user, compat::ACL_SELECT),
            Right::Maintain if compat::may_maintain(table, user) => AclResult::ACLCHECK_OK,
            Right::Maintain => AclResult::ACLCHECK_NOT_OWNER,
        };
        if answer != AclResult::ACLCHECK_OK {
            let of = if right == Right::Maintain { oid } else { table };
            let kind = pg_sys::get_relkind_objtype(pg_sys::get_rel_relkind(of));
            pg_sys::aclcheck_error(answer, kind, pg_sys::get_rel_name(of));
        }
    }
}

/// What a relation is, as `pg_class.relkind` has it; 0 when there is none.
fn kind_of_relation(oid: Oid) -> u8 {
    // SAFETY: a catalog look-up
    unsafe { pg_sys::get_rel_relkind(oid) as u8 }
}

/// The table of index `oid`.
fn table_of(oid: Oid) -> Oid {
    // SAFETY: a catalog look-up, which says that it found nothing by InvalidOid
    unsafe { pg_sys::IndexGetRelation(oid, true) }
}

/// Relation `oid` and all partitions under it.
fn members(oid: Oid) -> Vec<Oid> {
    // SAFETY: the server makes the list
    unsafe {
        let list = pg_guard_ffi_boundary(|| raw::find_all_inheritors(oid, pg_sys::NoLock as _, std::ptr::null_mut()));
        oids(list)
    }
}

/// The tables and indexes that `oid` stands for, in the order in which they are to be locked. Raises an error when it is no
/// table and no index, or when the current user lacks the right; for maintenance each partition's own counts.
#[must_use]
pub fn of(oid: Oid, right: Right) -> Vec<Target> {
    const RELATION: u8 = pg_sys::RELKIND_RELATION;
    const MATVIEW: u8 = pg_sys::RELKIND_MATVIEW;
    const PARTITIONED_TABLE: u8 = pg_sys::RELKIND_PARTITIONED_TABLE;
    const INDEX: u8 = pg_sys::RELKIND_INDEX;
    const PARTITIONED_INDEX: u8 = pg_sys::RELKIND_PARTITIONED_INDEX;
    let kind = kind_of_relation(oid);
    let is_index = matches!(kind, INDEX | PARTITIONED_INDEX);
    let table = if is_index { table_of(oid) } else { oid };
    let mut targets = match kind {
        RELATION | MATVIEW => vec![Target { table, index: None, member: false }],
        INDEX => vec![Target { table, index: Some(oid), member: false }],
        PARTITIONED_TABLE => members(oid)
            .into_iter()
            .filter(|&member| kind_of_relation(member) == RELATION)
            .map(|table| Target { table, index: None, member: true })
            .collect(),
        PARTITIONED_INDEX => members(oid)
            .into_iter()
            .filter(|&member| kind_of_relation(member) == INDEX)
            .map(|index| Target { table: table_of(index), index: Some(index), member: true })
            .collect(),
        _ => {
            // says so if there is no such relation
            let other = OpenRelation::open(oid, pg_sys::AccessShareLock as _);
            let name = other.rel().name();
            raise(
                Error::new(SqlState::WrongObjectType, format!("\"{name}\" is neither a table nor an index"))
                    .hint("Name a zvec table, or an index of the access method zvec_hnsw or zvec_flat."),
            )
        }
    };
    require(oid, table, right);
    targets.sort_by_key(|target| target.table.to_u32());
    if right == Right::Maintain {
        for target in targets.iter().filter(|target| target.member) {
            require(target.table, target.table, right);
        }
    }
    targets
}

/// Raises the error for a relation that is no index of ours.
fn refuse(index: Rel<'_>) -> ! {
    let name = index.name();
    raise(
        Error::new(
            SqlState::WrongObjectType,
            format!("\"{name}\" is not an index of access method zvec_hnsw or zvec_flat"),
        )
        .hint("Name a zvec table, or an index of one of these access methods."),
    )
}

/// Whether an index is complete enough to be maintained.
fn is_ready(index: Rel<'_>) -> bool {
    index.index_form().is_some_and(|form| form.indisready)
}

impl Target {
    /// Opens table and indexes with these locks; `None` when a partition is gone, or is no zvec table.
    #[must_use]
    pub fn open(&self, table_lock: LOCKMODE, index_lock: LOCKMODE) -> Option<Opened> {
        let table = if self.member {
            OpenRelation::open_if_there(self.table, table_lock)?
        } else {
            OpenRelation::open(self.table, table_lock)
        };
        // SAFETY: what is open stays open
        unsafe {
            if !tableam::is_zvec_table(table.rel()) {
                if self.member {
                    table.close_and_unlock(table_lock);
                    return None;
                }
                if let Some(index) = self.index {
                    refuse(OpenRelation::open(index, index_lock).rel());
                }
                tableam::require_zvec_table(table.rel());
            }
            let mut indexes = Vec::new();
            match self.index {
                Some(oid) => {
                    let index = if self.member {
                        OpenRelation::open_if_there(oid, index_lock)?
                    } else {
                        OpenRelation::open(oid, index_lock)
                    };
                    let Some(kind) = kind_of(index.rel()) else { refuse(index.rel()) };
                    if !is_ready(index.rel()) {
                        let name = index.rel().name();
                        raise(
                            Error::new(
                                SqlState::ObjectNotInPrerequisiteState,
                                format!("index \"{name}\" is not complete"),
                            )
                            .hint("Drop it, or make it anew with REINDEX."),
                        );
                    }
                    indexes.push((index, kind));
                }
                None => {
                    let list = pg_sys::RelationGetIndexList(table.raw());
                    for oid in oids(list) {
                        let index = OpenRelation::open(oid, index_lock);
                        match kind_of(index.rel()) {
                            Some(kind) if is_ready(index.rel()) => indexes.push((index, kind)),
                            _ => index.close_and_unlock(index_lock),
                        }
                    }
                }
            }
            Some(Opened { table, indexes })
        }
    }
}

impl Opened {
    /// Closes everything and lets go of the locks that it was opened with.
    pub fn close_and_unlock(self, table_lock: LOCKMODE, index_lock: LOCKMODE) {
        for (index, _) in self.indexes {
            index.close_and_unlock(index_lock);
        }
        self.table.close_and_unlock(table_lock);
    }
}
