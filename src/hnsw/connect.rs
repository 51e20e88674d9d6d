//! Links for nodes that cannot be reached, or that a search does not find.
//!
//! Links are directed, and the heuristic may drop the last one that leads to a node. Such a node is looked for by a
//! walk over all links of level 0, and gets one from a near node that has room.
//!
//! What can be reached is not always found. Where vectors lie in clusters, a search may end in one that is not the nearest,
//! and so may the search for an insert's neighbours: a cluster can even grow in two parts that know nothing of each other.
//! So the nodes of the upper levels, which stand for those around them, and those to which few links lead are searched for,
//! and where one is missed, it is linked with what was found instead ([`bridge`]).

#![forbid(unsafe_code)]

use crate::bitset::Bitset;
use crate::hnsw::insert::link_back;
use crate::hnsw::search::{Visited, descend, search_level};
use crate::hnsw::{GraphMut, NONE, Node, Scratch};

/// How wide the search is that must find a node. The smaller, the more nodes get links, and the fewer of them are worth it.
const MISSED_BY: usize = 10;
/// Less than one in so many of `m` links to a node are few.
const FEW: usize = 2;
/// How many of the nodes that were found instead are linked with it.
const BRIDGES: usize = 4;

/// Walks over everything, at most. A link that was replaced may leave another node without any.
const ROUNDS: usize = 16;

/// The nodes that hang behind another in a chain.
pub(super) fn duplicates(graph: &impl GraphMut) -> Bitset {
    let mut duplicates = Bitset::below(graph.nodes());
    for duplicate in (0..graph.nodes()).map(|node| graph.duplicate(node)).filter(|&duplicate| duplicate != NONE) {
        duplicates.insert(duplicate);
    }
    duplicates
}

/// The dead heads of chains in which something lives: who is to be reached through them needs them like live ones. Duplicates that
/// a repair took out of a chain point into it still, but have no links.
fn needed(graph: &impl GraphMut, dead: &dyn Fn(Node) -> bool, duplicates: &Bitset) -> Bitset {
    let mut needed = Bitset::below(graph.nodes());
    let mut links = Vec::new();
    for head in
        (0..graph.nodes()).filter(|&node| !duplicates.contains(node) && graph.duplicate(node) != NONE && dead(node))
    {
        let mut duplicate = graph.duplicate(head);
        while duplicate != NONE && dead(duplicate) {
            duplicate = graph.duplicate(duplicate);
        }
        links.clear();
        graph.own_links(head, 0, &mut links);
        if duplicate != NONE && !links.is_empty() {
            needed.insert(head);
        }
    }
    needed
}

/// Links to all heads that cannot be reached from the entry point on level 0, without passing dead nodes: live ones, and
/// dead ones with live duplicates. `stop` is asked before each of them. Returns how many there were.
pub fn connect(
    graph: &impl GraphMut,
    dead: &dyn Fn(Node) -> bool,
    ef_construction: usize,
    scratch: &mut Scratch,
    stop: &mut dyn FnMut() -> bool,
) -> u32 {
    let Some((entry, _)) = graph.entry() else { return 0 };
    let duplicates = duplicates(graph);
    let needed = needed(graph, dead, &duplicates);
    let dead: &dyn Fn(Node) -> bool = &|node| dead(node) && !needed.contains(node);
    let mut reached = Visited::default();
    let mut waiting = Vec::new();
    let mut connected = 0;
    for _ in 0..ROUNDS {
        let before = connected;
        reached.start(graph.nodes());
        // The entry point counts as reached when a link leads back to it: scans begin elsewhere, too.
        walk(graph, dead, entry, &mut reached, &mut waiting, &mut scratch.links);
        for node in (0..graph.nodes()).filter(|&node| !duplicates.contains(node)) {
            if reached.contains(node) || dead(node) {
                continue;
            }
            if stop() {
                return connected;
            }
            connected += u32::from(link_to(graph, dead, node, entry, ef_construction, &reached, scratch));
            reached.insert(node);
            walk(graph, dead, node, &mut reached, &mut waiting, &mut scratch.links);
        }
        if connected == before {
            break;
        }
    }
    connected
}

/// Marks what can be reached from a node on level 0.
fn walk(
    graph: &impl GraphMut,
    dead: &dyn Fn(Node) -> bool,
    from: Node,
    reached: &mut Visited,
    waiting: &mut Vec<Node>,
    links: &mut Vec<Node>,
) {
    waiting.push(from);
    while let Some(node) = waiting.pop() {
        links.clear();
        graph.own_links(node, 0, links);
        waiting.extend(links.iter().filter(|&&link| !dead(link) && reached.insert(link)));
    }
}

