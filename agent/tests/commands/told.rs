//! What commands say on standard error, and their exit codes, in places made for each test.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use icecore::clock::Clock;
use icecore::id::{LoginId, SessionId, StatementId};
use icecore::record::chain::keys::{INSTALLATION_KEY, SigningKey};
use icecore::record::{
    Decision, Mode, Recorder, Settings, StatementRow, StatementTextRow, Status, StoreAt,
};
use tempfile::TempDir;

const STATEMENT: [u8; 16] = [5; 16];

/// A folder with a store in which nothing is.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("store")).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn store(&self) -> String {
        format!("file://{}", self.path("store").display())
    }

    /// Writes a trust file that pins a key.
    fn trust(&self, name: &str, key: &SigningKey) -> String {
        let key = key.public_text();
        let path = self.path(name);
        std::fs::write(
            &path,
            format!("[[installation]]\nname = \"host\"\nkey = \"{key}\"\n"),
        )
        .unwrap();
        path.display().to_string()
    }

    /// Records one statement, and gives the key of the host that did.
    fn record(&self) -> SigningKey {
        let state = self.path("state");
        let settings = Settings {
            seal_interval: Duration::from_millis(40),
            policy_bundle_sha256: [2; 32],
            ..Settings::new(state.clone(), StoreAt::read(&self.store()).unwrap())
        };
        let recorder = Recorder::open(&settings, Clock::system()).unwrap();
        let row = StatementRow {
            session_id: Some(SessionId::from_bytes([7; 16])),
            login_id: Some(LoginId::from_bytes([8; 16])),
            statement_id: Some(StatementId::from_bytes(STATEMENT)),
            started_at: Some(Clock::system().now()),
            decided_at: Some(Clock::system().now()),
            sql_mac: Some([3; 32]),
            sql_kind: Some("select".into()),
            decision: Some(Decision::Allow),
            policy_bundle_sha256: Some([2; 32]),
            policy_mode: Some(Mode::Enforce),
            is_final: true,
            status: Status::Success,
            ..StatementRow::default()
        };
        let text = StatementTextRow {
            session_id: row.session_id,
            statement_id: row.statement_id,
            sql_text: Some("select 1".into()),
            ..StatementTextRow::default()
        };
        drop(
            recorder
                .commit_blocking(vec![row.into(), text.into()])
                .unwrap(),
        );
        recorder.flush_blocking().unwrap();
        SigningKey::read(&state.join(INSTALLATION_KEY))
            .unwrap()
            .unwrap()
    }
}

