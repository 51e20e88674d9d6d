//! Threads that work on one graph, watched by the thread that started them.
//!
//! They see the graph only and call nothing of the server. The caller's thread does no work but listens for cancellation.

#![forbid(unsafe_code)]

use crate::error::{Error, Result, SqlState};
use crate::hnsw::Node;
use crate::threads::Blocked;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// How often the caller's thread looks up.
const TICK: Duration = Duration::from_millis(20);
/// Nodes that a thread takes at a time.
pub(super) const FEW_AT_A_TIME: u32 = 16;

/// How a run is stopped and watched, from any thread.
#[derive(Default)]
pub struct Control {
    /// set: threads finish the node they are at and end
    pub stop: AtomicBool,
    /// nodes that are done
    pub done: AtomicU64,
}

impl Control {
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Calls `work` with each node of a range, spread over threads that each have one `state` and take `chunk` at a time.
///
/// # Errors
/// `Internal` if a thread panics or cannot be started.
pub(super) fn in_chunks<S>(
    nodes: Range<Node>,
    chunk: u32,
    threads: usize,
    control: &Control,
    tick: &mut dyn FnMut() -> bool,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, Node) + Sync,
) -> Result<()> {
    if nodes.is_empty() {
        return Ok(());
    }
    let next = AtomicU32::new(nodes.start);
    let threads = threads.clamp(1, nodes.len().div_ceil(chunk as usize));
    run(threads, control, tick, &|_| {
        let mut state = state();
        loop {
            let start = next.fetch_add(chunk, Ordering::Relaxed);
            if start >= nodes.end {
                return;
            }
            for node in start..start.saturating_add(chunk).min(nodes.end) {
                if control.stopped() {
                    return;
                }
                work(&mut state, node);
            }
        }
    })
}

/// Sets `stop` if the caller's thread unwinds, so that the threads it waits for then come to an end.
struct StopOnPanic<'a>(&'a Control);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs `work` on so many threads, all signals blocked in them, while this one ticks.
///
/// # Errors
/// `Internal` if a thread panics or cannot be started.
pub(super) fn run(
    threads: usize,
    control: &Control,
    tick: &mut dyn FnMut() -> bool,
    work: &(dyn Fn(usize) + Sync),
) -> Result<()> {
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        let _stop = StopOnPanic(control);
        let mut first_error = None;
        let mut running = 0;
        {
            let _blocked = Blocked::new();
            for number in 0..threads {
                let sender = sender.clone();
                let thread = std::thread::Builder::new().name(format!("pg_zvec {number}"));
                let spawned = thread.spawn_scoped(scope, move || {
                    let result = catch_unwind(AssertUnwindSafe(|| work(number)));
                    // Nobody hears it only if the caller unwinds.
                    let _ = sender.send(result.map_err(|panic| message(panic.as_ref())));
                });
                match spawned {
                    Ok(_) => running += 1,
                    // Fewer threads do the same work.
                    Err(_) if running > 0 => break,
                    Err(error) => first_error = Some(format!("could not start a thread: {error}")),
                }
            }
        }
        while running > 0 {
            match receiver.recv_timeout(TICK) {
                Ok(Ok(())) => running -= 1,
                Ok(Err(message)) => {
                    running -= 1;
                    control.stop.store(true, Ordering::Relaxed);
                    first_error.get_or_insert(format!("a thread of the index failed: {message}"));
                }
                Err(RecvTimeoutError::Timeout) => {
                    if !tick() {
                        control.stop.store(true, Ordering::Relaxed);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        first_error.map_or(Ok(()), |message| Err(Error::new(SqlState::Internal, message)))
    })
}

/// What a panic said.
fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panic without a message").to_owned()
}
