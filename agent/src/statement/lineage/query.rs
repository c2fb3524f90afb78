//! Queries: from the rows of FROM to the columns of the result.

use std::collections::BTreeSet;

use sqlparser::ast::{
    ConnectByKind, Cte, Distinct, ExcludeSelectItem, Expr, GroupByExpr, GroupByWithModifier,
    LimitClause, NamedWindowExpr, ObjectName, OrderBy, OrderByExpr, OrderByKind, Query,
    RenameSelectItem, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator,
    SetQuantifier, Statement, TopQuantity, WildcardAdditionalOptions, With,
};

use super::flow::{Flow, Item};
use super::names::{fold, names};
use super::scope::{Env, Frame};
use super::{Clause, Named, Walk};
use crate::statement::meaning::Use;
use crate::statement::parse::Unreadable;

/// How often a recursive query is read again until no more columns come to it.
const ROUNDS_MAX: usize = 16;

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

    fn with(&mut self, with: &With, outer: Option<&Env<'_>>) -> Result<(), Unreadable> {
        for cte in &with.cte_tables {
            let name = fold(&cte.alias.name)?;
            let items = self.cte(cte, &name, outer)?;
            self.ctes.push(Named { name, items });
        }
        Ok(())
    }

    /// Reads one member of WITH. Snowflake needs no RECURSIVE: whatever stands right of a set operation may name itself.
    fn cte(
        &mut self,
        cte: &Cte,
        name: &str,
        outer: Option<&Env<'_>>,
    ) -> Result<Vec<Item>, Unreadable> {
        if cte.from.is_some() {
            return Err(Unreadable::Unsupported("FROM of a common table expression"));
        }
        let SetExpr::SetOperation { left, .. } = cte.query.body.as_ref() else {
            let items = self.query(&cte.query, outer)?;
            return renamed(
                items,
                &cte.alias
                    .columns
                    .iter()
                    .map(|column| fold(&column.name))
                    .collect::<Result<Vec<_>, _>>()?,
            );
        };
        let columns: Vec<String> = cte
            .alias
            .columns
            .iter()
            .map(|column| fold(&column.name))
            .collect::<Result<_, _>>()?;
        let known = self.ctes.len();
        if let Some(with) = &cte.query.with {
            self.with(with, outer)?;
        }
        let (anchor, _) = self.set(left, outer)?;
        self.ctes.truncate(known);
        let mut items = renamed(anchor, &columns)?;
        for _ in 0..ROUNDS_MAX {
            self.ctes.push(Named {
                name: name.to_owned(),
                items: items.clone(),
            });
            let next = self.query(&cte.query, outer);
            self.ctes.truncate(known);
            let next = renamed(next?, &columns)?;
            if next == items {
                return Ok(items);
            }
            items = next;
        }
        Err(Unreadable::Unsupported(
            "a recursive query whose columns do not settle",
        ))
    }

    /// Reads the body of a query; gives its columns, and the rows that its ORDER BY sees beside them.
    fn set(
        &mut self,
        body: &SetExpr,
        outer: Option<&Env<'_>>,
    ) -> Result<(Vec<Item>, Frame), Unreadable> {
        match body {
            SetExpr::Select(select) => self.select(select, outer),
            SetExpr::Query(query) => Ok((self.query(query, outer)?, Frame::default())),
            SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => {
                let (left, _) = self.set(left, outer)?;
                let (right, _) = self.set(right, outer)?;
                let items = self.operation(left, *op, *set_quantifier, right);
                Ok((items, Frame::default()))
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
                            Some(Item::Rest { .. }) | None => {
                                items.push(Item::named(&format!("COLUMN{}", place + 1), flow))
                            }
                        }
                    }
                }
                Ok((items, Frame::default()))
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

    /// Joins the columns of two branches; all operations but UNION ALL compare whole rows.
    fn operation(
        &mut self,
        left: Vec<Item>,
        op: SetOperator,
        quantifier: SetQuantifier,
        right: Vec<Item>,
    ) -> Vec<Item> {
        let is_by_name = matches!(
            quantifier,
            SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName
        );
        let compares = op != SetOperator::Union
            || !matches!(quantifier, SetQuantifier::All | SetQuantifier::AllByName);
        if compares {
            for item in left.iter().chain(&right) {
                self.note(&item.whole(), Use::Group);
            }
        }
        let is_known = left.iter().chain(&right).all(Item::is_one);
        if is_known && !is_by_name && left.len() == right.len() {
            let pairs = left.into_iter().zip(right);
            return pairs.map(|(left, right)| beside(left, &right)).collect();
        }
        if is_known && is_by_name {
            return by_name(left, right);
        }
        // Which column meets which cannot be told: each is made of all.
        let mut flow = super::flow::whole(&left).made();
        flow.add(super::flow::whole(&right));
        left.into_iter()
            .map(|item| match item {
                Item::One { name, .. } => Item::One {
                    name,
                    flow: flow.clone(),
                },
                Item::Rest { .. } => Item::One {
                    name: None,
                    flow: flow.clone(),
                },
            })
            .collect()
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
            for item in &made {
                if let Item::One {
                    name: Some(name),
                    flow,
                } = item
                {
                    let known = frame
                        .aliases
                        .entry(name.clone())
                        .or_insert_with(|| flow.clone());
                    known.or(flow.clone());
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
        if let Some(into) = &select.into {
            for target in &into.targets {
                self.value(target, env, Clause::List)?;
            }
            self.store(&items);
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
                let items = match env.called(&qualifier) {
                    Some(source) => source.items.clone(),
                    // Of a query around this one, or of nothing: any column in sight.
                    None => vec![Item::One {
                        name: None,
                        flow: env.whole().made(),
                    }],
                };
                self.starred(items, options, env)
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(_), _) => {
                Err(Unreadable::Unsupported("`.*` of an expression"))
            }
            SelectItem::Wildcard(options) => self.starred(env.items(), options, env),
        }
    }

    /// Reads what EXCLUDE, ILIKE, REPLACE and RENAME leave of `*`.
    fn starred(
        &mut self,
        items: Vec<Item>,
        options: &WildcardAdditionalOptions,
        env: Env<'_>,
    ) -> Result<Vec<Item>, Unreadable> {
        let WildcardAdditionalOptions {
            wildcard_token: _,
            opt_ilike,
            opt_exclude,
            opt_except,
            opt_replace,
            opt_rename,
            opt_alias,
        } = options;
        if opt_except.is_some() || opt_alias.is_some() {
            return Err(Unreadable::Unsupported(
                "a form of `*` that Snowflake does not have",
            ));
        }
        let mut items = items;
        if let Some(ilike) = opt_ilike {
            // Which of the unknown columns fit cannot be told: all are kept.
            let fits = |item: &Item| match item {
                Item::One {
                    name: Some(name), ..
                } => like(&ilike.pattern.to_lowercase(), &name.to_lowercase()),
                Item::One { name: None, .. } | Item::Rest { .. } => true,
            };
            items.retain(fits);
        }
        if let Some(exclude) = opt_exclude {
            items = without(items, &excluded(exclude)?);
        }
        if let Some(replace) = opt_replace {
            for element in &replace.items {
                let name = fold(&element.column_name)?;
                let flow = self.value(&element.expr, env, Clause::List)?;
                items = replaced(items, &name, &flow);
            }
        }
        if let Some(rename) = opt_rename {
            let all = match rename {
                RenameSelectItem::Single(one) => std::slice::from_ref(one),
                RenameSelectItem::Multiple(all) => all,
            };
            for one in all {
                items = renamed_one(items, &fold(&one.ident)?, &fold(&one.alias)?);
            }
        }
        Ok(items)
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
            let known = items.iter().take(place).all(Item::is_one);
            let flow = match place.checked_sub(1).and_then(|place| items.get(place)) {
                Some(item) if known => item.whole(),
                Some(_) | None => super::flow::whole(items),
            };
            self.note(&flow, how);
            return Ok(());
        }
        self.decide(expr, env, how)
    }
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
    match expr {
        Expr::Value(value) => value.to_string().parse().ok(),
        _ => None,
    }
}

