//! Receives what programs of a session tell of themselves by OpenTelemetry (OTLP/HTTP): evidence beside their calls of models.
//!
//! Whoever tells it gets an answer at once, as the protocol says (opentelemetry-proto, `docs/specification.md`, "OTLP/HTTP");
//! it is read on the thread that reads model calls. Texts go no further than its comparison with the use of a tool.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::counts::{Counts, Told as Answered, Word};
use super::sink::{capture, provenance};
use crate::connection::hello::Rewound;
use crate::connection::http::{self, Told};
use crate::connection::peer::Peer;
use crate::connection::reset;
use crate::control::telemetry::{ADDRESS, PORT};
use crate::execution::Lent;
use crate::prompt::linking::evidence::Says;
use crate::prompt::provenance::last_links;
use crate::prompt::telemetry::{self, Form, Outcome, RECORDS_MAX, Signal, Telemetry};
use crate::proxy::body::{self, BodyError};
use crate::proxy::core::Shared;
use crate::proxy::sessions::Session;
use crate::record::event::code;
use crate::record::{Category, Severity, provenance_rows};
use crate::snowflake::gzip::GzipError;
use crate::tasks;

/// Most connections of a session, and most bodies at once, each of so many plain bytes.
const CONNECTIONS_MAX: usize = 16;
const BODIES_MAX: usize = 4;
const BODY_MAX_BYTES: u64 = 1 << 20;

/// Most requests of a session in a second, and most plain bytes of them. An agent sends one a second; the thread that reads is
/// for all sessions.
const REQUESTS_MAX: u32 = 32;
const BYTES_MAX: u64 = 4 << 20;

const SECOND_NS: i64 = 1_000_000_000;

/// What a session's telemetry may take.
#[derive(Debug)]
pub(super) struct Share {
    connections: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    pace: Mutex<Pace>,
}

/// The second that runs, and what came in it.
#[derive(Debug, Default)]
struct Pace {
    second: i64,
    requests: u32,
    bytes: u64,
}

impl Default for Share {
    fn default() -> Self {
        Self {
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            bodies: Arc::new(Semaphore::new(BODIES_MAX)),
            pace: Mutex::default(),
        }
    }
}

impl Share {
    /// Takes a place for one body, if there is one in this second.
    fn take(&self, mono_ns: i64) -> Option<OwnedSemaphorePermit> {
        let is_within = self.count(mono_ns, 0);
        let place = Arc::clone(&self.bodies).try_acquire_owned().ok();
        place.filter(|_| is_within)
    }

    /// Counts a request, or the bytes of one that was counted; tells whether the second has room for it.
    fn count(&self, mono_ns: i64, bytes: u64) -> bool {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let second = mono_ns.div_euclid(SECOND_NS);
        if pace.second != second {
            *pace = Pace {
                second,
                ..Pace::default()
            };
        }
        pace.bytes = pace.bytes.saturating_add(bytes);
        pace.requests = pace.requests.saturating_add(u32::from(bytes == 0));
        pace.requests <= REQUESTS_MAX && pace.bytes <= BYTES_MAX
    }
}

/// Tells whether a session's connection is to be received here.
pub(in crate::proxy) fn is_meant(session: &Session, destination: SocketAddr) -> bool {
    let models = session.facts().models.as_ref();
    let is_there = destination.ip().to_canonical() == IpAddr::V4(ADDRESS);
    is_there && destination.port() == PORT && models.is_some_and(|models| models.telemetry)
}

/// Answers a connection's requests until its client is done with it, or the proxy leaves.
pub(in crate::proxy) async fn receive(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    peer: &Peer,
    stream: Rewound,
) {
    let share = session.models().telemetry();
    let Ok(_place) = Arc::clone(&share.connections).try_acquire_owned() else {
        shared.tap.counts().add_telemetry(Answered::Limited);
        return reset(stream.into_stream());
    };
    let serving = http::serve_until(stream, false, shared.intake.paused(), |request| {
        let (shared, session, peer) = (Arc::clone(shared), Arc::clone(session), peer.clone());
        async move { answer(&shared, &session, &peer, request).await }
    });
    if let Some(Err(error)) = shared.intake.serve(serving).await {
        tracing::debug!(session = %session.id(), %error, "telemetry's connection broke");
    }
}

