//! The section `[identity]`: whose tokens are taken, and what is done without one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use toml::Value;

use super::problem::Problems;
use super::section::{List, Section, shown};
use super::typed::{ABSOLUTE_PATH, absolute_path, duration, duration_of, texts};
use crate::identity::{Algorithm, CiSystem, Issuer, KeySource, Kind, Pattern};

/// Whose tokens are taken, and what is done without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What becomes of a session that brings no token.
    pub without_token: WithoutToken,
    /// Whether a login may show its own: a token as the driver's password or access token.
    pub in_band: bool,
    /// How long a session may act for the identity that it began with.
    pub max_session_age: Duration,
    /// The variable in which a CI system that mints tokens beforehand leaves one, as GitLab does.
    pub token_variable: String,
    /// Roots trusted for issuers, beside the host's own.
    pub ca_file: Option<PathBuf>,
    /// How long an issuer's keys are good that could not be read again.
    pub stale_keys: Duration,
    /// The `[[identity.issuer]]` tables.
    pub issuers: Vec<Issuer>,
}

impl Identity {
    /// Names the issuers, as policies call them.
    pub fn issuer_names(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().map(|issuer| issuer.name.as_str())
    }
}

/// What becomes of a session that brings no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutToken {
    /// It acts for the host user that opened it.
    Host,
    /// It is refused.
    Refuse,
}

impl WithoutToken {
    /// Gives the word that the config uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Refuse => "refuse",
        }
    }
}

const NAME: &str = "1 to 32 lower-case letters, digits and `-`, the first a letter";
const ADDRESS: &str =
    "an https:// address without query (http:// for 127.0.0.1, [::1] and localhost alone)";
const TEXTS: &str = "a text, or a list of 1 to 64 texts, none empty";
const CLAIM: &str = "the name of a claim, or a path such as \"realm_access.roles\"";
const CI: &str = "\"github\" or \"gitlab\"";
const ALGORITHM: &str = "one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA (ES512 cannot be checked \
    here; HMAC and `none` never are)";
const ALGORITHMS: List = List {
    of: "algorithms",
    member: ALGORITHM,
    count: 1..=9,
};

/// Reads the section.
pub(super) fn identity(mut section: Section<'_>, problems: &Problems) -> Identity {
    let tables = section.sections("issuer");
    let mut issuers: Vec<Issuer> = Vec::new();
    for table in tables {
        let (name, url) = (table.key("name"), table.key("url"));
        let issuer = issuer(table);
        for (key, word, of) in [
            (
                name,
                &issuer.name,
                (|one: &Issuer| &one.name) as fn(&Issuer) -> &String,
            ),
            (url, &issuer.url, |one| &one.url),
        ] {
            if !word.is_empty() && issuers.iter().any(|other| of(other) == word) {
                problems.add(
                    key,
                    "one of its own for each issuer",
                    format!("{word:?} again"),
                );
            }
        }
        issuers.push(issuer);
    }
    let is_without = issuers.is_empty();
    let without_token = section
        .optional(
            "without_token",
            "\"host\" or \"refuse\"",
            |value| match value.as_str()? {
                "host" => Some(WithoutToken::Host),
                "refuse" => Some(WithoutToken::Refuse),
                _ => None,
            },
        )
        .unwrap_or(if is_without {
            WithoutToken::Host
        } else {
            WithoutToken::Refuse
        });
    if is_without && without_token == WithoutToken::Refuse && !section.is_told("issuer") {
        let found = "no [[identity.issuer]], so that every session would be refused";
        section.tell("without_token", "\"host\"", found);
    }
    let in_band = section
        .optional("in_band", "true or false", Value::as_bool)
        .unwrap_or(false);
    if is_without && in_band && !section.is_told("issuer") {
        let found = "no [[identity.issuer]], so that no token would be taken";
        section.tell("in_band", "false", found);
    }
    let identity = Identity {
        without_token,
        in_band,
        max_session_age: duration(&mut section, "max_session_age", 43_200, 1..=604_800),
        token_variable: section
            .optional(
                "token_variable",
                "the name of an environment variable",
                variable,
            )
            .unwrap_or_else(|| "ICECORE_ID_TOKEN".to_owned()),
        ca_file: section.optional("ca_file", ABSOLUTE_PATH, absolute_path),
        stale_keys: duration(&mut section, "stale_keys", 86_400, 0..=604_800),
        issuers,
    };
    section.finish();
    identity
}

