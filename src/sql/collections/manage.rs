//! Creating, attaching, detaching and dropping collections.
//!
//! Statements on the extension's schema and on tables' triggers run as a superuser, after the caller's rights have been checked
//! here; none of them runs code of others. A collection belongs to the owner of its table.

use crate::error::{Error, SqlState};
use crate::pg::error::raise;
use crate::pg::function::Call;
use crate::pg::relation::OpenRelation;
use crate::pg::spi::{self, Mode, Spi, from_server, literal, quoted, text_of};
use crate::pg::{relation, restricted, settings};
use crate::sql::collections::catalog::{self, Collection};
use crate::sql::collections::home::{Home, STORE, SUPERUSER};
use crate::sql::collections::key::KeyType;
use crate::sql::collections::source::{self, Trigger, VectorKind, require_done};
use crate::sql::collections::sync::{follower, refuse_key};
use crate::sql::index::optimize;
use pgrx::pg_sys::{self, Datum, Oid};
use std::cell::Cell;

thread_local! {
    /// how many of our own changes are under way: what they do to tables and triggers is not to be followed
    static BUSY: Cell<u32> = const { Cell::new(0) };
}

/// What to do about a table whose triggers for a collection are disabled.
pub const ENABLE_HINT: &str = "ALTER TABLE ... ENABLE TRIGGER USER, of the table and its partitions, has it follow again, and brings it up to date.";

/// Whether the changes that are being made are our own.
#[must_use]
pub fn is_busy() -> bool {
    BUSY.get() > 0
}

/// Runs `work` as the superuser, restricted, while changes of tables are not followed. No code of others may run in it: so
/// no statement that fires triggers, or evaluates what an owner has written.
pub fn as_superuser<R>(settings: &[(&std::ffi::CStr, &std::ffi::CStr)], work: impl FnOnce(&Spi) -> R) -> R {
    as_user(SUPERUSER, settings, work)
}

/// The same as the owner of a collection: for statements by which code of theirs may come to run.
/// What that code does to other tables is followed.
pub fn as_owner<R>(collection: &Collection, work: impl FnOnce(&Spi) -> R) -> R {
    // SAFETY: the statements are those of this module and its neighbours
    unsafe { restricted::as_user(source::owner(collection.table), &[], || spi::connected(work)) }
}

fn as_user<R>(user: Oid, settings: &[(&std::ffi::CStr, &std::ffi::CStr)], work: impl FnOnce(&Spi) -> R) -> R {
    struct Busy;
    impl Drop for Busy {
        fn drop(&mut self) {
            BUSY.set(BUSY.get() - 1);
        }
    }
    BUSY.set(BUSY.get() + 1);
    let _busy = Busy;
    // SAFETY: the statements are those of this module and its neighbours
    unsafe { restricted::as_user(user, settings, || spi::connected(work)) }
}

/// The text argument `n`, which must not be NULL.
pub fn text(call: Call<'_>, n: usize, name: &str) -> String {
    if call.is_null(n) {
        raise(
            Error::new(SqlState::NullValueNotAllowed, format!("{name} must not be NULL"))
                .hint(format!("Give a value for \"{name}\".")),
        );
    }
    text_of(call.arg(n).datum())
}

fn invalid(message: String, hint: impl Into<std::borrow::Cow<'static, str>>) -> ! {
    raise(Error::new(SqlState::InvalidParameterValue, message).hint(hint))
}

/// The relation of that name, found as the caller finds it.
fn relation_of(name: &str) -> Oid {
    let name = spi::c_string(name);
    // SAFETY: the input function of regclass, on a string
    unsafe {
        pgrx::direct_function_call_as_datum(pg_sys::regclassin, &[Some(Datum::from(name.as_ptr()))])
            .map_or(pg_sys::InvalidOid, |datum| Oid::from(datum.value() as u32))
    }
}

/// The table of that name; raises an error if the caller is not its owner.
fn own_table(name: &str) -> Oid {
    let oid = relation_of(name);
    source::check_shape(oid);
    // SAFETY: catalog look-ups
    unsafe {
        if !crate::pg::compat::owns(oid, pg_sys::GetUserId()) {
            let kind = pg_sys::get_relkind_objtype(pg_sys::get_rel_relkind(oid));
            pg_sys::aclcheck_error(pg_sys::AclResult::ACLCHECK_NOT_OWNER, kind, pg_sys::get_rel_name(oid));
        }
    }
    oid
}

