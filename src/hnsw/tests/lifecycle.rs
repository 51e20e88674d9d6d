use crate::hnsw::build::insert_list;
use crate::hnsw::connect::connect;
use crate::hnsw::repair::repair;
use crate::hnsw::tests::*;
use crate::hnsw::{NONE, Scratch, insert};
use fastrand::Rng;
use proptest::prelude::*;
use std::cell::RefCell;

/// A graph whose nodes come and go, and what should be in it.
struct World {
    graph: MemoryGraph,
    vectors: Vec<Vec<f32>>,
    /// by row (the nodes' identities)
    live: RefCell<Vec<bool>>,
    free: Vec<Node>,
    /// by node: in use
    used: Vec<bool>,
    scratch: Scratch,
}

impl World {
    fn new(metric: Metric, sample: &[Vec<f32>]) -> Self {
        let codec = Arc::new(Codec::train(metric, sample[0].len(), &mut sample.iter().map(Vec::as_slice)));
        Self {
            scratch: Scratch::new(&codec),
            graph: MemoryGraph::with_capacity(codec, M, 16),
            vectors: Vec::new(),
            live: RefCell::new(Vec::new()),
            free: Vec::new(),
            used: Vec::new(),
        }
    }

    fn insert(&mut self, vector: Vec<f32>) {
        let row = self.vectors.len() as u64;
        let mut code = vec![0; vector.len()];
        let head = self.graph.codec().encode(&vector, &mut code);
        let level = level_of(row, M);
        let node = match self.free.pop() {
            Some(node) => {
                self.graph.replace(node, row, level, head, &code);
                node
            }
            None => {
                self.used.push(false);
                self.graph.push(row, level, head, &code)
            }
        };
        self.used[node as usize] = true;
        self.vectors.push(vector);
        self.live.borrow_mut().push(true);
        insert(&self.graph, node, EF_CONSTRUCTION, &mut self.scratch);
    }

    fn live_rows(&self) -> Vec<usize> {
        let live = self.live.borrow();
        (0..live.len()).filter(|&row| live[row]).collect()
    }

    fn delete(&mut self, row: usize) {
        self.live.borrow_mut()[row] = false;
    }

    fn is_live(&self, node: Node) -> bool {
        self.used[node as usize] && self.live.borrow()[self.graph.identity(node) as usize]
    }

    fn state(&self, node: Node) -> NodeState {
        match (self.used[node as usize], self.is_live(node)) {
            (false, _) => NodeState::Free,
            (true, false) => NodeState::Dead,
            (true, true) => NodeState::Live,
        }
    }

    /// Repairs up to `steps` nodes; frees the dead if it went through.
    fn repair(&mut self, mut steps: usize) -> bool {
        let mut scratch = std::mem::replace(&mut self.scratch, Scratch::new(self.graph.codec()));
        let mut adopt = |head: Node, duplicate: Node| {
            let (gone, lives) = (self.graph.identity(head), self.graph.identity(duplicate));
            self.graph.set_identity(head, lives);
            self.graph.set_identity(duplicate, gone);
        };
        let mut stop = || {
            let stop = steps == 0;
            steps = steps.saturating_sub(1);
            stop
        };
        let dead = |node: Node| !self.is_live(node);
        let repaired = repair(&self.graph, &dead, &mut adopt, EF_CONSTRUCTION, &mut scratch, &mut stop);
        self.scratch = scratch;
        if repaired.complete {
            for node in 0..self.graph.nodes() {
                if self.state(node) == NodeState::Dead {
                    assert_eq!(self.graph.duplicate(node), NONE);
                    self.used[node as usize] = false;
                    self.free.push(node);
                }
            }
        }
        repaired.complete
    }

