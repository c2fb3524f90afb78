//! Where a value comes from, and what a query's rows are made of.

use std::collections::BTreeSet;

use crate::statement::meaning::Column;
use crate::statement::object::Object;

/// What a value is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    /// The columns that decide it.
    pub(super) from: BTreeSet<Column>,
    /// Whether it is one column's value as that is.
    pub(super) is_bare: bool,
}

impl Flow {
    /// A value that no column decides.
    pub(super) fn nothing() -> Self {
        Self {
            from: BTreeSet::new(),
            is_bare: false,
        }
    }

    /// One column's value.
    pub(super) fn of(column: Column) -> Self {
        Self {
            from: BTreeSet::from([column]),
            is_bare: true,
        }
    }

    /// A value that something was made of.
    pub(super) fn made(mut self) -> Self {
        self.is_bare = false;
        self
    }

    /// Adds what another value is made of: from now on it is one of both.
    pub(super) fn add(&mut self, other: Self) {
        self.from.extend(other.from);
        self.is_bare = false;
    }

    /// Says that the value is this one's in one row and the other's in the next.
    pub(super) fn or(&mut self, other: Self) {
        self.is_bare = self.is_bare && other.is_bare;
        self.from.extend(other.from);
    }
}

/// One or more columns of a query's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// One column.
    One {
        /// Its name, if it has one that can be told.
        name: Option<String>,
        /// What its values are made of.
        flow: Flow,
    },
    /// All columns of an object whose columns nobody knows, but for some.
    Rest {
        /// Whose.
        object: Object,
        /// Those that are not among them.
        without: BTreeSet<String>,
    },
}

impl Item {
    /// A named column.
    pub(super) fn named(name: &str, flow: Flow) -> Self {
        Self::One {
            name: Some(name.to_owned()),
            flow,
        }
    }

    /// What a column of this name is made of, if it can be among these.
    pub(super) fn find(&self, wanted: &str) -> Option<Flow> {
        match self {
            Self::One { name, flow } => (name.as_deref() == Some(wanted)).then(|| flow.clone()),
            Self::Rest { object, without } => {
                (!without.contains(wanted)).then(|| Flow::of(object.column(Some(wanted))))
            }
        }
    }

    /// What any of the columns is made of.
    pub(super) fn whole(&self) -> Flow {
        match self {
            Self::One { flow, .. } => flow.clone(),
            Self::Rest { object, .. } => Flow::of(object.column(None)),
        }
    }

    /// Tells whether it is one column that is there for sure.
    pub(super) fn is_one(&self) -> bool {
        matches!(self, Self::One { .. })
    }
}

/// Rows under a name.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// The names by which columns may be called its own, the outermost first.
    pub(super) names: Vec<String>,
    /// Their columns.
    pub(super) items: Vec<Item>,
    /// Names of columns that `*` does not repeat: rows to the left have them, by USING or NATURAL.
    pub(super) shared: BTreeSet<String>,
}

impl Source {
    /// Rows that have no name yet.
    pub(super) fn unnamed(items: Vec<Item>) -> Self {
        Self::named(Vec::new(), items)
    }

    /// Rows that are called by names.
    pub(super) fn named(names: Vec<String>, items: Vec<Item>) -> Self {
        Self {
            names,
            items,
            shared: BTreeSet::new(),
        }
    }

    /// Lists the columns that `*` gives of these rows.
    pub(super) fn shown(&self) -> impl Iterator<Item = Item> {
        self.items
            .iter()
            .filter(|item| match item {
                Item::One {
                    name: Some(name), ..
                } => !self.shared.contains(name),
                Item::One { name: None, .. } | Item::Rest { .. } => true,
            })
            .cloned()
    }

    /// Tells whether `qualifier` calls these rows: an alias, or the end of a table's path.
    pub(super) fn is_called(&self, qualifier: &[String]) -> bool {
        self.names.ends_with(qualifier)
    }

    /// What a column of this name is made of, if these rows can have one.
    pub(super) fn find(&self, name: &str) -> Option<Found> {
        let mut found: Option<Found> = None;
        for item in &self.items {
            let Some(flow) = item.find(name) else {
                continue;
            };
            let is_sure = item.is_one();
            match &mut found {
                None => found = Some(Found { flow, is_sure }),
                Some(earlier) => {
                    earlier.flow.or(flow);
                    earlier.is_sure |= is_sure;
                }
            }
        }
        found
    }

    /// What any column of these rows is made of.
    pub(super) fn whole(&self) -> Flow {
        whole(&self.items)
    }
}

/// What any of some columns is made of.
pub(super) fn whole(items: &[Item]) -> Flow {
    let mut flow = Flow::nothing();
    for item in items {
        flow.add(item.whole());
    }
    flow
}

/// A column that was looked for.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// What it is made of.
    pub(super) flow: Flow,
    /// Whether it is there for sure, so that the name cannot be another's.
    pub(super) is_sure: bool,
}
