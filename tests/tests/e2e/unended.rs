//! Statements whose end is not seen: what Snowflake had named keeps its name in the record, and may be asked for again.

use anyhow::Result;
use icecore_tests::emulator::{Endpoint, FaultKind};
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::{Value, json};

use crate::piece;
use crate::raw::{self, body, login, statement};
use crate::v2::{bearer, submit};

/// An error that is about the asking and names no query.
fn elsewhere() -> FaultKind {
    FaultKind::Failure {
        status: 200,
        code: "000612".into(),
        message: "Result for query not found.".into(),
    }
}

/// What the record says of the last revision of each statement whose text is like this.
fn ends(world: &World, like: &str) -> Result<Vec<Value>> {
    world.flush()?;
    world.query(&format!(
        "select s.status, s.is_final, s.query_id is not null as named from statements s \
         join trail using (statement_id) where sql_text like '{like}' order by s.started_at"
    ))
}

/// An error that does not name a running statement is no end of it: its row says so, and names it.
#[test]
fn an_error_about_the_asking_is_no_end_of_a_statement() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let steps = json!([
        login(), {"do": "pause"},
        statement("asked", "a1", "select * from wait_5_seconds"),
    ]);
    let mut client = raw::start(&world, &steps)?;
    client.expect("login")?;
    client.expect("pause")?;
    world.gate.plant(Endpoint::Result, elsewhere())?;
    client.go_on()?;
    let finished = client.finish()?;
    assert_eq!(body(&finished, "asked")["code"], "000612");
    let abandoned = json!({"status": "abandoned", "is_final": true, "named": true});
    assert_eq!(ends(&world, "%wait_5_%")?, [abandoned]);
    Ok(())
}

/// One statement is asked for while another thread closes their login.
const CLOSED: &str = r#"
import threading, time, uuid
login = connect()
token = {"Authorization": f'Snowflake Token="{login.rest.token}"', "Content-Type": "application/json"}
context = ssl.create_default_context()
def post(path, body):
    link = http.client.HTTPSConnection(HOST, context=context, timeout=120)
    link.request("POST", path, json.dumps(body), token)
    return json.loads(link.getresponse().read())
def ask():
    told = post(f"/queries/v1/query-request?requestId={uuid.uuid4()}", {"sqlText": "select * from wait_100_seconds"})
    tell("asked", code=told["code"])
asking = threading.Thread(target=ask)
asking.start()
time.sleep(5)
closed = post("/session?delete=true", {})
asking.join()
tell("closed", success=closed["success"])
import os
os._exit(0)
"#;

/// A login's end cancels what it left running, as a session's end does, and hears of it before it is closed.
#[test]
fn a_closed_login_cancels_its_statements() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let mut client = piece::start(&world, Generation::Four, CLOSED)?;
    let asked = client.expect("asked")?;
    assert_eq!(asked["code"], "000604", "{asked}");
    assert_eq!(client.expect("closed")?["success"], true);
    client.finish()?;
    let cancelled = json!({"status": "cancelled", "is_final": true, "named": true});
    assert_eq!(ends(&world, "%wait_100_%")?, [cancelled]);
    Ok(())
}

/// What could not be compared for the moment is withheld for the moment; what is compared later is given then.
#[test]
fn an_answer_that_could_not_be_compared_may_be_compared_later() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let steps = json!([
        {"do": "pause"},
        submit("asked", "", "select CUSTOMER from ORDERS"),
        {"name": "again", "method": "GET", "headers": bearer(),
         "target": "/api/v2/statements/${asked/body/statementHandle}"},
    ]);
    let mut client = raw::start(&world, &steps)?;
    client.expect("pause")?;
    // As often as one question is tried.
    let busy = FaultKind::Status(503);
    world.gate.plant_times(Endpoint::Result, busy, 4)?;
    client.go_on()?;
    let finished = client.finish()?;
    let asked = finished.step("asked")?;
    assert_eq!(asked["status"], 422, "{asked}");
    assert!(
        asked.to_string().contains("could not be compared"),
        "{asked}"
    );
    let again = finished.step("again")?;
    assert_eq!(again["status"], 200, "{again}");
    assert_eq!(
        again["body"]["data"].as_array().map(Vec::len),
        Some(3),
        "{again}"
    );
    Ok(())
}
