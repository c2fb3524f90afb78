//! Table `approvals`: what was asked of people, and what they said.

use chrono::{DateTime, Utc};

use crate::id::{ApprovalId, SessionId, StatementId};
use crate::record::schema::{Column, Table, Tier, Type};
use crate::record::value::Value;

use Type::{Bool, Hash, I64, List, Text, Time};

/// The table's definition.
pub(in crate::record) static TABLE: Table = Table {
    id: 9,
    name: "approvals",
    tier: Tier::Metadata,
    doc: "One request for a person's yes, and each change of its state.",
    own: &COLUMNS,
    day_of: Some("requested_at"),
};

#[rustfmt::skip]
static COLUMNS: [Column; 28] = [
    Column::new(16, "approval_id", Text, "Names the request.").required().bloom(),
    Column::new(17, "statement_id", Text, "Statement that waits.").required().bloom(),
    Column::new(18, "requested_at", Time, "When it was asked for.").required(),
    Column::new(19, "decided_at", Time, "When a person decided; of a `decision` as its proof says, which is to the second but for `idp-key`."),
    Column::new(20, "expires_at", Time, "Until when a yes counts."),
    Column::new(21, "state", Text, "`requested`; `decision` of one person; then `approved`, `denied`, `expired`, `withdrawn` or `failed`; of an approved one `used` or `void`.").required().dictionary(),
    Column::new(22, "approver_issuer", Text, "Issuer of the approver's identity.").dictionary(),
    Column::new(23, "approver_subject", Text, "Subject of the approver's identity."),
    Column::new(24, "approver_auth", Text, "How the approver's yes is proved.").dictionary(),
    Column::new(25, "channel", Text, "Face by which the approver decided.").dictionary(),
    Column::new(26, "rule_id", Text, "Rule that asked for it.").dictionary(),
    Column::new(27, "shown_sql_mac", Hash, "HMAC-SHA256 of the SQL that the approver saw.").required(),
    Column::new(28, "bound_sql_mac", Hash, "HMAC-SHA256 of the SQL that may run.").required(),
    Column::new(29, "reason", Text, "Why, if it is one of fixed reasons; free text is content and not here."),
    Column::new(30, "single_use", Bool, "Whether it is good for one statement.").required(),
    Column::new(31, "used_by_statement_id", Text, "Statement that used it."),
    Column::new(32, "request_sha256", Hash, "Digest of the request, which decisions are about.").required(),
    Column::new(33, "decision_sha256", Hash, "SHA-256 of the decision; its text is in `approval_texts`."),
    Column::new(34, "rule_ids", List(&Text), "All rules that asked for it.").required().dictionary(),
    Column::new(35, "asked_groups", List(&Text), "Groups that were asked.").required().dictionary(),
    Column::new(36, "groups", List(&Text), "Groups in whose name the approver decided.").dictionary(),
    Column::new(37, "approvers", List(&Text), "All who decided, each as `ISSUER:SUBJECT`.").dictionary(),
    Column::new(38, "answer", Text, "`approve` or `deny`.").dictionary(),
    Column::new(39, "break_glass", Bool, "Whether one person said yes alone for an emergency."),
    Column::new(40, "grant_s", I64, "Seconds for which statements of the same shape may run too."),
    Column::new(41, "keys_sha256", Hash, "SHA-256 of the issuer's keys that proved it; stored under `evidence/`."),
    Column::new(42, "granted_by", Text, "Earlier request whose yes covers this one too."),
    Column::new(43, "seen_at", Time, "When the host first saw the decision, or the store had it if that is later; one by `idp-key` counts by it."),
];

/// One row of `approvals`; each field is the column of its name.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "`COLUMNS` says what each field means, once")]
pub struct ApprovalRow {
    pub session_id: Option<SessionId>,
    pub approval_id: Option<ApprovalId>,
    pub statement_id: Option<StatementId>,
    pub requested_at: Option<DateTime<Utc>>,
    pub decided_at: Option<DateTime<Utc>>,
    pub expires_at: Option<DateTime<Utc>>,
    pub state: &'static str,
    pub approver_issuer: Option<String>,
    pub approver_subject: Option<String>,
    pub approver_auth: Option<String>,
    pub channel: Option<String>,
    pub rule_id: Option<String>,
    pub shown_sql_mac: Option<[u8; 32]>,
    pub bound_sql_mac: Option<[u8; 32]>,
    pub reason: Option<String>,
    pub single_use: bool,
    pub used_by_statement_id: Option<StatementId>,
    pub request_sha256: Option<[u8; 32]>,
    pub decision_sha256: Option<[u8; 32]>,
    pub rule_ids: Vec<String>,
    pub asked_groups: Vec<String>,
    pub groups: Option<Vec<String>>,
    pub approvers: Option<Vec<String>>,
    pub answer: Option<String>,
    pub break_glass: Option<bool>,
    pub grant_s: Option<i64>,
    pub keys_sha256: Option<[u8; 32]>,
    pub granted_by: Option<ApprovalId>,
    pub seen_at: Option<DateTime<Utc>>,
}

impl ApprovalRow {
    /// Gives each own column's name and value, in the table's order.
    pub(in crate::record) fn fields(self) -> [(&'static str, Value); 28] {
        [
            ("approval_id", self.approval_id.into()),
            ("statement_id", self.statement_id.into()),
            ("requested_at", self.requested_at.into()),
            ("decided_at", self.decided_at.into()),
            ("expires_at", self.expires_at.into()),
            ("state", self.state.into()),
            ("approver_issuer", self.approver_issuer.into()),
            ("approver_subject", self.approver_subject.into()),
            ("approver_auth", self.approver_auth.into()),
            ("channel", self.channel.into()),
            ("rule_id", self.rule_id.into()),
            ("shown_sql_mac", self.shown_sql_mac.into()),
            ("bound_sql_mac", self.bound_sql_mac.into()),
            ("reason", self.reason.into()),
            ("single_use", self.single_use.into()),
            ("used_by_statement_id", self.used_by_statement_id.into()),
            ("request_sha256", self.request_sha256.into()),
            ("decision_sha256", self.decision_sha256.into()),
            ("rule_ids", self.rule_ids.into()),
            ("asked_groups", self.asked_groups.into()),
            ("groups", self.groups.into()),
            ("approvers", self.approvers.into()),
            ("answer", self.answer.into()),
            ("break_glass", self.break_glass.into()),
            ("grant_s", self.grant_s.into()),
            ("keys_sha256", self.keys_sha256.into()),
            ("granted_by", self.granted_by.into()),
            ("seen_at", self.seen_at.into()),
        ]
    }
}
