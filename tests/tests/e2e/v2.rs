//! The SQL API through the proxy: on the same executions as drivers' statements, in its own forms.

use anyhow::Result;
use icecore_tests::emulator::Tuning;
use icecore_tests::harness::world::{Plan, World};
use serde_json::{Value, json};

use crate::asserts::all_executed_is_recorded;
use crate::raw::{self, body, login, statement, token};

const FORBIDDEN: &str = "insert into ORDERS values (667, 'canary-write-v2', 0)";

/// The headers of a client that brings a credential of its own, which is worth nothing.
pub(crate) fn bearer() -> Value {
    json!({"Authorization": "Bearer jwt-of-the-agent", "X-Snowflake-Authorization-Token-Type": "KEYPAIR_JWT",
           "User-Agent": "apiclient/1.0", "X-Snowflake-Role": "ACCOUNTADMIN"})
}

pub(crate) fn submit(name: &str, members: &str, sql: &str) -> Value {
    json!({"name": name, "target": format!("/api/v2/statements?{members}"), "headers": bearer(),
           "body": {"statement": sql, "role": "ACCOUNTADMIN", "warehouse": "BIG", "timeout": 60}})
}

pub(crate) fn get(name: &str, target: &str) -> Value {
    json!({"name": name, "method": "GET", "target": target, "headers": bearer()})
}

const REQUEST: &str = "requestId=33333333-3333-4333-8333-333333333331";

/// MCP tools, plans beside the text and endpoints that nobody knows: nothing of them reaches the account.
#[test]
fn what_no_text_shows_is_refused_in_its_callers_own_form() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let mcp = "/api/v2/databases/ACME_DB/schemas/PUBLIC/mcp-servers/TOOLS";
    let call = json!({"jsonrpc": "2.0", "id": "call-7", "method": "tools/call",
        "params": {"name": "sql_exec", "arguments": {"sql": FORBIDDEN}}});
    let mut api = submit("api plan", "", "select 1");
    api["body"]["dataframeAst"] = "AAAA".into();
    let mut driver = statement("driver plan", "d1", "select 1");
    driver["body"]["dataframeAst"] = "AAAA".into();
    let steps = json!([
        {"name": "mcp", "target": mcp, "headers": bearer(), "body": call},
        {"name": "stream", "method": "GET", "target": mcp, "headers": bearer()},
        {"name": "unknown", "target": "/v1/cortex/inference", "headers": bearer(), "body": {"sql": FORBIDDEN}},
        api, login(), driver,
    ]);
    let finished = raw::send(&world, &steps)?;
    let called = finished.step("mcp")?;
    assert_eq!(called["status"], 200, "{called}");
    let told = body(&finished, "mcp");
    assert_eq!(
        (&told["jsonrpc"], &told["id"]),
        (&json!("2.0"), &json!("call-7"))
    );
    let message = told["error"]["message"].to_string();
    assert!(
        message.contains("Icecore refused") && message.contains("MCP"),
        "{told}"
    );
    for (name, text) in [
        ("unknown", "is not an endpoint that Icecore carries"),
        (
            "api plan",
            "`dataframeAst` carries what the statement's text does not show",
        ),
        (
            "driver plan",
            "`dataframeAst` carries what the statement's text does not show",
        ),
    ] {
        let told = body(&finished, name)["message"].to_string();
        assert!(told.contains(text), "{name}: {told}");
    }
    let stream = finished.step("stream")?;
    assert_eq!(stream["status"], 405, "{stream}");
    assert!(world.gate.executed()?.is_empty());
    world.flush()?;
    let events = world.query("select count(*) n from events where event_code = 'RQ001'")?;
    assert_eq!(events, [json!({"n": 5})]);
    Ok(())
}

