//! Runs a statement to its end: counted, in its session's turn, by the gate itself or by fakesnow.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Gate;
use super::answers::SqlError;
use super::batch;
use super::own;
use super::results::{Format, Key, Outcome, Table};
use super::standing;
use super::statements::{Ended, Statement};

/// `statementTypeId` of a query. Source: reference protocol 4.2.
pub(super) const SELECT: i64 = 0x1000;
/// `statementTypeId` of what changes a session in no way of its own: the range that `SET` is in. Source: the same.
const SESSION: i64 = 0x4000;

/// Runs a statement to its end, in the order in which its session sent it.
pub(super) async fn run(gate: Arc<Gate>, statement: Arc<Statement>) {
    let ended = tokio::select! {
        ended = execute(&gate, &statement) => ended,
        () = statement.until_cancelled() => cancelled(&gate, &statement),
    };
    for child in statement.children() {
        // Those that ended keep their end.
        child.end(Err(Arc::new(SqlError::cancelled())));
    }
    statement.end(ended);
}

/// Ends a statement that someone cancelled.
pub(super) fn cancelled(gate: &Gate, statement: &Statement) -> Ended {
    let facts = json!({"query_id": statement.id, "sql": statement.sql});
    gate.journal.event("cancelled", facts);
    Err(Arc::new(SqlError::cancelled()))
}

async fn execute(gate: &Arc<Gate>, statement: &Arc<Statement>) -> Ended {
    let parts = batch::counted(statement).map_err(Arc::new)?;
    let _turn = statement.session.queue.lock().await;
    if parts.len() > 1 {
        return batch::run(gate, statement, &parts).await;
    }
    one(gate, statement).await
}

/// Runs one statement in its session's turn.
pub(super) async fn one(gate: &Gate, statement: &Statement) -> Ended {
    gate.journal.event(
        "executed",
        json!({
            "query_id": statement.id, "session": statement.session.id, "sql": statement.sql,
            "describe_only": statement.body.get("describeOnly"), "bindings": statement.body.get("bindings"),
            "parent": statement.parent, "tag": standing::tag_of(gate, statement),
        }),
    );
    if let Some(ended) = own::run(gate, statement).await {
        return ended;
    }
    let backend = &statement.session.backend_token;
    match gate.fakesnow.query(backend, &statement.body).await {
        Ok(answer) => dress(statement, answer),
        Err(error) => Err(SqlError::internal(&format!("{error:#}"))),
    }
    .map_err(Arc::new)
}

/// Adds to fakesnow's answer what current drivers require (reference testbed, section A).
fn dress(statement: &Statement, mut answer: Value) -> Result<Arc<Outcome>, SqlError> {
    if answer.get("success") != Some(&Value::Bool(true)) {
        let text = |at: &str| answer.pointer(at).and_then(Value::as_str);
        return Err(SqlError {
            code: text("/code").unwrap_or("000603").into(),
            sql_state: text("/data/sqlState").unwrap_or("42000").into(),
            message: text("/message").unwrap_or_default().into(),
        });
    }
    let data = answer.get_mut("data").map(Value::take).unwrap_or_default();
    let Value::Object(mut data) = data else {
        return Err(SqlError::internal("fakesnow gave no data"));
    };
    let table = Table::take(&mut data).map_err(|words| SqlError::internal(&words))?;
    if data.get("statementTypeId") == Some(&json!(0)) {
        if is_query(&statement.sql) {
            // fakesnow knows a query by its outermost SELECT alone, not `WITH`, `VALUES` or a union.
            data.insert("statementTypeId".into(), json!(SELECT));
        } else if begins(&statement.sql, &["set ", "unset "]) {
            data.insert("statementTypeId".into(), json!(SESSION));
        }
    }
    let outcome = outcome(statement, data, Arc::new(table));
    let told = |name: &str| {
        outcome
            .data
            .get(name)
            .filter(|name| !name.is_null())
            .cloned()
    };
    let place = told("finalDatabaseName").zip(told("finalSchemaName"));
    statement.session.note(&statement.sql, place);
    Ok(outcome)
}

/// Makes the outcome of a statement from the members that differ from one to the next.
#[must_use]
pub(super) fn outcome(
    statement: &Statement,
    mut data: Map<String, Value>,
    table: Arc<Table>,
) -> Arc<Outcome> {
    let session = &statement.session;
    let binds = statement.body.get("bindings").and_then(Value::as_object);
    let added = [
        ("version", json!(1)),
        ("sqlState", Value::Null),
        ("databaseProvider", Value::Null),
        ("finalRoleName", json!(session.account.role)),
        ("finalWarehouseName", json!(session.account.warehouse)),
        ("numberOfBinds", json!(binds.map_or(0, Map::len))),
        (
            "queryContext",
            json!({"entries": [{"id": 0, "timestamp": 1_748_552_075_465_658_u64, "priority": 0, "context": "CPDYGw=="}]}),
        ),
    ];
    for (key, value) in added {
        data.insert(key.into(), value);
    }
    data.entry("parameters").or_insert_with(parameters);
    for (key, value) in [
        ("finalDatabaseName", &session.database),
        ("finalSchemaName", &session.schema),
    ] {
        data.entry(key).or_insert_with(|| json!(value));
    }
    data.entry("arrayBindSupported").or_insert(json!(false));
    // All but queries is JSON for every driver (reference protocol 5.1).
    let is_query = data.get("statementTypeId") == Some(&json!(SELECT));
    let format = if is_query && table.is_arrow() {
        statement.format
    } else {
        Format::Json
    };
    Arc::new(Outcome {
        data,
        table,
        format,
        key: Key::make(),
    })
}

/// Gives the parameters by which drivers show values: an account's own, with all digits of times.
fn parameters() -> Value {
    let date = "YYYY-MM-DD";
    let all = [
        ("TIMEZONE", "Etc/UTC".to_owned()),
        ("BINARY_OUTPUT_FORMAT", "HEX".to_owned()),
        ("DATE_OUTPUT_FORMAT", date.to_owned()),
        ("TIME_OUTPUT_FORMAT", "HH24:MI:SS.FF9".to_owned()),
        (
            "TIMESTAMP_OUTPUT_FORMAT",
            format!("{date} HH24:MI:SS.FF9 TZHTZM"),
        ),
    ];
    let all = all.map(|(name, value)| json!({"name": name, "value": value}));
    json!(all)
}

fn is_query(sql: &str) -> bool {
    begins(sql, &["select", "with", "values", "("])
}

fn begins(sql: &str, words: &[&str]) -> bool {
    let sql = sql.trim_start().to_ascii_lowercase();
    words.iter().any(|word| sql.starts_with(word))
}
