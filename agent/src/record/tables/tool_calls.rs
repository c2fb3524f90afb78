//! Table `tool_calls`: tools that models asked agents to use.

use chrono::{DateTime, Utc};

use crate::id::SessionId;
use crate::record::schema::{Column, Table, Tier, Type};
use crate::record::value::Value;

use Type::{Bool, Hash, I32, I64, List, Text, Time};

/// The table's definition.
pub(in crate::record) static TABLE: Table = Table {
    id: 12,
    name: "tool_calls",
    tier: Tier::Metadata,
    doc: "One use of a tool that a model asked for; a second row once its result was seen. Its arguments are in `tool_call_args`.",
    own: &COLUMNS,
    day_of: Some("emitted_at"),
};

#[rustfmt::skip]
static COLUMNS: [Column; 12] = [
    Column::new(16, "tool_call_id", Text, "The provider's id of it.").required().bloom(),
    Column::new(17, "llm_call_id", Text, "Model call that asked for it.").required(),
    Column::new(18, "tool_name", Text, "Tool.").dictionary(),
    Column::new(19, "mcp_server", Text, "MCP server that offers the tool.").dictionary(),
    Column::new(20, "args_mac", Hash, "HMAC-SHA256 of the arguments under the digest key.").required(),
    Column::new(21, "args_len", I32, "Bytes of the arguments."),
    Column::new(22, "emitted_at", Time, "When the model had asked for it in full.").required(),
    Column::new(23, "result_seen_at", Time, "When a request carried its result."),
    Column::new(24, "result_mac", Hash, "HMAC-SHA256 of the result under the digest key."),
    Column::new(25, "result_is_error", Bool, "Whether the agent called the result an error."),
    Column::new(26, "contains_sql", Bool, "Whether the arguments hold SQL."),
    Column::new(27, "sql_fingerprints", List(&I64), "Hashes of that SQL without its literals; compare with `sql_fingerprint`."),
];

/// One row of `tool_calls`; each field is the column of its name.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "`COLUMNS` says what each field means, once")]
pub struct ToolCallRow {
    pub session_id: Option<SessionId>,
    pub tool_call_id: Option<String>,
    pub llm_call_id: Option<String>,
    pub tool_name: Option<String>,
    pub mcp_server: Option<String>,
    pub args_mac: Option<[u8; 32]>,
    pub args_len: Option<i32>,
    pub emitted_at: Option<DateTime<Utc>>,
    pub result_seen_at: Option<DateTime<Utc>>,
    pub result_mac: Option<[u8; 32]>,
    pub result_is_error: Option<bool>,
    pub contains_sql: Option<bool>,
    pub sql_fingerprints: Vec<i64>,
}

impl ToolCallRow {
    /// Gives each own column's name and value, in the table's order.
    pub(in crate::record) fn fields(self) -> [(&'static str, Value); 12] {
        [
            ("tool_call_id", self.tool_call_id.into()),
            ("llm_call_id", self.llm_call_id.into()),
            ("tool_name", self.tool_name.into()),
            ("mcp_server", self.mcp_server.into()),
            ("args_mac", self.args_mac.into()),
            ("args_len", self.args_len.into()),
            ("emitted_at", self.emitted_at.into()),
            ("result_seen_at", self.result_seen_at.into()),
            ("result_mac", self.result_mac.into()),
            ("result_is_error", self.result_is_error.into()),
            ("contains_sql", self.contains_sql.into()),
            ("sql_fingerprints", self.sql_fingerprints.into()),
        ]
    }
}
