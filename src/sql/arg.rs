//! Arguments and results of the vector types: no other module looks into such a datum.
//!
//! A datum may be a plain value, one behind a short header (without alignment), or a TOAST pointer. The pointer of a
//! zvec table names the table itself; fetching dispatches to the table's access method like any other.

use crate::distance::{Metric, PieceSum};
use crate::error::{Error, Result, SqlState};
use crate::format::store::Reference;
use crate::pg::function::Call;
use crate::pg::varlena::{Detoasted, Form, NewVarlena, Varlena};
use crate::sql::stored;
use crate::tableam::vectors::Pointer;
use crate::vector::{Element, VectorShape, check_same_dims, layout};
use pgrx::pg_sys::Datum;
use std::ops::Deref;
use zerocopy::IntoBytes;

/// Bytes that fit behind a 1-byte header, whose size counts itself and ends at 127.
const SHORT_BYTES: usize = 127 - 1;

/// The error for a row's vector reference that reached a function: only logical decoding reads rows without their table.
#[cold]
fn bare_reference() -> Error {
    Error::new(SqlState::FeatureNotSupported, "cannot decode the vectors of a zvec table from the write-ahead log")
        .hint("Logical decoding shows that there is a vector, and no more: use physical replication, or heap tables.")
}

/// Whether the value is a row's vector reference, or a pointer without its vector, and is to be shown by an output plugin of
/// logical decoding. Such a plugin calls output functions in the past: under a snapshot that is good for catalogs only, so the
/// vector is out of reach.
#[must_use]
pub fn is_undecodable(value: Varlena<'_>) -> bool {
    let is_reference = match value.form() {
        Form::Plain(payload) | Form::Short(payload) => Reference::is_payload(payload),
        Form::External { .. } => true,
        Form::Other => false,
    };
    // SAFETY: a look at this backend's own state
    is_reference && unsafe { pgrx::pg_sys::HistoricSnapshotActive() }
}

/// A contiguous, aligned vector of elements `E` for the time of a call; a copy, if one was needed, is freed on drop.
pub struct ElementsArg<'a, E: Element>(Bytes<'a, E>);

/// A `zvec`.
pub type VectorArg<'a> = ElementsArg<'a, f32>;

enum Bytes<'a, E> {
    InPlace(usize, &'a [E]),
    Aligned { payload: [u32; SHORT_BYTES.div_ceil(4)], bytes: usize },
    Fetched(Detoasted<'a>),
}

impl<'a, E: Element> ElementsArg<'a, E> {
    /// The vector of argument `n`.
    ///
    /// # Errors
    /// `DataCorrupted` when the value is no vector.
    #[inline(always)]
    pub fn of(call: Call<'a>, n: usize) -> Result<Self> {
        Self::new(call.arg(n).varlena())
    }

    /// The vector that this value is.
    ///
    /// # Errors
    /// As [`ElementsArg::of`].
    #[inline(always)]
    pub fn new(value: Varlena<'a>) -> Result<Self> {
        match value.form() {
            Form::Plain(payload) if Reference::is_payload(payload) => Err(bare_reference()),
            Form::Plain(payload) => {
                let (dims, elements) = layout::elements(payload)?;
                Ok(Self(Bytes::InPlace(dims, elements)))
            }
            form => Self::copied(value, form),
        }
    }

    fn copied(value: Varlena<'a>, form: Form<'a>) -> Result<Self> {
        let vector = match form {
            Form::Short(bytes) if Reference::is_payload(bytes) => return Err(bare_reference()),
            Form::Short(bytes) => {
                let mut payload = [0u32; SHORT_BYTES.div_ceil(4)];
                // bytes.len() is at most what the array holds
                payload.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
                Self(Bytes::Aligned { payload, bytes: bytes.len() })
            }
            _ => Self(Bytes::Fetched(value.detoast())),
        };
        vector.elements().map(|_| ())?;
        Ok(vector)
    }

    #[inline(always)]
    fn elements(&self) -> Result<(usize, &[E])> {
        match &self.0 {
            Bytes::InPlace(dims, elements) => Ok((*dims, elements)),
            Bytes::Aligned { payload, bytes } => layout::elements(&payload.as_bytes()[..*bytes]),
            Bytes::Fetched(value) => layout::elements(value.payload()),
        }
    }

    /// Its dimensions.
    #[inline(always)]
    pub fn dims(&self) -> usize {
        // Checked when it was made.
        self.elements().map_or(0, |(dims, _)| dims)
    }
}

impl<E: Element> Deref for ElementsArg<'_, E> {
    type Target = [E];

    #[inline(always)]
    fn deref(&self) -> &[E] {
        // Checked when it was made.
        self.elements().map_or(&[], |(_, elements)| elements)
    }
}

