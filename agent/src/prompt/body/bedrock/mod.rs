//! Bedrock's two APIs: InvokeModel, which carries a model's own body, and Converse.

pub(super) mod answer;
pub(super) mod request;
