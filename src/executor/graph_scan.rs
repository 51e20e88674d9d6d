//! A scan of a graph in the executor, which takes the query's conditions into account while it searches.
//!
//! Whatever the scan has found out, the server's loop asks the conditions about each row that is returned ([`raw::ExecScan`]).
//! So what is known before may be more than what satisfies them, and never less.

use crate::error::{Error, SqlState};
use crate::executor::exact_scan::Methods;
use crate::executor::row_test::RowTest;
use crate::executor::table_rows;
use crate::executor::table_rows::{Given, TableRows, distance_of};
use crate::format::graph::Condition;
use crate::format::store::{SlotNo, Tid};
use crate::hnsw::filtering::{ASKED, Finder, KEY, Known, LED_TO, POINTED_TO, PROBED, ROW, TESTED};
use crate::indexam::hnsw::filter::{Conditions, Expected, Strategy};
use crate::indexam::hnsw::included::testable;
use crate::indexam::hnsw::scan::GraphScan;
use crate::knn::query::VectorQuery;
use crate::knn::result_queue::Order;
use crate::knn::scan_hints;
use crate::knn::scan_hints::Hints;
use crate::pg::compat::{TidBitmap, may_pass_rows_by};
use crate::pg::error::{OrRaise, boundary, guarded, raise};
use crate::pg::list::elements;
use crate::pg::raw;
use crate::pg::relation::{Rel, plain_name_of};
use crate::tableam::MOST_ROWS;
use crate::tableam::lookup::vector_in;
use crate::tableam::row_pages::Addresses;
use crate::tableam::vectors::VectorValue;
use crate::vector::check_same_dims;
use pgrx::PgMemoryContexts;
use pgrx::pg_sys::{
    self, CustomExecMethods, CustomScan, CustomScanMethods, CustomScanState, EState, ExplainState, List, Node, NodeTag,
    PlanState, ScanState, TupleTableSlot,
};
use smallvec::SmallVec;
use std::ffi::CStr;
use std::rc::Rc;

/// What EXPLAIN calls it, and by which the server finds it again.
pub const NAME: &CStr = c"ZvecGraphScan";

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

/// Who finds the rows that satisfy the conditions: the plan that the node has for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subplan {
    /// there is none
    None,
    /// one that scans the table, which does not show in EXPLAIN: it is there for when all else is slow
    Table,
    /// one that scans another index
    Index,
    /// one that makes a set of rows' addresses, by other indexes
    Bitmap,
}

/// What the planner's unit of cost stands for, of scans of tables in memory: 60,000 rows of a table of 400 pages are scanned in
/// 2.9 ms, and cost 1,150.
const NANOSECONDS: f64 = 2500.0;

/// What is in a plan's private list.
#[derive(Clone, Copy, Debug)]
pub struct Private {
    /// the index
    pub index: pg_sys::Oid,
    /// whether rows without a vector come first
    pub nulls_first: bool,
    /// whether rows whose distance is NaN come first
    pub nan_first: bool,
    /// whether the conditions may be asked about rows whose turn has not come
    pub may_be_asked: bool,
    /// who finds rows
    pub subplan: Subplan,
    /// the planner's estimates
    pub expected: Expected,
    /// how many bounds follow the distance in what the plan computes
    pub bounds: usize,
    /// how many values that columns are compared with follow the bounds; conditions that included columns test come last
    pub comparands: usize,
    /// whether columns test all conditions
    pub decide: bool,
    /// how many columns of the table itself are tested; 0 where included columns are, or none
    pub own: usize,
}

/// Where the numbers of the columns that are tested begin in the list. The words of [`testable::Form`] follow.
const TESTED_AT: usize = 17;

