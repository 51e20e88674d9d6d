//! How a scan comes by the next vector in the order of exact distances, from estimates of which it knows bounds.
//!
//! The search has found so many vectors (`ef`), some with their exact distances, others with a bound that their distances are
//! hardly below. The first line that holds says what to do:
//!
//! | | what is so | step |
//! |---|---|---|
//! | 1 | memory is full | [`Step::Stop`] |
//! | 2 | the search is not far enough ahead of what was handed out, and can go on | [`Step::Widen`] by a quarter |
//! | 3 | the least bound is not above the least exact distance, or no exact distance is known | [`Step::Measure`] |
//! | 4 | all bounds are used up by the first few rows, and the search can go on | [`Step::Widen`] to twice as many |
//! | 5 | the least exact distance is less than the one handed out last | [`Step::PutAside`] |
//! | 6 | there is an exact distance | [`Step::HandOut`] |
//! | 7 | the search can go on | [`Step::Widen`] by a quarter |
//! | 8 | nothing is left | [`Step::LookElsewhere`] |
//!
//! Each step but 1, 6 and 8 is followed by another look. It ends, since each takes a bound or an exact distance away, or widens
//! a search that comes to its end.

#![forbid(unsafe_code)]

/// Where codes do not tell vectors apart, so many times `ef_search` are looked for at the most.
const MOST_BLURRED: usize = 8;

/// How wide the search is, and how wide it has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Width {
    /// so many of the nearest are looked for
    pub ef: usize,
    /// what the setting says
    pub ef_search: usize,
    /// rows that were handed out
    pub handed_out: usize,
}

impl Width {
    /// Of a scan that begins, which has at least `at_once` rows without going on with its search: going on costs more than a
    /// little more of it.
    #[must_use]
    pub fn of_start(ef_search: usize, at_once: usize) -> Self {
        let start = Self { ef: 0, ef_search, handed_out: 0 };
        let for_the_first = (at_once - 1) + start.ahead().max(at_once / 2);
        Self { ef: ef_search.max(for_the_first), ..start }
    }

    /// How many more than those handed out the search must have found, so that hardly one turns up too late.
    #[must_use]
    pub fn ahead(&self) -> usize {
        self.ef_search.div_ceil(2).max(self.handed_out / 2)
    }

    /// Whether the search is not that far ahead.
    fn is_behind(&self) -> bool {
        self.handed_out + self.ahead() > self.ef
    }

    /// Whether, with no bound left, codes do not tell the vectors here apart: all that were found had to be measured for the
    /// first few rows. Then others that are as near by their codes were put aside, and the search goes on for them, within bounds.
    fn is_blurred(&self) -> bool {
        4 * self.handed_out < self.ef_search && self.ef < MOST_BLURRED * self.ef_search
    }
}

/// What is known when the next vector is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// more was found than memory may hold
    pub is_full: bool,
    /// how wide the search is
    pub width: Width,
    /// the least of the exact distances that were not handed out
    pub nearest: Option<f64>,
    /// the least of the bounds
    pub bound: Option<f64>,
    /// the distance that was handed out last
    pub last: f64,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// end here: the rest is left to others
    Stop,
    /// search on for the nearest so many
    Widen(usize),
    /// take the exact distance of the one with the least bound
    Measure,
    /// keep the nearest for the end: it has turned up too late for its place
    PutAside,
    /// hand the nearest out
    HandOut,
    /// see whether the graph has changed, or has vectors that the search did not reach
    LookElsewhere,
}

/// The next step, by the table above. `can_go_on` tells whether a search has not come to its end.
#[must_use]
pub fn next_step(known: &Known, can_go_on: impl Fn() -> bool) -> Step {
    let width = known.width;
    if known.is_full {
        return Step::Stop;
    }
    if width.is_behind() && can_go_on() {
        // a quarter more at a time: the work stays in proportion to what is handed out
        return Step::Widen((width.ef + width.ef / 4).max(width.handed_out + 2 * width.ahead()));
    }
    match (known.nearest, known.bound) {
        (None, Some(_)) => Step::Measure,
        (Some(nearest), Some(bound)) if !is_nearer(nearest, bound) => Step::Measure,
        (Some(_), None) if width.is_blurred() && can_go_on() => Step::Widen(2 * width.ef),
        (Some(nearest), _) if is_nearer(nearest, known.last) => Step::PutAside,
        (Some(_), _) => Step::HandOut,
        (None, None) if can_go_on() => Step::Widen(width.ef + width.ef / 4 + 1),
        (None, None) => Step::LookElsewhere,
    }
}

