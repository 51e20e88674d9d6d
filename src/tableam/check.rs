//! `zvec_check`: do rows and slots agree?
//!
//! Rows are read under the caller's snapshot. What that snapshot sees cannot be vacuumed away while it is held, and
//! whatever commits meanwhile is in its future, so the answer is exact beside running writers.

use super::rows::{self, tid};
use super::slot::{self, as_heap_slot};
use super::vectors::columns_of;
use crate::error::{Error, SqlState};
use crate::pg::buffer;
use crate::pg::error::raise;
use crate::segment::page::PageKind;
use crate::segment::{PageHeader, SlotNo, SlotState, Tid};
use crate::store::visibility::{Verdict, verdict};
use crate::store::{LACKING_HINT, Store};
use pgrx::pg_sys::{self, Relation};
use std::collections::HashMap;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// which rule is broken
    pub invariant: &'static str,
    /// where
    pub location: String,
    /// how
    pub message: String,
}

/// What there is to say of a row with a vector in it, in a table that has a store: scans by distance do not find it.
const ROW_HOLDS_VECTOR: &str = "the row holds its vector itself, so it was written by another program. \
                                VACUUM FULL on the table puts it into the vector store";

fn row_at(tid: Tid) -> String {
    format!("row ({},{})", tid.block, tid.offset)
}

/// Checks the rows that `snapshot` sees against the slots, both ways, and the headers of the store's pages.
#[must_use]
pub unsafe fn check(rel: Relation, store: &Store, snapshot: pg_sys::Snapshot) -> Vec<Violation> {
    // SAFETY: both relations are open
    unsafe {
        let mut violations = Vec::new();
        let referenced = check_rows(rel, store, snapshot, &mut violations);
        check_slots(rel, store, snapshot, &referenced, &mut violations);
        check_data_pages(store, &mut violations);
        violations
    }
}

/// What there is to say of a table without a vector store.
#[must_use]
pub unsafe fn lacking_store(rel: Relation) -> Vec<Violation> {
    // SAFETY: rel is open
    let has_vectors = unsafe { !columns_of(rel).is_empty() };
    let violation = || Violation {
        invariant: "vectors are in a vector store",
        location: "the table".into(),
        message: format!("the table has no vector store. {LACKING_HINT}"),
    };
    has_vectors.then(violation).into_iter().collect()
}

/// Every visible row's references lead to LIVE slots that lead back. Returns the referenced slots and their rows.
unsafe fn check_rows(
    rel: Relation,
    store: &Store,
    snapshot: pg_sys::Snapshot,
    violations: &mut Vec<Violation>,
) -> HashMap<u32, Tid> {
    let mut referenced: HashMap<u32, Tid> = HashMap::new();
    // SAFETY: both relations are open
    unsafe {
        let columns = columns_of(rel);
        let none = std::ptr::null_mut();
        let flags = pg_sys::ScanOptions::SO_TYPE_SEQSCAN
            | pg_sys::ScanOptions::SO_ALLOW_STRAT
            | pg_sys::ScanOptions::SO_ALLOW_PAGEMODE;
        let scan = pg_sys::heap_beginscan(rel, snapshot, 0, none, std::ptr::null_mut(), flags);
        let slot = pg_sys::table_slot_create(rel, std::ptr::null_mut());
        let forward = pg_sys::ScanDirection::ForwardScanDirection;
        while as_heap_slot(slot, || pg_sys::heap_getnextslot(scan, forward, slot)) {
            pgrx::check_for_interrupts!();
            let tuple = slot::stored_tuple(slot);
            let own = tid(&(*tuple).t_self);
            let references = rows::references((*rel).rd_att, tuple, &columns);
            let root = rows::index_tid(rel, tuple);
            for (&column, reference) in columns.iter().zip(&references) {
                let mut say = |invariant, message: String| {
                    violations.push(Violation { invariant, location: row_at(own), message });
                };
                let Some(reference) = reference else {
                    // what was added to the table with a default is in none of the older rows
                    if !pg_sys::heap_attisnull(tuple, i32::from(column) + 1, std::ptr::null_mut()) {
                        say("vectors are in a vector store", ROW_HOLDS_VECTOR.into());
                    }
                    continue;
                };
                let number = reference.slot.0;
                if referenced.try_reserve(1).is_err() {
                    raise(Error::new(SqlState::OutOfMemory, "out of memory"));
                }
                if let Some(other) = referenced.insert(number, own) {
                    say("one row per slot", format!("slot {number} is also referenced by {}", row_at(other)));
                }
                let Some(segment) = store.segment_of(reference.slot) else {
                    say("a row's slot exists", format!("slot {number} is in no segment"));
                    continue;
                };
                if segment.page.attnum != column as i16 + 1 || segment.page.geometry.dims != reference.dims {
                    let what = format!("slot {number} is of another column or has other dimensions");
                    say("a row's slot exists", what);
                    continue;
                }
                let Some(slot) = store.slot(reference.slot) else { continue };
                if slot.state() != Some(SlotState::Live) {
                    say("a row's slot is live", format!("slot {number} is {:?}", slot.state()));
                } else if slot.generation != reference.generation {
                    let what = format!(
                        "slot {number} has generation {}, the row expects {}",
                        slot.generation.0, reference.generation.0
                    );
                    say("generations agree", what);
                } else if slot.tail != root && slot.head != root {
                    say(
                        "a slot leads to its row",
                        format!("slot {number} leads to {:?} and {:?}", slot.tail, slot.head),
                    );
                }
            }
        }
        pg_sys::ExecDropSingleTupleTableSlot(slot);
        pg_sys::heap_endscan(scan);
    }
    referenced
}

/// What a slot says of itself is what the rows say.
unsafe fn check_slots(
    rel: Relation,
    store: &Store,
    snapshot: pg_sys::Snapshot,
    referenced: &HashMap<u32, Tid>,
    violations: &mut Vec<Violation>,
) {
    // SAFETY: both relations are open
    unsafe {
        let columns = columns_of(rel);
        for segment in store.segments() {
            if !columns.contains(&(segment.page.attnum as u16 - 1)) {
                continue;
            }
            store.each_slot(&segment, |number: SlotNo, slot| {
                let mut say = |invariant, message: &str| {
                    let location = format!("slot {}", number.0);
                    violations.push(Violation { invariant, location, message: message.to_owned() });
                };
                if slot.state().is_none() {
                    say("slots are sound", "the slot's flags are not known");
                    return;
                }
                match (verdict(&slot, snapshot), referenced.get(&number.0)) {
                    (Verdict::Visible, None) => {
                        say("slots agree with rows", "the slot says visible, but no visible row references it");
                    }
                    (Verdict::Invisible, Some(at)) => {
                        let what = format!("the slot says invisible, but {} is visible and references it", row_at(*at));
                        say("slots agree with rows", &what);
                    }
                    _ => {}
                }
            });
        }
    }
}

unsafe fn check_data_pages(store: &Store, violations: &mut Vec<Violation>) {
    // SAFETY: the store's relation is open
    unsafe {
        for segment in store.segments() {
            for ordinal in 0..segment.page.data.pages() {
                pgrx::check_for_interrupts!();
                let Some(block) = segment.page.data.block(ordinal) else { continue };
                let page = buffer::read(store.relation(), block).share();
                let header = PageHeader { kind: PageKind::Data, segment: segment.no, ordinal };
                if let Err(damage) = header.check(page.page()) {
                    violations.push(Violation {
                        invariant: "pages are sound",
                        location: format!("block {block} of the vector store"),
                        message: damage.0,
                    });
                }
            }
        }
    }
}
