//! A record whose content is encrypted: legible to its readers alone, in DuckDB and pyarrow too, and erased with its keys.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use icecore_tests::emulator::Tuning;
use icecore_tests::harness::world::World;
use icecore_tests::python::{self, Generation};
use serde_json::{Value, json};

use crate::catalogue::{CANARY, world_of};
use crate::evidence::{trust_file, verified};
use crate::piece;

/// The rows of every result are kept.
const KEPT: &str = r#"@id("all") @rows("full") permit (principal, action, resource);"#;

/// Stands in a statement and in its result.
const MARKER: &str = "marker-7f3a9c";

/// Stands in a statement as a literal, and so in its text alone.
const SECRET: &str = "AKIAIOSFODNN7EXAMPLE";

const WORK: &str = r#"
with connect() as c:
    at = c.cursor()
    at.execute("select 'marker-7f3a9c' m where 'AKIAIOSFODNN7EXAMPLE' <> 'a'")
    tell("asked", rows=at.fetchall())
"#;

/// A world whose record only the key in `auditor.key` opens, and the session that worked in it.
struct Encrypted {
    world: World,
    session: String,
}

impl Encrypted {
    fn make() -> Result<Self> {
        let mut world = world_of(KEPT, CANARY, Tuning::default())?;
        drop(world.daemon.take());
        fs::remove_dir_all(&world.config.store)?;
        let auditor = Self::key(&world, "auditor.key")?;
        let file = world.config_file();
        let config = fs::read_to_string(&file)?;
        let section = format!("{config}\n[record.encryption]\nrecipients = [{auditor:?}]\n");
        fs::write(&file, section)?;
        world.start_daemon()?;
        let finished = piece::run(&world, Generation::Four, WORK)?;
        ensure!(finished.step("asked")?["rows"] == json!([[MARKER]]));
        ensure!(
            !is_in(SECRET, &world.config.state_dir())?,
            "a secret is in the spool"
        );
        world.daemon()?.terminate()?;
        let sessions =
            world.query("select session_id from statements where policy_mode = 'enforce'")?;
        let session = sessions.first().context("no session")?["session_id"].clone();
        Ok(Self {
            world,
            session: session.as_str().unwrap_or_default().to_owned(),
        })
    }

    fn key(world: &World, name: &str) -> Result<String> {
        let path = world.path(name);
        let made = world.icecore(&["keys", "make", "-o", &path.to_string_lossy()])?;
        ensure!(fs::metadata(&path)?.permissions().mode() & 0o777 == 0o600);
        Ok(text(&made.stdout).trim().to_owned())
    }

    fn icecore(&self, arguments: &[&str], identity: Option<&str>) -> Result<Output> {
        let store = format!("file://{}", self.world.config.store.display());
        let mut all = arguments.to_vec();
        all.extend(["--store", &store]);
        let file = identity.map(|name| self.world.path(name));
        let file = file.map(|path| path.to_string_lossy().into_owned());
        if let Some(file) = &file {
            all.extend(["--identity", file]);
        }
        self.world.icecore(&all)
    }

    fn keys(&self, arguments: &[&str]) -> Result<Output> {
        let signer = self.world.config.state_dir().join("installation.key");
        let signer = signer.to_string_lossy().into_owned();
        let mut all = vec!["keys"];
        all.extend(arguments);
        all.extend(["--signing-key", &signer]);
        self.icecore(&all, None)
    }

    fn replay(&self, identity: Option<&str>) -> Result<(String, String)> {
        let arguments = ["replay", &self.session, "--rows", "2"];
        let shown = self.icecore(&arguments, identity)?;
        ensure!(shown.status.success(), "{}", text(&shown.stderr));
        Ok((text(&shown.stdout), text(&shown.stderr)))
    }

