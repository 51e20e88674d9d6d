//! `aminsert`: a row's vector is noted in the pending list of its segment's graph. No graph is walked.

#![forbid(unsafe_code)]

use crate::format::graph::{Area, Entry, MapEntry, MapPlace, Root, Shape};
use crate::indexam::hnsw::pages::{Graph, Index};
use crate::pg::buffer;
use crate::pg::failpoint::hit;
use crate::pg::wal;
use crate::pg::wal::Change;

impl Graph {
    /// Whether the index has this very vector already.
    #[must_use]
    pub fn has(&self, entry: Entry) -> bool {
        self.place(entry.slot.position())
            .is_some_and(|known| known.place != MapPlace::None && known.generation == entry.generation)
    }

    /// Appends `entry` to the pending list. Returns the counters then; `None` when the index has it already.
    pub fn append(self, entry: Entry) -> Option<Root> {
        let position = entry.slot.position().0;
        let (map_page, map_at) = Shape::MAP.at(position);
        let mut graph = self.with_pages(Area::Map, map_page + 1);
        if graph.has(entry) {
            return None;
        }
        let rel = graph.index.relation();
        // The root page is everybody's: while it is locked no page is read that may have to come from the disk. So the others
        // are pinned before, the list's by where it ended when it was looked at.
        let mut end = graph.root.pending_end;
        loop {
            pgrx::check_for_interrupts!();
            let expected = Shape::PENDING.at(end).0;
            graph = graph.with_pages(Area::Pending, expected + 1);
            let (map, pending) = (graph.pin(Area::Map, map_page), graph.pin(Area::Pending, expected));
            hit("index.append_read");
            // pages are locked in the order root, map, pending
            let root_page = buffer::read(rel, graph.map.block).exclusive();
            let mut root = Root::decode(root_page.page());
            let (pending_page, pending_at) = Shape::PENDING.at(root.pending_end);
            if pending_page != expected {
                // meanwhile others have filled it, or the list has begun anew
                end = root.pending_end;
                continue;
            }
            let map = map.exclusive();
            let known = MapEntry::decode(&map.page()[map_at..map_at + Shape::MAP.entry_bytes]);
            if known.place != MapPlace::None && known.generation == entry.generation {
                return None;
            }
            let pending = pending.exclusive();
            hit("index.append");
            root.pending_end += 1;
            let mut on_root = Change::new(&root_page);
            let (at, bytes) = root.encode_pending();
            on_root.put(at, &bytes);
            let mut on_map = Change::new(&map);
            on_map.put(map_at, &MapEntry { place: MapPlace::Pending, generation: entry.generation }.encode());
            let mut on_pending = Change::new(&pending);
            on_pending.put(pending_at, &entry.encode());
            wal::apply(rel, &[on_root, on_map, on_pending]);
            hit("index.appended");
            return Some(root);
        }
    }
}

impl Index {
    /// Notes a row's vector. Returns its graph and, unless the index had the vector already, the graph's counters then.
    pub fn insert(&self, entry: Entry) -> (Graph, Option<Root>) {
        let graph = self.graph_for(entry.slot.tag());
        let root = graph.clone().append(entry);
        (graph, root)
    }
}
