//! The admin listener: plain HTTP with JSON, on loopback, for the test that owns the emulator.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};

use super::Gate;
use super::catalogue::{Described, Tag};
use super::faults::Fault;
use super::results::{Pieces, Planted};
use super::settings::{Credential, Tuning};

/// Answers one admin request: `POST /fault`, `/tuning`, `/tags`, `/described`, `/planted`, `/expire`, `/clear`, `/rotate`.
pub(super) async fn answer(
    gate: Arc<Gate>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let is_post = request.method() == Method::POST;
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let done = if is_post {
        act(&gate, &path, &body)
    } else {
        Err("POST only".to_owned())
    };
    let (status, text) = match done {
        Ok(()) => (StatusCode::OK, "{\"ok\":true}\n".to_owned()),
        Err(why) => (StatusCode::BAD_REQUEST, format!("{why}\n")),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    Ok(response)
}

fn act(gate: &Gate, path: &str, body: &[u8]) -> Result<(), String> {
    match path {
        "/fault" => {
            let fault: Fault = read(body)?;
            gate.faults.plant(fault);
        }
        "/tuning" => {
            let tuning: Tuning = read(body)?;
            *gate.tuning.lock().unwrap_or_else(PoisonError::into_inner) = tuning;
        }
        "/tags" => {
            let tags: Vec<Tag> = read(body)?;
            *gate.tags.lock().unwrap_or_else(PoisonError::into_inner) = tags;
        }
        "/described" => {
            let described: Vec<Described> = read(body)?;
            *gate
                .described
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = described;
        }
        "/planted" => {
            let named: Vec<Planted> = read(body)?;
            let tables = named
                .into_iter()
                .map(|table| Ok((table.path, Arc::new(Pieces::read(&table.folder)?))))
                .collect::<Result<_, String>>()?;
            *gate.planted.lock().unwrap_or_else(PoisonError::into_inner) = tables;
        }
        "/expire" => gate.sessions.expire_all(),
        "/clear" => gate.faults.clear(),
        "/rotate" => {
            let (name, credential): (String, Credential) = read(body)?;
            if !gate.rotate(&name, &credential) {
                return Err(format!("no account `{name}`"));
            }
        }
        other => {
            return Err(format!(
                "no `{other}`; there are /fault, /tuning, /tags, /described, /planted, /expire, /clear, /rotate"
            ));
        }
    }
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}
