//! Calls of functions: built-in ones whose result is made of their arguments alone, and all others.

use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, HavingBound, ListAggOnOverflow, OrderByExpr,
};

use super::flow::{Flow, whole};
use super::names::{names, of_literal};
use super::scope::Env;
use super::{Clause, Walk, functions};
use crate::statement::kind::Action;
use crate::statement::meaning::{Column, Use};
use crate::statement::object::{Class, Object, Path};
use crate::statement::parse::Unreadable;

impl Walk<'_> {
    /// Tells what the result of a call is made of.
    pub(super) fn function(
        &mut self,
        function: &Function,
        env: Env<'_>,
        clause: Clause,
    ) -> Result<Flow, Unreadable> {
        if function.uses_odbc_syntax || !matches!(function.parameters, FunctionArguments::None) {
            return Err(Unreadable::Unsupported(
                "a form of call that Snowflake does not have",
            ));
        }
        let path = names(&function.name)?;
        if matches!(path.as_slice(), [single] if single == "IDENTIFIER") {
            return self.identifier(&function.args, env);
        }
        let is_built_in = matches!(
            path.as_slice(),
            [single] if functions::is_pure(single) || (self.in_match && functions::is_of_match(single))
        );
        if let Some(over) = &function.over {
            self.over(over, env)?;
        }
        self.order_in_window(&function.within_group, env)?;
        let chosen = self.chosen(&path, &function.within_group, env)?;
        if let Some(filter) = &function.filter {
            self.decide(filter, env, Use::Where)?;
        }
        match &function.args {
            FunctionArguments::None => {
                if is_built_in {
                    Ok(Flow::nothing())
                } else {
                    self.foreign(path, &[], env)
                }
            }
            FunctionArguments::Subquery(query) => {
                let items = self.query(query, Some(&env))?;
                if !is_built_in {
                    return Err(Unreadable::Unsupported(
                        "a query as the argument of what is not built in",
                    ));
                }
                let flow = whole(&items).made();
                self.note(&flow, Use::Argument);
                Ok(flow)
            }
            FunctionArguments::List(list) => {
                for argument in &list.clauses {
                    self.argument_clause(argument, env)?;
                }
                if !is_built_in {
                    return self.foreign(path, &list.args, env);
                }
                if list.duplicate_treatment.is_none() && is_count_of_rows(&path, &list.args) {
                    return Ok(Flow::nothing());
                }
                if self.count_distinct(&path, list, env)? {
                    return Ok(Flow::nothing());
                }
                let mut flow = Flow::nothing();
                for (place, arg) in list.args.iter().enumerate() {
                    if !is_date_part(&path, place, arg, env) {
                        flow.add(self.argument(arg, env, clause)?);
                    }
                }
                flow.add(chosen);
                self.note(&flow, Use::Argument);
                Ok(flow)
            }
        }
    }

    /// Tells what `WITHIN GROUP` gives a call beside its order: one of the values by which rows are ordered is the result of
    /// `PERCENTILE_DISC` and the like. Lists hold their arguments alone.
    fn chosen(
        &mut self,
        path: &[String],
        within: &[OrderByExpr],
        env: Env<'_>,
    ) -> Result<Flow, Unreadable> {
        let mut flow = Flow::nothing();
        if !matches!(path, [single] if matches!(single.as_str(), "LISTAGG" | "ARRAY_AGG")) {
            for one in within {
                flow.add(self.value(&one.expr, env, Clause::Rows)?);
            }
        }
        Ok(flow)
    }

    /// Reads the arguments of `COUNT(DISTINCT a, b)` if each is one column as it is; what comes of it is a number that is
    /// made of none of their values.
    fn count_distinct(
        &mut self,
        path: &[String],
        list: &FunctionArgumentList,
        env: Env<'_>,
    ) -> Result<bool, Unreadable> {
        let is_count = matches!(path, [single] if single == "COUNT");
        if !is_count || list.duplicate_treatment != Some(DuplicateTreatment::Distinct) {
            return Ok(false);
        }
        let mut counted = Flow::nothing();
        for arg in &list.args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(
                column @ (Expr::Identifier(_) | Expr::CompoundIdentifier(_)),
            )) = arg
            else {
                return Ok(false);
            };
            let flow = self.value(column, env, Clause::Rows)?;
            // Of one of several columns in turn the count tells whether they are alike.
            if !flow.is_bare || flow.from.len() != 1 {
                return Ok(false);
            }
            counted.add(flow);
        }
        self.note(&counted, Use::CountDistinct);
        Ok(true)
    }

    /// Reads `IDENTIFIER('column')` as the column that it names.
    fn identifier(&mut self, args: &FunctionArguments, env: Env<'_>) -> Result<Flow, Unreadable> {
        let FunctionArguments::List(list) = args else {
            return Err(Unreadable::Unsupported("a name that is computed"));
        };
        let names = of_literal(&list.args)?;
        self.named_column(&names, false, env)
    }

    /// Tells what an argument is made of.
    pub(super) fn argument(
        &mut self,
        arg: &FunctionArg,
        env: Env<'_>,
        clause: Clause,
    ) -> Result<Flow, Unreadable> {
        match arg {
            FunctionArg::Named { arg, .. }
            | FunctionArg::ExprNamed { arg, .. }
            | FunctionArg::Unnamed(arg) => match arg {
                FunctionArgExpr::Expr(expr) => self.value(expr, env, clause),
                FunctionArgExpr::QualifiedWildcard(name) => {
                    let qualifier = names(name)?;
                    let called = env.called(&qualifier);
                    Ok(if called.is_empty() {
                        env.whole().made()
                    } else {
                        super::scope::whole(&called)
                    })
                }
                FunctionArgExpr::Wildcard => Ok(env.whole().made()),
                FunctionArgExpr::WildcardWithOptions(options) => {
                    let items = self.starred(env.items(), options, env)?;
                    Ok(whole(&items).made())
                }
            },
        }
    }

    /// Reads the call of what is not built in: it may do anything with its arguments, and give anything.
    pub(super) fn foreign(
        &mut self,
        path: Vec<String>,
        args: &[FunctionArg],
        env: Env<'_>,
    ) -> Result<Flow, Unreadable> {
        let minted = Column::minted(&path);
        let paths = match path.as_slice() {
            // Snowflake's own are in no schema.
            [single] if functions::is_own(single) => vec![Path::new(path)],
            // One that is new to the list of them may be Snowflake's own too.
            [_] => {
                let mut paths = self.paths(path.clone());
                paths.push(Path::new(path));
                paths
            }
            _ => self.paths(path),
        };
        let mut flow = Flow::nothing();
        for arg in args {
            flow.add(self.argument(arg, env, Clause::List)?);
        }
        self.note(&flow, Use::Argument);
        self.note(&flow, Use::Store);
        flow.from.extend(minted);
        for path in paths {
            self.meaning
                .touch(Action::Call, Object::new(Class::Function, path));
        }
        self.meaning
            .hide("a function that is not built in may give anything");
        Ok(flow)
    }

    fn argument_clause(
        &mut self,
        clause: &FunctionArgumentClause,
        env: Env<'_>,
    ) -> Result<(), Unreadable> {
        match clause {
            FunctionArgumentClause::IgnoreOrRespectNulls(_)
            | FunctionArgumentClause::Separator(_)
            | FunctionArgumentClause::JsonNullClause(_)
            | FunctionArgumentClause::JsonReturningClause(_) => Ok(()),
            FunctionArgumentClause::Where(expr) | FunctionArgumentClause::Limit(expr) => {
                self.decide(expr, env, Use::Where)
            }
            FunctionArgumentClause::OrderBy(all) => self.order_in_window(all, env),
            FunctionArgumentClause::OnOverflow(ListAggOnOverflow::Error) => Ok(()),
            FunctionArgumentClause::OnOverflow(ListAggOnOverflow::Truncate {
                filler,
                with_count: _,
            }) => match filler {
                Some(filler) => self.decide(filler, env, Use::Where),
                None => Ok(()),
            },
            FunctionArgumentClause::Having(HavingBound(_, expr)) => {
                self.decide(expr, env, Use::Where)
            }
        }
    }
}

/// Tells whether an argument is a bare word for a part of a date, such as the first of `DATEADD(day, 1, d)`. `TRUNC` of a
/// number has a scale in its place, which may be a column of that name.
fn is_date_part(path: &[String], place: usize, arg: &FunctionArg, env: Env<'_>) -> bool {
    let [function] = path else { return false };
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(word))) = arg else {
        return false;
    };
    let name = word.value.to_ascii_uppercase();
    let may_be_column = || function == "TRUNC" && env.find(&name).is_some();
    word.quote_style.is_none()
        && functions::date_part_at(function) == Some(place)
        && functions::is_date_part(&name)
        && !may_be_column()
}

/// `COUNT(*)` looks at no column.
fn is_count_of_rows(path: &[String], args: &[FunctionArg]) -> bool {
    let is_count = matches!(path, [single] if single == "COUNT");
    is_count && matches!(args, [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)])
}
