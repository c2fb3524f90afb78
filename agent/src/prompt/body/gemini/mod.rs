//! Google's generateContent: of the Gemini API, of Vertex, and of Code Assist, which wraps both bodies once more.

pub(super) mod answer;
pub(super) mod array;
pub(super) mod request;
