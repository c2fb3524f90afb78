//! `cargo xtask demo`: Icecore at work on this machine, told to somebody who has never seen it.

mod approval;
mod prompted;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use approval::Owner;
use prompted::Asked;

use crate::harness::witness::{Witness, cut_off};
use crate::harness::world::{AGENT_UID, Plan, World};
use crate::python::{self, Generation};

/// What an analyst asks; every fact of a statement is in one row.
const QUERY: &str =
    "select started_at, sql_text, decision, masked_columns, status, rows_returned, query_id, \"user\", pid, exe,
       completed_at - started_at as took, rule_ids
from trail order by started_at";

/// The columns of that query, in order.
const COLUMNS: [&str; 12] = [
    "started_at",
    "sql_text",
    "decision",
    "masked_columns",
    "status",
    "rows_returned",
    "query_id",
    "user",
    "pid",
    "exe",
    "took",
    "rule_ids",
];

/// Who was asked for what, and what came of it.
const ASKED: &str =
    "select state, requested_at, decided_at, approver_issuer, approver_subject, approver_auth, channel, rule_ids
from approvals_all order by seq";

/// The columns of that query, in order.
const ASKED_COLUMNS: [&str; 8] = [
    "state",
    "requested_at",
    "decided_at",
    "approver_issuer",
    "approver_subject",
    "approver_auth",
    "channel",
    "rule_ids",
];

/// What the demo's host says beside the read-only pack.
const CUSTOMERS: &str = r#"
@id("customers-by-their-letter")
@remedy("mask:partial:1:0")
@reason("analysts see of customers the first letter")
forbid (principal, action == Icecore::Action::"project", resource)
when { resource == Icecore::Column::"ACME.ACME_DB.PUBLIC.ORDERS.CUSTOMER" };
"#;

/// Runs the demo and tells it on `out`; `keep` names a folder in which the record is left.
pub fn run(keep: Option<&Path>, out: &mut impl Write) -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the demo loads eBPF programs: run it as root"
    );
    eprintln!("starting emulator and daemon ...");
    let mut world = World::without_daemon(&Plan::default())?;
    fs::write(world.config.policies().join("customers.cedar"), CUSTOMERS)?;
    let witness = witnessed(&world)?;
    let owner = Owner::asked_by(&world)?;
    let asked = Asked::start(&mut world)?;
    // Who started whom is what a prompt's link rests on.
    world.is_traced = true;
    world.start_daemon()?;
    // What was recorded so far is one segment; the agent's session comes into the next.
    world.flush()?;
    heading(out, "What runs here")?;
    writeln!(
        out,
        "A Snowflake emulator listens on {upstream}, behind TLS. It takes one login only: a JWT signed with the\n\
         key in {key}, which no agent can read.\n\
         The Icecore daemon has attached its eBPF programs below {cgroup} (not at the machine's root).\n\
         `icecore witness`, a process with a key of its own, signs at {witness} how far the record has come.",
        upstream = world.gate.address(),
        key = world.config.key_file.display(),
        cgroup = world.cgroup.path().display(),
        witness = witness.url(),
    )?;

    heading(out, "An agent at work")?;
    writeln!(
        out,
        "Policies let it read, and show it of customers the first letter (mask:partial:1:0). New orders wait for a yes\n\
         of their owners: the driver sees a slow query, while one of them looks at it.\n"
    )?;
    let script = world.path("demo.py");
    fs::copy(python::folder("drivers").join("demo.py"), &script)?;
    let python = python::interpreter(Generation::Five)?;
    writeln!(
        out,
        "$ icecore run --label job=demo -- python demo.py     (user nobody; the unmodified Snowflake connector 5.2;\n  \
         it connects to acme.snowflakecomputing.com:443 with a dummy password)\n"
    )?;
    let mut session = world.session(AGENT_UID, &["--label", "job=demo"], python.as_os_str())?;
    // The connector warns of its own future; nothing that belongs here.
    session.args(["-W", "ignore"]).arg(&script);
    let running = session
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    owner.says_yes(&world, out)?;
    writeln!(out)?;
    let ran = running.wait_with_output()?;
    indented(out, &ran.stdout)?;
    indented(out, &ran.stderr)?;
    ensure!(
        ran.status.success(),
        "the agent's script ended with {}",
        ran.status
    );
    let mut executed = world.gate.executed()?;
    // Icecore asks the account what its names mean.
    executed.retain(|sql| !sql.contains("icecore catalogue"));
    ensure!(
        !executed.iter().any(|sql| sql.starts_with("delete")),
        "the refused statement reached the emulator"
    );
    writeln!(
        out,
        "\nThe emulator executed {} statement(s); the refused one never left this machine:",
        executed.len()
    )?;
    for sql in &executed {
        writeln!(out, "  {sql}")?;
    }

    world.flush()?;
    let store = format!("file://{}", world.config.store.display());
    heading(out, "The session, replayed")?;
    let id = last_session(&world)?;
    writeln!(
        out,
        "The connector looks where it runs at cloud metadata addresses; that is refused, told once and counted (NT001).\n\n\
         $ icecore replay {id}\n"
    )?;
    let replayed = world.icecore(&["replay", &id, "--store", &store])?;
    ensure!(
        replayed.status.success(),
        "icecore replay: {}",
        String::from_utf8_lossy(&replayed.stderr)
    );
    indented(out, &replayed.stdout)?;

    verified(&world, &witness, &store, out)?;

    heading(out, "The record, as an analyst reads it")?;
    writeln!(
        out,
        "$ icecore duckdb | duckdb        (Parquet in {})\n{QUERY};\n",
        world.config.store.display()
    )?;
    let rows = world.query(QUERY)?;
    ensure!(
        rows.len() == 3,
        "expected three statements in the record, found {}",
        rows.len()
    );
    for (number, row) in (1..).zip(&rows) {
        writeln!(out, "  -- row {number}")?;
        table(out, &COLUMNS, row)?;
    }
    writeln!(out, "\n{ASKED};\n")?;
    let steps = world.query(ASKED)?;
    let is_used = |row: &Value| row.get("state").and_then(Value::as_str) == Some("used");
    ensure!(steps.iter().any(is_used), "no approval was used: {steps:?}");
    for (number, row) in (1..).zip(&steps) {
        writeln!(out, "  -- row {number}")?;
        table(out, &ASKED_COLUMNS, row)?;
    }

    heading(out, "From prompt to statement")?;
    let page = keep.map(|folder| folder.join("session.html"));
    if let Some(folder) = keep {
        fs::create_dir_all(folder).with_context(|| format!("make `{}`", folder.display()))?;
    }
    asked.shown(&world, &store, python.as_os_str(), page.as_deref(), out)?;
    if let Some(folder) = keep {
        copy(&world.config.store, &folder.join("store"))?;
        let kept = format!("file://{}", folder.join("store").display());
        let views = world.icecore(&["duckdb", "--store", &kept])?;
        fs::write(folder.join("views.sql"), views.stdout).context("keep the views")?;
        heading(out, "Kept")?;
        writeln!(
            out,
            "The store is in {0}/store; {0}/views.sql defines its views for DuckDB, {0}/session.html is the last session's page.",
            folder.display()
        )?;
    }
    heading(out, "Done")?;
    writeln!(
        out,
        "Everything else is being taken away: programs, cgroups, mounts, processes."
    )?;
    Ok(())
}

