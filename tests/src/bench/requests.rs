//! The requests of the load, in the form in which Snowflake's Python connector 4.8 sends them.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use uuid::Uuid;

/// Name of the governed account.
pub(super) const HOST: &str = "acme.snowflakecomputing.com";

/// Statements as analysts, dashboards and agents write them, ended by `;` and a line break.
const CORPUS: &str = include_str!("corpus.sql");

/// What the load asks again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Ask {
    /// A heartbeat: the smallest request with a token, no SQL.
    Heartbeat,
    /// The next statement of the corpus, under a request id of its own.
    Query,
}

/// Makes requests, each with ids of its own.
#[derive(Debug)]
pub(super) struct Requests {
    ask: Ask,
    token: String,
    bodies: Vec<String>,
    made: usize,
    id: u128,
}

impl Requests {
    pub(super) fn new(ask: Ask, token: String) -> Self {
        Self {
            ask,
            token,
            bodies: CORPUS.split(";\n").filter_map(body).collect(),
            made: 0,
            id: Uuid::new_v4().as_u128(),
        }
    }

    /// Writes the next request into `out`, in the place of what it held.
    pub(super) fn next(&mut self, out: &mut Vec<u8>) {
        self.id = self.id.wrapping_add(1);
        let id = Uuid::from_u128(self.id);
        let (path, body) = match self.ask {
            Ask::Heartbeat => ("session/heartbeat", ""),
            Ask::Query => {
                let body = self.bodies.get(self.made % self.bodies.len().max(1));
                self.made += 1;
                ("queries/v1/query-request", body.map_or("", String::as_str))
            }
        };
        out.clear();
        let head = format!(
            "POST /{path}?requestId={id}&request_guid={id} HTTP/1.1\r\nHost: {HOST}\r\n\
             User-Agent: PythonConnector/4.8.0 (Linux-6.1.0-x86_64-with-glibc2.36) CPython/3.11.2\r\n\
             Accept-Encoding: gzip, deflate\r\nAccept: application/snowflake\r\nConnection: keep-alive\r\n\
             Content-Type: application/json\r\nCLIENT_APP_ID: PythonConnector\r\nCLIENT_APP_VERSION: 4.8.0\r\n\
             Authorization: Snowflake Token=\"{}\"\r\nContent-Length: {}\r\n\r\n",
            self.token,
            body.len()
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(body.as_bytes());
    }
}

/// Writes a statement as the body of a request.
fn body(sql: &str) -> Option<String> {
    let sql = sql.trim();
    let body = json!({
        "sqlText": sql, "asyncExec": false, "sequenceId": 7, "querySubmissionTime": 1_760_000_000_000_u64,
        "describeOnly": false, "parameters": {"QUERY_TAG": "nightly-report"},
        "queryContextDTO": {"entries": [{"id": 0, "timestamp": 1_760_000_000_000_000_u64, "priority": 0, "context": ""}]},
    });
    (!sql.is_empty()).then(|| body.to_string())
}

/// Writes a login as the connector sends it; the password is worth nothing.
pub(super) fn login() -> Vec<u8> {
    let body = json!({"data": {
        "CLIENT_APP_ID": "PythonConnector", "CLIENT_APP_VERSION": "4.8.0", "ACCOUNT_NAME": "acme",
        "LOGIN_NAME": "agent", "PASSWORD": "dummy",
        "SESSION_PARAMETERS": {"CLIENT_PREFETCH_THREADS": 4},
        "CLIENT_ENVIRONMENT": {"APPLICATION": "icecore-bench", "OS": "Linux", "PYTHON_VERSION": "3.11.2"},
    }})
    .to_string();
    let id = Uuid::new_v4();
    format!(
        "POST /session/v1/login-request?request_id={id}&databaseName=ACME_DB&schemaName=PUBLIC HTTP/1.1\r\n\
         Host: {HOST}\r\nUser-Agent: PythonConnector/4.8.0\r\nAccept: application/json\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Reads the session token that a login gave.
pub(super) fn token(answer: &[u8]) -> Result<String> {
    let answer: Value = serde_json::from_slice(answer).context("the login's answer")?;
    match answer.pointer("/data/token").and_then(Value::as_str) {
        Some(token) => Ok(token.to_owned()),
        None => bail!("the login was not granted: {answer}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_about_a_kilobyte_and_no_two_are_the_same() {
        let mut requests = Requests::new(Ask::Query, "t".repeat(50));
        let count = requests.bodies.len();
        assert!(count >= 24, "{count}");
        let (mut out, mut total) = (Vec::new(), 0);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..count * 2 {
            requests.next(&mut out);
            total += out.len();
            assert!(seen.insert(out.clone()));
        }
        let mean = total / (count * 2);
        assert!((900..1300).contains(&mean), "{mean}");
    }
}
