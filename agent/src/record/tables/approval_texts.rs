//! Table `approval_texts`: what approvers were shown and what they said, kept apart so that it can be erased apart.

use crate::id::{ApprovalId, SessionId, StatementId};
use crate::record::schema::{Column, Table, Tier, Type};
use crate::record::value::Value;

use Type::{Hash, Json, Salt, Text};

/// The table's definition.
pub(in crate::record) static TABLE: Table = Table {
    id: 15,
    name: "approval_texts",
    tier: Tier::Content,
    doc: "One document of a request for a person's yes: the request as it was shown, or a decision with its proof.",
    own: &COLUMNS,
    day_of: None,
};

#[rustfmt::skip]
static COLUMNS: [Column; 7] = [
    Column::new(16, "approval_id", Text, "Names the request.").required().bloom(),
    Column::new(17, "statement_id", Text, "Statement that waits.").required().bloom(),
    Column::new(18, "kind", Text, "`request` or `decision`.").required().dictionary(),
    Column::new(19, "sha256", Hash, "Of a request its digest, of a decision the SHA-256 of its bytes.").required(),
    Column::new(20, "request", Json, "The request as it was shown."),
    Column::new(21, "decision", Json, "The decision as it came, with its proof.").verbatim(),
    Column::new(22, "salt", Salt, "Keeps the row's leaf from being a digest of its document alone.").required(),
];

/// One row of `approval_texts`; each field is the column of its name.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "`COLUMNS` says what each field means, once")]
pub struct ApprovalTextRow {
    pub session_id: Option<SessionId>,
    pub approval_id: Option<ApprovalId>,
    pub statement_id: Option<StatementId>,
    pub kind: &'static str,
    pub sha256: Option<[u8; 32]>,
    pub request: Option<String>,
    pub decision: Option<String>,
    pub salt: Option<[u8; 16]>,
}

impl ApprovalTextRow {
    /// Gives each own column's name and value, in the table's order.
    pub(in crate::record) fn fields(self) -> [(&'static str, Value); 7] {
        [
            ("approval_id", self.approval_id.into()),
            ("statement_id", self.statement_id.into()),
            ("kind", self.kind.into()),
            ("sha256", self.sha256.into()),
            ("request", self.request.into()),
            ("decision", self.decision.into()),
            ("salt", self.salt.into()),
        ]
    }
}
