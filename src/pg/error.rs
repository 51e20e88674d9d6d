//! Maps [`crate::error::Error`] to the server's errors, and lets the server's own errors pass.
//!
//! Which to use when:
//!
//! | where | use | what an error does |
//! |---|---|---|
//! | a module without the server | `Result` of [`crate::error`] | whoever calls decides |
//! | code with the server below it that meets such a `Result`, or finds fault itself | [`OrRaise::or_raise`], [`raise`] | unwinds the Rust frames up to the outermost one |
//! | the outermost Rust frame, an SQL function | [`crate::sql_function!`] | is [`guarded`] |
//! | the outermost Rust frame, a callback below which [`boundary`] is used, or that memory of users' size is taken in | [`guarded`] | what unwound so far becomes the server's error again |
//! | the outermost Rust frame, another callback | `#[pgrx::pg_guard]` | the same; it knows no [`boundary`] |
//! | a call of a function that pgrx binds (`pg_sys::f()`) | nothing | unwinds as `raise` does, with code, message, detail and hint only |
//! | a call of the server by a pointer or of what `pg/raw.rs` declares, below [`guarded`] | [`boundary`] | unwinds up to [`guarded`] and goes on from there with all that it says: context, constraint, position |
//! | such a call from where `#[pg_guard]` may be the outermost frame | pgrx's `pg_guard_ffi_boundary` | unwinds, with code, message, detail and hint only |
//! | Rust frames that wait for threads, or clean up whatever happens, below [`guarded`] | [`contained`] | unwinds, also one that was raised by a bare call further below |
//! | a worker that goes on after an error | [`caught`] | is handed out, and waits on the server's stack |
//! | a hot path in which no Rust value waits to be dropped and nothing is borrowed | a bare call of what `pg/raw.rs` declares | jumps over the Rust frames: the function says so in its contract |
//!
//! [`boundary`] and [`guarded`] keep the error on the server's error stack while Rust values are dropped. They are for calls under
//! which users' code runs or which wait for others. An error must not pass a C frame by unwinding: so a closure that can
//! panic is not called in [`boundary`], but in [`contained`].

use crate::error::{Error, SqlState};
use pgrx::pg_sys;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};
use std::any::Any;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

impl SqlState {
    fn code(self) -> PgSqlErrorCode {
        use PgSqlErrorCode::*;
        match self {
            SqlState::InvalidTextRepresentation => ERRCODE_INVALID_TEXT_REPRESENTATION,
            SqlState::InvalidBinaryRepresentation => ERRCODE_INVALID_BINARY_REPRESENTATION,
            SqlState::DataException => ERRCODE_DATA_EXCEPTION,
            SqlState::NumericValueOutOfRange => ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
            SqlState::DivisionByZero => ERRCODE_DIVISION_BY_ZERO,
            SqlState::NullValueNotAllowed => ERRCODE_NULL_VALUE_NOT_ALLOWED,
            SqlState::ArraySubscriptError => ERRCODE_ARRAY_ELEMENT_ERROR,
            SqlState::InvalidParameterValue => ERRCODE_INVALID_PARAMETER_VALUE,
            SqlState::ProgramLimitExceeded => ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            SqlState::WrongObjectType => ERRCODE_WRONG_OBJECT_TYPE,
            SqlState::FeatureNotSupported => ERRCODE_FEATURE_NOT_SUPPORTED,
            SqlState::InsufficientPrivilege => ERRCODE_INSUFFICIENT_PRIVILEGE,
            SqlState::ObjectNotInPrerequisiteState => ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            SqlState::UndefinedTable => ERRCODE_UNDEFINED_TABLE,
            SqlState::UndefinedColumn => ERRCODE_UNDEFINED_COLUMN,
            SqlState::UndefinedObject => ERRCODE_UNDEFINED_OBJECT,
            SqlState::DuplicateObject => ERRCODE_DUPLICATE_OBJECT,
            SqlState::SyntaxError => ERRCODE_SYNTAX_ERROR,
            SqlState::InvalidKey => ERRCODE_INVALID_FOREIGN_KEY,
            SqlState::OutOfMemory => ERRCODE_OUT_OF_MEMORY,
            SqlState::DataCorrupted => ERRCODE_DATA_CORRUPTED,
            SqlState::Internal => ERRCODE_INTERNAL_ERROR,
        }
    }
}

/// Raises `error` as a server ERROR. Must be called below a `#[pg_guard]` frame.
#[track_caller]
pub fn raise(error: Error) -> ! {
    let mut report = ErrorReport::new(error.state.code(), error.message.into_owned(), "pg_zvec");
    if let Some(hint) = error.hint {
        report = report.set_hint(hint.into_owned());
    }
    report.report(PgLogLevel::ERROR);
    unreachable!("an ERROR report does not return")
}

/// Tells the client something that is no error.
pub fn notice(message: String, hint: String) {
    let report = ErrorReport::new(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message, "pg_zvec").set_hint(hint);
    report.report(PgLogLevel::NOTICE);
}

/// Warns the client of something that keeps nothing from being done.
pub fn warning(message: String, hint: &'static str) {
    let report = ErrorReport::new(PgSqlErrorCode::ERRCODE_WARNING, message, "pg_zvec").set_hint(hint);
    report.report(PgLogLevel::WARNING);
}

/// Writes to the server's log, as a warning or as a message of the server's own.
pub fn log(message: String, is_warning: bool) {
    let (code, level) = match is_warning {
        true => (PgSqlErrorCode::ERRCODE_WARNING, PgLogLevel::WARNING),
        false => (PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, PgLogLevel::LOG),
    };
    ErrorReport::new(code, message, "pg_zvec").report(level);
}

