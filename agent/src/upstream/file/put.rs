//! Files to storage: a file goes on piece by piece, encrypted; its last piece waits until its length and digest are seen
//! to be those that the driver announced, so that storage keeps no other.

use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{bad_status, request, slow};
use crate::snowflake::stage::{Opens, Sealer, StageFile, Storage, sealed_bytes};
use crate::upstream::UpstreamError;
use crate::upstream::chunk::{BodyError, PIECE_WITHIN};
use crate::upstream::client::{Upstream, unreachable};

/// Pieces that wait for storage; what comes from the agent waits for them, so that memory does not grow with the file.
const PIECES_MAX: usize = 4;

/// A file that the agent announces.
#[derive(Clone, Debug)]
pub struct Upload {
    /// How many bytes it has.
    pub plain_bytes: u64,
    /// Its SHA-256 in base64, if the driver says it.
    pub digest: Option<String>,
    /// Whether it must not take the place of another.
    pub is_new: bool,
}

/// A file that storage has taken.
#[derive(Clone, Copy, Debug)]
pub struct Uploaded {
    /// Bytes that storage keeps.
    pub stored_bytes: u64,
    /// SHA-256 of the plain bytes.
    pub sha256: [u8; 32],
}

/// Why a file was not put.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The agent did not send what it announced.
    #[error("the client sent another file than it announced: {0}")]
    Client(String),
    /// Storage did not take it.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// Gives storage a file that the agent sends.
///
/// # Errors
/// The agent sent another file than it announced, or storage did not take it; storage then keeps nothing of it.
pub async fn put_file<B>(
    upstream: &Upstream,
    storage: &Storage,
    file: &StageFile,
    upload: &Upload,
    incoming: B,
) -> Result<Uploaded, UploadError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let unwritable = |error: &dyn Display| UpstreamError::Request(error.to_string());
    let beside = storage.beside();
    let mut headers = HeaderMap::new();
    let mut add = |name: &'static str, value: &str| {
        let value = HeaderValue::try_from(value);
        let value = value.map_err(|_| unwritable(&"a header of the file"))?;
        headers.insert(HeaderName::from_static(name), value);
        Ok::<_, UpstreamError>(())
    };
    if let Some(digest) = &upload.digest {
        add(beside.digest(), digest)?;
    }
    let mut sealer = None;
    if let Some(material) = &file.material {
        let (made, envelope) = material.seal().map_err(|error| unwritable(&error))?;
        for (name, value) in beside.write(material, &envelope) {
            add(name, &value)?;
        }
        sealer = Some(made);
    }
    match storage.opens() {
        Opens::Azure(_) => add("x-ms-blob-type", "BlockBlob")?,
        Opens::S3 { .. } | Opens::Gcs(_) => {}
    }
    if upload.is_new {
        match storage.opens() {
            Opens::Gcs(_) => add("x-goog-if-generation-match", "0")?,
            Opens::S3 { .. } | Opens::Azure(_) => {
                headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
            }
        }
    }
    let stored_bytes = if sealer.is_some() {
        sealed_bytes(upload.plain_bytes)
    } else {
        upload.plain_bytes
    };
    let (pieces, body) = mpsc::channel(PIECES_MAX);
    let body = Announced {
        pieces: body,
        left_bytes: stored_bytes,
    };
    let mut request = request(Method::PUT, storage, file, headers, body.boxed_unsync())?;
    let length = HeaderValue::from(stored_bytes);
    request.headers_mut().insert(CONTENT_LENGTH, length);

    let mut sent = std::pin::pin!(upstream.storage().request(request));
    let mut read = std::pin::pin!(read(incoming, sealer, upload, pieces, storage.host()));
    let (sha256, response) = tokio::select! {
        biased;
        sha256 = &mut read => {
            let sha256 = sha256?;
            let response = timeout(PIECE_WITHIN, sent).await;
            (sha256, response.map_err(|_| slow(storage.host()))?)
        }
        response = &mut sent => {
            // What storage has taken whole was read whole; what it refuses early is read no further.
            let sha256 = match &response {
                Ok(response) if response.status().is_success() => read.await?,
                Ok(_) | Err(_) => [0; 32],
            };
            (sha256, response)
        }
    };
    let response = response.map_err(|error| unreachable(storage.host(), &error))?;
    if !response.status().is_success() {
        return Err(bad_status(storage, &response).into());
    }
    Ok(Uploaded {
        stored_bytes,
        sha256,
    })
}

/// Reads what the agent sends and hands it on encrypted; gives its digest once the last piece is handed on.
async fn read<B>(
    incoming: B,
    sealer: Option<Sealer>,
    upload: &Upload,
    pieces: mpsc::Sender<Result<Bytes, BodyError>>,
    host: &str,
) -> Result<[u8; 32], UploadError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let read = read_whole(incoming, sealer, upload, &pieces, host).await;
    if let Err(error) = &read {
        // Storage must not take what has come for the whole.
        drop(pieces.try_send(Err(error.to_string().into())));
    }
    read
}

async fn read_whole<B>(
    mut incoming: B,
    mut sealer: Option<Sealer>,
    upload: &Upload,
    pieces: &mpsc::Sender<Result<Bytes, BodyError>>,
    host: &str,
) -> Result<[u8; 32], UploadError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let client = |why: &dyn Display| UploadError::Client(why.to_string());
    let hand_on = async |piece: Bytes| {
        let sent = timeout(PIECE_WITHIN, pieces.send(Ok(piece))).await;
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(UpstreamError::Broke {
                host: host.to_owned(),
                cause: "it stopped reading".to_owned(),
            }),
            Err(_) => Err(slow(host)),
        }
    };
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    let (mut found_bytes, mut held) = (0_u64, Bytes::new());
    loop {
        let frame = timeout(PIECE_WITHIN, incoming.frame()).await;
        let Some(frame) = frame.map_err(|_| client(&"nothing came for a minute"))? else {
            break;
        };
        let Ok(plain) = frame.map_err(|error| client(&error))?.into_data() else {
            continue;
        };
        found_bytes += plain.len() as u64;
        digest.update(&plain);
        if found_bytes > upload.plain_bytes {
            break;
        }
        let piece = match &mut sealer {
            Some(sealer) => Bytes::from(sealer.feed(&plain)),
            None => plain,
        };
        if piece.is_empty() {
            continue;
        }
        let before = std::mem::replace(&mut held, piece);
        if !before.is_empty() {
            hand_on(before).await?;
        }
    }
    if found_bytes != upload.plain_bytes {
        let expected = upload.plain_bytes;
        return Err(client(&format!(
            "expected {expected} bytes, found {found_bytes}"
        )));
    }
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest.finish().as_ref());
    let found = STANDARD.encode(sha256);
    if upload.digest.as_ref().is_some_and(|said| *said != found) {
        return Err(client(&"its SHA-256 is another"));
    }
    let last = sealer.map(Sealer::finish).unwrap_or_default();
    for piece in [held, Bytes::from(last)] {
        if !piece.is_empty() {
            hand_on(piece).await?;
        }
    }
    Ok(sha256)
}

/// A body of an announced length; one that ends before breaks the request off.
struct Announced {
    pieces: mpsc::Receiver<Result<Bytes, BodyError>>,
    left_bytes: u64,
}

impl Body for Announced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left_bytes == 0 {
            return Poll::Ready(None);
        }
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(Ok(piece)) => {
                self.left_bytes = self.left_bytes.saturating_sub(piece.len() as u64);
                Some(Ok(Frame::data(piece)))
            }
            Some(Err(error)) => Some(Err(error)),
            None => Some(Err("the file broke off".into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left_bytes == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes)
    }
}
