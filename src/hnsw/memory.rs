//! The graph in memory.

use crate::hnsw::{Graph, GraphMut, NONE, Node};
use crate::quant::{Codec, Head, Query};
use std::cell::Cell;
use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bytes of a [`Line`].
const LINE_BYTES: usize = 64;
/// Bytes of a node's head behind its code.
const HEAD_BYTES: usize = 12;

/// What the CPU fetches at a time.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
struct Line([u8; LINE_BYTES]);

/// A graph with its codes in memory. Nodes are added by one owner; after that any number of threads may link, unlink and
/// search.
///
/// For a node: its code and head together in whole cache lines, `2m` links of level 0 ending with [`NONE`] if there are
/// fewer, for each level above 0 a block of `m` links, 18 bytes more.
pub struct MemoryGraph {
    codec: Arc<Codec>,
    m: usize,
    lines_per_node: usize,
    head_offset: usize,
    codes: Vec<Line>,
    links: Vec<AtomicU32>,
    upper: Vec<AtomicU32>,
    nodes: Vec<Entry>,
    /// entry point (low half) and its level
    entry: AtomicU64,
}

/// What there is of a node besides code and links.
struct Entry {
    identity: AtomicU64,
    duplicate: AtomicU32,
    /// the block of level 1 in `upper`; the others follow
    upper: u32,
    level: u8,
    locked: AtomicBool,
}

const NO_ENTRY: u64 = u64::MAX;

impl MemoryGraph {
    /// An empty graph with `m` links a node (`2m` on level 0) and room for `capacity` nodes; more make it grow, which
    /// takes twice the memory for a while.
    #[must_use]
    pub fn with_capacity(codec: Arc<Codec>, m: usize, capacity: usize) -> Self {
        let head_offset = codec.code_bytes().next_multiple_of(4);
        let lines_per_node = (head_offset + HEAD_BYTES).div_ceil(LINE_BYTES);
        let mut codes: Vec<Line> = Vec::with_capacity(capacity * lines_per_node);
        advise_huge_pages(codes.spare_capacity_mut());
        let mut links: Vec<AtomicU32> = Vec::with_capacity(capacity * 2 * m);
        advise_huge_pages(links.spare_capacity_mut());
        Self {
            codec,
            m,
            lines_per_node,
            head_offset,
            codes,
            links,
            upper: Vec::with_capacity(upper_links(capacity as u64, m) as usize),
            nodes: Vec::with_capacity(capacity),
            entry: AtomicU64::new(NO_ENTRY),
        }
    }

    /// Bytes of memory for a graph of so many nodes, each with a code of `code_bytes`.
    #[must_use]
    pub fn bytes(nodes: u64, code_bytes: usize, m: usize) -> u64 {
        let lines = (code_bytes.next_multiple_of(4) + HEAD_BYTES).div_ceil(LINE_BYTES);
        let node = lines * LINE_BYTES + 2 * m * size_of::<u32>() + size_of::<Entry>();
        nodes * node as u64 + upper_links(nodes, m) * size_of::<u32>() as u64
    }

