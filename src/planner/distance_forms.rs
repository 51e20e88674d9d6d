//! Expressions that order rows as a distance does: what clients write in the place of `v <=> $1`.
//!
//! Such are the functions under the operators, `inner_product` and `zvec_distance`, and what is made of them by steps that
//! keep or turn round the order: `1 - x`, `-x`, `x * -1`, `1 / (1 + x)`, a cast to real. Rounding may make two distances one
//! value, and never puts two values in another order; NaN stays NaN. So rows in the order of the distance are rows in the
//! order of the expression, but for NaN and NULL, whose places [`Wanted`] names.

use crate::distance::Metric;
use crate::knn::distance_clause::{is_given, is_own, metric_of, metric_of_function, turned};
use crate::knn::scan_hints;
use crate::pg::compat;
use crate::pg::function::symbol_among;
use crate::pg::list::elements;
use crate::tableam::vectors::type_of;
use crate::vector::SqlType;
use pgrx::pg_sys::{
    self, Const, EquivalenceClass, Expr, FuncExpr, List, Node, NodeTag, Oid, OpExpr, PathKey, PlannerInfo, RelOptInfo,
    RestrictInfo,
};
use std::ffi::CStr;

/// The operator family by which distances, of type double precision, are sorted, and what is cast to real.
pub const FLOAT_OPS: u32 = 1970;

/// How a distance follows from an expression's value.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Inverse {
    /// it is the value
    Same,
    /// it is the value with the other sign
    Negated,
    /// it is this number less the value, but for rounding
    From(f64),
    /// it is not told
    Unknown,
}

/// An expression that orders as a distance.
pub struct Form {
    /// the distance, with the column on its left
    pub distance: *mut OpExpr,
    /// whether the expression is the operator's, which the server knows
    is_operator: bool,
    /// whether the value falls where the distance rises
    falls: bool,
    /// no value is less, where that is known
    least: Option<f64>,
    inverse: Inverse,
}

/// The column that a distance may be of, and the operators that it may be by.
pub struct Served<Column, Orders> {
    /// whether a side is the column
    pub is_column: Column,
    /// whether an operator orders
    pub orders: Orders,
}

/// A call's function and arguments, whether it is written as an operator or not.
unsafe fn call_of(expression: *mut Node) -> Option<(Oid, Vec<*mut Node>)> {
    // SAFETY: the planner's own; looked at as what it says it is
    unsafe {
        match (*expression).type_ {
            NodeTag::T_OpExpr => {
                let call = expression.cast::<OpExpr>();
                pg_sys::set_opfuncid(call);
                Some(((*call).opfuncid, elements((*call).args).collect()))
            }
            NodeTag::T_FuncExpr => {
                let call = expression.cast::<FuncExpr>();
                Some(((*call).funcid, elements((*call).args).collect()))
            }
            _ => None,
        }
    }
}

/// The finite number that a constant is.
unsafe fn number(node: *mut Node) -> Option<f64> {
    // SAFETY: the planner's own; only a constant is looked at as one
    unsafe {
        if (*node).type_ != NodeTag::T_Const || (*node.cast::<Const>()).constisnull {
            return None;
        }
        let Const { consttype, constvalue, .. } = *node.cast::<Const>();
        let value = match consttype {
            pg_sys::FLOAT8OID => f64::from_bits(constvalue.value() as u64),
            pg_sys::FLOAT4OID => f64::from(f32::from_bits(constvalue.value() as u32)),
            _ => return None,
        };
        value.is_finite().then_some(value)
    }
}

/// The operator over vectors that stands for `metric`, beside the function `function`.
unsafe fn operator_of(metric: Metric, function: Oid, vector: *mut Node) -> Option<Oid> {
    // SAFETY: catalog look-ups
    unsafe {
        let of = type_of(pg_sys::exprType(vector))?;
        let (_, name, _) = of.operators.iter().find(|operator| operator.2 == metric)?;
        let side = pg_sys::Datum::from(pg_sys::exprType(vector));
        let operator = pg_sys::GetSysCacheOid(
            pg_sys::SysCacheIdentifier::OPERNAMENSP as i32,
            pg_sys::Anum_pg_operator_oid as i16,
            pg_sys::Datum::from(name.as_ptr()),
            side,
            side,
            pg_sys::Datum::from(pg_sys::get_func_namespace(function)),
        );
        (operator != pg_sys::InvalidOid && metric_of(operator) == Some(metric)).then_some(operator)
    }
}