/// Whether `a` comes before `b` in the order of distances, in which NaN is last.
#[must_use]
pub fn is_nearer(a: f64, b: f64) -> bool {
    a < b || (b.is_nan() && !a.is_nan())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAN: f64 = f64::NAN;

    /// Far enough ahead, and with so many rows handed out that nothing is blurred.
    const AHEAD: Width = Width { ef: 100, ef_search: 40, handed_out: 20 };
    const BEHIND: Width = Width { ef: 40, ef_search: 40, handed_out: 30 };
    /// Far enough ahead, with few rows handed out.
    const FEW: Width = Width { ef: 100, ef_search: 40, handed_out: 9 };

    fn known(width: Width, nearest: Option<f64>, bound: Option<f64>) -> Known {
        Known { is_full: false, width, nearest, bound, last: 1.0 }
    }

    #[test]
    fn the_table() {
        use Step::{HandOut, LookElsewhere, Measure, PutAside, Widen};
        // width, least exact distance, least bound; the step where the search can go on, and where it cannot
        let table = [
            (AHEAD, None, None, Widen(126), LookElsewhere),
            (AHEAD, None, Some(2.0), Measure, Measure),
            (AHEAD, None, Some(NAN), Measure, Measure),
            (AHEAD, Some(2.0), None, HandOut, HandOut),
            (AHEAD, Some(1.0), None, HandOut, HandOut),
            (AHEAD, Some(0.5), None, PutAside, PutAside),
            (AHEAD, Some(NAN), None, HandOut, HandOut),
            (AHEAD, Some(2.0), Some(3.0), HandOut, HandOut),
            (AHEAD, Some(0.5), Some(3.0), PutAside, PutAside),
            (AHEAD, Some(2.0), Some(NAN), HandOut, HandOut),
            (AHEAD, Some(2.0), Some(2.0), Measure, Measure),
            (AHEAD, Some(2.0), Some(1.5), Measure, Measure),
            (AHEAD, Some(0.5), Some(0.4), Measure, Measure),
            (AHEAD, Some(NAN), Some(3.0), Measure, Measure),
            (AHEAD, Some(NAN), Some(NAN), Measure, Measure),
            (FEW, None, None, Widen(126), LookElsewhere),
            (FEW, None, Some(2.0), Measure, Measure),
            (FEW, Some(2.0), None, Widen(200), HandOut),
            (FEW, Some(0.5), None, Widen(200), PutAside),
            (FEW, Some(2.0), Some(3.0), HandOut, HandOut),
            (FEW, Some(2.0), Some(1.5), Measure, Measure),
            (BEHIND, None, None, Widen(70), LookElsewhere),
            (BEHIND, None, Some(2.0), Widen(70), Measure),
            (BEHIND, Some(2.0), None, Widen(70), HandOut),
            (BEHIND, Some(0.5), None, Widen(70), PutAside),
            (BEHIND, Some(2.0), Some(3.0), Widen(70), HandOut),
            (BEHIND, Some(2.0), Some(1.5), Widen(70), Measure),
        ];
        for (width, nearest, bound, if_it_can, if_not) in table {
            let known = known(width, nearest, bound);
            for (can, expected) in [(true, if_it_can), (false, if_not)] {
                assert_eq!(next_step(&known, || can), expected, "{known:?}, can go on: {can}");
                assert_eq!(next_step(&Known { is_full: true, ..known }, || can), Step::Stop);
            }
        }
    }

    #[test]
    fn nothing_is_nearer_than_nan_but_numbers() {
        // after a row with NaN was handed out, every number is too late
        let late = Known { last: NAN, ..known(AHEAD, Some(f64::INFINITY), None) };
        assert_eq!(next_step(&late, || false), Step::PutAside);
        assert_eq!(next_step(&Known { nearest: Some(NAN), ..late }, || false), Step::HandOut);
        assert!(is_nearer(1.0, 2.0) && is_nearer(1.0, NAN) && !is_nearer(NAN, 1.0) && !is_nearer(NAN, NAN));
        assert!(!is_nearer(1.0, 1.0) && !is_nearer(2.0, 1.0));
    }

    #[test]
    fn blurred_within_bounds() {
        // rows handed out, ef; of an ef_search of 40
        for (handed_out, ef, is_blurred) in
            [(0, 40, true), (9, 319, true), (10, 100, false), (9, 320, false), (0, 320, false), (0, 0, true)]
        {
            assert_eq!(Width { ef, ef_search: 40, handed_out }.is_blurred(), is_blurred, "{handed_out} {ef}");
        }
    }

    #[test]
    fn widths() {
        for (ef_search, handed_out, ahead) in [(40, 0, 20), (41, 0, 21), (1, 0, 1), (40, 40, 20), (40, 1000, 500)] {
            assert_eq!(Width { ef: 0, ef_search, handed_out }.ahead(), ahead);
        }
        for (ef_search, ef) in [(1, 14), (10, 14), (14, 16), (40, 40), (1000, 1000)] {
            let start = Width::of_start(ef_search, 10);
            assert_eq!(start, Width { ef, ef_search, handed_out: 0 });
            // the first ten come without another search
            assert!(!Width { handed_out: 9, ..start }.is_behind());
        }
    }

    #[test]
    fn one_step_behind_is_not_behind_after_it() {
        for ef_search in [1, 10, 40, 1000] {
            for handed_out in [0, 1, 50, 10_000] {
                for ef in [0, ef_search, handed_out] {
                    let width = Width { ef, ef_search, handed_out };
                    if let Step::Widen(ef) = next_step(&known(width, Some(2.0), Some(3.0)), || true) {
                        assert!(width.is_behind() && !Width { ef, ..width }.is_behind(), "{width:?}");
                    } else {
                        assert!(!width.is_behind(), "{width:?}");
                    }
                }
            }
        }
    }
}
