//! Codes beside the links: SymphonyQG (Gou et al. 2025, SIGMOD, arXiv 2411.12229).
//!
//! A node's block holds, beside the numbers of its neighbours, a RaBitQ code of each neighbour's offset from the node. A
//! search takes the exact distance of each node that it expands, and from that estimates all its neighbours' at once;
//! nobody else's distance is taken.

use crate::aligned::Aligned;
use crate::kernels::{BLOCK, GROUP, GROUP_BYTES, scan};
use crate::rabitq::{BlockFactors, TableQuery, along, encode, put_in_block};
use pg_zvec::distance::l2_squared;
use pg_zvec::hnsw::search::{Hop, Visited, descend};
use pg_zvec::hnsw::{Graph, GraphMut, MemoryGraph, NONE, Node};
use pg_zvec::quant::Query;

/// A block's neighbours.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Links([Node; BLOCK]);

/// The blocks of all nodes.
pub struct Blocks {
    pub bits: usize,
    plane_bytes: usize,
    codes: Aligned<u8>,
    factors: Aligned<BlockFactors>,
    /// ends with [`NONE`] where there are fewer
    links: Aligned<Links>,
}

impl Blocks {
    /// Bytes of a block: codes, factors and numbers.
    pub fn bytes(bits: usize, width: usize) -> usize {
        bits * width / GROUP * GROUP_BYTES + size_of::<BlockFactors>() + BLOCK * size_of::<Node>()
    }

    /// Codes the graph's links of level 0, filled up to [`BLOCK`] by the neighbours' nearest neighbours if `fill`.
    /// `rotated` has for each node its rotated offset from the centroid. Two threads.
    pub fn build(graph: &MemoryGraph, rotated: &[f32], width: usize, bits: usize, fill: bool) -> Self {
        let nodes = graph.nodes() as usize;
        let plane_bytes = width / GROUP * GROUP_BYTES;
        let mut codes = Aligned::new(nodes * bits * plane_bytes, 0);
        let mut factors = Aligned::new(nodes, BlockFactors { add: [0.0; BLOCK], factor: [0.0; BLOCK] });
        let mut links = Aligned::new(nodes, Links([NONE; BLOCK]));
        let part = nodes.div_ceil(2);
        std::thread::scope(|scope| {
            let parts = (codes.chunks_mut(part * bits * plane_bytes))
                .zip(factors.chunks_mut(part))
                .zip(links.chunks_mut(part))
                .enumerate();
            for (i, ((codes, factors), links)) in parts {
                scope.spawn(move || {
                    let mut coder = Coder::new(graph, rotated, width, bits);
                    let blocks = codes.chunks_mut(bits * plane_bytes).zip(factors).zip(links);
                    for (node, ((codes, factors), links)) in blocks.enumerate() {
                        coder.code((i * part + node) as Node, fill, codes, factors, &mut links.0);
                    }
                });
            }
        });
        Self { bits, plane_bytes, codes, factors, links }
    }

    /// The block of a node: codes, factors, neighbours.
    #[inline]
    fn block(&self, node: Node) -> (&[u8], &BlockFactors, &[Node]) {
        let bytes = self.bits * self.plane_bytes;
        let links = &self.links[node as usize].0;
        let count = links.iter().position(|&link| link == NONE).unwrap_or(BLOCK);
        (&self.codes[node as usize * bytes..][..bytes], &self.factors[node as usize], &links[..count])
    }

    /// Starts loading a block.
    #[inline]
    fn prefetch(&self, node: Node) {
        let bytes = self.bits * self.plane_bytes;
        // The rest is sequential, which the CPU sees by itself.
        self.codes[node as usize * bytes..][..bytes.min(768)].iter().step_by(64).for_each(crate::aligned::prefetch);
        crate::aligned::prefetch(&self.links[node as usize]);
        self.factors[node as usize].add.iter().step_by(16).for_each(crate::aligned::prefetch);
        self.factors[node as usize].factor.iter().step_by(16).for_each(crate::aligned::prefetch);
    }
}

/// Buffers for coding blocks.
struct Coder<'a> {
    graph: &'a MemoryGraph,
    rotated: &'a [f32],
    width: usize,
    bits: usize,
    links: Vec<Node>,
    others: Vec<Node>,
    distances: Vec<f32>,
    query: Query,
    offset: Vec<f32>,
    code: Vec<u8>,
}

impl<'a> Coder<'a> {
    fn new(graph: &'a MemoryGraph, rotated: &'a [f32], width: usize, bits: usize) -> Self {
        let (offset, code) = (vec![0.0; width], vec![0; width]);
        let query = graph.codec().empty_query();
        let (links, others, distances) = (Vec::new(), Vec::new(), Vec::new());
        Self { graph, rotated, width, bits, links, others, distances, query, offset, code }
    }

