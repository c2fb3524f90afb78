//! What came of the comparison, sorted so that the same exports give the same report. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

/// What kind of finding it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Snowflake ran it, and no row of the record is of it.
    UnrecordedQuery,
    /// A login at Snowflake that the record does not have.
    UnrecordedLogin,
    /// A run of a CI job without a session.
    JobWithoutSession,
    /// The record says that it was sent, and Snowflake's history does not have it.
    NotInSnowflake,
    /// An export without rows, or one that does not reach over the time that was asked for.
    NotCovered,
    /// What cannot be decided.
    Undecided,
    /// Too new for Snowflake's history to have it for sure.
    TooRecent,
    /// Taken for the same by user and time, or by what a caller claimed, where nothing better is there.
    Assumed,
}

impl Kind {
    /// All kinds in the order of a report.
    pub const ALL: [Self; 8] = [
        Self::UnrecordedQuery,
        Self::UnrecordedLogin,
        Self::JobWithoutSession,
        Self::NotInSnowflake,
        Self::NotCovered,
        Self::Undecided,
        Self::TooRecent,
        Self::Assumed,
    ];

    /// Tells whether a report with one is clean.
    #[must_use]
    pub fn is_clean(self) -> bool {
        match self {
            Self::TooRecent | Self::Assumed => true,
            Self::UnrecordedQuery
            | Self::UnrecordedLogin
            | Self::JobWithoutSession
            | Self::NotInSnowflake
            | Self::NotCovered
            | Self::Undecided => false,
        }
    }

    /// Says what it is, in a few words.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::UnrecordedQuery => "ran in Snowflake, in no row of the record",
            Self::UnrecordedLogin => "logins that the record does not have",
            Self::JobWithoutSession => "CI runs without a session",
            Self::NotInSnowflake => "in the record as sent, not in Snowflake's history",
            Self::NotCovered => "exports that do not cover what was asked",
            Self::Undecided => "cannot be decided",
            Self::TooRecent => "too recent for Snowflake's history",
            Self::Assumed => "taken for the same without an id",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What kind it is.
    pub kind: Kind,
    /// When, as RFC 3339; empty where it is not known.
    pub at: String,
    /// The query, login, run, statement or file.
    pub id: String,
    /// Snowflake's user, the repository, or which list a file is of.
    pub who: String,
    /// Why it is one.
    pub why: String,
    /// What was said, its beginning.
    pub text: String,
}

/// What was read, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Statements of the record that were sent, in the range.
    pub statements: u64,
    /// Queries of Snowflake's history in the range.
    pub queries: u64,
    /// Queries that the record has by id.
    pub queries_recorded: u64,
    /// Queries that one which the record has by id started: of a procedure.
    pub queries_inside: u64,
    /// Queries that are Icecore's own.
    pub queries_own: u64,
    /// Successful logins of Snowflake's history in the range.
    pub logins: u64,
    /// Logins that the record has by Snowflake's session id.
    pub logins_recorded: u64,
    /// Logins that are Icecore's own.
    pub logins_own: u64,
    /// Runs of CI jobs in the range that were not skipped.
    pub runs: u64,
    /// Runs whose verified session is in the record.
    pub runs_recorded: u64,
    /// Rows that were left out: other users, outside of the range, failed logins, runs that were skipped.
    pub left_out: u64,
}

/// What exports and the record say together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The beginning of the range, as RFC 3339; none where there is none.
    pub from: Option<String>,
    /// Its end.
    pub to: Option<String>,
    /// The time of the record's newest row.
    pub record_newest: Option<String>,
    /// How much there was of what.
    pub counts: Counts,
    /// How many findings of each kind.
    pub found: BTreeMap<Kind, usize>,
    /// The findings: by kind, then time, then id.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Tells whether nothing is amiss or in doubt.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.iter().all(|finding| finding.kind.is_clean())
    }

    /// Sorts and counts the findings.
    pub(super) fn finish(mut self) -> Self {
        self.findings.sort();
        self.findings.dedup();
        for finding in &self.findings {
            *self.found.entry(finding.kind).or_default() += 1;
        }
        self
    }
}