/// Ends the statement with an error when memory ran out and the reserve had to be used.
#[inline(always)]
pub fn check_memory() {
    if super::reserve::was_used() {
        out_of_memory();
    }
}

/// Raises the error for memory that is not to be had.
#[cold]
pub fn out_of_memory() -> ! {
    super::reserve::renew();
    raise(Error::new(SqlState::OutOfMemory, "out of memory"))
}

/// Turns a pure module's failure into a server ERROR.
pub trait OrRaise<T> {
    /// The value, or a server ERROR.
    fn or_raise(self) -> T;
}

impl<T> OrRaise<T> for crate::error::Result<T> {
    #[track_caller]
    fn or_raise(self) -> T {
        match self {
            Ok(value) => value,
            Err(error) => raise(error),
        }
    }
}

/// What unwinds the Rust frames between [`boundary`] and [`guarded`] while an error waits on the server's stack.
struct ServerError;

/// Runs `call`, which calls the server and holds no Rust value that needs dropping. If it raises an error, the frames
/// up to the enclosing [`guarded`] are unwound, and the error goes on from there unchanged.
#[inline]
pub unsafe fn boundary<R>(call: impl FnOnce() -> R) -> R {
    // SAFETY: the saved values are put back on both ways; the jump ends in this frame
    unsafe {
        let stack = pg_sys::PG_exception_stack;
        let context = pg_sys::error_context_stack;
        let mut result = MaybeUninit::uninit();
        let jumped = cee_scape::call_with_sigsetjmp(false, |jump| {
            pg_sys::PG_exception_stack = std::ptr::from_ref(jump).cast_mut().cast();
            result.write(call());
            0
        });
        pg_sys::PG_exception_stack = stack;
        pg_sys::error_context_stack = context;
        if jumped != 0 {
            resume_unwind(Box::new(ServerError));
        }
        result.assume_init()
    }
}

/// Runs `call` in the midst of Rust frames that must be unwound whatever happens. An error of the server unwinds from here, even
/// one of a function that is bound without a guard, which leaves the frames below as they are.
#[inline]
pub unsafe fn contained<R>(call: impl FnOnce() -> R) -> R {
    // SAFETY: by contract
    let result = unsafe { boundary(|| catch_unwind(AssertUnwindSafe(call))) };
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Runs the body of a callback: a server error that [`boundary`] met, a panic or a raised [`Error`] becomes an error
/// for whoever called.
#[inline]
pub unsafe fn guarded<R>(body: impl FnOnce() -> R) -> R {
    // SAFETY: called in the outermost Rust frame, below which are only the server's
    unsafe {
        let body = || {
            check_memory();
            body()
        };
        catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| throw(payload))
    }
}

/// Gives the server what unwound up to here.
#[cold]
unsafe fn throw(payload: Box<dyn Any + Send>) -> ! {
    // SAFETY: by contract of `guarded`, below which only the server's frames are
    unsafe {
        if payload.is::<ServerError>() {
            drop(payload);
            super::raw::pg_re_throw()
        }
        pg_sys::panic::pgrx_extern_c_guard(move || resume_unwind(payload))
    }
}

/// An error of the server that was caught: it waits on the server's stack.
#[must_use]
pub struct Caught(());

impl Caught {
    /// Whether a statement was cancelled.
    #[must_use]
    pub fn is_cancel(&self) -> bool {
        unsafe extern "C-unwind" {
            fn geterrcode() -> i32;
        }
        // SAFETY: there is an error on the stack
        unsafe { geterrcode() == PgSqlErrorCode::ERRCODE_QUERY_CANCELED as i32 }
    }

    /// What it says.
    #[must_use]
    pub fn message(&self) -> String {
        // SAFETY: there is an error on the stack, which is copied to memory of the process; messages end with a 0
        unsafe {
            let before = pg_sys::CurrentMemoryContext;
            pg_sys::CurrentMemoryContext = pg_sys::TopMemoryContext;
            let copy = pg_sys::CopyErrorData();
            let text =
                (*copy).message.as_ref().map(|text| std::ffi::CStr::from_ptr(text).to_string_lossy().into_owned());
            pg_sys::FreeErrorData(copy);
            pg_sys::CurrentMemoryContext = before;
            text.unwrap_or_default()
        }
    }

    /// Sends it to the log.
    pub fn log(&self) {
        // SAFETY: there is an error on the stack
        unsafe { pg_sys::EmitErrorReport() }
    }

    /// Takes it off the stack. The transaction it happened in must have been aborted, or be of no account to it.
    pub fn forget(self) {
        // SAFETY: the error was met in this frame's caller
        unsafe { pg_sys::FlushErrorState() }
    }
}

/// Runs `body` and catches the error that it raises, of whatever kind.
pub unsafe fn caught<R>(body: impl FnOnce() -> R) -> Result<R, Caught> {
    // SAFETY: where the error is thrown to, nothing but this frame is left
    unsafe {
        let context = pg_sys::CurrentMemoryContext;
        match catch_unwind(AssertUnwindSafe(|| boundary(|| guarded(body)))) {
            Ok(result) => Ok(result),
            Err(payload) if payload.is::<ServerError>() => {
                pg_sys::CurrentMemoryContext = context;
                Err(Caught(()))
            }
            Err(payload) => resume_unwind(payload),
        }
    }
}
