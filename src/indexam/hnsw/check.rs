//! `zvec_check` of an index: are its pages sound, does the graph hold together, is each row in it?
//!
//! The maintenance lock of a graph is held while it is looked at, so nobody drains or repairs it; rows may be inserted
//! meanwhile. On a standby there is no such lock: where something looks wrong while changes are replayed, it is looked at
//! again.

use crate::bitset::{Bitset, SharedBitset};
use crate::format::graph::entry::{CODE_HEAD_BYTES, NO_NODE};
use crate::format::graph::included;
use crate::format::graph::{
    Area, CodeHead, Entry, GraphNo, GraphRootPage, Header, MapEntry, MapPlace, MetaPage, NodeEntry,
};
use crate::format::page::PageBytes;
use crate::format::store::{Position, SegmentTag, SlotNo};
use crate::hnsw;
use crate::hnsw::Node;
use crate::hnsw::check::{Inspect, NodeState, check_watched};
use crate::indexam::hnsw::included::keys::Keys;
use crate::indexam::hnsw::maintenance::lock::MaintenanceLock;
use crate::indexam::hnsw::pages::level;
use crate::indexam::hnsw::pages::{Graph, Index};
use crate::indexam::hnsw::table::Table;
use crate::knn::column::Column;
use crate::knn::row_lookup::RowLookup;
use crate::knn::vector_scan::ColumnSegments;
use crate::pg::buffer;
use crate::pg::relation::Rel;
use crate::quant::Query;
use crate::store::death::death_for_all;
use crate::tableam::check::Violation;
use crate::tableam::vectors::Pointer;
use pgrx::pg_sys::{self, Relation};
use std::collections::HashSet;

/// Violations that are listed of one rule in one graph, at most.
const MOST: usize = 100;
/// How often an index is looked at on a standby before the check gives up.
const ATTEMPTS: u32 = 5;

/// What was found so far.
struct Report {
    index: String,
    violations: Vec<Violation>,
}

impl Report {
    fn add(&mut self, invariant: &'static str, location: String, message: String) {
        if self.violations.iter().filter(|known| known.invariant == invariant).count() < MOST {
            self.violations.push(Violation { invariant, location, message });
        }
    }

    fn page(&mut self, block: u32, message: impl Into<String>) {
        let location = format!("block {block} of index \"{}\"", self.index);
        self.add("pages of an index are sound", location, message.into());
    }

    fn graph(&mut self, invariant: &'static str, no: GraphNo, message: String) {
        let location = format!("graph {} of index \"{}\"", no.0, self.index);
        self.add(invariant, location, message);
    }
}

/// Checks the open `index` of the open table `heap`, which is locked against VACUUM unless this is a standby. A partial index's
/// condition is evaluated: to be run as the table's owner. An error is raised when a standby replays changes of the index
/// all the time.
#[must_use]
pub fn check(index: Rel<'_>, heap: Rel<'_>) -> Vec<Violation> {
    // SAFETY: looks at shared state
    let position = || unsafe { pg_sys::GetXLogReplayRecPtr(std::ptr::null_mut()) };
    for _ in 0..ATTEMPTS {
        let before = position();
        let violations = look(index, heap);
        // SAFETY: looks at shared state
        if violations.is_empty() || !unsafe { pg_sys::RecoveryInProgress() } || position() == before {
            return violations;
        }
    }
    let name = index.name();
    crate::pg::error::raise(
        crate::error::Error::new(
            crate::error::SqlState::ObjectNotInPrerequisiteState,
            format!("cannot check index \"{name}\" while changes are replayed"),
        )
        .hint("Pause the replay with pg_wal_replay_pause()."),
    )
}