/// Gives a node that is not reached a link from a near one that is; false if there is none but itself.
fn link_to(
    graph: &impl GraphMut,
    dead: &dyn Fn(Node) -> bool,
    node: Node,
    entry: Node,
    ef_construction: usize,
    reached: &Visited,
    scratch: &mut Scratch,
) -> bool {
    let Scratch { query, pool, hop, visited, candidates, links, .. } = scratch;
    graph.load_query(node, query);
    pool.clear();
    if let Some((distance, nearest)) = descend(graph, query, 0, hop, visited) {
        pool.offer(distance, nearest, ef_construction);
    }
    search_level(graph, query, 0, ef_construction, pool, hop, visited);
    candidates.clear();
    candidates.extend(pool.found().filter(|&(_, near)| near != node && reached.contains(near) && !dead(near)));
    let max = graph.max_links(0);
    for &(_, near) in candidates.iter() {
        let mut linked = false;
        graph.edit_links(near, 0, &mut |links| {
            if links.len() < max && !links.contains(&node) {
                links.push(node);
                linked = true;
            }
        });
        if linked {
            return true;
        }
    }
    // All are full. The nearest that can gives up a link which leads nowhere that the node does not lead to as well.
    let mut own = Vec::new();
    graph.own_links(node, 0, &mut own);
    for &(_, near) in candidates.iter().filter(|_| own.len() >= max) {
        let mut linked = false;
        graph.edit_links(near, 0, &mut |links| {
            if let Some(spare) = links.iter().rposition(|link| own.contains(link) || dead(*link)) {
                links.remove(spare);
                links.push(node);
                linked = true;
            }
        });
        if linked {
            return true;
        }
    }
    // Otherwise the nearest gives up its last link, or the entry point if there is none near. The node takes that
    // link over, since it may be the only one to where it leads: where all crowd around a few nodes, each that is
    // connected would otherwise cut off the one before.
    let near = candidates.first().map_or(entry, |&(_, near)| near);
    if near == node {
        return false;
    }
    links.clear();
    graph.own_links(near, 0, links);
    if let Some(&last) = links.get(max - 1).filter(|&&last| last != node && !dead(last)) {
        graph.edit_links(node, 0, &mut |links| {
            if !links.contains(&last) {
                links.truncate(max - 1);
                links.push(last);
            }
        });
    }
    graph.edit_links(near, 0, &mut |links| {
        links.truncate(max - 1);
        links.push(node);
    });
    true
}

/// Whether a node is to be searched for in any case, because it stands for those around it: see [`bridge`].
#[must_use]
pub fn is_landmark(graph: &impl GraphMut, node: Node) -> bool {
    graph.level(node) > 0
}

/// Those of `nodes` that are to be searched for: landmarks, and those to which few links lead, not counting those of the
/// `dead`.
pub(super) fn doubtful(
    graph: &impl GraphMut,
    dead: &dyn Fn(Node) -> bool,
    nodes: impl Iterator<Item = Node>,
) -> Vec<Node> {
    let few = graph.m().div_ceil(FEW) as u8;
    let mut leading_to = vec![0u8; graph.nodes() as usize];
    let mut links = Vec::new();
    for node in (0..graph.nodes()).filter(|&node| !dead(node)) {
        links.clear();
        graph.own_links(node, 0, &mut links);
        for &link in &links {
            if let Some(count) = leading_to.get_mut(link as usize) {
                *count = count.saturating_add(1);
            }
        }
    }
    nodes.filter(|&node| is_landmark(graph, node) || leading_to[node as usize] < few).collect()
}

/// Searches for a node that is linked in, and links it on level 0 with the nearest that are found, both ways, if the search
/// misses it. Returns whether it did. Duplicates are left alone.
pub fn bridge(graph: &impl GraphMut, node: Node, scratch: &mut Scratch) -> bool {
    let Scratch { query, pool, hop, visited, candidates, links, .. } = scratch;
    links.clear();
    graph.own_links(node, 0, links);
    if links.is_empty() {
        return false;
    }
    graph.load_query(node, query);
    pool.clear();
    if let Some((distance, nearest)) = descend(graph, query, 0, hop, visited) {
        pool.offer(distance, nearest, MISSED_BY);
    }
    search_level(graph, query, 0, MISSED_BY, pool, hop, visited);
    if visited.contains(node) {
        return false;
    }
    candidates.clear();
    candidates.extend(pool.found());
    // under the inner product many are nearer than the node itself
    let own_distance = hop.distance(graph, query, node);
    if candidates.last().is_none_or(|&(farthest, _)| own_distance >= farthest) {
        return false;
    }
    candidates.truncate(BRIDGES);
    for (_, near) in std::mem::take(candidates) {
        link_back(graph, near, node, 0, scratch);
        link_back(graph, node, near, 0, scratch);
    }
    true
}
