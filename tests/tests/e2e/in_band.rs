//! Tokens that come as a driver's password or OAuth token: each login acts for whom its own shows, and for nobody else.

use std::fs;

use anyhow::{Context, Result};
use icecore_tests::drivers::Product;
use icecore_tests::harness::driver::{Driver, Finished};
use icecore_tests::harness::issuer::Issuer;
use icecore_tests::harness::provider::Provider;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python;
use serde_json::{Value, json};

use crate::asserts::{refused, worked};
use crate::identity::{run, token_file};
use crate::raw;

const POLICIES: &str = r#"
@id("analysts-read") permit (principal in Icecore::Group::"idp:analysts",
    action in [Icecore::Action::"read", Icecore::Action::"project", Icecore::Action::"session"], resource);
@id("host-settings") permit (principal == Icecore::Principal::"nobody", action == Icecore::Action::"session", resource);
"#;

/// Analysts are READER, other subjects that are named VISITOR, the host's user HOSTED.
const GRANTS: &str = "\n[[account.grant]]\ngroup = \"analysts\"\nrole = \"READER\"\n\
    [[account.grant]]\nsubject = \"bob\"\nrole = \"VISITOR\"\n\
    [[account.grant]]\nhost_user = \"nobody\"\nrole = \"HOSTED\"\n";

fn world(section: &str, url: &str, more: &str) -> Result<World> {
    let roles = ["READER", "VISITOR", "HOSTED"].map(|role| ("ICECORE_SVC", role));
    let mut world = World::without_daemon(&Plan {
        roles: roles.to_vec(),
        ..Plan::default()
    })?;
    let file = world.config_file();
    let config = fs::read_to_string(&file)?;
    let place = config.find("\n[policy]").context("no section [policy]")?;
    let (before, after) = config.split_at(place);
    let identity = format!(
        "\n[identity]\nin_band = true\n{section}\n[[identity.issuer]]\nname = \"idp\"\nurl = \"{url}\"\n\
         audience = \"icecore\"\n{more}\n"
    );
    fs::write(&file, format!("{before}{GRANTS}{after}{identity}"))?;
    let policies = world.config.policies();
    fs::remove_file(policies.join("read-only.cedar"))?;
    fs::write(policies.join("in-band.cedar"), POLICIES)?;
    world.start_daemon()?;
    Ok(world)
}

fn by_password(name: &str, token: &str) -> Value {
    json!({"do": "connect", "name": name, "password": token})
}

fn by_oauth(name: &str, token: &str) -> Value {
    json!({"do": "connect", "name": name, "settings": {"authenticator": "oauth", "token": token}})
}

fn role(name: &str) -> Value {
    json!({"do": "sql", "name": name, "sql": "select current_role()"})
}

/// Changes one letter of a signature.
fn forged(token: &str) -> Result<String> {
    let (text, signature) = token.rsplit_once('.').context("no signature")?;
    let first = if signature.starts_with('A') { "B" } else { "A" };
    Ok(format!(
        "{text}.{first}{}",
        signature.get(1..).context("no letter")?
    ))
}

/// No part of a token is in a text.
#[track_caller]
fn holds_none(text: &str, tokens: &[&str]) {
    for piece in tokens.iter().flat_map(|token| token.split('.')) {
        assert!(!text.contains(piece), "{piece} in {text}");
    }
}

#[track_caller]
fn is_not_let_in(finished: &Finished, name: &str, text: &str) {
    let step = finished.step(name).unwrap();
    assert_eq!(step["ok"], false, "{step}");
    assert!(step["message"].to_string().contains(text), "{step}");
    assert!(step["seconds"].as_f64() < Some(20.0), "{step}");
}

/// A real provider's tokens, as both drivers send them; the groups in them decide the role.
#[test]
fn a_password_or_oauth_token_shows_whom_a_login_acts_for() -> Result<()> {
    let provider = Provider::start("RS256", "one")?;
    let world = world(
        "without_token = \"host\"\ntoken_use = \"host\"",
        &provider.url(),
        "groups_claim = \"realm_access.roles\"",
    )?;
    let analyst = provider.token("analyst", "icecore")?;
    let visitor = provider.token("visitor", "icecore")?;
    let forged = forged(&analyst)?;
    let steps = json!([
        by_password("password", &analyst), role("password role"), {"do": "close"},
        by_oauth("oauth", &analyst), role("oauth role"), {"do": "close"},
        by_password("ordinary", "an.ordinary.password"), role("ordinary role"), {"do": "close"},
        by_password("forged", &forged),
        by_password("visitor", &visitor),
    ]);
    for product in [Product::Connector4, Product::Connector5] {
        let finished = world.drive(product, &steps)?;
        worked(
            &finished,
            &[
                "password",
                "password role",
                "oauth",
                "oauth role",
                "ordinary",
            ],
        );
        for name in ["password role", "oauth role"] {
            assert_eq!(finished.step(name)?["first"], json!(["READER"]));
        }
        refused(finished.step("ordinary role")?);
        is_not_let_in(&finished, "forged", "expected a signature of issuer `idp`");
        is_not_let_in(&finished, "visitor", "`idp:visitor`");
        holds_none(&finished.output, &[&analyst, &visitor, &forged]);
    }
    world.flush()?;
    let logins = world
        .query("select principal, sf_role, count(*) n from logins group by all order by all")?;
    let of_issuer = format!("idp:analyst of {}", provider.url());
    assert_eq!(
        logins,
        [
            json!({"principal": "host user nobody (uid 65534)", "sf_role": "HOSTED", "n": 2}),
            json!({"principal": of_issuer, "sf_role": "READER", "n": 4}),
        ]
    );
    let events = world.query(
        "select event_code, count(*) n from events where event_code like 'AU%' group by all order by all",
    )?;
    let expected = [("AU001", 4), ("AU002", 2), ("AU007", 2)];
    assert_eq!(
        events,
        expected.map(|(code, n)| json!({"event_code": code, "n": n}))
    );
    let all = format!("{:?}", world.query("select * from events")?);
    holds_none(&all, &[&analyst, &visitor, &forged]);
    for request in world.gate.events(Some("request"))? {
        holds_none(&request.to_string(), &[&analyst, &visitor, &forged]);
    }
    Ok(())
}

