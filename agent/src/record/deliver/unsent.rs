//! A statement that is not sent: refused by policies or people, or taken back while it waited for them.

use chrono::{DateTime, Utc};

use super::Reply;
use crate::policy::Refusal;
use crate::record::intend::{Draft, refused};
use crate::record::{RecordError, Recorder, Row, StatementRow, Status};
use crate::snowflake::answer::{Form, code};
use crate::snowflake::route::QueryId;

/// A statement that is not sent.
#[derive(Debug)]
pub struct Unsent {
    refusal: Refusal,
    bundle_sha256: [u8; 32],
    how: How,
}

#[derive(Debug)]
enum How {
    Refused,
    Denied { said: Option<String> },
    Withdrawn,
}

impl Unsent {
    /// Refuses one by policies; `bundle_sha256` is theirs.
    #[must_use]
    pub fn refused(refusal: Refusal, bundle_sha256: [u8; 32]) -> Self {
        Self {
            refusal,
            bundle_sha256,
            how: How::Refused,
        }
    }

    /// Refuses one since people said no. What they said is told to its agent and is not in the statement's row: people
    /// write what they like, and the row keeps no such text.
    #[must_use]
    pub fn denied(refusal: Refusal, bundle_sha256: [u8; 32], said: Option<String>) -> Self {
        Self {
            how: How::Denied { said },
            ..Self::refused(refusal, bundle_sha256)
        }
    }

    /// Notes that its client took it back.
    #[must_use]
    pub fn withdrawn(refusal: Refusal, bundle_sha256: [u8; 32]) -> Self {
        Self {
            how: How::Withdrawn,
            ..Self::refused(refusal, bundle_sha256)
        }
    }

    /// Tells whether its client took it back.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        matches!(self.how, How::Withdrawn)
    }
}

/// Records a statement that is not sent, and gives the reply that tells it; `ask` names whom to ask for what is refused.
///
/// # Errors
/// The recorder cannot keep its mode's promise.
pub async fn deliver_unsent(
    recorder: &Recorder,
    (unsent, ask): (&Unsent, &str),
    mut draft: Draft,
    query_id: QueryId,
    form: Form,
    now: DateTime<Utc>,
) -> Result<Reply, RecordError> {
    let reference = draft
        .row
        .statement_id
        .map(|id| id.to_string())
        .unwrap_or_default();
    let reason = unsent.refusal.reason();
    let said = match &unsent.how {
        How::Denied { said: Some(said) } => format!(": {said}"),
        How::Denied { said: None } | How::Refused | How::Withdrawn => String::new(),
    };
    let text = format!(
        "Icecore refused this statement: {}{said} (rule {}; record {reference}; to ask for it: {ask})",
        reason.text(),
        reason.rules().join(", "),
    );
    let beside = std::mem::take(&mut draft.beside);
    let draft = Draft {
        row: StatementRow {
            query_id: Some(query_id.to_string()),
            ..draft.row
        },
        ..draft
    };
    let (mut row, text_row) = refused(recorder, &unsent.refusal, draft, unsent.bundle_sha256, now)?;
    let body = match unsent.how {
        How::Refused | How::Denied { .. } => form.error(code::REFUSED, "42501", query_id, &text),
        How::Withdrawn => {
            row.status = Status::Cancelled;
            form.error(code::CANCELLED, "57014", query_id, "SQL execution canceled")
        }
    };
    let mut rows = vec![Row::from(row), Row::from(text_row)];
    rows.extend(beside);
    let _receipt = recorder.commit(rows).await?;
    Ok(Reply {
        body,
        is_passing: false,
    })
}
