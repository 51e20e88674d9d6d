//! Sparse vectors: the elements that are not zero, by their index. Text `{1:0.5,7:2}/1000`, indexes from 1 on; in memory and in
//! binary as pgvector's `sparsevec`, indexes from 0 on.
//!
//! ```text
//! byte  0..4   varlena header (written by the server's rules, not here)
//!       4..8   i32 dimensions
//!       8..12  i32 number of elements
//!       12..16 i32 unused, zero
//!       16..   i32 indexes, ascending; then as many f32 elements, none of them zero
//! ```

#![forbid(unsafe_code)]

use crate::distance::{Accumulator, Metric};
use crate::error::{Error, Result, SqlState};
use crate::vector::text::{MAX_QUOTED_BYTES, is_space, quote};
use crate::vector::{ElementType, Number, check_same_dims, not_finite};
use std::cmp::Ordering;
use zerocopy::{FromBytes, IntoBytes};

/// Greatest number of dimensions.
pub const MAX_DIMS: usize = 1_000_000_000;
/// Greatest number of elements that are not zero.
pub const MAX_ELEMENTS: usize = 16_000;
/// Bytes before the indexes, without the varlena header.
pub const HEADER_BYTES: usize = 12;

/// A sparse vector: matching indexes, ascending, and elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sparse<'v> {
    /// dimensions
    pub dims: usize,
    /// from 0 on
    pub indexes: &'v [u32],
    /// none is zero, all are finite
    pub elements: &'v [f32],
}

/// A sparse vector that owns its parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SparseBuf {
    /// dimensions
    pub dims: usize,
    /// indexes from 0 on and elements, ascending
    pub pairs: Vec<(u32, f32)>,
}

/// Checks that a sparse vector may have `dims` dimensions.
///
/// # Errors
/// `DataException` for zero, `ProgramLimitExceeded` for more than [`MAX_DIMS`].
pub fn check_dims(dims: usize) -> Result<usize> {
    match dims {
        0 => Err(Error::new(SqlState::DataException, "a zsparse must have at least 1 dimension")
            .hint("Give the dimensions after the elements, for example {1:0.5}/3.")),
        1..=MAX_DIMS => Ok(dims),
        _ => Err(Error::new(
            SqlState::ProgramLimitExceeded,
            format!("a zsparse cannot have more than {MAX_DIMS} dimensions, not {dims}"),
        )
        .hint("Number the dimensions that are in use.")),
    }
}

/// Checks that a sparse vector may have so many elements that are not zero.
///
/// # Errors
/// `ProgramLimitExceeded` for more than [`MAX_ELEMENTS`].
pub fn check_count(count: usize) -> Result<usize> {
    if count <= MAX_ELEMENTS {
        return Ok(count);
    }
    let message = format!("a zsparse cannot have more than {MAX_ELEMENTS} elements that are not zero, not {count}");
    Err(Error::new(SqlState::ProgramLimitExceeded, message).hint("Leave out the elements nearest to zero."))
}

/// Checks that a vector of `dims` dimensions fits the type modifier; a negative one accepts every vector.
///
/// # Errors
/// `DataException` when it does not.
pub fn check_typmod(dims: usize, typmod: i32) -> Result<()> {
    match usize::try_from(typmod) {
        Ok(expected) if expected != dims => {
            Err(Error::new(SqlState::DataException, format!("expected {expected} dimensions, not {dims}")).hint(
                format!("Give a vector of {expected} dimensions, or declare the column as zsparse({dims}) or zsparse."),
            ))
        }
        _ => Ok(()),
    }
}

fn duplicate(index: u32) -> Error {
    Error::new(SqlState::DataException, format!("index {} of a zsparse stands there twice", u64::from(index) + 1))
        .hint("Give each index once.")
}

fn out_of_range(index: i64, dims: usize) -> Error {
    Error::new(SqlState::DataException, format!("index {index} of a zsparse is out of range"))
        .hint(format!("Indexes go from 1 to {dims}."))
}

