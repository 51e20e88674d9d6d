//! Measuring one vector where it lies.

#![forbid(unsafe_code)]

use crate::format::page::{PAYLOAD_START, PageBytes};
use crate::format::store::Geometry;
use crate::knn::query::Measure;
use crate::knn::result_queue::{Found, TopK};

/// The pages that vectors are on.
pub trait PageSource {
    /// Data page `ordinal`, and the address at which the one after it may be in memory (0 = not known); `None` when only
    /// the backend's own thread can read it.
    fn page(&mut self, ordinal: u32) -> Option<(&PageBytes, usize)>;
}

/// Measures the vector of `found`, which a snapshot may see, and offers it; false when a page of it cannot be read.
#[inline(always)]
pub fn offer(
    measure: Measure<'_>,
    geometry: Geometry,
    found: Found,
    pages: &mut impl PageSource,
    best: &mut TopK,
) -> bool {
    let (position, bound) = (found.slot.position(), best.bound());
    // the bytes of a visible slot's vector do not change, so a pin is enough; those of another are numbers whatever they are
    let near = if let Some(piece) = geometry.whole(position) {
        let from = PAYLOAD_START + piece.offset;
        let Some((page, next)) = pages.page(piece.ordinal) else { return false };
        let ahead = if next == 0 { 0 } else { next + from };
        measure.of_whole(&page[from..from + piece.len], ahead, bound)
    } else {
        let mut sum = measure.begin();
        for piece in geometry.pieces(position) {
            let from = PAYLOAD_START + piece.offset;
            let Some((page, next)) = pages.page(piece.ordinal) else { return false };
            let ahead = if next == 0 { 0 } else { next + from };
            sum.add(&page[from..from + piece.len], ahead);
        }
        (!bound.is_some_and(|bound| sum.is_beyond(bound))).then(|| sum.finish())
    };
    let Some(distance) = near.filter(|&distance| !bound.is_some_and(|bound| distance > bound)) else {
        best.pass();
        return true;
    };
    best.offer(Found { distance, ..found });
    true
}
