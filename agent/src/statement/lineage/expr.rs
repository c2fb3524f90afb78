//! Expressions: which columns a value is made of.
//!
//! One match without a wildcard: an expression that is new to the parser stops the build.

use sqlparser::ast::{
    AccessExpr, CeilFloorKind, Expr, Ident, JsonPath, JsonPathElem, LambdaFunction,
    OneOrManyWithParens, OrderByExpr, Subscript, Value, WindowFrameBound, WindowSpec, WindowType,
};

use super::flow::{Flow, Item, Source};
use super::names::{fold, stage_of_idents};
use super::query::check_order;
use super::scope::{Env, Frame};
use super::{Clause, Walk};
use crate::statement::kind::Action;
use crate::statement::meaning::Use;
use crate::statement::object::{Class, Object};
use crate::statement::parse::Unreadable;

impl Walk<'_> {
    /// Tells what a value is made of; in a select list, notes what anything was made of.
    pub(super) fn value(
        &mut self,
        expr: &Expr,
        env: Env<'_>,
        clause: Clause,
    ) -> Result<Flow, Unreadable> {
        if !matches!(expr, Expr::Value(_)) {
            self.step(1)?;
        }
        match expr {
            Expr::Identifier(name) => {
                self.search(env)?;
                let flow = self.column(std::slice::from_ref(name), env)?;
                self.step(flow.from.len())?;
                Ok(flow)
            }
            Expr::CompoundIdentifier(all) => {
                self.search(env)?;
                let flow = self.column(all, env)?;
                self.step(flow.from.len())?;
                Ok(flow)
            }
            Expr::Nested(inner) | Expr::Prior(inner) | Expr::OuterJoin(inner) => {
                self.value(inner, env, clause)
            }
            Expr::Value(value) => {
                let Value::Placeholder(name) = &value.value else {
                    return Ok(Flow::nothing());
                };
                if name.starts_with('@') {
                    return self.column(&[Ident::new(name)], env);
                }
                Ok(placeholder(name, env))
            }
            Expr::TypedString(_) => Ok(Flow::nothing()),
            Expr::CompoundFieldAccess { root, access_chain } => {
                if let Some(stage) = stage_in(root, access_chain) {
                    return self.column(&stage?, env);
                }
                let mut all = vec![root.as_ref()];
                for access in access_chain {
                    match access {
                        // A member's name is no column.
                        AccessExpr::Dot(Expr::Identifier(_) | Expr::Value(_)) => {}
                        AccessExpr::Dot(_) => {
                            return Err(Unreadable::Unsupported("a method of a value"));
                        }
                        AccessExpr::Subscript(Subscript::Index { index }) => all.push(index),
                        AccessExpr::Subscript(Subscript::Slice {
                            lower_bound,
                            upper_bound,
                            stride,
                        }) => {
                            all.extend(lower_bound.iter().chain(upper_bound).chain(stride));
                        }
                    }
                }
                self.made(all, env, clause)
            }
            Expr::JsonAccess { value, path } => {
                let mut all = vec![value.as_ref()];
                all.extend(path_keys(path));
                self.made(all, env, clause)
            }
            Expr::IsFalse(one)
            | Expr::IsNotFalse(one)
            | Expr::IsTrue(one)
            | Expr::IsNotTrue(one)
            | Expr::IsNull(one)
            | Expr::IsNotNull(one)
            | Expr::IsUnknown(one)
            | Expr::IsNotUnknown(one)
            | Expr::IsJson { expr: one, .. }
            | Expr::IsNormalized { expr: one, .. }
            | Expr::UnaryOp { expr: one, .. }
            | Expr::Cast { expr: one, .. }
            | Expr::Extract { expr: one, .. }
            | Expr::Collate { expr: one, .. }
            | Expr::Prefixed { value: one, .. }
            | Expr::Named { expr: one, .. } => self.made([one.as_ref()], env, clause),
            Expr::IsDistinctFrom(left, right)
            | Expr::IsNotDistinctFrom(left, right)
            | Expr::BinaryOp { left, right, .. }
            | Expr::AnyOp { left, right, .. }
            | Expr::AllOp { left, right, .. }
            | Expr::AtTimeZone {
                timestamp: left,
                time_zone: right,
            }
            | Expr::Position {
                expr: left,
                r#in: right,
            }
            | Expr::InUnnest {
                expr: left,
                array_expr: right,
                ..
            }
            | Expr::RLike {
                expr: left,
                pattern: right,
                ..
            } => self.made([left.as_ref(), right.as_ref()], env, clause),
            Expr::InList { expr, list, .. } => {
                self.made(std::iter::once(expr.as_ref()).chain(list), env, clause)
            }
            Expr::Between {
                expr, low, high, ..
            } => self.made([expr.as_ref(), low.as_ref(), high.as_ref()], env, clause),
            Expr::Like {
                expr,
                pattern,
                escape_char,
                ..
            }
            | Expr::ILike {
                expr,
                pattern,
                escape_char,
                ..
            }
            | Expr::SimilarTo {
                expr,
                pattern,
                escape_char,
                ..
            } => {
                let all = [expr.as_ref(), pattern.as_ref()];
                self.made(all.into_iter().chain(escape_char.as_deref()), env, clause)
            }
            Expr::Convert { expr, styles, .. } => {
                self.made(std::iter::once(expr.as_ref()).chain(styles), env, clause)
            }
            Expr::Ceil { expr, field } | Expr::Floor { expr, field } => match field {
                CeilFloorKind::DateTimeField(_) | CeilFloorKind::Scale(_) => {
                    self.made([expr.as_ref()], env, clause)
                }
            },
            Expr::Substring {
                expr,
                substring_from,
                substring_for,
                ..
            } => {
                let rest = substring_from
                    .iter()
                    .chain(substring_for)
                    .map(AsRef::as_ref);
                self.made(std::iter::once(expr.as_ref()).chain(rest), env, clause)
            }
            Expr::Trim {
                expr,
                trim_what,
                trim_characters,
                ..
            } => {
                let what = trim_what.iter().map(AsRef::as_ref);
                let characters = trim_characters.iter().flatten();
                self.made(
                    std::iter::once(expr.as_ref()).chain(what).chain(characters),
                    env,
                    clause,
                )
            }
            Expr::Overlay {
                expr,
                overlay_what,
                overlay_from,
                overlay_for,
            } => {
                let all = [expr.as_ref(), overlay_what.as_ref(), overlay_from.as_ref()];
                self.made(all.into_iter().chain(overlay_for.as_deref()), env, clause)
            }
            Expr::Function(function) => self.function(function, env, clause),
            Expr::Case {
                case_token: _,
                end_token: _,
                operand,
                conditions,
                else_result,
            } => {
                let whens = conditions
                    .iter()
                    .flat_map(|when| [&when.condition, &when.result]);
                let all = operand
                    .iter()
                    .chain(else_result)
                    .map(AsRef::as_ref)
                    .chain(whens);
                self.made(all, env, clause)
            }
            Expr::InSubquery {
                expr,
                subquery,
                negated: _,
            } => {
                let items = self.query(subquery, Some(&env))?;
                let mut flow = self.made([expr.as_ref()], env, clause)?;
                flow.add(super::flow::whole(&items));
                self.note_made(&flow, clause);
                Ok(flow)
            }
            // What decides whether there are rows was noted where the query was read.
            Expr::Exists {
                subquery,
                negated: _,
            } => {
                self.query(subquery, Some(&env))?;
                Ok(Flow::nothing())
            }
            Expr::Subquery(query) => {
                let items = self.query(query, Some(&env))?;
                let flow = super::flow::whole(&items).made();
                self.note_made(&flow, clause);
                Ok(flow)
            }
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                self.each(sets.iter().flatten(), env, clause)
            }
            Expr::Tuple(all) => self.each(all, env, clause),
            Expr::Array(array) => self.made(&array.elem, env, clause),
            Expr::Struct { values, .. } => self.made(values, env, clause),
            Expr::Dictionary(fields) => {
                self.made(fields.iter().map(|field| field.value.as_ref()), env, clause)
            }
            Expr::Map(map) => {
                let all = map
                    .entries
                    .iter()
                    .flat_map(|entry| [entry.key.as_ref(), entry.value.as_ref()]);
                self.made(all, env, clause)
            }
            Expr::Interval(interval) => self.made([interval.value.as_ref()], env, clause),
            Expr::Lambda(lambda) => self.lambda(lambda, env, clause),
            Expr::MemberOf(member) => {
                self.made([member.value.as_ref(), member.array.as_ref()], env, clause)
            }
            Expr::Wildcard(_) | Expr::QualifiedWildcard(_, _) => {
                let flow = env.whole().made();
                self.note_made(&flow, clause);
                Ok(flow)
            }
            Expr::MatchAgainst { .. } => Err(Unreadable::Unsupported("MATCH ... AGAINST")),
        }
    }

    /// Tells what is made of several values.
    pub(super) fn made<'e>(
        &mut self,
        all: impl IntoIterator<Item = &'e Expr>,
        env: Env<'_>,
        clause: Clause,
    ) -> Result<Flow, Unreadable> {
        let flow = self.each(all, env, clause)?;
        self.note_made(&flow, clause);
        Ok(flow)
    }

    fn each<'e>(
        &mut self,
        all: impl IntoIterator<Item = &'e Expr>,
        env: Env<'_>,
        clause: Clause,
    ) -> Result<Flow, Unreadable> {
        let mut flow = Flow::nothing();
        for one in all {
            flow.add(self.value(one, env, clause)?);
        }
        Ok(flow)
    }

    fn note_made(&mut self, flow: &Flow, clause: Clause) {
        if clause == Clause::List {
            self.note(flow, Use::Argument);
        }
    }

    fn column(&mut self, names: &[Ident], env: Env<'_>) -> Result<Flow, Unreadable> {
        if let Some(stage) = stage_of_idents(names) {
            let object = Object::new(Class::Stage, self.catalogue.resolve(stage));
            self.meaning.touch(Action::Read, object);
            return Ok(Flow::nothing());
        }
        let is_bare = names.last().is_some_and(|last| last.quote_style.is_none());
        let names: Vec<String> = names.iter().map(fold).collect::<Result<_, _>>()?;
        if let ([single], true) = (names.as_slice(), is_bare)
            && matches!(single.as_str(), "PRIOR" | "CONNECT_BY_ROOT")
        {
            return Err(Unreadable::Unsupported("PRIOR in this place"));
        }
        self.named_column(&names, is_bare, env)
    }

    /// Tells what a column is made of, by its folded names; the last of them may call a place or a variable if it is bare.
    pub(super) fn named_column(
        &mut self,
        names: &[String],
        is_bare: bool,
        env: Env<'_>,
    ) -> Result<Flow, Unreadable> {
        let Some((name, qualifier)) = names.split_last() else {
            return Ok(env.whole().made());
        };
        if let Some(sign) = name.strip_prefix('$').filter(|_| is_bare) {
            return Ok(match sign.parse() {
                Ok(number) => env.nth(qualifier, number),
                Err(_) if qualifier.is_empty() => Flow::nothing(),
                Err(_) => env.whole().made(),
            });
        }
        if qualifier.is_empty() {
            let found = env.find(name);
            if found.is_none() && self.variables.contains(name) {
                return Ok(Flow::nothing());
            }
            // A name of nothing in sight may be of anything: catalogues age.
            return Ok(found.unwrap_or_else(|| env.whole().made()));
        }
        if let Some(flow) = env.find_in(qualifier, name) {
            return Ok(flow);
        }
        if is_bare && matches!(name.as_str(), "NEXTVAL" | "CURRVAL") {
            let names = qualifier.to_vec();
            for path in self.paths(names) {
                self.meaning
                    .touch(Action::Read, Object::new(Class::Object, path));
            }
            return Ok(Flow::nothing());
        }
        if qualifier
            .first()
            .is_some_and(|first| self.variables.contains(first))
        {
            return Ok(Flow::nothing());
        }
        if env.has_rows() || self.in_block {
            return Ok(env.whole().made());
        }
        Err(Unreadable::Unsupported(
            "a column of what is not named in FROM",
        ))
    }

    /// Reads a lambda: its parameters are parts of the other arguments, which count as a whole.
    fn lambda(
        &mut self,
        lambda: &LambdaFunction,
        env: Env<'_>,
        clause: Clause,
    ) -> Result<Flow, Unreadable> {
        let params = match &lambda.params {
            OneOrManyWithParens::One(one) => std::slice::from_ref(one),
            OneOrManyWithParens::Many(all) => all.as_slice(),
        };
        let items: Result<Vec<Item>, Unreadable> = params
            .iter()
            .map(|param| Ok(Item::named(&fold(&param.name)?, Flow::nothing())))
            .collect();
        let frame = Frame {
            sources: vec![Source::unnamed(items?)],
            is_lambda: true,
            ..Frame::default()
        };
        let env = Env {
            frame: &frame,
            outer: Some(&env),
        };
        self.value(&lambda.body, env, clause)
    }

    /// Notes over which rows a function works.
    pub(super) fn over(&mut self, over: &WindowType, env: Env<'_>) -> Result<(), Unreadable> {
        match over {
            WindowType::WindowSpec(spec) => self.window(spec, env),
            WindowType::NamedWindow(_) => Ok(()),
        }
    }

    /// Notes what a window's rows depend on.
    pub(super) fn window(&mut self, spec: &WindowSpec, env: Env<'_>) -> Result<(), Unreadable> {
        for expr in &spec.partition_by {
            self.decide(expr, env, Use::Window)?;
        }
        self.order_in_window(&spec.order_by, env)?;
        if let Some(frame) = &spec.window_frame {
            for bound in std::iter::once(&frame.start_bound).chain(&frame.end_bound) {
                match bound {
                    WindowFrameBound::CurrentRow => {}
                    WindowFrameBound::Preceding(by) | WindowFrameBound::Following(by) => {
                        if let Some(expr) = by {
                            self.decide(expr, env, Use::Window)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Notes in which order a function sees rows.
    pub(super) fn order_in_window(
        &mut self,
        all: &[OrderByExpr],
        env: Env<'_>,
    ) -> Result<(), Unreadable> {
        for one in all {
            check_order(one)?;
            self.decide(&one.expr, env, Use::Window)?;
        }
        Ok(())
    }
}

/// Reads `@schema.stage`, which the parser takes for a value and its members.
fn stage_in(root: &Expr, chain: &[AccessExpr]) -> Option<Result<Vec<Ident>, Unreadable>> {
    let Expr::Value(value) = root else {
        return None;
    };
    let Value::Placeholder(first) = &value.value else {
        return None;
    };
    if !first.starts_with('@') {
        return None;
    }
    let others = chain.iter().map(|access| match access {
        AccessExpr::Dot(Expr::Identifier(name)) => Ok(name.clone()),
        AccessExpr::Dot(_) | AccessExpr::Subscript(_) => Err(Unreadable::Unsupported(
            "a stage that is named in a way that is not known",
        )),
    });
    Some(
        std::iter::once(Ok(Ident::new(first)))
            .chain(others)
            .collect(),
    )
}

fn path_keys(path: &JsonPath) -> impl Iterator<Item = &Expr> {
    path.path.iter().filter_map(|element| match element {
        JsonPathElem::Dot { .. } => None,
        JsonPathElem::Bracket { key } | JsonPathElem::ColonBracket { key } => Some(key),
    })
}

/// `$1` is a column by its place; `?`, `:1` and `$name` are values from outside the statement.
fn placeholder(name: &str, env: Env<'_>) -> Flow {
    match name.strip_prefix('$').map(str::parse) {
        Some(Ok(number)) => env.nth(&[], number),
        Some(Err(_)) | None => Flow::nothing(),
    }
}
