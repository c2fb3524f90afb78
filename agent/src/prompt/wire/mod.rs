//! A passive reader of one connection to a model API: plain bytes of both directions in, exchanges out.
//!
//! The bytes are a copy of what was forwarded, so nothing here can disturb a call. What cannot be read is told as
//! [`Seen::Broken`], never passed over. A credential is never part of a value: only a fingerprint of it, which the
//! caller's function makes.
//!
//! ```text
//! bytes -> http1 | http2 (frames, hpack) -> fields, body (coding) -> Seen
//!                     \-> websocket (frames, permessage-deflate) --/
//! ```

mod body;
mod coding;
mod fields;
mod http1;
mod http2;
mod kept;
mod limits;
mod reader;
mod reason;
mod seen;
mod target;
#[cfg(test)]
mod tests;
mod websocket;

pub use kept::Headers;
pub use limits::{Claim, Limits, Memory};
pub use reader::{Fingerprint, Protocol, Reader};
pub use reason::Reason;
pub use seen::{Answer, Kind, Message, Request, Seen, Side};
