//! Transactions of workers, and what workers write to the log.

#![allow(clippy::missing_safety_doc)]

use super::give_way;
use super::queue::queue;
use super::status::{Event, IndexName, Text};
use crate::pg::error::{caught, log};
use crate::pg::settings::{LogLevel, logs};
use pgrx::pg_sys;
use std::cell::Cell;

thread_local! {
    /// the index that is worked at
    static AT: Cell<IndexName> = const { Cell::new(IndexName::NONE) };
}

/// Says at which index the errors are that come now.
pub fn set_index(index: IndexName) {
    AT.set(index);
}

/// The index set last.
#[must_use]
pub fn index() -> IndexName {
    AT.get()
}

/// Why nothing came of it.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// somebody waited for a lock
    GaveWay,
    /// it was cancelled
    Cancelled,
    /// an error, which is in the log
    Error,
}

/// What happened now, at the index that is worked at.
#[must_use]
pub fn event(vectors: u64, message: &str) -> Event {
    // SAFETY: the clock, and the database of this process, if it has one
    let (at, database) = unsafe { (pg_sys::GetCurrentTimestamp(), pg_sys::MyDatabaseId.to_u32()) };
    Event { at, database, index: index(), vectors, message: Text::of(message) }
}

/// Runs `work` in a transaction of its own, which gives way to others; an error is logged.
pub unsafe fn in_transaction<R>(work: impl FnOnce() -> R) -> Result<R, Trouble> {
    // SAFETY: in a background worker, outside a transaction
    unsafe {
        give_way::begin();
        let result = caught(|| {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
            let result = work();
            pg_sys::CommitTransactionCommand();
            result
        });
        let gave_way = give_way::end();
        let result = result.map_err(|error| {
            let is_cancel = error.is_cancel();
            if !(is_cancel && gave_way) {
                error.log();
            }
            let message = (!is_cancel).then(|| error.message());
            pg_sys::AbortCurrentTransaction();
            error.forget();
            if let (Some(message), Some(queue)) = (message, queue()) {
                queue.status.note_error(event(0, &message));
            }
            match (is_cancel, gave_way) {
                (true, true) => Trouble::GaveWay,
                (true, false) => Trouble::Cancelled,
                (false, _) => Trouble::Error,
            }
        });
        pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, std::ptr::null());
        pg_sys::pgstat_report_stat(false);
        result
    }
}

/// Writes a message to the log, if `pg_zvec.log_level` lets messages of that level through.
pub fn write_log(level: LogLevel, message: &str) {
    if logs(level) {
        log(message.to_owned(), level >= LogLevel::Warn);
    }
}
