//! What a call of a model is, whichever API carried it: the request's new part, the answer, its tool calls.
//!
//! The fields are those of the record's tables `llm_calls`, `tool_calls`, `tool_call_args` and `prompts`; nothing here
//! depends on the record. System prompts, thinking, images and the model's own words are not kept.

use super::api::Api;
use super::ids::Ids;
use super::status::{ArgsStatus, Notes, ParseStatus};

/// A SHA-256.
pub type Sha256 = [u8; 32];

/// A request, as far as it is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The API.
    pub api: Api,
    /// The model that was asked for, in the body or in the path.
    pub model: Option<String>,
    /// Ids that the client gave: all of them are claims.
    pub ids: Ids,
    /// The answer that this goes on from, where the history stays with the provider.
    pub previous_response: Option<String>,
    /// Turns with words of a person that no earlier request carried.
    pub turns: Vec<Turn>,
    /// The last turn with words of a person, new or known.
    pub prompt: Option<TurnName>,
    /// Results of tools that no earlier request carried.
    pub results: Vec<ToolResult>,
    /// Hash of the system prompt, if there is one.
    pub system_sha256: Option<Sha256>,
    /// What was there and is not kept.
    pub left_out: LeftOut,
    /// Messages of the history, and how many of them were known.
    pub messages: u32,
    /// Messages at the front that an earlier request carried.
    pub known: u32,
    /// Bytes of the body.
    pub bytes: u64,
    /// Hash of the body, all of it.
    pub sha256: Sha256,
    /// How far it could be read.
    pub status: ParseStatus,
    /// What was odd and borne.
    pub notes: Notes,
}

/// What a person said, as the request claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its name.
    pub name: TurnName,
    /// The words, without the blocks that agents put around them; may hold secrets. No more than `TURN_MAX_BYTES`.
    pub text: String,
    /// Hash of the words, all of them.
    pub text_sha256: Sha256,
    /// Bytes of the words, all of them.
    pub text_bytes: u64,
    /// Place of its message in the request.
    pub message: u32,
}

/// Names a turn: the same in each request that carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnName {
    /// Place among the turns with words of a person, from 0.
    pub index: u32,
    /// The record's `prompt_key`: SHA-256 over Icecore's session, the agent's session and id, place and text.
    pub key: Sha256,
}

/// What a tool gave, as the agent tells the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolResult {
    /// The tool call's id. Where the model gave none, as Gemini may, it is none or one that the client made (Gemini CLI
    /// 0.61.0): such a call is found by its tool, in order.
    pub call_id: Option<String>,
    /// The tool's name, where the result tells it.
    pub tool: Option<String>,
    /// Its text, no more than `RESULT_MAX_BYTES`; may hold secrets.
    pub text: String,
    /// Bytes of the text, all of it.
    pub text_bytes: u64,
    /// Hash of the text, all of it.
    pub text_sha256: Sha256,
    /// Whether the agent calls it an error; `None` where the API has no word for that.
    pub is_error: Option<bool>,
}

/// What was there and is not kept, by count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Blocks of the model's thinking.
    pub thinking: u32,
    /// Images, sounds and films.
    pub images: u32,
    /// Documents and other files.
    pub documents: u32,
    /// Blocks that the agent put into a person's turn.
    pub reminders: u32,
}

/// A tool that the model asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The provider's id; Gemini may give none.
    pub id: Option<String>,
    /// The tool.
    pub name: String,
    /// The MCP server that offers it, where block or name tell.
    pub mcp_server: Option<String>,
    /// Who runs it.
    pub runs: Runs,
    /// Its arguments as the model gave them: JSON, or text for a tool that takes text. May hold secrets.
    pub args: Vec<u8>,
    /// Bytes of the arguments, those that are not kept too.
    pub args_bytes: u64,
    /// Hash of the arguments, all of them.
    pub args_sha256: Sha256,
    /// Whether they are whole.
    pub args_status: ArgsStatus,
}

/// Who runs a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// The agent, here.
    Agent,
    /// The provider, elsewhere.
    Provider,
}

/// An answer, when it is over; its tool calls were given before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The provider's id of it.
    pub response_id: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// Why the model stopped, in the provider's word.
    pub stop_reason: Option<String>,
    /// The provider's word for an error, without its message.
    pub error: Option<String>,
    /// Tokens.
    pub tokens: Tokens,
    /// Tool calls that were given.
    pub tool_calls: u32,
    /// Blocks of thinking, of images and of other things that are not kept.
    pub left_out: LeftOut,
    /// Bytes of the body.
    pub bytes: u64,
    /// Hash of the body, all of it.
    pub sha256: Sha256,
    /// How far it could be read.
    pub status: ParseStatus,
    /// What was odd and borne.
    pub notes: Notes,
}

/// Tokens that the provider counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of the request.
    pub input: Option<i64>,
    /// Of the answer.
    pub output: Option<i64>,
    /// Of the request, from a cache.
    pub cache_read: Option<i64>,
}
