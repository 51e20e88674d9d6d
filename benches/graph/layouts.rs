//! Ways to lay out codes, on one graph: how fast each finds a share of the neighbours, and what it would touch in the
//! server.

use crate::aligned::Aligned;
use crate::blocks::{BlockSearch, Blocks, Read};
use crate::data::{Data, K};
use crate::kernels::BLOCK;
use crate::pages::{Area, Entries, Layout, Touched};
use crate::rabitq::Rotation;
use crate::variants::{Alone, Any, Beside, Bytes, Floats, Nearest, Setting, Variant};
use crate::{Options, order};
use pg_zvec::distance::{Metric, dot};
use pg_zvec::hnsw::{Graph, GraphMut, MemoryGraph};
use std::rc::Rc;

/// Shares of the true neighbours that are to be found.
const RECALLS: [f64; 2] = [0.95, 0.99];
/// The largest ef that is tried.
const MOST: usize = 4000;
/// Times that each search is timed, in turns with the others; the fastest counts.
const ROUNDS: usize = 12;

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

/// A variant that is measured.
struct Entrant {
    variant: Any,
    layouts: Vec<Layout>,
    /// CPU seconds, the graph's included
    build: f64,
    /// for each of [`RECALLS`] the ef that reaches it and the fewest seconds of a round
    runs: [Option<(usize, f64)>; RECALLS.len()],
}

impl Entrant {
    fn new(variant: Any, layouts: Vec<Layout>, build: f64) -> Self {
        Self { variant, layouts, build, runs: [None; RECALLS.len()] }
    }

    /// Finds what ef each share needs.
    fn tune(&mut self, setting: &Setting) {
        self.runs = RECALLS.map(|share| smallest_ef(&mut self.variant, setting, share).map(|ef| (ef, f64::MAX)));
    }

    /// Takes the time of one round.
    fn time(&mut self, setting: &Setting) {
        let mut nearest = Nearest::default();
        for (ef, best) in self.runs.iter_mut().flatten() {
            let start = thread_seconds();
            for vector in setting.queries.chunks_exact(setting.dims) {
                nearest.0.clear();
                self.variant.search(setting, vector, *ef, &mut nearest, &mut |_| ());
            }
            *best = best.min(thread_seconds() - start);
        }
    }

    /// Prints a line for each layout.
    fn print(&mut self, setting: &Setting, which: usize) {
        let share = RECALLS[which];
        let Some((ef, seconds)) = self.runs[which] else {
            println!("| {} | {share} | more than {MOST} | | | | | | | | | | | |", self.layouts[0].name);
            return;
        };
        let mut touched: Vec<_> = self.layouts.iter().map(|layout| Touched::new(layout.clone())).collect();
        let (mut estimates, mut exact, mut hops) = (0, 0, 0);
        let reached = recall(&mut self.variant, setting, ef, &mut |read| {
            match read {
                Some(Read::Links(..)) => hops += 1,
                Some(Read::Code(_)) => estimates += 1,
                Some(Read::Beside(count)) => estimates += count,
                Some(Read::Vector(_)) => exact += 1,
                None => (),
            }
            touched.iter_mut().for_each(|touched| match read {
                Some(Read::Links(node, 0)) => {
                    touched.reach_level_0();
                    touched.read(Area::Nodes, node);
                }
                Some(Read::Links(node, _)) => touched.read(Area::Upper, node),
                Some(Read::Code(node)) => touched.read(Area::Codes, node),
                Some(Read::Vector(node)) => touched.read(Area::Vectors, node),
                Some(Read::Beside(_)) => (),
                None => touched.end_query(),
            });
        });
        let queries = setting.truth.len() as f64;
        let each = |count: usize| count as f64 / queries;
        for touched in &touched {
            println!(
                "| {} | {share} | {ef} | {reached:.4} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} |",
                touched.layout.name,
                queries / seconds,
                each(hops),
                each(estimates),
                each(exact),
                each(touched.bytes) / 1000.0,
                each(touched.looks),
                each(touched.pages),
                each(touched.pages_above),
                touched.layout.bytes_a_node(setting.graph.nodes() as usize),
                self.build
            );
        }
    }
}

