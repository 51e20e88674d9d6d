//! The trigger by which a collection follows its table.
//!
//! A statement's rows say only which keys are concerned. What the collection has of a key is then made what the table has of it
//! by now: other triggers may have changed the row again since, and theirs may have fired before ours. So the order of
//! triggers does not matter, nor how often a key comes up; keys that change places are nothing special.
//!
//! All of it runs as the owner of the table, in a security-restricted operation, whoever writes.

use crate::error::{Error, SqlState};
use crate::pg::error::raise;
use crate::pg::list::elements;
use crate::pg::relation;
use crate::pg::relation::{OpenRelation, Rel};
use crate::pg::restricted;
use crate::pg::spi::{self, Mode, Plan, Rows, Spi, from_server, quoted};
use crate::sql::collections::cache::{self, Cache};
use crate::sql::collections::catalog;
use crate::sql::collections::home::Home;
use crate::sql::collections::key::{self, KeyType};
use crate::sql::collections::source::{self, Equality, VectorKind};
use pgrx::pg_sys::{self, Datum, Oid, TupleTableSlot};
use pgrx::{PgMemoryContexts, is_a};
use std::cell::{OnceCell, RefCell};
use std::collections::HashSet;
use std::ffi::CStr;
use std::rc::Rc;

/// How many keys are taken together, and how many bytes of vectors.
const KEYS: usize = 512;
const VECTOR_BYTES: usize = 4 << 20;

/// The statements are planned for few rows found by an index: the first may be planned while the table is empty.
const SETTINGS: [(&CStr, &CStr); 2] = [(c"enable_seqscan", c"off"), (c"row_security", c"on")];

/// How rows of one relation get into a collection.
pub struct Follower {
    collection: String,
    /// the attached table, and the collection's
    root: Oid,
    table: Oid,
    owner: Oid,
    table_owner: Oid,
    /// columns in the rows of the relation that fires
    key_column: i16,
    vector_column: i16,
    key: KeyType,
    vector: VectorKind,
    /// the vector column's type, as the table has it
    given_type: Oid,
    dims: usize,
    vector_type: Oid,
    key_array: Oid,
    vector_array: Oid,
    equals: Equality,
    texts: Texts,
    plans: Plans,
}

/// Statements, as text.
struct Texts {
    one: String,
    many: String,
    put_one: String,
    put_many: String,
    remove: String,
    all: String,
    differing: String,
}

#[derive(Default)]
struct Plans {
    one: RefCell<Option<Rc<Plan>>>,
    many: RefCell<Option<Rc<Plan>>>,
    put_one: OnceCell<Plan>,
    put_many: OnceCell<Plan>,
    remove: OnceCell<Plan>,
    differing: OnceCell<Plan>,
}

type Key = (Oid, String);
/// A key's text, and a vector.
type Entry = (Box<[u8]>, Datum);

thread_local! {
    static FOLLOWERS: Cache<Key, Follower> = const { RefCell::new(Vec::new()) };
}

/// How rows of `relation` get into the collection `name`; raises an error if they do not.
#[must_use]
pub fn follower(home: Home, relation: Oid, name: &str) -> Rc<Follower> {
    if let Some(known) = cache::find(&FOLLOWERS, |key: &Key| key.0 == relation && key.1 == name) {
        return known;
    }
    let now = cache::epoch();
    let found = Follower::find_out(home, relation, name);
    for watched in [relation, found.root, found.table] {
        cache::watch(watched);
    }
    cache::keep(&FOLLOWERS, now, (relation, name.to_owned()), found)
}

