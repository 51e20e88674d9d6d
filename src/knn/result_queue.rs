//! The order of results: ascending exact distance, NaN last, ties by slot number.
//!
//! [`TopK`] keeps the first so many of what it is offered, for a pass. [`ResultQueue`] returns what a search collects on its
//! way, each slot once.

#![forbid(unsafe_code)]

use crate::format::store::{Generation, SlotNo, Tid};
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashSet};

/// A vector that a scan found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// its exact distance to the query
    pub distance: f64,
    /// its slot
    pub slot: SlotNo,
    /// the slot's generation when it was found
    pub generation: Generation,
    /// its row's address; [`Tid::NONE`] while only the row can tell whether there is one
    pub tid: Tid,
}

impl Found {
    /// Before every other.
    pub const FIRST: Self =
        Self { distance: f64::NEG_INFINITY, slot: SlotNo(0), generation: Generation(0), tid: Tid::NONE };

    /// Before every other of that distance, and after all that are nearer; `None` when nothing can be nearer.
    #[must_use]
    pub fn before_all_at(distance: f64) -> Option<Self> {
        let nearer = if distance.is_nan() { f64::INFINITY } else { distance.next_down() };
        (distance != f64::NEG_INFINITY).then_some(Self { distance: nearer, slot: SlotNo(u32::MAX), ..Self::FIRST })
    }

    #[inline]
    fn order(&self, other: &Self) -> Ordering {
        // unequal only where one of them is NaN, which comes last
        let distance = self.distance.partial_cmp(&other.distance);
        let distance = distance.unwrap_or_else(|| self.distance.is_nan().cmp(&other.distance.is_nan()));
        distance.then(self.slot.cmp(&other.slot))
    }
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        self.order(other).is_eq()
    }
}

impl Eq for Found {}

impl PartialOrd for Found {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Found {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.order(other)
    }
}

/// How vectors are ordered, and how far away they may be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Order {
    /// those whose distance is NaN come first, as in a descending order, not last
    pub nan_first: bool,
    /// what is farther away is not wanted, nor is NaN, which is farther than any number; but NaN is if it comes first
    pub within: Option<f64>,
}

impl Order {
    /// The distance by which such a one is put in order.
    #[inline]
    #[must_use]
    pub fn place(self, distance: f64) -> f64 {
        if self.nan_first && distance.is_nan() { f64::NEG_INFINITY } else { distance }
    }

    /// Whether what is put there is not wanted, nor anything after it.
    #[inline]
    #[must_use]
    pub fn ends_before(self, place: f64) -> bool {
        self.within.is_some_and(|within| place > within || place.is_nan())
    }
}

/// The first so many of what comes after a given one, however much is offered: constant memory and, on average, constant
/// time an offer (a buffer of twice the size that is halved by selection whenever it is full).
#[derive(Debug)]
pub struct TopK {
    most: usize,
    after: Option<Found>,
    order: Order,
    until: Option<Found>,
    kept: Vec<Found>,
    bound: Option<Found>,
    left_out: bool,
    met_before: bool,
}

impl TopK {
    /// Keeps the first `most` (at least 1) of those after `after`.
    #[must_use]
    pub fn new(most: usize, after: Option<Found>) -> Self {
        let (kept, bound, order) = (Vec::new(), None, Order::default());
        Self { most: most.max(1), after, until: None, order, kept, bound, left_out: false, met_before: false }
    }

    /// In that order; what is not wanted is not offered.
    #[must_use]
    pub fn ordered(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// Keeps none that comes after `until`, as if it were not offered.
    #[must_use]
    pub fn until(self, until: Option<Found>) -> Self {
        Self { until, ..self }
    }

    /// Keeps as many, after the same one and until the same one, and has none yet.
    #[must_use]
    pub fn fresh(&self) -> Self {
        Self::new(self.most, self.after).ordered(self.order).until(self.until)
    }

    /// Whether any was offered that does not come after the one that those kept come after.
    #[must_use]
    pub fn met_before(&self) -> bool {
        self.met_before
    }

    /// Adds what another kept, which was offered something else.
    pub fn absorb(&mut self, other: Self) {
        other.kept.into_iter().for_each(|found| self.offer(found));
        self.left_out |= other.left_out;
        self.met_before |= other.met_before;
    }

    /// How many are kept.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// A distance beyond which nothing is kept any more, if there is one.
    #[inline]
    #[must_use]
    pub fn bound(&self) -> Option<f64> {
        let bound = self.bound.map(|bound| bound.distance);
        // NaN is less than nothing here
        bound.map_or(self.order.within, |bound| Some(self.order.within.map_or(bound, |within| within.min(bound))))
    }

    /// Notes that something beyond [`TopK::bound`] was not offered.
    #[inline]
    pub fn pass(&mut self) {
        // where all that is wanted could have been kept, only the unwanted is passed by
        self.left_out |= self.bound.is_some_and(|bound| !self.order.ends_before(bound.distance));
    }

    /// Offers one.
    #[inline]
    pub fn offer(&mut self, found: Found) {
        let found = Found { distance: self.order.place(found.distance), ..found };
        if self.order.ends_before(found.distance) {
            return;
        }
        if self.bound.is_some_and(|bound| found >= bound) {
            self.left_out = true;
            return;
        }
        if self.after.is_some_and(|after| found <= after) {
            self.met_before = true;
            return;
        }
        if self.until.is_some_and(|until| found > until) {
            return;
        }
        self.kept.push(found);
        if self.kept.len() >= 2 * self.most {
            self.halve();
        }
    }

    #[cold]
    fn halve(&mut self) {
        let (_, last, _) = self.kept.select_nth_unstable(self.most - 1);
        self.bound = Some(*last);
        self.left_out |= self.kept.len() > self.most;
        self.kept.truncate(self.most);
    }

    /// Those kept, in order, and whether they are all that were offered.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Found>, bool) {
        if self.kept.len() > self.most {
            self.halve();
        }
        self.kept.sort_unstable();
        (self.kept, !self.left_out)
    }
}

