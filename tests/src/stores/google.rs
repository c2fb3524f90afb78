//! A stand-in of ours for Google Cloud Storage's XML API, since no emulator of it runs here: it checks what is on the wire.
//!
//! Source: Cloud Storage, "XML API overview", "PUT Object", "x-goog-hash", "GET Bucket (List Objects)".

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::Reached;

/// A key of tests, good for nothing else; see its folder's README.
const KEY: &str = include_str!("../../../agent/src/upstream/credential/keys/plain.pem");
const PUBLIC: &str = include_str!("google.pub.pem");
const EMAIL: &str = "icecore-writer@acme.iam.gserviceaccount.com";
const BUCKET: &str = "acme-audit";

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    /// What was asked in a way that Google would not take.
    wrong: Vec<String>,
    methods: BTreeSet<String>,
}

/// A running stand-in with one bucket.
#[derive(Debug)]
pub struct Google {
    origin: String,
    state: Arc<Mutex<State>>,
}

/// A request as it was read.
struct Asked {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Google {
    /// Starts it; it goes with this process.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let origin = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A connection that breaks is the other end's business.
                thread::spawn(move || while serve(&stream, &shared).is_ok() {});
            }
        });
        Ok(Self { origin, state })
    }

    /// Tells how it is reached.
    #[must_use]
    pub fn reached(&self) -> Reached {
        let key = serde_json::json!({
            "type": "service_account",
            "private_key_id": "key-1",
            "private_key": KEY,
            "client_email": EMAIL,
            "gcs_base_url": self.origin,
        })
        .to_string();
        Reached {
            url: format!("gs://{BUCKET}/ice"),
            endpoint: self.origin.clone(),
            environment: vec![("GOOGLE_SERVICE_ACCOUNT_KEY", key.clone())],
            secret: key.into(),
            ..Reached::default()
        }
    }

    /// Lists what was asked in a way that Google would not take.
    #[must_use]
    pub fn wrong(&self) -> Vec<String> {
        lock(&self.state).wrong.clone()
    }

    /// Lists the methods that were used so far.
    #[must_use]
    pub fn methods(&self) -> Vec<String> {
        lock(&self.state).methods.iter().cloned().collect()
    }

    /// Counts the objects.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.state).objects.len()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: &TcpStream, state: &Mutex<State>) -> Result<()> {
    let asked = read(stream)?;
    let (status, body) = {
        let mut state = lock(state);
        match answer(&asked, &mut state) {
            Ok(answered) => answered,
            Err(wrong) => {
                let told = format!("{} {}: {wrong}", asked.method, asked.path);
                let error = format!("<Error><Code>Wrong</Code><Message>{told}</Message></Error>");
                state.wrong.push(told);
                (400, error.into_bytes())
            }
        }
    };
    let head = format!(
        "HTTP/1.1 {status} x\r\nETag: \"e\"\r\nx-goog-generation: 1\r\nLast-Modified: Fri, 27 Nov 2026 00:00:00 GMT\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut writer = stream;
    writer.write_all(head.as_bytes())?;
    Ok(writer.write_all(&body)?)
}

fn read(stream: &TcpStream) -> Result<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let method = words.next().context("no method")?.to_owned();
    let target = words.next().context("no target")?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = pairs.map(|(name, value)| (name.to_owned(), unescaped(value)));
    let mut asked = Asked {
        method,
        path: unescaped(path),
        query: query.collect(),
        headers: BTreeMap::new(),
        body: Vec::new(),
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        let name = name.to_lowercase();
        asked.headers.insert(name, value.trim().to_owned());
    }
    let length = asked.headers.get("content-length");
    let length = length.map_or(Ok(0), |length| length.parse())?;
    asked.body = vec![0; length];
    reader.read_exact(&mut asked.body)?;
    Ok(asked)
}

