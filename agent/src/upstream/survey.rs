//! What an account's user may do beyond a login, as far as Snowflake tells the login itself; for the operator alone.

use std::sync::Arc;

use super::standing::{ask, is_name};
use super::{Account, Answered, Login, Upstream, UpstreamError};
use crate::snowflake::json::Object;

/// What could be seen of a user; `None` where its own role may not look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The roles that it holds.
    pub roles: Option<Vec<String>>,
    /// The network policy that holds for it; empty if there is none.
    pub network_policy: Option<String>,
    /// How many programmatic access tokens it has.
    pub access_tokens: Option<usize>,
}

impl Survey {
    /// Looks by SHOW alone, which needs no warehouse.
    ///
    /// # Errors
    /// Snowflake cannot be reached; a look that is refused is no error.
    pub async fn take(
        upstream: &Upstream,
        login: &Arc<Login>,
        account: &Account,
    ) -> Result<Self, UpstreamError> {
        let user = quoted(&account.user);
        let see = |sql: String| async move {
            match ask(upstream, login, &sql).await {
                Ok(answered) => Ok(Some(answered)),
                Err(UpstreamError::Broke { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let roles = see(format!("show grants to user {user}")).await?;
        let policy = format!("show parameters like 'NETWORK_POLICY' for user {user}");
        let policy = see(policy).await?;
        let tokens = see("show user programmatic access tokens".to_owned()).await?;
        Ok(Self {
            roles: roles.and_then(|answered| column(&answered, "role")),
            network_policy: policy
                .and_then(|answered| column(&answered, "value"))
                .map(|values| values.concat()),
            access_tokens: tokens
                .and_then(|answered| column(&answered, "name"))
                .map(|names| names.len()),
        })
    }

    /// Says what is more than a narrow user needs, one line each; `needed` are the roles that it logs in with.
    #[must_use]
    pub fn warnings(&self, needed: &[&str]) -> Vec<String> {
        [self.unseen(), self.excess(needed)].concat()
    }

    /// Says what could not be seen of a user, one line each.
    #[must_use]
    pub fn unseen(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.roles.is_none() {
            warnings.push("its roles could not be seen".to_owned());
        }
        if self.network_policy.is_none() {
            warnings.push("its network policy could not be seen".to_owned());
        }
        if self.access_tokens.is_none() {
            warnings.push("its programmatic access tokens could not be seen".to_owned());
        }
        warnings
    }

    /// Says what was seen that is more than a narrow user needs, one line each.
    #[must_use]
    pub fn excess(&self, needed: &[&str]) -> Vec<String> {
        let mut warnings = Vec::new();
        let is_more = |role: &String| !needed.iter().any(|needed| is_name(needed, role));
        match &self.roles {
            Some(roles) if roles.iter().any(is_more) => warnings.push(format!(
                "it holds {} roles ({}); {} is enough: take the others away",
                roles.len(),
                roles.join(", "),
                needed.join(", ")
            )),
            Some(_) | None => {}
        }
        if self.network_policy.as_deref() == Some("") {
            warnings.push(
                "no network policy holds for it: a credential that leaks works from anywhere"
                    .to_owned(),
            );
        }
        match self.access_tokens {
            Some(0) | None => {}
            Some(count) => warnings.push(format!(
                "it has {count} programmatic access token(s): each works without Icecore"
            )),
        }
        warnings
    }
}

/// Gives the cells of one column of a SHOW.
fn column(answered: &Answered, name: &str) -> Option<Vec<String>> {
    let data = answered.answer().data()?;
    let columns: Vec<Object> = data.read_as("rowtype")?;
    let is_it = |column: &Object| {
        let found: Option<String> = column.read_as("name");
        found.is_some_and(|found| found.eq_ignore_ascii_case(name))
    };
    let place = columns.iter().position(is_it)?;
    let rows: Vec<Vec<Option<String>>> = data.read_as("rowset")?;
    let cell = |row: &Vec<Option<String>>| Some(row.get(place)?.clone().unwrap_or_default());
    rows.iter().map(cell).collect()
}

/// Writes a user's name as an identifier; an unquoted one is folded as Snowflake folds it.
fn quoted(user: &str) -> String {
    if user.len() > 1 && user.starts_with('"') && user.ends_with('"') {
        return user.to_owned();
    }
    format!("\"{}\"", user.to_uppercase().replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_column_is_found_by_its_name_and_cells_are_text() {
        let body = br#"{"success":true,"data":{"rowtype":[{"name":"created_on"},{"name":"role"}],"rowset":[["1","ANALYST"],["2",null]]}}"#;
        let answered = Answered::read(Bytes::from_static(body)).unwrap();
        let roles = Some(vec!["ANALYST".to_owned(), String::new()]);
        assert_eq!(column(&answered, "ROLE"), roles);
        assert_eq!(column(&answered, "absent"), None);
    }

    #[test]
    fn roles_that_no_login_needs_are_warned_of() {
        let warnings = |roles: &[&str], needed: &[&str]| {
            let survey = Survey {
                roles: Some(roles.iter().map(|&role| role.to_owned()).collect()),
                network_policy: Some("P".to_owned()),
                access_tokens: Some(0),
            };
            survey.warnings(needed)
        };
        let both = ["ANALYST", "LOADER"];
        let more = "it holds 2 roles (ANALYST, LOADER); ANALYST is enough: take the others away";
        assert_eq!(warnings(&both, &["ANALYST"]), [more]);
        assert_eq!(warnings(&both, &["analyst", "LOADER"]), [""; 0]);
        assert_eq!(warnings(&["ANALYST"], &["ANALYST"]), [""; 0]);
    }

    #[test]
    fn a_users_name_cannot_leave_its_quotes() {
        assert_eq!(quoted("svc"), "\"SVC\"");
        assert_eq!(quoted("\"My Svc\""), "\"My Svc\"");
        assert_eq!(quoted("a\" or \"b"), "\"A\"\" OR \"\"B\"");
    }
}