fn look(index: Rel<'_>, heap: Rel<'_>) -> Vec<Violation> {
    // SAFETY: by contract of `check`
    unsafe {
        let column = Column::of(index, heap);
        let table = Table::open(heap, column.shape(), pg_sys::AccessShareLock as _);
        let mut report = Report { index: index.name(), violations: Vec::new() };
        if index.blocks() == 0 {
            report.page(0, "the index is empty, its meta page is missing");
            return report.violations;
        }
        // what this snapshot sees was in the index before what follows is read
        let snapshot = pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot());
        let meta = MetaPage::decode(buffer::read(index, 0).share().page());
        match meta {
            Err(damage) => report.page(0, damage.0),
            Ok(meta) if meta.shape != column.shape() || meta.metric != column.metric => {
                report.page(0, "dimensions or metric are not the column's");
            }
            Ok(meta) if meta.columns.len() != index.included_columns().len() => {
                report.page(0, "the included columns are not the index's");
            }
            Ok(meta) => {
                let mut used = Bitset::default();
                used.add(0);
                let mut sound = Vec::new();
                for (no, &(tag, block)) in meta.graphs.iter().enumerate() {
                    if meta.graphs[..no].iter().any(|&(other, _)| other == tag) {
                        report.page(0, format!("two graphs are over the segment of tag {}", tag.0));
                    }
                    let no = GraphNo(no as u32);
                    if let Some(lock) = check_pages(index, &meta, no, block, &mut used, &mut report) {
                        let graph = Index::of(index).graph(no, block);
                        check_graph(&graph, &table, &mut report);
                        sound.push(graph);
                        drop(lock);
                    }
                }
                if sound.len() == meta.graphs.len() && index.index_form().is_some_and(|form| form.indisvalid) {
                    check_rows(index.raw(), heap.raw(), &column, &table, &sound, snapshot, &mut report);
                    check_keys(index, heap, &column, &table, &sound, snapshot, &mut report);
                }
            }
        }
        pg_sys::UnregisterSnapshot(snapshot);
        report.violations
    }
}

/// The maintenance lock, where there is one.
type Lock = Option<MaintenanceLock>;

/// Checks the root page in `block` and the header of every page of graph `no`. When they are sound, returns the graph's
/// lock, taken before the first look.
fn check_pages(
    index: Rel<'_>,
    meta: &MetaPage,
    no: GraphNo,
    block: u32,
    used: &mut Bitset,
    report: &mut Report,
) -> Option<Lock> {
    // SAFETY: index is open
    unsafe {
        if block >= index.blocks() {
            report.page(0, format!("block {block} of graph {} is past the end", no.0));
            return None;
        }
        let lock = (!pg_sys::RecoveryInProgress()).then(|| MaintenanceLock::acquire_in_time(&Index::of(index), block));
        let image = Box::new(*buffer::read(index, block).share().page());
        // the file has grown to hold an extent before the extent was entered
        let root = match GraphRootPage::decode(&image, no, meta.m, index.blocks()) {
            Ok(root) => root,
            Err(damage) => {
                report.page(block, damage.0);
                return None;
            }
        };
        let mut is_sound = true;
        let mut say = |block, message: String| {
            report.page(block, message);
            is_sound = false;
        };
        let fits = |&(tag, _): &(SegmentTag, u32)| tag == root.tag;
        if root.dims != meta.shape.dims
            || root.codes != meta.shape.element.info().codes
            || root.metric != meta.metric
            || !meta.graphs.get(no.0 as usize).is_some_and(fits)
        {
            say(block, "segment, dimensions or metric are not those of the meta page".into());
        }
        if root.has_included == meta.columns.is_empty() {
            say(block, "whether there are included columns is not as the meta page has it".into());
        }
        if !root.root.trained && root.root.nodes > 0 {
            say(block, "there are nodes, but no parameters of their codes".into());
        }
        if !used.add(block) {
            say(block, "the page belongs to two graphs or areas".into());
        }
        for area in Area::ALL {
            for ordinal in 0..root.area(area).pages() {
                pgrx::check_for_interrupts!();
                let Some(block) = root.area(area).block(ordinal) else { continue };
                let header = Header { kind: area.kind(), graph: no, ordinal };
                if let Err(damage) = header.check(buffer::read(index, block).share().page()) {
                    say(block, damage.0);
                } else if !used.add(block) {
                    say(block, "the page belongs to two graphs or areas".into());
                }
            }
        }
        is_sound.then_some(lock)
    }
}

/// The graph on pages as it is, with what is read more than once.
struct View<'g> {
    graph: &'g Graph,
    entries: Vec<NodeEntry>,
}

impl hnsw::Graph for View<'_> {
    fn entry(&self) -> Option<(Node, u8)> {
        self.graph.root.entry
    }

    fn nodes(&self) -> u32 {
        self.graph.root.nodes
    }

    fn links(&self, node: Node, level: u8, out: &mut Vec<Node>) {
        self.graph.links(node, level, out);
    }

    fn distances(&self, query: &Query, nodes: &[Node], out: &mut Vec<f32>) {
        self.graph.distances(query, nodes, out);
    }
}

