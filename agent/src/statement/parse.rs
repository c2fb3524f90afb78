//! SQL text to a kind and a form without literals.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, Select, Statement,
    TableFactor, Value,
};
use sqlparser::ast::{Visit, Visitor};
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::Location;

use super::Scope;
use super::bound::Unbound;
use super::command;
use super::kind::{self, Action, Kind};
use super::lexer;
use super::limits;
use super::lineage;
use super::meaning::Meaning;
use super::shared::Shared;
use crate::snowflake::count::STATEMENTS_MAX;
use crate::snowflake::parameters;
use crate::snowflake::route::QueryId;

/// Deepest nesting that is read. Source: far above hand-written SQL, far below what costs a stack.
pub(super) const DEPTH_MAX: usize = 100;

/// Why a statement could not be read.
///
/// The parser's own words are not kept: they quote the statement, literals included.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Unreadable {
    #[error("the text holds no statement")]
    Empty,
    #[error(
        "the text holds {0} statements; send one statement a request, or say how many with `MULTI_STATEMENT_COUNT`"
    )]
    Several(usize),
    #[error("the request says that its text holds {said} statements; it holds {found}")]
    OtherCount { found: usize, said: usize },
    #[error("the text holds more than {STATEMENTS_MAX} statements; split it")]
    TooMany,
    #[error("statement {number} of {of}: {problem}")]
    Part {
        number: usize,
        of: usize,
        problem: String,
    },
    #[error("the text is not SQL that Icecore understands{}", at(.0))]
    Syntax(Option<(u64, u64)>),
    #[error("the statement is longer than Icecore can judge; split it")]
    TooLong,
    #[error("the statement nests deeper than {DEPTH_MAX} levels")]
    TooDeep,
    #[error(
        "`ALTER SESSION` of `{0}`, which is not a parameter that Icecore lets through: it may change what later statements mean"
    )]
    Parameter(String),
    #[error(
        "bind {number} names what the statement is about, and its text is not known: {why}; write the name into the statement"
    )]
    Bind { number: usize, why: Unbound },
    #[error("the statement uses {0}")]
    Shared(Shared),
    #[error("the statement uses `{0}`, whose effects Icecore does not know yet")]
    Unsupported(&'static str),
}

impl Unreadable {
    /// Says that what stands here is no SQL.
    pub(super) fn at(place: Location) -> Self {
        Self::Syntax(Some((place.line, place.column)))
    }
}

fn at(position: &Option<(u64, u64)>) -> String {
    position.map_or_else(String::new, |(line, column)| {
        format!(", at line {line}, column {column}")
    })
}

/// What a statement is, and how it reads without its literals.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) kind: Kind,
    pub(super) normalized: String,
    pub(super) meaning: Meaning,
}

/// Reads exactly one statement.
pub(super) fn parse(text: &str, scope: &Scope<'_>) -> Result<Parsed, Unreadable> {
    lexer::check_blanks(text)?;
    limits::check(text)?;
    if let Some(read) = command::read_files(text, scope.catalogue()) {
        return read;
    }
    let read = scope.text(text);
    let tokens = read.tokens()?;
    if let Some(read) = command::read(text, tokens, scope) {
        return read;
    }
    let beside = command::beside(text, tokens, scope)?;
    let tree = read.tree()?;
    let mut meaning = lineage::understand(&tree.statement, scope)?;
    meaning.absorb(beside);
    let mut walk = Walk {
        kind: Kind::Query,
        is_plain: tree.is_plain,
        scope,
    };
    if let ControlFlow::Break(found) = Visit::visit(&tree.statement, &mut walk) {
        return Err(found);
    }
    let calls = meaning
        .accesses()
        .iter()
        .any(|access| access.action == Action::Call);
    Ok(Parsed {
        kind: if calls {
            walk.kind.max(Kind::Call)
        } else {
            walk.kind
        },
        normalized: tree.normalized.clone(),
        meaning,
    })
}

