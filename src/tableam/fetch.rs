//! Detoasting: the server asks the table named in a vector's pointer for the bytes.

use crate::error::{Error, SqlState};
use crate::format::store::{SlotNo, SlotState};
use crate::pg::error::raise;
use crate::pg::relation::{OpenRelation, Rel};
use crate::store::{Store, StoredVector};
use crate::tableam::require_zvec_table;
use crate::tableam::vectors::VECTOR_HEADER_BYTES;
use pgrx::pg_sys;

/// The callback `relation_fetch_toast_slice` of a zvec table: `valueid` is a slot number, `attrsize` the size of the
/// vector's varlena without its header.
#[pgrx::pg_guard]
pub unsafe extern "C-unwind" fn relation_fetch_toast_slice(
    rel: pg_sys::Relation,
    valueid: pg_sys::Oid,
    attrsize: i32,
    sliceoffset: i32,
    slicelength: i32,
    result: *mut pg_sys::varlena,
) {
    // SAFETY: rel is open and has a TOAST relation; result has room for slicelength bytes after its header
    unsafe {
        require_zvec_table(Rel::of(rel));
        // another extension's output function: ours do not ask
        if pg_sys::HistoricSnapshotActive() {
            raise(
                Error::new(
                    SqlState::FeatureNotSupported,
                    "cannot read a vector of a zvec table while changes are decoded",
                )
                .hint("The change does not have the vector: it is unchanged, or was not written for decoding."),
            );
        }
        let toast = OpenRelation::open(Rel::of(rel).toast_oid(), pg_sys::AccessShareLock as _);
        let store = Store::of(toast.rel());
        let prefix_bytes = VECTOR_HEADER_BYTES - 4;
        let slot = SlotNo(valueid.to_u32());
        let vector = StoredVector { slot, bytes: (attrsize as usize - prefix_bytes) as u32 };
        // what its segment says: of bits the size does not tell
        let shape = store.segment_of(slot).map(|segment| segment.page.geometry.shape);
        let dims = shape.map_or(0, |shape| shape.dims);
        let out = std::slice::from_raw_parts_mut(result.cast::<u8>().add(4), slicelength as usize);
        let wanted = sliceoffset as usize..(sliceoffset + slicelength) as usize;
        // copies the part of `bytes`, which stand at `at` of the value, that lies in the slice
        let mut copy = |at: usize, bytes: &[u8]| {
            let (from, to) = (wanted.start.max(at), wanted.end.min(at + bytes.len()));
            if from < to {
                out[from - wanted.start..to - wanted.start].copy_from_slice(&bytes[from - at..to - at]);
            }
        };
        let mut prefix = [0; VECTOR_HEADER_BYTES - 4];
        prefix[0..2].copy_from_slice(&dims.to_ne_bytes());
        copy(0, &prefix);
        let live = store.slot(vector.slot).is_some_and(|slot| slot.state() == Some(SlotState::Live));
        let found = live
            && shape.is_some_and(|shape| shape.bytes() == vector.bytes as usize)
            && store.read(vector, |at, bytes| {
                copy(prefix_bytes + at, bytes);
                true
            });
        if !found {
            let name = Rel::of(rel).name();
            raise(
                Error::new(
                    SqlState::DataCorrupted,
                    format!("vector {} of table \"{name}\" is not in its vector store", valueid.to_u32()),
                )
                .hint(
                    "The value may be older than a TRUNCATE or rewrite of the table; otherwise run zvec_check() on it.",
                ),
            );
        }
    }
}
