//! Who a session acts for by SAML: what a real provider signed, from its attribute to the role, the policy and the record.

use std::fs;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::saml::{ENTITY_ID, Provider};
use icecore_tests::time;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::asserts::{refused, worked};
use crate::identity::{run, start, token_file};

/// What the provider calls groups.
const GROUPS: &str = "http://schemas.passportjs.com/groups";

/// Analysts read; what loaders may do at Snowflake, nobody may do here.
const POLICIES: &str = r#"
@id("analysts-read") permit (principal in Icecore::Group::"corp:analysts",
    action in [Icecore::Action::"read", Icecore::Action::"session"], resource)
    when { context.identity.protocol == "saml" && context.identity.verified };
"#;

const GRANTS: &str = "\n[[account.grant]]\ngroup = \"loaders\"\nrole = \"LOADER\"\n\
    [[account.grant]]\ngroup = \"analysts\"\nrole = \"READER\"\n";

/// Makes a world whose sessions need an assertion of `provider`, called `corp`, and whose roles its groups decide.
fn world(provider: &Provider) -> Result<World> {
    let mut world = World::without_daemon(&Plan {
        roles: vec![("ICECORE_SVC", "READER"), ("ICECORE_SVC", "LOADER")],
        ..Plan::default()
    })?;
    let metadata = world.path("corp.xml");
    fs::write(&metadata, provider.metadata()?)?;
    let config = fs::read_to_string(world.config_file())?;
    let place = config.find("\n[policy]").context("no section [policy]")?;
    let (before, after) = config.split_at(place);
    let saml = format!(
        "\n[[identity.saml]]\nname = \"corp\"\nmetadata_file = {metadata:?}\naudience = \"icecore\"\n\
         recipient = \"https://icecore.example/acs\"\ngroups_attribute = \"{GROUPS}\"\n"
    );
    fs::write(world.config_file(), [before, GRANTS, after, &saml].concat())?;
    let policies = world.config.policies();
    fs::remove_file(policies.join("read-only.cedar"))?;
    fs::write(policies.join("saml.cedar"), POLICIES)?;
    world.start_daemon()?;
    Ok(world)
}

/// Has the provider issue a response for somebody.
fn response(provider: &Provider, subject: &str, groups: &[&str], more: Value) -> Result<String> {
    let mut options = json!({
        "user": {
            "id": subject, "displayName": "Grace H.", "name": { "givenName": "Grace", "familyName": "H." },
            "emails": [{ "value": "grace.hopper@example.com" }], "groups": groups,
        },
    });
    if let (Some(options), Value::Object(more)) = (options.as_object_mut(), more) {
        options.extend(more);
    }
    provider.response(options)
}

/// Writes a message as `base64` prints it.
fn in_lines(message: &str) -> String {
    let text = STANDARD.encode(message);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    lines.join("\n")
}

/// Runs `true` in a session with a message of a file.
fn with_message(world: &World, message: &str) -> Result<Output> {
    let file = token_file(world, &in_lines(message))?;
    let mut command = run(world, &[], &["--identity-token-file", &file])?;
    Ok(command.arg("true").output()?)
}

/// Tells that a text has nothing of what a message says of its subject, nor a piece of the message itself.
#[track_caller]
fn says_nothing_of_it(text: &str, message: &str) {
    let signature = between(message, "<SignatureValue>", "</SignatureValue>");
    let encoded = STANDARD.encode(message);
    for piece in [
        "grace",
        "Grace",
        "analysts",
        "<saml",
        signature.get(..40).unwrap(),
        encoded.get(..40).unwrap(),
    ] {
        assert!(!text.contains(piece), "{piece}: {text}");
    }
}

/// The session is refused with a text that holds nothing of the message.
#[track_caller]
fn refuses(world: &World, message: &str, expected: &str) {
    let output = with_message(world, message).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains(expected),
        "expected `{expected}` in {errors}"
    );
    says_nothing_of_it(&errors, message);
}

fn between<'m>(message: &'m str, start: &str, end: &str) -> &'m str {
    let behind = message.split_once(start).expect(start).1;
    behind.split_once(end).expect(end).0
}

