//! Distances to vectors that lie in a zvec table's store, computed where they lie: no detoasting, no copy.

use crate::distance::{Metric, PieceSum};
use crate::knn::distance_cache;
use crate::store::pointer_reader;
use crate::tableam::vectors::Pointer;
use crate::vector::ElementType;
use pgrx::pg_sys::Datum;

/// The pointer that `value` is, if it leads into a zvec table's store.
#[inline(always)]
#[must_use]
pub fn pointer(value: Datum) -> Option<Pointer> {
    // SAFETY: the value is a vector argument's, not NULL
    let pointer = unsafe { Pointer::read(value) }?;
    pointer_reader::is_stored_in(pointer.table).then_some(pointer)
}

/// The distance of the query with these elements' bytes, which are aligned, and the stored vector, whose size is the same; and
/// the stored vector's dimensions, where it was read.
///
/// # Safety
/// For SQL functions, whose arguments the server frees after an error: it may jump over the callers' frames.
#[must_use]
pub unsafe fn distance(metric: Metric, element: ElementType, query: &[u8], stored: Pointer) -> (f64, Option<u16>) {
    let is_same = |generation| stored.is_of_generation(generation);
    if let Some(known) = distance_cache::distance(metric, query, stored.table, stored.slot, is_same) {
        return (known, None);
    }
    let mut sum = PieceSum::new(metric, element.operand(query));
    let vector = pointer_reader::stored(stored.slot.0, stored.bytes);
    // SAFETY: by contract, and nothing here waits to be dropped
    let dims = unsafe { pointer_reader::pieces(stored.table, vector, |bytes, ahead| sum.add(bytes, ahead)) };
    (sum.finish(), Some(dims))
}
