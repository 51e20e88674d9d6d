//! Integer kernels over codes, the best that the CPU has.
//!
//! `dot` multiplies the unsigned bytes of a code with the signed bytes of a query; `l1` adds up the absolute
//! differences of unsigned bytes. Neither overflows an `i32` within 65,000 elements (255 x 128 x 65,000 < 2^31).

#[cfg(doc)]
use crate::distance::features;
use crate::distance::features::{Instructions, allowed};
use std::sync::OnceLock;

/// Both slices have one length.
pub(super) type Kernel = fn(code: &[u8], query: &[u8]) -> i32;

/// The kernels of one instruction set.
#[derive(Clone, Copy)]
pub(super) struct Kernels {
    /// name for test messages
    #[cfg_attr(not(test), expect(dead_code))]
    pub name: &'static str,
    /// what [`features::CAP`] must allow
    needs: Instructions,
    pub dot: Kernel,
    pub l1: Kernel,
    pub flip: Flip,
}

/// Turns a code's unsigned bytes into a query's signed ones (`to`, as long), and answers their sum.
pub(super) type Flip = fn(code: &[u8], to: &mut [u8]) -> i32;

const PORTABLE: Kernels = Kernels {
    name: "portable",
    needs: Instructions::Portable,
    dot: dot_portable,
    l1: l1_portable,
    flip: flip_portable,
};

/// The fastest kernels of this CPU that may be used.
pub(super) fn best() -> Kernels {
    static BEST: OnceLock<Kernels> = OnceLock::new();
    *BEST.get_or_init(|| all().into_iter().find(|kernels| kernels.needs <= allowed()).unwrap_or(PORTABLE))
}

/// All kernels that this CPU can run, the fastest first.
pub(super) fn all() -> Vec<Kernels> {
    let mut all = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni")
        {
            all.push(x86::VNNI);
        }
        if is_x86_feature_detected!("avx2") {
            all.push(x86::AVX2);
        }
    }
    all.push(PORTABLE);
    all
}

fn dot_portable(code: &[u8], query: &[u8]) -> i32 {
    code.iter().zip(query).map(|(&u, &q)| i32::from(u) * i32::from(q as i8)).sum()
}

fn l1_portable(code: &[u8], query: &[u8]) -> i32 {
    code.iter().zip(query).map(|(&u, &q)| i32::from(u.abs_diff(q))).sum()
}