/// The number of the vector column of that name, which is checked.
fn vector_column(table: Oid, name: &str) -> i16 {
    let number = source::some_column(table, name);
    // SAFETY: a catalog look-up
    let (typid, shown) = unsafe {
        let typid = pg_sys::get_atttype(table, number);
        (typid, from_server(pg_sys::format_type_be(typid)))
    };
    if VectorKind::of(typid).is_none() {
        raise(
            Error::new(
                SqlState::WrongObjectType,
                format!("column \"{name}\" of {} is of type {shown}, which holds no vectors", relation::name_of(table)),
            )
            .hint("The types are real[], double precision[], zvec, and pgvector's vector."),
        );
    }
    number
}

/// What a graph is made with, if it is said.
#[derive(Default)]
struct Parameters {
    m: Option<i32>,
    ef_construction: Option<i32>,
    ef_search: Option<i32>,
}

const ALLOWED: &str = "Allowed are m (4 to 128), ef_construction (8 to 2000) and ef_search (1 to 10000).";

/// The parameters in a JSON object.
fn parameters(json: Datum, index_type: &str) -> Parameters {
    let mut found = Parameters::default();
    // SAFETY: functions of the server's alone, under a search path that has nothing else
    let pairs: Option<Vec<(String, Option<String>, String)>> = unsafe {
        restricted::with_settings(&[(c"search_path", c"pg_catalog, pg_temp")], || {
            spi::connected(|spi| {
                let argument = [(pg_sys::JSONOID, Some(json))];
                let kind = spi.execute("SELECT pg_catalog.json_typeof($1)", &argument, Mode::Read);
                if kind.text(0, 0).as_deref() != Some("object") {
                    return None;
                }
                let rows = spi.execute(
                    "SELECT t.key, pg_catalog.json_typeof(t.value), t.value::pg_catalog.text \
                     FROM pg_catalog.json_each($1) AS t",
                    &argument,
                    Mode::Read,
                );
                let text = |row, column| rows.text(row, column);
                Some(
                    (0..rows.len())
                        .map(|row| (text(row, 0).unwrap_or_default(), text(row, 1), text(row, 2).unwrap_or_default()))
                        .collect(),
                )
            })
        })
    };
    let Some(pairs) = pairs else { invalid("params must be a JSON object".to_owned(), ALLOWED) };
    for (key, kind, value) in pairs {
        let (place, range, graphs) = match key.as_str() {
            "m" => (&mut found.m, 4..=128, true),
            "ef_construction" => (&mut found.ef_construction, 8..=2000, true),
            "ef_search" => (&mut found.ef_search, 1..=10_000, true),
            _ => invalid(format!("params has an unknown key \"{key}\""), ALLOWED),
        };
        let number = value.parse().ok().filter(|number| kind.as_deref() == Some("number") && range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            invalid(format!("params: \"{key}\" must be a whole number from {least} to {most}, not {value}"), ALLOWED);
        }
        if graphs && index_type == "flat" {
            invalid(
                format!("params: \"{key}\" is for graphs, and index type flat has none"),
                "Leave params out, or use index type hnsw.",
            );
        }
        *place = number;
    }
    found
}

/// The tablespace that a collection goes to; empty for the database's own.
fn tablespace(given: &str) -> String {
    let name = if given.is_empty() { settings::data_dir() } else { given.to_owned() };
    if name.is_empty() {
        return name;
    }
    if name.contains('/') {
        invalid(
            format!("data_dir \"{name}\" is a path, and has to be the name of a tablespace"),
            format!("Have a superuser make one: CREATE TABLESPACE name LOCATION {}", literal(&name)),
        );
    }
    let c_name = spi::c_string(&name);
    // SAFETY: catalog look-ups
    unsafe {
        let oid = pg_sys::get_tablespace_oid(c_name.as_ptr(), true);
        if oid == pg_sys::InvalidOid {
            raise(
                Error::new(SqlState::UndefinedObject, format!("data_dir: tablespace \"{name}\" does not exist"))
                    .hint("CREATE TABLESPACE makes one; '' means that of pg_zvec.data_dir, or the database's."),
            );
        }
        crate::pg::compat::require_create_in_tablespace(oid, c_name.as_ptr());
    }
    name
}

/// Raises an error unless `given` is one of `allowed`.
fn one_of(given: &str, allowed: &[&str], name: &str) {
    if !allowed.contains(&given) {
        invalid(format!("{name} \"{given}\" is not known"), format!("Allowed are {}.", allowed.join(", ")));
    }
}

