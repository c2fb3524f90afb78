//! Several statements in one request, as `MULTI_STATEMENT_COUNT` allows them.

mod split;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Gate;
use super::answers::SqlError;
use super::execution;
use super::results::Table;
use super::statements::{Ended, Statement};
use split::Part;

/// `statementTypeId` of a request with several statements. Source: gosnowflake `statementTypeIDMultistatement`.
const MULTI: i64 = 0xA000;

/// Splits a statement's text and compares the count with the one that was asked for; 0 asks for any.
pub(super) fn counted(statement: &Statement) -> Result<Vec<Part>, SqlError> {
    let parts = split::parts(&statement.sql);
    if parts.is_empty() {
        return Err(SqlError::new(
            "000900",
            "42601",
            "SQL compilation error:\nEmpty SQL statement.",
        ));
    }
    let desired = match statement.parameter("MULTI_STATEMENT_COUNT") {
        None | Some(Value::Null) => Some(1),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(other) => other.as_u64(),
    };
    let Some(desired) = desired else {
        return Err(SqlError::new(
            "001008",
            "22023",
            "SQL compilation error:\ninvalid value for parameter 'MULTI_STATEMENT_COUNT'",
        ));
    };
    let actual = parts.len();
    if desired != 0 && desired != actual as u64 {
        let words = format!(
            "Actual statement count {actual} did not match the desired statement count {desired}."
        );
        return Err(SqlError::new("000008", "0A000", &words));
    }
    Ok(parts)
}

/// Counts the statements of a text.
#[must_use]
pub(super) fn count(sql: &str) -> usize {
    split::parts(sql).len()
}

/// Runs the parts in order; the first that fails fails the whole, and none after it runs.
pub(super) async fn run(gate: &Arc<Gate>, statement: &Arc<Statement>, parts: &[Part]) -> Ended {
    let facts = json!({"query_id": statement.id, "sql": statement.sql, "count": parts.len()});
    gate.journal.event("batch", facts);
    let mut types = Vec::new();
    if !statement.is_describe_only() {
        for (part, bindings) in parts.iter().zip(binds(statement, parts)) {
            let child = Arc::new(statement.part(&part.sql, bindings));
            gate.name(&child);
            statement.adopt(Arc::clone(&child));
            let ended = tokio::select! {
                ended = execution::one(gate, &child) => ended,
                () = child.until_cancelled() => execution::cancelled(gate, &child),
            };
            child.end(ended.clone());
            types.push(type_id(&*ended?));
        }
    }
    let ids: Vec<String> = statement
        .children()
        .iter()
        .map(|child| child.id.clone())
        .collect();
    let mut data = Map::from_iter([("statementTypeId".to_owned(), json!(MULTI))]);
    if !ids.is_empty() {
        data.insert("resultIds".into(), json!(ids.join(",")));
        data.insert("resultTypes".into(), json!(types.join(",")));
    }
    let row = vec![json!("Multiple statements executed successfully.")];
    let table = Table::texts(&["multiple statement execution"], vec![row]);
    Ok(execution::outcome(statement, data, Arc::new(table)))
}

fn type_id(outcome: &super::results::Outcome) -> String {
    let id = outcome.data.get("statementTypeId").and_then(Value::as_i64);
    id.unwrap_or_default().to_string()
}

/// Gives each part the binds that its question marks take, numbered from 1; named binds are everyone's.
fn binds(statement: &Statement, parts: &[Part]) -> Vec<Value> {
    let all = statement.body.get("bindings").and_then(Value::as_object);
    let Some(all) = all.filter(|all| !all.is_empty()) else {
        return vec![Value::Null; parts.len()];
    };
    let mut taken = 0;
    parts
        .iter()
        .map(|part| {
            if part.question_marks == 0 {
                return if all.keys().any(|key| key.parse::<u32>().is_err()) {
                    json!(all)
                } else {
                    Value::Null
                };
            }
            let own: Map<String, Value> = (1..=part.question_marks)
                .filter_map(|n| {
                    let value = all.get(&(taken + n).to_string())?;
                    Some((n.to_string(), value.clone()))
                })
                .collect();
            taken += part.question_marks;
            json!(own)
        })
        .collect()
}
