//! The commands: what they show, and that only the issuer's word goes into the mailbox.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result};
use icecore::approval::{Answer, Proof, Request};
use icecore_tests::harness::browser::Person;
use icecore_tests::harness::issuer::Issuer;
use icecore_tests::harness::provider::Provider;
use serde_json::{Value, json};

use crate::machine::Machine;

fn said(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn digest(machine: &Machine, request: &Request) -> Result<String> {
    let output = machine.output(&["show", &request.id.to_string(), "--json"])?;
    let shown: Value = serde_json::from_slice(&output.stdout).context(said(&output))?;
    Ok(shown["digest"].as_str().context("no digest")?.to_owned())
}

/// By a real provider, which knows `max_age` and PKCE as the standard has them.
#[test]
fn an_approver_says_yes_and_another_no_at_a_real_provider() -> Result<()> {
    let provider = Provider::start("ES256", "one")?;
    let machine = Machine::new(&provider.url(), "icecore-approvals")?;
    let request = machine.host.ask(|_| {})?;
    let id = request.id.to_string();
    let listed = said(&machine.output(&["list"])?);
    assert!(listed.contains(&id), "{listed}");
    assert!(listed.contains("ddl-needs-owner"), "{listed}");
    let shown = said(&machine.output(&["show", &id])?);
    for part in [
        "| alter table customers",
        "nobody has checked this",
        "Signed by: runner-7",
    ] {
        assert!(shown.contains(part), "no `{part}` in {shown}");
    }

    let digest = digest(&machine, &request)?;
    let word = ["--digest", &digest, "--reason", "because"];
    let approve = [&["approve", &id, "--grant", "30m"][..], &word].concat();
    let (code, told) = machine.with_login(&approve, Person::Agrees("ada"))?;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("ada@acme.test decided"), "{told}");
    let deny = [&["deny", &id][..], &word].concat();
    let (code, told) = machine.with_login(&deny, Person::Agrees("bob"))?;
    assert_eq!(code, Some(0), "{told}");
    let decisions = machine.host.decisions(&request)?;
    let words: Vec<_> = decisions
        .iter()
        .map(|one| (one.said.answer, one.said.grant_s, &*one.said.digest))
        .collect();
    let expected = [
        (Answer::Approve, Some(1800), &*digest),
        (Answer::Deny, None, &*digest),
    ];
    assert_eq!(words, expected);

    let listed = machine.output(&["list", "--json"])?;
    let line: Value = serde_json::from_slice(&listed.stdout)?;
    assert_eq!(line["standing"], "requested");
    assert_eq!(line["said"].as_array().map(Vec::len), Some(2));
    assert!(!said(&listed).contains("eyJ"), "a token is shown");
    Ok(())
}

#[test]
fn nothing_is_said_to_what_was_not_shown_or_has_ended() -> Result<()> {
    let issuer = Issuer::start()?;
    let machine = Machine::new(&issuer.url(), "approvals")?;
    let request = machine.host.ask(|_| {})?;
    let forged = machine.stranger()?.ask(|_| {})?;
    let (id, forged) = (&*request.id.to_string(), &*forged.id.to_string());
    let digest = &*digest(&machine, &request)?;
    for (arguments, code, expected) in [
        (&["approve", id][..], 2, "expected a terminal"),
        (
            &["approve", id, "--digest", "00"],
            1,
            "expected the request as it was shown",
        ),
        (&["deny", id, "--digest", digest], 2, "--reason"),
        (&["show", ""], 2, "at least 4 characters"),
        (&["show", "0"], 2, "at least 4 characters"),
        (&["show", forged], 1, "by which none begins"),
        (
            &["approve", forged, "--digest", digest],
            1,
            "by which none begins",
        ),
        (
            &["approve", id, "--digest", digest, "--grant", "3d"],
            2,
            "at most a day",
        ),
    ] {
        let output = machine.output(arguments)?;
        let told = said(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.contains(expected), "{arguments:?}: {told}");
    }
    let listed = said(&machine.output(&["list"])?);
    assert!(listed.contains("not believed, and left out"), "{listed}");
    machine.host.end(&request, "denied", "not on a Friday")?;
    let ended = machine.output(&["approve", id, "--digest", digest])?;
    assert_eq!(ended.status.code(), Some(1));
    let told = said(&ended);
    assert!(told.contains("found one that is denied"), "{told}");
    // Nor is anybody shown it and asked.
    let unasked = machine.output(&["approve", id])?;
    assert_eq!(unasked.status.code(), Some(1));
    let told = said(&unasked);
    assert!(told.contains("found one that is denied"), "{told}");
    let shown = said(&machine.output(&["show", &id.to_uppercase()])?);
    for part in ["Ended: ", "not on a Friday; the statement did not run"] {
        assert!(shown.contains(part), "no `{part}` in {shown}");
    }
    assert_eq!(issuer.asked("/.well-known/openid-configuration"), 0);
    Ok(())
}

