//! The executor's part.
//!
//! The server prepares a custom node for rows that are laid out as values only, so the node prepares itself once more, for
//! rows as the table has them.

use crate::error::{Error, SqlState};
use crate::format::store::Tid;
use crate::indexam::flat::{ExactPasses, ScanWork};
use crate::knn::column::Column;
use crate::knn::distance_clause::parts_of;
use crate::knn::result_queue::Order;
use crate::knn::row_lookup::RowLookup;
use crate::knn::scan_hints;
use crate::knn::scan_hints::Hints;
use crate::pg::error::{boundary, guarded, raise};
use crate::pg::list::elements;
use crate::pg::raw;
use crate::pg::relation::Rel;
use crate::tableam::item_pointer;
use pgrx::PgMemoryContexts;
use pgrx::pg_sys::{
    self, CustomExecMethods, CustomScan, CustomScanMethods, CustomScanState, EState, ExplainState, ExprState,
    IndexFetchTableData, List, Node, NodeTag, OpExpr, ScanState, TupleTableSlot,
};
use std::ffi::CStr;

/// What EXPLAIN calls it, and by which the server finds it again.
pub const NAME: &CStr = c"ZvecExactScan";

/// Callbacks, which the server only reads.
pub struct Methods<T>(pub T);

// SAFETY: constant, with pointers to constants
unsafe impl<T> Sync for Methods<T> {}

/// What makes a plan's state.
pub static SCAN: Methods<CustomScanMethods> =
    Methods(CustomScanMethods { CustomName: NAME.as_ptr(), CreateCustomScanState: Some(create_custom_scan_state) });

static EXEC: Methods<CustomExecMethods> = Methods(CustomExecMethods {
    CustomName: NAME.as_ptr(),
    BeginCustomScan: Some(begin_custom_scan),
    ExecCustomScan: Some(exec_custom_scan),
    EndCustomScan: Some(end_custom_scan),
    ReScanCustomScan: Some(rescan_custom_scan),
    MarkPosCustomScan: None,
    RestrPosCustomScan: None,
    EstimateDSMCustomScan: None,
    InitializeDSMCustomScan: None,
    ReInitializeDSMCustomScan: None,
    InitializeWorkerCustomScan: None,
    ShutdownCustomScan: None,
    ExplainCustomScan: Some(explain_custom_scan),
});

/// Makes the node known to the server. Called once, when the library is loaded.
pub unsafe fn register() {
    // SAFETY: the methods live as long as the process
    unsafe { pg_sys::RegisterCustomScanMethods(&raw const SCAN.0) }
}

/// What is in a path's and a plan's private list, after what they must compute.
#[derive(Clone, Copy, Debug)]
pub struct Private {
    /// rows that the first pass keeps
    pub first: usize,
    /// whether the conditions may be asked about rows whose turn has not come
    pub may_narrow_down: bool,
    /// whether rows come in the order of the distance
    pub is_ordered: bool,
    /// whether rows without a vector come first
    pub nulls_first: bool,
    /// whether rows whose distance is NaN come first
    pub nan_first: bool,
}

impl Private {
    /// As a list.
    pub unsafe fn list(self) -> *mut List {
        let flags = [self.may_narrow_down, self.is_ordered, self.nulls_first, self.nan_first];
        let numbers = std::iter::once(self.first as i32).chain(flags.map(i32::from));
        // SAFETY: memory of the planner
        numbers.fold(std::ptr::null_mut(), |list, number| unsafe { pg_sys::lappend_int(list, number) })
    }

    /// What a plan's list says.
    pub unsafe fn of(plan: &CustomScan) -> Self {
        // SAFETY: as `list` made it
        let number = |at| unsafe { (*(*plan.custom_private).elements.add(at)).int_value };
        let [may_narrow_down, is_ordered, nulls_first, nan_first] = [1, 2, 3, 4].map(|at| number(at) != 0);
        Self { first: number(0) as usize, may_narrow_down, is_ordered, nulls_first, nan_first }
    }
}

