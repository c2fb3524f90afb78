//! Table `prompts`: what people told agents, kept apart so that it can be erased apart.

use crate::id::SessionId;
use crate::record::schema::{Column, Table, Tier, Type};
use crate::record::value::Value;

use Type::{Hash, I32, List, Salt, Struct, Text};

/// The table's definition.
pub(in crate::record) static TABLE: Table = Table {
    id: 10,
    name: "prompts",
    tier: Tier::Prompts,
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
static COLUMNS: [Column; 15] = [
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
    Column::new(29, "origin", Text, "Who says that a person wrote it: `claimed` by the agent's own request, or `attested` by whoever launched the session, before the agent was there; `model` where a model wrote it for a sub-agent.").dictionary(),
    Column::new(30, "root_prompt_key", Text, "The person's prompt that it comes from, where a model wrote it for a sub-agent."),
];

/// One row of `prompts`; each field is the column of its name.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "`COLUMNS` says what each field means, once")]
pub struct PromptRow {
    pub session_id: Option<SessionId>,
    pub prompt_key: Option<String>,
    pub agent_session_id: Option<String>,
    pub turn_index: Option<i32>,
    pub prompt_id: Option<String>,
    pub provider: Option<String>,
    pub role: Option<String>,
    pub text: Option<String>,
    pub text_sha256: Option<[u8; 32]>,
    pub salt: Option<[u8; 16]>,
    pub text_len: Option<i32>,
    pub redactions: Vec<(String, i32)>,
    pub source: &'static str,
    pub first_seen_llm_call_id: Option<String>,
    pub origin: &'static str,
    pub root_prompt_key: Option<String>,
}

impl PromptRow {
    /// Gives each own column's name and value, in the table's order.
    pub(in crate::record) fn fields(self) -> [(&'static str, Value); 15] {
        [
            ("prompt_key", self.prompt_key.into()),
            ("agent_session_id", self.agent_session_id.into()),
            ("turn_index", self.turn_index.into()),
            ("prompt_id", self.prompt_id.into()),
            ("provider", self.provider.into()),
            ("role", self.role.into()),
            ("text", self.text.into()),
            ("text_sha256", self.text_sha256.into()),
            ("salt", self.salt.into()),
            ("text_len", self.text_len.into()),
            ("redactions", redactions(self.redactions)),
            ("source", self.source.into()),
            ("first_seen_llm_call_id", self.first_seen_llm_call_id.into()),
            ("origin", self.origin.into()),
            ("root_prompt_key", self.root_prompt_key.into()),
        ]
    }
}

/// Gives kinds of secrets with how many of each were taken out; null where none were.
fn redactions(found: Vec<(String, i32)>) -> Value {
    let of = |(kind, count): (String, i32)| Value::Struct(vec![kind.into(), count.into()]);
    match found.is_empty() {
        true => Value::Null,
        false => Value::List(found.into_iter().map(of).collect()),
    }
}