impl Follower {
    fn find_out(home: Home, relation: Oid, name: &str) -> Self {
        let root = source::root_of(relation);
        let Some(collection) = catalog::find(home, name).filter(|collection| collection.source == root) else {
            let table = relation::plain_name_of(relation);
            raise(
                Error::new(
                    SqlState::ObjectNotInPrerequisiteState,
                    format!("table \"{table}\" has a trigger for collection \"{name}\", which is not of this table"),
                )
                .hint("Drop the triggers of that table that call zvec_sync_trigger, then use zvec_attach_table."),
            )
        };
        let opened = OpenRelation::open(root, pg_sys::AccessShareLock as _);
        // SAFETY: open
        unsafe {
            let Some((key, vector)) = source::columns(opened.raw(), home.trigger(), name) else {
                raise(
                    Error::new(
                        SqlState::ObjectNotInPrerequisiteState,
                        format!("no table is attached to collection \"{name}\""),
                    )
                    .hint("Use zvec_attach_table."),
                )
            };
            let key_name = source::column_name(root, key);
            let vector_name = source::column_name(root, vector);
            let Some(equals) = source::equality(opened.raw(), key) else { refuse_key(root, &key_name) };
            let key_type = KeyType::of(source::column_type(opened.raw(), key));
            let Some(kind) = VectorKind::of(source::column_type(opened.raw(), vector)) else {
                raise(
                    Error::new(
                        SqlState::WrongObjectType,
                        format!("column \"{vector_name}\" of {} holds no vectors", relation::name_of(root)),
                    )
                    .hint("The types are real[], double precision[], zvec, and pgvector's vector."),
                )
            };
            let own = |name: &str, number: i16| {
                if relation == root { number } else { source::some_column(relation, name) }
            };
            let (from, to) = (source::qualified(root), source::qualified(collection.table));
            let (k, v) = (quoted(&key_name), quoted(&vector_name));
            let put = "ON CONFLICT (key) DO UPDATE SET vector = EXCLUDED.vector";
            let texts = Texts {
                one: format!("SELECT {k}, {v} FROM {from} WHERE {k} {} $1", equals.text),
                many: format!("SELECT {k}, {v} FROM {from} WHERE {k} {} ANY ($1)", equals.text),
                put_one: format!("INSERT INTO {to} (key, vector) VALUES ($1, $2) {put}"),
                put_many: format!(
                    "INSERT INTO {to} (key, vector) SELECT k, v \
                     FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS t(k, v) {put}"
                ),
                remove: format!("DELETE FROM {to} WHERE key OPERATOR(pg_catalog.=) ANY ($1)"),
                all: format!("SELECT {k}, {v} FROM {from} WHERE {k} IS NOT NULL AND {v} IS NOT NULL"),
                differing: format!(
                    "SELECT t.n FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) WITH ORDINALITY AS t(k, v, n) \
                     WHERE NOT EXISTS (SELECT FROM {to} AS c WHERE c.key OPERATOR(pg_catalog.=) t.k \
                        AND c.vector OPERATOR({}.=) t.v)",
                    home.schema()
                ),
            };
            let vector_type = home.vector_type();
            Self {
                key_column: own(&key_name, key),
                vector_column: own(&vector_name, vector),
                collection: collection.name,
                root,
                table: collection.table,
                owner: source::owner(root),
                table_owner: source::owner(collection.table),
                key: key_type,
                vector: kind,
                given_type: source::column_type(opened.raw(), vector),
                dims: source::dims(collection.table),
                vector_type,
                key_array: array_type(key_type.oid),
                vector_array: array_type(vector_type),
                equals,
                texts,
                plans: Plans::default(),
            }
        }
    }

    /// Runs `work` as the table's owner, for the statements below.
    fn acting<R>(&self, work: impl FnOnce(&Spi) -> R) -> R {
        // SAFETY: who owns the table may do what is done
        unsafe { restricted::as_user(self.owner, &SETTINGS, || self.key.pinned(|| spi::connected(work))) }
    }

    /// Runs `work` with the rights of the collection's owner, who is the table's but for moments.
    fn writing<R>(&self, work: impl FnOnce() -> R) -> R {
        if self.owner == self.table_owner {
            return work();
        }
        // SAFETY: within `acting`, whose restrictions stay
        unsafe { restricted::with_identity(self.table_owner, 0, work) }
    }

    /// The types of the key and the vector, as the table has them.
    fn read_types(&self) -> [Oid; 2] {
        [self.key.oid, self.given_type]
    }

    /// What row `row` of a result says: the key's text, and the vector unless it is NULL.
    fn entry(&self, rows: &Rows<'_>, row: usize) -> Option<(Box<[u8]>, Option<Datum>)> {
        let text = self.key.text(rows.value(row, 0)?);
        let vector = rows.value(row, 1).map(|value| self.vector_of(value, &text));
        Some((text, vector))
    }

