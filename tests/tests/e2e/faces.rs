//! One session on each of its faces: told, played, as a page, as a pack for an auditor.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use icecore_tests::emulator::Tuning;
use icecore_tests::harness::world::World;
use icecore_tests::python::Generation;
use serde_json::{Value, json};

use crate::asserts::worked;
use crate::catalogue::{CANARY, world_of};

/// Mails are hashed, and the rows of every result are kept; nothing is deleted.
const KEPT: &str = r#"
@id("all") @rows("full") permit (principal, action in [Icecore::Action::"read", Icecore::Action::"project",
    Icecore::Action::"filter", Icecore::Action::"session"], resource);
@id("mask-pii") @remedy("mask:hash") forbid (principal, action == Icecore::Action::"project", resource) when {
    resource is Icecore::Column && resource.hasTag("PII")
};
"#;

/// What a page, a terminal and a job's log must not obey.
const HOSTILE: &str = "select '</style><script>document.title=1</script>' as x, '\u{202e}\u{1b}]52;c;eA==\u{7}' as y \
                       -- \n::add-mask::x\n, '##[error]z' as z";

/// A session with a hostile statement, which is refused, a masked result and a refusal; gives its id.
fn recorded(world: &World) -> Result<String> {
    let steps = json!([
        {"do": "sql", "name": "hostile", "sql": HOSTILE},
        {"do": "sql", "name": "masked", "sql": "select id, email, name from customers"},
        {"do": "sql", "name": "refused", "sql": "delete from customers"},
    ]);
    worked(&world.drive(Generation::Four, &steps)?, &["masked"]);
    world.flush()?;
    let rows = world.query("select session_id from statements order by started_at desc limit 1")?;
    let id = rows.first().and_then(|row| row["session_id"].as_str());
    Ok(id.context("no session")?.to_owned())
}