/// Hands out what was collected so far, in order, each slot once for good.
#[derive(Debug, Default)]
pub struct ResultQueue {
    waiting: BinaryHeap<std::cmp::Reverse<Found>>,
    seen: HashSet<u32>,
}

impl ResultQueue {
    /// Nothing collected.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.seen.clear();
    }

    /// How many were collected, those handed out included.
    #[must_use]
    pub fn collected(&self) -> usize {
        self.seen.len()
    }

    /// How many of them wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The slots of those that were handed out.
    pub fn handed_out(&self) -> impl Iterator<Item = SlotNo> + '_ {
        let waiting: HashSet<u32> = self.waiting.iter().map(|found| found.0.slot.0).collect();
        self.seen.iter().filter(move |slot| !waiting.contains(slot)).map(|&slot| SlotNo(slot))
    }

    /// Whether the slot was collected before.
    #[must_use]
    pub fn knows(&self, slot: SlotNo) -> bool {
        self.seen.contains(&slot.0)
    }

    /// Notes that the slot is not wanted, as if it had been handed out.
    pub fn pass_by(&mut self, slot: SlotNo) {
        self.seen.insert(slot.0);
    }

    /// Adds one; false when its slot was added before.
    pub fn add(&mut self, found: Found) -> bool {
        let new = self.seen.insert(found.slot.0);
        if new {
            self.waiting.push(std::cmp::Reverse(found));
        }
        new
    }

    /// Adds one again that was taken.
    pub fn add_back(&mut self, found: Found) {
        self.waiting.push(std::cmp::Reverse(found));
    }

    /// The first of those waiting.
    #[must_use]
    pub fn first(&self) -> Option<&Found> {
        self.waiting.peek().map(|found| &found.0)
    }

    /// Takes the first of those waiting.
    pub fn take(&mut self) -> Option<Found> {
        self.waiting.pop().map(|found| found.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(distance: f64, slot: u32) -> Found {
        Found { distance, slot: SlotNo(slot), ..Found::FIRST }
    }

    #[test]
    fn nan_comes_last_and_zeros_are_equal() {
        assert!(found(f64::INFINITY, 9) < found(f64::NAN, 0));
        assert!(found(-f64::NAN, 1) > found(f64::NAN, 0));
        assert_eq!(found(0.0, 1), found(-0.0, 1));
        assert!(found(0.0, 1) < found(-0.0, 2));
    }

    #[test]
    fn an_order_has_its_first_and_its_end() {
        let orders = |order: Order, most| {
            let mut best = TopK::new(most, None).ordered(order);
            for (slot, distance) in [(0, 3.0), (1, f64::NAN), (2, 1.0), (3, 2.0), (4, f64::INFINITY), (5, -1.0)] {
                if best.bound().is_some_and(|bound| distance > bound) {
                    best.pass();
                } else {
                    best.offer(found(distance, slot));
                }
            }
            let (kept, complete) = best.finish();
            (kept.iter().map(|one| one.slot.0).collect::<Vec<_>>(), complete)
        };
        let order = |nan_first, within| Order { nan_first, within };
        assert_eq!(orders(order(false, None), 9), (vec![5, 2, 3, 0, 4, 1], true));
        assert_eq!(orders(order(true, None), 9), (vec![1, 5, 2, 3, 0, 4], true));
        assert_eq!(orders(order(false, Some(2.0)), 9), (vec![5, 2, 3], true));
        assert_eq!(orders(order(true, Some(2.0)), 9), (vec![1, 5, 2, 3], true));
        assert_eq!(orders(order(false, Some(f64::INFINITY)), 9), (vec![5, 2, 3, 0, 4], true));
        assert_eq!(orders(order(false, Some(f64::NEG_INFINITY)), 9), (vec![], true));
        // exactly as many as are kept; one more; what is beyond the bound is not missed
        assert_eq!(orders(order(false, Some(2.0)), 3), (vec![5, 2, 3], true));
        assert_eq!(orders(order(false, Some(2.0)), 2), (vec![5, 2], false));
        assert_eq!(orders(order(false, Some(1.0)), 1), (vec![5], false));
        assert_eq!(orders(order(false, Some(0.0)), 1), (vec![5], true));
    }

    #[test]
    fn what_is_before_all_at_a_distance() {
        for distance in [0.0, -0.0, 1.5, -1.5, f64::MAX, f64::MIN, f64::INFINITY, f64::NAN] {
            let before = Found::before_all_at(distance).expect("something can be nearer");
            assert!(before < found(distance, 0), "{distance}");
            let nearer = if distance.is_nan() { f64::INFINITY } else { distance.next_down() };
            assert!(found(nearer, u32::MAX) <= before, "{distance}");
        }
        assert_eq!(Found::before_all_at(f64::NEG_INFINITY), None);
    }

    proptest! {
        #[test]
        fn rounds_from_the_middle_give_the_rest_and_then_what_is_before(
            distances in prop::collection::vec(prop_oneof![Just(f64::NAN), -2f64..2.0, Just(0.0), Just(-0.0)], 1..100),
            most in 1usize..20,
            middle in 0usize..100,
        ) {
            let all: Vec<Found> = distances.iter().enumerate().map(|(i, &d)| found(d, i as u32)).collect();
            let from = Found::before_all_at(all[middle % all.len()].distance);
            let mut expected = all.clone();
            expected.sort();
            let at = expected.partition_point(|one| from.is_some_and(|from| *one <= from));
            expected.rotate_left(at);
            let (mut got, mut after, mut until, mut first) = (Vec::new(), from, None, true);
            let mut before = false;
            loop {
                let mut best = TopK::new(most, after).until(until);
                let mut other = best.fresh();
                all.iter().enumerate().for_each(|(i, &one)| if i % 3 == 0 { &mut other } else { &mut best }.offer(one));
                best.absorb(other);
                before |= first && best.met_before();
                first = false;
                let (kept, complete) = best.finish();
                after = kept.last().copied().or(after);
                got.extend(kept.iter().map(|one| one.slot));
                if complete {
                    if !before {
                        break;
                    }
                    (before, after, until) = (false, None, from);
                }
            }
            prop_assert_eq!(got, expected.iter().map(|one| one.slot).collect::<Vec<_>>());
        }

        #[test]
        fn rounds_give_everything_in_order(
            distances in prop::collection::vec(prop_oneof![Just(f64::NAN), -2f64..2.0, Just(0.0), Just(-0.0)], 0..200),
            most in 1usize..20,
            shares in 1usize..4,
        ) {
            let all: Vec<Found> = distances.iter().enumerate().map(|(i, &d)| found(d, i as u32)).collect();
            let mut expected = all.clone();
            expected.sort();
            let (mut got, mut after) = (Vec::new(), None);
            loop {
                let mut best = TopK::new(most, after);
                let mut others: Vec<TopK> = (1..shares).map(|_| best.fresh()).collect();
                for (i, &one) in all.iter().enumerate() {
                    others.get_mut(i % shares).unwrap_or(&mut best).offer(one);
                }
                others.into_iter().for_each(|other| best.absorb(other));
                let (kept, complete) = best.finish();
                prop_assert!(kept.len() <= most);
                after = kept.last().copied().or(after);
                got.extend(kept.iter().map(|one| one.slot));
                if complete {
                    break;
                }
                prop_assert!(!kept.is_empty());
            }
            prop_assert_eq!(got, expected.iter().map(|one| one.slot).collect::<Vec<_>>());
        }

        #[test]
        fn output_gives_each_slot_once(slots in prop::collection::vec((0u32..30, -9i32..9), 0..100)) {
            let mut output = ResultQueue::new();
            let mut first = std::collections::HashMap::new();
            for (slot, distance) in slots {
                prop_assert_eq!(output.knows(SlotNo(slot)), first.contains_key(&slot));
                prop_assert_eq!(output.add(found(f64::from(distance), slot)), !first.contains_key(&slot));
                first.entry(slot).or_insert(f64::from(distance));
            }
            let mut expected: Vec<Found> = first.into_iter().map(|(slot, distance)| found(distance, slot)).collect();
            expected.sort();
            let got: Vec<Found> = std::iter::from_fn(|| output.take()).collect();
            prop_assert_eq!(got, expected);
        }
    }
}
