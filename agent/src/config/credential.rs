//! The `credential` of an account: its kind, and where its secrets are.

use toml::Value;

use super::section::{Section, shown};
use super::source::{self, SecretAt};
use super::{Credential, OAuthGrant};

const CREDENTIAL: &str = "a table";
const EXAMPLE: &str = "{ kind = \"key-pair\", private_key_file = \"/etc/icecore/keys/acme.p8\" }";
const KIND: &str = "\"key-pair\", \"pat\", \"oauth\", \"password\", \"oauth-client\", \"oauth-refresh\" or \"workload-identity\"";
const PROVIDER: &str = "\"aws\" or \"oidc\"";
const TOKEN_URL: &str = "an address such as \"https://idp.example/oauth2/token\"";
const PRINTABLE: &str = "a text of 1 to 255 visible ASCII characters and blanks";

/// Which keys hold the secrets of each kind: a source's table, and a file's path in its place.
const KEYS: [(&str, &str, &str); 9] = [
    ("key-pair", "private_key", "private_key_file"),
    ("key-pair", "passphrase", "passphrase_file"),
    ("pat", "token", "token_file"),
    ("oauth", "token", "token_file"),
    ("password", "password", "password_file"),
    ("oauth-client", "client_secret", "client_secret_file"),
    ("oauth-refresh", "refresh_token", "refresh_token_file"),
    ("oauth-refresh", "client_secret", "client_secret_file"),
    ("workload-identity", "token", "token_file"),
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
        Some("oauth-client") => {
            let secret = source::required(&mut section, "client_secret", "client_secret_file");
            Credential::OAuthGrant(grant(&mut section, Some(secret), None))
        }
        Some("oauth-refresh") => {
            let secret = source::optional(&mut section, "client_secret", "client_secret_file");
            let refresh = source::required(&mut section, "refresh_token", "refresh_token_file");
            Credential::OAuthGrant(grant(&mut section, secret, Some(refresh)))
        }
        Some("workload-identity") => workload_identity(&mut section),
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

fn grant(
    section: &mut Section<'_>,
    client_secret: Option<SecretAt>,
    refresh_token: Option<SecretAt>,
) -> OAuthGrant {
    let example = "\"https://idp.example/oauth2/token\"";
    OAuthGrant {
        token_url: section.required("token_url", TOKEN_URL, example, token_url),
        client_id: section.required("client_id", PRINTABLE, "\"icecore\"", printable),
        scope: section.optional("scope", PRINTABLE, printable),
        client_secret,
        refresh_token,
    }
}

/// What the host proves by its own identity; a token that a CI job can have is none of it (see `source`).
fn workload_identity(section: &mut Section<'_>) -> Credential {
    let provider = section.required("provider", PROVIDER, "\"aws\"", |value| {
        let provider = value
            .as_str()
            .filter(|text| matches!(*text, "aws" | "oidc"))?;
        Some(provider.to_owned())
    });
    match provider.as_str() {
        "aws" => Credential::WorkloadAws {
            region: section.required("region", source::REGION, "\"eu-central-1\"", source::region),
        },
        "oidc" => Credential::WorkloadOidc(token(section)),
        _ => {
            // Which keys belong here depends on the provider.
            section.rest();
            nowhere()
        }
    }
}

fn token_url(value: &Value) -> Option<String> {
    let url = value.as_str()?;
    let is_http = url.starts_with("https://") || url.starts_with("http://");
    let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic()) && !url.contains(['#', '@']);
    (is_http && is_plain).then(|| url.to_owned())
}

fn printable(value: &Value) -> Option<String> {
    let text = value
        .as_str()
        .filter(|text| (1..=255).contains(&text.len()))?;
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    plain.then(|| text.to_owned())
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
