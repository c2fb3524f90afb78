//! Stage 3: what they ask. Pure.
//!
//! SQL text becomes a `Statement`: the text itself, its kind (the most dangerous found at any depth) and a form
//! without literals. What cannot be read is a statement of kind `Unknown`, which `enforce` never allows. A text of
//! several statements is one `Statement` too, with its parts: they are decided, sent and recorded together.

mod assigned;
mod bound;
mod called;
mod catalogue;
mod command;
mod described;
mod dialect;
pub mod form;
mod kind;
mod lexer;
mod limits;
mod lineage;
mod literal;
mod meaning;
mod minted;
mod object;
mod origins;
mod parse;
mod places;
mod shape;
mod shared;
mod split;
mod texts;

pub use assigned::Assigned;
pub use catalogue::{Catalogue, ColumnFacts, Found, RelationFacts};
pub use described::{Described, read_name};
pub use kind::{Action, Kind};
pub use meaning::{Access, Column, ColumnUse, Meaning, Output, OutputColumn, Place, Use};
pub use object::{Class, Object, Path};
pub use origins::{Origins, Recall};
pub use shape::shape;
pub use texts::Texts;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::snowflake::binds::Binds;
use crate::snowflake::count::Count;
use crate::snowflake::route::QueryId;
use crate::snowflake::stage::Moves;

use parse::Unreadable;
use texts::Text;

/// Stack that a thread needs which reads statements, in bytes: reserved, and used only by a statement that nests or
/// chains as far as any is read.
pub const STACK_BYTES: usize = 256 << 20;

/// What a statement without a request binds.
static NO_BINDS: Binds = Binds::none();

/// What a statement's session has done before, as far as the statement's meaning rests on it.
pub struct Scope<'a> {
    knows: &'a dyn Fn(QueryId) -> bool,
    recall: Option<&'a Recall<'a>>,
    /// What its request binds; `None` where a bind of its text is not one of the request's.
    binds: Option<&'a Binds>,
    catalogue: Cow<'a, Catalogue>,
    /// In how many statements the one that is read stands.
    depth: usize,
    /// What a name may mean that is no column's: parameters and variables of the code around.
    names: BTreeSet<String>,
    /// Whether it stands in a block.
    in_block: bool,
    /// The texts that were parsed before.
    texts: Option<&'a Texts>,
}

impl<'a> Scope<'a> {
    /// Makes a scope of a test for the ids of statements that this session has sent.
    #[must_use]
    pub fn new(knows: &'a dyn Fn(QueryId) -> bool) -> Self {
        Self {
            knows,
            recall: None,
            binds: Some(&NO_BINDS),
            catalogue: Cow::Owned(Catalogue::default()),
            depth: 0,
            names: BTreeSet::new(),
            in_block: false,
            texts: None,
        }
    }

    /// Adds the texts of the same request that were parsed before, and keeps those there that are parsed now.
    #[must_use]
    pub fn once(self, texts: &'a Texts) -> Self {
        Self {
            texts: Some(texts),
            ..self
        }
    }

    /// Gives what a text is parsed to.
    fn text(&self, text: &str) -> Arc<Text> {
        match self.texts {
            Some(texts) => texts.of(text, self.binds),
            None => Arc::new(Text::of(text, self.binds)),
        }
    }

    /// Adds what is known of the account's objects and of the login.
    #[must_use]
    pub fn with(self, catalogue: &'a Catalogue) -> Self {
        Self {
            catalogue: Cow::Borrowed(catalogue),
            ..self
        }
    }

    /// Adds where the rows of earlier results come from.
    #[must_use]
    pub fn recalling(self, recall: &'a Recall<'a>) -> Self {
        Self {
            recall: Some(recall),
            ..self
        }
    }

    /// Adds what the request binds.
    #[must_use]
    pub fn binding(self, binds: &'a Binds) -> Self {
        Self {
            binds: Some(binds),
            ..self
        }
    }

    fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    fn depth(&self) -> usize {
        self.depth
    }

    fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    fn in_block(&self) -> bool {
        self.in_block
    }

    /// Gives the scope of a statement inside of this one, where more names have a meaning.
    fn deeper(&self, names: &BTreeSet<String>, in_block: bool) -> Scope<'_> {
        Scope {
            knows: self.knows,
            recall: self.recall,
            binds: None,
            catalogue: Cow::Borrowed(&self.catalogue),
            depth: self.depth + 1,
            names: self.names.union(names).cloned().collect(),
            in_block,
            texts: self.texts,
        }
    }

    /// Tells whether this session has sent the statement of a query id.
    fn knows(&self, id: QueryId) -> bool {
        (self.knows)(id)
    }
}

/// A statement as the later stages see it; made only here, so that its kind belongs to its text.
#[derive(Clone, Debug)]
pub struct Statement {
    text: String,
    kind: Kind,
    problem: Option<String>,
    normalized: Option<String>,
    meaning: Option<Meaning>,
    parts: Vec<Statement>,
}

