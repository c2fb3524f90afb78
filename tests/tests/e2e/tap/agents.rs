//! Unmodified coding agents, which know nothing of us: their calls are read, their tools run, and they say what they were told.

use std::process::Output;
use std::time::Duration;

use anyhow::Result;
use icecore_tests::model::{Model, Script};
use icecore_tests::time;
use serde_json::{Value, json};

use super::{Bed, READ};

/// What each is to do: one tool, then a word.
const COMMAND: &str = "echo icecore-$((6*7))";

/// Checks that an agent got what its tool gave to the model, and that all of it was read.
fn check(bed: &Bed, model: &Model, output: &Output) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stdout);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{log}");
    assert!(said.contains("There are 42."), "{said}\n{log}");
    let asked = model.events("asked")?;
    let with_results = asked.iter().filter(|one| {
        let body = one["body"].as_str().unwrap_or_default();
        body.contains("icecore-42")
    });
    assert!(with_results.count() >= 1, "{asked:#?}\n{said}");
    assert_eq!(bed.events("NT006")?, Vec::<Value>::new());
    let counts = bed.counts()?;
    let of = |outcome: &str| {
        counts.get(&format!(
            "icecore_tap_connections_total{{outcome=\"{outcome}\"}}"
        ))
    };
    assert!(of("read") >= 1.0, "nothing was read");
    assert_eq!(
        (of("unread"), of("untrusted"), of("unreached")),
        (0.0, 0.0, 0.0)
    );
    assert_eq!(counts.get("icecore_tap_lost_bytes_total"), 0.0);
    Ok(())
}

#[test]
fn claude_code_is_read_as_it_is() -> Result<()> {
    claude_code_is_read_in("gzip")
}

#[test]
fn claude_code_is_read_where_its_model_answers_in_brotli() -> Result<()> {
    claude_code_is_read_in("br")
}

fn claude_code_is_read_in(coding: &'static str) -> Result<()> {
    let bed = Bed::start(READ)?;
    let tool = json!({"name": "Bash", "input": {"command": COMMAND, "description": "Counts"}});
    let model = bed.model(&Script {
        turns: vec![
            json!({"text": "I look.", "tools": [tool]}),
            json!({"text": "There are 42."}),
        ],
        encoding: Some(coding),
        keep_bodies: true,
        ..Script::default()
    })?;
    let output = bed.claude("how many rows?", "Bash")?.output()?;
    check(&bed, &model, &output)?;
    let answered = model.events("answered")?;
    assert!(
        answered.iter().all(|one| one["coding"] == coding),
        "{answered:#?}"
    );
    Ok(())
}

#[test]
fn codex_is_read_over_a_websocket_too() -> Result<()> {
    let bed = Bed::start(&READ.replace("anthropic", "openai"))?;
    let tool = json!({"name": "exec_command", "input": {"cmd": COMMAND}});
    let model = bed.model(&Script {
        turns: vec![
            json!({"text": "I look.", "tools": [tool]}),
            json!({"text": "There are 42."}),
        ],
        keep_bodies: true,
        websocket: true,
        ..Script::default()
    })?;
    let mut command = bed.codex("how many rows?")?;
    let config = bed.world.path("home").join("codex/config.toml");
    let text = std::fs::read_to_string(&config)?;
    std::fs::write(&config, text + "supports_websockets = true\n")?;
    let output = command.output()?;
    check(&bed, &model, &output)?;
    let asked = model.events("asked")?;
    assert!(
        asked.iter().all(|one| one["http"] == "websocket"),
        "{asked:#?}"
    );
    let answered = model.events("answered")?;
    let is_deflated = |one: &Value| one["coding"] == "permessage-deflate";
    assert!(answered.iter().all(is_deflated), "{answered:#?}");
    // All three messages of the one connection are calls of their own, and the tool's result closed its use.
    // Reading is behind what is carried, and the agent ends at once.
    let start = time::instant();
    let calls = loop {
        bed.world.flush()?;
        let calls = bed.world.query(
            "select parse_status, tool_use_count, response_id from llm_calls order by started_at",
        )?;
        if calls.len() >= asked.len() || start.elapsed() > Duration::from_secs(20) {
            break calls;
        }
        std::thread::sleep(Duration::from_millis(300));
    };
    let uses = bed.world.query(
        "select tool_call_id, max(result_seen_at) is not null as is_over from tool_calls group by 1",
    )?;
    assert_eq!(
        calls
            .iter()
            .map(|call| &call["parse_status"])
            .collect::<Vec<_>>(),
        ["whole", "whole", "whole"],
        "{calls:#?} {uses:#?} {} asked",
        asked.len()
    );
    assert_eq!(uses, [json!({"tool_call_id": "call_0_0", "is_over": true})]);
    Ok(())
}
