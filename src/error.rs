//! The error type of the modules that know no server.
//!
//! Messages follow PostgreSQL's style: lower case, names quoted, what was wrong; the hint says what to do.

#![forbid(unsafe_code)]

use std::borrow::Cow;

/// The SQLSTATE an error is reported with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlState {
    /// 22P02 invalid_text_representation
    InvalidTextRepresentation,
    /// 22P03 invalid_binary_representation
    InvalidBinaryRepresentation,
    /// 22000 data_exception
    DataException,
    /// 22003 numeric_value_out_of_range
    NumericValueOutOfRange,
    /// 22012 division_by_zero
    DivisionByZero,
    /// 22004 null_value_not_allowed
    NullValueNotAllowed,
    /// 2202E array_subscript_error
    ArraySubscriptError,
    /// 22023 invalid_parameter_value
    InvalidParameterValue,
    /// 54000 program_limit_exceeded
    ProgramLimitExceeded,
    /// 42809 wrong_object_type
    WrongObjectType,
    /// 0A000 feature_not_supported
    FeatureNotSupported,
    /// 42501 insufficient_privilege
    InsufficientPrivilege,
    /// 55000 object_not_in_prerequisite_state
    ObjectNotInPrerequisiteState,
    /// 42P01 undefined_table
    UndefinedTable,
    /// 42703 undefined_column
    UndefinedColumn,
    /// 42704 undefined_object
    UndefinedObject,
    /// 42710 duplicate_object
    DuplicateObject,
    /// 42601 syntax_error
    SyntaxError,
    /// 42830 invalid_foreign_key
    InvalidKey,
    /// 53200 out_of_memory
    OutOfMemory,
    /// XX001 data_corrupted
    DataCorrupted,
    /// XX000 internal_error
    Internal,
}

/// What went wrong, ready to be reported to a client.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{message}")]
pub struct Error {
    /// class of the error
    pub state: SqlState,
    /// primary message
    pub message: Cow<'static, str>,
    /// what the user can do about it
    pub hint: Option<Cow<'static, str>>,
}

/// Result of the pure modules.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error without a hint.
    pub fn new(state: SqlState, message: impl Into<Cow<'static, str>>) -> Self {
        Self { state, message: message.into(), hint: None }
    }

    /// Adds what the user can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
