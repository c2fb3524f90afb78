//! Queries: from the rows of FROM to the columns of the result.

use sqlparser::ast::{
    ConnectByKind, Distinct, Expr, GroupByExpr, GroupByWithModifier, Ident, LimitClause,
    NamedWindowExpr, OrderBy, OrderByExpr, OrderByKind, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, Statement, TopQuantity,
};

use super::flow::{Flow, Item, Source};
use super::names::{fold, names};
use super::scope::{Env, Frame};
use super::star::{excluded, without};
use super::{Clause, Walk};
use crate::statement::meaning::Use;
use crate::statement::parse::Unreadable;

impl Walk<'_> {
    /// Reads a query and gives the columns of its rows.
    pub(super) fn query(
        &mut self,
        query: &Query,
        outer: Option<&Env<'_>>,
    ) -> Result<Vec<Item>, Unreadable> {
        if !query.locks.is_empty()
            || query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty()
        {
            return Err(Unreadable::Unsupported(
                "a clause that Snowflake's queries do not have",
            ));
        }
        let known = self.ctes.len();
        if let Some(with) = &query.with {
            self.with(with, outer)?;
        }
        let (items, frame) = self.set(&query.body, outer)?;
        // ORDER BY sees the columns of the result, and those of FROM where there is one.
        let mut frame = frame;
        name_outputs(&mut frame, &items);
        let env = Env {
            frame: &frame,
            outer,
        };
        if let Some(order) = &query.order_by {
            self.order_by(order, &items, env)?;
        }
        self.limit(query, env)?;
        self.ctes.truncate(known);
        Ok(items)
    }

    fn limit(&mut self, query: &Query, env: Env<'_>) -> Result<(), Unreadable> {
        let mut all: Vec<&Expr> = Vec::new();
        match &query.limit_clause {
            None => {}
            Some(LimitClause::LimitOffset {
                limit,
                offset,
                limit_by,
            }) => {
                all.extend(limit);
                all.extend(offset.as_ref().map(|offset| &offset.value));
                all.extend(limit_by);
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => all.extend([offset, limit]),
        }
        all.extend(
            query
                .fetch
                .as_ref()
                .and_then(|fetch| fetch.quantity.as_ref()),
        );
        for expr in all {
            self.decide(expr, env, Use::Where)?;
        }
        Ok(())
    }

    /// Reads the body of a query; gives its columns, and the rows that its ORDER BY sees beside them.
    pub(super) fn set(
        &mut self,
        body: &SetExpr,
        outer: Option<&Env<'_>>,
    ) -> Result<(Vec<Item>, Frame), Unreadable> {
        match body {
            SetExpr::Select(select) => self.select(select, outer),
            SetExpr::Query(query) => Ok(alone(self.query(query, outer)?)),
            SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => {
                let (left, _) = self.set(left, outer)?;
                let (right, _) = self.set(right, outer)?;
                Ok(alone(self.operation(left, *op, *set_quantifier, right)))
            }
            SetExpr::Values(values) => {
                let frame = Frame::default();
                let env = Env {
                    frame: &frame,
                    outer,
                };
                let mut items: Vec<Item> = Vec::new();
                for row in &values.rows {
                    for (place, expr) in row.content.iter().enumerate() {
                        let flow = self.value(expr, env, Clause::List)?;
                        match items.get_mut(place) {
                            Some(Item::One { flow: earlier, .. }) => earlier.or(flow),
                            Some(Item::Rest { .. } | Item::Unplaced) | None => {
                                items.push(Item::named(&format!("COLUMN{}", place + 1), flow))
                            }
                        }
                    }
                }
                Ok(alone(items))
            }
            SetExpr::Insert(statement)
            | SetExpr::Update(statement)
            | SetExpr::Delete(statement)
            | SetExpr::Merge(statement) => {
                self.inner_statement(statement, outer)?;
                Ok((Vec::new(), Frame::default()))
            }
            SetExpr::Table(_) => Err(Unreadable::Unsupported("TABLE as a query")),
        }
    }

    fn inner_statement(
        &mut self,
        statement: &Statement,
        outer: Option<&Env<'_>>,
    ) -> Result<(), Unreadable> {
        if outer.is_some() {
            return Err(Unreadable::Unsupported("a statement inside of a query"));
        }
        self.statement(statement)
    }

    fn select(
        &mut self,
        select: &Select,
        outer: Option<&Env<'_>>,
    ) -> Result<(Vec<Item>, Frame), Unreadable> {
        if !select.lateral_views.is_empty()
            || select.prewhere.is_some()
            || !select.cluster_by.is_empty()
            || !select.distribute_by.is_empty()
            || !select.sort_by.is_empty()
            || select.value_table_mode.is_some()
            || !select.optimizer_hints.is_empty()
            || select.select_modifiers.is_some()
        {
            return Err(Unreadable::Unsupported(
                "a clause that Snowflake's SELECT does not have",
            ));
        }
        let mut frame = Frame::default();
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                frame.given.insert(fold(alias)?);
            }
        }
        if !select.connect_by.is_empty() {
            for name in ["LEVEL", "CONNECT_BY_ISLEAF", "CONNECT_BY_ISCYCLE"] {
                frame.aliases.insert(name.to_owned(), Flow::nothing());
            }
        }
        for from in &select.from {
            self.table_with_joins(from, &mut frame, outer)?;
        }
        // Columns of the list may be called by their names in the list itself, to their right, and in every clause.
        let mut items: Vec<Item> = Vec::new();
        for item in &select.projection {
            let env = Env {
                frame: &frame,
                outer,
            };
            let made = self.select_item(item, env)?;
            self.step(made.len())?;
            for item in &made {
                if let Item::One {
                    name: Some(name),
                    flow,
                } = item
                {
                    match frame.aliases.get_mut(name) {
                        Some(known) => known.or(flow.clone()),
                        None => drop(frame.aliases.insert(name.clone(), flow.clone())),
                    }
                }
            }
            items.extend(made);
        }
        if let Some(exclude) = &select.exclude {
            items = without(items, &excluded(exclude)?);
        }
        let env = Env {
            frame: &frame,
            outer,
        };
        for definition in &select.named_window {
            match &definition.1 {
                NamedWindowExpr::NamedWindow(_) => {}
                NamedWindowExpr::WindowSpec(spec) => self.window(spec, env)?,
            }
        }
        if let Some(condition) = &select.selection {
            self.decide(condition, env, Use::Where)?;
        }
        for part in &select.connect_by {
            match part {
                ConnectByKind::ConnectBy { relationships, .. } => {
                    for expr in relationships {
                        self.decide(expr, env, Use::Where)?;
                    }
                }
                ConnectByKind::StartWith { condition, .. } => {
                    self.decide(condition, env, Use::Where)?
                }
            }
        }
        self.group_by(&select.group_by, &items, env)?;
        for condition in select.having.iter().chain(&select.qualify) {
            self.decide(condition, env, Use::Where)?;
        }
        match &select.distinct {
            None | Some(Distinct::All) => {}
            Some(Distinct::Distinct) => {
                for item in &items {
                    self.note(&item.whole(), Use::Group);
                }
            }
            Some(Distinct::On(_)) => return Err(Unreadable::Unsupported("DISTINCT ON")),
        }
        if let Some(TopQuantity::Expr(expr)) =
            select.top.as_ref().and_then(|top| top.quantity.as_ref())
        {
            self.decide(expr, env, Use::Where)?;
        }
        if select.into.is_some() {
            if !self.in_block {
                return Err(Unreadable::Unsupported(
                    "SELECT ... INTO outside of a block",
                ));
            }
            self.store(&items);
            return Ok((Vec::new(), frame));
        }
        Ok((items, frame))
    }

    fn select_item(&mut self, item: &SelectItem, env: Env<'_>) -> Result<Vec<Item>, Unreadable> {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let flow = self.value(expr, env, Clause::List)?;
                let name = implied_name(expr)?;
                Ok(vec![Item::One { name, flow }])
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                let flow = self.value(expr, env, Clause::List)?;
                Ok(vec![Item::named(&fold(alias)?, flow)])
            }
            SelectItem::ExprWithAliases { .. } => {
                Err(Unreadable::Unsupported("several names of one column"))
            }
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(name),
                options,
            ) => {
                let qualifier = names(name)?;
                let called = env.called(&qualifier);
                let items = if called.is_empty() {
                    // Of a query around this one, or of nothing: any column in sight.
                    vec![Item::One {
                        name: None,
                        flow: env.whole().made(),
                    }]
                } else {
                    called
                        .iter()
                        .flat_map(|source| source.items.clone())
                        .collect()
                };
                self.starred(items, options, env)
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(_), _) => {
                Err(Unreadable::Unsupported("`.*` of an expression"))
            }
            SelectItem::Wildcard(options) => self.starred(env.items(), options, env),
        }
    }

    fn group_by(
        &mut self,
        group: &GroupByExpr,
        items: &[Item],
        env: Env<'_>,
    ) -> Result<(), Unreadable> {
        let modifiers = match group {
            GroupByExpr::All(modifiers) => {
                for item in items {
                    self.note(&item.whole(), Use::Group);
                }
                modifiers
            }
            GroupByExpr::Expressions(exprs, modifiers) => {
                for expr in exprs {
                    self.by(expr, items, env, Use::Group)?;
                }
                modifiers
            }
        };
        for modifier in modifiers {
            match modifier {
                GroupByWithModifier::Rollup
                | GroupByWithModifier::Cube
                | GroupByWithModifier::Totals => {}
                GroupByWithModifier::GroupingSets(expr) => self.by(expr, items, env, Use::Group)?,
            }
        }
        Ok(())
    }

    fn order_by(
        &mut self,
        order: &OrderBy,
        items: &[Item],
        env: Env<'_>,
    ) -> Result<(), Unreadable> {
        if order.interpolate.is_some() {
            return Err(Unreadable::Unsupported("INTERPOLATE"));
        }
        match &order.kind {
            OrderByKind::All(_) => {
                for item in items {
                    self.note(&item.whole(), Use::Order);
                }
                Ok(())
            }
            OrderByKind::Expressions(all) => {
                for one in all {
                    check_order(one)?;
                    if matches!(&one.expr, Expr::Identifier(name) if is_all(name)) {
                        let flow = super::flow::whole(items);
                        self.note(&flow, Use::Order);
                        continue;
                    }
                    self.by(&one.expr, items, env, Use::Order)?;
                }
                Ok(())
            }
        }
    }

    /// Reads what rows are ordered or grouped by: a number is a place in the select list.
    fn by(
        &mut self,
        expr: &Expr,
        items: &[Item],
        env: Env<'_>,
        how: Use,
    ) -> Result<(), Unreadable> {
        if let Some(place) = place(expr) {
            self.note(&super::flow::nth(items, place), how);
            return Ok(());
        }
        self.decide(expr, env, how)
    }
}

