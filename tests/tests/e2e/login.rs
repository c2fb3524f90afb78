//! `icecore login`: from an engineer's browser to the principal of a session that brings no token.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use icecore_tests::harness::browser::{Browser, Page, Person};
use icecore_tests::harness::issuer::Issuer;
use icecore_tests::harness::provider::Provider;
use icecore_tests::harness::world::{AGENT_UID, World};
use icecore_tests::time;
use serde_json::{Value, json};

use crate::identity::{READ, run, start, world_with};

const LOGIN: &str = "login = { client_id = \"icecore-cli\", scopes = [\"email\", \"groups\"] }";

/// A running `icecore login` of the agent's user, outside of every session.
struct Login {
    child: Child,
    errors: BufReader<ChildStderr>,
}

impl Login {
    fn start(world: &World, options: &[&str]) -> Result<Self> {
        let mut child = world
            .outside(AGENT_UID, world.icecore.as_os_str())?
            .args(["login", "--control"])
            .arg(world.control_socket())
            .args(options)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let errors = BufReader::new(child.stderr.take().context("no stderr")?);
        Ok(Self { child, errors })
    }

    /// Gives the next address that it tells.
    fn url(&mut self, before: &str) -> Result<String> {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            if self.errors.read_line(&mut line)? == 0 {
                anyhow::bail!("no address in `{all}`");
            }
            if let Some(url) = line
                .trim()
                .strip_prefix(before)
                .filter(|rest| rest.starts_with("http"))
            {
                return Ok(url.to_owned());
            }
            all.push_str(&line);
        }
    }

    /// Waits for its end; gives what it said.
    fn end(mut self) -> Result<(Option<i32>, String)> {
        let mut errors = String::new();
        self.errors.read_to_string(&mut errors)?;
        Ok((self.child.wait()?.code(), errors))
    }
}

fn icecore_login(world: &World, uid: u32, options: &[&str]) -> Result<Output> {
    let mut command = world.outside(uid, world.icecore.as_os_str())?;
    command
        .args(["login", "--control"])
        .arg(world.control_socket());
    Ok(command.args(options).output()?)
}

