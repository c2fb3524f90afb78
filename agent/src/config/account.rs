//! The `[[account]]` tables: which Snowflake accounts are governed, under which names, and as whom.

use toml::Value;

use super::credential;
use super::grant::{Defaults, grant};
use super::host::{ACCOUNT_HOST, account_name, is_account_host, same_account_key};
use super::problem::Problems;
use super::section::{List, Section};
use super::{Account, TagCanary};

/// Other names of one account.
const ALIASES: List = List {
    of: "other host names of the same account",
    member: ACCOUNT_HOST,
    count: 0..=32,
};
/// What a name at Snowflake must look like.
pub(super) const NAME: &str = "a name of 1 to 255 characters without control characters";

/// What the name of an account must look like: JWTs and policies join it to others by dots.
const ACCOUNT_NAME: &str = "a name of 1 to 255 characters without dots and control characters";

/// Reads all accounts; there must be one, and no host name may lead to two.
pub(super) fn accounts(
    sections: Vec<Section<'_>>,
    issuers: &[String],
    problems: &Problems,
) -> Vec<Account> {
    if sections.is_empty() && !problems.has("account") {
        problems.add(
            "account",
            "at least one `[[account]]` table with host, user, role and credential",
            "none",
        );
    }
    let mut accounts: Vec<Account> = Vec::new();
    for section in sections {
        let (of_host, of_aliases) = (section.key("host"), section.key("aliases"));
        let account = account(section, issuers);
        for (place, host) in account.hosts().enumerate() {
            if let Some((first, other)) = taken(&accounts, host) {
                let key = match place.checked_sub(1) {
                    None => of_host.clone(),
                    Some(index) => format!("{of_aliases}[{index}]"),
                };
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

fn account(mut section: Section<'_>, issuers: &[String]) -> Account {
    let example = "\"myorg-myaccount.snowflakecomputing.com\"";
    let host = section.required("host", ACCOUNT_HOST, example, account_host);
    let aliases = section
        .list("aliases", &ALIASES, account_host)
        .unwrap_or_default();
    if let Some(index) = aliases.iter().position(|alias| *alias == host) {
        section.tell_member(
            "aliases",
            index,
            "another name than `host`",
            &format!("{host:?}"),
        );
    }
    let mut account = Account {
        aliases,
        name: section
            .optional("name", ACCOUNT_NAME, own_name)
            .unwrap_or_else(|| account_name(&host)),
        user: section.required("user", NAME, "\"ICECORE_SVC\"", name),
        role: section.required("role", NAME, "\"ANALYST\"", name),
        warehouse: section.optional("warehouse", NAME, name),
        tag_canary: section
            .optional("tag_canary", "a table", |value| value.as_table().cloned())
            .map(|table| tag_canary(section.inside("tag_canary", table))),
        mcp: section
            .optional("mcp", "true or false", Value::as_bool)
            .unwrap_or(false),
        credential: credential::credential(&mut section),
        grants: Vec::new(),
        host,
    };
    let grants = section.sections("grant");
    let defaults = Defaults {
        user: &account.user,
        warehouse: account.warehouse.as_deref(),
        issuers,
    };
    account.grants = grants
        .into_iter()
        .map(|section| grant(section, &defaults))
        .collect();
    section.finish();
    account
}

fn tag_canary(mut section: Section<'_>) -> TagCanary {
    let table = "a name of database, schema and table as Snowflake keeps it, joined by dots";
    let read = |value: &Value| {
        let names: Vec<String> = value.as_str()?.split('.').map(str::to_owned).collect();
        let names = <[String; 3]>::try_from(names).ok()?;
        let is_name = |text: &String| !text.is_empty() && !text.contains(['"', '\'', '\\']);
        names.iter().all(is_name).then_some(names)
    };
    let canary = TagCanary {
        table: section.required("table", table, "\"GOVERNANCE.PUBLIC.CANARY\"", read),
        column: section.required("column", NAME, "\"C\"", name),
        tag: section.required("tag", NAME, "\"PII\"", name),
    };
    section.finish();
    canary
}

fn account_host(value: &Value) -> Option<String> {
    let host = value.as_str()?;
    is_account_host(host).then(|| host.to_owned())
}

/// Reads the name of an account.
fn own_name(value: &Value) -> Option<String> {
    name(value).filter(|name| !name.contains('.'))
}

/// Reads a name at Snowflake.
pub(super) fn name(value: &Value) -> Option<String> {
    let name = value.as_str()?;
    let plain = (1..=255).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    plain.then(|| name.to_owned())
}
