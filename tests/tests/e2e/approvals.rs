//! Statements that wait for people: real drivers see a slow query, and it runs only if people say yes to what it means.

use std::fs;
use std::time::Duration;

use crate::approver::Approver;
use anyhow::Result;
use icecore::approval::Answer;
use icecore_tests::drivers::Product;
use icecore_tests::harness::driver::Driver;
use icecore_tests::harness::world::{Plan, World};
use serde_json::{Value, json};

use crate::raw::{self, login, statement, token};
use crate::v2::{bearer, get};

/// Everything is permitted, and what changes something needs a yes.
const POLICIES: &str = include_str!("../../../policies/approve-changes.cedar");

fn world() -> Result<(World, Approver)> {
    world_with("", "")
}

/// Makes a world with more policies and more groups.
pub(crate) fn world_with(policies: &str, groups: &str) -> Result<(World, Approver)> {
    let mut world = World::without_daemon(&Plan::default())?;
    let approver = Approver::start(&world.config.store)?;
    have_people_asked(&world, policies, &(approver.config() + groups))?;
    world.start_daemon()?;
    Ok((world, approver))
}

/// Writes the policies and sections by which a world's daemon asks people.
pub(crate) fn have_people_asked(world: &World, policies: &str, sections: &str) -> Result<()> {
    let all = format!("@id(\"all\") permit (principal, action, resource);\n{POLICIES}{policies}");
    fs::write(world.config.policies().join("approvals.cedar"), all)?;
    let config = fs::read_to_string(world.config_file())?;
    fs::write(world.config_file(), config + sections)?;
    Ok(())
}

pub(crate) fn insert(number: u32) -> String {
    format!("insert into ORDERS values ({number}, 'held', 1)")
}

#[track_caller]
pub(crate) fn said(step: &Value, text: &str) {
    let message = step["message"].to_string();
    assert_eq!(step["ok"], false, "{step}");
    assert!(message.contains(text), "expected `{text}` in {step}");
}

/// One driver's statements: a yes, a no, and nobody who says anything.
fn a_driver_waits(product: Product) -> Result<()> {
    let (world, approver) = world()?;
    let sql = |name: &str, sql: &str| json!({"do": "sql", "name": name, "sql": sql});
    let mut driver = world.start_driver(
        product,
        &json!([
            {"do": "connect", "name": "connect"},
            sql("approved", &format!("-- reason: a test\n{}", insert(701))),
            sql("denied", &insert(702)),
            sql("expired", "grant select on table ORDERS to role READER"),
            sql("after", "select count(*) as N from ORDERS where CUSTOMER = 'held'"),
        ]),
    )?;
    assert_eq!(driver.expect("connect")?["ok"], true);

    let request = approver.wait("701")?;
    assert_eq!(request.claimed.reason.as_deref(), Some("a test"));
    assert_eq!(request.meaning.kinds, ["insert"]);
    let plan = &request.plan;
    assert_eq!(
        (plan.bytes, plan.partitions),
        (Some(2048), Some(1)),
        "{plan:?}"
    );
    let written = |path: &str, action: &str| {
        let mut objects = request.meaning.objects.iter();
        objects.any(|one| one.path == path && one.action == action)
    };
    assert!(written("ACME_DB.PUBLIC.ORDERS", "write"), "{request:?}");
    // Whoever asks says yes to no request of their own.
    approver.say(&request, "nina", Answer::Approve)?;
    std::thread::sleep(Duration::from_secs(1));
    assert!(
        world
            .gate
            .executed()?
            .iter()
            .all(|sql| !sql.contains("701"))
    );
    approver.say(&request, "olga", Answer::Approve)?;
    assert_eq!(driver.expect("approved")?["ok"], true);
    assert_eq!(approver.outcome(&request)?, "approved");

    let request = approver.wait("702")?;
    approver.say(&request, "otto", Answer::Deny)?;
    let step = driver.expect("denied")?;
    for text in [
        "Icecore refused this statement",
        "`corp:otto` said no: not today",
        "rule approve-writes",
    ] {
        said(&step, text);
    }
    assert_eq!(approver.outcome(&request)?, "denied");

    let request = approver.wait("grant select")?;
    said(&driver.expect("expired")?, "nobody who may had said enough");
    assert_eq!(approver.outcome(&request)?, "expired");
    let after = driver.expect("after")?;
    assert_eq!(
        after["first"][0].to_string().trim_matches('"'),
        "1",
        "{after}"
    );
    drop(driver.finish()?);

    assert!(
        world
            .gate
            .executed()?
            .iter()
            .all(|sql| !sql.contains("702") && !sql.contains("grant"))
    );
    world.flush()?;
    let rows = world.query(
        "select decision, status, approval_id is not null as asked, approval_wait_ms > 0 as waited \
         from statements where sql_kind in ('insert', 'grant') order by started_at",
    )?;
    let row = |decision: &str, status: &str| json!({"decision": decision, "status": status, "asked": true, "waited": true});
    let expected = [
        row("approve", "success"),
        row("block", "blocked"),
        row("block", "blocked"),
    ];
    assert_eq!(rows, expected);
    Ok(())
}

