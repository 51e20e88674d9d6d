//! What must hold of a graph.

#![forbid(unsafe_code)]

use crate::bitset::Bitset;
use crate::hnsw::{Graph, GraphMut, NONE, Node};

/// What a node number is in use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
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
    /// As [`GraphMut::duplicate`].
    fn duplicate(&self, node: Node) -> Node;
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

    fn duplicate(&self, node: Node) -> Node {
        GraphMut::duplicate(self, node)
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
    /// live nodes that no chain of links and duplicates leads to from the entry point on level 0
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
pub fn check(graph: &impl Inspect, state: &dyn Fn(Node) -> NodeState) -> Findings {
    check_watched(graph, state, &mut || {})
}

/// As [`check`]; `tick` is called for each node.
pub fn check_watched(graph: &impl Inspect, state: &dyn Fn(Node) -> NodeState, tick: &mut dyn FnMut()) -> Findings {
    let mut findings = Findings::default();
    let nodes = graph.nodes();
    let duplicates = duplicates(graph, state);
    check_chains(graph, state, &duplicates, &mut findings);
    let mut chained = Bitset::below(nodes);
    for node in (0..nodes).filter(|&node| state(node) == NodeState::Live) {
        tick();
        for level in 0..=graph.level(node) {
            check_list(graph, state, &duplicates, node, level, &mut findings);
        }
        let duplicate = graph.duplicate(node);
        if duplicate == NONE {
            continue;
        }
        if duplicate >= nodes || state(duplicate) == NodeState::Free {
            findings.add(|| format!("node {node} has the duplicate {duplicate}, which is not in use"));
        } else if chained.contains(duplicate) {
            findings.add(|| format!("node {duplicate} is the duplicate of two nodes, {node} is one"));
        } else {
            chained.insert(duplicate);
            if !graph.same_code(node, duplicate) {
                findings.add(|| format!("node {node} and its duplicate {duplicate} have different codes"));
            }
        }
    }
    match graph.entry() {
        None => {
            if let Some(node) = (0..nodes).find(|&node| state(node) == NodeState::Live) {
                findings.add(|| format!("there is no entry point, but node {node} is live"));
            }
        }
        Some((entry, level)) => {
            if entry >= nodes || state(entry) == NodeState::Free {
                findings.add(|| format!("the entry point {entry} is not in use"));
            } else if graph.level(entry) != level {
                findings.add(|| format!("the entry point {entry} is on level {}, not {level}", graph.level(entry)));
            } else if duplicates.contains(entry) {
                findings.add(|| format!("the entry point {entry} is a duplicate"));
            } else {
                let is_higher = |&node: &Node| state(node) == NodeState::Live && graph.level(node) > level;
                findings.higher = (0..nodes).filter(|&node| !duplicates.contains(node)).find(is_higher);
            }
        }
    }
    findings.unreachable = unreachable(graph, state, tick);
    findings
}

/// The nodes in use that hang behind another one in use.
fn duplicates(graph: &impl Inspect, state: &dyn Fn(Node) -> NodeState) -> Bitset {
    let mut duplicates = Bitset::below(graph.nodes());
    for node in (0..graph.nodes()).filter(|&node| state(node) != NodeState::Free) {
        duplicates.insert(graph.duplicate(node));
    }
    duplicates
}

/// Each live duplicate hangs behind a head: a chain that comes back to itself has none.
fn check_chains(graph: &impl Inspect, state: &dyn Fn(Node) -> NodeState, duplicates: &Bitset, findings: &mut Findings) {
    let nodes = graph.nodes();
    let mut hung = Bitset::below(nodes);
    for head in (0..nodes).filter(|&node| state(node) != NodeState::Free && !duplicates.contains(node)) {
        let mut duplicate = graph.duplicate(head);
        while duplicate < nodes && !hung.contains(duplicate) {
            hung.insert(duplicate);
            duplicate = graph.duplicate(duplicate);
        }
    }
    for node in (0..nodes).filter(|&node| state(node) == NodeState::Live) {
        if duplicates.contains(node) && !hung.contains(node) {
            findings.add(|| format!("the chain of duplicates at node {node} leads in a circle"));
        }
    }
}

/// Checks one list of a live node.
fn check_list(
    graph: &impl Inspect,
    state: &dyn Fn(Node) -> NodeState,
    duplicates: &Bitset,
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
        } else if link >= graph.nodes() || state(link) == NodeState::Free {
            findings.add(|| format!("node {node} links to {link} on level {level}, which is not in use"));
        } else if graph.level(link) < level {
            findings.add(|| format!("node {node} links to {link} on level {level}, which is not on that level"));
        } else if duplicates.contains(link) {
            findings.add(|| format!("node {node} links to {link} on level {level}, which is a duplicate"));
        }
    }
    links.sort_unstable();
    if let Some(pair) = links.windows(2).find(|pair| pair[0] == pair[1]) {
        findings.add(|| format!("node {node} links twice to {} on level {level}", pair[0]));
    }
}

/// Live nodes that cannot be reached on level 0 from the entry point. Dead nodes lead on.
fn unreachable(graph: &impl Inspect, state: &dyn Fn(Node) -> NodeState, tick: &mut dyn FnMut()) -> Vec<Node> {
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
    (0..nodes).filter(|&node| state(node) == NodeState::Live && !reached.contains(node)).collect()
}
