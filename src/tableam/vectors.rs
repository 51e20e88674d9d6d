//! Vector columns, references in rows and pointers in flight.
//!
//! In flight a stored vector is an on-disk TOAST pointer: `va_toastrelid` is the table, `va_valueid` the slot number,
//! `va_rawsize` tells the size. The two bits of `va_extinfo` that name a compression method, unused where
//! nothing is compressed, carry the lowest bits of the slot's generation. A row that is decoded from the write-ahead log
//! has the pointer itself in place of the reference (`logical.rs`).

use crate::error::{Error, SqlState};
use crate::format::store::reference::{Form, REFERENCE_BYTES};
use crate::format::store::{Generation, Reference, SlotNo};
use crate::pg::compat;
use crate::pg::error::raise;
use crate::pg::function::symbol_among;
use crate::vector::{ElementType, SqlType, VectorShape, layout};
use pgrx::pg_sys;
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

/// Bytes of an on-disk TOAST pointer.
pub const POINTER_BYTES: usize = 18;
const EXTERNAL_HEADER: u8 = 0x01;
const ONDISK_TAG: u8 = 18;
/// Bytes of a vector before its elements: varlena header, dimensions, a reserved field.
pub const VECTOR_HEADER_BYTES: usize = 8;
const EXTSIZE_BITS: u32 = 30;
/// Bytes of a vector's elements, at the most.
const MOST_BYTES: u32 = 4 * u16::MAX as u32;

/// Indexes (from 0) of a row type's vector columns.
pub type VectorColumns = SmallVec<[u16; 4]>;

thread_local! {
    static TYPES: RefCell<HashMap<u32, Option<&'static SqlType>>> = RefCell::new(HashMap::new());
    static WATCHING: Cell<bool> = const { Cell::new(false) };
}

unsafe extern "C-unwind" fn forget_types(_arg: pg_sys::Datum, _cache: i32, _hash: u32) {
    TYPES.with(|types| {
        if let Ok(mut types) = types.try_borrow_mut() {
            types.clear();
        }
    });
}

/// Whether `typid` is a vector type or a domain over one.
#[must_use]
pub fn is_vector_type(typid: pg_sys::Oid) -> bool {
    element_of_type(typid).is_some()
}

/// What the elements of column `index` (from 0) of a row type are; `None` for a column that is not of vectors.
#[inline]
#[must_use]
pub unsafe fn element_of(desc: pg_sys::TupleDesc, index: u16) -> Option<ElementType> {
    // SAFETY: desc is a valid descriptor with such a column
    element_of_type(unsafe { (*compat::attribute(desc, usize::from(index))).atttypid })
}

/// What the elements are, if `typid` is a vector type or a domain over one.
#[must_use]
pub fn element_of_type(typid: pg_sys::Oid) -> Option<ElementType> {
    type_of(typid).map(|sql_type| sql_type.element)
}

/// Which vector type `typid` is, or is a domain over, if any. Types are told by their input function, so an
/// extension may live in any schema.
#[must_use]
pub fn type_of(typid: pg_sys::Oid) -> Option<&'static SqlType> {
    if typid.to_u32() < pg_sys::FirstNormalObjectId {
        return None;
    }
    if let Some(known) = TYPES.with_borrow(|types| types.get(&typid.to_u32()).copied()) {
        return known;
    }
    if !WATCHING.get() {
        for cache in [pg_sys::SysCacheIdentifier::TYPEOID, pg_sys::SysCacheIdentifier::PROCOID] {
            // SAFETY: the callback neither allocates server memory nor raises errors
            unsafe { pg_sys::CacheRegisterSyscacheCallback(cache as i32, Some(forget_types), pg_sys::Datum::from(0)) }
        }
        WATCHING.set(true);
    }
    let answer = look_up(typid);
    TYPES.with_borrow_mut(|types| types.insert(typid.to_u32(), answer));
    answer
}

fn look_up(typid: pg_sys::Oid) -> Option<&'static SqlType> {
    // SAFETY: catalog look-ups; the rows are released before their copies are used
    unsafe {
        let base = pg_sys::getBaseType(typid);
        let cache = pg_sys::SysCacheIdentifier::TYPEOID as i32;
        let tuple = pg_sys::SearchSysCache1(cache, pg_sys::Datum::from(base));
        if tuple.is_null() {
            return None;
        }
        let typ: *const pg_sys::FormData_pg_type = pg_sys::GETSTRUCT(tuple).cast();
        let (length, input) = ((*typ).typlen, (*typ).typinput);
        pg_sys::ReleaseSysCache(tuple);
        let inputs = SqlType::ALL.map(|sql_type| sql_type.symbol(sql_type.input));
        if length == -1 { symbol_among(input, &inputs).map(|found| SqlType::ALL[found]) } else { None }
    }
}

