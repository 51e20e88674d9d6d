//! Errors on demand between the steps of the write paths, for `regress/crash/failpoints.sh`.
//!
//! With the feature `failpoints` a session arms a point by the setting `pg_zvec.failpoint`:
//!
//! * `NAME:N`: the N-th time that the session comes by the point raises an error; `NAME:N:panic` panics there;
//! * `trace`: each point that the session comes by is told in a notice.
//!
//! What follows a space is ignored: it makes two settings differ, so that the count starts anew. Without the feature
//! nothing of this is compiled. No point lies in a critical section.

/// The write path has come to the point `name`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn hit(_name: &'static str) {}

#[cfg(feature = "failpoints")]
pub use armed::hit;

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
        let mut parts = armed.split(':');
        if parts.next() != Some(name) {
            return;
        }
        let at: u32 = parts.next().and_then(|n| n.parse().ok()).unwrap_or(1);
        let count = ARMED.with_borrow_mut(|seen| {
            if seen.0 != setting {
                *seen = (setting.clone(), 0);
            }
            seen.1 += 1;
            seen.1
        });
        if count != at {
            return;
        }
        if parts.next() == Some("panic") {
            panic!("failpoint \"{name}\" panics");
        }
        raise(Error::new(SqlState::Internal, format!("failpoint \"{name}\" was hit")))
    }
}
