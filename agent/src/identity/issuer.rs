//! What an issuer may say, and whether a token of its says that.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::claims::{self, Odd, shown};
use super::error::{IdentityError, cut};
use super::keys::{Algorithm, Keys};
use super::principal::{Ci, Identity, Kind, Principal, Protocol, Shown};
use super::token::Token;
use super::{APPROVAL_NONCE, ENROLMENT_NONCE};

/// One `[[identity.issuer]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Issuer {
    /// What policies and the record call it; leads the names of its principals and groups.
    pub name: String,
    /// Its `iss`, to the letter.
    pub url: String,
    /// Whom its tokens must be for; one is enough.
    pub audiences: Vec<String>,
    /// Who may have asked for a token that is for others too (`azp`).
    pub parties: Vec<String>,
    /// Where its keys are.
    pub keys: KeySource,
    /// What its tokens may be signed by.
    pub algorithms: Vec<Algorithm>,
    /// How far its clock and ours may be apart.
    pub leeway: Duration,
    /// How old a token may be, whatever its expiry.
    pub max_age: Option<Duration>,
    /// The claim that has the groups; a path for nested ones.
    pub groups_claim: String,
    /// Groups that the config fills, by subject or verified address.
    pub members: BTreeMap<String, Vec<String>>,
    /// Claims that a token must have, each with the values that will do.
    pub require: BTreeMap<String, Vec<Pattern>>,
    /// The CI system whose jobs its tokens are about.
    pub ci: Option<CiSystem>,
    /// Whether its subjects are people or programs.
    pub kind: Kind,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum KeySource {
    /// Where its discovery document says.
    Discovery,
    /// At this address.
    Url(String),
    /// In this file, for hosts that reach no issuer.
    File(PathBuf),
}

/// A CI system whose claims are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum CiSystem {
    /// GitHub Actions.
    GitHub,
    /// GitLab CI.
    GitLab,
}

impl CiSystem {
    /// Gives the word that config and record use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
        }
    }

    /// Names the claims that tell whose job it is; anyone can have a job at a public CI system.
    #[must_use]
    pub fn owner_claims(self) -> &'static [&'static str] {
        match self {
            Self::GitHub => &[
                "sub",
                "repository",
                "repository_id",
                "repository_owner",
                "repository_owner_id",
                "enterprise",
                "enterprise_id",
            ],
            Self::GitLab => &[
                "sub",
                "project_path",
                "project_id",
                "namespace_path",
                "namespace_id",
                "root_namespace_id",
            ],
        }
    }
}

/// A value, in which `*` stands for any characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pattern(pub String);

impl Pattern {
    /// Tells whether a value will do.
    #[must_use]
    pub fn fits(&self, value: &str) -> bool {
        let mut pieces = self.0.split('*');
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = value.strip_prefix(first) else {
            return false;
        };
        let Some(last) = pieces.next_back() else {
            return rest.is_empty();
        };
        for piece in pieces {
            let Some((_, after)) = rest.split_once(piece) else {
                return false;
            };
            rest = after;
        }
        rest.ends_with(last)
    }

    /// Tells whether it names an owner: to its end, or up to the `/` behind the owner where the claim has one.
    #[must_use]
    pub fn names_owner(&self, claim: &str) -> bool {
        let Some((named, _)) = self.0.split_once('*') else {
            return true;
        };
        let paths = ["sub", "repository", "project_path", "namespace_path"];
        paths.contains(&claim) && named.contains('/')
    }
}

/// Finds out whom a token shows, by its issuer's settings and keys.
///
/// # Errors
/// Whatever is not as the settings ask; any doubt refuses.
pub fn verify(
    issuer: &Issuer,
    keys: &Keys,
    token: &Token,
    now: DateTime<Utc>,
) -> Result<Principal, IdentityError> {
    let proved = prove(issuer, keys, token)?;
    proved.check_is_of_session()?;
    proved.principal(token, now)
}

/// Longest time from an enrolment's document to the token that vouches for it: somebody logs in meanwhile.
const ENROLLED_WITHIN_S: i64 = 3600;

