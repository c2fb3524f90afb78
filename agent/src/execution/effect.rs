//! What a statement does to the meaning of names in later ones: where bare names lead, and what objects are. Pure.
//!
//! Whatever is not known to leave both alone counts as changing them.

use std::collections::BTreeSet;

use super::tag::Tagging;
use crate::statement::{Access, Action, Class, Kind, Meaning, Path, Statement};

/// What later statements of a login must not take for granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// It may change the login's database or schema.
    pub(super) moves: bool,
    /// Objects that it makes, changes or removes; an empty path is the whole account.
    pub(super) defines: BTreeSet<Path>,
    /// Objects that it makes for this login alone, or may.
    pub(super) temporary: BTreeSet<Path>,
    /// It may make objects for this login alone that its text does not name.
    pub(super) makes_unnamed: bool,
    /// Its own names may lead elsewhere than from the login's database and schema.
    pub(super) names_elsewhere: bool,
    /// What its own names lead to may change between its parts.
    pub(super) redefines_within: bool,
    /// The schema from which the names of its query lead, if it makes a view.
    pub(super) view_in: Option<Path>,
    /// What it does to the login's query tag.
    pub(super) tagging: Tagging,
}

impl Effect {
    /// Tells what a statement, or several in one text, may do.
    #[must_use]
    pub fn of(statement: &Statement) -> Self {
        let parts = statement.parts();
        if parts.is_empty() {
            return of_one(statement);
        }
        let mut all = Self::default();
        for part in parts {
            let next = of_one(part);
            all.names_elsewhere |= next.names_elsewhere || all.moves || next.view_in.is_some();
            all.redefines_within |= next.redefines_within || all.redefines();
            all.moves |= next.moves;
            all.makes_unnamed |= next.makes_unnamed;
            all.tagging.then(next.tagging);
            all.defines.extend(next.defines);
            all.temporary.extend(next.temporary);
        }
        all
    }

    /// Adds what another reading of the same statement says that it may do.
    #[must_use]
    pub(super) fn or(mut self, other: Self) -> Self {
        self.moves |= other.moves;
        if self.tagging != other.tagging {
            self.tagging = Tagging::Untold;
        }
        self.makes_unnamed |= other.makes_unnamed;
        self.names_elsewhere |= other.names_elsewhere;
        self.redefines_within |= other.redefines_within;
        self.defines.extend(other.defines);
        self.temporary.extend(other.temporary);
        self
    }

    /// Tells whether the login must not run another statement beside it.
    pub(super) fn is_exclusive(&self) -> bool {
        self.moves || self.redefines()
    }

    /// Tells what it does to the login's query tag; what a statement does that is only described, nobody knows.
    pub(crate) fn tagging(&self, is_describe: bool) -> Tagging {
        if is_describe && self.tagging.changes() {
            return Tagging::Untold;
        }
        self.tagging.clone()
    }

    fn redefines(&self) -> bool {
        self.makes_unnamed || !self.defines.is_empty()
    }

    /// What may do anything.
    fn anything() -> Self {
        Self {
            moves: true,
            defines: BTreeSet::from([Path::default()]),
            temporary: BTreeSet::new(),
            makes_unnamed: true,
            names_elsewhere: true,
            redefines_within: true,
            view_in: None,
            tagging: Tagging::Untold,
        }
    }
}

fn of_one(statement: &Statement) -> Effect {
    let effect = on_names(statement);
    Effect {
        tagging: Tagging::of(statement, &effect),
        ..effect
    }
}

fn on_names(statement: &Statement) -> Effect {
    let first = statement.normalized().unwrap_or_default();
    let first = first.split(' ').next().unwrap_or_default();
    match (statement.kind(), statement.meaning()) {
        (
            Kind::Query
            | Kind::Show
            | Kind::List
            | Kind::UseWarehouse
            | Kind::Insert
            | Kind::Update
            | Kind::Merge
            | Kind::CopyIn
            | Kind::Delete
            | Kind::Truncate
            | Kind::Grant
            | Kind::Put
            | Kind::Get
            | Kind::Remove
            | Kind::Unload,
            Some(_),
        ) => Effect::default(),
        (Kind::Session | Kind::UseRole, Some(_)) => Effect {
            moves: !stays(statement),
            ..Effect::default()
        },
        (Kind::Create | Kind::Alter | Kind::Drop, Some(meaning)) => {
            definition(statement, first, meaning)
        }
        (Kind::Call, Some(meaning)) if calls_functions_alone(first, meaning) => Effect::default(),
        (Kind::Call | Kind::Unknown, Some(_)) | (_, None) => Effect::anything(),
    }
}

