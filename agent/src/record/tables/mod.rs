//! One file a table: its columns, the row that callers fill, and how the one becomes the other. Pure.

pub(super) mod approval_texts;
pub(super) mod approvals;
pub(super) mod events;
pub(super) mod links;
pub(super) mod llm_calls;
pub(super) mod logins;
pub(super) mod prompts;
pub(super) mod results;
pub(super) mod sessions;
pub(super) mod statement_texts;
pub(super) mod statements;
pub(super) mod tool_call_args;
pub(super) mod tool_calls;
pub(super) mod transfers;