/// Finds out who vouches for what was made at a time and has this nonce; the token was good then, and need not be any more.
///
/// # Errors
/// As of [`verify`]; another nonce, or a token of another time.
pub fn verify_enrolment(
    issuer: &Issuer,
    keys: &Keys,
    token: &Token,
    nonce: &str,
    made_at: DateTime<Utc>,
) -> Result<Principal, IdentityError> {
    let proved = prove(issuer, keys, token)?;
    let found = proved.claims.get("nonce");
    if found.and_then(Value::as_str) != Some(nonce) {
        let expected = "that is the digest of the enrolment's document".to_owned();
        return Err(proved.claim("nonce", expected, shown(found)));
    }
    let issued_at_s = proved.time("iat")?;
    let leeway_s = i64::try_from(issuer.leeway.as_secs()).unwrap_or(0);
    let age_s = issued_at_s.saturating_sub(made_at.timestamp());
    let issued_at = DateTime::from_timestamp(issued_at_s, 0);
    match issued_at.filter(|_| (-leeway_s..=ENROLLED_WITHIN_S).contains(&age_s)) {
        Some(issued_at) => proved.principal(token, issued_at),
        None => {
            let expected = "within an hour of the enrolment's document".to_owned();
            Err(proved.claim("iat", expected, format!("a time {age_s} s after it")))
        }
    }
}

/// Checks that an issuer made a token.
pub(super) fn prove<'t>(
    issuer: &'t Issuer,
    keys: &Keys,
    token: &'t Token,
) -> Result<Proved<'t>, IdentityError> {
    if token.issuer() != issuer.url {
        return Err(unknown_issuer(vec![issuer.url.clone()], token));
    }
    let algorithm = Algorithm::find(token.algorithm())
        .filter(|found| issuer.algorithms.contains(found))
        .ok_or_else(|| IdentityError::Algorithm {
            issuer: issuer.name.clone(),
            allowed: issuer
                .algorithms
                .iter()
                .map(|one| one.name().to_owned())
                .collect(),
            found: cut(token.algorithm()),
        })?;
    keys.check(&issuer.name, algorithm, token)?;
    Ok(Proved {
        issuer,
        keys_sha256: keys.sha256(),
        claims: &token.claims,
    })
}

/// Says that a token is of none of the issuers that are known.
#[must_use]
pub fn unknown_issuer(known: Vec<String>, token: &Token) -> IdentityError {
    IdentityError::Issuer {
        known,
        found: cut(token.issuer()),
    }
}

/// Claims that the issuer did make.
pub(super) struct Proved<'t> {
    issuer: &'t Issuer,
    keys_sha256: [u8; 32],
    pub(super) claims: &'t Map<String, Value>,
}

