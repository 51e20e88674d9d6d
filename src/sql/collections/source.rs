//! The table that a collection is of: its columns, its partitions, its triggers.

use crate::error::{Error, Result, SqlState};
use crate::pg::array::Array;
use crate::pg::error::{boundary, raise};
use crate::pg::list::{elements, oids};
use crate::pg::relation::OpenRelation;
use crate::pg::spi::{self, Mode, Rows, Spi, from_server, literal, quoted};
use crate::pg::varlena::Varlena;
use crate::pg::{compat, raw, relation};
use crate::sql::arg::{VectorArg, new_vector};
use crate::sql::cast::narrow;
use crate::sql::collections::home::Home;
use crate::tableam::vectors::element_of_type;
use crate::vector::{ElementType, check_dims, check_element};
use pgrx::pg_sys::{self, Datum, Oid, Relation};

/// What a vector column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VectorKind {
    /// `real[]`
    Float4,
    /// `double precision[]`
    Float8,
    /// `zvec`, or pgvector's `vector`
    Float4Vector,
}

impl VectorKind {
    /// That of a column of type `typid`.
    #[must_use]
    pub fn of(typid: Oid) -> Option<Self> {
        // SAFETY: a catalog look-up
        let base = unsafe { pg_sys::getBaseType(typid) };
        match base {
            pg_sys::FLOAT4ARRAYOID => Some(Self::Float4),
            pg_sys::FLOAT8ARRAYOID => Some(Self::Float8),
            _ if element_of_type(base) == Some(ElementType::Float4) => Some(Self::Float4Vector),
            _ => None,
        }
    }

    /// The vector that a value of such a column is, as a new `zvec` of `dims` dimensions.
    ///
    /// # Errors
    /// `DataException` for other dimensions, and those of the casts to `zvec`.
    pub fn vector(self, value: Datum, dims: usize) -> Result<Datum> {
        // SAFETY: a value of the column's type
        let stored = unsafe { Varlena::of_datum(value) };
        let check = |have: usize| {
            check_dims(have)?;
            if have == dims {
                return Ok(());
            }
            Err(Error::new(SqlState::DataException, format!("has {have} dimensions, not {dims}")))
        };
        match self {
            Self::Float4 => {
                let array = Array::new(stored)?;
                check(array.len())?;
                let elements = array.fixed::<f32>();
                new_vector(dims, |out| fill(out, elements.iter().copied()))
            }
            Self::Float8 => {
                let array = Array::new(stored)?;
                check(array.len())?;
                new_vector(dims, |out| {
                    for (to, &from) in out.iter_mut().zip(array.fixed::<f64>()) {
                        *to = check_element(narrow(from)?)?;
                    }
                    Ok(())
                })
            }
            Self::Float4Vector => {
                let vector = VectorArg::new(stored)?;
                check(vector.len())?;
                new_vector(dims, |out| fill(out, vector.iter().copied()))
            }
        }
    }

    /// Whether two values are stored as the same bytes: then they are the same vector. Nothing is fetched.
    #[must_use]
    pub fn is_same(self, a: Datum, b: Datum) -> bool {
        // SAFETY: values of variable length
        unsafe { raw::datumIsEqual(a, b, false, -1) }
    }
}

fn fill(out: &mut [f32], elements: impl Iterator<Item = f32>) -> Result<()> {
    for (to, from) in out.iter_mut().zip(elements) {
        *to = check_element(from)?;
    }
    Ok(())
}

/// A relation's name as it is written in a statement.
#[must_use]
pub fn qualified(oid: Oid) -> String {
    // SAFETY: catalog look-ups whose answers are copies, or null
    unsafe {
        let (name, schema) = (pg_sys::get_rel_name(oid), pg_sys::get_namespace_name(pg_sys::get_rel_namespace(oid)));
        if name.is_null() || schema.is_null() {
            raise(Error::new(SqlState::UndefinedTable, format!("the table with OID {} is gone", oid.to_u32())));
        }
        format!("{}.{}", quoted(&from_server(schema)), quoted(&from_server(name)))
    }
}

/// The name of a column.
#[must_use]
pub fn column_name(table: Oid, column: i16) -> String {
    // SAFETY: the answer is a copy; raises an error where there is no such column
    unsafe { from_server(pg_sys::get_attname(table, column, false)) }
}

/// The number of the column of that name, if there is one.
#[must_use]
pub fn column(table: Oid, name: &str) -> Option<i16> {
    let name = crate::pg::spi::c_string(name);
    // SAFETY: a catalog look-up
    let number = unsafe { pg_sys::get_attnum(table, name.as_ptr()) };
    (number > 0).then_some(number)
}

