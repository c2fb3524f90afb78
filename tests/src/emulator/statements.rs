//! The life of one statement at the gate: queued, executed once, waited for, cancelled.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use super::Gate;
use super::answers;
use super::sessions::Session;

/// One statement: what was asked, and its answer once there is one.
#[derive(Debug)]
pub(super) struct Statement {
    /// Snowflake's query id, a UUID.
    pub(super) id: String,
    /// The session that sent it.
    pub(super) session_id: u64,
    /// The exact text.
    pub(super) sql: String,
    /// Whether the driver asked to come back later.
    pub(super) is_async: bool,
    answer: watch::Sender<Option<Arc<Value>>>,
    cancelled: watch::Sender<bool>,
}

impl Statement {
    /// Takes a request's body as a statement that nobody has run.
    #[must_use]
    pub(super) fn new(session_id: u64, body: &Value) -> Self {
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            session_id,
            sql: body
                .get("sqlText")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            is_async: body.get("asyncExec") == Some(&Value::Bool(true)),
            answer: watch::Sender::new(None),
            cancelled: watch::Sender::new(false),
        }
    }

    /// Waits for the answer, but not longer than `at_most`.
    pub(super) async fn wait(&self, at_most: Duration) -> Option<Arc<Value>> {
        let mut answer = self.answer.subscribe();
        let ready = timeout(at_most, answer.wait_for(Option::is_some)).await;
        ready.ok()?.ok()?.clone()
    }

    /// Waits for the answer and gives it under another query id, as `RESULT_SCAN` does.
    async fn answer_of(&self, query_id: &str) -> Value {
        let answer = self.wait(Duration::from_secs(600)).await;
        let mut answer = answer.map_or(Value::Null, |answer| answer.as_ref().clone());
        if let Some(data) = answer.get_mut("data").and_then(Value::as_object_mut) {
            data.insert("queryId".into(), json!(query_id));
        }
        answer
    }

    /// Asks a running statement to stop; false if it has its answer already.
    pub(super) fn cancel(&self) -> bool {
        let running = self.answer.borrow().is_none();
        self.cancelled.send_replace(true);
        running
    }

    /// Tells the state by the names that drivers know.
    #[must_use]
    pub(super) fn status(&self) -> &'static str {
        let answer = self.answer.borrow();
        let Some(body) = answer.as_ref() else {
            return "RUNNING";
        };
        if *self.cancelled.borrow() {
            "ABORTED"
        } else if body.get("success") == Some(&Value::Bool(true)) {
            "SUCCESS"
        } else {
            "FAILED_WITH_ERROR"
        }
    }
}

/// Runs a statement to its end, in the order in which its session sent it.
pub(super) async fn run(
    gate: Arc<Gate>,
    session: Arc<Session>,
    statement: Arc<Statement>,
    body: Value,
) {
    let mut cancelled = statement.cancelled.subscribe();
    let answer = tokio::select! {
        answer = execute(&gate, &session, &statement, &body) => answer,
        _ = cancelled.wait_for(|asked| *asked) => {
            gate.journal.event("cancelled", json!({"query_id": statement.id, "sql": statement.sql}));
            answers::sql_error(&statement.id, "000604", "57014", "SQL execution canceled")
        }
    };
    statement.answer.send_replace(Some(Arc::new(answer)));
}

async fn execute(gate: &Gate, session: &Session, statement: &Statement, body: &Value) -> Value {
    let _turn = session.queue.lock().await;
    gate.journal.event(
        "executed",
        json!({
            "query_id": statement.id, "session": session.id, "sql": statement.sql,
            "describe_only": body.get("describeOnly"), "bindings": body.get("bindings"),
        }),
    );
    if let Some(seconds) = seconds_to_wait(&statement.sql) {
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        return dress(gate, statement, body, waited(seconds));
    }
    if let Some(id) = scanned(&statement.sql) {
        return match gate.by_id(id) {
            Some(earlier) => earlier.answer_of(&statement.id).await,
            None => answers::sql_error(&statement.id, "000709", "02000", "Statement not found"),
        };
    }
    match gate.fakesnow.query(&session.backend_token, body).await {
        Ok(answer) => dress(gate, statement, body, answer),
        Err(error) => answers::sql_error(
            &statement.id,
            "000603",
            "XX000",
            &format!("SQL execution internal error: {error:#}"),
        ),
    }
}

/// Adds to fakesnow's answer what current drivers require (reference testbed, section A).
fn dress(gate: &Gate, statement: &Statement, body: &Value, mut answer: Value) -> Value {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    if answer.get("success") != Some(&Value::Bool(true)) {
        let state = answer.pointer("/data/sqlState").and_then(Value::as_str);
        let (code, state) = (text("code"), state.unwrap_or("42000"));
        return answers::sql_error(&statement.id, code, state, text("message"));
    }
    let account = &gate.settings.account;
    let binds = body.get("bindings").and_then(Value::as_object);
    if let Some(data) = answer.get_mut("data").and_then(Value::as_object_mut) {
        let total = data.get("total").cloned().unwrap_or(json!(0));
        let added = [
            ("queryId", json!(statement.id)),
            ("returned", total),
            ("version", json!(1)),
            ("sqlState", Value::Null),
            ("databaseProvider", Value::Null),
            ("finalRoleName", json!(account.role)),
            ("finalWarehouseName", json!(account.warehouse)),
            (
                "numberOfBinds",
                json!(binds.map_or(0, serde_json::Map::len)),
            ),
            (
                "sendResultTime",
                json!(crate::time::since_epoch().as_millis()),
            ),
            (
                "queryContext",
                json!({"entries": [{"id": 0, "timestamp": 1_748_552_075_465_658_u64, "priority": 0, "context": "CPDYGw=="}]}),
            ),
        ];
        for (key, value) in added {
            data.insert(key.into(), value);
        }
        data.entry("arrayBindSupported").or_insert(json!(false));
    }
    let data = answer.get("data").cloned().unwrap_or_default();
    answers::success(data)
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

fn waited(seconds: f64) -> Value {
    answers::success(json!({
        "parameters": [],
        "rowtype": [{
            "name": format!("SYSTEM$WAIT({seconds})"), "database": "", "schema": "", "table": "", "type": "text",
            "nullable": true, "length": 16_777_216, "byteLength": 16_777_216, "precision": null, "scale": null,
            "collation": null,
        }],
        "rowset": [[format!("waited {seconds} seconds")]],
        "total": 1, "statementTypeId": 4096, "queryResultFormat": "json",
        "finalDatabaseName": null, "finalSchemaName": null,
    }))
}

#[cfg(test)]
mod tests {
    use super::seconds_to_wait;

    #[test]
    fn only_the_wait_function_is_run_by_the_gate() {
        assert_eq!(seconds_to_wait("SELECT SYSTEM$WAIT(2.5)"), Some(2.5));
        assert_eq!(seconds_to_wait("call system$wait( 3 )"), Some(3.0));
        assert_eq!(seconds_to_wait("select * from wait_7_seconds"), Some(7.0));
        assert_eq!(seconds_to_wait("select * from wait_x_seconds"), None);
        assert_eq!(seconds_to_wait("select 1"), None);
        assert_eq!(seconds_to_wait("select system$wait(x)"), None);
    }
}
