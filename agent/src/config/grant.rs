//! The `[[account.grant]]` tables: who is logged in as whom at an account.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use toml::Value;

use super::account::{NAME, name};
use super::problem::nearest;
use super::section::{Section, shown};
use super::typed::{duration_of, texts};
use super::{Credential, credential};
use crate::identity::{Ci, Issued, Pattern, Who};

/// Whom an account lets in, and as whom Icecore logs in for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// Whom it is for.
    pub who: Who,
    /// The user that the proxy logs in as.
    pub user: String,
    /// The role that a login gets.
    pub role: String,
    /// The warehouse that a login gets, if one is pinned.
    pub warehouse: Option<String>,
    /// The database that a login begins in, whatever the client asks for.
    pub database: Option<String>,
    /// The schema that a login begins in, whatever the client asks for.
    pub schema: Option<String>,
    /// The statement timeout that a login begins with.
    pub statement_timeout: Option<Duration>,
    /// How the proxy proves who it is; none for the account's own credential.
    pub credential: Option<Credential>,
}

/// What an account has for grants that do not say otherwise.
pub(super) struct Defaults<'a> {
    /// Its user.
    pub(super) user: &'a str,
    /// Its warehouse.
    pub(super) warehouse: Option<&'a str>,
    /// The names of the config's issuers.
    pub(super) issuers: &'a [String],
}

const TEXTS: &str = "a text, or a list of 1 to 64 texts, none empty (`*`: any characters)";
const GROUPS: &str = "a text, or a list of 1 to 64 texts, none empty";

/// What only a token can show.
const OF_TOKENS: [&str; 4] = ["issuer", "group", "subject", "claims"];

/// Reads one table.
pub(super) fn grant(mut section: Section<'_>, defaults: &Defaults<'_>) -> Grant {
    let grant = Grant {
        who: who(&mut section, defaults.issuers),
        user: section
            .optional("user", NAME, name)
            .unwrap_or_else(|| defaults.user.to_owned()),
        role: section.required("role", NAME, "\"ANALYST\"", name),
        warehouse: section
            .optional("warehouse", NAME, name)
            .or_else(|| defaults.warehouse.map(str::to_owned)),
        database: section.optional("database", NAME, name),
        schema: section.optional("schema", NAME, name),
        // Snowflake takes up to seven days, and 0 for that (Snowflake, "STATEMENT_TIMEOUT_IN_SECONDS").
        statement_timeout: duration_of(&mut section, "statement_timeout", 1..=604_800),
        credential: section
            .has("credential")
            .then(|| credential::credential(&mut section)),
    };
    if grant.schema.is_some() && grant.database.is_none() && !section.is_told("database") {
        let expected = "a database, since `schema` is one of a database";
        section.tell("database", expected, "nothing");
    }
    section.finish();
    grant
}

fn who(section: &mut Section<'_>, issuers: &[String]) -> Who {
    let is_of_token = OF_TOKENS.iter().any(|key| section.has(key));
    let host_users = section.optional("host_user", TEXTS, patterns);
    if let Some(names) = host_users {
        if is_of_token {
            let found = "it beside what only a token shows, so that nobody fits";
            section.tell("host_user", "nothing beside it", found);
            for key in OF_TOKENS {
                section.take_away(key);
            }
        }
        return Who::HostUsers(names);
    }
    if !is_of_token && !section.is_told("host_user") {
        let expected = "one of issuer, group, subject, claims and host_user: whom the grant is for";
        section.tell("issuer", expected, "none");
    }
    Who::Issued(Issued {
        issuer: issuer(section, issuers, is_of_token),
        groups: section.optional("group", GROUPS, texts).unwrap_or_default(),
        subjects: section
            .optional("subject", TEXTS, patterns)
            .unwrap_or_default(),
        claims: claims(section.section("claims")),
    })
}

/// Reads whose word counts; where there is one issuer it need not be named.
fn issuer(section: &mut Section<'_>, issuers: &[String], is_wanted: bool) -> String {
    let listed = issuers.join(", ");
    let read = |value: &Value| {
        let name = value.as_str()?.to_owned();
        issuers.contains(&name).then_some(name)
    };
    let is_named = section.has("issuer");
    let expected = match issuers {
        [] => "the name of an `[[identity.issuer]]` or `[[identity.saml]]`, of which this config has none".to_owned(),
        [_, ..] => format!("one of the issuers {listed}"),
    };
    let named = section.optional("issuer", &expected, read);
    match (named, issuers) {
        (Some(named), _) => named,
        (None, [only]) => only.clone(),
        (None, _) => {
            if is_wanted && !is_named {
                section.tell(
                    "issuer",
                    expected,
                    "nothing: groups and subjects are an issuer's",
                );
            }
            String::new()
        }
    }
}

fn claims(mut section: Section<'_>) -> BTreeMap<String, Vec<Pattern>> {
    let no_job = Ci::default();
    let names: Vec<&'static str> = no_job.facts().map(|(name, _)| name).to_vec();
    let mut claims = BTreeMap::new();
    for (claim, value) in section.rest() {
        match patterns(&value) {
            _ if !names.contains(&claim.as_str()) => {
                let hint = nearest(&claim, &names)
                    .map(|word| format!(" (did you mean `{word}`?)"))
                    .unwrap_or_default();
                let expected = format!("one of the facts of a CI job: {}", names.join(", "));
                section.tell(&claim, expected, format!("another{hint}"));
            }
            Some(patterns) => drop(claims.insert(claim, patterns)),
            None => section.tell(&claim, TEXTS, shown(&value)),
        }
    }
    claims
}

fn patterns(value: &Value) -> Option<Vec<Pattern>> {
    Some(texts(value)?.into_iter().map(Pattern).collect())
}

#[cfg(test)]
#[path = "grant_tests.rs"]
mod tests;
