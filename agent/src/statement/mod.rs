//! Stage 3: what they ask. Pure.
//!
//! SQL text becomes a `Statement`: the text itself, its kind (the most dangerous found at any depth) and a form
//! without literals. What cannot be read is a statement of kind `Unknown`, which `enforce` never allows.

mod kind;
mod lexer;
mod parse;

pub use kind::{Action, Kind};

use crate::snowflake::route::QueryId;

/// Stack that a thread needs which reads statements, in bytes: reserved, and used only by a statement that nests or
/// chains as far as any is read.
pub const STACK_BYTES: usize = 256 << 20;

/// What a statement's session has done before, as far as the statement's meaning rests on it.
pub struct Scope<'a> {
    knows: &'a dyn Fn(QueryId) -> bool,
}

impl<'a> Scope<'a> {
    /// Makes a scope of a test for the ids of statements that this session has sent.
    #[must_use]
    pub fn new(knows: &'a dyn Fn(QueryId) -> bool) -> Self {
        Self { knows }
    }

    /// Tells whether this session has sent the statement of a query id.
    fn knows(&self, id: QueryId) -> bool {
        (self.knows)(id)
    }
}

/// A statement as the later stages see it; made only by `Statement::read`, so that its kind belongs to its text.
#[derive(Clone, Debug)]
pub struct Statement {
    text: String,
    kind: Kind,
    problem: Option<String>,
    normalized: Option<String>,
}

impl Statement {
    /// Reads a statement's text in the scope of its session.
    #[must_use]
    pub fn read(text: &str, scope: &Scope<'_>) -> Self {
        match parse::parse(text, scope) {
            Ok(parsed) => Self {
                text: text.to_owned(),
                kind: parsed.kind,
                problem: None,
                normalized: Some(parsed.normalized),
            },
            Err(problem) => Self {
                text: text.to_owned(),
                kind: Kind::Unknown,
                problem: Some(problem.to_string()),
                normalized: None,
            },
        }
    }

    /// Gives the exact text that was judged and will be sent.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Gives the most dangerous kind found at any depth.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Says why the statement could not be read, without any of its literals.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Gives the statement with `?` for each literal; `None` if it could not be read.
    #[must_use]
    pub fn normalized(&self) -> Option<&str> {
        self.normalized.as_deref()
    }
}

#[cfg(test)]
mod tests;
