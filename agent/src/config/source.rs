//! Where a secret of the host's comes from: a file, systemd, the daemon's environment, a command, or a secret store.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use toml::{Table, Value};

use super::document::without_arguments;
use super::section::{List, Section, shown};
use super::typed::{ABSOLUTE_PATH, absolute_path};
use super::unit;

/// A secret's key in the config, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretAt {
    /// The key as typed, such as `token_file` or `token`.
    pub setting: &'static str,
    /// Where the secret is.
    pub source: Source,
}

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Source {
    /// In a file that its owner alone reads.
    File(PathBuf),
    /// In systemd's folder of the daemon's credentials, under a name.
    Systemd(String),
    /// In a variable of the daemon's environment.
    Env(String),
    /// In what a command prints.
    Command(CommandSource),
    /// In a HashiCorp Vault.
    Vault(Box<VaultSource>),
    /// In AWS Secrets Manager.
    Aws(AwsSource),
}

/// How long a fetched secret serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Freshness {
    /// How old it gets before it is fetched anew, while it still serves.
    pub refresh: Duration,
    /// How old it may get while its source is down.
    pub keep: Duration,
}

/// A command that prints a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CommandSource {
    /// The program, an absolute path, and its arguments.
    #[serde(serialize_with = "without_arguments")]
    pub argv: Vec<String>,
    /// How long it may take.
    pub within: Duration,
    /// How long its output serves.
    pub freshness: Freshness,
}

/// A field of a secret in Vault's key-value engine, version 2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VaultSource {
    /// Vault's address, such as `https://vault.example:8200`.
    pub address: String,
    /// What its certificate is trusted by beside the host's roots.
    pub ca_file: Option<PathBuf>,
    /// Its namespace, if it has any.
    pub namespace: Option<String>,
    /// Where the engine is mounted.
    pub mount: String,
    /// The secret's path below the mount.
    pub path: String,
    /// The field of the secret.
    pub field: String,
    /// How the daemon proves itself to Vault.
    pub auth: VaultAuth,
    /// How long the field's value serves.
    pub freshness: Freshness,
}

/// A secret of AWS Secrets Manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AwsSource {
    /// The region.
    pub region: String,
    /// The secret's name or ARN.
    pub secret_id: String,
    /// The member of the secret, if it is a JSON object.
    pub json_key: Option<String>,
    /// Where the service is, if not at its public address.
    pub endpoint: Option<String>,
    /// How long the value serves.
    pub freshness: Freshness,
}

/// How the daemon proves itself to Vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum VaultAuth {
    /// By a token that something else keeps fresh.
    Token(PathBuf),
    /// By an AppRole.
    AppRole {
        /// Where the method is mounted.
        mount: String,
        /// The role's id, which is no secret.
        role_id: String,
        /// The file of its secret id.
        secret_id_file: PathBuf,
    },
}

const KINDS: &str = "\"file\", \"systemd\", \"env\", \"command\", \"vault\" or \"aws\"";
/// What a region looks like.
pub(super) const REGION: &str = "a region such as \"eu-central-1\"";
const SECRET_ID: &str = "a secret's name or ARN";
const ENDPOINT: &str = "an address such as \"https://vpce-1.secretsmanager.eu-central-1.vpce.amazonaws.com\", without a path";
const EXAMPLE: &str = "\"vault\"";
const WORD: &str = "letters, digits, `_`, `-` and `.`, 1 to 255 of them";
const VARIABLE: &str = "the name of a variable of the daemon's own environment (letters, digits, `_`), none of a CI job's";
const DURATION: &str = "a duration from 1s to 7d, such as \"5m\"";
const WITHIN: &str = "a duration from 1s to 7s (drivers give a login 10 s)";
const PATH: &str = "a path such as \"snowflake/acme\", of letters, digits, `_`, `-`, `.` and `/`";
const VAULT: &str = "an address such as \"https://vault.example:8200\", without a path";
const ARGV: List = List {
    of: "words, a program's absolute path first",
    member: "a text without control characters, none of a CI job's variables",
    count: 1..=64,
};

/// Variables by which a CI job mints tokens for itself: what it can have is no credential of the host's.
///
/// Source: GitHub, "OpenID Connect reference"; GitLab, "Predefined CI/CD variables".
const JOBS_OWN: [&str; 6] = [
    "ACTIONS_ID_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "GITHUB_TOKEN",
    "CI_JOB_JWT",
    "CI_JOB_TOKEN",
    "GITLAB_OIDC",
];