/// The number of the column of that name; raises an error if there is none.
#[must_use]
pub fn some_column(table: Oid, name: &str) -> i16 {
    column(table, name).unwrap_or_else(|| {
        let hint = if name.contains(',') {
            "Composite keys are not possible: add a column, for example GENERATED ALWAYS AS IDENTITY, with a unique index."
        } else {
            "Give the column's name as it is, without quotes."
        };
        let message = format!("column \"{name}\" of {} does not exist", relation::name_of(table));
        raise(Error::new(SqlState::UndefinedColumn, message).hint(hint))
    })
}

/// The dimensions of a collection's vectors.
#[must_use]
pub fn dims(collection: Oid) -> usize {
    let column = column(collection, "vector").unwrap_or_else(|| {
        let name = relation::plain_name_of(collection);
        raise(
            Error::new(SqlState::UndefinedColumn, format!("table \"{name}\" of a collection has no column \"vector\""))
                .hint("Drop the collection, and make it anew."),
        )
    });
    // SAFETY: there is such a column
    unsafe {
        let (mut typid, mut typmod, mut collation) = (pg_sys::InvalidOid, -1, pg_sys::InvalidOid);
        pg_sys::get_atttypetypmodcoll(collection, column, &raw mut typid, &raw mut typmod, &raw mut collation);
        typmod.max(0) as usize
    }
}

/// The owner of a relation.
#[must_use]
pub fn owner(table: Oid) -> Oid {
    class(table, |form| form.relowner).unwrap_or(pg_sys::InvalidOid)
}

/// Something of the relation's row in `pg_class`, if it exists.
pub fn class<R>(table: Oid, see: impl FnOnce(&pg_sys::FormData_pg_class) -> R) -> Option<R> {
    // SAFETY: a catalog look-up; the row is released after its last use
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::RELOID as i32;
        let row = pg_sys::SearchSysCache1(cache, Datum::from(table));
        if row.is_null() {
            return None;
        }
        let seen = see(&*pg_sys::GETSTRUCT(row).cast::<pg_sys::FormData_pg_class>());
        pg_sys::ReleaseSysCache(row);
        Some(seen)
    }
}

/// The root of the tree of partitions that `table` is in; itself if it is in none.
#[must_use]
pub fn root_of(table: Oid) -> Oid {
    if class(table, |form| form.relispartition) != Some(true) {
        return table;
    }
    // SAFETY: the server makes the list
    let ancestors = unsafe { oids(boundary(|| raw::get_partition_ancestors(table))) };
    ancestors.last().copied().unwrap_or(table)
}

/// All partitions under `table`, of all levels.
#[must_use]
pub fn partitions(table: Oid) -> Vec<Oid> {
    if class(table, |form| form.relkind as u8) != Some(pg_sys::RELKIND_PARTITIONED_TABLE) {
        return Vec::new();
    }
    // SAFETY: the server makes the list
    let mut all =
        unsafe { oids(boundary(|| raw::find_all_inheritors(table, pg_sys::NoLock as _, std::ptr::null_mut()))) };
    all.retain(|&member| member != table);
    all
}

/// The columns of the key and of the vector of `table`, which is attached to the collection `name`: those of the trigger for
/// rows that stands for it. The server keeps them right when columns are renamed, and when the table is dumped and restored.
///
/// # Safety
/// The table is open.
#[must_use]
pub unsafe fn columns(table: Relation, trigger: Oid, name: &str) -> Option<(i16, i16)> {
    // SAFETY: open; the server's own description of triggers
    unsafe {
        let triggers = (*table).trigdesc.as_ref()?;
        (0..triggers.numtriggers as usize).map(|i| &*triggers.triggers.add(i)).find_map(|found| {
            let ours = found.tgfoid == trigger && found.tgnattr == 2 && found.tgnargs == 1;
            (ours && from_server(*found.tgargs) == name).then(|| (*found.tgattr, *found.tgattr.add(1)))
        })
    }
}

/// The operator by which a key column equals something: that of the unique index which the column must have.
#[derive(Clone, Debug)]
pub struct Equality {
    operator: Oid,
    /// how a statement writes it
    pub text: String,
}

/// The equality of a key column. `None` without a unique index on just that column.
///
/// # Safety
/// The table is open.
#[must_use]
pub unsafe fn equality(table: Relation, key: i16) -> Option<Equality> {
    // SAFETY: open
    unsafe { equality_without(table, key, &[]) }
}

