//! Sources: what is read each time, what is kept and for how long, and what is told of those that fail.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::config::{CommandSource, Freshness};

const LIMIT_BYTES: u64 = 1_000;

/// A folder with a program that counts its runs and prints what stands in a file.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn script(&self, lines: &str) -> String {
        let path = self.path("print");
        // Renamed into place: the kernel runs no file that is open for writing.
        let beside = self.path("beside");
        fs::write(&beside, format!("#!/bin/sh\n{lines}\n")).unwrap();
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o700)).unwrap();
        fs::rename(beside, &path).unwrap();
        path.display().to_string()
    }

    fn printing(&self) -> String {
        let folder = self.0.path().display();
        self.script(&format!(
            "echo run >> {folder}/runs; exec /bin/cat {folder}/secret"
        ))
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.path("runs")).map_or(0, |runs| runs.lines().count())
    }
}

fn command(argv: &[&str], refresh: Duration, keep: Duration) -> SecretSource {
    source(Source::Command(CommandSource {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        within: Duration::from_millis(1_000),
        freshness: Freshness { refresh, keep },
    }))
}

fn source(source: Source) -> SecretSource {
    let at = SecretAt {
        setting: "token",
        source,
    };
    SecretSource::new(&at, &web::Client::offline().unwrap()).unwrap()
}

async fn text(source: &SecretSource) -> Result<String, String> {
    match source.read(LIMIT_BYTES).await {
        Ok(bytes) => Ok(String::from_utf8(bytes.to_vec()).unwrap()),
        Err(error) => Err(error.to_string()),
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_command_is_run_once_while_its_secret_serves() {
    let home = Home::new();
    fs::write(home.path("secret"), "one").unwrap();
    let source = command(&[&home.printing()], HOUR, HOUR);
    assert_eq!(text(&source).await.unwrap(), "one");
    fs::write(home.path("secret"), "two").unwrap();
    assert_eq!(text(&source).await.unwrap(), "one");
    assert_eq!(home.runs(), 1);
    assert!(source.forget());
    assert_eq!(text(&source).await.unwrap(), "two");
    assert_eq!(home.runs(), 2);
}

/// Waits until a source gives a text; fails after some seconds.
async fn gives(source: &SecretSource, expected: &str) {
    for _ in 0..200 {
        if text(source).await.as_deref() == Ok(expected) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never gave `{expected}`");
}

#[tokio::test]
async fn a_secret_is_refreshed_while_the_kept_one_serves() {
    let home = Home::new();
    fs::write(home.path("secret"), "one").unwrap();
    let source = command(&[&home.printing()], Duration::ZERO, HOUR);
    assert_eq!(text(&source).await.unwrap(), "one");
    fs::write(home.path("secret"), "two").unwrap();
    // Nobody waits for the refresh, so the first answer is the kept one.
    assert_eq!(text(&source).await.unwrap(), "one");
    gives(&source, "two").await;
}

#[tokio::test]
async fn a_kept_secret_serves_while_its_source_is_down_and_no_longer_than_stated() {
    let home = Home::new();
    fs::write(home.path("secret"), "one").unwrap();
    let keep = Duration::from_millis(400);
    let source = command(&[&home.printing()], Duration::ZERO, keep);
    assert_eq!(text(&source).await.unwrap(), "one");
    fs::remove_file(home.path("secret")).unwrap();
    assert_eq!(text(&source).await.unwrap(), "one");
    tokio::time::sleep(keep).await;
    let program = home.path("print").display().to_string();
    assert_eq!(
        text(&source).await.unwrap_err(),
        format!(
            "token: expected a command that prints a secret and ends with 0, found `{program}`, which ended with exit status: 1"
        )
    );
}

async fn fails(home: &Home, script: &str, expected: &str) {
    let program = home.script(script);
    let source = command(&[&program], HOUR, HOUR);
    let told = text(&source).await.unwrap_err();
    assert!(told.contains(expected), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[tokio::test]
async fn a_command_that_fails_says_so_and_not_what_it_printed() {
    let home = Home::new();
    fails(
        &home,
        "echo hunter2; echo hunter2 >&2; exit 3",
        "ended with exit status: 3",
    )
    .await;
    fails(&home, "echo hunter2; /bin/sleep 30", "took longer than 1s").await;
    fails(
        &home,
        "/usr/bin/head -c 70000 /dev/zero",
        "printed more than 65536 bytes",
    )
    .await;
    fails(
        &home,
        "/usr/bin/head -c 1001 /dev/zero",
        "of at most 1000 bytes",
    )
    .await;
    let absent = command(&["/absent/program"], HOUR, HOUR);
    assert!(text(&absent).await.unwrap_err().contains("does not exist"));
    let program = home.script("echo hunter2");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o777)).unwrap();
    let told = text(&command(&[&program], HOUR, HOUR)).await.unwrap_err();
    assert!(told.contains("only its owner can write to"), "{told}");
}

#[tokio::test]
async fn a_command_gets_its_words_as_they_are_and_no_environment() {
    let home = Home::new();
    let program =
        home.script("printf '%s|' \"$@\"; /usr/bin/env | /bin/grep -vE '^(PWD|SHLVL|_)='; true");
    let source = command(&[&program, "a b", "$HOME;x"], HOUR, HOUR);
    assert_eq!(text(&source).await.unwrap(), "a b|$HOME;x|");
}

#[tokio::test]
async fn the_environment_is_the_daemons_and_an_absent_variable_is_told() {
    // Every run of cargo sets it.
    let set = source(Source::Env("CARGO_PKG_NAME".to_owned()));
    assert_eq!(text(&set).await.unwrap(), "icecore");
    let absent = source(Source::Env("ICECORE_ABSENT_7".to_owned()));
    assert_eq!(
        text(&absent).await.unwrap_err(),
        "token: expected a variable of the daemon's environment, found `ICECORE_ABSENT_7`, which is not set"
    );
    let systemd = source(Source::Systemd("acme".to_owned()));
    assert_eq!(
        text(&systemd).await.unwrap_err(),
        "token: expected `LoadCredential=acme:...` in the daemon's unit, found no `CREDENTIALS_DIRECTORY` in the daemon's environment"
    );
}

#[tokio::test]
async fn a_file_is_read_each_time() {
    let home = Home::new();
    let path: &Path = &home.path("token");
    for expected in ["one", "two"] {
        fs::write(path, expected).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        let file = source(Source::File(path.to_owned()));
        assert_eq!(text(&file).await.unwrap(), expected);
        assert!(!file.forget());
    }
}
