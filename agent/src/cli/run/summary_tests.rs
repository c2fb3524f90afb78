//! What is said at a session's end.

use std::path::PathBuf;

use super::*;
use crate::control::{Leftover, SessionSummary};

const SESSION: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn opened() -> Opened {
    Opened {
        session: SESSION.parse().unwrap(),
        secret: String::new(),
        token: String::new(),
        ca: PathBuf::new(),
        certificate: String::new(),
        mode: "enforce".to_owned(),
        record_mode: "strict_local".to_owned(),
        store: DEFAULT_STORE.to_owned(),
        advisory: None,
        same_uid: false,
        io_uring: false,
        notice: None,
        telemetry: false,
    }
}

#[track_caller]
fn check(mode: &str, advisory: Option<&str>, told: &Told, expected: &[&str]) {
    let opened = Opened {
        mode: mode.to_owned(),
        advisory: advisory.map(str::to_owned),
        ..opened()
    };
    let opened = &opened;
    let summary = Summary {
        opened,
        told,
        is_roots_store: false,
    };
    let lines: Vec<String> = summary
        .lines()
        .iter()
        .map(|line| line.replace(SESSION, "ID"))
        .collect();
    assert_eq!(lines, expected);
}

fn closed(statements: u64, refused: u64, leftovers: &[(u32, &str)]) -> Told {
    Told::Closed {
        summary: Some(SessionSummary {
            statements,
            allowed: statements - refused,
            refused,
            failed: 0,
            events: 0,
            mode: "enforce".to_owned(),
            recorded: true,
            ..SessionSummary::default()
        }),
        leftovers: leftovers
            .iter()
            .map(|(pid, comm)| Leftover {
                pid: *pid,
                comm: (*comm).to_owned(),
            })
            .collect(),
        problem: None,
    }
}

#[test]
fn two_lines_say_what_was_done_and_where_the_record_is() {
    check(
        "enforce",
        None,
        &closed(3, 1, &[]),
        &[
            "3 statements: 2 allowed, 1 refused, 0 failed; enforce",
            "record: icecore replay ID",
        ],
    );
}

#[test]
fn observe_and_advisory_are_said() {
    check(
        "observe",
        Some("its user is root"),
        &closed(1, 0, &[]),
        &[
            "1 statement: 1 allowed, 0 refused, 0 failed; observe mode: nothing was refused, the record says what would have been; advisory: its user is root",
            "record: icecore replay ID",
        ],
    );
}

#[test]
fn leftovers_are_named_with_their_names_escaped() {
    check(
        "enforce",
        None,
        &closed(0, 0, &[(7, "sleep"), (8, "\u{1b}]0;x")]),
        &[
            "0 statements: 0 allowed, 0 refused, 0 failed; enforce",
            "record: icecore replay ID",
            "killed what was left running: 2 (sleep 7, \\u{1b}]0;x 8)",
        ],
    );
}

#[test]
fn gaps_and_losses_are_said() {
    let told = Told::Closed {
        summary: None,
        leftovers: Vec::new(),
        problem: Some("the proxy is not running".to_owned()),
    };
    check(
        "enforce",
        None,
        &told,
        &[
            "what was done cannot be told; enforce",
            "record of session ID is not complete: the proxy is not running",
        ],
    );
    check(
        "enforce",
        None,
        &Told::Lost("there is no such session".to_owned()),
        &[
            "the session was lost: there is no such session; enforce",
            "record: icecore replay ID",
        ],
    );
}

#[test]
fn other_stores_and_weaker_records_are_named() {
    let opened = Opened {
        record_mode: "best_effort".to_owned(),
        store: "file:///other".to_owned(),
        ..opened()
    };
    let told = closed(0, 0, &[]);
    let summary = Summary {
        opened: &opened,
        told: &told,
        is_roots_store: false,
    };
    assert_eq!(
        summary.lines(),
        [
            "0 statements: 0 allowed, 0 refused, 0 failed; enforce; best_effort record: some of it may be lost".to_owned(),
            format!("record: icecore replay {SESSION} --store file:///other"),
        ]
    );
}

#[test]
fn counts_since_a_replacement_say_so_and_a_store_of_roots_is_read_by_sudo() {
    let mut told = closed(3, 1, &[]);
    if let Told::Closed {
        summary: Some(summary),
        ..
    } = &mut told
    {
        summary.resumed = true;
    }
    let opened = opened();
    let summary = Summary {
        opened: &opened,
        told: &told,
        is_roots_store: true,
    };
    assert_eq!(
        summary.lines(),
        [
            "3 statements: 2 allowed, 1 refused, 0 failed, since Icecore's proxy was replaced in the session; the record has all; enforce".to_owned(),
            format!("record: sudo icecore replay {SESSION}"),
        ]
    );
}

#[test]
fn only_a_folder_that_is_closed_to_the_caller_is_roots() {
    assert!(!is_roots("s3://bucket/prefix"));
    assert!(!is_roots("file:///nowhere/at/all"));
    let folder = tempfile::tempdir().unwrap();
    assert!(!is_roots(&format!("file://{}", folder.path().display())));
}