impl Private {
    /// As a list, with the table's own columns that are tested, and how columns are tested ([`testable::Form::words`]), if any are.
    pub unsafe fn list(&self, own: &[i16], words: &[i32]) -> *mut List {
        let subplan = match self.subplan {
            Subplan::None => 0,
            Subplan::Table => 1,
            Subplan::Index => 2,
            Subplan::Bitmap => 3,
        };
        let flags = [self.nulls_first, self.nan_first, self.may_be_asked].map(i32::from);
        let Expected { rows, share, wanted, finding } = self.expected;
        let halves = |number: f64| [(number.to_bits() >> 32) as i32, number.to_bits() as i32];
        let numbers = [self.index.to_u32() as i32].into_iter().chain(flags).chain([subplan]);
        let numbers = numbers.chain([rows, share, wanted, finding].into_iter().flat_map(halves));
        let numbers = numbers.chain([self.bounds as i32, self.comparands as i32, self.decide.into(), own.len() as i32]);
        let numbers = numbers.chain(own.iter().map(|&column| column.into())).chain(words.iter().copied());
        // SAFETY: memory of the planner
        numbers.fold(std::ptr::null_mut(), |list, number| unsafe { pg_sys::lappend_int(list, number) })
    }

    /// What a plan's list says.
    pub unsafe fn of(plan: &CustomScan) -> Self {
        // SAFETY: as `list` made it
        let number = |at| unsafe { (*(*plan.custom_private).elements.add(at)).int_value };
        let float = |at| f64::from_bits(u64::from(number(at) as u32) << 32 | u64::from(number(at + 1) as u32));
        let [nulls_first, nan_first, may_be_asked] = [1, 2, 3].map(|at| number(at) != 0);
        let subplan = match number(4) {
            1 => Subplan::Table,
            2 => Subplan::Index,
            3 => Subplan::Bitmap,
            _ => Subplan::None,
        };
        let expected = Expected { rows: float(5), share: float(7), wanted: float(9), finding: float(11) };
        let (bounds, comparands, decide) = (number(13) as usize, number(14) as usize, number(15) != 0);
        let index = (number(0) as u32).into();
        let own = number(16) as usize;
        Self { index, nulls_first, nan_first, may_be_asked, subplan, expected, bounds, comparands, decide, own }
    }
}

/// How columns are tested.
#[derive(Default)]
struct Keys {
    /// where it is the table's own, on its pages
    test: Option<RowTest>,
    /// the table's own columns that are tested
    own: Vec<i16>,
    /// see [`testable::Form::words`]; empty where they are not
    words: Vec<i32>,
    /// with the present values
    condition: Option<Rc<Condition>>,
}

impl Keys {
    /// Takes the present values of what columns are compared with; true when they are others than before.
    unsafe fn bind(&mut self, node: *mut Scan) -> bool {
        if self.words.is_empty() {
            return false;
        }
        // SAFETY: prepared; what is detoasted lives until the next row
        unsafe {
            let econtext = (*node).custom.ss.ps.ps_ExprContext;
            let values: Vec<_> = (*node).given.comparands(econtext).collect();
            let before = pg_sys::MemoryContextSwitchTo((*econtext).ecxt_per_tuple_memory);
            let condition = testable::bind(&self.words, &values);
            pg_sys::MemoryContextSwitchTo(before);
            let is_new = self.condition.as_deref() != Some(&condition);
            if is_new {
                self.condition = Some(Rc::new(condition));
            }
            is_new
        }
    }
}

/// The node as the server knows it, and its own state.
#[repr(C)]
struct Scan {
    custom: CustomScanState,
    given: Given,
    rows: TableRows,
    /// null in an EXPLAIN that runs nothing
    index: pg_sys::Relation,
    /// made for the first row
    scan: *mut Option<GraphScan>,
    keys: *mut Keys,
    /// what the subplan has found and is still to be read
    bitmap: *mut Option<TidBitmap>,
    /// whether rows may be passed by without a word to the server
    may_pass_by: bool,
    /// versions of rows that were tested on their pages, since the first loop began
    tested: u64,
    /// whether the scan is that of the present query
    begun: bool,
    /// the vectors' column
    vector: i16,
    private: Private,
    /// finds rows; null until it is wanted
    subplan: *mut PlanState,
    /// the address of the row that is in the node's slot, if it was asked last
    in_slot: Tid,
}

