//! Which types can be included, and how keys are made of their values.
//!
//! What is called with a value of a row is one of the server's own hash functions, of types that are the server's own; numbers
//! are looked at here.

use crate::error::{Error, SqlState};
use crate::format::graph::included::{ANY, IncludedColumn, KeyKind, NULL, key, rank_of_float, rank_of_integer};
use crate::pg::error::raise;
use crate::pg::hash::hash_extended;
use crate::pg::relation::Rel;
use crate::pg::varlena::Varlena;
use pgrx::pg_sys::{self, Datum, Oid};
use smallvec::SmallVec;
use std::cell::Cell;

/// The keys of a row, one for each included column.
pub type Keys = SmallVec<[u64; 4]>;

/// How values of a type become keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyType {
    /// the type, which is no domain
    typid: Oid,
    /// what the meta page says of such a column
    pub column: IncludedColumn,
}

/// The support function of hash operator classes that answers with 64 bits.
const EXTENDED: i16 = 2;
/// Functions below are the server's own, written in C and known to all of its versions by these numbers.
const FIRST_NOT_BUILT_IN: u32 = 10_000;

/// The family of a type's default hash operator class, and the type that the class is for.
unsafe fn hash_family(typid: Oid) -> Option<(Oid, Oid)> {
    const HASH_AM: u32 = 405;
    // SAFETY: catalog look-ups
    unsafe {
        let class = pg_sys::GetDefaultOpClass(typid, HASH_AM.into());
        (class != pg_sys::InvalidOid)
            .then(|| (pg_sys::get_opclass_family(class), pg_sys::get_opclass_input_type(class)))
    }
}

/// The server's own function by which values of exactly this type are hashed within `family`.
unsafe fn hash_function(family: Oid, typid: Oid) -> Option<u32> {
    // SAFETY: catalog look-ups
    unsafe {
        // of arrays, ranges and rows, whose elements may be of any type
        if pg_sys::get_typtype(typid) as u8 == pg_sys::TYPTYPE_PSEUDO {
            return None;
        }
        let function = pg_sys::get_opfamily_proc(family, typid, typid, EXTENDED).to_u32();
        (function != 0 && function < FIRST_NOT_BUILT_IN).then_some(function)
    }
}

impl KeyType {
    /// How values of type `typid`, which may be a domain, become keys; `None` when they cannot.
    #[must_use]
    pub fn of(typid: Oid) -> Option<Self> {
        // SAFETY: catalog look-ups
        unsafe {
            let typid = pg_sys::getBaseType(typid);
            let kind = match typid {
                pg_sys::INT2OID | pg_sys::INT4OID | pg_sys::INT8OID => KeyKind::Integer,
                pg_sys::FLOAT4OID | pg_sys::FLOAT8OID => KeyKind::Float,
                pg_sys::BOOLOID => KeyKind::Bool,
                pg_sys::OIDOID => KeyKind::Oid,
                pg_sys::CHAROID => KeyKind::Char,
                pg_sys::DATEOID => KeyKind::Date,
                pg_sys::TIMESTAMPOID => KeyKind::Timestamp,
                pg_sys::TIMESTAMPTZOID => KeyKind::TimestampTz,
                _ if pg_sys::get_typtype(typid) as u8 == pg_sys::TYPTYPE_ENUM => KeyKind::Enum,
                _ => {
                    let (family, of) = hash_family(typid)?;
                    let hash = hash_function(family, of)?;
                    return Some(Self { typid, column: IncludedColumn { kind: KeyKind::Hash, hash } });
                }
            };
            Some(Self { typid, column: IncludedColumn { kind, hash: 0 } })
        }
    }

    /// How values of type `other` are hashed that `operator` compares with values of this type, which is hashed. `None` unless
    /// the operator is an equality by which values that are equal have equal hashes.
    #[must_use]
    pub fn hashed_like(&self, operator: Oid, other: Oid) -> Option<Self> {
        const EQUAL: i32 = 1;
        // SAFETY: catalog look-ups
        unsafe {
            let (family, _) = hash_family(self.typid)?;
            let (mut strategy, mut left, mut right) = (0, pg_sys::InvalidOid, pg_sys::InvalidOid);
            if !pg_sys::op_in_opfamily(operator, family) {
                return None;
            }
            pg_sys::get_op_opfamily_properties(operator, family, false, &mut strategy, &mut left, &mut right);
            if strategy != EQUAL || hash_function(family, left)? != self.column.hash {
                return None;
            }
            let hash = hash_function(family, right)?;
            let typid = pg_sys::getBaseType(other);
            Some(Self { typid, column: IncludedColumn { kind: KeyKind::Hash, hash } })
        }
    }

    /// As [`KeyType::of`], of what [`KeyType::typid`] and [`IncludedColumn::hash`] said.
    #[must_use]
    pub fn known(kind: KeyKind, typid: Oid, hash: u32) -> Self {
        Self { typid, column: IncludedColumn { kind, hash } }
    }

    /// The type, which is no domain.
    #[must_use]
    pub fn typid(&self) -> Oid {
        self.typid
    }