#[test]
fn connector_4_waits_for_people() -> Result<()> {
    a_driver_waits(Product::Connector4)
}

#[test]
fn connector_5_waits_for_people() -> Result<()> {
    a_driver_waits(Product::Connector5)
}

#[test]
fn node_waits_for_people() -> Result<()> {
    a_driver_waits(Product::Node)
}

#[test]
fn adbc_waits_for_people() -> Result<()> {
    a_driver_waits(Product::Adbc)
}

/// A driver that takes an id and comes back later finds its rows by that id, whatever Snowflake calls the query.
#[test]
fn a_statement_sent_to_run_later_waits_too() -> Result<()> {
    let (world, approver) = world()?;
    for (number, product) in [
        (711, Product::Connector4),
        (712, Product::Connector5),
        (713, Product::Node),
    ] {
        let mut driver = world.start_driver(
            product,
            &json!([
                {"do": "connect", "name": "connect"},
                {"do": "async", "name": "later", "sql": insert(number), "fetch": true},
            ]),
        )?;
        driver.expect("connect")?;
        let request = approver.wait(&number.to_string())?;
        approver.say(&request, "olga", Answer::Approve)?;
        let step = driver.expect("later")?;
        assert_eq!(step["ok"], true, "{product:?}: {step}");
        drop(driver.finish()?);
    }
    Ok(())
}

pub(crate) fn later(name: &str, request_id: &str, sql: &str) -> Value {
    let mut step = statement(name, request_id, sql);
    step["body"]["asyncExec"] = true.into();
    step
}

fn result(name: &str, of: &str) -> Value {
    let target = format!("/queries/${{{of}/body/data/queryId}}/result");
    json!({"name": name, "method": "GET", "target": target, "headers": token()})
}

fn body(client: &mut Driver, name: &str) -> Value {
    client.expect(name).unwrap()["body"].clone()
}

/// What is taken back is asked for no more; a yes is for one request, and for what it meant.
#[test]
fn a_yes_is_for_one_statement_as_it_was() -> Result<()> {
    let (world, approver) = world()?;
    let monitor = json!({"name": "monitor", "method": "GET", "headers": token(),
        "target": "/monitoring/queries/${aborted/body/data/queryId}"});
    let abort = json!({"name": "abort", "headers": token(), "body": {},
        "target": "/queries/${aborted/body/data/queryId}/abort-request"});
    let in_transaction = later("in transaction", "h5", &insert(725));
    let steps = json!([
        login(),
        statement("make", "h0", "create schema OTHER"),
        statement("leave", "h9", "use schema PUBLIC"),
        later("aborted", "h1", &insert(721)), {"do": "pause"}, monitor, abort, result("its end", "aborted"),
        later("moved", "h2", &insert(722)), {"do": "pause"},
        statement("use", "h3", "use schema OTHER"), {"do": "pause"},
        result("void", "moved"),
        statement("back", "h4", "use schema PUBLIC"),
        later("again", "h6", &insert(722)), {"do": "pause"}, result("waits on", "again"),
        statement("begin", "h7", "begin"), in_transaction, result("not held", "in transaction"),
        statement("rollback", "h8", "rollback"),
        {"name": "close", "target": "/session?delete=true", "headers": token(), "body": {}},
    ]);
    let mut client = raw::start(&world, &steps)?;
    client.expect("login")?;
    let request = approver.wait("create schema")?;
    approver.say(&request, "olga", Answer::Approve)?;
    assert_eq!(body(&mut client, "make")["success"], true);
    assert_eq!(body(&mut client, "leave")["success"], true);
    let held = body(&mut client, "aborted");
    assert_eq!(
        (&held["code"], &held["success"]),
        (&json!("333334"), &json!(true)),
        "{held}"
    );
    client.expect("pause")?;
    let request = approver.wait("721")?;
    client.go_on()?;
    assert_eq!(
        body(&mut client, "monitor")["data"]["queries"][0]["status"],
        "QUEUED"
    );
    assert_eq!(body(&mut client, "abort")["success"], true);
    assert_eq!(body(&mut client, "its end")["code"], "000604");
    assert_eq!(approver.outcome(&request)?, "withdrawn");

    client.expect("moved")?;
    client.expect("pause")?;
    let request = approver.wait("722")?;
    client.go_on()?;
    assert_eq!(body(&mut client, "use")["success"], true);
    client.expect("pause")?;
    let yes = approver.say(&request, "olga", Answer::Approve)?;
    assert_eq!(approver.outcome(&request)?, "void");
    client.go_on()?;
    let void = body(&mut client, "void");
    let message = void["message"].to_string();
    assert!(
        message.contains("that is void: the schema was PUBLIC"),
        "{void}"
    );
    client.expect("back")?;

    // The same text again is another request, for which that yes is none.
    client.expect("again")?;
    client.expect("pause")?;
    let second = approver.wait("722")?;
    assert_ne!(second.id, request.id);
    approver.put(&second, &yes)?;
    std::thread::sleep(Duration::from_secs(1));
    client.go_on()?;
    assert_eq!(body(&mut client, "waits on")["code"], "333333");
    client.expect("begin")?;
    client.expect("in transaction")?;
    let refused = body(&mut client, "not held");
    assert!(
        refused["message"]
            .to_string()
            .contains("inside an open transaction"),
        "{refused}"
    );
    client.expect("rollback")?;
    client.expect("close")?;
    assert_eq!(approver.outcome(&second)?, "withdrawn");
    drop(client.finish()?);
    assert!(
        world
            .gate
            .executed()?
            .iter()
            .all(|sql| !sql.contains("'held'"))
    );
    Ok(())
}

