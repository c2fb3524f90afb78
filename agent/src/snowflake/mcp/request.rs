//! A call of an MCP server: one JSON-RPC request or notification, read strictly.

use serde_json::value::RawValue;

use super::super::json::{self, Object};

/// Longest text that names a call, in bytes; clients count, or write a UUID.
const ID_MAX_BYTES: usize = 128;

/// Members of a request. Source: JSON-RPC 2.0 section 4.
const MEMBERS: [&str; 4] = ["jsonrpc", "id", "method", "params"];

/// Parameters of `tools/call` that change nothing of what runs. Source: MCP 2025-11-25, "Tools", and "_meta".
const CALL: [&str; 3] = ["name", "arguments", "_meta"];

/// The argument that holds the statement. Source: `inputSchema` of a tool of type `SYSTEM_EXECUTE_SQL`, as recorded.
const SQL: &str = "sql";

/// Why a call was not taken.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The body is not JSON that every parser reads the same way.
    #[error("request body: {0}")]
    Json(#[from] serde_json::Error),
    /// Several calls at once.
    #[error("request body: expected one call, found a list of them; send each by itself")]
    Batch,
    /// A member that Icecore does not know.
    #[error("request body: member `{0}` is not one of a JSON-RPC 2.0 request")]
    UnknownMember(String),
    /// A known member of another shape.
    #[error("request body: member `{member}`: expected {expected}")]
    Shape {
        /// The member's name.
        member: &'static str,
        /// What it should have been.
        expected: &'static str,
    },
    /// A parameter of a call that Icecore does not know.
    #[error(
        "`params`: `{0}` is not a parameter of `tools/call` that Icecore lets through; leave it out"
    )]
    UnknownParameter(String),
    /// Another argument than the statement.
    #[error("`params.arguments`: expected `sql` alone, a string with one statement, found {0}")]
    Arguments(String),
}

/// What a call is answered under: a text or a whole number, as it was written.
#[derive(Clone, Debug)]
pub struct CallId(Box<RawValue>);

impl CallId {
    /// Reads an id of a request.
    fn of(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        let is_text = || serde_json::from_str::<String>(text).is_ok();
        let is_number = || serde_json::from_str::<i64>(text).is_ok();
        (text.len() <= ID_MAX_BYTES && (is_text() || is_number())).then(|| Self(raw.to_owned()))
    }

    /// Gives it as JSON.
    #[must_use]
    pub fn raw(&self) -> &RawValue {
        &self.0
    }
}

/// What is called.
#[derive(Debug)]
pub enum Method {
    /// `initialize`: the client names the revision of the protocol that it would speak.
    Initialize(String),
    /// `ping`
    Ping,
    /// `tools/list`
    ListTools,
    /// `tools/call`: which tool, and its arguments.
    CallTool {
        /// The tool's name.
        name: String,
        /// Its arguments.
        arguments: Object,
    },
    /// `notifications/cancelled`: the client waits no longer for the call of this id.
    Cancelled(CallId),
    /// Another notification, of which nothing follows here.
    Notification,
    /// A method that is not carried.
    Other(String),
}

/// One call.
#[derive(Debug)]
pub struct Call {
    /// Under which id it is answered; a notification has none.
    pub id: Option<CallId>,
    /// What is called.
    pub method: Method,
}

/// Reads a plain body; where it is no call, its id is given beside the reason if it has one.
///
/// # Errors
/// Anything that is not surely what it seems: see `CallError`.
pub fn read(plain: &[u8]) -> Result<Call, (Option<CallId>, CallError)> {
    let found = plain.iter().find(|byte| !byte.is_ascii_whitespace());
    if found == Some(&b'[') {
        return Err((None, CallError::Batch));
    }
    json::check_strict(plain).map_err(|error| (None, error.into()))?;
    let body = Object::read(plain).map_err(|error| (None, error.into()))?;
    let id = body.raw("id").and_then(CallId::of);
    match call(&body, id.clone()) {
        Ok(call) => Ok(call),
        Err(error) => Err((id, error)),
    }
}

fn call(body: &Object, id: Option<CallId>) -> Result<Call, CallError> {
    let mut members = body.members();
    if let Some((unknown, _)) = members.find(|(name, _)| !MEMBERS.contains(name)) {
        return Err(CallError::UnknownMember(unknown.to_owned()));
    }
    if body.read_as::<String>("jsonrpc").as_deref() != Some("2.0") {
        return Err(shape("jsonrpc", "`2.0`"));
    }
    if body.raw("id").is_some() && id.is_none() {
        return Err(shape("id", "a text of at most 128 bytes or a whole number"));
    }
    let method: Option<String> = body.read_as("method");
    let method = method.ok_or_else(|| shape("method", "a text"))?;
    let params = match body.raw("params") {
        None => Object::default(),
        Some(_) => body
            .read_as("params")
            .ok_or_else(|| shape("params", "an object"))?,
    };
    let method = match (method.as_str(), &id) {
        ("initialize", Some(_)) => {
            let version: Option<String> = params.read_as("protocolVersion");
            Method::Initialize(version.ok_or_else(|| shape("params", "`protocolVersion`, a text"))?)
        }
        ("ping", Some(_)) => Method::Ping,
        ("tools/list", Some(_)) => Method::ListTools,
        ("tools/call", Some(_)) => tool(&params)?,
        ("notifications/cancelled", None) => {
            let of = params.raw("requestId").and_then(CallId::of);
            Method::Cancelled(
                of.ok_or_else(|| shape("params", "`requestId`, a text or a whole number"))?,
            )
        }
        (name, None) if name.starts_with("notifications/") => Method::Notification,
        (_, None) => return Err(shape("id", "an id, as every request has one")),
        (_, Some(_)) => Method::Other(method),
    };
    Ok(Call { id, method })
}

