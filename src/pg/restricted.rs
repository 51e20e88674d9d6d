//! Code that others wrote, and how it is run.
//!
//! Outside the statements that name it, the one code of others that this library comes to run is that of functions in
//! conditions of partial indexes. The server itself says as whom for statements of its own: a query, an INSERT as whoever
//! runs it; VACUUM, ANALYZE, CREATE INDEX, REINDEX and CLUSTER as the table's owner, in a security-restricted operation.
//! Our SQL functions and workers run what they must with [`as_owner`]. `design/privileges.md` goes through all of them.
//!
//! [`has_condition`] and [`stored_condition`] look at a condition without running anything; the server's
//! `RelationGetIndexPredicate` evaluates what is constant in it.

use crate::pg::relation::Rel;
use pgrx::pg_sys;
use std::ffi::CStr;

/// Runs `work`, which may call functions in conditions of indexes of the open table `rel`, as the table's owner, so that they
/// can do no more than their author may; in a security-restricted operation, so that what they leave behind does not
/// run as anybody else; and with a search path on which nobody can put functions, so that a caller cannot have the owner
/// run others than were meant. Settings that they change are set back. After an error the server restores all of that
/// with the (sub)transaction.
pub fn as_owner<R>(rel: Rel<'_>, work: impl FnOnce() -> R) -> R {
    // SAFETY: a user that the server knows; it copies the strings
    unsafe {
        with_identity(rel.owner(), pg_sys::SECURITY_RESTRICTED_OPERATION as i32, || with_settings(&[SAFE_PATH], work))
    }
}

/// A search path on which nobody can put anything.
const SAFE_PATH: (&CStr, &CStr) = (c"search_path", c"pg_catalog, pg_temp");

/// Runs `work` as `user`, restricted as [`as_owner`] has it, with these settings besides. Row-level security that a table's
/// owner has FORCEd upon themselves does not apply, as in the server's own checks of foreign keys.
pub unsafe fn as_user<R>(user: pg_sys::Oid, settings: &[(&CStr, &CStr)], work: impl FnOnce() -> R) -> R {
    let more = pg_sys::SECURITY_RESTRICTED_OPERATION | pg_sys::SECURITY_NOFORCE_RLS;
    // SAFETY: the server copies the strings
    unsafe { with_identity(user, more as i32, || with_settings(&[SAFE_PATH], || with_settings(settings, work))) }
}

/// Runs `work` with the rights of `user`, and with these restrictions besides those that there are.
pub unsafe fn with_identity<R>(user: pg_sys::Oid, more: i32, work: impl FnOnce() -> R) -> R {
    // SAFETY: after an error the server restores both with the (sub)transaction
    unsafe {
        let (mut before, mut context) = (pg_sys::InvalidOid, 0);
        pg_sys::GetUserIdAndSecContext(&raw mut before, &raw mut context);
        pg_sys::SetUserIdAndSecContext(user, context | more);
        let result = work();
        pg_sys::SetUserIdAndSecContext(before, context);
        result
    }
}

/// Runs `work` with these settings, which are set back afterwards, as are those that `work` changes.
pub unsafe fn with_settings<R>(settings: &[(&CStr, &CStr)], work: impl FnOnce() -> R) -> R {
    if settings.is_empty() {
        return work();
    }
    // SAFETY: the server copies the strings
    unsafe {
        let level = pg_sys::NewGUCNestLevel();
        for (name, value) in settings {
            pg_sys::set_config_option(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_USERSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
        }
        let result = work();
        pg_sys::AtEOXact_GUC(false, level);
        result
    }
}

/// Whether the open index has a condition.
#[must_use]
pub fn has_condition(index: Rel<'_>) -> bool {
    let condition = pg_sys::Anum_pg_index_indpred as i32;
    // SAFETY: an open index has its pg_index row
    unsafe { !pg_sys::heap_attisnull((*index.raw()).rd_indextuple, condition, std::ptr::null_mut()) }
}

/// The open index's condition as it is stored, in the current memory context; null when it has none.
#[must_use]
pub fn stored_condition(index: Rel<'_>) -> *mut pg_sys::Node {
    // SAFETY: an open index has its pg_index row; the attribute is the text of an expression
    unsafe {
        let mut is_null = false;
        let (cache, attnum) = (pg_sys::SysCacheIdentifier::INDEXRELID as i32, pg_sys::Anum_pg_index_indpred as i16);
        let text = pg_sys::SysCacheGetAttr(cache, (*index.raw()).rd_indextuple, attnum, &raw mut is_null);
        if is_null {
            return std::ptr::null_mut();
        }
        let text = pg_sys::text_to_cstring(text.cast_mut_ptr());
        let condition = pg_sys::stringToNode(text);
        pg_sys::pfree(text.cast());
        condition.cast()
    }
}
