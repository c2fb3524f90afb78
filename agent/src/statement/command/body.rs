//! Statements inside of commands: each is judged as if this login ran it now.

use super::Command;
use crate::statement::kind::{Action, Kind};
use crate::statement::meaning::{Column, Use};
use crate::statement::object::Object;
use crate::statement::parse::{Parsed, Unreadable, parse};

/// How deep statements may stand in statements.
const DEPTH_MAX: usize = 8;

impl Command<'_> {
    /// Reads a statement that a command stores or runs; the more dangerous kind of both counts.
    pub(super) fn body(&mut self, text: &str) -> Result<(), Unreadable> {
        if self.scope.depth() >= DEPTH_MAX {
            return Err(Unreadable::TooDeep);
        }
        let Parsed { kind, meaning, .. } = parse(text, &self.scope.deeper())?;
        self.kind = self.kind.max(kind);
        self.meaning.absorb(meaning);
        Ok(())
    }

    /// Says that code runs whose effects are not read.
    pub(super) fn opaque(&mut self) {
        self.kind = self.kind.max(Kind::Call);
        self.of_account(Action::Call);
        self.meaning
            .doubt("code in another language than SQL is not read");
    }

    /// Says that all rows of an object become another's.
    pub(super) fn copied(&mut self, object: &Object) {
        self.meaning.touch(Action::Read, object.clone());
        let column = Column {
            object: object.clone(),
            name: None,
        };
        self.meaning.use_column(Use::Store, column);
    }
}
