//! Stages: what Snowflake answers to PUT and GET, and the object storage that the answer opens.
//!
//! A stage's name says where it lies: `S3_FILES`, `PLAIN_FILES` (S3 without encryption by the client), `AZURE_FILES`,
//! `GCS_FILES`. The key of a stage stays the same, so that what was put can be got.

mod signature;
mod storage;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::Gate;
use super::execution;
use super::results::Table;
use super::sessions::random;
use super::statements::{Ended, Statement};

pub use storage::HOSTS as STAGE_HOSTS;
pub(super) use storage::{Asked, is_storage, serve};

/// The access key that S3 stages are opened with.
const ACCESS_KEY_ID: &str = "ASIAICECORESTAGE";

/// All stages of the gate, by name, and what is in them.
#[derive(Debug, Default)]
pub(super) struct Stages(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    keys: HashMap<String, Keys>,
    /// Objects by host and path.
    objects: BTreeMap<(String, String), Object>,
}

/// What opens one stage.
#[derive(Clone, Debug)]
struct Keys {
    /// Opens the storage: a secret key, a token or a signature.
    credential: String,
    /// The session token that goes with an AWS key.
    token: String,
    /// Wraps the key of each file, base64.
    master: String,
}

/// One object as it was put.
#[derive(Clone, Debug)]
struct Object {
    body: bytes::Bytes,
    headers: Vec<(String, String)>,
}

impl Stages {
    /// Gives a stage's keys, made when it is first asked for.
    fn keys(&self, gate: &Gate, stage: &str) -> Keys {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let hex = |bytes: [u8; 24]| -> String {
                bytes.iter().map(|byte| format!("{byte:02x}")).collect()
            };
            let master = if stage == "AZURE_FILES" {
                STANDARD.encode(random::<32>())
            } else {
                STANDARD.encode(random::<16>())
            };
            let keys = Keys {
                credential: hex(random()),
                token: hex(random()),
                master,
            };
            gate.journal.canary("stage_credential", &keys.credential);
            gate.journal.canary("stage_token", &keys.token);
            gate.journal.canary("stage_master_key", &keys.master);
            gate.journal
                .event("stage", json!({"name": stage, "master": keys.master}));
            keys
        };
        held.keys
            .entry(stage.to_owned())
            .or_insert_with(make)
            .clone()
    }
}

/// A PUT or GET, read.
#[derive(Debug, PartialEq, Eq)]
struct Command {
    is_put: bool,
    local: String,
    stage: String,
    path: String,
    overwrite: bool,
    auto_compress: bool,
}

impl Command {
    fn read(sql: &str) -> Option<Self> {
        let words = words(sql);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (verb, rest) = words.split_first()?;
        let is_put = verb.eq_ignore_ascii_case("put");
        let [first, second, options @ ..] = rest else {
            return None;
        };
        let (local, stage) = match (is_put, verb.eq_ignore_ascii_case("get")) {
            (true, _) => (first, second),
            (false, true) => (second, first),
            (false, false) => return None,
        };
        let local = local.trim_matches('\'').strip_prefix("file://")?;
        let (stage, path) = stage.trim_matches('\'').strip_prefix('@').map(|stage| {
            let (stage, path) = stage.split_once('/').unwrap_or((stage, ""));
            (stage.rsplit('.').next().unwrap_or(stage), path)
        })?;
        let has = |option: &str| options.iter().any(|word| word.eq_ignore_ascii_case(option));
        Some(Self {
            is_put,
            local: local.to_owned(),
            stage: stage.to_ascii_uppercase(),
            path: path.to_owned(),
            overwrite: has("overwrite=true"),
            auto_compress: !has("auto_compress=false"),
        })
    }
}

