//! Sub-agents of a real coding agent: their statements are linked to their own uses of tools, and to what a person had said; that
//! a model wrote what they begin with is told.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::READ;
use super::linked::{Agents, PROMPT, bash, check};

fn hands_on(prompt: &str) -> Value {
    json!({"name": "Agent", "input": {"description": "Looks", "prompt": prompt, "subagent_type": "general-purpose"}})
}

#[test]
fn a_sub_agents_statement_is_linked_to_its_own_use_and_its_task_is_told_as_a_models() -> Result<()>
{
    const TASK: &str = "Count the open orders, please.";
    let agents = Agents::start(READ)?;
    let look = bash(&format!("{} 'select 501 as A'", agents.query));
    agents.run_with(
        vec![json!({"text": "I hand it on.", "tools": [hands_on(TASK)]})],
        vec![json!({"prompt": TASK, "turns": [
            {"text": "I look.", "tools": [look]}, {"text": "There are 501."},
        ]})],
    )?;
    let links = agents.links()?;
    check(&links, "select 501 as A", ("A", Some("toolu_task0_0_0")));
    assert_eq!(links["select 501 as A"]["prompt"], TASK);
    let world = &agents.bed.world;
    let rows = world.query(
        "select p.text, p.origin, r.text as root, r.origin as root_origin, t.prompt as told, \
         c.agent_id_hdr is not null as has_agent from trail t join best_links k using (statement_id) \
         join prompts p on p.prompt_key = k.prompt_key left join prompts r on r.prompt_key = p.root_prompt_key \
         left join llm_calls c on c.llm_call_id = k.llm_call_id where t.sql_text = 'select 501 as A'",
    )?;
    assert_eq!(
        rows,
        [
            json!({"text": TASK, "origin": "model", "root": PROMPT, "root_origin": "claimed", "told": PROMPT, "has_agent": true})
        ]
    );
    let rows = world
        .query("select statement_id from statement_texts where sql_text = 'select 501 as A'")?;
    let id = rows[0]["statement_id"].as_str().context("an id")?;
    let store = format!("file://{}", world.path("store").display());
    let told = world.icecore(&["link", id, "--store", &store])?;
    let text = String::from_utf8_lossy(&told.stdout);
    for part in [
        "what a model wrote for a sub-agent",
        TASK,
        "what a person wrote",
        PROMPT,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    Ok(())
}

/// Two at once, in one process: the one's command holds its SQL, the other one's runs a script that no model wrote.
#[test]
fn of_two_sub_agents_at_once_each_has_its_own_and_a_hidden_statement_is_none_of_theirs()
-> Result<()> {
    let agents = Agents::start(READ)?;
    let query = &agents.query;
    let hidden = agents.bed.world.path("home").join("hidden.sh");
    std::fs::write(&hidden, format!("sleep 1; {query} 'select 513 as A'\n"))?;
    let (one, two) = ("Look at the first half.", "Look at the second half.");
    agents.run_with(
        vec![json!({"text": "I hand it on.", "tools": [hands_on(one), hands_on(two)]})],
        vec![
            json!({"prompt": one, "turns": [
                {"tools": [bash(&format!("{query} 'select 511 as A'; sleep 5"))]}, {"text": "Done."},
            ]}),
            json!({"prompt": two, "turns": [
                {"tools": [bash(&format!("{query} 'select 512 as A'; sh {}", hidden.display()))]}, {"text": "Done."},
            ]}),
        ],
    )?;
    let links = agents.links()?;
    check(&links, "select 511 as A", ("A", Some("toolu_task0_0_0")));
    check(&links, "select 512 as A", ("A", Some("toolu_task1_0_0")));
    let hidden = &links["select 513 as A"];
    let grade = hidden["grade"].as_str().context("a grade")?;
    assert!(["C", "D"].contains(&grade), "{hidden:#}");
    Ok(())
}
