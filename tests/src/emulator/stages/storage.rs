//! The object storage behind stages, as S3, Azure and Google Cloud answer for one object: PUT, GET, HEAD.

use std::sync::PoisonError;

use bytes::Bytes;
use hyper::{HeaderMap, Method, Response, Uri};
use serde_json::json;

use super::super::Gate;
use super::super::body::GateBody;
use super::super::routes::percent_decoded;
use super::{Command, Keys, Object, Stages, folder, signature};

/// The names that the gate stands in for.
pub const HOSTS: [&str; 3] = [
    "sfc-icecore-stage.s3.us-west-2.amazonaws.com",
    "icecorestage.blob.core.windows.net",
    "storage.googleapis.com",
];

/// One request to storage.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Asked<'a> {
    pub(in super::super) host: &'a str,
    pub(in super::super) method: &'a Method,
    pub(in super::super) uri: &'a Uri,
    pub(in super::super) headers: &'a HeaderMap,
}

impl Asked<'_> {
    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }
}

/// Tells whether a host is storage's.
pub(in super::super) fn is_storage(host: &str) -> bool {
    HOSTS.contains(&host)
}

impl Stages {
    /// Names the objects of a stage below a path, relative to the stage.
    pub(super) fn names(&self, command: &Command) -> Vec<String> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = format!("/{}", folder(&command.stage));
        let all = held.objects.keys().filter_map(|(_, path)| {
            let at = path.find(&folder)?;
            path.get(at + folder.len()..)
        });
        all.filter(|name| name.starts_with(&command.path))
            .map(percent_decoded)
            .collect()
    }

    fn keys_of(&self, path: &str) -> Option<Keys> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = held
            .keys
            .iter()
            .find(|(stage, _)| path.contains(&format!("/{}", folder(stage))));
        found.map(|(_, keys)| keys.clone())
    }
}

/// Answers one request, if what it shows opens the stage. An object called `cut.csv` breaks off.
pub(in super::super) fn serve(
    gate: &Gate,
    asked: Asked<'_>,
    body: &Bytes,
) -> Result<Response<GateBody>, hyper::http::Error> {
    let path = asked.uri.path();
    let facts = |what: &str| {
        let names: Vec<&str> = asked.headers.keys().map(|name| name.as_str()).collect();
        json!({"host": asked.host, "path": path, "method": asked.method.as_str(), "what": what, "bytes": body.len(),
            "headers": names})
    };
    let opens = gate
        .stages
        .keys_of(path)
        .is_some_and(|keys| opens(asked, &keys));
    if !opens {
        gate.journal.event("stage_refused", facts("keys"));
        return empty(403);
    }
    let key = (asked.host.to_owned(), path.to_owned());
    let mut held = gate.stages.0.lock().unwrap_or_else(PoisonError::into_inner);
    match *asked.method {
        Method::PUT => {
            let is_new_only = asked.header("if-none-match") == "*"
                || asked.header("x-goog-if-generation-match") == "0";
            if is_new_only && held.objects.contains_key(&key) {
                return empty(412);
            }
            let headers = asked
                .headers
                .iter()
                .filter(|(name, _)| is_metadata(name.as_str()))
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().into()));
            let object = Object {
                body: body.clone(),
                headers: headers.collect(),
            };
            let file = format!("stored-{}", held.objects.len());
            let stored = gate.folder.join(&file);
            if let Err(error) = std::fs::write(&stored, body) {
                tracing::error!(%error, "stored object lost");
            }
            gate.journal.event(
                "stored",
                json!({"host": asked.host, "path": path, "file": file, "bytes": body.len(), "headers": object.headers}),
            );
            held.objects.insert(key, object);
            empty(if asked.host.contains(".blob.") {
                201
            } else {
                200
            })
        }
        Method::GET | Method::HEAD => {
            gate.journal.event("stage_read", facts("object"));
            let Some(object) = held.objects.get(&key) else {
                return empty(404);
            };
            let range = range(asked.header("range"), object.body.len());
            let mut response = Response::builder()
                .status(if range.is_some() { 206 } else { 200 })
                .header("content-type", "application/octet-stream")
                .header("content-length", object.body.len());
            if let (Some(range), Some(headers)) = (&range, response.headers_mut()) {
                headers.insert("content-length", range.len().into());
            }
            for (name, value) in &object.headers {
                response = response.header(name, value);
            }
            let is_head = *asked.method == Method::HEAD;
            let body = if is_head {
                Bytes::new()
            } else {
                object.body.slice(range.unwrap_or(0..object.body.len()))
            };
            if path.ends_with("/cut.csv") {
                return response.body(GateBody::broken(body.slice(..body.len() / 2)));
            }
            response.body(GateBody::full(body))
        }
        _ => empty(405),
    }
}

/// Reads `bytes=first-last`; Azure takes no other form.
fn range(text: &str, length: usize) -> Option<std::ops::Range<usize>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < length).then_some(first..last + 1)
}

fn is_metadata(name: &str) -> bool {
    ["x-amz-meta-", "x-ms-meta-", "x-goog-meta-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

fn opens(asked: Asked<'_>, keys: &Keys) -> bool {
    if asked.host.contains(".blob.") {
        let query = asked.uri.query().unwrap_or_default();
        let is_block =
            *asked.method != Method::PUT || asked.header("x-ms-blob-type") == "BlockBlob";
        return is_block
            && query
                .split('&')
                .any(|pair| pair == format!("sig={}", keys.credential));
    }
    if asked.host == "storage.googleapis.com" {
        return asked.header("authorization") == format!("Bearer {}", keys.credential);
    }
    asked.header("x-amz-security-token") == keys.token
        && signature::is_good(asked, &keys.credential)
}

fn empty(status: u16) -> Result<Response<GateBody>, hyper::http::Error> {
    Response::builder()
        .status(status)
        .body(GateBody::full(Bytes::new()))
}
