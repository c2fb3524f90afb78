//! Managed MCP servers, as an unmodified client of the protocol sees them: a tool that runs SQL is a statement like any.

use std::fs;

use anyhow::Result;
use icecore::approval::Answer;
use icecore_tests::emulator::Tuning;
use icecore_tests::harness::driver::{Driver, Finished};
use icecore_tests::harness::world::{AGENT_UID, Plan, World};
use icecore_tests::python;
use serde_json::{Value, json};

use crate::approvals::{have_people_asked, insert};
use crate::approver::Approver;
use crate::asserts::all_executed_is_recorded;
use crate::catalogue::{CANARY, world_of};
use crate::raw::{self, body, login, token};
use crate::v2::bearer;

const PATH: &str = "/api/v2/databases/ACME_DB/schemas/PUBLIC/mcp-servers/TOOLS";

const FORBIDDEN: &str = "insert into ORDERS values (668, 'canary-write-mcp', 0)";

/// Has the config carry SQL tools of the account's servers.
fn carried(config: String) -> String {
    config.replace("warehouse = \"WH\"", "warehouse = \"WH\"\nmcp = true")
}

/// Starts steps of PyPI's `mcp` in a session of the agent's user.
fn start(world: &World, steps: &Value) -> Result<Driver> {
    for name in ["mcp_steps.py", "run_steps.py"] {
        fs::copy(python::folder("drivers").join(name), world.path(name))?;
    }
    let python = python::environment("mcp")?.join("bin/python");
    let mut command = world.session(AGENT_UID, &[], python.as_os_str())?;
    command
        .arg(world.path("mcp_steps.py"))
        .arg(steps.to_string());
    Driver::start(command)
}

fn call(name: &str, tool: &str, arguments: Value) -> Value {
    json!({"do": "call", "name": name, "tool": tool, "arguments": arguments})
}

fn sql(name: &str, sql: &str) -> Value {
    call(name, "sql_exec", json!({ "sql": sql }))
}

/// A call was refused with a text that its client shows.
#[track_caller]
fn refused(finished: &Finished, name: &str, text: &str) {
    let step = finished.step(name).unwrap();
    let message = step["message"].to_string();
    assert_eq!(step["ok"], false, "{step}");
    assert!(
        message.contains("Icecore refused") && message.contains(text),
        "{name}: {step}"
    );
}

