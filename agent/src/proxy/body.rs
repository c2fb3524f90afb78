//! A request's body, read under a limit and to its end.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::snowflake::gzip::{GzipError, inflate_capped};

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
    #[error("the request's body broke off: {0}")]
    Broken(hyper::Error),
    #[error("{0}")]
    Inflate(#[from] GzipError),
}

/// How long a body may take.
const BODY_WITHIN: Duration = Duration::from_secs(60);

/// Reads a body and gives its plain bytes.
pub(super) async fn read(incoming: Incoming, limit_bytes: u64) -> Result<Bytes, BodyError> {
    tokio::time::timeout(BODY_WITHIN, read_all(incoming, limit_bytes))
        .await
        .unwrap_or(Err(BodyError::Slow))
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
