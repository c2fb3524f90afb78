//! OpenAI's two APIs, and those that copy them.

pub(super) mod chat;
pub(super) mod responses;
