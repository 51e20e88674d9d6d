//! Publications: none may send a row that has a vector in it.
//!
//! Logical decoding reads rows from WAL, where a vector is a reference, which means nothing elsewhere. So a write is
//! refused when a publication would send a reference, and only then: the columns that are published, those that have a
//! vector, and what the replica identity has sent of the old row are looked at.
//!
//! A transaction does not notice a publication that others make while it writes. What it wrote is therefore looked at
//! once more before it commits. A publication that is made after that, or after PREPARE TRANSACTION, has the reference
//! decoded as `sql/io.rs` says; a subscriber does not take that for a vector.

use crate::error::{Error, SqlState};
use crate::format::store::reference::Form;
use crate::pg::compat;
use crate::pg::error::raise;
use crate::pg::list;
use crate::pg::list::oids;
use crate::pg::raw;
use crate::pg::relation::{OpenRelation, Rel};
use crate::pg::slots;
use crate::store;
use crate::tableam::partial;
use crate::tableam::vectors::VectorColumns;
use pgrx::pg_sys::{self, Datum, HeapTuple, Oid, Relation, SysCacheIdentifier};
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

/// What was done to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Insert,
    Update,
    Delete,
}

/// What all publications together send of a table. A subscriber may combine them: then it gets the rows of one and the
/// columns of another.
#[derive(Clone, Default)]
struct Published {
    insert: bool,
    update: bool,
    delete: bool,
    /// whether one that has updates sends only some of the rows
    has_filter: bool,
    /// indexes of the vector columns among the columns
    columns: VectorColumns,
}

impl Published {
    fn has(&self, written: Written) -> bool {
        match written {
            Written::Insert => self.insert,
            Written::Update => self.update,
            Written::Delete => self.delete,
        }
    }

    fn sends(&self, written: Written, vectors: &[u16]) -> bool {
        self.has(written) && vectors.iter().any(|column| self.columns.contains(column))
    }
}

thread_local! {
    /// what is known of published tables, and the relation cache's epoch in which it was learnt
    static KNOWN: RefCell<(u64, HashMap<u32, Published>)> = RefCell::new((0, HashMap::new()));
    /// what the transaction has written: the table, what was done, the columns whose vectors may be sent
    static DONE: RefCell<Vec<(u32, Written, VectorColumns)>> = const { RefCell::new(Vec::new()) };
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
}

/// Whether rows that are written to the open table `rel` reach logical decoding.
pub(super) unsafe fn is_decoded(rel: Relation) -> bool {
    // SAFETY: rel is open
    unsafe {
        pg_sys::wal_level >= pg_sys::WalLevel::WAL_LEVEL_LOGICAL as i32
            && Rel::of(rel).needs_wal()
            // the new table of a rewrite: decoding passes its rows by, whatever is published
            && (*(*rel).rd_rel).relrewrite == pg_sys::InvalidOid
    }
}

/// What decoding needs of the vectors that a row gets.
#[derive(Default)]
pub(super) struct Needs {
    /// the columns whose references are to stand in the row as pointers
    pub(super) pointers: VectorColumns,
    /// whether the new vectors among them are to be logged for decoding
    pub(super) vectors: bool,
    /// whether an update may bring a row among those that are sent, so that all of it is
    pub(super) has_filter: bool,
}

impl Needs {
    /// How a reference is to stand in `column` of a new row, which had `before` there.
    pub(super) fn form(&self, column: u16, before: Form) -> Form {
        if self.pointers.contains(&column) { Form::Pointer } else { before }
    }

    /// Whether a new vector of `column` is to be logged for decoding.
    pub(super) fn logs(&self, column: u16) -> bool {
        self.vectors && self.pointers.contains(&column)
    }
}

/// What decoding needs of rows that are `written` to the open table `rel`, whose vector columns are `columns`. Of those that a
/// rewrite writes it needs what it will need of them when they are updated or deleted.
pub(super) unsafe fn needs(rel: Relation, written: Written, columns: &VectorColumns) -> Needs {
    // SAFETY: rel is open
    unsafe {
        let rewrites = (*(*rel).rd_rel).relrewrite;
        // a materialised view that is refreshed concurrently takes its rows from a temporary table, which stays what it is
        if rewrites != pg_sys::InvalidOid && !Rel::of(rel).is_temporary() {
            // locked by whoever rewrites it
            let table = OpenRelation::open(rewrites, pg_sys::NoLock as _);
            return Needs { vectors: false, has_filter: false, ..needs(table.raw(), Written::Update, columns) };
        }
        if !is_decoded(rel) {
            return Needs::default();
        }
        let published = if is_published(rel) { known(rel) } else { Published::default() };
        if slots::are_any_without_publications() {
            return Needs { pointers: columns.clone(), vectors: true, has_filter: published.has_filter };
        }
        let vectors = published.has(written);
        Needs { pointers: published.columns, vectors, has_filter: published.has_filter }
    }
}

