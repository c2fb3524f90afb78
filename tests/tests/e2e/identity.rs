//! Who a session acts for: tokens from the job to the record, and what becomes of those that show nobody.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use icecore_tests::drivers::Product;
use icecore_tests::harness::driver::Driver;
use icecore_tests::harness::issuer::Issuer;
use icecore_tests::harness::provider::Provider;
use icecore_tests::harness::world::{AGENT_UID, Plan, World};
use icecore_tests::python;
use icecore_tests::time;
use serde_json::{Value, json};

use crate::asserts::{refused, worked};

/// Analysts read, and so do jobs of one repository's main branch; nobody else does anything.
const POLICIES: &str = r#"
@id("analysts-read") permit (principal in Icecore::Group::"idp:analysts",
    action in [Icecore::Action::"read", Icecore::Action::"session"], resource);
@id("main-reads") permit (principal, action in [Icecore::Action::"read", Icecore::Action::"session"], resource) when {
    context.identity has repository && context.identity has ref &&
    context.identity.repository == "acme/app" && context.identity.ref == "refs/heads/main"
};
"#;

/// Makes a world whose sessions need a token of an issuer, called `idp`.
pub(crate) fn world(url: &str, more: &str) -> Result<World> {
    world_with("[identity]\nallow_same_uid = true", url, more)
}

/// Makes the same with a section `[identity]`.
pub(crate) fn world_with(section: &str, url: &str, more: &str) -> Result<World> {
    let mut world = World::without_daemon(&Plan::default())?;
    let file = world.config_file();
    let config = fs::read_to_string(&file)?;
    let issuer = format!(
        "\n{section}\n[[identity.issuer]]\nname = \"idp\"\nurl = \"{url}\"\naudience = \"icecore\"\n{more}\n"
    );
    fs::write(&file, config + &issuer)?;
    let policies = world.config.policies();
    fs::remove_file(policies.join("read-only.cedar"))?;
    fs::write(policies.join("identity.cedar"), POLICIES)?;
    world.start_daemon()?;
    Ok(world)
}

pub(crate) const CI: &str = "ci = \"github\"\nrequire = { repository = \"acme/*\" }";

pub(crate) fn job(git_ref: &str) -> Value {
    json!({
        "sub": format!("repo:acme/app:ref:{git_ref}"), "repository": "acme/app", "ref": git_ref, "run_id": "30433642",
        "run_attempt": "2", "workflow_ref": "acme/app/.github/workflows/a.yml@refs/heads/main", "actor": "ada",
        "event_name": "push", "sha": "c0ffee",
    })
}

/// Gives `icecore run` as the agent's user with some variables and options, up to the command.
pub(crate) fn run(world: &World, variables: &[String], options: &[&str]) -> Result<Command> {
    let mut command = world.outside(AGENT_UID, "env".as_ref())?;
    command.args(variables);
    run_by(command, world, options)
}

/// Lets a command end as `icecore run` with some options, up to the session's command.
pub(crate) fn run_by(mut command: Command, world: &World, options: &[&str]) -> Result<Command> {
    command
        .arg(&world.icecore)
        .args(["run", "--control"])
        .arg(world.control_socket())
        .args(options)
        .arg("--");
    Ok(command)
}

/// Starts steps of the Python connector in such a session.
pub(crate) fn start(
    world: &World,
    variables: &[String],
    options: &[&str],
    steps: &Value,
) -> Result<Driver> {
    drive_by(run(world, variables, options)?, world, steps)
}

/// Starts steps of the Python connector by an `icecore run` that lacks its command.
pub(crate) fn drive_by(mut command: Command, world: &World, steps: &Value) -> Result<Driver> {
    for name in ["steps.py", "run_steps.py", "every_cell.py"] {
        fs::copy(python::folder("drivers").join(name), world.path(name))?;
    }
    let words: Vec<OsString> = Product::Connector4.words(&world.path("steps.py"))?;
    command.args(words).arg(steps.to_string());
    Driver::start(command)
}

