//! OpenAI's Chat Completions API and what copies it.

pub(in crate::prompt::body) mod answer;
pub(in crate::prompt::body) mod request;
