//! One managed MCP server, as `DESCRIBE MCP SERVER` tells of it. Its own endpoint is not served: whoever asks it finds none.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::answers::SqlError;
use super::execution;
use super::results::Table;
use super::statements::{Ended, Statement};

/// `statementTypeId` of `DESCRIBE`, which Snowflake tells as `SHOW`. Source: reference protocol 4.2.
const SHOW: i64 = 0x4400;

/// The whole name of the server, as SQL writes it.
const SERVER: &str = r#""ACME_DB"."PUBLIC"."TOOLS""#;

/// Columns of the answer. Source: Snowflake's reference, "DESCRIBE MCP SERVER".
const COLUMNS: [&str; 7] = [
    "name",
    "database_name",
    "schema_name",
    "owner",
    "comment",
    "server_spec",
    "created_on",
];

/// Runs the question about a server; `None` if it is none.
pub(super) fn run(statement: &Statement, sql: &str) -> Option<Ended> {
    let (_, asked) = sql.split_once("*/ describe mcp server ")?;
    if asked != SERVER {
        let words = format!(
            "SQL compilation error:\nMCP server '{asked}' does not exist or not authorized."
        );
        return Some(Err(Arc::new(SqlError::new("002003", "02000", &words))));
    }
    let row: Vec<Value> = [
        "TOOLS",
        "ACME_DB",
        "PUBLIC",
        "SYSADMIN",
        "",
        &spec(),
        "1760000000.000",
    ]
    .map(|text| json!(text))
    .into();
    let data = Map::from_iter([("statementTypeId".to_owned(), json!(SHOW))]);
    let table = Arc::new(Table::texts(&COLUMNS, vec![row]));
    Some(Ok(execution::outcome(statement, data, table)))
}

/// A tool of each type, and one that runs SQL under settings.
fn spec() -> String {
    json!({ "tools": [
        {"name": "sql_exec", "type": "SYSTEM_EXECUTE_SQL", "title": "SQL", "description": "Runs SQL."},
        {"name": "analyst", "type": "CORTEX_ANALYST_MESSAGE", "identifier": "ACME_DB.PUBLIC.ORDERS_VIEW"},
        {"name": "search", "type": "CORTEX_SEARCH_SERVICE_QUERY", "identifier": "ACME_DB.PUBLIC.SEARCH"},
        {"name": "agent", "type": "CORTEX_AGENT_RUN", "identifier": "ACME_DB.PUBLIC.AGENT"},
        {"name": "proc", "type": "GENERIC", "identifier": "ACME_DB.PUBLIC.PROC", "config": {"type": "procedure"}},
        {"name": "limited", "type": "SYSTEM_EXECUTE_SQL", "config": {"read_only": true}},
    ]})
    .to_string()
}
