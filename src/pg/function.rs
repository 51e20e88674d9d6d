//! Functions called from SQL by the version-1 calling convention, without the SQL generation of `#[pg_extern]`:
//! the install script under `sql/` is written by hand and names the C symbols.

/// Defines an SQL-callable function `$name` and the record of its calling convention.
///
/// The body is a block over `$call: Call` that gives `crate::error::Result<Datum>`, whose error becomes a server ERROR. It runs in
/// [`crate::pg::error::guarded`].
#[macro_export]
macro_rules! sql_function {
    ($(#[$meta:meta])* $name:ident($call:ident) $body:block) => {
        $(#[$meta])*
        ///
        /// # Safety
        /// Called by the server's function manager only.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(fcinfo: pgrx::pg_sys::FunctionCallInfo) -> pgrx::pg_sys::Datum {
            // SAFETY: the function manager calls, and the call's description does not leave the body
            let $call = unsafe { $crate::pg::function::Call::new(fcinfo) };
            let body = || -> $crate::error::Result<pgrx::pg_sys::Datum> { $body };
            // SAFETY: the server calls, so an ERROR may be raised through the frame above
            unsafe { $crate::pg::error::guarded(|| $crate::pg::error::OrRaise::or_raise(body())) }
        }

        const _: () = {
            #[unsafe(export_name = concat!("pg_finfo_", stringify!($name)))]
            extern "C" fn finfo() -> &'static pgrx::pg_sys::Pg_finfo_record {
                const V1: pgrx::pg_sys::Pg_finfo_record = pgrx::pg_sys::Pg_finfo_record { api_version: 1 };
                &V1
            }
        };
    };
}

use crate::vector::sql_type::Symbol;
use pgrx::pg_sys;
use std::ffi::CStr;
use std::marker::PhantomData;

/// The datum of argument `n`; the caller has made sure that it is not NULL.
///
/// # Safety
/// `fcinfo` is the live call's and has more than `n` arguments.
#[inline(always)]
pub unsafe fn arg(fcinfo: pg_sys::FunctionCallInfo, n: usize) -> pg_sys::Datum {
    // SAFETY: by contract of this function
    unsafe { (*(*fcinfo).args.as_ptr().add(n)).value }
}

/// Whether argument `n` is NULL.
///
/// # Safety
/// As [`arg`].
#[inline(always)]
pub unsafe fn arg_is_null(fcinfo: pg_sys::FunctionCallInfo, n: usize) -> bool {
    // SAFETY: by contract of this function
    unsafe { (*(*fcinfo).args.as_ptr().add(n)).isnull }
}

/// SQL NULL as the call's result.
///
/// # Safety
/// `fcinfo` is the live call's.
#[inline(always)]
pub unsafe fn return_null(fcinfo: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: by contract of this function
    unsafe { (*fcinfo).isnull = true };
    pg_sys::Datum::from(0)
}

/// Which of `symbols`, each with the library that it is in, the function `oid` is, if it is one of them; so functions are told
/// whatever schema they are in.
#[must_use]
pub fn symbol_among(oid: pg_sys::Oid, symbols: &[Symbol]) -> Option<usize> {
    /// the language `c`
    const C_LANGUAGE: u32 = 13;
    // SAFETY: a catalog look-up; the row is released after its last use
    unsafe {
        let cache = pg_sys::SysCacheIdentifier::PROCOID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, pg_sys::Datum::from(oid));
        if tuple.is_null() {
            return None;
        }
        let function: *const pg_sys::FormData_pg_proc = pg_sys::GETSTRUCT(tuple).cast();
        let in_c = (*function).prolang == pg_sys::Oid::from(C_LANGUAGE);
        let mut isnull = false;
        let source = pg_sys::SysCacheGetAttr(cache, tuple, pg_sys::Anum_pg_proc_prosrc as i16, &mut isnull);
        let mut found = None;
        if in_c && !isnull && with_text(source, |symbol| symbols.iter().any(|known| known.1 == symbol)) {
            let library = pg_sys::SysCacheGetAttr(cache, tuple, pg_sys::Anum_pg_proc_probin as i16, &mut isnull);
            if !isnull {
                found = with_text(source, |symbol| {
                    with_text(library, |library| {
                        symbols.iter().position(|known| known.1 == symbol && super::library::is(library, known.0))
                    })
                });
            }
        }
        pg_sys::ReleaseSysCache(tuple);
        found
    }
}

/// What `see` makes of a value of type `text`.
unsafe fn with_text<R>(value: pg_sys::Datum, see: impl FnOnce(&CStr) -> R) -> R {
    // SAFETY: by contract a text; the copy is ours
    unsafe {
        let text = pg_sys::text_to_cstring(value.cast_mut_ptr());
        let seen = see(CStr::from_ptr(text));
        pg_sys::pfree(text.cast());
        seen
    }
}

/// The call of an SQL function: its arguments and result, as [`crate::sql_function!`] hands them to a body.
///
/// The accessors trust that the install script declares each function with the argument types that its body reads,
/// and strict where the body does not ask for NULL.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    fcinfo: pg_sys::FunctionCallInfo,
    lives: PhantomData<&'a ()>,
}

/// One argument of a [`Call`], not NULL.
#[derive(Clone, Copy)]
pub struct Arg<'a> {
    datum: pg_sys::Datum,
    lives: PhantomData<&'a ()>,
}

impl<'a> Call<'a> {
    /// # Safety
    /// `fcinfo` is the live call's, and `'a` ends with the call.
    #[inline(always)]
    pub unsafe fn new(fcinfo: pg_sys::FunctionCallInfo) -> Self {
        Self { fcinfo, lives: PhantomData }
    }

    /// The server's own description of the call.
    #[inline(always)]
    pub fn fcinfo(self) -> pg_sys::FunctionCallInfo {
        self.fcinfo
    }

    /// Argument `n`, which is not NULL.
    #[inline(always)]
    pub fn arg(self, n: usize) -> Arg<'a> {
        // SAFETY: the call lives, and the install script declares that argument
        Arg { datum: unsafe { arg(self.fcinfo, n) }, lives: PhantomData }
    }

    /// Whether argument `n` is NULL.
    #[must_use]
    pub fn is_null(self, n: usize) -> bool {
        // SAFETY: the call lives, and the install script declares that argument
        unsafe { arg_is_null(self.fcinfo, n) }
    }

    /// NULL as the result.
    pub fn null(self) -> pg_sys::Datum {
        // SAFETY: the call lives
        unsafe { return_null(self.fcinfo) }
    }
}

impl<'a> Arg<'a> {
    /// The argument as the server passes it.
    #[inline(always)]
    pub fn datum(self) -> pg_sys::Datum {
        self.datum
    }

    /// An `integer`.
    pub fn i32(self) -> i32 {
        self.datum.value() as i32
    }

    /// A `double precision`.
    pub fn f64(self) -> f64 {
        f64::from_bits(self.datum.value() as u64)
    }

    /// A `boolean`.
    pub fn bool(self) -> bool {
        self.datum.value() & 0xff != 0
    }

    /// The bytes of a `cstring`.
    pub fn cstring(self) -> &'a [u8] {
        // SAFETY: the argument is declared as cstring and outlives the call
        unsafe { CStr::from_ptr(self.datum.cast_mut_ptr()) }.to_bytes()
    }
}
