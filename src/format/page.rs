//! What all pages of ours have in common, in the vector store and in indexes: their size, and a header of 16 bytes after the
//! server's.
//!
//! Each kind of page has format versions of its own. A page is written with the newest, and read with any from the oldest
//! that the library knows on ([`Versions`]): see `design/format.md`, "Versions".

/// Bytes of a page; builds of the server with another block size are refused at load.
pub const PAGE_BYTES: usize = 8192;
/// Bytes of the server's page header.
pub const SERVER_HEADER_BYTES: usize = 24;
/// Offset of the payload.
pub const PAYLOAD_START: usize = 40;
/// Bytes of the payload.
pub const PAYLOAD_BYTES: usize = PAGE_BYTES - PAYLOAD_START;
/// A whole page as bytes.
pub type PageBytes = [u8; PAGE_BYTES];

/// Bytes to be put at an offset of a page.
pub type Fragment = (usize, Vec<u8>);

/// The number at an offset.
#[inline]
#[must_use]
pub fn u16_at(page: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([page[at], page[at + 1]])
}

/// The number at an offset.
#[inline]
#[must_use]
pub fn u32_at(page: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([page[at], page[at + 1], page[at + 2], page[at + 3]])
}

/// Why bytes are not the page they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage(pub String);

/// The format versions of a kind of page that this library reads; it writes the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// the first that it still reads
    pub oldest: u8,
    /// the one that it writes
    pub newest: u8,
}

impl Versions {
    /// Whether pages of that version can be read.
    #[must_use]
    pub const fn known(self, version: u8) -> bool {
        self.oldest <= version && version <= self.newest
    }
}

/// Offset of the version within the header.
const VERSION: usize = 5;

/// The 16 bytes from offset 24 of a new page of ours: magic number, kind, version, whose page it is, its ordinal.
#[inline]
#[must_use]
pub fn encode(magic: u32, kind: u8, versions: Versions, owner: u32, ordinal: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[0..4].copy_from_slice(&magic.to_le_bytes());
    bytes[4] = kind;
    bytes[VERSION] = versions.newest;
    bytes[8..12].copy_from_slice(&owner.to_le_bytes());
    bytes[12..16].copy_from_slice(&ordinal.to_le_bytes());
    bytes
}

/// The same header of a page that is written in another version than the newest.
#[must_use]
pub fn in_version(mut header: [u8; 16], version: u8) -> [u8; 16] {
    header[VERSION] = version;
    header
}

/// Whether `page` has the header `expected`, in any version that is known.
#[inline]
#[must_use]
pub fn matches(page: &PageBytes, expected: &[u8; 16], versions: Versions) -> bool {
    let found = &page[SERVER_HEADER_BYTES..PAYLOAD_START];
    found == expected || matches_in_older_version(found, expected, versions)
}

#[cold]
fn matches_in_older_version(found: &[u8], expected: &[u8; 16], versions: Versions) -> bool {
    let mut same = *expected;
    same[VERSION] = found[VERSION];
    versions.known(found[VERSION]) && found == same
}

/// The format version of a page whose header has been checked.
#[inline]
#[must_use]
pub fn version(page: &PageBytes) -> u8 {
    page[SERVER_HEADER_BYTES + VERSION]
}

/// `Ok` when `page` has the header `expected`, in any version that is known. `owner` names what a page is of.
///
/// # Errors
/// [`Damage`] naming the first field that is off.
pub fn check(page: &PageBytes, expected: &[u8; 16], versions: Versions, owner: &str) -> Result<(), Damage> {
    if matches(page, expected, versions) {
        return Ok(());
    }
    let found = &page[SERVER_HEADER_BYTES..PAYLOAD_START];
    Err(Damage(if found[0..4] != expected[0..4] {
        format!("wrong magic number {:#010x}", u32_at(found, 0))
    } else if !versions.known(found[VERSION]) {
        format!("format version {} is not known to this version of pg_zvec", found[VERSION])
    } else if found[4] != expected[4] {
        format!("page kind {} where {} was expected", found[4], expected[4])
    } else if found[8..12] != expected[8..12] {
        format!("page of {owner} {} where {} was expected", u32_at(found, 8), u32_at(expected, 8))
    } else if found[12..16] != expected[12..16] {
        format!("page number {} where {} was expected", u32_at(found, 12), u32_at(expected, 12))
    } else {
        "reserved bytes are not zero".into()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_older_versions_are_read_and_newer_ones_refused() {
        let magic = u32::from_le_bytes(*b"TEST");
        let versions = Versions { oldest: 2, newest: 4 };
        let expected = encode(magic, 7, versions, 3, 9);
        assert_eq!(expected[VERSION], 4);
        let mut page = [0; PAGE_BYTES];
        page[SERVER_HEADER_BYTES..PAYLOAD_START].copy_from_slice(&expected);
        for found in 0..=u8::MAX {
            page[SERVER_HEADER_BYTES + VERSION] = found;
            assert_eq!(version(&page), found);
            let known = (2..=4).contains(&found);
            assert_eq!(matches(&page, &expected, versions), known);
            let checked = check(&page, &expected, versions, "graph");
            assert_eq!(checked.is_ok(), known);
            assert!(
                known
                    || checked.unwrap_err().0
                        == format!("format version {found} is not known to this version of pg_zvec")
            );
        }
        // an older version excuses nothing else
        page[SERVER_HEADER_BYTES + VERSION] = 3;
        page[SERVER_HEADER_BYTES + 8] = 4;
        assert!(!matches(&page, &expected, versions));
        assert_eq!(
            check(&page, &expected, versions, "graph"),
            Err(Damage("page of graph 4 where 3 was expected".into()))
        );
    }
}
