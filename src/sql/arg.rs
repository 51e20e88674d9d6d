//! Arguments and results of type zvec: no other module looks into such a datum.
//!
//! A datum may be a plain value, one behind a short header (without alignment), or a TOAST pointer. The pointer of a
//! zvec table names the table itself; fetching dispatches to the table's access method like any other.

use crate::distance::{Metric, distance};
use crate::error::{Error, Result, SqlState};
use crate::format::store::reference::REFERENCE_BYTES;
use crate::pg::function::Call;
use crate::pg::varlena::{Detoasted, Form, NewVarlena, Varlena};
use crate::sql::stored;
use crate::vector::{check_same_dims, layout};
use pgrx::pg_sys::Datum;
use std::ops::Deref;

/// Elements that fit behind a 1-byte header, whose size counts itself and ends at 127.
const SHORT_ELEMENTS: usize = (127 - 1) / layout::ELEMENT_BYTES;

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
        Form::Plain(payload) => payload.len() + 1 == REFERENCE_BYTES,
        Form::Short(bytes) => bytes.len() + 1 == REFERENCE_BYTES,
        Form::External { .. } => true,
        Form::Other => false,
    };
    // SAFETY: a look at this backend's own state
    is_reference && unsafe { pgrx::pg_sys::HistoricSnapshotActive() }
}

/// A contiguous, aligned vector for the time of a call; a copy, if one was needed, is freed on drop.
pub struct VectorArg<'a>(Bytes<'a>);

enum Bytes<'a> {
    InPlace(&'a [f32]),
    Aligned { payload: [u32; SHORT_ELEMENTS], bytes: usize },
    Fetched(Detoasted<'a>),
}

impl<'a> VectorArg<'a> {
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
    /// As [`VectorArg::of`].
    #[inline(always)]
    pub fn new(value: Varlena<'a>) -> Result<Self> {
        match value.form() {
            Form::Plain(payload) if payload.len() + 1 == REFERENCE_BYTES => Err(bare_reference()),
            Form::Plain(payload) => Ok(Self(Bytes::InPlace(layout::elements(payload)?))),
            form => Self::copied(value, form),
        }
    }

    fn copied(value: Varlena<'a>, form: Form<'a>) -> Result<Self> {
        let vector = match form {
            Form::Short(bytes) if bytes.len() + 1 == REFERENCE_BYTES => return Err(bare_reference()),
            Form::Short(bytes) => {
                let mut payload = [0u32; SHORT_ELEMENTS];
                // bytes.len() is at most 126, which is what the array holds
                zerocopy::IntoBytes::as_mut_bytes(&mut payload)[..bytes.len()].copy_from_slice(bytes);
                Self(Bytes::Aligned { payload, bytes: bytes.len() })
            }
            _ => Self(Bytes::Fetched(value.detoast())),
        };
        vector.elements().map(|_| ())?;
        Ok(vector)
    }

    fn elements(&self) -> Result<&[f32]> {
        match &self.0 {
            Bytes::InPlace(elements) => Ok(elements),
            Bytes::Aligned { payload, bytes } => layout::elements(&zerocopy::IntoBytes::as_bytes(payload)[..*bytes]),
            Bytes::Fetched(value) => layout::elements(value.payload()),
        }
    }
}

impl Deref for VectorArg<'_> {
    type Target = [f32];

    #[inline(always)]
    fn deref(&self) -> &[f32] {
        // Checked when it was made.
        self.elements().unwrap_or_default()
    }
}

/// The dimensions of argument `n`, without fetching a vector that is stored elsewhere.
///
/// # Errors
/// `DataCorrupted` when the value is no vector.
pub fn dims_of(call: Call<'_>, n: usize) -> Result<usize> {
    let value = call.arg(n).varlena();
    match value.form() {
        Form::External { raw_size_bytes } => layout::dims_of_size(raw_size_bytes),
        _ => Ok(VectorArg::new(value)?.len()),
    }
}

/// The distance of arguments 0 and 1.
///
/// # Errors
/// `DataException` for different dimensions.
#[inline(always)]
pub fn distance_of(call: Call<'_>, metric: Metric) -> Result<f64> {
    // L2, inner product, cosine and L1 distance are all symmetric
    if let Some(pointer) = stored::pointer(call.arg(0).datum()) {
        let other = VectorArg::of(call, 1)?;
        check_same_dims(usize::from(pointer.dims), other.len())?;
        // SAFETY: the arguments' memory is the server's
        return Ok(unsafe { stored::distance(metric, &other, pointer) });
    }
    if let Some(pointer) = stored::pointer(call.arg(1).datum()) {
        let other = VectorArg::of(call, 0)?;
        check_same_dims(other.len(), usize::from(pointer.dims))?;
        // SAFETY: the arguments' memory is the server's
        return Ok(unsafe { stored::distance(metric, &other, pointer) });
    }
    let (a, b) = pair_of(call)?;
    Ok(distance(metric, &a, &b))
}

/// Arguments 0 and 1, of the same dimensions.
///
/// # Errors
/// `DataException` for different dimensions.
#[inline(always)]
pub fn pair_of(call: Call<'_>) -> Result<(VectorArg<'_>, VectorArg<'_>)> {
    let (a, b) = (VectorArg::of(call, 0)?, VectorArg::of(call, 1)?);
    check_same_dims(a.len(), b.len())?;
    Ok((a, b))
}

/// A new vector of `dims` dimensions, zero until `fill` has set its elements.
///
/// # Errors
/// As [`crate::vector::check_dims`], and those of `fill`.
pub fn new_vector(dims: usize, fill: impl FnOnce(&mut [f32]) -> Result<()>) -> Result<Datum> {
    crate::vector::check_dims(dims)?;
    let mut value = NewVarlena::zeroed(layout::size_bytes(dims) - layout::VARHDR_BYTES);
    fill(layout::init(value.payload_mut())?)?;
    Ok(value.into_datum())
}
