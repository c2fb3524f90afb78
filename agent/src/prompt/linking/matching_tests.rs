//! What a session's statements may take: memory, and the time in which they are judged again.

use chrono::TimeDelta;

use super::super::ladder::Sql;
use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn arrived(sql: &str, seconds: i64) -> Arrived {
    Arrived {
        id: StatementId::new(),
        at: at(seconds),
        sql: Sql::new(sql, None),
        ancestors: vec![7, 9],
        trace_ids: Vec::new(),
        agent_sessions: Vec::new(),
        tag: None,
    }
}

fn opened(id: &str, texts: &[String]) -> Opened {
    Opened {
        id: id.to_owned(),
        llm_call_id: "c".to_owned(),
        name: "mcp__db__query".to_owned(),
        arguments: serde_json::json!({ "sql": texts }).to_string().into_bytes(),
        owner: Some(7),
        emitted_ns: Some(8),
        ..Opened::default()
    }
}

fn returned(id: &str) -> [Returned; 1] {
    [Returned {
        tool_call_id: id.to_owned(),
        text: "done".to_owned(),
    }]
}

#[test]
fn statements_have_a_sum_of_bytes_and_the_oldest_go() {
    let mut matching = Matching::default();
    let long = "x".repeat(1 << 20);
    for number in 0..40 {
        matching.arrived(arrived(&format!("select {number}, '{long}'"), number));
    }
    let sizes = matching.recent.iter().map(|one| one.statement.sql.bytes());
    let sum: usize = sizes.sum();
    assert!(
        sum <= RECENT_MAX_BYTES && sum > RECENT_MAX_BYTES / 2,
        "{sum}"
    );
    let last = matching.recent.back().map(|one| one.statement.at);
    assert_eq!(last, Some(at(39)));
    // One alone is remembered however long it is.
    let longest = "x".repeat(RECENT_MAX_BYTES);
    matching.arrived(arrived(&format!("select '{longest}'"), 40));
    assert_eq!(matching.recent.len(), 1);
}

#[test]
fn a_request_that_closes_no_use_has_no_statement_judged_again() {
    let mut matching = Matching::default();
    matching.opened(&opened("u", &["select a from t".to_owned()]), at(0));
    matching.arrived(arrived("select a from t", 10));
    // What another says of it closes nothing; the first result does, as of before the statement; its repetition does not.
    let of = |matching: &mut Matching, owner| {
        let links = matching.results_seen(&returned("u"), Some(owner), at(5));
        links.len()
    };
    assert_eq!(of(&mut matching, 8), 0);
    assert_eq!(of(&mut matching, 7), 1);
    assert_eq!(of(&mut matching, 7), 0);
}

#[test]
fn the_latest_statements_are_judged_again_as_far_as_the_budget_goes() {
    let mut matching = Matching::default();
    let text = |number: usize| format!("select a{number}, '{}' from u", "x".repeat(8 << 10));
    let texts: Vec<String> = (0..64).map(text).collect();
    matching.opened(&opened("u", &texts), at(0));
    let each = matching.calls.bytes();
    let count = AGAIN_MAX_BYTES / each + 8;
    assert!(count < RECENT_MAX, "{count}");
    let ids: Vec<StatementId> = (0..count)
        .map(|_| {
            matching
                .arrived(arrived("select b from v", 10))
                .statement_id
        })
        .collect();
    let links = matching.results_seen(&returned("u"), Some(7), at(5));
    assert!(
        !links.is_empty() && links.len() <= AGAIN_MAX_BYTES / each,
        "{}",
        links.len()
    );
    let again: Vec<StatementId> = links.iter().map(|link| link.statement_id).collect();
    assert!(ids.ends_with(&again));
}
