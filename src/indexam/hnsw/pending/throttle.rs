//! The insert throttle: sessions that insert row by row sleep for moments while others search.
//!
//! Every search scores the whole pending list, so searches slow down when rows are inserted faster than they are drained.
//! Then a session that inserts rows one by one sleeps for a moment now and then, so that the drain keeps up with it. A
//! statement that inserts many rows sleeps once at the most: the list is there for such statements. While nobody searches
//! nobody sleeps, and the list grows up to `pg_zvec.max_pending`.
//!
//! A session that plans a query of the table locks its indexes like one that searches them, until the end of its transaction,
//! and is taken for one. That costs an inserting session what it would insert faster than is drained, and nobody else
//! anything.

use crate::hnsw::upkeep::sleep_probability;
use crate::indexam::hnsw::maintenance::lock::MaintenanceLock;
use crate::indexam::hnsw::pages::Graph;
use crate::pg::relation::Rel;
use pgrx::pg_sys;
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// How long a session sleeps at a time.
const SLEEP_MICROSECONDS: i64 = 200;
/// How often a session looks whether somebody searches.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Who has searched within that time is taken to go on.
const LATELY: Duration = Duration::from_millis(500);

/// Of how many indexes a session remembers whether they are searched.
const MOST_INDEXES: usize = 16;

/// What a session knows of an index.
#[derive(Clone, Copy)]
struct Known {
    index: u32,
    /// when it was last looked whether somebody searches, and when somebody was seen
    looked: Option<Instant>,
    seen: Option<Instant>,
    /// the statement in which the session slept last for this index, or might have
    statement: i64,
}

thread_local! {
    /// the indexes that rows were inserted into last, the last one last
    static KNOWN: RefCell<Vec<Known>> = const { RefCell::new(Vec::new()) };
}

/// Whether others search an open index, as far as looks now and then can tell, and the present statement has not been asked
/// for that index yet.
fn is_due(index: Rel<'_>) -> bool {
    // SAFETY: index is open; the rest is of this backend
    let (oid, statement) = unsafe { (index.oid().to_u32(), pg_sys::GetCurrentStatementStartTimestamp()) };
    KNOWN.with_borrow_mut(|all| {
        let new = Known { index: oid, looked: None, seen: None, statement: 0 };
        let mut known = all.iter().position(|known| known.index == oid).map_or(new, |at| all.remove(at));
        let is_first = std::mem::replace(&mut known.statement, statement) != statement;
        let now = Instant::now();
        if is_first && known.looked.is_none_or(|at| now.duration_since(at) >= LOOK_EVERY) {
            known.looked = Some(now);
            if index.is_read_by_others() {
                known.seen = Some(now);
            }
        }
        if all.len() >= MOST_INDEXES {
            all.remove(0);
        }
        all.push(known);
        is_first && known.seen.is_some_and(|at| now.duration_since(at) < LATELY)
    })
}

/// Sleeps, perhaps, after `waiting` vectors wait: the more do, the more likely.
pub fn give_time(graph: &Graph, waiting: u32) {
    if !is_due(graph.index.relation()) {
        return;
    }
    // SAFETY: this backend's generator
    let chance = unsafe { pg_sys::pg_prng_double(&raw mut pg_sys::pg_global_prng_state) };
    // who holds the lock drains
    if chance < sleep_probability(waiting) && MaintenanceLock::try_acquire(graph).is_none() {
        // SAFETY: sleeps
        unsafe { pg_sys::pg_usleep(SLEEP_MICROSECONDS) };
    }
}
