//! The rows of `zvec_collection_catalog`: one a collection.
//!
//! The table is small, and read whole, under the latest snapshot, as catalogs are. Who changes a row tells the other sessions
//! by [`announce`].
//!
//! Rows are written by the table's OID, not by statements: who owns the extension's schema may give its name to another, with a
//! table of their own in it, whose triggers would then run as whoever the statement runs as.

use crate::error::{Error, SqlState};
use crate::pg::error::raise;
use crate::pg::relation::OpenRelation;
use crate::pg::spi::{self, text_of};
use crate::pg::{compat, raw};
use crate::sql::collections::home::{Home, STORE};
use crate::sql::collections::source::{self, Trigger};
use pgrx::pg_sys::{self, Datum, Oid};

/// A collection, as it was made.
#[derive(Clone, Debug)]
pub struct Collection {
    /// its name
    pub name: String,
    /// the zvec table that holds its keys and vectors
    pub table: Oid,
    /// the table that it is of
    pub source: Oid,
    /// that table's vector column, as it was called when the collection was made
    pub vector_column: String,
    /// the name of its distance
    pub metric: String,
    /// `hnsw` or `flat`
    pub index_type: String,
    /// links of a node, if given
    pub m: Option<i32>,
    /// candidates for links, if given
    pub ef_construction: Option<i32>,
    /// what takes the place of `zvec.ef_search` in its searches, if given
    pub ef_search: Option<i32>,
    /// whether it may have missed changes of its table, whose triggers for it were disabled
    pub behind: bool,
}

/// Its operator of distance.
pub fn operator(metric: &str) -> &'static str {
    match metric {
        "l2" => "<->",
        "ip" => "<#>",
        "l1" => "<+>",
        _ => "<=>",
    }
}

const COLUMNS: usize = 10;
/// The number of the column `behind`.
const BEHIND: usize = 9;
type Values = [Datum; COLUMNS];

/// All collections.
#[must_use]
pub fn all(home: Home) -> Vec<Collection> {
    let table = OpenRelation::open(home.catalog(), pg_sys::AccessShareLock as _);
    let mut found = Vec::new();
    // SAFETY: open; the types of the columns are those that the install script declares
    unsafe {
        each_row(table.raw(), |_, values, nulls| {
            let oid = |column: usize| Oid::from(values[column].value() as u32);
            let int = |column: usize| (!nulls[column]).then(|| values[column].value() as i32);
            found.push(Collection {
                name: text_of(values[0]),
                table: oid(1),
                source: oid(2),
                vector_column: text_of(values[3]),
                metric: text_of(values[4]),
                index_type: text_of(values[5]),
                m: int(6),
                ef_construction: int(7),
                ef_search: int(8),
                behind: values[BEHIND].value() != 0,
            });
        });
    }
    found
}

/// Hands the rows of the open catalog, as the latest snapshot has them, to `see`, with the values of their columns.
unsafe fn each_row(table: pg_sys::Relation, mut see: impl FnMut(pg_sys::HeapTuple, &Values, &[bool; COLUMNS])) {
    // SAFETY: a scan of an open table; a row has as many columns as the install script declares
    unsafe {
        let (desc, snapshot) = ((*table).rd_att, pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot()));
        let none = std::ptr::null_mut();
        let scan = pg_sys::systable_beginscan(table, pg_sys::InvalidOid, false, snapshot, 0, none);
        assert_eq!((*desc).natts as usize, COLUMNS, "columns of the catalog");
        loop {
            let row = pg_sys::systable_getnext(scan);
            if row.is_null() {
                break;
            }
            let (mut values, mut nulls) = ([Datum::from(0); COLUMNS], [false; COLUMNS]);
            raw::heap_deform_tuple(row, desc, values.as_mut_ptr(), nulls.as_mut_ptr());
            see(row, &values, &nulls);
        }
        pg_sys::systable_endscan(scan);
        pg_sys::UnregisterSnapshot(snapshot);
    }
}