/// The vector columns of a row type.
#[must_use]
pub unsafe fn vector_columns(desc: pg_sys::TupleDesc) -> VectorColumns {
    // SAFETY: desc is a valid descriptor
    unsafe {
        (0..(*desc).natts as u16)
            .filter(|&i| {
                let attribute = compat::attribute(desc, usize::from(i));
                (*attribute).attlen == -1 && !(*attribute).attisdropped && is_vector_type((*attribute).atttypid)
            })
            .collect()
    }
}

/// Whether column `index` (from 0) of a row type is a dropped one of variable length, in which older rows may have pointers.
#[must_use]
pub unsafe fn is_dropped(desc: pg_sys::TupleDesc, index: usize) -> bool {
    // SAFETY: desc is a valid descriptor with such a column
    let attribute = unsafe { &*compat::attribute(desc, index) };
    attribute.attisdropped && attribute.attlen == -1
}

/// Whether a row type has such columns.
#[must_use]
pub unsafe fn has_dropped(desc: pg_sys::TupleDesc) -> bool {
    // SAFETY: desc is a valid descriptor
    unsafe { (0..(*desc).natts as usize).any(|index| is_dropped(desc, index)) }
}

thread_local! {
    /// the table whose columns were asked for last: its oid, its descriptor, the relation cache's epoch
    static LAST: RefCell<(u32, usize, u64, VectorColumns)> = RefCell::new((0, 0, 0, VectorColumns::new()));
}

/// The vector columns of an open table.
#[must_use]
pub unsafe fn columns_of(rel: pg_sys::Relation) -> VectorColumns {
    crate::store::watch_relation_cache();
    // SAFETY: rel is open
    let (oid, desc) = unsafe { ((*rel).rd_id.to_u32(), (*rel).rd_att) };
    let key = (oid, desc as usize, crate::store::epoch());
    LAST.with_borrow_mut(|last| {
        if (last.0, last.1, last.2) != key {
            // SAFETY: an open relation has a valid descriptor
            *last = (key.0, key.1, key.2, unsafe { vector_columns(desc) });
        }
        last.3.clone()
    })
}

/// The reference that a value in a row of `table` is, if it is one. `value` points at a varlena of a vector column.
#[inline(always)]
#[must_use]
pub unsafe fn reference_at(table: pg_sys::Oid, value: pg_sys::Datum) -> Option<Reference> {
    // SAFETY: by contract
    unsafe { reference_or(table, value, || unknown_reference(table)) }
}

/// As [`reference_at`], for callbacks of the server that have no guard around them.
#[inline(always)]
#[must_use]
pub unsafe fn reference_at_unguarded(table: pg_sys::Oid, value: pg_sys::Datum) -> Option<Reference> {
    #[cold]
    #[pgrx::pg_guard]
    unsafe extern "C-unwind" fn unknown(table: pg_sys::Oid) {
        unknown_reference(table)
    }
    // SAFETY: by contract
    unsafe { reference_or(table, value, || unknown(table)) }
}

/// The reference at `value`; `unknown` raises the error for one of a format that this version does not know.
#[inline(always)]
unsafe fn reference_or(table: pg_sys::Oid, value: pg_sys::Datum, unknown: impl FnOnce()) -> Option<Reference> {
    // SAFETY: a varlena has at least one byte, and as many as its header says
    unsafe {
        let bytes: *const u8 = value.cast_mut_ptr();
        if !Reference::has_header(*bytes) {
            return Pointer::read(value).filter(|pointer| pointer.table == table.to_u32()).map(Pointer::reference);
        }
        if !Reference::has_version(*bytes.add(1)) {
            return None;
        }
        let reference = Reference::decode(&*bytes.cast::<[u8; REFERENCE_BYTES]>());
        if reference.is_none() {
            unknown();
        }
        reference
    }
}

/// Raises the error for a reference of a format that this version does not know.
#[cold]
fn unknown_reference(table: pg_sys::Oid) -> ! {
    let name = crate::pg::relation::name_of(table);
    raise(
        Error::new(SqlState::DataCorrupted, format!("a row of {name} holds a vector reference of an unknown format"))
            .hint("The table was written by a newer version of pg_zvec, or the row is damaged."),
    )
}

