//! What a session may do: `CURRENT_ROLE()` and its kin, and `USE SECONDARY ROLES`.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Gate;
use super::execution::{self, SELECT};
use super::results::Table;
use super::sessions::Session;
use super::settings::SecondaryRoles;
use super::statements::{Ended, Statement};

/// `statementTypeId` of `USE`. Source: reference protocol 4.2.
const USE: i64 = 0x4300;

/// `statementTypeId` of `SHOW`. Source: reference protocol 4.2.
const SHOW: i64 = 0x4400;

/// What a user with secondary roles has beside the account's one role.
const OTHER_ROLE: &str = "LOADER";

/// Runs such a statement; `None` if it is none. Comments before it are passed over.
pub(super) fn run(gate: &Gate, statement: &Statement, sql: &str) -> Option<Ended> {
    let sql = match sql.strip_prefix("/*") {
        Some(rest) => rest.split_once("*/")?.1,
        None => sql,
    };
    let sql = sql.trim().to_ascii_lowercase();
    let session = &statement.session;
    if let Some(which) = sql.strip_prefix("use secondary roles ") {
        if gate.tuning().secondary_roles != SecondaryRoles::Never {
            session.set_secondary_roles(which.trim() != "none");
        }
        let row = vec![json!("Statement executed successfully.")];
        return Some(Ok(table(statement, USE, &["status"], row)));
    }
    if sql == "show parameters like 'query_tag' in session" {
        return Some(Ok(tag(gate, statement)));
    }
    if let Some(ended) = show(statement, &sql, gate.tuning().narrow_user) {
        return Some(ended);
    }
    let names: Vec<&str> = sql
        .strip_prefix("select ")?
        .split(',')
        .map(str::trim)
        .collect();
    let cells: Option<Vec<Value>> = names.iter().map(|name| cell(session, name)).collect();
    let cells = cells?;
    let names: Vec<String> = names.iter().map(|name| name.to_ascii_uppercase()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Some(Ok(table(statement, SELECT, &names, cells)))
}

/// What SHOW tells a user of itself: two roles and no network policy, or one and one; no tokens.
fn show(statement: &Statement, sql: &str, is_narrow: bool) -> Option<Ended> {
    let user = format!(
        "\"{}\"",
        statement.session.account.user.to_ascii_lowercase()
    );
    let role = |role: &str| vec![json!("1760000000.000"), json!(role), json!("USER")];
    let (columns, rows): (&[&str], Vec<Vec<Value>>) = if sql
        == format!("show grants to user {user}")
    {
        let roles = [statement.session.account.role.as_str(), OTHER_ROLE];
        (
            &["created_on", "role", "granted_to"],
            roles
                .map(role)
                .into_iter()
                .take(if is_narrow { 1 } else { 2 })
                .collect(),
        )
    } else if sql == format!("show parameters like 'network_policy' for user {user}") {
        let policy = if is_narrow { "RUNNERS" } else { "" };
        let row = vec![json!("NETWORK_POLICY"), json!(policy), json!("")];
        (&["key", "value", "default"], vec![row])
    } else if sql == "show parameters in session" {
        let columns = &["key", "value", "default", "level"];
        let set = statement
            .session
            .parameters()
            .into_iter()
            .map(|(name, value)| {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                vec![json!(name), json!(value), json!(""), json!("SESSION")]
            });
        let unset = vec![json!("WEEK_START"), json!("0"), json!("0"), json!("")];
        (columns, set.chain([unset]).collect())
    } else if sql.starts_with("explain using json ") {
        let told = r#"{"GlobalStats":{"partitionsTotal":4,"partitionsAssigned":1,"bytesAssigned":2048},"Operations":[]}"#;
        (&["content"], vec![vec![json!(told)]])
    } else if sql == "show variables" {
        let row = |(name, value): (String, String)| vec![json!("1"), json!(name), json!(value)];
        let variables = statement.session.variables().into_iter();
        (
            &["session_id", "name", "value"],
            variables.map(row).collect(),
        )
    } else if sql == "show user programmatic access tokens" {
        (&["name", "user_name"], Vec::new())
    } else {
        return None;
    };
    let data = Map::from_iter([("statementTypeId".to_owned(), json!(SHOW))]);
    let table = Arc::new(Table::texts(columns, rows));
    Some(Ok(execution::outcome(statement, data, table)))
}

/// Gives the query tag that a statement runs under: its own, its session's, its user's.
pub(super) fn tag_of(gate: &Gate, statement: &Statement) -> Option<Value> {
    let users = || gate.tuning().user_tag.then(|| json!("of the user"));
    statement.parameter("QUERY_TAG").or_else(users)
}

/// Tells where the session's query tag is set.
fn tag(gate: &Gate, statement: &Statement) -> Arc<super::results::Outcome> {
    let level = match statement.session.parameter("QUERY_TAG") {
        Some(_) => "SESSION",
        None if gate.tuning().user_tag => "USER",
        None => "",
    };
    let value = tag_of(gate, statement).unwrap_or_else(|| json!(""));
    let row = vec![json!("QUERY_TAG"), value, json!(""), json!(level)];
    table(statement, SHOW, &["key", "value", "default", "level"], row)
}

fn cell(session: &Session, name: &str) -> Option<Value> {
    match name {
        "current_role()" => Some(json!(session.account.role)),
        "current_user()" => Some(json!(session.account.user)),
        "current_database()" => Some(session.place().0),
        "current_schema()" => Some(session.place().1),
        "current_transaction()" => Some(json!(
            session.is_in_transaction().then_some("1760000000000000000")
        )),
        "current_warehouse()" => Some(json!(session.account.warehouse)),
        "current_secondary_roles()" => {
            let found = if session.has_secondary_roles() {
                json!({"roles": OTHER_ROLE, "value": "ALL"})
            } else {
                json!({"roles": "", "value": ""})
            };
            Some(json!(found.to_string()))
        }
        _ => None,
    }
}

fn table(
    statement: &Statement,
    type_id: i64,
    columns: &[&str],
    row: Vec<Value>,
) -> Arc<super::results::Outcome> {
    let data = Map::from_iter([("statementTypeId".to_owned(), json!(type_id))]);
    let table = Arc::new(Table::texts(columns, vec![row]));
    execution::outcome(statement, data, table)
}
