//! Earlier results and bound names: judged by what they come from and what is bound, by the next proxy too.

use std::fs;

use anyhow::Result;
use icecore_tests::harness::driver::Driver;
use serde_json::{Value, json};

use crate::catalogue::{CANARY, world};
use crate::raw::{self, by, login, login_as, statement};
use crate::v2::submit;

/// Personal data may be seen, and nothing may be asked of it.
const ASKED: &str = r#"
@id("all") permit (principal, action, resource);
@id("no-pii") @reason("nothing is asked of personal data")
forbid (principal, action == Icecore::Action::"filter", resource) when { resource.hasTag("PII") };
"#;

const WHY: &str = "nothing is asked of personal data (column ACME_DB.PUBLIC.CUSTOMERS.EMAIL)";

#[track_caller]
fn told(client: &mut Driver, name: &str) -> Value {
    let step = client.expect(name).unwrap();
    assert_eq!(step["ok"], true, "{step}");
    step["body"].clone()
}

#[track_caller]
fn works(client: &mut Driver, name: &str) {
    let body = told(client, name);
    let is_api = body["statementHandle"].is_string() && body["code"] == "090001";
    assert!(body["success"] == true || is_api, "{name}: {body}");
}

#[track_caller]
fn refused(client: &mut Driver, name: &str, why: &str) {
    let body = told(client, name);
    let message = body["message"].to_string();
    assert!(message.contains("Icecore refused"), "{name}: {body}");
    assert!(message.contains(why), "{name}: expected `{why}` in {body}");
}

fn bound(mut step: Value, values: &[Value]) -> Value {
    let bindings = (1..).zip(values).map(|(number, value): (usize, _)| {
        let bind = json!({"type": "TEXT", "value": value});
        (number.to_string(), bind)
    });
    step["body"]["bindings"] = Value::Object(bindings.collect());
    step
}

#[test]
fn a_scan_is_judged_by_its_results_origins_and_by_the_next_proxy_too() -> Result<()> {
    let mut world = world(ASKED, CANARY)?;
    let scan = |rest: &str| {
        let id = "${first/body/data/queryId}";
        format!("select count(*) from table(result_scan('{id}')) {rest}")
    };
    let later = |name: &str, id: &str, sql: &str| by("again", statement(name, id, sql));
    let steps = json!([
        login(),
        statement("first", "a1", "select email as contact, name from customers"),
        statement("all of it", "a2", "select * from table(result_scan('${first/body/data/queryId}'))"),
        statement("free", "a3", &scan("where name = 'ada'")),
        statement("asked", "a4", &scan("where contact like 'c%'")),
        statement("last", "a5", "select * from table(result_scan(last_query_id()))"),
        {"do": "pause"},
        login_as("again"),
        later("free later", "b1", &scan("where name = 'ada'")),
        later("asked later", "b2", &scan("group by contact")),
        later("rename", "b3", "alter table customers rename to patrons"),
        {"do": "pause"},
        later("free no more", "b4", &scan("where name = 'ada'")),
    ]);
    let mut client = raw::start(&world, &steps)?;
    for name in ["login", "first", "all of it", "free"] {
        works(&mut client, name);
    }
    refused(&mut client, "asked", WHY);
    refused(&mut client, "last", "name the id of the query");
    client.expect("pause")?;
    let kept = world.config.proxy_dir().join("results");
    assert_eq!(fs::read_dir(&kept)?.count(), 1);
    world.replace_proxy()?;
    client.go_on()?;
    for name in ["again", "free later"] {
        works(&mut client, name);
    }
    refused(&mut client, "asked later", WHY);
    works(&mut client, "rename");
    client.expect("pause")?;
    world.replace_proxy()?;
    client.go_on()?;
    // Its table may be another by now.
    refused(&mut client, "free no more", "earlier result are not known");
    drop(client.finish()?);
    let executed = world.gate.executed()?;
    let scans = executed.iter().filter(|sql| sql.contains("result_scan"));
    assert_eq!(scans.count(), 3, "{executed:?}");
    world.flush()?;
    assert_eq!(fs::read_dir(&kept)?.count(), 0, "the session is over");
    Ok(())
}

#[test]
fn a_bind_that_names_something_is_judged_by_its_value() -> Result<()> {
    let world = world(ASKED, CANARY)?;
    let asked = "select count(*) from identifier(?) where identifier(?) like 'c%'";
    let text = |name: &str| json!(name);
    let table = text("acme_db.public.customers");
    let one = |name: &str, id: &str| statement(name, id, asked);
    let api = |name: &str| submit(name, "", asked);
    let steps = json!([
        login(),
        bound(one("name", "a1"), &[table.clone(), text("name")]),
        bound(one("email", "a2"), &[table.clone(), text("email")]),
        // Another value under the same request id is another statement.
        bound(one("email again", "a1"), &[table.clone(), text("email")]),
        bound(one("rows", "a3"), &[table.clone(), json!(["name", "name"])]),
        one("nothing", "a4"),
        bound(
            statement("run", "a5", "execute immediate ?"),
            &[json!("select count(email) from customers")]
        ),
        bound(api("api name"), &[table.clone(), text("name")]),
        bound(api("api email"), &[table.clone(), text("email")]),
        api("api nothing"),
    ]);
    let mut client = raw::start(&world, &steps)?;
    works(&mut client, "login");
    let name = told(&mut client, "name").to_string();
    assert!(!name.contains("Icecore refused"), "{name}");
    refused(&mut client, "email", WHY);
    let again = told(&mut client, "email again")["message"].to_string();
    assert!(again.contains("under the same requestId"), "{again}");
    refused(&mut client, "rows", "values of several rows");
    refused(&mut client, "nothing", "the request binds nothing to it");
    refused(&mut client, "run", "a column of CUSTOMERS");
    let name = told(&mut client, "api name").to_string();
    assert!(!name.contains("Icecore refused"), "{name}");
    refused(&mut client, "api email", WHY);
    refused(
        &mut client,
        "api nothing",
        "the request binds nothing to it",
    );
    drop(client.finish()?);
    let executed = world.gate.executed()?;
    let sent = executed.iter().filter(|sql| *sql == asked);
    assert_eq!(sent.count(), 2, "{executed:?}");
    Ok(())
}