/// Makes the collection's index, in the tablespace of the table.
fn make_index(spi: &Spi, home: Home, collection: &Collection) {
    let (table, schema) = (source::qualified(collection.table), home.schema());
    let options: Vec<String> = [("m", collection.m), ("ef_construction", collection.ef_construction)]
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name} = {value}")))
        .collect();
    let with = if options.is_empty() { String::new() } else { format!(" WITH ({})", options.join(", ")) };
    // SAFETY: catalog look-ups whose answers are copies, or null
    let place = unsafe {
        let name = pg_sys::get_tablespace_name(pg_sys::get_rel_tablespace(collection.table));
        if name.is_null() { String::new() } else { format!(" TABLESPACE {}", quoted(&from_server(name))) }
    };
    let (kind, metric) = (&collection.index_type, &collection.metric);
    spi.execute(
        &format!("CREATE INDEX ON {table} USING zvec_{kind} (vector {schema}.zvec_{metric}_ops){with}{place}"),
        &[],
        Mode::Write,
    );
}

/// The vector indexes of a collection.
unsafe fn indexes(collection: &Collection) -> Vec<Oid> {
    let table = OpenRelation::open(collection.table, pg_sys::NoLock as _);
    // SAFETY: open, and locked by the caller
    unsafe {
        crate::pg::list::oids(pg_sys::RelationGetIndexList(table.raw()))
            .into_iter()
            .filter(|&oid| {
                let index = OpenRelation::open(oid, pg_sys::AccessShareLock as _);
                crate::indexam::selection::kind_of(index.rel()).is_some()
            })
            .collect()
    }
}

crate::sql_function! {
    /// `zvec_create_collection(collection_name, table_name, vector_column, dimension, metric, index_type, params, data_dir)`:
    /// makes an empty collection for the vectors of a table. Errors: 42501 for who does not own the table; 22023 for values
    /// that are not allowed; 42710 for a name that is in use.
    zvec_create_collection(call) {
        let home = Home::of(call);
        let name = text(call, 0, "collection_name");
        let table_name = text(call, 1, "table_name");
        let column = text(call, 2, "vector_column");
        if call.is_null(3) {
            text(call, 3, "dimension");
        }
        let dims = call.arg(3).i32();
        let (metric, index_type) = (text(call, 4, "metric"), text(call, 5, "index_type"));
        if !(1..=crate::vector::MAX_DIMS as i32).contains(&dims) {
            invalid(
                format!("dimension must be between 1 and {}, not {dims}", crate::vector::MAX_DIMS),
                "Give the number of elements that each vector has.",
            );
        }
        one_of(&metric, &["cosine", "l2", "ip", "l1"], "metric");
        one_of(&index_type, &["hnsw", "flat"], "index_type");
        let wanted = if call.is_null(6) { Parameters::default() } else { parameters(call.arg(6).datum(), &index_type) };
        let place = tablespace(&if call.is_null(7) { String::new() } else { text_of(call.arg(7).datum()) });
        if name.is_empty() || name.len() >= pg_sys::NAMEDATALEN as usize {
            invalid(
                format!("collection name \"{name}\" must have 1 to {} bytes", pg_sys::NAMEDATALEN - 1),
                "Choose another name.",
            );
        }
        let of = own_table(&table_name);
        // nobody drops the table meanwhile
        let source = OpenRelation::open(of, pg_sys::AccessShareLock as _);
        vector_column(of, &column);
        if catalog::find(home, &name).is_some() {
            raise(Error::new(SqlState::DuplicateObject, format!("collection \"{name}\" already exists"))
                .hint("Choose another name, or drop that one with zvec_drop_collection."));
        }
        // SAFETY: catalog look-ups
        let in_use = unsafe {
            let schema = pg_sys::get_namespace_oid(spi::c_string(STORE).as_ptr(), false);
            pg_sys::get_relname_relid(spi::c_string(&name).as_ptr(), schema) != pg_sys::InvalidOid
        };
        if in_use {
            raise(Error::new(SqlState::DuplicateObject, format!("name \"{name}\" is in use in schema {STORE}"))
                .hint("Choose another name: tables of collections and their indexes share names."));
        }
        let unlogged = !source.rel().is_permanent();
        let settings = [
            (c"default_tablespace", &*spi::c_string(&place)),
            (c"default_toast_compression", c"pglz"),
        ];
        as_superuser(&settings, |spi| {
            let (kind, schema) = (if unlogged { "UNLOGGED " } else { "" }, home.schema());
            let to = format!("{STORE}.{}", quoted(&name));
            spi.execute(
                &format!(
                    "CREATE {kind}TABLE {to} (key pg_catalog.text COLLATE pg_catalog.\"C\" PRIMARY KEY, \
                     vector {schema}.zvec({dims}) NOT NULL) USING zvec"
                ),
                &[],
                Mode::Write,
            );
            // SAFETY: catalog look-ups
            let table = unsafe {
                let store = pg_sys::get_namespace_oid(spi::c_string(STORE).as_ptr(), false);
                pg_sys::get_relname_relid(spi::c_string(&name).as_ptr(), store)
            };
            let collection = Collection {
                name,
                table,
                source: of,
                vector_column: column,
                metric,
                index_type,
                m: wanted.m,
                ef_construction: wanted.ef_construction,
                ef_search: wanted.ef_search,
                behind: false,
            };
            catalog::enter(home, &collection);
            // what runs from now on may be another's: the table is theirs
            make_index(spi, home, &collection);
            set_owner(spi, &collection);
        });
        Ok(Datum::from(0))
    }
}

