//! Searches with codes of different kinds, on one graph.

use crate::aligned::{Aligned, prefetch};
use crate::blocks::{BlockSearch, Blocks, Read};
use crate::data::K;
use crate::kernels;
use crate::rabitq::{ByteQuery, Rotation, encode, put_in_words};
use pg_zvec::distance::{Metric, l2_squared};
use pg_zvec::hnsw::{Beam, Graph, MemoryGraph, Node};
use pg_zvec::quant::Query;
use std::cell::RefCell;

/// What all layouts have in common.
pub struct Setting<'a> {
    pub metric: Metric,
    pub dims: usize,
    pub graph: &'a MemoryGraph,
    /// under cosine normalised, as the queries
    pub vectors: Aligned<f32>,
    pub queries: Vec<f32>,
    pub truth: &'a [[u32; K]],
    pub rotation: Rotation,
}

impl Setting<'_> {
    pub fn vector(&self, node: Node) -> &[f32] {
        &self.vectors[node as usize * self.dims..][..self.dims]
    }

    /// The metric's own distance from the squared one.
    fn measure(&self, squared: f64) -> f64 {
        if self.metric == Metric::Cosine { squared / 2.0 } else { squared.max(0.0).sqrt() }
    }

    /// The rotated offset from the centroid.
    pub fn rotate(&self, vector: &[f32], to: &mut Vec<f32>) {
        to.clear();
        to.extend(vector.iter().zip(&self.graph.codec().centroid).map(|(x, c)| x - c));
        to.resize(self.rotation.width, 0.0);
        self.rotation.turn(to);
    }
}

/// The nearest of a query, by exact distance.
#[derive(Default)]
pub struct Nearest(pub Vec<(f64, Node)>);

impl Nearest {
    fn offer(&mut self, exact: f64, node: Node) {
        if self.0.len() == K && exact >= self.0[K - 1].0 {
            return;
        }
        let place = self.0.partition_point(|&(kept, _)| kept <= exact);
        self.0.insert(place, (exact, node));
        self.0.truncate(K);
    }

    /// Whether nothing at least so far away is wanted.
    fn excludes(&self, bound: f64) -> bool {
        self.0.len() == K && bound > self.0[K - 1].0
    }
}

/// A way to search.
pub trait Variant {
    /// Finds the nearest of a query.
    fn search(
        &mut self,
        setting: &Setting,
        vector: &[f32],
        ef: usize,
        nearest: &mut Nearest,
        read: &mut impl FnMut(Read),
    );
}

/// A graph whose reads are told.
struct Told<'a, G, F>(&'a G, RefCell<F>);

impl<G: Graph, F: FnMut(Read)> Graph for Told<'_, G, F> {
    fn entry(&self) -> Option<(Node, u8)> {
        self.0.entry()
    }

    fn nodes(&self) -> u32 {
        self.0.nodes()
    }

    fn links(&self, node: Node, level: u8, out: &mut Vec<Node>) {
        self.1.borrow_mut()(Read::Links(node, level));
        self.0.links(node, level, out);
    }

    fn distances(&self, query: &Query, nodes: &[Node], out: &mut Vec<f32>) {
        nodes.iter().for_each(|&node| self.1.borrow_mut()(Read::Code(node)));
        self.0.distances(query, nodes, out);
    }

    fn expect_links(&self, node: Node, level: u8) {
        self.0.expect_links(node, level);
    }
}

/// A graph's links, with distances of another kind, which do not need the query.
struct Scored<'a, D>(&'a MemoryGraph, D);

impl<D: Fn(&[Node], &mut Vec<f32>)> Graph for Scored<'_, D> {
    fn entry(&self) -> Option<(Node, u8)> {
        self.0.entry()
    }

    fn nodes(&self) -> u32 {
        self.0.nodes()
    }

    fn links(&self, node: Node, level: u8, out: &mut Vec<Node>) {
        self.0.links(node, level, out);
    }

    fn distances(&self, _query: &Query, nodes: &[Node], out: &mut Vec<f32>) {
        self.1(nodes, out);
    }

    fn expect_links(&self, node: Node, level: u8) {
        self.0.expect_links(node, level);
    }
}

