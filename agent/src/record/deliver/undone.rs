//! The rows of a statement until its end is recorded, which may be long after its reply.

use chrono::{DateTime, Utc};

use super::part::Macs;
use super::withheld;
use crate::id::SessionId;
use crate::mask::{Child, Masked, Outcome};
use crate::record::masking;
use crate::record::{Intent, RecordError, Recorder, Row, StatementRow, Status};
use crate::snowflake::answer::Body;

/// A statement's row and those of its parts, whose end is not recorded yet.
#[derive(Clone, Debug)]
pub struct Undone {
    row: StatementRow,
    part_rows: Vec<StatementRow>,
}

/// Records the end of a statement whose reply was delivered before; nothing of the answer goes to the agent.
///
/// # Errors
/// The recorder cannot keep its mode's promise.
pub async fn conclude(
    recorder: &Recorder,
    session: SessionId,
    masked: Masked,
    ends: Option<&Undone>,
    now: DateTime<Utc>,
) -> Result<(), RecordError> {
    let (subject, _, outcome) = masked.into_parts();
    let mut rows = Vec::new();
    if let Some(reason) = &outcome.withheld {
        rows.push(Row::from(withheld(session, &subject, reason)));
    }
    if let Some(waiting) = ends {
        rows.extend(waiting.clone().ended(recorder, &outcome, now).into_rows());
    }
    if !rows.is_empty() {
        let _receipt = recorder.commit(rows).await?;
    }
    Ok(())
}

/// Records that nobody saw the end of a statement.
///
/// # Errors
/// The recorder cannot keep its mode's promise.
pub async fn abandon(
    recorder: &Recorder,
    undone: &Undone,
    now: DateTime<Utc>,
) -> Result<(), RecordError> {
    let end = |row: StatementRow| closed(row, Status::Abandoned, now);
    let Undone { row, part_rows } = undone.clone();
    let abandoned = Undone {
        row: end(row),
        part_rows: part_rows.into_iter().map(end).collect(),
    };
    let _receipt = recorder.commit(abandoned.into_rows()).await?;
    Ok(())
}

impl Undone {
    /// Takes the rows of an intent.
    pub(super) fn begun(intent: Intent) -> Self {
        let (row, part_rows) = intent.into_rows();
        Self { row, part_rows }
    }

    /// Adds what the reply is.
    pub(super) fn delivered(self, body: &Body, outcome: &Outcome, macs: Macs) -> Self {
        let row = StatementRow {
            bytes_returned: i64::try_from(body.text().len()).ok(),
            upstream_mac: macs.upstream,
            delivered_mac: Some(macs.delivered),
            forwarded_at: self.row.forwarded_at.filter(|_| !outcome.withdrawn),
            ..self.row
        };
        Self { row, ..self }
    }

    /// Gives the next revision of the rows, by an answer.
    pub(super) fn ended(self, recorder: &Recorder, outcome: &Outcome, now: DateTime<Utc>) -> Self {
        let status = match (&outcome.withheld, outcome.succeeded, outcome.cancelled) {
            (Some(_), _, _) => Status::Blocked,
            (None, true, _) if outcome.in_progress => Status::Running,
            (None, true, _) => Status::Success,
            (None, false, _) if outcome.is_elsewhere => Status::Abandoned,
            (None, false, true) => Status::Cancelled,
            (None, false, false) => Status::Failed,
        };
        let error_text = outcome.error_text.as_ref();
        let is_write = self.row.is_write;
        let named = outcome.query_id.map(|id| id.to_string());
        let row = StatementRow {
            query_id: named.or_else(|| self.row.query_id.clone()),
            sf_error_code: outcome.error_code.clone(),
            sf_sqlstate: outcome.sql_state.clone(),
            error_mac: error_text.map(|text| recorder.mac(text.as_bytes())),
            rows_returned: outcome.rows.filter(|_| !is_write),
            rows_affected: outcome.rows.filter(|_| is_write),
            chunks: i32::try_from(outcome.chunks).ok(),
            result_format: outcome.result_format.clone(),
            result_schema: match outcome.withheld {
                Some(_) => Vec::new(),
                None => masking::schema(&outcome.columns),
            },
            sf_statement_type_id: outcome.statement_type_id.map(i64::from),
            ..closed(self.row, status, now)
        };
        let mut children = outcome.children.iter();
        let parts = self.part_rows.into_iter();
        let part_rows = parts
            .map(|part| ended_part(part, children.next(), &row, now))
            .collect();
        Self { row, part_rows }
    }

    /// Gives the rows for the record.
    pub(super) fn into_rows(self) -> Vec<Row> {
        let parts = self.part_rows.into_iter();
        parts.chain([self.row]).map(Row::from).collect()
    }
}

/// Gives the next revision of a row: final, unless Snowflake goes on with the statement.
fn closed(row: StatementRow, status: Status, now: DateTime<Utc>) -> StatementRow {
    let is_final = status != Status::Running;
    StatementRow {
        is_final,
        revision: row.revision + 1,
        completed_at: is_final.then_some(now),
        status,
        ..row
    }
}

/// Gives the next revision of one statement of several. How each ended is known only where all of them succeeded:
/// Snowflake stops at the first that fails and does not say which it was.
fn ended_part(
    part: StatementRow,
    child: Option<&Child>,
    whole: &StatementRow,
    now: DateTime<Utc>,
) -> StatementRow {
    let status = match whole.status {
        Status::Success | Status::Running | Status::Blocked => whole.status,
        Status::Cancelled if whole.forwarded_at.is_none() => whole.status,
        Status::Cancelled | Status::Failed | Status::Timeout | Status::Abandoned => {
            Status::Abandoned
        }
    };
    let type_id = child.and_then(|child| child.statement_type_id);
    StatementRow {
        forwarded_at: whole.forwarded_at,
        query_id: child
            .map(|child| child.query_id.to_string())
            .or_else(|| part.query_id.clone()),
        sf_statement_type_id: type_id.map(i64::from),
        ..closed(part, status, now)
    }
}
