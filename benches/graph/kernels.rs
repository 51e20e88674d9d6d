//! SIMD for RaBitQ codes, each with a portable form: sums over the neighbours of a node all at once, sums over one
//! node's code, the Hadamard transform and what else a query needs.

/// Neighbours that are summed up at once.
pub const BLOCK: usize = 32;
/// Dimensions that one look-up takes together.
pub const GROUP: usize = 4;
/// Bytes of a group: in planes a nibble a neighbour, neighbours 0..16 in the low ones; in tables a byte for each nibble.
pub const GROUP_BYTES: usize = 16;

/// Sums of a look-up table over the codes of [`BLOCK`] neighbours: the fast scan of André et al. 2015 (VLDB 9(4)).
///
/// `codes` holds one bit plane behind the other, the lowest first, each as long as `table`; `table` has
/// [`GROUP_BYTES`] for each group of dimensions, at most 256 groups a 128-bit lane. Answers the sum of
/// 2^plane x table\[group\]\[nibble\] for each neighbour.
#[inline]
pub fn scan(codes: &[u8], table: &[u8]) -> [u32; BLOCK] {
    debug_assert!(table.len().is_multiple_of(64) && codes.len().is_multiple_of(table.len()));
    let mut sums = [0; BLOCK];
    for (plane, codes) in codes.chunks_exact(table.len()).enumerate() {
        let of_plane = scan_plane(codes, table);
        sums.iter_mut().zip(of_plane).for_each(|(sum, part)| *sum += part << plane);
    }
    sums
}

#[inline]
fn scan_plane(codes: &[u8], table: &[u8]) -> [u32; BLOCK] {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bw") {
            // SAFETY: the CPU has it
            return unsafe { x86::scan_avx512(codes, table) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has it
            return unsafe { x86::scan_avx2(codes, table) };
        }
    }
    scan_portable(codes, table)
}

fn scan_portable(codes: &[u8], table: &[u8]) -> [u32; BLOCK] {
    let mut sums = [0; BLOCK];
    for (codes, table) in codes.chunks_exact(GROUP_BYTES).zip(table.chunks_exact(GROUP_BYTES)) {
        for (i, &pair) in codes.iter().enumerate() {
            sums[i] += u32::from(table[usize::from(pair & 15)]);
            sums[i + 16] += u32::from(table[usize::from(pair >> 4)]);
        }
    }
    sums
}

/// The inner product of one code with a query: `code` has `planes` words for each 64 dimensions, the lowest plane
/// first; `query` 64 signed bytes for each.
#[inline]
pub fn dot(code: &[u64], planes: usize, query: &[i8]) -> i32 {
    debug_assert_eq!(code.len() * 64, query.len() * planes);
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vnni") {
        // SAFETY: the CPU has it
        return unsafe { x86::dot_avx512(code, planes, query) };
    }
    dot_portable(code, planes, query)
}

fn dot_portable(code: &[u64], planes: usize, query: &[i8]) -> i32 {
    let mut sum = 0;
    for (words, query) in code.chunks_exact(planes).zip(query.chunks_exact(64)) {
        for (plane, word) in words.iter().enumerate() {
            let of_plane: i32 = (0..64).map(|i| (word >> i & 1) as i32 * i32::from(query[i])).sum();
            sum += of_plane << plane;
        }
    }
    sum
}

/// The Hadamard transform of a slice whose length is a power of two, scaled so that norms stay.
pub fn hadamard(values: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the CPU has it
        return unsafe { x86::hadamard_avx512(values) };
    }
    hadamard_plain(values);
}

#[inline(always)]
fn hadamard_plain(values: &mut [f32]) {
    // Within what fits a register, so that the compiler shuffles instead of going through memory.
    let mut half = 1;
    let (registers, rest) = values.as_chunks_mut::<16>();
    if rest.is_empty() {
        registers.iter_mut().for_each(|v| *v = butterfly::<8>(butterfly::<4>(butterfly::<2>(butterfly::<1>(*v)))));
        half = 16;
    }
    while half < values.len() {
        for pair in values.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
    let scale = 1.0 / (values.len() as f32).sqrt();
    values.iter_mut().for_each(|value| *value *= scale);
}

/// Sums and differences of elements that are `HALF` apart.
#[inline(always)]
fn butterfly<const HALF: usize>(v: [f32; 16]) -> [f32; 16] {
    std::array::from_fn(|i| if i & HALF == 0 { v[i] + v[i ^ HALF] } else { v[i ^ HALF] - v[i] })
}

/// For each group of a query's elements the table for [`scan`]: the sum of the elements that a nibble's bits stand for,
/// less the smallest such sum, times `inverse`, rounded. Answers the sum of the smallest ones.
pub fn tables(query: &[f32], inverse: f32, table: &mut [u8]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512bw") {
        // SAFETY: the CPU has it
        return unsafe { x86::tables_avx512(query, inverse, table) };
    }
    tables_plain(query, inverse, table)
}

