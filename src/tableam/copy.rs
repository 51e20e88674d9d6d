//! VACUUM FULL and CLUSTER: rows through the server's rewrite module, which keeps their transactions and chains, and
//! their vectors into the new store, densely, in the order of the rows.
//!
//! Every row version that is copied gets a slot and a copy of its vector of its own, so a slot has one address. The
//! rewrite module keeps a version back until its successor is written; where that hides its new address, a scan of the
//! new table finds it afterwards.

use crate::error::{Error, SqlState};
use crate::format::store::reference::Form;
use crate::format::store::slot::{XMIN_COMMITTED, XMIN_FROZEN};
use crate::format::store::{Reference, Slot, SlotNo, SlotState, Tid};
use crate::pg::catalog;
use crate::pg::compat;
use crate::pg::error::raise;
use crate::pg::failpoint::hit;
use crate::pg::relation::{OpenRelation, Rel};
use crate::pg::rewrite::Rewrite;
use crate::pg::xact;
use crate::pg::xact::Fate;
use crate::store::{NewVector, Reservation, Store, StoredVector};
use crate::tableam::logical;
use crate::tableam::logical::NewRow;
use crate::tableam::publication;
use crate::tableam::publication::{Needs, Written};
use crate::tableam::rows::{item_pointer, tid};
use crate::tableam::slot;
use crate::tableam::slot::as_heap_slot;
use crate::tableam::vectors;
use crate::tableam::vectors::{VectorColumns, VectorValue, columns_of, element_of};
use crate::vector::VectorShape;
use pgrx::pg_sys::{self, Datum, HTSV_Result, HeapTuple, MultiXactId, Relation, TransactionId};
use std::collections::HashSet;

/// Rows are written in batches of about this many bytes of vectors.
const BATCH_BYTES: usize = 4 << 20;
/// ... and at most this many rows.
const BATCH_ROWS: usize = 4096;

/// A row version on its way.
struct Row {
    tuple: HeapTuple,
    /// for each vector column that is not NULL: its index and the vector
    vectors: Vec<(u16, Taken)>,
}

/// A vector on its way.
struct Taken {
    shape: VectorShape,
    bytes: Vec<u8>,
}

struct Copier {
    new: Relation,
    old: Relation,
    columns: VectorColumns,
    /// what decoding will need of the rows
    needs: Needs,
    /// `None` where the old table has no store, and its rows hold their vectors themselves
    old_store: Option<Store<'static>>,
    /// `None` where the tables have no TOAST relation, and no vector column either
    new_store: Option<Store<'static>>,
    rewrite: Option<Rewrite>,
    oldest_xmin: u32,
    batch: Vec<Row>,
    batch_bytes: usize,
    values: Vec<Datum>,
    isnull: Vec<bool>,
    /// slots whose row's address was not known when it was handed over
    unplaced: HashSet<u32>,
    /// the TOAST relations, old and new
    open: [Option<OpenRelation>; 2],
}

