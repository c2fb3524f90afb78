//! What a login may do at Snowflake, asked of Snowflake itself before anybody gets tokens for it.
//!
//! The login asks for one role and no secondary ones. Whether it got that, only Snowflake can tell: a user's default
//! secondary roles are all of its roles, and then the primary role restricts nothing.

use std::sync::Arc;

use hyper::Method;

use super::client::Headers;
use super::login::fresh_ids;
use super::query::{Way, patient, poll};
use super::{Account, Answered, Login, Upstream, UpstreamError};
use crate::snowflake::json::Object;

/// One round trip, and no warehouse: Snowflake answers it from what it knows of the session.
///
/// The comment tells whoever reads the account's query history where it comes from.
pub(super) const LOOK: &str = "/* icecore login check */ select current_user(), current_role(), current_secondary_roles(), current_warehouse()";

/// Sent only if the login still has secondary roles.
pub(super) const SWITCH_OFF: &str = "/* icecore login check */ use secondary roles none";

/// What a login may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The user that it is.
    pub user: String,
    /// Its primary role.
    pub role: String,
    /// Its secondary roles; empty if they are off.
    pub secondary_roles: String,
    /// Its warehouse.
    pub warehouse: Option<String>,
}

/// A login that is not what the config says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a login with {expected}, found {found}")]
pub struct Unlike {
    /// What the config says.
    pub expected: String,
    /// What Snowflake says.
    pub found: String,
}

impl Standing {
    /// Reads what a login may do, and switches secondary roles off if they are on.
    ///
    /// # Errors
    /// No usable answer.
    pub(super) async fn read(
        upstream: &Upstream,
        login: &Arc<Login>,
    ) -> Result<Self, UpstreamError> {
        let found = Self::look(upstream, login).await?;
        if found.secondary_roles.is_empty() {
            return Ok(found);
        }
        // What it answers is not looked at: what counts is how the login stands after it.
        ask(upstream, login, SWITCH_OFF).await?;
        Self::look(upstream, login).await
    }

    async fn look(upstream: &Upstream, login: &Arc<Login>) -> Result<Self, UpstreamError> {
        let answered = ask(upstream, login, LOOK).await?;
        Self::of(&answered).ok_or_else(|| UpstreamError::Broke {
            host: login.host().to_owned(),
            cause: "expected the login's user, role, secondary roles and warehouse, found something else"
                .to_owned(),
        })
    }

    fn of(answered: &Answered) -> Option<Self> {
        let data = answered.answer().data()?;
        let rows: Vec<[Option<String>; 4]> = data.read_as("rowset")?;
        let [[user, role, secondary, warehouse]] = <[_; 1]>::try_from(rows).ok()?;
        Some(Self {
            user: user?,
            role: role?,
            secondary_roles: secondary_roles(&secondary?)?,
            warehouse: warehouse.filter(|name| !name.is_empty()),
        })
    }

    /// Checks it against what the config says of the account.
    pub(super) fn check(self, account: &Account) -> Result<Self, Unlike> {
        let warehouse = account.warehouse.as_deref();
        let is_like = is_name(&account.user, &self.user)
            && is_name(&account.role, &self.role)
            && self.secondary_roles.is_empty()
            && warehouse.is_none_or(|name| {
                let found = self.warehouse.as_deref();
                found.is_some_and(|found| is_name(name, found))
            });
        if is_like {
            return Ok(self);
        }
        let pinned = warehouse.map_or_else(String::new, |name| format!(", warehouse `{name}`"));
        Err(Unlike {
            expected: format!(
                "user `{}`, role `{}`, no secondary roles{pinned}",
                account.user, account.role
            ),
            found: format!(
                "user `{}`, role `{}`, secondary roles `{}`, warehouse `{}`",
                self.user,
                self.role,
                self.secondary_roles,
                self.warehouse.as_deref().unwrap_or_default()
            ),
        })
    }
}

/// Reads `{"roles":"A,B","value":"ALL"}`; empty if they are off.
///
/// `ALL` with no role to name is not off: roles that are granted later count at once (Snowflake, `USE SECONDARY ROLES`).
pub(super) fn secondary_roles(text: &str) -> Option<String> {
    let found = Object::read(text.as_bytes()).ok()?;
    let (roles, value): (String, String) = (found.read_as("roles")?, found.read_as("value")?);
    let is_off = roles.is_empty() && (value.is_empty() || value.eq_ignore_ascii_case("none"));
    Some(match (is_off, roles.is_empty()) {
        (true, _) => String::new(),
        (false, true) => value,
        (false, false) => roles,
    })
}

/// Tells whether a name of the config is the one that Snowflake tells: unquoted ones are folded to upper case.
pub(super) fn is_name(config: &str, found: &str) -> bool {
    let quoted = config
        .strip_prefix('"')
        .and_then(|name| name.strip_suffix('"'));
    quoted.map(|name| name.replace("\"\"", "\"")).as_deref() == Some(found)
        || config == found
        || config.to_uppercase() == found
}

