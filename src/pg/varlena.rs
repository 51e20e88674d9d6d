//! Values of variable length: the forms a datum may come in, detoasting, and new values.

use super::function::Arg;
use pgrx::pg_sys::{self, varlena};
use pgrx::varlena as raw;
use std::marker::PhantomData;

/// Bytes of the 4-byte varlena header.
const VARHDR_BYTES: usize = 4;

/// A datum of variable length as it was passed, in any of the server's forms.
#[derive(Clone, Copy)]
pub struct Varlena<'a> {
    ptr: *mut varlena,
    lives: PhantomData<&'a ()>,
}

/// How the bytes of a [`Varlena`] can be had.
pub enum Form<'a> {
    /// in place, 4-byte aligned
    Plain(&'a [u8]),
    /// in place behind a 1-byte header, without alignment
    Short(&'a [u8]),
    /// on disk elsewhere; the size is that of the whole plain value, header included
    External {
        /// bytes of the value once it is fetched, header included
        raw_size_bytes: usize,
    },
    /// compressed, expanded or indirect
    Other,
}

impl<'a> Arg<'a> {
    /// A value of variable length.
    #[inline(always)]
    pub fn varlena(self) -> Varlena<'a> {
        Varlena { ptr: self.datum().cast_mut_ptr(), lives: PhantomData }
    }
}

impl<'a> Varlena<'a> {
    /// A value that is no argument of a call.
    ///
    /// # Safety
    /// The datum is of variable length, not NULL, and lives for `'a`.
    pub unsafe fn of_datum(datum: pg_sys::Datum) -> Self {
        Self { ptr: datum.cast_mut_ptr(), lives: PhantomData }
    }

    /// Looks at the header only.
    #[inline(always)]
    pub fn form(self) -> Form<'a> {
        // SAFETY: the pointer is a live datum of variable length, so its header is readable and tells how much is
        unsafe {
            if raw::varatt_is_4b_u(self.ptr) {
                let payload = self.ptr.cast::<u8>().add(VARHDR_BYTES);
                return Form::Plain(std::slice::from_raw_parts(payload, raw::varsize_4b(self.ptr) - VARHDR_BYTES));
            }
            if raw::varatt_is_1b_e(self.ptr) {
                if u32::from(raw::vartag_1b_e(self.ptr)) != pg_sys::vartag_external::VARTAG_ONDISK {
                    return Form::Other;
                }
                let pointer = self.ptr.cast::<u8>().add(2).cast::<pg_sys::varatt_external>().read_unaligned();
                return Form::External { raw_size_bytes: pointer.va_rawsize as usize };
            }
            if raw::varatt_is_1b(self.ptr) {
                return Form::Short(std::slice::from_raw_parts(
                    self.ptr.cast::<u8>().add(1),
                    raw::varsize_1b(self.ptr) - 1,
                ));
            }
        }
        Form::Other
    }

    /// The plain form, fetched, decompressed and copied as needed.
    pub fn detoast(self) -> Detoasted<'a> {
        // SAFETY: the pointer is a live datum of variable length
        let plain = unsafe { pg_sys::pg_detoast_datum(self.ptr) };
        Detoasted { ptr: plain, copied: plain != self.ptr, lives: PhantomData }
    }

    /// Calls `use_bytes` with what follows the header in the plain form.
    pub fn with_bytes<T>(self, use_bytes: impl FnOnce(&[u8]) -> T) -> T {
        match self.form() {
            Form::Plain(bytes) | Form::Short(bytes) => use_bytes(bytes),
            _ => use_bytes(self.detoast().payload()),
        }
    }
}

/// A plain value, freed on drop when it is a copy.
pub struct Detoasted<'a> {
    ptr: *mut varlena,
    copied: bool,
    lives: PhantomData<&'a ()>,
}

impl Detoasted<'_> {
    /// Everything after the header.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        // SAFETY: pg_detoast_datum answers with a 4-byte header and that many bytes, which live as long as self
        unsafe {
            let size = raw::varsize_4b(self.ptr);
            std::slice::from_raw_parts(self.ptr.cast::<u8>().add(VARHDR_BYTES), size - VARHDR_BYTES)
        }
    }

    /// Whether the value is a copy of what was passed.
    pub fn is_copy(&self) -> bool {
        self.copied
    }

    /// The value with its header.
    pub fn as_ptr(&self) -> *mut varlena {
        self.ptr
    }
}

impl Drop for Detoasted<'_> {
    fn drop(&mut self) {
        // An error frees the whole memory context.
        if self.copied && !std::thread::panicking() {
            // SAFETY: our own copy, and nobody has a reference to it any more
            unsafe { pg_sys::pfree(self.ptr.cast()) }
        }
    }
}

/// A new value with a 4-byte header, in the current memory context.
pub struct NewVarlena {
    ptr: *mut varlena,
    payload_bytes: usize,
}

impl NewVarlena {
    /// A value with `payload_bytes` zero bytes after its header.
    pub fn zeroed(payload_bytes: usize) -> Self {
        let size = payload_bytes + VARHDR_BYTES;
        // SAFETY: palloc0 answers with that much memory or raises an ERROR
        let ptr = unsafe {
            let ptr = pg_sys::palloc0(size).cast::<varlena>();
            raw::set_varsize_4b(ptr, size as i32);
            ptr
        };
        Self { ptr, payload_bytes }
    }

    /// Everything after the header.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        // SAFETY: allocated by zeroed(), referenced by self only
        unsafe { std::slice::from_raw_parts_mut(self.ptr.cast::<u8>().add(VARHDR_BYTES), self.payload_bytes) }
    }

    /// The value as a datum, which the server now owns.
    pub fn into_datum(self) -> pg_sys::Datum {
        pg_sys::Datum::from(self.ptr)
    }
}
