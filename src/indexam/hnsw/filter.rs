//! What a scan knows of the query's conditions.

#![forbid(unsafe_code)]

use crate::format::graph::Condition;
use crate::format::store::slot_set::SlotSet;
use crate::format::store::{SlotNo, Tid};
use crate::hnsw::beam::Work;
use crate::hnsw::filtering::{ASKED, Finder, Known};
use crate::hnsw::next_step::Width;
use std::rc::Rc;

/// The query's conditions, as far as a scan may ask about them before a row's turn.
pub trait Conditions {
    /// Whether rows may be asked about at all: not where an answer may change, or costs too much.
    fn may_be_asked(&self) -> bool;
    /// Whether the row at `tid`, which the snapshot sees, satisfies them. False if there is no such row.
    fn hold(&mut self, tid: Tid) -> bool;
    /// How all rows that satisfy them can be found.
    fn finder(&self) -> Finder;
    /// Goes on finding rows that satisfy them: hands the vectors' slots of so many to `take`. True when that were all.
    fn find(&mut self, most: u64, take: &mut dyn FnMut(SlotNo)) -> bool;
    /// What included columns tell of them: rows whose keys do not pass do not satisfy them. [`Finder::Columns`] stands for a test of
    /// all rows.
    fn keys(&self) -> Option<Rc<Condition>> {
        None
    }
    /// Whether hardly a row whose keys pass does not satisfy them.
    fn keys_decide(&self) -> bool {
        false
    }
    /// What it costs to ask about a row that fails, in nanoseconds.
    fn cost_of_asking(&self) -> f64 {
        ASKED
    }
    /// Rows of the table and the share that satisfies them, by the planner's estimate, and rows that the query wants.
    fn expected(&self) -> Expected;
}

/// The planner's estimates.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected {
    /// rows of the table
    pub rows: f64,
    /// the share of them that satisfies the conditions
    pub share: f64,
    /// rows that the query wants; 0 where that is not known
    pub wanted: f64,
    /// what the planner is told that it costs to find the rows by a scan of the table
    pub finding: f64,
}

/// None that a scan is told of.
pub struct Untold;

impl Conditions for Untold {
    fn may_be_asked(&self) -> bool {
        false
    }

    fn hold(&mut self, _: Tid) -> bool {
        true
    }

    fn finder(&self) -> Finder {
        Finder::Nobody
    }

    fn find(&mut self, _: u64, _: &mut dyn FnMut(SlotNo)) -> bool {
        true
    }

    fn expected(&self) -> Expected {
        Expected::default()
    }
}

/// How a scan takes conditions into account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// it does not
    #[default]
    Untold,
    /// rows are asked in the order in which they are found
    Asked,
    /// the graph is searched through nodes of rows that are known to satisfy them
    Among,
    /// the codes of rows that are known to satisfy them are compared
    Listed,
}

/// What scans have done, in all since the first began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// searches of graphs that began
    pub searched: u64,
    /// work of those that ended
    pub work: Work,
    /// codes compared one after the other, without a search
    pub listed: u64,
    /// codes of pending vectors compared
    pub pending: u64,
    /// exact distances
    pub exact: u64,
    /// vectors that were passed by since the snapshot does not see them
    pub hidden: u64,
    /// rows that were asked about the conditions
    pub asked: u64,
    /// those that did not satisfy them
    pub failed: u64,
    /// rows whose keys were looked at, and those that did not pass
    pub probed: u64,
    /// see [`Counts::probed`]
    pub failed_keys: u64,
    /// rows whose keys were looked at one after the other
    pub keys: u64,
    /// slots that others found
    pub found: u64,
    /// times that the ways began: rows asked, searched among those known, listed
    pub ways: [u64; 3],
}

/// What is known of the conditions in the present scan.
#[derive(Default)]
pub struct Filter {
    /// how they are taken into account
    pub strategy: Strategy,
    /// slots of rows that satisfy them, as far as they were found
    pub among: SlotSet,
    /// how many those are
    pub count: u64,
    /// whether those are all
    pub is_complete: bool,
    /// rows that this scan has asked
    pub asked: u64,
    /// those that satisfied the conditions
    pub satisfied: u64,
    /// whether somebody can find the rest
    pub can_find: bool,
    /// so many more are to be found in another way than by the search, which has become too dear
    pub to_find: Option<u64>,
    /// the share of the rows whose keys pass, by some of them
    pub share: Option<f64>,
    /// how many graphs there are to be searched
    pub graphs: usize,
}

impl Filter {
    /// Begins another scan. What was found stays known.
    pub fn begin(&mut self, conditions: &dyn Conditions) {
        (self.strategy, self.asked, self.satisfied, self.to_find) = (Strategy::Untold, 0, 0, None);
        self.can_find = conditions.finder() != Finder::Nobody;
    }

    /// Whether most rows satisfy the conditions, as far as that is known.
    #[must_use]
    pub fn are_most_satisfied(&self, conditions: &dyn Conditions) -> bool {
        self.known(conditions, 0, 0, 0, 0).likely_share() > 0.5
    }

    /// Forgets what was found: the conditions have changed.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Takes one that was found.
    pub fn take(&mut self, slot: SlotNo) {
        self.count += u64::from(self.among.insert(slot));
    }

    /// How many of the nearest a scan that asks rows had better look for at once: going on costs more. Not many more than it
    /// would by itself, since the estimate may be wrong.
    #[must_use]
    pub fn first_width(&self, conditions: &dyn Conditions, width: &Width) -> usize {
        const MOST: usize = 5;
        let known = self.known(conditions, 0, width.ef_search, 0, 0);
        if known.is_to_find() {
            return 0;
        }
        let looked_at = (known.wanted / known.likely_share()).ceil() as usize;
        (looked_at + looked_at / 2).min(MOST * width.ef_search / 2)
    }

    /// What is known when it is to be decided how to go on.
    #[must_use]
    pub fn known(&self, conditions: &dyn Conditions, found: usize, ef: usize, code_bytes: usize, got: usize) -> Known {
        let expected = conditions.expected();
        // who does not know how many are wanted wants as many again
        let wanted = if expected.wanted > 0.0 { expected.wanted - got as f64 } else { (got as f64).max(10.0) };
        Known {
            rows: expected.rows,
            share: match self.share {
                Some(share) if conditions.keys_decide() => share,
                Some(share) => share.min(expected.share),
                None => expected.share,
            },
            wanted: wanted.max(1.0),
            asked: self.asked as f64,
            satisfied: self.satisfied as f64,
            known: self.count as f64,
            found: found as f64,
            ef: ef as f64,
            code_bytes: code_bytes as f64,
            asking: conditions.cost_of_asking(),
            finder: conditions.finder(),
            graphs: self.graphs.max(1) as f64,
        }
    }
}