fn status(world: &World) -> Result<Value> {
    let output = icecore_login(world, AGENT_UID, &["--status", "--json"])?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Runs `true` in a session without a token; gives the exit code and what was said.
fn without_token(world: &World) -> Result<(Option<i32>, String)> {
    let output = run(world, &[], &[])?.arg("true").output()?;
    Ok((
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

fn log_in(world: &World, name: &'static str) -> Result<(Page, String)> {
    let mut login = Login::start(world, &["--browser"])?;
    let url = login.url("")?;
    let page = Browser::default().visit(&url, Person::Agrees(name))?;
    let (code, errors) = login.end()?;
    assert_eq!(code, Some(0), "{errors}");
    Ok((page, errors))
}

/// The whole way by the browser of a real provider, and who a session acts for then.
#[test]
fn an_engineer_logs_in_by_the_browser_and_sessions_act_for_them() -> Result<()> {
    let provider = Provider::start("ES256", "one")?;
    let mut world = world_with("", &provider.url(), LOGIN)?;
    let (code, errors) = without_token(&world)?;
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("log in with `icecore login`"), "{errors}");

    let (page, errors) = log_in(&world, "ada")?;
    assert_eq!(page.status, "200 OK");
    assert!(page.body.contains("You may close this"), "{}", page.body);
    let expected = "icecore: logged in as ada@acme.test (idp:ada) by issuer idp until ";
    assert!(errors.contains(expected), "{errors}");
    assert!(errors.contains("; groups: analysts\n"), "{errors}");

    let steps = json!([{"do": "connect"}, {"do": "sql", "sql": READ}, {"do": "pause"}]);
    let mut session = start(&world, &[], &[], &steps)?;
    assert_eq!(session.expect("connect")?["ok"], true);
    assert_eq!(session.expect("sql")?["ok"], true);
    for entry in fs::read_dir(world.config.run_dir().join("sessions"))? {
        let text = fs::read_to_string(entry?.path())?;
        assert!(
            text.contains("sealed") && !text.contains("eyJhbGciOi"),
            "{text}"
        );
    }
    session.expect("pause")?;
    session.go_on()?;
    session.finish()?;
    let other = icecore_login(&world, 0, &["--status"])?;
    assert_eq!(other.status.code(), Some(1), "{other:?}");
    assert_eq!(String::from_utf8_lossy(&other.stdout), "not logged in\n");

    // Inside a session there is no login: neither to ask for nor to make.
    for options in [&["--status"][..], &["--browser"], &["--forget"]] {
        let mut inside = run(&world, &[], &[])?;
        inside
            .arg(&world.icecore)
            .args(["login", "--control"])
            .arg(world.control_socket());
        let inside = inside.args(options).output()?;
        let errors = String::from_utf8_lossy(&inside.stderr).into_owned();
        assert_eq!(inside.status.code(), Some(1), "{errors}");
        assert!(
            errors.contains("icecore: a process in a session may not use the daemon\n"),
            "{errors}"
        );
    }
    assert_eq!(status(&world)?["name"], "ada@acme.test");

    // A token that is given goes before the login, whatever it is worth.
    let given = run(&world, &["ICECORE_ID_TOKEN=a.b.c".to_owned()], &[])?
        .arg("true")
        .output()?;
    assert_eq!(given.status.code(), Some(1), "{given:?}");

    world.flush()?;
    let sessions = world.query(
        "select distinct idp_subject, principal_type, json_extract_string(e.detail, '$.shown_by') as shown_by, \
         json_extract_string(e.detail, '$.groups') as groups from sessions s join events e using (session_id) where event_code = 'AU001'",
    )?;
    let expected = json!({
        "idp_subject": "ada", "principal_type": "human", "shown_by": "login", "groups": "[\"idp:analysts\"]",
    });
    assert_eq!(sessions, [expected]);
    let signed_in = world.query(
        "select json_extract_string(detail, '$.uid') as uid, json_extract_string(detail, '$.subject') as subject from events \
         where event_code = 'AU001' and json_extract_string(detail, '$.uid') is not null",
    )?;
    assert_eq!(
        signed_in,
        [json!({ "uid": AGENT_UID.to_string(), "subject": "ada" })]
    );

    let forgotten = icecore_login(&world, AGENT_UID, &["--forget"])?;
    assert!(forgotten.status.success(), "{forgotten:?}");
    assert_eq!(without_token(&world)?.0, Some(1));
    // Nothing of it is on disk: who starts the daemon again is nobody.
    log_in(&world, "bob")?;
    assert_eq!(status(&world)?["subject"], "bob");
    let daemon = world.daemon.take().context("no daemon")?;
    drop(daemon);
    world.start_daemon()?;
    assert_eq!(status(&world)?, Value::Null);
    Ok(())
}

#[test]
fn a_code_that_is_typed_in_elsewhere_logs_in_and_one_that_is_denied_does_not() -> Result<()> {
    let provider = Provider::start("RS256", "one")?;
    let world = world_with("", &provider.url(), LOGIN)?;
    let mut denied = Login::start(&world, &["--device"])?;
    let url = denied.url("or open ")?;
    Browser::default().visit(&url, Person::Denies)?;
    let (code, errors) = denied.end()?;
    assert_eq!(code, Some(1), "{errors}");
    assert!(
        errors.contains("login refused: the issuer said `access_denied`"),
        "{errors}"
    );
    assert_eq!(status(&world)?, Value::Null);

    // Neither a terminal nor a display is here, so that this is the way without being asked for.
    let mut login = Login::start(&world, &["--issuer", &provider.url()])?;
    let url = login.url("or open ")?;
    let page = Browser::default().visit(&url, Person::Agrees("ada"))?;
    assert!(page.body.contains("Sign-in Success"), "{}", page.body);
    let (code, errors) = login.end()?;
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        errors.contains("logged in as ada@acme.test (idp:ada)"),
        "{errors}"
    );
    assert_eq!(without_token(&world)?.0, Some(0));
    Ok(())
}

/// Tokens that are nearly over are refreshed, by a refresh token that is good once; without a provider they serve to
/// their end.
#[test]
fn a_login_is_refreshed_until_its_provider_is_gone() -> Result<()> {
    let mut provider = Provider::start_with_life("ES256", "one", 12)?;
    let more = format!("{LOGIN}\nleeway = \"0s\"");
    let world = world_with("", &provider.url(), &more)?;
    log_in(&world, "ada")?;
    let mut last = status(&world)?["expires_at"].clone();
    for _ in 0..2 {
        // The provider's times are whole seconds.
        std::thread::sleep(Duration::from_millis(1100));
        let (code, errors) = without_token(&world)?;
        assert_eq!(code, Some(0), "{errors}");
        let next = status(&world)?["expires_at"].clone();
        assert!(next.as_str() > last.as_str(), "{next} after {last}");
        last = next;
    }
    provider.stop();
    let (code, errors) = without_token(&world)?;
    assert_eq!(code, Some(0), "{errors}");
    let start = time::instant();
    let mut told = without_token(&world)?;
    while told.0 == Some(0) && start.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(500));
        told = without_token(&world)?;
    }
    let (code, errors) = told;
    assert_eq!(code, Some(1), "{errors}");
    let expected = [
        "the login of idp:ada ended at ",
        "log in again: icecore login",
    ];
    assert!(
        expected.iter().all(|text| errors.contains(text)),
        "{errors}"
    );
    // A provider that knows no token of before says so, and the login is over for good.
    provider.restart("ES256", "two", 0)?;
    let (code, errors) = without_token(&world)?;
    assert_eq!(code, Some(1), "{errors}");
    assert!(
        errors.contains("the issuer said `invalid_grant`; log in again"),
        "{errors}"
    );
    let (code, errors) = without_token(&world)?;
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("expected `exp` in the future"), "{errors}");
    assert!(errors.contains("log in again: icecore login"), "{errors}");
    let over = icecore_login(&world, AGENT_UID, &["--status"])?;
    let told = String::from_utf8_lossy(&over.stdout).into_owned();
    assert_eq!(over.status.code(), Some(1), "{told}");
    assert!(
        told.starts_with("not logged in any more: ada@acme.test"),
        "{told}"
    );
    Ok(())
}

