//! Page headers, and the meta page.
//!
//! Every page of a graph index is a server page without items or free space (`pd_lower` = `pd_upper` = `pd_special` = 24)
//! followed by the index's own header:
//!
//! ```text
//! 24  magic     u32  "ZVGX"
//! 28  kind      u8   1 meta, 2 root, 3 codes, 4 nodes, 5 upper, 6 map, 7 pending, 8 centroid, 9 included
//! 29  version   u8
//! 30  reserved  u16
//! 32  graph     u32  number of the graph (0 on the meta page)
//! 36  ordinal   u32  number of the page within its area (0 on meta and root pages)
//! 40  payload
//! ```

use crate::distance::Metric;
use crate::format::graph::included::IncludedColumn;
use crate::format::page;
use crate::format::page::{Damage, Fragment, PAGE_BYTES, PAYLOAD_START, PageBytes, Versions, u16_at, u32_at};
use crate::format::store::SegmentTag;
use crate::vector::{ElementType, VectorShape};

const MAGIC: u32 = u32::from_le_bytes(*b"ZVGX");

/// Number of a graph within its index, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GraphNo(pub u32);

/// What a page is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphPageKind {
    /// block 0: parameters, list of graphs
    Meta = 1,
    /// one graph's counters and extents
    Root = 2,
    /// what scoring needs of nodes
    Codes = 3,
    /// links of level 0
    Nodes = 4,
    /// links of the levels above
    Upper = 5,
    /// from slots to nodes
    Map = 6,
    /// slots that wait to be drained
    Pending = 7,
    /// what is subtracted from vectors before they are coded
    Centroid = 8,
    /// keys of included columns
    Included = 9,
}

impl GraphPageKind {
    /// The format versions of its pages that this library reads.
    #[must_use]
    pub const fn versions(self) -> Versions {
        match self {
            // written as 2 only where there are included columns
            Self::Meta | Self::Root => Versions { oldest: 1, newest: 2 },
            Self::Codes | Self::Nodes | Self::Upper | Self::Map | Self::Pending | Self::Centroid | Self::Included => {
                Versions { oldest: 1, newest: 1 }
            }
        }
    }
}

/// The version of meta and root pages of an index with included columns.
pub const WITH_INCLUDED: u8 = 2;

/// The index's own header of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// what the page is for
    pub kind: GraphPageKind,
    /// its graph
    pub graph: GraphNo,
    /// its number within its area
    pub ordinal: u32,
}

impl Header {
    /// The 16 bytes from offset 24.
    #[must_use]
    pub fn encode(&self) -> [u8; 16] {
        page::encode(MAGIC, self.kind as u8, self.kind.versions(), self.graph.0, self.ordinal)
    }

    /// As [`Header::encode`], of a meta or root page: what an index without included columns writes is of version 1, as before
    /// there were any.
    #[must_use]
    pub fn encode_with(&self, has_included: bool) -> [u8; 16] {
        page::in_version(self.encode(), if has_included { WITH_INCLUDED } else { 1 })
    }

    /// Whether `page` is exactly the page that this header describes.
    #[inline]
    #[must_use]
    pub fn matches(&self, page: &PageBytes) -> bool {
        page::matches(page, &self.encode(), self.kind.versions())
    }

    /// `Ok` when `page` is the page that this header describes, otherwise what is wrong with it.
    ///
    /// # Errors
    /// [`Damage`] naming the first field that is off.
    pub fn check(&self, page: &PageBytes) -> Result<(), Damage> {
        page::check(page, &self.encode(), self.kind.versions(), "graph")
    }
}

/// The meta page's payload.
///
/// ```text
/// 40  m u16 | 42 dims u16 | 44 metric u8 | 45 element type u8 (0 float4, else its number) | 46 reserved 2
/// 48  graphs u32 | 52 included columns u8 (0 in version 1) | 53 reserved 11
/// 64  graphs: (segment tag u32, root block u32) each
/// at the page's end, the first one last: included columns, 8 bytes each
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaPage {
    /// links of a node above level 0
    pub m: u16,
    /// what the column's vectors are
    pub shape: VectorShape,
    /// the operator class's metric
    pub metric: Metric,
    /// what is kept of included columns
    pub columns: Vec<IncludedColumn>,
    /// for each graph its segment and its root page's block
    pub graphs: Vec<(SegmentTag, u32)>,
}

