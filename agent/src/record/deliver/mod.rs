//! Stage 9: an answer becomes a reply once its end is recorded, and only a reply can be sent to the agent.

mod chunk;

pub use chunk::{BrokenChunk, ChunkReply, deliver_chunk};

use chrono::{DateTime, Utc};

use crate::id::SessionId;
use crate::mask::{Child, Masked, Outcome};
use crate::policy::Refusal;
use crate::record::event::Category;
use crate::record::intend::{Draft, refused};
use crate::record::{EventRow, RecordError, Recorder, Row, Severity, StatementRow, Status};
use crate::snowflake::answer::{Body, Form, code};
use crate::snowflake::route::QueryId;
use crate::upstream::{Earlier, Subject};

/// A body that may be sent to the agent; made only by `deliver`.
#[derive(Clone, Debug)]
pub struct Reply {
    body: Body,
    in_progress: bool,
}

impl Reply {
    /// Gives the body.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Tells whether the body says that Snowflake goes on with the statement.
    #[must_use]
    pub fn is_in_progress(&self) -> bool {
        self.in_progress
    }

    /// Tells the agent that a statement was not sent, since it could not be recorded.
    #[must_use]
    pub fn unsent(form: Form, query_id: QueryId, error: &RecordError) -> Self {
        Self::told(
            form,
            query_id,
            &format!("Icecore refused this statement, since it could not be recorded: {error}"),
        )
    }

    /// Tells the agent that a statement was sent and its answer is withheld, since its end could not be recorded.
    #[must_use]
    pub fn withheld(form: Form, query_id: QueryId, error: &RecordError) -> Self {
        let text =
            "Icecore sent this statement and withheld its answer, since that could not be recorded";
        Self::told(
            form,
            query_id,
            &format!("{text}; it may have taken effect: {error}"),
        )
    }

    /// Tells the agent that Icecore itself failed on a statement, whose outcome it therefore cannot tell.
    #[must_use]
    pub fn broken(form: Form, query_id: QueryId) -> Self {
        Self::told(
            form,
            query_id,
            "Icecore failed on this statement, a bug of its own; it may have taken effect",
        )
    }

    fn told(form: Form, query_id: QueryId, text: &str) -> Self {
        Self {
            body: form.error(code::REFUSED, "42501", query_id, text),
            in_progress: false,
        }
    }
}

/// Records a statement's end, or a later delivery of its result, and gives the reply.
///
/// # Errors
/// The recorder cannot keep its mode's promise: the answer must then not be sent.
pub async fn deliver(
    recorder: &Recorder,
    session: SessionId,
    masked: Masked,
    now: DateTime<Utc>,
) -> Result<Reply, RecordError> {
    let (subject, body, outcome) = masked.into_parts();
    let in_progress = outcome.in_progress;
    let mut rows = Vec::new();
    if let Some(reason) = &outcome.withheld {
        rows.push(Row::from(withheld(session, &subject, reason)));
    }
    match subject {
        Subject::Statement(intent) => {
            let (row, part_rows) = intent.into_rows();
            let children = outcome.children.clone();
            let whole = completed(recorder, row, &body, outcome, now);
            let mut children = children.into_iter();
            for part in part_rows {
                rows.push(Row::from(completed_part(part, children.next(), &whole)));
            }
            rows.push(Row::from(whole));
        }
        Subject::Later(_) if in_progress => {}
        Subject::Later(Earlier { statement, .. }) => rows.push(Row::from(EventRow {
            session_id: Some(session),
            event_code: LATER_DELIVERY,
            severity: Severity::Informational,
            category: Category::Record,
            statement_id: Some(statement),
            detail: Some(serde_json::json!({
                "query_id": outcome.query_id.map(|id| id.to_string()),
                "rows": outcome.rows,
                "chunks": outcome.chunks,
                "partition": outcome.partition,
                "bytes": body.text().len(),
            })),
            ..EventRow::default()
        })),
    }
    if !rows.is_empty() {
        let _receipt = recorder.commit(rows).await?;
    }
    Ok(Reply { body, in_progress })
}

