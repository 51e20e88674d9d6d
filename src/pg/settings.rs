//! Settings.
//!
//! What a session sets while it searches is named `zvec.*`; what concerns storage, maintenance, memory, threads and logging,
//! `pg_zvec.*`.
//! Names of either prefix that are not defined here are refused. README.md has them all in one table.

use pgrx::pg_sys;
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};

static mut SEGMENT_CAPACITY: i32 = 0;
static mut EF_SEARCH: i32 = 64;
static mut MAX_PENDING: i32 = 10_000;
static mut OPTIMIZE_THREADS: i32 = 2;
static mut REBUILD_THRESHOLD: f64 = 0.2;
static mut BACKGROUND_DRAIN: bool = true;
static mut MAX_DRAIN_WORKERS: i32 = -1;
static mut QUERY_THREADS: i32 = 4;
static mut MAX_BUFFER_SIZE: i32 = 64 << 10;
static mut LOG_LEVEL: i32 = LogLevel::Warn as i32;
static mut ENABLE_EXACT_SCAN: bool = true;
static mut ENABLE_GRAPH_SCAN: bool = true;
static mut HINT_MEMORY: i32 = 32 << 10;
static mut DATA_DIR: *mut std::ffi::c_char = std::ptr::null_mut();
static OPTIMISTIC_READS: AtomicBool = AtomicBool::new(true);
#[cfg(feature = "failpoints")]
static mut FAILPOINT: *mut std::ffi::c_char = std::ptr::null_mut();

/// The most slots a new segment may have; 0 = as many as its format allows.
#[must_use]
pub fn segment_capacity() -> u32 {
    // SAFETY: written by the server's settings code in this backend's only thread; never negative
    unsafe { SEGMENT_CAPACITY as u32 }
}

/// How many visible rows a graph search keeps while it looks for the nearest.
#[must_use]
pub fn ef_search() -> u32 {
    // SAFETY: as above
    unsafe { EF_SEARCH as u32 }
}

/// Sets `zvec.ef_search` until the settings' nest level that the caller has begun is left. The server raises its error
/// for a value out of range.
pub fn set_ef_search(value: i32) {
    let value = std::ffi::CString::new(value.to_string()).unwrap_or_default();
    // SAFETY: the server copies the strings
    unsafe {
        pg_sys::set_config_option(
            c"zvec.ef_search".as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SAVE,
            true,
            0,
            false,
        );
    }
}

/// How many vectors may wait outside a graph before those who insert move some into it.
#[must_use]
pub fn max_pending() -> u32 {
    // SAFETY: as above
    unsafe { MAX_PENDING as u32 }
}

/// How many threads build a graph.
#[must_use]
pub fn optimize_threads() -> u32 {
    // SAFETY: as above
    unsafe { OPTIMIZE_THREADS as u32 }
}

/// The share of dead nodes above which VACUUM repairs a graph.
#[must_use]
pub fn rebuild_threshold() -> f64 {
    // SAFETY: as above
    unsafe { REBUILD_THRESHOLD }
}

/// Whether background workers may drain pending lists.
#[must_use]
pub fn background_drain() -> bool {
    // SAFETY: as above
    unsafe { BACKGROUND_DRAIN }
}

/// How many background workers the server may have for that; `None` when that is left to the library: one, or where it is
/// preloaded one for each database that needs it.
#[must_use]
pub fn max_drain_workers() -> Option<u32> {
    // SAFETY: as above
    u32::try_from(unsafe { MAX_DRAIN_WORKERS }).ok()
}

/// How many threads may help one search.
#[must_use]
pub fn query_threads() -> usize {
    // SAFETY: as above
    unsafe { QUERY_THREADS as usize }
}

/// Bytes of codes that a session keeps for pending vectors, and that a worker takes for what it drains in memory at a time.
#[must_use]
pub fn max_buffer_size() -> usize {
    // SAFETY: as above
    unsafe { MAX_BUFFER_SIZE as usize * 1024 }
}

/// How much workers write to the log. Each level has those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum LogLevel {
    /// what workers are at
    Debug = 0,
    /// what was done at which index
    Info = 1,
    /// what keeps work from being done
    Warn = 2,
    /// errors only
    Error = 3,
}

/// Whether workers write messages of that level to the log.
#[must_use]
pub fn logs(level: LogLevel) -> bool {
    // SAFETY: as above
    level as i32 >= unsafe { LOG_LEVEL }
}

/// Whether the planner may use scans of graphs that take conditions into account.
#[must_use]
pub fn enable_graph_scan() -> bool {
    // SAFETY: as above
    unsafe { ENABLE_GRAPH_SCAN }
}

/// Bytes that a session may take to remember in which buffers pages are.
#[must_use]
pub fn hint_memory() -> usize {
    // SAFETY: as above
    unsafe { HINT_MEMORY as usize * 1024 }
}