/// Reads a secret that must be there: `<key>_file` with a path, or `<key>` with a table.
pub(super) fn required(
    section: &mut Section<'_>,
    key: &'static str,
    file_key: &'static str,
) -> SecretAt {
    let found = optional(section, key, file_key);
    if found.is_none() && !section.is_told(file_key) && !section.has_within(key) {
        section.tell_missing(
            file_key,
            ABSOLUTE_PATH,
            &format!("\"/etc/icecore/keys/{key}\""),
        );
    }
    found.unwrap_or_else(|| nowhere(file_key))
}

/// Reads a secret that may be absent.
pub(super) fn optional(
    section: &mut Section<'_>,
    key: &'static str,
    file_key: &'static str,
) -> Option<SecretAt> {
    // A value that is no path may be the secret itself, so it is not shown.
    let file = section.optional_unshown(file_key, ABSOLUTE_PATH, absolute_path);
    let expected = format!("a table such as {{ source = {EXAMPLE}, ... }}");
    let table = section.optional_unshown(key, &expected, |value| value.as_table().cloned());
    match (file, table) {
        (Some(_), Some(_)) => {
            section.tell(key, format!("one of `{key}` and `{file_key}`"), "both");
            None
        }
        (Some(file), None) => Some(SecretAt {
            setting: file_key,
            source: Source::File(file),
        }),
        (None, Some(table)) => source(section, key, table).map(|source| SecretAt {
            setting: key,
            source,
        }),
        (None, None) => None,
    }
}

/// Stands where a problem was told.
pub(super) fn nowhere(setting: &'static str) -> SecretAt {
    SecretAt {
        setting,
        source: Source::File(PathBuf::new()),
    }
}

fn source(section: &Section<'_>, key: &'static str, table: Table) -> Option<Source> {
    let mut section = section.inside(key, table);
    let kind = section.required("source", KINDS, EXAMPLE, |value| {
        value.as_str().map(str::to_owned)
    });
    let found = match kind.as_str() {
        "file" => Some(Source::File(path(&mut section, "path"))),
        "systemd" => Some(Source::Systemd(section.required(
            "name",
            WORD,
            "\"acme-key\"",
            word,
        ))),
        "env" => Some(Source::Env(section.required(
            "variable",
            VARIABLE,
            "\"ACME_TOKEN\"",
            variable,
        ))),
        "command" => Some(Source::Command(command(&mut section))),
        "vault" => Some(Source::Vault(Box::new(vault(&mut section)))),
        "aws" => Some(Source::Aws(aws(&mut section))),
        other => {
            if !section.is_told("source") {
                section.tell("source", KINDS, shown(&Value::from(other)));
            }
            // Which keys belong here depends on the source.
            section.rest();
            None
        }
    };
    section.finish();
    found
}

fn command(section: &mut Section<'_>) -> CommandSource {
    let argv = section.list("argv", &ARGV, |value| {
        let word = value.as_str()?;
        let plain = !word.chars().any(char::is_control) && !names_a_jobs_own(word);
        plain.then(|| word.to_owned())
    });
    if argv.is_none() && !section.has_within("argv") {
        let example = "[\"/usr/local/bin/print-secret\", \"acme\"]";
        section.tell_missing("argv", "a list of words", example);
    }
    let argv = argv.unwrap_or_default();
    if let Some(program) = argv.first()
        && absolute_path(&Value::from(program.as_str())).is_none()
    {
        section.tell_member("argv", 0, ABSOLUTE_PATH, &format!("{program:?}"));
    }
    CommandSource {
        argv,
        within: section
            .optional("timeout", WITHIN, |value| duration(value, 7))
            .unwrap_or(Duration::from_secs(5)),
        freshness: freshness(section),
    }
}

