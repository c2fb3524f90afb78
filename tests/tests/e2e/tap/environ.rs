//! What processes' environments say of an agent, with Claude Code unmodified: it is shown, and no link is surer for it.
//!
//! Where it was started in no trace, each of its calls begins one of its own, and its tools have another (2.1.197).

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};
use icecore_tests::drivers::Product;
use icecore_tests::harness::world::AGENT_UID;
use icecore_tests::model::{Script, claude_code};
use icecore_tests::python;
use serde_json::{Value, json};

use super::{Bed, READ};

/// Bits of `links.evidence`.
const TRACE: i64 = 1;
const ENVIRONMENT: i64 = 2;
const LINEAGE: i64 = 4;
const OTHER_AGENT: i64 = 4096;

/// With these it gives each tool the trace of its calls (its docs, "Monitoring"); nobody takes what it tells.
const TELEMETRY: [&str; 6] = [
    "CLAUDE_CODE_ENABLE_TELEMETRY=1",
    "CLAUDE_CODE_ENHANCED_TELEMETRY_BETA=1",
    "OTEL_TRACES_EXPORTER=otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL=http/json",
    "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9",
    "CLAUDE_CODE_OTEL_SHUTDOWN_TIMEOUT_MS=500",
];

/// Runs a job of these lines, in which `$CLAUDE` is Claude Code with its words and `$QUERY` runs a statement; gives the links by
/// their statements' texts.
fn run(job: &str, turns: Vec<Value>) -> Result<(Bed, BTreeMap<String, Value>)> {
    let bed = Bed::start(READ)?;
    let home = bed.world.path("home");
    let script = bed.world.path("query.py");
    fs::copy(python::folder("drivers").join("query.py"), &script)?;
    let words = Product::Connector4.words(&script)?;
    let words: Vec<String> = (words.iter())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let query = words.join(" ");
    let claude = format!(
        "{} -p 'how many are there?' --allowedTools Bash --output-format stream-json --verbose",
        claude_code()?.display()
    );
    let turns: Vec<Value> = turns
        .into_iter()
        .chain([json!({"text": "Done."})])
        .map(|turn| {
            let text = turn.to_string().replace("$QUERY", &query);
            serde_json::from_str(&text)
        })
        .collect::<serde_json::Result<_>>()?;
    let _model = bed.model(&Script {
        turns,
        keep_bodies: true,
        ..Script::default()
    })?;
    let file = home.join("job.sh");
    fs::write(
        &file,
        job.replace("$CLAUDE", &claude).replace("$QUERY", &query),
    )?;
    let output = (bed.world.session(AGENT_UID, &[], "env".as_ref())?)
        .args(["SHELL=/bin/sh", "IS_SANDBOX=1"])
        .arg("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1")
        .arg("ANTHROPIC_API_KEY=sk-ant-dummy")
        .args(TELEMETRY)
        .args(["/bin/sh", "-e"])
        .arg(&file)
        .current_dir(&home)
        .stdin(std::process::Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success() && said.contains("Done."),
        "{said}\n{log}"
    );
    bed.world.flush()?;
    let sql = "select t.sql_text, k.* from statement_texts t join best_links k using (statement_id) \
               where t.sql_text ilike 'select %'";
    let rows = bed.world.query(sql)?;
    let named = rows.into_iter().map(|row| {
        let text = row["sql_text"].as_str().context("a text")?.to_owned();
        Ok((text, row))
    });
    let links = named.collect::<Result<_>>()?;
    Ok((bed, links))
}

fn bash(command: &str) -> Value {
    json!({"name": "Bash", "input": {"command": command, "description": "Looks"}})
}

#[track_caller]
fn check(links: &BTreeMap<String, Value>, sql: &str, grade: &str, (has, has_not): (i64, i64)) {
    let link = links
        .get(sql)
        .unwrap_or_else(|| panic!("{sql}: not in {links:#?}"));
    let bits = link["evidence"].as_i64().unwrap_or_default();
    assert_eq!(
        (link["grade"].as_str(), bits & has, bits & has_not),
        (Some(grade), has, 0),
        "{sql}: {link:#}"
    );
}

#[test]
fn what_an_environment_says_is_shown_and_copies_of_it_gain_nothing() -> Result<()> {
    // The tool shows what it has; the job's own script takes that for its own once the agent is gone.
    let job = "$CLAUDE\n. ./copied\nexport TRACEPARENT CLAUDE_CODE_SESSION_ID\n$QUERY 'select 604 as A' 'select 601 as A'\n";
    let tools = vec![
        json!({"text": "I look.", "tools": [bash(
            "echo TRACEPARENT=$TRACEPARENT > copied; echo CLAUDE_CODE_SESSION_ID=$CLAUDE_CODE_SESSION_ID >> copied; $QUERY 'select 601 as A'"
        )]}),
        json!({"tools": [bash("CLAUDE_CODE_SESSION_ID=another $QUERY 'select 602 as A'")]}),
        json!({"tools": [bash("unset CLAUDE_CODE_SESSION_ID; $QUERY 'select 603 as A'")]}),
    ];
    let (bed, links) = run(job, tools)?;
    let copied = fs::read_to_string(bed.world.path("home").join("copied"))?;
    assert!(copied.contains("TRACEPARENT=00-"), "{copied}");
    check(
        &links,
        "select 602 as A",
        "A",
        (LINEAGE | OTHER_AGENT, ENVIRONMENT),
    );
    check(
        &links,
        "select 603 as A",
        "A",
        (LINEAGE, ENVIRONMENT | OTHER_AGENT),
    );
    // Nothing is known of it but what it says of itself.
    check(
        &links,
        "select 604 as A",
        "E",
        (ENVIRONMENT, LINEAGE | OTHER_AGENT),
    );
    assert_eq!(links["select 604 as A"]["tool_call_id"], Value::Null);
    // The text that the tool ran is run twice: by the tool, and by the job.
    let sql = "select k.grade, k.evidence from statement_texts t join best_links k using (statement_id) \
               where t.sql_text = 'select 601 as A' order by k.grade";
    let rows = bed.world.query(sql)?;
    let bits = |row: &Value| row["evidence"].as_i64().unwrap_or_default();
    let found: Vec<_> = (rows.iter())
        .map(|row| (row["grade"].as_str(), bits(row) & (ENVIRONMENT | LINEAGE)))
        .collect();
    assert_eq!(
        found,
        [(Some("A"), ENVIRONMENT | LINEAGE), (Some("E"), ENVIRONMENT)],
        "{rows:#?}"
    );
    Ok(())
}

#[test]
fn a_trace_that_the_whole_job_is_of_says_nothing_of_its_scripts() -> Result<()> {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let job = format!("export TRACEPARENT={trace}\n$CLAUDE\n$QUERY 'select 612 as A'\n");
    let tools = vec![json!({"text": "I look.", "tools": [bash("$QUERY 'select 611 as A'")]})];
    let (_bed, links) = run(&job, tools)?;
    check(
        &links,
        "select 611 as A",
        "A",
        (ENVIRONMENT | LINEAGE, TRACE),
    );
    check(
        &links,
        "select 612 as A",
        "U",
        (0, TRACE | ENVIRONMENT | LINEAGE),
    );
    Ok(())
}
