//! Entries of the areas.
//!
//! ```text
//! code    0 slot u32 | 4 generation u16 | 6 reserved u16 | 8 step f32 | 12 bias f32 | 16 sum i32 | 20 reserved u32 | code
//! node    0 level u8 | 1 state u8 (0 free, 1 in use) | 2 reserved u16 | 4 first upper block u32
//!         8 duplicate, or the next free node, u32 (u32::MAX = none) | 12 reserved u32 | 2m links u32 (u32::MAX = none)
//! upper   m links u32 (u32::MAX = none)
//! map     0 place u32 (0 none, u32::MAX pending, else node + 1) | 4 generation u16 | 6 reserved u16
//! pending 0 slot u32 | 4 generation u16 | 6 reserved u16
//! ```

use crate::format::page::PageBytes;
use crate::format::page::{u16_at, u32_at};
use crate::format::store::{Generation, SlotNo};

/// Bytes of a code's head.
pub const CODE_HEAD_BYTES: usize = 24;
/// Bytes of a node's entry before its links.
pub const NODE_HEAD_BYTES: usize = 16;
/// Bytes of a map entry.
pub const MAP_ENTRY_BYTES: usize = 8;
/// Bytes of a pending entry.
pub const PENDING_ENTRY_BYTES: usize = 8;
/// No node.
pub const NO_NODE: u32 = u32::MAX;

/// Bytes of a node's entry with `m` links above level 0.
#[must_use]
pub const fn node_bytes(m: u16) -> usize {
    NODE_HEAD_BYTES + 2 * m as usize * 4
}

/// What the index knows of a vector: its slot, and which lifetime of the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// the vector's slot
    pub slot: SlotNo,
    /// the slot's generation
    pub generation: Generation,
}

impl Entry {
    /// The bytes in the pending list, and the first 8 of a code's head.
    #[must_use]
    pub fn encode(self) -> [u8; PENDING_ENTRY_BYTES] {
        let mut bytes = [0; PENDING_ENTRY_BYTES];
        bytes[0..4].copy_from_slice(&self.slot.0.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.generation.0.to_le_bytes());
        bytes
    }

    /// Reads the first 6 of `bytes`.
    #[inline]
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        Self { slot: SlotNo(u32_at(bytes, 0)), generation: Generation(u16_at(bytes, 4)) }
    }

    /// Both as one number.
    #[must_use]
    pub fn identity(self) -> u64 {
        u64::from(self.generation.0) << 32 | u64::from(self.slot.0)
    }

    /// The entry of an [`Entry::identity`].
    #[must_use]
    pub fn of_identity(identity: u64) -> Self {
        Self { slot: SlotNo(identity as u32), generation: Generation((identity >> 32) as u16) }
    }
}

/// The head of a code's entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CodeHead {
    /// whose code it is
    pub entry: Entry,
    /// see `quant::Head`
    pub step: f32,
    /// see `quant::Head`
    pub bias: f32,
    /// see `quant::Head`
    pub sum: i32,
}

impl CodeHead {
    /// The bytes on the page.
    #[must_use]
    pub fn encode(&self) -> [u8; CODE_HEAD_BYTES] {
        let mut bytes = [0; CODE_HEAD_BYTES];
        bytes[0..8].copy_from_slice(&self.entry.encode());
        bytes[8..12].copy_from_slice(&self.step.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.bias.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.sum.to_le_bytes());
        bytes
    }

    /// Reads a head. Any bytes decode.
    #[inline]
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        Self {
            entry: Entry::decode(bytes),
            step: f32::from_bits(u32_at(bytes, 8)),
            bias: f32::from_bits(u32_at(bytes, 12)),
            sum: u32_at(bytes, 16) as i32,
        }
    }
}

/// A node's entry without its links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeEntry {
    /// its highest level
    pub level: u8,
    /// whether it is in use
    pub in_use: bool,
    /// its first upper block, if its level is above 0
    pub upper: u32,
    /// the next node of its chain of duplicates; of a free node the next free one
    pub next: u32,
}

impl NodeEntry {
    /// Offset of the links.
    pub const LINKS: usize = NODE_HEAD_BYTES;
    /// Offset of `next`.
    pub const NEXT: usize = 8;