impl Copier {
    fn new_store(&self) -> &Store<'static> {
        self.new_store.as_ref().unwrap_or_else(|| {
            // SAFETY: the new table is open
            let name = unsafe { Rel::of(self.new).name() };
            raise(Error::new(SqlState::Internal, format!("table \"{name}\" has no TOAST relation")))
        })
    }

    /// Takes what was put into `sorter` along, in order, and ends it.
    unsafe fn take_sorted(&mut self, sorter: *mut pg_sys::Tuplesortstate) {
        // SAFETY: it holds rows of the old table
        unsafe {
            progress(pg_sys::PROGRESS_CLUSTER_PHASE, pg_sys::PROGRESS_CLUSTER_PHASE_SORT_TUPLES.into());
            pg_sys::tuplesort_performsort(sorter);
            progress(pg_sys::PROGRESS_CLUSTER_PHASE, pg_sys::PROGRESS_CLUSTER_PHASE_WRITE_NEW_HEAP.into());
            let mut written = 0;
            loop {
                pgrx::check_for_interrupts!();
                let tuple = pg_sys::tuplesort_getheaptuple(sorter, true);
                if tuple.is_null() {
                    break;
                }
                written += 1;
                self.take(tuple, is_ended((*tuple).t_data));
                progress(pg_sys::PROGRESS_CLUSTER_HEAP_TUPLES_WRITTEN, written);
            }
            pg_sys::tuplesort_end(sorter);
        }
    }

    /// Takes a row version along. `tuple` is copied.
    unsafe fn take(&mut self, tuple: HeapTuple, recently_dead: bool) {
        // SAFETY: tuple is a row of the old table
        unsafe {
            let tuple = pg_sys::heap_copytuple(tuple);
            let desc = (*self.old).rd_att;
            pg_sys::heap_deform_tuple(tuple, desc, self.values.as_mut_ptr(), self.isnull.as_mut_ptr());
            let mut vectors = Vec::with_capacity(self.columns.len());
            for &column in &self.columns {
                let at = usize::from(column);
                if self.isnull[at] {
                    continue;
                }
                let shape = |element| VectorValue::of(self.values[at], element);
                let taken = match vectors::reference_at(Rel::of(self.old).oid(), self.values[at]) {
                    Some(reference) => {
                        self.fetch(reference, recently_dead).and_then(|bytes| {
                            // what a pointer does not tell its segment does
                            let segment = || self.old_store.as_ref()?.segment_of(reference.slot);
                            let shape = reference.shape.or_else(|| Some(segment()?.page.geometry.shape))?;
                            Some(Taken { shape, bytes })
                        })
                    }
                    None => {
                        let value = element_of(desc, column).map(shape).filter(VectorValue::has_shape);
                        value.map(|value| Taken { shape: value.shape(), bytes: value.bytes().to_vec() })
                    }
                };
                if let Some(taken) = taken {
                    self.batch_bytes += taken.bytes.len();
                    vectors.push((column, taken));
                }
            }
            self.batch.push(Row { tuple, vectors });
            hit("rewrite.taken");
            if self.batch_bytes >= BATCH_BYTES || self.batch.len() >= BATCH_ROWS {
                self.flush();
            }
        }
    }

    /// The vector's bytes. A version that nobody can see may have lost its vector to VACUUM already.
    unsafe fn fetch(&self, reference: Reference, recently_dead: bool) -> Option<Vec<u8>> {
        // SAFETY: the old store's relation is open
        unsafe {
            let mut bytes = Vec::with_capacity(reference.bytes as usize);
            let vector = StoredVector { slot: reference.slot, bytes: reference.bytes };
            let is_there = |store: &&Store| {
                let slot = store.slot(reference.slot);
                slot.is_some_and(|s| s.state() == Some(SlotState::Live) && reference.is_of(s.generation))
            };
            let found = self.old_store.as_ref().filter(is_there).is_some_and(|store| {
                store.read(vector, |_, piece| {
                    bytes.extend_from_slice(piece);
                    true
                })
            });
            if !found && !recently_dead {
                let name = Rel::of(self.old).name();
                raise(
                    Error::new(
                        SqlState::DataCorrupted,
                        format!("vector {} of table \"{name}\" is not in its vector store", reference.slot.0),
                    )
                    .hint("Run zvec_check() on the table to see which rows are concerned."),
                );
            }
            found.then_some(bytes)
        }
    }

    unsafe fn flush(&mut self) {
        // SAFETY: both tables and stores are open
        unsafe {
            let batch = std::mem::take(&mut self.batch);
            self.batch_bytes = 0;
            let mut placed: Vec<Vec<Reservation>> =
                batch.iter().map(|row| Vec::with_capacity(row.vectors.len())).collect();
            for &column in &self.columns {
                let mut wanted: Vec<(VectorShape, usize)> = batch
                    .iter()
                    .enumerate()
                    .filter_map(|(i, row)| {
                        let (_, taken) = row.vectors.iter().find(|(c, _)| *c == column)?;
                        Some((taken.shape, i))
                    })
                    .collect();
                wanted.sort_unstable();
                for group in wanted.chunk_by(|a, b| a.0 == b.0) {
                    let reserved = self.new_store().reserve(column as i16 + 1, group[0].0, group.len());
                    for ((_, row), reservation) in group.iter().zip(reserved) {
                        placed[*row].push(reservation);
                    }
                    hit("rewrite.reserved");
                }
            }
            let mut data: Vec<NewVector<'_>> = Vec::new();
            for (row, reservations) in batch.iter().zip(&placed) {
                for ((_, taken), reservation) in row.vectors.iter().zip(reservations) {
                    data.push(NewVector { reservation: *reservation, tid: Tid::NONE, bytes: &taken.bytes });
                }
            }
            data.sort_by_key(|vector| vector.reservation.slot);
            if !data.is_empty() {
                self.new_store().write_data(&data);
            }
            drop(data);
            hit("rewrite.data");
            let mut slots: Vec<(SlotNo, Slot)> = Vec::new();
            for (row, reservations) in batch.iter().zip(&placed) {
                let at = self.rewrite_row(row, reservations);
                for reservation in reservations {
                    if !at.is_some() {
                        self.unplaced.insert(reservation.slot.0);
                    }
                    slots.push((reservation.slot, self.slot_for(row.tuple, reservation, at)));
                }
                pg_sys::heap_freetuple(row.tuple);
                hit("rewrite.row");
            }
            slots.sort_by_key(|(number, _)| *number);
            if !slots.is_empty() {
                self.new_store().write_slots(&slots);
            }
            hit("rewrite.slots");
        }
    }

    /// Writes the row with its new references; its new address, if that is known now.
    unsafe fn rewrite_row(&mut self, row: &Row, reservations: &[Reservation]) -> Tid {
        // SAFETY: both tables are open
        unsafe {
            let desc = (*self.new).rd_att;
            let natts = (*desc).natts as usize;
            let (values, isnull) = (&mut self.values, &mut self.isnull);
            pg_sys::heap_deform_tuple(row.tuple, (*self.old).rd_att, values.as_mut_ptr(), isnull.as_mut_ptr());
            for (i, isnull) in isnull.iter_mut().enumerate().take(natts) {
                // a dropped column's value is not carried along
                *isnull |= (*compat::attribute(desc, i)).attisdropped;
            }
            for &column in &self.columns {
                isnull[usize::from(column)] = true;
            }
            let references: Vec<(u16, Reference)> = row
                .vectors
                .iter()
                .zip(reservations)
                .map(|((column, taken), r)| {
                    let form = self.needs.form(*column, Form::Plain);
                    (*column, Reference::to(r.slot, r.generation, taken.shape, form))
                })
                .collect();
            let table = vectors::named_in(self.new);
            let mut form_with = |references: &[(u16, Reference)]| {
                let encoded: Vec<_> =
                    references.iter().map(|(column, r)| vectors::stand_in(table, desc, *column, *r)).collect();
                for ((column, _), bytes) in references.iter().zip(&encoded) {
                    values[usize::from(*column)] = Datum::from(bytes.as_ptr());
                    isnull[usize::from(*column)] = false;
                }
                pg_sys::heap_form_tuple(desc, values.as_mut_ptr(), isnull.as_mut_ptr())
            };
            let mut new = form_with(&references);
            if logical::any_pointer(&references) {
                new = NewRow::for_rewrite(self.new, new, &references).unwrap_or_else(|| {
                    let plain = |&(column, reference): &_| (column, Reference { form: Form::Plain, ..reference });
                    form_with(&references.iter().map(plain).collect::<Vec<_>>())
                });
            }
            (*new).t_self = item_pointer(Tid { block: u32::MAX, offset: 0 });
            if let Some(rewrite) = &mut self.rewrite {
                rewrite.tuple(row.tuple, new);
            }
            let at = tid(&(*new).t_self);
            pg_sys::heap_freetuple(new);
            if at.is_some() { at } else { Tid::NONE }
        }
    }

    /// The slot of a copied version: it has the version's own transactions.
    unsafe fn slot_for(&self, tuple: HeapTuple, reservation: &Reservation, at: Tid) -> Slot {
        // SAFETY: a valid tuple
        unsafe {
            let header = (*tuple).t_data;
            let xmin = (*header).t_choice.t_heap.t_xmin.into_inner();
            let mut slot = Slot::live(reservation.generation, xmin, at);
            let frozen = pg_sys::htup::HeapTupleHeaderFrozen(header)
                || (xact::fate(xmin) == Fate::Committed && xact::precedes(xmin, self.oldest_xmin));
            if frozen {
                slot.xmin = pg_sys::FrozenTransactionId.into_inner();
                slot.flags |= XMIN_COMMITTED | XMIN_FROZEN;
            }
            if is_ended(header) {
                slot.set_xmax(super::rows::update_xid(header).into_inner());
            }
            slot
        }
    }

    /// Finds the rows whose addresses were not known when they were handed over.
    unsafe fn place_rest(&mut self) {
        if self.unplaced.is_empty() {
            return;
        }
        // SAFETY: the new table is open
        unsafe {
            let mut found: Vec<(SlotNo, Tid)> = Vec::new();
            let flags = pg_sys::ScanOptions::SO_TYPE_SEQSCAN | pg_sys::ScanOptions::SO_ALLOW_STRAT;
            let any = &raw mut pg_sys::SnapshotAnyData;
            let none = std::ptr::null_mut();
            let scan = pg_sys::heap_beginscan(self.new, any, 0, none, std::ptr::null_mut(), flags);
            let slot = pg_sys::table_slot_create(self.new, std::ptr::null_mut());
            let forward = pg_sys::ScanDirection::ForwardScanDirection;
            while as_heap_slot(slot, || pg_sys::heap_getnextslot(scan, forward, slot)) {
                pgrx::check_for_interrupts!();
                let tuple = slot::stored_tuple(slot);
                // pointers name the table whose place this one takes
                let mut named = *tuple;
                named.t_tableOid = vectors::named_in(self.new).into();
                let references = super::rows::references((*self.new).rd_att, &mut named, &self.columns);
                for reference in references.iter().flatten() {
                    if self.unplaced.contains(&reference.slot.0) {
                        found.push((reference.slot, tid(&(*tuple).t_self)));
                    }
                }
            }
            pg_sys::ExecDropSingleTupleTableSlot(slot);
            pg_sys::heap_endscan(scan);
            for (number, at) in found {
                hit("rewrite.place");
                if let Some(slot) = self.new_store().slot(number) {
                    self.new_store().write_slots(&[(number, Slot { tail: at, ..slot })]);
                }
            }
        }
    }
}