async fn answer(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    peer: &Peer,
    request: Request<Incoming>,
) -> Told {
    let (head, incoming) = request.into_parts();
    let counts = shared.tap.counts();
    let form = form(&head.headers);
    let reply = form.unwrap_or(Form::Json);
    let signal = match head.uri.path() {
        "/v1/logs" => Some(Signal::Logs),
        "/v1/traces" => Some(Signal::Traces),
        // They say nothing of one use.
        "/v1/metrics" => None,
        _ => {
            counts.add_telemetry(Answered::Unreadable);
            return refuse(
                reply,
                StatusCode::NOT_FOUND,
                "expected /v1/logs, /v1/traces or /v1/metrics",
            );
        }
    };
    if head.method != Method::POST {
        counts.add_telemetry(Answered::Unreadable);
        return refuse(reply, StatusCode::METHOD_NOT_ALLOWED, "expected POST");
    }
    let Some(form) = form else {
        counts.add_telemetry(Answered::Unreadable);
        let expected = "expected application/json or application/x-protobuf, plain or gzip";
        return refuse(reply, StatusCode::UNSUPPORTED_MEDIA_TYPE, expected);
    };
    let share = session.models().telemetry();
    let Some(place) = share.take(shared.stages.clock.mono_ns()) else {
        return limit(counts, form);
    };
    let Some(signal) = signal else {
        body::discard(incoming).await;
        counts.add_telemetry(Answered::Taken);
        return taken(form, Signal::Logs, 0);
    };
    let bytes = match body::read(incoming, BODY_MAX_BYTES).await {
        Ok(bytes) => bytes,
        Err(error) => {
            let status = match error {
                BodyError::TooLarge { .. } | BodyError::Inflate(GzipError::TooLarge { .. }) => {
                    StatusCode::PAYLOAD_TOO_LARGE
                }
                BodyError::Slow | BodyError::Crowded => StatusCode::REQUEST_TIMEOUT,
                BodyError::Broken(_) | BodyError::Inflate(GzipError::Damaged(_)) => {
                    StatusCode::BAD_REQUEST
                }
            };
            tell_unreadable(shared, session, peer, &error.to_string()).await;
            return refuse(form, status, &error.to_string());
        }
    };
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if length > 0 && !share.count(shared.stages.clock.mono_ns(), length) {
        return limit(counts, form);
    }
    let read = read_aside(shared, session, peer.exec_id, (signal, form, bytes)).await;
    drop(place);
    match read {
        Some(Ok(rejected)) => {
            counts.add_telemetry(Answered::Taken);
            taken(form, signal, rejected)
        }
        Some(Err(error)) => {
            tell_unreadable(shared, session, peer, &error.to_string()).await;
            refuse(form, StatusCode::BAD_REQUEST, &error.to_string())
        }
        None => refuse(
            form,
            StatusCode::SERVICE_UNAVAILABLE,
            "telemetry is not read",
        ),
    }
}

/// Reads a body on the thread that reads model calls, and takes what it says; gives how many records were not read.
async fn read_aside(
    shared: &Arc<Shared>,
    session: &Arc<Session>,
    sender: u64,
    (signal, form, bytes): (Signal, Form, Bytes),
) -> Option<Result<usize, telemetry::Unreadable>> {
    let (done, read) = oneshot::channel();
    let (shared, session) = (Arc::clone(shared), Arc::clone(session));
    {
        let reader = shared.tap.reader.get()?.clone();
        let _entered = reader.enter();
        drop(tasks::spawn("telemetry", async move {
            let told = telemetry::read(signal, form, &bytes);
            drop(bytes);
            // Whoever sent it may be gone.
            drop(
                done.send(
                    told.as_ref()
                        .map(|told| told.rejected)
                        .map_err(Clone::clone),
                ),
            );
            if let Ok(told) = told {
                take(&shared, &session, sender, told).await;
            }
        }));
    }
    read.await.ok()
}

/// Takes what was told of uses of tools; records what follows.
async fn take(shared: &Shared, session: &Session, sender: u64, told: Telemetry) {
    let counts = shared.tap.counts();
    counts.add_words(Word::Other, told.records - told.reports.len());
    counts.add_words(Word::Rejected, told.rejected);
    let Some(provenance) = provenance(shared, session) else {
        return;
    };
    let (outcomes, facts) = {
        let mut provenance = provenance.lock();
        provenance.keep(capture(&shared.current().models, session));
        let (outcomes, facts) = provenance.heard(told.reports, sender);
        (outcomes, last_links(facts))
    };
    count(counts, &outcomes);
    let lent = Lent::new(provenance, &facts);
    let rows = provenance_rows(session.id(), facts);
    let number = rows.len();
    if number == 0 {
        return;
    }
    match shared.stages.recorder.commit(rows).await {
        Ok(_receipt) => lent.recorded(),
        Err(error) => {
            tracing::error!(session = %session.id(), number, %error, "what telemetry says could not be recorded");
        }
    }
}

fn count(counts: &Counts, outcomes: &[Outcome]) {
    for outcome in outcomes {
        let word = match outcome {
            Outcome::Counts(told) => match told.says() {
                Says::Same => Word::Agrees,
                Says::Other => Word::Contradicts,
            },
            Outcome::Stranger => Word::Stranger,
            Outcome::Waits => Word::Unknown,
        };
        counts.add_words(word, 1);
    }
}

/// Records that telemetry cannot be read, once a session.
async fn tell_unreadable(shared: &Shared, session: &Session, peer: &Peer, why: &str) {
    shared.tap.counts().add_telemetry(Answered::Unreadable);
    if !session.models().is_first(PLACE, code::TELEMETRY_UNREADABLE) {
        return;
    }
    let detail = json!({ "pid": peer.pid, "exe": peer.exe, "reason": why });
    let (severity, category) = (Severity::Low, Category::Net);
    shared
        .event(
            Some(session),
            code::TELEMETRY_UNREADABLE,
            severity,
            category,
            detail,
        )
        .await;
}

