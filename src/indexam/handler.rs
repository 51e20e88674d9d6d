//! The routines of the index access methods.
//!
//! An access method's SQL handler hands its [`Callbacks`] to [`routine`]; what both have in common is said there.

use crate::error::{Error, SqlState};
use crate::indexam::operator_class;
use crate::pg::compat;
use crate::pg::error::raise;
use crate::pg::relation::Rel;
use pgrx::pg_sys::{self, Datum, IndexAmRoutine};

/// The callbacks in which the access methods differ; the names are the server's (`access/amapi.h`).
#[derive(Clone, Copy)]
pub struct Callbacks {
    /// builds the index of a table that has rows
    pub ambuild: pg_sys::ambuild_function,
    /// builds an empty index in the init fork
    pub ambuildempty: pg_sys::ambuildempty_function,
    /// adds a row
    pub aminsert: pg_sys::aminsert_function,
    /// removes rows
    pub ambulkdelete: pg_sys::ambulkdelete_function,
    /// ends a VACUUM
    pub amvacuumcleanup: pg_sys::amvacuumcleanup_function,
    /// tells the planner what a scan costs
    pub amcostestimate: pg_sys::amcostestimate_function,
    /// reads options
    pub amoptions: pg_sys::amoptions_function,
    /// names the phases of a build
    pub ambuildphasename: pg_sys::ambuildphasename_function,
    /// begins a scan
    pub ambeginscan: pg_sys::ambeginscan_function,
    /// begins it anew
    pub amrescan: pg_sys::amrescan_function,
    /// the next row
    pub amgettuple: pg_sys::amgettuple_function,
    /// ends a scan
    pub amendscan: pg_sys::amendscan_function,
    /// whether columns may be included
    pub amcaninclude: bool,
    /// whether a build or VACUUM uses `maintenance_work_mem`
    pub amusemaintenanceworkmem: bool,
    /// the size of a parallel scan's shared memory, its start and its restart, where there are parallel scans
    pub parallel: Option<Parallel>,
}

/// The callbacks of a parallel scan.
#[derive(Clone, Copy)]
pub struct Parallel {
    /// bytes in shared memory
    pub amestimateparallelscan: pg_sys::amestimateparallelscan_function,
    /// makes them ready
    pub aminitparallelscan: pg_sys::aminitparallelscan_function,
    /// makes them ready again
    pub amparallelrescan: pg_sys::amparallelrescan_function,
}

/// A new routine with these callbacks, as a handler returns it.
///
/// A scan needs no key (`amoptionalkey`): it is the ORDER BY clause that brings one. There is one operator that orders, the
/// distance, two that say more about a scan ([`crate::knn::scan_hints`]), and one support function, which names the metric. Serializable transactions lock the whole index (`ampredlocks` is
/// not set): any new vector may be among the nearest.
#[must_use]
pub fn routine(callbacks: &Callbacks) -> Datum {
    let parallel = callbacks.parallel;
    let made = IndexAmRoutine {
        type_: pg_sys::NodeTag::T_IndexAmRoutine,
        amstrategies: crate::knn::scan_hints::FIRST,
        amsupport: 1,
        amcanorderbyop: true,
        amoptionalkey: true,
        amcanparallel: parallel.is_some(),
        amcaninclude: callbacks.amcaninclude,
        amusemaintenanceworkmem: callbacks.amusemaintenanceworkmem,
        amparallelvacuumoptions: pg_sys::VACUUM_OPTION_NO_PARALLEL as u8,
        amkeytype: pg_sys::InvalidOid,
        ambuild: callbacks.ambuild,
        ambuildempty: callbacks.ambuildempty,
        aminsert: callbacks.aminsert,
        ambulkdelete: callbacks.ambulkdelete,
        amvacuumcleanup: callbacks.amvacuumcleanup,
        amcostestimate: callbacks.amcostestimate,
        amoptions: callbacks.amoptions,
        ambuildphasename: callbacks.ambuildphasename,
        amproperty: Some(amproperty),
        amvalidate: Some(operator_class::amvalidate),
        ambeginscan: callbacks.ambeginscan,
        amrescan: callbacks.amrescan,
        amgettuple: callbacks.amgettuple,
        amendscan: callbacks.amendscan,
        amestimateparallelscan: parallel.and_then(|p| p.amestimateparallelscan),
        aminitparallelscan: parallel.and_then(|p| p.aminitparallelscan),
        amparallelrescan: parallel.and_then(|p| p.amparallelrescan),
        ..IndexAmRoutine::default()
    };
    // SAFETY: the server wants the routine in one palloc'd chunk
    unsafe {
        let chunk = pg_sys::palloc(size_of::<IndexAmRoutine>()).cast::<IndexAmRoutine>();
        chunk.write(made);
        Datum::from(chunk)
    }
}

/// Answers what the server cannot know by itself: that a column, unless it is an included one, is ordered by distance.
unsafe extern "C-unwind" fn amproperty(
    index: pg_sys::Oid,
    attno: i32,
    property: pg_sys::IndexAMProperty::Type,
    _name: *const std::ffi::c_char,
    answer: *mut bool,
    isnull: *mut bool,
) -> bool {
    if attno == 0 || property != pg_sys::IndexAMProperty::AMPROP_DISTANCE_ORDERABLE {
        return false;
    }
    // SAFETY: the server's own arguments
    unsafe {
        // what an included column lacks
        *isnull = pg_sys::get_index_column_opclass(index, attno) == pg_sys::InvalidOid;
        *answer = true;
    }
    true
}

/// Makes the server's descriptor of a scan, which orders by one distance at the most: [`crate::planner::hooks`] sees to that.
pub unsafe fn descriptor(index: pg_sys::Relation, keys: i32, orderbys: i32) -> pg_sys::IndexScanDesc {
    if orderbys > 1 {
        // SAFETY: index is open
        let name = unsafe { Rel::of(index).name() };
        let message = format!("index \"{name}\" orders by one distance, not by {orderbys}");
        raise(Error::new(SqlState::FeatureNotSupported, message).hint("Set enable_indexscan to off for this query."));
    }
    // SAFETY: index is open
    unsafe { pg_sys::RelationGetIndexScan(index, keys, orderbys) }
}

/// Begins a scan anew: keeps what the server gives as keys and orders in its descriptor, and counts the scan.
pub unsafe fn begin_anew(
    scan: pg_sys::IndexScanDesc,
    keys: pg_sys::ScanKey,
    nkeys: i32,
    orderbys: pg_sys::ScanKey,
    norderbys: i32,
) {
    // SAFETY: the server's own arguments of `amrescan`; the descriptor has room for as many as it was made for
    unsafe {
        if !orderbys.is_null() && norderbys > 0 {
            std::ptr::copy(orderbys, (*scan).orderByData, norderbys as usize);
        }
        if !keys.is_null() && nkeys > 0 {
            std::ptr::copy(keys, (*scan).keyData, nkeys as usize);
        }
        Rel::of((*scan).indexRelation).count_scan();
        compat::count_search(scan);
    }
}
