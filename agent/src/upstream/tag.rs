//! Where a login's query tag is set, asked of Snowflake itself: the user or the account may have one.

use std::sync::Arc;

use super::place::pairs;
use super::standing::ask;
use super::{Login, Upstream, UpstreamError};
use crate::snowflake::answer::Answer;
use crate::snowflake::tag::QUERY_TAG;

/// Answered from what Snowflake knows of the session, without a warehouse.
pub(super) const TAG: &str =
    "/* icecore login check */ show parameters like 'QUERY_TAG' in session";

/// Where it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetAt {
    /// Nowhere.
    Nowhere,
    /// In the session; whether it is elsewhere too does not show.
    Session,
    /// For the user or the account.
    Above,
}

/// Asks where a login's query tag is set.
///
/// # Errors
/// No usable answer.
pub async fn tag_set_at(upstream: &Upstream, login: &Arc<Login>) -> Result<SetAt, UpstreamError> {
    let found = ask(upstream, login, TAG).await?;
    set_at(found.answer()).ok_or_else(|| UpstreamError::Broke {
        host: login.host().to_owned(),
        cause: "expected one row that tells where `QUERY_TAG` is set, found something else"
            .to_owned(),
    })
}

/// Source: Snowflake, "SHOW PARAMETERS": `level` is empty where a parameter has its default.
fn set_at(answer: &Answer) -> Option<SetAt> {
    let levels = pairs(answer, ["key", "level"])?;
    let values = pairs(answer, ["key", "value"])?;
    match (
        levels.get(QUERY_TAG)?.as_str(),
        values.get(QUERY_TAG)?.as_str(),
    ) {
        ("", "") => Some(SetAt::Nowhere),
        ("SESSION", _) => Some(SetAt::Session),
        (_, _) => Some(SetAt::Above),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn found(rows: &Value) -> Option<SetAt> {
        let columns = ["key", "value", "default", "level"].map(|name| json!({ "name": name }));
        let total = rows.as_array().map_or(0, Vec::len);
        let data = json!({ "rowset": rows, "rowtype": columns, "total": total });
        let body = json!({ "success": true, "data": data }).to_string();
        set_at(&Answer::read(body.as_bytes()).unwrap())
    }

    #[test]
    fn a_tag_is_nowhere_only_where_snowflake_says_so() {
        let row = |value: &str, level: &str| json!([["QUERY_TAG", value, "", level]]);
        assert_eq!(found(&row("", "")), Some(SetAt::Nowhere));
        assert_eq!(found(&row("t", "SESSION")), Some(SetAt::Session));
        for (value, level) in [("t", "USER"), ("", "USER"), ("t", "ACCOUNT"), ("t", "")] {
            assert_eq!(
                found(&row(value, level)),
                Some(SetAt::Above),
                "{value} {level}"
            );
        }
        assert_eq!(found(&json!([])), None);
        assert_eq!(found(&json!([["QUERYXTAG", "", "", ""]])), None);
    }
}
