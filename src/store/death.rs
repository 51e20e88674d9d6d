//! Whether a slot's vector is dead, as far as the slot itself tells: what the indexes and the statistics want to know. VACUUM goes
//! further and asks the rows (`store/vacuum.rs`); what one snapshot sees is another question (`store/visibility.rs`).

#![forbid(unsafe_code)]

use crate::format::store::Slot;
use crate::format::store::slot::XMIN_FROZEN;
use crate::pg::xact;
use crate::pg::xact::Fate;

/// Of what a vector died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// the transaction that stored it was aborted: nobody ever saw it
    Aborted,
    /// this transaction, which has committed, deleted its row
    Deleted(u32),
}

impl Death {
    fn is_for_all(self, horizon: u32) -> bool {
        match self {
            Self::Aborted => true,
            Self::Deleted(xmax) => xact::precedes(xmax, horizon),
        }
    }

    /// The transaction whose deletion standbys must hear of before the vector leaves.
    #[must_use]
    pub fn deleted_by(self) -> Option<u32> {
        match self {
            Self::Aborted => None,
            Self::Deleted(xmax) => Some(xmax),
        }
    }
}

/// The death of the vector in a LIVE slot; `None` while it lives, or may live.
#[must_use]
pub fn death_of(slot: &Slot) -> Option<Death> {
    if !slot.has(XMIN_FROZEN) && xact::fate(slot.xmin) == Fate::Aborted {
        return Some(Death::Aborted);
    }
    (slot.xmax != 0 && xact::fate(slot.xmax) == Fate::Committed).then_some(Death::Deleted(slot.xmax))
}

/// As [`death_of`], of a vector that no snapshot can see any more, `horizon` being the oldest transaction that counts.
#[must_use]
pub fn death_for_all(slot: &Slot, horizon: u32) -> Option<Death> {
    death_of(slot).filter(|death| death.is_for_all(horizon))
}
