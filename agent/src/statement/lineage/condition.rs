//! Conditions: which columns decide about rows, and which of them by being equal to a constant.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

use super::scope::Env;
use super::{Clause, Walk};
use crate::statement::meaning::Use;
use crate::statement::parse::Unreadable;

impl Walk<'_> {
    /// Notes that an expression decides something about rows.
    pub(super) fn decide(&mut self, expr: &Expr, env: Env<'_>, how: Use) -> Result<(), Unreadable> {
        let mut open = vec![expr];
        while let Some(expr) = open.pop() {
            self.step(1)?;
            if let Expr::Nested(inner) = expr {
                open.push(inner);
            } else if let Expr::BinaryOp {
                left,
                op: BinaryOperator::And | BinaryOperator::Or,
                right,
            } = expr
            {
                open.extend([left.as_ref(), right.as_ref()]);
            } else {
                let flow = self.value(expr, env, Clause::Rows)?;
                let is_equality = how == Use::Where && self.is_equality(expr, env)?;
                let how = if is_equality { Use::Equality } else { how };
                self.note(&flow, how);
            }
        }
        Ok(())
    }

    /// Tells whether a condition is that one column's value as it is equals a constant, or one of several.
    fn is_equality(&mut self, expr: &Expr, env: Env<'_>) -> Result<bool, Unreadable> {
        let compared = if let Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } = expr
        {
            [(left, right), (right, left)]
                .into_iter()
                .find(|(_, constant)| is_constant(constant))
                .map(|(compared, _)| compared)
        } else if let Expr::InList {
            expr,
            list,
            negated: false,
        } = expr
        {
            list.iter().all(is_constant).then_some(expr)
        } else {
            None
        };
        match compared.map(Box::as_ref) {
            Some(column @ (Expr::Identifier(_) | Expr::CompoundIdentifier(_))) => {
                Ok(self.value(column, env, Clause::Rows)?.is_bare)
            }
            Some(_) | None => Ok(false),
        }
    }
}

/// Tells whether an expression is a literal or a bind, with a sign at most: the same for each row.
fn is_constant(expr: &Expr) -> bool {
    let is_sign = |op: &UnaryOperator| matches!(op, UnaryOperator::Minus | UnaryOperator::Plus);
    if let Expr::UnaryOp { op, expr } = expr {
        return is_sign(op)
            && matches!(expr.as_ref(), Expr::Value(value) if matches!(value.value, Value::Number(..)));
    }
    let Expr::Value(value) = expr else {
        return false;
    };
    // A stage's column, or a variable, which holds what a query gave it.
    !matches!(&value.value, Value::Placeholder(name) if name.starts_with(['@', '$']))
}
