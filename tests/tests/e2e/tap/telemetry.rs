//! What agents tell of themselves by OpenTelemetry, and what a launcher says of the prompt: evidence, and no better grade.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use icecore_tests::drivers::Product;
use icecore_tests::harness::world::AGENT_UID;
use icecore_tests::python;
use serde_json::{Value, json};

use super::linked::{Agents, PROMPT, bash, check};
use super::{Bed, READ};

/// `Evidence::TELEMETRY`.
const TELEMETRY: i64 = 1024;

fn received() -> String {
    format!("{READ}telemetry = true\n")
}

/// Gives the words that run the program which sends telemetry.
fn sender(bed: &Bed) -> Result<Vec<OsString>> {
    let script = bed.world.path("telemetry.py");
    fs::copy(python::folder("drivers").join("telemetry.py"), &script)?;
    Product::Connector4.words(&script)
}

/// Runs a command; gives the lines that it says and its log.
fn said(command: &mut Command) -> Result<(Vec<Value>, String)> {
    let output = command.output()?;
    let (said, log) = (
        String::from_utf8(output.stdout)?,
        String::from_utf8(output.stderr)?,
    );
    ensure!(output.status.success(), "{said}\n{log}");
    let lines: serde_json::Result<Vec<Value>> = said.lines().map(serde_json::from_str).collect();
    Ok((lines.with_context(|| said.clone())?, log))
}

#[test]
fn what_claude_code_tells_is_evidence_and_what_its_tools_forge_is_none() -> Result<()> {
    let agents = Agents::start(&received())?;
    let (query, bed) = (&agents.query, &agents.bed);
    let forge: Vec<String> = (sender(bed)?.iter())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let forge = forge.join(" ");
    // No model ever wrote it.
    let hidden = bed.world.path("home").join("hidden.sh");
    let other = format!("{query} 'select 502 as A'");
    fs::write(
        &hidden,
        format!("{other}\n{forge} says toolu_1_0 \"{other}\"\n"),
    )?;
    let innocent = format!("sh {}", hidden.display());
    let wrong = format!("{query} 'select 503 as A'; {forge} says toolu_2_0 ls; sleep 2");
    let output = agents.run(vec![
        json!({"text": "I look.", "tools": [bash(&format!("{query} 'select 501 as A'"))]}),
        json!({"tools": [bash(&innocent)]}),
        json!({"tools": [bash(&wrong)]}),
    ])?;
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("by OpenTelemetry"), "{log}");
    let links = agents.links()?;
    let counts = bed.counts()?;
    let of = |outcome: &str| {
        counts.get(&format!(
            "icecore_telemetry_records_total{{outcome=\"{outcome}\"}}"
        ))
    };
    assert_eq!((of("agrees"), of("contradicts")), (3.0, 0.0), "{links:#?}");
    assert_eq!((of("stranger"), of("rejected")), (2.0, 0.0));
    // As without telemetry, each.
    check(&links, "select 501 as A", ("A", Some("toolu_0_0")));
    check(&links, "select 502 as A", ("C", Some("toolu_1_0")));
    check(&links, "select 503 as A", ("A", Some("toolu_2_0")));
    for (sql, link) in &links {
        let bits = link["evidence"].as_i64().context("bits")?;
        assert!(
            bits & TELEMETRY != 0 && link["mismatch"] == false,
            "{sql}: {link:#}"
        );
    }
    // Nothing of what was told is kept: no text, and no link but those of the statements.
    assert_eq!(bed.events("PT003")?, Vec::<Value>::new());
    Ok(())
}

