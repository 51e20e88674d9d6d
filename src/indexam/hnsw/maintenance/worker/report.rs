//! What SQL is told of the workers. Names of indexes, and messages, which have such, are for the index's owner and for who may
//! read all statistics, as in `pg_stat_activity`.

#![allow(clippy::missing_safety_doc)]

use super::locks::Lock;
use super::queue::{Queue, is_preloaded, queue};
use super::request::{is_number_free, is_slot_free, most_workers};
use super::status::{Event, IndexName, Known, Work, Worker};
use super::version;
use crate::pg::{raw, relation};
use pgrx::pg_sys;
use std::ffi::CStr;

/// In the place of what is not for the caller.
const HIDDEN: &str = "<insufficient privilege>";

/// Whether the caller has the rights of a role.
fn is_member(role: u32) -> bool {
    // SAFETY: look-ups in catalogs
    unsafe { role != 0 && pg_sys::has_privs_of_role(pg_sys::GetUserId(), pg_sys::Oid::from(role)) }
}

/// Whether the caller may know of an index, or of what is at none.
fn may_see(index: &IndexName) -> bool {
    is_member(pg_sys::ROLE_PG_READ_ALL_STATS) || is_member(index.owner)
}

fn time(at: pg_sys::TimestampTz) -> String {
    // SAFETY: the server answers with a string in memory of its own
    unsafe { CStr::from_ptr(pg_sys::timestamptz_to_str(at)) }.to_string_lossy().into_owned()
}

fn index_name(index: &IndexName) -> String {
    if may_see(index) { format!("\"{}\"", index.name.text()) } else { HIDDEN.to_owned() }
}

fn database_name(database: u32) -> String {
    // SAFETY: a look-up in a catalog, in a transaction
    unsafe { relation::database_name(pg_sys::Oid::from(database)) }
}

fn running(worker: &Worker) -> String {
    let database = database_name(worker.database);
    let what = match worker.work {
        Work::Nothing => return format!("process {} at database \"{database}\"", worker.pid),
        Work::Drain => "drain",
        Work::Repair => "repair",
    };
    format!("process {} at database \"{database}\": {what} of index {}", worker.pid, index_name(&worker.index))
}

fn drained(event: &Event) -> String {
    let (at, database) = (time(event.at), database_name(event.database));
    format!("{at}: {} vectors of index {} in database \"{database}\"", event.vectors, index_name(&event.index))
}

fn failed(event: &Event) -> String {
    let database = match event.database {
        0 => String::new(),
        database => format!(" in database \"{}\"", database_name(database)),
    };
    let message = if may_see(&event.index) { event.message.text() } else { HIDDEN.to_owned() };
    format!("{}{database}: {message}", time(event.at))
}

/// The workers that there are: who was ended by the server's crash is forgotten with the list.
fn workers(known: &Known) -> impl Iterator<Item = &Worker> {
    known.workers.iter().filter(|worker| worker.pid != 0)
}

/// Whether who asks gets a worker, now or when others have had their turn.
fn is_ready(queue: &Queue, is_recovering: bool) -> bool {
    if is_recovering || most_workers() == 0 {
        return false;
    }
    // SAFETY: the database of this process
    let is_served = || Lock::Database(unsafe { pg_sys::MyDatabaseId }.to_u32()).is_taken();
    match is_preloaded() {
        true => queue.launcher().is_some(),
        false => is_served() || is_number_free(None) && is_slot_free(false),
    }
}

/// Names and values.
pub unsafe fn rows() -> Vec<(&'static str, Option<String>)> {
    // SAFETY: in a transaction
    let (is_recovering, installed) = unsafe { (raw::RecoveryInProgress(), version::of_extension()) };
    let on = |is_on: bool| Some(if is_on { "on" } else { "off" }.to_owned());
    let mut rows = vec![("preloaded", on(is_preloaded()))];
    let Some(queue) = queue() else {
        // the server has no memory for it
        rows.push(("worker_ready", on(false)));
        return rows;
    };
    let known = queue.status.known();
    let launcher = queue.launcher().filter(|_| is_preloaded());
    // SAFETY: entries are never unmapped
    let launcher = launcher.map(|process| unsafe { (&raw const (*process).pid).read_volatile() });
    let pid = launcher.or_else(|| workers(&known).next().map(|worker| worker.pid));
    let mut databases: Vec<String> = workers(&known).map(|worker| database_name(worker.database)).collect();
    databases.sort_unstable();
    databases.dedup();
    rows.extend([
        ("worker_pid", pid.map(|pid| pid.to_string())),
        ("worker_ready", on(is_ready(queue, is_recovering))),
        ("databases", Some(databases.join(", "))),
        ("running", Some(workers(&known).map(running).collect::<Vec<_>>().join("; "))),
        ("queue_length", Some(queue.len().to_string())),
        ("last_drain", (known.last_drain.at != 0).then(|| drained(&known.last_drain))),
        ("last_error", (known.last_error.at != 0).then(|| failed(&known.last_error))),
        (
            "version",
            Some(
                installed.and_then(|installed| version::difference(&installed)).unwrap_or(version::LIBRARY.to_owned()),
            ),
        ),
    ]);
    rows
}
