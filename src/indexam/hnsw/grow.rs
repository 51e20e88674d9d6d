//! Adding graphs to an index and pages to a graph's areas.
//!
//! New pages are first logged as empty pages, then made pages of their area and entered in the root page's extent list in
//! one record. A crash in between leaves at most three empty pages that nothing leads to.

#![forbid(unsafe_code)]

use crate::error::{Error, SqlState};
use crate::format::graph::area::growth as area_growth;
use crate::format::graph::{Area, GraphNo, GraphRootPage, Header, MetaPage};
use crate::format::store::{Extent, SegmentTag};
use crate::indexam::hnsw::pages::{Graph, Index, damaged};
use crate::pg::buffer;
use crate::pg::buffer::Exclusive;
use crate::pg::error::raise;
use crate::pg::failpoint::hit;
use crate::pg::relation::ExtensionLock;
use crate::pg::wal;
use crate::pg::wal::Change;

impl Index {
    /// Adds empty pages. The caller holds the extension lock.
    fn add_pages(&self, count: u32) -> Vec<Exclusive> {
        let pages: Vec<_> = (0..count).map(|_| buffer::extend(self.relation())).collect();
        wal::initialise(self.relation(), &pages);
        hit("index.extended");
        pages
    }

    /// The graph over segment `tag`, made if there is none.
    #[must_use]
    pub fn graph_for(&self, tag: SegmentTag) -> Graph {
        if let Some(graph) = self.graph_of(tag) {
            return graph;
        }
        let lock = ExtensionLock::acquire(self.relation());
        if let Some(graph) = self.graph_of(tag) {
            return graph;
        }
        hit("index.graph");
        let meta = self.meta();
        let no = GraphNo(meta.graphs.len() as u32);
        if meta.graphs.len() >= MetaPage::most_graphs(meta.columns.len()) {
            raise(
                Error::new(SqlState::ProgramLimitExceeded, "index has the most graphs that it can have")
                    .hint("Split the table into partitions."),
            );
        }
        let meta_page = buffer::read(self.relation(), 0).exclusive();
        let pages = self.add_pages(1);
        let block = pages[0].block();
        let codes = meta.shape.element.info().codes;
        let page = GraphRootPage::new(tag, meta.shape.dims, codes, meta.metric, !meta.columns.is_empty());
        let mut on_meta = Change::new(&meta_page);
        on_meta.put_all(&MetaPage::append(meta.graphs.len(), tag, block));
        let mut on_root = Change::new(&pages[0]);
        on_root.make_page(page.encode_header(no));
        on_root.put_all(&page.encode().unwrap_or_default());
        wal::apply(self.relation(), &[on_meta, on_root]);
        hit("index.graph_entered");
        drop((meta_page, pages));
        drop(lock);
        let _ = self.meta();
        self.graph(no, block)
    }
}

impl Graph {
    /// The graph with at least `needed` pages in `area`.
    #[must_use]
    pub fn with_pages(&self, area: Area, needed: u32) -> Self {
        if needed <= self.map.page.area(area).pages() {
            return self.clone();
        }
        let rel = self.index.relation();
        let lock = ExtensionLock::acquire(rel);
        let mut now = self.now();
        let have = now.map.page.area(area).pages();
        let most = now.map.page.most_extents();
        let mut left = if have < needed { area_growth(now.map.page.area(area), needed - have, most) } else { 0 };
        while left > 0 {
            pgrx::check_for_interrupts!();
            let batch = left.min(wal::MAX_PAGES as u32 - 1);
            let pages = self.index.add_pages(batch);
            let root_page = buffer::read(rel, now.map.block).exclusive();
            let before = GraphRootPage::decode(root_page.page(), now.map.no, now.map.m, rel.blocks());
            let before = match before {
                Ok(before) => before,
                Err(damage) => {
                    drop(root_page);
                    damaged(rel, now.map.block, &damage)
                }
            };
            let mut page = before.clone();
            page.layout = page.layout.wrapping_add(1);
            let first = page.area(area).pages();
            let contiguous = pages.windows(2).all(|w| w[0].block() + 1 == w[1].block());
            let extent = Extent { start: pages[0].block(), pages: batch };
            let grown = contiguous && page.areas[area as usize].push(extent);
            let Some(fragments) = page.encode_growth(&before).filter(|_| grown) else {
                drop(root_page);
                let name = rel.name();
                raise(
                    Error::new(
                        SqlState::ProgramLimitExceeded,
                        format!("graph {} of index \"{name}\" has too many extents", now.map.no.0),
                    )
                    .hint("REINDEX the index to lay it out anew."),
                )
            };
            let mut changes = vec![Change::new(&root_page)];
            changes[0].put_all(&fragments);
            for (i, added) in pages.iter().enumerate() {
                let mut change = Change::new(added);
                let header = Header { kind: area.kind(), graph: now.map.no, ordinal: first + i as u32 };
                change.make_page(header.encode());
                changes.push(change);
            }
            wal::apply(rel, &changes);
            hit("index.grown");
            drop(changes);
            drop(root_page);
            drop(pages);
            left -= batch;
        }
        now = now.now();
        drop(lock);
        now
    }
}
