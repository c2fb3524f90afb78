//! What MCP clients are told: one JSON-RPC answer each.

use serde_json::{Value, json};

use super::super::answer::{Body, code};
use super::super::json::Object;
use super::super::route::QueryId;
use super::request::CallId;
use super::server::McpServer;
use super::tools::Tools;
use super::{REVISIONS, is_revision, rpc};

/// Members of a result set of the SQL API that the SQL tool's answers have too, as recorded; counts of changed rows beside.
const RESULT_SET: [&str; 4] = ["data", "resultSetMetaData", "statementHandle", "stats"];

/// Told to models at the start, which read it with the tools.
const INSTRUCTIONS: &str = "Icecore judges, masks and records each statement. Tools that run SQL are carried; a refusal says \
    what to do instead.";

/// Writes an answer under a call's id.
fn answer(id: &CallId, member: &str, value: &Value) -> Body {
    let mut body = Object::default();
    let written = body
        .set("jsonrpc", "2.0")
        .and_then(|()| body.set("id", id.raw()))
        .and_then(|()| body.set(member, value))
        .and_then(|()| body.write());
    match written {
        Ok(text) => Body::ok(text.into()),
        Err(_) => error(
            200,
            None,
            rpc::REFUSED,
            "Icecore could not write its answer",
        ),
    }
}

/// Tells an error of the protocol, or a refusal; a call that has no id that could be read gets null, as JSON-RPC says.
#[must_use]
pub fn error(status: u16, id: Option<&CallId>, number: i32, text: &str) -> Body {
    let id = id.map(CallId::raw);
    let error = json!({ "code": number, "message": text, "data": { "code": code::REFUSED } });
    let body = json!({ "jsonrpc": "2.0", "id": id, "error": error });
    Body::new(status, body.to_string().into())
}

/// Tells a refusal that was made for the SQL API, in the words that it has there.
#[must_use]
pub fn refused(id: &CallId, refusal: &Body) -> Body {
    error(200, Some(id), rpc::REFUSED, &message(refusal))
}

/// Answers `initialize`: the client's revision where it is spoken here, else the newest.
#[must_use]
pub fn started(id: &CallId, revision: &str, server: &McpServer) -> Body {
    let [.., newest] = REVISIONS;
    let spoken = if is_revision(revision) {
        revision
    } else {
        newest
    };
    let result = json!({
        "protocolVersion": spoken,
        "capabilities": { "tools": { "listChanged": false } },
        "serverInfo": { "name": server.name(), "version": env!("CARGO_PKG_VERSION") },
        "instructions": INSTRUCTIONS,
    });
    answer(id, "result", &result)
}

/// Answers `ping`.
#[must_use]
pub fn pong(id: &CallId) -> Body {
    answer(id, "result", &json!({}))
}

/// Answers `tools/list`: the tools that run SQL, in the words of Snowflake's own list, as recorded.
#[must_use]
pub fn listed(id: &CallId, tools: &Tools) -> Body {
    let told = tools.sql_tools().map(|tool| {
        let schema = json!({
            "type": "object",
            "description": "Tool to execute a SQL query.",
            "properties": { "sql": { "type": "string", "description": "Single SQL query to execute." } },
            "required": ["sql"],
        });
        let mut told = json!({ "name": tool.name, "inputSchema": schema });
        if let Some(members) = told.as_object_mut() {
            for (member, text) in [("title", &tool.title), ("description", &tool.description)] {
                members.extend(text.iter().map(|text| (member.to_owned(), json!(text))));
            }
        }
        told
    });
    answer(id, "result", &json!({ "tools": told.collect::<Vec<_>>() }))
}

/// Answers `tools/call` by what the statement's end is in the SQL API's form: its first rows, or the words of its error,
/// which a model reads. What is of another shape is withheld.
#[must_use]
pub fn told(id: &CallId, ended: &Body) -> Body {
    let (text, is_error) = match (ended.status(), result_set(ended)) {
        (200, Some(text)) => (text, false),
        (200, None) => {
            let text = "Icecore withheld the result: it is not one result set of the SQL API";
            (text.to_owned(), true)
        }
        (_, _) => (message(ended), true),
    };
    let content = json!([{ "type": "text", "text": text }]);
    answer(
        id,
        "result",
        &json!({ "content": content, "isError": is_error }),
    )
}

/// Puts a result set into the form of the SQL tool's text.
fn result_set(ended: &Body) -> Option<String> {
    let mut body = Object::read(ended.text()).ok()?;
    body.read_as::<Vec<Vec<Value>>>("data")?;
    body.read_as::<Object>("resultSetMetaData")?;
    let handle: String = body.read_as("statementHandle")?;
    QueryId::parse(&handle)?;
    body.keep(&RESULT_SET);
    let mut text = Object::default();
    text.set("query_id", &handle).ok()?;
    text.set("result_set", &body).ok()?;
    String::from_utf8(text.write().ok()?).ok()
}

