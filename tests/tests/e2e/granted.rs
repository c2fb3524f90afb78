//! Who asks decides as whom Icecore logs in: grants from the token's groups to the role at Snowflake, and to the record.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use icecore_tests::drivers::Product;
use icecore_tests::harness::driver::{Driver, Finished};
use icecore_tests::harness::issuer::Issuer;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::{self, Generation};
use icecore_tests::time;
use serde_json::{Value, json};

use crate::asserts::worked;
use crate::identity::{run, token_file};

const OWNERS: &str = "group = \"owners\"\nuser = \"OWNER_SVC\"\nrole = \"OWNER\"";
const ANALYSTS: &str = "group = [\"analysts\", \"finance\"]\nrole = \"READER\"\ndatabase = \"GRANTED_DB\"\nschema = \"PUBLIC\"\n\
    statement_timeout = \"10m\"";
const HOST: &str = "host_user = \"nobody\"\nrole = \"HOSTED\"";

/// Makes a world that takes an issuer's tokens and grants by them, and that lets sessions without one open.
fn world(issuer: &Issuer) -> Result<World> {
    let mut world = World::without_daemon(&Plan {
        roles: vec![
            ("OWNER_SVC", "OWNER"),
            ("ICECORE_SVC", "READER"),
            ("ICECORE_SVC", "HOSTED"),
        ],
        ..Plan::default()
    })?;
    let file = world.config_file();
    let (before, after) = {
        let config = fs::read_to_string(&file)?;
        let place = config.find("\n[policy]").context("no section [policy]")?;
        let (before, after) = config.split_at(place);
        (before.to_owned(), after.to_owned())
    };
    let grants: String = [OWNERS, ANALYSTS, HOST]
        .map(|grant| format!("\n[[account.grant]]\n{grant}\n"))
        .concat();
    let identity = format!(
        "\n[identity]\nwithout_token = \"host\"\n[[identity.issuer]]\nname = \"idp\"\nurl = \"{}\"\naudience = \"icecore\"\n",
        issuer.url()
    );
    fs::write(&file, before + &grants + &after + &identity)?;
    world.start_daemon()?;
    Ok(world)
}

/// Starts a driver's steps in a session with the token of a file.
fn start(world: &World, product: Product, file: &str, steps: &Value) -> Result<Driver> {
    let script = product.script().context("no script")?;
    for name in [script, "run_steps.py", "every_cell.py"] {
        fs::copy(python::folder("drivers").join(name), world.path(name))?;
    }
    let mut command = run(world, &[], &["--identity-token-file", file])?;
    command
        .args(product.words(&world.path(script))?)
        .arg(steps.to_string());
    Driver::start(command)
}

/// Runs a driver's steps in a session of the token's subject.
fn drive(world: &World, product: Product, token: &str, steps: &Value) -> Result<Finished> {
    let file = token_file(world, token)?;
    start(world, product, &file, steps)?.finish()
}

fn steps() -> Value {
    json!([{"do": "connect"}, {"do": "sql", "sql": "select current_user(), current_role(), current_database()"}])
}

#[test]
fn tokens_of_different_groups_get_different_roles_and_one_of_no_grant_none() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world(&issuer)?;
    let token =
        |subject: &str, groups: &[&str]| issuer.token(&json!({ "sub": subject, "groups": groups }));
    let gets = |finished: &Finished, expected: [&str; 3]| {
        worked(finished, &["connect", "sql"]);
        assert_eq!(finished.step("sql").unwrap()["first"], json!(expected));
    };
    for product in [Product::Connector4, Product::Connector5] {
        let analyst = token("ada", &["analysts"])?;
        let finished = drive(&world, product, &analyst, &steps())?;
        gets(&finished, ["ICECORE_SVC", "READER", "GRANTED_DB"]);
    }
    let owner = token("bob", &["analysts", "owners"])?;
    let finished = drive(&world, Product::Connector4, &owner, &steps())?;
    gets(&finished, ["OWNER_SVC", "OWNER", "ACME_DB"]);
    let finished = world.drive(Generation::Four, &steps())?;
    gets(&finished, ["ICECORE_SVC", "HOSTED", "ACME_DB"]);

    let opened = world.gate.events(Some("login"))?.len();
    let visitor = token("eve", &["visitors"])?;
    let finished = drive(&world, Product::Connector4, &visitor, &steps())?;
    let refused = finished.step("connect")?;
    assert_eq!(refused["ok"], false, "{refused}");
    let told = refused.to_string();
    for part in [
        "Icecore refused this login",
        "grant of account `ACME`",
        "idp:eve; groups visitors",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    for part in ["analysts", "owners", "OWNER", "READER", "nobody"] {
        assert!(!told.contains(part), "{part}: {told}");
    }
    assert_eq!(world.gate.events(Some("login"))?.len(), opened);

    let bodies = world.gate.events(Some("request"))?;
    let logins: Vec<String> = bodies
        .iter()
        .filter(|one| one["path"] == "/session/v1/login-request")
        .map(|one| one["body"].as_str().unwrap_or_default().to_owned())
        .collect();
    let timed = logins
        .iter()
        .filter(|body| body.contains("\"STATEMENT_TIMEOUT_IN_SECONDS\":600"));
    assert_eq!((logins.len(), timed.count()), (4, 2));

    world.flush()?;
    let logins = world.query(
        "select distinct split_part(principal, ' of ', 1) as principal, sf_user, sf_role from logins_all order by 1",
    )?;
    let row = |principal: &str, user: &str, role: &str| json!({"principal": principal, "sf_user": user, "sf_role": role});
    assert_eq!(
        logins,
        [
            row("host user nobody (uid 65534)", "ICECORE_SVC", "HOSTED"),
            row("idp:ada", "ICECORE_SVC", "READER"),
            row("idp:bob", "OWNER_SVC", "OWNER"),
        ]
    );
    let events = world.query("select severity, detail from events where event_code = 'AU007'")?;
    assert!(!events.is_empty());
    for event in &events {
        assert_eq!(event["severity"], 3, "medium");
        let detail = event["detail"].to_string();
        assert!(detail.contains("idp:eve; groups visitors"), "{detail}");
    }
    Ok(())
}

