//! Functions called from SQL by the version-1 calling convention, without the SQL generation of `#[pg_extern]`:
//! the install script under `sql/` is written by hand and names the C symbols.

/// Defines an SQL-callable function `$name` and its `pg_finfo` record.
///
/// The body is an expression block over `$fcinfo: pg_sys::FunctionCallInfo` that returns a [`pgrx::pg_sys::Datum`].
/// It runs below `#[pg_guard]`, so Rust values are dropped when an error passes through.
#[macro_export]
macro_rules! pg_function {
    ($(#[$meta:meta])* $name:ident($fcinfo:ident) $body:block) => {
        $(#[$meta])*
        ///
        /// # Safety
        /// Called by the server's function manager only.
        #[unsafe(no_mangle)]
        #[pgrx::pg_guard]
        pub unsafe extern "C-unwind" fn $name(
            $fcinfo: pgrx::pg_sys::FunctionCallInfo,
        ) -> pgrx::pg_sys::Datum $body

        $crate::pg_finfo!($name);
    };
}

/// Defines the `pg_finfo_*` record of an SQL-callable function.
#[macro_export]
macro_rules! pg_finfo {
    ($name:ident) => {
        const _: () = {
            #[unsafe(export_name = concat!("pg_finfo_", stringify!($name)))]
            extern "C" fn finfo() -> &'static pgrx::pg_sys::Pg_finfo_record {
                const V1: pgrx::pg_sys::Pg_finfo_record = pgrx::pg_sys::Pg_finfo_record { api_version: 1 };
                &V1
            }
        };
    };
}

use pgrx::pg_sys;

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