#[test]
fn a_command_that_the_agents_own_hook_changed_is_a_mismatch() -> Result<()> {
    let agents = Agents::start(&received())?;
    let (query, bed) = (&agents.query, &agents.bed);
    // The statement is the model's; the command around it is not.
    let changed = format!("true; {query} 'select 701 as A'");
    let decided = json!({"hookSpecificOutput": {
        "hookEventName": "PreToolUse", "permissionDecision": "allow", "updatedInput": {"command": changed},
    }});
    let home = bed.world.path("home");
    let answer = home.join("decided.json");
    fs::write(&answer, decided.to_string())?;
    let hook = json!({"type": "command", "command": format!("cat {}", answer.display())});
    let hooks = json!({"hooks": {"PreToolUse": [{"matcher": "Bash", "hooks": [hook]}]}});
    fs::create_dir_all(home.join(".claude"))?;
    fs::write(home.join(".claude/settings.json"), hooks.to_string())?;
    for entry in [home.join(".claude"), home.join(".claude/settings.json")] {
        std::os::unix::fs::chown(entry, Some(AGENT_UID), None)?;
    }
    agents.run(vec![
        json!({"text": "I look.", "tools": [bash(&format!("{query} 'select 701 as A'"))]}),
    ])?;
    let links = agents.links()?;
    check(&links, "select 701 as A", ("D", Some("toolu_0_0")));
    assert_eq!(links["select 701 as A"]["mismatch"], true, "{links:#?}");
    let sql = "select grade from links where grade = 'A' and supersedes is null";
    assert_eq!(bed.world.query(sql)?, [json!({"grade": "A"})]);
    Ok(())
}

#[test]
fn a_receiver_answers_as_the_protocol_says_and_bounds_what_a_session_sends() -> Result<()> {
    let bed = Bed::start(&received())?;
    let words = sender(&bed)?;
    let mut command = bed.world.session(AGENT_UID, &[], "env".as_ref())?;
    let (lines, _) = said(command.args(&words).arg("wrong"))?;
    let statuses: Vec<i64> = lines
        .iter()
        .filter_map(|line| line["status"].as_i64())
        .collect();
    assert_eq!(
        statuses,
        [
            200, 200, 200, 200, 200, 400, 400, 415, 415, 404, 405, 413, 413, 200
        ],
        "{lines:#?}"
    );
    assert_eq!(lines[0]["body"], "{}");
    assert_eq!(lines[3]["media"], "application/x-protobuf");
    let partial: Value = serde_json::from_str(lines[13]["body"].as_str().context("a text")?)?;
    assert_eq!(
        partial["partialSuccess"]["rejectedLogRecords"], "4",
        "{partial}"
    );
    let told = bed.events("PT003")?;
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(
        told[0]["reason"].to_string().contains("OTLP in JSON"),
        "{told:#?}"
    );

    let mut command = bed.world.session(AGENT_UID, &[], "env".as_ref())?;
    let (lines, _) = said(command.args(&words).arg("flood"))?;
    let limited = lines.iter().filter(|line| line["status"] == 429);
    assert!(limited.clone().count() > 0, "{lines:#?}");
    assert!(limited.clone().all(|line| line["retry"] == "1"));

    // Outside of sessions nobody is there, and the variables are not set.
    let mut command = bed.world.outside(AGENT_UID, "env".as_ref())?;
    command.arg("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.73.67.69");
    let output = command.args(&words).arg("flood").output()?;
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && log.contains("refused"), "{log}");
    Ok(())
}

