//! The exact distance of one vector, named by its slot.

#![forbid(unsafe_code)]

use crate::format::store::SlotNo;
use crate::knn::column::Column;
use crate::knn::query::VectorQuery;
use crate::store::{Store, StoredVector, pointer_reader};

/// The distance of `query` to the vector in slot `slot` of `column`, whose store is `store`, to the bit what the operator answers.
/// The slot must exist, but may hold whatever: of a slot that is not LIVE any more the answer means nothing. An error is raised
/// when the store has no such slot.
#[must_use]
pub fn distance(query: &VectorQuery, column: &Column, store: &Store, slot: SlotNo) -> f64 {
    let vector = StoredVector { slot, bytes: column.shape().bytes() as u32 };
    let mut sum = query.begin();
    let take = |_, bytes: &[u8]| {
        sum.add(bytes, 0);
        true
    };
    if !store.read(vector, take) {
        pointer_reader::missing(column.table.to_u32(), vector)
    }
    sum.finish()
}
