//! What readers say of a record that a recorder wrote.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::id::{LoginId, SessionId, StatementId};
use crate::record::{
    Category, Decision, Enforcement, EventRow, LoginRow, Mode, Phase, Recorder, Row, SessionRow,
    Settings, Severity, StatementRow, StatementTextRow, Status,
};

pub(super) const HOSTILE: &str = "drop table \x1b]52;c;eA==\x07t; --\u{202e}\n::add-mask::x\r\u{9b}2J##[set-env]</style><script>";

pub(super) const SESSION: [u8; 16] = [7; 16];

fn at(second: u32) -> Option<DateTime<Utc>> {
    Some(format!("2026-01-02T03:04:{second:02}.5Z").parse().unwrap())
}

pub(super) fn settings(dir: &TempDir) -> Settings {
    let store = format!("file://{}/it's/a store", dir.path().display());
    Settings {
        host_id: "host".into(),
        seal_interval: Duration::from_secs(3600),
        policy_bundle_sha256: [2; 32],
        ..Settings::new(
            dir.path().join("state"),
            crate::record::StoreAt::read(&store).unwrap(),
        )
    }
}

pub(super) fn session_row(phase: Phase) -> SessionRow {
    SessionRow {
        session_id: Some(SessionId::from_bytes(SESSION)),
        phase,
        is_final: phase == Phase::Close,
        opened_at: at(0),
        closed_at: at(9).filter(|_| phase == Phase::Close),
        close_reason: Some("exited 3".to_owned()).filter(|_| phase == Phase::Close),
        enforcement: Some(Enforcement::Enforced),
        mode: Some(Mode::Enforce),
        user: Some("ci".into()),
        root_exe: Some(HOSTILE.into()),
        labels: BTreeMap::from([(HOSTILE.to_owned(), HOSTILE.to_owned())]),
        ..SessionRow::default()
    }
}

fn statement(number: u8, decision: Decision, status: Status) -> Vec<Row> {
    let session_id = Some(SessionId::from_bytes(SESSION));
    let statement_id = Some(StatementId::from_bytes([number; 16]));
    let row = StatementRow {
        session_id,
        statement_id,
        login_id: Some(LoginId::from_bytes([8; 16])),
        is_final: status != Status::Running,
        started_at: at(number.into()),
        decided_at: at(number.into()),
        sql_mac: Some([3; 32]),
        sql_kind: Some("drop".into()),
        decision: Some(decision),
        rule_ids: vec!["no-ddl".into()],
        rule_reasons: vec![HOSTILE.into()],
        policy_bundle_sha256: Some([2; 32]),
        policy_mode: Some(Mode::Enforce),
        exe: Some(HOSTILE.into()),
        status,
        ..StatementRow::default()
    };
    let text = StatementTextRow {
        session_id,
        statement_id,
        sql_text: Some(HOSTILE.into()),
        error_text: Some(HOSTILE.into()),
        ..StatementTextRow::default()
    };
    vec![Row::from(row), Row::from(text)]
}

/// A look at a metadata address, its repeats, and one of a program that chose its name with care.
fn refusal_details() -> [serde_json::Value; 3] {
    let refusal = |exe: &str| {
        json!({
            "reason": "a cloud's metadata address",
            "destination": "169.254.169.254:80",
            "opening": "http",
            "name": null,
            "exe": exe,
        })
    };
    let mut first = refusal("/usr/bin/python3");
    first["pid"] = 7.into();
    first["likely"] = "the driver's own look for cloud credentials".into();
    let mut more = first.clone();
    more["pid"] = serde_json::Value::Null;
    more["repeats"] = 6.into();
    [first, more, refusal(HOSTILE)]
}

/// Records one session with a login, two statements that are over, one that is not, and an event.
pub(super) fn recorded() -> (TempDir, Archive) {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir);
    let recorder = Recorder::open(&settings, Clock::system()).unwrap();
    let login = LoginRow {
        session_id: Some(SessionId::from_bytes(SESSION)),
        login_id: Some(LoginId::from_bytes([8; 16])),
        opened_at: at(1),
        account: Some(HOSTILE.into()),
        ..LoginRow::default()
    };
    let event = EventRow {
        session_id: Some(SessionId::from_bytes(SESSION)),
        event_code: "NT001",
        severity: Severity::High,
        category: Category::Net,
        dst_host: Some(HOSTILE.into()),
        ..EventRow::default()
    };
    let mut rows = vec![Row::from(session_row(Phase::Open)), Row::from(login)];
    rows.extend(statement(2, Decision::Allow, Status::Success));
    rows.extend(statement(3, Decision::Block, Status::Blocked));
    rows.extend(statement(4, Decision::Allow, Status::Running));
    rows.push(Row::from(event));
    for detail in refusal_details() {
        rows.push(Row::from(EventRow {
            session_id: Some(SessionId::from_bytes(SESSION)),
            event_code: "NT001",
            severity: Severity::Medium,
            category: Category::Net,
            detail: Some(detail),
            ..EventRow::default()
        }));
    }
    rows.push(Row::from(session_row(Phase::Close)));
    drop(recorder.commit_blocking(rows).unwrap());
    recorder.flush_blocking().unwrap();
    let archive = Archive::read(&settings.store.to_string()).unwrap();
    (dir, archive)
}

