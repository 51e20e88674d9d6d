//! The vector column that a search is over.

use crate::distance::Metric;
use crate::error::{Error, SqlState};
use crate::pg::error::raise;
use crate::pg::relation::{OpenRelation, Rel};
use crate::store::Store;
use crate::tableam;
use crate::tableam::vectors::{element_of_type, is_vector_type, type_of};
use crate::vector::{ElementType, VectorShape};
use pgrx::pg_sys::{self, IndexInfo};

/// What an index is over: one vector column of a zvec table, and by which distance it orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// the column's number in the table
    pub attnum: i16,
    /// what its elements are
    pub element: ElementType,
    /// its declared dimensions
    pub dims: u16,
    /// the distance that the index's operator class stands for
    pub metric: Metric,
    /// whether the column is NOT NULL
    pub not_null: bool,
    /// the table
    pub table: pg_sys::Oid,
    /// the table's TOAST relation, which holds the vectors
    pub toast: pg_sys::Oid,
}

/// The metric of `index`'s operator class, which its support function 1 tells.
fn metric_of(index: Rel<'_>) -> Metric {
    // SAFETY: index is open
    unsafe {
        let function = pg_sys::index_getprocinfo(index.raw(), 1, 1);
        let code = pg_sys::FunctionCall1Coll(function, pg_sys::InvalidOid, pg_sys::Datum::from(0)).value() as i32;
        u8::try_from(code).ok().and_then(Metric::of_number).unwrap_or_else(|| {
            let name = index.name();
            raise(
                Error::new(
                    SqlState::WrongObjectType,
                    format!("support function 1 of index \"{name}\" answers {code}, which stands for no metric"),
                )
                .hint("Use one of the operator classes zvec_l2_ops, zvec_ip_ops, zvec_cosine_ops and zvec_l1_ops."),
            )
        })
    }
}

fn refuse(message: String, hint: &'static str) -> ! {
    raise(Error::new(SqlState::FeatureNotSupported, message).hint(hint))
}

/// The dimensions that a column of this type and modifier declares; less than 1 if none.
pub fn declared_dims(typid: pg_sys::Oid, mut typmod: i32) -> i32 {
    if typmod < 0 {
        // a domain may declare what the column does not
        // SAFETY: reads the catalog
        unsafe { pg_sys::getBaseTypeAndTypmod(typid, &mut typmod) };
    }
    typmod
}

/// Raises the error for a column that does not declare its dimensions; with `index`, for a change by which a column would
/// no longer declare those that `index` needs.
pub fn undeclared(heap: Rel<'_>, attnum: i16, index: Option<Rel<'_>>) -> ! {
    let (name, table, index) = (heap.column_name(attnum), heap.name(), index.map(Rel::name));
    let kind = type_of(heap.attribute(attnum).atttypid).map_or("zvec", |of| of.name);
    let is_view = heap.kind() == pg_sys::RELKIND_MATVIEW;
    let (message, hint) = match index {
        None if is_view => (
            format!("column \"{name}\" of materialized view \"{table}\" does not declare its dimensions"),
            format!("Make the view anew, with a cast to {kind}(n) in its query."),
        ),
        None => (
            format!("column \"{name}\" of table \"{table}\" does not declare its dimensions"),
            format!("Declare them with ALTER TABLE ... ALTER COLUMN ... TYPE {kind}(n)."),
        ),
        Some(index) => (
            format!("column \"{name}\" of table \"{table}\" must declare its dimensions for index \"{index}\""),
            format!("Name the dimensions with the type, as in {kind}(3), or drop the index first."),
        ),
    };
    raise(Error::new(SqlState::ObjectNotInPrerequisiteState, message).hint(hint))
}

