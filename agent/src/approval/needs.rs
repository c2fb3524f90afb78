//! What a request needs: whose yes, how many, until when; and which people stand behind whoever asks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::request::{Ask, Need, Requester};
use super::rules::Rules;
use crate::identity::Principal;

/// Least number of approvers where nobody can tell which person asks.
pub(super) const OF_NOBODY_KNOWN: u32 = 2;

/// Events of CI systems that one person starts whom the token names. Of any other (a schedule, a comment, another's run, a
/// workflow that runs with more rights than its author) the actor is not who wrote what the agent reads.
const STARTED_BY_ONE: [&str; 6] = [
    "push",
    "pull_request",
    "workflow_dispatch",
    // GitLab's.
    "web",
    "merge_request_event",
    "chat",
];

/// Why a request cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NeedError {
    /// A policy names a group that the config does not.
    #[error(
        "rule `{rule}`: expected an [[approvals.group]] with the name `{group}`, found {known}"
    )]
    Group {
        /// The rule.
        rule: String,
        /// The group that it names.
        group: String,
        /// Those that there are.
        known: String,
    },
    /// Nothing is asked.
    #[error("expected a rule that asks for a yes, found none")]
    Nothing,
}

impl Requester {
    /// Says of a principal what approvers are shown and requests are judged by.
    #[must_use]
    pub fn of(principal: &Principal) -> Self {
        let identity = principal.identity();
        let ci = identity.ci();
        let attempt = ci.run_attempt.map(|attempt| attempt.to_string());
        let more = [
            ("provider", ci.provider.as_deref()),
            ("sha", ci.sha.as_deref()),
            ("run_id", ci.run_id.as_deref()),
            ("run_attempt", attempt.as_deref()),
        ];
        let facts = ci.facts().into_iter().chain(more);
        Self {
            principal: identity.name(),
            issuer: identity.issuer_name().map(str::to_owned),
            subject: identity.subject().to_owned(),
            groups: identity.groups().collect(),
            facts: facts
                .filter_map(|(name, fact)| Some((name.to_owned(), fact?.to_owned())))
                .collect(),
        }
    }

    fn fact(&self, name: &str) -> Option<&str> {
        self.facts.get(name).map(String::as_str)
    }
}

impl Rules {
    /// Says what must be said in whose name, one need for each group that is asked.
    ///
    /// # Errors
    /// A group that the config does not name: nobody could say yes.
    pub fn needs(&self, asks: &[Ask], requester: &Requester) -> Result<Vec<Need>, NeedError> {
        if asks.is_empty() {
            return Err(NeedError::Nothing);
        }
        let doubt = self.doubt(requester);
        let mut needs = BTreeMap::new();
        for ask in asks {
            let group = self
                .groups
                .get(&ask.group)
                .ok_or_else(|| self.unknown(ask))?;
            let least = if doubt.is_some() { OF_NOBODY_KNOWN } else { 1 };
            let need = Need {
                group: ask.group.clone(),
                approvers: group.approvers.max(least),
                proof: group.proof,
                because: doubt.clone().filter(|_| group.approvers < least),
            };
            needs.insert(ask.group.clone(), need);
        }
        Ok(needs.into_values().collect())
    }

    /// Tells how long a request waits: as long as the least patient group that is asked says.
    ///
    /// # Errors
    /// As of [`Rules::needs`].
    pub fn expires_after(&self, asks: &[Ask]) -> Result<Duration, NeedError> {
        let mut least = None;
        for ask in asks {
            let group = self
                .groups
                .get(&ask.group)
                .ok_or_else(|| self.unknown(ask))?;
            let after = group.expires_after;
            least = Some(least.map_or(after, |least: Duration| least.min(after)));
        }
        least.ok_or(NeedError::Nothing)
    }

    /// Names all people who may stand behind whoever asks, each as `ISSUER:SUBJECT`; none of them approves it.
    #[must_use]
    pub fn behind(&self, requester: &Requester) -> BTreeSet<String> {
        let mapped = self.names(requester).into_iter();
        let mapped = mapped.filter_map(|name| self.people.get(&name).cloned());
        mapped.chain([requester.principal.clone()]).collect()
    }

    /// Says why nobody can tell which one person asks; none if that is known.
    #[must_use]
    pub fn doubt(&self, requester: &Requester) -> Option<String> {
        if requester.fact("provider").is_some() {
            return self.doubt_of_job(requester);
        }
        let is_mapped = self.people.contains_key(&requester.principal);
        // An issuer that gives each client subjects of its own names the same person in two ways.
        let is_person = requester.issuer.as_deref() == Some(&*self.issuer.name)
            && !gives_pairwise_subjects(&self.issuer.url);
        (!is_mapped && !is_person).then(|| {
            let name = &requester.principal;
            format!("`approvals.people` does not say which person `{name}` is")
        })
    }

    fn doubt_of_job(&self, requester: &Requester) -> Option<String> {
        let event = requester.fact("event");
        if !event.is_some_and(|event| STARTED_BY_ONE.contains(&event)) {
            let event = event.unwrap_or("unknown");
            return Some(format!(
                "the event `{event}` is not started by one named person"
            ));
        }
        // A token names who began a run first, not who ran it again.
        if requester
            .fact("run_attempt")
            .is_some_and(|attempt| attempt != "1")
        {
            return Some("the job was run again, perhaps by somebody else".to_owned());
        }
        let Some(actor) = requester.fact("actor") else {
            return Some("the token names no actor".to_owned());
        };
        if actor.ends_with("[bot]") {
            return Some(format!("the actor `{actor}` is a program"));
        }
        let names = self.names(requester);
        (!names.iter().any(|name| self.people.contains_key(name)))
            .then(|| format!("`approvals.people` does not say which person the actor `{actor}` is"))
    }

