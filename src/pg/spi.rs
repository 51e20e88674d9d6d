//! Statements that our own code runs, by the server's programming interface.
//!
//! Whatever runs users' code passes the server's errors on unchanged ([`boundary`]), so a function that uses this is a
//! [`crate::sql_function!`]. Results live until the connection ends, or until they are freed.

use crate::error::{Error, SqlState};
use crate::pg::error::{boundary, raise};
use crate::pg::{compat, raw};
use pgrx::pg_sys::{self, Datum, Oid};
use smallvec::SmallVec;
use std::ffi::{CStr, CString};
use std::marker::PhantomData;

/// Parameters that fit without an allocation.
const FEW: usize = 4;

/// Whether statements see what this command has changed, and may change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// reads under the active snapshot
    Read,
    /// sees all that came before it, and may write
    Write,
}

/// A connection to the interface: what is read over it is freed when it ends.
pub struct Spi(());

/// Runs `work` with a connection.
pub fn connected<R>(work: impl FnOnce(&Spi) -> R) -> R {
    // SAFETY: after an error the server closes the connection with the (sub)transaction
    unsafe {
        expect(pg_sys::SPI_connect());
        let result = work(&Spi(()));
        expect(pg_sys::SPI_finish());
        result
    }
}

/// Raises an error for a code that means one.
fn expect(code: i32) {
    if code < 0 {
        raise(Error::new(SqlState::Internal, format!("the server's programming interface answers {code}")));
    }
}

/// `text` in the database's encoding.
#[must_use]
pub fn c_string(text: &str) -> CString {
    let copied = CString::new(text);
    let text = copied.unwrap_or_else(|_| raise(Error::new(SqlState::Internal, "a statement with a zero byte")));
    if text.to_bytes().is_ascii() {
        return text;
    }
    // SAFETY: the answer is the argument, or a string in the current memory context
    unsafe {
        let (utf8, length) = (pg_sys::pg_enc::PG_UTF8 as i32, text.to_bytes().len() as i32);
        CStr::from_ptr(pg_sys::pg_any_to_server(text.as_ptr(), length, utf8)).to_owned()
    }
}

/// A string of the server's, which is in the database's encoding.
#[must_use]
pub unsafe fn from_server(text: *const std::ffi::c_char) -> String {
    // SAFETY: by contract a string; the answer is the argument, or a string in the current memory context
    unsafe {
        let (utf8, length) = (pg_sys::pg_enc::PG_UTF8 as i32, CStr::from_ptr(text).to_bytes().len() as i32);
        CStr::from_ptr(pg_sys::pg_server_to_any(text, length, utf8)).to_string_lossy().into_owned()
    }
}

/// A statement that is kept until it is dropped. The server plans it when it is run first, and again when something that it
/// uses has changed.
pub struct Plan(pg_sys::SPIPlanPtr);

impl Drop for Plan {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: kept by `prepare`, and no longer referred to
            unsafe { pg_sys::SPI_freeplan(self.0) };
        }
    }
}

impl Plan {
    /// Whether nothing has changed that the statement was analysed with.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        // SAFETY: kept
        unsafe { pg_sys::SPI_plan_is_valid(self.0) }
    }

    /// The one query of the statement, as it was analysed and rewritten. Null for a utility statement.
    #[must_use]
    pub fn query(&self) -> *mut pg_sys::Query {
        // SAFETY: kept; its sources and their queries live as long as it is valid
        unsafe {
            let sources = pg_sys::SPI_plan_get_plan_sources(self.0);
            let first = super::list::elements::<pg_sys::CachedPlanSource>(sources).next();
            let queries = first.map_or(std::ptr::null_mut(), |source| (*source).query_list);
            super::list::elements::<pg_sys::Query>(queries).next().unwrap_or(std::ptr::null_mut())
        }
    }
}

impl Spi {
    /// Analyses a statement with parameters of these types, to be run many times; `options` are those of cursors.
    pub fn prepare(&self, statement: &str, types: &[Oid], options: u32) -> Plan {
        let text = c_string(statement);
        // SAFETY: the server copies text and types
        unsafe {
            let (text, types, count) = (text.as_ptr(), types.as_ptr().cast_mut(), types.len() as i32);
            let plan = boundary(|| raw::SPI_prepare_cursor(text, count, types, options as i32));
            if plan.is_null() {
                expect(pg_sys::SPI_result);
                raise(Error::new(SqlState::Internal, "a statement that cannot be prepared"));
            }
            expect(pg_sys::SPI_keepplan(plan));
            Plan(plan)
        }
    }

