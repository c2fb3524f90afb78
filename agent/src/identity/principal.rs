//! Who a session acts for: made by this stage alone, handed to policy and record.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

/// Leads what a claim's digest is of, so that it is none of the digests in the record.
const CLAIM_PURPOSE: &[u8] = b"icecore token claim 1\0";

/// Who a session acts for; made only by this stage. It cannot be read from a text: see `seal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal(Arc<Kept>);

/// What is kept of a principal, as a seal holds it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    identity: Arc<Identity>,
    issuer: Option<String>,
    token_sha256: Option<[u8; 32]>,
    expires_at_s: Option<i64>,
    /// Absent in seals that were made before there was one.
    #[serde(default)]
    session_ends_at_s: Option<i64>,
    /// The same.
    #[serde(default)]
    keys_sha256: Option<[u8; 32]>,
}

/// Whom principals stand for: the same subject of the same issuer by the same protocol, in the same run of the same job
/// where a CI system tells it, since all jobs of a branch share a subject there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    protocol: Protocol,
    issuer: Option<String>,
    issuer_name: Option<String>,
    subject: String,
    uid: Option<u32>,
    job: [Option<String>; 4],
}

/// What policies see of a principal. Two principals that are equal in this get the same verdicts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// How it was shown.
    pub(super) protocol: Protocol,
    /// The config's name of its issuer; none for a host user.
    pub(super) issuer_name: Option<String>,
    /// The subject as its issuer wrote it, or the host user's name.
    pub(super) subject: String,
    /// The host user's number.
    pub(super) uid: Option<u32>,
    /// Person or program; not known of host users.
    pub(super) kind: Option<Kind>,
    /// Its groups, as its issuer calls them.
    pub(super) groups: BTreeSet<String>,
    /// What the token is good for.
    pub(super) scopes: BTreeSet<String>,
    /// The program that acts for the subject, if the token names one (`act`, RFC 8693 section 4.1).
    pub(super) agent: Option<String>,
    /// Facts of the CI job that the token was made for.
    pub(super) ci: Ci,
}

/// How an identity was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// The kernel's word for the host user, and no token.
    Host,
    /// A token of an OpenID Connect issuer.
    Oidc,
    /// An assertion of a SAML 2.0 identity provider.
    Saml,
}

impl Protocol {
    /// Gives the word that policies and the record use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Oidc => "oidc",
            Self::Saml => "saml",
        }
    }
}

/// Person or program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person.
    Human,
    /// A program, such as a CI job.
    Workload,
}

impl Kind {
    /// Gives the word that config, policies and the record use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Workload => "workload",
        }
    }
}

/// Facts of a CI job. Each field is the `ci_` column of its name. In a principal its CI system signed them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the columns of `sessions` say what each means")]
pub struct Ci {
    pub provider: Option<String>,
    pub repository: Option<String>,
    pub repository_id: Option<String>,
    pub git_ref: Option<String>,
    pub sha: Option<String>,
    pub workflow_ref: Option<String>,
    pub job_workflow_ref: Option<String>,
    pub run_id: Option<String>,
    pub run_attempt: Option<i32>,
    pub actor: Option<String>,
    pub actor_id: Option<String>,
    pub event: Option<String>,
    pub environment: Option<String>,
    pub runner_environment: Option<String>,
}

impl Ci {
    /// Gives every text that is known.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let Self {
            provider,
            repository,
            repository_id,
            git_ref,
            sha,
            workflow_ref,
            job_workflow_ref,
            run_id,
            run_attempt: _,
            actor,
            actor_id,
            event,
            environment,
            runner_environment,
        } = self;
        let all = [
            provider,
            repository,
            repository_id,
            git_ref,
            sha,
            workflow_ref,
            job_workflow_ref,
            run_id,
            actor,
            actor_id,
            event,
            environment,
            runner_environment,
        ];
        all.into_iter().filter_map(Option::as_deref)
    }

    /// Gives what policies and grants may ask of a job, by the names that they have for it.
    #[must_use]
    pub fn facts(&self) -> [(&'static str, Option<&str>); 10] {
        [
            ("repository", self.repository.as_deref()),
            ("repository_id", self.repository_id.as_deref()),
            ("ref", self.git_ref.as_deref()),
            ("workflow", self.workflow_ref.as_deref()),
            ("job_workflow", self.job_workflow_ref.as_deref()),
            ("environment", self.environment.as_deref()),
            ("event", self.event.as_deref()),
            ("actor", self.actor.as_deref()),
            ("actor_id", self.actor_id.as_deref()),
            ("runner_environment", self.runner_environment.as_deref()),
        ]
    }
}

