//! Stage 6: a permit becomes an intent once it is recorded, and only an intent can be sent.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::masking::{self, Masks};
use super::touched;
use super::{
    Decision, RecordError, Recorder, Row, StatementRow, StatementTextRow, Status, commitment,
    random_salt,
};
use crate::clock::Clock;
use crate::id::StatementId;
use crate::policy::{Permit, Plan, Reason, Refusal};
use crate::snowflake::current::Current;
use crate::statement::form::fingerprint;
use crate::statement::{Action, Kind, Statement};

/// Longest normalised text that is recorded, in bytes. Source: record reference 1.4, `sql_normalized`.
const NORMALIZED_MAX_BYTES: usize = 32 << 10;

/// Kind under which a text of several statements is recorded; each of them has its own row and kind.
const SEVERAL: &str = "batch";

/// A permit whose decision and text are durable as the mode promises; made only by `intend`.
#[derive(Debug)]
pub struct Intent {
    permit: Permit,
    row: StatementRow,
    // INVARIANT: one row for each part of the permit's statement, in their order.
    part_rows: Vec<StatementRow>,
}

/// One statement of several that were sent together, as it was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Names it in the record.
    pub statement: StatementId,
    /// Its judged kind.
    pub kind: Kind,
    /// What is made of its result.
    pub plan: Plan,
}

impl Intent {
    /// Gives the permit.
    #[must_use]
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Names the statement.
    pub(crate) fn statement_id(&self) -> Option<StatementId> {
        self.row.statement_id
    }

    /// Gives what is made of the statement's result; of several, each has its own, and what is said of all may be about
    /// any.
    #[must_use]
    pub fn plan(&self) -> Plan {
        match self.permit.plans() {
            [plan] if self.permit.statement().parts().is_empty() => plan.clone(),
            plans if plans.iter().any(Plan::hides_words) => Plan::Used(None),
            _ => Plan::Open,
        }
    }

    /// Gives the statements that are sent together; none where there is one.
    #[must_use]
    pub fn parts(&self) -> Arc<[Part]> {
        let parts = self.permit.statement().parts().iter();
        let plans = self.permit.plans().iter().cloned();
        let plans = plans.chain(std::iter::repeat(Plan::Open));
        self.part_rows
            .iter()
            .zip(parts)
            .zip(plans)
            .filter_map(|((row, part), plan)| {
                let (statement, kind) = (row.statement_id?, part.kind());
                Some(Part {
                    statement,
                    kind,
                    plan,
                })
            })
            .collect()
    }

    /// Takes the rows that delivery completes: the statement's, and those of its parts.
    pub(super) fn into_rows(self) -> (StatementRow, Vec<StatementRow>) {
        (self.row, self.part_rows)
    }
}

/// What is known of a statement before it is judged: who sent it, when, through which login.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The row with those facts filled in.
    pub row: StatementRow,
    /// The bound values as the client wrote them.
    pub binds: Option<serde_json::Value>,
    /// Rows of other tables that are recorded with it.
    pub beside: Vec<Row>,
}

impl Draft {
    /// Notes where the login is; role and warehouse stay what the config says where Snowflake says nothing.
    pub fn is_at(&mut self, current: Current) {
        let row = &mut self.row;
        (row.database_ctx, row.schema_ctx) = (current.database, current.schema);
        row.role_ctx = current.role.or(row.role_ctx.take());
        row.warehouse = current.warehouse.or(row.warehouse.take());
    }

    /// Gives a draft for each statement of several: what came with the request stays with the request's own row.
    fn parts(&self, statement: &Statement) -> Vec<Self> {
        let draft = |stmt_index| Self {
            row: StatementRow {
                statement_id: Some(StatementId::new()),
                parent_statement_id: self.row.statement_id,
                stmt_index,
                bind_count: None,
                ..self.row.clone()
            },
            binds: None,
            beside: Vec::new(),
        };
        (1..)
            .zip(statement.parts())
            .map(|(at, _)| draft(at))
            .collect()
    }