fn vault(section: &mut Section<'_>) -> VaultSource {
    let example = "\"https://vault.example:8200\"";
    let token_file = section.optional("token_file", ABSOLUTE_PATH, absolute_path);
    let role_id = section.optional("role_id", WORD, word);
    let auth = match (token_file, role_id) {
        (Some(file), None) => VaultAuth::Token(file),
        (None, Some(role_id)) => VaultAuth::AppRole {
            mount: section
                .optional("auth_mount", PATH, store_path)
                .unwrap_or_else(|| "approle".to_owned()),
            role_id,
            secret_id_file: path(section, "secret_id_file"),
        },
        (token_file, _) => {
            let expected = "`token_file`, or `role_id` and `secret_id_file`";
            let found = if token_file.is_some() {
                "both"
            } else {
                "neither"
            };
            section.tell("token_file", expected, found);
            VaultAuth::Token(PathBuf::new())
        }
    };
    VaultSource {
        address: section.required("address", VAULT, example, address),
        ca_file: section.optional("ca_file", ABSOLUTE_PATH, absolute_path),
        namespace: section.optional("namespace", PATH, store_path),
        mount: section
            .optional("mount", PATH, store_path)
            .unwrap_or_else(|| "secret".to_owned()),
        path: section.required("path", PATH, "\"snowflake/acme\"", store_path),
        field: section.required("field", WORD, "\"private_key\"", word),
        auth,
        freshness: freshness(section),
    }
}

fn aws(section: &mut Section<'_>) -> AwsSource {
    let name = |value: &Value| plain(value, |byte| b"_-./:+=@!".contains(&byte));
    AwsSource {
        region: section.required("region", REGION, "\"eu-central-1\"", region),
        secret_id: section.required("secret_id", SECRET_ID, "\"icecore/acme\"", name),
        json_key: section.optional("json_key", WORD, word),
        endpoint: section.optional("endpoint", ENDPOINT, address),
        freshness: freshness(section),
    }
}

/// Reads a region; it becomes part of a host's name.
pub(super) fn region(value: &Value) -> Option<String> {
    let is_plain = |region: &String| {
        let other = |byte: u8| !byte.is_ascii_lowercase() && !byte.is_ascii_digit() && byte != b'-';
        !region.bytes().any(other) && !region.starts_with('-') && region.len() <= 32
    };
    plain(value, |byte| byte == b'-').filter(is_plain)
}

fn freshness(section: &mut Section<'_>) -> Freshness {
    const WEEK_SECONDS: u64 = 7 * 86_400;
    let read = |value: &Value| duration(value, WEEK_SECONDS);
    let refresh = section.optional("refresh", DURATION, read);
    let keep = section.optional("keep", DURATION, read);
    let refresh = refresh.unwrap_or(Duration::from_secs(300));
    let keep = keep.unwrap_or(Duration::from_secs(3600).max(refresh));
    if keep < refresh {
        section.tell(
            "keep",
            "at least `refresh`",
            format!("{keep:?}, less than {refresh:?}"),
        );
    }
    Freshness { refresh, keep }
}

fn path(section: &mut Section<'_>, key: &'static str) -> PathBuf {
    let example = format!("\"/etc/icecore/keys/{}\"", key.trim_end_matches("_file"));
    section.required(key, ABSOLUTE_PATH, &example, absolute_path)
}

fn duration(value: &Value, most_seconds: u64) -> Option<Duration> {
    let found = unit::duration(value.as_str()?)?;
    let range = Duration::from_secs(1)..=Duration::from_secs(most_seconds);
    range.contains(&found).then_some(found)
}

fn word(value: &Value) -> Option<String> {
    plain(value, |byte| b"_-.".contains(&byte)).filter(|word| !word.starts_with('.'))
}

fn variable(value: &Value) -> Option<String> {
    plain(value, |byte| byte == b'_').filter(|name| !names_a_jobs_own(name))
}

/// A path below a store's own: no part is empty or made of dots, so that it cannot lead elsewhere.
fn store_path(value: &Value) -> Option<String> {
    let is_part = |part: &str| !part.is_empty() && part.bytes().any(|byte| byte != b'.');
    plain(value, |byte| b"_-./".contains(&byte)).filter(|path| path.split('/').all(is_part))
}

fn plain(value: &Value, other: impl Fn(u8) -> bool) -> Option<String> {
    let text = value
        .as_str()
        .filter(|text| (1..=255).contains(&text.len()))?;
    let good = |byte: u8| byte.is_ascii_alphanumeric() || other(byte);
    text.bytes().all(good).then(|| text.to_owned())
}

fn names_a_jobs_own(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    JOBS_OWN.iter().any(|own| text.contains(own))
}

/// An `https` origin, or a plain one, which is dialled on this host alone.
pub(super) fn address(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))?;
    let is_origin = !rest.is_empty()
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    is_origin.then(|| text.to_owned())
}
