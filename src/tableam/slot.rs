//! The slot type of zvec tables: a buffer heap slot whose vector columns read as pointers.
//!
//! The slot is laid out as the heap's own, so heap code fills it directly; while it does, the slot says that it is a
//! buffer heap slot ([`as_heap_slot`]). Its physical tuple, where it has one, is the row as stored, with references;
//! everything that reads values or copies the tuple out sees pointers instead. Values stored into the slot by others
//! (a virtual tuple) are never references and pass unchanged.

use crate::pg::compat;
use crate::tableam::vectors;
use crate::tableam::vectors::POINTER_BYTES;
use pgrx::pg_sys::{self, BufferHeapTupleTableSlot, TupleTableSlot, TupleTableSlotOps};

/// Vector columns whose pointers a slot has room for itself. The server makes and drops a slot for each index entry that
/// it checks for uniqueness, all in one statement's memory, so a slot of the usual table must not allocate.
const INLINE_COLUMNS: usize = 4;

#[repr(C)]
#[derive(Clone, Copy)]
struct VectorColumn {
    index: u16,
    pointer: [u8; POINTER_BYTES],
}

#[repr(C)]
struct ZvecSlot {
    base: BufferHeapTupleTableSlot,
    /// descriptor whose vector columns are known
    desc: pg_sys::TupleDesc,
    count: usize,
    /// whether there are dropped columns in which older rows may have pointers: they read as NULL, since VACUUM takes what the
    /// pointers lead to
    has_dropped: bool,
    inline: [VectorColumn; INLINE_COLUMNS],
    /// allocated when there are more columns than fit `inline`, else null
    allocated: *mut VectorColumn,
}

/// The slot's vector columns; an array of `count`.
#[inline(always)]
unsafe fn columns(ours: *mut ZvecSlot) -> *mut VectorColumn {
    // SAFETY: a slot of ours
    unsafe { if (*ours).allocated.is_null() { (&raw mut (*ours).inline).cast() } else { (*ours).allocated } }
}

unsafe fn free_columns(ours: *mut ZvecSlot) {
    // SAFETY: a slot of ours, whose values are no longer used
    unsafe {
        if !(*ours).allocated.is_null() {
            pg_sys::pfree((*ours).allocated.cast());
            (*ours).allocated = std::ptr::null_mut();
        }
    }
}

#[allow(clippy::needless_update)]
static OPS: TupleTableSlotOps = TupleTableSlotOps {
    base_slot_size: size_of::<ZvecSlot>(),
    init: Some(init),
    release: Some(release),
    clear: Some(clear),
    getsomeattrs: Some(getsomeattrs),
    getsysattr: Some(getsysattr),
    materialize: Some(materialize),
    copyslot: Some(copyslot),
    get_heap_tuple: None,
    get_minimal_tuple: None,
    copy_heap_tuple: Some(copy_heap_tuple),
    copy_minimal_tuple: Some(copy_minimal_tuple),
    ..compat::SLOT_CALLBACKS
};

fn heap_ops() -> &'static TupleTableSlotOps {
    // SAFETY: a constant of the server
    unsafe { &pg_sys::TTSOpsBufferHeapTuple }
}

/// The callback `slot_callbacks`.
pub unsafe extern "C-unwind" fn slot_callbacks(_rel: pg_sys::Relation) -> *const TupleTableSlotOps {
    &OPS
}

/// Whether `slot` is of our type.
#[inline(always)]
#[must_use]
pub unsafe fn is_ours(slot: *mut TupleTableSlot) -> bool {
    // SAFETY: by contract
    unsafe { std::ptr::eq((*slot).tts_ops, &OPS) }
}

/// Runs heap code on a slot of ours. Should the code raise an error, the statement that owns the slot is over.
#[inline(always)]
pub unsafe fn as_heap_slot<R>(slot: *mut TupleTableSlot, code: impl FnOnce() -> R) -> R {
    // SAFETY: the layout begins with the heap's
    unsafe {
        let ours = is_ours(slot);
        if ours {
            (*slot).tts_ops = heap_ops();
        }
        let result = code();
        if ours {
            (*slot).tts_ops = &OPS;
        }
        result
    }
}

/// The physical tuple of a slot of ours: the row as stored, or null for a virtual tuple.
#[must_use]
pub unsafe fn stored_tuple(slot: *mut TupleTableSlot) -> pg_sys::HeapTuple {
    // SAFETY: the slot is ours
    unsafe { (*slot.cast::<BufferHeapTupleTableSlot>()).base.tuple }
}

/// The buffer that holds the physical tuple of a slot of ours.
#[must_use]
pub unsafe fn buffer(slot: *mut TupleTableSlot) -> pg_sys::Buffer {
    // SAFETY: the slot is ours
    unsafe { (*slot.cast::<BufferHeapTupleTableSlot>()).buffer }
}

