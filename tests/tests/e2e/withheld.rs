//! What Snowflake ran otherwise than it was judged: the answer is withheld at both doors, and leaves by no other way.

use anyhow::Result;
use icecore_tests::emulator::{Endpoint, FaultKind, Tuning};
use icecore_tests::harness::driver::Driver;
use icecore_tests::harness::world::{Plan, World};
use serde_json::{Value, json};

use crate::raw::{self, by, login, login_as, statement, token};
use crate::v2::{get, submit};

/// Its rows hold `grace`, which no withheld answer may show.
const ROWS: &str = "select CUSTOMER from ORDERS order by ID";

/// Twice a name of the emulator's, which no withheld answer may show.
const BATCH: &str = "select 'grace' as A; select 'grace' as B";

/// `statementTypeId` of an INSERT. Source: protocol reference 4.2.
const INSERT: FaultKind = FaultKind::StatementType(0x3100);

/// Plants a fault for the step that comes after a pause.
fn go_on(client: &mut Driver, world: &World, on: Endpoint, fault: FaultKind) -> Result<()> {
    client.expect("pause")?;
    world.gate.plant(on, fault)?;
    client.go_on()
}

#[track_caller]
fn told(client: &mut Driver, name: &str) -> Value {
    let step = client.expect(name).unwrap();
    assert_eq!(step["ok"], true, "{step}");
    step
}

/// The step's answer has nothing of the rows, and says why.
#[track_caller]
fn kept_back(client: &mut Driver, name: &str, why: &str) {
    let step = told(client, name);
    let body = step["body"].to_string();
    assert!(body.contains("Icecore") && body.contains(why), "{step}");
    assert!(!body.contains("grace"), "{step}");
    let is_api = step["body"]["statementHandle"].is_string();
    let expected = if is_api { 422 } else { 200 };
    assert_eq!(step["status"], expected, "{step}");
    assert_ne!(step["body"]["success"], true, "{step}");
}

#[track_caller]
fn shows_rows(client: &mut Driver, name: &str) -> Value {
    let step = told(client, name);
    assert!(step["body"].to_string().contains("grace"), "{step}");
    step
}

/// Asks how often the drivers' endpoint was asked what a statement ran.
fn asked_kind(world: &World, handle: &Value) -> Result<usize> {
    let path = format!("/queries/{}/result", handle.as_str().unwrap_or_default());
    let requests = world.gate.events(Some("request"))?;
    let asked = requests
        .iter()
        .filter(|request| request["path"] == path.as_str());
    Ok(asked.count())
}

fn batch(name: &str) -> Value {
    let mut step = submit(name, "", BATCH);
    step["body"]["parameters"] = json!({"MULTI_STATEMENT_COUNT": "2"});
    step
}

fn partitioned() -> Plan {
    Plan {
        tuning: Tuning {
            partition_rows: 2,
            ..Tuning::default()
        },
        ..Plan::default()
    }
}

/// The kind is asked for at the drivers' endpoint once a statement: another one, or none, withholds the answer.
#[test]
fn sql_api_answers_of_another_kind_are_withheld() -> Result<()> {
    let world = World::start(&partitioned())?;
    let pause = || json!({"do": "pause"});
    let part = |of: &str, number: u8| {
        format!("/api/v2/statements/${{{of}/body/statementHandle}}?partition={number}")
    };
    let steps = json!([
        submit("honest", "", ROWS),
        get("rest", &part("honest", 1)),
        get("first", &part("honest", 0)),
        submit("detached", "async=true", ROWS),
        {"do": "sleep", "seconds": 2},
        get("its rest", &part("detached", 1)),
        get("its first", &part("detached", 0)),
        pause(), submit("other", "", ROWS),
        pause(), submit("untold", "", ROWS),
        pause(), submit("left", "async=true", ROWS),
        {"do": "sleep", "seconds": 2},
        get("left rest", &part("left", 1)),
    ]);
    let mut client = raw::start(&world, &steps)?;
    let honest = shows_rows(&mut client, "honest");
    assert_eq!(
        told(&mut client, "rest")["body"]["data"],
        json!([["edsger"]])
    );
    shows_rows(&mut client, "first");
    let detached = told(&mut client, "detached");
    assert_eq!(detached["status"], 202, "{detached}");
    client.expect("sleep")?;
    assert_eq!(
        told(&mut client, "its rest")["body"]["data"],
        json!([["edsger"]])
    );
    shows_rows(&mut client, "its first");
    for step in [&honest, &detached] {
        assert_eq!(asked_kind(&world, &step["body"]["statementHandle"])?, 1);
    }
    go_on(&mut client, &world, Endpoint::Result, INSERT)?;
    kept_back(&mut client, "other", "a statement of kind 0x3100");
    let unknown = FaultKind::Failure {
        status: 200,
        code: "000612".into(),
        message: "Result for query not found.".into(),
    };
    go_on(&mut client, &world, Endpoint::Result, unknown)?;
    kept_back(&mut client, "untold", "could not be compared");
    // Nobody asks for its result: whoever follows it compares it.
    go_on(&mut client, &world, Endpoint::Result, INSERT)?;
    told(&mut client, "left");
    client.expect("sleep")?;
    kept_back(&mut client, "left rest", "was withheld");
    client.finish()?;

    world.flush()?;
    let rows = world.query(
        "select status, sf_statement_type_id kind, count(*) n from statements group by all order by all",
    )?;
    assert_eq!(
        rows,
        [
            json!({"status": "blocked", "kind": 0x3100, "n": 2}),
            json!({"status": "blocked", "kind": null, "n": 1}),
            json!({"status": "success", "kind": 0x1000, "n": 2}),
        ]
    );
    let withheld = world.query("select count(*) n from events where event_code = 'RS002'")?;
    assert_eq!(withheld, [json!({"n": 3})]);
    Ok(())
}