/// The same, as it would be without some indexes.
///
/// # Safety
/// The table is open.
#[must_use]
pub unsafe fn equality_without(table: Relation, key: i16, without: &[Oid]) -> Option<Equality> {
    const BTREE_EQUAL: i16 = 3;
    // SAFETY: open; indexes are opened and closed in turn
    unsafe {
        for oid in oids(pg_sys::RelationGetIndexList(table)) {
            if without.contains(&oid) {
                continue;
            }
            let index = OpenRelation::open(oid, pg_sys::AccessShareLock as _);
            let form = &*(*index.raw()).rd_index;
            let is_whole = !crate::pg::restricted::has_condition(index.rel());
            let fits = form.indisunique && form.indimmediate && form.indisvalid && form.indnkeyatts == 1 && is_whole;
            if !fits || *form.indkey.values.as_ptr() != key {
                continue;
            }
            let (family, input) = (*(*index.raw()).rd_opfamily, *(*index.raw()).rd_opcintype);
            let operator = pg_sys::get_opfamily_member(family, input, input, BTREE_EQUAL);
            if let Some(text) = operator_text(operator) {
                return Some(Equality { operator, text });
            }
        }
        None
    }
}

unsafe fn operator_text(operator: Oid) -> Option<String> {
    // SAFETY: a catalog look-up; the row is released after its last use
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::OPEROID as i32;
        let row = pg_sys::SearchSysCache1(cache, Datum::from(operator));
        if row.is_null() {
            return None;
        }
        let form: *const pg_sys::FormData_pg_operator = pg_sys::GETSTRUCT(row).cast();
        let name = from_server((*form).oprname.data.as_ptr());
        let schema = from_server(pg_sys::get_namespace_name((*form).oprnamespace));
        pg_sys::ReleaseSysCache(row);
        Some(format!("OPERATOR({}.{name})", quoted(&schema)))
    }
}

impl Equality {
    /// Raises an error unless the last condition of an analysed query is by this operator, on values as they are: a cast that
    /// somebody has made for the type would take a hand in which operator the server finds, and run.
    ///
    /// # Safety
    /// The query lives, and has a WHERE clause.
    pub unsafe fn check(&self, query: *mut pg_sys::Query) {
        // SAFETY: a live query, which has a WHERE clause
        unsafe {
            let mut node = (*(*query).jointree).quals;
            if pgrx::is_a(node, pg_sys::NodeTag::T_BoolExpr) {
                let all = elements::<pg_sys::Node>((*node.cast::<pg_sys::BoolExpr>()).args);
                node = all.last().unwrap_or(node);
            }
            let (operator, arguments) = if pgrx::is_a(node, pg_sys::NodeTag::T_OpExpr) {
                let found = &*node.cast::<pg_sys::OpExpr>();
                (found.opno, found.args)
            } else if pgrx::is_a(node, pg_sys::NodeTag::T_ScalarArrayOpExpr) {
                let found = &*node.cast::<pg_sys::ScalarArrayOpExpr>();
                (found.opno, found.args)
            } else {
                (pg_sys::InvalidOid, std::ptr::null_mut())
            };
            let is_plain = |&argument: &*mut pg_sys::Node| {
                [pg_sys::NodeTag::T_Var, pg_sys::NodeTag::T_Param, pg_sys::NodeTag::T_RelabelType]
                    .into_iter()
                    .any(|tag| pgrx::is_a(argument, tag))
            };
            if operator != self.operator || !elements::<pg_sys::Node>(arguments).all(|node| is_plain(&node)) {
                raise(
                    Error::new(
                        SqlState::FeatureNotSupported,
                        "the type of the key column has casts that change what = means",
                    )
                    .hint("Drop the casts from that type that are IMPLICIT, or use another column."),
                );
            }
        }
    }
}

