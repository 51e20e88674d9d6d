//! A graph's pages: what a backend remembers of them, and how it reads them.
//!
//! A backend remembers block numbers, and hints of the buffers in which pages were last found, never a pin. The root page's layout
//! number tells when extents were added. Areas only grow, so extents that are remembered are never wrong, only too few.

use crate::distance::Metric;
use crate::error::{Error, SqlState};
use crate::format::graph::area::AREAS;
use crate::format::graph::{
    Area, CodeShape, Entry, GraphNo, GraphRootPage, Header, IncludedColumn, IncludedShape, MapEntry, MetaPage, Root,
    Shape,
};
use crate::format::page::{Damage, PageBytes};
use crate::format::store::slot_set::Positions;
use crate::format::store::{Blocks, Position, SegmentTag};
use crate::hnsw::{Node, level_of};
use crate::indexam::hnsw::included::keys::KeyMaker;
use crate::pg::buffer::hints::{Hints, hints_of};
use crate::pg::buffer::optimistic;
use crate::pg::buffer::optimistic::Looker;
use crate::pg::buffer::thread_pin::Pin;
use crate::pg::compat::FileNode;
use crate::pg::error::raise;
use crate::pg::relation::Rel;
use crate::pg::{buffer, memory, settings};
use crate::quant::Codec;
use pgrx::pg_sys;
use std::cell::{OnceCell, RefCell};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

/// Raises the error for a damaged page, naming index and block.
pub fn damaged(index: Rel<'_>, block: u32, damage: &Damage) -> ! {
    let name = index.name();
    raise(
        Error::new(SqlState::DataCorrupted, format!("invalid page in block {block} of index \"{name}\": {}", damage.0))
            .hint("REINDEX the index."),
    )
}

/// What a backend remembers of one graph.
pub struct GraphMap {
    /// number within the index
    pub no: GraphNo,
    /// block of the root page
    pub block: u32,
    /// the root page, its counters as of when it was read
    pub page: GraphRootPage,
    /// links above level 0
    pub m: u16,
    node: FileNode,
    hints: Hints,
    /// where codes lie
    pub codes: CodeShape,
    /// where nodes lie
    pub nodes: Shape,
    /// where upper links lie
    pub upper: Shape,
    /// where keys of included columns lie
    pub included: IncludedShape,
    blocks: [Blocks; AREAS],
    codec: OnceCell<Arc<Codec>>,
}

/// What a backend remembers of one index.
struct IndexMap {
    relid: u32,
    file: u32,
    meta: MetaPage,
    /// how keys of included columns are made, once that was asked
    keys: Option<Rc<KeyMaker>>,
    graphs: Vec<Rc<GraphMap>>,
}

thread_local! {
    static MAPS: RefCell<Vec<IndexMap>> = const { RefCell::new(Vec::new()) };
}

/// How many indexes are remembered.
const MOST: usize = 64;

/// An open index.
#[derive(Clone, Copy)]
pub struct Index {
    rel: Rel<'static>,
}

impl Index {
    /// The open index `rel`, which must stay open as long as the value lives.
    #[must_use]
    pub unsafe fn of(rel: Rel<'_>) -> Self {
        // SAFETY: by contract
        Self { rel: unsafe { Rel::of(rel.raw()) } }
    }