    /// The bytes before the links.
    #[must_use]
    pub fn encode(&self) -> [u8; NODE_HEAD_BYTES] {
        let mut bytes = [0; NODE_HEAD_BYTES];
        bytes[0] = self.level;
        bytes[1] = u8::from(self.in_use);
        bytes[4..8].copy_from_slice(&self.upper.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.next.to_le_bytes());
        bytes
    }

    /// Reads an entry. Any bytes decode.
    #[inline]
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        Self { level: bytes[0], in_use: bytes[1] == 1, upper: u32_at(bytes, 4), next: u32_at(bytes, 8) }
    }
}

/// Where a slot is in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapPlace {
    /// nowhere
    None,
    /// in the pending list
    Pending,
    /// in the graph
    Node(u32),
}

/// A slot's entry in the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapEntry {
    /// where the vector of that generation is
    pub place: MapPlace,
    /// which lifetime of the slot
    pub generation: Generation,
}

impl MapEntry {
    /// The bytes on the page.
    #[must_use]
    pub fn encode(self) -> [u8; MAP_ENTRY_BYTES] {
        let place = match self.place {
            MapPlace::None => 0,
            MapPlace::Pending => u32::MAX,
            MapPlace::Node(node) => node + 1,
        };
        let mut bytes = [0; MAP_ENTRY_BYTES];
        bytes[0..4].copy_from_slice(&place.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.generation.0.to_le_bytes());
        bytes
    }

    /// Reads an entry. Any bytes decode.
    #[inline]
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        let place = match u32_at(bytes, 0) {
            0 => MapPlace::None,
            u32::MAX => MapPlace::Pending,
            node => MapPlace::Node(node - 1),
        };
        Self { place, generation: Generation(u16_at(bytes, 4)) }
    }

    /// Reads the entry at `offset` of a page.
    #[inline]
    #[must_use]
    pub fn at(page: &PageBytes, offset: usize) -> Self {
        Self::decode(&page[offset..offset + MAP_ENTRY_BYTES])
    }
}

/// Encodes links, filled up to `most`.
#[must_use]
pub fn encode_links(links: &[u32], most: usize) -> Vec<u8> {
    let filled = links.iter().copied().chain(std::iter::repeat(NO_NODE)).take(most.max(links.len()));
    filled.flat_map(u32::to_le_bytes).collect()
}

/// Appends the links in `bytes` to `out`.
#[inline]
pub fn decode_links(bytes: &[u8], out: &mut Vec<u32>) {
    let links = bytes.as_chunks::<4>().0.iter().map(|&link| u32::from_le_bytes(link));
    out.extend(links.take_while(|&link| link != NO_NODE));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let entry = Entry { slot: SlotNo(0x0102_0304), generation: Generation(0x0506) };
        assert_eq!(entry.encode(), [4, 3, 2, 1, 6, 5, 0, 0]);
        assert_eq!(Entry::of_identity(entry.identity()), entry);
        let head = CodeHead { entry, step: 1.0, bias: -2.0, sum: -3 };
        assert_eq!(CodeHead::decode(&head.encode()), head);
        assert_eq!(head.encode()[8..20], [0, 0, 128, 63, 0, 0, 0, 192, 253, 255, 255, 255]);
        let node = NodeEntry { level: 3, in_use: true, upper: 9, next: NO_NODE };
        assert_eq!(node.encode(), [3, 1, 0, 0, 9, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0]);
        assert_eq!(NodeEntry::decode(&node.encode()), node);
    }

    #[test]
    fn map_entries() {
        for place in [MapPlace::None, MapPlace::Pending, MapPlace::Node(0), MapPlace::Node(u32::MAX - 2)] {
            let entry = MapEntry { place, generation: Generation(7) };
            assert_eq!(MapEntry::decode(&entry.encode()), entry);
        }
        assert_eq!(MapEntry::decode(&[0; 8]).place, MapPlace::None);
    }

    #[test]
    fn links_round_trip() {
        let bytes = encode_links(&[1, 2, 3], 5);
        assert_eq!(bytes.len(), 20);
        let mut links = Vec::new();
        decode_links(&bytes, &mut links);
        assert_eq!(links, [1, 2, 3]);
    }
}
