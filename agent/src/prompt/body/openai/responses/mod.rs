//! OpenAI's Responses API, over HTTP or WebSocket.

pub(in crate::prompt::body) mod answer;
pub(in crate::prompt::body) mod request;
