//! Which conditions of a query can be tested by the keys of included columns.
//!
//! The planner looks at each condition ([`recognise`]) and keeps a [`Form`]: how to test, and the expressions that the columns are
//! compared with. When the query runs, their values make a [`Condition`] of it ([`Form::bind`]).
//!
//! *A form may let more rows pass than its condition, never fewer*: the condition itself is evaluated on the rows. So a part that
//! has no test is left out of a conjunction, and a value's key may be another's.
//!
//! Operators are known by the families of the server's own operator classes. None is called: keys of rows are compared with
//! keys of the query's values, as numbers.

use crate::format::graph::included::{IncludedColumn, KeyKind};
use crate::format::graph::key_condition::{Condition, KeyRanges};
use crate::indexam::hnsw::included::keys::KeyType;
use pgrx::pg_sys::{self, Datum, Expr, Node, NodeTag, Oid};

/// How a condition is tested: `words` in prefix notation, as a plan can keep them, and the expressions that they name by number.
///
/// | words | |
/// |---|---|
/// | `ALL n`, `ANY n` | the n forms that follow |
/// | `VALUES column mask` | mask 1: values, 2: NULL, 4: false, 8: true |
/// | `COMPARE column operator expression type kind hash many` | many 0: one value, 1: any of an array, 2: all |
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// what to do
    pub words: Vec<i32>,
    /// what columns are compared with
    pub comparands: Vec<*mut Expr>,
}

const ALL: i32 = 0;
const ANY: i32 = 1;
const VALUES: i32 = 2;
const COMPARE: i32 = 3;

const A_VALUE: i32 = 1;
const A_NULL: i32 = 2;
const FALSE: i32 = 4;
const TRUE: i32 = 8;

const ONE: i32 = 0;
const SOME: i32 = 1;
const EACH: i32 = 2;

/// btree strategies, and their negated equality
const LESS: i32 = 1;
const LESS_EQUAL: i32 = 2;
const EQUAL: i32 = 3;
const GREATER_EQUAL: i32 = 4;
const GREATER: i32 = 5;
const DIFFERS: i32 = 6;

/// An index's included columns, as conditions name them.
pub struct Columns<'c> {
    /// the table's number in the query
    pub relid: u32,
    /// the table's columns, as the index includes them
    pub numbers: &'c [i16],
    /// what the meta page says of them
    pub kinds: &'c [IncludedColumn],
}

unsafe fn tag(node: *mut Expr) -> NodeTag {
    // SAFETY: a node
    unsafe { (*node.cast::<Node>()).type_ }
}

unsafe fn elements<'l>(list: *mut pg_sys::List) -> impl Iterator<Item = *mut Expr> + 'l {
    // SAFETY: a list of nodes, or null
    unsafe {
        let count = if list.is_null() { 0 } else { (*list).length as usize };
        (0..count).map(move |i| (*(*list).elements.add(i)).ptr_value.cast())
    }
}

impl Columns<'_> {
    /// The included column that `node` reads, relabelled perhaps, and the type as which it reads it. Its keys must be those that
    /// values of this type have.
    unsafe fn column(&self, node: *mut Expr) -> Option<(usize, KeyType)> {
        // SAFETY: an expression of the query
        unsafe {
            let typid = pg_sys::exprType(node.cast());
            let mut inner = node;
            while tag(inner) == NodeTag::T_RelabelType {
                inner = (*inner.cast::<pg_sys::RelabelType>()).arg;
            }
            if tag(inner) != NodeTag::T_Var {
                return None;
            }
            let var = &*inner.cast::<pg_sys::Var>();
            if var.varno as u32 != self.relid || var.varlevelsup != 0 {
                return None;
            }
            let at = self.numbers.iter().position(|&number| number == var.varattno)?;
            let kept = self.kinds.get(at)?;
            let is_kept = |typid| KeyType::of(typid).filter(|known| known.column == *kept);
            // a column that was given another type since, without a rewrite, has the keys of the old one
            is_kept(var.vartype)?;
            Some((at, is_kept(typid)?))
        }
    }
}

