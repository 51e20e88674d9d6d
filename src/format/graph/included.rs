//! Keys of included columns: what a graph knows of a row beside its vector, 8 bytes a column.
//!
//! A page of [`GraphPageKind::Included`](crate::format::graph::GraphPageKind::Included) holds the keys of consecutive positions
//! of the segment, of all columns, column by column:
//!
//! ```text
//! 40      for each column: least key u64 | greatest key u64 that the page has had (0 = none yet)
//! then    for each column: a key u64 for each position of the page
//! ```
//!
//! *Keys are coarse*: equal values have equal keys, and where the kind keeps an order keys keep it, but different values may
//! have one key. So what is found by keys is a superset, and the row decides.

use crate::format::page::{Fragment, PAYLOAD_BYTES, PAYLOAD_START, PageBytes, u32_at};

/// A position without keys.
pub const NONE: u64 = 0;
/// The key of NULL.
pub const NULL: u64 = 1;
/// The least key of a value.
pub const LEAST: u64 = 2;
/// The greatest key of a value.
pub const GREATEST: u64 = u64::MAX - 1;
/// The key of a slot whose row versions differ, or of a value that has no key: it passes every test.
pub const ANY: u64 = u64::MAX;

/// How keys are made of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// int2, int4, int8, in order
    Integer = 1,
    /// float4, float8, in order
    Float = 2,
    /// bool, in order
    Bool = 3,
    /// oid, in order
    Oid = 4,
    /// "char", in order
    Char = 5,
    /// date, in order
    Date = 6,
    /// timestamp, in order
    Timestamp = 7,
    /// timestamptz, in order
    TimestampTz = 8,
    /// the hash of any type that the server can hash, by one of its own functions
    Hash = 9,
    /// the oid of an enum's label
    Enum = 10,
}

impl KeyKind {
    const ALL: [Self; 10] = [
        Self::Integer,
        Self::Float,
        Self::Bool,
        Self::Oid,
        Self::Char,
        Self::Date,
        Self::Timestamp,
        Self::TimestampTz,
        Self::Hash,
        Self::Enum,
    ];

    /// The kind of that number.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&kind| kind as u8 == number)
    }

    /// Whether keys are in the order of values.
    #[must_use]
    pub fn is_ordered(self) -> bool {
        !matches!(self, Self::Hash | Self::Enum)
    }

    /// Whether values that differ have keys that differ, but for those of [`key`] at either end.
    #[must_use]
    pub fn is_exact(self) -> bool {
        self != Self::Hash
    }
}

/// What the meta page says of an included column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncludedColumn {
    /// how its keys are made
    pub kind: KeyKind,
    /// oid of the function that hashes; 0 of other kinds
    pub hash: u32,
}

impl IncludedColumn {
    /// Bytes on the meta page.
    pub const BYTES: usize = 8;
    /// The most of an index: the server's most columns of an index, less the vector.
    pub const MOST: usize = 31;

    /// The bytes on the meta page: kind u8, 3 reserved, oid of the hash function u32.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0] = self.kind as u8;
        bytes[4..8].copy_from_slice(&self.hash.to_le_bytes());
        bytes
    }

    /// Reads them; `None` for a kind that is not known.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let kind = KeyKind::of(bytes[0])?;
        Some(Self { kind, hash: u32_at(bytes, 4) })
    }
}

/// The key of a value of this rank among all values; a few at either end share one.
#[inline]
#[must_use]
pub const fn key(rank: u64) -> u64 {
    match rank {
        ..=LEAST => LEAST,
        ANY => GREATEST,
        _ => rank,
    }
}

/// The rank of an integer.
#[must_use]
pub const fn rank_of_integer(value: i64) -> u64 {
    value as u64 ^ 1 << 63
}

/// The rank of a float as PostgreSQL orders them: 0 and -0 are equal, NaN is equal to NaN and the greatest.
#[must_use]
pub fn rank_of_float(value: f64) -> u64 {
    if value.is_nan() {
        return u64::MAX;
    }
    // -0 + 0 is 0
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// Where keys lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncludedShape {
    /// included columns of the index
    pub columns: usize,
    /// positions on a page; 0 without included columns
    pub per_page: u32,
}

const KEY_BYTES: usize = 8;
const ENDS_BYTES: usize = 2 * KEY_BYTES;

