//! The pace of sessions that insert row by row while others search.
//!
//! What waits is looked at by every search, so searches slow down when it is inserted faster than it is drained. A session
//! that inserts rows one by one then sleeps for a moment now and then, so that whoever drains keeps up with it. A statement
//! that inserts many rows does so once: the list is there for such. Where nobody searches nobody sleeps; then the list grows
//! up to `pg_zvec.max_pending`.

use super::pages::Graph;
use super::writer::Maintenance;
use crate::pg::relation;
use crate::worker;
use pgrx::pg_sys;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long a session sleeps at a time.
const SLEEP_MICROSECONDS: i64 = 200;
/// How often a session looks whether somebody searches.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Who has searched within that time is taken to go on.
const LATELY: Duration = Duration::from_millis(500);

/// What a session knows of the searches of an index.
#[derive(Clone, Copy)]
struct Searches {
    index: u32,
    looked: Instant,
    seen: Option<Instant>,
}

thread_local! {
    static SEARCHES: Cell<Option<Searches>> = const { Cell::new(None) };
    /// the statement in which this session slept last, or might have
    static STATEMENT: Cell<i64> = const { Cell::new(0) };
}

/// Whether the index was searched lately, as far as looks now and then can tell.
unsafe fn is_searched(index: pg_sys::Relation) -> bool {
    // SAFETY: index is open
    let oid = unsafe { relation::oid(index) }.to_u32();
    let now = Instant::now();
    let known = SEARCHES.get().filter(|known| known.index == oid);
    let searches = match known {
        Some(known) if now.duration_since(known.looked) < LOOK_EVERY => known,
        _ => {
            // SAFETY: index is open
            let seen =
                if unsafe { relation::is_read_by_others(index) } { Some(now) } else { known.and_then(|k| k.seen) };
            let searches = Searches { index: oid, looked: now, seen };
            SEARCHES.set(Some(searches));
            searches
        }
    };
    searches.seen.is_some_and(|at| now.duration_since(at) < LATELY)
}

/// Sleeps, perhaps, after `waiting` vectors wait: the more do, the more likely.
pub unsafe fn give_time(graph: &Graph, waiting: u32) {
    // SAFETY: of this backend
    let statement = unsafe { pg_sys::GetCurrentStatementStartTimestamp() };
    if STATEMENT.replace(statement) == statement {
        return;
    }
    // SAFETY: the index is open
    if !unsafe { is_searched(graph.index.relation()) } {
        return;
    }
    let threshold = f64::from(worker::wanted_from());
    let share = (f64::from(waiting) - threshold) / (4.0 * threshold);
    // SAFETY: this backend's generator
    let chance = unsafe { pg_sys::pg_prng_double(&raw mut pg_sys::pg_global_prng_state) };
    // who holds the lock drains
    if chance < share && Maintenance::try_acquire(graph).is_none() {
        // SAFETY: sleeps
        unsafe { pg_sys::pg_usleep(SLEEP_MICROSECONDS) };
    }
}