/// Whether a transaction that has not aborted, as far as is known, deleted or replaced the version; a lock does neither.
unsafe fn is_ended(header: pg_sys::HeapTupleHeader) -> bool {
    // SAFETY: a valid header
    unsafe {
        u32::from((*header).t_infomask) & pg_sys::HEAP_XMAX_INVALID == 0 && !pg_sys::HeapTupleHeaderIsOnlyLocked(header)
    }
}

fn progress(index: u32, value: i64) {
    // SAFETY: a counter of this backend
    unsafe { pg_sys::pgstat_progress_update_param(index as i32, value) }
}

/// What becomes of a version of the old table.
enum CopyCost {
    Dead,
    RecentlyDead,
    Live,
}

unsafe fn judge(rel: Relation, tuple: HeapTuple, oldest_xmin: TransactionId, buffer: pg_sys::Buffer) -> CopyCost {
    // SAFETY: the tuple is on the pinned page of `buffer`
    unsafe {
        pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE as i32);
        let state = pg_sys::HeapTupleSatisfiesVacuum(tuple, oldest_xmin, buffer);
        pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_UNLOCK as i32);
        let ours = |xid| pg_sys::TransactionIdIsCurrentTransactionId(xid);
        match state {
            HTSV_Result::HEAPTUPLE_DEAD => CopyCost::Dead,
            HTSV_Result::HEAPTUPLE_RECENTLY_DEAD => CopyCost::RecentlyDead,
            HTSV_Result::HEAPTUPLE_LIVE => CopyCost::Live,
            HTSV_Result::HEAPTUPLE_INSERT_IN_PROGRESS => {
                if !ours(pg_sys::htup::HeapTupleHeaderGetXmin((*tuple).t_data)) {
                    pgrx::warning!("concurrent insert in progress within table \"{}\"", Rel::of(rel).name());
                }
                CopyCost::Live
            }
            _ => {
                if !ours(super::rows::update_xid((*tuple).t_data)) {
                    pgrx::warning!("concurrent delete in progress within table \"{}\"", Rel::of(rel).name());
                }
                CopyCost::RecentlyDead
            }
        }
    }
}

