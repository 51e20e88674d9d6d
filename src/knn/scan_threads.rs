//! Threads that share one pass over the vectors with the backend's own thread.
//!
//! The backend's own thread reads the slots, and decides which vectors are to be measured. All threads measure, the backend's
//! own included. The others call no function of the server: they pin the pages that vectors are on themselves
//! (`pg/buffer/thread_pin.rs`), in the buffers in which the backend's own thread has found them. A vector whose page is not
//! there any more goes back to the backend's own thread, which reads the page in the server's way, and reports what is wrong
//! with it.
//!
//! Each thread keeps the nearest vectors that it has measured. The nearest of all are among those of all threads.

use crate::error::{Error, Result, SqlState};
use crate::format::page::PageBytes;
use crate::knn::measure::{PageSource, offer};
use crate::knn::query::Measure;
use crate::knn::result_queue::{Found, TopK};
use crate::pg::buffer::file;
use crate::pg::buffer::file::Reader;
use crate::pg::buffer::thread_pin;
use crate::pg::buffer::thread_pin::{InterruptsHeld, Owed, Pin, may_pin};
use crate::pg::error::{OrRaise, contained};
use crate::pg::{memory, process, settings};
use crate::store::PagePlaces;
use crate::threads;
use crate::threads::Processors;
use pgrx::pg_sys;
use std::collections::VecDeque;
use std::ops::{Add, Range};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

/// Tasks for each thread that wait to be taken, at the most: enough that none finds nothing to do while the backend's thread is
/// at a task of its own.
const READY_EACH: usize = 4;
/// Vectors that the backend's own thread measures before it looks whether an interrupt waits.
const AT_A_TIME: usize = 16;
/// Bytes of a thread's stack.
const STACK: usize = 256 << 10;
/// Beyond so many rows kept each thread would need much memory of its own.
const MOST_KEPT: usize = 16_000;

/// How many threads are to help where vectors take so many `pages`: as many as the server would start parallel workers for a
/// table of that size, but up to `pg_zvec.query_threads`; none where they may not read pages.
#[must_use]
pub fn wanted(pages: u32) -> usize {
    if !may_pin() {
        return 0;
    }
    // SAFETY: a setting of this backend
    let least = unsafe { pg_sys::min_parallel_table_scan_size };
    let (mut helpers, mut threshold) = (0, u64::from(least.max(1).unsigned_abs()));
    while helpers < settings::query_threads() && threshold <= u64::from(pages) {
        helpers += 1;
        threshold *= 3;
    }
    helpers
}

/// How many do, where each keeps `kept` rows: no more than there are processors that nobody else of the server needs just now, and
/// none in a parallel query, which has processes for that.
#[must_use]
pub fn size(pages: u32, kept: usize) -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    let helpers = wanted(pages);
    // SAFETY: state of this backend
    if helpers == 0 || kept > MOST_KEPT || unsafe { pg_sys::IsInParallelMode() } {
        return 0;
    }
    let processors = PROCESSORS.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from));
    helpers.min(processors.saturating_sub(1 + process::busy_others()))
}

/// Vectors of which the distance is wanted.
pub type Task = Vec<Found>;

#[derive(Default)]
struct QueueState {
    ready: VecDeque<Task>,
    /// what threads could not measure
    missed: Task,
    closed: bool,
    /// threads that wait for a task
    idle: usize,
}

/// What is to be done, and what could not be.
struct Queue {
    state: Mutex<QueueState>,
    change: Condvar,
    most: usize,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a task; gives it back when enough are waiting.
    fn add(&self, task: Task) -> Option<Task> {
        let mut state = self.lock();
        if state.ready.len() >= self.most {
            return Some(task);
        }
        state.ready.push_back(task);
        if state.idle > 0 {
            self.change.notify_one();
        }
        None
    }

    /// The next task, when there is one; `None` when there is none, or none will come any more.
    fn take(&self, wait: bool) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if let Some(task) = state.ready.pop_front() {
                return Some(task);
            }
            if state.closed || !wait {
                return None;
            }
            state.idle += 1;
            state = self.change.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    fn miss(&self, found: &[Found]) {
        if !found.is_empty() {
            self.lock().missed.extend(found);
        }
    }

