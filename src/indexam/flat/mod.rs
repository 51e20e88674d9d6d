//! `zvec_flat`: exact nearest neighbours in the clothes of an index.
//!
//! There is nothing to build and nothing to keep up to date: a scan reads the slots of the column's segments and the
//! vectors of those that the snapshot sees, in storage order. So rows without a vector are found too, at the end, and
//! results are those of a sequential scan and a sort.
//!
//! The index has one page, which says what it is ([`super::meta`]).

mod build;
mod crew;
mod parallel;
mod rounds;
mod scan;
pub mod stream;

pub use build::{pass_cost, threads_cost};
pub use parallel::Work;
pub use rounds::{Rounds, first_round, most_rows, passes_after_first};

use super::handler::{Callbacks, Parallel};

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
    amusemaintenanceworkmem: false,
    parallel: Some(Parallel {
        amestimateparallelscan: Some(parallel::amestimateparallelscan),
        aminitparallelscan: Some(parallel::aminitparallelscan),
        amparallelrescan: Some(parallel::amparallelrescan),
    }),
};