/// Appends the distance of each node; the `ahead` next ones are fetched meanwhile.
fn score(nodes: &[Node], out: &mut Vec<f32>, ahead: usize, fetch: impl Fn(Node), distance: impl Fn(Node) -> f32) {
    nodes.iter().take(ahead).copied().for_each(&fetch);
    out.extend(nodes.iter().enumerate().map(|(i, &node)| {
        nodes.get(i + ahead).copied().into_iter().for_each(&fetch);
        distance(node)
    }));
}

/// Buffers of a search by one code a node.
#[derive(Default)]
struct ByBeam {
    beam: Beam,
    candidates: Vec<(f32, Node)>,
}

impl ByBeam {
    /// Finds candidates by estimates.
    fn find(&mut self, graph: &impl Graph, query: &Query, ef: usize, read: &mut impl FnMut(Read)) {
        let told = Told(graph, RefCell::new(read));
        self.candidates.clear();
        self.beam.start(&told, query);
        self.beam.extend(&told, query, ef, usize::MAX, &mut |_| true, &mut self.candidates);
    }

    /// As a scan of the index does: candidates by estimates, exact distances where `lower_bound` leaves room.
    #[expect(clippy::too_many_arguments)]
    fn run(
        &mut self,
        setting: &Setting,
        graph: &impl Graph,
        query: &Query,
        vector: &[f32],
        ef: usize,
        nearest: &mut Nearest,
        lower_bound: impl Fn(Node, f32) -> f64,
        read: &mut impl FnMut(Read),
    ) {
        self.find(graph, query, ef, read);
        for &(estimate, node) in &self.candidates {
            if !nearest.excludes(lower_bound(node, estimate)) {
                read(Read::Vector(node));
                nearest.offer(setting.measure(l2_squared(vector, setting.vector(node))), node);
            }
        }
    }
}

/// (a) No codes.
#[derive(Default)]
pub struct Floats(ByBeam);

impl Variant for Floats {
    fn search(
        &mut self,
        setting: &Setting,
        vector: &[f32],
        ef: usize,
        nearest: &mut Nearest,
        read: &mut impl FnMut(Read),
    ) {
        let fetch = |node: Node| setting.vector(node).iter().step_by(16).for_each(prefetch);
        let distance = |node: Node| l2_squared(vector, setting.vector(node)) as f32;
        let graph = Scored(setting.graph, |nodes: &[Node], out: &mut Vec<f32>| score(nodes, out, 1, fetch, distance));
        let query = setting.graph.codec().empty_query();
        let mut read = |what| match what {
            Read::Code(node) => read(Read::Vector(node)),
            what => read(what),
        };
        self.0.find(&graph, &query, ef, &mut read);
        let nearer = self.0.candidates.iter().take(K);
        nearest.0.extend(nearer.map(|&(squared, node)| (setting.measure(f64::from(squared)), node)));
    }
}

/// (b) A byte an element, one code a node: what the index has.
#[derive(Default)]
pub struct Bytes(ByBeam);

impl Variant for Bytes {
    fn search(
        &mut self,
        setting: &Setting,
        vector: &[f32],
        ef: usize,
        nearest: &mut Nearest,
        read: &mut impl FnMut(Read),
    ) {
        let graph = setting.graph;
        let query = graph.codec().query(vector);
        let bound = |node, estimate| query.lower_bound(graph.head(node), estimate);
        self.0.run(setting, graph, &query, vector, ef, nearest, bound, read);
    }
}

/// (c) RaBitQ codes beside the links.
pub struct Beside {
    pub blocks: Blocks,
    pub search: BlockSearch,
    /// whether searches come down the upper levels, by the graph's own codes
    pub levels: bool,
}

impl Variant for Beside {
    fn search(
        &mut self,
        setting: &Setting,
        vector: &[f32],
        ef: usize,
        nearest: &mut Nearest,
        read: &mut impl FnMut(Read),
    ) {
        let query = self.levels.then(|| setting.graph.codec().query(vector));
        setting.rotate(vector, &mut self.search.rotated);
        // One that tells the way down; level 0 is the blocks'.
        let read = RefCell::new(read);
        let told = Told(setting.graph, RefCell::new(|what| read.borrow_mut()(what)));
        let mut found = |node, squared| nearest.offer(setting.measure(squared), node);
        let mut of_blocks = |what| read.borrow_mut()(what);
        self.search.run(&told, &self.blocks, &setting.vectors, vector, query.as_ref(), ef, &mut of_blocks, &mut found);
    }
}

