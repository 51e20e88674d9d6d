//! Keys: a collection has them as text, whatever they are in its table.
//!
//! The text is that of the type's output function, called as such: a cast to text may be anybody's. What the text of some types
//! depends on is set to one value for all sessions while keys are written and read.

use crate::pg::error::boundary;
use crate::pg::{raw, restricted};
use pgrx::pg_sys::{self, Datum, Oid};
use std::ffi::{CStr, CString};

/// What the text of keys may depend on. (Parameters that are not listed here change how much is printed of types that cannot
/// be keys.)
const PINNED: [(&CStr, &CStr); 7] = [
    (c"DateStyle", c"ISO, MDY"),
    (c"IntervalStyle", c"postgres"),
    (c"TimeZone", c"UTC"),
    (c"extra_float_digits", c"1"),
    (c"bytea_output", c"hex"),
    (c"lc_monetary", c"C"),
    (c"search_path", c"pg_catalog, pg_temp"),
];

/// The type of a key column, below its domains.
#[derive(Clone, Copy, Debug)]
pub struct KeyType {
    /// the type
    pub oid: Oid,
    output: Oid,
    input: Oid,
    parameter: Oid,
    length: i16,
    by_value: bool,
    align: std::ffi::c_char,
    /// whether its text depends on settings
    depends: bool,
}

impl KeyType {
    /// Of a column of type `oid`.
    #[must_use]
    pub fn of(oid: Oid) -> Self {
        // SAFETY: catalog look-ups, which raise errors for a type that is none
        unsafe {
            let oid = pg_sys::getBaseType(oid);
            let mut key = Self {
                oid,
                output: pg_sys::InvalidOid,
                input: pg_sys::InvalidOid,
                parameter: pg_sys::InvalidOid,
                length: 0,
                by_value: false,
                align: 0,
                depends: !matches!(
                    oid,
                    pg_sys::INT2OID
                        | pg_sys::INT4OID
                        | pg_sys::INT8OID
                        | pg_sys::TEXTOID
                        | pg_sys::VARCHAROID
                        | pg_sys::BPCHAROID
                        | pg_sys::NAMEOID
                        | pg_sys::UUIDOID
                        | pg_sys::NUMERICOID
                        | pg_sys::OIDOID
                        | pg_sys::BOOLOID
                ),
            };
            let mut is_varlena = false;
            pg_sys::getTypeOutputInfo(oid, &raw mut key.output, &raw mut is_varlena);
            pg_sys::getTypeInputInfo(oid, &raw mut key.input, &raw mut key.parameter);
            pg_sys::get_typlenbyvalalign(oid, &raw mut key.length, &raw mut key.by_value, &raw mut key.align);
            key
        }
    }

    /// Runs `work` under the settings that keys are written and read with.
    pub fn pinned<R>(&self, work: impl FnOnce() -> R) -> R {
        // SAFETY: settings that anyone may set, with values that are right
        unsafe { restricted::with_settings(if self.depends { &PINNED } else { &[] }, work) }
    }

    /// The text of a key, under [`KeyType::pinned`].
    #[must_use]
    pub fn text(&self, value: Datum) -> Box<[u8]> {
        // SAFETY: the value is of the type, whose output function answers with a string in the current memory context
        unsafe {
            let output = self.output;
            let text = boundary(|| raw::OidOutputFunctionCall(output, value));
            let copy = CStr::from_ptr(text).to_bytes().into();
            pg_sys::pfree(text.cast());
            copy
        }
    }

    /// The key of a text that [`KeyType::text`] has made, under [`KeyType::pinned`]; raises the type's error for others.
    #[must_use]
    pub fn value(&self, text: &[u8]) -> Datum {
        let text = CString::new(text).unwrap_or_default();
        let (input, parameter, pointer) = (self.input, self.parameter, text.as_ptr());
        // SAFETY: the type's input function, which copies what it needs; the text lives on to the end of the block, also when
        // an error unwinds from there
        unsafe { boundary(|| raw::OidInputFunctionCall(input, pointer.cast_mut(), parameter, -1)) }
    }

    /// A copy of a key in the current memory context.
    #[must_use]
    pub fn copy(&self, value: Datum) -> Datum {
        // SAFETY: the value is of the type
        unsafe { raw::datumCopy(value, self.by_value, i32::from(self.length)) }
    }

    /// Whether two values are the same bytes; `false` may be an error on the side of caution.
    #[must_use]
    pub fn is_same(&self, a: Datum, b: Datum) -> bool {
        // SAFETY: values of the type
        unsafe { raw::datumIsEqual(a, b, self.by_value, i32::from(self.length)) }
    }

    /// An array of keys.
    #[must_use]
    pub fn array(&self, values: &[Datum]) -> Datum {
        // SAFETY: the server copies the values, which are of the type
        unsafe {
            Datum::from(pg_sys::construct_array(
                values.as_ptr().cast_mut(),
                values.len() as i32,
                self.oid,
                i32::from(self.length),
                self.by_value,
                self.align,
            ))
        }
    }
}

/// The text of a key as the collection has it.
#[must_use]
pub fn text_datum(text: &[u8]) -> Datum {
    // SAFETY: the server copies the bytes
    unsafe { Datum::from(pg_sys::cstring_to_text_with_len(text.as_ptr().cast(), text.len() as i32)) }
}

/// An array of such texts.
#[must_use]
pub fn text_array<'t>(texts: impl Iterator<Item = &'t [u8]>) -> Datum {
    crate::pg::array::from_datums(texts.map(text_datum).collect(), crate::pg::array::TEXT)
}

/// The bytes of a value of type `text`.
#[must_use]
pub fn bytes_of(text: Datum) -> Box<[u8]> {
    // SAFETY: by contract a text
    unsafe { crate::pg::varlena::Varlena::of_datum(text) }.with_bytes(|bytes| bytes.into())
}
