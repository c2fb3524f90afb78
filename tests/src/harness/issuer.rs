//! A small OpenID Connect issuer on loopback: discovery, keys, and tokens of any shape, also as GitHub's runner gives them.
//!
//! For what no real provider does: forged, odd and expired tokens, invented keys, and claims of a CI system.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::authorize::Authorizations;
use crate::time;

/// What a job must show its runner to get a token.
pub const RUNNER_TOKEN: &str = "runner-token-51d0";

/// A running issuer.
#[derive(Debug)]
pub struct Issuer {
    address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    stop: AtomicBool,
    state: Mutex<State>,
}

struct State {
    key: EcdsaKeyPair,
    key_id: String,
    /// How often each path was asked for.
    asked: BTreeMap<String, usize>,
    /// Whether every request fails.
    is_down: bool,
    /// How long each answer takes.
    delay: Duration,
    /// Claims of the tokens that the runner's address and the token endpoint give.
    job: Value,
    /// Who logs in at its authorization endpoint.
    authorizations: Authorizations,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Issuer {
    /// Starts an issuer with one key.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            state: Mutex::new(State {
                key: key()?,
                key_id: "key-1".into(),
                asked: BTreeMap::new(),
                is_down: false,
                delay: Duration::ZERO,
                job: json!({}),
                authorizations: Authorizations::default(),
            }),
        });
        let mut issuer = Self {
            address,
            shared,
            threads: Vec::new(),
        };
        issuer.serve(listener)?;
        Ok(issuer)
    }

    /// Answers by the same address in the network of whoever calls too, as an issuer that all networks reach.
    pub fn answer_here(&mut self) -> Result<()> {
        let listener = TcpListener::bind(self.address)?;
        self.serve(listener)
    }

    fn serve(&mut self, listener: TcpListener) -> Result<()> {
        listener.set_nonblocking(true)?;
        let (address, serving) = (self.address, Arc::clone(&self.shared));
        self.threads.push(std::thread::spawn(move || {
            while !serving.stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    // Browsers open connections ahead on which they ask nothing, so each has a thread.
                    Ok((stream, _)) => {
                        let serving = Arc::clone(&serving);
                        // A client that hangs up is its own affair.
                        std::thread::spawn(move || drop(answer(stream, address, &serving)));
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(10)),
                }
            }
        }));
        Ok(())
    }

    /// Gives its `iss`.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.address)
    }

    /// Signs from here on with another key, and publishes that one alone.
    pub fn rotate(&self, key_id: &str) -> Result<()> {
        let mut state = self.shared.state();
        state.key = key()?;
        state.key_id = key_id.to_owned();
        Ok(())
    }

    /// Lets every request fail, or none.
    pub fn set_down(&self, is_down: bool) {
        self.shared.state().is_down = is_down;
    }

    /// Lets every answer take so long, one that is waited for too.
    pub fn set_delay(&self, delay: Duration) {
        self.shared.state().delay = delay;
    }

    /// Tells how often a path was asked for.
    #[must_use]
    pub fn asked(&self, path: &str) -> usize {
        self.shared.state().asked.get(path).copied().unwrap_or(0)
    }

    /// Sets the claims of the tokens that the runner's address and the token endpoint give.
    pub fn set_job(&self, claims: Value) {
        self.shared.state().job = claims;
    }

    /// Has somebody with these claims log in wherever it is asked for, or nobody.
    pub fn set_person(&self, claims: Option<Value>) {
        self.shared.state().authorizations.person = claims;
    }

    /// Gives the variables by which a GitHub job asks its runner for a token.
    #[must_use]
    pub fn github_variables(&self) -> [String; 2] {
        [
            format!(
                "ACTIONS_ID_TOKEN_REQUEST_URL={}/runner?api-version=2.0",
                self.url()
            ),
            format!("ACTIONS_ID_TOKEN_REQUEST_TOKEN={RUNNER_TOKEN}"),
        ]
    }

    /// Signs a token with these claims over those of a good one.
    pub fn token(&self, claims: &Value) -> Result<String> {
        let state = self.shared.state();
        let key_id = state.key_id.clone();
        sign(&state, &key_id, &with_defaults(&self.url(), claims))
    }

    /// Signs a token that says to be signed with another key.
    pub fn token_by(&self, key_id: &str, claims: &Value) -> Result<String> {
        let state = self.shared.state();
        sign(&state, key_id, &with_defaults(&self.url(), claims))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of the thread is printed where it happens.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn key() -> Result<EcdsaKeyPair> {
    let random = SystemRandom::new();
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
        .ok()
        .context("make a key")?;
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random)
        .ok()
        .context("read a key")
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn with_defaults(url: &str, claims: &Value) -> Value {
    let now = time::since_epoch().as_secs();
    let mut all = json!({
        "iss": url, "sub": "ada", "aud": "icecore", "iat": now, "exp": now + 300, "jti": uuid::Uuid::new_v4().to_string(),
    });
    if let (Some(all), Some(claims)) = (all.as_object_mut(), claims.as_object()) {
        all.extend(claims.clone());
    }
    all
}

fn sign(state: &State, key_id: &str, claims: &Value) -> Result<String> {
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": key_id });
    let text = format!(
        "{}.{}",
        encode(header.to_string()),
        encode(claims.to_string())
    );
    let signature = state
        .key
        .sign(&SystemRandom::new(), text.as_bytes())
        .ok()
        .context("sign")?;
    Ok(format!("{text}.{}", encode(signature)))
}

/// Answers one request and closes; every client here sends one.
fn answer(stream: TcpStream, address: SocketAddr, shared: &Shared) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut lines = reader.by_ref().lines();
    let first = lines.next().context("no request")??;
    let (mut bearer, mut length) = (String::new(), 0);
    for line in lines.by_ref() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        match line.split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                bearer = value.to_owned();
            }
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse()?;
            }
            _ => {}
        }
    }
    let mut form = String::new();
    reader.take(length).read_to_string(&mut form)?;
    let target = first.split(' ').nth(1).context("no target")?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path == "/authorize" {
        let now_s = time::since_epoch().as_secs();
        let authorizations = &mut shared.state().authorizations;
        let to = authorizations.authorize(&url(address), query, now_s)?;
        write!(
            &stream,
            "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )?;
        return Ok(());
    }
    let asked = (query, form.as_str(), bearer.as_str());
    let body = respond(&mut shared.state(), &url(address), path, asked)?;
    let start = time::instant();
    while start.elapsed() < shared.state().delay {
        std::thread::sleep(Duration::from_millis(10));
    }
    let (status, text) = match body {
        Some(body) => ("200 OK", body.to_string()),
        None => ("503 Service Unavailable", String::new()),
    };
    let length = text.len();
    write!(
        &stream,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
    )?;
    Ok(())
}

