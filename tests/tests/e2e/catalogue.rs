//! What names mean: the login's database and schema, and the tables, views and tags that the account itself tells of.

use std::fs;

use anyhow::{Context, Result};
use icecore_tests::emulator::{Tag, Tuning};
use icecore_tests::harness::driver::Finished;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::{Value, json};

use crate::asserts::worked;

/// Everything is allowed but that the value of a tagged column leaves.
const NO_PII: &str = r#"
@id("all") permit (principal, action, resource);
@id("no-pii") @reason("personal data stays where it is")
forbid (principal, action == Icecore::Action::"project", resource) when {
    resource is Icecore::Column && resource.hasTag("PII")
};
"#;

/// Two tables may be read, and nothing else.
const ORDERS_ALONE: &str = r#"
@id("session") permit (principal, action == Icecore::Action::"session", resource);
@id("columns") permit (principal, action in [Icecore::Action::"project", Icecore::Action::"filter"], resource);
@id("orders") permit (principal, action == Icecore::Action::"read", resource) when {
    resource == Icecore::Table::"ACME.ACME_DB.PUBLIC.ORDERS" || resource == Icecore::Table::"ACME.ACME_DB.HR.NOTES"
};
"#;

/// Moves and reads in one statement.
const BLOCK: &str = "begin use schema hr; return (select count(secret) from orders); end";

pub(crate) const CANARY: &str =
    r#"tag_canary = { table = "ACME_DB.PUBLIC.CANARY", column = "C", tag = "SEEN" }"#;

/// What is in the account beside what every emulator has.
const SETUP: [&str; 7] = [
    "create table customers (id int, name varchar, email varchar)",
    "insert into customers values (1, 'ada', 'canary-mail-51ce')",
    "create view contacts as select email as contact, name as person from customers",
    "create schema hr",
    "create table acme_db.hr.notes (id int)",
    "create table acme_db.hr.orders (id int, secret varchar)",
    "create table acme_db.public.other (id int)",
];

/// Makes a world of one policy, with the tables and tags.
pub(crate) fn world(policy: &str, canary: &str) -> Result<World> {
    world_of(policy, canary, Tuning::default())
}

/// As `world`, of an account that answers as it is tuned.
pub(crate) fn world_of(policy: &str, canary: &str, tuning: Tuning) -> Result<World> {
    let mut world = World::without_daemon(&Plan {
        mode: "observe".into(),
        tuning,
        ..Plan::default()
    })?;
    world.start_daemon()?;
    let steps: Vec<Value> = SETUP.map(|sql| json!({"do": "sql", "sql": sql})).into();
    let made = world.drive(Generation::Four, &Value::from(steps))?;
    worked(&made, &["sql"]);
    drop(world.daemon.take());
    let tag = |table: &str, column: &str, name: &str| Tag {
        table: format!("ACME_DB.PUBLIC.{table}"),
        column: column.into(),
        name: name.into(),
        value: "yes".into(),
    };
    world
        .gate
        .set_tags(&[tag("CANARY", "C", "SEEN"), tag("CUSTOMERS", "EMAIL", "PII")])?;
    let file = world.config_file();
    let config = fs::read_to_string(&file)?
        .replace("mode = \"observe\"", "mode = \"enforce\"")
        .replace(
            "warehouse = \"WH\"",
            &format!("warehouse = \"WH\"\n{canary}"),
        );
    fs::write(&file, config)?;
    let policies = world.config.policies();
    fs::remove_file(policies.join("read-only.cedar"))?;
    fs::write(policies.join("test.cedar"), policy)?;
    world.start_daemon()?;
    Ok(world)
}

/// Runs statements in one login, each called by its own text.
fn run(world: &World, statements: &[&str]) -> Result<Finished> {
    let steps: Vec<Value> = statements
        .iter()
        .map(|sql| json!({"do": "sql", "name": sql, "sql": sql}))
        .collect();
    world.drive(Generation::Four, &Value::from(steps))
}

