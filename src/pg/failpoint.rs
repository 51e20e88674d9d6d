//! Errors on demand between the steps of the write paths, for `regress/crash/failpoints.sh`.
//!
//! With the feature `failpoints` a session arms a point by the setting `pg_zvec.failpoint`:
//!
//! * `NAME:N`: the N-th time that the session comes by the point raises an error; `NAME:N:panic` panics there;
//! * `trace`: each point that the session comes by is told in a notice.
//!
//! Errors of [`hit_as_server`] are the server's own, which jump over frames without a guard; it is for points in reads, which
//! are too many to be told.
//!
//! What follows a space is ignored: it makes two settings differ, so that the count starts anew. Without the feature
//! nothing of this is compiled. No point lies in a critical section.

/// The write path has come to the point `name`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn hit(_name: &'static str) {}

/// Within the boundary around a function of the server's: the function is called.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub unsafe fn hit_as_server(_name: &'static str) {}

#[cfg(feature = "failpoints")]
pub use armed::{hit, hit_as_server};

#[cfg(feature = "failpoints")]
mod armed {
    use crate::error::{Error, SqlState};
    use crate::pg::error::raise;
    use pgrx::pg_sys;
    use std::cell::RefCell;
    use std::ffi::CStr;

    thread_local! {
        /// the setting seen last, and how often its point has been come by since
        static ARMED: RefCell<(String, u32)> = const { RefCell::new((String::new(), 0)) };
    }

    fn setting() -> String {
        // SAFETY: a look at a setting; it need not be declared, since its name has a prefix
        unsafe {
            let value = pg_sys::GetConfigOption(c"pg_zvec.failpoint".as_ptr(), true, false);
            if value.is_null() { String::new() } else { CStr::from_ptr(value).to_string_lossy().into_owned() }
        }
    }

    /// The write path has come to the point `name`.
    pub fn hit(name: &'static str) {
        // SAFETY: a look at a counter of this backend
        assert_eq!(unsafe { pg_sys::CritSectionCount }, 0, "failpoint \"{name}\" in a critical section");
        let setting = setting();
        let armed = setting.split(' ').next().unwrap_or_default();
        if armed == "trace" {
            pgrx::notice!("failpoint {name}");
            return;
        }
        match strikes(name, &setting) {
            Some("panic") => panic!("failpoint \"{name}\" panics"),
            Some(_) => raise(Error::new(SqlState::Internal, format!("failpoint \"{name}\" was hit"))),
            None => {}
        }
    }

    /// What follows the number, if the setting's point is `name` and its pass this one.
    fn strikes<'s>(name: &str, setting: &'s str) -> Option<&'s str> {
        let mut parts = setting.split(' ').next()?.split(':');
        if parts.next() != Some(name) {
            return None;
        }
        let at: u32 = parts.next().and_then(|n| n.parse().ok()).unwrap_or(1);
        let count = ARMED.with_borrow_mut(|seen| {
            if seen.0 != setting {
                *seen = (setting.to_owned(), 0);
            }
            seen.1 += 1;
            seen.1
        });
        (count == at).then(|| parts.next().unwrap_or_default())
    }

    /// Within the boundary around a function of the server's: the function is called.
    pub unsafe fn hit_as_server(name: &'static str) {
        unsafe extern "C-unwind" {
            fn MemoryContextAlloc(context: pg_sys::MemoryContext, size: usize) -> *mut std::ffi::c_void;
        }
        // dropped before the error
        let is_struck = strikes(name, &setting()).is_some();
        if is_struck {
            // SAFETY: more than the server ever allocates, so it raises an error
            unsafe { MemoryContextAlloc(pg_sys::CurrentMemoryContext, usize::MAX) };
        }
    }
}