/// Where a token is wanted a login needs one; where the session has one a login's must be of the same party.
#[test]
fn a_login_without_a_token_or_with_anothers_is_refused() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world("", &issuer.url(), "")?;
    let ada = issuer.token(&json!({"sub": "ada", "groups": ["analysts"]}))?;
    let bob = issuer.token(&json!({"sub": "bob"}))?;
    let steps = json!([
        by_password("none", "dummy"),
        by_password("ada", &ada),
        role("role")
    ]);
    let finished = world.drive(Product::Connector4, &steps)?;
    is_not_let_in(
        &finished,
        "none",
        "expected a token of issuer idp as the driver's password",
    );
    worked(&finished, &["ada", "role"]);

    // A session needs a token that no login has shown before.
    let own = json!({"sub": "ada", "groups": ["analysts"], "jti": "a session's"});
    let own = issuer.token(&own)?;
    let file = token_file(&world, &own)?;
    for name in ["steps.py", "run_steps.py", "every_cell.py"] {
        fs::copy(python::folder("drivers").join(name), world.path(name))?;
    }
    let steps = json!([
        by_password("bob", &bob),
        by_password("ada", &ada),
        by_password("none", "dummy"),
        role("role")
    ]);
    let mut command = run(&world, &[], &["--identity-token-file", &file])?;
    command
        .args(Product::Connector4.words(&world.path("steps.py"))?)
        .arg(steps.to_string());
    let finished = Driver::start(command)?.finish()?;
    is_not_let_in(
        &finished,
        "bob",
        "for whom the session acts, found one of idp:bob",
    );
    worked(&finished, &["ada", "none", "role"]);
    // Nor does a token that opened a session show anybody in another.
    let finished = world.drive(Product::Connector4, &json!([by_password("used", &own)]))?;
    is_not_let_in(&finished, "used", "identity refused");
    holds_none(&finished.output, &[&own]);
    world.flush()?;
    let refused = world.query("select count(*) n from events where event_code = 'AU002' and session_id in (select session_id from sessions)")?;
    assert_eq!(refused, [json!({"n": 3})]);
    Ok(())
}

fn login(name: &str, token: &str) -> Value {
    let mut step = raw::login();
    step["name"] = name.into();
    step["body"]["data"]["PASSWORD"] = token.into();
    step
}

/// Lets a request go by the token of another login than `login`.
fn by(login: &str, mut step: Value) -> Value {
    step["headers"] =
        json!({"Authorization": format!("Snowflake Token=\"${{{login}/body/data/token}}\"")});
    step
}

fn statement(name: &str, of: &str, request_id: &str, sql: &str) -> Value {
    by(of, raw::statement(name, request_id, sql))
}

