//! The rough sums of all vectors of one slot page that may be seen, read from several data pages at a time.

use crate::distance::Metric;
use crate::distance::abreast::{ABREAST, Chunks, Lanes, Rough, advance};
use crate::pg::buffer::Pinned;
use crate::segment::page::{PAGE_BYTES, PAYLOAD_START, PageBytes};
use crate::segment::{Geometry, Position};
use crate::store::Pins;
use zerocopy::FromBytes;

/// What stands for the page of a stream without parts.
static NO_PAGE: PageBytes = [0; PAGE_BYTES];

/// A part of a vector on a data page.
#[derive(Clone, Copy, Debug)]
struct Part {
    /// ordinal of the page
    page: u32,
    /// which vector
    vector: u32,
    /// its first element
    at: u32,
    /// where it stands in the page's payload, in bytes
    offset: u32,
    /// elements
    len: u32,
}

/// What one page still has to give.
struct Stream<'a> {
    parts: std::slice::Iter<'a, Part>,
    page: &'a PageBytes,
    query: &'a [f32],
    vector: usize,
    whole: (Chunks<'a>, Chunks<'a>),
    rest: (&'a [f32], &'a [f32]),
}

impl<'a> Stream<'a> {
    fn new(parts: &'a [Part], page: &'a PageBytes, query: &'a [f32]) -> Self {
        Self { parts: parts.iter(), page, query, vector: 0, whole: (&[], &[]), rest: (&[], &[]) }
    }

    /// Goes to the next part; false when there is none.
    fn next(&mut self) -> bool {
        let Some(part) = self.parts.next() else { return false };
        let (at, len) = (part.at as usize, part.len as usize);
        let from = PAYLOAD_START + part.offset as usize;
        // pieces start at multiples of 4 of an aligned page
        let stored = <[f32]>::ref_from_bytes(&self.page[from..from + 4 * len]).unwrap_or_default();
        let (query_whole, query_rest) = self.query[at..at + stored.len()].as_chunks();
        let (stored_whole, stored_rest) = stored.as_chunks();
        self.vector = part.vector as usize;
        self.whole = (query_whole, stored_whole);
        self.rest = (query_rest, stored_rest);
        true
    }

    /// The next `count` whole lanes of query and part.
    fn take(&mut self, count: usize) -> (Chunks<'a>, Chunks<'a>) {
        let (query, query_left) = self.whole.0.split_at(count);
        let (stored, stored_left) = self.whole.1.split_at(count);
        self.whole = (query_left, stored_left);
        (query, stored)
    }
}

/// Space that is used again for each slot page.
#[derive(Default)]
pub struct Scratch {
    parts: Vec<Part>,
    /// where the parts of each page begin and end
    pages: Vec<(usize, usize)>,
    sums: Vec<Rough>,
}

impl Scratch {
    /// The rough sums of the vectors at `positions`, which ascend.
    pub unsafe fn sums(
        &mut self,
        metric: Metric,
        query: &[f32],
        geometry: &Geometry,
        pins: &mut Pins<'_>,
        positions: impl Iterator<Item = Position>,
    ) -> &[Rough] {
        self.parts.clear();
        let mut vectors = 0;
        for position in positions {
            let mut at = 0;
            for piece in geometry.pieces(position) {
                let len = (piece.len / 4) as u32;
                self.parts.push(Part { page: piece.ordinal, vector: vectors, at, offset: piece.offset as u32, len });
                at += len;
            }
            vectors += 1;
        }
        self.sums.clear();
        self.sums.resize(vectors as usize, Rough::default());
        self.pages.clear();
        let mut end = 0;
        for parts in self.parts.chunk_by(|a, b| a.page == b.page) {
            self.pages.push((end, end + parts.len()));
            end += parts.len();
        }
        let groups = |n: usize| self.pages.chunks(ABREAST).nth(n).unwrap_or_default();
        for (n, group) in self.pages.chunks(ABREAST).enumerate() {
            for &(first, _) in groups(n + 1) {
                pins.prefetch(self.parts[first].page);
            }
            let parts: [&[Part]; ABREAST] =
                std::array::from_fn(|i| group.get(i).map_or(&[][..], |&(start, end)| &self.parts[start..end]));
            // SAFETY: by contract of `Pins`
            let pinned: [Option<Pinned>; ABREAST] =
                parts.map(|parts| parts.first().map(|part| unsafe { pins.data(part.page) }));
            let streams = std::array::from_fn(|i| {
                Stream::new(parts[i], pinned[i].as_ref().map_or(&NO_PAGE, Pinned::page), query)
            });
            add_up(metric, streams, &mut self.sums);
        }
        &self.sums
    }
}

/// Adds all parts of the streams to their vectors' sums. In the place of a stream that has ended another's part is added
/// up once more, for nothing: that is rare and short, since pages are of one size.
fn add_up(metric: Metric, mut streams: [Stream<'_>; ABREAST], sums: &mut [Rough]) {
    let mut lanes = [Lanes::NONE; ABREAST];
    let mut running: [bool; ABREAST] = std::array::from_fn(|i| streams[i].next());
    while let Some(one) = running.iter().position(|&runs| runs) {
        let left = |(stream, runs): (&Stream<'_>, &bool)| if *runs { stream.whole.0.len() } else { usize::MAX };
        let least = streams.iter().zip(&running).map(left).min().unwrap_or(0);
        let mut pairs: [(Chunks<'_>, Chunks<'_>); ABREAST] = [(&[], &[]); ABREAST];
        for i in (0..ABREAST).filter(|&i| running[i]) {
            pairs[i] = streams[i].take(least);
        }
        let filled = std::array::from_fn(|i| pairs[if running[i] { i } else { one }]);
        advance(metric, &mut lanes, filled.map(|pair| pair.0), filled.map(|pair| pair.1));
        for i in 0..ABREAST {
            if running[i] && streams[i].whole.0.is_empty() {
                let (query, stored) = streams[i].rest;
                let vector = &mut sums[streams[i].vector];
                *vector = vector.plus(lanes[i].finish(metric, query, stored));
                lanes[i] = Lanes::NONE;
                running[i] = streams[i].next();
            }
        }
    }
}
