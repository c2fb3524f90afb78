//! Command statements: small grammars of our own for what the parser's covers in part or not at all.
//!
//! A command's object, and every other object that its clauses name in a way that matters, is told exactly; what the
//! clauses say beside that stays within the right to do it. A command whose object cannot be told is refused.
//!
//! Source: Snowflake's reference, "SQL command reference", read 2026-11.

mod alter;
mod anonymous;
mod beside;
mod block;
mod body;
mod classes;
mod code;
mod create;
mod cursor;
mod dynamic;
mod files;
mod grant;
mod rests;
mod show;

use std::collections::BTreeSet;

use sqlparser::tokenizer::{Token, TokenWithSpan};

pub(super) use beside::beside;
use cursor::Cursor;

use super::Scope;
use super::catalogue::Catalogue;
use super::kind::{Action, Kind};
use super::lexer;
use super::lineage::names::stage_of_text;
use super::meaning::{Meaning, Output, Place};
use super::object::{Class, Object, Path};
use super::parse::{Parsed, Unreadable};
use crate::snowflake::stage::Moves;

/// Tells which of the client's files a PUT or GET names.
pub(super) fn moves(text: &str) -> Option<Moves> {
    files::moves(text)
}

/// Reads PUT, GET, LIST and REMOVE; `None` if the text is none of them.
pub(super) fn read_files(text: &str, catalogue: &Catalogue) -> Option<Result<Parsed, Unreadable>> {
    files::read(text, catalogue)
}

/// Tells whether a statement can be a query or a change of rows alone, by its first words.
pub(super) fn is_about_rows(tokens: &[TokenWithSpan]) -> bool {
    const ROWS: [&str; 6] = ["SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE"];
    let means = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
    let mut words = tokens.iter().filter(means).map(|token| {
        let Token::Word(word) = &token.token else {
            return "";
        };
        word.quote_style.map_or(word.value.as_str(), |_| "")
    });
    let first = words.next().unwrap_or_default();
    let is_procedure = words
        .nth(2)
        .is_some_and(|word| word.eq_ignore_ascii_case("PROCEDURE"));
    ROWS.iter().any(|word| first.eq_ignore_ascii_case(word)) && !is_procedure
}

/// Gives the query in a view's text, which may be the query alone.
pub(super) fn query_of_view(text: &str) -> Option<&str> {
    let tokens = lexer::tokens(text).ok()?;
    let cursor = Cursor::new(text, &tokens);
    if !cursor.sees("CREATE") {
        return Some(text);
    }
    let mut query = cursor.clone();
    let start = text.len();
    // A recursive one reads itself: by its text alone it is not told.
    let is_told = query.find("AS") && !cursor.cut(&query).holds("RECURSIVE");
    let rest = query.rest().len();
    is_told.then(|| text.get(start - rest..)).flatten()
}

/// What a command is: its kind and what it touches.
struct Command<'a> {
    scope: &'a Scope<'a>,
    catalogue: &'a Catalogue,
    kind: Kind,
    meaning: Meaning,
    /// Parameters of the code that the command keeps.
    names: BTreeSet<String>,
    /// Whether it is a block, whose statements may set variables.
    in_block: bool,
    /// How many statements of a block have been read.
    read: usize,
}

/// Reads a command statement; `None` if it is none, or one that the parser's grammar tells more of.
pub(super) fn read(
    text: &str,
    tokens: &[TokenWithSpan],
    scope: &Scope<'_>,
) -> Option<Result<Parsed, Unreadable>> {
    if tokens.is_empty() {
        return None;
    }
    let cursor = Cursor::new(text, tokens);
    let is_block = block::begins(&cursor) || holds_block(&cursor);
    if cursor.holds_several() && !is_block {
        return None;
    }
    let mut command = Command::new(scope);
    let read = if block::begins(&cursor) {
        command.block(cursor.clone())
    } else {
        command.head(cursor.clone())?
    };
    command
        .meaning
        .give(Output::Unknown("what it answers is not told by its text"));
    Some(read.map(|()| Parsed {
        kind: command.kind,
        normalized: cursor.normalized(),
        meaning: command.meaning,
    }))
}