impl MetaPage {
    const COUNT: usize = 48;
    const COLUMNS: usize = 52;
    const LIST: usize = 64;
    /// Its header.
    pub const HEADER: Header = Header { kind: GraphPageKind::Meta, graph: GraphNo(0), ordinal: 0 };

    /// Reads the page.
    ///
    /// # Errors
    /// [`Damage`] when it is not a sound meta page.
    pub fn decode(page: &PageBytes) -> Result<Self, Damage> {
        Self::HEADER.check(page)?;
        let metric = Metric::of_number(page[44]).ok_or_else(|| Damage(format!("metric {} is not known", page[44])))?;
        let column_count = if page::version(page) < WITH_INCLUDED { 0 } else { usize::from(page[Self::COLUMNS]) };
        if column_count > IncludedColumn::MOST {
            return Err(Damage(format!("number of included columns {column_count} is out of range")));
        }
        let count = u32_at(page, Self::COUNT) as usize;
        if count > Self::most_graphs(column_count) {
            return Err(Damage(format!("number of graphs {count} is out of range")));
        }
        let columns: Option<Vec<_>> = (0..column_count)
            .map(|i| IncludedColumn::decode(&page[Self::column_at(i)..Self::column_at(i) + IncludedColumn::BYTES]))
            .collect();
        let columns = columns.ok_or_else(|| Damage("kind of an included column is not known".into()))?;
        let (m, dims) = (u16_at(page, 40), u16_at(page, 42));
        let element = match page[45] {
            0 => Some(ElementType::Float4),
            number => ElementType::of_number(number),
        };
        let element = element.ok_or_else(|| Damage(format!("element type {} is not known", page[45])))?;
        if !(2..=256).contains(&m) || dims == 0 {
            return Err(Damage(format!("m = {m} or dimensions {dims} are out of range")));
        }
        let graphs: Vec<_> = (0..count)
            .map(|i| (SegmentTag(u32_at(page, Self::LIST + 8 * i)), u32_at(page, Self::LIST + 8 * i + 4)))
            .collect();
        if graphs.iter().any(|graph| graph.1 == 0) {
            return Err(Damage("a graph's block number is 0".into()));
        }
        Ok(Self { m, shape: VectorShape { element, dims }, metric, columns, graphs })
    }

    /// The most graphs of an index with so many included columns.
    #[must_use]
    pub const fn most_graphs(columns: usize) -> usize {
        (PAGE_BYTES - Self::LIST) / 8 - columns
    }

    const fn column_at(column: usize) -> usize {
        PAGE_BYTES - (column + 1) * IncludedColumn::BYTES
    }

    /// The header of a new page.
    #[must_use]
    pub fn encode_header(&self) -> [u8; 16] {
        Self::HEADER.encode_with(!self.columns.is_empty())
    }

    /// What a new page of no graphs holds.
    #[must_use]
    pub fn encode_parameters(&self) -> Vec<Fragment> {
        let mut bytes = Vec::with_capacity(8);
        bytes.extend_from_slice(&self.m.to_le_bytes());
        bytes.extend_from_slice(&self.shape.dims.to_le_bytes());
        let element = match self.shape.element {
            ElementType::Float4 => 0,
            other => other.info().number,
        };
        bytes.extend_from_slice(&[self.metric.number(), element, 0, 0]);
        let mut fragments = vec![(PAYLOAD_START, bytes)];
        if !self.columns.is_empty() {
            fragments.push((Self::COLUMNS, vec![self.columns.len() as u8]));
            let each = self.columns.iter().enumerate();
            fragments.extend(each.map(|(i, column)| (Self::column_at(i), column.encode().to_vec())));
        }
        fragments
    }