    fn vector_of(&self, value: Datum, key: &[u8]) -> Datum {
        self.vector.vector(value, self.dims).unwrap_or_else(|error| {
            let (key, collection) = (String::from_utf8_lossy(key), &self.collection);
            let message = format!(
                "vector of the row with key \"{key}\" does not fit collection \"{collection}\": {}",
                error.message
            );
            let hint = error.hint.unwrap_or("Give the row another vector, or NULL to leave it out.".into());
            raise(Error::new(error.state, message).hint(hint))
        })
    }

    /// A statement that reads the table by keys. It is analysed anew, and looked at again, when something has changed.
    fn reading_plan(&self, spi: &Spi, kept: &RefCell<Option<Rc<Plan>>>, text: &str, parameter: Oid) -> Rc<Plan> {
        let known = kept.borrow().clone();
        if let Some(known) = known.filter(|known| known.is_valid()) {
            return known;
        }
        let plan = Rc::new(spi.prepare(text, &[parameter], pg_sys::CURSOR_OPT_GENERIC_PLAN));
        // SAFETY: just analysed: a query of one table
        unsafe {
            let first = elements::<pg_sys::RangeTblEntry>((*plan.query()).rtable).next();
            if first.is_none_or(|first| (*first).relid != self.root) {
                raise(
                    Error::new(SqlState::ObjectNotInPrerequisiteState, "a table was renamed while it was read")
                        .hint("Repeat the statement."),
                );
            }
            self.equals.check(plan.query());
        }
        let before = kept.replace(Some(Rc::clone(&plan)));
        drop(before);
        plan
    }

    /// Analyses the statements that rows will need, to find out at once whether they can be.
    pub fn try_out(&self) {
        self.acting(|spi| {
            let _ = self.reading_plan(spi, &self.plans.one, &self.texts.one, self.key.oid);
            let _ = self.reading_plan(spi, &self.plans.many, &self.texts.many, self.key_array);
        });
    }

    /// Takes the keys of an array out of the collection.
    fn remove(&self, spi: &Spi, keys: Datum) {
        let prepare = || spi.prepare(&self.texts.remove, &[pg_sys::TEXTARRAYOID], pg_sys::CURSOR_OPT_GENERIC_PLAN);
        let plan = self.plans.remove.get_or_init(prepare);
        self.writing(|| spi.run(plan, &[Some(keys)], Mode::Write, 0).free());
    }

    /// Makes what the collection has of these keys what the table has of them. In the mode `Read` both are looked at under the
    /// active snapshot, and only what differs there is changed: so keys that others write are left to them, since no snapshot
    /// sees the one without the other.
    fn settle(&self, spi: &Spi, keys: &mut Touched, mode: Mode) {
        let (plans, texts) = (&self.plans, &self.texts);
        let rows = if let [value] = keys.values[..] {
            let plan = self.reading_plan(spi, &plans.one, &texts.one, self.key.oid);
            spi.run(&plan, &[Some(value)], mode, 0)
        } else {
            let plan = self.reading_plan(spi, &plans.many, &texts.many, self.key_array);
            let values = self.key.array(&keys.values);
            spi.run(&plan, &[Some(values)], mode, 0)
        }
        .of_types(&self.read_types());
        let mut there = Vec::with_capacity(rows.len());
        let mut bytes = 0;
        for row in 0..rows.len() {
            if let Some((text, Some(vector))) = self.entry(&rows, row) {
                keys.texts.remove(&text);
                there.push((text, vector));
                bytes += self.dims * size_of::<f32>();
            }
            if bytes >= VECTOR_BYTES {
                self.put_wanted(spi, &mut there, mode);
                bytes = 0;
            }
        }
        self.put_wanted(spi, &mut there, mode);
        if !keys.texts.is_empty() {
            let gone = key::text_array(keys.texts.iter().map(|text| &**text));
            self.remove(spi, gone);
        }
        rows.free();
        keys.clear();
    }

