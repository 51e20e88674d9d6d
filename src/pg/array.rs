//! SQL arrays of fixed-width elements, `numeric`, `text` and `cstring`.

use super::varlena::{Detoasted, Varlena};
use crate::error::{Error, Result, SqlState};
use pgrx::pg_sys::{self, ArrayType, Datum, Oid};
use std::ffi::CStr;

/// Bytes of an array's header for one dimension without NULLs, rounded up to the greatest alignment.
const HEADER_1D_BYTES: usize = 24;
const _: () = assert!(size_of::<ArrayType>() + 2 * size_of::<i32>() == HEADER_1D_BYTES);

/// A plain one-dimensional array without NULLs; or an empty one.
pub struct Array<'a> {
    value: Detoasted<'a>,
    len: usize,
}

/// What tells an array's element type apart for the server's array routines.
#[derive(Clone, Copy)]
pub struct ElementType {
    oid: Oid,
    len: i32,
    by_value: bool,
    align: u8,
}

/// `real`
pub const FLOAT4: ElementType = ElementType { oid: pg_sys::FLOAT4OID, len: 4, by_value: true, align: b'i' };
/// `double precision`
pub const FLOAT8: ElementType = ElementType { oid: pg_sys::FLOAT8OID, len: 8, by_value: true, align: b'd' };
/// `smallint`
pub const INT2: ElementType = ElementType { oid: pg_sys::INT2OID, len: 2, by_value: true, align: b's' };
/// `bigint`
pub const INT8: ElementType = ElementType { oid: pg_sys::INT8OID, len: 8, by_value: true, align: b'd' };
/// `text`
pub const TEXT: ElementType = ElementType { oid: pg_sys::TEXTOID, len: -1, by_value: false, align: b'i' };
/// `integer`
pub const INT4: ElementType = ElementType { oid: pg_sys::INT4OID, len: 4, by_value: true, align: b'i' };
/// `numeric`
pub const NUMERIC: ElementType = ElementType { oid: pg_sys::NUMERICOID, len: -1, by_value: false, align: b'i' };
/// `cstring`
pub const CSTRING: ElementType = ElementType { oid: pg_sys::CSTRINGOID, len: -2, by_value: false, align: b'c' };

