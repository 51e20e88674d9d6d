//! Recall, speed and memory of the graph without a server.
//!
//! ```text
//! cargo run --release --no-default-features --features drivers --bin zvec_graph -- OPTIONS
//!   --base FILE        vectors: .u8 or .f32 (raw, little-endian; needs --dims) or .npy (half floats), also with .gz
//!   --queries FILE     the same; without it every 20th vector of the base becomes a query instead
//!   --neighbors FILE   what --export wrote, instead of computing it again
//!   --clustered N      instead of files: N seeded vectors in clusters of very different sizes, and 1,000 queries
//!   --dims N           elements of a vector
//!   --metric NAME      l2 (default), ip, cosine, l1
//!   --m N              default 16
//!   --ef-construction N  default 64
//!   --threads LIST     builds to time, default 1,2; the last one is searched
//!   --ef LIST          default 10,16,24,32,48,64,96,128,200,400
//!   --export DIR       write base.f32, queries.f32 and neighbors.i32 (10 each) for other programs, and stop
//!   --layouts LIST     instead of searching with each ef, compare layouts at recall 0.95 and 0.99: a (floats), b (int8), c1,
//!                      c2, c4 (RaBitQ beside the links; c1+: lists filled up, c1-: no upper levels, c1+-: both), d1,
//!                      d2, d4 (RaBitQ, one code a node)
//!   --repair SHARE     also: delete this share at random, repair, and search again
//! ```

mod aligned;
mod blocks;
mod data;
mod kernels;
mod layouts;
mod order;
mod pages;
mod rabitq;
mod variants;

use data::{Data, K};
use pg_zvec::distance::{Metric, distance};
use pg_zvec::hnsw::build::insert_all;
use pg_zvec::hnsw::repair::repair_all;
use pg_zvec::hnsw::workers::Control;
use pg_zvec::hnsw::{Beam, Graph, MemoryGraph, Node, level_of};
use pg_zvec::quant::{Codec, Query, Trainer};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

/// What the command line asks for.
pub struct Options {
    base: Option<String>,
    queries: Option<String>,
    neighbors: Option<String>,
    clustered: usize,
    dims: usize,
    metric: Metric,
    m: usize,
    ef_construction: usize,
    threads: Vec<usize>,
    ef: Vec<usize>,
    export: Option<String>,
    layouts: Vec<String>,
    repair: Option<f64>,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        base: None,
        queries: None,
        neighbors: None,
        clustered: 0,
        dims: 0,
        metric: Metric::L2,
        m: 16,
        ef_construction: 64,
        threads: vec![1, 2],
        ef: vec![10, 16, 24, 32, 48, 64, 96, 128, 200, 400],
        export: None,
        layouts: Vec::new(),
        repair: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse::<usize>().map_err(|error| format!("{name} {value}: {error}"));
        let list = || {
            let numbers: Result<Vec<usize>, _> = value.split(',').map(str::parse).collect();
            numbers.map_err(|error| format!("{name} {value}: {error}"))
        };
        match name.as_str() {
            "--base" => options.base = Some(value),
            "--queries" => options.queries = Some(value),
            "--neighbors" => options.neighbors = Some(value),
            "--clustered" => options.clustered = number()?,
            "--dims" => options.dims = number()?,
            "--metric" => options.metric = Metric::parse(value.as_bytes()).map_err(|error| error.to_string())?,
            "--m" => options.m = number()?,
            "--ef-construction" => options.ef_construction = number()?,
            "--threads" => options.threads = list()?,
            "--ef" => options.ef = list()?,
            "--export" => options.export = Some(value),
            "--layouts" => options.layouts = value.split(',').map(str::to_owned).collect(),
            "--repair" => options.repair = Some(value.parse().map_err(|error| format!("{name} {value}: {error}"))?),
            _ => return Err(format!("unknown option {name}")),
        }
    }
    Ok(options)
}