    /// Enters vectors into the collection, as [`Follower::settle`] has it, and forgets them.
    fn put_wanted(&self, spi: &Spi, entries: &mut Vec<Entry>, mode: Mode) {
        let entries = std::mem::take(entries);
        if mode == Mode::Write || entries.is_empty() {
            return self.put(spi, &entries);
        }
        let types = [pg_sys::TEXTARRAYOID, self.vector_array];
        let prepare = || spi.prepare(&self.texts.differing, &types, pg_sys::CURSOR_OPT_GENERIC_PLAN);
        let plan = self.plans.differing.get_or_init(prepare);
        let keys = key::text_array(entries.iter().map(|entry| &*entry.0));
        let vectors = self.vectors(&entries);
        let rows = self.writing(|| spi.run(plan, &[Some(keys), Some(vectors)], Mode::Read, 0));
        let differs: HashSet<usize> = (0..rows.len()).filter_map(|row| Some(rows.value(row, 0)?.value() - 1)).collect();
        rows.free();
        let entries = entries.into_iter().enumerate().filter(|(n, _)| differs.contains(n));
        self.put(spi, &entries.map(|(_, entry)| entry).collect::<Vec<_>>());
    }

    /// Enters vectors into the collection, by their keys.
    fn put(&self, spi: &Spi, entries: &[Entry]) {
        let (plans, texts) = (&self.plans, &self.texts);
        match entries {
            [] => {}
            [(key, vector)] => {
                let types = [pg_sys::TEXTOID, self.vector_type];
                let plan =
                    plans.put_one.get_or_init(|| spi.prepare(&texts.put_one, &types, pg_sys::CURSOR_OPT_GENERIC_PLAN));
                let values = [Some(key::text_datum(key)), Some(*vector)];
                self.writing(|| spi.run(plan, &values, Mode::Write, 0));
            }
            _ => {
                let types = [pg_sys::TEXTARRAYOID, self.vector_array];
                let plan = plans
                    .put_many
                    .get_or_init(|| spi.prepare(&texts.put_many, &types, pg_sys::CURSOR_OPT_GENERIC_PLAN));
                let keys = key::text_array(entries.iter().map(|entry| &*entry.0));
                let vectors = self.vectors(entries);
                self.writing(|| spi.run(plan, &[Some(keys), Some(vectors)], Mode::Write, 0));
            }
        }
    }

    fn vectors(&self, entries: &[Entry]) -> Datum {
        let mut vectors: Vec<Datum> = entries.iter().map(|entry| entry.1).collect();
        // SAFETY: the server copies the vectors, whose type is of variable length, aligned to 4 bytes
        unsafe {
            Datum::from(pg_sys::construct_array(
                vectors.as_mut_ptr(),
                vectors.len() as i32,
                self.vector_type,
                -1,
                false,
                b'i' as _,
            ))
        }
    }

    /// Enters all rows that the table has. The collection is empty, and nobody writes to the table. How many there were.
    pub fn load(&self) -> usize {
        let mut context = PgMemoryContexts::new("zvec collection load");
        self.acting(|spi| {
            let plan = spi.prepare(&self.texts.all, &[], 0);
            let _latest = Latest::push();
            let mut cursor = spi.cursor(&plan, &[], Mode::Read);
            let step = (VECTOR_BYTES / (self.dims * size_of::<f32>()).max(1)).clamp(1, KEYS);
            let mut count = 0;
            loop {
                let rows = cursor.fetch(step).of_types(&self.read_types());
                if rows.is_empty() {
                    break;
                }
                // SAFETY: what is made in the context is used up in the same turn
                unsafe {
                    context.switch_to(|_| {
                        let entries: Vec<_> = (0..rows.len())
                            .filter_map(|row| self.entry(&rows, row))
                            .filter_map(|(text, vector)| Some((text, vector?)))
                            .collect();
                        self.put(spi, &entries);
                        count += entries.len();
                    });
                    context.reset();
                }
                rows.free();
                pgrx::check_for_interrupts!();
            }
            cursor.close();
            count
        })
    }

