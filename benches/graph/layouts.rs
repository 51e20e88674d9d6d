//! Ways to lay out codes, on one graph: how fast each finds a share of the neighbours, and what it would touch in the
//! server.

use crate::aligned::Aligned;
use crate::blocks::{BlockSearch, Blocks, Read};
use crate::data::{Data, K};
use crate::pages::{Area, Entries, Layout, Touched};
use crate::rabitq::{ByteQuery, Rotation, encode, put_in_words};
use crate::{Options, kernels, order};
use pg_zvec::distance::{Metric, dot, l2_squared};
use pg_zvec::hnsw::{Beam, Graph, GraphMut, MemoryGraph, Node};
use pg_zvec::quant::Query;
use std::cell::RefCell;
use std::rc::Rc;

/// Shares of the true neighbours that are to be found.
const RECALLS: [f64; 2] = [0.95, 0.99];
/// The largest ef that is tried.
const MOST: usize = 4000;
/// Times that each search is timed; the fastest counts.
const ROUNDS: usize = 5;

/// What all layouts have in common.
struct Setting<'a> {
    metric: Metric,
    dims: usize,
    graph: &'a MemoryGraph,
    /// under cosine normalised, as the queries
    vectors: Aligned<f32>,
    queries: Vec<f32>,
    truth: &'a [[u32; K]],
    rotation: Rotation,
}

impl Setting<'_> {
    fn vector(&self, node: Node) -> &[f32] {
        &self.vectors[node as usize * self.dims..][..self.dims]
    }

    /// The metric's own distance from the squared one.
    fn measure(&self, squared: f64) -> f64 {
        if self.metric == Metric::Cosine { squared / 2.0 } else { squared.max(0.0).sqrt() }
    }

    /// The rotated offset from the center.
    fn rotate(&self, vector: &[f32], to: &mut Vec<f32>) {
        to.clear();
        to.extend(vector.iter().zip(&self.graph.codec().center).map(|(x, c)| x - c));
        to.resize(self.rotation.width, 0.0);
        self.rotation.turn(to);
    }
}

/// The nearest of a query, by exact distance.
#[derive(Default)]
struct Nearest(Vec<(f64, Node)>);

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
trait Variant {
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

/// Buffers of a search by one code a node.
#[derive(Default)]
struct ByBeam {
    beam: Beam,
    candidates: Vec<(f32, Node)>,
}

impl ByBeam {
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
        let told = Told(graph, RefCell::new(&mut *read));
        self.candidates.clear();
        self.beam.start(&told, query);
        self.beam.extend(&told, query, ef, &mut |_| true, &mut self.candidates);
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
struct Floats(ByBeam);

struct FloatGraph<'a> {
    setting: &'a Setting<'a>,
    vector: &'a [f32],
}

impl Graph for FloatGraph<'_> {
    fn entry(&self) -> Option<(Node, u8)> {
        self.setting.graph.entry()
    }

    fn nodes(&self) -> u32 {
        self.setting.graph.nodes()
    }

    fn links(&self, node: Node, level: u8, out: &mut Vec<Node>) {
        self.setting.graph.links(node, level, out);
    }

    fn distances(&self, _query: &Query, nodes: &[Node], out: &mut Vec<f32>) {
        let fetch = |node: Node| self.setting.vector(node).iter().step_by(16).for_each(crate::aligned::prefetch);
        nodes.iter().take(1).copied().for_each(fetch);
        out.extend(nodes.iter().enumerate().map(|(i, &node)| {
            nodes.get(i + 1).copied().into_iter().for_each(fetch);
            l2_squared(self.vector, self.setting.vector(node)) as f32
        }));
    }

    fn expect_links(&self, node: Node, level: u8) {
        self.setting.graph.expect_links(node, level);
    }
}

