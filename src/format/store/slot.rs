//! A slot: one vector's entry in the segment's visibility column.
//!
//! ```text
//! 0  xmin        u32   transaction that stored the vector; while RESERVED, the one that reserved the slot
//! 4  xmax        u32   transaction that deleted the row or replaced the vector, 0 = none
//! 8  tail        6     TID (block u32, offset u16) under which the newest row version is reached
//! 14 head        6     TID of an older version that some snapshot may still need; offset 0 = none
//! 20 generation  u16
//! 22 flags       u16   bits 0-1 state, then hints
//! ```

use crate::format::store::ids::Generation;

/// Bytes of a slot.
pub const SLOT_BYTES: usize = 24;

const STATE_MASK: u16 = 0b11;
/// xmin is known to have committed.
pub const XMIN_COMMITTED: u16 = 1 << 2;
/// xmin committed so long ago that every snapshot sees it; the xid itself no longer counts.
pub const XMIN_FROZEN: u16 = 1 << 3;
/// xmax is known to have committed.
pub const XMAX_COMMITTED: u16 = 1 << 4;
const KNOWN_FLAGS: u16 = STATE_MASK | XMIN_COMMITTED | XMIN_FROZEN | XMAX_COMMITTED;

/// A row's address; `offset` 0 means none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub struct Tid {
    /// block number in the table's main fork
    pub block: u32,
    /// line pointer number, from 1
    pub offset: u16,
}

impl Tid {
    /// No address.
    pub const NONE: Self = Self { block: 0, offset: 0 };

    /// Whether it is an address at all.
    #[inline]
    #[must_use]
    pub fn is_some(self) -> bool {
        self.offset != 0
    }
}

/// Whether a slot holds a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// nothing there
    Free,
    /// taken by a running insert that has not stored its vector yet
    Reserved,
    /// holds a vector
    Live,
}

/// A slot's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// see the module's table
    pub xmin: u32,
    /// see the module's table
    pub xmax: u32,
    /// see the module's table
    pub tail: Tid,
    /// see the module's table
    pub head: Tid,
    /// see the module's table
    pub generation: Generation,
    /// state and hints
    pub flags: u16,
}

impl Slot {
    /// A free slot of `generation`.
    #[must_use]
    pub fn free(generation: Generation) -> Self {
        Self { xmin: 0, xmax: 0, tail: Tid::NONE, head: Tid::NONE, generation, flags: 0 }
    }

    /// A slot reserved by `xid`.
    #[must_use]
    pub fn reserved(generation: Generation, xid: u32) -> Self {
        Self { xmin: xid, flags: 1, ..Self::free(generation) }
    }

    /// A slot that holds a vector stored by `xid` for the row reached at `tid`.
    #[must_use]
    pub fn live(generation: Generation, xid: u32, tid: Tid) -> Self {
        Self { xmin: xid, tail: tid, flags: 2, ..Self::free(generation) }
    }

    /// Its state; `None` for a value that no version of this format writes.
    #[inline]
    #[must_use]
    pub fn state(&self) -> Option<SlotState> {
        if self.flags & !KNOWN_FLAGS != 0 {
            return None;
        }
        match self.flags & STATE_MASK {
            0 => Some(SlotState::Free),
            1 => Some(SlotState::Reserved),
            2 => Some(SlotState::Live),
            _ => None,
        }
    }

    /// Whether all of `flag` is set.
    #[inline]
    #[must_use]
    pub fn has(&self, flag: u16) -> bool {
        self.flags & flag == flag
    }

    /// Sets the deleting transaction and forgets what was known of an earlier one.
    pub fn set_xmax(&mut self, xid: u32) {
        self.xmax = xid;
        self.flags &= !XMAX_COMMITTED;
    }

    /// The bytes on the page.
    #[must_use]
    pub fn encode(&self) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        bytes[0..4].copy_from_slice(&self.xmin.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.xmax.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.tail.block.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.tail.offset.to_le_bytes());
        bytes[14..18].copy_from_slice(&self.head.block.to_le_bytes());
        bytes[18..20].copy_from_slice(&self.head.offset.to_le_bytes());
        bytes[20..22].copy_from_slice(&self.generation.0.to_le_bytes());
        bytes[22..24].copy_from_slice(&self.flags.to_le_bytes());
        bytes
    }

    /// Reads a slot. Any bytes decode; [`Slot::state`] tells whether they make sense.
    #[inline]
    #[must_use]
    pub fn decode(bytes: &[u8; SLOT_BYTES]) -> Self {
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Self {
            xmin: u32_at(0),
            xmax: u32_at(4),
            tail: Tid { block: u32_at(8), offset: u16_at(12) },
            head: Tid { block: u32_at(14), offset: u16_at(18) },
            generation: Generation(u16_at(20)),
            flags: u16_at(22),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let mut slot = Slot::live(Generation(0x1234), 0x0a0b_0c0d, Tid { block: 1, offset: 2 });
        slot.head = Tid { block: 3, offset: 4 };
        slot.set_xmax(9);
        slot.flags |= XMIN_COMMITTED;
        let bytes = slot.encode();
        let expected = [0x0d, 0x0c, 0x0b, 0x0a, 9, 0, 0, 0, 1, 0, 0, 0, 2, 0, 3, 0, 0, 0, 4, 0, 0x34, 0x12, 0b110, 0];
        assert_eq!(bytes, expected);
        assert_eq!(Slot::decode(&bytes), slot);
        assert_eq!(slot.state(), Some(SlotState::Live));
    }

    #[test]
    fn unknown_flags_are_not_a_state() {
        let mut slot = Slot::free(Generation(0));
        assert_eq!(slot.state(), Some(SlotState::Free));
        slot.flags = 3;
        assert_eq!(slot.state(), None);
        slot.flags = 1 << 15;
        assert_eq!(slot.state(), None);
    }

    #[test]
    fn a_new_xmax_forgets_the_old_ones_fate() {
        let mut slot = Slot::live(Generation(0), 5, Tid { block: 0, offset: 1 });
        slot.set_xmax(6);
        slot.flags |= XMAX_COMMITTED;
        slot.set_xmax(7);
        assert!(!slot.has(XMAX_COMMITTED));
    }
}