impl<'a> Command<'a> {
    fn new(scope: &'a Scope<'a>) -> Self {
        Self {
            scope,
            catalogue: scope.catalogue(),
            kind: Kind::Session,
            meaning: Meaning::default(),
            names: BTreeSet::new(),
            in_block: false,
            read: 0,
        }
    }
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
        } else if cursor.eat("COPY FILES INTO") {
            self.copy_files(cursor)
        } else if cursor.sees("COPY INTO") && !cursor.holds("FROM") {
            cursor.skip();
            cursor.skip();
            self.copy_own(cursor)
        } else if cursor.eat("EXPLAIN USING") {
            self.explain(cursor)
        } else if ["BEGIN WORK", "BEGIN TRANSACTION", "START TRANSACTION"]
            .iter()
            .any(|words| cursor.eat(words))
            || (cursor.sees("BEGIN NAME") && cursor.eat("BEGIN"))
        {
            let _named = cursor.eat("NAME") && cursor.name().is_ok();
            done(&cursor).and_then(|()| self.session())
        } else if anonymous::begins(&cursor) {
            self.anonymous(cursor)
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
            if cursor.eat("ALL") || cursor.eat("NONE") {
                self.of_account(Action::UseRole);
                return done(&cursor);
            }
            loop {
                let names = cursor.name()?;
                self.touch(Action::UseRole, Class::Role, names);
                if !cursor.eat_sign(&Token::Comma) {
                    return done(&cursor);
                }
            }
        }
        let (kind, action, class) = if cursor.eat("ROLE") {
            (Kind::UseRole, Action::UseRole, Class::Role)
        } else if cursor.eat("WAREHOUSE") {
            (Kind::UseWarehouse, Action::UseWarehouse, Class::Warehouse)
        } else {
            return self.use_place(cursor);
        };
        self.kind = kind;
        let names = cursor.name()?;
        self.touch(action, class, names);
        done(&cursor)
    }

    /// `USE [DATABASE] d`, whose schema is then `PUBLIC`, or `USE SCHEMA [d.]s`.
    fn use_place(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        let is_database = cursor.eat("DATABASE");
        let is_schema = !is_database && cursor.eat("SCHEMA");
        let names = cursor.name()?;
        done(&cursor)?;
        let public = Some("PUBLIC".to_owned());
        let place = match (names.as_slice(), &self.catalogue.database) {
            ([database], _) if !is_schema => Some((database.clone(), public)),
            ([schema], Some(database)) => Some((database.clone(), Some(schema.clone()))),
            ([database, schema], _) if !is_database => {
                Some((database.clone(), Some(schema.clone())))
            }
            ([_], None) => None,
            (_, _) => return Err(Unreadable::Unsupported("USE of what is no schema")),
        };
        if let Some((database, schema)) = place {
            self.meaning.go(Place { database, schema });
        }
        self.session()
    }

    /// `EXPLAIN USING <form> <statement>`: what a plan shows of a statement is what the statement is about.
    fn explain(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.kind = Kind::Show;
        if !cursor.eat("TEXT") && !cursor.eat("TABULAR") && !cursor.eat("JSON") {
            return Err(Unreadable::Unsupported(
                "EXPLAIN in a form that is not known",
            ));
        }
        if cursor.sees("EXPLAIN") {
            return Err(Unreadable::Unsupported("EXPLAIN of EXPLAIN"));
        }
        self.body(cursor.rest())
    }

    /// `COPY INTO t` loads from the table's own stage.
    fn copy_own(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.kind = Kind::CopyIn;
        let mut names = cursor.name()?;
        self.touch(Action::CopyIn, Class::Table, names.clone());
        if let Some(last) = names.last_mut() {
            last.insert(0, '%');
        }
        self.touch(Action::Read, Class::Stage, names);
        self.others(cursor)
    }

    /// `COPY FILES INTO @stage FROM @stage`, or from a query of file addresses.
    fn copy_files(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.kind = Kind::Put;
        let names = if cursor.eat_sign(&Token::AtSign) {
            cursor.stage()?
        } else {
            stage_of_text(cursor.text().ok_or(KIND)?)?
        };
        // The place may lie outside of the account.
        self.touch(Action::Unload, Class::Stage, names.clone());
        self.touch(Action::Put, Class::Stage, names);
        if !cursor.find("FROM") {
            return Err(KIND);
        }
        if cursor.peek() == Some(&Token::LParen) {
            let start = cursor.clone();
            cursor.brackets();
            self.kept(start.until(&cursor))?;
        }
        self.others(cursor)
    }

    /// Reads the class and name of what a command is about.
    fn named(&mut self, cursor: &mut Cursor<'_>, action: Action) -> Result<Object, Unreadable> {
        let (_, object) = self.subject(cursor, action)?;
        Ok(object)
    }

    /// Reads the same, and gives the words for the kind of object too.
    fn subject(
        &mut self,
        cursor: &mut Cursor<'_>,
        action: Action,
    ) -> Result<(&'static str, Object), Unreadable> {
        let _how = classes::modifiers(cursor);
        let (words, class) = classes::class(cursor).ok_or(KIND)?;
        let _perhaps = cursor.eat("IF EXISTS") || cursor.eat("IF NOT EXISTS");
        let names = cursor.name()?;
        cursor.brackets();
        Ok((words, self.touch(action, class, names)))
    }

    fn drop_(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.kind = Kind::Drop;
        let (words, _) = self.subject(&mut cursor, Action::Drop)?;
        self.removes(words);
        let _how = cursor.eat("CASCADE") || cursor.eat("RESTRICT");
        done(&cursor)
    }

    fn undrop(&mut self, mut cursor: Cursor<'_>) -> Result<(), Unreadable> {
        self.kind = Kind::Create;
        let (words, object) = self.subject(&mut cursor, Action::Create)?;
        self.removes(words);
        if cursor.eat("RENAME TO") {
            let names = cursor.name()?;
            self.touch(Action::Create, object.class(), names);
            self.moves(object.class());
        }
        Ok(())
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
            let mut names = cursor.dotted()?;
            names.pop();
            if names.is_empty() || names.len() > 3 {
                return Err(KIND);
            }
            self.touch(Action::Alter, Class::Table, names);
            return Ok(());
        }
        self.named(&mut cursor, Action::Alter).map(drop)
    }
}

const KIND: Unreadable =
    Unreadable::Unsupported("a command about a kind of object that is not known");

/// Tells whether semicolons may be those of a block that the command keeps; what stands behind the block is refused.
fn holds_block(cursor: &Cursor<'_>) -> bool {
    let keeps = ["TASK", "PROCEDURE", "FUNCTION", "ALERT"];
    let mut kind = cursor.clone();
    let makes = kind.eat("CREATE") && {
        let _again = kind.eat("OR REPLACE") || kind.eat("OR ALTER");
        let _how = classes::modifiers(&mut kind);
        keeps.iter().any(|word| kind.sees(word))
    };
    let changes = kind.eat("ALTER TASK");
    let starts = ["AS BEGIN", "AS DECLARE", "THEN BEGIN", "THEN DECLARE"];
    (makes || changes) && starts.iter().any(|words| cursor.clone().find(words))
}

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