/// Measures each of `names` (see the options) on the graph; `built` is the CPU time that the graph took.
///
/// # Errors
/// An unknown name, a metric other than L2 and cosine, or more links than a block has room for.
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
    if 2 * graph.m() > BLOCK && options.layouts.iter().any(|name| name.starts_with('c')) {
        return Err(format!("codes beside the links are for m up to {}", BLOCK / 2));
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
    let orders =
        [("breadth first", Rc::new(order::breadth_first(graph))), ("by cluster", Rc::new(order::by_cluster(graph)))];
    // The same with the nodes numbered otherwise.
    let ordered = |plain: Layout| {
        let mut layouts = vec![plain];
        for (order, numbers) in &orders {
            let mut layout = Layout { name: format!("{}, {order}", layouts[0].name), ..layouts[0].clone() };
            for area in [Area::Nodes, Area::Codes] {
                layout.areas[area as usize].numbers = Some(Rc::clone(numbers));
            }
            layouts.push(layout);
        }
        layouts
    };
    let mut entrants = Vec::new();
    for name in &options.layouts {
        let (kind, rest) = name.split_at_checked(1).unwrap_or_default();
        let bits = rest.trim_end_matches(['+', '-']).parse::<usize>();
        match (kind, bits) {
            ("a", Err(_)) => {
                let layouts = vec![layout("a", entry_bytes, Entries::default())];
                entrants.push(Entrant::new(Any::Floats(Floats::default()), layouts, built));
            }
            ("b", Err(_)) => {
                let layouts = ordered(layout("b", entry_bytes, of_each((dims + 24).next_multiple_of(8))));
                entrants.push(Entrant::new(Any::Bytes(Bytes::default()), layouts, built));
            }
            ("c", Ok(bits @ (1 | 2 | 4))) => {
                let start = crate::cpu_seconds();
                let blocks = Blocks::build(graph, &rotated, width, bits, name.contains('+'));
                let build = built + rotating + crate::cpu_seconds() - start;
                let levels = !name.contains('-');
                let codes = Entries { bytes: (dims + 24).next_multiple_of(8), ..above.clone() };
                let plain = layout(name, entry_bytes - 8 * graph.m() + Blocks::bytes(bits, width), codes);
                let mut whole = Layout { name: format!("{name}, vector too"), vectors_in_nodes: true, ..plain.clone() };
                whole.areas[Area::Nodes as usize].bytes += 4 * dims;
                let variant = Beside { blocks, search: BlockSearch::default(), levels };
                entrants.push(Entrant::new(Any::Beside(Box::new(variant)), vec![plain, whole], build));
            }
            ("d", Ok(bits @ (1 | 2 | 4))) => {
                let start = crate::cpu_seconds();
                let variant = Alone::build(&setting, &rotated, bits);
                let build = built + rotating + crate::cpu_seconds() - start;
                let layouts = ordered(layout(name, entry_bytes, of_each(Alone::entry_bytes(bits, dims))));
                entrants.push(Entrant::new(Any::Alone(Box::new(variant)), layouts, build));
            }
            _ => return Err(format!("unknown layout {name}")),
        }
    }
    drop(rotated);
    entrants.iter_mut().for_each(|entrant| entrant.tune(&setting));
    for _ in 0..ROUNDS {
        entrants.iter_mut().for_each(|entrant| entrant.time(&setting));
    }
    println!(
        "| layout | recall | ef | reached | queries a CPU second | hops | estimates | exact | kB | looks | pages | above | bytes a node | build, CPU s |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    for which in 0..RECALLS.len() {
        entrants.iter_mut().for_each(|entrant| entrant.print(&setting, which));
    }
    Ok(())
}
