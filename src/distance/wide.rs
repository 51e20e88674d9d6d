//! Kernels compiled for several instruction sets and chosen at run time: the `f64` ones that [`super::kernels`] falls
//! back to when `f32` arithmetic overflows or underflows, and L1, which simsimd does not have.

/// Elements that are added up in `f32` before the sum moves on to `f64`: 16 additions in each of 64 lanes, and a few
/// to bring the lanes together.
const L1_BLOCK: usize = 1024;
const L1_LANES: usize = 64;
const WIDE_LANES: usize = 16;

#[inline(always)]
fn sum_wide(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [0f64; WIDE_LANES];
    let (a_chunks, a_rest) = a.as_chunks::<WIDE_LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<WIDE_LANES>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for i in 0..WIDE_LANES {
            lanes[i] += term(f64::from(x[i]), f64::from(y[i]));
        }
    }
    for ((lane, &x), &y) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane += term(f64::from(x), f64::from(y));
    }
    lanes.iter().sum()
}

#[inline(always)]
fn dot_body(a: &[f32], b: &[f32]) -> f64 {
    sum_wide(a, b, |x, y| x * y)
}

#[inline(always)]
fn l2_squared_body(a: &[f32], b: &[f32]) -> f64 {
    sum_wide(a, b, |x, y| (x - y) * (x - y))
}

#[inline(always)]
fn l1_wide_body(a: &[f32], b: &[f32]) -> f64 {
    sum_wide(a, b, |x, y| (x - y).abs())
}

/// Adds the absolute differences of matching chunks to the lanes.
#[inline(always)]
fn add_differences<const N: usize>(lanes: &mut [f32; N], x: &[f32; N], y: &[f32; N]) {
    for i in 0..N {
        lanes[i] += (x[i] - y[i]).abs();
    }
}

#[inline(always)]
fn l1_body(a: &[f32], b: &[f32]) -> f64 {
    let mut total = 0.0;
    for (a, b) in a.chunks(L1_BLOCK).zip(b.chunks(L1_BLOCK)) {
        let mut lanes = [0f32; L1_LANES];
        let (a_chunks, a_rest) = a.as_chunks::<L1_LANES>();
        let (b_chunks, b_rest) = b.as_chunks::<L1_LANES>();
        for (x, y) in a_chunks.iter().zip(b_chunks) {
            add_differences(&mut lanes, x, y);
        }
        let mut sums = [0f32; WIDE_LANES];
        for lanes in lanes.as_chunks::<WIDE_LANES>().0 {
            for i in 0..WIDE_LANES {
                sums[i] += lanes[i];
            }
        }
        let (a_chunks, a_rest) = a_rest.as_chunks::<WIDE_LANES>();
        let (b_chunks, b_rest) = b_rest.as_chunks::<WIDE_LANES>();
        for (x, y) in a_chunks.iter().zip(b_chunks) {
            add_differences(&mut sums, x, y);
        }
        total += sums.iter().copied().map(f64::from).sum::<f64>();
        for (&x, &y) in a_rest.iter().zip(b_rest) {
            total += f64::from((x - y).abs());
        }
    }
    total
}

/// Defines `$name` as `$body` compiled for AVX-512, AVX2 and the build's own target.
macro_rules! dispatched {
    ($(#[$meta:meta])* $name:ident = $body:ident) => {
        $(#[$meta])*
        #[inline]
        pub fn $name(a: &[f32], b: &[f32]) -> f64 {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f")]
                fn avx512(a: &[f32], b: &[f32]) -> f64 {
                    $body(a, b)
                }
                #[target_feature(enable = "avx2,fma")]
                fn avx2(a: &[f32], b: &[f32]) -> f64 {
                    $body(a, b)
                }
                if is_x86_feature_detected!("avx512f") {
                    // SAFETY: the CPU has the feature
                    return unsafe { avx512(a, b) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the CPU has the features
                    return unsafe { avx2(a, b) };
                }
            }
            $body(a, b)
        }
    };
}

dispatched! {
    /// Inner product in `f64`.
    dot = dot_body
}
dispatched! {
    /// Square of the Euclidean distance in `f64`.
    l2_squared = l2_squared_body
}
dispatched! {
    /// Sum of the absolute differences in `f64`.
    l1_wide = l1_wide_body
}
dispatched! {
    /// Sum of the absolute differences, in `f32` within blocks; not finite when a block overflows.
    l1 = l1_body
}

#[cfg(test)]
mod tests {
    use super::super::reference;
    use super::*;
    use proptest::prelude::*;

    type Kernel = fn(&[f32], &[f32]) -> f64;

    proptest! {
        /// Every compiled variant, not only the one that this CPU runs.
        #[test]
        fn agree_with_the_reference(pairs in proptest::collection::vec((-1e3f32..1e3, -1e3f32..1e3), 1..300)) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let kernels: [(Kernel, Kernel); 8] = [
                (dot, reference::dot),
                (dot_body, reference::dot),
                (l2_squared, reference::l2_squared),
                (l2_squared_body, reference::l2_squared),
                (l1_wide, reference::l1),
                (l1_wide_body, reference::l1),
                (l1, reference::l1),
                (l1_body, reference::l1),
            ];
            for (kernel, reference) in kernels {
                let (got, expected) = (kernel(&a, &b), reference(&a, &b));
                let magnitude = expected.abs().max(reference::dot_magnitude(&a, &b));
                prop_assert!((got - expected).abs() <= 1e-6 * magnitude, "{got} {expected}");
            }
        }
    }
}
