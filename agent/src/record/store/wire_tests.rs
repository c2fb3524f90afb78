//! What goes over the wire to each cloud, and what a put comes to when the other end fails at any step.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use zeroize::Zeroizing;

use super::*;
use crate::config::{SecretAt, Source, StoreIdentity, StoreOptions};

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// It is answered so, and nothing is stored.
    Answers(u16),
    /// It does what it must, and its answer is lost.
    LosesAnswer,
    /// The connection breaks before it is read.
    Breaks,
}

#[derive(Default)]
struct State {
    faults: VecDeque<Fault>,
    /// What was ever stored under each path.
    writes: BTreeMap<String, Vec<Vec<u8>>>,
    /// Method, path and headers of each request, in lower case.
    asked: Vec<(String, String, BTreeMap<String, String>)>,
}

/// A store with conditional puts, which fails as it is told.
struct Faulty {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Faulty {
    fn start(faults: &[Fault]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        state.lock().unwrap().faults.extend(faults);
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || while serve(&stream, &shared).is_some() {});
            }
        });
        Self { port, state }
    }

    fn open(&self, cloud: Cloud) -> Store {
        let (url, secret) = cloud.opened();
        let options = StoreOptions {
            region: Some("eu-central-1".to_owned()),
            endpoint: Some(format!("http://127.0.0.1:{}", self.port)),
            account: Some("acme".to_owned()),
            identity: StoreIdentity::Secret(SecretAt {
                setting: "credential_file",
                source: Source::Env("unread".to_owned()),
            }),
            ..StoreOptions::default()
        };
        let secret = StoreSecret::new(move || {
            let text = Arc::new(Zeroizing::new(secret.as_bytes().to_vec()));
            Box::pin(async move { Ok(text) })
        });
        let at = StoreAt::configured(url, &options, Some(secret)).unwrap();
        Store::open(&at).unwrap()
    }

    fn methods(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state
            .asked
            .iter()
            .map(|(method, ..)| method.clone())
            .collect()
    }
}