fn answer(asked: &Asked, state: &mut State) -> Result<(u16, Vec<u8>), String> {
    let header = |name: &str| asked.headers.get(name).map_or("", String::as_str);
    let bearer = header("authorization").strip_prefix("Bearer ");
    check_bearer(bearer.ok_or("expected a bearer")?)?;
    state.methods.insert(asked.method.clone());
    let key = asked.path.strip_prefix(&format!("/{BUCKET}"));
    let key = key.ok_or("another bucket")?.trim_start_matches('/');
    match (asked.method.as_str(), key) {
        ("PUT", key) if !key.is_empty() => {
            if header("x-goog-if-generation-match") != "0" {
                return Err("expected `x-goog-if-generation-match: 0`".to_owned());
            }
            let sum = BASE64_STANDARD.encode(crc32c::crc32c(&asked.body).to_be_bytes());
            if header("x-goog-hash") != format!("crc32c={sum}") {
                return Err("expected the body's `x-goog-hash`".to_owned());
            }
            if state.objects.contains_key(key) {
                let error = b"<Error><Code>PreconditionFailed</Code></Error>".to_vec();
                return Ok((412, error));
            }
            state.objects.insert(key.to_owned(), asked.body.clone());
            Ok((200, Vec::new()))
        }
        ("GET", "") => Ok((200, list(asked, &state.objects).into_bytes())),
        ("GET", key) => match state.objects.get(key) {
            Some(bytes) => Ok((200, bytes.clone())),
            None => Ok((404, b"<Error><Code>NoSuchKey</Code></Error>".to_vec())),
        },
        (method, _) => Err(format!("nobody may {method}")),
    }
}

/// Checks what a service account signed for itself by its public key. Source: Google, "Self-signed JWTs" (AIP-4111).
fn check_bearer(token: &str) -> Result<(), String> {
    let key = DecodingKey::from_rsa_pem(PUBLIC.as_bytes()).map_err(|error| error.to_string())?;
    let mut checks = Validation::new(Algorithm::RS256);
    checks.set_issuer(&[EMAIL]);
    checks.validate_aud = false;
    let claims = jsonwebtoken::decode::<serde_json::Value>(token, &key, &checks);
    let claims = claims.map_err(|error| error.to_string())?.claims;
    match claims.get("scope").and_then(serde_json::Value::as_str) {
        Some(scope) if scope.contains("https://www.googleapis.com/auth/") => Ok(()),
        _ => Err("expected a scope of Google's".to_owned()),
    }
}

fn list(asked: &Asked, objects: &BTreeMap<String, Vec<u8>>) -> String {
    let given = |name: &str| asked.query.get(name).map_or("", String::as_str);
    let (prefix, delimiter) = (given("prefix"), given("delimiter"));
    let mut folders = BTreeSet::new();
    let mut xml = String::from("<ListBucketResult>");
    for (key, bytes) in objects {
        let Some(rest) = key.strip_prefix(prefix) else {
            continue;
        };
        if key.as_str() <= given("start-after") {
            continue;
        }
        if let Some((folder, _)) = rest.split_once(delimiter).filter(|_| !delimiter.is_empty()) {
            folders.insert(format!("{prefix}{folder}{delimiter}"));
            continue;
        }
        xml.push_str(&format!(
            "<Contents><Key>{key}</Key><Size>{}</Size><LastModified>2026-11-27T00:00:00.000Z</LastModified><ETag>e</ETag></Contents>",
            bytes.len()
        ));
    }
    for folder in folders {
        xml.push_str(&format!(
            "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"
        ));
    }
    xml + "</ListBucketResult>"
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let meant = if byte == b'%' {
            let digits = [rest.next(), rest.next()].map(|digit| digit.unwrap_or(b'0'));
            let digits = String::from_utf8_lossy(&digits).into_owned();
            u8::from_str_radix(&digits, 16).unwrap_or(b'%')
        } else {
            byte
        };
        bytes.push(meant);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
