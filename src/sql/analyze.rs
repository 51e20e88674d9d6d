//! ANALYZE of a zvec column: null fraction and average width, which need no vector to be read, and how many different values
//! there are, which is assumed. No planner estimate for vectors could use a histogram or a list of common values.

use crate::pg::compat;
use crate::sql_function;
use pgrx::pg_sys::{AnalyzeAttrFetchFunc, Datum, VacAttrStats, VacAttrStatsP, ffi::pg_guard_ffi_boundary};

/// Rows to sample for each unit of the statistics target, as the server's own functions ask for.
const ROWS_PER_TARGET: i32 = 300;

sql_function! {
    /// `zvec_typanalyze(internal) returns boolean`
    zvec_typanalyze(call) {
        // SAFETY: ANALYZE passes its description of the column, which it owns
        unsafe { prepare(&mut *call.arg(0).datum().cast_mut_ptr()) };
        Ok(Datum::from(true))
    }
}

/// # Safety
/// `stats` is the description of a column that ANALYZE works on.
unsafe fn prepare(stats: &mut VacAttrStats) {
    // SAFETY: the description of a column
    stats.minrows = ROWS_PER_TARGET * unsafe { compat::statistics_target(stats) };
    stats.compute_stats = Some(zvec_compute_stats);
}

/// # Safety
/// Called by ANALYZE only, with the description that [`prepare`] saw.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn zvec_compute_stats(
    stats: VacAttrStatsP,
    fetch: AnalyzeAttrFetchFunc,
    sample_rows: i32,
    _total_rows: f64,
) {
    let Some(fetch) = fetch else { return };
    let (mut nulls, mut width_bytes) = (0, 0.0);
    for row in 0..sample_rows {
        // SAFETY: the row is in the sample; a width is read from the value's header, or its TOAST pointer's
        unsafe {
            compat::analyze_delay_point();
            let mut is_null = false;
            let value = pg_guard_ffi_boundary(|| fetch(stats, row, &mut is_null));
            if is_null {
                nulls += 1;
            } else {
                width_bytes += pgrx::varlena::varsize_any(value.cast_mut_ptr()) as f64;
            }
        }
    }
    let values = sample_rows - nulls;
    if sample_rows > 0 {
        // SAFETY: as above
        let stats = unsafe { &mut *stats };
        stats.stats_valid = true;
        stats.stanullfrac = (f64::from(nulls) / f64::from(sample_rows)) as f32;
        stats.stawidth = if values > 0 { (width_bytes / f64::from(values)) as i32 } else { 0 };
        // Each is taken for another than all others, as embeddings are: with "unknown" the planner would think of 200
        // different ones, and of a join by hashing as hopeless. Negative numbers stand for shares of the rows.
        stats.stadistinct = stats.stanullfrac - 1.0;
    }
}
