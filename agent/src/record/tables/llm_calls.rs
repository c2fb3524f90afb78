//! Table `llm_calls`: calls of models that a session's agent made.

use chrono::{DateTime, Utc};

use crate::id::SessionId;
use crate::record::schema::{Column, Table, Tier, Type};
use crate::record::value::Value;

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

/// One row of `llm_calls`; each field is the column of its name.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "`COLUMNS` says what each field means, once")]
pub struct LlmCallRow {
    pub session_id: Option<SessionId>,
    pub llm_call_id: Option<String>,
    pub provider: Option<String>,
    pub endpoint_host: Option<String>,
    pub api: Option<&'static str>,
    pub request_model: Option<String>,
    pub response_model: Option<String>,
    pub response_id: Option<String>,
    pub client_request_id: Option<String>,
    pub agent_session_id: Option<String>,
    pub agent_id_hdr: Option<String>,
    pub parent_agent_id_hdr: Option<String>,
    pub turn_id: Option<String>,
    pub prompt_key: Option<String>,
    pub trace_id: Option<String>,
    pub started_at: Option<DateTime<Utc>>,
    pub first_byte_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    pub stop_reason: Option<String>,
    pub input_tokens: Option<i64>,
    pub output_tokens: Option<i64>,
    pub cache_read_tokens: Option<i64>,
    pub tool_use_count: Option<i32>,
    pub http_status: Option<i32>,
    pub pid: Option<i32>,
    pub start_ns: Option<i64>,
    pub parse_status: Option<String>,
}

impl LlmCallRow {
    /// Gives each own column's name and value, in the table's order.
    pub(in crate::record) fn fields(self) -> [(&'static str, Value); 26] {
        [
            ("llm_call_id", self.llm_call_id.into()),
            ("provider", self.provider.into()),
            ("endpoint_host", self.endpoint_host.into()),
            ("api", self.api.into()),
            ("request_model", self.request_model.into()),
            ("response_model", self.response_model.into()),
            ("response_id", self.response_id.into()),
            ("client_request_id", self.client_request_id.into()),
            ("agent_session_id", self.agent_session_id.into()),
            ("agent_id_hdr", self.agent_id_hdr.into()),
            ("parent_agent_id_hdr", self.parent_agent_id_hdr.into()),
            ("turn_id", self.turn_id.into()),
            ("prompt_key", self.prompt_key.into()),
            ("trace_id", self.trace_id.into()),
            ("started_at", self.started_at.into()),
            ("first_byte_at", self.first_byte_at.into()),
            ("completed_at", self.completed_at.into()),
            ("stop_reason", self.stop_reason.into()),
            ("input_tokens", self.input_tokens.into()),
            ("output_tokens", self.output_tokens.into()),
            ("cache_read_tokens", self.cache_read_tokens.into()),
            ("tool_use_count", self.tool_use_count.into()),
            ("http_status", self.http_status.into()),
            ("pid", self.pid.into()),
            ("start_ns", self.start_ns.into()),
            ("parse_status", self.parse_status.into()),
        ]
    }
}