    /// Adds what the statement itself says, and gives the row and the text that belong together.
    pub(super) fn fill(
        self,
        recorder: &Recorder,
        statement: &Statement,
    ) -> Result<(StatementRow, StatementTextRow), RecordError> {
        let salt = random_salt()?;
        let acts = |asked: fn(Action) -> bool| match statement.parts() {
            [] => statement.kind().action().is_some_and(asked),
            parts => parts
                .iter()
                .any(|part| part.kind().action().is_some_and(asked)),
        };
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
            sql_kind: Some(if statement.parts().is_empty() {
                statement.kind().name().to_owned()
            } else {
                SEVERAL.to_owned()
            }),
            is_write: acts(|action| matches!(action, Action::Write | Action::CopyIn)),
            is_ddl: acts(|action| matches!(action, Action::Create | Action::Alter | Action::Drop)),
            is_dcl: acts(|action| matches!(action, Action::Grant)),
            parse_ok: statement.problem().is_none(),
            parse_error: statement.problem().map(str::to_owned),
            objects: touched::objects(statement),
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
    mut draft: Draft,
    bundle_sha256: [u8; 32],
    decided_at: DateTime<Utc>,
    clock: &Clock,
) -> Result<Intent, RecordError> {
    let decision = match permit.overruled() {
        Some(_) => Decision::Flag,
        None if permit.discharged().is_empty() => Decision::Allow,
        None => Decision::Approve,
    };
    let rules = permit.rules().iter().chain(permit.discharged());
    let rules: Vec<String> = rules.cloned().collect();
    let decided = |row, masks: &Masks<'_>| {
        let row = StatementRow {
            decision: Some(decision),
            rule_ids: rules.clone(),
            rule_reasons: permit.overruled().map(reasons).unwrap_or_default(),
            policy_bundle_sha256: Some(bundle_sha256),
            status: Status::Running,
            decided_at: Some(decided_at),
            ..row
        };
        masking::told(row, masks)
    };
    let all_masks = permit.masks().flatten().collect();
    let part_drafts = draft.parts(permit.statement());
    let beside = std::mem::take(&mut draft.beside);
    let (row, text) = draft.fill(recorder, permit.statement())?;
    let mut row = decided(row, &all_masks);
    let mut rows = vec![Row::from(row.clone()), Row::from(text)];
    let mut part_rows = Vec::new();
    // What `observe` let through though it is forbidden has no masks.
    let part_masks = permit.masks().chain(std::iter::repeat_with(Masks::new));
    let parts = permit.statement().parts().iter().zip(part_masks);
    for (draft, (part, masks)) in part_drafts.into_iter().zip(parts) {
        let (row, text) = draft.fill(recorder, part)?;
        let row = decided(row, &masks);
        rows.extend([Row::from(row.clone()), Row::from(text)]);
        part_rows.push(row);
    }
    rows.extend(beside);
    let receipt = recorder.commit(rows).await?;
    keep_rows(recorder, &permit, &row, &part_rows);
    let forwarded_at = Some(clock.now());
    row.durability_wait_us = i64::try_from(receipt.durability_wait().as_micros()).ok();
    row.forwarded_at = forwarded_at;
    for row in &mut part_rows {
        row.forwarded_at = forwarded_at;
    }
    Ok(Intent {
        permit,
        row,
        part_rows,
    })
}

/// Notes how many rows of results are kept. In `observe` rows leave that a rule would mask or refuse: none of these are.
fn keep_rows(recorder: &Recorder, permit: &Permit, row: &StatementRow, parts: &[StatementRow]) {
    let of_result = if parts.is_empty() {
        std::slice::from_ref(row)
    } else {
        parts
    };
    let told = permit.rows().iter().copied().chain(std::iter::repeat(None));
    for (row, wanted) in of_result.iter().zip(told) {
        let is_as_judged = row.decision != Some(Decision::Flag);
        if let (true, Some(session), Some(statement), Some(started_at)) = (
            is_as_judged,
            row.session_id,
            row.statement_id,
            row.started_at,
        ) {
            let keeper = recorder.keeper();
            keeper.keep(session, (statement, started_at), wanted);
        }
    }
}

/// Completes the row of a statement that was refused, with its text.
pub(super) fn refused(
    recorder: &Recorder,
    refusal: &Refusal,
    draft: Draft,
    bundle_sha256: [u8; 32],
    decided_at: DateTime<Utc>,
) -> Result<(StatementRow, StatementTextRow), RecordError> {
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
    Ok((row, text))
}

fn reasons(reason: &Reason) -> Vec<String> {
    vec![reason.text().to_owned()]
}

/// Cuts a text at a character border.
fn truncated(text: &str, max_bytes: usize) -> String {
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
