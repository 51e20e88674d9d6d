//! Settings.

use pgrx::pg_sys;

static mut SEGMENT_CAPACITY: i32 = 0;

/// The most slots a new segment may have; 0 = as many as its format allows.
#[must_use]
pub fn segment_capacity() -> u32 {
    // SAFETY: written by the server's settings code in this backend's only thread; never negative
    unsafe { SEGMENT_CAPACITY as u32 }
}

/// Makes the settings known to the server.
pub unsafe fn define() {
    // SAFETY: called once, when the library is loaded; the strings and the variable live as long as the process
    unsafe {
        pg_sys::DefineCustomIntVariable(
            c"pg_zvec.segment_capacity".as_ptr(),
            c"Sets the most vectors that a new segment of a zvec table may have.".as_ptr(),
            c"0 means as many as the format allows. For tests: small segments cost speed and gain nothing.".as_ptr(),
            &raw mut SEGMENT_CAPACITY,
            0,
            0,
            crate::segment::ids::MAX_POSITIONS as i32,
            pg_sys::GucContext::PGC_SUSET,
            (pg_sys::GUC_NOT_IN_SAMPLE) as i32,
            None,
            None,
            None,
        );
        // error injection is steered by a setting that is not declared
        #[cfg(not(feature = "failpoints"))]
        pg_sys::MarkGUCPrefixReserved(c"pg_zvec".as_ptr());
    }
}