/// The node as the server knows it, and its own state.
#[repr(C)]
struct ExactScan {
    custom: CustomScanState,
    /// what the rows are compared with
    query: *mut ExprState,
    /// beyond which no row is wanted: a list of [`ExprState`]
    bounds: *mut List,
    /// looks up rows; null before the first
    fetch: *mut IndexFetchTableData,
    /// made for the first row
    passes: *mut Option<ExactPasses>,
    /// whether the passes are those of the present query
    begun: bool,
    private: Private,
}

/// The callback `CreateCustomScanState`.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn create_custom_scan_state(_plan: *mut CustomScan) -> *mut Node {
    // SAFETY: memory of the node's size, in which zeros are a valid value
    unsafe {
        let node = pg_sys::palloc0(size_of::<ExactScan>()).cast::<ExactScan>();
        (*node).custom.ss.ps.type_ = NodeTag::T_CustomScanState;
        (*node).custom.methods = &raw const EXEC.0;
        node.cast()
    }
}

/// The distance by which the node orders.
unsafe fn distance_of(node: *mut CustomScanState) -> *mut OpExpr {
    // SAFETY: as the path made the plan
    unsafe {
        let plan = (*node).ss.ps.plan.cast::<CustomScan>();
        (*(*(*plan).custom_exprs).elements).ptr_value.cast()
    }
}

/// The callback `BeginCustomScan`.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn begin_custom_scan(node: *mut CustomScanState, estate: *mut EState, _flags: i32) {
    // SAFETY: the server's own arguments; the current memory context lives as long as the query
    unsafe {
        let own = node.cast::<ExactScan>();
        let ss = &mut (*node).ss;
        let rel = ss.ss_currentRelation;
        pg_sys::ExecInitScanTupleSlot(estate, ss, (*rel).rd_att, pg_sys::table_slot_callbacks(rel));
        // those that the server has just found in the same expressions
        ss.ps.subPlan = std::ptr::null_mut();
        let plan = &*ss.ps.plan.cast::<CustomScan>();
        pg_sys::ExecAssignScanProjectionInfoWithVarno(ss, plan.scan.scanrelid as i32);
        ss.ps.qual = pg_sys::ExecInitQual(plan.scan.plan.qual, &mut ss.ps);
        let query = (*(*(*distance_of(node)).args).elements.add(1)).ptr_value.cast();
        (*own).query = pg_sys::ExecInitExpr(query, &mut ss.ps);
        for bound in elements::<pg_sys::Expr>(plan.custom_exprs).skip(1) {
            let bound = pg_sys::ExecInitExpr(bound, &mut ss.ps);
            (*own).bounds = pg_sys::lappend((*own).bounds, bound.cast());
        }
        (*own).private = Private::of(plan);
        (*own).passes = PgMemoryContexts::CurrentMemoryContext.leak_and_drop_on_delete(None);
    }
}

/// The callback `ExecCustomScan`: the server's own loop over rows, conditions and projection.
pub unsafe extern "C-unwind" fn exec_custom_scan(node: *mut CustomScanState) -> *mut TupleTableSlot {
    // SAFETY: the server's own argument
    unsafe { raw::ExecScan(&mut (*node).ss, Some(next_row), Some(recheck)) }
}

/// The next row in order, in the node's slot, which is empty after the last.
unsafe extern "C-unwind" fn next_row(ss: *mut ScanState) -> *mut TupleTableSlot {
    // SAFETY: called by the server's loop with the node that it was given
    unsafe {
        guarded(|| {
            let slot = (*ss).ss_ScanTupleSlot;
            let node = &mut *ss.cast::<ExactScan>();
            if !node.begun {
                node.begin();
            }
            while let Some(tid) = node.next_address() {
                if node.fetches(tid, slot) {
                    Rel::of((*ss).ss_currentRelation).count_row();
                    return slot;
                }
                pgrx::check_for_interrupts!();
            }
            boundary(|| (*(*slot).tts_ops).clear.unwrap_unchecked()(slot));
            node.let_go();
            slot
        })
    }
}