    fn code(
        &mut self,
        node: Node,
        fill: bool,
        codes: &mut [u8],
        factors: &mut BlockFactors,
        links: &mut [Node; BLOCK],
    ) {
        self.links.clear();
        self.graph.links(node, 0, &mut self.links);
        if self.links.len() > BLOCK {
            // The last is the duplicate, to which nothing else leads.
            self.links.swap_remove(BLOCK - 1);
        }
        if fill {
            self.fill(node);
        }
        let centroid = &self.rotated[node as usize * self.width..][..self.width];
        for (lane, &link) in self.links.iter().enumerate() {
            let neighbour = &self.rotated[link as usize * self.width..][..self.width];
            self.offset.iter_mut().zip(neighbour).zip(centroid).for_each(|((to, x), c)| *to = x - c);
            let of_code = encode(self.bits, &self.offset, &mut self.code);
            put_in_block(self.bits, &self.code, lane, codes);
            factors.factor[lane] = of_code.factor;
            factors.add[lane] = of_code.squared + of_code.factor * along(self.bits, &self.code, centroid);
            links[lane] = link;
        }
    }

    /// Adds the nearest of the neighbours' neighbours, as far as there is room.
    fn fill(&mut self, node: Node) {
        let room = BLOCK - self.links.len();
        self.others.clear();
        self.links.iter().for_each(|&link| self.graph.own_links(link, 0, &mut self.others));
        self.others.sort_unstable();
        self.others.dedup();
        self.others.retain(|other| *other != node && !self.links.contains(other));
        self.distances.clear();
        self.graph.load_query(node, &mut self.query);
        self.graph.distances(&self.query, &self.others, &mut self.distances);
        let mut nearest: Vec<_> = self.distances.iter().copied().zip(self.others.iter().copied()).collect();
        nearest.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        self.links.extend(nearest.iter().take(room).map(|&(_, other)| other));
    }
}

/// What a search reads, for whoever counts.
#[derive(Clone, Copy)]
pub enum Read {
    /// links on a level
    Links(Node, u8),
    /// a code by itself
    Code(Node),
    /// so many codes beside the links of the node expanded last
    Beside(usize),
    /// a vector, for its exact distance
    Vector(Node),
}

/// In a pool's keys: expanded, or passed over because it was expanded from another place in the pool.
const EXPANDED: u64 = 1 << 31;

/// A search's buffers.
#[derive(Default)]
pub struct BlockSearch {
    visited: Visited,
    hop: Hop,
    /// the query's rotated offset from the centroid: filled in before
    pub rotated: Vec<f32>,
    query: TableQuery,
    /// estimate and node in one number, the nearest first
    pool: Vec<u64>,
}

impl BlockSearch {
    /// Expands nodes until the `ef` nearest by estimate are; `found` gets each with its squared distance. The way to
    /// level 0 goes by the graph's own codes with `down`; without, it begins at the entry point.
    #[expect(clippy::too_many_arguments)]
    pub fn run(
        &mut self,
        graph: &impl Graph,
        blocks: &Blocks,
        vectors: &Aligned<f32>,
        vector: &[f32],
        down: Option<&Query>,
        ef: usize,
        read: &mut impl FnMut(Read),
        found: &mut impl FnMut(Node, f64),
    ) {
        self.query.assign(blocks.bits, &self.rotated);
        self.pool.clear();
        let entry = match down {
            Some(query) => descend(graph, query, 0, &mut self.hop, &mut self.visited).map(|(_, entry)| entry),
            None => graph.entry().map(|(entry, _)| entry),
        };
        self.pool.extend(entry.map(u64::from));
        self.visited.start(graph.nodes());
        let of = |node: Node| &vectors[node as usize * vector.len()..][..vector.len()];
        let mut cursor = 0;
        while cursor < self.pool.len() {
            let kept = self.pool[cursor];
            self.pool[cursor] |= EXPANDED;
            cursor += 1;
            let node = (kept & !EXPANDED) as Node;
            if kept & EXPANDED != 0 || !self.visited.insert(node) {
                continue;
            }
            if let Some(&upcoming) = self.pool[cursor..].iter().find(|&&kept| kept & EXPANDED == 0) {
                let upcoming = (upcoming & !EXPANDED) as Node;
                of(upcoming).iter().step_by(16).take(8).for_each(crate::aligned::prefetch);
                blocks.prefetch(upcoming);
            }
            read(Read::Links(node, 0));
            read(Read::Vector(node));
            let exact = l2_squared(vector, of(node));
            found(node, exact);
            let (codes, factors, links) = blocks.block(node);
            read(Read::Beside(links.len()));
            let sums = scan(codes, &self.query.table);
            let (scale, shift, exact) = (self.query.scale, self.query.shift, exact as f32);
            let mut estimates = [0.0; BLOCK];
            for i in 0..BLOCK {
                let product = sums[i] as f32 * scale + shift;
                estimates[i] = (exact + factors.add[i] - factors.factor[i] * product).max(0.0);
            }
            let mut bound = if self.pool.len() < ef { u64::MAX } else { self.pool[ef - 1] };
            for (&estimate, &link) in estimates.iter().zip(links) {
                // Not below 0, so that bits sort as numbers do.
                let key = u64::from(estimate.to_bits()) << 32 | u64::from(link);
                if key >= bound || self.visited.contains(link) {
                    continue;
                }
                let place = self.pool.partition_point(|&kept| kept & !EXPANDED <= key);
                self.pool.insert(place, key);
                self.pool.truncate(ef);
                cursor = cursor.min(place);
                bound = if self.pool.len() < ef { u64::MAX } else { self.pool[ef - 1] };
            }
        }
    }
}