/// Whether an expression has one value for a whole scan.
unsafe fn is_fixed(node: *mut Expr) -> bool {
    // SAFETY: an expression of the query
    unsafe {
        !pg_sys::contain_var_clause(node.cast())
            && !pg_sys::contain_volatile_functions(node.cast())
            && !pg_sys::contain_subplans(node.cast())
    }
}

/// How `clause`, a condition on a row of the table, is tested by keys; `None` when it cannot be.
#[must_use]
pub unsafe fn recognise(columns: &Columns<'_>, clause: *mut Expr) -> Option<Form> {
    // SAFETY: by contract
    unsafe {
        match tag(clause) {
            NodeTag::T_OpExpr => {
                let op = &*clause.cast::<pg_sys::OpExpr>();
                let mut args = elements(op.args);
                let (left, right) = (args.next()?, args.next()?);
                let compared = compare(columns, left, op.opno, op.inputcollid, right, ONE);
                compared.or_else(|| {
                    let commuted = pg_sys::get_commutator(op.opno);
                    (commuted != pg_sys::InvalidOid)
                        .then(|| compare(columns, right, commuted, op.inputcollid, left, ONE))?
                })
            }
            NodeTag::T_ScalarArrayOpExpr => {
                let op = &*clause.cast::<pg_sys::ScalarArrayOpExpr>();
                let mut args = elements(op.args);
                let (left, right) = (args.next()?, args.next()?);
                compare(columns, left, op.opno, op.inputcollid, right, if op.useOr { SOME } else { EACH })
            }
            NodeTag::T_NullTest => {
                let test = &*clause.cast::<pg_sys::NullTest>();
                let (column, _) = columns.column(test.arg).filter(|_| !test.argisrow)?;
                let is_null = test.nulltesttype == pg_sys::NullTestType::IS_NULL;
                Some(values(column, if is_null { A_NULL } else { A_VALUE }))
            }
            NodeTag::T_BooleanTest => {
                use pg_sys::BoolTestType::*;
                let test = &*clause.cast::<pg_sys::BooleanTest>();
                let (column, _) = columns.column(test.arg)?;
                Some(values(
                    column,
                    match test.booltesttype {
                        IS_TRUE => TRUE,
                        IS_NOT_TRUE => FALSE | A_NULL,
                        IS_FALSE => FALSE,
                        IS_NOT_FALSE => TRUE | A_NULL,
                        IS_UNKNOWN => A_NULL,
                        _ => TRUE | FALSE,
                    },
                ))
            }
            NodeTag::T_BoolExpr => {
                let expr = &*clause.cast::<pg_sys::BoolExpr>();
                match expr.boolop {
                    pg_sys::BoolExprType::AND_EXPR => {
                        let known: Vec<_> = elements(expr.args).filter_map(|arg| recognise(columns, arg)).collect();
                        (!known.is_empty()).then(|| Form::of(ALL, known))
                    }
                    pg_sys::BoolExprType::OR_EXPR => {
                        let known: Option<Vec<_>> = elements(expr.args).map(|arg| recognise(columns, arg)).collect();
                        known.map(|known| Form::of(ANY, known))
                    }
                    _ => {
                        let (column, known) = columns.column(elements(expr.args).next()?)?;
                        (known.column.kind == KeyKind::Bool).then(|| values(column, FALSE))
                    }
                }
            }
            NodeTag::T_Var | NodeTag::T_RelabelType => {
                let (column, known) = columns.column(clause)?;
                (known.column.kind == KeyKind::Bool).then(|| values(column, TRUE))
            }
            _ => None,
        }
    }
}

fn values(column: usize, mask: i32) -> Form {
    Form { words: vec![VALUES, column as i32, mask], comparands: Vec::new() }
}