    /// Lists the names under which `people` may know whoever asks.
    fn names(&self, requester: &Requester) -> Vec<String> {
        let issuer = requester.issuer.as_deref().unwrap_or_default();
        // No login of a CI system has a `#`, so that no actor can take another's number for a name.
        let actor = requester
            .fact("actor")
            .map(|actor| format!("{issuer}:{actor}"));
        let id = requester
            .fact("actor_id")
            .map(|id| format!("{issuer}:#{id}"));
        let all = [Some(requester.principal.clone()), actor, id];
        all.into_iter().flatten().collect()
    }

    fn unknown(&self, ask: &Ask) -> NeedError {
        let known: Vec<&str> = self.groups.keys().map(String::as_str).collect();
        NeedError::Group {
            rule: ask.rule.clone(),
            group: ask.group.clone(),
            known: if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            },
        }
    }
}

/// Tells whether an issuer is known to give each client other subjects (OpenID Connect Core, section 8.1): Entra ID.
/// Source: learn.microsoft.com, "ID token claims reference", `sub`.
fn gives_pairwise_subjects(url: &str) -> bool {
    [
        "login.microsoftonline.",
        "sts.windows.net",
        "login.microsoft.com",
        "login.partner.microsoftonline.cn",
        "sts.chinacloudapi.cn",
        // Entra External ID.
        ".ciamlogin.com",
    ]
    .iter()
    .any(|part| url.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::fixtures::{group, requester, rules};

    fn asks(group: &str) -> [Ask; 1] {
        [Ask {
            rule: "r".to_owned(),
            group: group.to_owned(),
            reason: None,
        }]
    }

    fn job(facts: &[(&str, &str)]) -> Requester {
        let known = [
            ("provider", "github"),
            ("event", "push"),
            ("actor", "octocat"),
            ("actor_id", "1"),
        ];
        let mut job = requester("github:repo:acme/x");
        for (name, fact) in known.iter().chain(facts) {
            job.facts.insert((*name).to_owned(), (*fact).to_owned());
        }
        job
    }

    #[track_caller]
    fn check(requester: &Requester, expected: Option<&str>) {
        let mut rules = rules([("owners", group(&["okta:ann"], 1))]);
        rules
            .people
            .insert("github:octocat".to_owned(), "okta:ann".to_owned());
        rules
            .people
            .insert("github:#7".to_owned(), "okta:ben".to_owned());
        rules.people.insert("ci".to_owned(), "okta:ben".to_owned());
        let [need] = &rules.needs(&asks("owners"), requester).unwrap()[..] else {
            panic!();
        };
        assert_eq!(need.because.as_deref(), expected);
        assert_eq!(need.approvers, if expected.is_some() { 2 } else { 1 });
    }

    #[test]
    fn one_is_enough_where_it_is_known_who_asks_and_two_are_needed_elsewhere() {
        check(&requester("okta:eve"), None);
        check(&requester("ci"), None);
        check(
            &requester("root"),
            Some("`approvals.people` does not say which person `root` is"),
        );
        check(
            &requester("google:eve"),
            Some("`approvals.people` does not say which person `google:eve` is"),
        );
        check(&job(&[]), None);
        check(&job(&[("actor", "hubot"), ("actor_id", "7")]), None);
        check(
            &job(&[("actor", "hubot")]),
            Some("`approvals.people` does not say which person the actor `hubot` is"),
        );
        // A login may be the digits of another's number.
        check(
            &job(&[("actor", "7")]),
            Some("`approvals.people` does not say which person the actor `7` is"),
        );
        for event in [
            "schedule",
            "pull_request_target",
            "issue_comment",
            "repository_dispatch",
        ] {
            let why = format!("the event `{event}` is not started by one named person");
            check(&job(&[("event", event)]), Some(&why));
        }
        check(&job(&[("run_attempt", "1")]), None);
        check(
            &job(&[("run_attempt", "2")]),
            Some("the job was run again, perhaps by somebody else"),
        );
        check(
            &job(&[("actor", "x[bot]")]),
            Some("the actor `x[bot]` is a program"),
        );
    }

    #[test]
    fn an_issuer_of_pairwise_subjects_names_nobody_whom_the_config_does_not() {
        let mut rules = rules([("owners", group(&["okta:ann"], 1))]);
        assert_eq!(rules.doubt(&requester("okta:eve")), None);
        for host in [
            "login.microsoftonline.com",
            "login.microsoftonline.us",
            "login.partner.microsoftonline.cn",
            "sts.chinacloudapi.cn",
            "acme.ciamlogin.com",
        ] {
            rules.issuer.url = format!("https://{host}/t/v2.0");
            assert!(rules.doubt(&requester("okta:eve")).is_some(), "{host}");
        }
    }

    #[test]
    fn all_who_may_stand_behind_a_job_are_known() {
        let mut rules = rules([("owners", group(&["okta:ann"], 1))]);
        rules
            .people
            .insert("github:octocat".to_owned(), "okta:ann".to_owned());
        rules
            .people
            .insert("github:#1".to_owned(), "okta:ben".to_owned());
        let behind = rules.behind(&job(&[("event", "schedule")]));
        assert!(behind.contains("okta:ann") && behind.contains("okta:ben"));
    }

    #[test]
    fn a_group_that_nobody_wrote_down_asks_nobody() {
        let rules = rules([("owners", group(&["okta:ann"], 1))]);
        let error = rules
            .needs(&asks("owner"), &requester("okta:eve"))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "rule `r`: expected an [[approvals.group]] with the name `owner`, found owners"
        );
        assert_eq!(
            rules.needs(&[], &requester("okta:eve")),
            Err(NeedError::Nothing)
        );
    }
}
