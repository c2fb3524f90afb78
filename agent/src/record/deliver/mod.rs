//! Stage 9: an answer becomes a reply once its end is recorded, and only a reply can be sent to the agent.

mod chunk;
mod file;
mod own_rows;
mod part;
mod undone;
mod unsent;

pub use chunk::{BrokenChunk, ChunkReply, deliver_chunk};
pub use file::{Announced, deliver_file, record_put};
pub use undone::{Undone, abandon, conclude};
pub use unsent::{Unsent, deliver_unsent};

use chrono::{DateTime, Utc};

use own_rows::NotKept;
use part::{Macs, Stored};

use crate::id::{SessionId, StatementId};
use crate::mask::Masked;
use crate::record::event::Category;
use crate::record::{EventRow, RecordError, Recorder, Row, Severity};
use crate::snowflake::answer::{Body, Form, code};
use crate::snowflake::route::QueryId;
use crate::upstream::{Earlier, Subject};

/// A body that may be sent to the agent; made only by `deliver`.
#[derive(Clone, Debug)]
pub struct Reply {
    body: Body,
    is_passing: bool,
}

impl Reply {
    /// Gives the body.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Tells whether the same question may have another answer later: Snowflake goes on with the statement, or could not
    /// be asked what it ran.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.is_passing
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
            is_passing: false,
        }
    }
}

/// What a delivery gives.
#[derive(Debug)]
pub struct Delivered {
    /// What may be sent.
    pub reply: Reply,
    /// The rows that wait for the statement's end, if Snowflake goes on with it.
    pub undone: Option<Undone>,
}

/// Records a statement's end, or a later delivery of its result, and gives the reply.
///
/// A later delivery that brings the end of a statement completes the rows that wait for it.
///
/// # Errors
/// The recorder cannot keep its mode's promise: the answer must then not be sent.
pub async fn deliver(
    recorder: &Recorder,
    session: SessionId,
    masked: Masked,
    ends: Option<&Undone>,
    now: DateTime<Utc>,
) -> Result<Delivered, RecordError> {
    let (subject, body, mut outcome) = masked.into_parts();
    let in_progress = outcome.in_progress;
    let mut rows = Vec::new();
    let mut stored = None;
    let mut refused = None;
    if let Some(statement) = subject.statement() {
        let kept = match own_rows::keep(recorder, statement, &body, &outcome).await {
            Ok(kept) => kept,
            Err(NotKept { error, is_strict }) => {
                rows.push(not_kept(session, statement, outcome.place, &error));
                if is_strict {
                    outcome.withheld = Some(error.to_string());
                    refused = Some(error);
                }
                None
            }
        };
        let kept = Stored::of(recorder, statement, kept);
        let macs = || Macs::of(recorder, &body, &outcome);
        let part = part::row(session, statement, &body, &outcome, &kept, macs);
        rows.extend(part.map(Row::from));
        stored = Some(kept);
    }
    if let Some(reason) = &outcome.withheld {
        rows.push(Row::from(withheld(session, &subject, reason)));
    }
    let mut undone = None;
    match subject {
        Subject::Statement(intent) => {
            let begun = Undone::begun(*intent);
            let begun = match refused {
                // Nothing of it is delivered.
                Some(_) => begun,
                None => begun.delivered(&body, &outcome, Macs::of(recorder, &body, &outcome)),
            };
            let ended = begun.ended(recorder, &outcome, now);
            undone = in_progress.then(|| ended.clone());
            rows.extend(ended.into_rows());
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
    if let Some(waiting) = ends {
        rows.extend(waiting.clone().ended(recorder, &outcome, now).into_rows());
    }
    if !rows.is_empty() {
        let committed = recorder.commit(rows).await.map(drop);
        if let Some(stored) = stored {
            stored.settle(committed.as_ref().copied());
        }
        committed?;
    }
    if let Some(refused) = refused {
        return Err(refused);
    }
    Ok(Delivered {
        reply: Reply {
            body,
            is_passing: in_progress || outcome.is_untold,
        },
        undone,
    })
}

/// Code of the event that a result was delivered after its statement's own reply.
const LATER_DELIVERY: &str = "RS001";

/// Code of the event that rows were to be kept and could not be.
const NOT_KEPT: &str = "RS005";

fn not_kept(session: SessionId, statement: StatementId, place: i32, error: &RecordError) -> Row {
    Row::from(EventRow {
        session_id: Some(session),
        event_code: NOT_KEPT,
        severity: Severity::Medium,
        category: Category::Record,
        statement_id: Some(statement),
        detail: Some(serde_json::json!({ "chunk_index": place, "reason": error.to_string() })),
        ..EventRow::default()
    })
}

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
