//! A decision whose proof was checked, so that none is checked twice.

use chrono::{DateTime, Utc};

use super::decision::Said;
use super::judge::{Given, Uncounted};
use super::proof::{ProofError, Proved, ProvedBy, prove};
use super::request::{FORMAT_VERSION, Request};
use super::rules::Rules;
use crate::identity::IdentityError;

/// Longest reason that a person gives, in characters.
pub(super) const REASON_MAX_CHARACTERS: usize = 2000;

/// What was said to a request, and by whom as far as that is proved; the tokens that proved it are gone.
#[derive(Clone, Debug)]
pub struct Word {
    pub(super) sha256: String,
    pub(super) said: Said,
    pub(super) proved: Result<Proved, Uncounted>,
}

/// What a proof could not be checked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacks {
    /// Nothing: it was checked, and no more is to be known.
    Nothing,
    /// Any keys of the issuer.
    Any,
    /// The one key that it names.
    Key,
}

impl Word {
    /// Checks a decision to the request of this digest, which the host saw first at this time.
    #[must_use]
    pub fn of(
        rules: &Rules,
        by: ProvedBy<'_>,
        (request, digest): (&Request, &str),
        given: &Given,
        seen_at: DateTime<Utc>,
    ) -> Self {
        let said = given.decision.said.clone();
        let proved = check(request, digest, &said)
            .and_then(|()| Ok(prove(rules, by, &given.decision, seen_at)?));
        Self {
            sha256: given.sha256.clone(),
            said,
            proved,
        }
    }

    /// Tells what is missing to check its proof by.
    #[must_use]
    pub fn lacks(&self) -> Lacks {
        match &self.proved {
            Err(Uncounted::Proof(ProofError::Unchecked(_))) => Lacks::Any,
            Err(Uncounted::Proof(ProofError::Token(IdentityError::Key { .. }))) => Lacks::Key,
            Ok(_) | Err(_) => Lacks::Nothing,
        }
    }
}

/// Refuses what is about something else.
fn check(request: &Request, digest: &str, said: &Said) -> Result<(), Uncounted> {
    if said.format_version != FORMAT_VERSION {
        return Err(Uncounted::Version(said.format_version));
    }
    if said.request != request.id || said.digest != digest {
        return Err(Uncounted::Other);
    }
    let reason = said.reason.as_deref().unwrap_or_default();
    if reason.chars().count() > REASON_MAX_CHARACTERS {
        return Err(Uncounted::Reason);
    }
    Ok(())
}
