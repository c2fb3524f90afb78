//! Whom statements are judged for, as whoever asks about them states it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::identity::{Ci, Identity, Kind, Principal};

/// Who asks, where nobody says it.
const SOMEBODY: &str = "ci";

/// States who asks.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Who {
    /// Who asks: a user of the host, or ISSUER:SUBJECT as a token shows it; default: ci, of the groups' issuer if there are any
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,

    /// A group that the token shows; may be repeated
    #[arg(long = "group", value_name = "ISSUER:GROUP")]
    groups: Vec<String>,

    /// What else the token shows, by its name in context.identity, such as repository=acme/app; may be repeated
    #[arg(long = "identity", value_name = "FACT=VALUE", value_parser = fact)]
    facts: Vec<(String, String)>,
}

/// What a token shows beside subject and groups, by the names that policies have for it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Facts {
    kind: Option<Kind>,
    agent: Option<String>,
    scopes: BTreeSet<String>,
    ci: Option<String>,
    repository: Option<String>,
    repository_id: Option<String>,
    r#ref: Option<String>,
    workflow: Option<String>,
    job_workflow: Option<String>,
    environment: Option<String>,
    event: Option<String>,
    actor: Option<String>,
    actor_id: Option<String>,
    runner_environment: Option<String>,
}

impl Who {
    /// Gives what policies see of it.
    ///
    /// # Errors
    /// What was expected and found.
    pub(super) fn identity(&self) -> Result<Arc<Identity>, String> {
        let mut facts = Map::new();
        let mut scopes = BTreeSet::new();
        for (name, value) in &self.facts {
            if name == "scopes" {
                scopes.insert(value.as_str());
            } else if facts.insert(name.clone(), json!(value)).is_some() {
                return Err(format!(
                    "--identity: expected `{name}` once, found it again"
                ));
            }
        }
        if !scopes.is_empty() {
            facts.insert("scopes".to_owned(), json!(scopes));
        }
        let has_facts = !facts.is_empty();
        let facts = serde_json::from_value(Value::Object(facts));
        let facts: Facts = facts.map_err(|error| format!("--identity: {error}"))?;
        identity(
            self.user.as_deref(),
            &self.groups,
            has_facts.then_some(&facts),
        )
    }
}

fn fact(text: &str) -> Result<(String, String), String> {
    let wrong = || format!("expected FACT=VALUE, such as `repository=acme/app`, found `{text}`");
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Gives what policies see of a user of the host, or of what a token would show. What is not stated is not known.
///
/// # Errors
/// What was expected and found.
pub(super) fn identity(
    user: Option<&str>,
    groups: &[String],
    facts: Option<&Facts>,
) -> Result<Arc<Identity>, String> {
    let mut own = BTreeSet::new();
    let mut issuer = None;
    for group in groups {
        let (of, name) = split(group)
            .ok_or_else(|| format!("expected a group as `ISSUER:GROUP`, found `{group}`"))?;
        if *issuer.get_or_insert(of) != of {
            return Err(format!("expected groups of one issuer, found `{group}`"));
        }
        own.insert(name);
    }
    let shown = match (user.and_then(split), user, issuer) {
        (Some(shown), _, _) => shown,
        (None, None, Some(issuer)) => (issuer, SOMEBODY),
        (None, user, None) if facts.is_none() => {
            let user = user.unwrap_or(SOMEBODY).to_owned();
            return Ok(Arc::clone(Principal::host_user(user, 0).identity()));
        }
        (None, user, _) => {
            return Err(format!(
                "expected who asks as `ISSUER:SUBJECT`, since a user of the host has neither groups nor facts of a token, found {}",
                user.map_or_else(|| "none".to_owned(), |user| format!("`{user}`"))
            ));
        }
    };
    if let Some(other) = issuer.filter(|issuer| *issuer != shown.0) {
        return Err(format!(
            "expected groups of `{}`, found one of `{other}`",
            shown.0
        ));
    }
    let facts = facts.cloned().unwrap_or_default();
    let ci = Ci {
        provider: facts.ci,
        repository: facts.repository,
        repository_id: facts.repository_id,
        git_ref: facts.r#ref,
        workflow_ref: facts.workflow,
        job_workflow_ref: facts.job_workflow,
        environment: facts.environment,
        event: facts.event,
        actor: facts.actor,
        actor_id: facts.actor_id,
        runner_environment: facts.runner_environment,
        ..Ci::default()
    };
    // As a record's is made: it stands for nobody that a session or a login could act for.
    let identity = json!({
        "protocol": "oidc",
        "issuer_name": shown.0,
        "subject": shown.1,
        "uid": null,
        "kind": facts.kind,
        "groups": own,
        "scopes": facts.scopes,
        "agent": facts.agent,
        "ci": ci,
    });
    let identity = serde_json::from_value(identity).map(Arc::new);
    identity.map_err(|error| error.to_string())
}

/// Splits `ISSUER:NAME`.
fn split(text: &str) -> Option<(&str, &str)> {
    let (issuer, name) = text.split_once(':')?;
    (!issuer.is_empty() && !name.is_empty()).then_some((issuer, name))
}
