//! The list of indexes for which a worker was asked: in shared memory, one for the whole server.
//!
//! A preloaded library has the server set memory aside for it. Otherwise it lies in what the server sets aside for users that it
//! does not know of when it starts (as pg_prewarm's does). The list is lost in a crash, and may be full. That does no harm: it
//! only spares workers the search for work, and a worker looks at all indexes of its database now and then. Each entry changes
//! in one atomic step and no lock is taken, so a process that dies leaves nothing behind that others wait for. What does not
//! fit into one step is in [`Status`], which has a lock.

use super::status::Status;
use crate::pg::error::caught;
use crate::pg::{raw, settings};
use pgrx::pg_sys;
use std::cell::OnceCell;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Indexes that may have asked at a time; in the place of one that finds no room, all of its database are looked at.
const PLACES: usize = 256;
/// Databases of which it is known when their indexes were last looked at.
const DATABASES: usize = 64;
/// How long a worker may take to start, in milliseconds.
const STARTS_WITHIN: u32 = 1000;
/// In the place of an index: all of the database.
pub const ALL: u32 = 0;

/// The list. All zero when the server makes it, which is empty.
#[repr(C)]
pub struct Queue {
    /// database (high half) and index, 0 = free
    wishes: [AtomicU64; PLACES],
    /// `maintenance_work_mem` of who asked, in kB
    memory: [AtomicI32; PLACES],
    /// when each is needed, in the milliseconds of [`now`]
    needed: [AtomicU32; PLACES],
    /// a database for which a worker was asked of the server (high half), and when; 0 = none
    starting: AtomicU64,
    /// databases (high half) and when all their indexes were last looked at
    looked: [AtomicU64; DATABASES],
    /// somebody has found no room
    has_overflowed: AtomicBool,
    /// the launcher's place among the server's processes, counted from 1; 0: there is none
    launcher: AtomicU32,
    /// what workers are at, and have done
    pub status: Status,
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
    /// in how many milliseconds it is needed; less than 0: it was
    pub due: i32,
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

static PRELOADED: AtomicBool = AtomicBool::new(false);

/// Whether the server has loaded the library at its start.
#[must_use]
pub fn is_preloaded() -> bool {
    PRELOADED.load(Ordering::Relaxed)
}

/// The server loads the library at its start.
pub fn set_preloaded() {
    PRELOADED.store(true, Ordering::Relaxed);
}

/// The server's list; `None` when it had no memory for one.
#[must_use]
pub fn queue() -> Option<&'static Queue> {
    thread_local! {
        static KNOWN: OnceCell<Option<&'static Queue>> = const { OnceCell::new() };
    }
    KNOWN.with(|known| {
        *known.get_or_init(|| {
            let made = attach();
            if let Some(queue) = made {
                queue.status.name_lock();
            }
            made
        })
    })
}

/// Finds the list in shared memory, or makes it. Nobody else finds it before it is made.
pub fn attach() -> Option<&'static Queue> {
    const ADDIN_SHMEM_INIT_LOCK: usize = 21;
    let mut found = false;
    // SAFETY: what the server hands out lives as long as the process, is aligned to cache lines and zeroed when it is new; what
    // was begun under the lock is finished, or was not begun, when it is given back
    unsafe {
        let lock = &raw mut (*pg_sys::MainLWLockArray.add(ADDIN_SHMEM_INIT_LOCK)).lock;
        raw::LWLockAcquire(lock, pg_sys::LWLockMode::LW_EXCLUSIVE);
        let made = caught(|| pg_sys::ShmemInitStruct(c"pg_zvec workers".as_ptr(), size_of::<Queue>(), &raw mut found));
        let queue = match made {
            Ok(memory) => {
                if !found {
                    Status::init(&raw mut (*memory.cast::<Queue>()).status);
                }
                memory.cast::<Queue>().as_ref()
            }
            Err(error) => {
                error.forget();
                None
            }
        };
        raw::LWLockRelease(lock);
        queue
    }
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX).min(i32::MAX as u32)
}

