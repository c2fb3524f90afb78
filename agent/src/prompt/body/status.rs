//! How far a body could be read, and what was odd in it.

use std::fmt;

/// How far a request or an answer could be read; the record's `parse_status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParseStatus {
    /// To its end.
    #[default]
    Whole,
    /// Not all is kept: it is larger than is looked at.
    Cut,
    /// It stopped before its end.
    Unfinished,
    /// It could not be read.
    Unreadable(Unreadable),
}

impl ParseStatus {
    /// Keeps the worse of both.
    pub(super) fn worsen(&mut self, other: Self) {
        if other.rank() > self.rank() {
            *self = other;
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Whole => 0,
            Self::Cut => 1,
            Self::Unfinished => 2,
            Self::Unreadable(_) => 3,
        }
    }
}

/// Writes the record's word, such as `whole` or `unreadable: not UTF-8`.
impl fmt::Display for ParseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("whole"),
            Self::Cut => f.write_str("cut"),
            Self::Unfinished => f.write_str("unfinished"),
            Self::Unreadable(why) => write!(f, "unreadable: {why}"),
        }
    }
}

/// Why a body could not be read; holds nothing of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Bytes that are no text.
    #[error("not UTF-8")]
    Utf8,
    /// Text that is no JSON, or JSON of another shape.
    #[error("expected the API's JSON, found something else at line {line}, column {column}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A body in a form that the API does not answer in.
    #[error("content type that the API does not use")]
    ContentType,
    /// A frame whose checksum or lengths do not fit.
    #[error("event stream frame whose checksum or lengths do not fit")]
    Frame,
    /// A body of a model whose form is not known.
    #[error("body of a model whose form is not known")]
    Model,
}

impl From<serde_json::Error> for Unreadable {
    /// Keeps the place alone: the error's own words may quote the body.
    fn from(error: serde_json::Error) -> Self {
        Self::Json {
            line: error.line(),
            column: error.column(),
        }
    }
}

/// Whether a tool call's arguments are whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgsStatus {
    /// One JSON value.
    Json,
    /// Text, of a tool that takes text.
    Text,
    /// Nothing: the tool takes none, or none were told.
    Empty,
    /// JSON that stops before its end, as when the model ran out of tokens.
    Cut,
    /// No JSON.
    Invalid,
    /// Larger than is kept; what is kept is their front.
    TooLong,
    /// The answer broke off while they were told.
    Unfinished,
}

impl ArgsStatus {
    /// Tells what bytes are.
    pub(super) fn of_json(bytes: &[u8]) -> Self {
        match serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
            _ if bytes.trim_ascii().is_empty() => Self::Empty,
            Ok(_) => Self::Json,
            Err(error) if error.is_eof() => Self::Cut,
            Err(_) => Self::Invalid,
        }
    }

    /// Gives the word by which it is told.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
            Self::Empty => "empty",
            Self::Cut => "cut",
            Self::Invalid => "invalid",
            Self::TooLong => "too_long",
            Self::Unfinished => "unfinished",
        }
    }
}

/// What was odd and borne, by count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Tool calls or results whose id stood before.
    pub duplicate_ids: u32,
    /// Parts of blocks that were not open, or opened twice.
    pub out_of_order: u32,
    /// Events, blocks and roles without meaning here; providers add some all the time.
    pub unknown: u32,
    /// Parts that could not be read and were passed over.
    pub unreadable: u32,
    /// Tool calls, results or messages beyond the most that are looked at.
    pub dropped: u32,
    /// Keys that stood twice in one object; the last counts.
    pub duplicate_keys: u32,
    /// A tool call whose parts and whole differ; the whole counts.
    pub contradictions: u32,
}

impl Notes {
    /// Counts one more, and stays at the most there is.
    pub(super) fn count(counter: &mut u32) {
        *counter = counter.saturating_add(1);
    }

    /// Tells whether anything is noted.
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}
