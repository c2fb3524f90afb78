//! Claude Code, unmodified, with a managed MCP server: it calls the tool itself, and what it was asked leads to the statement.

use std::fs;

use anyhow::{Result, anyhow};
use icecore_tests::model::Script;
use serde_json::{Value, json};

use super::{Bed, READ, reload};

const PROMPT: &str = "how many orders are there?";

const SQL: &str = "select count(*) as N from ORDERS";

/// The server as Claude Code is told of it; its credential is worth nothing.
fn servers() -> String {
    let url = "https://acme.snowflakecomputing.com/api/v2/databases/ACME_DB/schemas/PUBLIC/mcp-servers/TOOLS";
    let headers = json!({"Authorization": "Bearer pat-of-the-agent"});
    json!({"mcpServers": {"sf": {"type": "http", "url": url, "headers": headers}}}).to_string()
}

#[test]
fn claude_codes_own_call_of_a_sql_tool_is_a_statement_with_a_prompt() -> Result<()> {
    let bed = Bed::start(READ)?;
    let file = bed.world.config_file();
    let config = fs::read_to_string(&file)?;
    fs::write(
        &file,
        config.replace("warehouse = \"WH\"", "warehouse = \"WH\"\nmcp = true"),
    )?;
    reload(&bed.world)?;
    let tool = |sql: &str| json!({"name": "mcp__sf__sql_exec", "input": {"sql": sql}});
    let model = bed.model(&Script {
        turns: vec![
            // It connects to its servers while its model is asked.
            json!({"text": "I wait.", "tools": [{"name": "Bash", "input": {"command": "sleep 3", "description": "Waits"}}]}),
            json!({"tools": [tool(SQL)]}),
            json!({"tools": [tool("drop table ORDERS")]}),
            json!({"text": "Done."}),
        ],
        keep_bodies: true,
        ..Script::default()
    })?;
    let output = bed
        .claude(PROMPT, "Bash,mcp__sf__sql_exec")?
        .args(["--mcp-config", &servers(), "--strict-mcp-config"])
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("Done."),
        "{said}\n{log}"
    );
    // The model was told the rows, and why the other statement did not run.
    let asked = model.events("asked")?;
    let bodies: String = asked.iter().map(|one| one["body"].to_string()).collect();
    assert!(bodies.contains("result_set"), "{said}");
    assert!(bodies.contains("Icecore refused this statement"), "{said}");
    assert_eq!(bed.world.gate.executed()?, [SQL]);

    bed.world.flush()?;
    let rows = bed.world.query(
        "select distinct t.sql_text, s.started_at, s.status, q.request_id like 'mcp-%' as by_mcp, k.grade, k.tool_call_id, k.mismatch, k.evidence, \
         p.text as prompt, c.tool_name, c.mcp_server \
         from statement_texts t join trail s using (statement_id) join statements q using (statement_id) left join best_links k using (statement_id) \
         left join prompts p using (prompt_key) left join tool_calls c on c.tool_call_id = k.tool_call_id \
         where q.is_final order by s.started_at",
    )?;
    let [read, dropped] = <[Value; 2]>::try_from(rows)
        .map_err(|rows| anyhow!("expected two statements, found {rows:#?}"))?;
    for (row, status, call) in [
        (&read, "success", "toolu_1_0"),
        (&dropped, "blocked", "toolu_2_0"),
    ] {
        assert_eq!(
            (&row["status"], &row["by_mcp"], &row["tool_call_id"]),
            (&json!(status), &json!(true), &json!(call)),
            "{row:#}\n{log}"
        );
        assert_eq!(row["prompt"], PROMPT, "{row:#}");
        // Its own process asked the model and sent the statement: the same text while the one use is open.
        assert_eq!(
            (&row["grade"], &row["mcp_server"]),
            (&json!("A"), &json!("sf")),
            "{row:#}"
        );
    }
    Ok(())
}