impl Statement {
    /// Reads a text of one statement in the scope of its session.
    #[must_use]
    pub fn read(text: &str, scope: &Scope<'_>) -> Self {
        match parse::parse(text, scope) {
            Ok(parsed) => Self {
                text: text.to_owned(),
                kind: parsed.kind,
                problem: None,
                normalized: Some(parsed.normalized),
                meaning: Some(parsed.meaning),
                parts: Vec::new(),
            },
            Err(problem) => Self::unreadable(text, &problem),
        }
    }

    /// Reads a text of as many statements as its request says it holds.
    ///
    /// Each part is read by itself, in the place and among the names that the parts before it leave.
    #[must_use]
    pub fn read_all(text: &str, count: Count, scope: &Scope<'_>) -> Self {
        if count == Count::One {
            return Self::read(text, scope);
        }
        if let Err(problem) = limits::check(text) {
            return Self::unreadable(text, &problem);
        }
        let mut single = None;
        if count.allows(1) {
            let read = Self::read(text, scope);
            if read.problem.is_none() {
                return read;
            }
            single = Some(read);
        }
        let cut = match scope.texts {
            Some(texts) => texts.cut(text),
            None => Arc::new(split::split(text)),
        };
        let parts = match cut.as_ref() {
            Ok(cut) => split::pieces(text, cut),
            Err(Unreadable::Syntax(place)) => match split::split_at_semicolons(text) {
                Ok(parts) if parts.len() > 1 => parts,
                // What is wrong with one statement says more than where the parser stopped.
                Ok(_) | Err(_) => {
                    let problem = Unreadable::Syntax(*place);
                    return single.unwrap_or_else(|| Self::unreadable(text, &problem));
                }
            },
            Err(problem) => return Self::unreadable(text, problem),
        };
        if !count.allows(parts.len()) {
            let problem = Unreadable::OtherCount {
                found: parts.len(),
                said: count.wire(),
            };
            return Self::unreadable(text, &problem);
        }
        if parts.len() <= 1 {
            return Self::read(text, scope);
        }
        // Names in a later part are looked for where an earlier one has gone.
        let mut scope = scope.deeper(&BTreeSet::new(), false);
        scope.depth -= 1;
        let mut read = Vec::with_capacity(parts.len());
        for part in parts {
            let part = Self::read(part, &scope);
            if let Some(meaning) = part.meaning().filter(|meaning| meaning.changes_names()) {
                scope.catalogue.to_mut().follow(meaning);
            }
            read.push(part);
        }
        let parts = read;
        let problem = (1..).zip(&parts).find_map(|(number, part)| {
            let problem = part.problem.clone()?;
            let of = parts.len();
            Some(
                Unreadable::Part {
                    number,
                    of,
                    problem,
                }
                .to_string(),
            )
        });
        let normalized: Option<Vec<&str>> = parts.iter().map(Self::normalized).collect();
        Self {
            text: text.to_owned(),
            kind: parts.iter().map(Self::kind).max().unwrap_or(Kind::Unknown),
            normalized: normalized.map(|parts| parts.join("; ")),
            problem,
            meaning: None,
            parts,
        }
    }

    fn unreadable(text: &str, problem: &Unreadable) -> Self {
        Self {
            text: text.to_owned(),
            kind: Kind::Unknown,
            problem: Some(problem.to_string()),
            normalized: None,
            meaning: None,
            parts: Vec::new(),
        }
    }

    /// Gives the statements of a text of several; none of a text of one.
    #[must_use]
    pub fn parts(&self) -> &[Self] {
        &self.parts
    }

    /// Tells how many statements were judged; `None` if that could not be told.
    #[must_use]
    pub fn count(&self) -> Option<usize> {
        match (self.parts.len(), &self.normalized) {
            (0, None) => None,
            (0, Some(_)) => Some(1),
            (parts, _) => Some(parts),
        }
    }

    /// Gives the exact text that was judged and will be sent.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Lists what its literals, quoted names and comments hold; the text itself where nobody can tell them from the rest.
    #[must_use]
    pub fn literals(&self) -> Vec<String> {
        lexer::literals(&self.text).unwrap_or_else(|_| vec![self.text.clone()])
    }

    /// Tells which of the client's files it moves, if it is one PUT or GET and nothing else.
    #[must_use]
    pub fn moves(&self) -> Option<Moves> {
        let is_alone = self.parts.is_empty() && matches!(self.kind, Kind::Put | Kind::Get);
        is_alone.then(|| command::moves(&self.text))?
    }

    /// Gives the most dangerous kind found at any depth.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Says what a single statement means; `None` for several, and for one that could not be read.
    #[must_use]
    pub fn meaning(&self) -> Option<&Meaning> {
        self.meaning.as_ref()
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
mod laws_tests;
#[cfg(test)]
mod tests;
