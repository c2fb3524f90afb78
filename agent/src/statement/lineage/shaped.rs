//! Rows that are given another shape: PIVOT, UNPIVOT, MATCH_RECOGNIZE.

use sqlparser::ast::{
    Expr, ExprWithAlias, Measure, OrderByExpr, PivotValueSource, SymbolDefinition, TableFactor,
};

use super::flow::{Flow, Item, Source};
use super::names::fold;
use super::query::check_order;
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
        let values = match source {
            PivotValueSource::List(values) => values,
            // Their values become names of columns, which are in the result whatever is masked.
            PivotValueSource::Any(_) | PivotValueSource::Subquery(_) => {
                return Err(Unreadable::Unsupported(
                    "PIVOT whose columns are named by data",
                ));
            }
        };
        let mut gone = Vec::new();
        let mut made = Flow::nothing();
        for aggregate in aggregates {
            let flow = self.value(&aggregate.expr, env, Clause::List)?;
            gone.extend(flow.from.iter().filter_map(|column| column.name.clone()));
            made.add(flow);
        }
        for key in keys {
            let flow = self.value(key, env, Clause::Rows)?;
            gone.extend(flow.from.iter().filter_map(|column| column.name.clone()));
            self.note(&flow, Use::Group);
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
                Item::One { .. } | Item::Rest { .. } => {
                    self.note(&item.whole(), Use::Group);
                    items.push(item);
                }
            }
        }
        for value in values {
            self.value(&value.expr, env, Clause::List)?;
            let name = value.alias.as_ref().map(fold).transpose()?;
            items.push(Item::One {
                name: name.or_else(|| Some(value.expr.to_string())),
                flow: made.clone(),
            });
        }
        Ok(Source {
            names: Vec::new(),
            items,
        })
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
        let mut gone = Vec::new();
        for column in columns {
            let one = self.value(&column.expr, env, Clause::List)?;
            gone.extend(one.from.iter().filter_map(|column| column.name.clone()));
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
                Item::One { .. } => items.push(item),
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
        Ok(Source {
            names: Vec::new(),
            items,
        })
    }

    pub(super) fn match_recognize(
        &mut self,
        table: &TableFactor,
        partition_by: &[Expr],
        order_by: &[OrderByExpr],
        measures: &[Measure],
        symbols: &[SymbolDefinition],
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
        for symbol in symbols {
            inner.sources.push(Source {
                names: vec![fold(&symbol.symbol)?],
                items: items.clone(),
            });
        }
        let env = Env {
            frame: &inner,
            outer,
        };
        for expr in partition_by {
            self.decide(expr, env, Use::Window)?;
        }
        for one in order_by {
            check_order(one)?;
            self.decide(&one.expr, env, Use::Window)?;
        }
        for symbol in symbols {
            self.decide(&symbol.definition, env, Use::Where)?;
        }
        let mut made = Vec::new();
        for measure in measures {
            let flow = self.value(&measure.expr, env, Clause::List)?;
            made.push(Item::named(&fold(&measure.alias)?, flow.made()));
        }
        let items = items.into_iter().chain(made).collect();
        Ok(Source {
            names: Vec::new(),
            items,
        })
    }
}