/// Raises an error for a table whose writes its triggers would not all see.
pub fn check_shape(table: Oid) {
    let (name, hint) = (relation::name_of(table), "Attach an ordinary table, or a whole partitioned one.");
    let refuse =
        |state, what: &str, hint: &'static str| -> ! { raise(Error::new(state, format!("{name} {what}")).hint(hint)) };
    let Some((kind, is_partition, persistence, schema)) =
        class(table, |form| (form.relkind as u8, form.relispartition, form.relpersistence as u8, form.relnamespace))
    else {
        refuse(SqlState::UndefinedTable, "does not exist", hint)
    };
    if !matches!(kind, pg_sys::RELKIND_RELATION | pg_sys::RELKIND_PARTITIONED_TABLE) {
        refuse(SqlState::WrongObjectType, "is not a table", hint);
    }
    if persistence == pg_sys::RELPERSISTENCE_TEMP {
        refuse(SqlState::WrongObjectType, "is temporary, and a collection is not", "Use CREATE TABLE without TEMP.");
    }
    // SAFETY: a look at the oid
    if unsafe { pg_sys::IsCatalogNamespace(schema) } {
        refuse(SqlState::WrongObjectType, "is a system catalog", hint);
    }
    if is_partition {
        refuse(
            SqlState::WrongObjectType,
            "is a partition: statements on the table that it is of would pass the collection by",
            "Attach the partitioned table.",
        );
    }
    if kind == pg_sys::RELKIND_RELATION && inherits(table) {
        refuse(
            SqlState::WrongObjectType,
            "is inherited from, or inherits: statements on the others would pass the collection by",
            "Use partitions instead of inheritance.",
        );
    }
}

/// Whether the ordinary table has parents or children by inheritance.
fn inherits(table: Oid) -> bool {
    unsafe extern "C-unwind" {
        fn has_superclass(relation: Oid) -> bool;
    }
    // SAFETY: catalog look-ups; the server makes the list
    unsafe {
        let children = oids(boundary(|| raw::find_all_inheritors(table, pg_sys::NoLock as _, std::ptr::null_mut())));
        children.len() > 1 || boundary(|| has_superclass(table))
    }
}

/// A trigger of a collection, as `pg_trigger` has it.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// its table
    pub table: Oid,
    /// its name
    pub name: String,
    /// the collection that it names
    pub collection: String,
    /// which of [`KINDS`] or [`PART_KINDS`] it is, if any: somebody may have made others
    pub kind: Option<String>,
}

impl Trigger {
    /// That of the first four columns of a row.
    fn of(rows: &Rows<'_>, row: usize) -> Self {
        Self {
            table: rows.value(row, 0).map_or(pg_sys::InvalidOid, |oid| Oid::from(oid.value() as u32)),
            name: rows.text(row, 1).unwrap_or_default(),
            collection: rows.text(row, 2).unwrap_or_default(),
            kind: rows.text(row, 3),
        }
    }
}

/// The kinds of triggers that an attached table has.
pub const KINDS: [&str; 5] = ["row", "insert", "update", "delete", "truncate"];
/// And each partition of one.
pub const PART_KINDS: [&str; 4] = ["insert", "update", "delete", "before truncate"];

/// Which kind the trigger `t` is of, as a query's expression: by what it does, since its name may be changed. The numbers are bits
/// of `tgtype`: 1 for rows, 2 BEFORE, 4 INSERT, 8 DELETE, 16 UPDATE, 32 TRUNCATE.
const KIND: &str = "CASE WHEN t.tgqual IS NOT NULL THEN NULL \
        WHEN t.tgtype OPERATOR(pg_catalog.=) 29 \
            AND pg_catalog.array_length(t.tgattr::pg_catalog.int2[], 1) OPERATOR(pg_catalog.=) 2 THEN 'row' \
        WHEN t.tgtype OPERATOR(pg_catalog.=) 4 AND t.tgnewtable IS NOT NULL THEN 'insert' \
        WHEN t.tgtype OPERATOR(pg_catalog.=) 16 AND t.tgoldtable IS NOT NULL AND t.tgnewtable IS NOT NULL THEN 'update' \
        WHEN t.tgtype OPERATOR(pg_catalog.=) 8 AND t.tgoldtable IS NOT NULL THEN 'delete' \
        WHEN t.tgtype OPERATOR(pg_catalog.=) 32 THEN 'truncate' \
        WHEN t.tgtype OPERATOR(pg_catalog.=) 34 THEN 'before truncate' END";

/// Whether a table, and each partition of it, has a collection's triggers of all kinds, whatever others there are besides.
#[must_use]
pub fn is_whole(own: &[Trigger], table: Oid) -> bool {
    has_all(own, table, &KINDS) && partitions(table).into_iter().all(|part| has_all(own, part, &PART_KINDS))
}

/// Whether one table has a collection's triggers of all these kinds.
#[must_use]
pub fn has_all(own: &[Trigger], table: Oid, kinds: &[&str]) -> bool {
    let has = |kind| own.iter().any(|trigger| trigger.table == table && trigger.kind.as_deref() == Some(kind));
    kinds.iter().all(|&kind| has(kind))
}

