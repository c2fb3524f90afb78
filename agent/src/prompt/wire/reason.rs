//! Why bytes of a connection could not be read.

use super::Side;

/// Why bytes of a connection could not be read. No variant holds bytes of a body or a header's value, but for the name of
/// a coding or protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A request's or an answer's head breaks its syntax, or two readers could take it in two ways.
    #[error("head: {0}")]
    Head(&'static str),
    /// A head is longer than we read.
    #[error("head: expected at most {limit_bytes} bytes, found more")]
    HeadTooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// Chunks or frames break their syntax.
    #[error("framing: {0}")]
    Framing(&'static str),
    /// A block of compressed headers cannot be read, so no later one can.
    #[error("hpack: {0}")]
    Hpack(&'static str),
    /// A body is not what its content coding says.
    #[error("content coding: {0}")]
    Coding(&'static str),
    /// A body's content coding is none of gzip, deflate, zstd and br.
    #[error("content coding: expected gzip, deflate, zstd or br, found `{0}`")]
    UnknownCoding(String),
    /// A WebSocket's frames or messages break their syntax.
    #[error("websocket: {0}")]
    WebSocket(&'static str),
    /// The connection goes on in a protocol that is not read.
    #[error("connection: expected http or websocket, found `{0}`")]
    Protocol(String),
    /// The side's bytes ended before this did.
    #[error("connection: ended before the message did")]
    CutOff,
    /// An answer came that nobody asked for.
    #[error("answer: expected a request before it, found none")]
    Unasked,
    /// One side reset the stream.
    #[error("stream: reset by the {by:?} with code {code}")]
    Reset {
        /// Who.
        by: Side,
        /// Why, by RFC 9113 section 7.
        code: u32,
    },
    /// The server goes away and said that it never looked at this request.
    #[error("stream: not looked at by the server, which goes away with code {code}")]
    Unprocessed {
        /// Why, by RFC 9113 section 7.
        code: u32,
    },
    /// The server promised an answer to a request that nobody made; it is not read.
    #[error("stream: pushed by the server")]
    Pushed,
    /// More is under way at once than we follow.
    #[error("connection: expected at most {limit} requests under way, found more")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// Reading this would need more memory than a connection, its session or all of them have.
    #[error("connection: expected to need at most {limit_bytes} bytes of memory, would need more")]
    Memory {
        /// The limit.
        limit_bytes: usize,
    },
}