    fn objects(&self, folder: &str) -> Result<Vec<PathBuf>> {
        let listed = Command::new("find")
            .arg(self.world.config.store.join("default/v1").join(folder))
            .args(["-type", "f"])
            .output()?;
        Ok(text(&listed.stdout).lines().map(PathBuf::from).collect())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_in(word: &str, folder: &Path) -> Result<bool> {
    let mut found = Command::new("grep");
    Ok(found
        .args(["-raqF", "--", word])
        .arg(folder)
        .status()?
        .success())
}

#[test]
fn content_is_legible_to_its_readers_alone_and_erased_with_its_keys() -> Result<()> {
    let encrypted = Encrypted::make()?;
    let store = &encrypted.world.config.store;
    for word in [MARKER, SECRET, "sql_text"] {
        ensure!(!is_in(word, store)?, "{word} is legible in the store");
    }

    let (shown, errors) = encrypted.replay(None)?;
    ensure!(
        shown.contains("SQL text is encrypted; give --identity"),
        "{shown}"
    );
    ensure!(
        shown.contains("allow") && !shown.contains(MARKER),
        "{shown}"
    );
    ensure!(errors.contains("encrypted"), "{errors}");
    Encrypted::key(&encrypted.world, "stranger.key")?;
    let (shown, errors) = encrypted.replay(Some("stranger.key"))?;
    ensure!(
        !shown.contains(MARKER) && errors.contains("x25519:"),
        "{errors}"
    );
    ensure!(encrypted.objects("access").is_ok_and(|all| all.is_empty()));

    let (shown, _) = encrypted.replay(Some("auditor.key"))?;
    let line = format!("select '{MARKER}' m where '[icecore:key:");
    ensure!(shown.contains(&line) && !shown.contains(SECRET), "{shown}");
    ensure!(shown.contains(&format!("> {MARKER}")), "{shown}");
    let told = encrypted.objects("access")?;
    let [told] = &told[..] else {
        anyhow::bail!("expected one access, found {told:?}");
    };
    let told: Value = serde_json::from_slice(&fs::read(told)?)?;
    assert_eq!(told["session"], encrypted.session.as_str());
    assert_eq!(told["command"], "replay");

    opened_by_others(&encrypted)?;

    let session = encrypted.session.as_str();
    let by_session = ["--session", session, "--reason", "request 4711"];
    let shred = |arguments: &[&str]| encrypted.keys(&[&["shred"], arguments].concat());
    let held = encrypted.keys(&[&["hold"], &by_session[..]].concat())?;
    ensure!(held.status.success(), "{}", text(&held.stderr));
    let refused = shred(&by_session)?;
    ensure!(refused.status.code() == Some(1), "{refused:?}");
    ensure!(
        text(&refused.stderr).contains("under a legal hold"),
        "{refused:?}"
    );
    let (shown, _) = encrypted.replay(Some("auditor.key"))?;
    ensure!(shown.contains(&format!("> {MARKER}")), "{shown}");
    let released = encrypted.keys(&[&["hold", "--release"], &by_session[..]].concat())?;
    ensure!(released.status.success(), "{}", text(&released.stderr));
    let erased = shred(&by_session)?;
    ensure!(erased.status.success(), "{}", text(&erased.stderr));
    ensure!(erased.stderr.is_empty(), "{}", text(&erased.stderr));
    assert_eq!(encrypted.objects("erasures")?.len(), 1);

    // Texts are of the chain's month; the rows are gone, what is known of them is not.
    let (shown, _) = encrypted.replay(Some("auditor.key"))?;
    ensure!(
        shown.contains(&line) && !shown.contains(&format!("> {MARKER}")),
        "{shown}"
    );
    ensure!(shown.contains("is gone: it was erased"), "{shown}");
    let again = shred(&by_session)?;
    ensure!(again.status.code() == Some(1), "{again:?}");
    let rows = encrypted.world.query("select count(*) n from statements")?;
    ensure!(rows[0]["n"].as_i64() > Some(0), "{rows:?}");
    erased_by_another(&encrypted)
}

/// Erases with the key of somebody who began no chain: it is done, and believed of whom the trust file says so alone.
fn erased_by_another(encrypted: &Encrypted) -> Result<()> {
    let Encrypted { world, session } = encrypted;
    let signer = world.path("eraser.key");
    fs::write(&signer, [7; 32])?;
    fs::set_permissions(&signer, fs::Permissions::from_mode(0o600))?;
    let signer = signer.to_string_lossy();
    let rows = world.query(&format!(
        "select chain_id, strftime(started_at, '%Y-%m') m from statements where session_id = '{session}'"
    ))?;
    let of = ["chain_id", "m"].map(|column| rows[0][column].as_str().unwrap_or_default());
    let shred = ["keys", "shred", "--chain", of[0], "--month", of[1]];
    let why = ["--reason", "by another", "--signing-key", &signer];
    let done = encrypted.icecore(&[&shred[..], &why].concat(), None)?;
    let told = text(&done.stderr);
    let (_, key) = told.split_once(" as an [[eraser]]: ").context("no key")?;
    ensure!(done.status.success(), "{told}");
    let trust = trust_file(world)?;
    let pinned = fs::read_to_string(&trust)?;
    let codes = |more: &str| -> Result<BTreeSet<String>> {
        fs::write(&trust, pinned.clone() + more)?;
        Ok(verified(world, &["--trust", &trust])?.1)
    };
    // The chain before was taken away with its store when this world was made.
    assert_eq!(codes("")?, ["E44", "E71"].map(str::to_owned).into());
    let eraser = format!("[[eraser]]\nname = \"another\"\n{}\n", key.trim());
    assert_eq!(codes(&eraser)?, ["E71".to_owned()].into());
    Ok(())
}

/// Has DuckDB and pyarrow read what `keys fetch` opened.
fn opened_by_others(encrypted: &Encrypted) -> Result<()> {
    let path = |name: &str| encrypted.world.path(name).to_string_lossy().into_owned();
    let (keys, views) = (path("keys.sql"), path("encrypted.sql"));
    let auditor = Some("auditor.key");
    let stranger = encrypted.icecore(&["keys", "fetch"], Some("stranger.key"))?;
    ensure!(
        stranger.status.code() == Some(1) && stranger.stdout.is_empty(),
        "{stranger:?}"
    );
    let fetched = encrypted.icecore(&["keys", "fetch", "-o", &keys], auditor)?;
    ensure!(fetched.status.success(), "{}", text(&fetched.stderr));
    ensure!(fs::metadata(&keys)?.permissions().mode() & 0o777 == 0o600);
    let printed = encrypted.icecore(&["duckdb"], auditor)?;
    fs::write(&views, &printed.stdout)?;
    let of_session = ["keys", "fetch", "--session", &encrypted.session, "--json"];
    let printed = text(&encrypted.icecore(&of_session, auditor)?.stdout);
    let all: Vec<Value> = printed
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let of_texts = |key: &&Value| {
        key["name"]
            .as_str()
            .is_some_and(|name| name.contains("/t1-"))
    };
    let key = all.iter().find(of_texts).context("no key of texts")?;
    let statement = encrypted
        .world
        .query("select statement_id from results where object_key is not null")?;
    let statement = statement.first().context("no rows are stored")?["statement_id"].clone();
    let statement = statement.as_str().unwrap_or_default();
    let query = format!(
        "select t.sql_text, r.M as m from trail t, rows_of('{statement}') r where t.statement_id = '{statement}'"
    );
    let file = encrypted.objects("t1")?;
    let file = file.first().context("no object of texts")?;
    // DuckDB 2.0.0, and 1.5.5.
    let all = [
        python::interpreter(Generation::Four)?,
        python::environment("analysts")?.join("bin/python"),
    ];
    for interpreter in all {
        let read = Command::new(interpreter)
            .arg(python::folder("python").join("query_encrypted.py"))
            .args([&keys, &views, &query])
            .arg(file)
            .arg(key["key"].as_str().unwrap_or_default())
            .output()?;
        ensure!(read.status.success(), "{}", text(&read.stderr));
        let read: Value = serde_json::from_slice(&read.stdout)?;
        assert_eq!(read["rows"][0]["m"], MARKER, "{read}");
        let sql = read["rows"][0]["sql_text"].as_str().unwrap_or_default();
        ensure!(sql.starts_with(&format!("select '{MARKER}'")), "{read}");
        let texts = read["pyarrow"].as_array().context("no texts")?;
        ensure!(texts.iter().any(|text| text == sql), "{read}");
    }
    Ok(())
}
