//! What one session may have at once, as its clients meet it: more is refused, and another session has its own share.

use anyhow::Result;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::json;

use crate::piece;
use crate::raw;

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
    let steps = json!([
        raw::login(),
        raw::statement("other session", "o1", "select 1")
    ]);
    let other = raw::send(&world, &steps)?;
    assert_eq!(raw::body(&other, "other session")["success"], true);
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
