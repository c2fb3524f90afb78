//! Codex, unmodified, by each way that it has to run SQL: the grade that the rules give, and no better.

use anyhow::Result;
use serde_json::{Value, json};

use super::READ;
use super::linked::{Agents, PROMPT, check};

fn exec(command: &str) -> Value {
    json!({"name": "exec_command", "input": {"cmd": command}})
}

/// Has Codex do what the model says, turn by turn.
fn run(agents: &Agents, mut turns: Vec<Value>) -> Result<()> {
    turns.push(json!({"text": "Done."}));
    let _model = agents.model(turns)?;
    let output = agents.bed.codex(PROMPT)?.output()?;
    let log = String::from_utf8_lossy(&output.stderr);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("Done."),
        "{said}\n{log}"
    );
    agents.bed.world.flush()
}

#[test]
fn codexs_statements_are_linked_by_each_way_that_it_runs_them() -> Result<()> {
    let agents = Agents::start(&READ.replace("anthropic", "openai"))?;
    let query = &agents.query;
    let patch = "*** Begin Patch\n*** Add File: later.sql\n+select 603 as A\n*** End Patch\n";
    run(
        &agents,
        vec![
            json!({"text": "I look.", "tools": [exec(&format!("{query} - <<'EOF'\nselect 601 as A\nEOF"))]}),
            json!({"tools": [exec(&format!("{query} 'select 602 as A'")), exec(&format!("{query} 'select 612 as A'"))]}),
            json!({"tools": [exec(&format!("apply_patch <<'EOF'\n{patch}EOF\n"))]}),
            json!({"tools": [exec(&format!("{query} -f later.sql"))]}),
            json!({"tools": [exec(&format!("{query} -n 2 'select {{}} + 604 as A'"))]}),
        ],
    )?;
    let links = agents.links()?;
    check(&links, "select 601 as A", ("A", Some("call_0_0")));
    // Two at once.
    check(&links, "select 602 as A", ("A", Some("call_1_0")));
    check(&links, "select 612 as A", ("A", Some("call_1_1")));
    // The file that the model wrote before.
    check(&links, "select 603 as A", ("A", Some("call_3_0")));
    for looped in ["select 0 + 604 as A", "select 1 + 604 as A"] {
        check(&links, looped, ("C", Some("call_4_0")));
    }
    assert_eq!(links["select 601 as A"]["prompt"], PROMPT);
    Ok(())
}

/// Codex answers the model while a command still runs: what it issues from then on is of a use that is over.
#[test]
fn what_outlives_codexs_answer_is_linked_to_no_more_than_an_earlier_use() -> Result<()> {
    let agents = Agents::start(&READ.replace("anthropic", "openai"))?;
    let query = &agents.query;
    let long = format!("sleep 2; {query} 'select 621 as A'");
    let begun = json!({"name": "exec_command", "input": {"cmd": long, "yield_time_ms": 300}});
    run(
        &agents,
        vec![
            json!({"text": "I look.", "tools": [begun]}),
            json!({"tools": [exec("sleep 8")]}),
        ],
    )?;
    let links = agents.links()?;
    let link = &links["select 621 as A"];
    assert_eq!(
        (&link["grade"], &link["tool_call_id"]),
        (&json!("D"), &json!("call_0_0")),
        "{link:#}"
    );
    Ok(())
}