    fn missed(&self) -> Task {
        std::mem::take(&mut self.lock().missed)
    }

    /// No task comes any more. Those that wait are dropped if `hurry`.
    fn close(&self, hurry: bool) {
        let mut state = self.lock();
        state.closed = true;
        if hurry {
            state.ready.clear();
        }
        self.change.notify_all();
    }
}

/// The threads, which end, and are waited for, before it is gone.
struct ScanThreads<'q> {
    queue: &'q Queue,
    threads: Vec<JoinHandle<(TopK, Count)>>,
}

impl ScanThreads<'_> {
    /// Lets the threads do what is left, and brings together what they found. Returns how many pages they have pinned and read.
    ///
    /// # Errors
    /// `Internal` if one of them panicked.
    fn finish(mut self, best: &mut TopK) -> Result<Count> {
        self.queue.close(false);
        let mut result = Ok(Count::default());
        for thread in self.threads.drain(..) {
            match thread.join() {
                Ok((theirs, count)) => {
                    best.absorb(theirs);
                    result = result.map(|sum| sum + count);
                }
                Err(_) => result = Err(Error::new(SqlState::Internal, "a thread of the scan failed")),
            }
        }
        result
    }
}

impl Drop for ScanThreads<'_> {
    fn drop(&mut self) {
        self.queue.close(true);
        for thread in self.threads.drain(..) {
            // what it found nobody wants any more
            drop(thread.join());
        }
    }
}

/// Drops what threads could not drop, when they have ended.
struct Settling<'o>(&'o Owed);

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        // SAFETY: in the backend's own thread
        unsafe { self.0.settle() }
    }
}

/// The pages that a thread reads.
struct ThreadPages<'p> {
    places: PagePlaces<'p>,
    owed: &'p Owed,
    /// the one that is pinned
    current: Option<(u32, Pin<'p>, usize)>,
    files: Option<Reader<'p>>,
    /// those that were read from the files
    read: Range<u32>,
    /// pages from here on are not wanted
    end: u32,
    count: Count,
}

/// How many pages were pinned, and how many read from the files.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    pinned: i64,
    read: i64,
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { pinned: self.pinned + other.pinned, read: self.read + other.read }
    }
}

impl PageSource for ThreadPages<'_> {
    #[inline]
    fn page(&mut self, ordinal: u32) -> Option<(&PageBytes, usize)> {
        if !self.read.contains(&ordinal) && self.current.as_ref().is_none_or(|(at, ..)| *at != ordinal) {
            self.go_to(ordinal)?;
        }
        match (&self.current, &self.files) {
            (Some((_, pin, next)), _) => Some((pin.page(), *next)),
            (None, Some(files)) => Some((files.page(ordinal - self.read.start), 0)),
            (None, None) => None,
        }
    }
}

impl<'p> ThreadPages<'p> {
    fn new(places: PagePlaces<'p>, owed: &'p Owed) -> Self {
        let files = places.files().map(Reader::new);
        Self { places, owed, current: None, files, read: 0..0, end: 0, count: Count::default() }
    }

    /// Pins page `ordinal`, or reads it and those after it; `None` when neither can be done here.
    fn go_to(&mut self, ordinal: u32) -> Option<()> {
        self.current = None;
        self.read = 0..0;
        if let Some((pin, next)) = self.places.pin(ordinal, self.owed) {
            self.count.pinned += 1;
            self.current = Some((ordinal, pin, next));
            return Some(());
        }
        let files = self.files.as_mut()?;
        let (block, count) = self.places.in_files(ordinal, self.end.min(ordinal + file::AT_A_TIME))?;
        let read = files.read(block, count);
        let sound = (0..read).take_while(|&index| self.places.is_page(ordinal + index, files.page(index))).count();
        self.count.read += i64::from(read);
        self.read = ordinal..ordinal + sound as u32;
        (sound > 0).then_some(())
    }