impl Inspect for View<'_> {
    fn level(&self, node: Node) -> u8 {
        self.entries[node as usize].level
    }

    fn duplicate(&self, node: Node) -> Node {
        self.entries[node as usize].next
    }

    fn own_links(&self, node: Node, level: u8, out: &mut Vec<Node>) {
        self.graph.own_links(node, level, out);
    }

    fn max_links(&self, level: u8) -> usize {
        let m = usize::from(self.graph.map.m);
        if level == 0 { 2 * m } else { m }
    }

    fn same_code(&self, a: Node, b: Node) -> bool {
        let ((a_head, a), (b_head, b)) = (self.graph.code(a), self.graph.code(b));
        let bits = |head: &CodeHead| (head.step.to_bits(), head.bias.to_bits());
        bits(&a_head) == bits(&b_head) && a == b
    }
}

/// Checks a graph whose pages are sound.
fn check_graph(graph: &Graph, table: &Table, report: &mut Report) {
    if graph.root.trained && !graph.codec().centroid.iter().all(|x| x.is_finite()) {
        report.graph("nodes are sound", graph.map.no, "the centroid of the codes is no vector".into());
    }
    check_key_ends(graph, report);
    let Some(entries) = read_entries(graph, report) else { return };
    let view = View { graph, entries };
    check_free(&view, report);
    let heads = read_heads(&view, report);
    let named = check_map(&view, &heads, table, report);
    check_ranges(&view, &named, report);
    // What is deleted for good need not be found: a repair that was left off may have taken it out by a horizon that was
    // further on than ours would be.
    // SAFETY: looks at shared state
    let horizon = unsafe { pg_sys::ReadNextFullTransactionId() }.value as u32;
    let state = |node: Node| {
        if !view.entries[node as usize].in_use {
            return NodeState::Free;
        }
        let is_needed = || table.slot(heads[node as usize]).is_some_and(|slot| death_for_all(&slot, horizon).is_none());
        if named.contains(node) && is_needed() { NodeState::Live } else { NodeState::Dead }
    };
    // asked for many times
    let states: Vec<NodeState> = (0..graph.root.nodes)
        .map(|node| {
            pgrx::check_for_interrupts!();
            state(node)
        })
        .collect();
    let mut tick = || {
        pgrx::check_for_interrupts!();
    };
    let findings = check_watched(&view, &|node| states[node as usize], &mut tick);
    for problem in findings.problems {
        report.graph("links of an index are sound", graph.map.no, problem);
    }
    if let Some(node) = findings.higher {
        let message = format!("node {node} is on a higher level than the entry point");
        report.graph("the entry point is on the highest level", graph.map.no, message);
    }
    // a node that was linked by itself may have taken the place of the last link to another, on each level
    let links = 2 * u64::from(graph.map.m) * (u64::from(hnsw::MAX_LEVEL) + 1);
    let may_be = u64::from(graph.root.unproven).saturating_mul(links);
    for node in findings.unreachable.into_iter().skip(usize::try_from(may_be).unwrap_or(usize::MAX)) {
        let message = format!("no link leads to node {node}, slot {}", heads[node as usize].slot.0);
        report.graph("every live node can be reached", graph.map.no, message);
    }
}

/// Reads the nodes' entries; `None` when one of them makes the rest of the check meaningless.
fn read_entries(graph: &Graph, report: &mut Report) -> Option<Vec<NodeEntry>> {
    const INVARIANT: &str = "nodes are sound";
    let nodes = graph.root.nodes;
    let shape = graph.map.nodes;
    let mut entries = Vec::with_capacity(nodes as usize);
    let mut upper = Bitset::default();
    let mut is_sound = true;
    let mut say = |node: Node, what: &str| {
        report.graph(INVARIANT, graph.map.no, format!("node {node} {what}"));
        is_sound = false;
    };
    each_page(graph, Area::Nodes, shape.pages(nodes), |ordinal, image| {
        for node in ordinal * shape.per_page..nodes.min((ordinal + 1) * shape.per_page) {
            let at = shape.at(node).1;
            let entry = NodeEntry::decode(&image[at..at + NodeEntry::LINKS]);
            if image[at + 1] > 1 {
                say(node, "is neither in use nor free");
            }
            if entry.level != level(graph, node) {
                say(node, "has a level that is not its number's");
            } else if entry.level > 0 {
                let end = entry.upper.checked_add(u32::from(entry.level));
                if end.is_none_or(|end| end > graph.root.upper_blocks) {
                    say(node, "has upper links beyond the last");
                } else if !(entry.upper..entry.upper + u32::from(entry.level)).all(|block| upper.add(block)) {
                    say(node, "shares upper links with another");
                }
            }
            if entry.next != NO_NODE && entry.next >= nodes {
                say(node, "leads to a duplicate or free node that does not exist");
            }
            entries.push(entry);
        }
    });
    is_sound.then_some(entries)
}