/// A row that was locked, and has changed since, keeps its place in the order.
unsafe extern "C-unwind" fn recheck(_node: *mut ScanState, _slot: *mut TupleTableSlot) -> bool {
    true
}

/// The value of an expression, in memory that lives as long as the row; `None` for NULL. Without Rust values that wait to be
/// dropped, since it may raise errors.
unsafe fn evaluate(expression: *mut ExprState, econtext: *mut pg_sys::ExprContext) -> Option<pg_sys::Datum> {
    // SAFETY: prepared in `begin_custom_scan`
    unsafe {
        let before = pg_sys::MemoryContextSwitchTo((*econtext).ecxt_per_tuple_memory);
        let mut is_null = false;
        let value = (*expression).evalfunc.unwrap_unchecked()(expression, econtext, &mut is_null);
        pg_sys::MemoryContextSwitchTo(before);
        (!is_null).then_some(value)
    }
}

impl ExactScan {
    /// Begins with the present query.
    unsafe fn begin(&mut self) {
        // SAFETY: between the node's beginning and its end
        unsafe {
            let (rel, estate) = (self.custom.ss.ss_currentRelation, self.custom.ss.ps.state);
            let snapshot = (*estate).es_snapshot;
            let (query, econtext) = (self.query, self.custom.ss.ps.ps_ExprContext);
            let given = boundary(|| evaluate(query, econtext));
            let Private { first, nulls_first, nan_first, is_ordered, .. } = self.private;
            let mut hints = Hints { nulls_first, order: Order { nan_first, within: None }, any_order: !is_ordered };
            for bound in elements::<ExprState>(self.bounds) {
                let bound = boundary(|| evaluate(bound, econtext));
                hints.bound(bound.map(|bound| f64::from_bits(bound.value() as u64)));
            }
            if self.fetch.is_null() {
                let begin = (*(*rel).rd_tableam).index_fetch_begin.unwrap_unchecked();
                self.fetch = boundary(|| begin(rel));
            }
            boundary(|| raw::PredicateLockRelation(rel, snapshot));
            Rel::of(rel).count_scan();
            let context = (*estate).es_query_cxt;
            let plan = &*self.custom.ss.ps.plan.cast::<CustomScan>();
            let distance = distance_of(&mut self.custom);
            let passes = (*self.passes).get_or_insert_with(|| {
                let parts = parts_of(distance, plan.scan.scanrelid);
                let column = parts.and_then(|(attnum, metric)| Column::in_table(Rel::of(rel), attnum, metric));
                let Some(column) = column else { changed(Rel::of(rel)) };
                ExactPasses::new(column, RowLookup::new(rel, None, &column, snapshot, context), first)
            });
            passes.begin(given, hints, ScanWork::default());
            self.begun = true;
        }
    }

    /// The next row's address.
    ///
    /// Where the first pass was not enough, conditions keep fewer rows than was expected: so before another pass they are asked
    /// about all rows, in a scan of the table, and the passes to come look at no other's vector.
    unsafe fn next_address(&mut self) -> Option<Tid> {
        // SAFETY: between the node's beginning and its end
        unsafe {
            let passes = (*self.passes).as_mut()?;
            if self.private.may_narrow_down && passes.is_to_go_on() {
                let (conditions, econtext) = (self.custom.ss.ps.qual, self.custom.ss.ps.ps_ExprContext);
                passes.narrow_down(|row| {
                    boundary(|| {
                        (*econtext).ecxt_scantuple = row;
                        pg_sys::MemoryContextReset((*econtext).ecxt_per_tuple_memory);
                        evaluate(conditions, econtext).is_some_and(|holds| holds.value() != 0)
                    })
                });
            }
            passes.row()
        }
    }

