//! Identifiers as Snowflake keeps them.

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Value,
};
use sqlparser::dialect::SnowflakeDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use crate::statement::lexer;
use crate::statement::parse::Unreadable;

/// Gives a name as Snowflake keeps it: a bare one in upper case, a quoted one as it stands.
pub(in crate::statement) fn fold(name: &Ident) -> Result<String, Unreadable> {
    match name.quote_style {
        None if name.value.is_empty() => Err(Unreadable::Unsupported("an empty name")),
        None => Ok(name.value.to_ascii_uppercase()),
        Some('"') => Ok(name.value.clone()),
        Some(_) => Err(Unreadable::Unsupported("a name in other quotes than `\"`")),
    }
}

/// Gives the names of a path, the outermost first; `IDENTIFIER('...')` of a literal is read as what it holds.
pub(in crate::statement) fn names(name: &ObjectName) -> Result<Vec<String>, Unreadable> {
    let mut names = Vec::new();
    for (place, part) in name.0.iter().enumerate() {
        match part {
            // `database..name` is of the schema PUBLIC.
            ObjectNamePart::Identifier(ident)
                if place == 1
                    && name.0.len() == 3
                    && ident.value.is_empty()
                    && ident.quote_style.is_none() =>
            {
                names.push("PUBLIC".to_owned());
            }
            ObjectNamePart::Identifier(ident) => names.push(fold(ident)?),
            ObjectNamePart::Function(function)
                if name.0.len() == 1 && is_identifier(&function.name) =>
            {
                return of_literal(&function.args);
            }
            ObjectNamePart::Function(_) => return Err(COMPUTED),
        }
    }
    Ok(names)
}

const COMPUTED: Unreadable = Unreadable::Unsupported("a name that is computed");

/// Tells whether a function is `IDENTIFIER`, which makes a name of a text.
pub(super) fn is_identifier(name: &Ident) -> bool {
    name.quote_style.is_none() && name.value.eq_ignore_ascii_case("IDENTIFIER")
}

/// Reads the names in the one literal argument of `IDENTIFIER`.
pub(super) fn of_literal(args: &[FunctionArg]) -> Result<Vec<String>, Unreadable> {
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))] = args else {
        return Err(COMPUTED);
    };
    let Value::SingleQuotedString(text) = &value.value else {
        return Err(COMPUTED);
    };
    of_text(text)
}

/// Reads a text that is a dotted name and nothing else.
pub(in crate::statement) fn of_text(text: &str) -> Result<Vec<String>, Unreadable> {
    let tokens = lexer::tokens(text)?;
    let dialect = SnowflakeDialect {};
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    let name = parser.parse_object_name(false).map_err(|_| COMPUTED)?;
    let is_whole = parser.peek_token().token == Token::EOF;
    let is_plain = name.0.iter().all(|part| part.as_ident().is_some());
    if is_whole && is_plain {
        names(&name)
    } else {
        Err(COMPUTED)
    }
}

/// Reads a stage's name from where it stands as a relation; `None` if it is none.
///
/// Source: Snowflake's reference, "Querying data in staged files": `@[<namespace>.]<stage>[/<path>]`.
pub(in crate::statement) fn stage_names(name: &ObjectName) -> Option<Vec<String>> {
    let idents: Option<Vec<&Ident>> = name.0.iter().map(ObjectNamePart::as_ident).collect();
    if let [text] = idents.as_deref()?
        && text.quote_style == Some('\'')
    {
        return stage_of_text(&text.value).ok();
    }
    stage_of(idents?.into_iter())
}

/// The same where it stands as an expression.
pub(super) fn stage_of_idents(names: &[Ident]) -> Option<Vec<String>> {
    stage_of(names.iter())
}

fn stage_of<'i>(mut idents: impl Iterator<Item = &'i Ident>) -> Option<Vec<String>> {
    let first = idents.next()?;
    if first.quote_style.is_some() || !first.value.starts_with('@') {
        return None;
    }
    let mut names = Vec::new();
    for part in std::iter::once(first).chain(idents) {
        let bare = part.value.strip_prefix('@').unwrap_or(&part.value);
        if part.quote_style.is_some() {
            names.push(bare.to_owned());
            continue;
        }
        let (bare, path) = bare
            .split_once('/')
            .map_or((bare, None), |(name, path)| (name, Some(path)));
        if !bare.is_empty() {
            names.push(bare.to_ascii_uppercase());
        }
        if path.is_some() {
            break;
        }
    }
    (!names.is_empty()).then_some(names)
}

/// Reads a stage's name from a text, `@[namespace.]stage[/path]`.
pub(in crate::statement) fn stage_of_text(text: &str) -> Result<Vec<String>, Unreadable> {
    let wrong = Unreadable::Unsupported("a stage that is named in a way that is not known");
    let Some(name) = text.trim().strip_prefix('@') else {
        return Err(wrong);
    };
    let name = name.split_once('/').map_or(name, |(name, _)| name);
    let own = name.contains('%');
    let mut names = of_text(&name.replace('%', ""))?;
    if own && let Some(last) = names.last_mut() {
        last.insert(0, '%');
    }
    Ok(names)
}