/// The callback `CreateCustomScanState`.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn create_custom_scan_state(_plan: *mut CustomScan) -> *mut Node {
    // SAFETY: memory of the node's size, in which zeros are a valid value
    unsafe {
        let node = pg_sys::palloc0(size_of::<Scan>()).cast::<Scan>();
        (*node).custom.ss.ps.type_ = NodeTag::T_CustomScanState;
        (*node).custom.methods = &raw const EXEC.0;
        node.cast()
    }
}

/// The callback `BeginCustomScan`.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn begin_custom_scan(node: *mut CustomScanState, estate: *mut EState, flags: i32) {
    // SAFETY: the server's own arguments; the current memory context lives as long as the query
    unsafe {
        let own = node.cast::<Scan>();
        let plan = &*(*node).ss.ps.plan.cast::<CustomScan>();
        (*own).private = Private::of(plan);
        (*own).given = table_rows::prepare(node, estate, ((*own).private.bounds, (*own).private.comparands));
        let numbers = TESTED_AT..(*plan.custom_private).length as usize;
        let mut numbers = numbers.map(|at| (*(*plan.custom_private).elements.add(at)).int_value);
        let columns = numbers.by_ref().take((*own).private.own).map(|column| column as i16).collect();
        let keys = Keys { test: None, own: columns, words: numbers.collect(), condition: None };
        (*own).keys = PgMemoryContexts::CurrentMemoryContext.leak_and_drop_on_delete(keys);
        (*own).scan = PgMemoryContexts::CurrentMemoryContext.leak_and_drop_on_delete(None);
        (*own).bitmap = PgMemoryContexts::CurrentMemoryContext.leak_and_drop_on_delete(None);
        if matches!((*own).private.subplan, Subplan::Index | Subplan::Bitmap) {
            let subplan = (*(*plan.custom_plans).elements).ptr_value.cast();
            (*own).subplan = pg_sys::ExecInitNode(subplan, estate, flags);
            (*node).custom_ps = pg_sys::lappend(std::ptr::null_mut(), (*own).subplan.cast());
        }
        if flags & pg_sys::EXEC_FLAG_EXPLAIN_ONLY as i32 == 0 {
            let mut tables = elements::<pg_sys::RangeTblEntry>((*estate).es_range_table);
            let table = tables.nth(plan.scan.scanrelid as usize - 1);
            let lock = table.map_or(pg_sys::AccessShareLock as i32, |table| (*table).rellockmode);
            (*own).index = pg_sys::index_open((*own).private.index, lock);
        }
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
            let node = ss.cast::<Scan>();
            if !(*node).begun {
                begin(node);
            }
            let mut told = Told { node };
            while let Some(tid) = (*(*node).scan).as_mut().and_then(|scan| scan.next(&mut told)) {
                let index = Rel::of((*node).index);
                index.count_row();
                let is_there = (*node).in_slot == tid || (*node).rows.fetches(ss, tid, slot);
                (*node).in_slot = Tid::NONE;
                if is_there {
                    index.count_fetch();
                    return slot;
                }
                pgrx::check_for_interrupts!();
            }
            boundary(|| (*(*slot).tts_ops).clear.unwrap_unchecked()(slot));
            (*node).rows.let_go(ss);
            slot
        })
    }
}

/// A row that was locked, and has changed since, keeps its place in the order.
unsafe extern "C-unwind" fn recheck(_node: *mut ScanState, _slot: *mut TupleTableSlot) -> bool {
    true
}

