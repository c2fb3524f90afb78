//! Table `events`: what happened besides statements.

use crate::id::{SessionId, StatementId};
use crate::record::event::{Category, Severity};
use crate::record::schema::{Column, Table, Tier, Type};
use crate::record::value::Value;

use Type::{I32, Json, Text};

/// The table's definition.
pub(in crate::record) static TABLE: Table = Table {
    id: 5,
    name: "events",
    tier: Tier::Metadata,
    doc: "One thing that happened to a chain, a session, a login or a connection.",
    own: &COLUMNS,
    day_of: None,
};

#[rustfmt::skip]
static COLUMNS: [Column; 7] = [
    Column::new(16, "event_code", Text, "Stable code of what happened.").required().dictionary(),
    Column::new(17, "severity", I32, "OCSF severity: 1 informational, 2 low, 3 medium, 4 high, 5 critical.").required().dictionary(),
    Column::new(18, "category", Text, "`chain`, `auth`, `net`, `policy`, `record`, `approval` or `admin`.").required().dictionary(),
    Column::new(19, "detail", Json, "Facts of the event; no content and no personal data."),
    Column::new(20, "statement_id", Text, "Statement that it happened to."),
    Column::new(21, "pid", I32, "Process that caused it."),
    Column::new(22, "dst_host", Text, "Host that was to be reached.").dictionary(),
];

/// One row of `events`; each field is the column of its name. Without a session it is about the host.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "`COLUMNS` says what each field means, once")]
pub struct EventRow {
    pub session_id: Option<SessionId>,
    pub event_code: &'static str,
    pub severity: Severity,
    pub category: Category,
    pub detail: Option<serde_json::Value>,
    pub statement_id: Option<StatementId>,
    pub pid: Option<i32>,
    pub dst_host: Option<String>,
}

impl EventRow {
    /// Gives each own column's name and value, in the table's order.
    pub(in crate::record) fn fields(self) -> [(&'static str, Value); 7] {
        [
            ("event_code", self.event_code.into()),
            ("severity", self.severity.as_i32().into()),
            ("category", self.category.as_str().into()),
            ("detail", self.detail.into()),
            ("statement_id", self.statement_id.into()),
            ("pid", self.pid.into()),
            ("dst_host", self.dst_host.into()),
        ]
    }
}
