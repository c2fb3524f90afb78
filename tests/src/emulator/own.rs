//! Statements that the gate runs itself, because fakesnow knows them not at all or not well.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Gate;
use super::answers::SqlError;
use super::catalogue;
use super::execution::{self, SELECT};
use super::mcp;
use super::results::{Outcome, Pieces, Table};
use super::stages;
use super::standing;
use super::statements::{Ended, Statement};

/// `statementTypeId` of `ALTER SESSION`. Source: reference protocol 4.2.
const ALTER_SESSION: i64 = 0x4100;
/// Longest wait for an earlier statement whose rows are scanned.
const SCAN_MAX: Duration = Duration::from_secs(600);

/// Runs a statement that is the gate's own; `None` if it is none.
pub(super) async fn run(gate: &Gate, statement: &Statement) -> Option<Ended> {
    let sql = statement.sql.trim().trim_end_matches(';').trim_end();
    if let Some(seconds) = seconds_to_wait(sql) {
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        let name = format!("SYSTEM$WAIT({seconds})");
        let row = vec![json!(format!("waited {seconds} seconds"))];
        return Some(Ok(made(statement, SELECT, &name, row, Map::new())));
    }
    if let Some(id) = scanned(sql) {
        return Some(scan(gate, statement, id).await);
    }
    if let Some(ended) = catalogue::run(gate, statement, sql) {
        return Some(ended);
    }
    if let Some((path, pieces)) = planted(gate, sql) {
        let rows = if statement.is_describe_only() {
            Arc::new(pieces.described())
        } else {
            pieces
        };
        let data = Map::from_iter([("statementTypeId".to_owned(), json!(SELECT))]);
        let table = Arc::new(Table::planted(&path, rows));
        return Some(Ok(execution::outcome(statement, data, table)));
    }
    if let Some(ended) = mcp::run(statement, sql) {
        return Some(ended);
    }
    if let Some(ended) = standing::run(gate, statement, sql) {
        return Some(ended);
    }
    if let Some(ended) = stages::run(gate, statement, sql) {
        return Some(ended);
    }
    let set = assignments(sql)?;
    let mut changed = Vec::new();
    for (name, value) in set {
        changed.push(json!({"name": name, "value": value}));
        statement.session.set_parameter(&name, value);
    }
    let data = Map::from_iter([("parameters".to_owned(), json!(changed))]);
    let row = vec![json!("Statement executed successfully.")];
    Some(Ok(made(statement, ALTER_SESSION, "status", row, data)))
}

fn made(
    statement: &Statement,
    type_id: i64,
    column: &str,
    row: Vec<Value>,
    mut data: Map<String, Value>,
) -> Arc<Outcome> {
    data.insert("statementTypeId".into(), json!(type_id));
    let table = Arc::new(Table::texts(&[column], vec![row]));
    execution::outcome(statement, data, table)
}

/// Finds the planted table of which a text asks for all: `SELECT * FROM name`, with its database and schema or without.
fn planted(gate: &Gate, sql: &str) -> Option<([String; 3], Arc<Pieces>)> {
    let sql = sql.to_ascii_uppercase();
    let name = sql.strip_prefix("SELECT * FROM ")?.trim();
    let tables = gate.planted.lock().unwrap_or_else(PoisonError::into_inner);
    let mut tables = tables.iter();
    let (path, pieces) = tables.find(|(path, _)| *name == path.join(".") || *name == path[2])?;
    Some((path.clone(), Arc::clone(pieces)))
}

/// Gives an earlier statement's rows, as `RESULT_SCAN` does.
async fn scan(gate: &Gate, statement: &Statement, id: &str) -> Ended {
    let earlier = gate.by_id(id);
    let ended = match &earlier {
        Some(earlier) => earlier.wait(SCAN_MAX).await,
        None => None,
    };
    let unknown = || {
        let words = format!("Statement {id} not found");
        Err(Arc::new(SqlError::new("000709", "02000", &words)))
    };
    let table = Arc::clone(&ended.unwrap_or_else(unknown)?.table);
    let data = Map::from_iter([("statementTypeId".to_owned(), json!(SELECT))]);
    Ok(execution::outcome(statement, data, table))
}

