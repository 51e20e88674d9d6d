//! When a graph wants what upkeep, and by whom, as far as numbers tell.

#![forbid(unsafe_code)]

/// Graphs of fewer nodes are repaired at once: that takes less than a tenth of a second.
const LARGE: u32 = 10_000;
/// Links are looked at once as many nodes as this share of the graph were linked: that pays for it.
const UNPROVEN_SHARE: u32 = 20;
/// Fewer waiting vectors than this share of the graph are not worth loading it.
const LOADED_SHARE: u32 = 50;
/// ... nor are fewer than this.
const LEAST_LOADED: u32 = 200;
/// From how many waiting vectors on sessions that insert sleep, and from how many on each time.
const SLEEP_FROM: f64 = 128.0;
const SLEEP_ALWAYS: f64 = 1024.0;

/// Who takes dead nodes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repairs {
    /// who has found them
    Now,
    /// as `Now`, but a graph that a worker is to repair is left to it
    Rest,
    /// a background worker, where the graph is large and a worker is to be had
    ByWorker,
}

impl Repairs {
    /// Whether a graph is passed by that a worker is to repair (`is_wanted`); `is_at` tells whether it is at work on the
    /// index.
    pub fn pass_by(self, is_wanted: bool, is_at: impl FnOnce() -> bool) -> bool {
        is_wanted && self != Self::Now && is_at()
    }
}

/// What becomes of dead nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadNodes {
    /// they stay
    Stay,
    /// they are taken out
    GoNow,
    /// a background worker takes them out, if there is one; otherwise they are taken out
    GoByWorker,
}

/// What becomes of `dead` of `used` nodes, where a share of them above `threshold` is too much.
#[must_use]
pub fn dead_nodes(dead: u32, used: u32, threshold: f64, repairs: Repairs) -> DeadNodes {
    if dead == 0 || f64::from(dead) <= threshold * f64::from(used) {
        DeadNodes::Stay
    } else if repairs == Repairs::ByWorker && used >= LARGE {
        DeadNodes::GoByWorker
    } else {
        DeadNodes::GoNow
    }
}

/// Whether links for what cannot be reached are looked for, in a graph of `used` nodes of which `unproven` were linked since.
/// With a `threshold` of 0 everything is to be done.
#[must_use]
pub fn is_reconnect_due(unproven: u32, used: u32, threshold: f64) -> bool {
    unproven > 0 && (threshold <= 0.0 || unproven >= used / UNPROVEN_SHARE)
}

/// Whether the codes' parameters are compared with what would be learned anew from so many `vectors`: when there are clearly
/// more than when that was done last, or if `always`. `mark` is the coarse measure of their number, `learned` what it was then.
#[must_use]
pub fn is_retrain_due(vectors: u32, mark: u8, learned: u8, always: bool) -> bool {
    vectors > 0 && (always || mark > learned)
}

/// Whether so much waits that a graph with so many nodes is better loaded than changed on its pages.
#[must_use]
pub fn is_worth_loading(waiting: u32, nodes: u32) -> bool {
    waiting >= LEAST_LOADED.max(nodes / LOADED_SHARE)
}

/// How a drain of everything comes to an end while more is added: in rounds, each over what waited when it began. There is
/// another round only where what came meanwhile is at most half of that: who adds faster is not waited for.
#[derive(Clone, Copy, Debug)]
pub struct DrainRounds {
    /// what waited when the present round began
    began_with: u32,
    /// how much of it is left
    left: u64,
}

impl DrainRounds {
    /// Before the first round, which there is however much waits: a graph has fewer than 2^31 vectors.
    #[must_use]
    pub fn new() -> Self {
        Self { began_with: u32::MAX, left: 0 }
    }

    /// How many are to be drained next of so many that wait; `None` at the end.
    pub fn next(&mut self, waiting: u32) -> Option<u64> {
        if waiting == 0 || self.left == 0 && waiting > self.began_with / 2 {
            return None;
        }
        if self.left == 0 {
            (self.began_with, self.left) = (waiting, u64::from(waiting));
        }
        Some(self.left)
    }

    /// So many were drained.
    pub fn drained(&mut self, count: u64) {
        self.left = self.left.saturating_sub(count);
    }
}

impl Default for DrainRounds {
    fn default() -> Self {
        Self::new()
    }
}

