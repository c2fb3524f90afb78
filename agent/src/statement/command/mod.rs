//! Command statements: small grammars of our own for what the parser's covers in part or not at all.
//!
//! A command's object, and every other object that its clauses name in a way that matters, is told exactly; what the
//! clauses say beside that stays within the right to do it. A command whose object cannot be told is refused.
//!
//! Source: Snowflake's reference, "SQL command reference", read 2026-11.

mod body;
mod classes;
mod create;
mod cursor;
mod files;
mod grant;
mod show;

use sqlparser::tokenizer::TokenWithSpan;

use cursor::Cursor;

use super::Scope;
use super::catalogue::Catalogue;
use super::kind::{Action, Kind};
use super::meaning::{Meaning, Output};
use super::object::{Class, Object, Path};
use super::parse::{Parsed, Unreadable};

/// Reads PUT, GET, LIST and REMOVE; `None` if the text is none of them.
pub(super) fn read_files(text: &str, catalogue: &Catalogue) -> Option<Result<Parsed, Unreadable>> {
    files::read(text, catalogue)
}

/// What a command is: its kind and what it touches.
struct Command<'a> {
    scope: &'a Scope<'a>,
    catalogue: &'a Catalogue,
    kind: Kind,
    meaning: Meaning,
}

/// Reads a command statement; `None` if it is none, or one that the parser's grammar tells more of.
pub(super) fn read(
    tokens: &[TokenWithSpan],
    scope: &Scope<'_>,
) -> Option<Result<Parsed, Unreadable>> {
    let cursor = Cursor::new(tokens);
    if cursor.holds_several() {
        return None;
    }
    let mut command = Command {
        scope,
        catalogue: scope.catalogue(),
        kind: Kind::Session,
        meaning: Meaning::default(),
    };
    let read = command.head(cursor.clone())?;
    command
        .meaning
        .give(Output::Unknown("what it answers is not told by its text"));
    Some(read.map(|()| Parsed {
        kind: command.kind,
        normalized: cursor.normalized(),
        meaning: command.meaning,
    }))
}