/// Whether the planner may have a table without a fitting index scanned in order of distance.
#[must_use]
pub fn enable_exact_scan() -> bool {
    // SAFETY: as above
    unsafe { ENABLE_EXACT_SCAN }
}

/// Whether pages may be read past the server's pins and locks ([`crate::pg::buffer::optimistic`]). May be asked by threads.
#[inline(always)]
#[must_use]
pub fn optimistic_reads() -> bool {
    OPTIMISTIC_READS.load(Ordering::Relaxed)
}

/// The names of [`LogLevel`], as the server wants them.
struct LogLevels([pg_sys::config_enum_entry; 5]);

// SAFETY: constants
unsafe impl Sync for LogLevels {}

static LOG_LEVELS: LogLevels = {
    const fn entry(name: &'static CStr, level: LogLevel) -> pg_sys::config_enum_entry {
        pg_sys::config_enum_entry { name: name.as_ptr(), val: level as i32, hidden: false }
    }
    LogLevels([
        entry(c"debug", LogLevel::Debug),
        entry(c"info", LogLevel::Info),
        entry(c"warn", LogLevel::Warn),
        entry(c"error", LogLevel::Error),
        pg_sys::config_enum_entry { name: std::ptr::null(), val: 0, hidden: false },
    ])
};

/// The tablespace of collections that are made without one; empty for the database's.
#[must_use]
pub fn data_dir() -> String {
    // SAFETY: written by the server's settings code in this backend's only thread; null or a string
    unsafe { if DATA_DIR.is_null() { String::new() } else { CStr::from_ptr(DATA_DIR).to_string_lossy().into_owned() } }
}

/// An integer setting.
struct Int {
    name: &'static CStr,
    short: &'static CStr,
    long: &'static CStr,
    variable: *mut i32,
    default: i32,
    least: i32,
    most: i32,
    context: pg_sys::GucContext::Type,
    flags: i32,
}

impl Int {
    unsafe fn define(&self) {
        // SAFETY: called once, when the library is loaded; the strings and the variable live as long as the process
        unsafe {
            pg_sys::DefineCustomIntVariable(
                self.name.as_ptr(),
                self.short.as_ptr(),
                self.long.as_ptr(),
                self.variable,
                self.default,
                self.least,
                self.most,
                self.context,
                self.flags,
                None,
                None,
                None,
            );
        }
    }
}

