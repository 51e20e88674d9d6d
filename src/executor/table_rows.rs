//! What plan nodes have in common that return a table's rows in order of distance.
//!
//! The server prepares a custom node for rows that are laid out as values only, so a node prepares itself once more, for rows as the
//! table has them.

use crate::format::store::Tid;
use crate::pg::error::boundary;
use crate::pg::list::elements;
use crate::tableam::item_pointer;
use pgrx::pg_sys::{
    self, CustomScan, CustomScanState, Datum, EState, ExplainState, ExprContext, ExprState, IndexFetchTableData, List,
    OpExpr, ScanState, TupleTableSlot,
};
use std::ffi::CStr;

/// The distance by which a node orders: the first of what its plan computes. The bounds follow.
pub unsafe fn distance_of(node: *mut CustomScanState) -> *mut OpExpr {
    // SAFETY: as the path made the plan
    unsafe {
        let plan = (*node).ss.ps.plan.cast::<CustomScan>();
        (*(*(*plan).custom_exprs).elements).ptr_value.cast()
    }
}

/// What is computed before a scan.
#[repr(C)]
pub struct Given {
    /// what the rows are compared with
    query: *mut ExprState,
    /// beyond which no row is wanted: a list of [`ExprState`]
    bounds: *mut List,
    /// what included columns are compared with: a list of [`ExprState`]
    comparands: *mut List,
}

impl Given {
    /// The query, a vector; `None` for NULL.
    pub unsafe fn query(&self, econtext: *mut ExprContext) -> Option<Datum> {
        let query = self.query;
        // SAFETY: prepared
        unsafe { boundary(|| evaluate(query, econtext)) }
    }

    /// The bounds; `None` for NULL.
    pub unsafe fn bounds(&self, econtext: *mut ExprContext) -> impl Iterator<Item = Option<f64>> {
        // SAFETY: prepared
        unsafe {
            elements::<ExprState>(self.bounds).map(move |bound| {
                let bound = boundary(|| evaluate(bound, econtext));
                bound.map(|bound| f64::from_bits(bound.value() as u64))
            })
        }
    }
}

impl Given {
    /// What included columns are compared with; `None` for NULL.
    pub unsafe fn comparands(&self, econtext: *mut ExprContext) -> impl Iterator<Item = Option<Datum>> {
        // SAFETY: prepared
        unsafe {
            elements::<ExprState>(self.comparands).map(move |comparand| boundary(|| evaluate(comparand, econtext)))
        }
    }
}

/// Prepares the node, in memory that lives as long as the query. Its plan computes the distance, so many bounds, and so many values
/// that included columns are compared with.
pub unsafe fn prepare(node: *mut CustomScanState, estate: *mut EState, (bounds, comparands): (usize, usize)) -> Given {
    // SAFETY: the server's own arguments
    unsafe {
        let ss = &mut (*node).ss;
        let rel = ss.ss_currentRelation;
        pg_sys::ExecInitScanTupleSlot(estate, ss, (*rel).rd_att, pg_sys::table_slot_callbacks(rel));
        // those that the server has just found in the same expressions
        ss.ps.subPlan = std::ptr::null_mut();
        let plan = &*ss.ps.plan.cast::<CustomScan>();
        pg_sys::ExecAssignScanProjectionInfoWithVarno(ss, plan.scan.scanrelid as i32);
        ss.ps.qual = pg_sys::ExecInitQual(plan.scan.plan.qual, &mut ss.ps);
        let query = (*(*(*distance_of(node)).args).elements.add(1)).ptr_value.cast();
        let query = pg_sys::ExecInitExpr(query, &mut ss.ps);
        let mut prepare = |skip: usize, count: usize| {
            let expressions = elements::<pg_sys::Expr>(plan.custom_exprs).skip(skip).take(count);
            expressions.fold(std::ptr::null_mut(), |list, expression| {
                pg_sys::lappend(list, pg_sys::ExecInitExpr(expression, &mut ss.ps).cast())
            })
        };
        let (bounds, comparands) = (prepare(1, bounds), prepare(1 + bounds, comparands));
        Given { query, bounds, comparands }
    }
}

