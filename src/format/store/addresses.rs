//! The two row addresses of a slot: whether it has room for one more, and what an update makes of them.
//!
//! A slot lists a newest version, `tail`, and an older one, `head`. An update that is not HOT and leaves the vector as it is
//! needs both places: for the version that it replaces and for the one that it makes. Is there room?
//!
//! | the version to be updated | the slot | room |
//! |---|---|---|
//! | has none before it that a snapshot can need | any | yes |
//! | may have one | has become another vector's | no |
//! | " | one address | yes: head is free |
//! | " | tail leads to the version, head elsewhere: to an older version | if no snapshot needs what head leads to |
//! | " | head leads to the version, tail elsewhere: to one of an update that was rolled back | yes: tail is free |
//! | " | neither leads to the version | no |
//!
//! Where there is no room, the vector is stored anew. See "The third version" in `design/mvcc.md`.

use crate::format::store::slot::{Slot, Tid};

/// What a slot's two addresses are to a row version which is to be updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// there is but one
    One,
    /// the version's, and that of an older one
    WithOlder(Tid),
    /// the version's, and one that an update has left which was rolled back
    WithAbandoned,
    /// others
    Others,
}

impl Addresses {
    /// Those of `slot`, `version` telling the address by which indexes reach the version.
    pub fn of(slot: &Slot, version: impl FnOnce() -> Tid) -> Self {
        if !slot.head.is_some() {
            return Self::One;
        }
        let version = version();
        if slot.tail == version {
            Self::WithOlder(slot.head)
        } else if slot.head == version {
            Self::WithAbandoned
        } else {
            Self::Others
        }
    }

    /// Whether one more has room; `is_needed` tells whether a snapshot may need what an address leads to.
    pub fn have_room(self, is_needed: impl FnOnce(Tid) -> bool) -> bool {
        match self {
            Self::One | Self::WithAbandoned => true,
            Self::WithOlder(older) => !is_needed(older),
            Self::Others => false,
        }
    }
}

/// Whether the slot of a vector has room for one more address, as the table at the top has it. `is_oldest`: no snapshot can
/// need a version before the one to be updated. `slot`: the vector's slot, if it is that still; the others as in
/// [`Addresses`]. Each is asked only where the answer matters.
pub fn has_room(
    is_oldest: bool,
    slot: impl FnOnce() -> Option<Slot>,
    version: impl FnOnce() -> Tid,
    is_needed: impl FnOnce(Tid) -> bool,
) -> bool {
    is_oldest || slot().is_some_and(|slot| Addresses::of(&slot, version).have_room(is_needed))
}

/// Tells `slot` that its row has moved `from` one address `to` another. Returns whether it gave up the address of an
/// older version.
pub fn move_row(slot: &mut Slot, from: Tid, to: Tid) -> bool {
    let gives_up = slot.head.is_some() && slot.head != from;
    (slot.head, slot.tail) = (from, to);
    gives_up
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::store::Generation;

    const VERSION: Tid = Tid { block: 1, offset: 1 };
    const OTHER: Tid = Tid { block: 2, offset: 2 };
    const THIRD: Tid = Tid { block: 1, offset: 2 };
    const NEW: Tid = Tid { block: 3, offset: 1 };

    fn slot(tail: Tid, head: Tid) -> Slot {
        Slot { head, ..Slot::live(Generation(0), 100, tail) }
    }

    #[test]
    fn room() {
        // tail, head, what they are, room where what head leads to is needed, and where it is not
        let table = [
            (VERSION, Tid::NONE, Addresses::One, true, true),
            (OTHER, Tid::NONE, Addresses::One, true, true),
            (VERSION, OTHER, Addresses::WithOlder(OTHER), false, true),
            (VERSION, VERSION, Addresses::WithOlder(VERSION), false, true),
            (OTHER, VERSION, Addresses::WithAbandoned, true, true),
            (OTHER, THIRD, Addresses::Others, false, false),
        ];
        for (tail, head, kind, if_needed, if_not) in table {
            let addresses = Addresses::of(&slot(tail, head), || VERSION);
            assert_eq!(addresses, kind);
            for (needed, expected) in [(true, if_needed), (false, if_not)] {
                let asked = |at| {
                    // only an older version's address is ever asked about
                    assert_eq!((at, tail), (head, VERSION));
                    needed
                };
                let found = || Some(slot(tail, head));
                assert_eq!(has_room(false, found, || VERSION, asked), expected, "{kind:?}");
            }
        }
    }

    #[test]
    fn room_without_a_look_at_the_addresses() {
        let unasked = |_| -> bool { panic!("asked") };
        assert!(has_room(true, || panic!("asked"), || panic!("asked"), unasked));
        assert!(!has_room(false, || None, || panic!("asked"), unasked));
    }

    #[test]
    fn one_address_needs_no_look_at_the_row() {
        assert_eq!(Addresses::of(&slot(OTHER, Tid::NONE), || panic!("asked")), Addresses::One);
    }

    #[test]
    fn moves() {
        // tail and head before, what is given up
        for (tail, head, gives_up) in
            [(VERSION, Tid::NONE, false), (VERSION, OTHER, true), (OTHER, VERSION, false), (OTHER, THIRD, true)]
        {
            let mut slot = slot(tail, head);
            assert_eq!(move_row(&mut slot, VERSION, NEW), gives_up);
            assert_eq!((slot.head, slot.tail), (VERSION, NEW));
        }
    }

    #[test]
    fn what_has_room_gives_up_only_what_nobody_needs() {
        let all = [Tid::NONE, VERSION, OTHER, THIRD];
        for (tail, head) in all.into_iter().flat_map(|tail| all.map(|head| (tail, head))) {
            let mut slot = slot(tail, head);
            let has_room = Addresses::of(&slot, || VERSION).have_room(|_| true);
            if has_room {
                assert!(!move_row(&mut slot, VERSION, NEW), "{tail:?} {head:?}");
            }
        }
    }
}