/// Begins with the present query.
unsafe fn begin(node: *mut Scan) {
    // SAFETY: between the node's beginning and its end
    unsafe {
        let ss = &raw mut (*node).custom.ss;
        let (rel, index, estate) = ((*ss).ss_currentRelation, (*node).index, (*ss).ps.state);
        let (snapshot, econtext) = ((*estate).es_snapshot, (*ss).ps.ps_ExprContext);
        let Private { nulls_first, nan_first, .. } = (*node).private;
        let query = (*node).given.query(econtext);
        let mut hints = Hints { nulls_first, order: Order { nan_first, within: None }, any_order: false };
        (*node).given.bounds(econtext).for_each(|bound| hints.bound(bound));
        // of what was found under another condition nothing is known
        let forgets = (*(*node).keys).bind(node);
        (*node).may_pass_by = may_pass_rows_by();
        (*node).rows.begin(ss);
        (*node).in_slot = Tid::NONE;
        boundary(|| raw::PredicateLockRelation(index, snapshot));
        let scan = &mut *(*node).scan;
        if scan.is_none() {
            *scan = Some(GraphScan::new(Rel::of(index), Rel::of(rel), snapshot, (*estate).es_query_cxt));
        }
        let Some(scan) = scan else { return };
        if forgets {
            forget(node, scan);
            let subplan = (*node).subplan;
            if !subplan.is_null() {
                boundary(|| pg_sys::ExecReScan(subplan));
            }
        }
        Rel::of(index).count_scan();
        scan.set_hints(hints);
        let column = *scan.column();
        (*node).vector = column.attnum;
        let distance = crate::knn::distance_clause::parts_of(
            distance_of(node.cast()),
            (*(*ss).ps.plan.cast::<CustomScan>()).scan.scanrelid,
        );
        if distance != Some((column.attnum, column.metric)) {
            let name = Rel::of(index).name();
            let message = format!("the plan of a graph scan does not fit index \"{name}\"");
            raise(Error::new(SqlState::Internal, message));
        }
        let query = query.map(|query| {
            let value = VectorValue::of(query, column.element);
            check_same_dims(usize::from(column.dims), usize::from(value.dims())).or_raise();
            VectorQuery::new(column.metric, column.element, value.bytes())
        });
        let keys = &mut *(*node).keys;
        if keys.test.is_none() && (!keys.own.is_empty() || (*node).private.subplan == Subplan::Bitmap) {
            keys.test = RowTest::new(rel, &keys.own, column.attnum).or_else(|| {
                // not as it was planned: nothing is tested
                (keys.own, keys.words, keys.condition) = Default::default();
                RowTest::new(rel, &[], column.attnum)
            });
        }
        scan.start(query, &mut Told { node });
        (*node).begun = true;
    }
}

/// What was found under another condition is forgotten.
unsafe fn forget(node: *mut Scan, scan: &mut GraphScan) {
    scan.forget_conditions();
    // SAFETY: between the node's beginning and its end
    unsafe {
        if let Some(bitmap) = (*(*node).bitmap).take() {
            bitmap.end();
        }
    }
}

/// So many blocks are looked at together.
const TOGETHER: usize = 16;

/// The node's conditions, as its scan may ask about them.
struct Told {
    node: *mut Scan,
}

impl Told {
    /// The test of rows on the table's pages, and what they are tested for.
    fn test(&mut self) -> Option<(&mut RowTest, Rc<Condition>)> {
        // SAFETY: between the node's beginning and its end
        let (may_pass_by, keys) = unsafe { ((*self.node).may_pass_by, &mut *(*self.node).keys) };
        if !may_pass_by || keys.own.is_empty() {
            return None;
        }
        Some((keys.test.as_mut()?, keys.condition.clone()?))
    }

    /// Whether rows on the table's pages are tested for all conditions.
    fn is_tested(&self) -> bool {
        // SAFETY: between the node's beginning and its end
        unsafe {
            let (node, keys) = (&*self.node, &*(*self.node).keys);
            node.may_pass_by && node.private.decide && keys.test.is_some() && !keys.own.is_empty()
        }
    }

