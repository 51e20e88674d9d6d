//! `aminsert`: a row's vector is noted in the pending list of its segment's graph. No graph is walked.

#![forbid(unsafe_code)]

use crate::format::graph::{Area, Entry, MapEntry, MapPlace, Root, Shape};
use crate::indexam::hnsw::included::keys::Keys;
use crate::indexam::hnsw::pages::{Graph, Index};
use crate::pg::buffer;
use crate::pg::failpoint::hit;
use crate::pg::wal;
use crate::pg::wal::Change;
use smallvec::SmallVec;

impl Graph {
    /// Whether the index has this very vector already.
    #[must_use]
    pub fn has(&self, entry: Entry) -> bool {
        self.place(entry.slot.position())
            .is_some_and(|known| known.place != MapPlace::None && known.generation == entry.generation)
    }

    /// Appends `entry` to the pending list; `keys` makes the keys of the row's included columns. Returns the counters then; `None` when the index has it already.
    pub fn append(self, entry: Entry, keys: impl FnOnce() -> Keys) -> Option<Root> {
        let position = entry.slot.position().0;
        let (map_page, map_at) = Shape::MAP.at(position);
        let mut graph = self.with_pages(Area::Map, map_page + 1);
        if graph.has(entry) {
            return None;
        }
        let rel = graph.index.relation();
        let (keys, shape) = (keys(), graph.map.included);
        // where its keys go, if there are any
        let keys_at = (!keys.is_empty()).then(|| shape.at(position));
        if let Some((ordinal, _)) = keys_at {
            graph = graph.with_pages(Area::Included, ordinal + 1);
        }
        // The root page is everybody's: while it is locked no page is read that may have to come from the disk. So the others
        // are pinned before, the list's by where it ended when it was looked at.
        let mut end = graph.root.pending_end;
        loop {
            pgrx::check_for_interrupts!();
            let expected = Shape::PENDING.at(end).0;
            graph = graph.with_pages(Area::Pending, expected + 1);
            let (map, pending) = (graph.pin(Area::Map, map_page), graph.pin(Area::Pending, expected));
            let included = keys_at.map(|(ordinal, place)| (graph.pin(Area::Included, ordinal), place));
            hit("index.append_read");
            // pages are locked in the order root, map, pending, included
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
            let included = included.map(|(page, place)| (page.exclusive(), place));
            hit("index.append");
            root.pending_end += 1;
            let mut on_root = Change::new(&root_page);
            let (at, bytes) = root.encode_pending();
            on_root.put(at, &bytes);
            let mut on_map = Change::new(&map);
            on_map.put(map_at, &MapEntry { place: MapPlace::Pending, generation: entry.generation }.encode());
            let mut on_pending = Change::new(&pending);
            on_pending.put(pending_at, &entry.encode());
            let mut changes: SmallVec<[Change; wal::MAX_PAGES]> = SmallVec::new();
            changes.extend([on_root, on_map, on_pending]);
            if let Some((page, place)) = &included {
                let mut on_included = Change::new(page);
                shape.put(page.page(), *place, &keys, |at, bytes| on_included.put(at, bytes));
                changes.push(on_included);
            }
            wal::apply(rel, &changes);
            hit("index.appended");
            return Some(root);
        }
    }
}

impl Index {
    /// Notes a row's vector, and the keys that `keys` makes of its included columns. Returns its graph and, unless the index had the vector already, the graph's counters then.
    pub fn insert(&self, entry: Entry, keys: impl FnOnce() -> Keys) -> (Graph, Option<Root>) {
        let graph = self.graph_for(entry.slot.tag());
        let root = graph.clone().append(entry, keys);
        (graph, root)
    }
}
