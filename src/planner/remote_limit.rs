//! LIMIT for foreign tables of postgres_fdw.
//!
//! postgres_fdw sends ORDER BY to the other server wherever it can, but LIMIT only where a foreign table is all that a query
//! reads, and there only if its estimates make that cheaper. Below the Merge Append of a partitioned table it would fetch rows by
//! the hundred, each with its vector, and the other server would plan for reading a tenth of the table. So a path is made that
//! asks for LIMIT as well: nobody above it wants more rows of one of its inputs than the query wants of all.
//!
//! The path is postgres_fdw's own, in order, with the two flags that it keeps with a path of a whole query: whether the order is
//! of the query's output (it is not), and whether there is a LIMIT. What it makes of them is looked at before they are used.

use crate::knn::distance_clause::{column_of, metric_of};
use crate::pg::list::elements;
use crate::planner::distance_forms::Served;
use pgrx::pg_sys::{
    self, Const, ForeignPath, ForeignScan, FuncExpr, List, Node, NodeTag, Path, PathKey, PlannerInfo, Query,
    RangeTblEntry, RelOptInfo,
};
use std::ffi::CStr;

/// The share of the rows that a LIMIT whose number is not known is taken to want, as the planner takes it.
const UNKNOWN_LIMIT: f64 = 0.1;

/// Adds a path with a LIMIT for a foreign table whose rows a query wants in order of distance, and in which nothing between the
/// scan and the query's LIMIT may drop or multiply rows.
pub unsafe fn add_path(root: *mut PlannerInfo, rel: *mut RelOptInfo, rte: &RangeTblEntry) {
    // SAFETY: the planner's own
    unsafe {
        if rte.inh || rte.relkind as u8 != pg_sys::RELKIND_FOREIGN_TABLE {
            return;
        }
        let is_alone = pg_sys::bms_membership((*root).all_baserels) == pg_sys::BMS_Membership::BMS_SINGLETON;
        if !is_alone || !wants_first_rows(&*(*root).parse) || !is_by_distance(root, rel) || !is_of_postgres_fdw(rel) {
            return;
        }
        let in_order = elements::<ForeignPath>((*rel).pathlist).find(|&path| {
            (*path).path.type_ == NodeTag::T_ForeignPath
                && (*path).path.param_info.is_null()
                && (*path).fdw_private.is_null()
                && (*path).fdw_outerpath.is_null()
                && pg_sys::pathkeys_contained_in((*root).sort_pathkeys, (*path).path.pathkeys)
        });
        let Some(in_order) = in_order else { return };
        let limited = pg_sys::palloc(size_of::<ForeignPath>()).cast::<ForeignPath>();
        limited.copy_from_nonoverlapping(in_order, 1);
        let flag = |list: *mut List, value| pg_sys::lappend(list, pg_sys::makeBoolean(value).cast());
        (*limited).fdw_private = flag(flag(std::ptr::null_mut(), false), true);
        if !is_sent(root, rel, rte, limited) {
            return;
        }
        let path: &mut Path = &mut (*limited).path;
        let all = path.rows.max(1.0);
        let wanted = (*root).limit_tuples;
        let wanted = if wanted > 0.0 { wanted.min(all) } else { (all * UNKNOWN_LIMIT).ceil() };
        path.total_cost = path.startup_cost + (path.total_cost - path.startup_cost) * wanted / all;
        path.rows = wanted;
        pg_sys::add_path(rel, limited.cast());
    }
}

/// Whether a query is no more than rows, in an order, and LIMIT: with an OFFSET, the other server would skip rows too; rows that
/// are locked may turn out others.
unsafe fn wants_first_rows(query: &Query) -> bool {
    // SAFETY: the planner's own
    unsafe {
        query.commandType == pg_sys::CmdType::CMD_SELECT
            && !query.limitCount.is_null()
            && skips_none(query.limitOffset)
            && query.limitOption == pg_sys::LimitOption::LIMIT_OPTION_COUNT
            && is_number(query.limitCount)
            && !(query.hasAggs || query.hasWindowFuncs || query.hasTargetSRFs)
            && query.havingQual.is_null()
            && query.setOperations.is_null()
            && [query.groupClause, query.groupingSets, query.distinctClause, query.rowMarks]
                .iter()
                .all(|list| list.is_null())
    }
}

