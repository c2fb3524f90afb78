//! Anthropic's Messages API: also the body within Bedrock's InvokeModel and Vertex's rawPredict.

pub(super) mod answer;
pub(super) mod request;
