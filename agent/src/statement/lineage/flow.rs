//! Where a value comes from, and what a query's rows are made of.

use std::collections::{BTreeMap, BTreeSet};

use crate::statement::meaning::Column;
use crate::statement::object::Object;

/// What a value is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    /// The columns that decide it.
    pub(super) from: BTreeSet<Column>,
    /// Whether it is one column's value as that is.
    pub(super) is_bare: bool,
    /// Whether that is the same column in each row: of several, an agent may have chosen the values of one.
    pub(super) is_of_one: bool,
}

impl Flow {
    /// A value that no column decides.
    pub(super) fn nothing() -> Self {
        Self {
            from: BTreeSet::new(),
            is_bare: false,
            is_of_one: true,
        }
    }

    /// One column's value.
    pub(super) fn of(column: Column) -> Self {
        Self {
            from: BTreeSet::from([column]),
            is_bare: true,
            is_of_one: true,
        }
    }

    /// A value that something was made of.
    pub(super) fn made(mut self) -> Self {
        self.is_bare = false;
        self
    }

    /// Adds what another value is made of: from now on it is one of both.
    pub(super) fn add(&mut self, other: Self) {
        if self.from.is_empty() {
            self.from = other.from;
        } else {
            self.from.extend(other.from);
        }
        self.is_bare = false;
        self.is_of_one = self.is_of_one && other.is_of_one;
    }

    /// Says that the value is this one's in one row and the other's in the next.
    pub(super) fn or(&mut self, other: Self) {
        self.is_bare = self.is_bare && other.is_bare;
        self.is_of_one = self.is_of_one && other.is_of_one && self.from == other.from;
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
    /// No column: says that the others stand in an order that is not known.
    Unplaced,
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
            Self::Unplaced => None,
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
            Self::Unplaced => Flow::nothing(),
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
    /// What such columns of these rows are in `*`, which may be of either side.
    pub(super) joined: BTreeMap<String, Flow>,
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
            joined: BTreeMap::new(),
        }
    }

    /// Lists the columns that `*` gives of these rows.
    pub(super) fn shown(&self) -> Vec<Item> {
        let mut shown = Vec::new();
        for item in &self.items {
            match item {
                Item::One {
                    name: Some(name), ..
                } if self.shared.contains(name) => {}
                Item::One {
                    name: Some(name), ..
                } if self.joined.contains_key(name) => {
                    let flow = self.joined.get(name).cloned();
                    shown.push(Item::named(name, flow.unwrap_or_else(Flow::nothing)));
                }
                Item::One { .. } | Item::Rest { .. } | Item::Unplaced => shown.push(item.clone()),
            }
        }
        shown
    }

    /// What the columns are made of whose names cannot be told; `None` if there are none.
    pub(super) fn nameless(&self) -> Option<Flow> {
        let mut nameless = self
            .items
            .iter()
            .filter(|item| matches!(item, Item::One { name: None, .. }))
            .map(Item::whole);
        let first = nameless.next()?.made();
        Some(nameless.fold(first, |mut flow, next| {
            flow.add(next);
            flow
        }))
    }

    /// What the n-th column is made of, from 1; of rows that share columns with others, any: whether those count is not
    /// known.
    pub(super) fn nth(&self, number: usize) -> Flow {
        if self.shared.is_empty() && self.joined.is_empty() {
            nth(&self.items, number)
        } else {
            self.whole().made()
        }
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
            Found::join(&mut found, Found { flow, is_sure });
        }
        found
    }

    /// What any column of these rows is made of.
    pub(super) fn whole(&self) -> Flow {
        whole(&self.items)
    }
}

/// What the n-th of some columns is made of, from 1; what all are made of if their order cannot be told.
pub(super) fn nth(items: &[Item], number: usize) -> Flow {
    let known = items.iter().take(number).all(Item::is_one);
    match number.checked_sub(1).and_then(|place| items.get(place)) {
        Some(item) if known => item.whole(),
        Some(_) | None => whole(items).made(),
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

impl Found {
    /// Joins what two places say of a name; either may be meant.
    pub(super) fn join(found: &mut Option<Self>, next: Self) {
        match found {
            None => *found = Some(next),
            Some(earlier) => {
                earlier.flow.or(next.flow);
                earlier.is_sure |= next.is_sure;
            }
        }
    }
}