/// Whether it is no OFFSET, or that of a first page.
unsafe fn skips_none(offset: *mut Node) -> bool {
    // SAFETY: the planner's own; only a constant is looked at as one. It is of type bigint
    unsafe {
        if offset.is_null() {
            return true;
        }
        let constant = offset.cast::<Const>();
        (*offset).type_ == NodeTag::T_Const && ((*constant).constisnull || (*constant).constvalue.value() == 0)
    }
}

/// Whether it is a constant or a parameter, of any integer type: then postgres_fdw can send it.
unsafe fn is_number(count: *mut Node) -> bool {
    // SAFETY: the planner's own; looked at as what it says it is
    unsafe {
        match (*count).type_ {
            NodeTag::T_Const | NodeTag::T_Param => true,
            NodeTag::T_FuncExpr => {
                let call = count.cast::<FuncExpr>();
                [pg_sys::F_INT8_INT4, pg_sys::F_INT8_INT2].contains(&(*call).funcid.to_u32())
                    && elements::<Node>((*call).args).all(|argument| is_number(argument))
            }
            _ => false,
        }
    }
}

/// Whether the first sort key orders as a distance of a column of the table.
unsafe fn is_by_distance(root: *mut PlannerInfo, rel: *mut RelOptInfo) -> bool {
    // SAFETY: the planner's own
    unsafe {
        let served = Served {
            is_column: |side| column_of(side, (*rel).relid).is_some(),
            orders: |operator| metric_of(operator).is_some(),
        };
        elements::<PathKey>((*root).query_pathkeys).next().is_some_and(|key| served.wanted(&*key, &*rel).is_some())
    }
}

unsafe fn is_of_postgres_fdw(rel: *mut RelOptInfo) -> bool {
    // SAFETY: catalog look-ups
    unsafe {
        if (*rel).fdwroutine.is_null() || (*rel).serverid == pg_sys::InvalidOid {
            return false;
        }
        let server = pg_sys::GetForeignServer((*rel).serverid);
        let handler = pg_sys::get_func_name((*pg_sys::GetForeignDataWrapper((*server).fdwid)).fdwhandler);
        !handler.is_null() && CStr::from_ptr(handler) == c"postgres_fdw_handler"
    }
}

/// Whether the plan that would be made of the path has every condition, and the LIMIT, in what is sent.
unsafe fn is_sent(root: *mut PlannerInfo, rel: *mut RelOptInfo, rte: &RangeTblEntry, path: *mut ForeignPath) -> bool {
    // SAFETY: the planner's own; the plan is made as the planner makes it, of lists that stay as they are
    unsafe {
        let Some(make_plan) = (*(*rel).fdwroutine).GetForeignPlan else { return false };
        let none = std::ptr::null_mut();
        let conditions = (*rel).baserestrictinfo;
        let plan: *mut ForeignScan = pg_sys::ffi::pg_guard_ffi_boundary(|| {
            make_plan(root, rel, rte.relid, path, none, conditions, std::ptr::null_mut())
        });
        let Some(sent) = elements::<pg_sys::String>((*plan).fdw_private).next() else { return false };
        if !(*plan).scan.plan.qual.is_null() || (*sent).type_ != NodeTag::T_String {
            return false;
        }
        let sent = CStr::from_ptr((*sent).sval).to_bytes();
        let limit = b" LIMIT ";
        let Some(at) = sent.windows(limit.len()).rposition(|part| part == limit) else { return false };
        let words: Vec<&[u8]> = sent[at + limit.len()..].split(|&byte| byte == b' ').collect();
        matches!(words.as_slice(), [_] | [_, b"OFFSET", _])
    }
}