    /// Runs a plan for at most `limit` rows; 0 means all of them.
    pub fn run(&self, plan: &Plan, values: &[Option<Datum>], mode: Mode, limit: usize) -> Rows<'_> {
        let (mut datums, nulls) = split(values);
        // SAFETY: as many values as the plan has parameters, by contract of the callers' statements
        unsafe {
            let (plan, datums, nulls) = (plan.0, datums.as_mut_ptr(), nulls.as_ptr().cast());
            let code =
                boundary(|| raw::SPI_execute_plan(plan, datums, nulls, mode == Mode::Read, limit as std::ffi::c_long));
            expect(code);
            Rows::of_last()
        }
    }

    /// Runs a statement once.
    pub fn execute(&self, statement: &str, parameters: &[(Oid, Option<Datum>)], mode: Mode) -> Rows<'_> {
        let types: Vec<Oid> = parameters.iter().map(|parameter| parameter.0).collect();
        let values: Vec<Option<Datum>> = parameters.iter().map(|parameter| parameter.1).collect();
        let plan = self.prepare(statement, &types, 0);
        self.run(&plan, &values, mode, 0)
    }

    /// Opens a cursor over a plan.
    pub fn cursor(&self, plan: &Plan, values: &[Option<Datum>], mode: Mode) -> Cursor<'_> {
        let (mut datums, nulls) = split(values);
        // SAFETY: as for `run`
        unsafe {
            let (plan, datums, nulls) = (plan.0, datums.as_mut_ptr(), nulls.as_ptr().cast());
            let name = std::ptr::null();
            let portal = boundary(|| raw::SPI_cursor_open(name, plan, datums, nulls, mode == Mode::Read));
            Cursor { portal, lives: PhantomData }
        }
    }
}

/// Values as the server wants them: datums, and a letter for each that says whether it is NULL.
fn split(values: &[Option<Datum>]) -> (SmallVec<[Datum; FEW]>, SmallVec<[u8; FEW]>) {
    let datums = values.iter().map(|value| value.unwrap_or(Datum::from(0))).collect();
    let nulls = values.iter().map(|value| if value.is_some() { b' ' } else { b'n' }).collect();
    (datums, nulls)
}

/// An open cursor. After an error the server closes it.
pub struct Cursor<'a> {
    portal: pg_sys::Portal,
    lives: PhantomData<&'a Spi>,
}

impl<'a> Cursor<'a> {
    /// The next rows, at most `count`.
    pub fn fetch(&mut self, count: usize) -> Rows<'a> {
        let portal = self.portal;
        // SAFETY: open
        unsafe {
            boundary(|| raw::SPI_cursor_fetch(portal, true, count as std::ffi::c_long));
            Rows::of_last()
        }
    }

    /// Closes it.
    pub fn close(self) {
        // SAFETY: open
        unsafe { pg_sys::SPI_cursor_close(self.portal) }
    }
}

/// Rows that a statement returned.
pub struct Rows<'a> {
    table: *mut pg_sys::SPITupleTable,
    lives: PhantomData<&'a Spi>,
}

impl Rows<'_> {
    unsafe fn of_last() -> Self {
        // SAFETY: the interface's own variable
        Self { table: unsafe { pg_sys::SPI_tuptable }, lives: PhantomData }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        // SAFETY: null, or a table of the interface's
        unsafe { self.table.as_ref() }.map_or(0, |table| table.numvals as usize)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows, if their first columns are of these types or of domains over them; otherwise an error is raised. For
    /// whoever reads values by a type that another session, or the table's owner, may have changed since the statement was
    /// written.
    #[must_use]
    pub fn of_types(self, types: &[pg_sys::Oid]) -> Self {
        // SAFETY: null, or a table of the interface's; catalog look-ups
        unsafe {
            let Some(table) = self.table.as_ref() else { return self };
            let desc = table.tupdesc;
            let is = |column: usize, wanted: pg_sys::Oid| {
                let given = (*compat::attribute(desc, column)).atttypid;
                given == wanted || pg_sys::getBaseType(given) == pg_sys::getBaseType(wanted)
            };
            if ((*desc).natts as usize) < types.len() || !types.iter().enumerate().all(|(column, &oid)| is(column, oid))
            {
                raise(
                    Error::new(SqlState::ObjectNotInPrerequisiteState, "a table was altered while it was read")
                        .hint("Repeat the statement. If that does not help, detach the table from its collection and attach it again."),
                );
            }
        }
        self
    }

    /// The value of column `column`, from 0, of row `row`; `None` is NULL.
    #[must_use]
    pub fn value(&self, row: usize, column: usize) -> Option<Datum> {
        assert!(row < self.len(), "a row of the result");
        // SAFETY: there is such a row; a column that it has not is NULL
        unsafe {
            let mut is_null = false;
            let tuple = *(*self.table).vals.add(row);
            let value = pg_sys::SPI_getbinval(tuple, (*self.table).tupdesc, column as i32 + 1, &raw mut is_null);
            (!is_null).then_some(value)
        }
    }

    /// A value of type `text`.
    #[must_use]
    pub fn text(&self, row: usize, column: usize) -> Option<String> {
        self.value(row, column).map(text_of)
    }

    /// Frees them.
    pub fn free(self) {
        if !self.table.is_null() {
            // SAFETY: a table of the interface's, that nothing refers to any more
            unsafe { pg_sys::SPI_freetuptable(self.table) }
        }
    }
}

/// What a value of type `text` says.
#[must_use]
pub fn text_of(value: Datum) -> String {
    // SAFETY: by contract a text; the server makes a string of it
    unsafe { from_server(pg_sys::text_to_cstring(value.cast_mut_ptr())) }
}

/// A name as it is written in a statement.
#[must_use]
pub fn quoted(name: &str) -> String {
    let name = c_string(name);
    // SAFETY: the answer is the argument, or a string in the current memory context
    unsafe { from_server(pg_sys::quote_identifier(name.as_ptr())) }
}

/// A string as it is written in a statement.
#[must_use]
pub fn literal(text: &str) -> String {
    let text = c_string(text);
    // SAFETY: the answer is a string in the current memory context
    unsafe { from_server(pg_sys::quote_literal_cstr(text.as_ptr())) }
}