fn told(archive: &Archive) -> String {
    let session = session(archive, &SessionId::from_bytes(SESSION).to_string()).unwrap();
    let rows = ShownRows::default();
    let told = Told {
        session: &session,
        rows: &rows,
        paint: Paint::default(),
    };
    let steps = (1..=told.steps()).filter_map(|number| told.step(number));
    steps.fold(told.head(), |text, step| text + "\n" + &step)
}

#[test]
fn a_session_is_told_in_the_order_of_time() {
    let (_dir, archive) = recorded();
    let text = told(&archive);
    let steps: Vec<_> = text
        .lines()
        .filter_map(|line| line.get(5..).filter(|rest| rest.starts_with('+')))
        .collect();
    assert_eq!(steps.len(), 8, "{text}");
    assert!(steps[0].starts_with("+1.000s  login"), "{text}");
    assert!(
        steps[1].starts_with("+2.000s  allow    drop: success"),
        "{text}"
    );
    assert!(
        steps[2].starts_with("+3.000s  block    drop: blocked"),
        "{text}"
    );
    assert!(
        steps[3].starts_with("+4.000s  allow    drop: running"),
        "{text}"
    );
    assert!(steps[4].ends_with("event    NT001 (net, high)"), "{text}");
    let look = "169.254.169.254:80 refused, a cloud's metadata address, to /usr/bin/python3";
    let likely = "; likely the driver's own look for cloud credentials";
    for (step, line) in [
        (steps[5], format!("{look} (pid 7){likely}")),
        (steps[6], format!("6 more times: {look}{likely}")),
    ] {
        assert!(
            step.ends_with(&format!("event    NT001 (net, medium): {line}")),
            "{text}"
        );
    }
    assert!(
        text.contains("closed        2026-01-02T03:04:09.500000Z, exited 3"),
        "{text}"
    );
}

#[test]
fn nothing_that_an_agent_wrote_reaches_the_terminal_as_a_command() {
    let (_dir, archive) = recorded();
    let mut text = told(&archive);
    for summary in summaries(&archive) {
        text.push_str(&summary.line());
    }
    let shown = |character: char| terminal(&character.to_string()).len() == character.len_utf8();
    let allowed = |character: char| matches!(character, '\n' | '\\') || shown(character);
    assert!(text.chars().all(allowed), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("::")), "{text}");
}

#[test]
fn json_gives_back_what_was_said_to_the_byte() {
    let (_dir, archive) = recorded();
    let id = SessionId::from_bytes(SESSION).to_string();
    let document = session(&archive, &id)
        .unwrap()
        .to_json(&ShownRows::default());
    assert_eq!(document["statements"][0]["sql_text"], HOSTILE);
    assert_eq!(document["statements"][1]["decision"], "block");
    assert_eq!(document["session"]["close_reason"], "exited 3");
    assert_eq!(document["session"]["labels"][0]["value"], HOSTILE);
    assert_eq!(document["logins"].as_array().unwrap().len(), 1);
    assert_eq!(document["events"].as_array().unwrap().len(), 4);
}

#[test]
fn a_session_is_summed_up_in_one_line() {
    let (_dir, archive) = recorded();
    let summaries = summaries(&archive);
    let [summary] = &summaries[..] else {
        panic!("there is one session: {summaries:?}")
    };
    assert_eq!(
        (summary.statements, summary.allowed, summary.refused),
        (3, 2, 1)
    );
    assert_eq!((summary.unfinished, summary.events), (1, 4));
    assert_eq!(summary.line().lines().count(), 1);
}

#[test]
fn a_beginning_of_an_id_finds_the_session_and_nothing_else_does() {
    let (_dir, archive) = recorded();
    assert!(session(&archive, "0707").is_ok());
    assert!(matches!(
        session(&archive, "0708"),
        Err(ReadError::Unknown(_))
    ));
    assert!(matches!(session(&archive, ""), Err(ReadError::Unknown(_))));
}

#[test]
fn a_store_that_is_not_there_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let refused = Archive::read(&format!("file://{}/none", dir.path().display())).unwrap_err();
    assert!(refused.to_string().contains("cannot be read"), "{refused}");
}
