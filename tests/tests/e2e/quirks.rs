//! The drivers' endpoints one by one, by raw requests: every way in, replays, poll addresses, states, limits.

use anyhow::Result;
use icecore_tests::emulator::{Endpoint, FaultKind};
use icecore_tests::harness::world::{AGENT_UID, Plan, World};
use serde_json::{Value, json};

use crate::asserts::all_executed_is_recorded;
use crate::raw::{self, body, login, statement, token};

const ID: &str = "22222222-2222-4222-8222-222222222222";

/// Each is told, in the form its callers show, that the job needs no login of its own; nothing of it goes upstream.
#[test]
fn logins_of_the_agents_own_are_told_what_to_do() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let form =
        json!({"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Basic YTpi"});
    let steps = json!([
        {"name": "saml", "target": "/session/authenticator-request?request_guid=1",
         "body": {"data": {"AUTHENTICATOR": "EXTERNALBROWSER", "BROWSER_MODE_REDIRECT_PORT": "1"}}},
        {"name": "console", "method": "GET", "target": "/console/login?login_name=a&browser_mode_redirect_port=1"},
        {"name": "authorize", "method": "GET", "target": "/oauth/authorize?redirect_uri=http%3A%2F%2F127.0.0.1%3A1"},
        {"name": "token", "target": "/oauth/token-request", "headers": form, "body": "grant_type=client_credentials"},
        {"name": "revoke", "target": "/oauth/token-revoke", "headers": form, "body": "token=x"},
    ]);
    let finished = raw::send(&world, &steps)?;
    let status = |name: &str| finished.step(name).unwrap()["status"].as_i64();
    for name in ["saml", "console", "authorize", "token", "revoke"] {
        let told = body(&finished, name).to_string();
        assert!(told.contains("needs no login of its own"), "{name}: {told}");
    }
    assert_eq!(body(&finished, "saml")["code"], "390100");
    assert_eq!(body(&finished, "token")["error"], "unauthorized_client");
    let statuses = ["saml", "console", "authorize", "token", "revoke"].map(status);
    assert_eq!(statuses, [200, 403, 403, 400, 400].map(Some));
    assert_eq!(
        world.gate.events(Some("request"))?.len(),
        0,
        "something went upstream"
    );
    world.flush()?;
    let rows = world.query("select count(*) n from events where event_code = 'AU004'")?;
    assert_eq!(rows, [json!({"n": 5})]);
    Ok(())
}

/// Whatever a client says it logs in by, the host's credential goes out in its place; a second step has no first.
#[test]
fn every_authenticator_logs_in_with_the_hosts_credential() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let mut steps = Vec::new();
    let authenticators = [
        "SNOWFLAKE",
        "EXTERNALBROWSER",
        "OAUTH",
        "PROGRAMMATIC_ACCESS_TOKEN",
        "SNOWFLAKE_JWT",
        "WORKLOAD_IDENTITY",
        "USERNAME_PASSWORD_MFA",
        "ID_TOKEN",
        "https://acme.okta.com",
    ];
    for name in authenticators {
        let mut step = login();
        step["name"] = name.into();
        step["body"]["data"]["AUTHENTICATOR"] = name.into();
        step["body"]["data"]["TOKEN"] = "worthless".into();
        steps.push(step);
    }
    let mut second = login();
    second["name"] = "second step".into();
    second["body"]["inFlightCtx"] = "x".into();
    steps.push(second);
    let finished = raw::send(&world, &json!(steps))?;
    for name in authenticators {
        assert_eq!(body(&finished, name)["success"], true, "{name}");
    }
    let told = body(&finished, "second step");
    assert_eq!(told["success"], false);
    assert!(
        told["message"].to_string().contains("log in anew"),
        "{told}"
    );
    Ok(())
}

/// What the host's credential is refused for is told in Snowflake's words, without what a driver would act on.
#[test]
fn refused_credential_of_the_host_makes_no_driver_act() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let refusal = |code: &str| {
        json!({"data": {"nextAction": "EXT_AUTHN_DUO_ALL", "authnMethod": "OAUTH", "inFlightCtx": "ctx"},
               "code": code, "message": "words of the upstream", "success": false, "headers": null})
    };
    for (code, expected) in [
        ("390318", "390100"),
        ("390112", "390100"),
        ("390144", "390144"),
    ] {
        world
            .gate
            .plant(Endpoint::Login, FaultKind::Body(refusal(code)))?;
        let finished = raw::send(&world, &json!([login()]))?;
        let told = body(&finished, "login");
        assert_eq!(told["code"], expected, "{told}");
        assert_eq!(told["data"], json!({}), "{told}");
        let message = told["message"].to_string();
        assert!(
            message.contains("words of the upstream") && message.contains(code),
            "{told}"
        );
    }
    Ok(())
}

