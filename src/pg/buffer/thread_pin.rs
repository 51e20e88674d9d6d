//! Thread pins: pins of buffers that threads of the backend take, past the server's own.
//!
//! A backend's pins are counted twice by the server: in the buffer's descriptor, in shared memory, for all backends, and in
//! the backend's own memory, which no second thread may touch. A thread that reads shared buffers takes and drops its pins
//! in the descriptor only, by the server's own protocol: one atomic exchange of the state, never while somebody has the
//! header locked. While it holds one, the buffer keeps its block, as under any other backend's pin.
//!
//! What the server would clean up after an error it does not know of here. So a thread drops its pins itself, whatever
//! happens ([`Pin`] is a guard), and the backend must not come to an end while such threads run: its first thread holds
//! interrupts off ([`InterruptsHeld`]) until they have ended. A background worker that keeps the server's own handler for
//! SIGTERM ends all the same: so none has such threads.
//!
//! The first thread takes such a pin too, where the server's cost more than what is read under it: for a moment
//! ([`Pin::for_a_moment`]), in which it calls nothing of the server. So no error of the server passes it by, no interrupt is
//! served, and the backend does not end; a panic drops it. The server's pins need memory, which may lack, and so a guard.

use crate::pg::buffer::optimistic;
use crate::pg::buffer::optimistic::Block;
use crate::pg::{process, settings};
use pgrx::pg_sys;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::sync::{Mutex, PoisonError};

const BUF_REFCOUNT_ONE: u32 = 1;
const BUF_REFCOUNT_MASK: u32 = BUF_USAGECOUNT_ONE - 1;
const BUF_USAGECOUNT_ONE: u32 = 1 << 18;
const BUF_USAGECOUNT_MASK: u32 = 0x003C_0000;
const BM_MAX_USAGE_COUNT: u32 = 5;
const BM_LOCKED: u32 = 1 << 22;
const BM_PIN_COUNT_WAITER: u32 = 1 << 29;
/// Looks at a locked header before the processor is left to whoever has locked it.
const SPINS: u32 = 100;

/// The state of `buffer`'s descriptor.
unsafe fn state<'a>(buffer: pg_sys::Buffer) -> &'a AtomicU32 {
    debug_assert!(settings::optimistic_reads());
    // SAFETY: a shared buffer's number; descriptors are never unmapped while the process runs
    unsafe {
        let descriptor = &raw const (*pg_sys::BufferDescriptors.add(buffer as usize - 1)).bufferdesc;
        &*(&raw const (*descriptor).state.value).cast::<AtomicU32>()
    }
}

/// Replaces the state by what `change` makes of it, when nobody has the header locked. `None` of `change` leaves it; then
/// false is returned.
fn exchange(state: &AtomicU32, mut change: impl FnMut(u32) -> Option<u32>) -> bool {
    let mut spins = 0;
    let mut old = state.load(Ordering::Relaxed);
    loop {
        if old & BM_LOCKED != 0 {
            spins += 1;
            if spins % SPINS == 0 {
                std::thread::yield_now()
            } else {
                std::hint::spin_loop()
            }
            old = state.load(Ordering::Relaxed);
            continue;
        }
        let Some(new) = change(old) else { return false };
        match state.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(now) => old = now,
        }
    }
}

/// Pins that only the backend's first thread can drop: somebody waits for the buffer to be free of them, and is to be woken
/// by the server.
#[derive(Debug, Default)]
pub struct Owed(Mutex<Vec<pg_sys::Buffer>>);

impl Owed {
    /// Drops them. For the backend's first thread. Raises no error, so that it may be called while one unwinds.
    pub unsafe fn settle(&self) {
        let owed = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for buffer in owed {
            // SAFETY: pinned by a thread, and the pin is dropped by nobody else
            unsafe { drop_and_wake(buffer) }
        }
    }
}

/// Drops a pin of `buffer`, and wakes who waits for that. For the backend's first thread. Raises no error.
#[cold]
unsafe fn drop_and_wake(buffer: pg_sys::Buffer) {
    // SAFETY: by contract, pinned
    unsafe {
        let descriptor = &raw const (*pg_sys::BufferDescriptors.add(buffer as usize - 1)).bufferdesc;
        let mut waiting = None;
        exchange(state(buffer), |old| {
            let new = old - BUF_REFCOUNT_ONE;
            // whoever waits has a pin, and is to be woken when that is the last one
            let wakes = new & BM_PIN_COUNT_WAITER != 0 && new & BUF_REFCOUNT_MASK == BUF_REFCOUNT_ONE;
            // written before the flag was set, and not again as long as it is
            fence(Ordering::Acquire);
            waiting = wakes.then(|| (&raw const (*descriptor).wait_backend_pgprocno).read_volatile());
            Some(if wakes { new & !BM_PIN_COUNT_WAITER } else { new })
        });
        if let Some(process) = waiting {
            pg_sys::ProcSendSignal(process);
        }
    }
}