fn respond(
    state: &mut State,
    url: &str,
    path: &str,
    (query, form, bearer): (&str, &str, &str),
) -> Result<Option<Value>> {
    *state.asked.entry(path.to_owned()).or_default() += 1;
    if state.is_down {
        return Ok(None);
    }
    Ok(match path {
        "/.well-known/openid-configuration" => Some(json!({
            "issuer": url, "jwks_uri": format!("{url}/keys"), "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"), "authorization_response_iss_parameter_supported": true,
        })),
        // Whoever brings a code gets that login's ID token, else the one that the test has set.
        "/token" => {
            let key_id = state.key_id.clone();
            let claims = state.authorizations.redeem(form)?;
            let claims = claims.unwrap_or_else(|| state.job.clone());
            let token = sign(state, &key_id, &with_defaults(url, &claims))?;
            Some(json!({ "id_token": token, "refresh_token": "refresh-1", "token_type": "Bearer" }))
        }
        "/keys" => {
            let point = state.key.public_key().as_ref();
            let (x, y) = (point.get(1..33), point.get(33..65));
            let (x, y) = (x.context("no point")?, y.context("no point")?);
            Some(json!({ "keys": [{
                "kty": "EC", "crv": "P-256", "kid": state.key_id, "x": encode(x), "y": encode(y),
            }] }))
        }
        "/runner" if bearer == format!("Bearer {RUNNER_TOKEN}") => {
            let audience = query
                .split('&')
                .find_map(|one| one.strip_prefix("audience="));
            let mut claims = state.job.clone();
            if let Some(claims) = claims.as_object_mut() {
                claims.insert("aud".into(), audience.unwrap_or_default().into());
            }
            let key_id = state.key_id.clone();
            let token = sign(state, &key_id, &with_defaults(url, &claims))?;
            Some(json!({ "count": token.len(), "value": token }))
        }
        _ => None,
    })
}
