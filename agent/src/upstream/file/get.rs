//! Files from storage, decrypted piece by piece.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue, RANGE};
use hyper::{Method, Response, StatusCode};
use tokio::time::timeout;

use super::{Looked, answer, bad_status, looked, request, slow};
use crate::snowflake::stage::{Material, Opener, StageFile, Storage};
use crate::upstream::UpstreamError;
use crate::upstream::chunk::{PIECE_WITHIN, nothing};
use crate::upstream::client::Upstream;

/// Bytes of a block of AES.
const BLOCK_BYTES: u64 = 16;

/// A file as storage gives it; nothing of it may be shown, logged or sent on before `mask_file`.
pub struct UnmaskedFile {
    host: String,
    looked: Looked,
    body: Incoming,
    opener: Option<Opener>,
    taken_bytes: u64,
    is_over: bool,
}

/// Asks storage about a file; `None` if there is none of that name.
///
/// # Errors
/// No answer that says.
pub async fn look_at_file(
    upstream: &Upstream,
    storage: &Storage,
    file: &StageFile,
) -> Result<Option<Looked>, UpstreamError> {
    let request = request(Method::HEAD, storage, file, HeaderMap::new(), nothing())?;
    let response = answer(upstream, storage, request).await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        _ => return Err(bad_status(storage, &response)),
    }
    let mut looked = looked(storage, file, &response);
    if let Some(material) = &file.material {
        looked.plain_bytes = plain_bytes(upstream, storage, file, material, &response).await?;
    }
    Ok(Some(looked))
}

/// Tells how many plain bytes an encrypted file has: its last block says how much of it is padding, and opens by the block
/// before it. gosnowflake takes no file whose length it is not told. `None` for one that is not encrypted.
async fn plain_bytes(
    upstream: &Upstream,
    storage: &Storage,
    file: &StageFile,
    material: &Material,
    head: &Response<Incoming>,
) -> Result<Option<u64>, UpstreamError> {
    let broke = |cause: String| UpstreamError::Broke {
        host: storage.host().to_owned(),
        cause,
    };
    let header = |name: &'static str| head.headers().get(name)?.to_str().ok();
    let sealed_bytes: Option<u64> = header("content-length").and_then(|length| length.parse().ok());
    let (Some(mut envelope), Some(sealed_bytes)) = (storage.beside().read(header), sealed_bytes)
    else {
        return Ok(None);
    };
    let last = sealed_bytes.saturating_sub(1);
    let first = sealed_bytes.saturating_sub(2 * BLOCK_BYTES);
    let range = HeaderValue::try_from(format!("bytes={first}-{last}"));
    let range = range.map_err(|error| broke(error.to_string()))?;
    let headers = HeaderMap::from_iter([(RANGE, range)]);
    let request = request(Method::GET, storage, file, headers, nothing())?;
    let response = answer(upstream, storage, request).await?;
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return Err(bad_status(storage, &response));
    }
    let body = Limited::new(response.into_body(), 1 << 10).collect();
    let end = timeout(PIECE_WITHIN, body).await;
    let end = end.map_err(|_| slow(storage.host()))?;
    let end = end.map_err(|error| broke(error.to_string()))?.to_bytes();
    if let Some((before, _)) = end.split_first_chunk::<16>().filter(|_| end.len() > 16) {
        envelope.iv = STANDARD.encode(before);
    }
    let block = end.last_chunk::<16>().map_or(&[][..], <[u8; 16]>::as_slice);
    let mut opener = material
        .open(&envelope)
        .map_err(|error| broke(error.to_string()))?;
    drop(opener.feed(block));
    let plain = opener.finish().map_err(|error| broke(error.to_string()))?;
    Ok(Some(
        sealed_bytes.saturating_sub(BLOCK_BYTES) + plain.len() as u64,
    ))
}

/// Asks storage for a file.
///
/// # Errors
/// No answer with status 200, or one that does not say how the file is encrypted.
pub async fn open_file(
    upstream: &Upstream,
    storage: &Storage,
    file: &StageFile,
) -> Result<UnmaskedFile, UpstreamError> {
    let request = request(Method::GET, storage, file, HeaderMap::new(), nothing())?;
    let response = answer(upstream, storage, request).await?;
    if response.status() != StatusCode::OK {
        return Err(bad_status(storage, &response));
    }
    let broke = |cause: String| UpstreamError::Broke {
        host: storage.host().to_owned(),
        cause,
    };
    let header = |name: &'static str| response.headers().get(name)?.to_str().ok();
    let opener = match &file.material {
        Some(material) => {
            let envelope = storage.beside().read(header);
            let missing = || broke("expected the file's key beside it, found none".to_owned());
            let envelope = envelope.ok_or_else(missing)?;
            let opener = material.open(&envelope);
            Some(opener.map_err(|error| broke(error.to_string()))?)
        }
        None => None,
    };
    Ok(UnmaskedFile {
        host: storage.host().to_owned(),
        looked: looked(storage, file, &response),
        body: response.into_body(),
        opener,
        taken_bytes: 0,
        is_over: false,
    })
}

impl UnmaskedFile {
    /// Tells what storage says of it.
    #[must_use]
    pub fn looked(&self) -> &Looked {
        &self.looked
    }

    /// Waits for the next plain bytes; none after the last, and never that for a file that broke off.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        while !self.is_over {
            let frame = timeout(PIECE_WITHIN, self.body.frame()).await;
            let frame = frame.map_err(|_| slow(&self.host))?;
            let broke = |cause: String| UpstreamError::Broke {
                host: self.host.clone(),
                cause,
            };
            let plain = match frame {
                None => {
                    self.is_over = true;
                    match self.opener.take() {
                        Some(opener) => {
                            let last = opener.finish();
                            Bytes::from(last.map_err(|error| broke(error.to_string()))?)
                        }
                        None => Bytes::new(),
                    }
                }
                Some(frame) => {
                    let frame = frame.map_err(|error| broke(error.to_string()))?;
                    let Ok(piece) = frame.into_data() else {
                        continue;
                    };
                    self.taken_bytes = self.taken_bytes.saturating_add(piece.len() as u64);
                    match &mut self.opener {
                        Some(opener) => Bytes::from(opener.feed(&piece)),
                        None => piece,
                    }
                }
            };
            if !plain.is_empty() {
                return Ok(Some(plain));
            }
        }
        Ok(None)
    }

    /// Tells how many bytes have come.
    pub(crate) fn taken_bytes(&self) -> u64 {
        self.taken_bytes
    }
}