/// Whether rows can be sorted by `index` on their stored form: it must have no expression and no vector as a key.
unsafe fn sorts_stored_rows(index: Relation, columns: &VectorColumns) -> bool {
    // SAFETY: the index is open
    unsafe {
        let form = (*index).rd_index;
        let keys = std::slice::from_raw_parts((*form).indkey.values.as_ptr(), (*form).indnatts as usize);
        keys.iter().all(|&attnum| attnum > 0 && !columns.contains(&(attnum as u16 - 1)))
    }
}

/// What VACUUM FULL reports.
struct CopyCounts {
    copied: *mut f64,
    dead: *mut f64,
    recently_dead: *mut f64,
}

/// A scan of all versions of the rows of `old`, in the order of an index or as they lie.
struct CopyScan {
    old: Relation,
    slot: *mut pg_sys::TupleTableSlot,
    /// the one or the other; null otherwise
    by_index: pg_sys::IndexScanDesc,
    as_they_lie: pg_sys::TableScanDesc,
}

impl CopyScan {
    /// `index`: null for none.
    unsafe fn begin(old: Relation, index: Relation) -> Self {
        // SAFETY: both are open
        unsafe {
            let any = &raw mut pg_sys::SnapshotAnyData;
            let (mut by_index, mut as_they_lie) = (std::ptr::null_mut(), std::ptr::null_mut());
            if index.is_null() {
                progress(pg_sys::PROGRESS_CLUSTER_PHASE, pg_sys::PROGRESS_CLUSTER_PHASE_SEQ_SCAN_HEAP.into());
                let flags = pg_sys::ScanOptions::SO_TYPE_SEQSCAN
                    | pg_sys::ScanOptions::SO_ALLOW_STRAT
                    | pg_sys::ScanOptions::SO_ALLOW_SYNC;
                as_they_lie = pg_sys::heap_beginscan(old, any, 0, std::ptr::null_mut(), std::ptr::null_mut(), flags);
                let heap_scan: *mut pg_sys::HeapScanDescData = as_they_lie.cast();
                progress(pg_sys::PROGRESS_CLUSTER_TOTAL_HEAP_BLKS, (*heap_scan).rs_nblocks.into());
            } else {
                progress(pg_sys::PROGRESS_CLUSTER_PHASE, pg_sys::PROGRESS_CLUSTER_PHASE_INDEX_SCAN_HEAP.into());
                progress(pg_sys::PROGRESS_CLUSTER_INDEX_RELID, Rel::of(index).oid().to_u32().into());
                by_index = compat::index_beginscan(old, index, any, 0, 0);
                pg_sys::index_rescan(by_index, std::ptr::null_mut(), 0, std::ptr::null_mut(), 0);
            }
            let slot = pg_sys::table_slot_create(old, std::ptr::null_mut());
            Self { old, slot, by_index, as_they_lie }
        }
    }

