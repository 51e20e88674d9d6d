//! What the threads of a run share.

use crate::contents::Table;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often each thing happened.
pub type Counts = BTreeMap<&'static str, u64>;

/// What the threads share.
pub struct Run {
    pub tables: Arc<[Table]>,
    pub sessions: usize,
    pub seed: u64,
    pub until: Instant,
    stop: AtomicBool,
    failures: Mutex<Vec<String>>,
    counts: Mutex<Counts>,
    tags: AtomicU32,
    versions: AtomicU32,
}

/// Why a statement did not succeed.
#[derive(Debug)]
pub enum Fail {
    /// a serialization failure or a deadlock: the transaction can be tried again
    Retry(&'static str),
    /// anything else: the run has failed
    Fatal(String),
}

impl From<String> for Fail {
    fn from(message: String) -> Self {
        Fail::Fatal(message)
    }
}

/// The settings of every connection. A statement that hangs is a failure.
pub const SETTINGS: &str = "SET statement_timeout = '90s'; SET client_min_messages = error; \
                            SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 0; \
                            SET jit = off; SET synchronous_commit = off";

impl Run {
    pub fn new(sessions: usize, seed: u64, seconds: u64) -> Self {
        Self {
            tables: Table::all(sessions),
            sessions,
            seed,
            until: Instant::now() + Duration::from_secs(seconds),
            stop: AtomicBool::new(false),
            failures: Mutex::default(),
            counts: Mutex::default(),
            tags: AtomicU32::new(0),
            versions: AtomicU32::new(0),
        }
    }

    /// The time is up, or something has failed.
    pub fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || Instant::now() >= self.until
    }

    pub fn fail(&self, who: &str, what: &str) {
        self.stop.store(true, Ordering::Relaxed);
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{who}: {what}"));
    }

    pub fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn count(&self, counts: &Counts) {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (what, n) in counts {
            *all.entry(what).or_default() += n;
        }
    }

    pub fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A tag that no vector has had.
    pub fn tag(&self) -> u32 {
        self.tags.fetch_add(1, Ordering::Relaxed) % (1 << 24)
    }

    /// A number for a text that no row has had.
    pub fn version(&self) -> i32 {
        (self.versions.fetch_add(1, Ordering::Relaxed) % i32::MAX as u32) as i32 + 1
    }

    /// Waits, but not beyond the end of the run.
    pub fn pause(&self, milliseconds: u64) {
        let end = (Instant::now() + Duration::from_millis(milliseconds)).min(self.until);
        while Instant::now() < end && !self.is_over() {
            std::thread::sleep(Duration::from_millis(10).min(end - Instant::now().min(end)));
        }
    }
}
