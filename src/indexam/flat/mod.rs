//! `zvec_flat`: exact nearest neighbours in the clothes of an index.
//!
//! There is nothing to build and nothing to keep up to date: a scan reads the slots of the column's segments and the
//! vectors of those that the snapshot sees, in storage order. So rows without a vector are found too, at the end, and
//! results are those of a sequential scan and a sort.
//!
//! The index has one page, which says what it is ([`crate::format::flat`]).

mod build;
mod parallel;
mod scan;

pub use crate::knn::exact_passes::{ExactPasses, first_pass_rows, most_rows, passes_after_first};
pub use crate::knn::work::ScanWork;

use crate::indexam::handler::{Callbacks, Parallel, routine};

pub use build::violations;

/// The access method's callbacks.
pub const CALLBACKS: Callbacks = Callbacks {
    ambuild: Some(build::ambuild),
    ambuildempty: Some(build::ambuildempty),
    aminsert: Some(build::aminsert),
    ambulkdelete: Some(build::ambulkdelete),
    amvacuumcleanup: Some(build::amvacuumcleanup),
    amcostestimate: Some(build::amcostestimate),
    amoptions: Some(super::options::no_options),
    ambuildphasename: None,
    ambeginscan: Some(scan::ambeginscan),
    amrescan: Some(scan::amrescan),
    amgettuple: Some(scan::amgettuple),
    amendscan: Some(scan::amendscan),
    amcaninclude: false,
    amusemaintenanceworkmem: false,
    parallel: Some(Parallel {
        amestimateparallelscan: Some(parallel::amestimateparallelscan),
        aminitparallelscan: Some(parallel::aminitparallelscan),
        amparallelrescan: Some(parallel::amparallelrescan),
    }),
};

crate::sql_function! {
    /// Handler of the access method `zvec_flat`.
    zvec_flat_handler(call) {
        let _ = call;
        Ok(routine(&CALLBACKS))
    }
}