/// Enters a row. Raises the server's error where the name is taken.
pub fn enter(home: Home, collection: &Collection) {
    let text = |text: &str| Some(crate::pg::srf::text(text));
    let values: [Option<Datum>; COLUMNS] = [
        text(&collection.name),
        Some(Datum::from(collection.table)),
        Some(Datum::from(collection.source)),
        text(&collection.vector_column),
        text(&collection.metric),
        text(&collection.index_type),
        collection.m.map(Datum::from),
        collection.ef_construction.map(Datum::from),
        collection.ef_search.map(Datum::from),
        Some(Datum::from(collection.behind)),
    ];
    let mut nulls = values.map(|value| value.is_none());
    let mut values = values.map(|value| value.unwrap_or(Datum::from(0)));
    let table = OpenRelation::open(home.catalog(), pg_sys::RowExclusiveLock as _);
    // SAFETY: open; values of the columns' types
    unsafe {
        assert_eq!((*(*table.raw()).rd_att).natts as usize, COLUMNS, "columns of the catalog");
        let row = pg_sys::heap_form_tuple((*table.raw()).rd_att, values.as_mut_ptr(), nulls.as_mut_ptr());
        pg_sys::CatalogTupleInsert(table.raw(), row);
        pg_sys::CommandCounterIncrement();
    }
}

/// Hands a collection's row, if it is still there, and the open catalog to `change`. Others who want to change it wait.
fn with_row(home: Home, collection: &Collection, change: impl FnOnce(pg_sys::Relation, pg_sys::HeapTuple)) {
    // SAFETY: a lock, which is kept; a copy of the row, which nobody else changes under the lock
    unsafe {
        pg_sys::LockDatabaseObject(home.catalog(), collection.table, 0, pg_sys::ExclusiveLock as _);
        let table = OpenRelation::open(home.catalog(), pg_sys::RowExclusiveLock as _);
        let mut found = None;
        each_row(table.raw(), |row, values, _| {
            if text_of(values[0]) == collection.name {
                found = Some(pg_sys::heap_copytuple(row));
            }
        });
        if let Some(row) = found {
            change(table.raw(), row);
            pg_sys::CommandCounterIncrement();
        }
    }
}

/// Notes whether a collection may have missed changes of its table.
pub fn set_behind(home: Home, collection: &Collection, behind: bool) {
    if collection.behind == behind {
        return;
    }
    // SAFETY: a row of the open catalog
    with_row(home, collection, |table, row| unsafe {
        let (mut values, mut nulls) = ([Datum::from(0); COLUMNS], [false; COLUMNS]);
        let mut replaced = [false; COLUMNS];
        (values[BEHIND], replaced[BEHIND]) = (Datum::from(behind), true);
        let (values, nulls) = (values.as_mut_ptr(), nulls.as_mut_ptr());
        let changed = pg_sys::heap_modify_tuple(row, (*table).rd_att, values, nulls, replaced.as_mut_ptr());
        pg_sys::CatalogTupleUpdate(table, &raw mut (*row).t_self, changed);
    });
}

/// Takes a collection's row out of the catalog.
pub fn forget(home: Home, collection: &Collection) {
    // SAFETY: a row of the open catalog
    with_row(home, collection, |table, row| unsafe { pg_sys::CatalogTupleDelete(table, &raw mut (*row).t_self) });
}

/// The collection of that name, if there is one.
#[must_use]
pub fn find(home: Home, name: &str) -> Option<Collection> {
    all(home).into_iter().find(|collection| collection.name == name)
}

/// The collection of that name; raises an error if there is none.
#[must_use]
pub fn get(home: Home, name: &str) -> Collection {
    find(home, name).unwrap_or_else(|| {
        raise(
            Error::new(SqlState::UndefinedObject, format!("collection \"{name}\" does not exist"))
                .hint("The view zvec_collections lists those that there are; zvec_create_collection makes one."),
        )
    })
}

