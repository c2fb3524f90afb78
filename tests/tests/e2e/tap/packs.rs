//! What auditors see of a linked statement: on the page, in the pack, in the trail and in a replay, for each way of capture.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::READ;
use super::linked::{Agents, PROMPT, bash};

/// What is shown of one session whose prompts are captured in one way.
struct Shown {
    page: String,
    document: Value,
    replay: String,
    trail: Value,
}

fn shown(capture: &str) -> Result<Shown> {
    let agents = Agents::start(&format!("{READ}capture = \"{capture}\"\n"))?;
    let query = &agents.query;
    let hidden = agents.bed.world.path("home").join("hidden.sh");
    fs::write(&hidden, format!("{query} 'select 802 as A'\n"))?;
    agents.run(vec![
        json!({"tools": [bash(&format!("{query} 'select 801 as A'"))]}),
        json!({"tools": [bash(&format!("echo 'select harmless from innocent'; sh {}", hidden.display()))]}),
    ])?;
    let world = &agents.bed.world;
    let rows = world.query(
        "select session_id, link_grade, prompt from trail where sql_text = 'select 801 as A'",
    )?;
    let trail = rows.into_iter().next().context("no statement")?;
    let id = trail["session_id"]
        .as_str()
        .context("a session")?
        .to_owned();
    let store = format!("file://{}", world.path("store").display());
    let file = world.path("pack.zip");
    let folder = world.path("unpacked");
    let output = world.icecore(&[
        "evidence",
        &id,
        "-o",
        &file.to_string_lossy(),
        "--store",
        &store,
    ])?;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let unzip = Command::new("python3")
        .args(["-m", "zipfile", "-e"])
        .args([&file, &folder])
        .status()?;
    assert!(unzip.success());
    // The pack is a store of its own, in which the statement's origin can be asked for.
    let rows = world
        .query("select statement_id from statement_texts where sql_text = 'select 801 as A'")?;
    let statement = rows[0]["statement_id"].as_str().context("an id")?;
    let inside = format!("file://{}", folder.join("store").display());
    let told = world.icecore(&["link", statement, "--store", &inside])?;
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(text.contains("A (0.99)"), "{text}");
    let output = world.icecore(&["replay", &id, "--store", &store])?;
    Ok(Shown {
        page: fs::read_to_string(folder.join("session.html"))?,
        document: serde_json::from_slice(&fs::read(folder.join("session.json"))?)?,
        replay: String::from_utf8(output.stdout)?,
        trail,
    })
}

impl Shown {
    fn statement(&self, sql: &str) -> Result<&Value> {
        let statements = self.document["statements"].as_array().context("a list")?;
        let found = statements.iter().find(|one| one["sql_text"] == sql);
        found.with_context(|| format!("{sql}: {:#}", self.document))
    }
}

#[test]
fn with_the_texts_that_are_kept_auditors_see_prompt_tool_call_and_grade() -> Result<()> {
    for capture in ["link_only", "all"] {
        let shown = shown(capture)?;
        assert_eq!(
            (&shown.trail["link_grade"], &shown.trail["prompt"]),
            (&json!("A"), &json!(PROMPT)),
            "{capture}"
        );
        let one = shown.statement("select 801 as A")?;
        assert_eq!(one["link"]["grade"], "A", "{capture}: {one:#}");
        assert_eq!(one["prompt"]["text"], PROMPT, "{capture}: {one:#}");
        assert_eq!(one["tool_call"]["tool_name"], "Bash", "{capture}: {one:#}");
        let arguments = one["tool_call_args"].to_string();
        assert!(
            arguments.contains("select 801 as A"),
            "{capture}: {arguments}"
        );
        for (page, parts) in [
            (
                &shown.page,
                ["grade <b>A</b>", PROMPT, "<b>Bash</b>", "toolu_0_0"],
            ),
            (&shown.replay, ["[A] ", PROMPT, "Bash", "toolu_0_0"]),
        ] {
            for part in parts {
                assert!(page.contains(part), "{capture}: {part}: {page}");
            }
        }
        // That other SQL was run than the tools showed is told, too.
        let other = "while tools were in use that carried other SQL";
        assert!(
            shown.page.contains(other) && shown.replay.contains(other),
            "{capture}: {}",
            shown.replay
        );
    }
    Ok(())
}

#[test]
fn without_texts_the_grade_and_the_tool_are_left() -> Result<()> {
    let shown = shown("none")?;
    assert_eq!(
        (&shown.trail["link_grade"], &shown.trail["prompt"]),
        (&json!("A"), &Value::Null)
    );
    let one = shown.statement("select 801 as A")?;
    assert_eq!(one["tool_call"]["tool_name"], "Bash", "{one:#}");
    assert_eq!(
        (&one["prompt"], &one["tool_call_args"]),
        (&Value::Null, &Value::Null)
    );
    for (page, parts) in [
        (
            &shown.page,
            [
                "grade <b>A</b>",
                "(text not in this store)",
                "(arguments not in this store)",
            ],
        ),
        (
            &shown.replay,
            [
                "[A] (text not in this store)",
                "Bash toolu_0_0",
                "(arguments not in this store)",
            ],
        ),
    ] {
        for part in parts {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains(PROMPT), "{page}");
    }
    Ok(())
}
