//! The `credential` of an account: its kind, and where its secrets are.

use toml::Value;

use super::Credential;
use super::section::{Section, shown};
use super::source::{self, SecretAt};

const CREDENTIAL: &str = "a table";
const EXAMPLE: &str = "{ kind = \"key-pair\", private_key_file = \"/etc/icecore/keys/acme.p8\" }";
const KIND: &str = "\"key-pair\", \"pat\", \"oauth\" or \"password\"";

/// Which keys hold the secrets of each kind: a source's table, and a file's path in its place.
const KEYS: [(&str, &str, &str); 5] = [
    ("key-pair", "private_key", "private_key_file"),
    ("key-pair", "passphrase", "passphrase_file"),
    ("pat", "token", "token_file"),
    ("oauth", "token", "token_file"),
    ("password", "password", "password_file"),
];

/// Reads the table of an account; its files are looked at later.
pub(super) fn credential(section: &mut Section<'_>) -> Credential {
    let typed = section.optional_unshown(
        "credential",
        &format!("{CREDENTIAL} such as {EXAMPLE}"),
        |value| value.as_table().cloned(),
    );
    let Some(table) = typed else {
        if !section.is_told("credential") {
            section.tell_missing("credential", CREDENTIAL, EXAMPLE);
        }
        return nowhere();
    };
    let mut section = section.inside("credential", table);
    let kind = section.optional("kind", KIND, |value| value.as_str().map(str::to_owned));
    let credential = match kind.as_deref() {
        Some("key-pair") => Credential::KeyPair {
            private_key: source::required(&mut section, "private_key", "private_key_file"),
            passphrase: source::optional(&mut section, "passphrase", "passphrase_file"),
        },
        Some("pat") => Credential::Pat(token(&mut section)),
        Some("oauth") => Credential::OAuth(token(&mut section)),
        Some("password") => {
            Credential::Password(source::required(&mut section, "password", "password_file"))
        }
        other => {
            if !section.is_told("kind") {
                match other {
                    None => section.tell_missing("kind", KIND, "\"key-pair\""),
                    Some(kind) => section.tell("kind", KIND, shown(&Value::from(kind))),
                }
            }
            // Which keys belong here depends on the kind.
            section.rest();
            nowhere()
        }
    };
    if let Some(kind) = kind {
        tell_keys_of_others(&mut section, &kind);
    }
    section.finish();
    credential
}

fn token(section: &mut Section<'_>) -> SecretAt {
    source::required(section, "token", "token_file")
}

/// Tells the keys that belong to credentials of another kind.
fn tell_keys_of_others(section: &mut Section<'_>, kind: &str) {
    let of_kind = |own: &&(&str, &str, &str)| own.0 == kind;
    let Some((_, _, first)) = KEYS.iter().find(of_kind) else {
        return;
    };
    for (of, key, file_key) in KEYS {
        let is_own = KEYS.iter().filter(of_kind).any(|own| own.1 == key);
        for key in [key, file_key] {
            if !is_own && section.take_away(key) {
                let expected = format!("`{first}` with kind = {kind:?}");
                let found = format!("a key that belongs to kind = {of:?}");
                section.tell(key, expected, found);
            }
        }
    }
}

/// Stands where a problem was told.
fn nowhere() -> Credential {
    Credential::Pat(source::nowhere("token_file"))
}
