//! The recorder from commit to store.

mod chunk;
mod compacted;
mod easing;
mod encryption;
mod faults;
mod masks;
mod outage;
mod quota;
mod recovery;
mod remote;
mod rows;
mod sealing;
mod witness;
mod scrub;
mod time_of_day;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tempfile::TempDir;

use super::entry::Entry;
use super::event::code;
use super::spool::{Segment, Spool};
use super::*;
use crate::clock::Clock;
use crate::id::{LoginId, SessionId, StatementId};
use crate::replay::Archive;

struct Place {
    dir: TempDir,
    settings: Settings,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = format!("file://{}", dir.path().join("store").display());
        let settings = Settings {
            seal_interval: Duration::from_secs(3600),
            heartbeat: Duration::from_secs(3600),
            policy_bundle_sha256: [2; 32],
            build: BTreeMap::from([("bpf_object_sha256".into(), "ab".into())]),
            ..Settings::new(dir.path().join("state"), StoreAt::read(&store).unwrap())
        };
        Self { dir, settings }
    }

    fn open(&self) -> Recorder {
        Recorder::open(&self.settings, Clock::system()).unwrap()
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn take_store_away(&self) {
        fs::write(self.store(), "not a folder").unwrap();
    }

    fn give_store_back(&self) {
        fs::remove_file(self.store()).unwrap();
    }

    fn archive(&self) -> Archive {
        Archive::read(&self.settings.store.to_string()).unwrap()
    }

    /// Rows of all tables by chain and place; fails where any is left out, or a chain has a gap or a place twice.
    fn dense(&self) -> Vec<Entry> {
        dense(&self.archive())
    }

    fn events(&self, code: &str) -> Vec<Entry> {
        let archive = self.archive();
        let events = archive.table("events").iter();
        events
            .filter(|event| event.text("event_code") == Some(code))
            .cloned()
            .collect()
    }
}

/// Rows of all tables by chain and place.
fn rows(archive: &Archive) -> Vec<Entry> {
    let mut rows: Vec<Entry> = schema::TABLES
        .into_iter()
        .flat_map(|table| archive.table(table.name).to_vec())
        .collect();
    rows.sort_by_key(|row| (row.text("chain_id").unwrap().to_owned(), row.int("seq")));
    rows
}

/// The same; fails where any is left out, or a chain has a gap or a place twice.
#[track_caller]
fn dense(archive: &Archive) -> Vec<Entry> {
    assert_eq!(archive.refused(), [] as [String; 0]);
    let rows = rows(archive);
    let mut next: BTreeMap<String, i64> = BTreeMap::new();
    for row in &rows {
        let next = next
            .entry(row.text("chain_id").unwrap().to_owned())
            .or_default();
        assert_eq!(row.int("seq"), Some(*next), "places are dense");
        *next += 1;
    }
    rows
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn statement(id: StatementId) -> StatementRow {
    StatementRow {
        session_id: Some(SessionId::from_bytes([7; 16])),
        login_id: Some(LoginId::from_bytes([8; 16])),
        statement_id: Some(id),
        started_at: Some(time("2026-01-02T23:59:59.5Z")),
        decided_at: Some(time("2026-01-02T23:59:59.6Z")),
        sql_mac: Some([3; 32]),
        sql_kind: Some("select".into()),
        decision: Some(Decision::Allow),
        policy_bundle_sha256: Some([2; 32]),
        policy_mode: Some(Mode::Enforce),
        rule_ids: vec!["read-only".into()],
        ..StatementRow::default()
    }
}

fn intent(id: StatementId) -> Row {
    Row::from(statement(id))
}

fn end(id: StatementId) -> Row {
    Row::from(StatementRow {
        is_final: true,
        revision: 1,
        status: Status::Success,
        ..statement(id)
    })
}

/// Records rows for a test that does not look at the receipt.
#[track_caller]
fn put(recorder: &Recorder, rows: Vec<Row>) {
    drop(recorder.commit_blocking(rows).unwrap());
}

fn seqs(receipt: &Receipt) -> (i64, i64) {
    receipt.seq().map(|seq| (*seq.start(), *seq.end())).unwrap()
}

fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                files.insert(path.strip_prefix(root).unwrap().to_owned(), bytes);
            }
        }
    }
    files
}

#[test]
fn a_closed_chain_is_in_the_store_from_genesis_to_close() {
    let place = Place::new();
    let recorder = place.open();
    let id = StatementId::new();
    let first = recorder.commit_blocking(vec![intent(id)]).unwrap();
    let second = recorder.commit_blocking(vec![end(id), end(id)]).unwrap();
    assert_eq!((seqs(&first), seqs(&second)), ((1, 1), (2, 3)));
    recorder.close_blocking().unwrap();
    let rows = place.dense();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[0].text("event_code"), Some(code::GENESIS));
    assert!(
        rows[0]
            .text("detail")
            .unwrap()
            .contains("bpf_object_sha256")
    );
    assert_eq!(rows[4].text("event_code"), Some(code::CLOSE));
    assert!(
        rows.iter()
            .all(|row| row.text("chain_id") == Some(recorder.chain()))
    );
}