/// Calls `see` with a copy of each of the first `pages` pages of an area.
fn each_page(graph: &Graph, area: Area, pages: u32, mut see: impl FnMut(u32, &PageBytes)) {
    for ordinal in 0..pages {
        pgrx::check_for_interrupts!();
        let image = graph.read(area, ordinal, |page| Box::new(*page));
        see(ordinal, &image);
    }
}

/// The free nodes are a chain. A drain that failed may have taken some out that it did not use; the next repair puts them
/// back.
fn check_free(view: &View<'_>, report: &mut Report) {
    const INVARIANT: &str = "free nodes are a chain";
    let (no, root) = (view.graph.map.no, &view.graph.root);
    let free = view.entries.iter().filter(|entry| !entry.in_use).count();
    let mut chained = 0;
    let mut next = root.free.unwrap_or(NO_NODE);
    while let Some(entry) = view.entries.get(next as usize) {
        if entry.in_use {
            report.graph(INVARIANT, no, format!("node {next} is in use"));
            return;
        }
        chained += 1;
        if chained > free {
            report.graph(INVARIANT, no, "the chain leads in a circle".into());
            return;
        }
        next = entry.next;
    }
    if root.free_nodes as usize != chained {
        let message = format!("{chained} nodes are in the chain, {} are counted", root.free_nodes);
        report.graph(INVARIANT, no, message);
    }
}

/// Links of nodes that the map names lead to nodes that exist. (Those of a node that was given a free number by a drain that was
/// left off may lead to others that were never counted; nothing leads to it, and the next repair frees it.)
fn check_ranges(view: &View<'_>, named: &SharedBitset, report: &mut Report) {
    let (graph, nodes) = (view.graph, view.graph.root.nodes);
    let mut check = |bytes: &[u8], whose: &dyn Fn() -> String| {
        let links = bytes.as_chunks::<4>().0.iter().map(|&link| u32::from_le_bytes(link));
        if let Some(link) = links.take_while(|&link| link != NO_NODE).find(|&link| link >= nodes) {
            let message = format!("{} links to {link}, which does not exist", whose());
            report.graph("links of an index are sound", graph.map.no, message);
        }
    };
    let shape = graph.map.nodes;
    each_page(graph, Area::Nodes, shape.pages(nodes), |ordinal, image| {
        for node in ordinal * shape.per_page..nodes.min((ordinal + 1) * shape.per_page) {
            if view.entries[node as usize].in_use && named.contains(node) {
                let at = shape.at(node).1;
                check(&image[at + NodeEntry::LINKS..at + shape.entry_bytes], &|| format!("node {node}"));
            }
        }
    });
    let mut owners = vec![NO_NODE; graph.root.upper_blocks as usize];
    let is_named = |&(node, entry): &(usize, &NodeEntry)| entry.in_use && named.contains(node as Node);
    for (node, entry) in view.entries.iter().enumerate().filter(is_named) {
        let first = entry.upper as usize;
        owners[first..first + usize::from(entry.level)].fill(node as Node);
    }
    let shape = graph.map.upper;
    each_page(graph, Area::Upper, shape.pages(graph.root.upper_blocks), |ordinal, image| {
        for block in ordinal * shape.per_page..graph.root.upper_blocks.min((ordinal + 1) * shape.per_page) {
            let owner = owners[block as usize];
            if owner != NO_NODE {
                let at = shape.at(block).1;
                check(&image[at..at + shape.entry_bytes], &|| format!("node {owner}, above level 0,"));
            }
        }
    });
}