/// Makes `tuple`, a row as stored and allocated in the slot's memory context, the contents of a slot of ours. What the
/// slot owned before is returned to be freed by the caller, who may still need its values.
#[must_use]
pub unsafe fn store(slot: *mut TupleTableSlot, tuple: pg_sys::HeapTuple) -> pg_sys::HeapTuple {
    // SAFETY: the slot is ours
    unsafe {
        let heap_slot = slot.cast::<BufferHeapTupleTableSlot>();
        let owned = (*slot).tts_flags & pg_sys::TTS_FLAG_SHOULDFREE as u16 != 0;
        let before = if owned { (*heap_slot).base.tuple } else { std::ptr::null_mut() };
        (*slot).tts_flags &= !(pg_sys::TTS_FLAG_SHOULDFREE as u16);
        let table = (*slot).tts_tableOid;
        // no guard: it releases a pin and raises no error
        heap_ops().clear.unwrap_unchecked()(slot);
        (*heap_slot).base.tuple = tuple;
        (*slot).tts_flags &= !(pg_sys::TTS_FLAG_EMPTY as u16);
        (*slot).tts_flags |= pg_sys::TTS_FLAG_SHOULDFREE as u16;
        (*slot).tts_tid = (*tuple).t_self;
        (*slot).tts_tableOid = table;
        before
    }
}

unsafe extern "C-unwind" fn init(slot: *mut TupleTableSlot) {
    // SAFETY: a new slot of ours, zeroed
    unsafe {
        if !(*slot).tts_tupleDescriptor.is_null() {
            learn_columns(slot);
        }
    }
}

/// Finds the vector columns of the slot's descriptor.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn learn_columns(slot: *mut TupleTableSlot) {
    // SAFETY: a slot of ours with a descriptor
    unsafe {
        let ours = slot.cast::<ZvecSlot>();
        let indexes = vectors::vector_columns((*slot).tts_tupleDescriptor);
        (*ours).count = 0;
        free_columns(ours);
        if indexes.len() > INLINE_COLUMNS {
            let bytes = indexes.len() * size_of::<VectorColumn>();
            (*ours).allocated = pg_sys::MemoryContextAllocZero((*slot).tts_mcxt, bytes).cast();
        }
        for (i, index) in indexes.iter().enumerate() {
            (*columns(ours).add(i)).index = *index;
        }
        (*ours).desc = (*slot).tts_tupleDescriptor;
        (*ours).count = indexes.len();
        (*ours).has_dropped = vectors::has_dropped((*slot).tts_tupleDescriptor);
    }
}

/// Number of vector columns.
#[inline(always)]
unsafe fn vector_count(slot: *mut TupleTableSlot) -> usize {
    // SAFETY: a slot of ours
    unsafe {
        let ours = slot.cast::<ZvecSlot>();
        if (*ours).desc != (*slot).tts_tupleDescriptor {
            learn_columns(slot);
        }
        (*ours).count
    }
}

unsafe extern "C-unwind" fn release(slot: *mut TupleTableSlot) {
    // SAFETY: as the heap's; the server has cleared the slot
    unsafe {
        free_columns(slot.cast());
        heap_ops().release.unwrap_unchecked()(slot);
    }
}

unsafe extern "C-unwind" fn clear(slot: *mut TupleTableSlot) {
    // SAFETY: as the heap's
    unsafe { heap_ops().clear.unwrap_unchecked()(slot) }
}

unsafe extern "C-unwind" fn getsysattr(slot: *mut TupleTableSlot, attnum: i32, isnull: *mut bool) -> pg_sys::Datum {
    // SAFETY: as the heap's
    unsafe { heap_ops().getsysattr.unwrap_unchecked()(slot, attnum, isnull) }
}

unsafe extern "C-unwind" fn materialize(slot: *mut TupleTableSlot) {
    // SAFETY: as the heap's: a stored tuple is copied as stored, a virtual one formed of its values
    unsafe { heap_ops().materialize.unwrap_unchecked()(slot) }
}

unsafe extern "C-unwind" fn getsomeattrs(slot: *mut TupleTableSlot, natts: i32) {
    // SAFETY: as the heap's; then references among the new values become pointers
    unsafe {
        let before = (*slot).tts_nvalid;
        heap_ops().getsomeattrs.unwrap_unchecked()(slot, natts);
        let after = (*slot).tts_nvalid;
        let count = vector_count(slot);
        let ours = slot.cast::<ZvecSlot>();
        if (*ours).has_dropped {
            let desc = (*slot).tts_tupleDescriptor;
            for index in (before..after).map(|index| index as usize).filter(|&i| vectors::is_dropped(desc, i)) {
                *(*slot).tts_isnull.add(index) = true;
            }
        }
        for i in 0..count {
            let column = columns(ours).add(i);
            let index = (*column).index as i16;
            if index < before || index >= after || *(*slot).tts_isnull.add(index as usize) {
                continue;
            }
            let value = (*slot).tts_values.add(index as usize);
            let table = (*(*ours).base.base.tuple).t_tableOid;
            if let Some(reference) = vectors::reference_at_unguarded(table, *value) {
                vectors::write_pointer(&mut (*column).pointer, table.to_u32(), reference);
                *value = pg_sys::Datum::from(&raw mut (*column).pointer);
            }
        }
    }
}

