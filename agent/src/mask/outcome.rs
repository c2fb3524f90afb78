//! What became of a statement, as its answer tells it.

use bytes::Bytes;

use super::{Child, Finds};
use crate::snowflake::answer::{Answer, code};
use crate::snowflake::column_told::ColumnTold;
use crate::snowflake::current::Current;
use crate::snowflake::route::QueryId;

/// What became of the statement, for the record.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Whether Snowflake ran it.
    pub succeeded: bool,
    /// Whether Snowflake goes on with it: the answer holds an id and no rows.
    pub in_progress: bool,
    /// Whether Snowflake says that it was cancelled.
    pub cancelled: bool,
    /// Whether it was cancelled before it was sent.
    pub withdrawn: bool,
    /// Why Icecore withheld the answer.
    pub withheld: Option<String>,
    /// Whether Snowflake says that it ran something else than what was judged.
    pub is_other: bool,
    /// Whether it was withheld only since Snowflake could not be asked what it ran: another request may compare it.
    pub is_untold: bool,
    /// Whether the answer does not tell of the query that Snowflake had named before: how that ended is not known.
    pub is_elsewhere: bool,
    /// Snowflake's id of the query.
    pub query_id: Option<QueryId>,
    /// Snowflake's error code, digits.
    pub error_code: Option<String>,
    /// SQLSTATE of the error.
    pub sql_state: Option<String>,
    /// The error's text.
    pub error_text: Option<String>,
    /// Rows of the result.
    pub rows: Option<i64>,
    /// Rows that the answer itself holds: the others come in chunks or partitions.
    pub rows_here: u64,
    /// `json` or `arrow`.
    pub result_format: Option<String>,
    /// Snowflake's number of the statement's kind.
    pub statement_type_id: Option<u32>,
    /// The statements that were sent together, as Snowflake names them.
    pub children: Vec<Child>,
    /// External chunks of the result.
    pub chunks: usize,
    /// Cells that the answer itself holds and that were changed.
    pub masked_cells: u64,
    /// What detectors found in the cells that the answer itself holds.
    pub found: Finds,
    /// The result's columns.
    pub columns: Vec<ColumnTold>,
    /// Place of the answer's own rows in the result: -1 before those of chunks, or the number of a partition.
    pub place: i32,
    /// The partition of the result that was asked for, if one was.
    pub partition: Option<u32>,
    /// The login's database and schema after the statement, where the answer of one that is over says them.
    pub current: Option<Current>,
    /// The answer's plain bytes as they came.
    pub upstream_body: Option<Bytes>,
}

impl Outcome {
    /// Gives Snowflake's names of the query and of the statements that it held.
    pub fn query_ids(&self) -> impl Iterator<Item = QueryId> {
        let children = self.children.iter().map(|child| child.query_id);
        self.query_id.into_iter().chain(children)
    }

    /// Tells whether the answer is a result, or a part of one, that is delivered.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.succeeded && !self.in_progress && self.withheld.is_none()
    }

    /// Tells whether the answer says that the statement of this id is over: an error may be about the asking alone.
    #[must_use]
    pub fn is_end_of(&self, query_id: QueryId) -> bool {
        let is_about_it = self.succeeded || self.query_id == Some(query_id);
        let is_told = !self.is_untold && !self.is_elsewhere;
        is_told && (self.withheld.is_some() || (is_about_it && !self.in_progress))
    }

    /// Tells whether the answer was compared with what was judged: a later partition says nothing of its statement.
    #[must_use]
    pub fn is_compared(&self) -> bool {
        let is_whole = self.partition.is_none_or(|number| number == 0);
        self.succeeded && !self.in_progress && self.withheld.is_none() && is_whole
    }

    /// Tells how much is known of what the statement left behind in its login.
    #[must_use]
    pub fn aftermath(&self) -> Aftermath {
        let is_over = self.withdrawn || self.error_code.is_some();
        match &self.current {
            Some(current) => Aftermath::Told(current.clone()),
            None if is_over && !self.in_progress && !self.is_elsewhere => Aftermath::Over,
            None => Aftermath::Open,
        }
    }

    /// Says how the statement ended, where it has: one that was cancelled has neither succeeded nor failed.
    #[must_use]
    pub fn end(&self) -> Option<Ended> {
        let is_open = self.in_progress || self.is_untold || self.is_elsewhere;
        (!is_open && !self.cancelled).then(|| self.ended())
    }

    /// Sums the outcome up for the session's counters.
    #[must_use]
    pub fn ended(&self) -> Ended {
        match (self.succeeded, &self.withheld) {
            (true, _) => Ended::Succeeded,
            (false, Some(_)) => Ended::Refused,
            (false, None) => Ended::Failed,
        }
    }
}

/// What is known of a login after a statement of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aftermath {
    /// Snowflake said in which database and schema it is.
    Told(Current),
    /// The statement is over, and nothing was said.
    Over,
    /// The statement may go on, or may not have been carried out yet.
    Open,
}

/// How a statement ended, for the session's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Snowflake ran it.
    Succeeded,
    /// Snowflake said no, or could not be asked.
    Failed,
    /// Icecore said no.
    Refused,
}

/// Place of the rows of an answer that may have chunks, which are counted from 0.
const OWN_ROWS: i32 = -1;

/// Reads what a driver's answer tells.
pub(super) fn read(answer: &Answer) -> Outcome {
    let failed = !answer.success();
    Outcome {
        succeeded: answer.success(),
        in_progress: answer.in_progress(),
        cancelled: answer.code() == Some(code::CANCELLED),
        withdrawn: false,
        withheld: None,
        is_other: false,
        is_untold: false,
        is_elsewhere: false,
        query_id: answer.query_id(),
        error_code: answer.code().filter(|_| failed).map(str::to_owned),
        sql_state: answer.sql_state().filter(|_| failed),
        error_text: answer.message().filter(|_| failed),
        rows: answer.rows().filter(|_| !failed),
        rows_here: 0,
        result_format: answer.result_format(),
        statement_type_id: answer.statement_type_id(),
        children: Vec::new(),
        chunks: 0,
        masked_cells: 0,
        found: Finds::new(),
        columns: Vec::new(),
        place: OWN_ROWS,
        partition: None,
        current: answer
            .current()
            .filter(|_| !failed && !answer.in_progress()),
        upstream_body: None,
    }
}