impl SparseBuf {
    /// A vector of pairs in any order, of which zeros are left out.
    ///
    /// # Errors
    /// As [`check_dims`] and [`check_count`]; `DataException` for an index that is out of range or stands there twice, and for NaN
    /// and the infinities.
    pub fn new(dims: usize, mut pairs: Vec<(u32, f32)>) -> Result<Self> {
        check_dims(dims)?;
        pairs.sort_unstable_by_key(|pair| pair.0);
        if let Some(twice) = pairs.windows(2).find(|two| two[0].0 == two[1].0) {
            return Err(duplicate(twice[0].0));
        }
        if let Some(&(index, _)) = pairs.last().filter(|pair| pair.0 as usize >= dims) {
            return Err(out_of_range(i64::from(index) + 1, dims));
        }
        if let Some(&(_, element)) = pairs.iter().find(|pair| !pair.1.is_finite()) {
            return Err(not_finite(ElementType::Float4, element.is_nan()));
        }
        pairs.retain(|pair| pair.1 != 0.0);
        check_count(pairs.len())?;
        Ok(Self { dims, pairs })
    }

    /// The elements of a vector that are not zero.
    ///
    /// # Errors
    /// As [`SparseBuf::new`].
    pub fn of_dense(elements: &[f32]) -> Result<Self> {
        let pairs = elements.iter().enumerate().filter(|(_, element)| **element != 0.0);
        Self::new(elements.len(), pairs.map(|(index, &element)| (index as u32, element)).collect())
    }

    /// Bytes of its payload.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        HEADER_BYTES + 8 * self.pairs.len()
    }

    /// Writes its payload, of [`SparseBuf::payload_bytes`].
    pub fn write(&self, payload: &mut [u8]) {
        let header = [self.dims as i32, self.pairs.len() as i32, 0].map(i32::to_ne_bytes);
        let indexes = self.pairs.iter().map(|pair| pair.0.to_ne_bytes());
        let elements = self.pairs.iter().map(|pair| pair.1.to_ne_bytes());
        let words = payload.as_chunks_mut::<4>().0.iter_mut();
        words.zip(header.into_iter().chain(indexes).chain(elements)).for_each(|(to, word)| *to = word);
    }

    /// Reads the text form. White space may stand around everything but within numbers.
    ///
    /// # Errors
    /// `InvalidTextRepresentation` for malformed text; as [`SparseBuf::new`]; `NumericValueOutOfRange` for an element beyond `real`.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let malformed = |what: &str| {
            Error::new(
                SqlState::InvalidTextRepresentation,
                format!("invalid input syntax for type zsparse: \"{}\": {what}", quote(text)),
            )
            .hint("Write index:element pairs in braces, then the dimensions, for example {1:0.5,7:2}/1000.")
        };
        let text_of = |part: &[u8]| {
            let start = part.iter().position(|&b| !is_space(b)).unwrap_or(part.len());
            let end = part.iter().rposition(|&b| !is_space(b)).map_or(start, |last| last + 1);
            std::str::from_utf8(&part[start..end]).map(str::to_owned).map_err(|_| malformed("it is no plain text"))
        };
        let slash = text.iter().rposition(|&b| b == b'/').ok_or_else(|| malformed("the dimensions are missing"))?;
        let dims = text_of(&text[slash + 1..])?;
        let dims: i64 = dims.parse().map_err(|_| malformed("the dimensions are not a whole number"))?;
        let dims = usize::try_from(dims).map_err(|_| malformed("the dimensions are negative"))?;
        let list = text_of(&text[..slash])?;
        let list = list.strip_prefix('{').and_then(|list| list.strip_suffix('}'));
        let list = list.ok_or_else(|| malformed("the elements must stand in braces"))?;
        let mut pairs = Vec::new();
        if !list.bytes().all(is_space) {
            for pair in list.split(',') {
                let (index, element) = pair.split_once(':').ok_or_else(|| malformed("an element has no index"))?;
                let index = text_of(index.as_bytes())?
                    .parse::<i64>()
                    .map_err(|_| malformed("an index is not a whole number"))?;
                let element = text_of(element.as_bytes())?;
                let element = match f32::read(&element) {
                    Some(Ok(element)) => element,
                    Some(Err(value)) if value.is_infinite() && element.bytes().any(|b| b.is_ascii_digit()) => {
                        let shown = &element[..element.len().min(MAX_QUOTED_BYTES)];
                        let message = format!("\"{shown}\" is out of range for an element of type zsparse");
                        return Err(Error::new(SqlState::NumericValueOutOfRange, message).hint(f32::RANGE));
                    }
                    Some(Err(value)) => return Err(not_finite(ElementType::Float4, value.is_nan())),
                    None => return Err(malformed("an element is not a number")),
                };
                let from_zero = index.checked_sub(1).and_then(|index| u32::try_from(index).ok());
                pairs.push((from_zero.ok_or_else(|| out_of_range(index, dims))?, element));
            }
        }
        Self::new(dims, pairs)
    }

    /// Reads the binary form.
    ///
    /// # Errors
    /// `InvalidBinaryRepresentation` when it is malformed; as [`SparseBuf::new`].
    pub fn decode(message: &[u8]) -> Result<Self> {
        let invalid = |message: &str| {
            Error::new(SqlState::InvalidBinaryRepresentation, format!("binary zsparse {message}"))
                .hint("The binary form of a zsparse is that of sparsevec: int32 dimensions, int32 count, int32 zero, indexes, elements.")
        };
        let (words, rest) = message.as_chunks::<4>();
        let [dims, count, unused, parts @ ..] = words else { return Err(invalid("is truncated")) };
        let number =
            |word: &[u8; 4]| usize::try_from(i32::from_be_bytes(*word)).map_err(|_| invalid("has a negative number"));
        let (dims, count) = (number(dims)?, number(count)?);
        check_dims(dims)?;
        check_count(count)?;
        if *unused != [0; 4] {
            return Err(invalid("has a value other than zero in its unused field"));
        }
        if parts.len() != 2 * count || !rest.is_empty() {
            return Err(invalid("has another size than its number of elements says"));
        }
        let (indexes, elements) = parts.split_at(count);
        let mut pairs = Vec::with_capacity(count);
        for (index, element) in indexes.iter().zip(elements) {
            pairs.push((number(index)? as u32, f32::from_be_bytes(*element)));
        }
        if !pairs.is_sorted_by_key(|pair| pair.0) {
            return Err(invalid("has indexes that do not ascend"));
        }
        if pairs.iter().any(|pair| pair.1 == 0.0) {
            return Err(invalid("has an element that is zero"));
        }
        Self::new(dims, pairs)
    }
}