/// (d) A RaBitQ code a node, by itself.
pub struct Alone {
    bits: usize,
    stride: usize,
    /// for each node its factors in two words, then the code, up to whole lines
    words: Aligned<u64>,
    by_beam: ByBeam,
    rotated: Vec<f32>,
    query: ByteQuery,
}

impl Alone {
    const HEAD_WORDS: usize = 2;

    pub fn build(setting: &Setting, rotated: &[f32], bits: usize) -> Self {
        let width = setting.rotation.width;
        let stride = (Self::HEAD_WORDS + width / 64 * bits).next_multiple_of(8);
        let mut words = Aligned::new(setting.graph.nodes() as usize * stride, 0u64);
        let mut code = vec![0; width];
        for (words, rotated) in words.chunks_exact_mut(stride).zip(rotated.chunks_exact(width)) {
            let factors = encode(bits, rotated, &mut code);
            words[0] = u64::from(factors.squared.to_bits()) | u64::from(factors.factor.to_bits()) << 32;
            words[1] = u64::from(factors.slack.to_bits());
            put_in_words(bits, &code, &mut words[Self::HEAD_WORDS..Self::HEAD_WORDS + width / 64 * bits]);
        }
        let (by_beam, query) = (ByBeam::default(), ByteQuery::default());
        Self { bits, stride, words, by_beam, rotated: Vec::new(), query }
    }

    /// Bytes of an entry on a page: slot and generation, three factors, the code, a multiple of 8.
    pub fn entry_bytes(bits: usize, dims: usize) -> usize {
        8 + 12 + (dims * bits).div_ceil(8).next_multiple_of(8) + 4
    }
}

impl Variant for Alone {
    fn search(
        &mut self,
        setting: &Setting,
        vector: &[f32],
        ef: usize,
        nearest: &mut Nearest,
        read: &mut impl FnMut(Read),
    ) {
        setting.rotate(vector, &mut self.rotated);
        self.query.assign(self.bits, &self.rotated);
        let (codes, stride, bits, query) = (&self.words, self.stride, self.bits, &self.query);
        let words = |node: Node| &codes[node as usize * stride..][..stride];
        let code_words = query.bytes.len() / 64 * bits;
        let fetch = |node: Node| words(node).iter().step_by(8).for_each(prefetch);
        let distance = |node: Node| {
            let words = words(node);
            let (squared, factor) = (f32::from_bits(words[0] as u32), f32::from_bits((words[0] >> 32) as u32));
            let code = &words[Self::HEAD_WORDS..Self::HEAD_WORDS + code_words];
            let product = kernels::dot(code, bits, &query.bytes) as f32 * query.scale + query.shift;
            query.squared + squared - factor * product
        };
        let graph = Scored(setting.graph, |nodes: &[Node], out: &mut Vec<f32>| score(nodes, out, 4, fetch, distance));
        let norm = query.squared.sqrt();
        let bound = |node, estimate: f32| {
            let slack = f32::from_bits(words(node)[1] as u32);
            setting.measure(f64::from((estimate - slack * norm).max(0.0)))
        };
        let unused = setting.graph.codec().empty_query();
        self.by_beam.run(setting, &graph, &unused, vector, ef, nearest, bound, read);
    }
}

/// Any of the variants.
pub enum Any {
    Floats(Floats),
    Bytes(Bytes),
    Beside(Box<Beside>),
    Alone(Box<Alone>),
}

impl Variant for Any {
    fn search(
        &mut self,
        setting: &Setting,
        vector: &[f32],
        ef: usize,
        nearest: &mut Nearest,
        read: &mut impl FnMut(Read),
    ) {
        match self {
            Self::Floats(variant) => variant.search(setting, vector, ef, nearest, read),
            Self::Bytes(variant) => variant.search(setting, vector, ef, nearest, read),
            Self::Beside(variant) => variant.search(setting, vector, ef, nearest, read),
            Self::Alone(variant) => variant.search(setting, vector, ef, nearest, read),
        }
    }
}
