//! Small real records, and what a check finds in them when they were tampered with.

mod compacted;
pub(crate) mod enrolled;
mod frames;
mod hosts;
mod proved;
mod rows;
mod tampered;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use ring::signature::Ed25519KeyPair;
use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::id::{LoginId, SessionId, StatementId};
use crate::record::chain::documents::{Genesis, Manifest, installation_name, origin};
use crate::record::chain::envelope;
use crate::record::chain::keys::SigningKey;
use crate::record::chain::note::{Checkpoint, Note, NoteKey};
use crate::record::{
    Decision, LoginRow, Mode, Recorder, Row, Settings, StatementRow, StatementTextRow, Status,
    Store, StoreAt, commitment, hex, sha256,
};

/// A store in memory.
#[derive(Clone, Default)]
struct Memory(BTreeMap<String, Vec<u8>>);

impl Objects for Memory {
    fn list(&self, folder: &str) -> Result<Vec<Named>, RecordError> {
        let below = self.0.iter().filter(|(key, _)| key.starts_with(folder));
        let named = below.map(|(key, bytes)| Named {
            key: key.clone(),
            size: bytes.len() as u64,
        });
        Ok(named.collect())
    }

    fn get(&self, key: &str) -> Result<Bytes, RecordError> {
        let found = self.0.get(key).cloned().map(Bytes::from);
        found.ok_or_else(|| RecordError::Unreachable {
            store: "memory".to_owned(),
            cause: format!("no `{key}`"),
        })
    }
}

/// The settings in force.
const CONFIG: &[u8] = b"{}";

/// A folder that a recorder writes from.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) settings: Settings,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = format!("file://{}", dir.path().join("store").display());
        let settings = Settings {
            org: "acme".into(),
            host_id: "host".into(),
            seal_interval: Duration::from_secs(3600),
            heartbeat: Duration::from_secs(3600),
            config_sha256: sha256(CONFIG),
            policy_bundle_sha256: [2; 32],
            ..Settings::new(dir.path().join("state"), StoreAt::read(&store).unwrap())
        };
        Self { dir, settings }
    }

    /// Begins a chain, as a daemon does.
    fn open(&self) -> Recorder {
        let recorder = Recorder::open(&self.settings, Clock::system()).unwrap();
        let config = recorder.keep_evidence(CONFIG).unwrap();
        assert_eq!(config, self.settings.config_sha256);
        recorder
    }

    /// Records rows in segments, closes the chain, and names it.
    pub(crate) fn record(&self, segments: Vec<Vec<Row>>) -> String {
        let recorder = self.open();
        for rows in segments {
            drop(recorder.commit_blocking(rows).unwrap());
            recorder.flush_blocking().unwrap();
        }
        recorder.close_blocking().unwrap();
        recorder.chain().to_owned()
    }

    fn store(&self) -> Memory {
        let store = Store::open(&self.settings.store).unwrap();
        let keys = Objects::list(&store, "").unwrap();
        let read = |named: Named| {
            let bytes = Objects::get(&store, &named.key).unwrap().to_vec();
            (named.key, bytes)
        };
        Memory(keys.into_iter().map(read).collect())
    }

    /// The trust file's lines for its installation.
    pub(crate) fn trust(&self) -> Trust {
        let key = SigningKey::of_installation(&self.settings.state_dir).unwrap();
        pinned(&key.public_text(), None)
    }
}

fn pinned(installation: &str, witness: Option<&NoteKey>) -> Trust {
    let mut text = format!("[[installation]]\nname = \"host\"\nkey = \"{installation}\"\n");
    if let Some(witness) = witness {
        text.push_str(&format!("[[witness]]\nname = \"w\"\nkey = \"{witness}\"\n"));
    }
    Trust::read(&text, &|name| Err(format!("no file {name}"))).unwrap()
}

fn time(second: u8) -> DateTime<Utc> {
    format!("2026-01-02T03:04:{second:02}Z").parse().unwrap()
}

/// The rows of a statement: its intent with its text, and its end.
pub(crate) fn statement(number: u8) -> Vec<Row> {
    statement_at(StatementId::from_bytes([number; 16]), number, time(number))
}

/// Those of a statement that began at a time.
fn statement_at(id: StatementId, number: u8, at: DateTime<Utc>) -> Vec<Row> {
    let (session_id, statement_id) = (Some(SessionId::from_bytes([7; 16])), Some(id));
    let (salt, text) = ([number; 16], format!("select {number}"));
    let intent = StatementRow {
        session_id,
        statement_id,
        login_id: Some(LoginId::from_bytes([8; 16])),
        started_at: Some(at),
        decided_at: Some(at),
        sql_mac: Some([3; 32]),
        sql_commit: Some(commitment(&salt, &text)),
        sql_kind: Some("query".to_owned()),
        decision: Some(Decision::Allow),
        rule_ids: vec!["read-only".to_owned()],
        policy_bundle_sha256: Some([2; 32]),
        policy_mode: Some(Mode::Enforce),
        ..StatementRow::default()
    };
    let end = StatementRow {
        is_final: true,
        revision: 1,
        forwarded_at: Some(at),
        status: Status::Success,
        rows_returned: Some(1),
        upstream_mac: Some([4; 32]),
        delivered_mac: Some([5; 32]),
        ..intent.clone()
    };
    let text = StatementTextRow {
        session_id,
        statement_id,
        sql_text: Some(text),
        salt: Some(salt),
        ..StatementTextRow::default()
    };
    vec![Row::from(intent), Row::from(text), Row::from(end)]
}

