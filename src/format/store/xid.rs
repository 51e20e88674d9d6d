//! Transaction ids: their order, and what may have become of a transaction.

/// The id that stands for every transaction that all see.
pub const FROZEN: u32 = 2;
/// The first id of an ordinary transaction.
pub const FIRST_NORMAL: u32 = 3;

/// What became of a transaction, as far as it can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// still running (ours included)
    Running,
    /// committed
    Committed,
    /// aborted, or lost in a crash
    Aborted,
    /// too old: its status is no longer kept
    Unknown,
}

/// Whether `xid` is the id of a transaction, not one of the few that stand for something else.
#[must_use]
pub fn is_normal(xid: u32) -> bool {
    xid >= FIRST_NORMAL
}

/// Whether `a` is older than `b`: normal ids lie on a circle, of which the half behind an id is older than it; any other
/// id is older than the normal ones.
#[must_use]
pub fn precedes(a: u32, b: u32) -> bool {
    if is_normal(a) && is_normal(b) { (a.wrapping_sub(b) as i32) < 0 } else { a < b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_round() {
        for (a, b) in [(3, 4), (FROZEN, 3), (FROZEN, u32::MAX), (u32::MAX, 3), (0xffff_fff0, 100), (3, 0x8000_0002)] {
            assert!(precedes(a, b) && !precedes(b, a), "{a} {b}");
        }
        assert!(!precedes(7, 7));
        assert!(!precedes(3, 0x8000_0004) && precedes(0x8000_0004, 3));
    }
}
