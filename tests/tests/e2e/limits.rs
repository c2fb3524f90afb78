//! What one session may have at once, as its clients meet it: more is refused, and another session has its own share.

use anyhow::Result;
use icecore_tests::emulator::Tuning;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::json;

use crate::piece;
use crate::raw::{self, body, login, statement, token};

/// One statement more than a session may have under way. Source: docs/operations.md, "Limits".
const STATEMENTS: usize = 257;

/// Asks until the first answer has come, and a while longer; those under way have none yet.
const CROWD: &str = r#"
import threading, time, uuid
login = connect()
token = {"Authorization": f'Snowflake Token="{login.rest.token}"', "Content-Type": "application/json"}
answers = []
def ask_for_long():
    link = http.client.HTTPSConnection(HOST, context=context, timeout=120)
    body = json.dumps({"sqlText": "select * from wait_100_seconds"})
    link.request("POST", f"/queries/v1/query-request?requestId={uuid.uuid4()}", body, token)
    answers.append(json.loads(link.getresponse().read()))
context = ssl.create_default_context()
for _ in range(STATEMENTS):
    threading.Thread(target=ask_for_long, daemon=True).start()
until = time.monotonic() + 30
while not answers and time.monotonic() < until:
    time.sleep(0.1)
time.sleep(2)
tell("crowd", answers=[answer["message"] for answer in answers])
pause()
os._exit(0)
"#;

#[test]
fn a_session_has_its_share_of_statements_under_way() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let text = CROWD.replace("STATEMENTS", &STATEMENTS.to_string());
    let mut crowd = piece::start(&world, Generation::Four, &format!("import os\n{text}"))?;
    let answers = crowd.expect("crowd")?["answers"].clone();
    let refused = "Icecore refused this request: more statements than a session may have under way; wait for some of them";
    assert_eq!(answers, json!([refused]));
    crowd.expect("pause")?;
    let steps = json!([login(), statement("other session", "o1", "select 1")]);
    let other = raw::send(&world, &steps)?;
    assert_eq!(body(&other, "other session")["success"], true);
    crowd.go_on()
}

/// Each sends the first byte of a TLS record, so that the proxy waits for the rest of its hello.
const CONNECTIONS: &str = r#"
import resource, socket, time
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
def begin():
    link = socket.create_connection((HOST, 443), timeout=5)
    link.sendall(b"\x16")
    return link
def ended(link, wait):
    link.settimeout(wait)
    try:
        return link.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
held = [begin() for _ in range(1024)]
time.sleep(1)
tell("held", ended=sum(ended(link, 0.001) for link in held))
try:
    over = ended(begin(), 5)
except OSError:
    over = True
tell("one more", ended=over)
for link in held:
    link.close()
time.sleep(1)
tell("after", ended=ended(begin(), 1))
"#;

#[test]
fn a_session_has_its_share_of_connections() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let finished = piece::run(&world, Generation::Four, CONNECTIONS)?;
    for (name, is_ended) in [
        ("held", json!(0)),
        ("one more", json!(true)),
        ("after", json!(false)),
    ] {
        assert_eq!(
            finished.step(name)?["ended"],
            is_ended,
            "{}",
            finished.output
        );
    }
    world.flush()?;
    let rows = world.query(
        "select count(*) n from events where event_code = 'NT001' and detail::text like '%more connections than%'",
    )?;
    assert_eq!(rows, [json!({"n": 1})]);
    Ok(())
}

/// More polls than a session may have requests in the works, whose clients then go. Source: README, "Limits".
const POLLS: &str = r#"
import os, uuid
login = connect()
token = {"Authorization": f'Snowflake Token="{login.rest.token}"', "Content-Type": "application/json"}
context = ssl.create_default_context()
def begin(method, path, body=None):
    link = http.client.HTTPSConnection(HOST, context=context, timeout=60)
    link.request(method, path, None if body is None else json.dumps(body), token)
    return link
def read(link):
    return json.loads(link.getresponse().read())
long = {"sqlText": "select * from wait_100_seconds", "asyncExec": True}
query_id = read(begin("POST", f"/queries/v1/query-request?requestId={uuid.uuid4()}", long))["data"]["queryId"]
polls = [begin("GET", f"/queries/{query_id}/result") for _ in range(513)]
tell("last", message=read(polls.pop())["message"])
for link in polls:
    link.close()
tell("one more", message=read(begin("POST", "/session/heartbeat", {}))["message"])
os._exit(0)
"#;

#[test]
fn a_session_has_its_share_of_requests_though_their_clients_have_gone() -> Result<()> {
    let world = World::start(&Plan::default())?;
    // None of them is answered before the last one is there.
    world.gate.tune(Tuning {
        poll_hold_ms: 40_000,
        ..Tuning::default()
    })?;
    let mut polls = piece::start(&world, Generation::Four, POLLS)?;
    let refused = "Icecore refused this request: more requests than a session may have in the works; wait for some of them";
    for name in ["last", "one more"] {
        assert_eq!(polls.expect(name)?["message"], refused, "{name}");
    }
    polls.finish()?;
    let steps = json!([login(), statement("other session", "o1", "select 1")]);
    let other = raw::send(&world, &steps)?;
    assert_eq!(body(&other, "other session")["success"], true);
    Ok(())
}

/// What carries no statement may not be as large as one that does.
#[test]
fn a_large_body_is_taken_where_a_statement_may_be_in_it() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let large = "x".repeat(20 << 10);
    let steps = json!([
        login(),
        statement("statement", "s1", &format!("select length('{large}')")),
        {"name": "renewal", "target": "/session/token-request", "headers": token(),
         "body": {"oldSessionToken": large}},
        {"name": "telemetry", "target": "/telemetry/send", "headers": token(), "body": {"logs": large}},
    ]);
    let finished = raw::send(&world, &steps)?;
    assert_eq!(body(&finished, "statement")["success"], true);
    let renewal = body(&finished, "renewal")["message"].to_string();
    assert!(
        renewal.contains("larger than the limit of 16384 bytes of its endpoint"),
        "{renewal}"
    );
    assert_eq!(body(&finished, "telemetry")["success"], true);
    Ok(())
}
