//! How a search whose rows must satisfy conditions comes by them, and when it changes its mind.
//!
//! There are three ways, by what share of the rows satisfies the conditions:
//!
//! | | when | what is done |
//! |---|---|---|
//! | *asked* | most do | the graph is searched as without conditions, and the rows that it finds are asked in order |
//! | *among* | some do, and which is known | the graph is searched through nodes of those rows |
//! | *listed* | few do, and which is known | their codes are compared, one after the other |
//!
//! Which rows satisfy the conditions becomes known by a scan of the table, or of other indexes: whether that is worth while is
//! told by what it costs and by what going on as before will cost, which follows from the share of those rows that did
//! among the rows that were asked. The planner's estimate counts as much as [`WEIGHT`] rows that were asked, so it decides
//! how a scan begins and is soon outvoted where it is wrong. It decides alone to scan the whole table only where that costs no more than a search: to ask a few rows
//! first costs next to nothing beside that. Other indexes are let find as many rows as they were expected to, or as cost no more
//! than a search.
//!
//! Costs are in nanoseconds, as measured with all pages in memory. What counts is their ratios.
//!
//! A wrong estimate costs about twice as much as the best choice at the most, and what was asked until the evidence outweighs it
//! (tested below).

#![forbid(unsafe_code)]

/// Looking up a row and asking the conditions.
pub const ASKED: f64 = 700.0;
/// Looking at what the index keeps of a row's columns, where that decides.
pub const PROBED: f64 = 60.0;
/// The same of each row, one after the other, for each column.
pub const KEY: f64 = 1.0;
/// The same of a row on the table's pages, of which most fail.
pub const TESTED: f64 = 150.0;
/// A row on the table's pages that is tested there, one after the other, with what its page costs.
pub const ROW: f64 = 9.0;
/// A row that other indexes have led to, asked by the server's executor.
pub const LED_TO: f64 = 160.0;
/// The same, of which nothing but the vector's slot is looked at.
pub const POINTED_TO: f64 = 45.0;
/// Going through other indexes, before the first row.
const DESCENDED: f64 = 10_000.0;
/// Codes compared for each of the nearest that a search settles.
const COMPARED_PER_FOUND: f64 = 15.0;
/// How much more a search among known nodes costs than one without conditions.
const AMONG: f64 = 2.0;
/// Where fewer of the nodes are known, hardly one of them has others within two steps, and a search would miss many.
const LEAST_SHARE: f64 = 0.03;
/// From the set of rows to the nodes, for each.
const TO_NODE: f64 = 4.0;
/// So many rows that were asked are as good evidence as the planner's estimate.
const WEIGHT: f64 = 4.0;
/// So many rows more are taken to have satisfied the conditions than have: the next one may.
const DOUBT: f64 = 1.0;
/// What other indexes may be let find at first costs as much as a search and to ask so many rows.
const AT_FIRST: f64 = 24.0;

/// How rows that satisfy the conditions can be found without a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finder {
    /// they cannot
    Nobody,
    /// by a scan of the table, at these costs
    Table(f64),
    /// by other indexes, which lead to this share of the table's rows, as far as the planner knows, and what a row costs
    Indexes(f64, f64),
    /// by what the index keeps of the rows' columns, at these costs
    Columns(f64),
}

/// What is known when it is decided how to go on.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// rows of the table, about
    pub rows: f64,
    /// the share of them that satisfies the conditions, by the planner's estimate
    pub share: f64,
    /// rows that the query wants beyond those that it has got
    pub wanted: f64,
    /// rows that were asked
    pub asked: f64,
    /// those of them that satisfied the conditions
    pub satisfied: f64,
    /// rows that others have found to satisfy them
    pub known: f64,
    /// how many of the nearest are found without going on
    pub found: f64,
    /// how many of the nearest a search settles at the least
    pub ef: f64,
    /// bytes of a code
    pub code_bytes: f64,
    /// what it costs to ask about a row that fails: [`ASKED`], [`TESTED`] or [`PROBED`]
    pub asking: f64,
    /// how others find the rows
    pub finder: Finder,
    /// how many graphs there are, each of which is searched as widely
    pub graphs: f64,
}

/// How to go on once the rows are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// through the graph
    Among,
    /// one after the other
    Listed,
}

impl Known {
    /// The share of the rows that satisfies the conditions, by estimate and evidence.
    #[must_use]
    pub fn likely_share(&self) -> f64 {
        let least = (self.known / self.rows.max(1.0)).max(0.5 / self.rows.max(1.0));
        let share = if self.asked > 0.0 {
            (self.satisfied + (self.share * WEIGHT).max(DOUBT)) / (self.asked + WEIGHT + DOUBT)
        } else {
            self.share
        };
        share.clamp(least.min(1.0), 1.0)
    }