impl<Column: Fn(*mut Node) -> bool, Orders: Fn(Oid) -> bool> Served<Column, Orders> {
    /// The distance as which `expression` orders, if it does.
    pub unsafe fn form(&self, expression: *mut Node) -> Option<Form> {
        // SAFETY: the planner's own
        unsafe {
            let (function, sides) = call_of(expression)?;
            if (*expression).type_ == NodeTag::T_OpExpr
                && let Some(distance) = self.by_operator(expression.cast(), &sides)
            {
                let least = metric_of((*distance).opno).and_then(least_of);
                return Some(Form { distance, is_operator: true, falls: false, least, inverse: Inverse::Same });
            }
            let form = self.step(function.to_u32(), &sides).or_else(|| self.by_function(function, &sides))?;
            Some(Form { is_operator: false, ..form })
        }
    }

    /// The distance that an operator's expression is.
    unsafe fn by_operator(&self, call: *mut OpExpr, sides: &[*mut Node]) -> Option<*mut OpExpr> {
        // SAFETY: the planner's own
        unsafe {
            let &[left, right] = sides else { return None };
            if (self.is_column)(left) && is_given(right) {
                return (self.orders)((*call).opno).then_some(call);
            }
            if (self.is_column)(right) && is_given(left) {
                return turned(call, &self.orders);
            }
            None
        }
    }

    /// The distance that a function is.
    unsafe fn by_function(&self, function: Oid, arguments: &[*mut Node]) -> Option<Form> {
        // SAFETY: the planner's own; a text is not NULL and read in place or copied
        unsafe {
            let (&left, &right) = (arguments.first()?, arguments.get(1)?);
            let (column, given) = if (self.is_column)(left) && is_given(right) {
                (left, right)
            } else if (self.is_column)(right) && is_given(left) {
                (right, left)
            } else {
                return None;
            };
            let (metric, falls, inverse) = match metric_of_function(function) {
                Some(metric) => (metric, false, Inverse::Same),
                None if is_among(function, |of| of.inner_product) => (Metric::InnerProduct, true, Inverse::Negated),
                // rounded to real
                None if is_among(function, |of| of.by_name) => (named(*arguments.get(2)?)?, false, Inverse::Unknown),
                None => return None,
            };
            let operator = operator_of(metric, function, column).filter(|&operator| (self.orders)(operator))?;
            let distance = call(operator, pg_sys::FLOAT8OID, column, given).cast();
            let least = least_of(metric).filter(|_| !falls);
            Some(Form { distance, is_operator: false, falls, least, inverse })
        }
    }

