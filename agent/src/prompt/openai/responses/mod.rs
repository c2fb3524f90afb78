//! OpenAI's Responses API, over HTTP or WebSocket.

pub(in crate::prompt) mod answer;
pub(in crate::prompt) mod request;
