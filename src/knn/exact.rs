//! The exact distance of one vector, named by its slot.

#![forbid(unsafe_code)]

use crate::format::store::SlotNo;
use crate::knn::column::Column;
use crate::knn::query::VectorQuery;
use crate::store::pointer_reader;

/// The distance of `query` to the vector in slot `slot` of `column`, to the bit what the operator answers. The slot must
/// exist, but may hold whatever: of a slot that is not LIVE any more the answer means nothing. An error is raised when
/// the store has no such slot.
///
/// Where the pages of the vectors are is remembered from call to call and from query to query (`store/pointer_reader.rs`).
#[must_use]
pub fn distance(query: &VectorQuery, column: &Column, slot: SlotNo) -> f64 {
    let (mut sum, mut at) = (query.begin(), 0);
    pointer_reader::pieces(column.table.to_u32(), pointer_reader::stored(slot.0, column.dims), |bytes, ahead| {
        at = query.add(&mut sum, at, bytes, ahead);
    });
    sum.finish()
}
