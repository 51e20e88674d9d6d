//! What workers are at, and what they did last: in shared memory beside the list, under a lock of its own, since it does not
//! fit into one atomic step. Whoever has the lock only copies, so that nothing can fail meanwhile.

use crate::pg::raw;
use pgrx::pg_sys;
use std::cell::UnsafeCell;

/// Workers of which it is shown what they are at: those with the lowest numbers.
const WORKERS: usize = 64;
/// Bytes of a message that are kept.
const MESSAGE: usize = 256;
/// Bytes of a name, as the server has them.
const NAME: usize = pg_sys::NAMEDATALEN as usize;

/// A text of up to so many bytes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Text<const N: usize>([u8; N]);

impl<const N: usize> Text<N> {
    /// The beginning of `text`, as much as there is room for.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut bytes = [0; N];
        let mut end = text.len().min(N);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        bytes[..end].copy_from_slice(&text.as_bytes()[..end]);
        Self(bytes)
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        let end = self.0.iter().position(|&byte| byte == 0).unwrap_or(N);
        String::from_utf8_lossy(&self.0[..end]).into_owned()
    }
}

/// An index, and who may know of it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct IndexName {
    /// its owner; 0: there is no index
    pub owner: u32,
    /// its name
    pub name: Text<NAME>,
}

impl IndexName {
    /// No index.
    pub const NONE: Self = Self { owner: 0, name: Text([0; NAME]) };
}

/// What is done at an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Work {
    /// nothing
    Nothing = 0,
    /// pending vectors are moved into graphs
    Drain = 1,
    /// dead nodes are taken out
    Repair = 2,
}

/// A worker.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Worker {
    /// its process; 0: there is none
    pub pid: i32,
    /// its database
    pub database: u32,
    /// what it is at
    pub work: Work,
    /// the index that it is at
    pub index: IndexName,
}

/// What happened.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Event {
    /// when; 0: it has not happened
    pub at: pg_sys::TimestampTz,
    /// in which database
    pub database: u32,
    /// at which index
    pub index: IndexName,
    /// how many vectors were drained
    pub vectors: u64,
    /// an error's message
    pub message: Text<MESSAGE>,
}

/// What is known of all workers.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Known {
    /// by their numbers
    pub workers: [Worker; WORKERS],
    /// the last turn in which vectors were drained
    pub last_drain: Event,
    /// the last error
    pub last_error: Event,
}

/// It, and its lock. All zero, but for the lock, is nothing known.
#[repr(C)]
pub struct Status {
    lock: UnsafeCell<pg_sys::LWLock>,
    known: UnsafeCell<Known>,
}

impl Status {
    /// Makes the lock of what nobody else has found yet, and is all zero.
    pub unsafe fn init(status: *mut Self) {
        // SAFETY: by contract
        unsafe { pg_sys::LWLockInitialize((*status).lock.get(), pg_sys::LWLockNewTrancheId()) }
    }

    /// Lets this process show who waits for the lock.
    pub fn name_lock(&self) {
        // SAFETY: made before the list could be found; the name lives as long as the process
        unsafe {
            let tranche = i32::from((*self.lock.get()).tranche);
            pg_sys::LWLockRegisterTranche(tranche, c"pg_zvec workers".as_ptr());
        }
    }

    /// Runs `work`, which only copies, with the lock. It is held off meanwhile that the process ends.
    fn locked<R>(&self, mode: pg_sys::LWLockMode::Type, work: impl FnOnce(*mut Known) -> R) -> R {
        // SAFETY: made before the list could be found
        unsafe {
            raw::LWLockAcquire(self.lock.get(), mode);
            let result = work(self.known.get());
            raw::LWLockRelease(self.lock.get());
            result
        }
    }

    fn change(&self, work: impl FnOnce(&mut Known)) {
        // SAFETY: nobody else has it
        self.locked(pg_sys::LWLockMode::LW_EXCLUSIVE, |known| work(unsafe { &mut *known }));
    }

    /// All that is known.
    #[must_use]
    pub fn known(&self) -> Box<Known> {
        // SAFETY: nobody changes it
        self.locked(pg_sys::LWLockMode::LW_SHARED, |known| unsafe { Box::new(*known) })
    }

    /// Says what the worker of that number is at.
    pub fn set_worker(&self, number: u32, worker: Worker) {
        self.change(|known| {
            if let Some(place) = known.workers.get_mut(number as usize) {
                *place = worker;
            }
        });
    }

    /// The worker `pid` of that number is no more.
    pub fn clear_worker(&self, number: u32, pid: i32) {
        self.change(|known| {
            if let Some(place) = known.workers.get_mut(number as usize).filter(|worker| worker.pid == pid) {
                place.pid = 0;
            }
        });
    }

    /// Notes that vectors were drained.
    pub fn note_drain(&self, event: Event) {
        self.change(|known| known.last_drain = event);
    }

    /// Notes an error.
    pub fn note_error(&self, event: Event) {
        self.change(|known| known.last_error = event);
    }

    /// How many workers there are, of those that are shown.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.known().workers.iter().filter(|worker| worker.pid != 0).count()
    }
}
