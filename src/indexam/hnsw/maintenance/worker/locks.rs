//! The locks that tell which workers there are: at which index, at which database, by which number among the workers of the
//! server, and whether one of them repairs. They are page locks on block numbers that no page has.
//!
//! They are of the method of user locks, because the end of a process releases only those outside a transaction. With the
//! default method they would outlive the worker, and no other would ever start in its place.

use pgrx::pg_sys;

/// What is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// held by the worker that is at an index of this database
    Index(u32),
    /// held by who repairs an index of this database, so that one is repaired at a time
    Repairs,
    /// shared by the workers of a database
    Database(u32),
    /// one of so many workers that the server may have
    Number(u32),
}

impl Lock {
    fn tag(self) -> pg_sys::LOCKTAG {
        // SAFETY: set when the process connected
        let here = unsafe { pg_sys::MyDatabaseId }.to_u32();
        let (database, object, kind) = match self {
            Self::Index(index) => (here, index, 0),
            Self::Repairs => (here, 0, 1),
            Self::Database(database) => (database, 0, 2),
            Self::Number(number) => (0, number, 3),
        };
        pg_sys::LOCKTAG {
            locktag_field1: database,
            locktag_field2: object,
            locktag_field3: pg_sys::InvalidBlockNumber,
            locktag_field4: kind,
            locktag_type: pg_sys::LockTagType::LOCKTAG_PAGE as u8,
            locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
        }
    }

    fn mode(self) -> pg_sys::LOCKMODE {
        let mode = if matches!(self, Self::Database(_)) { pg_sys::ShareLock } else { pg_sys::ExclusiveLock };
        mode as _
    }

    fn acquire(self, mode: pg_sys::LOCKMODE) -> bool {
        // SAFETY: a user lock of the session
        let result = unsafe { pg_sys::LockAcquire(&self.tag(), mode, true, true) };
        result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
    }

    fn release(self, mode: pg_sys::LOCKMODE) {
        // SAFETY: as above; it is held
        unsafe { pg_sys::LockRelease(&self.tag(), mode, true) };
    }

    /// Takes it; false when another has it.
    #[must_use]
    pub fn take(self) -> bool {
        self.acquire(self.mode())
    }

    /// As [`Lock::take`], although somebody may look just now whether it is taken.
    #[must_use]
    pub fn take_from_lookers(self) -> bool {
        /// how often it is tried, a millisecond apart
        const LOOKS: u32 = 5;
        (0..LOOKS).any(|_| {
            let taken = self.take();
            if !taken {
                // SAFETY: sleeps
                unsafe { pg_sys::pg_usleep(1000) };
            }
            taken
        })
    }

    /// Gives it back.
    pub fn give_back(self) {
        self.release(self.mode());
    }

    /// Whether somebody else has it.
    #[must_use]
    pub fn is_taken(self) -> bool {
        let mode = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;
        let free = self.acquire(mode);
        if free {
            self.release(mode);
        }
        !free
    }
}
