//! The pure modules by themselves: distances, codes, searches and builds of a graph in memory.
//!
//! ```text
//! cargo bench --no-default-features --bench modules [FILTER]
//! ```

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fastrand::Rng;
use pg_zvec::distance::{Accumulator, Metric, distance};
use pg_zvec::hnsw::build::insert_all;
use pg_zvec::hnsw::workers::Control;
use pg_zvec::hnsw::{Beam, Graph as _, MemoryGraph, Node, level_of};
use pg_zvec::quant::Codec;
use std::hint::black_box;
use std::sync::Arc;

const DIMS: [usize; 4] = [96, 384, 784, 1536];
const M: usize = 16;
const EF_CONSTRUCTION: usize = 64;

/// `count` vectors in 50 clusters.
fn vectors(count: usize, dims: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut rng = Rng::with_seed(seed);
    let centers: Vec<Vec<f32>> = (0..50).map(|_| (0..dims).map(|_| 4.0 * rng.f32() - 2.0).collect()).collect();
    (0..count)
        .map(|_| centers[rng.usize(0..centers.len())].iter().map(|x| x + 2.0 * rng.f32() - 1.0).collect())
        .collect()
}

fn codec_of(metric: Metric, sample: &[Vec<f32>]) -> Codec {
    Codec::train(metric, sample[0].len(), &mut sample.iter().map(Vec::as_slice))
}

fn distances(c: &mut Criterion) {
    let mut group = c.benchmark_group("distance");
    for dims in DIMS {
        let pair = vectors(2, dims, 1);
        group.throughput(Throughput::Bytes(4 * dims as u64));
        for metric in Metric::OF_NUMBERS {
            group.bench_function(BenchmarkId::new(metric.name(), dims), |b| {
                b.iter(|| distance(metric, black_box(&pair[0]), black_box(&pair[1])));
            });
        }
        group.bench_function(BenchmarkId::new("l2 in two pieces", dims), |b| {
            let (cut, [query, stored]) = (dims / 3, [&pair[0], &pair[1]]);
            b.iter(|| {
                let mut sum = Accumulator::new(Metric::L2, query);
                sum.add(black_box(&query[..cut]), black_box(&stored[..cut]));
                sum.add(black_box(&query[cut..]), black_box(&stored[cut..]));
                sum.finish()
            });
        });
    }
}

fn codes(c: &mut Criterion) {
    let mut group = c.benchmark_group("code");
    for dims in DIMS {
        let sample = vectors(200, dims, 2);
        for metric in [Metric::L2, Metric::L1] {
            let codec = codec_of(metric, &sample);
            let mut code = vec![0; codec.code_bytes()];
            group.throughput(Throughput::Elements(1));
            group.bench_function(BenchmarkId::new(format!("encode {}", metric.name()), dims), |b| {
                b.iter(|| codec.encode(black_box(&sample[7]), &mut code));
            });
            let (head, query) = (codec.encode(&sample[7], &mut code), codec.query(&sample[9]));
            group.bench_function(BenchmarkId::new(format!("estimate {}", metric.name()), dims), |b| {
                b.iter(|| query.distance(black_box(head), black_box(&code)));
            });
        }
    }
}

fn graph_of(data: &[Vec<f32>]) -> MemoryGraph {
    let codec = Arc::new(codec_of(Metric::L2, data));
    let mut graph = MemoryGraph::with_capacity(Arc::clone(&codec), M, data.len());
    let mut code = vec![0; codec.code_bytes()];
    for (i, vector) in data.iter().enumerate() {
        let head = codec.encode(vector, &mut code);
        graph.push(i as u64, level_of(i as u64, M), head, &code);
    }
    graph
}

fn graphs(c: &mut Criterion) {
    let mut group = c.benchmark_group("graph of 10,000 x 128");
    group.sample_size(20);
    let data = vectors(10_000, 128, 3);
    let build = |graph: MemoryGraph| {
        insert_all(&graph, 0..graph.nodes(), EF_CONSTRUCTION, 1, &Control::default(), &mut || true)
            .expect("nobody stops it");
        graph
    };
    group.bench_function("build, one thread", |b| {
        b.iter_batched(|| graph_of(&data), build, BatchSize::PerIteration);
    });
    let graph = build(graph_of(&data));
    let queries = vectors(100, 128, 4);
    group.throughput(Throughput::Elements(queries.len() as u64));
    for ef in [10, 64, 256] {
        let (mut beam, mut found) = (Beam::new(), Vec::new());
        group.bench_function(BenchmarkId::new("100 searches, ef", ef), |b| {
            b.iter(|| {
                for vector in &queries {
                    let query = graph.codec().query(vector);
                    found.clear();
                    beam.start(&graph, &query);
                    beam.extend(&graph, &query, ef, usize::MAX, &mut |_: Node| true, &mut found);
                }
                found.len()
            });
        });
    }
}

criterion_group!(benches, distances, codes, graphs);
criterion_main!(benches);
