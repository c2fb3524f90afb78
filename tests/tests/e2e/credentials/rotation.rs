//! Secrets of every kind rotate without a restart, fail clearly and are seen nowhere.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use icecore_tests::emulator::Credential;
use icecore_tests::harness::certificates::LoginKey;
use icecore_tests::harness::search;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::python::Generation;
use serde_json::{Value, json};

use crate::asserts::worked;

/// Replaces a secret file as rotation does: in one step, so that no login reads half of it.
pub(crate) fn put(file: &Path, secret: &str) -> Result<()> {
    let beside = file.with_extension("next");
    let mut next = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    writeln!(next, "{secret}")?;
    Ok(fs::rename(beside, file)?)
}

/// Makes a key pair and keeps its private half encrypted in `file`; gives the public half.
fn put_key(file: &Path) -> Result<String> {
    let folder = file.parent().unwrap_or(file);
    let made = tempfile::TempDir::new_in(folder)?;
    let key = LoginKey::encrypted(made.path(), Some(&folder.join("phrase")))?;
    fs::rename(key.private_file, file)?;
    Ok(key.public_pem)
}

/// Starts the daemon anew with another credential in its config.
pub(crate) fn configure(world: &mut World, credential: &str) -> Result<()> {
    if let Some(mut daemon) = world.daemon.take() {
        daemon.terminate()?;
    }
    let text = fs::read_to_string(world.config_file())?;
    let lines = text.lines().map(|line| {
        if line.starts_with("credential = ") {
            format!("credential = {credential}")
        } else {
            line.to_owned()
        }
    });
    fs::write(world.config_file(), lines.collect::<Vec<_>>().join("\n"))?;
    world.start_daemon()
}

/// A kind of credential, as the test turns it.
struct Kind {
    /// Its word in the record.
    word: &'static str,
    /// Where its secret is.
    file: PathBuf,
    /// Its line in the config.
    config: String,
    /// What Snowflake says of a wrong one.
    refusal: &'static str,
}

impl Kind {
    /// Makes a secret: what the file holds, and what the account is opened by.
    fn secret(&self, text: &str) -> Result<Credential> {
        let text = text.to_owned();
        Ok(match self.word {
            "keypair" => Credential::KeyPair {
                public_key_pem: put_key(&self.file)?,
            },
            word => {
                put(&self.file, &text)?;
                match word {
                    "pat" => Credential::Pat { token: text },
                    "oauth" => Credential::Oauth { token: text },
                    _ => Credential::Password { password: text },
                }
            }
        })
    }
}

fn kinds(world: &World) -> Vec<Kind> {
    let file = |name: &str| world.path("secrets").join(name);
    let of_token = |word, name: &str, setting: &str, refusal| Kind {
        word,
        file: file(name),
        config: format!(
            "{{ kind = {word:?}, {setting} = {:?} }}",
            file(name).display().to_string()
        ),
        refusal,
    };
    vec![
        of_token(
            "pat",
            "pat",
            "token_file",
            "Programmatic access token is invalid",
        ),
        of_token("oauth", "oauth", "token_file", "Invalid OAuth access token"),
        of_token(
            "password",
            "password",
            "password_file",
            "Incorrect username or password",
        ),
        Kind {
            word: "keypair",
            file: file("key.p8"),
            config: format!(
                "{{ kind = \"key-pair\", private_key_file = {:?}, passphrase_file = {:?} }}",
                file("key.p8").display().to_string(),
                file("phrase").display().to_string()
            ),
            refusal: "JWT token is invalid",
        },
    ]
}

