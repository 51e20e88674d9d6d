//! What VACUUM makes of a slot: the rules of `design/mvcc.md`.
//!
//! | slot | becomes |
//! |---|---|
//! | FREE, or of a state that no version writes | - |
//! | RESERVED by a running transaction | - |
//! | RESERVED by another | free |
//! | LIVE, of a dropped column | free |
//! | LIVE | as follows, xmin first, then xmax, then the addresses |
//!
//! | xmin | |
//! |---|---|
//! | frozen | go on |
//! | running | stays as it is, the rest too |
//! | aborted before the horizon | free |
//! | aborted, the horizon not past it | stays as it is, the rest too |
//! | committed before the horizon | frozen; standbys must see xmin |
//! | committed, the horizon not past it | known to have committed |
//! | not kept, and an address leads to its row | frozen |
//! | not kept, and none does | free |
//!
//! | xmax | |
//! |---|---|
//! | none | go on |
//! | running | stays, and the addresses too |
//! | aborted | cleared |
//! | committed before the horizon | free; standbys must see xmax |
//! | committed, the horizon not past it | known to have committed |
//! | not kept, and an address leads to its row | cleared |
//! | not kept, and none does | free |
//!
//! | head leads to its row | tail leads to its row | |
//! |---|---|---|
//! | there is no head | not asked | - |
//! | no | not asked | head is taken out |
//! | yes | no | head takes tail's place |
//! | yes | yes | - |
//!
//! Each address that turned out to lead to something dead has standbys see the end of that.

use crate::format::store::ids::SlotNo;
use crate::format::store::slot::{Slot, SlotState, Tid, XMAX_COMMITTED, XMIN_COMMITTED, XMIN_FROZEN};
use crate::format::store::xid::{FROZEN, Fate, precedes};

/// What a row address leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowVersion {
    /// a version that references the slot and that some snapshot may see
    Needed,
    /// nothing that references the slot, or only what is dead to all here
    Gone {
        /// snapshots on a standby that do not see this transaction may still see what is dead here; 0 = none
        removed: u32,
    },
}

/// What slots do not say themselves.
pub trait World {
    /// What became of a transaction.
    fn fate(&mut self, xid: u32) -> Fate;
    /// What the address `tid` of `slot`, which is number `number`, leads to.
    fn row(&mut self, tid: Tid, number: SlotNo, slot: &Slot) -> RowVersion;
}

/// Decides about slots, one after the other.
pub struct Reclaimer<W> {
    world: W,
    /// no snapshot needs what was ended by a transaction older than this
    oldest_xmin: u32,
    must_see: Option<u32>,
}

impl<W: World> Reclaimer<W> {
    /// One that has decided nothing yet, with a horizon.
    pub fn new(world: W, oldest_xmin: u32) -> Self {
        Self { world, oldest_xmin, must_see: None }
    }

    /// The newest transaction that a standby's snapshots must see before what was decided so far is applied.
    pub fn must_see(&self) -> Option<u32> {
        self.must_see
    }

    /// What `slot`, which is number `number`, becomes; `is_dropped` tells whether its column was dropped.
    pub fn turn(&mut self, slot: Slot, number: SlotNo, is_dropped: bool) -> Slot {
        let free = || Slot::free(slot.generation.next());
        if is_settled(&slot) && !is_dropped {
            return slot;
        }
        match slot.state() {
            Some(SlotState::Free) | None => slot,
            Some(SlotState::Reserved) if self.world.fate(slot.xmin) == Fate::Running => slot,
            Some(SlotState::Reserved) => free(),
            Some(SlotState::Live) if is_dropped => free(),
            Some(SlotState::Live) => self.turn_live(slot, number).unwrap_or_else(free),
        }
    }