const SQL: &str = "select current_user(), current_role()";

/// Waits until the record has so many of an event.
fn wait_for_events(world: &World, code: &str, count: usize) -> Result<Vec<Value>> {
    let start = time::instant();
    loop {
        world.flush()?;
        let sql = format!(
            "select detail::varchar as detail from events where event_code = '{code}' and session_id in \
             (select session_id from sessions where idp_protocol = 'saml')"
        );
        let events = world.query(&sql)?;
        if events.len() >= count {
            return Ok(events);
        }
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{code} is not recorded: {events:?}"
        );
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// The group attribute decides the role by a grant, and what may be done by a policy; the session goes on by a later
/// assertion of the same subject, not by another's, and over a restart of the proxy by its seal.
#[test]
fn an_assertion_decides_by_its_groups_from_the_role_to_the_record() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let provider = Provider::rsa(folder.path())?;
    let mut world = world(&provider)?;
    let issue = |subject: &str, groups: &[&str]| response(&provider, subject, groups, json!({}));
    let message = issue("grace", &["analysts", "R&D"])?;
    let file = token_file(&world, &in_lines(&message))?;
    let steps = json!([
        {"do": "connect"}, {"do": "sql", "sql": SQL}, {"do": "sql", "sql": "drop table t", "name": "drop"}, {"do": "pause"},
        {"do": "connect", "name": "again"}, {"do": "sql", "sql": SQL, "name": "after"},
    ]);
    let options = ["--identity-token-file", &file];
    let mut analyst = start(&world, &[], &options, &steps)?;
    assert_eq!(analyst.expect("connect")?["ok"], true);
    let reader = json!(["ICECORE_SVC", "READER"]);
    assert_eq!(analyst.expect("sql")?["first"], reader);
    refused(&analyst.expect("drop")?);
    analyst.expect("pause")?;

    // A browser's base64 in a variable; a role of its own at Snowflake, and no policy here that lets it do anything.
    let loader = URL_SAFE_NO_PAD.encode(issue("bob", &["loaders", "analysts-of-others"])?);
    let variables = [format!("ICECORE_ID_TOKEN={loader}")];
    let steps = json!([{"do": "connect"}, {"do": "sql", "sql": SQL}]);
    let finished = start(&world, &variables, &[], &steps)?.finish()?;
    worked(&finished, &["connect"]);
    refused(finished.step("sql")?);
    let visitor = token_file(&world, &in_lines(&issue("eve", &["visitors"])?))?;
    let finished = start(&world, &[], &["--identity-token-file", &visitor], &steps)?.finish()?;
    let told = finished.step("connect")?.to_string();
    assert!(told.contains("corp:eve; groups visitors"), "{told}");

    fs::write(&file, in_lines(&issue("grace", &["analysts"])?))?;
    // One of each session, and the fresh one.
    let accepted = wait_for_events(&world, "AU001", 4)?;
    assert!(
        accepted
            .iter()
            .all(|event| event.to_string().contains("saml")),
        "{accepted:?}"
    );
    fs::write(&file, in_lines(&issue("bob", &["analysts"])?))?;
    let others = wait_for_events(&world, "AU002", 1)?;
    let told = others[0].to_string();
    assert!(
        told.contains("expected a token of corp:grace of https://idp.example, for whom the session acts, found one of corp:bob"),
        "{told}"
    );

    world.replace_proxy()?;
    analyst.go_on()?;
    let finished = analyst.finish()?;
    worked(&finished, &["again", "after"]);
    assert_eq!(finished.step("after")?["first"], reader);

    world.flush()?;
    let id = between(&message, "Version=\"2.0\" ID=\"", "\"");
    let sha256: String = digest(&SHA256, id.as_bytes())
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let sessions = world.query(
        "select distinct idp_issuer, idp_protocol, idp_subject, principal_type, lower(hex(id_token_jti_sha256)) as sha256 \
         from sessions_all where idp_subject = 'grace' and not resumed and closed_at is null",
    )?;
    assert_eq!(
        sessions,
        [json!({
            "idp_issuer": ENTITY_ID, "idp_protocol": "saml", "idp_subject": "grace", "principal_type": "human", "sha256": sha256,
        })]
    );
    let logins = world.query(
        "select distinct principal, principal_type, sf_role from logins_all order by principal",
    )?;
    let row = |subject: &str, role: &str| json!({ "principal": format!("corp:{subject} of {ENTITY_ID}"), "principal_type": "human", "sf_role": role });
    assert_eq!(logins, [row("bob", "LOADER"), row("grace", "READER")]);
    Ok(())
}

