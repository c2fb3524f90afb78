//! What a statement means: what it does to which objects, and where each column's values go.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::kind::Action;
use super::object::{Class, Object, Path};

/// A column of an object; without a name any column of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Column {
    /// Where it is.
    pub object: Object,
    /// Its name; `None` if nobody can tell which it is.
    pub name: Option<String>,
}

/// Writes the column's path, `*` for an unknown name.
impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.object.path();
        let start = if self.object.is_settled() { "" } else { "?." };
        match &self.name {
            Some(name) => write!(f, "{start}{}", path.join(name)),
            None => write!(f, "{start}{path}.*"),
        }
    }
}

/// How a statement uses a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    /// An output column holds its value, or what was made of it.
    Project,
    /// The same for a value that goes elsewhere than into the statement's own result.
    Store,
    /// It decides which rows there are.
    Where,
    /// The same, by being equal to a constant or to one of several.
    Equality,
    /// It decides which rows meet.
    Join,
    /// It decides which rows are one.
    Group,
    /// It decides in which order rows are.
    Order,
    /// It decides over which rows a function works.
    Window,
    /// Something is made of its value.
    Argument,
    /// Its different values are counted, and nothing else is made of them.
    CountDistinct,
}

impl Use {
    /// Gives the word by which corpus and record call the use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Store => "store",
            Self::Where => "where",
            Self::Join => "join",
            Self::Group => "group",
            Self::Order => "order",
            Self::Window => "window",
            Self::Argument => "argument",
            Self::Equality => "equality",
            Self::CountDistinct => "count_distinct",
        }
    }
}

/// A column and one use of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnUse {
    /// How it is used.
    pub how: Use,
    /// The column.
    pub column: Column,
}

impl fmt::Display for ColumnUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.how.name(), self.column)
    }
}

/// What is done to an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Access {
    /// What is done.
    pub action: Action,
    /// To what.
    pub object: Object,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action.name(), self.object)
    }
}

/// One column of a statement's own result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputColumn {
    /// Its name, if the text tells it.
    pub name: Option<String>,
    /// The columns that its values come from.
    pub from: BTreeSet<Column>,
    /// Whether it is one column of one object in every branch, and nothing was made of it.
    pub is_bare: bool,
}

/// The columns of a statement's own result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// These, in this order.
    Known(Vec<OutputColumn>),
    /// Nobody can tell; why.
    Unknown(&'static str),
}

/// What a statement means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    accesses: BTreeSet<Access>,
    columns: BTreeSet<ColumnUse>,
    minted: BTreeSet<ColumnUse>,
    doubts: BTreeSet<&'static str>,
    hidden: BTreeSet<&'static str>,
    output: Output,
    place: Option<Place>,
}

/// Where names without a database or schema are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The database.
    pub database: String,
    /// The schema; `None` if it is not known.
    pub schema: Option<String>,
}

impl Default for Meaning {
    /// Touches nothing and gives a result without columns of anybody's.
    fn default() -> Self {
        Self {
            accesses: BTreeSet::new(),
            columns: BTreeSet::new(),
            minted: BTreeSet::new(),
            doubts: BTreeSet::new(),
            hidden: BTreeSet::new(),
            output: Output::Known(Vec::new()),
            place: None,
        }
    }
}

impl Meaning {
    /// Adds what is done to an object.
    pub(super) fn touch(&mut self, action: Action, object: Object) {
        self.accesses.insert(Access { action, object });
    }

    /// Takes back what was said of an object that is another.
    pub(super) fn forget(&mut self, action: Action, object: &Object) {
        let object = object.clone();
        self.accesses.remove(&Access { action, object });
    }

    /// Says that a relation that nobody knew is this object.
    pub(super) fn settle(&mut self, object: &Object) {
        let unknown = Access {
            action: Action::Read,
            object: Object::new(Class::Relation, object.path().clone()),
        };
        if self.accesses.remove(&unknown) {
            self.touch(Action::Read, object.clone());
        }
    }

