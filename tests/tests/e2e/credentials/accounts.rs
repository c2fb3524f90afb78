//! Accounts of one config: each host of every form gets its own login, and none opens with another's token.

use anyhow::Result;
use icecore_tests::harness::world::{Plan, PlannedAccount, World};
use icecore_tests::python::Generation;
use serde_json::{Value, json};

use crate::asserts::worked;
use crate::raw;

/// Hosts of three forms, each with the name that its JWT must say; none opens with another one's key.
#[test]
fn accounts_under_hosts_of_every_form_are_logged_in_to() -> Result<()> {
    let account = |host, name, user| PlannedAccount {
        host,
        name,
        aliases: Vec::new(),
        user,
        role: "READER",
    };
    let world = World::start(&Plan {
        accounts: vec![
            account(
                "xy12345.eu-central-1.snowflakecomputing.com",
                "XY12345",
                "LOCATOR_SVC",
            ),
            account(
                "myorg-acct.privatelink.snowflakecomputing.com",
                "MYORG-ACCT",
                "ORG_SVC",
            ),
            account(
                "acct-f00d.global.snowflakecomputing.com",
                "ACCT",
                "GLOBAL_SVC",
            ),
        ],
        ..Plan::default()
    })?;
    for planned in &world.config.others {
        let steps =
            json!([{"do": "connect", "host": planned.host}, {"do": "sql", "sql": "select 7"}]);
        let finished = world.drive(Generation::Four, &steps)?;
        worked(&finished, &["connect", "sql"]);
    }
    assert!(world.gate.events(Some("login_refused"))?.is_empty());
    world.flush()?;
    let users = world.query("select distinct sf_user as name from logins order by 1")?;
    let names: Vec<_> = users.iter().map(|user| &user["name"]).collect();
    assert_eq!(names, ["GLOBAL_SVC", "LOCATOR_SVC", "ORG_SVC"]);
    Ok(())
}

/// A login at a host; its step has the account's name for it.
fn login(name: &str, host: &str) -> Value {
    let mut step = raw::login();
    step["name"] = json!(name);
    step["host"] = json!(host);
    step
}

/// A statement at a host with the token of a login; its text is the step's name.
fn query(login: &str, host: &str, name: &str) -> Value {
    json!({
        "name": name,
        "host": host,
        "target": format!("/queries/v1/query-request?requestId={}", uuid::Uuid::new_v4()),
        "headers": {"Authorization": format!("Snowflake Token=\"${{{login}/body/data/token}}\"")},
        "body": {"sqlText": format!("select '{name}'"), "asyncExec": false, "sequenceId": 1},
    })
}

/// Says what a login or statement at a host came to: its code, or none for success.
#[track_caller]
fn code(step: &Value) -> Option<&str> {
    assert_eq!(step["status"], 200, "{step}");
    step["body"]["code"].as_str()
}

#[test]
fn accounts_and_aliases_of_a_session_keep_their_tokens_apart() -> Result<()> {
    let acme = "acme.snowflakecomputing.com";
    let alias = "xy12345.eu-central-1.snowflakecomputing.com";
    let beta = "beta-f00d.global.snowflakecomputing.com";
    let link = "zz98765.us-east-2.aws.privatelink.snowflakecomputing.com";
    let world = World::start(&Plan {
        aliases: vec![alias],
        accounts: vec![PlannedAccount {
            host: beta,
            name: "BETA",
            aliases: vec![link],
            user: "BETA_SVC",
            role: "READER",
        }],
        ..Plan::default()
    })?;
    let mut misled = query("a", alias, "misled");
    misled["headers"]["Host"] = json!(acme);
    let finished = raw::send(
        &world,
        &json!([
            login("a", acme),
            login("x", alias),
            login("b", beta),
            login("p", link),
            query("a", acme, "a at acme"),
            query("a", alias, "a at alias"),
            query("x", acme, "x at acme"),
            query("b", beta, "b at beta"),
            query("b", link, "b at link"),
            query("p", beta, "p at beta"),
            query("a", beta, "a at beta"),
            query("x", link, "x at link"),
            query("b", acme, "b at acme"),
            query("p", alias, "p at alias"),
            misled,
        ]),
    )?;
    let own = [
        "a at acme",
        "a at alias",
        "x at acme",
        "b at beta",
        "b at link",
        "p at beta",
    ];
    for name in ["a", "x", "b", "p"].into_iter().chain(own) {
        assert_eq!(
            code(finished.step(name)?),
            None,
            "{name}: {}",
            finished.output
        );
    }
    for name in ["a at beta", "x at link", "b at acme", "p at alias"] {
        assert_eq!(code(finished.step(name)?), Some("390112"), "{name}");
    }
    let misled = finished.step("misled")?;
    assert!(
        misled.to_string().contains("`Host` is not the server name"),
        "{misled}"
    );
    assert_eq!(
        world.gate.executed()?,
        own.map(|name| format!("select '{name}'"))
    );

    world.flush()?;
    let logins = world
        .query("select account, sf_user from logins_all where not is_final order by opened_at")?;
    let row = |account: &str, user: &str| json!({"account": account, "sf_user": user});
    let (acme, beta) = (row("ACME", "ICECORE_SVC"), row("BETA", "BETA_SVC"));
    assert_eq!(logins, [acme.clone(), acme, beta.clone(), beta]);
    Ok(())
}
