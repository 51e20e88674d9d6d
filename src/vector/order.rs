//! The order of vectors: element by element, then by dimensions. It is the btree order, and its equality is `=`, with which
//! hashing agrees.

use crate::vector::Number;
use std::borrow::Cow;
use std::cmp::Ordering;
use zerocopy::IntoBytes;

/// Compares two vectors; negative and positive zero are equal, elements are never NaN.
pub fn compare<E: Number>(a: &[E], b: &[E]) -> Ordering {
    for (x, y) in a.iter().zip(b) {
        match x.to_f32().partial_cmp(&y.to_f32()) {
            Some(Ordering::Equal) | None => {}
            Some(different) => return different,
        }
    }
    a.len().cmp(&b.len())
}

/// Bytes that are equal exactly when the vectors are, to be hashed: the elements, with positive zeros for negative ones.
///
/// Hash indexes and hash-partitioned tables keep what is made of them.
#[must_use]
pub fn bytes_to_hash<E: Number>(a: &[E]) -> Cow<'_, [u8]> {
    const NEGATIVE_ZERO: u32 = (-0.0f32).to_bits();
    let is_negative_zero = |x: &E| x.to_f32().to_bits() == NEGATIVE_ZERO;
    // a fold without a way out: most vectors have none, and are looked through to the end
    if a.iter().fold(false, |found, x| found | is_negative_zero(x)) {
        let positive: Vec<E> = a.iter().map(|x| if is_negative_zero(x) { E::default() } else { *x }).collect();
        Cow::Owned(positive.as_bytes().to_vec())
    } else {
        Cow::Borrowed(a.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::Half;
    use proptest::prelude::*;

    #[test]
    fn examples() {
        assert_eq!(compare(&[1.0f32, 2.0], &[1.0, 2.0]), Ordering::Equal);
        assert_eq!(compare(&[1.0f32, 2.0], &[1.0, 3.0]), Ordering::Less);
        assert_eq!(compare(&[2.0f32], &[1.0, 3.0]), Ordering::Greater);
        assert_eq!(compare(&[1.0f32], &[1.0, -3.0]), Ordering::Less);
        assert_eq!(compare(&[0.0f32], &[-0.0]), Ordering::Equal);
    }

    /// The bytes are part of the format of hash indexes and hash partitions: little-endian elements, no header.
    #[test]
    fn golden_bytes_to_hash() {
        assert_eq!(*bytes_to_hash(&[1.0f32, -0.0]), [0, 0, 0x80, 0x3f, 0, 0, 0, 0]);
        assert!(matches!(bytes_to_hash(&[1.0f32, 0.0]), Cow::Borrowed(_)));
        assert_eq!(*bytes_to_hash(&[-1e-45f32]), [1, 0, 0, 0x80]);
        assert_eq!(*bytes_to_hash(&[Half(0x3c00), Half(0x8000)]), [0, 0x3c, 0, 0]);
        assert_eq!(*bytes_to_hash(&[1i8, -1]), [1, 0xff]);
    }

    fn small() -> impl Strategy<Value = Vec<f32>> {
        let zeros = prop_oneof![Just(0.0f32), Just(-0.0), Just(1e-45), Just(-1e-45)];
        proptest::collection::vec(prop_oneof![(-2i8..=2).prop_map(f32::from), zeros], 1..4)
    }

    proptest! {
        #[test]
        fn is_a_total_order(a in small(), b in small(), c in small()) {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &b) == Ordering::Equal, a == b);
            prop_assert_eq!(bytes_to_hash(&a) == bytes_to_hash(&b), a == b);
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
        }
    }
}