    /// Hands the values of the one column, of type `typid`, that `statement` selects to `take`, many at a time: as the owner of
    /// the relation that it is about, under the latest snapshot. What `take` makes in its memory context is gone after it.
    fn each_lot(
        &self,
        statement: &str,
        owner: Oid,
        typid: Oid,
        mut take: impl FnMut(&Spi, &mut dyn Iterator<Item = Datum>),
    ) {
        let mut context = PgMemoryContexts::new("zvec collection keys");
        self.acting(|spi| {
            let plan = spi.prepare(statement, &[], 0);
            let _latest = Latest::push();
            let mut cursor = reading(owner, || spi.cursor(&plan, &[], Mode::Read));
            loop {
                let rows = reading(owner, || cursor.fetch(KEYS)).of_types(&[typid]);
                if rows.is_empty() {
                    break;
                }
                // SAFETY: what is made in the context is used up in the same turn
                unsafe {
                    context.switch_to(|_| take(spi, &mut (0..rows.len()).filter_map(|row| rows.value(row, 0))));
                    context.reset();
                }
                rows.free();
            }
            cursor.close();
        });
    }

    /// Settles the keys of all rows of `relation`, which has become a partition, or is one no longer.
    pub fn settle_rows_of(&self, relation: Oid) {
        let key = quoted(&source::column_name(self.root, self.key_column));
        let statement = format!("SELECT {key} FROM {}", source::qualified(relation));
        self.each_lot(&statement, source::owner(relation), self.key.oid, |spi, values| {
            let mut touched = Touched::default();
            values.for_each(|value| self.touch(&mut touched, value));
            self.settle(spi, &mut touched, Mode::Read);
        });
    }

    /// Settles all keys that the collection has, for when rows have gone with the relation that they were in.
    pub fn settle_all(&self) {
        let statement = format!("SELECT key FROM {}", source::qualified(self.table));
        self.each_lot(&statement, self.table_owner, pg_sys::TEXTOID, |spi, values| {
            let mut touched = Touched::default();
            for text in values.map(key::bytes_of) {
                touched.values.push(self.key.value(&text));
                touched.texts.insert(text);
            }
            self.settle(spi, &mut touched, Mode::Read);
        });
    }

    /// Makes the collection what the table is, of which it may have missed any change. Nobody writes to the table.
    pub fn catch_up(&self) {
        self.settle_all();
        self.settle_rows_of(self.root);
    }

    /// Notes a key.
    fn touch(&self, touched: &mut Touched, value: Datum) {
        let text = self.key.text(value);
        if !touched.texts.contains(&text) {
            touched.values.push(self.key.copy(value));
            touched.texts.insert(text);
        }
    }

    /// Makes the collection empty.
    pub fn truncate(&self) {
        let statement = format!("TRUNCATE {}", source::qualified(self.table));
        self.acting(|spi| self.writing(|| spi.execute(&statement, &[], Mode::Write).free()));
    }
}

/// The latest snapshot, as the active one: it sees what was committed before a lock was taken, whatever the transaction's own
/// sees, and what the transaction has done.
struct Latest;

impl Latest {
    fn push() -> Self {
        // SAFETY: the snapshot is taken off the stack when this is dropped, or by the server after an error
        unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot()) };
        Self
    }
}

impl Drop for Latest {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: pushed
            unsafe { pg_sys::PopActiveSnapshot() }
        }
    }
}

/// Runs `work`, within `acting`, with the rights of a relation's owner, who need not be the table's.
fn reading<R>(owner: Oid, work: impl FnOnce() -> R) -> R {
    // SAFETY: the restrictions stay
    unsafe { restricted::with_identity(owner, 0, work) }
}

/// The error for a key column that does not tell rows apart.
pub fn refuse_key(table: Oid, column: &str) -> ! {
    let table = relation::name_of(table);
    raise(
        Error::new(
            SqlState::InvalidKey,
            format!("column \"{column}\" of {table} has no unique index of its own, so it does not tell rows apart"),
        )
        .hint(
            "Make it PRIMARY KEY or UNIQUE, not deferrable and without a condition. Composite keys are not possible: add a \
             column, for example GENERATED ALWAYS AS IDENTITY, with a unique index.",
        ),
    )
}

