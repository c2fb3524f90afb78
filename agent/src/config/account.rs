//! The `[[account]]` tables: which Snowflake accounts are governed, and how the proxy logs in there.

use std::path::PathBuf;

use toml::Value;

use super::problem::Problems;
use super::section::Section;
use super::typed::{ABSOLUTE_PATH, absolute_path};
use super::{Account, Credential};

/// Domains whose names are Snowflake accounts, private links included.
/// Source: Snowflake, "Account identifiers", and its China and US government regions.
const ACCOUNT_DOMAINS: [&str; 3] = [
    ".snowflakecomputing.com",
    ".snowflakecomputing.cn",
    ".snowflakecomputing.mil",
];

/// Longest DNS name, in characters (RFC 1035 section 2.3.4, less the final dot).
const NAME_MAX_CHARACTERS: usize = 253;

/// Longest label of a DNS name, in characters (RFC 1035 section 2.3.4).
const LABEL_MAX_CHARACTERS: usize = 63;

/// Reads all accounts; there must be one, and no host twice.
pub(super) fn accounts(sections: Vec<Section<'_>>, problems: &Problems) -> Vec<Account> {
    if sections.is_empty() && !problems.has("account") {
        problems.add("account", "at least one `[[account]]` table", "none");
    }
    let mut accounts: Vec<Account> = Vec::new();
    for section in sections {
        let key = section.key("host");
        let account = account(section);
        let first = accounts
            .iter()
            .position(|other| !account.host.is_empty() && other.host == account.host);
        if let Some(first) = first {
            problems.add(
                key,
                format!("a host of its own (`account[{first}]` has this one)"),
                format!("{:?}", account.host),
            );
        }
        accounts.push(account);
    }
    accounts
}

/// Tells whether a text is a DNS name as this project writes it: lower case, no final dot.
pub(super) fn is_dns_name(name: &str) -> bool {
    let letter = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let label = |label: &str| {
        label.len() <= LABEL_MAX_CHARACTERS
            && label.bytes().next().is_some_and(letter)
            && label.bytes().last().is_some_and(letter)
            // Snowflake has account names with `_`, though RFC 1123 has not.
            && label.bytes().all(|one| letter(one) || one == b'-' || one == b'_')
    };
    name.len() <= NAME_MAX_CHARACTERS && name.split('.').all(label)
}

fn account(mut section: Section<'_>) -> Account {
    let host = section.required(
        "host",
        "a lower-case name below snowflakecomputing.com, .cn or .mil",
        |value| {
            let host = value.as_str()?;
            let account = ACCOUNT_DOMAINS
                .iter()
                .any(|domain| host.ends_with(domain) && host.len() > domain.len());
            (account && is_dns_name(host)).then(|| host.to_owned())
        },
    );
    let label = host.split('.').next().unwrap_or_default().to_uppercase();
    let account = Account {
        name: section.optional("name", NAME, name).unwrap_or(label),
        user: section.required("user", NAME, name),
        role: section.required("role", NAME, name),
        warehouse: section.optional("warehouse", NAME, name),
        credential: credential(&mut section),
        host,
    };
    section.finish();
    account
}

fn credential(section: &mut Section<'_>) -> Credential {
    let typed = section.optional("credential", CREDENTIAL, |value| value.as_table().cloned());
    let Some(table) = typed else {
        if !section.is_told("credential") {
            section.tell("credential", CREDENTIAL, "nothing");
        }
        return Credential::KeyPair {
            private_key_file: PathBuf::new(),
        };
    };
    let mut section = section.inside("credential", table);
    // The kind carries nothing while there is one; reading it refuses all others.
    section.required("kind", KIND, |value| {
        (value.as_str()? == "key-pair").then_some(())
    });
    let private_key_file = section.required("private_key_file", ABSOLUTE_PATH, absolute_path);
    section.finish();
    Credential::KeyPair { private_key_file }
}

const CREDENTIAL: &str =
    "a table such as { kind = \"key-pair\", private_key_file = \"/etc/icecore/keys/acme.p8\" }";
const KIND: &str = "\"key-pair\" (the one kind that this version has)";
const NAME: &str = "a name of 1 to 255 characters without control characters";

fn name(value: &Value) -> Option<String> {
    let name = value.as_str()?;
    let plain = (1..=255).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    plain.then(|| name.to_owned())
}
