//! `icecore enroll`: an operator vouches for a host by logging in, and whoever verifies believes the operator.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use icecore_tests::harness::browser::{Browser, Person};
use icecore_tests::harness::provider::Provider;
use icecore_tests::harness::world::World;

use crate::evidence::{trust_file, verified};
use crate::identity::world_with;

const LOGIN: &str = "login = { client_id = \"icecore-cli\", scopes = [\"email\", \"groups\"] }";

/// A trust file that pins no host, and an operator.
fn operator(world: &World, provider: &Provider, subject: &str, more: &str) -> Result<String> {
    let url = provider.url();
    let jwks = Browser::default().load(&format!("{url}/jwks"), None)?.body;
    fs::write(world.path("acme.jwks"), jwks)?;
    let file = world.path("operators.toml");
    let text = format!(
        "[[operator]]\nissuer = \"{url}\"\nsubject = \"{subject}\"\naudience = \"icecore-cli\"\njwks = \"acme.jwks\"\n{more}"
    );
    fs::write(&file, text)?;
    Ok(file.to_string_lossy().into_owned())
}

/// Runs `icecore enroll`, and has somebody log in where it asks for that; gives exit code, output and errors.
fn enroll(world: &World, who: Option<Person>) -> Result<(Option<i32>, String, String)> {
    let mut child = Command::new(&world.icecore)
        .args(["enroll", "--config"])
        .arg(world.config_file())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut errors = BufReader::new(child.stderr.take().context("no stderr")?);
    let mut told = String::new();
    if let Some(person) = who {
        while errors.read_line(&mut told)? > 0 {
            let last = told.lines().last().unwrap_or_default().trim().to_owned();
            if last.starts_with("http") {
                drop(Browser::default().visit(&last, person)?);
                break;
            }
        }
    }
    errors.read_to_string(&mut told)?;
    let mut out = String::new();
    let mut stdout = child.stdout.take().context("no stdout")?;
    stdout.read_to_string(&mut out)?;
    Ok((child.wait()?.code(), out, told))
}

/// Unenrolled, enrolled by the right operator, by one that nobody pins, revoked, and with the enrolment taken away.
#[test]
fn a_host_is_believed_by_its_operator_until_it_is_revoked() -> Result<()> {
    let provider = Provider::start("ES256", "one")?;
    let mut world = world_with("", &provider.url(), LOGIN)?;
    world.daemon()?.terminate()?;
    let by = |subject: &str, more: &str| -> Result<(i32, BTreeSet<String>)> {
        let trust = operator(&world, &provider, subject, more)?;
        let (code, codes, _) = verified(&world, &["--trust", &trust])?;
        Ok((code, codes))
    };
    let clean = (0, BTreeSet::new());
    let stranger = (1, BTreeSet::from(["E10".to_owned()]));
    assert_eq!(by("ada", "")?, stranger, "not enrolled yet");

    let (code, pin, told) = enroll(&world, Some(Person::Agrees("ada")))?;
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("is enrolled by ada@acme.test: default/v1/enrolments/"),
        "{told}"
    );
    assert_eq!(by("ada", "")?, clean);
    assert_eq!(by("bob", "")?, stranger, "nobody pins who vouched");
    let revoked = pin.replace("[[installation]]", "[[revoked]]");
    assert_ne!(revoked, pin);
    assert_eq!(by("ada", &revoked)?, stranger, "revoked");

    // The lines that it prints pin the key itself, as `--pin` does.
    let trust = trust_file(&world)?;
    assert_eq!(fs::read_to_string(&trust)?, pin);
    let (code, codes, _) = verified(&world, &["--trust", &trust])?;
    assert_eq!((code, codes), clean);

    let (code, _, told) = enroll(&world, None)?;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("is enrolled since 20"), "{told}");
    let enrolments = world.config.store.join("default/v1/enrolments");
    let files: Vec<_> = fs::read_dir(&enrolments)?.collect::<Result<_, _>>()?;
    assert_eq!(files.len(), 1);
    fs::remove_file(files[0].path())?;
    assert_eq!(by("ada", "")?, stranger, "nobody vouches any more");
    Ok(())
}
