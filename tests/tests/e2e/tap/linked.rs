//! Unmodified coding agents whose tools query Snowflake: each statement is linked to the prompt and the use of a tool that led
//! to it, as surely as the rules say, and no surer.

use std::collections::BTreeMap;
use std::fs;
use std::process::Output;

use anyhow::{Context, Result};
use icecore_tests::drivers::Product;
use icecore_tests::harness::world::AGENT_UID;
use icecore_tests::model::{Model, Script};
use icecore_tests::python;
use serde_json::{Value, json};

use super::{Bed, READ};

pub(super) const PROMPT: &str = "how many are there?";

/// A world, and how its tools query.
pub(super) struct Agents {
    pub(super) bed: Bed,
    /// Starts the program that runs statements.
    pub(super) query: String,
}

impl Agents {
    pub(super) fn start(prompts: &str) -> Result<Self> {
        Self::of(Bed::start(prompts)?)
    }

    pub(super) fn of(bed: Bed) -> Result<Self> {
        let script = bed.world.path("query.py");
        fs::copy(python::folder("drivers").join("query.py"), &script)?;
        let words = Product::Connector4.words(&script)?;
        let words: Vec<String> = (words.iter())
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        Ok(Self {
            bed,
            query: words.join(" "),
        })
    }

    pub(super) fn model(&self, turns: Vec<Value>) -> Result<Model> {
        self.scripted(turns, Vec::new())
    }

    fn scripted(&self, turns: Vec<Value>, tasks: Vec<Value>) -> Result<Model> {
        self.bed.model(&Script {
            turns,
            tasks,
            keep_bodies: true,
            ..Script::default()
        })
    }

    /// Has Claude Code do what the model says, turn by turn.
    pub(super) fn run(&self, turns: Vec<Value>) -> Result<Output> {
        self.run_with(turns, Vec::new())
    }

    /// The same, with what its sub-agents' models say.
    pub(super) fn run_with(&self, mut turns: Vec<Value>, tasks: Vec<Value>) -> Result<Output> {
        turns.push(json!({"text": "Done."}));
        let _model = self.scripted(turns, tasks)?;
        let output = self.bed.claude(PROMPT, "Bash,Write,Agent")?.output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.contains("Done."),
            "{said}\n{log}"
        );
        self.bed.world.flush()?;
        Ok(output)
    }

    /// Gives each statement's grade and what it is linked to, by its text.
    pub(super) fn links(&self) -> Result<BTreeMap<String, Value>> {
        let sql = "select t.sql_text, k.grade, k.method, k.tool_call_id, k.mismatch, k.candidates, k.evidence, p.text as prompt, \
                   a.args from statement_texts t left join best_links k using (statement_id) \
                   left join prompts p using (prompt_key) left join tool_call_args a on a.tool_call_id = k.tool_call_id and a.llm_call_id = k.llm_call_id \
                   where t.sql_text ilike 'select %'";
        let rows = self.bed.world.query(sql)?;
        let named = rows.into_iter().map(|row| {
            let text = row["sql_text"].as_str().context("a text")?.to_owned();
            Ok((text, row))
        });
        named.collect()
    }
}

pub(super) fn bash(command: &str) -> Value {
    json!({"name": "Bash", "input": {"command": command, "description": "Looks"}})
}

#[track_caller]
pub(super) fn check(
    links: &BTreeMap<String, Value>,
    sql: &str,
    (grade, tool): (&str, Option<&str>),
) {
    let link = links
        .get(sql)
        .unwrap_or_else(|| panic!("{sql}: not in {links:#?}"));
    assert_eq!(
        (link["grade"].as_str(), link["tool_call_id"].as_str()),
        (Some(grade), tool),
        "{sql}: {link:#}"
    );
}

#[test]
fn a_tools_statements_are_linked_to_its_prompt_as_surely_as_the_rules_say() -> Result<()> {
    let agents = Agents::start(READ)?;
    let query = &agents.query;
    let file = agents.bed.world.path("home").join("later.sql");
    let output = agents.run(vec![
        json!({"text": "I look.", "tools": [bash(&format!("{query} 'select 101 as A'"))]}),
        json!({"tools": [bash(&format!("{query} - <<'EOF'\nselect 102 as A\nEOF"))]}),
        json!({"tools": [{"name": "Write", "input": {"file_path": file, "content": "select 103 as A"}}]}),
        json!({"tools": [bash(&format!("{query} -f later.sql"))]}),
        json!({"tools": [bash(&format!("{query} -n 2 'select {{}} + 104 as A'"))]}),
    ])?;
    let links = agents.links()?;
    let told = String::from_utf8_lossy(&output.stderr);
    check(&links, "select 101 as A", ("A", Some("toolu_0_0")));
    check(&links, "select 102 as A", ("A", Some("toolu_1_0")));
    let first = &links["select 101 as A"];
    assert_eq!(first["prompt"], PROMPT, "{first:#}\n{told}");
    assert!(
        first["args"].to_string().contains("select 101 as A"),
        "{first:#}"
    );
    // The file that the model wrote is what the tool then runs.
    check(&links, "select 103 as A", ("A", Some("toolu_3_0")));
    for looped in ["select 0 + 104 as A", "select 1 + 104 as A"] {
        check(&links, looped, ("C", Some("toolu_4_0")));
    }
    Ok(())
}