fn login() -> Row {
    Row::from(LoginRow {
        session_id: Some(SessionId::from_bytes([7; 16])),
        login_id: Some(LoginId::from_bytes([8; 16])),
        opened_at: Some(time(0)),
        account: Some("ACME".into()),
        principal: Some("host user ci (uid 1001)".into()),
        ..LoginRow::default()
    })
}

/// Opens nothing.
fn ring() -> &'static Arc<KeyRing> {
    static EMPTY: std::sync::LazyLock<Arc<KeyRing>> = std::sync::LazyLock::new(KeyRing::empty);
    &EMPTY
}

fn asked<'a>(trust: Option<&'a Trust>, deep: Deep) -> Asked<'a> {
    Asked {
        trust,
        from: None,
        to: None,
        chain: None,
        deep,
        witnessed: None,
        replay: false,
        now: Utc::now() + TimeDelta::hours(1),
        threads: 2,
        done: &|_| {},
    }
}

/// Gives the codes of what is not explained.
fn codes(report: &Report) -> BTreeSet<Code> {
    let findings = report.findings.iter();
    let unexplained = findings.filter(|finding| finding.explained.is_none());
    unexplained.map(|finding| finding.code).collect()
}

fn found(store: &Memory, trust: &Trust, deep: Deep) -> BTreeSet<Code> {
    codes(&verify(store, ring(), &asked(Some(trust), deep)).unwrap())
}

/// Signs a chain again with keys that we have, each manifest changed.
struct Forger {
    installation: SigningKey,
    key: Ed25519KeyPair,
}

impl Forger {
    fn new() -> Self {
        Self {
            installation: SigningKey::make().unwrap(),
            key: Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap(),
        }
    }

    fn trust(&self) -> Trust {
        pinned(&self.installation.public_text(), None)
    }

    fn sign(&self, store: &Memory, chain: &str, mut change: impl FnMut(&mut Manifest)) -> Memory {
        use base64::Engine as _;
        use ring::signature::KeyPair as _;
        let mut signed = store.clone();
        let folder = format!("acme/v1/chains/{chain}/");
        let documents: Vec<String> = (store.0.keys())
            .filter(|key| key.starts_with(&folder) && key.contains("/m-"))
            .cloned()
            .collect();
        let genesis_key = format!("{folder}genesis.json");
        let genesis = envelope::open::<Genesis>(&store.0[&genesis_key]).unwrap();
        let genesis = Genesis {
            installation: self.installation.public_text(),
            key: base64::engine::general_purpose::STANDARD.encode(self.key.public_key()),
            ..genesis.claimed().clone()
        };
        let bytes = envelope::seal(&genesis, self.installation.pair()).unwrap();
        let mut prev_sha256 = hex(&sha256(&bytes));
        signed.0.insert(genesis_key, bytes);
        for key in documents {
            let sealed = envelope::open::<Manifest>(&signed.0.remove(&key).unwrap()).unwrap();
            let mut manifest = sealed.claimed().clone();
            manifest.prev_sha256 = prev_sha256;
            manifest.next_key = None;
            change(&mut manifest);
            let root = Note::parse(&manifest.checkpoint).unwrap();
            let root = Checkpoint::parse(root.text()).unwrap().root;
            let mut note = Note::new(&Checkpoint {
                origin: origin("acme", chain),
                size: manifest.tree_size,
                root,
            });
            note.sign(&origin("acme", chain), &self.key);
            let name = installation_name(&self.installation.id());
            note.sign(&name, self.installation.pair());
            manifest.checkpoint = note.to_string();
            let bytes = envelope::seal(&manifest, &self.key).unwrap();
            prev_sha256 = hex(&sha256(&bytes));
            let key = format!(
                "{folder}m-{:08}-{}.json",
                manifest.n,
                prev_sha256.get(..16).unwrap()
            );
            signed.0.insert(key, bytes);
        }
        signed
    }
}

/// Two chains of one host, the second after the first.
struct Two {
    place: Place,
    first: String,
    second: String,
    store: Memory,
}

fn two() -> Two {
    let place = Place::new();
    let first = place.record(vec![
        [vec![login()], statement(1)].concat(),
        statement(2),
        statement(3),
    ]);
    let second = place.record(vec![statement(4), statement(5)]);
    let store = place.store();
    assert!(fs::exists(place.dir.path()).unwrap());
    Two {
        place,
        first,
        second,
        store,
    }
}

#[test]
fn a_record_as_it_was_written_is_clean() {
    let two = two();
    let trust = two.place.trust();
    let report = verify(&two.store, ring(), &asked(Some(&trust), Deep::Rows)).unwrap();
    assert_eq!(report.findings, []);
    assert!(report.is_clean());
    let names: Vec<&str> = report.chains.iter().map(|chain| &*chain.chain).collect();
    assert_eq!(names, [&*two.first, &*two.second]);
    assert_eq!(report.checked.rows, report.checked.rows_read);
    assert_eq!(report.checked.texts, 5);
    let unpinned = verify(&two.store, ring(), &asked(None, Deep::Rows)).unwrap();
    assert_eq!(unpinned.findings, []);
    assert!(!unpinned.is_clean(), "nothing was pinned");
}