fn is_all(name: &Ident) -> bool {
    name.quote_style.is_none() && name.value.eq_ignore_ascii_case("ALL")
}

/// Refuses what Snowflake's ORDER BY does not have.
pub(super) fn check_order(order: &OrderByExpr) -> Result<(), Unreadable> {
    match order.with_fill {
        None => Ok(()),
        Some(_) => Err(Unreadable::Unsupported("WITH FILL")),
    }
}

/// Reads a number that calls a place in the select list.
fn place(expr: &Expr) -> Option<usize> {
    if let Expr::Value(value) = expr {
        value.to_string().parse().ok()
    } else {
        None
    }
}

/// The name that Snowflake gives a column without an alias, where it is a column's own.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all other expressions are called by their text"
)]
pub(super) fn implied_name(expr: &Expr) -> Result<Option<String>, Unreadable> {
    match expr {
        Expr::Identifier(name) => fold(name).map(Some),
        Expr::CompoundIdentifier(all) => all.last().map(fold).transpose(),
        _ => Ok(None),
    }
}

/// Lets the columns of a result be called by name, beside those of FROM.
fn name_outputs(frame: &mut Frame, items: &[Item]) {
    for item in items {
        match item {
            Item::One {
                name: Some(name),
                flow,
            } => {
                let known = frame
                    .aliases
                    .entry(name.clone())
                    .or_insert_with(|| flow.clone());
                known.or(flow.clone());
            }
            Item::One { name: None, .. } | Item::Unplaced => {}
            Item::Rest { .. } => frame.sources.push(Source::unnamed(vec![item.clone()])),
        }
    }
}

/// Rows that an ORDER BY sees alone: those of the result.
fn alone(items: Vec<Item>) -> (Vec<Item>, Frame) {
    let frame = Frame {
        sources: vec![Source::unnamed(items.clone())],
        ..Frame::default()
    };
    (items, frame)
}

/// Names the columns of some rows anew, as an alias with a list does.
pub(super) fn renamed(items: Vec<Item>, columns: &[String]) -> Vec<Item> {
    if columns.is_empty() {
        return items;
    }
    if items.len() == columns.len() && items.iter().all(Item::is_one) {
        let pairs = items.into_iter().zip(columns);
        return pairs
            .map(|(item, name)| Item::named(name, item.whole()))
            .collect();
    }
    // Which gets which name cannot be told: each is made of all, and there may be more.
    let flow = super::flow::whole(&items).made();
    let named = columns.iter().map(|name| Item::named(name, flow.clone()));
    let more = Item::One {
        name: None,
        flow: flow.clone(),
    };
    std::iter::once(Item::Unplaced)
        .chain(named)
        .chain([more])
        .collect()
}
