//! OpenAI's Chat Completions API and what copies it.

pub(in crate::prompt) mod answer;
pub(in crate::prompt) mod request;