/// Two principals in one session, and one of them twice: ids, results, states and aborts stay with whom they are of.
#[test]
fn logins_of_two_principals_in_one_session_never_cross() -> Result<()> {
    let issuer = Issuer::start()?;
    let mut world = world("", &issuer.url(), "")?;
    let ada = issuer.token(&json!({"sub": "ada", "groups": ["analysts"]}))?;
    let bob = issuer.token(&json!({"sub": "bob", "groups": ["analysts"]}))?;
    let eve = issuer.token(&json!({"sub": "bob"}))?;
    let sql = "select 'ada' as A";
    let id = "${asked/body/data/queryId}";
    let get = |name: &str, of: &str, target: &str| {
        by(of, json!({"name": name, "method": "GET", "target": target}))
    };
    let result = format!("/queries/{id}/result");
    let scan = format!("select * from table(result_scan('{id}'))");
    let mut waits = statement("waits", "ada", "w1", "select * from wait_10_seconds");
    waits["body"]["asyncExec"] = true.into();
    let abort = |name: &str, of: &str| {
        let target = "/queries/${waits/body/data/queryId}/abort-request";
        by(of, json!({"name": name, "target": target, "body": {}}))
    };
    let steps = json!([
        login("ada", &ada), login("bob", &bob), login("again", &ada), login("eve", &eve),
        statement("asked", "ada", "r1", sql),
        get("result", "ada", &result), get("result again", "again", &result), get("result of bob", "bob", &result),
        get("state of bob", "bob", &format!("/monitoring/queries/{id}")),
        statement("scan", "again", "r2", &scan), statement("scan of bob", "bob", "r2", &scan),
        // Another login's request id is its own.
        statement("bob's own", "bob", "r1", "select 'bob' as A"),
        statement("eve's", "eve", "r1", sql),
        waits, abort("abort of bob", "bob"), abort("abort", "ada"),
        {"do": "pause"},
        statement("later", "ada", "r3", sql), statement("eve's later", "eve", "r3", sql),
    ]);
    let mut client = raw::start(&world, &steps)?;
    let told = |client: &mut Driver, name: &str| {
        let step = client.expect(name).unwrap();
        assert_eq!(step["ok"], true, "{step}");
        step["body"].clone()
    };
    let works = |client: &mut Driver, name: &str| {
        let body = told(client, name);
        assert_eq!(body["success"], true, "{name}: {body}");
    };
    let refuses = |client: &mut Driver, name: &str, text: &str| {
        let body = told(client, name).to_string();
        assert!(body.contains(text), "{name}: {body}");
    };
    for name in [
        "ada",
        "bob",
        "again",
        "eve",
        "asked",
        "result",
        "result again",
    ] {
        works(&mut client, name);
    }
    let unknown = "sent no statement with that query id";
    refuses(&mut client, "result of bob", unknown);
    refuses(&mut client, "state of bob", unknown);
    works(&mut client, "scan");
    refuses(&mut client, "scan of bob", "Icecore refused this statement");
    works(&mut client, "bob's own");
    refuses(&mut client, "eve's", "rule default-deny");
    told(&mut client, "waits");
    refuses(&mut client, "abort of bob", unknown);
    works(&mut client, "abort");
    client.expect("pause")?;
    world.replace_proxy()?;
    client.go_on()?;
    works(&mut client, "later");
    refuses(&mut client, "eve's later", "rule default-deny");
    drop(client.finish()?);
    assert_eq!(world.gate.events(Some("login"))?.len(), 4);
    Ok(())
}

/// A login acts for whom its token showed for `max_session_age`, also at another proxy; one by a fresh token goes on.
#[test]
fn a_login_ends_with_the_identity_that_it_was_opened_by() -> Result<()> {
    let issuer = Issuer::start()?;
    let mut world = world("max_session_age = \"15s\"", &issuer.url(), "")?;
    let ada = issuer.token(&json!({"sub": "ada", "groups": ["analysts"]}))?;
    let renew = json!({
        "name": "renew", "target": "/session/token-request",
        "headers": {"Authorization": "Snowflake Token=\"${ada/body/data/masterToken}\""},
        "body": {"oldSessionToken": "${ada/body/data/token}", "requestType": "RENEW"},
    });
    let steps = json!([
        login("ada", &ada), statement("in time", "ada", "r1", "select 1"),
        {"do": "pause"},
        statement("still", "ada", "r2", "select 1"),
        {"do": "sleep", "seconds": 15},
        statement("over", "ada", "r3", "select 1"), renew,
        login("fresh", &ada), statement("goes on", "fresh", "r4", "select 1"),
    ]);
    let mut client = raw::start(&world, &steps)?;
    for name in ["ada", "in time"] {
        assert_eq!(client.expect(name)?["body"]["success"], true);
    }
    client.expect("pause")?;
    world.replace_proxy()?;
    client.go_on()?;
    let finished = client.finish()?;
    for name in ["still", "fresh", "goes on"] {
        assert_eq!(raw::body(&finished, name)["success"], true, "{name}");
    }
    for name in ["over", "renew"] {
        let body = raw::body(&finished, name);
        assert_eq!(body["code"], "390100", "{body}");
        assert!(
            body.to_string()
                .contains("identity that this login began with is over")
        );
    }
    Ok(())
}

/// A login by its own token does not go on where the config takes none any more.
#[test]
fn a_login_by_its_own_token_ends_when_no_more_are_taken() -> Result<()> {
    let issuer = Issuer::start()?;
    let mut world = world("", &issuer.url(), "")?;
    let ada = issuer.token(&json!({"sub": "ada", "groups": ["analysts"]}))?;
    let steps = json!([
        login("ada", &ada), statement("before", "ada", "r1", "select 1"),
        {"do": "pause"},
        statement("after", "ada", "r2", "select 1"),
    ]);
    let mut client = raw::start(&world, &steps)?;
    for name in ["ada", "before"] {
        assert_eq!(client.expect(name)?["body"]["success"], true);
    }
    client.expect("pause")?;
    let config = fs::read_to_string(world.config_file())?;
    let changed = config.replace("in_band = true", "in_band = false");
    fs::write(world.config_file(), changed)?;
    world.replace_proxy()?;
    client.go_on()?;
    let finished = client.finish()?;
    assert_eq!(raw::body(&finished, "after")["code"], "390112");
    Ok(())
}
