//! Vectors from files or seeded, and their exact nearest neighbours.

use crate::Options;
use pg_zvec::distance::{Metric, distance};
use std::process::Command;

/// Neighbours that are looked for.
pub const K: usize = 10;

/// Vectors and queries.
pub struct Data {
    pub dims: usize,
    metric: Metric,
    base: Vec<f32>,
    pub queries: Vec<f32>,
}

impl Data {
    /// Reads or makes what the options name.
    ///
    /// # Errors
    /// What is wrong with the options or files.
    pub fn load(options: &Options) -> Result<Self, String> {
        let metric = options.metric;
        let Some(path) = &options.base else {
            let rows = options.clustered;
            if rows == 0 || options.dims == 0 {
                return Err("give --base FILE, or --clustered ROWS and --dims N".to_owned());
            }
            let mut all = clustered(rows + 1000, options.dims);
            let queries = all.split_off(rows * options.dims);
            return Ok(Self { dims: options.dims, metric, base: all, queries });
        };
        let (base, dims) = read(path, options.dims)?;
        if let Some(path) = &options.queries {
            return Ok(Self { dims, metric, base, queries: read(path, options.dims)?.0 });
        }
        let mut data = Self { dims, metric, base: Vec::new(), queries: Vec::new() };
        for (row, vector) in base.chunks_exact(dims).enumerate() {
            if row % 20 == 7 { &mut data.queries } else { &mut data.base }.extend_from_slice(vector);
        }
        Ok(data)
    }

    pub fn rows(&self) -> usize {
        self.base.len() / self.dims
    }

    pub fn vectors(&self) -> impl Iterator<Item = &[f32]> {
        self.base.chunks_exact(self.dims)
    }

    pub fn queries(&self) -> impl Iterator<Item = &[f32]> {
        self.queries.chunks_exact(self.dims)
    }

    pub fn vector(&self, row: usize) -> &[f32] {
        &self.base[row * self.dims..(row + 1) * self.dims]
    }

    /// The nearest rows of each query among the live ones.
    pub fn truth(&self, live: &(dyn Fn(usize) -> bool + Sync)) -> Vec<[u32; K]> {
        let queries: Vec<&[f32]> = self.queries().collect();
        std::thread::scope(|scope| {
            let threads: Vec<_> = queries
                .chunks(queries.len().div_ceil(2))
                .map(|part| scope.spawn(|| part.iter().map(|query| self.nearest(query, live)).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("brute force")).collect()
        })
    }

    fn nearest(&self, query: &[f32], live: &dyn Fn(usize) -> bool) -> [u32; K] {
        let mut all: Vec<(f64, u32)> = self
            .vectors()
            .enumerate()
            .filter(|&(row, _)| live(row))
            .map(|(row, vector)| (distance(self.metric, query, vector), row as u32))
            .collect();
        all.select_nth_unstable_by(K - 1, |a, b| a.0.total_cmp(&b.0));
        std::array::from_fn(|i| all[i].1)
    }

    /// Writes base, queries and neighbours into a folder, raw.
    ///
    /// # Errors
    /// What could not be written.
    pub fn export(&self, folder: &str) -> Result<(), String> {
        let write = |name: &str, bytes: Vec<u8>| {
            let path = format!("{folder}/{name}");
            std::fs::write(&path, bytes).map_err(|error| format!("{path}: {error}"))
        };
        write("base.f32", self.base.iter().flat_map(|x| x.to_le_bytes()).collect())?;
        write("queries.f32", self.queries.iter().flat_map(|x| x.to_le_bytes()).collect())?;
        write("neighbors.i32", self.truth(&|_| true).iter().flatten().flat_map(|row| row.to_le_bytes()).collect())
    }
}

/// What [`Data::export`] wrote as neighbours.
pub fn read_neighbors(path: &str) -> Result<Vec<[u32; K]>, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let rows: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|&word| u32::from_le_bytes(word)).collect();
    Ok(rows.as_chunks::<K>().0.to_vec())
}