/// Makes the settings known to the server.
pub unsafe fn define() {
    let user = pg_sys::GucContext::PGC_USERSET;
    let ints = [
        Int {
            name: c"pg_zvec.segment_capacity",
            short: c"Sets the most vectors that a new segment of a zvec table may have.",
            long: c"0 means as many as the format allows. For tests: small segments cost speed and gain nothing.",
            variable: &raw mut SEGMENT_CAPACITY,
            default: 0,
            least: 0,
            most: crate::format::store::ids::MAX_POSITIONS as i32,
            context: pg_sys::GucContext::PGC_SUSET,
            flags: pg_sys::GUC_NOT_IN_SAMPLE as i32,
        },
        Int {
            name: c"zvec.ef_search",
            short: c"Sets how many visible rows a zvec_hnsw scan keeps while it looks for the nearest.",
            long:
                c"More make results more exact and scans slower. A scan that is asked for more rows goes on beyond it.",
            variable: &raw mut EF_SEARCH,
            default: 64,
            least: 1,
            most: 10_000,
            context: user,
            flags: 0,
        },
        Int {
            name: c"pg_zvec.max_pending",
            short: c"Sets how many new vectors of a zvec_hnsw index may wait outside its graph.",
            long: c"Beyond it, each INSERT moves a few of them into the graph. VACUUM moves all.",
            variable: &raw mut MAX_PENDING,
            default: 10_000,
            least: 0,
            most: i32::MAX / 2,
            context: user,
            flags: 0,
        },
        Int {
            name: c"pg_zvec.optimize_threads",
            short: c"Sets how many threads build the graph of a zvec_hnsw index.",
            long: c"",
            variable: &raw mut OPTIMIZE_THREADS,
            default: 2,
            least: 1,
            most: 64,
            context: user,
            flags: 0,
        },
        Int {
            name: c"pg_zvec.max_drain_workers",
            short: c"Sets how many background workers of the server move new vectors into graphs.",
            long: c"Each works at one index after the other of a database. 0 means none; -1 one, or with the library in shared_preload_libraries one for each database that needs it.",
            variable: &raw mut MAX_DRAIN_WORKERS,
            default: -1,
            least: -1,
            most: 1024,
            context: pg_sys::GucContext::PGC_SIGHUP,
            flags: 0,
        },
        Int {
            name: c"pg_zvec.query_threads",
            short: c"Sets the most threads that help one search.",
            long: c"Fewer help where the vectors are few, or processors are at work for others. 0 means none.",
            variable: &raw mut QUERY_THREADS,
            default: 4,
            least: 0,
            most: 64,
            context: user,
            flags: pg_sys::GUC_EXPLAIN as i32,
        },
        Int {
            name: c"pg_zvec.max_buffer_size",
            short: c"Sets the most memory that a session keeps for codes of pending vectors, and that a worker takes to drain a chunk of them in memory.",
            long: c"Pending vectors without a code are compared exactly, which takes longer.",
            variable: &raw mut MAX_BUFFER_SIZE,
            default: 64 << 10,
            least: 64,
            most: 1 << 20,
            context: user,
            flags: pg_sys::GUC_UNIT_KB as i32,
        },
        Int {
            name: c"pg_zvec.hint_memory",
            short: c"Sets the most memory that a session takes to remember in which shared buffers it has found pages.",
            long: c"16 bytes for each shared buffer are all that is of use. A session keeps the value that it has at its first search.",
            variable: &raw mut HINT_MEMORY,
            default: 32 << 10,
            least: 16,
            most: 1 << 20,
            context: user,
            flags: pg_sys::GUC_UNIT_KB as i32,
        },
    ];
    // SAFETY: called once, when the library is loaded; the strings and the variables live as long as the process
    unsafe {
        for int in &ints {
            int.define();
        }
        pg_sys::DefineCustomRealVariable(
            c"pg_zvec.rebuild_threshold".as_ptr(),
            c"Sets the share of deleted vectors above which VACUUM repairs the graph of a zvec_hnsw index.".as_ptr(),
            c"".as_ptr(),
            &raw mut REBUILD_THRESHOLD,
            0.2,
            0.0,
            1.0,
            user,
            0,
            None,
            None,
            None,
        );
        pg_sys::DefineCustomBoolVariable(
            c"pg_zvec.background_drain".as_ptr(),
            c"Lets a background worker move new vectors of a zvec_hnsw index into its graph.".as_ptr(),
            c"Inserting sessions ask for one when a twentieth of pg_zvec.max_pending, and at least 500, wait.".as_ptr(),
            &raw mut BACKGROUND_DRAIN,
            true,
            user,
            0,
            None,
            None,
            None,
        );
        pg_sys::DefineCustomBoolVariable(
            c"zvec.enable_exact_scan".as_ptr(),
            c"Enables the planner's use of exact scans of zvec tables in order of distance.".as_ptr(),
            c"They take the place of a sequential scan and a sort where no index has the order.".as_ptr(),
            &raw mut ENABLE_EXACT_SCAN,
            true,
            user,
            pg_sys::GUC_EXPLAIN as i32,
            None,
            None,
            None,
        );
        pg_sys::DefineCustomBoolVariable(
            c"zvec.enable_graph_scan".as_ptr(),
            c"Enables the planner's use of scans of zvec_hnsw indexes that take conditions into account while they search.".as_ptr(),
            c"Without them conditions are asked about the rows that an index scan returns.".as_ptr(),
            &raw mut ENABLE_GRAPH_SCAN,
            true,
            user,
            pg_sys::GUC_EXPLAIN as i32,
            None,
            None,
            None,
        );
        pg_sys::DefineCustomBoolVariable(
            c"zvec.optimistic_reads".as_ptr(),
            c"Enables reads of shared buffers without the server's pins and locks, and threads that read pages.".as_ptr(),
            c"Without them each read of a page takes a pin, and a lock where the page may change, by the server's own functions.".as_ptr(),
            OPTIMISTIC_READS.as_ptr(),
            true,
            pg_sys::GucContext::PGC_SUSET,
            0,
            None,
            None,
            None,
        );
        pg_sys::DefineCustomEnumVariable(
            c"pg_zvec.log_level".as_ptr(),
            c"Sets how much background workers write to the server's log.".as_ptr(),
            c"Each level has those after it.".as_ptr(),
            &raw mut LOG_LEVEL,
            LogLevel::Warn as i32,
            LOG_LEVELS.0.as_ptr(),
            pg_sys::GucContext::PGC_SIGHUP,
            0,
            None,
            None,
            None,
        );
        pg_sys::DefineCustomStringVariable(
            c"pg_zvec.data_dir".as_ptr(),
            c"Sets the tablespace of collections that are made without one.".as_ptr(),
            c"Empty means the database's.".as_ptr(),
            &raw mut DATA_DIR,
            c"".as_ptr(),
            user,
            0,
            None,
            None,
            None,
        );
        #[cfg(feature = "failpoints")]
        pg_sys::DefineCustomStringVariable(
            c"pg_zvec.failpoint".as_ptr(),
            c"Raises errors between the steps of the write paths, for tests.".as_ptr(),
            c"".as_ptr(),
            &raw mut FAILPOINT,
            c"".as_ptr(),
            user,
            pg_sys::GUC_NOT_IN_SAMPLE as i32,
            None,
            None,
            None,
        );
        for prefix in [c"pg_zvec", c"zvec"] {
            pg_sys::MarkGUCPrefixReserved(prefix.as_ptr());
        }
    }
}
