//! Who may enrol installations, as whoever verifies a record pins it: a person at an issuer, with the issuer's keys.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::claims;
use super::error::{IdentityError, cut};
use super::issuer::{Issuer, KeySource, verify_enrolment};
use super::keys::{Algorithm, Keys};
use super::principal::Kind;
use super::token::Token;

/// How far the issuer's clock and the host's may be apart.
const LEEWAY: Duration = Duration::from_secs(60);

/// By what an operator is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorIs {
    /// By the token's `sub`.
    Subject(String),
    /// By an address that the issuer verified.
    Email(String),
    /// By a group.
    Group(String),
}

/// Who may enrol installations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    issuer: Issuer,
    keys: Keys,
    is: OperatorIs,
}

impl Operator {
    /// Takes an operator: by which issuer's tokens, for which audience, under which keys.
    #[must_use]
    pub fn new(issuer: &str, audience: &str, is: OperatorIs, keys: Keys) -> Self {
        Self {
            issuer: Issuer {
                name: issuer.to_owned(),
                url: issuer.to_owned(),
                audiences: vec![audience.to_owned()],
                parties: vec![audience.to_owned()],
                keys: KeySource::Discovery,
                algorithms: Algorithm::ALL.to_vec(),
                leeway: LEEWAY,
                max_age: None,
                groups_claim: "groups".to_owned(),
                members: BTreeMap::new(),
                require: BTreeMap::new(),
                ci: None,
                kind: Kind::Human,
            },
            keys,
            is,
        }
    }

    /// Gives who it is that vouches by a token for what was made at a time and has this nonce.
    ///
    /// # Errors
    /// The token is not good, or is somebody else's.
    pub fn vouches(
        &self,
        token: &Token,
        nonce: &str,
        made_at: DateTime<Utc>,
    ) -> Result<String, IdentityError> {
        let principal = verify_enrolment(&self.issuer, &self.keys, token, nonce, made_at)?;
        let identity = principal.identity();
        let email = claims::verified_email(&token.claims);
        let (claim, wanted, is_it) = match &self.is {
            OperatorIs::Subject(subject) => ("sub", subject, identity.subject() == subject),
            OperatorIs::Email(wanted) => ("email", wanted, email == Some(wanted)),
            OperatorIs::Group(group) => ("groups", group, identity.own_groups().contains(group)),
        };
        if is_it {
            return Ok(cut(email.unwrap_or(identity.subject())));
        }
        Err(IdentityError::Claim {
            issuer: self.issuer.name.clone(),
            claim: claim.to_owned(),
            expected: format!("of the operator `{wanted}`"),
            found: format!("those of `{}`", cut(identity.subject())),
        })
    }
}
