//! What exports and a record say together.

use chrono::{DateTime, Utc};
use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::id::{LoginId, SessionId, StatementId};
use crate::record::{
    Decision, LoginRow, Mode, Phase, Recorder, Row, SessionRow, StatementRow, StatementTextRow,
    Status,
};
use crate::replay::tests::{HOSTILE, session_row, settings as store_settings};

const SESSION: [u8; 16] = [7; 16];
const LOGIN: [u8; 16] = [8; 16];

fn at(text: &str) -> Option<DateTime<Utc>> {
    Some(format!("2026-01-02T{text}Z").parse().unwrap())
}

/// One statement of the record: its number, when it was sent, its query id, its text.
fn statement(number: u8, sent: Option<&str>, query: Option<&str>, sql: &str) -> [Row; 2] {
    let session_id = Some(SessionId::from_bytes(SESSION));
    let statement_id = Some(StatementId::from_bytes([number; 16]));
    let row = StatementRow {
        session_id,
        statement_id,
        login_id: Some(LoginId::from_bytes(LOGIN)),
        is_final: true,
        started_at: at("03:00:00"),
        decided_at: at("03:00:00"),
        forwarded_at: sent.and_then(at),
        query_id: query.map(str::to_owned),
        sql_mac: Some([3; 32]),
        sql_kind: Some("select".into()),
        decision: Some(Decision::Allow),
        policy_bundle_sha256: Some([2; 32]),
        policy_mode: Some(Mode::Enforce),
        status: Status::Success,
        ..StatementRow::default()
    };
    let text = StatementTextRow {
        session_id,
        statement_id,
        sql_text: Some(sql.into()),
        ..StatementTextRow::default()
    };
    [row.into(), text.into()]
}

fn recorded() -> (TempDir, Archive) {
    let dir = tempfile::tempdir().unwrap();
    let settings = store_settings(&dir);
    let recorder = Recorder::open(&settings, Clock::system()).unwrap();
    let session = SessionRow {
        ci_run_id: Some("17".into()),
        ci_run_attempt: Some(1),
        ci_repository: Some("acme/warehouse".into()),
        ci_facts: Some("verified".into()),
        ..session_row(Phase::Open)
    };
    let claimed = SessionRow {
        session_id: Some(SessionId::from_bytes([9; 16])),
        ci_run_id: Some("18".into()),
        ci_facts: Some("claimed".into()),
        ..session_row(Phase::Open)
    };
    let login = |number: u8, opened, sf_session_id| LoginRow {
        session_id: Some(SessionId::from_bytes(SESSION)),
        login_id: Some(LoginId::from_bytes([number; 16])),
        opened_at: at(opened),
        account: Some("ACME".into()),
        sf_user: Some("ICECORE_SVC".into()),
        sf_session_id: Some(sf_session_id),
        ..LoginRow::default()
    };
    let mut rows = vec![Row::from(session), claimed.into()];
    rows.push(login(8, "03:00:00", 4242).into());
    rows.push(login(10, "03:30:00", 4343).into());
    rows.extend(statement(1, Some("03:00:01"), Some("01AA-1"), "select 1"));
    rows.extend(statement(2, Some("03:00:02"), Some("01aa-2"), HOSTILE));
    rows.extend(statement(3, Some("03:00:03"), None, "select 3;"));
    rows.extend(statement(4, Some("04:50:00"), Some("01aa-4"), "select 4"));
    rows.extend(statement(5, None, None, "drop table t"));
    drop(recorder.commit_blocking(rows).unwrap());
    recorder.flush_blocking().unwrap();
    let archive = Archive::read(&settings.store.to_string()).unwrap();
    (dir, archive)
}

const QUERIES: &str = "\
QUERY_ID,START_TIME,SESSION_ID,USER_NAME,QUERY_TEXT,ROOT_QUERY_ID
01aa-1,2026-01-02 03:00:01.100 +0000,4242,ICECORE_SVC,select 1,
01ff-3,2026-01-02 03:00:03.300 +0000,4242,ICECORE_SVC,select 3,
01ff-c,2026-01-02 03:00:04 +0000,4242,ICECORE_SVC,select inside,01AA-1
01ff-o,2026-01-02 03:00:00 +0000,5151,ICECORE_SVC,/* icecore login check */ use secondary roles none,
01ff-b,2026-01-02 03:10:00 +0000,6666,ICECORE_SVC,\"=drop table x -- | `y`\",
01ff-i,2026-01-02 03:11:00 +0000,4242,ICECORE_SVC,select 9,
01ff-u,2026-01-02 03:12:00 +0000,7777,ADA,select 10,
01ff-n,2099-01-02 03:12:00 +0000,4242,ICECORE_SVC,select 11,
01ff-z,2026-01-02 05:00:00 +0000,4242,ADA,select 12,
";

