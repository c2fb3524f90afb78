//! What the reader tells: requests, answers, their bodies piece by piece, messages of WebSockets, and what it could not
//! read.

use bytes::Bytes;

use super::{Headers, Reason};

/// One of the two ends of a connection, named by who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The agent's program.
    Client,
    /// The model API.
    Server,
}

/// What was seen next on a connection.
///
/// Streams are HTTP/2's own numbers, or 1, 2, 3 for the requests of an HTTP/1.1 connection in their order. Of one stream
/// and side nothing follows an end or a `Broken` that names them, but for the messages of a WebSocket, which follow the
/// end of the request that opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The head of a request.
    Request(Request),
    /// Decoded bytes of a request's body, as they came.
    RequestBody {
        /// Whose body it is.
        stream: u64,
        /// Its next bytes, without transfer and content codings.
        bytes: Bytes,
    },
    /// The request came whole.
    RequestEnd {
        /// Which one.
        stream: u64,
    },
    /// The head of a final answer; interim ones are not told.
    Answer(Answer),
    /// Decoded bytes of an answer's body, as they came.
    AnswerBody {
        /// Whose body it is.
        stream: u64,
        /// Its next bytes, without transfer and content codings.
        bytes: Bytes,
    },
    /// The answer came whole.
    AnswerEnd {
        /// Which one.
        stream: u64,
    },
    /// A whole message of a WebSocket.
    Message(Message),
    /// One side closed its direction of a WebSocket.
    Closed {
        /// Which one.
        stream: u64,
        /// Who closed.
        from: Side,
        /// Why, by RFC 6455 section 7.4, if it was said.
        code: Option<u16>,
    },
    /// A body or message has more than [`super::Limits::message_bytes`]: what was told is its start (of a message: none),
    /// and what follows is counted and hashed only.
    Cut {
        /// Of which stream.
        stream: u64,
        /// Who sends it.
        from: Side,
    },
    /// A body or message that was cut is at its end.
    Rest {
        /// Of which stream.
        stream: u64,
        /// Who sent it.
        from: Side,
        /// Its bytes from the first to the last, as they were sent: without transfer coding or masking, with content
        /// coding.
        coded_bytes: u64,
        /// SHA-256 of those bytes.
        sha256: [u8; 32],
    },
    /// Something cannot be read.
    Broken {
        /// What is lost: one stream's bytes from that side, or all that the side sends from here on.
        stream: Option<u64>,
        /// Whose bytes are lost.
        from: Side,
        /// Why.
        reason: Reason,
    },
}

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its number on the connection.
    pub stream: u64,
    /// The method.
    pub method: String,
    /// The host it asks for, in lower case, with the port if one was said and without a user's name; empty if none was.
    pub authority: String,
    /// The path, and of the query only a parameter `alt`.
    pub path: String,
    /// What was kept of its header fields.
    pub headers: Headers,
    /// The fingerprints of the credentials that it carries, in their order, each once.
    pub credentials: Vec<[u8; 32]>,
}

/// The head of a final answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The request's number.
    pub stream: u64,
    /// The status code.
    pub status: u16,
    /// What was kept of its header fields.
    pub headers: Headers,
}

/// A whole message of a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The number of the request that opened it.
    pub stream: u64,
    /// Who sent it.
    pub from: Side,
    /// Text or not.
    pub kind: Kind,
    /// The message, unmasked and inflated.
    pub bytes: Bytes,
}

/// What a WebSocket's message holds. Source: RFC 6455 section 5.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Valid UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// Where what is seen goes.
pub(super) type Sink<'a> = dyn FnMut(Seen) + 'a;

/// One side's bytes of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    pub(super) stream: u64,
    pub(super) from: Side,
}

impl At {
    pub(super) fn body(self, bytes: &[u8]) -> Seen {
        let (stream, bytes) = (self.stream, Bytes::copy_from_slice(bytes));
        match self.from {
            Side::Client => Seen::RequestBody { stream, bytes },
            Side::Server => Seen::AnswerBody { stream, bytes },
        }
    }

    pub(super) fn end(self) -> Seen {
        let stream = self.stream;
        match self.from {
            Side::Client => Seen::RequestEnd { stream },
            Side::Server => Seen::AnswerEnd { stream },
        }
    }

    pub(super) fn cut(self) -> Seen {
        Seen::Cut {
            stream: self.stream,
            from: self.from,
        }
    }

    pub(super) fn broken(self, reason: Reason) -> Seen {
        Seen::Broken {
            stream: Some(self.stream),
            from: self.from,
            reason,
        }
    }
}