#[inline(always)]
fn flip_portable(code: &[u8], to: &mut [u8]) -> i32 {
    let mut sum = 0u32;
    for (to, &from) in to.iter_mut().zip(code) {
        *to = from ^ 0x80;
        sum += u32::from(from);
    }
    sum as i32 - 128 * code.len() as i32
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Instructions, Kernels};
    use std::arch::x86_64::*;

    pub const VNNI: Kernels = Kernels {
        name: "AVX-512 VNNI",
        needs: Instructions::Avx512,
        // SAFETY: `all` hands these out only where the CPU has the features.
        dot: |code, query| unsafe { dot_vnni(code, query) },
        // SAFETY: as above
        l1: |code, query| unsafe { l1_avx512(code, query) },
        // SAFETY: as above
        flip: |code, to| unsafe { flip_avx512(code, to) },
    };

    pub const AVX2: Kernels = Kernels {
        name: "AVX2",
        needs: Instructions::Avx2,
        // SAFETY: `all` hands these out only where the CPU has the features.
        dot: |code, query| unsafe { dot_avx2(code, query) },
        // SAFETY: as above
        l1: |code, query| unsafe { l1_avx2(code, query) },
        // SAFETY: as above
        flip: |code, to| unsafe { flip_avx2(code, to) },
    };

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn dot_vnni(code: &[u8], query: &[u8]) -> i32 {
        let n = code.len().min(query.len());
        let (c, q) = (code.as_ptr(), query.as_ptr());
        let mut sums = [_mm512_setzero_si512(); 4];
        let mut i = 0;
        while i + 256 <= n {
            for (lane, sum) in sums.iter_mut().enumerate() {
                let at = i + 64 * lane;
                // SAFETY: at + 64 <= n, the length of both slices
                unsafe {
                    *sum = _mm512_dpbusd_epi32(
                        *sum,
                        _mm512_loadu_si512(c.add(at).cast()),
                        _mm512_loadu_si512(q.add(at).cast()),
                    );
                }
            }
            i += 256;
        }
        let mut lane = 0;
        while i + 64 <= n {
            // SAFETY: i + 64 <= n, the length of both slices
            unsafe {
                sums[lane] = _mm512_dpbusd_epi32(
                    sums[lane],
                    _mm512_loadu_si512(c.add(i).cast()),
                    _mm512_loadu_si512(q.add(i).cast()),
                );
            }
            lane += 1;
            i += 64;
        }
        if i < n {
            let mask = (1u64 << (n - i)) - 1;
            // SAFETY: the mask leaves out what lies behind the slices
            unsafe {
                sums[3] = _mm512_dpbusd_epi32(
                    sums[3],
                    _mm512_maskz_loadu_epi8(mask, c.add(i).cast()),
                    _mm512_maskz_loadu_epi8(mask, q.add(i).cast()),
                );
            }
        }
        _mm512_reduce_add_epi32(_mm512_add_epi32(
            _mm512_add_epi32(sums[0], sums[1]),
            _mm512_add_epi32(sums[2], sums[3]),
        ))
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn l1_avx512(code: &[u8], query: &[u8]) -> i32 {
        let n = code.len().min(query.len());
        let (c, q) = (code.as_ptr(), query.as_ptr());
        let mut sums = [_mm512_setzero_si512(); 2];
        let mut i = 0;
        while i + 128 <= n {
            for (lane, sum) in sums.iter_mut().enumerate() {
                let at = i + 64 * lane;
                // SAFETY: at + 64 <= n, the length of both slices
                unsafe {
                    let (x, y) = (_mm512_loadu_si512(c.add(at).cast()), _mm512_loadu_si512(q.add(at).cast()));
                    *sum = _mm512_add_epi64(*sum, _mm512_sad_epu8(x, y));
                }
            }
            i += 128;
        }
        while i < n {
            let mask = if n - i >= 64 { u64::MAX } else { (1 << (n - i)) - 1 };
            // SAFETY: the mask leaves out what lies behind the slices
            unsafe {
                let x = _mm512_maskz_loadu_epi8(mask, c.add(i).cast());
                let y = _mm512_maskz_loadu_epi8(mask, q.add(i).cast());
                sums[0] = _mm512_add_epi64(sums[0], _mm512_sad_epu8(x, y));
            }
            i += 64;
        }
        _mm512_reduce_add_epi64(_mm512_add_epi64(sums[0], sums[1])) as i32
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn flip_avx512(code: &[u8], to: &mut [u8]) -> i32 {
        let n = code.len().min(to.len());
        let (c, t) = (code.as_ptr(), to.as_mut_ptr());
        let high_bits = _mm512_set1_epi8(i8::MIN);
        let mut sum = _mm512_setzero_si512();
        let mut i = 0;
        while i < n {
            let mask = if n - i >= 64 { u64::MAX } else { (1 << (n - i)) - 1 };
            // SAFETY: the mask leaves out what lies behind the slices
            unsafe {
                let bytes = _mm512_maskz_loadu_epi8(mask, c.add(i).cast());
                sum = _mm512_add_epi64(sum, _mm512_sad_epu8(bytes, _mm512_setzero_si512()));
                _mm512_mask_storeu_epi8(t.add(i).cast(), mask, _mm512_xor_si512(bytes, high_bits));
            }
            i += 64;
        }
        _mm512_reduce_add_epi64(sum) as i32 - 128 * n as i32
    }

    /// The plain loop, with wider registers.
    #[target_feature(enable = "avx2")]
    fn flip_avx2(code: &[u8], to: &mut [u8]) -> i32 {
        super::flip_portable(code, to)
    }

    /// Adds up the eight `i32` of a vector.
    #[target_feature(enable = "avx2")]
    fn add_up(sum: __m256i) -> i32 {
        let four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
        let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b00_00_11_10>(four));
        _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b00_00_00_01>(two)))
    }

    /// Widens to 16 bits before it multiplies: `maddubs` would saturate.
    #[target_feature(enable = "avx2")]
    fn dot_avx2(code: &[u8], query: &[u8]) -> i32 {
        let n = code.len().min(query.len());
        let (c, q) = (code.as_ptr(), query.as_ptr());
        let mut sums = [_mm256_setzero_si256(); 2];
        let mut i = 0;
        while i + 32 <= n {
            for (lane, sum) in sums.iter_mut().enumerate() {
                let at = i + 16 * lane;
                // SAFETY: at + 16 <= n, the length of both slices
                unsafe {
                    let x = _mm256_cvtepu8_epi16(_mm_loadu_si128(c.add(at).cast()));
                    let y = _mm256_cvtepi8_epi16(_mm_loadu_si128(q.add(at).cast()));
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(x, y));
                }
            }
            i += 32;
        }
        add_up(_mm256_add_epi32(sums[0], sums[1])) + super::dot_portable(&code[i..n], &query[i..n])
    }

    #[target_feature(enable = "avx2")]
    fn l1_avx2(code: &[u8], query: &[u8]) -> i32 {
        let n = code.len().min(query.len());
        let (c, q) = (code.as_ptr(), query.as_ptr());
        let mut sums = [_mm256_setzero_si256(); 2];
        let mut i = 0;
        while i + 64 <= n {
            for (lane, sum) in sums.iter_mut().enumerate() {
                let at = i + 32 * lane;
                // SAFETY: at + 32 <= n, the length of both slices
                unsafe {
                    let (x, y) = (_mm256_loadu_si256(c.add(at).cast()), _mm256_loadu_si256(q.add(at).cast()));
                    // The sums of eight bytes stand in 64 bits each; their high halves stay zero.
                    *sum = _mm256_add_epi32(*sum, _mm256_sad_epu8(x, y));
                }
            }
            i += 64;
        }
        add_up(_mm256_add_epi32(sums[0], sums[1])) + super::l1_portable(&code[i..n], &query[i..n])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &[u8], query: &[u8]) {
        let dot: i64 = code.iter().zip(query).map(|(&u, &q)| i64::from(u) * i64::from(q as i8)).sum();
        let l1: i64 = code.iter().zip(query).map(|(&u, &q)| (i64::from(u) - i64::from(q)).abs()).sum();
        for kernels in all() {
            assert_eq!(i64::from((kernels.dot)(code, query)), dot, "{} dot of {}", kernels.name, code.len());
            assert_eq!(i64::from((kernels.l1)(code, query)), l1, "{} l1 of {}", kernels.name, code.len());
            let flipped: Vec<u8> = code.iter().map(|u| u ^ 0x80).collect();
            let sum: i32 = flipped.iter().map(|&q| i32::from(q as i8)).sum();
            let mut to = vec![0; code.len()];
            assert_eq!((kernels.flip)(code, &mut to), sum, "{} flip of {}", kernels.name, code.len());
            assert_eq!(to, flipped);
        }
    }

    #[test]
    fn every_length_and_alignment() {
        let mut random = fastrand::Rng::with_seed(1);
        let bytes: Vec<u8> = (0..40_000).map(|_| random.u8(..)).collect();
        for n in (0..=300).chain([511, 512, 784, 1000, 1536, 4095, 8128, 16_000]) {
            for _ in 0..4 {
                let (a, b) = (random.usize(..=bytes.len() - n), random.usize(..=bytes.len() - n));
                check(&bytes[a..a + n], &bytes[b..b + n]);
            }
        }
    }

    #[test]
    fn extremes_do_not_saturate() {
        for n in [1, 31, 64, 300, 784, 16_000] {
            for (u, q) in [(255, 127), (255, 128), (255, 129), (0, 255), (255, 0), (1, 128)] {
                check(&vec![u; n], &vec![q; n]);
            }
        }
    }
}
