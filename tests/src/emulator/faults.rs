//! Faults that a test plants: the next answers of an endpoint go wrong in a chosen way.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::Response;
use hyper::header::HeaderValue;
use hyper::http::response::Builder;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::Write as _;

use super::answers;
use super::body::GateBody;
use super::journal::Journal;
use super::routes::Endpoint;
use super::sessions::random;

/// One planted fault.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which endpoint's answers go wrong.
    pub on: Endpoint,
    /// How many of them.
    pub times: u32,
    /// In which way.
    pub kind: Kind,
}

/// The ways in which an answer goes wrong.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// This HTTP status with an empty body; nothing is executed.
    Status(u16),
    /// A failure in Snowflake's envelope with this HTTP status; nothing is executed.
    Failure {
        /// HTTP status.
        status: u16,
        /// Six digits.
        code: String,
        /// What a person reads.
        message: String,
    },
    /// A page of HTML with this HTTP status; nothing is executed.
    Html(u16),
    /// A redirect to this place; nothing is executed.
    Redirect(String),
    /// The connection is closed without an answer; nothing is executed.
    Close,
    /// A page of HTML with status 200; nothing is executed.
    NotJson,
    /// The answer comes this many milliseconds late.
    DelayMs(u64),
    /// The answer's JSON stops in the middle, correctly framed.
    Truncated,
    /// The connection breaks in the middle of the answer.
    CutOff,
    /// `success` and `data` stand in the answer twice.
    DuplicateKey,
    /// The answer is gzip that inflates to this many bytes.
    GzipBomb(u64),
    /// The answer refers to a result chunk by presigned URL, with key and headers.
    Chunks,
    /// The answer names this `statementTypeId`.
    StatementType(i64),
    /// The answer is this body.
    Body(Value),
}

/// The faults that are still to come.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// Plants one more fault.
    pub(super) fn plant(&self, fault: Fault) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(fault);
    }

    /// Takes away all faults.
    pub(super) fn clear(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Takes the next fault for an endpoint, if one is planted.
    pub(super) fn take(&self, endpoint: Endpoint) -> Option<Kind> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let position = faults.iter().position(|fault| fault.on == endpoint)?;
        let fault = faults.get_mut(position)?;
        fault.times = fault.times.saturating_sub(1);
        let kind = fault.kind.clone();
        if fault.times == 0 {
            faults.remove(position);
        }
        Some(kind)
    }
}

impl Kind {
    /// Gives the answer that takes the place of any work; `None` if the fault only changes the real answer.
    pub(super) fn instead(&self) -> Option<Result<Response<GateBody>, hyper::http::Error>> {
        match self {
            Self::Status(status) => Some(
                Response::builder()
                    .status(*status)
                    .body(GateBody::full(Bytes::new())),
            ),
            Self::Failure {
                status,
                code,
                message,
            } => Some(
                Response::builder()
                    .status(*status)
                    .header("content-type", "application/json")
                    .body(GateBody::full(
                        answers::failure(code, message).to_string().into(),
                    )),
            ),
            Self::Html(status) => Some(
                Response::builder()
                    .status(*status)
                    .header("content-type", "text/html")
                    .body(GateBody::full(
                        "<html><body>Service Unavailable</body></html>".into(),
                    )),
            ),
            Self::Redirect(location) => Some(
                Response::builder()
                    .status(302)
                    .header("location", location)
                    .body(GateBody::full(Bytes::new())),
            ),
            Self::NotJson => Some(
                Response::builder()
                    .header("content-type", "text/html")
                    .body(GateBody::full(
                        "<html><body>maintenance</body></html>".into(),
                    )),
            ),
            Self::Close
            | Self::DelayMs(_)
            | Self::Truncated
            | Self::CutOff
            | Self::DuplicateKey
            | Self::GzipBomb(_)
            | Self::Chunks
            | Self::StatementType(_)
            | Self::Body(_) => None,
        }
    }

    /// Changes the body of the real answer before it is written as bytes.
    pub(super) fn change(&self, journal: &Journal, body: &mut Value) {
        match self {
            Self::Chunks => plant_chunks(journal, body),
            Self::StatementType(id) => set(body, "statementTypeId", json!(id)),
            Self::Body(other) => *body = other.clone(),
            Self::Status(_)
            | Self::Failure { .. }
            | Self::Html(_)
            | Self::Redirect(_)
            | Self::Close
            | Self::NotJson
            | Self::DelayMs(_)
            | Self::Truncated
            | Self::CutOff
            | Self::DuplicateKey
            | Self::GzipBomb(_) => {}
        }
    }

    /// Frames the bytes of an answer in the faulty way, in an answer as `builder` begins it; `None` if they go out as they are.
    pub(super) fn frame(
        &self,
        builder: impl Fn() -> Builder,
        bytes: &Bytes,
    ) -> Option<Result<Response<GateBody>, hyper::http::Error>> {
        let half = bytes.slice(..bytes.len() / 2);
        match self {
            Self::Truncated => Some(builder().body(GateBody::full(half))),
            Self::CutOff => Some(
                builder()
                    .header("content-length", bytes.len())
                    .body(GateBody::broken(half)),
            ),
            Self::DuplicateKey => {
                let text = String::from_utf8_lossy(bytes);
                let twice = format!(
                    r#"{{"success":false,"data":null,{}"#,
                    text.trim_start_matches('{')
                );
                Some(builder().body(GateBody::full(twice.into())))
            }
            Self::GzipBomb(length_bytes) => {
                let mut builder = builder();
                if let Some(headers) = builder.headers_mut() {
                    headers.insert("content-encoding", HeaderValue::from_static("gzip"));
                }
                Some(builder.body(GateBody::full(bomb(*length_bytes))))
            }
            Self::Status(_)
            | Self::Failure { .. }
            | Self::Html(_)
            | Self::Redirect(_)
            | Self::Close
            | Self::NotJson
            | Self::DelayMs(_)
            | Self::Chunks
            | Self::StatementType(_)
            | Self::Body(_) => None,
        }
    }
}

fn set(body: &mut Value, key: &str, value: Value) {
    if let Some(data) = body.get_mut("data").and_then(Value::as_object_mut) {
        data.insert(key.into(), value);
    }
}

/// Adds what a large result has: a chunk by presigned URL, the key it is encrypted with and the headers to fetch it.
fn plant_chunks(journal: &Journal, body: &mut Value) {
    let secret = |name: &str| {
        let value = format!(
            "{:032x}{:032x}",
            u128::from_be_bytes(random()),
            u128::from_be_bytes(random())
        );
        journal.canary(name, &value);
        value
    };
    let url = format!(
        "https://sfc-acme-customer-stage.s3.amazonaws.com/results/main/data_0_0_0?X-Amz-Expires=21600&X-Amz-Signature={}",
        secret("presigned_url")
    );
    set(
        body,
        "chunks",
        json!([{"url": url, "rowCount": 10, "uncompressedSize": 331_328, "compressedSize": 326_422}]),
    );
    set(body, "qrmk", json!(secret("qrmk")));
    let headers = json!({"x-amz-server-side-encryption-customer-key": secret("chunk_header")});
    set(body, "chunkHeaders", headers);
}

/// Makes a small gzip stream that inflates to `length_bytes` spaces.
fn bomb(length_bytes: u64) -> Bytes {
    let block = vec![b' '; 1 << 20];
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..length_bytes >> 20 {
        // A Vec takes every write.
        if encoder.write_all(&block).is_err() {
            break;
        }
    }
    encoder.finish().unwrap_or_default().into()
}
