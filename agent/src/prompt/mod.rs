//! Reads what agents say to models and what models answer, and which statement comes from which of it. Pure.
//!
//! In the order in which a byte flows: `wire` takes HTTP apart, `body` a provider's JSON, `exchange` makes calls of a
//! connection's two sides, `provenance` keeps what a session's calls said, `linking` says which tool call a statement
//! comes from and how sure that is; `telemetry` reads what agents tell of themselves. Everything in a request is a claim of
//! whoever wrote it.

mod body;

pub mod exchange;
pub mod linking;
pub mod provenance;
pub mod secrets;
pub mod telemetry;
pub mod wire;

pub use body::{
    Answer, AnswerReader, Api, ArgsStatus, CALLS_MAX, Head, History, Ids, LeftOut,
    MESSAGE_MAX_BYTES, Notes, ParseStatus, RESULT_MAX_BYTES, Received, Request, RequestReader,
    ResponsesSocket, Runs, Sent, Sha256, TOLD_MAX, TURN_MAX_BYTES, Tokens, ToolCall, ToolResult,
    Trace, Turn, TurnName, Unreadable,
};
