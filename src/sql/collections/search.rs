//! The nearest keys of a collection.
//!
//! Who may read all keys of the table gets what the index finds, by one kept query. Others, and those with a condition, get
//! of that what they see in the table and what meets the condition: the nearest are looked at in turn, more and more at a time;
//! where so few pass that looking on would take longer than looking at the table, the condition comes first.

use crate::error::{Error, SqlState};
use crate::pg::array::Array;
use crate::pg::error::{raise, warning};
use crate::pg::function::Call;
use crate::pg::relation::OpenRelation;
use crate::pg::spi::{self, Mode, Plan, Spi};
use crate::pg::srf::Rows;
use crate::pg::{array, compat, memory, restricted};
use crate::sql::arg::new_vector;
use crate::sql::collections::cache::{self, Cache};
use crate::sql::collections::home::Home;
use crate::sql::collections::key::{self, KeyType};
use crate::sql::collections::manage::{ENABLE_HINT, text};
use crate::sql::collections::{catalog, filter, source};
use crate::vector::check_element;
use pgrx::pg_sys::{self, AclResult, Datum, Oid};
use std::cell::{OnceCell, RefCell};
use std::ffi::CString;
use std::rc::Rc;

/// How many queries for different numbers of rows a session keeps for a collection.
const PLANS: usize = 16;
/// How many of the nearest are looked at first, and at most at a time.
const FIRST: usize = 64;
const MOST: usize = 4096;
/// How many are looked at before the condition may come first instead, and of how many of these one must have passed.
const PATIENCE: usize = 1024;
const SELECTIVE: usize = 32;

/// What a session knows of a collection that it searches.
struct Searcher {
    name: String,
    source: Oid,
    source_schema: Oid,
    table: Oid,
    owner: Oid,
    key_column: i16,
    key: KeyType,
    equals: source::Equality,
    dims: usize,
    ef_search: Option<CString>,
    /// `SELECT key, distance FROM collection`, and the order by it
    select: String,
    order: String,
    vector_type: Oid,
    nearest: RefCell<Vec<(usize, Rc<Nearest>)>>,
    scan: OnceCell<Plan>,
    distances: OnceCell<Plan>,
}

/// The query for so many of the nearest, and how many blocks the collection had when it was planned.
struct Nearest {
    plan: Plan,
    blocks: u32,
}

type Key = (Home, String);
/// A key and its distance.
type Found = (Box<[u8]>, f64);

thread_local! {
    static SEARCHERS: Cache<Key, Searcher> = const { RefCell::new(Vec::new()) };
}

/// What is known of the collection `name`, whose table is locked against changes from now on.
fn searcher(home: Home, name: &str) -> Rc<Searcher> {
    let is = |key: &Key| key.0 == home && key.1 == name;
    loop {
        let known = cache::find(&SEARCHERS, is).unwrap_or_else(|| {
            let now = cache::epoch();
            let found = Searcher::find_out(home, name);
            cache::watch(found.source);
            cache::watch(found.table);
            cache::keep(&SEARCHERS, now, (home, name.to_owned()), found)
        });
        // SAFETY: takes a lock, which is kept, and learns of changes
        unsafe { pg_sys::LockRelationOid(known.source, pg_sys::AccessShareLock as _) };
        if cache::find(&SEARCHERS, is).is_some_and(|found| Rc::ptr_eq(&found, &known)) {
            return known;
        }
    }
}

impl Searcher {
    fn find_out(home: Home, name: &str) -> Self {
        let collection = catalog::get(home, name);
        let opened = OpenRelation::open(collection.source, pg_sys::AccessShareLock as _);
        let not_attached = || -> ! {
            let message = format!("no table is attached to collection \"{name}\"");
            raise(Error::new(SqlState::ObjectNotInPrerequisiteState, message).hint("Use zvec_attach_table."))
        };
        // SAFETY: open
        unsafe {
            let Some((key_column, _)) = source::columns(opened.raw(), home.trigger(), name) else { not_attached() };
            let Some(equals) = source::equality(opened.raw(), key_column) else { not_attached() };
            if collection.behind {
                warning(format!("collection \"{name}\" does not follow its table: triggers are disabled"), ENABLE_HINT);
            }
            let schema = home.schema();
            let distance = format!("vector OPERATOR({schema}.{}) $1", catalog::operator(&collection.metric));
            Self {
                name: name.to_owned(),
                source: collection.source,
                source_schema: pg_sys::get_rel_namespace(collection.source),
                table: collection.table,
                owner: source::owner(collection.table),
                key_column,
                key: KeyType::of(source::column_type(opened.raw(), key_column)),
                equals,
                dims: source::dims(collection.table),
                ef_search: collection.ef_search.and_then(|value| CString::new(value.to_string()).ok()),
                select: format!("SELECT key, {distance} FROM {}", source::qualified(collection.table)),
                order: format!(" ORDER BY {distance}"),
                vector_type: home.vector_type(),
                nearest: RefCell::new(Vec::new()),
                scan: OnceCell::new(),
                distances: OnceCell::new(),
            }
        }
    }