/// The oid of the table that pointers in rows of the open table `rel` name: of one that a rewrite fills that of the table whose
/// place it takes. Nobody reads the rows before.
#[must_use]
pub unsafe fn named_in(rel: pg_sys::Relation) -> u32 {
    // SAFETY: rel is open
    unsafe {
        let rewrites = (*(*rel).rd_rel).relrewrite;
        if rewrites == pg_sys::InvalidOid { (*rel).rd_id.to_u32() } else { rewrites.to_u32() }
    }
}

/// Writes the pointer by which the vector of `table` travels.
#[inline(always)]
pub fn write_pointer(pointer: &mut [u8; POINTER_BYTES], table: u32, reference: Reference) {
    let raw_size = reference.bytes + VECTOR_HEADER_BYTES as u32;
    let generation = u32::from(reference.generation.0) & 3;
    pointer[0] = EXTERNAL_HEADER;
    pointer[1] = ONDISK_TAG;
    pointer[2..6].copy_from_slice(&raw_size.to_ne_bytes());
    pointer[6..10].copy_from_slice(&((raw_size - 4) | generation << EXTSIZE_BITS).to_ne_bytes());
    pointer[10..14].copy_from_slice(&reference.slot.0.to_ne_bytes());
    pointer[14..18].copy_from_slice(&table.to_ne_bytes());
}

/// Short varlena header of as many bytes as a pointer has (little-endian machines). No vector has that length behind such
/// a header, as none has a reference's.
const STAND_IN_HEADER: u8 = (POINTER_BYTES as u8) << 1 | 1;

/// The bytes by which `reference` stands in a row of `table` that is still to be formed or toasted. In place of a pointer,
/// which the heap's code would take for a value that it has stored elsewhere, it is a plain value of the same length, to
/// be turned into the pointer in place ([`reveal`]). The column is number `index` (from 0) of the row type `desc`.
#[must_use]
pub unsafe fn stand_in(table: u32, desc: pg_sys::TupleDesc, index: u16, reference: Reference) -> [u8; POINTER_BYTES] {
    let mut bytes = [0; POINTER_BYTES];
    match reference.form {
        Form::Plain => {
            // SAFETY: desc is a valid descriptor with such a column
            let typid = unsafe { (*compat::attribute(desc, usize::from(index))).atttypid };
            let is_own = type_of(typid).is_none_or(SqlType::is_own);
            let encoded = if is_own { reference.encode() } else { reference.encode_empty() };
            bytes[..REFERENCE_BYTES].copy_from_slice(&encoded);
        }
        Form::Pointer => {
            write_pointer(&mut bytes, table, reference);
            bytes[0] = STAND_IN_HEADER;
        }
    }
    bytes
}

/// Turns the stand-in at `value` into the pointer to `reference`, a vector of `table`.
pub unsafe fn reveal(value: pg_sys::Datum, table: u32, reference: Reference) {
    // SAFETY: a value of as many bytes, which the caller may change
    let bytes = unsafe { &mut *value.cast_mut_ptr::<[u8; POINTER_BYTES]>() };
    debug_assert_eq!(bytes[0], STAND_IN_HEADER);
    write_pointer(bytes, table, reference);
}

/// A pointer in flight, read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// the table
    pub table: u32,
    /// the vector's slot
    pub slot: SlotNo,
    /// bytes of its elements
    pub bytes: u32,
    generation_bits: u16,
}

impl Pointer {
    /// Reads the varlena at `value`; `None` when it is not an uncompressed on-disk TOAST pointer of a vector's size.
    /// The pointer may be heap's own: only [`Pointer::table`] tells.
    #[inline(always)]
    #[must_use]
    pub unsafe fn read(value: pg_sys::Datum) -> Option<Self> {
        // SAFETY: a varlena that starts with these two bytes has POINTER_BYTES bytes
        unsafe {
            let bytes: *const u8 = value.cast_mut_ptr();
            if *bytes != EXTERNAL_HEADER || *bytes.add(1) != ONDISK_TAG {
                return None;
            }
            let field = |at: usize| bytes.add(at).cast::<u32>().read_unaligned();
            let (raw_size, info) = (field(2), field(6));
            let stored = info & ((1 << EXTSIZE_BITS) - 1);
            let elements = raw_size.checked_sub(VECTOR_HEADER_BYTES as u32)?;
            (stored + 4 == raw_size && elements <= MOST_BYTES).then(|| Self {
                table: field(14),
                slot: SlotNo(field(10)),
                bytes: elements,
                generation_bits: (info >> EXTSIZE_BITS) as u16,
            })
        }
    }

