//! A stand-in for HashiCorp Vault: it checks the wire as Vault's documentation has it, and is not Vault.
//!
//! Source: developer.hashicorp.com, "KV secrets engine version 2 (API)", "AppRole auth method (API)".

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use serde_json::{Value, json};

use super::http::{Asked, Server};

/// The namespace that requests must name.
pub const NAMESPACE: &str = "team-a";
/// The role that may log in.
pub const ROLE_ID: &str = "7f1a-role";
/// Its secret id.
pub const SECRET_ID: &str = "5c2b-secret-id-aa01";

/// What it holds and how it behaves.
#[derive(Debug, Default)]
struct State {
    value: String,
    is_sealed: bool,
    logins: usize,
    reads: usize,
}

/// A Vault with one secret, `snowflake/acme` at `kv`, of one field, `token`.
#[derive(Debug)]
pub struct Vault {
    state: Arc<Mutex<State>>,
    server: Server,
}

impl Vault {
    /// Starts it with a value of the field.
    pub fn start(value: &str) -> Result<Self> {
        let state = Arc::new(Mutex::new(State {
            value: value.to_owned(),
            ..State::default()
        }));
        let held = Arc::clone(&state);
        let server = Server::start(move |asked| answer(&mut lock(&held), asked))?;
        Ok(Self { state, server })
    }

    /// Gives its address.
    #[must_use]
    pub fn address(&self) -> String {
        self.server.origin()
    }

    /// Writes another version of the secret.
    pub fn put(&self, value: &str) {
        value.clone_into(&mut lock(&self.state).value);
    }

    /// Seals or unseals it.
    pub fn seal(&self, is_sealed: bool) {
        lock(&self.state).is_sealed = is_sealed;
    }

    /// Revokes the tokens it gave.
    pub fn revoke(&self) {
        lock(&self.state).logins += 1;
    }

    /// Counts the reads that it answered with the secret.
    #[must_use]
    pub fn reads(&self) -> usize {
        lock(&self.state).reads
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn errors(words: &str) -> Value {
    json!({ "errors": [words] })
}

fn answer(state: &mut State, asked: &Asked) -> (u16, Value) {
    if state.is_sealed {
        return (503, errors("Vault is sealed"));
    }
    if asked.header("x-vault-request") != "true" {
        return (412, errors("missing X-Vault-Request"));
    }
    if asked.header("x-vault-namespace") != NAMESPACE {
        return (404, errors("no such namespace"));
    }
    match (asked.method.as_str(), asked.target.as_str()) {
        ("POST", "/v1/auth/approle/login") => {
            let body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
            if body != json!({ "role_id": ROLE_ID, "secret_id": SECRET_ID }) {
                return (400, errors("invalid role or secret ID"));
            }
            state.logins += 1;
            (
                200,
                json!({ "auth": { "client_token": token(state), "lease_duration": 3600, "renewable": true } }),
            )
        }
        ("GET", "/v1/kv/data/snowflake/acme") => {
            if asked.header("x-vault-token") != token(state) {
                return (403, errors("permission denied"));
            }
            state.reads += 1;
            let data = json!({ "data": { "token": state.value }, "metadata": { "version": 3 } });
            (200, json!({ "data": data }))
        }
        _ => (404, errors("no handler for route")),
    }
}

/// The token of the newest login; the ones before are good for nothing.
fn token(state: &State) -> String {
    format!("hvs.login-{}-3e9d", state.logins)
}