    fn code(&self) -> f64 {
        40.0 + 0.09 * self.code_bytes
    }

    fn search(&self) -> f64 {
        self.graphs * self.ef * COMPARED_PER_FOUND * self.code()
    }

    /// What it costs to go on asking the rows that the search finds.
    #[must_use]
    pub fn cost_of_asking(&self) -> f64 {
        let looked_at = (self.wanted.max(1.0) / self.likely_share()).min(self.rows);
        // the search is kept ahead of what is looked at by half
        let settled = (self.graphs * (1.5 * (self.asked + looked_at) - self.found)).clamp(0.0, self.rows);
        let begins = if self.found > 0.0 { 0.0 } else { self.search() };
        let wanted = self.wanted.max(1.0).min(looked_at);
        begins + looked_at * self.asking + wanted * (ASKED - self.asking) + settled * COMPARED_PER_FOUND * self.code()
    }

    /// What it costs to have so many rows found by other indexes.
    #[must_use]
    pub fn cost_of_indexes(rows: f64, each: f64) -> f64 {
        DESCENDED + rows * each
    }

    /// What it costs to find out which rows satisfy the conditions; `None` where nobody can.
    #[must_use]
    pub fn cost_of_finding(&self) -> Option<f64> {
        match self.finder {
            Finder::Nobody => None,
            Finder::Table(cost) | Finder::Columns(cost) => Some(cost),
            Finder::Indexes(share, each) => {
                Some(Self::cost_of_indexes(share.max(self.likely_share()) * self.rows, each))
            }
        }
    }

    /// What it costs to order so many rows once they are known, and how that is done.
    #[must_use]
    pub fn cost_of_ordering(&self, known: f64) -> (f64, Way) {
        let listed = known * (self.code() + TO_NODE);
        let among = self.search() * AMONG + known * TO_NODE;
        if listed <= among || known < LEAST_SHARE * self.rows { (listed, Way::Listed) } else { (among, Way::Among) }
    }

    /// Whether the rows are to be found now, and ordered then: that is cheaper than to go on asking.
    #[must_use]
    pub fn is_to_find(&self) -> bool {
        let Some(finding) = self.cost_of_finding() else { return false };
        finding + self.cost_of_ordering(self.likely_share() * self.rows).0 < self.cost_of_asking()
    }

    /// Whether the rows are to be found before any is asked, by the planner's estimate: not where that costs more than to ask a few.
    #[must_use]
    pub fn is_to_find_first(&self) -> bool {
        let is_cheap = match self.finder {
            // whatever the truth is, no more than twice a search
            Finder::Table(cost) => cost <= self.search(),
            Finder::Indexes(share, each) => share.max(self.share) * self.rows <= self.at_first(each),
            Finder::Nobody | Finder::Columns(_) => true,
        };
        is_cheap && self.is_to_find()
    }

    /// As many rows as other indexes find in the time of a search and the first questions.
    fn at_first(&self, each: f64) -> f64 {
        (self.search() + AT_FIRST * ASKED) / each
    }

