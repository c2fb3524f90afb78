//! What both sides of a WebSocket agreed upon: no extension, or compression (RFC 7692).

use super::super::{Reason, Side};

/// What both sides agreed upon.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::prompt::wire) struct Agreed {
    compression: Option<Contexts>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Contexts {
    client: Context,
    server: Context,
}

/// How long a direction's window lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// Messages may refer to those before them.
    Kept,
    /// Each message stands alone: `*_no_context_takeover`.
    EachMessage,
}

impl Agreed {
    pub(super) fn is_compressed(self) -> bool {
        self.compression.is_some()
    }

    pub(super) fn context(self, side: Side) -> Context {
        match (self.compression, side) {
            (Some(contexts), Side::Client) => contexts.client,
            (Some(contexts), Side::Server) => contexts.server,
            (None, _) => Context::EachMessage,
        }
    }
}

/// Reads the answer's `Sec-WebSocket-Extensions`. A window smaller than ours is read by ours.
pub(in crate::prompt::wire) fn agreed(extensions: Option<&str>) -> Result<Agreed, Reason> {
    let Some(extensions) = extensions.filter(|list| !list.trim().is_empty()) else {
        return Ok(Agreed::default());
    };
    let unknown = || Reason::WebSocket("an extension was agreed upon that is not read");
    let mut parts = extensions.split(';').map(str::trim);
    if extensions.contains(',')
        || !parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("permessage-deflate"))
    {
        return Err(unknown());
    }
    let mut contexts = Contexts {
        client: Context::Kept,
        server: Context::Kept,
    };
    for parameter in parts {
        let (name, _) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "client_no_context_takeover" => contexts.client = Context::EachMessage,
            "server_no_context_takeover" => contexts.server = Context::EachMessage,
            "client_max_window_bits" | "server_max_window_bits" => {}
            _ => return Err(unknown()),
        }
    }
    Ok(Agreed {
        compression: Some(contexts),
    })
}