/// Splits a text at blanks that are in no quotes.
fn words(sql: &str) -> Vec<String> {
    let (mut words, mut is_quoted) = (vec![String::new()], false);
    for letter in sql.chars() {
        is_quoted ^= letter == '\'';
        match words.last_mut() {
            Some(word) if is_quoted || !letter.is_whitespace() => word.push(letter),
            Some(_) | None => words.push(String::new()),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Answers PUT and GET; `None` if the statement is neither.
pub(super) fn run(gate: &Gate, statement: &Statement, sql: &str) -> Option<Ended> {
    let command = Command::read(sql)?;
    let keys = gate.stages.keys(gate, &command.stage);
    let info = stage_info(&command, &keys);
    let material = json!({"queryStageMasterKey": keys.master, "queryId": statement.id, "smkId": 9_007_199_254_740_993_u64});
    let is_encrypted = command.stage != "PLAIN_FILES";
    let mut data = Map::from_iter([
        ("parallel".to_owned(), json!(4)),
        ("threshold".to_owned(), json!(209_715_200)),
        ("autoCompress".to_owned(), json!(command.auto_compress)),
        ("overwrite".to_owned(), json!(command.overwrite)),
        ("clientShowEncryptionParameter".to_owned(), json!(true)),
        ("sourceCompression".to_owned(), json!("auto_detect")),
        ("operation".to_owned(), json!("Node")),
        ("kind".to_owned(), Value::Null),
        ("uploadInfo".to_owned(), info.clone()),
        ("stageInfo".to_owned(), info),
    ]);
    if command.is_put {
        data.insert("command".into(), json!("UPLOAD"));
        data.insert("src_locations".into(), json!([command.local]));
        data.insert("presignedUrls".into(), Value::Null);
        if is_encrypted {
            data.insert("encryptionMaterial".into(), material);
        }
    } else {
        let names = gate.stages.names(&command);
        let materials: Vec<Value> = names.iter().map(|_| material.clone()).collect();
        data.insert("command".into(), json!("DOWNLOAD"));
        data.insert("localLocation".into(), json!(command.local));
        data.insert("src_locations".into(), json!(names));
        data.insert("presignedUrls".into(), json!([]));
        if is_encrypted {
            data.insert("encryptionMaterial".into(), json!(materials));
        }
    }
    let table = Table::texts(&[], Vec::new());
    Some(Ok(execution::outcome(statement, data, table.into())))
}

/// Gives where a stage lies and what opens it, as Snowflake does for each cloud.
fn stage_info(command: &Command, keys: &Keys) -> Value {
    let folder = folder(&command.stage);
    let path = if command.is_put && !command.path.is_empty() {
        format!("{folder}{}/", command.path.trim_end_matches('/'))
    } else {
        folder
    };
    let (kind, bucket, region, creds) = match command.stage.as_str() {
        "AZURE_FILES" => (
            "AZURE",
            "container",
            "westus2",
            json!({"AZURE_SAS_TOKEN": format!("?sv=2023-11-03&sr=c&sig={}", keys.credential)}),
        ),
        "GCS_FILES" => (
            "GCS",
            "gcs-stage",
            "us-central1",
            json!({"GCS_ACCESS_TOKEN": keys.credential}),
        ),
        _ => (
            "S3",
            "sfc-icecore-stage",
            "us-west-2",
            json!({
                "AWS_KEY_ID": ACCESS_KEY_ID, "AWS_ID": ACCESS_KEY_ID, "AWS_SECRET_KEY": keys.credential,
                "AWS_KEY": keys.credential, "AWS_TOKEN": keys.token,
            }),
        ),
    };
    let is_azure = kind == "AZURE";
    json!({
        "locationType": kind, "location": format!("{bucket}/{path}"), "path": path, "region": region,
        "storageAccount": is_azure.then_some("icecorestage"),
        "endPoint": is_azure.then_some("blob.core.windows.net"),
        "isClientSideEncrypted": command.stage != "PLAIN_FILES", "presignedUrl": null,
        "useS3RegionalUrl": true, "useRegionalUrl": false, "useVirtualUrl": false,
        "credExpiryTime": null, "creds": creds,
    })
}

fn folder(stage: &str) -> String {
    format!("stages/{}/", stage.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn put_and_get_are_read_and_nothing_else() {
        let put = Command::read("PUT 'file:///tmp/a b.csv' @db.public.s3_files/in OVERWRITE=TRUE")
            .unwrap();
        assert_eq!(
            (put.local.as_str(), put.stage.as_str(), put.path.as_str()),
            ("/tmp/a b.csv", "S3_FILES", "in")
        );
        assert!(put.is_put && put.overwrite && put.auto_compress);
        let get = Command::read("get @gcs_files file:///tmp/out/").unwrap();
        assert!(!get.is_put && get.local == "/tmp/out/");
        assert_eq!(Command::read("select 1 from t"), None);
    }
}