    /// So many more rows may be found on the strength of what is known now. If there are more, that is worth knowing, too.
    #[must_use]
    pub fn most_to_find(&self) -> u64 {
        let Finder::Indexes(_, each) = self.finder else { return u64::MAX };
        let expected = if self.asked > 0.0 { self.likely_share() * self.rows } else { 0.0 };
        (2.0 * expected - self.known).max(self.at_first(each)).ceil() as u64 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a scan costs that goes by these decisions, by the costs that it goes by, where `share` of the rows satisfy the
    /// conditions, which are spread evenly.
    fn cost(expected: Known, share: f64) -> f64 {
        let mut known = expected;
        let mut cost = 0.0;
        let all = (share * known.rows).round();
        // what it costs to find as many as is thought right; whether those are all
        let find = |known: &mut Known| {
            let left = all - known.known;
            let most = left.min(known.most_to_find() as f64);
            known.known += most;
            match expected.finder {
                Finder::Indexes(_, each) => (DESCENDED + most * each, most >= left),
                _ => (expected.cost_of_finding().unwrap_or(f64::INFINITY), true),
            }
        };
        if known.is_to_find_first() {
            let (finding, is_complete) = find(&mut known);
            cost += finding;
            if is_complete {
                return cost + known.cost_of_ordering(all).0;
            }
        }
        cost += known.search();
        known.found = known.ef;
        let wanted = known.wanted;
        loop {
            known.asked += 1.0;
            cost += known.asking;
            if known.asked + known.asked / 2.0 > known.found {
                cost += 1.5 * COMPARED_PER_FOUND * known.code();
            }
            let satisfied = (known.asked * share).floor();
            let failed = satisfied == known.satisfied;
            known.satisfied = satisfied;
            known.wanted = wanted - satisfied;
            if known.wanted <= 0.0 || known.asked >= known.rows {
                return cost;
            }
            if failed && known.is_to_find() {
                let (finding, is_complete) = find(&mut known);
                cost += finding;
                if is_complete {
                    return cost + known.cost_of_ordering(all).0;
                }
            }
        }
    }

    fn best(expected: Known, share: f64) -> f64 {
        let truth = Known { share, ..expected };
        let all = share * truth.rows;
        let found = truth.cost_of_finding().map_or(f64::INFINITY, |cost| cost + truth.cost_of_ordering(all).0);
        found.min(truth.cost_of_asking())
    }

    #[test]
    fn a_wrong_estimate_costs_twice_as_much_at_the_most() {
        let shares = [0.0, 1e-5, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 0.5, 1.0];
        for rows in [10_000.0, 60_000.0, 1e6] {
            for (finder, asking) in [
                (Finder::Table(50.0), ASKED),
                (Finder::Table(ROW), TESTED),
                (Finder::Indexes(0.0, LED_TO), ASKED),
                (Finder::Indexes(0.0, POINTED_TO), TESTED),
            ] {
                for (estimate, share) in shares.iter().flat_map(|&a| shares.iter().map(move |&b| (a, b))) {
                    let finder = match finder {
                        Finder::Indexes(_, each) => Finder::Indexes(estimate, each),
                        Finder::Table(each) => Finder::Table(each * rows),
                        other => other,
                    };
                    let share_of = |share| Known { rows, code_bytes: 400.0, asking, ..before_the_first(share, finder) };
                    let expected = share_of(estimate);
                    let (cost, best) = (cost(expected, share), best(expected, share));
                    // a search and the first rows are paid for evidence
                    let evidence = 2.0 * (expected.search() + AT_FIRST * ASKED);
                    assert!(
                        cost <= 2.0 * best + evidence,
                        "{share} instead of {estimate} of {rows}, {finder:?}: {cost} instead of {best}"
                    );
                }
            }
        }
    }

    const TABLE: Finder = Finder::Table(3e6);

    /// What is known before any row is asked, of 60,000.
    fn before_the_first(share: f64, finder: Finder) -> Known {
        Known {
            rows: 60_000.0,
            share,
            wanted: 10.0,
            asked: 0.0,
            satisfied: 0.0,
            known: 0.0,
            found: 0.0,
            ef: 64.0,
            code_bytes: 784.0,
            asking: ASKED,
            finder,
            graphs: 1.0,
        }
    }

    #[test]
    fn the_way_goes_by_the_share() {
        let of = before_the_first;
        assert!(!of(0.5, Finder::Indexes(0.5, LED_TO)).is_to_find() && !of(0.1, TABLE).is_to_find());
        assert!(
            of(0.0001, Finder::Indexes(0.0001, LED_TO)).is_to_find_first() && !of(0.0001, TABLE).is_to_find_first()
        );
        assert!(of(0.001, Finder::Indexes(0.001, LED_TO)).is_to_find() && of(0.0001, TABLE).is_to_find());
        assert!(!of(0.0001, Finder::Nobody).is_to_find());
        assert_eq!(of(0.0, TABLE).cost_of_ordering(200.0).1, Way::Listed);
        assert_eq!(of(0.0, TABLE).cost_of_ordering(20_000.0).1, Way::Among);
        let large = Known { rows: 1e7, ..of(0.0, TABLE) };
        assert_eq!([2e5, 4e5].map(|known| large.cost_of_ordering(known).1), [Way::Listed, Way::Among]);
        assert!(of(0.5, TABLE).most_to_find() == u64::MAX);
    }

    #[test]
    fn many_graphs_make_searches_dear() {
        let finder = Finder::Columns(120_000.0 * KEY);
        let of = |graphs| Known {
            rows: 120_000.0,
            code_bytes: 32.0,
            asking: PROBED,
            graphs,
            ..before_the_first(0.1, finder)
        };
        let costs = [1.0, 4.0, 16.0, 40.0].map(|graphs| of(graphs).cost_of_asking());
        assert!(costs.windows(2).all(|pair| pair[1] > 2.0 * pair[0]), "{costs:?}");
        assert!(!of(1.0).is_to_find_first() && of(40.0).is_to_find_first());
        assert_eq!([1.0, 40.0].map(|graphs| of(graphs).cost_of_ordering(12_000.0).1), [Way::Among, Way::Listed]);
        // what was settled is not settled again
        assert!(Known { found: 1e6, ..of(40.0) }.cost_of_asking() < of(1.0).cost_of_asking());
    }
}