/// `PAT_WITH_EXTERNAL_SESSION`: no login call at all; the same name leads to the same login, another to another.
#[test]
fn bearer_with_an_external_session_gets_a_login_of_icecores() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let ask = |name: &str, session: &str, request_id: &str, sql: &str| {
        let mut step = statement(name, request_id, sql);
        step["headers"] = json!({
            "Authorization": "Bearer pat-of-the-agent", "X-Snowflake-External-Session-ID": session,
            "User-Agent": "PythonConnector/4.8.1 (Linux)",
        });
        step
    };
    let mut polled = json!({"name": "polled", "method": "GET", "target": "/queries/${first/body/data/queryId}/result"});
    polled["headers"] = json!({"Authorization": "Snowflake Token=\"pat-of-the-agent\""});
    let mut alone = statement("alone", "a5", "select 5");
    alone["headers"] = json!({"Authorization": "Bearer pat-of-the-agent"});
    let steps = json!([
        ask("first", "spark-1", "a1", "select 1"),
        polled,
        ask("again", "spark-1", "a2", "select 2"),
        ask(
            "refused",
            "spark-1",
            "a3",
            "insert into ORDERS values (1, 'x', 0)"
        ),
        ask("other", "spark-2", "a4", "select 4"),
        alone,
    ]);
    let finished = raw::send(&world, &steps)?;
    for name in ["first", "polled", "again", "other"] {
        assert_eq!(
            body(&finished, name)["success"],
            true,
            "{name}: {}",
            finished.output
        );
    }
    assert!(
        body(&finished, "refused")["message"]
            .to_string()
            .contains("Icecore refused this statement")
    );
    assert_eq!(body(&finished, "alone")["code"], "390100");
    assert_eq!(world.gate.events(Some("login"))?.len(), 2);
    for request in world.gate.events(Some("request"))? {
        assert!(
            !request.to_string().contains("pat-of-the-agent"),
            "{request}"
        );
        assert!(!request.to_string().contains("spark-"), "{request}");
    }
    all_executed_is_recorded(&world)?;
    let logins = world.query("select client_app, phase, count(*) n from logins group by all")?;
    let closed = json!({"client_app": "PythonConnector", "phase": "close", "n": 2});
    assert_eq!(logins, [closed]);
    Ok(())
}

/// The same request is the same statement, whatever counts up in it; anything else under its id is refused.
#[test]
fn replay_joins_and_other_meaning_is_refused() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let with = |name: &str, key: &str, value: Value| {
        let mut step = statement(name, ID, "select CUSTOMER from ORDERS order by ID");
        step["body"][key] = value;
        step["gzip"] = true.into();
        step
    };
    let mut retried = with("retried", "sequenceId", json!(9));
    retried["target"] =
        format!("/queries/v1/query-request?requestId={ID}&clientStartTime=1&retryCount=1&retryReason=0&retry=true").into();
    let steps = json!([
        login(),
        statement("first", ID, "select CUSTOMER from ORDERS order by ID"),
        retried,
        with("later", "querySubmissionTime", json!(9)),
        with("text", "sqlText", json!("select 'second'")),
        with(
            "binds",
            "bindings",
            json!({"1": {"type": "FIXED", "value": "5"}})
        ),
        with("describe", "describeOnly", json!(true)),
        with("async", "asyncExec", json!(true)),
        with("parameters", "parameters", json!({"TIMEZONE": "UTC"})),
    ]);
    let finished = raw::send(&world, &steps)?;
    let first = body(&finished, "first");
    assert_eq!(first["success"], true, "{first}");
    for name in ["retried", "later"] {
        assert_eq!(body(&finished, name), first, "{name}");
    }
    for name in ["text", "binds", "describe", "async", "parameters"] {
        let told = body(&finished, name);
        assert_eq!(told["success"], false, "{name}: {told}");
        assert!(
            told["message"].to_string().contains("same requestId"),
            "{name}: {told}"
        );
    }
    assert_eq!(
        world.gate.executed()?,
        ["select CUSTOMER from ORDERS order by ID"]
    );
    Ok(())
}

