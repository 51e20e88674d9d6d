//! What threads need beside what the standard library has: no signals, which are the first thread's business, and a
//! processor of their own to begin on.

#[cfg(unix)]
use std::mem::MaybeUninit;
use std::thread::JoinHandle;

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

/// The processors that a thread may run on.
#[derive(Clone, Copy)]
pub struct Processors(#[cfg(target_os = "linux")] libc::cpu_set_t);

impl Processors {
    /// Those that this thread may run on.
    #[must_use]
    pub fn of_this_thread() -> Option<Self> {
        #[cfg(target_os = "linux")]
        {
            let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
            // SAFETY: a set of that size, all bits zero being a valid one; 0 is the calling thread
            let failed = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr()) };
            // SAFETY: zeroed, or filled by the call
            (failed == 0).then(|| Self(unsafe { set.assume_init() }))
        }
        #[cfg(not(target_os = "linux"))]
        None
    }

    /// Lets this thread run on them.
    pub fn allow(&self) {
        #[cfg(target_os = "linux")]
        // SAFETY: a set of that size; 0 is the calling thread; a failure changes nothing
        unsafe {
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const self.0);
        }
    }

    /// Makes `thread`, which this one has just started, begin on another of them than this thread runs on, if there is one. The
    /// kernel may let it wait here for milliseconds otherwise, until this thread's time slice is over. The thread calls
    /// [`Processors::allow`] when it knows that this has been done.
    pub fn begin_elsewhere<T>(&self, thread: &JoinHandle<T>) {
        #[cfg(target_os = "linux")]
        // SAFETY: a set of that size; the thread has not been joined yet; a failure changes nothing
        unsafe {
            let here = usize::try_from(libc::sched_getcpu()).unwrap_or(usize::MAX);
            if here < 8 * size_of::<libc::cpu_set_t>() {
                let mut others = self.0;
                libc::CPU_CLR(here, &mut others);
                let thread = std::os::unix::thread::JoinHandleExt::as_pthread_t(thread);
                libc::pthread_setaffinity_np(thread, size_of::<libc::cpu_set_t>(), &raw const others);
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = thread;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn threads_begin_elsewhere_and_may_come_back() {
        let list = |set: &Processors| -> Vec<bool> {
            // SAFETY: numbers within the set
            (0..8 * size_of::<libc::cpu_set_t>()).map(|number| unsafe { libc::CPU_ISSET(number, &set.0) }).collect()
        };
        // SAFETY: no arguments
        let processor = || unsafe { libc::sched_getcpu() };
        let all = Processors::of_this_thread().unwrap();
        let many = list(&all).iter().filter(|&&allowed| allowed).count() > 1;
        let (go, wait) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            wait.recv().unwrap();
            let here = processor();
            all.allow();
            (here, list(&Processors::of_this_thread().unwrap()))
        });
        let began = processor();
        all.begin_elsewhere(&thread);
        let stayed = processor() == began;
        go.send(()).unwrap();
        let (here, may) = thread.join().unwrap();
        assert_eq!(may, list(&all));
        assert!(!many || !stayed || here != began);
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
