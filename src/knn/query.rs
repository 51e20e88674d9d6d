//! The query of a scan: what a stored vector's distance to it is, to the bit what the operator answers.

#![forbid(unsafe_code)]

use crate::distance::{Metric, Operand, PieceSum};
use crate::vector::{ElementBytes, ElementType};

/// A query and the metric by which vectors are compared with it.
pub struct VectorQuery {
    metric: Metric,
    element: ElementType,
    bytes: ElementBytes,
    /// half floats as the kernel takes them fastest; otherwise empty
    wide: Vec<f64>,
    /// [`Operand::squared`]
    squared: f64,
}

impl VectorQuery {
    /// A query of as many dimensions as the vectors that it will meet, by its elements' bytes.
    #[must_use]
    pub fn new(metric: Metric, element: ElementType, bytes: &[u8]) -> Self {
        let bytes = ElementBytes::copy(bytes);
        let operand = element.operand(bytes.as_bytes());
        let wide = match operand {
            Operand::Half(halves) => halves.iter().map(|half| f64::from(half.to_f32())).collect(),
            _ => Vec::new(),
        };
        let squared = operand.squared(metric);
        Self { metric, element, bytes, wide, squared }
    }

    /// Its elements' bytes.
    #[must_use]
    pub fn bytes(&self) -> &ElementBytes {
        &self.bytes
    }

    /// What codes are compared with: see [`ElementType::append_numbers`].
    #[must_use]
    pub fn numbers(&self) -> Vec<f32> {
        let mut numbers = Vec::new();
        self.element.append_numbers(self.bytes.as_bytes(), &mut numbers);
        numbers
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
        let operand = match self.element.operand(self.bytes.as_bytes()) {
            Operand::Half(_) => Operand::WideHalf(&self.wide),
            operand => operand,
        };
        Measure { metric: self.metric, operand, squared: self.squared }
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
    operand: Operand<'q>,
    squared: f64,
}

impl<'q> Measure<'q> {
    /// Begins with a vector.
    #[inline(always)]
    #[must_use]
    pub fn begin(&self) -> PieceSum<'q> {
        PieceSum::with_query_squared(self.metric, self.operand, self.squared)
    }

    /// The distance to a vector that is one piece: see [`Operand::to_whole`].
    #[inline(always)]
    #[must_use]
    pub fn of_whole(&self, bytes: &[u8], ahead: usize, bound: Option<f64>) -> Option<f64> {
        self.operand.to_whole(self.metric, self.squared, bytes, ahead, bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Half;
    use crate::format::page::{PAGE_BYTES, PAYLOAD_BYTES, PAYLOAD_START, PageBytes};
    use crate::format::store::{Geometry, Position};
    use crate::vector::VectorShape;

    #[repr(align(8))]
    #[derive(Clone)]
    struct Page(PageBytes);

    #[test]
    fn distances_are_the_operators_to_the_bit() {
        for element in ElementType::ALL {
            for dims in [1u16, 3, 100, 784, 1536, 2038, 2039, 5000] {
                of_shape(VectorShape { element, dims });
            }
        }
    }

    fn of_shape(shape: VectorShape) {
        let geometry = Geometry::new(shape);
        let pages = geometry.data_pages(40) as usize;
        let mut store = vec![Page([0; PAGE_BYTES]); pages];
        let value = |i: usize| ((i as f32) * 0.37).sin() * 3.0;
        // bytes that are finite numbers of any type
        let bytes_of = |i: usize| match shape.element {
            ElementType::Float4 => value(i / 4).to_le_bytes()[i % 4],
            ElementType::Half => Half::from_f64(value(i / 2).into()).0.to_le_bytes()[i % 2],
            _ => (value(i) * 40.0) as i8 as u8,
        };
        for (ordinal, page) in store.iter_mut().enumerate() {
            for at in 0..PAYLOAD_BYTES {
                page.0[PAYLOAD_START + at] = bytes_of(ordinal * PAYLOAD_BYTES + at);
            }
        }
        let query_bytes: Vec<u8> = (0..shape.bytes()).map(|i| bytes_of(4 * 7919 + i)).collect();
        for metric in shape.element.metrics() {
            let query = VectorQuery::new(metric, shape.element, &query_bytes);
            for position in (0..40).map(Position) {
                let pieces: Vec<&[u8]> = geometry
                    .pieces(position)
                    .map(|piece| {
                        let from = PAYLOAD_START + piece.offset;
                        &store[piece.ordinal as usize].0[from..from + piece.len]
                    })
                    .collect();
                let mut sum = query.begin();
                for piece in &pieces {
                    sum.add(piece, 0);
                }
                // as the operator does, of one whole
                let whole = ElementBytes::copy(&pieces.concat());
                let mut operator = PieceSum::new(metric, shape.element.operand(query.bytes().as_bytes()));
                operator.add(whole.as_bytes(), 0);
                assert_eq!(sum.finish().to_bits(), operator.finish().to_bits(), "{metric:?} {shape:?}");
                let (measure, distance) = (query.measure(), operator.finish());
                let of_whole = |bound| measure.of_whole(whole.as_bytes(), 0, bound);
                assert_eq!(of_whole(None).map(f64::to_bits), Some(distance.to_bits()), "{metric:?} {shape:?}");
                assert_eq!(
                    of_whole(Some(distance)).map(f64::to_bits),
                    Some(distance.to_bits()),
                    "{metric:?} {shape:?}"
                );
                let nearer = Some(distance * (1.0 - 1e-9)).filter(|_| distance > 0.0);
                assert_eq!(
                    of_whole(nearer).is_none(),
                    metric == Metric::L2 && nearer.is_some(),
                    "{metric:?} {shape:?}"
                );
            }
        }
    }
}