impl Proved<'_> {
    /// Checks all else that is asked of any token, at a time.
    pub(super) fn principal(
        &self,
        token: &Token,
        now: DateTime<Utc>,
    ) -> Result<Principal, IdentityError> {
        self.check_audience()?;
        let expires_at_s = self.check_times(now.timestamp())?;
        self.check_required()?;
        let shown = Shown {
            issuer: self.issuer.url.clone(),
            token_sha256: token.sha256(),
            expires_at_s,
            session_ends_at_s: None,
            keys_sha256: self.keys_sha256,
        };
        Ok(Principal::verified(self.identity()?, shown))
    }

    /// Refuses a token that says yes to one thing, and lies where others read it.
    fn check_is_of_session(&self) -> Result<(), IdentityError> {
        let nonce = self.claims.get("nonce").and_then(Value::as_str);
        for (begin, of) in [
            (APPROVAL_NONCE, "an approval"),
            (ENROLMENT_NONCE, "an enrolment"),
        ] {
            if nonce.is_some_and(|nonce| nonce.starts_with(begin)) {
                let expected = "of a session's token".to_owned();
                let found = format!("that of {of}, which opens no session");
                return Err(self.claim("nonce", expected, found));
            }
        }
        Ok(())
    }

    fn check_audience(&self) -> Result<(), IdentityError> {
        let issuer = self.issuer;
        let list = format!("with one of {:?}", issuer.audiences);
        let Some(value) = self.claims.get("aud") else {
            return Err(self.claim("aud", list, "none".to_owned()));
        };
        let audiences = claims::texts(value).map_err(|odd| self.odd("aud", odd))?;
        let is_ours = |one: &String| issuer.audiences.contains(one);
        if !audiences.iter().any(is_ours) {
            return Err(self.claim("aud", list, shown(Some(value))));
        }
        if audiences.iter().all(is_ours) {
            return Ok(());
        }
        // OpenID Connect Core, section 3.1.3.7, steps 4 and 5.
        let party = claims::text(self.claims, "azp").map_err(|odd| self.odd("azp", odd))?;
        if party
            .as_ref()
            .is_some_and(|party| issuer.parties.contains(party))
        {
            return Ok(());
        }
        let expected = format!("of {:?}, since the token is for others too", issuer.parties);
        Err(self.claim("azp", expected, shown(self.claims.get("azp"))))
    }

    /// Checks all times; gives the expiry.
    fn check_times(&self, now_s: i64) -> Result<i64, IdentityError> {
        let leeway_s = i64::try_from(self.issuer.leeway.as_secs()).unwrap_or(0);
        let expires_at_s = self.time("exp")?;
        if now_s >= expires_at_s.saturating_add(leeway_s) {
            let ago = now_s.saturating_sub(expires_at_s);
            let expected = "in the future".to_owned();
            return Err(self.claim("exp", expected, format!("an expiry {ago} s ago")));
        }
        let issued_at_s = self.time("iat")?;
        let soon = |claim: &str, at_s: i64| {
            let ahead = at_s.saturating_sub(now_s);
            let found = format!("a time {ahead} s ahead (is the host's clock right?)");
            self.claim(claim, format!("at most {leeway_s} s ahead"), found)
        };
        if issued_at_s > now_s.saturating_add(leeway_s) {
            return Err(soon("iat", issued_at_s));
        }
        if self.claims.contains_key("nbf") {
            let not_before_s = self.time("nbf")?;
            if not_before_s > now_s.saturating_add(leeway_s) {
                return Err(soon("nbf", not_before_s));
            }
        }
        let age_s = now_s.saturating_sub(issued_at_s);
        if let Some(max_age) = self.issuer.max_age {
            let max_age_s = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX);
            if age_s > max_age_s.saturating_add(leeway_s) {
                let expected = format!("at most {max_age_s} s ago (`max_age`)");
                return Err(self.claim("iat", expected, format!("{age_s} s ago")));
            }
        }
        Ok(expires_at_s)
    }

    pub(super) fn time(&self, claim: &'static str) -> Result<i64, IdentityError> {
        let value = self.claims.get(claim);
        let seconds = value
            .and_then(Value::as_i64)
            .filter(|seconds| *seconds >= 0);
        seconds.ok_or_else(|| {
            let expected = "in whole seconds since 1970".to_owned();
            self.claim(claim, expected, shown(value))
        })
    }

    fn check_required(&self) -> Result<(), IdentityError> {
        for (name, patterns) in &self.issuer.require {
            let value = claims::find(self.claims, name);
            let text = match value {
                Some(Value::Bool(flag)) => flag.to_string(),
                Some(Value::Number(number)) => number.to_string(),
                Some(Value::String(text)) => text.clone(),
                _ => String::new(),
            };
            if text.is_empty() || !patterns.iter().any(|pattern| pattern.fits(&text)) {
                let all: Vec<&str> = patterns.iter().map(|one| one.0.as_str()).collect();
                return Err(self.claim(name, format!("to be one of {all:?}"), shown(value)));
            }
        }
        Ok(())
    }

    fn identity(&self) -> Result<Identity, IdentityError> {
        let issuer = self.issuer;
        let subject = claims::text(self.claims, "sub").map_err(|odd| self.odd("sub", odd))?;
        let subject = subject
            .ok_or_else(|| self.claim("sub", "that is text".to_owned(), "none".to_owned()))?;
        let found = claims::find(self.claims, &issuer.groups_claim);
        if found.is_none() && claims::has_overage(self.claims, &issuer.groups_claim) {
            return Err(IdentityError::Overage {
                issuer: issuer.name.clone(),
                claim: issuer.groups_claim.clone(),
            });
        }
        let mut groups = match found {
            None => BTreeSet::new(),
            Some(value) => {
                claims::texts(value).map_err(|odd| self.odd(&issuer.groups_claim, odd))?
            }
        };
        let email = claims::verified_email(self.claims);
        groups.extend(claims::mapped(&subject, email, &issuer.members));
        let ci = match issuer.ci {
            None => Ci::default(),
            Some(system) => {
                claims::ci(system, self.claims).map_err(|(claim, odd)| self.odd(claim, odd))?
            }
        };
        Ok(Identity {
            protocol: Protocol::Oidc,
            issuer_name: Some(issuer.name.clone()),
            subject,
            uid: None,
            kind: Some(issuer.kind),
            groups,
            scopes: claims::scopes(self.claims).map_err(|(claim, odd)| self.odd(claim, odd))?,
            agent: claims::agent(self.claims).map_err(|odd| self.odd("act", odd))?,
            ci,
        })
    }

    pub(super) fn odd(&self, claim: &str, Odd { expected, found }: Odd) -> IdentityError {
        self.claim(claim, expected.to_owned(), found)
    }

    pub(super) fn claim(&self, claim: &str, expected: String, found: String) -> IdentityError {
        IdentityError::Claim {
            issuer: self.issuer.name.clone(),
            claim: claim.to_owned(),
            expected,
            found,
        }
    }
}
