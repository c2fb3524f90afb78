//! From a token's claims to groups, scopes and the facts of a CI job.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::error::cut;
use super::issuer::CiSystem;
use super::principal::Ci;

/// Most groups or scopes of one token.
pub(super) const MEMBERS_MAX: usize = 1000;

/// Longest group, scope or other claim that is kept, in characters.
const TEXT_MAX_CHARACTERS: usize = 1024;

/// What a claim holds that is not what it should be; for the text of an error.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Odd {
    pub(super) expected: &'static str,
    pub(super) found: String,
}

/// Finds a claim by its name, or by a path of names with dots between them, such as `realm_access.roles`.
pub(super) fn find<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    // A name may have dots itself: `https://acme.com/groups`.
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let (name, rest) = (path.get(..dot)?, path.get(dot + 1..)?);
        find(claims.get(name)?.as_object()?, rest)
    })
}

/// Shows a claim's value for the text of an error.
pub(super) fn shown(value: Option<&Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(Value::String(text)) => format!("{:?}", cut(text)),
        Some(value) => cut(&value.to_string()),
    }
}

/// Reads a claim that must be plain text, if it is there.
pub(super) fn text(claims: &Map<String, Value>, name: &str) -> Result<Option<String>, Odd> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => plain(text).map(Some),
        Some(other) => Err(odd("that is text", other)),
    }
}

fn plain(text: &str) -> Result<String, Odd> {
    if is_plain(text) {
        return Ok(text.to_owned());
    }
    Err(Odd {
        expected: PLAIN,
        found: format!("{:?}", cut(text)),
    })
}

/// What a text is like that names somebody or a group.
pub(super) const PLAIN: &str = "of 1 to 1024 characters without control characters";

/// Tells whether a text is like that.
pub(super) fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.chars().count() <= TEXT_MAX_CHARACTERS
        && !text.chars().any(char::is_control)
}

/// Reads a claim that is a list of texts, or one text alone.
pub(super) fn texts(value: &Value) -> Result<BTreeSet<String>, Odd> {
    if let Value::String(one) = value {
        return plain(one).map(|one| BTreeSet::from([one]));
    }
    let listed = value.as_array().ok_or_else(|| not_texts(value))?;
    if listed.len() > MEMBERS_MAX {
        return Err(Odd {
            expected: "with at most 1000 members",
            found: listed.len().to_string(),
        });
    }
    let text = |one: &Value| plain(one.as_str().ok_or_else(|| not_texts(one))?);
    listed.iter().map(text).collect()
}

fn not_texts(value: &Value) -> Odd {
    odd("that is a list of texts", value)
}

fn odd(expected: &'static str, value: &Value) -> Odd {
    let found = shown(Some(value));
    Odd { expected, found }
}

/// Reads scopes: `scope` (RFC 8693 section 4.2) or `scp` (Okta and Entra ID), with blanks between them or a list.
pub(super) fn scopes(claims: &Map<String, Value>) -> Result<BTreeSet<String>, (&'static str, Odd)> {
    let mut scopes = BTreeSet::new();
    for name in ["scope", "scp"] {
        let Some(value) = claims.get(name) else {
            continue;
        };
        for one in texts(value).map_err(|odd| (name, odd))? {
            scopes.extend(
                one.split(' ')
                    .filter(|one| !one.is_empty())
                    .map(str::to_owned),
            );
        }
    }
    Ok(scopes)
}

/// Tells whether Entra ID left the groups out. Source: learn.microsoft.com, "Configure group claims", group overage.
pub(super) fn has_overage(claims: &Map<String, Value>, groups_claim: &str) -> bool {
    let elsewhere = claims.get("_claim_names").and_then(Value::as_object);
    let is_elsewhere = elsewhere.is_some_and(|names| names.contains_key(groups_claim));
    // The implicit flow's form speaks of the claim `groups` alone.
    let flag = claims.get("hasgroups").filter(|_| groups_claim == "groups");
    is_elsewhere || flag.is_some_and(|flag| *flag == true || *flag == "true")
}

/// Gives the subject's mail address if the issuer has verified it.
pub(super) fn verified_email(claims: &Map<String, Value>) -> Option<&str> {
    let is_verified = claims.get("email_verified") == Some(&Value::Bool(true));
    let email = claims.get("email").and_then(Value::as_str);
    email.filter(|_| is_verified)
}

/// Finds the groups that the config puts a subject, or a verified address, into.
pub(super) fn mapped(
    subject: &str,
    email: Option<&str>,
    members: &BTreeMap<String, Vec<String>>,
) -> BTreeSet<String> {
    let is_one = |member: &String| member == subject || Some(member.as_str()) == email;
    let has_one = |(_, members): &(&String, &Vec<String>)| members.iter().any(is_one);
    let groups = members.iter().filter(has_one);
    groups.map(|(group, _)| group.clone()).collect()
}

/// Reads the facts of a CI job.
pub(super) fn ci(system: CiSystem, claims: &Map<String, Value>) -> Result<Ci, (&'static str, Odd)> {
    let read = |name: &'static str| match claims.get(name) {
        // GitLab writes some ids as numbers.
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        _ => text(claims, name).map_err(|odd| (name, odd)),
    };
    let provider = Some(system.as_str().to_owned());
    // Source: docs.github.com, "OpenID Connect reference"; docs.gitlab.com, "ID token authentication".
    Ok(match system {
        CiSystem::GitHub => Ci {
            provider,
            repository: read("repository")?,
            repository_id: read("repository_id")?,
            git_ref: read("ref")?,
            sha: read("sha")?,
            workflow_ref: read("workflow_ref")?,
            job_workflow_ref: read("job_workflow_ref")?,
            run_id: read("run_id")?,
            run_attempt: read("run_attempt")?.and_then(|text| text.parse().ok()),
            actor: read("actor")?,
            actor_id: read("actor_id")?,
            event: read("event_name")?,
            environment: read("environment")?,
            runner_environment: read("runner_environment")?,
        },
        CiSystem::GitLab => Ci {
            provider,
            repository: read("project_path")?,
            repository_id: read("project_id")?,
            git_ref: match read("ref_path")? {
                Some(path) => Some(path),
                None => read("ref")?,
            },
            sha: read("sha")?,
            workflow_ref: read("ci_config_ref_uri")?,
            job_workflow_ref: None,
            run_id: read("pipeline_id")?,
            run_attempt: None,
            actor: read("user_login")?,
            actor_id: read("user_id")?,
            event: read("pipeline_source")?,
            environment: read("environment")?,
            runner_environment: read("runner_environment")?,
        },
    })
}

/// Names the party that acts for the subject: the outermost `act`, which is the current one (RFC 8693 section 4.1).
pub(super) fn agent(claims: &Map<String, Value>) -> Result<Option<String>, Odd> {
    match claims.get("act") {
        None => Ok(None),
        Some(Value::Object(act)) => match text(act, "sub")? {
            Some(agent) => Ok(Some(agent)),
            None => Err(odd("with a `sub`", &Value::Object(act.clone()))),
        },
        Some(other) => Err(odd("that is an object with a `sub`", other)),
    }
}