/// Runs a command; gives its exit code and what it said on standard error.
fn run(words: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_icecore"))
        .args(words)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

#[track_caller]
fn check(words: &[&str], code: i32, said: &[&str]) {
    let (found, told) = run(words, &[]);
    assert_eq!(found, Some(code), "{words:?}: {told}");
    for said in said {
        assert!(told.contains(said), "{words:?}: no `{said}` in {told}");
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_key_is_not_written_over() {
    let place = Place::new();
    let file = text(&place.path("reader.key"));
    check(&["keys", "make", "-o", &file], 0, &[]);
    let before = std::fs::read(&file).unwrap();
    check(&["keys", "make", "-o", &file], 1, &["name another"]);
    assert_eq!(std::fs::read(&file).unwrap(), before);
    check(
        &["keys", "make", "-o", "/no/such/folder/f"],
        4,
        &["`/no/such/folder/f`"],
    );
}

#[test]
fn compacting_nothing_says_so_and_a_dry_run_makes_no_key() {
    let place = Place::new();
    let (store, key) = (place.store(), text(&place.path("compactor.key")));
    let compact = [
        "compact",
        "--store",
        &store,
        "--day",
        "2026-01-02",
        "--key",
        &key,
    ];
    let dry = [&compact[..], &["--dry-run"]].concat();
    check(&dry, 0, &["nothing to compact"]);
    assert!(!Path::new(&key).exists());
    check(&compact, 0, &["nothing to compact", "made the key"]);
    assert!(Path::new(&key).exists());
}

#[test]
fn holds_of_an_empty_store_are_told_as_what_they_are() {
    let place = Place::new();
    let store = place.store();
    let key = text(&place.path("own.key"));
    let _made = SigningKey::of_file(Path::new(&key)).unwrap();
    check(
        &["keys", "hold", "--store", &store],
        0,
        &["no hold is in force"],
    );
    let days = [
        "--from",
        "2026-11-01",
        "--to",
        "2026-11-02",
        "--reason",
        "case 12",
    ];
    let hold = [
        &["keys", "hold", "--store", &store, "--signing-key"][..],
        &[&key],
        &days,
    ]
    .concat();
    check(&hold, 1, &["expected a record, found none"]);
    let other = text(&place.path("no.key"));
    let hold = [
        &["keys", "hold", "--store", &store, "--signing-key"][..],
        &[&other],
        &days,
    ]
    .concat();
    check(&hold, 3, &["--signing-key", "found no file", "hint: "]);
    check(&["keys", "hold", "--store", &store, "--release"], 2, &[]);
}

#[test]
fn files_of_keys_and_trust_that_are_not_good_are_one_exit_code() {
    let place = Place::new();
    let (store, key) = (place.store(), text(&place.path("none")));
    for command in [
        &["sessions"][..],
        &["verify"],
        &["keys", "fetch"],
        &["duckdb"],
    ] {
        let words = [command, &["--store", &store, "--identity", &key]].concat();
        check(&words, 3, &["icecore keys make"]);
        let words = [command, &["--store", &store, "--trust", &key]].concat();
        check(&words, 3, &["trust file"]);
    }
    check(&["keys", "fetch", "--store", &store], 2, &["--identity"]);
}

#[test]
fn a_range_that_is_turned_round_is_usage() {
    let place = Place::new();
    let (store, folder) = (place.store(), text(&place.path("copy")));
    let days = [
        "--from",
        "2026-11-02",
        "--to",
        "2026-11-01",
        "--store",
        &store,
    ];
    for command in [
        &["duckdb"][..],
        &["pull", &folder],
        &["verify"],
        &["keys", "fetch"],
        &["keys", "hold", "--reason", "case 12"],
    ] {
        check(
            &[command, &days].concat(),
            2,
            &["--from", "--to", "2026-11-02 and 2026-11-01"],
        );
    }
}

#[test]
fn a_witness_that_cannot_listen_leaves_nothing_behind() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = text(&place.path("witness"));
    let trust = place.trust("trust.toml", &SigningKey::make().unwrap());
    let witness = ["witness", "--dir", &folder, "--trust", &trust, "--listen"];
    check(
        &[&witness[..], &[&address]].concat(),
        4,
        &["--listen", &address],
    );
    check(
        &[&witness[..], &["192.0.2.1:443"]].concat(),
        2,
        &["--tls-cert"],
    );
    assert!(!Path::new(&folder).exists());
}

#[test]
fn an_export_without_rows_is_not_called_clean() {
    let place = Place::new();
    let (store, file) = (place.store(), text(&place.path("queries.csv")));
    std::fs::write(&file, "QUERY_ID,START_TIME\n").unwrap();
    check(
        &["reconcile", "--store", &store, "--queries", &file],
        1,
        &[],
    );
}

#[test]
fn a_no_has_a_reason_and_no_grant() {
    let deny = ["approvals", "deny", "01a2"];
    check(&deny, 2, &["--reason <TEXT>"]);
    let reason = ["--reason", "not on a Friday"];
    check(
        &[&deny[..], &reason, &["--grant", "30m"]].concat(),
        2,
        &["--grant"],
    );
}

#[test]
fn an_approvers_trust_file_may_be_named_by_the_environment_and_a_cause_is_told_once() {
    let place = Place::new();
    let trust = place.trust("trust.toml", &SigningKey::make().unwrap());
    let store = format!("file://{}", place.path("away").display());
    let list = ["approvals", "list", "--store", &store];
    let (code, told) = run(&list, &[]);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("ICECORE_TRUST"), "{told}");

    let (code, told) = run(&list, &[("ICECORE_TRUST", &trust)]);
    assert_eq!(code, Some(4), "{told}");
    let line = told.lines().next().unwrap();
    let mut parts: Vec<&str> = line.split(": ").collect();
    let all = parts.len();
    parts.sort_unstable();
    parts.dedup();
    assert_eq!(parts.len(), all, "{line}");
}

#[test]
fn a_proof_is_written_if_the_trust_file_is_enough_for_it() {
    let place = Place::new();
    let own = place.record();
    let (store, file) = (place.store(), text(&place.path("proof.json")));
    let id = StatementId::from_bytes(STATEMENT).to_string();
    let prove = ["prove", &id, "--store", &store, "-o", &file, "--trust"];
    let strange = place.trust("strange.toml", &SigningKey::make().unwrap());
    check(&[&prove[..], &[&strange]].concat(), 1, &["E10", "hint: "]);
    assert!(!Path::new(&file).exists());
    let trust = place.trust("trust.toml", &own);
    check(&[&prove[..], &[&trust]].concat(), 0, &[]);
    check(&["verify", "--proof", &file, "--trust", &trust], 0, &[]);
}
