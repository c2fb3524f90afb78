//! Tokens that Icecore gets itself: OAuth by client credentials and by refresh token, and a workload's own token.

use std::fs;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use base64::Engine as _;
use icecore_tests::emulator::Credential;
use icecore_tests::harness::http::{Asked, Server};
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::{Value, json};

use crate::asserts::worked;
use crate::credentials::rotation::{configure, nothing_is_seen, put};

const CLIENT_SECRET: &str = "client-secret-04c1:with/odd+signs";

/// A token endpoint as RFC 6749 has it; each answer gives the next token and refresh token.
fn token_endpoint(granted: &Arc<Mutex<usize>>) -> Result<Server> {
    let granted = Arc::clone(granted);
    Server::start(move |asked: &Asked| {
        let mut granted = granted.lock().unwrap();
        // RFC 6749 section 2.3.1: both are encoded as in a form before they are joined.
        let pair = "icecore:client-secret-04c1%3Awith%2Fodd%2Bsigns";
        let basic = format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(pair)
        );
        if asked.method != "POST"
            || asked.target != "/token"
            || asked.header("authorization") != basic
        {
            return (401, json!({"error": "invalid_client"}));
        }
        let refresh = format!(
            "grant_type=refresh_token&refresh_token=refresh{}&",
            *granted
        );
        let client = "grant_type=client_credentials&";
        let scope = "scope=session%3Arole%3AANALYST";
        if asked.body != format!("{client}{scope}") && asked.body != format!("{refresh}{scope}") {
            return (400, json!({"error": "invalid_grant"}));
        }
        *granted += 1;
        (200, answer(*granted))
    })
}

fn answer(number: usize) -> Value {
    json!({
        "access_token": format!("access-token-{number}-6f2e"), "token_type": "Bearer", "expires_in": 3600,
        "refresh_token": format!("refresh{number}"),
    })
}

/// Logs in twice with one token, then with another once the account takes only that.
fn logs_in_and_renews(kind: &str) -> Result<()> {
    let granted = Arc::new(Mutex::new(0));
    let endpoint = token_endpoint(&granted)?;
    let mut world = World::without_daemon(&Plan::default())?;
    fs::create_dir(world.path("secrets"))?;
    let (secret, refresh) = (world.path("secrets/client"), world.path("secrets/refresh"));
    put(&secret, CLIENT_SECRET)?;
    put(&refresh, "refresh0")?;
    let token = |number: usize| Credential::Oauth {
        token: format!("access-token-{number}-6f2e"),
    };
    world.gate.rotate("ACME", &token(1))?;
    let more = match kind {
        "oauth-refresh" => format!(", refresh_token_file = {:?}", refresh.display().to_string()),
        _ => String::new(),
    };
    let config = format!(
        "{{ kind = {kind:?}, token_url = \"{}/token\", client_id = \"icecore\", client_secret_file = {:?}, scope = \"session:role:ANALYST\"{more} }}",
        endpoint.origin(),
        secret.display().to_string()
    );
    configure(&mut world, &config)?;
    let steps = json!([{"do": "connect"}, {"do": "sql", "sql": "select 1"}, {"do": "environment"}]);
    let mut output = String::new();
    for _ in 0..2 {
        let finished = world.drive(Generation::Four, &steps)?;
        worked(&finished, &["connect", "sql"]);
        output.push_str(&finished.output);
    }
    assert_eq!(
        *granted.lock().unwrap(),
        1,
        "{kind}: one token serves many logins"
    );
    world.gate.rotate("ACME", &token(2))?;
    worked(&world.drive(Generation::Four, &steps)?, &["connect", "sql"]);
    assert_eq!(
        *granted.lock().unwrap(),
        2,
        "{kind}: a refused token is got anew, once"
    );
    world.flush()?;
    let logins = world.query("select distinct auth_injected, credential_ref from logins_all")?;
    let reference = format!("oauth:icecore@{}/token", endpoint.origin());
    assert_eq!(
        logins,
        [json!({"auth_injected": "oauth", "credential_ref": reference})]
    );
    world.daemon()?.terminate()?;
    world.daemon = None;
    let secrets = [
        ("client", CLIENT_SECRET),
        ("access", "access-token-"),
        ("refresh", "refresh1"),
    ];
    let secrets: Vec<(String, String)> = secrets
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    nothing_is_seen(&world, &secrets, &output)
}

#[test]
fn client_credentials_log_in_and_are_renewed() -> Result<()> {
    logs_in_and_renews("oauth-client")
}

#[test]
fn a_refresh_token_logs_in_and_follows_its_rotation() -> Result<()> {
    logs_in_and_renews("oauth-refresh")
}

#[test]
fn a_workloads_own_token_logs_in() -> Result<()> {
    let mut world = World::without_daemon(&Plan::default())?;
    fs::create_dir(world.path("secrets"))?;
    let file = world.path("secrets/oidc");
    put(&file, "header.claims.signature")?;
    let token = "header.claims.signature".to_owned();
    world.gate.rotate("ACME", &Credential::Workload { token })?;
    let path = file.display().to_string();
    configure(
        &mut world,
        &format!("{{ kind = \"workload-identity\", provider = \"oidc\", token_file = {path:?} }}"),
    )?;
    let steps = json!([{"do": "connect"}, {"do": "sql", "sql": "select 1"}]);
    worked(&world.drive(Generation::Four, &steps)?, &["connect", "sql"]);
    world.flush()?;
    let logins = world.query("select distinct auth_injected from logins_all")?;
    assert_eq!(logins, [json!({"auth_injected": "wif"})]);
    Ok(())
}
