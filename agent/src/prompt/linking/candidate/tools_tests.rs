//! What tools are taken to do with their arguments.

use super::*;

#[track_caller]
fn check(name: &str, arguments: &str, key: &str, expected: Role) {
    let found = Tool::of(name, arguments.as_bytes()).role(key);
    assert_eq!(found, expected, "{name} {arguments} {key}");
}

#[test]
fn a_tool_that_runs_runs_its_statement() {
    for (name, key) in [
        ("mcp__sf__query", "query"),
        ("mcp__data-platform__execute", "statement"),
        ("run_snowflake_query", "sql"),
        ("mcp__sf__read_query", "query"),
        ("sf.batch", "statements"),
        ("cortex_execute", "sql_text"),
        ("executeSql", "q"),
        ("reports", "sql"),
        ("mcp__warehouse__run_sql", "sql"),
        ("query_database", "sql_query"),
    ] {
        check(name, "{}", key, Role::Run);
    }
    check(
        "call_tool",
        r#"{"server":"snowflake","tool":"run"}"#,
        "sql",
        Role::Run,
    );
}

#[test]
fn a_tool_that_does_another_thing_holds_it() {
    for (name, key) in [
        ("WebSearch", "query"),
        ("mcp__slack__post_message", "text"),
        ("mcp__docs__search", "query"),
        ("save_query", "sql"),
        ("explain_sql", "sql"),
        ("mcp__postgres__query", "sql"),
        ("reports", "query"),
        ("mcp__sf__query", "expected_sql"),
        ("mcp__sf__query", "description"),
    ] {
        check(name, "{}", key, Role::Held);
    }
    check(
        "run_sql",
        r#"{"sql":"x","dry_run":true}"#,
        "sql",
        Role::Held,
    );
    check(
        "run_sql",
        r#"{"sql":"x","options":{"mode":"explain"}}"#,
        "sql",
        Role::Held,
    );
    check(
        "run_sql",
        r#"{"sql":"x","dry_run":false}"#,
        "sql",
        Role::Run,
    );
    check(
        "call_tool",
        r#"{"server":"slack","tool":"run"}"#,
        "sql",
        Role::Held,
    );
}