/// A poll address on the asked host is a path of ours; one that leads elsewhere withholds the answer.
#[test]
fn poll_addresses_stay_on_the_asked_host() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let id = "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11";
    let host = "https://acme.snowflakecomputing.com";
    let forms = [
        ("bare", format!("/queries/{id}/result"), true),
        ("query", format!("/queries/{id}/result?requestId=1"), true),
        ("absolute", format!("{host}/queries/{id}/result"), true),
        (
            "elsewhere",
            format!("https://evil.example.com/queries/{id}/result"),
            false,
        ),
        (
            "other query",
            "/queries/01bf3a2e-0000-4a52-9f0b-000000000000/result".to_owned(),
            false,
        ),
    ];
    let mut steps = vec![login()];
    for (n, (name, _, _)) in forms.iter().enumerate() {
        steps.push(json!({"do": "pause"}));
        let mut step = statement(name, &format!("b{n}"), &format!("select '{name}'"));
        step["body"]["asyncExec"] = true.into();
        steps.push(step);
    }
    let mut client = raw::start(&world, &json!(steps))?;
    client.expect("login")?;
    for (name, url, is_taken) in &forms {
        client.expect("pause")?;
        let answer = json!({"data": {"queryId": id, "getResultUrl": url}, "code": "333334", "message": "x",
                            "success": true});
        world.gate.plant(Endpoint::Query, FaultKind::Body(answer))?;
        client.go_on()?;
        let step = client.expect(name)?;
        assert_eq!(step["body"]["success"], *is_taken, "{step}");
        if *is_taken {
            assert_eq!(
                step["body"]["data"]["getResultUrl"],
                format!("/queries/{id}/result")
            );
        } else {
            assert!(!step.to_string().contains("evil.example.com"), "{step}");
        }
    }
    Ok(())
}

/// Extra members, empty bodies and odd spellings that drivers send.
#[test]
fn odd_spellings_of_drivers_are_taken() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let mut named = statement("combined", "c1", "select 1");
    named["target"] =
        "/queries/v1/query-request?requestId=c1&request_guid=x&combinedDescribe=true".into();
    named["gzip"] = true.into();
    named["headers"]["content-encoding"] = "gzip".into();
    let get = |name: &str, target: &str| json!({"name": name, "method": "GET", "target": target, "headers": token()});
    let steps = json!([
        login(),
        named,
        get("fetched", "/queries/${combined/body/data/queryId}/result?disableOfflineChunks=false&clientStartTime=1"),
        get("state", "/monitoring/queries//${combined/body/data/queryId}?request_guid=1"),
        {"name": "heartbeat", "target": "/session/heartbeat?requestId=1", "headers": token()},
        {"name": "telemetry", "target": "/telemetry/send", "headers": token(), "body": {"logs": []}, "gzip": true},
        {"name": "sessionless", "target": "/telemetry/send/sessionless",
         "headers": {"Authorization": "Bearer x", "X-Snowflake-Authorization-Token-Type": "OAUTH"}, "body": {"logs": []}},
        statement("empty", "c2", "select 2").as_object_mut().map(|step| {
            step.remove("body");
            step.clone()
        }),
        {"name": "close", "target": "/session?delete=true&requestId=1", "headers": token()},
    ]);
    let finished = raw::send(&world, &steps)?;
    for name in [
        "combined",
        "fetched",
        "state",
        "heartbeat",
        "telemetry",
        "sessionless",
        "close",
    ] {
        assert_eq!(
            body(&finished, name)["success"],
            true,
            "{name}: {}",
            finished.output
        );
    }
    assert_eq!(body(&finished, "empty")["success"], false);
    Ok(())
}

