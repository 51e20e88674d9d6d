//! The list of indexes for which a worker was asked: in shared memory, one for the whole server.
//!
//! It lies in the memory that the server sets aside for users that it does not know of when it starts (as pg_prewarm's does),
//! so no library need be preloaded. The list is lost in a crash, and may be full. That does no harm: it only spares workers
//! the search for work, and a worker looks at all indexes of its database now and then. Each entry changes in one atomic step
//! and no lock is taken, so a process that dies leaves nothing behind that others wait for.

use crate::pg::error::caught;
use pgrx::pg_sys;
use std::cell::OnceCell;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

/// Indexes that may have asked at a time; in the place of one that finds no room, all of its database are looked at.
const PLACES: usize = 256;
/// Databases of which it is known when their indexes were last looked at.
const DATABASES: usize = 64;
/// How long a worker may take to start, in milliseconds.
const STARTS_WITHIN: u32 = 1000;
/// After so many milliseconds all indexes of a database are looked at again.
const LOOK_EVERY: u32 = 600_000;
/// In the place of an index: all of the database.
pub const ALL: u32 = 0;

/// The list. All zero when the server makes it, which is empty.
#[repr(C)]
pub struct Queue {
    /// database (high half) and index, 0 = free
    wishes: [AtomicU64; PLACES],
    /// `maintenance_work_mem` of who asked, in kB
    memory: [AtomicI32; PLACES],
    /// a database for which a worker was asked of the server (high half), and when; 0 = none
    starting: AtomicU64,
    /// databases (high half) and when all their indexes were last looked at
    looked: [AtomicU64; DATABASES],
}

/// An index that has asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// where it is in the list
    pub place: usize,
    /// the index, or [`ALL`]
    pub index: u32,
    /// kB that work in memory may take
    pub memory: i32,
}

fn both(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn high(both: u64) -> u32 {
    (both >> 32) as u32
}

/// Milliseconds, of which only differences mean something.
fn now() -> u32 {
    // SAFETY: the clock
    (unsafe { pg_sys::GetCurrentTimestamp() } / 1000) as u32
}

/// The server's list; `None` when it had no memory for one.
#[must_use]
pub fn queue() -> Option<&'static Queue> {
    thread_local! {
        static KNOWN: OnceCell<Option<&'static Queue>> = const { OnceCell::new() };
    }
    let find = || {
        let mut found = false;
        // SAFETY: what the server hands out lives as long as the process, is aligned to cache lines and zeroed when it is new
        unsafe {
            let made =
                caught(|| pg_sys::ShmemInitStruct(c"pg_zvec workers".as_ptr(), size_of::<Queue>(), &raw mut found));
            match made {
                Ok(memory) => memory.cast::<Queue>().as_ref(),
                Err(error) => {
                    error.forget();
                    None
                }
            }
        }
    };
    KNOWN.with(|known| *known.get_or_init(find))
}

impl Queue {
    /// Notes that `index` has asked; true when it had not before.
    pub fn add(&self, database: u32, index: u32, memory: i32) -> bool {
        thread_local! {
            /// where this backend has found its last wish
            static LAST: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
        }
        let wish = both(database, index);
        if self.wishes[LAST.get()].load(Ordering::Acquire) == wish {
            return false;
        }
        if let Some(place) = self.place_of(database, index) {
            LAST.set(place);
            return false;
        }
        for (place, entry) in self.wishes.iter().enumerate() {
            if entry.compare_exchange(0, wish, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                self.memory[place].store(memory, Ordering::Relaxed);
                LAST.set(place);
                return true;
            }
        }
        // full: one of the database's stands for all; where it has none, a later insert asks again
        let all = both(database, ALL);
        self.place_of(database, ALL).is_none()
            && self.wishes.iter().any(|entry| {
                let before = entry.load(Ordering::Acquire);
                high(before) == database
                    && entry.compare_exchange(before, all, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            })
    }

    fn place_of(&self, database: u32, index: u32) -> Option<usize> {
        self.wishes.iter().position(|entry| entry.load(Ordering::Acquire) == both(database, index))
    }

    /// Whether `index` has asked.
    #[must_use]
    pub fn has(&self, database: u32, index: u32) -> bool {
        self.place_of(database, index).is_some()
    }

    /// Takes a wish off the list.
    pub fn remove(&self, database: u32, wish: Wish) {
        let entry = &self.wishes[wish.place];
        // another wish may stand there by now, which stays
        let _ = entry.compare_exchange(both(database, wish.index), 0, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Takes all wishes of a database off the list.
    pub fn remove_all(&self, database: u32) {
        for wish in self.of(database) {
            self.remove(database, wish);
        }
    }

    /// What a database's indexes have asked for.
    #[must_use]
    pub fn of(&self, database: u32) -> Vec<Wish> {
        let wishes = self.wishes.iter().enumerate().map(|(place, entry)| (place, entry.load(Ordering::Acquire)));
        let own = wishes.filter(|&(_, wish)| wish != 0 && high(wish) == database);
        own.map(|(place, wish)| Wish { place, index: wish as u32, memory: self.memory[place].load(Ordering::Relaxed) })
            .collect()
    }

    /// The databases that have wishes on the list, each once.
    #[must_use]
    pub fn databases(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.wishes.iter().map(|entry| high(entry.load(Ordering::Acquire))).collect();
        all.retain(|&database| database != 0);
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Begins to start a worker for a database; false when one is being started.
    pub fn begin_start(&self, database: u32) -> bool {
        let before = self.starting.load(Ordering::Acquire);
        let now = now();
        let is_over = before == 0 || now.wrapping_sub(before as u32) > STARTS_WITHIN;
        is_over
            && self.starting.compare_exchange(before, both(database, now), Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// A worker for the database has been started, or could not be.
    pub fn end_start(&self, database: u32) {
        let before = self.starting.load(Ordering::Acquire);
        if high(before) == database {
            let _ = self.starting.compare_exchange(before, 0, Ordering::AcqRel, Ordering::Relaxed);
        }
    }

    /// Whether a worker is being started for the database.
    #[must_use]
    pub fn is_starting(&self, database: u32) -> bool {
        let before = self.starting.load(Ordering::Acquire);
        high(before) == database && now().wrapping_sub(before as u32) <= STARTS_WITHIN
    }

    /// Whether all indexes of a database are to be looked at, which the caller then does.
    #[must_use]
    pub fn is_look_due(&self, database: u32) -> bool {
        let now = now();
        let mut oldest = (0, 0);
        for (place, entry) in self.looked.iter().enumerate() {
            let known = entry.load(Ordering::Acquire);
            let age = if known == 0 { u32::MAX } else { now.wrapping_sub(known as u32) };
            if high(known) == database && age < LOOK_EVERY {
                return false;
            }
            if high(known) == database {
                oldest = (place, u32::MAX);
            } else if age > oldest.1 {
                oldest = (place, age);
            }
        }
        self.looked[oldest.0].store(both(database, now), Ordering::Release);
        true
    }
}