impl Variant for Floats {
    fn search(
        &mut self,
        setting: &Setting,
        vector: &[f32],
        ef: usize,
        nearest: &mut Nearest,
        read: &mut impl FnMut(Read),
    ) {
        let graph = FloatGraph { setting, vector };
        let query = setting.graph.codec().empty_query();
        let mut read = |what| match what {
            Read::Code(node) => read(Read::Vector(node)),
            what => read(what),
        };
        let told = Told(&graph, RefCell::new(&mut read));
        self.0.candidates.clear();
        self.0.beam.start(&told, &query);
        self.0.beam.extend(&told, &query, ef, &mut |_| true, &mut self.0.candidates);
        let nearer = self.0.candidates.iter().take(K);
        nearest.0.extend(nearer.map(|&(squared, node)| (setting.measure(f64::from(squared)), node)));
    }
}

/// (b) A byte an element, one code a node: what the index has.
#[derive(Default)]
struct Bytes(ByBeam);

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
struct Beside {
    blocks: Blocks,
    search: BlockSearch,
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
        let query = setting.graph.codec().query(vector);
        setting.rotate(vector, &mut self.search.rotated);
        // One that tells the way down; level 0 is the blocks'.
        let read = RefCell::new(read);
        let told = Told(setting.graph, RefCell::new(|what| read.borrow_mut()(what)));
        let mut found = |node, squared| nearest.offer(setting.measure(squared), node);
        let mut of_blocks = |what| read.borrow_mut()(what);
        self.search.run(&told, &self.blocks, &setting.vectors, vector, &query, ef, &mut of_blocks, &mut found);
    }
}

/// (d) A RaBitQ code a node, by itself.
struct Alone {
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

    fn build(setting: &Setting, rotated: &[f32], bits: usize) -> Self {
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
    fn entry_bytes(bits: usize, dims: usize) -> usize {
        8 + 12 + (dims * bits).div_ceil(8).next_multiple_of(8) + 4
    }
}

struct CodeGraph<'a> {
    graph: &'a MemoryGraph,
    codes: &'a Aligned<u64>,
    stride: usize,
    bits: usize,
    query: &'a ByteQuery,
}

impl CodeGraph<'_> {
    fn words(&self, node: Node) -> &[u64] {
        &self.codes[node as usize * self.stride..][..self.stride]
    }
}

impl Graph for CodeGraph<'_> {
    fn entry(&self) -> Option<(Node, u8)> {
        self.graph.entry()
    }

    fn nodes(&self) -> u32 {
        self.graph.nodes()
    }

    fn links(&self, node: Node, level: u8, out: &mut Vec<Node>) {
        self.graph.links(node, level, out);
    }

    fn distances(&self, _query: &Query, nodes: &[Node], out: &mut Vec<f32>) {
        const AHEAD: usize = 4;
        let fetch = |node: Node| self.words(node).iter().step_by(8).for_each(crate::aligned::prefetch);
        nodes.iter().take(AHEAD).copied().for_each(fetch);
        let code_words = self.query.bytes.len() / 64 * self.bits;
        out.extend(nodes.iter().enumerate().map(|(i, &node)| {
            nodes.get(i + AHEAD).copied().into_iter().for_each(fetch);
            let words = self.words(node);
            let (squared, factor) = (f32::from_bits(words[0] as u32), f32::from_bits((words[0] >> 32) as u32));
            let code = &words[Alone::HEAD_WORDS..Alone::HEAD_WORDS + code_words];
            let product = kernels::dot(code, self.bits, &self.query.bytes) as f32 * self.query.scale + self.query.shift;
            self.query.squared + squared - factor * product
        }));
    }

    fn expect_links(&self, node: Node, level: u8) {
        self.graph.expect_links(node, level);
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
        let graph = CodeGraph { graph: setting.graph, codes, stride, bits, query };
        let norm = query.squared.sqrt();
        let bound = |node, estimate: f32| {
            let slack = f32::from_bits(graph.words(node)[1] as u32);
            setting.measure(f64::from((estimate - slack * norm).max(0.0)))
        };
        let unused = setting.graph.codec().empty_query();
        self.by_beam.run(setting, &graph, &unused, vector, ef, nearest, bound, read);
    }
}

