//! A small record of everything that views look at, made by the recorder itself.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use icecore::id::{LoginId, SessionId, StatementId};
use icecore::record::{
    Category, Decision, Enforcement, EventRow, LoginRow, MaskedColumn, Mode, Object, Phase,
    Recorder, ResultColumn, ResultRow, Row, SessionRow, Severity, StatementRow, StatementTextRow,
    Status,
};
use serde_json::json;
use tempfile::TempDir;

use crate::child;

/// The statement that is masked.
pub(super) const MASKED: [u8; 16] = [0x21; 16];

/// The session that is closed.
pub(super) const CLOSED: [u8; 16] = [0x11; 16];

/// A store in whose path is all that SQL or a pattern could trip over.
pub(super) struct Made {
    dir: TempDir,
}

impl Made {
    /// Makes a store without any object.
    pub(super) fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("it's/b [x]*")).unwrap();
        Self { dir }
    }

    /// Makes a store with two chains: one that was closed, and one that was cut off and recovered by it.
    pub(super) fn filled() -> Self {
        let made = Self::empty();
        let open = || child::open(&made.dir.path().join("state"), &made.store());
        let recorder = open();
        record(&recorder, [sessions(), statements()].concat());
        recorder.close_blocking().unwrap();
        let recorder = open();
        record(&recorder, [events(), results()].concat());
        recorder.close_blocking().unwrap();
        made
    }

    pub(super) fn store(&self) -> PathBuf {
        self.dir.path().join("it's/b [x]*")
    }

    pub(super) fn url(&self) -> String {
        child::settings(self.dir.path(), &self.store())
            .store
            .to_string()
    }

    /// Gives the folder for a copy of the store.
    pub(super) fn copy(&self) -> PathBuf {
        self.dir.path().join("a copy's folder")
    }

    /// Tells where the copy has a file of the store.
    pub(super) fn in_copy(&self, file: &Path) -> PathBuf {
        self.copy().join(file.strip_prefix(self.store()).unwrap())
    }

    /// Gives a file of this test's own.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Lists the documents of all chains whose names begin so, the oldest chain's first.
    pub(super) fn documents(&self, begin: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        walk(&self.store().join("default/v1/chains"), &mut files);
        files.retain(|file| {
            file.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(begin)
        });
        files.sort();
        files
    }

    /// Lists the files of a table.
    pub(super) fn files(&self, table: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        walk(&self.store(), &mut files);
        let part = format!("/{table}/dt=");
        files.retain(|file| file.to_str().unwrap().contains(&part));
        files.sort();
        files
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}

fn record(recorder: &Recorder, rows: Vec<Row>) {
    drop(recorder.commit_blocking(rows).unwrap());
}

fn at(time: &str) -> Option<DateTime<Utc>> {
    Some(format!("2026-01-{time}Z").parse().unwrap())
}

fn session(id: [u8; 16], phase: Phase, opened: &str, closed: Option<&str>) -> SessionRow {
    SessionRow {
        session_id: Some(SessionId::from_bytes(id)),
        phase,
        is_final: phase == Phase::Close,
        opened_at: at(opened),
        closed_at: closed.and_then(at),
        enforcement: Some(Enforcement::Enforced),
        mode: Some(Mode::Enforce),
        user: Some("ci".into()),
        ..SessionRow::default()
    }
}

fn sessions() -> Vec<Row> {
    let person = |row: SessionRow| SessionRow {
        idp_issuer: Some("https://idp.example".into()),
        idp_subject: Some("ada".into()),
        ci_facts: Some("verified".into()),
        ci_provider: Some("github".into()),
        ci_repository: Some("acme/etl".into()),
        ci_run_id: Some("17".into()),
        agent_name: Some("claude-code".into()),
        ..row
    };
    let login = LoginRow {
        session_id: Some(SessionId::from_bytes(CLOSED)),
        login_id: Some(LoginId::from_bytes([0x31; 16])),
        opened_at: at("02T03:00:01"),
        account: Some("ACME".into()),
        sf_user: Some("ICECORE_SVC".into()),
        sf_role: Some("ANALYST".into()),
        client_app: Some("PythonConnector".into()),
        principal: Some("okta:ada of https://idp.example".into()),
        principal_type: Some("human".into()),
        ..LoginRow::default()
    };
    vec![
        Row::from(person(session(CLOSED, Phase::Open, "02T03:00:00", None))),
        Row::from(person(session(
            CLOSED,
            Phase::Close,
            "02T03:00:00",
            Some("02T03:10:00"),
        ))),
        Row::from(session([0x12; 16], Phase::Open, "03T23:59:59", None)),
        Row::from(login),
    ]
}