/// Notes that a row was `written` to the open table `rel` from which decoding cannot have the new vectors of `columns`. An
/// error is raised if a publication would send one.
pub(super) unsafe fn note(rel: Relation, written: Written, columns: impl Iterator<Item = u16>) {
    // SAFETY: rel is open
    unsafe {
        if is_decoded(rel) {
            check(rel, written, columns.collect());
        }
    }
}

/// As [`note`], for the old row, which has references in `columns` that are no pointers.
pub(super) unsafe fn note_old(rel: Relation, written: Written, columns: impl Iterator<Item = u16>) {
    // SAFETY: rel is open
    unsafe {
        if is_decoded(rel) {
            check(rel, written, sent_of_old(rel, columns.collect()));
        }
    }
}

/// Whether the full old row is logged for decoding when a row of the open table `rel` goes.
pub(super) unsafe fn logs_full_rows(rel: Relation) -> bool {
    // SAFETY: rel is open
    unsafe { is_decoded(rel) && (*(*rel).rd_rel).relreplident as u8 == pg_sys::REPLICA_IDENTITY_FULL }
}

/// Those of `columns` whose old values are sent when the row goes: the replica identity's.
unsafe fn sent_of_old(rel: Relation, mut columns: VectorColumns) -> VectorColumns {
    // SAFETY: rel is open
    unsafe {
        if columns.is_empty() || (*(*rel).rd_rel).relreplident as u8 == pg_sys::REPLICA_IDENTITY_FULL {
            return columns;
        }
        let kind = pg_sys::IndexAttrBitmapKind::INDEX_ATTR_BITMAP_IDENTITY_KEY;
        let identity = list::index_columns(rel, kind);
        columns.retain(|column| identity.contains(column));
        columns
    }
}

/// Whether an update of the row version at `at` of the open table `rel` to the values of `slot` may have decoding look at the
/// old row beside the new one, though not at all of it: the replica identity is a key, and changes. Vectors in it do not count,
/// since row filters cannot look at them.
pub(super) unsafe fn changes_key(
    rel: Relation,
    at: &pg_sys::ItemPointerData,
    slot: *mut pg_sys::TupleTableSlot,
    vectors: &VectorColumns,
) -> bool {
    // SAFETY: rel is open, and the slot's values are there
    unsafe {
        let identity = (*(*rel).rd_rel).relreplident as u8;
        if identity == pg_sys::REPLICA_IDENTITY_FULL || identity == pg_sys::REPLICA_IDENTITY_NOTHING {
            return false;
        }
        let mut key = list::index_columns(rel, pg_sys::IndexAttrBitmapKind::INDEX_ATTR_BITMAP_IDENTITY_KEY);
        key.retain(|column| !vectors.contains(column));
        partial::differ(rel, at, slot, &key)
    }
}

/// Whether any publication has the open table `rel`.
unsafe fn is_published(rel: Relation) -> bool {
    // SAFETY: rel is open
    unsafe {
        let mut desc = pg_sys::PublicationDesc::default();
        pg_sys::RelationBuildPublicationDesc(rel, &mut desc);
        let actions = &desc.pubactions;
        actions.pubinsert || actions.pubupdate || actions.pubdelete
    }
}

unsafe fn check(rel: Relation, written: Written, vectors: VectorColumns) {
    // SAFETY: rel is open
    unsafe {
        if vectors.is_empty() {
            return;
        }
        if is_published(rel) && known(rel).sends(written, &vectors) {
            refuse(rel, false);
        }
        let table = Rel::of(rel).oid().to_u32();
        DONE.with_borrow_mut(|done| {
            if !done.iter().rev().any(|(of, what, columns)| *of == table && *what == written && *columns == vectors) {
                done.push((table, written, vectors));
            }
        });
        if !REGISTERED.replace(true) {
            // the callback lives as long as the library, which is never unloaded
            pg_sys::RegisterXactCallback(Some(at_transaction_event), std::ptr::null_mut());
        }
    }
}

