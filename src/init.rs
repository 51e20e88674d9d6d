//! What happens when a backend loads the library.

use crate::pg::error::OrRaise;

/// Called by the server when the library is loaded.
///
/// # Safety
/// Called by the server only.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn _PG_init() {
    crate::pg::reserve::keep();
    // SAFETY: the library is being loaded
    unsafe {
        crate::pg::settings::define();
        crate::pg::compat::check_lock_state().or_raise();
        crate::pg::buffer::optimistic::learn_of_recovery();
        crate::store::deferred_addresses::watch_transactions();
        crate::store::deferred_addresses::watch_parallel_queries();
        crate::planner::hooks::install();
        crate::indexam::typmod_guard::install();
        crate::executor::exact_scan::register();
        crate::executor::graph_scan::register();
        crate::indexam::hnsw::maintenance::worker::launcher::install();
    }
    // Errors are reported as PostgreSQL's own are: a RUST_BACKTRACE that the server happens to be started with must not
    // put stack traces into what clients see, nor slow each error down.
    // SAFETY: a backend has one thread
    unsafe { std::env::set_var("RUST_LIB_BACKTRACE", "0") }
}