/// Whether a relation is a table, or a partitioned one: it has rows, and reading them is no more than that.
#[must_use]
pub fn has_rows(relation: Oid) -> bool {
    let kind = class(relation, |form| form.relkind as u8);
    matches!(kind, Some(pg_sys::RELKIND_RELATION | pg_sys::RELKIND_PARTITIONED_TABLE))
}

/// All triggers that call `trigger`, but for copies that the server makes for partitions.
#[must_use]
pub fn triggers(spi: &Spi, trigger: Oid) -> Vec<Trigger> {
    let statement = format!(
        "SELECT t.tgrelid, t.tgname::pg_catalog.text, \
            pg_catalog.convert_from(pg_catalog.substring(t.tgargs, 1, pg_catalog.length(t.tgargs) - 1), \
                pg_catalog.getdatabaseencoding()), {KIND} \
         FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_trigger AS t ON t.oid OPERATOR(pg_catalog.=) d.objid \
         WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass \
            AND d.refobjid OPERATOR(pg_catalog.=) $1 \
            AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_trigger'::pg_catalog.regclass \
            AND t.tgparentid OPERATOR(pg_catalog.=) 0 AND t.tgnargs OPERATOR(pg_catalog.=) 1"
    );
    let rows = spi.execute(&statement, &[(pg_sys::OIDOID, Some(Datum::from(trigger)))], Mode::Write);
    (0..rows.len()).map(|row| Trigger::of(&rows, row)).collect()
}

/// A trigger of a collection that does not fire when it should.
#[derive(Clone, Debug)]
pub struct Lapse {
    /// which one
    pub trigger: Trigger,
    /// how it is made to fire as it should, or `None` if changes pass the collection by until somebody enables it
    pub remedy: Option<&'static str>,
}

/// All triggers that call `trigger`, copies for partitions too, that do not fire when [`make_triggers`] and [`make_row_trigger`]
/// have them fire. Those that ENABLE TRIGGER ALL has made fire like any other can be told what is special of them; those that are
/// disabled, or fire only where changes of another server are applied, somebody has turned off.
#[must_use]
pub fn lapses(spi: &Spi, trigger: Oid) -> Vec<Lapse> {
    let statement = format!(
        "SELECT t.tgrelid, t.tgname::pg_catalog.text, \
            pg_catalog.convert_from(pg_catalog.substring(t.tgargs, 1, pg_catalog.length(t.tgargs) - 1), \
                pg_catalog.getdatabaseencoding()), {KIND}, \
            CASE WHEN t.tgenabled OPERATOR(pg_catalog.<>) 'O' THEN NULL WHEN k.is_row THEN 'REPLICA' ELSE 'ALWAYS' END \
         FROM pg_catalog.pg_depend AS d JOIN pg_catalog.pg_trigger AS t ON t.oid OPERATOR(pg_catalog.=) d.objid, \
            LATERAL (SELECT t.tgtype OPERATOR(pg_catalog.&) 1::pg_catalog.int2 OPERATOR(pg_catalog.<>) 0 AS is_row, \
                t.tgtype OPERATOR(pg_catalog.&) 32::pg_catalog.int2 OPERATOR(pg_catalog.<>) 0 AS is_truncate) AS k \
         WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass \
            AND d.refobjid OPERATOR(pg_catalog.=) $1 \
            AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_trigger'::pg_catalog.regclass \
            AND t.tgnargs OPERATOR(pg_catalog.=) 1 \
            AND t.tgenabled OPERATOR(pg_catalog.<>) 'A' \
            AND t.tgenabled OPERATOR(pg_catalog.<>) CASE WHEN k.is_row THEN 'R' WHEN k.is_truncate THEN 'A' ELSE 'O' END"
    );
    let rows = spi.execute(&statement, &[(pg_sys::OIDOID, Some(Datum::from(trigger)))], Mode::Write);
    (0..rows.len())
        .map(|row| Lapse {
            trigger: Trigger::of(&rows, row),
            remedy: rows.text(row, 4).map(|mode| if mode == "REPLICA" { "REPLICA" } else { "ALWAYS" }),
        })
        .collect()
}

/// Makes triggers fire as they should. Run as a superuser.
pub fn mend_triggers(spi: &Spi, lapses: &[Lapse]) {
    for lapse in lapses {
        let (on, trigger) = (qualified(lapse.trigger.table), quoted(&lapse.trigger.name));
        let Some(mode) = lapse.remedy else { continue };
        spi.execute(&format!("ALTER TABLE ONLY {on} ENABLE {mode} TRIGGER {trigger}"), &[], Mode::Write);
    }
}

