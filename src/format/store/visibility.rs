//! What a scan may conclude from a slot alone, under an MVCC snapshot: the table of `design/mvcc.md`.
//!
//! | slot | xmin | xmax | conclusion |
//! |---|---|---|---|
//! | not LIVE | | | invisible |
//! | LIVE | later than the snapshot | | invisible |
//! | LIVE | ended, without a commit | | invisible |
//! | LIVE | ours, or not kept and not known to have committed | | ask the row |
//! | LIVE | frozen, or ended with a commit | none, aborted, or later than the snapshot | visible |
//! | LIVE | frozen, or ended with a commit | ended with a commit | invisible |
//! | LIVE | frozen, or ended with a commit | ours, running, or not kept and not known to have committed | ask the row |

use crate::format::store::slot::{Slot, SlotState, XMAX_COMMITTED, XMIN_COMMITTED, XMIN_FROZEN};
use crate::format::store::xid::Fate;

/// What a slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// the snapshot sees the vector's row
    Visible,
    /// it does not
    Invisible,
    /// only the row can tell
    AskRow,
}

/// What a transaction is to a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XidView {
    /// our own transaction, or a subtransaction of it
    Ours,
    /// the snapshot takes it for running or not yet begun
    Later,
    /// ended before the snapshot, and how
    Ended(Fate),
}

/// What `slot` says, where `xid_view` tells what a transaction is to the snapshot.
pub fn judge(slot: &Slot, mut xid_view: impl FnMut(u32) -> XidView) -> Verdict {
    if slot.state() != Some(SlotState::Live) {
        return Verdict::Invisible;
    }
    if !slot.has(XMIN_FROZEN) {
        match xid_view(slot.xmin) {
            XidView::Later => return Verdict::Invisible,
            XidView::Ended(_) if slot.has(XMIN_COMMITTED) => {}
            XidView::Ended(Fate::Committed) => {}
            XidView::Ended(Fate::Aborted | Fate::Running) => return Verdict::Invisible,
            XidView::Ours | XidView::Ended(Fate::Unknown) => return Verdict::AskRow,
        }
    }
    if slot.xmax == 0 {
        return Verdict::Visible;
    }
    match xid_view(slot.xmax) {
        XidView::Later | XidView::Ended(Fate::Aborted) => Verdict::Visible,
        XidView::Ended(_) if slot.has(XMAX_COMMITTED) => Verdict::Invisible,
        XidView::Ended(Fate::Committed) => Verdict::Invisible,
        XidView::Ours | XidView::Ended(Fate::Running | Fate::Unknown) => Verdict::AskRow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::store::{Generation, Tid};

    const VIEWS: [XidView; 6] = [
        XidView::Ours,
        XidView::Later,
        XidView::Ended(Fate::Running),
        XidView::Ended(Fate::Committed),
        XidView::Ended(Fate::Aborted),
        XidView::Ended(Fate::Unknown),
    ];
    const XMIN: u32 = 100;
    const XMAX: u32 = 200;

    fn live(xmin_flags: u16, xmax: u32, xmax_flags: u16) -> Slot {
        let mut slot = Slot::live(Generation(1), XMIN, Tid { block: 0, offset: 1 });
        slot.set_xmax(xmax);
        slot.flags |= xmin_flags | xmax_flags;
        slot
    }

    fn judged(slot: &Slot, xmin: XidView, xmax: XidView) -> Verdict {
        judge(slot, |xid| match xid {
            XMIN => xmin,
            XMAX => xmax,
            other => panic!("{other} is in no slot"),
        })
    }

    #[test]
    fn xmin() {
        use Verdict::{AskRow, Invisible, Visible};
        // in the order of VIEWS: ours, later, ended and running, committed, aborted, not kept
        let table = [
            (0, [AskRow, Invisible, Invisible, Visible, Invisible, AskRow]),
            (XMIN_COMMITTED, [AskRow, Invisible, Visible, Visible, Visible, Visible]),
            (XMIN_FROZEN, [Visible; 6]),
            (XMIN_FROZEN | XMIN_COMMITTED, [Visible; 6]),
        ];
        for (flags, expected) in table {
            for (view, expected) in VIEWS.into_iter().zip(expected) {
                assert_eq!(judged(&live(flags, 0, 0), view, XidView::Ours), expected, "flags {flags:b}, xmin {view:?}");
            }
        }
    }

    #[test]
    fn xmax() {
        use Verdict::{AskRow, Invisible, Visible};
        let table = [
            (0, [AskRow, Visible, AskRow, Invisible, Visible, AskRow]),
            (XMAX_COMMITTED, [AskRow, Visible, Invisible, Invisible, Visible, Invisible]),
        ];
        for (flags, expected) in table {
            for (view, expected) in VIEWS.into_iter().zip(expected) {
                for (xmin_flags, xmin) in [(XMIN_FROZEN, XidView::Later), (0, XidView::Ended(Fate::Committed))] {
                    let slot = live(xmin_flags, XMAX, flags);
                    assert_eq!(judged(&slot, xmin, view), expected, "flags {flags:b}, xmax {view:?}");
                }
            }
        }
    }

    #[test]
    fn xmin_comes_first() {
        for xmin in VIEWS {
            for flags in [0, XMIN_COMMITTED] {
                let alone = judged(&live(flags, 0, 0), xmin, XidView::Ours);
                if alone == Verdict::Visible {
                    continue;
                }
                for xmax in VIEWS {
                    for xmax_flags in [0, XMAX_COMMITTED] {
                        let verdict = judged(&live(flags, XMAX, xmax_flags), xmin, xmax);
                        assert_eq!(verdict, alone, "xmin {xmin:?}, xmax {xmax:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn only_live_slots_are_there() {
        let unasked = |_| -> XidView { panic!("asked") };
        let mut unknown = live(XMIN_FROZEN, 0, 0);
        unknown.flags |= 0b11;
        for slot in [Slot::free(Generation(1)), Slot::reserved(Generation(1), XMIN), unknown] {
            assert_eq!(judge(&slot, unasked), Verdict::Invisible);
        }
    }
}
