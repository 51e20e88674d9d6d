//! Maps [`crate::error::Error`] to the server's errors.

use crate::error::{Error, SqlState};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode};

impl SqlState {
    fn code(self) -> PgSqlErrorCode {
        use PgSqlErrorCode::*;
        match self {
            SqlState::InvalidTextRepresentation => ERRCODE_INVALID_TEXT_REPRESENTATION,
            SqlState::InvalidBinaryRepresentation => ERRCODE_INVALID_BINARY_REPRESENTATION,
            SqlState::DataException => ERRCODE_DATA_EXCEPTION,
            SqlState::NumericValueOutOfRange => ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
            SqlState::NullValueNotAllowed => ERRCODE_NULL_VALUE_NOT_ALLOWED,
            SqlState::ArraySubscriptError => ERRCODE_ARRAY_ELEMENT_ERROR,
            SqlState::InvalidParameterValue => ERRCODE_INVALID_PARAMETER_VALUE,
            SqlState::ProgramLimitExceeded => ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            SqlState::WrongObjectType => ERRCODE_WRONG_OBJECT_TYPE,
            SqlState::FeatureNotSupported => ERRCODE_FEATURE_NOT_SUPPORTED,
            SqlState::ObjectNotInPrerequisiteState => ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
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
