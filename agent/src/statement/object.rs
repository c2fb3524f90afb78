//! Objects that a statement names, as Snowflake resolves their names.
//!
//! Source of the rules: Snowflake's reference, "Identifier requirements" and "Object name resolution".

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What an object is; policies have an entity type for most of them (design section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// The account itself.
    Account,
    /// A database.
    Database,
    /// A schema.
    Schema,
    /// A table of any kind.
    Table,
    /// A view of any kind.
    View,
    /// Rows by a name that nothing has settled: a table or a view.
    Relation,
    /// A stage.
    Stage,
    /// A function that is not built in.
    Function,
    /// A stored procedure.
    Procedure,
    /// A task.
    Task,
    /// A pipe.
    Pipe,
    /// A stream.
    Stream,
    /// A virtual warehouse.
    Warehouse,
    /// A role.
    Role,
    /// A user.
    User,
    /// An integration.
    Integration,
    /// A share.
    Share,
    /// Whatever else has a name.
    Object,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 18] = [
        Self::Account,
        Self::Database,
        Self::Schema,
        Self::Table,
        Self::View,
        Self::Relation,
        Self::Stage,
        Self::Function,
        Self::Procedure,
        Self::Task,
        Self::Pipe,
        Self::Stream,
        Self::Warehouse,
        Self::Role,
        Self::User,
        Self::Integration,
        Self::Share,
        Self::Object,
    ];

    /// Gives the word by which the record calls the class.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Database => "database",
            Self::Schema => "schema",
            Self::Table => "table",
            Self::View => "view",
            Self::Relation => "relation",
            Self::Stage => "stage",
            Self::Function => "function",
            Self::Procedure => "procedure",
            Self::Task => "task",
            Self::Pipe => "pipe",
            Self::Stream => "stream",
            Self::Warehouse => "warehouse",
            Self::Role => "role",
            Self::User => "user",
            Self::Integration => "integration",
            Self::Share => "share",
            Self::Object => "object",
        }
    }

    /// Tells how many names lead to an object of the class: 0 for the account, 1 at the account, 2 in a database, 3 in a
    /// schema.
    #[must_use]
    pub fn depth(self) -> usize {
        match self {
            Self::Account => 0,
            Self::Database
            | Self::Warehouse
            | Self::Role
            | Self::User
            | Self::Integration
            | Self::Share => 1,
            Self::Schema => 2,
            Self::Table
            | Self::View
            | Self::Relation
            | Self::Stage
            | Self::Function
            | Self::Procedure
            | Self::Task
            | Self::Pipe
            | Self::Stream
            | Self::Object => 3,
        }
    }
}

/// Names from the outermost on, each exactly as Snowflake keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct Path(Arc<[String]>);

impl From<Vec<String>> for Path {
    fn from(names: Vec<String>) -> Self {
        Self::new(names)
    }
}

impl From<Path> for Vec<String> {
    fn from(path: Path) -> Self {
        path.0.to_vec()
    }
}

impl Path {
    /// Makes a path of names.
    #[must_use]
    pub fn new(names: Vec<String>) -> Self {
        Self(names.into())
    }

    /// Gives the names.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Gives the path of what this one is in; `None` at the account.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, outer) = self.0.split_last()?;
        (!outer.is_empty()).then(|| Self(outer.into()))
    }

    /// Gives the path of a name in this one.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        Self(self.0.iter().cloned().chain([name.to_owned()]).collect())
    }
}

/// Writes names joined by dots; those that SQL would fold or could not read are quoted.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(".")?;
            }
            if is_plain(name) {
                f.write_str(name)?;
            } else {
                write!(f, "\"{}\"", name.replace('"', "\"\""))?;
            }
        }
        Ok(())
    }
}

/// Tells whether a name means itself without quotes.
pub(super) fn is_plain(name: &str) -> bool {
    let mut letters = name.bytes();
    let first = letters.next();
    first.is_some_and(|first| first.is_ascii_uppercase() || first == b'_')
        && letters.all(|letter| {
            letter.is_ascii_uppercase() || letter.is_ascii_digit() || b"_$".contains(&letter)
        })
}

/// An object that a statement names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Object {
    class: Class,
    path: Path,
}

impl Object {
    /// The account itself.
    #[must_use]
    pub fn account() -> Self {
        Self::new(Class::Account, Path::default())
    }

    /// Makes an object of its class and of as much of its path as is known.
    #[must_use]
    pub fn new(class: Class, path: Path) -> Self {
        Self { class, path }
    }

    /// Tells what it is.
    #[must_use]
    pub fn class(&self) -> Class {
        self.class
    }

    /// Gives its path: the whole one, or what the text says of it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells whether the whole path is known; what is not settled may be anywhere in the account.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.path.0.len() == self.class.depth()
    }
}

/// Writes class and path; an unsettled path begins with `?`.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class.name())?;
        match (self.class, self.is_settled()) {
            (Class::Account, _) => Ok(()),
            (_, true) => write!(f, " {}", self.path),
            (_, false) => write!(f, " ?.{}", self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(names: &[&str]) -> Path {
        Path::new(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn an_object_is_told_as_sql_would_name_it() {
        let told = |class, names: &[&str]| Object::new(class, path(names)).to_string();
        assert_eq!(told(Class::Table, &["DB", "S", "T"]), "table DB.S.T");
        assert_eq!(
            told(Class::Table, &["DB", "s", "a\"b"]),
            "table DB.\"s\".\"a\"\"b\""
        );
        assert_eq!(told(Class::Stage, &["T"]), "stage ?.T");
        assert_eq!(told(Class::Role, &["R1"]), "role R1");
        assert_eq!(told(Class::Schema, &["1A", "S$"]), "schema \"1A\".S$");
        assert_eq!(Object::account().to_string(), "account");
    }
}