    /// The next version.
    unsafe fn next(&self) -> Option<HeapTuple> {
        let forward = pg_sys::ScanDirection::ForwardScanDirection;
        // SAFETY: the scan is open
        unsafe {
            let more = if self.by_index.is_null() {
                as_heap_slot(self.slot, || pg_sys::heap_getnextslot(self.as_they_lie, forward, self.slot))
            } else {
                pg_sys::index_getnext_slot(self.by_index, forward, self.slot)
            };
            more.then(|| slot::stored_tuple(self.slot))
        }
    }

    /// Calls `take` with each version that is copied, and whether it is dead and some snapshot may still need it. Ends the scan.
    unsafe fn each(
        self,
        oldest_xmin: TransactionId,
        copier: &mut Copier,
        counts: &mut CopyCounts,
        mut take: impl FnMut(&mut Copier, HeapTuple, bool),
    ) {
        let mut blocks: i64 = 0;
        let mut last_block = pg_sys::InvalidBlockNumber;
        // SAFETY: the scan is open, the counters are the server's
        unsafe {
            loop {
                pgrx::check_for_interrupts!();
                let Some(tuple) = self.next() else { break };
                if self.by_index.is_null() && tid(&(*tuple).t_self).block != last_block {
                    last_block = tid(&(*tuple).t_self).block;
                    blocks += 1;
                    progress(pg_sys::PROGRESS_CLUSTER_HEAP_BLKS_SCANNED, blocks);
                }
                let recently_dead = match judge(self.old, tuple, oldest_xmin, slot::buffer(self.slot)) {
                    CopyCost::Dead => {
                        *counts.dead += 1.0;
                        if copier.rewrite.as_mut().is_some_and(|rewrite| rewrite.dead_tuple(tuple)) {
                            // a version counted as recently dead before is now known to be dead
                            *counts.dead += 1.0;
                            *counts.recently_dead -= 1.0;
                        }
                        continue;
                    }
                    CopyCost::RecentlyDead => {
                        *counts.recently_dead += 1.0;
                        true
                    }
                    CopyCost::Live => false,
                };
                *counts.copied += 1.0;
                progress(pg_sys::PROGRESS_CLUSTER_HEAP_TUPLES_SCANNED, *counts.copied as i64);
                take(copier, tuple, recently_dead);
            }
            if self.by_index.is_null() {
                let heap_scan: *mut pg_sys::HeapScanDescData = self.as_they_lie.cast();
                progress(pg_sys::PROGRESS_CLUSTER_HEAP_BLKS_SCANNED, (*heap_scan).rs_nblocks.into());
                pg_sys::heap_endscan(self.as_they_lie);
            } else {
                pg_sys::index_endscan(self.by_index);
            }
            pg_sys::ExecDropSingleTupleTableSlot(self.slot);
        }
    }
}

