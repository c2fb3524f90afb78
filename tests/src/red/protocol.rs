//! Attacks on the protocol: writes past a read-only policy, and what belongs to other logins and sessions.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::{Answer, Client, login_body, login_target, statement};
use super::{Facts, Handoff, Outcome};

/// A statement that the policy refuses; the emulator's journal tells whether it was ever executed.
pub(super) const FORBIDDEN: &str = "insert into ORDERS values (666, 'canary-write-51d0', 0)";

pub(super) fn attacks(facts: &Facts) -> Vec<(String, Outcome)> {
    let opened = Client::in_session(facts.account).and_then(|client| {
        let (token, master) = client.login()?;
        Ok((client, token, master))
    });
    let (client, token, master) = match opened {
        Ok(opened) => opened,
        // Without a login nothing below would be an attack; the twin shows that one works.
        Err(error) => {
            return vec![(
                "log in".into(),
                Outcome::obtained(format!("no way in: {error:#}")),
            )];
        }
    };
    let mut attacks = paths(&client, &token);
    attacks.extend(bodies(&client, &token));
    attacks.extend(logins(&client));
    attacks.extend(others(facts, &client, &token));
    attacks.push((
        "use the tokens at the upstream itself".into(),
        upstream(facts, &token, &master),
    ));
    attacks.push((
        "reuse a request id for other SQL".into(),
        reuse(&client, &token),
    ));
    attacks.push((
        "name another host inside the connection".into(),
        fronted(&client, &token),
    ));
    attacks.push((
        "use a token after its session is closed".into(),
        closed(&client),
    ));
    attacks
}

fn gained(answer: Result<Answer>) -> Outcome {
    match answer {
        Ok(answer) if answer.success() => Outcome::obtained(answer.body),
        Ok(answer) => Outcome::stopped(answer.shown()),
        Err(error) => Outcome::stopped(format!("{error:#}")),
    }
}

/// Spellings of the query endpoint, and endpoints that nobody governs.
fn paths(client: &Client, token: &str) -> Vec<(String, Outcome)> {
    let id = Uuid::new_v4();
    let targets = [
        "//queries/v1/query-request",
        "/queries//v1/query-request",
        "/queries/v1/query-request/",
        "/queries/v1/%71uery-request",
        "/QUERIES/v1/query-request",
        "/queries/v1/query-request;x=1",
        "/./queries/v1/query-request",
        "/queries/x/../v1/query-request",
        "/queries/v1/query-request%00",
        "/queries/v1/query-request%3f",
        "\\queries\\v1\\query-request",
        "https://acme.snowflakecomputing.com/queries/v1/query-request",
        "http://127.77.0.1/queries/v1/query-request",
        "/api/v2/statements",
        "/api/v2/databases",
        "/session/authenticator-request",
        "/oauth/token-request",
        "/console/login",
        "/v1/data/pipes/x/insertFiles",
        "/polaris/api/catalog/v1/config",
        "/",
    ];
    targets
        .iter()
        .map(|target| {
            let mut body = statement(FORBIDDEN);
            if let Some(body) = body.as_object_mut() {
                body.insert("statement".into(), FORBIDDEN.into());
            }
            let answer = client.post(&format!("{target}?requestId={id}"), Some(token), &body);
            (format!("path {target}"), gained(answer))
        })
        .collect()
}