    /// The changes that append a graph to a list of `count`.
    #[must_use]
    pub fn append(count: usize, tag: SegmentTag, block: u32) -> [Fragment; 2] {
        let entry = [tag.0.to_le_bytes(), block.to_le_bytes()].concat();
        [(Self::COUNT, (count as u32 + 1).to_le_bytes().to_vec()), (Self::LIST + 8 * count, entry)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::graph::included::KeyKind;

    fn put(page: &mut PageBytes, fragments: &[Fragment]) {
        for (at, bytes) in fragments {
            page[*at..at + bytes.len()].copy_from_slice(bytes);
        }
    }

    #[test]
    fn meta_page_round_trip() {
        let mut page = [0; PAGE_BYTES];
        page[24..40].copy_from_slice(&MetaPage::HEADER.encode_with(false));
        assert_eq!(page[29], 1);
        let shape = VectorShape::float4(784);
        let mut meta = MetaPage { m: 16, shape, metric: Metric::Cosine, columns: Vec::new(), graphs: Vec::new() };
        put(&mut page, &meta.encode_parameters());
        assert_eq!(page[40..48], [16, 0, 0x10, 3, 3, 0, 0, 0]);
        for (i, graph) in [(SegmentTag(5), 7), (SegmentTag(6), 90)].into_iter().enumerate() {
            put(&mut page, &MetaPage::append(i, graph.0, graph.1));
            meta.graphs.push(graph);
            assert_eq!(MetaPage::decode(&page), Ok(meta.clone()));
        }
        page[45] = 3;
        let int8 = VectorShape { element: ElementType::Int8, ..shape };
        assert_eq!(MetaPage::decode(&page), Ok(MetaPage { shape: int8, ..meta.clone() }));
        put(&mut page, &MetaPage { shape: int8, ..meta }.encode_parameters());
        assert_eq!(page[40..48], [16, 0, 0x10, 3, 3, 3, 0, 0]);
        let column = |kind, hash| IncludedColumn { kind, hash };
        let columns = vec![column(KeyKind::Integer, 0), column(KeyKind::Hash, 0x0102_0304)];
        let with_columns = MetaPage { columns, graphs: vec![(SegmentTag(5), 7)], shape, m: 16, metric: Metric::L2 };
        let mut other = [0; PAGE_BYTES];
        other[24..40].copy_from_slice(&with_columns.encode_header());
        put(&mut other, &with_columns.encode_parameters());
        put(&mut other, &MetaPage::append(0, SegmentTag(5), 7));
        assert_eq!(MetaPage::decode(&other), Ok(with_columns));
        // as design/format.md has it
        assert_eq!((other[29], other[52]), (2, 2));
        assert_eq!(other[PAGE_BYTES - 16..], [9, 0, 0, 0, 4, 3, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
        other[PAGE_BYTES - 8] = 99;
        assert!(MetaPage::decode(&other).unwrap_err().0.contains("included column"));
        page[45] = 99;
        assert!(MetaPage::decode(&page).is_err());
        (page[44], page[45]) = (9, 0);
        assert!(MetaPage::decode(&page).is_err());
    }

    #[test]
    fn headers_tell_what_is_wrong() {
        let header = Header { kind: GraphPageKind::Codes, graph: GraphNo(3), ordinal: 9 };
        let mut page = [0; PAGE_BYTES];
        assert!(header.check(&page).unwrap_err().0.contains("magic"));
        page[24..40].copy_from_slice(&header.encode());
        assert!(header.matches(&page) && header.check(&page).is_ok());
        let other = Header { ordinal: 8, ..header };
        assert!(other.check(&page).unwrap_err().0.contains("page number 9"));
        let other = Header { graph: GraphNo(2), ..header };
        assert!(other.check(&page).unwrap_err().0.contains("graph 3"));
        let other = Header { kind: GraphPageKind::Map, ..header };
        assert!(other.check(&page).unwrap_err().0.contains("kind 3"));
    }
}