impl IncludedShape {
    /// The most positions on a page.
    pub const MOST_PER_PAGE: usize = (PAYLOAD_BYTES - ENDS_BYTES) / KEY_BYTES;

    /// The shape for so many columns.
    #[must_use]
    pub const fn new(columns: usize) -> Self {
        let per_page = match columns {
            0 => 0,
            _ => (PAYLOAD_BYTES - columns * ENDS_BYTES) / (columns * KEY_BYTES),
        };
        Self { columns, per_page: per_page as u32 }
    }

    /// Page ordinal, and place among the page's positions.
    #[inline]
    #[must_use]
    pub fn at(&self, position: u32) -> (u32, usize) {
        (position / self.per_page, (position % self.per_page) as usize)
    }

    /// Pages that the first `positions` take.
    #[must_use]
    pub fn pages(&self, positions: u32) -> u32 {
        if self.columns == 0 { 0 } else { positions.div_ceil(self.per_page) }
    }

    const fn ends_at(column: usize) -> usize {
        PAYLOAD_START + column * ENDS_BYTES
    }

    const fn keys_at(&self, column: usize) -> usize {
        Self::ends_at(self.columns) + column * self.per_page as usize * KEY_BYTES
    }

    /// The least and the greatest key that a column has had on the page; (0, 0) when it has had none.
    #[inline]
    #[must_use]
    pub fn ends(&self, page: &PageBytes, column: usize) -> (u64, u64) {
        let at = Self::ends_at(column);
        (u64_at(page, at), u64_at(page, at + KEY_BYTES))
    }

    /// A column's keys, each as the bytes on the page.
    #[inline]
    #[must_use]
    pub fn keys<'p>(&self, page: &'p PageBytes, column: usize) -> &'p [[u8; KEY_BYTES]] {
        let at = self.keys_at(column);
        page[at..at + self.per_page as usize * KEY_BYTES].as_chunks().0
    }

    /// The key of a column at a place of the page.
    #[must_use]
    pub fn key(&self, page: &PageBytes, column: usize, place: usize) -> u64 {
        u64_at(page, self.keys_at(column) + place * KEY_BYTES)
    }

    /// Calls `change` with the changes that put `keys`, one for each column, at a place of the page: offsets and bytes.
    pub fn put(&self, page: &PageBytes, place: usize, keys: &[u64], mut change: impl FnMut(usize, &[u8])) {
        for (column, &key) in keys.iter().enumerate() {
            change(self.keys_at(column) + place * KEY_BYTES, &key.to_le_bytes());
            let (least, greatest) = self.ends(page, column);
            if least == NONE || key < least {
                change(Self::ends_at(column), &key.to_le_bytes());
            }
            if key > greatest {
                change(Self::ends_at(column) + KEY_BYTES, &key.to_le_bytes());
            }
        }
    }

    /// As [`IncludedShape::put`], all at once.
    #[must_use]
    pub fn changes(&self, page: &PageBytes, place: usize, keys: &[u64]) -> Vec<Fragment> {
        let mut changes = Vec::with_capacity(keys.len());
        self.put(page, place, keys, |at, bytes| changes.push((at, bytes.to_vec())));
        changes
    }

    /// As [`IncludedShape::put`], for one of several row versions of a slot: where another has put other keys, they become
    /// [`ANY`].
    pub fn join(&self, page: &mut PageBytes, place: usize, keys: &[u64]) {
        let joined: Vec<u64> = keys
            .iter()
            .enumerate()
            .map(|(column, &key)| match self.key(page, column, place) {
                NONE => key,
                known if known == key => key,
                _ => ANY,
            })
            .collect();
        for (at, bytes) in self.changes(page, place, &joined) {
            page[at..at + bytes.len()].copy_from_slice(&bytes);
        }
    }
}