fn array_type(oid: Oid) -> Oid {
    // SAFETY: a catalog look-up
    unsafe { pg_sys::get_array_type(oid) }
}

/// Keys that a statement concerns.
#[derive(Default)]
struct Touched {
    values: Vec<Datum>,
    texts: HashSet<Box<[u8]>>,
}

impl Touched {
    fn clear(&mut self) {
        self.values.clear();
        self.texts.clear();
    }
}

/// Rows that a statement has deleted, inserted or replaced, one after the other.
struct Transition {
    store: *mut pg_sys::Tuplestorestate,
    pointer: i32,
    slot: *mut TupleTableSlot,
}

impl Transition {
    unsafe fn of(store: *mut pg_sys::Tuplestorestate, rel: pg_sys::Relation) -> Option<Self> {
        if store.is_null() {
            return None;
        }
        // SAFETY: a transition table of the live trigger's; a read pointer of our own
        unsafe {
            let pointer = pg_sys::tuplestore_alloc_read_pointer(store, pg_sys::EXEC_FLAG_REWIND as i32);
            pg_sys::tuplestore_select_read_pointer(store, pointer);
            pg_sys::tuplestore_rescan(store);
            let slot = pg_sys::MakeSingleTupleTableSlot((*rel).rd_att, &raw const pg_sys::TTSOpsMinimalTuple);
            Some(Self { store, pointer, slot })
        }
    }

    /// The next row, good until the one after it is asked for.
    unsafe fn next(&mut self) -> Option<*mut TupleTableSlot> {
        // SAFETY: made by `of`
        unsafe {
            pg_sys::tuplestore_select_read_pointer(self.store, self.pointer);
            pg_sys::tuplestore_gettupleslot(self.store, true, false, self.slot).then_some(self.slot)
        }
    }

    unsafe fn end(self) {
        // SAFETY: made by `of`
        unsafe { pg_sys::ExecDropSingleTupleTableSlot(self.slot) }
    }
}

/// The value of a column of a row, if it is not NULL.
unsafe fn value(slot: *mut TupleTableSlot, column: i16) -> Option<Datum> {
    // SAFETY: a filled slot, which has that column
    unsafe {
        if (*slot).tts_nvalid < column {
            pg_sys::slot_getsomeattrs_int(slot, i32::from(column));
        }
        let at = column as usize - 1;
        (!*(*slot).tts_isnull.add(at)).then(|| *(*slot).tts_values.add(at))
    }
}

impl Follower {
    /// Whether a row's key and vector are in two versions of it the same.
    unsafe fn is_same(&self, a: *mut TupleTableSlot, b: *mut TupleTableSlot) -> bool {
        // SAFETY: filled slots of the relation
        let same = |column, is: &dyn Fn(Datum, Datum) -> bool| unsafe {
            match (value(a, column), value(b, column)) {
                (Some(a), Some(b)) => is(a, b),
                (None, None) => true,
                _ => false,
            }
        };
        same(self.key_column, &|a, b| self.key.is_same(a, b))
            && same(self.vector_column, &|a, b| self.vector.is_same(a, b))
    }

    /// Settles what a statement has changed.
    unsafe fn statement(&self, data: &pg_sys::TriggerData) {
        // SAFETY: the live trigger's
        unsafe {
            let mut old = Transition::of(data.tg_oldtable, data.tg_relation);
            let mut new = Transition::of(data.tg_newtable, data.tg_relation);
            if old.is_none() && new.is_none() {
                raise(
                    Error::new(
                        SqlState::ObjectNotInPrerequisiteState,
                        "a trigger that has no rows to tell a collection of",
                    )
                    .hint("Leave the making of these triggers to zvec_attach_table."),
                );
            }
            // the first row that matters, before anything is set up for it
            let mut pair = self.next_changed(&mut old, &mut new);
            if pair != (None, None) {
                let mut context = PgMemoryContexts::new("zvec collection keys");
                self.acting(|spi| {
                    while pair != (None, None) {
                        let mut touched = Touched::default();
                        while pair != (None, None) && touched.values.len() < KEYS {
                            context.switch_to(|_| {
                                let slots = [pair.0, pair.1].into_iter().flatten();
                                let values = slots.filter_map(|slot| value(slot, self.key_column));
                                values.for_each(|value| self.touch(&mut touched, value));
                            });
                            // rows of a file are in memory of the context that they are read in, which outlives this step
                            pair = self.next_changed(&mut old, &mut new);
                        }
                        if !touched.values.is_empty() {
                            context.switch_to(|_| self.settle(spi, &mut touched, Mode::Write));
                        }
                        context.reset();
                        pgrx::check_for_interrupts!();
                    }
                });
            }
            for rows in [old, new].into_iter().flatten() {
                rows.end();
            }
        }
    }