    /// What a LIVE slot becomes; `None` = free.
    fn turn_live(&mut self, mut slot: Slot, number: SlotNo) -> Option<Slot> {
        if !slot.has(XMIN_FROZEN) {
            match self.world.fate(slot.xmin) {
                Fate::Running => return Some(slot),
                // a variable of a function may hold a vector of a subtransaction that was rolled back: while its
                // transaction runs, the horizon is not past it
                Fate::Aborted if self.is_past(slot.xmin) => return None,
                Fate::Aborted => return Some(slot),
                Fate::Committed if self.is_past(slot.xmin) => {
                    self.have_seen(slot.xmin);
                    slot.flags |= XMIN_FROZEN;
                }
                Fate::Committed => {}
                Fate::Unknown if self.has_row(&slot, number) => slot.flags |= XMIN_FROZEN,
                Fate::Unknown => return None,
            }
            slot.flags |= XMIN_COMMITTED;
            if slot.has(XMIN_FROZEN) {
                slot.xmin = FROZEN;
            }
        }
        if slot.xmax != 0 {
            match self.world.fate(slot.xmax) {
                Fate::Running => return Some(slot),
                Fate::Aborted => slot.set_xmax(0),
                Fate::Committed if self.is_past(slot.xmax) => {
                    self.have_seen(slot.xmax);
                    return None;
                }
                Fate::Committed => slot.flags |= XMAX_COMMITTED,
                Fate::Unknown if self.has_row(&slot, number) => slot.set_xmax(0),
                Fate::Unknown => return None,
            }
        }
        if slot.head.is_some() {
            if !self.is_needed(slot.head, &slot, number) {
                slot.head = Tid::NONE;
            } else if !self.is_needed(slot.tail, &slot, number) {
                slot.tail = std::mem::take(&mut slot.head);
            }
        }
        Some(slot)
    }

    /// Whether the horizon is past the transaction.
    fn is_past(&self, xid: u32) -> bool {
        precedes(xid, self.oldest_xmin)
    }

    fn is_needed(&mut self, tid: Tid, slot: &Slot, number: SlotNo) -> bool {
        match self.world.row(tid, number, slot) {
            RowVersion::Needed => true,
            RowVersion::Gone { removed } => {
                if removed != 0 {
                    self.have_seen(removed);
                }
                false
            }
        }
    }

    /// Whether an address of the slot leads to its row.
    fn has_row(&mut self, slot: &Slot, number: SlotNo) -> bool {
        [slot.tail, slot.head].into_iter().any(|tid| tid.is_some() && self.is_needed(tid, slot, number))
    }

    fn have_seen(&mut self, xid: u32) {
        if self.must_see.is_none_or(|latest| precedes(latest, xid)) {
            self.must_see = Some(xid);
        }
    }
}