/// Whether buffers may be pinned past the server: not while `zvec.optimistic_reads` is off, and not in a background worker, which
/// may be ended at any moment.
#[inline(always)]
#[must_use]
pub fn may_pin() -> bool {
    settings::optimistic_reads() && !process::is_background_worker()
}

/// A buffer that is pinned past the server.
pub struct Pin<'o> {
    buffer: pg_sys::Buffer,
    /// of a thread; the backend's first one drops it itself, whoever waits
    owed: Option<&'o Owed>,
}

impl<'o> Pin<'o> {
    /// Pins `buffer` if it holds the block; 0 is no buffer. With `once` the pin counts as use of a page that is read once, as
    /// by the server's sequential scans of large tables.
    #[inline]
    #[must_use]
    pub unsafe fn of(buffer: pg_sys::Buffer, block: &Block, once: bool, owed: &'o Owed) -> Option<Self> {
        // SAFETY: by contract
        unsafe { Self::take(buffer, block, once, Some(owed)) }
    }

    #[inline(always)]
    unsafe fn take(buffer: pg_sys::Buffer, block: &Block, once: bool, owed: Option<&'o Owed>) -> Option<Self> {
        let most = if once { 1 } else { BM_MAX_USAGE_COUNT };
        // SAFETY: a shared buffer's number
        unsafe {
            if buffer <= 0 {
                return None;
            }
            let pinned = exchange(state(buffer), |old| {
                let used = (old & BUF_USAGECOUNT_MASK) / BUF_USAGECOUNT_ONE < most;
                let new = old + BUF_REFCOUNT_ONE + if used { BUF_USAGECOUNT_ONE } else { 0 };
                // seldom another page is pinned, if only for a moment: that state would have to come back meanwhile
                optimistic::holds(buffer, block).then_some(new)
            });
            // now it stays what it is
            let pin = pinned.then(|| Self { buffer, owed });
            pin.filter(|pin| optimistic::holds_pinned(pin.buffer, block) && optimistic::is_filled(pin.buffer))
        }
    }

    /// The page.
    #[inline]
    #[must_use]
    pub fn page(&self) -> &crate::format::page::PageBytes {
        // SAFETY: pinned as long as self lives
        unsafe { &*optimistic::memory(self.buffer).cast() }
    }
}

impl Pin<'static> {
    /// Pins `buffer`, a shared buffer's number or none, for the backend's first thread, if it holds the block and may be pinned
    /// past the server. As long as the value lives nothing of the server is called. The statement's buffer usage counts it.
    #[inline]
    #[must_use]
    pub unsafe fn for_a_moment(buffer: pg_sys::Buffer, block: &Block) -> Option<Self> {
        // SAFETY: by contract; the count is this backend's
        unsafe {
            if !may_pin() {
                return None;
            }
            let pin = Self::take(buffer, block, false, None)?;
            pg_sys::pgBufferUsage.shared_blks_hit += 1;
            Some(pin)
        }
    }
}

impl Drop for Pin<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: pinned by us
        let dropped = exchange(unsafe { state(self.buffer) }, |old| {
            (old & BM_PIN_COUNT_WAITER == 0).then_some(old - BUF_REFCOUNT_ONE)
        });
        match self.owed {
            _ if dropped => {}
            Some(owed) => owed.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.buffer),
            // SAFETY: pinned by the backend's first thread
            None => unsafe { drop_and_wake(self.buffer) },
        }
    }
}

/// While it lives, the backend does not serve interrupts: it neither cancels its statement nor ends.
pub struct InterruptsHeld(());

impl InterruptsHeld {
    /// Holds them off.
    #[must_use]
    pub fn new() -> Self {
        // SAFETY: the server's counter, in its only thread
        unsafe { pg_sys::InterruptHoldoffCount += 1 };
        Self(())
    }
}

/// Whether an interrupt waits to be served.
#[must_use]
pub fn interrupt_waits() -> bool {
    // SAFETY: the server's flag, which signal handlers set
    unsafe { (&raw const pg_sys::InterruptPending).read_volatile() != 0 }
}

impl Default for InterruptsHeld {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for InterruptsHeld {
    fn drop(&mut self) {
        // an error has set the counter to 0
        if !std::thread::panicking() {
            // SAFETY: as above
            unsafe { pg_sys::InterruptHoldoffCount -= 1 };
        }
    }
}