fn tool(params: &Object) -> Result<Method, CallError> {
    if let Some((unknown, _)) = params.members().find(|(name, _)| !CALL.contains(name)) {
        return Err(CallError::UnknownParameter(unknown.to_owned()));
    }
    let name: Option<String> = params.read_as("name");
    let arguments = match params.raw("arguments") {
        None => Object::default(),
        Some(_) => params
            .read_as("arguments")
            .ok_or_else(|| shape("params", "`arguments`, an object"))?,
    };
    Ok(Method::CallTool {
        name: name.ok_or_else(|| shape("params", "`name`, a text"))?,
        arguments,
    })
}

fn shape(member: &'static str, expected: &'static str) -> CallError {
    CallError::Shape { member, expected }
}

/// Takes the statement out of a SQL tool's arguments.
///
/// # Errors
/// It is not there, is no text, or is not alone.
pub fn statement(arguments: &Object) -> Result<String, CallError> {
    if let Some((other, _)) = arguments.members().find(|(name, _)| *name != SQL) {
        let shown: String = other.chars().take(40).collect();
        return Err(CallError::Arguments(format!("`{shown}`")));
    }
    let sql: Option<String> = arguments.read_as(SQL);
    sql.ok_or_else(|| CallError::Arguments("none".to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call(body: &str) -> Result<String, String> {
        match read(body.as_bytes()) {
            Ok(call) => {
                let id = call
                    .id
                    .map_or("-".to_owned(), |id| id.raw().get().to_owned());
                Ok(match call.method {
                    Method::CallTool { name, arguments } => {
                        let sql = statement(&arguments).map_err(|error| error.to_string())?;
                        format!("{id} call {name}: {sql}")
                    }
                    Method::Cancelled(of) => format!("{id} cancels {}", of.raw().get()),
                    other @ (Method::Initialize(_)
                    | Method::Ping
                    | Method::ListTools
                    | Method::Notification
                    | Method::Other(_)) => format!("{id} {other:?}"),
                })
            }
            Err((_, error)) => Err(error.to_string()),
        }
    }

    #[track_caller]
    fn check(body: &str, expected: &str) {
        assert_eq!(call(body).as_deref(), Ok(expected), "{body}");
    }

    #[test]
    fn what_clients_send_is_read() {
        check(
            r#"{"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"mcp","version":"0.1.0"}},"jsonrpc":"2.0","id":0}"#,
            r#"0 Initialize("2025-11-25")"#,
        );
        check(
            r#"{"method":"notifications/initialized","jsonrpc":"2.0"}"#,
            "- Notification",
        );
        check(
            r#"{"jsonrpc":"2.0","id":"a-1","method":"ping"}"#,
            r#""a-1" Ping"#,
        );
        check(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"x":1}}}"#,
            "1 ListTools",
        );
        check(
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"sql_exec","arguments":{"sql":"select 1"},"_meta":{"progressToken":2}}}"#,
            "2 call sql_exec: select 1",
        );
        check(
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2,"reason":"timed out"}}"#,
            "- cancels 2",
        );
        for method in [
            "resources/read",
            "prompts/get",
            "server/discover",
            "notifications/x",
        ] {
            check(
                &format!(r#"{{"jsonrpc":"2.0","id":3,"method":"{method}","params":{{}}}}"#),
                &format!("3 Other({method:?})"),
            );
        }
    }

    #[test]
    fn what_two_servers_could_read_in_two_ways_is_refused() {
        for body in [
            "",
            "x",
            "7",
            "[]",
            r#" [{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}{}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b","arguments":{"sql":"x"}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"sql":"select 1","sql":"drop table t"}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"sql":"select 1","SQL":"drop table t"}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"sql":"select 1"}},"arguments":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"sql":"x"},"task":{"ttl":1}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["a",{"sql":"x"}]}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{"sql":"x"}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"sql":7}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"sql":"x","role":"R"}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#,
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a","arguments":{"sql":"x"}}}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#,
        ] {
            assert!(call(body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_refusal_knows_the_id_where_there_is_one() {
        let id = |body: &str| {
            read(body.as_bytes())
                .unwrap_err()
                .0
                .map(|id| id.raw().get().to_owned())
        };
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":7}"#).as_deref(), Some("7"));
        assert_eq!(id(r#"{"jsonrpc":"2.0","id":7,"id":8}"#), None);
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_call_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(read(&body));
        }

        #[test]
        fn the_statement_is_the_one_that_was_written(sql in ".*", name in ".*") {
            let params = serde_json::json!({"name": name, "arguments": {"sql": sql}});
            let body = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
            let call = read(body.to_string().as_bytes()).unwrap();
            let Method::CallTool { name: found, arguments } = call.method else { panic!() };
            prop_assert_eq!((found, statement(&arguments).unwrap()), (name, sql));
        }
    }
}
