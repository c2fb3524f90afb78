//! Statements inside of commands: each is judged as if this login ran it now.

use sqlparser::tokenizer::Token;

use super::Command;
use crate::statement::catalogue::Found;
use crate::statement::kind::Action;
use crate::statement::lexer;
use crate::statement::meaning::{Column, Use};
use crate::statement::object::Object;
use crate::statement::parse::{Parsed, Unreadable, parse};

/// How deep statements may stand in statements.
const DEPTH_MAX: usize = 8;

impl Command<'_> {
    /// Reads a statement that a command runs; the more dangerous kind of both counts.
    pub(super) fn body(&mut self, text: &str) -> Result<(), Unreadable> {
        let Parsed { kind, meaning, .. } = self.inner(text)?;
        if let Some(place) = meaning.place() {
            // The statements behind it in a block would be read in another place than they run.
            if self.in_block {
                return Err(Unreadable::Unsupported("USE in a block"));
            }
            self.meaning.go(place.clone());
        }
        self.kind = self.kind.max(kind);
        self.meaning.absorb(meaning);
        Ok(())
    }

    /// Reads a statement that a command keeps: what it gives goes elsewhere than into this command's result.
    pub(super) fn kept(&mut self, text: &str) -> Result<(), Unreadable> {
        let parsed = self.inner(text)?;
        self.keep(parsed);
        Ok(())
    }

    /// Adds what a kept statement means.
    pub(super) fn keep(&mut self, parsed: Parsed) {
        let Parsed {
            kind, mut meaning, ..
        } = parsed;
        self.kind = self.kind.max(kind);
        meaning.set_stored();
        self.meaning.absorb(meaning);
    }

    /// Reads an expression that a command keeps.
    pub(super) fn expression(&mut self, text: &str) -> Result<(), Unreadable> {
        self.kept(&format!("select ({}\n)", whole(text)?))
    }

    pub(super) fn inner(&self, text: &str) -> Result<Parsed, Unreadable> {
        if self.scope.depth() >= DEPTH_MAX {
            return Err(Unreadable::TooDeep);
        }
        parse(text, &self.scope.deeper(&self.names, self.in_block))
    }

    /// Says that code is kept whose effects are not read.
    pub(super) fn opaque(&mut self) {
        self.meaning
            .doubt("code in another language than SQL is not read");
    }

    /// Says that all rows of an object become another's.
    pub(super) fn copied(&mut self, object: &Object) -> Result<(), Unreadable> {
        if let Found::Relation(_) = self.catalogue.relation(object.path()) {
            // A view's text counts too.
            return self.kept(&format!("select * from {}", quoted(object)));
        }
        self.meaning.touch(Action::Read, object.clone());
        let column = Column {
            object: object.clone(),
            name: None,
        };
        self.meaning.use_column(Use::Store, column);
        Ok(())
    }
}

/// Writes an object's name so that it is read back as it is.
pub(super) fn quoted(object: &Object) -> String {
    let names = object.path().names().iter();
    let quoted: Vec<String> = names
        .map(|name| format!("\"{}\"", name.replace('"', "\"\"")))
        .collect();
    quoted.join(".")
}

/// Gives a text that may stand in brackets: it opens all that it closes, and is one.
pub(super) fn whole(text: &str) -> Result<&str, Unreadable> {
    let mut depth = 0_usize;
    for token in lexer::tokens(text)? {
        if token.token == Token::LParen {
            depth += 1;
        } else if token.token == Token::RParen {
            depth = depth.checked_sub(1).ok_or(UNEVEN)?;
        } else if token.token == Token::SemiColon {
            return Err(UNEVEN);
        }
    }
    if depth == 0 {
        Ok(text.trim())
    } else {
        Err(UNEVEN)
    }
}

const UNEVEN: Unreadable = Unreadable::Syntax(None);