/// Read at once: a page that is looked at without a lock may be changed meanwhile, and what is aligned is changed at once.
#[inline]
fn u64_at(page: &PageBytes, at: usize) -> u64 {
    let (whole, _) = page[at..].as_chunks();
    u64::from_le_bytes(whole[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::page::PAGE_BYTES;
    use proptest::prelude::*;

    #[test]
    fn pages_hold_the_keys_of_all_columns() {
        for columns in 1..=IncludedColumn::MOST {
            let shape = IncludedShape::new(columns);
            assert!(shape.per_page >= 1 && shape.per_page as usize <= IncludedShape::MOST_PER_PAGE);
            assert!(shape.keys_at(columns) <= PAGE_BYTES, "{columns} columns");
            assert!(shape.keys_at(columns) + columns * KEY_BYTES > PAGE_BYTES - 8, "{columns} columns leave room");
            let mut page = [0; PAGE_BYTES];
            for place in 0..shape.per_page as usize {
                let keys: Vec<u64> = (0..columns).map(|column| (7 + column * 10_000 + place) as u64).collect();
                shape.join(&mut page, place, &keys);
            }
            for column in 0..columns {
                let first = (7 + column * 10_000) as u64;
                assert_eq!(shape.ends(&page, column), (first, first + u64::from(shape.per_page) - 1));
                for (place, key) in shape.keys(&page, column).iter().enumerate() {
                    assert_eq!(u64::from_le_bytes(*key), first + place as u64);
                    assert_eq!(shape.key(&page, column, place), first + place as u64);
                }
            }
            assert_eq!(shape.at(shape.per_page * 3 + 1), (3, if shape.per_page == 1 { 0 } else { 1 }));
            assert_eq!((shape.pages(0), shape.pages(1), shape.pages(shape.per_page + 1)), (0, 1, 2));
        }
        assert_eq!(IncludedShape::new(0).pages(1000), 0);
        // as design/format.md has it
        assert_eq!((IncludedShape::new(1).per_page, IncludedShape::new(3).per_page), (1017, 337));
    }

    #[test]
    fn golden_bytes() {
        let shape = IncludedShape::new(2);
        let mut page = [0; PAGE_BYTES];
        shape.join(&mut page, 1, &[5, NULL]);
        shape.join(&mut page, 2, &[3, 9]);
        let words = |at: usize| page[at..].as_chunks::<8>().0.iter().map(|&bytes| u64::from_le_bytes(bytes));
        assert!(words(40).take(8).eq([3, 5, 1, 9, 0, 5, 3, 0]));
        assert!(words(72 + 8 * shape.per_page as usize).take(4).eq([0, 1, 9, 0]));
    }

    #[test]
    fn versions_of_a_slot_that_differ_pass_every_test() {
        let shape = IncludedShape::new(2);
        let mut page = [0; PAGE_BYTES];
        shape.join(&mut page, 4, &[50, 60]);
        shape.join(&mut page, 4, &[50, 61]);
        assert_eq!((shape.key(&page, 0, 4), shape.key(&page, 1, 4)), (50, ANY));
        assert_eq!((shape.ends(&page, 0), shape.ends(&page, 1)), ((50, 50), (60, ANY)));
        // a slot that is given to another vector has keys of its own
        let changes = shape.changes(&page, 4, &[NULL, 70]);
        assert_eq!(changes.len(), 3);
        for (at, bytes) in changes {
            page[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        assert_eq!((shape.key(&page, 0, 4), shape.key(&page, 1, 4)), (NULL, 70));
        assert_eq!((shape.ends(&page, 0), shape.ends(&page, 1)), ((NULL, 50), (60, ANY)));
    }

    fn float() -> impl Strategy<Value = f64> {
        let special = [0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, -1.0, 1.0];
        prop_oneof![any::<f64>(), any::<u64>().prop_map(f64::from_bits), prop::sample::select(special.to_vec())]
    }

    /// As `float8_cmp_internal` of the server.
    fn compare(a: f64, b: f64) -> std::cmp::Ordering {
        a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
    }

    proptest! {
        #[test]
        fn ranks_are_in_order(a in float(), b in float(), x in any::<i64>(), y in any::<i64>()) {
            prop_assert_eq!(rank_of_float(a).cmp(&rank_of_float(b)), compare(a, b));
            prop_assert_eq!(rank_of_integer(x).cmp(&rank_of_integer(y)), x.cmp(&y));
        }

        #[test]
        fn keys_are_in_order(a in any::<u64>(), b in any::<u64>(), near in 0u64..5) {
            for (a, b) in [(a, b), (near, a), (u64::MAX - near, a), (near, u64::MAX)] {
                let (low, high) = (a.min(b), a.max(b));
                prop_assert!(key(low) <= key(high));
                prop_assert!((LEAST..=GREATEST).contains(&key(a)));
                prop_assert!(key(a) == a || !(LEAST..=GREATEST).contains(&a));
            }
        }
    }
}