/// Tells whether a statement of kind `Session` is one that leaves database and schema alone.
fn stays(statement: &Statement) -> bool {
    let text = statement.normalized().unwrap_or_default();
    let begins = [
        "ALTER SESSION ",
        "SET ",
        "UNSET ",
        "COMMIT",
        "ROLLBACK",
        "START TRANSACTION",
        "BEGIN TRANSACTION",
        "BEGIN WORK",
    ];
    text == "BEGIN" || begins.iter().any(|words| text.starts_with(words))
}

/// Tells whether a statement calls functions alone, which change nothing by themselves.
fn calls_functions_alone(first: &str, meaning: &Meaning) -> bool {
    let is_harmless = |access: &Access| match access.action {
        Action::Call => access.object.class() == Class::Function,
        Action::Read | Action::Write => true,
        Action::Create
        | Action::Alter
        | Action::Drop
        | Action::Grant
        | Action::CopyIn
        | Action::Unload
        | Action::Put
        | Action::Get
        | Action::Session
        | Action::UseRole
        | Action::UseWarehouse => false,
    };
    matches!(first, "SELECT" | "WITH" | "INSERT") && meaning.accesses().iter().all(is_harmless)
}

/// Tells what CREATE, ALTER, DROP, UNDROP and their like do.
fn definition(statement: &Statement, first: &str, meaning: &Meaning) -> Effect {
    let mut effect = Effect::default();
    let defined: Vec<&Access> = meaning.accesses().iter().filter(is_definition).collect();
    let lasts = match first {
        "CREATE" => is_lasting(statement.normalized().unwrap_or_default()),
        // What is renamed or swapped may be temporary, and then so is what has the other name.
        "ALTER" => defined.len() == 1,
        "DROP" | "UNDROP" => true,
        _ => false,
    };
    for access in defined {
        let object = &access.object;
        let place = if object.is_settled() {
            object.path().clone()
        } else {
            Path::default()
        };
        match object.class() {
            // Whoever makes a database or schema is in it from then on; one that goes takes its logins out of it.
            Class::Account | Class::Database | Class::Schema => {
                effect.moves = true;
                // A schema that is renamed or swapped takes temporary objects to other names.
                effect.makes_unnamed |= first == "ALTER" && object.class() != Class::Account;
            }
            Class::Table | Class::View | Class::Relation | Class::Stream | Class::Object => {
                if !lasts && access.action != Action::Drop {
                    effect.makes_unnamed |= !object.is_settled();
                    effect.temporary.insert(place.clone());
                }
                if object.class() == Class::View && first == "CREATE" {
                    // Snowflake, "CREATE VIEW": bare names in its query are of the view's own schema.
                    effect.view_in = place.parent();
                }
            }
            // Names in what is stored are looked up when it runs, and where it is.
            Class::Function | Class::Procedure | Class::Task | Class::Pipe => {
                effect.names_elsewhere = true;
            }
            Class::Stage
            | Class::Warehouse
            | Class::Role
            | Class::User
            | Class::Integration
            | Class::Share => {}
        }
        effect.defines.insert(place);
    }
    // A dynamic table's query, an alert's condition.
    effect.names_elsewhere |= first == "CREATE" && !lasts && effect.temporary.len() == 1 && {
        let text = statement.normalized().unwrap_or_default();
        !text.contains(" TABLE ") || text.contains(" DYNAMIC ")
    };
    effect
}

fn is_definition(access: &&Access) -> bool {
    match access.action {
        Action::Create | Action::Alter | Action::Drop => true,
        Action::Read
        | Action::Write
        | Action::Grant
        | Action::Call
        | Action::CopyIn
        | Action::Unload
        | Action::Put
        | Action::Get
        | Action::Session
        | Action::UseRole
        | Action::UseWarehouse => false,
    }
}

/// Tells whether CREATE makes a table or view that every login sees; all that it does not know may be temporary.
fn is_lasting(text: &str) -> bool {
    let how = [
        "CREATE",
        "OR",
        "REPLACE",
        "ALTER",
        "TRANSIENT",
        "SECURE",
        "RECURSIVE",
        "MATERIALIZED",
    ];
    let what = text.split(' ').find(|word| !how.contains(word));
    matches!(what, Some("TABLE" | "VIEW"))
}

#[cfg(test)]
#[path = "effect_tests.rs"]
mod tests;