/// Whose code each node has.
fn read_heads(view: &View<'_>, report: &mut Report) -> Vec<Entry> {
    let (graph, nodes) = (view.graph, view.graph.root.nodes);
    let shape = graph.map.codes;
    let mut heads = Vec::with_capacity(nodes as usize);
    let mut check = |node: Node, head: CodeHead| {
        let is_number = head.step.is_finite() && head.bias.is_finite();
        if view.entries[node as usize].in_use && !is_number {
            report.graph("nodes are sound", graph.map.no, format!("node {node} has a code that is no vector's"));
        }
        heads.push(head.entry);
    };
    if shape.pages_each > 1 {
        for node in 0..nodes {
            pgrx::check_for_interrupts!();
            check(node, graph.code_head(node));
        }
    } else {
        each_page(graph, Area::Codes, shape.pages(nodes), |ordinal, image| {
            for node in ordinal * shape.per_page..nodes.min((ordinal + 1) * shape.per_page) {
                let at = shape.at(node).1;
                check(node, CodeHead::decode(&image[at..at + CODE_HEAD_BYTES]));
            }
        });
    }
    heads
}

/// The map names nodes that have the codes of those very vectors, and the pending list and the map agree. Returns the nodes
/// that the map names.
fn check_map(view: &View<'_>, heads: &[Entry], table: &Table, report: &mut Report) -> SharedBitset {
    let graph = view.graph;
    let (no, tag) = (graph.map.no, graph.map.page.tag);
    let named = SharedBitset::below(graph.root.nodes);
    let mut waiting: HashSet<Entry> = HashSet::new();
    // the map before the list: what is appended meanwhile is in the list only
    graph.each_place(|position: Position, known: MapEntry| {
        let entry = Entry { slot: SlotNo::new(tag, position), generation: known.generation };
        match known.place {
            MapPlace::None => {}
            MapPlace::Pending => {
                waiting.insert(entry);
            }
            MapPlace::Node(node) => {
                let of = heads.get(node as usize);
                let in_use = view.entries.get(node as usize).is_some_and(|entry| entry.in_use);
                if in_use && of == Some(&entry) {
                    named.insert(node);
                } else {
                    let what = match of {
                        None => "does not exist".to_owned(),
                        Some(_) if !in_use => "is free".to_owned(),
                        Some(of) => format!("is of slot {}, generation {}", of.slot.0, of.generation.0),
                    };
                    let slot = format!("slot {}, generation {}", entry.slot.0, entry.generation.0);
                    report.graph(
                        "the map agrees with the graph",
                        no,
                        format!("{slot} leads to node {node}, which {what}"),
                    );
                }
            }
        }
    });
    let mut listed = HashSet::new();
    for entry in graph.now().pending() {
        pgrx::check_for_interrupts!();
        let slot = format!("slot {}, generation {}", entry.slot.0, entry.generation.0);
        let mut say = |what: &str| report.graph("the pending list agrees with the map", no, format!("{slot} {what}"));
        if entry.slot.tag() != tag {
            say("is of another segment");
        } else if !listed.insert(entry) {
            say("waits twice");
        } else if !waiting.contains(&entry) {
            // the slot may have been given to another vector since, or the entry appended since the map was read
            let place = graph.now().place(entry.slot.position());
            match place {
                Some(place) if place.generation == entry.generation && place.place != MapPlace::Pending => {
                    say("waits, but the map says that it does not");
                }
                None => say("waits, but is not in the map"),
                _ => {}
            }
        }
    }
    let horizon = table.horizon();
    for entry in waiting.difference(&listed) {
        let slot = format!("slot {}, generation {}", entry.slot.0, entry.generation.0);
        // an entry of a vector that is gone may have been overtaken by that of the slot's next one
        if table.slot(*entry).is_some_and(|slot| death_for_all(&slot, horizon).is_none()) {
            let message = format!("{slot} should wait in the pending list, but does not");
            report.graph("the pending list agrees with the map", no, message);
        }
    }
    named
}

/// No key of an included column is out of the range that its page tells.
fn check_key_ends(graph: &Graph, report: &mut Report) {
    let shape = graph.map.included;
    each_page(graph, Area::Included, graph.map.page.area(Area::Included).pages(), |ordinal, page| {
        for column in 0..shape.columns {
            let (least, greatest) = shape.ends(page, column);
            let key = |place: usize| shape.key(page, column, place);
            let is_out = |&place: &usize| key(place) != included::NONE && !(least..=greatest).contains(&key(place));
            if let Some(place) = (0..shape.per_page as usize).find(is_out) {
                let position = ordinal * shape.per_page + place as u32;
                let message =
                    format!("the key of included column {} at position {position} is out of range", column + 1);
                report.graph("keys of included columns are sound", graph.map.no, message);
            }
        }
    });
}

