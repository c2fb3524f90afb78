//! Files of stages: moved between the session whose statement named them and the storage that holds the stage.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::body::{self, BODY_WITHIN};
use super::chunk::{self, tell};
use super::door::{Door, tell_under};
use crate::connection::http::{self, Told};
use crate::execution::StageHandle;
use crate::mask::mask_file;
use crate::record::{Announced, BrokenChunk, Category, Severity, deliver_file, record_put};
use crate::snowflake::answer::Form;
use crate::snowflake::chunks::ChunkId;
use crate::snowflake::route::FileName;
use crate::snowflake::stage::{Direction, StageFile};
use crate::tasks;
use crate::upstream::{self, Account, Looked, Upload, UploadError, UpstreamError};

/// Codes of events that files record.
mod event {
    /// A stage's token of another session.
    pub(super) const FOREIGN_STAGE: &str = "RS006";
    /// A file that could not be moved whole.
    pub(super) const BROKEN_FILE: &str = "RS007";
}

/// The header by which drivers say, and hear, a file's digest. Source: Python connector 4, `gcs_storage_client.py`.
const DIGEST: HeaderName = HeaderName::from_static("x-goog-meta-sfc-digest");

/// The header by which connector 5 says that a file must not take another's place.
const GENERATION: HeaderName = HeaderName::from_static("x-goog-if-generation-match");

impl Door {
    /// Moves a file for whoever shows a stage's token in its session.
    ///
    /// Its body is streamed: the file may be larger than anything that is held.
    pub(super) async fn file(
        &self,
        request: Request<Incoming>,
        name: FileName,
        place: OwnedSemaphorePermit,
    ) -> Told {
        let (head, incoming) = request.into_parts();
        let admitted = match self.admit(&head, Form::V1).await {
            Ok(account) => self.found(&account, &head, &name).await,
            Err(refusal) => Err(tell_under(StatusCode::FORBIDDEN, &refusal)),
        };
        let (handle, file) = match admitted {
            Ok(found) => found,
            Err(told) => {
                body::discard(incoming).await;
                return told;
            }
        };
        let Some(slot) = self.session.take_chunk() else {
            body::discard(incoming).await;
            return tell(
                StatusCode::SERVICE_UNAVAILABLE,
                "more files and chunks than a session may move at once",
            );
        };
        match head.method {
            Method::PUT => {
                let told = self.put_file(&handle, &file, &head.headers, incoming).await;
                drop((slot, place));
                told
            }
            Method::HEAD => self.look_at_file(&handle, &file).await,
            _ => self.get_file(handle, file, (slot, place)).await,
        }
    }

    /// Finds the stage whose token is shown, and the file in it.
    async fn found(
        &self,
        account: &Account,
        head: &Parts,
        name: &FileName,
    ) -> Result<(Arc<StageHandle>, StageFile), Told> {
        let stages = &self.core.shared.stages;
        // Drivers send the statement again for a fresh token, and it is judged again.
        let unknown =
            "no statement of this session has opened that stage; send the PUT or GET again";
        let handle = token(&head.headers).and_then(|id| stages.files.find(&id));
        let handle = handle.filter(|handle| handle.account == account.name);
        let Some(handle) = handle else {
            return Err(tell(StatusCode::UNAUTHORIZED, unknown));
        };
        if handle.session != self.session.id() {
            let detail = json!({ "pid": self.peer.pid, "exe": self.peer.exe });
            self.note(event::FOREIGN_STAGE, Severity::High, Category::Auth, detail)
                .await;
            return Err(tell(StatusCode::UNAUTHORIZED, unknown));
        }
        let may_write = handle.stage.direction() == Direction::Put;
        let writes = head.method == Method::PUT;
        let reads = head.method == Method::GET;
        let file = handle.stage.find(&name.0);
        let fits = !(writes && !may_write || reads && may_write);
        let Some(file) = file.filter(|_| fits) else {
            let text = "the statement that opened this stage does not name that file, or moves files the other way";
            let detail = json!({ "statement_id": handle.statement.to_string(), "method": head.method.as_str() });
            self.note_refusal(text, detail).await;
            return Err(tell(StatusCode::FORBIDDEN, text));
        };
        let is_strict = self.core.shared.current().config.record.mode.is_strict();
        if is_strict && stages.recorder.is_degraded() {
            let text = "nothing can be recorded at the moment, and so nothing is moved";
            return Err(tell(StatusCode::SERVICE_UNAVAILABLE, text));
        }
        Ok((handle, file))
    }

    async fn look_at_file(&self, handle: &StageHandle, file: &StageFile) -> Told {
        let storage = handle.stage.storage();
        match upstream::look_at_file(&self.core.upstream, storage, file).await {
            Ok(Some(looked)) => {
                let mut told = http::streamed(Empty::new().map_err(|never| match never {}));
                describe(told.headers_mut(), &looked);
                told
            }
            Ok(None) => tell(StatusCode::NOT_FOUND, "the stage has no such file"),
            Err(error) => self.failed(handle, file, &error).await,
        }
    }

