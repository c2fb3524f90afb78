//! Rows that are given another shape: PIVOT, UNPIVOT, MATCH_RECOGNIZE.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, ExprWithAlias, Measure, OrderByExpr, PivotValueSource, RowsPerMatch, SymbolDefinition,
    TableFactor,
};

use super::flow::{Flow, Item, Source};
use super::names::fold;
use super::query::{check_order, implied_name};
use super::scope::{Env, Frame};
use super::{Clause, Walk};
use crate::statement::meaning::Use;
use crate::statement::parse::Unreadable;

impl Walk<'_> {
    pub(super) fn pivot(
        &mut self,
        table: &TableFactor,
        aggregates: &[ExprWithAlias],
        keys: &[Expr],
        source: &PivotValueSource,
        default: Option<&Expr>,
        outer: Option<&Env<'_>>,
    ) -> Result<Source, Unreadable> {
        let mut inner = Frame::default();
        self.factor(table, &mut inner, outer)?;
        let env = Env {
            frame: &inner,
            outer,
        };
        let (values, is_by_data) = match source {
            PivotValueSource::List(values) => (values.as_slice(), false),
            PivotValueSource::Any(order) => {
                for one in order {
                    check_order(one)?;
                    self.decide(&one.expr, env, Use::Order)?;
                }
                (&[][..], true)
            }
            PivotValueSource::Subquery(query) => {
                let named = self.query(query, outer)?;
                for item in &named {
                    self.note(&item.whole(), Use::Project);
                }
                (&[][..], true)
            }
        };
        let mut gone = BTreeSet::new();
        let mut made = Flow::nothing();
        for aggregate in aggregates {
            let flow = self.value(&aggregate.expr, env, Clause::List)?;
            named_in(&aggregate.expr, &mut gone);
            made.add(flow);
        }
        for key in keys {
            let flow = self.value(key, env, Clause::Rows)?;
            named_in(key, &mut gone);
            self.note(&flow, Use::Group);
            if is_by_data {
                self.note(&flow, Use::Project);
            }
            made.add(flow);
        }
        if let Some(default) = default {
            made.add(self.value(default, env, Clause::List)?);
        }
        let kept: Vec<Item> = env.items();
        // The columns that stay decide which rows are one.
        let mut items = Vec::new();
        for item in kept {
            match &item {
                Item::One {
                    name: Some(name), ..
                } if gone.contains(name) => {}
                Item::One { .. } | Item::Rest { .. } | Item::Unplaced => {
                    self.note(&item.whole(), Use::Group);
                    items.push(item);
                }
            }
        }
        if is_by_data {
            // Values become names of columns, which are in the result whatever is masked.
            self.doubt("the columns of PIVOT are named by data");
            items.push(Item::Unplaced);
            items.push(Item::One {
                name: None,
                flow: made.clone().made(),
            });
        }
        let has_names = aggregates.len() > 1 || aggregates.iter().any(|one| one.alias.is_some());
        for value in values {
            self.value(&value.expr, env, Clause::List)?;
            let name = match &value.alias {
                // An aggregate's own name stands in the column's.
                _ if has_names => None,
                Some(alias) => Some(fold(alias)?),
                None => plain_text(&value.expr),
            };
            let flow = made.clone();
            items.push(Item::One { name, flow });
        }
        Ok(Source::unnamed(items))
    }

    pub(super) fn unpivot(
        &mut self,
        table: &TableFactor,
        value: &Expr,
        name: &str,
        columns: &[ExprWithAlias],
        outer: Option<&Env<'_>>,
    ) -> Result<Source, Unreadable> {
        let Expr::Identifier(value) = value else {
            return Err(Unreadable::Unsupported("UNPIVOT into several columns"));
        };
        let mut inner = Frame::default();
        self.factor(table, &mut inner, outer)?;
        let env = Env {
            frame: &inner,
            outer,
        };
        let mut flow: Option<Flow> = None;
        let mut gone = BTreeSet::new();
        for column in columns {
            let one = self.value(&column.expr, env, Clause::List)?;
            named_in(&column.expr, &mut gone);
            // Nulls give no row, unless it is said.
            self.note(&one, Use::Where);
            match &mut flow {
                None => flow = Some(one),
                Some(flow) => flow.or(one),
            }
        }
        let mut items: Vec<Item> = Vec::new();
        for item in env.items() {
            match item {
                Item::One {
                    name: Some(known), ..
                } if gone.contains(&known) => {}
                Item::One { .. } | Item::Unplaced => items.push(item),
                Item::Rest {
                    object,
                    mut without,
                } => {
                    without.extend(gone.iter().cloned());
                    items.push(Item::Rest { object, without });
                }
            }
        }
        items.push(Item::named(name, Flow::nothing()));
        items.push(Item::named(
            &fold(value)?,
            flow.unwrap_or_else(Flow::nothing),
        ));
        Ok(Source::unnamed(items))
    }

    pub(super) fn match_recognize(
        &mut self,
        table: &TableFactor,
        partition_by: &[Expr],
        order_by: &[OrderByExpr],
        rows: &Rows<'_>,
        outer: Option<&Env<'_>>,
    ) -> Result<Source, Unreadable> {
        let mut inner = Frame::default();
        self.factor(table, &mut inner, outer)?;
        // Columns may be called by a pattern's symbol: `A.price`.
        let items: Vec<Item> = inner
            .sources
            .iter()
            .flat_map(|source| source.items.clone())
            .collect();
        for symbol in rows.symbols {
            inner
                .sources
                .push(Source::named(vec![fold(&symbol.symbol)?], items.clone()));
        }
        // The pattern may have symbols that are not defined, which stand for any row.
        inner.hides_names = true;
        let env = Env {
            frame: &inner,
            outer,
        };
        let mut partitions = Vec::new();
        for expr in partition_by {
            let flow = self.value(expr, env, Clause::Rows)?;
            self.note(&flow, Use::Window);
            let name = implied_name(expr)?;
            partitions.push(Item::One { name, flow });
        }
        for one in order_by {
            check_order(one)?;
            self.decide(&one.expr, env, Use::Window)?;
        }
        let around = std::mem::replace(&mut self.in_match, true);
        for symbol in rows.symbols {
            self.decide(&symbol.definition, env, Use::Where)?;
        }
        let mut made = Vec::new();
        for measure in rows.measures {
            let flow = self.value(&measure.expr, env, Clause::List)?;
            made.push(Item::named(&fold(&measure.alias)?, flow.made()));
        }
        self.in_match = around;
        let kept = match rows.per_match {
            Some(RowsPerMatch::AllRows(_)) => items,
            // One row a match has what the matches are told apart by, and the measures.
            Some(RowsPerMatch::OneRow) | None => partitions,
        };
        let items = kept.into_iter().chain(made).collect();
        Ok(Source::unnamed(items))
    }
}

/// Adds the names of columns that stand in an expression.
#[expect(clippy::wildcard_enum_match_arm, reason = "only these name a column")]
fn named_in(expr: &Expr, names: &mut BTreeSet<String>) {
    let _whole: ControlFlow<()> = sqlparser::ast::visit_expressions(expr, |part| {
        let last = match part {
            Expr::Identifier(name) => Some(name),
            Expr::CompoundIdentifier(all) => all.last(),
            _ => None,
        };
        names.extend(last.and_then(|name| fold(name).ok()));
        ControlFlow::Continue(())
    });
}

/// The name that PIVOT gives a column after a value, where two readings of the value agree.
fn plain_text(value: &Expr) -> Option<String> {
    let text = value.to_string();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || " '_-.".contains(letter);
    text.chars().all(is_plain).then_some(text)
}

/// What MATCH_RECOGNIZE makes of the rows of a match.
pub(super) struct Rows<'a> {
    /// Columns that are made.
    pub(super) measures: &'a [Measure],
    /// Which rows match.
    pub(super) symbols: &'a [SymbolDefinition],
    /// Whether each row is shown, or one for all.
    pub(super) per_match: Option<&'a RowsPerMatch>,
}