/// What no real provider answers: each is refused, told on both ends, and logs nobody in.
#[test]
fn answers_that_are_not_to_this_login_log_nobody_in() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world_with("", &issuer.url(), LOGIN)?;
    let iss = format!("&iss={}", issuer.url());
    // What comes back with the browser, the ID token's claims, and what is said of them.
    let refused: [(&str, &str, Value, &str); 5] = [
        (
            "code=c",
            &iss,
            json!({ "aud": "icecore-cli", "nonce": "another" }),
            "with the `nonce` of this sign-in, found another",
        ),
        (
            "code=c",
            &iss,
            json!({ "aud": "icecore" }),
            "expected an ID token for client `icecore-cli`",
        ),
        (
            "code=c",
            "",
            json!({}),
            "found none, though the issuer promises it",
        ),
        (
            "code=c",
            "&iss=https://evil.test",
            json!({}),
            "found \"https://evil.test\"",
        ),
        (
            "error=access_denied",
            &iss,
            json!({}),
            "the issuer said `access_denied`",
        ),
    ];
    let parameter = |url: &str, name: &str| -> Result<String> {
        let found = url
            .split(['?', '&'])
            .find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        let found = found.with_context(|| format!("no {name} in {url}"))?;
        Ok(found.replace("%3A", ":").replace("%2F", "/"))
    };
    for (brought, iss, claims, expected) in refused {
        issuer.set_job(claims);
        let mut login = Login::start(&world, &["--browser"])?;
        let url = login.url("")?;
        let callback = parameter(&url, "redirect_uri")?;
        let mut browser = Browser::default();
        let stray = browser.load(&format!("{callback}?code=c&state=guess"), None)?;
        assert_eq!(stray.status, "400 Bad Request");
        let state = parameter(&url, "state")?;
        let page = browser.load(&format!("{callback}?{brought}&state={state}{iss}"), None)?;
        assert_eq!(page.status, "403 Forbidden", "{expected}");
        let (code, errors) = login.end()?;
        assert_eq!(code, Some(1), "{errors}");
        assert!(errors.contains(expected), "expected {expected} in {errors}");
        assert_eq!(status(&world)?, Value::Null);
    }
    let mut login = Login::start(&world, &["--browser"])?;
    let url = login.url("")?;
    let nonce = parameter(&url, "nonce")?;
    let soon = time::since_epoch().as_secs() + 55;
    issuer.set_job(json!({ "aud": "icecore-cli", "nonce": nonce, "exp": soon }));
    let (callback, state) = (parameter(&url, "redirect_uri")?, parameter(&url, "state")?);
    let page = Browser::default().load(&format!("{callback}?code=c&state={state}{iss}"), None)?;
    assert_eq!(page.status, "200 OK", "{}", page.body);
    assert_eq!(login.end()?.0, Some(0));
    assert_eq!(without_token(&world)?.0, Some(0));

    // Refreshed tokens of somebody else, or in answer to another login, change nothing.
    let login = status(&world)?;
    for other in [
        json!({ "sub": "eve" }),
        json!({ "nonce": "another" }),
        json!({ "aud": "icecore" }),
    ] {
        let mut claims = json!({ "aud": "icecore-cli", "exp": soon + 300 });
        let members = claims.as_object_mut().context("no claims")?;
        members.extend(other.as_object().context("no claims")?.clone());
        issuer.set_job(claims);
        let (code, errors) = without_token(&world)?;
        assert_eq!(code, Some(0), "{errors}");
        assert_eq!(status(&world)?, login, "{other}");
    }
    issuer.set_job(json!({ "aud": "icecore-cli", "exp": soon + 300 }));
    assert_eq!(without_token(&world)?.0, Some(0));
    assert_ne!(status(&world)?["expires_at"], login["expires_at"]);

    let none = icecore_login(&world, AGENT_UID, &["--device"])?;
    let errors = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(
        errors.contains("`device_authorization_endpoint`") && errors.contains("--browser"),
        "{errors}"
    );
    issuer.set_down(true);
    let down = icecore_login(&world, AGENT_UID, &["--browser"])?;
    let errors = String::from_utf8_lossy(&down.stderr).into_owned();
    assert_eq!(down.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("expected HTTP status 200, found 503"),
        "{errors}"
    );
    let wrong = icecore_login(&world, AGENT_UID, &["--issuer", "https://other.test"])?;
    let errors = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        errors.contains("expected the name or URL of one of the issuers idp"),
        "{errors}"
    );

    world.flush()?;
    let events = world.query("select count(*) as n from events where event_code = 'AU002' and detail like '%login refused%'")?;
    assert_eq!(events[0]["n"], 5);
    let all = fs::read_to_string(world.path("daemon.log"))?;
    assert!(!all.contains("eyJ"), "a token is in the log");
    Ok(())
}
