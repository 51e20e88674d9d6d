//! Functions that return a set of rows.

use pgrx::pg_sys::{self, Datum};

/// The rows of one call, collected in the call's tuplestore.
pub struct Rows {
    store: *mut pg_sys::Tuplestorestate,
    desc: pg_sys::TupleDesc,
}

impl Rows {
    /// Prepares the result of the set-returning call `fcinfo`; raises an error where the caller takes no set.
    #[must_use]
    pub unsafe fn of(fcinfo: pg_sys::FunctionCallInfo) -> Self {
        // SAFETY: by contract, the live call's
        unsafe {
            pg_sys::InitMaterializedSRF(fcinfo, 0);
            let result: *mut pg_sys::ReturnSetInfo = (*fcinfo).resultinfo.cast();
            Self { store: (*result).setResult, desc: (*result).setDesc }
        }
    }

    /// As [`Rows::of`], for a function that returns a set of single values.
    #[must_use]
    pub unsafe fn of_values(fcinfo: pg_sys::FunctionCallInfo) -> Self {
        // SAFETY: by contract, the live call's; its caller expects one column
        unsafe {
            pg_sys::InitMaterializedSRF(fcinfo, pg_sys::MAT_SRF_USE_EXPECTED_DESC);
            let result: *mut pg_sys::ReturnSetInfo = (*fcinfo).resultinfo.cast();
            Self { store: (*result).setResult, desc: (*result).setDesc }
        }
    }

    /// Adds a row; `None` is NULL.
    pub fn push(&mut self, values: &[Option<Datum>]) {
        let mut datums: Vec<Datum> = values.iter().map(|value| value.unwrap_or(Datum::from(0))).collect();
        let mut nulls: Vec<bool> = values.iter().map(Option::is_none).collect();
        // SAFETY: as many values as the declared row type has, by the install script; the store copies them
        unsafe {
            assert_eq!(datums.len(), (*self.desc).natts as usize, "columns of the result");
            pg_sys::tuplestore_putvalues(self.store, self.desc, datums.as_mut_ptr(), nulls.as_mut_ptr());
        }
    }
}

/// A `text` datum in the current memory context.
#[must_use]
pub fn text(value: &str) -> Datum {
    // SAFETY: the server copies the bytes
    unsafe { Datum::from(pg_sys::cstring_to_text_with_len(value.as_ptr().cast(), value.len() as i32)) }
}

/// A `float8` datum.
#[must_use]
pub fn float8(value: f64) -> Datum {
    Datum::from(value.to_bits())
}