/// The index has the keys of the rows' included columns.
unsafe fn check_keys(
    index: Rel<'_>,
    heap: Rel<'_>,
    column: &Column,
    table: &Table,
    graphs: &[Graph],
    snapshot: pg_sys::Snapshot,
    report: &mut Report,
) {
    let Some(first) = graphs.first() else { return };
    let Some(maker) = first.index.key_maker() else { return };
    let graphs: Vec<Graph> = graphs.iter().map(Graph::now).collect();
    let numbers = index.included_columns();
    let mut check = |slot: *mut pg_sys::TupleTableSlot| {
        // SAFETY: a row of the table in a slot of its kind
        unsafe {
            let natts = (*(*slot).tts_tupleDescriptor).natts;
            if i32::from((*slot).tts_nvalid) < natts {
                pg_sys::slot_getsomeattrs_int(slot, natts);
            }
            let value = |attnum: i16| {
                let at = attnum as usize - 1;
                (!*(*slot).tts_isnull.add(at)).then(|| *(*slot).tts_values.add(at))
            };
            let Some(pointer) = value(column.attnum).and_then(|value| Pointer::read(value)) else { return };
            let Some(entry) = table.entry(pointer.slot) else { return };
            let graph = graphs.iter().find(|graph| graph.map.page.tag == entry.slot.tag());
            // rows that are not there are told of elsewhere, or are not covered by a partial index
            let Some(graph) = graph.filter(|graph| graph.has(entry)) else { return };
            let shape = graph.map.included;
            let (ordinal, place) = shape.at(entry.slot.position().0);
            let known: Option<Keys> = (ordinal < graph.map.page.area(Area::Included).pages()).then(|| {
                graph.read(Area::Included, ordinal, |page| {
                    (0..shape.columns).map(|column| shape.key(page, column, place)).collect()
                })
            });
            let keys = maker.keys(|column| value(numbers[column]));
            for (column, (&key, &attnum)) in keys.iter().zip(numbers).enumerate() {
                let known = known.as_ref().map_or(included::NONE, |known| known[column]);
                if known != key && known != included::ANY && maker.tells(column) {
                    let name = heap.column_name(attnum);
                    let location = format!("slot {}", entry.slot.0);
                    let what = if known == included::NONE { "no key" } else { "another key" };
                    let message = format!("index \"{}\" has {what} of included column \"{name}\"", report.index);
                    report.add("included columns are those of the rows", location, message);
                }
            }
        }
    };
    // SAFETY: by contract of `check`
    unsafe {
        let mut rows = RowLookup::new(heap.raw(), None, column, snapshot, pg_sys::CurrentMemoryContext);
        rows.slots_where(
            |slot| {
                check(slot);
                false
            },
            |_| {},
        );
        rows.end();
    }
}

/// Every row that the index covers is in it.
unsafe fn check_rows(
    index: Relation,
    heap: Relation,
    column: &Column,
    table: &Table,
    graphs: &[Graph],
    snapshot: pg_sys::Snapshot,
    report: &mut Report,
) {
    // SAFETY: by contract of `check`
    unsafe {
        let mut rows = RowLookup::new(heap, Some(index), column, snapshot, pg_sys::CurrentMemoryContext);
        let segments = ColumnSegments::of(&table.store, column);
        let graphs: Vec<Graph> = graphs.iter().map(Graph::now).collect();
        for chunk in segments.all() {
            let mut seen = Vec::new();
            segments.candidates(&table.store, chunk, &mut rows, &mut seen);
            for found in seen {
                pgrx::check_for_interrupts!();
                let Some(tid) = rows.address(&table.store, &found) else { continue };
                let entry = Entry { slot: found.slot, generation: found.generation };
                let graph = graphs.iter().find(|graph| graph.map.page.tag == entry.slot.tag());
                if !graph.is_some_and(|graph| graph.now().has(entry)) {
                    let location = format!("row ({},{})", tid.block, tid.offset);
                    let message = format!("slot {} is not in index \"{}\"", entry.slot.0, report.index);
                    report.add("rows are in the index", location, message);
                }
            }
        }
        rows.end();
    }
}
