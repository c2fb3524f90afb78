//! Conditions: which columns decide about rows, and which of them by being equal to a constant or to another column.
//!
//! Both are told apart since policies may name them. What Snowflake would convert first is neither: where that fails, the
//! error tells the value.

use std::collections::BTreeSet;

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

use super::flow::Flow;
use super::scope::Env;
use super::{Clause, Walk};
use crate::statement::catalogue::Found;
use crate::statement::meaning::Use;
use crate::statement::parse::Unreadable;

/// Types between which nothing is converted that could fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Text,
    Number,
    Other,
}

impl Walk<'_> {
    /// Notes that an expression decides something about rows; of a join's condition, what makes rows meet.
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
                let how = if !matches!(how, Use::Where | Use::Join) {
                    how
                } else if self.is_equality(expr, env)? {
                    Use::Equality
                } else if how == Use::Join && self.is_meeting(expr, env)? {
                    Use::Join
                } else {
                    Use::Where
                };
                self.note(&flow, how);
            }
        }
        Ok(())
    }

    /// Tells whether a condition is that one column's value as it is equals a constant, or one of several.
    fn is_equality(&mut self, expr: &Expr, env: Env<'_>) -> Result<bool, Unreadable> {
        let (column, constants) = if let Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } = expr
        {
            if is_column(left) {
                (left, std::slice::from_ref(right.as_ref()))
            } else {
                (right, std::slice::from_ref(left.as_ref()))
            }
        } else if let Expr::InList {
            expr,
            list,
            negated: false,
        } = expr
        {
            (expr, list.as_slice())
        } else {
            return Ok(false);
        };
        if !is_column(column) || !constants.iter().all(is_constant) {
            return Ok(false);
        }
        let flow = self.value(column, env, Clause::Rows)?;
        // A text makes of a constant what the column is; anything else might make of a text what the constant is.
        let fits = constants.iter().all(is_text) || self.family(&flow) != Family::Text;
        Ok(flow.is_bare && fits)
    }

    /// Tells whether a condition is that a column of some rows equals one of others, as both are.
    fn is_meeting(&mut self, expr: &Expr, env: Env<'_>) -> Result<bool, Unreadable> {
        let Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } = expr
        else {
            return Ok(false);
        };
        if !is_column(left) || !is_column(right) {
            return Ok(false);
        }
        let rows = |column: &Expr| {
            let Expr::CompoundIdentifier(names) = column else {
                return None;
            };
            names.split_last().map(|(_, rows)| rows.to_vec())
        };
        let (of, with) = (
            self.value(left, env, Clause::Rows)?,
            self.value(right, env, Clause::Rows)?,
        );
        let are_of_others = match (rows(left), rows(right)) {
            (Some(of), Some(with)) => of != with,
            (_, _) => {
                let objects = |flow: &Flow| -> BTreeSet<_> {
                    flow.from
                        .iter()
                        .map(|column| column.object.clone())
                        .collect()
                };
                objects(&of).is_disjoint(&objects(&with))
            }
        };
        if !are_of_others {
            return Ok(false);
        }
        Ok(of.is_bare && with.is_bare && self.are_alike(&of, &with))
    }

    /// Tells whether values of two columns are compared without a conversion.
    pub(super) fn are_alike(&self, of: &Flow, with: &Flow) -> bool {
        self.family(of) == self.family(with)
    }

    /// Tells what values of a column are; one that nobody knows is taken for a text.
    fn family(&self, flow: &Flow) -> Family {
        let mut families = flow.from.iter().map(|column| {
            let Found::Relation(facts) = self.catalogue.relation(column.object.path()) else {
                return Family::Text;
            };
            let known = facts
                .columns
                .iter()
                .find(|known| Some(&known.name) == column.name.as_ref());
            let kind = known.map_or("", |known| known.data_type.as_str());
            match kind.split('(').next().unwrap_or_default().trim() {
                "NUMBER" | "FIXED" | "DECIMAL" | "NUMERIC" | "INT" | "INTEGER" | "BIGINT"
                | "SMALLINT" | "TINYINT" | "BYTEINT" | "FLOAT" | "DOUBLE" | "REAL" => {
                    Family::Number
                }
                "DATE" | "TIME" | "TIMESTAMP_NTZ" | "TIMESTAMP_LTZ" | "TIMESTAMP_TZ"
                | "BOOLEAN" | "BINARY" => Family::Other,
                _ => Family::Text,
            }
        });
        let first = families.next().unwrap_or(Family::Text);
        if families.all(|family| family == first) {
            first
        } else {
            Family::Text
        }
    }
}

fn is_column(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

fn is_text(expr: &Expr) -> bool {
    let Expr::Value(value) = expr else {
        return false;
    };
    matches!(
        value.value,
        Value::SingleQuotedString(_) | Value::DollarQuotedString(_)
    )
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