    /// The rank of a value, of which [`key`] makes its key. The value may be stored elsewhere.
    #[inline]
    #[must_use]
    pub unsafe fn rank(&self, value: Datum) -> u64 {
        /// room for the values at either end that share a key
        const FIRST: u64 = 3;
        let bits = value.value() as u64;
        match (self.column.kind, self.typid) {
            (KeyKind::Integer, pg_sys::INT2OID) => rank_of_integer((bits as i16).into()),
            (KeyKind::Integer, pg_sys::INT4OID) | (KeyKind::Date, _) => rank_of_integer((bits as i32).into()),
            (KeyKind::Integer | KeyKind::Timestamp | KeyKind::TimestampTz, _) => rank_of_integer(bits as i64),
            (KeyKind::Float, pg_sys::FLOAT4OID) => rank_of_float(f32::from_bits(bits as u32).into()),
            (KeyKind::Float, _) => rank_of_float(f64::from_bits(bits)),
            (KeyKind::Bool | KeyKind::Char, _) => FIRST + u64::from(bits as u8),
            (KeyKind::Oid | KeyKind::Enum, _) => FIRST + u64::from(bits as u32),
            // SAFETY: by contract a value of the type that the function hashes
            (KeyKind::Hash, _) => unsafe { hashed(self.column.hash, value) },
        }
    }

    /// The key of a value, which may be stored elsewhere.
    #[inline]
    #[must_use]
    pub unsafe fn key(&self, value: Datum) -> u64 {
        // SAFETY: by contract
        key(unsafe { self.rank(value) })
    }
}

thread_local! {
    /// where hash functions may leave what they detoast
    static SCRATCH: Cell<pg_sys::MemoryContext> = const { Cell::new(std::ptr::null_mut()) };
}

/// Whatever a column's collation is, as long as it is deterministic: equal texts are equal bytes then.
const COLLATION: u32 = 950;

unsafe fn hashed(function: u32, value: Datum) -> u64 {
    const TEXT: u32 = pg_sys::F_HASHTEXTEXTENDED;
    const UUID: u32 = pg_sys::F_UUID_HASH_EXTENDED;
    // as the functions do that are asked for most of all
    match function {
        // SAFETY: a text
        TEXT => return unsafe { Varlena::of_datum(value) }.with_bytes(|bytes| hash_extended(bytes, 0)),
        // SAFETY: so many bytes
        UUID => return hash_extended(unsafe { std::slice::from_raw_parts(value.cast_mut_ptr(), 16) }, 0),
        _ => {}
    }
    // SAFETY: a function of the server's own with the value and a seed
    unsafe {
        let mut scratch = SCRATCH.get();
        if scratch.is_null() {
            scratch = pg_sys::AllocSetContextCreateInternal(
                pg_sys::TopMemoryContext,
                c"zvec included columns".as_ptr(),
                pg_sys::ALLOCSET_SMALL_MINSIZE as usize,
                pg_sys::ALLOCSET_SMALL_INITSIZE as usize,
                pg_sys::ALLOCSET_SMALL_MAXSIZE as usize,
            );
            SCRATCH.set(scratch);
        }
        let before = pg_sys::MemoryContextSwitchTo(scratch);
        let hash = pg_sys::OidFunctionCall2Coll(function.into(), COLLATION.into(), value, Datum::from(0usize));
        pg_sys::MemoryContextSwitchTo(before);
        // also of what an error has left
        pg_sys::MemoryContextReset(scratch);
        hash.value() as u64
    }
}

/// What is to be kept of the included columns of `index`, which is to be built over `heap`. An error is raised for one of a type
/// that has no keys.
#[must_use]
pub fn columns_to_build(index: Rel<'_>, heap: Rel<'_>) -> Vec<IncludedColumn> {
    let refuse = |attnum: i16, why: String, hint: &'static str| -> ! {
        let (name, index) = (heap.column_name(attnum), index.name());
        let message = format!("column \"{name}\" cannot be included in index \"{index}\": {why}");
        raise(Error::new(SqlState::FeatureNotSupported, message).hint(hint))
    };
    let column = |attnum: i16| {
        let attribute = heap.attribute(attnum);
        let Some(known) = KeyType::of(attribute.atttypid) else {
            refuse(
                attnum,
                "values of its type have no keys".into(),
                "Include numbers, booleans, dates, timestamps, enums, text, uuid, and other built-in types of one value that can be hashed.",
            )
        };
        let collation = attribute.attcollation;
        // SAFETY: a catalog look-up
        if collation != pg_sys::InvalidOid && !unsafe { pg_sys::get_collation_isdeterministic(collation) } {
            refuse(
                attnum,
                "its collation is not deterministic".into(),
                "Include a column with a deterministic collation, for example one with COLLATE \"C\".",
            );
        }
        known.column
    };
    index.included_columns().iter().copied().map(column).collect()
}

/// Makes the keys of rows.
pub struct KeyMaker(SmallVec<[Option<KeyType>; 4]>);

impl KeyMaker {
    /// For the included columns of `index`, of which the meta page says `columns`. A column that was given another type since,
    /// without a rewrite, has no keys that tell anything.
    #[must_use]
    pub fn new(index: Rel<'_>, columns: &[IncludedColumn]) -> Self {
        let first = index.index_form().map_or(1, |form| form.indnkeyatts) + 1;
        let known = columns.iter().zip(first..).map(|(column, attnum)| {
            let typid = index.has_column(attnum).then(|| index.attribute(attnum).atttypid)?;
            KeyType::of(typid).filter(|known| known.column == *column)
        });
        Self(known.collect())
    }

    /// The keys of a row whose included columns have these values. They may be stored elsewhere.
    #[must_use]
    pub unsafe fn keys(&self, mut value: impl FnMut(usize) -> Option<Datum>) -> Keys {
        let key = |(column, known): (usize, &Option<KeyType>)| match (known, value(column)) {
            (None, _) => ANY,
            (Some(_), None) => NULL,
            // SAFETY: by contract
            (Some(known), Some(value)) => unsafe { known.key(value) },
        };
        self.0.iter().enumerate().map(key).collect()
    }

    /// Whether a column's keys tell anything.
    #[must_use]
    pub fn tells(&self, column: usize) -> bool {
        self.0.get(column).is_some_and(Option::is_some)
    }
}