    /// Raises an error unless the caller may read the table's keys; whether they see all of them.
    fn sees_all(&self) -> bool {
        // SAFETY: catalog look-ups
        unsafe {
            let user = pg_sys::GetUserId();
            compat::require_use_of_schema(self.source_schema, user);
            let select = compat::ACL_SELECT;
            let ok = AclResult::ACLCHECK_OK;
            if pg_sys::pg_class_aclcheck(self.source, user, select) != ok
                && pg_sys::pg_attribute_aclcheck(self.source, self.key_column, user, select) != ok
            {
                let kind = pg_sys::get_relkind_objtype(pg_sys::get_rel_relkind(self.source));
                pg_sys::aclcheck_error(AclResult::ACLCHECK_NO_PRIV, kind, pg_sys::get_rel_name(self.source));
            }
            let rls = pg_sys::check_enable_rls(self.source, pg_sys::InvalidOid, false);
            rls != pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32
        }
    }

    /// Runs `work`, which reads the collection, as its owner.
    fn reading<R>(&self, work: impl FnOnce() -> R) -> R {
        let ef_search = self.ef_search.as_ref().map(|value| (c"zvec.ef_search", value.as_c_str()));
        // SAFETY: who owns the collection may read it
        unsafe { restricted::as_user(self.owner, ef_search.as_slice(), work) }
    }

    fn parameter(&self) -> [Oid; 1] {
        [self.vector_type]
    }

    /// The query for the `k` nearest.
    fn nearest_plan(&self, spi: &Spi, k: usize) -> Rc<Nearest> {
        let known = self.nearest.borrow().iter().find(|plan| plan.0 == k).map(|plan| Rc::clone(&plan.1));
        let blocks = OpenRelation::open(self.table, pg_sys::AccessShareLock as _).rel().blocks();
        // what was planned for a small table is not good for a large one
        if let Some(known) = known.filter(|known| blocks <= known.blocks * 2 + 8) {
            return known;
        }
        let statement = format!("{}{} LIMIT {k}", self.select, self.order);
        let plan = spi.prepare(&statement, &self.parameter(), pg_sys::CURSOR_OPT_GENERIC_PLAN);
        let planned = Rc::new(Nearest { plan, blocks });
        let mut plans = self.nearest.borrow_mut();
        let mut forgotten: Vec<_> = plans.extract_if(.., |plan| plan.0 == k).collect();
        if plans.len() >= PLANS {
            let victim = memory::victim(plans.len());
            forgotten.push(plans.swap_remove(victim));
        }
        plans.push((k, Rc::clone(&planned)));
        drop(plans);
        drop(forgotten);
        planned
    }

    /// The `k` nearest of all.
    fn nearest(&self, spi: &Spi, vector: Datum, k: usize) -> Vec<(Datum, f64)> {
        self.reading(|| {
            let planned = self.nearest_plan(spi, k);
            let rows = spi.run(&planned.plan, &[Some(vector)], Mode::Read, 0).of_types(&FOUND);
            let entry = |row| Some((rows.value(row, 0)?, distance(rows.value(row, 1))));
            (0..rows.len()).filter_map(entry).collect()
        })
    }

    /// The `k` nearest that `condition` holds for.
    fn nearest_among(&self, spi: &Spi, vector: Datum, k: usize, condition: &filter::Condition) -> Vec<Found> {
        let scan = self.reading(|| {
            self.scan.get_or_init(|| {
                let options = pg_sys::CURSOR_OPT_GENERIC_PLAN | pg_sys::CURSOR_OPT_FAST_PLAN;
                spi.prepare(&format!("{}{}", self.select, self.order), &self.parameter(), options)
            })
        });
        // planned, if it has to be, for who will not read far
        let few = [(c"cursor_tuple_fraction", c"0.001")];
        // SAFETY: a setting that anyone may set
        let mut cursor = self
            .reading(|| unsafe { restricted::with_settings(&few, || spi.cursor(scan, &[Some(vector)], Mode::Read)) });
        let mut found: Vec<Found> = Vec::new();
        let (mut examined, mut step) = (0, k.saturating_mul(2).clamp(FIRST, MOST));
        loop {
            let rows = self.reading(|| cursor.fetch(step)).of_types(&FOUND);
            if rows.is_empty() {
                break;
            }
            let entry = |row| Some((key::bytes_of(rows.value(row, 0)?), distance(rows.value(row, 1))));
            let nearest: Vec<Found> = (0..rows.len()).filter_map(entry).collect();
            rows.free();
            examined += nearest.len();
            let keys: Vec<&[u8]> = nearest.iter().map(|entry| &*entry.0).collect();
            let passed = condition.among(spi, &keys);
            found.extend(nearest.into_iter().filter(|entry| passed.contains(&entry.0)).take(k - found.len()));
            if found.len() >= k {
                break;
            }
            let wanted = examined.saturating_mul(k) / found.len().max(1);
            if examined >= PATIENCE && found.len() * SELECTIVE < examined && wanted > 4 * examined {
                cursor.close();
                return self.nearest_of(spi, vector, k, condition);
            }
            step = (step * 2).min(MOST);
            pgrx::check_for_interrupts!();
        }
        cursor.close();
        found
    }

