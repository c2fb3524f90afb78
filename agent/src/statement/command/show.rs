//! SHOW and DESCRIBE.

use super::cursor::Cursor;
use super::{Command, KIND, classes, done};
use crate::statement::kind::{Action, Kind};
use crate::statement::object::Class;
use crate::statement::parse::Unreadable;

impl Command<'_> {
    /// `SHOW <objects> [IN <scope>] ...`: reads what it is asked about, or the account.
    pub(super) fn show(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.kind = Kind::Show;
        let _word = cursor.eat("TERSE");
        if cursor.eat("GRANTS") || cursor.eat("FUTURE GRANTS") {
            return self.show_grants(cursor);
        }
        if cursor.eat("VARIABLES") {
            return self.session();
        }
        if !cursor.eat("PARAMETERS")
            && !cursor.eat("COLUMNS")
            && !cursor.eat("OBJECTS")
            && !cursor.eat("PRIMARY KEYS")
            && !cursor.eat("IMPORTED KEYS")
            && !cursor.eat("EXPORTED KEYS")
            && !cursor.eat("UNIQUE KEYS")
            && !cursor.eat("TRANSACTIONS")
            && !cursor.eat("LOCKS")
            && !cursor.eat("REGIONS")
            && !cursor.eat("RELEASE CHANNELS")
        {
            while MORE.iter().any(|word| cursor.eat(word)) {}
            classes::classes(&mut cursor).ok_or(KIND)?;
        }
        while let Some(next) = cursor.peek() {
            if cursor.is_done() {
                break;
            }
            if cursor.eat("IN") || cursor.eat("FOR") {
                self.place(&mut cursor)?;
            } else if cursor.eat("LIKE")
                || cursor.eat("STARTS WITH")
                || cursor.eat("LIMIT")
                || cursor.eat("FROM")
            {
                cursor.skip();
            } else if cursor.eat("HISTORY") {
            } else {
                let _unknown = next;
                return Err(Unreadable::Unsupported(
                    "SHOW with clauses that are not known",
                ));
            }
        }
        if self.meaning.accesses().is_empty() {
            // Without a place it is the login's database, if it has one.
            match self.catalogue.database.clone() {
                Some(database) => {
                    self.touch(Action::Read, Class::Database, vec![database]);
                }
                None => self.of_account(Action::Read),
            }
        }
        Ok(())
    }

    /// Reads what a SHOW is about.
    fn place(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Unreadable> {
        if cursor.eat("ACCOUNT") || cursor.eat("SESSION") || cursor.eat("ORGANIZATION") {
            self.of_account(Action::Read);
            return Ok(());
        }
        let start = cursor.clone();
        let class = classes::class(cursor).map(|(_, class)| class);
        let is_bare = class.is_some()
            && (cursor.is_done()
                || cursor.sees("LIKE")
                || cursor.sees("STARTS")
                || cursor.sees("LIMIT"));
        if is_bare {
            // `IN SCHEMA` alone is the login's; a schema may be called by such a word too.
            let names = [
                self.catalogue.database.clone(),
                self.catalogue.schema.clone(),
            ];
            match (class, names) {
                (Some(Class::Schema), [Some(database), Some(schema)]) => {
                    self.touch(Action::Read, Class::Schema, vec![database, schema]);
                }
                (Some(Class::Database), [Some(database), _]) => {
                    self.touch(Action::Read, Class::Database, vec![database]);
                }
                (_, _) => self.of_account(Action::Read),
            }
            return Ok(());
        }
        match class {
            Some(class) => {
                let names = cursor.name()?;
                self.touch(Action::Read, class, names);
            }
            None => {
                *cursor = start;
                let names = cursor.name()?;
                // `IN name` is a schema; with three parts, or for columns, a table.
                let class = if names.len() == 3 {
                    Class::Table
                } else {
                    Class::Schema
                };
                self.touch(Action::Read, class, names);
            }
        }
        Ok(())
    }

    fn show_grants(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        let is_placed =
            cursor.eat("ON") || cursor.eat("TO") || cursor.eat("OF") || cursor.eat("IN");
        if !is_placed || cursor.sees("ACCOUNT") {
            self.of_account(Action::Read);
            return Ok(());
        }
        self.named(&mut cursor, Action::Read).map(drop)
    }

    /// `DESCRIBE <object> name`; a result by its id is not described.
    pub(super) fn describe(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.kind = Kind::Show;
        if cursor.eat("RESULT") {
            return Err(Unreadable::Unsupported("DESCRIBE RESULT"));
        }
        let mut start = cursor.clone();
        if self.named(&mut start, Action::Read).is_ok() {
            let _type = start.eat("TYPE");
            return Ok(());
        }
        let names = cursor.name()?;
        self.touch(Action::Read, Class::Table, names);
        done(&cursor)
    }
}

/// Words that may stand before the objects of SHOW.
const MORE: [&str; 12] = [
    "USER",
    "BUILTIN",
    "EXTERNAL",
    "MATERIALIZED",
    "DYNAMIC",
    "ICEBERG",
    "HYBRID",
    "EVENT",
    "CORTEX",
    "STORAGE",
    "API",
    "SECURITY",
];
