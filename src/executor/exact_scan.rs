//! An exact scan in the executor.

use crate::error::{Error, SqlState};
use crate::executor::table_rows;
use crate::executor::table_rows::{Given, TableRows, distance_of};
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
use pgrx::PgMemoryContexts;
use pgrx::pg_sys::{
    self, CustomExecMethods, CustomScan, CustomScanMethods, CustomScanState, EState, ExplainState, List, Node, NodeTag,
    ScanState, TupleTableSlot,
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
    given: Given,
    rows: TableRows,
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

/// The callback `BeginCustomScan`.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn begin_custom_scan(node: *mut CustomScanState, estate: *mut EState, _flags: i32) {
    // SAFETY: the server's own arguments; the current memory context lives as long as the query
    unsafe {
        let own = node.cast::<ExactScan>();
        let plan = (*node).ss.ps.plan.cast::<CustomScan>();
        let bounds = (*(*plan).custom_exprs).length as usize - 1;
        (*own).given = table_rows::prepare(node, estate, (bounds, 0));
        let plan = &*(*node).ss.ps.plan.cast::<CustomScan>();
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
                if node.rows.fetches(ss, tid, slot) {
                    Rel::of((*ss).ss_currentRelation).count_row();
                    return slot;
                }
                pgrx::check_for_interrupts!();
            }
            boundary(|| (*(*slot).tts_ops).clear.unwrap_unchecked()(slot));
            node.rows.let_go(ss);
            slot
        })
    }
}

/// A row that was locked, and has changed since, keeps its place in the order.
unsafe extern "C-unwind" fn recheck(_node: *mut ScanState, _slot: *mut TupleTableSlot) -> bool {
    true
}

impl ExactScan {
    /// Begins with the present query.
    unsafe fn begin(&mut self) {
        // SAFETY: between the node's beginning and its end
        unsafe {
            let (rel, estate) = (self.custom.ss.ss_currentRelation, self.custom.ss.ps.state);
            let snapshot = (*estate).es_snapshot;
            let econtext = self.custom.ss.ps.ps_ExprContext;
            let given = self.given.query(econtext);
            let Private { first, nulls_first, nan_first, is_ordered, .. } = self.private;
            let mut hints = Hints { nulls_first, order: Order { nan_first, within: None }, any_order: !is_ordered };
            self.given.bounds(econtext).for_each(|bound| hints.bound(bound));
            self.rows.begin(&mut self.custom.ss);
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
                let ss = &raw mut self.custom.ss;
                passes.narrow_down(|row| boundary(|| table_rows::satisfies(ss, row)));
            }
            passes.row()
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
            own.rows.let_go(&mut (*node).ss);
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
            if let Some(passes) = (*own.passes).take() {
                passes.end();
            }
            own.rows.end(&mut (*node).ss);
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
        if (*es).analyze
            && let Some(passes) = &*(*node.cast::<ExactScan>()).passes
        {
            let (counts, loops) = (passes.counts(), table_rows::loops(node));
            table_rows::show_number(c"Passes", counts.passes as f64 / loops, es);
            table_rows::show_number(c"Exact Distances", counts.measured as f64 / loops, es);
            table_rows::show_number(c"Rows Known to Qualify", counts.left as f64 / loops, es);
        }
    }
}