/// The name of a trigger: of `kind`, for the collection `name`, which is cut where it would be too long.
#[must_use]
pub fn trigger_name(kind: &str, name: &str) -> String {
    const MOST: usize = 48;
    if name.len() <= MOST {
        return format!("zvec_{kind}_{name}");
    }
    let cut = (0..=MOST - 9).rev().find(|&at| name.is_char_boundary(at)).unwrap_or(0);
    let hash = crate::pg::hash::hash(name.as_bytes());
    format!("zvec_{kind}_{}_{hash:08x}", &name[..cut])
}

/// Makes the triggers by which the collection `name` follows statements on `table`: its source, or a partition of that. Run as a
/// superuser; no code of others runs.
pub fn make_triggers(spi: &Spi, home: Home, name: &str, table: Oid, is_root: bool) {
    let (on, function) = (qualified(table), format!("{}.zvec_sync_trigger({})", home.schema(), literal(name)));
    let make = |kind: &str, event: &str| {
        let trigger = quoted(&trigger_name(kind, name));
        let each = "FOR EACH STATEMENT EXECUTE FUNCTION";
        let (event, tables) = event.split_once('|').unwrap_or((event, ""));
        spi.execute(&format!("CREATE TRIGGER {trigger} {event} ON {on} {tables} {each} {function}"), &[], Mode::Write);
    };
    make("insert", "AFTER INSERT|REFERENCING NEW TABLE AS zvec_new");
    make("update", "AFTER UPDATE|REFERENCING OLD TABLE AS zvec_old NEW TABLE AS zvec_new");
    make("delete", "AFTER DELETE|REFERENCING OLD TABLE AS zvec_old");
    make("truncate", if is_root { "AFTER TRUNCATE" } else { "BEFORE TRUNCATE" });
    // no row tells of it where changes of another server are applied
    let trigger = quoted(&trigger_name("truncate", name));
    spi.execute(&format!("ALTER TABLE {on} ENABLE ALWAYS TRIGGER {trigger}"), &[], Mode::Write);
}

/// Makes the trigger for single rows, which says which columns are meant, and is called where statements do not count: while
/// changes of another server are applied. Run as a superuser.
pub fn make_row_trigger(spi: &Spi, home: Home, name: &str, table: Oid, key: &str, vector: &str) {
    let (on, trigger) = (qualified(table), quoted(&trigger_name("row", name)));
    let function = format!("{}.zvec_sync_trigger({})", home.schema(), literal(name));
    let columns = format!("{}, {}", quoted(key), quoted(vector));
    let events = format!("AFTER INSERT OR DELETE OR UPDATE OF {columns}");
    spi.execute(
        &format!("CREATE TRIGGER {trigger} {events} ON {on} FOR EACH ROW EXECUTE FUNCTION {function}"),
        &[],
        Mode::Write,
    );
    spi.execute(&format!("ALTER TABLE {on} ENABLE REPLICA TRIGGER {trigger}"), &[], Mode::Write);
}

/// Drops triggers of a collection. Run as a superuser.
pub fn drop_triggers(spi: &Spi, triggers: &[Trigger], name: &str) {
    for trigger in triggers.iter().filter(|trigger| trigger.collection == name) {
        let on = qualified(trigger.table);
        spi.execute(&format!("DROP TRIGGER IF EXISTS {} ON {on}", quoted(&trigger.name)), &[], Mode::Write);
        // SAFETY: a catalog look-up
        let left = unsafe { pg_sys::get_trigger_oid(trigger.table, spi::c_string(&trigger.name).as_ptr(), true) };
        require_done(left == pg_sys::InvalidOid);
    }
}

/// Raises an error if a statement, which names what it is about, was about something else: names may change while it waits for
/// a lock.
pub fn require_done(done: bool) {
    if !done {
        raise(
            Error::new(SqlState::ObjectNotInPrerequisiteState, "a table was renamed while its collection was changed")
                .hint("Repeat the statement."),
        );
    }
}

/// The type of a column of an open table.
///
/// # Safety
/// The table is open, and has such a column.
#[must_use]
pub unsafe fn column_type(table: Relation, column: i16) -> Oid {
    // SAFETY: open; there is such a column
    unsafe { (*compat::attribute((*table).rd_att, column as usize - 1)).atttypid }
}