/// Thread CPU seconds.
fn thread_seconds() -> f64 {
    crate::clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// The share of true neighbours found with this ef; `read` is told everything, and the end of each query.
fn recall(variant: &mut impl Variant, setting: &Setting, ef: usize, read: &mut impl FnMut(Option<Read>)) -> f64 {
    let mut nearest = Nearest::default();
    let mut found = 0;
    for (vector, truth) in setting.queries.chunks_exact(setting.dims).zip(setting.truth) {
        nearest.0.clear();
        variant.search(setting, vector, ef, &mut nearest, &mut |what| read(Some(what)));
        read(None);
        found += nearest.0.iter().filter(|(_, node)| truth.contains(node)).count();
    }
    found as f64 / (setting.truth.len() * K) as f64
}

/// The smallest ef that finds this share.
fn smallest_ef(variant: &mut impl Variant, setting: &Setting, share: f64) -> Option<usize> {
    let mut enough = |ef| recall(variant, setting, ef, &mut |_| ()) >= share;
    let mut high = K;
    while !enough(high) {
        high *= 2;
        if high > MOST {
            return None;
        }
    }
    let mut low = if high == K { K } else { high / 2 + 1 };
    while low < high {
        let middle = usize::midpoint(low, high);
        if enough(middle) { high = middle } else { low = middle + 1 }
    }
    Some(high)
}

/// Measures a variant and prints a line for each share and layout.
fn measure(variant: &mut impl Variant, setting: &Setting, layouts: &[Layout], build: f64) {
    for share in RECALLS {
        let Some(ef) = smallest_ef(variant, setting, share) else {
            println!("| {} | {share} | not reached with ef {MOST} | | | | | | | | | |", layouts[0].name);
            continue;
        };
        let mut touched: Vec<_> = layouts.iter().map(|layout| Touched::new(layout.clone())).collect();
        let (mut estimates, mut exact, mut hops) = (0, 0, 0);
        let reached = recall(variant, setting, ef, &mut |read| {
            match read {
                Some(Read::Links(..)) => hops += 1,
                Some(Read::Code(_)) => estimates += 1,
                Some(Read::Beside(count)) => estimates += count,
                Some(Read::Vector(_)) => exact += 1,
                None => (),
            }
            touched.iter_mut().for_each(|touched| match read {
                Some(Read::Links(node, 0)) => touched.read(Area::Nodes, node),
                Some(Read::Links(node, _)) => touched.read(Area::Upper, node),
                Some(Read::Code(node)) => touched.read(Area::Codes, node),
                Some(Read::Vector(node)) => touched.read(Area::Vectors, node),
                Some(Read::Beside(_)) => (),
                None => touched.end_query(),
            });
        });
        let mut nearest = Nearest::default();
        let best = (0..ROUNDS)
            .map(|_| {
                let start = thread_seconds();
                for vector in setting.queries.chunks_exact(setting.dims) {
                    nearest.0.clear();
                    variant.search(setting, vector, ef, &mut nearest, &mut |_| ());
                }
                thread_seconds() - start
            })
            .fold(f64::MAX, f64::min);
        let queries = setting.truth.len() as f64;
        let each = |count: usize| count as f64 / queries;
        for touched in &touched {
            println!(
                "| {} | {share} | {ef} | {reached:.4} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {build:.1} |",
                touched.layout.name,
                queries / best,
                each(hops),
                each(estimates),
                each(exact),
                each(touched.bytes) / 1000.0,
                each(touched.looks),
                each(touched.pages),
                touched.layout.bytes_a_node(setting.graph.nodes() as usize),
            );
        }
    }
}

/// Measures each of `names` (see the options) on the graph; `built` is the CPU time that the graph took.
///
/// # Errors
/// An unknown name, or a metric other than L2 and cosine.
pub fn compare(
    options: &Options,
    data: &Data,
    graph: &MemoryGraph,
    truth: &[[u32; K]],
    built: f64,
) -> Result<(), String> {
    if !matches!(options.metric, Metric::L2 | Metric::Cosine) {
        return Err("--layouts compares l2 and cosine only".to_owned());
    }
    let normalised = |vector: &[f32]| {
        let norm = if options.metric == Metric::Cosine { dot(vector, vector).sqrt().max(1e-30) } else { 1.0 };
        vector.iter().map(|&x| (f64::from(x) / norm) as f32).collect::<Vec<f32>>()
    };
    let dims = data.dims;
    let mut vectors = Aligned::new(data.rows() * dims, 0.0f32);
    vectors.chunks_exact_mut(dims).zip(data.vectors()).for_each(|(to, from)| to.copy_from_slice(&normalised(from)));
    let queries = data.queries().flat_map(normalised).collect();
    let rotation = Rotation::new(dims, 7);
    let setting = Setting { metric: options.metric, dims, graph, vectors, queries, truth, rotation };

    let width = setting.rotation.width;
    let needs_rotated = options.layouts.iter().any(|name| name.starts_with(['c', 'd']));
    let start = crate::cpu_seconds();
    let mut rotated = Vec::new();
    if needs_rotated {
        rotated.reserve(data.rows() * width);
        let mut one = Vec::new();
        for node in 0..graph.nodes() {
            setting.rotate(setting.vector(node), &mut one);
            rotated.extend_from_slice(&one);
        }
    }
    let rotating = crate::cpu_seconds() - start;

    let rows = data.rows();
    let numbers = Rc::new(order::above_level_0(graph));
    let above = Entries {
        bytes: 4 * graph.m(),
        count: numbers.iter().max().map_or(0, |&last| last as usize + 1),
        numbers: Some(numbers),
    };
    let entry_bytes = 16 + 8 * graph.m();
    let of_each = |bytes| Entries { bytes, count: rows, numbers: None };
    let layout = |name: &str, nodes: usize, codes: Entries| Layout {
        name: name.to_owned(),
        areas: [above.clone(), of_each(nodes), codes, of_each(4 * dims)],
        vectors_in_nodes: false,
    };
    println!(
        "| layout | recall | ef | reached | queries a CPU second | hops | estimates | exact | kB | looks | pages | bytes a node | build, CPU s |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    for name in &options.layouts {
        let (kind, rest) = name.split_at(1);
        let bits = rest.trim_end_matches('+').parse::<usize>();
        match (kind, bits) {
            ("a", Err(_)) => {
                measure(&mut Floats::default(), &setting, &[layout("a", entry_bytes, Entries::default())], built)
            }
            ("b", Err(_)) => {
                let plain = layout("b", entry_bytes, of_each((dims + 24).next_multiple_of(8)));
                let ordered = |name: &str, numbers: Vec<u32>| {
                    let mut layout = Layout { name: name.to_owned(), ..plain.clone() };
                    let numbers = Rc::new(numbers);
                    for area in [Area::Nodes, Area::Codes] {
                        layout.areas[area as usize].numbers = Some(Rc::clone(&numbers));
                    }
                    layout
                };
                let layouts = [
                    plain.clone(),
                    ordered("b, breadth first", order::breadth_first(graph)),
                    ordered("b, by cluster", order::by_cluster(graph)),
                ];
                measure(&mut Bytes::default(), &setting, &layouts, built);
            }
            ("c", Ok(bits @ (1 | 2 | 4))) => {
                let start = crate::cpu_seconds();
                let blocks = Blocks::build(graph, &rotated, width, bits, name.ends_with('+'));
                let build = built + rotating + crate::cpu_seconds() - start;
                println!("{name}: {:.1} links a node", blocks.links_a_node());
                let codes = Entries { bytes: (dims + 24).next_multiple_of(8), ..above.clone() };
                let plain = layout(name, entry_bytes - 8 * graph.m() + Blocks::bytes(bits, width), codes);
                let mut whole = Layout { name: format!("{name}, vector too"), vectors_in_nodes: true, ..plain.clone() };
                whole.areas[Area::Nodes as usize].bytes += 4 * dims;
                let mut variant = Beside { blocks, search: BlockSearch::default() };
                measure(&mut variant, &setting, &[plain, whole], build);
            }
            ("d", Ok(bits @ (1 | 2 | 4))) => {
                let start = crate::cpu_seconds();
                let mut variant = Alone::build(&setting, &rotated, bits);
                let build = built + rotating + crate::cpu_seconds() - start;
                let codes = of_each(Alone::entry_bytes(bits, dims));
                measure(&mut variant, &setting, &[layout(name, entry_bytes, codes)], build);
            }
            _ => return Err(format!("unknown layout {name}")),
        }
    }
    Ok(())
}