/// The strategy of an operator in the default btree family of `typid`, and the type on its right.
unsafe fn strategy(operator: Oid, typid: Oid) -> Option<i32> {
    // SAFETY: catalog look-ups
    unsafe {
        let cache = pg_sys::lookup_type_cache(typid, pg_sys::TYPECACHE_BTREE_OPFAMILY as i32);
        let of = |operator| pg_sys::get_op_opfamily_strategy(operator, (*cache).btree_opf);
        match of(operator) {
            0 => {
                let negated = pg_sys::get_negator(operator);
                (negated != pg_sys::InvalidOid && of(negated) == EQUAL).then_some(DIFFERS)
            }
            known => Some(known),
        }
    }
}

unsafe fn compare(
    columns: &Columns<'_>,
    left: *mut Expr,
    operator: Oid,
    collation: Oid,
    right: *mut Expr,
    many: i32,
) -> Option<Form> {
    // SAFETY: an operator of the query with its arguments
    unsafe {
        let (column, known) = columns.column(left)?;
        if !is_fixed(right) || collation != pg_sys::InvalidOid && !pg_sys::get_collation_isdeterministic(collation) {
            return None;
        }
        let right_type = match (pg_sys::exprType(right.cast()), many) {
            (typid, ONE) => typid,
            (typid, _) => pg_sys::get_element_type(pg_sys::getBaseType(typid)),
        };
        if right_type == pg_sys::InvalidOid {
            return None;
        }
        let kind = known.column.kind;
        let (strategy, right_type) = if kind == KeyKind::Hash {
            let right_type = known.hashed_like(operator, right_type)?;
            (EQUAL, right_type)
        } else {
            let right_type = KeyType::of(right_type).filter(|other| other.column.kind == kind)?;
            (strategy(operator, known.typid())?, right_type)
        };
        let is_equality = matches!(strategy, EQUAL | DIFFERS);
        if !is_equality && !kind.is_ordered() || strategy == EQUAL && many == EACH {
            return None;
        }
        let words = [
            COMPARE,
            column as i32,
            strategy,
            0,
            right_type.typid().to_u32() as i32,
            right_type.column.kind as i32,
            right_type.column.hash as i32,
            many,
        ];
        Some(Form { words: words.to_vec(), comparands: vec![right] })
    }
}

impl Form {
    fn of(how: i32, forms: Vec<Self>) -> Self {
        let mut made = Self { words: vec![how, forms.len() as i32], comparands: Vec::new() };
        forms.into_iter().for_each(|form| made.append(form));
        made
    }

    /// All of these hold; `None` of none.
    #[must_use]
    pub fn all(mut forms: Vec<Self>) -> Option<Self> {
        if forms.len() <= 1 { forms.pop() } else { Some(Self::of(ALL, forms)) }
    }

    fn append(&mut self, form: Self) {
        let (start, before) = (self.words.len(), self.comparands.len() as i32);
        self.words.extend(form.words);
        self.comparands.extend(form.comparands);
        let mut at = start;
        while at < self.words.len() {
            if self.words[at] == COMPARE {
                self.words[at + 3] += before;
            }
            at += length(self.words[at]);
        }
    }
}

/// How many tests of a column there are among `words` of a [`Form`].
#[must_use]
pub fn tests(words: &[i32]) -> usize {
    let (mut at, mut count) = (0, 0);
    while let Some(&word) = words.get(at) {
        count += usize::from(matches!(word, COMPARE | VALUES));
        at += length(word);
    }
    count
}

/// The words of a form without those that follow it.
fn length(word: i32) -> usize {
    match word {
        COMPARE => 8,
        VALUES => 3,
        _ => 2,
    }
}

/// The condition that `words` of a [`Form`] say with these values of its comparands, `None` of NULL.
#[must_use]
pub unsafe fn bind(words: &[i32], comparands: &[Option<Datum>]) -> Condition {
    // SAFETY: by contract
    unsafe { Binding { words: words.iter(), comparands }.condition() }
}

struct Binding<'w> {
    words: std::slice::Iter<'w, i32>,
    comparands: &'w [Option<Datum>],
}

