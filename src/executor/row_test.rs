//! Conditions on a table's own columns, tested on its rows as they lie on the pages: the same tests as those of included columns
//! ([`crate::indexam::hnsw::included::testable`]), of the rows themselves. What passes is a superset of the rows that satisfy the conditions, versions that
//! nobody sees included.

use crate::format::graph::included::{ANY, NULL};
use crate::format::graph::{Condition, IncludedColumn};
use crate::format::store::{SlotNo, Tid};
use crate::indexam::hnsw::included::keys::KeyType;
use crate::pg::relation::Rel;
use crate::tableam::row_pages::{self, Addresses, Pointers, RowForm};
use pgrx::pg_sys;
use smallvec::SmallVec;

/// Tests of a table's rows.
pub struct RowTest {
    rel: pg_sys::Relation,
    /// the columns that are tested
    form: RowForm,
    /// the vectors' column
    vector: RowForm,
    /// and whether values may be stored elsewhere
    kinds: SmallVec<[(KeyType, bool); 4]>,
    keys: SmallVec<[u64; 4]>,
    pointers: Pointers,
}

impl RowTest {
    /// Of these columns of a table that stays open, whose vectors are in column `vector`; `None` where a column has no keys.
    #[must_use]
    pub unsafe fn new(rel: pg_sys::Relation, columns: &[i16], vector: i16) -> Option<Self> {
        // SAFETY: by contract
        unsafe {
            let kind = |&number: &i16| {
                let attribute = Rel::of(rel).attribute(number);
                Some((KeyType::of(attribute.atttypid)?, attribute.attlen == -1))
            };
            let kinds = columns.iter().map(kind).collect::<Option<SmallVec<_>>>()?;
            let (form, vector) = (RowForm::new(rel, columns), RowForm::new(rel, &[vector]));
            Some(Self {
                rel,
                form,
                vector,
                keys: SmallVec::from_elem(ANY, kinds.len()),
                kinds,
                pointers: Pointers::default(),
            })
        }
    }

    #[inline(always)]
    unsafe fn passes(&mut self, row: pg_sys::HeapTupleHeader, condition: &Condition) -> bool {
        let (kinds, keys) = (&self.kinds[..], &mut self.keys[..]);
        // SAFETY: a row of the table
        unsafe {
            self.form.read(row, |column, value| {
                let (kind, may_be_elsewhere) = &kinds[column];
                keys[column] = match value {
                    // of a version that nobody sees it may be gone from there
                    Ok(Some(value)) if *may_be_elsewhere && is_elsewhere(value) => ANY,
                    Ok(Some(value)) => kind.key(value),
                    Ok(None) => NULL,
                    // it is not on the page
                    Err(()) => ANY,
                };
            });
        }
        condition.holds(keys)
    }

    /// Calls `take` with the vectors' slots of all rows that pass. Returns how many were tested, every version counted.
    pub unsafe fn slots(&mut self, condition: &Condition, mut take: impl FnMut(SlotNo)) -> u64 {
        let mut tested = 0;
        // SAFETY: by contract of `new`
        unsafe {
            Rel::of(self.rel).count_scan();
            let rel = self.rel;
            let mut pointers = std::mem::take(&mut self.pointers);
            row_pages::each_version(rel, &mut pointers, |row| {
                tested += 1;
                if self.passes(row, condition)
                    && let Some(slot) = self.slot(row)
                {
                    take(slot);
                }
            });
            self.pointers = pointers;
        }
        tested
    }

    /// The slot of a row's vector.
    unsafe fn slot(&self, row: pg_sys::HeapTupleHeader) -> Option<SlotNo> {
        let mut slot = None;
        // SAFETY: a row of the table
        unsafe {
            self.vector.read(row, |_, value| slot = value.ok().flatten().and_then(|value| self.vector.slot(value)))
        };
        slot
    }

    /// Calls `take` with the slots of the vectors of the rows that indexes reach by addresses, as far as they pass, if there is a condition.
    pub unsafe fn slots_at(
        &mut self,
        blocks: &[Addresses],
        condition: Option<&Condition>,
        mut take: impl FnMut(SlotNo),
    ) {
        // SAFETY: by contract of `new`
        unsafe {
            let mut pointers = std::mem::take(&mut self.pointers);
            row_pages::versions_at(self.rel, blocks, &mut pointers, |row| {
                if condition.is_none_or(|condition| self.passes(row, condition))
                    && let Some(slot) = self.slot(row)
                {
                    take(slot);
                }
            });
            self.pointers = pointers;
        }
    }

    /// Whether the row at `at`, which the snapshot sees, may satisfy the conditions.
    #[must_use]
    pub unsafe fn may_hold(&mut self, at: Tid, condition: &Condition) -> bool {
        // SAFETY: by contract of `new`
        unsafe {
            let mut pointers = std::mem::take(&mut self.pointers);
            let holds = row_pages::any_version(self.rel, at, &mut pointers, |row| self.passes(row, condition));
            self.pointers = pointers;
            holds
        }
    }
}

/// Whether a value with a header is stored elsewhere.
#[inline(always)]
unsafe fn is_elsewhere(value: pg_sys::Datum) -> bool {
    // SAFETY: it has a byte
    unsafe { pgrx::varlena::varatt_is_1b_e(value.cast_mut_ptr()) }
}

/// The columns that conditions read, with what keys their values have; such as have none are left out.
#[must_use]
pub unsafe fn columns_of(rel: Rel<'_>, numbers: &[i16]) -> Vec<(i16, IncludedColumn)> {
    let kept = |&number: &i16| {
        let known = (number > 0).then(|| KeyType::of(rel.attribute(number).atttypid))??;
        Some((number, known.column))
    };
    numbers.iter().filter_map(kept).collect()
}
