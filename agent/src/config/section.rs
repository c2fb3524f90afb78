//! One table of the config file: keys are taken by name and type, and what is left over is told.

use std::ops::RangeInclusive;

use toml::{Table, Value};

use super::problem::{Problems, nearest};

/// Longest value that a problem repeats, in characters; the rest is cut.
const SHOWN_CHARACTERS: usize = 80;

/// What a list may hold.
pub(super) struct List {
    /// What its members are called.
    pub(super) of: &'static str,
    /// What each must look like.
    pub(super) member: &'static str,
    /// How many there may be.
    pub(super) count: RangeInclusive<usize>,
}

impl List {
    pub(super) fn expected(&self) -> String {
        let (least, most) = (*self.count.start(), self.count.end());
        let range = if least == 0 {
            "at most".to_owned()
        } else {
            format!("{least} to")
        };
        format!("a list of {range} {most} {}", self.of)
    }
}

/// A table of the file, with the name it has there.
pub(super) struct Section<'p> {
    name: String,
    table: Table,
    known: Vec<&'static str>,
    problems: &'p Problems,
}

impl<'p> Section<'p> {
    /// Starts at the top of the file.
    pub(super) fn root(table: Table, problems: &'p Problems) -> Self {
        Self {
            name: String::new(),
            table,
            known: Vec::new(),
            problems,
        }
    }

    /// Takes a table below this one; an absent one reads as empty.
    pub(super) fn section(&mut self, key: &'static str) -> Self {
        let table = self
            .optional(key, "a table", |value| value.as_table().cloned())
            .unwrap_or_default();
        self.below(self.key(key), table)
    }

    /// Takes a list of tables (`[[key]]`); an absent one reads as empty.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Self> {
        let tables = self.optional(key, "tables, each under `[[...]]`", |value| {
            value
                .as_array()?
                .iter()
                .map(|one| one.as_table().cloned())
                .collect::<Option<Vec<Table>>>()
        });
        tables
            .unwrap_or_default()
            .into_iter()
            .enumerate()
            .map(|(index, table)| self.below(format!("{}[{index}]", self.key(key)), table))
            .collect()
    }

    /// Takes a value that may be absent.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        self.known.push(key);
        let value = self.table.remove(key)?;
        let meant = read(&value);
        if meant.is_none() {
            self.problems.add(self.key(key), expected, shown(&value));
        }
        meant
    }

    /// Takes a value that may be absent, and that is never repeated: what is typed here by mistake may be a secret.
    pub(super) fn optional_unshown<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        self.known.push(key);
        let meant = read(&self.table.remove(key)?);
        if meant.is_none() {
            let found = "something else, not shown here since it may be a secret";
            self.problems.add(self.key(key), expected, found);
        }
        meant
    }

    /// Takes a value that must be there; gives a placeholder, and tells with an example, when it is not.
    pub(super) fn required<T: Default>(
        &mut self,
        key: &'static str,
        expected: &str,
        example: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> T {
        if !self.table.contains_key(key) {
            self.known.push(key);
            self.tell_missing(key, expected, example);
            return T::default();
        }
        self.optional(key, expected, read).unwrap_or_default()
    }

    /// Takes a list of different values, so many of them; tells which member is wrong.
    pub(super) fn list<T: PartialEq>(
        &mut self,
        key: &'static str,
        members: &List,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<Vec<T>> {
        let array = self.optional(key, &members.expected(), |value| {
            let array = value.as_array()?;
            members.count.contains(&array.len()).then(|| array.clone())
        })?;
        let mut list: Vec<T> = Vec::with_capacity(array.len());
        for (index, value) in array.iter().enumerate() {
            match read(value) {
                Some(meant) if list.contains(&meant) => {
                    let found = format!("{} again", shown(value));
                    self.tell_member(key, index, "each only once", &found);
                }
                Some(meant) => list.push(meant),
                None => self.tell_member(key, index, members.member, &shown(value)),
            }
        }
        (list.len() == array.len()).then_some(list)
    }

    /// Notes a problem with a member of a list.
    pub(super) fn tell_member(&self, key: &str, index: usize, expected: &str, found: &str) {
        let place = format!("{}[{index}]", self.key(key));
        self.problems.add(place, expected, found);
    }

    /// Tells that a key is missing, and shows one.
    pub(super) fn tell_missing(&self, key: &str, expected: &str, example: &str) {
        let expected = format!("{expected}; it is required, such as `{key} = {example}`");
        self.tell(key, expected, "nothing");
    }

    /// Tells whether a key stands here.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Takes a key away, if it is there; what it holds is not looked at.
    pub(super) fn take_away(&mut self, key: &str) -> bool {
        self.table.remove(key).is_some()
    }

    /// Notes a problem with a key of this table.
    pub(super) fn tell(&self, key: &str, expected: impl Into<String>, found: impl Into<String>) {
        self.problems.add(self.key(key), expected, found);
    }

    /// Tells whether a key of this table has a problem.
    pub(super) fn is_told(&self, key: &str) -> bool {
        self.problems.has(&self.key(key))
    }

    /// Tells whether a key of this table, or one below it, has a problem.
    pub(super) fn has_within(&self, key: &str) -> bool {
        self.problems.has_within(&self.key(key))
    }

    /// Reads on inside a table that was taken from this one.
    pub(super) fn inside(&self, key: &str, table: Table) -> Self {
        self.below(self.key(key), table)
    }

    /// Takes all keys that are left, for tables whose keys are the user's own words.
    pub(super) fn rest(&mut self) -> Table {
        std::mem::take(&mut self.table)
    }

    /// Names a key of this table in full.
    pub(super) fn key(&self, key: &str) -> String {
        let bare = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
        let word = if key.chars().all(bare) {
            key.to_owned()
        } else {
            format!("{key:?}")
        };
        if self.name.is_empty() {
            return word;
        }
        format!("{}.{word}", self.name)
    }

    /// Tells what nobody asked for.
    pub(super) fn finish(self) {
        for key in self.table.keys() {
            let hint = nearest(key, &self.known)
                .map(|word| format!(" (did you mean `{word}`?)"))
                .unwrap_or_default();
            let expected = format!("one of the keys {}", self.known.join(", "));
            self.problems
                .add(self.key(key), expected, format!("an unknown key{hint}"));
        }
    }

    fn below(&self, name: String, table: Table) -> Self {
        Self {
            name,
            table,
            known: Vec::new(),
            problems: self.problems,
        }
    }
}

/// Shows a value as it was typed, cut to a readable length.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Table(_) => "a table".to_owned(),
        Value::Array(members) => format!("a list of {}", members.len()),
        Value::String(text) if text.chars().count() > SHOWN_CHARACTERS => {
            let cut: String = text.chars().take(SHOWN_CHARACTERS).collect();
            format!("{cut:?}...")
        }
        Value::String(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Datetime(moment) => moment.to_string(),
    }
}
