//! The query of a scan: what a stored vector's distance to it is, to the bit what the operator answers.

#![forbid(unsafe_code)]

use crate::distance::{Metric, PieceSum, dot};
use std::rc::{Rc, Weak};

/// A query and the metric by which vectors are compared with it.
pub struct VectorQuery {
    metric: Metric,
    elements: Rc<[f32]>,
    /// the query's square (cosine)
    squared: f64,
}

impl VectorQuery {
    /// A query of as many dimensions as the vectors that it will meet.
    #[must_use]
    pub fn new(metric: Metric, elements: Vec<f32>) -> Self {
        let squared = if metric == Metric::Cosine { dot(&elements, &elements) } else { 0.0 };
        Self { metric, elements: elements.into(), squared }
    }

    /// Its elements.
    #[must_use]
    pub fn elements(&self) -> &[f32] {
        &self.elements
    }

    /// Its elements, for who wants to know whether it still exists.
    #[must_use]
    pub fn weak(&self) -> Weak<[f32]> {
        Rc::downgrade(&self.elements)
    }

    /// The metric.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// What measures distances to it, for threads too.
    #[inline]
    #[must_use]
    pub fn measure(&self) -> Measure<'_> {
        Measure { metric: self.metric, elements: &self.elements, squared: self.squared }
    }

    /// Begins with a vector.
    #[inline]
    #[must_use]
    pub fn begin(&self) -> PieceSum<'_> {
        self.measure().begin()
    }
}

/// Measures distances to a query.
#[derive(Clone, Copy, Debug)]
pub struct Measure<'q> {
    metric: Metric,
    elements: &'q [f32],
    squared: f64,
}

impl<'q> Measure<'q> {
    /// Begins with a vector.
    #[inline(always)]
    #[must_use]
    pub fn begin(&self) -> PieceSum<'q> {
        PieceSum::with_query_squared(self.metric, self.elements, self.squared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::distance;
    use crate::format::page::{PAGE_BYTES, PAYLOAD_BYTES, PAYLOAD_START, PageBytes};
    use crate::format::store::{Geometry, Position};
    use zerocopy::FromBytes;

    #[repr(align(8))]
    #[derive(Clone)]
    struct Page(PageBytes);

    #[test]
    fn distances_are_the_operators_to_the_bit() {
        for dims in [1u16, 3, 100, 784, 1536, 2038, 2039, 5000] {
            let geometry = Geometry::new(dims);
            let value = |i: usize| ((i as f32) * 0.37).sin() * 3.0;
            let pages = geometry.data_pages(40) as usize;
            let mut store = vec![Page([0; PAGE_BYTES]); pages];
            for (ordinal, page) in store.iter_mut().enumerate() {
                for element in 0..PAYLOAD_BYTES / 4 {
                    let at = PAYLOAD_START + 4 * element;
                    page.0[at..at + 4].copy_from_slice(&value(ordinal * PAYLOAD_BYTES / 4 + element).to_le_bytes());
                }
            }
            let elements: Vec<f32> = (0..usize::from(dims)).map(|i| value(7 * i + 1)).collect();
            for metric in Metric::ALL {
                let query = VectorQuery::new(metric, elements.clone());
                for position in (0..40).map(Position) {
                    let pieces: Vec<&[f32]> = geometry
                        .pieces(position)
                        .map(|piece| {
                            let from = PAYLOAD_START + piece.offset;
                            <[f32]>::ref_from_bytes(&store[piece.ordinal as usize].0[from..from + piece.len]).unwrap()
                        })
                        .collect();
                    let mut sum = query.begin();
                    for piece in &pieces {
                        sum.add(zerocopy::IntoBytes::as_bytes(*piece), 0);
                    }
                    let whole = distance(metric, &elements, &pieces.concat());
                    assert_eq!(sum.finish().to_bits(), whole.to_bits(), "{metric:?} {dims}");
                }
            }
        }
    }
}
