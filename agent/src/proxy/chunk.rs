//! Chunks of large results: fetched from storage for the session that they were named to.

use hyper::StatusCode;
use serde_json::json;

use super::door::{Door, tell_under};
use crate::connection::http::{self, Told};
use crate::execution::Sought;
use crate::mask::mask_chunk;
use crate::record::{BrokenChunk, Category, Severity, deliver_chunk};
use crate::snowflake::answer::{Form, code};
use crate::snowflake::chunks::ChunkId;
use crate::snowflake::route::QueryId;
use crate::tasks;
use crate::upstream::{self, Account, UpstreamError};

/// Codes of events that chunks record.
mod event {
    /// A chunk's name of another session.
    pub(super) const FOREIGN_CHUNK: &str = "RS003";
    /// A chunk that could not be delivered whole.
    pub(super) const BROKEN_CHUNK: &str = "RS004";
}

/// Status for a name that leads nowhere. No driver takes it for one that may pass: the Go, Rust and Node drivers give up
/// at once, the Python connector 4 retries every status ten times (`result_batch.py`, `_download`).
const NO_SUCH_CHUNK: StatusCode = StatusCode::NOT_FOUND;

impl Door {
    /// Sends a chunk to whoever shows its name in its session: drivers send no token to storage (protocol reference 5.5).
    pub(super) async fn chunk(&self, account: &Account, id: &ChunkId) -> Told {
        let stages = &self.core.shared.stages;
        let handle = match stages.chunks.find(self.session.id(), id) {
            Sought::Handle(handle) if handle.account == account.name => handle,
            Sought::Handle(_) | Sought::Unknown => {
                let text = "no result of this session has that chunk; run the statement again";
                let told = self
                    .refuse(Form::V1, text, json!({ "path": "chunk" }))
                    .await;
                return tell_under(NO_SUCH_CHUNK, &told);
            }
            Sought::Foreign => {
                let detail = json!({ "pid": self.peer.pid, "exe": self.peer.exe });
                self.note(event::FOREIGN_CHUNK, Severity::High, Category::Auth, detail)
                    .await;
                return tell(NO_SUCH_CHUNK, "no result of this session has that chunk");
            }
        };
        let is_strict = self.core.shared.current().config.record.mode.is_strict();
        if is_strict && stages.recorder.is_degraded() {
            return tell(
                StatusCode::SERVICE_UNAVAILABLE,
                "nothing can be recorded at the moment, and so nothing is delivered",
            );
        }
        let Some(slot) = self.session.take_chunk() else {
            return later("more chunks than a session may fetch at once");
        };
        let (statement, index) = (handle.statement, handle.chunk.index());
        let opened = upstream::open_chunk(&self.core.upstream, handle.chunk.clone()).await;
        let unmasked = match opened {
            Ok(unmasked) => unmasked,
            Err(error) => {
                let detail = json!({ "statement_id": statement.to_string(), "chunk_index": index, "reason": error.to_string() });
                self.note(event::BROKEN_CHUNK, Severity::Low, Category::Record, detail)
                    .await;
                return tell(
                    status_of(&error),
                    &format!("the chunk could not be fetched: {error}"),
                );
            }
        };
        let masked = mask_chunk(unmasked, handle.masking.clone());
        let (meter, clock) = (handle.meter.clone(), stages.clock);
        // Before anything of it leaves: of a chunk that breaks off all rows count.
        let rows = handle.chunk.rows().unwrap_or(0);
        meter.delivered(clock.now(), u64::try_from(rows).unwrap_or(0), 0);
        let count = move |bytes| meter.delivered(clock.now(), 0, bytes);
        let (reply, delivery) = deliver_chunk(
            &stages.recorder,
            self.session.id(),
            statement,
            masked,
            count,
        );
        let (shared, session) = (self.core.shared.clone(), self.session.clone());
        drop(tasks::spawn("chunk", async move {
            let delivered = delivery.await;
            drop(slot);
            let reason = match delivered {
                Ok(()) | Err(BrokenChunk::Left) => return,
                Err(broken @ (BrokenChunk::Off(_) | BrokenChunk::Record(_))) => broken.to_string(),
            };
            tracing::warn!(statement = %statement, chunk_index = index, reason, "chunk broke off");
            let detail = json!({ "statement_id": statement.to_string(), "chunk_index": index, "reason": reason });
            shared
                .event(
                    Some(&session),
                    event::BROKEN_CHUNK,
                    Severity::Medium,
                    Category::Record,
                    detail,
                )
                .await;
        }));
        http::streamed(reply)
    }
}

/// Gives storage's own status where drivers know what it means (403: ask for fresh addresses), else that of a gateway.
pub(super) fn status_of(error: &UpstreamError) -> StatusCode {
    match error {
        UpstreamError::Status { status: 403, .. } => StatusCode::FORBIDDEN,
        UpstreamError::Status { status: 404, .. } => StatusCode::NOT_FOUND,
        UpstreamError::Slow { .. } => StatusCode::GATEWAY_TIMEOUT,
        UpstreamError::Status { .. }
        | UpstreamError::Unresolved { .. }
        | UpstreamError::Unreachable { .. }
        | UpstreamError::Broke { .. }
        | UpstreamError::Inside { .. }
        | UpstreamError::Answer(_)
        | UpstreamError::Body(_)
        | UpstreamError::Credential(_)
        | UpstreamError::Expired
        | UpstreamError::Withdrawn
        | UpstreamError::Request(_) => StatusCode::BAD_GATEWAY,
    }
}

/// Tells that a chunk may be had later: drivers ask again after a while.
pub(super) fn later(text: &str) -> Told {
    tell(StatusCode::SERVICE_UNAVAILABLE, text)
}

pub(super) fn tell(status: StatusCode, text: &str) -> Told {
    let text = format!("Icecore: {text}");
    let body = Form::V1.error(code::FAILED, "08006", QueryId::mint(), &text);
    tell_under(status, &body)
}
