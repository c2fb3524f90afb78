//! Table `tool_call_args`: arguments of tools, kept apart so that they can be erased apart.

use crate::id::SessionId;
use crate::record::schema::{Column, Table, Tier, Type};
use crate::record::value::Value;

use Type::{Json, Salt, Text};

/// The table's definition.
pub(in crate::record) static TABLE: Table = Table {
    id: 13,
    name: "tool_call_args",
    tier: Tier::Prompts,
    doc: "Arguments of one use of a tool.",
    own: &COLUMNS,
    day_of: None,
};

#[rustfmt::skip]
static COLUMNS: [Column; 4] = [
    Column::new(16, "tool_call_id", Text, "Use of a tool that they belong to.").required().bloom(),
    Column::new(17, "args", Json, "Arguments as the model gave them.").required(),
    Column::new(18, "salt", Salt, "Salt of the commitment to the arguments."),
    Column::new(19, "llm_call_id", Text, "Model call that asked for that use: ids of uses are unique with some providers alone."),
];

/// One row of `tool_call_args`; each field is the column of its name.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "`COLUMNS` says what each field means, once")]
pub struct ToolCallArgsRow {
    pub session_id: Option<SessionId>,
    pub tool_call_id: Option<String>,
    pub args: Option<String>,
    pub salt: Option<[u8; 16]>,
    pub llm_call_id: Option<String>,
}

impl ToolCallArgsRow {
    /// Gives each own column's name and value, in the table's order.
    pub(in crate::record) fn fields(self) -> [(&'static str, Value); 4] {
        [
            ("tool_call_id", self.tool_call_id.into()),
            ("args", self.args.into()),
            ("salt", self.salt.into()),
            ("llm_call_id", self.llm_call_id.into()),
        ]
    }
}
