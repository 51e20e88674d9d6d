//! Whether an operator class makes sense for the access methods: one distance operator by which rows are ordered, one
//! support function that names the metric, and perhaps the operators by which a scan is told more ([`super::hints`]).

use super::hints;
use pgrx::pg_sys::{self, CatCList, List, Oid};
use pgrx::{PgLogLevel, PgSqlErrorCode};
use std::ffi::CStr;

unsafe extern "C-unwind" {
    fn identify_opfamily_groups(oprlist: *mut CatCList, proclist: *mut CatCList) -> *mut List;
    fn check_amop_signature(opno: Oid, restype: Oid, lefttype: Oid, righttype: Oid) -> bool;
    fn opfamily_can_sort_type(opfamily: Oid, datatype: Oid) -> bool;
}

/// The server's description of a family's operators and functions for one pair of types (`access/amvalidate.h`).
#[repr(C)]
struct OpFamilyOpFuncGroup {
    lefttype: Oid,
    righttype: Oid,
    /// bit n = there is an operator of strategy n
    operatorset: u64,
    /// bit n = there is a support function n
    functionset: u64,
}

/// Tells the user what is wrong, as the server's own validators do.
fn complain(message: String) -> bool {
    pgrx::ereport!(PgLogLevel::INFO, PgSqlErrorCode::ERRCODE_INVALID_OBJECT_DEFINITION, message);
    false
}

unsafe fn members<'a, Form: 'a>(list: *mut CatCList) -> impl Iterator<Item = &'a Form> {
    // SAFETY: the list's rows are of that catalog, and pinned until the list is released
    unsafe {
        let count = (*list).n_members as usize;
        (0..count).map(move |i| {
            let member = *(*list).members.as_ptr().add(i);
            &*pg_sys::GETSTRUCT(&raw mut (*member).tuple).cast::<Form>()
        })
    }
}

/// The signature of a support function: one argument of type internal, which is not used, and an integer.
unsafe fn is_metric_function(function: Oid) -> bool {
    // SAFETY: catalog look-ups
    unsafe {
        let mut arguments = std::ptr::null_mut();
        let mut count = 0;
        let returned = pg_sys::get_func_signature(function, &mut arguments, &mut count);
        returned == pg_sys::INT4OID && count == 1 && *arguments == pg_sys::INTERNALOID
    }
}

unsafe fn shown(name: *const std::ffi::c_char) -> String {
    // SAFETY: a C string of the server's
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

/// The callback `amvalidate`.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn amvalidate(opclass: Oid) -> bool {
    // SAFETY: catalog look-ups; rows and lists are released at the end, or by the server after an error
    unsafe {
        let cache = |id: pg_sys::SysCacheIdentifier::Type, oid: Oid| {
            let none = pg_sys::Datum::from(0);
            pg_sys::SearchSysCache(id as i32, pg_sys::Datum::from(oid), none, none, none)
        };
        let list = |id: pg_sys::SysCacheIdentifier::Type, family: Oid| {
            let none = pg_sys::Datum::from(0);
            pg_sys::SearchSysCacheList(id as i32, 1, pg_sys::Datum::from(family), none, none)
        };
        let class_row = cache(pg_sys::SysCacheIdentifier::CLAOID, opclass);
        if class_row.is_null() {
            return complain(format!("there is no operator class with OID {}", opclass.to_u32()));
        }
        let class = &*pg_sys::GETSTRUCT(class_row).cast::<pg_sys::FormData_pg_opclass>();
        let name = shown(class.opcname.data.as_ptr());
        let (family, input) = (class.opcfamily, class.opcintype);
        let mut valid = true;
        if class.opckeytype != pg_sys::InvalidOid {
            valid = complain(format!("operator class {name} must not have a storage type"));
        }
        pg_sys::ReleaseSysCache(class_row);

        let operators = list(pg_sys::SysCacheIdentifier::AMOPSTRATEGY, family);
        let functions = list(pg_sys::SysCacheIdentifier::AMPROCNUM, family);
        for function in members::<pg_sys::FormData_pg_amproc>(functions) {
            let shown = shown(pg_sys::format_procedure(function.amproc));
            if function.amproclefttype != function.amprocrighttype {
                valid = complain(format!("operator family of {name} contains {shown} with cross-type registration"));
            }
            if function.amprocnum != 1 {
                let number = function.amprocnum;
                valid = complain(format!("operator family of {name} contains {shown} with support number {number}"));
            } else if !is_metric_function(function.amproc) {
                valid = complain(format!("operator family of {name} contains {shown} with wrong signature"));
            }
        }
        for operator in members::<pg_sys::FormData_pg_amop>(operators) {
            let shown = shown(pg_sys::format_operator(operator.amopopr));
            let (left, right) = (operator.amoplefttype, operator.amoprighttype);
            let hint = [(hints::WITHIN, pg_sys::FLOAT8OID), (hints::FIRST, pg_sys::TEXTOID)];
            if hint.contains(&(operator.amopstrategy as u16, right)) {
                let searching = operator.amoppurpose as u8 == pg_sys::AMOP_SEARCH;
                if !searching || !check_amop_signature(operator.amopopr, pg_sys::BOOLOID, left, right) {
                    valid = complain(format!("operator family of {name} contains {shown} with wrong signature"));
                }
                continue;
            }
            if operator.amopstrategy != 1 {
                let number = operator.amopstrategy;
                valid = complain(format!("operator family of {name} contains {shown} with strategy number {number}"));
            }
            let ordering = operator.amoppurpose as u8 == pg_sys::AMOP_ORDER;
            if !ordering || !opfamily_can_sort_type(operator.amopsortfamily, pg_sys::FLOAT8OID) {
                valid = complain(format!("operator family of {name} must use {shown} FOR ORDER BY float_ops"));
            }
            if !check_amop_signature(operator.amopopr, pg_sys::FLOAT8OID, left, right) {
                valid = complain(format!("operator family of {name} contains {shown} with wrong signature"));
            }
        }
        // each type's group is complete, and the class has one
        let groups = identify_opfamily_groups(operators, functions);
        let mut found = false;
        if !groups.is_null() {
            for i in 0..(*groups).length as usize {
                let group = &*(*(*groups).elements.add(i)).ptr_value.cast::<OpFamilyOpFuncGroup>();
                let hints = 1 << hints::WITHIN | 1 << hints::FIRST;
                if group.functionset == 0 && group.operatorset & !hints == 0 {
                    continue;
                }
                found |= group.lefttype == input && group.righttype == input;
                if group.operatorset != 1 << 1 || group.functionset != 1 << 1 {
                    valid = complain(format!("operator family of {name} lacks an operator or a support function"));
                }
            }
        }
        if !found {
            valid = complain(format!("operator class {name} lacks its operator and support function"));
        }
        pg_sys::ReleaseCatCacheList(functions);
        pg_sys::ReleaseCatCacheList(operators);
        valid
    }
}
