//! What has been used, as policies read it. Who keeps it, and for how long, is told elsewhere.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ask::{Ask, Resource};
use super::detector::Detector;
use super::discharged::Discharged;
use super::link::LinkGrade;
use crate::statement::Statement;

/// Most columns that are told apart in one scope; with more, the count is as high as it can be.
const COLUMNS_MAX: usize = 256;

/// The first 16 bytes of SHA-256 over a column's account and whole path: enough to tell columns apart, and no name.
type ColumnId = [u64; 2];

/// What was used in one scope. No count ever goes past its type's end: there it stays, as high as it can be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Used {
    /// Statements that were let go, each of a batch for itself.
    pub statements: u64,
    /// Rows that were delivered.
    pub rows: u64,
    /// Bytes of results that were delivered, plain.
    pub bytes: u64,
    /// Statements that were refused or failed since the last that succeeded.
    pub failures: u64,
    /// Columns with a tag that statements which were let go used.
    columns: BTreeSet<ColumnId>,
    /// Such columns beside those.
    more_columns: u64,
}

impl Used {
    /// More of everything than any budget has: what there is no room to count.
    pub const MANY: Self = Self {
        statements: u64::MAX,
        rows: u64::MAX,
        bytes: u64::MAX,
        failures: u64::MAX,
        columns: BTreeSet::new(),
        more_columns: u64::MAX,
    };

    /// Nothing yet.
    pub const NONE: Self = Self {
        statements: 0,
        rows: 0,
        bytes: 0,
        failures: 0,
        columns: BTreeSet::new(),
        more_columns: 0,
    };

    /// Counts a statement that was let go.
    pub fn let_go(&mut self, taken: &Taken) {
        self.statements = self.statements.saturating_add(taken.statements);
        self.columns.extend(&taken.columns);
        if self.columns.len() > COLUMNS_MAX {
            self.columns.clear();
            self.more_columns = u64::MAX;
        }
    }

    /// Counts what was delivered.
    pub fn delivered(&mut self, rows: u64, bytes: u64) {
        self.rows = self.rows.saturating_add(rows);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Counts a statement that was refused or failed.
    pub fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Notes a statement that succeeded.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Gives every count by its name in policies, with what the statement being judged has taken so far.
    pub(super) fn counts(&self, taken: &Taken) -> [(&'static str, u64); 5] {
        let fresh = taken.columns.difference(&self.columns).count();
        let columns = u64::try_from(self.columns.len() + fresh).unwrap_or(u64::MAX);
        [
            (
                "statements",
                self.statements.saturating_add(taken.statements),
            ),
            ("rows", self.rows),
            ("bytes", self.bytes),
            ("failures", self.failures),
            (
                "sensitive_columns",
                columns.saturating_add(self.more_columns),
            ),
        ]
    }
}

/// What was used, as somebody states it who asks what policies would say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "each is the count of its name in policies")]
pub struct Stated {
    pub statements: u64,
    pub rows: u64,
    pub bytes: u64,
    pub failures: u64,
    /// None of them is a column of the statement that is asked about.
    pub sensitive_columns: u64,
}

impl From<Stated> for Used {
    fn from(stated: Stated) -> Self {
        let Stated {
            statements,
            rows,
            bytes,
            failures,
            sensitive_columns,
        } = stated;
        Self {
            statements,
            rows,
            bytes,
            failures,
            columns: BTreeSet::new(),
            more_columns: sensitive_columns,
        }
    }
}

/// What one statement takes of budgets as it is let go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    statements: u64,
    columns: BTreeSet<ColumnId>,
}

impl Taken {
    /// Adds the columns that questions are about and that are known to have a tag.
    pub(super) fn use_columns<'a>(
        &mut self,
        account: &str,
        asks: impl IntoIterator<Item = &'a Ask>,
    ) {
        for ask in asks {
            if let Resource::Column {
                path,
                name,
                tags: Some(tags),
                ..
            } = &ask.resource
                && !tags.is_empty()
            {
                self.columns
                    .insert(column_id(&format!("{account}.{}", path.join(name))));
            }
        }
    }

    /// Adds one statement, which was found good.
    pub(super) fn one(&mut self) {
        self.statements += 1;
    }

    /// Counts all of a text's statements, also those that were not looked at.
    pub(super) fn all_of(self, statement: &Statement) -> Self {
        let parts = statement.parts().len().max(1);
        Self {
            statements: u64::try_from(parts).unwrap_or(u64::MAX),
            ..self
        }
    }
}

fn column_id(name: &str) -> ColumnId {
    let digest = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
    let mut words = [0; 2];
    for (word, bytes) in words.iter_mut().zip(digest.as_ref().as_chunks().0) {
        *word = u64::from_be_bytes(*bytes);
    }
    words
}

/// What is another for each statement that is judged: the time, what was used before it, what its text
/// holds, and where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Usage<'a> {
    /// The time, UTC.
    pub now: DateTime<Utc>,
    /// What the session used, or why nobody knows.
    pub session: Result<&'a Used, &'a str>,
    /// What the principal used today, or why nobody knows.
    pub today: Result<&'a Used, &'a str>,
    /// The detectors that find something in the text or in what is bound; none if nobody looked.
    pub found: Option<&'a BTreeSet<Detector>>,
    /// Which call of a model it comes from, as far as it is known.
    pub link: LinkGrade,
    /// The rules that people lifted for it, if they were asked.
    pub discharged: Option<&'a Discharged>,
}

impl<'a> Usage<'a> {
    /// Gives the time alone, for policies that read nothing else: others refuse.
    #[must_use]
    pub fn unread(now: DateTime<Utc>) -> Self {
        let unread = Err("it was not looked up, a bug of Icecore's own");
        Self {
            now,
            session: unread,
            today: unread,
            found: None,
            link: LinkGrade::UNKNOWN,
            discharged: None,
        }
    }

    /// Adds what detectors find in the text, if somebody looked.
    #[must_use]
    pub fn holding(self, found: Option<&'a BTreeSet<Detector>>) -> Self {
        Self { found, ..self }
    }

    /// Adds where it comes from.
    #[must_use]
    pub fn linked(self, link: LinkGrade) -> Self {
        Self { link, ..self }
    }

    /// Adds the rules that people lifted.
    #[must_use]
    pub fn discharging(self, discharged: Option<&'a Discharged>) -> Self {
        Self { discharged, ..self }
    }

    /// Says why a count is not known, if one is not.
    pub(super) fn unknown(&self) -> Option<&str> {
        self.session.err().or(self.today.err())
    }
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