/// Gives the collection to the owner of its table.
pub fn set_owner(spi: &Spi, collection: &Collection) {
    // SAFETY: the answer is a copy; the owner exists
    let owner = unsafe { from_server(pg_sys::GetUserNameFromId(source::owner(collection.source), false)) };
    let table = source::qualified(collection.table);
    spi.execute(&format!("ALTER TABLE {table} OWNER TO {}", quoted(&owner)), &[], Mode::Write);
    require_done(source::owner(collection.table) == source::owner(collection.source));
}

/// Drops a collection's table. Run as a superuser.
pub fn drop_table(spi: &Spi, table: Oid, behavior: &str) {
    spi.execute(&format!("DROP TABLE {}{behavior}", source::qualified(table)), &[], Mode::Write);
    require_done(source::class(table, |_| ()).is_none());
}

/// What triggers of its own a collection has.
#[must_use]
pub fn triggers_of(home: Home, collection: &Collection) -> Vec<Trigger> {
    collection.own_triggers(&as_superuser(&[], |spi| source::triggers(spi, home.trigger())))
}

crate::sql_function! {
    /// `zvec_attach_table(collection, table, pk_column, vector_column) returns bigint`: loads the table's rows into the
    /// collection, which follows it from then on; how many vectors were loaded. Errors: 42501 for who does not own the table;
    /// 55000 where one is attached; 42830 for a key column without a unique index.
    zvec_attach_table(call) {
        let home = Home::of(call);
        let name = text(call, 0, "collection_name");
        let table_name = text(call, 1, "table_name");
        let (key, vector) = (text(call, 2, "pk_column"), text(call, 3, "vector_column"));
        let of = own_table(&table_name);
        let collection = catalog::get(home, &name);
        collection.require_own();
        if collection.source != of {
            let (mine, given) = (relation::name_of(collection.source), relation::name_of(of));
            raise(Error::new(SqlState::ObjectNotInPrerequisiteState, format!("collection \"{name}\" is of {mine}, not of {given}"))
                .hint("Make another collection for that table with zvec_create_collection."));
        }
        // writers wait until the table is attached, as with CREATE TRIGGER
        let opened = OpenRelation::open(of, pg_sys::ShareRowExclusiveLock as _);
        for part in source::partitions(of) {
            // SAFETY: takes a lock, which is kept
            unsafe { pg_sys::LockRelationOid(part, pg_sys::ShareRowExclusiveLock as _) };
        }
        source::check_shape(of);
        let there = triggers_of(home, &collection);
        if !there.is_empty() {
            raise(Error::new(
                SqlState::ObjectNotInPrerequisiteState,
                format!("{} is attached to collection \"{name}\" already", relation::name_of(of)),
            )
            .hint("It follows every change by itself; zvec_detach_table ends that."));
        }
        let (key_column, _) = (source::some_column(of, &key), vector_column(of, &vector));
        if vector != collection.vector_column && source::column(of, &collection.vector_column).is_some() {
            raise(Error::new(
                SqlState::ObjectNotInPrerequisiteState,
                format!("collection \"{name}\" is of column \"{}\", not of \"{vector}\"", collection.vector_column),
            )
            .hint("Make another collection for that column with zvec_create_collection."));
        }
        if key == vector {
            invalid("the key and the vector must be different columns".to_owned(), "Name the column that tells rows apart first.");
        }
        // SAFETY: open
        unsafe {
            if source::equality(opened.raw(), key_column).is_none() {
                refuse_key(of, &key);
            }
            if pg_sys::get_array_type(KeyType::of(source::column_type(opened.raw(), key_column)).oid)
                == pg_sys::InvalidOid
            {
                let typid = source::column_type(opened.raw(), key_column);
                let shown = from_server(pg_sys::format_type_be(typid));
                raise(
                    Error::new(SqlState::FeatureNotSupported, format!("keys of type {shown} are not possible"))
                        .hint("Arrays are no keys: add a column, for example GENERATED ALWAYS AS IDENTITY, with a unique index."),
                );
            }
        }
        // what is open cannot be altered; the lock stays
        drop(opened);
        as_superuser(&[], |spi| {
            source::make_row_trigger(spi, home, &name, of, &key, &vector);
            source::make_triggers(spi, home, &name, of, true);
            for part in source::partitions(of) {
                source::make_triggers(spi, home, &name, part, false);
            }
            // names may have changed
            require_done(source::is_whole(&collection.own_triggers(&source::triggers(spi, home.trigger())), of));
            catalog::set_behind(home, &collection, false);
            // SAFETY: takes a lock, which is kept
            unsafe { pg_sys::LockRelationOid(collection.table, pg_sys::AccessExclusiveLock as _) };
            // SAFETY: locked
            for index in unsafe { indexes(&collection) } {
                spi.execute(&format!("DROP INDEX {}", source::qualified(index)), &[], Mode::Write);
                require_done(source::class(index, |_| ()).is_none());
            }
        });
        // after the table's description has been read anew
        collection.announce();
        // SAFETY: the new state of the catalogs is to be seen
        unsafe { pg_sys::CommandCounterIncrement() };
        let follower = follower(home, of, &name);
        follower.try_out();
        follower.truncate();
        let count = follower.load();
        as_superuser(&[], |spi| make_index(spi, home, &collection));
        Ok(Datum::from(count as i64))
    }
}

