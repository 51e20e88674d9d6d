//! The only page of a `zvec_flat` index, block 0.
//!
//! A server page without items or free space, followed by 16 bytes (offsets from the page's start):
//!
//! ```text
//! 24  magic     u32  "ZVFL"
//! 28  kind      u8   1 meta
//! 29  version   u8
//! 30  reserved  10
//! ```

use crate::segment::header::{self, Damage, PAYLOAD_START, PageBytes, SERVER_HEADER_BYTES, Versions};

/// The 16 bytes after the server's header.
pub const HEADER: [u8; 16] = *b"ZVFL\x01\x01\0\0\0\0\0\0\0\0\0\0";

/// The format versions that this library reads.
const VERSIONS: Versions = Versions { oldest: 1, newest: HEADER[5] };

/// `Ok` when `page` is the meta page of a `zvec_flat` index that this version knows.
///
/// # Errors
/// [`Damage`] naming what is off.
pub fn check(page: &PageBytes) -> Result<(), Damage> {
    if header::matches(page, &HEADER, VERSIONS) {
        return Ok(());
    }
    let header = &page[SERVER_HEADER_BYTES..PAYLOAD_START];
    Err(Damage(if header[..4] != HEADER[..4] {
        "wrong magic number".into()
    } else if header[4] != HEADER[4] {
        format!("page kind {} where {} was expected", header[4], HEADER[4])
    } else if !VERSIONS.known(header[5]) {
        format!("format version {} is not known to this version of pg_zvec", header[5])
    } else {
        "reserved bytes are not zero".into()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::header::PAGE_BYTES;

    #[test]
    fn damage_is_named() {
        let mut page = [0; PAGE_BYTES];
        page[SERVER_HEADER_BYTES..PAYLOAD_START].copy_from_slice(&HEADER);
        assert_eq!(check(&page), Ok(()));
        for (at, what) in [(24, "magic"), (28, "kind"), (29, "version"), (35, "reserved")] {
            page[at] ^= 0x10;
            assert!(check(&page).unwrap_err().0.contains(what));
            page[at] ^= 0x10;
        }
    }
}
