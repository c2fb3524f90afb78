//! Table `prompts`: what people told agents, kept apart so that it can be erased apart.

use crate::record::schema::{Column, Table, Tier, Type};

use Type::{Hash, I32, List, Salt, Struct, Text};

/// The table's definition.
pub(in crate::record) static TABLE: Table = Table {
    id: 10,
    name: "prompts",
    tier: Tier::Content,
    doc: "One distinct turn of a person in a conversation with an agent.",
    own: &COLUMNS,
    day_of: None,
};

#[rustfmt::skip]
static REDACTION: [Column; 2] = [
    Column::new(0, "kind", Text, "Kind of secret that was taken out."),
    Column::new(1, "count", I32, "How many of them."),
];

#[rustfmt::skip]
static COLUMNS: [Column; 13] = [
    Column::new(16, "prompt_key", Text, "Names the prompt.").required().bloom(),
    Column::new(17, "agent_session_id", Text, "The agent's own session id.").bloom(),
    Column::new(18, "turn_index", I32, "Place in the conversation, from 0."),
    Column::new(19, "prompt_id", Text, "The agent's own id of it, where it told one."),
    Column::new(20, "provider", Text, "Whose model was asked.").dictionary(),
    Column::new(21, "role", Text, "Role of the turn.").dictionary(),
    Column::new(22, "text", Text, "What was said."),
    Column::new(23, "text_sha256", Hash, "SHA-256 of the text; as content it is in this tier.").required(),
    Column::new(24, "salt", Salt, "Salt of the commitment to the text."),
    Column::new(25, "text_len", I32, "Bytes of the text."),
    Column::new(26, "redactions", List(&Struct(&REDACTION)), "Secrets that were taken out of it."),
    Column::new(27, "source", Text, "Where it was seen: `wire`, `hook`, `otel` or `transcript`.").required().dictionary(),
    Column::new(28, "first_seen_llm_call_id", Text, "Model call that carried it first."),
];