/// What a token showed beside the identity itself.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// The issuer's own name, a URL.
    pub(super) issuer: String,
    /// SHA-256 of the token's `jti` or, where there is none, of what is signed of it; of a SAML assertion's id.
    pub(super) token_sha256: [u8; 32],
    /// Until when the token is good.
    pub(super) expires_at_s: i64,
    /// When what was begun with it must end, if its issuer says so.
    pub(super) session_ends_at_s: Option<i64>,
    /// SHA-256 of the document with the keys that proved it: an issuer's JWKS, or a provider's metadata.
    pub(super) keys_sha256: [u8; 32],
}

impl Principal {
    /// Takes the host user that opened the session, whose uid the supervisor read from the kernel.
    #[must_use]
    pub fn host_user(user: String, uid: u32) -> Self {
        let identity = Identity {
            protocol: Protocol::Host,
            issuer_name: None,
            subject: user,
            uid: Some(uid),
            kind: None,
            groups: BTreeSet::new(),
            scopes: BTreeSet::new(),
            agent: None,
            ci: Ci::default(),
        };
        Self::of_kept(Kept {
            identity: Arc::new(identity),
            issuer: None,
            token_sha256: None,
            expires_at_s: None,
            session_ends_at_s: None,
            keys_sha256: None,
        })
    }

    /// Takes what a token or assertion proved.
    pub(super) fn verified(identity: Identity, shown: Shown) -> Self {
        Self::of_kept(Kept {
            identity: Arc::new(identity),
            issuer: Some(shown.issuer),
            token_sha256: Some(shown.token_sha256),
            expires_at_s: Some(shown.expires_at_s),
            session_ends_at_s: shown.session_ends_at_s,
            keys_sha256: Some(shown.keys_sha256),
        })
    }

    /// Takes what a seal held.
    pub(super) fn of_kept(kept: Kept) -> Self {
        Self(Arc::new(kept))
    }

    /// Gives what a seal holds.
    pub(super) fn kept(&self) -> &Kept {
        &self.0
    }

    /// Tells whether another token shows the same party.
    #[must_use]
    pub fn is_same_party(&self, other: &Self) -> bool {
        self.party() == other.party()
    }

    /// Gives whom it stands for, whichever token shows that.
    #[must_use]
    pub fn party(&self) -> Party {
        let identity = self.identity();
        let Ci {
            run_id,
            workflow_ref,
            job_workflow_ref,
            environment,
            ..
        } = identity.ci.clone();
        Party {
            protocol: identity.protocol,
            issuer: self.0.issuer.clone(),
            issuer_name: identity.issuer_name.clone(),
            subject: identity.subject.clone(),
            uid: identity.uid,
            job: [run_id, workflow_ref, job_workflow_ref, environment],
        }
    }

    /// Tells whether a token was made after the one that this principal was shown by, so that none is used twice and no
    /// older one brings back what was taken away since.
    #[must_use]
    pub fn is_fresher_than(&self, held: &Self) -> bool {
        self.0.token_sha256 != held.0.token_sha256 && self.0.expires_at_s >= held.0.expires_at_s
    }

    /// Gives what policies see.
    #[must_use]
    pub fn identity(&self) -> &Arc<Identity> {
        &self.0.identity
    }

