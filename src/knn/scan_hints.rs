//! What a scan is told beside the query: where rows without a distance are to come, and how far away rows may be.
//!
//! To an index scan the planner's hook ([`crate::planner::hooks`]) gives hints as index conditions by two operators `@~`,
//! which are true for every row. A hint says in which order rows come and where the scan may end, nothing more: the query's
//! own conditions stay in the plan, and the executor asks them about each row.

use crate::knn::result_queue::Order;
use pgrx::pg_sys::{self, ScanKey};
use std::ffi::CStr;

/// The strategy of `zvec @~ double precision`: rows that are farther away are not wanted.
pub const WITHIN: u16 = 2;
/// The strategy of `zvec @~ text`: rows without a distance come first, as one of [`ORDERS`] says.
pub const FIRST: u16 = 3;

/// How EXPLAIN shows the orders, and what they mean: whether rows without a vector come first, and whether those whose distance
/// is NaN do.
const ORDERS: [(&CStr, bool, bool); 3] =
    [(c"NULL first", true, false), (c"NaN first", false, true), (c"NULL and NaN first", true, true)];

/// Where rows come and where they end.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Hints {
    /// rows without a vector come first, not last
    pub nulls_first: bool,
    /// how rows with one are ordered
    pub order: Order,
    /// whether rows may come in any order, so that nothing needs to be kept of what is near
    pub any_order: bool,
}

/// The text for such an order; `None` for the usual one.
#[must_use]
pub fn shown(nulls_first: bool, nan_first: bool) -> Option<&'static CStr> {
    ORDERS.into_iter().find(|&(_, nulls, nan)| (nulls, nan) == (nulls_first, nan_first)).map(|(text, ..)| text)
}

/// Whether the constant text says that rows without a vector come first.
pub unsafe fn has_nulls_first(text: *mut pg_sys::Node) -> bool {
    // SAFETY: by contract
    unsafe { first_of(text).0 }
}

/// What a constant text says: whether rows without a vector come first, and whether those whose distance is NaN do.
pub unsafe fn first_of(text: *mut pg_sys::Node) -> (bool, bool) {
    // SAFETY: the planner's own; only a constant text is looked at as one
    unsafe {
        if (*text).type_ != pg_sys::NodeTag::T_Const {
            return (false, false);
        }
        let constant = &*text.cast::<pg_sys::Const>();
        if constant.consttype != pg_sys::TEXTOID || constant.constisnull {
            return (false, false);
        }
        meaning(constant.constvalue)
    }
}

/// What a text says: whether rows without a vector come first, and whether those whose distance is NaN do.
unsafe fn meaning(text: pg_sys::Datum) -> (bool, bool) {
    // SAFETY: a text by contract
    unsafe {
        let text = pg_sys::text_to_cstring(text.cast_mut_ptr());
        let found = ORDERS.into_iter().find(|(name, ..)| *name == CStr::from_ptr(text));
        pg_sys::pfree(text.cast());
        found.map_or((false, false), |(_, nulls, nan)| (nulls, nan))
    }
}

impl Hints {
    /// Takes a bound into account, which is NULL for `None`: then nothing is near enough.
    pub fn bound(&mut self, bound: Option<f64>) {
        let bound = bound.unwrap_or(f64::NEG_INFINITY);
        // NaN is greater than any number
        if !bound.is_nan() {
            self.order.within = Some(self.order.within.map_or(bound, |other| other.min(bound)));
        }
    }

    /// What the `count` keys of an index scan say.
    #[must_use]
    pub unsafe fn of(keys: ScanKey, count: i32) -> Self {
        let mut hints = Self::default();
        for at in 0..count.max(0) as usize {
            // SAFETY: as many keys as the server says, of the types that the operators declare
            unsafe {
                let key = &*keys.add(at);
                let is_null = key.sk_flags as u32 & pg_sys::SK_ISNULL != 0;
                if key.sk_strategy == WITHIN {
                    hints.bound((!is_null).then(|| f64::from_bits(key.sk_argument.value() as u64)));
                } else if key.sk_strategy == FIRST && !is_null {
                    let (nulls, nan) = meaning(key.sk_argument);
                    hints.nulls_first |= nulls;
                    hints.order.nan_first |= nan;
                }
            }
        }
        hints
    }
}

crate::sql_function! {
    /// `zvec_scan_hint(zvec, double precision) returns boolean`, `zvec_scan_hint(zvec, text) returns boolean`: true. What they say
    /// is for the scan.
    zvec_scan_hint(call) {
        let _ = call;
        Ok(pg_sys::Datum::from(true))
    }
}