fn issuer(mut section: Section<'_>) -> Issuer {
    let url = section.required("url", ADDRESS, "\"https://acme.okta.com\"", address);
    let audiences = section.required("audience", TEXTS, "\"icecore\"", texts);
    let ci = section
        .optional("ci", CI, |value| match value.as_str()? {
            "github" => Some(CiSystem::GitHub),
            "gitlab" => Some(CiSystem::GitLab),
            _ => None,
        })
        .or(match url.as_str() {
            "https://token.actions.githubusercontent.com" => Some(CiSystem::GitHub),
            "https://gitlab.com" => Some(CiSystem::GitLab),
            _ => None,
        });
    let kind = section.optional("kind", "\"human\" or \"workload\"", |value| {
        match value.as_str()? {
            "human" => Some(Kind::Human),
            "workload" => Some(Kind::Workload),
            _ => None,
        }
    });
    let issuer = Issuer {
        name: section.required("name", NAME, "\"okta\"", name),
        parties: section
            .optional("authorized_parties", TEXTS, texts)
            .unwrap_or_else(|| audiences.clone()),
        audiences,
        keys: keys(&mut section),
        algorithms: section
            .list("algorithms", &ALGORITHMS, |value| {
                Algorithm::find(value.as_str()?)
            })
            .unwrap_or_else(|| Algorithm::ALL.to_vec()),
        leeway: duration(&mut section, "leeway", 60, 0..=300),
        max_age: duration_of(&mut section, "max_age", 1..=2_592_000),
        groups_claim: section
            .optional("groups_claim", CLAIM, |value| {
                Some(value.as_str()?.to_owned()).filter(|text| !text.is_empty())
            })
            .unwrap_or_else(|| "groups".to_owned()),
        members: words(section.section("members")),
        require: words(section.section("require"))
            .into_iter()
            .map(|(claim, values)| (claim, values.into_iter().map(Pattern).collect()))
            .collect(),
        ci,
        kind: kind.unwrap_or(if ci.is_some() {
            Kind::Workload
        } else {
            Kind::Human
        }),
        url,
    };
    check_owner(&issuer, &section);
    section.finish();
    issuer
}

/// A public CI system makes tokens for everybody's jobs, with any audience: which are ours must be said.
fn check_owner(issuer: &Issuer, section: &Section<'_>) {
    let Some(system) = issuer.ci else { return };
    let owners = system.owner_claims();
    let says_whose = owners.iter().any(|claim| {
        let patterns = issuer.require.get(*claim);
        patterns.is_some_and(|all| all.iter().all(|one| one.names_owner(claim)))
    });
    if !says_whose && !section.is_told("require") {
        let expected = format!(
            "a value for one of {}, such as `require = {{ {} = \"acme/*\" }}`",
            owners.join(", "),
            owners.get(1).unwrap_or(&"sub"),
        );
        let found = "none that names an owner: a job of anybody's could open sessions here";
        section.tell("require", expected, found);
    }
}

fn keys(section: &mut Section<'_>) -> KeySource {
    let url = section.optional("jwks_uri", ADDRESS, address);
    let file = section.optional("jwks_file", ABSOLUTE_PATH, absolute_path);
    match (url, file) {
        (None, None) => KeySource::Discovery,
        (Some(url), None) => KeySource::Url(url),
        (None, Some(file)) => KeySource::File(file),
        (Some(_), Some(file)) => {
            section.tell("jwks_file", "nothing beside `jwks_uri`", "a file");
            KeySource::File(file)
        }
    }
}

/// Reads a table whose keys are the user's words, each with texts.
fn words(mut section: Section<'_>) -> BTreeMap<String, Vec<String>> {
    let mut read = BTreeMap::new();
    for (key, value) in section.rest() {
        match texts(&value) {
            Some(texts) => drop(read.insert(key, texts)),
            None => section.tell(&key, TEXTS, shown(&value)),
        }
    }
    read
}

fn name(value: &Value) -> Option<String> {
    let name = value.as_str()?;
    let word =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let first = name.chars().next()?.is_ascii_lowercase();
    (first && name.len() <= 32 && name.chars().all(word)).then(|| name.to_owned())
}

fn variable(value: &Value) -> Option<String> {
    let name = value.as_str()?;
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let first = name.chars().next()?;
    (!first.is_ascii_digit() && name.len() <= 128 && name.chars().all(word))
        .then(|| name.to_owned())
}

fn address(value: &Value) -> Option<String> {
    let address = value.as_str()?;
    let plain = address
        .chars()
        .all(|letter| letter.is_ascii_graphic() && !"?#\\\"<>@".contains(letter));
    let rest = match address.strip_prefix("https://") {
        Some(rest) => rest,
        None => {
            let rest = address.strip_prefix("http://")?;
            let authority = rest.split('/').next()?;
            let host = match authority.rsplit_once(':') {
                Some((host, port)) if port.parse::<u16>().is_ok() => host,
                _ => authority,
            };
            ["127.0.0.1", "[::1]", "localhost"]
                .contains(&host)
                .then_some(rest)?
        }
    };
    (plain && !rest.is_empty() && !rest.starts_with('/')).then(|| address.to_owned())
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