/// Submit, status, refusal, error, replay: each in the API's form, each recorded, one login for all of them.
#[test]
fn statements_are_governed_in_the_apis_own_forms() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let sql = "select CUSTOMER from ORDERS order by ID";
    let mut other_role = submit("unknown field", "", sql);
    other_role["body"]["asyncExec"] = true.into();
    let steps = json!([
        submit("first", REQUEST, sql),
        submit("replay", &format!("{}&retry=true", REQUEST), sql),
        submit("other text", REQUEST, "select 'second'"),
        get("status", "/api/v2/statements/${first/body/statementHandle}?requestId=x"),
        submit("refused", "", FORBIDDEN),
        submit("error", "", "select * from NO_SUCH_TABLE"),
        other_role,
        get("unknown handle", "/api/v2/statements/01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11"),
        {"name": "objects", "target": "/api/v2/databases", "headers": bearer(), "body": {"name": "x"}},
        {"name": "no credential", "target": "/api/v2/statements", "body": {"statement": sql}},
        login(),
        {"name": "by token", "target": "/api/v2/statements", "headers": token(), "body": {"statement": "select 3"}},
    ]);
    let finished = raw::send(&world, &steps)?;
    let status = |name: &str| finished.step(name).unwrap()["status"].as_i64().unwrap();
    let first = body(&finished, "first");
    assert_eq!(status("first"), 200, "{first}");
    assert_eq!(first["code"], "090001", "{first}");
    let url = first["statementStatusUrl"].as_str().unwrap_or_default();
    assert!(url.starts_with("/api/v2/statements/"), "{first}");
    assert_eq!(body(&finished, "replay"), first);
    assert_eq!(body(&finished, "status")["data"], first["data"]);
    for (name, text) in [
        ("refused", "Icecore refused this statement"),
        ("other text", "same requestId"),
        ("error", "NO_SUCH_TABLE"),
        ("unknown field", "asyncExec"),
        ("unknown handle", "no statement with that query id"),
        ("objects", "/api/v2/statements` alone"),
    ] {
        let told = body(&finished, name);
        assert_eq!(status(name), 422, "{name}: {told}");
        assert!(told["message"].to_string().contains(text), "{name}: {told}");
        assert!(
            told["statementHandle"].is_string() && told["sqlState"].is_string(),
            "{name}: {told}"
        );
    }
    assert_eq!(status("no credential"), 401);
    assert_eq!(status("by token"), 200, "{}", body(&finished, "by token"));

    let executed = world.gate.executed()?;
    assert!(
        !executed.iter().any(|sql| sql.contains("canary-write")),
        "{executed:?}"
    );
    assert_eq!(executed.iter().filter(|text| *text == sql).count(), 1);
    assert_eq!(world.gate.events(Some("login"))?.len(), 2);
    for request in world.gate.events(Some("request"))? {
        let text = request.to_string();
        assert!(
            !text.contains("jwt-of-the-agent") && !text.contains("ACCOUNTADMIN"),
            "{text}"
        );
    }
    let trail = all_executed_is_recorded(&world)?;
    let refused = trail
        .iter()
        .filter(|row| row["decision"] != "allow")
        .count();
    assert_eq!(refused, 1, "{trail:?}");
    Ok(())
}

/// A long statement is answered 202 and followed by its handle; `async` at once; both end with their result.
#[test]
fn running_statements_are_followed_by_their_handle() -> Result<()> {
    let world = World::start(&Plan {
        tuning: Tuning {
            poll_after_ms: 500,
            ..Tuning::default()
        },
        ..Plan::default()
    })?;
    let wait = |name: &str, members: &str| submit(name, members, "select * from wait_3_seconds");
    let steps = json!([
        submit("detached", "async=true", "select 7 as A"),
        {"do": "sleep", "seconds": 2},
        get("detached later", "/api/v2/statements/${detached/body/statementHandle}"),
        wait("sync", ""),
    ]);
    let finished = raw::send(&world, &steps)?;
    let detached = finished.step("detached")?;
    assert_eq!(
        (&detached["status"], &detached["body"]["code"]),
        (&json!(202), &json!("333334")),
        "{detached}"
    );
    assert_eq!(
        finished.step("detached later")?["body"]["data"][0][0],
        "7",
        "{}",
        finished.output
    );
    assert!(
        finished.step("sync")?["status"].as_i64().is_some(),
        "{}",
        finished.output
    );
    world.flush()?;
    let later = world.query("select count(*) n from events where event_code = 'RS001'")?;
    assert_eq!(later, [json!({"n": 1})]);
    Ok(())
}