impl Queue {
    /// Notes that `index` has asked, and that it needs a worker within that time; true when it had not asked before.
    pub fn add(&self, database: u32, index: u32, memory: i32, within: Duration) -> bool {
        let needed = now().wrapping_add(milliseconds(within));
        thread_local! {
            /// where this backend has found its last wish
            static LAST: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
        }
        let wish = both(database, index);
        let last = (self.wishes[LAST.get()].load(Ordering::Acquire) == wish).then(|| LAST.get());
        if let Some(place) = last.or_else(|| self.place_of(database, index)) {
            LAST.set(place);
            let before = self.needed[place].load(Ordering::Relaxed);
            if (needed.wrapping_sub(before) as i32) < 0 {
                self.needed[place].store(needed, Ordering::Relaxed);
            }
            return false;
        }
        for (place, entry) in self.wishes.iter().enumerate() {
            if entry.compare_exchange(0, wish, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                // who reads them before gets those of the wish before, which does no harm
                self.memory[place].store(memory, Ordering::Relaxed);
                self.needed[place].store(needed, Ordering::Relaxed);
                LAST.set(place);
                return true;
            }
        }
        // full: one of the database's stands for all; where it has none, the launcher looks, or a later insert asks again
        let all = both(database, ALL);
        self.place_of(database, ALL).is_none()
            && (self.wishes.iter().any(|entry| {
                let before = entry.load(Ordering::Acquire);
                high(before) == database
                    && entry.compare_exchange(before, all, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            }) || {
                self.has_overflowed.store(true, Ordering::Release);
                false
            })
    }

    /// Sets anew when a wish that stays on the list is needed.
    pub fn put_off(&self, wish: Wish, within: Duration) {
        self.needed[wish.place].store(now().wrapping_add(milliseconds(within)), Ordering::Relaxed);
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
        own.map(|(place, wish)| self.wish(place, wish)).collect()
    }

    fn wish(&self, place: usize, wish: u64) -> Wish {
        Wish {
            place,
            index: wish as u32,
            memory: self.memory[place].load(Ordering::Relaxed),
            due: self.needed[place].load(Ordering::Relaxed).wrapping_sub(now()) as i32,
        }
    }

    /// Whether half of the list is free, at least.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.len() <= PLACES / 2
    }

    /// How many wishes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.wishes.iter().filter(|entry| entry.load(Ordering::Acquire) != 0).count()
    }

    /// The databases that have wishes on the list, each once, the one first that needs a worker soonest.
    #[must_use]
    pub fn databases(&self) -> Vec<u32> {
        let mut all: Vec<(i32, u32)> = Vec::new();
        for (place, entry) in self.wishes.iter().enumerate() {
            let wish = entry.load(Ordering::Acquire);
            if wish == 0 {
                continue;
            }
            let due = self.wish(place, wish).due;
            match all.iter_mut().find(|(_, database)| *database == high(wish)) {
                Some((soonest, _)) => *soonest = due.min(*soonest),
                None => all.push((due, high(wish))),
            }
        }
        all.sort_unstable();
        all.into_iter().map(|(_, database)| database).collect()
    }

    /// In how many milliseconds a database needs a worker.
    #[must_use]
    pub fn due(&self, database: u32) -> Option<i32> {
        self.of(database).into_iter().map(|wish| wish.due).min()
    }

    /// Whether somebody has found no room since this was asked last.
    #[must_use]
    pub fn take_overflow(&self) -> bool {
        self.has_overflowed.load(Ordering::Acquire) && self.has_overflowed.swap(false, Ordering::AcqRel)
    }

    /// This process is the launcher, or is no more.
    pub fn set_launcher(&self, is_launcher: bool) {
        // SAFETY: this process's entry is one of them
        let place = unsafe { pg_sys::MyProc.offset_from((*pg_sys::ProcGlobal).allProcs) } as u32 + 1;
        self.launcher.store(if is_launcher { place } else { 0 }, Ordering::Release);
    }

    /// The launcher's process; `None` where there is none.
    #[must_use]
    pub fn launcher(&self) -> Option<*mut pg_sys::PGPROC> {
        let place = self.launcher.load(Ordering::Acquire);
        // SAFETY: noted by the launcher; entries are never unmapped
        (place != 0).then(|| unsafe { (*pg_sys::ProcGlobal).allProcs.add(place as usize - 1) })
    }

    /// Has the launcher look at the list; false where there is none.
    pub fn wake_launcher(&self) -> bool {
        let launcher = self.launcher();
        if let Some(launcher) = launcher {
            // SAFETY: a latch in shared memory; whose process has ended meanwhile, or is another's by now, is woken in vain
            unsafe { pg_sys::SetLatch(&raw mut (*launcher).procLatch) }
        }
        launcher.is_some()
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

    /// The databases of which all indexes were looked at, and for how long.
    pub fn looked(&self) -> impl Iterator<Item = (u32, Duration)> {
        let now = now();
        let known = self.looked.iter().map(|entry| entry.load(Ordering::Acquire)).filter(|&known| known != 0);
        known.map(move |known| (high(known), Duration::from_millis(u64::from(now.wrapping_sub(known as u32)))))
    }

    /// All indexes of all databases are to be looked at again.
    pub fn forget_looks(&self) {
        self.looked.iter().for_each(|entry| entry.store(0, Ordering::Release));
    }

    /// Whether all indexes of a database are to be looked at, which the caller then does.
    #[must_use]
    pub fn is_look_due(&self, database: u32) -> bool {
        let now = now();
        let mut oldest = (0, 0);
        for (place, entry) in self.looked.iter().enumerate() {
            let known = entry.load(Ordering::Acquire);
            let age = if known == 0 { u32::MAX } else { now.wrapping_sub(known as u32) };
            if high(known) == database && age < settings::look_interval() {
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