    /// The server's handle.
    #[must_use]
    pub fn relation(&self) -> Rel<'static> {
        self.rel
    }

    fn key(&self) -> (u32, u32) {
        (self.rel.oid().to_u32(), self.rel.node().number())
    }

    /// Runs `with` on what is remembered of the index.
    fn remembered<R>(&self, with: impl FnOnce(&mut IndexMap) -> R) -> R {
        let (relid, file) = self.key();
        let find = |maps: &Vec<IndexMap>| maps.iter().rposition(|map| map.relid == relid && map.file == file);
        let at = MAPS.with_borrow(find).unwrap_or_else(|| {
            let meta = self.read_meta();
            MAPS.with_borrow_mut(|maps| {
                maps.retain(|map| map.relid != relid);
                if maps.len() >= MOST {
                    maps.swap_remove(memory::victim(maps.len()));
                }
                maps.push(IndexMap { relid, file, meta, keys: None, graphs: Vec::new() });
                maps.len() - 1
            })
        });
        MAPS.with_borrow_mut(|maps| with(&mut maps[at]))
    }

    /// Forgets what is remembered of the index: it is built anew, perhaps in the same file, after a TRUNCATE of a table that
    /// the transaction itself has made.
    pub fn forget(&self) {
        let relid = self.key().0;
        MAPS.with_borrow_mut(|maps| maps.retain(|map| map.relid != relid));
    }

    fn read_meta(&self) -> MetaPage {
        if self.rel.blocks() == 0 {
            damaged(self.rel, 0, &Damage("the index is empty, its meta page is missing".into()));
        }
        let page = buffer::read(self.rel, 0).share();
        let meta = MetaPage::decode(page.page());
        drop(page);
        meta.unwrap_or_else(|damage| damaged(self.rel, 0, &damage))
    }

    /// Parameters and list of graphs, as the meta page has them now.
    #[must_use]
    pub fn meta(&self) -> MetaPage {
        let meta = self.read_meta();
        self.remembered(|map| map.meta = meta.clone());
        meta
    }

    /// What is kept of its included columns.
    #[must_use]
    pub fn columns(&self) -> Vec<IncludedColumn> {
        self.remembered(|map| map.meta.columns.clone())
    }

    /// Makes the keys of rows; `None` for an index without included columns.
    #[must_use]
    pub fn key_maker(&self) -> Option<Rc<KeyMaker>> {
        let known =
            self.remembered(|map| if map.meta.columns.is_empty() { Some(None) } else { map.keys.clone().map(Some) });
        if let Some(known) = known {
            return known;
        }
        let made = Rc::new(KeyMaker::new(self.rel, &self.columns()));
        self.remembered(|map| map.keys = Some(made.clone()));
        Some(made)
    }

    /// The index's graphs as they are now.
    #[must_use]
    pub fn graphs(&self) -> Vec<Graph> {
        let listed = self.meta().graphs;
        (0..listed.len()).map(|no| self.graph(GraphNo(no as u32), listed[no].1)).collect()
    }

    /// The graph over segment `tag`, if there is one.
    #[must_use]
    pub fn graph_of(&self, tag: SegmentTag) -> Option<Graph> {
        let find =
            |meta: &MetaPage| meta.graphs.iter().position(|graph| graph.0 == tag).map(|no| (no, meta.graphs[no].1));
        let found = self.remembered(|map| find(&map.meta)).or_else(|| find(&self.meta()));
        found.map(|(no, block)| self.graph(GraphNo(no as u32), block))
    }

    /// Graph `no`, whose root page is `block`, as it is now.
    #[must_use]
    pub fn graph(&self, no: GraphNo, block: u32) -> Graph {
        let known = self.remembered(|map| map.graphs.iter().any(|known| known.no == no));
        if !known && block >= self.rel.blocks() {
            damaged(self.rel, 0, &Damage(format!("block {block} of graph {} is past the end", no.0)));
        }
        let shared = buffer::read(self.rel, block).share();
        let header = GraphRootPage::header(no);
        if let Err(damage) = header.check(shared.page()) {
            drop(shared);
            damaged(self.rel, block, &damage);
        }
        let layout = GraphRootPage::layout_of(shared.page());
        let root = Root::decode(shared.page());
        let known = self
            .remembered(|map| map.graphs.iter().find(|known| known.no == no && known.page.layout == layout).cloned());
        if let Some(map) = known {
            return Graph { index: *self, map, root };
        }
        let image = *shared.page();
        drop(shared);
        let (m, columns) = self.remembered(|map| (map.meta.m, map.meta.columns.len()));
        let page = GraphRootPage::decode(&image, no, m, self.rel.blocks())
            .unwrap_or_else(|damage| damaged(self.rel, block, &damage));
        if page.has_included == (columns == 0) {
            damaged(
                self.rel,
                block,
                &Damage("it is not as the meta page has it whether there are included columns".into()),
            );
        }
        let map = self.remembered(|index| {
            let before = index.graphs.iter().position(|known| known.no == no);
            let before = before.map(|at| index.graphs.swap_remove(at));
            let map = Rc::new(GraphMap::new(self.rel, no, block, page, (m, columns), before.as_deref()));
            index.graphs.push(map.clone());
            map
        });
        Graph { index: *self, map, root }
    }
}

impl GraphMap {
    fn new(
        rel: Rel<'_>,
        no: GraphNo,
        block: u32,
        page: GraphRootPage,
        (m, columns): (u16, usize),
        before: Option<&Self>,
    ) -> Self {
        let blocks = std::array::from_fn(|area| Blocks::of(&page.areas[area]));
        // parameters that are learned anew get pages of their own
        let centroid = Area::Centroid as usize;
        let same = before.filter(|map| map.page.areas[centroid] == page.areas[centroid]);
        let codec = match same.and_then(|map| map.codec.get()) {
            Some(codec) => OnceCell::from(codec.clone()),
            None => OnceCell::new(),
        };
        let (node, hints) = (rel.node(), hints_of(rel));
        let codes = CodeShape::new(page.code_bytes());
        let (nodes, upper) = (Shape::nodes(m), Shape::upper(m));
        let included = IncludedShape::new(columns);
        Self { no, block, page, m, node, hints, codes, nodes, upper, included, blocks, codec }
    }
}

