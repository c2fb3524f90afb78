//! The config as evidence: every setting in force, defaults among them, and no secret. Pure.
//!
//! It is written from the values, not from the file, whose comments may hold anything. Secrets are read later, from where
//! the values say; what stays here is where that is.

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::Config;

/// Says by which layout the document is written.
const FORMAT_VERSION: u32 = 1;

/// Stands for what is left out.
const LEFT_OUT: &str = "...";

impl Config {
    /// Writes it as JSON; the same settings give the same bytes.
    ///
    /// # Errors
    /// A path is not UTF-8.
    pub fn document(&self) -> Result<Vec<u8>, serde_json::Error> {
        let config = serde_json::to_value(self)?;
        serde_json::to_vec(&canonical(json!({
            "format_version": FORMAT_VERSION,
            "config": config,
        })))
    }
}

/// Writes a command's program: an argument of it may be a secret.
pub(super) fn without_arguments<S: Serializer>(argv: &[String], to: S) -> Result<S::Ok, S::Error> {
    let program = argv.iter().take(1).map(String::as_str);
    let rest = argv.iter().skip(1).map(|_| LEFT_OUT);
    program.chain(rest).collect::<Vec<_>>().serialize(to)
}

/// Sorts members by name, writes durations as words, and leaves out what addresses may hold beside the address.
fn canonical(value: Value) -> Value {
    match value {
        Value::Object(members) => match duration(&members) {
            Some(duration) => Value::String(format!("{duration:?}")),
            None => {
                let mut members: Vec<_> = members.into_iter().collect();
                members.sort_by(|(one, _), (other, _)| one.cmp(other));
                let settled = members
                    .into_iter()
                    .map(|(name, value)| (name, canonical(value)));
                Value::Object(settled.collect())
            }
        },
        Value::Array(values) => Value::Array(values.into_iter().map(canonical).collect()),
        Value::String(text) => Value::String(bare(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// Reads a duration as serde writes it.
fn duration(members: &Map<String, Value>) -> Option<Duration> {
    let seconds = members.get("secs")?.as_u64()?;
    let nanos = u32::try_from(members.get("nanos")?.as_u64()?).ok()?;
    (members.len() == 2).then(|| Duration::new(seconds, nanos))
}

/// Cuts an address's query off, and a password before its host.
fn bare(text: String) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text;
    };
    let rest = rest.split_once('?').map_or_else(
        || rest.to_owned(),
        |(before, _)| format!("{before}?{LEFT_OUT}"),
    );
    let (authority, path) = rest.split_once('/').unwrap_or((&rest, ""));
    match authority.rsplit_once('@') {
        Some((user, host)) if user.contains(':') => format!("{scheme}://{LEFT_OUT}@{host}/{path}"),
        _ => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_for_tests;
    use super::*;

    /// Every place that can lead to a secret, and secrets where a careless hand may have put them.
    const ALL: &str = r#"
# the old password was CANARY-comment
[record]
store = "s3://bucket/prefix"
store_options = { region = "eu-central-1" }
mode = "best_effort"
[identity]
stale_keys = "1h"
[[identity.issuer]]
name = "okta"
url = "https://id.acme.test"
audience = "icecore"
login = { client_id = "0oa1", client_secret = { source = "command", argv = ["/bin/print", "--password=CANARY-login"] } }
[[account]]
host = "acme.snowflakecomputing.com"
user = "U"
role = "R"
credential = { kind = "key-pair", private_key = { source = "command", argv = ["/bin/print", "CANARY-argument"] }, passphrase_file = "/keys/passphrase" }
[[account]]
host = "b.snowflakecomputing.com"
user = "U"
role = "R"
credential = { kind = "oauth-client", token_url = "https://id.acme.test/token?key=CANARY-query", client_id = "c", client_secret = { source = "env", variable = "SECRET_NAME" } }
[[account]]
host = "c.snowflakecomputing.com"
user = "U"
role = "R"
credential = { kind = "pat", token = { source = "vault", address = "https://vault.acme.test", path = "snowflake/acme", field = "token", role_id = "r", secret_id_file = "/keys/secret-id" } }
[[account]]
host = "d.snowflakecomputing.com"
user = "U"
role = "R"
credential = { kind = "password", password = { source = "aws", region = "eu-central-1", secret_id = "icecore/acme" } }
"#;

    #[test]
    fn no_secret_is_in_the_document_and_where_it_is_stays() {
        let text = String::from_utf8(read_for_tests(ALL).document().unwrap()).unwrap();
        assert!(!text.contains("CANARY"), "{text}");
        for place in [
            "/bin/print",
            "/keys/passphrase",
            "SECRET_NAME",
            "snowflake/acme",
            "/keys/secret-id",
            "icecore/acme",
            r#""stale_keys":"3600s""#,
        ] {
            assert!(text.contains(place), "{place}: {text}");
        }
    }

    #[test]
    fn the_same_settings_give_the_same_bytes_and_others_give_others() {
        let config = read_for_tests(ALL);
        let bytes = config.document().unwrap();
        let moved = ALL.replace("store = \"s3://bucket/prefix\"\n", "").replace(
            "[identity]",
            "store = \"s3://bucket/prefix\" # moved\n[identity]",
        );
        assert_ne!(moved, ALL);
        assert_eq!(read_for_tests(&moved).document().unwrap(), bytes);
        let other = ALL.replace("best_effort", "strict_local");
        assert_ne!(read_for_tests(&other).document().unwrap(), bytes);
        let mut names: Vec<String> = Vec::new();
        let value: Map<String, Value> = serde_json::from_slice(&bytes).unwrap();
        names.extend(value["config"].as_object().unwrap().keys().cloned());
        assert!(names.is_sorted(), "{names:?}");
    }

    #[test]
    fn addresses_are_cut_to_what_they_address() {
        for (text, expected) in [
            ("plain", "plain"),
            ("https://h/p", "https://h/p"),
            ("https://h/p?token=x", "https://h/p?..."),
            ("https://u:p@h/p", "https://...@h/p"),
            (
                "abfss://c@a.dfs.core.windows.net/p",
                "abfss://c@a.dfs.core.windows.net/p",
            ),
        ] {
            assert_eq!(bare(text.to_owned()), expected);
        }
    }
}
