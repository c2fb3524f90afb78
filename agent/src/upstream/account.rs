//! A governed account: its names, and as whom Icecore logs in there.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::login::fresh_ids;
use super::{Credential, CredentialError};
use crate::config::{self, TagCanary};
use crate::identity::{Identity, Who, first_grant};
use crate::record::sha256;
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
    /// The database that every login begins in, if one is pinned.
    pub database: Option<String>,
    /// The schema that every login begins in, if one is pinned.
    pub schema: Option<String>,
    /// The statement timeout that every login begins with, if one is pinned.
    pub statement_timeout: Option<Duration>,
    /// Shows whether a login sees tags.
    pub tag_canary: Option<TagCanary>,
    /// Whether SQL tools of its managed MCP servers are carried.
    pub mcp: bool,
    /// How the proxy proves who it is.
    pub credential: Arc<Credential>,
    /// Tells what the config says of it from anything else that a config may say.
    pub config_sha256: [u8; 32],
    /// Whom it lets in, and as whom; where there are none, everybody as what it says itself.
    grants: Vec<Granted>,
}

/// The account as those have it whom a grant is for.
struct Granted {
    who: Who,
    account: Arc<Account>,
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
            database: None,
            schema: None,
            statement_timeout: None,
            tag_canary: None,
            mcp: false,
            credential: Arc::new(credential),
            config_sha256: [0; 32],
            grants: Vec::new(),
        }
    }

    /// Takes an account as the config has it; no secret is read yet.
    ///
    /// # Errors
    /// A secret's source cannot be used at all.
    pub fn of(config: &config::Account, web: &web::Client) -> Result<Self, CredentialError> {
        let account = Self {
            host: config.host.clone(),
            aliases: config.aliases.clone(),
            name: config.name.clone(),
            user: config.user.clone(),
            role: config.role.clone(),
            warehouse: config.warehouse.clone(),
            database: None,
            schema: None,
            statement_timeout: None,
            tag_canary: config.tag_canary.clone(),
            mcp: config.mcp,
            credential: Arc::new(Credential::new(&config.credential, web)?),
            config_sha256: digest(&config::Account {
                grants: Vec::new(),
                ..config.clone()
            }),
            grants: Vec::new(),
        };
        let granted = config
            .grants
            .iter()
            .map(|grant| account.granted(grant, web));
        Ok(Self {
            grants: granted.collect::<Result<_, _>>()?,
            ..account
        })
    }

    /// Takes an account as [`Account::of`] does; those for whom nothing changed have it as they had it before.
    ///
    /// # Errors
    /// As of [`Account::of`].
    pub fn after(
        config: &config::Account,
        web: &web::Client,
        before: Option<&Self>,
    ) -> Result<Self, CredentialError> {
        let mut account = Self::of(config, web)?;
        for granted in &mut account.grants {
            let is_same = |one: &&Granted| {
                one.who == granted.who && one.account.config_sha256 == granted.account.config_sha256
            };
            let mut kept = before.into_iter().flat_map(|before| &before.grants);
            if let Some(kept) = kept.find(is_same) {
                granted.account = Arc::clone(&kept.account);
            }
        }
        Ok(account)
    }

    fn granted(
        &self,
        grant: &config::Grant,
        web: &web::Client,
    ) -> Result<Granted, CredentialError> {
        let credential = match &grant.credential {
            Some(own) => Arc::new(Credential::new(own, web)?),
            None => Arc::clone(&self.credential),
        };
        let account = Self {
            host: self.host.clone(),
            aliases: self.aliases.clone(),
            name: self.name.clone(),
            user: grant.user.clone(),
            role: grant.role.clone(),
            warehouse: grant.warehouse.clone(),
            database: grant.database.clone(),
            schema: grant.schema.clone(),
            statement_timeout: grant.statement_timeout,
            tag_canary: self.tag_canary.clone(),
            mcp: self.mcp,
            credential,
            config_sha256: digest(&(self.config_sha256, grant)),
            grants: Vec::new(),
        };
        Ok(Granted {
            who: grant.who.clone(),
            account: Arc::new(account),
        })
    }

    /// Gives the account as an identity has it; none if no grant is for it.
    #[must_use]
    pub fn granted_to(self: &Arc<Self>, identity: &Identity) -> Option<Arc<Self>> {
        if self.grants.is_empty() {
            return Some(Arc::clone(self));
        }
        let place = first_grant(self.grants.iter().map(|grant| &grant.who), identity)?;
        let grant = self.grants.get(place)?;
        Some(Arc::clone(&grant.account))
    }

    /// Gives the account in each way that somebody has it, in the grants' order.
    #[must_use]
    pub fn ways(self: &Arc<Self>) -> Vec<Arc<Self>> {
        if self.grants.is_empty() {
            return vec![Arc::clone(self)];
        }
        let grants = self.grants.iter();
        grants.map(|grant| Arc::clone(&grant.account)).collect()
    }

    /// Tells whether a canonical host name is one of this account's.
    #[must_use]
    pub fn answers_to(&self, host: &str) -> bool {
        self.host == host || self.aliases.iter().any(|alias| alias == host)
    }

    /// Writes the login address: the client's database and schema, escaped anew, unless they are pinned, and our role and
    /// warehouse.
    pub(super) fn address_members(&self, client_query: Option<&str>) -> String {
        let pinned = [
            ("databaseName", self.database.as_deref()),
            ("schemaName", self.schema.as_deref()),
            ("roleName", Some(self.role.as_str())),
            ("warehouse", self.warehouse.as_deref()),
        ];
        let pinned = pinned
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let is_pinned = |name: &str| pinned.clone().any(|(known, _)| known == name);
        let mut members = fresh_ids();
        let mut add = |name: &str, value: &str| {
            let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
            members.push_str(&format!("&{name}={value}"));
        };
        for pair in client_query.unwrap_or_default().split('&') {
            if let Some((name, value)) = pair.split_once('=')
                && CLIENTS_CHOICE.contains(&name)
                && !is_pinned(name)
                && let Ok(value) = percent_decode_str(&value.replace('+', " ")).decode_utf8()
                && !value.is_empty()
            {
                add(name, &value);
            }
        }
        for (name, value) in pinned.clone() {
            add(name, value);
        }
        members
    }
}

/// Gives the SHA-256 of a value of the config, which holds no secret; two values that are written alike are equal.
fn digest(config: &impl Debug) -> [u8; 32] {
    sha256(format!("{config:?}").as_bytes())
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

    #[test]
    fn a_pinned_database_takes_the_place_of_the_clients() {
        let pinned = |schema: Option<&str>| {
            let account = Account {
                database: Some("OURS".to_owned()),
                schema: schema.map(str::to_owned),
                ..Account::of_host("h")
            };
            let members = account.address_members(Some("databaseName=THEIRS&schemaName=THEIRS"));
            let chosen = members.split_once("&request_guid=").unwrap().1;
            chosen.split_once('&').unwrap().1.to_owned()
        };
        assert_eq!(
            pinned(Some("S")),
            "databaseName=OURS&schemaName=S&roleName=ANALYST"
        );
        assert_eq!(
            pinned(None),
            "schemaName=THEIRS&databaseName=OURS&roleName=ANALYST"
        );
    }
}