unsafe extern "C-unwind" fn copyslot(dst: *mut TupleTableSlot, src: *mut TupleTableSlot) {
    // SAFETY: between two slots of ours the heap's copy keeps the stored form; from any other slot it copies values
    unsafe { as_heap_slot(src, || as_heap_slot(dst, || heap_ops().copyslot.unwrap_unchecked()(dst, src))) }
}

unsafe fn has_references(slot: *mut TupleTableSlot) -> bool {
    // SAFETY: a slot of ours
    unsafe { !stored_tuple(slot).is_null() && (vector_count(slot) > 0 || (*slot.cast::<ZvecSlot>()).has_dropped) }
}

unsafe extern "C-unwind" fn copy_heap_tuple(slot: *mut TupleTableSlot) -> pg_sys::HeapTuple {
    // SAFETY: a filled slot of ours
    unsafe {
        if !has_references(slot) {
            return heap_ops().copy_heap_tuple.unwrap_unchecked()(slot);
        }
        copy_with_pointers(slot)
    }
}

#[cfg(not(feature = "pg18"))]
unsafe extern "C-unwind" fn copy_minimal_tuple(slot: *mut TupleTableSlot) -> pg_sys::MinimalTuple {
    // SAFETY: the server's own argument
    unsafe { copy_minimal(slot, 0) }
}

#[cfg(feature = "pg18")]
unsafe extern "C-unwind" fn copy_minimal_tuple(
    slot: *mut TupleTableSlot,
    extra_bytes: pg_sys::Size,
) -> pg_sys::MinimalTuple {
    // SAFETY: the server's own arguments
    unsafe { copy_minimal(slot, extra_bytes) }
}

unsafe fn copy_minimal(slot: *mut TupleTableSlot, extra_bytes: pg_sys::Size) -> pg_sys::MinimalTuple {
    // SAFETY: a filled slot of ours
    unsafe {
        if !has_references(slot) {
            return compat::copy_minimal_tuple(heap_ops(), slot, extra_bytes);
        }
        copy_minimal_with_pointers(slot, extra_bytes)
    }
}

unsafe fn all_values(slot: *mut TupleTableSlot) {
    // SAFETY: a filled slot
    unsafe {
        let natts = (*(*slot).tts_tupleDescriptor).natts;
        if i32::from((*slot).tts_nvalid) < natts {
            pg_sys::slot_getsomeattrs_int(slot, natts);
        }
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn copy_with_pointers(slot: *mut TupleTableSlot) -> pg_sys::HeapTuple {
    // SAFETY: a slot of ours with a stored tuple
    unsafe {
        all_values(slot);
        let tuple = pg_sys::heap_form_tuple((*slot).tts_tupleDescriptor, (*slot).tts_values, (*slot).tts_isnull);
        copy_row_header(stored_tuple(slot), tuple);
        tuple
    }
}

#[pgrx::pg_guard]
unsafe extern "C-unwind" fn copy_minimal_with_pointers(
    slot: *mut TupleTableSlot,
    extra_bytes: pg_sys::Size,
) -> pg_sys::MinimalTuple {
    // SAFETY: a slot of ours with a stored tuple
    unsafe {
        all_values(slot);
        compat::form_minimal_tuple((*slot).tts_tupleDescriptor, (*slot).tts_values, (*slot).tts_isnull, extra_bytes)
    }
}

/// Gives `to` the identity, transactions and locks of `from`.
pub unsafe fn copy_row_header(from: pg_sys::HeapTuple, to: pg_sys::HeapTuple) {
    const TRANSACTION_BITS: u16 = 0xFFF0;
    const TRANSACTION_BITS_2: u16 = 0xE000;
    // SAFETY: two heap tuples
    unsafe {
        (*to).t_self = (*from).t_self;
        (*to).t_tableOid = (*from).t_tableOid;
        let (source, target) = ((*from).t_data, (*to).t_data);
        (*target).t_choice.t_heap = (*source).t_choice.t_heap;
        (*target).t_ctid = (*source).t_ctid;
        (*target).t_infomask = (*target).t_infomask & !TRANSACTION_BITS | (*source).t_infomask & TRANSACTION_BITS;
        (*target).t_infomask2 =
            (*target).t_infomask2 & !TRANSACTION_BITS_2 | (*source).t_infomask2 & TRANSACTION_BITS_2;
    }
}
