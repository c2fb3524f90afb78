//! Where a login is and what its session has set, asked of Snowflake itself while a statement waits for people and before it
//! is sent: what the login's own statements were read to do is a guess, and this is not.
//!
//! It is asked in the agent's own login, whose last query it becomes: `LAST_QUERY_ID` is refused to agents.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::standing::{ask, secondary_roles};
use super::{Login, Upstream, UpstreamError};
use crate::approval::Place;
use crate::snowflake::answer::Answer;
use crate::snowflake::json::Object;

/// Answered from what Snowflake knows of the session, without a warehouse.
pub(super) const WHERE: &str = "/* icecore hold */ select current_user(), current_role(), current_secondary_roles(), current_warehouse(), current_database(), current_schema(), current_transaction()";

/// Lists every parameter with the level at which it is set.
pub(super) const PARAMETERS: &str = "/* icecore hold */ show parameters in session";

/// Lists the session's variables.
pub(super) const VARIABLES: &str = "/* icecore hold */ show variables";

/// Asks where a login is.
///
/// # Errors
/// No usable answer: nobody can tell then what its statements mean.
pub async fn place(upstream: &Upstream, login: &Arc<Login>) -> Result<Place, UpstreamError> {
    let unlike = |what: &'static str| UpstreamError::Broke {
        host: login.host().to_owned(),
        cause: format!("expected {what}, found something else"),
    };
    let found = ask(upstream, login, WHERE).await?;
    let place = place_of(found.answer());
    let mut place = place.ok_or_else(|| unlike("one row that tells where the login is"))?;
    let found = ask(upstream, login, PARAMETERS).await?;
    let set = set_in_session(found.answer());
    place.parameters = set.ok_or_else(|| unlike("all parameters of the session at once"))?;
    let found = ask(upstream, login, VARIABLES).await?;
    let variables = pairs(found.answer(), ["name", "value"]);
    place.variables = variables.ok_or_else(|| unlike("all variables of the session at once"))?;
    Ok(place)
}

fn place_of(answer: &Answer) -> Option<Place> {
    let rows: Vec<[Option<String>; 7]> = answer.data()?.read_as("rowset")?;
    let [
        [
            user,
            role,
            secondary,
            warehouse,
            database,
            schema,
            transaction,
        ],
    ] = <[_; 1]>::try_from(rows).ok()?;
    let some = |name: Option<String>| name.filter(|name| !name.is_empty());
    let secondary = secondary_roles(&secondary?)?;
    let secondary = secondary.split(',').map(str::trim);
    Some(Place {
        user: user?,
        role: some(role),
        secondary_roles: secondary
            .filter(|role| !role.is_empty())
            .map(str::to_owned)
            .collect(),
        warehouse: some(warehouse),
        database: some(database),
        schema: some(schema),
        in_transaction: some(transaction).is_some(),
        ..Place::default()
    })
}

fn set_in_session(answer: &Answer) -> Option<BTreeMap<String, String>> {
    let levels = pairs(answer, ["key", "level"])?;
    let mut set = pairs(answer, ["key", "value"])?;
    let is_set = |name: &str| levels.get(name).is_some_and(|level| level == "SESSION");
    set.retain(|name, _| is_set(name));
    Some(set)
}

/// Reads two columns of all rows of an answer; one that came in parts is none, since a part alone would be too little.
pub(super) fn pairs(answer: &Answer, names: [&str; 2]) -> Option<BTreeMap<String, String>> {
    let data = answer.data()?;
    let rows: Vec<Vec<Option<String>>> = data.read_as("rowset")?;
    let total = usize::try_from(answer.rows()?).ok()?;
    if total != rows.len() || data.has_content("chunks") {
        return None;
    }
    let columns: Vec<Object> = data.read_as("rowtype")?;
    let place = |name: &str| {
        let is_it = |told: String| told.eq_ignore_ascii_case(name);
        columns
            .iter()
            .position(|column| column.read_as("name").is_some_and(is_it))
    };
    let [first, second] = names.map(place);
    let (first, second) = (first?, second?);
    let pair = |row: &Vec<Option<String>>| {
        let key = row.get(first)?.clone()?;
        Some((key, row.get(second)?.clone().unwrap_or_default()))
    };
    rows.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn answer(columns: &[&str], rows: &Value, more: &Value) -> Answer {
        let columns: Vec<Value> = columns.iter().map(|name| json!({ "name": name })).collect();
        let total = rows.as_array().map_or(0, Vec::len);
        let mut data = json!({ "rowset": rows, "rowtype": columns, "total": total });
        data.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let body = json!({ "success": true, "data": data }).to_string();
        Answer::read(body.as_bytes()).unwrap()
    }

    #[test]
    fn parameters_are_those_that_the_session_has_set() {
        let columns = ["key", "value", "default", "level"];
        let rows = json!([
            ["TIMEZONE", "UTC", "America/Los_Angeles", "SESSION"],
            ["WEEK_START", "0", "0", ""],
            ["AUTOCOMMIT", "false", "true", "USER"],
        ]);
        let found = set_in_session(&answer(&columns, &rows, &json!({}))).unwrap();
        assert_eq!(
            found,
            BTreeMap::from([("TIMEZONE".to_owned(), "UTC".to_owned())])
        );
        for more in [json!({ "total": 4 }), json!({ "chunks": [{ "url": "x" }] })] {
            assert_eq!(
                set_in_session(&answer(&columns, &rows, &more)),
                None,
                "{more}"
            );
        }
        assert_eq!(
            set_in_session(&answer(&["key", "value"], &rows, &json!({}))),
            None
        );
    }

    #[test]
    fn a_place_is_one_row_in_snowflakes_words() {
        let off = r#"{"roles":"","value":""}"#;
        let rows = json!([["SVC", "ANALYST", off, "WH", "DB", null, "17"]]);
        let found = place_of(&answer(&[], &rows, &json!({}))).unwrap();
        assert_eq!(
            (found.database.as_deref(), found.schema),
            (Some("DB"), None)
        );
        assert!(found.in_transaction && found.secondary_roles.is_empty());
        for rows in [
            json!([]),
            json!([["SVC", "ANALYST", "?", "WH", null, null, null]]),
        ] {
            assert_eq!(place_of(&answer(&[], &rows, &json!({}))), None, "{rows}");
        }
    }
}