/// Of several statements all are compared when the whole is answered, by one question.
#[test]
fn sql_api_batches_are_compared_as_a_whole() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let part =
        |of: &str, place: u8| format!("/api/v2/statements/${{{of}/body/statementHandles/{place}}}");
    let pause = || json!({"do": "pause"});
    let steps = json!([
        batch("honest"),
        get("first", &part("honest", 0)),
        get("again", &part("honest", 0)),
        pause(),
        batch("other"),
    ]);
    let mut client = raw::start(&world, &steps)?;
    let honest = told(&mut client, "honest");
    let handles = &honest["body"]["statementHandles"];
    assert_eq!(handles.as_array().map(Vec::len), Some(2), "{honest}");
    shows_rows(&mut client, "first");
    shows_rows(&mut client, "again");
    assert_eq!(asked_kind(&world, &honest["body"]["statementHandle"])?, 1);
    assert_eq!(asked_kind(&world, &handles[0])?, 0);
    go_on(&mut client, &world, Endpoint::Result, INSERT)?;
    kept_back(&mut client, "other", "is not the judged kind `batch`");
    client.finish()?;
    world.flush()?;
    let kinds = world.query(
        "select distinct sf_statement_type_id kind from statements where parent_statement_id is not null and status = 'success'",
    )?;
    assert_eq!(kinds, [json!({"kind": 0x1000})]);
    Ok(())
}

