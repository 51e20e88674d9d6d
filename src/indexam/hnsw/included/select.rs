//! The slots whose keys pass a condition.
//!
//! What a snapshot sees was in the index before the snapshot was taken, so its keys are on the pages, and they stay until the slot
//! is given away, which is after the last snapshot that sees it has gone. Keys of other slots may change while they are looked
//! at: any answer will do for those. So pages are looked at without a lock, as the graph's are.

#![forbid(unsafe_code)]

use crate::format::graph::Area;
use crate::format::graph::key_condition::{Condition, KeyRanges, Places, WORDS};
use crate::format::store::SlotNo;
use crate::format::store::slot_set::SlotSet;
use crate::indexam::hnsw::pages::Graph;

/// Pages that the kernel is asked for together.
const AHEAD: u32 = 32;

/// Adds to `among` the slots of `graph` whose keys pass; returns how many they are, those of vectors that are gone included. The
/// graph must have been looked up after the snapshot was taken.
pub fn select(graph: &Graph, condition: &Condition, among: &mut SlotSet) -> u64 {
    if condition.is_never() {
        return 0;
    }
    let positions = among.of_segment(graph.map.page.tag);
    let shape = graph.map.included;
    let pages = graph.map.page.area(Area::Included).pages();
    let mut places = [0; WORDS];
    let mut count = 0;
    for ordinal in 0..pages {
        if ordinal % AHEAD == 0 {
            pgrx::check_for_interrupts!();
            graph.read_ahead(Area::Included, ordinal..pages.min(ordinal + AHEAD));
        }
        if graph.look(Area::Included, ordinal, |page| condition.test(shape, page, &mut places)) {
            positions.add_words(ordinal * shape.per_page, &places);
            count += places.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
        }
    }
    count
}

/// So many pages are looked at to tell what share of a graph's rows passes.
const SAMPLE: u32 = 16;

/// How many rows there are on some pages of the graphs, and how many of them pass: for a guess at the share of all.
#[must_use]
pub fn sample(graphs: &[Graph], condition: &Condition) -> (u64, u64) {
    let (mut rows, mut passing) = (0, 0);
    for graph in graphs {
        let shape = graph.map.included;
        let pages = graph.map.page.area(Area::Included).pages();
        let of_graph = SAMPLE.div_ceil(graphs.len() as u32).min(pages);
        for ordinal in (0..of_graph).map(|i| (u64::from(i) * u64::from(pages) / u64::from(of_graph)) as u32) {
            let (mut places, mut all) = ([0; WORDS], [0; WORDS]);
            let every = Condition::Column(0, KeyRanges::null().or(KeyRanges::not_null()));
            graph.look(Area::Included, ordinal, |page| {
                condition.test(shape, page, &mut places);
                every.test(shape, page, &mut all)
            });
            let count = |places: &Places| places.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
            (rows, passing) = (rows + count(&all), passing + count(&places));
        }
    }
    (rows, passing)
}

/// Whether the keys of the vector in `slot` pass. As [`select`], of one.
#[must_use]
pub fn passes(graph: &Graph, condition: &Condition, slot: SlotNo) -> bool {
    let shape = graph.map.included;
    let (ordinal, place) = shape.at(slot.position().0);
    ordinal >= graph.map.page.area(Area::Included).pages()
        || graph.look(Area::Included, ordinal, |page| condition.holds_at(shape, page, place))
}

/// The positions that have a place on the pages of keys.
#[must_use]
pub fn positions(graph: &Graph) -> u64 {
    u64::from(graph.map.page.area(Area::Included).pages()) * u64::from(graph.map.included.per_page)
}