/// Writes a token where the agent's user can read it, each into a file of its own.
pub(crate) fn token_file(world: &World, token: &str) -> Result<String> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let file = world.path(&format!("token-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    fs::write(&file, format!("{token}\n"))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
    Ok(file.to_string_lossy().into_owned())
}

/// Runs `true` in a session with a token of a file.
pub(crate) fn with_token(world: &World, token: &str) -> Result<Output> {
    let file = token_file(world, token)?;
    let mut command = run(world, &[], &["--identity-token-file", &file])?;
    Ok(command.arg("true").output()?)
}

#[track_caller]
pub(crate) fn opens(world: &World, token: &str) {
    let output = with_token(world, token).unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// The session is refused with a text that holds nothing of the token.
#[track_caller]
pub(crate) fn refuses(world: &World, token: &str, text: &str) -> String {
    let output = with_token(world, token).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains(text), "expected `{text}` in {errors}");
    for piece in token.split('.').filter(|piece| piece.len() > 8) {
        assert!(!errors.contains(piece), "{errors}");
    }
    errors
}

pub(crate) const READ: &str = "select 1";

/// GitHub's way: the launcher asks the runner, the job gets neither the token nor the way to one, the record knows it.
#[test]
fn a_job_is_known_from_its_runner_to_the_record() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world(&issuer.url(), CI)?;
    let steps = json!([
        {"do": "environment"}, {"do": "connect"}, {"do": "sql", "sql": READ}, {"do": "sql", "sql": "drop table t", "name": "drop"},
    ]);
    issuer.set_job(job("refs/heads/main"));
    let main = start(&world, &issuer.github_variables(), &[], &steps)?.finish()?;
    worked(&main, &["connect", "sql"]);
    refused(main.step("drop")?);
    let variables = main.step("environment")?["variables"].to_string();
    assert!(!variables.contains("ACTIONS_ID_TOKEN"), "{variables}");

    issuer.set_job(job("refs/heads/side"));
    let side = start(&world, &issuer.github_variables(), &[], &steps)?.finish()?;
    refused(side.step("sql")?);

    world.flush()?;
    let runs = world.query(
        "select ci_repository, ci_run_id, ci_run_attempt, ci_actor, idp_subject, principal_type, account, sf_role, \
         statements, refused from runs where ci_ref = 'refs/heads/main' and account is not null",
    )?;
    assert_eq!(
        runs,
        [json!({
            "ci_repository": "acme/app", "ci_run_id": "30433642", "ci_run_attempt": 2, "ci_actor": "ada",
            "idp_subject": "repo:acme/app:ref:refs/heads/main", "principal_type": "workload", "account": "ACME",
            "sf_role": "ANALYST", "statements": 2, "refused": 1,
        })]
    );
    let logins = world.query("select distinct principal, principal_type from logins order by 1")?;
    assert_eq!(
        logins[0]["principal"],
        format!("idp:repo:acme/app:ref:refs/heads/main of {}", issuer.url())
    );
    let accepted = world.query("select count(*) as n from events where event_code = 'AU001'")?;
    assert_eq!(accepted[0]["n"], 2);
    Ok(())
}

/// The other ways of a token: a variable that the config names, one that the caller names, a file.
#[test]
fn a_token_comes_by_variable_or_file_and_stays_outside() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world_with("[identity]\ntoken_use = \"host\"", &issuer.url(), "")?;
    let token = issuer.token(&json!({ "groups": ["analysts"] }))?;
    for (variable, options) in [
        ("ICECORE_ID_TOKEN", vec![]),
        ("OUR_TOKEN", vec!["--identity-token-env", "OUR_TOKEN"]),
    ] {
        let variables = [format!("{variable}={token}")];
        let output = run(&world, &variables, &options)?.arg("env").output()?;
        assert!(output.status.success(), "{output:?}");
        let inside = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            !inside.contains(variable) && !inside.contains(&token),
            "{inside}"
        );
    }
    opens(&world, &token);
    let file = token_file(&world, &token)?;
    let steps = json!([{"do": "connect"}, {"do": "sql", "sql": READ}]);
    let analyst = start(&world, &[], &["--identity-token-file", &file], &steps)?.finish()?;
    worked(&analyst, &["connect", "sql"]);
    let token = issuer.token(&json!({ "groups": ["idp:analysts"] }))?;
    let file = token_file(&world, &token)?;
    let stranger = start(&world, &[], &["--identity-token-file", &file], &steps)?.finish()?;
    refused(stranger.step("sql")?);
    Ok(())
}

