//! Texts of one request: each is lexed and parsed once, however often it is read by what more is known.

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sqlparser::ast::{Statement, Value, ValueWithSpan, VisitMut, VisitorMut};
use sqlparser::dialect::SnowflakeDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::bound::named_by_binds;
use super::called::named_by_texts;
use super::parse::{DEPTH_MAX, Unreadable, unreadable};
use super::{command, dialect, lexer, split};
use crate::snowflake::binds::Binds;

/// What the texts of a request, of its parts, of the code in it and of the views behind it were parsed to.
#[derive(Default)]
pub struct Texts {
    parsed: Mutex<HashMap<String, Arc<Text>>>,
    /// Of those whose binds are the request's.
    bound: Mutex<HashMap<String, Arc<Text>>>,
    cuts: Mutex<HashMap<String, Arc<Cut>>>,
    /// Of views, by their own texts; none of one whose query cannot be told.
    views: Mutex<HashMap<String, Arc<Option<Text>>>>,
}

/// Where the statements of a text begin and end.
pub(super) type Cut = Result<Vec<Range<usize>>, Unreadable>;

impl Texts {
    /// Gives what a text is parsed to, with what its request binds; `None` where its binds are not the request's.
    pub(super) fn of(&self, text: &str, binds: Option<&Binds>) -> Arc<Text> {
        let known = match binds {
            Some(_) => &self.bound,
            None => &self.parsed,
        };
        found(known, text, || Text::of(text, binds))
    }

    /// Gives what the query in a view's text is parsed to.
    pub(super) fn of_view(&self, text: &str) -> Arc<Option<Text>> {
        found(&self.views, text, || {
            let query = command::query_of_view(text);
            query.map(|query| Text::of(query, None))
        })
    }

    /// Gives where the statements of a text begin and end.
    pub(super) fn cut(&self, text: &str) -> Arc<Cut> {
        found(&self.cuts, text, || split::split(text))
    }
}

fn found<T>(
    known: &Mutex<HashMap<String, Arc<T>>>,
    text: &str,
    make: impl FnOnce() -> T,
) -> Arc<T> {
    let known_to = || known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known_to().get(text) {
        return Arc::clone(found);
    }
    let made = Arc::new(make());
    known_to().insert(text.to_owned(), Arc::clone(&made));
    made
}

/// What one text is.
pub(super) enum Text {
    /// It cannot be lexed.
    Unlexed(Unreadable),
    /// A query, or a change of rows, which the parser's grammar alone tells.
    Rows(Result<Tree, Unreadable>),
    /// It may be a command; the parser reads what is left to it.
    Other {
        /// Its tokens.
        tokens: Vec<TokenWithSpan>,
        /// What the parser makes of them, once it was asked.
        tree: OnceLock<Result<Tree, Unreadable>>,
    },
}

/// One statement as the parser has it.
pub(super) struct Tree {
    /// The statement, literals included.
    pub(super) statement: Statement,
    /// How it reads without its literals.
    pub(super) normalized: String,
    /// Whether the text holds names and literals alone.
    pub(super) is_plain: bool,
}

impl Text {
    /// Lexes a text, and parses it if it is about rows.
    pub(super) fn of(text: &str, binds: Option<&Binds>) -> Self {
        let tokens = lexer::tokens(text)
            .and_then(|tokens| named_by_binds(tokens, binds))
            .and_then(named_by_texts);
        match tokens {
            Err(problem) => Self::Unlexed(problem),
            Ok(tokens) if command::is_about_rows(&tokens) => Self::Rows(Tree::of(tokens)),
            Ok(tokens) => Self::Other {
                tokens,
                tree: OnceLock::new(),
            },
        }
    }

    /// Gives the tokens of what may be a command; none of what cannot be one.
    pub(super) fn tokens(&self) -> Result<&[TokenWithSpan], Unreadable> {
        match self {
            Self::Unlexed(problem) => Err(problem.clone()),
            Self::Rows(_) => Ok(&[]),
            Self::Other { tokens, .. } => Ok(tokens),
        }
    }

    /// Gives what the parser makes of it.
    pub(super) fn tree(&self) -> Result<&Tree, Unreadable> {
        let tree = match self {
            Self::Unlexed(problem) => return Err(problem.clone()),
            Self::Rows(tree) => tree,
            Self::Other { tokens, tree } => tree.get_or_init(|| Tree::of(tokens.clone())),
        };
        tree.as_ref().map_err(Clone::clone)
    }
}