/// The name that Snowflake gives a column without an alias, where it is a column's own.
fn implied_name(expr: &Expr) -> Result<Option<String>, Unreadable> {
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
            Item::One { name: None, .. } => {}
            Item::Rest { .. } => frame.sources.push(super::flow::Source {
                names: Vec::new(),
                items: vec![item.clone()],
            }),
        }
    }
}

fn beside(left: Item, right: &Item) -> Item {
    match left {
        Item::One { name, mut flow } => {
            flow.or(right.whole());
            Item::One { name, flow }
        }
        Item::Rest { .. } => left,
    }
}

/// Joins two branches by the names of their columns; a column that one of them lacks is null there.
fn by_name(left: Vec<Item>, right: Vec<Item>) -> Vec<Item> {
    let mut items = left;
    for item in right {
        let Item::One { name, flow } = item else {
            continue;
        };
        let same = items.iter_mut().find_map(|known| match known {
            Item::One { name: known, flow } if *known == name => Some(flow),
            Item::One { .. } | Item::Rest { .. } => None,
        });
        match same {
            Some(known) => known.or(flow),
            None => items.push(Item::One {
                name,
                flow: flow.made(),
            }),
        }
    }
    items
}

/// Names the columns of some rows anew, as an alias with a list does.
pub(super) fn renamed(items: Vec<Item>, columns: &[String]) -> Result<Vec<Item>, Unreadable> {
    if columns.is_empty() {
        return Ok(items);
    }
    if items.len() != columns.len() || !items.iter().all(Item::is_one) {
        // Which gets which name cannot be told: each is made of all.
        let flow = super::flow::whole(&items).made();
        return Ok(columns
            .iter()
            .map(|name| Item::named(name, flow.clone()))
            .collect());
    }
    let pairs = items.into_iter().zip(columns);
    Ok(pairs
        .map(|(item, name)| Item::named(name, item.whole()))
        .collect())
}

