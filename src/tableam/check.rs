//! `zvec_check`: do rows and slots agree?
//!
//! Rows are read under the caller's snapshot. What that snapshot sees cannot be vacuumed away while it is held, and
//! whatever commits meanwhile is in its future, so the answer is exact beside running writers.
//!
//! What is remembered of the rows is a bit for each slot. If all of them need more than `work_mem`, some segments are
//! checked after the others, with a scan of the table for each lot.

use crate::format::store::geometry::SLOTS_PER_PAGE;
use crate::format::store::page::PageKind;
use crate::format::store::slot::XMIN_FROZEN;
use crate::format::store::slot_set::SlotSet;
use crate::format::store::{PageHeader, Reference, SegmentTag, Slot, SlotNo, SlotState, Tid};
use crate::pg::buffer;
use crate::pg::xact;
use crate::store::visibility::{Verdict, verdict};
use crate::store::{LACKING_HINT, Segment, Store};
use crate::tableam::rows;
use crate::tableam::rows::tid;
use crate::tableam::slot;
use crate::tableam::slot::as_heap_slot;
use crate::tableam::vectors::{VectorColumns, columns_of};
use pgrx::pg_sys::{self, Relation};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::rc::Rc;

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

/// Of so many rows that share a slot with another it is told with which.
const MOST_SHARED: usize = 1000;
const IN_A_STORE: &str = "vectors are in a vector store";

/// What there is to say of a row with a vector in it, in a table that has a store: scans by distance do not find it.
const ROW_HOLDS_VECTOR: &str = "the row holds its vector itself, so it was written by another program. \
                                VACUUM FULL on the table puts it into the vector store";

fn row_at(tid: Tid) -> String {
    format!("row ({},{})", tid.block, tid.offset)
}

/// Checks the rows that `snapshot` sees against the slots, both ways, and the headers of the store's pages; `tell` is called
/// with each thing that is wrong.
pub unsafe fn check(rel: Relation, store: &Store, snapshot: pg_sys::Snapshot, tell: &mut dyn FnMut(Violation)) {
    // SAFETY: both relations are open
    unsafe {
        let check = Check { rel, store, snapshot, columns: columns_of(rel) };
        // SAFETY: a setting, not negative
        let lots = lots(store.segments(), pg_sys::work_mem as u64 * 1024);
        for (number, lot) in lots.iter().enumerate() {
            let referenced = check.rows(number, &lots, tell);
            check.slots(lot, &referenced, tell);
        }
        check_data_pages(store, tell);
    }
}

/// Tells what there is to say of a table without a vector store.
pub unsafe fn lacking_store(rel: Relation, tell: &mut dyn FnMut(Violation)) {
    // SAFETY: rel is open
    if unsafe { !columns_of(rel).is_empty() } {
        let message = format!("the table has no vector store. {LACKING_HINT}");
        tell(Violation { invariant: IN_A_STORE, location: "the table".into(), message });
    }
}

/// The segments in lots of which each has a bit for each slot in `budget` bytes, or consists of one segment; at least one lot.
fn lots(segments: Vec<Rc<Segment>>, budget: u64) -> Vec<Vec<Rc<Segment>>> {
    let mut lots = vec![Vec::new()];
    let mut bytes = 0;
    for segment in segments {
        let more = u64::from(segment.page.slot_pages()) * SLOTS_PER_PAGE as u64 / 8;
        if bytes + more > budget && bytes > 0 {
            lots.push(Vec::new());
            bytes = 0;
        }
        bytes += more;
        lots.last_mut().expect("there is one").push(segment);
    }
    lots
}

/// A row's references to vectors, by column.
type References = SmallVec<[Option<Reference>; 2]>;

/// What is checked, and how it is seen.
struct Check<'a> {
    rel: Relation,
    store: &'a Store<'a>,
    snapshot: pg_sys::Snapshot,
    columns: VectorColumns,
}

