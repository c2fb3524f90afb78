//! What leaves beside rows: words of errors, states of statements, credentials in results.

use anyhow::Result;
use icecore_tests::emulator::{Endpoint, FaultKind, Tuning};
use icecore_tests::harness::driver::{Driver, Finished};
use icecore_tests::harness::world::{Plan, World};
use serde_json::{Value, json};

use crate::catalogue::{CANARY, world_of};
use crate::raw::{self, login, statement, token};
use crate::v2::submit;

/// Mails are hidden, and may be made something of: whatever that gives is hidden too, but it may fail.
const CONVERTED: &str = r#"
@id("all") permit (principal, action, resource);
@id("may-convert") @masked_use("argument where")
permit (principal, action == Icecore::Action::"filter", resource);
@id("mask-pii") @remedy("mask:null")
forbid (principal, action == Icecore::Action::"project", resource) when {
    resource is Icecore::Column && resource.hasTag("PII")
};
"#;

/// The value of the masked column.
const MAIL: &str = "canary-mail-51ce";

/// A credential, by its form.
const TOKEN: &str = "ver:1-hint:1036-ETMsDgAAAXkcanary";

/// The query whose result holds an address.
const URL: &str = "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11";

fn request(number: u32) -> String {
    format!("33333333-3333-4333-8333-{number:012}")
}

/// A statement of the login, and the state that it has then.
fn asked(number: u32, name: &str, sql: &str) -> [Value; 2] {
    let state = json!({
        "name": format!("state of {name}"), "method": "GET", "headers": token(),
        "target": format!("/monitoring/queries/${{{name}/body/data/queryId}}"),
    });
    [statement(name, &request(number), sql), state]
}

#[track_caller]
fn body(finished: &Finished, name: &str) -> String {
    raw::body(finished, name).to_string()
}

#[test]
fn an_error_tells_no_value_of_a_masked_column_by_any_way() -> Result<()> {
    let world = world_of(CONVERTED, CANARY, Tuning::default())?;
    let mut steps = vec![login()];
    for (number, name, sql) in [
        (1, "hidden", "select email::number as n from customers"),
        (
            2,
            "used",
            "select id from customers where email::number > 1",
        ),
        (3, "shown", "select name::number as n from customers"),
    ] {
        steps.extend(asked(number, name, sql));
    }
    let api = "select email::number as n from acme_db.public.customers";
    steps.push(submit(
        "api",
        "requestId=33333333-3333-4333-8333-333333333391",
        api,
    ));
    let finished = raw::send(&world, &Value::from(steps))?;
    assert!(!finished.output.contains(MAIL), "{}", finished.output);
    for name in ["hidden", "used"] {
        let told = raw::body(&finished, name);
        assert_eq!(told["success"], false, "{told}");
        assert!(
            told["message"].to_string().contains("withheld by Icecore"),
            "{told}"
        );
        assert!(
            told["code"].is_string() && told["data"]["sqlState"].is_string(),
            "{told}"
        );
        let state = body(&finished, &format!("state of {name}"));
        assert!(
            state.contains("FAILED_WITH_ERROR") && !state.contains("customers"),
            "{state}"
        );
    }
    assert!(body(&finished, "api").contains("withheld by Icecore"));
    // The twin's words are Snowflake's own.
    for name in ["shown", "state of shown"] {
        assert!(
            body(&finished, name).contains("ada"),
            "{}",
            body(&finished, name)
        );
    }
    world.flush()?;
    let asked = "select * exclude (sql_text), sql_text[:6] as begins from trail where begins = 'select' and status = 'failed'";
    let trail = world.query(asked)?;
    assert_eq!(trail.len(), 4, "{trail:?}");
    assert!(!json!(trail).to_string().contains(MAIL), "{trail:?}");
    Ok(())
}

/// Reads steps up to a pause, and plants an answer for the one that comes after it.
fn go_on(client: &mut Driver, world: &World, answer: Value, read: &mut Vec<Value>) -> Result<()> {
    loop {
        let step = client.step()?;
        if step["step"] == "pause" {
            break;
        }
        read.push(step);
    }
    world.gate.plant(Endpoint::Query, FaultKind::Body(answer))?;
    client.go_on()
}

fn rows(column: &str, kind: &str, cell: &str) -> Value {
    json!({
        "data": {
            "statementTypeId": 0x1000, "total": 1, "returned": 1, "queryResultFormat": "json",
            "rowtype": [{"name": column, "type": kind, "length": 16, "nullable": true}],
            "rowset": [[cell]],
        },
        "code": null, "message": null, "success": true,
    })
}

/// Statements whose answers hold credentials, each answer planted in the pause before it.
fn minting() -> Value {
    let pause = || json!({"do": "pause"});
    let url = "select get_presigned_url(@files, 'f') as u";
    let stored = format!("create table urls as {url}");
    let scanned = format!("select * from table(result_scan('{URL}'))");
    json!([
        login(),
        statement("token", &request(1), "alter user icecore_svc add pat t"),
        statement("stored", &request(2), &stored),
        pause(),
        statement("url", &request(3), url),
        statement("scanned", &request(4), &scanned),
        pause(),
        statement("own", &request(5), "select my_function(1) as u"),
        pause(),
        statement("within", &request(6), "select my_function(2) as u"),
        pause(),
        statement("twin", &request(7), "select my_function(3) as u"),
    ])
}

#[test]
fn no_policy_and_no_mode_lets_a_minted_credential_out() -> Result<()> {
    for mode in ["enforce", "observe"] {
        let mut world = World::without_daemon(&Plan {
            mode: mode.into(),
            ..Plan::default()
        })?;
        let policy = "@id(\"all\") permit (principal, action, resource);";
        std::fs::write(world.config.policies().join("all.cedar"), policy)?;
        world.start_daemon()?;
        let mut client = raw::start(&world, &minting())?;
        let address = "https://b.s3.amazonaws.com/k?X-Amz-Signature=canary";
        let mut url = rows("U", "text", address);
        url["data"]["queryId"] = json!(URL);
        let own = rows("U", "text", &format!("here: {TOKEN}"));
        let within = rows("U", "variant", &json!({"a": [TOKEN]}).to_string());
        let twin = rows("U", "text", "ver:1 of something");
        let mut read = Vec::new();
        for answer in [url, own, within, twin] {
            go_on(&mut client, &world, answer, &mut read)?;
        }
        let mut finished = client.finish()?;
        finished.steps.append(&mut read);
        let output = &finished.output;
        assert!(!output.contains("canary"), "{mode}: {output}");
        for name in ["token", "stored", "scanned"] {
            let told = body(&finished, name);
            assert!(told.contains("rule minted-credential"), "{mode}: {told}");
        }
        let cell = |name: &str| raw::body(&finished, name)["data"]["rowset"][0][0].clone();
        let hidden = "*".repeat(TOKEN.len());
        assert_eq!(cell("url"), "withheld by Icecore: a credential", "{mode}");
        assert_eq!(cell("own"), format!("here: {hidden}"), "{mode}");
        assert_eq!(cell("within"), format!(r#"{{"a":["{hidden}"]}}"#), "{mode}");
        assert_eq!(cell("twin"), "ver:1 of something", "{mode}");
        let executed = world.gate.executed()?.join("\n");
        assert!(!executed.contains("add pat"), "{executed}");
        assert!(!executed.contains("urls"), "{executed}");
    }
    Ok(())
}
