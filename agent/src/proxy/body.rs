//! A request's body, read under the limit of its endpoint and to its end.

use std::ops::Deref;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;

use crate::snowflake::gzip::{GzipError, inflate_capped};
use crate::snowflake::route::Endpoint;

/// Most plain bytes of a login: a driver's has a few KiB, a SAML assertion in it some ten times that.
const LOGIN_MAX_BYTES: u64 = 256 << 10;

/// Most plain bytes of a renewal, which holds one token.
const RENEWAL_MAX_BYTES: u64 = 16 << 10;

/// What a request's body may be, by its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// It may hold a statement and its binds: as large as the config says.
    Large,
    /// It may have as many plain bytes.
    Small(u64),
    /// Nobody looks at it: it is read and dropped.
    Dropped,
}

impl Size {
    /// Tells what the body of an endpoint may be; it is kept only where it is read.
    pub(super) fn of(endpoint: Option<&Endpoint>) -> Self {
        match endpoint {
            // An abort by request id repeats the statement's text (protocol reference section 1).
            Some(Endpoint::Query | Endpoint::Submit | Endpoint::AbortRequest | Endpoint::Mcp) => {
                Self::Large
            }
            Some(Endpoint::Login) => Self::Small(LOGIN_MAX_BYTES),
            Some(Endpoint::Renew) => Self::Small(RENEWAL_MAX_BYTES),
            Some(
                Endpoint::Authenticator
                | Endpoint::McpOther
                | Endpoint::OauthToken
                | Endpoint::LoginPage
                | Endpoint::Heartbeat
                | Endpoint::Close
                | Endpoint::Result(_)
                | Endpoint::Monitoring(_)
                | Endpoint::AbortQuery(_)
                | Endpoint::Status(_)
                | Endpoint::Cancel(_)
                | Endpoint::Chunk(_)
                | Endpoint::File(_)
                | Endpoint::Telemetry,
            )
            | None => Self::Dropped,
        }
    }
}

/// A request's plain bytes, with their place among the large bodies that their session may hold.
///
/// Whoever has read them drops them: a request may wait for long, and a session may have many.
pub(super) struct Plain {
    bytes: Bytes,
    _place: Option<OwnedSemaphorePermit>,
}

impl Plain {
    pub(super) fn new(bytes: Bytes, place: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            bytes,
            _place: place,
        }
    }
}

impl Deref for Plain {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Most bytes past the limit that are read and dropped, so that the client hears the refusal rather than a broken
/// connection, which some drivers answer by sending all of it again.
const DROPPED_MAX_BYTES: u64 = 1 << 30;

/// Why a body was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("a request of {found_bytes} bytes is larger than the limit of {limit_bytes} bytes")]
    TooLarge { found_bytes: u64, limit_bytes: u64 },
    #[error("the request's body did not come within {} s", BODY_WITHIN.as_secs())]
    Slow,
    #[error(
        "the session sends more large requests at once than are read; none was done within {} s",
        BODY_WITHIN.as_secs()
    )]
    Crowded,
    #[error("the request's body broke off: {0}")]
    Broken(hyper::Error),
    #[error("{0}")]
    Inflate(#[from] GzipError),
}

/// How long a body may take.
pub(super) const BODY_WITHIN: Duration = Duration::from_secs(60);

/// Reads a body and gives its plain bytes.
pub(super) async fn read(incoming: Incoming, limit_bytes: u64) -> Result<Bytes, BodyError> {
    tokio::time::timeout(BODY_WITHIN, read_all(incoming, limit_bytes))
        .await
        .unwrap_or(Err(BodyError::Slow))
}

/// Reads a body and drops it, so that the client hears its answer rather than a broken connection.
pub(super) async fn discard(incoming: Incoming) {
    drop(read(incoming, 0).await);
}

async fn read_all(mut incoming: Incoming, limit_bytes: u64) -> Result<Bytes, BodyError> {
    let mut held = BytesMut::new();
    let mut found_bytes: u64 = 0;
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame.map_err(BodyError::Broken)?.into_data() else {
            continue;
        };
        found_bytes += data.len() as u64;
        if found_bytes <= limit_bytes {
            held.extend_from_slice(&data);
        } else {
            held = BytesMut::new();
            if found_bytes > limit_bytes.saturating_add(DROPPED_MAX_BYTES) {
                break;
            }
        }
    }
    if found_bytes > limit_bytes {
        return Err(BodyError::TooLarge {
            found_bytes,
            limit_bytes,
        });
    }
    Ok(inflate_capped(held.freeze(), limit_bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, path: &str, query: Option<&str>, expected: Size) {
        let endpoint = Endpoint::find(method, path, query);
        assert_eq!(Size::of(endpoint.as_ref()), expected, "{method} {path}");
    }

    #[test]
    fn a_body_is_large_only_where_a_statement_may_be_in_it() {
        for path in [
            "/queries/v1/query-request",
            "/queries/v1/abort-request",
            "/api/v2/statements",
        ] {
            check("POST", path, None, Size::Large);
        }
        let login = Size::Small(256 << 10);
        check("POST", "/session/v1/login-request", None, login);
        let renewal = Size::Small(16 << 10);
        check("POST", "/session/token-request", None, renewal);
        check("POST", "/session/heartbeat", None, Size::Dropped);
        check("POST", "/session", Some("delete=true"), Size::Dropped);
        check("POST", "/telemetry/send", None, Size::Dropped);
        check("POST", "/no/such/path", None, Size::Dropped);
    }
}