/// The dimensions of argument `n`, a vector of elements `E`, without fetching one that is stored elsewhere where its size tells.
///
/// # Errors
/// `DataCorrupted` when the value is no vector.
pub fn dims_of<E: Element>(call: Call<'_>, n: usize) -> Result<usize> {
    let value = call.arg(n).varlena();
    if let Form::External { raw_size_bytes } = value.form()
        && let Some(dims) = layout::dims_of_size(E::TYPE, raw_size_bytes)?
    {
        return Ok(dims);
    }
    Ok(ElementsArg::<E>::new(value)?.dims())
}

/// The distance of arguments 0 and 1, vectors of elements `E`.
///
/// # Errors
/// `DataException` for different dimensions.
#[inline(always)]
pub fn distance_of<E: Element>(call: Call<'_>, metric: Metric) -> Result<f64> {
    // all metrics are symmetric
    if let Some(pointer) = stored::pointer(call.arg(0).datum()) {
        return distance_to_stored::<E>(call, metric, 0, pointer);
    }
    if let Some(pointer) = stored::pointer(call.arg(1).datum()) {
        return distance_to_stored::<E>(call, metric, 1, pointer);
    }
    let (a, b) = pair_of::<E>(call)?;
    let mut sum = PieceSum::new(metric, E::TYPE.operand(a.as_bytes()));
    sum.add(b.as_bytes(), 0);
    Ok(sum.finish())
}

/// The distance of the other argument and the stored vector that argument `n` leads to.
#[inline(always)]
fn distance_to_stored<E: Element>(call: Call<'_>, metric: Metric, n: usize, pointer: Pointer) -> Result<f64> {
    let query = ElementsArg::<E>::of(call, 1 - n)?;
    let check = |stored: usize| {
        let (a, b) = if n == 0 { (stored, query.dims()) } else { (query.dims(), stored) };
        check_same_dims(a, b)
    };
    let known = layout::dims_of_size(E::TYPE, layout::HEADER_BYTES + pointer.bytes as usize)?;
    match known {
        Some(dims) => check(dims)?,
        None if pointer.bytes as usize != query.len() => check(dims_of::<E>(call, n)?)?,
        // where it lies tells, once it is found
        None => {}
    }
    // SAFETY: the arguments' memory is the server's
    let (distance, dims) = unsafe { stored::distance(metric, E::TYPE, query.as_bytes(), pointer) };
    if known.is_none()
        && let Some(dims) = dims
    {
        check(usize::from(dims))?;
    }
    Ok(distance)
}

/// Arguments 0 and 1, vectors of elements `E`, of the same dimensions.
///
/// # Errors
/// `DataException` for different dimensions.
#[inline(always)]
pub fn pair_of<E: Element>(call: Call<'_>) -> Result<(ElementsArg<'_, E>, ElementsArg<'_, E>)> {
    let (a, b) = (ElementsArg::<E>::of(call, 0)?, ElementsArg::<E>::of(call, 1)?);
    check_same_dims(a.dims(), b.dims())?;
    Ok((a, b))
}

/// A new vector of `dims` dimensions, zero until `fill` has set its elements.
///
/// # Errors
/// As [`crate::vector::ElementType::check_dims`], and those of `fill`.
pub fn new_vector<E: Element>(dims: usize, fill: impl FnOnce(&mut [E]) -> Result<()>) -> Result<Datum> {
    E::TYPE.check_dims(dims)?;
    let shape = VectorShape { element: E::TYPE, dims: dims as u16 };
    let mut value = NewVarlena::zeroed(layout::size_bytes(shape) - layout::VARHDR_BYTES);
    fill(layout::init(dims, value.payload_mut())?)?;
    Ok(value.into_datum())
}