impl Column {
    /// The column that the open `index` of the open table `heap` is over. An error is raised when the two do not, or no
    /// longer, fit each other.
    #[must_use]
    pub fn of(index: Rel<'_>, heap: Rel<'_>) -> Self {
        let attnum = index.key_column();
        if attnum <= 0 {
            refuse(
                format!("index \"{}\" is on an expression, not on a column", index.name()),
                "Store the expression's value in a column of the table, for example a generated one, and index that.",
            );
        }
        if !tableam::is_zvec_table(heap) {
            let (index, heap) = (index.name(), heap.name());
            raise(
                    Error::new(
                        SqlState::WrongObjectType,
                        format!("index \"{index}\" needs a table of access method zvec, which \"{heap}\" is not"),
                    )
                    .hint("Make the table with USING zvec, convert it with ALTER TABLE ... SET ACCESS METHOD zvec, or drop the index."),
                );
        }
        let attribute = heap.attribute(attnum);
        if !is_vector_type(attribute.atttypid) {
            let name = heap.column_name(attnum);
            refuse(
                format!("column \"{name}\" of table \"{}\" is not of a vector type", heap.name()),
                "Only vectors that a zvec table stores natively can be indexed this way.",
            );
        }
        let column = Self::in_table(heap, attnum, metric_of(index)).unwrap_or_else(|| undeclared(heap, attnum, None));
        if !column.element.metrics().any(|metric| metric == column.metric) {
            let (name, kind, metric) = (index.name(), column.element.name(), column.metric.name());
            refuse(
                format!("index \"{name}\" is to order by metric {metric}, which type {kind} does not have"),
                "Use one of the type's own operator classes.",
            );
        }
        column
    }

    /// Column `attnum` of the open zvec table `heap`, to be ordered by `metric`; `None` when it does not declare its
    /// dimensions, or is no vector.
    #[must_use]
    pub fn in_table(heap: Rel<'_>, attnum: i16, metric: Metric) -> Option<Self> {
        let attribute = heap.attribute(attnum);
        let element = element_of_type(attribute.atttypid)?;
        let declared = declared_dims(attribute.atttypid, attribute.atttypmod);
        let dims = u16::try_from(declared).ok().filter(|&dims| dims > 0)?;
        let not_null = heap.has_no_null(attnum);
        let toast = heap.toast_oid();
        Some(Self { attnum, element, dims, metric, not_null, table: heap.oid(), toast })
    }

    /// What its vectors are.
    #[must_use]
    pub fn shape(&self) -> VectorShape {
        VectorShape { element: self.element, dims: self.dims }
    }

    /// Whether the table has a vector store ([`Store::if_any`]).
    #[must_use]
    pub fn has_store(&self) -> bool {
        if self.toast == pg_sys::InvalidOid {
            return false;
        }
        let toast = OpenRelation::open(self.toast, pg_sys::AccessShareLock as _);
        Store::is_in(toast.rel())
    }

    /// Whether rows of the open table `heap` may lack the column: it was added with a default, which they have got since. Nothing
    /// leads from a slot to them.
    #[must_use]
    pub fn may_be_missing(&self, heap: Rel<'_>) -> bool {
        heap.attribute(self.attnum).atthasmissing
    }

    /// As [`Column::of`], for an index that is to be built as `info` says: refuses what only shows then.
    #[must_use]
    pub unsafe fn to_build(index: Rel<'_>, heap: Rel<'_>, info: *mut IndexInfo) -> Self {
        // SAFETY: both are open, info describes the index
        unsafe {
            if (*info).ii_Unique || !(*info).ii_ExclusionOps.is_null() || (*info).ii_NumIndexKeyAttrs != 1 {
                refuse(
                    format!("index \"{}\" must be on one column and enforce nothing", index.name()),
                    "Use a btree index to enforce that vectors differ.",
                );
            }
            let column = Self::of(index, heap);
            if column.toast != pg_sys::InvalidOid {
                let toast = OpenRelation::open(column.toast, pg_sys::AccessShareLock as _);
                // raises an error when there is none
                drop(Store::of(toast.rel()));
            }
            if column.may_be_missing(heap) {
                let name = heap.column_name(column.attnum);
                raise(
                    Error::new(
                        SqlState::ObjectNotInPrerequisiteState,
                        format!(
                            "column \"{name}\" of table \"{}\" was added with a default, which older rows do not store",
                            heap.name()
                        ),
                    )
                    .hint("Rewrite the table with VACUUM FULL, then create the index."),
                );
            }
            column
        }
    }
}

macro_rules! metric_support {
    ($($name:ident = $metric:ident),*) => {
        $(crate::sql_function! {
            /// Support function 1 of an operator class: which distance it stands for.
            $name(call) {
                let _ = call;
                Ok(pg_sys::Datum::from(i32::from(Metric::$metric.number())))
            }
        })*
    };
}

metric_support!(
    zvec_l2_metric = L2,
    zvec_ip_metric = InnerProduct,
    zvec_cosine_metric = Cosine,
    zvec_l1_metric = L1,
    zvec_hamming_metric = Hamming,
    zvec_jaccard_metric = Jaccard
);
