//! Request ids: what a client chose stays here, what goes upstream is the same for the same request alone.

use std::collections::BTreeSet;

use anyhow::Result;
use icecore_tests::emulator::{Endpoint, FaultKind};
use icecore_tests::harness::world::{Plan, World};
use serde_json::{Value, json};

use crate::raw::{self, body, login, statement};

const ID: &str = "44444444-4444-4444-8444-444444444444";

/// Two logins of one session say two things under one id: both run, and Snowflake sees two requests. One that is tried
/// again, and the abort of another, name the request that they mean.
#[test]
fn a_request_upstream_has_a_name_of_its_own() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let mut second = login();
    second["name"] = "second".into();
    let mut other = statement("other", ID, "select 'second'");
    other["headers"]["Authorization"] = "Snowflake Token=\"${second/body/data/token}\"".into();
    let mut left = statement("left", "e1", "select * from wait_60_seconds");
    left["do"] = "start".into();
    let abort = json!({"name": "aborted", "target": "/queries/v1/abort-request?requestId=e2", "headers": raw::token(),
                       "body": {"requestId": "e1", "sqlText": "x"}});
    let steps = json!([
        login(), second, {"do": "pause"}, statement("one", ID, "select 'first'"), other,
        left, {"do": "sleep", "seconds": 2}, abort, {"do": "join", "of": "left", "name": "ended"},
    ]);
    let mut client = raw::start(&world, &steps)?;
    for name in ["login", "second", "pause"] {
        client.expect(name)?;
    }
    world.gate.plant(Endpoint::Query, FaultKind::Status(503))?;
    client.go_on()?;
    let finished = client.finish()?;
    for name in ["one", "other", "aborted"] {
        assert_eq!(
            body(&finished, name)["success"],
            true,
            "{}",
            finished.output
        );
    }
    assert_eq!(
        body(&finished, "ended")["code"],
        "000604",
        "{}",
        finished.output
    );

    let sent = upstream_ids(&world, "/queries/v1/query-request")?;
    // Each of the two logins is read back by a statement of Icecore's own.
    let [_, _, lost, first, second, left] = sent.as_slice() else {
        panic!("{sent:?}")
    };
    assert_eq!(lost, first, "a retry is another request to Snowflake");
    let distinct: BTreeSet<&String> = [first, second, left].into();
    assert_eq!(distinct.len(), 3, "{sent:?}");
    assert!(!sent.iter().any(|id| id == ID || id == "e1"), "{sent:?}");
    world.flush()?;
    let recorded = world.query("select distinct request_id from statements order by 1")?;
    assert_eq!(
        recorded,
        [json!({"request_id": ID}), json!({"request_id": "e1"})]
    );
    Ok(())
}

fn upstream_ids(world: &World, path: &str) -> Result<Vec<String>> {
    let id = |request: &Value| {
        let query = request["query"].as_str().unwrap_or_default();
        let mut pairs = query.split('&');
        let id = pairs.find_map(|pair| pair.strip_prefix("requestId="));
        id.unwrap_or_default().to_owned()
    };
    let requests = world.gate.events(Some("request"))?;
    let sent = requests.iter().filter(|request| request["path"] == path);
    Ok(sent.map(id).collect())
}