#[test]
fn each_kind_logs_in_rotates_and_fails_in_snowflakes_words() -> Result<()> {
    let mut world = World::without_daemon(&Plan::default())?;
    fs::create_dir(world.path("secrets"))?;
    put(&world.path("secrets/phrase"), "phrase-4f1d9a")?;
    let mut secrets = vec![("passphrase".to_owned(), "phrase-4f1d9a".to_owned())];
    let mut seen = String::new();
    for kind in kinds(&world) {
        let text = |which: &str| format!("{which}-{}-secret-8c02e7", kind.word);
        secrets.push((format!("{} old", kind.word), text("old")));
        secrets.push((format!("{} new", kind.word), text("new")));
        let old = kind.secret(&text("old"))?;
        world.gate.rotate("ACME", &old)?;
        configure(&mut world, &kind.config)?;
        let mut driver = world.start_driver(
            Generation::Four,
            &json!([
                {"do": "connect", "name": "old"},
                {"do": "sql", "name": "works", "sql": "select 1"},
                {"do": "close"},
                {"do": "pause"},
                {"do": "connect", "name": "wrong", "login_timeout": 10},
                {"do": "pause"},
                {"do": "connect", "name": "new"},
                {"do": "sql", "name": "again", "sql": "select 2"},
                {"do": "environment"},
            ]),
        )?;
        for name in ["old", "works", "close"] {
            let step = driver.expect(name)?;
            assert_eq!(step["ok"], true, "{}: {step}", kind.word);
        }
        driver.expect("pause")?;
        // The account has another secret from now on, and the file has not.
        let before = fs::read(&kind.file)?;
        let new = kind.secret(&text("new"))?;
        let after = fs::read(&kind.file)?;
        fs::write(&kind.file, before)?;
        world.gate.rotate("ACME", &new)?;
        driver.go_on()?;
        let wrong = driver.expect("wrong")?;
        assert_eq!(wrong["ok"], false, "{wrong}");
        assert!(
            wrong["message"].to_string().contains(kind.refusal),
            "{wrong}"
        );
        driver.expect("pause")?;
        fs::write(&kind.file, after)?;
        driver.go_on()?;
        let finished = driver.finish()?;
        worked(&finished, &["new", "again"]);
        seen.push_str(&finished.output);
    }
    world.flush()?;
    let logins = world.query(
        "select auth_injected, credential_ref from logins_all where is_final order by opened_at",
    )?;
    let found: Vec<&Value> = logins.iter().map(|login| &login["auth_injected"]).collect();
    let expected = [
        "pat", "pat", "oauth", "oauth", "password", "password", "keypair", "keypair",
    ];
    assert_eq!(
        found,
        expected.map(|word| json!(word)).iter().collect::<Vec<_>>()
    );
    for login in &logins {
        let reference = login["credential_ref"].as_str().unwrap_or_default();
        let is_key = login["auth_injected"] == "keypair";
        let good = if is_key { "SHA256:" } else { "/" };
        assert!(reference.starts_with(good), "{login}");
    }
    world.daemon()?.terminate()?;
    world.daemon = None;
    nothing_is_seen(&world, &secrets, &seen)
}

/// Searches all that was written, but for the secrets' own files and the emulator's.
pub(crate) fn nothing_is_seen(
    world: &World,
    secrets: &[(String, String)],
    output: &str,
) -> Result<()> {
    let none = Vec::<String>::new();
    assert_eq!(
        search::find_in("the driver's output", output.as_bytes(), secrets),
        none
    );
    let skipped = [
        world.path("secrets"),
        world.path("gate"),
        world.path("bpf"),
        world.icecore.clone(),
    ];
    let skipped: Vec<&Path> = skipped.iter().map(AsRef::as_ref).collect();
    assert_eq!(search::find(&world.path(""), secrets, &skipped)?, none);
    for table in ["sessions_all", "logins_all", "statements_all", "events"] {
        let text = serde_json::to_string(&world.query(&format!("select * from {table}"))?)?;
        assert_eq!(search::find_in(table, text.as_bytes(), secrets), none);
    }
    Ok(())
}

#[test]
fn a_file_that_cannot_be_used_refuses_logins_until_it_can() -> Result<()> {
    let mut world = World::without_daemon(&Plan::default())?;
    fs::create_dir(world.path("secrets"))?;
    let file = world.path("secrets/token");
    put(&file, "right-token-77aa01")?;
    let token = Credential::Pat {
        token: "right-token-77aa01".to_owned(),
    };
    world.gate.rotate("ACME", &token)?;
    let path = file.display().to_string();
    configure(
        &mut world,
        &format!("{{ kind = \"pat\", token_file = {path:?} }}"),
    )?;
    for generation in Generation::ALL {
        fs::write(&file, "two\nlines-55bb12")?;
        let mut driver = world.start_driver(
            generation,
            &json!([
                {"do": "connect", "name": "broken", "login_timeout": 10},
                {"do": "pause"},
                {"do": "connect", "name": "mended"},
            ]),
        )?;
        let broken = driver.expect("broken")?;
        let message = broken["message"].to_string();
        assert_eq!(broken["ok"], false, "{broken}");
        assert!(
            message.contains("Icecore's own credential for this account cannot be used"),
            "{broken}"
        );
        assert!(!message.contains("secrets"), "{broken}");
        driver.expect("pause")?;
        put(&file, "right-token-77aa01")?;
        driver.go_on()?;
        worked(&driver.finish()?, &["mended"]);
    }
    let reason = format!(
        "token_file: expected a file with one token of visible ASCII characters and nothing else, found `{path}`, which has more than one line"
    );
    assert!(world.daemon()?.log()?.contains(&reason));
    world.flush()?;
    let events = world.query("select detail from events where event_code = 'AU005'")?;
    assert_eq!(events.len(), Generation::ALL.len(), "{events:?}");
    let text = serde_json::to_string(&events)?;
    assert!(text.contains("which has more than one line"), "{text}");
    assert!(!text.contains("lines-55bb12"), "{text}");
    Ok(())
}
