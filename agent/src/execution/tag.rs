//! Whether somebody has set a login's query tag, as far as it is known. Pure but for its lock.
//!
//! Snowflake takes a tag of the request's before the login's, and that before the user's and the account's. Where one of
//! these has it, or that is not known, Icecore adds none.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::effect::Effect;
use crate::mask::{Aftermath, Ended};
use crate::snowflake::tag::QUERY_TAG;
use crate::statement::{Assigned, Kind, Statement};

/// Words with which statements begin that leave a login's parameters alone, whatever they hold.
const KEEP: [&str; 31] = [
    "SELECT", "WITH", "VALUES", "INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "COPY", "SHOW",
    "DESCRIBE", "DESC", "EXPLAIN", "LIST", "LS", "REMOVE", "RM", "PUT", "GET", "GRANT", "REVOKE",
    "USE", "CREATE", "ALTER", "DROP", "UNDROP", "COMMENT", "SET", "UNSET", "COMMIT", "ROLLBACK",
];

/// Texts that begin a transaction, and no block; a name may follow.
const BEGIN: [&str; 4] = [
    "BEGIN",
    "BEGIN WORK",
    "BEGIN TRANSACTION",
    "START TRANSACTION",
];

/// What changes parameters of a user or of all.
const OF_OTHERS: [&str; 2] = ["ALTER USER ", "ALTER ACCOUNT "];

/// Whose tag statements of a login have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Nobody has set one.
    Unset,
    /// The client has.
    Client(String),
    /// Somebody else has, for the user or the account.
    Other,
    /// That is not known.
    Unknown,
}

/// What a statement does to the tag of later ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tagging {
    /// Nothing.
    #[default]
    Keeps,
    /// It shows it: a client that keeps what it is shown would set a tag of Icecore's as its own, as dbt does after a model.
    Shows,
    /// It sets it.
    Sets(String),
    /// It takes it away.
    Unsets,
    /// It may do anything to it.
    Untold,
}

impl Tagging {
    /// Tells what a statement of a known effect does.
    pub(super) fn of(statement: &Statement, effect: &Effect) -> Self {
        if effect.tagging == Self::Untold {
            return Self::Untold;
        }
        let text = statement.normalized().unwrap_or_default();
        if text.starts_with("ALTER SESSION ") {
            return match statement.assigns(QUERY_TAG) {
                Assigned::Kept => Self::Keeps,
                Assigned::Value(tag) => Self::Sets(tag),
                Assigned::Unset => Self::Unsets,
                Assigned::Untold => Self::Untold,
            };
        }
        if text.starts_with("SHOW PARAMETERS") {
            return Self::Shows;
        }
        if OF_OTHERS.iter().any(|words| text.starts_with(words)) {
            return Self::Untold;
        }
        let first = text.split(' ').next().unwrap_or_default();
        let begins = |words: &&str| match text.strip_prefix(*words) {
            Some(rest) => rest.is_empty() || rest.starts_with(" NAME "),
            None => false,
        };
        let begins = statement.kind() == Kind::Session && BEGIN.iter().any(begins);
        if begins || KEEP.contains(&first) || text.starts_with('(') {
            Self::Keeps
        } else {
            Self::Untold
        }
    }

    /// Adds what a later statement of the same text does.
    pub(super) fn then(&mut self, next: Self) {
        match (&*self, next) {
            (Self::Untold, _) | (_, Self::Keeps) | (Self::Sets(_) | Self::Unsets, Self::Shows) => {}
            (Self::Keeps | Self::Shows | Self::Sets(_) | Self::Unsets, next) => *self = next,
        }
    }

    /// Tells whether later statements may have another tag by it.
    pub(super) fn changes(&self) -> bool {
        match self {
            Self::Keeps | Self::Shows => false,
            Self::Sets(_) | Self::Unsets | Self::Untold => true,
        }
    }
}

/// What is known of a login's tag.
#[derive(Debug)]
pub(crate) struct Tags(Mutex<State>);

#[derive(Debug)]
struct State {
    now: Tag,
    /// What it is where the login has none of its own.
    default: Tag,
    /// How many statements that may change it are under way.
    changing: usize,
    /// Whether some of these ran beside each other.
    is_mixed: bool,
    /// Whether Snowflake may change it at any moment.
    is_lost: bool,
}

/// A statement that may change the tag and was let go to Snowflake; one whose end is never told leaves it unknown.
#[derive(Debug)]
#[must_use = "what it left behind is not known before it is told"]
pub(crate) struct Begun(Tagging);

impl Tags {
    /// Begins with what a login said, and with what it is where it said nothing.
    pub(super) fn new(own: Option<String>, default: Tag) -> Self {
        let now = own.map_or_else(|| default.clone(), Tag::Client);
        Self(Mutex::new(State {
            now,
            default,
            changing: 0,
            is_mixed: false,
            is_lost: false,
        }))
    }

    /// Gives the tag of a statement that is sent now.
    pub(crate) fn now(&self) -> Tag {
        let state = self.state();
        if state.changing > 0 || state.is_lost {
            return Tag::Unknown;
        }
        state.now.clone()
    }

    /// Gives what it is where a login has none of its own.
    pub(crate) fn of_user(&self) -> Tag {
        self.state().default.clone()
    }

    /// Notes that a statement is about to be sent.
    pub(crate) fn begin(&self, tagging: Tagging) -> Begun {
        let mut state = self.state();
        if tagging.changes() {
            state.is_mixed |= state.changing > 0;
            state.changing += 1;
        }
        if tagging == Tagging::Untold {
            // It may change the user's own, too.
            state.default = Tag::Unknown;
        }
        Begun(tagging)
    }

    /// Notes what became of it.
    pub(crate) fn end(&self, begun: Begun, aftermath: &Aftermath, ended: &Ended) {
        let Begun(tagging) = begun;
        if !tagging.changes() {
            return;
        }
        let mut state = self.state();
        state.changing = state.changing.saturating_sub(1);
        state.is_lost |= *aftermath == Aftermath::Open;
        let is_sure = !state.is_mixed && matches!(ended, Ended::Succeeded);
        state.now = match tagging {
            Tagging::Sets(tag) if is_sure => Tag::Client(tag),
            Tagging::Unsets if is_sure => state.default.clone(),
            Tagging::Sets(_)
            | Tagging::Unsets
            | Tagging::Untold
            | Tagging::Keeps
            | Tagging::Shows => Tag::Unknown,
        };
        if state.changing == 0 {
            state.is_mixed = false;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "tag_tests.rs"]
mod tests;
