//! The conditions of searches, and who evaluates them: the caller, by queries on the table itself, so that the server applies
//! rights on columns and row-level security as in any query.
//!
//! A condition is one expression to the server's own parser, standing alone, before it becomes a part of a query; between
//! parentheses, and ended by a new line, it then is the same words and so the same expression.

use crate::error::{Error, SqlState};
use crate::pg::error::{boundary, raise};
use crate::pg::list::elements;
use crate::pg::spi::{self, Mode, Plan, Spi, from_server, quoted};
use crate::pg::{raw, restricted};
use crate::sql::collections::cache::{self, Cache};
use crate::sql::collections::key::KeyType;
use crate::sql::collections::source::{self, Equality};
use pgrx::pg_sys::{self, Datum, Oid};
use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::rc::Rc;

/// The keys of a table that the caller may see, and that meet a condition.
pub struct Condition {
    key: KeyType,
    owner: Oid,
    all: Plan,
    some: Plan,
}

type Key = (Oid, i16, Oid, String, CString);

thread_local! {
    static CONDITIONS: Cache<Key, Condition> = const { RefCell::new(Vec::new()) };
}

fn refuse(message: &'static str) -> ! {
    raise(Error::new(SqlState::SyntaxError, message).hint(
        "A filter is what could stand after WHERE in a query of the one table: no subqueries, aggregates or volatile functions.",
    ))
}

/// The condition `filter`, which is "true" where a search has none, on the table with that key column.
#[must_use]
pub fn condition(
    spi: &Spi,
    table: Oid,
    key_column: i16,
    key: KeyType,
    equals: &Equality,
    filter: &str,
) -> Rc<Condition> {
    // SAFETY: the server's own variables
    let (user, path) = unsafe { (pg_sys::GetUserId(), CStr::from_ptr(pg_sys::namespace_search_path)) };
    let is = |known: &Key| {
        known.0 == table && known.1 == key_column && known.2 == user && known.3 == filter && known.4.as_c_str() == path
    };
    // what its functions and types are may have changed, and with it whether they are allowed
    if let Some(known) = cache::find(&CONDITIONS, is).filter(|known| known.all.is_valid() && known.some.is_valid()) {
        return known;
    }
    let now = cache::epoch();
    check_is_one(filter);
    let column = quoted(&source::column_name(table, key_column));
    let from = source::qualified(table);
    // SAFETY: the answer is a copy; the table is locked
    let name = unsafe { quoted(&from_server(pg_sys::get_rel_name(table))) };
    let statement = format!("SELECT {name}.{column} FROM {from} WHERE (\n{filter}\n)");
    let all = spi.prepare(&statement, &[], 0);
    check_functions(&all);
    // SAFETY: a catalog look-up
    let array = unsafe { pg_sys::get_array_type(key.oid) };
    let some = spi.prepare(&format!("{statement} AND {name}.{column} {} ANY ($1)", equals.text), &[array], 0);
    // SAFETY: the query has that condition
    unsafe { equals.check(some.query()) };
    cache::watch(table);
    cache::keep(
        &CONDITIONS,
        now,
        (table, key_column, user, filter.to_owned(), path.to_owned()),
        Condition { key, owner: source::owner(table), all, some },
    )
}

unsafe extern "C-unwind" {
    fn geterrposition() -> c_int;
    fn errposition(position: c_int) -> c_int;
    fn internalerrposition(position: c_int) -> c_int;
    fn internalerrquery(query: *const c_char) -> c_int;
}

/// Says of an error that its place is one in the filter, not in the statement of the client.
unsafe extern "C-unwind" fn place_in_filter(filter: *mut c_void) {
    // SAFETY: called while an error is made; the argument is the filter
    unsafe {
        let position = geterrposition();
        if position > 0 {
            errposition(0);
            internalerrposition(position);
            internalerrquery(filter.cast());
        }
    }
}

