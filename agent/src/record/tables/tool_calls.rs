//! Table `tool_calls`: tools that models asked agents to use.

use crate::record::schema::{Column, Table, Tier, Type};

use Type::{Bool, Hash, I32, I64, List, Text, Time};

/// The table's definition.
pub(in crate::record) static TABLE: Table = Table {
    id: 12,
    name: "tool_calls",
    tier: Tier::Metadata,
    doc: "One use of a tool that a model asked for; its arguments are in `tool_call_args`.",
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
