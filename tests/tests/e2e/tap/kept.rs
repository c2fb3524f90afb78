//! What is kept of prompts: no more than the config in force says, in sessions that run too, and nothing once its key is gone.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use icecore_tests::harness::world::AGENT_UID;
use icecore_tests::model::claude_code;
use serde_json::{Value, json};

use super::linked::{Agents, PROMPT, bash};
use super::{Bed, READ, reload};
use crate::evidence::{trust_file, verified};

/// A session of `acme/app`, by the word of its job.
const CLAIMED: &str = "[identity]\nwithout_token = \"host\"\nclaimed_job_facts = true\n";

/// One session asks its agent three times: while words are kept, once none may be, and once its repository is kept out.
#[test]
fn a_reload_that_keeps_less_holds_in_a_session_that_runs() -> Result<()> {
    let agents = Agents::start(&format!("{CLAIMED}{READ}"))?;
    let (bed, world) = (&agents.bed, &agents.bed.world);
    let query = format!("{} 'select 801 as A'", agents.query);
    let _model = agents.model(vec![
        json!({"text": "I look.", "tools": [bash(&query)]}),
        json!({"text": "Done."}),
    ])?;
    let home = world.path("home");
    let claude = format!(
        "{} --allowedTools Bash --output-format stream-json --verbose",
        claude_code()?.display()
    );
    // Whom it calls unread shows its own certificate.
    let job = format!(
        "cat \"$NODE_EXTRA_CA_CERTS\" {ca} > {home}/both.pem\nexport NODE_EXTRA_CA_CERTS={home}/both.pem\n\
         for n in 1 2 3; do {claude} -p \"how many, $n?\" </dev/null >{home}/said.$n 2>&1 || true; echo ready; read line; done\n",
        ca = bed.certificates.ca_file.display(),
        home = home.display(),
    );
    let file = home.join("job.sh");
    fs::write(&file, job)?;
    let mut session = (world.outside(AGENT_UID, "env".as_ref())?)
        .args(["GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=acme/app"])
        .args(["SHELL=/bin/sh", "IS_SANDBOX=1"])
        .arg("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1")
        .arg("ANTHROPIC_API_KEY=sk-ant-dummy")
        .arg(&world.icecore)
        .args(["run", "--control"])
        .arg(world.control_socket())
        .args(["--", "/bin/sh"])
        .arg(&file)
        .current_dir(&home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut says = BufReader::new(session.stdout.take().context("no stdout")?);
    let mut hears = session.stdin.take().context("no stdin")?;
    let config = fs::read_to_string(world.config_file())?;
    let calls = || -> Result<usize> {
        world.flush()?;
        Ok(world.query("select llm_call_id from llm_calls")?.len())
    };
    let mut before = 0;
    for more in [
        "capture = \"none\"\n",
        "repositories_opt_out = [\"Acme/App\"]\n",
        "",
    ] {
        let mut line = String::new();
        says.read_line(&mut line)?;
        ensure!(
            line == "ready\n",
            "expected that it is ready, found {line:?}"
        );
        let now = calls()?;
        // The third run called, and was not read.
        assert_eq!(now > before, !more.is_empty(), "{before} and {now} calls");
        before = now;
        fs::write(world.config_file(), format!("{config}{more}"))?;
        reload(world)?;
        hears.write_all(b"go on\n")?;
    }
    ensure!(session.wait()?.success());
    for number in 1..=3 {
        let said = fs::read_to_string(home.join(format!("said.{number}")))?;
        assert!(said.contains("Done."), "{number}: {said}");
    }
    world.flush()?;
    let rows = world.query(
        "select k.grade, p.text as prompt, a.args is not null as args from statement_texts t join trail s using (statement_id) \
         join best_links k using (statement_id) left join prompts p using (prompt_key) \
         left join tool_call_args a on a.tool_call_id = k.tool_call_id and a.llm_call_id = k.llm_call_id \
         where t.sql_text = 'select 801 as A' order by s.started_at",
    )?;
    let [kept, none, out] = &rows[..] else {
        anyhow::bail!("expected three statements, found {rows:#?}");
    };
    assert_eq!(
        *kept,
        json!({"grade": "A", "prompt": "how many, 1?", "args": true})
    );
    assert_eq!(*none, json!({"grade": "A", "prompt": null, "args": false}));
    assert_eq!(
        (&out["prompt"], &out["args"]),
        (&Value::Null, &json!(false))
    );
    assert_ne!(out["grade"], "A", "{out}");
    assert_eq!(world.query("select text from prompts")?.len(), 1);
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn prompts_of_a_month_are_erased_by_themselves_and_the_record_stays_whole() -> Result<()> {
    let bed = Bed::start_with(READ, |world| {
        let file = world.path("auditor.key");
        let made = world.icecore(&["keys", "make", "-o", &file.to_string_lossy()])?;
        let recipient = text(&made.stdout);
        Ok(format!(
            "[record.encryption]\nrecipients = [{:?}]\n",
            recipient.trim()
        ))
    })?;
    let mut agents = Agents::of(bed)?;
    let query = format!("{} 'select 821 as A'", agents.query);
    agents.run(vec![json!({"text": "I look.", "tools": [bash(&query)]})])?;
    let world = &mut agents.bed.world;
    let store = format!("file://{}", world.config.store.display());
    let signer = world.config.state_dir().join("installation.key");
    let (signer, auditor) = (
        signer.to_string_lossy().into_owned(),
        world.path("auditor.key").to_string_lossy().into_owned(),
    );
    let rows = world.query(
        "select k.statement_id, k.chain_id, strftime(s.started_at, '%Y-%m') as month from best_links k join statements s using (statement_id) \
         where k.grade = 'A'",
    )?;
    let of = ["statement_id", "chain_id", "month"].map(|name| {
        let text = rows.first().and_then(|row| row[name].as_str());
        text.unwrap_or_default().to_owned()
    });
    let [statement, chain, month] = &of;
    let shred = [
        "keys",
        "shred",
        "--chain",
        chain,
        "--month",
        month,
        "--prompts",
        "--reason",
        "a request",
        "--signing-key",
        &signer,
        "--store",
        &store,
    ];
    // What goes on would write what nobody can read.
    let refused = world.icecore(&shred)?;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(
        text(&refused.stderr).contains("one that goes on"),
        "{refused:?}"
    );
    world.daemon()?.terminate()?;

    let link = ["link", statement, "--store", &store, "--identity", &auditor];
    let replayed = |world: &icecore_tests::harness::world::World| -> Result<String> {
        let session =
            format!("select session_id from statements where statement_id = '{statement}'");
        let session = world.query(&session)?[0]["session_id"].clone();
        let session = session.as_str().unwrap_or_default();
        let shown = ["replay", session, "--store", &store, "--identity", &auditor];
        Ok(text(&world.icecore(&shown)?.stdout))
    };
    let shown = text(&world.icecore(&link)?.stdout);
    assert!(shown.contains(PROMPT) && shown.contains("A (0."), "{shown}");
    assert!(replayed(world)?.contains("select 821 as A"));
    let trust = trust_file(world)?;
    let (code, codes, report) = verified(world, &["--trust", &trust])?;
    assert_eq!((code, codes), (0, BTreeSet::new()), "{report:#}");
    assert_eq!(report["checked"]["erased_objects"], 0, "{report:#}");

    let done = world.icecore(&shred)?;
    assert!(done.status.success(), "{done:?}");
    let said = text(&done.stdout);
    assert!(
        said.contains(&format!(
            "erased prompts of chain {chain} in {month}: 1 key"
        )),
        "{said}"
    );
    let shown = text(&world.icecore(&link)?.stdout);
    assert!(
        !shown.contains(PROMPT) && shown.contains("A (0."),
        "{shown}"
    );
    let page = replayed(world)?;
    assert!(
        page.contains("select 821 as A") && !page.contains(PROMPT),
        "{page}"
    );
    // The erasure is signed by whoever began the chain: what is gone is explained, once the objects are taken away too.
    let erased = |report: &Value| report["checked"]["erased_objects"].as_i64();
    let (code, codes, report) = verified(world, &["--trust", &trust])?;
    assert_eq!((code, codes), (0, BTreeSet::new()), "{report:#}");
    let count = erased(&report);
    assert!(count >= Some(2), "{report:#}");
    let again = world.icecore(&shred)?;
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(text(&again.stderr).contains("erased before"), "{again:?}");
    let place = world.config.store.join("default/v1");
    fs::remove_dir_all(place.join("t3"))?;
    let (code, codes, report) = verified(world, &["--trust", &trust])?;
    assert_eq!((code, codes), (0, BTreeSet::new()), "{report:#}");
    assert_eq!(erased(&report), count);
    // Once nobody signs for it, it is missed.
    fs::remove_dir_all(place.join("erasures"))?;
    let (code, codes, report) = verified(world, &["--trust", &trust])?;
    assert_eq!((code, codes), (1, ["E40".to_owned()].into()), "{report:#}");
    Ok(())
}