    /// Lists are in order, and a scan and its sweep return each live row once.
    fn check(&self, reachable: bool) {
        let findings = check(&self.graph, &|node| self.state(node));
        assert!(findings.problems.is_empty(), "{:?}", findings.problems);
        assert!(!reachable || findings.unreachable.is_empty(), "{:?} cannot be reached", findings.unreachable);
        let Some(vector) = self.vectors.last() else { return };
        let query = self.graph.codec().query(vector);
        let (found, swept) = full_scan(&self.graph, &query, &|node| self.is_live(node));
        let mut rows: Vec<usize> = found.iter().chain(&swept).map(|&node| self.graph.identity(node) as usize).collect();
        rows.sort_unstable();
        assert_eq!(rows, self.live_rows());
        assert!(!reachable || swept.is_empty(), "{} of {} had to be swept", swept.len(), rows.len());
    }

    fn recall(&self, metric: Metric, queries: &[Vec<f32>], ef: usize) -> f64 {
        let vector_of = |node: Node| self.vectors[self.graph.identity(node) as usize].clone();
        recall(metric, &self.graph, &vector_of, queries, ef, &|node| self.is_live(node))
    }
}

#[derive(Clone, Debug)]
enum Action {
    Insert(usize),
    InsertCopies(usize),
    Delete(u8),
    Repair,
    PartOfRepair(usize),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => (1usize..40).prop_map(Action::Insert),
        2 => (1usize..15).prop_map(Action::InsertCopies),
        3 => (1u8..=100).prop_map(Action::Delete),
        2 => Just(Action::Repair),
        1 => (0usize..60).prop_map(Action::PartOfRepair),
    ]
}

/// Does as `actions` say, checking the graph after each.
fn come_and_go(actions: Vec<Action>, seed: u64, metric: Metric) {
    let mut random = Rng::with_seed(seed);
    let mut world = World::new(metric, &random_vectors(&mut random, 50, 6));
    for action in actions {
        let mut repaired = false;
        match action {
            Action::Insert(count) => {
                random_vectors(&mut random, count, 6).into_iter().for_each(|vector| world.insert(vector));
            }
            Action::InsertCopies(count) => {
                for _ in 0..count {
                    if let Some(place) = world.vectors.len().checked_sub(1) {
                        world.insert(world.vectors[random.usize(..=place)].clone());
                    }
                }
            }
            Action::Delete(percent) => {
                for row in world.live_rows() {
                    if random.u8(..100) < percent {
                        world.delete(row);
                    }
                }
            }
            Action::Repair => repaired = world.repair(usize::MAX),
            Action::PartOfRepair(steps) => repaired = world.repair(steps),
        }
        world.check(repaired);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]
    #[test]
    fn rows_come_and_go(
        actions in proptest::collection::vec(action(), 1..20),
        seed in any::<u64>(),
        metric in proptest::sample::select(Metric::OF_NUMBERS.to_vec()),
    ) {
        come_and_go(actions, seed, metric);
    }
}

/// A free number's links lead to a number that was given to a duplicate, which a repair that was left off has taken out of its
/// chain: it is no head.
#[test]
fn free_numbers_lead_nowhere() {
    use Action::{Delete, Insert, InsertCopies, PartOfRepair, Repair};
    let before = [Insert(35), Delete(60), Insert(2), InsertCopies(9), Repair, Delete(16), InsertCopies(7)];
    let actions = before.into_iter().chain([PartOfRepair(0), Repair]).collect();
    come_and_go(actions, 13_175_946_249_104_143_265, Metric::L2);
}