fn serve(stream: &TcpStream, shared: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let fault = shared.lock().unwrap().faults.pop_front();
    if matches!(fault, Some(Fault::Breaks)) {
        stream.shutdown(Shutdown::Both).ok()?;
        return None;
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let creates = headers
        .get("if-none-match")
        .is_some_and(|value| value == "*")
        || headers
            .get("x-goog-if-generation-match")
            .is_some_and(|value| value == "0");
    let mut state = shared.lock().unwrap();
    state.asked.push((method.clone(), path.clone(), headers));
    let status = match fault {
        Some(Fault::Answers(status)) => status,
        Some(Fault::Breaks | Fault::LosesAnswer) | None => {
            let written = state.writes.entry(path).or_default();
            if method != "PUT" || (creates && !written.is_empty()) {
                412
            } else {
                written.push(body);
                200
            }
        }
    };
    drop(state);
    if matches!(fault, Some(Fault::LosesAnswer)) {
        stream.shutdown(Shutdown::Both).ok()?;
        return None;
    }
    let body = "<Error><Code>Said</Code><Message>by the store</Message></Error>";
    let answer = format!(
        "HTTP/1.1 {status} x\r\nETag: \"e\"\r\nx-goog-generation: 1\r\nLast-Modified: Fri, 27 Nov 2026 00:00:00 GMT\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut writer = stream;
    writer.write_all(answer.as_bytes()).ok()
}

#[derive(Clone, Copy, Debug)]
enum Cloud {
    S3,
    Gcs,
    Azure,
}

impl Cloud {
    const ALL: [Self; 3] = [Self::S3, Self::Gcs, Self::Azure];

    fn opened(self) -> (&'static str, &'static str) {
        match self {
            Self::S3 => (
                "s3://bucket/ice",
                r#"{"AccessKeyId":"AKIA1","SecretAccessKey":"s","SessionToken":"t"}"#,
            ),
            // Google's own way to name a stand-in that asks for no token.
            Self::Gcs => (
                "gs://bucket/ice",
                r#"{"private_key":"","private_key_id":"","client_email":"a@b","disable_oauth":true}"#,
            ),
            Self::Azure => ("az://bucket/ice", "a2V5"),
        }
    }

    fn path(self, key: &str) -> String {
        let key = format!("ice/{key}");
        match self {
            Self::S3 | Self::Azure => format!("/bucket/{key}"),
            // The client escapes all but letters and digits.
            Self::Gcs => format!(
                "/bucket/{}",
                percent_encoding::utf8_percent_encode(&key, percent_encoding::NON_ALPHANUMERIC)
            ),
        }
    }
}

fn key_of(bytes: &[u8]) -> String {
    let hash: String = hex(&sha256(bytes)).chars().take(16).collect();
    format!("o/v1/chains/c/m-00000001-{hash}.json")
}

#[test]
fn each_put_creates_under_a_checksum_and_asks_for_nothing_else() {
    let bytes = b"manifest";
    let key = key_of(bytes);
    for cloud in Cloud::ALL {
        let faulty = Faulty::start(&[]);
        let store = faulty.open(cloud);
        store.put(&key, bytes.to_vec()).unwrap();
        store.put(&key, bytes.to_vec()).unwrap();
        let state = faulty.state.lock().unwrap();
        for (method, path, headers) in &state.asked {
            assert_eq!(
                (method.as_str(), path),
                ("PUT", &cloud.path(&key)),
                "{cloud:?}"
            );
            let header = |name: &str| headers.get(name).map_or("", String::as_str);
            match cloud {
                Cloud::S3 => {
                    assert_eq!(header("if-none-match"), "*");
                    assert_eq!(
                        header("x-amz-checksum-sha256"),
                        base64::Engine::encode(&base64::prelude::BASE64_STANDARD, sha256(bytes))
                    );
                    assert_eq!(header("x-amz-security-token"), "t");
                    let signed = header("authorization");
                    assert!(
                        signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIA1/"),
                        "{signed}"
                    );
                    assert!(signed.contains("if-none-match"), "{signed}");
                    assert!(signed.contains("/eu-central-1/s3/"), "{signed}");
                }
                Cloud::Gcs => {
                    assert_eq!(header("x-goog-if-generation-match"), "0");
                    assert!(header("x-goog-hash").starts_with("crc32c="));
                }
                Cloud::Azure => {
                    assert_eq!(header("if-none-match"), "*");
                    assert_eq!(header("x-ms-blob-type"), "BlockBlob");
                    assert!(header("authorization").starts_with("SharedKey acme:"));
                }
            }
        }
        assert_eq!(state.asked.len(), 2, "{cloud:?}");
        assert_eq!(
            state.writes.get(&cloud.path(&key)),
            Some(&vec![bytes.to_vec()])
        );
    }
}

#[test]
fn whatever_fails_a_put_ends_in_one_object() {
    let cases: [&[Fault]; 8] = [
        &[Fault::LosesAnswer],
        &[Fault::LosesAnswer, Fault::LosesAnswer],
        &[Fault::Breaks],
        &[Fault::Answers(500)],
        &[Fault::Answers(503), Fault::Answers(503)],
        &[Fault::Answers(429)],
        // Another is about to write the key: nobody knows yet whether it will be there.
        &[Fault::Answers(409)],
        &[Fault::Answers(408), Fault::LosesAnswer],
    ];
    let bytes = b"manifest";
    let key = key_of(bytes);
    for cloud in Cloud::ALL {
        for faults in cases {
            let faulty = Faulty::start(faults);
            let store = faulty.open(cloud);
            let outcome = store.put(&key, bytes.to_vec());
            outcome.unwrap_or_else(|error| panic!("{cloud:?} {faults:?}: {error}"));
            let state = faulty.state.lock().unwrap();
            let written = state.writes.get(&cloud.path(&key));
            assert_eq!(written, Some(&vec![bytes.to_vec()]), "{cloud:?} {faults:?}");
            assert!(state.asked.iter().all(|(method, ..)| method == "PUT"));
        }
    }
}

#[test]
fn a_refusal_is_told_at_once_and_the_next_try_stores() {
    let bytes = b"manifest";
    let key = key_of(bytes);
    for cloud in Cloud::ALL {
        for status in [403, 401, 404, 400] {
            let faulty = Faulty::start(&[Fault::Answers(status)]);
            let store = faulty.open(cloud);
            let error = store.put(&key, bytes.to_vec()).unwrap_err().to_string();
            assert!(error.contains("Said: by the store"), "{cloud:?} {error}");
            store.put(&key, bytes.to_vec()).unwrap();
            assert_eq!(faulty.methods(), ["PUT", "PUT"], "{cloud:?} {status}");
        }
    }
}

#[test]
fn a_store_that_writes_a_key_twice_is_found_out() {
    // The second put is answered as taken.
    for (answers, is_found) in [(vec![], false), (vec![Fault::Answers(200); 2], true)] {
        let faulty = Faulty::start(&answers);
        let outcome = faulty.open(Cloud::S3).probe();
        assert_eq!(
            matches!(outcome, Err(ProbeError::Rewritten)),
            is_found,
            "{outcome:?}"
        );
        assert_eq!(outcome.is_ok(), !is_found);
    }
    let faulty = Faulty::start(&[Fault::Answers(403)]);
    let denied = faulty.open(Cloud::S3).probe();
    assert!(matches!(denied, Err(ProbeError::Denied(_))), "{denied:?}");
}

#[test]
fn a_plain_address_of_another_host_is_never_dialled() {
    let options = StoreOptions {
        region: Some("x".to_owned()),
        endpoint: Some("http://192.0.2.1:9000".to_owned()),
        ..StoreOptions::default()
    };
    let secret = StoreSecret::new(|| {
        let keys = br#"{"AccessKeyId":"a","SecretAccessKey":"s"}"#.to_vec();
        Box::pin(async move { Ok(Arc::new(Zeroizing::new(keys))) })
    });
    let at = StoreAt::configured("s3://bucket", &options, Some(secret)).unwrap();
    let error = Store::open(&at)
        .unwrap()
        .put("a/b", vec![1])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("found one that leads to 192.0.2.1"),
        "{error}"
    );
}
