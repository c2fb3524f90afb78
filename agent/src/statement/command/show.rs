//! SHOW and DESCRIBE.

use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::{Command, KIND, classes, done};
use crate::statement::catalogue::Found;
use crate::statement::kind::{Action, Kind};
use crate::statement::object::{Class, Object};
use crate::statement::parse::Unreadable;

impl Command<'_> {
    /// `SHOW <objects> [IN <scope>] ...`: reads what it is asked about, or the account.
    pub(super) fn show(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.kind = Kind::Show;
        let _word = cursor.eat("TERSE");
        if cursor.eat("GRANTS") || cursor.eat("FUTURE GRANTS") {
            return self.show_grants(cursor);
        }
        let shown = shown(&mut cursor)?;
        while !cursor.is_done() {
            if cursor.eat("IN") || cursor.eat("FOR") {
                self.place(&mut cursor, shown)?;
            } else if cursor.eat("LIKE")
                || cursor.eat("STARTS WITH")
                || cursor.eat("LIMIT")
                || cursor.eat("FROM")
            {
                cursor.skip();
            } else if cursor.eat("HISTORY") {
            } else if cursor.eat("WITH PRIVILEGES") {
                cursor.skip();
                while cursor.eat_sign(&Token::Comma) {
                    cursor.skip();
                }
            } else {
                return Err(Unreadable::Unsupported(
                    "SHOW with clauses that are not known",
                ));
            }
        }
        if self.meaning.accesses().is_empty() {
            // Without a place it is the login's database, if it has one, or the account for what stands there.
            let database = self.catalogue.database.clone();
            match database.filter(|_| shown != Shown::Account) {
                Some(database) => {
                    self.touch(Action::Read, Class::Database, vec![database]);
                }
                None => self.of_account(Action::Read),
            }
        }
        Ok(())
    }

    /// Reads what a SHOW is about.
    fn place(&mut self, cursor: &mut Cursor<'_>, shown: Shown) -> Result<(), Unreadable> {
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
                let class = match (shown, names.len()) {
                    (Shown::Object, _) => Class::Object,
                    (_, 3) | (Shown::Table, _) => Class::Table,
                    (Shown::Database, _) => Class::Database,
                    (Shown::Account | Shown::Schema, _) => Class::Schema,
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
        let _how = classes::modifiers(&mut start);
        let class = classes::class(&mut start);
        // A table may be called by such a word too.
        if class.is_some() && !start.is_done() {
            let object = self.named(&mut cursor, Action::Read)?;
            self.settle(&object);
            let _type = cursor.eat("TYPE");
            return Ok(());
        }
        let names = cursor.name()?;
        let object = self.touch(Action::Read, Class::Table, names);
        self.settle(&object);
        done(&cursor)
    }

    /// Says of a table that is a view what it is.
    fn settle(&mut self, object: &Object) {
        if let Found::Relation(facts) = self.catalogue.relation(object.path())
            && object.class() == Class::Table
            && facts.class == Class::View
        {
            self.meaning.forget(Action::Read, object);
            let view = Object::new(Class::View, object.path().clone());
            self.meaning.touch(Action::Read, view);
        }
    }
}

/// Where the objects of a SHOW stand, which is what a bare name behind IN means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Account,
    Database,
    Schema,
    Table,
    Object,
}

/// Reads what is shown.
fn shown(cursor: &mut Cursor<'_>) -> Result<Shown, Unreadable> {
    let of_account = [
        "VARIABLES",
        "PARAMETERS",
        "TRANSACTIONS",
        "LOCKS",
        "REGIONS",
        "ORGANIZATION ACCOUNTS",
        "RELEASE CHANNELS",
    ];
    let of_table = [
        "COLUMNS",
        "PRIMARY KEYS",
        "IMPORTED KEYS",
        "EXPORTED KEYS",
        "UNIQUE KEYS",
        "CHANNELS",
    ];
    if of_account.iter().any(|words| cursor.eat(words)) {
        return Ok(Shown::Account);
    }
    if of_table.iter().any(|words| cursor.eat(words)) {
        return Ok(Shown::Table);
    }
    if cursor.eat("OBJECTS") {
        return Ok(Shown::Schema);
    }
    // Some of these words begin the name of a kind too.
    let mut here = cursor.clone();
    if let Some((words, class)) = classes::classes(&mut here) {
        *cursor = here;
        return Ok(match words {
            "GIT BRANCH" | "GIT TAG" | "VERSION" | "DEPLOYMENT" => Shown::Object,
            _ => of_class(class),
        });
    }
    while MORE.iter().any(|word| cursor.eat(word)) {}
    let (_, class) = classes::classes(cursor).ok_or(KIND)?;
    Ok(of_class(class))
}

fn of_class(class: Class) -> Shown {
    match class.depth() {
        0 | 1 => Shown::Account,
        2 => Shown::Database,
        _ => Shown::Schema,
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
