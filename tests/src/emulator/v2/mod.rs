//! The SQL API: `/api/v2/statements`, with real HTTP statuses and a session of its own for each statement.
//!
//! Codes and statuses are those recorded against the service in 2026, where they are known; else the API's reference.

mod answer;
mod submit;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::answers::{self, Refusal};
use super::routes::{Asked, Endpoint};
use super::sessions::Session;
use super::settings::Account;
use super::statements::Statement;
use super::{Gate, credential};

pub(super) use answer::Answer;

/// Statements by account and request id, so that a replay joins.
pub(super) type Requests = Mutex<HashMap<(String, String), Arc<Statement>>>;

/// Answers one request of the SQL API.
pub(super) async fn answer(gate: &Arc<Gate>, endpoint: Endpoint, asked: &Asked) -> Answer {
    let answered = if endpoint == Endpoint::V2Submit {
        submit::submit(gate, asked).await
    } else if endpoint == Endpoint::V2Cancel {
        cancel(gate, asked).await
    } else {
        status(gate, asked)
    };
    answered.unwrap_or_else(|answer| answer)
}

/// Who asks: an account's user, and the session whose token was shown, if it was one.
struct Caller {
    account: Account,
    session: Option<Arc<Session>>,
}

/// Tells who asks, by a session's token or by a bearer token that is checked like a login's.
fn caller(gate: &Gate, asked: &Asked) -> Result<Caller, Answer> {
    let account = gate
        .account(asked.host())
        .ok_or_else(|| Answer::plain(403, "390201", "The account is unknown."))?;
    if asked.headers.get("user-agent").is_none() {
        return Err(Answer::plain(
            400,
            "391900",
            "User-Agent header is missing.",
        ));
    }
    let header = asked.headers.get("authorization");
    let header = header.and_then(|value| value.to_str().ok());
    let Some(header) = header else {
        return Err(Answer::plain(
            400,
            "390146",
            "Missing or invalid authorization token.",
        ));
    };
    if header.starts_with("Snowflake ") {
        let session = asked.token().and_then(|token| gate.sessions.session(token));
        let session = session.map_err(|refusal| denied(gate, refusal, "session token"))?;
        if session.account.name != account.name {
            return Err(denied(
                gate,
                answers::TOKEN_UNKNOWN,
                "another account's token",
            ));
        }
        return Ok(Caller {
            account: session.account.clone(),
            session: Some(session),
        });
    }
    let token = header.strip_prefix("Bearer ").unwrap_or_default();
    let kind = asked.headers.get("x-snowflake-authorization-token-type");
    let kind = kind.and_then(|value| value.to_str().ok());
    credential::bearer(&account, token, kind)
        .map_err(|wrong| denied(gate, wrong.refusal, &wrong.why))?;
    gate.journal.canary("bearer_token", token);
    Ok(Caller {
        account,
        session: None,
    })
}

fn denied(gate: &Gate, refusal: Refusal, why: &str) -> Answer {
    gate.journal.event("v2_refused", json!({"why": why}));
    Answer::plain(401, refusal.code, refusal.message)
}

/// Finds the statement of a handle; the caller's account must have sent it.
fn statement(gate: &Gate, asked: &Asked) -> Result<Arc<Statement>, Answer> {
    let caller = caller(gate, asked)?;
    let handle = asked.handle().unwrap_or_default();
    let found = gate.by_id(handle);
    found
        .filter(|statement| statement.session.account.name == caller.account.name)
        .ok_or_else(|| {
            let words = format!("Statement {handle} not found");
            Answer::plain(400, "000709", &words)
        })
}

fn status(gate: &Gate, asked: &Asked) -> Result<Answer, Answer> {
    let statement = statement(gate, asked)?;
    let Some(ended) = statement.ended() else {
        return Ok(Answer::running(&statement));
    };
    match asked.query("partition") {
        None => Ok(Answer::ended(
            gate,
            &statement,
            &ended,
            &submit::nulls(asked),
        )),
        Some(text) => {
            let outcome = ended.map_err(|error| Answer::failure(&statement, &error))?;
            let partition = text.parse().ok();
            Ok(Answer::partition(
                gate,
                &statement,
                &outcome,
                partition,
                &submit::nulls(asked),
            ))
        }
    }
}

/// Cancels; a statement that has ended is answered like one that is stopped.
async fn cancel(gate: &Gate, asked: &Asked) -> Result<Answer, Answer> {
    let statement = statement(gate, asked)?;
    if statement.cancel() {
        // The answer says that it is cancelled, so it is.
        drop(statement.wait(Duration::from_secs(10)).await);
    }
    Ok(Answer::cancelled(&statement))
}

/// Notes a statement under its request id, or gives the one that is there.
fn joined(gate: &Gate, account: &str, statement: &Arc<Statement>) -> Option<Arc<Statement>> {
    let key = (account.to_owned(), statement.request_id.clone());
    if key.1.is_empty() {
        return None;
    }
    let mut requests = gate.v2.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(earlier) = requests.get(&key) {
        let facts = json!({"query_id": earlier.id, "request_id": key.1});
        gate.journal.event("replay", facts);
        return Some(Arc::clone(earlier));
    }
    requests.insert(key, Arc::clone(statement));
    None
}