    /// As [`Conditions::find`], by a set of addresses.
    unsafe fn find_by_bitmap(&mut self, most: u64, take: &mut dyn FnMut(SlotNo)) -> bool {
        // SAFETY: between the node's beginning and its end
        unsafe {
            let node = self.node;
            let ss = &raw mut (*node).custom.ss;
            let (subplan, may_pass_by) = ((*node).subplan, (*node).may_pass_by);
            let bitmap = &mut *(*node).bitmap;
            if bitmap.is_none() {
                let context = (*(*ss).ps.state).es_query_cxt;
                *bitmap = Some(boundary(|| {
                    let before = pg_sys::MemoryContextSwitchTo(context);
                    let made = TidBitmap::new(pg_sys::MultiExecProcNode(subplan).cast());
                    pg_sys::MemoryContextSwitchTo(before);
                    made
                }));
            }
            let Keys { test, condition, own, .. } = &mut *(*node).keys;
            let (Some(test), Some(addresses)) = (test, bitmap.as_mut()) else {
                raise(Error::new(SqlState::Internal, "a graph scan was not prepared for addresses of rows"))
            };
            let condition = condition.as_deref().filter(|_| !own.is_empty());
            let (mut found, mut offsets, mut blocks) = (0, Vec::new(), Vec::with_capacity(TOGETHER));
            let mut is_at_end = false;
            while found < most && !is_at_end {
                pgrx::check_for_interrupts!();
                blocks.clear();
                while blocks.len() < TOGETHER && !is_at_end {
                    match addresses.next(&mut offsets) {
                        Some((block, true)) => blocks.push((block, Some(SmallVec::from_slice(&offsets)))),
                        Some((block, false)) => blocks.push((block, None)),
                        None => is_at_end = true,
                    }
                }
                let take = |slot| {
                    found += 1;
                    take(slot);
                };
                if may_pass_by {
                    test.slots_at(&blocks, condition, take);
                } else {
                    self.look_up(&blocks, take);
                }
            }
            if is_at_end && let Some(bitmap) = bitmap.take() {
                bitmap.end();
            }
            is_at_end
        }
    }

    /// Hands the slots of the vectors of the rows at addresses to `take`, as the server looks rows up.
    unsafe fn look_up(&self, blocks: &[Addresses], mut take: impl FnMut(SlotNo)) {
        // SAFETY: between the node's beginning and its end
        unsafe {
            let node = self.node;
            let ss = &raw mut (*node).custom.ss;
            let slot = (*ss).ss_ScanTupleSlot;
            let mut take = |block, offset| {
                if (*node).rows.fetches(ss, Tid { block, offset }, slot)
                    && let Some(found) = vector_in(slot, (*node).vector)
                {
                    take(found);
                }
            };
            for &(block, ref offsets) in blocks {
                match offsets {
                    Some(offsets) => offsets.iter().for_each(|&offset| take(block, offset)),
                    None => (1..=MOST_ROWS as u16).for_each(|offset| take(block, offset)),
                }
            }
        }
    }
}

impl Conditions for Told {
    fn may_be_asked(&self) -> bool {
        // SAFETY: between the node's beginning and its end
        unsafe { (*self.node).private.may_be_asked }
    }

    fn hold(&mut self, tid: Tid) -> bool {
        // SAFETY: between the node's beginning and its end
        unsafe {
            let node = self.node;
            let ss = &raw mut (*node).custom.ss;
            let slot = (*ss).ss_ScanTupleSlot;
            if let Some((test, condition)) = self.test() {
                (*node).tested += 1;
                if !test.may_hold(tid, &condition) {
                    (*node).in_slot = Tid::NONE;
                    return false;
                }
            }
            let holds = (*node).rows.fetches(ss, tid, slot) && boundary(|| table_rows::satisfies(ss, slot));
            (*node).in_slot = if holds { tid } else { Tid::NONE };
            holds
        }
    }

    fn finder(&self) -> Finder {
        // SAFETY: between the node's beginning and its end
        let (private, keys, may_pass_by) =
            unsafe { ((*self.node).private, &*(*self.node).keys, (*self.node).may_pass_by) };
        let finder = match private.subplan {
            Subplan::None => Finder::Nobody,
            Subplan::Table => Finder::Table(private.expected.finding * NANOSECONDS),
            Subplan::Index => Finder::Indexes(private.expected.share, LED_TO),
            Subplan::Bitmap => Finder::Indexes(private.expected.share, if may_pass_by { POINTED_TO } else { LED_TO }),
        };
        let is_own = !keys.own.is_empty();
        if keys.condition.is_none() || is_own && !self.is_tested() {
            return finder;
        }
        let Expected { rows, share, .. } = private.expected;
        let by_keys = rows * if is_own { ROW } else { KEY } * testable::tests(&keys.words) as f64;
        match finder {
            Finder::Indexes(_, each) if Known::cost_of_indexes(rows * share, each) < by_keys => finder,
            _ if is_own => Finder::Table(by_keys),
            _ => Finder::Columns(by_keys),
        }
    }