fn refuse(rel: Relation, at_commit: bool) -> ! {
    // SAFETY: rel is open
    let name = unsafe { Rel::of(rel).name() };
    let (message, hint) = if at_commit {
        (
            format!("cannot commit: vectors were written to table \"{name}\", which has been published meanwhile"),
            "The vectors were not written for replication. Repeat the transaction: then they are.",
        )
    } else {
        (
            format!(
                "cannot replicate a change to a row of table \"{name}\" that was written before the table was published"
            ),
            "The replica identity has a vector column, and the row's vector was not written for replication. VACUUM FULL on \
             the table makes all its rows fit for it; or use a replica identity without vectors, such as the primary key.",
        )
    };
    raise(Error::new(SqlState::FeatureNotSupported, message).hint(hint))
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn at_transaction_event(event: pg_sys::XactEvent::Type, _arg: *mut std::ffi::c_void) {
    let done = DONE.take();
    if !matches!(event, pg_sys::XactEvent::XACT_EVENT_PRE_COMMIT | pg_sys::XactEvent::XACT_EVENT_PRE_PREPARE) {
        return;
    }
    // SAFETY: a transaction's end, at which catalogs can still be read
    unsafe {
        if !done.is_empty() {
            // a lock that is held already brings no news
            pg_sys::AcceptInvalidationMessages();
        }
        for (table, written, vectors) in done {
            let Some(rel) = OpenRelation::open_if_there(table.into(), pg_sys::AccessShareLock as _) else { continue };
            if is_decoded(rel.raw()) && published(rel.raw(), true).sends(written, &vectors) {
                refuse(rel.raw(), true);
            }
        }
    }
}

/// What is published of the open table `rel`.
unsafe fn known(rel: Relation) -> Published {
    store::watch_relation_cache();
    let (table, epoch) = unsafe {
        // SAFETY: rel is open
        (Rel::of(rel).oid().to_u32(), store::epoch())
    };
    let before = KNOWN.with_borrow(|known| (known.0 == epoch).then(|| known.1.get(&table).cloned()).flatten());
    before.unwrap_or_else(|| {
        // SAFETY: rel is open
        let published = unsafe { published(rel, false) };
        KNOWN.with_borrow_mut(|known| {
            if known.0 != epoch {
                *known = (epoch, HashMap::new());
            }
            known.1.insert(table, published.clone());
        });
        published
    })
}

/// A row of a system cache.
struct Row(HeapTuple);

impl Row {
    unsafe fn find(cache: SysCacheIdentifier::Type, first: Oid, second: Oid) -> Option<Self> {
        // SAFETY: a look-up with keys of the cache's types
        let row = unsafe {
            if second == pg_sys::InvalidOid {
                pg_sys::SearchSysCache1(cache as i32, Datum::from(first))
            } else {
                pg_sys::SearchSysCache2(cache as i32, Datum::from(first), Datum::from(second))
            }
        };
        (!row.is_null()).then(|| Self(row))
    }

    /// Column `number` (from 1) of the row of `cache`; `None` for NULL.
    unsafe fn attribute(&self, cache: SysCacheIdentifier::Type, number: i16) -> Option<Datum> {
        let mut is_null = false;
        // SAFETY: a row of that cache
        let value = unsafe { pg_sys::SysCacheGetAttr(cache as i32, self.0, number, &mut is_null) };
        (!is_null).then_some(value)
    }

    /// Whether the row of `pg_publication_rel` has a row filter.
    unsafe fn has_filter(&self) -> bool {
        /// column `prqual`
        const ROW_FILTER: i16 = 4;
        // SAFETY: a row of that cache
        unsafe { self.attribute(SysCacheIdentifier::PUBLICATIONRELMAP, ROW_FILTER).is_some() }
    }

    /// Whether our own transaction has written it.
    unsafe fn is_own(&self) -> bool {
        // SAFETY: a valid tuple
        unsafe { pg_sys::TransactionIdIsCurrentTransactionId(pg_sys::htup::HeapTupleHeaderGetXmin((*self.0).t_data)) }
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: found by `find`
            unsafe { pg_sys::ReleaseSysCache(self.0) }
        }
    }
}

