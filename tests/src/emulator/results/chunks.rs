//! Chunks of large results behind presigned addresses, as object storage serves them.
//!
//! An address is good for one query string, byte for byte, until it expires, and only with the key that the object is
//! encrypted with (SSE-C): S3 answers everything else with 403, and two ways to sign in with 400.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use hyper::{Method, Response};
use serde_json::{Value, json};

use super::super::Gate;
use super::super::body::GateBody;
use super::super::faults::Kind;
use super::super::routes::Asked;
use super::super::sessions::random;
use super::super::settings::ChunkCoding;
use super::Outcome;
use crate::time;

/// The name of the bucket that the gate stands in for.
pub const HOST: &str = "sfc-icecore-test.s3.us-west-2.amazonaws.com";

const KEY: &str = "x-amz-server-side-encryption-customer-key";
const KEY_MD5: &str = "x-amz-server-side-encryption-customer-key-md5";

/// What the chunks of one result are encrypted with.
#[derive(Clone, Debug)]
pub(in super::super) struct Key {
    /// The key, base64: `qrmk` and a header.
    pub(in super::super) key: String,
    md5: String,
}

impl Key {
    /// Makes a key. Its digest is random too: the gate compares it with what it gave, and ring has no MD5.
    #[must_use]
    pub(in super::super) fn make() -> Self {
        Self {
            key: STANDARD.encode(random::<32>()),
            md5: STANDARD.encode(random::<16>()),
        }
    }

    /// Gives `chunkHeaders`.
    #[must_use]
    pub(super) fn headers(&self) -> Value {
        json!({KEY: self.key, KEY_MD5: self.md5})
    }
}

/// All chunks that were offered, by path.
#[derive(Debug, Default)]
pub(in super::super) struct Chunks(Mutex<HashMap<String, Stored>>);

#[derive(Debug)]
struct Stored {
    query_id: String,
    rows: usize,
    body: Bytes,
    uncompressed_bytes: usize,
    coding: ChunkCoding,
    key: Key,
    /// Query strings that open it, and until when.
    signed: Vec<(String, Instant)>,
}

impl Chunks {
    /// Stores a range of rows, if it is not there yet, and gives the member of `chunks` that leads to it.
    pub(super) fn offer(
        &self,
        gate: &Gate,
        query_id: &str,
        outcome: &Outcome,
        start: usize,
        rows: usize,
    ) -> Result<Value, String> {
        let path = format!("/results/{query_id}_0/main/data_0_0_{start}_{rows}");
        let mut chunks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = match chunks.entry(path.clone()) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                gate.journal.canary("chunk_key", &outcome.key.key);
                gate.journal.canary("chunk_key_md5", &outcome.key.md5);
                let (table, format) = (&outcome.table, outcome.format);
                let plain = table.plain(format, start, rows)?;
                let coding = gate.tuning().chunk_coding;
                entry.insert(Stored {
                    query_id: query_id.to_owned(),
                    rows,
                    uncompressed_bytes: plain.len(),
                    body: match coding {
                        ChunkCoding::Gzip | ChunkCoding::GzipUntold => {
                            table.gzip(format, start, rows)?
                        }
                        ChunkCoding::Plain => plain,
                    },
                    coding,
                    key: outcome.key.clone(),
                    signed: Vec::new(),
                })
            }
        };
        let signature: String = random::<32>().iter().map(|b| format!("{b:02x}")).collect();
        gate.journal.canary("presigned_url", &signature);
        let seconds = gate.tuning().chunk_url_seconds;
        let query = format!(
            "x-amz-server-side-encryption-customer-algorithm=AES256&response-content-encoding=gzip\
             &X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAICECORETEST%2F20261122%2Fus-west-2%2Fs3%2Faws4_request\
             &X-Amz-Expires={seconds}&X-Amz-SignedHeaders=host%3B{KEY}%3B{KEY_MD5}&X-Amz-Signature={signature}"
        );
        let chunk = json!({
            "url": format!("https://{HOST}{path}?{query}"), "rowCount": stored.rows,
            "uncompressedSize": stored.uncompressed_bytes, "compressedSize": stored.body.len(),
        });
        let until = time::instant() + Duration::from_secs(seconds);
        stored.signed.push((query, until));
        Ok(chunk)
    }

    /// Gives a chunk's bytes, or what S3 would say.
    fn open(&self, asked: &Asked) -> Result<(Bytes, ChunkCoding, Value), Denied> {
        if asked.method != Method::GET {
            return Err(Denied::METHOD);
        }
        if asked.headers.contains_key("authorization") {
            return Err(Denied::TWO_SIGNATURES);
        }
        let chunks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = chunks.get(asked.uri.path()).ok_or(Denied::NO_KEY)?;
        let query = asked.uri.query().unwrap_or_default();
        let signed = stored.signed.iter().find(|(signed, _)| signed == query);
        let (_, until) = signed.ok_or(Denied::SIGNATURE)?;
        if *until <= time::instant() {
            return Err(Denied::EXPIRED);
        }
        let header = |name| {
            asked
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        if header(KEY) != Some(&stored.key.key) || header(KEY_MD5) != Some(&stored.key.md5) {
            return Err(Denied::ENCRYPTED);
        }
        let facts = json!({
            "path": asked.uri.path(), "query_id": stored.query_id, "rows": stored.rows,
            "bytes": stored.body.len(), "uncompressed_bytes": stored.uncompressed_bytes,
        });
        Ok((stored.body.clone(), stored.coding, facts))
    }
}