/// The callback `relation_copy_for_cluster`.
#[pgrx::pg_guard]
#[allow(clippy::too_many_arguments)]
pub unsafe extern "C-unwind" fn relation_copy_for_cluster(
    old: Relation,
    new: Relation,
    index: Relation,
    use_sort: bool,
    oldest_xmin: TransactionId,
    xid_cutoff: *mut TransactionId,
    multi_cutoff: *mut MultiXactId,
    num_tuples: *mut f64,
    tups_vacuumed: *mut f64,
    tups_recently_dead: *mut f64,
) {
    // SAFETY: the server's own arguments; what is opened here is closed at the end, or by the server after an error
    unsafe {
        crate::store::deferred_addresses::flush();
        // a heap copy without columns of variable length, put in the table's place by another program, has none
        let toast_of = |rel: Relation, lockmode: u32| {
            let toast = (*(*rel).rd_rel).reltoastrelid;
            (toast != pg_sys::InvalidOid).then(|| OpenRelation::open(toast, lockmode as _))
        };
        let open = [toast_of(old, pg_sys::AccessShareLock), toast_of(new, pg_sys::RowExclusiveLock)];
        let columns = columns_of(old);
        let natts = (*(*old).rd_att).natts as usize;
        let sort = use_sort && !index.is_null() && sorts_stored_rows(index, &columns);
        let needs = publication::needs(new, Written::Update, &columns);
        let mut copier = Copier {
            new,
            old,
            columns,
            needs,
            old_store: open[0].as_ref().and_then(|toast| Store::if_any(Rel::of(toast.raw()))),
            new_store: open[1].as_ref().map(|toast| Store::of(Rel::of(toast.raw()))),
            rewrite: Some(Rewrite::begin(old, new, oldest_xmin, *xid_cutoff, *multi_cutoff)),
            oldest_xmin: oldest_xmin.into_inner(),
            batch: Vec::new(),
            batch_bytes: 0,
            values: vec![Datum::from(0); natts],
            isnull: vec![true; natts],
            unplaced: HashSet::new(),
            open,
        };
        let mut counts = CopyCounts { copied: num_tuples, dead: tups_vacuumed, recently_dead: tups_recently_dead };
        let scan = CopyScan::begin(old, if sort { std::ptr::null_mut() } else { index });
        if sort {
            let memory = pg_sys::maintenance_work_mem;
            let sorter = pg_sys::tuplesort_begin_cluster((*old).rd_att, index, memory, std::ptr::null_mut(), 0);
            scan.each(oldest_xmin, &mut copier, &mut counts, |_, tuple, _| {
                pg_sys::tuplesort_putheaptuple(sorter, tuple)
            });
            copier.take_sorted(sorter);
        } else {
            let mut written = 0;
            scan.each(oldest_xmin, &mut copier, &mut counts, |copier, tuple, recently_dead| {
                copier.take(tuple, recently_dead);
                written += 1;
                progress(pg_sys::PROGRESS_CLUSTER_HEAP_TUPLES_WRITTEN, written);
            });
        }
        copier.flush();
        if let Some(rewrite) = copier.rewrite.take() {
            hit("rewrite.flushed");
            rewrite.end();
        }
        hit("rewrite.ended");
        copier.place_rest();
        hit("rewrite.placed");
        if copier.old_store.is_none()
            && let [Some(old_toast), Some(new_toast)] = &copier.open
        {
            // The server swaps the TOAST relations' files next, and their access methods with them, but cannot swap
            // dependencies on these, which they do not have. So the two are made alike. What was read is not read again.
            let method = (*(*new_toast.raw()).rd_rel).relam;
            catalog::set_access_method(old_toast.rel().oid(), method);
        }
    }
}
