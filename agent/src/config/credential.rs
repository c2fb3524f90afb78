//! The `credential` of an account: its kind, and the files that hold it.

use std::path::PathBuf;

use toml::Value;

use super::Credential;
use super::section::{Section, shown};
use super::typed::{ABSOLUTE_PATH, absolute_path};

const CREDENTIAL: &str =
    "a table such as { kind = \"key-pair\", private_key_file = \"/etc/icecore/keys/acme.p8\" }";
const KIND: &str = "\"key-pair\", \"pat\", \"oauth\" or \"password\"";

/// Reads the table of an account; its files are looked at later.
pub(super) fn credential(section: &mut Section<'_>) -> Credential {
    let typed =
        section.optional_unshown("credential", CREDENTIAL, |value| value.as_table().cloned());
    let Some(table) = typed else {
        if !section.is_told("credential") {
            section.tell("credential", CREDENTIAL, "nothing");
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
                let found = other.map_or_else(
                    || "nothing".to_owned(),
                    |kind| shown(&Value::from(kind.to_owned())),
                );
                section.tell("kind", KIND, found);
            }
            // Which keys belong here depends on the kind.
            section.rest();
            nowhere()
        }
    };
    section.finish();
    credential
}

/// Reads the path of a file with a secret. A value that is no path may be the secret itself, so it is not shown.
fn file(section: &mut Section<'_>, key: &'static str) -> PathBuf {
    let path = section.optional_unshown(key, ABSOLUTE_PATH, absolute_path);
    if path.is_none() && !section.is_told(key) {
        section.tell(key, ABSOLUTE_PATH, "nothing");
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