/// Records a refusal and gives the reply that tells it.
///
/// # Errors
/// The recorder cannot keep its mode's promise.
pub async fn deliver_refusal(
    recorder: &Recorder,
    refusal: &Refusal,
    draft: Draft,
    bundle_sha256: [u8; 32],
    query_id: QueryId,
    form: Form,
    now: DateTime<Utc>,
) -> Result<Reply, RecordError> {
    let reference = draft
        .row
        .statement_id
        .map(|id| id.to_string())
        .unwrap_or_default();
    let text = format!(
        "Icecore refused this statement: {} (rule {}; record {reference})",
        refusal.reason().text(),
        refusal.reason().rules().join(", "),
    );
    let draft = Draft {
        row: StatementRow {
            query_id: Some(query_id.to_string()),
            ..draft.row
        },
        ..draft
    };
    let rows = refused(recorder, refusal, draft, bundle_sha256, now)?;
    let _receipt = recorder.commit(rows).await?;
    Ok(Reply {
        body: form.error(code::REFUSED, "42501", query_id, &text),
        in_progress: false,
    })
}

/// Code of the event that a result was delivered after its statement's own reply.
const LATER_DELIVERY: &str = "RS001";

/// Code of the event that an answer was withheld.
const WITHHELD: &str = "RS002";

fn withheld(session: SessionId, subject: &Subject, reason: &str) -> EventRow {
    EventRow {
        session_id: Some(session),
        event_code: WITHHELD,
        severity: Severity::High,
        category: Category::Policy,
        statement_id: subject.statement(),
        detail: Some(serde_json::json!({ "reason": reason })),
        ..EventRow::default()
    }
}

fn completed(
    recorder: &Recorder,
    intent: StatementRow,
    body: &Body,
    outcome: Outcome,
    now: DateTime<Utc>,
) -> StatementRow {
    let status = match (&outcome.withheld, outcome.succeeded, outcome.cancelled) {
        (Some(_), _, _) => Status::Blocked,
        (None, true, _) if outcome.in_progress => Status::Running,
        (None, true, _) => Status::Success,
        (None, false, true) => Status::Cancelled,
        (None, false, false) => Status::Failed,
    };
    let is_read = !intent.is_write;
    let delivered_mac = recorder.mac(body.text());
    StatementRow {
        is_final: true,
        revision: 1,
        forwarded_at: intent.forwarded_at.filter(|_| !outcome.withdrawn),
        completed_at: Some(now),
        query_id: outcome.query_id.map(|id| id.to_string()),
        status,
        sf_error_code: outcome.error_code,
        sf_sqlstate: outcome.sql_state,
        error_mac: outcome.error_text.map(|text| recorder.mac(text.as_bytes())),
        rows_returned: outcome.rows.filter(|_| is_read),
        rows_affected: outcome.rows.filter(|_| !is_read),
        bytes_returned: i64::try_from(body.text().len()).ok(),
        chunks: i32::try_from(outcome.chunks).ok(),
        result_format: outcome.result_format,
        upstream_mac: match &outcome.upstream_body {
            // What was not changed is not digested twice.
            Some(upstream) if upstream == body.text() => Some(delivered_mac),
            upstream => upstream.as_ref().map(|upstream| recorder.mac(upstream)),
        },
        delivered_mac: Some(delivered_mac),
        sf_statement_type_id: outcome.statement_type_id.map(i64::from),
        ..intent
    }
}

/// Completes the row of one statement of several. How each ended is known only where all of them succeeded: Snowflake
/// stops at the first that fails and does not say which it was.
fn completed_part(part: StatementRow, child: Option<Child>, whole: &StatementRow) -> StatementRow {
    let status = match whole.status {
        Status::Success | Status::Running | Status::Blocked => whole.status,
        Status::Cancelled if whole.forwarded_at.is_none() => whole.status,
        Status::Cancelled | Status::Failed | Status::Timeout | Status::Abandoned => {
            Status::Abandoned
        }
    };
    StatementRow {
        is_final: true,
        revision: 1,
        forwarded_at: whole.forwarded_at,
        completed_at: whole.completed_at,
        query_id: child.map(|child| child.query_id.to_string()),
        status,
        sf_statement_type_id: child
            .and_then(|child| child.statement_type_id)
            .map(i64::from),
        ..part
    }
}
