//! Table `llm_calls`: calls of models that a session's agent made.

use crate::record::schema::{Column, Table, Tier, Type};

use Type::{I32, I64, Text, Time};

/// The table's definition.
pub(in crate::record) static TABLE: Table = Table {
    id: 11,
    name: "llm_calls",
    tier: Tier::Metadata,
    doc: "One call of a model, as seen on the wire.",
    own: &COLUMNS,
    day_of: Some("started_at"),
};

#[rustfmt::skip]
static COLUMNS: [Column; 26] = [
    Column::new(16, "llm_call_id", Text, "Names the call.").required().bloom(),
    Column::new(17, "provider", Text, "Whose model was called.").dictionary(),
    Column::new(18, "endpoint_host", Text, "Host that was called.").dictionary(),
    Column::new(19, "api", Text, "`messages`, `responses`, `chat`, `bedrock_invoke`, `vertex` or `cursor`.").dictionary(),
    Column::new(20, "request_model", Text, "Model that was asked for.").dictionary(),
    Column::new(21, "response_model", Text, "Model that answered.").dictionary(),
    Column::new(22, "response_id", Text, "The provider's id of the answer.").bloom(),
    Column::new(23, "client_request_id", Text, "The client's id of the request."),
    Column::new(24, "agent_session_id", Text, "The agent's own session id.").bloom(),
    Column::new(25, "agent_id_hdr", Text, "The agent's id, as its header says."),
    Column::new(26, "parent_agent_id_hdr", Text, "The id of the agent that started it, as its header says."),
    Column::new(27, "turn_id", Text, "Turn of the conversation."),
    Column::new(28, "prompt_key", Text, "Prompt that led to the call.").bloom(),
    Column::new(29, "trace_id", Text, "W3C trace."),
    Column::new(30, "started_at", Time, "When the request was sent.").required(),
    Column::new(31, "first_byte_at", Time, "When the answer began."),
    Column::new(32, "completed_at", Time, "When the answer was over."),
    Column::new(33, "stop_reason", Text, "Why the model stopped.").dictionary(),
    Column::new(34, "input_tokens", I64, "Tokens of the request."),
    Column::new(35, "output_tokens", I64, "Tokens of the answer."),
    Column::new(36, "cache_read_tokens", I64, "Tokens of the request that came from a cache."),
    Column::new(37, "tool_use_count", I32, "Tools that the answer asks for."),
    Column::new(38, "http_status", I32, "HTTP status of the answer."),
    Column::new(39, "pid", I32, "Process that made the call."),
    Column::new(40, "start_ns", I64, "That process's start, in nanoseconds since boot."),
    Column::new(41, "parse_status", Text, "How far the call could be read.").required().dictionary(),
];
