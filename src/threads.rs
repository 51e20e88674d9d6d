//! What threads need beside what the standard library has: no signals, which are the first thread's business, and a
//! processor of their own to begin on.

#[cfg(unix)]
use std::mem::MaybeUninit;

/// While it lives, no signal is delivered to this thread, nor ever to those that it starts meanwhile: threads inherit the
/// mask, so none can meet a signal before it has blocked it itself.
pub struct Blocked(#[cfg(unix)] libc::sigset_t);

impl Blocked {
    /// Blocks all signals.
    #[must_use]
    pub fn new() -> Self {
        #[cfg(unix)]
        {
            let mut all = MaybeUninit::uninit();
            let mut before = MaybeUninit::uninit();
            // SAFETY: both sets are filled by the calls before they are used.
            unsafe {
                libc::sigfillset(all.as_mut_ptr());
                libc::sigemptyset(before.as_mut_ptr());
                libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
                Self(before.assume_init())
            }
        }
        #[cfg(not(unix))]
        Self()
    }
}

impl Default for Blocked {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(unix)]
impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set is the one that was in force before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
    }
}

/// The processor that a thread ran on when it started others.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    #[cfg(target_os = "linux")]
    processor: i32,
}

impl Start {
    /// The one that this thread runs on.
    #[must_use]
    pub fn here() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            // SAFETY: no arguments
            processor: unsafe { libc::sched_getcpu() },
        }
    }

    /// If this thread runs there, moves it to another processor of those that it may run on. The kernel may have put it there
    /// to wait until a time slice is over, for milliseconds, while other processors are idle.
    pub fn leave(self) {
        #[cfg(target_os = "linux")]
        // SAFETY: sets of the size that is said, all bits zero being a valid one; 0 is the calling thread; a failure changes
        // nothing
        unsafe {
            let size = size_of::<libc::cpu_set_t>();
            let mut all = MaybeUninit::<libc::cpu_set_t>::zeroed();
            let here = usize::try_from(self.processor).ok().filter(|&here| here < 8 * size);
            let Some(here) = here.filter(|_| libc::sched_getcpu() == self.processor) else { return };
            if libc::sched_getaffinity(0, size, all.as_mut_ptr()) != 0 {
                return;
            }
            let all = all.assume_init();
            let mut others = all;
            libc::CPU_CLR(here, &mut others);
            libc::sched_setaffinity(0, size, &raw const others);
            libc::sched_setaffinity(0, size, &raw const all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    fn processors() -> Vec<bool> {
        let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
        // SAFETY: a set of that size, filled by the call
        let set = unsafe {
            assert_eq!(libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr()), 0);
            set.assume_init()
        };
        // SAFETY: numbers within the set
        (0..8 * size_of::<libc::cpu_set_t>()).map(|number| unsafe { libc::CPU_ISSET(number, &set) }).collect()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_leaves_a_processor_may_come_back() {
        let before = processors();
        for _ in 0..20 {
            let start = Start::here();
            start.leave();
            assert_eq!(processors(), before);
        }
        let many = before.iter().filter(|&&allowed| allowed).count() > 1;
        let moved = (0..20).any(|_| {
            let start = Start::here();
            start.leave();
            Start::here().processor != start.processor
        });
        assert_eq!(moved, many);
    }

    #[cfg(unix)]
    #[test]
    fn threads_are_started_without_signals() {
        let masked = || {
            let mut now = MaybeUninit::uninit();
            // SAFETY: the set is filled by the call
            unsafe {
                libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), now.as_mut_ptr());
                libc::sigismember(now.as_ptr(), libc::SIGTERM) == 1
            }
        };
        let blocked = Blocked::new();
        let thread = std::thread::spawn(masked);
        drop(blocked);
        assert!(!masked());
        assert!(thread.join().unwrap());
    }
}