#[test]
fn the_sql_api_waits_for_people() -> Result<()> {
    let (world, approver) = world()?;
    let sql = "insert into ACME_DB.PUBLIC.ORDERS values (731, 'held', 1)";
    let submitted = json!({"name": "submit", "headers": bearer(), "body": {"statement": sql},
        "target": "/api/v2/statements?async=true"});
    let status = "/api/v2/statements/${submit/body/statementHandle}";
    let steps = json!([
        submitted, get("waits", status), {"do": "pause"}, get("runs", status),
    ]);
    let mut client = raw::start(&world, &steps)?;
    assert_eq!(client.expect("submit")?["status"], 202);
    let request = approver.wait("731")?;
    approver.say(&request, "olga", Answer::Approve)?;
    client.expect("waits")?;
    client.expect("pause")?;
    client.go_on()?;
    let told = client.expect("runs")?;
    assert_eq!(told["status"], 200, "{told}");
    drop(client.finish()?);
    assert_eq!(request.meaning.role.as_deref(), Some("ANALYST"));
    Ok(())
}

/// The proxy dies while people think; the next one takes the statement up, and the driver's poll finds it.
fn a_driver_waits_beyond_a_proxy(product: Product) -> Result<()> {
    let (mut world, approver) = world()?;
    let mut driver = world.start_driver(
        product,
        &json!([
            {"do": "connect", "name": "connect"},
            {"do": "sql", "name": "held", "sql": insert(741)},
            {"do": "sql", "name": "after", "sql": "select count(*) as N from ORDERS where CUSTOMER = 'held'"},
        ]),
    )?;
    driver.expect("connect")?;
    let request = approver.wait("741")?;
    world.replace_proxy()?;
    std::thread::sleep(Duration::from_secs(2));
    approver.say(&request, "olga", Answer::Approve)?;
    let step = driver.expect("held")?;
    assert_eq!(step["ok"], true, "{step}\n{}", world.daemon()?.log()?);
    let after = driver.expect("after")?;
    assert_eq!(
        after["first"][0].to_string().trim_matches('"'),
        "1",
        "{after}"
    );
    drop(driver.finish()?);
    let sent = world.gate.executed()?;
    let sent = sent.iter().filter(|sql| sql.contains("741")).count();
    assert_eq!(sent, 1);
    assert_eq!(approver.outcome(&request)?, "approved");
    let held = world.config.proxy_dir().join("held");
    let left = fs::read_dir(held)?.count();
    assert_eq!(left, 0, "what waited is not forgotten");
    Ok(())
}

#[test]
fn connector_4_waits_beyond_a_proxy() -> Result<()> {
    a_driver_waits_beyond_a_proxy(Product::Connector4)
}

#[test]
fn connector_5_waits_beyond_a_proxy() -> Result<()> {
    a_driver_waits_beyond_a_proxy(Product::Connector5)
}