/// What is published of the open table `rel`, as the server's own plugin decides it; with `by_others`, what our own
/// transaction has published counts for nothing: its rows of before are not sent.
unsafe fn published(rel: Relation, by_others: bool) -> Published {
    let mut sum = Published::default();
    // SAFETY: rel is open; catalog look-ups
    unsafe {
        if !pg_sys::is_publishable_relation(rel) {
            return sum;
        }
        let table = Rel::of(rel).oid();
        let ancestors =
            if (*(*rel).rd_rel).relispartition { raw::get_partition_ancestors(table) } else { std::ptr::null_mut() };
        // whose publication is the table's too, each with its schema
        let mut family: SmallVec<[(Oid, Oid); 4]> = SmallVec::new();
        family.push((table, (*(*rel).rd_rel).relnamespace));
        family.extend(oids(ancestors).into_iter().map(|oid| (oid, pg_sys::get_rel_namespace(oid))));
        let mut publications = oids(pg_sys::GetAllTablesPublications());
        for &(member, schema) in &family {
            publications.extend(oids(pg_sys::GetRelationPublications(member)));
            publications.extend(oids(pg_sys::GetSchemaPublications(schema)));
        }
        publications.sort_unstable_by_key(|publication| publication.to_u32());
        publications.dedup();
        for publication in publications {
            let none = pg_sys::InvalidOid;
            let Some(row) = Row::find(SysCacheIdentifier::PUBLICATIONOID, publication, none) else { continue };
            let form = &*pg_sys::GETSTRUCT(row.0).cast::<pg_sys::FormData_pg_publication>();
            if by_others && (row.is_own() || (!form.puballtables && !is_member_by_others(publication, &family))) {
                continue;
            }
            sum.insert |= form.pubinsert;
            sum.update |= form.pubupdate;
            sum.delete |= form.pubdelete;
            // a partition's rows may be sent as rows of the topmost table that is published
            let mut sent_as = table;
            if !ancestors.is_null() && form.pubviaroot && !form.puballtables {
                let top = pg_sys::GetTopMostAncestorInPublication(publication, ancestors, std::ptr::null_mut());
                sent_as = if top == none { table } else { top };
            }
            let mut listed = None;
            if !form.puballtables
                && let Some(member) = Row::find(SysCacheIdentifier::PUBLICATIONRELMAP, sent_as, publication)
            {
                listed = listed_columns(&member);
                sum.has_filter |= form.pubupdate && member.has_filter();
            }
            for column in super::vectors::columns_of(rel) {
                let attribute = compat::attribute((*rel).rd_att, usize::from(column));
                let number = if sent_as == table {
                    column as i16 + 1
                } else {
                    pg_sys::get_attnum(sent_as, (*attribute).attname.data.as_ptr())
                };
                let is_listed = listed.as_ref().is_none_or(|listed| listed.contains(&number));
                let is_published =
                    (*attribute).attgenerated == 0 || compat::publishes_generated(form, listed.is_some());
                if is_listed && is_published && !sum.columns.contains(&column) {
                    sum.columns.push(column);
                }
            }
        }
    }
    sum
}

/// Whether the table or one of its ancestors, or a schema of theirs, is in the publication by what others have done.
unsafe fn is_member_by_others(publication: Oid, family: &[(Oid, Oid)]) -> bool {
    let is = |cache, member| {
        // SAFETY: a look-up with keys of the cache's types
        unsafe { Row::find(cache, member, publication).is_some_and(|row| !row.is_own()) }
    };
    family.iter().any(|&(member, schema)| {
        is(SysCacheIdentifier::PUBLICATIONRELMAP, member) || is(SysCacheIdentifier::PUBLICATIONNAMESPACEMAP, schema)
    })
}

/// The numbers of the columns that `member`, a row of `pg_publication_rel`, lists; `None` when all are published.
unsafe fn listed_columns(member: &Row) -> Option<Vec<i16>> {
    /// column `prattrs`
    const ATTRIBUTES: i16 = 5;
    // SAFETY: an int2vector, which is an array of one dimension without NULLs, is not stored elsewhere
    unsafe {
        let list = member.attribute(SysCacheIdentifier::PUBLICATIONRELMAP, ATTRIBUTES)?;
        let members = pg_sys::pub_collist_to_bitmapset(std::ptr::null_mut(), list, std::ptr::null_mut());
        let numbers = list::members(members).into_iter().map(|member| member as i16).collect();
        pg_sys::bms_free(members);
        Some(numbers)
    }
}