#[inline(always)]
fn tables_plain(query: &[f32], inverse: f32, table: &mut [u8]) -> f32 {
    let mut lowest = 0.0;
    for (group, entries) in query.as_chunks::<GROUP>().0.iter().zip(table.as_chunks_mut::<GROUP_BYTES>().0) {
        let negative: f32 = group.iter().map(|y| y.min(0.0)).sum();
        lowest += negative;
        let mut sums = [-negative * inverse; GROUP_BYTES];
        for (i, y) in group.iter().enumerate() {
            let scaled = y * inverse;
            sums = std::array::from_fn(|nibble| sums[nibble] + if nibble >> i & 1 == 1 { scaled } else { 0.0 });
        }
        *entries = sums.map(|sum| (sum + ROUND).to_bits() as u8);
    }
    lowest
}

/// Added to a number below 2^22 it leaves the rounded number in the lowest bits: a conversion that compilers put into
/// vectors.
const ROUND: f32 = (3 << 22) as f32;

/// `query` times `inverse`, rounded; the products are within -127 ..= 127.
pub fn bytes(query: &[f32], inverse: f32, to: &mut Vec<i8>) {
    to.clear();
    to.extend(query.iter().map(|y| (y * inverse + ROUND).to_bits() as i8));
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{BLOCK, GROUP_BYTES};
    use std::arch::x86_64::*;
    use std::mem::transmute;

    /// Two registers of 128-bit lanes, for low and high nibbles.
    type Lanes<const LANES: usize> = [[[u16; 8]; LANES]; 2];

    /// Adds 128-bit lanes of byte sums: `all` has for each neighbour of even number its sum and 256 times the next
    /// one's, modulo 2^16, `odd` the sums of the odd ones; low nibbles first.
    #[inline(always)]
    fn gather<const LANES: usize>(all: Lanes<LANES>, odd: Lanes<LANES>) -> [u32; BLOCK] {
        let mut sums = [0; BLOCK];
        for nibble in 0..2 {
            for lane in 0..LANES {
                for pair in 0..8 {
                    let (all, odd) = (all[nibble][lane][pair], odd[nibble][lane][pair]);
                    sums[16 * nibble + 2 * pair] += u32::from(all.wrapping_sub(odd << 8));
                    sums[16 * nibble + 2 * pair + 1] += u32::from(odd);
                }
            }
        }
        sums
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub fn scan_avx512(codes: &[u8], table: &[u8]) -> [u32; BLOCK] {
        let low = _mm512_set1_epi8(15);
        let mut all = [_mm512_setzero_si512(); 2];
        let mut odd = [_mm512_setzero_si512(); 2];
        for at in (0..codes.len().min(table.len()) / 64).map(|i| 64 * i) {
            // SAFETY: at + 64 is at most the length of both slices
            let (code, table) = unsafe {
                (_mm512_loadu_si512(codes.as_ptr().add(at).cast()), _mm512_loadu_si512(table.as_ptr().add(at).cast()))
            };
            let nibbles = [_mm512_and_si512(code, low), _mm512_and_si512(_mm512_srli_epi16::<4>(code), low)];
            for i in 0..2 {
                let found = _mm512_shuffle_epi8(table, nibbles[i]);
                all[i] = _mm512_add_epi16(all[i], found);
                odd[i] = _mm512_add_epi16(odd[i], _mm512_srli_epi16::<8>(found));
            }
        }
        // SAFETY: any bits are numbers, and the sizes are equal
        unsafe { gather(transmute::<[__m512i; 2], Lanes<4>>(all), transmute::<[__m512i; 2], Lanes<4>>(odd)) }
    }

    #[target_feature(enable = "avx2")]
    pub fn scan_avx2(codes: &[u8], table: &[u8]) -> [u32; BLOCK] {
        let low = _mm256_set1_epi8(15);
        let mut all = [_mm256_setzero_si256(); 2];
        let mut odd = [_mm256_setzero_si256(); 2];
        for at in (0..codes.len().min(table.len()) / (2 * GROUP_BYTES)).map(|i| 2 * GROUP_BYTES * i) {
            // SAFETY: at + 32 is at most the length of both slices
            let (code, table) = unsafe {
                (_mm256_loadu_si256(codes.as_ptr().add(at).cast()), _mm256_loadu_si256(table.as_ptr().add(at).cast()))
            };
            let nibbles = [_mm256_and_si256(code, low), _mm256_and_si256(_mm256_srli_epi16::<4>(code), low)];
            for i in 0..2 {
                let found = _mm256_shuffle_epi8(table, nibbles[i]);
                all[i] = _mm256_add_epi16(all[i], found);
                odd[i] = _mm256_add_epi16(odd[i], _mm256_srli_epi16::<8>(found));
            }
        }
        // SAFETY: any bits are numbers, and the sizes are equal
        unsafe { gather(transmute::<[__m256i; 2], Lanes<2>>(all), transmute::<[__m256i; 2], Lanes<2>>(odd)) }
    }

    /// A plane's word is a mask for 64 bytes.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub fn dot_avx512(code: &[u64], planes: usize, query: &[i8]) -> i32 {
        let mut sum = _mm512_setzero_si512();
        for (words, query) in code.chunks_exact(planes).zip(query.chunks_exact(64)) {
            let mut bytes = _mm512_maskz_set1_epi8(words[0], 1);
            for (plane, &word) in words.iter().enumerate().skip(1) {
                bytes = _mm512_mask_add_epi8(bytes, word, bytes, _mm512_set1_epi8(1 << plane));
            }
            // SAFETY: the chunk has 64 bytes
            let query = unsafe { _mm512_loadu_si512(query.as_ptr().cast()) };
            sum = _mm512_dpbusd_epi32(sum, bytes, query);
        }
        _mm512_reduce_add_epi32(sum)
    }

    /// The plain loop, with wider registers.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub fn tables_avx512(query: &[f32], inverse: f32, table: &mut [u8]) -> f32 {
        super::tables_plain(query, inverse, table)
    }

    /// The plain loops, with wider registers.
    #[target_feature(enable = "avx512f")]
    pub fn hadamard_avx512(values: &mut [f32]) {
        super::hadamard_plain(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scans_agree() {
        let mut random = fastrand::Rng::with_seed(1);
        for groups in [4, 96, 208, 384] {
            let bytes = groups * GROUP_BYTES;
            for largest in [255, 7] {
                let codes: Vec<u8> = (0..bytes).map(|_| random.u8(..)).collect();
                let table: Vec<u8> = (0..bytes).map(|_| random.u8(..=largest) | largest & 0xf0).collect();
                let expected = scan_portable(&codes, &table);
                assert_eq!(scan_plane(&codes, &table), expected, "{groups} groups");
                #[cfg(target_arch = "x86_64")]
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the CPU has it
                    assert_eq!(unsafe { x86::scan_avx2(&codes, &table) }, expected, "{groups} groups, AVX2");
                }
            }
        }
    }

    #[test]
    fn dots_agree() {
        let mut random = fastrand::Rng::with_seed(2);
        for planes in [1, 2, 4] {
            for words in [1, 6, 13, 24] {
                let code: Vec<u64> = (0..planes * words).map(|_| random.u64(..)).collect();
                let query: Vec<i8> = (0..64 * words).map(|_| random.i8(-127..)).collect();
                assert_eq!(dot(&code, planes, &query), dot_portable(&code, planes, &query));
            }
        }
    }

    #[test]
    fn hadamard_is_its_own_inverse() {
        let mut random = fastrand::Rng::with_seed(3);
        let values: Vec<f32> = (0..256).map(|_| random.f32() - 0.5).collect();
        let mut twice = values.clone();
        hadamard(&mut twice);
        assert!(twice.iter().zip(&values).any(|(a, b)| (a - b).abs() > 0.1));
        hadamard(&mut twice);
        assert!(twice.iter().zip(&values).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}