    /// The same, with the condition first.
    fn nearest_of(&self, spi: &Spi, vector: Datum, k: usize, condition: &filter::Condition) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        condition.for_all(spi, MOST, |keys| {
            self.reading(|| {
                let plan = self.distances.get_or_init(|| {
                    let statement = format!("{} WHERE key OPERATOR(pg_catalog.=) ANY ($2)", self.select);
                    let types = [self.vector_type, pg_sys::TEXTARRAYOID];
                    spi.prepare(&statement, &types, pg_sys::CURSOR_OPT_GENERIC_PLAN)
                });
                let keys = key::text_array(keys.iter().map(|key| &**key));
                let rows = spi.run(plan, &[Some(vector), Some(keys)], Mode::Read, 0).of_types(&FOUND);
                let entry = |row| Some((key::bytes_of(rows.value(row, 0)?), distance(rows.value(row, 1))));
                found.extend((0..rows.len()).filter_map(entry));
                rows.free();
            });
            sort(&mut found);
            found.truncate(k);
            pgrx::check_for_interrupts!();
        });
        found
    }

    /// The query as a vector of the collection's.
    fn query(&self, call: Call<'_>) -> Datum {
        let dims = self.dims;
        let elements = Array::new(call.arg(1).varlena()).and_then(|array| {
            if array.len() != dims {
                let message = format!("collection \"{}\" has {dims} dimensions, the query {}", self.name, array.len());
                return Err(
                    Error::new(SqlState::DataException, message).hint("Give as many elements as the vectors have.")
                );
            }
            new_vector(dims, |out| {
                for (to, &from) in out.iter_mut().zip(array.fixed::<f32>()) {
                    *to = check_element(from)?;
                }
                Ok(())
            })
        });
        elements.unwrap_or_else(|error| raise(error))
    }
}

/// What a query of a collection returns: a key and a distance.
const FOUND: [Oid; 2] = [pg_sys::TEXTOID, pg_sys::FLOAT8OID];

/// A distance as a query returns it.
fn distance(value: Option<Datum>) -> f64 {
    value.map_or(f64::NAN, |value| f64::from_bits(value.value() as u64))
}

/// Nearest first; what has no distance comes last.
fn sort<T>(found: &mut [(T, f64)]) {
    found.sort_by(|a, b| a.1.is_nan().cmp(&b.1.is_nan()).then_with(|| a.1.total_cmp(&b.1)));
}

/// A search, with or without a condition.
fn search(call: Call<'_>, condition: Option<&str>) -> Datum {
    // SAFETY: the function manager's own call
    let mut result = unsafe { Rows::of(call.fcinfo()) };
    let name = text(call, 0, "collection");
    let topk = call.arg(2).i32();
    if topk < 1 {
        raise(
            Error::new(SqlState::InvalidParameterValue, format!("topk must be at least 1, not {topk}"))
                .hint("Give the number of rows that you want."),
        );
    }
    let searcher = searcher(Home::of(call), &name);
    let (k, vector) = (topk as usize, searcher.query(call));
    let sees_all = searcher.sees_all();
    let score = |distance: f64| Some(array::f32_datum(distance as f32));
    spi::connected(|spi| {
        if sees_all && condition.is_none() {
            let mut found = searcher.nearest(spi, vector, k);
            sort(&mut found);
            found.into_iter().for_each(|(key, distance)| result.push(&[Some(key), score(distance)]));
            return;
        }
        let filter = condition.unwrap_or("true");
        let (source, column) = (searcher.source, searcher.key_column);
        let condition = filter::condition(spi, source, column, searcher.key, &searcher.equals, filter);
        let mut found = searcher.nearest_among(spi, vector, k, &condition);
        sort(&mut found);
        for (key, distance) in found {
            result.push(&[Some(key::text_datum(&key)), score(distance)]);
        }
    });
    call.null()
}

crate::sql_function! {
    /// `zvec_search(collection, query, topk)`: keys and scores of the `topk` nearest vectors, nearest first. Errors: 42501 for
    /// who may not read the table's keys; 55000 where no table is attached; 22000 for other dimensions.
    zvec_search(call) {
        Ok(search(call, None))
    }
}

crate::sql_function! {
    /// `zvec_search_filtered(collection, query, topk, filter)`: the same among the rows that a condition on the table holds for.
    /// Errors besides: 42601 for what is not one expression, or contains what a filter may not.
    zvec_search_filtered(call) {
        let filter = text(call, 3, "filter");
        Ok(search(call, Some(&filter)))
    }
}