    fn keys(&self) -> Option<Rc<Condition>> {
        // SAFETY: between the node's beginning and its end
        let keys = unsafe { &*(*self.node).keys };
        keys.condition.clone().filter(|_| keys.own.is_empty())
    }

    fn keys_decide(&self) -> bool {
        // SAFETY: between the node's beginning and its end
        unsafe { (*self.node).private.decide && (*self.node).private.own == 0 }
    }

    fn cost_of_asking(&self) -> f64 {
        match (self.keys_decide(), self.is_tested()) {
            (true, _) => PROBED,
            (_, true) => TESTED,
            _ => ASKED,
        }
    }

    fn find(&mut self, most: u64, take: &mut dyn FnMut(SlotNo)) -> bool {
        let by_table = self.is_tested() && matches!(self.finder(), Finder::Table(_));
        if by_table && let Some((test, condition)) = self.test() {
            // SAFETY: between the node's beginning and its end
            unsafe { (*self.node).tested += test.slots(&condition, take) }
            return true;
        }
        // SAFETY: between the node's beginning and its end; the subplan scans the same table
        unsafe {
            let node = self.node;
            if (*node).private.subplan == Subplan::Bitmap {
                return self.find_by_bitmap(most, take);
            }
            let ss = &raw mut (*node).custom.ss;
            let plan = (*ss).ps.plan.cast::<CustomScan>();
            if (*node).subplan.is_null() {
                let estate = (*ss).ps.state;
                let subplan = (*(*(*plan).custom_plans).elements).ptr_value.cast();
                (*node).subplan = boundary(|| {
                    let before = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
                    let made = pg_sys::ExecInitNode(subplan, estate, 0);
                    pg_sys::MemoryContextSwitchTo(before);
                    made
                });
            }
            let subplan = (*node).subplan;
            for _ in 0..most {
                let row = boundary(|| {
                    if !(*subplan).chgParam.is_null() {
                        pg_sys::ExecReScan(subplan);
                    }
                    (*subplan).ExecProcNode.unwrap_unchecked()(subplan)
                });
                if row.is_null() || (*row).tts_flags & pg_sys::TTS_FLAG_EMPTY as u16 != 0 {
                    return true;
                }
                if let Some(slot) = vector_in((*subplan.cast::<ScanState>()).ss_ScanTupleSlot, (*node).vector) {
                    take(slot);
                }
            }
            false
        }
    }

    fn expected(&self) -> Expected {
        // SAFETY: between the node's beginning and its end
        unsafe { (*self.node).private.expected }
    }
}

/// The callback `ReScanCustomScan`.
pub unsafe extern "C-unwind" fn rescan_custom_scan(node: *mut CustomScanState) {
    // SAFETY: the server's own argument
    unsafe {
        guarded(|| {
            let own = node.cast::<Scan>();
            let ss = &raw mut (*node).ss;
            (*own).begun = false;
            (*own).in_slot = Tid::NONE;
            (*own).rows.let_go(ss);
            let (subplan, changed) = ((*own).subplan, (*ss).ps.chgParam);
            if !subplan.is_null() {
                boundary(|| {
                    if !changed.is_null() {
                        pg_sys::UpdateChangedParamSet(subplan, changed);
                    }
                });
                // what it has found stays found while nothing that it depends on changes
                if !(*subplan).chgParam.is_null()
                    && let Some(scan) = &mut *(*own).scan
                {
                    forget(own, scan);
                }
            }
            boundary(|| pg_sys::ExecScanReScan(ss));
        });
    }
}