    /// The next old and new row that differ in what the collection has of them, as far as there are any.
    unsafe fn next_changed(
        &self,
        old: &mut Option<Transition>,
        new: &mut Option<Transition>,
    ) -> (Option<*mut TupleTableSlot>, Option<*mut TupleTableSlot>) {
        loop {
            // SAFETY: the live trigger's
            unsafe {
                let before = old.as_mut().and_then(|rows| rows.next());
                let after = new.as_mut().and_then(|rows| rows.next());
                match (before, after) {
                    (Some(a), Some(b)) if self.is_same(a, b) => {}
                    pair => return pair,
                }
            }
        }
    }

    /// Settles what a change of one row was.
    unsafe fn row(&self, data: &pg_sys::TriggerData) {
        // SAFETY: the live trigger's; the second slot is an update's alone
        unsafe {
            let is_update = data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_UPDATE;
            let slots = [Some(data.tg_trigslot), is_update.then_some(data.tg_newslot)];
            self.acting(|spi| {
                let mut touched = Touched::default();
                for slot in slots.into_iter().flatten() {
                    if let Some(value) = value(slot, self.key_column) {
                        self.touch(&mut touched, value);
                    }
                }
                if !touched.values.is_empty() {
                    self.settle(spi, &mut touched, Mode::Write);
                }
            });
        }
    }
}

crate::sql_function! {
    /// `zvec_sync_trigger() returns trigger`: makes a collection, the argument of the trigger, follow what happened.
    zvec_sync_trigger(call) {
        // SAFETY: the function manager's own call, whose context says whether a trigger has called
        unsafe {
            let context = (*call.fcinfo()).context;
            if context.is_null() || !is_a(context.cast(), pg_sys::NodeTag::T_TriggerData) {
                raise(Error::new(SqlState::FeatureNotSupported, "zvec_sync_trigger was not called by a trigger")
                    .hint("zvec_attach_table makes the triggers that call it."));
            }
            let data = &*context.cast::<pg_sys::TriggerData>();
            let trigger = &*data.tg_trigger;
            if trigger.tgnargs != 1 {
                raise(Error::new(SqlState::InvalidParameterValue, "zvec_sync_trigger takes one argument, a collection")
                    .hint("zvec_attach_table makes the triggers that call it."));
            }
            let name = from_server(*trigger.tgargs);
            let oid = Rel::of(data.tg_relation).oid();
            let follower = follower(Home::of(call), oid, &name);
            let is_row = data.tg_event & pg_sys::TRIGGER_EVENT_ROW != 0;
            let is_truncate = data.tg_event & pg_sys::TRIGGER_EVENT_OPMASK == pg_sys::TRIGGER_EVENT_TRUNCATE;
            match (is_truncate, is_row) {
                (true, _) if follower.root == oid => follower.truncate(),
                (true, _) => follower.settle_truncated(oid),
                (false, true) => follower.row(data),
                (false, false) => follower.statement(data),
            }
            Ok(Datum::from(0))
        }
    }
}

impl Follower {
    /// Takes out the keys of a partition's rows, before the partition is truncated.
    fn settle_truncated(&self, partition: Oid) {
        let key = quoted(&source::column_name(partition, self.key_column));
        let statement = format!("SELECT {key} FROM {}", source::qualified(partition));
        self.each_lot(&statement, source::owner(partition), self.key.oid, |spi, values| {
            let texts: Vec<Box<[u8]>> = values.map(|value| self.key.text(value)).collect();
            self.remove(spi, key::text_array(texts.iter().map(|text| &**text)));
        });
    }
}
