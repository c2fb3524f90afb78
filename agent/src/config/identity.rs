//! The section `[identity]`: whose tokens are taken, and what is done without one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use toml::Value;

use super::problem::Problems;
use super::saml;
use super::section::{List, Section, shown};
use super::sign_in::{SignIn, sign_in};
use super::typed::{ABSOLUTE_PATH, absolute_path, duration, duration_of, texts};
use crate::identity::{Algorithm, CiSystem, Issuer, KeySource, Kind, Pattern, SamlProvider};

/// Whose tokens are taken, and what is done without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// What becomes of a session that brings no token.
    pub without_token: WithoutToken,
    /// How many sessions one token may open.
    pub token_use: TokenUse,
    /// Whether a job's token will do for a command that can read what its caller has.
    pub allow_same_uid: bool,
    /// Whether what a caller says of its CI job is recorded where no token shows it.
    pub claimed_job_facts: bool,
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
    /// Their `login` tables.
    pub sign_ins: Vec<SignIn>,
    /// The `[[identity.saml]]` tables.
    pub providers: Vec<SamlProvider>,
}

impl Identity {
    /// Names the issuers, SAML providers among them, as policies call them.
    pub fn issuer_names(&self) -> impl Iterator<Item = &str> {
        let providers = self.providers.iter().map(|one| one.name.as_str());
        let issuers = self.issuers.iter().map(|one| one.name.as_str());
        issuers.chain(providers)
    }

    /// Tells whether anybody's tokens are taken.
    #[must_use]
    pub fn takes_tokens(&self) -> bool {
        self.issuer_names().next().is_some()
    }
}

/// How many sessions one token may open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum TokenUse {
    /// One, on whichever host is the first.
    Once,
    /// Any number on the host that is the first.
    Host,
}

/// What becomes of a session that brings no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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

pub(super) const NAME: &str = "1 to 32 lower-case letters, digits and `-`, the first a letter";
const ADDRESS: &str =
    "an https:// address without query (http:// for 127.0.0.1, [::1] and localhost alone)";
const TEXTS: &str = "a text, or a list of 1 to 64 texts, none empty";
const CLAIM: &str = "the name of a claim, or a path such as \"realm_access.roles\"";
pub(super) const KIND: &str = "\"human\" or \"workload\"";
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
    let (issuers, sign_ins, providers) = sources(&mut section, problems);
    let is_without = issuers.is_empty() && providers.is_empty();
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
    let is_told = section.is_told("issuer") || section.is_told("saml");
    if is_without && without_token == WithoutToken::Refuse && !is_told {
        let found = "no [[identity.issuer]] and no [[identity.saml]], so that every session would be refused";
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
        token_use: section
            .optional("token_use", "\"once\" or \"host\"", |value| {
                match value.as_str()? {
                    "once" => Some(TokenUse::Once),
                    "host" => Some(TokenUse::Host),
                    _ => None,
                }
            })
            .unwrap_or(TokenUse::Once),
        allow_same_uid: section
            .optional("allow_same_uid", "true or false", Value::as_bool)
            .unwrap_or(false),
        claimed_job_facts: section
            .optional("claimed_job_facts", "true or false", Value::as_bool)
            .unwrap_or(false),
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
        sign_ins,
        providers,
    };
    section.finish();
    identity
}

/// Issuers, their sign-ins, and SAML providers.
type Sources = (Vec<Issuer>, Vec<SignIn>, Vec<SamlProvider>);

/// Reads whose tokens are taken; a name is one's own among all of them, since it leads principals and groups.
fn sources(section: &mut Section<'_>, problems: &Problems) -> Sources {
    let (mut names, mut urls) = (BTreeSet::new(), BTreeSet::new());
    let own = |taken: &mut BTreeSet<String>, key: String, word: &str| {
        if !word.is_empty() && !taken.insert(word.to_owned()) {
            problems.add(
                key,
                "one of its own for each issuer",
                format!("{word:?} again"),
            );
        }
    };
    let (mut issuers, mut sign_ins) = (Vec::new(), Vec::new());
    for table in section.sections("issuer") {
        let (name, url) = (table.key("name"), table.key("url"));
        let (issuer, sign_in) = issuer(table);
        sign_ins.extend(sign_in);
        own(&mut names, name, &issuer.name);
        own(&mut urls, url, &issuer.url);
        issuers.push(issuer);
    }
    let mut providers = Vec::new();
    for table in section.sections("saml") {
        let name = table.key("name");
        let provider = saml::provider(table);
        own(&mut names, name, &provider.name);
        providers.push(provider);
    }
    (issuers, sign_ins, providers)
}

/// Reads one issuer, and as which client people sign in there.
pub(super) fn issuer(mut section: Section<'_>) -> (Issuer, Option<SignIn>) {
    let url = section.required("url", ADDRESS, "\"https://acme.okta.com\"", address);
    let name = section.required("name", NAME, "\"okta\"", name);
    let sign_in = sign_in(&mut section, &name);
    let (audiences, parties) = recipients(&mut section, sign_in.as_ref());
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
    let kind = section.optional("kind", KIND, kind);
    let issuer = Issuer {
        name,
        parties,
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
    (issuer, sign_in)
}

/// Reads whom tokens must be for, and who may have asked for one that is for others too. A client that engineers sign in
/// as is both: their ID tokens are made for it.
fn recipients(section: &mut Section<'_>, sign_in: Option<&SignIn>) -> (Vec<String>, Vec<String>) {
    let client = sign_in.map(|sign_in| sign_in.client_id.clone());
    let with_client = |mut all: Vec<String>| {
        all.extend(client.clone().filter(|client| !all.contains(client)));
        all
    };
    let audiences = if client.is_some() {
        let audiences = section.optional("audience", TEXTS, texts);
        audiences.unwrap_or_default()
    } else {
        section.required("audience", TEXTS, "\"icecore\"", texts)
    };
    let audiences = with_client(audiences);
    let parties = section.optional("authorized_parties", TEXTS, texts);
    let parties = parties.map_or_else(|| audiences.clone(), with_client);
    (audiences, parties)
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
pub(super) fn words(mut section: Section<'_>) -> BTreeMap<String, Vec<String>> {
    let mut read = BTreeMap::new();
    for (key, value) in section.rest() {
        match texts(&value) {
            Some(texts) => drop(read.insert(key, texts)),
            None => section.tell(&key, TEXTS, shown(&value)),
        }
    }
    read
}

pub(super) fn kind(value: &Value) -> Option<Kind> {
    match value.as_str()? {
        "human" => Some(Kind::Human),
        "workload" => Some(Kind::Workload),
        _ => None,
    }
}

pub(super) fn name(value: &Value) -> Option<String> {
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
