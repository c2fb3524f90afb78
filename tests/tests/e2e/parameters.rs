//! Parameters that change what a text means reach Snowflake by no way: login, statement, `ALTER SESSION`, SQL API.

use anyhow::Result;
use icecore_tests::harness::world::{Plan, World};
use serde_json::json;

use crate::raw;

#[test]
fn a_parameter_that_is_not_let_through_reaches_snowflake_by_no_way() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let mut login = raw::login();
    login["body"]["data"]["SESSION_PARAMETERS"] =
        json!({"QUERY_TAG": "kept", "SEARCH_PATH": "planted.one"});
    let id = |last: u8| format!("22222222-2222-4222-8222-22222222222{last}");
    let mut of_statement = raw::statement("statement", &id(1), "select 1");
    of_statement["body"]["parameters"] = json!({"SEARCH_PATH": "planted.two"});
    let mut tagged = raw::statement("tagged", &id(2), "select 2");
    tagged["body"]["parameters"] = json!({"QUERY_TAG": "passes"});
    let set = "alter session set search_path = 'planted.three'";
    let api = json!({
        "name": "api",
        "target": "/api/v2/statements",
        "headers": {"Authorization": "Bearer x", "Content-Type": "application/json", "Accept": "application/json",
            "User-Agent": "raw/1", "X-Snowflake-Role": "ACCOUNTADMIN"},
        "body": {"statement": "select 4", "role": "ACCOUNTADMIN", "parameters": {"search_path": "planted.four"}},
    });
    let steps = json!([
        login,
        of_statement,
        tagged,
        raw::statement("set", &id(3), set),
        api
    ]);
    let finished = raw::send(&world, &steps)?;
    for (name, works) in [
        ("login", true),
        ("statement", false),
        ("tagged", true),
        ("set", false),
    ] {
        let body = raw::body(&finished, name);
        assert_eq!(body["success"], works, "{name}: {body}");
    }
    for name in ["statement", "set", "api"] {
        let told = finished.step(name)?["body"]["message"]
            .to_string()
            .to_ascii_lowercase();
        assert!(
            told.contains("icecore") && told.contains("search_path"),
            "{name}: {told}"
        );
    }
    assert_eq!(world.gate.executed()?, ["select 2"]);
    for event in world.gate.events(None)? {
        let text = event.to_string();
        assert!(
            !text.contains("planted") && !text.contains("ACCOUNTADMIN"),
            "{text}"
        );
    }
    world.flush()?;
    let events = world.query("select detail from events where event_code = 'RQ002'")?;
    let text = serde_json::to_string(&events)?;
    assert!(
        events.len() == 1 && text.contains("SEARCH_PATH") && !text.contains("planted"),
        "{text}"
    );
    Ok(())
}