/// Whether there is nothing left to do about a slot until its row is deleted or moved.
fn is_settled(slot: &Slot) -> bool {
    match slot.state() {
        Some(SlotState::Free) => true,
        Some(SlotState::Live) => slot.has(XMIN_FROZEN) && slot.xmax == 0 && !slot.head.is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::store::{Generation, Position, SegmentTag};

    const TAIL: Tid = Tid { block: 1, offset: 1 };
    const HEAD: Tid = Tid { block: 2, offset: 2 };
    const NUMBER: u32 = 7;
    const GENERATION: Generation = Generation(3);

    /// What is known of a transaction, and on which side of the horizon it is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Xid {
        Running,
        AbortedBefore,
        AbortedAfter,
        CommittedBefore,
        CommittedAfter,
        NotKept,
    }

    const XIDS: [Xid; 6] =
        [Xid::Running, Xid::AbortedBefore, Xid::AbortedAfter, Xid::CommittedBefore, Xid::CommittedAfter, Xid::NotKept];

    impl Xid {
        /// Its fate, and how far before (-) or after the horizon it is.
        fn facts(self) -> (Fate, i32) {
            match self {
                Self::Running => (Fate::Running, 50),
                Self::AbortedBefore => (Fate::Aborted, -20),
                Self::AbortedAfter => (Fate::Aborted, 10),
                Self::CommittedBefore => (Fate::Committed, -20),
                Self::CommittedAfter => (Fate::Committed, 10),
                Self::NotKept => (Fate::Unknown, -1_000_000),
            }
        }
    }

    /// What a slot and its rows are before a pass.
    #[derive(Clone, Copy, Debug)]
    struct Case {
        horizon: u32,
        /// `None`: frozen
        xmin: Option<Xid>,
        xmax: Option<Xid>,
        /// whether tail, and head if there is one, lead to a row
        tail: bool,
        head: Option<bool>,
    }

    /// Distances from the horizon of the two xids and of the ends of what the addresses led to.
    const XMAX_LATER: i32 = 3;
    const TAIL_ENDED: i32 = -15;
    const HEAD_ENDED: i32 = -14;

    impl Case {
        fn at(&self, from_horizon: i32) -> u32 {
            self.horizon.wrapping_add_signed(from_horizon)
        }

        fn xmin(&self) -> u32 {
            self.xmin.map_or(FROZEN, |xid| self.at(xid.facts().1))
        }

        fn xmax(&self) -> u32 {
            self.xmax.map_or(0, |xid| self.at(xid.facts().1 + XMAX_LATER))
        }

        fn slot(&self) -> Slot {
            let mut slot = Slot::live(GENERATION, self.xmin(), TAIL);
            if self.xmin.is_none() {
                slot.flags |= XMIN_FROZEN | XMIN_COMMITTED;
            }
            slot.set_xmax(self.xmax());
            if self.head.is_some() {
                slot.head = HEAD;
            }
            slot
        }

        fn all() -> impl Iterator<Item = Self> {
            let xids: Vec<Option<Xid>> = std::iter::once(None).chain(XIDS.map(Some)).collect();
            let mut all = Vec::new();
            // the second horizon has the ids around it go round
            for horizon in [5_000_000, 10] {
                for &xmin in &xids {
                    for &xmax in &xids {
                        for tail in [false, true] {
                            for head in [None, Some(false), Some(true)] {
                                all.push(Self { horizon, xmin, xmax, tail, head });
                            }
                        }
                    }
                }
            }
            all.into_iter()
        }
    }

    struct Known(Case);

    impl World for Known {
        fn fate(&mut self, xid: u32) -> Fate {
            let case = &self.0;
            let known = [(case.xmin(), case.xmin), (case.xmax(), case.xmax)];
            known.into_iter().find_map(|(of, known)| known.filter(|_| of == xid)).expect("an id of the slot").facts().0
        }

        fn row(&mut self, tid: Tid, number: SlotNo, slot: &Slot) -> RowVersion {
            assert_eq!((number.0, slot.generation), (NUMBER, GENERATION));
            let (needed, ended) = match tid {
                TAIL => (self.0.tail, TAIL_ENDED),
                HEAD => (self.0.head.unwrap(), HEAD_ENDED),
                _ => panic!("{tid:?} is not of the slot"),
            };
            if needed { RowVersion::Needed } else { RowVersion::Gone { removed: self.0.at(ended) } }
        }
    }

    /// Where a slot goes whose xmin is the row and whose xmax is the column, when an address leads to its row: `free`; `same`
    /// as it is; otherwise xmin (`F`rozen, `C`ommitted, that is noted) and xmax (`-` none, `r`unning: the addresses stay,
    /// `c`ommitted, that is noted).
    const TABLE: [(Option<Xid>, [&str; 7]); 7] = [
        // xmax:                    none    running aborted< aborted> committed< committed> not kept
        (None, /*             */ ["F-", "Fr", "F-", "F-", "free", "Fc", "F-"]),
        (Some(Xid::Running), ["same", "same", "same", "same", "same", "same", "same"]),
        (Some(Xid::AbortedBefore), ["free", "free", "free", "free", "free", "free", "free"]),
        (Some(Xid::AbortedAfter), ["same", "same", "same", "same", "same", "same", "same"]),
        (Some(Xid::CommittedBefore), ["F-", "Fr", "F-", "F-", "free", "Fc", "F-"]),
        (Some(Xid::CommittedAfter), ["C-", "Cr", "C-", "C-", "free", "Cc", "C-"]),
        (Some(Xid::NotKept), ["F-", "Fr", "F-", "F-", "free", "Fc", "F-"]),
    ];

    /// What the tables say becomes of the slot (`None`: free), and what standbys must see, from the horizon.
    fn expected(case: &Case) -> (Option<Slot>, Option<i32>) {
        let before = case.slot();
        let column = case.xmax.map_or(0, |xmax| 1 + XIDS.iter().position(|xid| *xid == xmax).unwrap());
        let cell = TABLE.iter().find(|(xmin, _)| *xmin == case.xmin).unwrap().1[column];
        let has_row = case.tail || case.head == Some(true);
        let mut seen = Vec::new();
        // a look for the row stops at the first that is there
        let look = |seen: &mut Vec<i32>| {
            if !case.tail {
                seen.push(TAIL_ENDED);
                if case.head == Some(false) {
                    seen.push(HEAD_ENDED);
                }
            }
        };
        let newest = |seen: Vec<i32>| seen.into_iter().max();
        match case.xmin {
            Some(Xid::CommittedBefore) => seen.push(Xid::CommittedBefore.facts().1),
            Some(Xid::NotKept) => {
                look(&mut seen);
                if !has_row {
                    return (None, newest(seen));
                }
            }
            _ => {}
        }
        if cell == "same" {
            return (Some(before), None);
        }
        if case.xmin == Some(Xid::AbortedBefore) {
            return (None, None);
        }
        match case.xmax {
            Some(Xid::CommittedBefore) => seen.push(Xid::CommittedBefore.facts().1 + XMAX_LATER),
            Some(Xid::NotKept) => {
                look(&mut seen);
                if !has_row {
                    return (None, newest(seen));
                }
            }
            _ => {}
        }
        if cell == "free" {
            return (None, newest(seen));
        }
        let mut after = before;
        let (xmin, xmax) = cell.split_at(1);
        after.flags |= XMIN_COMMITTED;
        if xmin == "F" {
            (after.xmin, after.flags) = (FROZEN, after.flags | XMIN_FROZEN);
        }
        match xmax {
            "-" => after.xmax = 0,
            "c" => after.flags |= XMAX_COMMITTED,
            _ => return (Some(after), newest(seen)),
        }
        match (case.head, case.tail) {
            (None, _) | (Some(true), true) => {}
            (Some(false), _) => {
                after.head = Tid::NONE;
                seen.push(HEAD_ENDED);
            }
            (Some(true), false) => {
                (after.tail, after.head) = (HEAD, Tid::NONE);
                seen.push(TAIL_ENDED);
            }
        }
        (Some(after), newest(seen))
    }

    fn number() -> SlotNo {
        let number = SlotNo::new(SegmentTag(0), Position(NUMBER));
        assert_eq!(number.0, NUMBER);
        number
    }

    #[test]
    fn live_slots() {
        let freed = Slot::free(GENERATION.next());
        for case in Case::all() {
            let mut reclaimer = Reclaimer::new(Known(case), case.horizon);
            let (slot, must_see) = expected(&case);
            assert_eq!(reclaimer.turn(case.slot(), number(), false), slot.unwrap_or(freed), "{case:?}");
            assert_eq!(reclaimer.must_see(), must_see.map(|from_horizon| case.at(from_horizon)), "{case:?}");
        }
    }

    #[test]
    fn a_pass_leaves_no_old_xid_and_a_second_one_changes_nothing() {
        for case in Case::all() {
            let turned = Reclaimer::new(Known(case), case.horizon).turn(case.slot(), number(), false);
            if turned.state() == Some(SlotState::Live) {
                assert!(turned.has(XMIN_FROZEN) || !precedes(turned.xmin, case.horizon), "{case:?}");
                // a vector is not deleted before it is stored
                let may_be = !matches!(case.xmin, Some(Xid::Running | Xid::AbortedAfter));
                assert!(turned.xmax == 0 || !may_be || !precedes(turned.xmax, case.horizon), "{case:?}");
            }
            assert_eq!(Reclaimer::new(Known(case), case.horizon).turn(turned, number(), false), turned, "{case:?}");
        }
    }

    #[test]
    fn dropped_columns() {
        for case in Case::all() {
            let mut reclaimer = Reclaimer::new(Known(case), case.horizon);
            assert_eq!(reclaimer.turn(case.slot(), number(), true), Slot::free(GENERATION.next()), "{case:?}");
            assert_eq!(reclaimer.must_see(), None);
        }
    }

    #[test]
    fn other_states() {
        for dropped in [false, true] {
            for xmin in XIDS {
                let case = Case { horizon: 5_000_000, xmin: Some(xmin), xmax: None, tail: false, head: None };
                let turn = |slot| Reclaimer::new(Known(case), case.horizon).turn(slot, number(), dropped);
                let reserved = Slot::reserved(GENERATION, case.xmin());
                let expected = if xmin == Xid::Running { reserved } else { Slot::free(GENERATION.next()) };
                assert_eq!(turn(reserved), expected, "{xmin:?}");
                let free = Slot::free(GENERATION);
                let unknown = Slot { flags: 0b11, ..free };
                assert_eq!((turn(free), turn(unknown)), (free, unknown));
            }
        }
    }
}