#[track_caller]
fn refused(finished: &Finished, sql: &str, text: &str) {
    let step = finished.step(sql).unwrap();
    assert_eq!(step["ok"], false, "{step}\n{}", finished.output);
    let message = step["message"].to_string();
    assert!(message.contains("Icecore refused this statement"), "{step}");
    assert!(message.contains(text), "expected `{text}` in {step}");
    assert!(!finished.output.contains("canary-mail-51ce"));
}

#[test]
fn a_tagged_column_is_refused_however_it_is_reached_and_the_others_are_not() -> Result<()> {
    let world = world(NO_PII, CANARY)?;
    let finished = run(
        &world,
        &[
            "select name from customers",
            "select count(*) from customers where email is not null",
            "select email from customers",
            "select * from customers",
            "select upper(email) from customers",
            "select person from contacts",
            "select contact from contacts",
            "create table copied as select name from customers",
            "select name from copied",
            "create temporary table customers as select name, name as email from acme_db.public.customers",
            "select name from customers",
        ],
    )?;
    let reason = "personal data stays where it is (column ACME_DB.PUBLIC.CUSTOMERS.EMAIL)";
    worked(
        &finished,
        &[
            "select count(*) from customers where email is not null",
            "select person from contacts",
            "create table copied as select name from customers",
            "select name from copied",
            "create temporary table customers as select name, name as email from acme_db.public.customers",
        ],
    );
    for sql in [
        "select email from customers",
        "select * from customers",
        "select upper(email) from customers",
        "select contact from contacts",
    ] {
        refused(&finished, sql, reason);
    }
    let named = |sql: &str| -> Vec<&Value> {
        let steps = finished.steps.iter();
        steps.filter(|step| step["step"] == sql).collect()
    };
    let twice = named("select name from customers");
    assert_eq!(twice.len(), 2, "{}", finished.output);
    assert_eq!(twice[0]["first"], json!(["ada"]), "{}", twice[0]);
    // The same name is another table by then, of which nobody but Snowflake knows anything.
    assert_eq!(twice[1]["ok"], false, "{}", twice[1]);
    let message = twice[1]["message"].to_string();
    assert!(
        message.contains("this login has, or may have, temporary objects"),
        "{message}"
    );
    world.flush()?;
    let rows = world.query(
        "select objects, database_ctx, schema_ctx from statements where decision = 'block' and sql_normalized = 'SELECT contact FROM contacts'",
    )?;
    let [row] = rows.as_slice() else {
        panic!("{rows:?}");
    };
    assert_eq!(
        (&row["database_ctx"], &row["schema_ctx"]),
        (&json!("ACME_DB"), &json!("PUBLIC"))
    );
    let object = |name: &str, kind: &str, access: Value, columns: Value| {
        json!({
            "catalog": "ACME_DB", "schema": "PUBLIC", "name": name, "kind": kind, "access": access,
            "columns": columns, "resolved": true,
        })
    };
    assert_eq!(
        row["objects"],
        json!([
            object("CONTACTS", "view", json!("read"), json!(["CONTACT"])),
            object("CUSTOMERS", "table", Value::Null, json!(["EMAIL"])),
        ])
    );
    let opened = world.gate.events(Some("login"))?.len();
    let catalogues = world
        .gate
        .events(Some("executed"))?
        .iter()
        .filter(|one| {
            one["sql"]
                .as_str()
                .is_some_and(|sql| sql.starts_with("/* icecore catalogue */"))
        })
        .count();
    // One look for each of customers, contacts and copied, and their tags; what was found is kept.
    assert!(
        (4..=8).contains(&catalogues),
        "{catalogues} after {opened} logins"
    );
    Ok(())
}

