//! What a receive function gets and text functions return: messages and C strings.

use crate::pg::function::Arg;
use pgrx::pg_sys;

impl<'a> Arg<'a> {
    /// The rest of the message that a receive function is called with, which counts as read.
    pub fn message(self) -> &'a [u8] {
        // SAFETY: the argument is declared as internal and is a StringInfo with `cursor <= len <= maxlen`
        unsafe {
            let buffer = &mut *self.datum().cast_mut_ptr::<pg_sys::StringInfoData>();
            let (start, end) = (buffer.cursor as usize, buffer.len as usize);
            buffer.cursor = buffer.len;
            std::slice::from_raw_parts(buffer.data.cast::<u8>().add(start), end.saturating_sub(start))
        }
    }
}

/// `text`, which has no zero byte, as a `cstring` in the current memory context.
pub fn cstring(text: &[u8]) -> pg_sys::Datum {
    // SAFETY: palloc answers with room for the text and the final zero
    unsafe {
        let copy = pg_sys::palloc(text.len() + 1).cast::<u8>();
        copy.copy_from_nonoverlapping(text.as_ptr(), text.len());
        copy.add(text.len()).write(0);
        pg_sys::Datum::from(copy)
    }
}