/// The value of an expression, in memory that lives as long as the row; `None` for NULL. Without Rust values that wait to be
/// dropped, since it may raise errors.
pub unsafe fn evaluate(expression: *mut ExprState, econtext: *mut ExprContext) -> Option<Datum> {
    // SAFETY: prepared
    unsafe {
        let before = pg_sys::MemoryContextSwitchTo((*econtext).ecxt_per_tuple_memory);
        let mut is_null = false;
        let value = (*expression).evalfunc.unwrap_unchecked()(expression, econtext, &mut is_null);
        pg_sys::MemoryContextSwitchTo(before);
        (!is_null).then_some(value)
    }
}

/// Whether a row satisfies the node's conditions. Without Rust values that wait to be dropped.
pub unsafe fn satisfies(ss: *mut ScanState, row: *mut TupleTableSlot) -> bool {
    // SAFETY: prepared; the row is one of the node's table
    unsafe {
        let (conditions, econtext) = ((*ss).ps.qual, (*ss).ps.ps_ExprContext);
        if conditions.is_null() {
            return true;
        }
        (*econtext).ecxt_scantuple = row;
        pg_sys::MemoryContextReset((*econtext).ecxt_per_tuple_memory);
        evaluate(conditions, econtext).is_some_and(|holds| holds.value() != 0)
    }
}

/// How often the node has begun, for EXPLAIN, which shows averages.
pub unsafe fn loops(node: *mut CustomScanState) -> f64 {
    // SAFETY: the server's own
    unsafe { (*node).ss.ps.instrument.as_ref().map_or(1.0, |measured| measured.nloops).max(1.0) }
}

/// Shows a number in EXPLAIN, in text only one that is not zero.
pub unsafe fn show_number(label: &CStr, value: f64, es: *mut ExplainState) {
    // SAFETY: the server's own
    unsafe {
        if value > 0.0 || (*es).format != pg_sys::ExplainFormat::EXPLAIN_FORMAT_TEXT {
            pg_sys::ExplainPropertyFloat(label.as_ptr(), std::ptr::null(), value, 0, es);
        }
    }
}

/// Looks up rows.
#[repr(C)]
pub struct TableRows {
    /// null before the first
    fetch: *mut IndexFetchTableData,
}

impl TableRows {
    /// Makes it ready. What is taken for it is given back with [`TableRows::end`].
    pub unsafe fn begin(&mut self, ss: *mut ScanState) {
        if self.fetch.is_null() {
            // SAFETY: between the node's beginning and its end
            unsafe {
                let rel = (*ss).ss_currentRelation;
                let begin = (*(*rel).rd_tableam).index_fetch_begin.unwrap_unchecked();
                self.fetch = boundary(|| begin(rel));
            }
        }
    }

    /// Whether the snapshot sees a row at `tid`, which then is in `slot`.
    pub unsafe fn fetches(&self, ss: *mut ScanState, tid: Tid, slot: *mut TupleTableSlot) -> bool {
        // SAFETY: between the node's beginning and its end
        unsafe {
            let rel = (*ss).ss_currentRelation;
            let (fetch, snapshot) = (self.fetch, (*(*ss).ps.state).es_snapshot);
            let fetch_tuple = (*(*rel).rd_tableam).index_fetch_tuple.unwrap_unchecked();
            boundary(|| {
                let (mut again, mut dead) = (false, false);
                fetch_tuple(fetch, &mut item_pointer(tid), snapshot, slot, &mut again, &mut dead)
            })
        }
    }

    /// Lets go of the page that the last row was on; the row's slot has a pin of its own.
    pub unsafe fn let_go(&self, ss: *mut ScanState) {
        let fetch = self.fetch;
        if !fetch.is_null() {
            // SAFETY: between the node's beginning and its end
            unsafe {
                let reset = (*(*(*ss).ss_currentRelation).rd_tableam).index_fetch_reset.unwrap_unchecked();
                boundary(|| reset(fetch));
            }
        }
    }

    /// Gives back what was taken.
    pub unsafe fn end(&mut self, ss: *mut ScanState) {
        let fetch = std::mem::replace(&mut self.fetch, std::ptr::null_mut());
        if !fetch.is_null() {
            // SAFETY: between the node's beginning and its end
            unsafe {
                let end = (*(*(*ss).ss_currentRelation).rd_tableam).index_fetch_end.unwrap_unchecked();
                boundary(|| end(fetch));
            }
        }
    }
}
