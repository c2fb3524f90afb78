//! A governed account: its names, and as whom Icecore logs in there.

use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::login::fresh_ids;
use super::{Credential, CredentialError};
use crate::config;
use crate::web;

/// Members of the login address that the client may choose. Role and warehouse are authority, not decoration.
const CLIENTS_CHOICE: [&str; 2] = ["databaseName", "schemaName"];

/// A governed account and the user that Icecore is there.
pub struct Account {
    /// The host name that it is dialled at, lower case.
    pub host: String,
    /// Other host names of the same account, lower case.
    pub aliases: Vec<String>,
    /// Its name, as Snowflake writes it.
    pub name: String,
    /// The user that the proxy logs in as.
    pub user: String,
    /// The role that every login gets.
    pub role: String,
    /// The warehouse that every login gets, if one is pinned.
    pub warehouse: Option<String>,
    /// How the proxy proves who it is.
    pub credential: Arc<Credential>,
}

impl Account {
    /// Stands for an account of the config, for tests of what is done at one.
    #[cfg(test)]
    pub(crate) fn of_host(host: &str) -> Self {
        let credential = Credential::in_no_file();
        Self {
            host: host.to_owned(),
            aliases: Vec::new(),
            name: "ACME".to_owned(),
            user: "SVC".to_owned(),
            role: "ANALYST".to_owned(),
            warehouse: None,
            credential: Arc::new(credential),
        }
    }

    /// Takes an account as the config has it; no secret is read yet.
    ///
    /// # Errors
    /// A secret's source cannot be used at all.
    pub fn of(config: &config::Account, web: &web::Client) -> Result<Self, CredentialError> {
        Ok(Self {
            host: config.host.clone(),
            aliases: config.aliases.clone(),
            name: config.name.clone(),
            user: config.user.clone(),
            role: config.role.clone(),
            warehouse: config.warehouse.clone(),
            credential: Arc::new(Credential::new(&config.credential, web)?),
        })
    }

    /// Tells whether a canonical host name is one of this account's.
    #[must_use]
    pub fn answers_to(&self, host: &str) -> bool {
        self.host == host || self.aliases.iter().any(|alias| alias == host)
    }

    /// Writes the login address: the client's database and schema, escaped anew, and our role and warehouse.
    pub(super) fn address_members(&self, client_query: Option<&str>) -> String {
        let mut members = fresh_ids();
        for pair in client_query.unwrap_or_default().split('&') {
            if let Some((name, value)) = pair.split_once('=')
                && CLIENTS_CHOICE.contains(&name)
                && let Ok(value) = percent_decode_str(&value.replace('+', " ")).decode_utf8()
                && !value.is_empty()
            {
                let value = utf8_percent_encode(&value, NON_ALPHANUMERIC);
                members.push_str(&format!("&{name}={value}"));
            }
        }
        let role = utf8_percent_encode(&self.role, NON_ALPHANUMERIC);
        members.push_str(&format!("&roleName={role}"));
        if let Some(warehouse) = &self.warehouse {
            members.push_str(&format!(
                "&warehouse={}",
                utf8_percent_encode(warehouse, NON_ALPHANUMERIC)
            ));
        }
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_address_holds_the_clients_database_escaped_anew_and_nothing_else_of_it() {
        let account = Account {
            role: "ANA LYST".to_owned(),
            warehouse: Some("W&H".to_owned()),
            ..Account::of_host("h")
        };
        let members = account.address_members(Some(
            "databaseName=a%26roleName%3DADMIN+x&schemaName=%ff&roleName=ADMIN&warehouse=BIG&schemaName=S&x=%0d%0a",
        ));
        let chosen: Vec<&str> = members
            .split('&')
            .filter(|pair| !pair.starts_with("request"))
            .collect();
        assert_eq!(
            chosen,
            [
                "databaseName=a%26roleName%3DADMIN%20x",
                "schemaName=S",
                "roleName=ANA%20LYST",
                "warehouse=W%26H"
            ]
        );
    }
}