fn main() -> Result<(), String> {
    let options = options()?;
    let data = Data::load(&options)?;
    if let Some(folder) = &options.export {
        return data.export(folder);
    }
    println!(
        "{} x {}, {}, {} queries; m = {}, ef_construction = {}",
        data.rows(),
        data.dims,
        options.metric.name(),
        data.queries.len() / data.dims,
        options.m,
        options.ef_construction
    );
    let start = Instant::now();
    let mut trainer = Trainer::new(options.metric, data.dims);
    let sampled = (data.rows() / 1000).max(1);
    data.vectors().step_by(sampled).for_each(|vector| trainer.add(vector));
    let codec = Arc::new(trainer.finish());
    let trained = start.elapsed();
    let start = Instant::now();
    let mut code = vec![0; codec.code_bytes()];
    let coded: Vec<_> = data.vectors().map(|vector| (codec.encode(vector, &mut code), code.clone())).collect();
    println!("train {:.3} s, encode {:.3} s", trained.as_secs_f64(), start.elapsed().as_secs_f64());

    let mut built = None;
    for &threads in &options.threads {
        drop(built.take());
        let mut graph = MemoryGraph::with_capacity(Arc::clone(&codec), options.m, data.rows());
        for (row, (head, code)) in coded.iter().enumerate() {
            graph.push(row as u64, level_of(row as u64, options.m), *head, code);
        }
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let nodes = 0..graph.nodes();
        insert_all(&graph, nodes, options.ef_construction, threads, &Control::default(), &mut || true)
            .map_err(|error| error.to_string())?;
        let (elapsed, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        println!("build with {threads} threads: {elapsed:.2} s, {cpu:.2} s of CPU time");
        built = Some((graph, cpu));
    }
    let (graph, cpu) = built.ok_or("--threads is empty")?;
    let bytes = MemoryGraph::bytes(data.rows() as u64, data.dims, options.m);
    println!("{:.0} bytes a node; links on level 0: {:.1} a node", bytes as f64 / data.rows() as f64, links(&graph));
    let truth = match &options.neighbors {
        Some(path) => data::read_neighbors(path)?,
        None => data.truth(&|_| true),
    };
    if !options.layouts.is_empty() {
        return layouts::compare(&options, &data, &graph, &truth, cpu);
    }
    sweep(&options, &data, &graph, &truth);

    if let Some(share) = options.repair {
        let mut random = fastrand::Rng::with_seed(3);
        let dead: Vec<bool> = (0..data.rows()).map(|_| random.f64() < share).collect();
        let truth = data.truth(&|row| !dead[row]);
        for &threads in &options.threads {
            let (start, cpu) = (Instant::now(), cpu_seconds());
            // Equal codes: which of them is dead does not matter here.
            let is_dead = |node: Node| dead[node as usize];
            let control = Control::default();
            // The first round does the work, the others find nothing to do.
            repair_all(&graph, &is_dead, &mut |_, _| (), options.ef_construction, threads, &control, &mut || true)
                .map_err(|error| error.to_string())?;
            let (elapsed, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
            println!("repair after {share} deleted, {threads} threads: {elapsed:.3} s, {cpu:.3} s of CPU time");
        }
        println!("links on level 0: {:.1} a node", links(&graph));
        sweep_live(&options, &data, &graph, &truth, &|node| !dead[node as usize]);

        let mut fresh = MemoryGraph::with_capacity(Arc::clone(&codec), options.m, data.rows());
        for (row, (head, code)) in coded.iter().enumerate().filter(|&(row, _)| !dead[row]) {
            fresh.push(row as u64, level_of(row as u64, options.m), *head, code);
        }
        let nodes = 0..fresh.nodes();
        insert_all(&fresh, nodes, options.ef_construction, 2, &Control::default(), &mut || true)
            .map_err(|error| error.to_string())?;
        println!("a fresh graph of what is left, for comparison");
        sweep(&options, &data, &fresh, &truth);
    }
    Ok(())
}

/// CPU time that this process has used, in all its threads. What other programs take of the machine is not in it.
fn cpu_seconds() -> f64 {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Seconds on one of the system's clocks.
fn clock(which: libc::clockid_t) -> f64 {
    let mut time = std::mem::MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the call fills the structure before it is read.
    let time = unsafe {
        libc::clock_gettime(which, time.as_mut_ptr());
        time.assume_init()
    };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Mean number of links on level 0.
fn links(graph: &MemoryGraph) -> f64 {
    let mut all = Vec::new();
    (0..graph.nodes()).for_each(|node| graph.links(node, 0, &mut all));
    all.len() as f64 / f64::from(graph.nodes())
}

/// A graph that counts.
struct Counting<'a> {
    graph: &'a MemoryGraph,
    hops: Cell<u64>,
    distances: Cell<u64>,
}

impl Graph for Counting<'_> {
    fn entry(&self) -> Option<(Node, u8)> {
        self.graph.entry()
    }

    fn nodes(&self) -> u32 {
        self.graph.nodes()
    }

    fn links(&self, node: Node, level: u8, out: &mut Vec<Node>) {
        self.hops.set(self.hops.get() + 1);
        self.graph.links(node, level, out);
    }

    fn distances(&self, query: &Query, nodes: &[Node], out: &mut Vec<f32>) {
        self.distances.set(self.distances.get() + nodes.len() as u64);
        self.graph.distances(query, nodes, out);
    }
}

fn sweep(options: &Options, data: &Data, graph: &MemoryGraph, truth: &[[u32; K]]) {
    sweep_live(options, data, graph, truth, &|_| true);
}

/// Searches with each ef and prints a line.
fn sweep_live(options: &Options, data: &Data, graph: &MemoryGraph, truth: &[[u32; K]], live: &dyn Fn(Node) -> bool) {
    println!("| ef | recall@10 | queries a CPU second | distances | hops | vectors read |\n|---|---|---|---|---|---|");
    let mut search = Search::default();
    for &ef in &options.ef {
        let counting = Counting { graph, hops: Cell::new(0), distances: Cell::new(0) };
        let mut found = 0;
        let mut read = 0;
        for (query, truth) in data.queries().zip(truth) {
            read += search.run(options.metric, data, &counting, graph, query, ef, live);
            found += search.nearest.iter().filter(|(_, row)| truth.contains(row)).count();
        }
        let queries = truth.len() as f64;
        let mut best = f64::MAX;
        for _ in 0..3 {
            let start = cpu_seconds();
            for query in data.queries() {
                search.run(options.metric, data, graph, graph, query, ef, live);
            }
            best = best.min(cpu_seconds() - start);
        }
        println!(
            "| {ef} | {:.4} | {:.0} | {:.0} | {:.0} | {:.0} |",
            found as f64 / (queries * K as f64),
            queries / best,
            counting.distances.get() as f64 / queries,
            counting.hops.get() as f64 / queries,
            read as f64 / queries
        );
    }
}

/// The buffers of a query, as a scan of the index has them.
#[derive(Default)]
struct Search {
    beam: Beam,
    candidates: Vec<(f32, Node)>,
    nearest: Vec<(f64, u32)>,
}

impl Search {
    /// The `K` nearest rows by exact distance among the `ef` candidates, into `nearest`; returns how many vectors were
    /// read.
    #[expect(clippy::too_many_arguments)]
    fn run(
        &mut self,
        metric: Metric,
        data: &Data,
        graph: &impl Graph,
        memory: &MemoryGraph,
        vector: &[f32],
        ef: usize,
        live: &dyn Fn(Node) -> bool,
    ) -> usize {
        let codec: &Codec = memory.codec();
        let query = codec.query(vector);
        self.candidates.clear();
        self.beam.start(graph, &query);
        self.beam.extend(graph, &query, ef, usize::MAX, &mut |node| live(node), &mut self.candidates);
        self.nearest.clear();
        let mut read = 0;
        for &(approximate, node) in &self.candidates {
            if self.nearest.len() == K && query.lower_bound(memory.head(node), approximate) > self.nearest[K - 1].0 {
                continue;
            }
            read += 1;
            let row = memory.identity(node) as u32;
            let exact = distance(metric, vector, data.vector(row as usize));
            let place = self.nearest.partition_point(|&(kept, _)| kept <= exact);
            self.nearest.insert(place, (exact, row));
            self.nearest.truncate(K);
        }
        read
    }
}
