//! A chain at each store: written by the recorder, read by the program with an environment of its own.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use icecore::clock::Clock;
use icecore::config::{SecretAt, Source, StoreIdentity, StoreOptions};
use icecore::id::SessionId;
use icecore::record::{
    Enforcement, Mode, Phase, Recorder, Row, SessionRow, Settings, StoreAt, StoreSecret,
};
use icecore_tests::harness::programs;
use icecore_tests::stores::{Azurite, Google, MotoS3, Reached, S3s};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// Takes a store as the daemon does, with a secret from some source.
pub(crate) fn at(reached: &Reached) -> StoreAt {
    let options = StoreOptions {
        region: reached.region.clone(),
        endpoint: Some(reached.endpoint.clone()),
        account: reached.account.clone(),
        identity: StoreIdentity::Secret(SecretAt {
            setting: "credential",
            source: Source::Env("given below".to_owned()),
        }),
        ..StoreOptions::default()
    };
    let secret = Arc::clone(&reached.secret);
    let secret = StoreSecret::new(move || {
        let text = Arc::new(Zeroizing::new(secret.as_bytes().to_vec()));
        Box::pin(async move { Ok(text) })
    });
    StoreAt::configured(&reached.url, &options, Some(secret)).unwrap()
}

/// A recorder of a host of its own.
pub(crate) struct Writer {
    pub(crate) recorder: Recorder,
    sessions: BTreeSet<String>,
    _folder: TempDir,
}

impl Writer {
    pub(crate) fn open(reached: &Reached) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            seal_interval: Duration::from_secs(3600),
            heartbeat: Duration::from_secs(3600),
            policy_bundle_sha256: [2; 32],
            ..Settings::new(folder.path().join("state"), at(reached))
        };
        Self {
            recorder: Recorder::open(&settings, Clock::system()).unwrap(),
            sessions: BTreeSet::new(),
            _folder: folder,
        }
    }

    /// Records the whole of some sessions.
    pub(crate) fn record(&mut self, count: usize) {
        for _ in 0..count {
            let id = SessionId::new();
            self.sessions.insert(id.to_string());
            let over = SessionRow {
                session_id: Some(id),
                phase: Phase::Close,
                is_final: true,
                opened_at: Some(Clock::system().now()),
                enforcement: Some(Enforcement::Enforced),
                mode: Some(Mode::Enforce),
                ..SessionRow::default()
            };
            let _receipt = self
                .recorder
                .commit_blocking(vec![Row::from(over)])
                .unwrap();
        }
    }

    /// Checks that a reader finds each session once, and nothing that it has to leave out.
    #[track_caller]
    pub(crate) fn check_read(&self, reached: &Reached) {
        let program = programs::built().unwrap().join("icecore");
        let read = Command::new(program)
            .args(["sessions", "--json", "--store", &reached.url])
            .env_clear()
            .envs(
                reached
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .output()
            .unwrap();
        let (told, said) = (
            String::from_utf8(read.stdout).unwrap(),
            String::from_utf8(read.stderr).unwrap(),
        );
        assert!(read.status.success(), "{said}");
        let found: Vec<String> = told
            .lines()
            .map(|line| {
                let row: serde_json::Value = serde_json::from_str(line).unwrap();
                row["session_id"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(found.len(), self.sessions.len(), "{told}{said}");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), self.sessions);
        assert!(!said.contains("left out"), "{said}");
    }
}

#[track_caller]
fn check(reached: &Reached) {
    let mut writer = Writer::open(reached);
    for _ in 0..3 {
        writer.record(5);
        writer.recorder.flush_blocking().unwrap();
    }
    writer.check_read(reached);
}

#[test]
fn a_chain_at_s3_under_a_lock() {
    let mut moto = MotoS3::start().unwrap();
    let reached = moto.reached("writer").unwrap();
    check(&reached);
    let versions = moto.versions().unwrap();
    assert!(versions.len() >= 3, "{versions:?}");
    // One version each, and none that even the bucket's owner can delete.
    for (key, found) in versions {
        assert_eq!(found, (1, 0), "{key}");
    }
}

#[test]
fn a_chain_at_a_store_that_checks_signatures() {
    let s3s = S3s::start().unwrap();
    check(&s3s.reached());
    let writer = Writer::open(&s3s.reached_with("another secret"));
    let error = writer.recorder.flush_blocking().unwrap_err().to_string();
    assert!(error.contains("SignatureDoesNotMatch"), "{error}");
}

#[test]
fn a_chain_at_azure() {
    let azurite = Azurite::start().unwrap();
    let reached = azurite.reached();
    check(&reached);
    at(&reached).probe().unwrap();
    let wrong = Reached {
        secret: "d3Jvbmc=".into(),
        ..reached
    };
    let writer = Writer::open(&wrong);
    let error = writer.recorder.flush_blocking().unwrap_err().to_string();
    assert!(error.contains("AuthorizationFailure"), "{error}");
}

#[test]
fn a_chain_at_google() {
    let google = Google::start().unwrap();
    let reached = google.reached();
    let mut writer = Writer::open(&reached);
    writer.record(5);
    writer.recorder.flush_blocking().unwrap();
    // Who writes reads nothing.
    assert_eq!(google.methods(), ["PUT"]);
    writer.check_read(&reached);
    at(&reached).probe().unwrap();
    assert_eq!(google.wrong(), [] as [String; 0]);
    assert!(google.count() > 0);
}
