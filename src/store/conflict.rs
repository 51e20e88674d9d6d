//! What standbys are told before something is removed that their snapshots may still need.

use crate::pg::compat::ReusePage;
use crate::pg::relation::Rel;
use pgrx::pg_sys;

/// Tells standbys that snapshots which do not see `latest_removed` may need the slots freed or the addresses taken out
/// next, or would take slots frozen next for visible, so that they settle the conflict as they do for removed rows. It is
/// the record by which index pages are given back, whose replay does just that and touches no page.
pub unsafe fn announce_removal(rel: Rel<'_>, latest_removed: u32) {
    const XLOG_BTREE_REUSE_PAGE: u8 = 0xD0;
    // SAFETY: the record's bytes outlive the call; the layout is that of xl_btree_reuse_page
    unsafe {
        if !rel.needs_wal() || pg_sys::wal_level < pg_sys::WalLevel::WAL_LEVEL_REPLICA as i32 {
            return;
        }
        let next = pg_sys::ReadNextFullTransactionId().value;
        let age = (next as u32).wrapping_sub(latest_removed);
        let mut record = ReusePage::first(rel.node(), next.saturating_sub(u64::from(age)));
        pg_sys::XLogBeginInsert();
        pg_sys::XLogRegisterData((&raw mut record).cast(), ReusePage::BYTES as _);
        pg_sys::XLogInsert(pg_sys::RmgrIds::RM_BTREE_ID as _, XLOG_BTREE_REUSE_PAGE);
    }
}