/// A client that never logs in has the same grants.
#[test]
fn the_sql_api_logs_in_as_what_the_principal_is_granted() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world(&issuer)?;
    let token = |groups: &[&str]| issuer.token(&json!({ "groups": groups }));
    let sql = "select current_role(), current_database()";
    let steps = json!([{"do": "connect"}, {"do": "sql", "sql": sql}]);
    let analyst = drive(&world, Product::SqlApi, &token(&["finance"])?, &steps)?;
    worked(&analyst, &["sql"]);
    assert_eq!(
        analyst.step("sql")?["first"],
        json!(["READER", "GRANTED_DB"])
    );
    let visitor = drive(&world, Product::SqlApi, &token(&["visitors"])?, &steps)?;
    let told = visitor.output.clone();
    assert!(told.contains("grant of account `ACME`"), "{told}");
    assert!(!told.contains("READER"), "{told}");
    Ok(())
}

/// A login is worth what its principal is granted at each request, not what it was granted once.
#[test]
fn a_fresh_token_with_other_groups_ends_what_its_grant_gave() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world(&issuer)?;
    let file = token_file(&world, &issuer.token(&json!({ "groups": ["owners"] }))?)?;
    let sql = "select current_role()";
    let steps = json!([
        {"do": "connect"}, {"do": "sql", "sql": sql, "name": "before"}, {"do": "pause"},
        {"do": "sql", "sql": sql, "name": "after"},
        {"do": "connect", "name": "again"}, {"do": "sql", "sql": sql, "name": "anew"},
    ]);
    let mut driver = start(&world, Product::Connector4, &file, &steps)?;
    driver.expect("connect")?;
    assert_eq!(driver.expect("before")?["first"], json!(["OWNER"]));
    driver.expect("pause")?;
    fs::write(&file, issuer.token(&json!({ "groups": ["analysts"] }))?)?;
    let written = time::instant();
    loop {
        world.flush()?;
        let accepted = world.query("select * from events where event_code = 'AU001'")?;
        if accepted.len() == 2 {
            break;
        }
        assert!(written.elapsed() < Duration::from_secs(30), "{accepted:?}");
        std::thread::sleep(Duration::from_millis(500));
    }
    driver.go_on()?;
    let finished = driver.finish()?;
    let after = finished.step("after")?;
    assert_eq!(after["ok"], false, "{after}");
    assert_eq!(after["errno"], 390114, "{after}");
    worked(&finished, &["again"]);
    assert_eq!(finished.step("anew")?["first"], json!(["READER"]));
    Ok(())
}

#[test]
fn check_tells_grants_and_tries_each_user_and_role_once() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world(&issuer)?;
    let file = world.config_file();
    let config = fs::read_to_string(&file)?;
    let again = format!("[[account.grant]]\n{HOST}\nwarehouse = \"WH\"\n\n[policy]");
    fs::write(&file, config.replace("\n[policy]", &again))?;
    let file = file.to_string_lossy().into_owned();
    let output = world.icecore(&["check", "--connect", "--json", "--config", &file])?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let line = "host user nobody gets role HOSTED, warehouse WH";
    assert_eq!(errors.matches(line).count(), 2, "{errors}");
    assert!(
        errors.contains("whom idp vouches for, group owners gets role OWNER, user OWNER_SVC"),
        "{errors}"
    );
    let told: Value = serde_json::from_slice(&output.stdout)?;
    let told = told["accounts"].as_array().context("no accounts")?;
    let ways: Vec<Value> = told
        .iter()
        .map(|one| json!([one["user"], one["role"], one["outcome"]]))
        .collect();
    assert_eq!(
        ways,
        [
            json!(["OWNER_SVC", "OWNER", "logged_in"]),
            json!(["ICECORE_SVC", "READER", "logged_in"]),
            json!(["ICECORE_SVC", "HOSTED", "logged_in"]),
        ]
    );
    Ok(())
}
