//! Stage 6: a permit becomes an intent once it is recorded, and only an intent can be sent.

use chrono::{DateTime, Utc};

use super::{
    Decision, RecordError, Recorder, Row, StatementRow, StatementTextRow, Status, commitment,
    random_salt,
};
use crate::clock::Clock;
use crate::id::StatementId;
use crate::policy::{Permit, Reason, Refusal};
use crate::statement::{Action, Statement};

/// Longest normalised text that is recorded, in bytes. Source: record reference 1.4, `sql_normalized`.
const NORMALIZED_MAX_BYTES: usize = 32 << 10;

/// A permit whose decision and text are durable as the mode promises; made only by `intend`.
#[derive(Debug)]
pub struct Intent {
    permit: Permit,
    row: StatementRow,
}

impl Intent {
    /// Gives the permit.
    #[must_use]
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Names the statement.
    pub(super) fn statement_id(&self) -> Option<StatementId> {
        self.row.statement_id
    }

    /// Takes the row that delivery completes.
    pub(super) fn into_row(self) -> StatementRow {
        self.row
    }
}

/// What is known of a statement before it is judged: who sent it, when, through which login.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The row with those facts filled in.
    pub row: StatementRow,
    /// The bound values as the client wrote them.
    pub binds: Option<serde_json::Value>,
}

impl Draft {
    /// Adds what the statement itself says, and gives the row and the text that belong together.
    pub(super) fn fill(
        self,
        recorder: &Recorder,
        statement: &Statement,
    ) -> Result<(StatementRow, StatementTextRow), RecordError> {
        let salt = random_salt()?;
        let action = statement.kind().action();
        let text = statement.text();
        let normalized = statement
            .normalized()
            .map(|text| truncated(text, NORMALIZED_MAX_BYTES));
        let row = StatementRow {
            sql_mac: Some(recorder.mac(text.as_bytes())),
            sql_commit: Some(commitment(&salt, text)),
            sql_len: i32::try_from(text.len()).unwrap_or(i32::MAX),
            sql_fingerprint: statement.normalized().map(fingerprint),
            sql_normalized: normalized,
            sql_kind: Some(statement.kind().name().to_owned()),
            is_write: matches!(action, Some(Action::Write | Action::CopyIn)),
            is_ddl: matches!(action, Some(Action::Create | Action::Alter | Action::Drop)),
            is_dcl: matches!(action, Some(Action::Grant)),
            parse_ok: statement.problem().is_none(),
            parse_error: statement.problem().map(str::to_owned),
            ..self.row
        };
        let text = StatementTextRow {
            session_id: row.session_id,
            statement_id: row.statement_id,
            sql_text: Some(text.to_owned()),
            salt: Some(salt),
            binds: self.binds,
            ..StatementTextRow::default()
        };
        Ok((row, text))
    }
}

/// Records that a statement may run and is about to.
///
/// # Errors
/// The recorder cannot keep its mode's promise: the statement must then not be sent.
pub async fn intend(
    recorder: &Recorder,
    permit: Permit,
    draft: Draft,
    bundle_sha256: [u8; 32],
    decided_at: DateTime<Utc>,
    clock: &Clock,
) -> Result<Intent, RecordError> {
    let (row, text) = draft.fill(recorder, permit.statement())?;
    let decision = if permit.overruled().is_some() {
        Decision::Flag
    } else {
        Decision::Allow
    };
    let mut row = StatementRow {
        decision: Some(decision),
        rule_ids: permit.rules().to_vec(),
        rule_reasons: permit.overruled().map(reasons).unwrap_or_default(),
        policy_bundle_sha256: Some(bundle_sha256),
        status: Status::Running,
        decided_at: Some(decided_at),
        ..row
    };
    let receipt = recorder
        .commit(vec![Row::from(row.clone()), Row::from(text)])
        .await?;
    row.durability_wait_us = i64::try_from(receipt.durability_wait().as_micros()).ok();
    row.forwarded_at = Some(clock.now());
    Ok(Intent { permit, row })
}

/// Completes the row of a statement that was refused, with its text.
pub(super) fn refused(
    recorder: &Recorder,
    refusal: &Refusal,
    draft: Draft,
    bundle_sha256: [u8; 32],
    decided_at: DateTime<Utc>,
) -> Result<Vec<Row>, RecordError> {
    let (row, text) = draft.fill(recorder, refusal.statement())?;
    let row = StatementRow {
        is_final: true,
        decision: Some(Decision::Block),
        rule_ids: refusal.reason().rules().to_vec(),
        rule_reasons: reasons(refusal.reason()),
        policy_bundle_sha256: Some(bundle_sha256),
        status: Status::Blocked,
        decided_at: Some(decided_at),
        completed_at: Some(decided_at),
        ..row
    };
    Ok(vec![Row::from(row), Row::from(text)])
}

fn reasons(reason: &Reason) -> Vec<String> {
    vec![reason.text().to_owned()]
}

/// First eight bytes of SHA-256 over the text without literals.
fn fingerprint(normalized: &str) -> i64 {
    let digest = ring::digest::digest(&ring::digest::SHA256, normalized.as_bytes());
    let mut head = [0; 8];
    for (to, from) in head.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    i64::from_be_bytes(head)
}

/// Cuts a text at a character border.
fn truncated(text: &str, max_bytes: usize) -> String {
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