#[test]
fn what_no_provider_asserts_here_and_now_opens_no_session_and_is_recorded() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let provider = Provider::rsa(folder.path())?;
    let world = world(&provider)?;
    let issue = |more: Value| response(&provider, "grace", &["analysts"], more).unwrap();
    let good = issue(json!({}));
    let assertion = format!(
        "<saml:Assertion {}</saml:Assertion>",
        between(&good, "<saml:Assertion ", "</saml:Assertion>")
    );
    let signature = format!(
        "<Signature {}</Signature>",
        between(&good, "<Signature ", "</Signature>")
    );
    let id = between(&assertion, " ID=\"", "\"");
    let forged = assertion
        .replace(&signature, "")
        .replace(">grace<", ">eve<")
        .replace(id, "_forged");
    let wrapped = good.replace(&assertion, &format!("{forged}{assertion}"));
    refuses(&world, &wrapped, "expected one `Assertion`, found 2");
    refuses(
        &world,
        &good.replace(">grace<", ">eve<"),
        "`Assertion`: expected the digest that its signature states",
    );
    let elsewhere = tempfile::tempdir()?;
    let other = Provider::rsa(elsewhere.path())?;
    refuses(
        &world,
        &response(&other, "grace", &["analysts"], json!({}))?,
        "expected a signature by a key of the provider's metadata",
    );
    for (more, expected) in [
        (
            json!({ "recipient": "https://other.example/acs" }),
            "`SubjectConfirmationData/@Recipient`: expected `https://icecore.example/acs`",
        ),
        (
            json!({ "audience": "other" }),
            "`AudienceRestriction/Audience`: expected `icecore`",
        ),
        (json!({ "lifetimeInSeconds": -90 }), "expected a time after"),
        (
            json!({ "issuer": "https://other.example" }),
            "expected an issuer that is one of the providers `corp`, found \"https://other.example\"",
        ),
    ] {
        refuses(&world, &issue(more), expected);
    }
    // None of these has used up the good one, which is taken once.
    let opened = with_message(&world, &good)?;
    assert!(opened.status.success(), "{opened:?}");
    refuses(&world, &good, "expected one that was not used before");
    // As long as one of somebody in hundreds of groups.
    let groups: Vec<String> = (0..380)
        .map(|number| format!("CN=team-{number},OU=groups,DC=example,DC=com"))
        .collect();
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let long = response(&provider, "grace", &groups, json!({}))?;
    let length = STANDARD.encode(&long).len();
    assert!((55_000..=65_536).contains(&length), "{length} characters");
    let opened = with_message(&world, &long)?;
    assert!(opened.status.success(), "{opened:?}");
    // Its keys are those that stand in the file then, with nothing restarted.
    let (metadata, next) = (world.path("corp.xml"), issue(json!({})));
    fs::write(&metadata, "<html></html>")?;
    refuses(
        &world,
        &next,
        "metadata of provider `corp`: expected a SAML provider's metadata",
    );
    fs::write(&metadata, other.metadata()?)?;
    refuses(
        &world,
        &next,
        "expected a signature by a key of the provider's metadata",
    );
    let opened = with_message(
        &world,
        &response(&other, "grace", &["analysts"], json!({}))?,
    )?;
    assert!(opened.status.success(), "{opened:?}");

    world.flush()?;
    let events = world.query("select detail from events where event_code = 'AU002'")?;
    // One more is the harness's own look whether the daemon takes sessions.
    assert!(events.len() >= 11, "{events:?}");
    says_nothing_of_it(&format!("{events:?}"), &good);
    let sessions = world.query("select count(*) as n from sessions")?;
    assert_eq!(sessions[0]["n"], 3);
    Ok(())
}