    /// Whether the varlena at `value` is an on-disk TOAST pointer, ours or not.
    #[inline]
    #[must_use]
    pub unsafe fn is_on_disk(value: pg_sys::Datum) -> bool {
        // SAFETY: a varlena that starts with the first byte has the second
        unsafe {
            let bytes: *const u8 = value.cast_mut_ptr();
            *bytes == EXTERNAL_HEADER && *bytes.add(1) == ONDISK_TAG
        }
    }

    /// The number of the value to which an on-disk TOAST pointer leads.
    #[must_use]
    pub unsafe fn value_id(value: pg_sys::Datum) -> u32 {
        // SAFETY: by contract
        unsafe { value.cast_mut_ptr::<u8>().add(10).cast::<u32>().read_unaligned() }
    }

    /// Whether the pointer was made of `reference`.
    #[must_use]
    pub fn is_of(&self, reference: Reference) -> bool {
        self.slot == reference.slot && self.bytes == reference.bytes && self.is_of_generation(reference.generation)
    }

    /// The reference that the pointer is, as it stands in a row.
    fn reference(self) -> Reference {
        let generation = Generation(self.generation_bits);
        Reference { slot: self.slot, generation, bytes: self.bytes, shape: None, form: Form::Pointer }
    }

    /// Whether the pointer may be of that generation of its slot: it holds two bits of it.
    #[inline]
    #[must_use]
    pub fn is_of_generation(&self, generation: Generation) -> bool {
        self.generation_bits == generation.0 & 3
    }

    /// Whether `generation` is the one the pointer was made with, as far as it remembers.
    #[must_use]
    pub fn may_be(&self, generation: Generation) -> bool {
        self.generation_bits == generation.0 & 3
    }
}

/// A vector's bytes in memory, detoasted where need be.
pub struct VectorValue {
    varlena: *mut pg_sys::varlena,
    owned: bool,
    element: ElementType,
}

impl VectorValue {
    /// The vector of elements `element` that `value` is, or leads to.
    #[must_use]
    pub unsafe fn of(value: pg_sys::Datum, element: ElementType) -> Self {
        // SAFETY: value is a vector column's, not NULL
        unsafe {
            let given: *mut pg_sys::varlena = value.cast_mut_ptr();
            let varlena = pg_sys::pg_detoast_datum(given);
            Self { varlena, owned: varlena != given, element }
        }
    }

    /// Everything after the varlena header.
    fn payload(&self) -> &[u8] {
        // SAFETY: a plain varlena with a 4-byte header, which says how many bytes there are
        unsafe {
            let size = (self.varlena.cast::<u32>().read_unaligned() >> 2) as usize;
            std::slice::from_raw_parts(self.varlena.cast::<u8>().add(layout::VARHDR_BYTES), size.saturating_sub(4))
        }
    }

    /// Whether it is a vector, whose size is that of its dimensions. Only damage makes it none.
    #[must_use]
    pub fn has_shape(&self) -> bool {
        layout::shape(self.element, self.payload()).is_some()
    }

    /// What it is; without dimensions where it is no vector.
    #[must_use]
    pub fn shape(&self) -> VectorShape {
        layout::shape(self.element, self.payload()).unwrap_or(VectorShape { element: self.element, dims: 0 })
    }

    /// Dimensions.
    #[must_use]
    pub fn dims(&self) -> u16 {
        self.shape().dims
    }

    /// What stands between the varlena's header and the elements.
    #[must_use]
    pub fn prefix(&self) -> [u8; VECTOR_HEADER_BYTES - 4] {
        let mut prefix = [0; VECTOR_HEADER_BYTES - 4];
        prefix[..2].copy_from_slice(&self.dims().to_ne_bytes());
        prefix
    }

    /// The elements' bytes, aligned.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &layout::element_bytes(self.payload())[..self.shape().bytes()]
    }
}

impl Drop for VectorValue {
    fn drop(&mut self) {
        if self.owned && !std::thread::panicking() {
            // SAFETY: made by pg_detoast_datum for us
            unsafe { pg_sys::pfree(self.varlena.cast()) }
        }
    }
}