#[test]
fn what_shows_nobody_opens_no_session_and_is_recorded() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world(&issuer.url(), CI)?;
    let now = time::since_epoch().as_secs();
    let token = |changes: Value| {
        let mut claims = job("refs/heads/main");
        claims
            .as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        issuer.token(&claims).unwrap()
    };
    opens(&world, &token(json!({})));
    // A clock that is within the leeway, and one that is not.
    opens(&world, &token(json!({ "iat": now + 30, "exp": now + 330 })));
    refuses(
        &world,
        &token(json!({ "iat": now + 300, "exp": now + 600 })),
        "expected `iat` at most 60 s ahead",
    );
    refuses(
        &world,
        &token(json!({ "exp": now - 120 })),
        "expected `exp` in the future",
    );
    refuses(
        &world,
        &token(json!({ "aud": "sts.amazonaws.com" })),
        "expected `aud` with one of [\"icecore\"]",
    );
    refuses(
        &world,
        &token(json!({ "repository": "evil/app" })),
        "expected `repository` to be one of [\"acme/*\"]",
    );
    refuses(
        &world,
        &token(json!({ "iss": "https://evil.test" })),
        "expected one of the issuers",
    );
    let good = token(json!({}));
    let forged =
        Issuer::start()?.token(&json!({ "iss": issuer.url(), "repository": "acme/app" }))?;
    refuses(&world, &forged, "expected a signature of issuer `idp`");
    let (text, _) = good.rsplit_once('.').context("no signature")?;
    refuses(&world, &format!("{text}."), "expected a signature");
    refuses(&world, "not-a-token", "expected a signed JWT (three parts");
    let without = run(&world, &[], &[])?.arg("true").output()?;
    assert_eq!(without.status.code(), Some(1), "{without:?}");
    let errors = String::from_utf8_lossy(&without.stderr).into_owned();
    assert!(
        errors.contains("expected a token of issuer idp, found none"),
        "{errors}"
    );

    world.flush()?;
    let events = world.query("select detail from events where event_code = 'AU002'")?;
    // One more is the harness's own look whether the daemon takes sessions.
    assert!(events.len() >= 9, "{events:?}");
    let all = format!("{events:?}");
    for piece in good
        .split('.')
        .chain(forged.split('.'))
        .filter(|piece| piece.len() > 8)
    {
        assert!(!all.contains(piece), "{all}");
    }
    let sessions = world.query("select count(*) as n from sessions")?;
    assert_eq!(sessions[0]["n"], 2);
    Ok(())
}

/// A proxy that is started again knows the session by its seal: the token is written down nowhere.
#[test]
fn a_session_keeps_its_identity_when_the_proxy_is_killed() -> Result<()> {
    let issuer = Issuer::start()?;
    let mut world = world(&issuer.url(), "")?;
    let token = issuer.token(&json!({ "groups": ["analysts"] }))?;
    let file = token_file(&world, &token)?;
    let steps = json!([
        {"do": "connect"}, {"do": "sql", "sql": READ, "name": "before"}, {"do": "pause"},
        {"do": "connect", "name": "again"}, {"do": "sql", "sql": READ, "name": "after"},
    ]);
    let mut driver = start(&world, &[], &["--identity-token-file", &file], &steps)?;
    assert_eq!(driver.expect("connect")?["ok"], true);
    assert_eq!(driver.expect("before")?["ok"], true);
    fs::remove_file(&file)?;
    issuer.set_down(true);
    let kept = format!("{}/sessions", world.config.run_dir().display());
    for entry in fs::read_dir(kept)? {
        let text = fs::read_to_string(entry?.path())?;
        assert!(!text.contains(&token), "the token is on disk");
    }
    world.replace_proxy()?;
    driver.expect("pause")?;
    driver.go_on()?;
    let finished = driver.finish()?;
    worked(&finished, &["again", "after"]);
    world.flush()?;
    let subjects = world.query(
        "select distinct idp_subject from sessions_all where resumed and idp_subject is not null",
    )?;
    assert_eq!(subjects, [json!({ "idp_subject": "ada" })]);
    Ok(())
}