/// The callback `EndCustomScan`.
pub unsafe extern "C-unwind" fn end_custom_scan(node: *mut CustomScanState) {
    // SAFETY: the server's own argument
    unsafe {
        guarded(|| {
            let own = node.cast::<Scan>();
            if let Some(mut scan) = (*(*own).scan).take() {
                scan.end();
            }
            if let Some(bitmap) = (*(*own).bitmap).take() {
                bitmap.end();
            }
            (*own).rows.end(&mut (*node).ss);
            let (subplan, index) = ((*own).subplan, (*own).index);
            boundary(|| {
                if !subplan.is_null() {
                    pg_sys::ExecEndNode(subplan);
                }
                if !index.is_null() {
                    pg_sys::index_close(index, pg_sys::NoLock as _);
                }
            });
        });
    }
}

/// The callback `ExplainCustomScan`: names the index and the order, as EXPLAIN does for an index scan, what comes first and
/// where it ends; and after it has run what was done.
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
        let own = node.cast::<Scan>();
        let private = (*own).private;
        let name = std::ffi::CString::new(plain_name_of(private.index)).unwrap_or_default();
        pg_sys::ExplainPropertyText(c"Index".as_ptr(), name.as_ptr(), es);
        pg_sys::ExplainPropertyText(c"Order By".as_ptr(), shown(distance_of(node).cast()), es);
        if let Some(first) = scan_hints::shown(private.nulls_first, private.nan_first) {
            pg_sys::ExplainPropertyText(c"Order".as_ptr(), first.as_ptr(), es);
        }
        let plan = (*node).ss.ps.plan.cast::<CustomScan>();
        for bound in elements::<Node>((*plan).custom_exprs).skip(1).take(private.bounds) {
            pg_sys::ExplainPropertyText(c"Within".as_ptr(), shown(bound), es);
        }
        let tested = elements::<Node>((*plan).custom_exprs).skip(1 + private.bounds + private.comparands);
        let tested = tested.fold(std::ptr::null_mut(), |list, clause| pg_sys::lappend(list, clause.cast()));
        if !tested.is_null() {
            let all = pg_sys::make_ands_explicit(tested);
            pg_sys::ExplainPropertyText(c"Included Cond".as_ptr(), shown(all.cast()), es);
        }
        if (*es).analyze {
            explain_work(own, es);
        }
    }
}

/// Shows what was done, for each loop on the average.
unsafe fn explain_work(node: *mut Scan, es: *mut ExplainState) {
    // SAFETY: as the callback's
    unsafe {
        let loops = table_rows::loops(node.cast());
        let Some(scan) = &*(*node).scan else { return };
        let counts = scan.counts();
        let strategy = match scan.strategy() {
            Strategy::Untold => c"rows in order",
            Strategy::Asked => c"rows asked in order",
            Strategy::Among => c"graph of known rows",
            Strategy::Listed => c"known rows listed",
        };
        pg_sys::ExplainPropertyText(c"Strategy".as_ptr(), strategy.as_ptr(), es);
        let expected = (*node).private.expected;
        let number = |label: &CStr, value: f64| table_rows::show_number(label, value, es);
        number(c"Rows Expected to Qualify", expected.rows * expected.share);
        let each = [
            (c"Rows Known to Qualify", counts.found),
            (c"Graphs Searched", counts.searched),
            (c"Nodes Expanded", counts.work.expanded),
            (c"Nodes Passed Through", counts.work.passed),
            (c"Codes Compared", counts.work.compared + counts.listed),
            (c"Pending Vectors Compared", counts.pending),
            (c"Exact Distances", counts.exact),
            (c"Keys Compared", counts.probed + counts.keys),
            (c"Rows Removed by Keys", counts.failed_keys),
            (c"Rows Tested on Pages", (*node).tested),
            (c"Rows Asked", counts.asked),
            (c"Rows Removed When Asked", counts.failed),
            (c"Vectors Not Visible", counts.hidden),
        ];
        for (label, count) in each {
            number(label, count as f64 / loops);
        }
    }
}
