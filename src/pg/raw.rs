//! Server functions that raise no error on what we pass them, bound without pgrx's guard, which costs as much as they
//! do. Where they are called no Rust value waits to be dropped because of them.

use pgrx::pg_sys::{Buffer, ForkNumber, RelFileNode, RmgrId, XLogRecPtr};

unsafe extern "C-unwind" {
    /// Takes or releases a pinned buffer's content lock.
    pub fn LockBuffer(buffer: Buffer, mode: i32);
    /// Drops a pin.
    pub fn ReleaseBuffer(buffer: Buffer);
    /// Drops a content lock and a pin.
    pub fn UnlockReleaseBuffer(buffer: Buffer);
    /// Marks a pinned, exclusively locked buffer as changed.
    pub fn MarkBufferDirty(buffer: Buffer);
    /// The block that a pinned buffer holds.
    pub fn BufferGetBlockNumber(buffer: Buffer) -> u32;
    /// Pins `recent` if it still holds that block.
    pub fn ReadRecentBuffer(node: RelFileNode, fork: ForkNumber::Type, block: u32, recent: Buffer) -> bool;
    /// Starts a record (in a critical section, where an error would stop the server anyway).
    pub fn XLogBeginInsert();
    /// Names a block of the record.
    pub fn XLogRegisterBuffer(id: u8, buffer: Buffer, flags: u8);
    /// Adds bytes that belong to a block of the record.
    pub fn XLogRegisterBufData(id: u8, data: *mut std::ffi::c_char, len: i32);
    /// Writes the record.
    pub fn XLogInsert(rmid: RmgrId, info: u8) -> XLogRecPtr;
}