/// Raises an error unless the text is one expression, and nothing else.
fn check_is_one(filter: &str) {
    let text = spi::c_string(filter);
    // SAFETY: the parser's own tree; the context is taken off the stack, after an error by `boundary`
    unsafe {
        let pointer = text.as_ptr();
        let list = boundary(|| {
            let mut context = pg_sys::ErrorContextCallback {
                previous: pg_sys::error_context_stack,
                callback: Some(place_in_filter),
                arg: pointer.cast_mut().cast(),
            };
            pg_sys::error_context_stack = &raw mut context;
            let list = raw::raw_parser(pointer, pg_sys::RawParseMode::RAW_PARSE_PLPGSQL_EXPR);
            pg_sys::error_context_stack = context.previous;
            list
        });
        let mut statements = elements::<pg_sys::RawStmt>(list);
        let (Some(first), None) = (statements.next(), statements.next()) else {
            refuse("filter is not one expression")
        };
        let node = (*first).stmt;
        if !pgrx::is_a(node, pg_sys::NodeTag::T_SelectStmt) {
            refuse("filter is not one expression");
        }
        let select = &*node.cast::<pg_sys::SelectStmt>();
        let lists = [
            select.distinctClause,
            select.fromClause,
            select.groupClause,
            select.windowClause,
            select.valuesLists,
            select.sortClause,
            select.lockingClause,
        ];
        let nodes = [select.whereClause, select.havingClause, select.limitOffset, select.limitCount];
        let mut targets = elements::<pg_sys::ResTarget>(select.targetList);
        let (target, more) = (targets.next(), targets.next());
        let is_plain = lists.iter().all(|list| list.is_null())
            && nodes.iter().all(|node| node.is_null())
            && select.intoClause.is_null()
            && select.withClause.is_null()
            && select.op == pg_sys::SetOperation::SETOP_NONE
            && !select.groupDistinct
            && more.is_none();
        match target {
            Some(target) if is_plain && (*target).name.is_null() && (*target).indirection.is_null() => {}
            _ => refuse("filter is not one expression"),
        }
    }
}

/// Raises an error for what may not stand in a filter. (Aggregates, window functions, sets and parameters the server has
/// refused already.)
fn check_functions(plan: &Plan) {
    let query = plan.query();
    // SAFETY: the analysed statement, a SELECT with a WHERE clause; the policies of the table are elsewhere
    unsafe {
        let quals = (*(*query).jointree).quals;
        if pg_sys::checkExprHasSubLink(quals) {
            refuse("filter must not contain subqueries");
        }
        if pg_sys::contain_volatile_functions(quals) {
            refuse("filter must not contain volatile functions");
        }
    }
}

impl Condition {
    /// Which of these keys are in the table, seen by the caller, and meet the condition.
    #[must_use]
    pub fn among(&self, spi: &Spi, keys: &[&[u8]]) -> HashSet<Box<[u8]>> {
        // to make a key of its text may run checks of domains within it, which are the owner's code
        // SAFETY: who owns the table may make its keys
        let values: Vec<Datum> = unsafe {
            restricted::as_user(self.owner, &[], || {
                self.key.pinned(|| keys.iter().map(|text| self.key.value(text)).collect())
            })
        };
        let rows = spi.run(&self.some, &[Some(self.key.array(&values))], Mode::Read, 0);
        let rows = rows.of_types(&[self.key.oid]);
        let found = self.texts(&rows).into_iter().collect();
        rows.free();
        found
    }

    /// Calls `use_keys` with all keys that meet the condition, some at a time.
    pub fn for_all(&self, spi: &Spi, at_a_time: usize, mut use_keys: impl FnMut(Vec<Box<[u8]>>)) {
        let mut cursor = spi.cursor(&self.all, &[], Mode::Read);
        loop {
            let rows = cursor.fetch(at_a_time).of_types(&[self.key.oid]);
            if rows.is_empty() {
                break;
            }
            use_keys(self.texts(&rows));
            rows.free();
        }
        cursor.close();
    }

    fn texts(&self, rows: &spi::Rows<'_>) -> Vec<Box<[u8]>> {
        self.key.pinned(|| {
            let values = (0..rows.len()).filter_map(|row| rows.value(row, 0));
            values.map(|value| self.key.text(value)).collect()
        })
    }
}