    /// Bytes of memory that searches of the graph look at.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        (self.codes.len() * LINE_BYTES + self.links.len() * size_of::<u32>()) as u64
    }

    /// Bytes of memory that the graph holds now.
    #[must_use]
    pub fn allocated_bytes(&self) -> u64 {
        let links = self.links.capacity() + self.upper.capacity();
        let bytes =
            self.codes.capacity() * LINE_BYTES + links * size_of::<u32>() + self.nodes.capacity() * size_of::<Entry>();
        bytes as u64
    }

    /// Adds a node without links; [`super::insert`] links it in. `identity` is the caller's.
    pub fn push(&mut self, identity: u64, level: u8, head: Head, code: &[u8]) -> Node {
        let node = self.nodes.len() as Node;
        self.codes.resize(self.codes.len() + self.lines_per_node, Line([0; LINE_BYTES]));
        self.links.extend((0..2 * self.m).map(|_| AtomicU32::new(NONE)));
        self.nodes.push(Entry {
            identity: AtomicU64::new(identity),
            duplicate: AtomicU32::new(NONE),
            upper: 0,
            level: 0,
            locked: AtomicBool::new(false),
        });
        self.replace(node, identity, level, head, code);
        node
    }

    /// Gives a node's number to another vector. Nothing leads to the node; its links and duplicate are cleared.
    pub fn replace(&mut self, node: Node, identity: u64, level: u8, head: Head, code: &[u8]) {
        debug_assert_eq!(code.len(), self.codec.code_bytes());
        let head_offset = self.head_offset;
        let bytes = self.node_bytes_mut(node);
        bytes[..code.len()].copy_from_slice(code);
        bytes[head_offset..head_offset + HEAD_BYTES].copy_from_slice(&head.to_bytes());
        let blocks = self.upper.len() / self.m.max(1);
        let entry = &mut self.nodes[node as usize];
        *entry.identity.get_mut() = identity;
        *entry.duplicate.get_mut() = NONE;
        if level > entry.level {
            entry.upper = blocks as u32;
            self.upper.extend((0..usize::from(level) * self.m).map(|_| AtomicU32::new(NONE)));
        }
        entry.level = level;
        for on_level in 0..=level {
            self.set_links(node, on_level, &[]);
        }
    }

    /// What the codes have in common.
    #[must_use]
    pub fn codec(&self) -> &Arc<Codec> {
        &self.codec
    }

    /// What the caller gave with the node.
    #[must_use]
    pub fn identity(&self, node: Node) -> u64 {
        self.nodes[node as usize].identity.load(Ordering::Relaxed)
    }

    /// Changes what the caller gave with the node.
    pub fn set_identity(&self, node: Node, identity: u64) {
        self.nodes[node as usize].identity.store(identity, Ordering::Relaxed);
    }

    /// The node's code.
    #[must_use]
    pub fn code(&self, node: Node) -> &[u8] {
        &self.node_bytes(node)[..self.codec.code_bytes()]
    }

    /// The head of the node's code.
    #[must_use]
    pub fn head(&self, node: Node) -> Head {
        head_of(self.node_bytes(node), self.head_offset)
    }

    /// Replaces a node's own links on a level it has; no more than the level's maximum.
    pub fn set_links(&self, node: Node, level: u8, links: &[Node]) {
        let list = self.list(node, level);
        debug_assert!(links.len() <= list.len());
        for (place, &link) in list.iter().zip(links.iter().chain(std::iter::repeat(&NONE))) {
            place.store(link, Ordering::Relaxed);
        }
    }

    /// Whether the node has links of its own on level 0: neither a duplicate nor a number that is not in use has.
    #[must_use]
    pub fn is_linked(&self, node: Node) -> bool {
        self.list(node, 0).first().is_some_and(|link| link.load(Ordering::Relaxed) != NONE)
    }

    /// Sets the entry point of a graph that is read from elsewhere.
    pub fn set_entry(&self, entry: Option<(Node, u8)>) {
        let packed = entry.map_or(NO_ENTRY, |(node, level)| u64::from(level) << 32 | u64::from(node));
        self.entry.store(packed, Ordering::Release);
    }

    fn node_bytes(&self, node: Node) -> &[u8] {
        let start = node as usize * self.lines_per_node;
        self.codes[start..start + self.lines_per_node].as_bytes()
    }

    fn node_bytes_mut(&mut self, node: Node) -> &mut [u8] {
        let start = node as usize * self.lines_per_node;
        self.codes[start..start + self.lines_per_node].as_mut_bytes()
    }

    /// The places of a node's links on a level.
    #[inline]
    fn list(&self, node: Node, level: u8) -> &[AtomicU32] {
        if level == 0 {
            let start = node as usize * 2 * self.m;
            &self.links[start..start + 2 * self.m]
        } else {
            let entry = &self.nodes[node as usize];
            assert!(level <= entry.level, "node {node} has no level {level}");
            let start = (entry.upper as usize + usize::from(level) - 1) * self.m;
            &self.upper[start..start + self.m]
        }
    }

    fn lock(&self, node: Node) -> Locked<'_> {
        let lock = &self.nodes[node as usize].locked;
        let mut tries = 0;
        while lock.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            tries += 1;
            if tries % 64 == 0 { std::thread::yield_now() } else { spin_loop() }
        }
        Locked(lock)
    }
}

/// A node's lock while it is held.
struct Locked<'a>(&'a AtomicBool);

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[inline(always)]
fn head_of(bytes: &[u8], offset: usize) -> Head {
    Head::from_bytes(bytes[offset..offset + HEAD_BYTES].try_into().expect("a head's bytes"))
}

/// Links above level 0 of so many nodes, about: the levels' distribution has the mean 1 / (m - 1).
fn upper_links(nodes: u64, m: usize) -> u64 {
    nodes * m as u64 / (m as u64 - 1).max(1)
}

