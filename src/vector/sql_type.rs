//! SQL types whose values are vectors, as data: what their elements are, and in which library and by which symbols their functions
//! in C are found in the catalogs, whatever schema they are in and whatever they are called there.
//!
//! A type is told by what makes its bytes, that is its input function: only a superuser can declare functions in C, and no change
//! of an extension's members changes what the rows hold. See `design/element-types.md`.

use crate::distance::Metric;
use crate::vector::ElementType;
use std::ffi::CStr;

/// Where functions in C are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// in this one
    Own,
    /// in one whose file has this name, without folder and ending
    Named(&'static str),
}

/// A function in C.
pub type Symbol = (Library, &'static CStr);

/// An operator by which rows are ordered: its function in C, its name, and its metric.
pub type DistanceOperator = (&'static CStr, &'static CStr, Metric);

/// An SQL type whose values are vectors, laid out as [`super::layout`] says.
pub struct SqlType {
    /// what it is called
    pub name: &'static str,
    /// what the elements are
    pub element: ElementType,
    /// where its functions are
    pub library: Library,
    /// the input function, by which the type is known
    pub input: &'static CStr,
    /// the operators that are distances
    pub operators: &'static [DistanceOperator],
    /// `TYPE_distance(TYPE, TYPE, text)`, if there is one
    pub by_name: Option<&'static CStr>,
    /// `inner_product(TYPE, TYPE)`, if there is one
    pub inner_product: Option<&'static CStr>,
}

static ZVEC: SqlType = SqlType {
    name: "zvec",
    element: ElementType::Float4,
    library: Library::Own,
    input: c"zvec_in",
    operators: &[
        (c"zvec_l2_distance", c"<->", Metric::L2),
        (c"zvec_negative_inner_product", c"<#>", Metric::InnerProduct),
        (c"zvec_cosine_distance", c"<=>", Metric::Cosine),
        (c"zvec_l1_distance", c"<+>", Metric::L1),
    ],
    by_name: Some(c"zvec_distance"),
    inner_product: Some(c"zvec_inner_product"),
};

static ZHALF: SqlType = SqlType {
    name: "zhalf",
    element: ElementType::Half,
    library: Library::Own,
    input: c"zhalf_in",
    operators: &[
        (c"zhalf_l2_distance", c"<->", Metric::L2),
        (c"zhalf_negative_inner_product", c"<#>", Metric::InnerProduct),
        (c"zhalf_cosine_distance", c"<=>", Metric::Cosine),
        (c"zhalf_l1_distance", c"<+>", Metric::L1),
    ],
    by_name: Some(c"zhalf_distance"),
    inner_product: Some(c"zhalf_inner_product"),
};

static ZINT8: SqlType = SqlType {
    name: "zint8",
    element: ElementType::Int8,
    library: Library::Own,
    input: c"zint8_in",
    operators: &[
        (c"zint8_l2_distance", c"<->", Metric::L2),
        (c"zint8_negative_inner_product", c"<#>", Metric::InnerProduct),
        (c"zint8_cosine_distance", c"<=>", Metric::Cosine),
        (c"zint8_l1_distance", c"<+>", Metric::L1),
    ],
    by_name: Some(c"zint8_distance"),
    inner_product: Some(c"zint8_inner_product"),
};

static ZBIT: SqlType = SqlType {
    name: "zbit",
    element: ElementType::Bit,
    library: Library::Own,
    input: c"zbit_in",
    operators: &[
        (c"zbit_hamming_distance", c"<~>", Metric::Hamming),
        (c"zbit_jaccard_distance", c"<%>", Metric::Jaccard),
    ],
    by_name: Some(c"zbit_distance"),
    inner_product: None,
};

/// pgvector's library.
const PGVECTOR: Library = Library::Named("vector");

static VECTOR: SqlType = SqlType {
    name: "vector",
    element: ElementType::Float4,
    library: PGVECTOR,
    input: c"vector_in",
    operators: &[
        (c"l2_distance", c"<->", Metric::L2),
        (c"vector_negative_inner_product", c"<#>", Metric::InnerProduct),
        (c"cosine_distance", c"<=>", Metric::Cosine),
        (c"l1_distance", c"<+>", Metric::L1),
    ],
    by_name: None,
    inner_product: Some(c"inner_product"),
};

static HALFVEC: SqlType = SqlType {
    name: "halfvec",
    element: ElementType::Half,
    library: PGVECTOR,
    input: c"halfvec_in",
    operators: &[
        (c"halfvec_l2_distance", c"<->", Metric::L2),
        (c"halfvec_negative_inner_product", c"<#>", Metric::InnerProduct),
        (c"halfvec_cosine_distance", c"<=>", Metric::Cosine),
        (c"halfvec_l1_distance", c"<+>", Metric::L1),
    ],
    by_name: None,
    inner_product: Some(c"halfvec_inner_product"),
};

impl SqlType {
    /// Every SQL type that is stored as vectors are.
    pub const ALL: [&'static Self; 6] = [&ZVEC, &ZHALF, &ZINT8, &ZBIT, &VECTOR, &HALFVEC];

    /// Whether it is of this extension: its functions then know what the rows of tables hold, and its distances are those of
    /// scans, to the bit.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.library == Library::Own
    }

    /// A function of it.
    #[must_use]
    pub fn symbol(&self, name: &'static CStr) -> Symbol {
        (self.library, name)
    }

    /// The operators of every type, with where their functions are.
    pub fn all_operators() -> impl Iterator<Item = (&'static Self, &'static DistanceOperator)> {
        Self::ALL.into_iter().flat_map(|sql_type| sql_type.operators.iter().map(move |operator| (sql_type, operator)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_element_type_has_its_own_type_first() {
        for element in ElementType::ALL {
            let own = SqlType::ALL.into_iter().find(|sql_type| sql_type.element == element).unwrap();
            assert_eq!((own.name, own.is_own()), (element.name(), true));
        }
    }

    #[test]
    fn operators_are_those_of_the_elements() {
        for sql_type in SqlType::ALL {
            let metrics: Vec<_> = sql_type.operators.iter().map(|operator| operator.2).collect();
            assert_eq!(metrics, sql_type.element.info().metrics, "{}", sql_type.name);
        }
        let mut symbols: Vec<_> = SqlType::all_operators().map(|(of, operator)| (of.library, operator.0)).collect();
        symbols.sort_by_key(|symbol| format!("{symbol:?}"));
        symbols.dedup();
        assert_eq!(symbols.len(), SqlType::all_operators().count());
    }
}
