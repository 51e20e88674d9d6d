//! `zvec_worker_status`: what background workers do, and whether there are any.

use crate::indexam::hnsw::maintenance::worker::report;
use crate::pg::srf::{Rows, text};

crate::sql_function! {
    /// `zvec_worker_status() returns setof (key text, value text)`.
    zvec_worker_status(call) {
        // SAFETY: the live call, in a transaction
        unsafe {
            let mut rows = Rows::of(call.fcinfo());
            for (key, value) in report::rows() {
                rows.push(&[Some(text(key)), value.map(|value| text(&value))]);
            }
        }
        Ok(call.null())
    }
}
