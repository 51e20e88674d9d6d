//! Element types: what a vector's elements are, as data.
//!
//! [`ElementType`] is what the page format, the store, tables, searches and indexes know of elements: a number on disk, a size,
//! limits, which metrics there are, how codes are made, how a kernel takes the bytes. [`Element`] is its
//! counterpart at compile time, for code that goes over elements: the type's own SQL functions. The SQL types whose
//! values have such elements are in [`super::sql_type`]. See `design/element-types.md`.

use crate::distance::{Half, Metric, Operand};
use crate::error::{Error, Result, SqlState};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What a vector's elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ElementType {
    /// single-precision floats: `zvec`
    Float4,
    /// half floats: `zhalf`
    Half,
    /// signed bytes: `zint8`
    Int8,
    /// bits, packed: `zbit`
    Bit,
}

/// What codes for graphs are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeKind {
    /// a byte an element, from a centroid and a scale that are learned
    Scaled,
    /// the elements themselves, which are bytes
    Own,
    /// the bits themselves
    Bits,
}

impl CodeKind {
    /// The number that stands for it on disk.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Scaled => 1,
            Self::Own => 2,
            Self::Bits => 3,
        }
    }

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scaled => "int8",
            Self::Own => "elements",
            Self::Bits => "bits",
        }
    }

    /// What a number stands for.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        [Self::Scaled, Self::Own, Self::Bits].into_iter().find(|kind| kind.number() == number)
    }

    /// Bytes of the code of a vector with `dims` dimensions.
    #[must_use]
    pub const fn code_bytes(self, dims: usize) -> usize {
        match self {
            Self::Scaled | Self::Own => dims,
            Self::Bits => dims.div_ceil(8),
        }
    }
}

/// What there is to know of an element type.
pub struct Info {
    /// name of its own SQL type, whose operator classes begin with it
    pub name: &'static str,
    /// the number that stands for it on disk
    pub number: u8,
    /// bits of an element
    pub bits: usize,
    /// greatest number of dimensions of a vector
    pub max_dims: usize,
    /// the metrics by which vectors of it are compared
    pub metrics: &'static [Metric],
    /// what codes for graphs are made of
    pub codes: CodeKind,
}

const FLOAT4: Info = Info {
    name: "zvec",
    number: 1,
    bits: 32,
    max_dims: super::MAX_DIMS,
    metrics: &Metric::OF_NUMBERS,
    codes: CodeKind::Scaled,
};

const HALF: Info = Info {
    name: "zhalf",
    number: 2,
    bits: 16,
    max_dims: super::MAX_DIMS,
    metrics: &Metric::OF_NUMBERS,
    codes: CodeKind::Scaled,
};

const INT8: Info = Info {
    name: "zint8",
    number: 3,
    bits: 8,
    max_dims: super::MAX_DIMS,
    metrics: &Metric::OF_NUMBERS,
    codes: CodeKind::Own,
};

const BIT: Info =
    Info { name: "zbit", number: 4, bits: 1, max_dims: 64_000, metrics: &Metric::OF_BITS, codes: CodeKind::Bits };

impl ElementType {
    /// Every element type.
    pub const ALL: [Self; 4] = [Self::Float4, Self::Half, Self::Int8, Self::Bit];