/// A block, and the shared buffer that it may be in; 0 when that is not known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whereabouts {
    /// the block
    pub block: u32,
    /// the buffer
    pub buffer: pg_sys::Buffer,
}

/// A graph with its counters as of when it was looked up.
#[derive(Clone)]
pub struct Graph {
    /// the index
    pub index: Index,
    /// what is remembered of it
    pub map: Rc<GraphMap>,
    /// its counters
    pub root: Root,
}

impl Graph {
    /// The same graph as it is now.
    #[must_use]
    pub fn now(&self) -> Self {
        self.index.graph(self.map.no, self.map.block)
    }

    /// The number of the file that it is in.
    #[must_use]
    pub fn file(&self) -> u32 {
        self.map.node.number()
    }

    /// The metric of its codes.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.map.page.metric
    }

    #[inline(always)]
    fn known_block(&self, area: Area, ordinal: u32) -> Option<u32> {
        self.map.blocks[area as usize].get(ordinal, &self.map.page.areas[area as usize])
    }

    #[inline(always)]
    fn block(&self, area: Area, ordinal: u32) -> u32 {
        match self.known_block(area, ordinal) {
            Some(block) => block,
            None => {
                let what = format!("page {ordinal} of an area of graph {} does not exist", self.map.no.0);
                damaged(self.index.rel, self.map.block, &Damage(what))
            }
        }
    }

    /// Pins page `ordinal` of `area`, and remembers its buffer.
    #[must_use]
    pub fn pin(&self, area: Area, ordinal: u32) -> buffer::Pinned {
        let block = self.block(area, ordinal);
        let rel = self.index.rel;
        // SAFETY: open; the server checks that a remembered buffer still holds the block
        unsafe {
            // known only of pages that somebody has looked at
            let known = self.map.hints.get(block);
            if known > 0
                && let Some(pinned) = buffer::pin_recent(self.map.node, block, known)
            {
                return pinned;
            }
            let pinned = buffer::Pinned::adopt(pg_sys::ReadBuffer(rel.raw(), block));
            let header = Header { kind: area.kind(), graph: self.map.no, ordinal };
            if !header.matches(pinned.page())
                && let Err(damage) = header.check(pinned.page())
            {
                drop(pinned);
                damaged(rel, block, &damage);
            }
            self.map.hints.set(block, pinned.buffer());
            pinned
        }
    }

    /// Where page `ordinal` of `area` may be.
    #[inline(always)]
    #[must_use]
    pub fn whereabouts(&self, area: Area, ordinal: u32) -> Whereabouts {
        let place = |block| Whereabouts { block, buffer: self.map.hints.get(block) };
        self.known_block(area, ordinal).map_or(Whereabouts::default(), place)
    }

    /// What `see` makes of a page whose bytes are of use whether or not they change meanwhile (see [`optimistic`]). It may be
    /// called twice; the second time counts. The caller has no page locked.
    #[inline(always)]
    pub fn look<R>(&self, area: Area, ordinal: u32, mut see: impl FnMut(&PageBytes) -> R) -> R {
        match self.glance(area, ordinal, &mut see) {
            Some(seen) => seen,
            None => self.see(area, ordinal, see),
        }
    }

    /// What `see` makes of a page that the server is asked for: pinned, and locked while `zvec.optimistic_reads` is off. The
    /// caller has no page locked, of this index or another relation.
    #[inline]
    pub fn see<R>(&self, area: Area, ordinal: u32, see: impl FnOnce(&PageBytes) -> R) -> R {
        let at = self.whereabouts(area, ordinal);
        let block = optimistic::Block { node: self.map.node, number: at.block };
        // SAFETY: buffers of this index are shared ones, or none is remembered; `see` only reads
        if let Some(pin) = unsafe { Pin::for_a_moment(at.buffer, &block) } {
            return see(pin.page());
        }
        let page = self.pin(area, ordinal);
        if settings::optimistic_reads() { see(page.page()) } else { see(page.share().page()) }
    }

    /// As [`Graph::look`], if the page is where it was last found; it may be refused even so (see [`optimistic`]).
    #[inline(always)]
    pub fn glance<R>(&self, area: Area, ordinal: u32, see: impl FnOnce(&PageBytes) -> R) -> Option<R> {
        Self::glance_at(self.looker(), self.whereabouts(area, ordinal), see)
    }

    /// Who looks at the graph's pages.
    #[inline(always)]
    #[must_use]
    pub fn looker(&self) -> Option<Looker> {
        Looker::of(self.map.node)
    }

    /// As [`Graph::glance`], of the page that may be there, by the graph's [`Graph::looker`].
    #[inline(always)]
    pub fn glance_at<R>(looker: Option<Looker>, at: Whereabouts, see: impl FnOnce(&PageBytes) -> R) -> Option<R> {
        if at.buffer <= 0 || optimistic::is_refused() {
            return None;
        }
        // SAFETY: `see` only reads; buffers of this index are shared ones, or none is remembered
        unsafe { looker?.look(at.buffer, at.block, see) }
    }

    /// Whether page `ordinal` of `area` is where it was last found.
    #[inline]
    fn is_found(&self, area: Area, ordinal: u32) -> bool {
        let at = self.whereabouts(area, ordinal);
        let block = optimistic::Block { node: self.map.node, number: at.block };
        // SAFETY: buffers of this index are shared ones, or none is remembered
        at.buffer > 0 && unsafe { optimistic::holds(at.buffer, &block) }
    }

    /// Unless the first of these pages of `area` is where it was last found, asks the kernel to read all ahead that are not.
    #[inline]
    pub fn read_ahead(&self, area: Area, ordinals: impl Iterator<Item = u32>) {
        let block = |ordinal| std::iter::once(self.block(area, ordinal));
        buffer::read_ahead(self.index.rel, ordinals, |&ordinal| self.is_found(area, ordinal), block)
    }

    /// A page's bytes under a share lock: for what must be whole.
    pub fn read<R>(&self, area: Area, ordinal: u32, see: impl FnOnce(&PageBytes) -> R) -> R {
        let page = self.pin(area, ordinal).share();
        see(page.page())
    }

    /// Where the slot at `position` is in the index.
    #[must_use]
    pub fn place(&self, position: Position) -> Option<MapEntry> {
        let (ordinal, at) = Shape::MAP.at(position.0);
        (ordinal < self.map.page.area(Area::Map).pages())
            .then(|| self.read(Area::Map, ordinal, |page| MapEntry::decode(&page[at..at + Shape::MAP.entry_bytes])))
    }

    /// Calls `visit` with where the slots at these positions are in the index, as far as the map has room for them. The map's
    /// page is locked meanwhile: `visit` looks at no other.
    pub fn places(&self, positions: Positions<'_>, mut visit: impl FnMut(Position, MapEntry)) {
        for ordinal in 0..self.map.page.area(Area::Map).pages() {
            pgrx::check_for_interrupts!();
            let first = ordinal * Shape::MAP.per_page;
            let (range, mut any) = (first..first + Shape::MAP.per_page, false);
            positions.each_in(range.clone(), |_| any = true);
            if any {
                self.read(Area::Map, ordinal, |page| {
                    positions.each_in(range, |position| {
                        let at = Shape::MAP.at(position.0).1;
                        visit(position, MapEntry::at(page, at));
                    });
                });
            }
        }
    }

    /// The entries of the pending list, oldest first.
    #[must_use]
    pub fn pending(&self) -> Vec<Entry> {
        self.pending_of(self.root.pending_start..self.root.pending_end)
    }

    /// The entries at some places of the pending list's area.
    #[must_use]
    pub fn pending_of(&self, places: Range<u32>) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(places.len());
        for portion in Shape::PENDING.portions(places) {
            self.read(Area::Pending, portion.ordinal, |page| {
                entries.extend(portion.of(page).chunks_exact(Shape::PENDING.entry_bytes).map(Entry::decode));
            });
        }
        entries
    }

    /// The pending list, and the graph as it is after it was read: what had left the list by then is in that graph. The list
    /// is read again when it was moved to the front meanwhile (see [`crate::indexam::hnsw::pending::compaction`]).
    #[must_use]
    pub fn pending_and_now(&self) -> (Vec<Entry>, Self) {
        let mut graph = self.clone();
        loop {
            let pending = graph.pending();
            let now = graph.now();
            if now.root.pending_start >= graph.root.pending_start {
                return (pending, now);
            }
            pgrx::check_for_interrupts!();
            graph = now;
        }
    }

    /// The codes' parameters; the graph must be trained.
    #[must_use]
    pub fn codec(&self) -> Arc<Codec> {
        let read = || {
            let dims = self.map.page.code_bytes();
            let mut centroid = Vec::with_capacity(dims);
            while centroid.len() < dims {
                let (ordinal, at) = Shape::CENTROID.at(centroid.len() as u32);
                let count = (dims - centroid.len()).min(Shape::CENTROID.per_page as usize);
                self.read(Area::Centroid, ordinal, |page| {
                    let floats = page[at..at + 4 * count].as_chunks::<4>().0;
                    centroid.extend(floats.iter().map(|&bytes| f32::from_le_bytes(bytes)));
                });
            }
            Arc::new(Codec::of_kind(self.map.page.codes, self.metric(), dims, centroid, self.root.scale))
        };
        self.map.codec.get_or_init(read).clone()
    }
}

/// The level of a graph's node.
#[must_use]
pub fn level(graph: &Graph, node: Node) -> u8 {
    let seed = u64::from(graph.map.page.tag.0) << 32 | u64::from(node);
    level_of(seed, usize::from(graph.map.m))
}