const LOGINS: &str = "\
EVENT_ID,EVENT_TIMESTAMP,USER_NAME,CLIENT_IP,REPORTED_CLIENT_TYPE,IS_SUCCESS
1,2026-01-02T03:00:00.5Z,icecore_svc,10.0.0.1,PYTHON_DRIVER,YES
2,2026-01-02T02:59:50Z,ICECORE_SVC,10.0.0.1,OTHER,YES
3,2026-01-02T03:09:59Z,ICECORE_SVC,203.0.113.9,JDBC_DRIVER,YES
4,2026-01-02T03:09:58Z,ICECORE_SVC,203.0.113.9,JDBC_DRIVER,NO
";

const RUNS: &str = r#"[
    {"databaseId": 17, "attempt": 1, "url": "https://github.com/acme/warehouse/actions/runs/17", "status": "completed", "conclusion": "success", "startedAt": "2026-01-02T03:00:00Z", "workflowName": "nightly"},
    {"databaseId": 17, "attempt": 2, "url": "https://github.com/acme/warehouse/actions/runs/17", "status": "completed", "conclusion": "success", "startedAt": "2026-01-02T03:30:00Z", "workflowName": "nightly"},
    {"databaseId": 18, "attempt": 1, "url": "https://github.com/acme/warehouse/actions/runs/18", "status": "completed", "conclusion": "failure", "startedAt": "2026-01-02T03:00:00Z", "workflowName": "nightly"},
    {"databaseId": 19, "attempt": 1, "url": "https://github.com/acme/warehouse/actions/runs/19", "status": "completed", "conclusion": "skipped", "startedAt": "2026-01-02T03:00:00Z", "workflowName": "nightly"}
]"#;

fn settings() -> Settings {
    Settings {
        from_us: None,
        to_us: None,
        lag_us: QUERY_LAG_US,
        exported_us: Some(at("05:00:00").unwrap().timestamp_micros()),
        zone: Zone::Unknown,
        users: vec!["icecore_svc".to_owned()],
        workflows: Vec::new(),
        account: None,
    }
}

fn exports(queries: &str, logins: &str, runs: &str) -> Exports {
    let read = |text: &str| match text {
        "" => Vec::new(),
        text => vec![Export::read("f", text.to_owned().into()).unwrap()],
    };
    Exports {
        queries: read(queries),
        logins: read(logins),
        runs: read(runs),
    }
}

fn report(exports: &Exports, settings: &Settings) -> Report {
    let (_dir, archive) = recorded();
    reconcile(&archive, exports, settings).unwrap()
}

/// Gives kinds and ids; of ids of our own the first two digits.
fn found(report: &Report) -> Vec<(Kind, &str)> {
    let findings = report.findings.iter();
    let short = |id: &'_ str| -> usize { if id.len() == 36 { 2 } else { id.len() } };
    findings
        .map(|one| (one.kind, one.id.get(..short(&one.id)).unwrap()))
        .collect()
}

#[test]
fn ids_decide_and_text_is_only_told() {
    let report = report(&exports(QUERIES, "", ""), &settings());
    let expected = [
        (Kind::UnrecordedQuery, "01ff-b"),
        (Kind::UnrecordedQuery, "01ff-i"),
        (Kind::NotInSnowflake, "02"),
        (Kind::Undecided, "03"),
        (Kind::Undecided, "01ff-n"),
        (Kind::TooRecent, "04"),
    ];
    assert_eq!(found(&report), expected, "{:#?}", report.findings);
    let counts = &report.counts;
    assert_eq!((counts.queries, counts.queries_recorded), (7, 1));
    assert_eq!((counts.queries_inside, counts.queries_own), (1, 1));
    assert_eq!((counts.left_out, counts.statements), (2, 4));
    let why = |id| &report.findings.iter().find(|one| one.id == id).unwrap().why;
    assert!(
        why("01ff-b").contains("6666 is of no login"),
        "{}",
        why("01ff-b")
    );
    assert!(
        why("01ff-i").contains("which Icecore made"),
        "{}",
        why("01ff-i")
    );
    assert!(!report.is_clean());
}

