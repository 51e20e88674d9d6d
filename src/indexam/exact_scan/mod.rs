//! Exact nearest neighbours where no index has the order: a plan node that takes the place of a sequential scan and a sort.
//!
//! What `zvec_flat` does for a scan of its index ([`super::flat::Rounds`]) needs no index. [`path`] offers it to the planner,
//! [`node`] is what the executor runs, with the conditions and columns of any scan. See `design/flat.md`.

mod node;
mod path;

pub use path::add_path;

use pgrx::pg_sys::{self, CustomExecMethods, CustomPathMethods, CustomScanMethods};
use std::ffi::CStr;

/// What EXPLAIN calls it, and by which the server finds it again.
const NAME: &CStr = c"ZvecExactScan";

/// The callbacks, which the server only reads.
struct Methods {
    path: CustomPathMethods,
    scan: CustomScanMethods,
    exec: CustomExecMethods,
}

// SAFETY: constant, with pointers to constants
unsafe impl Sync for Methods {}

static METHODS: Methods = Methods {
    path: CustomPathMethods {
        CustomName: NAME.as_ptr(),
        PlanCustomPath: Some(path::plan_custom_path),
        ReparameterizeCustomPathByChild: None,
    },
    scan: CustomScanMethods { CustomName: NAME.as_ptr(), CreateCustomScanState: Some(node::create_custom_scan_state) },
    exec: CustomExecMethods {
        CustomName: NAME.as_ptr(),
        BeginCustomScan: Some(node::begin_custom_scan),
        ExecCustomScan: Some(node::exec_custom_scan),
        EndCustomScan: Some(node::end_custom_scan),
        ReScanCustomScan: Some(node::rescan_custom_scan),
        MarkPosCustomScan: None,
        RestrPosCustomScan: None,
        EstimateDSMCustomScan: None,
        InitializeDSMCustomScan: None,
        ReInitializeDSMCustomScan: None,
        InitializeWorkerCustomScan: None,
        ShutdownCustomScan: None,
        ExplainCustomScan: Some(node::explain_custom_scan),
    },
};

/// Makes the node known to the server. Called once, when the library is loaded.
pub unsafe fn register() {
    // SAFETY: the methods live as long as the process
    unsafe { pg_sys::RegisterCustomScanMethods(&raw const METHODS.scan) }
}
