//! Table `links`: which prompt and which model call a statement comes from, as far as it is known.

use crate::record::schema::{Column, Table, Tier, Type};

use Type::{F64, I32, Text};

/// The table's definition.
pub(in crate::record) static TABLE: Table = Table {
    id: 14,
    name: "links",
    tier: Tier::Metadata,
    doc: "One judgement of where a statement comes from; a later one may supersede it, none is changed.",
    own: &COLUMNS,
    day_of: None,
};

#[rustfmt::skip]
static COLUMNS: [Column; 13] = [
    Column::new(16, "link_id", Text, "Names the link.").required(),
    Column::new(17, "statement_id", Text, "Statement.").required().bloom(),
    Column::new(18, "tool_call_id", Text, "Use of a tool that carried it.").bloom(),
    Column::new(19, "prompt_key", Text, "Prompt that led to it.").bloom(),
    Column::new(20, "llm_call_id", Text, "Model call that asked for that use."),
    Column::new(21, "grade", Text, "How sure it is: `A` best to `E`, `U` unknown.").required().dictionary(),
    Column::new(22, "confidence", F64, "The same from 0 to 1.").required(),
    Column::new(23, "evidence", I32, "Bits: which observations speak for it.").required(),
    Column::new(24, "method", Text, "How it was found.").required().dictionary(),
    Column::new(25, "candidates", I32, "Uses of tools that came into question.").required(),
    Column::new(26, "matcher_version", Text, "Version of what found it.").required().dictionary(),
    Column::new(27, "text_overlap", F64, "Share of the SQL's text that stood in the tool's arguments, from 0 to 1."),
    Column::new(28, "supersedes", Text, "Link that this one takes the place of."),
];