/// Asked for again by id, by partition or by RESULT_SCAN, at the door it came through; an honest twin gets all of it.
#[test]
fn a_withheld_answer_leaves_by_no_other_way() -> Result<()> {
    let world = World::start(&partitioned())?;
    let detached = |name: &str, id: &str| {
        let mut step = statement(name, id, ROWS);
        step["body"]["asyncExec"] = true.into();
        step
    };
    let result = |name: &str, of: &str| {
        json!({"name": name, "method": "GET", "headers": token(),
               "target": format!("/queries/${{{of}/body/data/queryId}}/result")})
    };
    let scan = |id: &str| format!("select * from table(result_scan('${{{id}}}'))");
    let at =
        |of: &str, rest: &str| format!("/api/v2/statements/${{{of}/body/statementHandle}}{rest}");
    let (id, handle) = ("body/data/queryId", "body/statementHandle");
    let pause = || json!({"do": "pause"});
    let renewal = json!({
        "name": "renewed", "target": "/session/token-request",
        "headers": {"Authorization": "Snowflake Token=\"${login/body/data/masterToken}\""},
        "body": {"oldSessionToken": "${login/body/data/token}", "requestType": "RENEW"},
    });
    let mut login = login();
    login["body"]["data"]["SESSION_PARAMETERS"] =
        json!({"PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": "JSON"});
    let steps = json!([
        login,
        detached("twin", "a1"), detached("driver", "a2"),
        submit("api twin", "async=true", ROWS),
        {"do": "sleep", "seconds": 3},
        result("twin told", "twin"), result("twin again", "twin"),
        statement("twin scan", "a3", &scan(&format!("twin/{id}"))),
        get("api twin told", &at("api twin", "")), get("api twin again", &at("api twin", "?partition=0")),
        submit("api twin scan", "", &scan(&format!("api twin/{handle}"))),
        pause(), result("told", "driver"), statement("ended", "a7", "select 1"), renewal,
        login_as("b"), by("b", result("again", "driver")),
        by("b", statement("scan", "a4", &scan(&format!("driver/{id}")))),
        pause(), by("b", statement("at once", "a5", ROWS)), by("b", result("at once ended", "at once")),
        login_as("c"), by("c", result("at once again", "at once")),
        by("c", statement("at once scan", "a6", &scan(&format!("at once/{id}")))),
        pause(), submit("api", "async=true", ROWS), {"do": "sleep", "seconds": 2},
        get("api told", &at("api", "")),
        get("api first", &at("api", "?partition=0")), get("api rest", &at("api", "?partition=1")),
        submit("api scan", "", &scan(&format!("api/{handle}"))),
    ]);
    let mut client = raw::start(&world, &steps)?;
    for name in ["login", "twin", "driver", "api twin"] {
        told(&mut client, name);
    }
    client.expect("sleep")?;
    for name in [
        "twin told",
        "twin again",
        "twin scan",
        "api twin told",
        "api twin again",
        "api twin scan",
    ] {
        shows_rows(&mut client, name);
    }
    go_on(&mut client, &world, Endpoint::Result, INSERT)?;
    kept_back(&mut client, "told", "a statement of kind 0x3100");
    for (name, code) in [("ended", "390112"), ("renewed", "390114")] {
        assert_eq!(told(&mut client, name)["body"]["code"], code, "{name}");
    }
    told(&mut client, "b");
    kept_back(&mut client, "again", "was withheld");
    kept_back(&mut client, "scan", "refused this statement");
    go_on(&mut client, &world, Endpoint::Query, INSERT)?;
    kept_back(&mut client, "at once", "a statement of kind 0x3100");
    let ended = told(&mut client, "at once ended");
    assert_eq!(ended["body"]["code"], "390112", "{ended}");
    told(&mut client, "c");
    kept_back(&mut client, "at once again", "a statement of kind 0x3100");
    kept_back(&mut client, "at once scan", "refused this statement");
    go_on(&mut client, &world, Endpoint::Result, INSERT)?;
    // Nobody asks for it before whoever follows it has compared it.
    told(&mut client, "api");
    client.expect("sleep")?;
    for name in ["api told", "api first", "api rest"] {
        kept_back(&mut client, name, "was withheld");
    }
    kept_back(&mut client, "api scan", "refused this statement");
    drop(client.finish()?);
    world.flush()?;
    let ended = world.query(
        "select count(*) n from logins_all where close_reason = 'Snowflake ran another statement than the judged one'",
    )?;
    assert_eq!(ended, [json!({"n": 3})]);
    let events = world.query("select count(*) n from events where event_code = 'RS002'")?;
    assert_eq!(events, [json!({"n": 3})]);
    let closed = world.gate.events(Some("request"))?;
    let closed = closed.iter().filter(|one| one["path"] == "/session");
    assert!(closed.count() >= 3);
    Ok(())
}

/// A login that its client closed and one whose session ended are known to nobody, in whichever session.
#[test]
fn tokens_of_a_login_that_is_over_are_unknown() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let mut left = login();
    left["name"] = "left".into();
    let shown = |name: &str, token: &str| {
        let mut step = statement(name, "", "select 1");
        step["target"] = "/queries/v1/query-request".into();
        step["headers"]["Authorization"] = format!("Snowflake Token=\"{token}\"").into();
        step
    };
    let steps = json!([
        login(), left, shown("works", "${login/body/data/token}"),
        {"name": "close", "target": "/session?delete=true", "headers": token()},
        shown("closed", "${login/body/data/token}"), shown("still works", "${left/body/data/token}"),
    ]);
    let finished = raw::send(&world, &steps)?;
    let code = |name: &str| finished.step(name).unwrap()["body"]["code"].clone();
    assert_eq!(
        (code("works"), code("still works")),
        (Value::Null, Value::Null)
    );
    assert_eq!(code("closed"), "390112", "{}", finished.output);

    let token = raw::body(&finished, "left")["data"]["token"].clone();
    let steps = json!([shown(
        "of another session",
        token.as_str().unwrap_or_default()
    )]);
    let later = raw::send(&world, &steps)?;
    assert_eq!(raw::body(&later, "of another session")["code"], "390112");
    world.flush()?;
    // Not a token of another session, AU003: that session is over, and with it what its tokens led to.
    let events = world.query("select event_code from events where event_code like 'AU%'")?;
    assert_eq!(
        events,
        ["AU008"; 2].map(|code| json!({ "event_code": code }))
    );
    assert_eq!(world.gate.executed()?.len(), 2);
    Ok(())
}