fn last_session(world: &World) -> Result<String> {
    let sessions =
        world.query("select session_id from statements order by started_at desc limit 1")?;
    let id = sessions
        .first()
        .and_then(|row| row.get("session_id")?.as_str());
    id.map(str::to_owned).context("no session in the record")
}

fn heading(out: &mut impl Write, text: &str) -> Result<()> {
    Ok(writeln!(
        out,
        "\n== {text} {}",
        "=".repeat(74_usize.saturating_sub(text.len()))
    )?)
}

fn indented(out: &mut impl Write, bytes: &[u8]) -> Result<()> {
    for line in String::from_utf8_lossy(bytes).lines() {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

fn table(out: &mut impl Write, columns: &[&str], row: &Value) -> Result<()> {
    for name in columns {
        let value = row.get(*name).unwrap_or(&Value::Null);
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        writeln!(out, "  {name:>14}  {text}")?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("make `{}`", to.display()))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Starts a witness that signs for this host, and has the host's config name it.
fn witnessed(world: &World) -> Result<Witness> {
    let config = world.config_file();
    let pinned = world.icecore(&["enroll", "--pin", "--config", &config.to_string_lossy()])?;
    let hosts = world.path("hosts.toml");
    fs::write(&hosts, &pinned.stdout)?;
    let witness = Witness::start(&world.icecore, &world.path("witness"), &hosts)?;
    let text = fs::read_to_string(&config)?;
    let record = format!("[record]\nwitness = \"{}\"", witness.url());
    fs::write(&config, text.replacen("[record]", &record, 1))?;
    let trust = [pinned.stdout, witness.trust().into_bytes()].concat();
    fs::write(world.path("trust.toml"), trust)?;
    Ok(witness)
}

/// Has the record verified by the keys of host and witness, and then a copy without its end.
fn verified(world: &World, witness: &Witness, store: &str, out: &mut impl Write) -> Result<()> {
    heading(out, "The record, verified")?;
    let trust = world.path("trust.toml");
    let trust = trust.to_string_lossy().into_owned();
    let verify = ["verify", "--trust", &trust, "--deep", "--store"];
    let by_witness = ["--witness", &witness.url()].map(str::to_owned);
    let mut run = |told: &str, store: &str, with: &[String], expected: i32| -> Result<()> {
        writeln!(out, "$ icecore verify --trust trust.toml --deep {told}\n")?;
        let with = with.iter().map(String::as_str);
        let asked: Vec<&str> = verify.into_iter().chain([store]).chain(with).collect();
        let verified = world.icecore(&asked)?;
        indented(out, &verified.stdout)?;
        indented(out, &verified.stderr)?;
        writeln!(out)?;
        ensure!(
            verified.status.code() == Some(expected),
            "icecore verify ended with {}",
            verified.status
        );
        Ok(())
    };
    run(&by_witness.join(" "), store, &by_witness, 0)?;
    let cut = world.path("cut");
    copy(&world.config.store, &cut)?;
    let gone = cut_off(&cut)?;
    let cut = format!("file://{}", cut.display());
    let told = format!(
        "--store file://.../cut       (a copy whose last {gone} objects, with the session, somebody deleted)"
    );
    run(&told, &cut, &[], 0)?;
    run("--store file://.../cut --witness ...", &cut, &by_witness, 1)
}