impl Check<'_> {
    /// Calls `see` with each visible row, its address and its references.
    unsafe fn each_row(&self, mut see: impl FnMut(pg_sys::HeapTuple, Tid, References)) {
        // SAFETY: both relations are open
        unsafe {
            let none = std::ptr::null_mut();
            let flags = pg_sys::ScanOptions::SO_TYPE_SEQSCAN
                | pg_sys::ScanOptions::SO_ALLOW_STRAT
                | pg_sys::ScanOptions::SO_ALLOW_PAGEMODE;
            let scan = pg_sys::heap_beginscan(self.rel, self.snapshot, 0, none, std::ptr::null_mut(), flags);
            let slot = pg_sys::table_slot_create(self.rel, std::ptr::null_mut());
            let forward = pg_sys::ScanDirection::ForwardScanDirection;
            while as_heap_slot(slot, || pg_sys::heap_getnextslot(scan, forward, slot)) {
                pgrx::check_for_interrupts!();
                let tuple = slot::stored_tuple(slot);
                let references = rows::references((*self.rel).rd_att, tuple, &self.columns);
                see(tuple, tid(&(*tuple).t_self), references.into_iter().collect());
            }
            pg_sys::ExecDropSingleTupleTableSlot(slot);
            pg_sys::heap_endscan(scan);
        }
    }

    /// Every visible row's references into lot `number` lead to LIVE slots that lead back; the first lot's turn is also that of
    /// those that lead into none. Returns the slots that rows reference.
    unsafe fn rows(&self, number: usize, lots: &[Vec<Rc<Segment>>], tell: &mut dyn FnMut(Violation)) -> SlotSet {
        let lot_of: HashMap<SegmentTag, usize> =
            lots.iter().enumerate().flat_map(|(lot, segments)| segments.iter().map(move |s| (s.tag, lot))).collect();
        let mut referenced = SlotSet::default();
        let mut shared: Vec<(SlotNo, Tid)> = Vec::new();
        // SAFETY: both relations are open
        unsafe {
            self.each_row(|tuple, own, references| {
                let mut root = None;
                for (&column, reference) in self.columns.iter().zip(references) {
                    let Some(reference) = reference else {
                        // what was added to the table with a default is in none of the older rows
                        if number == 0 && !pg_sys::heap_attisnull(tuple, i32::from(column) + 1, std::ptr::null_mut()) {
                            let (invariant, message) = (IN_A_STORE, ROW_HOLDS_VECTOR.into());
                            tell(Violation { invariant, location: row_at(own), message });
                        }
                        continue;
                    };
                    if lot_of.get(&reference.slot.tag()).copied().unwrap_or(0) != number {
                        continue;
                    }
                    if !referenced.insert(reference.slot) {
                        if shared.len() < MOST_SHARED {
                            shared.push((reference.slot, own));
                        } else {
                            let message = format!("slot {} is also referenced by another row", reference.slot.0);
                            tell(Violation { invariant: "one row per slot", location: row_at(own), message });
                        }
                    }
                    let root = *root.get_or_insert_with(|| rows::index_tid(self.rel, tuple));
                    self.reference(column, reference, own, root, tell);
                }
            });
            self.shared(shared, tell);
        }
        referenced
    }

    /// A visible row's reference leads to a slot that leads back to the row.
    unsafe fn reference(
        &self,
        column: u16,
        reference: Reference,
        own: Tid,
        root: Tid,
        tell: &mut dyn FnMut(Violation),
    ) {
        let number = reference.slot.0;
        let mut say = |invariant, message: String| tell(Violation { invariant, location: row_at(own), message });
        let Some(segment) = self.store.segment_of(reference.slot) else {
            say("a row's slot exists", format!("slot {number} is in no segment"));
            return;
        };
        let shape = segment.page.geometry.shape;
        // a pointer tells the size alone
        let fits = reference.shape.map_or(shape.bytes() as u32 == reference.bytes, |of| of == shape);
        if segment.page.attnum != column as i16 + 1 || !fits {
            let what = format!("slot {number} is of another column or has other dimensions or elements");
            say("a row's slot exists", what);
            return;
        }
        let Some(slot) = self.store.slot(reference.slot) else { return };
        if slot.state() != Some(SlotState::Live) {
            say("a row's slot is live", format!("slot {number} is {:?}", slot.state()));
        } else if !reference.is_of(slot.generation) {
            let (is, expected) = (slot.generation.0, reference.generation.0);
            say("generations agree", format!("slot {number} has generation {is}, the row expects {expected}"));
        } else if slot.tail != root && slot.head != root {
            let what = format!("slot {number} leads to {:?} and {:?}", slot.tail, slot.head);
            say("a slot leads to its row", what);
        }
        // SAFETY: the snapshot is registered
        if slot.state().is_some() && unsafe { verdict(&slot, self.snapshot) } == Verdict::Invisible {
            let message = format!("the slot says invisible, but {} is visible and references it", row_at(own));
            let location = format!("slot {number}");
            tell(Violation { invariant: "slots agree with rows", location, message });
        }
    }

    /// Tells of rows that reference a slot which a row before them does; that one is looked for now.
    unsafe fn shared(&self, shared: Vec<(SlotNo, Tid)>, tell: &mut dyn FnMut(Violation)) {
        if shared.is_empty() {
            return;
        }
        let mut first: HashMap<u32, Tid> = HashMap::new();
        let wanted: HashMap<u32, ()> = shared.iter().map(|(slot, _)| (slot.0, ())).collect();
        // SAFETY: both relations are open
        unsafe {
            self.each_row(|_, own, references| {
                for reference in references.into_iter().flatten() {
                    if wanted.contains_key(&reference.slot.0) {
                        first.entry(reference.slot.0).or_insert(own);
                    }
                }
            });
        }
        for (slot, own) in shared {
            let other = first.get(&slot.0).map_or("another row".to_owned(), |&at| row_at(at));
            let message = format!("slot {} is also referenced by {other}", slot.0);
            tell(Violation { invariant: "one row per slot", location: row_at(own), message });
        }
    }

    /// What a slot says of itself is what the rows say, and it names no transaction that may come again.
    unsafe fn slots(&self, lot: &[Rc<Segment>], referenced: &SlotSet, tell: &mut dyn FnMut(Violation)) {
        // SAFETY: both relations are open
        unsafe {
            // on a standby a VACUUM may be replayed at this moment
            let is_told = !pg_sys::RecoveryInProgress();
            let oldest = if is_told { (*(*self.rel).rd_rel).relfrozenxid.into_inner() } else { 0 };
            for segment in lot {
                if !self.columns.contains(&(segment.page.attnum as u16 - 1)) {
                    continue;
                }
                self.store.each_slot(segment, |number: SlotNo, slot| {
                    let mut say = |invariant, message: String| {
                        let location = format!("slot {}", number.0);
                        tell(Violation { invariant, location, message });
                    };
                    if slot.state().is_none() {
                        say("slots are sound", "the slot's flags are not known".to_owned());
                        return;
                    }
                    if let Some(xid) = older(&slot, oldest) {
                        let what = format!("transaction {xid} is older than the table's relfrozenxid, {oldest}");
                        say("slots are vacuumed as rows are", what);
                    }
                    if verdict(&slot, self.snapshot) == Verdict::Visible && !referenced.contains(number) {
                        let what = "the slot says visible, but no visible row references it";
                        say("slots agree with rows", what.to_owned());
                    }
                });
            }
        }
    }
}

/// A transaction that the slot names and that is older than `oldest`, 0 being older than all.
fn older(slot: &Slot, oldest: u32) -> Option<u32> {
    let named = match slot.state() {
        Some(SlotState::Live) => [if slot.has(XMIN_FROZEN) { 0 } else { slot.xmin }, slot.xmax],
        Some(SlotState::Reserved) => [slot.xmin, 0],
        _ => [0, 0],
    };
    named.into_iter().find(|&xid| xact::is_normal(xid) && xact::is_normal(oldest) && xact::precedes(xid, oldest))
}

fn check_data_pages(store: &Store, tell: &mut dyn FnMut(Violation)) {
    for segment in store.segments() {
        for ordinal in 0..segment.page.data.pages() {
            pgrx::check_for_interrupts!();
            let Some(block) = segment.page.data.block(ordinal) else { continue };
            let page = buffer::read(store.relation(), block).share();
            let header = PageHeader { kind: PageKind::Data, segment: segment.no, ordinal };
            if let Err(damage) = header.check(page.page()) {
                tell(Violation {
                    invariant: "pages are sound",
                    location: format!("block {block} of the vector store"),
                    message: damage.0,
                });
            }
        }
    }
}
