//! Counts of rows, as they are told.

use chrono::TimeDelta;
use serde_json::json;

use super::*;
use crate::record::{Decision, Enforcement, Phase, SeenEvent, SeenStatement, Status};

fn statement(decision: Decision, status: Status) -> Seen {
    Seen::Statement(Box::new(SeenStatement {
        decision: Some(decision),
        kind: "query".to_owned(),
        status,
        decision_us: 300,
        upstream: Some(TimeDelta::milliseconds(40)),
        first_byte: None,
        overhead_us: Some(90),
        durability_us: None,
        approval_ms: None,
        rows: 2,
        bytes: 100,
        masked_columns: 1,
    }))
}

fn event(code: &str, detail: &serde_json::Value, is_recovered: bool) -> Seen {
    Seen::Event(Box::new(SeenEvent {
        record_id: String::new(),
        ts_us: 0,
        chain: String::new(),
        seq: 0,
        session_id: String::new(),
        code: code.to_owned(),
        severity: 3,
        category: "net".to_owned(),
        detail: Some(detail.to_string()),
        statement_id: None,
        pid: None,
        dst_host: None,
        is_recovered,
    }))
}

/// Gives the lines of a page that tell numbers other than 0.
fn numbers(metrics: &Metrics) -> Vec<String> {
    let mut page = Page::default();
    metrics.write(&mut page);
    let text = page.into_text();
    let lines = text.lines().filter(|line| {
        !line.starts_with('#') && !line.ends_with(" 0") && !line.contains("_bucket{")
    });
    lines.map(str::to_owned).collect()
}

#[test]
fn rows_are_counted_once_by_words_of_ours() {
    let metrics = Metrics::default();
    assert_eq!(numbers(&metrics), Vec::<String>::new());
    for seen in [
        Seen::Session {
            phase: Phase::Open,
            enforcement: Some(Enforcement::Advisory),
        },
        Seen::Session {
            phase: Phase::Close,
            enforcement: Some(Enforcement::Advisory),
        },
        Seen::Login(Phase::Open),
        statement(Decision::Allow, Status::Success),
        statement(Decision::Allow, Status::Success),
        statement(Decision::Block, Status::Blocked),
        Seen::Chunk {
            is_whole: true,
            bytes: 9,
            cells: 4,
        },
        Seen::Cells(3),
        Seen::Approval("requested"),
        event(
            "NT001",
            &json!({ "reason": "a cloud's metadata address" }),
            false,
        ),
        event(
            "NT001",
            &json!({ "reason": "a cloud's metadata address", "repeats": 5 }),
            false,
        ),
        event("NT001", &json!({ "reason": "chosen by somebody" }), false),
        event("AU005", &json!({}), false),
        event("AU005", &json!({}), true),
    ] {
        metrics.take(&seen);
    }
    let expected = [
        "icecore_sessions_opened_total{enforcement=\"advisory\"} 1",
        "icecore_sessions_closed_total 1",
        "icecore_logins_opened_total 1",
        "icecore_credential_failures_total 1",
        "icecore_statements_total{decision=\"allow\",kind=\"query\",status=\"success\"} 2",
        "icecore_statements_total{decision=\"block\",kind=\"query\",status=\"blocked\"} 1",
        "icecore_statement_rows_total 6",
        "icecore_statement_bytes_total 300",
        "icecore_decision_seconds_sum 0.0009",
        "icecore_decision_seconds_count 3",
        "icecore_upstream_seconds_sum 0.12",
        "icecore_upstream_seconds_count 3",
        "icecore_overhead_seconds_sum 0.00027",
        "icecore_overhead_seconds_count 3",
        "icecore_approvals_total{state=\"requested\"} 1",
        "icecore_chunks_total{outcome=\"whole\"} 1",
        "icecore_chunk_bytes_total 9",
        "icecore_masked_columns_total 3",
        "icecore_masked_cells_total 7",
        "icecore_connections_refused_total{reason=\"metadata_address\"} 6",
        "icecore_connections_refused_total{reason=\"other\"} 1",
        "icecore_events_total{code=\"AU005\",severity=\"3\"} 1",
        "icecore_events_total{code=\"NT001\",severity=\"3\"} 3",
    ];
    assert_eq!(numbers(&metrics), expected);
}

#[test]
fn no_flood_of_words_takes_memory_without_end() {
    let metrics = Metrics::default();
    for number in 0..5000 {
        metrics.take(&event(&number.to_string(), &json!({}), false));
    }
    assert_eq!(numbers(&metrics).len(), 512);
}
