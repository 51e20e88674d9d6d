//! Which pages and bytes a search would touch in the server.

use std::collections::HashSet;

/// Bytes of a page behind its headers, and of the page.
const PAYLOAD_BYTES: usize = 8152;
const PAGE_BYTES: usize = 8192;
/// An index's entry in the map from slots to nodes.
const MAP_BYTES: usize = 8;

/// What entries of one kind lie on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// links of the upper levels
    Upper,
    /// links of level 0, with whatever lies beside them
    Nodes,
    /// codes by themselves
    Codes,
    /// the table's vectors, one behind the other, across pages
    Vectors,
}

/// Entries of an area: bytes of each and how many there are; of which number they are, if not the node's.
#[derive(Clone, Default)]
pub struct Entries {
    pub bytes: usize,
    pub count: usize,
    pub numbers: Option<std::rc::Rc<Vec<u32>>>,
}

/// Where everything lies.
#[derive(Clone)]
pub struct Layout {
    pub name: String,
    /// in the order of [`Area`]
    pub areas: [Entries; 4],
    /// the nodes' entries hold the vectors too
    pub vectors_in_nodes: bool,
}

impl Layout {
    /// Pages of an entry: the first, and how many.
    fn pages(&self, area: Area, number: u32) -> (usize, usize) {
        let entries = &self.areas[area as usize];
        let number = entries.numbers.as_ref().map_or(number, |numbers| numbers[number as usize]) as usize;
        if area == Area::Vectors {
            let (first, last) = (number * entries.bytes, (number + 1) * entries.bytes - 1);
            return (first / PAYLOAD_BYTES, last / PAYLOAD_BYTES - first / PAYLOAD_BYTES + 1);
        }
        match PAYLOAD_BYTES / entries.bytes {
            0 => {
                let each = entries.bytes.div_ceil(PAYLOAD_BYTES);
                (number * each, each)
            }
            per_page => (number / per_page, 1),
        }
    }

    /// Bytes of the index for each of `nodes`, pages in full.
    pub fn bytes_a_node(&self, nodes: usize) -> f64 {
        let pages: usize = [Area::Upper, Area::Nodes, Area::Codes]
            .into_iter()
            .filter(|&area| self.areas[area as usize].count > 0)
            .map(|area| {
                let (first, each) = self.pages_of_last(area);
                first + each
            })
            .sum();
        (pages * PAGE_BYTES) as f64 / nodes as f64 + MAP_BYTES as f64
    }

    fn pages_of_last(&self, area: Area) -> (usize, usize) {
        let mut plain = self.clone();
        plain.areas[area as usize].numbers = None;
        plain.pages(area, self.areas[area as usize].count as u32 - 1)
    }
}

/// What was touched, counted for one layout over many queries.
pub struct Touched {
    pub layout: Layout,
    distinct: HashSet<(u8, usize)>,
    /// pages looked at, each time, and different ones of a query
    pub looks: usize,
    pub pages: usize,
    /// of the different ones, those touched on the way to level 0
    pub pages_above: usize,
    is_above: bool,
    pub bytes: usize,
}

impl Touched {
    pub fn new(layout: Layout) -> Self {
        Self { layout, distinct: HashSet::new(), looks: 0, pages: 0, pages_above: 0, is_above: true, bytes: 0 }
    }

    /// An entry is read.
    pub fn read(&mut self, area: Area, number: u32) {
        if area == Area::Vectors && self.layout.vectors_in_nodes {
            // With the links, which are read then: counted there.
            return;
        }
        let (first, count) = self.layout.pages(area, number);
        self.distinct.extend((first..first + count).map(|page| (area as u8, page)));
        self.looks += count;
        self.bytes += self.layout.areas[area as usize].bytes;
    }

    /// The query has come to level 0.
    pub fn reach_level_0(&mut self) {
        if self.is_above {
            self.pages_above += self.distinct.len();
        }
        self.is_above = false;
    }

    /// A query is over.
    pub fn end_query(&mut self) {
        self.pages += self.distinct.len();
        self.is_above = true;
        self.distinct.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_entries() {
        let entries = |bytes, count| Entries { bytes, count, numbers: None };
        let areas = [entries(64, 2), entries(9000, 3), entries(4000, 5), entries(3000, 5)];
        let layout = Layout { name: String::new(), areas, vectors_in_nodes: false };
        assert_eq!(layout.pages(Area::Nodes, 2), (4, 2));
        assert_eq!(layout.pages(Area::Codes, 1), (0, 1));
        assert_eq!(layout.pages(Area::Codes, 2), (1, 1));
        assert_eq!(layout.pages(Area::Vectors, 1), (0, 1));
        assert_eq!(layout.pages(Area::Vectors, 2), (0, 2));
        assert_eq!(layout.bytes_a_node(10), 10.0 * 819.2 + 8.0);
        let mut touched = Touched::new(layout);
        touched.read(Area::Codes, 0);
        touched.read(Area::Codes, 1);
        touched.reach_level_0();
        touched.read(Area::Vectors, 2);
        touched.end_query();
        touched.read(Area::Codes, 0);
        touched.end_query();
        assert_eq!((touched.looks, touched.pages, touched.pages_above, touched.bytes), (5, 4, 1, 15_000));
    }
}
