//! The order of vectors: element by element, then by dimensions. It is the btree order, and its equality is `=`, with which
//! hashing agrees.

use std::borrow::Cow;
use std::cmp::Ordering;
use zerocopy::IntoBytes;

/// Compares two vectors; negative and positive zero are equal, elements are never NaN.
pub fn compare(a: &[f32], b: &[f32]) -> Ordering {
    for (x, y) in a.iter().zip(b) {
        match x.partial_cmp(y) {
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
pub fn bytes_to_hash(a: &[f32]) -> Cow<'_, [u8]> {
    const NEGATIVE_ZERO: u32 = (-0.0f32).to_bits();
    // a fold without a way out: most vectors have none, and are looked through to the end
    if a.iter().fold(false, |found, x| found | (x.to_bits() == NEGATIVE_ZERO)) {
        // a sum of zeros is positive unless both are negative
        Cow::Owned(a.iter().flat_map(|x| (x + 0.0).to_ne_bytes()).collect())
    } else {
        Cow::Borrowed(a.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn examples() {
        assert_eq!(compare(&[1.0, 2.0], &[1.0, 2.0]), Ordering::Equal);
        assert_eq!(compare(&[1.0, 2.0], &[1.0, 3.0]), Ordering::Less);
        assert_eq!(compare(&[2.0], &[1.0, 3.0]), Ordering::Greater);
        assert_eq!(compare(&[1.0], &[1.0, -3.0]), Ordering::Less);
        assert_eq!(compare(&[0.0], &[-0.0]), Ordering::Equal);
    }

    /// The bytes are part of the format of hash indexes and hash partitions: little-endian elements, no header.
    #[test]
    fn golden_bytes_to_hash() {
        assert_eq!(*bytes_to_hash(&[1.0, -0.0]), [0, 0, 0x80, 0x3f, 0, 0, 0, 0]);
        assert!(matches!(bytes_to_hash(&[1.0, 0.0]), Cow::Borrowed(_)));
        assert_eq!(*bytes_to_hash(&[-1e-45]), [1, 0, 0, 0x80]);
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