    /// What a step of arithmetic makes of a form.
    unsafe fn step(&self, function: u32, sides: &[*mut Node]) -> Option<Form> {
        // SAFETY: the planner's own
        unsafe {
            if let &[side] = sides {
                let form = self.form(side)?;
                return match function {
                    pg_sys::F_FLOAT8UP => Some(form),
                    pg_sys::F_FLOAT8UM => Some(form.times(-1.0)),
                    pg_sys::F_FLOAT4UM => Some(Form { inverse: Inverse::Unknown, ..form.times(-1.0) }),
                    pg_sys::F_FLOAT4_FLOAT8 | pg_sys::F_FLOAT8_FLOAT4 => {
                        Some(Form { inverse: Inverse::Unknown, ..form })
                    }
                    _ => None,
                };
            }
            let &[left, right] = sides else { return None };
            let steps = [
                (Step::Add, [pg_sys::F_FLOAT8PL, pg_sys::F_FLOAT84PL, pg_sys::F_FLOAT48PL]),
                (Step::Subtract, [pg_sys::F_FLOAT8MI, pg_sys::F_FLOAT84MI, pg_sys::F_FLOAT48MI]),
                (Step::Multiply, [pg_sys::F_FLOAT8MUL, pg_sys::F_FLOAT84MUL, pg_sys::F_FLOAT48MUL]),
                (Step::Divide, [pg_sys::F_FLOAT8DIV, pg_sys::F_FLOAT84DIV, pg_sys::F_FLOAT48DIV]),
            ];
            let (step, _) = steps.into_iter().find(|(_, functions)| functions.contains(&function))?;
            if let Some(by) = number(right) {
                let form = self.form(left)?;
                return match step {
                    Step::Add => Some(form.plus(by)),
                    Step::Subtract => Some(form.plus(-by)),
                    Step::Multiply | Step::Divide if by == 0.0 => None,
                    Step::Multiply => Some(form.times(by)),
                    Step::Divide if by.abs() == 1.0 => Some(form.times(by)),
                    Step::Divide => {
                        let least = form.least.map(|least| least / by);
                        Some(Form { least: least.filter(|_| by > 0.0), inverse: Inverse::Unknown, ..form.times(by) })
                    }
                };
            }
            let from = number(left)?;
            let form = self.form(right)?;
            match step {
                Step::Add => Some(form.plus(from)),
                Step::Subtract => {
                    let inverse = if form.inverse == Inverse::Same { Inverse::From(from) } else { Inverse::Unknown };
                    Some(Form { inverse, ..form.times(-1.0) })
                }
                Step::Multiply => (from != 0.0).then(|| form.times(from)),
                Step::Divide => {
                    let is_fraction = from != 0.0 && form.least.is_some_and(|least| least > 0.0);
                    let (falls, least) = (form.falls != (from > 0.0), (from > 0.0).then_some(0.0));
                    is_fraction.then_some(Form { falls, least, inverse: Inverse::Unknown, ..form })
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Form {
    fn plus(self, by: f64) -> Self {
        Self { least: self.least.map(|least| least + by), inverse: Inverse::Unknown, ..self }
    }

    /// `by` is not zero.
    fn times(self, by: f64) -> Self {
        let inverse = match self.inverse {
            inverse if by == 1.0 => inverse,
            Inverse::Same if by == -1.0 => Inverse::Negated,
            Inverse::Negated if by == -1.0 => Inverse::Same,
            _ => Inverse::Unknown,
        };
        let least = self.least.filter(|_| by > 0.0).map(|least| least * by);
        Self { falls: self.falls != (by < 0.0), least, inverse, ..self }
    }
}

/// The least distance that there is.
fn least_of(metric: Metric) -> Option<f64> {
    (metric != Metric::InnerProduct).then_some(0.0)
}

/// Whether a function is, in C, what `symbol` says of a vector type.
fn is_among(function: Oid, symbol: impl Fn(&SqlType) -> Option<&'static CStr>) -> bool {
    let symbols: Vec<_> = SqlType::ALL.into_iter().filter_map(|of| Some(of.symbol(symbol(of)?))).collect();
    symbol_among(function, &symbols).is_some()
}

/// The metric that a constant text names.
unsafe fn named(node: *mut Node) -> Option<Metric> {
    // SAFETY: the planner's own; only a constant text is looked at as one
    unsafe {
        if (*node).type_ != NodeTag::T_Const {
            return None;
        }
        let constant = &*node.cast::<Const>();
        if constant.constisnull || constant.consttype != pg_sys::TEXTOID {
            return None;
        }
        let text = pg_sys::text_to_cstring(constant.constvalue.cast_mut_ptr());
        let metric = Metric::parse_among(CStr::from_ptr(text).to_bytes(), &Metric::ALL).ok();
        pg_sys::pfree(text.cast());
        metric
    }
}

/// An operator's expression.
unsafe fn call(operator: Oid, result: Oid, left: *mut Node, right: *mut Node) -> *mut Expr {
    let none = pg_sys::InvalidOid;
    // SAFETY: the planner's own
    unsafe {
        let call = pg_sys::make_opclause(operator, result, false, left.cast(), right.cast(), none, none);
        pg_sys::set_opfuncid(call.cast());
        call
    }
}

/// A distance by which rows are wanted in order.
pub struct Wanted {
    /// the distance, with the column on its left
    pub distance: *mut OpExpr,
    /// whether the key is the distance itself, ascending
    pub is_plain: bool,
    /// whether rows without a vector come first, not last
    pub nulls_first: bool,
    /// whether those whose distance is NaN do
    pub nan_first: bool,
}

impl<Column: Fn(*mut Node) -> bool, Orders: Fn(Oid) -> bool> Served<Column, Orders> {
    /// The distance by which `key` orders the rows of `rel`, if one is among what the key stands for.
    pub unsafe fn wanted(&self, key: &PathKey, rel: &RelOptInfo) -> Option<Wanted> {
        // SAFETY: the planner's own
        unsafe {
            let class: &EquivalenceClass = &*key.pk_eclass;
            let descending = !compat::is_ascending(key);
            if key.pk_opfamily.to_u32() != FLOAT_OPS || class.ec_has_volatile || key.pk_nulls_first && !descending {
                return None;
            }
            let form = compat::members_about(class, rel.relids)
                .find_map(|member| self.form((*member).em_expr.cast()))
                .filter(|form| form.falls == descending)?;
            Some(Wanted {
                distance: form.distance,
                is_plain: form.is_operator,
                nulls_first: key.pk_nulls_first && !has_vector(rel, form.distance),
                nan_first: descending && may_be_nan(form.distance),
            })
        }
    }

    /// The conditions of `rel` by which `distance` is at most what is given, and what that is. Where a distance that is NaN may
    /// satisfy one, it is left out unless these are put first.
    pub unsafe fn bounds(
        &self,
        root: *mut PlannerInfo,
        rel: &RelOptInfo,
        distance: *mut OpExpr,
        nan_first: bool,
    ) -> Vec<(*mut RestrictInfo, *mut Expr)> {
        // SAFETY: the planner's own
        unsafe {
            elements::<RestrictInfo>(rel.baserestrictinfo)
                .filter_map(|condition| {
                    let (form, bound) = self.bound(root, condition)?;
                    let fits = pg_sys::equal(form.distance.cast(), distance.cast())
                        && (nan_first || !form.falls || !may_be_nan(distance));
                    fits.then_some((condition, bound))
                })
                .collect()
        }
    }

    /// The distance that `condition` keeps below a bound, and the bound, which is greater by a little at times.
    pub unsafe fn bound(&self, root: *mut PlannerInfo, condition: *mut RestrictInfo) -> Option<(Form, *mut Expr)> {
        // the strategies of a btree are <, <=, =, >=, >
        const EQUAL: i32 = pg_sys::BTEqualStrategyNumber as i32;
        const GREATER: i32 = pg_sys::BTGreaterStrategyNumber as i32;
        // SAFETY: the planner's own
        unsafe {
            let comparison = (*condition).clause.cast::<OpExpr>();
            if (*condition).pseudoconstant || (*comparison).xpr.type_ != NodeTag::T_OpExpr {
                return None;
            }
            let sides: Vec<*mut Node> = elements((*comparison).args).collect();
            let &[left, right] = sides.as_slice() else { return None };
            let strategy = pg_sys::get_op_opfamily_strategy((*comparison).opno, FLOAT_OPS.into());
            if strategy == 0 {
                return None;
            }
            let (compared, given, strategy) = if is_given(right) {
                (left, right, strategy)
            } else if is_given(left) {
                (right, left, GREATER + 1 - strategy)
            } else {
                return None;
            };
            let form = self.form(compared)?;
            let is_bound = if form.falls { strategy >= EQUAL } else { strategy <= EQUAL };
            // of another extension's the condition may hold where the scan's own number is beyond the bound
            if !is_bound || !is_own((*form.distance).opno) {
                return None;
            }
            let none = std::ptr::null_mut::<List>();
            let of = |function: u32, args: &[*mut Node]| -> *mut Node {
                let args = args.iter().fold(none, |list, &arg| pg_sys::lappend(list, arg.cast()));
                let (no_collation, form) = (pg_sys::InvalidOid, pg_sys::CoercionForm::COERCE_EXPLICIT_CALL);
                let float = pg_sys::FLOAT8OID;
                pg_sys::makeFuncExpr(function.into(), float, args, no_collation, no_collation, form).cast()
            };
            let constant = |value: f64| -> *mut Node {
                let datum = pg_sys::Datum::from(value.to_bits());
                pg_sys::makeConst(pg_sys::FLOAT8OID, -1, pg_sys::InvalidOid, 8, datum, false, true).cast()
            };
            let given = match pg_sys::exprType(given) {
                pg_sys::FLOAT8OID => given,
                pg_sys::FLOAT4OID => of(pg_sys::F_FLOAT8_FLOAT4, &[given]),
                _ => return None,
            };
            let bound = match form.inverse {
                Inverse::Same => given,
                Inverse::Negated => of(pg_sys::F_FLOAT8UM, &[given]),
                Inverse::From(from) => {
                    // distances are far less than the limits, so nothing overflows; a little more makes up for rounding
                    let above = of(pg_sys::F_FLOAT8LARGER, &[given, constant(-1e300)]);
                    let given = of(pg_sys::F_FLOAT8SMALLER, &[above, constant(1e300)]);
                    let exact = of(pg_sys::F_FLOAT8MI, &[constant(from), given]);
                    let size = of(pg_sys::F_FLOAT8ABS, &[exact]);
                    let size = of(pg_sys::F_FLOAT8PL, &[size, constant(1.0 + from.abs())]);
                    let more = of(pg_sys::F_FLOAT8MUL, &[size, constant(1e-9)]);
                    of(pg_sys::F_FLOAT8PL, &[exact, more])
                }
                Inverse::Unknown => return None,
            };
            Some((form, pg_sys::eval_const_expressions(root, bound).cast()))
        }
    }
}

/// Whether the distance may be NaN.
pub unsafe fn may_be_nan(distance: *mut OpExpr) -> bool {
    // SAFETY: the planner's own
    metric_of(unsafe { (*distance).opno }).is_none_or(|metric| metric == Metric::Cosine)
}

/// Whether the conditions leave rows only that have a vector to be compared.
unsafe fn has_vector(rel: &RelOptInfo, distance: *mut OpExpr) -> bool {
    // SAFETY: the planner's own
    unsafe {
        let column = elements::<Node>((*distance).args).next().unwrap_or(std::ptr::null_mut());
        let columns = pg_sys::pull_var_clause(column, pg_sys::PVC_RECURSE_PLACEHOLDERS as i32);
        let mut columns = elements::<pg_sys::Var>(columns);
        let Some(column) = columns.next() else { return false };
        elements::<RestrictInfo>(rel.baserestrictinfo)
            .any(|condition| compat::is_strict_in((*condition).clause.cast(), &*column))
    }
}

/// Rows by distance for a scan of an index: what it is told beside the query, as index conditions; `None` where the operator family
/// has no operators for that.
pub unsafe fn conditions(
    root: *mut PlannerInfo,
    index: *mut pg_sys::IndexOptInfo,
    wanted: &Wanted,
    bounds: &[(*mut RestrictInfo, *mut Expr)],
) -> Option<*mut List> {
    // SAFETY: the planner's own
    unsafe {
        let (family, vector) = (*(*index).opfamily, *(*index).opcintype);
        let mut made = std::ptr::null_mut();
        let mut add = |strategy: u16, right: Oid, argument: *mut Node, condition: *mut RestrictInfo| {
            let operator = pg_sys::get_opfamily_member(family, vector, right, strategy as i16);
            let column = elements::<Node>((*wanted.distance).args).next();
            let (false, Some(column)) = (operator == pg_sys::InvalidOid, column) else { return false };
            let hint = call(operator, pg_sys::BOOLOID, pg_sys::copyObjectImpl(column.cast()).cast(), argument);
            let hint = compat::condition(root, hint);
            let clause = pg_sys::palloc0(size_of::<pg_sys::IndexClause>()).cast::<pg_sys::IndexClause>();
            (*clause).type_ = NodeTag::T_IndexClause;
            (*clause).rinfo = if condition.is_null() { hint } else { condition };
            (*clause).indexquals = pg_sys::lappend(std::ptr::null_mut(), hint.cast());
            (*clause).lossy = true;
            made = pg_sys::lappend(made, clause.cast());
            true
        };
        if let Some(text) = scan_hints::shown(wanted.nulls_first, wanted.nan_first) {
            let text = pg_sys::Datum::from(pg_sys::cstring_to_text(text.as_ptr()));
            let (kind, collation) = (pg_sys::TEXTOID, pg_sys::DEFAULT_COLLATION_OID);
            let text = pg_sys::makeConst(kind, -1, collation, -1, text, false, false);
            if !add(scan_hints::FIRST, kind, text.cast(), std::ptr::null_mut()) {
                return None;
            }
        }
        for &(condition, bound) in bounds {
            if !add(scan_hints::WITHIN, pg_sys::FLOAT8OID, bound.cast(), condition) {
                return None;
            }
        }
        Some(made)
    }
}