/// Stands for the receiver among the hosts of a session.
const PLACE: &str = "telemetry";

/// Finds how a body is written; none where that is not known here, or it is coded by more than gzip.
fn form(headers: &HeaderMap) -> Option<Form> {
    let coding = headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if !matches!(coding, None | Some(b"gzip" | b"identity")) {
        return None;
    }
    let media = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    match media.split(';').next()?.trim() {
        "application/json" => Some(Form::Json),
        "application/x-protobuf" => Some(Form::Protobuf),
        _ => None,
    }
}

fn media_type(form: Form) -> &'static str {
    match form {
        Form::Json => "application/json",
        Form::Protobuf => "application/x-protobuf",
    }
}

/// Says that a body was taken, but for some records (`ExportLogsPartialSuccess`, `ExportTracePartialSuccess`).
fn taken(form: Form, signal: Signal, rejected: usize) -> Told {
    let why = format!("at most {RECORDS_MAX} records of a request are read, fewer about tools");
    let body = match (form, rejected) {
        (Form::Json, 0) => b"{}".to_vec(),
        (Form::Protobuf, 0) => Vec::new(),
        (Form::Json, _) => {
            let name = match signal {
                Signal::Logs => "rejectedLogRecords",
                Signal::Traces => "rejectedSpans",
            };
            // 64 bits are a text in protobuf's JSON.
            let partial = json!({ name: rejected.to_string(), "errorMessage": why });
            json!({ "partialSuccess": partial }).to_string().into()
        }
        (Form::Protobuf, _) => {
            let mut partial = vec![1 << 3];
            put_varint(&mut partial, rejected as u64);
            put_bytes(&mut partial, 2, why.as_bytes());
            let mut body = Vec::new();
            put_bytes(&mut body, 1, &partial);
            body
        }
    };
    http::whole(StatusCode::OK, media_type(form), body.into())
}

/// Refuses a request of a session that sends too much: it may send it again.
fn limit(counts: &Counts, form: Form) -> Told {
    counts.add_telemetry(Answered::Limited);
    let why = "more telemetry than a session may send in a second";
    let mut told = refuse(form, StatusCode::TOO_MANY_REQUESTS, why);
    (told.headers_mut()).insert(RETRY_AFTER, HeaderValue::from_static("1"));
    told
}

/// Refuses a request by a `google.rpc.Status`.
fn refuse(form: Form, status: StatusCode, why: &str) -> Told {
    let body = match form {
        Form::Json => json!({ "message": why }).to_string().into(),
        Form::Protobuf => {
            let mut body = Vec::new();
            put_bytes(&mut body, 2, why.as_bytes());
            body
        }
    };
    http::whole(status, media_type(form), body.into())
}

/// Writes a field of protobuf that has a length.
fn put_bytes(to: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    to.push((number << 3) | 2);
    put_varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

/// Writes a varint: seven bits a byte, the lowest first.
fn put_varint(to: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return to.push(low & 0x7f);
        }
        to.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_sends_so_many_requests_a_second_and_so_many_at_once() {
        let share = Share::default();
        let held: Vec<_> = (0..BODIES_MAX).filter_map(|_| share.take(1)).collect();
        assert_eq!(held.len(), BODIES_MAX);
        assert!(share.take(1).is_none());
        drop(held);
        let count = (0..2 * REQUESTS_MAX)
            .filter(|_| share.take(2).is_some())
            .count();
        assert_eq!(count, REQUESTS_MAX as usize - BODIES_MAX - 1);
        assert!(share.take(SECOND_NS).is_some());
        assert!(share.count(SECOND_NS, BYTES_MAX));
        assert!(!share.count(SECOND_NS, 1) && share.take(SECOND_NS).is_none());
        assert!(share.take(2 * SECOND_NS).is_some());
    }

    #[test]
    fn a_partial_success_is_written_in_protobuf_too() {
        let mut partial = vec![1 << 3];
        put_varint(&mut partial, 300);
        put_bytes(&mut partial, 2, &[b'x'; 200]);
        assert_eq!(partial[..6], [8, 0xac, 2, 0x12, 0xc8, 1]);
        assert_eq!(partial.len(), 206);
        let mut zero = Vec::new();
        put_varint(&mut zero, 0);
        assert_eq!(zero, [0]);
    }

    #[test]
    fn forms_are_told_by_their_media_type() {
        let of = |media: &'static str, coding: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
            if let Some(coding) = coding {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
            }
            form(&headers)
        };
        assert_eq!(
            of("application/json; charset=utf-8", None),
            Some(Form::Json)
        );
        assert_eq!(
            of("application/x-protobuf", Some("gzip")),
            Some(Form::Protobuf)
        );
        assert_eq!(of("application/json", Some("br")), None);
        assert_eq!(of("text/plain", None), None);
        assert_eq!(form(&HeaderMap::new()), None);
    }
}