/// Reads `SELECT * FROM WAIT_<n>_SECONDS`, `SELECT SYSTEM$WAIT(n)` and `CALL SYSTEM$WAIT(n)`, which the gate runs itself.
///
/// The first is a query to whoever judges it; the function is a call.
fn seconds_to_wait(sql: &str) -> Option<f64> {
    let sql = sql.trim().to_ascii_lowercase();
    if let Some(table) = sql.strip_prefix("select * from wait_") {
        return table.strip_suffix("_seconds")?.parse().ok();
    }
    let call = sql.strip_prefix("select").or(sql.strip_prefix("call"))?;
    let (number, _) = call.trim().strip_prefix("system$wait(")?.split_once(')')?;
    number
        .trim()
        .parse()
        .ok()
        .filter(|n| (0.0..=600.0).contains(n))
}

/// Reads the query id of `select * from table(result_scan('<id>'))`, by which drivers fetch a result again.
fn scanned(sql: &str) -> Option<&str> {
    let (start, rest) = sql.split_once("result_scan('")?;
    let (id, _) = rest.split_once('\'')?;
    start.trim_start().starts_with("select").then_some(id)
}

/// Reads `ALTER SESSION SET a = 1 b = 'x'` and `ALTER SESSION UNSET a`; null takes a parameter away.
///
/// `AUTOCOMMIT` is fakesnow's: it changes what a transaction is.
fn assignments(sql: &str) -> Option<Vec<(String, Value)>> {
    let words: Vec<&str> = sql.splitn(4, char::is_whitespace).collect();
    let [alter, session, verb, rest] = words.as_slice() else {
        return None;
    };
    if !alter.eq_ignore_ascii_case("alter") || !session.eq_ignore_ascii_case("session") {
        return None;
    }
    let found = if verb.eq_ignore_ascii_case("set") {
        values(rest)?
    } else if verb.eq_ignore_ascii_case("unset") {
        vec![(name(rest.trim())?, Value::Null)]
    } else {
        return None;
    };
    let is_autocommit = found.iter().any(|(name, _)| name == "AUTOCOMMIT");
    (!is_autocommit).then_some(found)
}

fn values(text: &str) -> Option<Vec<(String, Value)>> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (left, right) = rest.split_once('=')?;
        let right = right.trim_start();
        let (value, after) = match right.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'')?,
            None => right
                .split_once(|c: char| c.is_whitespace() || c == ',')
                .unwrap_or((right, "")),
        };
        found.push((name(left.trim())?, json!(value)));
        rest = after.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
    }
    (!found.is_empty()).then_some(found)
}

fn name(text: &str) -> Option<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!text.is_empty() && text.chars().all(is_name)).then(|| text.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_wait_function_is_run_by_the_gate() {
        assert_eq!(seconds_to_wait("SELECT SYSTEM$WAIT(2.5)"), Some(2.5));
        assert_eq!(seconds_to_wait("call system$wait( 3 )"), Some(3.0));
        assert_eq!(seconds_to_wait("select * from wait_7_seconds"), Some(7.0));
        assert_eq!(seconds_to_wait("select * from wait_x_seconds"), None);
        assert_eq!(seconds_to_wait("select 1"), None);
        assert_eq!(seconds_to_wait("select system$wait(x)"), None);
    }

    #[test]
    fn session_parameters_are_read_from_their_statement() {
        let set = |name: &str, value: Value| (name.to_owned(), value);
        assert_eq!(
            assignments("alter session set query_tag = 'a b' MULTI_STATEMENT_COUNT=5"),
            Some(vec![
                set("QUERY_TAG", json!("a b")),
                set("MULTI_STATEMENT_COUNT", json!("5"))
            ])
        );
        let unset = assignments("ALTER SESSION UNSET query_tag");
        assert_eq!(unset, Some(vec![set("QUERY_TAG", Value::Null)]));
        assert_eq!(assignments("alter session set autocommit = false"), None);
        assert_eq!(assignments("alter session set"), None);
        assert_eq!(assignments("alter table t add c int"), None);
    }
}
