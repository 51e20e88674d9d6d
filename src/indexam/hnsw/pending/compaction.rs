//! Moving the pending list back to the front of its area.
//!
//! What is drained leaves the list at its front, what is inserted is added at its end, so under steady inserts the list
//! wanders. When it is empty it starts at 0 again; where it never is, it is moved once it has wandered far.
//!
//! Entries are copied first, to places before the list, which mean nothing until the root page's record says where the list
//! is now; that record also copies what was added meanwhile. A crash before it leaves the list where it was. A scan that reads
//! the list by an older root page finds the entries where they were, unless so many were added since that they took those
//! places too; so it looks at the root page again, and reads once more if the list begins farther to the front than before
//! ([`crate::indexam::hnsw::pages::Graph::pending_and_now`]). If it does not, although it was moved, everything that was moved has been
//! drained since and is in the graph.

#![forbid(unsafe_code)]

use crate::format::graph::{Area, Entry, Root, Shape};
use crate::indexam::hnsw::maintenance::writer::GraphWriter;
use crate::pg::buffer;
use crate::pg::failpoint::hit;
use crate::pg::wal;
use crate::pg::wal::Change;

/// So many entries' places may lie unused before the list.
const MOST_BEFORE: u32 = if cfg!(feature = "failpoints") { 4 } else { 16 * Shape::PENDING.per_page };

fn bytes_of(entries: &[Entry]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.encode()).collect()
}

impl GraphWriter {
    /// Moves the pending list to the front if it has wandered far and there is twice the room that it takes.
    pub fn move_pending_to_front(&self) {
        if self.graph().root.pending_start < MOST_BEFORE {
            return;
        }
        self.refresh();
        let graph = self.graph().clone();
        let (start, count) = (graph.root.pending_start, graph.root.pending());
        if start < MOST_BEFORE || count > start / 2 {
            return;
        }
        let rel = graph.index.relation();
        let entries = graph.pending();
        let mut left = entries.as_slice();
        for portion in Shape::PENDING.portions(0..count) {
            pgrx::check_for_interrupts!();
            let (now, later) = left.split_at(portion.count);
            left = later;
            let page = graph.pin(Area::Pending, portion.ordinal).exclusive();
            let mut change = Change::new(&page);
            change.put(portion.at, &bytes_of(now));
            wal::apply(rel, &[change]);
        }
        hit("pending.copied");
        // the pages that will be wanted are read before the root page is locked, which everybody wants
        let known = graph.map.page.area(Area::Pending).pages() * Shape::PENDING.per_page;
        let read_from = |from: u32| -> Vec<_> {
            let places = from..(from + Shape::PENDING.per_page).min(known);
            Shape::PENDING.portions(places).map(|at| graph.pin(Area::Pending, at.ordinal)).collect()
        };
        let read = (read_from(count), read_from(start + count));
        // nobody adds while the root page is locked; pages are locked in the order root, pending
        {
            let root_page = buffer::read(rel, graph.map.block).exclusive();
            let mut root = Root::decode(root_page.page());
            let added = root.pending() - count;
            if added > Shape::PENDING.per_page || root.pending_end > known {
                // too many for one record, or on pages that are not known yet: next time
                return;
            }
            let last = graph.pending_of(root.pending_end - added..root.pending_end);
            (root.pending_start, root.pending_end) = (0, count + added);
            let mut on_root = Change::new(&root_page);
            on_root.put_all(&[root.encode_pending()]);
            let portions: Vec<_> = Shape::PENDING.portions(count..count + added).collect();
            let pages: Vec<_> = portions.iter().map(|at| graph.pin(Area::Pending, at.ordinal).exclusive()).collect();
            let mut changes = vec![on_root];
            let mut left = last.as_slice();
            for (page, portion) in pages.iter().zip(&portions) {
                let (now, later) = left.split_at(portion.count);
                left = later;
                let mut change = Change::new(page);
                change.put(portion.at, &bytes_of(now));
                changes.push(change);
            }
            wal::apply(rel, &changes);
        }
        drop(read);
        hit("pending.moved");
        self.refresh();
    }
}