    async fn put_file(
        &self,
        handle: &StageHandle,
        file: &StageFile,
        headers: &HeaderMap,
        incoming: Incoming,
    ) -> Told {
        let text = |name: &HeaderName| headers.get(name)?.to_str().ok();
        let mut upload = Upload {
            plain_bytes: 0,
            digest: text(&DIGEST).map(str::to_owned),
            is_new: text(&GENERATION) == Some("0"),
        };
        let length = text(&CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let (core, storage) = (&self.core, handle.stage.storage());
        let announced = self.announced(handle, file);
        let put = if let Some(plain_bytes) = length {
            upload.plain_bytes = plain_bytes;
            upstream::put_file(&core.upstream, storage, file, &upload, incoming).await
        } else {
            let (whole, _place) = match self.hold(incoming).await {
                Ok(held) => held,
                Err(told) => return told,
            };
            upload.plain_bytes = whole.len() as u64;
            let whole = Full::new(whole);
            upstream::put_file(&core.upstream, storage, file, &upload, whole).await
        };
        let uploaded = put.as_ref().ok().copied();
        let recorder = &core.shared.stages.recorder;
        if let Err(error) = record_put(recorder, announced, &upload, uploaded).await {
            let text =
                format!("the file may be in the stage, and that could not be recorded: {error}");
            return tell(StatusCode::SERVICE_UNAVAILABLE, &text);
        }
        match put {
            Ok(_) => http::whole(StatusCode::OK, "application/octet-stream", Bytes::new()),
            Err(UploadError::Upstream(error)) => self.failed(handle, file, &error).await,
            Err(UploadError::Client(why)) => {
                let text = format!("expected the announced file, found another: {why}");
                tell(StatusCode::BAD_REQUEST, &text)
            }
        }
    }

    /// Holds a file whose length is not announced, as gosnowflake sends it: storage wants to know it first.
    async fn hold(&self, incoming: Incoming) -> Result<(Bytes, OwnedSemaphorePermit), Told> {
        let limit = self
            .core
            .shared
            .current()
            .config
            .limits
            .request_body_max_bytes;
        let Some(place) = self.session.take_large_body(BODY_WITHIN).await else {
            let text = "more large requests than a session may send at once";
            return Err(tell(StatusCode::SERVICE_UNAVAILABLE, text));
        };
        let limited = Limited::new(incoming, usize::try_from(limit).unwrap_or(usize::MAX));
        match timeout(BODY_WITHIN, limited.collect()).await {
            Ok(Ok(whole)) => Ok((whole.to_bytes(), place)),
            Ok(Err(_)) | Err(_) => {
                let text = format!(
                    "expected a file with `Content-Length`, or one of at most {limit} bytes within {} s \
                     (`limits.request_body_max`); send it in parts, or by a driver that tells its length",
                    BODY_WITHIN.as_secs()
                );
                Err(tell(StatusCode::PAYLOAD_TOO_LARGE, &text))
            }
        }
    }

    async fn get_file(
        &self,
        handle: Arc<StageHandle>,
        file: StageFile,
        places: (OwnedSemaphorePermit, OwnedSemaphorePermit),
    ) -> Told {
        let stages = &self.core.shared.stages;
        let storage = handle.stage.storage();
        let opened = upstream::open_file(&self.core.upstream, storage, &file).await;
        let unmasked = match opened {
            Ok(unmasked) => unmasked,
            Err(error) => return self.failed(&handle, &file, &error).await,
        };
        let looked = unmasked.looked().clone();
        let (meter, clock) = (handle.meter.clone(), stages.clock);
        let count = move |bytes| meter.delivered(clock.now(), 0, bytes);
        let announced = self.announced(&handle, &file);
        let (reply, delivery) =
            deliver_file(&stages.recorder, announced, mask_file(unmasked), count);
        let (shared, session) = (self.core.shared.clone(), self.session.clone());
        drop(tasks::spawn("file", async move {
            let delivered = delivery.await;
            drop(places);
            let reason = match delivered {
                Ok(()) | Err(BrokenChunk::Left) => return,
                Err(broken @ (BrokenChunk::Off(_) | BrokenChunk::Record(_))) => broken.to_string(),
            };
            let statement = handle.statement;
            tracing::warn!(%statement, reason, "file broke off");
            let detail = json!({ "statement_id": statement.to_string(), "reason": reason });
            let (code, severity) = (event::BROKEN_FILE, Severity::Medium);
            shared
                .event(Some(&session), code, severity, Category::Record, detail)
                .await;
        }));
        let mut told = http::streamed(reply);
        describe(told.headers_mut(), &looked);
        told
    }

    fn announced(&self, handle: &StageHandle, file: &StageFile) -> Announced {
        let stage = &handle.stage;
        let session = self.session.id();
        Announced::new(
            session,
            handle.statement,
            stage.direction(),
            stage.storage(),
            file,
        )
    }

    /// Records that storage gave or took nothing, and tells it.
    async fn failed(&self, handle: &StageHandle, file: &StageFile, error: &UpstreamError) -> Told {
        let status = status_of(error);
        let detail = json!({
            "statement_id": handle.statement.to_string(), "file": file.name, "reason": error.to_string(),
        });
        self.note(event::BROKEN_FILE, Severity::Low, Category::Record, detail)
            .await;
        tell(status, &format!("the file could not be moved: {error}"))
    }
}

/// Reads the token that drivers show for a stage.
fn token(headers: &HeaderMap) -> Option<ChunkId> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    ChunkId::parse(value.strip_prefix("Bearer ")?)
}

/// Says of a file what storage says.
fn describe(headers: &mut HeaderMap, looked: &Looked) {
    if let Some(bytes) = looked.plain_bytes {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    }
    let digest = looked.digest.as_deref();
    if let Some(digest) = digest.and_then(|digest| HeaderValue::from_str(digest).ok()) {
        headers.insert(DIGEST, digest);
    }
}

/// Gives the status by which drivers know what to do: 401 has them send the statement again, since what opened the stage
/// has expired.
fn status_of(error: &UpstreamError) -> StatusCode {
    let UpstreamError::Status { status, .. } = error else {
        return chunk::status_of(error);
    };
    match status {
        400 | 401 | 403 => StatusCode::UNAUTHORIZED,
        409 | 412 => StatusCode::PRECONDITION_FAILED,
        _ => chunk::status_of(error),
    }
}