/// A real provider: discovery, groups in a nested claim, audience, another key mid-session, a wrong clock, its absence.
#[test]
fn a_real_providers_tokens_decide_by_their_groups() -> Result<()> {
    let mut provider = Provider::start("RS256", "one")?;
    let more = "groups_claim = \"realm_access.roles\"\nkind = \"workload\"";
    let world = world(&provider.url(), more)?;
    let steps = json!([
        {"do": "connect"}, {"do": "sql", "sql": READ, "name": "before"}, {"do": "pause"},
        {"do": "sql", "sql": READ, "name": "after"},
    ]);
    let start_as = |token: &str| {
        let file = token_file(&world, token)?;
        let options = ["--identity-token-file", &file];
        start(&world, &[], &options, &steps)
    };
    let mut analyst = start_as(&provider.token("analyst", "icecore")?)?;
    let mut visitor = start_as(&provider.token("visitor", "icecore")?)?;
    for (driver, allowed) in [(&mut analyst, true), (&mut visitor, false)] {
        driver.expect("connect")?;
        assert_eq!(driver.expect("before")?["ok"], allowed);
        driver.expect("pause")?;
    }
    let elsewhere = provider.token("analyst", "other")?;
    refuses(
        &world,
        &elsewhere,
        "expected `aud` with one of [\"icecore\"], found \"other\"",
    );

    let by_one = provider.token("analyst", "icecore")?;
    provider.restart("ES256", "two", 0)?;
    opens(&world, &provider.token("analyst", "icecore")?);
    refuses(&world, &by_one, "found 0 that fit");
    for (wrong_seconds, text) in [
        (3600, "expected `iat`"),
        (-3600, "expected `exp` in the future"),
    ] {
        let key = format!("wrong{wrong_seconds}");
        provider.restart("RS256", &key, wrong_seconds)?;
        let token = provider.token("analyst", "icecore")?;
        // An unknown key is looked for once in five seconds.
        let start = time::instant();
        let mut errors = String::new();
        while !errors.contains(text) && start.elapsed() < Duration::from_secs(15) {
            errors = String::from_utf8_lossy(&with_token(&world, &token)?.stderr).into_owned();
            std::thread::sleep(Duration::from_millis(500));
        }
        refuses(&world, &token, text);
    }
    provider.restart("RS256", "last", 0)?;
    let last = provider.token("analyst", "icecore")?;
    let another = provider.token("analyst", "icecore")?;
    let start = time::instant();
    while !with_token(&world, &last)?.status.success() {
        assert!(
            start.elapsed() < Duration::from_secs(15),
            "the last key is never read"
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    provider.stop();
    opens(&world, &another);

    for (mut driver, allowed) in [(analyst, true), (visitor, false)] {
        driver.go_on()?;
        let finished = driver.finish()?;
        assert_eq!(finished.step("after")?["ok"], allowed);
    }
    Ok(())
}

/// A session lives no longer by one token than the config says; a fresh one in its file of the same party lets it go on.
#[test]
fn a_fresh_token_lets_a_session_go_on_and_anothers_does_not() -> Result<()> {
    let issuer = Issuer::start()?;
    let claims = json!({ "groups": ["analysts"] });
    let section = "[identity]\nmax_session_age = \"12s\"";
    let world = world_with(section, &issuer.url(), "")?;
    let file = token_file(&world, &issuer.token(&claims)?)?;
    let mut steps = vec![json!({"do": "connect"})];
    for name in ["at once", "fresh", "over"] {
        steps.extend([
            json!({"do": "pause"}),
            json!({"do": "sql", "sql": READ, "name": name}),
        ]);
    }
    let options = ["--identity-token-file", &file];
    let mut driver = start(&world, &[], &options, &json!(steps))?;
    let opened = time::instant();
    let at = |seconds| {
        let due = Duration::from_secs(seconds);
        std::thread::sleep(due.saturating_sub(opened.elapsed()));
    };
    driver.expect("connect")?;
    driver.expect("pause")?;
    driver.go_on()?;
    assert_eq!(driver.expect("at once")?["ok"], true);
    driver.expect("pause")?;
    at(8);
    let second = issuer.token(&claims)?;
    fs::write(&file, &second)?;
    // Past the age of the first token, within that of the second.
    at(15);
    driver.go_on()?;
    assert_eq!(driver.expect("fresh")?["ok"], true);
    refuses(&world, &second, "expected a token that no session has used");
    driver.expect("pause")?;
    fs::write(
        &file,
        issuer.token(&json!({ "sub": "bob", "groups": ["analysts"] }))?,
    )?;
    at(25);
    driver.go_on()?;
    let over = driver.expect("over")?;
    assert_eq!(over["ok"], false, "{over}");
    assert!(
        over.to_string()
            .contains("identity that this session began with is over"),
        "{over}"
    );
    driver.finish()?;
    world.flush()?;
    let events = world.query(
        "select event_code, count(*) as n from events where event_code in ('AU001', 'AU002') and session_id in \
         (select session_id from sessions where idp_subject = 'ada') group by all order by 1",
    )?;
    let expected = [("AU001", 2), ("AU002", 1)];
    assert_eq!(
        events,
        expected.map(|(code, n)| json!({ "event_code": code, "n": n }))
    );
    Ok(())
}