/// Runs a statement of Icecore's own, whose answer is JSON whatever the login's driver reads.
pub(super) async fn ask(
    upstream: &Upstream,
    login: &Arc<Login>,
    sql: &str,
) -> Result<Answered, UpstreamError> {
    let formats = ["PYTHON_CONNECTOR", "JDBC", "GO", "ODBC", "DOTNET", "C_API"];
    let mut parameters = Object::default();
    let mut body = Object::default();
    let written = formats
        .iter()
        .try_for_each(|driver| parameters.set(&format!("{driver}_QUERY_RESULT_FORMAT"), "JSON"))
        .and_then(|()| parameters.set("MULTI_STATEMENT_COUNT", &1))
        // The login may have set a limit, behind which names could stand unseen.
        .and_then(|()| parameters.set("ROWS_PER_RESULTSET", &0))
        .and_then(|()| body.set("sqlText", sql))
        .and_then(|()| body.set("asyncExec", &false))
        .and_then(|()| body.set("sequenceId", &0))
        .and_then(|()| body.set("parameters", &parameters))
        .and_then(|()| body.write())
        .map_err(|error| UpstreamError::Request(error.to_string()))?;
    let way = Way {
        upstream,
        login,
        headers: &Headers::own(),
    };
    let path = format!("/queries/v1/query-request?{}", fresh_ids());
    let mut answered: Answered = patient(way, Method::POST, |_| path.clone(), written).await?;
    while answered.answer().in_progress() {
        let query_id = answered.answer().query_id();
        let query_id = query_id.ok_or_else(|| refused(login, "a statement without an id"))?;
        answered = poll(way, query_id).await?;
    }
    if !answered.answer().success() {
        let words = answered.answer().message().unwrap_or_default();
        return Err(refused(login, &format!("an error: {words}")));
    }
    Ok(answered)
}

fn refused(login: &Login, found: &str) -> UpstreamError {
    UpstreamError::Broke {
        host: login.host().to_owned(),
        cause: format!("expected an answer to a look of Icecore's own, found {found}"),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;

    fn read(row: &serde_json::Value) -> Option<Standing> {
        let body = json!({"success": true, "data": {"rowset": [row]}}).to_string();
        Standing::of(&Answered::read(Bytes::from(body)).unwrap())
    }

    #[track_caller]
    fn reads(secondary: &str, expected: Option<&str>) {
        let found = read(&json!(["SVC", "ANALYST", secondary, "WH"]));
        assert_eq!(
            found.map(|found| found.secondary_roles).as_deref(),
            expected
        );
    }

    #[test]
    fn secondary_roles_are_off_only_if_snowflake_says_so() {
        reads(r#"{"roles":"","value":""}"#, Some(""));
        reads(r#"{"roles":"","value":"NONE"}"#, Some(""));
        reads(r#"{"roles":"","value":"ALL"}"#, Some("ALL"));
        reads(r#"{"roles":"LOADER","value":"ALL"}"#, Some("LOADER"));
        reads(r#"{"roles":"LOADER","value":""}"#, Some("LOADER"));
        reads(r#"{"roles":""}"#, None);
        reads("", None);
        reads("NONE", None);
    }

    #[test]
    fn a_login_of_another_user_role_or_warehouse_is_unlike() {
        let mut account = Account::of_host("h");
        account.warehouse = Some("WH".to_owned());
        let off = r#"{"roles":"","value":""}"#;
        let is_like = |row: serde_json::Value| read(&row).unwrap().check(&account).is_ok();
        assert!(is_like(json!(["SVC", "ANALYST", off, "WH"])));
        assert!(!is_like(json!(["EVE", "ANALYST", off, "WH"])));
        assert!(!is_like(json!(["SVC", "ADMIN", off, "WH"])));
        assert!(!is_like(json!(["SVC", "ANALYST", off, "BIG"])));
    }

    #[test]
    fn an_answer_of_another_shape_is_none() {
        let off = r#"{"roles":"","value":""}"#;
        assert!(read(&json!(["SVC", "ANALYST", off, null])).is_some());
        for row in [
            json!(["SVC", null, off, "WH"]),
            json!([null, "ANALYST", off, "WH"]),
            json!(["ANALYST", off, "WH"]),
            json!([]),
        ] {
            assert_eq!(read(&row), None, "{row}");
        }
    }

    #[test]
    fn names_are_folded_as_snowflake_folds_them() {
        for (config, found, same) in [
            ("ANALYST", "ANALYST", true),
            ("analyst", "ANALYST", true),
            ("\"My Role\"", "My Role", true),
            ("My Role", "My Role", true),
            ("ANALYST", "analyst", false),
            ("\"analyst\"", "ANALYST", false),
            ("ANALYST", "ANALYST2", false),
        ] {
            assert_eq!(is_name(config, found), same, "{config} {found}");
        }
    }
}