/// Keeps the place of a syntax error and drops its words.
pub(super) fn unreadable(error: ParserError) -> Unreadable {
    match error {
        ParserError::RecursionLimitExceeded => Unreadable::TooDeep,
        ParserError::TokenizerError(words) | ParserError::ParserError(words) => {
            Unreadable::Syntax(place(&words))
        }
    }
}

/// Finds `at Line: L, Column: C` at the end of the parser's words. Source: sqlparser `tokenizer.rs`, `Location`.
fn place(words: &str) -> Option<(u64, u64)> {
    let (_, place) = words.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    Some((line.parse().ok()?, column.trim().parse().ok()?))
}

/// Raises the kind by every statement, function and table found.
struct Walk<'a> {
    kind: Kind,
    /// Whether the text holds names and literals alone.
    is_plain: bool,
    scope: &'a Scope<'a>,
}

impl Walk<'_> {
    fn raise(&mut self, kind: Kind) {
        self.kind = self.kind.max(kind);
    }

    /// Lets `RESULT_SCAN` of a result of this session through alone.
    fn see_table_function(
        &mut self,
        name: &ObjectName,
        args: &[FunctionArg],
    ) -> ControlFlow<Unreadable> {
        let single = match name.0.as_slice() {
            [single] => single
                .as_ident()
                .map(|name| name.value.to_ascii_uppercase()),
            _ => None,
        };
        match single.as_deref() {
            Some("RESULT_SCAN") => match literal_id(args) {
                Some(id) if self.scope.knows(id) => ControlFlow::Continue(()),
                Some(_) => unsupported(
                    "RESULT_SCAN of what is no result of this session, has not ended, or was withheld",
                ),
                None => unsupported(
                    "RESULT_SCAN of what is not one query id in quotes: name the id of the query",
                ),
            },
            Some(_) | None => ControlFlow::Continue(()),
        }
    }
}

fn unsupported(what: &'static str) -> ControlFlow<Unreadable> {
    ControlFlow::Break(Unreadable::Unsupported(what))
}

/// Reads the one argument of `RESULT_SCAN`, if it is a query id in quotes.
pub(super) fn literal_id(args: &[FunctionArg]) -> Option<QueryId> {
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))] = args else {
        return None;
    };
    if let Value::SingleQuotedString(id) = &value.value {
        QueryId::parse(id)
    } else {
        None
    }
}

impl Visitor for Walk<'_> {
    type Break = Unreadable;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Self::Break> {
        // The parser's fallback for SHOW takes words and passes over every other token.
        if matches!(statement, Statement::ShowVariable { .. }) && !self.is_plain {
            return unsupported("SHOW with more than names and literals");
        }
        if let Statement::AlterSession { session_params, .. } = statement
            && let Some(other) = session_params
                .options
                .iter()
                .find(|option| !parameters::passes(&option.option_name))
        {
            let name = parameters::shown(&other.option_name).to_owned();
            return ControlFlow::Break(Unreadable::Parameter(name));
        }
        self.raise(kind::of(statement));
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        if select.into.is_some() {
            self.raise(Kind::Create);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        match factor {
            TableFactor::Table {
                name,
                args: Some(args),
                ..
            } => return self.see_table_function(name, &args.args),
            TableFactor::Function { name, args, .. } => {
                return self.see_table_function(name, args);
            }
            TableFactor::Table { args: None, .. }
            | TableFactor::Derived { .. }
            | TableFactor::NestedJoin { .. }
            | TableFactor::Pivot { .. }
            | TableFactor::Unpivot { .. }
            | TableFactor::UnpivotExpr { .. }
            | TableFactor::MatchRecognize { .. }
            | TableFactor::SemanticView { .. }
            | TableFactor::UNNEST { .. } => {}
            TableFactor::TableFunction { expr, .. } => {
                if let Expr::Function(function) = expr
                    && let FunctionArguments::List(list) = &function.args
                {
                    return self.see_table_function(&function.name, &list.args);
                }
            }
            TableFactor::JsonTable { .. } => return unsupported("JSON_TABLE"),
            TableFactor::OpenJsonTable { .. } => return unsupported("OPENJSON"),
            TableFactor::XmlTable { .. } => return unsupported("XMLTABLE"),
        }
        ControlFlow::Continue(())
    }
}
