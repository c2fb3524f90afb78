//! HashiCorp Vault's key-value engine, version 2, by a token or an AppRole.
//!
//! Source: developer.hashicorp.com, "KV secrets engine version 2 (API)" and "AppRole auth method (API)".

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::config::{Untrusted, VaultAuth, VaultSource, read_secret_file};
use crate::snowflake::secret::Secret;
use crate::web::{self, Request, Response};

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");

/// Without it an agent in front of Vault may refuse the request. Source: "Vault Agent", `require_request_header`.
const MARK: HeaderName = HeaderName::from_static("x-vault-request");

/// Longest life of a login by AppRole that is counted on, in seconds.
const LEASE_MAX_S: u64 = 86_400;

/// Longest token or secret id that is read.
const TOKEN_MAX_BYTES: u64 = 8 << 10;

/// A field of a secret in Vault.
pub(super) struct Vault {
    source: VaultSource,
    web: web::Client,
    session: Mutex<Option<Session>>,
}

/// What an AppRole's login gave.
struct Session {
    token: Secret,
    until: Instant,
}

impl Vault {
    /// Takes a source; Vault is not asked yet.
    pub(super) fn new(source: &VaultSource, web: &web::Client) -> Result<Self, Untrusted> {
        let web = match &source.ca_file {
            None => web.clone(),
            Some(file) => web::Client::new(web::trust(Some(file)).map_err(|error| Untrusted {
                expected: "a `ca_file` of Vault's".to_owned(),
                found: error.to_string(),
            })?),
        };
        Ok(Self {
            source: source.clone(),
            web,
            session: Mutex::new(None),
        })
    }

    /// Reads the newest version of the field.
    pub(super) async fn read(&self) -> Result<Zeroizing<Vec<u8>>, Untrusted> {
        let (token, is_kept) = match self.kept() {
            Some(token) => (token, true),
            None => (self.log_in().await?, false),
        };
        match self.ask(&token).await? {
            // A token may be revoked before its time.
            answered if answered.status == StatusCode::FORBIDDEN && is_kept => {
                let token = self.log_in().await?;
                self.field(&self.ask(&token).await?)
            }
            answered => self.field(&answered),
        }
    }

    async fn ask(&self, token: &Secret) -> Result<Response, Untrusted> {
        let VaultSource { mount, path, .. } = &self.source;
        let request = Request::of_url(self.url(&format!("{mount}/data/{path}")));
        self.send(request, Some(token)).await
    }

    fn field(&self, answered: &Response) -> Result<Zeroizing<Vec<u8>>, Untrusted> {
        if answered.status != StatusCode::OK {
            return Err(self.found(&meaning(answered.status)));
        }
        let body: Value = serde_json::from_slice(&answered.body)
            .map_err(|_| self.found("an answer that is not JSON"))?;
        let fields = body.pointer("/data/data");
        match fields.and_then(|fields| fields.get(&self.source.field)) {
            Some(Value::String(value)) => Ok(Zeroizing::new(value.clone().into_bytes())),
            Some(_) => Err(self.found("a field that is no text")),
            None if fields.is_some() => Err(self.found("a secret without that field")),
            None => Err(self.found(
                "no secret of the key-value engine's version 2 (a version 1 mount, or a deleted version)",
            )),
        }
    }

    /// Gives the token of an earlier login that is good still.
    fn kept(&self) -> Option<Secret> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let session = session.as_ref()?;
        (Instant::now() < session.until).then(|| session.token.clone())
    }

    /// Gets a token: from its file, or by a login that serves for two thirds of its lease.
    async fn log_in(&self) -> Result<Secret, Untrusted> {
        let (mount, role_id, secret_id_file) = match &self.source.auth {
            VaultAuth::Token(file) => return line(file),
            VaultAuth::AppRole {
                mount,
                role_id,
                secret_id_file,
            } => (mount, role_id, secret_id_file),
        };
        let secret_id = line(secret_id_file)?;
        let mut request = Request::of_url(self.url(&format!("auth/{mount}/login")));
        request.method = Method::POST;
        let body = json!({ "role_id": role_id, "secret_id": secret_id.reveal() });
        request.body = Zeroizing::new(body.to_string().into_bytes());
        let answered = self.send(request, None).await?;
        let refused = |why: &str| self.found(&format!("a login by AppRole that failed: {why}"));
        if answered.status != StatusCode::OK {
            return Err(refused(&meaning(answered.status)));
        }
        let body: Value = serde_json::from_slice(&answered.body)
            .map_err(|_| refused("an answer that is not JSON"))?;
        let token = body
            .pointer("/auth/client_token")
            .and_then(Value::as_str)
            .ok_or_else(|| refused("an answer without `client_token`"))?;
        let token = Secret::new(token.to_owned());
        let lease = body.pointer("/auth/lease_duration").and_then(Value::as_u64);
        // What Vault says may be any number.
        let life = Duration::from_secs(lease.unwrap_or_default().min(LEASE_MAX_S)) * 2 / 3;
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(Session {
            token: token.clone(),
            until: Instant::now() + life,
        });
        Ok(token)
    }

    async fn send(
        &self,
        mut request: Request,
        token: Option<&Secret>,
    ) -> Result<Response, Untrusted> {
        let headers = &mut request.headers;
        headers.insert(MARK, HeaderValue::from_static("true"));
        let namespace = self.source.namespace.as_deref();
        for (name, value) in [(NAMESPACE, namespace), (TOKEN, token.map(Secret::reveal))] {
            if let Some(value) = value {
                let mut value = HeaderValue::try_from(value)
                    .map_err(|_| self.found("a token that no header can carry"))?;
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        let answered = self.web.send(request).await;
        answered.map_err(|error| self.found(&error.to_string()))
    }

    fn url(&self, path: &str) -> String {
        format!("{}/v1/{path}", self.source.address)
    }

    fn found(&self, found: &str) -> Untrusted {
        let VaultSource {
            address,
            mount,
            path,
            field,
            ..
        } = &self.source;
        Untrusted {
            expected: format!(
                "field `{field}` of secret `{path}` at `{mount}` of Vault `{address}`"
            ),
            found: found.to_owned(),
        }
    }
}

/// Says what a status means; Vault's own words are left out, since they may quote a request.
fn meaning(status: StatusCode) -> String {
    let why = match status.as_u16() {
        400 => "the request is not understood; is the mount or the role right?",
        403 => "permission denied; does the token's policy allow `read` there?",
        404 => "nothing is there",
        429 => "too many requests, or a standby node",
        473 | 503 => "sealed, in maintenance or a standby node",
        _ => "no answer that is expected",
    };
    format!("HTTP status {} ({why})", status.as_u16())
}

/// Reads a file of one line, at each use, so that it can be replaced.
fn line(file: &std::path::Path) -> Result<Secret, Untrusted> {
    let bytes = read_secret_file(file, TOKEN_MAX_BYTES)?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim_end();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Untrusted {
            expected: "a file with one token of visible ASCII characters".to_owned(),
            found: format!("`{}`, which has something else", file.display()),
        });
    }
    Ok(Secret::new(text.to_owned()))
}
