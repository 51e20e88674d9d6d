//! What must hold of a graph.

use super::{Graph, GraphMut, NONE, Node};
use crate::bitset::Bitset;

/// What a node number is in use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// a vector
    Live,
    /// a vector that is gone; other nodes may still lead here
    Dead,
    /// nothing: no live node may lead here
    Free,
}

/// What a check needs of a graph.
pub trait Inspect: Graph {
    /// As [`GraphMut::level`].
    fn level(&self, node: Node) -> u8;
    /// As [`GraphMut::twin`].
    fn twin(&self, node: Node) -> Node;
    /// As [`GraphMut::own_links`].
    fn own_links(&self, node: Node, level: u8, out: &mut Vec<Node>);
    /// As [`GraphMut::max_links`].
    fn max_links(&self, level: u8) -> usize;
    /// As [`GraphMut::same_code`].
    fn same_code(&self, a: Node, b: Node) -> bool;
}

impl<G: GraphMut> Inspect for G {
    fn level(&self, node: Node) -> u8 {
        GraphMut::level(self, node)
    }

    fn twin(&self, node: Node) -> Node {
        GraphMut::twin(self, node)
    }

    fn own_links(&self, node: Node, level: u8, out: &mut Vec<Node>) {
        GraphMut::own_links(self, node, level, out);
    }

    fn max_links(&self, level: u8) -> usize {
        GraphMut::max_links(self, level)
    }

    fn same_code(&self, a: Node, b: Node) -> bool {
        GraphMut::same_code(self, a, b)
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// what is wrong, a sentence each; at most [`MAX_PROBLEMS`]
    pub problems: Vec<String>,
    /// a live node on a higher level than the entry point's, from which no search begins
    pub higher: Option<Node>,
    /// live nodes that no chain of links and twins leads to from the entry point on level 0
    pub unreachable: Vec<Node>,
}

/// Problems that are listed, at most.
pub const MAX_PROBLEMS: usize = 100;

impl Findings {
    fn add(&mut self, problem: impl FnOnce() -> String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem());
        }
    }
}

/// Checks all lists, levels and chains of a graph that nobody changes meanwhile.
pub fn check(graph: &impl Inspect, state: &dyn Fn(Node) -> State) -> Findings {
    check_watched(graph, state, &mut || {})
}

/// As [`check`]; `tick` is called for each node.
pub fn check_watched(graph: &impl Inspect, state: &dyn Fn(Node) -> State, tick: &mut dyn FnMut()) -> Findings {
    let mut findings = Findings::default();
    let nodes = graph.nodes();
    let twins = twins(graph, state);
    check_chains(graph, state, &twins, &mut findings);
    let mut chained = Bitset::below(nodes);
    for node in (0..nodes).filter(|&node| state(node) == State::Live) {
        tick();
        for level in 0..=graph.level(node) {
            check_list(graph, state, &twins, node, level, &mut findings);
        }
        let twin = graph.twin(node);
        if twin == NONE {
            continue;
        }
        if twin >= nodes || state(twin) == State::Free {
            findings.add(|| format!("node {node} has the twin {twin}, which is not in use"));
        } else if chained.contains(twin) {
            findings.add(|| format!("node {twin} is the twin of two nodes, {node} is one"));
        } else {
            chained.insert(twin);
            if !graph.same_code(node, twin) {
                findings.add(|| format!("node {node} and its twin {twin} have different codes"));
            }
        }
    }
    match graph.entry() {
        None => {
            if let Some(node) = (0..nodes).find(|&node| state(node) == State::Live) {
                findings.add(|| format!("there is no entry point, but node {node} is live"));
            }
        }
        Some((entry, level)) => {
            if entry >= nodes || state(entry) == State::Free {
                findings.add(|| format!("the entry point {entry} is not in use"));
            } else if graph.level(entry) != level {
                findings.add(|| format!("the entry point {entry} is on level {}, not {level}", graph.level(entry)));
            } else if twins.contains(entry) {
                findings.add(|| format!("the entry point {entry} is a twin"));
            } else {
                let is_higher = |&node: &Node| state(node) == State::Live && graph.level(node) > level;
                findings.higher = (0..nodes).filter(|&node| !twins.contains(node)).find(is_higher);
            }
        }
    }
    findings.unreachable = unreachable(graph, state, tick);
    findings
}

/// The nodes in use that hang behind another one in use.
fn twins(graph: &impl Inspect, state: &dyn Fn(Node) -> State) -> Bitset {
    let mut twins = Bitset::below(graph.nodes());
    for node in (0..graph.nodes()).filter(|&node| state(node) != State::Free) {
        twins.insert(graph.twin(node));
    }
    twins
}

/// Each live twin hangs behind a head: a chain that comes back to itself has none.
fn check_chains(graph: &impl Inspect, state: &dyn Fn(Node) -> State, twins: &Bitset, findings: &mut Findings) {
    let nodes = graph.nodes();
    let mut hung = Bitset::below(nodes);
    for head in (0..nodes).filter(|&node| state(node) != State::Free && !twins.contains(node)) {
        let mut twin = graph.twin(head);
        while twin < nodes && !hung.contains(twin) {
            hung.insert(twin);
            twin = graph.twin(twin);
        }
    }
    for node in (0..nodes).filter(|&node| state(node) == State::Live) {
        if twins.contains(node) && !hung.contains(node) {
            findings.add(|| format!("the chain of twins at node {node} leads in a circle"));
        }
    }
}

/// Checks one list of a live node.
fn check_list(
    graph: &impl Inspect,
    state: &dyn Fn(Node) -> State,
    twins: &Bitset,
    node: Node,
    level: u8,
    findings: &mut Findings,
) {
    let mut links = Vec::new();
    graph.own_links(node, level, &mut links);
    if links.len() > graph.max_links(level) {
        findings.add(|| format!("node {node} has {} links on level {level}", links.len()));
    }
    for &link in &links {
        if link == node {
            findings.add(|| format!("node {node} links to itself on level {level}"));
        } else if link >= graph.nodes() || state(link) == State::Free {
            findings.add(|| format!("node {node} links to {link} on level {level}, which is not in use"));
        } else if graph.level(link) < level {
            findings.add(|| format!("node {node} links to {link} on level {level}, which is not on that level"));
        } else if twins.contains(link) {
            findings.add(|| format!("node {node} links to {link} on level {level}, which is a twin"));
        }
    }
    links.sort_unstable();
    if let Some(pair) = links.windows(2).find(|pair| pair[0] == pair[1]) {
        findings.add(|| format!("node {node} links twice to {} on level {level}", pair[0]));
    }
}

/// Live nodes that cannot be reached on level 0 from the entry point. Dead nodes lead on.
fn unreachable(graph: &impl Inspect, state: &dyn Fn(Node) -> State, tick: &mut dyn FnMut()) -> Vec<Node> {
    let nodes = graph.nodes();
    let mut reached = Bitset::below(nodes);
    let mut waiting = Vec::new();
    let mut links = Vec::new();
    if let Some((entry, _)) = graph.entry() {
        reached.insert(entry);
        waiting.push(entry);
    }
    while let Some(node) = waiting.pop() {
        tick();
        links.clear();
        graph.links(node, 0, &mut links);
        for &link in links.iter().filter(|&&link| link < nodes) {
            if !reached.contains(link) {
                reached.insert(link);
                waiting.push(link);
            }
        }
    }
    (0..nodes).filter(|&node| state(node) == State::Live && !reached.contains(node)).collect()
}