#[test]
fn uses_at_once_in_the_background_or_with_other_sql_get_no_more_than_they_show() -> Result<()> {
    let agents = Agents::start(READ)?;
    let query = &agents.query;
    // No model ever wrote it.
    let hidden = agents.bed.world.path("home").join("hidden.sh");
    fs::write(&hidden, format!("{query} 'select 204 as A'\n"))?;
    agents.run(vec![
        json!({"text": "I look.", "tools": [
            bash(&format!("{query} 'select 201 as A'")),
            bash(&format!("{query} 'select 202 as A'")),
        ]}),
        json!({"tools": [bash(&format!("({query} 'select 203 as A'; sleep 1; {query} 'select 213 as A') >/dev/null 2>&1 & sleep 0.1"))]}),
        json!({"tools": [bash("sleep 8")]}),
        json!({"tools": [bash(&format!("echo 'select harmless from innocent'; sh {}", hidden.display()))]}),
        json!({"tools": [bash(&format!("for i in 1 2; do {query} \"select $i + 205 as A\"; done"))]}),
    ])?;
    let links = agents.links()?;
    check(&links, "select 201 as A", ("A", Some("toolu_0_0")));
    check(&links, "select 202 as A", ("A", Some("toolu_0_1")));
    let background = &links["select 213 as A"];
    assert_eq!(background["grade"], "D", "{background:#}");
    let other = &links["select 204 as A"];
    assert_eq!(
        (&other["grade"], &other["mismatch"]),
        (&json!("D"), &json!(true)),
        "{other:#}"
    );
    for looped in ["select 1 + 205 as A", "select 2 + 205 as A"] {
        let link = &links[looped];
        assert!(
            ["C", "D"].contains(&link["grade"].as_str().unwrap_or_default()),
            "{link:#}"
        );
    }
    Ok(())
}

#[test]
fn what_a_script_of_the_jobs_own_asks_is_linked_to_nothing() -> Result<()> {
    let agents = Agents::start(READ)?;
    let script = agents.bed.world.path("query.py");
    let mut command = agents.bed.world.session(AGENT_UID, &[], "env".as_ref())?;
    let output = command
        .args(Product::Connector4.words(&script)?)
        .arg("select 301 as A")
        .output()?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    agents.bed.world.flush()?;
    check(&agents.links()?, "select 301 as A", ("U", None));
    Ok(())
}

#[test]
fn codexs_statement_is_linked_too_and_the_evidence_can_be_read() -> Result<()> {
    let agents = Agents::start(&READ.replace("anthropic", "openai"))?;
    let bed = &agents.bed;
    let command = format!("{} 'select 401 as A'", agents.query);
    let tool = json!({"name": "exec_command", "input": {"cmd": command}});
    let _model = agents.model(vec![
        json!({"text": "I look.", "tools": [tool]}),
        json!({"text": "Done."}),
    ])?;
    let output = bed.codex(PROMPT)?.output()?;
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    bed.world.flush()?;
    let links = agents.links()?;
    check(&links, "select 401 as A", ("A", Some("call_0_0")));
    assert_eq!(links["select 401 as A"]["prompt"], PROMPT);

    let rows = bed
        .world
        .query("select statement_id from statement_texts where sql_text = 'select 401 as A'")?;
    let id = rows[0]["statement_id"].as_str().context("an id")?;
    let store = format!("file://{}", bed.world.path("store").display());
    let told = bed.world.icecore(&["link", id, "--store", &store])?;
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(
        told.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&told.stderr)
    );
    for part in [
        "A (0.99)",
        "lineage",
        "same_text",
        "call_0_0",
        PROMPT,
        "claimed",
        "select 401 as A",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let told = bed
        .world
        .icecore(&["link", id, "--json", "--store", &store])?;
    let document: Value = serde_json::from_slice(&told.stdout)?;
    assert_eq!(document["links"][0]["grade"], "A", "{document:#}");
    assert_eq!(document["prompt"]["text"], PROMPT, "{document:#}");
    Ok(())
}

const SURE: &str = r#"
@id("from-a-prompt") @reason("statements come from a prompt")
forbid (principal, action == Icecore::Action::"read", resource) when { context.link.rank < 3 };
"#;

#[test]
fn a_policy_refuses_what_comes_from_no_prompt() -> Result<()> {
    let agents = Agents::start(READ)?;
    let bed = &agents.bed;
    fs::write(bed.world.config.policies().join("sure.cedar"), SURE)?;
    super::reload(&bed.world)?;
    let sql = "select count(*) as N from ORDERS";
    let script = bed.world.path("query.py");
    let output = (bed.world.session(AGENT_UID, &[], "env".as_ref())?)
        .args(Product::Connector4.words(&script)?)
        .arg(sql)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("from-a-prompt"),
        "{said}"
    );
    agents.run(vec![
        json!({"tools": [bash(&format!("{} '{sql}'", agents.query))]}),
    ])?;
    let rows = bed.world.query(&format!(
        "select decision, link_grade from trail where sql_text = '{sql}' order by started_at"
    ))?;
    assert_eq!(
        rows,
        [
            json!({"decision": "block", "link_grade": "U"}),
            json!({"decision": "allow", "link_grade": "A"}),
        ]
    );
    Ok(())
}