fn excluded(exclude: &ExcludeSelectItem) -> Result<BTreeSet<String>, Unreadable> {
    let last = |name: &ObjectName| {
        let mut names = names(name)?;
        names
            .pop()
            .ok_or(Unreadable::Unsupported("EXCLUDE of nothing"))
    };
    match exclude {
        ExcludeSelectItem::Single(one) => Ok(BTreeSet::from([last(one)?])),
        ExcludeSelectItem::Multiple(all) => all.iter().map(last).collect(),
    }
}

fn without(items: Vec<Item>, excluded: &BTreeSet<String>) -> Vec<Item> {
    let kept = items.into_iter().filter_map(|item| match item {
        Item::One {
            name: Some(name), ..
        } if excluded.contains(&name) => None,
        Item::One { .. } => Some(item),
        Item::Rest {
            object,
            mut without,
        } => {
            without.extend(excluded.iter().cloned());
            Some(Item::Rest { object, without })
        }
    });
    kept.collect()
}

fn replaced(items: Vec<Item>, wanted: &str, by: &Flow) -> Vec<Item> {
    let mut replaced = Vec::new();
    for item in items {
        match item {
            Item::One {
                name: Some(name), ..
            } if name == wanted => replaced.push(Item::named(&name, by.clone())),
            Item::One { .. } => replaced.push(item),
            Item::Rest {
                object,
                mut without,
            } => {
                if without.insert(wanted.to_owned()) {
                    replaced.push(Item::named(wanted, by.clone()));
                }
                replaced.push(Item::Rest { object, without });
            }
        }
    }
    replaced
}

fn renamed_one(items: Vec<Item>, old: &str, new: &str) -> Vec<Item> {
    let mut renamed = Vec::new();
    for item in items {
        match item {
            Item::One {
                name: Some(name),
                flow,
            } if name == old => renamed.push(Item::named(new, flow)),
            Item::One { .. } => renamed.push(item),
            Item::Rest {
                object,
                mut without,
            } => {
                if without.insert(old.to_owned()) {
                    renamed.push(Item::named(new, Flow::of(object.column(Some(old)))));
                }
                renamed.push(Item::Rest { object, without });
            }
        }
    }
    renamed
}

/// Tells whether a text fits a pattern with `%` and `_`.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut of) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while of < text.len() {
        match pattern.get(at) {
            Some('%') => {
                retry = Some((at + 1, of));
                at += 1;
            }
            Some(&letter) if letter == '_' || Some(&letter) == text.get(of) => {
                at += 1;
                of += 1;
            }
            Some(_) | None => match retry {
                Some((from, start)) => {
                    at = from;
                    of = start + 1;
                    retry = Some((from, of));
                }
                None => return false,
            },
        }
    }
    pattern
        .get(at..)
        .is_some_and(|rest| rest.iter().all(|&letter| letter == '%'))
}