impl<'v> Sparse<'v> {
    /// The vector with this payload.
    ///
    /// # Errors
    /// `DataCorrupted` when the bytes are none, or not aligned.
    pub fn of(payload: &'v [u8]) -> Result<Self> {
        let corrupted = || {
            Error::new(SqlState::DataCorrupted, "a stored zsparse is damaged: its parts do not fit each other")
                .hint("Restore the row from a backup; check the storage.")
        };
        let (header, rest) = payload.split_at_checked(HEADER_BYTES).ok_or_else(corrupted)?;
        let header = <[i32; 3]>::read_from_bytes(header).map_err(|_| corrupted())?;
        let (Ok(dims), Ok(count)) = (usize::try_from(header[0]), usize::try_from(header[1])) else {
            return Err(corrupted());
        };
        let parts = rest.len() == 8 * count && dims > 0;
        let (indexes, elements) = rest.split_at_checked(4 * count).filter(|_| parts).ok_or_else(corrupted)?;
        let indexes = <[u32]>::ref_from_bytes(indexes).map_err(|_| corrupted())?;
        let elements = <[f32]>::ref_from_bytes(elements).map_err(|_| corrupted())?;
        Ok(Self { dims, indexes, elements })
    }

    fn pairs(self) -> impl Iterator<Item = (u32, f32)> + 'v {
        self.indexes.iter().copied().zip(self.elements.iter().copied())
    }

    /// Appends the text form.
    pub fn print(self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (i, (index, element)) in self.pairs().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            out.extend_from_slice(format!("{}:", u64::from(index) + 1).as_bytes());
            element.write(out);
        }
        out.extend_from_slice(format!("}}/{}", self.dims).as_bytes());
    }

    /// The binary form.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let header = [self.dims as i32, self.indexes.len() as i32, 0].map(i32::to_be_bytes);
        let indexes = self.indexes.iter().map(|index| index.to_be_bytes());
        let elements = self.elements.iter().map(|element| element.to_be_bytes());
        header.into_iter().chain(indexes).chain(elements).collect::<Vec<_>>().as_bytes().to_vec()
    }

    /// The indexes that either vector has, ascending, with both elements.
    fn joined(self, other: Self) -> impl Iterator<Item = (u32, f32, f32)> + 'v
    where
        Self: 'v,
    {
        let (mut i, mut j) = (0, 0);
        std::iter::from_fn(move || {
            let (a, b) = (self.indexes.get(i), other.indexes.get(j));
            let index = match (a, b) {
                (Some(&a), Some(&b)) => a.min(b),
                (Some(&index), None) | (None, Some(&index)) => index,
                (None, None) => return None,
            };
            let take = |at: &mut usize, of: &Self| {
                if of.indexes.get(*at) != Some(&index) {
                    return 0.0;
                }
                *at += 1;
                of.elements[*at - 1]
            };
            Some((index, take(&mut i, &self), take(&mut j, &other)))
        })
    }

    /// The distance of two vectors: to the bit that of the same vectors as `zvec`, since elements that are zero in both add zero.
    ///
    /// # Errors
    /// `DataException` for different dimensions.
    pub fn distance(self, metric: Metric, other: Self) -> Result<f64> {
        check_same_dims(self.dims, other.dims)?;
        let mut squared = Accumulator::with_query_squared(Metric::InnerProduct, 0.0);
        if metric == Metric::Cosine {
            self.pairs().for_each(|(index, x)| squared.add_at(index as usize, x.into(), x.into()));
        }
        let mut sum = Accumulator::with_query_squared(metric, 0.0 - squared.finish());
        self.joined(other).for_each(|(index, a, b)| sum.add_at(index as usize, a.into(), b.into()));
        Ok(sum.finish())
    }

    /// Euclidean norm.
    #[must_use]
    pub fn l2_norm(self) -> f64 {
        let mut sum = Accumulator::with_query_squared(Metric::InnerProduct, 0.0);
        self.pairs().for_each(|(index, x)| sum.add_at(index as usize, x.into(), x.into()));
        (0.0 - sum.finish()).sqrt()
    }

    /// Element by element, zeros included, then by dimensions, as `zvec` is ordered.
    #[must_use]
    pub fn compare(self, other: Self) -> Ordering {
        let least = self.dims.min(other.dims) as u32;
        let differing = self.joined(other).take_while(|(index, ..)| *index < least).find(|(_, a, b)| a != b);
        let by_element = differing.and_then(|(_, a, b)| a.partial_cmp(&b)).unwrap_or(Ordering::Equal);
        by_element.then(self.dims.cmp(&other.dims))
    }

    /// All elements, zeros included, into `out`, which is zero.
    pub fn to_dense(self, out: &mut [f32]) {
        self.pairs().for_each(|(index, element)| {
            if let Some(to) = out.get_mut(index as usize) {
                *to = element;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::distance;

    fn payload(vector: &SparseBuf) -> Vec<u32> {
        let mut words = vec![0u32; vector.payload_bytes() / 4];
        vector.write(words.as_mut_slice().as_mut_bytes());
        words
    }

    fn shown(text: &str) -> std::result::Result<String, SqlState> {
        let vector = SparseBuf::parse(text.as_bytes()).map_err(|error| error.state)?;
        let words = payload(&vector);
        let sparse = Sparse::of(words.as_bytes()).unwrap();
        assert_eq!(SparseBuf::decode(&sparse.encode()), Ok(vector));
        let mut out = Vec::new();
        sparse.print(&mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn text() {
        assert_eq!(shown("{1:0.5,7:2}/1000").unwrap(), "{1:0.5,7:2}/1000");
        assert_eq!(shown(" { 7 : 2 , 1:-.5,3:0 } / 1000000000 ").unwrap(), "{1:-0.5,7:2}/1000000000");
        assert_eq!(shown("{}/3").unwrap(), "{}/3");
        use SqlState::*;
        for (text, state) in [
            ("", InvalidTextRepresentation),
            ("{1:2}", InvalidTextRepresentation),
            ("1:2/3", InvalidTextRepresentation),
            ("{1}/3", InvalidTextRepresentation),
            ("{1:2,}/3", InvalidTextRepresentation),
            ("{x:2}/3", InvalidTextRepresentation),
            ("{1:x}/3", InvalidTextRepresentation),
            ("{1:2}/x", InvalidTextRepresentation),
            ("{1:2}/-3", InvalidTextRepresentation),
            ("{1:2}/0", DataException),
            ("{0:2}/3", DataException),
            ("{4:2}/3", DataException),
            ("{9999999999:2}/3", DataException),
            ("{1:2,1:3}/3", DataException),
            ("{1:nan}/3", DataException),
            ("{1:1e39}/3", NumericValueOutOfRange),
            ("{1:2}/1000000001", ProgramLimitExceeded),
        ] {
            assert_eq!(shown(text), Err(state), "{text}");
        }
        let many: Vec<String> = (1..=MAX_ELEMENTS + 1).map(|i| format!("{i}:1")).collect();
        assert_eq!(shown(&format!("{{{}}}/20000", many.join(","))), Err(ProgramLimitExceeded));
        assert!(shown(&format!("{{{}}}/20000", many[1..].join(","))).is_ok());
    }

    #[test]
    fn golden_bytes() {
        let vector = SparseBuf::parse(b"{1:1,3:-2.5}/4").unwrap();
        let words = payload(&vector);
        assert_eq!(words, [4, 2, 0, 0, 2, 1f32.to_bits(), (-2.5f32).to_bits()]);
        let message = [0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0];
        assert_eq!(Sparse::of(words.as_bytes()).unwrap().encode(), message);
        assert_eq!(SparseBuf::decode(&message), Ok(vector));
        for at in [3, 7, 11, 15, 19] {
            let mut bad = message;
            bad[at] ^= 0x40;
            assert!(SparseBuf::decode(&bad).is_err() || at == 3, "byte {at}");
        }
        for end in 0..message.len() {
            assert!(SparseBuf::decode(&message[..end]).is_err());
            assert!(Sparse::of(&words.as_bytes()[..end]).is_err());
        }
        let mut zero = message;
        zero[20..24].fill(0);
        assert!(SparseBuf::decode(&zero).is_err());
    }

    #[test]
    fn distances_and_order_are_those_of_dense_vectors() {
        let mut random = fastrand::Rng::with_seed(5);
        for dims in [1usize, 5, 40, 300] {
            let mut dense = || -> Vec<f32> {
                (0..dims).map(|_| if random.u8(..4) == 0 { random.f32() * 9.0 - 4.0 } else { 0.0 }).collect()
            };
            let mut vectors: Vec<Vec<f32>> = (0..12).map(|_| dense()).collect();
            vectors.push(vec![0.0; dims]);
            for a in &vectors {
                for b in &vectors {
                    let (x, y) = (SparseBuf::of_dense(a).unwrap(), SparseBuf::of_dense(b).unwrap());
                    let (x, y) = (payload(&x), payload(&y));
                    let (x, y) = (Sparse::of(x.as_bytes()).unwrap(), Sparse::of(y.as_bytes()).unwrap());
                    for metric in Metric::OF_NUMBERS {
                        let (got, exact) = (x.distance(metric, y).unwrap(), distance(metric, a, b));
                        assert!(
                            got.to_bits() == exact.to_bits() || got.is_nan() && exact.is_nan(),
                            "{metric:?}: {got} {exact}"
                        );
                    }
                    assert_eq!(x.compare(y), crate::vector::order::compare(a, b));
                    assert_eq!(x.l2_norm(), crate::vector::arith::l2_norm(a));
                    let mut back = vec![0.0; dims];
                    x.to_dense(&mut back);
                    assert_eq!(&back, a);
                }
            }
        }
        let (short, long) =
            (payload(&SparseBuf::parse(b"{}/2").unwrap()), payload(&SparseBuf::parse(b"{3:-1}/3").unwrap()));
        let (short, long) = (Sparse::of(short.as_bytes()).unwrap(), Sparse::of(long.as_bytes()).unwrap());
        assert_eq!(short.compare(long), Ordering::Less);
        assert!(short.distance(Metric::L2, long).is_err());
    }
}