impl<'a> Array<'a> {
    /// Takes an array apart as far as checking that it is of this shape.
    ///
    /// # Errors
    /// `DataException` for more than one dimension, `NullValueNotAllowed` for a NULL element.
    pub fn new(value: Varlena<'a>) -> Result<Self> {
        let value = value.detoast();
        // SAFETY: the argument is declared as an array, and detoasted
        let header = unsafe { &*value.as_ptr().cast::<ArrayType>() };
        match header.ndim {
            0 => Ok(Self { value, len: 0 }),
            1 => {
                let array = value.as_ptr().cast::<ArrayType>();
                // SAFETY: as above; one dimension follows the header
                let (nulls, len) = unsafe { (pg_sys::array_contains_nulls(array), *array.add(1).cast::<i32>()) };
                if nulls {
                    return Err(Error::new(SqlState::NullValueNotAllowed, "array must not contain nulls")
                        .hint("Remove the NULL elements, for example with array_remove(array, NULL)."));
                }
                Ok(Self { value, len: len as usize })
            }
            more => Err(Error::new(SqlState::DataException, format!("array must have one dimension, not {more}"))
                .hint("Convert one row at a time; a vector is made of a flat array like ARRAY[1,2,3].")),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The elements of an array of a fixed-width type `T`.
    pub fn fixed<T: zerocopy::FromBytes + Copy>(&self) -> &[T] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: new() saw one dimension and no NULL; a present bitmap is accounted for by dataoffset. The server
        // aligns elements to their type, and FromBytes types may hold any bytes.
        unsafe {
            let array = self.value.as_ptr().cast::<ArrayType>();
            let offset = match (*array).dataoffset {
                0 => HEADER_1D_BYTES,
                offset => offset as usize,
            };
            std::slice::from_raw_parts(array.cast::<u8>().add(offset).cast::<T>(), self.len)
        }
    }

    /// The element datums.
    pub fn datums(&self, element: ElementType) -> &[Datum] {
        if self.len == 0 {
            return &[];
        }
        let (mut datums, mut len) = (std::ptr::null_mut(), 0);
        // SAFETY: new() saw a plain array; the result lives in the current memory context, longer than the call
        unsafe {
            pg_sys::deconstruct_array(
                self.value.as_ptr().cast(),
                element.oid,
                element.len,
                element.by_value,
                element.align as _,
                &mut datums,
                std::ptr::null_mut(),
                &mut len,
            );
            std::slice::from_raw_parts(datums, len as usize)
        }
    }

    /// The strings of an array of `cstring`.
    pub fn cstrings(&self) -> Vec<&[u8]> {
        // SAFETY: the elements are C strings inside the array
        self.datums(CSTRING).iter().map(|d| unsafe { CStr::from_ptr(d.cast_mut_ptr()) }.to_bytes()).collect()
    }

    /// Whether the elements are a copy of the argument, so that a change of them is lost.
    pub fn is_copy(&self) -> bool {
        self.value.is_copy()
    }

    /// The elements of an array of `double precision` that its owner allows to change in place.
    pub fn float8_in_place(&mut self) -> &mut [f64] {
        let (ptr, len) = (self.fixed::<f64>().as_ptr().cast_mut(), self.len);
        // SAFETY: the elements are in writable memory, and the exclusive borrow of self covers them
        unsafe { std::slice::from_raw_parts_mut(ptr, len) }
    }
}

/// A new array of these elements.
pub fn from_datums(mut datums: Vec<Datum>, element: ElementType) -> Datum {
    // SAFETY: the server copies the elements, which are of that type
    unsafe {
        Datum::from(pg_sys::construct_array(
            datums.as_mut_ptr(),
            datums.len() as i32,
            element.oid,
            element.len,
            element.by_value,
            element.align as _,
        ))
    }
}

/// A new array of `len` elements of the fixed-width type that `element` and `T` both stand for, zero until `fill` has
/// set them.
///
/// # Errors
/// Those of `fill`.
pub fn new_fixed<T: zerocopy::FromBytes + zerocopy::IntoBytes>(
    element: ElementType,
    len: usize,
    fill: impl FnOnce(&mut [T]) -> Result<()>,
) -> Result<Datum> {
    debug_assert_eq!(element.len as usize, size_of::<T>());
    let bytes = HEADER_1D_BYTES + len * size_of::<T>();
    // SAFETY: palloc0 answers with that much memory, aligned for any type; the header is complete for one dimension
    // with lower bound 1, and the elements start right after it
    unsafe {
        let array = pg_sys::palloc0(bytes).cast::<ArrayType>();
        pgrx::varlena::set_varsize_4b(array.cast(), bytes as i32);
        (*array).ndim = 1;
        (*array).elemtype = element.oid;
        let bounds = array.add(1).cast::<[i32; 2]>();
        *bounds = [len as i32, 1];
        fill(std::slice::from_raw_parts_mut(array.cast::<u8>().add(HEADER_1D_BYTES).cast::<T>(), len))?;
        Ok(Datum::from(array))
    }
}

/// A `real` as the server passes it.
#[inline(always)]
pub fn f32_datum(value: f32) -> Datum {
    Datum::from(value.to_bits())
}

/// A `double precision` as the server passes it.
#[inline(always)]
pub fn f64_datum(value: f64) -> Datum {
    Datum::from(value.to_bits())
}

/// Calls `use_text` with the text form of a `numeric`.
pub fn with_numeric_text<T>(numeric: Datum, use_text: impl FnOnce(&[u8]) -> T) -> T {
    // SAFETY: the datum is a numeric, and numeric_out answers with a C string in the current memory context
    unsafe {
        match pgrx::direct_function_call_as_datum(pg_sys::numeric_out, &[Some(numeric)]) {
            Some(text) => {
                let result = use_text(CStr::from_ptr(text.cast_mut_ptr()).to_bytes());
                pg_sys::pfree(text.cast_mut_ptr());
                result
            }
            None => use_text(b""),
        }
    }
}

/// Calls `use_text` with the bytes of a `text`.
pub fn with_text<T>(text: Datum, use_text: impl FnOnce(&[u8]) -> T) -> T {
    // SAFETY: the datum is an element of an array of text, which outlives the call
    unsafe { Varlena::of_datum(text) }.with_bytes(use_text)
}

/// A `real` as `numeric`, as the server's cast makes it.
pub fn f32_to_numeric(value: f32) -> Datum {
    // SAFETY: the datum is a real
    let numeric = unsafe { pgrx::direct_function_call_as_datum(pg_sys::float4_numeric, &[Some(f32_datum(value))]) };
    numeric.unwrap_or(Datum::null())
}