#[test]
fn logins_are_matched_by_session_or_told_by_time() {
    let by_time = report(&exports(QUERIES, LOGINS, ""), &settings());
    let of_logins = |report: &Report| -> Vec<(Kind, String)> {
        let kinds = [Kind::UnrecordedLogin, Kind::Assumed];
        let found = report
            .findings
            .iter()
            .filter(|one| kinds.contains(&one.kind));
        found.map(|one| (one.kind, one.id.clone())).collect()
    };
    let expected = [
        (Kind::UnrecordedLogin, "3".to_owned()),
        (Kind::Assumed, "1".to_owned()),
    ];
    assert_eq!(of_logins(&by_time), expected, "{:#?}", by_time.findings);
    assert_eq!((by_time.counts.logins, by_time.counts.logins_own), (3, 1));

    let sessions = "SESSION_ID,CREATED_ON,USER_NAME\n4242,2026-01-02T03:00:00Z,ICECORE_SVC\n6666,2026-01-02T03:30:00Z,ICECORE_SVC\n";
    let by_session = report(&exports("", sessions, ""), &settings());
    let expected = [(Kind::UnrecordedLogin, "6666".to_owned())];
    assert_eq!(of_logins(&by_session), expected);
    assert_eq!(by_session.counts.logins_recorded, 1);
}

#[test]
fn runs_need_a_session_of_their_attempt() {
    let report = report(&exports("", "", RUNS), &settings());
    let expected = [(Kind::JobWithoutSession, "17"), (Kind::Assumed, "18")];
    assert_eq!(found(&report), expected, "{:#?}", report.findings);
    assert_eq!((report.counts.runs, report.counts.runs_recorded), (3, 1));
    assert_eq!(report.findings[0].who, "acme/warehouse");
}

#[test]
fn a_range_leaves_out_what_is_outside_of_it_on_both_sides() {
    let settings = Settings {
        from_us: at("03:00:01").map(|at| at.timestamp_micros()),
        to_us: at("03:00:02").map(|at| at.timestamp_micros()),
        ..settings()
    };
    let report = report(&exports(QUERIES, LOGINS, RUNS), &settings);
    assert!(
        report.is_clean() && report.findings.is_empty(),
        "{report:#?}"
    );
    assert_eq!((report.counts.queries, report.counts.statements), (1, 1));
}

#[test]
fn a_statement_is_too_recent_by_the_lag_alone() {
    let settings = Settings {
        lag_us: 0,
        ..settings()
    };
    let report = report(&exports(QUERIES, "", ""), &settings);
    assert!(
        found(&report).contains(&(Kind::NotInSnowflake, "04")),
        "{report:#?}"
    );
}

#[test]
fn an_export_that_cannot_be_judged_decides_nothing() {
    let (_dir, archive) = recorded();
    let failed = |queries: &str| {
        let error = reconcile(&archive, &exports(queries, "", ""), &settings()).unwrap_err();
        error.to_string()
    };
    let error = failed("A,START_TIME\n1,2026-01-02T03:00:00Z\n");
    assert_eq!(
        error,
        "`f`: expected a column `QUERY_ID`, found A, START_TIME in row 1"
    );
    let error = failed("QUERY_ID,START_TIME\n1,2026-01-02 03:00:00\n");
    assert!(
        error.starts_with("`f`, row 1, column `START_TIME`: expected a time with its offset"),
        "{error}"
    );
}

#[test]
fn each_face_escapes_what_a_statement_says() {
    let report = report(&exports(QUERIES, LOGINS, RUNS), &settings());
    let text = report.to_terminal();
    assert!(
        text.contains("in the record as sent, not in Snowflake's history (1)"),
        "{text}"
    );
    assert!(
        !text.contains(['\u{1b}', '\u{202e}']) && text.ends_with("not clean\n"),
        "{text}"
    );
    assert!(
        report.to_csv().contains(",\"'=drop table x -- | `y`\"\n"),
        "{}",
        report.to_csv()
    );
    let markdown = report.to_markdown();
    assert!(
        markdown.contains("| `` =drop table x -- \\u{7c} `y` `` |"),
        "{markdown}"
    );
    let annotations = report.to_annotations();
    assert!(
        annotations
            .lines()
            .all(|line| line.starts_with("::error title=") || line.starts_with("::warning title=")),
        "{annotations}"
    );
    let again = report.clone();
    assert_eq!(again.to_terminal(), text);
}