impl Tree {
    fn of(tokens: Vec<TokenWithSpan>) -> Result<Self, Unreadable> {
        let is_plain = lexer::is_plain(&tokens);
        let mut parser = Parser::new(&SnowflakeDialect {})
            .with_recursion_limit(DEPTH_MAX)
            .with_tokens_with_locations(dialect::spelled_out(tokens)?);
        while parser.consume_token(&Token::SemiColon) {}
        if parser.peek_token_ref().token == Token::EOF {
            return Err(Unreadable::Empty);
        }
        let mut statement = parser.parse_statement().map_err(unreadable)?;
        rest(&mut parser)?;
        let normalized = normalized(&mut statement);
        Ok(Self {
            statement,
            normalized,
            is_plain,
        })
    }
}

/// Refuses what stands behind a statement; others are counted by their semicolons and not parsed.
fn rest(parser: &mut Parser<'_>) -> Result<(), Unreadable> {
    let (mut several, mut is_between) = (1, false);
    loop {
        let token = parser.next_token();
        if token.token == Token::EOF {
            break;
        } else if token.token == Token::SemiColon {
            is_between = true;
        } else if is_between {
            (several, is_between) = (several + 1, false);
        } else if several == 1 {
            return Err(Unreadable::at(token.span.start));
        }
    }
    match several {
        1 => Ok(()),
        several => Err(Unreadable::Several(several)),
    }
}

/// Writes a statement with `?` for each literal; the statement has its literals again behind it.
fn normalized(statement: &mut Statement) -> String {
    let mut literals = Literals::Taken(Vec::new());
    let _whole: ControlFlow<()> = VisitMut::visit(statement, &mut literals);
    let normalized = statement.to_string();
    if let Literals::Taken(taken) = literals {
        let mut back = Literals::Back(taken.into_iter());
        let _whole: ControlFlow<()> = VisitMut::visit(statement, &mut back);
    }
    normalized
}

/// Takes a statement's literals, or puts them back in the same order.
enum Literals {
    Taken(Vec<Value>),
    Back(std::vec::IntoIter<Value>),
}

impl VisitorMut for Literals {
    type Break = ();

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        match self {
            Self::Taken(taken) => {
                let is_literal = !matches!(
                    value.value,
                    Value::Placeholder(_) | Value::Null | Value::Boolean(_)
                );
                let shown = if is_literal {
                    Value::Placeholder("?".to_owned())
                } else {
                    value.value.clone()
                };
                taken.push(std::mem::replace(&mut value.value, shown));
            }
            Self::Back(taken) => {
                if let Some(taken) = taken.next() {
                    value.value = taken;
                }
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Scope, Statement as Read};
    use super::*;
    use crate::snowflake::count::Count;

    #[test]
    fn a_text_is_parsed_once_wherever_it_stands() {
        let texts = Texts::default();
        let text =
            "create view v as select 'a' from t; execute immediate 'delete from t where b = 7'";
        let scope = Scope::new(&|_| false).once(&texts);
        let first = Read::read_all(text, Count::Any, &scope);
        assert_eq!(first.problem(), None);
        let inner = ["select 'a' from t", "delete from t where b = 7"];
        let parsed = inner.map(|text| texts.parsed.lock().unwrap().get(text).cloned().unwrap());
        let second = Read::read_all(text, Count::Any, &scope);
        assert_eq!(first.normalized(), second.normalized());
        for (text, before) in inner.iter().zip(parsed) {
            assert!(Arc::ptr_eq(&before, &texts.of(text, None)), "{text}");
        }
    }

    #[test]
    fn a_text_within_another_has_none_of_the_requests_binds() {
        let object = crate::snowflake::json::Object::read(
            br#"{"1":{"type":"TEXT","value":"t"},"2":{"type":"TEXT","value":"t"}}"#,
        );
        let binds = Binds::read(&object.unwrap());
        let texts = Texts::default();
        let text = "drop table identifier(?)";
        assert!(texts.of(text, Some(&binds)).tokens().is_ok());
        assert!(texts.of(text, None).tokens().is_err());
        assert!(texts.of(text, Some(&binds)).tokens().is_ok());
    }

    #[test]
    fn a_statement_keeps_the_literals_that_its_form_lacks() {
        let read = Text::of("select 'a', 5, null, ? from t where b in (1, $$x$$)", None);
        let tree = read.tree().unwrap();
        assert_eq!(
            tree.normalized,
            "SELECT ?, ?, NULL, ? FROM t WHERE b IN (?, ?)"
        );
        assert_eq!(
            tree.statement.to_string(),
            "SELECT 'a', 5, NULL, ? FROM t WHERE b IN (1, $$x$$)"
        );
    }
}
