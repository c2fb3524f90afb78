//! What the record says of a request: a row for each change of its state, and its documents.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::documents::unhex;
use crate::approval::{Answer, Approval, Counted, NotCounted, Request};
use crate::id::StatementId;
use crate::record::event::code;
use crate::record::{ApprovalRow, ApprovalTextRow, Category, EventRow, Recorder, Row, Severity};

/// What rows of one request have in common.
pub(super) struct Rows<'a> {
    pub(super) recorder: &'a Recorder,
    pub(super) request: &'a Request,
    pub(super) digest: [u8; 32],
}

impl Rows<'_> {
    /// Says that people are asked, and what they are shown.
    pub(super) fn requested(&self) -> Result<Vec<Row>, serde_json::Error> {
        let text = ApprovalTextRow {
            kind: "request",
            sha256: Some(self.digest),
            request: Some(serde_json::to_string(self.request)?),
            ..self.text()
        };
        Ok(vec![self.row("requested").into(), text.into()])
    }

    /// Says what a person decided, with the document that proves it.
    pub(super) fn decision(
        &self,
        counted: &Counted,
        seen_at: DateTime<Utc>,
        document: &str,
    ) -> Vec<Row> {
        let sha256 = unhex(&counted.sha256);
        let (issuer, subject) = match counted.person.split_once(':') {
            Some((issuer, subject)) => (Some(issuer), subject),
            None => (None, &*counted.person),
        };
        let row = ApprovalRow {
            decided_at: Some(counted.at),
            seen_at: Some(seen_at),
            approver_issuer: issuer.map(str::to_owned),
            approver_subject: Some(subject.to_owned()),
            approver_auth: Some(counted.grade.as_str().to_owned()),
            channel: Some(counted.face.clone()),
            decision_sha256: sha256,
            groups: Some(counted.groups.iter().cloned().collect()),
            answer: Some(answer(counted.answer).to_owned()),
            keys_sha256: counted.keys_sha256,
            grant_s: counted
                .grant_s
                .and_then(|seconds| i64::try_from(seconds).ok()),
            ..self.row("decision")
        };
        let text = ApprovalTextRow {
            kind: "decision",
            sha256,
            decision: Some(document.to_owned()),
            ..self.text()
        };
        vec![row.into(), text.into()]
    }

    /// Says that enough people said yes.
    pub(super) fn approved(&self, approval: &Approval, at: DateTime<Utc>) -> Vec<Row> {
        let mut rows = vec![self.of_approval("approved", approval, at).into()];
        if approval.is_break_glass() {
            let detail = json!({
                "approval_id": self.request.id,
                "by": approval.by(),
                "rules": self.rules(),
            });
            rows.push(
                self.event(code::GLASS_BROKEN, Severity::High, detail)
                    .into(),
            );
        }
        rows
    }

    /// Says that the statement runs by it.
    pub(super) fn used(&self, approval: &Approval, by: StatementId, at: DateTime<Utc>) -> Row {
        let row = ApprovalRow {
            used_by_statement_id: Some(by),
            ..self.of_approval("used", approval, at)
        };
        row.into()
    }

    /// Says that it was approved for nothing, and in which respect the statement is another.
    pub(super) fn void(&self, approval: &Approval, what: &str, at: DateTime<Utc>) -> Vec<Row> {
        let detail = json!({ "approval_id": self.request.id, "what": what });
        let event = self.event(code::APPROVAL_VOID, Severity::High, detail);
        vec![self.of_approval("void", approval, at).into(), event.into()]
    }

    /// Says that it ended otherwise.
    pub(super) fn ended(&self, state: &'static str, by: Vec<String>, at: DateTime<Utc>) -> Row {
        let row = ApprovalRow {
            decided_at: Some(at),
            approver_issuer: by
                .first()
                .and_then(|one| Some(one.split_once(':')?.0.to_owned())),
            approver_subject: by
                .first()
                .and_then(|one| Some(one.split_once(':')?.1.to_owned())),
            approvers: (!by.is_empty()).then_some(by),
            ..self.row(state)
        };
        row.into()
    }

    /// Tells of a decision that does not count.
    pub(super) fn not_counted(&self, refused: &NotCounted) -> Row {
        let detail = json!({
            "approval_id": self.request.id,
            "decision_sha256": refused.sha256,
            "person": refused.person,
            "why": refused.why.to_string(),
        });
        self.event(code::DECISION_REFUSED, Severity::Medium, detail)
            .into()
    }

    /// Tells of what is none of its documents.
    pub(super) fn rubbish(&self, what: &str) -> Row {
        let detail = json!({ "approval_id": self.request.id, "what": what });
        self.event(code::MAILBOX_RUBBISH, Severity::Medium, detail)
            .into()
    }

    fn of_approval(
        &self,
        state: &'static str,
        approval: &Approval,
        at: DateTime<Utc>,
    ) -> ApprovalRow {
        let first = approval.counted().first();
        ApprovalRow {
            decided_at: Some(at),
            approver_auth: approval
                .counted()
                .iter()
                .map(|one| one.grade)
                .min()
                .map(|grade| grade.as_str().to_owned()),
            approver_issuer: first.and_then(|one| Some(one.person.split_once(':')?.0.to_owned())),
            approver_subject: first.and_then(|one| Some(one.person.split_once(':')?.1.to_owned())),
            channel: first.map(|one| one.face.clone()),
            approvers: Some(approval.by()),
            break_glass: Some(approval.is_break_glass()),
            grant_s: approval
                .grant_s()
                .and_then(|seconds| i64::try_from(seconds).ok()),
            single_use: approval.grant_s().is_none(),
            granted_by: approval.granted_by(),
            ..self.row(state)
        }
    }

    fn row(&self, state: &'static str) -> ApprovalRow {
        let request = self.request;
        let mac = self.recorder.mac(request.meaning.sql.as_bytes());
        ApprovalRow {
            session_id: Some(request.session_id),
            approval_id: Some(request.id),
            statement_id: Some(request.statement_id),
            requested_at: Some(request.requested_at),
            expires_at: Some(request.expires_at),
            state,
            rule_id: request.asks.first().map(|ask| ask.rule.clone()),
            rule_ids: self.rules(),
            asked_groups: request
                .needs
                .iter()
                .map(|need| need.group.clone())
                .collect(),
            shown_sql_mac: Some(mac),
            bound_sql_mac: Some(mac),
            request_sha256: Some(self.digest),
            single_use: true,
            ..ApprovalRow::default()
        }
    }

    fn text(&self) -> ApprovalTextRow {
        ApprovalTextRow {
            session_id: Some(self.request.session_id),
            approval_id: Some(self.request.id),
            statement_id: Some(self.request.statement_id),
            ..ApprovalTextRow::default()
        }
    }

    fn event(
        &self,
        event_code: &'static str,
        severity: Severity,
        detail: serde_json::Value,
    ) -> EventRow {
        EventRow {
            session_id: Some(self.request.session_id),
            statement_id: Some(self.request.statement_id),
            event_code,
            severity,
            category: Category::Approval,
            detail: Some(detail),
            ..EventRow::default()
        }
    }

    fn rules(&self) -> Vec<String> {
        self.request
            .asks
            .iter()
            .map(|ask| ask.rule.clone())
            .collect()
    }
}

fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::Approve => "approve",
        Answer::Deny => "deny",
    }
}