#[test]
fn tags_that_cannot_be_seen_are_unknown_and_nothing_is_allowed_by_that() -> Result<()> {
    let asked = [
        "select name from customers",
        "select count(*) from customers",
    ];
    for (canary, text) in [
        ("", "the account has no `tag_canary`"),
        (
            r#"tag_canary = { table = "ACME_DB.PUBLIC.CANARY", column = "C", tag = "GONE" }"#,
            "does not see the account's `tag_canary`",
        ),
    ] {
        let world = world(NO_PII, canary)?;
        let finished = run(&world, &asked)?;
        refused(&finished, asked[0], text);
        // Nothing of any column leaves.
        worked(&finished, &asked[1..]);
    }
    let world = world(NO_PII, CANARY)?;
    world.gate.tune(Tuning {
        catalogue_down: true,
        ..Tuning::default()
    })?;
    let finished = run(&world, &asked)?;
    refused(
        &finished,
        asked[0],
        "could not read the account's catalogue",
    );
    world.gate.tune(Tuning::default())?;
    worked(&run(&world, &asked)?, &asked);
    Ok(())
}

#[test]
fn a_bare_name_means_what_the_logins_schema_makes_of_it() -> Result<()> {
    let world = world(ORDERS_ALONE, "")?;
    let finished = run(
        &world,
        &[
            "select id from orders",
            "select id from other",
            "select id from contacts",
            "select id from hr.notes",
            BLOCK,
            "use schema hr",
            "select id from notes",
            "select secret from orders",
            "select id from acme_db.public.orders",
        ],
    )?;
    worked(
        &finished,
        &[
            "select id from orders",
            "select id from hr.notes",
            "use schema hr",
            "select id from notes",
            "select id from acme_db.public.orders",
        ],
    );
    let allowed = "no policy allows `read` of";
    refused(
        &finished,
        "select id from other",
        &format!("{allowed} table ACME_DB.PUBLIC.OTHER"),
    );
    refused(
        &finished,
        "select id from contacts",
        &format!("{allowed} view ACME_DB.PUBLIC.CONTACTS"),
    );
    refused(
        &finished,
        "select secret from orders",
        &format!("{allowed} table ACME_DB.HR.ORDERS"),
    );
    refused(&finished, BLOCK, "");
    let several = json!([
        {"do": "multi", "sql": "use schema hr; select secret from orders", "count": 2},
    ]);
    let several = world.drive(Generation::Four, &several)?;
    refused(&several, "multi", "statement 2 of 2: ");
    refused(
        &several,
        "multi",
        "whose database or schema Icecore does not know",
    );
    world.flush()?;
    let rows = world.query(
        "select distinct schema_ctx from statements where sql_normalized like 'SELECT secret%'",
    )?;
    assert_eq!(rows, [json!({"schema_ctx": "HR"})]);
    Ok(())
}

#[test]
fn what_a_login_made_under_another_proxy_is_unknown_until_it_logs_in_anew() -> Result<()> {
    let mut world = world(ORDERS_ALONE, "")?;
    let read = |name: &str| json!({"do": "sql", "name": name, "sql": "select id from acme_db.public.orders"});
    let steps = json!([
        read("before"), {"do": "pause"}, read("after"), {"do": "close"}, {"do": "connect"}, read("anew"),
    ]);
    let mut driver = world.start_driver(Generation::Four, &steps)?;
    assert_eq!(driver.expect("before")?["ok"], true);
    driver.expect("pause")?;
    world.replace_proxy()?;
    driver.go_on()?;
    let finished = driver.finish()?;
    refused(
        &finished,
        "after",
        "this login has, or may have, temporary objects",
    );
    worked(&finished, &["close", "connect", "anew"]);
    Ok(())
}

/// Policies that look at no names cost nothing: no account is asked, and no login is opened for it.
#[test]
fn no_account_is_asked_where_no_policy_looks_at_names() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let finished = run(&world, &["select id from orders"])?;
    worked(&finished, &["select id from orders"]);
    assert_eq!(world.gate.events(Some("login"))?.len(), 1);
    let executed = world.gate.events(Some("executed"))?;
    let last = executed.last().context("nothing was executed")?;
    assert_eq!(last["sql"], "select id from orders");
    Ok(())
}