    /// Adds a use of a column, or of what stands for a credential.
    pub(super) fn use_column(&mut self, how: Use, column: Column) {
        let uses = if column.is_minted() {
            &mut self.minted
        } else {
            &mut self.columns
        };
        uses.insert(ColumnUse { how, column });
    }

    /// Says what the result's columns are.
    pub(super) fn give(&mut self, output: Output) {
        self.output = output;
    }

    /// Says what about columns cannot be followed.
    pub(super) fn doubt(&mut self, why: &'static str) {
        self.doubts.insert(why);
    }

    /// Says what runs code that may do anything, to columns and to objects.
    pub(super) fn hide(&mut self, why: &'static str) {
        self.doubts.insert(why);
        self.hidden.insert(why);
    }

    /// Says that what was the result goes elsewhere.
    pub(super) fn set_stored(&mut self) {
        let stored = |found: ColumnUse| ColumnUse {
            how: if found.how == Use::Project {
                Use::Store
            } else {
                found.how
            },
            ..found
        };
        for uses in [&mut self.columns, &mut self.minted] {
            *uses = std::mem::take(uses).into_iter().map(stored).collect();
        }
        self.output = Output::Known(Vec::new());
    }

    /// Adds all that a part means; the result stays this one's.
    pub(super) fn absorb(&mut self, part: Self) {
        self.accesses.extend(part.accesses);
        self.absorb_columns(Self {
            accesses: BTreeSet::new(),
            ..part
        });
    }

    /// Adds how a part uses columns, and what of it cannot be followed; what it does to objects is another's right.
    pub(super) fn absorb_columns(&mut self, part: Self) {
        self.columns.extend(part.columns);
        self.minted.extend(part.minted);
        self.doubts.extend(part.doubts);
        self.hidden.extend(part.hidden);
    }

    /// Says where the login is once the statement ran.
    pub(super) fn go(&mut self, place: Place) {
        self.place = Some(place);
    }

    /// Tells where the login is once the statement ran, if that changes.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Tells whether names may mean another thing once the statement ran.
    #[must_use]
    pub fn changes_names(&self) -> bool {
        let changes = |access: &Access| {
            matches!(access.action, Action::Create | Action::Alter | Action::Drop)
        };
        self.place.is_some() || self.accesses.iter().any(changes)
    }

    /// Says why the uses of columns may be more than those that are listed; nothing if they are all.
    #[must_use]
    pub fn doubts(&self) -> &BTreeSet<&'static str> {
        &self.doubts
    }

    /// Says why more may be done to objects than what is listed; nothing if that is all.
    #[must_use]
    pub fn hidden(&self) -> &BTreeSet<&'static str> {
        &self.hidden
    }

    /// Lists what is done to which objects, in order.
    #[must_use]
    pub fn accesses(&self) -> &BTreeSet<Access> {
        &self.accesses
    }

    /// Lists the uses of columns, in order.
    #[must_use]
    pub fn columns(&self) -> &BTreeSet<ColumnUse> {
        &self.columns
    }

    /// Lists the uses of credentials that Snowflake mints for the statement, in order.
    #[must_use]
    pub fn minted(&self) -> &BTreeSet<ColumnUse> {
        &self.minted
    }

    /// Gives the columns of the result.
    #[must_use]
    pub fn output(&self) -> &Output {
        &self.output
    }
}

/// An object that may hold rows.
impl Object {
    /// Tells whether columns may be asked of it.
    #[must_use]
    pub fn has_columns(&self) -> bool {
        matches!(
            self.class(),
            Class::Table | Class::View | Class::Relation | Class::Stream
        )
    }

    /// Gives one of its columns.
    #[must_use]
    pub fn column(&self, name: Option<&str>) -> Column {
        Column {
            object: self.clone(),
            name: name.map(str::to_owned),
        }
    }

    /// Gives a relation of whole path.
    #[must_use]
    pub fn relation(class: Class, database: &str, schema: &str, name: &str) -> Self {
        let names = [database, schema, name].map(str::to_owned);
        Self::new(class, Path::new(names.to_vec()))
    }
}