/// Asks the system for large pages, which spare it most of the address translation. Only advice: it may do nothing.
fn advise_huge_pages<T>(memory: &mut [std::mem::MaybeUninit<T>]) {
    #[cfg(target_os = "linux")]
    {
        const HUGE: usize = 2 << 20;
        let start = (memory.as_mut_ptr() as usize).next_multiple_of(HUGE);
        let end = memory.as_ptr_range().end as usize / HUGE * HUGE;
        if end > start {
            // SAFETY: the range lies within memory that belongs to us, and the advice does not change its contents.
            unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

#[inline(always)]
fn prefetch<T>(line: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that the program sees, and the address is valid.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(line).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

impl Graph for MemoryGraph {
    fn entry(&self) -> Option<(Node, u8)> {
        match self.entry.load(Ordering::Acquire) {
            NO_ENTRY => None,
            packed => Some((packed as u32, (packed >> 32) as u8)),
        }
    }

    fn nodes(&self) -> u32 {
        self.nodes.len() as u32
    }

    #[inline]
    fn links(&self, node: Node, level: u8, out: &mut Vec<Node>) {
        self.own_links(node, level, out);
        if level == 0 {
            let duplicate = self.duplicate(node);
            if duplicate != NONE {
                out.push(duplicate);
            }
        }
    }

    fn neighbours(&self, node: Node, out: &mut Vec<Node>) -> Node {
        self.own_links(node, 0, out);
        self.duplicate(node)
    }

    #[inline]
    fn expect_links(&self, node: Node, level: u8) {
        let list = self.list(node, level);
        list.iter().step_by(LINE_BYTES / size_of::<Node>()).for_each(prefetch);
        prefetch(&self.nodes[node as usize]);
    }

    #[inline]
    fn distances(&self, query: &Query, nodes: &[Node], out: &mut Vec<f32>) {
        /// Cache lines that are fetched ahead, about: as many as a core keeps under way.
        const LINES_AHEAD: usize = 32;
        let ahead = (LINES_AHEAD / self.lines_per_node).clamp(2, 8);
        let lines = |node: Node| {
            let start = node as usize * self.lines_per_node;
            &self.codes[start..start + self.lines_per_node]
        };
        let fetch = |node: Node| lines(node).iter().for_each(prefetch);
        nodes.iter().take(ahead).copied().for_each(fetch);
        out.extend(nodes.iter().enumerate().map(|(i, &node)| {
            if let Some(&later) = nodes.get(i + ahead) {
                fetch(later);
            }
            let bytes = lines(node).as_bytes();
            query.distance(head_of(bytes, self.head_offset), &bytes[..self.codec.dims])
        }));
    }
}

impl GraphMut for MemoryGraph {
    fn m(&self) -> usize {
        self.m
    }

    fn level(&self, node: Node) -> u8 {
        self.nodes[node as usize].level
    }

    fn load_query(&self, node: Node, query: &mut Query) {
        query.assign_code(&self.codec, self.head(node), self.code(node));
    }

    fn same_code(&self, a: Node, b: Node) -> bool {
        self.node_bytes(a) == self.node_bytes(b)
    }

    fn edit_links(&self, node: Node, level: u8, change: &mut dyn FnMut(&mut Vec<Node>)) {
        thread_local!(static LINKS: Cell<Vec<Node>> = const { Cell::new(Vec::new()) });
        let mut links = LINKS.take();
        {
            let _locked = self.lock(node);
            links.clear();
            self.own_links(node, level, &mut links);
            change(&mut links);
            self.set_links(node, level, &links);
        }
        LINKS.set(links);
    }

    #[inline]
    fn duplicate(&self, node: Node) -> Node {
        self.nodes[node as usize].duplicate.load(Ordering::Relaxed)
    }

    fn set_duplicate(&self, node: Node, duplicate: Node) {
        self.nodes[node as usize].duplicate.store(duplicate, Ordering::Relaxed);
    }

    fn raise_entry(&self, node: Node, level: u8) {
        let raised = u64::from(level) << 32 | u64::from(node);
        // The closure's refusal, a level that is not higher, is no failure.
        let _ = self.entry.fetch_update(Ordering::AcqRel, Ordering::Acquire, |packed| {
            (packed == NO_ENTRY || packed >> 32 < u64::from(level)).then_some(raised)
        });
    }

    fn replace_entry(&self, entry: Option<(Node, u8)>) {
        self.set_entry(entry);
    }

    #[inline]
    fn own_links(&self, node: Node, level: u8, out: &mut Vec<Node>) {
        let list = self.list(node, level);
        let load = |link: &AtomicU32| link.load(Ordering::Relaxed);
        // Twice through the list, but without asking for room each time.
        let count = list.iter().position(|link| load(link) == NONE).unwrap_or(list.len());
        let start = out.len();
        out.extend(list[..count].iter().map(load));
        // Another thread may have shortened the list in between.
        if out[start..].contains(&NONE) {
            out.retain(|&link| link != NONE);
        }
    }

    fn chain_duplicate(&self, behind: Node, duplicate: Node) {
        let _locked = self.lock(behind);
        self.set_duplicate(duplicate, self.duplicate(behind));
        self.set_duplicate(behind, duplicate);
    }
}