/// A statement that is allowed, one that is masked, one that is refused, one that fails, one that is not over.
fn statements() -> Vec<Row> {
    let mut rows = Vec::new();
    for (number, time, sql, decision, status) in [
        (
            0x20,
            "02T03:00:02.000001",
            "select id from orders where amount > 10",
            Decision::Allow,
            Status::Success,
        ),
        (
            0x21,
            "02T03:00:03",
            "select email from customers",
            Decision::Mask,
            Status::Success,
        ),
        (
            0x22,
            "02T03:00:04",
            "drop table orders",
            Decision::Block,
            Status::Blocked,
        ),
        (
            0x23,
            "03T23:59:59.9",
            "select nothing from nowhere",
            Decision::Flag,
            Status::Failed,
        ),
        (
            0x24,
            "03T23:59:59.95",
            "select id from orders where amount > 99",
            Decision::Allow,
            Status::Running,
        ),
    ] {
        let row = statement(number, time, sql, decision, status);
        let text = StatementTextRow {
            session_id: row.session_id,
            statement_id: row.statement_id,
            sql_text: Some(sql.into()),
            error_text: (status == Status::Failed).then(|| "no such table".into()),
            ..StatementTextRow::default()
        };
        rows.extend([Row::from(row), Row::from(text)]);
    }
    rows
}

fn statement(
    number: u8,
    time: &str,
    sql: &str,
    decision: Decision,
    status: Status,
) -> StatementRow {
    let object = |name: &str, column: &str| Object {
        catalog: Some("ACME_DB".into()),
        schema: Some("PUBLIC".into()),
        name: Some(name.into()),
        kind: Some("table".into()),
        access: Some("read".into()),
        columns: vec![column.into(), "AMOUNT".into()],
        resolved: true,
    };
    let is_masked = decision == Decision::Mask;
    StatementRow {
        session_id: Some(SessionId::from_bytes(CLOSED)),
        login_id: Some(LoginId::from_bytes([0x31; 16])),
        statement_id: Some(StatementId::from_bytes([number; 16])),
        is_final: status != Status::Running,
        query_id: Some(format!("01b-{number:x}")),
        started_at: at(time),
        decided_at: at(time),
        completed_at: at(time).map(|time| time + std::time::Duration::from_millis(1500)),
        decision_us: i64::from(number),
        sql_mac: Some([number; 32]),
        sql_len: i32::try_from(sql.len()).unwrap(),
        sql_fingerprint: Some(if sql.contains("amount") {
            -7
        } else {
            i64::from(number)
        }),
        sql_normalized: Some(sql.replace("10", "?").replace("99", "?")),
        sql_kind: Some(
            if decision == Decision::Block {
                "drop"
            } else {
                "query"
            }
            .into(),
        ),
        parse_ok: true,
        objects: match number {
            0x21 => vec![object("CUSTOMERS", "EMAIL"), object("ORDERS", "ID")],
            0x23 => Vec::new(),
            _ => vec![object("ORDERS", "ID")],
        },
        decision: Some(decision),
        rule_ids: vec!["rule-1".into(), "rule's 2".into()],
        rule_reasons: vec!["because".into(), "it's so".into()],
        policy_bundle_sha256: Some([2; 32]),
        policy_mode: Some(Mode::Enforce),
        masked_columns: if is_masked {
            vec![MaskedColumn {
                name: "ACME_DB.PUBLIC.CUSTOMERS.EMAIL".into(),
                method: "hash".into(),
                rule_id: "rule-1".into(),
            }]
        } else {
            Vec::new()
        },
        result_schema: vec![ResultColumn {
            name: "EMAIL".into(),
            kind: "text".into(),
            nullable: Some(true),
            masked: is_masked,
        }],
        status,
        sf_error_code: (status == Status::Failed).then(|| "002003".into()),
        rows_returned: Some(3),
        exe: Some("/usr/bin/python3".into()),
        pid: Some(4711),
        ..StatementRow::default()
    }
}

fn events() -> Vec<Row> {
    let event = |event_code, detail| EventRow {
        session_id: Some(SessionId::from_bytes(CLOSED)),
        event_code,
        severity: Severity::High,
        category: Category::Net,
        detail: Some(detail),
        ..EventRow::default()
    };
    vec![
        Row::from(event("NT001", json!({"destination": "169.254.169.254:80"}))),
        Row::from(EventRow {
            session_id: None,
            ..event("GP001", json!({"lost_rows": 5}))
        }),
    ]
}

fn results() -> Vec<Row> {
    let result = |chunk_index, masked_cells| ResultRow {
        session_id: Some(SessionId::from_bytes(CLOSED)),
        statement_id: Some(StatementId::from_bytes(MASKED)),
        chunk_index,
        rows: Some(3),
        upstream_mac: Some([4; 32]),
        delivered_mac: Some([5; 32]),
        masked_cells: Some(masked_cells),
        stored: Some("none".into()),
        completed: true,
        ..ResultRow::default()
    };
    vec![Row::from(result(-1, 3)), Row::from(result(0, 4))]
}
