//! What a session records here: statements of a few shapes over a few tables, most of them allowed.

use icecore::clock::Clock;
use icecore::id::{LoginId, SessionId, StatementId};
use icecore::record::{
    Decision, Enforcement, LoginRow, MaskedColumn, Mode, Object, Phase, Row, SessionRow,
    StatementRow, StatementTextRow, Status,
};

/// Statements of a session.
pub(crate) const STATEMENTS: usize = 10;

/// Tables that are asked.
const TABLES: [&str; 8] = [
    "ORDERS",
    "CUSTOMERS",
    "PAYMENTS",
    "ITEMS",
    "EVENTS",
    "STOCK",
    "RETURNS",
    "PRICES",
];

/// The rows of a session; `number` tells it from others.
pub(crate) fn rows(id: SessionId, number: usize) -> Vec<Row> {
    let now = Clock::system().now();
    let login_id = Some(LoginId::new());
    let principal = format!("agent-{}@acme.example", number % 200);
    let opened = SessionRow {
        session_id: Some(id),
        phase: Phase::Open,
        opened_at: Some(now),
        enforcement: Some(Enforcement::Enforced),
        mode: Some(Mode::Enforce),
        user: Some("ci".into()),
        ci_repository: Some(format!("acme/etl-{}", number % 60)),
        ci_run_id: Some(format!("{}", 4_000_000 + number)),
        agent_name: Some(["claude-code", "codex"][number % 2].into()),
        ..SessionRow::default()
    };
    let login = LoginRow {
        session_id: Some(id),
        login_id,
        opened_at: Some(now),
        account: Some("ACME".into()),
        sf_user: Some("ICECORE_SVC".into()),
        principal: Some(principal),
        ..LoginRow::default()
    };
    let closed = SessionRow {
        phase: Phase::Close,
        is_final: true,
        closed_at: Some(now),
        ..opened.clone()
    };
    let mut rows = vec![Row::from(opened), Row::from(login)];
    for place in 0..STATEMENTS {
        rows.extend(statement(id, login_id, number * STATEMENTS + place));
    }
    rows.push(Row::from(closed));
    rows
}

/// Rows of a statement: one of 20 is refused, one of 25 writes, one of 10 has a masked column.
fn statement(id: SessionId, login_id: Option<LoginId>, number: usize) -> [Row; 3] {
    let now = Clock::system().now();
    let table = TABLES[number % TABLES.len()];
    let (is_refused, is_write) = (number.is_multiple_of(20), number % 25 == 7);
    let (kind, access, text, normalized) = if is_write {
        let normalized = format!("DELETE FROM ACME_DB.PUBLIC.{table} WHERE ID = ?");
        (
            "delete",
            "write",
            normalized.replace('?', &number.to_string()),
            normalized,
        )
    } else {
        let normalized = format!("SELECT ID, AMOUNT FROM ACME_DB.PUBLIC.{table} WHERE ID = ?");
        (
            "query",
            "read",
            normalized.replace('?', &number.to_string()),
            normalized,
        )
    };
    let object = Object {
        catalog: Some("ACME_DB".into()),
        schema: Some("PUBLIC".into()),
        name: Some(table.into()),
        kind: Some("table".into()),
        access: Some(access.into()),
        columns: vec!["ID".into(), "AMOUNT".into()],
        resolved: true,
    };
    let masked = MaskedColumn {
        name: "AMOUNT".into(),
        method: "null".into(),
        rule_id: "mask-amounts".into(),
    };
    let intent = StatementRow {
        session_id: Some(id),
        login_id,
        statement_id: Some(StatementId::new()),
        started_at: Some(now),
        decided_at: Some(now),
        decision_us: 40,
        sql_mac: Some(digest(number)),
        sql_len: 64,
        sql_fingerprint: i64::try_from(number % TABLES.len()).ok(),
        sql_normalized: Some(normalized),
        sql_kind: Some(kind.into()),
        is_write,
        parse_ok: true,
        objects: vec![object],
        decision: Some(if is_refused {
            Decision::Block
        } else {
            Decision::Allow
        }),
        rule_ids: vec![
            if is_refused {
                "default-deny"
            } else {
                "read-only"
            }
            .into(),
        ],
        policy_bundle_sha256: Some([2; 32]),
        policy_mode: Some(Mode::Enforce),
        masked_columns: if number % 10 == 3 {
            vec![masked]
        } else {
            Vec::new()
        },
        ..StatementRow::default()
    };
    let said = StatementTextRow {
        session_id: Some(id),
        statement_id: intent.statement_id,
        sql_text: Some(text),
        ..StatementTextRow::default()
    };
    let end = StatementRow {
        is_final: true,
        revision: 1,
        forwarded_at: (!is_refused).then_some(now),
        completed_at: Some(now),
        status: if is_refused {
            Status::Blocked
        } else {
            Status::Success
        },
        rows_returned: Some(1),
        upstream_mac: Some(digest(number + 1)),
        delivered_mac: Some(digest(number + 2)),
        query_id: Some(format!("01bd{number:08x}-0000-4a3b-0000-{number:012x}")),
        ..intent.clone()
    };
    [Row::from(intent), Row::from(said), Row::from(end)]
}

/// Bytes that do not compress, as those of digests do not.
fn digest(number: usize) -> [u8; 32] {
    let mut state = number as u64 ^ 0x9e37_79b9_7f4a_7c15;
    std::array::from_fn(|_| {
        // Xorshift of Marsaglia, 2003.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
}