/// A folder beside or within the store looks like an inbox without mail.
#[test]
fn a_store_without_a_request_or_a_record_is_told_of() -> Result<()> {
    let issuer = Issuer::start()?;
    let machine = Machine::new(&issuer.url(), "approvals")?;
    let bare = "has no request and no record of any host";
    let listed = said(&machine.output(&["list"])?);
    assert!(listed.contains(bare), "{listed}");
    let request = machine.host.ask(|_| {})?;
    let listed = said(&machine.output(&["list"])?);
    assert!(!listed.contains(bare), "{listed}");
    let store = machine.path("store");
    for below in [request.org.clone(), format!("{}/v1", request.org)] {
        let url = format!("file://{}", store.join(below).display());
        let listed = said(&machine.output(&["list", "--all", "--store", &url])?);
        assert!(listed.contains(bare), "{listed}");
    }
    for odd in [&*store.display().to_string(), "ftp://acme/store"] {
        let output = machine.output(&["list", "--store", odd])?;
        let told = said(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("expected a URL such as"), "{told}");
    }
    Ok(())
}

/// On a terminal: all of the card, then the question; the issuer is asked after a yes alone.
#[test]
fn a_terminal_shows_all_before_it_asks() -> Result<()> {
    let issuer = Issuer::start()?;
    let machine = Machine::new(&issuer.url(), "approvals")?;
    let request = machine.host.ask(|request| {
        let sql: String = (0..4000).map(|n| format!("column_{n},")).collect();
        request["meaning"]["sql"] = json!(format!("select {sql} \u{1b}[2J last from t"));
    })?;
    let program = machine.approvals(&["approve", &request.id.to_string()]);
    let turns = json!([["Type yes: ", "no\n"]]).to_string();
    let output = Command::new("python3")
        .args(["-c", include_str!("../e2e/terminal.py"), &turns])
        .arg(program.get_program())
        .args(program.get_args())
        .env_clear()
        .envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .envs([("PAGER", "cat"), ("NO_COLOR", "1")])
        .output()?;
    let shown = said(&output);
    let plain: String = shown
        .lines()
        .filter_map(|line| line.trim_end().strip_prefix("    | "))
        .collect();
    for n in 0..4000 {
        assert!(plain.contains(&format!("column_{n},")), "{n} in {shown}");
    }
    assert!(plain.contains("\\u{1b}[2J last from t"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    assert!(shown.contains("nothing was decided"), "{shown}");
    assert_eq!(issuer.asked("/.well-known/openid-configuration"), 0);
    Ok(())
}

#[test]
fn a_key_speaks_where_rules_take_one_and_nowhere_else() -> Result<()> {
    let provider = Provider::start("ES256", "one")?;
    let machine = Machine::new(&provider.url(), "icecore-approvals")?;
    let key = machine.path("approver.key").display().to_string();
    let login = ["login", "--key", &key];
    let (code, told) = machine.with_login(&login, Person::Agrees("ada"))?;
    assert_eq!(code, Some(0), "{told}");
    let expected = "speaks for ada@acme.test for eight hours";
    assert!(told.contains(expected), "{told}");

    let by_key = |request: &Request| {
        let (id, digest) = (request.id.to_string(), digest(&machine, request)?);
        machine.output(&["approve", &id, "--digest", &digest, "--key", &key])
    };
    let strict = machine.host.ask(|_| {})?;
    let refused = said(&by_key(&strict)?);
    let expected = "asks for proof by `idp-per-decision`";
    assert!(refused.contains(expected), "{refused}");
    assert_eq!(machine.host.decisions(&strict)?, []);
    let easy = machine.host.ask(|request| {
        request["needs"][0]["proof"] = json!("idp-key");
    })?;
    let output = by_key(&easy)?;
    assert!(output.status.success(), "{}", said(&output));
    let decisions = machine.host.decisions(&easy)?;
    let proofs: Vec<&Proof> = decisions.iter().map(|one| &one.proof).collect();
    assert!(matches!(*proofs, [Proof::IdpKey { .. }]), "{proofs:?}");
    Ok(())
}

#[test]
fn a_watcher_is_told_of_each_request_once() -> Result<()> {
    let issuer = Issuer::start()?;
    let machine = Machine::new(&issuer.url(), "approvals")?;
    let first = machine.host.ask(|_| {})?;
    let mut command = machine.approvals(&["watch", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let stdout = BufReader::new(child.stdout.take().context("no stdout")?);
    let mut lines = stdout.lines();
    let mut next = || -> Result<(Value, Value)> {
        let line: Value = serde_json::from_str(&lines.next().context("no line")??)?;
        Ok((line["request"]["id"].clone(), line["standing"].clone()))
    };
    assert_eq!(next()?, (json!(first.id), json!("requested")));
    let second = machine.host.ask(|_| {})?;
    assert_eq!(next()?, (json!(second.id), json!("requested")));
    machine.host.end(&first, "denied", "no")?;
    assert_eq!(next()?, (json!(first.id), json!("denied")));
    child.kill()?;
    child.wait()?;
    Ok(())
}