impl Command<'_> {
    /// Goes by the first word.
    fn head(&mut self, mut cursor: Cursor<'_>) -> Option<Result<(), Unreadable>> {
        Some(if cursor.eat("USE") {
            self.use_(cursor)
        } else if cursor.eat("SHOW") {
            self.show(cursor)
        } else if cursor.eat("DESCRIBE") || cursor.eat("DESC") {
            self.describe(cursor)
        } else if cursor.eat("DROP") {
            self.drop_(cursor)
        } else if cursor.eat("UNDROP") {
            self.undrop(cursor)
        } else if cursor.eat("TRUNCATE") {
            self.truncate(cursor)
        } else if cursor.eat("COMMENT") {
            self.comment(cursor)
        } else if cursor.eat("GRANT") || cursor.eat("REVOKE") {
            self.grant(cursor)
        } else if cursor.eat("ALTER") {
            if cursor.sees("SESSION") {
                return None;
            }
            self.alter(cursor)
        } else if cursor.eat("CREATE") {
            return self.create(cursor);
        } else if cursor.eat("EXECUTE") {
            return self.execute(cursor);
        } else if cursor.eat("UNSET") {
            self.session()
        } else {
            return None;
        })
    }

    /// Adds what is done to an object by its class and names.
    fn touch(&mut self, action: Action, class: Class, names: Vec<String>) -> Object {
        let object = self.object(class, names);
        self.meaning.touch(action, object.clone());
        object
    }

    /// Completes names as the class has them.
    fn object(&self, class: Class, names: Vec<String>) -> Object {
        let path = match class.depth() {
            3 => self.catalogue.resolve(names),
            2 => match (names.as_slice(), &self.catalogue.database) {
                ([_], Some(database)) => {
                    Path::new([database.clone()].into_iter().chain(names).collect())
                }
                (_, _) => Path::new(names),
            },
            1 => Path::new(names),
            _ => Path::default(),
        };
        Object::new(class, path)
    }

    fn of_account(&mut self, action: Action) {
        self.meaning.touch(action, Object::account());
    }

    fn session(&mut self) -> Result<(), Unreadable> {
        self.kind = Kind::Session;
        self.of_account(Action::Session);
        Ok(())
    }

    fn use_(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        if cursor.eat("SECONDARY ROLES") {
            self.kind = Kind::UseRole;
            self.of_account(Action::UseRole);
            return Ok(());
        }
        let (kind, action, class) = if cursor.eat("ROLE") {
            (Kind::UseRole, Action::UseRole, Class::Role)
        } else if cursor.eat("WAREHOUSE") {
            (Kind::UseWarehouse, Action::UseWarehouse, Class::Warehouse)
        } else {
            let _which = cursor.eat("DATABASE") || cursor.eat("SCHEMA");
            cursor.name()?;
            return done(&cursor).and_then(|()| self.session());
        };
        self.kind = kind;
        let names = cursor.name()?;
        self.touch(action, class, names);
        done(&cursor)
    }

    /// Reads the class and name of what a command is about.
    fn named(&mut self, cursor: &mut Cursor<'_>, action: Action) -> Result<Object, Unreadable> {
        classes::modifiers(cursor);
        let (_, class) = classes::class(cursor).ok_or(KIND)?;
        let _perhaps = cursor.eat("IF EXISTS") || cursor.eat("IF NOT EXISTS");
        let names = cursor.name()?;
        cursor.brackets();
        Ok(self.touch(action, class, names))
    }

    fn drop_(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.kind = Kind::Drop;
        self.named(&mut cursor, Action::Drop)?;
        let _how = cursor.eat("CASCADE") || cursor.eat("RESTRICT");
        done(&cursor)
    }

    fn undrop(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.kind = Kind::Create;
        self.named(&mut cursor, Action::Create).map(drop)
    }

    fn truncate(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.kind = Kind::Truncate;
        let class = if cursor.eat("MATERIALIZED VIEW") {
            Class::View
        } else {
            let _word = cursor.eat("TABLE");
            Class::Table
        };
        let _perhaps = cursor.eat("IF EXISTS");
        let names = cursor.name()?;
        self.touch(Action::Write, class, names);
        done(&cursor)
    }

    fn comment(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.kind = Kind::Alter;
        let _perhaps = cursor.eat("IF EXISTS");
        if !cursor.eat("ON") {
            return Err(KIND);
        }
        if cursor.eat("COLUMN") {
            let mut names = cursor.name()?;
            names.pop();
            self.touch(Action::Alter, Class::Table, names);
            return Ok(());
        }
        self.named(&mut cursor, Action::Alter).map(drop)
    }

    fn alter(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.kind = Kind::Alter;
        if cursor.sees("ACCOUNT") || cursor.sees("ORGANIZATION") {
            self.of_account(Action::Alter);
            return Ok(());
        }
        let object = self.named(&mut cursor, Action::Alter)?;
        self.altered(&object, cursor)
    }

    /// Reads what an ALTER says of other objects than its own.
    fn altered(&mut self, object: &Object, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        for (words, action) in [("RENAME TO", Action::Create), ("SWAP WITH", Action::Alter)] {
            let mut here = cursor.clone();
            if here.eat(words) {
                let names = here.name()?;
                self.touch(action, object.class(), names);
                return done(&here);
            }
        }
        if cursor.holds("POLICY") || cursor.holds("TAG") {
            // Which protects what, and what is protected no more, is the account's affair.
            self.of_account(Action::Alter);
        }
        if object.class() == Class::Task && cursor.find("MODIFY AS") {
            return self.body(&cursor.rest());
        }
        if cursor.holds("SELECT") {
            return Err(Unreadable::Unsupported("a query inside of ALTER"));
        }
        Ok(())
    }
}

const KIND: Unreadable =
    Unreadable::Unsupported("a command about a kind of object that is not known");

/// Refuses what stands behind the end of a command.
fn done(cursor: &Cursor<'_>) -> Result<(), Unreadable> {
    if cursor.is_done() {
        Ok(())
    } else {
        Err(Unreadable::Unsupported(
            "a command with clauses that are not known",
        ))
    }
}
