//! The metrics in plain `f64` loops, for tests and benches to compare with.

#![forbid(unsafe_code)]

use crate::distance::Metric;

/// Inner product.
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
}

/// Square of the Euclidean distance.
pub fn l2_squared(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum()
}

/// Sum of the absolute differences.
pub fn l1(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&x, &y)| (f64::from(x) - f64::from(y)).abs()).sum()
}

/// The distance of two vectors.
pub fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    match metric {
        Metric::L2 => l2_squared(a, b).sqrt(),
        Metric::InnerProduct => 0.0 - dot(a, b),
        Metric::Cosine => 1.0 - (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).clamp(-1.0, 1.0),
        Metric::L1 => l1(a, b),
        Metric::Hamming | Metric::Jaccard => f64::NAN,
    }
}

/// The sum of the absolute terms of the inner product: what its error is measured against.
pub fn dot_magnitude(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&x, &y)| (f64::from(x) * f64::from(y)).abs()).sum()
}
