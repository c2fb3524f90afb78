//! Who asked, as far as a record says it: what policies saw of a recorded statement's principal. Pure.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::identity::{Ci, Identity};
use crate::record::entry::Entry;

/// How a `logins` row names a user of the host.
const HOST_USER: &str = "host user ";

/// What the record has of one login's principal.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) session: &'a Entry,
    pub(super) login: &'a Entry,
    /// What the token showed that counted when the statement was judged (event AU001).
    pub(super) shown: Option<&'a Entry>,
}

impl Asker<'_> {
    /// Tells who it was; none where the record does not say all that policies may look at.
    pub(super) fn identity(&self) -> Option<Arc<Identity>> {
        let principal = self.login.text("principal")?;
        let identity = match principal.strip_prefix(HOST_USER) {
            Some(_) => self.host_user()?,
            None => self.verified(principal)?,
        };
        serde_json::from_value(identity).ok().map(Arc::new)
    }

    fn host_user(&self) -> Option<Json> {
        Some(json!({
            "protocol": "host",
            "issuer_name": null,
            "subject": self.session.text("user")?,
            "uid": self.session.int("uid")?,
            "kind": null,
            "groups": [],
            "scopes": [],
            "agent": null,
            "ci": {},
        }))
    }

    /// Reads what a token showed. Its principal is written `<issuer's name>:<subject> of <URL>`.
    fn verified(&self, principal: &str) -> Option<Json> {
        let shown: Json = serde_json::from_str(self.shown?.text("detail")?).ok()?;
        let text = |member: &str| shown.get(member)?.as_str();
        let (subject, issuer) = (text("subject")?, text("issuer")?);
        let name = principal
            .strip_suffix(issuer)?
            .strip_suffix(" of ")?
            .strip_suffix(subject)?
            .strip_suffix(':')?;
        let groups = shown.get("groups")?.as_array()?.iter();
        let groups: Option<Vec<&str>> = groups
            .map(|group| group.as_str()?.strip_prefix(name)?.strip_prefix(':'))
            .collect();
        let kind = self.login.text("principal_type");
        // A driver's own token may be of another job than the session's, whose facts stand in no row.
        let is_own = shown.get("login").is_some();
        if is_own && kind != Some("human") {
            return None;
        }
        let ci = if is_own { Ci::default() } else { self.job() };
        Some(json!({
            "protocol": text("protocol"),
            "issuer_name": name,
            "subject": subject,
            "uid": null,
            "kind": kind,
            "groups": groups?,
            "scopes": shown.get("scopes"),
            "agent": text("agent"),
            "ci": ci,
        }))
    }

    /// Gives the facts of the session's job that its token showed.
    fn job(&self) -> Ci {
        if self.session.text("ci_facts") != Some("verified") {
            return Ci::default();
        }
        let text = |column| self.session.text(column).map(str::to_owned);
        let attempt = self.session.int("ci_run_attempt");
        Ci {
            provider: text("ci_provider"),
            repository: text("ci_repository"),
            repository_id: text("ci_repository_id"),
            git_ref: text("ci_ref"),
            sha: text("ci_sha"),
            workflow_ref: text("ci_workflow_ref"),
            job_workflow_ref: text("ci_job_workflow_ref"),
            run_id: text("ci_run_id"),
            run_attempt: attempt.and_then(|attempt| i32::try_from(attempt).ok()),
            actor: text("ci_actor"),
            actor_id: text("ci_actor_id"),
            event: text("ci_event"),
            environment: text("ci_environment"),
            runner_environment: text("runner_environment"),
        }
    }
}