/// A state tells of the asked statement alone, which must be the session's own.
#[test]
fn states_of_others_are_not_told() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let get = |name: &str, id: &str| json!({"name": name, "method": "GET", "target": format!("/monitoring/queries/{id}"), "headers": token()});
    let own = "${asked/body/data/queryId}";
    let steps = json!([
        login(), statement("asked", ID, "select 1"), get("own", own), {"do": "pause"},
        get("too much", own), get("unknown", "01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11"),
    ]);
    let mut client = raw::start(&world, &steps)?;
    client.expect("login")?;
    client.expect("asked")?;
    let state = client.expect("own")?;
    assert_eq!(
        state["body"]["data"]["queries"][0]["sqlText"], "select 1",
        "{state}"
    );
    client.expect("pause")?;
    let id = state["body"]["data"]["queries"][0]["id"].clone();
    let others = json!({"data": {"queries": [
        {"id": id, "status": "SUCCESS", "sqlText": "select 1"},
        {"id": "01bf3a2e-0000-4a52-9f0b-000000000000", "status": "SUCCESS", "sqlText": "select 'canary-of-others'"},
    ]}, "code": null, "message": null, "success": true});
    world
        .gate
        .plant(Endpoint::Monitoring, FaultKind::Body(others))?;
    client.go_on()?;
    let told = client.expect("too much")?;
    assert_eq!(told["body"]["success"], false, "{told}");
    assert!(!told.to_string().contains("canary-of-others"), "{told}");
    let unknown = client.expect("unknown")?;
    assert!(
        unknown["body"]["message"]
            .to_string()
            .contains("no statement with that query id"),
        "{unknown}"
    );
    Ok(())
}

/// A client that hangs up does not stop what it asked: it is carried out, recorded, and a replay gets its answer.
#[test]
fn request_is_carried_to_its_end_after_its_client_hung_up() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let mut hung_up = login();
    hung_up["name"] = "hung up".into();
    hung_up["hang_up"] = 0.3.into();
    let mut left = statement("left", ID, "select 'left'");
    left["hang_up"] = 0.3.into();
    let steps = json!([
        hung_up, {"do": "sleep", "seconds": 3}, login(), {"do": "pause"}, left, {"do": "sleep", "seconds": 3},
        statement("replayed", ID, "select 'left'"),
    ]);
    world
        .gate
        .plant(Endpoint::Login, FaultKind::DelayMs(1500))?;
    let mut client = raw::start(&world, &steps)?;
    for name in ["hung up", "sleep", "login"] {
        client.expect(name)?;
    }
    client.expect("pause")?;
    world
        .gate
        .plant(Endpoint::Query, FaultKind::DelayMs(1500))?;
    client.go_on()?;
    let finished = client.finish()?;
    assert_eq!(
        body(&finished, "replayed")["success"],
        true,
        "{}",
        finished.output
    );
    assert_eq!(world.gate.executed()?, ["select 'left'"]);
    // Both logins, the one nobody waited for too, were recorded and closed at Snowflake.
    assert_eq!(world.gate.events(Some("closed"))?.len(), 2);
    world.flush()?;
    let logins = world.query("select phase, count(*) n from logins group by all")?;
    assert_eq!(logins, [json!({"phase": "close", "n": 2})]);
    Ok(())
}

/// A session that ends while Snowflake still thinks about its login leaves no login behind.
#[test]
fn login_whose_session_ended_meanwhile_is_closed() -> Result<()> {
    let world = World::start(&Plan::default())?;
    world
        .gate
        .plant(Endpoint::Login, FaultKind::DelayMs(3000))?;
    let mut left = login();
    left["hang_up"] = 0.3.into();
    raw::send(&world, &json!([left]))?;
    for _ in 0..100 {
        if !world.gate.events(Some("closed"))?.is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(world.gate.events(Some("login"))?.len(), 1);
    assert_eq!(
        world.gate.events(Some("closed"))?.len(),
        1,
        "the login stays open at Snowflake"
    );
    Ok(())
}

/// What the client says of routing is not sent; what Snowflake said is, by this login alone, and stays here.
#[test]
fn routing_header_is_kept_by_the_login() -> Result<()> {
    let world = World::start(&Plan::default())?;
    let mut step = statement("asked", ID, "select 1");
    step["headers"]["x-snowflake-session"] = "made-up-by-the-client".into();
    let finished = raw::send(&world, &json!([login(), step]))?;
    assert_eq!(body(&finished, "asked")["success"], true);
    assert!(
        !finished
            .output
            .to_lowercase()
            .contains("x-snowflake-session\":"),
        "{}",
        finished.output
    );
    for request in world.gate.events(Some("request"))? {
        assert!(
            !request.to_string().contains("made-up-by-the-client"),
            "{request}"
        );
    }
    let output = world.session(AGENT_UID, &[], "true".as_ref())?.output()?;
    assert!(output.status.success());
    Ok(())
}
