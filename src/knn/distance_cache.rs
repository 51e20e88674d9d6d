//! The distance cache: the vector that a scan of this session returned last, and its distance.
//!
//! The server computes the distance of each row that an index scan returns once more, because ORDER BY names it, and so do
//! queries that show it. The operators ask here first: both compute the same, to the bit.
//!
//! What is remembered holds as long as the scan's snapshot does, which keeps the slot from being given to another vector. A
//! scan that ends drops its query, and with it goes what is remembered. A scan that an error broke off may keep its memory
//! until the transaction ends, without its snapshot; so everything is forgotten when a transaction ends or a subtransaction
//! is aborted.

use crate::distance::Metric;
use crate::format::store::{Generation, SlotNo};
use crate::knn::query::VectorQuery;
use std::cell::RefCell;
use std::rc::Weak;
use zerocopy::IntoBytes;

struct LastDistance {
    metric: Metric,
    query: (Weak<[u64]>, usize),
    table: u32,
    slot: SlotNo,
    generation: Generation,
    distance: f64,
}

thread_local! {
    static LAST: RefCell<Option<LastDistance>> = const { RefCell::new(None) };
}

/// Forgets at the end of transactions, and where subtransactions are aborted.
#[cfg(feature = "pg")]
mod ends {
    use super::LAST;
    use pgrx::pg_sys;
    use std::cell::Cell;
    use std::ffi::c_void;

    thread_local! {
        static REGISTERED: Cell<bool> = const { Cell::new(false) };
    }

    /// Has the server call what stands here.
    pub fn watch() {
        if !REGISTERED.get() {
            // SAFETY: the callbacks live as long as the library, which is never unloaded
            unsafe {
                pg_sys::RegisterXactCallback(Some(at_transaction_event), std::ptr::null_mut());
                pg_sys::RegisterSubXactCallback(Some(at_subtransaction_event), std::ptr::null_mut());
            }
            REGISTERED.set(true);
        }
    }

    unsafe extern "C-unwind" fn at_transaction_event(_: pg_sys::XactEvent::Type, _: *mut c_void) {
        LAST.set(None);
    }

    unsafe extern "C-unwind" fn at_subtransaction_event(
        event: pg_sys::SubXactEvent::Type,
        _own: pg_sys::SubTransactionId,
        _parent: pg_sys::SubTransactionId,
        _: *mut c_void,
    ) {
        if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB {
            LAST.set(None);
        }
    }
}

/// Remembers that the row with the vector of `table` in `slot` is handed out, which is so far from `query`.
pub fn note(query: &VectorQuery, table: u32, slot: SlotNo, generation: Generation, distance: f64) {
    #[cfg(feature = "pg")]
    ends::watch();
    let (metric, query) = (query.metric(), query.bytes().weak());
    LAST.set(Some(LastDistance { metric, query, table, slot, generation, distance }));
}

/// The distance of the query with these elements' bytes and the vector of `table` in `slot`, if that was handed out last and the scan goes on.
/// `same_generation` tells whether the vector that is asked about is the one of that generation.
#[must_use]
pub fn distance(
    metric: Metric,
    query: &[u8],
    table: u32,
    slot: SlotNo,
    same_generation: impl FnOnce(Generation) -> bool,
) -> Option<f64> {
    LAST.with_borrow(|last| {
        let last = last.as_ref()?;
        if last.slot != slot || last.table != table || last.metric != metric || !same_generation(last.generation) {
            return None;
        }
        let (known, len) = (last.query.0.upgrade()?, last.query.1);
        (&known.as_bytes()[..len] == query).then_some(last.distance)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::ElementType;

    #[test]
    fn only_what_was_handed_out_last_is_known_and_only_while_the_scan_lives() {
        let elements = [1.0f32, 2.0];
        let query = VectorQuery::new(Metric::L2, ElementType::Float4, elements.as_bytes());
        let (slot, generation) = (SlotNo(7), Generation(3));
        let ask = |metric, elements: &[f32], table, slot, known| {
            distance(metric, elements.as_bytes(), table, slot, |generation: Generation| generation.0 == known)
        };
        assert_eq!(ask(Metric::L2, &elements, 1, slot, 3), None);
        note(&query, 1, slot, generation, 0.5);
        assert_eq!(ask(Metric::L2, &elements, 1, slot, 3), Some(0.5));
        assert_eq!(ask(Metric::L1, &elements, 1, slot, 3), None);
        assert_eq!(ask(Metric::L2, &[1.0, -2.0], 1, slot, 3), None);
        assert_eq!(ask(Metric::L2, &[1.0], 1, slot, 3), None);
        assert_eq!(ask(Metric::L2, &elements, 2, slot, 3), None);
        assert_eq!(ask(Metric::L2, &elements, 1, SlotNo(8), 3), None);
        assert_eq!(ask(Metric::L2, &elements, 1, slot, 4), None);
        note(&query, 1, SlotNo(8), generation, 0.75);
        assert_eq!(ask(Metric::L2, &elements, 1, slot, 3), None);
        assert_eq!(ask(Metric::L2, &elements, 1, SlotNo(8), 3), Some(0.75));
        drop(query);
        assert_eq!(ask(Metric::L2, &elements, 1, SlotNo(8), 3), None);
    }
}
