//! What stands in FROM: tables, views, queries, joins, table functions.

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, TableAlias,
    TableFactor, TableFunctionArgs, TableSampleKind, TableVersion, TableWithJoins, Value,
};

use super::flow::{Flow, Item, Source};
use super::names::{fold, names, of_text, stage_names};
use super::query::renamed;
use super::scope::{Env, Frame};
use super::shaped::Rows;
use super::{Clause, Walk};
use crate::statement::catalogue::Found;
use crate::statement::kind::Action;
use crate::statement::meaning::Use;
use crate::statement::object::{Class, Object};
use crate::statement::parse::Unreadable;

const NAMELESS: Unreadable = Unreadable::Unsupported("a table without a name");

impl Walk<'_> {
    /// Adds the rows of a member of FROM and of all that it is joined with.
    pub(super) fn table_with_joins(
        &mut self,
        from: &TableWithJoins,
        frame: &mut Frame,
        outer: Option<&Env<'_>>,
    ) -> Result<(), Unreadable> {
        let start = frame.sources.len();
        self.factor(&from.relation, frame, outer)?;
        for join in &from.joins {
            self.join(join, start, frame, outer)?;
        }
        Ok(())
    }

    /// Adds the rows of one factor.
    pub(super) fn factor(
        &mut self,
        factor: &TableFactor,
        frame: &mut Frame,
        outer: Option<&Env<'_>>,
    ) -> Result<(), Unreadable> {
        self.step(1)?;
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                if !with_hints.is_empty()
                    || *with_ordinality
                    || !partitions.is_empty()
                    || json_path.is_some()
                    || !index_hints.is_empty()
                {
                    return Err(Unreadable::Unsupported(
                        "a form of table that Snowflake does not have",
                    ));
                }
                if let Some(version) = version {
                    self.version(version, Env { frame, outer })?;
                }
                self.sample(sample.as_ref(), frame, outer)?;
                let source = match args {
                    None => self.relation(name)?,
                    Some(TableFunctionArgs { args, .. }) if stage_names(name).is_some() => {
                        for arg in args {
                            self.stage_option(arg, Env { frame, outer })?;
                        }
                        self.relation(name)?
                    }
                    Some(TableFunctionArgs {
                        args,
                        settings: None,
                    }) => self.table_function(name, args, Env { frame, outer })?,
                    Some(_) => return Err(Unreadable::Unsupported("settings of a table function")),
                };
                frame.sources.push(called(source, alias.as_ref())?);
                Ok(())
            }
            TableFactor::Derived {
                lateral,
                subquery,
                alias,
                sample,
            } => {
                self.sample(sample.as_ref(), frame, outer)?;
                let beside = Env { frame, outer };
                let around = if *lateral { Some(&beside) } else { outer };
                let items = self.query(subquery, around)?;
                let source = Source::unnamed(items);
                frame.sources.push(called(source, alias.as_ref())?);
                Ok(())
            }
            TableFactor::TableFunction { expr, alias } => {
                let source = self.table_of(expr, Env { frame, outer })?;
                frame.sources.push(called(source, alias.as_ref())?);
                Ok(())
            }
            TableFactor::Function {
                lateral: _,
                name,
                args,
                with_ordinality,
                alias,
            } => {
                if *with_ordinality {
                    return Err(Unreadable::Unsupported("WITH ORDINALITY"));
                }
                let source = self.table_function(name, args, Env { frame, outer })?;
                frame.sources.push(called(source, alias.as_ref())?);
                Ok(())
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias,
            } => {
                let mut nested = Frame::default();
                // Rows to the left can be seen by LATERAL only; they are in sight of the nested ones either way.
                self.table_with_joins(table_with_joins, &mut nested, Some(&Env { frame, outer }))?;
                match alias {
                    None => {
                        frame.is_unplaced |= nested.is_unplaced;
                        frame.sources.extend(nested.sources);
                    }
                    Some(alias) => {
                        let frame_of = &nested;
                        let items = Env {
                            frame: frame_of,
                            outer: None,
                        }
                        .items();
                        frame
                            .sources
                            .push(called(Source::unnamed(items), Some(alias))?);
                    }
                }
                Ok(())
            }
            TableFactor::Pivot {
                table,
                aggregate_functions,
                value_column,
                value_source,
                default_on_null,
                alias,
            } => {
                let source = self.pivot(
                    table,
                    aggregate_functions,
                    value_column,
                    value_source,
                    default_on_null.as_ref(),
                    outer,
                )?;
                frame.sources.push(called(source, alias.as_ref())?);
                Ok(())
            }
            TableFactor::Unpivot {
                table,
                value,
                name,
                columns,
                null_inclusion: _,
                alias,
            } => {
                let source = self.unpivot(table, value, &fold(name)?, columns, outer)?;
                frame.sources.push(called(source, alias.as_ref())?);
                Ok(())
            }
            TableFactor::MatchRecognize {
                table,
                partition_by,
                order_by,
                measures,
                rows_per_match,
                after_match_skip: _,
                pattern: _,
                symbols,
                alias,
            } => {
                let source = self.match_recognize(
                    table,
                    partition_by,
                    order_by,
                    &Rows {
                        measures,
                        symbols,
                        per_match: rows_per_match.as_ref(),
                    },
                    outer,
                )?;
                frame.sources.push(called(source, alias.as_ref())?);
                Ok(())
            }
            TableFactor::UNNEST { .. } => Err(Unreadable::Unsupported("UNNEST")),
            TableFactor::UnpivotExpr { .. } => Err(Unreadable::Unsupported("UNPIVOT of a value")),
            TableFactor::SemanticView {
                name,
                dimensions,
                metrics,
                facts,
                where_clause,
                alias,
            } => {
                let parts = [dimensions, metrics, facts];
                let source = self.semantic_view(name, &parts, where_clause.as_ref(), outer)?;
                frame.sources.push(called(source, alias.as_ref())?);
                Ok(())
            }
            TableFactor::JsonTable { .. } => Err(Unreadable::Unsupported("JSON_TABLE")),
            TableFactor::OpenJsonTable { .. } => Err(Unreadable::Unsupported("OPENJSON")),
            TableFactor::XmlTable { .. } => Err(Unreadable::Unsupported("XMLTABLE")),
        }
    }

    /// Reads an option of a staged file; a format that is named with its schema may be another's.
    fn stage_option(&mut self, arg: &FunctionArg, env: Env<'_>) -> Result<(), Unreadable> {
        let is_format = |name: &Ident| name.value.eq_ignore_ascii_case("FILE_FORMAT");
        if let FunctionArg::Named {
            name,
            arg: FunctionArgExpr::Expr(Expr::CompoundIdentifier(format)),
            ..
        } = arg
            && is_format(name)
        {
            let names = format.iter().map(fold).collect::<Result<_, _>>()?;
            let format = Object::new(Class::Object, self.catalogue.resolve(names));
            self.meaning.touch(Action::Read, format);
            return Ok(());
        }
        self.argument(arg, env, Clause::Rows)?;
        if let FunctionArg::Named {
            name,
            arg: FunctionArgExpr::Expr(Expr::Value(value)),
            ..
        } = arg
            && is_format(name)
            && let Value::SingleQuotedString(text) = &value.value
        {
            let names = of_text(text)?;
            if names.len() > 1 {
                let path = self.catalogue.resolve(names);
                let format = Object::new(Class::Object, path);
                self.meaning.touch(Action::Read, format);
            }
        }
        Ok(())
    }

    /// Reads `TABLE(f(..))` and `TABLE('name')`.
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is a table")]
    fn table_of(&mut self, expr: &Expr, env: Env<'_>) -> Result<Source, Unreadable> {
        match expr {
            Expr::Function(function) => match &function.args {
                FunctionArguments::List(list) => {
                    self.table_function(&function.name, &list.args, env)
                }
                FunctionArguments::None | FunctionArguments::Subquery(_) => Err(
                    Unreadable::Unsupported("TABLE of a function without arguments"),
                ),
            },
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) => self.by_text(text),
                Value::DollarQuotedString(text) => self.by_text(&text.value),
                _ => Err(Unreadable::Unsupported("a name that is computed")),
            },
            _ => Err(Unreadable::Unsupported("TABLE of what is no function")),
        }
    }

    pub(super) fn version(
        &mut self,
        version: &TableVersion,
        env: Env<'_>,
    ) -> Result<(), Unreadable> {
        let all: Vec<&Expr> = match version {
            TableVersion::ForSystemTimeAsOf(one)
            | TableVersion::TimestampAsOf(one)
            | TableVersion::VersionAsOf(one)
            | TableVersion::Function(one) => vec![one],
            TableVersion::Changes { changes, at, end } => {
                [changes, at].into_iter().chain(end).collect()
            }
        };
        // `AT(TIMESTAMP => ...)` reads as a function of that name; what counts are its arguments.
        for expr in all {
            let Expr::Function(function) = expr else {
                return Err(Unreadable::Unsupported("a point in time of another form"));
            };
            let FunctionArguments::List(list) = &function.args else {
                return Err(Unreadable::Unsupported("a point in time without arguments"));
            };
            for arg in &list.args {
                if let FunctionArg::Named {
                    arg: FunctionArgExpr::Expr(expr),
                    ..
                }
                | FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg
                {
                    self.decide(expr, env, Use::Where)?;
                }
            }
        }
        self.doubt("a table as it was at another time may have had other columns");
        Ok(())
    }

    fn sample(
        &mut self,
        sample: Option<&TableSampleKind>,
        frame: &Frame,
        outer: Option<&Env<'_>>,
    ) -> Result<(), Unreadable> {
        let Some(
            TableSampleKind::BeforeTableAlias(sample) | TableSampleKind::AfterTableAlias(sample),
        ) = sample
        else {
            return Ok(());
        };
        if sample.bucket.is_some() || sample.offset.is_some() {
            return Err(Unreadable::Unsupported(
                "a form of SAMPLE that Snowflake does not have",
            ));
        }
        match &sample.quantity {
            Some(quantity) => self.decide(&quantity.value, Env { frame, outer }, Use::Where),
            None => Ok(()),
        }
    }

    /// Reads a text that names a table.
    fn by_text(&mut self, text: &str) -> Result<Source, Unreadable> {
        let names = of_text(text)?;
        self.by_names(names)
    }

    /// Reads a table or view by its names.
    fn by_names(&mut self, names: Vec<String>) -> Result<Source, Unreadable> {
        if names.len() > 3 {
            return Err(Unreadable::Unsupported("a name of more than three parts"));
        }
        let paths = self.paths(names);
        let (path, others) = paths.split_first().ok_or(NAMELESS)?;
        let mut source = self.table(path.clone())?;
        if matches!(self.catalogue.relation(path), Found::Unknown) {
            for other in others {
                source.items.extend(self.table(other.clone())?.items);
            }
        }
        Ok(source)
    }

    /// Reads a name in FROM: a member of WITH, a stage, a table or view.
    pub(super) fn relation(&mut self, name: &ObjectName) -> Result<Source, Unreadable> {
        if let Some(stage) = stage_names(name) {
            let object = Object::new(Class::Stage, self.catalogue.resolve(stage));
            self.meaning.touch(Action::Read, object);
            self.doubt("the columns of a staged file are known to nobody");
            return Ok(Source::unnamed(Vec::new()));
        }
        let names = names(name)?;
        if let [single] = names.as_slice()
            && let Some(named) = self.ctes.iter().rev().find(|named| named.name == *single)
        {
            return Ok(Source::named(vec![named.name.clone()], named.items.clone()));
        }
        self.by_names(names)
    }

    /// Gives the rows of a table or view by its path.
    pub(super) fn table(
        &mut self,
        path: crate::statement::object::Path,
    ) -> Result<Source, Unreadable> {
        let names = path.names().to_vec();
        let catalogue = self.catalogue;
        let Found::Relation(facts) = catalogue.relation(&path) else {
            let object = Object::new(Class::Relation, path);
            self.meaning.touch(Action::Read, object.clone());
            let items = vec![Item::Rest {
                object,
                without: std::collections::BTreeSet::new(),
            }];
            return Ok(Source::named(names, items));
        };
        let object = Object::new(facts.class, path);
        self.meaning.touch(Action::Read, object.clone());
        let mut items: Vec<Item> = facts
            .columns
            .iter()
            .map(|column| Item::named(&column.name, Flow::of(object.column(Some(&column.name)))))
            .collect();
        if facts.class == Class::View {
            let base = facts
                .text
                .as_deref()
                .and_then(|text| self.view(&object, text));
            match base {
                Some(base) if base.len() == items.len() && base.iter().all(Item::is_one) => {
                    for (item, base) in items.iter_mut().zip(base) {
                        if let Item::One { flow, .. } = item {
                            let is_bare = base.whole().is_bare;
                            flow.add(base.whole());
                            flow.is_bare = is_bare;
                        }
                    }
                }
                Some(_) | None => self.doubt("a view whose text cannot be seen or read"),
            }
        }
        Ok(Source::named(names, items))
    }

    /// Reads the rows of a table function.
    fn table_function(
        &mut self,
        name: &ObjectName,
        args: &[FunctionArg],
        env: Env<'_>,
    ) -> Result<Source, Unreadable> {
        let path = names(name)?;
        let single = match path.as_slice() {
            [single] => Some(single.as_str()),
            _ => None,
        };
        let columns: &[&str] = match single {
            Some("FLATTEN") => &["SEQ", "KEY", "PATH", "INDEX", "VALUE", "THIS"],
            Some("SPLIT_TO_TABLE" | "STRTOK_SPLIT_TO_TABLE") => &["SEQ", "INDEX", "VALUE"],
            Some("GENERATOR") => &[],
            // The list of a stage's files.
            Some("DIRECTORY") => {
                self.doubt("the columns of a staged file are known to nobody");
                for arg in args {
                    self.argument(arg, env, Clause::Rows)?;
                }
                return Ok(Source::unnamed(Vec::new()));
            }
            // Whose result it is was checked where the session's own results are known.
            Some("RESULT_SCAN") => return Ok(self.scan(args)),
            Some(_) | None => {
                let flow = self.foreign(path, args, env)?;
                return Ok(Source::unnamed(vec![Item::One { name: None, flow }]));
            }
        };
        let mut flow = Flow::nothing();
        for arg in args {
            flow.add(self.argument(arg, env, Clause::List)?);
        }
        self.note(&flow, Use::Argument);
        let items = columns
            .iter()
            .map(|column| Item::named(column, flow.clone().made()))
            .collect();
        Ok(Source::named(path, items))
    }
}

/// Gives rows the name and column names of an alias.
fn called(source: Source, alias: Option<&TableAlias>) -> Result<Source, Unreadable> {
    let Some(alias) = alias else {
        return Ok(source);
    };
    if alias.at.is_some() {
        return Err(Unreadable::Unsupported("AT of an alias"));
    }
    let columns: Vec<String> = alias
        .columns
        .iter()
        .map(|column| fold(&column.name))
        .collect::<Result<_, _>>()?;
    Ok(Source::named(
        vec![fold(&alias.name)?],
        renamed(source.items, &columns),
    ))
}
