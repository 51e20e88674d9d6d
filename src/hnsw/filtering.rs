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
//! how a scan begins and is soon outvoted where it is wrong.
//!
//! Costs are in nanoseconds, as measured with all pages in memory. What counts is their ratios.

#![forbid(unsafe_code)]

/// Looking up a row and asking the conditions.
pub const ASKED: f64 = 700.0;
/// Looking at what the index keeps of a row's columns, where that decides.
pub const PROBED: f64 = 60.0;
/// The same of each row, one after the other, for each column.
pub const KEY: f64 = 1.0;
/// A row of a scan of the whole table that asks the conditions.
const SCANNED: f64 = 55.0;
/// A row that other indexes have led to.
const LED_TO: f64 = 160.0;
/// Going through other indexes, before the first row.
const DESCENDED: f64 = 10_000.0;
/// Codes compared for each of the nearest that a search settles.
const COMPARED_PER_FOUND: f64 = 18.0;
/// How much more a search among known nodes costs than one without conditions.
const AMONG: f64 = 1.5;
/// From the set of rows to the nodes, for each.
const TO_NODE: f64 = 6.0;
/// So many rows that were asked are as good evidence as the planner's estimate.
const WEIGHT: f64 = 24.0;

/// How rows that satisfy the conditions can be found without a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finder {
    /// they cannot
    Nobody,
    /// by a scan of the table
    Table,
    /// by other indexes, which lead to this share of the table's rows, as far as the planner knows
    Indexes(f64),
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
    /// how many of the nearest are found without going on
    pub found: f64,
    /// how many of the nearest a search settles at the least
    pub ef: f64,
    /// bytes of a code
    pub code_bytes: f64,
    /// what it costs to ask about a row, [`ASKED`] or [`PROBED`]
    pub asking: f64,
    /// how others find the rows
    pub finder: Finder,
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
        let least = 0.5 / self.rows.max(1.0);
        ((self.satisfied + self.share * WEIGHT) / (self.asked + WEIGHT)).clamp(least, 1.0)
    }

    fn code(&self) -> f64 {
        40.0 + 0.09 * self.code_bytes
    }

    fn search(&self) -> f64 {
        self.ef * COMPARED_PER_FOUND * self.code()
    }

    /// What it costs to go on asking the rows that the search finds.
    #[must_use]
    pub fn cost_of_asking(&self) -> f64 {
        let looked_at = (self.wanted.max(1.0) / self.likely_share()).min(self.rows);
        // the search is kept ahead of what is looked at by half
        let settled = (1.5 * (self.asked + looked_at) - self.found).clamp(0.0, self.rows);
        let begins = if self.found > 0.0 { 0.0 } else { self.search() };
        let wanted = self.wanted.max(1.0).min(looked_at);
        begins + looked_at * self.asking + wanted * (ASKED - self.asking) + settled * COMPARED_PER_FOUND * self.code()
    }

    /// What it costs to have so many rows found by other indexes.
    #[must_use]
    pub fn cost_of_indexes(rows: f64) -> f64 {
        DESCENDED + rows * LED_TO
    }

    /// What it costs to find out which rows satisfy the conditions; `None` where nobody can.
    #[must_use]
    pub fn cost_of_finding(&self) -> Option<f64> {
        match self.finder {
            Finder::Nobody => None,
            Finder::Table => Some(self.rows * SCANNED),
            Finder::Indexes(share) => Some(Self::cost_of_indexes(share.max(self.likely_share()) * self.rows)),
            Finder::Columns(cost) => Some(cost),
        }
    }

    /// What it costs to order so many rows once they are known, and how that is done.
    #[must_use]
    pub fn cost_of_ordering(&self, known: f64) -> (f64, Way) {
        let listed = known * (self.code() + TO_NODE);
        let among = self.search() * AMONG + known * TO_NODE;
        if listed <= among { (listed, Way::Listed) } else { (among, Way::Among) }
    }

    /// Whether the rows are to be found now, and ordered then: that is cheaper than to go on asking.
    #[must_use]
    pub fn is_to_find(&self) -> bool {
        let Some(finding) = self.cost_of_finding() else { return false };
        finding + self.cost_of_ordering(self.likely_share() * self.rows).0 < self.cost_of_asking()
    }

    /// So many rows may be found before that costs twice as much as was expected, and as much as asking.
    #[must_use]
    pub fn most_to_find(&self) -> u64 {
        let each = match self.finder {
            Finder::Indexes(_) => LED_TO,
            _ => return u64::MAX,
        };
        let expected = self.likely_share() * self.rows;
        (2.0 * expected).max(self.cost_of_asking() / each).ceil() as u64 + 1
    }

    /// How much work a search among so many known rows may be, in comparisons of codes, before they are rather listed.
    #[must_use]
    pub fn most_work(&self, known: f64) -> u64 {
        known as u64
    }
}
