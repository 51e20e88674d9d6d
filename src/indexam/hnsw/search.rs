//! The graph on pages, as searches see it.

#![forbid(unsafe_code)]

use crate::format::graph::entry::{CODE_HEAD_BYTES, decode_links};
use crate::format::graph::{Area, CodeHead, NodeEntry};
use crate::format::page::PageBytes;
use crate::hnsw;
use crate::hnsw::{NONE, Node};
use crate::indexam::hnsw::pages::{Graph, Whereabouts};
use crate::pg::buffer::optimistic;
use crate::quant::{Head, Query};

/// The part of a code's head that distances need.
#[inline(always)]
pub fn quant_head(head: &CodeHead) -> Head {
    Head { step: head.step, bias: head.bias, sum: head.sum }
}

impl Graph {
    /// The entry of a node, without its links.
    #[inline]
    #[must_use]
    pub fn node_entry(&self, node: Node) -> NodeEntry {
        let (ordinal, at) = self.map.nodes.at(node);
        self.look(Area::Nodes, ordinal, |page| NodeEntry::decode(&page[at..at + NodeEntry::LINKS]))
    }

    /// The head of a node's code.
    #[inline]
    #[must_use]
    pub fn code_head(&self, node: Node) -> CodeHead {
        let (ordinal, at) = self.map.codes.at(node);
        self.look(Area::Codes, ordinal, |page| CodeHead::decode(&page[at..at + CODE_HEAD_BYTES]))
    }

    /// Distance and head of a node whose code may lie on several pages.
    fn score(&self, query: &Query, node: Node) -> (f32, CodeHead) {
        let head = self.code_head(node);
        let mut sum = 0i32;
        for (ordinal, at, offset, bytes) in self.map.codes.pieces(node) {
            sum += self.look(Area::Codes, ordinal, |page| query.partial(offset, &page[at..at + bytes]));
        }
        (query.finish(quant_head(&head), sum), head)
    }

    /// Starts loading a node's code; returns where its page may be.
    #[inline(always)]
    fn prefetch(&self, node: Node) -> Whereabouts {
        let (ordinal, at) = self.map.codes.at(node);
        let whereabouts = self.whereabouts(Area::Codes, ordinal);
        optimistic::prefetch(whereabouts.buffer, at, self.map.codes.stride_bytes.min(PREFETCH_BYTES));
        whereabouts
    }

    /// Appends the links of `node` on `level`, without its duplicate.
    pub fn own_links(&self, node: Node, level: u8, out: &mut Vec<Node>) {
        let (area, shape, number) = if level == 0 {
            (Area::Nodes, self.map.nodes, node)
        } else {
            let entry = self.node_entry(node);
            let block = entry.upper.wrapping_add(u32::from(level) - 1);
            if level > entry.level || block >= self.root.upper_blocks {
                return;
            }
            (Area::Upper, self.map.upper, block)
        };
        let (ordinal, at) = shape.at(number);
        let skip = if level == 0 { NodeEntry::LINKS } else { 0 };
        let start = out.len();
        self.look(area, ordinal, |page| {
            out.truncate(start);
            decode_links(&page[at + skip..at + shape.entry_bytes], out);
        });
        self.keep_known(start, out);
    }

    /// Takes out nodes that were made since the graph was looked up.
    #[inline(always)]
    fn keep_known(&self, start: usize, out: &mut Vec<Node>) {
        let nodes = self.root.nodes;
        if out[start..].iter().any(|&link| link >= nodes) {
            let mut at = start;
            for i in start..out.len() {
                if out[i] < nodes {
                    out[at] = out[i];
                    at += 1;
                }
            }
            out.truncate(at);
        }
    }
}

/// Bytes of the codes that are prefetched together, about.
const BYTES_AHEAD: usize = 3200;
/// Codes that are prefetched together are fewer.
const MOST_AHEAD: usize = 16;
/// How much of a code is prefetched while the ones before it are scored.
const PREFETCH_BYTES: usize = 2048;

impl hnsw::Graph for Graph {
    fn entry(&self) -> Option<(Node, u8)> {
        self.root.entry
    }

    fn nodes(&self) -> u32 {
        self.root.nodes
    }

    #[inline]
    fn links(&self, node: Node, level: u8, out: &mut Vec<Node>) {
        if level > 0 {
            return self.own_links(node, level, out);
        }
        let duplicate = self.neighbours(node, out);
        if duplicate != NONE {
            out.push(duplicate);
        }
    }

    #[inline]
    fn neighbours(&self, node: Node, out: &mut Vec<Node>) -> Node {
        let shape = self.map.nodes;
        let (ordinal, at) = shape.at(node);
        let start = out.len();
        let duplicate = self.look(Area::Nodes, ordinal, |page| {
            out.truncate(start);
            let entry = NodeEntry::decode(&page[at..at + NodeEntry::LINKS]);
            decode_links(&page[at + NodeEntry::LINKS..at + shape.entry_bytes], out);
            if entry.in_use { entry.next } else { NONE }
        });
        self.keep_known(start, out);
        // one that was made since the graph was looked up is not known
        if duplicate < self.root.nodes { duplicate } else { NONE }
    }

    #[inline]
    fn expect_links(&self, node: Node, level: u8) {
        if level == 0 {
            let (ordinal, at) = self.map.nodes.at(node);
            let buffer = self.whereabouts(Area::Nodes, ordinal).buffer;
            if buffer > 0 {
                optimistic::prefetch(buffer, at, self.map.nodes.entry_bytes);
            } else {
                self.read_ahead(Area::Nodes, std::iter::once(ordinal));
            }
        }
    }

    #[inline]
    fn distances(&self, query: &Query, nodes: &[Node], out: &mut Vec<f32>) {
        let shape = self.map.codes;
        if shape.pages_each > 1 {
            out.extend(nodes.iter().map(|&node| self.score(query, node).0));
            return;
        }
        let ahead = (BYTES_AHEAD / shape.stride_bytes).clamp(4, 10);
        let mut places = [Whereabouts::default(); MOST_AHEAD];
        for (&node, place) in nodes.iter().take(ahead).zip(&mut places) {
            *place = self.prefetch(node);
        }
        let looker = self.looker();
        for (i, &node) in nodes.iter().enumerate() {
            if let Some(&next) = nodes.get(i + ahead) {
                places[(i + ahead) % MOST_AHEAD] = self.prefetch(next);
            }
            let (ordinal, at) = shape.at(node);
            let see = |page: &PageBytes| {
                let head = CodeHead::decode(&page[at..at + CODE_HEAD_BYTES]);
                let start = at + CODE_HEAD_BYTES;
                query.distance(quant_head(&head), &page[start..start + shape.code_bytes])
            };
            let seen = Self::glance_at(looker, places[i % MOST_AHEAD], see);
            out.push(seen.unwrap_or_else(|| {
                // where one page must be read, others will
                self.read_ahead(Area::Codes, nodes[i..].iter().map(|&node| shape.at(node).0));
                self.see(Area::Codes, ordinal, see)
            }));
        }
    }
}
