//! Takes a statement from the SQL API: every member of the request is checked before anything runs.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::answers::SqlError;
use super::super::results::Format;
use super::super::routes::Asked;
use super::super::sessions::{Opening, Session};
use super::super::statements::Statement;
use super::super::{Gate, batch, credential, execution};
use super::answer::{Answer, Nulls};
use super::{Caller, caller, joined};

/// Members of a request's body; the service knows no others.
const MEMBERS: [&str; 8] = [
    "statement",
    "timeout",
    "database",
    "schema",
    "warehouse",
    "role",
    "bindings",
    "parameters",
];

/// Runs a statement and answers with its result, or with its handle if it takes longer or is to run aside.
pub(super) async fn submit(gate: &Arc<Gate>, asked: &Asked) -> Result<Answer, Answer> {
    let caller = caller(gate, asked)?;
    let body = checked(&caller, asked)?;
    let request_id = asked.query("requestId").unwrap_or_default();
    if !request_id.is_empty() && uuid::Uuid::try_parse(&request_id).is_err() {
        return Err(Answer::plain(400, "391903", "requestId is not a UUID."));
    }
    if request_id.is_empty() && asked.query("retry").as_deref() == Some("true") {
        return Err(Answer::plain(400, "391904", "retry needs a requestId."));
    }
    let session = session(gate, &caller, &body).await?;
    let converted = converted(&body);
    let account = &caller.account.name;
    let statement = Statement::new(Arc::clone(&session), &request_id, converted, Format::Json);
    let statement = Arc::new(statement);
    let statement = match joined(gate, account, &statement) {
        Some(earlier) => {
            close(gate, &session).await;
            if body.get("statement").and_then(Value::as_str) != Some(&earlier.sql) {
                let words = "Request id was used before with another statement.";
                return Err(Answer::plain(422, "000611", words));
            }
            earlier
        }
        None => {
            gate.name(&statement);
            let by = if caller.session.is_some() {
                "session"
            } else {
                "bearer"
            };
            let facts = json!({
                "query_id": statement.id, "account": account, "by": by, "request_id": request_id,
                "session": session.id, "database": session.database, "schema": session.schema,
            });
            gate.journal.event("v2_submit", facts);
            start(gate, &statement, &body);
            statement
        }
    };
    let is_async = asked.query("async").as_deref() == Some("true");
    let hold = if is_async {
        0
    } else {
        gate.tuning().poll_after_ms
    };
    Ok(match statement.wait(Duration::from_millis(hold)).await {
        Some(ended) if !is_async => Answer::ended(gate, &statement, &ended, &nulls(asked)),
        Some(_) | None => Answer::running(&statement),
    })
}

/// Tells how a null is written: `nullable=false` asks for the word.
pub(super) fn nulls(asked: &Asked) -> Nulls {
    if asked.query("nullable").as_deref() == Some("false") {
        Nulls::Words
    } else {
        Nulls::Json
    }
}

