//! The bodies of calls to models: prompts, tool calls, results of tools.
//!
//! A body comes in pieces split at any byte, decoded; values come out: a `Request` with what is new in its history, each
//! `ToolCall` as soon as it is whole, an `Answer` at the end. What cannot be read is said in a `ParseStatus` and never
//! disturbs the call.

mod anthropic;
mod answer;
mod api;
mod bedrock;
mod call;
mod digest;
mod eventstream;
mod gemini;
mod history;
mod ids;
mod json;
mod kept;
mod openai;
mod request;
mod said;
mod socket;
mod sse;
mod status;
mod telling;
mod words;

pub use answer::AnswerReader;
pub use api::Api;
pub use call::{
    Answer, LeftOut, Request, Runs, Sha256, Tokens, ToolCall, ToolResult, Turn, TurnName,
};
pub use history::History;
pub use ids::{Head, Ids, Trace};
pub use kept::MESSAGE_MAX_BYTES;
pub use request::{RequestReader, TOLD_MAX, TURN_MAX_BYTES};
pub use said::RESULT_MAX_BYTES;
pub use socket::{Received, ResponsesSocket, Sent};
pub use status::{ArgsStatus, Notes, ParseStatus, Unreadable};
pub use telling::CALLS_MAX;

#[cfg(test)]
mod tests;