    /// Gives the issuer's own name, a URL; none for a host user.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.0.issuer.as_deref()
    }

    /// Gives the digest of the token that showed it.
    #[must_use]
    pub fn token_sha256(&self) -> Option<[u8; 32]> {
        self.0.token_sha256
    }

    /// Gives the digest of the document with the keys that proved it: an issuer's JWKS, or a provider's metadata.
    #[must_use]
    pub fn keys_sha256(&self) -> Option<[u8; 32]> {
        self.0.keys_sha256
    }

    /// Gives the digest by which every host claims the token that showed it: of the issuer's own name, not the config's,
    /// and of what a signature in another form does not change.
    #[must_use]
    pub fn claim_sha256(&self) -> Option<[u8; 32]> {
        let (issuer, token) = (self.issuer()?, self.token_sha256()?);
        let mut context = Context::new(&SHA256);
        for part in [CLAIM_PURPOSE, &token, issuer.as_bytes()] {
            context.update(part);
        }
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(context.finish().as_ref());
        Some(sha256)
    }

    /// Tells until when the token was good that showed it.
    #[must_use]
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.0.expires_at_s?, 0)
    }

    /// Tells when its issuer wants everything ended that was begun with the token (SAML's `SessionNotOnOrAfter`).
    #[must_use]
    pub fn session_ends_at(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.0.session_ends_at_s?, 0)
    }
}

impl Identity {
    /// Gives the name that policies call it by: a host user's own, else `<issuer's name>:<subject>`.
    ///
    /// No host user has a colon in its name (passwd(5)), so that no issuer can name one.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.issuer_name {
            Some(issuer) => format!("{issuer}:{}", self.subject),
            None => self.subject.clone(),
        }
    }

    /// Names its groups as policies do: `<issuer's name>:<group>`, so that no issuer fills another's groups.
    pub fn groups(&self) -> impl Iterator<Item = String> {
        let issuer = self.issuer_name.as_deref();
        self.groups
            .iter()
            .filter_map(move |group| issuer.map(|issuer| format!("{issuer}:{group}")))
    }

    /// Gives its groups, as its issuer calls them.
    #[must_use]
    pub fn own_groups(&self) -> &BTreeSet<String> {
        &self.groups
    }

    /// Tells how it was shown.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Tells whether a token or an assertion proved it.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.protocol != Protocol::Host
    }

    /// Gives the config's name of its issuer.
    #[must_use]
    pub fn issuer_name(&self) -> Option<&str> {
        self.issuer_name.as_deref()
    }

    /// Gives the subject as its issuer wrote it, or the host user's name.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Tells person from program, where that is known.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// Tells whether it is of a job: of what a program, or a CI system, got a token for.
    #[must_use]
    pub fn is_job(&self) -> bool {
        self.kind == Some(Kind::Workload) || self.ci.provider.is_some()
    }

    /// Gives what the token is good for.
    #[must_use]
    pub fn scopes(&self) -> &BTreeSet<String> {
        &self.scopes
    }

    /// Names the program that acts for the subject, if the token names one.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        self.agent.as_deref()
    }

    /// Says all that grants look at: its name, groups and the facts of its job, cut to a readable length.
    #[must_use]
    pub fn described(&self) -> String {
        let mut known = vec![self.name()];
        if !self.groups.is_empty() {
            let shown: Vec<&str> = self.groups.iter().take(16).map(String::as_str).collect();
            let more = self.groups.len() - shown.len();
            let rest = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            known.push(format!("groups {}{rest}", shown.join(", ")));
        }
        let facts = self.ci.facts().into_iter();
        known.extend(facts.filter_map(|(name, fact)| Some(format!("{name} {}", fact?))));
        known.join("; ")
    }

    /// Gives the facts of the CI job.
    #[must_use]
    pub fn ci(&self) -> &Ci {
        &self.ci
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identity = self.identity();
        match (identity.uid, &self.0.issuer) {
            (Some(uid), None) => write!(f, "host user {} (uid {uid})", identity.subject),
            (_, issuer) => {
                let issuer = issuer.as_deref().unwrap_or_default();
                write!(f, "{} of {issuer}", identity.name())
            }
        }
    }
}
