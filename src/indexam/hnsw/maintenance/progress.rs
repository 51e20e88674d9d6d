//! What is reported to `pg_stat_progress_create_index`.

use pgrx::pg_sys;

/// What a build, and `zvec_optimize`, report to `pg_stat_progress_create_index`.
#[derive(Clone, Copy)]
pub enum Phase {
    /// vectors are read and coded
    Load = 2,
    /// nodes are linked
    Link = 3,
    /// pages are written
    Write = 4,
    /// vectors are moved from the pending list into the graph
    Drain = 5,
    /// nodes are asked whether they are still needed
    Count = 6,
    /// links are led around dead nodes
    Repair = 7,
    /// dead nodes are given back
    Free = 8,
}

/// Sets a counter that `pg_stat_progress_create_index` shows, where the command at hand is one that it shows: the counters of
/// others (VACUUM, CLUSTER) are numbered in the same way and mean other things.
pub fn progress(parameter: u32, value: u64) {
    // SAFETY: counters of this backend
    unsafe {
        let shown = pg_sys::MyBEEntry.as_ref().is_some_and(|entry| {
            entry.st_progress_command == pg_sys::ProgressCommandType::PROGRESS_COMMAND_CREATE_INDEX
        });
        if shown {
            pg_sys::pgstat_progress_update_param(parameter as i32, value as i64);
        }
    }
}

/// Begins a phase of so many steps.
pub fn enter(phase: Phase, total: u64) {
    progress(pg_sys::PROGRESS_CREATEIDX_SUBPHASE, phase as u64);
    progress(pg_sys::PROGRESS_CREATEIDX_TUPLES_TOTAL, total);
    progress(pg_sys::PROGRESS_CREATEIDX_TUPLES_DONE, 0);
}

/// The name of a [`Phase`]; the first is the server's scan of the table.
#[must_use]
pub fn phase_name(phase: i64) -> Option<&'static std::ffi::CStr> {
    match phase {
        1 => Some(c"scanning table"),
        2 => Some(c"loading vectors"),
        3 => Some(c"building graph"),
        4 => Some(c"writing graph"),
        5 => Some(c"draining pending vectors"),
        6 => Some(c"counting dead nodes"),
        7 => Some(c"repairing links"),
        8 => Some(c"freeing dead nodes"),
        _ => None,
    }
}
