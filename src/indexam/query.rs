//! The query of a scan: what a stored vector's distance to it is, to the bit what the operator answers.
//!
//! The operators add a distance up over the pieces in which a vector lies on its pages (`sql/stored.rs`), and so does
//! this. For cosine the operators also add up the query's square over the same pieces; its sum depends on where the
//! vector is cut only, so it is computed once for each place on a page where a vector may begin.

use crate::distance::{Accumulator, Metric, dot};
use crate::segment::page::PAYLOAD_BYTES;
use zerocopy::FromBytes;

/// A query and the metric by which vectors are compared with it.
pub struct Query {
    metric: Metric,
    elements: Vec<f32>,
    /// the query's square by the element of a page at which a stored vector begins; NaN = not computed yet (cosine)
    squares: Vec<f64>,
}

impl Query {
    /// A query of as many dimensions as the vectors that it will meet.
    #[must_use]
    pub fn new(metric: Metric, elements: Vec<f32>) -> Self {
        let places = if metric == Metric::Cosine { PAYLOAD_BYTES / 4 } else { 0 };
        Self { metric, elements, squares: vec![f64::NAN; places] }
    }

    /// Its elements.
    #[must_use]
    pub fn elements(&self) -> &[f32] {
        &self.elements
    }

    /// The metric.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Begins with a vector that begins at byte `offset` of a page's payload.
    #[inline]
    pub fn begin(&mut self, offset: usize) -> Accumulator {
        match self.metric {
            Metric::Cosine => Accumulator::with_query_squared(self.metric, self.square(offset)),
            metric => Accumulator::new(metric),
        }
    }

    #[inline]
    fn square(&mut self, offset: usize) -> f64 {
        let known = self.squares[offset / 4];
        if !known.is_nan() {
            return known;
        }
        let mut sum = 0.0;
        let (mut at, mut room) = (0, (PAYLOAD_BYTES - offset) / 4);
        while at < self.elements.len() {
            let end = (at + room).min(self.elements.len());
            let piece = &self.elements[at..end];
            sum += dot(piece, piece);
            (at, room) = (end, PAYLOAD_BYTES / 4);
        }
        self.squares[offset / 4] = sum;
        sum
    }

    /// Adds the piece `bytes`, whose first element is the vector's element `at`; returns the element after it.
    #[inline]
    pub fn add(&self, sum: &mut Accumulator, at: usize, bytes: &[u8]) -> usize {
        // pieces start at multiples of 4 of an aligned page
        let piece = <[f32]>::ref_from_bytes(bytes).unwrap_or_default();
        let end = (at + piece.len()).min(self.elements.len());
        sum.add(&self.elements[at..end], &piece[..end - at]);
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::page::{PAGE_BYTES, PAYLOAD_START, PageBytes};
    use crate::segment::{Geometry, Position};

    #[repr(align(8))]
    #[derive(Clone)]
    struct Page(PageBytes);

    /// What `sql/stored.rs` does with the same pieces.
    fn operator(metric: Metric, query: &[f32], pieces: &[&[f32]]) -> f64 {
        let mut sum = Accumulator::new(metric);
        let mut at = 0;
        for piece in pieces {
            sum.add(&query[at..at + piece.len()], piece);
            at += piece.len();
        }
        sum.finish()
    }

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
                let mut query = Query::new(metric, elements.clone());
                for position in (0..40).map(Position).chain([Position(3)]) {
                    let pieces: Vec<&[f32]> = geometry
                        .pieces(position)
                        .map(|piece| {
                            let from = PAYLOAD_START + piece.offset;
                            <[f32]>::ref_from_bytes(&store[piece.ordinal as usize].0[from..from + piece.len]).unwrap()
                        })
                        .collect();
                    let start = u64::from(position.0) * u64::from(geometry.stride_bytes);
                    let mut sum = query.begin((start % PAYLOAD_BYTES as u64) as usize);
                    let mut at = 0;
                    for piece in &pieces {
                        at = query.add(&mut sum, at, zerocopy::IntoBytes::as_bytes(*piece));
                    }
                    assert_eq!(
                        sum.finish().to_bits(),
                        operator(metric, &elements, &pieces).to_bits(),
                        "{metric:?} {dims}"
                    );
                }
            }
        }
    }
}