/// Later partitions are fetched by handle, each recorded as a delivery; links stay on the host.
#[test]
fn partitions_are_fetched_by_handle_and_recorded() -> Result<()> {
    let world = World::start(&Plan {
        tuning: Tuning {
            partition_rows: 2,
            ..Tuning::default()
        },
        ..Plan::default()
    })?;
    let handle = "/api/v2/statements/${first/body/statementHandle}";
    let steps = json!([
        submit("first", "", "select ID from ORDERS order by ID"),
        get("zero", &format!("{handle}?partition=0")),
        get("one", &format!("{handle}?partition=1")),
        get("beyond", &format!("{handle}?partition=99")),
        get("no number", &format!("{handle}?partition=x")),
    ]);
    let finished = raw::send(&world, &steps)?;
    let first = finished.step("first")?;
    assert_eq!(
        first["body"]["data"].as_array().map(Vec::len),
        Some(2),
        "{first}"
    );
    let link = first["headers"]["link"].as_str().unwrap_or_default();
    assert!(
        link.starts_with("</api/v2/statements/") && link.contains("partition=1"),
        "{first}"
    );
    assert_eq!(body(&finished, "zero"), &first["body"]);
    let one = finished.step("one")?;
    assert_eq!(one["status"], 200, "{one}");
    assert_ne!(one["body"]["data"], first["body"]["data"]);
    assert_eq!(
        finished.step("beyond")?["status"],
        400,
        "{}",
        finished.output
    );
    assert_eq!(finished.step("no number")?["status"], 422);
    world.flush()?;
    let later = world.query("select detail from events where event_code = 'RS001'")?;
    assert!(
        later
            .iter()
            .any(|row| row["detail"].to_string().contains("partition")),
        "{later:?}"
    );
    Ok(())
}

/// A handle of one door leads nowhere at the other, and one of another session nowhere at all.
#[test]
fn handles_belong_to_their_session_and_door() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let steps = json!([
        submit("api", "", "select 1"), login(), statement("driver", "e1", "select 2"),
        {"name": "api at driver", "method": "GET", "target": "/queries/${api/body/statementHandle}/result", "headers": token()},
        get("driver at api", "/api/v2/statements/${driver/body/data/queryId}"),
    ]);
    let finished = raw::send(&world, &steps)?;
    assert_eq!(body(&finished, "api at driver")["success"], false);
    assert_eq!(finished.step("driver at api")?["status"], 422);
    let handle = body(&finished, "api")["statementHandle"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let theirs = raw::send(
        &world,
        &json!([get("stolen", &format!("/api/v2/statements/{handle}"))]),
    )?;
    assert_eq!(theirs.step("stolen")?["status"], 422, "{}", theirs.output);
    Ok(())
}

/// A running statement is cancelled by its handle, which its row says.
#[test]
fn running_statement_is_cancelled_by_its_handle() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let steps = json!([
        submit("started", "async=true", "select * from wait_30_seconds"),
        {"name": "cancelled", "target": "/api/v2/statements/${started/body/statementHandle}/cancel", "headers": bearer()},
        get("after", "/api/v2/statements/${started/body/statementHandle}"),
    ]);
    let finished = raw::send(&world, &steps)?;
    assert_eq!(
        finished.step("cancelled")?["status"],
        200,
        "{}",
        finished.output
    );
    assert_eq!(body(&finished, "cancelled")["code"], "000604");
    assert_eq!(
        finished.step("after")?["status"],
        422,
        "{}",
        finished.output
    );
    Ok(())
}
