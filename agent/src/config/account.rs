//! The `[[account]]` tables: which Snowflake accounts are governed, under which names, and as whom.

use toml::Value;

use super::Account;
use super::credential;
use super::host::{ACCOUNT_HOST, account_name, is_account_host, same_account_key};
use super::problem::Problems;
use super::section::Section;

/// Most other names that one account may have.
const ALIASES_MAX: usize = 32;

const ALIASES: &str = "a list of at most 32 other host names of the same account, each different from `host`, such as [\"xy12345.eu-central-1.snowflakecomputing.com\"]";
const NAME: &str = "a name of 1 to 255 characters without control characters";

/// Reads all accounts; there must be one, and no host name may lead to two.
pub(super) fn accounts(sections: Vec<Section<'_>>, problems: &Problems) -> Vec<Account> {
    if sections.is_empty() && !problems.has("account") {
        problems.add("account", "at least one `[[account]]` table", "none");
    }
    let mut accounts: Vec<Account> = Vec::new();
    for section in sections {
        let keys = (section.key("host"), section.key("aliases"));
        let account = account(section);
        for (place, host) in account.hosts().enumerate() {
            if let Some((first, other)) = taken(&accounts, host) {
                let key = if place == 0 { &keys.0 } else { &keys.1 };
                let underscore = if other == host {
                    ""
                } else {
                    "; Snowflake takes `-` for `_`"
                };
                problems.add(
                    key,
                    format!("a host of its own (`account[{first}]` has `{other}`{underscore})"),
                    format!("{host:?}"),
                );
            }
        }
        accounts.push(account);
    }
    accounts
}

/// Finds the account that has a host name already, and that name as it stands there.
fn taken<'a>(accounts: &'a [Account], host: &str) -> Option<(usize, &'a str)> {
    if host.is_empty() {
        return None;
    }
    let key = same_account_key(host);
    accounts.iter().enumerate().find_map(|(index, account)| {
        let other = account
            .hosts()
            .find(|other| same_account_key(other) == key)?;
        Some((index, other))
    })
}

fn account(mut section: Section<'_>) -> Account {
    let host = section.required("host", ACCOUNT_HOST, account_host);
    let aliases = section.optional("aliases", ALIASES, |value| {
        let aliases: Option<Vec<String>> = value.as_array()?.iter().map(account_host).collect();
        aliases.filter(|aliases| are_others(&host, aliases))
    });
    let account = Account {
        aliases: aliases.unwrap_or_default(),
        name: section
            .optional("name", NAME, name)
            .unwrap_or_else(|| account_name(&host)),
        user: section.required("user", NAME, name),
        role: section.required("role", NAME, name),
        warehouse: section.optional("warehouse", NAME, name),
        credential: credential::credential(&mut section),
        host,
    };
    section.finish();
    account
}

fn account_host(value: &Value) -> Option<String> {
    let host = value.as_str()?;
    is_account_host(host).then(|| host.to_owned())
}

/// Tells whether aliases differ from the host and from each other.
fn are_others(host: &str, aliases: &[String]) -> bool {
    let mut names: Vec<&str> = aliases.iter().map(String::as_str).collect();
    names.push(host);
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    names.len() == count && aliases.len() <= ALIASES_MAX
}

fn name(value: &Value) -> Option<String> {
    let name = value.as_str()?;
    let plain = (1..=255).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    plain.then(|| name.to_owned())
}
