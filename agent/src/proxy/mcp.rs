//! Snowflake's own MCP servers: their tools run SQL that no text of the request shows, so they are refused as a whole.
//!
//! Source: Snowflake's reference, "Snowflake-managed MCP server"; the answer's form is JSON-RPC 2.0, section 5, which MCP's
//! HTTP transport carries under status 200, so that a client shows it beside the call.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::body::Plain;
use super::door::{Door, Received};
use crate::snowflake::answer::{Body, code};

/// What is told instead of the tools.
const TEXT: &str = "Snowflake's own MCP servers are not carried, since their tools run what no statement shows; ask by \
    SQL, through a driver or `/api/v2/statements`";

/// First of the numbers that are free for a server's own errors (JSON-RPC 2.0, section 5.1).
const REFUSED: i64 = -32_000;

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

impl Door {
    /// Refuses a call, and tells it under the call's own id.
    pub(super) async fn refuse_mcp(&self, received: &Received, plain: Plain) -> Body {
        let id = call_id(&plain);
        drop(plain);
        self.note_refusal(TEXT, json!({ "path": received.path }))
            .await;
        Body::ok(refusal(&id).to_string().into())
    }
}

fn refusal(id: &Value) -> Value {
    let message = format!("Icecore refused this request: {TEXT}");
    let error = json!({ "code": REFUSED, "message": message, "data": { "code": code::REFUSED } });
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
}

/// Reads the id of a call: a text or a number, else null.
fn call_id(body: &[u8]) -> Value {
    let call: Option<Call<'_>> = serde_json::from_slice(body).ok();
    let id = call.and_then(|call| serde_json::from_str(call.id?.get()).ok());
    id.filter(|id: &Value| id.is_string() || id.is_number())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_refused_under_its_own_id() {
        let id = |body: &str| refusal(&call_id(body.as_bytes()))["id"].clone();
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call"}"#), 7);
        assert_eq!(id(r#"{"id":"a-1","method":"tools/list"}"#), "a-1");
        for other in [
            r#"{"method":"notifications/initialized"}"#,
            r#"{"id":{}}"#,
            "[]",
            "x",
            "",
        ] {
            assert_eq!(id(other), Value::Null, "{other}");
        }
    }
}