fn icecore(world: &World, arguments: &[&str]) -> Result<Output> {
    let store = format!("file://{}", world.config.store.display());
    world.icecore(&[arguments, &["--store", &store]].concat())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// No character that a terminal obeys, and no line that a runner of jobs does.
#[track_caller]
fn obeys_nothing(text: &str) {
    let obeyed = |one: char| (one.is_control() && one != '\n') || one == '\u{202e}';
    assert!(!text.contains(obeyed), "{text:?}");
    assert!(!text.contains("##["), "{text}");
    let mut lines = text.lines().map(str::trim_start);
    assert!(!lines.any(|line| line.starts_with("::")), "{text}");
}

#[test]
fn a_session_has_a_face_for_everybody() -> Result<()> {
    let world = world_of(KEPT, CANARY, Tuning::default())?;
    let id = recorded(&world)?;
    told(&world, &id)?;
    in_a_terminal(&world, &id)?;
    paged(&world, &id)?;
    packed(&world, &id)
}

fn told(world: &World, id: &str) -> Result<()> {
    let text = said(&icecore(world, &["replay", id])?);
    obeys_nothing(&text);
    for part in [
        "mask     query: success",
        "block    delete: blocked",
        "rule          mask-pii",
        "EMAIL: hash (rule mask-pii)",
        "1 cell hidden",
        "user          nobody",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    let found = said(&icecore(
        world,
        &["replay", id, "--grep", "DELETE FROM customers"],
    )?);
    assert_eq!(found.matches("    | ").count(), 1, "{found}");
    let played = said(&icecore(world, &["replay", id, "--speed", "1000000"])?);
    assert_eq!(played, text);
    let none = icecore(world, &["replay", id, "--step", "999"])?;
    assert_eq!(none.status.code(), Some(1));
    let error = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(error.contains("expected a step from 1 to"), "{error}");
    Ok(())
}

/// Colours, a pager, and keys, where a person sits.
fn in_a_terminal(world: &World, id: &str) -> Result<()> {
    let store = format!("file://{}", world.config.store.display());
    let script = include_str!("terminal.py");
    let run = |turns: Value, variables: &[(&str, &str)], more: &[&str]| -> Result<String> {
        let output = Command::new("python3")
            .args(["-c", script, &turns.to_string()])
            .arg(&world.icecore)
            .args(["replay", id, "--store", &store])
            .args(more)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(variables.iter().copied())
            .output()?;
        let text = said(&output);
        anyhow::ensure!(output.status.success(), "{}: {text}", output.status);
        Ok(text)
    };
    let paged = run(json!([]), &[("PAGER", "sed s/^/PAGED:/")], &[])?;
    assert!(paged.contains("PAGED:\u{1b}[1msession "), "{paged:?}");
    assert!(paged.contains("\u{1b}[1;31mblock  \u{1b}[0m"), "{paged:?}");
    let plain = run(json!([]), &[("PAGER", "cat"), ("NO_COLOR", "1")], &[])?;
    obeys_nothing(&plain.replace("\r\n", "\n"));
    let turns = json!([
        ["q to quit", "/DELETE from\r"],
        ["| \u{1b}[1mdelete from customers", "1\r"],
        ["  1\u{1b}[0m +", "/nothing of this\r"],
        ["stands in no step", "q"],
    ]);
    let played = run(turns, &[], &["--speed", "0.000001"])?;
    assert!(played.contains("session "), "{played:?}");
    Ok(())
}

fn paged(world: &World, id: &str) -> Result<()> {
    let file = world.path("session.html");
    let path = file.to_string_lossy().into_owned();
    let write = |more: &[&str]| icecore(world, &[&["replay", id, "--html", &path], more].concat());
    assert!(write(&[])?.status.success());
    assert_eq!(fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);
    let page = fs::read_to_string(&file)?;
    assert_eq!(page.matches("<script").count(), 1, "{page}");
    assert!(
        page.contains("&lt;/style&gt;&lt;script&gt;document.title=1"),
        "{page}"
    );
    assert!(page.contains("<i>U+202E</i><i>U+001B</i>]52"), "{page}");
    assert!(!page.contains("ada@"), "{page}");
    assert_eq!(write(&[])?.status.code(), Some(1), "it is there");
    assert!(write(&["--force"])?.status.success());
    assert_eq!(fs::read_to_string(&file)?, page);
    Ok(())
}

fn packed(world: &World, id: &str) -> Result<()> {
    let [one, other] = ["one.zip", "other.zip"].map(|name| world.path(name));
    for file in [&one, &other] {
        let output = icecore(world, &["evidence", id, "-o", &file.to_string_lossy()])?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{error}");
        assert_eq!(fs::metadata(file)?.permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(
        fs::read(&one)?,
        fs::read(&other)?,
        "the same record gives the same bytes"
    );
    let folder = world.path("unpacked");
    run(
        "/",
        "python3",
        &[
            "-m",
            "zipfile",
            "-e",
            &one.to_string_lossy(),
            &folder.to_string_lossy(),
        ],
    )?;
    run(&folder, "sha256sum", &["--quiet", "-c", "SHA256SUMS"])?;

    let store = format!("file://{}", folder.join("store").display());
    let json = |arguments: &[&str]| -> Result<Value> {
        Ok(serde_json::from_slice(&world.icecore(arguments)?.stdout)?)
    };
    let of_pack = json(&["replay", id, "--json", "--rows", "9", "--store", &store])?;
    let whole = format!("file://{}", world.config.store.display());
    let of_store = json(&["replay", id, "--json", "--rows", "9", "--store", &whole])?;
    assert_eq!(of_pack, of_store);

    checked(world, &folder)
}

/// What `check.py` says with the installation's key, with another, and of a pack that was changed.
fn checked(world: &World, folder: &Path) -> Result<()> {
    let check = |key: &str| -> Result<(Option<i32>, String)> {
        let script = folder.join("check.py");
        let output = Command::new("python3").arg(script).arg(key).output()?;
        Ok((output.status.code(), said(&output)))
    };
    let key = installation_key(world)?;
    let (code, text) = check(&key)?;
    assert!(code == Some(0) && text.contains(" 0 wrong\n"), "{text}");
    assert!(
        text.contains(" 1 chains") && text.contains(" 3 proofs"),
        "{text}"
    );
    let (code, text) = check(&STANDARD.encode([7; 32]))?;
    assert!(
        code == Some(1) && text.contains("not by the pinned one"),
        "{text}"
    );

    // A row that says something else, and one under another statement's name, both in a pack that was sealed anew.
    let proofs = run(folder, "find", &["proofs", "-name", "*.json"])?;
    let mut proofs = proofs.lines().map(|name| folder.join(name));
    let (one, other) = (
        proofs.next().context("none")?,
        proofs.next().context("one")?,
    );
    let whole = fs::read(&one)?;
    let mut proof: Value = serde_json::from_slice(&whole)?;
    let row = &mut proof["chains"][0]["rows"][0]["cbor"];
    let mut cbor = STANDARD.decode(row.as_str().context("no row")?)?;
    *cbor.last_mut().context("an empty row")? ^= 1;
    *row = STANDARD.encode(cbor).into();
    for (forged, expected) in [
        (
            proof.to_string().into_bytes(),
            "is not in the tree that was signed",
        ),
        (fs::read(&other)?, "the proof of another statement"),
    ] {
        fs::write(&one, forged)?;
        sealed_anew(folder)?;
        let (code, text) = check(&key)?;
        assert!(code == Some(1) && text.contains(expected), "{text}");
    }
    fs::write(&one, whole)?;
    let pinned = crate::evidence::trust_file(world)?;
    let one = one.to_string_lossy();
    let shown = world.icecore(&["verify", "--proof", &one, "--trust", &pinned])?;
    assert!(
        shown.status.success() && said(&shown).contains("\nproved: "),
        "{shown:?}"
    );

    let manifest = run(folder, "find", &["store", "-name", "m-00000000-*.json"])?;
    let manifest = folder.join(manifest.trim());
    let signed = fs::read(&manifest)?;
    let mut envelope: Value = serde_json::from_slice(&signed)?;
    let payload = STANDARD.decode(envelope["payload"].as_str().context("no payload")?)?;
    let mut forged: Value = serde_json::from_slice(&payload)?;
    forged["objects"] = json!([]);
    envelope["payload"] = STANDARD.encode(forged.to_string()).into();
    fs::write(&manifest, envelope.to_string())?;
    sealed_anew(folder)?;
    let (code, text) = check(&key)?;
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("not signed by the key that should have"),
        "{text}"
    );
    assert!(text.contains("no manifest vouches for it"), "{text}");
    fs::write(&manifest, signed)?;
    sealed_anew(folder)?;

    let found = run(
        folder,
        "find",
        &["store", "-path", "*/statements/*.parquet"],
    )?;
    let object = folder.join(found.lines().next().context("no object")?);
    let mut bytes = fs::read(&object)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&object, bytes)?;
    let (code, text) = check(&key)?;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("changed since the pack was made"), "{text}");
    Ok(())
}

/// Writes the digests of a pack anew, as whoever changed it would.
fn sealed_anew(folder: &Path) -> Result<()> {
    let sums =
        "find . -type f ! -name SHA256SUMS | sed 's|^./||' | sort | xargs sha256sum > SHA256SUMS";
    run(folder, "sh", &["-c", sums]).map(drop)
}

/// Gives the installation's public key in base64, by openssl alone.
fn installation_key(world: &World) -> Result<String> {
    // PKCS #8 of an Ed25519 key up to its seed (RFC 8410, section 7).
    let mut key = vec![
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    key.extend(fs::read(world.config.state_dir().join("installation.key"))?);
    let file = world.path("installation.der");
    fs::write(&file, key)?;
    let output = Command::new("openssl")
        .args([
            "pkey", "-inform", "DER", "-pubout", "-outform", "DER", "-in",
        ])
        .arg(&file)
        .output()?;
    let public = output.stdout.get(12..).context("no public key")?;
    Ok(STANDARD.encode(public))
}

fn run(folder: impl AsRef<Path>, program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(
        output.status.success(),
        "{program}: {error}{}",
        said(&output)
    );
    Ok(said(&output))
}