/// Bodies that say one thing to a judge and another to a server.
fn bodies(client: &Client, token: &str) -> Vec<(String, Outcome)> {
    let twice = format!(
        r#"{{"sqlText":"select 1","sqlText":"{FORBIDDEN}","asyncExec":false,"sequenceId":1}}"#
    );
    let reversed = format!(
        r#"{{"sqlText":"{FORBIDDEN}","sqlText":"select 1","asyncExec":false,"sequenceId":1}}"#
    );
    let case = format!(
        r#"{{"sqlText":"select 1","SQLTEXT":"{FORBIDDEN}","asyncExec":false,"sequenceId":1}}"#
    );
    let escaped =
        format!(r#"{{"sqlText":"select 1","sql\u0054ext":"{FORBIDDEN}","asyncExec":false}}"#);
    let mut bad_utf8 = statement("select 1").to_string().into_bytes();
    bad_utf8.splice(13..13, [0xff, 0xfe]);
    let with = |key: &str, value: Value, sql: &str| {
        let mut body = statement(sql);
        if let Some(body) = body.as_object_mut() {
            body.insert(key.into(), value);
        }
        body.to_string().into_bytes()
    };
    let several = format!("select 1; {FORBIDDEN}");
    let commented = format!("/* select 1 */ {FORBIDDEN}");
    let block = format!("begin {FORBIDDEN}; end");
    let immediate = format!("execute immediate '{}'", FORBIDDEN.replace('\'', "''"));
    let cases: [(&str, Vec<u8>); 17] = [
        (
            "the statement itself",
            statement(FORBIDDEN).to_string().into_bytes(),
        ),
        ("sqlText twice", twice.into_bytes()),
        ("sqlText twice, the bad one first", reversed.into_bytes()),
        ("sqlText in two cases", case.into_bytes()),
        ("sqlText twice, one escaped", escaped.into_bytes()),
        ("bytes that are no UTF-8", bad_utf8),
        (
            "several statements",
            statement(&several).to_string().into_bytes(),
        ),
        (
            "several statements, counted",
            with("parameters", json!({"MULTI_STATEMENT_COUNT": 0}), &several),
        ),
        (
            "a comment before",
            statement(&commented).to_string().into_bytes(),
        ),
        (
            "an anonymous block",
            statement(&block).to_string().into_bytes(),
        ),
        (
            "execute immediate",
            statement(&immediate).to_string().into_bytes(),
        ),
        ("describeOnly", with("describeOnly", json!(true), FORBIDDEN)),
        ("isInternal", with("isInternal", json!(true), FORBIDDEN)),
        ("asyncExec", with("asyncExec", json!(true), FORBIDDEN)),
        (
            "an unknown member",
            with("sqlTextOverride", json!(FORBIDDEN), "select 1"),
        ),
        (
            "a dataframe plan",
            with("dataframeAst", json!("AAAA"), "select 1"),
        ),
        (
            "a role change",
            statement("use role ACCOUNTADMIN").to_string().into_bytes(),
        ),
    ];
    cases
        .into_iter()
        .map(|(name, body)| {
            let target = format!("/queries/v1/query-request?requestId={}", Uuid::new_v4());
            let answer = client.send("POST", &target, Some(token), &body);
            (format!("body: {name}"), gained(answer))
        })
        .collect()
}

/// Logins that ask for more than the config gives.
fn logins(client: &Client) -> Vec<(String, Outcome)> {
    let mut attacks = Vec::new();
    for target in [
        login_target("ACCOUNTADMIN"),
        format!("{}&roleName=ACCOUNTADMIN", login_target("ANALYST")),
    ] {
        let outcome = match client.post(&target, None, &login_body()) {
            Ok(answer)
                if answer.success() && answer.text("/data/sessionInfo/roleName") != "ANALYST" =>
            {
                Outcome::obtained(answer.body)
            }
            Ok(answer) => Outcome::stopped(answer.text("/data/sessionInfo/roleName")),
            Err(error) => Outcome::stopped(format!("{error:#}")),
        };
        attacks.push(("login: another role".into(), outcome));
    }
    let twice = login_body()
        .to_string()
        .replacen('{', r#"{"data":{"LOGIN_NAME":"ADMIN"},"#, 1);
    let answer = client.send("POST", &login_target("ANALYST"), None, twice.as_bytes());
    attacks.push(("login: data twice".into(), gained(answer)));
    let mut body = login_body();
    if let Some(data) = body.get_mut("data").and_then(Value::as_object_mut) {
        data.insert("CHOSEN_BACKDOOR".into(), json!("x"));
    }
    let answer = client.post(&login_target("ANALYST"), None, &body);
    attacks.push(("login: an unknown member".into(), gained(answer)));
    attacks
}

/// Uses what another session left: its tokens, its query.
fn others(facts: &Facts, client: &Client, own: &str) -> Vec<(String, Outcome)> {
    let handoff: Result<Handoff> = std::fs::read_to_string(&facts.handoff_file)
        .context("handoff")
        .and_then(|text| Ok(serde_json::from_str(&text)?));
    let Ok(theirs) = handoff else {
        return vec![(
            "another session's leavings".into(),
            Outcome::obtained("no handoff file: not tried"),
        )];
    };
    let target = format!("/queries/v1/query-request?requestId={}", Uuid::new_v4());
    let (id, token) = (&theirs.query_id, theirs.session_token.as_str());
    let renewal = json!({"oldSessionToken": token, "requestType": "RENEW"});
    let result = format!("/queries/{id}/result");
    let get = |target: &str, token: &str| client.send("GET", target, Some(token), b"");
    let abort = json!({"requestId": theirs.request_id, "sqlText": "select 1"});
    let abort_target = format!("/queries/v1/abort-request?requestId={}", Uuid::new_v4());
    let scan = statement(&format!("select * from table(result_scan('{id}'))"));
    vec![
        (
            "another session's token".into(),
            gained(client.post(&target, Some(token), &statement("select 1"))),
        ),
        (
            "another session's master token".into(),
            gained(client.post(
                "/session/token-request",
                Some(&theirs.master_token),
                &renewal,
            )),
        ),
        (
            "another session's result with its token".into(),
            gained(get(&result, token)),
        ),
        (
            "another session's result with the own token".into(),
            gained(get(&result, own)),
        ),
        (
            "another session's statement, watched".into(),
            gained(get(&format!("/monitoring/queries/{id}"), own)),
        ),
        (
            "another session's statement, aborted by id".into(),
            gained(client.post(
                &format!("/queries/{id}/abort-request"),
                Some(own),
                &json!({}),
            )),
        ),
        (
            "another session's statement, aborted by request".into(),
            gained(client.post(&abort_target, Some(own), &abort)),
        ),
        (
            "another session's result by RESULT_SCAN".into(),
            gained(client.query(own, &Uuid::new_v4().to_string(), &scan)),
        ),
        (
            "another session, closed".into(),
            gained(client.post("/session?delete=true", Some(token), &json!({}))),
        ),
        (
            "another session, heartbeat".into(),
            gained(client.post("/session/heartbeat", Some(token), &json!({}))),
        ),
    ]
}

fn upstream(facts: &Facts, token: &str, master: &str) -> Outcome {
    let asked = || -> Result<Answer> {
        let client = Client::new(facts.upstream, &facts.upstream_ca_file)?;
        let renewal = json!({"oldSessionToken": token, "requestType": "RENEW"});
        let renewed = client.post("/session/token-request", Some(master), &renewal)?;
        if renewed.success() {
            return Ok(renewed);
        }
        client.query(
            token,
            &Uuid::new_v4().to_string(),
            &statement("select * from PAYROLL"),
        )
    };
    gained(asked())
}

/// Asks an allowed statement, then other SQL under the same request id: neither another answer nor an execution.
fn reuse(client: &Client, token: &str) -> Outcome {
    let asked = || -> Result<(Answer, Answer)> {
        let id = Uuid::new_v4().to_string();
        let first = client.query(token, &id, &statement("select 'first' as A"))?;
        ensure!(
            first.success(),
            "the allowed statement failed: {}",
            first.shown()
        );
        Ok((
            first,
            client.query(token, &id, &statement("select 'second' as A"))?,
        ))
    };
    match asked() {
        Ok((first, second))
            if second.success()
                && second.text("/data/rowsetBase64") != first.text("/data/rowsetBase64") =>
        {
            Outcome::obtained("the second statement's answer")
        }
        Ok((_, second)) => Outcome::stopped(second.shown()),
        Err(error) => Outcome::stopped(format!("{error:#}")),
    }
}

/// Sends a request for another host over a connection to the governed one.
fn fronted(client: &Client, token: &str) -> Outcome {
    let id = Uuid::new_v4().to_string();
    let asked = client.clone().hosting("other.snowflakecomputing.com");
    gained(asked.query(token, &id, &statement("select 1")))
}

fn closed(client: &Client) -> Outcome {
    let asked = || -> Result<Answer> {
        let (token, _) = client.login()?;
        let closed = client.post("/session?delete=true", Some(&token), &json!({}))?;
        ensure!(closed.success(), "close failed: {}", closed.shown());
        client.query(&token, &Uuid::new_v4().to_string(), &statement("select 1"))
    };
    gained(asked())
}