/// Checks headers and body, and gives the body.
fn checked(caller: &Caller, asked: &Asked) -> Result<Map<String, Value>, Answer> {
    let header = |name: &str| {
        asked
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let is_json = |value: &str| value.split(';').next().map(str::trim) == Some("application/json");
    if !header("content-type").is_some_and(is_json) {
        let words = "Unsupported content type: expected application/json.";
        return Err(Answer::plain(400, "391902", words));
    }
    let Value::Object(body) = &asked.body else {
        return Err(Answer::plain(400, "391901", "The body is no JSON object."));
    };
    if let Some(other) = body.keys().find(|key| !MEMBERS.contains(&key.as_str())) {
        let words = format!("Unknown member `{other}`.");
        return Err(Answer::plain(400, "391901", &words));
    }
    let account = &caller.account;
    let of = |key: &str| body.get(key).and_then(Value::as_str);
    for role in [of("role"), header("x-snowflake-role")]
        .into_iter()
        .flatten()
    {
        credential::role(account, role)
            .map_err(|_| Answer::plain(400, "390186", "Role is not granted to this user."))?;
    }
    let warehouses = [of("warehouse"), header("x-snowflake-warehouse")];
    let granted = account.warehouse.as_deref().unwrap_or_default();
    for warehouse in warehouses.into_iter().flatten() {
        if !warehouse.eq_ignore_ascii_case(granted) {
            let words = "The requested warehouse does not exist or not authorized.";
            return Err(Answer::plain(422, "390201", words));
        }
    }
    if of("statement").is_none_or(|sql| sql.trim().is_empty()) {
        return Err(Answer::plain(400, "000900", "Empty SQL statement."));
    }
    Ok(body.clone())
}

/// Opens a session for one statement: the SQL API has none that lasts (recorded).
async fn session(
    gate: &Gate,
    caller: &Caller,
    body: &Map<String, Value>,
) -> Result<Arc<Session>, Answer> {
    let own = caller.session.as_ref();
    let named = |key: &str, own: Option<&String>, default: &str| {
        let asked = body.get(key).and_then(Value::as_str);
        let found = asked.or(own.map(String::as_str)).unwrap_or(default);
        found.trim_matches('"').to_owned()
    };
    let database = named("database", own.map(|s| &s.database), "ACME_DB");
    let schema = named("schema", own.map(|s| &s.schema), "PUBLIC");
    let backend = gate.fakesnow.login(&database, &schema).await;
    let backend_token = backend.map_err(|error| {
        let words = format!("SQL execution internal error: {error:#}");
        Answer::plain(500, "000603", &words)
    })?;
    let opening = Opening {
        backend_token,
        account: caller.account.clone(),
        application: "SQL API".into(),
        database,
        schema,
    };
    Ok(opening.session())
}

/// Writes a request of the SQL API as v1 writes it.
fn converted(body: &Map<String, Value>) -> Value {
    let of = |key: &str| body.get(key).cloned().unwrap_or_default();
    let parameters = match body.get("parameters").and_then(Value::as_object) {
        None => Value::Null,
        Some(all) => all
            .iter()
            .map(|(name, value)| (name.to_ascii_uppercase(), value.clone()))
            .collect(),
    };
    json!({"sqlText": of("statement"), "bindings": of("bindings"), "parameters": parameters})
}

/// Runs a statement in a task of its own, with its time limit, and closes its session after it.
fn start(gate: &Arc<Gate>, statement: &Arc<Statement>, body: &Map<String, Value>) {
    if let Some(command) = unsupported(&statement.sql) {
        let words = format!("Command not supported by SQL API: {command}");
        statement.end(Err(Arc::new(SqlError::new("391911", "0A000", &words))));
        return;
    }
    let limit = body
        .get("timeout")
        .and_then(Value::as_u64)
        .filter(|n| *n > 0);
    let (gate, statement) = (Arc::clone(gate), Arc::clone(statement));
    crate::emulator::spawn("statement of the SQL API", async move {
        let run = execution::run(Arc::clone(&gate), Arc::clone(&statement));
        let limit = Duration::from_secs(limit.unwrap_or(7 * 24 * 3600));
        if tokio::time::timeout(limit, run).await.is_err() {
            let words = format!(
                "Statement reached its statement or warehouse timeout of {} second(s) and was canceled.",
                limit.as_secs()
            );
            statement.end(Err(Arc::new(SqlError::new("000630", "57014", &words))));
        }
        close(&gate, &statement.session).await;
    });
}

async fn close(gate: &Gate, session: &Session) {
    // fakesnow forgets its sessions when it ends; a failure here loses nothing.
    drop(gate.fakesnow.close(&session.backend_token).await);
}

/// Names the command that the SQL API refuses when it stands alone: what would only matter to a session, and files.
fn unsupported(sql: &str) -> Option<&'static str> {
    if batch::count(sql) != 1 {
        return None;
    }
    let word = sql.split_whitespace().next().unwrap_or_default();
    match word.trim_end_matches(';').to_ascii_lowercase().as_str() {
        "begin" | "start" => Some("TRANSACTION_BEGIN"),
        "commit" => Some("TRANSACTION_COMMIT"),
        "rollback" => Some("TRANSACTION_ROLLBACK"),
        "use" => Some("USE"),
        "put" => Some("PUT"),
        "get" => Some("GET"),
        _ => None,
    }
}