#[test]
fn a_statement_that_goes_on_at_the_close_is_abandoned_and_one_that_ended_is_not() {
    let place = Place::new();
    let recorder = place.open();
    let [goes_on, ended] = [StatementId::new(), StatementId::new()];
    let running = |id| {
        Row::from(StatementRow {
            revision: 1,
            status: Status::Running,
            ..statement(id)
        })
    };
    let last = Row::from(StatementRow {
        is_final: true,
        revision: 2,
        status: Status::Success,
        ..statement(ended)
    });
    put(&recorder, vec![intent(goes_on), running(goes_on)]);
    put(&recorder, vec![intent(ended), running(ended), last]);
    recorder.close_blocking().unwrap();
    let archive = place.archive();
    let rows = archive.table("statements").iter();
    let finals: Vec<_> = rows
        .filter(|row| row.is("is_final"))
        .map(|row| {
            (
                row.text("statement_id"),
                row.int("revision"),
                row.text("status"),
            )
        })
        .collect();
    let (goes_on, ended) = (goes_on.to_string(), ended.to_string());
    let expected = [
        (Some(ended.as_str()), Some(2), Some("success")),
        (Some(goes_on.as_str()), Some(2), Some("abandoned")),
    ];
    assert_eq!(finals, expected);
}

#[test]
fn a_commit_after_the_close_is_refused() {
    let place = Place::new();
    let recorder = place.open();
    recorder.close_blocking().unwrap();
    let refused = recorder.commit_blocking(vec![intent(StatementId::new())]);
    assert!(matches!(refused, Err(RecordError::Closed)));
    assert!(matches!(
        recorder.flush_blocking(),
        Err(RecordError::Closed)
    ));
}

#[test]
fn a_row_without_a_required_column_is_refused_by_name() {
    let place = Place::new();
    let recorder = place.open();
    let row = StatementRow {
        sql_mac: None,
        ..statement(StatementId::new())
    };
    let refused = recorder.commit_blocking(vec![Row::from(row)]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "row of table `statements`: expected a value for `sql_mac`, found none"
    );
    assert!(!recorder.is_degraded());
}

#[test]
fn a_row_is_filed_under_the_day_of_its_start() {
    let place = Place::new();
    let recorder = place.open();
    put(&recorder, vec![end(StatementId::new())]);
    recorder.close_blocking().unwrap();
    let chain = recorder.chain();
    let folder = place
        .store()
        .join(format!("default/v1/t0/{chain}/statements/dt=2026-01-02"));
    let name = fs::read_dir(folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .file_name();
    let name = name.to_str().unwrap();
    assert!(
        name.starts_with(&format!("{chain}-000000000001-000000000001-")),
        "{name}"
    );
}

#[test]
fn store_and_spool_are_for_this_user_only() {
    let place = Place::new();
    let recorder = place.open();
    put(&recorder, vec![end(StatementId::new())]);
    recorder.close_blocking().unwrap();
    drop(recorder);
    place.open().flush_blocking().unwrap();
    let mut folders = vec![place.dir.path().join("state"), place.store()];
    while let Some(folder) = folders.pop() {
        assert_eq!(
            fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
            0o700,
            "{folder:?}"
        );
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                assert_eq!(mode, 0o600, "{:?}", entry.path());
            }
        }
    }
}

#[test]
fn an_object_that_is_not_what_it_says_is_left_out_and_told() {
    let place = Place::new();
    let recorder = place.open();
    put(&recorder, vec![end(StatementId::new())]);
    recorder.close_blocking().unwrap();
    let whole = files(&place.store());
    let statements = whole
        .iter()
        .find(|(name, _)| name.to_str().unwrap().contains("/statements/"));
    let (name, bytes) = statements.unwrap();
    let root = place.store();
    let other = name
        .to_str()
        .unwrap()
        .replace("000000000001-000000000001", "000000000005-000000000005");
    let stray = name.with_file_name("stray.parquet");
    let mut flipped = bytes.clone();
    flipped[100] ^= 1;
    fs::write(root.join(&other), bytes).unwrap();
    fs::write(root.join(&stray), bytes).unwrap();
    assert_eq!(place.archive().refused().len(), 2);
    assert_eq!(place.archive().table("statements").len(), 1);
    fs::write(root.join(name), flipped).unwrap();
    assert_eq!(place.archive().refused().len(), 3);
    assert_eq!(place.archive().table("statements").len(), 0);
}

#[test]
fn an_organisation_that_is_not_a_folder_name_is_refused() {
    for org in ["", "a/b", "..", "a b"] {
        let mut place = Place::new();
        place.settings.org = org.into();
        let refused = Recorder::open(&place.settings, Clock::system()).unwrap_err();
        assert!(
            matches!(refused, RecordError::Setting { setting: "org", .. }),
            "{refused}"
        );
    }
}

#[test]
fn a_store_in_a_folder_that_others_can_write_is_refused() {
    let place = Place::new();
    fs::create_dir(place.store()).unwrap();
    let open = |mode| {
        fs::set_permissions(place.store(), fs::Permissions::from_mode(mode)).unwrap();
        Recorder::open(&place.settings, Clock::system())
    };
    for mode in [0o777, 0o1777, 0o770] {
        let refused = open(mode).unwrap_err();
        assert!(
            matches!(
                refused,
                RecordError::Setting {
                    setting: "store",
                    ..
                }
            ),
            "{refused}"
        );
    }
    open(0o755).unwrap().close_blocking().unwrap();
}

#[test]
fn used_bytes_come_back_to_nothing() {
    let place = Place::new();
    let recorder = place.open();
    put(&recorder, vec![end(StatementId::new())]);
    recorder.close_blocking().unwrap();
    let spool = Spool::open(&place.settings.state_dir).unwrap();
    assert_eq!(spool.leftovers().unwrap(), []);
}