/// Raises an error unless the current user owns both tables of a row that is put into the catalog, and they are such as
/// `zvec_create_collection` makes and takes: so who may put rows there, to restore a dump, gains nothing by it.
fn check_row(home: Home, table: Oid, source: Oid) {
    // SAFETY: catalog look-ups
    unsafe {
        let user = pg_sys::GetUserId();
        if pg_sys::superuser_arg(user) {
            return;
        }
        let store = pg_sys::get_namespace_oid(spi::c_string(STORE).as_ptr(), false);
        let kind = |oid| source::class(oid, |form| (form.relkind as u8, form.relnamespace));
        let is_there = kind(table).is_some() && kind(source).is_some();
        let is_own = is_there && compat::owns(table, user) && compat::owns(source, user);
        let is_store = is_own && kind(table) == Some((pg_sys::RELKIND_RELATION, store)) && {
            let opened = OpenRelation::open(table, pg_sys::AccessShareLock as _);
            crate::tableam::is_zvec_table(opened.rel())
        };
        let is_source = kind(source)
            .is_some_and(|kind| matches!(kind.0, pg_sys::RELKIND_RELATION | pg_sys::RELKIND_PARTITIONED_TABLE));
        let is_taken = all(home).iter().any(|other| other.table == table);
        if !is_store || !is_source || is_taken {
            raise(
                Error::new(
                    SqlState::InsufficientPrivilege,
                    "a row of zvec_collection_catalog must be of tables of one's own".to_owned(),
                )
                .hint("zvec_create_collection makes collections; restore a dump of other owners' with --no-owner, or as a superuser."),
            );
        }
    }
}

crate::sql_function! {
    /// `zvec_check_collection() returns trigger`: see above. For rows of `zvec_collection_catalog`.
    zvec_check_collection(call) {
        // SAFETY: the function manager's own call, whose context says whether a trigger has called; a trigger for rows has one,
        // of the table that has it
        unsafe {
            let context = (*call.fcinfo()).context;
            let data = context.cast::<pg_sys::TriggerData>();
            let home = Home::of(call);
            if context.is_null()
                || !pgrx::is_a(context.cast(), pg_sys::NodeTag::T_TriggerData)
                || (*data).tg_event & pg_sys::TRIGGER_EVENT_ROW == 0
                || (*(*data).tg_relation).rd_id != home.catalog()
            {
                raise(Error::new(SqlState::FeatureNotSupported, "zvec_check_collection was not called by its trigger")
                    .hint("The extension has the trigger that calls it."));
            }
            let row = if (*data).tg_newtuple.is_null() { (*data).tg_trigtuple } else { (*data).tg_newtuple };
            let (mut values, mut nulls) = ([Datum::from(0); COLUMNS], [false; COLUMNS]);
            raw::heap_deform_tuple(row, (*(*data).tg_relation).rd_att, values.as_mut_ptr(), nulls.as_mut_ptr());
            let oid = |column: usize| if nulls[column] { pg_sys::InvalidOid } else { Oid::from(values[column].value() as u32) };
            check_row(home, oid(1), oid(2));
            Ok(Datum::from(row))
        }
    }
}

impl Collection {
    /// Whether the current user may do what its owner may: it belongs to whom its table does.
    #[must_use]
    pub fn is_own(&self) -> bool {
        // SAFETY: catalog look-ups
        unsafe { compat::owns(self.source, pg_sys::GetUserId()) }
    }

    /// Raises an error unless the current user may manage it.
    pub fn require_own(&self) {
        if !self.is_own() {
            let table = crate::pg::relation::name_of(self.source);
            raise(
                Error::new(SqlState::InsufficientPrivilege, format!("must be owner of collection \"{}\"", self.name))
                    .hint(format!("It belongs to the owner of {table}.")),
            );
        }
    }

    /// Those of all triggers that are its own: on its source, on partitions of that, and on tables of the same owner, such as
    /// have been partitions. Anybody who may make triggers can name it in one on a table of theirs: that does nothing, and fails
    /// when it fires.
    #[must_use]
    pub fn own_triggers(&self, all: &[Trigger]) -> Vec<Trigger> {
        let parts = source::partitions(self.source);
        let of = if source::class(self.source, |_| ()).is_some() { self.source } else { self.table };
        let owner = source::owner(of);
        let is_own = |table: Oid| {
            table == self.source
                || parts.contains(&table)
                || (owner != pg_sys::InvalidOid && source::owner(table) == owner && source::has_rows(table))
        };
        all.iter().filter(|trigger| trigger.collection == self.name && is_own(trigger.table)).cloned().collect()
    }

    /// Has all sessions, this one too, forget what they know of it.
    pub fn announce(&self) {
        // SAFETY: the messages are sent when the transaction commits
        unsafe {
            for relation in [self.table, self.source] {
                if pg_sys::get_rel_relkind(relation) != 0 {
                    pg_sys::CacheInvalidateRelcacheByRelid(relation);
                }
            }
        }
    }
}
