//! Linking a node into the graph.

#![forbid(unsafe_code)]

use crate::hnsw::search::{Hop, Pool, Visited, descend_from, search_level};
use crate::hnsw::select::Select;
use crate::hnsw::{GraphMut, MAX_LEVEL, Node};
use crate::quant::{Codec, Query};

/// Buffers for inserts and repairs into graphs of one codec.
pub struct Scratch {
    pub(super) visited: Visited,
    pub(super) hop: Hop,
    pub(super) pool: Pool,
    pub(super) query: Query,
    pub(super) select: Select,
    pub(super) candidates: Vec<(f32, Node)>,
    pub(super) links: Vec<Node>,
    /// to which a list that was full on level 0 does not lead any more
    pub(super) dropped: Vec<Node>,
    pub(super) chosen: Vec<Vec<Node>>,
    /// whether a node becomes the duplicate of another with the same code
    pub(super) chains: bool,
}

impl Scratch {
    /// Buffers for graphs with this codec.
    #[must_use]
    pub fn new(codec: &Codec) -> Self {
        Self {
            visited: Visited::default(),
            hop: Hop::default(),
            pool: Pool::default(),
            query: codec.empty_query(),
            select: Select::new(codec),
            candidates: Vec::new(),
            links: Vec::new(),
            dropped: Vec::new(),
            chosen: vec![Vec::new(); usize::from(MAX_LEVEL) + 1],
            chains: true,
        }
    }
}

/// Links a node in whose code and level are stored and which nothing leads to. `ef_construction` is how many
/// candidates are looked for on each level. If another node has the same code, the node becomes its duplicate.
pub fn insert(graph: &impl GraphMut, node: Node, ef_construction: usize, scratch: &mut Scratch) {
    let ef_construction = ef_construction.max(1);
    scratch.dropped.clear();
    let level = graph.level(node);
    let Some(entry) = graph.entry() else {
        graph.raise_entry(node, level);
        return;
    };
    if entry.0 == node {
        return;
    }
    graph.load_query(node, &mut scratch.query);
    let own_distance = scratch.hop.distance(graph, &scratch.query, node);
    let (distance, nearest) =
        descend_from(graph, &scratch.query, entry, level.min(entry.1), &mut scratch.hop, &mut scratch.visited);
    scratch.pool.clear();
    scratch.pool.offer(distance, nearest, ef_construction);

    let top = level.min(entry.1);
    let max_chosen = graph.m();
    for on_level in (0..=top).rev() {
        let Scratch { query, pool, hop, visited, .. } = scratch;
        search_level(graph, query, on_level, ef_construction, pool, hop, visited);
        if on_level == 0 && scratch.chains {
            // Equal codes have equal distances, but under the inner product not the smallest.
            let duplicate = scratch
                .pool
                .found()
                .find(|&(distance, other)| distance == own_distance && other != node && graph.same_code(other, node));
            if let Some((_, head)) = duplicate {
                // Nothing leads to the node yet: what was chosen for upper levels is not written.
                graph.chain_duplicate(head, node);
                return;
            }
        }
        scratch.candidates.clear();
        scratch.candidates.extend(scratch.pool.found().filter(|&(_, other)| other != node));
        scratch.select.run(graph, &scratch.candidates, max_chosen);
        scratch.chosen[usize::from(on_level)].clone_from(&scratch.select.chosen);
    }
    for on_level in 0..=top {
        let chosen = &scratch.chosen[usize::from(on_level)];
        graph.edit_links(node, on_level, &mut |links| links.clone_from(chosen));
    }
    for on_level in 0..=top {
        for i in 0..scratch.chosen[usize::from(on_level)].len() {
            link_back(graph, scratch.chosen[usize::from(on_level)][i], node, on_level, scratch);
        }
    }
    graph.raise_entry(node, level);
}

/// Adds a link `from` -> `to`; if that makes too many, the heuristic chooses which of them stay.
pub(super) fn link_back(graph: &impl GraphMut, from: Node, to: Node, level: u8, scratch: &mut Scratch) {
    let max = graph.max_links(level);
    loop {
        let mut full = false;
        scratch.links.clear();
        let seen = &mut scratch.links;
        graph.edit_links(from, level, &mut |links| {
            if links.contains(&to) {
                return;
            }
            if links.len() < max {
                links.push(to);
            } else {
                full = true;
                seen.clone_from(links);
            }
        });
        if !full {
            return;
        }
        // The choice takes many distances: it is made without holding the list, and holds if that stayed the same.
        prune(graph, from, to, max, scratch);
        let Scratch { links: seen, select: Select { chosen, .. }, dropped, .. } = &mut *scratch;
        let mut done = false;
        graph.edit_links(from, level, &mut |links| {
            done = links == seen;
            if done {
                links.clone_from(chosen);
            }
        });
        if done {
            if level == 0 {
                dropped.extend(seen.iter().filter(|link| !chosen.contains(link)));
            }
            return;
        }
    }
}

/// Chooses at most `max` of `scratch.links` and `to` as the links of `from`, into `scratch.select.chosen`.
fn prune(graph: &impl GraphMut, from: Node, to: Node, max: usize, scratch: &mut Scratch) {
    graph.load_query(from, &mut scratch.query);
    scratch.hop.nodes.clone_from(&scratch.links);
    scratch.hop.nodes.push(to);
    scratch.hop.distances.clear();
    graph.distances(&scratch.query, &scratch.hop.nodes, &mut scratch.hop.distances);
    scratch.candidates.clear();
    scratch.candidates.extend(scratch.hop.found());
    scratch.candidates.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    scratch.select.run(graph, &scratch.candidates, max);
}