/// Listed, read, refused by policy, failed, and cancelled by a client that waits no longer; other tools and methods are
/// refused, whatever SQL stands in them.
#[test]
fn sql_tools_are_statements_and_nothing_else_is_carried() -> Result<()> {
    let world = World::start(&Plan {
        edit: carried,
        ..Plan::default()
    })?;
    let mut waits = sql("waits", "select * from wait_20_seconds");
    waits["timeout"] = 4.into();
    let other = |name: &str, method: &str, with: Value| json!({"do": "other", "name": name, "method": method, "with": with});
    let elsewhere = json!({"do": "tools", "name": "elsewhere",
        "url": format!("https://acme.snowflakecomputing.com{}", PATH.replace("TOOLS", "%22tools%22"))});
    let hidden = json!({ "sql": FORBIDDEN, "message": FORBIDDEN, "query": FORBIDDEN });
    let steps = json!([
        {"do": "start", "name": "start"},
        {"do": "tools", "name": "tools"},
        sql("read", "select CUSTOMER, AMOUNT from ORDERS order by ID"),
        sql("blocked", FORBIDDEN),
        sql("error", "select * from NO_SUCH_TABLE"),
        sql("two", "select 1; select 2"),
        waits,
        call("analyst", "analyst", hidden.clone()),
        call("search", "search", hidden.clone()),
        call("agent", "agent", hidden.clone()),
        call("proc", "proc", hidden.clone()),
        call("limited", "limited", json!({"sql": "select 'under settings'"})),
        call("unknown", "SQL_EXEC", json!({"sql": "select 'other case'"})),
        call("more", "sql_exec", json!({"sql": "select 'as admin'", "role": "ACCOUNTADMIN"})),
        call("none", "sql_exec", json!({})),
        other("resources", "read_resource", json!(["snowflake://x"])),
        other("prompts", "list_prompts", json!([])),
        elsewhere,
    ]);
    let finished = start(&world, &steps)?.finish()?;
    let step = |name: &str| finished.step(name).unwrap();
    let started = step("start");
    assert_eq!(
        (&started["ok"], &started["revision"], &started["server"]),
        (&json!(true), &json!("2025-11-25"), &json!("TOOLS")),
        "{}",
        finished.output
    );
    let tools = &step("tools")["tools"];
    assert_eq!(tools.as_array().map(Vec::len), Some(1), "{tools}");
    assert_eq!(tools[0]["name"], "sql_exec");
    let read = step("read");
    assert_eq!(
        (&read["columns"], &read["data"]),
        (
            &json!(["CUSTOMER", "AMOUNT"]),
            &json!([["ada", "12.50"], ["grace", "99.99"], ["edsger", "7.00"]])
        ),
        "{read}"
    );
    for (name, text) in [
        ("blocked", "Icecore refused this statement"),
        ("error", "NO_SUCH_TABLE"),
        ("two", ""),
    ] {
        let step = step(name);
        assert_eq!(
            (&step["ok"], &step["is_error"]),
            (&json!(true), &json!(true)),
            "{step}"
        );
        assert!(step["text"].to_string().contains(text), "{step}");
    }
    assert_eq!(step("waits")["ok"], false, "{}", finished.output);
    for (name, text) in [
        ("analyst", "is of type `CORTEX_ANALYST_MESSAGE`"),
        ("search", "is of type `CORTEX_SEARCH_SERVICE_QUERY`"),
        ("agent", "is of type `CORTEX_AGENT_RUN`"),
        ("proc", "is of type `GENERIC`"),
        ("limited", "has `config` in its specification"),
        ("unknown", "has no tool `SQL_EXEC`"),
        ("more", "found `role`"),
        ("none", "found none"),
        ("resources", "`resources/read` is not a method"),
        ("prompts", "`prompts/list` is not a method"),
        ("elsewhere", "tools could not be read"),
    ] {
        refused(&finished, name, text);
    }

    // Snowflake's words about a server that it does not describe are for the record.
    assert!(!finished.output.contains("not authorized"));
    let trail = all_executed_is_recorded(&world)?;
    let told = world.query(
        "select detail->>'$.tools' tools from events where event_code = 'RQ003' union \
         select detail->>'$.reason' from events where event_code = 'RQ001' and detail like '%not authorized%' order by 1",
    )?;
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], json!({"tools": "[\"sql_exec\"]"}));
    let executed = world.gate.executed()?;
    assert_eq!(executed.len(), 3, "{executed:?}");
    assert!(executed.iter().all(|sql| !sql.contains("canary")));
    let find = |text: &str| {
        let is_it = |row: &&Value| row["sql_text"].to_string().contains(text);
        trail.iter().find(is_it).unwrap()
    };
    for (text, decision, status) in [
        ("AMOUNT from", "allow", "success"),
        ("canary-write-mcp", "block", "blocked"),
        ("NO_SUCH_TABLE", "allow", "failed"),
        ("wait_20", "allow", "cancelled"),
    ] {
        let row = find(text);
        assert_eq!(
            (&row["decision"], &row["status"]),
            (&json!(decision), &json!(status)),
            "{row}"
        );
    }
    let rows = world.query(
        "select count(*) n, count(*) filter (where s.request_id like 'mcp-%') named, count(distinct s.login_id) logins, \
         max(s.query_id) filter (where t.sql_text like '%AMOUNT%') as query_id, \
         max(s.rows_returned) filter (where t.sql_text like '%AMOUNT%') as n_rows \
         from trail t join statements s using (statement_id) where s.is_final",
    )?;
    let known = json!({"n": 5, "named": 5, "logins": 1, "query_id": read["query_id"], "n_rows": 3});
    assert_eq!(rows, [known]);
    Ok(())
}