/// Answers a request for the bucket's name, with a planted fault if there is one.
pub(in super::super) fn serve(
    gate: &Gate,
    asked: &Asked,
    fault: Option<&Kind>,
) -> Result<Response<GateBody>, hyper::http::Error> {
    match gate.chunks.open(asked) {
        Ok((body, coding, facts)) => {
            let found = || found(coding);
            gate.journal.event("chunk", facts);
            if let Some(faulty) = fault.and_then(|fault| fault.frame(found, &body)) {
                return faulty;
            }
            found().body(GateBody::full(body))
        }
        Err(denied) => {
            let facts = json!({"path": asked.uri.path(), "why": denied.code});
            gate.journal.event("chunk_refused", facts);
            let text = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message></Error>",
                denied.code, denied.message
            );
            Response::builder()
                .status(denied.status)
                .header("content-type", "application/xml")
                .body(GateBody::full(text.into()))
        }
    }
}

fn found(coding: ChunkCoding) -> hyper::http::response::Builder {
    let builder = match coding {
        ChunkCoding::Gzip => Response::builder().header("content-encoding", "gzip"),
        ChunkCoding::GzipUntold | ChunkCoding::Plain => Response::builder(),
    };
    builder
        .header("content-type", "binary/octet-stream")
        .header("accept-ranges", "bytes")
        .header("server", "AmazonS3")
        .header("x-amz-server-side-encryption-customer-algorithm", "AES256")
}

/// A refusal in S3's words.
#[derive(Clone, Copy, Debug)]
struct Denied {
    status: u16,
    code: &'static str,
    message: &'static str,
}

impl Denied {
    const fn new(status: u16, code: &'static str, message: &'static str) -> Self {
        Self {
            status,
            code,
            message,
        }
    }

    const METHOD: Self = Self::new(
        405,
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
    );
    const TWO_SIGNATURES: Self = Self::new(
        400,
        "InvalidArgument",
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or \
         the Authorization header should be specified",
    );
    const NO_KEY: Self = Self::new(404, "NoSuchKey", "The specified key does not exist.");
    const SIGNATURE: Self = Self::new(
        403,
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided.",
    );
    const EXPIRED: Self = Self::new(403, "AccessDenied", "Request has expired");
    const ENCRYPTED: Self = Self::new(
        403,
        "AccessDenied",
        "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to \
         retrieve the object.",
    );
}

/// Compresses a chunk as Snowflake's are.
pub(super) fn gzip(plain: &[u8]) -> Result<Bytes, String> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    written
        .map(Bytes::from)
        .map_err(|error| format!("compress a chunk: {error}"))
}
