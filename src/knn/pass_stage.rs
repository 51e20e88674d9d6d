//! The stages of a search by passes, and what follows on each.
//!
//! | stage | when it has come to an end of its own | leads to |
//! |---|---|---|
//! | `Pass` | not all that there is was kept, and any order will do | `Rest` |
//! | `Pass` | not all that there is was kept | the next `Pass`, from the last one kept on |
//! | `Pass` | all was kept; the search has begun in the middle, and something is before that | the same `Pass`, from the start up to the middle |
//! | `Pass` | all was kept | the end of the vectors |
//! | `Rest` | pages of the share are left | `Rest`, from the next page on |
//! | `Rest` | none are left | the end of the vectors |
//! | `Slots` | slot pages are left | `Slots` |
//! | `Slots` | none are left | the end of the vectors |
//! | `Nulls` | blocks are left | `Nulls` |
//! | `Nulls` | none are left, and they came first | the first `Pass` |
//! | `Nulls` | none are left | `Nothing` |
//!
//! The end of the vectors is `Nulls` where rows without a vector come last, and `Nothing` otherwise.

#![forbid(unsafe_code)]

use crate::knn::result_queue::Found;

/// What is to be read when what was collected has been handed out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage {
    /// pass number `pass`, for what comes after the given one
    Pass {
        /// from 0 on
        pass: u32,
        /// `None`: from the start
        after: Option<Found>,
    },
    /// what comes after the given one on the slot pages of the share from that one on, where any order will do
    Rest {
        /// the last one of the order
        after: Found,
        /// number of a page within the share
        from: usize,
    },
    /// a slot page, in the order of storage
    Slots,
    /// rows without a vector
    Nulls,
    /// nothing
    Nothing,
}

impl Stage {
    /// The first pass.
    pub const FIRST_PASS: Self = Self::Pass { pass: 0, after: None };

    /// What follows on pass number `pass`, of which `last` was kept last; `complete`: all that there is was kept. `middle`: where
    /// the search has begun, if something is before that. `end`: what follows on the last vector.
    #[must_use]
    pub fn after_pass(
        pass: u32,
        complete: bool,
        last: Option<Found>,
        any_order: bool,
        middle: Option<Found>,
        end: Self,
    ) -> Self {
        match last {
            _ if complete && middle.is_some() => Self::Pass { pass, after: None },
            _ if complete => end,
            Some(after) if any_order => Self::Rest { after, from: 0 },
            after => Self::Pass { pass: pass + 1, after },
        }
    }

    /// What follows on the pages of a share of `pages` before number `to`.
    #[must_use]
    pub fn after_rest(after: Found, to: usize, pages: usize, end: Self) -> Self {
        if to < pages { Self::Rest { after, from: to } } else { end }
    }

    /// What follows on the last rows without a vector, which came first where `vectors_follow`.
    #[must_use]
    pub fn after_nulls(vectors_follow: bool) -> Self {
        if vectors_follow { Self::FIRST_PASS } else { Self::Nothing }
    }

    /// What follows on the last vector, where rows without one come last and the table has such (`nulls_last`), and where it
    /// does not.
    #[must_use]
    pub fn after_vectors(nulls_last: bool) -> Self {
        if nulls_last { Self::Nulls } else { Self::Nothing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::store::SlotNo;

    fn found(distance: f64) -> Found {
        Found { distance, slot: SlotNo(1), ..Found::FIRST }
    }

    #[test]
    fn after_passes() {
        let (last, middle) = (Some(found(2.0)), Some(found(1.0)));
        for end in [Stage::Nulls, Stage::Nothing] {
            for pass in [0, 1, 7] {
                let next = Stage::Pass { pass: pass + 1, after: last };
                let rest = Stage::Rest { after: found(2.0), from: 0 };
                let again = Stage::Pass { pass, after: None };
                // complete, any order, where it has begun; what follows
                let table = [
                    (false, false, None, next),
                    (false, false, middle, next),
                    (false, true, None, rest),
                    (false, true, middle, rest),
                    (true, false, None, end),
                    (true, false, middle, again),
                    (true, true, None, end),
                    (true, true, middle, again),
                ];
                for (complete, any_order, middle, expected) in table {
                    let stage = Stage::after_pass(pass, complete, last, any_order, middle, end);
                    assert_eq!(stage, expected, "{complete} {any_order} {middle:?}");
                }
                // nothing was kept
                for any_order in [false, true] {
                    assert_eq!(Stage::after_pass(pass, true, None, any_order, None, end), end);
                    assert_eq!(Stage::after_pass(pass, true, None, any_order, middle, end), again);
                }
            }
        }
    }

    #[test]
    fn after_the_others() {
        for end in [Stage::Nulls, Stage::Nothing] {
            for (to, pages, goes_on) in [(16, 40, true), (39, 40, true), (40, 40, false), (0, 0, false)] {
                let expected = if goes_on { Stage::Rest { after: found(1.0), from: to } } else { end };
                assert_eq!(Stage::after_rest(found(1.0), to, pages, end), expected, "{to} of {pages}");
            }
        }
        assert_eq!([false, true].map(Stage::after_nulls), [Stage::Nothing, Stage::FIRST_PASS]);
        assert_eq!([false, true].map(Stage::after_vectors), [Stage::Nothing, Stage::Nulls]);
    }
}