impl Binding<'_> {
    fn word(&mut self) -> i32 {
        self.words.next().copied().unwrap_or_default()
    }

    unsafe fn condition(&mut self) -> Condition {
        // SAFETY: by contract
        unsafe {
            match self.word() {
                VALUES => {
                    let (column, mask) = (self.word() as usize, self.word());
                    let boolean = |value: bool| KeyRanges::of([bool_rank(value)]);
                    let parts = [
                        (A_VALUE, KeyRanges::not_null()),
                        (A_NULL, KeyRanges::null()),
                        (FALSE, boolean(false)),
                        (TRUE, boolean(true)),
                    ];
                    let wanted = parts.into_iter().filter(|part| mask & part.0 != 0).map(|part| part.1);
                    Condition::Column(column, wanted.fold(KeyRanges::none(), KeyRanges::or))
                }
                COMPARE => {
                    let [column, strategy, comparand, typid, kind, hash, many] = std::array::from_fn(|_| self.word());
                    let column = column as usize;
                    let Some(kind) = KeyKind::of(kind as u8) else { return Condition::All(Vec::new()) };
                    let known = KeyType::known(kind, (typid as u32).into(), hash as u32);
                    let ranges = match self.comparands[comparand as usize] {
                        None => KeyRanges::none(),
                        Some(value) if many == ONE => ranges(strategy, std::iter::once(known.rank(value)), true),
                        Some(array) => ranges_of_array(strategy, &known, array, many == SOME),
                    };
                    Condition::Column(column, ranges)
                }
                how => {
                    let count = self.word();
                    let conditions = (0..count).map(|_| self.condition()).collect();
                    if how == ANY { Condition::Any(conditions) } else { Condition::All(conditions) }
                }
            }
        }
    }
}

fn bool_rank(value: bool) -> u64 {
    let known = KeyType::known(KeyKind::Bool, pg_sys::BOOLOID, 0);
    // SAFETY: a value of the type
    unsafe { known.rank(Datum::from(value)) }
}

/// The keys that compare so with a value of one of these ranks, or with each.
fn ranges(strategy: i32, ranks: impl Iterator<Item = u64>, some: bool) -> KeyRanges {
    let one = |rank: u64| match strategy {
        LESS => rank.checked_sub(1).map_or(KeyRanges::none(), |last| KeyRanges::between(0, last)),
        LESS_EQUAL => KeyRanges::between(0, rank),
        GREATER_EQUAL => KeyRanges::between(rank, u64::MAX),
        GREATER => rank.checked_add(1).map_or(KeyRanges::none(), |first| KeyRanges::between(first, u64::MAX)),
        _ => KeyRanges::but([rank]),
    };
    match (strategy, some) {
        (EQUAL, true) => KeyRanges::of(ranks),
        (DIFFERS, false) => KeyRanges::but(ranks),
        (_, true) => ranks.map(one).fold(KeyRanges::none(), KeyRanges::or),
        (_, false) => ranks.map(one).fold(KeyRanges::not_null(), |all, one| all.and(&one)),
    }
}

unsafe fn ranges_of_array(strategy: i32, known: &KeyType, array: Datum, some: bool) -> KeyRanges {
    // SAFETY: an array of values of the type
    unsafe {
        let array = pg_sys::pg_detoast_datum(array.cast_mut_ptr()).cast::<pg_sys::ArrayType>();
        let typid = (*array).elemtype;
        let (mut length, mut by_value, mut align) = (0, false, 0);
        pg_sys::get_typlenbyvalalign(typid, &mut length, &mut by_value, &mut align);
        let (mut values, mut nulls, mut count) = (std::ptr::null_mut(), std::ptr::null_mut(), 0);
        pg_sys::deconstruct_array(array, typid, length.into(), by_value, align, &mut values, &mut nulls, &mut count);
        let count = count as usize;
        let has_null = (0..count).any(|i| *nulls.add(i));
        if has_null && !some {
            // true for no row
            return KeyRanges::none();
        }
        // of no element all is true for every row, NULL or not
        if count == 0 && !some {
            return KeyRanges::not_null().or(KeyRanges::null());
        }
        let ranks = (0..count).filter(|&i| !*nulls.add(i)).map(|i| known.rank(*values.add(i)));
        ranges(strategy, ranks, some)
    }
}