/// After rounds of deletes, repairs and inserts, the graph finds what one built from scratch finds.
#[test]
fn rounds_of_churn_keep_recall() {
    const COUNT: usize = 2500;
    let mut random = Rng::with_seed(21);
    for (dims, metric) in [(20, Metric::L2), (32, Metric::Cosine)] {
        let start = random_vectors(&mut random, COUNT, dims);
        let queries = random_vectors(&mut random, 200, dims);
        let mut world = World::new(metric, &start);
        start.into_iter().for_each(|vector| world.insert(vector));
        for _ in 0..10 {
            let mut rows = world.live_rows();
            random.shuffle(&mut rows);
            rows[..COUNT / 5].iter().for_each(|&row| world.delete(row));
            assert!(world.repair(usize::MAX));
            random_vectors(&mut random, COUNT / 5, dims).into_iter().for_each(|vector| world.insert(vector));
        }
        world.check(false);
        assert_eq!(world.graph.nodes() as usize, COUNT, "numbers are used again");
        let vectors: Vec<Vec<f32>> = world.live_rows().iter().map(|&row| world.vectors[row].clone()).collect();
        let fresh = build(metric, &vectors);
        for ef in [64, 128] {
            let churned = world.recall(metric, &queries, ef);
            let fresh = recall(metric, &fresh, &|node| vectors[node as usize].clone(), &queries, ef, &|_| true);
            assert!(churned >= fresh - 0.01, "{} ef {ef}: {churned}, fresh {fresh}", metric.name());
        }
    }
}

/// Threads that give some freed numbers to other vectors let nothing lead to those that are still free.
#[test]
fn numbers_in_reserve_stay_unlinked() {
    let mut random = Rng::with_seed(22);
    let mut world = World::new(Metric::L2, &random_vectors(&mut random, 300, 8));
    random_vectors(&mut random, 300, 8).into_iter().for_each(|vector| world.insert(vector));
    (0..100).for_each(|row| world.delete(row * 3));
    assert!(world.repair(usize::MAX));
    for node in world.free.clone() {
        let code = world.graph.code(node).to_vec();
        // as a graph is loaded whose pages say that the number is free
        world.graph.replace(node, u64::MAX, world.graph.level(node), world.graph.head(node), &code);
    }
    let mut new = Vec::new();
    for vector in random_vectors(&mut random, 20, 8) {
        let node = world.free.pop().expect("100 were freed");
        let mut code = vec![0; 8];
        let head = world.graph.codec().encode(&vector, &mut code);
        world.graph.replace(node, world.vectors.len() as u64, world.graph.level(node), head, &code);
        world.used[node as usize] = true;
        world.vectors.push(vector);
        world.live.borrow_mut().push(true);
        new.push(node);
    }
    let control = Control::default();
    assert_eq!(insert_list(&world.graph, &new, EF_CONSTRUCTION, 2, &control, &mut || true), Ok(true));
    world.check(true);
    assert_eq!(world.live_rows().len(), 220);
}

/// However vectors come and go, no live node is left that nothing leads to: after a repair, and after a look for such nodes
/// while the dead are still there, some of them at the head of a chain with live duplicates. Lists are short here, and full.
#[test]
fn everything_is_reached() {
    for seed in 0..40 {
        let mut random = Rng::with_seed(seed);
        let sample = clustered_vectors(&mut random, 120, 6);
        let mut world = World::new(Metric::OF_NUMBERS[seed as usize % 4], &sample);
        world.graph = MemoryGraph::with_capacity(Arc::clone(world.graph.codec()), 4, 16);
        for round in 0..8 {
            for _ in 0..150 {
                let vector = match random.usize(..4) {
                    0 => random_vectors(&mut random, 1, 6).remove(0),
                    1 => clustered_vectors(&mut random, 1, 6).remove(0),
                    _ => sample[random.usize(..sample.len())].clone(),
                };
                world.insert(vector);
            }
            let share = random.f64();
            for row in world.live_rows() {
                if random.f64() < share {
                    world.delete(row);
                }
            }
            if random.bool() {
                assert!(world.repair(usize::MAX));
            } else {
                let mut scratch = Scratch::new(world.graph.codec());
                connect(&world.graph, &|node| !world.is_live(node), EF_CONSTRUCTION, &mut scratch, &mut || false);
            }
            let findings = check(&world.graph, &|node| world.state(node));
            assert!(findings.problems.is_empty(), "{:?}", findings.problems);
            assert!(findings.unreachable.is_empty(), "seed {seed}, round {round}: {:?}", findings.unreachable);
        }
    }
}