/// How likely a session that has inserted a row sleeps, with so many vectors waiting.
#[must_use]
pub fn sleep_probability(waiting: u32) -> f64 {
    ((f64::from(waiting) - SLEEP_FROM) / (SLEEP_ALWAYS - SLEEP_FROM)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Repairs; 3] = [Repairs::Now, Repairs::Rest, Repairs::ByWorker];

    #[test]
    fn passing_by() {
        for repairs in ALL {
            for (is_wanted, is_at) in [(false, false), (false, true), (true, false), (true, true)] {
                let expected = is_wanted && is_at && repairs != Repairs::Now;
                assert_eq!(repairs.pass_by(is_wanted, || is_at), expected, "{repairs:?} {is_wanted} {is_at}");
            }
            assert!(!repairs.pass_by(false, || panic!("asked")));
        }
        assert!(!Repairs::Now.pass_by(true, || panic!("asked")));
    }

    #[test]
    fn dead() {
        use DeadNodes::{GoByWorker, GoNow, Stay};
        // dead, used, threshold; now, rest, by a worker
        let table = [
            (0, 100, 0.0, [Stay, Stay, Stay]),
            (0, 100_000, 0.0, [Stay, Stay, Stay]),
            (1, 100, 0.0, [GoNow, GoNow, GoNow]),
            (10, 100, 0.1, [Stay, Stay, Stay]),
            (11, 100, 0.1, [GoNow, GoNow, GoNow]),
            (100, 100, 1.0, [Stay, Stay, Stay]),
            (1, 9_999, 0.0, [GoNow, GoNow, GoNow]),
            (1, 10_000, 0.0, [GoNow, GoNow, GoByWorker]),
            (1_000, 10_000, 0.1, [Stay, Stay, Stay]),
            (1_001, 10_000, 0.1, [GoNow, GoNow, GoByWorker]),
            (u32::MAX, u32::MAX, 0.5, [GoNow, GoNow, GoByWorker]),
        ];
        for (dead, used, threshold, expected) in table {
            for (repairs, expected) in ALL.into_iter().zip(expected) {
                assert_eq!(dead_nodes(dead, used, threshold, repairs), expected, "{dead} of {used}, {repairs:?}");
            }
        }
    }

    #[test]
    fn reconnecting() {
        // unproven, used; with a threshold, without
        let table = [
            (0, 0, false, false),
            (0, 1_000, false, false),
            (1, 0, true, true),
            (1, 19, true, true),
            (49, 1_000, false, true),
            (50, 1_000, true, true),
            (u32::MAX, 1_000, true, true),
        ];
        for (unproven, used, with, without) in table {
            assert_eq!(is_reconnect_due(unproven, used, 0.1), with, "{unproven} of {used}");
            assert_eq!(is_reconnect_due(unproven, used, 0.0), without, "{unproven} of {used}");
        }
    }

    #[test]
    fn retraining() {
        // vectors, mark, what it was; always, otherwise
        for (vectors, mark, learned, always, otherwise) in [
            (0, 1, 0, false, false),
            (1, 1, 0, true, true),
            (100, 27, 27, true, false),
            (100, 27, 28, true, false),
            (120, 28, 27, true, true),
        ] {
            assert_eq!(is_retrain_due(vectors, mark, learned, true), always, "{vectors}");
            assert_eq!(is_retrain_due(vectors, mark, learned, false), otherwise, "{vectors}");
        }
    }

    #[test]
    fn loading() {
        let table = [
            (199, 0, false),
            (200, 0, true),
            (200, 10_049, true),
            (200, 10_050, false),
            (201, 10_050, true),
            (1_999, 100_000, false),
            (2_000, 100_000, true),
        ];
        for (waiting, nodes, expected) in table {
            assert_eq!(is_worth_loading(waiting, nodes), expected, "{waiting} for {nodes}");
        }
    }

    #[test]
    fn rounds() {
        // what waits; what is drained at a time, and what is added meanwhile; how much was drained in all
        type Drains = &'static [(u64, u32)];
        let table: [(u32, Drains, u64); 5] = [
            (0, &[], 0),
            (100, &[(100, 0)], 100),
            // 40 are added in the first round, 20 in the second, 11 in the third, which is too many
            (100, &[(100, 40), (40, 20), (20, 11)], 160),
            // a round is done in parts, whatever comes meanwhile
            (100, &[(30, 500), (30, 500), (40, 500)], 100),
            (1_000_000, &[(1_000_000, 7), (7, 4)], 1_000_007),
        ];
        for (first, drains, expected) in table {
            let (mut rounds, mut waiting, mut total) = (DrainRounds::new(), first, 0);
            let mut drains = drains.iter();
            while let Some(most) = rounds.next(waiting) {
                let &(drained, added) = drains.next().expect("a round too many");
                assert!(drained <= most, "{first}");
                rounds.drained(drained);
                total += drained;
                waiting = waiting - drained as u32 + added;
            }
            assert_eq!((total, drains.next()), (expected, None), "{first}");
        }
    }

    #[test]
    fn what_is_drained_by_others_ends_a_round() {
        let mut rounds = DrainRounds::new();
        assert_eq!(rounds.next(100), Some(100));
        rounds.drained(10);
        assert_eq!(rounds.next(0), None);
        // more than was left, as a portion may be
        rounds.drained(1_000);
        assert_eq!(rounds.next(51), None);
        assert_eq!(rounds.next(50), Some(50));
    }

    #[test]
    fn sleeping() {
        for (waiting, expected) in [(0, 0.0), (128, 0.0), (352, 0.25), (576, 0.5), (1024, 1.0), (u32::MAX, 1.0)] {
            assert_eq!(sleep_probability(waiting), expected, "{waiting}");
        }
        assert!(sleep_probability(129) > 0.0 && sleep_probability(1023) < 1.0);
    }
}