    /// What there is to know of it.
    #[inline(always)]
    #[must_use]
    pub const fn info(self) -> &'static Info {
        match self {
            Self::Float4 => &FLOAT4,
            Self::Half => &HALF,
            Self::Int8 => &INT8,
            Self::Bit => &BIT,
        }
    }

    /// The type that a number on disk stands for.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|element| element.info().number == number)
    }

    /// Name of its own SQL type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.info().name
    }

    /// The metrics by which vectors of it are compared.
    pub fn metrics(self) -> impl Iterator<Item = Metric> {
        self.info().metrics.iter().copied()
    }

    /// Bytes of the elements of a vector with `dims` dimensions.
    #[inline(always)]
    #[must_use]
    pub const fn bytes(self, dims: usize) -> usize {
        (dims * self.info().bits).div_ceil(8)
    }

    /// Checks that a vector may have `dims` dimensions.
    ///
    /// # Errors
    /// `DataException` for zero, `ProgramLimitExceeded` for more than [`Info::max_dims`].
    pub fn check_dims(self, dims: usize) -> Result<usize> {
        let Info { name, max_dims, .. } = *self.info();
        if dims == 0 {
            let example = if self == Self::Bit { "'1'" } else { "[0]" };
            return Err(Error::new(SqlState::DataException, format!("a {name} must have at least 1 dimension"))
                .hint(format!("Give at least one element, for example {example}; use NULL for a missing vector.")));
        }
        if dims > max_dims {
            return Err(Error::new(
                SqlState::ProgramLimitExceeded,
                format!("a {name} cannot have more than {max_dims} dimensions, not {dims}"),
            )
            .hint(match self {
                Self::Bit => "Reduce the dimensions, or split the vector into several columns.",
                _ => "Reduce the dimensions, or split the vector into several columns with subvector().",
            }));
        }
        Ok(dims)
    }

    /// Checks that a vector of `dims` dimensions fits the type modifier; a negative one accepts every vector.
    ///
    /// # Errors
    /// `DataException` when it does not.
    pub fn check_typmod(self, dims: usize, typmod: i32) -> Result<()> {
        match usize::try_from(typmod) {
            Ok(expected) if expected != dims => {
                let name = self.name();
                Err(Error::new(SqlState::DataException, format!("expected {expected} dimensions, not {dims}")).hint(
                    format!(
                        "Give a vector of {expected} dimensions, or declare the column as {name}({dims}) or {name}."
                    ),
                ))
            }
            _ => Ok(()),
        }
    }

    /// A vector's bytes as a kernel takes them; they are aligned to 4 bytes. Empty when they are no whole elements.
    #[inline(always)]
    #[must_use]
    pub fn operand(self, bytes: &[u8]) -> Operand<'_> {
        match self {
            Self::Float4 => Operand::Float(FromBytes::ref_from_bytes(bytes).unwrap_or_default()),
            Self::Half => Operand::Half(FromBytes::ref_from_bytes(bytes).unwrap_or_default()),
            Self::Int8 => Operand::Bytes(FromBytes::ref_from_bytes(bytes).unwrap_or_default()),
            Self::Bit => Operand::Bits(bytes),
        }
    }

    /// Appends what codes are made of: the numbers that a piece of a vector's bytes holds; of bits their bytes, as numbers. A
    /// piece begins at an element, and is aligned to it.
    pub fn append_numbers(self, bytes: &[u8], to: &mut Vec<f32>) {
        match self {
            Self::Float4 => to.extend_from_slice(<[f32]>::ref_from_bytes(bytes).unwrap_or_default()),
            Self::Half => {
                to.extend(<[Half]>::ref_from_bytes(bytes).unwrap_or_default().iter().map(|half| half.to_f32()))
            }
            Self::Int8 => to.extend(bytes.iter().map(|&byte| f32::from(byte as i8))),
            Self::Bit => to.extend(bytes.iter().map(|&byte| f32::from(byte))),
        }
    }
}

/// What vectors have in common that are laid side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VectorShape {
    /// what the elements are
    pub element: ElementType,
    /// how many there are
    pub dims: u16,
}

impl VectorShape {
    /// Of single-precision floats.
    #[must_use]
    pub const fn float4(dims: u16) -> Self {
        Self { element: ElementType::Float4, dims }
    }

    /// Bytes of the elements.
    #[inline(always)]
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.element.bytes(self.dims as usize)
    }
}

/// An element as memory holds it; of bits, a byte of them.
pub trait Element: Copy + Default + FromBytes + Immutable + IntoBytes + KnownLayout + 'static {
    /// Its type.
    const TYPE: ElementType;
}

/// An element that is a number.
pub trait Number: Element {
    /// What an element can hold, for hints.
    const RANGE: &'static str;
    /// What its text form is, for messages.
    const WHAT: &'static str;

    /// The element as `f32`, exactly.
    fn to_f32(self) -> f32;

    /// The element for a number, rounded once, of two equally near half to even; `None` when that is no finite element.
    fn from_f64(value: f64) -> Option<Self>;

    /// What a text stands for: an element, or the number that is none, if it is one at all.
    fn read(text: &str) -> Option<std::result::Result<Self, f64>>;

    /// Appends its text form, which [`Number::read`] reads back.
    fn write(self, out: &mut Vec<u8>) {
        super::decimal::write_real(self.to_f32(), out);
    }
}

impl Element for f32 {
    const TYPE: ElementType = ElementType::Float4;
}

impl Number for f32 {
    const RANGE: &'static str =
        "Elements of a zvec are of type real: their magnitude cannot exceed 3.4028235e+38; scale the vectors.";
    const WHAT: &'static str = "a number";

    fn to_f32(self) -> f32 {
        self
    }

    fn from_f64(value: f64) -> Option<Self> {
        Some(value as f32).filter(|value| value.is_finite())
    }

    fn read(text: &str) -> Option<std::result::Result<Self, f64>> {
        let value: f32 = text.parse().ok()?;
        Some(if value.is_finite() { Ok(value) } else { Err(value.into()) })
    }
}

impl Element for Half {
    const TYPE: ElementType = ElementType::Half;
}

impl Number for Half {
    const RANGE: &'static str =
        "Elements of a zhalf are half floats: their magnitude cannot exceed 65504; scale the vectors.";
    const WHAT: &'static str = "a number";

    fn to_f32(self) -> f32 {
        Half::to_f32(self)
    }

    fn from_f64(value: f64) -> Option<Self> {
        Some(Half::from_f64(value)).filter(|half| half.is_finite())
    }

    fn read(text: &str) -> Option<std::result::Result<Self, f64>> {
        let value: f64 = text.parse().ok()?;
        Some(<Self as Number>::from_f64(value).ok_or(if value.is_nan() { value } else { f64::INFINITY }))
    }
}