/// Ends that a table is followed, and empties the collection.
pub fn detach(home: Home, collection: &Collection, triggers: &[Trigger]) {
    as_superuser(&[], |spi| {
        source::drop_triggers(spi, triggers, &collection.name);
        catalog::set_behind(home, collection, false);
    });
    // triggers for TRUNCATE are their owner's
    let statement = format!("TRUNCATE {}", source::qualified(collection.table));
    as_owner(collection, |spi| spi.execute(&statement, &[], Mode::Write).free());
    collection.announce();
}

/// The collection that the first argument names, which is to be detached or dropped by its owner, and the triggers of its table,
/// which is locked with its partitions as DROP TRIGGER does: before the collection's own table.
fn to_end(call: Call<'_>, home: Home) -> (Collection, Vec<Trigger>) {
    let collection = catalog::get(home, &text(call, 0, "collection_name"));
    collection.require_own();
    let triggers = triggers_of(home, &collection);
    let mode = if triggers.is_empty() { pg_sys::AccessShareLock } else { pg_sys::AccessExclusiveLock } as _;
    // SAFETY: takes locks, which are kept
    unsafe {
        pg_sys::LockRelationOid(collection.source, mode);
        for part in source::partitions(collection.source) {
            pg_sys::LockRelationOid(part, mode);
        }
    }
    // as they are now that nobody changes them
    let triggers = triggers_of(home, &collection);
    (collection, triggers)
}

crate::sql_function! {
    /// `zvec_detach_table(collection)`: ends that the collection follows its table, and empties it. Errors: 42501 for who does
    /// not own the table; 55000 where none is attached.
    zvec_detach_table(call) {
        let home = Home::of(call);
        let (collection, triggers) = to_end(call, home);
        if triggers.is_empty() {
            raise(Error::new(
                SqlState::ObjectNotInPrerequisiteState,
                format!("no table is attached to collection \"{}\"", collection.name),
            )
            .hint("Use zvec_attach_table to attach one, zvec_drop_collection to drop the collection."));
        }
        detach(home, &collection, &triggers);
        Ok(Datum::from(0))
    }
}

crate::sql_function! {
    /// `zvec_drop_collection(collection)`: drops the collection; its table stays as it is. Errors: 42501 for who does not own
    /// the table; 2BP01 where something else depends on the collection.
    zvec_drop_collection(call) {
        let home = Home::of(call);
        let (collection, triggers) = to_end(call, home);
        collection.announce();
        as_superuser(&[], |spi| {
            source::drop_triggers(spi, &triggers, &collection.name);
            drop_table(spi, collection.table, "");
            catalog::forget(home, &collection);
        });
        Ok(Datum::from(0))
    }
}

crate::sql_function! {
    /// `zvec_optimize(text)`: `zvec_optimize(regclass)` for a collection, or for the table or index of that name.
    zvec_optimize_named(call) {
        optimize(call, || {
            let name = text(call, 0, "name");
            catalog::find(Home::of(call), &name).map_or_else(|| relation_of(&name), |collection| collection.table)
        })
    }
}