    /// Lets go of the page that the last row was on; the row's slot has a pin of its own.
    unsafe fn let_go(&self) {
        let fetch = self.fetch;
        if !fetch.is_null() {
            // SAFETY: between the node's beginning and its end
            unsafe {
                let reset = (*(*self.custom.ss.ss_currentRelation).rd_tableam).index_fetch_reset.unwrap_unchecked();
                boundary(|| reset(fetch));
            }
        }
    }

    /// Whether the snapshot sees a row at `tid`, which then is in `slot`.
    unsafe fn fetches(&mut self, tid: Tid, slot: *mut TupleTableSlot) -> bool {
        // SAFETY: between the node's beginning and its end
        unsafe {
            let rel = self.custom.ss.ss_currentRelation;
            let (fetch, snapshot) = (self.fetch, (*self.custom.ss.ps.state).es_snapshot);
            let fetch_tuple = (*(*rel).rd_tableam).index_fetch_tuple.unwrap_unchecked();
            boundary(|| {
                let (mut again, mut dead) = (false, false);
                fetch_tuple(fetch, &mut item_pointer(tid), snapshot, slot, &mut again, &mut dead)
            })
        }
    }
}

/// Raises the error for a plan that does not fit the table; the server makes plans anew when a table changes.
fn changed(rel: Rel<'_>) -> ! {
    let name = rel.name();
    raise(Error::new(SqlState::Internal, format!("the plan of an exact scan does not fit table \"{name}\"")))
}

/// The callback `ReScanCustomScan`.
pub unsafe extern "C-unwind" fn rescan_custom_scan(node: *mut CustomScanState) {
    // SAFETY: the server's own argument
    unsafe {
        guarded(|| {
            let own = &mut *node.cast::<ExactScan>();
            own.begun = false;
            own.let_go();
            boundary(|| pg_sys::ExecScanReScan(&mut (*node).ss));
        });
    }
}

/// The callback `EndCustomScan`.
pub unsafe extern "C-unwind" fn end_custom_scan(node: *mut CustomScanState) {
    // SAFETY: the server's own argument
    unsafe {
        guarded(|| {
            let own = &mut *node.cast::<ExactScan>();
            let rel = own.custom.ss.ss_currentRelation;
            if let Some(passes) = (*own.passes).take() {
                passes.end();
            }
            let fetch = std::mem::replace(&mut own.fetch, std::ptr::null_mut());
            if !fetch.is_null() {
                let end = (*(*rel).rd_tableam).index_fetch_end.unwrap_unchecked();
                boundary(|| end(fetch));
            }
        });
    }
}

/// The callback `ExplainCustomScan`: names the order, as EXPLAIN does for an index scan, what comes first and where it ends.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn explain_custom_scan(
    node: *mut CustomScanState,
    ancestors: *mut List,
    es: *mut ExplainState,
) {
    // SAFETY: the server's own arguments
    unsafe {
        let context = pg_sys::set_deparse_context_plan((*es).deparse_cxt, (*node).ss.ps.plan, ancestors);
        let shown = |node| pg_sys::deparse_expression(node, context, (*es).verbose, false);
        let private = (*node.cast::<ExactScan>()).private;
        let label = if private.is_ordered { c"Order By" } else { c"Distance" };
        pg_sys::ExplainPropertyText(label.as_ptr(), shown(distance_of(node).cast()), es);
        if let Some(first) = scan_hints::shown(private.nulls_first, private.nan_first).filter(|_| private.is_ordered) {
            pg_sys::ExplainPropertyText(c"Order".as_ptr(), first.as_ptr(), es);
        }
        let plan = (*node).ss.ps.plan.cast::<CustomScan>();
        for bound in elements::<Node>((*plan).custom_exprs).skip(1) {
            pg_sys::ExplainPropertyText(c"Within".as_ptr(), shown(bound), es);
        }
    }
}
