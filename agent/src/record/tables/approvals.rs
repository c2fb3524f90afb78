//! Table `approvals`: what was asked of people, and what they said.

use crate::record::schema::{Column, Table, Tier, Type};

use Type::{Bool, Hash, Text, Time};

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
static COLUMNS: [Column; 16] = [
    Column::new(16, "approval_id", Text, "Names the request.").required().bloom(),
    Column::new(17, "statement_id", Text, "Statement that waits.").required().bloom(),
    Column::new(18, "requested_at", Time, "When it was asked for.").required(),
    Column::new(19, "decided_at", Time, "When a person decided."),
    Column::new(20, "expires_at", Time, "Until when a yes counts."),
    Column::new(21, "state", Text, "`requested`, `approved`, `denied`, `expired` or `withdrawn`.").required().dictionary(),
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
];