/// Elements of a file and the dimensions of its vectors.
fn read(path: &str, dims: usize) -> Result<(Vec<f32>, usize), String> {
    let bytes = match path.strip_suffix(".gz") {
        None => std::fs::read(path).map_err(|error| format!("{path}: {error}"))?,
        Some(_) => {
            let output = Command::new("gzip").args(["-dc", path]).output().map_err(|error| format!("gzip: {error}"))?;
            if !output.status.success() {
                return Err(format!("{path}: {}", String::from_utf8_lossy(&output.stderr)));
            }
            output.stdout
        }
    };
    let kind = path.strip_suffix(".gz").unwrap_or(path).rsplit('.').next().unwrap_or_default();
    let (elements, dims): (Vec<f32>, usize) = match kind {
        "u8" => (bytes.iter().map(|&byte| f32::from(byte)).collect(), dims),
        "f32" => (bytes.as_chunks::<4>().0.iter().map(|&word| f32::from_le_bytes(word)).collect(), dims),
        "npy" => {
            let header_end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
            let header = String::from_utf8_lossy(&bytes[10..header_end]).into_owned();
            if !header.contains("<f2") || header.contains("True") {
                return Err(format!("{path}: not half floats row by row: {header}"));
            }
            let shape = header.split("'shape': (").nth(1).and_then(|rest| rest.split(')').next()).unwrap_or_default();
            let dims = shape.split(", ").nth(1).and_then(|dims| dims.parse().ok()).unwrap_or(0);
            (
                bytes[header_end..]
                    .as_chunks::<2>()
                    .0
                    .iter()
                    .map(|&half| half_to_f32(u16::from_le_bytes(half)))
                    .collect(),
                dims,
            )
        }
        _ => return Err(format!("{path}: only .u8, .f32 and .npy are known")),
    };
    if dims == 0 || elements.is_empty() || elements.len() % dims != 0 {
        return Err(format!("{path}: {} elements are no vectors of {dims} dimensions", elements.len()));
    }
    Ok((elements, dims))
}

/// An IEEE half float.
fn half_to_f32(half: u16) -> f32 {
    let sign = u32::from(half >> 15) << 31;
    let exponent = u32::from(half >> 10 & 0x1f);
    let fraction = u32::from(half & 0x3ff);
    let magnitude = match exponent {
        0 => fraction as f32 / (1 << 24) as f32,
        31 => f32::from_bits(0x7f80_0000 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    f32::from_bits(magnitude.to_bits() | sign)
}

/// Seeded vectors in clusters: centers far from each other, of very different sizes and widths, with a low intrinsic
/// dimension as embeddings have.
fn clustered(rows: usize, dims: usize) -> Vec<f32> {
    const INTRINSIC: usize = 24;
    let mut random = fastrand::Rng::with_seed(11);
    let mut normal = move || {
        let (u, v) = (random.f64().max(1e-12), random.f64());
        ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
    };
    let clusters = ((rows as f64).sqrt() as usize / 2).max(4);
    let basis: Vec<f32> = (0..INTRINSIC * dims).map(|_| normal() / (INTRINSIC as f32).sqrt()).collect();
    let centers: Vec<f32> = (0..clusters * dims).map(|_| normal() * 0.5).collect();
    let mut pick = fastrand::Rng::with_seed(12);
    let mut all = Vec::with_capacity(rows * dims);
    for _ in 0..rows {
        // Squared, so that the first clusters are the largest.
        let cluster = (pick.f64() * pick.f64() * clusters as f64) as usize;
        let width = 0.5 + (cluster % 7) as f32 / 7.0;
        let inner: Vec<f32> = (0..INTRINSIC).map(|_| normal() * width).collect();
        for dim in 0..dims {
            let moved: f32 = inner.iter().zip(basis[dim..].iter().step_by(dims)).map(|(a, b)| a * b).sum();
            all.push(centers[cluster * dims + dim] + moved + 0.1 * normal());
        }
    }
    all
}
