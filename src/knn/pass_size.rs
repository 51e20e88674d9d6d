//! How many rows each pass of an exact search keeps, and how many passes that makes.
//!
//! | pass | keeps |
//! |---|---|
//! | 0 | what the scan is told: [`FIRST_PASS_ROWS`], or twice as many as are expected to be asked for, at most [`SECOND_PASS_ROWS`] |
//! | 1 | [`SECOND_PASS_ROWS`] |
//! | [`LATE`] and on | as many as `work_mem` holds, but not fewer than pass 1 |

#![forbid(unsafe_code)]

use crate::knn::result_queue::Found;

/// Rows that the first pass keeps, where nobody knows better: more than most queries want, few enough to cost little (a
/// distance for each that was ever among them).
pub const FIRST_PASS_ROWS: usize = 256;
/// Rows that the second pass keeps.
pub const SECOND_PASS_ROWS: usize = 16_000;
/// The number of a pass from which on all keep as many as `work_mem` holds.
pub const LATE: u32 = 2;

/// How many rows passes keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassSizes {
    first: usize,
    late: usize,
}

impl PassSizes {
    /// Those of a scan whose first pass keeps `first`, with `work_mem` of so many bytes.
    #[must_use]
    pub fn new(first: usize, work_mem: usize) -> Self {
        // twice as many are held while they are collected
        Self { first, late: SECOND_PASS_ROWS.max(work_mem / (2 * size_of::<Found>())) }
    }

    /// What pass number `pass` keeps.
    #[must_use]
    pub fn of(&self, pass: u32) -> usize {
        match pass {
            0 => self.first,
            1 => SECOND_PASS_ROWS,
            LATE.. => self.late,
        }
    }

    /// How many passes after the first it takes to hand out so many rows.
    #[must_use]
    pub fn passes_after_first(&self, rows: f64) -> f64 {
        let (mut passes, mut left) = (0, rows);
        while passes < LATE && left > self.of(passes) as f64 {
            left -= self.of(passes) as f64;
            passes += 1;
        }
        f64::from(passes) + (left / self.of(passes) as f64).ceil() - 1.0
    }
}

/// How many the first pass should keep where so many rows are expected to be asked for: twice as many, so that one pass is
/// enough where the expectation is not far off.
#[must_use]
pub fn first_pass_rows(expected: f64) -> usize {
    ((2.0 * expected) as usize).clamp(FIRST_PASS_ROWS, SECOND_PASS_ROWS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a late pass that keeps so many.
    fn sizes(first: usize, late: usize) -> PassSizes {
        PassSizes::new(first, late * 2 * size_of::<Found>())
    }

    #[test]
    fn sizes_of_passes() {
        for (work_mem, late) in [(0, 16_000), (64 << 10, 16_000), (1 << 30, (1 << 30) / (2 * size_of::<Found>()))] {
            let sizes = PassSizes::new(256, work_mem);
            assert_eq!([0, 1, 2, 3, u32::MAX].map(|pass| sizes.of(pass)), [256, 16_000, late, late, late]);
        }
    }

    #[test]
    fn first_passes() {
        let table = [
            (0.0, 256),
            (1.0, 256),
            (128.0, 256),
            (129.0, 258),
            (5_000.0, 10_000),
            (8_000.0, 16_000),
            (1e9, 16_000),
            (f64::INFINITY, 16_000),
            (f64::NAN, 256),
        ];
        for (expected, rows) in table {
            assert_eq!(first_pass_rows(expected), rows, "{expected}");
        }
    }

    #[test]
    fn numbers_of_passes() {
        let sizes = sizes(256, 50_000);
        let table = [
            (1.0, 0.0),
            (256.0, 0.0),
            (257.0, 1.0),
            (16_256.0, 1.0),
            (16_257.0, 2.0),
            (66_256.0, 2.0),
            (66_257.0, 3.0),
            (116_256.0, 3.0),
            (1_016_257.0, 22.0),
        ];
        for (rows, passes) in table {
            assert_eq!(sizes.passes_after_first(rows), passes, "{rows}");
        }
    }

    #[test]
    fn as_many_passes_as_the_sizes_add_up_to() {
        for (first, late, rows) in [(256, 20_000, 90_000), (300, 0, 70_001), (16_000, 16_000, 48_000), (256, 0, 3)] {
            let sizes = sizes(first, late);
            let (mut pass, mut left) = (0, rows);
            while left > sizes.of(pass) {
                left -= sizes.of(pass);
                pass += 1;
            }
            assert_eq!(sizes.passes_after_first(rows as f64), f64::from(pass), "{rows}");
        }
    }
}