    /// Measures a task's vectors and offers them to `best`; returns those that it could not read.
    fn measure(&mut self, task: Task, measure: Measure<'_>, best: &mut TopK) -> Task {
        let geometry = self.places.segment().geometry;
        self.end = task.last().map_or(0, |last| geometry.pages(last.slot.position()).end() + 1);
        let missed = task.into_iter().filter(|&found| !offer(measure, geometry, found, self, best)).collect();
        self.current = None;
        missed
    }
}

/// What a thread does: tasks, until there are none.
fn work(
    queue: &Queue,
    mut processors: Option<Processors>,
    mut reading: ThreadPages<'_>,
    measure: Measure<'_>,
    mut best: TopK,
) -> (TopK, Count) {
    // tasks come when all threads have been started, and moved
    while let Some(task) = queue.take(true) {
        if let Some(processors) = processors.take() {
            processors.allow();
        }
        queue.miss(&reading.measure(task, measure, &mut best));
    }
    (best, reading.count)
}

/// Has `helpers` threads and the caller's measure the tasks that `next` gives, all of vectors in the segment of `places`, and
/// offers them to `best`. `own` measures in the caller's thread what cannot be read without the server.
///
/// Returns true when there are no more tasks; false when an interrupt wants to be served first, which it cannot be while
/// threads run.
pub fn share(
    helpers: usize,
    places: PagePlaces<'_>,
    measure: Measure<'_>,
    best: &mut TopK,
    mut next: impl FnMut() -> Option<Task>,
    mut own: impl FnMut(Found, &mut TopK),
) -> bool {
    // fewer threads do the same work
    let helpers = memory::threads(helpers, STACK, 2 * best.most() * size_of::<Found>());
    let queue = Queue { state: Mutex::default(), change: Condvar::new(), most: READY_EACH * helpers };
    let owed = Owed::default();
    let held = InterruptsHeld::new();
    let settling = Settling(&owed);
    let mut complete = false;
    let mut threads = ScanThreads { queue: &queue, threads: Vec::with_capacity(helpers) };
    {
        let _blocked = threads::Blocked::new();
        let processors = Processors::of_this_thread();
        for number in 0..helpers {
            let (queue, fresh) = (&queue, best.fresh());
            let reading = ThreadPages::new(places, &owed);
            let thread = std::thread::Builder::new().name(format!("pg_zvec {number}")).stack_size(STACK);
            // SAFETY: `threads`, which is made after all that the thread borrows and dropped before, waits for it
            let started = unsafe { thread.spawn_unchecked(move || work(queue, processors, reading, measure, fresh)) };
            // fewer threads do the same work
            let Ok(started) = started else { break };
            if let Some(processors) = processors {
                processors.begin_elsewhere(&started);
            }
            threads.threads.push(started);
        }
    }
    let mut reading = ThreadPages::new(places, &owed);
    let mut missed = Task::new();
    while !thread_pin::interrupt_waits() {
        // SAFETY: this frame, which waits for the threads, is unwound
        let Some(task) = (unsafe { contained(&mut next) }) else {
            complete = true;
            break;
        };
        if task.is_empty() {
            continue;
        }
        if let Some(task) = if threads.threads.is_empty() { Some(task) } else { queue.add(task) } {
            missed.extend(reading.measure(task, measure, best));
        }
        missed.append(&mut queue.missed());
        while !missed.is_empty() && !thread_pin::interrupt_waits() {
            let found = missed.split_off(missed.len().saturating_sub(AT_A_TIME));
            // SAFETY: as above
            unsafe { contained(|| found.into_iter().for_each(|found| own(found, best))) };
        }
        // SAFETY: as above
        unsafe { contained(|| owed.settle()) };
    }
    while let Some(task) = queue.take(false) {
        missed.extend(reading.measure(task, measure, best));
    }
    let finished = threads.finish(best);
    missed.append(&mut queue.missed());
    drop(settling);
    drop(held);
    let count = finished.or_raise() + reading.count;
    // SAFETY: the server's statistics of this backend
    unsafe {
        pg_sys::pgBufferUsage.shared_blks_hit += count.pinned;
        pg_sys::pgBufferUsage.shared_blks_read += count.read;
    }
    for found in missed {
        pgrx::check_for_interrupts!();
        own(found, best);
    }
    complete
}