#[test]
fn telemetry_is_sent_here_only_where_the_config_and_the_caller_let_it() -> Result<()> {
    let variables = |bed: &Bed, own: Option<(&str, &str)>| -> Result<(String, String)> {
        let mut command = bed.world.outside(AGENT_UID, "env".as_ref())?;
        command
            .args(own.map(|(name, value)| format!("{name}={value}")))
            .arg(&bed.world.icecore)
            .args(["run", "--control"])
            .arg(bed.world.control_socket())
            .args(["--", "env"]);
        let output = command.output()?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes);
        Ok((text(output.stdout)?, text(output.stderr)?))
    };
    let bed = Bed::start(&received())?;
    let (said, _) = variables(&bed, None)?;
    for line in [
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.73.67.69",
        "CLAUDE_CODE_ENABLE_TELEMETRY=1",
    ] {
        assert!(said.lines().any(|one| one == line), "{said}");
    }
    let own = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otel.acme.example");
    let (said, log) = variables(&bed, Some(own))?;
    assert!(
        said.contains(own.1) && !said.contains("CLAUDE_CODE_ENABLE_TELEMETRY"),
        "{said}"
    );
    assert!(
        log.contains("OTEL_EXPORTER_OTLP_ENDPOINT is set already"),
        "{log}"
    );
    drop(bed);
    let bed = Bed::start(READ)?;
    let (said, _) = variables(&bed, None)?;
    assert!(!said.contains("OTEL_"), "{said}");
    // Without it the address is one where nobody is.
    let words = sender(&bed)?;
    let mut command = bed.world.session(AGENT_UID, &[], "env".as_ref())?;
    command.arg("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.73.67.69");
    assert!(!command.args(&words).arg("flood").status()?.success());
    Ok(())
}

#[test]
fn a_prompt_that_the_launcher_handed_over_is_attested() -> Result<()> {
    let agents = Agents::start(READ)?;
    let bed = &agents.bed;
    let file = bed.world.path("prompt.txt");
    fs::write(&file, format!("{PROMPT}\n"))?;
    let options = ["--prompt-file", &file.to_string_lossy()];
    let turns = |number: u32| {
        vec![
            json!({"text": "I look.", "tools": [bash(&format!("{} 'select {number} as A'", agents.query))]}),
            json!({"text": "Done."}),
        ]
    };
    for (number, options) in [(601, &options[..]), (602, &[])] {
        let _model = agents.model(turns(number))?;
        let output = bed.claude_with(options, PROMPT, "Bash")?.output()?;
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && !log.contains("no prompt is attested"),
            "{log}"
        );
    }
    bed.world.flush()?;
    let sql = "select t.sql_text, k.grade, p.origin, p.text, t.statement_id from statement_texts t join best_links k using (statement_id) \
               join prompts p using (prompt_key) where t.sql_text like 'select 60%' order by 1";
    let rows = bed.world.query(sql)?;
    let told: Vec<_> = (rows.iter())
        .map(|row| {
            (
                &row["sql_text"],
                &row["grade"],
                &row["origin"],
                &row["text"],
            )
        })
        .collect();
    let (a, prompt) = (json!("A"), json!(PROMPT));
    assert_eq!(
        told,
        [
            (&json!("select 601 as A"), &a, &json!("attested"), &prompt),
            (&json!("select 602 as A"), &a, &json!("claimed"), &prompt),
        ]
    );
    let id = rows[0]["statement_id"].as_str().context("an id")?;
    let store = format!("file://{}", bed.world.path("store").display());
    let told = bed.world.icecore(&["link", id, "--store", &store])?;
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(text.contains("attested (whoever launched"), "{text}");
    // Each run has a transcript of its own, with uses of the same ids.
    let transcripts = transcripts(&bed.world.path("home"))?;
    assert_eq!(transcripts.len(), 2, "{transcripts:?}");
    for file in transcripts {
        let is_its = fs::read_to_string(&file)?.contains("select 601 as A");
        let file = file.to_string_lossy();
        let words = [
            "link",
            id,
            "--transcript",
            &file,
            "--json",
            "--store",
            &store,
        ];
        let told = bed.world.icecore(&words)?;
        let document: Value = serde_json::from_slice(&told.stdout)?;
        let tool = if is_its { "agrees" } else { "differs" };
        let expected = json!({"tool": tool, "prompt": "agrees"});
        assert_eq!(document["transcript"], expected, "{file}: {document:#}");
        assert_eq!(told.status.success(), is_its);
    }
    Ok(())
}

/// Finds the agent's transcripts below a folder.
fn transcripts(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(transcripts(&entry.path())?);
        } else if entry.path().extension() == Some("jsonl".as_ref())
            && fs::read_to_string(entry.path())?.contains("toolu_0_0")
        {
            found.push(entry.path());
        }
    }
    Ok(found)
}