impl Element for i8 {
    const TYPE: ElementType = ElementType::Int8;
}

impl Number for i8 {
    const RANGE: &'static str = "Elements of a zint8 are whole numbers from -128 to 127; scale the vectors.";
    const WHAT: &'static str = "a whole number";

    fn to_f32(self) -> f32 {
        f32::from(self)
    }

    fn from_f64(value: f64) -> Option<Self> {
        let rounded = value.round_ties_even();
        (-128.0..=127.0).contains(&rounded).then_some(rounded as i8)
    }

    fn read(text: &str) -> Option<std::result::Result<Self, f64>> {
        if let Ok(value) = text.parse() {
            return Some(Ok(value));
        }
        let value: f64 = text.parse().ok()?;
        let is_whole =
            !value.is_finite() || text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-'));
        is_whole.then_some(Err(if value.is_nan() { value } else { f64::INFINITY }))
    }
}

/// Eight bits of a vector of bits; the first one is the highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(transparent)]
pub struct BitByte(pub u8);

impl Element for BitByte {
    const TYPE: ElementType = ElementType::Bit;
}

/// Bytes of a vector in memory of their own, aligned for any element.
#[derive(Clone, Debug)]
pub struct ElementBytes {
    words: std::rc::Rc<[u64]>,
    len: usize,
}

impl ElementBytes {
    /// A copy.
    #[must_use]
    pub fn copy(bytes: &[u8]) -> Self {
        let mut words = vec![0u64; bytes.len().div_ceil(8)];
        words.as_mut_slice().as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
        Self { words: words.into(), len: bytes.len() }
    }

    /// The bytes.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &IntoBytes::as_bytes(&self.words[..])[..self.len]
    }

    /// Something to find out by whether they are still there.
    #[must_use]
    pub fn weak(&self) -> (std::rc::Weak<[u64]>, usize) {
        (std::rc::Rc::downgrade(&self.words), self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_on_disk() {
        for (element, number) in ElementType::ALL.into_iter().zip(1..) {
            assert_eq!((element.info().number, ElementType::of_number(number)), (number, Some(element)));
        }
        assert_eq!(ElementType::of_number(0), None);
        for (kind, number) in [(CodeKind::Scaled, 1), (CodeKind::Own, 2), (CodeKind::Bits, 3)] {
            assert_eq!((kind.number(), CodeKind::of_number(number)), (number, Some(kind)));
        }
    }

    #[test]
    fn sizes() {
        let bytes = |dims| ElementType::ALL.map(|element| element.bytes(dims));
        assert_eq!(bytes(1), [4, 2, 1, 1]);
        assert_eq!(bytes(784), [3136, 1568, 784, 98]);
        assert_eq!(bytes(9), [36, 18, 9, 2]);
        for element in ElementType::ALL {
            // dimensions are a u16, sizes those of a segment's stride
            assert!(element.info().max_dims <= usize::from(u16::MAX));
            assert_eq!(element.check_dims(element.info().max_dims), Ok(element.info().max_dims));
            assert!(element.check_dims(element.info().max_dims + 1).is_err() && element.check_dims(0).is_err());
        }
    }

    #[test]
    fn rounding() {
        assert_eq!([0.5, 1.5, 2.4, -0.5, -1.5, 127.4, -128.5].map(i8::from_f64), [0, 2, 2, 0, -2, 127, -128].map(Some));
        assert_eq!([127.5, -128.51, f64::NAN, f64::INFINITY].map(i8::from_f64), [None; 4]);
        assert_eq!(Half::from_f64(65_519.0), Half::MAX);
        assert_eq!(<Half as Number>::from_f64(65_520.0), None);
        assert_eq!(<Half as Number>::from_f64(f64::NAN), None);
    }

    #[test]
    fn bytes_are_aligned_copies() {
        for len in 0..40usize {
            let bytes: Vec<u8> = (0..len as u8).collect();
            let copy = ElementBytes::copy(&bytes);
            assert_eq!(copy.as_bytes(), bytes);
            assert!(copy.as_bytes().as_ptr().addr().is_multiple_of(4));
        }
    }

    #[test]
    fn what_codes_are_made_of() {
        let numbers = |element: ElementType, bytes: &[u8]| {
            let mut to = Vec::new();
            element.append_numbers(ElementBytes::copy(bytes).as_bytes(), &mut to);
            to
        };
        assert_eq!(numbers(ElementType::Float4, &[0, 0, 0x80, 0x3f]), [1.0]);
        assert_eq!(numbers(ElementType::Half, &[0, 0x3c, 0, 0xc0]), [1.0, -2.0]);
        assert_eq!(numbers(ElementType::Int8, &[1, 0xff, 0x80]), [1.0, -1.0, -128.0]);
        assert_eq!(numbers(ElementType::Bit, &[1, 0xff]), [1.0, 255.0]);
    }
}