/// Gives the words of a body that is no result.
fn message(body: &Body) -> String {
    let said = Object::read(body.text()).ok();
    let said = said.and_then(|body| body.read_as("message"));
    said.unwrap_or_else(|| "Icecore could not carry this out".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::request::read;
    use super::*;

    const ID: &str = "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11";

    fn id(raw: &str) -> CallId {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{raw},"method":"ping"}}"#);
        read(body.as_bytes()).unwrap().id.unwrap()
    }

    fn value(body: &Body) -> Value {
        serde_json::from_slice(body.text()).unwrap()
    }

    #[test]
    fn a_result_set_is_told_as_snowflakes_own_tool_tells_it() {
        let set = format!(
            r#"{{"resultSetMetaData":{{"numRows":1,"rowType":[{{"name":"CNT"}}]}},"data":[["9007199254740993"]],"code":"090001","statementHandle":"{ID}","statementStatusUrl":"/api/v2/statements/{ID}","message":"done"}}"#
        );
        let told = value(&told(&id("\"a\""), &Body::ok(set.into())));
        assert_eq!(
            (&told["id"], &told["result"]["isError"]),
            (&json!("a"), &json!(false))
        );
        let text = told["result"]["content"][0]["text"].as_str().unwrap();
        let expected = format!(
            r#"{{"query_id":"{ID}","result_set":{{"resultSetMetaData":{{"numRows":1,"rowType":[{{"name":"CNT"}}]}},"data":[["9007199254740993"]],"statementHandle":"{ID}"}}}}"#
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn what_is_no_result_set_is_withheld() {
        for body in [
            String::new(),
            "[]".to_owned(),
            r#"{"data":[["secret"]]}"#.to_owned(),
            format!(r#"{{"data":[["secret"]],"statementHandle":"{ID}"}}"#),
            r#"{"data":[["secret"]],"resultSetMetaData":{},"statementHandle":"x"}"#.to_owned(),
            format!(r#"{{"data":"secret","resultSetMetaData":{{}},"statementHandle":"{ID}"}}"#),
            format!(
                r#"{{"data":[["a"]],"data":[["secret"]],"resultSetMetaData":{{}},"statementHandle":"{ID}"}}"#
            ),
        ] {
            let told = value(&told(&id("1"), &Body::ok(body.clone().into())));
            assert_eq!(told["result"]["isError"], true, "{body}");
            assert!(!told.to_string().contains("secret"), "{told}");
        }
    }

    #[test]
    fn an_error_is_told_where_a_model_reads_it() {
        let failed = Body::new(422, r#"{"code":"002003","message":"no such table"}"#.into());
        let told = value(&told(&id("1"), &failed));
        let text = &told["result"]["content"][0]["text"];
        assert_eq!(
            (text, &told["result"]["isError"]),
            (&json!("no such table"), &json!(true))
        );
        let refused = value(&refused(&id("1"), &failed));
        assert_eq!(refused["error"]["message"], "no such table");
    }

    #[test]
    fn the_clients_revision_is_spoken_where_it_is_known() {
        let server = McpServer::of_path("/api/v2/databases/d/schemas/s/mcp-servers/m").unwrap();
        let spoken = |asked: &str| {
            value(&started(&id("1"), asked, &server))["result"]["protocolVersion"].clone()
        };
        assert_eq!(spoken("2025-06-18"), "2025-06-18");
        assert_eq!(spoken("2026-07-28"), "2025-11-25");
    }

    #[test]
    fn the_list_has_the_tools_that_are_carried() {
        let spec = r#"{"tools":[{"name":"q","type":"SYSTEM_EXECUTE_SQL","title":"T"},{"name":"g","type":"GENERIC"}]}"#;
        let told = value(&listed(&id("1"), &Tools::of_spec(spec).unwrap()));
        let tools = told["result"]["tools"].as_array().unwrap();
        assert_eq!(
            (tools.len(), &tools[0]["name"], &tools[0]["title"]),
            (1, &json!("q"), &json!("T"))
        );
        assert_eq!(tools[0]["inputSchema"]["required"], json!(["sql"]));
    }

    #[test]
    fn an_id_is_told_as_it_was_written() {
        assert_eq!(value(&pong(&id("-7")))["id"], -7);
        let none = value(&error(405, None, rpc::INVALID_REQUEST, "x"));
        assert_eq!(
            (&none["id"], &none["error"]["code"]),
            (&Value::Null, &json!(-32600))
        );
    }

    proptest! {
        #[test]
        fn any_body_gives_one_answer(status in 200u16..500, text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let told = value(&told(&id("1"), &Body::new(status, text.into())));
            prop_assert!(told["result"]["isError"].is_boolean());
        }
    }
}