/// What two servers could read in two ways, and all that is no call: refused in the protocol's own form.
#[test]
fn what_is_not_surely_one_call_is_refused() -> Result<()> {
    let world = World::start(&Plan {
        edit: carried,
        ..Plan::default()
    })?;
    let tool = |arguments: &str, more: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call"{more},"params":{{"name":"sql_exec","arguments":{arguments}}}}}"#
        )
    };
    let harmless = tool(r#"{"sql":"select 'canary-mcp'"}"#, "");
    let send = |name: &str, body: &str| json!({"name": name, "target": PATH, "headers": bearer(), "body": body});
    let with = |name: &str, header: &str, value: &str| {
        let mut step = send(name, &harmless);
        step["headers"][header] = value.into();
        step
    };
    let mut bare = send("no credential", &harmless);
    bare["headers"] = json!({});
    let mut by_token = send("token", &harmless);
    by_token["headers"] = token();
    let mut asks = send("address", &harmless);
    asks["target"] = format!("{PATH}?role=ACCOUNTADMIN").into();
    let mut unnamed = send("name", &harmless);
    unnamed["target"] = PATH.replace("TOOLS", "TO-OLS").into();
    let method = |name: &str, method: &str| json!({"name": name, "method": method, "target": PATH, "headers": bearer()});
    let steps = json!([
        send("batch", &format!("[{harmless}]")),
        send(
            "twice",
            &tool(r#"{"sql":"select 1","sql":"select 'canary-mcp'"}"#, "")
        ),
        send(
            "cased",
            &tool(r#"{"sql":"select 1","SQL":"select 'canary-mcp'"}"#, "")
        ),
        send(
            "methods",
            &tool(r#"{"sql":"select 'canary-mcp'"}"#, r#","method":"ping""#)
        ),
        send("behind", &format!("{harmless}{harmless}")),
        send("other rpc", &harmless.replace("2.0", "1.0")),
        send("no id", &harmless.replace(r#""id":7,"#, "")),
        send(
            "notified",
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#
        ),
        with("revision", "MCP-Protocol-Version", "2031-01-01"),
        asks,
        unnamed,
        bare,
        login(),
        by_token,
        method("stream", "GET"),
        method("end", "DELETE"),
        method("put", "PUT"),
    ]);
    let finished = raw::send(&world, &steps)?;
    for (name, status, text) in [
        ("batch", 200, "found a list of them"),
        ("twice", 200, "stands twice"),
        ("cased", 200, "stands twice"),
        ("methods", 200, "stands twice"),
        ("behind", 200, "trailing characters"),
        ("other rpc", 200, "`jsonrpc`: expected `2.0`"),
        ("no id", 200, "expected an id"),
        ("revision", 400, "is none that Icecore speaks"),
        ("address", 200, "nothing behind `?`"),
        ("name", 200, "three names"),
        ("no credential", 200, "expected one `Authorization: Bearer`"),
        ("token", 200, "expected one `Authorization: Bearer`"),
        ("stream", 405, "POST alone"),
        ("end", 405, "POST alone"),
        ("put", 405, "POST alone"),
    ] {
        let step = finished.step(name)?;
        assert_eq!(step["status"], status, "{step}");
        let told = body(&finished, name);
        let message = told["error"]["message"].to_string();
        assert_eq!(told["jsonrpc"], "2.0", "{told}");
        assert!(
            message.contains("Icecore refused this") && message.contains(text),
            "{name}: {told}"
        );
    }
    assert_eq!(finished.step("notified")?["status"], 202);
    assert!(world.gate.executed()?.is_empty());
    world.flush()?;
    assert_eq!(world.query("select * from statements")?, [] as [Value; 0]);
    Ok(())
}

/// The mails of customers are hashed; everything else may be done.
const HASHED: &str = r#"
@id("all") permit (principal, action, resource);
@id("mask-pii") @remedy("mask:hash") @reason("mails are hashed")
forbid (principal, action == Icecore::Action::"project", resource) when {
    resource is Icecore::Column && resource.hasTag("PII")
};
"#;

/// A column that a rule masks leaves masked in a tool's answer too, however it is asked for.
#[test]
fn a_masked_column_is_masked_in_a_tools_answer() -> Result<()> {
    let config = format!("{CANARY}\nmcp = true");
    let world = world_of(HASHED, &config, Tuning::default())?;
    let steps = json!([
        sql(
            "masked",
            "select id, email, name from acme_db.public.customers"
        ),
        sql(
            "renamed",
            "select email as id from acme_db.public.customers"
        ),
        sql(
            "made",
            "select email || '' as x, id from acme_db.public.customers"
        ),
    ]);
    let finished = start(&world, &steps)?.finish()?;
    assert!(
        !finished.output.contains("canary-mail"),
        "{}",
        finished.output
    );
    let row = &finished.step("masked")?["data"][0];
    let is_hash = |cell: &Value| {
        let text = cell.as_str().unwrap_or_default();
        text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    assert!(is_hash(&row[1]), "{}", finished.output);
    assert_eq!((&row[0], &row[2]), (&json!("1"), &json!("ada")));
    assert!(is_hash(&finished.step("renamed")?["data"][0][0]));
    let made = finished.step("made")?;
    assert_eq!(made["is_error"], true, "{made}");
    assert!(
        made["text"]
            .to_string()
            .contains("Icecore refused this statement"),
        "{made}"
    );
    world.flush()?;
    let masked = world.query(
        "select sum(masked_cells)::bigint cells, bool_and(upstream_mac <> delivered_mac) differ from results \
         where chunk_index >= 0",
    )?;
    assert_eq!(masked, [json!({"cells": 2, "differ": true})]);
    Ok(())
}

/// A call waits while people are asked, and runs if they say yes; one that its client gave up is asked for no more.
#[test]
fn a_held_call_runs_when_people_say_yes_and_ends_with_its_client() -> Result<()> {
    let mut world = World::without_daemon(&Plan {
        edit: carried,
        ..Plan::default()
    })?;
    let approver = Approver::start(&world.config.store)?;
    have_people_asked(&world, "", &approver.config())?;
    world.start_daemon()?;
    let mut given_up = sql("given up", &insert(803));
    given_up["timeout"] = 8.into();
    let steps = json!([
        sql("approved", &insert(801)),
        sql("denied", &insert(802)),
        given_up,
        sql(
            "after",
            "select count(*) as N from ORDERS where CUSTOMER = 'held'"
        ),
    ]);
    let mut driver = start(&world, &steps)?;
    let request = approver.wait("801")?;
    assert_eq!(request.meaning.kinds, ["insert"]);
    assert!(world.gate.executed()?.is_empty());
    approver.say(&request, "olga", Answer::Approve)?;
    let approved = driver.expect("approved")?;
    assert_eq!(
        (&approved["ok"], &approved["is_error"]),
        (&json!(true), &json!(false)),
        "{approved}"
    );

    let request = approver.wait("802")?;
    approver.say(&request, "otto", Answer::Deny)?;
    let denied = driver.expect("denied")?;
    assert_eq!(denied["is_error"], true, "{denied}");
    assert!(
        denied["text"]
            .to_string()
            .contains("`corp:otto` said no: not today"),
        "{denied}"
    );

    let request = approver.wait("803")?;
    assert_eq!(driver.expect("given up")?["ok"], false);
    assert_eq!(approver.outcome(&request)?, "withdrawn");
    let after = driver.expect("after")?;
    assert_eq!(after["data"], json!([["1"]]), "{after}");
    drop(driver.finish()?);
    let executed = world.gate.executed()?;
    assert!(
        executed
            .iter()
            .all(|sql| !sql.contains("802") && !sql.contains("803")),
        "{executed:?}"
    );
    let trail = all_executed_is_recorded(&world)?;
    let statuses: Vec<(&Value, &Value)> = trail
        .iter()
        .filter(|row| row["sql_kind"] == "insert")
        .map(|row| (&row["decision"], &row["status"]))
        .collect();
    let expected = [
        ("approve", "success"),
        ("block", "blocked"),
        ("block", "cancelled"),
    ]
    .map(|(decision, status)| (json!(decision), json!(status)));
    let expected: Vec<(&Value, &Value)> = expected.iter().map(|(d, s)| (d, s)).collect();
    assert_eq!(statuses, expected, "{trail:?}");
    Ok(())
}
