//! Table `tool_call_args`: arguments of tools, kept apart so that they can be erased apart.

use crate::record::schema::{Column, Table, Tier, Type};

use Type::{Json, Salt, Text};

/// The table's definition.
pub(in crate::record) static TABLE: Table = Table {
    id: 13,
    name: "tool_call_args",
    tier: Tier::Content,
    doc: "Arguments of one use of a tool.",
    own: &COLUMNS,
    day_of: None,
};

#[rustfmt::skip]
static COLUMNS: [Column; 3] = [
    Column::new(16, "tool_call_id", Text, "Use of a tool that they belong to.").required().bloom(),
    Column::new(17, "args", Json, "Arguments as the model gave them.").required(),
    Column::new(18, "salt", Salt, "Salt of the commitment to the arguments."),
];
