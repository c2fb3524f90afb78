//! The `credential` of an account: its kind, and the files that hold it.

use std::path::PathBuf;

use toml::Value;

use super::Credential;
use super::section::{Section, shown};
use super::typed::{ABSOLUTE_PATH, absolute_path};

const CREDENTIAL: &str = "a table";
const EXAMPLE: &str = "{ kind = \"key-pair\", private_key_file = \"/etc/icecore/keys/acme.p8\" }";
const KIND: &str = "\"key-pair\", \"pat\", \"oauth\" or \"password\"";

/// Which key holds the secret of each kind.
const KEYS: [(&str, &str); 5] = [
    ("key-pair", "private_key_file"),
    ("key-pair", "passphrase_file"),
    ("pat", "token_file"),
    ("oauth", "token_file"),
    ("password", "password_file"),
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
            private_key_file: file(&mut section, "private_key_file"),
            passphrase_file: section.optional_unshown(
                "passphrase_file",
                ABSOLUTE_PATH,
                absolute_path,
            ),
        },
        Some("pat") => Credential::Pat {
            token_file: file(&mut section, "token_file"),
        },
        Some("oauth") => Credential::OAuth {
            token_file: file(&mut section, "token_file"),
        },
        Some("password") => Credential::Password {
            password_file: file(&mut section, "password_file"),
        },
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

/// Tells the keys that belong to credentials of another kind.
fn tell_keys_of_others(section: &mut Section<'_>, kind: &str) {
    let own: Vec<&str> = KEYS
        .into_iter()
        .filter_map(|(of, key)| (of == kind).then_some(key))
        .collect();
    let Some(first) = own.first() else { return };
    for (of, key) in KEYS {
        if !own.contains(&key) && section.take_away(key) {
            let expected = format!("`{first}` with kind = {kind:?}");
            let found = format!("a key that belongs to kind = {of:?}");
            section.tell(key, expected, found);
        }
    }
}

/// Reads the path of a file with a secret. A value that is no path may be the secret itself, so it is not shown.
fn file(section: &mut Section<'_>, key: &'static str) -> PathBuf {
    let path = section.optional_unshown(key, ABSOLUTE_PATH, absolute_path);
    if path.is_none() && !section.is_told(key) {
        let example = format!("\"/etc/icecore/keys/{}\"", key.trim_end_matches("_file"));
        section.tell_missing(key, ABSOLUTE_PATH, &example);
    }
    path.unwrap_or_default()
}

/// Stands where a problem was told.
fn nowhere() -> Credential {
    Credential::KeyPair {
        private_key_file: PathBuf::new(),
        passphrase_file: None,
    }
}
