//! A cloud's store that speaks as much of S3 as a mailbox needs, and lets a test put keys that no client would.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::config::{SecretAt, Source, StoreIdentity, StoreOptions};
use crate::record::{StoreAt, StoreSecret};

#[derive(Default)]
struct Kept {
    objects: BTreeMap<String, Vec<u8>>,
    /// Keys that are listed and not given.
    closed: BTreeSet<String>,
}

/// A bucket; keys are as the store's user names them.
#[derive(Clone)]
pub(super) struct Shelf {
    port: u16,
    kept: Arc<Mutex<Kept>>,
}

impl Shelf {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept = Arc::new(Mutex::new(Kept::default()));
        let shared = Arc::clone(&kept);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || while serve(&stream, &shared).is_some() {});
            }
        });
        Self { port, kept }
    }

    pub(super) fn at(&self) -> StoreAt {
        let options = StoreOptions {
            region: Some("eu-central-1".to_owned()),
            endpoint: Some(format!("http://127.0.0.1:{}", self.port)),
            identity: StoreIdentity::Secret(SecretAt {
                setting: "credential_file",
                source: Source::Env("unread".to_owned()),
            }),
            ..StoreOptions::default()
        };
        let secret = StoreSecret::new(|| {
            let text = br#"{"AccessKeyId":"AKIA1","SecretAccessKey":"s"}"#;
            let text = Arc::new(Zeroizing::new(text.to_vec()));
            Box::pin(async move { Ok(text) })
        });
        StoreAt::configured("s3://bucket", &options, Some(secret)).unwrap()
    }

    pub(super) fn put(&self, key: &str, bytes: &[u8]) {
        let mut kept = self.kept.lock().unwrap();
        kept.objects.insert(key.to_owned(), bytes.to_vec());
    }

    /// Puts an object that nobody may read.
    pub(super) fn put_closed(&self, key: &str, bytes: &[u8]) {
        self.put(key, bytes);
        self.kept.lock().unwrap().closed.insert(key.to_owned());
    }
}

fn serve(stream: &TcpStream, shared: &Mutex<Kept>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length");
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let path = percent_decode_str(path).decode_utf8().ok()?;
    let key = path.strip_prefix("/bucket")?.trim_start_matches('/');
    let mut kept = shared.lock().unwrap();
    let (status, more, body) = match (method.as_str(), key) {
        ("PUT", key) if kept.objects.contains_key(key) => (412, String::new(), Vec::new()),
        ("PUT", key) => {
            kept.objects.insert(key.to_owned(), body);
            (200, String::new(), Vec::new())
        }
        (_, "") => (200, String::new(), list(&kept, query)?.into_bytes()),
        (_, key) if kept.closed.contains(key) => (403, String::new(), Vec::new()),
        (_, key) => match kept.objects.get(key) {
            None => (404, String::new(), Vec::new()),
            Some(bytes) => part(bytes, headers.get("range")),
        },
    };
    drop(kept);
    let head = format!(
        "HTTP/1.1 {status} x\r\nETag: \"e\"\r\nLast-Modified: Fri, 27 Nov 2026 00:00:00 GMT\r\n{more}Content-Length: {}\r\n\r\n",
        body.len()
    );
    let mut writer = stream;
    writer.write_all(&[head.as_bytes(), &body].concat()).ok()
}

fn part(bytes: &[u8], range: Option<&String>) -> (u16, String, Vec<u8>) {
    let Some(range) = range else {
        return (200, String::new(), bytes.to_vec());
    };
    let (from, to) = range.trim_start_matches("bytes=").split_once('-').unwrap();
    let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
    let to = to.min(bytes.len() - 1);
    let more = format!("Content-Range: bytes {from}-{to}/{}\r\n", bytes.len());
    (206, more, bytes[from..=to].to_vec())
}

fn list(kept: &Kept, query: &str) -> Option<String> {
    let fields: BTreeMap<&str, &str> = query
        .split('&')
        .filter_map(|field| field.split_once('='))
        .collect();
    let field = |name: &str| {
        let text = fields.get(name).copied().unwrap_or_default();
        percent_decode_str(text).decode_utf8().ok()
    };
    let (prefix, after) = (field("prefix")?, field("start-after")?);
    let is_flat = field("delimiter")?.is_empty();
    let mut folders = BTreeSet::new();
    let mut answer = "<ListBucketResult>".to_owned();
    for (key, bytes) in &kept.objects {
        let Some(rest) = key.strip_prefix(&*prefix).filter(|_| **key > *after) else {
            continue;
        };
        if let Some((folder, _)) = rest.split_once('/').filter(|_| !is_flat) {
            folders.insert(format!("{prefix}{folder}/"));
            continue;
        }
        let size = bytes.len();
        write!(answer, "<Contents><Key>{key}</Key><LastModified>2026-11-27T00:00:00.000Z</LastModified><Size>{size}</Size></Contents>").ok()?;
    }
    for folder in folders {
        write!(
            answer,
            "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"
        )
        .ok()?;
    }
    Some(answer + "<IsTruncated>false</IsTruncated></ListBucketResult>")
}
